"""Base-to-new: learn a few images of the base classes, be tested on base and on new classes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from gram_core.adaptation import Adaptation, AdaptConfig, adapt
from gram_core.backbones import Backbone
from gram_core.datasets import LabelledSet
from gram_core.errors import GramError
from gram_core.evaluation.metrics import CELLS, accuracies
from gram_core.events import Event
from gram_core.gradients import Raw, Rule
from gram_core.meta.initialisation import Initialisation
from gram_core.prompts import Method, Params, stack_params

Cells = dict[str, np.ndarray]
Draw = tuple[int, str]


@dataclass(frozen=True, eq=False)
class Contender:
    """A row of a comparison: a method, how it is adapted, and what it starts from.

    `starts` are pairs of parameters and gradient rule: one pair, or one for each meta-seed. None
    for parameters is the method's own start, drawn for each run by the seed of its few-shot draw.
    """

    name: str
    method: Method
    starts: tuple[tuple[Params | None, Rule], ...]
    config: AdaptConfig = field(default_factory=AdaptConfig)

    @classmethod
    def plain(
        cls,
        name: str,
        method: Method,
        config: AdaptConfig | None = None,
        rule: Rule | None = None,
    ) -> Contender:
        """A method from its own start, by raw gradients unless a rule is given."""
        return cls(name, method, ((None, rule or Raw()),), config or AdaptConfig())

    @classmethod
    def meta_trained(
        cls,
        name: str,
        backbone: Backbone,
        initialisations: Sequence[Initialisation],
        config: AdaptConfig | None = None,
    ) -> Contender:
        """θ* with the rule it was meta-trained with, one start for each meta-seed.

        Raises GramError for an initialisation of another backbone.
        """
        method = initialisations[0].method()
        for initialisation in initialisations:
            initialisation.check(backbone, method)
        starts = tuple((each.theta, each.rule()) for each in initialisations)
        return cls(name, method, starts, config or AdaptConfig())

    def raw(self, name: str, gain: float = 1.0) -> Contender:
        """The same starts with raw gradients, their steps `gain` times as long."""
        starts = tuple((params, Raw()) for params, _ in self.starts)
        return replace(self, name=name, starts=starts, config=replace(self.config, gain=gain))

    def start(self, params: Params | None, backbone: Backbone, runs: Sequence[Draw]) -> Params:
        """What the runs start from: `params` all of them, or each its own draw `(R, ...)`."""
        if params is not None:
            return params
        return stack_params([self.method.initial(backbone, seed) for seed, _ in runs])

    def epochs(self, backbone: Backbone) -> int:
        """Epochs of one adaptation; none where there is nothing to adapt."""
        return self.config.epochs if self.method.learns(backbone) else 0


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one contender did on one set.

    `epochs` has, for each evaluated epoch, the accuracies of `CELLS` (0 to 1) as arrays (S, R): S
    meta-seeds, R runs, whose few-shot draw and source domain are in `runs`. `step_ratio` is the
    mean norm of the steps divided by that of their raw gradients (1 without a rule, nan where
    nothing was learned).
    """

    contender: str
    data: str
    runs: tuple[Draw, ...]
    epochs: dict[int, Cells]
    step_ratio: float
    seconds: float

    @property
    def cells(self) -> Cells:
        """The accuracies after the last epoch."""
        return self.epochs[max(self.epochs)]

    def to_json(self) -> dict[str, Any]:
        """The outcome as JSON values (nan is left to the writer, who makes it null)."""
        epochs = {
            str(epoch): {name: cell.tolist() for name, cell in cells.items()}
            for epoch, cells in self.epochs.items()
        }
        return {**asdict(replace(self, epochs={})), "epochs": epochs}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Outcome:
        """The outcome that `to_json` wrote."""
        epochs = {
            int(epoch): {name: np.array(cell, dtype=float) for name, cell in cells.items()}
            for epoch, cells in values["epochs"].items()
        }
        runs = tuple((int(seed), source) for seed, source in values["runs"])
        ratio = values["step_ratio"]
        ratio = float("nan") if ratio is None else ratio
        return cls(**{**values, "runs": runs, "epochs": epochs, "step_ratio": ratio})


def draws(labelled: LabelledSet, seeds: int, every_source: bool = True) -> list[Draw]:
    """The runs on a set: seeds 0, 1, … on every source domain, or each on the next in turn."""
    if every_source:
        return [(seed, source) for seed in range(seeds) for source in labelled.sources]
    return [(seed, labelled.sources[seed % len(labelled.sources)]) for seed in range(seeds)]


def base_to_new(
    contenders: Sequence[Contender],
    labelled: LabelledSet,
    backbone: Backbone,
    runs: Sequence[Draw],
    shots: int = 16,
    evaluate_at: Sequence[int] = (),
) -> Iterator[Event]:
    """Every contender on one set, all runs side by side; the result is a `list[Outcome]`.

    A run is a few-shot draw, given by its seed and the domain that the support comes from: the
    same draws for every contender, so that differences are paired. The classifier of base classes
    knows base names only, that of new classes new names only. `evaluate_at` are epochs to evaluate
    besides the last.

    Raises GramError for a set that has fewer than two base or two new classes, and for a method
    whose classes have contexts of their own.
    """
    for contender in contenders:
        if contender.method.text.class_specific:
            raise GramError(
                f"{contender.name} learns a context of each class, which says nothing of new ones; "
                "leave it out, or leave out class_specific."
            )
    if len(labelled.new) < 2:
        raise GramError(
            f"{labelled.name!r} has {len(labelled.classes)} classes: {len(labelled.base)} base and "
            f"{len(labelled.new)} new ones. Base-to-new needs two of each, so four classes."
        )
    support = labelled.supports(shots, runs)
    total = sum(each.epochs(backbone) * len(each.starts) for each in contenders)
    done = 0
    outcomes = []
    for contender in contenders:
        began = time.perf_counter()
        constants = contender.method.constants(backbone, labelled.classes, labelled.bank)

        def evaluate(params: Params, method: Method = contender.method, of: Any = constants) -> Any:
            return accuracies(method, params, of, labelled, [source for _, source in runs])

        histories: list[list[dict[str, Any]]] = []
        config = replace(contender.config, evaluate_at=tuple(evaluate_at))
        for number, (params, rule) in enumerate(contender.starts, start=1):
            start = contender.start(params, backbone, runs)
            tag = f" (start {number} of {len(contender.starts)})" if number > 1 else ""
            for event in adapt(
                contender.method, rule, constants, support, start, config, evaluate, labelled.base
            ):
                if isinstance(event.result, Adaptation):
                    histories.append(event.result.history)
                    break
                yield Event(
                    "progress",
                    done + event.step,
                    total,
                    f"{labelled.name}: {contender.name}{tag}, epoch {event.step}",
                    event.values,
                )
            done += contender.epochs(backbone)
        seconds = time.perf_counter() - began
        outcomes.append(
            Outcome(
                contender.name,
                labelled.name,
                tuple(runs),
                _stack(histories),
                _ratio(histories),
                seconds,
            )
        )
    yield Event("result", total, total, result=outcomes)


def _stack(histories: Sequence[list[dict[str, Any]]]) -> dict[int, Cells]:
    """The evaluated epochs of all starts as arrays (S, R)."""
    return {
        record["epoch"]: {
            name: np.stack([history[place][name] for history in histories]) for name in CELLS
        }
        for place, record in enumerate(histories[0])
        if "base" in record
    }


def _ratio(histories: Sequence[list[dict[str, Any]]]) -> float:
    records = [record for history in histories for record in history]
    ratios = [record["step_ratio"] for record in records if "step_ratio" in record]
    return float(np.mean(ratios)) if ratios else float("nan")
