"""What the clusters page shows, as plain values: rows of topics, cards of pairs, tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gram_core.plots import shown_pairs
from ui.gallery import Card, Shown, TaskRow

if TYPE_CHECKING:
    from gram_core.corpus import Corpus
    from gram_core.hierarchy import Hierarchy, Topic
    from gram_core.meta import TaskSampler
    from gram_core.plots.strips import Side
    from gram_core.workspace import Artefact

NEAREST = 6


def topic_label(topic: Topic) -> str:
    """The name of a topic with its best words and size."""
    words = ", ".join(word for word, _ in topic.words[:4])
    return f"{topic.word}: {words} ({len(topic):,})"


def topic_table(hierarchy: Hierarchy) -> dict[str, list[Any]]:
    """Columns of a table with a row for each topic."""
    topics = hierarchy.topics
    return {
        "Topic": [topic.word for topic in topics],
        "Pairs": [len(topic) for topic in topics],
        "Domains": [len(topic.domains) for topic in topics],
        "Coherence": [topic.coherence for topic in topics],
        "Words": [", ".join(word for word, _ in topic.words[1:7]) for topic in topics],
        "Not used, because": [topic.reason or "" for topic in topics],
    }


def nearest_topics(
    hierarchy: Hierarchy, id: int, count: int = NEAREST
) -> list[tuple[Topic, float]]:
    """The topics whose captions are most like those of one topic, each with the cosine."""
    cosine = hierarchy.centroids.astype(np.float32) @ hierarchy.centroids[id].astype(np.float32)
    order = [int(row) for row in np.argsort(-cosine, kind="stable") if row != id][:count]
    return [(hierarchy.topics[row], float(cosine[row])) for row in order]


def follow(before: Hierarchy, after: Hierarchy, topics: Sequence[int]) -> int | None:
    """The topic of `after` that holds most pairs of some topics of `before`; None for no topic."""
    pairs = np.concatenate([before.topics[id].members for id in topics])
    holds = np.bincount(after.topic_of()[pairs] + 1, minlength=2)[1:]
    return int(holds.argmax()) if holds.any() else None


def versions(found: Mapping[str, Artefact], chosen: str) -> list[Artefact]:
    """The hierarchies that were made by edits of the same one as the chosen, and that one; newest
    first, as all of them are found."""

    def origin(id: str) -> str:
        while (before := _before(found[id])) in found:
            id = before
        return id

    return [artefact for id, artefact in found.items() if origin(id) == origin(chosen)]


def _before(artefact: Artefact) -> str:
    """The id of the hierarchy that one was made of, by an edit or by taking one back."""
    about = artefact.about
    return str(about.get("edit", {}).get("of") or about.get("parent", ""))


def domain_pictures(
    corpus: Corpus, topic: Topic, domain: int, count: int, side: Side = "central"
) -> Shown:
    """At most `count` pictures of a domain, each with its caption; always the same ones."""
    return shown(corpus, shown_pairs(topic, domain, count, side))


def cards(hierarchy: Hierarchy, corpus: Corpus, pairs: Sequence[int] | np.ndarray) -> list[Card]:
    """Pairs with their captions and the names of their topics."""
    topic_of = hierarchy.topic_of()[pairs]
    names = [hierarchy.topics[id].word if id >= 0 else "no topic" for id in topic_of.tolist()]
    pictures = shown(corpus, pairs)
    return [Card(*each, name) for each, name in zip(pictures, names, strict=True)]


def commonest_topics(
    hierarchy: Hierarchy, pairs: Sequence[int] | np.ndarray, most: int = 8
) -> list[tuple[Topic, int]]:
    """The topics that hold most of some pairs, each with their number."""
    number = np.bincount(hierarchy.topic_of()[pairs] + 1, minlength=1)[1:]
    order = np.argsort(-number, kind="stable")[:most]
    return [(hierarchy.topics[id], int(number[id])) for id in order if number[id]]


def task_rows(sampler: TaskSampler, corpus: Corpus) -> list[TaskRow]:
    """The classes of the next task of a sampler."""
    task = sampler.sample()
    rows = []
    for row, topic in enumerate(task.seen):
        domain, domains = int(task.support_domains[row]), len(sampler.topics[topic].domains)
        note = "all domains" if domain < 0 else f"domain {domain + 1} of {domains}"
        support, query = shown(corpus, task.support[row]), shown(corpus, task.query_seen[row])
        rows.append(TaskRow(sampler.names[topic], note, support, query))
    for row, topic in enumerate(task.unseen):
        query = shown(corpus, task.query_unseen[row])
        rows.append(TaskRow(sampler.names[topic], "unseen", [], query))
    return rows


def shown(corpus: Corpus, pairs: Sequence[int] | np.ndarray) -> Shown:
    """The pictures of some pairs, each with its caption."""
    return [(corpus.image_bytes(int(pair)), corpus.captions[int(pair)]) for pair in pairs]
