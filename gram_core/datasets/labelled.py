"""A labelled image set, its split into base and new classes, and few-shot draws from it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil

import numpy as np
import torch

from gram_core.adaptation import Support
from gram_core.errors import GramError
from gram_core.prompts import ImageBank

POOL, TEST = "pool", "test"


@dataclass(frozen=True)
class Problem:
    """A picture or class that could not be used as it is, and why."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """Images with a class, a visual domain and a split each.

    Few-shot supports are drawn from the rows of split "pool", accuracies are taken over those of
    split "test". `labels` (n,) are rows of `classes`, `domains` (n,) rows of `domain_names`,
    `splits` (n,) holds the two words; all follow the rows of `bank`.
    """

    name: str
    classes: tuple[str, ...]
    bank: ImageBank
    labels: np.ndarray
    domains: np.ndarray
    splits: np.ndarray
    domain_names: tuple[str, ...] = ("all",)
    title: str = ""
    description: str = ""
    problems: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        if len(self.classes) < 2:
            raise GramError(
                f"The set {self.name!r} has {len(self.classes)} class(es); a classifier needs two."
            )
        if not len(self.labels) == len(self.domains) == len(self.splits):
            raise ValueError("labels, domains and splits must have one entry per image")

    @property
    def base(self) -> range:
        """The first half of the classes (the larger one when their number is odd)."""
        return range(ceil(len(self.classes) / 2))

    @property
    def new(self) -> range:
        """The other half, of which no method sees an image."""
        return range(ceil(len(self.classes) / 2), len(self.classes))

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The domains that supports can be drawn from, in the order of `domain_names`."""
        with_pool = np.unique(self.domains[self.splits == POOL])
        return tuple(self.domain_names[row] for row in with_pool)

    def rows(
        self, split: str, classes: Sequence[int] | None = None, source: str | None = None
    ) -> np.ndarray:
        """The bank rows (m,) of a split, of these classes and this domain (None: of all)."""
        wanted = self.splits == split
        if classes is not None:
            wanted &= np.isin(self.labels, list(classes))
        if source is not None:
            wanted &= self.domains == self._domain(source)
        return np.flatnonzero(wanted)

    def draw(self, shots: int, seed: int, source: str | None = None) -> np.ndarray:
        """Bank rows (m,) of `shots` pool images per class from one domain (None: from any).

        Drawn for all classes before the base/new cut, so that one seed serves both. A class with
        fewer images gives all it has. The draw is a function of the set's name, seed and source.
        Raises GramError for less than one shot.
        """
        _check_shots(shots)
        generator = np.random.default_rng(_number(self.name, str(seed), source or ""))
        picks = []
        for label in range(len(self.classes)):
            rows = self.rows(POOL, [label], source)
            picks.append(np.sort(generator.permutation(rows)[:shots]))
        return np.concatenate(picks)

    def supports(
        self,
        shots: int,
        runs: Sequence[tuple[int, str | None]],
        classes: Sequence[int] | None = None,
    ) -> Support:
        """The supports of several runs side by side: images and labels (R, n).

        `runs` are pairs of seed and source domain; `classes` are those to learn (default: base).
        Labels count within `classes`. A class gives each run as many images as the poorest
        source of it has, at most `shots`. Raises GramError for less than one shot and for a class
        without any image.
        """
        _check_shots(shots)
        chosen = list(self.base if classes is None else classes)
        sources = {source for _, source in runs}
        counts = [
            min(shots, *(len(self.rows(POOL, [label], source)) for source in sources))
            for label in chosen
        ]
        if 0 in counts:
            empty = self.classes[chosen[counts.index(0)]]
            raise GramError(
                f"The class {empty!r} of {self.name!r} has no image to learn from in every source "
                f"domain ({', '.join(str(source) for source in sources)}); add some, or choose "
                "other sources."
            )
        images = []
        for seed, source in runs:
            drawn = self.draw(shots, seed, source)
            images.append(
                np.concatenate(
                    [
                        drawn[self.labels[drawn] == label][:count]
                        for label, count in zip(chosen, counts, strict=True)
                    ]
                )
            )
        labels = np.repeat(np.arange(len(chosen)), counts)
        stacked = torch.from_numpy(np.stack(images))
        return Support(stacked, torch.from_numpy(labels).expand(len(runs), -1).contiguous())

    def _domain(self, source: str) -> int:
        if source not in self.domain_names:
            raise GramError(
                f"{self.name!r} has no domain {source!r}; it has {', '.join(self.domain_names)}."
            )
        return self.domain_names.index(source)


def _check_shots(shots: int) -> None:
    if shots < 1:
        raise GramError(f"shots is {shots}; give at least 1.")


def _number(*parts: str) -> int:
    """A seed made of words, the same in every process (Python's own hash is not)."""
    return int.from_bytes(hashlib.sha256("\n".join(parts).encode()).digest()[:8], "big")
