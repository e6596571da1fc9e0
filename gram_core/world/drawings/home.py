"""What stands in a home: furniture and dishes."""

from __future__ import annotations

import math

from gram_core.world.primitives import (
    Pencil,
    Shape,
    arc,
    ellipse,
    line,
    on_circle,
    polygon,
    rectangle,
)
from gram_core.world.registry import concept


@concept("lamp", kind="furniture")
def lamp(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.5, 0.65)
    return [
        line("dark", 0.08, (0, -0.1), (0, 0.75)),
        ellipse("second", 0, 0.82, 0.4, 0.12),
        polygon("main", (-w * 0.5, -0.85), (w * 0.5, -0.85), (w, -0.1), (-w, -0.1)),
    ]


@concept("chair", kind="furniture")
def chair(pencil: Pencil) -> list[Shape]:
    top = pencil.between(-0.95, -0.75)
    return [
        *(line("dark", 0.1, (side * 0.45, 0.15), (side * 0.5, 0.95)) for side in (-1, 1)),
        *(line("dark", 0.1, (side * 0.4, 0.1), (side * 0.4, top)) for side in (-1, 1)),
        rectangle("main", -0.4, top, 0.4, -0.3),
        polygon("second", (-0.5, 0), (0.5, 0), (0.58, 0.2), (-0.58, 0.2)),
    ]


@concept("clock", kind="furniture")
def clock(pencil: Pencil) -> list[Shape]:
    hour, minute = pencil.between(0, 2 * math.pi), pencil.between(0, 2 * math.pi)
    quarters = [quarter * math.pi / 2 for quarter in range(4)]
    return [
        ellipse("main", 0, 0, 0.85),
        ellipse("light", 0, 0, 0.68),
        *(
            line("dark", 0.06, on_circle(0, 0, 0.52, angle), on_circle(0, 0, 0.64, angle))
            for angle in quarters
        ),
        line("dark", 0.08, (0, 0), on_circle(0, 0, 0.33, hour)),
        line("dark", 0.06, (0, 0), on_circle(0, 0, 0.52, minute)),
    ]


@concept("door", kind="furniture")
def door(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.4, 0.5)
    return [
        rectangle("second", -w - 0.1, -0.95, w + 0.1, 0.95),
        rectangle("main", -w, -0.85, w, 0.95),
        rectangle("dark", -w + 0.12, -0.7, w - 0.12, -0.15),
        rectangle("dark", -w + 0.12, 0.05, w - 0.12, 0.75),
        ellipse("accent", w - 0.08, 0, 0.06),
    ]


@concept("table", kind="furniture")
def table(pencil: Pencil) -> list[Shape]:
    depth = pencil.between(0.22, 0.34)
    foot = pencil.between(0.7, 0.85)
    top = -0.35
    edge = top + depth
    inset = pencil.between(0.2, 0.3)
    return [
        *(
            line("second", 0.1, (side * (0.85 - inset), top), (side * (0.85 - inset), foot - 0.3))
            for side in (-1, 1)
        ),
        *(line("second", 0.14, (side * 0.82, edge), (side * 0.82, foot)) for side in (-1, 1)),
        polygon("main", (-0.95 + inset, top), (0.95 - inset, top), (0.98, edge), (-0.98, edge)),
        rectangle("accent", -0.98, edge, 0.98, edge + 0.12),
    ]


@concept("bed", kind="furniture")
def bed(pencil: Pencil) -> list[Shape]:
    head = pencil.between(-0.65, -0.5)
    foot = pencil.between(-0.05, 0.1)
    fold = pencil.between(-0.3, -0.1)
    return [
        rectangle("second", -0.98, head, -0.84, 0.75),
        rectangle("second", 0.84, foot, 0.98, 0.75),
        rectangle("light", -0.84, 0.12, 0.84, 0.4),
        rectangle("second", -0.84, 0.4, 0.84, 0.55),
        ellipse("light", -0.58, -0.02, 0.25, 0.16),
        polygon("main", (fold, -0.02), (0.75, -0.02), (0.84, 0.1), (0.84, 0.42), (fold, 0.42)),
        rectangle("accent", fold, -0.02, fold + 0.15, 0.42),
    ]


@concept("wardrobe", kind="furniture")
def wardrobe(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.55, 0.68)
    sill = pencil.between(0.45, 0.55)
    return [
        rectangle("dark", -w + 0.05, 0.8, -w + 0.2, 0.97),
        rectangle("dark", w - 0.2, 0.8, w - 0.05, 0.97),
        rectangle("main", -w, -0.85, w, 0.85),
        rectangle("second", -w - 0.08, -0.95, w + 0.08, -0.8),
        rectangle("accent", -w + 0.1, -0.68, -0.06, sill - 0.1),
        rectangle("accent", 0.06, -0.68, w - 0.1, sill - 0.1),
        line("dark", 0.05, (0, -0.8), (0, sill)),
        line("dark", 0.05, (-w, sill), (w, sill)),
        *(line("dark", 0.06, (x, -0.12), (x, 0.1)) for x in (-0.11, 0.11)),
        line("dark", 0.07, (-0.14, sill + 0.18), (0.14, sill + 0.18)),
    ]


@concept("teapot", kind="dish")
def teapot(pencil: Pencil) -> list[Shape]:
    h = pencil.between(0.42, 0.52)
    return [
        arc("main", 0.1, 0.55, 0.15, 0.35, 0.32, -1.4, 1.5),
        polygon("main", (-0.45, 0.05), (-0.95, -0.3), (-0.85, -0.38), (-0.35, -0.1)),
        ellipse("main", 0, 0.2, 0.58, h),
        ellipse("second", 0, 0.2 - h, 0.3, 0.09),
        ellipse("accent", 0, 0.08 - h, 0.09),
        rectangle("second", -0.32, 0.6, 0.32, 0.72),
    ]


@concept("mug", kind="dish")
def mug(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.42, 0.5)
    rim = pencil.between(-0.6, -0.4)
    return [
        arc("main", 0.12, w, 0.05, 0.32, 0.32, -1.5, 1.5),
        polygon("main", (-w, rim), (w, rim), (w * 0.95, 0.7), (-w * 0.95, 0.7)),
        rectangle("second", -w, -0.05, w, 0.2),
        ellipse("dark", 0, rim, w, 0.09),
    ]


@concept("fork", kind="dish")
def fork(pencil: Pencil) -> list[Shape]:
    gap = pencil.between(0.13, 0.18)
    return [
        line("main", 0.12, (0, -0.2), (0, 0.97)),
        line("main", 0.1, (-gap * 1.5, -0.35), (gap * 1.5, -0.35)),
        *(
            line("main", 0.07, (x, -0.95), (x, -0.35))
            for x in ((tine - 1.5) * gap for tine in range(4))
        ),
        polygon("main", (-gap * 1.6, -0.35), (gap * 1.6, -0.35), (0, -0.05)),
    ]


@concept("spoon", kind="dish")
def spoon(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.2, 0.28)
    return [
        line("main", 0.11, (0, -0.3), (0, 0.97)),
        ellipse("main", 0, -0.6, w, 0.36),
        ellipse("second", 0, -0.62, 0.13, 0.24),
    ]


@concept("bottle", kind="dish")
def bottle(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.26, 0.34)
    right = ((0.11, -0.7), (0.11, -0.35), (w, -0.05), (w, 0.95))
    left = ((-w, 0.95), (-w, -0.05), (-0.11, -0.35), (-0.11, -0.7))
    return [
        polygon("main", *right, *left),
        rectangle("accent", -0.13, -0.92, 0.13, -0.7),
        rectangle("light", -w, 0.2, w, pencil.between(0.5, 0.65)),
    ]


@concept("pan", kind="dish")
def pan(pencil: Pencil) -> list[Shape]:
    radius = pencil.between(0.5, 0.56)
    grip = pencil.between(0.13, 0.18)
    return [
        line("dark", 0.1, (0.05, 0.2), (0.7, 0.2)),
        line("second", grip, (0.45, 0.2), (1.0, 0.2)),
        ellipse("main", -0.4, 0.2, radius, radius * 0.95),
        ellipse("dark", -0.4, 0.2, radius * 0.78, radius * 0.73),
        arc("light", 0.06, -0.4, 0.2, radius * 0.55, radius * 0.5, math.pi, math.pi + 1.3),
    ]


@concept("bowl", kind="dish")
def bowl(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.75, 0.88)
    depth = pencil.between(0.6, 0.75)
    base = -0.1 + depth
    stripe = -0.1 + depth * 0.3
    return [
        polygon(
            "second",
            (-0.28, base - 0.08),
            (0.28, base - 0.08),
            (0.34, base + 0.1),
            (-0.34, base + 0.1),
        ),
        ellipse("main", 0, -0.1, w, depth, start=0, stop=math.pi),
        line("accent", 0.08, (-w * 0.9, stripe), (w * 0.9, stripe)),
        ellipse("light", 0, -0.1, w, 0.17),
        ellipse("second", 0, -0.08, w * 0.82, 0.1),
    ]
