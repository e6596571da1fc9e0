"""The forms in which people have image-text pairs, each read into records, one at a time."""

from __future__ import annotations

from pathlib import Path

from gram_core.corpus.readers.coco import coco_source
from gram_core.corpus.readers.common import Wishes
from gram_core.corpus.readers.folders import picture_source
from gram_core.corpus.readers.parquet import parquet_source
from gram_core.corpus.readers.tables import TABLES, table_source
from gram_core.corpus.readers.tars import tar_source
from gram_core.corpus.records import Source
from gram_core.errors import GramError

__all__ = ["Wishes", "open_source"]

TABLE_NAMES = ("captions", "metadata")
TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
LAYOUTS = (
    "a CSV, TSV or JSONL table with a column of picture files or addresses and one of captions; a "
    "folder with such a table named captions or metadata; Parquet with pictures inside; WebDataset "
    ".tar files; COCO captions .json; a folder of pictures, each with a .txt of the same name; or "
    "a folder of folders of pictures, whose names are the captions"
)


def open_source(path: Path, wishes: Wishes) -> Source:
    """The records of a file or folder, in whichever of the known forms it has.

    Raises:
        GramError: there is nothing, it has no known form, or columns are missing.
    """
    if not path.exists():
        raise GramError(f"{path} does not exist; give a file or folder with pairs: {LAYOUTS}")
    if wishes.pictures is not None and not wishes.pictures.is_dir():
        raise GramError(f"{wishes.pictures} is no folder; give the one that holds the pictures")
    if path.is_dir():
        return _open_folder(path, wishes)
    name = path.name.lower()
    if name.endswith(TABLES):
        return table_source(path, wishes)
    if name.endswith(".parquet"):
        return parquet_source([path], wishes)
    if name.endswith(TARS):
        return tar_source([path], wishes)
    if name.endswith(".json"):
        return coco_source(path, wishes)
    raise GramError(f"{path} is of no form that can be read; known are: {LAYOUTS}")


def _open_folder(folder: Path, wishes: Wishes) -> Source:
    entries = sorted(folder.iterdir())
    files = [entry for entry in entries if entry.is_file()]
    tables = [file for file in files if file.suffix.lower() in TABLES]
    named = [file for file in tables if file.stem.lower() in TABLE_NAMES]
    if named or len(tables) == 1:
        return table_source((named or tables)[0], wishes)
    shards = [file for file in files if file.name.lower().endswith(TARS)]
    if shards:  # 00000.parquet beside 00000.tar tells only what became of each download
        return tar_source(shards, wishes)
    folders = {entry.name for entry in entries if entry.is_dir()}  # 00000/ and its 00000.parquet
    parquet = [file for file in files if file.suffix.lower() == ".parquet"]
    if parquet := [file for file in parquet if file.stem not in folders]:
        return parquet_source(parquet, wishes)
    if (found := picture_source(folder)) is None:
        raise GramError(f"{folder} has no form that can be read; known are: {LAYOUTS}")
    return found
