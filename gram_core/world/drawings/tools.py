"""Tools."""

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


@concept("key", kind="tool")
def key(pencil: Pencil) -> list[Shape]:
    bow = pencil.between(0.26, 0.34)
    teeth = pencil.one_of(2, 3)
    return [
        arc("main", 0.15, -0.6, 0, bow, bow),
        line("main", 0.15, (-0.6 + bow, 0), (0.95, 0)),
        *(
            line("main", 0.13, (x, 0), (x, pencil.between(0.25, 0.38)))
            for x in (0.88 - 0.22 * index for index in range(teeth))
        ),
    ]


@concept("hammer", kind="tool")
def hammer(pencil: Pencil) -> list[Shape]:
    grip = pencil.between(0.08, 0.12)
    claw = (0.75, pencil.between(-0.75, -0.6))
    return [
        rectangle("second", -grip, -0.5, grip, 0.95),
        polygon("main", (-0.6, -0.8), (0.35, -0.8), claw, (0.35, -0.42), (-0.6, -0.42)),
        rectangle("dark", -0.68, -0.85, -0.5, -0.37),
    ]


@concept("wrench", kind="tool")
def wrench(pencil: Pencil) -> list[Shape]:
    grip = pencil.between(0.11, 0.15)
    left = ((-0.38, -0.95), (-0.14, -0.85), (-0.14, -0.6))
    right = ((0.14, -0.6), (0.14, -0.85), (0.38, -0.95))
    neck = ((0.42, -0.5), (0.15, -0.3), (-0.15, -0.3), (-0.42, -0.5))
    return [
        rectangle("main", -grip, -0.5, grip, 0.75),
        polygon("main", *left, *right, *neck),
        ellipse("main", 0, 0.75, 0.2),
        ellipse("dark", 0, 0.75, 0.08),
    ]


@concept("scissors", kind="tool")
def scissors(pencil: Pencil) -> list[Shape]:
    tip = pencil.between(0.22, 0.4)
    return [
        polygon("second", (-tip, -0.95), (-tip + 0.1, -0.9), (0.18, 0.35), (0.05, 0.4)),
        polygon("second", (tip, -0.95), (tip - 0.1, -0.9), (-0.18, 0.35), (-0.05, 0.4)),
        arc("main", 0.12, -0.3, 0.6, 0.22, 0.26),
        arc("main", 0.12, 0.3, 0.6, 0.22, 0.26),
        ellipse("dark", 0, 0.12, 0.06),
    ]


@concept("saw", kind="tool")
def saw(pencil: Pencil) -> list[Shape]:
    teeth = pencil.one_of(6, 8, 10)
    slope = pencil.between(0.25, 0.4)
    pitch = 1.23 / teeth
    blade = [(-0.25, -0.3), (0.98, -0.3 + slope * 0.6), (0.98, 0.05)]
    for tooth in range(teeth):
        x = 0.98 - pitch * (tooth + 0.5)
        blade += [(x, 0.28), (x - 0.5 * pitch, 0.08)]
    grip = ((-0.95, -0.35), (-0.25, -0.4), (-0.25, 0.4), (-0.6, 0.45), (-0.95, 0.2))
    return [
        polygon("second", *blade),
        polygon("main", *grip),
        ellipse("dark", -0.6, 0, 0.18, 0.13),
    ]


@concept("magnet", kind="tool")
def magnet(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.24, 0.3)
    return [
        arc("main", w, 0, -0.1, 0.5, 0.5, math.pi, 2 * math.pi),
        *(line("main", w, (x, -0.1), (x, 0.45)) for x in (-0.5, 0.5)),
        *(line("light", w, (x, 0.45), (x, 0.8)) for x in (-0.5, 0.5)),
    ]


@concept("axe", kind="tool")
def axe(pencil: Pencil) -> list[Shape]:
    upper = ((-0.05, -0.75), (0.3, -0.7), (0.65, -0.92))
    edge = (pencil.between(0.7, 0.8), -0.4)
    lower = ((0.62, pencil.between(0, 0.12)), (0.3, -0.25), (-0.05, -0.25))
    return [
        line("second", 0.14, (0, 0.95), (0, -0.9)),
        polygon("main", *upper, edge, *lower),
    ]


@concept("ladder", kind="tool")
def ladder(pencil: Pencil) -> list[Shape]:
    rungs = pencil.one_of(4, 5, 6)
    w = pencil.between(0.3, 0.42)
    return [
        *(line("main", 0.11, (side * w, 0.95), (side * w * 0.8, -0.95)) for side in (-1, 1)),
        *(
            line("second", 0.09, (-w * 0.92, y), (w * 0.92, y))
            for y in (0.75 - 1.5 * rung / (rungs - 1) for rung in range(rungs))
        ),
    ]


@concept("shovel", kind="tool")
def shovel(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.26, 0.36)
    return [
        line("second", 0.1, (0, 0.25), (0, -0.8)),
        line("second", 0.12, (-0.22, -0.85), (0.22, -0.85)),
        polygon("main", (-w, 0.15), (w, 0.15), (w, 0.6), (0, 0.97), (-w, 0.6)),
    ]
