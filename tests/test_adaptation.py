from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from gram_core import memory
from gram_core.adaptation import Adaptation, AdaptConfig, Support, adapt
from gram_core.backbones import Backbone
from gram_core.errors import GramError
from gram_core.events import Event, finish
from gram_core.gradients import (
    GeneralLoss,
    Loss,
    Raw,
    Regulated,
    Rule,
    TaskLoss,
    build_rule,
    initial_regulator,
)
from gram_core.optimisation import Adam, ScheduleName
from gram_core.prompts import (
    Batch,
    Constants,
    ImageBank,
    Method,
    Params,
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
        return TaskLoss()(logits, self.support.labels, None, batch)


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


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("raw", {}),
        ("gram", {"form": "blend"}),
        ("gram", {"form": "residual"}),
        ("gram", {"form": "paper"}),
        ("prograd", {}),
        ("prograd+gram+clip", {"norm": 0.3}),
    ],
)
def test_every_method_learns_by_every_rule(
    setting: Setting, name: str, options: dict[str, Any]
) -> None:
    generator = torch.Generator().manual_seed(0)
    phi = {
        key: value + 0.02 * torch.randn(value.shape, generator=generator)
        for key, value in initial_regulator(setting.start, options.get("form", "blend")).items()
    }
    adapted = setting.adapt(build_rule(name, phi, **options), replace(SHORT, epochs=8))
    with torch.no_grad():
        before = setting.loss(repeat_params(setting.start, RUNS))
        after = setting.loss(adapted.params)
    assert (after < before - 0.02).all()


def test_prograd_without_weight_is_raw_bit_for_bit(setting: Setting) -> None:
    raw, aligned = setting.adapt(Raw()), setting.adapt(build_rule("prograd", weight=0.0))
    assert _same(raw.params, aligned.params)


def test_prograd_stays_nearer_to_zero_shot(coop: Setting) -> None:
    """Nearer to the teacher that it was given, though all that it learns from is the task."""
    loss = GeneralLoss("a drawing of the {}.")
    known, batch = loss.constants(coop.constants), Batch(coop.support.images)

    def away(rule: Rule) -> Tensor:
        params = coop.adapt(rule, replace(SHORT, epochs=8, rate=0.01)).params
        logits = coop.method.logits(params, coop.constants, batch)
        return loss(logits, coop.support.labels, known, batch)

    assert (away(build_rule("prograd", template=loss.template)) < away(Raw()) - 1e-3).all()


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


def test_runs_in_pieces_give_the_whole(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = build_rule("prograd+clip")
    whole = setting.adapt(rule)
    monkeypatch.setattr(memory, "BUDGET", 1)
    pieces = setting.adapt(rule)
    for key, value in whole.params.items():
        assert torch.allclose(value, pieces.params[key], atol=1e-5)


def test_prograd_begins_as_raw_where_it_starts_at_its_teacher(
    coop: Setting, tiny_backbone: Backbone
) -> None:
    """The general gradient is zero there but for rounding, which must not bend the step."""
    step = AdaptConfig(epochs=1, batch=COUNT, rate=0.1)
    raw, aligned = (coop.adapt(build_rule(rule), step).params for rule in ("raw", "prograd"))
    assert _same(raw, aligned)


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


def test_adamw_and_weight_decay_are_those_of_torch(coop: Setting) -> None:
    config = AdaptConfig(
        epochs=4, batch=COUNT, rate=0.01, optimizer="adamw", epsilon=1e-4, weight_decay=0.1
    )
    adapted = coop.adapt(Raw(), config)
    context = repeat_params(coop.start, RUNS)["text.context"].requires_grad_()
    optimizer = torch.optim.AdamW([context], lr=0.01, eps=1e-4, weight_decay=0.1)
    for _ in range(4):
        optimizer.zero_grad()
        coop.loss({"text.context": context}).sum().backward()
        optimizer.step()
    assert torch.allclose(adapted.params["text.context"], context.detach(), atol=1e-4)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_optimizers_learn(setting: Setting, optimizer: Any) -> None:
    rate = 0.2 if optimizer == "sgd" else 0.005
    config = replace(SHORT, epochs=6, optimizer=optimizer, rate=rate, visual_rate=rate)
    adapted = setting.adapt(Raw(), config)
    with torch.no_grad():
        before = setting.loss(repeat_params(setting.start, RUNS))
        assert (setting.loss(adapted.params) < before - 0.02).all()


class Still(Raw):
    """No step, and nothing seen but the gradient of the loss."""

    def __init__(self) -> None:
        object.__setattr__(self, "seen", [])

    def __call__(self, gradients: dict[str, Params]) -> Params:
        self.seen.append(gradients["task"])  # type: ignore[attr-defined]
        return {key: torch.zeros_like(value) for key, value in gradients["task"].items()}


def test_weight_decay_comes_after_the_rule(coop: Setting) -> None:
    config = replace(SHORT, epochs=3, batch=COUNT, rate=0.5, weight_decay=0.2)
    start = repeat_params(coop.start, RUNS)["text.context"]
    rule = Still()
    shrunk = coop.adapt(rule, config).params["text.context"]
    assert torch.allclose(shrunk, 0.9**3 * start)
    undecayed = Still()
    coop.adapt(undecayed, replace(config, weight_decay=0.0))
    first, other = (each.seen[0]["text.context"] for each in (rule, undecayed))  # type: ignore[attr-defined]
    assert torch.equal(first, other)


def test_rates_follow_the_schedule() -> None:
    config = AdaptConfig(epochs=4, rate=2.0, visual_rate=6.0, schedule="cosine")
    rates = [config.rate_at("text.context", done) for done in range(4)]
    assert rates == pytest.approx([2.0, 1.7071068, 1.0, 0.2928932])
    assert config.rate_at("text.context", 1.9) == rates[1]
    assert config.rate_at("visual.tokens", 2) == pytest.approx(3.0)
    assert replace(config, schedule="constant").rate_at("text.context", 3) == 2.0
    by_step = replace(config, schedule="cosine-steps")
    assert rates[2] < by_step.rate_at("text.context", 1.5) < rates[1]


def test_rates_are_logged_as_they_are_taken(coop: Setting) -> None:
    """Two steps an epoch that are all rate: their sum is how far the prompts move."""

    class Ones(Raw):
        def __call__(self, gradients: dict[str, Params]) -> Params:
            return {key: torch.ones_like(value) for key, value in gradients["task"].items()}

    config = replace(SHORT, epochs=4, rate=0.08)
    start = coop.start["text.context"]
    traces: tuple[tuple[ScheduleName, list[float]], ...] = (
        ("warmup-cosine", [1e-5, 0.08, 0.0682843, 0.04]),
        ("cosine-steps", [0.0784776, 0.0617958, 0.0323463, 0.0073803]),
    )
    for schedule, trace in traces:
        adapted = coop.adapt(Ones(), replace(config, schedule=schedule))
        logged = [record["rate"] for record in adapted.history]
        for found, expected in zip(logged, trace, strict=True):
            assert found == pytest.approx([expected] * RUNS, rel=1e-4)
        moved = start - adapted.params["text.context"]
        assert torch.allclose(moved, torch.full_like(moved, 2 * sum(trace)), atol=1e-4)


def test_rates_are_logged_by_tower(tiny_backbone: Backbone, bank: ImageBank) -> None:
    images = torch.arange(8)[None]
    support = Support(images, images % 4)
    config = AdaptConfig(epochs=1, rate=0.1, visual_rate=0.2)
    for name, expected in (
        ("coop", {"rate": 0.1}),
        ("vpt", {"rate": 0.2}),
        ("ivlp", {"rate": 0.1, "visual_rate": 0.2}),
    ):
        (record,) = Setting(tiny_backbone, bank, support, name).adapt(Raw(), config).history
        assert {key: float(value[0]) for key, value in record.items() if "rate" in key} == expected


def test_gradient_norm_is_that_of_the_task_loss(setting: Setting) -> None:
    config = replace(SHORT, epochs=1, batch=COUNT)
    params = repeat_params(setting.start, RUNS)
    leaves = [value.requires_grad_() for value in params.values()]
    gradients = torch.autograd.grad(setting.loss(params).sum(), leaves)
    expected = sum(value.flatten(1).square().sum(1) for value in gradients)
    for rule in (Raw(), build_rule("clip", norm=1e-3)):
        (record,) = setting.adapt(rule, config).history
        assert record["gradient_norm"] ** 2 == pytest.approx(expected.numpy(), rel=1e-3)  # type: ignore[union-attr]
    assert record["step_ratio"] * record["gradient_norm"] == pytest.approx([1e-3] * RUNS)


def test_published_recipes() -> None:
    maple = AdaptConfig.published("maple")
    for key in ("text.context.3", "visual.coupling"):
        trace = [maple.rate_at(key, epoch) for epoch in range(maple.epochs)]
        assert trace == pytest.approx([1e-5, 0.0035, 0.00317, 0.00229, 0.00121], rel=5e-3)
    assert (maple.batch, maple.momentum, maple.weight_decay) == (4, 0.9, 5e-4)
    assert AdaptConfig.published("coop", shots=1).epochs == 50
    other = AdaptConfig.published("coop", epochs=7, rate=0.01, evaluate_at=(3,))
    assert (other.epochs, other.rate, other.visual_rate, other.evaluate_at) == (7, 0.01, 0.01, (3,))
    assert AdaptConfig.published("ivlp", visual_rate=0.5).rate == 0.0035
    assert AdaptConfig.published("zero-shot").epochs == 0
    tip = AdaptConfig.published("tip-adapter-f")
    assert tip.steps() == Adam(epsilon=1e-4, weight_decay=0.01, decoupled=True)
    assert AdaptConfig.from_dict(json.loads(json.dumps(asdict(tip)))) == tip
    with pytest.raises(GramError, match="no published recipe"):
        AdaptConfig.published("magic")


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


def test_a_rule_may_ask_for_several_losses(coop: Setting) -> None:
    """Their constants are made once, of the classes that are adapted to."""
    made: list[Constants] = []

    class Doubled(TaskLoss):
        name: ClassVar[str] = "doubled"

        def constants(self, constants: Constants) -> int:  # type: ignore[override]
            made.append(constants)
            return 2

        def __call__(self, logits: Tensor, labels: Tensor, known: Any, batch: Batch) -> Tensor:
            return known * super().__call__(logits, labels, None, batch)

    class Between(Raw):
        losses: ClassVar[tuple[Loss, ...]] = (Doubled(), TaskLoss())

        def __call__(self, gradients: dict[str, Params]) -> Params:
            return {
                key: gradients["doubled"][key] - value for key, value in gradients["task"].items()
            }

    both, raw = coop.adapt(Between()), coop.adapt(Raw())
    assert torch.allclose(both.params["text.context"], raw.params["text.context"], atol=1e-6)
    assert [each.class_names for each in made] == [NAMES]
    images = torch.arange(1, 40, 2)[None]
    coop.adapt(Between(), support=Support(images, images // 2 % 2), classes=[1, 3])
    assert made[-1].class_names == ("fire engine", "boat")


class Seen(Raw):
    """Keeps the images `(R, n)` and labels of every epoch of one minibatch."""

    def __init__(self) -> None:
        object.__setattr__(self, "epochs", epochs := [])

        class Keeping(TaskLoss):
            def __call__(self, logits: Tensor, labels: Tensor, known: None, batch: Batch) -> Tensor:
                epochs.append((batch.images, labels))
                return super().__call__(logits, labels, known, batch)

        object.__setattr__(self, "losses", (Keeping(),))


def _shown(setting: Setting, support: Support, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    rule = Seen()
    setting.adapt(rule, replace(SHORT, epochs=6, batch=COUNT, seed=seed), support=support)
    return rule.epochs  # type: ignore[attr-defined]


def test_every_epoch_shows_every_image_in_one_of_its_views(coop: Setting) -> None:
    """Ten images; the views of row i are i + 10, i + 20 and i + 30, and so is what they show."""
    images = torch.stack([torch.arange(10), torch.arange(10).flip(0)])
    views = images[..., None] + torch.tensor([10, 20, 30])
    support = Support(images, images % 4, views=views)
    epochs = _shown(coop, support)
    for shown, labels in epochs:
        assert torch.equal((shown % 10).sort(1).values, images.sort(1).values)
        assert torch.equal(labels, shown % 10 % 4)
        assert set((shown // 10).flatten().tolist()) == {1, 2, 3}
    of_image = torch.stack([shown.gather(1, (shown % 10).argsort(1)) for shown, _ in epochs])
    assert all(len(each.unique()) > 1 for each in of_image.flatten(1).T)
    assert not torch.equal(of_image[:, 0], of_image[:, 1])  # each run draws its own

    for (shown, _), (again, _) in zip(epochs, _shown(coop, support), strict=True):
        assert torch.equal(shown, again)
    for (shown, _), (alone, _) in zip(epochs, _shown(coop, support.select([1])), strict=True):
        assert torch.equal(shown[1], alone[0])
    assert not torch.equal(epochs[0][0], _shown(coop, support, seed=1)[0][0])


def test_without_views_the_images_come_as_they_always_did(coop: Setting) -> None:
    """The numbers of `docs/results.md` hang on this order."""
    generators = [torch.Generator().manual_seed(1_000_003 * 5 + run) for run in range(RUNS)]
    for shown, labels in _shown(coop, coop.support, seed=5):
        order = torch.stack([torch.randperm(COUNT, generator=each) for each in generators])
        assert torch.equal(shown, coop.support.images.gather(1, order))
        assert torch.equal(labels, shown % 4)


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
    with pytest.raises(GramError, match="outside the bank"):
        coop.adapt(Raw(), support=Support(images, images % 4, views=images[..., None] + 40))
    for views in (images, images[:, :3, None], images[..., None][..., :0]):
        with pytest.raises(GramError, match="one view of each"):
            Support(images, images % 4, views=views)
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
        {"optimizer": "lion"},
        {"weight_decay": -1.0},
        {"epsilon": float("inf")},
        {"momentum": 0.9, "optimizer": "adam"},
    ],
)
def test_bad_configuration_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(GramError, match=next(iter(bad))):
        AdaptConfig(**bad)
