"""Creatures."""

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


@concept("fish", kind="animal")
def fish(pencil: Pencil) -> list[Shape]:
    h = pencil.between(0.32, 0.5)
    return [
        polygon("second", (0.5, 0), (0.95, -0.4), (0.85, 0), (0.95, 0.4)),
        polygon("accent", (-0.1, -h * 0.8), (0.15, -h - 0.25), (0.35, -h * 0.5)),
        ellipse("main", -0.1, 0, 0.72, h),
        ellipse("light", -0.5, -0.08, 0.11),
        ellipse("dark", -0.5, -0.08, 0.05),
        arc("dark", 0.04, -0.3, 0, 0.12, h * 0.6, -1.2, 1.2),
    ]


@concept("bird", kind="animal")
def bird(pencil: Pencil) -> list[Shape]:
    belly = pencil.between(0.36, 0.46)
    tail = pencil.between(-0.1, 0.15)
    wing = pencil.between(-0.15, 0.1)
    return [
        polygon("second", (0.4, 0.1), (0.95, tail), (0.9, 0.35), (0.35, 0.35)),
        ellipse("main", 0, 0.15, 0.55, belly),
        ellipse("main", -0.45, -0.3, 0.28),
        polygon("accent", (-0.7, -0.36), (-1, -0.22), (-0.68, -0.17)),
        ellipse("dark", -0.5, -0.36, 0.06),
        polygon("second", (-0.15, 0.05), (0.4, wing), (0.2, 0.35)),
        line("dark", 0.05, (-0.05, 0.5), (-0.05, 0.85)),
        line("dark", 0.05, (0.15, 0.5), (0.15, 0.85)),
    ]


@concept("cat", kind="animal")
def cat(pencil: Pencil) -> list[Shape]:
    ear = pencil.between(0.45, 0.6)
    w = pencil.between(0.55, 0.65)
    return [
        polygon("main", (-w, -0.1), (-w + 0.02, -0.3 - ear), (-0.1, -0.4)),
        polygon("main", (w, -0.1), (w - 0.02, -0.3 - ear), (0.1, -0.4)),
        ellipse("main", 0, 0.1, w + 0.05, 0.58),
        *(ellipse("light", x, 0, 0.13) for x in (-0.25, 0.25)),
        *(ellipse("dark", x, 0, 0.06, 0.1) for x in (-0.25, 0.25)),
        polygon("accent", (-0.08, 0.2), (0.08, 0.2), (0, 0.3)),
        *(line("dark", 0.03, (side * 0.2, 0.28), (side * 0.85, 0.2)) for side in (-1, 1)),
        *(line("dark", 0.03, (side * 0.2, 0.35), (side * 0.85, 0.42)) for side in (-1, 1)),
    ]


@concept("rabbit", kind="animal")
def rabbit(pencil: Pencil) -> list[Shape]:
    ear = pencil.between(0.38, 0.5)
    tilt = pencil.between(0.05, 0.3)
    return [
        *(ellipse("main", side * 0.22, -0.5, 0.14, ear, side * tilt) for side in (-1, 1)),
        *(ellipse("accent", side * 0.22, -0.5, 0.06, ear * 0.7, side * tilt) for side in (-1, 1)),
        ellipse("main", 0, 0.3, 0.48, 0.5),
        ellipse("dark", -0.18, 0.2, 0.07),
        ellipse("dark", 0.18, 0.2, 0.07),
        polygon("accent", (-0.07, 0.36), (0.07, 0.36), (0, 0.45)),
        rectangle("light", -0.07, 0.52, 0.07, 0.68),
    ]


@concept("snail", kind="animal")
def snail(pencil: Pencil) -> list[Shape]:
    shell = pencil.between(0.42, 0.52)
    back = ((-0.95, 0.6), (-0.85, 0.4), (-0.5, 0.4), (0.5, 0.4))
    return [
        polygon("second", *back, (0.6, -0.05), (0.85, -0.05), (0.9, 0.6)),
        line("dark", 0.05, (0.65, -0.05), (0.6, -0.4)),
        line("dark", 0.05, (0.8, -0.05), (0.92, -0.38)),
        ellipse("main", -0.1, 0.1, shell),
        arc("dark", 0.06, -0.1, 0.1, shell * 0.68, shell * 0.68, 0.5, 5.6),
        arc("dark", 0.06, -0.1, 0.1, shell * 0.35, shell * 0.35, 2.0, 7.0),
    ]


@concept("butterfly", kind="animal")
def butterfly(pencil: Pencil) -> list[Shape]:
    upper = pencil.between(0.4, 0.5)
    lower = pencil.between(0.28, 0.36)
    return [
        *(ellipse("main", side * 0.45, -0.3, upper, 0.34, -0.6 * side) for side in (-1, 1)),
        *(ellipse("second", side * 0.38, 0.38, lower, 0.28, 0.6 * side) for side in (-1, 1)),
        *(ellipse("accent", side * 0.5, -0.32, 0.13) for side in (-1, 1)),
        ellipse("dark", 0, 0, 0.08, 0.6),
        *(line("dark", 0.04, (0, -0.5), (side * 0.25, -0.9)) for side in (-1, 1)),
    ]


@concept("turtle", kind="animal")
def turtle(pencil: Pencil) -> list[Shape]:
    shell = pencil.between(0.6, 0.72)
    return [
        ellipse("second", 0.8, 0.1, 0.2, 0.16),
        ellipse("second", -0.45, 0.5, 0.15, 0.22),
        ellipse("second", 0.4, 0.5, 0.15, 0.22),
        polygon("second", (-0.6, 0.25), (-0.95, 0.4), (-0.6, 0.42)),
        polygon("main", *dome_points(0, 0.4, 0.7, shell)),
        line("dark", 0.05, (-0.3, 0.38), (-0.15, -0.1), (0.15, -0.1), (0.3, 0.38)),
        line("dark", 0.05, (-0.62, 0.1), (-0.15, -0.1)),
        line("dark", 0.05, (0.62, 0.1), (0.15, -0.1)),
        ellipse("dark", 0.86, 0.06, 0.04),
    ]


@concept("penguin", kind="animal")
def penguin(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.4, 0.5)
    return [
        ellipse("main", -w, 0.15, 0.12, 0.4, 0.3),
        ellipse("main", w, 0.15, 0.12, 0.4, -0.3),
        ellipse("main", 0, 0.1, w, 0.8),
        ellipse("light", 0, 0.25, w * 0.65, 0.58),
        *(ellipse("light", side * 0.13, -0.4, 0.1) for side in (-1, 1)),
        *(ellipse("dark", side * 0.12, -0.4, 0.04) for side in (-1, 1)),
        polygon("accent", (-0.1, -0.28), (0.1, -0.28), (0, -0.1)),
        *(ellipse("accent", side * 0.2, 0.9, 0.18, 0.08) for side in (-1, 1)),
    ]


@concept("spider", kind="animal")
def spider(pencil: Pencil) -> list[Shape]:
    knee = pencil.between(0.18, 0.26)
    legs = [
        line(
            "dark",
            0.05,
            (side * 0.2, y * 0.5 + 0.1),
            (side * 0.55, y - knee),
            (side * 0.9, y + 0.25),
        )
        for side in (-1, 1)
        for y in (-0.25, -0.03, 0.19, 0.41)
    ]
    return [
        *legs,
        ellipse("main", 0, 0.25, pencil.between(0.3, 0.38), 0.38),
        ellipse("second", 0, -0.22, 0.22),
        ellipse("light", -0.08, -0.28, 0.05),
        ellipse("light", 0.08, -0.28, 0.05),
    ]


@concept("snake", kind="animal")
def snake(pencil: Pencil) -> list[Shape]:
    swing = pencil.between(0.22, 0.32)
    body = [
        (-0.9 + 1.5 * step / 20, 0.1 + swing * math.sin(9.05 * step / 20)) for step in range(21)
    ]
    x, y = body[-1]
    return [
        line("main", pencil.between(0.16, 0.22), *body),
        ellipse("main", x + 0.08, y, 0.2, 0.14),
        ellipse("dark", x + 0.12, y - 0.05, 0.04),
        line("accent", 0.04, (x + 0.26, y), (x + 0.42, y - 0.06)),
    ]


@concept("whale", kind="animal")
def whale(pencil: Pencil) -> list[Shape]:
    h = pencil.between(0.42, 0.52)
    fluke = ((0.5, 0.1), (0.75, -0.3), (0.6, -0.6), (0.85, -0.42))
    belly = ellipse("light", -0.15, 0.35, 0.65, h * 0.6, start=0.2, stop=math.pi - 0.2)
    return [
        polygon("main", *fluke, (1.0, -0.65), (0.95, -0.25), (0.7, 0.35)),
        ellipse("main", -0.12, 0.2, 0.78, h),
        belly,
        ellipse("dark", -0.6, 0.1, 0.06),
        line("second", 0.06, (-0.3, -0.3), (-0.3, -0.6), (-0.5, -0.8)),
        line("second", 0.06, (-0.3, -0.6), (-0.1, -0.8)),
    ]


@concept("bee", kind="animal")
def bee(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.25, 0.32)
    return [
        ellipse("light", -0.1, -0.4, w, 0.4, -0.4),
        ellipse("light", 0.25, -0.38, w, 0.38, 0.5),
        ellipse("main", 0.1, 0.2, 0.62, 0.38),
        rectangle("dark", -0.1, -0.15, 0.05, 0.55),
        rectangle("dark", 0.22, -0.14, 0.37, 0.52),
        ellipse("dark", -0.55, 0.15, 0.24),
        polygon("dark", (0.7, 0.12), (0.95, 0.2), (0.7, 0.28)),
        ellipse("light", -0.62, 0.1, 0.06),
        line("dark", 0.04, (-0.6, -0.05), (-0.75, -0.35)),
    ]


@concept("duck", kind="animal")
def duck(pencil: Pencil) -> list[Shape]:
    tail = (0.95, pencil.between(-0.25, -0.1))
    head = pencil.between(0.27, 0.34)
    under = ((0.8, 0.5), (0.4, 0.7), (-0.35, 0.7), (-0.6, 0.45))
    return [
        polygon("main", (-0.55, 0.1), (0.5, 0.1), tail, *under),
        ellipse("main", -0.42, -0.3, head),
        polygon("accent", (-0.65, -0.35), (-1, -0.22), (-0.65, -0.12)),
        ellipse("dark", -0.48, -0.38, 0.06),
        polygon("second", (-0.15, 0.25), (0.5, 0.2), (0.25, 0.52)),
    ]


@concept("owl", kind="animal")
def owl(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.5, 0.58)
    tuft = pencil.between(-0.98, -0.88)
    gaze = pencil.between(-0.06, 0.06)
    wing = pencil.between(0.1, 0.25)
    return [
        *(
            polygon("main", (side * w * 0.95, -0.35), (side * w, tuft), (side * 0.08, -0.72))
            for side in (-1, 1)
        ),
        ellipse("main", 0, 0.05, w, 0.82),
        *(ellipse("second", side * w * 0.92, 0.2, 0.16, 0.45, side * wing) for side in (-1, 1)),
        ellipse("accent", 0, 0.38, w * 0.55, 0.42),
        *(ellipse("light", side * 0.24, -0.32, 0.23) for side in (-1, 1)),
        *(ellipse("dark", side * 0.24 + gaze, -0.32, 0.11) for side in (-1, 1)),
        polygon("accent", (-0.1, -0.22), (0.1, -0.22), (0, 0.03)),
        line("dark", 0.05, (-0.2, 0.3), (-0.1, 0.38), (0, 0.3), (0.1, 0.38), (0.2, 0.3)),
        *(ellipse("accent", side * 0.2, 0.88, 0.14, 0.08) for side in (-1, 1)),
    ]


@concept("crab", kind="animal")
def crab(pencil: Pencil) -> list[Shape]:
    h = pencil.between(0.3, 0.38)
    raised = pencil.between(-0.6, -0.45)
    claw = pencil.between(0.22, 0.27)
    shapes: list[Shape] = []
    for side in (-1, 1):
        for x, y in ((0.95, 0.3), (0.85, 0.55), (0.6, 0.75)):
            shapes.append(
                line("second", 0.06, (side * 0.3, 0.25), (side * x * 0.9, y - 0.17), (side * x, y))
            )
        shapes.append(
            line("main", 0.1, (side * 0.4, 0.1), (side * 0.8, -0.05), (side * 0.7, raised))
        )
        mouth = -math.pi / 2 + 0.45
        around = ellipse("main", side * 0.7, raised, claw, start=mouth, stop=mouth + 5.4)
        shapes.append(polygon("main", *around.points, (side * 0.7, raised)))
        shapes.append(line("dark", 0.05, (side * 0.17, 0), (side * 0.2, -0.35)))
        shapes.append(ellipse("light", side * 0.2, -0.38, 0.1))
        shapes.append(ellipse("dark", side * 0.2, -0.38, 0.045))
    return [
        *shapes,
        ellipse("main", 0, 0.22, 0.56, h),
        arc("dark", 0.05, 0, 0.22, 0.2, 0.14, 0.3, math.pi - 0.3),
    ]
