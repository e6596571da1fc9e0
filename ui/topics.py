"""What the clusters page shows, as plain values: points, labels, tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gram_core.plots import QUIET, oklch
from ui.gallery import Shown, TaskRow
from ui.pictures import data_uri

if TYPE_CHECKING:
    from gram_core.corpus import Corpus
    from gram_core.hierarchy import Hierarchy, Topic
    from gram_core.meta import TaskConfig

DRAWN = 2_500
LABELS = 30
LABEL_ROOM = (0.14, 0.04)
"""Parts of the map's width and height that the name of a topic keeps for itself."""


def spread(position: np.ndarray) -> np.ndarray:
    """Places (N, 2) drawn closer to their middle, the more the farther they are from it.

    A few lonely topics would else press all others together; the axes have no units anyway.
    """
    whole = position[np.isfinite(position).all(1)]
    middle = np.median(whole, axis=0)
    width = np.subtract(*np.percentile(whole, [75, 25], axis=0))
    return np.arcsinh((position - middle) / np.where(width > 0, width, 1.0))


def map_points(hierarchy: Hierarchy, corpus: Corpus, count: int = DRAWN) -> list[dict[str, Any]]:
    """A sample of the clustered pairs with place, topic, caption and picture; seeded."""
    kept = np.flatnonzero(hierarchy.kept & np.isfinite(hierarchy.position).all(1))
    if len(kept) > count:
        kept = np.sort(np.random.default_rng(0).choice(kept, count, replace=False))
    topic_of, place = hierarchy.topic_of(), spread(hierarchy.position)
    return [
        {
            "x": round(float(place[pair, 0]), 3),
            "y": round(float(place[pair, 1]), 3),
            "id": int(topic_of[pair]),
            "caption": corpus.captions[pair],
            "image": data_uri(corpus.image_bytes(int(pair)), 64),
        }
        for pair in kept
    ]


def painted(
    points: Sequence[Mapping[str, Any]],
    hierarchy: Hierarchy,
    hues: Mapping[int, float],
    selected: int | None,
) -> list[dict[str, Any]]:
    """The points with topic, colour and size; with a selection the others are grey and small."""
    shown = []
    for point in points:
        id = point["id"]
        off = id < 0 or (selected is not None and id != selected)
        topic = hierarchy.topics[id].word if id >= 0 else "no topic"
        colour = QUIET if off else oklch(0.68, 0.13, hues[id])
        size = 14 if id < 0 else 22 if off else 70 if selected is not None else 34
        values = {key: point[key] for key in ("x", "y", "caption", "image")}
        shown.append(values | {"topic": topic, "colour": colour, "size": size})
    return sorted(shown, key=lambda point: point["size"])


def map_labels(hierarchy: Hierarchy, selected: int | None) -> list[dict[str, Any]]:
    """Names of topics at the middle of their pictures: of one topic, or of all, the largest first,
    that do not cover one another."""
    place = spread(hierarchy.position)
    extent = np.nanmax(place, axis=0) - np.nanmin(place, axis=0)
    topics = sorted(hierarchy.topics, key=lambda topic: -len(topic.members))
    if selected is not None:
        topics = [hierarchy.topics[selected]]
    middles = np.array([np.median(place[topic.members], axis=0) for topic in topics])
    written: list[int] = []
    for row, middle in enumerate(middles):
        apart = np.abs(middles[written] - middle) / np.where(extent > 0, extent, 1.0)
        if (apart > LABEL_ROOM).any(axis=1).all():
            written.append(row)
    return [
        {"x": float(middles[row, 0]), "y": float(middles[row, 1]), "topic": topics[row].word}
        for row in written[:LABELS]
    ]


def domain_pictures(corpus: Corpus, topic: Topic, domain: int, count: int) -> Shown:
    """`count` pictures of a domain, spread over it; always the same ones."""
    members = topic.domains[domain]
    picks = np.linspace(0, len(members) - 1, min(count, len(members))).astype(int)
    return _shown(corpus, members[picks])


def task_rows(hierarchy: Hierarchy, corpus: Corpus, config: TaskConfig, seed: int) -> list[TaskRow]:
    """The classes of one sampled task. Raises GramError where the hierarchy is too small."""
    from gram_core.meta import TaskSampler

    sampler = TaskSampler(hierarchy, config, seed)
    task = sampler.sample()
    rows = []
    for row, topic in enumerate(task.seen):
        domain = int(task.support_domains[row])
        note = f"domain {domain + 1} of {len(sampler.topics[topic].domains)}"
        rows.append(
            TaskRow(
                sampler.names[topic],
                note,
                _shown(corpus, task.support[row]),
                _shown(corpus, task.query_seen[row]),
            )
        )
    for row, topic in enumerate(task.unseen):
        pictures = _shown(corpus, task.query_unseen[row])
        rows.append(TaskRow(sampler.names[topic], "unseen", [], pictures))
    return rows


def _shown(corpus: Corpus, pairs: Sequence[int] | np.ndarray) -> Shown:
    return [(corpus.image_bytes(int(pair)), corpus.captions[int(pair)]) for pair in pairs]
