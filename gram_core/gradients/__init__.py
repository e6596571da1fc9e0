"""How raw gradients become a step: rules that go with any method."""

from __future__ import annotations

from gram_core.gradients.losses import LOSSES, Loss, task_loss
from gram_core.gradients.regulation import FORMS, initial_regulator, regulate
from gram_core.gradients.rules import Raw, Regulated, Rule, build_rule

__all__ = [
    "FORMS",
    "LOSSES",
    "Loss",
    "Raw",
    "Regulated",
    "Rule",
    "build_rule",
    "initial_regulator",
    "regulate",
    "task_loss",
]
