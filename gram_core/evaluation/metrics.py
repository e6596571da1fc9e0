"""Accuracies of prompts side by side on a labelled set, and what is computed from them.

Accuracies are from 0 to 1. The classifier of base classes knows base names only, the one of new
classes new names only (the base-to-new protocol of CoOp's successors).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from gram_core.datasets import TEST, LabelledSet
from gram_core.prompts import Batch, Constants, Method, Params

CELLS = ("base", "new", "other_base", "other_new")
# Images scored at once, over all runs: a bound on memory alone. The class features are computed
# anew for each such part, and visual tokens divide it further by themselves.
IMAGES_AT_ONCE = 65536


def accuracies(
    method: Method,
    params: Params,
    constants: Constants,
    labelled: LabelledSet,
    sources: Sequence[str | None] | None = None,
    sides: Mapping[str, Sequence[int]] | None = None,
) -> dict[str, np.ndarray]:
    """Accuracies (R,), 0 to 1, of the R prompts in `params` (R, ...) on the test rows of a set.

    `sides` are classes to be told apart from one another alone, by name: "base" and "new", where
    nothing else is given. Their accuracies are over all domains; with `sources`, the domain that
    each run was adapted on, "other_base" and "other_new" leave that domain out (nan where no other
    domain is left).
    """
    found = {}
    for name, classes in (sides or {"base": labelled.base, "new": labelled.new}).items():
        rows = labelled.rows(TEST, classes)
        right = correct(method, params, constants, rows, labelled.labels[rows], classes)
        if sources is not None:  # without parameters all runs are one
            right = np.broadcast_to(right, (len(sources), len(rows)))
        found[name] = _mean(right, np.ones(right.shape, dtype=bool))
        if sources is not None:
            names = np.array(labelled.domain_names)[labelled.domains[rows]]
            elsewhere = names[None, :] != np.array(sources, dtype=object)[:, None]
            found[f"other_{name}"] = _mean(right, elsewhere)
    return found


@torch.no_grad()
def correct(
    method: Method,
    params: Params,
    constants: Constants,
    rows: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[int],
) -> np.ndarray:
    """Whether each image is recognised (R, N) bool, among these classes alone.

    `rows` (N,) are rows of the image bank, `labels` (N,) and `classes` rows of the class table.
    """
    runs = len(next(iter(params.values()))) if params else 1
    at_once = max(1, IMAGES_AT_ONCE // runs)
    device = constants.backbone.device
    table = torch.tensor(list(classes), device=device).expand(runs, -1)
    found = [np.empty((runs, 0), dtype=np.int64)]
    for start in range(0, len(rows), at_once):
        images = torch.from_numpy(rows[start : start + at_once]).to(device).expand(runs, -1)
        logits = method.logits(params, constants, Batch(images=images, classes=table))
        found.append(logits.argmax(-1).cpu().numpy())
    return np.asarray(classes)[np.concatenate(found, axis=1)] == labels[None, :]


def _mean(right: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    counts = wanted.sum(1)
    return np.where(counts > 0, (right & wanted).sum(1) / np.maximum(counts, 1), np.nan)


def harmonic(base: Any, new: Any) -> Any:
    """The harmonic mean of base and new accuracy, 0 where both are 0.

    The published H is that of the averaged base and the averaged new accuracy (80.34 and 75.92
    give 78.07), not the average of each set's or seed's H.
    """
    total = np.asarray(base) + np.asarray(new)
    value = 2 * np.asarray(base) * np.asarray(new) / np.where(total == 0, 1, total)
    return float(value) if np.ndim(value) == 0 else value


def harmonic_shares(base: np.ndarray, new: np.ndarray) -> np.ndarray:
    """What each run adds to H of the means: an array whose mean is that H.

    H linearised at the means (the delta method), so that standard errors and paired differences
    of H come out as for any other mean.
    """
    mean_base, mean_new = base.mean(), new.mean()
    total = mean_base + mean_new
    if total == 0:
        return np.zeros_like(base)
    slope_base, slope_new = 2 * (mean_new / total) ** 2, 2 * (mean_base / total) ** 2
    centre = harmonic(mean_base, mean_new)
    return centre + slope_base * (base - mean_base) + slope_new * (new - mean_new)


def standard_error(values: np.ndarray) -> float:
    """The standard error of the mean of `values`, nan for fewer than two runs.

    values (S, D): S meta-seeds by D few-shot draws. Both are samples, of different things, so
    that the variance of the mean is the sum over both factors of the variance of their marginal
    means; values (D,) have the one factor. It says nothing of the test images, which are fixed.
    """
    table = np.atleast_2d(values)
    parts = [
        marginal.var(ddof=1) / len(marginal)
        for marginal in (table.mean(0), table.mean(1))
        if len(marginal) > 1
    ]
    return float(np.sqrt(sum(parts))) if parts else float("nan")
