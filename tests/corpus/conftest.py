"""A folder of coloured squares with captions, written anew for each test that spoils it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from gram_core.workspace import Workspace

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
Encode = Callable[..., bytes]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def encode() -> Encode:
    """A function `(colour, size=(40, 30), format="PNG", mode="RGB", **save) -> bytes`."""

    def picture(
        colour: str,
        size: tuple[int, int] = (40, 30),
        format: str = "PNG",
        mode: str = "RGB",
        **save: object,
    ) -> bytes:
        target = io.BytesIO()
        Image.new("RGB", size, colour).convert(mode).save(target, format, **save)
        return target.getvalue()

    return picture


@pytest.fixture
def squares(tmp_path: Path, encode: Encode) -> Path:
    """A folder with captions.csv (filepath, caption) and six pictures below images/."""
    folder = tmp_path / "squares"
    (folder / "images").mkdir(parents=True)
    with (folder / "captions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filepath", "caption"])
        for colour in COLOURS:
            (folder / "images" / f"{colour}.png").write_bytes(encode(colour))
            writer.writerow([f"images/{colour}.png", f"a {colour} square"])
    return folder
