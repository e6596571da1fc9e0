"""The probe: fixed tasks, and numbers that mean what their names say."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gram_core import memory
from gram_core.backbones import Backbone
from gram_core.gradients import initial_regulator, norm
from gram_core.hierarchy import Hierarchy
from gram_core.meta import TaskConfig, TaskSampler
from gram_core.meta.alignment import cosine
from gram_core.meta.learner import Learner, query_loss, task_gradient
from gram_core.meta.probe import Probe, probe_of
from gram_core.prompts import ImageBank, Params, build_method, repeat_params

CONFIG = TaskConfig(ways=3, unseen_ways=2, shots=3, queries=4)


@pytest.fixture
def learner(backbone: Backbone, hierarchy: Hierarchy, images: ImageBank) -> Learner:
    method = build_method("ivlp")
    names = TaskSampler(hierarchy, CONFIG, seed=0).names
    constants = method.constants(backbone, names, images)
    return Learner(method, constants, {"text": 0.1, "visual": 0.5})


@pytest.fixture
def probe(learner: Learner, hierarchy: Hierarchy) -> Probe:
    return probe_of(learner, TaskSampler(hierarchy, CONFIG, (0, 1)), tasks=4, steps=4, batch=5)


@pytest.fixture
def theta(learner: Learner) -> Params:
    return learner.method.initial(learner.constants.backbone, seed=0)


def _far(theta: Params) -> Params:
    """A regulator far from the identity."""
    generator = torch.Generator().manual_seed(0)
    return {
        key: value + torch.randn(value.shape, generator=generator).to(value)
        for key, value in initial_regulator(theta).items()
    }


def test_the_start_is_theta_itself(learner: Learner, probe: Probe, theta: Params) -> None:
    params = repeat_params(theta, 4)
    support, _, _ = task_gradient(learner, params, probe.minibatches[0])
    assert probe.unseen is not None
    values = probe.measure(theta, None)
    for name, examples in (("", probe.seen), ("_unseen", probe.unseen)):
        query, losses, _ = task_gradient(learner, params, examples)
        expected = float(cosine(support, query).mean())
        assert values[f"cosine_raw_start{name}"] == pytest.approx(expected, abs=1e-6)
        kind = name or "_seen"
        assert values[f"loss{kind}_before"] == pytest.approx(float(losses.mean()), rel=1e-5)


@pytest.mark.parametrize("regulated", [False, True])
def test_the_end_is_where_the_adaptation_leads(
    learner: Learner, probe: Probe, theta: Params, regulated: bool
) -> None:
    phi = _far(theta) if regulated else None
    params = repeat_params(theta, 4)
    aligned: dict[str, list[float]] = {"raw": [], "regulated": []}
    ratios = []
    for step, minibatch in enumerate(probe.minibatches):
        raw, _, _ = task_gradient(learner, params, minibatch)
        change = learner.regulate(phi, raw)
        if step % probe.every == 0:
            query, _, _ = task_gradient(learner, params, probe.seen)
            for name, gradient in (("raw", raw), ("regulated", change)):
                aligned[name].append(float(cosine(gradient, query).mean()))
        ratios.append(float((norm(change) / norm(raw)).mean()))
        params = learner.step(params, change)
    loss, accuracy = query_loss(learner, params, probe.seen, temperature=False)
    values = probe.measure(theta, phi)
    assert values["loss_seen_after"] == pytest.approx(float(loss.mean()), rel=1e-5)
    assert values["accuracy_seen_after"] == pytest.approx(float(accuracy.mean()))
    for name, along in aligned.items():
        assert len(along) == 2
        assert values[f"cosine_{name}_path"] == pytest.approx(sum(along) / 2, abs=1e-6)
    assert values["step_ratio_path"] == pytest.approx(sum(ratios) / 4, rel=1e-5)


def test_the_identity_regulates_nothing(probe: Probe, theta: Params) -> None:
    values = probe.measure(theta, initial_regulator(theta))
    assert values == probe.measure(theta, None)
    for name in ("start", "path", "start_unseen", "path_unseen"):
        assert values[f"cosine_raw_{name}"] == values[f"cosine_regulated_{name}"]
    assert values["step_ratio_path"] == pytest.approx(1)


def test_a_regulator_that_turns_back_is_seen(probe: Probe, theta: Params) -> None:
    """With γ = −1 the step goes against the gradient, at its norm."""
    phi = initial_regulator(theta, "paper")
    for tower in ("text", "visual"):
        phi[f"{tower}.gamma.bias"] = torch.full_like(phi[f"{tower}.gamma.bias"], -20.0)
    values = replace(probe, learner=replace(probe.learner, form="paper")).measure(theta, phi)
    assert values["cosine_regulated_start"] == pytest.approx(-values["cosine_raw_start"], abs=1e-6)
    assert values["step_ratio_path"] == pytest.approx(1, rel=1e-5)


def test_parts_measure_what_the_whole_measures(
    probe: Probe, theta: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = probe.measure(theta, _far(theta))
    monkeypatch.setattr(memory, "BUDGET", 1.0)  # not even one image fits
    parted = probe.measure(theta, _far(theta))
    assert parted == pytest.approx(whole, rel=1e-3, abs=1e-5)


def test_the_classes_of_a_probe_may_have_contexts_of_their_own(
    backbone: Backbone, hierarchy: Hierarchy, images: ImageBank
) -> None:
    method = build_method("coop", tokens=2, class_specific=True)
    sampler = TaskSampler(hierarchy, replace(CONFIG, unseen_ways=0), (0, 1))
    constants = method.constants(backbone, sampler.names, images)
    learner = Learner(method, constants, {"text": 0.1, "visual": 0.1})
    probe = probe_of(learner, sampler, tasks=3, steps=3, batch=6)
    theta = method.initial(backbone)
    params = learner.start(theta, 3, CONFIG.ways)
    for minibatch in probe.minibatches:
        params = learner.step(params, task_gradient(learner, params, minibatch)[0])
    first, second, *_ = params["text.context"][0]
    assert not torch.equal(first, second)
    loss, _ = query_loss(learner, params, probe.seen, temperature=False)
    values = probe.measure(theta, None)
    assert values["loss_seen_after"] == pytest.approx(float(loss.mean()), rel=1e-5)
