"""The losses whose gradients a rule may ask for, by name."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor
from torch.nn import functional

from gram_core.prompts import Batch, Constants


class Loss(Protocol):
    """A loss of each task, `(B,)`, from logits `(B, N, K)` and labels `(B, N)`."""

    def __call__(
        self, logits: Tensor, labels: Tensor, constants: Constants, batch: Batch
    ) -> Tensor: ...


def task_loss(logits: Tensor, labels: Tensor, constants: Constants, batch: Batch) -> Tensor:
    """Cross-entropy of each task, `(B,)`, the mean over its images."""
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return losses.view(labels.shape).mean(-1)


LOSSES: dict[str, Loss] = {"task": task_loss}
