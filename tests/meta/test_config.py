"""Settings: defaults by method, and refusals that name what is allowed."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from gram_core.errors import GramError
from gram_core.hierarchy import Hierarchy
from gram_core.meta import ABLATIONS, MetaConfig, TaskConfig
from gram_core.meta.config import Preset
from gram_core.prompts import METHODS, PROMPTED, build_method


def test_visual_methods_have_smaller_defaults() -> None:
    text, visual = (MetaConfig.for_method(build_method(name)) for name in ("coop", "ivlp"))
    assert text == MetaConfig()

    def images(config: MetaConfig) -> int:
        queries = config.task.queries * (config.task.ways + config.task.unseen_ways)
        return config.steps * config.tasks * (config.segment * config.batch + queries)

    assert images(visual) < images(text) / 4
    for method in ("vpt", "vpt-deep", "maple", "cocoop"):  # each image costs, in a tower
        assert MetaConfig.for_method(build_method(method)) == visual
    assert MetaConfig.for_method(build_method("language-deep")) == text


def test_paper_preset_takes_the_form_as_printed() -> None:
    assert MetaConfig.for_method(build_method("coop"), "paper").form == "paper"
    assert MetaConfig.for_method(build_method("coop"), "paper", form="blend").form == "blend"


def test_the_paper_is_exact_and_the_trajectory_first_order() -> None:
    coop = build_method("coop")
    assert MetaConfig.for_method(coop, "paper").first_order is False
    assert MetaConfig.for_method(coop, "paper", first_order=True).first_order is True
    assert MetaConfig.for_method(coop).first_order is True
    with pytest.raises(GramError, match=r"first_order is False; .* first order by design"):
        MetaConfig.for_method(coop, first_order=False)
    with pytest.raises(GramError, match=r"first_order is True; .* takes no inner step"):
        MetaConfig.for_method(coop, "pretraining", first_order=True)


@pytest.mark.parametrize("preset", ["trajectory", "pretraining"])
def test_inner_steps_are_those_of_the_paper(preset: Any) -> None:
    coop = build_method("coop")
    assert MetaConfig.for_method(coop, "paper", inner_steps=3).inner_steps == 3
    with pytest.raises(GramError, match=r"inner_steps is 3, and the preset .* take the preset"):
        MetaConfig.for_method(coop, preset, inner_steps=3)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_methods_without_prompt_tokens_are_refused(name: str) -> None:
    method = build_method(name)
    if name in PROMPTED:
        MetaConfig.for_method(method)
    else:
        with pytest.raises(GramError, match=f"{name} has nothing to meta-train; .*coop.* maple"):
            MetaConfig.for_method(method)


def test_tasks_have_as_many_classes_as_there_are_contexts() -> None:
    method = build_method("coop", class_specific=True)
    presets: tuple[Preset, ...] = ("trajectory", "paper", "pretraining")
    for preset in presets:
        task = MetaConfig.for_method(method, preset, ways=7).task
        assert (task.ways, task.fewest_ways, task.unseen_ways) == (7, 7, 0)
    settings: list[dict[str, Any]] = [{"unseen_ways": 4}, {"fewest_ways": 3}]
    for setting in settings:
        with pytest.raises(GramError, match="with class_specific it has to be"):
            MetaConfig.for_method(method, **setting)
    with pytest.raises(GramError, match="unseen_ways is 10, and with class_specific"):
        MetaConfig().check_method(method)


def test_ablations_change_what_they_leave_out() -> None:
    ivlp = build_method("ivlp")
    plain = MetaConfig.for_method(ivlp, "paper")
    assert (plain.task.domain_shift, plain.rule, plain.without) == (True, "gram", ())
    for without, wanted in (
        (("domain-shift",), (False, "gram", "paper")),
        (("regulator",), (True, "raw", "paper")),
        (("regulator", "domain-shift"), (False, "raw", "paper")),
        (("meta-learning",), (True, "raw", "pretraining")),
        (("clustering",), (True, "gram", "paper")),
        (("clustering", "meta-learning"), (True, "raw", "pretraining")),
    ):
        config = MetaConfig.for_method(ivlp, "paper", without)
        assert (config.task.domain_shift, config.rule, config.preset) == wanted
        assert config.without == without
        assert MetaConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config
    task = TaskConfig(ways=4)
    shifted = MetaConfig.for_method(ivlp, without=["domain-shift"], task=task)
    assert shifted.task == replace(task, domain_shift=False)


@pytest.mark.parametrize(
    ("without", "overrides", "message"),
    [
        (("topics",), {}, f"without is 'topics'; what can be left out is {', '.join(ABLATIONS)}"),
        (("joint",), {}, "adapt DATA --method ivlp --rule raw"),
        (("regulator", "regulator"), {}, "name each once"),
        (("meta-learning", "regulator"), {}, "regulator is a part of meta-learning"),
        (("domain-shift", "meta-learning"), {}, "domain-shift is a part of meta-learning"),
        (("regulator",), {"rule": "gram"}, "Without regulator, rule is 'raw', and 'gram' was"),
        (("meta-learning",), {"rule": "gram"}, "learns theta and no regulator"),
        (("domain-shift",), {"domain_shift": True}, "domain_shift is False, and True was given"),
    ],
)
def test_contradictions_are_refused(
    without: tuple[str, ...], overrides: dict[str, Any], message: str
) -> None:
    with pytest.raises(GramError, match=message):
        MetaConfig.for_method(build_method("ivlp"), "trajectory", without, **overrides)


def test_what_settings_say_they_are_without_is_checked_wherever_they_are_made() -> None:
    with pytest.raises(GramError, match="Without regulator"):
        MetaConfig(without=("regulator",))
    with pytest.raises(GramError, match="without is 'regulator'; give a list"):
        MetaConfig(without="regulator")  # type: ignore[arg-type]


def test_without_clustering_the_topics_are_annotated_classes(hierarchy: Hierarchy) -> None:
    config = MetaConfig.for_method(build_method("ivlp"), without=("clustering",))
    with pytest.raises(GramError, match="the setting topics=captions"):
        config.check_hierarchy(hierarchy)
    annotated = replace(hierarchy, config={"topics": "captions"})
    config.check_hierarchy(annotated)
    MetaConfig().check_hierarchy(annotated)


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
        {"inner_steps": 0},
        {"first_order": "yes"},
        {"rank": 0},
        {"per_layer": 1},
        {"preset": "pretraining"},
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(GramError, match=next(iter(values))):
        MetaConfig(**values)


def test_settings_survive_json() -> None:
    config = MetaConfig.for_method(build_method("vpt"), "paper", exclude=("dog", "cat"), seed=4)
    assert MetaConfig.from_dict(json.loads(json.dumps(asdict(config)))) == config
