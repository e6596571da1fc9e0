"""What meta-training has changed, seen on tasks that stay the same.

Meta-training that follows Eq. 10 raises, to first order, the inner product of the regulated support
gradient with the query gradient (Eq. 12). At the initialisation itself it need not rise visibly:
what a regulator learns is also where to lead the prompt. The probe therefore looks along the path
as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gram_core.gradients import norm
from gram_core.meta.alignment import cosine
from gram_core.meta.learner import Learner, query_loss, task_gradient
from gram_core.meta.tasks import Examples, TaskSampler, minibatches, query_examples
from gram_core.prompts import Params

Values = dict[str, float]


@dataclass(frozen=True)
class Probe:
    """Tasks and minibatches that are looked at again and again while theta and phi change.

    `minibatches` are those of one adaptation; `every` is the number of its steps between two looks
    at the query gradients.
    """

    learner: Learner
    minibatches: tuple[Examples, ...]
    seen: Examples
    unseen: Examples | None
    every: int = 3

    def measure(self, theta: Params, phi: Params | None) -> Values:
        """Means over the probe's tasks.

        `cosine_raw_start` and `cosine_regulated_start`: cosine of the raw and of the regulated
        support gradient with the query gradient at theta; `..._path`: its mean along the
        adaptation; `..._unseen`: with the query gradient of the unseen classes. `loss_seen_before`
        and `_after`, `accuracy_seen_before` and `_after` (0 to 1), the same with `unseen`: the
        query before and after the adaptation. `step_ratio_path`: norm of the regulated over that of
        the raw gradient.
        """
        queries = (
            {"": self.seen} if self.unseen is None else {"": self.seen, "_unseen": self.unseen}
        )
        classes = self.seen.batch.classes
        assert classes is not None  # every task has classes of its own
        params = self.learner.start(theta, *classes.shape)
        values = self._query(params, "before")
        path: dict[str, list[float]] = {}
        for step, minibatch in enumerate(self.minibatches):
            raw, _, _ = task_gradient(self.learner, params, minibatch)
            with torch.no_grad():
                regulated = self.learner.regulate(phi, raw)
            if step % self.every == 0:
                for query, examples in queries.items():
                    wanted, _, _ = task_gradient(self.learner, params, examples)
                    for name, gradient in (("raw", raw), ("regulated", regulated)):
                        aligned = _mean(cosine(gradient, wanted))
                        path.setdefault(f"cosine_{name}_path{query}", []).append(aligned)
            ratio = _mean(norm(regulated) / norm(raw).clamp(min=1e-30))
            path.setdefault("step_ratio_path", []).append(ratio)
            params = self.learner.step(params, regulated)
        for name, along in path.items():
            values[name] = float(np.mean(along))
            if name.startswith("cosine"):
                values[name.replace("_path", "_start")] = along[0]
        return values | self._query(params, "after")

    def _query(self, params: Params, when: str) -> Values:
        values = {}
        for name, query in (("seen", self.seen), ("unseen", self.unseen)):
            if query is not None:
                with torch.no_grad():
                    loss, accuracy = query_loss(self.learner, params, query, temperature=False)
                values[f"loss_{name}_{when}"] = _mean(loss)
                values[f"accuracy_{name}_{when}"] = _mean(accuracy)
        return values


def probe_of(learner: Learner, sampler: TaskSampler, tasks: int, steps: int, batch: int) -> Probe:
    """A probe of `tasks` tasks of a sampler, adapted on `steps` minibatches of `batch` images."""
    drawn, device = [sampler.sample() for _ in range(tasks)], learner.device
    groups = learner.draws(tasks, max(batch, sampler.config.ways * sampler.config.queries))
    return Probe(
        learner,
        tuple(minibatches(drawn, steps, batch, sampler.generator, device, groups)),
        query_examples(drawn, unseen=False, device=device),
        query_examples(drawn, unseen=True, device=device) if len(drawn[0].unseen) else None,
    )


def _mean(values: Tensor) -> float:
    return float(values.mean())
