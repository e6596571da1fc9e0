"""Rows of a table: pictures in them, pictures named by them, and pictures fetched from addresses.

A table of addresses (that of CC3M, the report of a downloader) names pictures that somebody has
downloaded. They are looked for in a folder; nothing is ever downloaded here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from gram_core.corpus.readers.common import (
    PICTURES,
    Missing,
    Wishes,
    find_columns,
    gives,
    picture_below,
    texts,
)
from gram_core.corpus.records import BadRecord, Original, Record

ADDRESSES = ("url", "image_url")
DIGITS = (0, 5, 7, 8, 9)  # of file names that are row numbers; 0: as many as it needs
NOT_DOWNLOADED = "the picture was not downloaded"


@dataclass(frozen=True)
class Rows:
    """What the columns of a table mean, and where its pictures lie.

    Attributes:
        image, caption: the columns of pictures and of captions.
        address, status: the columns of addresses and of what became of them, where there are such.
        root: the folder of named files, without links.
    """

    image: str
    caption: str
    address: str | None
    status: str | None
    root: Path

    @classmethod
    def of(cls, names: Sequence[str], path: Path, wishes: Wishes) -> Rows:
        """The meaning of these columns. Raises GramError if one is not there."""
        image, caption = find_columns(names, path, wishes)
        known = {name.strip().lower(): name for name in names if name}
        address = next((known[each] for each in ADDRESSES if each in known), None)
        root = (wishes.pictures or path.parent).resolve()
        return cls(image, caption, address, known.get("status"), root)

    @property
    def columns(self) -> list[str]:
        """The columns that are read."""
        found = (self.image, self.caption, self.address, self.status)
        return list(dict.fromkeys(name for name in found if name is not None))

    def record(self, row: Mapping[str, Any], number: int, place: str) -> Record:
        """The record of a row. `place` names the row where its picture has no name."""
        value = row.get(self.image)
        data = value.get("bytes") if isinstance(value, dict) else value
        name = value.get("path") if isinstance(value, dict) else value
        captions = gives(texts(row.get(self.caption)))
        if isinstance(data, bytes):
            source = name if isinstance(name, str) and name else place
            return Record(source, captions, gives(Original(data)))
        name = "" if name is None else str(name).strip()
        address = str((self.address and row.get(self.address)) or "")
        if is_address(name):
            name, address = "", name
        if not address:
            return Record(name or place, captions, partial(picture_below, self.root, name))
        state = row.get(self.status) if self.status else None
        picture = partial(self._downloaded, name, address, number, state)
        return Record(name or address, captions, picture)

    def _downloaded(self, name: str, address: str, number: int, state: object) -> Original:
        if not _went_well(state):
            raise BadRecord(NOT_DOWNLOADED)
        try:
            return picture_below(self.root, name or self._find(address, number))
        except Missing:
            raise BadRecord(NOT_DOWNLOADED) from None

    def _find(self, address: str, number: int) -> str:
        """The file of an address: called as the address ends, or by the number of the row."""
        found = [
            str(path)
            for folder in (self.root, self.root / "images")
            for path in (folder / name for name in _names(address, number))
            if _is_file(path)
        ]
        if len(found) > 1:  # better no pair than a caption with the picture of another
            raise BadRecord("several files may be the picture of the address")
        if not found:
            raise BadRecord(NOT_DOWNLOADED)
        return found[0]


def is_address(text: str) -> bool:
    """Whether it is the address of something on the web."""
    return re.match("https?://", text.strip(), re.IGNORECASE) is not None


def names_picture(text: str) -> bool:
    """Whether it looks like the address of a picture or the name of a picture's file."""
    return is_address(text) or text.strip().lower().endswith(PICTURES)


def _names(address: str, number: int) -> Iterator[str]:
    try:
        own = PurePosixPath(unquote(urlsplit(address).path)).name
    except ValueError:
        own = ""
    names = [own] if own else []
    for digits in DIGITS:
        names += [f"{number:0{digits}d}{suffix}" for suffix in PICTURES]
    yield from dict.fromkeys(names)  # a large number has no zeros before it


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # addresses end in what no file may be called
        return False


def _went_well(state: object) -> bool:
    """Whether the status of a download says so: nothing, a word, or a code of HTTP."""
    word = "" if state is None else str(state).strip().lower()
    try:
        return 200 <= float(word) < 300
    except ValueError:
        return word in ("", "success", "ok", "nan")
