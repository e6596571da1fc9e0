"""Sheets of pictures: each picture where it belongs."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from gram_core import sheets
from gram_core.errors import GramError

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def encoded(colour: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (40, 40), COLOURS[colour]).save(target, "PNG")
    return target.getvalue()


def places(sheet: Image.Image, colour: str) -> list[tuple[int, int]]:
    """The pixels of a colour."""
    return [
        (x, y)
        for x in range(sheet.width)
        for y in range(sheet.height)
        if sheet.getpixel((x, y)) == COLOURS[colour]
    ]


def test_a_table_has_support_left_of_query_and_a_row_for_each_class() -> None:
    red, green, blue = map(encoded, COLOURS)
    sheet = sheets.table([("dog\ndomain 1", [red], [green]), ("cat\nunseen", [], [blue])])
    right = max(x for x, _ in places(sheet, "red"))
    assert right < min(x for x, _ in places(sheet, "green"))
    assert min(x for x, _ in places(sheet, "green")) == min(x for x, _ in places(sheet, "blue"))
    assert max(y for _, y in places(sheet, "red")) < min(y for _, y in places(sheet, "blue"))


def test_a_grid_begins_a_new_row_after_six() -> None:
    pictures = [sheets.Shown(encoded("red"), "long words " * 9)] * 6
    sheet = sheets.grid([*pictures, sheets.Shown(encoded("blue"), "")])
    below = min(y for _, y in places(sheet, "blue"))
    assert below > max(y for _, y in places(sheet, "red"))
    assert sheets.grid([]).height < sheets.grid(pictures).height + 1


def test_only_what_can_be_written_is_taken(tmp_path: Path) -> None:
    sheets.check_suffix(None)
    sheets.check_suffix(Path("a.PNG"))
    with pytest.raises(GramError, match=r"not 'a\.gif'"):
        sheets.check_suffix(Path("a.gif"))
    sheets.save(sheets.grid([]), tmp_path / "a.webp")
    assert [path.name for path in tmp_path.iterdir()] == ["a.webp"]
