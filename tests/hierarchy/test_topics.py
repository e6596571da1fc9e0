"""Clusters of captions: the same on any threads, by any stages, from a sample as from all."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_info, threadpool_limits

from gram_core.errors import GramError
from gram_core.hierarchy import ClusterConfig
from gram_core.hierarchy.engines import make_clusterer, make_reducer
from gram_core.hierarchy.sentences import Rows
from gram_core.hierarchy.topics import (
    chosen_sample,
    draw_map,
    find_clusters,
    reduce_captions,
)

CONFIG = ClusterConfig().chosen(60)
THINGS = np.arange(60) % 4


def sentences(count: int = 60) -> Rows:
    """(count, 16) sentences about four things, one after another."""
    rng = np.random.default_rng(0)
    rows = np.eye(16)[np.arange(count) % 4] + 0.05 * rng.normal(size=(count, 16))
    return Rows(rows.astype(np.float32))


def found_things(labels: NDArray[np.int64], share: float = 1.0) -> bool:
    """Whether each thing is a cluster of its own, but for captions in none."""
    things = np.arange(len(labels)) % 4
    pairs = {(t, n) for t, n in zip(things.tolist(), labels.tolist(), strict=True) if n >= 0}
    return len(pairs) == 4 == len({n for _, n in pairs}) and (labels >= 0).mean() >= share


def test_clusters_are_computed_in_one_thread_whatever_else_is_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Several threads add up in another order, of which UMAP makes other topics."""
    threads: list[set[int]] = []

    def note(*_: Any, n_jobs: int = 1, **__: Any) -> Any:
        threads.append({n_jobs} | {pool["num_threads"] for pool in threadpool_info()})
        raise ValueError("seen enough")

    every = np.arange(60)
    reduced = sentences()[every][:, :5]
    with threadpool_limits(2):
        for name in ("umap.UMAP.fit_transform", "umap.umap_.nearest_neighbors"):
            monkeypatch.setattr(name, note)
            with pytest.raises(ValueError, match="seen enough"):
                reduce_captions(sentences(), every, CONFIG)
            monkeypatch.setattr("gram_core.hierarchy.topics.ALL_PAIRS_BELOW", 10)
        with pytest.raises(ValueError, match="seen enough"):
            draw_map(sentences(), every % 4, every, {"reduced": reduced}, CONFIG)
        monkeypatch.setattr("hdbscan.HDBSCAN.fit_predict", note)
        with pytest.raises(ValueError, match="seen enough"):
            find_clusters(reduced, every, CONFIG)
        outside = {pool["num_threads"] for pool in threadpool_info()}
    assert threads == 4 * [{1}]
    assert outside == {2}


def test_any_reducer_and_clusterer_will_do() -> None:
    every = np.arange(60)
    stage = reduce_captions(sentences(), every, CONFIG, PCA(3))
    assert set(stage) == {"reduced"}
    np.testing.assert_allclose(
        stage["reduced"], PCA(3).fit_transform(sentences()[every]), atol=1e-5
    )
    assert found_things(
        find_clusters(stage["reduced"], every, CONFIG, KMeans(4, n_init=4, random_state=0))
    )


def test_the_rest_of_a_sample_is_predicted() -> None:
    config = replace(CONFIG, sample=100)
    sample = chosen_sample(300, config)
    assert len(sample) == len(set(sample)) == 100
    assert np.array_equal(sample, np.sort(sample))
    assert np.array_equal(sample, chosen_sample(300, config))
    assert not np.array_equal(sample, chosen_sample(300, replace(config, seed=1)))
    assert np.array_equal(chosen_sample(100, config), np.arange(100))
    stage = reduce_captions(sentences(300), sample, config, PCA(5))
    labels = find_clusters(stage["reduced"], sample, config)
    assert found_things(labels, share=0.9)
    rest = np.setdiff1d(np.arange(300), sample)
    assert (labels[rest] >= 0).mean() > 0.9


@pytest.mark.slow
def test_umap_of_a_sample_finds_what_umap_of_all_finds() -> None:
    config = replace(CONFIG, sample=150)
    sample = chosen_sample(400, config)
    stage = reduce_captions(sentences(400), sample, config)
    labels = find_clusters(stage["reduced"], sample, config)
    assert found_things(labels, share=0.9)
    places = draw_map(sentences(400), labels, sample, stage, config)
    middles = np.stack([places[labels == label].mean(0) for label in range(4)])
    nearest = np.linalg.norm(places[:, None] - middles, axis=2).argmin(1)
    assert (nearest[labels >= 0] == labels[labels >= 0]).mean() > 0.95


def test_cuml_is_taken_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class GpuUmap:
        def __init__(self, **options: Any) -> None:
            asked.update(options)

    class GpuHdbscan:
        def __init__(self, **options: Any) -> None:
            asked.update(options)

    modules = {name: ModuleType(name) for name in ("cuml", "cuml.manifold", "cuml.cluster")}
    modules["cuml.cluster.hdbscan"] = ModuleType("cuml.cluster.hdbscan")
    modules["cuml.manifold"].UMAP = GpuUmap  # type: ignore[attr-defined]
    modules["cuml.cluster.hdbscan"].HDBSCAN = GpuHdbscan  # type: ignore[attr-defined]
    modules["cuml.cluster.hdbscan"].approximate_predict = lambda model, rows: (  # type: ignore[attr-defined]
        np.full(len(rows), 7),
        None,
    )
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("gram_core.hierarchy.engines.has_cuml", lambda: True)
    knn = (np.zeros(1), np.zeros(1), None)
    reducer = make_reducer("auto", n_components=5, precomputed_knn=knn, init=np.zeros(2), n_jobs=1)
    assert isinstance(reducer, GpuUmap)
    assert asked == {"n_components": 5, "output_type": "numpy"}
    clusterer = make_clusterer("cuml", 11, 4)
    assert (asked["min_cluster_size"], asked["min_samples"]) == (11, 4)
    assert clusterer.predict(np.zeros((3, 2), dtype=np.float32)).tolist() == [7, 7, 7]
    assert not isinstance(make_reducer("cpu", n_components=5), GpuUmap)


def test_cuml_that_is_not_there_is_refused() -> None:
    with pytest.raises(GramError, match='engine is "cuml", which is not installed here'):
        make_clusterer("cuml", 5, 5)


@pytest.mark.slow
def test_the_map_parts_topics_that_sentences_do_not() -> None:
    rows = Rows(np.random.default_rng(0).normal(size=(120, 16)).astype(np.float32))
    every = np.arange(120)
    stage = reduce_captions(rows, every, CONFIG, PCA(5))
    places = draw_map(rows, every % 2, every, stage, CONFIG)
    assert silhouette_score(places, every % 2) > 0.3
    alone = draw_map(rows, np.full(120, -1), every, stage, CONFIG)
    assert silhouette_score(alone, every % 2) < 0.1
