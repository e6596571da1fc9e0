"""What is seen in the sky."""

from __future__ import annotations

import math

from gram_core.world.primitives import (
    Pencil,
    Role,
    Shape,
    arc,
    ellipse,
    on_circle,
    polygon,
    rectangle,
)
from gram_core.world.registry import concept


@concept("sun", kind="sky")
def sun(pencil: Pencil) -> list[Shape]:
    rays = pencil.one_of(8, 10, 12)
    radius = pencil.between(0.42, 0.52)
    shapes = []
    for ray in range(rays):
        angle = 2 * math.pi * ray / rays
        left, right = on_circle(0, 0, radius, angle - 0.2), on_circle(0, 0, radius, angle + 0.2)
        shapes.append(polygon("second", left, on_circle(0, 0, 0.95, angle), right))
    return [*shapes, ellipse("main", 0, 0, radius)]


@concept("moon", kind="sky")
def moon(pencil: Pencil) -> list[Shape]:
    bite = pencil.between(0.15, 0.45)
    angles = [math.pi * (0.5 + step / 16) for step in range(17)]
    outer = [(0.75 * math.cos(angle), 0.8 * math.sin(angle)) for angle in angles]
    inner = [(bite * math.cos(angle), 0.8 * math.sin(angle)) for angle in reversed(angles)]
    return [polygon("main", *outer, *inner)]


@concept("star", kind="sky")
def star(pencil: Pencil) -> list[Shape]:
    inner = pencil.between(0.36, 0.46)
    return [
        polygon(
            "main",
            *(
                on_circle(0, 0, inner if corner % 2 else 0.95, (corner / 5 - 0.5) * math.pi)
                for corner in range(10)
            ),
        )
    ]


@concept("cloud", kind="sky")
def cloud(pencil: Pencil) -> list[Shape]:
    radius = pencil.between(0.32, 0.42)
    return [
        ellipse("main", -0.45, 0.15, 0.38),
        ellipse("main", 0.5, 0.15, 0.35),
        ellipse("main", -0.1, -0.15, radius + 0.05),
        ellipse("main", 0.25, -0.05, radius),
        rectangle("main", -0.5, 0.2, 0.55, 0.5),
    ]


@concept("rainbow", kind="sky")
def rainbow(pencil: Pencil) -> list[Shape]:
    band = pencil.between(0.13, 0.16)
    y = 0.55
    roles: tuple[Role, ...] = ("main", "accent", "second", "dark")
    shapes = [
        arc(role, band, 0, y, 0.9 - index * band, 1.2 * (0.9 - index * band), math.pi, 2 * math.pi)
        for index, role in enumerate(roles)
    ]
    if pencil.chance(0.6):
        for side in (-1, 1):
            shapes += [
                ellipse("light", side * 0.82, y + 0.08, 0.2, 0.17),
                ellipse("light", side * 0.52, y + 0.08, 0.22, 0.19),
                ellipse("light", side * 0.66, y - 0.04, 0.2, 0.17),
            ]
    return shapes


@concept("lightning", kind="sky")
def lightning(pencil: Pencil) -> list[Shape]:
    lean = pencil.between(-0.1, 0.1)
    puff = pencil.between(0.26, 0.32)
    bolt = ((-0.12, -0.3), (0.32, -0.3), (0.1, 0.18), (0.38, 0.18), (-0.2 + lean, 0.98))
    return [
        polygon("main", *bolt, (-0.02, 0.36), (-0.32, 0.36)),
        *(ellipse("second", x, -0.5, puff) for x in (-0.5, 0.5)),
        ellipse("second", -0.15, -0.64, puff + 0.05),
        ellipse("second", 0.22, -0.6, puff + 0.02),
        rectangle("second", -0.5, -0.45, 0.5, -0.5 + puff),
    ]
