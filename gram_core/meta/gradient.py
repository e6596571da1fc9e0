"""The gradient of the query loss after adaptation with respect to theta and phi (Eq. 7 to 10).

Tasks lie side by side on the first axis of all tensors. The prompts of a task touch no other task,
so the gradient of the sum of the task losses holds the gradient of every task, and one pass serves
all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

from gram_core.gradients import regulate
from gram_core.meta.alignment import norm
from gram_core.meta.tasks import Examples
from gram_core.prompts import Constants, Method, Params, repeat_params, tower_of

#: What logits are multiplied by to find the loss at the best temperature.
TEMPERATURES = (0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2)


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

    def regulate(self, phi: Params | None, gradient: Params) -> Params:
        """The regulated gradient, or the raw one where there is no regulator."""
        return gradient if phi is None else regulate(phi, gradient, self.form)

    def step(self, params: Params, gradient: Params) -> Params:
        """`params` one step of gradient descent further, each tower at its rate."""
        return {
            key: value - self.rates[tower_of(key)] * gradient[key] for key, value in params.items()
        }

    def groups(self, tasks: int, images: int) -> list[slice]:
        """The rows of `tasks` tasks of `images` images, in as few even groups as memory allows."""
        limit = self.method.visual.images_at_once
        count = 1 if limit is None else min(tasks, math.ceil(tasks * images / limit))
        bounds = [tasks * group // count for group in range(count + 1)]
        return [slice(start, end) for start, end in pairwise(bounds)]


@dataclass(frozen=True)
class MetaGradient:
    """Outcome of one adaptation of B tasks and of the look back from their queries.

    loss is the mean over tasks of what was minimised; theta and phi hold its gradients (phi None
    without a regulator). adapted are the adapted parameters (B, ...), detached, and the rest are
    means over tasks (and steps): query losses and accuracies (0 to 1), norm of the raw support
    gradient, norm of the regulated over the raw one.
    """

    loss: float
    theta: Params
    phi: Params | None
    adapted: Params
    logs: dict[str, float]


def losses_of(learner: Learner, params: Params, examples: Examples) -> tuple[Tensor, Tensor]:
    """Logits (B, N, K) and cross-entropy (B,) of each task."""
    logits = learner.method.logits(params, learner.constants, examples.batch)
    return logits, _cross_entropy(logits, examples)


def support_gradient(
    learner: Learner, params: Params, examples: Examples, create_graph: bool = False
) -> tuple[Params, Tensor]:
    """The raw gradient of each task's cross-entropy, and that cross-entropy (B,).

    With `create_graph` the gradient can be differentiated again, through `params`; without it, it
    is a constant.
    """
    if not create_graph:
        params = {key: value.detach().requires_grad_() for key, value in params.items()}
    _, losses = losses_of(learner, params, examples)
    gradients = torch.autograd.grad(losses.sum(), list(params.values()), create_graph=create_graph)
    return dict(zip(params, gradients, strict=True)), losses.detach()


def query_loss(
    learner: Learner, params: Params, examples: Examples, temperature: bool
) -> tuple[Tensor, Tensor]:
    """Cross-entropy (B,) and accuracy (B,) of each task on its query.

    With `temperature` the logits of a task are first multiplied by that of `TEMPERATURES` which
    makes its loss least (a constant to the gradient): plain cross-entropy would pay for
    calibration, which rises under adaptation even while accuracy falls.
    """
    logits, losses = losses_of(learner, params, examples)
    correct = (logits.argmax(-1) == examples.labels).to(losses.dtype)
    accuracy = (correct * examples.weights.to(losses.dtype)).sum(1).detach()
    if temperature:
        with torch.no_grad():
            tried = torch.stack([_cross_entropy(logits * by, examples) for by in TEMPERATURES])
            best = logits.new_tensor(TEMPERATURES)[tried.argmin(0)]
        losses = _cross_entropy(logits * best[:, None, None], examples)
    return losses, accuracy


def meta_gradient(
    learner: Learner,
    theta: Params,
    phi: Params | None,
    supports: Sequence[Examples],
    seen: Examples,
    unseen: Examples | None = None,
    *,
    second_order: bool = True,
    offset: Params | None = None,
    unseen_weight: float = 1.0,
    temperature: bool = False,
) -> MetaGradient:
    """Adapt theta to B tasks, one step for each of `supports`, and differentiate the query loss.

    With `second_order` the gradients are exact: the query loss is differentiated through the
    regulated steps and through the support gradients in them (one support: Eq. 7 to 10 as printed).
    Without it the support gradients are constants: theta then receives the query gradient at the
    adapted parameters, while phi still receives that of every step it shaped.

    `offset` (B, ...) is added to theta to begin with: how far each task has come in earlier steps.
    The loss is that on the support's classes (`seen`), plus `unseen_weight` times that on `unseen`.
    """
    theta = {key: value.detach().requires_grad_() for key, value in theta.items()}
    leaves = list(theta.values())
    if phi is not None:
        phi = {key: value.detach().requires_grad_() for key, value in phi.items()}
        leaves += phi.values()
    params = repeat_params(theta, len(seen.labels))
    if offset is not None:
        params = {key: value + offset[key] for key, value in params.items()}

    gradient_norms, ratios = [], []
    for support in supports:
        raw, _ = support_gradient(learner, params, support, create_graph=second_order)
        regulated = learner.regulate(phi, raw)
        params = learner.step(params, regulated)
        gradient_norms.append(norm(raw).detach())
        ratios.append(norm(regulated).detach() / gradient_norms[-1].clamp(min=1e-30))

    losses, accuracy = query_loss(learner, params, seen, temperature)
    logs = {"loss_seen": _mean(losses), "accuracy_seen": _mean(accuracy)}
    if unseen is not None and unseen_weight:
        unseen_losses, accuracy = query_loss(learner, params, unseen, temperature)
        logs |= {"loss_unseen": _mean(unseen_losses), "accuracy_unseen": _mean(accuracy)}
        losses = losses + unseen_weight * unseen_losses
    loss = losses.mean()
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    return MetaGradient(
        loss=float(loss.detach()),
        theta=dict(zip(theta, gradients[: len(theta)], strict=True)),
        phi=None if phi is None else dict(zip(phi, gradients[len(theta) :], strict=True)),
        adapted={key: value.detach() for key, value in params.items()},
        logs=logs
        | {
            "gradient_norm": _mean(torch.stack(gradient_norms)),
            "step_ratio": _mean(torch.stack(ratios)),
        },
    )


def join(parts: Sequence[MetaGradient]) -> MetaGradient:
    """The outcome for all tasks of the outcomes for groups of them."""
    counts = [len(next(iter(part.adapted.values()))) for part in parts]
    shares = [count / sum(counts) for count in counts]

    def mean(several: Sequence[Params]) -> Params:
        return {
            key: torch.stack(
                [share * one[key] for share, one in zip(shares, several, strict=True)]
            ).sum(0)
            for key in several[0]
        }

    phis = [part.phi for part in parts if part.phi is not None]
    return MetaGradient(
        loss=sum(share * part.loss for share, part in zip(shares, parts, strict=True)),
        theta=mean([part.theta for part in parts]),
        phi=mean(phis) if phis else None,
        adapted={key: torch.cat([part.adapted[key] for part in parts]) for key in parts[0].adapted},
        logs={
            name: sum(share * part.logs[name] for share, part in zip(shares, parts, strict=True))
            for name in parts[0].logs
        },
    )


def _cross_entropy(logits: Tensor, examples: Examples) -> Tensor:
    each = functional.cross_entropy(
        logits.flatten(0, 1), examples.labels.flatten(), reduction="none"
    )
    return (each.view_as(examples.labels) * examples.weights.to(each.dtype)).sum(1)


def _mean(values: Tensor) -> float:
    return float(values.detach().mean())
