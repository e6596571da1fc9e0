"""How good a hierarchy is: by its own words and shapes, and by the truth where that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gram_core.corpus import BUNDLED, Corpus
from gram_core.hierarchy.hierarchy import Hierarchy
from gram_core.hierarchy.words import terms

WORDS = 10  # of a topic, that are to occur together


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of each of N pairs from elsewhere; clustering never sees it.

    Attributes:
        concept: (N,) names of what a picture shows, to judge topics by; None if not known.
        style: (N,) names of how it looks, to judge domains by; None if not known.
    """

    concept: NDArray[Any] | None = None
    style: NDArray[Any] | None = None


def truth_of(corpus: Corpus) -> Truth | None:
    """What is known of the bundled corpus, whose pictures a program drew; None for others."""
    from pyarrow import parquet

    path = BUNDLED.parent / "corpus-truth.parquet"
    if corpus.files[0].parent != BUNDLED or not path.exists():
        return None
    table = parquet.read_table(path, columns=["concept", "style"])[: len(corpus)]
    return Truth(*(np.array(table[name].to_pylist()) for name in ("concept", "style")))


def judge(
    hierarchy: Hierarchy, captions: Sequence[str], truth: Truth | None = None
) -> dict[str, float]:
    """Numbers that tell how good a hierarchy is, each under its name; more is better but for
    outliers. What cannot be measured is left out.

    - coherence: mean of the topics' (`coherence`), -1 to 1.
    - outliers: share of the pairs that passed the filter and are in no topic.
    - coverage: share of all pairs that are in a topic.
    - silhouette: mean of the topics' (Rousseeuw 1987), -1 to 1.
    - balance: of the sizes of domains (`balance`), 0 to 1.
    - topic purity, topic NMI: of topics against concepts, over the pairs in topics, 0 to 1.
    - domain purity, domain NMI: of the domains of one topic against styles, over its pairs; the
      mean over topics, weighed by their pairs, 0 to 1.

    Args:
        captions: of the pairs, N of them.
    """
    topics, topic = hierarchy.topics, hierarchy.topic_of()
    placed = topic >= 0
    found = {
        "outliers": float((~placed[hierarchy.kept]).mean()),
        "coverage": float(placed.mean()),
    }
    coherences = [each.coherence for each in topics]
    if None in coherences:
        coherences = coherence([[word for word, _ in each.words] for each in topics], captions)
    means = {
        "coherence": coherences,
        "silhouette": [each.silhouette for each in topics],
        "balance": [balance([len(domain) for domain in each.domains]) for each in topics],
    }
    for name, values in means.items():
        if known := [value for value in values if value is not None]:
            found[name] = float(np.mean(known))
    if truth is not None and topics:
        found |= _against(truth, topic, hierarchy.domain_of())
    return found


def judged(hierarchy: Hierarchy, corpus: Corpus) -> Hierarchy:
    """The hierarchy with the coherence of each topic, and all of `judge` in its quality."""
    captions = corpus.captions
    words = [[word for word, _ in topic.words] for topic in hierarchy.topics]
    topics = tuple(
        replace(topic, coherence=value)
        for topic, value in zip(hierarchy.topics, coherence(words, captions), strict=True)
    )
    hierarchy = replace(hierarchy, topics=topics)
    measured = judge(hierarchy, captions, truth_of(corpus))
    return replace(hierarchy, quality=hierarchy.quality | measured)


def _against(truth: Truth, topic: NDArray[np.int64], domain: NDArray[np.int64]) -> dict[str, float]:
    found = {}
    if truth.concept is not None:
        found["topic purity"] = purity(topic, truth.concept)
        found["topic NMI"] = mutual_information(topic, truth.concept)
    if truth.style is not None:
        groups = [np.flatnonzero(topic == label) for label in range(topic.max() + 1)]
        sizes = [len(rows) for rows in groups]
        for name, measure in (("purity", purity), ("NMI", mutual_information)):
            values = [measure(domain[rows], truth.style[rows]) for rows in groups]
            found[f"domain {name}"] = float(np.average(values, weights=sizes))
    return found


def coherence(topics: Sequence[Sequence[str]], texts: Sequence[str]) -> list[float | None]:
    """How much the ten best words of each topic keep company in the texts: mean NPMI, -1 to 1.

    NPMI(v, w) = log(p(v, w) / (p(v) p(w))) / -log p(v, w), the mean over pairs of words (Bouma
    2009; Lau, Newman & Baldwin 2014), with p the share of texts in which a word, or both, occur.
    It is -1 for words that never meet, 0 for words that meet as if by chance, 1 for words that
    never occur apart. Words of a topic may be phrases, which occur where their words follow each
    other; no phrase is paired with a part of itself. None for a topic without two words.

    Args:
        topics: the words of each topic, best first.
    """
    from scipy import sparse

    best = [list(words[:WORDS]) for words in topics]
    place = {word: n for n, word in enumerate(dict.fromkeys(w for words in best for w in words))}
    longest = max((len(word.split()) for word in place), default=1)
    rows: list[int] = []
    columns: list[int] = []
    for row, text in enumerate(texts):
        found = {place[term] for term in terms(text, longest) if term in place}
        rows.extend([row] * len(found))
        columns.extend(found)
    ones = np.ones(len(rows), dtype=np.int64)
    occurs = sparse.csr_array((ones, (rows, columns)), shape=(len(texts), len(place)))
    together = occurs.T @ occurs  # (V, V), sparse; the diagonal says how many texts have a word
    counts = together.diagonal()
    result: list[float | None] = []
    for words in best:
        pairs = [(v, w) for v, w in combinations(words, 2) if not _overlap(v, w)]
        if not pairs:
            result.append(None)
            continue
        left, right = (
            np.array([place[word] for word in side]) for side in zip(*pairs, strict=True)
        )
        scores = npmi(together[left, right], counts[left], counts[right], len(texts))
        result.append(float(scores.mean()))
    return result


def npmi(both: Any, left: Any, right: Any, texts: int) -> NDArray[np.float64]:
    """(n,) normalised pointwise mutual information of pairs of words: in how many of the texts
    both, the left and the right one occur."""
    both = np.asarray(both, dtype=np.float64)
    scores = np.full(len(both), -1.0)
    scores[(both == texts) & (both > 0)] = 1.0  # in all texts: 0 / 0, the limit of never apart
    some = (both > 0) & (both < texts)
    shared = both[some]
    information = np.log(shared * texts / (np.asarray(left)[some] * np.asarray(right)[some]))
    scores[some] = information / -np.log(shared / texts)
    return scores


def _overlap(left: str, right: str) -> bool:
    return f" {left} " in f" {right} " or f" {right} " in f" {left} "


def balance(sizes: Sequence[int]) -> float | None:
    """How alike the sizes of a topic's U domains are: their entropy divided by log U, 0 to 1.

    1 where all are equal, near 0 where one has almost all. None for a single domain.
    """
    shares = np.asarray(sizes, dtype=np.float64) / sum(sizes)
    if len(shares) < 2:
        return None
    return float(-(shares * np.log(shares)).sum() / np.log(len(shares)))


def stability(labelings: Sequence[NDArray[np.int64]]) -> tuple[float, float]:
    """How alike labelings of the same N pairs are, and on what share of the pairs that was told.

    The first number is the mean adjusted Rand index (Hubert & Arabie 1985) over all twos of the
    labelings, each on the pairs that both put in a topic (labels from 0): 1 for the same topics
    under whatever numbers, 0 for agreement by chance. The second is the mean share of such pairs.
    """
    from sklearn.metrics import adjusted_rand_score

    scores, shares = [], []
    for one, other in combinations(labelings, 2):
        both = (one >= 0) & (other >= 0)
        scores.append(adjusted_rand_score(one[both], other[both]) if both.any() else 0.0)
        shares.append(both.mean())
    return float(np.mean(scores)), float(np.mean(shares))


def purity(labels: NDArray[np.int64], truth: NDArray[Any]) -> float:
    """Share of the labelled pairs whose truth is the commonest one under their label, 0 to 1.

    Sum over labels of the largest count of one truth, divided by the number of pairs; labels
    below 0 are none and do not count (Manning, Raghavan & Schütze 2008, Section 16.3).
    """
    from sklearn.metrics.cluster import contingency_matrix

    placed = labels >= 0
    if not placed.any():
        return 0.0
    counts = contingency_matrix(truth[placed], labels[placed])
    return float(counts.max(axis=0).sum() / counts.sum())


def mutual_information(labels: NDArray[np.int64], truth: NDArray[Any]) -> float:
    """What labels and truth tell of each other: mutual information divided by the arithmetic mean
    of their entropies, 0 to 1, over the labelled pairs (labels below 0 are none)."""
    from sklearn.metrics import normalized_mutual_info_score

    placed = labels >= 0
    return (
        float(normalized_mutual_info_score(truth[placed], labels[placed])) if placed.any() else 0.0
    )
