"""Domains are the groups that are to be seen, never smaller than asked for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from gram_core.hierarchy import ClusterConfig
from gram_core.hierarchy.domains import find_domains


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
