"""Parts fit the budget, cover everything, and are no more than needed."""

from __future__ import annotations

import math

import pytest

from gram_core import memory


@pytest.mark.parametrize("budget", [1, 7, 10, 64])
@pytest.mark.parametrize(("task", "image"), [(0, 1), (3, 1), (3, 0), (0, 5), (11, 2)])
def test_parts_fit(budget: int, task: int, image: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "BUDGET", budget)
    for tasks in (1, 2, 5, 8):
        for images in (1, 3, 16):
            at_once, of_each = memory.parts(tasks, images, task, image)
            assert 1 <= at_once <= tasks
            assert 1 <= of_each <= images
            assert of_each == images or at_once == 1
            if (at_once, of_each) != (1, 1) and image:
                assert at_once * (task + of_each * image) <= budget
            # Another part less would be too much.
            whole = task + images * image
            if whole <= budget:
                assert math.ceil(tasks / at_once) == math.ceil(tasks / (budget // whole))


def test_what_needs_nothing_is_not_parted() -> None:
    assert memory.parts(1000, 1000, 0, 0) == (1000, 1000)
