"""The normalised inner product of two gradients."""

from __future__ import annotations

import pytest
import torch

from gram_core.meta.alignment import cosine


def test_cosine_is_per_task_and_over_all_parameters() -> None:
    first = {
        "a": torch.tensor([[[1.0, 0.0]], [[3.0, 4.0]], [[0.0, 0.0]]]),
        "b": torch.zeros(3, 1, 1),
    }
    second = {
        "a": torch.tensor([[[0.0, 2.0]], [[6.0, 8.0]], [[1.0, 1.0]]]),
        "b": torch.ones(3, 1, 1),
    }
    expected = [0.0, 50 / (5 * 101**0.5), 0.0]
    assert cosine(first, second).tolist() == pytest.approx(expected)
    assert cosine(first, {key: -3 * value for key, value in second.items()}).tolist() == (
        pytest.approx([-value for value in expected])
    )
