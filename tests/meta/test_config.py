"""Settings: defaults by method, and refusals that name what is allowed."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from gram_core.errors import GramError
from gram_core.meta import MetaConfig, TaskConfig
from gram_core.prompts import build_method


def test_visual_methods_have_smaller_defaults() -> None:
    text, visual = (MetaConfig.for_method(build_method(name)) for name in ("coop", "ivlp"))
    assert text == MetaConfig()

    def images(config: MetaConfig) -> int:
        queries = config.task.queries * (config.task.ways + config.task.unseen_ways)
        return config.steps * config.tasks * (config.segment * config.batch + queries)

    assert images(visual) < images(text) / 4
    assert MetaConfig.for_method(build_method("vpt")) == visual


def test_paper_preset_takes_the_form_as_printed() -> None:
    assert MetaConfig.for_method(build_method("coop"), "paper").form == "paper"
    assert MetaConfig.for_method(build_method("coop"), "paper", form="blend").form == "blend"


def test_overrides_reach_the_tasks() -> None:
    task = TaskConfig(ways=4, shots=2)
    config = MetaConfig.for_method(build_method("coop"), steps=3, shots=5, task=task)
    assert (config.steps, config.task.shots, config.task.ways) == (3, 5, 4)
    visual = MetaConfig.for_method(build_method("vpt"), ways=7)
    assert (visual.task.ways, visual.task.unseen_ways) == (7, 5)
    assert MetaConfig.for_method(build_method("vpt"), task=task, shots=3).task == replace(
        task, shots=3
    )


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(GramError, match=r"no setting .stepps.; it has .*steps"):
        MetaConfig.for_method(build_method("coop"), stepps=3)


@pytest.mark.parametrize(
    "values",
    [
        {"preset": "maml"},
        {"rule": "prograd"},
        {"form": "linear"},
        {"steps": 0},
        {"tasks": 1.5},
        {"inner_rate": 0.0},
        {"phi_rate": float("nan")},
        {"unseen_weight": -1.0},
        {"seed": -1},
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(GramError, match=next(iter(values))):
        MetaConfig(**values)


def test_settings_survive_json() -> None:
    config = MetaConfig.for_method(build_method("vpt"), "paper", exclude=("dog", "cat"), seed=4)
    assert MetaConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config
