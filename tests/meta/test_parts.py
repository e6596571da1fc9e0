"""What does not fit into memory at once: tasks in groups and images in parts, as exact."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from gram_core import memory
from gram_core.hierarchy import Hierarchy
from gram_core.memory import SECOND_ORDER
from gram_core.meta import TaskSampler
from gram_core.meta import gradient as module
from gram_core.meta.gradient import MetaGradient, Strategy
from gram_core.meta.learner import curvature
from gram_core.meta.tasks import Examples, Task
from gram_core.prompts import Params, VisualTokens
from tests.meta.conftest import MakeLearner
from tests.meta.walks import CONFIG, close, unseen_of, walk_of


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tasks every graph of a whole walk has held."""
    counts: list[int] = []
    original = module._through_graph

    def spy(walk: Any) -> MetaGradient:
        counts.append(len(walk))
        return original(walk)

    monkeypatch.setattr(module, "_through_graph", spy)
    return counts


@pytest.mark.parametrize("method", ["coop", "ivlp", "cocoop"])
def test_tasks_that_are_too_many_for_one_graph_are_taken_in_groups(
    make_learner: MakeLearner,
    hierarchy: Hierarchy,
    monkeypatch: pytest.MonkeyPatch,
    walked: list[int],
    method: str,
) -> None:
    learner = make_learner(method)
    sampler = TaskSampler(hierarchy, CONFIG, seed=5)
    tasks = [sampler.sample() for _ in range(5)]
    walk = walk_of(learner, tasks, 2, unseen=unseen_of(learner, tasks))
    whole = walk.gradient("create_graph")
    assert walked == [5]

    def bytes_of(examples: Examples) -> float:
        task, image = learner.memory(examples)
        return task + examples.labels.shape[1] * image

    assert walk.unseen is not None
    one = 2 * SECOND_ORDER * bytes_of(walk.supports[0])
    one += bytes_of(walk.seen) + bytes_of(walk.unseen)
    monkeypatch.setattr(memory, "BUDGET", 2 * one)
    grouped = walk.gradient("create_graph")
    assert walked[1:] == [2, 2, 1]
    close(grouped, whole)


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """With how many images every pass of the image tower was differentiated."""
    counts: list[int] = []
    original = VisualTokens.features

    def spy(self: VisualTokens, params: Params, constants: Any, images: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            counts.append(images.numel())
        return original(self, params, constants, images)

    monkeypatch.setattr(VisualTokens, "features", spy)
    return counts


@pytest.mark.parametrize("strategy", ["replay", "first_order"])
@pytest.mark.parametrize("method", ["vpt", "ivlp"])
def test_memory_does_not_grow_with_the_shots(
    make_learner: MakeLearner,
    hierarchy: Hierarchy,
    monkeypatch: pytest.MonkeyPatch,
    encoded: list[int],
    method: str,
    strategy: Strategy,
) -> None:
    learner = make_learner(method)
    for shots in (2, 8):
        sampler = TaskSampler(hierarchy, replace(CONFIG, shots=shots, queries=shots), seed=0)
        tasks = [sampler.sample() for _ in range(2)]
        walk = walk_of(
            learner, tasks, 2, unseen=unseen_of(learner, tasks), temperature=True, unseen_weight=0.5
        )
        whole = walk.gradient(strategy)
        assert max(encoded) == 2 * 3 * shots
        encoded.clear()
        with monkeypatch.context() as patch:
            task, image = learner.memory(walk.seen)
            patch.setattr(memory, "BUDGET", SECOND_ORDER * (task + 2 * image))
            parted = walk.gradient(strategy)
            assert max(encoded) <= SECOND_ORDER * 2 + (SECOND_ORDER - 1) * task / image
            encoded.clear()
            curvature(learner, parted.adapted, walk.seen, parted.adapted)
            assert set(encoded) == {2}
            encoded.clear()
        close(parted, whole)


def test_images_that_a_context_shifts_for_are_parted_too(
    make_learner: MakeLearner, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = make_learner("cocoop")
    walk = walk_of(learner, tasks, 2, temperature=True)
    whole = walk.gradient("replay")
    monkeypatch.setattr(memory, "BUDGET", 2 * SECOND_ORDER * learner.memory(walk.seen)[1])
    parts = [part for _, several in learner.passes(walk.seen, SECOND_ORDER) for part in several]
    assert [part.labels.numel() for part in parts] == [2] * 6
    close(walk.gradient("replay"), whole)
