from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from gram_core.adaptation import AdaptConfig
from gram_core.backbones import Backbone
from gram_core.datasets import LabelledSet
from gram_core.errors import GramError
from gram_core.evaluation.protocols import Contender, Outcome, base_to_new, draws
from gram_core.events import finish
from gram_core.gradients import initial_regulator
from gram_core.meta.initialisation import Initialisation
from gram_core.prompts import build_method
from tests.evaluation.conftest import MakeSet

SHORT = AdaptConfig(epochs=3, rate=0.5, batch=8)


def run(
    contenders: list[Contender], labelled: LabelledSet, backbone: Backbone
) -> dict[str, Outcome]:
    runs = draws(labelled, seeds=2)
    events = base_to_new(contenders, labelled, backbone, runs, shots=4, evaluate_at=(0,))
    return {outcome.contender: outcome for outcome in finish(events)}


def same(one: Outcome, two: Outcome) -> bool:
    return all((one.cells[name] == two.cells[name]).all() for name in one.cells)


def test_contenders_that_are_the_same_thing_have_the_same_outcome(
    tiny_backbone: Backbone, make_set: MakeSet
) -> None:
    method = build_method("coop")
    theta = method.initial(tiny_backbone)
    start = Initialisation(theta, initial_regulator(theta), "coop")
    coop = Contender.plain("coop", method, SHORT)
    gram = Contender.meta_trained("identity", tiny_backbone, [start, start], SHORT)
    zero_shot = Contender.plain("zero-shot", build_method("zero-shot"), SHORT)
    found = run(
        [coop, gram, gram.raw("raw"), gram.raw("still", gain=0), zero_shot],
        make_set(noise=0.15),
        tiny_backbone,
    )

    assert found["coop"].cells["base"].shape == (1, 4)  # meta-seeds, draws × sources
    assert found["identity"].cells["base"].shape == (2, 4)
    assert same(found["coop"], found["identity"])  # a regulator at its start is the identity
    assert same(found["coop"], found["raw"])
    assert same(found["zero-shot"], found["still"])
    assert not same(found["coop"], found["zero-shot"])
    assert found["identity"].step_ratio == pytest.approx(1)
    assert found["still"].step_ratio == 0


def test_each_draw_has_a_start_of_its_own(tiny_backbone: Backbone) -> None:
    vpt = Contender.plain("vpt", build_method("vpt"), SHORT)
    start = vpt.start(None, tiny_backbone, [(0, "ink"), (0, "oil"), (1, "ink")])["visual.tokens"]
    assert torch.equal(start[0], start[1])
    assert not torch.allclose(start[0], start[2])


def test_each_initialisation_is_a_row_of_the_accuracies(
    tiny_backbone: Backbone, make_set: MakeSet
) -> None:
    theta = build_method("coop").initial(tiny_backbone)
    generator = torch.Generator().manual_seed(0)
    afar = {
        key: value + 0.5 * torch.randn(value.shape, generator=generator)
        for key, value in theta.items()
    }
    back = {key: torch.full_like(value, -1.0) for key, value in initial_regulator(theta).items()}
    starts = [
        Initialisation(theta, initial_regulator(theta), "coop"),
        Initialisation(afar, back, "coop"),
    ]
    alone = [
        Contender.meta_trained(str(n), tiny_backbone, [start], SHORT)
        for n, start in enumerate(starts)
    ]
    both = Contender.meta_trained("both", tiny_backbone, starts, SHORT)
    contenders = [both, *alone]
    raw = [contender.raw(f"raw {contender.name}") for contender in contenders]
    found = run([*contenders, *raw], make_set(noise=0.15), tiny_backbone)

    for kind in ("", "raw "):
        first, second = found[f"{kind}0"], found[f"{kind}1"]
        assert not same(first, second)
        for name, cell in found[f"{kind}both"].cells.items():
            assert (cell == np.concatenate([first.cells[name], second.cells[name]])).all()
    assert not same(found["1"], found["raw 1"])


def test_accuracies_before_adaptation_are_those_of_zero_shot(
    tiny_backbone: Backbone, make_set: MakeSet
) -> None:
    coop = Contender.plain("coop", build_method("coop"), SHORT)
    zero_shot = Contender.plain("zero-shot", build_method("zero-shot"), SHORT)

    found = run([coop, zero_shot], make_set(noise=0.15), tiny_backbone)

    assert sorted(found["coop"].epochs) == [0, 3]
    for name, cell in found["zero-shot"].cells.items():
        assert (found["coop"].epochs[0][name] == cell).all()


def test_only_base_classes_are_learned_from(tiny_backbone: Backbone, make_set: MakeSet) -> None:
    labelled = make_set(noise=0.15)
    features = labelled.bank.features
    assert features is not None
    pool_of_new = labelled.rows("pool", labelled.new)
    coop = Contender.plain("coop", build_method("coop"), SHORT)
    before = run([coop], labelled, tiny_backbone)["coop"]

    spoilt = features.clone()
    spoilt[pool_of_new] = torch.nan
    labelled = replace(labelled, bank=replace(labelled.bank, features=spoilt))

    assert same(before, run([coop], labelled, tiny_backbone)["coop"])


def test_progress_reaches_its_total(tiny_backbone: Backbone, make_set: MakeSet) -> None:
    coop = Contender.plain("coop", build_method("coop"), SHORT)
    zero_shot = Contender.plain("zero-shot", build_method("zero-shot"), SHORT)

    labelled = make_set()

    events = list(
        base_to_new([zero_shot, coop, coop], labelled, tiny_backbone, draws(labelled, seeds=1))
    )

    steps = [event.step for event in events]
    assert steps == sorted(steps)
    assert steps[-1] == events[-1].total == 6


def test_a_set_of_three_classes_is_refused(tiny_backbone: Backbone, make_set: MakeSet) -> None:
    small = replace(make_set(), classes=("dog", "car", "moon"))
    with pytest.raises(GramError, match="four classes"):
        finish(base_to_new([], small, tiny_backbone, []))


def test_an_outcome_survives_json(tiny_backbone: Backbone, make_set: MakeSet) -> None:
    coop = Contender.plain("coop", build_method("coop"), SHORT)
    outcome = run([coop], make_set(), tiny_backbone)["coop"]

    again = Outcome.from_json(json.loads(json.dumps(outcome.to_json())))

    assert same(outcome, again)
    assert again.runs == outcome.runs
    assert np.array_equal(again.epochs[0]["new"], outcome.epochs[0]["new"])


def test_draws_are_on_every_source_or_on_each_in_turn(make_set: MakeSet) -> None:
    labelled = make_set()

    assert draws(labelled, 2) == [(0, "ink"), (0, "oil"), (1, "ink"), (1, "oil")]
    assert draws(labelled, 3, every_source=False) == [(0, "ink"), (1, "oil"), (2, "ink")]
