"""What topics are called: each by its best word (Eq. 3), none by another's."""

from __future__ import annotations

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

    Of equal words the one that comes first in the captions comes first.
    """
    texts = [[word for text in topic for word in terms(text, config.phrases)] for topic in captions]
    ranked = ranked_words(tf_idf(texts), stop_words(config))
    return list(zip(choose_words(ranked), ranked, strict=True))
