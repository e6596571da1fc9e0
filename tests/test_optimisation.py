from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gram_core.errors import GramError
from gram_core.optimisation import SCHEDULES, SGD, Adam, Optimizer, published
from gram_core.prompts import METHODS, Params

RATES = {"text.context": 0.1, "visual.tokens": 0.03}
STEPS = 6


def _start(runs: int = 3) -> Params:
    generator = torch.Generator().manual_seed(0)
    return {key: torch.randn(runs, 4, 5, generator=generator, dtype=torch.float64) for key in RATES}


def _gradient(params: Params, step: int) -> Params:
    """Of a bowl that is tilted another way at each step."""
    generator = torch.Generator().manual_seed(100 + step)
    tilt = torch.randn(4, 5, generator=generator, dtype=torch.float64)
    return {key: 2 * value + tilt for key, value in params.items()}


def _walk(optimizer: Optimizer, params: Params, steps: int = STEPS) -> Params:
    state = optimizer.initial(params)
    for step in range(steps):
        params, state = optimizer.step(params, _gradient(params, step), state, RATES)
    assert state.steps == steps
    return params


def _walk_of_torch(build: Callable[..., torch.optim.Optimizer], steps: int = STEPS) -> Params:
    params = {key: value.clone().requires_grad_() for key, value in _start().items()}
    optimizer = build([{"params": [value], "lr": RATES[key]} for key, value in params.items()])
    for step in range(steps):
        for key, slope in _gradient(params, step).items():
            params[key].grad = slope.detach()
        optimizer.step()
    return {key: value.detach() for key, value in params.items()}


@pytest.mark.parametrize(
    ("ours", "kind", "options"),
    [
        (SGD(), torch.optim.SGD, {}),
        (SGD(weight_decay=0.3), torch.optim.SGD, {"weight_decay": 0.3}),
        (SGD(0.9), torch.optim.SGD, {"momentum": 0.9}),
        (SGD(0.9, 5e-2), torch.optim.SGD, {"momentum": 0.9, "weight_decay": 5e-2}),
        (
            SGD(0.8, 5e-2, nesterov=True),
            torch.optim.SGD,
            {"momentum": 0.8, "weight_decay": 5e-2, "nesterov": True},
        ),
        (Adam(), torch.optim.Adam, {}),
        (
            Adam((0.8, 0.95), 1e-2, 0.3),
            torch.optim.Adam,
            {"betas": (0.8, 0.95), "eps": 1e-2, "weight_decay": 0.3},
        ),
        (Adam(decoupled=True), torch.optim.AdamW, {"weight_decay": 0.0}),
        (
            Adam(epsilon=1e-4, weight_decay=0.3, decoupled=True),
            torch.optim.AdamW,
            {"eps": 1e-4, "weight_decay": 0.3},
        ),
    ],
)
def test_optimizers_are_those_of_torch(
    ours: Optimizer, kind: Callable[..., torch.optim.Optimizer], options: dict[str, Any]
) -> None:
    expected = _walk_of_torch(lambda groups: kind(groups, **options))
    for key, value in _walk(ours, _start()).items():
        assert torch.allclose(value, expected[key], rtol=1e-12, atol=1e-14)


EACH = [SGD(0.9, 0.1), SGD(0.9, 0.1, True), Adam(weight_decay=0.1), Adam(decoupled=True)]


@pytest.mark.parametrize("optimizer", EACH)
def test_runs_side_by_side_are_runs_alone(optimizer: Optimizer) -> None:
    together = _walk(optimizer, _start())
    for run in range(3):
        alone = _walk(optimizer, {key: value[run : run + 1] for key, value in _start().items()})
        for key, value in alone.items():
            assert torch.equal(value[0], together[key][run])


@pytest.mark.parametrize("optimizer", EACH)
def test_a_step_changes_nothing_that_it_was_given(optimizer: Optimizer) -> None:
    start = _start()
    before = optimizer.initial(start)
    params, state = optimizer.step(start, _gradient(start, 0), before, RATES)
    again, other = optimizer.step(start, _gradient(start, 0), before, RATES)
    assert all(torch.equal(value, again[key]) for key, value in params.items())
    for key, value in _start().items():
        assert torch.equal(start[key], value)
        assert all((moment[key] == 0).all() for moment in before.moments.values())
        assert all(
            torch.equal(moment[key], other.moments[name][key])
            for name, moment in state.moments.items()
        )


@pytest.mark.parametrize("optimizer", EACH)
def test_a_parameter_without_a_gradient_stays(optimizer: Optimizer) -> None:
    params = start = _start()
    state = optimizer.initial(start)
    for step in range(2):
        gradient = {"visual.tokens": _gradient(params, step)["visual.tokens"]}
        params, state = optimizer.step(params, gradient, state, RATES)
    assert list(params) == list(start)
    assert torch.equal(params["text.context"], start["text.context"])
    assert not torch.equal(params["visual.tokens"], start["visual.tokens"])


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: SGD(1.0), r"momentum is 1\.0; .* from 0 to below 1"),
        (lambda: SGD(-0.1), "momentum"),
        (lambda: SGD(weight_decay=-1.0), "weight_decay"),
        (lambda: SGD(nesterov=True), "momentum"),
        (lambda: Adam((0.9, 1.0)), "betas"),
        (lambda: Adam(epsilon=float("nan")), "epsilon"),
        (lambda: Adam(weight_decay=float("inf")), "weight_decay"),
    ],
)
def test_what_is_out_of_range_is_refused(build: Callable[[], Any], said: str) -> None:
    with pytest.raises(GramError, match=said):
        build()


@pytest.mark.parametrize(
    ("rate", "epochs", "trace"),
    [
        (0.0035, 5, {0: 1e-5, 1: 0.0035, 2: 0.00317, 3: 0.00229, 4: 0.00121}),  # MaPLe
        (0.002, 10, {0: 1e-5, 1: 0.002, 9: 1.9e-4}),  # CoCoOp
        (0.0025, 20, {0: 1e-5, 1: 0.0025, 19: 6.1e-5}),  # PromptSRC
    ],
)
def test_warmup_cosine_is_the_published_trace(
    rate: float, epochs: int, trace: dict[int, float]
) -> None:
    schedule = SCHEDULES["warmup-cosine"]
    for epoch, expected in trace.items():
        for within in (0.0, 0.3, 0.999):
            assert schedule(rate, epoch + within, epochs) == pytest.approx(expected, rel=1e-2)
    assert all(schedule(rate, epoch, epochs) > 0 for epoch in range(epochs))


def test_warming_up_is_no_faster_than_what_follows() -> None:
    assert SCHEDULES["warmup-cosine"](0.0, 0.5, 10) == 0.0
    assert SCHEDULES["warmup-cosine"](1e-6, 0.5, 10) == 1e-6


def _trace_of_torch(steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    trace = []
    for _ in range(steps):
        trace.append(float(scheduler.get_last_lr()[0]))
        optimizer.step()
        scheduler.step()
    return trace


def test_cosine_is_that_of_torch_by_epochs_or_by_steps() -> None:
    by_epoch = [SCHEDULES["cosine"](0.1, place / 3, 8) for place in range(24)]
    by_step = [SCHEDULES["cosine-steps"](0.1, place / 3, 8) for place in range(24)]
    assert by_epoch == pytest.approx([rate for rate in _trace_of_torch(8) for _ in range(3)])
    assert by_step == pytest.approx(_trace_of_torch(24))


def test_constant_stays() -> None:
    assert {SCHEDULES["constant"](0.1, done, 8) for done in (0, 3.5, 7.9)} == {0.1}


def test_every_method_has_a_recipe() -> None:
    for method in METHODS:
        assert published(method)["epochs"] >= 0


def test_recipes_are_the_published_ones() -> None:
    assert published("coop") == {
        "rate": 0.002,
        "batch": 32,
        "epochs": 200,
        "schedule": "warmup-cosine",
        "momentum": 0.9,
        "weight_decay": 5e-4,
    }
    shots = {1: 50, 2: 100, 4: 100, 8: 200, 16: 200}
    assert {each: published("coop", each)["epochs"] for each in shots} == shots
    table = {
        "cocoop": (0.002, 1, 10),
        "vpt": (0.0025, 4, 5),
        "vpt-deep": (0.0025, 4, 5),
        "language-deep": (0.0025, 4, 5),
        "ivlp": (0.0035, 4, 5),
        "maple": (0.0035, 4, 5),
    }
    for method, (rate, batch, epochs) in table.items():
        for each in shots:
            recipe = published(method, each)
            assert (recipe["rate"], recipe["batch"], recipe["epochs"]) == (rate, batch, epochs)
            assert recipe["weight_decay"] == 5e-4
    assert published("zero-shot") == published("tip-adapter") == {"epochs": 0}


def test_what_has_no_recipe_is_told() -> None:
    with pytest.raises(GramError, match=r"no published recipe of 'magic'.*maple"):
        published("magic")
    with pytest.raises(GramError, match="shots is 0"):
        published("coop", 0)
