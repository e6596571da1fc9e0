"""The words of topics: how much a word says about one cluster of captions among all (Eq. 3)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence

#: What captions say whatever is in the picture.
CAPTION_WORDS: tuple[str, ...] = (
    "background", "close", "closeup", "image", "images", "look", "looking", "photo",
    "photograph", "photographs", "photography", "photos", "pic", "pics", "picture", "pictured",
    "pictures", "royalty", "scene", "seen", "shot", "shows", "showing", "snapshot", "stock",
    "view", "views",
)  # fmt: skip


def tokens(text: str) -> list[str]:
    """The words of a text: runs of letters, in lower case; numbers and punctuation part them."""
    return re.findall(r"[^\W\d_]+", text.lower())


def tf_idf(clusters: Sequence[Sequence[str]]) -> list[dict[str, float]]:
    """How much each word says about each of L clusters, Eq. 3: N_wl / N_l · log(L / (L_w + 1)).

    N_wl is how often the word occurs in the cluster, N_l how many words the cluster has, L_w in
    how many clusters the word occurs. A word that all clusters have scores below zero.

    Args:
        clusters: the words of all texts of each cluster, one after another.

    Returns:
        For each cluster word -> score, in the order in which the words first occur.
    """
    counts = [Counter(words) for words in clusters]
    spread = Counter(word for count in counts for word in count)
    rarity = {word: math.log(len(clusters) / (number + 1)) for word, number in spread.items()}
    return [
        {word: number / count.total() * rarity[word] for word, number in count.items()}
        for count in counts
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
        words = [item for item in cluster.items() if item[0] not in stop and len(item[0]) > 1]
        result.append(tuple(sorted(words, key=lambda item: -item[1])))
    return result


def choose_words(candidates: Sequence[Sequence[tuple[str, float]]]) -> list[str | None]:
    """One word for each cluster, none twice: its best that no cluster of larger score took.

    A word and its plural in -s count as one. None for a cluster whose candidates were all taken.
    """
    offers = [
        (-score, rank, cluster, word)
        for cluster, words in enumerate(candidates)
        for rank, (word, score) in enumerate(words)
    ]
    chosen: list[str | None] = [None] * len(candidates)
    taken: set[str] = set()
    for _, _, cluster, word in sorted(offers):
        if chosen[cluster] is None and word.removesuffix("s") not in taken:
            chosen[cluster] = word
            taken.add(word.removesuffix("s"))
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
