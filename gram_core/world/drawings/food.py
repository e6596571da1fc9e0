"""Things to eat: fruit and snacks."""

from __future__ import annotations

import math

from gram_core.world.primitives import (
    Pencil,
    Role,
    Shape,
    arc,
    dome_points,
    ellipse,
    line,
    on_circle,
    polygon,
    rectangle,
)
from gram_core.world.registry import concept


@concept("apple", kind="fruit")
def apple(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.66, 0.75)
    right = ((0.0, -0.33), (0.2, -0.45), (0.45, -0.42), (0.9, -0.2), (1.0, 0.1), (0.9, 0.4))
    right_side = [(x * w, y) for x, y in (*right, (0.65, 0.68), (0.35, 0.82), (0.12, 0.76))]
    left_side = [(-x, y) for x, y in reversed(right_side)]
    return [
        polygon("main", *right_side, *left_side[:-1]),
        line("dark", 0.08, (0, -0.35), (pencil.between(0, 0.15), -0.8)),
        ellipse("second", 0.28, -0.65, 0.24, 0.1, -0.4),
    ]


@concept("pear", kind="fruit")
def pear(pencil: Pencil) -> list[Shape]:
    belly = pencil.between(0.48, 0.56)
    base = ellipse("main", 0, 0.35, belly, 0.5, start=-0.6, stop=math.pi + 0.6)
    return [
        polygon("main", *base.points, (-0.24, -0.45), (0, -0.62), (0.24, -0.45)),
        line("dark", 0.07, (0, -0.55), (pencil.between(0, 0.15), -0.92)),
        ellipse("second", 0.22, -0.78, 0.2, 0.08, -0.3),
    ]


@concept("cherry", kind="fruit")
def cherry(pencil: Pencil) -> list[Shape]:
    radius = pencil.between(0.28, 0.36)
    return [
        line("second", 0.06, (-0.42, 0.4), (-0.2, -0.3), (0.15, -0.8)),
        line("second", 0.06, (0.4, 0.5), (0.35, -0.2), (0.15, -0.8)),
        ellipse("main", -0.42, 0.45, radius),
        ellipse("main", 0.4, 0.55, radius),
        ellipse("second", 0.4, -0.75, 0.28, 0.12, 0.3),
    ]


@concept("banana", kind="fruit")
def banana(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.75, 0.95)
    outer = [
        (w * math.cos(angle), -0.45 + 1.1 * w * math.sin(angle))
        for angle in (0.25 + 2.5 * step / 14 for step in range(15))
    ]
    inner = [
        (0.75 * w * math.cos(angle), -0.5 + 0.62 * w * math.sin(angle))
        for angle in (2.7 - 2.4 * step / 14 for step in range(15))
    ]
    (right_x, right_y), (left_x, left_y) = outer[0], outer[-1]
    return [
        polygon("main", *outer, *inner),
        ellipse("dark", right_x - 0.05, right_y - 0.08, 0.08),
        ellipse("dark", left_x + 0.05, left_y - 0.05, 0.06),
    ]


@concept("grapes", kind="fruit")
def grapes(pencil: Pencil) -> list[Shape]:
    radius = pencil.between(0.19, 0.22)
    berries = [
        ellipse("main", (column - (count - 1) / 2) * 0.36, -0.35 + 0.34 * row, radius)
        for row, count in enumerate((4, 3, 2, 1))
        for column in range(count)
    ]
    return [
        line("dark", 0.07, (0, -0.4), (0.05, -0.95)),
        ellipse("second", 0.3, -0.75, 0.26, 0.15, -0.3),
        *berries,
    ]


@concept("strawberry", kind="fruit")
def strawberry(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.6, 0.7)
    tip = pencil.between(0.88, 0.97)
    shoulder = ((-w * 0.72, -0.5), (0, -0.42), (w * 0.72, -0.5), (w, -0.2), (w * 0.88, 0.2))
    seeds = ((-0.35, -0.1), (0.02, -0.12), (0.38, -0.1), (-0.2, 0.2), (0.2, 0.2), (0, 0.5))
    crown: list[tuple[float, float]] = []
    for index in range(5):
        x = -0.5 + 0.25 * index
        crown += [(x - 0.12, -0.5), (x * 1.15, -0.22 if index % 2 == 0 else -0.12)]
    return [
        polygon(
            "main",
            *shoulder,
            (w * 0.45, 0.65),
            (0, tip),
            (-w * 0.45, 0.65),
            (-w * 0.88, 0.2),
            (-w, -0.2),
        ),
        *(ellipse("light", x, y, 0.045, 0.07) for x, y in seeds),
        polygon("second", *crown, (0.6, -0.5), (0.3, -0.66), (0, -0.62), (-0.3, -0.66)),
        line("second", 0.09, (0, -0.6), (pencil.between(-0.15, 0.15), -0.92)),
    ]


@concept("pineapple", kind="fruit")
def pineapple(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.38, 0.46)
    tall = pencil.between(-0.98, -0.9)
    leaves = [
        polygon("second", (x - 0.1, -0.15), (x * 3.2, top), (x + 0.1, -0.15))
        for x, top in ((-0.16, -0.6), (0.16, -0.6), (-0.08, tall + 0.15), (0.08, tall + 0.15))
    ]
    mesh = [
        line("dark", 0.04, (side * w * 0.8, y), (-side * w * 0.8, y + 0.42))
        for side in (-1, 1)
        for y in (-0.05, 0.17, 0.39)
    ]
    return [
        *leaves,
        polygon("second", (-0.12, -0.15), (0, tall), (0.12, -0.15)),
        ellipse("main", 0, 0.38, w, 0.58),
        *mesh,
    ]


@concept("lemon", kind="fruit")
def lemon(pencil: Pencil) -> list[Shape]:
    h = pencil.between(0.48, 0.58)
    nipple = pencil.between(0.92, 0.99)
    return [
        polygon("main", (-0.6, -0.22), (-nipple, -0.08), (-nipple, 0.1), (-0.6, 0.25)),
        polygon("main", (0.6, -0.22), (nipple, -0.08), (nipple, 0.1), (0.6, 0.25)),
        ellipse("main", 0, 0.02, 0.78, h),
        arc("light", 0.07, 0, 0.02, 0.55, h * 0.65, math.pi + 0.3, math.pi + 1.3),
        line("dark", 0.06, (0.93, 0), (1.02, -0.1)),
        ellipse("second", 0.72, -0.38, 0.3, 0.13, pencil.between(-0.6, -0.3)),
    ]


@concept("pizza", kind="snack")
def pizza(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.6, 0.78)
    crust = dome_points(0, -0.55, w + 0.08, 0.25)
    return [
        polygon("main", (-w, -0.55), (w, -0.55), (0, 0.95)),
        polygon("second", *crust, (w + 0.05, -0.4), (-w - 0.05, -0.4)),
        ellipse("accent", -0.2, -0.15, 0.14),
        ellipse("accent", 0.25, -0.1, 0.14),
        ellipse("accent", 0.02, 0.3, 0.13),
    ]


@concept("ice cream", kind="snack")
def ice_cream(pencil: Pencil) -> list[Shape]:
    scoop = pencil.between(0.36, 0.44)
    two_scoops = pencil.chance(0.5)
    top = (-0.35 - scoop, 0.26) if two_scoops else (-0.3 - scoop, 0.1)
    return [
        polygon("second", (-0.38, -0.1), (0.38, -0.1), (0, 0.97)),
        line("dark", 0.03, (-0.2, -0.1), (0.12, 0.6)),
        line("dark", 0.03, (0.2, -0.1), (-0.12, 0.6)),
        ellipse("main", 0, -0.3, scoop),
        ellipse("accent", 0, *top),
    ]


@concept("cake", kind="snack")
def cake(pencil: Pencil) -> list[Shape]:
    candles = pencil.one_of((0.0,), (-0.35, 0.35), (-0.35, 0.0, 0.35))
    return [
        rectangle("main", -0.75, 0.1, 0.75, 0.75),
        rectangle("second", -0.55, -0.35, 0.55, 0.1),
        rectangle("light", -0.75, 0.1, 0.75, 0.22),
        rectangle("light", -0.55, -0.35, 0.55, -0.25),
        *(line("accent", 0.08, (x, -0.35), (x, -0.7)) for x in candles),
        *(ellipse("accent", x, -0.8, 0.06, 0.1) for x in candles),
    ]


@concept("lollipop", kind="snack")
def lollipop(pencil: Pencil) -> list[Shape]:
    radius = pencil.between(0.45, 0.55)
    turn = pencil.between(0, 2 * math.pi)
    return [
        line("light", 0.09, (0, 0), (0, 0.97)),
        ellipse("main", 0, -0.4, radius),
        arc("second", 0.08, 0, -0.4, radius * 0.6, radius * 0.6, turn, turn + 4.5),
        arc("second", 0.08, 0.05, -0.4, radius * 0.25, radius * 0.25, turn + 1, turn + 6),
    ]


@concept("cheese", kind="snack")
def cheese(pencil: Pencil) -> list[Shape]:
    top = pencil.between(-0.6, -0.4)
    return [
        polygon("second", (-0.9, 0.05), (0.5, top), (0.9, 0.05)),
        polygon("main", (-0.9, 0.05), (0.9, 0.05), (0.9, 0.65), (-0.9, 0.65)),
        ellipse("dark", -0.4, 0.35, 0.13),
        ellipse("dark", 0.2, 0.45, 0.1),
        ellipse("dark", 0.6, 0.25, 0.12),
        ellipse("dark", 0.3, -0.1, 0.08, 0.05),
    ]


@concept("burger", kind="snack")
def burger(pencil: Pencil) -> list[Shape]:
    bun = pencil.between(0.5, 0.65)
    return [
        polygon("main", *dome_points(0, -0.1, 0.8, bun)),
        rectangle("second", -0.85, -0.1, 0.85, 0.06),
        rectangle("dark", -0.78, 0.06, 0.78, 0.26),
        rectangle("accent", -0.85, 0.26, 0.85, 0.36),
        polygon("main", (-0.8, 0.36), (0.8, 0.36), (0.65, 0.7), (-0.65, 0.7)),
        ellipse("light", -0.3, -0.38, 0.05),
        ellipse("light", 0.1, -0.5, 0.05),
        ellipse("light", 0.38, -0.32, 0.05),
    ]


@concept("egg", kind="snack")
def egg(pencil: Pencil) -> list[Shape]:
    lobes = pencil.one_of(3, 4, 5)
    phase = pencil.between(0, 2 * math.pi)
    ripple = pencil.between(0.08, 0.14)
    white = []
    for step in range(30):
        angle = 2 * math.pi * step / 30
        radius = 0.8 + ripple * math.sin(lobes * angle + phase)
        white.append(on_circle(0, 0, radius, angle))
    x, y = pencil.between(-0.12, 0.12), pencil.between(-0.12, 0.12)
    yolk = pencil.between(0.34, 0.4)
    return [
        polygon("light", *white),
        ellipse("main", x, y, yolk),
        arc("light", 0.07, x, y, yolk * 0.6, yolk * 0.6, math.pi, math.pi + 1.4),
    ]


@concept("donut", kind="snack")
def donut(pencil: Pencil) -> list[Shape]:
    radius = pencil.between(0.8, 0.88)
    hole = pencil.between(0.24, 0.3)
    icing = []
    drips = pencil.one_of(6, 7, 8)
    for step in range(36):
        angle = 2 * math.pi * step / 36
        icing.append(on_circle(0, 0, radius * (0.84 + 0.04 * math.sin(drips * angle)), angle))
    shapes = [ellipse("second", 0, 0, radius), polygon("main", *icing), ellipse("dark", 0, 0, hole)]
    for sprinkle in range(9):
        angle = 2 * math.pi * sprinkle / 9 + pencil.between(-0.15, 0.15)
        x, y = on_circle(0, 0, 0.5, angle)
        tilt = pencil.between(0, math.pi)
        dx, dy = 0.08 * math.cos(tilt), 0.08 * math.sin(tilt)
        role: Role = "accent" if sprinkle % 2 else "light"
        shapes.append(line(role, 0.06, (x - dx, y - dy), (x + dx, y + dy)))
    return shapes


@concept("carrot", kind="snack")
def carrot(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.25, 0.36)
    return [
        ellipse("second", -0.2, -0.65, 0.1, 0.32, -0.5),
        ellipse("second", 0.2, -0.65, 0.1, 0.32, 0.5),
        ellipse("second", 0, -0.7, 0.1, 0.3),
        polygon("main", (-w, -0.35), (w, -0.35), (w * 0.6, 0.3), (0, 0.98), (-w * 0.6, 0.3)),
        line("dark", 0.03, (-w * 0.8, -0.05), (-0.05, -0.05)),
        line("dark", 0.03, (0.02, 0.2), (w * 0.6, 0.2)),
    ]
