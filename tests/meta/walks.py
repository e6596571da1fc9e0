"""Adaptations to differentiate, and the loss that each ends with by the shortest way."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from gram_core.backbones import Backbone
from gram_core.gradients import initial_regulator
from gram_core.meta import TaskConfig
from gram_core.meta.gradient import MetaGradient, Strategy, meta_gradient
from gram_core.meta.learner import Learner, query_loss, task_gradient
from gram_core.meta.tasks import Examples, Task, query_examples, support_examples
from gram_core.prompts import Params

CONFIG = TaskConfig(ways=3, unseen_ways=2, shots=2, queries=2)


@dataclass(frozen=True)
class Walk:
    """What `meta_gradient` takes."""

    learner: Learner
    theta: Params
    phi: Params | None
    supports: Sequence[Examples]
    seen: Examples
    unseen: Examples | None = None
    offset: Params | None = None
    unseen_weight: float = 1.0
    temperature: bool = False

    def gradient(self, strategy: Strategy) -> MetaGradient:
        """What it gives."""
        return meta_gradient(**vars(self), strategy=strategy)

    def loss(self, **changes: Any) -> float:
        """The query loss that this adaptation, or one with some changes, ends with."""
        walk = replace(self, **changes)
        assert walk.seen.batch.classes is not None
        params = walk.learner.start(walk.theta, *walk.seen.batch.classes.shape)
        params = {key: value + (walk.offset or {}).get(key, 0) for key, value in params.items()}
        for support in walk.supports:
            raw, _, _ = task_gradient(walk.learner, params, support)
            params = walk.learner.step(params, walk.learner.regulate(walk.phi, raw))
        losses, _ = query_loss(walk.learner, params, walk.seen, walk.temperature)
        if walk.unseen is not None:
            unseen, _ = query_loss(walk.learner, params, walk.unseen, walk.temperature)
            losses = losses + walk.unseen_weight * unseen
        return float(losses.mean())


def curved(backbone: Backbone) -> Backbone:
    """The backbone with a logit scale at which losses are curved."""
    other = copy(backbone)
    other.logit_scale = 5.0
    return other


def point_of(learner: Learner) -> tuple[Params, Params]:
    """theta at its start, and a regulator that is not the identity."""
    theta = learner.method.initial(learner.constants.backbone, seed=0)
    phi = initial_regulator(theta, learner.form)
    generator = torch.Generator().manual_seed(0)
    return theta, {
        key: value + 0.1 * noise(value, generator) / max(1, value.shape[-1:].numel()) ** 0.5
        for key, value in phi.items()
    }


def walk_of(learner: Learner, tasks: list[Task], steps: int = 1, **changes: Any) -> Walk:
    """Steps on the whole support, held against the support's classes."""
    supports = [support_examples(tasks, learner.device)] * steps
    seen = query_examples(tasks, unseen=False, device=learner.device)
    return replace(Walk(learner, *point_of(learner), supports, seen), **changes)


def unseen_of(learner: Learner, tasks: list[Task]) -> Examples:
    """The query of unseen classes."""
    return query_examples(tasks, unseen=True, device=learner.device)


def noise(like: Tensor, generator: torch.Generator) -> Tensor:
    """The same numbers on every device."""
    return torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like)


def noises(like: Params, seed: int = 1) -> Params:
    """A direction in the space of these parameters."""
    generator = torch.Generator().manual_seed(seed)
    return {key: noise(value, generator) for key, value in like.items()}


def slopes_are(walk: Walk, **gradients: Params) -> None:
    """The gradient by each of `theta` and `phi` is the slope of the loss in some direction."""
    for name, gradient in gradients.items():
        point = getattr(walk, name)
        direction = noises(point)
        step = 2e-7  # prompts are small, and layer normalisation bends strongly there
        ahead, behind = (
            walk.loss(**{name: {key: value + by * direction[key] for key, value in point.items()}})
            for by in (step, -step)
        )
        along = float(sum((gradient[key] * direction[key]).sum() for key in gradient))
        assert along == pytest.approx((ahead - behind) / (2 * step), rel=1e-5, abs=1e-8)


def close(first: MetaGradient, second: MetaGradient) -> None:
    """Both are the same to 1e-12."""
    assert first.loss == pytest.approx(second.loss, rel=1e-12)
    assert first.logs == pytest.approx(second.logs, rel=1e-12)
    for name in ("theta", "phi", "adapted"):
        mine, other = (getattr(each, name) or {} for each in (first, second))
        assert mine.keys() == other.keys()
        for key, value in other.items():
            gap = float((mine[key] - value).abs().max())
            assert gap <= 1e-12 * float(value.abs().max()) + 1e-15, (name, key)


def apart(first: Params, second: Params) -> float:
    """The norm of the difference over that of the second."""
    total = sum(float(value.square().sum()) for value in second.values())
    gap = sum(float((first[key] - value).square().sum()) for key, value in second.items())
    return float((gap / total) ** 0.5)
