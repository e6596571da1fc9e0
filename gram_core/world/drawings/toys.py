"""Toys."""

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


@concept("kite", kind="toy")
def kite(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.45, 0.6)
    return [
        polygon("main", (0, -0.95), (w, -0.35), (0, 0.4), (-w, -0.35)),
        polygon("second", (0, -0.95), (w, -0.35), (0, -0.35)),
        polygon("second", (0, 0.4), (-w, -0.35), (0, -0.35)),
        line("dark", 0.05, (0, 0.4), (0.15, 0.6), (-0.1, 0.75), (0.1, 0.95)),
        polygon("accent", (0.05, 0.58), (0.25, 0.52), (0.25, 0.7)),
    ]


@concept("ball", kind="toy")
def ball(pencil: Pencil) -> list[Shape]:
    turn = pencil.between(0, 3)
    sectors = [
        ellipse("second", 0, 0, 0.8, start=turn + start, stop=turn + start + 1.05)
        for start in (0.0, 2.1, 4.2)
    ]
    return [
        ellipse("main", 0, 0, 0.8),
        *(polygon("second", *sector.points, (0, 0)) for sector in sectors),
        ellipse("light", 0, 0, 0.14),
    ]


@concept("robot", kind="toy")
def robot(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.4, 0.5)
    return [
        line("dark", 0.05, (0, -0.65), (0, -0.9)),
        ellipse("accent", 0, -0.92, 0.07),
        rectangle("main", -0.33, -0.7, 0.33, -0.2),
        *(ellipse("light", x, -0.47, 0.09) for x in (-0.15, 0.15)),
        rectangle("second", -w, -0.12, w, 0.5),
        *(line("dark", 0.1, (side * w, 0), (side * (w + 0.25), 0.35)) for side in (-1, 1)),
        *(line("dark", 0.12, (x, 0.5), (x, 0.95)) for x in (-0.2, 0.2)),
        rectangle("accent", -0.2, 0.05, 0.2, 0.25),
    ]


@concept("dice", kind="toy")
def dice(pencil: Pencil) -> list[Shape]:
    """A cube seen from a corner, with spots on its three faces."""
    front = pencil.one_of(
        ((0.0, 0.0),), ((-1.0, -1.0), (1.0, 1.0)), ((-1.0, -1.0), (0.0, 0.0), (1.0, 1.0))
    )
    side = pencil.one_of(
        ((-1.0, 1.0), (1.0, -1.0)), ((-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0))
    )
    lean = pencil.between(0.38, 0.48)
    top_left, top_right, top_back = (-0.82, -lean), (0.82, -lean), (0.0, -0.92)
    centre, base = (0.0, 0.08), (0.0, 0.97)
    spots = [
        *(
            ellipse("dark", -0.41 + 0.22 * u, 0.27 + 0.11 * u + 0.26 * v, 0.09, 0.12)
            for u, v in front
        ),
        *(
            ellipse("dark", 0.41 + 0.22 * u, 0.27 - 0.11 * u + 0.26 * v, 0.09, 0.12)
            for u, v in side
        ),
        ellipse("dark", 0, -lean, 0.15, 0.09),
    ]
    return [
        polygon("main", top_left, centre, base, (-0.82, 0.5)),
        polygon("second", top_right, centre, base, (0.82, 0.5)),
        polygon("light", top_left, top_back, top_right, centre),
        *spots,
    ]


@concept("top", kind="toy")
def top(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.68, 0.8)
    y = pencil.between(-0.18, -0.08)
    stripe = y + 0.35
    return [
        line("dark", 0.1, (0, y), (0, -0.8)),
        ellipse("accent", 0, -0.85, 0.12, 0.1),
        polygon("main", (-w, y), (w, y), (0.1, 0.8), (-0.1, 0.8)),
        polygon(
            "second", (-w * 0.66, stripe), (w * 0.66, stripe), (w * 0.4, 0.52), (-w * 0.4, 0.52)
        ),
        ellipse("main", 0, y, w, 0.2),
        ellipse("accent", 0, y - 0.02, w * 0.5, 0.1),
        polygon("dark", (-0.1, 0.78), (0.1, 0.78), (0, 0.98)),
    ]


@concept("doll", kind="toy")
def doll(pencil: Pencil) -> list[Shape]:
    hem = pencil.between(0.42, 0.52)
    plait = pencil.between(0.42, 0.5)
    reach = pencil.between(0.0, 0.25)
    return [
        *(ellipse("second", side * plait, -0.42, 0.13, 0.26, -0.3 * side) for side in (-1, 1)),
        *(line("light", 0.12, (side * 0.16, 0.55), (side * 0.16, 0.88)) for side in (-1, 1)),
        *(ellipse("dark", side * 0.2, 0.92, 0.14, 0.07) for side in (-1, 1)),
        *(line("light", 0.12, (side * 0.15, 0.0), (side * 0.58, reach)) for side in (-1, 1)),
        polygon("main", (-0.16, -0.15), (0.16, -0.15), (hem, 0.65), (-hem, 0.65)),
        rectangle("accent", -0.24, 0.14, 0.24, 0.24),
        ellipse("second", 0, -0.58, 0.4, 0.38),
        ellipse("light", 0, -0.47, 0.32, 0.29),
        *(ellipse("dark", side * 0.13, -0.5, 0.05) for side in (-1, 1)),
        arc("dark", 0.05, 0, -0.42, 0.13, 0.1, 0.3, math.pi - 0.3),
    ]
