"""From what people have to a corpus: every pair checked, every refusal written down."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from gram_core.corpus.corpus import BUNDLED_NAME, content_fingerprint, open_corpus
from gram_core.corpus.pictures import prepare_picture
from gram_core.corpus.readers import open_source
from gram_core.corpus.records import BadRecord, Record
from gram_core.errors import GramError
from gram_core.events import Event
from gram_core.threads import threads
from gram_core.workspace import Workspace, check_id

BATCH = 256  # pairs of a row group: to show one picture, its row group is read


def ingest(
    source: Path | str,
    workspace: Workspace,
    name: str,
    image_column: str | None = None,
    caption_column: str | None = None,
    limit: int | None = None,
) -> Iterator[Event]:
    """A new corpus in the workspace, made of the good pairs of a source; yields progress.

    What cannot be used (a missing, unreadable, huge or repeated picture, an empty text) is skipped
    and listed in problems.parquet with its reason; nothing is written until all was read.

    Args:
        source: a table, a folder, Parquet, WebDataset shards or COCO captions.
        image_column, caption_column: what the columns are called, where that cannot be guessed.
        limit: stop after so many good pairs.

    Raises:
        GramError: the name is taken, the source has no known form or is damaged, columns are
            missing, or no pair is good.
    """
    if check_id(name) == BUNDLED_NAME:
        raise GramError(f"the name {name!r} belongs to the bundled corpus; choose another")
    if workspace.exists("corpora", name):
        raise GramError(f"there is already a corpus {name!r}; choose another name, or delete it")
    if limit is not None and limit < 1:
        raise GramError(f"limit is at least 1, not {limit}")
    found = open_source(Path(source), image_column, caption_column)
    about: dict[str, Any] = {"source": str(source)}
    problems: list[dict[str, Any]] = []
    with workspace.create("corpora", name, about) as folder:
        pairs = 0
        with PairWriter(folder / "pairs.parquet") as writer, ThreadPoolExecutor(threads()) as pool:
            first = 0
            for batch in _batches(found.records, BATCH):
                kept = pool.map(_prepare, batch)
                for row, (record, outcome) in enumerate(zip(batch, kept, strict=True), first):
                    if limit is not None and writer.pairs >= limit:
                        break
                    if problem := writer.add(record, outcome):
                        problems.append({"row": row, "source": record.source, "reason": problem})
                first += len(batch)
                pairs = writer.pairs
                message = f"{pairs} pairs, {len(problems)} problems"
                yield Event("progress", first, max(found.total, first), message)
                if limit is not None and pairs >= limit:
                    break
        reasons = dict(Counter(problem["reason"] for problem in problems).most_common())
        if not pairs:
            raise GramError(
                f"{source} holds no pair that can be used: {_counted(reasons)}; every pair needs a "
                "text and a complete JPEG, PNG or WebP picture: add what is missing, or correct "
                "the names"
            )
        _write_problems(problems, folder / "problems.parquet")
        about |= {"pairs": pairs, "problems": len(problems), "reasons": reasons}
        about["fingerprint"] = content_fingerprint([folder / "pairs.parquet"])
    message = f"{pairs} pairs in corpus {name!r}"
    if problems:
        message += f"; left out: {_counted(reasons)}"
    yield Event("result", pairs, pairs, message, result=open_corpus(workspace, name))


class PairWriter:
    """Writes good pairs to Parquet, a row group of 256 at a time, each picture only once."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        types = {
            "id": pa.int64(),
            "image": pa.binary(),
            "caption": pa.string(),
            "source": pa.string(),
        }
        self.schema = pa.schema(list(types.items()))
        # pictures are compressed already
        packing = {"id": "zstd", "image": "none", "caption": "zstd", "source": "zstd"}
        self.file = parquet.ParquetWriter(path, self.schema, compression=packing)
        self.pairs = 0
        self._rows: list[dict[str, Any]] = []
        self._seen: set[bytes] = set()

    def __enter__(self) -> PairWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self.file.close()

    def add(self, record: Record, outcome: bytes | str) -> str | None:
        """Adds a prepared picture with its caption, or says what is wrong with the record."""
        if isinstance(outcome, str):
            return outcome
        # support and query of a task must not share a picture: a corpus holds each one once
        digest = hashlib.blake2b(outcome, digest_size=16).digest()
        if digest in self._seen:
            return "the picture was there before"
        self._seen.add(digest)
        caption = " ".join((record.caption or "").split())
        row = {"id": self.pairs, "image": outcome, "caption": caption, "source": record.source}
        self._rows.append(row)
        self.pairs += 1
        if len(self._rows) == BATCH:
            self._flush()
        return None

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            self.file.write_table(pa.Table.from_pylist(self._rows, self.schema))
            self._rows = []


def _prepare(record: Record) -> bytes | str:
    """The picture as it is kept, or the reason why the record cannot be used."""
    if not (record.caption or "").strip():
        return "the text is empty"
    try:
        return prepare_picture(record.read())
    except BadRecord as problem:
        return str(problem)


def _write_problems(problems: list[dict[str, Any]], path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    types = [("row", pa.int64()), ("source", pa.string()), ("reason", pa.string())]
    parquet.write_table(pa.Table.from_pylist(problems, pa.schema(types)), path)


def _batches(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    iterator = iter(records)
    while batch := list(islice(iterator, size)):
        yield batch


def _counted(reasons: dict[str, int]) -> str:
    return ", ".join(f"{reason} ({number})" for reason, number in reasons.items()) or "it is empty"
