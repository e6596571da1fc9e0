"""Labelled image sets: the bundled ones and anybody's folder."""

from __future__ import annotations

from pathlib import Path

from gram_core.backbones import Backbone
from gram_core.datasets.bundled import SetCard, bundled_sets, load_bundled, words_of
from gram_core.datasets.folders import find_classes, load_folder
from gram_core.datasets.labelled import POOL, TEST, LabelledSet, Problem
from gram_core.datasets.views import with_views
from gram_core.errors import GramError
from gram_core.names import spoken

__all__ = [
    "POOL",
    "TEST",
    "LabelledSet",
    "Problem",
    "SetCard",
    "bundled_sets",
    "class_names",
    "load_bundled",
    "load_folder",
    "load_set",
    "with_views",
    "words_of",
]


def load_set(name_or_path: str | Path, backbone: Backbone, test_share: float = 0.5) -> LabelledSet:
    """A bundled set by its name, or the set in a folder with one sub-folder per class.

    `test_share` of each class is held out where a folder has no test part of its own.
    Raises GramError where there is neither.
    """
    if str(name_or_path) in {card.name for card in bundled_sets()}:
        return load_bundled(str(name_or_path), backbone)
    return load_folder(_folder(name_or_path), backbone, test_share)


def class_names(name_or_path: str | Path) -> tuple[str, ...]:
    """The classes of a bundled set or a folder, without reading an image."""
    for card in bundled_sets():
        if card.name == str(name_or_path):
            return card.classes
    return tuple(spoken(name) for name in find_classes(_folder(name_or_path))[1])


def _folder(name_or_path: str | Path) -> Path:
    folder = Path(name_or_path)
    if folder.is_dir():
        return folder
    names = ", ".join(card.name for card in bundled_sets()) or "none here"
    raise GramError(
        f"{str(name_or_path)!r} is neither a bundled set ({names}) nor a folder with one "
        "sub-folder per class."
    )
