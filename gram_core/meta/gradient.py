"""The gradient of the query loss after adaptation with respect to theta and phi (Eq. 7 to 10).

For steps θ_i+1 = θ_i − α R_φ(g_i), g_i = ∇L_i(θ_i), let u be the gradient of the query loss at the
end of the walk. Backwards through step i,

    φ receives −α (∂R/∂φ)ᵀ u,    v = −α (∂R/∂g)ᵀ u,    u becomes u + H_i v,

H_i the second derivative of L_i at θ_i, and θ receives the u that is left. φ needs no second
derivative but H_i of later steps, and none at all in the last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from gram_core.errors import GramError
from gram_core.gradients import norm
from gram_core.memory import SECOND_ORDER, parts
from gram_core.meta.learner import Learner, curvature, losses_of, query_loss, task_gradient
from gram_core.meta.tasks import Examples
from gram_core.prompts import Params

#: `create_graph`: PyTorch differentiates through the whole walk; fastest for one step, and keeps
#: everything. `replay`: the equations above, with one Hessian-vector product a step; as exact,
#: slower, and keeps one step, or one part of its images. `first_order`: replay without H_i.
Strategy = Literal["create_graph", "replay", "first_order"]


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


def meta_gradient(
    learner: Learner,
    theta: Params,
    phi: Params | None,
    supports: Sequence[Examples],
    seen: Examples,
    unseen: Examples | None = None,
    *,
    strategy: Strategy = "create_graph",
    offset: Params | None = None,
    unseen_weight: float = 1.0,
    temperature: bool = False,
) -> MetaGradient:
    """Adapt theta to B tasks, one step for each of `supports`, and differentiate the query loss.

    With the strategies `create_graph` and `replay` the gradients are exact: the query loss is
    differentiated through the regulated steps and through the support gradients in them (one
    support: Eq. 7 to 10 as printed). With `first_order` the support gradients are constants: theta
    then receives the query gradient at the adapted parameters, while phi still receives that of
    every step it shaped. Without supports theta is not adapted, and they are all the same.

    `offset` (B, ...) is added to theta to begin with: how far each task has come in earlier steps.
    The loss is that on the support's classes (`seen`), plus `unseen_weight` times that on `unseen`.

    Raises GramError for an unknown strategy.
    """
    if strategy not in get_args(Strategy):
        raise GramError(
            f"There is no strategy {strategy!r}; choose one of {', '.join(get_args(Strategy))}."
        )
    queries = {"seen": (seen, 1.0)}
    if unseen is not None and unseen_weight:
        queries["unseen"] = (unseen, unseen_weight)
    walk = _Walk(learner, theta, phi, supports, queries, offset, temperature)
    if strategy == "create_graph":
        return join([_through_graph(walk.of(rows)) for rows in walk.groups()])
    return _replayed(walk, exact=strategy == "replay")


@dataclass(frozen=True)
class _Walk:
    """What `meta_gradient` was asked for; a query is its examples and the weight of its loss."""

    learner: Learner
    theta: Params
    phi: Params | None
    supports: Sequence[Examples]
    queries: dict[str, tuple[Examples, float]]
    offset: Params | None
    temperature: bool

    def __len__(self) -> int:
        return len(self.queries["seen"][0].labels)

    def start(self, theta: Params) -> Params:
        """Where the tasks begin, (B, ...)."""
        classes = self.queries["seen"][0].batch.classes
        assert classes is not None  # every task has classes of its own
        start = self.learner.start(theta, *classes.shape)
        if self.offset is None:
            return start
        return {key: value + self.offset[key] for key, value in start.items()}

    def groups(self) -> list[slice]:
        """The tasks in groups of which one graph of the whole walk fits into memory."""
        passes = [(support, SECOND_ORDER) for support in self.supports]
        passes += [(query, 1.0) for query, _ in self.queries.values()]
        whole = 0.0
        for examples, factor in passes:
            task, image = self.learner.memory(examples)
            whole += factor * (task + examples.labels.shape[1] * image)
        at_once, _ = parts(len(self), 1, whole, 0)
        return [slice(first, first + at_once) for first in range(0, len(self), at_once)]

    def of(self, rows: slice) -> _Walk:
        """The same for some of the tasks."""
        return replace(
            self,
            supports=[support.of(rows) for support in self.supports],
            queries={name: (each.of(rows), by) for name, (each, by) in self.queries.items()},
            offset=None if self.offset is None else {k: v[rows] for k, v in self.offset.items()},
        )


class _Logs:
    """Means over tasks and steps, gathered on the way."""

    def __init__(self) -> None:
        self._queries: dict[str, float] = {}
        self._norms: list[Tensor] = []
        self._ratios: list[Tensor] = []

    def step(self, raw: Params, regulated: Params) -> None:
        """How long the gradients of a step are."""
        length = norm(raw).detach()
        self._norms.append(length)
        self._ratios.append(norm(regulated).detach() / length.clamp(min=1e-30))

    def query(self, name: str, losses: Tensor, accuracies: Tensor) -> None:
        """What the tasks reach on a query."""
        self._queries |= {f"loss_{name}": _mean(losses), f"accuracy_{name}": _mean(accuracies)}

    def values(self) -> dict[str, float]:
        """The means by name; without steps those of the queries alone."""
        if not self._norms:
            return self._queries
        return self._queries | {
            "gradient_norm": _mean(torch.stack(self._norms)),
            "step_ratio": _mean(torch.stack(self._ratios)),
        }


def _through_graph(walk: _Walk) -> MetaGradient:
    """All steps in one graph, and one backward pass through it."""
    learner, logs = walk.learner, _Logs()
    theta = _leaves(walk.theta)
    phi = None if walk.phi is None else _leaves(walk.phi)
    params = walk.start(theta)
    for support in walk.supports:
        _, losses = losses_of(learner, params, support)
        slopes = torch.autograd.grad(losses.sum(), list(params.values()), create_graph=True)
        raw = dict(zip(params, slopes, strict=True))
        regulated = learner.regulate(phi, raw)
        params = learner.step(params, regulated)
        logs.step(raw, regulated)
    total = next(iter(params.values())).new_zeros(len(walk))
    for name, (query, weight) in walk.queries.items():
        losses, accuracies = query_loss(learner, params, query, walk.temperature)
        logs.query(name, losses, accuracies)
        total = total + weight * losses
    loss = total.mean()
    slopes = torch.autograd.grad(
        loss, [*theta.values(), *(phi or {}).values()], allow_unused=True, materialize_grads=True
    )
    return MetaGradient(
        loss=float(loss.detach()),
        theta=dict(zip(theta, slopes, strict=False)),
        phi=None if phi is None else dict(zip(phi, slopes[len(theta) :], strict=True)),
        adapted={key: value.detach() for key, value in params.items()},
        logs=logs.values(),
    )


def _replayed(walk: _Walk, exact: bool) -> MetaGradient:
    """Forwards without a graph, then backwards one step at a time."""
    learner, phi, logs = walk.learner, walk.phi, _Logs()
    params = {key: value.detach() for key, value in walk.start(walk.theta).items()}
    steps = []
    for support in walk.supports:
        raw, _, _ = task_gradient(learner, params, support)
        with torch.no_grad():
            regulated = learner.regulate(phi, raw)
            steps.append((support, params, raw))
            params = learner.step(params, regulated)
        logs.step(raw, regulated)

    total = next(iter(params.values())).new_zeros(len(walk))
    back = {key: torch.zeros_like(value) for key, value in params.items()}
    for name, (query, weight) in walk.queries.items():
        slope, losses, accuracies = task_gradient(learner, params, query, walk.temperature)
        logs.query(name, losses, accuracies)
        total += weight * losses
        for key, value in slope.items():
            back[key] += weight / len(walk) * value

    phi_gradient = {key: torch.zeros_like(value) for key, value in (phi or {}).items()}
    for support, before, raw in reversed(steps):
        to_raw, to_phi = _through_step(learner, phi, before, raw, back)
        for key, value in to_phi.items():
            phi_gradient[key] += value
        if exact:
            bend = curvature(learner, before, support, to_raw)
            back = {key: value + bend[key] for key, value in back.items()}
    theta = _leaves(walk.theta)
    slopes = torch.autograd.grad(
        list(walk.start(theta).values()), list(theta.values()), grad_outputs=list(back.values())
    )
    return MetaGradient(
        loss=float(total.mean()),
        theta=dict(zip(theta, slopes, strict=True)),
        phi=None if phi is None else phi_gradient,
        adapted=params,
        logs=logs.values(),
    )


def _through_step(
    learner: Learner, phi: Params | None, before: Params, raw: Params, back: Params
) -> tuple[Params, Params]:
    """What the raw gradient and phi receive of `back`, which a step of theirs has led to."""
    raw, phi = _leaves(raw), _leaves(phi or {})
    after = learner.step(before, learner.regulate(phi or None, raw))
    slopes = torch.autograd.grad(
        list(after.values()),
        [*raw.values(), *phi.values()],
        grad_outputs=[back[key] for key in after],
        allow_unused=True,
        materialize_grads=True,
    )
    return dict(zip(raw, slopes, strict=False)), dict(zip(phi, slopes[len(raw) :], strict=True))


def join(outcomes: Sequence[MetaGradient]) -> MetaGradient:
    """The outcome for all tasks of the outcomes for groups of them."""
    counts = [len(next(iter(outcome.adapted.values()))) for outcome in outcomes]
    shares = [count / sum(counts) for count in counts]

    def mean(several: Sequence[Params]) -> Params:
        return {
            key: torch.stack(
                [share * one[key] for share, one in zip(shares, several, strict=True)]
            ).sum(0)
            for key in several[0]
        }

    phis = [outcome.phi for outcome in outcomes if outcome.phi is not None]
    adapted = [outcome.adapted for outcome in outcomes]
    pairs = list(zip(shares, outcomes, strict=True))
    return MetaGradient(
        loss=sum(share * outcome.loss for share, outcome in pairs),
        theta=mean([outcome.theta for outcome in outcomes]),
        phi=mean(phis) if phis else None,
        adapted={key: torch.cat([one[key] for one in adapted]) for key in adapted[0]},
        logs={
            name: sum(share * outcome.logs[name] for share, outcome in pairs)
            for name in outcomes[0].logs
        },
    )


def _leaves(params: Params) -> Params:
    return {key: value.detach().requires_grad_() for key, value in params.items()}


def _mean(values: Tensor) -> float:
    return float(values.detach().mean())
