from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gram_core.adaptation import AdaptConfig
from gram_core.backbones import Backbone
from gram_core.datasets import LabelledSet
from gram_core.errors import GramError
from gram_core.evaluation import study as module
from gram_core.evaluation.study import StudyConfig, study
from gram_core.events import finish
from gram_core.hierarchy import Hierarchy
from gram_core.meta import Initialisation
from gram_core.prompts import ImageBank
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
        "probe_steps": 1, "ways": 2, "unseen_ways": 2, "shots": 4, "queries": 2,
    },
)  # fmt: skip


@pytest.fixture
def sets(make_set: MakeSet, monkeypatch: pytest.MonkeyPatch) -> dict[str, LabelledSet]:
    """What `load_set` finds under the names of `SMALL`."""
    found = {name: make_set(noise=0.15, name=name) for name in ("one", "two", "third")}
    monkeypatch.setattr(module, "load_set", lambda name, backbone: found[name])
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
    assert "Nothing was chosen on a test set" in (tmp_path / "study.md").read_text()
    assert (tmp_path / "figures" / "gains-all-sets.html").is_file()
    assert json.loads((tmp_path / "study.json").read_text()) == report

    for kind in ("gram", "theta", "phi", "paper"):
        for seed in range(SMALL.meta_seeds):
            about = Initialisation.load(tmp_path / "initialisations" / f"{kind}-{seed}").about
            assert len(about["words"]) >= 4
            assert not set(NAMES) & set(about["words"])  # what is tested was not trained on

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("done before")

    monkeypatch.setattr(module, "meta_train", refuse)
    monkeypatch.setattr(module, "base_to_new", refuse)
    assert finish(study(tiny_backbone, hierarchy, images, SMALL, tmp_path)) == report


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
        ({"validation": ("one",)}, "for validation and for tests"),
    ],
)
def test_a_study_that_says_nothing_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(GramError, match=message):
        replace(SMALL, **changes)
