"""Labelled sets from a folder with one sub-folder per class."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gram_core.backbones import Backbone
from gram_core.datasets.labelled import POOL, TEST, LabelledSet, Problem
from gram_core.errors import GramError
from gram_core.names import compared, spoken
from gram_core.prompts import ImageBank, open_image

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm"}
)
TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "val", "valid", "validation")
CHUNK = 64


def load_folder(folder: Path, backbone: Backbone, test_share: float = 0.5) -> LabelledSet:
    """The set of a folder whose sub-folders are its classes, or whose `train/` and `test/` are so.

    Without a test folder, `test_share` of each class is held out, the same images every time; a
    class keeps at least one image to learn from. Class names are the folders' with underscores
    as spaces, in alphabetical order. Unreadable images are left out and listed in `problems`.

    Raises GramError for fewer than two classes, a class without images, and two classes of one
    name (upper and lower case are not told apart: they would be the same text).
    """
    if not 0 <= test_share < 1:
        raise GramError(f"The share held out for testing is {test_share}; choose 0 <= share < 1.")
    levels, names = find_classes(folder)
    folders = {split: _class_folders(level) for split, level in levels.items()}
    problems: list[Problem] = []
    pixels: list[torch.Tensor] = []
    labels: list[int] = []
    splits: list[str] = []
    for split, found in folders.items():
        for label, name in enumerate(names):
            paths = _images(found[name]) if name in found else []
            before = len(labels)
            for chunk in _readable(paths, problems):
                pixels.append(backbone.pixels(chunk))
                labels += [label] * len(chunk)
                splits += [split] * len(chunk)
            if len(labels) == before:
                _explain_empty(levels[split], name, len(paths), split, problems)
    marks = np.array(splits)
    if TEST not in levels:
        marks = _hold_out(np.array(labels), len(names), test_share)
    return LabelledSet(
        name=folder.resolve().name,
        classes=tuple(spoken(name) for name in names),
        bank=ImageBank.of(backbone, torch.cat(pixels)),
        labels=np.array(labels, dtype=np.int64),
        domains=np.zeros(len(labels), dtype=np.int64),
        splits=marks,
        title=folder.resolve().name,
        problems=tuple(problems),
    )


def find_classes(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """The folder that holds the classes of each split, and the classes' folder names in order.

    Raises GramError for fewer than two classes, and for two of one name.
    """
    levels = _levels(folder)
    names = sorted(
        {name for level in levels.values() for name in _class_folders(level)}, key=compared
    )
    if len(names) < 2:
        raise GramError(
            f"{folder} has {len(names)} class folder(s); a classifier needs two or more: put the "
            "images of each class into a sub-folder of its own."
        )
    for one, other in pairwise(names):
        if compared(one) == compared(other):
            raise GramError(
                f"{folder} has two classes of one name, {one!r} and {other!r}; "
                "rename or merge them."
            )
    return levels, names


def _levels(folder: Path) -> dict[str, Path]:
    """Where the classes of each split are: one level for both where there is no test folder.

    A folder called `train` that holds images itself is a class (of railway pictures, say).
    """
    children = {path.name.casefold(): path for path in _folders(folder)}
    train = next((children[name] for name in TRAIN_NAMES if name in children), None)
    test = next((children[name] for name in TEST_NAMES if name in children), None)
    if train is None or not _folders(train):
        return {POOL: folder}
    return {POOL: train, TEST: test} if test is not None and _folders(test) else {POOL: train}


def _folders(folder: Path) -> list[Path]:
    """Sub-folders in order, without those that systems leave behind (`.git`, `__MACOSX`)."""
    return sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))
    )


def _class_folders(level: Path) -> dict[str, Path]:
    return {path.name: path for path in _folders(level)}


def _images(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.casefold() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )


def _readable(paths: list[Path], problems: list[Problem]) -> Iterator[list[Image.Image]]:
    """The images in chunks, so that a large folder is never in memory whole."""
    chunk: list[Image.Image] = []
    for path in paths:
        try:
            chunk.append(open_image(path))
        except GramError as error:
            problems.append(Problem(str(path), str(error)))
            continue
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _explain_empty(level: Path, name: str, found: int, split: str, problems: list[Problem]) -> None:
    what = f"none of its {found} images can be read" if found else "it holds no images"
    if split == POOL:
        raise GramError(
            f"The class {name!r} in {level} cannot be used: {what}. Add some, or remove the folder."
        )
    problems.append(Problem(str(level / name), f"the class is not tested: {what}"))


def _hold_out(labels: np.ndarray, classes: int, share: float) -> np.ndarray:
    """The words "pool" and "test" (n,): `share` of each class for testing, never all of it."""
    marks = np.full(len(labels), POOL)
    generator = np.random.default_rng(0)
    for label in range(classes):
        rows = generator.permutation(np.flatnonzero(labels == label))
        marks[rows[: min(round(share * len(rows)), len(rows) - 1)]] = TEST
    return marks
