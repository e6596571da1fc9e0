"""A corpus that is being made, part by part: what a killed ingest leaves, and goes on from.

.kept-NAME/mark.json              of what it is made, and how
.kept-NAME/parts/000000.parquet   the pairs of each part, written last: then the part is whole
.kept-NAME/parts/000000-problems.parquet
.kept-NAME/NAME/pictures-000000.tar
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gram_core.corpus.pictures import Kept
from gram_core.corpus.records import Original, Record
from gram_core.corpus.stored import tar_name
from gram_core.workspace import as_json, write_json

if TYPE_CHECKING:
    import pyarrow

PART = 2048  # records
LAYOUT = 1
DUPLICATE = "the picture was there before"
DIGEST = 16  # bytes
PROBLEMS = "-problems"  # in the names of the files beside those of the pairs


@dataclass(frozen=True)
class Taken:
    """A good record: its texts one a line, the picture to be kept, and where that came from."""

    caption: str
    kept: Kept
    original: Original

    def digest(self, copy: bool) -> bytes:
        """Of the picture's bytes: those that are kept, or those that are pointed at."""
        data = self.kept.data if copy else self.original.data
        return hashlib.blake2b(data, digest_size=DIGEST).digest()


class Draft:
    """The parts of a corpus that are there, and the one that is being written.

    Args:
        folder: that of the artefact; what belongs to the draft alone lies beside it.
        mark: what the corpus is made of. A draft with another mark is begun afresh.
        copy: whether the pictures are kept, and not pointed at.

    Attributes:
        records, pairs: how many were read, and how many of them are good.
        reasons: how often each problem occurred.
        resumed, renewed: whether there were parts, and whether they belonged to another mark.
    """

    def __init__(self, folder: Path, mark: dict[str, Any], copy: bool) -> None:
        self.folder, self.copy = folder, copy
        self._parts = folder.parent / "parts"
        self.renewed = self._begin(folder.parent / "mark.json", {"layout": LAYOUT, **mark})
        self.records = self.pairs = self._number = 0
        self.reasons: Counter[str] = Counter()
        self._digests = _Digests()
        for part in self._tables(""):
            self._number += 1
            self.pairs += len(part)
            self._digests.settle(part["digest"].to_pylist())
        for part in self._tables(PROBLEMS):
            self.reasons.update(part["reason"].to_pylist())
        self.records = self.pairs + self.reasons.total()
        self.resumed = self._number > 0
        self._rows: list[dict[str, Any]] = []
        self._problems: list[dict[str, Any]] = []
        self._tar: tarfile.TarFile | None = None

    def _begin(self, place: Path, mark: dict[str, Any]) -> bool:
        """Makes the folders ready; whether parts of another mark were thrown away."""
        mark = as_json(mark)
        there = json.loads(place.read_text(encoding="utf-8")) if place.exists() else None
        if there != mark:
            for old in (self._parts, self.folder):
                shutil.rmtree(old, ignore_errors=True)
        self._parts.mkdir(exist_ok=True)
        self.folder.mkdir(exist_ok=True)
        write_json(place, mark)
        return there not in (None, mark)

    @property
    def bad(self) -> int:
        """How many records cannot be used; a picture that was there before is none of them."""
        return self.reasons.total() - self.reasons[DUPLICATE]

    def add(self, record: Record, outcome: Taken | str) -> None:
        """Adds a good record, or the reason why it is none."""
        source = record.source.encode("utf-8", "backslashreplace").decode()
        # support and query of a task must not share a picture: a corpus holds each one once
        if isinstance(outcome, Taken):
            digest = outcome.digest(self.copy)
            if self._digests.add(digest):
                self._keep(outcome, source, digest)
            else:
                outcome = DUPLICATE
        if isinstance(outcome, str):
            self._problems.append({"row": self.records, "source": source, "reason": outcome})
            self.reasons[outcome] += 1
        self.records += 1
        if len(self._rows) + len(self._problems) == PART:
            self.settle()

    def _keep(self, taken: Taken, source: str, digest: bytes) -> None:
        tar, kept = self._open_tar(), taken.kept
        member = tarfile.TarInfo(f"{self.pairs:09d}.{kept.suffix}")  # without owner or time
        member.size = len(kept.data)
        row = {
            "id": self.pairs,
            "caption": taken.caption,
            "source": source,
            "width": kept.width,
            "height": kept.height,
            "digest": digest,
            "shard": self._number,
            "offset": tar.offset + tarfile.BLOCKSIZE,
            "size": len(kept.data),
        }
        if not self.copy:
            original = taken.original
            row |= {"file": original.file, "start": original.start}
            row |= {"length": len(original.data), "modified": original.modified}
        tar.addfile(member, io.BytesIO(kept.data))
        tar.members = []  # type: ignore[attr-defined]  # or else tarfile remembers all of them
        self._rows.append(row)
        self.pairs += 1

    def _open_tar(self) -> tarfile.TarFile:
        if self._tar is None:
            path = self._parts / "tar"  # closed when the part is whole, or left
            self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        return self._tar

    def settle(self) -> None:
        """Writes the part that was begun, so that it is not lost any more."""
        import pyarrow as pa
        from pyarrow import parquet

        if not self._rows and not self._problems:
            return
        if self._tar is not None:
            self._tar.close()
            (self._parts / "tar").replace(self.folder / tar_name(self._number))
            self._tar = None
        pairs = self._parts / f"{self._number:06d}.parquet"
        problems = pairs.with_name(f"{pairs.stem}{PROBLEMS}.parquet")
        draft = self._parts / "draft"
        for rows, path, schema in (
            (self._problems, problems, _problem_schema()),
            (self._rows, pairs, _pair_schema(self.copy)),
        ):
            parquet.write_table(pa.Table.from_pylist(rows, schema), draft)
            draft.replace(path)
        self._digests.settle([row["digest"] for row in self._rows])
        self._rows, self._problems = [], []
        self._number += 1

    def close(self) -> None:
        """Leaves the part that was begun; the ones that are whole stay."""
        if self._tar is not None:
            self._tar.close()

    def finish(self) -> str:
        """Writes pairs.parquet and problems.parquet; gives the fingerprint of the pairs."""
        from pyarrow import parquet

        self.settle()
        for name, end, schema in (
            ("pairs", "", _pair_schema(self.copy)),
            ("problems", PROBLEMS, _problem_schema()),
        ):
            path = self.folder / f"{name}.parquet"
            with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
                for part in self._tables(end):
                    if len(part):
                        writer.write_table(part)
        fingerprint = hashlib.blake2b(digest_size=8)
        for part in self._tables(""):
            columns = part["digest"].to_pylist(), part["caption"].to_pylist()
            for digest, caption in zip(*columns, strict=True):
                fingerprint.update(digest + caption.encode() + b"\0")
        return fingerprint.hexdigest()

    def problems(self) -> Iterator[dict[str, Any]]:
        """All problems so far: row, source, reason."""
        for part in self._tables(PROBLEMS):
            yield from part.to_pylist()
        yield from self._problems

    def list_problems(self, path: Path) -> None:
        """Writes all problems so far to a CSV file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["row", "source", "reason"])
            writer.writeheader()
            writer.writerows(self.problems())

    def _tables(self, end: str) -> Iterator[pyarrow.Table]:
        from pyarrow import parquet

        for path in sorted(self._parts.glob("[0-9]*[0-9].parquet")):
            yield parquet.read_table(path.with_name(f"{path.stem}{end}.parquet"))


class _Digests:
    """Which pictures are there, in 16 bytes for each: those of earlier parts are one array."""

    def __init__(self) -> None:
        self._earlier = np.empty(0, f"S{DIGEST}")  # sorted
        self._latest: set[bytes] = set()

    def add(self, digest: bytes) -> bool:
        """Adds a digest; whether it was not there."""
        value = np.frombuffer(digest, self._earlier.dtype)
        place = np.searchsorted(self._earlier, value)[0]
        new = digest not in self._latest and not (self._earlier[place : place + 1] == value).any()
        if new:
            self._latest.add(digest)
        return new

    def settle(self, digests: list[bytes]) -> None:
        """Takes these digests for those of an earlier part."""
        more = np.frombuffer(b"".join(digests), self._earlier.dtype)
        self._earlier = np.sort(np.concatenate([self._earlier, more]), kind="stable")
        self._latest.clear()


def _pair_schema(copy: bool) -> Any:
    import pyarrow as pa

    fields: dict[str, Any] = {
        "id": pa.int64(),
        "caption": pa.string(),
        "source": pa.string(),
        "width": pa.int32(),
        "height": pa.int32(),
        "digest": pa.binary(DIGEST),
        "shard": pa.int32(),
        "offset": pa.int64(),
        "size": pa.int32(),
    }
    if not copy:
        fields |= {"file": pa.string(), "start": pa.int64()}
        fields |= {"length": pa.int64(), "modified": pa.int64()}
    return pa.schema(list(fields.items()))


def _problem_schema() -> Any:
    import pyarrow as pa

    types = [("row", pa.int64()), ("source", pa.string()), ("reason", pa.string())]
    return pa.schema(types)
