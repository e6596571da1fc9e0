"""A folder of coloured squares with captions, written anew for each test that spoils it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageColor
from pyarrow import parquet

from gram_core.corpus import Corpus, IngestConfig, ingest
from gram_core.events import finish
from gram_core.workspace import Workspace

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
Encode = Callable[..., bytes]
TakeIn = Callable[..., Corpus]
Problems = Callable[..., dict[str, str]]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def take_in(workspace: Workspace) -> TakeIn:
    """A function `(source, name="squares", **options) -> Corpus` that ingests a source."""

    def taken(source: Path, name: str = "squares", **options: Any) -> Corpus:
        made = finish(ingest(source, workspace, name, IngestConfig(**options)))
        assert isinstance(made, Corpus)
        return made

    return taken


@pytest.fixture
def problems(workspace: Workspace) -> Problems:
    """A function `(name="squares") -> {source: reason}` of what was left out."""

    def listed(name: str = "squares") -> dict[str, str]:
        rows = parquet.read_table(workspace.path("corpora", name) / "problems.parquet").to_pylist()
        return {row["source"]: row["reason"] for row in rows}

    return listed


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


@pytest.fixture
def check_squares() -> Callable[[Corpus], None]:
    """A function that fails unless a corpus is the six squares, with their own captions."""

    def check(corpus: Corpus) -> None:
        assert corpus.captions == [f"a {name} square" for name in COLOURS]
        for pair, name in enumerate(COLOURS):
            found = np.asarray(corpus.image(pair))[5, 5].astype(int)
            assert np.abs(found - np.array(ImageColor.getrgb(name))).max() <= 2

    return check
