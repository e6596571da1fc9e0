"""How good prompts are: accuracies, the base-to-new protocol, tables, and the honest comparison."""

from gram_core.evaluation.metrics import accuracies, correct, harmonic
from gram_core.evaluation.protocols import Contender, Outcome, base_to_new, draws
from gram_core.evaluation.tables import differences, markdown, table

__all__ = [
    "Contender",
    "Outcome",
    "accuracies",
    "base_to_new",
    "correct",
    "differences",
    "draws",
    "harmonic",
    "markdown",
    "table",
]
