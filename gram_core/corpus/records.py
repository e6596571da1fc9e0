"""One pair as a source gives it, before anybody has looked whether it is any good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


class BadRecord(Exception):
    """A record that cannot become a pair; its text is the reason, the same for all of a sort."""


@dataclass(frozen=True)
class Record:
    """One picture and what is said of it.

    Attributes:
        source: where it came from, for the list of problems.
        caption: the text; None where there is none.
        read: gives the picture's bytes, or raises BadRecord.
    """

    source: str
    caption: str | None
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Source:
    """The records of a source, and how many there are (0: unknown)."""

    records: Iterator[Record]
    total: int = 0
