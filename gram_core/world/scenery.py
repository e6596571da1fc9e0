"""Pieces that several settings are made of."""

from __future__ import annotations

import math

from gram_core.world.primitives import (
    Pencil,
    Point,
    Role,
    Shape,
    dome_points,
    line,
    on_circle,
    polygon,
)


def flake(cx: float, cy: float, radius: float, turn: float) -> Shape:
    """A snowflake of six rays, drawn as one stroke through its centre."""
    points: list[Point] = [(cx, cy)]
    for ray in range(6):
        points.append(on_circle(cx, cy, radius, turn + ray * math.pi / 3))
        points.append((cx, cy))
    return line("light", 0.04, *points)


def sparkle(role: Role, cx: float, cy: float, radius: float) -> Shape:
    """A star of four points."""
    return polygon(
        role,
        *(
            on_circle(cx, cy, radius if corner % 2 == 0 else radius * 0.35, corner * math.pi / 4)
            for corner in range(8)
        ),
    )


def stars(pencil: Pencil, count: int, lowest: float) -> list[Shape]:
    """Stars spread over the sky, one to a column, so that they do not clump."""
    column = 1.9 / count
    return [
        sparkle(
            "light",
            -0.95 + column * (index + pencil.between(0.2, 0.8)),
            pencil.between(-0.95, lowest),
            pencil.between(0.07, 0.12),
        )
        for index in range(count)
    ]


def hill(role: Role, cx: float, base: float, rx: float, ry: float) -> Shape:
    """A hill of half width `rx` and height `ry` on the line `base`."""
    return polygon(role, *dome_points(cx, base, rx, ry))


def wave(role: Role, y: float, crest: float, shift: float) -> Shape:
    """A row of waves across the whole picture, its troughs at `y`."""
    steps = 24
    points = (
        (-1.0 + 2.0 * step / steps, y - crest * abs(math.sin(shift + 12.0 * step / steps)))
        for step in range(steps + 1)
    )
    return line(role, 0.045, *points)
