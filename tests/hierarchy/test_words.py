"""Eq. 3 by hand, and words that name one topic each."""

from __future__ import annotations

from math import log

import pytest

from gram_core.hierarchy import ClusterConfig, tf_idf
from gram_core.hierarchy.naming import name_topics
from gram_core.hierarchy.words import choose_words, ranked_words, tokens, unclear


def test_eq_3_by_hand() -> None:
    # three clusters of 4, 2 and 3 words; "a" is in all, "dog" in two, "cat" and "fish" in one
    scores = tf_idf([["a", "dog", "dog", "a"], ["a", "cat"], ["fish", "dog", "a"]])
    assert scores[0] == pytest.approx({"a": 2 / 4 * log(3 / 4), "dog": 2 / 4 * log(3 / 3)})
    assert scores[1] == pytest.approx({"a": 1 / 2 * log(3 / 4), "cat": 1 / 2 * log(3 / 2)})
    assert scores[2] == pytest.approx(
        {"fish": 1 / 3 * log(3 / 2), "dog": 1 / 3 * log(3 / 3), "a": 1 / 3 * log(3 / 4)}
    )


def test_eq_3_weighs_a_word_by_its_share_of_the_cluster() -> None:
    one, two, *_ = tf_idf([["x"] * 3 + ["y"], ["z"] * 30 + ["w"] * 10, ["v"], ["u"]])
    assert one["x"] == pytest.approx(two["z"]) == pytest.approx(0.75 * log(4 / 2))
    assert two["w"] == pytest.approx(0.25 * log(2))


def test_a_cluster_without_words_has_no_scores() -> None:
    assert tf_idf([[], ["dog"]]) == [{}, {"dog": pytest.approx(0.0)}]


def test_words_are_letters_in_lower_case() -> None:
    assert tokens("A Dog's life, 2 CATS & the Größe_x") == [
        *("a", "dog", "s", "life", "cats", "the", "größe", "x")
    ]


def test_stop_words_and_letters_are_left_out_and_ties_keep_their_order() -> None:
    scores = [{"the": 9.0, "s": 8.0, "zebra": 1.0, "ant": 1.0, "bee": 2.0}]
    assert ranked_words(scores, {"the"}) == [(("bee", 2.0), ("zebra", 1.0), ("ant", 1.0))]


def test_a_word_goes_to_the_topic_of_the_larger_score() -> None:
    candidates = [
        [("dog", 0.4), ("terrier", 0.3)],
        [("dog", 0.5), ("wolf", 0.1)],
        [("dogs", 0.45), ("terrier", 0.2), ("hound", 0.1)],
    ]
    assert choose_words(candidates) == ["terrier", "dog", "hound"]


def test_a_topic_may_be_left_without_a_word() -> None:
    assert choose_words([[("dog", 0.5)], [("dog", 0.4)], []]) == ["dog", None, None]


def test_a_word_that_is_rare_in_its_topic_does_not_tell_what_it_is() -> None:
    candidates = [("dog", 0.4), ("terrier", 0.25), ("grass", 0.1)]
    assert unclear("dog", candidates, 0.5) is None
    assert unclear("terrier", candidates, 0.5) is None
    assert unclear("grass", candidates, 0.5) == "its best word, dog, names another topic"
    assert unclear("grass", candidates, 0.0) is None
    assert unclear(None, [], 0.5) == "no word of its own"
    assert unclear("dog", [("dog", 0.0)], 0.5) is None
    assert unclear("dog", [("dog", -0.1)], 0.5) is None


def test_two_topics_are_named_by_their_most_frequent_words() -> None:
    """By Eq. 3 each word that one of two topics has alone scores log(2 / 2): nothing."""
    captions = [["a red car", "a fast car", "a car"], ["an old tree", "a tree", "the tree"]]
    named = name_topics(captions, ClusterConfig())
    assert [word for word, _ in named] == ["car", "tree"]
    assert named[0][1][0] == ("car", 0.0)


def test_accents_that_stand_alone_do_not_cut_a_word() -> None:
    assert tokens("Zu\u0308rich am Abend") == ["zürich", "am", "abend"]


def test_words_of_every_script_are_whole() -> None:
    assert tokens("बिल्ली और कुत्ता") == ["बिल्ली", "और", "कुत्ता"]
    assert tokens("собака-поводырь, 2 кошки") == ["собака", "поводырь", "кошки"]
    ranked = ranked_words([{"猫": 1.0, "x": 2.0, "犬小屋": 0.5}], ())
    assert ranked == [(("猫", 1.0), ("犬小屋", 0.5))]
