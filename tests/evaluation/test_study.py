from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gram_core.adaptation import AdaptConfig
from gram_core.backbones import Backbone
from gram_core.datasets import LabelledSet
from gram_core.errors import GramError
from gram_core.evaluation import study as module
from gram_core.evaluation.metrics import CELLS
from gram_core.evaluation.protocols import Contender, Draw, Outcome
from gram_core.evaluation.study import StudyConfig, study
from gram_core.events import Event, finish
from gram_core.gradients import Regulated
from gram_core.hierarchy import Hierarchy
from gram_core.meta import Initialisation
from gram_core.prompts import ImageBank, Params, build_method
from tests.evaluation.conftest import NAMES, MakeSet
from tests.meta.conftest import hierarchy, images  # noqa: F401 (fixtures)

SMALL = StudyConfig(
    sets=("one", "two"),
    validation=("third",),
    meta_seeds=2,
    draws=2,
    validation_draws=1,
    shots=2,
    adapt=AdaptConfig(epochs=2, rate=0.5, batch=4),
    factors=(0.1, 1.0),
    stops=(1,),
    pulls=(0.1, 0.5),
    meta={
        "steps": 2, "tasks": 2, "segment": 2, "horizon": 4, "batch": 4, "probe_tasks": 1,
        "probe_steps": 1, "ways": 2, "unseen_ways": 2, "shots": 4, "queries": 2, "phi_rate": 0.3,
        "exclude": ["goat"],
    },
)  # fmt: skip
USUAL = AdaptConfig(epochs=4, rate=0.5, visual_rate=0.25, batch=4)
Raced = dict[str, list[Contender]]


@pytest.fixture
def sets(make_set: MakeSet, monkeypatch: pytest.MonkeyPatch) -> dict[str, LabelledSet]:
    """What `load_set` finds under the names of `SMALL`."""
    found = {name: make_set(noise=0.15, name=name) for name in ("one", "two", "third")}
    monkeypatch.setattr(module, "load_set", lambda name, backbone: found[name])
    return found


@pytest.fixture
def raced(
    sets: dict[str, LabelledSet],
    tiny_backbone: Backbone,
    hierarchy: Hierarchy,  # noqa: F811
    images: ImageBank,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Raced:
    """The contenders of a study in `tmp_path` whose accuracies are made up, by their names.

    Three times the rate for 2 epochs is best over the two validation sets, tenfold on one of them;
    a pull of 0.5 is the best pull. Every step is 2.5 times as long as its gradient.
    """
    known = {("two", 5.0, 0.0, 2): (0.95, 0.95), ("third", 5.0, 0.0, 2): (0.1, 0.1)} | {
        (name, *tried): (0.8, 0.9)
        for name in ("two", "third")
        for tried in ((1.5, 0.0, 2), (0.5, 0.5, 4))
    }
    found: Raced = {}

    def race(
        contenders: Sequence[Contender],
        labelled: LabelledSet,
        backbone: Backbone,
        runs: Sequence[Draw],
        shots: int = 16,
        evaluate_at: Sequence[int] = (),
    ) -> Iterator[Event]:
        outcomes = []
        for each in contenders:
            found.setdefault(each.name, []).append(each)
            config, shape = each.config, (len(each.starts), len(runs))
            epochs = {}
            for epoch in {*evaluate_at, config.epochs}:
                key = (labelled.name, config.rate, config.pull, epoch)
                base, new = known.get(key, (0.9, 0.3))
                epochs[epoch] = {
                    cell: np.full(shape, base if "base" in cell else new) for cell in CELLS
                }
            outcomes.append(Outcome(each.name, labelled.name, tuple(runs), epochs, 2.5, 0.0))
        yield Event("result", result=outcomes)

    monkeypatch.setattr(module, "base_to_new", race)
    config = replace(
        SMALL,
        sets=("one",),
        validation=("two", "third"),
        adapt=USUAL,
        factors=(0.1, 3.0, 10.0),
        stops=(1, 2, 4),
        pulls=(0.1, 0.5, 1.0),
    )
    finish(study(tiny_backbone, hierarchy, images, config, tmp_path))
    return found


def test_every_row_is_there_and_the_work_is_not_done_twice(
    sets: dict[str, LabelledSet],
    tiny_backbone: Backbone,
    hierarchy: Hierarchy,  # noqa: F811
    images: ImageBank,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = finish(study(tiny_backbone, hierarchy, images, SMALL, tmp_path))

    rows = [record["contender"] for record in report["table"] if record["data"] == "one"]
    assert rows == [
        "zero-shot",
        "CoOp, rate and epoch by validation",
        "CoOp, last epoch",
        "CoOp, pulled to its start",
        "CoOp from a meta-learned start",
        "CoOp + GRAM's start, raw steps of equal length",
        "CoOp + GRAM, as printed",
        "CoOp + GRAM, own start",
        "CoOp + GRAM",
    ]
    assert len(report["table"]) == 3 * len(rows)  # two sets and their average
    assert len(report["differences"]) == 3 * (len(rows) - 1)
    shapes = {
        outcome["contender"]: np.shape(list(outcome["epochs"].values())[-1]["new"])
        for outcome in report["outcomes"]
    }
    assert shapes["CoOp + GRAM"] == shapes["CoOp from a meta-learned start"] == (2, 4)
    assert shapes["CoOp, last epoch"] == (1, 4)
    ratios = {(each["data"], each["contender"]): each["step_ratio"] for each in report["outcomes"]}
    for data in SMALL.sets:
        matched = ratios[data, "CoOp + GRAM's start, raw steps of equal length"]
        assert matched == pytest.approx(ratios[data, "CoOp + GRAM"], rel=1e-4)
        assert abs(matched - 1) > 0.02  # φ is far enough from the identity to make a difference
    assert "Nothing was chosen on a test set" in (tmp_path / "study.md").read_text()
    assert (tmp_path / "figures" / "gains-all-sets.html").is_file()
    assert json.loads((tmp_path / "study.json").read_text()) == report

    for kind in ("gram", "theta", "phi", "paper"):
        for seed in range(SMALL.meta_seeds):
            about = Initialisation.load(tmp_path / "initialisations" / f"{kind}-{seed}").about
            assert len(about["words"]) >= 4
            # neither what is tested was trained on, nor what the settings exclude
            assert not {*NAMES, "goat"} & set(about["words"])

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("done before")

    monkeypatch.setattr(module, "meta_train", refuse)
    monkeypatch.setattr(module, "base_to_new", refuse)
    assert finish(study(tiny_backbone, hierarchy, images, SMALL, tmp_path)) == report
    with pytest.raises(GramError, match="a study of other settings"):
        finish(study(tiny_backbone, hierarchy, images, replace(SMALL, draws=3), tmp_path))


def test_rows_are_adapted_with_what_was_best_on_validation_sets(
    raced: Raced, tmp_path: Path
) -> None:
    choices = json.loads((tmp_path / "choices.json").read_text())
    best_h = pytest.approx(100 * 2 * 0.8 * 0.9 / 1.7)
    assert choices["rate"] == {"value": 3.0, "epochs": 2, "validation_h": best_h}
    assert choices["pull"] == {"value": 0.5, "epochs": 4, "validation_h": best_h}

    other = {
        "CoOp, rate and epoch by validation": replace(USUAL, rate=1.5, visual_rate=0.75, epochs=2),
        "CoOp, pulled to its start": replace(USUAL, pull=0.5),
        "CoOp + GRAM's start, raw steps of equal length": replace(USUAL, gain=2.5),
    }
    rows = [row for row in raced if row.startswith("CoOp")]
    assert len(rows) == 8
    for row in rows:
        (contender,) = raced[row]
        assert contender.config == other.get(row, USUAL)


def _flat(params: Params | None) -> Tensor:
    return torch.cat([torch.empty(0), *(value.flatten() for value in (params or {}).values())])


def test_each_row_begins_with_what_each_meta_seed_learned(
    raced: Raced, tiny_backbone: Backbone, tmp_path: Path
) -> None:
    own = _flat(build_method("coop").initial(tiny_backbone))
    for row, kind, rule_name in (
        ("CoOp + GRAM", "gram", "gram"),
        ("CoOp + GRAM's start, raw steps of equal length", "gram", "raw"),
        ("CoOp from a meta-learned start", "theta", "raw"),
        ("CoOp + GRAM, as printed", "paper", "gram"),
        ("CoOp + GRAM, own start", "phi", "gram"),
    ):
        (contender,) = raced[row]
        learned = []
        for seed, (start, rule) in enumerate(contender.starts):
            kept = Initialisation.load(tmp_path / "initialisations" / f"{kind}-{seed}")
            assert rule.name == rule_name
            if isinstance(rule, Regulated):
                assert torch.equal(_flat(rule.phi), _flat(kept.phi))
            if kind != "phi":
                assert torch.equal(_flat(start), _flat(kept.theta))
            assert torch.equal(own, _flat(kept.theta)) == (kind == "phi")
            assert (kept.form == "paper") == (kind == "paper")
            learned.append(torch.cat([_flat(kept.theta), _flat(kept.phi)]))
        assert len(learned) == SMALL.meta_seeds
        assert not torch.equal(*learned)


def test_choices_do_not_depend_on_test_sets(
    sets: dict[str, LabelledSet],
    tiny_backbone: Backbone,
    hierarchy: Hierarchy,  # noqa: F811
    images: ImageBank,  # noqa: F811
    make_set: MakeSet,
    tmp_path: Path,
) -> None:
    small = replace(SMALL, controls=False, meta_seeds=1, sets=("one",))
    first = finish(study(tiny_backbone, hierarchy, images, small, tmp_path / "first"))
    sets["one"] = make_set(noise=0.6, name="one")
    second = finish(study(tiny_backbone, hierarchy, images, small, tmp_path / "second"))

    assert first["about"]["choices"] == second["about"]["choices"]
    assert first["table"] != second["table"]


def test_a_configuration_survives_json() -> None:
    assert StudyConfig.from_dict(json.loads(json.dumps(asdict(SMALL)))) == SMALL


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "zero-shot"}, "'zero-shot'"),
        ({"draws": 0}, "draws is 0"),
        ({"adapt": AdaptConfig(schedule="cosine")}, "constant schedule"),
        ({"meta": {"rule": "raw"}}, "rule is what a study compares"),
        ({"validation": ("one",)}, "for validation and for tests"),
    ],
)
def test_a_study_that_says_nothing_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(GramError, match=message):
        replace(SMALL, **changes)
