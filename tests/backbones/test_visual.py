from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from gram_core.backbones import Backbone, VisualTower, open_backbone
from gram_core.errors import GramError

CheckDerivatives = Callable[[Callable[[Tensor], Tensor], Tensor], None]
AVERAGE = {"pool_type": "avg", "final_ln_after_pool": True, "ls_init_value": 0.5}


def pictures(count: int, size: tuple[int, int] = (40, 52)) -> list[Image.Image]:
    generator = np.random.default_rng(0)
    return [
        Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8))
        for _ in range(count)
    ]


def tower(backbone: Backbone) -> VisualTower:
    return backbone.visual_tower()


def random_tokens(backbone: Backbone, batch: int, count: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    shape = (batch, count, tower(backbone).width)
    return torch.randn(shape, generator=generator, dtype=backbone.dtype)


def plain_encode(backbone: Backbone, pixels: Tensor, tokens: Tensor) -> Tensor:
    """Images `(N, 3, H, W)` under one set of tokens `(n, d)` through open_clip's own modules."""
    visual = backbone.model.visual
    images = (pixels.to(backbone.dtype) / 255 - backbone.mean) / backbone.std
    rows = visual.conv1(images).flatten(2).transpose(1, 2)
    first = visual.class_embedding.expand(len(rows), 1, -1)
    rows = torch.cat([first, rows], dim=1) + visual.positional_embedding
    count = rows.shape[1]
    rows = torch.cat([rows, tokens.expand(len(rows), -1, -1)], dim=1)
    rows = visual.transformer(visual.ln_pre(rows))
    pooled, _ = visual._pool(rows[:, :count])
    return F.normalize(pooled @ visual.proj, dim=-1)


@pytest.fixture(scope="module", params=["token", "average"])
def exact(
    request: pytest.FixtureRequest,
    write_backbone: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Backbone:
    vision = AVERAGE if request.param == "average" else {}
    folder = write_backbone(tmp_path_factory.mktemp(request.param) / "model", vision=vision)
    return open_backbone(str(folder)).double()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quick_gelu": True},
        {"vision": {"pool_type": "avg"}},
        {"vision": AVERAGE},
        {
            "vision": {
                "no_ln_pre": True,
                "pos_embed_type": "sin_cos_2d",
                "norm_kwargs": {"eps": 0.1},
            }
        },
    ],
    ids=["gelu", "quick_gelu", "average", "average_normed", "no_ln_pre"],
)
def test_no_tokens_give_the_features_of_the_image(
    options: dict[str, object], write_backbone: Callable[..., Path], tmp_path: Path
) -> None:
    assert_images_equal(open_backbone(str(write_backbone(tmp_path / "model", **options))))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["ViT-B-16", "ViT-B-16-quickgelu"])
def test_no_tokens_give_the_features_of_the_image_at_full_size(model: str) -> None:
    assert_images_equal(open_backbone(f"{model}/random"))


def assert_images_equal(backbone: Backbone) -> None:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    images = pictures(3)
    settings = PreprocessCfg(**backbone.model.visual.preprocess_cfg)
    prepare = image_transform_v2(settings, is_train=False)
    with torch.no_grad():
        inputs = torch.stack([prepare(image) for image in images])
        expected = backbone.model.encode_image(inputs, normalize=True)
    pixels = backbone.pixels(images)
    torch.testing.assert_close(tower(backbone).encode(pixels[None])[0], expected, atol=1e-5, rtol=0)
    got = backbone.encode_images(pixels, batch=2)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    assert got.dtype == torch.float32
    assert (expected[0] - expected[1]).norm() > 1e-3


def test_tokens_equal_the_plain_computation(exact: Backbone) -> None:
    tokens = random_tokens(exact, 1, 3).requires_grad_(True)
    pixels = exact.pixels(pictures(2))
    ours = tower(exact).encode(pixels[None], tokens)[0]
    plain = plain_encode(exact, pixels, tokens[0])
    torch.testing.assert_close(ours, plain, atol=1e-12, rtol=0)
    assert (ours - exact.encode_images(pixels)).norm() > 1e-2

    weights = torch.randn(plain.shape, generator=torch.Generator().manual_seed(1)).double()
    (ours_gradient,) = torch.autograd.grad((ours * weights).sum(), tokens)
    (plain_gradient,) = torch.autograd.grad((plain * weights).sum(), tokens)
    torch.testing.assert_close(ours_gradient, plain_gradient, atol=1e-12, rtol=0)


def test_a_batch_of_tokens_equals_one_by_one(exact: Backbone) -> None:
    tokens = random_tokens(exact, 2, 3)
    pixels = exact.pixels(pictures(6)).unflatten(0, (2, 3))
    together = tower(exact).encode(pixels, tokens)
    assert together.shape == (2, 3, exact.embed_dim)
    for row in range(2):
        alone = tower(exact).encode(pixels[row : row + 1], tokens[row : row + 1])[0]
        torch.testing.assert_close(together[row], alone, atol=1e-12, rtol=0)


def test_embedded_patches_stand_for_pixels(exact: Backbone) -> None:
    tokens = random_tokens(exact, 2, 3)
    pixels = exact.pixels(pictures(4)).unflatten(0, (2, 2))
    embedded = tower(exact).embed(pixels)
    assert embedded.shape == (2, 2, 17, 48)
    torch.testing.assert_close(
        tower(exact).encode(embedded, tokens), tower(exact).encode(pixels, tokens)
    )


def test_first_and_second_derivatives_equal_differences(
    exact: Backbone, check_derivatives: CheckDerivatives
) -> None:
    embedded = tower(exact).embed(exact.pixels(pictures(2))[None])
    generator = torch.Generator().manual_seed(3)
    texts = F.normalize(torch.randn(3, 24, generator=generator).double(), dim=-1)

    def loss(tokens: Tensor) -> Tensor:
        logits = 10 * tower(exact).encode(embedded, tokens)[0] @ texts.T
        return F.cross_entropy(logits, torch.tensor([2, 0]))

    check_derivatives(loss, random_tokens(exact, 1, 2))


def test_grey_and_transparent_pictures_are_read_as_colour(tiny_backbone: Backbone) -> None:
    picture = pictures(1, (32, 32))[0]
    with_alpha = picture.copy()
    with_alpha.putalpha(255)
    pixels = tiny_backbone.pixels([picture, with_alpha, picture.convert("L")])
    assert pixels.shape == (3, 3, 32, 32)
    assert pixels.dtype == torch.uint8
    assert torch.equal(pixels[0], torch.from_numpy(np.array(picture)).permute(2, 0, 1))
    assert torch.equal(pixels[0], pixels[1])
    assert torch.equal(pixels[2, 0], pixels[2, 1])


def test_inputs_of_another_shape_are_refused(tiny_backbone: Backbone) -> None:
    visual = tower(tiny_backbone)
    with pytest.raises(GramError, match="40 x 40 pixels"):
        visual.encode(torch.zeros(1, 1, 3, 40, 40, dtype=torch.uint8))
    pixels = torch.zeros(2, 1, 3, 32, 32, dtype=torch.uint8)
    with pytest.raises(GramError, match=r"\(B, N, 17, 48\)"):
        visual.encode(pixels[0])
    with pytest.raises(GramError, match=r"\(2, n, 48\)"):
        visual.encode(pixels, torch.zeros(1, 4, 48))
