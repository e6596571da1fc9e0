"""The whole story on the bundled world: topics, meta-training, few shots, a table.

Each part is the one that the command line and the app use; all that is made (a hierarchy, the
meta-training runs) stays in the workspace, to go on with.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gram_core.errors import GramError
from gram_core.evaluation.study import NAMES
from gram_core.events import Event, pass_on
from gram_core.jobs import JOBS, Work
from gram_core.runs import Run
from gram_core.workspace import Workspace, as_json

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from gram_core.backbones import Backbone
    from gram_core.datasets import LabelledSet
    from gram_core.evaluation import Contender, Outcome
    from gram_core.hierarchy import Hierarchy
    from gram_core.meta import Initialisation

FROM_START = "CoOp from GRAM's start, raw gradients"


@dataclass(frozen=True)
class Plan:
    """How much of everything.

    `pairs` of the corpus (None: all), prompt methods, settings of their meta-training, epochs of
    few-shot adaptation, and how many of the test sets each method meets.
    """

    pairs: int | None
    meta: dict[str, dict[str, Any]]
    epochs: dict[str, int]
    sets: dict[str, int]
    seeds: int = 3
    shots: int = 16
    evaluate_at: tuple[int, ...] = (0, 10, 20, 50)


VISUAL = {"steps": 60}
FULL = Plan(
    pairs=None,
    meta={"coop": {}, "vpt": VISUAL, "ivlp": VISUAL},
    epochs={"coop": 100, "vpt": 20, "ivlp": 20},
    sets={"coop": 3, "vpt": 2, "ivlp": 2},
)
QUICK = Plan(pairs=4000, meta={"coop": {"steps": 60}}, epochs={"coop": 50}, sets={"coop": 3})


def demo(workspace: Workspace, run: Run, quick: bool) -> Iterator[Event]:
    """The demo as events; the result is the report that it writes into the run's folder.

    Raises GramError where the bundled world is not there.
    """
    from gram_core.backbones import open_backbone
    from gram_core.datasets import bundled_sets
    from gram_core.evaluation.report import write_report
    from gram_core.hierarchy import Hierarchy

    plan = QUICK if quick else FULL
    cards = [card for card in bundled_sets() if card.role == "test"]
    if not cards:
        raise GramError("The bundled test sets are not there; fetch the data of this version.")
    yield Event("progress", message="opening the bundled backbone")
    backbone = open_backbone("bundled")
    hierarchy = Hierarchy.open(workspace, (yield from _cluster(workspace, backbone, plan)))
    trained: dict[str, Run] = {}
    for method in plan.meta:
        trained[method] = yield from _meta_train(workspace, hierarchy, method, plan)
    outcomes = yield from _race(backbone, trained, [card.name for card in cards], plan)

    pairs = {gram: [plain] for method, (plain, gram) in NAMES.items() if method in trained}
    pairs[NAMES["coop"][1]] += [FROM_START, "zero-shot"]
    about = {
        "quick": quick,
        "hierarchy": hierarchy.id,
        "runs": {method: each.id for method, each in trained.items()},
        "seconds": {f"{each.data}: {each.contender}": each.seconds for each in outcomes},
    }
    report = write_report(
        run.folder, "demo", "The demo's table", outcomes, pairs, about, _notes(plan, hierarchy)
    )
    _write_story(run, hierarchy, trained)
    yield Event("result", result=report)


def _notes(plan: Plan, hierarchy: Hierarchy) -> list[str]:
    kept = int(hierarchy.kept.sum())
    lines = [
        f"{kept:,} of {len(hierarchy):,} pairs became {len(hierarchy.topics)} topics, "
        f"{len(hierarchy.usable())} of them usable for tasks. {plan.shots} shots from one domain, "
        f"{plan.seeds} few-shot seeds, each on another source domain where a set has several; one "
        "meta-training of each kind. No class of these sets was a class of a meta-training task, "
        "and nothing was chosen on them.",
    ]
    if "vpt" in plan.meta:
        lines.append(
            "With visual prompts every image passes through the image tower again and again: they "
            f"are on {plan.sets['vpt']} of the sets alone, for {plan.epochs['vpt']} epochs "
            f"(text prompts: {plan.epochs['coop']}), after shorter meta-training."
        )
    else:
        lines.append(
            "The quick demo leaves out the visual prompts (VPT, IVLP, UNIGRAM), takes part of the "
            "corpus and meta-trains for fewer steps; the full demo has them all."
        )
    return lines


def _cluster(workspace: Workspace, backbone: Backbone, plan: Plan) -> Generator[Event, None, str]:
    """The id of a hierarchy of so many pairs and the usual settings: one that is there already, or
    a new one."""
    from gram_core.corpus import open_corpus
    from gram_core.hierarchy import ClusterConfig, Hierarchy
    from gram_core.work import cluster_run, cluster_work

    corpus = open_corpus(workspace, "bundled", plan.pairs)
    for artefact in workspace.list("hierarchies"):
        about = artefact.about
        if about.get("corpus") == corpus.name and about.get("pairs") == len(corpus):
            found = Hierarchy.load(artefact.path)
            usual = as_json(asdict(ClusterConfig().chosen(int(found.kept.sum()))))
            if (found.fingerprint, found.config, found.corpus_fingerprint) == (
                backbone.fingerprint,
                usual,
                corpus.fingerprint,
            ):
                return artefact.id
    run = cluster_run(workspace, "bundled", limit=plan.pairs)
    return (yield from _in_background(run, cluster_work(workspace), "clustering"))


def _meta_train(
    workspace: Workspace, hierarchy: Hierarchy, method: str, plan: Plan
) -> Generator[Event, None, Run]:
    """A finished meta-training run that knows no class of a bundled set."""
    from gram_core.datasets import bundled_sets, words_of
    from gram_core.meta import MetaConfig
    from gram_core.prompts import build_method
    from gram_core.work import meta_train_run, meta_train_work

    exclude = words_of(
        name for card in bundled_sets() if card.role == "test" for name in card.classes
    )
    prompted = build_method(method)
    config = MetaConfig.for_method(prompted, **plan.meta[method], exclude=exclude)
    run = meta_train_run(workspace, hierarchy.id, prompted, config)
    label = f"meta-training {NAMES[method][1]}"
    yield from _in_background(run, meta_train_work(workspace), label)
    return run


def _race(
    backbone: Backbone, trained: dict[str, Run], names: list[str], plan: Plan
) -> Generator[Event, None, list[Outcome]]:
    """Every method on the sets that the plan affords it."""
    from gram_core.datasets import load_set
    from gram_core.evaluation import base_to_new, draws
    from gram_core.meta import Initialisation

    starts = {method: Initialisation.load(run.folder) for method, run in trained.items()}
    outcomes: list[Outcome] = []
    for place, name in enumerate(names):
        here = {method: each for method, each in starts.items() if place < plan.sets[method]}
        if not here:
            continue
        yield Event("progress", message=f"reading {name}")
        labelled: LabelledSet = load_set(name, backbone)
        contenders = _contenders(backbone, here, plan)
        runs = draws(labelled, plan.seeds, every_source=False)
        outcomes += yield from pass_on(
            base_to_new(contenders, labelled, backbone, runs, plan.shots, plan.evaluate_at)
        )
    return outcomes


def _contenders(
    backbone: Backbone, starts: dict[str, Initialisation], plan: Plan
) -> list[Contender]:
    from gram_core.adaptation import AdaptConfig
    from gram_core.evaluation import Contender
    from gram_core.prompts import build_method

    rows = [Contender.plain("zero-shot", build_method("zero-shot"))]
    for method, start in starts.items():
        plain, gram = NAMES[method]
        config = AdaptConfig(epochs=plan.epochs[method])
        regulated = Contender.meta_trained(gram, backbone, [start], config)
        rows.append(Contender.plain(plain, start.method(), config))
        if method == "coop":
            rows.append(regulated.raw(FROM_START))
        rows.append(regulated)
    return rows


def _in_background(run: Run, work: Work, label: str) -> Generator[Event, None, Any]:
    """Does the work of another run, passing on its progress; gives its result."""
    job = JOBS.start(run, work)
    try:
        while not job.wait(0.2):
            now = job.snapshot()
            yield Event("progress", now.step, now.total, f"{label}: {now.message}")
    except GeneratorExit:
        job.cancel()
        job.wait()
        raise
    now = job.snapshot()
    if now.state != "finished":
        raise GramError(f"{label} did not succeed: {now.message}")
    return job.result


def _write_story(run: Run, hierarchy: Hierarchy, trained: dict[str, Run]) -> None:
    """The figures before the table: the tree of topics, and each meta-training."""
    from gram_core import plots
    from gram_core.evaluation.figures import write_figures

    drawn: dict[str, go.Figure] = {"topics": plots.sunburst(hierarchy, plots.topic_hues(hierarchy))}
    for method, its in trained.items():
        drawn[f"meta-training-{method}"] = plots.curves(
            its.metrics(),
            [
                plots.Line("accuracy_seen", "seen classes", plots.GRAM),
                plots.Line("accuracy_unseen", "unseen classes", plots.GRAM, dashed=True),
            ],
            percent=True,
            smoothing=0.8,
            height=420,
        )
    write_figures(run.folder / "figures", drawn)
