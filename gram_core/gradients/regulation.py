"""The gradient regulating function R_φ (GRAM, Eq. 5 and 6), one regulator a tower.

φ is a value: `tower.gamma.weight` `(d, d)`, `tower.gamma.bias` `(d)`, the same for `beta`, and
`tower.log_scale` `()`. The weights are shared by the tokens, so φ fits any number of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gram_core.errors import GramError
from gram_core.prompts import Params, token_keys, tower_of

PAPER_GAMMA_BIAS = 1.5  # tanh(1.5) = 0.905: close to the identity, and still with a slope


class Regulator(NamedTuple):
    """One tower's part of φ, applied to its gradient n, divided by its root mean square."""

    gamma_weight: Tensor
    gamma_bias: Tensor
    beta_weight: Tensor
    beta_bias: Tensor

    def __call__(self, direction: Tensor) -> Tensor:
        """γ ⊙ n + β with γ = tanh(W_γ n + b_γ) and β = tanh(W_β n + b_β)."""
        gamma = torch.tanh(direction @ self.gamma_weight.T + self.gamma_bias)
        beta = torch.tanh(direction @ self.beta_weight.T + self.beta_bias)
        return gamma * direction + beta


def residual(gradient: Tensor, regulator: Regulator) -> Tensor:
    """ĝ = g + rms(g) (γ ⊙ n + β): the identity at φ = 0."""
    direction, rms = _direction(gradient)
    return gradient + rms * regulator(direction)


def blend(gradient: Tensor, regulator: Regulator) -> Tensor:
    """Half of g and half of the residual form at g's own norm: the identity at φ = 0."""
    regulated = residual(gradient, regulator)
    _, rms = _direction(gradient)
    _, regulated_rms = _direction(regulated)
    ratio = rms / torch.where(regulated_rms > 0, regulated_rms, 1.0)
    return 0.5 * gradient + 0.5 * (regulated * ratio)


def paper(gradient: Tensor, regulator: Regulator) -> Tensor:
    """ĝ = rms(g) (γ ⊙ n + β): Eq. 6 as printed, on a gradient of unit scale."""
    direction, rms = _direction(gradient)
    return rms * regulator(direction)


FORMS: dict[str, Callable[[Tensor, Regulator], Tensor]] = {
    "blend": blend,
    "residual": residual,
    "paper": paper,
}


def initial_regulator(params: Params, form: str = "blend") -> Params:
    """φ at its start for the token parameters `params`: the identity, or near it (`paper`)."""
    _check_form(form)
    phi: Params = {}
    for tower, keys in _tokens_by_tower(params).items():
        like = params[keys[0]]
        width = like.shape[-1]
        for map_name in ("gamma", "beta"):
            phi[f"{tower}.{map_name}.weight"] = like.new_zeros(width, width)
            phi[f"{tower}.{map_name}.bias"] = like.new_zeros(width)
        if form == "paper":
            phi[f"{tower}.gamma.bias"] += PAPER_GAMMA_BIAS
        else:
            phi[f"{tower}.log_scale"] = like.new_zeros(())
    return phi


def regulate(phi: Params, gradient: Params, form: str = "blend") -> Params:
    """The regulated gradient R_φ(g), pure and differentiable in φ and in the gradient.

    Each tower's tokens `(..., M, d)` are regulated together: the root mean square that brings them
    to unit scale, and back, is taken over all of them, a task at a time. Parameters that are not
    tokens pass unchanged. Raises GramError where φ was made for another width or tower.
    """
    _check_form(form)
    regulated = dict(gradient)
    for tower, keys in _tokens_by_tower(gradient).items():
        joined = torch.cat([gradient[key] for key in keys], dim=-2)
        step = FORMS[form](joined, _regulator(phi, tower, joined))
        if f"{tower}.log_scale" in phi:
            step = phi[f"{tower}.log_scale"].to(step).exp() * step
        pieces = step.split([gradient[key].shape[-2] for key in keys], dim=-2)
        regulated.update(zip(keys, pieces, strict=True))
    return regulated


def _direction(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient at unit scale and its root mean square over tokens and width, `(..., 1, 1)`.

    A gradient of zero has the direction zero: the square root's slope there is infinite, so it
    never sees the zero.
    """
    square = gradient.square().mean((-2, -1), keepdim=True)
    rms = torch.where(square > 0, square, 1.0).sqrt()
    return gradient / rms, torch.where(square > 0, rms, 0.0)


def _tokens_by_tower(params: Params) -> dict[str, list[str]]:
    towers: dict[str, list[str]] = {}
    for key in token_keys(params):
        towers.setdefault(tower_of(key), []).append(key)
    return towers


def _regulator(phi: Params, tower: str, gradient: Tensor) -> Regulator:
    """The tower's part of φ, where the gradient is and in its precision."""
    names = ("gamma.weight", "gamma.bias", "beta.weight", "beta.bias")
    missing = [name for name in names if f"{tower}.{name}" not in phi]
    if missing:
        raise GramError(
            f"The regulator has no part for the {tower} tower; meta-train it with a method that "
            "prompts this tower."
        )
    made_for = phi[f"{tower}.gamma.weight"].shape[-1]
    if made_for != gradient.shape[-1]:
        raise GramError(
            f"The regulator of the {tower} tower is {made_for} wide and the gradient "
            f"{gradient.shape[-1]}; meta-train it on the backbone that it is used with."
        )
    return Regulator(*(phi[f"{tower}.{name}"].to(gradient) for name in names))


def _check_form(form: str) -> None:
    if form not in FORMS:
        raise GramError(f"There is no regulator form {form!r}; choose one of {', '.join(FORMS)}.")
