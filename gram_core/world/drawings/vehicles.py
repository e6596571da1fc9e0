"""Things that carry people and goods."""

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


@concept("sailboat", kind="vehicle")
def sailboat(pencil: Pencil) -> list[Shape]:
    mast = pencil.between(0.7, 0.95)
    reach = pencil.between(0.45, 0.75)
    keel = 0.35 + pencil.between(0.25, 0.4)
    stern = pencil.between(0.4, 0.6)
    shapes = [
        polygon("main", (-0.8, 0.35), (0.8, 0.35), (stern, keel), (-0.55, keel)),
        line("dark", 0.07, (0, 0.35), (0, -mast)),
        polygon("second", (0.06, -mast), (0.06, 0.25), (reach, 0.25)),
    ]
    if pencil.chance(0.7):
        shapes.append(polygon("accent", (-0.08, -mast + 0.2), (-0.08, 0.25), (-reach * 0.8, 0.25)))
    return shapes


@concept("rocket", kind="vehicle")
def rocket(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.22, 0.34)
    tip = pencil.between(-0.95, -0.8)
    flame = pencil.between(0.85, 1.0)
    hull = (
        (-w, 0.65),
        (-w, -0.35),
        (-w * 0.6, -0.65),
        (0, tip),
        (w * 0.6, -0.65),
        (w, -0.35),
        (w, 0.65),
    )
    return [
        polygon("accent", (-w, 0.35), (-w - 0.3, 0.75), (-w, 0.65)),
        polygon("accent", (w, 0.35), (w + 0.3, 0.75), (w, 0.65)),
        polygon("second", (-w * 0.6, 0.65), (0, flame), (w * 0.6, 0.65)),
        polygon("main", *hull),
        ellipse("light", 0, pencil.between(-0.25, -0.05), w * 0.5),
    ]


@concept("car", kind="vehicle")
def car(pencil: Pencil) -> list[Shape]:
    roof = pencil.between(-0.4, -0.2)
    wheel = pencil.between(0.17, 0.23)
    rear = ((-0.42, -0.04), (-0.3, roof + 0.08), (-0.04, roof + 0.08), (-0.04, -0.04))
    front = ((0.06, -0.04), (0.06, roof + 0.08), (0.26, roof + 0.08), (0.42, -0.04))
    return [
        polygon("main", (-0.55, -0.02), (-0.35, roof), (0.3, roof), (0.55, -0.02)),
        polygon("light", *rear),
        polygon("light", *front),
        rectangle("main", -0.95, -0.02, 0.95, 0.35),
        *(ellipse("dark", x, 0.38, wheel) for x in (-0.5, 0.5)),
        *(ellipse("light", x, 0.38, wheel * 0.4) for x in (-0.5, 0.5)),
    ]


@concept("bus", kind="vehicle")
def bus(pencil: Pencil) -> list[Shape]:
    roof = pencil.between(-0.6, -0.45)
    windows = pencil.one_of(3, 4, 5)
    pitch = 1.64 / windows
    return [
        rectangle("main", -0.95, roof, 0.95, 0.4),
        rectangle("second", -0.95, 0.1, 0.95, 0.2),
        *(
            rectangle("light", x, roof + 0.12, x + pitch - 0.1, roof + 0.42)
            for x in (-0.82 + pitch * index for index in range(windows))
        ),
        ellipse("dark", -0.55, 0.42, 0.18),
        ellipse("dark", 0.55, 0.42, 0.18),
    ]


@concept("bicycle", kind="vehicle")
def bicycle(pencil: Pencil) -> list[Shape]:
    wheel = pencil.between(0.32, 0.4)
    saddle = pencil.between(-0.4, -0.25)
    frame = ((-0.52, 0.3), (-0.2, saddle + 0.15), (0.35, saddle + 0.15), (0, 0.3), (-0.52, 0.3))
    return [
        arc("dark", 0.07, -0.52, 0.3, wheel, wheel),
        arc("dark", 0.07, 0.52, 0.3, wheel, wheel),
        line("main", 0.08, *frame),
        line("main", 0.08, (-0.25, saddle), (0, 0.3)),
        line("main", 0.08, (0.52, 0.3), (0.33, saddle - 0.05)),
        line("dark", 0.08, (-0.4, saddle), (-0.1, saddle)),
        line("dark", 0.07, (0.33, saddle - 0.05), (0.55, saddle - 0.12)),
    ]


@concept("airplane", kind="vehicle")
def airplane(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.11, 0.16)
    span = pencil.between(0.75, 0.95)
    wings = ((0, -0.2), (span, 0.25), (span, 0.4), (0, 0.15), (-span, 0.4), (-span, 0.25))
    tail = ((0, 0.6), (0.35, 0.82), (0.35, 0.92), (-0.35, 0.92), (-0.35, 0.82))
    hull = ((0, -0.95), (w, -0.7), (w, 0.6), (0, 0.95), (-w, 0.6), (-w, -0.7))
    return [
        polygon("second", *wings),
        polygon("second", *tail),
        polygon("main", *hull),
        ellipse("light", 0, -0.62, w * 0.55),
    ]


@concept("train", kind="vehicle")
def train(pencil: Pencil) -> list[Shape]:
    wheel = pencil.between(0.15, 0.2)
    chimney = pencil.between(-0.6, -0.45)
    return [
        rectangle("main", -0.3, -0.15, 0.8, 0.35),
        rectangle("second", -0.85, -0.55, -0.28, 0.35),
        rectangle("light", -0.72, -0.42, -0.42, -0.12),
        rectangle("dark", 0.4, chimney, 0.58, -0.15),
        polygon("dark", (0.8, 0.1), (1, 0.35), (0.8, 0.35)),
        ellipse("dark", -0.55, 0.42, wheel * 1.2),
        *(ellipse("dark", x, 0.45, wheel) for x in (-0.05, 0.35, 0.7)),
        rectangle("accent", -0.92, -0.65, -0.2, -0.53),
    ]


@concept("submarine", kind="vehicle")
def submarine(pencil: Pencil) -> list[Shape]:
    girth = pencil.between(0.3, 0.4)
    periscope = pencil.between(-0.8, -0.65)
    return [
        ellipse("main", 0, 0.2, 0.85, girth),
        polygon("second", (-0.25, -0.05), (-0.2, -0.4), (0.2, -0.4), (0.25, -0.05)),
        line("dark", 0.07, (0.05, -0.4), (0.05, periscope), (0.25, periscope)),
        *(ellipse("light", x, 0.2, 0.11) for x in (-0.4, 0, 0.4)),
        polygon("accent", (-0.8, 0.2), (-1, -0.05), (-1, 0.45)),
    ]


@concept("balloon", kind="vehicle")
def balloon(pencil: Pencil) -> list[Shape]:
    w = pencil.between(0.55, 0.68)
    envelope = []
    for step in range(24):
        angle = 2 * math.pi * step / 24
        taper = 1 - 0.5 * max(0.0, math.sin(angle))
        envelope.append((w * math.cos(angle) * taper, -0.3 + 0.62 * math.sin(angle)))
    return [
        line("dark", 0.04, (-w * 0.6, 0), (-0.16, 0.6)),
        line("dark", 0.04, (w * 0.6, 0), (0.16, 0.6)),
        polygon("main", *envelope),
        ellipse("second", 0, -0.3, w * 0.35, 0.6),
        rectangle("accent", -0.18, 0.6, 0.18, 0.9),
    ]


@concept("truck", kind="vehicle")
def truck(pencil: Pencil) -> list[Shape]:
    roof = pencil.between(-0.6, -0.45)
    gap = pencil.between(0.2, 0.35)
    left = gap + 0.05
    return [
        rectangle("main", -0.95, roof, gap, 0.3),
        polygon("second", (left, -0.25), (0.7, -0.25), (0.95, 0.05), (0.95, 0.3), (left, 0.3)),
        polygon("light", (left + 0.1, -0.17), (0.65, -0.17), (0.8, 0.03), (left + 0.1, 0.03)),
        *(ellipse("dark", x, 0.38, 0.19) for x in (-0.55, 0.6)),
        *(ellipse("light", x, 0.38, 0.07) for x in (-0.55, 0.6)),
    ]
