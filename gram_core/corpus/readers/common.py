"""What readers of several forms share: names, columns, files below a folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gram_core.corpus.pictures import LARGEST_FILE
from gram_core.corpus.records import BadRecord, Original
from gram_core.errors import GramError

IMAGE_COLUMNS = (
    *("image", "file_name", "filepath", "file_path", "filename", "file", "path", "image_path"),
    *("image_name", "img", "jpg", "png", "url", "image_url"),
)
CAPTION_COLUMNS = ("caption", "captions", "text", "title", "sentence", "sentences", "txt")
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
NOT_UTF8 = "the text is not UTF-8"

Value = TypeVar("Value")


@dataclass(frozen=True)
class Wishes:
    """What a person says of a source where it cannot be guessed.

    Attributes:
        image_column, caption_column: what the columns are called.
        pictures: the folder of the pictures that a table or COCO names.
    """

    image_column: str | None = None
    caption_column: str | None = None
    pictures: Path | None = None


class Missing(BadRecord):
    """The picture's file is not there."""


def gives(value: Value) -> Callable[[], Value]:
    """A function that gives this value."""
    return lambda: value


@contextmanager
def reading(path: Path, form: str, *damage: type[Exception]) -> Iterator[None]:
    """Whatever a library raises at a damaged file becomes an error that names it."""
    try:
        yield
    except damage as error:
        reason = " ".join(str(error).split())  # some tell it in many lines
        raise GramError(
            f"{path} cannot be read as {form} ({reason}); fetch or make it anew, or leave it out"
        ) from error


def find_columns(names: Iterable[str], path: Path, wishes: Wishes) -> tuple[str, str]:
    """The columns of pictures and captions: those asked for, or else the first known name."""
    names = [name for name in names if name]
    lower = {name.strip().lower(): name for name in reversed(names)}
    found = []
    for what, asked, known in (
        ("picture", wishes.image_column, IMAGE_COLUMNS),
        ("caption", wishes.caption_column, CAPTION_COLUMNS),
    ):
        wanted = (asked,) if asked else known
        match = next((lower[name.lower()] for name in wanted if name.lower() in lower), None)
        if match is None:
            raise GramError(
                f"{path} has no {what} column: it has {', '.join(map(repr, names))}; "
                f"wanted is {' or '.join(wanted)}; rename a column or say which one it is"
            )
        found.append(match)
    return found[0], found[1]


def texts(value: object) -> tuple[str, ...]:
    """The captions in a field: one text, or a list of them."""
    if isinstance(value, list | tuple):
        return tuple(str(each) for each in value if each is not None)
    return () if value is None else (str(value),)


def decoded(data: bytes) -> str:
    """The text in these bytes. Raises BadRecord unless they are UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRecord(NOT_UTF8) from None


def picture_below(root: Path, name: str) -> Original:
    """The picture in a file of a folder, which is given without links.

    Raises:
        BadRecord: there is no such file, it is too large, or it lies elsewhere.
    """
    if not name.strip():
        raise BadRecord("no picture is named")
    try:
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise BadRecord(f"the picture lies outside {root}")
        if not path.is_file():
            raise Missing(f"the picture is not in {root}")
        status = path.stat()
        if status.st_size > LARGEST_FILE:
            raise BadRecord("the picture's file is too large")
        return Original(path.read_bytes(), str(path), 0, status.st_mtime_ns)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise BadRecord("the picture's file cannot be opened") from error


def walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Each folder below this one with the names of its files, in an order that stays the same."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        yield Path(place), sorted(names)
