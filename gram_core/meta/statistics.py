"""How many different tasks a hierarchy gives, and what it gives none of."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gram_core.hierarchy import Topic
from gram_core.meta.tasks import TaskConfig, TaskSampler


@dataclass(frozen=True)
class TaskStatistics:
    """What tasks can be drawn of a hierarchy.

    Attributes:
        topics, pairs: in use.
        left_out: the word of every topic that is not, with the reason.
        ways, unseen_ways: classes of the largest task.
        log10_tasks: decimal logarithm of how many different tasks of that size there are: tasks
            are one if they have the same classes, seen and unseen, and for each the same pictures
            in the support and the same in the query.
        log10_supports: that of how many different supports each topic in use has.
    """

    topics: int
    pairs: int
    left_out: dict[str, str]
    ways: int
    unseen_ways: int
    log10_tasks: float
    log10_supports: tuple[float, ...]

    def in_words(self) -> str:
        """A sentence for people: "about 10^214 different tasks of 10 + 10 classes"."""
        many = f"10^{self.log10_tasks:.0f}"
        if self.log10_tasks < 6:
            many = f"{round(10**self.log10_tasks):,}"
        unseen = f" + {self.unseen_ways}" if self.unseen_ways else ""
        return f"about {many} different tasks of {self.ways}{unseen} classes"


def statistics(sampler: TaskSampler) -> TaskStatistics:
    """What tasks a sampler can draw; it is left as it was."""
    config = sampler.config
    ways, unseen_ways = sampler.largest()
    supports = np.array([_log_supports(topic, config) for topic in sampler.topics])
    sizes = np.array([len(topic) for topic in sampler.topics])
    queries = config.queries
    seen = supports + [_log_choose(size - config.shots, queries) for size in sizes]
    unseen = np.array([_log_choose(size, queries) for size in sizes])
    pools = [np.arange(len(sizes))]
    if config.kinship == 1:  # all classes of a task are one of these neighbourhoods
        near = np.sort(sampler.neighbours[:, : ways + unseen_ways], axis=1)
        pools = list(np.unique(near, axis=0))
    tasks = [_log_divisions(seen[pool], unseen[pool], ways, unseen_ways) for pool in pools]
    return TaskStatistics(
        topics=len(sizes),
        pairs=int(sizes.sum()),
        left_out=dict(sampler.left_out),
        ways=ways,
        unseen_ways=unseen_ways,
        log10_tasks=float(np.logaddexp.reduce(tasks)) / math.log(10),
        log10_supports=tuple((supports / math.log(10)).tolist()),
    )


def _log_supports(topic: Topic, config: TaskConfig) -> float:
    """Logarithm of how many different supports a topic has, each within one domain."""
    sizes = [len(domain) for domain in topic.domains] if config.domain_shift else [len(topic)]
    choices = [_log_choose(size, config.shots) for size in sizes if size >= config.shots]
    return float(np.logaddexp.reduce(choices))


def _log_divisions(seen: np.ndarray, unseen: np.ndarray, ways: int, unseen_ways: int) -> float:
    """Logarithm of the sum, over all choices of so many seen and other unseen classes, of the
    product of their ways to be seen or unseen, whose logarithms (L,) are given.

    It is a coefficient of the product over classes of (1 + s x + u y), built up class by class.
    """
    table = np.full((ways + 1, unseen_ways + 1), -np.inf)
    table[0, 0] = 0.0
    for as_seen, as_unseen in zip(seen, unseen, strict=True):
        more = table.copy()
        more[1:] = np.logaddexp(more[1:], table[:-1] + as_seen)
        more[:, 1:] = np.logaddexp(more[:, 1:], table[:, :-1] + as_unseen)
        table = more
    return float(table[ways, unseen_ways])


def _log_choose(number: int, chosen: int) -> float:
    """Logarithm of the binomial coefficient."""
    return math.lgamma(number + 1) - math.lgamma(chosen + 1) - math.lgamma(number - chosen + 1)
