"""What learns a task: losses, gradients and curvature of many tasks at once.

Tasks lie side by side on the first axis of all tensors. The prompts of a task touch no other task,
so the gradient of the sum of the task losses holds the gradient of every task, and one pass serves
all. The cross-entropy of a task is a weighted sum over its images, so that a pass over tasks, or
over the images of one, that are too many for memory is the sum of passes over parts of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from gram_core.gradients import regulate
from gram_core.memory import SECOND_ORDER, parts
from gram_core.meta.tasks import Examples
from gram_core.prompts import Constants, Method, Params, repeat_params, tower_of

#: What logits are multiplied by to find the loss at the best temperature.
TEMPERATURES = (0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2)
#: Minibatches of tasks with so many images are drawn in a row by methods that read pixels.
DRAWN_TOGETHER = 64


@dataclass(frozen=True)
class Learner:
    """What turns a gradient into a step: a method on its constants, inner rates, form of regulator.

    `rates` maps a tower ("text", "visual") to its inner rate, alpha of Eq. 7.
    """

    method: Method
    constants: Constants
    rates: Mapping[str, float]
    form: str = "blend"

    @property
    def device(self) -> torch.device:
        """Where the backbone computes."""
        return self.constants.backbone.device

    def start(self, theta: Params, tasks: int, classes: int) -> Params:
        """theta `(...)` once for each task, `(B, ...)`, and where every class has a context of its
        own for each of so many classes, `(B, K, ...)`."""
        return self.method.text.expanded(repeat_params(theta, tasks), classes)

    def regulate(self, phi: Params | None, gradient: Params) -> Params:
        """The regulated gradient, or the raw one where there is no regulator."""
        return gradient if phi is None else regulate(phi, gradient, self.form)

    def step(self, params: Params, gradient: Params) -> Params:
        """`params` one step of gradient descent further, each tower at its rate."""
        return {
            key: value - self.rates[tower_of(key)] * gradient[key] for key, value in params.items()
        }

    def memory(self, examples: Examples) -> tuple[float, float]:
        """Bytes that a first-order pass keeps of a task, and of each of its images."""
        assert examples.batch.classes is not None  # every task has classes of its own
        return self.method.memory(self.constants, examples.batch.classes.shape[1])

    def passes(
        self, examples: Examples, factor: float = 1.0
    ) -> Iterator[tuple[slice, list[Examples]]]:
        """The examples in parts that fit into memory: some tasks, with their images in one part or,
        where one task alone is too much, in several.

        `factor`: what a pass keeps, as a multiple of a first-order one.
        """
        tasks, images = examples.labels.shape
        task, image = self.memory(examples)
        tasks_at_once, images_at_once = parts(tasks, images, factor * task, factor * image)
        for first in range(0, tasks, tasks_at_once):
            rows = slice(first, first + tasks_at_once)
            some = examples.of(rows)
            used = int((some.weights > 0).sum(1).max())
            yield (
                rows,
                [
                    some.of(slice(None), slice(begin, min(begin + images_at_once, used)))
                    for begin in range(0, used, images_at_once)
                ],
            )

    def draws(self, tasks: int, images: int) -> int:
        """For how many groups of `tasks` tasks, of so many images, minibatches are drawn in turn.

        Nothing but the numbers of a seed depends on it: those of published runs.
        """
        if not self.method.visual.reads_pixels:
            return 1
        return min(tasks, math.ceil(tasks * images / DRAWN_TOGETHER))


def losses_of(learner: Learner, params: Params, examples: Examples) -> tuple[Tensor, Tensor]:
    """Logits `(B, N, K)` and cross-entropy `(B,)` of each task."""
    logits = learner.method.logits(params, learner.constants, examples.batch)
    return logits, _cross_entropy(logits, examples)


def query_loss(
    learner: Learner,
    params: Params,
    examples: Examples,
    temperature: bool,
    best: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Cross-entropy `(B,)` and accuracy `(B,)` of each task on its query.

    With `temperature` the logits of a task are first multiplied by that of `TEMPERATURES` which
    makes its loss least (a constant to the gradient): plain cross-entropy would pay for
    calibration, which rises under adaptation even while accuracy falls. `best` `(B,)` are those
    temperatures where they were found already, over more images than these.
    """
    logits, losses = losses_of(learner, params, examples)
    correct = (logits.argmax(-1) == examples.labels).to(losses.dtype)
    accuracies = (correct * examples.weights.to(losses.dtype)).sum(1).detach()
    if temperature:
        best = _best_temperature(logits, examples) if best is None else best
        losses = _cross_entropy(logits * best[:, None, None], examples)
    return losses, accuracies


def task_gradient(
    learner: Learner, params: Params, examples: Examples, temperature: bool = False
) -> tuple[Params, Tensor, Tensor]:
    """The gradient `(B, ...)` of each task's cross-entropy, that cross-entropy `(B,)` and the
    accuracy `(B,)`, all constants; `temperature` as in `query_loss`."""
    gradient = {key: torch.zeros_like(value) for key, value in params.items()}
    like = next(iter(params.values()))
    losses, accuracies = like.new_zeros(2, len(examples.labels))
    for rows, several in learner.passes(examples):
        leaves = _leaves(params, rows)
        best = None
        if temperature and len(several) > 1:
            with torch.no_grad():
                whole = examples.of(rows)
                best = _best_temperature(losses_of(learner, leaves, whole)[0], whole)
        for part in several:
            each, right = query_loss(learner, leaves, part, temperature, best)
            slopes = torch.autograd.grad(each.sum(), list(leaves.values()))
            for key, slope in zip(leaves, slopes, strict=True):
                gradient[key][rows] += slope
            losses[rows] += each.detach()
            accuracies[rows] += right
    return gradient, losses, accuracies


def curvature(learner: Learner, params: Params, examples: Examples, direction: Params) -> Params:
    """H v `(B, ...)`: the second derivative of each task's cross-entropy along `direction`
    `(B, ...)`, as the gradient of ⟨∇L, v⟩."""
    product = {key: torch.zeros_like(value) for key, value in params.items()}
    for rows, several in learner.passes(examples, SECOND_ORDER):
        leaves = _leaves(params, rows)
        along = [direction[key][rows] for key in leaves]
        for part in several:
            _, losses = losses_of(learner, leaves, part)
            slopes = torch.autograd.grad(losses.sum(), list(leaves.values()), create_graph=True)
            bends = torch.autograd.grad(slopes, list(leaves.values()), grad_outputs=along)
            for key, bend in zip(leaves, bends, strict=True):
                product[key][rows] += bend
    return product


def _leaves(params: Params, rows: slice) -> Params:
    return {key: value[rows].detach().requires_grad_() for key, value in params.items()}


def _best_temperature(logits: Tensor, examples: Examples) -> Tensor:
    """The temperature `(B,)` at which each task's cross-entropy is least."""
    with torch.no_grad():
        tried = torch.stack([_cross_entropy(logits * by, examples) for by in TEMPERATURES])
        return logits.new_tensor(TEMPERATURES)[tried.argmin(0)]


def _cross_entropy(logits: Tensor, examples: Examples) -> Tensor:
    each = functional.cross_entropy(
        logits.flatten(0, 1), examples.labels.flatten(), reduction="none"
    )
    return (each.view_as(examples.labels) * examples.weights.to(each.dtype)).sum(1)
