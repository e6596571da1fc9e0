"""`evaluate base-to-new`, `evaluate study`, and `demo`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gram_core.cli.console import Console
from gram_core.cli.work import (
    add_settings,
    configured,
    initialisation_of,
    newest_hierarchy,
    read_settings,
)
from gram_core.errors import GramError
from gram_core.events import Event, pass_on
from gram_core.runs import Run
from gram_core.workspace import Workspace

if TYPE_CHECKING:
    from gram_core.adaptation import AdaptConfig
    from gram_core.backbones import Backbone
    from gram_core.evaluation import Contender


def register(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Adds the verbs."""
    evaluate = verbs.add_parser("evaluate", help="measure methods by a protocol")
    protocols = evaluate.add_subparsers(title="protocols", metavar="PROTOCOL", required=True)

    verb = protocols.add_parser(
        "base-to-new", parents=[common], help="learn base classes, be tested on base and on new"
    )
    verb.add_argument("--data", nargs="+", required=True, help="bundled sets or folders")
    verb.add_argument(
        "--methods", nargs="+", default=["zero-shot", "coop"], help="zero-shot, coop, vpt, ivlp"
    )
    verb.add_argument(
        "--init",
        nargs="+",
        default=[],
        metavar="RUN",
        help="meta-train runs; those of one method and rule count as meta-seeds of one row",
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
    verb.add_argument("--method", choices=("coop", "vpt", "ivlp"), default="coop")
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
    adapt = configured(AdaptConfig, read_settings(options.settings))
    config = {
        "protocol": "base-to-new",
        "data": options.data,
        "methods": options.methods,
        "initialisations": options.init,
        "seeds": options.seeds,
        "shots": options.shots,
        "adapt": asdict(adapt),
    }

    def work(run: Run) -> Iterator[Event]:
        from gram_core.datasets import load_set
        from gram_core.evaluation import base_to_new, draws
        from gram_core.evaluation.report import write_report

        yield Event("progress", message="opening the backbone")
        contenders, backbone = _contenders(options, workspace, adapt)
        outcomes = []
        for data in options.data:
            yield Event("progress", message=f"reading {data}")
            labelled = load_set(data, backbone)
            runs = draws(labelled, options.seeds)
            outcomes += yield from pass_on(
                base_to_new(
                    contenders, labelled, backbone, runs, options.shots, options.evaluate_at
                )
            )
        rows = [contender.name for contender in contenders]
        title = "Base-to-new"
        report = write_report(
            run.folder, "evaluation", title, outcomes, {rows[-1]: rows[:-1]}, config
        )
        yield Event("result", result=report)

    name = "-".join(options.methods)
    _report(console, Run.create(workspace, "evaluate", config, name), work, "evaluation")


def _contenders(
    options: argparse.Namespace, workspace: Workspace, adapt: AdaptConfig
) -> tuple[list[Contender], Backbone]:
    """The rows: plain methods, then initialisations grouped by method and rule."""
    from gram_core.backbones import open_backbone
    from gram_core.evaluation import Contender
    from gram_core.prompts import build_method

    groups: dict[str, list[Any]] = {}
    backbone = None if options.init else open_backbone(options.backbone)
    for run in options.init:
        found, its_backbone = initialisation_of(workspace, run)
        backbone = backbone or its_backbone
        label = f"{found.method_name}, meta-learned start"
        if found.phi is not None:
            label = f"{found.method_name} + GRAM"
        groups.setdefault(label, []).append(found)
    assert backbone is not None
    rows = [
        Contender.plain(name, build_method(name), backbone, adapt)
        for name in dict.fromkeys(options.methods)
    ]
    for label, several in groups.items():
        rows.append(Contender.meta_trained(label, backbone, several, adapt))
    return rows, backbone


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
