"""How raw gradients become a step: rules that go with any method."""

from __future__ import annotations

from gram_core.gradients.losses import GeneralLoss, Loss, TaskLoss
from gram_core.gradients.regulation import FORMS, initial_regulator, regulate
from gram_core.gradients.rules import (
    RULES,
    Aligned,
    Chain,
    Clip,
    Raw,
    Regulated,
    Rule,
    build_rule,
    norm,
)

__all__ = [
    "FORMS",
    "RULES",
    "Aligned",
    "Chain",
    "Clip",
    "GeneralLoss",
    "Loss",
    "Raw",
    "Regulated",
    "Rule",
    "TaskLoss",
    "build_rule",
    "initial_regulator",
    "norm",
    "regulate",
]
