"""A hierarchy comes back from disk as it was, and DuckDB reads it there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gram_core.errors import GramError
from gram_core.hierarchy import Hierarchy, Topic
from gram_core.workspace import Workspace


def ids(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@pytest.fixture
def hierarchy() -> Hierarchy:
    """Nine pairs: two topics, one pair of no topic, one dropped."""
    topics = (
        Topic(0, "dog", (("dog", 0.5), ("terrier", 0.25)), ids(0, 2, 4, 6), (ids(0, 2), ids(4, 6))),
        Topic(1, "car", (("car", 0.5), ("dogcart", 0.125)), ids(1, 3, 5), (ids(1, 3, 5),), "small"),
    )
    position = np.arange(18, dtype=np.float32).reshape(9, 2)
    position[8] = np.nan
    return Hierarchy(
        id="things-1",
        corpus="things",
        backbone_name="reader",
        fingerprint="00",
        config={"seed": 3, "stop_words": ["photo"]},
        topics=topics,
        similarity=np.linspace(0, 1, 9, dtype=np.float32),
        kept=np.arange(9) < 8,
        position=position,
        centroids=np.eye(2, 5, dtype=np.float32),
        quality={"silhouette": 0.5},
        directions=np.eye(5, 2, dtype=np.float32),
    )


def check_equal(one: Hierarchy, other: Hierarchy) -> None:
    for name in ("id", "corpus", "backbone_name", "fingerprint", "config", "quality"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("similarity", "kept", "position", "centroids", "directions"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    for a, b in zip(one.topics, other.topics, strict=True):
        assert (a.id, a.word, a.words, a.reason) == (b.id, b.word, b.words, b.reason)
        assert a.members.dtype == b.members.dtype == np.int64
        np.testing.assert_array_equal(a.members, b.members)
        for part, other_part in zip(a.domains, b.domains, strict=True):
            np.testing.assert_array_equal(part, other_part)


def test_what_was_saved_comes_back(hierarchy: Hierarchy, tmp_path: Path) -> None:
    hierarchy.save(tmp_path / "h")
    check_equal(Hierarchy.load(tmp_path / "h"), hierarchy)


def test_one_without_directions_comes_back_too(hierarchy: Hierarchy, tmp_path: Path) -> None:
    replace(hierarchy, directions=None).save(tmp_path / "h")
    assert Hierarchy.load(tmp_path / "h").directions is None


def test_a_workspace_keeps_it_and_duckdb_counts_it(hierarchy: Hierarchy, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    hierarchy.store(workspace)
    check_equal(Hierarchy.open(workspace, "things-1"), hierarchy)
    assert workspace.get("hierarchies", "things-1").about["usable"] == 1
    sql = "SELECT topic, domain, count(*) AS n FROM read_parquet(?) WHERE kept GROUP BY ALL"
    frame = workspace.query(sql, ["hierarchies/things-1/members.parquet"])
    counts = {(row.topic, row.domain): row.n for row in frame.itertuples()}
    assert counts == {(0, 0): 2, (0, 1): 2, (1, 0): 3, (-1, -1): 1}


def test_only_topics_without_a_reason_are_usable(hierarchy: Hierarchy) -> None:
    assert [topic.word for topic in hierarchy.usable()] == ["dog"]
    assert len(hierarchy) == 9
    assert len(hierarchy.topics[1]) == 3


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("car", ["car"]),
        ("DOG", ["dog", "car"]),  # the whole word before the beginning of one
        ("terr", ["dog"]),
        ("a car, please", ["car"]),
        ("whale", []),
        ("", []),
    ],
)
def test_search_goes_by_beginnings_of_words(
    hierarchy: Hierarchy, text: str, found: list[str]
) -> None:
    assert [topic.word for topic in hierarchy.search(text)] == found


@pytest.mark.parametrize("name", ["hierarchy.json", "members.parquet", "centroids.npy"])
def test_a_damaged_one_is_refused(hierarchy: Hierarchy, tmp_path: Path, name: str) -> None:
    hierarchy.save(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:40])
    with pytest.raises(GramError, match="no whole hierarchy"):
        Hierarchy.load(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(GramError, match="no whole hierarchy"):
        Hierarchy.load(tmp_path)
