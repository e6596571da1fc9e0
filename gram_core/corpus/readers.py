"""The forms in which people have image-text pairs, each read into records."""

from __future__ import annotations

import csv
import json
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gram_core.corpus.pictures import LARGEST_FILE
from gram_core.corpus.records import BadRecord, Record, Source
from gram_core.errors import GramError
from gram_core.names import spoken

IMAGE_COLUMNS = ("image", "file_name", "filepath", "filename", "path", "img", "jpg", "png")
CAPTION_COLUMNS = ("caption", "text", "title", "sentence", "txt")
TABLES = (".csv", ".tsv", ".jsonl")
TABLE_NAMES = ("captions", "metadata")
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
LAYOUTS = (
    "a CSV, TSV or JSONL table with a column of picture files and one of captions; a folder with "
    "such a table named captions or metadata; Parquet with pictures inside; WebDataset .tar "
    "files; COCO captions .json; a folder of pictures, each with a .txt of the same name; or a "
    "folder of folders of pictures, whose names are the captions"
)
Row = dict[str, Any]


def open_source(path: Path, image_column: str | None, caption_column: str | None) -> Source:
    """The records of a file or folder, in whichever of the known forms it has.

    Raises:
        GramError: there is nothing, it has no known form, or columns are missing.
    """
    if not path.exists():
        raise GramError(f"{path} does not exist; give a file or folder with pairs: {LAYOUTS}")
    columns = (image_column, caption_column)
    if path.is_dir():
        return _open_folder(path, *columns)
    suffix = path.suffix.lower()
    if suffix in TABLES:
        return _rows_source(_table_rows(path), path.parent, path, *columns)
    if suffix == ".parquet":
        return _parquet_source([path], *columns)
    if suffix == ".tar":
        return Source(_tar_records([path]))
    if suffix == ".json":
        return _coco_source(path)
    raise GramError(f"{path} is of no form that can be read; known are: {LAYOUTS}")


def _open_folder(folder: Path, image_column: str | None, caption_column: str | None) -> Source:
    files = sorted(file for file in folder.iterdir() if file.is_file())
    tables = [file for file in files if file.suffix.lower() in TABLES]
    named = [file for file in tables if file.stem.lower() in TABLE_NAMES]
    if named or len(tables) == 1:
        return open_source((named or tables)[0], image_column, caption_column)
    if parquet := [file for file in files if file.suffix.lower() == ".parquet"]:
        return _parquet_source(parquet, image_column, caption_column)
    if shards := [file for file in files if file.suffix.lower() == ".tar"]:
        return Source(_tar_records(shards))
    pictures = sorted(file for file in folder.rglob("*") if file.suffix.lower() in PICTURES)
    if any(file.with_suffix(".txt").is_file() for file in pictures):
        return Source(iter(_neighbour_record(file, folder) for file in pictures), len(pictures))
    if pictures and all(file.parent != folder for file in pictures):
        return Source(iter(_class_record(file, folder) for file in pictures), len(pictures))
    raise GramError(f"{folder} has no form that can be read; known are: {LAYOUTS}")


@contextmanager
def _reading(path: Path, form: str, *damage: type[Exception]) -> Iterator[None]:
    """Whatever a library raises at a damaged file becomes an error that names it."""
    try:
        yield
    except damage as error:
        reason = " ".join(str(error).split())  # some tell it in many lines
        raise GramError(
            f"{path} cannot be read as {form} ({reason}); fetch or make it anew, or leave it out"
        ) from error


def _table_rows(path: Path) -> list[Row]:
    damage = (csv.Error, json.JSONDecodeError, OSError)
    try:
        with (
            _reading(path, "a table", *damage),
            path.open(encoding="utf-8-sig", newline="") as file,
        ):
            if path.suffix.lower() == ".jsonl":
                rows = [json.loads(line) for line in file if line.strip()]
                if not all(isinstance(row, dict) for row in rows):
                    raise GramError(f"{path}: each line must be a JSON object with its columns")
                return rows
            head = file.readline()
            file.seek(0)
            marks = "\t" if path.suffix.lower() == ".tsv" else ",;\t"
            return list(csv.DictReader(file, delimiter=max(marks, key=head.count)))
    except UnicodeDecodeError:
        raise GramError(f"{path} is not UTF-8 text; save it as UTF-8") from None


def _rows_source(
    rows: Sequence[Row], root: Path, path: Path, image: str | None, caption: str | None
) -> Source:
    if not rows:
        raise GramError(f"{path} has no rows; it needs a line of column names and one for a pair")
    image_column, caption_column = _find_columns(list(rows[0]), path, image, caption)
    records = (_record(row.get(image_column), row.get(caption_column), root) for row in rows)
    return Source(records, len(rows))


def _find_columns(
    names: Sequence[str | None], path: Path, image: str | None, caption: str | None
) -> tuple[str, str]:
    """The columns of pictures and captions: those asked for, or else the first known name."""
    found = []
    for what, asked, known in (
        ("picture", image, IMAGE_COLUMNS),
        ("caption", caption, CAPTION_COLUMNS),
    ):
        wanted = (asked,) if asked else known
        lower = {name.strip().lower(): name for name in names if name}
        match = next((lower[name.lower()] for name in wanted if name.lower() in lower), None)
        if match is None:
            raise GramError(
                f"{path} has no {what} column: it has {', '.join(map(repr, filter(None, names)))}; "
                f"wanted is {' or '.join(wanted)}; rename a column or say which one it is"
            )
        found.append(match)
    return found[0], found[1]


def _record(picture: Any, caption: Any, root: Path) -> Record:
    """A record of a table's row; the picture is a file below root, bytes, or both in a dict."""
    text = None if caption is None else str(caption)
    if isinstance(picture, dict):
        name, data = picture.get("path"), picture.get("bytes")
        picture = name if data is None else data
    else:
        name = picture
    if isinstance(picture, bytes):
        return Record(name if isinstance(name, str) else "", text, _gives(picture))
    return Record(str(picture or ""), text, lambda: _read_below(root, str(picture or "")))


def _gives(data: bytes) -> Callable[[], bytes]:
    return lambda: data


def _read_below(root: Path, name: str) -> bytes:
    if not name.strip():
        raise BadRecord("no picture is named")
    root = root.resolve()
    try:
        path = (root / name).resolve()
        if not path.is_relative_to(root):
            raise BadRecord(f"the picture lies outside {root}")
        if not path.is_file():
            raise BadRecord(f"the picture is not in {root}")
        if path.stat().st_size > LARGEST_FILE:
            raise BadRecord("the picture's file is too large")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise BadRecord("the picture's file cannot be opened") from error


def _neighbour_record(picture: Path, folder: Path) -> Record:
    words = picture.with_suffix(".txt")
    text = words.read_text(encoding="utf-8", errors="replace") if words.is_file() else None
    name = str(picture.relative_to(folder))
    return Record(name, text, lambda: _read_below(folder, name))


def _class_record(picture: Path, folder: Path) -> Record:
    name = str(picture.relative_to(folder))
    return Record(name, spoken(picture.parent.name), lambda: _read_below(folder, name))


def _parquet_source(files: Sequence[Path], image: str | None, caption: str | None) -> Source:
    from pyarrow import ArrowException, parquet

    damage = (ArrowException, OSError, UnicodeDecodeError)
    shards = []
    for path in files:
        with _reading(path, "Parquet", *damage):
            file = parquet.ParquetFile(path)
        shards.append((path, file, _find_columns(file.schema_arrow.names, path, image, caption)))

    def records() -> Iterator[Record]:
        for path, file, columns in shards:
            row = 0
            with _reading(path, "Parquet", *damage):
                for batch in file.iter_batches(256, columns=list(columns)):
                    for values in batch.to_pylist():
                        picture, text = (values[column] for column in columns)
                        record = _record(picture, text, path.parent)
                        place = record.source or f"{path.name} row {row}"
                        yield Record(place, record.caption, record.read)
                        row += 1

    return Source(records(), sum(file.metadata.num_rows for _, file, _ in shards))


def _tar_records(shards: Iterable[Path]) -> Iterator[Record]:
    """Pairs of WebDataset shards: members of one stem follow each other, as .jpg and .txt."""
    damage = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError)
    for shard in shards:
        with _reading(shard, "tar", *damage), tarfile.open(shard) as archive:
            yield from _sample_records(archive, shard.name)
            _check_end(archive)


def _check_end(archive: tarfile.TarFile) -> None:
    """Raises ReadError unless zeros or nothing follow: tarfile also stops at a damaged header."""
    assert archive.fileobj is not None
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE).strip(b"\0"):
        raise tarfile.ReadError(f"no member begins at byte {archive.offset}")


def _sample_records(archive: tarfile.TarFile, shard: str) -> Iterator[Record]:
    key, picture, text = "", None, None
    for member in archive:
        name = Path(member.name)
        stem, suffix = member.name[: -len(name.suffix) or None], name.suffix.lower()
        if not member.isfile() or (suffix not in PICTURES and suffix not in (".txt", ".json")):
            continue
        if stem != key:
            if key:
                yield _sample(shard, key, picture, text)
            key, picture, text = stem, None, None
        file = archive.extractfile(member)
        data = file.read() if file is not None and member.size <= LARGEST_FILE else b""
        if suffix in PICTURES:
            picture = data
        elif suffix == ".txt":
            text = data.decode("utf-8", errors="replace")
        elif text is None:
            text = _caption_in(data)
    if key:
        yield _sample(shard, key, picture, text)


def _sample(shard: str, key: str, picture: bytes | None, text: str | None) -> Record:
    def read() -> bytes:
        if picture is None:
            raise BadRecord("the picture is missing")
        return picture

    return Record(f"{shard}/{key}", text, read)


def _caption_in(data: bytes) -> str | None:
    try:
        values = json.loads(data)
        return next(str(values[name]) for name in CAPTION_COLUMNS if values.get(name))
    except (ValueError, AttributeError, StopIteration):
        return None


def _coco_source(path: Path) -> Source:
    """COCO captions; its pictures lie beside the file or in a folder "images" beside it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        names = {image["id"]: image["file_name"] for image in content["images"]}
        notes = [(names.get(note["image_id"]), note["caption"]) for note in content["annotations"]]
    except (ValueError, KeyError, TypeError):
        raise GramError(
            f'{path} is no COCO caption file: it needs "images" with id and file_name, and '
            '"annotations" with image_id and caption; for one object a line use .jsonl'
        ) from None
    beside = path.parent / "images"
    root = beside if beside.is_dir() else path.parent
    return Source(iter([_record(name, caption, root) for name, caption in notes]), len(notes))
