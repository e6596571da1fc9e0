"""Classes as the text tower reads them, whatever the context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

#: Where the class name stands: after the context, in the middle of it, or before it.
Position = Literal["end", "middle", "front"]
#: The id of a place that a learned token takes.
SLOT = -1
#: What a group of classes costs beyond its rows, in rows: its own small products and copies.
GROUP_COST = 64


@dataclass(frozen=True)
class ClassTable:
    """What the text tower needs of a list of classes, independent of any context.

    Of the `tokens` learned tokens the first `shared` come before the rows of any class, followed by
    the embedded `words` `(F, d)`; the others stand among the rows of their class, at `slots`
    `(C, tokens - shared)`. `rows` are a class's embedded tokens, positions added and nothing but
    positions at the slots, `(C, L, d)`; `end` is the index of [EOT] among them, `(C,)`. `groups`
    are the classes in parts of like length, for passes over the whole table: no class is filled
    up to a much longer one.
    """

    names: tuple[str, ...]
    tokens: int
    shared: int
    words: Tensor
    rows: Tensor
    slots: Tensor
    end: Tensor
    groups: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def prefix(self) -> int:
        """How many rows all classes share: [SOS], learned tokens and words."""
        return 1 + self.shared + len(self.words)


def group_by_length(lengths: Sequence[int], cost: int | None = None) -> list[list[int]]:
    """The places of `lengths`, in groups within which all are filled up to the longest.

    The cheapest division into groups of like length, where a row costs 1 and a group `cost`
    (None: `GROUP_COST`).
    """
    cost = GROUP_COST if cost is None else cost
    kinds = sorted(set(lengths))
    counts = [lengths.count(kind) for kind in kinds]
    best: list[tuple[int, int]] = [(0, 0)]  # of the shortest kinds: the cost, where a group begins
    for stop in range(1, len(kinds) + 1):
        best.append(
            min(
                (best[start][0] + sum(counts[start:stop]) * kinds[stop - 1] + cost, start)
                for start in range(stop)
            )
        )
    groups, stop = [], len(kinds)
    while stop:
        start = best[stop][1]
        groups.append([i for i, n in enumerate(lengths) if n in kinds[start:stop]])
        stop = start
    return groups[::-1]
