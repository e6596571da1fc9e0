"""Figures of outcomes: one colour means one thing."""

from __future__ import annotations

import numpy as np

from gram_core.evaluation.figures import epochs
from gram_core.evaluation.protocols import Outcome
from gram_core.plots import GRAM, RAW

NAMES = (
    "CoOp, last epoch",
    "CoOp, pulled to its start",
    "CoOp + GRAM's start, raw steps",
    "CoOp",
    "CoOp + GRAM, as printed",
    "CoOp + GRAM, own start",
    "CoOp + GRAM",
)


def test_every_contender_has_a_line_of_its_own_colour() -> None:
    cells = {part: np.array([[0.5]]) for part in ("base", "new")}
    outcomes = [
        Outcome(name, "kinds", ((0, "ink"),), {0: cells, 5: cells}, 1.0, 1.0) for name in NAMES
    ]
    colours = {line.name: line.line.color for line in epochs(outcomes, "kinds").data}
    assert set(colours) == set(NAMES)
    assert len(set(colours.values())) == len(NAMES)
    assert (colours["CoOp + GRAM"], colours["CoOp"]) == (GRAM, RAW)
