"""Clusters of captions to topics by their words: what is named alike is one topic (Eq. 3).

Sentence embeddings find small clusters of captions that say the same, and several of them for one
thing: a snail, two snails, a snail in the snow. Their words tell which belong together.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gram_core.hierarchy.words import is_word, terms, word_scores
from gram_core.names import forms

Labels = NDArray[np.int64]
BLOCK = 8192  # captions that are compared with all topics at once


class Bag:
    """How often each word occurs in each of n captions.

    Attributes:
        words: (V,) the words that may name a topic: no stop words, nor phrases of one caption.
        counts: sparse (n, V).
        totals: (n,) all words of each caption, stop words among them.
    """

    def __init__(
        self, captions: Sequence[str], stop_words: Collection[str], phrases: int = 1
    ) -> None:
        from scipy.sparse import csr_matrix
        from sklearn.feature_extraction.text import CountVectorizer

        counter = CountVectorizer(analyzer=lambda text: terms(text, phrases))
        try:
            counts = csr_matrix(counter.fit_transform(captions))
            words = counter.get_feature_names_out()
        except ValueError:  # no caption has a word
            counts, words = csr_matrix((len(captions), 0)), np.array([], dtype=object)
        stop = frozenset(stop_words)
        captions_of = np.bincount(counts.indices, minlength=len(words))
        naming = [
            row
            for row, word in enumerate(words)
            if is_word(word) and word not in stop and (captions_of[row] > 1 or " " not in word)
        ]
        self.words: list[str] = words[naming].tolist()
        self.counts = counts[:, naming]
        self.totals = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()

    def scores(self, labels: Labels) -> NDArray[np.float64]:
        """(L, V) Eq. 3 for the clusters 0 to L - 1 of labels (n,); -1 is none."""
        members = _members(labels)
        return word_scores((members @ self.counts).toarray(), members @ self.totals)


def refine(labels: Labels, bag: Bag, rounds: int, smallest: int) -> Labels:
    """(n,) topics made of clusters (n,): the largest is 0, none is -1.

    Clusters whose best word is the same become one; then every caption moves to the topic of whose
    words it has most, weighed by Eq. 3, and topics of fewer than `smallest` captions dissolve:
    until none moves, or for so many rounds. Captions that share no word with any topic stay.
    """
    labels = merge_by_word(compact(labels), bag)
    for _ in range(rounds):
        moved = merge_by_word(compact(move(labels, bag), smallest), bag)
        if np.array_equal(moved, labels) or moved.max() < 1:
            break
        labels = moved
    return labels


def move(labels: Labels, bag: Bag, only: NDArray[np.bool_] | None = None) -> Labels:
    """(n,) the labels after each caption, or `only` some, moved to the topic of its words."""
    if labels.max() < 0:
        return labels
    scores = bag.scores(labels).T
    best, height = np.empty_like(labels), np.empty(len(labels))
    for start in range(0, len(labels), BLOCK):
        rows = slice(start, start + BLOCK)
        fit = np.asarray(bag.counts[rows] @ scores)
        best[rows], height[rows] = fit.argmax(axis=1), fit.max(axis=1)
    moving = height > 0
    if only is not None:
        moving &= only
    return np.where(moving, best, labels)


def merge_by_word(labels: Labels, bag: Bag) -> Labels:
    """(n,) the labels after clusters of the same best word, singular or plural, became one."""
    if labels.max() < 1 or not bag.words:
        return labels
    scores = bag.scores(labels)
    owner: dict[str, int] = {}
    into = np.arange(len(scores))
    for cluster, best in enumerate(scores.argmax(axis=1)):
        if scores[cluster, best] <= 0:
            continue
        named = sorted(forms(bag.words[best]))
        into[cluster] = next((owner[form] for form in named if form in owner), cluster)
        owner |= {form: int(into[cluster]) for form in named}
    return compact(np.where(labels >= 0, into[labels], -1))


def compact(labels: Labels, smallest: int = 1) -> Labels:
    """(n,) the labels numbered by size, the largest 0; those of fewer than `smallest` are -1."""
    names, inverse, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    new = np.full(len(names), -1, dtype=np.int64)
    large = [row for row in order if names[row] >= 0 and sizes[row] >= smallest]
    new[large] = np.arange(len(large))
    return new[inverse]


def _members(labels: Labels) -> Any:
    """Sparse (L, n): 1 where a caption belongs to a cluster."""
    from scipy.sparse import csr_matrix

    rows = np.flatnonzero(labels >= 0)
    shape = (int(labels.max(initial=-1)) + 1, len(labels))
    return csr_matrix((np.ones(len(rows)), (labels[rows], rows)), shape=shape)
