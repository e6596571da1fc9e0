"""`evaluate base-to-new`, `evaluate study`, and `demo`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gram_core.cli.console import Console
from gram_core.cli.work import add_settings, configured, newest_hierarchy, read_settings
from gram_core.errors import GramError
from gram_core.events import Event, pass_on
from gram_core.names import forms
from gram_core.runs import Run
from gram_core.titles import METHOD_TITLES, PROMPTED
from gram_core.workspace import Workspace

if TYPE_CHECKING:
    from gram_core.adaptation import AdaptConfig
    from gram_core.backbones import Backbone
    from gram_core.datasets import LabelledSet
    from gram_core.evaluation import Contender
    from gram_core.meta import Initialisation


def register(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Adds the verbs."""
    evaluate = verbs.add_parser("evaluate", help="measure methods by a protocol")
    protocols = evaluate.add_subparsers(title="protocols", metavar="PROTOCOL", required=True)

    verb = protocols.add_parser(
        "base-to-new", parents=[common], help="learn base classes, be tested on base and on new"
    )
    verb.add_argument("--data", nargs="+", required=True, help="bundled sets or folders")
    verb.add_argument(
        "--methods",
        nargs="+",
        default=["zero-shot", "coop"],
        metavar="METHOD",
        help=f"{', '.join(METHOD_TITLES)}; with a gradient rule as in coop+prograd",
    )
    verb.add_argument(
        "--published", action="store_true", help="each method by its published recipe"
    )
    verb.add_argument(
        "--init",
        nargs="+",
        default=[],
        metavar="RUN",
        help="meta-train runs; those that differ in their seed alone count as one row",
    )
    verb.add_argument("--seeds", type=int, default=3, help="few-shot draws from each source")
    verb.add_argument("--shots", type=int, default=16)
    verb.add_argument("--evaluate-at", nargs="+", type=int, default=[0], metavar="EPOCH")
    verb.add_argument("--backbone", default="bundled", help="without --init")
    add_settings(verb, "AdaptConfig")
    verb.set_defaults(handle=_base_to_new)

    verb = protocols.add_parser(
        "study", parents=[common], help="GRAM against every simpler explanation of what it gains"
    )
    verb.add_argument("corpus", nargs="?", default="bundled", help="to meta-train on")
    verb.add_argument("--method", choices=PROMPTED, default="coop")
    verb.add_argument("--quick", action="store_true", help="zero-shot, plain and GRAM alone")
    verb.add_argument("--resume", metavar="RUN", help="go on with a stopped study")
    add_settings(verb, "StudyConfig")
    verb.set_defaults(handle=_study)

    verb = verbs.add_parser(
        "demo", parents=[common], help="the whole story on the bundled world, with a table"
    )
    verb.add_argument("--quick", action="store_true", help="a third of the world, CoOp alone")
    verb.set_defaults(handle=_demo)


def _base_to_new(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    from gram_core.adaptation import AdaptConfig

    if options.seeds < 1:
        raise GramError(f"--seeds is {options.seeds}; give at least 1.")
    settings = read_settings(options.settings)
    adapt = configured(AdaptConfig, settings)
    recipes = {
        name: AdaptConfig.published(name.split("+")[0], options.shots, **settings)
        for name in (options.methods if options.published else ())
    }
    config = {
        "protocol": "base-to-new",
        "data": options.data,
        "methods": options.methods,
        "published": options.published,
        "initialisations": options.init,
        "seeds": options.seeds,
        "shots": options.shots,
        "adapt": asdict(adapt),
    }

    methods = list(dict.fromkeys(options.methods))

    def work(run: Run) -> Iterator[Event]:
        from gram_core.backbones import open_backbone
        from gram_core.datasets import load_set
        from gram_core.evaluation import base_to_new, draws
        from gram_core.evaluation.report import write_report
        from gram_core.work import open_initialisation

        yield Event("progress", message="opening the backbone")
        starts = [open_initialisation(workspace, run) for run in options.init]
        backbone = starts[0][1] if starts else open_backbone(options.backbone)
        trained = dict(zip(options.init, (found for found, _ in starts), strict=True))
        contenders = [_plain(name, recipes.get(name, adapt)) for name in methods]
        contenders += _meta_trained(trained, backbone, adapt)
        outcomes, notes = [], []
        for data in options.data:
            yield Event("progress", message=f"reading {data}")
            labelled = load_set(data, backbone)
            notes += _trained_on(labelled, trained)
            runs = draws(labelled, options.seeds)
            outcomes += yield from pass_on(
                base_to_new(
                    contenders, labelled, backbone, runs, options.shots, options.evaluate_at
                )
            )
        rows = [contender.name for contender in contenders]
        title = "Base-to-new"
        report = write_report(
            run.folder, "evaluation", title, outcomes, {rows[-1]: rows[:-1]}, config, notes
        )
        yield Event("result", result=report)

    name = "-".join(methods)
    _report(console, Run.create(workspace, "evaluate", config, name), work, "evaluation")


def _plain(name: str, adapt: AdaptConfig) -> Contender:
    """The row of a method, or of a method and a rule: "coop+prograd"."""
    from gram_core.evaluation import Contender
    from gram_core.gradients import build_rule
    from gram_core.prompts import build_method

    method, _, rule = name.partition("+")
    return Contender.plain(name, build_method(method), adapt, build_rule(rule or "raw"))


def _meta_trained(
    trained: dict[str, Initialisation], backbone: Backbone, adapt: AdaptConfig
) -> list[Contender]:
    """The rows of initialisations (by run), those of one kind as one row."""
    from gram_core.evaluation import Contender

    rows = []
    groups: dict[str, list[str]] = {}
    for run, found in trained.items():
        settings = found.about.get("config", {}) | {"seed": None}
        what = (found.method_name, found.method_options, found.about.get("hierarchy"), settings)
        groups.setdefault(json.dumps(what, sort_keys=True), []).append(run)
    labels = {kind: _label(trained[runs[0]]) for kind, runs in groups.items()}
    for kind, runs in groups.items():
        label = labels[kind]
        if list(labels.values()).count(label) > 1:
            label += f" ({trained[runs[0]].about['config']['preset']}, {runs[0][-4:]})"
        several = [trained[run] for run in runs]
        rows.append(Contender.meta_trained(label, backbone, several, adapt))
    return rows


def _label(found: Initialisation) -> str:
    end = ", meta-learned start" if found.phi is None else " + GRAM"
    return found.method_name + end


def _trained_on(labelled: LabelledSet, trained: dict[str, Initialisation]) -> list[str]:
    """A warning for each initialisation whose tasks had classes of this set."""
    from gram_core.datasets import words_of

    classes = forms(*words_of(labelled.classes))
    notes = []
    for run, found in trained.items():
        if known := [word for word in found.about.get("words", []) if forms(word) & classes]:
            notes.append(
                f"**Not a fair test:** {run} was meta-trained on tasks with {', '.join(known)}, "
                f"which {labelled.name} tests. Meta-train with --exclude-data {labelled.name}."
            )
    return notes


def _study(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    from gram_core.evaluation.study import StudyConfig, study

    if options.resume:
        run = Run.open(workspace, options.resume)
        if run.kind != "study":
            raise GramError(f"{run.id!r} is a run of kind {run.kind!r}; give a study.")
    else:
        fixed = {"method": options.method, "controls": not options.quick}
        config = configured(StudyConfig, read_settings(options.settings), **fixed)
        hierarchy = newest_hierarchy(workspace, options.corpus)
        settings = {"hierarchy": hierarchy, "study": asdict(config)}
        run = Run.create(workspace, "study", settings, options.method)

    def work(run: Run) -> Iterator[Event]:
        from gram_core.backbones import open_backbone
        from gram_core.hierarchy import Hierarchy
        from gram_core.prompts import build_method
        from gram_core.work import corpus_bank

        settings = StudyConfig.from_dict(run.config["study"])
        hierarchy = Hierarchy.open(workspace, run.config["hierarchy"])
        backbone = open_backbone(hierarchy.backbone_name)
        images = corpus_bank(workspace, hierarchy, backbone, build_method(settings.method))
        yield from study(backbone, hierarchy, images, settings, run.folder)

    _report(console, run, work, "study")


def _demo(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    from gram_core.demo import demo

    def work(run: Run) -> Iterator[Event]:
        return demo(workspace, run, run.config["quick"])

    name = "quick" if options.quick else "full"
    run = Run.create(workspace, "demo", {"quick": options.quick}, name)
    _report(console, run, work, "demo")


def _report(console: Console, run: Run, work: Any, name: str) -> None:
    """Does the work and answers with the report that it wrote into the run's folder."""
    report = console.work(run, work)
    text = (run.folder / f"{name}.md").read_text(encoding="utf-8")
    figures = run.folder / "figures"
    answer = {"run": run.id, "path": str(run.folder), **report}
    console.answer(answer, f"{text}\nFigures: {figures}\nNumbers: {run.folder / name}.json")
