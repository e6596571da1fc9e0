"""Things to wear."""

from __future__ import annotations

import math

from gram_core.world.primitives import (
    Pencil,
    Shape,
    arc,
    dome_points,
    ellipse,
    line,
    polygon,
    rectangle,
)
from gram_core.world.registry import concept


@concept("hat", kind="garment")
def hat(pencil: Pencil) -> list[Shape]:
    top = pencil.between(-0.7, -0.45)
    w = pencil.between(0.42, 0.52)
    return [
        rectangle("main", -w, top, w, 0.35),
        rectangle("second", -w, 0.1, w, 0.3),
        ellipse("main", 0, 0.38, 0.95, 0.14),
    ]


@concept("shoe", kind="garment")
def shoe(pencil: Pencil) -> list[Shape]:
    heel = (-0.85, pencil.between(-0.5, -0.35))
    toe = ((0.1, -0.05), (0.75, 0.1), (0.95, 0.4))
    return [
        polygon("main", heel, (-0.25, -0.4), *toe, (-0.85, 0.4)),
        rectangle("dark", -0.9, 0.4, 0.97, 0.55),
        line("light", 0.05, (-0.2, -0.2), (0.05, -0.32)),
        line("light", 0.05, (0, -0.02), (0.22, -0.17)),
    ]


@concept("shirt", kind="garment")
def shirt(pencil: Pencil) -> list[Shape]:
    sleeve = pencil.between(0.8, 0.97)
    right = ((0.25, -0.75), (0.5, -0.68), (sleeve, -0.1), (0.68, 0.1), (0.48, -0.15), (0.48, 0.85))
    left = tuple((-x, y) for x, y in reversed(right))
    return [
        polygon("main", *right, *left),
        ellipse("dark", 0, -0.75, 0.22, 0.2, start=0, stop=math.pi),
        rectangle("second", -0.48, 0.2, 0.48, pencil.between(0.35, 0.5)),
    ]


@concept("crown", kind="garment")
def crown(pencil: Pencil) -> list[Shape]:
    top = pencil.between(-0.7, -0.5)
    points = ((-0.9, top + 0.15), (-0.42, 0), (0, top), (0.42, 0), (0.9, top + 0.15))
    return [
        polygon("main", (-0.8, 0.55), *points, (0.8, 0.55)),
        rectangle("second", -0.8, 0.4, 0.8, 0.6),
        *(ellipse("accent", x, y, 0.09) for x, y in (points[0], points[2], points[4])),
    ]


@concept("sock", kind="garment")
def sock(pencil: Pencil) -> list[Shape]:
    leg = ((-0.35, -0.9), (0.2, -0.9), (0.2, 0.1), (0.8, 0.35))
    foot = ((0.85, pencil.between(0.6, 0.75)), (0.6, 0.8), (-0.1, 0.7), (-0.35, 0.4))
    return [
        polygon("main", *leg, *foot),
        rectangle("second", -0.38, -0.92, 0.23, -0.65),
        polygon("accent", (0.55, 0.25), (0.8, 0.35), (0.85, 0.65), (0.6, 0.8)),
    ]


@concept("glasses", kind="garment")
def glasses(pencil: Pencil) -> list[Shape]:
    radius = pencil.between(0.3, 0.38)
    return [
        *(ellipse("light", x, 0, radius * 0.95) for x in (-0.48, 0.48)),
        *(arc("main", 0.1, x, 0, radius, radius) for x in (-0.48, 0.48)),
        arc("main", 0.08, 0, 0, 0.14, 0.12, math.pi, 2 * math.pi),
        *(
            line("main", 0.07, (side * (0.48 + radius), -0.05), (side * 0.98, -0.25))
            for side in (-1, 1)
        ),
    ]


@concept("glove", kind="garment")
def glove(pencil: Pencil) -> list[Shape]:
    spread = pencil.between(0.0, 0.1)
    fingers = ((-0.36, -0.55), (-0.12, -0.78), (0.12, -0.82), (0.35, -0.62))
    reach = pencil.between(0.74, 0.84)
    return [
        polygon(
            "main", (0.2, 0.45), (reach - 0.2, -0.15), (reach, -0.22), (reach, 0.0), (0.42, 0.48)
        ),
        *(
            polygon(
                "main",
                *dome_points(x * (1 + spread), y, 0.115, 0.13),
                (x + 0.11, 0.1),
                (x - 0.11, 0.1),
            )
            for x, y in fingers
        ),
        polygon("main", (-0.47, -0.1), (0.46, -0.1), (0.42, 0.5), (-0.4, 0.55)),
        rectangle("second", -0.46, 0.5, 0.46, 0.92),
        line("accent", 0.07, (-0.46, 0.71), (0.46, 0.71)),
    ]


@concept("dress", kind="garment")
def dress(pencil: Pencil) -> list[Shape]:
    hem = pencil.between(0.62, 0.8)
    waist = pencil.between(0.22, 0.28)
    bodice = ((-0.32, -0.6), (-0.15, -0.62), (0, -0.48), (0.15, -0.62), (0.32, -0.6))
    scallops = ellipse("main", 0, 0.85, hem, 0.1, start=0, stop=math.pi).points
    return [
        *(line("main", 0.09, (side * 0.24, -0.58), (side * 0.22, -0.95)) for side in (-1, 1)),
        polygon("main", *bodice, (waist, -0.02), (-waist, -0.02)),
        polygon("main", (-waist, 0), (waist, 0), *scallops),
        rectangle("second", -waist - 0.03, -0.08, waist + 0.03, 0.07),
        line("accent", 0.08, (-hem * 0.86, 0.68), (0, 0.76), (hem * 0.86, 0.68)),
    ]
