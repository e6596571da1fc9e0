"""Styles made of lines: sketch, neon, blueprint, chalk."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from gram_core.world.primitives import RGB, Role
from gram_core.world.styles.layout import (
    CANVAS,
    PICTURE,
    Layout,
    Picture,
    as_picture,
    between,
    finished,
    grey_sheet,
    jittered,
    mask,
    mix,
    noise,
    one_of,
    scaled,
    sheet,
    shrunk,
    trace,
)
from gram_core.world.styles.registry import style

BLUEPRINT_PAPER: RGB = (30, 70, 150)
BLUEPRINT_GRID: RGB = (64, 104, 180)
BLUEPRINT_SETTING: RGB = (112, 150, 214)
BLUEPRINT_LINE: RGB = (228, 236, 250)
BLACKBOARDS: tuple[RGB, ...] = ((38, 66, 52), (44, 46, 50), (30, 52, 60))
CHALKS: tuple[RGB, ...] = ((236, 236, 228), (240, 226, 150), (250, 190, 200))


@style("sketch", wobble=1.6)
def sketch(layout: Layout, rng: np.random.Generator) -> Picture:
    """Shaky pencil lines with hatching on grey paper; the setting in single pale lines."""
    paper = int(between(rng, 205, 250))
    image = grey_sheet(paper)
    faint = paper - int(between(rng, 58, 80))
    trace(image, layout.setting, lambda role: faint, 1, shake=0.7, rng=rng)
    hatching = grey_sheet(paper)
    draw = ImageDraw.Draw(hatching)
    spacing = int(between(rng, 5, 9))
    shade = int(between(rng, 120, 185))
    lean = one_of(rng, (-0.6, 0.6)) * CANVAS
    for start in range(-CANVAS, 2 * CANVAS, spacing):
        draw.line((start, 0, start + lean, CANVAS), fill=shade, width=1)
    image.paste(hatching, mask=mask(layout.objects))
    pencil = int(between(rng, 30, 90))
    pen = 1 if layout.several else one_of(rng, (1, 2, 2))
    shake = 0.8 if layout.several else 1.2
    trace(image, layout.objects, lambda role: pencil, pen, repeats=2, shake=shake, rng=rng)
    return finished(image.convert("RGB"))


@style("neon")
def neon(layout: Layout, rng: np.random.Generator) -> Picture:
    """Bright glowing tubes on a near-black wall; the setting in dim tubes that do not glow."""
    red, green, blue = rng.integers(0, 28, 3).tolist()
    wall = (red, green, blue)
    image = sheet(wall)
    dim = {role: mix(wall, _bright(colour), 0.36) for role, colour in layout.scenery.items()}
    trace(image, layout.setting, lambda role: dim[role], 1)
    image.paste(wall, mask=mask(layout.objects))
    inks: dict[Role, RGB] = {role: _bright(colour) for role, colour in layout.palette.items()}
    inks["dark"] = inks["second"]
    pen = 2 if layout.several else 3
    tubes = trace(sheet((0, 0, 0)), layout.objects, lambda role: inks[role], pen).reduce(2)
    glow = tubes.filter(ImageFilter.GaussianBlur(between(rng, 2.0, 3.5)))
    lit = ImageChops.add(image.reduce(2), glow.point(_DOUBLED * 3))
    return np.asarray(ImageChops.add(lit, tubes), dtype=np.uint8)


@style("blueprint")
def blueprint(layout: Layout, rng: np.random.Generator) -> Picture:
    """White lines on blue squared paper; the setting in pale blue lines."""
    paper = jittered(rng, BLUEPRINT_PAPER)
    image = sheet(paper)
    draw = ImageDraw.Draw(image)
    spacing = int(between(rng, 12, 22))
    for place in range(int(between(rng, 0, spacing)), CANVAS, spacing):
        draw.line((place, 0, place, CANVAS), fill=BLUEPRINT_GRID)
        draw.line((0, place, CANVAS, place), fill=BLUEPRINT_GRID)
    trace(image, layout.setting, lambda role: BLUEPRINT_SETTING, 1)
    image.paste(paper, mask=mask(layout.objects))
    trace(image, layout.objects, lambda role: BLUEPRINT_LINE, one_of(rng, (1, 2, 2)))
    if rng.random() < 0.5:
        left, right = _extent(layout)
        foot = layout.foot + 3
        ImageDraw.Draw(image).line((left, foot, right, foot), fill=(200, 216, 240))
    return finished(image)


@style("chalk", wobble=1.4)
def chalk(layout: Layout, rng: np.random.Generator) -> Picture:
    """Crumbling chalk lines on a smudged blackboard; the setting in thin faint chalk."""
    board = np.array(one_of(rng, BLACKBOARDS), np.float32) + 22 * (noise(rng, 8) - 0.5)
    lines = grey_sheet()
    faint = int(between(rng, 80, 112))
    trace(lines, layout.setting, lambda role: faint, 1, shake=0.5, rng=rng)
    body = mask(layout.objects)
    lines.paste(0, mask=body)
    pen, shake = (2, 0.5) if layout.several else (3, 0.8)
    trace(lines, layout.objects, lambda role: 255, pen, shake=shake, rng=rng)
    crumbs = rng.random((CANVAS, CANVAS), dtype=np.float32) < between(rng, 0.55, 0.8)
    crumbled = Image.fromarray(np.where(crumbs, np.asarray(lines), np.uint8(0)))
    smudge = shrunk(body) * (rng.random((PICTURE, PICTURE), dtype=np.float32) < 0.6)
    cover = np.clip((shrunk(crumbled) * 0.95 + smudge * 0.12) / 255.0, 0, 1)[..., None]
    stick = np.array(one_of(rng, CHALKS), np.float32)
    return as_picture(board + (stick - board) * cover)


def _bright(colour: RGB) -> RGB:
    """The colour at full strength."""
    return scaled(colour, 250 / max(1, *colour))


def _extent(layout: Layout) -> tuple[float, float]:
    """The leftmost and rightmost x of the objects."""
    edges = [x for mark in layout.objects for x in mark.points[::2]]
    return min(edges), max(edges)


_DOUBLED = [min(255, 2 * level) for level in range(256)]
