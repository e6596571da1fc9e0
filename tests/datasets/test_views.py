"""Augmented views: made once, the same again, and of the support's images alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gram_core.adaptation import Support
from gram_core.backbones import Backbone
from gram_core.datasets import with_views
from gram_core.errors import GramError
from gram_core.prompts import ImageBank


@pytest.fixture(scope="module")
def bank(tiny_backbone: Backbone) -> ImageBank:
    generator = torch.Generator().manual_seed(0)
    size = (6, 3, tiny_backbone.image_size, tiny_backbone.image_size)
    colours = torch.randint(0, 256, (6, 3, 1, 1), generator=generator).expand(size)
    ramp = torch.linspace(-20, 20, size[-1]).long()
    pixels = (colours + ramp).clamp(0, 255).to(torch.uint8)
    return ImageBank.of(tiny_backbone, pixels)


SUPPORT = Support(torch.tensor([[4, 1], [1, 2]]), torch.tensor([[0, 1], [0, 1]]))


def test_views_show_their_own_image(bank: ImageBank, tiny_backbone: Backbone) -> None:
    joined, support = with_views(bank, SUPPORT, tiny_backbone, 3)
    assert len(joined) == 6 + 3 * 3
    assert support.views is not None
    assert support.views.shape == (2, 2, 3)
    assert torch.equal(support.views[0, 1], support.views[1, 0])
    assert joined.pixels is not None
    assert bank.pixels is not None
    assert torch.equal(joined.pixels[:6], bank.pixels)
    for image, views in zip(SUPPORT.images.flatten(), support.views.flatten(0, 1), strict=True):
        means = joined.pixels[views].double().mean((-2, -1))
        own = bank.pixels.double().mean((-2, -1))
        assert (torch.cdist(means, own).argmin(1) == image).all()
        assert not torch.equal(joined.pixels[views[0]], joined.pixels[views[1]])


def test_half_of_the_views_are_mirrored(bank: ImageBank, tiny_backbone: Backbone) -> None:
    joined, support = with_views(bank, SUPPORT, tiny_backbone, 40)
    assert joined.pixels is not None
    assert support.views is not None
    views = joined.pixels[support.views[0, 0]].double().mean((1, 2))
    rising = int((views[:, -1] > views[:, 0]).sum())  # as the ramp of the image does
    assert 10 < rising < 30


def test_features_of_views_are_those_of_their_pixels(
    bank: ImageBank, tiny_backbone: Backbone
) -> None:
    joined, _ = with_views(bank, SUPPORT, tiny_backbone, 2)
    assert joined.pixels is not None
    assert joined.features is not None
    torch.testing.assert_close(joined.features, tiny_backbone.encode_images(joined.pixels))


def test_the_same_seed_gives_the_same_views(bank: ImageBank, tiny_backbone: Backbone) -> None:
    one, other, again = (with_views(bank, SUPPORT, tiny_backbone, 2, s)[0] for s in (0, 1, 0))
    assert one.pixels is not None
    assert other.pixels is not None
    assert again.pixels is not None
    assert torch.equal(one.pixels, again.pixels)
    assert not torch.equal(one.pixels, other.pixels)


def test_what_cannot_be_augmented_is_refused(bank: ImageBank, tiny_backbone: Backbone) -> None:
    with pytest.raises(GramError, match="at least 1"):
        with_views(bank, SUPPORT, tiny_backbone, 0)
    with pytest.raises(GramError, match="pixels"):
        with_views(replace(bank, pixels=None), SUPPORT, tiny_backbone, 1)
