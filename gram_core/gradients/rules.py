"""Rules: what becomes of the gradients of the losses that a rule asks for."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from gram_core.errors import GramError
from gram_core.gradients.losses import GeneralLoss, Loss, TaskLoss
from gram_core.gradients.regulation import check_form, regulate
from gram_core.prompts import Params
from gram_core.prompts.registry import TEMPLATE
from gram_core.settings import check_kinds

TASK, GENERAL = TaskLoss.name, GeneralLoss.name


class Rule(Protocol):
    """Turns the gradients of its `losses` into a step, each run's `(R, ...)` by itself."""

    @property
    def name(self) -> str:
        """The name that `build_rule` knows."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """The options, as JSON, with which `build_rule` makes it again (φ is no option)."""
        ...

    @property
    def losses(self) -> tuple[Loss, ...]:
        """The losses whose gradients are needed; one is the task's."""
        ...

    def __call__(self, gradients: dict[str, Params]) -> Params:
        """The step, from the gradients of each loss by its name."""
        ...


class _Fields:
    """Options that are the fields of a rule."""

    @property
    def options(self) -> dict[str, Any]:
        """The options with which `build_rule` makes this rule again."""
        names = [field.name for field in fields(self) if field.name != "phi"]  # type: ignore[arg-type]
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Raw(_Fields):
    """The gradient of the task loss as it is."""

    name: ClassVar[str] = "raw"
    losses: ClassVar[tuple[Loss, ...]] = (TaskLoss(),)

    def __call__(self, gradients: dict[str, Params]) -> Params:
        """The task gradient."""
        return gradients[TASK]


@dataclass(frozen=True)
class Aligned(_Fields):
    """The task gradient without what goes against zero-shot CLIP's knowledge (ProGrad).

    Where ⟨g, k⟩ < 0 for the task gradient g and the general gradient k, the step is
    g − λ ⟨g, k⟩ / |k|² k, elsewhere g; each parameter of each run by itself. λ is `weight`: 1, and
    0.8 for 8 and 16 shots of Flowers, DTD and EuroSAT (Zhu et al., 2023). `temperature` and
    `template` are those of the `GeneralLoss`.

    A general gradient shorter than √ε of the task's, ε the precision of its numbers, counts as
    zero: where a prompt starts at the teacher's own words it is zero but for rounding, and the
    direction of rounding errors would take a part of the task gradient away.
    """

    weight: float = 1.0
    temperature: float = 1.0
    template: str | Sequence[str] = TEMPLATE

    name: ClassVar[str] = "prograd"

    def __post_init__(self) -> None:
        check_kinds(self)
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise GramError(
                f"weight is {self.weight!r}; it has to be a number from 0, and 1 takes away all "
                "that goes against the general gradient."
            )
        if not isinstance(self.template, str):
            object.__setattr__(self, "template", tuple(self.template))
        GeneralLoss(self.template, self.temperature)  # refuses what is out of range

    @property
    def losses(self) -> tuple[Loss, ...]:
        """The task's and the general loss."""
        return TaskLoss(), GeneralLoss(self.template, self.temperature)

    def __call__(self, gradients: dict[str, Params]) -> Params:
        """The task gradient, without its conflict with the general one."""
        general = gradients[GENERAL]
        return {key: self._aligned(task, general[key]) for key, task in gradients[TASK].items()}

    def _aligned(self, task: Tensor, general: Tensor) -> Tensor:
        length, of_task = (
            torch.linalg.vector_norm(each.flatten(1), dim=1) for each in (general, task)
        )
        noise = length <= torch.finfo(length.dtype).eps ** 0.5 * of_task
        unit = general / _over(torch.where(noise, math.inf, length), general)
        conflict = (task * unit).flatten(1).sum(1).clamp(max=0)
        return task - self.weight * _over(conflict, unit) * unit


@dataclass(frozen=True, eq=False)
class Regulated(_Fields):
    """The gradient of the task loss through the regulator φ (GRAM, Eq. 7)."""

    phi: Params
    form: str = "blend"

    name: ClassVar[str] = "gram"
    losses: ClassVar[tuple[Loss, ...]] = (TaskLoss(),)

    def __post_init__(self) -> None:
        check_form(self.form)

    def __call__(self, gradients: dict[str, Params]) -> Params:
        """R_φ of the task gradient."""
        return regulate(self.phi, gradients[TASK], self.form)


@dataclass(frozen=True)
class Clip(_Fields):
    """The task gradient, each run's shortened to the norm `norm` where it is longer.

    The norm is that of all parameters of a run together, so that the direction stays.
    """

    norm: float = 1.0

    name: ClassVar[str] = "clip"
    losses: ClassVar[tuple[Loss, ...]] = (TaskLoss(),)

    def __post_init__(self) -> None:
        check_kinds(self)
        if not (math.isfinite(self.norm) and self.norm > 0):
            raise GramError(f"norm is {self.norm!r}; it has to be a number above 0.")

    def __call__(self, gradients: dict[str, Params]) -> Params:
        """The task gradient, at most `norm` long."""
        task = gradients[TASK]
        length = norm(task)
        share = torch.where(length > self.norm, self.norm / length, 1.0)
        return {key: _over(share, value) * value for key, value in task.items()}


@dataclass(frozen=True, eq=False)
class Chain:
    """Rules one after another: each takes the step of the one before as its task gradient."""

    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        names = self.name.split("+") if self.rules else []
        if not names or len(set(names)) < len(names):
            raise GramError(
                f"A chain of {', '.join(names) or 'no rules'} cannot be; join one or more rules, "
                "each once."
            )

    @property
    def name(self) -> str:
        """The names of the rules, joined by +."""
        return "+".join(rule.name for rule in self.rules)

    @property
    def options(self) -> dict[str, Any]:
        """The options of all its rules."""
        return {name: value for rule in self.rules for name, value in rule.options.items()}

    @property
    def losses(self) -> tuple[Loss, ...]:
        """The losses of all its rules, each once."""
        return tuple({loss.name: loss for rule in self.rules for loss in rule.losses}.values())

    def __call__(self, gradients: dict[str, Params]) -> Params:
        """The step of the last rule."""
        for rule in self.rules:
            gradients = {**gradients, TASK: rule(gradients)}
        return gradients[TASK]


RULES: dict[str, Callable[..., Rule]] = {
    "raw": Raw,
    "prograd": Aligned,
    "gram": Regulated,
    "clip": Clip,
}


def build_rule(name: str, phi: Params | None = None, form: str = "blend", **options: Any) -> Rule:
    """The rule of this name, one of `RULES` or several joined by + in their order.

    `phi` and its `form` are for `gram`, and no matter to other rules; options go to the rule that
    has them. Raises GramError for an unknown rule or option, a value out of range, and for `gram`
    without φ.
    """
    parts = [part.strip() for part in name.split("+")]
    for part in parts:
        if part not in RULES:
            raise GramError(
                f"There is no gradient rule {part!r}; choose one of {', '.join(RULES)}, or several "
                "joined by +, as in prograd+gram."
            )
    known = {part: list(inspect.signature(RULES[part]).parameters) for part in parts}
    named = [option for each in known.values() for option in each if option != "phi"]
    for option in options:
        if option not in named:
            raise GramError(
                f"The rule {name} has no option {option!r}; it has {', '.join(named) or 'none'}."
            )
    if "gram" in parts and not phi:
        raise GramError(
            f"The rule {name} needs a meta-trained regulator; give an initialisation, or leave out "
            "gram."
        )
    given = {"phi": phi, "form": form, **options}
    rules = [
        RULES[part](**{option: given[option] for option in known[part] if option in given})
        for part in parts
    ]
    return rules[0] if len(rules) == 1 else Chain(tuple(rules))


def norm(gradient: Params) -> Tensor:
    """The norm `(R,)` of each run's gradient, its parameters `(R, ...)` taken together."""
    return torch.cat([value.flatten(1) for value in gradient.values()], dim=1).norm(dim=1)


def _over(each: Tensor, like: Tensor) -> Tensor:
    """One number a run, `(R,)`, with as many axes as `like` `(R, ...)`."""
    return each.view(-1, *[1] * (like.ndim - 1))
