"""One pair as a source gives it, before anybody has looked whether it is any good."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn


class BadRecord(Exception):
    """A record that cannot become a pair; its text is the reason, the same for all of a sort."""


@dataclass(frozen=True)
class Original:
    """A picture as it lies at its source.

    Attributes:
        data: its encoded bytes.
        file: the file that holds them, by its whole name; empty where nothing can point at them.
        start: where in the file they begin.
        modified: when the file was last written, in nanoseconds.
    """

    data: bytes
    file: str = ""
    start: int = 0
    modified: int = 0


@dataclass(frozen=True)
class Record:
    """One picture and what is said of it. Nothing is opened before it is asked for.

    Attributes:
        source: where it came from, for the list of problems.
        captions: gives the texts, or raises BadRecord.
        picture: gives the picture, or raises BadRecord.
    """

    source: str
    captions: Callable[[], Iterable[str]]
    picture: Callable[[], Original]


@dataclass(frozen=True)
class Source:
    """The records of a source, always in the same order.

    Attributes:
        records: gives all but the first so many records, without opening what they point to.
        files: gives the files whose sizes and times tell whether the source was changed.
        total: how many records there are; 0 where that is not known beforehand.
    """

    records: Callable[[int], Iterator[Record]]
    files: Callable[[], Iterable[Path]]
    total: int = 0


def bad(source: str, reason: str) -> Record:
    """A record of which it is known already that it cannot be used."""

    def refuse() -> NoReturn:
        raise BadRecord(reason)

    return Record(source, refuse, refuse)
