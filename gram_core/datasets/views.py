"""Augmented forms of few-shot images, made once so that their features can be kept."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gram_core.adaptation import Support
from gram_core.errors import GramError
from gram_core.prompts import ImageBank

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

#: The part of an image that a crop keeps, as in the recipes of CoOp and its successors.
KEPT = (0.08, 1.0)


def with_views(
    bank: ImageBank, support: Support, backbone: Backbone, count: int, seed: int = 0
) -> tuple[ImageBank, Support]:
    """A bank with `count` augmented views of every support image, and the support that shows them.

    A view is a random crop of 8 to 100 % of the image, scaled bicubically to the whole, and
    flipped half of the time: the published augmentation, cut from the image as the backbone
    sees it. The same image and seed give the same views. Their features are computed here, once,
    so that a text method adapts to them at the price of plain images.

    Raises GramError for less than one view and for a bank without pixels.
    """
    if count < 1:
        raise GramError(f"views is {count!r}; give at least 1, or leave them out.")
    if bank.pixels is None:
        raise GramError(
            "Views are cut from the pixels of the images, and this bank holds features alone; "
            "build it with ImageBank.of."
        )
    rows = support.images.unique()
    cut = torch.cat([_views(bank.pixels[row], count, seed, int(row)) for row in rows])
    added = ImageBank.of(backbone, cut)
    assert added.pixels is not None  # made of pixels
    assert added.features is not None
    features = None
    if bank.features is not None:
        features = torch.cat([bank.features.to(added.features), added.features])
    places = torch.searchsorted(rows, support.images)
    views = len(bank) + places[..., None] * count + torch.arange(count)
    joined = ImageBank(torch.cat([bank.pixels, added.pixels.to(bank.pixels)]), features)
    return joined, replace(support, views=views)


def _views(pixels: Tensor, count: int, seed: int, row: int) -> Tensor:
    """Views `(count, 3, H, W)` of an image `(3, H, W)`."""
    from torchvision.transforms import InterpolationMode, v2

    crop = v2.RandomResizedCrop(
        pixels.shape[-2:], KEPT, interpolation=InterpolationMode.BICUBIC, antialias=True
    )
    flip = v2.RandomHorizontalFlip()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed((1_000_003 * seed + row) % 2**63)
        return torch.stack([flip(crop(pixels)) for _ in range(count)])
