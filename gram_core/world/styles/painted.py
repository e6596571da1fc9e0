"""Styles made of areas of colour: cartoon, watercolor, silhouette, glass."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from gram_core.world.colours import COLOURS
from gram_core.world.primitives import RGB, Role
from gram_core.world.styles.layout import (
    CANVAS,
    PICTURE,
    Layout,
    Picture,
    as_picture,
    backdrop,
    between,
    coverage,
    fill,
    finished,
    grey_sheet,
    jittered,
    luminance,
    mix,
    noise,
    one_of,
    scaled,
    sheet,
    shrunk,
)
from gram_core.world.styles.registry import style

INK: RGB = (20, 20, 24)
PALE_INK: RGB = (226, 224, 214)
WATERCOLOR_PAPER: RGB = (246, 240, 226)
DUSK_TOP = ("orange", "red", "purple", "pink", "blue", "teal")
DUSK_BOTTOM = ("yellow", "orange", "pink", "white")
SHADOW: RGB = (14, 12, 18)
SHADOW_SHADES: dict[Role, int] = {
    "main": 88,
    "second": 100,
    "accent": 150,
    "dark": 76,
    "light": 158,
}
"""How a silhouette's setting darkens or lightens the dusk behind it, in 128ths."""
LEAD: RGB = (20, 18, 22)
PANES = 14
GLASS_COLOURS = ("red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown")

_ROWS = np.linspace(0, 1, PICTURE, dtype=np.float32)[:, None, None]
_GRID_Y, _GRID_X = np.mgrid[0:PICTURE, 0:PICTURE].astype(np.float32) + 0.5


@style("cartoon")
def cartoon(layout: Layout, rng: np.random.Generator) -> Picture:
    """Flat bright colours with ink outlines; the setting pale and without outlines."""
    haze = (238, 236, 232) if luminance(layout.sky) > 90 else (78, 80, 108)
    image = backdrop(layout, lambda colour: mix(colour, haze, 0.34))
    return finished(fill(image, layout.objects, layout.palette.__getitem__, outline_for(layout)))


@style("watercolor", wobble=1.2)
def watercolor(layout: Layout, rng: np.random.Generator) -> Picture:
    """Uneven washes with darker rims on textured paper; the setting a thin wash."""
    paper = np.array(WATERCOLOR_PAPER, np.float32) - 10 * noise(rng, 40)
    blur = ImageFilter.GaussianBlur(between(rng, 1.0, 1.8))
    cover = coverage(layout.objects, lambda small: small.filter(ImageFilter.GaussianBlur(1.2)))
    if not layout.plain:
        view = backdrop(layout, lambda colour: colour).reduce(2)
        wash = np.asarray(view.filter(ImageFilter.GaussianBlur(0.7)), np.float32)
        paper = paper + (wash - paper) * (0.22 + 0.3 * noise(rng, 5)) * (1 - 0.85 * cover)
    paint = fill(sheet(WATERCOLOR_PAPER), layout.objects, layout.palette.__getitem__).reduce(2)
    colour = np.asarray(paint.filter(blur), np.float32)
    pixels = paper + (colour - paper) * np.clip(cover * (0.5 + 0.5 * noise(rng, 9)), 0, 1)
    rim = 4 * cover * (1 - cover)
    return as_picture(pixels * (1 - 0.26 * rim))


@style("silhouette")
def silhouette(layout: Layout, rng: np.random.Generator) -> Picture:
    """Near-black shapes before a glowing sky; the setting a shade of that sky."""
    top = np.array(COLOURS[one_of(rng, DUSK_TOP)], np.float32)
    bottom = np.array(COLOURS[one_of(rng, DUSK_BOTTOM)], np.float32)
    dusk = top * (1 - _ROWS) + bottom * _ROWS
    dark = grey_sheet()
    if layout.plain:
        pixels = np.broadcast_to(dusk, (PICTURE, PICTURE, 3))
        if rng.random() < 0.5:
            ground = max(layout.horizon, layout.foot - 2)
            ImageDraw.Draw(dark).rectangle((0, ground, CANVAS, CANVAS), fill=255)
    else:
        shade = grey_sheet(128)
        ImageDraw.Draw(shade).rectangle((0, layout.horizon, CANVAS, CANVAS), fill=112)
        fill(shade, layout.setting, SHADOW_SHADES.__getitem__)
        pixels = dusk * (shrunk(shade)[..., None] / 128.0)
    fill(dark, layout.objects, lambda role: 110 if role == "light" else 255)
    cover = shrunk(dark)[..., None] / 255.0
    return as_picture(pixels + (np.array(SHADOW, np.float32) - pixels) * cover)


@style("glass")
def glass(layout: Layout, rng: np.random.Generator) -> Picture:
    """A leaded window: bright panes with thick lead; the setting in thin lead on muted panes."""
    seeds = rng.random((PANES, 2), dtype=np.float32) * PICTURE
    distances = np.sqrt(
        (_GRID_X[..., None] - seeds[:, 0]) ** 2 + (_GRID_Y[..., None] - seeds[:, 1]) ** 2
    )
    nearest = distances.argmin(-1)
    closest = np.partition(distances, 1, axis=-1)
    seam = (closest[..., 1] - closest[..., 0]) < 1.5
    tints = np.array(
        [jittered(rng, COLOURS[one_of(rng, GLASS_COLOURS)]) for _ in range(PANES)], np.float32
    )
    panes = (tints * 0.75 + 40)[nearest]
    if not layout.plain:
        view = shrunk(backdrop(layout, lambda colour: scaled(colour, 0.8), LEAD))
        panes = view * (0.62 + 0.0022 * panes)
    panes[seam] = LEAD if layout.plain else panes[seam] * 0.45
    window = Image.fromarray(as_picture(panes)).resize((CANVAS, CANVAS), Image.Resampling.NEAREST)
    inks = {role: scaled(colour, 1.1, 10) for role, colour in layout.palette.items()}
    return finished(
        fill(window, layout.objects, inks.__getitem__, LEAD, 2 if layout.several else 4)
    )


def outline_for(layout: Layout) -> RGB:
    """Ink that shows on the layout's sky: dark, or pale where a dark object meets a dark sky."""
    hidden = luminance(layout.sky) < 90 and luminance(layout.palette["main"]) < 90
    return PALE_INK if hidden else INK
