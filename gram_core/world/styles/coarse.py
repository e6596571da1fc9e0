"""Styles that have few pixels or few inks: pixel, halftone."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageFilter

from gram_core.world.primitives import RGB
from gram_core.world.styles.layout import (
    PICTURE,
    Layout,
    Picture,
    as_picture,
    backdrop,
    between,
    fill,
    grey_sheet,
    luminance,
    mask,
    mix,
    one_of,
    shrunk,
    trace,
)
from gram_core.world.styles.painted import outline_for
from gram_core.world.styles.registry import style

PIXEL_HAZE: RGB = (222, 222, 222)
LEVEL = 48
PRESS_PAPER: RGB = (250, 246, 232)
PRESS_INKS: tuple[RGB, ...] = ((20, 20, 30), (150, 20, 40), (20, 40, 120))

_POSTERISED = [min(255, level // LEVEL * LEVEL + LEVEL // 2) for level in range(256)]
_GRID_Y, _GRID_X = np.mgrid[0:PICTURE, 0:PICTURE].astype(np.float32) * 2


@style("pixel")
def pixel(layout: Layout, rng: np.random.Generator) -> Picture:
    """Big square pixels of few colours; the setting pale and without outlines."""
    haze = PIXEL_HAZE if luminance(layout.sky) > 90 else (70, 72, 100)
    image = backdrop(layout, lambda colour: mix(colour, haze, 0.25))
    fill(image, layout.objects, layout.palette.__getitem__, outline_for(layout))
    cells = one_of(rng, (24, 28) if layout.several else (18, 20, 22, 26))
    small = image.resize((cells, cells), Image.Resampling.BOX).point(_POSTERISED * 3)
    return np.asarray(small.resize((PICTURE, PICTURE), Image.Resampling.NEAREST), dtype=np.uint8)


@style("halftone")
def halftone(layout: Layout, rng: np.random.Generator) -> Picture:
    """Dots of one ink on cream paper; the setting in small dots and thin light lines of the ink."""
    paper = int(between(rng, 215, 250))
    tone = grey_sheet(paper)
    levels = {role: luminance(colour) // 2 + 20 for role, colour in layout.palette.items()}
    levels["light"] += 80
    fill(tone, layout.objects, levels.__getitem__)
    period = between(rng, 5.0, 7.5)
    angle = between(rng, 0.3, 1.2)
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = 2 * math.pi / period
    across = np.cos((_GRID_X * cosine + _GRID_Y * sine) * turn)
    along = np.cos((_GRID_Y * cosine - _GRID_X * sine) * turn)
    screen = 0.5 + 0.25 * (across + along)
    soft = tone.reduce(2).filter(ImageFilter.GaussianBlur(0.5))
    level = np.asarray(soft, np.float32) / 255.0
    dots = 1 / (1 + np.exp(14 * (level - screen)))
    if not layout.plain:
        lines = trace(grey_sheet(), layout.setting, lambda role: 255, 1)
        lines.paste(0, mask=mask(layout.objects))
        dots = np.maximum(dots, shrunk(lines) / 255.0 * 0.7)
    ink = np.array(one_of(rng, PRESS_INKS), np.float32)
    blank = np.array(PRESS_PAPER, np.float32)
    return as_picture(blank + (ink - blank) * dots[..., None])
