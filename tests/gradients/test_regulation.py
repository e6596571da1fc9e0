from __future__ import annotations

import math

import pytest
import torch

from gram_core.errors import GramError
from gram_core.gradients import FORMS, Raw, Regulated, build_rule, initial_regulator, regulate
from gram_core.prompts import Params

WIDTH = 5
LIKE = {"text.context": torch.zeros(4, WIDTH), "visual.tokens": torch.zeros(3, WIDTH + 2)}


def _gradient(tasks: int = 2, dtype: torch.dtype = torch.float32) -> Params:
    generator = torch.Generator().manual_seed(0)
    return {
        key: 1e-3 * torch.randn(tasks, *value.shape, generator=generator, dtype=dtype)
        for key, value in LIKE.items()
    }


def _phi(form: str, dtype: torch.dtype = torch.float32) -> Params:
    """A regulator some way from its start."""
    generator = torch.Generator().manual_seed(1)
    return {
        key: (value + 0.3 * torch.randn(value.shape, generator=generator)).to(dtype)
        for key, value in initial_regulator(LIKE, form).items()
    }


@pytest.mark.parametrize("form", ["blend", "residual"])
def test_starts_as_the_identity_bit_for_bit(form: str) -> None:
    gradient = _gradient()
    regulated = regulate(initial_regulator(LIKE, form), gradient, form)
    assert list(regulated) == list(gradient)
    for key, value in gradient.items():
        assert torch.equal(regulated[key], value)


def test_paper_form_starts_near_the_identity() -> None:
    gradient = _gradient()
    regulated = regulate(initial_regulator(LIKE, "paper"), gradient, "paper")
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


@pytest.mark.parametrize("form", FORMS)
def test_every_part_of_phi_learns_at_its_first_step(form: str) -> None:
    phi = {key: value.requires_grad_() for key, value in initial_regulator(LIKE, form).items()}
    step = regulate(phi, _gradient(), form)
    query = {key: torch.randn_like(value) for key, value in step.items()}
    alignment = torch.stack([(step[key] * query[key]).sum() for key in step]).sum()
    for key, slope in zip(phi, torch.autograd.grad(alignment, list(phi.values())), strict=True):
        assert (slope != 0).any(), key


@pytest.mark.parametrize("form", FORMS)
def test_derivatives_in_gradient_and_phi_are_right(form: str) -> None:
    phi, gradient = _phi(form, torch.float64), _gradient(1, torch.float64)
    keys = [*phi, *gradient]

    def flat(*values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        named = dict(zip(keys, values, strict=True))
        step = regulate(
            {key: named[key] for key in phi}, {key: named[key] for key in gradient}, form
        )
        return tuple(step.values())

    inputs = [value.detach() for value in (*phi.values(), *(1e3 * g for g in gradient.values()))]
    assert torch.autograd.gradcheck(flat, [value.requires_grad_() for value in inputs])


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
    only_text = {key: value for key, value in phi.items() if key.startswith("text.")}
    with pytest.raises(GramError, match="visual tower"):
        regulate(only_text, _gradient())
    for bad in (lambda: initial_regulator(LIKE, "cubic"), lambda: Regulated(phi, "cubic")):
        with pytest.raises(GramError, match="blend, residual, paper"):
            bad()


def test_rules_by_name() -> None:
    phi = _phi("residual")
    gradients = {"task": _gradient()}
    assert build_rule("raw")(gradients) is gradients["task"]
    rule = build_rule("gram", phi, "residual")
    expected = regulate(phi, gradients["task"], "residual")
    assert all(torch.equal(value, expected[key]) for key, value in rule(gradients).items())
    assert (Raw().name, rule.name) == ("raw", "gram")
    with pytest.raises(GramError, match="raw or gram"):
        build_rule("magic")
    with pytest.raises(GramError, match="initialisation"):
        build_rule("gram")


def test_precision_is_that_of_the_gradient() -> None:
    exact = regulate(_phi("blend"), _gradient(dtype=torch.float64))
    for key, value in regulate(
        _phi("blend", torch.float64), _gradient(dtype=torch.float64)
    ).items():
        assert exact[key].dtype == torch.float64
        assert torch.allclose(exact[key], value, rtol=1e-6, atol=1e-10)
