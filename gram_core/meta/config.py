"""How to meta-train, with defaults that two CPU cores can afford."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from gram_core.errors import GramError
from gram_core.gradients import FORMS
from gram_core.meta.ablations import ABLATIONS, check_ablations
from gram_core.meta.tasks import TaskConfig
from gram_core.prompts import PROMPTED, ConditionalContext, FixedText, Method
from gram_core.settings import check_kinds

if TYPE_CHECKING:
    from gram_core.hierarchy import Hierarchy

Preset = Literal["trajectory", "paper", "pretraining"]


@dataclass(frozen=True)
class MetaConfig:
    """How to meta-train. `for_method` gives defaults that fit a method.

    preset: `trajectory` (segments of several inner steps on minibatches, first order by design),
    `paper` (inner steps on the whole support, exact second order, query of the support's classes,
    plain loss) or `pretraining` (no inner steps: theta follows the loss of the tasks' own images,
    support and query together). steps: meta steps, of `tasks` tasks each. rule: `gram` learns a
    regulator of the given form, `raw` only an initialisation. per_layer, rank: of the regulator,
    as in `initial_regulator`. inner_rate, visual_inner_rate: alpha of Eq. 7 per tower, those of the
    adaptation to come. theta_rate, phi_rate: of the outer Adam, falling as half a cosine.
    learn_theta, learn_phi: what is learned and what stays as it is (ablations). without: the
    `ABLATIONS` that these settings are.

    Of the paper alone: inner_steps, of Eq. 7; first_order, whether support gradients are taken as
    constants. None is as the preset is: False for the paper, True for the trajectory.

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
    inner_steps: int = 1
    first_order: bool | None = None
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
    per_layer: bool = False
    rank: int | None = None
    without: tuple[str, ...] = ()
    seed: int = 0
    probe_every: int = 10
    probe_tasks: int = 8
    probe_steps: int = 15
    checkpoint_every: int = 25
    task: TaskConfig = field(default_factory=TaskConfig)

    def __post_init__(self) -> None:
        if not isinstance(self.without, str):
            object.__setattr__(self, "without", tuple(self.without))
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
        if self.rank is not None and self.rank < 1:
            raise GramError(f"rank is {self.rank}; give a whole number from 1, or None for all.")
        self._check_preset()
        self._check_ablations()

    def _check_preset(self) -> None:
        by_design = self.preset == "trajectory"
        if self.first_order is None:
            object.__setattr__(self, "first_order", by_design)
        elif self.first_order != by_design and self.preset != "paper":
            raise GramError(
                f"first_order is {self.first_order!r}; the preset 'trajectory' is first order by "
                "design, and 'pretraining' takes no inner step. Leave it out, or take the preset "
                "'paper'."
            )
        if self.inner_steps > 1 and self.preset != "paper":
            raise GramError(
                f"inner_steps is {self.inner_steps}, and the preset {self.preset!r} does not count "
                "them; take the preset 'paper', or 'trajectory' with a segment of so many."
            )
        if self.preset == "pretraining" and (self.rule != "raw" or not self.learn_theta):
            raise GramError(
                "The preset 'pretraining' learns theta and no regulator, and rule is "
                f"{self.rule!r}, learn_theta {self.learn_theta!r}; give 'raw' and True."
            )

    def _check_ablations(self) -> None:
        check_ablations(self.without)
        for name in self.without:
            for setting, wanted in ABLATIONS[name].changes.items():
                found = getattr(self if hasattr(self, setting) else self.task, setting)
                if found != wanted:
                    raise GramError(
                        f"Without {name}, {setting} is {wanted!r}, and {found!r} was given; leave "
                        "out the one or the other."
                    )

    @classmethod
    def for_method(
        cls,
        method: Method,
        preset: Preset = "trajectory",
        without: Sequence[str] = (),
        **overrides: Any,
    ) -> MetaConfig:
        """Defaults for a method, a preset and the `ABLATIONS` named by `without`.

        `overrides` are fields of this or of `TaskConfig`. Text prompts leave image features
        constant, and tasks are cheap. Where every image passes through a tower at every step there
        are fewer and smaller tasks. Without meta-learning the preset is `pretraining`. Where each
        class has a context of its own, all tasks have the same number of classes and no others.

        Raises GramError for an override that is no field, for a method without prompt tokens, and
        for settings that contradict each other.
        """
        check_ablations(without)
        changes = {k: v for name in without for k, v in ABLATIONS[name].changes.items()}
        preset = changes.get("preset", preset)
        chosen: dict[str, Any] = {"preset": preset, "without": tuple(without)}
        if preset != "trajectory":
            chosen["steps"] = 300
        if preset == "paper":
            chosen["form"] = "paper"
        if preset == "pretraining":
            chosen["rule"] = "raw"
        if method.visual.reads_pixels or isinstance(method.text, ConditionalContext):
            chosen |= _COSTLY | (_COSTLY_WHOLE if preset != "trajectory" else {})
        chosen |= changes
        own, of_task = _names(cls), _names(TaskConfig)
        if unknown := sorted(overrides.keys() - own - of_task):
            raise GramError(
                f"Meta-training has no setting {unknown[0]!r}; it has "
                f"{', '.join(sorted((own | of_task) - {'task'}))}."
            )
        task = overrides.get("task", TaskConfig(**_only(of_task, chosen)))
        of_task_given = _only(of_task, changes | overrides)
        if method.text.class_specific:
            ways = of_task_given.get("ways", task.ways)
            of_task_given = {"unseen_ways": 0, "fewest_ways": ways} | of_task_given
        config = cls(
            **{
                **_only(own, chosen),
                **_only(own, overrides),
                "task": replace(task, **of_task_given),
            }
        )
        config.check_method(method)
        return config

    def check_method(self, method: Method) -> None:
        """GramError for a method without prompt tokens, and for one whose classes have contexts of
        their own where tasks would meet others."""
        plain = isinstance(method.text, FixedText) and not method.visual.reads_pixels
        if plain or method.cache is not None:
            raise GramError(
                f"{method.name} has nothing to meta-train; take a method with prompt tokens: "
                f"{', '.join(PROMPTED)}."
            )
        if not method.text.class_specific:
            return
        for name, wanted in (("unseen_ways", 0), ("fewest_ways", self.task.ways)):
            if getattr(self.task, name) != wanted:
                raise GramError(
                    f"{name} is {getattr(self.task, name)}, and with class_specific it has to be "
                    f"{wanted}: the k-th context belongs to the k-th class of every task. Leave it "
                    "out, or share the context."
                )

    def check_hierarchy(self, hierarchy: Hierarchy) -> None:
        """GramError where topics had to be annotated classes and are clusters of captions."""
        if "clustering" in self.without and hierarchy.config.get("topics") != "captions":
            raise GramError(
                "Without clustering the topics have to be annotated classes, and those of "
                f"{hierarchy.id!r} are clusters of captions; cluster a corpus whose captions are "
                "class names, with the setting topics=captions."
            )

    def trained_tasks(self) -> TaskConfig:
        """The tasks of meta-training: without unseen classes where the loss does not see them."""
        if self.preset != "trajectory" or self.unseen_weight == 0:
            return replace(self.task, unseen_ways=0)
        return self.task

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> MetaConfig:
        """The configuration that `dataclasses.asdict` wrote, also after a way through JSON."""
        return cls(**{**values, "task": TaskConfig(**values.get("task", {}))})


_COUNTS = (
    "steps",
    "tasks",
    "inner_steps",
    "segment",
    "horizon",
    "batch",
    "probe_every",
    "probe_tasks",
    "probe_steps",
    "checkpoint_every",
)
_COSTLY: dict[str, Any] = {
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
#: A step on the whole support: fewer shots keep it as small as a few minibatches.
_COSTLY_WHOLE: dict[str, Any] = {"steps": 200, "shots": 4}


def _names(kind: type) -> set[str]:
    return {each.name for each in fields(kind)}


def _only(names: set[str], values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}
