"""Affine maps that a method learns beside its tokens: one for each task."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gram_core.prompts.params import Params


def linear_start(key: str, inputs: int, outputs: int, generator: torch.Generator) -> Params:
    """A linear map `key` `(out, in)` and `key_bias` `(out)`, drawn as PyTorch's `nn.Linear` is."""
    bound = 1 / math.sqrt(inputs)

    def uniform(*shape: int) -> Tensor:
        return (2 * torch.rand(shape, generator=generator) - 1) * bound

    return {key: uniform(outputs, inputs), f"{key}_bias": uniform(outputs)}


def affine(x: Tensor, params: Params, key: str, depth: str = "") -> Tensor:
    """Rows `(B, n, in)` through each task's own linear map `(B, out, in)`."""
    weight, bias = params[f"{key}{depth}"], params[f"{key}_bias{depth}"]
    return x @ weight.transpose(-1, -2) + bias[:, None]
