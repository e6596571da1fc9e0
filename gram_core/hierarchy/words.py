"""The words of topics: how much a word says about one cluster of captions among all (Eq. 3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from functools import cache
from unicodedata import normalize

import numpy as np
import regex
from numpy.typing import NDArray

from gram_core.names import forms

#: What captions say whatever is in the picture.
CAPTION_WORDS: tuple[str, ...] = (
    "background", "close", "closeup", "image", "images", "look", "looking", "photo",
    "photograph", "photographs", "photography", "photos", "pic", "pics", "picture", "pictured",
    "pictures", "royalty", "scene", "seen", "shot", "shows", "showing", "snapshot", "stock",
    "view", "views",
)  # fmt: skip


FIRST_IDEOGRAPH = "\u2e80"  # of the Chinese, Japanese and Korean blocks
#: In scikit-learn's list of English stop words, and yet to be seen in pictures.
VISIBLE = frozenset(("bill", "cry", "empty", "fire", "mill", "system", "thick", "thin"))


@cache
def grammar_words() -> frozenset[str]:
    """The words of English grammar, which name nothing: the, is, seem …"""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS) - VISIBLE


def tokens(text: str) -> list[str]:
    """The words of a text in any script: letters and the marks on them, in lower case; numbers
    and punctuation part them."""
    return regex.findall(r"\p{L}[\p{L}\p{M}]*", normalize("NFC", text).lower())


def is_word(text: str) -> bool:
    """Whether it may be a name: a single letter is none, but a single ideograph is."""
    return len(text) > 1 or text >= FIRST_IDEOGRAPH


def terms(text: str, phrases: int = 1) -> list[str]:
    """The words of a text, and with `phrases` above 1 also what up to so many words in a row say
    together: phrases do not go over the end of a line, nor over words of English grammar."""
    words = tokens(text)
    if phrases == 1:
        return words
    found = list(words)
    for line in text.splitlines():
        words = tokens(line)
        for length in range(2, phrases + 1):
            for start in range(len(words) - length + 1):
                phrase = words[start : start + length]
                if not grammar_words().intersection(phrase):
                    found.append(" ".join(phrase))
    return found


def word_scores(counts: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """(L, V) how much each of V words says about each of L clusters, Eq. 3:
    N_wl / N_l · log(L / (L_w + 1)).

    N_wl (`counts`, (L, V)) is how often the word occurs in the cluster, N_l (`totals`, (L,)) how
    many words the cluster has, L_w in how many clusters the word occurs. A word that all clusters
    have scores below zero.
    """
    rarity = np.log(len(counts) / ((counts > 0).sum(axis=0) + 1))
    return counts / np.maximum(totals, 1)[:, None] * rarity


def tf_idf(clusters: Sequence[Sequence[str]]) -> list[dict[str, float]]:
    """For each of L clusters, given as its words, word -> score by Eq. 3 (`word_scores`), in the
    order in which the words first occur."""
    counts = [Counter(words) for words in clusters]
    spread = Counter(word for count in counts for word in count)
    place = {word: number for number, word in enumerate(spread)}
    matrix = np.zeros((len(clusters), len(spread)))
    for row, count in enumerate(counts):
        matrix[row, [place[word] for word in count]] = list(count.values())
    scores = word_scores(matrix, matrix.sum(axis=1))
    return [
        {word: float(scores[row, place[word]]) for word in count}
        for row, count in enumerate(counts)
    ]


def ranked_words(
    scores: Sequence[dict[str, float]], stop_words: Collection[str]
) -> list[tuple[tuple[str, float], ...]]:
    """The words of each cluster with their scores, best first, without stop words.

    Of equal words the one that occurs first comes first. Single letters are no words.
    """
    stop = frozenset(stop_words)
    result = []
    for cluster in scores:
        words = [item for item in cluster.items() if item[0] not in stop and is_word(item[0])]
        result.append(tuple(sorted(words, key=lambda item: -item[1])))
    return result


def choose_words(candidates: Sequence[Sequence[tuple[str, float]]]) -> list[str | None]:
    """One word for each cluster, none twice: its best that no cluster of larger score took.

    A word and its plural count as one. None for a cluster whose candidates were all taken.
    """
    offers = [
        (-score, rank, cluster, word)
        for cluster, words in enumerate(candidates)
        for rank, (word, score) in enumerate(words)
    ]
    chosen: list[str | None] = [None] * len(candidates)
    taken: set[str] = set()
    for _, _, cluster, word in sorted(offers):
        if chosen[cluster] is None and not taken & (named := forms(word)):
            chosen[cluster] = word
            taken |= named
    return chosen


def unclear(word: str | None, candidates: Sequence[tuple[str, float]], share: float) -> str | None:
    """Why a chosen word does not tell what its topic is; None if it does.

    A topic whose best words were all taken is left with one that is rare in it: pictures of it
    would be a class under a wrong name.
    """
    if word is None:
        return "no word of its own"
    best, score = candidates[0]
    if word != best and dict(candidates)[word] < share * score:
        return f"its best word, {best}, names another topic"
    return None
