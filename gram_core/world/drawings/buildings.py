"""Buildings."""

from __future__ import annotations

import math

from gram_core.world.primitives import (
    Pencil,
    Shape,
    dome_points,
    ellipse,
    line,
    polygon,
    rectangle,
)
from gram_core.world.registry import concept


@concept("house", kind="building")
def house(pencil: Pencil) -> list[Shape]:
    ridge = pencil.between(-0.85, -0.65)
    w = pencil.between(0.55, 0.7)
    walls = [
        rectangle("main", -w, -0.15, w, 0.8),
        polygon("second", (-w - 0.2, -0.12), (0, ridge), (w + 0.2, -0.12)),
        rectangle("dark", -0.15, 0.3, 0.15, 0.8),
        rectangle("light", -w + 0.1, 0.1, -0.25, 0.38),
        rectangle("light", 0.25, 0.1, w - 0.1, 0.38),
    ]
    if pencil.chance(0.6):
        return [rectangle("accent", 0.3, ridge + 0.05, 0.48, -0.3), *walls]
    return walls


@concept("lighthouse", kind="building")
def lighthouse(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.26, 0.36)
    beam = pencil.between(0.15, 0.25)
    return [
        polygon("light", (-w * 0.6, -0.4), (w * 0.6, -0.4), (w, 0.9), (-w, 0.9)),
        polygon("main", (-w * 0.7, -0.1), (w * 0.7, -0.1), (w * 0.78, 0.2), (-w * 0.78, 0.2)),
        polygon("main", (-w * 0.86, 0.5), (w * 0.86, 0.5), (w * 0.95, 0.75), (-w * 0.95, 0.75)),
        rectangle("accent", -w * 0.5, -0.68, w * 0.5, -0.4),
        polygon("main", (-w * 0.7, -0.68), (0, -0.95), (w * 0.7, -0.68)),
        polygon("accent", (w * 0.6, -0.55), (0.95, -0.55 - beam), (0.95, -0.55 + beam)),
    ]


@concept("castle", kind="building")
def castle(pencil: Pencil) -> list[Shape]:
    top = pencil.between(-0.35, -0.15)
    towers = (-0.9, -0.6, 0.45, 0.75)
    wall = (-0.35, -0.08, 0.2)
    return [
        rectangle("main", -0.55, top + 0.2, 0.55, 0.8),
        rectangle("second", -0.9, top - 0.2, -0.45, 0.8),
        rectangle("second", 0.45, top - 0.2, 0.9, 0.8),
        *(rectangle("second", x, top - 0.38, x + 0.15, top - 0.18) for x in towers),
        *(rectangle("main", x, top + 0.05, x + 0.15, top + 0.22) for x in wall),
        polygon("dark", *dome_points(0, 0.45, 0.18, 0.22), (0.18, 0.8), (-0.18, 0.8)),
        rectangle("dark", -0.74, 0.1, -0.62, 0.3),
        rectangle("dark", 0.62, 0.1, 0.74, 0.3),
    ]


@concept("tent", kind="building")
def tent(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.75, 0.92)
    top = pencil.between(-0.7, -0.5)
    return [
        polygon("main", (0, top), (w, 0.7), (-w, 0.7)),
        polygon("dark", (0, top + 0.2), (0.25, 0.7), (-0.25, 0.7)),
        line("second", 0.06, (0, top), (0.12, top - 0.2)),
        line("second", 0.06, (0, top), (-0.12, top - 0.2)),
    ]


@concept("windmill", kind="building")
def windmill(pencil: Pencil) -> list[Shape]:
    turn = pencil.between(0, math.pi / 2)
    shapes = [
        polygon("main", (-0.22, -0.35), (0.22, -0.35), (0.4, 0.95), (-0.4, 0.95)),
        rectangle("dark", -0.1, 0.6, 0.1, 0.95),
        polygon("second", (-0.3, -0.3), (0, -0.6), (0.3, -0.3)),
    ]
    corners = ((0, 0.05), (0.75, 0), (0.75, 0.2), (0.15, 0.2))
    for sail in range(4):
        angle = turn + sail * math.pi / 2
        cosine, sine = math.cos(angle), math.sin(angle)
        turned = ((x * cosine - y * sine, -0.3 + x * sine + y * cosine) for x, y in corners)
        shapes.append(polygon("light", *turned))
    return [*shapes, ellipse("accent", 0, -0.3, 0.08)]


@concept("church", kind="building")
def church(pencil: Pencil) -> list[Shape]:
    spire = pencil.between(-0.8, -0.65)
    return [
        rectangle("main", -0.2, -0.05, 0.85, 0.8),
        polygon("second", (-0.25, -0.02), (0.1, -0.35), (0.9, -0.35), (0.95, -0.02)),
        rectangle("main", -0.7, -0.3, -0.15, 0.8),
        polygon("second", (-0.75, -0.28), (-0.43, spire), (-0.1, -0.28)),
        line("dark", 0.06, (-0.43, -0.7), (-0.43, -1)),
        line("dark", 0.06, (-0.54, -0.88), (-0.32, -0.88)),
        rectangle("dark", -0.53, 0.4, -0.32, 0.8),
        rectangle("light", 0.1, 0.2, 0.28, 0.5),
        rectangle("light", 0.5, 0.2, 0.68, 0.5),
    ]


@concept("bridge", kind="building")
def bridge(pencil: Pencil) -> list[Shape]:
    top = pencil.between(-0.55, -0.35)
    sag = [(-0.54 + 1.08 * step / 8, top + 0.45 * (1 - (step - 4) ** 2 / 16)) for step in range(9)]
    return [
        rectangle("main", -1, 0.1, 1, 0.25),
        rectangle("second", -0.6, top, -0.48, 0.7),
        rectangle("second", 0.48, top, 0.6, 0.7),
        line("dark", 0.05, (-1, 0.1), *sag, (1, 0.1)),
        *(line("dark", 0.03, (sag[i][0], 0.1), sag[i]) for i in (2, 4, 6)),
    ]
