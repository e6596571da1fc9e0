"""The losses whose gradients a rule may ask for: values, each with constants of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

from torch import Tensor
from torch.nn import functional

from gram_core.errors import GramError
from gram_core.prompts import Batch, Constants, FixedText, Method, PlainImages
from gram_core.prompts.method import MASKED
from gram_core.prompts.registry import TEMPLATE
from gram_core.settings import check_kinds


class Loss(Protocol):
    """A loss of each task, `(B,)`, the mean over its images."""

    @property
    def name(self) -> str:
        """What a rule finds its gradients by."""
        ...

    def constants(self, constants: Constants) -> Any:
        """What it knows of classes and images that does not depend on the prompts."""
        ...

    def __call__(self, logits: Tensor, labels: Tensor, known: Any, batch: Batch) -> Tensor:
        """The losses `(B,)` of logits `(B, N, K)` and labels `(B, N)`; known are the constants."""
        ...


@dataclass(frozen=True)
class TaskLoss:
    """Cross-entropy with the labels."""

    name: ClassVar[str] = "task"

    def constants(self, constants: Constants) -> None:
        """Nothing but the labels is known."""

    def __call__(self, logits: Tensor, labels: Tensor, known: None, batch: Batch) -> Tensor:
        """Cross-entropy of each task, `(B,)`."""
        losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
        return losses.view(labels.shape).mean(-1)


@dataclass(frozen=True)
class GeneralLoss:
    """Cross-entropy with zero-shot CLIP: −T² Σ p log q at the temperature T (ProGrad).

    p are the teacher's probabilities, q the student's; the gradient is that of KL(p ‖ q). The
    teacher sees the same images without prompts, and its class names in its own `template`: one
    sentence or several, or what else `FixedText` takes.
    """

    template: str | Sequence[str] = TEMPLATE
    temperature: float = 1.0

    name: ClassVar[str] = "general"

    def __post_init__(self) -> None:
        check_kinds(self)
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise GramError(
                f"temperature is {self.temperature!r}; it has to be a number above 0, and 1 leaves "
                "the teacher's probabilities as they are."
            )
        FixedText(self.template)  # refuses what is no template

    @cached_property
    def teacher(self) -> Method:
        """Zero-shot CLIP, which learns nothing."""
        return Method("zero-shot", FixedText(self.template), PlainImages())

    def constants(self, constants: Constants) -> Constants:
        """The teacher's constants of the same classes and images."""
        return self.teacher.constants(constants.backbone, constants.class_names, constants.images)

    def __call__(self, logits: Tensor, labels: Tensor, known: Constants, batch: Batch) -> Tensor:
        """T² × the cross-entropy of each task with the teacher, `(B,)`; no label is read."""
        wanted = self._tempered(self.teacher.logits({}, known, batch), batch).softmax(-1)
        found = self._tempered(logits, batch).log_softmax(-1)
        return -(self.temperature**2) * (wanted * found).sum(-1).mean(-1)

    def _tempered(self, logits: Tensor, batch: Batch) -> Tensor:
        """Logits at the temperature; padding classes stay as improbable as they were."""
        tempered = logits / self.temperature
        if batch.mask is None:
            return tempered
        return tempered.masked_fill(~batch.mask[:, None], MASKED)
