"""The meta-gradient by every strategy, against finite differences in float64 and in its parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from gram_core.backbones import Backbone
from gram_core.errors import GramError
from gram_core.gradients import initial_regulator
from gram_core.meta.gradient import Strategy
from gram_core.meta.learner import losses_of, task_gradient
from gram_core.meta.tasks import Task, minibatches
from gram_core.prompts import PROMPTED, Params
from tests.meta.conftest import MakeLearner
from tests.meta.walks import apart, close, curved, noises, point_of, slopes_are, unseen_of, walk_of

FORMS = ("blend", "residual", "paper")
EXACT: tuple[Strategy, ...] = ("create_graph", "replay")


@pytest.mark.parametrize("method", PROMPTED)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("steps", [1, 3])
def test_both_exact_strategies_are_exact_and_the_first_order_is_not(
    make_learner: MakeLearner, tasks: list[Task], method: str, form: str, steps: int
) -> None:
    learner = make_learner(method, form)
    walk = walk_of(learner, tasks, steps, unseen=unseen_of(learner, tasks))
    exact, replayed, first = map(walk.gradient, (*EXACT, "first_order"))
    close(replayed, exact)
    assert exact.phi is not None
    assert first.phi is not None
    slopes_are(walk, theta=replayed.theta, phi=exact.phi)
    # The second order makes 39 % of theta's gradient at least, so that its loss would be seen.
    assert first.loss == pytest.approx(exact.loss, rel=1e-12)
    assert apart(first.theta, exact.theta) > 0.3
    if steps == 1:
        assert apart(first.phi, exact.phi) < 1e-12
    else:
        assert apart(first.phi, exact.phi) > 0.1


@pytest.mark.parametrize("method", ["cocoop", "ivlp"])
@pytest.mark.parametrize("strategy", EXACT)
def test_offset_unseen_classes_and_temperature_are_differentiated(
    make_learner: MakeLearner, tasks: list[Task], method: str, strategy: Strategy
) -> None:
    learner = make_learner(method)
    start = learner.start(point_of(learner)[0], 2, 3)
    walk = walk_of(
        learner,
        tasks,
        2,
        unseen=unseen_of(learner, tasks),
        offset={key: 0.01 * value for key, value in noises(start, seed=2).items()},
        unseen_weight=0.5,
        temperature=True,
    )
    outcome = walk.gradient(strategy)
    assert outcome.loss == pytest.approx(walk.loss())
    assert outcome.loss != pytest.approx(walk.loss(temperature=False))
    assert outcome.loss != pytest.approx(walk.loss(offset=None))
    assert outcome.phi is not None
    slopes_are(walk, theta=outcome.theta, phi=outcome.phi)


@pytest.mark.parametrize("strategy", EXACT)
def test_the_contexts_of_all_classes_begin_at_one_theta(
    make_learner: MakeLearner, tasks: list[Task], strategy: Strategy
) -> None:
    learner = make_learner("coop", class_specific=True)
    theta, _ = point_of(learner)
    start = learner.start(theta, 2, 3)
    assert start["text.context"].shape == (2, 3, *theta["text.context"].shape)
    offset = {key: 0.01 * value for key, value in noises(start).items()}
    walk = walk_of(learner, tasks, 2, offset=offset)
    outcome = walk.gradient(strategy)
    assert outcome.adapted["text.context"].shape == start["text.context"].shape
    assert outcome.phi is not None
    slopes_are(walk, theta=outcome.theta, phi=outcome.phi)


@pytest.mark.parametrize("strategy", EXACT)
def test_without_a_regulator(
    make_learner: MakeLearner, tasks: list[Task], strategy: Strategy
) -> None:
    walk = walk_of(make_learner("ivlp"), tasks, 2, phi=None)
    outcome = walk.gradient(strategy)
    assert outcome.phi is None
    assert outcome.logs["step_ratio"] == pytest.approx(1)
    slopes_are(walk, theta=outcome.theta)


@pytest.mark.parametrize("strategy", [*EXACT, "first_order"])
def test_without_steps_theta_receives_the_gradient_of_the_query(
    make_learner: MakeLearner, tasks: list[Task], strategy: Strategy
) -> None:
    walk = walk_of(make_learner("ivlp"), tasks, steps=0)
    outcome = walk.gradient(strategy)
    assert outcome.logs.keys() == {"loss_seen", "accuracy_seen"}
    params = walk.learner.start(walk.theta, 2, 3)
    raw, losses, _ = task_gradient(walk.learner, params, walk.seen)
    assert outcome.loss == pytest.approx(float(losses.mean()))
    for key, value in raw.items():
        torch.testing.assert_close(outcome.theta[key], value.mean(0), rtol=1e-10, atol=1e-14)
        assert torch.equal(outcome.adapted[key], params[key])
    assert outcome.phi is not None
    assert not any(bool(value.any()) for value in outcome.phi.values())


@pytest.mark.parametrize("method", PROMPTED)
def test_single_precision_is_as_exact_as_it_can_be(
    make_learner: MakeLearner, backbone: Backbone, tasks: list[Task], method: str
) -> None:
    # Steps are small here: long ones lead to where rounding is magnified.
    rates = {"text": 1e-3, "visual": 1e-3}
    single, exact = (
        replace(make_learner(method, backbone=each), rates=rates)
        for each in (curved(backbone), curved(backbone.double()))
    )
    expected = walk_of(exact, tasks, 2).gradient("create_graph")
    for strategy in EXACT:
        outcome = walk_of(single, tasks, 2).gradient(strategy)
        for name in ("theta", "phi"):
            found, wanted = getattr(outcome, name), getattr(expected, name)
            assert all(value.dtype == torch.float32 for value in found.values())
            assert apart(found, wanted) < 1e-4


@pytest.mark.parametrize("method", ["coop", "vpt", "ivlp"])
def test_phi_receives_a_gradient_where_it_is_the_identity(
    make_learner: MakeLearner, tasks: list[Task], method: str
) -> None:
    learner = make_learner(method)
    theta, _ = point_of(learner)
    walk = walk_of(learner, tasks, 2, phi=initial_regulator(theta))
    outcome = walk.gradient("first_order")
    assert outcome.phi is not None
    assert {key.split(".")[0] for key in outcome.phi} == {key.split(".")[0] for key in theta}
    for key, value in outcome.phi.items():
        assert float(value.abs().max()) > 0, key


def test_identity_regulator_adapts_like_none(make_learner: MakeLearner, tasks: list[Task]) -> None:
    learner = make_learner("ivlp")
    identity = initial_regulator(point_of(learner)[0])
    with_identity, without = (
        walk_of(learner, tasks, 3, phi=phi).gradient("create_graph") for phi in (identity, None)
    )
    for key, value in without.adapted.items():
        assert torch.equal(value, with_identity.adapted[key])
    assert with_identity.logs["step_ratio"] == pytest.approx(1)


@pytest.mark.parametrize("method", ["cocoop", "maple"])
def test_parameters_that_are_no_tokens_step_along_their_raw_gradient(
    make_learner: MakeLearner, tasks: list[Task], method: str
) -> None:
    learner = make_learner(method)
    walk = walk_of(learner, tasks)
    raw, plain = (walk.gradient("replay"), replace(walk, phi=None).gradient("replay"))
    for key in walk.theta:
        is_token = key.split(".")[1] in ("context", "tokens")
        assert torch.equal(raw.adapted[key], plain.adapted[key]) == (not is_token), key


def test_first_order_segment(make_learner: MakeLearner, tasks: list[Task]) -> None:
    """theta: the query gradient where the walk ends; phi: of all its steps, raw gradients fixed."""
    learner = make_learner("ivlp")
    theta, phi = point_of(learner)
    device, generator = learner.device, np.random.default_rng(0)
    supports = minibatches(tasks, 3, 4, generator, device)
    start = learner.start(theta, 2, 3)
    offset = {key: 0.01 * value for key, value in noises(start, seed=2).items()}
    walk = walk_of(
        learner,
        tasks,
        supports=supports,
        unseen=unseen_of(learner, tasks),
        offset=offset,
        unseen_weight=0.5,
    )
    outcome = walk.gradient("first_order")

    start = {key: value + offset[key] for key, value in start.items()}
    raw, point = [], start
    for support in supports:
        raw.append(task_gradient(learner, point, support)[0])
        point = learner.step(point, learner.regulate(phi, raw[-1]))
    for key, value in outcome.adapted.items():
        torch.testing.assert_close(value, point[key], rtol=1e-12, atol=1e-14)

    def loss(params: Params) -> Tensor:
        assert walk.unseen is not None
        both = [losses_of(learner, params, examples)[1] for examples in (walk.seen, walk.unseen)]
        return (both[0] + 0.5 * both[1]).mean()

    leaves = {key: value.clone().requires_grad_() for key, value in point.items()}
    wanted = torch.autograd.grad(loss(leaves), list(leaves.values()))
    for key, gradient in zip(leaves, wanted, strict=True):
        torch.testing.assert_close(outcome.theta[key], gradient.sum(0), rtol=1e-9, atol=1e-14)

    leaves = {key: value.clone().requires_grad_() for key, value in phi.items()}
    walked = start
    for each in raw:
        walked = learner.step(walked, learner.regulate(leaves, each))
    wanted = torch.autograd.grad(loss(walked), list(leaves.values()))
    assert outcome.phi is not None
    for key, gradient in zip(leaves, wanted, strict=True):
        torch.testing.assert_close(outcome.phi[key], gradient, rtol=1e-9, atol=1e-14)


def test_an_unknown_strategy_is_refused(make_learner: MakeLearner, tasks: list[Task]) -> None:
    walk = walk_of(make_learner("coop"), tasks)
    with pytest.raises(GramError, match=r"strategy 'compiled'; choose one of create_graph, replay"):
        walk.gradient("compiled")  # type: ignore[arg-type]
