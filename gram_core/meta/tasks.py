"""Classification tasks drawn from a hierarchy: support from one domain, query from all of them.

The meta-training tasks of section 3.2 of "Gradient-Regulated Meta-Prompt Learning": every class is
a topic, its support images share one visual domain, its query images come from all of its domains.
In addition to the paper, a task holds classes that its support never shows (`unseen`), because what
is wanted of the adapted prompt is that it still knows the classes it was not tuned on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from gram_core.errors import GramError
from gram_core.names import forms
from gram_core.prompts import Batch
from gram_core.settings import check_kinds

if TYPE_CHECKING:
    from gram_core.hierarchy import Hierarchy, Topic

Ids = np.ndarray  # int64


@dataclass(frozen=True)
class TaskConfig:
    """What a task looks like.

    `ways` classes at most and `fewest_ways` at least, with `shots` support and `queries` query
    images each, and up to `unseen_ways` more classes (no more than seen ones) that have query
    images alone. Every task draws its number of classes; a hierarchy with few topics makes the
    largest tasks smaller (`fewest_ways` = `ways` fixes the number). `domain_shift=False`
    draws the support from all domains as well (the ablation). `kinship` is the probability that the
    classes of a task are one neighbourhood of topics instead of any topics. A topic that is named
    by a word of `exclude` (singular or plural), or whose best word is one, is never used: name
    there the classes you are going to test on.
    """

    ways: int = 10
    unseen_ways: int = 10
    fewest_ways: int = 3
    shots: int = 16
    queries: int = 8
    domain_shift: bool = True
    kinship: float = 0.0
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.exclude, str):
            object.__setattr__(self, "exclude", tuple(self.exclude))
        check_kinds(self)
        if self.ways < 2:
            raise GramError(f"ways is {self.ways}; a task needs at least 2 classes.")
        if self.unseen_ways < 0 or self.unseen_ways == 1:
            raise GramError(
                f"unseen_ways is {self.unseen_ways}; unseen classes are told apart from one "
                "another, so give at least 2 of them, or 0 for none."
            )
        if self.fewest_ways < 2:
            raise GramError(f"fewest_ways is {self.fewest_ways}; a task needs at least 2 classes.")
        object.__setattr__(self, "fewest_ways", min(self.fewest_ways, self.ways))
        for name in ("shots", "queries"):
            if getattr(self, name) < 1:
                raise GramError(f"{name} is {getattr(self, name)}; give at least 1.")
        if not 0 <= self.kinship <= 1:
            raise GramError(f"kinship is {self.kinship}; it is a probability, give 0 to 1.")


@dataclass(frozen=True)
class Task:
    """One task: topic rows of its classes, and the ids of the pairs that show them.

    seen (K,), unseen (K',), support (K, S), query_seen (K, Q), query_unseen (K', Q), all int64.
    support_domains (K,): the domain each class's support comes from, -1 where it comes from all.
    """

    seen: Ids
    unseen: Ids
    support: Ids
    query_seen: Ids
    query_unseen: Ids
    support_domains: Ids

    def to_json(self) -> dict[str, Any]:
        """The task as lists of numbers."""
        return {name: value.tolist() for name, value in vars(self).items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Task:
        """The task that `to_json` wrote."""
        task = {name: np.asarray(value, dtype=np.int64) for name, value in values.items()}
        if not len(task["unseen"]):  # an empty list has lost its second axis
            task["query_unseen"] = np.zeros((0, task["query_seen"].shape[1]), dtype=np.int64)
        return cls(**task)


class TaskSampler:
    """A reproducible stream of tasks from the topics of a hierarchy that are large enough for one.

    `topics` are the topics in use; the rows in a `Task` count in this list, and `names` (their
    words) is the list of classes to build a class table of. `left_out` maps the word of every other
    topic to the reason. Everything random is drawn from `generator`; `state`/`restore` move it to
    and fro.

    Raises GramError when the hierarchy has too few such topics.
    """

    def __init__(
        self, hierarchy: Hierarchy, config: TaskConfig, seed: int | tuple[int, ...]
    ) -> None:
        self.config = config
        self.generator = np.random.default_rng(seed)
        self.left_out: dict[str, str] = {}
        rows = self._choose(hierarchy.topics)
        self.topics = [hierarchy.topics[row] for row in rows]
        self.names = [topic.word for topic in self.topics]
        self._require_enough(len(hierarchy.topics))
        self.neighbours = _nearest(np.asarray(hierarchy.centroids, dtype=np.float64)[rows])

    def _choose(self, topics: Sequence[Topic]) -> list[int]:
        excluded = forms(*self.config.exclude)
        taken: set[str] = set()
        rows = []
        for row in sorted(range(len(topics)), key=lambda row: -len(topics[row].members)):
            topic = topics[row]
            named = forms(topic.word)
            best = forms(*(word for word, _ in topic.words[:1]))
            reason = topic.reason or self._too_small(topic)
            if (named | best) & excluded:
                reason = "its word is excluded"
            elif not reason and named & taken:
                reason = "a larger topic has its word"
            if reason:
                self.left_out[topic.word] = reason
            else:
                taken |= named
                rows.append(row)
        return sorted(rows)

    def _too_small(self, topic: Topic) -> str | None:
        shots, wanted = self.config.shots, self.config.shots + self.config.queries
        total = sum(len(domain) for domain in topic.domains)
        if total < wanted:
            return f"{total} pairs; a class needs {wanted} (shots + queries)"
        largest = max(len(domain) for domain in topic.domains)
        if self.config.domain_shift and largest < shots:
            return f"its largest domain has {largest} pairs; the support needs {shots}"
        return None

    def _require_enough(self, found: int) -> None:
        fewest = self.config.fewest_ways
        needed = fewest + self._unseen_ways(fewest)
        if len(self.topics) < needed:
            raise GramError(
                f"{len(self.topics)} of the {found} topics of this hierarchy can be used for "
                f"tasks, {needed} are needed ({fewest} ways and {self._unseen_ways(fewest)} unseen "
                "ways). Lower ways, unseen_ways, shots or queries, exclude fewer words, or cluster "
                "more pairs."
            )

    def _unseen_ways(self, ways: int) -> int:
        """How many unseen classes go with so many seen ones."""
        return min(self.config.unseen_ways, ways)

    def largest(self) -> tuple[int, int]:
        """The classes of the largest task: seen ones and unseen ones."""
        ways = self._most_ways()
        return ways, self._unseen_ways(ways)

    def _most_ways(self) -> int:
        """The most seen classes for which there are topics enough."""
        ways = self.config.ways
        while ways + self._unseen_ways(ways) > len(self.topics):
            ways -= 1
        return ways

    def check(self, images: int) -> None:
        """Raise GramError unless there are images for all pairs: `images` of them."""
        largest = max(int(domain.max()) for topic in self.topics for domain in topic.domains)
        if largest >= images:
            raise GramError(
                f"The hierarchy names pair {largest}, but there are {images} images; give the "
                "images of the corpus that it was made from."
            )

    def report(self) -> dict[str, Any]:
        """How many topics and pairs are in use, and which topics are not, with the reasons."""
        pairs = sum(len(domain) for topic in self.topics for domain in topic.domains)
        domains = sum(len(topic.domains) for topic in self.topics)
        return {
            "topics": len(self.topics),
            "domains": domains,
            "pairs": pairs,
            "left_out": dict(self.left_out),
        }

    def sample(self) -> Task:
        """A new task."""
        ways = int(self.generator.integers(self.config.fewest_ways, self._most_ways() + 1))
        unseen_ways = self._unseen_ways(ways)
        pool = np.arange(len(self.topics))
        if self.generator.random() < self.config.kinship:
            anchor = self.generator.integers(len(self.topics))
            pool = self.neighbours[anchor, : ways + unseen_ways]
        chosen = self.generator.choice(pool, ways + unseen_ways, replace=False)
        seen, unseen = chosen[:ways], chosen[ways:]
        drawn = [self._support(self.topics[row]) for row in seen]
        task = Task(
            seen=seen,
            unseen=unseen,
            support=np.stack([ids for _, ids in drawn]),
            query_seen=np.zeros((ways, self.config.queries), dtype=np.int64),
            query_unseen=np.zeros((unseen_ways, self.config.queries), dtype=np.int64),
            support_domains=np.array([domain for domain, _ in drawn], dtype=np.int64),
        )
        return self.renew_query(task)

    def renew_query(self, task: Task) -> Task:
        """The same task with query images drawn afresh."""
        queries = self.config.queries
        seen, unseen = np.empty_like(task.query_seen), np.empty_like(task.query_unseen)
        for row, topic in enumerate(task.seen):
            seen[row] = self._spread(self.topics[topic], queries, without=task.support[row])
        for row, topic in enumerate(task.unseen):
            unseen[row] = self._spread(self.topics[topic], queries)
        return replace(task, query_seen=seen, query_unseen=unseen)

    def _support(self, topic: Topic) -> tuple[int, Ids]:
        shots = self.config.shots
        if not self.config.domain_shift:
            return -1, self._spread(topic, shots)
        enough = [row for row, domain in enumerate(topic.domains) if len(domain) >= shots]
        domain = int(self.generator.choice(enough))
        return domain, self.generator.choice(topic.domains[domain], shots, replace=False)

    def _spread(self, topic: Topic, count: int, without: Ids | None = None) -> Ids:
        """`count` different pairs of a topic, each from a domain drawn uniformly."""
        domains = [np.asarray(domain) for domain in topic.domains]
        if without is not None:
            domains = [domain[~np.isin(domain, without)] for domain in domains]
        counts = [0] * len(domains)
        for _ in range(count):
            left = [row for row, domain in enumerate(domains) if counts[row] < len(domain)]
            counts[left[self.generator.integers(len(left))]] += 1
        return np.concatenate(
            [
                self.generator.choice(domain, drawn, replace=False)
                for domain, drawn in zip(domains, counts, strict=True)
                if drawn
            ]
        )

    def state(self) -> dict[str, Any]:
        """The state of the stream, fit for JSON."""
        return dict(self.generator.bit_generator.state)

    def restore(self, state: dict[str, Any]) -> None:
        """Continue the stream where `state` was taken."""
        self.generator.bit_generator.state = state


@dataclass(frozen=True)
class Examples:
    """Labelled images of B tasks as tensors.

    labels (B, N) count in the classes of the task; weights (B, N) sum to 1 for each task, and are 0
    for images that only fill up a task smaller than its neighbours.
    """

    batch: Batch
    labels: Tensor
    weights: Tensor

    def of(self, tasks: slice, images: slice = slice(None)) -> Examples:
        """Some of the tasks, and of each some images, at the weights that they have among all."""
        batch = self.batch
        return Examples(
            Batch(
                batch.images[tasks, images],
                None if batch.classes is None else batch.classes[tasks],
                None if batch.mask is None else batch.mask[tasks],
            ),
            self.labels[tasks, images],
            self.weights[tasks, images],
        )


def examples(
    classes: Sequence[Ids], images: Sequence[Ids], labels: Sequence[Ids], device: Any = "cpu"
) -> Examples:
    """Tasks of possibly different size side by side: per task its classes, images and labels.

    The smaller ones are filled up; classes that fill up are masked, images have no weight.
    """
    used = _fill([np.ones(len(rows), dtype=np.int64) for rows in labels])
    present = _fill([np.ones(len(rows), dtype=np.int64) for rows in classes]).bool()
    batch = Batch(
        images=_fill(images).to(device),
        classes=_fill(classes).to(device),
        mask=None if bool(present.all()) else present.to(device),
    )
    weights = used.double() / used.sum(1, keepdim=True)
    return Examples(batch, _fill(labels).to(device), weights.to(device))


def support_examples(
    tasks: Sequence[Task], device: Any = "cpu", rows: Sequence[Ids] | None = None
) -> Examples:
    """The support of B tasks; with `rows` those images of it alone, counted class by class."""
    if rows is None:
        rows = [np.arange(task.support.size) for task in tasks]
    images = [task.support.reshape(-1)[each] for task, each in zip(tasks, rows, strict=True)]
    labels = [each // task.support.shape[1] for task, each in zip(tasks, rows, strict=True)]
    return examples([task.seen for task in tasks], images, labels, device)


def minibatches(
    tasks: Sequence[Task],
    count: int,
    size: int,
    generator: np.random.Generator,
    device: Any = "cpu",
    groups: int = 1,
) -> list[Examples]:
    """`count` minibatches of the support of B tasks, `size` images of each with replacement.

    They are drawn for one of `groups` even groups of tasks after the other.
    """
    bounds = [len(tasks) * group // groups for group in range(groups + 1)]
    drawn: list[list[Ids]] = [[] for _ in range(count)]
    for group in map(slice, bounds, bounds[1:]):
        for rows in drawn:
            rows += [generator.integers(task.support.size, size=size) for task in tasks[group]]
    return [support_examples(tasks, device, rows) for rows in drawn]


def query_examples(tasks: Sequence[Task], unseen: bool, device: Any = "cpu") -> Examples:
    """The query of B tasks over the classes of their support, or over the unseen ones."""
    classes = [task.unseen if unseen else task.seen for task in tasks]
    queries = [task.query_unseen if unseen else task.query_seen for task in tasks]
    labels = [np.repeat(np.arange(len(ids)), ids.shape[1]) for ids in queries]
    return examples(classes, [ids.reshape(-1) for ids in queries], labels, device)


def all_examples(tasks: Sequence[Task], device: Any = "cpu") -> Examples:
    """Support and query of B tasks together, over the classes of the support."""
    images = [np.concatenate([task.support, task.query_seen], axis=1) for task in tasks]
    labels = [np.repeat(np.arange(len(ids)), ids.shape[1]) for ids in images]
    return examples(
        [task.seen for task in tasks], [ids.reshape(-1) for ids in images], labels, device
    )


def _fill(rows: Sequence[Ids]) -> Tensor:
    filled = np.zeros((len(rows), max(len(row) for row in rows)), dtype=np.int64)
    for target, row in zip(filled, rows, strict=True):
        target[: len(row)] = row
    return torch.from_numpy(filled)


def _nearest(centroids: np.ndarray) -> np.ndarray:
    """(L, L): for every topic all topics by falling cosine of their centroids, itself first."""
    unit = centroids / np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-12)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, np.inf)
    return np.argsort(-cosines, axis=1, kind="stable")
