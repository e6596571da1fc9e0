"""Optimizers and schedules of the learning rate as values, and the published recipes.

All arithmetic is by element, so runs side by side on the first axis do not touch each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from gram_core.errors import GramError
from gram_core.prompts import Params
from gram_core.settings import check_kinds

ScheduleName = Literal["constant", "cosine", "warmup-cosine", "cosine-steps"]
WARMUP_RATE = 1e-5


@dataclass(frozen=True, eq=False)
class State:
    """What an optimizer knows of the steps before: their number, and its moments by name."""

    steps: int
    moments: dict[str, Params]


class Optimizer(Protocol):
    """Turns gradients into new parameters."""

    def initial(self, params: Params) -> State:
        """The state before the first step."""
        ...

    def step(
        self, params: Params, gradient: Params, state: State, rates: Mapping[str, float]
    ) -> tuple[Params, State]:
        """The parameters one step further, each at its own rate, and the new state.

        A parameter without a gradient stays as it is.
        """
        ...


@dataclass(frozen=True)
class SGD:
    """m ← μ m + g + λ θ, θ ← θ − rate × m, as `torch.optim.SGD` without dampening.

    `nesterov` steps along g + λ θ + μ m instead.
    """

    momentum: float = 0.0
    weight_decay: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        check_kinds(self)
        check_from_zero("momentum", self.momentum, below=1)
        check_from_zero("weight_decay", self.weight_decay)
        if self.nesterov and not self.momentum:
            raise GramError("Nesterov's step looks ahead along the momentum; give one above 0.")

    def initial(self, params: Params) -> State:
        """No momentum."""
        return State(0, {"momentum": _zeros(params)})

    def step(
        self, params: Params, gradient: Params, state: State, rates: Mapping[str, float]
    ) -> tuple[Params, State]:
        """The parameters one step further, and the new state."""
        moved, momenta = {}, {}
        for key, slope in _decayed(gradient, params, self.weight_decay).items():
            momenta[key] = self.momentum * state.moments["momentum"][key] + slope
            change = slope + self.momentum * momenta[key] if self.nesterov else momenta[key]
            moved[key] = params[key] - rates[key] * change
        return params | moved, State(state.steps + 1, {"momentum": momenta})


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma & Ba, 2015), as `torch.optim.Adam`: the decay is a part of the gradient.

    `decoupled`, it shrinks the parameters beside the step instead: AdamW, as `torch.optim.AdamW`.
    """

    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False

    def __post_init__(self) -> None:
        check_kinds(self)
        for beta in self.betas:
            check_from_zero("betas", beta, below=1)
        check_from_zero("epsilon", self.epsilon)
        check_from_zero("weight_decay", self.weight_decay)

    def initial(self, params: Params) -> State:
        """Both moments zero."""
        return State(0, {"first": _zeros(params), "second": _zeros(params)})

    def step(
        self, params: Params, gradient: Params, state: State, rates: Mapping[str, float]
    ) -> tuple[Params, State]:
        """The parameters one step further, and the new state."""
        (beta, gamma), steps = self.betas, state.steps + 1
        moved, first, second = {}, {}, {}
        coupled = 0.0 if self.decoupled else self.weight_decay
        for key, slope in _decayed(gradient, params, coupled).items():
            first[key] = beta * state.moments["first"][key] + (1 - beta) * slope
            second[key] = gamma * state.moments["second"][key] + (1 - gamma) * slope.square()
            mean, square = first[key] / (1 - beta**steps), second[key] / (1 - gamma**steps)
            shrunk = params[key]
            if self.decoupled:
                shrunk = (1 - rates[key] * self.weight_decay) * shrunk
            moved[key] = shrunk - rates[key] * mean / (square.sqrt() + self.epsilon)
        return params | moved, State(steps, {"first": first, "second": second})


def _constant(rate: float, done: float, epochs: int) -> float:
    """The same rate all the time."""
    return rate


def _cosine(rate: float, done: float, epochs: int) -> float:
    """Half a cosine, a step down after every epoch."""
    return _cosine_steps(rate, math.floor(done), epochs)


def _warmup_cosine(rate: float, done: float, epochs: int) -> float:
    """An epoch at 1e-5, then the cosine one epoch late: it ends before it is at zero.

    What the configurations of CoOp and its successors say as "N epochs, cosine, warm-up 1".
    """
    if done < 1:
        return min(WARMUP_RATE, rate)
    return _cosine(rate, done - 1, epochs)


def _cosine_steps(rate: float, done: float, epochs: int) -> float:
    """Half a cosine, down with every step (Tip-Adapter-F)."""
    return rate * 0.5 * (1 + math.cos(math.pi * done / epochs))


#: The rate of a step, from the base rate, the epochs done before it (1.5: the second is half way)
#: and the number of epochs.
SCHEDULES: dict[ScheduleName, Callable[[float, float, int], float]] = {
    "constant": _constant,
    "cosine": _cosine,
    "warmup-cosine": _warmup_cosine,
    "cosine-steps": _cosine_steps,
}


#: Of CoOp and its successors: Dassl adds a weight decay that no configuration file of theirs shows.
_FAMILY = {"schedule": "warmup-cosine", "momentum": 0.9, "weight_decay": 5e-4}
_PUBLISHED: dict[str, dict[str, Any]] = {
    "zero-shot": {"epochs": 0},
    "coop": {"rate": 0.002, "batch": 32, **_FAMILY},  # epochs by shots
    "cocoop": {"rate": 0.002, "batch": 1, "epochs": 10, **_FAMILY},
    "vpt": {"rate": 0.0025, "batch": 4, "epochs": 5, **_FAMILY},
    "vpt-deep": {"rate": 0.0025, "batch": 4, "epochs": 5, **_FAMILY},
    "language-deep": {"rate": 0.0025, "batch": 4, "epochs": 5, **_FAMILY},
    "ivlp": {"rate": 0.0035, "batch": 4, "epochs": 5, **_FAMILY},
    "maple": {"rate": 0.0035, "batch": 4, "epochs": 5, **_FAMILY},
    "tip-adapter": {"epochs": 0},
    "tip-adapter-f": {
        "optimizer": "adamw",
        "rate": 1e-3,
        "batch": 256,
        "epochs": 20,
        "schedule": "cosine-steps",
        "epsilon": 1e-4,
        "weight_decay": 0.01,  # what torch.optim.AdamW does unasked
    },
}


def published(method: str, shots: int = 16) -> dict[str, Any]:
    """The settings of adaptation with which a method was published, by its name.

    Those of base-to-new in CoOp (Zhou et al., 2022; ProGrad takes them too), CoCoOp, the MaPLe
    repository (vpt, language-deep, ivlp, maple) and Tip-Adapter; CoOp's epochs depend on the shots.
    Raises GramError for a method without a recipe.
    """
    if method not in _PUBLISHED:
        raise GramError(
            f"There is no published recipe of {method!r}; there are those of "
            f"{', '.join(_PUBLISHED)}. Give the settings themselves."
        )
    if shots < 1:
        raise GramError(f"shots is {shots}; give at least 1.")
    settings = dict(_PUBLISHED[method])
    if method == "coop":
        settings["epochs"] = 200 if shots >= 8 else 100 if shots >= 2 else 50
    return settings


def check_from_zero(name: str, value: float, below: float = math.inf) -> None:
    """GramError unless 0 ≤ value < below."""
    if not 0 <= value < below:
        least = f"a number from 0{'' if below == math.inf else f' to below {below}'}"
        raise GramError(f"{name} is {value!r}; it has to be {least}.")


def _zeros(params: Params) -> Params:
    return {key: value.new_zeros(value.shape) for key, value in params.items()}


def _decayed(gradient: Params, params: Params, weight_decay: float) -> Params:
    """The gradient of the loss and of half the squared parameters, times the decay."""
    if not weight_decay:
        return gradient
    return {key: slope + weight_decay * params[key] for key, slope in gradient.items()}
