"""`cluster`, `meta-train`, `adapt`, `predict`: the way of the data, one verb an arrow."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gram_core.cli.console import Console
from gram_core.errors import GramError
from gram_core.runs import Run
from gram_core.titles import METHOD_TITLES, PROMPTED
from gram_core.workspace import Workspace

if TYPE_CHECKING:
    from gram_core.prompts import Method


def register(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Adds the verbs."""
    verb = verbs.add_parser("cluster", parents=[common], help="find topics and visual domains")
    verb.add_argument("corpus", help='a corpus of the workspace, or "bundled"')
    verb.add_argument("--backbone", default="bundled", help="bundled, MODEL/TAG, or a folder")
    verb.add_argument("--limit", type=int, help="only the first so many pairs")
    add_settings(verb, "ClusterConfig")
    verb.set_defaults(handle=_cluster)

    verb = verbs.add_parser("meta-train", parents=[common], help="learn a start and a regulator")
    verb.add_argument("corpus", nargs="?", help="a clustered corpus (its newest hierarchy)")
    verb.add_argument("--hierarchy", metavar="ID", help="instead of the corpus' newest one")
    verb.add_argument("--method", choices=PROMPTED, default="coop")
    add_method_options(verb)
    verb.add_argument("--rule", choices=("gram", "raw"), help="default: gram")
    verb.add_argument(
        "--preset", choices=("trajectory", "paper", "pretraining"), default="trajectory"
    )
    verb.add_argument(
        "--without",
        nargs="+",
        default=[],
        metavar="PART",
        help="an ablation: domain-shift, regulator, meta-learning or clustering",
    )
    verb.add_argument("--steps", type=int, help="meta steps")
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument(
        "--exclude-data",
        nargs="+",
        metavar="DATA",
        help="sets whose class names no task may use (of the bundled corpus: all bundled sets)",
    )
    verb.add_argument("--resume", metavar="RUN", help="go on with a stopped run")
    add_settings(verb, "MetaConfig and TaskConfig")
    verb.set_defaults(handle=_meta_train)

    verb = verbs.add_parser("adapt", parents=[common], help="make a classifier of a few images")
    verb.add_argument("data", help="a folder with one sub-folder per class, or a bundled set")
    verb.add_argument(
        "--method", choices=tuple(METHOD_TITLES), help="default: coop, or that of --init"
    )
    add_method_options(verb)
    verb.add_argument(
        "--rule",
        help="raw, prograd, gram (with --init), clip, or several joined by +; default: raw, or "
        "that of --init",
    )
    add_pairs(verb, "--rule-option", "rule_options", "of the rule: weight, template, norm")
    verb.add_argument("--init", metavar="RUN", help="a finished meta-train run")
    verb.add_argument("--shots", type=int, default=16, help="images of each class to learn from")
    verb.add_argument("--views", type=int, default=0, help="augmented forms of each of them")
    verb.add_argument(
        "--published", action="store_true", help="the method's published epochs, rate and schedule"
    )
    verb.add_argument("--classes", choices=("all", "base"), default="all", help="to learn")
    verb.add_argument("--source", help="the domain to learn from (default: any)")
    verb.add_argument("--test-share", type=float, default=0.5, help="held out, without test folder")
    verb.add_argument("--seed", type=int, default=0)
    verb.add_argument("--backbone", default="bundled", help="without --init")
    verb.add_argument("--name", help="of the classifier")
    add_settings(verb, "AdaptConfig")
    verb.set_defaults(handle=_adapt)

    verb = verbs.add_parser("predict", parents=[common], help="classify images")
    verb.add_argument("classifier", help="an id of the workspace, or a folder")
    verb.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    verb.add_argument("--top", type=int, default=3)
    verb.set_defaults(handle=_predict)


def add_settings(verb: argparse.ArgumentParser, of: str) -> None:
    """Adds `--set KEY=VALUE …`, for the settings that have no option of their own."""
    add_pairs(verb, "--set", "settings", f"other settings: the fields of {of}")


def add_method_options(verb: argparse.ArgumentParser) -> None:
    """Adds `--option KEY=VALUE …` of the method, `--tokens` and `--precision`."""
    verb.add_argument("--tokens", type=int, help="prompt tokens of each prompted tower")
    add_pairs(verb, "--option", "options", "of the method: depth, words, position, template, …")
    verb.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        default="float32",
        help="of the towers' products: bfloat16 is faster on some processors, and not exact",
    )


def add_pairs(verb: argparse.ArgumentParser, option: str, into: str, words: str) -> None:
    """Adds an option that takes KEY=VALUE, once or several times."""
    verb.add_argument(
        option,
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        dest=into,
        help=words,
    )


def chosen_method(name: str, options: argparse.Namespace) -> Method:
    """The method of `--method`, `--tokens` and `--option`."""
    from gram_core.prompts import build_method

    values = read_settings(options.options)
    if options.tokens is not None:
        values["tokens"] = options.tokens
    return build_method(name, **values)


def read_settings(pairs: list[str]) -> dict[str, Any]:
    """The settings of KEY=VALUE pairs: values as JSON where they are JSON, else as text."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, sign, text = pair.partition("=")
        if not (key and sign):
            raise GramError(f"A setting is KEY=VALUE, not {pair!r}.")
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        settings[key] = tuple(value) if isinstance(value, list) else value
    return settings


def configured(kind: type, settings: dict[str, Any], **fixed: Any) -> Any:
    """A configuration of these settings. Raises GramError for a setting that it does not have."""
    from dataclasses import fields

    known = {each.name for each in fields(kind)}
    if unknown := sorted(settings.keys() - known):
        names = ", ".join(sorted(known))
        raise GramError(f"There is no setting {unknown[0]!r}; there are {names}.")
    return kind(**{**fixed, **settings})


def _cluster(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    from gram_core.hierarchy import ClusterConfig, Hierarchy
    from gram_core.work import cluster_run, cluster_work

    config = configured(ClusterConfig, read_settings(options.settings))
    run = cluster_run(workspace, options.corpus, options.backbone, options.limit, config)
    hierarchy = Hierarchy.open(workspace, console.work(run, cluster_work(workspace)))
    usable = hierarchy.usable()
    answer = {
        "hierarchy": hierarchy.id,
        "run": run.id,
        "topics": [
            {"word": topic.word, "pairs": len(topic), "domains": len(topic.domains)}
            for topic in hierarchy.topics
        ],
        "usable": len(usable),
        "quality": hierarchy.quality,
    }
    words = ", ".join(topic.word for topic in usable)
    found = f"{len(hierarchy.topics)} topics, {len(usable)} usable for tasks"
    console.answer(answer, f"hierarchy {hierarchy.id}: {found}\n{words}")


def _meta_train(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    from gram_core.work import meta_train_work

    run = Run.open(workspace, options.resume) if options.resume else _new_run(options, workspace)
    if run.kind != "meta-train":
        raise GramError(f"{run.id!r} is a run of kind {run.kind!r}; give a meta-train run.")
    if run.status()["state"] == "finished":
        raise GramError(f"The run {run.id!r} is finished; there is nothing to go on with.")
    console.work(run, meta_train_work(workspace))
    last: dict[str, Any] = {}
    for row in run.metrics():
        last |= row
    answer = {"run": run.id, "path": str(run.folder), "metrics": last}
    seen, unseen = last.get("accuracy_seen", 0.0), last.get("accuracy_unseen")
    rest = "" if unseen is None else f", {unseen:.1%} on unseen ones"
    text = f"run {run.id}: query accuracy {seen:.1%} on the support's classes{rest}"
    console.answer(answer, text)


def _new_run(options: argparse.Namespace, workspace: Workspace) -> Run:
    from gram_core.meta import MetaConfig, TaskConfig
    from gram_core.work import meta_train_run

    if not (options.corpus or options.hierarchy):
        raise GramError("Name a corpus, a --hierarchy, or a run to --resume.")
    hierarchy = options.hierarchy or newest_hierarchy(workspace, options.corpus)
    settings = {"seed": options.seed, **read_settings(options.settings)}
    if options.rule is not None:
        settings["rule"] = options.rule
    exclude = TaskConfig(exclude=settings.get("exclude", ())).exclude
    tested = _words_to_exclude(workspace, hierarchy, options.exclude_data)
    settings["exclude"] = (*exclude, *tested)
    if options.steps is not None:
        settings["steps"] = options.steps
    method = chosen_method(options.method, options)
    config = MetaConfig.for_method(method, options.preset, tuple(options.without), **settings)
    return meta_train_run(workspace, hierarchy, method, config, options.precision)


def newest_hierarchy(workspace: Workspace, corpus: str) -> str:
    """The id of a corpus' newest hierarchy. Raises GramError if it was never clustered."""
    for artefact in workspace.list("hierarchies"):
        if artefact.about.get("corpus") == corpus:
            return artefact.id
    raise GramError(
        f"The corpus {corpus!r} was not clustered yet: run `python -m gram_core cluster {corpus}`."
    )


def _words_to_exclude(
    workspace: Workspace, hierarchy: str, data: list[str] | None
) -> tuple[str, ...]:
    """The words of the classes that these sets test, so that no task trains on them."""
    from gram_core.corpus.corpus import BUNDLED_NAME
    from gram_core.datasets import bundled_sets, class_names, words_of

    if data is None:
        bundled = workspace.get("hierarchies", hierarchy).about.get("corpus") == BUNDLED_NAME
        data = [card.name for card in bundled_sets()] if bundled else []
    return words_of(name for each in data for name in class_names(each))


def _adapt(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    from gram_core.adaptation import AdaptConfig
    from gram_core.evaluation import harmonic
    from gram_core.work import adapt_run, adapt_work

    trained = Run.open(workspace, options.init).config if options.init else {}
    name = options.method or trained.get("method", "coop")
    with_options = bool(options.options) or options.tokens is not None
    as_trained = name == trained.get("method") and not with_options
    settings = {"seed": options.seed, "evaluate_every": 1, **read_settings(options.settings)}
    if options.published:
        settings = asdict(AdaptConfig.published(name, options.shots)) | settings
    run = adapt_run(
        workspace,
        options.data,
        configured(AdaptConfig, settings),
        method=None if as_trained else chosen_method(name, options),
        rule=options.rule,
        rule_options=read_settings(options.rule_options),
        initialisation=options.init,
        backbone=options.backbone,
        precision=options.precision,
        shots=options.shots,
        views=options.views,
        base_only=options.classes == "base",
        source=options.source,
        test_share=options.test_share,
        classifier=options.name,
    )
    made = console.work(run, adapt_work(workspace))
    for problem in made["left_out"]:
        console.note(f"left out: {problem['path']} ({problem['reason']})")
    answer = {"run": run.id, "path": str(workspace.path("classifiers", made["classifier"])), **made}
    text = (
        f"classifier {made['classifier']}: {len(made['classes'])} classes, {made['bytes']:,} bytes"
    )
    if made.get("accuracy") is not None:
        text += f", {made['accuracy']:.1%} right of {made['tested_on']:,} held out"
    elif made.get("base") is not None and made.get("new") is not None:
        mean = harmonic(made["base"], made["new"])
        text += f", held out: base {made['base']:.1%}, new {made['new']:.1%}, H {mean:.1%}"
    console.answer(answer, text)


def _predict(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    from gram_core.cli.classifier import open_classifier

    classifier = open_classifier(workspace, options.classifier)
    rankings = classifier.predict(options.images, options.top)
    answer = [
        {"image": str(image), "classes": [{"name": name, "probability": p} for name, p in ranking]}
        for image, ranking in zip(options.images, rankings, strict=True)
    ]
    lines = [
        f"{image}: " + ", ".join(f"{name} {p:.1%}" for name, p in ranking)
        for image, ranking in zip(options.images, rankings, strict=True)
    ]
    console.answer(answer, "\n".join(lines))
