"""The meta-gradient against finite differences in float64, and what its parts mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from gram_core.backbones import Backbone
from gram_core.gradients import initial_regulator
from gram_core.hierarchy import Hierarchy
from gram_core.meta import TaskConfig, TaskSampler
from gram_core.meta.alignment import cosine
from gram_core.meta.gradient import (
    TEMPERATURES,
    Learner,
    join,
    losses_of,
    meta_gradient,
    query_loss,
    support_gradient,
)
from gram_core.meta.tasks import Examples, Task, query_examples, support_examples
from gram_core.prompts import ImageBank, Params, VisualTokens, build_method, repeat_params

RATES = {"text": 0.5, "visual": 0.5}
CONFIG = TaskConfig(ways=3, unseen_ways=2, shots=2, queries=2)
METHODS = ("coop", "vpt", "ivlp")

MakeLearner = Callable[..., Learner]


@pytest.fixture(scope="module")
def double(tiny_backbone: Backbone) -> Backbone:
    """The tiny backbone in float64, with a logit scale at which losses are curved."""
    backbone = tiny_backbone.double()
    backbone.logit_scale = 5.0
    return backbone


@pytest.fixture(scope="module")
def make_learner(double: Backbone, hierarchy: Hierarchy, images: ImageBank) -> MakeLearner:
    def make(method: str, form: str = "blend") -> Learner:
        built = build_method(method, tokens=2)
        assert images.pixels is not None
        bank = ImageBank.of(double, images.pixels)
        names = TaskSampler(hierarchy, CONFIG, seed=0).names
        return Learner(built, built.constants(double, names, bank), RATES, form)

    return make


@pytest.fixture(scope="module")
def tasks(hierarchy: Hierarchy) -> list[Task]:
    sampler = TaskSampler(hierarchy, CONFIG, seed=0)
    return [sampler.sample() for _ in range(2)]


def _point(learner: Learner, strength: float = 0.1) -> tuple[Params, Params]:
    """theta at its start, and a regulator that is not the identity."""
    theta = learner.method.initial(learner.constants.backbone, seed=0)
    phi = initial_regulator(theta, learner.form)
    generator = torch.Generator().manual_seed(0)
    return theta, {
        key: value + strength * _noise(value, generator) / max(1, value.shape[-1:].numel()) ** 0.5
        for key, value in phi.items()
    }


def _noise(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=torch.float64)


def _slope(loss: Callable[[Params], float], point: Params, direction: Params) -> float:
    step = 2e-7  # prompts are small, and layer normalisation bends strongly there
    ahead = {key: value + step * direction[key] for key, value in point.items()}
    behind = {key: value - step * direction[key] for key, value in point.items()}
    return (loss(ahead) - loss(behind)) / (2 * step)


def _along(gradient: Params, direction: Params) -> float:
    return float(sum((gradient[key] * direction[key]).sum() for key in gradient))


def _directions(point: Params) -> list[Params]:
    generator = torch.Generator().manual_seed(1)
    return [{key: _noise(value, generator) for key, value in point.items()} for _ in range(3)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("form", ["blend", "residual", "paper"])
@pytest.mark.parametrize("steps", [1, 2])
def test_second_order_agrees_with_finite_differences(
    make_learner: MakeLearner, tasks: list[Task], method: str, form: str, steps: int
) -> None:
    learner = make_learner(method, form)
    theta, phi = _point(learner)
    supports = [support_examples(tasks)] * steps
    queries = query_examples(tasks, unseen=False), query_examples(tasks, unseen=True)

    exact = meta_gradient(learner, theta, phi, supports, *queries)
    first = meta_gradient(learner, theta, phi, supports, *queries, second_order=False)
    assert exact.phi is not None
    assert first.phi is not None
    assert exact.loss == pytest.approx(first.loss, rel=1e-12)

    def loss_theta(point: Params) -> float:
        return meta_gradient(learner, point, phi, supports, *queries).loss

    def loss_phi(point: Params) -> float:
        return meta_gradient(learner, theta, point, supports, *queries).loss

    off = 0.0
    for direction in _directions(theta):
        slope = _slope(loss_theta, theta, direction)
        assert _along(exact.theta, direction) == pytest.approx(slope, rel=1e-5, abs=1e-8)
        off = max(off, abs(_along(first.theta, direction) - slope) / abs(slope))
    assert off > 1e-3  # the first order is another gradient, and this test would see it
    for direction in _directions(phi):
        slope = _slope(loss_phi, phi, direction)
        assert _along(exact.phi, direction) == pytest.approx(slope, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_with_one_step_the_gradient_of_phi_needs_no_second_order(
    make_learner: MakeLearner, tasks: list[Task], method: str
) -> None:
    learner = make_learner(method)
    theta, phi = _point(learner)
    arguments = (learner, theta, phi, [support_examples(tasks)], query_examples(tasks, False))
    exact, first = meta_gradient(*arguments), meta_gradient(*arguments, second_order=False)
    assert exact.phi is not None
    assert first.phi is not None
    for key in phi:
        torch.testing.assert_close(exact.phi[key], first.phi[key], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("method", METHODS)
def test_phi_receives_a_gradient_where_it_is_the_identity(
    make_learner: MakeLearner, tasks: list[Task], method: str
) -> None:
    learner = make_learner(method)
    theta, _ = _point(learner)
    phi = initial_regulator(theta)
    outcome = meta_gradient(
        learner, theta, phi, [support_examples(tasks)] * 2, query_examples(tasks, False),
        second_order=False,
    )  # fmt: skip
    assert outcome.phi is not None
    assert {key.split(".")[0] for key in phi} == {key.split(".")[0] for key in theta}
    for key, value in outcome.phi.items():
        assert float(value.abs().max()) > 0, key


def test_identity_regulator_adapts_like_none(make_learner: MakeLearner, tasks: list[Task]) -> None:
    learner = make_learner("ivlp")
    theta, _ = _point(learner)
    arguments = [support_examples(tasks)] * 3, query_examples(tasks, False)
    with_identity = meta_gradient(learner, theta, initial_regulator(theta), *arguments)
    without = meta_gradient(learner, theta, None, *arguments)
    assert without.phi is None
    for key, value in without.adapted.items():
        assert torch.equal(value, with_identity.adapted[key])
    assert with_identity.logs["step_ratio"] == pytest.approx(1)


def test_first_order_segment(make_learner: MakeLearner, tasks: list[Task]) -> None:
    """theta: the query gradient where the walk ends; phi: of all its steps, raw gradients fixed."""
    learner = make_learner("ivlp")
    theta, phi = _point(learner)
    generator = np.random.default_rng(0)
    supports = [support_examples(tasks, "cpu", 4, generator) for _ in range(3)]
    seen, unseen = query_examples(tasks, unseen=False), query_examples(tasks, unseen=True)
    offset = {
        key: 0.01 * _noise(value, torch.Generator().manual_seed(2))
        for key, value in repeat_params(theta, 2).items()
    }
    outcome = meta_gradient(
        learner, theta, phi, supports, seen, unseen,
        second_order=False, offset=offset, unseen_weight=0.5,
    )  # fmt: skip

    start = {key: value + offset[key] for key, value in repeat_params(theta, 2).items()}
    raw, point = [], start
    for support in supports:
        raw.append(support_gradient(learner, point, support)[0])
        point = learner.step(point, learner.regulate(phi, raw[-1]))
    for key, value in outcome.adapted.items():
        torch.testing.assert_close(value, point[key], rtol=1e-12, atol=1e-14)

    def loss(params: Params) -> Tensor:
        both = [losses_of(learner, params, examples)[1] for examples in (seen, unseen)]
        return (both[0] + 0.5 * both[1]).mean()

    leaves = {key: value.clone().requires_grad_() for key, value in point.items()}
    wanted = torch.autograd.grad(loss(leaves), list(leaves.values()))
    for key, gradient in zip(leaves, wanted, strict=True):
        torch.testing.assert_close(outcome.theta[key], gradient.sum(0), rtol=1e-9, atol=1e-14)

    def loss_phi(regulator: Params) -> float:
        walked = start
        for gradient in raw:
            walked = learner.step(walked, learner.regulate(regulator, gradient))
        return float(loss(walked))

    assert outcome.phi is not None
    for direction in _directions(phi):
        slope = _slope(loss_phi, phi, direction)
        assert _along(outcome.phi, direction) == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_groups_of_tasks_give_what_all_tasks_give(
    make_learner: MakeLearner, hierarchy: Hierarchy, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = make_learner("ivlp")
    sampler = TaskSampler(hierarchy, CONFIG, seed=5)
    tasks = [sampler.sample() for _ in range(5)]
    theta, phi = _point(learner)

    def outcome(group: list[Task]) -> object:
        return meta_gradient(
            learner, theta, phi, [support_examples(group)], query_examples(group, False)
        )

    monkeypatch.setattr(VisualTokens, "images_at_once", 12)
    groups = [tasks[rows] for rows in learner.groups(5, CONFIG.ways * CONFIG.shots)]
    assert [len(group) for group in groups] == [1, 2, 2]
    assert [task for group in groups for task in group] == tasks
    whole = outcome(tasks)
    joined = join([outcome(group) for group in groups])  # type: ignore[misc]
    assert joined.loss == pytest.approx(whole.loss)  # type: ignore[attr-defined]
    assert joined.logs == pytest.approx(whole.logs)  # type: ignore[attr-defined]
    for part in ("theta", "phi", "adapted"):
        for key, value in getattr(whole, part).items():
            torch.testing.assert_close(getattr(joined, part)[key], value, rtol=1e-8, atol=1e-12)


def test_groups_are_one_where_images_cost_nothing(make_learner: MakeLearner) -> None:
    assert make_learner("coop").groups(50, images=1000) == [slice(0, 50)]


def test_best_temperature(make_learner: MakeLearner, tasks: list[Task]) -> None:
    learner = make_learner("coop")
    params = repeat_params(_point(learner)[0], 2)
    query = query_examples(tasks, unseen=False)
    plain, accuracy = query_loss(learner, params, query, temperature=False)
    best, same = query_loss(learner, params, query, temperature=True)
    assert torch.equal(accuracy, same)
    logits, _ = losses_of(learner, params, query)
    for row in range(2):
        tried = [
            torch.nn.functional.cross_entropy(by * logits[row], query.labels[row])
            for by in TEMPERATURES
        ]
        assert float(best[row]) == pytest.approx(float(min(tried)))
        assert float(plain[row]) == pytest.approx(float(tried[TEMPERATURES.index(1.0)]))


def test_a_small_task_is_the_same_beside_a_larger_one(
    make_learner: MakeLearner, hierarchy: Hierarchy
) -> None:
    learner = make_learner("ivlp")
    sampler = TaskSampler(hierarchy, replace(CONFIG, ways=5, fewest_ways=2), seed=0)
    tasks = sorted((sampler.sample() for _ in range(8)), key=lambda task: len(task.seen))
    few, many = tasks[0], tasks[-1]
    assert len(few.seen) < len(many.seen)
    theta, phi = _point(learner)

    def measured(group: list[Task]) -> tuple[Params, Tensor, Tensor]:
        params = repeat_params(theta, len(group))
        gradient, _ = support_gradient(learner, params, _support(group))
        params = learner.step(params, learner.regulate(phi, gradient))
        both = query_loss(learner, params, query_examples(group, False), temperature=True)
        return params, *both

    def _support(group: list[Task]) -> Examples:
        return support_examples(group)

    alone, loss, accuracy = measured([few])
    beside, losses, accuracies = measured([many, few])
    for key, value in alone.items():
        torch.testing.assert_close(beside[key][1], value[0], rtol=1e-9, atol=1e-12)
    assert float(losses[1]) == pytest.approx(float(loss[0]))
    assert float(accuracies[1]) == pytest.approx(float(accuracy[0]))


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
