"""The whole story on the bundled world: topics, meta-training, few shots, a table.

Each part is the one that the command line and the app use; all that is made (a hierarchy, the
meta-training runs) stays in the workspace, to go on with.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gram_core.errors import GramError
from gram_core.events import Event, pass_on
from gram_core.jobs import JOBS, Work
from gram_core.runs import Run
from gram_core.titles import METHOD_TITLES, row_title
from gram_core.workspace import Workspace, as_json

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from gram_core.backbones import Backbone
    from gram_core.datasets import LabelledSet
    from gram_core.evaluation import Contender, Outcome
    from gram_core.hierarchy import Hierarchy
    from gram_core.meta import Initialisation

FROM_START = "CoOp from GRAM's start, raw gradients"


#: The rows in their order: a method, its rule, and whose meta-training the regulator is from. Where
#: that is another method's, the row has its own start: a regulator fits all methods of its towers.
ROWS: tuple[tuple[str, str, str | None], ...] = (
    ("zero-shot", "raw", None),
    ("tip-adapter", "raw", None),
    ("tip-adapter-f", "raw", None),
    ("coop", "raw", None),
    ("coop", "clip", None),
    ("coop", "prograd", None),
    ("coop", "gram", "coop"),
    ("cocoop", "raw", None),
    ("cocoop", "gram", "coop"),
    ("language-deep", "raw", None),
    ("language-deep", "gram", "coop"),
    ("vpt", "raw", None),
    ("vpt", "gram", "vpt"),
    ("vpt-deep", "raw", None),
    ("vpt-deep", "gram", "vpt"),
    ("ivlp", "raw", None),
    ("ivlp", "gram", "ivlp"),
    ("maple", "raw", None),
    ("maple", "gram", "ivlp"),
)


@dataclass(frozen=True)
class Plan:
    """How much of everything.

    `pairs` of the corpus (None: all), settings of the meta-training of some methods, epochs of
    few-shot adaptation of all methods, and how many of the test sets each method meets.
    """

    pairs: int | None
    meta: dict[str, dict[str, Any]]
    epochs: dict[str, int]
    sets: dict[str, int]
    seeds: int = 3
    shots: int = 16
    evaluate_at: tuple[int, ...] = (0, 10, 20, 50)


VISUAL = {"steps": 60}
QUICK = Plan(
    pairs=4000,
    meta={"coop": {"steps": 60}},
    epochs={"zero-shot": 0, "tip-adapter": 0, "tip-adapter-f": 20, "coop": 50},
    sets={"zero-shot": 3, "tip-adapter": 3, "tip-adapter-f": 3, "coop": 3},
)
FULL = Plan(
    pairs=None,
    meta={"coop": {}, "vpt": VISUAL, "ivlp": VISUAL},
    epochs=QUICK.epochs
    | {"coop": 100, "cocoop": 20, "language-deep": 20}
    | {"vpt": 20, "vpt-deep": 20, "ivlp": 20, "maple": 20},
    sets=QUICK.sets
    | {"cocoop": 1, "language-deep": 1}
    | {"vpt": 1, "vpt-deep": 1, "ivlp": 1, "maple": 1},
)


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

    rows = {outcome.contender for outcome in outcomes}
    pairs = {
        row_title(method, rule): [row_title(method)]
        for method, rule, _ in ROWS
        if rule != "raw" and row_title(method, rule) in rows
    }
    pairs[row_title("coop", "gram")] += [FROM_START, row_title("zero-shot")]
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
    lines.append(
        "Tip-Adapter-F is tuned by its published optimizer; all others by plain SGD at one rate, "
        "so that they differ in nothing but method and rule. Clipping and ProGrad have their "
        "default options."
    )
    if left_out := [METHOD_TITLES[name] for name in METHOD_TITLES if name not in plan.epochs]:
        lines.append(
            f"The quick demo leaves out {', '.join(left_out)} and UNIGRAM, takes part of the "
            "corpus and meta-trains for fewer steps; the full demo has them all."
        )
        return lines
    lines.append(
        "With visual prompts every image passes through the image tower again and again, and with "
        "CoCoOp every class for every image: these and the deep prompts are on one set, for "
        f"{plan.epochs['vpt']} epochs (CoOp: {plan.epochs['coop']}), after shorter meta-training."
    )
    others = [row_title(m, rule) for m, rule, whose in ROWS if whose not in (None, m)]
    lines.append(
        "A regulator fits every method that prompts its towers: "
        f"{', '.join(others)} have their own start and the regulator of "
        f"{', '.join(row_title(m, 'gram') for m in plan.meta)}, whichever prompts the same towers."
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
    label = f"meta-training {row_title(method, 'gram')}"
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
        here = [row for row in ROWS if place < plan.sets.get(row[0], 0)]
        if not here:
            continue
        yield Event("progress", message=f"reading {name}")
        labelled: LabelledSet = load_set(name, backbone)
        contenders = _contenders(backbone, here, starts, plan)
        runs = draws(labelled, plan.seeds, every_source=False)
        outcomes += yield from pass_on(
            base_to_new(contenders, labelled, backbone, runs, plan.shots, plan.evaluate_at)
        )
    return outcomes


def _contenders(
    backbone: Backbone,
    rows: list[tuple[str, str, str | None]],
    starts: dict[str, Initialisation],
    plan: Plan,
) -> list[Contender]:
    from gram_core.adaptation import AdaptConfig
    from gram_core.evaluation import Contender
    from gram_core.gradients import build_rule
    from gram_core.prompts import build_method

    contenders = []
    for name, rule, whose in rows:
        title, epochs = row_title(name, rule), plan.epochs[name]
        config = AdaptConfig(epochs=epochs)
        if name == "tip-adapter-f":
            config = AdaptConfig.published(name, plan.shots, epochs=epochs)
        if whose is None:
            method = build_method(name)
            contenders.append(Contender.plain(title, method, config, build_rule(rule)))
        elif whose == name:
            regulated = Contender.meta_trained(title, backbone, [starts[name]], config)
            if name == "coop":
                contenders.append(regulated.raw(FROM_START))
            contenders.append(regulated)
        elif whose in starts:
            learned = build_rule(rule, starts[whose].phi, starts[whose].form)
            contenders.append(Contender.plain(title, build_method(name), config, learned))
    return contenders


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
