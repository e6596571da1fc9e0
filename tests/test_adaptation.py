from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from gram_core.adaptation import Adaptation, AdaptConfig, Support, adapt
from gram_core.backbones import Backbone
from gram_core.errors import GramError
from gram_core.events import Event, finish
from gram_core.gradients import LOSSES, Raw, Regulated, Rule, initial_regulator
from gram_core.prompts import (
    Batch,
    Constants,
    ImageBank,
    Method,
    Params,
    VisualTokens,
    build_method,
    repeat_params,
    stack_params,
    unstack_params,
)

LEARNED = ("coop", "vpt", "ivlp")
NAMES = ("cat", "fire engine", "tree", "boat")
RUNS, COUNT = 3, 20
SHORT = AdaptConfig(epochs=3, batch=8, rate=0.1, visual_rate=0.5)


@pytest.fixture(scope="module")
def bank(tiny_backbone: Backbone) -> ImageBank:
    """Coloured noise: a picture's colour and grain go with its row modulo four."""
    generator = torch.Generator().manual_seed(0)
    size = tiny_backbone.image_size
    noise = torch.randn(40, 3, size, size, generator=generator)
    kinds = torch.arange(40) % 4
    colours = torch.randn(4, 3, 1, 1, generator=generator)
    return ImageBank.of(
        tiny_backbone, (128 + 60 * colours[kinds] + 20 * noise).clamp(0, 255).to(torch.uint8)
    )


@pytest.fixture(scope="module")
def support() -> Support:
    generator = torch.Generator().manual_seed(0)
    images = torch.stack([torch.randperm(40, generator=generator)[:COUNT] for _ in range(RUNS)])
    return Support(images, images % 4)


class Setting:
    """A method ready to adapt on the tiny backbone."""

    def __init__(self, backbone: Backbone, bank: ImageBank, support: Support, name: str) -> None:
        self.method: Method = build_method(name)
        self.constants: Constants = self.method.constants(backbone, NAMES, bank)
        self.support = support
        self.start = self.method.initial(backbone)

    def adapt(self, rule: Rule, config: AdaptConfig = SHORT, **options: Any) -> Adaptation:
        support = options.pop("support", self.support)
        start = options.pop("start", self.start)
        return finish(adapt(self.method, rule, self.constants, support, start, config, **options))

    def loss(self, params: Params) -> Tensor:
        """The task loss of each run on all its support images."""
        batch = Batch(self.support.images)
        logits = self.method.logits(params, self.constants, batch)
        return LOSSES["task"](logits, self.support.labels, self.constants, batch)


@pytest.fixture(params=LEARNED)
def setting(
    request: pytest.FixtureRequest, tiny_backbone: Backbone, bank: ImageBank, support: Support
) -> Setting:
    return Setting(tiny_backbone, bank, support, request.param)


@pytest.fixture
def coop(tiny_backbone: Backbone, bank: ImageBank, support: Support) -> Setting:
    return Setting(tiny_backbone, bank, support, "coop")


def _same(first: Params, second: Params) -> bool:
    return all(torch.equal(value, second[key]) for key, value in first.items())


def _distance(params: Params, start: Params) -> float:
    return sum(float((value - start[key]).norm()) for key, value in params.items())


@pytest.mark.parametrize("form", ["blend", "residual"])
def test_identity_regulator_is_the_raw_rule_bit_for_bit(setting: Setting, form: str) -> None:
    raw = setting.adapt(Raw())
    regulated = setting.adapt(Regulated(initial_regulator(setting.start, form), form))
    assert _same(raw.params, regulated.params)
    for before, after in zip(raw.history, regulated.history, strict=True):
        assert np.array_equal(before["loss"], after["loss"])


@pytest.mark.parametrize("form", ["raw", "blend", "residual", "paper"])
def test_every_method_learns_by_every_rule(setting: Setting, form: str) -> None:
    rule: Rule = Raw()
    if form != "raw":
        generator = torch.Generator().manual_seed(0)
        phi = initial_regulator(setting.start, form)
        rule = Regulated(
            {
                key: value + 0.02 * torch.randn(value.shape, generator=generator)
                for key, value in phi.items()
            },
            form,
        )
    adapted = setting.adapt(rule, replace(SHORT, epochs=8))
    with torch.no_grad():
        before = setting.loss(repeat_params(setting.start, RUNS))
        after = setting.loss(adapted.params)
    assert (after < before - 0.02).all()


def test_zero_epochs_change_nothing(setting: Setting) -> None:
    adapted = setting.adapt(Raw(), replace(SHORT, epochs=0))
    assert _same(adapted.params, repeat_params(setting.start, RUNS))
    assert adapted.history == []


def test_zero_epochs_of_coop_predict_as_zero_shot(
    tiny_backbone: Backbone, bank: ImageBank, coop: Setting
) -> None:
    adapted = coop.adapt(Raw(), replace(SHORT, epochs=0))
    batch = Batch(torch.arange(40).expand(RUNS, -1))
    zero_shot = build_method("zero-shot")
    plain = zero_shot.logits({}, zero_shot.constants(tiny_backbone, NAMES, bank), batch)
    assert torch.allclose(
        coop.method.logits(adapted.params, coop.constants, batch), plain, atol=1e-4
    )


def test_runs_side_by_side_are_runs_alone(setting: Setting) -> None:
    together = setting.adapt(Raw())
    for run in range(RUNS):
        alone = setting.adapt(Raw(), support=setting.support.select([run]))
        for key, value in alone.params.items():
            assert torch.allclose(value[0], together.params[key][run], atol=1e-5)
        assert alone.history[-1]["loss"] == pytest.approx(
            together.history[-1]["loss"][run : run + 1], abs=1e-4
        )


def test_runs_differ_and_repeat(coop: Setting) -> None:
    images = coop.support.images[:1].repeat(2, 1)
    support = Support(images, images % 4)
    first, second = unstack_params(coop.adapt(Raw(), support=support).params)
    assert not _same(first, second)
    again = unstack_params(coop.adapt(Raw(), support=support).params)
    assert _same(again[0], first)
    other = coop.adapt(Raw(), replace(SHORT, seed=1), support=support).params
    assert not _same(unstack_params(other)[0], first)


def test_visual_runs_in_pieces_give_the_whole(
    tiny_backbone: Backbone,
    bank: ImageBank,
    support: Support,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    setting = Setting(tiny_backbone, bank, support, "ivlp")
    whole = setting.adapt(Raw())
    monkeypatch.setattr(VisualTokens, "images_at_once", 8)
    pieces = setting.adapt(Raw())
    for key, value in whole.params.items():
        assert torch.allclose(value, pieces.params[key], atol=1e-5)


def test_runs_may_start_apart(setting: Setting, tiny_backbone: Backbone) -> None:
    starts = [
        {key: value + 0.01 * seed for key, value in setting.start.items()} for seed in range(RUNS)
    ]
    together = setting.adapt(Raw(), start=stack_params(starts))
    alone = setting.adapt(Raw(), start=starts[2], support=setting.support.select([2]))
    for key, value in alone.params.items():
        assert torch.allclose(value[0], together.params[key][2], atol=1e-5)


def test_pull_keeps_nearer_to_the_start(setting: Setting) -> None:
    start = repeat_params(setting.start, RUNS)
    free, pulled, held = (
        _distance(setting.adapt(Raw(), replace(SHORT, epochs=6, pull=pull)).params, start)
        for pull in (0.0, 0.5, 1.5)
    )
    assert held < pulled < free


def test_gain_scales_the_step(coop: Setting) -> None:
    half = coop.adapt(Raw(), replace(SHORT, gain=0.5))
    slower = coop.adapt(Raw(), replace(SHORT, rate=0.05))
    assert _same(half.params, slower.params)
    assert half.history[0]["step_ratio"] == pytest.approx([0.5] * RUNS)


def test_momentum_is_that_of_torch(coop: Setting) -> None:
    """One minibatch an epoch, so that the order does not matter."""
    config = AdaptConfig(epochs=4, batch=COUNT, momentum=0.9, pull=0.1, rate=0.05)
    adapted = coop.adapt(Raw(), config)
    start = repeat_params(coop.start, RUNS)["text.context"]
    context = start.clone().requires_grad_()
    optimizer = torch.optim.SGD([context], lr=0.05, momentum=0.9)
    for _ in range(4):
        optimizer.zero_grad()
        away = 0.05 * (context - start).square().sum()
        (coop.loss({"text.context": context}).sum() + away).backward()
        optimizer.step()
    assert torch.allclose(adapted.params["text.context"], context.detach(), atol=1e-5)


def test_rates_follow_the_schedule() -> None:
    config = AdaptConfig(epochs=4, rate=2.0, visual_rate=6.0, schedule="cosine")
    rates = [config.rate_at("text.context", epoch) for epoch in range(1, 5)]
    assert rates == pytest.approx([2.0, 1.7071068, 1.0, 0.2928932])
    assert config.rate_at("visual.tokens", 3) == pytest.approx(3.0)
    assert replace(config, schedule="constant").rate_at("text.context", 4) == 2.0


def test_towers_have_their_own_rate(
    tiny_backbone: Backbone, bank: ImageBank, support: Support
) -> None:
    setting = Setting(tiny_backbone, bank, support, "ivlp")
    start = repeat_params(setting.start, RUNS)
    adapted = setting.adapt(Raw(), replace(SHORT, visual_rate=0.0)).params
    assert torch.equal(adapted["visual.tokens"], start["visual.tokens"])
    assert not torch.equal(adapted["text.context"], start["text.context"])


def test_chosen_classes_are_as_if_there_were_no_others(
    tiny_backbone: Backbone, bank: ImageBank, coop: Setting
) -> None:
    images = torch.arange(40)[None]
    images = images[:, (images[0] % 4) >= 2]
    support = Support(images, images % 4 - 2)
    chosen = coop.adapt(Raw(), support=support, classes=[2, 3])
    constants = coop.method.constants(tiny_backbone, NAMES[2:], bank)
    alone = finish(adapt(coop.method, Raw(), constants, support, coop.start, SHORT))
    assert _same(chosen.params, alone.params)


def test_minibatches_are_whole(coop: Setting) -> None:
    seen: list[int] = []

    class Counting(Raw):
        def __call__(self, gradients: dict[str, Params]) -> Params:
            seen.append(len(seen))
            return super().__call__(gradients)

    coop.adapt(Counting(), replace(SHORT, epochs=1, batch=8))  # 20 images: 8, 8, and 4 left out
    assert len(seen) == 2
    coop.adapt(Counting(), replace(SHORT, epochs=1, batch=32))  # fewer than a batch: all of them
    assert len(seen) == 3


def test_a_rule_may_ask_for_several_losses(coop: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    def doubled(logits: Tensor, labels: Tensor, constants: Constants, batch: Batch) -> Tensor:
        return 2 * LOSSES["task"](logits, labels, constants, batch)

    class Between:
        name: ClassVar[str] = "between"
        losses: ClassVar[tuple[str, ...]] = ("doubled", "task")

        def __call__(self, gradients: dict[str, Params]) -> Params:
            return {
                key: gradients["doubled"][key] - value for key, value in gradients["task"].items()
            }

    monkeypatch.setitem(LOSSES, "doubled", doubled)
    both, raw = coop.adapt(Between()), coop.adapt(Raw())
    assert torch.allclose(both.params["text.context"], raw.params["text.context"], atol=1e-6)


def test_events_tell_epochs_and_measurements(coop: Setting) -> None:
    def evaluate(params: Params) -> dict[str, np.ndarray]:
        assert params["text.context"].shape[0] == RUNS
        return {"base": np.arange(RUNS, dtype=float)}

    config = replace(SHORT, epochs=5, evaluate_every=3, evaluate_at=(0, 1))
    events: list[Event] = list(
        adapt(coop.method, Raw(), coop.constants, coop.support, coop.start, config, evaluate)
    )
    assert [event.kind for event in events] == ["metric"] * 6 + ["result"]
    assert [event.step for event in events[:-1]] == list(range(6))
    assert [event.step for event in events[:-1] if "base" in event.values] == [0, 1, 3, 5]
    assert events[1].values["base"] == 1.0
    assert list(events[1].result["base"]) == [0.0, 1.0, 2.0]
    assert events[1].values["loss"] == pytest.approx(events[1].result["loss"].mean())
    result = events[-1].result
    assert [record["epoch"] for record in result.history] == list(range(6))


def test_zero_shot_has_nothing_to_adapt(
    tiny_backbone: Backbone, bank: ImageBank, support: Support
) -> None:
    setting = Setting(tiny_backbone, bank, support, "zero-shot")
    adapted = setting.adapt(Raw(), evaluate=lambda params: {"base": np.ones(RUNS)})
    assert adapted.params == {}
    assert [record["epoch"] for record in adapted.history] == [0]


def test_what_cannot_be_learned_from_is_refused(
    tiny_backbone: Backbone, bank: ImageBank, coop: Setting
) -> None:
    images = coop.support.images
    with pytest.raises(GramError, match="one class only"):
        coop.adapt(Raw(), support=Support(images, images * 0), classes=[1])
    with pytest.raises(GramError, match="Labels run from 0 to 3"):
        coop.adapt(Raw(), classes=[0, 1])
    with pytest.raises(GramError, match="outside the bank"):
        coop.adapt(Raw(), support=Support(images + 40, images % 4))
    with pytest.raises(GramError, match="one shape"):
        Support(images, images[:, :3])
    with pytest.raises(GramError, match="no support images"):
        Support(images[:, :0], images[:, :0])
    for start in (
        {},
        {"text.context": torch.zeros(2, 3)},
        build_method("vpt").initial(tiny_backbone),
    ):
        with pytest.raises(GramError, match=r"learns text\.context"):
            coop.adapt(Raw(), start=start)


def test_a_rate_that_breaks_the_prompts_is_told(coop: Setting) -> None:
    with pytest.raises(GramError, match="lower the rate"):
        coop.adapt(Raw(), replace(SHORT, rate=3e38, gain=3e38))


@pytest.mark.parametrize(
    "bad",
    [
        {"epochs": -1},
        {"epochs": 1.5},
        {"batch": 0},
        {"rate": -0.1},
        {"rate": float("nan")},
        {"pull": -1.0},
        {"momentum": 1.0},
        {"schedule": "steep"},
    ],
)
def test_bad_configuration_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(GramError, match=next(iter(bad))):
        AdaptConfig(**bad)
