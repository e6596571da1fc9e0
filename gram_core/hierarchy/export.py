"""A hierarchy as files that other programs read: tables, folders, and a map for Embedding Atlas."""

from __future__ import annotations

import io
import json
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gram_core.corpus import Corpus
from gram_core.errors import GramError
from gram_core.events import Event
from gram_core.hierarchy.hierarchy import Hierarchy, Ids, Topic
from gram_core.pictures import opened

if TYPE_CHECKING:
    import pyarrow

BATCH = 1000  # pictures that are in memory together
NEIGHBOURS = 10
LONGEST_NAME = 60  # letters of a topic's word in the name of its folder
FORMULA = r"^([=+\-@\t\r])"


def pairs_table(hierarchy: Hierarchy, corpus: Corpus) -> pyarrow.Table:
    """A row for each of N pairs: pair, caption, topic_id, topic (its word), domain, similarity,
    kept, x, y, and source where the corpus tells it.

    Domains count from 1. What a pair has not is null: topic and domain outside of all topics, x
    and y where it is not on the map.
    """
    import pyarrow as pa

    topic, domain = hierarchy.topic_of(), hierarchy.domain_of()
    outside = topic < 0
    words = [*(each.word for each in hierarchy.topics), None]
    columns = {
        "pair": np.arange(len(hierarchy)),
        "caption": corpus.captions,
        "topic_id": pa.array(topic, mask=outside),
        "topic": pa.array([words[id] for id in topic.tolist()], pa.string()),
        "domain": pa.array(domain + 1, mask=outside),
        "similarity": hierarchy.similarity,
        "kept": hierarchy.kept,
        "x": pa.array(hierarchy.position[:, 0], from_pandas=True),
        "y": pa.array(hierarchy.position[:, 1], from_pandas=True),
    }
    return pa.table(columns | _sources(corpus))


def write_table(hierarchy: Hierarchy, corpus: Corpus, path: Path) -> None:
    """Writes `pairs_table` as Parquet or CSV, by the path's suffix.

    In CSV an apostrophe comes before a text that spreadsheets would take for a formula. Raises
    GramError for another suffix.
    """
    from pyarrow import parquet

    kind = path.suffix.lower()
    if kind not in (".parquet", ".csv"):
        raise GramError(f"A table is a .parquet or .csv file, not {path.name!r}.")
    table = pairs_table(hierarchy, corpus)
    with _draft(path) as draft:
        if kind == ".parquet":
            parquet.write_table(table, draft)
        else:
            _write_csv(table, draft)


def pairs_csv(hierarchy: Hierarchy, corpus: Corpus, pairs: Ids) -> bytes:
    """Some pairs, in their order, as `write_table` writes CSV."""
    import pyarrow as pa

    target = pa.BufferOutputStream()
    _write_csv(pairs_table(hierarchy, corpus).take(pairs), target)
    return bytes(target.getvalue())


def _write_csv(table: pyarrow.Table, target: Any) -> None:
    import pyarrow as pa
    from pyarrow import compute
    from pyarrow import csv as arrow_csv

    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            texts = compute.replace_substring_regex(table[place], FORMULA, r"'\1")
            table = table.set_column(place, field.name, texts)
    arrow_csv.write_csv(table, target)


def write_folders(hierarchy: Hierarchy, corpus: Corpus, folder: Path) -> Iterator[Event]:
    """Writes the pictures of all topics as files, a folder for each topic and in it one for each
    domain, and captions.jsonl: filepath, caption (a list: a picture may have several), topic,
    domain.

    `ingest` makes the same pairs of the folder again. Pairs in no topic are left out, the result's
    message says how many.

    Raises:
        GramError: there is something in the folder already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise GramError(f"{folder} is not empty: name a folder that is not there yet.")
    topic, domain = hierarchy.topic_of(), hierarchy.domain_of()
    pairs = np.flatnonzero(topic >= 0).tolist()
    names = [_folder_name(each) for each in hierarchy.topics]
    with _draft(folder) as draft:
        for each, name in zip(hierarchy.topics, names, strict=True):
            for number in range(1, len(each.domains) + 1):
                (draft / name / f"domain-{number}").mkdir(parents=True)
        with (draft / "captions.jsonl").open("w", encoding="utf-8") as file:
            for step, pair in enumerate(pairs):
                if step % BATCH == 0:
                    yield Event("progress", step, len(pairs), "writing pictures")
                data, row, number = corpus.image_bytes(pair), topic[pair], domain[pair] + 1
                place = f"{names[row]}/domain-{number}/{_file_name(pair, data)}"
                (draft / place).write_bytes(data)
                line = {
                    "filepath": place,
                    "caption": corpus.captions[pair].split("\n"),
                    "topic": hierarchy.topics[row].word,
                    "domain": int(number),
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        if folder.exists():
            folder.rmdir()
    message = f"{len(pairs):,} pictures; {len(hierarchy) - len(pairs):,} pairs are in no topic"
    yield Event("result", len(pairs), len(pairs), message, result=folder)


def write_atlas(hierarchy: Hierarchy, corpus: Corpus, path: Path) -> Iterator[Event]:
    """Writes a Parquet file for Apple's Embedding Atlas, with the pictures in it; to open it:

        embedding-atlas FILE --x x --y y --text caption --image image --neighbors neighbors

    Its columns are id (the pair), x, y, caption, topic (the word), domain (from 1), similarity,
    image (bytes and path), and neighbors: the rows (from 0) of the ten pairs nearest on the map,
    with their distances. Pairs without a place on the map are left out, the result's message says
    how many.

    Raises:
        GramError: no pair has a place.
    """
    import pyarrow as pa
    from pyarrow import parquet
    from sklearn.neighbors import KDTree

    placed = np.flatnonzero(np.isfinite(hierarchy.position).all(axis=1))
    if not len(placed):
        raise GramError(f"{hierarchy.id!r} has no map: cluster the corpus again.")
    points = hierarchy.position[placed]
    tree = KDTree(points)
    table = pairs_table(hierarchy, corpus).select(
        ["pair", "x", "y", "caption", "topic", "domain", "similarity"]
    )
    table = table.rename_columns(["id", *table.column_names[1:]]).take(placed)
    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    near = pa.struct({"ids": pa.list_(pa.int64()), "distances": pa.list_(pa.float32())})
    schema = table.schema.append(pa.field("image", image)).append(pa.field("neighbors", near))
    with _draft(path) as draft, parquet.ParquetWriter(draft, schema) as writer:
        for start in range(0, len(placed), BATCH):
            yield Event("progress", start, len(placed), "writing pictures and neighbours")
            rows = np.arange(start, min(start + BATCH, len(placed)))
            pictures = []
            for pair in placed[rows].tolist():
                data = corpus.image_bytes(pair)
                pictures.append({"bytes": data, "path": _file_name(pair, data)})
            batch = table.slice(start, len(rows))
            batch = batch.append_column("image", pa.array(pictures, image))
            nearest = pa.array(_nearest(tree, points, rows), near)
            writer.write_table(batch.append_column("neighbors", nearest))
    message = f"{len(placed):,} pairs; {len(hierarchy) - len(placed):,} have no place on the map"
    yield Event("result", len(placed), len(placed), message, result=path)


def _nearest(tree: Any, points: np.ndarray, rows: np.ndarray) -> list[dict[str, Any]]:
    """The nearest other points of some rows, and their distances."""
    distances, ids = tree.query(points[rows], min(NEIGHBOURS + 1, len(points)))
    found = []
    for row, near, far in zip(rows, ids, distances, strict=True):
        others = near != row
        found.append({"ids": near[others][:NEIGHBOURS], "distances": far[others][:NEIGHBOURS]})
    return found


def _sources(corpus: Corpus) -> dict[str, Any]:
    """The column that tells where each pair came from, where there is one."""
    from pyarrow import concat_tables, parquet

    if any("source" not in parquet.read_schema(file).names for file in corpus.files):
        return {}
    tables = [parquet.read_table(file, columns=["source"]) for file in corpus.files]
    return {"source": concat_tables(tables)["source"][: len(corpus)]}


def _folder_name(topic: Topic) -> str:
    """A name that any file system takes and no other topic has: "003-fire engine"."""
    word = re.sub(r"[^\w -]+", "_", topic.word)
    return f"{topic.id:03d}-{word[:LONGEST_NAME].strip()}"


def _file_name(pair: int, data: bytes) -> str:
    with opened(io.BytesIO(data)) as image:
        suffix = str(image.format).lower().replace("jpeg", "jpg")
    return f"{pair:07d}.{suffix}"


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """A place beside the path for a file or folder that takes its name if all goes well."""
    draft = path.with_name(f".{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(path)
    finally:
        draft.unlink() if draft.is_file() else shutil.rmtree(draft, ignore_errors=True)
