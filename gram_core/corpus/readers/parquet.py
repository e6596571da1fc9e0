"""Parquet as Hugging Face keeps it: pictures inside as bytes or structs, or named by paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from gram_core.corpus.readers.common import Wishes, gives, reading
from gram_core.corpus.readers.rows import Rows
from gram_core.corpus.records import Record, Source

BATCH = 64  # rows in memory at a time
BUFFER = 1 << 20  # bytes


def parquet_source(files: Sequence[Path], wishes: Wishes) -> Source:
    """The rows of Parquet files; each may call its columns as it likes.

    Raises:
        GramError: a file is no Parquet, or lacks a column; while it is read, that it is damaged.
    """
    from pyarrow import ArrowException, parquet

    damage = (ArrowException, OSError, UnicodeDecodeError)
    meanings, total = [], 0
    for path in files:
        with reading(path, "Parquet", *damage), parquet.ParquetFile(path) as file:
            names, rows = file.schema_arrow.names, file.metadata.num_rows
        meanings.append(Rows.of(names, path, wishes))
        total += rows

    def records(skip: int) -> Iterator[Record]:
        for path, meaning in zip(files, meanings, strict=True):
            with reading(path, "Parquet", *damage), _opened(path) as file:
                number = 0
                for group in range(file.num_row_groups):
                    rows = file.metadata.row_group(group).num_rows
                    if skip >= rows:  # without a look at its pictures
                        skip, number = skip - rows, number + rows
                        continue
                    for batch in file.iter_batches(BATCH, [group], meaning.columns):
                        kept = range(number, number + len(batch))[skip:]
                        number, skip = number + len(batch), max(0, skip - len(batch))
                        for at, row in zip(
                            kept, batch.slice(len(batch) - len(kept)).to_pylist(), strict=True
                        ):
                            yield meaning.record(row, at, f"{path.name} row {at}")

    def _opened(path: Path) -> parquet.ParquetFile:
        # by pages: pyarrow otherwise reads a column of a whole row group, which may be all there is
        return parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)

    return Source(records, gives(files), total)
