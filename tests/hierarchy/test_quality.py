"""Measures of quality are what their equations say, and know nothing of order or numbering."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gram_core.corpus import BUNDLED, Corpus, open_corpus
from gram_core.hierarchy import Hierarchy, Topic
from gram_core.hierarchy.quality import (
    Truth,
    balance,
    coherence,
    judge,
    mutual_information,
    purity,
    stability,
    truth_of,
)
from gram_core.workspace import Workspace

TEXTS = [
    "red traffic light",
    "Traffic light!",
    "traffic",
    "light traffic",
    "a lake",
    "a lake",
    "sea",
    "sea",
]


def test_coherence_by_hand() -> None:
    # of 8 texts traffic is in 4, light in 3, both in 3
    together = math.log(3 / 8 / (4 / 8 * 3 / 8)) / -math.log(3 / 8)
    # red is in 1 of them, as are red and traffic
    alone = math.log(1 / 8 / (1 / 8 * 4 / 8)) / -math.log(1 / 8)
    assert coherence([["traffic", "light"], ["traffic", "red"]], TEXTS) == pytest.approx(
        [together, alone]
    )
    three = coherence([["light", "traffic", "lake"]], TEXTS)
    assert three == pytest.approx([(together - 1 - 1) / 3])


def test_coherence_at_its_ends() -> None:
    assert coherence([["lake", "sea"]], TEXTS) == [-1.0]
    assert coherence([["lake", "not there"]], TEXTS) == [-1.0]
    assert coherence([["day", "night"]], ["day night", "night day", "noon"]) == [pytest.approx(1)]
    assert coherence([["day", "night"]], ["day night", "night day"]) == [1.0]
    crossed = ["day sun", "day moon", "night sun", "night moon"]
    assert coherence([["day", "sun"]], crossed) == [pytest.approx(0)]
    assert coherence([["day"], []], crossed) == [None, None]


def test_coherence_takes_phrases_where_their_words_follow_each_other() -> None:
    # "traffic light" is in 2 of 8 texts, and with red in 1
    expected = math.log(1 / 8 / (2 / 8 * 1 / 8)) / -math.log(1 / 8)
    assert coherence([["traffic light", "red"]], TEXTS) == pytest.approx([expected])
    assert coherence([["traffic light", "red", "light"]], TEXTS) == pytest.approx(
        [(expected + coherence([["red", "light"]], TEXTS)[0]) / 2]  # type: ignore[operator]
    )
    assert coherence([["traffic", "traffic light"]], TEXTS) == [None]


def test_coherence_is_that_of_the_ten_best_words_in_any_order_of_texts() -> None:
    words = ["traffic", "light", "red", *(f"other {n}" for n in range(7))]
    whole = coherence([words], TEXTS)
    assert coherence([[*words, "lake", "sea"]], TEXTS) == whole
    assert coherence([words[::-1]], TEXTS[::-1]) == pytest.approx(whole)


def test_balance() -> None:
    assert balance([7, 7, 7]) == pytest.approx(1)
    assert balance([3, 1]) == pytest.approx(2 - 0.75 * math.log2(3))
    assert balance([9]) is None


def test_stability() -> None:
    one = np.array([0, 0, 1, 1, 2, -1])
    renamed = np.array([2, 2, 0, 0, 1, 1])
    assert stability([one, renamed]) == (1.0, pytest.approx(5 / 6))
    # of the six twos of four pairs, one labelling joins {01, 23} and the other {02, 13}:
    # they agree on none, chance alone on 2 · 2 / 6, and (0 - 2/3) / (2 - 2/3) is -1/2
    crossed = [np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])]
    assert stability(crossed) == (pytest.approx(-0.5), 1.0)
    same = [crossed[0]] * 2
    assert stability([*same, crossed[1]])[0] == pytest.approx((1 - 0.5 - 0.5) / 3)
    assert stability([np.array([0, -1]), np.array([-1, 0])]) == (0.0, 0.0)


def test_purity_by_hand() -> None:
    truth = np.array(["cat", "cat", "dog", "dog", "dog", "cow", "cow"])
    labels = np.array([0, 0, 0, 1, 1, 1, -1])
    assert purity(labels, truth) == pytest.approx(4 / 6)
    assert purity(1 - np.abs(labels), truth) != purity(labels, truth)
    assert purity(np.full(7, -1), truth) == 0.0


def test_mutual_information_by_hand() -> None:
    truth = np.array(["cat", "cat", "dog", "dog", "cow"])
    # two labels of two halves, one truth within the first: 2 H of ln 2 and 1.5 ln 2
    labels = np.array([0, 0, 1, 1, -1])
    assert mutual_information(labels, truth) == pytest.approx(1)
    assert mutual_information(np.array([0, 1, 0, 1, -1]), truth) == pytest.approx(0)
    split = np.array([0, 0, 1, 2, -1])
    assert mutual_information(split, truth) == pytest.approx(2 * 1 / (1.5 + 1))
    assert mutual_information(np.full(5, -1), truth) == 0.0


def test_names_and_order_do_not_count() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 4, 60)
    labels = np.where(generator.random(60) < 0.6, truth, generator.integers(-1, 4, 60))
    order, names = generator.permutation(60), generator.permutation(4)
    renamed = np.where(labels < 0, -1, names[labels])[order]
    for measure in (purity, mutual_information):
        expected = measure(labels, truth)
        assert measure(renamed, truth[order].astype(str)) == pytest.approx(expected)
        assert 0 < expected < 1


def made(**values: Any) -> Hierarchy:
    """Ten pairs: 0 to 5 and 6 to 7 in topics, 8 in none, 9 left out by the filter."""
    domains = (np.arange(3), np.arange(3, 6))
    words = (("traffic", 2.0), ("light", 1.0))
    topics = (
        Topic(0, "traffic", words, np.arange(6), domains, silhouette=0.4),
        Topic(1, "sea", (("sea", 1.0),), np.arange(6, 8), (np.arange(6, 8),)),
    )
    return Hierarchy(
        id="made",
        corpus="made",
        backbone_name="none",
        fingerprint="",
        config={},
        topics=topics,
        similarity=np.zeros(10, dtype=np.float32),
        kept=np.arange(10) < 9,
        position=np.zeros((10, 2), dtype=np.float32),
        centroids=np.zeros((2, 3), dtype=np.float32),
        **values,
    )


CAPTIONS = [*TEXTS, "sea", "traffic"]


def test_a_hierarchy_judged_without_the_truth() -> None:
    found = judge(made(), CAPTIONS)
    expected = coherence([["traffic", "light"]], CAPTIONS)[0]
    assert found == pytest.approx(
        {
            "outliers": 1 / 9,
            "coverage": 0.8,
            "coherence": expected,
            "silhouette": 0.4,
            "balance": 1.0,
        }
    )


def test_a_hierarchy_judged_by_the_truth() -> None:
    concept = np.array(["bus"] * 6 + ["sea"] * 2 + ["bus"] * 2)
    style = np.array(["photo"] * 3 + ["sketch"] * 3 + ["photo", "sketch"] + ["photo"] * 2)
    found = judge(made(), CAPTIONS, Truth(concept, style))
    assert found["topic purity"] == found["topic NMI"] == pytest.approx(1)
    # topic 0, of 6 pairs, tells the styles apart; topic 1, of 2 pairs, has one domain
    assert found["domain NMI"] == pytest.approx((6 * 1 + 2 * 0) / 8)
    assert found["domain purity"] == pytest.approx((6 * 1 + 2 * 0.5) / 8)
    assert judge(made(), CAPTIONS, Truth(style=style)).keys() == (
        found.keys() - {"topic purity", "topic NMI"}
    )
    assert all(type(value) is float and math.isfinite(value) for value in found.values())


def test_the_truth_about_the_bundled_corpus(workspace: Workspace) -> None:
    corpus = open_corpus(workspace, limit=500)
    truth = truth_of(corpus)
    assert truth is not None
    assert truth.concept is not None
    assert truth.style is not None
    assert len(truth.concept) == len(truth.style) == 500
    # captions name what the picture shows, where they name it at all
    named = [row for row in range(500) if f" {truth.concept[row]} " in f" {corpus.captions[row]} "]
    strange = np.roll(truth.concept, 1)
    assert len(named) > 5 * sum(
        f" {strange[row]} " in f" {corpus.captions[row]} " for row in range(500)
    )


def test_other_corpora_have_no_truth(corpus: Corpus) -> None:
    assert truth_of(corpus) is None
    assert truth_of(SimpleNamespace(files=(BUNDLED.parent / "pairs.parquet",))) is None  # type: ignore[arg-type]
