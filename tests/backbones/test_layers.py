from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gram_core.backbones import Backbone, layers
from gram_core.backbones.layers import Linear, attention, quick_gelu


def derivatives(function: Callable[[Tensor], Tensor], at: Tensor, order: int) -> list[Tensor]:
    """The value of sum(tanh(function)) and its repeated derivatives along ones."""
    at = at.clone().requires_grad_(True)
    values = [torch.tanh(function(at)).sum()]
    for _ in range(order):
        (gradient,) = torch.autograd.grad(values[-1].sum(), at, create_graph=True)
        values.append(gradient)
    return [value.detach() for value in values]


@pytest.fixture(params=["oneDNN", "default"])
def product(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Either product, whichever this processor would take."""
    used = request.param == "oneDNN" and layers._onednn_works()
    monkeypatch.setattr(layers, "_onednn_is_faster", lambda: used)
    return str(request.param)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(2, 3, 5), (4, 5)])
def test_a_frozen_map_has_all_derivatives(shape: tuple[int, ...], bias: bool, product: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight = torch.randn(shape, generator=generator), torch.randn(7, 5, generator=generator)
    offset = torch.randn(7, generator=generator) if bias else None
    ours = derivatives(Linear(weight, offset), x, order=3)
    theirs = derivatives(lambda x: F.linear(x, weight, offset), x, order=3)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    assert theirs[3].norm() > 0.1


def test_a_scaled_map_scales_its_output() -> None:
    generator = torch.Generator().manual_seed(0)
    x, weight, bias, factor = (
        torch.randn(shape, generator=generator) for shape in ((3, 5), (7, 5), (7,), (7,))
    )
    linear = Linear(weight, bias)
    torch.testing.assert_close(linear.scaled(factor)(x), linear(x) * factor)


def test_written_out_attention_equals_the_fused_one() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 3, 6, 4, generator=generator).double() for _ in range(3))
    mask = torch.full((6, 6), float("-inf")).double().triu(1)
    expected = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(attention(query, key, value, mask), expected)


def test_quick_gelu_is_the_published_one() -> None:
    x = torch.linspace(-8, 8, 101).double()
    torch.testing.assert_close(quick_gelu(x), x * torch.sigmoid(1.702 * x))


def test_second_derivatives_in_float32_equal_those_in_float64(
    tiny_backbone: Backbone, product: str
) -> None:
    """The single-precision path may use another product; it must not lose a derivative."""
    generator = torch.Generator().manual_seed(0)
    context = 0.5 * torch.randn(1, 3, tiny_backbone.text_width, generator=generator)
    tokens = torch.randn(1, 3, 48, generator=generator)
    pixels = torch.randint(0, 256, (1, 2, 3, 32, 32), dtype=torch.uint8, generator=generator)

    def products(backbone: Backbone) -> list[Tensor]:
        table = backbone.text.class_table(["cat", "fire truck"], 3)
        text = context.to(backbone.dtype).requires_grad_(True)
        visual = tokens.to(backbone.dtype).requires_grad_(True)
        images = backbone.visual_tower().encode(pixels, visual)[0]
        logits = 20 * images @ backbone.text.encode(text, table)[0].T
        loss = F.cross_entropy(logits, torch.tensor([1, 0]))
        first = torch.autograd.grad(loss, (text, visual), create_graph=True)
        size = first[0].square().sum() + first[1].square().sum()
        return list(torch.autograd.grad(size, (text, visual)))

    for single, exact in zip(
        products(tiny_backbone), products(tiny_backbone.double()), strict=True
    ):
        assert (single - exact).norm() < 1e-4 * exact.norm()
