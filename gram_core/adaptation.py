"""Few-shot adaptation: a method, a gradient rule and a start become prompts for a few classes.

Many runs (seeds × sources) are adapted side by side in one tensor computation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from gram_core.errors import GramError
from gram_core.events import Event
from gram_core.gradients import Loss, Rule, TaskLoss, norm
from gram_core.memory import parts
from gram_core.optimisation import (
    SCHEDULES,
    SGD,
    Adam,
    Optimizer,
    ScheduleName,
    check_from_zero,
    published,
)
from gram_core.prompts import Batch, Constants, Method, Params, repeat_params, tower_of
from gram_core.prompts.params import check_params
from gram_core.settings import check_kinds

Record = dict[str, Any]
Measured = Mapping[str, Tensor | np.ndarray]
Evaluate = Callable[[Params], Measured]


@dataclass(frozen=True)
class AdaptConfig:
    """How to adapt; the first values are the recipe that GRAM's regulator is meta-trained for.

    A step follows gain × rule(gradients) + pull × (parameters − start). The optimizer takes it as
    its gradient: `momentum` is that of SGD, `epsilon` that of Adam and AdamW, and `weight_decay`
    comes after the rule, so that no rule sees it. The visual tower has a rate of its own;
    `schedule` is one of `SCHEDULES`. The last epoch is evaluated, and so are every
    `evaluate_every`-th and those in `evaluate_at`.
    """

    epochs: int = 100
    rate: float = 0.1
    visual_rate: float = 0.1
    batch: int = 32
    schedule: ScheduleName = "constant"
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    momentum: float = 0.0
    weight_decay: float = 0.0
    epsilon: float = 1e-8
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
        for name in ("rate", "visual_rate", "weight_decay", "epsilon", "pull", "gain"):
            check_from_zero(name, getattr(self, name))
        check_from_zero("momentum", self.momentum, below=1)
        if self.momentum and self.optimizer != "sgd":
            raise GramError(
                f"momentum is {self.momentum!r}, and {self.optimizer} has moments of its own; "
                "leave it at 0, or take sgd."
            )

    @classmethod
    def published(cls, method: str, shots: int = 16, **overrides: Any) -> AdaptConfig:
        """The published recipe of a method, both towers at one rate, with other values in place.

        Raises GramError for a method without a recipe (see `gram_core.optimisation.published`).
        """
        settings = {**published(method, shots), **overrides}
        if "rate" in settings:
            settings.setdefault("visual_rate", settings["rate"])
        return cls(**settings)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> AdaptConfig:
        """The configuration that `dataclasses.asdict` wrote, also after a way through JSON."""
        return cls(**{**values, "evaluate_at": tuple(values["evaluate_at"])})

    def rate_at(self, key: str, done: float) -> float:
        """The learning rate of a parameter when so many epochs are done (1.5: one and a half)."""
        rate = self.visual_rate if tower_of(key) == "visual" else self.rate
        return SCHEDULES[self.schedule](rate, done, self.epochs)

    def steps(self) -> Optimizer:
        """What makes steps of gradients."""
        if self.optimizer == "sgd":
            return SGD(self.momentum, self.weight_decay)
        decoupled = self.optimizer == "adamw"
        return Adam(epsilon=self.epsilon, weight_decay=self.weight_decay, decoupled=decoupled)

    def evaluates(self, epoch: int) -> bool:
        """Whether this epoch is evaluated."""
        every = self.evaluate_every > 0 and epoch % self.evaluate_every == 0
        return every or epoch in self.evaluate_at or epoch == self.epochs


@dataclass(frozen=True, eq=False)
class Support:
    """The labelled images of R independent runs: bank rows and labels, both `(R, n)` long.

    A label is a position among the classes that are adapted to. `runs` numbers the runs, so that a
    run taken out of many keeps its order of minibatches; by default 0 … R−1. `views` `(R, n, V)`
    are bank rows of augmented forms of each image: every epoch shows one of them in its place.
    """

    images: Tensor
    labels: Tensor
    runs: tuple[int, ...] = ()
    views: Tensor | None = None

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
        views = self.views
        if views is not None and (views.shape[:-1] != self.images.shape or not views.numel()):
            raise GramError(
                f"Views {tuple(views.shape)} do not go with images {tuple(self.images.shape)}; "
                "give (runs, images, views), at least one view of each image."
            )

    def __len__(self) -> int:
        return len(self.images)

    def select(self, rows: Sequence[int]) -> Support:
        """Some of the runs, under their own numbers."""
        rows = list(rows)
        views = None if self.views is None else self.views[rows]
        runs = tuple(self.runs[row] for row in rows)
        return Support(self.images[rows], self.labels[rows], runs, views)

    def to(self, device: torch.device) -> Support:
        """The same on a device."""
        views = None if self.views is None else self.views.to(device)
        return Support(self.images.to(device), self.labels.to(device), self.runs, views)


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
    are means over the runs, its result is the record of each run: of the epoch's steps the mean
    `loss` and `gradient_norm` of the task, `step_ratio` = |step| / |gradient|, and the learning
    `rate` (that of the visual tower by itself, `visual_rate`, where both towers learn); and what
    `evaluate` gives. Raises GramError for input that cannot be learned from.
    """
    config = config or AdaptConfig()
    if classes is not None:
        rows = [int(row) for row in classes]
        constants = method.with_classes(constants, [constants.class_names[row] for row in rows])
    device = constants.backbone.device
    support = support.to(device)
    _check(support, constants)
    # Steps are lost in half precision, whatever the backbone computes in.
    dtype = torch.promote_types(constants.backbone.dtype, torch.float32)
    start = {key: value.to(device, dtype) for key, value in start.items()}
    start = _with_runs(start, method.initial(constants.backbone), len(support))
    shown = support.images if support.views is None else support.views
    start = method.prepared(start, constants, shown, support.labels)
    epochs = config.epochs if start.keys() - method.fixed else 0
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
    params, optimizer = start, config.steps()
    state = optimizer.initial(start)
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
    losses = rule.losses
    known = {loss.name: loss.constants(constants) for loss in losses}
    shown = _epochs(config.seed, support)
    for epoch in range(1, config.epochs + 1):
        steps: list[dict[str, Tensor]] = []
        batches = _minibatches(*next(shown), config.batch)
        for place, (images, labels) in enumerate(batches):
            loss, gradients = _gradients(method, losses, constants, known, params, images, labels)
            with torch.no_grad():
                change = {key: config.gain * value for key, value in rule(gradients).items()}
                length = norm(gradients[TaskLoss.name])
                ratio = norm(change) / length.clamp_min(1e-30)
                if config.pull:
                    for key, value in change.items():
                        change[key] = value + config.pull * (params[key] - start[key])
                done = epoch - 1 + place / len(batches)
                rates = {key: config.rate_at(key, done) for key in change}
                params, state = optimizer.step(params, change, state, rates)
            steps.append(
                {"loss": loss, "gradient_norm": length, "step_ratio": ratio, **_named(rates, loss)}
            )
        if not all(torch.isfinite(value).all() for value in params.values()):
            raise GramError(
                f"The prompts are no longer numbers after epoch {epoch}; lower the rate "
                f"({config.rate}, visual {config.visual_rate})."
            )
        means = {name: torch.stack([step[name] for step in steps]).mean(0) for name in steps[0]}
        yield record(epoch, means)
    yield Event(
        "result", config.epochs, config.epochs, "adapted", result=Adaptation(params, history)
    )


@torch.enable_grad()
def _gradients(
    method: Method,
    losses: Sequence[Loss],
    constants: Constants,
    known: Mapping[str, Any],
    params: Params,
    images: Tensor,
    labels: Tensor,
) -> tuple[Tensor, dict[str, Params]]:
    """The task loss `(R,)` and the gradients of all losses, as much at a time as memory allows.

    `known` are the constants of the losses.
    """
    runs, batch = images.shape
    memory = method.memory(constants, len(constants.class_names))
    runs_at_once, images_at_once = parts(runs, batch, *memory)
    learned = [key for key in params if key not in method.fixed]
    task = torch.zeros(runs, device=images.device, dtype=params[learned[0]].dtype)
    whole = {loss.name: {key: torch.zeros_like(params[key]) for key in learned} for loss in losses}
    for rows in torch.arange(runs).split(runs_at_once):
        here = slice(int(rows[0]), int(rows[-1]) + 1)
        leaves = {key: value[here].detach() for key, value in params.items()}
        for key in learned:
            leaves[key].requires_grad_()
        for columns in torch.arange(batch).split(images_at_once):
            some = Batch(images[here][:, columns])
            logits = method.logits(leaves, constants, some)
            for loss in losses:  # each a mean over images
                value = loss(logits, labels[here][:, columns], known[loss.name], some)
                value = value * (len(columns) / batch)
                gradients = torch.autograd.grad(
                    value.sum(),
                    [leaves[key] for key in learned],
                    retain_graph=loss is not losses[-1],
                )
                for key, gradient in zip(learned, gradients, strict=True):
                    whole[loss.name][key][here] += gradient
                if loss.name == TaskLoss.name:
                    task[here] += value.detach()
    return task, whole


def _epochs(seed: int, support: Support) -> Iterator[tuple[Tensor, Tensor]]:
    """Images and labels `(R, n)` of each epoch in its order.

    What a run is shown is a function of the seed and its own number.
    """
    generators = [
        torch.Generator().manual_seed((1_000_003 * seed + run) % 2**63) for run in support.runs
    ]
    device, count = support.images.device, support.images.shape[1]
    while True:
        order = torch.stack([torch.randperm(count, generator=each) for each in generators])
        images = support.images
        if support.views is not None:
            number = support.views.shape[-1]
            drawn = [torch.randint(number, (count, 1), generator=each) for each in generators]
            images = support.views.gather(2, torch.stack(drawn).to(device))[..., 0]
        order = order.to(device)
        yield images.gather(1, order), support.labels.gather(1, order)


def _minibatches(images: Tensor, labels: Tensor, batch: int) -> list[tuple[Tensor, Tensor]]:
    """An epoch in whole minibatches; all of it where it is smaller than one.

    A last, smaller minibatch would weigh its images more than the others.
    """
    count = max(1, images.shape[1] // batch) * batch
    split = (each[:, :count].split(batch, dim=1) for each in (images, labels))
    return list(zip(*split, strict=True))


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
    for rows in (support.images, support.views):
        if rows is not None and (int(rows.min()) < 0 or int(rows.max()) >= count):
            raise GramError(f"The support names images outside the bank of {count}.")


def _with_runs(start: Params, like: Params, runs: int) -> Params:
    """The start with a run axis; `like` is a start of the method without one."""
    start = {key: value.detach().clone() for key, value in start.items()}
    if all(key in like and value.ndim > like[key].ndim for key, value in start.items()):
        check_params(start, like, (runs,))
        return start
    check_params(start, like)
    return repeat_params(start, runs)


def _named(rates: Mapping[str, float], like: Tensor) -> dict[str, Tensor]:
    """The rates of a step as they are logged, `(R,)` as `like` is."""
    towers = {tower_of(key): rate for key, rate in rates.items()}
    names = ("rate", "visual_rate")  # a single tower's is just the rate
    return {
        name: torch.full(like.shape, towers[tower], dtype=torch.float64)
        for name, tower in zip(names, sorted(towers), strict=False)
    }


def _array(value: Tensor | np.ndarray) -> np.ndarray:
    return np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value)
