"""Rules: what becomes of the gradients of the losses that a rule asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from gram_core.errors import GramError
from gram_core.gradients.regulation import FORMS, regulate
from gram_core.prompts import Params


class Rule(Protocol):
    """Turns the gradients of its `losses` into a step, each run's `(R, ...)` by itself."""

    @property
    def name(self) -> str:
        """The name that `build_rule` knows."""
        ...

    @property
    def losses(self) -> tuple[str, ...]:
        """The losses, by their names in `LOSSES`, whose gradients are needed; one is `task`."""
        ...

    def __call__(self, gradients: dict[str, Params]) -> Params:
        """The step, from the gradients of each loss."""
        ...


@dataclass(frozen=True)
class Raw:
    """The gradient of the task loss as it is."""

    name: ClassVar[str] = "raw"
    losses: ClassVar[tuple[str, ...]] = ("task",)

    def __call__(self, gradients: dict[str, Params]) -> Params:
        """The task gradient."""
        return gradients["task"]


@dataclass(frozen=True, eq=False)
class Regulated:
    """The gradient of the task loss through the regulator φ (GRAM, Eq. 7)."""

    phi: Params
    form: str = "blend"

    name: ClassVar[str] = "gram"
    losses: ClassVar[tuple[str, ...]] = ("task",)

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise GramError(
                f"There is no regulator form {self.form!r}; choose one of {', '.join(FORMS)}."
            )

    def __call__(self, gradients: dict[str, Params]) -> Params:
        """R_φ of the task gradient."""
        return regulate(self.phi, gradients["task"], self.form)


def build_rule(name: str, phi: Params | None = None, form: str = "blend") -> Rule:
    """The rule of this name: `raw`, or `gram` with a meta-trained φ.

    Raises GramError for an unknown rule, and for `gram` without φ.
    """
    if name == "raw":
        return Raw()
    if name != "gram":
        raise GramError(f"There is no gradient rule {name!r}; choose raw or gram.")
    if not phi:
        raise GramError(
            "The rule gram needs a meta-trained regulator; give an initialisation, or choose raw."
        )
    return Regulated(phi, form)
