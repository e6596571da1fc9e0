"""What topics are called: each by its best word (Eq. 3), none by another's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gram_core.hierarchy.config import ClusterConfig
from gram_core.hierarchy.words import choose_words, grammar_words, ranked_words, terms, tf_idf

#: The word that names a topic, if one is left for it, and all its words with their scores.
Named = tuple[str | None, tuple[tuple[str, float], ...]]


def stop_words(config: ClusterConfig) -> frozenset[str]:
    """The words that never name a topic."""
    return grammar_words() | frozenset(config.stop_words)


def name_topics(captions: Sequence[Sequence[str]], config: ClusterConfig) -> list[Named]:
    """For each topic, given as its captions, a word of its own and all its words, best first.

    Of words that score the same (with two topics all that one has alone do) the most frequent
    comes first, then the one that occurs first in the captions.
    """
    texts = [[word for text in topic for word in terms(text, config.phrases)] for topic in captions]
    scores = [
        {word: score[word] for word, _ in Counter(text).most_common()}
        for text, score in zip(texts, tf_idf(texts), strict=True)
    ]
    ranked = ranked_words(scores, stop_words(config))
    return list(zip(choose_words(ranked), ranked, strict=True))
