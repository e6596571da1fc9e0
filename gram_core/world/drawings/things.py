"""Other things."""

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


@concept("book", kind="thing")
def book(pencil: Pencil) -> list[Shape]:
    h = pencil.between(0.5, 0.62)
    cover = ((-0.95, -h), (0, -h + 0.15), (0.95, -h), (0.95, h), (0, h + 0.15), (-0.95, h))
    shapes = [polygon("main", *cover)]
    for side in (-1, 1):
        inner = (side * 0.04, -h + 0.18), (side * 0.04, h)
        shapes.append(polygon("light", (side * 0.82, -h + 0.02), *inner, (side * 0.82, h - 0.12)))
        for y in (-0.2, 0.1):
            shapes.append(line("dark", 0.03, (side * 0.7, y), (side * 0.18, y + 0.1)))
    return shapes


@concept("envelope", kind="thing")
def envelope(pencil: Pencil) -> list[Shape]:
    h = pencil.between(0.5, 0.62)
    return [
        rectangle("main", -0.9, -h, 0.9, h),
        polygon("second", (-0.9, -h), (0.9, -h), (0, pencil.between(0, 0.2))),
        line("dark", 0.04, (-0.9, h), (-0.2, 0)),
        line("dark", 0.04, (0.9, h), (0.2, 0)),
    ]


@concept("camera", kind="thing")
def camera(pencil: Pencil) -> list[Shape]:
    top = pencil.between(-0.45, -0.35)
    return [
        rectangle("dark", -0.35, top - 0.2, 0.3, top),
        rectangle("main", -0.9, top, 0.9, 0.6),
        ellipse("dark", 0, 0.1, 0.38),
        ellipse("light", 0, 0.1, 0.26),
        ellipse("second", 0, 0.1, 0.14),
        rectangle("accent", 0.55, top + 0.1, 0.78, top + 0.25),
    ]


@concept("flag", kind="thing")
def flag(pencil: Pencil) -> list[Shape]:
    hem = pencil.between(-0.1, 0.1)
    return [
        line("dark", 0.09, (-0.65, -0.95), (-0.65, 0.97)),
        polygon(
            "main",
            (-0.6, -0.88),
            (0.2, -0.75),
            (0.9, -0.9),
            (0.9, hem),
            (0.2, hem + 0.12),
            (-0.6, hem),
        ),
        ellipse("second", 0.12, -0.4, 0.18),
    ]


@concept("trophy", kind="thing")
def trophy(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.42, 0.5)
    right = ((w, -0.85), (w * 0.85, -0.2), (0.12, 0.15), (0.12, 0.5))
    left = tuple((-x, y) for x, y in reversed(right))
    return [
        arc("main", 0.08, -w, -0.4, 0.25, 0.28),
        arc("main", 0.08, w, -0.4, 0.25, 0.28),
        polygon("main", *right, *left),
        rectangle("second", -0.4, 0.5, 0.4, 0.85),
    ]


@concept("anchor", kind="thing")
def anchor(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.6, 0.72)
    return [
        arc("main", 0.1, 0, -0.75, 0.15, 0.15),
        line("main", 0.13, (0, -0.6), (0, 0.85)),
        line("main", 0.11, (-0.35, -0.35), (0.35, -0.35)),
        arc("main", 0.13, 0, 0.25, w, 0.6, 0.1, math.pi - 0.1),
        *(
            polygon(
                "main",
                (side * (w + 0.18), 0.45),
                (side * (w - 0.05), 0.05),
                (side * (w - 0.25), 0.45),
            )
            for side in (-1, 1)
        ),
    ]


@concept("candle", kind="thing")
def candle(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.16, 0.24)
    top = pencil.between(-0.35, -0.1)
    flame = ((0.13, top - 0.28), (0.06, top - 0.12), (-0.06, top - 0.12), (-0.13, top - 0.28))
    return [
        rectangle("main", -w, top, w, 0.75),
        ellipse("second", 0, 0.8, 0.5, 0.12),
        line("dark", 0.05, (0, top), (0, top - 0.15)),
        polygon("accent", (0, top - 0.6), *flame),
    ]


@concept("umbrella", kind="thing")
def umbrella(pencil: Pencil) -> list[Shape]:
    h = pencil.between(0.6, 0.75)
    top = -0.05 - h
    hem = ((0.6, 0.08), (0.3, -0.05), (0, 0.08), (-0.3, -0.05), (-0.6, 0.08))
    return [
        line("dark", 0.07, (0, -0.1), (0, 0.7)),
        arc("dark", 0.07, -0.15, 0.7, 0.15, 0.18, 0, math.pi),
        polygon("main", *dome_points(0, -0.05, 0.88, h), *hem),
        polygon("second", (0, top), (0.3, -0.05), (0, 0.08), (-0.3, -0.05)),
        line("dark", 0.06, (0, top), (0, top - 0.12)),
    ]


@concept("snowman", kind="thing")
def snowman(pencil: Pencil) -> list[Shape]:
    radius = pencil.between(0.36, 0.44)
    return [
        *(line("second", 0.05, (side * 0.3, 0.05), (side * 0.8, -0.2)) for side in (-1, 1)),
        ellipse("light", 0, 0.55, radius),
        ellipse("light", 0, 0, radius * 0.75),
        ellipse("light", 0, -0.45, radius * 0.58),
        rectangle("main", -0.28, -0.68, 0.28, -0.6),
        rectangle("main", -0.18, -0.97, 0.18, -0.65),
        polygon("accent", (0, -0.47), (0.3, -0.42), (0, -0.38)),
        *(ellipse("dark", x, -0.52, 0.035) for x in (-0.09, 0.09)),
        *(ellipse("dark", 0, y, 0.04) for y in (-0.05, 0.12)),
    ]
