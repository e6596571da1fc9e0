"""Domains are the groups that are to be seen, never smaller than asked for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from gram_core.hierarchy import ClusterConfig
from gram_core.hierarchy.domains import find_domains, group_pictures, shared_directions


def blobs(*sizes: int, spread: float = 0.05) -> NDArray[np.float32]:
    """Unit vectors around as many orthogonal directions, one group after another."""
    generator = np.random.default_rng(0)
    rows = np.repeat(np.eye(len(sizes) + 2)[: len(sizes)], sizes, axis=0)
    rows = rows + spread * generator.normal(size=rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def groups(*sizes: int) -> list[list[int]]:
    bounds = np.cumsum([0, *sizes])
    return [list(range(a, b)) for a, b in pairwise(bounds)]


@pytest.mark.parametrize("sizes", [(30, 20), (30, 25, 20), (30, 25, 20, 15)])
def test_silhouette_finds_the_number_of_groups(sizes: tuple[int, ...]) -> None:
    division = find_domains(blobs(*sizes), ClusterConfig(min_domain_size=5))
    assert [rows.tolist() for rows in division.domains] == groups(*sizes)
    assert division.reason is None
    assert division.silhouette is not None
    assert division.silhouette > 0.7


def test_a_fixed_number_is_kept() -> None:
    division = find_domains(blobs(30, 20), ClusterConfig(domains=3, min_domain_size=2))
    assert len(division.domains) == 3


def test_a_tiny_group_joins_the_nearest_one() -> None:
    features = blobs(30, 20, 3)
    features[50:] = features[50:] + 1.5 * features[30:33]  # nearest to the second group
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    division = find_domains(features, ClusterConfig(domains=3, min_domain_size=8))
    assert [rows.tolist() for rows in division.domains] == [
        *(list(range(30)), list(range(30, 53))),
    ]


def test_too_few_pictures_stay_together() -> None:
    division = find_domains(blobs(4, 3), ClusterConfig(min_domain_size=4))
    assert [len(rows) for rows in division.domains] == [7]
    assert division.reason == "7 pictures, too few for two domains of at least 4"


def test_equal_pictures_stay_together() -> None:
    features = np.repeat(blobs(1), 20, axis=0)
    division = find_domains(features, ClusterConfig(min_domain_size=4))
    assert [len(rows) for rows in division.domains] == [20]
    assert division.reason == "no second domain of at least 4 pictures"


def test_one_large_and_strays_are_one_domain() -> None:
    division = find_domains(blobs(40, 2), ClusterConfig(domains=2, min_domain_size=5))
    assert division.reason == "no second domain of at least 5 pictures"
    assert [len(rows) for rows in division.domains] == [42]


def test_spherical_means_go_by_direction_alone() -> None:
    features = blobs(30, 20)
    lengths = np.random.default_rng(0).uniform(0.2, 5.0, size=(50, 1)).astype(np.float32)
    labels, centres = group_pictures(features * lengths, 2, ClusterConfig(spherical=True))
    assert len(set(labels[:30])) == len(set(labels[30:])) == 1
    assert labels[0] != labels[30]
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1.0, atol=1e-5)
    assert np.array_equal(labels, (features @ centres.T).argmax(axis=1))


def looks(
    topics: int, each: int, strength: float
) -> tuple[NDArray[np.float32], list[NDArray[np.int64]], NDArray[np.int64]]:
    """Unit vectors of topics whose pictures differ in one of three looks, the same in all topics,
    and more in four directions of their own; ids of each topic, and the look of each picture."""
    generator = np.random.default_rng(0)
    axes = np.linalg.qr(generator.normal(size=(40, 40)))[0]
    ids = [np.arange(each * topic, each * (topic + 1)) for topic in range(topics)]
    look = generator.integers(3, size=topics * each)
    rows = strength * axes[look] + 0.02 * generator.normal(size=(len(look), 40))
    for members in ids:
        own = axes[generator.permutation(np.arange(3, 40))[:5]]
        rows[members] += own[0] + 0.4 * generator.normal(size=(each, 4)) @ own[1:]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), ids, look


def agreement(
    features: NDArray[np.float32],
    topics: list[NDArray[np.int64]],
    look: NDArray[np.int64],
    directions: NDArray[np.float32] | None,
) -> float:
    """How well the domains of topics agree with their looks: mean adjusted Rand index."""
    config = ClusterConfig(domains=3, min_domain_size=5, directions=2)
    scores = []
    for ids in topics:
        labels = np.zeros(len(ids), dtype=int)
        for number, rows in enumerate(find_domains(features[ids], config, directions).domains):
            labels[rows] = number
        scores.append(adjusted_rand_score(look[ids], labels))
    return float(np.mean(scores))


def test_every_round_looks_in_the_directions_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, topics, look = looks(12, 60, 0.5)
    config = ClusterConfig(domains=3, min_domain_size=5, directions=2)
    several = shared_directions(features, topics, config)
    monkeypatch.setattr("gram_core.hierarchy.domains.ROUNDS", 1)
    once = shared_directions(features, topics, config)
    assert (
        agreement(features, topics, look, several) > agreement(features, topics, look, once) + 0.2
    )


def test_what_differs_in_all_topics_is_seen_through_what_differs_in_one() -> None:
    features, topics, look = looks(12, 60, 0.6)
    config = ClusterConfig(domains=3, min_domain_size=5, directions=2)
    directions = shared_directions(features, topics, config)
    assert directions is not None

    assert agreement(features, topics, look, directions) > 0.95
    assert agreement(features, topics, look, None) < 0.7


@pytest.mark.parametrize("size", [39, 3])
def test_small_topics_teach_nothing(size: int) -> None:
    features, topics, _ = looks(12, size, 0.25)
    assert shared_directions(features, topics, ClusterConfig()) is None


def test_equal_pictures_teach_nothing() -> None:
    features, topics, _ = looks(3, 60, 0.25)
    features[:] = features[0]
    assert shared_directions(features, topics, ClusterConfig()) is None
    assert shared_directions(features, topics, ClusterConfig(directions=None)) is None


def test_pictures_that_do_not_vary_within_groups_teach_nothing() -> None:
    rows = np.eye(64, dtype=np.float32)[np.random.default_rng(0).integers(0, 5, 200)]
    assert shared_directions(rows, [np.arange(100), np.arange(100, 200)], ClusterConfig()) is None
