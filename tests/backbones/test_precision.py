"""Products in bfloat16: close to float32, and everything else in float32."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gram_core.backbones import Backbone, open_backbone
from gram_core.errors import GramError
from gram_core.prompts import Batch, ImageBank, Params, build_method

NAMES = ["cat", "fire engine", "tree"]


@pytest.fixture(scope="module")
def bundled() -> Backbone:
    return open_backbone("bundled")


@pytest.fixture(scope="module")
def bank(bundled: Backbone) -> ImageBank:
    generator = torch.Generator().manual_seed(0)
    size = (6, 3, bundled.image_size, bundled.image_size)
    pixels = torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)
    return ImageBank.of(bundled, pixels)


def _meta_gradient(backbone: Backbone, bank: ImageBank, name: str) -> list[Tensor]:
    method = build_method(name)
    constants = method.constants(backbone, NAMES, bank)

    def loss(params: Params, rows: list[int]) -> Tensor:
        logits = method.logits(params, constants, Batch(torch.tensor([rows])))
        assert logits.dtype == torch.float32
        return functional.cross_entropy(logits[0], torch.tensor([0, 1, 2]))

    params = {key: value[None].requires_grad_() for key, value in method.initial(backbone).items()}
    leaves = list(params.values())
    steps = torch.autograd.grad(loss(params, [0, 1, 2]), leaves, create_graph=True)
    assert all(step.dtype == torch.float32 for step in steps)
    moved = {key: leaf - 0.1 * step for key, leaf, step in zip(params, leaves, steps, strict=True)}
    return list(torch.autograd.grad(loss(moved, [3, 4, 5]), leaves))


@pytest.mark.parametrize("name", ["coop", "vpt-deep", "maple"])
def test_meta_gradients_keep_their_direction(name: str, bundled: Backbone, bank: ImageBank) -> None:
    exact = _meta_gradient(bundled, bank, name)
    rough = _meta_gradient(bundled.bfloat16(), bank, name)
    for one, other in zip(exact, rough, strict=True):
        assert not torch.equal(one, other)
        assert functional.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.99


def test_features_without_prompts_are_the_exact_ones(bundled: Backbone, bank: ImageBank) -> None:
    half = bundled.bfloat16()
    assert bank.pixels is not None
    assert torch.equal(half.encode_images(bank.pixels), bundled.encode_images(bank.pixels))
    assert torch.equal(half.encode_texts(NAMES), bundled.encode_texts(NAMES))
    assert half.fingerprint == bundled.fingerprint
    assert bundled.text.blocks[0].expand.weight.dtype == torch.float32


def test_precisions_by_name() -> None:
    half = open_backbone("bundled", precision="bfloat16")
    assert half.text.blocks[0].expand.weight.dtype == torch.bfloat16
    with pytest.raises(GramError, match="float32 or bfloat16"):
        open_backbone("bundled", precision="float16")  # type: ignore[arg-type]
