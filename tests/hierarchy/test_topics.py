"""Topics of captions in any script, and captions that have nothing to tell them apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

from gram_core.errors import GramError
from gram_core.hierarchy import ClusterConfig
from gram_core.hierarchy.topics import draw_map, find_neighbours, find_topics

CONFIG = ClusterConfig().chosen(60)
THINGS = np.arange(60) % 4


@pytest.fixture
def embeddings() -> NDArray[np.float32]:
    """(60, 16) sentences about four things, one after another."""
    rng = np.random.default_rng(0)
    return (np.eye(16)[THINGS] + 0.05 * rng.normal(size=(60, 16))).astype(np.float32)


def test_topics_are_computed_in_one_thread_whatever_else_is_allowed(
    embeddings: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several threads add up in another order, of which UMAP makes other topics."""
    threads: list[set[int]] = []

    def note(*_: Any, n_jobs: int = 1, **__: Any) -> Any:
        threads.append({n_jobs} | {pool["num_threads"] for pool in threadpool_info()})
        raise ValueError("seen enough")

    monkeypatch.setattr("bertopic.BERTopic.fit_transform", note)
    monkeypatch.setattr("umap.umap_.nearest_neighbors", note)
    monkeypatch.setattr("umap.UMAP.fit_transform", note)
    monkeypatch.setattr("gram_core.hierarchy.topics.ALL_PAIRS_BELOW", 10)
    with threadpool_limits(2):
        with pytest.raises(ValueError, match="seen enough"):
            find_neighbours(embeddings, CONFIG)
        with pytest.raises(GramError):
            find_topics([f"thing {number}" for number in THINGS], embeddings, None, CONFIG)
        with pytest.raises(ValueError, match="seen enough"):
            draw_map(embeddings, embeddings[:, :5], None, CONFIG)
        outside = {pool["num_threads"] for pool in threadpool_info()}
    assert threads == 3 * [{1}]
    assert outside == {2}


@pytest.mark.slow
@pytest.mark.parametrize("words", ["犬 車 木 城", "собака машина дерево замок", "🐶 🚗 🌳 🏰"])
def test_captions_of_any_script_have_topics(words: str, embeddings: NDArray[np.float32]) -> None:
    captions = [words.split()[thing] for thing in THINGS]
    labels, reduced = find_topics(captions, embeddings, None, CONFIG)
    pairs = {(thing, label) for thing, label in zip(THINGS.tolist(), labels.tolist(), strict=True)}
    assert len(pairs) == 4
    assert set(labels) == {0, 1, 2, 3}
    assert reduced.shape == (60, CONFIG.components)


@pytest.mark.slow
@pytest.mark.parametrize("alike", [False, True])
def test_captions_of_one_word_are_too_much_alike(
    alike: bool, embeddings: NDArray[np.float32]
) -> None:
    if alike:
        embeddings = np.tile(embeddings[:1], (60, 1))
    with pytest.raises(GramError, match=r"60 captions gave .*, or bring more varied pairs"):
        find_topics(["a"] * 60, embeddings, None, CONFIG)
