"""Scenes: what a picture shows, and the picture of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from types import EllipsisType

import numpy as np

from gram_core.world.colours import COLOUR_NAMES, COLOURS
from gram_core.world.concepts import CONCEPTS
from gram_core.world.primitives import RGB, Pencil, Role, Shape
from gram_core.world.settings import SETTINGS
from gram_core.world.styles import RENDERERS, STYLES
from gram_core.world.styles.layout import CANVAS, Layout, Mark, Picture, between, jittered, one_of

__all__ = [
    "COLOURS",
    "GEOMETRY",
    "SIZES",
    "Geometry",
    "Scene",
    "render",
    "sample_scene",
]

SIZES = ("small", "medium", "large")
COUNTS = (1, 2, 3, 4)

SETTING_SHARE = 0.6
"""How many sampled scenes have a setting."""
SINGLE_SHARE = 0.75
"""How many sampled scenes show one object."""

HALF = CANVAS / 2
STRETCH = (0.85, 1.18)
SHEAR = (-0.12, 0.12)
HORIZON = (-0.1, 0.6)
DARK: RGB = (50, 48, 52)
LIGHT: RGB = (236, 234, 228)
PLAIN_SHADES = (190, 256)

Place = tuple[float, float]


@dataclass(frozen=True)
class Geometry:
    """How freely objects are placed.

    `small`, `medium` and `large` are ranges of the object's half side as a share of the picture's;
    `turn` is the largest rotation in radians, `flip` the probability of mirroring, `shift` how much
    of the free room around the object its centre may use.
    """

    small: tuple[float, float]
    medium: tuple[float, float]
    large: tuple[float, float]
    turn: float
    flip: float
    shift: float

    def range_of(self, size: str) -> tuple[float, float]:
        """The range of half sides that belongs to a size."""
        return {"small": self.small, "medium": self.medium, "large": self.large}[size]


GEOMETRY: dict[str, Geometry] = {
    "easy": Geometry((0.5, 0.6), (0.64, 0.78), (0.8, 0.92), turn=0.2, flip=0.15, shift=0.55),
    "hard": Geometry((0.3, 0.42), (0.42, 0.6), (0.62, 0.8), turn=0.7, flip=0.5, shift=0.85),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture shows: `count` objects of one concept, in a setting (None: plain) and a style.

    Raises `ValueError` for a name that the world does not know.
    """

    concept: str
    colour: str
    size: str
    setting: str | None
    count: int
    style: str
    geometry: str = "easy"

    def __post_init__(self) -> None:
        _require("concept", self.concept, CONCEPTS)
        _require("colour", self.colour, COLOURS)
        _require("size", self.size, SIZES)
        if self.setting is not None:
            _require("setting", self.setting, SETTINGS, "; None is a plain background")
        _require("count", self.count, COUNTS)
        _require("style", self.style, STYLES)
        _require("geometry", self.geometry, GEOMETRY)


@dataclass(frozen=True, slots=True)
class _Spread:
    """Where several objects stand, in shares of the half side, and how much smaller they are."""

    centres: tuple[Place, ...]
    scale: float
    wander: float


_SPREADS: dict[int, tuple[_Spread, ...]] = {
    2: (
        _Spread(((-0.48, 0.0), (0.48, 0.0)), 0.6, 0.1),
        _Spread(((-0.45, -0.38), (0.45, 0.38)), 0.64, 0.06),
        _Spread(((0.45, -0.38), (-0.45, 0.38)), 0.64, 0.06),
    ),
    3: (
        _Spread(((0.0, -0.46), (-0.48, 0.44), (0.48, 0.44)), 0.54, 0.06),
        _Spread(((-0.48, -0.44), (0.48, -0.44), (0.0, 0.46)), 0.54, 0.06),
    ),
    4: (_Spread(((-0.48, -0.48), (0.48, -0.48), (-0.48, 0.48), (0.48, 0.48)), 0.52, 0.06),),
}


def sample_scene(
    rng: np.random.Generator,
    concept: str,
    style: str,
    geometry: str = "easy",
    *,
    colour: str | None = None,
    size: str | None = None,
    setting: str | EllipsisType | None = ...,
    count: int | None = None,
) -> Scene:
    """A random scene of a concept in a style; what is given by name is not sampled.

    `setting=None` is a plain background; left out, 60 % of the scenes have a setting. One object is
    shown three times out of four, else two to four.
    """
    # Everything is drawn whether or not it is given, so that a given value changes nothing else.
    drawn_colour: str = one_of(rng, COLOUR_NAMES)
    drawn_size: str = one_of(rng, ("small", "medium", "medium", "large"))
    somewhere = rng.random() < SETTING_SHARE
    drawn_setting: str = one_of(rng, tuple(SETTINGS))
    alone = rng.random() < SINGLE_SHARE
    drawn_count: int = one_of(rng, COUNTS[1:])
    if isinstance(setting, EllipsisType):
        setting = drawn_setting if somewhere else None
    if count is None:
        count = 1 if alone else drawn_count
    return Scene(
        concept, colour or drawn_colour, size or drawn_size, setting, count, style, geometry
    )


def render(rng: np.random.Generator, scene: Scene) -> Picture:
    """The picture of a scene: (64, 64, 3) uint8.

    The generator decides all that the scene leaves open: same scene and generator, same bytes.
    """
    style = RENDERERS[scene.style]
    return style.render(lay_out(rng, scene, style.wobble), rng)


def lay_out(rng: np.random.Generator, scene: Scene, wobble: float = 0.0) -> Layout:
    """The marks and colours of a scene; `wobble` is how far its lines stray, in canvas pixels."""
    palette = _palette(rng, scene.colour)
    several = scene.count > 1
    object_wobble = wobble * 0.6 if several else wobble
    geometry = GEOMETRY[scene.geometry]
    objects: list[Mark] = []
    pencil = Pencil(rng)
    for centre, half_side in _places(rng, scene):
        shapes = CONCEPTS[scene.concept].draw(pencil)
        objects += _object_marks(rng, shapes, centre, half_side, geometry, object_wobble)
    foot = min(float(CANVAS), max(max(mark.points[1::2]) for mark in objects))
    horizon = between(rng, *HORIZON)
    if scene.setting is None:
        red, green, blue = rng.integers(*PLAIN_SHADES, 3).tolist()
        sky = ground = (red, green, blue)
        setting_marks: tuple[Mark, ...] = ()
        scenery = palette
    else:
        setting = SETTINGS[scene.setting]
        sky, ground = jittered(rng, setting.sky, 10), jittered(rng, setting.ground, 10)
        setting_marks = tuple(
            _to_marks(rng, setting.draw(pencil, horizon), _SQUARE, (HALF, HALF), HALF, wobble * 0.5)
        )
        scenery = dict(setting.colours)
    return Layout(
        objects=tuple(objects),
        setting=setting_marks,
        palette=palette,
        scenery=scenery,
        sky=sky,
        ground=ground,
        horizon=(horizon + 1) * HALF,
        foot=foot,
        several=several,
    )


_SQUARE = np.array([[HALF, 0.0], [0.0, HALF]])


def _palette(rng: np.random.Generator, colour: str) -> dict[Role, RGB]:
    """The scene's colour as main, two other colours, and near-black and near-white."""
    others = [name for name in COLOUR_NAMES if name != colour]
    return {
        "main": jittered(rng, COLOURS[colour]),
        "second": jittered(rng, COLOURS[one_of(rng, others)]),
        "accent": jittered(rng, COLOURS[one_of(rng, others)]),
        "dark": jittered(rng, DARK),
        "light": jittered(rng, LIGHT),
    }


def _places(rng: np.random.Generator, scene: Scene) -> list[tuple[Place, float]]:
    """The centre and half side of each object, in canvas pixels."""
    geometry = GEOMETRY[scene.geometry]
    share = between(rng, *geometry.range_of(scene.size))
    if scene.count == 1:
        room = max(0.0, 1.0 - share) * geometry.shift
        centre = (1 + between(rng, -room, room), 1 + between(rng, -room, room))
        return [((centre[0] * HALF, centre[1] * HALF), share * HALF)]
    spread: _Spread = one_of(rng, _SPREADS[scene.count])
    places = []
    for x, y in spread.centres:
        wander_x, wander_y = rng.uniform(-spread.wander, spread.wander, 2).tolist()
        half_side = share * spread.scale * between(rng, 0.94, 1.06)
        places.append((((1 + x + wander_x) * HALF, (1 + y + wander_y) * HALF), half_side * HALF))
    return places


def _object_marks(
    rng: np.random.Generator,
    shapes: Sequence[Shape],
    centre: Place,
    half_side: float,
    geometry: Geometry,
    wobble: float,
) -> list[Mark]:
    """An object's shapes mirrored, sheared, stretched, turned and moved to its place."""
    angle = between(rng, -geometry.turn, geometry.turn)
    mirror = -1.0 if rng.random() < geometry.flip else 1.0
    aspect = between(rng, *STRETCH)
    shear = between(rng, *SHEAR)
    width, height = half_side * math.sqrt(aspect), half_side / math.sqrt(aspect)
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[cosine, -sine], [sine, cosine]])
    stretch = np.array([[mirror * width, shear * height], [0.0, height]])
    return _to_marks(rng, shapes, turn @ stretch, centre, half_side, wobble)


def _to_marks(
    rng: np.random.Generator,
    shapes: Sequence[Shape],
    matrix: np.ndarray,
    origin: Place,
    unit: float,
    wobble: float,
) -> list[Mark]:
    """Shapes under an affine map to canvas pixels; a stroke of width 1 is `unit` pixels wide."""
    points = np.array([point for shape in shapes for point in shape.points])
    pixels = points @ matrix.T + origin
    if wobble > 0.0:
        pixels += rng.normal(0.0, wobble, pixels.shape)
    flat = pixels.ravel().tolist()
    marks, start = [], 0
    for shape in shapes:
        stop = start + 2 * len(shape.points)
        width = None if shape.width is None else max(1.0, shape.width * unit)
        marks.append(Mark(tuple(flat[start:stop]), shape.role, width))
        start = stop
    return marks


def _require(what: str, value: object, known: Collection[object], remark: str = "") -> None:
    if value not in known:
        names = ", ".join(str(name) for name in known)
        raise ValueError(f"unknown {what} {value!r}; known are {names}{remark}")
