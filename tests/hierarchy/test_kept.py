"""Stages are done once: clustering that was killed goes on, and ends in the same hierarchy."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gram_core.corpus import Corpus, open_corpus
from gram_core.events import finish
from gram_core.hierarchy import ClusterConfig, Hierarchy, clustering
from gram_core.hierarchy.kept import kept
from gram_core.workspace import Workspace

CONFIG = ClusterConfig(drop=0.09, vague=0.0, min_topic_size=20, min_domain_size=5)
STAGES = ("reduce_captions", "find_clusters", "draw_map")
KILLED = """
import os, signal, sys
from gram_core.corpus import open_corpus
from gram_core.hierarchy import clustering
from gram_core.workspace import Workspace
from tests.hierarchy.conftest import Reader
from tests.hierarchy.test_kept import CONFIG

setattr(clustering, sys.argv[2], lambda *_: os.kill(os.getpid(), signal.SIGKILL))
for event in clustering.cluster(open_corpus(Workspace(sys.argv[1]), "things"), Reader(), CONFIG):
    print(event.message)
"""


def test_a_stage_is_computed_once(tmp_path: Path) -> None:
    calls: list[int] = []

    def compute() -> dict[str, np.ndarray]:
        calls.append(1)
        return {"a": np.arange(3), "b": np.eye(2)}

    for _ in range(2):
        found = kept(tmp_path / "new", "stage", {"seed": 0, "size": None}, compute)
        assert found["a"].tolist() == [0, 1, 2]
        np.testing.assert_array_equal(found["b"], np.eye(2))
    assert len(calls) == 1
    kept(tmp_path / "new", "stage", {"seed": 1, "size": None}, compute)
    kept(tmp_path / "new", "other", {"seed": 0, "size": None}, compute)
    assert len(calls) == 3


def test_a_stage_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def compute() -> dict[str, np.ndarray]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept(tmp_path, "stage", {}, compute)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the stages that are computed."""
    calls: list[str] = []

    def count(name: str) -> None:
        true = getattr(clustering, name)

        def call(*arguments: Any) -> Any:
            calls.append(name)
            return true(*arguments)

        monkeypatch.setattr(clustering, name, call)

    for name in STAGES:
        count(name)
    return calls


def clustered(corpus: Corpus, reader: Any, config: ClusterConfig) -> Hierarchy:
    found = finish(clustering.cluster(corpus, reader, config))
    assert isinstance(found, Hierarchy)
    return found


@pytest.mark.slow
def test_later_options_need_no_earlier_stage(
    corpus: Corpus, reader: Any, counted: list[str]
) -> None:
    first = clustered(corpus, reader, replace(CONFIG, seed=5))
    assert counted == list(STAGES)
    counted.clear()
    other = clustered(corpus, reader, replace(CONFIG, seed=5, domains=3, min_domain_size=2))
    assert counted == []
    assert np.array_equal(other.topic_of(), first.topic_of())
    assert max(len(topic.domains) for topic in other.topics) == 3
    clustered(corpus, reader, replace(CONFIG, seed=5, density=4))
    assert counted == ["find_clusters"]
    counted.clear()
    clustered(corpus, reader, replace(CONFIG, seed=5, drop=0.1))  # other pairs: all is new
    assert counted == list(STAGES)


@pytest.mark.slow
def test_killed_clustering_goes_on_to_the_same_hierarchy(
    corpus: Corpus, workspace: Workspace, reader: Any, tmp_path: Path, counted: list[str]
) -> None:
    """Killed at the second and again at the third stage by a signal that no program can catch."""
    whole = clustered(corpus, reader, CONFIG)
    whole.save(tmp_path / "whole")
    stages = corpus.feature_folder(reader) / "clusters"
    for file in stages.iterdir():
        file.unlink()
    root = Path(__file__).resolve().parents[2]
    for stage in STAGES[1:]:
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(workspace.root), stage],
            cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == -signal.SIGKILL, done.stderr
    reused = {path: path.stat().st_mtime_ns for path in stages.iterdir()}
    assert sorted(path.name.split("-")[0] for path in reused) == ["clusters", "reduced"]
    counted.clear()
    again = clustered(open_corpus(workspace, "things"), reader, CONFIG)
    assert counted == ["draw_map"]
    assert all(path.stat().st_mtime_ns == time for path, time in reused.items())
    again.save(tmp_path / "again")
    for name in ("members.parquet", "centroids.npy"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert [topic.head() for topic in again.topics] == [topic.head() for topic in whole.topics]
