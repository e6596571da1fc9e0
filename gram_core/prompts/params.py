"""Prompts are values: flat dictionaries of tensors, of which a method is a pure function.

A key reads `tower.kind` or `tower.kind.depth`: the tower is `text` or `visual`, and the kinds
`context` and `tokens` are prompt tokens, rows that enter the tower beside its own; those with a
depth i replace them before the tower's i-th block, counted from 0. Whatever else a method learns
(a projection, a small network, a cache) bears another kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from gram_core.errors import GramError

Params = dict[str, Tensor]

TOWERS = ("text", "visual")
CONTEXT = "text.context"
TOKENS = "visual.tokens"
_TOKEN_KINDS = ("context", "tokens")


def tower_of(key: str) -> str:
    """The tower, `"text"` or `"visual"`, that the parameter of this key belongs to.

    Raises ValueError for a key of no tower.
    """
    tower = key.split(".", 1)[0]
    if tower not in TOWERS:
        raise ValueError(f"the parameter {key!r} names no tower; keys begin with {TOWERS}")
    return tower


def depth_of(key: str) -> int:
    """The block before which the parameter of this key enters its tower; 0 without a depth."""
    return int(key.split(".")[2]) if key.count(".") > 1 else 0


def token_keys(params: Iterable[str]) -> list[str]:
    """The keys of the parameters that are prompt tokens `(..., M, d)`, in their order."""
    return [key for key in params if key.split(".")[1:2] and key.split(".")[1] in _TOKEN_KINDS]


def deep(params: Params, key: str) -> list[Tensor]:
    """The parameters `key.1`, `key.2`, … as far as they go: what later blocks receive."""
    found: list[Tensor] = []
    while (value := params.get(f"{key}.{len(found) + 1}")) is not None:
        found.append(value)
    return found


def repeat_params(params: Params, count: int) -> Params:
    """The same parameters `count` times along a new first axis, each copy its own memory."""
    return {key: value.expand(count, *value.shape).clone() for key, value in params.items()}


def stack_params(several: Sequence[Params]) -> Params:
    """Parameters of several runs side by side: one new first axis."""
    return {key: torch.stack([params[key] for params in several]) for key in several[0]}


def unstack_params(params: Params) -> list[Params]:
    """Each run's parameters, without the run axis; the inverse of `stack_params`."""
    count = len(next(iter(params.values()))) if params else 0
    return [{key: value[run] for key, value in params.items()} for run in range(count)]


def check_params(params: Params, like: Params, lead: tuple[int, ...] = ()) -> None:
    """GramError unless `params` have the keys and shapes of `like`, after the axes `lead`."""
    wanted = {key: (*lead, *value.shape) for key, value in like.items()}
    if {key: tuple(value.shape) for key, value in params.items()} != wanted:
        raise GramError(
            f"Prompts of {_shapes(params)} do not fit the method, which learns {_shapes(like)}; "
            "use prompts of this method, with these options, on this backbone."
        )


def _shapes(params: Params) -> str:
    return ", ".join(f"{key} {tuple(value.shape)}" for key, value in params.items()) or "nothing"
