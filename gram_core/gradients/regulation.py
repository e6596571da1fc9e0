"""The gradient regulating function R_φ (GRAM, Eq. 5 and 6), one regulator a tower or a layer.

φ is a value: `part.gamma.weight` `(d, d)`, `part.gamma.bias` `(d)`, the same for `beta`, and
`part.log_scale` `()`. A part is a tower, `text` or `visual`, or a layer of one: `text.0`,
`visual.3`. A weight may be kept as two factors, `part.gamma.left` `(d, r)` and `part.gamma.right`
`(r, d)`. The weights are shared by the tokens, so φ fits any number of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gram_core.errors import GramError
from gram_core.prompts import Params, token_keys, tower_of
from gram_core.prompts.params import depth_of

PAPER_GAMMA_BIAS = 1.5  # tanh(1.5) = 0.905: close to the identity, and still with a slope


class Regulator(NamedTuple):
    """One part of φ, applied to its gradient n, divided by its root mean square."""

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


def initial_regulator(
    params: Params,
    form: str = "blend",
    per_layer: bool = False,
    rank: int | None = None,
    seed: int = 0,
) -> Params:
    """φ at its start for the token parameters `params`: the identity, or near it (`paper`).

    One regulator a tower, or with `per_layer` one for each depth at which tokens enter it. With a
    `rank` r the weights are products of two factors: the left one begins at zero, so that the
    product does, the right one at N(0, 1/d), drawn by `seed`, so that the left one learns at once.
    φ is in single precision, or double where the parameters are. Raises GramError for an unknown
    form and a rank that no weight of the tower can have.
    """
    check_form(form)
    parts: dict[str, Tensor] = {}
    for key in token_keys(params):
        tower = tower_of(key)
        parts.setdefault(_layer(tower, key) if per_layer else tower, params[key])
    generator = torch.Generator().manual_seed(seed)
    phi: Params = {}
    for part, like in parts.items():
        like, width = _precise(like), like.shape[-1]
        for map_name in ("gamma", "beta"):
            name = f"{part}.{map_name}"
            if rank is None:
                phi[f"{name}.weight"] = like.new_zeros(width, width)
            else:
                _check_rank(rank, width, tower_of(part))
                drawn = torch.randn(rank, width, generator=generator) / math.sqrt(width)
                phi[f"{name}.left"] = like.new_zeros(width, rank)
                phi[f"{name}.right"] = drawn.to(like)
            phi[f"{name}.bias"] = like.new_zeros(width)
        if form == "paper":
            phi[f"{part}.gamma.bias"] += PAPER_GAMMA_BIAS
        else:
            phi[f"{part}.log_scale"] = like.new_zeros(())
    return phi


def regulate(phi: Params, gradient: Params, form: str = "blend") -> Params:
    """The regulated gradient R_φ(g), pure and differentiable in φ and in the gradient.

    The tokens `(..., M, d)` that one part of φ regulates are taken together: the root mean square
    that brings them to unit scale, and back, is that of all of them, a task at a time (and a class
    at a time, where each class has tokens of its own). Parameters that are not tokens pass
    unchanged. Gradients in half precision are regulated, and given, in single precision. Raises
    GramError where φ was made for another width, tower or depth.
    """
    check_form(form)
    regulated = dict(gradient)
    for (part, _), keys in _tokens_by_part(phi, gradient).items():
        joined = _precise(torch.cat([gradient[key] for key in keys], dim=-2))
        step = FORMS[form](joined, _regulator(phi, part, joined))
        if f"{part}.log_scale" in phi:
            step = phi[f"{part}.log_scale"].to(step).exp() * step
        pieces = step.split([gradient[key].shape[-2] for key in keys], dim=-2)
        regulated.update(zip(keys, pieces, strict=True))
    return regulated


def check_form(form: str) -> None:
    """GramError unless the form is one of `FORMS`."""
    if form not in FORMS:
        raise GramError(f"There is no regulator form {form!r}; choose one of {', '.join(FORMS)}.")


def _direction(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient at unit scale and its root mean square over tokens and width, `(..., 1, 1)`.

    A gradient of zero has the direction zero: the square root's slope there is infinite, so it
    never sees the zero.
    """
    square = gradient.square().mean((-2, -1), keepdim=True)
    rms = torch.where(square > 0, square, 1.0).sqrt()
    return gradient / rms, torch.where(square > 0, rms, 0.0)


def _precise(value: Tensor) -> Tensor:
    """The value in single precision at least: half would lose gradients of 1e-6."""
    return value.to(torch.promote_types(value.dtype, torch.float32))


def _layer(tower: str, key: str) -> str:
    return f"{tower}.{depth_of(key)}"


def _tokens_by_part(phi: Params, gradient: Params) -> dict[tuple[str, torch.Size], list[str]]:
    """The keys of the tokens that are regulated together: by one part of φ, of the same tasks."""
    last = ".gamma.bias"
    parts = {key.removesuffix(last) for key in phi if key.endswith(last)}
    together: dict[tuple[str, torch.Size], list[str]] = {}
    for key in token_keys(gradient):
        tower = tower_of(key)
        part = tower if tower in parts else _layer(tower, key)
        if part not in parts:
            raise _no_part(parts, tower, depth_of(key))
        together.setdefault((part, gradient[key].shape[:-2]), []).append(key)
    return together


def _no_part(parts: set[str], tower: str, depth: int) -> GramError:
    layers = sorted(int(part.split(".")[1]) for part in parts if part.startswith(f"{tower}."))
    if not layers:
        return GramError(
            f"The regulator has no part for the {tower} tower; meta-train it with a method that "
            "prompts this tower."
        )
    return GramError(
        f"The regulator has no part for layer {depth} of the {tower} tower, only for "
        f"{', '.join(map(str, layers))}; meta-train it with prompts as deep as these, or with one "
        "regulator for all layers of a tower."
    )


def _regulator(phi: Params, part: str, gradient: Tensor) -> Regulator:
    """A part of φ, where the gradient is and in its precision."""
    here = {
        key.removeprefix(f"{part}."): value.to(gradient)
        for key, value in phi.items()
        if key.startswith(f"{part}.")
    }
    made_for = here["gamma.bias"].shape[-1]
    if made_for != gradient.shape[-1]:
        raise GramError(
            f"The regulator of the {tower_of(part)} tower is {made_for} wide and the gradient "
            f"{gradient.shape[-1]}; meta-train it on the backbone that it is used with."
        )
    for name in ("gamma", "beta"):
        if f"{name}.left" in here:
            here[f"{name}.weight"] = here[f"{name}.left"] @ here[f"{name}.right"]
    return Regulator(
        here["gamma.weight"], here["gamma.bias"], here["beta.weight"], here["beta.bias"]
    )


def _check_rank(rank: int, width: int, tower: str) -> None:
    if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= width:
        raise GramError(
            f"rank is {rank!r}; it has to be a whole number from 1 to {width}, the width of the "
            f"{tower} tower, or None for full weights."
        )
