"""Meta-training: what it learns, what it leaves alone, and that it goes on after a kill."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from gram_core.adaptation import AdaptConfig, Support, adapt
from gram_core.errors import GramError
from gram_core.events import Event, finish
from gram_core.meta import Initialisation, MetaConfig, TaskConfig, meta_train
from gram_core.meta.training import Training
from gram_core.prompts import Params, build_method
from gram_core.runs import Run
from gram_core.workspace import Workspace
from tests.meta.conftest import Configure, World

METHODS = ("coop", "vpt", "ivlp")
PRESETS = ("trajectory", "paper", "pretraining")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(Workspace(tmp_path), "meta-train", {})


def _log(events: Iterator[Event], run: Run) -> Any:
    """What a job does with the events."""
    for event in events:
        if event.values:
            run.log({"step": event.step, **event.values})
        if event.kind == "result":
            return event.result
    return None


def _equal(first: Params | None, second: Params | None) -> bool:
    if first is None or second is None:
        return first is second
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize("preset", ["trajectory", "paper"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_is_meta_trained(
    world: World, method: str, preset: str, configure: Configure
) -> None:
    built = build_method(method)
    events = list(meta_train(built, *world, configure(method, preset)))
    metrics = [event for event in events if event.kind == "metric"]
    assert [event.step for event in metrics] == list(range(7))
    for event in metrics:
        assert all(math.isfinite(value) for value in event.values.values())
        assert ("cosine_regulated_path_unseen" in event.values) == (event.step % 3 == 0)
    for event in metrics[1:]:
        assert {"query_loss", "accuracy_seen", "gradient_norm", "step_ratio"} <= event.values.keys()
        assert ("accuracy_unseen" in event.values) == (preset == "trajectory")
    assert metrics[-1].values["theta_rate"] == pytest.approx(0.05 * MetaConfig().theta_rate)
    moved = [event.values["theta_moved"] for event in metrics[1:]]
    assert 0 < moved[0] < moved[-1]

    result = events[-1].result
    start = built.initial(world[0], seed=0)
    towers = {key.split(".")[0] for key in start}
    assert {key.split(".")[0] for key in result.phi} == towers
    assert result.form == ("paper" if preset == "paper" else "blend")
    for key, value in start.items():
        assert not torch.equal(result.theta[key], value)
    assert all(float(result.phi[f"{tower}.beta.weight"].abs().max()) > 0 for tower in towers)


def test_phi_moves_at_the_first_step(world: World, configure: Configure) -> None:
    training = Training(build_method("ivlp"), *world, configure("ivlp"))
    training.advance()
    assert training.phi is not None
    assert all(float(value.abs().max()) > 0 for value in training.phi.values())


@pytest.mark.parametrize("preset", ["trajectory", "paper"])
def test_theta_and_phi_move_at_their_own_rates(
    world: World, preset: str, configure: Configure
) -> None:
    """The first step of Adam is as long as its rate."""
    config = configure("coop", preset, theta_rate=1e-4, phi_rate=1e-2)
    training = Training(build_method("coop"), *world, config)
    assert training.phi is not None
    before = {key: value.clone() for key, value in training.phi.items()}
    rates = training.advance()
    for now, start, rate in (
        (training.theta, training.initial, rates["theta_rate"]),
        (training.phi, before, rates["phi_rate"]),
    ):
        moved = max(float((now[key] - value).abs().max()) for key, value in start.items())
        assert moved == pytest.approx(rate, rel=0.01)
    assert rates["phi_rate"] == pytest.approx(100 * rates["theta_rate"])


@pytest.mark.parametrize("inner_steps", [1, 3])
def test_the_paper_takes_exact_steps_on_the_whole_support(
    world: World,
    asked: list[dict[str, Any]],
    inner_steps: int,
    configure: Configure,
) -> None:
    config = configure("coop", "paper", inner_steps=inner_steps)
    Training(build_method("coop"), *world, config).advance()
    (call,) = asked
    assert len(call["supports"]) == inner_steps
    for support in call["supports"]:
        for images in support.batch.images.tolist():
            assert len(set(images)) == 3 * 3  # ways × shots
        assert torch.equal(call["seen"].batch.classes, support.batch.classes)
    assert call["unseen"] is None
    assert not call["temperature"]
    assert call["offset"] is None


@pytest.mark.parametrize("temperature", [True, False])
def test_the_trajectory_takes_a_segment_of_first_order_steps(
    world: World,
    asked: list[dict[str, Any]],
    temperature: bool,
    configure: Configure,
) -> None:
    config = configure("coop", temperature=temperature, unseen_weight=0.5)
    Training(build_method("coop"), *world, config).advance()
    (call,) = asked
    assert [tuple(support.labels.shape) for support in call["supports"]] == [(3, 6), (3, 6)]
    seen, unseen = call["seen"].batch.classes, call["unseen"].batch.classes
    assert torch.equal(seen, call["supports"][0].batch.classes)
    assert not set(seen[0].tolist()) & set(unseen[0].tolist())
    assert call["unseen_weight"] == 0.5
    assert call["temperature"] == temperature


def test_learning_nothing_leaves_plain_adaptation(world: World, configure: Configure) -> None:
    backbone, _, images = world
    method = build_method("coop")
    config = configure("coop", learn_theta=False, learn_phi=False)
    result = finish(meta_train(method, *world, config))
    plain = method.initial(backbone, seed=0)
    assert _equal(result.theta, plain)
    constants = method.constants(backbone, ["dog", "cat"], images)
    support = Support(torch.tensor([[0, 1, 24, 25]]), torch.tensor([[0, 0, 1, 1]]))
    short = AdaptConfig(epochs=3)
    rules = result.rule(), replace(result, phi=None).rule()
    first, second = (
        finish(adapt(method, rule, constants, support, start, short)).params
        for rule, start in zip(rules, (result.theta, plain), strict=True)
    )
    assert _equal(first, second)


@pytest.mark.parametrize(("learn_theta", "learn_phi"), [(True, False), (False, True)])
def test_one_part_is_learned_alone(
    world: World, learn_theta: bool, learn_phi: bool, configure: Configure
) -> None:
    config = configure("coop", learn_theta=learn_theta, learn_phi=learn_phi)
    result = finish(meta_train(build_method("coop"), *world, config))
    assert _equal(result.theta, build_method("coop").initial(world[0])) == (not learn_theta)
    assert all(float(value.abs().max()) == 0 for value in result.phi.values()) == (not learn_phi)


def test_raw_rule_has_no_regulator(world: World, configure: Configure) -> None:
    events = list(meta_train(build_method("coop"), *world, configure("coop", rule="raw")))
    result = events[-1].result
    assert result.phi is None
    assert result.rule().name == "raw"
    assert events[-2].values["step_ratio"] == pytest.approx(1)
    values = events[-2].values
    assert values["cosine_raw_path"] == values["cosine_regulated_path"]


def test_the_seed_decides_everything(world: World, configure: Configure) -> None:
    method = build_method("coop")
    first, second, third = (
        finish(meta_train(method, *world, configure("coop", seed=seed))) for seed in (3, 3, 4)
    )
    assert _equal(first.theta, second.theta)
    assert _equal(first.phi, second.phi)
    assert not _equal(first.phi, third.phi)


@pytest.mark.parametrize(
    ("method", "preset"),
    [("coop", "trajectory"), ("ivlp", "trajectory"), ("coop", "paper"), ("vpt", "paper")],
)
def test_a_killed_run_arrives_at_the_same_numbers(
    world: World,
    tmp_path: Path,
    method: str,
    preset: str,
    configure: Configure,
) -> None:
    workspace, built, config = Workspace(tmp_path), build_method(method), configure(method, preset)
    whole = Run.create(workspace, "meta-train", {}, "whole")
    expected = _log(meta_train(built, *world, config, whole), whole)

    killed = Run.create(workspace, "meta-train", {}, "killed")
    # Events: steps 0, 1, 2, checkpoint, 3 (not in the checkpoint), and then the end.
    _log(islice(meta_train(built, *world, config, killed), 5), killed)
    assert [row["step"] for row in killed.metrics()] == [0, 1, 2, 3]
    found = killed.latest_checkpoint()
    assert found is not None
    assert found[0] == 2
    result = _log(meta_train(built, *world, config, killed), killed)

    assert _equal(result.theta, expected.theta)
    assert _equal(result.phi, expected.phi)
    assert killed.metrics() == whole.metrics()
    assert result.about == expected.about
    # A finished run gives its result again, without another step.
    again = list(meta_train(built, *world, config, killed))
    assert [event.kind for event in again] == ["result"]
    assert _equal(again[0].result.theta, expected.theta)
    assert _equal(Initialisation.load(killed.folder).phi, expected.phi)


def test_resuming_with_other_settings_is_refused(
    world: World, run: Run, configure: Configure
) -> None:
    finish(meta_train(build_method("coop"), *world, configure("coop"), run))
    with pytest.raises(GramError, match="another inner_rate;"):
        finish(meta_train(build_method("coop"), *world, configure("coop", inner_rate=0.2), run))


def test_a_checkpoint_older_than_a_setting_had_its_default(
    world: World, configure: Configure
) -> None:
    training = Training(build_method("coop"), *world, configure("coop"))
    training.advance()
    tensors, state = training.checkpoint()
    for newer in ("inner_steps", "first_order", "without", "rank", "per_layer"):
        del state["config"][newer]
    Training(build_method("coop"), *world, configure("coop")).restore(1, tensors, state)
    changed = Training(build_method("coop"), *world, configure("coop", per_layer=True))
    with pytest.raises(GramError, match="another per_layer;"):
        changed.restore(1, tensors, state)


def test_slots_live_as_long_as_they_were_given(world: World, configure: Configure) -> None:
    training = Training(build_method("coop"), *world, configure("coop", tasks=8, steps=30))
    lives = set()
    for _ in range(15):
        before = {id(slot): slot for slot in training.slots}
        ended = {key for key, slot in before.items() if slot.taken >= slot.lifetime}
        training.advance()
        gone = before.keys() - {id(slot) for slot in training.slots}
        assert gone == ended
        lives |= {slot.lifetime for slot in training.slots}
        fresh = [row for row, slot in enumerate(training.slots) if slot.taken == 2]
        walked = training.offset["text.context"].flatten(1).norm(dim=1)
        assert (walked > 0).all()
        assert all(slot.taken % 2 == 0 for slot in training.slots)
        assert len(fresh) >= len(gone)
    assert lives == set(range(1, 7))


def test_a_task_goes_on_where_it_was_and_a_new_one_begins_at_theta(
    world: World,
    asked: list[dict[str, Any]],
    configure: Configure,
) -> None:
    training = Training(build_method("coop"), *world, configure("coop", steps=30))
    training.advance()
    count = {"new": 0, "old": 0}
    for _ in range(10):
        before = training.offset["text.context"].clone()
        over = [slot.taken >= slot.lifetime for slot in training.slots]
        training.advance()
        last, call = asked[-2:]
        for row, new in enumerate(over):
            count["new" if new else "old"] += 1
            expected = torch.zeros_like(before[row]) if new else before[row]
            assert torch.equal(call["offset"]["text.context"][row], expected)
            for query in ("seen", "unseen"):
                now, former = call[query].batch, last[query].batch
                assert new or torch.equal(now.classes[row], former.classes[row])
                # Every segment of a task is held against another draw of its query.
                assert not torch.equal(now.images[row], former.images[row])
    assert min(count.values()) > 5


def test_query_loss_falls(world: World, configure: Configure) -> None:
    config = configure(
        "coop",
        steps=40,
        tasks=8,
        theta_rate=1e-2,
        phi_rate=1e-2,
        inner_rate=0.02,
        probe_tasks=16,
        probe_every=40,
        temperature=False,
        task=TaskConfig(ways=3, unseen_ways=2, shots=4, queries=8, kinship=0.8),
    )
    events = list(meta_train(build_method("coop"), *world, config))
    first, last = events[0].values, events[-2].values
    assert last["loss_seen_after"] < 0.95 * first["loss_seen_after"]


def test_metrics_are_means_over_the_tasks(world: World, configure: Configure) -> None:
    """query_loss is what is minimised: the seen loss plus the weighted unseen one."""
    config = configure("coop", unseen_weight=0.5)
    events = list(meta_train(build_method("coop"), *world, config))
    for event in events[1:-1]:
        values = event.values
        expected = values["loss_seen"] + 0.5 * values["loss_unseen"]
        assert values["query_loss"] == pytest.approx(expected, rel=1e-5)
        assert 0 <= values["accuracy_seen"] <= 1


def test_without_unseen_classes(world: World, configure: Configure) -> None:
    config = configure("coop", unseen_ways=0)
    events = list(meta_train(build_method("coop"), *world, config))
    assert not any("unseen" in name for event in events for name in event.values)


def test_a_rate_that_breaks_the_numbers_is_told(world: World, configure: Configure) -> None:
    config = configure("coop", inner_rate=1e30, form="residual")
    with pytest.raises(GramError, match="lower inner_rate"):
        finish(meta_train(build_method("coop"), *world, config))
