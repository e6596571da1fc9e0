"""Every method against its plain form: logits, gradients and meta-gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from gram_core.backbones import Backbone, classes, text
from gram_core.prompts import Batch, ImageBank, Method, Params, build_method
from tests.prompts import plain

NAMES = ["cat", "fire engine", "old sailing ship"]
IMAGES, LABELS = 4, [0, 1, 2, 1]
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "coop": ("coop", {}, {}),
    "coop, words left over": ("coop", {"tokens": 2}, {"words": "of a"}),
    "coop, name in the middle": (
        "coop",
        {"tokens": 5, "position": "middle"},
        {"position": "middle"},
    ),
    "coop, name in front": ("coop", {"position": "front"}, {"position": "front"}),
    "coop, each class its own": ("coop", {"class_specific": True}, {}),
    "coop, its own around the name": (
        "coop",
        {"class_specific": True, "position": "middle"},
        {"position": "middle"},
    ),
    "cocoop": ("cocoop", {}, {}),
    "language-deep": ("language-deep", {"tokens": 3, "words": "a photo of"}, {}),
    "language-deep, two blocks": ("language-deep", {"depth": 2}, {}),
    "vpt": ("vpt", {}, {}),
    "vpt-deep": ("vpt-deep", {"tokens": 3}, {}),
    "ivlp": ("ivlp", {"visual_tokens": 2}, {}),
    "ivlp, deep": ("ivlp", {"tokens": 2, "depth": 3, "visual_depth": 2}, {"words": "of a"}),
    "maple": ("maple", {}, {"words": "of a"}),
    "tip-adapter-f": ("tip-adapter-f", {}, {"cached": LABELS}),
}


@pytest.fixture(scope="module")
def double(tiny_backbone: Backbone) -> Backbone:
    return tiny_backbone.double()


def _pixels(backbone: Backbone) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    size = (IMAGES, 3, backbone.image_size, backbone.image_size)
    return torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)


def _both(
    case: str, backbone: Backbone
) -> tuple[Params, Method, Callable[[Params], Tensor], Callable[[Params], Tensor]]:
    """Parameters without a task axis, and the fast and the plain logits of them."""
    name, options, plainly = CASES[case]
    method, pixels = build_method(name, **options), _pixels(backbone)
    constants = method.constants(backbone, NAMES, ImageBank.of(backbone, pixels))
    rows, labels = torch.arange(IMAGES)[None], torch.tensor(LABELS)[None]
    start = {key: value[None] for key, value in method.initial(backbone).items()}
    start = method.prepared(start, constants, rows, labels)
    generator = torch.Generator().manual_seed(1)
    params = {
        key: value[0] + (0 if key in method.fixed else 0.1)
        * torch.randn(value[0].shape, generator=generator).to(value)
        for key, value in start.items()
    }  # fmt: skip

    def fast(params: Params) -> Tensor:
        side_by_side = {key: value[None] for key, value in params.items()}
        return method.logits(side_by_side, constants, Batch(rows))[0]

    def slow(params: Params) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):
            return plain.logits(name, backbone, params, NAMES, pixels.to(backbone.dtype), **plainly)

    return params, method, fast, slow


def _meta_gradient(
    params: Params, fixed: frozenset[str], of: Callable[[Params], Tensor]
) -> dict[str, dict[str, Tensor]]:
    """Gradients of a loss, and of another loss after a step down the first one's gradient."""
    leaves = {key: value.detach().requires_grad_() for key, value in params.items()}
    learned = [key for key in leaves if key not in fixed]

    def loss(params: Params, images: slice) -> Tensor:
        return functional.cross_entropy(of(params)[images], torch.tensor(LABELS)[images])

    with sdpa_kernel(SDPBackend.MATH):
        gradients = torch.autograd.grad(
            loss(leaves, slice(0, 2)), [leaves[key] for key in learned], create_graph=True
        )
        moved = {
            **leaves,
            **{key: leaves[key] - 0.5 * g for key, g in zip(learned, gradients, strict=True)},
        }
        meta = torch.autograd.grad(loss(moved, slice(2, 4)), [leaves[key] for key in learned])
    return {
        "gradient": dict(zip(learned, (g.detach() for g in gradients), strict=True)),
        "meta-gradient": dict(zip(learned, meta, strict=True)),
    }


@pytest.mark.parametrize(
    ("grouped", "dense"),
    [(False, 64), (True, 64), (False, 0), (True, 0)],
    ids=["", "classes in groups", "attention in parts", "both in parts"],
)
@pytest.mark.parametrize("case", CASES)
def test_logits_gradients_and_meta_gradients_are_those_of_the_plain_form(
    case: str, grouped: bool, dense: int, double: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "DENSE_ROWS", dense)
    monkeypatch.setattr(classes, "DENSE_ROWS", 0)
    monkeypatch.setattr(classes, "GROUP_COST", 0 if grouped else 1000)
    params, method, fast, slow = _both(case, double)
    torch.testing.assert_close(fast(params), slow(params), atol=1e-12, rtol=1e-12)
    ours, theirs = (_meta_gradient(params, method.fixed, of) for of in (fast, slow))
    for kind, gradients in theirs.items():
        for key, expected in gradients.items():
            assert expected.abs().max() > 1e-9, (kind, key)
            torch.testing.assert_close(ours[kind][key], expected, atol=1e-12, rtol=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_in_single_precision_they_lose_no_more_than_the_plain_form(
    case: str, tiny_backbone: Backbone, double: Backbone
) -> None:
    params, method, fast, slow = _both(case, tiny_backbone)
    _, _, exact, _ = _both(case, double)
    ours, theirs = (_meta_gradient(params, method.fixed, of) for of in (fast, slow))
    wanted = _meta_gradient({k: v.double() for k, v in params.items()}, method.fixed, exact)
    for kind, gradients in wanted.items():
        for key, expected in gradients.items():
            error, plain_error = (
                float((found[kind][key] - expected).abs().max() / expected.abs().max())
                for found in (ours, theirs)
            )
            assert error < max(1e-5, 2 * plain_error), (kind, key, error, plain_error)
