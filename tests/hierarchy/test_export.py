"""Exports: other programs read what the hierarchy holds, and ingest takes the folders again."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
from pyarrow import parquet

from gram_core.corpus import Corpus, ingest
from gram_core.errors import GramError
from gram_core.events import finish
from gram_core.hierarchy import Hierarchy, Topic, export
from gram_core.workspace import Workspace


@pytest.fixture
def hierarchy(corpus: Corpus) -> Hierarchy:
    """Two topics with names that are trouble; pairs from 200 on are in none, and on no map."""
    even, odd = np.arange(0, 200, 2), np.arange(1, 200, 2)
    topics = (
        Topic(0, "../=dog/..", (("dog", 1.0),), even, (even[:70], even[70:])),
        Topic(1, "car", (("car", 1.0),), odd, (odd,)),
    )
    position = np.random.default_rng(0).normal(size=(len(corpus), 2)).astype(np.float32)
    position[200:] = np.nan
    return Hierarchy(
        id="small",
        corpus=corpus.name,
        backbone_name="reader",
        fingerprint="0",
        config={},
        topics=topics,
        similarity=np.linspace(0, 1, len(corpus), dtype=np.float32),
        kept=np.arange(len(corpus)) < 200,
        position=position,
        centroids=np.eye(2, dtype=np.float32),
    )


@pytest.mark.parametrize("ending", [".parquet", ".csv"])
def test_duckdb_reads_the_tables(
    ending: str, hierarchy: Hierarchy, corpus: Corpus, tmp_path: Path
) -> None:
    path = tmp_path / f"pairs{ending}"
    export.write_table(hierarchy, corpus, path)
    sql = "SELECT topic_id, domain, count(*), count(x), min(pair) FROM ? GROUP BY ALL ORDER BY ALL"
    rows = duckdb.execute(sql.replace("?", f"'{path}'")).fetchall()
    assert rows == [
        (0, 1, 70, 70, 0),
        (0, 2, 30, 30, 140),
        (1, 1, 100, 100, 1),
        (None, None, 64, 0, 200),
    ]
    (caption, source), *_ = duckdb.execute(
        f"SELECT caption, source FROM '{path}' WHERE pair = 7"
    ).fetchall()
    assert caption == corpus.captions[7]
    assert "captions.csv" in source or "7.png" in source


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_spreadsheets_meet_no_formula(
    start: str, hierarchy: Hierarchy, corpus: Corpus, tmp_path: Path
) -> None:
    topic = replace(hierarchy.topics[1], word=f"{start}cmd")
    hierarchy = replace(hierarchy, topics=(hierarchy.topics[0], topic))
    export.write_table(hierarchy, corpus, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[1]["topic"] == f"'{start}cmd"
    assert rows[0]["topic"] == "../=dog/..", "only a beginning makes a formula"
    export.write_table(hierarchy, corpus, tmp_path / "a.parquet")
    assert parquet.read_table(tmp_path / "a.parquet")["topic"][1].as_py() == f"{start}cmd"


def test_folders_are_a_corpus_again(
    hierarchy: Hierarchy, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out" / "folders"
    assert finish(export.write_folders(hierarchy, corpus, folder)) == folder
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["folders"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "000-_dog_",
        "001-car",
        "captions.jsonl",
    ]
    assert len(list((folder / "000-_dog_" / "domain-2").iterdir())) == 30
    again = finish(ingest(folder, Workspace(tmp_path / "workspace"), "again"))
    assert again.captions == corpus.captions[:200]
    assert [again.image_bytes(pair) for pair in range(200)] == [
        corpus.image_bytes(pair) for pair in range(200)
    ]
    several = [f"{corpus.captions[0]}\nthe same again", *corpus.captions[1:]]
    monkeypatch.setattr(corpus, "captions", several)
    finish(export.write_folders(hierarchy, corpus, tmp_path / "several"))
    again = finish(ingest(tmp_path / "several", Workspace(tmp_path / "workspace"), "several"))
    assert again.captions == several[:200]
    with pytest.raises(GramError, match="is not empty"):
        finish(export.write_folders(hierarchy, corpus, folder))


def test_what_embedding_atlas_opens(
    hierarchy: Hierarchy, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BATCH", 64)
    events = list(export.write_atlas(hierarchy, corpus, tmp_path / "atlas.parquet"))
    assert events[-1].message == "200 pairs; 64 have no place on the map"
    table = parquet.read_table(tmp_path / "atlas.parquet")
    assert table["id"].to_pylist() == list(range(200))
    assert table["image"][9].as_py() == {"bytes": corpus.image_bytes(9), "path": "0000009.png"}
    assert table["topic"][:2].to_pylist() == ["../=dog/..", "car"]
    points = hierarchy.position[:200].astype(np.float64)
    for row in (0, 63, 64, 199):
        far = np.linalg.norm(points - points[row], axis=1)
        nearest = np.argsort(far)[1:11]  # itself is the first
        near = table["neighbors"][row].as_py()
        assert near["ids"] == nearest.tolist()
        np.testing.assert_allclose(near["distances"], far[nearest], rtol=1e-5)


def test_an_export_that_fails_leaves_nothing(
    hierarchy: Hierarchy, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(pair: int) -> bytes:
        raise GramError("the pictures are gone")

    monkeypatch.setattr(corpus, "image_bytes", broken)
    for write, name in ((export.write_folders, "a"), (export.write_atlas, "a.parquet")):
        with pytest.raises(GramError, match="are gone"):
            finish(write(hierarchy, corpus, tmp_path / name))
    with pytest.raises(GramError, match=r"\.parquet or \.csv"):
        export.write_table(hierarchy, corpus, tmp_path / "a.xlsx")
    assert list(tmp_path.iterdir()) == []
