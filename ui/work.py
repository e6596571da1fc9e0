"""The work behind the buttons: each function makes a run and gives it to the background jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gram_core.errors import GramError
from gram_core.events import Event
from gram_core.jobs import JOBS, Work
from gram_core.runs import Run
from gram_core.work import (
    cluster_run,
    cluster_work,
    meta_train_run,
    meta_train_work,
    open_initialisation,
)
from gram_core.workspace import Workspace
from ui.draft import Draft, hold_out

if TYPE_CHECKING:
    import torch

    from gram_core.gradients import Rule
    from gram_core.hierarchy import ClusterConfig
    from gram_core.meta import Initialisation
    from gram_core.prompts import Constants, Method, Params

PICTURES = "pictures.parquet"
LEARN, BASE, NEW = "learn", "base", "new"


def start_clustering(
    workspace: Workspace,
    corpus: str,
    backbone: str = "bundled",
    config: ClusterConfig | None = None,
) -> Run:
    """A job that finds the topics and domains of a corpus."""
    run = cluster_run(workspace, corpus, backbone, config=config)
    JOBS.start(run, cluster_work(workspace))
    return run


def start_meta_training(
    workspace: Workspace, hierarchy: str, method: str, tokens: int, settings: dict[str, Any]
) -> Run:
    """A job that meta-trains on the tasks of a hierarchy.

    `settings` override what `MetaConfig.for_method` recommends. Raises GramError for a setting
    out of its range.
    """
    from gram_core.meta import MetaConfig
    from gram_core.prompts import build_method

    prompted = build_method(method, tokens=tokens)
    config = MetaConfig.for_method(prompted, **settings)
    run = meta_train_run(workspace, hierarchy, prompted, config)
    JOBS.start(run, meta_train_work(workspace))
    return run


def words_of_test_sets() -> tuple[str, ...]:
    """The words of all classes of the bundled sets."""
    from gram_core.datasets import bundled_sets, words_of

    return words_of(name for card in bundled_sets() for name in card.classes)


def resume(workspace: Workspace, run: Run) -> None:
    """Works on with a run that was cancelled, interrupted or failed.

    Raises GramError where it cannot be gone on with.
    """
    makers = {"cluster": cluster_work, "meta-train": meta_train_work, "few-shot": race_work}
    if run.kind not in makers:
        raise GramError(f"A run of kind {run.kind!r} is gone on with from the command line.")
    JOBS.start(run, makers[run.kind](workspace))


def start_race(
    workspace: Workspace,
    draft: Draft,
    method: str,
    initialisation: str | None,
    epochs: int,
    share: float,
    backbone: str = "bundled",
    seed: int = 0,
) -> Run:
    """A job that tunes a classifier from the draft's pictures, without and with GRAM.

    `backbone` counts where there is no initialisation, which has its own. Raises GramError where
    the draft has a problem.
    """
    import pyarrow as pa
    from pyarrow import parquet

    problems = draft.problems()
    if problems:
        raise GramError(problems[0])
    settings = {
        "method": method,
        "initialisation": initialisation,
        "backbone": backbone,
        "epochs": epochs,
        "seed": seed,
        "base": [one.name.strip() for one in draft.base_classes()],
        "new": [one.name.strip() for one in draft.new_classes()],
    }
    rows: list[dict[str, Any]] = []
    for label, one in enumerate(draft.base_classes()):
        learn, held = hold_out(len(one.pictures), share, seed)
        for part, places in ((LEARN, learn), (BASE, held)):
            rows += [
                {"image": one.pictures[place].data, "label": label, "part": part}
                for place in places
            ]
    first_new = len(draft.base_classes())
    for label, one in enumerate(draft.new_classes(), start=first_new):
        rows += [{"image": each.data, "label": label, "part": NEW} for each in one.pictures]
    run = Run.create(workspace, "few-shot", settings, method)
    parquet.write_table(pa.Table.from_pylist(rows), run.folder / PICTURES)
    JOBS.start(run, race_work(workspace))
    return run


def race_work(workspace: Workspace) -> Work:
    """Work that tunes from the same pictures with each rule, epoch by epoch side by side."""

    def work(run: Run) -> Iterator[Event]:
        from gram_core.adaptation import AdaptConfig, Support, adapt
        from gram_core.backbones import open_backbone
        from gram_core.classifier import PromptedClassifier
        from gram_core.gradients import Raw
        from gram_core.prompts import build_method

        run.rewind(-1)  # a race is short: it starts again rather than going on
        settings = run.config
        yield Event("progress", message="Opening the backbone")
        found: Initialisation | None = None
        if settings["initialisation"]:
            found, backbone = open_initialisation(workspace, settings["initialisation"])
            method = found.method()
            found.check(backbone, method)
        else:
            backbone = open_backbone(settings["backbone"])
            method = build_method(settings["method"])
        names = settings["base"] + settings["new"]
        stage = _Stage.read(run, backbone, method, names, len(settings["base"]))
        yield Event("metric", 0, settings["epochs"], "Zero-shot", stage.zero_shot())

        support = Support(stage.images(LEARN)[None], stage.labels(LEARN)[None])
        config = AdaptConfig(epochs=settings["epochs"], evaluate_every=1, seed=settings["seed"])
        own = method.initial(backbone, settings["seed"])
        entries: dict[str, tuple[Params, Rule]] = {"raw": (own, Raw())}
        if found:
            entries["gram"] = (found.theta, found.rule())
        lanes = {
            lane: adapt(
                method, rule, stage.constants, support, start, config, stage.measure,
                range(len(settings["base"])),
            )
            for lane, (start, rule) in entries.items()
        }  # fmt: skip
        params: dict[str, Params] = {}
        last: dict[str, dict[str, float]] = {}
        while len(params) < len(lanes):
            values: dict[str, float] = {}
            step = 0
            for lane, events in lanes.items():
                event = next(events)
                if event.kind == "result":
                    adapted = event.result.params
                    params[lane] = {key: value[0] for key, value in adapted.items()}
                else:
                    step = event.step
                    last[lane] = dict(event.values)
                    values |= {f"{lane}_{name}": value for name, value in event.values.items()}
            if values:
                yield Event("metric", step, config.epochs, "Tuning", values)
        made = {}
        for lane, learned in params.items():
            about = {"run": run.id, "rule": lane, "metrics": last.get(lane, {})}
            classifier = PromptedClassifier(backbone, method, learned, names, about)
            made[lane] = f"{run.id}-{lane}"
            if workspace.exists("classifiers", made[lane]):  # of the same race, broken off
                workspace.delete("classifiers", made[lane])
            with workspace.create("classifiers", made[lane], about) as folder:
                classifier.save(folder)
        run.set_status(made=made)
        yield Event("result", config.epochs, config.epochs, result=made)

    return work


class _Stage:
    """The pictures of a race, and how classifiers are measured on them."""

    def __init__(
        self,
        method: Method,
        constants: Constants,
        labels: Sequence[int],
        parts: Sequence[str],
        base: int,
    ) -> None:
        self.method, self.constants, self.base = method, constants, base
        self._labels, self._parts = labels, parts

    @classmethod
    def read(
        cls, run: Run, backbone: Any, method: Method, names: Sequence[str], base: int
    ) -> _Stage:
        """The stage of a run that `start_race` has set."""
        import io

        from PIL import Image
        from pyarrow import parquet

        from gram_core.prompts import ImageBank

        table = parquet.read_table(run.folder / PICTURES).to_pydict()
        pictures = [Image.open(io.BytesIO(data)).convert("RGB") for data in table["image"]]
        constants = method.constants(backbone, names, ImageBank.of(backbone, pictures))
        return cls(method, constants, table["label"], table["part"], base)

    def images(self, part: str) -> torch.Tensor:
        """Rows (n,) of the pictures of a part."""
        import torch

        return torch.tensor([row for row, its in enumerate(self._parts) if its == part])

    def labels(self, part: str) -> torch.Tensor:
        """Labels (n,) of the pictures of a part."""
        import torch

        pairs = zip(self._labels, self._parts, strict=True)
        return torch.tensor([label for label, its in pairs if its == part])

    def measure(self, params: Params) -> dict[str, torch.Tensor]:
        """Accuracy (R,) on base and on new classes, each told apart among themselves only."""
        return self._measure(self.method, self.constants, params)

    def zero_shot(self) -> dict[str, float]:
        """The same of the backbone as it is."""
        from gram_core.prompts import build_method

        method = build_method("zero-shot")
        backbone, names = self.constants.backbone, self.constants.class_names
        constants = method.constants(backbone, names, self.constants.images)
        measured = self._measure(method, constants, {})
        return {f"zero_{name}": float(value[0]) for name, value in measured.items()}

    def _measure(
        self, method: Method, constants: Constants, params: Params
    ) -> dict[str, torch.Tensor]:
        import torch

        from gram_core.prompts import Batch

        measured = {}
        ranges = {BASE: (0, self.base), NEW: (self.base, len(constants.class_names))}
        for part, (first, end) in ranges.items():
            images = self.images(part)
            if len(images) and end - first >= 2:
                runs = len(next(iter(params.values()))) if params else 1
                batch = Batch(images.expand(runs, -1), torch.arange(first, end).expand(runs, -1))
                with torch.no_grad():
                    found = method.logits(params, constants, batch).argmax(-1) + first
                measured[part] = (found == self.labels(part)).float().mean(-1)
        return measured
