"""Pictures on a sheet of their own, to be looked at where there is no screen."""

from __future__ import annotations

import io
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gram_core.errors import GramError

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
ACROSS = 6  # pictures of a grid; even, so that twins meet
SIDE, SMALL, MARGIN, LINE = 160, 64, 8, 14  # pixels: pictures of a grid and of a table, words
NAMES, GAP = 120, 24  # pixels of a table: its names, and what parts support and query


class Shown(NamedTuple):
    """An encoded picture and the line of words below it."""

    data: bytes
    words: str


def grid(pictures: Sequence[Shown]) -> Image.Image:
    """A sheet with six pictures in a row, each with its words below it."""
    rows = max(1, -(-len(pictures) // ACROSS))
    sheet, pen = _blank(ACROSS * (SIDE + MARGIN) + MARGIN, rows * (SIDE + LINE + MARGIN) + MARGIN)
    for place, (data, words) in enumerate(pictures):
        row, column = divmod(place, ACROSS)
        left, top = MARGIN + column * (SIDE + MARGIN), MARGIN + row * (SIDE + LINE + MARGIN)
        _paste(sheet, data, left, top, SIDE)
        _write(pen, words, left, top + SIDE + 1, SIDE)
    return sheet


def table(rows: Sequence[tuple[str, Sequence[bytes], Sequence[bytes]]]) -> Image.Image:
    """A sheet with a row for each class: its name, which may have several lines, the pictures of
    its support, and beside them those of its query."""
    middle = MARGIN + NAMES + max((len(support) for _, support, _ in rows), default=0) * SMALL + GAP
    width = middle + max(1, max((len(query) for _, _, query in rows), default=0)) * SMALL + MARGIN
    sheet, pen = _blank(width, MARGIN + LINE + len(rows) * SMALL + MARGIN)
    _write(pen, "support", MARGIN + NAMES, MARGIN, NAMES)
    _write(pen, "query", middle, MARGIN, NAMES)
    for row, (name, support, query) in enumerate(rows):
        top = MARGIN + LINE + row * SMALL
        for number, line in enumerate(name.splitlines()):
            _write(pen, line, MARGIN, top + number * LINE, NAMES - MARGIN)
        for left, group in ((MARGIN + NAMES, support), (middle, query)):
            for place, data in enumerate(group):
                _paste(sheet, data, left + place * SMALL, top, SMALL - 2)
    return sheet


def check_suffix(path: Path | None) -> None:
    """Raises GramError unless a sheet can be written under this name, if one is given."""
    if path and path.suffix.lower() not in SUFFIXES:
        raise GramError(f"a sheet is a {', '.join(SUFFIXES)} file, not {path.name!r}")


def save(sheet: Image.Image, path: Path) -> None:
    """Writes a sheet in the form that the path's suffix names."""
    check_suffix(path)
    draft = path.with_name(f".{secrets.token_hex(4)}{path.suffix}")
    sheet.save(draft)
    draft.replace(path)


def _blank(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    from PIL import Image, ImageDraw

    sheet = Image.new("RGB", (width, height), "white")
    return sheet, ImageDraw.Draw(sheet)


def _paste(sheet: Image.Image, data: bytes, left: int, top: int, side: int) -> None:
    from PIL import ImageOps

    from gram_core.pictures import opened, plain

    with opened(io.BytesIO(data)) as picture:
        sheet.paste(ImageOps.contain(plain(picture), (side, side)), (left, top))


def _write(pen: ImageDraw.ImageDraw, words: str, left: int, top: int, width: int) -> None:
    """One line of words, cut where its place ends."""
    line = " ".join(words[:width].split())
    while pen.textlength(line) > width:
        line = line[:-1]
    pen.text((left, top), line, fill="black")
