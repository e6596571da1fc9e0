"""Where a thing can be: twelve backgrounds, drawn by shapes so that every style can show them.

A style first fills the picture with the setting's sky and, below the horizon, with its ground; the
shapes come on top. They crowd the edges and leave the middle fairly free for the object.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gram_core.world.primitives import (
    RGB,
    Pencil,
    Role,
    Shape,
    ellipse,
    line,
    polygon,
    rectangle,
)
from gram_core.world.scenery import flake, hill, stars, wave

DrawSetting = Callable[[Pencil, float], list[Shape]]


@dataclass(frozen=True, slots=True)
class Setting:
    """A background: its name, the colours of sky, ground and roles, and how to draw its shapes.

    `draw` takes the pencil and the horizon's height in [-1, 1] and returns shapes that span the
    whole picture.
    """

    name: str
    sky: RGB
    ground: RGB
    draw: DrawSetting
    colours: Mapping[Role, RGB]


SETTINGS: dict[str, Setting] = {}


def setting(
    name: str,
    *,
    sky: RGB,
    ground: RGB,
    main: RGB,
    second: RGB,
    accent: RGB = (250, 214, 90),
    dark: RGB = (58, 54, 66),
    light: RGB = (250, 250, 246),
) -> Callable[[DrawSetting], DrawSetting]:
    """A decorator that registers a drawing function as the setting `name`."""

    def register(draw: DrawSetting) -> DrawSetting:
        colours: dict[Role, RGB] = {
            "main": main,
            "second": second,
            "accent": accent,
            "dark": dark,
            "light": light,
        }
        SETTINGS[name] = Setting(name, sky, ground, draw, colours)
        return draw

    return register


@setting(
    "sea", sky=(176, 220, 246), ground=(52, 126, 196), main=(36, 98, 170), second=(120, 186, 230)
)
def sea(pencil: Pencil, horizon: float) -> list[Shape]:
    rows = 4
    pitch = (1.0 - horizon) / (rows + 0.3)
    role: tuple[Role, Role] = ("light", "main")
    return [
        wave(
            role[row % 2],
            horizon + pitch * (row + 0.65),
            pencil.between(0.06, 0.1),
            pencil.between(0.0, math.pi),
        )
        for row in range(rows)
    ]


@setting(
    "desert",
    sky=(250, 226, 176),
    ground=(232, 190, 116),
    main=(216, 166, 92),
    second=(200, 140, 76),
)
def desert(pencil: Pencil, horizon: float) -> list[Shape]:
    side = pencil.one_of(-1.0, 1.0)
    height = pencil.between(0.5, 0.7)
    base = pencil.between(0.4, 0.5)
    x = side * pencil.between(0.5, 0.6)
    apex = (x, horizon - height)
    crease = (x + 0.15, horizon)
    low = horizon + (1.0 - horizon) * pencil.between(0.25, 0.45)
    return [
        polygon("second", (x - base, horizon), apex, crease),
        polygon("dark", crease, apex, (x + base, horizon)),
        hill("main", -side * 0.65, horizon + 0.02, 0.6, pencil.between(0.14, 0.24)),
        line("second", 0.045, (-1, low), (-0.5, low - 0.1), (0.1, low + 0.02), (1, low - 0.06)),
        line("second", 0.045, (-1, low + 0.3), (-0.2, low + 0.2), (0.5, low + 0.3), (1, low + 0.2)),
    ]


@setting(
    "snow",
    sky=(186, 206, 228),
    ground=(242, 246, 252),
    main=(226, 234, 246),
    second=(206, 220, 238),
)
def snow(pencil: Pencil, horizon: float) -> list[Shape]:
    hills = [
        hill("second", pencil.between(-0.8, -0.5), horizon, 0.7, pencil.between(0.25, 0.4)),
        hill("main", pencil.between(0.5, 0.8), horizon, 0.65, pencil.between(0.15, 0.3)),
    ]
    column = 2.0 / 9
    flakes = [
        flake(
            -1.0 + column * (index + pencil.between(0.2, 0.8)),
            pencil.between(-0.95, -0.35) if index % 2 else pencil.between(-0.5, 0.9),
            pencil.between(0.08, 0.12),
            pencil.between(0.0, 1.0),
        )
        for index in range(9)
    ]
    return hills + flakes


@setting(
    "forest",
    sky=(206, 230, 206),
    ground=(94, 136, 78),
    main=(46, 104, 62),
    second=(110, 78, 52),
)
def forest(pencil: Pencil, horizon: float) -> list[Shape]:
    shapes: list[Shape] = []
    for index, x in enumerate((-0.3, 0.3, -0.62, 0.62, -0.92, 0.92)):
        height = pencil.between(0.5, 0.65) + 0.2 * (index // 2)
        half = pencil.between(0.17, 0.22)
        x += pencil.between(-0.06, 0.06)
        top = max(-0.98, horizon - height)
        crown = horizon - 0.2
        shapes.append(line("second", 0.09, (x, horizon + 0.03), (x, crown)))
        for tier in range(2):
            foot = crown - tier * (crown - top) * 0.4
            spread = half * (1 - 0.25 * tier)
            peak = foot - (crown - top) * 0.6
            shapes.append(polygon("main", (x - spread, foot), (x, peak), (x + spread, foot)))
    return shapes


@setting(
    "city",
    sky=(206, 212, 226),
    ground=(146, 148, 156),
    main=(120, 130, 154),
    second=(152, 158, 178),
)
def city(pencil: Pencil, horizon: float) -> list[Shape]:
    shapes: list[Shape] = []
    left = -1.0
    for index in range(6):
        right = left + pencil.between(0.3, 0.37)
        outer = abs((left + right) / 2)
        top = max(-0.95, horizon - 0.35 - 0.75 * outer - pencil.between(0.0, 0.25))
        role: Role = "main" if index % 2 else "second"
        shapes.append(rectangle(role, left, top, min(right, 1.0), horizon))
        y = top + 0.1
        while y < horizon - 0.12:
            for x in (left + 0.06, left + 0.19):
                shapes.append(rectangle("accent", x, y, x + 0.06, y + 0.09))
            y += 0.28
        left = right
    return shapes


@setting(
    "room",
    sky=(238, 222, 200),
    ground=(188, 142, 98),
    main=(150, 108, 72),
    second=(166, 208, 238),
)
def room(pencil: Pencil, horizon: float) -> list[Shape]:
    side = pencil.one_of(-1.0, 1.0)
    x = side * pencil.between(0.58, 0.64)
    y = pencil.between(-0.55, -0.45)
    half = pencil.between(0.28, 0.33)
    tall = min(0.4, horizon - y - 0.1)
    boards = [
        line("main", 0.035, (0.35 * slot, horizon), (0.75 * slot, 1.0)) for slot in range(-2, 3)
    ]
    return [
        rectangle("light", x - half, y - tall, x + half, y + tall),
        rectangle("second", x - half + 0.06, y - tall + 0.06, x + half - 0.06, y + tall - 0.06),
        line("light", 0.06, (x, y - tall), (x, y + tall)),
        line("light", 0.06, (x - half, y), (x + half, y)),
        rectangle("main", -1.0, horizon - 0.05, 1.0, horizon + 0.02),
        *boards,
        line("main", 0.035, (-1, 0.45 + horizon * 0.55), (1, 0.45 + horizon * 0.55)),
    ]


@setting(
    "night",
    sky=(26, 32, 74),
    ground=(20, 36, 44),
    main=(34, 52, 62),
    second=(44, 66, 74),
    accent=(248, 236, 170),
    dark=(12, 14, 34),
)
def night(pencil: Pencil, horizon: float) -> list[Shape]:
    x = pencil.one_of(-1.0, 1.0) * pencil.between(0.6, 0.72)
    y = pencil.between(-0.68, -0.6)
    radius = pencil.between(0.22, 0.28)
    thickness = pencil.between(0.15, 0.5)
    angles = [math.pi * (0.5 + step / 12) for step in range(13)]
    outer = [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]
    inner = [
        (x + radius * thickness * math.cos(a), y + radius * math.sin(a)) for a in reversed(angles)
    ]
    return [
        *stars(pencil, 9, min(0.1, horizon - 0.2)),
        polygon("accent", *outer, *inner),
        hill("main", pencil.between(-0.7, 0.7), horizon, 0.8, pencil.between(0.12, 0.2)),
    ]


@setting(
    "field",
    sky=(190, 224, 248),
    ground=(134, 188, 92),
    main=(110, 168, 84),
    second=(70, 130, 60),
)
def field(pencil: Pencil, horizon: float) -> list[Shape]:
    shapes = [
        hill("main", pencil.between(-0.7, -0.4), horizon, 0.75, pencil.between(0.2, 0.32)),
        hill("main", pencil.between(0.5, 0.8), horizon, 0.6, pencil.between(0.12, 0.25)),
    ]
    for index in range(8):
        x = -0.85 + 0.24 * index + pencil.between(-0.06, 0.06)
        y = pencil.between(horizon + 0.3 * (1 - horizon), 0.97)
        tall = pencil.between(0.14, 0.22)
        shapes.append(
            line(
                "second",
                0.04,
                (x - 0.1, y - tall * 0.8),
                (x - 0.02, y),
                (x, y - tall),
                (x + 0.02, y),
                (x + 0.1, y - tall * 0.8),
            )
        )
    return shapes


@setting(
    "rain",
    sky=(160, 172, 188),
    ground=(104, 118, 124),
    main=(112, 124, 144),
    second=(74, 118, 178),
)
def rain(pencil: Pencil, horizon: float) -> list[Shape]:
    shapes: list[Shape] = []
    for row, y in enumerate((-0.5, 0.0, 0.5)):
        for slot in range(6):
            x = -0.92 + 0.36 * slot + 0.14 * row + pencil.between(-0.06, 0.06)
            top = y + pencil.between(-0.12, 0.12)
            shapes.append(line("second", 0.045, (x, top), (x - 0.1, top + 0.26)))
    for x in (-0.62, 0.62):
        x += pencil.between(-0.12, 0.12)
        for dx, dy, radius in ((-0.24, 0.05, 0.18), (0.24, 0.05, 0.18), (0.0, 0.0, 0.26)):
            shapes.append(ellipse("main", x + dx, -0.78 + dy, radius + 0.06, radius * 0.8))
    return shapes


@setting(
    "space",
    sky=(14, 12, 38),
    ground=(14, 12, 38),
    main=(206, 128, 92),
    second=(112, 96, 180),
    accent=(236, 208, 150),
    dark=(40, 30, 70),
)
def space(pencil: Pencil, horizon: float) -> list[Shape]:
    side = pencil.one_of(-1.0, 1.0)
    x, y = side * pencil.between(0.58, 0.66), pencil.between(-0.66, -0.58)
    radius = pencil.between(0.2, 0.25)
    tilt = pencil.between(-0.4, 0.4)
    ring = tuple(
        (
            x
            + 1.7 * radius * math.cos(a) * math.cos(tilt)
            - 0.4 * radius * math.sin(a) * math.sin(tilt),
            y
            + 1.7 * radius * math.cos(a) * math.sin(tilt)
            + 0.4 * radius * math.sin(a) * math.cos(tilt),
        )
        for a in (math.tau * step / 20 for step in range(21))
    )
    moon_x, moon_y = -side * pencil.between(0.65, 0.78), pencil.between(0.6, 0.78)
    return [
        *stars(pencil, 12, 0.95),
        ellipse("main", x, y, radius),
        line("accent", 0.05, *ring),
        ellipse("second", moon_x, moon_y, 0.17),
        ellipse("dark", moon_x - 0.05, moon_y - 0.04, 0.05),
    ]


@setting(
    "street",
    sky=(214, 226, 238),
    ground=(150, 168, 132),
    main=(98, 98, 106),
    second=(176, 140, 120),
)
def street(pencil: Pencil, horizon: float) -> list[Shape]:
    x = pencil.between(-0.15, 0.15)
    near = pencil.between(0.75, 0.9)
    depth = 1.0 - horizon
    side = pencil.one_of(-1.0, 1.0)
    post = side * pencil.between(0.78, 0.86)
    shapes = [
        polygon("main", (x - 0.12, horizon), (x + 0.12, horizon), (near, 1.0), (-near, 1.0)),
        line("light", 0.05, (x - 0.12, horizon), (-near, 1.0)),
        line("light", 0.05, (x + 0.12, horizon), (near, 1.0)),
    ]
    for start, stop in ((0.08, 0.24), (0.38, 0.58), (0.74, 0.98)):
        centre, end = x * (1 - start), x * (1 - stop)
        half, half_end = 0.02 + 0.05 * start, 0.02 + 0.05 * stop
        y, y_end = horizon + depth * start, horizon + depth * stop
        dash = ((centre - half, y), (centre + half, y), (end + half_end, y_end))
        shapes.append(polygon("accent", *dash, (end - half_end, y_end)))
    return [
        *shapes,
        line("dark", 0.06, (post, horizon + 0.2), (post, -0.75), (post - side * 0.22, -0.75)),
        ellipse("accent", post - side * 0.26, -0.7, 0.1, 0.07),
    ]


@setting(
    "garden",
    sky=(206, 234, 248),
    ground=(126, 186, 100),
    main=(244, 238, 226),
    second=(58, 128, 62),
    accent=(240, 130, 170),
)
def garden(pencil: Pencil, horizon: float) -> list[Shape]:
    tall = pencil.between(0.32, 0.42)
    pickets = pencil.one_of(7, 8, 9)
    pitch = 2.0 / pickets
    shapes = [
        rectangle("main", -1, y, 1, y + 0.06) for y in (horizon - tall * 0.75, horizon - tall * 0.3)
    ]
    for index in range(pickets):
        x = -1.0 + pitch * (index + 0.5)
        top, half = horizon - tall, 0.065
        sides = ((x + half, top), (x + half, horizon + 0.03), (x - half, horizon + 0.03))
        shapes.append(polygon("main", (x - half, top), (x, top - 0.1), *sides))
    for x in (-0.85, -0.52, 0.52, 0.85):
        x += pencil.between(-0.07, 0.07)
        y = pencil.between(horizon + 0.15 * (1 - horizon), 0.75)
        shapes.append(line("second", 0.045, (x, y), (x, min(1.0, y + 0.28))))
        shapes.extend(
            ellipse("accent", x + dx, y + dy, 0.07)
            for dx, dy in ((-0.08, 0), (0.08, 0), (0, -0.08), (0, 0.08))
        )
        shapes.append(ellipse("light", x, y, 0.05))
    return shapes
