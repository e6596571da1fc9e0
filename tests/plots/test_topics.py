"""The tree of topics in its three forms, and their pictures and scores: what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gram_core import plots
from gram_core.corpus import open_corpus
from gram_core.hierarchy import Hierarchy
from gram_core.hierarchy.hierarchy import Description
from gram_core.plots.topics import MOST_BARS, MOST_TOPICS
from gram_core.workspace import Workspace
from tests.test_plots import small_hierarchy


def many_topics(count: int) -> Hierarchy:
    """Topics of 1, 2, 3 … pairs, each a single domain, the largest first."""
    one = small_hierarchy(1).topics[0]
    sizes = range(count, 0, -1)
    starts = np.cumsum([0, *sizes])
    topics = []
    for id, (start, size) in enumerate(zip(starts, sizes, strict=False)):
        members = np.arange(start, start + size)
        topics.append(replace(one, id=id, word=f"word {id}", members=members, domains=(members,)))
    pairs = int(starts[-1])
    place = np.random.default_rng(0).normal(size=(pairs, 2)).astype(np.float32)
    return replace(
        small_hierarchy(1),
        topics=tuple(topics),
        similarity=np.ones(pairs, dtype=np.float32),
        kept=np.ones(pairs, dtype=bool),
        position=place,
    )


@pytest.mark.parametrize("form", list(plots.TREES))
def test_the_sizes_of_parts_add_up_in_every_form(form: str) -> None:
    hierarchy = small_hierarchy()
    trace = plots.TREES[form](hierarchy, plots.topic_hues(hierarchy)).data[0]
    value = dict(zip(trace.ids, trace.values, strict=True))
    assert value["all"] == 60
    for node in trace.ids:
        children = [
            size
            for id, size, parent in zip(trace.ids, trace.values, trace.parents, strict=True)
            if parent == node
        ]
        assert not children or sum(children) == value[node]
    assert plots.parse_node("t3/d2") == (3, 1)


@pytest.mark.parametrize(("form", "most"), [("treemap", MOST_TOPICS), ("icicle", MOST_BARS)])
def test_of_many_topics_the_smallest_are_one_part(form: str, most: int) -> None:
    hierarchy = many_topics(70)
    trace = plots.TREES[form](hierarchy, plots.topic_hues(hierarchy), selected=69).data[0]
    value = dict(zip(trace.ids, trace.values, strict=True))
    drawn = [node for node in trace.ids if plots.parse_node(node)[0] is not None]
    assert len({plots.parse_node(node)[0] for node in drawn}) == most
    assert {"t0", "t69"} <= set(trace.ids), "the largest, and the one that was chosen"
    assert "t68" not in trace.ids
    assert value["all"] == len(hierarchy)
    assert sum(value[node] for node in drawn if "/" not in node) + value["other"] == value["all"]
    assert plots.parse_node("other") == (None, None)


def test_neighbouring_hues_differ_in_lightness() -> None:
    colours = plots.topic_colours({id: 45.0 * id for id in range(8)})
    sums = [sum(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for colour in colours.values()]
    assert all(abs(a - b) > 20 for a, b in pairwise(sums))


def described(central: Sequence[int], typical: Sequence[int]) -> Description:
    return Description(tuple(central), tuple(typical), (("red", 1.0),), 0.5, 0.2, 0.3, ("#ff0000",))


def test_a_domain_shows_its_described_pictures_else_some_spread_over_it() -> None:
    topic = small_hierarchy().topics[0]
    assert plots.shown_pairs(topic, 0, 3) == [0, 2, 5]
    about = (described([4, 3, 2, 1], [5, 4]), described([9], [8]))
    topic = replace(topic, descriptions=about)
    assert plots.shown_pairs(topic, 0, 3) == [4, 3, 2]
    assert plots.shown_pairs(topic, 0, 3, "typical") == [5, 4]
    assert plots.shown_pairs(topic, 1, 3) == [9]


def test_strips_hold_the_pictures_themselves(tmp_path: Path) -> None:
    corpus = open_corpus(Workspace(tmp_path), "bundled", 60)
    topic = small_hierarchy().topics[0]
    figure = plots.domain_strips(topic, corpus, count=4, size=32)
    sheet = np.asarray(figure.data[0].z)
    assert sheet.shape[0] == 36 * len(topic.domains)
    first = np.asarray(corpus.image(0).resize((32, 32)))
    assert np.abs(sheet[:32, :32, :3].astype(int) - first).mean() < 12
    assert figure.layout.yaxis.ticktext == ("domain 1 (6)", "domain 2 (4)")


def test_every_pair_is_in_the_histogram_once() -> None:
    similarity = np.random.default_rng(0).uniform(0, 1, 500).astype(np.float32)
    kept = similarity > 0.3
    figure = plots.similarity_histogram(similarity, kept, 0.3)
    count = {trace.name: sum(trace.y) for trace in figure.data}
    assert count == {"kept": kept.sum(), "left out": (~kept).sum()}
    assert figure.layout.shapes[0].x0 == 0.3


def test_measures_lie_within_their_ranges_and_unknown_ones_are_left_out() -> None:
    quality = {"coherence": 0.0, "outliers": 0.25, "someone's own": 3.0}
    line, dot = plots.quality_figure(quality).data
    assert list(dot.y) == ["coherence", "outliers"]
    assert list(dot.x) == [0.5, 0.25], "coherence goes from -1 to 1"
    assert list(line.x) == [1, 1]


def test_coherence_is_drawn_for_the_topics_that_have_one() -> None:
    hierarchy = small_hierarchy()
    topics = tuple(
        replace(topic, coherence=None if topic.id == 2 else topic.id / 10)
        for topic in hierarchy.topics
    )
    trace: Any = plots.coherence_figure(replace(hierarchy, topics=topics)).data[0]
    assert [data[0] for data in trace.customdata] == [0, 1, 3, 4, 5]
    assert list(trace.y) == [0.0, 0.1, 0.3, 0.4, 0.5]
