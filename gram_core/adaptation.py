"""Few-shot adaptation: a method, a gradient rule and a start become prompts for a few classes.

Many runs (seeds × sources) are adapted side by side in one tensor computation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from gram_core.errors import GramError
from gram_core.events import Event
from gram_core.gradients import LOSSES, Rule
from gram_core.prompts import Batch, Constants, Method, Params, repeat_params, tower_of
from gram_core.prompts.method import check_params
from gram_core.settings import check_kinds

Record = dict[str, Any]
Measured = Mapping[str, Tensor | np.ndarray]
Evaluate = Callable[[Params], Measured]


@dataclass(frozen=True)
class AdaptConfig:
    """How to adapt; the first values are the recipe that GRAM's regulator is meta-trained for.

    Plain SGD: step = rate × (gain × rule(gradients) + pull × (parameters − start)), with the
    visual tower's own rate. `schedule` is a constant rate or half a cosine over the epochs. The
    last epoch is evaluated, and so are every `evaluate_every`-th and those in `evaluate_at`.
    """

    epochs: int = 100
    rate: float = 0.1
    visual_rate: float = 0.1
    batch: int = 32
    schedule: Literal["constant", "cosine"] = "constant"
    momentum: float = 0.0
    pull: float = 0.0
    gain: float = 1.0
    evaluate_every: int = 0
    evaluate_at: tuple[int, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        check_kinds(self)
        for name, least in (("epochs", 0), ("batch", 1), ("evaluate_every", 0)):
            value = getattr(self, name)
            if value < least:
                raise GramError(f"{name} is {value!r}; it has to be a whole number from {least}.")
        for name in ("rate", "visual_rate", "pull", "gain"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise GramError(f"{name} is {value!r}; it has to be a number from 0.")
        if not 0 <= self.momentum < 1:
            raise GramError(f"momentum is {self.momentum!r}; it has to be from 0 to below 1.")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> AdaptConfig:
        """The configuration that `dataclasses.asdict` wrote, also after a way through JSON."""
        return cls(**{**values, "evaluate_at": tuple(values["evaluate_at"])})

    def rate_at(self, key: str, epoch: int) -> float:
        """The learning rate of a parameter in an epoch, counted from 1."""
        rate = self.visual_rate if tower_of(key) == "visual" else self.rate
        if self.schedule == "constant":
            return rate
        return rate * 0.5 * (1 + math.cos(math.pi * (epoch - 1) / self.epochs))

    def evaluates(self, epoch: int) -> bool:
        """Whether this epoch is evaluated."""
        every = self.evaluate_every > 0 and epoch % self.evaluate_every == 0
        return every or epoch in self.evaluate_at or epoch == self.epochs


@dataclass(frozen=True, eq=False)
class Support:
    """The labelled images of R independent runs: bank rows and labels, both `(R, n)` long.

    A label is a position among the classes that are adapted to. `runs` numbers the runs, so that a
    run taken out of many keeps its order of minibatches; by default 0 … R−1.
    """

    images: Tensor
    labels: Tensor
    runs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.images.ndim != 2 or self.images.shape != self.labels.shape:
            raise GramError(
                f"Images {tuple(self.images.shape)} and labels {tuple(self.labels.shape)} have to "
                "be of one shape (runs, images)."
            )
        if not self.images.numel():
            raise GramError("There are no support images; give at least one of each class.")
        if not self.runs:
            object.__setattr__(self, "runs", tuple(range(len(self.images))))
        if len(self.runs) != len(self.images):
            raise GramError(f"{len(self.runs)} numbers were given for {len(self.images)} runs.")

    def __len__(self) -> int:
        return len(self.images)

    def select(self, rows: Sequence[int]) -> Support:
        """Some of the runs, under their own numbers."""
        rows = list(rows)
        return Support(self.images[rows], self.labels[rows], tuple(self.runs[row] for row in rows))


@dataclass(frozen=True, eq=False)
class Adaptation:
    """Adapted parameters with a run axis `(R, ...)`, and what was measured on the way.

    A record of the history has the `epoch`, and one array `(R,)` for each measured value.
    """

    params: Params
    history: list[Record]


def adapt(
    method: Method,
    rule: Rule,
    constants: Constants,
    support: Support,
    start: Params,
    config: AdaptConfig | None = None,
    evaluate: Evaluate | None = None,
    classes: Sequence[int] | Tensor | None = None,
) -> Iterator[Event]:
    """Adapts R runs side by side: one metric event an epoch, and a result event `Adaptation`.

    `start` has no run axis, or one of R. `classes` are the rows of the class table to adapt to
    (None: all). `evaluate` takes parameters `(R, ...)` and gives arrays `(R,)`. An event's values
    are means over the runs (`loss`, `step_ratio` = |step| / |gradient|, and what `evaluate` gives),
    its result is the record of each run. Raises GramError for input that cannot be learned from.
    """
    config = config or AdaptConfig()
    if classes is not None:
        rows = [int(row) for row in classes]
        constants = method.with_classes(constants, [constants.class_names[row] for row in rows])
    device = constants.backbone.device
    support = Support(support.images.to(device), support.labels.to(device), support.runs)
    _check(support, constants)
    start = {key: value.to(device, constants.backbone.dtype) for key, value in start.items()}
    start = _with_runs(start, method.initial(constants.backbone), len(support))
    epochs = config.epochs if start else 0
    return _run(method, rule, constants, support, start, replace(config, epochs=epochs), evaluate)


def _run(
    method: Method,
    rule: Rule,
    constants: Constants,
    support: Support,
    start: Params,
    config: AdaptConfig,
    evaluate: Evaluate | None,
) -> Iterator[Event]:
    params = start
    momenta = {key: torch.zeros_like(value) for key, value in start.items()}
    history: list[Record] = []

    def record(epoch: int, measured: Measured) -> Event:
        if evaluate is not None and config.evaluates(epoch):
            with torch.no_grad():
                measured = {**measured, **evaluate(params)}
        arrays = {name: _array(value) for name, value in measured.items()}
        history.append({"epoch": epoch, **arrays})
        means = {name: float(value.mean()) for name, value in arrays.items()}
        return Event("metric", epoch, config.epochs, f"epoch {epoch}", means, history[-1])

    if evaluate is not None and config.evaluates(0):
        yield record(0, {})
    orders = _orders(config.seed, support)
    for epoch in range(1, config.epochs + 1):
        losses: list[Tensor] = []
        ratios: list[Tensor] = []
        for positions in next(orders).split(config.batch, dim=1):
            if positions.shape[1] < config.batch and losses:
                break  # a last, smaller minibatch would weigh its images more than the others
            images = support.images.gather(1, positions)
            labels = support.labels.gather(1, positions)
            loss, gradients = _gradients(method, rule, constants, params, images, labels)
            with torch.no_grad():
                step = {key: config.gain * value for key, value in rule(gradients).items()}
                ratios.append(_norm(step) / _norm(gradients["task"]).clamp_min(1e-30))
                moved = {}
                for key, value in params.items():
                    change = step[key]
                    if config.pull:
                        change = change + config.pull * (value - start[key])
                    momenta[key] = config.momentum * momenta[key] + change
                    moved[key] = value - config.rate_at(key, epoch) * momenta[key]
                params = moved
            losses.append(loss)
        if not all(torch.isfinite(value).all() for value in params.values()):
            raise GramError(
                f"The prompts are no longer numbers after epoch {epoch}; lower the rate "
                f"({config.rate}, visual {config.visual_rate})."
            )
        means = {"loss": torch.stack(losses).mean(0), "step_ratio": torch.stack(ratios).mean(0)}
        yield record(epoch, means)
    yield Event(
        "result", config.epochs, config.epochs, "adapted", result=Adaptation(params, history)
    )


@torch.enable_grad()
def _gradients(
    method: Method,
    rule: Rule,
    constants: Constants,
    params: Params,
    images: Tensor,
    labels: Tensor,
) -> tuple[Tensor, dict[str, Params]]:
    """The task loss `(R,)` and the gradients of the rule's losses, a few runs at a time."""
    runs, batch = images.shape
    limit = method.visual.images_at_once
    at_once = runs if limit is None else max(1, limit // batch)
    losses: list[Tensor] = []
    parts: dict[str, list[Params]] = {name: [] for name in rule.losses}
    for rows in torch.arange(runs).split(at_once):
        here = slice(int(rows[0]), int(rows[-1]) + 1)
        leaves = {key: value[here].detach().requires_grad_() for key, value in params.items()}
        some = Batch(images[here])
        logits = method.logits(leaves, constants, some)
        for name in rule.losses:
            loss = LOSSES[name](logits, labels[here], constants, some)
            gradients = torch.autograd.grad(
                loss.sum(), list(leaves.values()), retain_graph=name != rule.losses[-1]
            )
            parts[name].append(dict(zip(leaves, gradients, strict=True)))
            if name == "task":
                losses.append(loss.detach())
    whole = {
        name: {key: torch.cat([piece[key] for piece in pieces]) for key in params}
        for name, pieces in parts.items()
    }
    return torch.cat(losses), whole


def _orders(seed: int, support: Support) -> Iterator[Tensor]:
    """Orders of the support images `(R, n)`, each run's a function of the seed and its number."""
    generators = [
        torch.Generator().manual_seed((1_000_003 * seed + run) % 2**63) for run in support.runs
    ]
    count = support.images.shape[1]
    while True:
        order = torch.stack([torch.randperm(count, generator=each) for each in generators])
        yield order.to(support.images.device)


def _check(support: Support, constants: Constants) -> None:
    names = constants.class_names
    if len(names) < 2:
        raise GramError(f"There is one class only ({names[0]}); give at least two to tell apart.")
    low, high = int(support.labels.min()), int(support.labels.max())
    if low < 0 or high >= len(names):
        raise GramError(
            f"Labels run from {low} to {high}, and {len(names)} classes have the labels "
            f"0 to {len(names) - 1}; number the support's classes accordingly."
        )
    count = len(constants.images)
    if int(support.images.min()) < 0 or int(support.images.max()) >= count:
        raise GramError(f"The support names images outside the bank of {count}.")


def _with_runs(start: Params, like: Params, runs: int) -> Params:
    """The start with a run axis; `like` is a start of the method without one."""
    start = {key: value.detach().clone() for key, value in start.items()}
    if all(key in like and value.ndim > like[key].ndim for key, value in start.items()):
        check_params(start, like, (runs,))
        return start
    check_params(start, like)
    return repeat_params(start, runs)


def _norm(params: Params) -> Tensor:
    """The norm of each run's parameters taken together, `(R,)`."""
    return torch.cat([value.flatten(1) for value in params.values()], dim=1).norm(dim=1)


def _array(value: Tensor | np.ndarray) -> np.ndarray:
    return np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value)
