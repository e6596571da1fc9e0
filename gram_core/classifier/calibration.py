"""Probabilities that mean what they say: a temperature, and how far off they are without it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gram_core.errors import GramError

#: The temperatures that are tried. Where every image is right, or every one wrong, no temperature
#: is best and one of these bounds is given.
LOWEST, HIGHEST = 0.05, 20.0
_HALVINGS = 50


def fit_temperature(logits: Tensor, labels: Tensor | Sequence[int]) -> float:
    """The temperature T of softmax(logits / T) under which the labels are likeliest.

    logits `(n, K)` and labels `(n,)` of held-out images (Guo et al., 2017). The negative
    log-likelihood is convex in 1 / T, so that halving the interval on its slope finds the one
    minimum within `LOWEST` to `HIGHEST`. Raises GramError for fewer than two images, labels of no
    class, and logits that are no numbers.
    """
    logits, labels = logits.detach().cpu().double(), torch.as_tensor(labels).cpu()
    _check(logits, labels, "logits")
    if len(logits) < 2:
        raise GramError(
            f"A temperature cannot be found on {len(logits)} images; give at least 2, better 100 "
            "or more, that were not learned from."
        )
    given = logits.gather(1, labels[:, None])[:, 0]
    low, high = math.log(1 / HIGHEST), math.log(1 / LOWEST)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        weight = (logits * math.exp(middle)).softmax(-1)
        slope = float(((weight * logits).sum(-1) - given).mean())
        low, high = (low, middle) if slope > 0 else (middle, high)
    return math.exp(-(low + high) / 2)


def check_temperature(value: Any) -> None:
    """GramError for what is no temperature."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise GramError(f"The temperature is {value!r}; give a number above 0 (1 changes nothing).")


@dataclass(frozen=True)
class Bin:
    """The predictions whose confidence lies above `low` and up to `high`: how many, how confident
    they are in the mean, and what share of them is right (both 0 where there are none)."""

    low: float
    high: float
    images: int
    confidence: float
    accuracy: float


def reliability(
    probabilities: Tensor | np.ndarray, labels: Tensor | Sequence[int] | np.ndarray, bins: int = 15
) -> list[Bin]:
    """Predictions by their confidence, in `bins` bins of one width from 0 to 1.

    probabilities `(n, K)`, labels `(n,)`; the confidence is that of the likeliest class. Raises
    GramError for shapes that do not fit, labels of no class, and fewer than one bin or image.
    """
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise GramError(f"bins is {bins!r}; give a whole number from 1.")
    table, right = torch.as_tensor(probabilities).cpu().double(), torch.as_tensor(labels).cpu()
    _check(table, right, "probabilities")
    confidence, chosen = table.max(-1)
    hits = (chosen == right).double()
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64)
    place = torch.bucketize(confidence, edges[1:-1])
    found = []
    for row in range(bins):
        here = place == row
        count = int(here.sum())
        means = [float(each[here].mean()) if count else 0.0 for each in (confidence, hits)]
        found.append(Bin(float(edges[row]), float(edges[row + 1]), count, *means))
    return found


def calibration_error(
    probabilities: Tensor | np.ndarray, labels: Tensor | Sequence[int] | np.ndarray, bins: int = 15
) -> float:
    """The expected calibration error, from 0 to 1: |accuracy − confidence|, the mean over images.

    Images are taken together in the bins of `reliability`, which says what it raises.
    """
    rows = reliability(probabilities, labels, bins)
    gaps = sum(each.images * abs(each.accuracy - each.confidence) for each in rows)
    return gaps / sum(each.images for each in rows)


def _check(table: Tensor, labels: Tensor, what: str) -> None:
    if table.ndim != 2 or labels.shape != table.shape[:1]:
        raise GramError(
            f"{what.capitalize()} {tuple(table.shape)} and labels {tuple(labels.shape)} do not "
            "fit; give (images, classes) and one label an image."
        )
    if not len(table):
        raise GramError("There are no images; give at least one with its label.")
    if not torch.isfinite(table).all():
        raise GramError(f"The {what} hold values that are no numbers; nothing follows from them.")
    if labels.is_floating_point() or int(labels.min()) < 0 or int(labels.max()) >= table.shape[1]:
        raise GramError(
            f"Labels have to be whole numbers from 0 to {table.shape[1] - 1}, rows of the "
            f"{table.shape[1]} classes; these run from {labels.min().item()} to "
            f"{labels.max().item()}."
        )
