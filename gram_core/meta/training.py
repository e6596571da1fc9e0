"""Meta-training: theta (where a prompt starts) and phi (the regulator) learned over many tasks.

`trajectory` teaches what adaptation will do later on: tasks walk, several steps at a time, the way
of the downstream optimizer; after each segment the query loss is differentiated, theta and phi
move, and a task that has lived long enough makes room for a new one. `paper` is Algorithm 1 of
"Gradient-Regulated Meta-Prompt Learning": new tasks each time, one step of Eq. 7 or a few, exact
gradients of Eq. 8 to 10. `pretraining` is its ablation: no task is adapted to, and theta follows
the loss of the tasks' images.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from gram_core.errors import GramError
from gram_core.events import Event
from gram_core.gradients import initial_regulator
from gram_core.memory import SECOND_ORDER, parts
from gram_core.meta.config import MetaConfig
from gram_core.meta.gradient import MetaGradient, Strategy, meta_gradient
from gram_core.meta.initialisation import Initialisation
from gram_core.meta.learner import Learner
from gram_core.meta.probe import probe_of
from gram_core.meta.tasks import (
    Task,
    TaskConfig,
    TaskSampler,
    all_examples,
    minibatches,
    query_examples,
    support_examples,
)
from gram_core.prompts import ImageBank, Method, Params

if TYPE_CHECKING:
    from gram_core.backbones import Backbone
    from gram_core.hierarchy import Hierarchy
    from gram_core.runs import Run

#: What the outer rates have fallen to at the end, as a part of their start.
FINAL_RATE = 0.05
ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")


@dataclass
class Slot:
    """A task that is being walked, how many inner steps it has taken, and how many it may take."""

    task: Task
    taken: int
    lifetime: int


def meta_train(
    method: Method,
    backbone: Backbone,
    hierarchy: Hierarchy,
    images: ImageBank,
    config: MetaConfig,
    run: Run | None = None,
) -> Iterator[Event]:
    """Meta-training as events; the last one's result is an `Initialisation`.

    `images` is the bank of the hierarchy's corpus, row = pair id. With a `run`, checkpoints and the
    result go into it; if it has a checkpoint, training goes on from there, forgets the metrics
    logged later, and arrives at the numbers that it would have had without the break.

    Metric events hold loss_seen, accuracy_seen, loss_unseen, accuracy_unseen (query after
    adaptation, accuracies 0 to 1), query_loss (what is minimised), gradient_norm, step_ratio,
    theta_rate, phi_rate, theta_moved, and every `probe_every` steps what `Probe.measure` gives;
    that of step 0 holds the probe alone. Where nothing is adapted (`pretraining`) there is no
    gradient_norm and no step_ratio.

    Raises GramError for a hierarchy that is too small for the tasks or not what the settings need,
    for a method that does not fit them, and for a checkpoint of other settings.
    """
    training = Training(method, backbone, hierarchy, images, config)
    probed = TaskSampler(hierarchy, training.probe_config(), (config.seed, 1))
    if run is not None and (found := run.latest_checkpoint()) is not None:
        training.restore(*found)
        run.rewind(training.step)
    probe = probe_of(training.learner, probed, config.probe_tasks, config.probe_steps, config.batch)
    if training.step == 0:
        values = probe.measure(training.theta, training.phi)
        training.last = dict(values)
        yield Event("metric", 0, config.steps, "Before meta-training", values)
    while training.step < config.steps:
        values = training.advance()
        last = training.step == config.steps
        if last or training.step % config.probe_every == 0:
            values |= probe.measure(training.theta, training.phi)
        training.last |= values
        yield Event("metric", training.step, config.steps, "Meta-training", values)
        if run is not None and (last or training.step % config.checkpoint_every == 0):
            run.save_checkpoint(training.step, *training.checkpoint())
            yield Event("checkpoint", training.step, config.steps, "Checkpoint")
    result = training.result(hierarchy)
    if run is not None:
        result.save(run.folder)
    yield Event("result", config.steps, config.steps, "Meta-trained", result=result)


class Training:
    """All that changes during meta-training: theta, phi, the optimizer, the tasks being walked.

    offset (B, ...) is how far the task of each slot has moved from theta; `last` are the newest
    values of all metrics.
    """

    def __init__(
        self,
        method: Method,
        backbone: Backbone,
        hierarchy: Hierarchy,
        images: ImageBank,
        config: MetaConfig,
    ) -> None:
        config.check_method(method)
        config.check_hierarchy(hierarchy)
        self.config = config
        self.sampler = TaskSampler(hierarchy, config.trained_tasks(), config.seed)
        self.sampler.check(len(images))
        self.initial = method.initial(backbone, config.seed)
        rates = {"text": config.inner_rate, "visual": config.visual_inner_rate}
        constants = method.constants(backbone, self.sampler.names, images)
        self.learner = Learner(method, constants, rates, config.form)
        self.step = 0
        self.theta: Params = {key: value.clone() for key, value in self.initial.items()}
        self.phi: Params | None = None
        if config.rule == "gram":
            self.phi = initial_regulator(
                self.theta, config.form, config.per_layer, config.rank, config.seed
            )
        self.strategy = self._strategy()
        self.slots: list[Slot] = []
        self.offset: Params = {}
        self.last: dict[str, float] = {}
        self.optimizer = torch.optim.Adam(
            [
                {"params": list(params.values()), "base": rate}
                for params, rate in ((self.theta, config.theta_rate), (self.phi, config.phi_rate))
                if params is not None
            ],
            betas=(0.9, 0.99),
        )

    def _strategy(self) -> Strategy:
        """Exact unless first order is wanted, and through a graph where one inner step fits it."""
        config, learner = self.config, self.learner
        if config.first_order or config.preset == "pretraining":  # which has no inner step
            return "first_order"
        if config.inner_steps > 1 or learner.method.visual.reads_pixels:
            return "replay"
        images = config.task.ways * config.task.shots
        task, image = learner.method.memory(learner.constants, config.task.ways)
        _, images_at_once = parts(1, images, SECOND_ORDER * task, SECOND_ORDER * image)
        return "create_graph" if images_at_once == images else "replay"

    def probe_config(self) -> TaskConfig:
        """Tasks to look at: with unseen classes as far as there are topics for them."""
        task = self.config.task
        unseen = min(task.unseen_ways, len(self.sampler.topics) - task.fewest_ways)
        return replace(task, unseen_ways=unseen if unseen > 1 else 0)

    def advance(self) -> dict[str, float]:
        """One meta step; its metrics."""
        config = self.config
        self.step += 1
        wave = 0.5 * (1 + math.cos(math.pi * self.step / config.steps))
        rate = FINAL_RATE + (1 - FINAL_RATE) * wave
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["base"]
        outcome = self._outcome()
        for learned, params, gradients in (
            (config.learn_theta, self.theta, outcome.theta),
            (config.learn_phi, self.phi, outcome.phi),
        ):
            if learned and params is not None and gradients is not None:
                for key, value in params.items():
                    value.grad = gradients[key]
        self.optimizer.step()
        if not all(bool(torch.isfinite(value).all()) for _, value in self._learned()):
            raise GramError(
                f"Meta-training left the numbers at step {self.step}; lower inner_rate "
                f"({config.inner_rate}, visual {config.visual_inner_rate}), theta_rate or phi_rate."
            )
        moved = [(self.theta[key] - value).square().sum() for key, value in self.initial.items()]
        return {
            "query_loss": outcome.loss,
            **outcome.logs,
            "theta_rate": rate * config.theta_rate,
            "phi_rate": rate * config.phi_rate,
            "theta_moved": float(torch.stack(moved).sum().sqrt()),
        }

    def _outcome(self) -> MetaGradient:
        if self.config.preset == "trajectory":
            return self._trajectory()
        tasks = [self.sampler.sample() for _ in range(self.config.tasks)]
        device = self.learner.device
        if self.config.preset == "pretraining":
            supports, query = [], all_examples(tasks, device)
        else:
            supports = [support_examples(tasks, device)] * self.config.inner_steps
            query = query_examples(tasks, unseen=False, device=device)
        return meta_gradient(
            self.learner, self.theta, self.phi, supports, query, strategy=self.strategy
        )

    def _trajectory(self) -> MetaGradient:
        config, learner = self.config, self.learner
        self._renew_slots()
        tasks = [self.sampler.renew_query(slot.task) for slot in self.slots]
        sampled = self.sampler.config
        queries = sampled.queries * (sampled.ways + sampled.unseen_ways)
        outcome = meta_gradient(
            learner,
            self.theta,
            self.phi,
            minibatches(
                tasks,
                config.segment,
                config.batch,
                self.sampler.generator,
                learner.device,
                learner.draws(config.tasks, max(config.batch, queries)),
            ),
            query_examples(tasks, unseen=False, device=learner.device),
            query_examples(tasks, unseen=True, device=learner.device)
            if sampled.unseen_ways
            else None,
            strategy=self.strategy,
            offset=self.offset,
            unseen_weight=config.unseen_weight,
            temperature=config.temperature,
        )
        self.offset = {key: outcome.adapted[key] - value for key, value in self.theta.items()}
        for slot in self.slots:
            slot.taken += config.segment
        return outcome

    def _renew_slots(self) -> None:
        """New tasks where there are none or where a life is over; they begin at theta."""
        if not self.slots:
            count = self.config.tasks
            start = self.learner.start(self.theta, count, self.config.task.ways)
            self.offset = {key: torch.zeros_like(value) for key, value in start.items()}
            self.slots = [self._new_slot() for _ in range(count)]
        for row, slot in enumerate(self.slots):
            if slot.taken >= slot.lifetime:
                self.slots[row] = self._new_slot()
                for value in self.offset.values():
                    value[row] = 0

    def _new_slot(self) -> Slot:
        # A life of random length shows the regulator early and late stretches of the way alike.
        lifetime = int(self.sampler.generator.integers(1, self.config.horizon + 1))
        return Slot(self.sampler.sample(), 0, lifetime)

    def _learned(self) -> Iterator[tuple[str, Tensor]]:
        for part, params in (("theta", self.theta), ("phi", self.phi or {})):
            for key, value in params.items():
                yield f"{part}.{key}", value

    def checkpoint(self) -> tuple[Params, dict[str, Any]]:
        """Tensors and JSON from which `restore` goes on to the same numbers."""
        tensors = dict(self._learned())
        tensors |= {f"offset.{key}": value for key, value in self.offset.items()}
        for name, value in self._learned():
            for moment in ADAM_STATE if value in self.optimizer.state else ():
                tensors[f"adam.{moment}.{name}"] = self.optimizer.state[value][moment]
        state = {
            "config": asdict(self.config),
            "sampler": self.sampler.state(),
            "slots": [vars(slot) | {"task": slot.task.to_json()} for slot in self.slots],
            "last": self.last,
        }
        return tensors, state

    def restore(self, step: int, tensors: Params, state: dict[str, Any]) -> None:
        """Go on from a checkpoint. Raises GramError if it was made with other settings."""
        self._check_settings(state["config"])
        self.step = step
        self.last = dict(state["last"])
        self.sampler.restore(state["sampler"])
        self.slots = [
            Slot(Task.from_json(slot["task"]), slot["taken"], slot["lifetime"])
            for slot in state["slots"]
        ]
        device = self.learner.device
        for name, value in self._learned():
            value.copy_(tensors[name])
            if f"adam.step.{name}" in tensors:
                # Adam counts its steps on the CPU, whatever device the moments are on.
                self.optimizer.state[value] = {
                    moment: tensors[f"adam.{moment}.{name}"].to(
                        "cpu" if moment == "step" else device
                    )
                    for moment in ADAM_STATE
                }
        self.offset = {
            key: tensors[f"offset.{key}"].to(device)
            for key in self.theta
            if f"offset.{key}" in tensors
        }

    def _check_settings(self, former: dict[str, Any]) -> None:
        # A setting that is newer than the checkpoint had its default there.
        former, now = (asdict(each) for each in (MetaConfig.from_dict(former), self.config))
        changed = [name for name, value in now.items() if former[name] != value]
        if changed:
            raise GramError(
                f"The checkpoint was made with another {', '.join(changed)}; resume with the run's "
                "own settings, or start a new run."
            )

    def result(self, hierarchy: Hierarchy) -> Initialisation:
        """theta and phi as they are now, with what they come from."""
        method, backbone = self.learner.method, self.learner.constants.backbone
        report = self.sampler.report()
        about = {
            "backbone": {"name": backbone.name, "fingerprint": backbone.fingerprint},
            "hierarchy": hierarchy.id,
            "words": self.sampler.names,
            "tasks": {name: report[name] for name in ("topics", "domains", "pairs")},
            "config": json.loads(json.dumps(asdict(self.config))),
            "metrics": self.last,
        }
        return Initialisation(
            theta={key: value.detach().clone() for key, value in self.theta.items()},
            phi=None if self.phi is None else {k: v.detach().clone() for k, v in self.phi.items()},
            method_name=method.name,
            method_options=dict(method.options),
            form=self.config.form,
            about=about,
        )
