"""Instruments that make music."""

from __future__ import annotations

import math

from gram_core.world.primitives import (
    Pencil,
    Shape,
    arc,
    ellipse,
    line,
    polygon,
    rectangle,
)
from gram_core.world.registry import concept


@concept("guitar", kind="instrument")
def guitar(pencil: Pencil) -> list[Shape]:
    radius = pencil.between(0.36, 0.44)
    return [
        line("second", 0.12, (0, 0), (0, -0.85)),
        rectangle("dark", -0.11, -0.98, 0.11, -0.78),
        ellipse("main", 0, 0.12, radius * 0.75),
        ellipse("main", 0, 0.55, radius),
        ellipse("dark", 0, 0.25, 0.14),
        line("light", 0.02, (0, -0.8), (0, 0.6)),
    ]


@concept("drum", kind="instrument")
def drum(pencil: Pencil) -> list[Shape]:
    base = pencil.between(0.4, 0.55)
    lacing = ((-0.6, -0.1), (-0.3, base), (0, -0.02), (0.3, base), (0.6, -0.1))
    return [
        rectangle("main", -0.65, -0.2, 0.65, base),
        ellipse("main", 0, base, 0.65, 0.18),
        ellipse("light", 0, -0.2, 0.65, 0.2),
        line("second", 0.05, *lacing),
        line("dark", 0.07, (-0.1, -0.25), (-0.7, -0.8)),
        line("dark", 0.07, (0.1, -0.25), (0.7, -0.8)),
    ]


@concept("bell", kind="instrument")
def bell(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.62, 0.75)
    right = ((0.15, -0.75), (0.38, -0.45), (0.45, 0.1), (w, 0.5))
    left = tuple((-x, y) for x, y in reversed(right))
    return [
        ellipse("accent", 0, 0.62, 0.15),
        polygon("main", *right, *left),
        arc("second", 0.08, 0, -0.82, 0.1, 0.1),
        rectangle("second", -w, 0.42, w, 0.53),
    ]


@concept("piano", kind="instrument")
def piano(pencil: Pencil) -> list[Shape]:
    """A grand piano seen from its side, lid open and keys to the left."""
    lift = pencil.between(-0.9, -0.75)
    tail = pencil.between(0.88, 0.98)
    keys = [line("dark", 0.05, (x, 0.05), (x, 0.17)) for x in (-0.8, -0.66, -0.52, -0.38)]
    return [
        polygon("second", (-0.3, -0.15), (0.15, lift), (0.95, lift + 0.15), (0.8, -0.15)),
        line("dark", 0.05, (0.35, -0.1), (0.5, lift + 0.3)),
        *(line("dark", 0.1, (x, 0.3), (x, 0.9)) for x in (-0.6, 0.7)),
        line("dark", 0.07, (0.05, 0.35), (0.05, 0.85)),
        rectangle("main", -0.35, -0.15, tail, 0.4),
        rectangle("main", -0.95, 0.17, 0.2, 0.4),
        rectangle("light", -0.92, 0.03, -0.28, 0.19),
        *keys,
    ]


@concept("trumpet", kind="instrument")
def trumpet(pencil: Pencil) -> list[Shape]:
    flare = pencil.between(0.34, 0.44)
    loop = pencil.between(0.2, 0.26)
    y = -0.1
    return [
        line("main", 0.09, (-0.92, y), (0.5, y)),
        arc("main", 0.09, -0.4, y + loop, loop, loop, math.pi / 2, 3 * math.pi / 2),
        line("main", 0.09, (-0.4, y + 2 * loop), (0.3, y + 2 * loop)),
        arc("main", 0.09, 0.3, y + loop, loop, loop, -math.pi / 2, math.pi / 2),
        polygon(
            "main",
            (0.4, y - 0.06),
            (0.7, y - 0.13),
            (0.95, y - flare),
            (0.95, y + flare),
            (0.7, y + 0.13),
            (0.4, y + 0.06),
        ),
        ellipse("second", 0.95, y, 0.07, flare),
        *(rectangle("second", x, y - 0.12, x + 0.14, y + 0.46) for x in (-0.33, -0.12, 0.09)),
        *(line("dark", 0.06, (x, y - 0.12), (x, y - 0.32)) for x in (-0.26, -0.05, 0.16)),
        *(
            line("accent", 0.1, (x - 0.08, y - 0.33), (x + 0.08, y - 0.33))
            for x in (-0.26, -0.05, 0.16)
        ),
        polygon(
            "second", (-0.82, y - 0.05), (-0.98, y - 0.13), (-0.98, y + 0.13), (-0.82, y + 0.05)
        ),
    ]


@concept("harp", kind="instrument")
def harp(pencil: Pencil) -> list[Shape]:
    top = pencil.between(-0.95, -0.85)
    strings = pencil.one_of(5, 6, 7)
    neck = [
        (-0.6, top),
        (-0.35, top + 0.2),
        (0.0, top + 0.28),
        (0.35, top + 0.15),
        (0.65, top + 0.18),
    ]
    foot, shoulder = (-0.4, 0.85), (0.65, top + 0.18)
    lines = []
    for index in range(strings):
        share = (index + 1) / (strings + 1)
        x = -0.6 + share * 1.15
        y0 = top + 0.27 * math.sin(math.pi * min(1.0, share * 1.05) ** 0.8)
        y1 = foot[1] + (shoulder[1] - foot[1]) * (x - foot[0]) / (shoulder[0] - foot[0])
        lines.append(line("dark", 0.03, (x, y0), (x, min(0.8, y1))))
    return [
        *lines,
        line("main", 0.17, foot, (0.2, 0.25), shoulder),
        line("main", 0.13, *neck),
        line("second", 0.13, (-0.6, top - 0.02), (-0.6, 0.85)),
        ellipse("accent", -0.6, top, 0.12),
        rectangle("second", -0.78, 0.8, -0.15, 0.95),
    ]
