"""Topics by words: what is named alike comes together, and captions go where their words are."""

from __future__ import annotations

import numpy as np
import pytest

from gram_core.hierarchy.refinement import Bag, compact, merge_by_word, move, refine
from gram_core.hierarchy.words import terms, tf_idf, word_scores

CAPTIONS = [
    "an owl at night",
    "owls at night",
    "the owl in a tree",
    "a boat at sea",
    "boats on the sea",
    "a boat in the harbour",
    "a boat",
    "a train on rails",
    "trains on rails",
    "a train",
    "a cat sleeps",
    "a cat",
    "something else",
]


def bag(phrases: int = 1) -> Bag:
    return Bag(CAPTIONS, {"a", "an", "at", "the", "in", "on"}, phrases)


def labels(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_scores_are_those_of_eq_3_by_hand() -> None:
    # two clusters: "x x y" and "y z": rarity log(2 / 2) of x and z, log(2 / 3) of y
    counts, totals = np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 1.0]]), np.array([3.0, 2.0])
    low = np.log(2 / 3)
    wanted = [[0.0, low / 3, 0.0], [0.0, low / 2, 0.0]]
    np.testing.assert_allclose(word_scores(counts, totals), wanted)


def test_a_bag_scores_as_the_plain_form_does() -> None:
    groups = labels(0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3)
    found = bag().scores(groups)
    plain = tf_idf(
        [[w for n in np.flatnonzero(groups == g) for w in terms(CAPTIONS[n])] for g in range(4)]
    )
    for row, scores in enumerate(plain):
        for column, word in enumerate(bag().words):
            assert found[row, column] == pytest.approx(scores.get(word, 0.0))
    assert "the" not in bag().words


def test_clusters_of_one_best_word_become_one_topic() -> None:
    groups = labels(0, 1, 0, 2, 3, 2, 2, 4, 5, 4, 6, 6, 7)
    merged = merge_by_word(groups, bag())  # owl and owls, boat and boats, train and trains
    assert merged.tolist() == [1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 3, 3, 4]


def test_a_caption_moves_to_the_topic_of_its_words() -> None:
    groups = labels(0, 0, 0, 1, 1, 1, 0, 2, 2, 2, 3, 3, -1)  # a boat among the owls
    moved = move(groups, bag())
    assert moved.tolist() == [0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, -1]  # the last shares no word
    only = np.zeros(len(CAPTIONS), dtype=bool)
    assert np.array_equal(move(groups, bag(), only), groups)


def test_refining_ends_where_nothing_moves_and_is_then_still() -> None:
    found = refine(labels(0, 1, 0, 2, 3, 2, 0, 4, 4, 4, 5, 5, -1), bag(), 10, 2)
    assert found.tolist() == [1, 1, 1, 0, 0, 0, 0, 2, 2, 2, 3, 3, -1]
    assert np.array_equal(refine(found, bag(), 10, 2), found)
    # the numbers of the clusters do not matter
    other = refine(labels(3, 0, 3, 1, 2, 1, 3, 4, 4, 4, 5, 5, -1), bag(), 10, 2)
    assert np.array_equal(other, found)


def test_topics_are_numbered_by_size_and_small_ones_dissolve() -> None:
    assert compact(labels(5, 5, 2, 2, 2, -1, 9)).tolist() == [1, 1, 0, 0, 0, -1, 2]
    assert compact(labels(5, 5, 2, 2, 2, -1, 9), smallest=2).tolist() == [1, 1, 0, 0, 0, -1, -1]
    assert compact(labels(-1, -1)).tolist() == [-1, -1]


def test_phrases_are_words_too() -> None:
    single = ["a", "red", "fire", "truck", "the", "truck"]
    assert terms("a red fire truck\nthe truck") == single
    assert terms("a red fire truck\nthe truck", 2) == [*single, "red fire", "fire truck"]
    longer = ["big red", "red fire", "fire truck", "big red fire", "red fire truck"]
    assert terms("big red fire truck", 3)[4:] == longer
    assert "owl night" not in bag(2).words  # not over "at"
    assert Bag(["fire truck"] * 2, {"fire", "truck"}, 2).words == ["fire truck"]


def test_captions_of_stop_words_alone_are_left_as_they_are() -> None:
    empty = Bag(["a", "the a"], {"a", "the"})
    assert refine(labels(0, 1), empty, 5, 1).tolist() == [0, 1]


def test_words_that_say_nothing_bring_no_clusters_together() -> None:
    """What all clusters say scores below zero, and is no reason."""
    assert merge_by_word(labels(0, 1), Bag(["a boat"] * 2, {"a"})).tolist() == [0, 1]


def test_captions_without_a_word_are_left_as_they_are() -> None:
    numbers = Bag(["1", "2", "3"], ())
    assert numbers.words == []
    assert refine(labels(0, 0, 1), numbers, 5, 1).tolist() == [0, 0, 1]


def test_three_forms_of_a_word_make_one_topic() -> None:
    """Each of a chain of clusters joins the one that the last of them joined."""
    said = Bag(["a leaf falls", "leaves fall", "leave it", "an owl", "an owl", "cat"], {"a", "an"})
    merged = merge_by_word(labels(0, 1, 2, 3, 3, 4), said)
    assert merged[0] == merged[1]
    assert len(set(merged[3:].tolist())) == 2
