"""WebDataset shards, as img2dataset writes them: a picture, its text and its JSON under one key.

The standard library's tarfile reads them, not the webdataset package: it tells at which byte a
member begins, so that a corpus can point at pictures where they lie, and it can pass over members
by their headers alone.
"""

from __future__ import annotations

import io
import json
import lzma
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path

from gram_core.corpus.pictures import LARGEST_FILE
from gram_core.corpus.readers.common import (
    CAPTION_COLUMNS,
    PICTURES,
    Wishes,
    decoded,
    gives,
    texts,
)
from gram_core.corpus.records import BadRecord, Original, Record, Source, bad

DAMAGE = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError)
#: The key of a sample is the path up to the first dot of the last name; the rest says what it is.
MEMBER = re.compile(r"((?:.*/|)[^./]+)\.([^/]*)", re.DOTALL)
WANTED = (*PICTURES, ".txt", ".json")

Sample = dict[str, Callable[[], Original]]


def tar_source(shards: Sequence[Path], wishes: Wishes) -> Source:
    """The samples of shards, which may be compressed; the rest of a damaged one is a bad record."""
    names = (wishes.caption_column,) if wishes.caption_column else CAPTION_COLUMNS

    def records(skip: int) -> Iterator[Record]:
        all_of_them = chain.from_iterable(_shard_records(shard, names) for shard in shards)
        return islice(all_of_them, skip, None)

    return Source(records, gives(shards))


def _shard_records(shard: Path, names: Sequence[str]) -> Iterator[Record]:
    key, sample, whole_until, damaged = "", Sample(), 0, False
    try:
        with tarfile.open(shard) as archive:
            for member in _members(archive):
                found = MEMBER.fullmatch(member.name)
                if found and member.isreg() and (kind := f".{found[2].lower()}") in WANTED:
                    reader = _reader(archive, member, shard)
                    if found[1] != key:
                        if sample:
                            yield _record(shard, key, sample, names)
                        key, sample = found[1], Sample()
                    sample.setdefault(kind, reader)
                whole_until = archive.offset
            _check_end(archive)
    except DAMAGE:
        damaged = True
    if sample:
        yield _record(shard, key, sample, names)
    if damaged:
        yield bad(shard.name, f"the shard is damaged from byte {whole_until} on")


def _members(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := archive.next()) is not None:
        archive.members = []  # type: ignore[attr-defined]  # or else it remembers all of them
        yield member


def _reader(
    archive: tarfile.TarFile, member: tarfile.TarInfo, shard: Path
) -> Callable[[], Original]:
    """What gives a member's bytes. Raises ReadError if the shard ends before the member does."""
    start, size = member.offset_data, member.size
    if not isinstance(archive.fileobj, io.BufferedReader):  # compressed: there is no way back
        file = archive.extractfile(member) if size <= LARGEST_FILE else None
        return partial(_too_large) if file is None else gives(Original(file.read()))
    if start + size > shard.stat().st_size:
        raise tarfile.ReadError("unexpected end of data")
    return partial(_too_large) if size > LARGEST_FILE else partial(_span, shard, start, size)


def _span(shard: Path, start: int, size: int) -> Original:
    try:
        with shard.open("rb") as file:
            file.seek(start)
            data, modified = file.read(size), shard.stat().st_mtime_ns
    except OSError as error:
        raise BadRecord("the picture's file cannot be opened") from error
    return Original(data, str(shard.resolve()), start, modified)


def _too_large() -> Original:
    raise BadRecord("the picture's file is too large")


def _check_end(archive: tarfile.TarFile) -> None:
    """Raises ReadError unless zeros or nothing follow: tarfile also stops at a damaged header."""
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError(f"no member begins at byte {archive.offset}")


def _record(shard: Path, key: str, sample: Sample, names: Sequence[str]) -> Record:
    picture = next((sample[kind] for kind in sample if kind in PICTURES), _no_picture)
    captions = partial(_captions, sample.get(".txt"), sample.get(".json"), names)
    return Record(f"{shard.name}/{key}", captions, picture)


def _no_picture() -> Original:
    raise BadRecord("the picture is missing")


def _captions(
    txt: Callable[[], Original] | None,
    in_json: Callable[[], Original] | None,
    names: Sequence[str],
) -> tuple[str, ...]:
    """The text beside the picture, or else the caption in the JSON beside it."""
    if txt is not None and (text := decoded(txt().data)).strip():
        return (text,)
    if in_json is None:
        return ()
    try:
        values = json.loads(in_json().data)
        return next(texts(values[name]) for name in names if values.get(name))
    except (ValueError, AttributeError, StopIteration, RecursionError):
        return ()
