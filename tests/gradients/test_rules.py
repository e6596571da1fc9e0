from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from gram_core.errors import GramError
from gram_core.gradients import (
    RULES,
    Aligned,
    Chain,
    Clip,
    GeneralLoss,
    Raw,
    Regulated,
    TaskLoss,
    build_rule,
    initial_regulator,
    norm,
    regulate,
)
from gram_core.prompts import Params

CONTEXT, COUPLING = "text.context", "visual.coupling"
LIKE = {CONTEXT: torch.zeros(3, 4), COUPLING: torch.zeros(5, 4)}


def _gradient(seed: int, runs: int = 2) -> Params:
    generator = torch.Generator().manual_seed(seed)
    return {
        key: torch.randn(runs, *value.shape, generator=generator, dtype=torch.float64)
        for key, value in LIKE.items()
    }


def _phi(form: str = "blend") -> Params:
    generator = torch.Generator().manual_seed(1)
    return {
        key: value + 0.3 * torch.randn(value.shape, generator=generator)
        for key, value in initial_regulator(LIKE, form).items()
    }


def _aligned(task: Any, general: Any, weight: float = 1.0) -> list[Any]:
    gradients = {
        name: {CONTEXT: torch.tensor(values)}
        for name, values in (("task", task), ("general", general))
    }
    return Aligned(weight)(gradients)[CONTEXT].tolist()


def _same(first: Params, second: Params) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(value, second[key]) for key, value in first.items()
    )


def _inner(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    return (first * second).flatten(1).sum(1)


@pytest.mark.parametrize(
    ("task", "general", "weight", "expected"),
    [
        ([1.0, 0.0], [-1.0, 1.0], 1.0, [0.5, 0.5]),  # <g, k> = -1, |k|^2 = 2
        ([1.0, 0.0], [-1.0, 1.0], 0.8, [0.6, 0.4]),
        ([1.0, 0.0], [-1.0, 1.0], 0.0, [1.0, 0.0]),
        ([2.0, 1.0], [-3.0, 0.0], 1.0, [0.0, 1.0]),
        ([1.0, 0.0], [1.0, 1.0], 1.0, [1.0, 0.0]),  # they agree
        ([1.0, 0.0], [0.0, -5.0], 1.0, [1.0, 0.0]),  # they do not touch
        ([1.0, -2.0], [0.0, 0.0], 1.0, [1.0, -2.0]),  # nothing general
        ([0.0, 0.0], [-1.0, 1.0], 1.0, [0.0, 0.0]),
        ([1.0, 0.0], [-1e-7, 1e-7], 1.0, [1.0, 0.0]),  # rounding errors have no say
        ([1.0, 0.0], [-1e-3, 1e-3], 1.0, [0.5, 0.5]),
    ],
)
def test_prograd_by_hand(
    task: list[float], general: list[float], weight: float, expected: list[float]
) -> None:
    assert _aligned([task], [general], weight) == [pytest.approx(expected)]


def test_prograd_takes_each_run_by_itself() -> None:
    task = [[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]
    general = [[-1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]
    assert _aligned(task, general) == [pytest.approx([0.5, 0.5]), [1.0, 0.0], [1.0, 0.0]]


def test_prograd_takes_each_parameter_by_itself_and_whole() -> None:
    """Together the two agree (−1 + 2); within one, what its rows say apart does not matter."""
    gradients = {
        "task": {CONTEXT: torch.tensor([[[1.0, 0.0]]]), COUPLING: torch.tensor([[[1.0, 1.0]]])},
        "general": {CONTEXT: torch.tensor([[[-1.0, 1.0]]]), COUPLING: torch.tensor([[[1.0, 1.0]]])},
    }
    step = Aligned()(gradients)
    assert step[CONTEXT].tolist() == [[pytest.approx([0.5, 0.5])]]
    assert torch.equal(step[COUPLING], gradients["task"][COUPLING])
    # (1, 3, 1, 2): three classes with a token each, of which only the first disagrees
    task = [[[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 1.0]]]]
    assert _aligned(task, [[[[-1.0, 0.0]], [[0.0, 1.0]], [[1.0, 1.0]]]]) == task


def test_prograd_goes_no_longer_against_what_is_general() -> None:
    gradients = {"task": _gradient(0, runs=20), "general": _gradient(1, runs=20)}
    step = Aligned()(gradients)
    for key, value in step.items():
        general = gradients["general"][key]
        before, after = _inner(gradients["task"][key], general), _inner(value, general)
        assert 0 < (before < 0).sum() < 20
        assert torch.allclose(after, before.clamp(min=0), atol=1e-12)


@pytest.mark.parametrize("scale", [1e-6, 1e9])
def test_prograd_reads_the_direction_of_the_general_gradient(scale: float) -> None:
    task, general = _gradient(0), _gradient(1)
    scaled = {key: scale * value for key, value in general.items()}
    expected = Aligned()({"task": task, "general": general})
    for key, value in Aligned()({"task": task, "general": scaled}).items():
        assert torch.allclose(value, expected[key])


def test_clip_shortens_a_run_as_a_whole() -> None:
    gradient = {
        CONTEXT: torch.tensor([[[3.0, 0.0]], [[0.3, 0.0]], [[0.0, 0.0]]]),
        COUPLING: torch.tensor([[[0.0, 4.0]], [[0.0, 0.4]], [[0.0, 0.0]]]),
    }
    step = Clip(2.0)({"task": gradient})
    assert norm(gradient).tolist() == pytest.approx([5.0, 0.5, 0.0])
    assert norm(step).tolist() == pytest.approx([2.0, 0.5, 0.0])
    assert step[CONTEXT][0].tolist() == [pytest.approx([1.2, 0.0])]
    assert step[COUPLING][0].tolist() == [pytest.approx([0.0, 1.6])]
    for key, value in gradient.items():
        assert torch.equal(step[key][1:], value[1:])


def test_a_chain_is_one_rule_after_the_other() -> None:
    """(3, 0) against (−1, 1): aligned (1.5, 1.5), clipped (1, 0)."""
    gradients = {
        "task": {CONTEXT: torch.tensor([[3.0, 0.0]])},
        "general": {CONTEXT: torch.tensor([[-1.0, 1.0]])},
    }
    first = Chain((Aligned(), Clip(1.0)))(gradients)
    second = Chain((Clip(1.0), Aligned()))(gradients)
    assert first[CONTEXT].tolist() == [pytest.approx([0.5**0.5, 0.5**0.5])]
    assert second[CONTEXT].tolist() == [pytest.approx([0.5, 0.5])]
    assert gradients["task"][CONTEXT].tolist() == [[3.0, 0.0]]


def test_a_chain_with_gram_regulates_what_is_aligned() -> None:
    gradients, phi = {"task": _gradient(0), "general": _gradient(1)}, _phi()
    rule = build_rule("prograd+gram", phi)
    expected = regulate(phi, Aligned()(gradients))
    assert _same(rule(gradients), expected)
    assert not _same(rule(gradients), Aligned()({**gradients, "task": regulate(phi, _gradient(0))}))


def test_a_chain_needs_each_loss_once() -> None:
    rule = Chain((Aligned(temperature=2.0), Regulated(_phi()), Clip()))
    assert rule.losses == (TaskLoss(), GeneralLoss(temperature=2.0))
    assert rule.name == "prograd+gram+clip"
    assert Chain((Clip(), Raw())).losses == Raw().losses == Clip().losses
    gradients = {"task": _gradient(0)}
    assert Chain((Raw(),))(gradients) is gradients["task"]


def test_gram_leaves_what_is_no_token_and_the_others_do_not() -> None:
    gradients = {"task": _gradient(0), "general": {k: -v for k, v in _gradient(0).items()}}
    task = gradients["task"][COUPLING]
    assert build_rule("gram", _phi())(gradients)[COUPLING] is task
    assert build_rule("prograd")(gradients)[COUPLING].abs().max() < 1e-12
    assert build_rule("clip", norm=0.1)(gradients)[COUPLING].norm() < 0.2 < task.norm()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("raw", {}),
        ("prograd", {"weight": 0.8, "temperature": 2.0, "template": ("a {}.", "the {}.")}),
        ("gram", {"form": "residual"}),
        ("clip", {"norm": 0.5}),
        ("prograd+gram+clip", {"weight": 0.5, "norm": 3.0, "form": "paper"}),
    ],
)
def test_a_rule_can_be_written_down(name: str, options: dict[str, Any]) -> None:
    phi = _phi(options.get("form", "blend"))
    rule = build_rule(name, phi, **options)
    assert rule.name == name
    assert rule.options.items() >= options.items()
    assert "phi" not in rule.options
    again = build_rule(rule.name, phi, **json.loads(json.dumps(rule.options)))
    assert (again.name, again.options, again.losses) == (rule.name, rule.options, rule.losses)
    gradients = {"task": _gradient(0), "general": _gradient(1)}
    assert _same(again(gradients), rule(gradients))


def test_rules_by_name() -> None:
    assert list(RULES) == ["raw", "prograd", "gram", "clip"]
    assert build_rule("prograd") == Aligned()
    assert build_rule("raw", _phi(), "paper") == Raw()  # φ is there, and not wanted
    assert build_rule("clip + prograd", norm=2.0).name == "clip+prograd"


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("magic", {}, "raw, prograd, gram, clip"),
        ("prograd+magic", {}, "no gradient rule 'magic'"),
        ("", {}, "no gradient rule ''"),
        ("gram", {}, "initialisation"),
        ("prograd+gram", {}, "initialisation"),
        ("clip+clip", {}, "each once"),
        ("raw", {"norm": 1.0}, "no option 'norm'; it has none"),
        ("prograd", {"norm": 1.0}, "weight, temperature, template"),
        ("prograd+clip", {"nrom": 1.0}, "weight, temperature, template, norm"),
        ("prograd", {"weight": -1.0}, "weight"),
        ("prograd", {"weight": "much"}, "weight"),
        ("prograd", {"temperature": 0.0}, "temperature"),
        ("prograd", {"template": "no class"}, "template"),
        ("clip", {"norm": 0.0}, "norm"),
        ("clip", {"norm": float("inf")}, "norm"),
    ],
)
def test_what_is_no_rule_is_refused(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(GramError, match=said):
        build_rule(name, **options)


def test_an_empty_chain_is_refused() -> None:
    with pytest.raises(GramError, match="no rules"):
        Chain(())
    with pytest.raises(GramError, match="each once"):
        Chain((Chain((Clip(), Raw())), Clip()))
