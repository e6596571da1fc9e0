"""The ablations of Table 6 of "Gradient-Regulated Meta-Prompt Learning": what GRAM is without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gram_core.errors import GramError


@dataclass(frozen=True)
class Ablation:
    """What happens instead of what is left out, and the settings of meta-training that do it."""

    instead: str
    changes: Mapping[str, Any] = field(default_factory=dict)


#: By what is left out, in the order of the table. `joint` has no meta-training to set.
ABLATIONS: dict[str, Ablation] = {
    "domain-shift": Ablation("the support comes from all domains", {"domain_shift": False}),
    "regulator": Ablation("steps follow the raw gradient", {"rule": "raw"}),
    "meta-learning": Ablation(
        "theta follows the loss of the tasks' images: prompt pre-training",
        {"preset": "pretraining", "rule": "raw"},
    ),
    "clustering": Ablation("the classes of tasks are annotated ones"),
    "joint": Ablation("the prompts of both towers are tuned from their plain start"),
}
_OF_META_LEARNING = ("domain-shift", "regulator")


def check_ablations(without: Sequence[str]) -> None:
    """GramError for what is no ablation of meta-training, and for two that cannot be together."""
    for name in without:
        if name not in ABLATIONS:
            raise GramError(f"without is {name!r}; what can be left out is {', '.join(ABLATIONS)}.")
    if "joint" in without:
        raise GramError(
            "Joint tuning of textual and visual prompts has no meta-training; adapt without an "
            "initialisation instead: `python -m gram_core adapt DATA --method ivlp --rule raw`."
        )
    if len(set(without)) < len(without):
        raise GramError(f"without is {', '.join(without)}; name each once.")
    if "meta-learning" in without and (parts := [n for n in _OF_META_LEARNING if n in without]):
        raise GramError(
            f"{parts[0]} is a part of meta-learning, and both are to be left out; leave out one."
        )
