"""What a page of the app asks of a corpus and its hierarchy, each question timed when warm."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from gram_core.corpus.search import find_like, find_words, inside, page

if TYPE_CHECKING:
    from gram_core.backbones import Backbone
    from gram_core.corpus import Corpus
    from gram_core.hierarchy import Hierarchy

REPEATS = 9
THUMBNAILS = 48


def measure_queries(
    corpus: Corpus, backbone: Backbone, hierarchy: Hierarchy, words: str = "red ca"
) -> dict[str, float]:
    """Milliseconds of each question: the median of nine, after one that is not counted.

    Every page of thumbnails is another one, of pairs from all over the corpus. What is done once
    for an open corpus is called so and timed once.
    """
    started = time.perf_counter()
    find_words(corpus, words)
    result = {"words, the first search of an open corpus": 1000 * (time.perf_counter() - started)}
    place = hierarchy.position[np.isfinite(hierarchy.position).all(axis=1)]
    low, high = np.quantile(place, [0.25, 0.75], axis=0).tolist()
    topic = max(hierarchy.topics, key=len)
    shuffled = np.random.default_rng(0).permutation(len(corpus))
    pages = iter(range(1, 2 + REPEATS))

    def box() -> object:
        return inside(hierarchy, (low[0], high[0]), (low[1], high[1]))

    questions: dict[str, Callable[[], object]] = {
        "pairs in a box on the map": box,
        "pairs of a topic, with the topic of each": lambda: hierarchy.topic_of()[topic.members],
        "pairs of a domain": lambda: topic.domains[0],
        "words": lambda: find_words(corpus, words, THUMBNAILS),
        "words within the largest topic": lambda: find_words(
            corpus, words, THUMBNAILS, topic.members
        ),
        "likeness to a text": lambda: find_like(corpus, backbone, words, THUMBNAILS),
        "likeness to a picture": lambda: find_like(corpus, backbone, corpus.image(0), THUMBNAILS),
        "likeness to a pair": lambda: find_like(corpus, backbone, 0, THUMBNAILS),
        "likeness within the largest topic": lambda: find_like(
            corpus, backbone, 0, THUMBNAILS, topic.members
        ),
        "48 thumbnails and captions from anywhere": lambda: [
            (corpus.image_bytes(pair), corpus.captions[pair])
            for pair in page(shuffled, next(pages), THUMBNAILS).tolist()
        ],
    }
    for question, ask in questions.items():
        ask()
        times = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            ask()
            times.append(time.perf_counter() - started)
        result[question] = 1000 * median(times)
    return result
