"""How many tasks there are: the same numbers as when all of them are written down."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from gram_core.hierarchy import Hierarchy
from gram_core.meta import TaskConfig, TaskSampler
from gram_core.meta.statistics import TaskStatistics, statistics
from tests.meta.conftest import MakeHierarchy


def written_down(sampler: TaskSampler) -> int:
    """The number of different largest tasks, counted one by one."""
    config = sampler.config
    ways, unseen_ways = sampler.largest()
    every = range(len(sampler.topics))
    count = 0
    pools: set[tuple[int, ...]] = {tuple(every)}
    if config.kinship == 1:
        pools = {tuple(sorted(row[: ways + unseen_ways])) for row in sampler.neighbours.tolist()}
    for pool in pools:
        for seen in combinations(pool, ways):
            for unseen in combinations(sorted(set(pool) - set(seen)), unseen_ways):
                product = 1
                for row in seen:
                    topic = sampler.topics[row]
                    parts = topic.domains if config.domain_shift else (topic.members,)
                    supports = [s for part in parts for s in combinations(part, config.shots)]
                    product *= sum(
                        len(list(combinations(set(topic.members) - set(support), config.queries)))
                        for support in supports
                    )
                for row in unseen:
                    members = sampler.topics[row].members
                    product *= len(list(combinations(members, config.queries)))
                count += product
    return count


@pytest.mark.parametrize("shift", [True, False])
@pytest.mark.parametrize(
    ("ways", "unseen", "kinship"), [(2, 2, 0), (2, 0, 0), (3, 2, 1), (4, 4, 0)]
)
def test_as_many_as_can_be_written_down(
    ways: int, unseen: int, kinship: float, shift: bool, make_hierarchy: MakeHierarchy
) -> None:
    hierarchy = make_hierarchy(("dog", "cat", "cow", "hen", "pig", "fox", "owl"), domains=2, size=3)
    config = TaskConfig(ways, unseen, 2, 2, 2, domain_shift=shift, kinship=float(kinship))
    sampler = TaskSampler(hierarchy, config, 0)
    found = statistics(sampler)
    assert (found.ways, found.unseen_ways) == sampler.largest()
    assert found.log10_tasks == pytest.approx(math.log10(written_down(sampler)), abs=1e-9)
    supports = 2 * math.comb(3, 2) if shift else math.comb(6, 2)
    np.testing.assert_allclose(found.log10_supports, math.log10(supports))
    assert (found.topics, found.pairs) == (7, 42)


def test_the_sampler_stays_as_it_was_and_what_is_left_out_is_said(hierarchy: Hierarchy) -> None:
    config = TaskConfig(ways=3, unseen_ways=3, shots=4, queries=5, exclude=("dog",))
    sampler = TaskSampler(hierarchy, config, 0)
    before = sampler.state()
    found = statistics(sampler)
    assert sampler.state() == before
    assert found.left_out == {"dog": "its word is excluded"}
    assert found.topics == len(hierarchy.topics) - 1


@pytest.mark.parametrize(
    ("log", "unseen", "words"),
    [
        (214.3, 10, "about 10^214 different tasks of 10 + 10 classes"),
        (math.log10(1234), 0, "about 1,234 different tasks of 10 classes"),
    ],
)
def test_in_words(log: float, unseen: int, words: str) -> None:
    assert TaskStatistics(20, 99, {}, 10, unseen, log, ()).in_words() == words
