"""Styles made by light and a lens: photo, fog, infrared, nightvision."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from gram_core.world.colours import COLOUR_NAMES, COLOURS
from gram_core.world.primitives import Role
from gram_core.world.styles.layout import (
    CANVAS,
    PICTURE,
    Layout,
    Picture,
    as_picture,
    backdrop,
    between,
    fill,
    grain,
    grey_sheet,
    jittered,
    luminance,
    mask,
    mix,
    noise,
    one_of,
    sheet,
    shrunk,
)
from gram_core.world.styles.registry import style

WARM_ROLES: tuple[Role, ...] = ("main", "second", "accent")
SETTING_WARMTH: dict[Role, int] = {"main": 42, "second": 28, "accent": 60, "dark": -20, "light": 52}
"""How much warmer than the air an infrared camera shows each part of a setting."""
CLEAR_OF_AIR = 70
"""How far an object's level stays from that of the air in night vision."""

_CENTRED_Y, _CENTRED_X = np.mgrid[0:PICTURE, 0:PICTURE].astype(np.float32) / PICTURE - 0.5
_VIGNETTE = 1 - 1.1 * (_CENTRED_X**2 + _CENTRED_Y**2)


@style("photo")
def photo(layout: Layout, rng: np.random.Generator) -> Picture:
    """A lit, textured object with a shadow, grain and clutter; the setting out of focus."""
    view = backdrop(layout, lambda colour: colour)
    if layout.plain:
        _clutter(view, rng)
    blur = ImageFilter.GaussianBlur(between(rng, 0.3, 0.9))
    behind = np.asarray(view.reduce(2).filter(blur), np.float32)
    weave = noise(rng, one_of(rng, (6, 12, 24, 40)), 3)
    depth = 1.0 if layout.plain else 0.45
    behind = behind * (1 - 0.4 * depth + 0.5 * depth * weave) + 30 * depth * (noise(rng, 4) - 0.5)
    body = mask(layout.objects).reduce(2)
    way = one_of(rng, (-1, 1))
    fallen = ImageChops.offset(body, way * int(between(rng, 2, 5)), int(between(rng, 2, 5)))
    shadow = np.asarray(fallen.filter(ImageFilter.GaussianBlur(2)), np.float32)[..., None] / 255.0
    behind *= 1 - 0.5 * shadow
    paint = shrunk(fill(sheet(layout.palette["main"]), layout.objects, layout.palette.__getitem__))
    angle = between(rng, 0.0, 2 * math.pi)
    light = 1 + _CENTRED_X * math.cos(angle) + _CENTRED_Y * math.sin(angle)
    front = paint * light[..., None] * (0.8 + 0.35 * noise(rng, 16))
    cover = np.asarray(body.filter(ImageFilter.GaussianBlur(0.4)), np.float32)[..., None] / 255.0
    pixels = behind + (front - behind) * cover + grain(rng, between(rng, 3, 11))
    return as_picture((pixels - 128) * between(rng, 0.7, 1.1) + between(rng, 100, 140))


@style("fog")
def fog(layout: Layout, rng: np.random.Generator) -> Picture:
    """Almost no contrast behind a drifting veil; the setting paler still."""
    view = fill(
        backdrop(layout, lambda colour: mix(colour, (140, 140, 140), 0.2)),
        layout.objects,
        layout.palette.__getitem__,
    )
    blur = ImageFilter.GaussianBlur(between(rng, 0.7, 1.4))
    pixels = np.asarray(view.reduce(2).filter(blur), np.float32)
    veil = between(rng, 150, 215) + 14 * (noise(rng, 5) - 0.5)
    return as_picture((pixels - 128) * between(rng, 0.18, 0.32) + veil + grain(rng, 1.5))


@style("infrared")
def infrared(layout: Layout, rng: np.random.Generator) -> Picture:
    """Heat in purple to yellow: warm objects; the setting a little warmer than the cold air."""
    air = int(between(rng, 28, 84))
    view = grey_sheet(air)
    if not layout.plain:
        ImageDraw.Draw(view).rectangle((0, layout.horizon, CANVAS, CANVAS), fill=air + 12)
        fill(view, layout.setting, lambda role: air + SETTING_WARMTH[role])
    warmth = {
        role: int(between(rng, 140, 250) if role in WARM_ROLES else between(rng, 100, 200))
        for role in layout.palette
    }
    fill(view, layout.objects, warmth.__getitem__)
    blur = ImageFilter.GaussianBlur(between(rng, 0.6, 1.2))
    heat = np.asarray(view.reduce(2).filter(blur), np.float32)
    heat += 18 * (noise(rng, 6)[..., 0] - 0.5)
    colours: Picture = _HEAT_COLOURS[as_picture(heat)]
    return colours


@style("nightvision")
def nightvision(layout: Layout, rng: np.random.Generator) -> Picture:
    """Noisy green light with scan lines: objects bright or dark, the setting between them."""
    air = int(between(rng, 70, 115))
    dim = air - 0.6 * luminance(layout.sky)
    tone = {
        role: int(min(air + 65, dim + 0.6 * luminance(colour)))
        for role, colour in layout.scenery.items()
    }
    view = grey_sheet(air)
    if not layout.plain:
        ground = int(dim + 0.6 * luminance(layout.ground))
        ImageDraw.Draw(view).rectangle((0, layout.horizon, CANVAS, CANVAS), fill=ground)
        fill(view, layout.setting, tone.__getitem__)
    levels = {role: luminance(colour) for role, colour in layout.palette.items()}
    if abs(levels["main"] - air) < CLEAR_OF_AIR:
        levels["main"] = air + CLEAR_OF_AIR
    fill(view, layout.objects, levels.__getitem__, one_of(rng, (10, None)))
    pixels = np.asarray(view.reduce(2).filter(ImageFilter.GaussianBlur(0.5)), np.float32)
    pixels = pixels * 0.85 * _VIGNETTE + grain(rng, 12)[..., 0] + 18
    pixels[::2] *= 0.85
    pixels = np.clip(pixels, 0, 255)
    return as_picture(np.stack([pixels * 0.25, pixels, pixels * 0.3], axis=-1))


def _clutter(view: Image.Image, rng: np.random.Generator) -> None:
    """Adds up to four coloured discs and triangles to a view."""
    draw = ImageDraw.Draw(view)
    for _ in range(int(rng.integers(0, 5))):
        x, y = rng.uniform(0, CANVAS, 2).tolist()
        radius = between(rng, 3, 14)
        colour = jittered(rng, COLOURS[one_of(rng, COLOUR_NAMES)])
        if rng.random() < 0.5:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        else:
            corners = (x - radius, y + radius, x + radius, y + radius, x, y - radius)
            draw.polygon(corners, fill=colour)


def _heat_colours() -> Picture:
    """The colour of each of 256 temperatures, from blue-black over purple to yellow: (256, 3)."""
    heat = np.linspace(0, 1, 256)
    red = 1.6 * heat - 0.1
    green = 2.2 * heat - 1.1
    blue = np.where(heat < 0.4, 2.0 * heat + 0.1, 1.3 - 2.2 * (heat - 0.2))
    return as_picture(255 * np.clip(np.stack([red, green, blue], axis=-1), 0, 1))


_HEAT_COLOURS = _heat_colours()
