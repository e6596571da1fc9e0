from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from gram_core.errors import GramError
from gram_core.gradients import FORMS, Regulated, initial_regulator, regulate
from gram_core.prompts import Params

WIDTH = 5
LIKE = {"text.context": torch.zeros(4, WIDTH), "visual.tokens": torch.zeros(3, WIDTH + 2)}
DEEP = {
    **LIKE,
    "text.context.1": torch.zeros(2, WIDTH),
    "text.context.10": torch.zeros(2, WIDTH),
    "visual.tokens.3": torch.zeros(3, WIDTH + 2),
}
KINDS: dict[str, dict[str, Any]] = {
    "tower": {},
    "layer": {"per_layer": True},
    "factors": {"rank": 2},
    "layer and factors": {"per_layer": True, "rank": 1},
}


def _gradient(tasks: int = 2, dtype: torch.dtype = torch.float32, like: Params = LIKE) -> Params:
    generator = torch.Generator().manual_seed(0)
    return {
        key: 1e-3 * torch.randn(tasks, *value.shape, generator=generator, dtype=dtype)
        for key, value in like.items()
    }


def _phi(form: str, dtype: torch.dtype = torch.float32, like: Params = LIKE, **kind: Any) -> Params:
    """A regulator some way from its start."""
    generator = torch.Generator().manual_seed(1)
    return {
        key: (value + 0.3 * torch.randn(value.shape, generator=generator)).to(dtype)
        for key, value in initial_regulator(like, form, **kind).items()
    }


@pytest.mark.parametrize("form", ["blend", "residual"])
@pytest.mark.parametrize("kind", KINDS)
def test_starts_as_the_identity_bit_for_bit(form: str, kind: str) -> None:
    gradient = _gradient(like=DEEP)
    regulated = regulate(initial_regulator(DEEP, form, **KINDS[kind]), gradient, form)
    assert list(regulated) == list(gradient)
    for key, value in gradient.items():
        assert torch.equal(regulated[key], value)


@pytest.mark.parametrize("kind", KINDS)
def test_paper_form_starts_near_the_identity(kind: str) -> None:
    gradient = _gradient(like=DEEP)
    regulated = regulate(initial_regulator(DEEP, "paper", **KINDS[kind]), gradient, "paper")
    for key, value in gradient.items():
        assert torch.allclose(regulated[key], math.tanh(1.5) * value)


def test_paper_form_is_equation_six() -> None:
    """Written out number by number for one token of width two."""
    weight_gamma, bias_gamma = [[0.4, -0.2], [0.1, 0.3]], [0.5, -0.5]
    weight_beta, bias_beta = [[-0.3, 0.2], [0.6, 0.1]], [0.2, 0.1]
    gradient = [3e-3, -4e-3]
    rms = math.sqrt((gradient[0] ** 2 + gradient[1] ** 2) / 2)
    n = [value / rms for value in gradient]
    expected = []
    for row in range(2):
        gamma = math.tanh(sum(weight_gamma[row][i] * n[i] for i in range(2)) + bias_gamma[row])
        beta = math.tanh(sum(weight_beta[row][i] * n[i] for i in range(2)) + bias_beta[row])
        expected.append((gamma * n[row] + beta) * rms)
    phi = {
        "text.gamma.weight": torch.tensor(weight_gamma),
        "text.gamma.bias": torch.tensor(bias_gamma),
        "text.beta.weight": torch.tensor(weight_beta),
        "text.beta.bias": torch.tensor(bias_beta),
    }
    regulated = regulate(phi, {"text.context": torch.tensor([gradient])}, "paper")
    assert regulated["text.context"][0].tolist() == pytest.approx(expected, rel=1e-5)
    residual = regulate(phi, {"text.context": torch.tensor([gradient])}, "residual")
    sums = [a + b for a, b in zip(expected, gradient, strict=True)]
    assert residual["text.context"][0].tolist() == pytest.approx(sums, rel=1e-5)


def test_blend_is_half_the_gradient_and_half_at_its_norm() -> None:
    phi, gradient = _phi("blend"), _gradient()
    for tower in ("text", "visual"):
        phi[f"{tower}.log_scale"] = torch.zeros(())
    blended = regulate(phi, gradient, "blend")
    residual = regulate(phi, gradient, "residual")
    for key, value in gradient.items():
        other = 2 * blended[key] - value
        assert torch.allclose(other.flatten(1).norm(dim=1), value.flatten(1).norm(dim=1))
        cosine = torch.cosine_similarity(other.flatten(1), residual[key].flatten(1))
        assert torch.allclose(cosine, torch.ones(2))
        assert not torch.allclose(other, value)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e4])
def test_scale_of_the_gradient_passes_through(form: str, scale: float) -> None:
    phi, gradient = _phi(form), _gradient()
    scaled = regulate(phi, {key: scale * value for key, value in gradient.items()}, form)
    for key, value in regulate(phi, gradient, form).items():
        assert torch.allclose(scaled[key] / scale, value, rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("form", FORMS)
def test_tasks_and_towers_do_not_touch_each_other(form: str) -> None:
    phi, gradient = _phi(form), _gradient()
    together = regulate(phi, gradient, form)
    for key, value in gradient.items():
        for task in range(2):
            alone = regulate(phi, {key: value[task]}, form)
            assert torch.allclose(together[key][task], alone[key], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_weights_are_shared_by_tokens(form: str) -> None:
    phi, gradient = _phi(form), {"text.context": _gradient()["text.context"]}
    order = [2, 0, 3, 1]
    mixed = regulate(phi, {"text.context": gradient["text.context"][:, order]}, form)
    expected = regulate(phi, gradient, form)["text.context"][:, order]
    assert torch.allclose(mixed["text.context"], expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_tokens_of_a_tower_are_regulated_together(form: str) -> None:
    phi, whole = _phi(form), _gradient()["text.context"]
    parts = regulate(phi, {"text.context": whole[:, :1], "text.context.1": whole[:, 1:]}, form)
    joined = torch.cat([parts["text.context"], parts["text.context.1"]], dim=1)
    assert torch.allclose(joined, regulate(phi, {"text.context": whole}, form)["text.context"])


def test_what_is_no_token_passes_unchanged() -> None:
    gradient = {**_gradient(), "visual.coupling.weight": torch.randn(2, 3, 9)}
    regulated = regulate(_phi("blend"), gradient)
    assert regulated["visual.coupling.weight"] is gradient["visual.coupling.weight"]


def _slopes(phi: Params, form: str) -> Params:
    """The gradient in φ of the agreement with another gradient."""
    phi = {key: value.clone().requires_grad_() for key, value in phi.items()}
    step = regulate(phi, _gradient(like=DEEP), form)
    generator = torch.Generator().manual_seed(2)
    terms = [(step[key] * torch.randn(step[key].shape, generator=generator)).sum() for key in step]
    slopes = torch.autograd.grad(torch.stack(terms).sum(), list(phi.values()))
    return dict(zip(phi, slopes, strict=True))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_part_of_phi_learns_at_its_first_step(form: str, kind: str) -> None:
    """Of two factors the left one, since it begins at zero; the right one from the second step."""
    phi = initial_regulator(DEEP, form, **KINDS[kind])
    first = _slopes(phi, form)
    for key, slope in first.items():
        assert bool((slope != 0).any()) != key.endswith(".right"), key
    moved = {key: value - 0.1 * first[key].sign() for key, value in phi.items()}
    for key, slope in _slopes(moved, form).items():
        assert (slope != 0).any(), key


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_in_gradient_and_phi_are_right(form: str, kind: str) -> None:
    """Once, and twice: exact meta-gradients differentiate the regulated gradient again."""
    like = {"text.context": torch.zeros(2, 2), "text.context.1": torch.zeros(1, 2)}
    if KINDS[kind].get("rank") == 2:
        like = {"text.context": torch.zeros(2, 3)}
    phi, gradient = (
        _phi(form, torch.float64, like, **KINDS[kind]),
        _gradient(1, torch.float64, like),
    )
    keys = [*phi, *gradient]

    def flat(*values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named = dict(zip(keys, values, strict=True))
        step = regulate(
            {key: named[key] for key in phi}, {key: named[key] for key in gradient}, form
        )
        return tuple(step.values())

    inputs = [value.detach() for value in (*phi.values(), *(1e3 * g for g in gradient.values()))]
    inputs = [value.requires_grad_() for value in inputs]
    assert torch.autograd.gradcheck(flat, inputs)
    assert torch.autograd.gradgradcheck(flat, inputs)


def test_a_layer_alone_is_regulated_as_a_tower_is() -> None:
    phi, gradient = _phi("blend"), _gradient()
    per_layer = {key.replace(".", ".0.", 1): value for key, value in phi.items()}
    assert per_layer.keys() == initial_regulator(LIKE, per_layer=True).keys()
    shared = regulate(phi, gradient)
    for key, value in regulate(per_layer, gradient).items():
        assert torch.equal(value, shared[key])


@pytest.mark.parametrize("form", FORMS)
def test_layers_are_regulated_each_by_its_own_part(form: str) -> None:
    phi, gradient = _phi(form, like=DEEP, per_layer=True), _gradient(like=DEEP)
    depths = {
        "text.context": "text.0",
        "text.context.1": "text.1",
        "text.context.10": "text.10",
        "visual.tokens": "visual.0",
        "visual.tokens.3": "visual.3",
    }
    assert {key.removesuffix(".gamma.bias") for key in phi if key.endswith("gamma.bias")} == set(
        depths.values()
    )
    together = regulate(phi, gradient, form)
    for key, part in depths.items():
        tower = part.split(".")[0]
        own = {k.replace(part, tower, 1): v for k, v in phi.items() if k.startswith(f"{part}.")}
        first = key.split(".")[0] + "." + key.split(".")[1]
        alone = regulate(own, {first: gradient[key]}, form)[first]
        assert torch.equal(together[key], alone)


def test_layers_of_a_tower_have_one_unit_of_scale_and_layers_alone_their_own() -> None:
    phi, gradient = _phi("residual"), _gradient(like=DEEP)
    louder = {**gradient, "text.context.1": 100 * gradient["text.context.1"]}
    before, after = (regulate(phi, each, "residual") for each in (gradient, louder))
    assert not torch.allclose(before["text.context"], after["text.context"], rtol=1e-3)
    phi = _phi("residual", like=DEEP, per_layer=True)
    before, after = (regulate(phi, each, "residual") for each in (gradient, louder))
    assert torch.equal(before["text.context"], after["text.context"])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("per_layer", [False, True])
def test_factors_are_the_full_weight_that_they_make(form: str, per_layer: bool) -> None:
    factors = _phi(form, like=DEEP, rank=2, per_layer=per_layer)
    full = {k: v for k, v in factors.items() if not k.endswith((".left", ".right"))}
    for key, left in factors.items():
        if key.endswith(".left"):
            name = key.removesuffix(".left")
            full[f"{name}.weight"] = left @ factors[f"{name}.right"]
    assert full.keys() == initial_regulator(DEEP, form, per_layer).keys()
    expected = regulate(full, _gradient(like=DEEP), form)
    for key, value in regulate(factors, _gradient(like=DEEP), form).items():
        assert torch.allclose(value, expected[key], rtol=1e-5, atol=1e-9)


def test_factors_are_drawn_by_the_seed() -> None:
    first, again, other = (initial_regulator(LIKE, rank=3, seed=seed) for seed in (0, 0, 1))
    for key, value in first.items():
        assert torch.equal(value, again[key])
        assert torch.equal(value, other[key]) != key.endswith(".right")
    wide = initial_regulator({"text.context": torch.zeros(1, 400)}, rank=40)
    assert float(wide["text.gamma.right"].std()) == pytest.approx(0.05, rel=0.05)
    assert not torch.equal(wide["text.gamma.right"], wide["text.beta.right"])


@pytest.mark.parametrize(
    ("key", "width", "count"), [("text.context", 512, 525_312), ("visual.tokens", 768, 1_181_184)]
)
def test_number_of_parameters(key: str, width: int, count: int) -> None:
    def size(form: str = "blend", **kind: Any) -> int:
        like = {key: torch.zeros(4, width), f"{key}.1": torch.zeros(4, width)}
        return sum(value.numel() for value in initial_regulator(like, form, **kind).values())

    assert size("paper") == count
    assert size("blend") == size("residual") == count + 1
    assert size(per_layer=True) == 2 * (count + 1)
    assert size(rank=8) == 2 * (2 * 8 * width + width) + 1


@pytest.mark.parametrize("form", FORMS)
def test_tokens_of_every_class_are_regulated_class_by_class(form: str) -> None:
    """(tasks, classes, M, d), beside deeper tokens that the classes share."""
    phi = _phi(form)
    generator = torch.Generator().manual_seed(3)
    own = torch.randn(2, 3, 4, WIDTH, generator=generator)
    shared = torch.randn(2, 4, WIDTH, generator=generator)
    found = regulate(phi, {"text.context": own, "text.context.1": shared}, form)
    for number in range(3):
        alone = regulate(phi, {"text.context": own[:, number]}, form)
        assert torch.allclose(found["text.context"][:, number], alone["text.context"], rtol=1e-5)
    alone = regulate(phi, {"text.context": shared}, form)
    assert torch.allclose(found["text.context.1"], alone["text.context"])


@pytest.mark.parametrize("form", FORMS)
def test_zero_gradient_is_a_zero_step_with_finite_slopes(form: str) -> None:
    phi = {key: value.requires_grad_() for key, value in _phi(form).items()}
    gradient = {key: torch.zeros_like(value, requires_grad=True) for key, value in LIKE.items()}
    step = regulate(phi, gradient, form)
    assert all((value == 0).all() for value in step.values())
    total = torch.stack([value.sum() for value in step.values()]).sum()
    for slope in torch.autograd.grad(total, [*phi.values(), *gradient.values()]):
        assert torch.isfinite(slope).all()


def test_what_does_not_fit_is_refused() -> None:
    phi = initial_regulator(LIKE)
    with pytest.raises(GramError, match="5 wide and the gradient 6"):
        regulate(phi, {"text.context": torch.zeros(4, 6)})
    for whole in (phi, initial_regulator(LIKE, per_layer=True)):
        only_text = {key: value for key, value in whole.items() if key.startswith("text.")}
        with pytest.raises(GramError, match="visual tower; meta-train"):
            regulate(only_text, _gradient())
    shallow = initial_regulator(
        {"text.context": torch.zeros(4, WIDTH), "text.context.1": torch.zeros(4, WIDTH)},
        per_layer=True,
    )
    with pytest.raises(GramError, match=r"layer 10 of the text tower, only for 0, 1; meta-train"):
        regulate(shallow, {"text.context.10": torch.zeros(4, WIDTH)})
    for rank in (0, WIDTH + 1, True, 1.5):
        with pytest.raises(GramError, match=f"rank is {rank}; .* from 1 to {WIDTH},.* text tower"):
            initial_regulator(LIKE, rank=rank)  # type: ignore[arg-type]
    for bad in (lambda: initial_regulator(LIKE, "cubic"), lambda: Regulated(phi, "cubic")):
        with pytest.raises(GramError, match="blend, residual, paper"):
            bad()


def test_precision_is_that_of_the_gradient() -> None:
    exact = regulate(_phi("blend"), _gradient(dtype=torch.float64))
    for key, value in regulate(
        _phi("blend", torch.float64), _gradient(dtype=torch.float64)
    ).items():
        assert exact[key].dtype == torch.float64
        assert torch.allclose(exact[key], value, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_regulated_in_single(form: str, half: torch.dtype) -> None:
    """Gradients of 1e-6, whose squares half precision cannot hold."""
    gradient = {key: (1e-3 * value).to(half) for key, value in _gradient().items()}
    found = regulate(_phi(form), gradient, form)
    expected = regulate(_phi(form), {key: v.float() for key, v in gradient.items()}, form)
    for key, value in found.items():
        assert value.dtype == torch.float32
        assert torch.equal(value, expected[key])
    like = {key: value.to(half) for key, value in LIKE.items()}
    assert {v.dtype for v in initial_regulator(like, form, rank=1).values()} == {torch.float32}
