"""Losses, gradients and curvature of tasks side by side, in one pass or in parts of one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gram_core import memory
from gram_core.gradients import initial_regulator
from gram_core.hierarchy import Hierarchy
from gram_core.memory import SECOND_ORDER
from gram_core.meta import TaskConfig, TaskSampler
from gram_core.meta.learner import (
    TEMPERATURES,
    Learner,
    curvature,
    losses_of,
    query_loss,
    task_gradient,
)
from gram_core.meta.tasks import Examples, Task, query_examples, support_examples
from gram_core.prompts import Params
from tests.meta.conftest import MakeLearner

CONFIG = TaskConfig(ways=5, unseen_ways=2, fewest_ways=2, shots=2, queries=2)
METHODS = ("coop", "cocoop", "ivlp")


@pytest.fixture(scope="module")
def tasks(hierarchy: Hierarchy) -> list[Task]:
    """Four tasks of different sizes, the smallest first."""
    sampler = TaskSampler(hierarchy, CONFIG, seed=0)
    drawn = sorted((sampler.sample() for _ in range(4)), key=lambda task: len(task.seen))
    assert len(drawn[0].seen) < len(drawn[-1].seen)
    return drawn


def _params(learner: Learner, tasks: int) -> Params:
    """Prompts that are others for each task."""
    generator = torch.Generator().manual_seed(0)
    start = learner.start(learner.method.initial(learner.constants.backbone), tasks, 5)
    return {
        key: value + 0.01 * torch.randn(value.shape, generator=generator).to(value)
        for key, value in start.items()
    }


def _support(learner: Learner, tasks: list[Task]) -> Examples:
    return support_examples(tasks, learner.device)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("tasks_at_once", [2.0, 1.0, 0.5])
def test_passes_hold_every_image_once_and_fit(
    make_learner: MakeLearner,
    tasks: list[Task],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    tasks_at_once: float,
) -> None:
    learner = make_learner(method)
    whole = _support(learner, tasks)
    task, image = learner.memory(whole)
    images = whole.labels.shape[1]
    monkeypatch.setattr(memory, "BUDGET", SECOND_ORDER * tasks_at_once * (task + images * image))
    passes = list(learner.passes(whole, SECOND_ORDER))

    seen = [(rows.start + row, int(each), float(weight))
            for rows, several in passes for part in several
            for row in range(len(part.labels))
            for each, weight in zip(part.batch.images[row], part.weights[row], strict=True)
            if weight > 0]  # fmt: skip
    expected = [
        (row, int(each), float(weight))
        for row in range(4)
        for each, weight in zip(whole.batch.images[row], whole.weights[row], strict=True)
        if weight > 0
    ]
    assert sorted(seen) == sorted(expected)
    parted = any(len(several) > 1 for _, several in passes)
    assert parted == (tasks_at_once < 1 and image > 0)
    for rows, several in passes:
        for part in several:
            assert torch.equal(part.batch.classes, whole.batch.classes[rows])  # type: ignore[arg-type, index]
            # What only fills up the tasks of this pass is left out.
            assert parted or bool((part.weights[:, -1] > 0).any())
            size = len(part.labels) * (task + part.labels.shape[1] * image)
            assert SECOND_ORDER * size <= memory.BUDGET or (len(part.labels) == 1 and not image)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("temperature", [True, False])
def test_parts_add_up_to_the_gradient_of_the_whole(
    make_learner: MakeLearner,
    tasks: list[Task],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    temperature: bool,
) -> None:
    learner = make_learner(method)
    params, query = _params(learner, 4), query_examples(tasks, False, learner.device)
    leaves = {key: value.clone().requires_grad_() for key, value in params.items()}
    losses, accuracies = query_loss(learner, leaves, query, temperature)
    wanted = torch.autograd.grad(losses.sum(), list(leaves.values()))
    monkeypatch.setattr(memory, "BUDGET", 1.0)  # not even one image fits
    gradient, parted, right = task_gradient(learner, params, query, temperature)
    torch.testing.assert_close(parted, losses.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(right, accuracies, rtol=1e-12, atol=0)
    for value, slope in zip(gradient.values(), wanted, strict=True):
        torch.testing.assert_close(value, slope, rtol=1e-9, atol=1e-12 * float(slope.abs().max()))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("parted", [False, True])
def test_curvature_is_the_slope_of_the_gradient(
    make_learner: MakeLearner,
    tasks: list[Task],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    parted: bool,
) -> None:
    learner = make_learner(method)
    params, support = _params(learner, 4), _support(learner, tasks)
    generator = torch.Generator().manual_seed(1)
    direction = {
        key: torch.randn(value.shape, generator=generator).to(value)
        for key, value in params.items()
    }
    step = 1e-6
    ahead, behind = (
        task_gradient(learner, {k: v + by * direction[k] for k, v in params.items()}, support)[0]
        for by in (step, -step)
    )
    if parted:
        monkeypatch.setattr(memory, "BUDGET", 1.0)
    found = curvature(learner, params, support, direction)
    for key, value in found.items():
        slope = (ahead[key] - behind[key]) / (2 * step)
        scale = float(slope.abs().max())
        assert scale > 0
        torch.testing.assert_close(value, slope, rtol=0, atol=1e-5 * scale)


def test_best_temperature(make_learner: MakeLearner, tasks: list[Task]) -> None:
    learner = make_learner("coop")
    params = _params(learner, 4)
    query = query_examples(tasks, False, learner.device)
    plain, accuracy = query_loss(learner, params, query, temperature=False)
    best, same = query_loss(learner, params, query, temperature=True)
    assert torch.equal(accuracy, same)
    logits, _ = losses_of(learner, params, query)
    for row, task in enumerate(tasks):
        used = slice(task.query_seen.size)
        tried = [
            torch.nn.functional.cross_entropy(by * logits[row, used], query.labels[row, used])
            for by in TEMPERATURES
        ]
        assert float(best[row]) == pytest.approx(float(min(tried)), rel=1e-6)
        assert float(plain[row]) == pytest.approx(float(tried[TEMPERATURES.index(1.0)]), rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_small_task_is_the_same_beside_a_larger_one(
    make_learner: MakeLearner, tasks: list[Task], method: str
) -> None:
    learner = make_learner(method)
    theta = learner.method.initial(learner.constants.backbone, seed=0)
    phi = {key: value + 0.1 for key, value in initial_regulator(theta).items()}

    def measured(group: list[Task]) -> tuple[Params, Tensor, Tensor]:
        params = learner.start(theta, len(group), 5)
        gradient, _, _ = task_gradient(learner, params, _support(learner, group))
        params = learner.step(params, learner.regulate(phi, gradient))
        query = query_examples(group, False, learner.device)
        return params, *query_loss(learner, params, query, temperature=True)

    alone, loss, accuracy = measured([tasks[0]])
    beside, losses, accuracies = measured([tasks[-1], tasks[0]])
    for key, value in alone.items():
        torch.testing.assert_close(beside[key][1], value[0], rtol=1e-9, atol=1e-12)
    assert float(losses[1]) == pytest.approx(float(loss[0]))
    assert float(accuracies[1]) == pytest.approx(float(accuracy[0]))


def test_minibatches_are_drawn_as_they_always_were(make_learner: MakeLearner) -> None:
    """For all tasks in a row, or where images pass through the tower for about 64 images."""
    assert make_learner("coop").draws(8, images=1000) == 1
    learner = make_learner("ivlp")
    assert [learner.draws(4, images) for images in (16, 17, 40, 1000)] == [1, 2, 3, 4]
    assert replace(learner, form="paper").draws(1, 200) == 1
