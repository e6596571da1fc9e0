"""CSV, TSV and lines of JSON, read line by line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TextIO

from gram_core.corpus.readers.common import (
    CAPTION_COLUMNS,
    IMAGE_COLUMNS,
    Wishes,
    gives,
)
from gram_core.corpus.readers.rows import Rows, names_picture
from gram_core.corpus.records import Record, Source, bad
from gram_core.errors import GramError

TABLES = (".csv", ".tsv", ".jsonl")
MARKS = ",;\t|"
GUESSED_FROM = 100  # lines of JSON, which need not all have the same fields

Row = dict[str, Any] | str  # the fields of a row, or why it cannot be used


def table_source(path: Path, wishes: Wishes) -> Source:
    """The rows of a CSV, TSV or JSONL table; a line that is none is a bad record.

    Raises:
        GramError: the table has no rows, is UTF-16, or lacks a column.
    """
    with path.open("rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise GramError(f"{path} is UTF-16 text; save it as UTF-8")
    table = _Json(path, wishes) if path.suffix.lower() == ".jsonl" else _Csv(path, wishes)

    def records(skip: int) -> Iterator[Record]:
        with _opened(path) as file:
            for number, (line, row) in islice(enumerate(table.rows(file)), skip, None):
                place = f"{path.name} line {line}"
                if isinstance(row, str):
                    yield bad(place, row)
                else:
                    yield table.meaning.record(row, number, place)

    # an end of line within quotes counts too: the total is then a little too large
    return Source(records, gives([path]), max(1, _lines(path) - table.head))


class _Json:
    """A table whose lines are JSON objects."""

    head = 0

    def __init__(self, path: Path, wishes: Wishes) -> None:
        with _opened(path) as file:
            first = [row for _, row in islice(self.rows(file), GUESSED_FROM)]
        names = dict.fromkeys(name for row in first if isinstance(row, dict) for name in row)
        if not names:
            raise GramError(
                f"{path} cannot be read as a table: each line must be a JSON object with its "
                "columns, and none of the first ones is"
            )
        self.meaning = Rows.of(list(names), path, wishes)

    def rows(self, file: TextIO) -> Iterator[tuple[int, Row]]:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            yield number, row if isinstance(row, dict) else "the line is no JSON object"


class _Csv:
    """A table whose first line names its columns, or one without names, as CC3M's is."""

    def __init__(self, path: Path, wishes: Wishes) -> None:
        with _opened(path) as file:
            first = file.readline()
        tabs = path.suffix.lower() == ".tsv" and "\t" in first
        self.mark = "\t" if tabs else max(MARKS, key=first.count)
        # without a head nobody has put quotes around fields, and captions are full of them
        self.quoting: Literal[0, 3] = csv.QUOTE_MINIMAL
        self.names = next(csv.reader([first], delimiter=self.mark), [])
        self.head = 1
        if not wishes.image_column and (unnamed := _unnamed(self.names)):
            self.names, self.head, self.quoting = unnamed, 0, csv.QUOTE_NONE
        with _opened(path) as file:
            if next(self.rows(file), None) is None:
                raise GramError(
                    f"{path} has no rows; it needs a line of column names and one for a pair"
                )
        self.meaning = Rows.of(self.names, path, wishes)

    def rows(self, file: TextIO) -> Iterator[tuple[int, Row]]:
        reader = csv.reader(file, delimiter=self.mark, quoting=self.quoting)
        if self.head:
            next(reader, None)
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield reader.line_num, "the row cannot be read"
                continue
            if any(fields[len(self.names) :]):  # a comma in a caption without quotes
                yield reader.line_num, "the row has more fields than there are columns"
            elif fields:
                yield reader.line_num, dict(zip(self.names, fields, strict=False))


def _unnamed(fields: list[str]) -> list[str]:
    """Names for the columns of a table that gives none; empty where the fields are names."""
    known = {*IMAGE_COLUMNS, *CAPTION_COLUMNS}
    if any(field.strip().lower() in known for field in fields):
        return []
    picture = next((place for place, text in enumerate(fields) if names_picture(text)), None)
    if picture is None or len(fields) < 2:
        return []
    names = [f"column {number}" for number in range(1, len(fields) + 1)]
    names[picture], names[1 if picture == 0 else 0] = "image", "caption"
    return names


def _opened(path: Path) -> TextIO:
    # bytes that are no UTF-8 are kept as what no text may hold: only their own row is refused
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def _lines(path: Path) -> int:
    """How many lines a file has, the last of which need not be ended."""
    number, last = 0, b"\n"
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            number, last = number + part.count(b"\n"), part[-1:]
    return number + (last != b"\n")
