"""How well two gradients agree: the normalised inner product of Figure 3(b)."""

from __future__ import annotations

import torch
from torch import Tensor

from gram_core.gradients import norm
from gram_core.prompts import Params


def cosine(first: Params, second: Params) -> Tensor:
    """(B,) normalised inner product of two gradients (B, ...) per task, over all their parameters.

    0 where a gradient vanishes.
    """
    norms = norm(first) * norm(second)
    inner = torch.stack([(first[key] * second[key]).flatten(1).sum(1) for key in first]).sum(0)
    return torch.where(norms > 0, inner / norms.clamp(min=1e-30), torch.zeros_like(inner))
