"""Classes as the text tower reads them, whatever the context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

#: Where the class name stands: after the context, in the middle of it, or before it.
Position = Literal["end", "middle", "front"]
#: The id of a place that a learned token takes.
SLOT = -1
#: Up to so many rows one attention over all of them, most of it masked, costs less than several
#: small ones.
DENSE_ROWS = 64
#: What a group of classes costs beyond its rows, in rows: its own small products and copies. In one
#: attention over all rows it costs nothing.
GROUP_COST = 16


@dataclass(frozen=True)
class ClassTable:
    """What the text tower needs of a list of classes, independent of any context.

    Of the `tokens` learned tokens the first `shared` come before the rows of any class, followed by
    the embedded `words` `(F, d)`; the others stand among the rows of their class, at `slots`
    `(C, tokens - shared)`. `rows` are a class's embedded tokens, positions added and nothing but
    positions at the slots, `(C, L, d)`; `end` is the index of [EOT] among them, `(C,)`. `order`
    `(C,)` and `sizes` are the groups of like length in which all of them pass through the tower.
    """

    names: tuple[str, ...]
    tokens: int
    shared: int
    words: Tensor
    rows: Tensor
    slots: Tensor
    end: Tensor
    order: Tensor
    sizes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def prefix(self) -> int:
        """How many rows all classes share: [SOS], learned tokens and words."""
        return 1 + self.shared + len(self.words)


@dataclass(frozen=True)
class Part:
    """Classes `(B, K)` whose rows lie side by side in the tower, each filled up to one length.

    `end` `(B, K)` is the index of [EOT] among a class's rows; `begin` is the first of all rows.
    """

    classes: Tensor
    end: Tensor
    length: int
    begin: int

    @classmethod
    def of(cls, table: ClassTable, classes: Tensor, begin: int) -> Part:
        end = table.end[classes]
        return cls(classes, end, int(end.max()) + 1, begin)

    @property
    def count(self) -> int:
        return int(self.classes.shape[1])

    @property
    def stop(self) -> int:
        return self.begin + self.count * self.length

    def rows_of_ends(self) -> Tensor:
        """Where the classes' [EOT] are among all rows, `(B, K)`."""
        offset = torch.arange(self.count, device=self.end.device) * self.length
        return self.begin + offset + self.end

    def attend(self, query: Tensor, key: Tensor, value: Tensor, first: int, mask: Tensor) -> Tensor:
        """What class rows read from the shared prefix and from the rows of their own class.

        query: `(B, h, K * q, e)`, class by class; key, value: those of all rows, of which the
        `first` are shared; mask broadcasts to `(B, h, K, q, first + L)`. Result `(B, h, K * q, e)`.
        """
        query = query * query.shape[-1] ** -0.5
        own_query, own_key, own_value = (
            rows.unflatten(2, (self.count, -1))
            for rows in (
                query,
                key[:, :, self.begin : self.stop],
                value[:, :, self.begin : self.stop],
            )
        )
        shared = (query @ key[:, :, :first].transpose(-1, -2)).unflatten(2, (self.count, -1))
        own = own_query @ own_key.transpose(-1, -2)
        weight = torch.softmax(torch.cat([shared, own], dim=-1) + mask, dim=-1)
        from_prefix = weight[..., :first].flatten(2, 3) @ value[:, :, :first]
        return from_prefix + (weight[..., first:] @ own_value).flatten(2, 3)


def in_groups(end: Tensor) -> tuple[Tensor, tuple[int, ...]]:
    """An order `(B, K)` of the classes of each task, and the sizes of groups of like length in it.

    end: `(B, K)`, the index of each class's [EOT]. All tasks have the same groups, within which
    every class is filled up to the longest: none is filled up to a much longer one.
    """
    order = end.argsort(dim=1, stable=True)
    lengths = (end.gather(1, order).amax(0) + 1).tolist()
    sizes = group_sizes(lengths)
    if len(sizes) == 1:
        order = torch.arange(end.shape[1], device=end.device).expand(len(end), -1)
    return order, sizes


def group_sizes(lengths: Sequence[int], cost: int | None = None) -> tuple[int, ...]:
    """The cheapest division of ascending `lengths` into groups, each filled up to its longest.

    A row costs 1, and a group `cost` (None: `GROUP_COST`, or nothing among `DENSE_ROWS`).
    """
    if cost is None:
        cost = 0 if sum(lengths) <= DENSE_ROWS else GROUP_COST
    # where a new length begins, and the end
    stops = [i for i in range(1, len(lengths)) if lengths[i] > lengths[i - 1]] + [len(lengths)]
    best = {0: (0, 0)}  # of the first classes: the cost, and where the last group begins
    for stop in stops:
        best[stop] = min(
            (spent + (stop - start) * lengths[stop - 1] + cost, start)
            for start, (spent, _) in best.items()
        )
    sizes, stop = [], len(lengths)
    while stop:
        start = best[stop][1]
        sizes.append(stop - start)
        stop = start
    return tuple(reversed(sizes))
