"""How to meta-train, with defaults that two CPU cores can afford."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from gram_core.errors import GramError
from gram_core.gradients import FORMS
from gram_core.meta.tasks import TaskConfig
from gram_core.prompts import Method
from gram_core.settings import check_kinds

Preset = Literal["trajectory", "paper"]


@dataclass(frozen=True)
class MetaConfig:
    """How to meta-train. `for_method` gives defaults that fit a method.

    preset: `trajectory` (segments of several inner steps on minibatches, first order) or `paper`
    (one inner step on the whole support, exact second order, query of the support's classes, plain
    loss). steps: meta steps, of `tasks` tasks each. rule: `gram` learns a regulator of the given
    form, `raw` only an initialisation. inner_rate, visual_inner_rate: alpha of Eq. 7 per tower,
    those of the adaptation to come. theta_rate, phi_rate: of the outer Adam, falling as half a
    cosine. learn_theta, learn_phi: what is learned and what stays as it is (ablations).

    Of the trajectory alone: segment, inner steps per meta step; horizon, the most inner steps that
    a task is followed for; batch, images per inner step; unseen_weight, of the loss on classes
    outside the support; temperature, whether the query loss is taken at each task's best
    temperature.

    probe_every, checkpoint_every: in meta steps. The probe adapts `probe_tasks` tasks for
    `probe_steps` steps.
    """

    preset: Preset = "trajectory"
    steps: int = 150
    tasks: int = 8
    segment: int = 15
    horizon: int = 150
    inner_rate: float = 0.1
    visual_inner_rate: float = 0.1
    batch: int = 32
    theta_rate: float = 3e-4
    phi_rate: float = 3e-3
    unseen_weight: float = 1.0
    temperature: bool = True
    learn_theta: bool = True
    learn_phi: bool = True
    rule: Literal["gram", "raw"] = "gram"
    form: str = "blend"
    seed: int = 0
    probe_every: int = 10
    probe_tasks: int = 8
    probe_steps: int = 15
    checkpoint_every: int = 25
    task: TaskConfig = field(default_factory=TaskConfig)

    def __post_init__(self) -> None:
        check_kinds(self)
        if self.form not in FORMS:
            raise GramError(f"form is {self.form!r}; give {' or '.join(FORMS)}.")
        for name in _COUNTS:
            value = getattr(self, name)
            if value < 1:
                raise GramError(f"{name} is {value!r}; give a whole number from 1.")
        for name in ("inner_rate", "visual_inner_rate", "theta_rate", "phi_rate"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise GramError(f"{name} is {value!r}; give a number above 0.")
        if not (math.isfinite(self.unseen_weight) and self.unseen_weight >= 0):
            raise GramError(f"unseen_weight is {self.unseen_weight!r}; give a number from 0.")
        if self.seed < 0:
            raise GramError(f"seed is {self.seed}; give a whole number from 0.")

    @classmethod
    def for_method(
        cls, method: Method, preset: Preset = "trajectory", **overrides: Any
    ) -> MetaConfig:
        """Defaults for a method and a preset; `overrides` are fields of this or of `TaskConfig`.

        Text prompts leave image features constant, and tasks are cheap. With visual tokens every
        image passes through the image tower at every step: fewer and smaller tasks.

        Raises GramError for an override that is no field.
        """
        chosen: dict[str, Any] = {"preset": preset}
        if preset == "paper":
            chosen |= {"steps": 300, "form": "paper"}
        if method.visual.images_at_once is not None:
            chosen |= _VISUAL | (_VISUAL_PAPER if preset == "paper" else {})
        own, of_task = _names(cls), _names(TaskConfig)
        if unknown := sorted(overrides.keys() - own - of_task):
            raise GramError(
                f"Meta-training has no setting {unknown[0]!r}; it has "
                f"{', '.join(sorted((own | of_task) - {'task'}))}."
            )
        if "task" not in overrides:
            overrides = {"task": TaskConfig(**_only(of_task, chosen))} | overrides
        values = _only(own, chosen) | _only(own, overrides)
        return cls(**{**values, "task": replace(values["task"], **_only(of_task, overrides))})

    def trained_tasks(self) -> TaskConfig:
        """The tasks of meta-training: without unseen classes where the loss does not see them."""
        if self.preset == "paper" or self.unseen_weight == 0:
            return replace(self.task, unseen_ways=0)
        return self.task

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MetaConfig:
        """The configuration that `dataclasses.asdict` wrote, also after a way through JSON."""
        return cls(**{**values, "task": TaskConfig(**values.get("task", {}))})


_COUNTS = (
    "steps",
    "tasks",
    "segment",
    "horizon",
    "batch",
    "probe_every",
    "probe_tasks",
    "probe_steps",
    "checkpoint_every",
)
_VISUAL: dict[str, Any] = {
    "steps": 100,
    "tasks": 4,
    "segment": 5,
    "horizon": 50,
    "batch": 16,
    "ways": 5,
    "unseen_ways": 5,
    "queries": 4,
    "probe_every": 20,
    "probe_tasks": 4,
    "probe_steps": 6,
}
#: One step on the whole support: fewer shots keep it as small as a few minibatches.
_VISUAL_PAPER: dict[str, Any] = {"steps": 200, "shots": 4}


def _names(kind: type) -> set[str]:
    return {each.name for each in fields(kind)}


def _only(names: set[str], values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}
