from __future__ import annotations

import pytest
import torch

from gram_core.prompts import repeat_params, stack_params, token_keys, tower_of, unstack_params


def test_keys_say_what_they_are() -> None:
    keys = ["text.context", "text.context.3", "visual.tokens", "visual.coupling.weight", "text.net"]
    assert token_keys(keys) == ["text.context", "text.context.3", "visual.tokens"]
    assert [tower_of(key) for key in keys] == ["text", "text", "visual", "visual", "text"]


def test_key_of_no_tower_is_refused() -> None:
    with pytest.raises(ValueError, match="audio"):
        tower_of("audio.tokens")


def test_stack_and_unstack_are_inverse() -> None:
    several = [{"text.context": torch.randn(4, 3)} for _ in range(3)]
    back = unstack_params(stack_params(several))
    assert len(back) == 3
    for before, after in zip(several, back, strict=True):
        assert torch.equal(before["text.context"], after["text.context"])


def test_repeated_params_share_no_memory() -> None:
    params = {"text.context": torch.zeros(4, 3)}
    repeated = repeat_params(params, 2)
    repeated["text.context"][0] += 1
    assert repeated["text.context"].sum() == 12
    assert params["text.context"].sum() == 0
