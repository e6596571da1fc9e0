"""What a style is given to draw: marks in pixels, their colours, and the tools to put them down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from gram_core.world.primitives import RGB, Role

CANVAS = 128
"""Side in pixels of the square that marks are drawn on."""
PICTURE = 64
"""Side in pixels of the finished picture."""

Picture = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.float32]
Ink = int | RGB
RoleInk = Callable[[Role], Ink]

_JOINED_FROM = 4  # thinner strokes look the same without rounded joints and cost half the time


@dataclass(frozen=True, slots=True)
class Mark:
    """A shape on the canvas, its points x0, y0, x1, y1, … in pixels; `width` None is filled."""

    points: tuple[float, ...]
    role: Role
    width: float | None

    @property
    def outline(self) -> tuple[float, ...]:
        """The points of the mark's edge: closed where the mark is filled."""
        return self.points + self.points[:2] if self.width is None else self.points


@dataclass(frozen=True, slots=True)
class Layout:
    """A picture before it has a style.

    `objects` and `palette` belong to what the picture shows; `setting`, `scenery`, `sky` and
    `ground` to what lies behind it. Without a setting `setting` is empty and sky and ground are
    one plain colour. `horizon` and `foot`, the lowest point of the objects, are heights in canvas
    pixels. `several` objects are smaller than one and want a finer pen.
    """

    objects: tuple[Mark, ...]
    setting: tuple[Mark, ...]
    palette: dict[Role, RGB]
    scenery: dict[Role, RGB]
    sky: RGB
    ground: RGB
    horizon: float
    foot: float
    several: bool

    @property
    def plain(self) -> bool:
        """True when nothing but a plain colour lies behind the objects."""
        return not self.setting


def mix(first: RGB, second: RGB, share: float) -> RGB:
    """The colour that lies `share` of the way from the first to the second."""
    red, green, blue = (int(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def scaled(colour: RGB, factor: float, offset: float = 0.0) -> RGB:
    """The colour with every channel times `factor` plus `offset`, kept within 0 … 255."""
    red, green, blue = (max(0, min(255, int(value * factor + offset))) for value in colour)
    return red, green, blue


def luminance(colour: RGB) -> int:
    """How bright a colour looks, from 0 to 255."""
    return int(0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2])


def jittered(rng: np.random.Generator, colour: RGB, amount: int = 18) -> RGB:
    """The colour with every channel moved by at most `amount`."""
    red, green, blue = np.clip(
        np.add(colour, rng.integers(-amount, amount + 1, 3)), 0, 255
    ).tolist()
    return red, green, blue


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A number drawn uniformly from [low, high)."""
    return low + (high - low) * rng.random()


def one_of(rng: np.random.Generator, options: Sequence[Any]) -> Any:
    """One of the options, each equally likely."""
    return options[int(rng.random() * len(options))]


def sheet(colour: RGB) -> Image.Image:
    """An empty canvas of one colour."""
    return Image.new("RGB", (CANVAS, CANVAS), colour)


def grey_sheet(level: int = 0) -> Image.Image:
    """An empty grey canvas."""
    return Image.new("L", (CANVAS, CANVAS), level)


def fill(
    image: Image.Image,
    marks: Sequence[Mark],
    ink: RoleInk,
    outline: Ink | None = None,
    outline_width: int = 2,
) -> Image.Image:
    """The image itself, with the marks painted on it as areas of colour, outlined on request."""
    draw = ImageDraw.Draw(image)
    for mark in marks:
        points = mark.points
        if mark.width is None:
            draw.polygon(points, fill=ink(mark.role))
            if outline is not None:
                draw.line(mark.outline, fill=outline, width=outline_width)
            continue
        width = max(1, round(mark.width))
        if outline is not None:
            draw.line(points, fill=outline, width=width + 2 * outline_width - 1, joint="curve")
        draw.line(points, fill=ink(mark.role), width=width, joint=_joint(width))
    return image


def trace(
    image: Image.Image,
    marks: Sequence[Mark],
    ink: RoleInk,
    width: int = 2,
    repeats: int = 1,
    shake: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Image.Image:
    """The image itself, with the edges of the marks drawn on it as lines.

    Each line is drawn `repeats` times, its points moved by `shake` pixels (standard deviation) if a
    generator is given.
    """
    draw = ImageDraw.Draw(image)
    for mark in marks:
        points = mark.outline
        pen = width if mark.width is None else max(width, int(mark.width * 0.5))
        for _ in range(repeats):
            if rng is not None and shake > 0.0:
                points = shaken(rng, mark, shake)
            draw.line(points, fill=ink(mark.role), width=pen, joint=_joint(pen))
    return image


def shaken(rng: np.random.Generator, mark: Mark, shake: float) -> tuple[float, ...]:
    """The edge of a mark with its points moved a little; a closed edge stays closed."""
    moved = (np.array(mark.points) + rng.normal(0.0, shake, len(mark.points))).tolist()
    return tuple(moved + moved[:2] if mark.width is None else moved)


def mask(marks: Sequence[Mark]) -> Image.Image:
    """A grey canvas that is 255 where the marks lie and 0 elsewhere."""
    return fill(grey_sheet(), marks, lambda role: 255)


def backdrop(
    layout: Layout, subdue: Callable[[RGB], RGB], outline: RGB | None = None
) -> Image.Image:
    """A canvas with sky, ground and the setting's shapes, every colour passed through `subdue`."""
    image = sheet(subdue(layout.sky))
    if layout.plain:
        return image
    ImageDraw.Draw(image).rectangle((0, layout.horizon, CANVAS, CANVAS), fill=subdue(layout.ground))
    inks = {role: subdue(colour) for role, colour in layout.scenery.items()}
    return fill(image, layout.setting, lambda role: inks[role], outline, 1)


def shrunk(image: Image.Image) -> Pixels:
    """A drawn canvas as numbers at the size of the picture: (64, 64) grey or (64, 64, 3) colour."""
    return np.asarray(image.reduce(CANVAS // PICTURE), dtype=np.float32)


def coverage(marks: Sequence[Mark], blurred: Callable[[Image.Image], Image.Image]) -> Pixels:
    """How much of each pixel of the picture the marks cover, from 0 to 1: (64, 64, 1)."""
    small = blurred(mask(marks).reduce(CANVAS // PICTURE))
    return np.asarray(small, dtype=np.float32)[..., None] / 255.0


def as_picture(pixels: npt.NDArray[np.floating[Any]]) -> Picture:
    """The numbers rounded down to whole levels from 0 to 255."""
    picture: Picture = np.clip(pixels, 0, 255).astype(np.uint8)
    return picture


def finished(image: Image.Image) -> Picture:
    """A drawn canvas as the finished picture: (64, 64, 3)."""
    return np.asarray(image.reduce(CANVAS // PICTURE), dtype=np.uint8)


def noise(rng: np.random.Generator, cells: int, channels: int = 1) -> Pixels:
    """Smooth noise from 0 to 1 with about `cells` bumps across the picture: (64, 64, channels)."""
    coarse = rng.integers(0, 256, (cells, cells, channels), dtype=np.uint8)
    image = Image.fromarray(coarse[..., 0] if channels == 1 else coarse)
    smooth = image.resize((PICTURE, PICTURE), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float32).reshape(PICTURE, PICTURE, channels) / 255.0


def grain(rng: np.random.Generator, strength: float) -> Pixels:
    """Normal noise of the given standard deviation, grey: (64, 64, 1)."""
    return rng.standard_normal((PICTURE, PICTURE, 1), dtype=np.float32) * np.float32(strength)


def _joint(width: int) -> str | None:
    return "curve" if width >= _JOINED_FROM else None
