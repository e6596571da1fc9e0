"""Things that grow, and are not eaten."""

from __future__ import annotations

import math

from gram_core.world.primitives import (
    Pencil,
    Shape,
    dome_points,
    ellipse,
    line,
    on_circle,
    polygon,
    rectangle,
)
from gram_core.world.registry import concept


@concept("cactus", kind="plant")
def cactus(pencil: Pencil) -> list[Shape]:
    left = pencil.between(-0.6, -0.25)
    right = pencil.between(-0.45, -0.05)
    shapes = [
        line("main", 0.2, (-0.1, 0.15), (-0.55, 0.15), (-0.55, left)),
        line("main", 0.2, (0.1, 0.3), (0.55, 0.3), (0.55, right)),
        polygon("main", *dome_points(0, -0.6, 0.22, 0.3), (0.22, 0.6), (-0.22, 0.6)),
    ]
    if pencil.chance(0.6):
        shapes.append(polygon("second", (-0.45, 0.55), (0.45, 0.55), (0.33, 0.95), (-0.33, 0.95)))
    else:
        shapes.append(rectangle("second", -0.9, 0.6, 0.9, 0.72))
    return [*shapes, line("dark", 0.03, (0, -0.6), (0, 0.5))]


@concept("tree", kind="plant")
def tree(pencil: Pencil) -> list[Shape]:
    crown = pencil.between(0.36, 0.46)
    trunk = pencil.between(0.1, 0.15)
    return [
        rectangle("second", -trunk, 0.2, trunk, 0.95),
        ellipse("main", -0.32, -0.1, crown),
        ellipse("main", 0.32, -0.1, crown),
        ellipse("main", 0, -0.45, crown * 1.1),
    ]


@concept("pine", kind="plant")
def pine(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.45, 0.65)
    return [
        rectangle("second", -0.1, 0.6, 0.1, 0.95),
        polygon("main", (0, -0.3), (w, 0.65), (-w, 0.65)),
        polygon("main", (0, -0.65), (w * 0.8, 0.25), (-w * 0.8, 0.25)),
        polygon("main", (0, -0.97), (w * 0.55, -0.25), (-w * 0.55, -0.25)),
    ]


@concept("palm", kind="plant")
def palm(pencil: Pencil) -> list[Shape]:
    foot = pencil.between(-0.25, 0.25)
    reach = pencil.between(0.82, 0.95)
    shapes = [line("second", 0.14, (foot, 0.95), (foot * 0.3, 0.3), (0, -0.35))]
    for frond in range(6):
        angle = math.pi + math.pi * frond / 5
        x, y = math.cos(angle), math.sin(angle)
        shapes.append(
            polygon(
                "main",
                (0, -0.38),
                (x * 0.5, -0.5 + y * 0.5),
                (x * reach, -0.13 + y * 0.35),
                (x * 0.5, -0.28 + y * 0.4),
            )
        )
    return [*shapes, ellipse("accent", -0.08, -0.28, 0.08), ellipse("accent", 0.1, -0.27, 0.08)]


@concept("flower", kind="plant")
def flower(pencil: Pencil) -> list[Shape]:
    petals = pencil.one_of(5, 6, 7, 8)
    petal = pencil.between(0.23, 0.28)
    angles = [2 * math.pi * index / petals for index in range(petals)]
    return [
        line("second", 0.08, (0, -0.2), (0, 0.95)),
        ellipse("second", 0.25, 0.55, 0.25, 0.1, -0.5),
        ellipse("second", -0.25, 0.68, 0.25, 0.1, 0.5),
        *(
            ellipse("main", *on_circle(0, -0.3, 0.36, angle), petal, 0.17, angle)
            for angle in angles
        ),
        ellipse("accent", 0, -0.3, 0.19),
    ]


@concept("tulip", kind="plant")
def tulip(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.32, 0.42)
    rim = ((-w, -0.85), (-w * 0.5, -0.5), (0, -0.92), (w * 0.5, -0.5), (w, -0.85))
    cup = ((w, -0.2), (w * 0.5, 0.08), (-w * 0.5, 0.08), (-w, -0.2))
    return [
        line("second", 0.08, (0, 0), (0, 0.95)),
        ellipse("second", 0.22, 0.5, pencil.between(0.32, 0.42), 0.1, -1.1),
        polygon("main", *rim, *cup),
    ]


@concept("mushroom", kind="plant")
def mushroom(pencil: Pencil) -> list[Shape]:
    cap = pencil.between(0.6, 0.85)
    w = pencil.between(0.16, 0.26)
    return [
        polygon("light", (-w, 0), (w, 0), (w * 1.3, 0.85), (-w * 1.3, 0.85)),
        polygon("main", *dome_points(0, 0.1, 0.8, cap)),
        ellipse("light", -0.35, -0.15, 0.12),
        ellipse("light", 0.3, -0.2, 0.14),
        ellipse("light", 0, -0.42, 0.11),
    ]


@concept("leaf", kind="plant")
def leaf(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.35, 0.48)
    heights = [(step / 12, -0.85 + 1.4 * step / 12) for step in range(13)]
    right = [(w * abs(math.sin(math.pi * share)) ** 0.9, y) for share, y in heights]
    left = [(-x, y) for x, y in reversed(right)]
    return [
        polygon("main", *right, *left),
        line("dark", 0.06, (0, -0.75), (0, 0.95)),
        *(line("dark", 0.04, (0, -0.1), (side * 0.25, -0.35)) for side in (-1, 1)),
        *(line("dark", 0.04, (0, 0.25), (side * 0.25, 0)) for side in (-1, 1)),
    ]
