"""A world that can be looked through: six things, each in two lights, and who reads them."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gram_core.corpus import Corpus, ingest
from gram_core.events import finish
from gram_core.workspace import Workspace

THINGS = ("dog", "car", "tree", "guitar", "teapot", "castle")
LIGHTS = ("day", "night")
EACH = 40
WRONG = 24  # pairs whose caption names another thing than the picture shows
WIDTH = 48


def direction(word: str) -> np.ndarray:
    """A unit vector that belongs to a word."""
    vector = np.random.default_rng(zlib.crc32(word.encode())).normal(size=WIDTH)
    return vector / np.linalg.norm(vector)


class Reader:
    """A backbone that reads the thing and the light from a picture's colour, words from texts."""

    name = "reader"
    fingerprint = "0123456789abcdef"
    image_size = 4
    device = torch.device("cpu")

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        arrays = [np.asarray(image.resize((4, 4))) for image in images]
        return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)

    def encode_images(self, pixels: Tensor) -> Tensor:
        codes = pixels[:, :, 0, 0].numpy()
        rows = [
            direction(THINGS[red // 40])
            + 0.7 * direction(LIGHTS[green // 200])
            + 0.01 * direction(str(blue))
            for red, green, blue in codes.tolist()
        ]
        return torch.nn.functional.normalize(torch.from_numpy(np.stack(rows)).float(), dim=1)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        rows = []
        for text in texts:
            heavy = [direction(word) for word in text.split() if word in THINGS]
            rows.append(sum(heavy, 0.15 * direction(text)))
        return torch.nn.functional.normalize(torch.from_numpy(np.stack(rows)).float(), dim=1)


@pytest.fixture(scope="session")
def reader() -> Any:
    """The backbone of this world."""
    return Reader()


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("hierarchy") / "workspace")


@pytest.fixture(scope="session")
def corpus(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """264 pairs: 40 of each thing, half of them by night, then 24 wrong ones."""
    folder = tmp_path_factory.mktemp("pictures")
    rows = []
    for number in range(len(THINGS) * EACH + WRONG):
        thing, light = number % len(THINGS), number // len(THINGS) % 2
        said = thing if number < len(THINGS) * EACH else (thing + 1) % len(THINGS)
        colour = (40 * thing + 5, 220 if light else 20, number % 256)
        Image.new("RGB", (8, 8 + number // 256), colour).save(folder / f"{number}.png")
        rows.append([f"{number}.png", f"this photo shows a {THINGS[said]} number {number}"])
    with (folder / "captions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "caption"], *rows])
    made = finish(ingest(folder, workspace, "things"))
    assert isinstance(made, Corpus)
    return made
