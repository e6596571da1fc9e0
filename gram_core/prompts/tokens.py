"""Prompt tokens: how many, how deep, and what they are before anything is learned."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gram_core.errors import GramError
from gram_core.prompts.params import Params

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

INITIAL_STD = 0.02

#: How many blocks receive tokens of their own, the first included; None: every block of the tower.
Depth = int | None


def check_tokens(count: int, what: str, most: int = 64) -> None:
    """GramError unless `count` prompt tokens can be had."""
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= most:
        raise GramError(f"The number of {what} is {count!r}; it has to be from 1 to {most}.")


def check_depth(depth: Depth) -> None:
    """GramError for what is no number of blocks."""
    if depth is None:
        return
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 1:
        raise GramError(
            f"The depth is {depth!r}; it counts the blocks with tokens of their own, so give 1 "
            "(the first alone) or more, or None for every block."
        )


def blocks_within(depth: Depth, blocks: int, tower: str) -> int:
    """How many of a tower's `blocks` receive tokens; GramError where it has fewer than asked."""
    if depth is not None and depth > blocks:
        raise GramError(
            f"The depth is {depth}, and the {tower} tower of this backbone has {blocks} blocks; "
            f"give 1 to {blocks}."
        )
    return blocks if depth is None else depth


def drawn(backbone: Backbone, count: int, width: int, seed: int) -> Tensor:
    """Tokens `(count, width)` from N(0, 0.02²), the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    tokens = INITIAL_STD * torch.randn(count, width, generator=generator)
    return tokens.to(backbone.device, backbone.dtype)


def drawn_deep(
    backbone: Backbone, key: str, depth: int, count: int, width: int, seed: int
) -> Params:
    """`key.1` to `key.(depth - 1)`, each `(count, width)` from N(0, 0.02²) by its own name."""
    names = [f"{key}.{place}" for place in range(1, depth)]
    return {name: drawn(backbone, count, width, zlib.crc32(name.encode()) + seed) for name in names}
