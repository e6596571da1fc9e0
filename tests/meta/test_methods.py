"""Meta-training of every prompt method, in every preset, whatever fits into memory."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from gram_core import memory
from gram_core.errors import GramError
from gram_core.events import finish
from gram_core.meta import meta_train
from gram_core.meta.training import Training
from gram_core.prompts import METHODS, PROMPTED, Params, build_method
from tests.meta.conftest import BuildMethod, Configure, World

PRESETS = ("trajectory", "paper", "pretraining")


def _tensors(training: Training) -> dict[str, Params]:
    return {
        name: {key: value.clone() for key, value in (getattr(training, name) or {}).items()}
        for name in ("theta", "phi", "offset")
    }


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("method", [*PROMPTED, "class-specific"])
def test_every_prompt_method_learns_in_every_preset_and_goes_on_from_a_checkpoint(
    world: World, build: BuildMethod, configure: Configure, method: str, preset: Any
) -> None:
    built = build(method) if method in PROMPTED else build("coop", class_specific=True)
    steps = {"inner_steps": 2} if preset == "paper" else {}
    config = configure(built, preset, tasks=2, rank=4, per_layer=True, **steps)
    training = Training(built, *world, config)
    before = _tensors(training)
    training.advance()
    after = _tensors(training)
    assert bool(after["phi"]) == (preset != "pretraining")
    for part in ("theta", "phi"):
        for key, value in after[part].items():
            # The right factor of a weight moves once the left one, which is zero, has moved.
            assert value.equal(before[part][key]) == key.endswith("right"), key

    tensors, state = training.checkpoint()
    kept = {key: value.clone() for key, value in tensors.items()}, json.loads(json.dumps(state))
    metrics = training.advance()
    again = Training(built, *world, config)
    again.restore(1, *kept)
    assert again.advance() == metrics
    for name, params in _tensors(again).items():
        for key, value in _tensors(training)[name].items():
            assert torch.equal(params[key], value)
            assert not torch.equal(after[name][key], value)


@pytest.mark.parametrize(
    ("method", "preset", "overrides", "strategy"),
    [
        ("coop", "trajectory", {}, "first_order"),
        ("coop", "paper", {}, "create_graph"),
        ("coop", "paper", {"inner_steps": 3}, "replay"),
        ("coop", "paper", {"inner_steps": 3, "first_order": True}, "first_order"),
        ("language-deep", "paper", {}, "create_graph"),
        ("vpt", "paper", {}, "replay"),
        ("maple", "paper", {"first_order": True}, "first_order"),
        ("cocoop", "paper", {}, "create_graph"),
        ("coop", "pretraining", {}, "first_order"),
    ],
)
def test_the_strategy_follows_from_preset_and_method(
    world: World,
    asked: list[dict[str, Any]],
    configure: Configure,
    method: str,
    preset: Any,
    overrides: dict[str, Any],
    strategy: str,
) -> None:
    config = configure(method, preset, **overrides)
    Training(build_method(method), *world, config).advance()
    (call,) = asked
    assert call["strategy"] == strategy
    steps = {"trajectory": 2, "pretraining": 0}.get(preset, config.inner_steps)
    assert len(call["supports"]) == steps


def test_images_of_a_task_that_do_not_fit_into_one_graph_are_replayed(
    world: World, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure("cocoop", "paper")
    assert Training(build_method("cocoop"), *world, config).strategy == "create_graph"
    monkeypatch.setattr(memory, "BUDGET", 1.0)
    assert Training(build_method("cocoop"), *world, config).strategy == "replay"
    # The classes of a text prompt cannot be parted.
    assert Training(build_method("coop"), *world, configure("coop", "paper")).strategy == (
        "create_graph"
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_parts_of_tasks_lead_where_the_whole_leads(
    world: World, configure: Configure, monkeypatch: pytest.MonkeyPatch, preset: Any
) -> None:
    """The same tasks and minibatches are drawn, whatever fits into memory."""
    whole, parted = (Training(build_method("vpt"), *world, configure("vpt", preset)) for _ in "ab")
    expected = whole.advance()
    monkeypatch.setattr(memory, "BUDGET", 1.0)
    found = parted.advance()
    assert found == pytest.approx(expected, rel=1e-3)


def test_a_class_specific_method_needs_its_own_settings(world: World, configure: Configure) -> None:
    with pytest.raises(GramError, match="with class_specific"):
        Training(build_method("coop", class_specific=True), *world, configure("coop"))


def test_offsets_are_those_of_every_class(world: World, configure: Configure) -> None:
    method = build_method("coop", class_specific=True)
    training = Training(method, *world, configure(method))
    training.advance()
    context = training.theta["text.context"]
    walked = training.offset["text.context"]
    assert walked.shape == (3, 3, *context.shape)
    assert not torch.equal(walked[:, 0], walked[:, 1])


@pytest.mark.parametrize(
    ("changes", "key", "shape"),
    [
        ({}, "text.gamma.weight", (32, 32)),
        ({"rank": 3}, "text.gamma.left", (32, 3)),
        ({"per_layer": True}, "text.1.gamma.weight", (32, 32)),
        ({"per_layer": True, "rank": 3}, "visual.0.beta.right", (3, 48)),
    ],
)
def test_the_regulator_is_as_the_settings_say(
    world: World, configure: Configure, changes: dict[str, Any], key: str, shape: tuple[int, int]
) -> None:
    method = build_method("ivlp", depth=2)
    phi = Training(method, *world, configure(method, **changes)).phi
    assert phi is not None
    assert phi[key].shape == shape


@pytest.mark.parametrize("method", sorted(METHODS.keys() - set(PROMPTED)))
def test_methods_without_prompts_have_nothing_to_learn(
    world: World, configure: Configure, method: str
) -> None:
    with pytest.raises(GramError, match=f"{method} has nothing to meta-train"):
        finish(meta_train(build_method(method), *world, configure("coop")))
