"""Clustering finds the things, their lights and the wrong pairs of a world that is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from gram_core.corpus import Corpus, open_corpus
from gram_core.errors import GramError
from gram_core.events import Event, finish
from gram_core.hierarchy import ClusterConfig, Hierarchy, Stages, cluster
from gram_core.workspace import Workspace

THINGS = ("dog", "car", "tree", "guitar", "teapot", "castle")
CONFIG = ClusterConfig(seed=1, drop=0.09, vague=0.0, min_topic_size=20, min_domain_size=5)


@pytest.fixture(scope="module")
def events(corpus: Corpus, reader: Any) -> list[Event]:
    return list(cluster(corpus, reader, CONFIG))


@pytest.fixture(scope="module")
def hierarchy(events: list[Event]) -> Hierarchy:
    result = events[-1].result
    assert isinstance(result, Hierarchy)
    return result


@pytest.mark.slow
def test_each_thing_is_a_topic_of_its_name(hierarchy: Hierarchy) -> None:
    assert {topic.word for topic in hierarchy.topics} == set(THINGS)
    for topic in hierarchy.topics:
        numbers = topic.members
        assert {THINGS[number % 6] for number in numbers} == {topic.word}
        assert len(numbers) == 40
    assert hierarchy.usable() == hierarchy.topics


@pytest.mark.slow
def test_each_light_is_a_domain(hierarchy: Hierarchy) -> None:
    for topic in hierarchy.topics:
        lights = [{int(pair) // 6 % 2 for pair in domain} for domain in topic.domains]
        assert sorted(lights, key=min) == [{0}, {1}]
        together = np.sort(np.concatenate(topic.domains))
        assert np.array_equal(together, topic.members)


@pytest.mark.slow
def test_pairs_that_disagree_are_left_out(hierarchy: Hierarchy) -> None:
    assert np.array_equal(np.flatnonzero(~hierarchy.kept), np.arange(240, 264))
    assert hierarchy.similarity[240:].max() < hierarchy.similarity[:240].min()
    assert np.isnan(hierarchy.position[240:]).all()


@pytest.mark.slow
def test_the_map_keeps_topics_together(hierarchy: Hierarchy) -> None:
    assert np.isfinite(hierarchy.position[:240]).all()
    spots = np.stack([hierarchy.position[topic.members].mean(0) for topic in hierarchy.topics])
    for row, topic in enumerate(hierarchy.topics):
        distance = np.linalg.norm(hierarchy.position[topic.members][:, None] - spots, axis=2)
        assert (distance.argmin(1) == row).mean() > 0.95


@pytest.mark.slow
def test_centroids_are_the_mean_sentences(
    hierarchy: Hierarchy, corpus: Corpus, reader: Any
) -> None:
    text = np.asarray(corpus.features(reader)[1], dtype=np.float32)
    for topic, centroid in zip(hierarchy.topics, hierarchy.centroids, strict=True):
        mean = text[topic.members].mean(0)
        np.testing.assert_allclose(centroid, mean / np.linalg.norm(mean), atol=1e-3)


@pytest.mark.slow
def test_it_says_what_it_does_and_what_it_chose(
    events: list[Event], hierarchy: Hierarchy, reader: Any
) -> None:
    assert [event.kind for event in events][-1] == "result"
    assert any("compiles" in event.message for event in events)
    assert hierarchy.config["min_topic_size"] == 20
    assert (hierarchy.corpus, hierarchy.fingerprint) == ("things", reader.fingerprint)
    assert hierarchy.quality["silhouette"] > 0.5
    assert hierarchy.quality["outliers"] == 0.0
    assert all(topic.coherence is not None for topic in hierarchy.topics)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_hierarchy(
    hierarchy: Hierarchy, corpus: Corpus, reader: Any, tmp_path: Path
) -> None:
    again = finish(cluster(corpus, reader, CONFIG))
    assert again.id != hierarchy.id
    assert np.array_equal(again.position, hierarchy.position, equal_nan=True)
    for file in ("members.parquet", "centroids.npy"):
        for name, one in (("a", hierarchy), ("b", again)):
            one.save(tmp_path / name)
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    other = finish(cluster(corpus, reader, replace(CONFIG, seed=2)))
    assert not np.array_equal(other.position, hierarchy.position, equal_nan=True)


@pytest.mark.slow
def test_a_sample_finds_what_all_find(hierarchy: Hierarchy, corpus: Corpus, reader: Any) -> None:
    found = finish(cluster(corpus, reader, replace(CONFIG, sample=150)))
    assert {topic.word for topic in found.topics} == set(THINGS)
    assert (found.topic_of() >= 0).sum() == 240
    assert found.config["sample"] == 150
    assert np.isfinite(found.position[:240]).all()
    assert not np.array_equal(found.position, hierarchy.position, equal_nan=True)


@pytest.mark.slow
def test_stages_of_ones_own_are_used_and_leave_nothing(
    hierarchy: Hierarchy, corpus: Corpus, reader: Any
) -> None:
    stages = Stages(reducer=PCA(6, random_state=0), clusterer=KMeans(6, n_init=4, random_state=0))
    before = sorted((corpus.feature_folder(reader) / "clusters").iterdir())
    found = finish(cluster(corpus, reader, CONFIG, stages))
    assert {topic.word for topic in found.topics} == set(THINGS)
    assert sorted((corpus.feature_folder(reader) / "clusters").iterdir()) == before


@pytest.mark.slow
def test_other_seeds_find_the_same_topics(corpus: Corpus, reader: Any) -> None:
    found = finish(cluster(corpus, reader, replace(CONFIG, stability=1)))
    assert found.quality["stability"] == 1.0
    assert found.quality["stability coverage"] == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("outliers", ["leave", "nearest", "words"])
def test_captions_in_no_cluster_are_left_out_or_join_a_topic(
    corpus: Corpus, reader: Any, outliers: Any
) -> None:
    class Six:
        """Clusters by the truth, but for ten captions."""

        def fit_predict(self, rows: np.ndarray) -> np.ndarray:
            labels = np.arange(len(rows)) % 6
            labels[:10] = -1
            return labels

        predict = fit_predict

    config = replace(CONFIG, outliers=outliers, rounds=3)
    found = finish(cluster(corpus, reader, config, Stages(PCA(6), Six())))
    joined = found.topic_of()[:10]
    if outliers == "leave":
        assert (joined == -1).all()
        assert found.quality["outliers"] == pytest.approx(10 / 240)
    else:
        assert [found.topics[row].word for row in joined] == [THINGS[n % 6] for n in range(10)]


@pytest.mark.slow
def test_one_topic_is_none(corpus: Corpus, reader: Any) -> None:
    config = replace(CONFIG, min_topic_size=110)
    with pytest.raises(GramError, match=r"gave [01] topics?, and two are the least: lower min_top"):
        finish(cluster(corpus, reader, config))


def test_too_small_a_corpus_is_refused_at_once(
    corpus: Corpus, workspace: Workspace, reader: Any
) -> None:
    few = open_corpus(workspace, "things", limit=12)
    with pytest.raises(GramError, match=r"11 pairs are left, and 40 are needed: lower min_topic"):
        finish(cluster(few, reader, CONFIG))
    with pytest.raises(GramError, match=r"and 103 are needed: lower components \(now 100\)"):
        finish(cluster(few, reader, replace(CONFIG, min_topic_size=2, components=100)))
    with pytest.raises(GramError, match="drop"):
        finish(cluster(few, reader, replace(CONFIG, drop=0.95, min_topic_size=None)))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("drop", 1.0, "drop is a share from 0 to below 1, not 1"),
        ("drop", -0.1, "not -0.1"),
        ("vague", 1.0, "vague is a share from 0 to below 1, not 1"),
        ("sample", 10, "sample is at least 100"),
        ("cluster_size", 1, "cluster_size is at least 2"),
        ("rounds", -1, "rounds is at least 0"),
        ("outliers", "drop", "outliers is 'drop'; give words or nearest or leave"),
        ("phrases", 0, "phrases is at least 1"),
        ("directions", 0, "directions is at least 1"),
        ("stability", -1, "stability is at least 0"),
        ("sentences", "", "sentences is"),
        ("neighbours", 1, "neighbours is at least 2, not 1"),
        ("components", 1, "components is at least 2"),
        ("min_topic_size", 1, "min_topic_size is at least 2"),
        ("domains", 1, "domains is at least 2"),
        ("max_domains", 1, "max_domains is at least 2"),
        ("min_domain_size", 0, "min_domain_size is at least 1"),
        ("clear_word", 1.5, "clear_word is a share from 0 to 1, not 1.5"),
        ("top_words", 0, "top_words is at least 1"),
        ("density", 0, "density is at least 1"),
        ("seed", -1, "seed is at least 0"),
    ],
)
def test_options_out_of_range_are_refused(name: str, value: Any, message: str) -> None:
    with pytest.raises(GramError, match=message):
        ClusterConfig(**{name: value})


@pytest.mark.parametrize(
    ("pairs", "cluster", "topic"),
    [(100, 5, 10), (1_000, 5, 10), (8_000, 9, 80), (3_000_000, 173, 100)],
)
def test_sizes_left_open_grow_with_the_corpus(pairs: int, cluster: int, topic: int) -> None:
    chosen = ClusterConfig(sample=None).chosen(pairs)
    assert (chosen.cluster_size, chosen.min_topic_size) == (cluster, topic)
    assert ClusterConfig(min_topic_size=7).chosen(pairs).min_topic_size == 7
    assert ClusterConfig(sample=2_500).chosen(1_000_000).cluster_size == 5
    assert ClusterConfig(rounds=0).chosen(pairs).cluster_size == topic
