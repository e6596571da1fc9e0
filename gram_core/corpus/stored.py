"""The pictures of a corpus on disk, read at random: parts of tars, or a column of Parquet."""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gram_core.errors import GramError

FILES_HELD = 64
ROW_GROUPS_HELD = 8


class Pictures(Protocol):
    """The encoded pictures of N pairs; safe to read from threads."""

    def __len__(self) -> int: ...

    def shown(self, pair: int) -> bytes:
        """A picture fit to be shown."""
        ...

    def original(self, pair: int) -> bytes:
        """The picture as large as it is kept, or as it lies at its source."""
        ...


def open_pictures(files: Sequence[Path]) -> Pictures:
    """The pictures that belong to these Parquet files. Raises GramError if they cannot be read."""
    from pyarrow import ArrowException, parquet

    try:
        within = [parquet.ParquetFile(file) for file in files]
    except (OSError, ArrowException) as error:
        raise GramError(f"the corpus cannot be read ({error}); ingest it again") from None
    if "image" in within[0].schema_arrow.names:
        return InParquet(within)
    within[0].close()
    return InTars(files[0])


class InTars:
    """Pictures in uncompressed tars beside pairs.parquet, which tells where each begins.

    With references it also tells the file of each original, the bytes of it that are the picture,
    and when that file was last written.
    """

    def __init__(self, pairs: Path) -> None:
        from pyarrow import parquet

        self.pairs = pairs
        self._open = lru_cache(FILES_HELD)(_OpenFile)
        self._count = parquet.read_metadata(pairs).num_rows
        self._referenced = "file" in parquet.read_schema(pairs).names

    def __len__(self) -> int:
        return int(self._count)

    def shown(self, pair: int) -> bytes:
        shard, offset, size = (int(column[pair]) for column in self._places)
        path = self.pairs.with_name(tar_name(shard))
        try:
            data = self._open(path).read(offset, size)
        except OSError as error:
            raise GramError(
                f"the corpus' pictures cannot be read ({error}); ingest it again"
            ) from None
        if len(data) < size:
            raise GramError(f"{path} is cut short; ingest the corpus again")
        return data

    def original(self, pair: int) -> bytes:
        if not self._referenced:
            return self.shown(pair)
        row = {name: column[pair].as_py() for name, column in self._references.items()}
        path, remedy = Path(row["file"]), "put it back as it was, or ingest the corpus again"
        try:
            with path.open("rb") as file:
                file.seek(row["start"])
                data, modified = file.read(row["length"]), os.fstat(file.fileno()).st_mtime_ns
        except OSError:
            raise GramError(
                f"the picture of pair {pair} was in {path}, which cannot be read now; {remedy}"
            ) from None
        if modified != row["modified"] or len(data) != row["length"]:
            raise GramError(
                f"{path}, which holds the picture of pair {pair}, was changed; {remedy}"
            )
        return data

    @cached_property
    def _places(self) -> list[Any]:
        table = self._read("shard", "offset", "size")
        return [column.to_numpy() for column in table.columns]

    @cached_property
    def _references(self) -> dict[str, Any]:
        table = self._read("file", "start", "length", "modified").combine_chunks()
        return dict(zip(table.column_names, table.columns, strict=True))

    def _read(self, *columns: str) -> Any:
        from pyarrow import parquet

        return parquet.read_table(self.pairs, columns=list(columns), read_dictionary=["file"])


class _OpenFile:
    """A file that is closed when nobody holds it any more, in whichever thread that may be."""

    _descriptor = -1

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)

    def read(self, start: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, start)

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


class InParquet:
    """Pictures in the `image` column of Parquet files, of which the latest row groups are held.

    So lies the bundled corpus, and so did those that older versions made.
    """

    def __init__(self, files: Sequence[Any]) -> None:
        self._files = files
        self._groups = [
            (number, group)
            for number, file in enumerate(files)
            for group in range(file.num_row_groups)
        ]
        sizes = [files[number].metadata.row_group(group).num_rows for number, group in self._groups]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).tolist()
        self._held: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def shown(self, pair: int) -> bytes:
        place = bisect_right(self._starts, pair) - 1
        with self._lock:
            if place not in self._held:
                self._held[place] = self._load(place)
                if len(self._held) > ROW_GROUPS_HELD:
                    self._held.popitem(last=False)
            self._held.move_to_end(place)
            column = self._held[place]
        value = column[pair - self._starts[place]].as_py()
        return bytes(value["bytes"] if isinstance(value, dict) else value)

    original = shown

    def _load(self, place: int) -> Any:
        number, group = self._groups[place]
        return self._files[number].read_row_group(group, columns=["image"])["image"]


def tar_name(shard: int) -> str:
    """The tar of this number."""
    return f"pictures-{shard:06d}.tar"
