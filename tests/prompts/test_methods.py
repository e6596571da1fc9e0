from __future__ import annotations

from typing import Any

import pytest
import torch

from gram_core.backbones import Backbone
from gram_core.errors import GramError
from gram_core.prompts import (
    METHODS,
    Batch,
    Context,
    ImageBank,
    Method,
    Params,
    PlainImages,
    VisualTokens,
    build_method,
    repeat_params,
    stack_params,
)

NAMES = ["cat", "fire engine", "tree"]


@pytest.fixture(scope="module")
def double(tiny_backbone: Backbone) -> Backbone:
    return tiny_backbone.double()


@pytest.fixture(scope="module")
def bank(double: Backbone) -> ImageBank:
    generator = torch.Generator().manual_seed(0)
    size = (12, 3, double.image_size, double.image_size)
    return ImageBank.of(double, torch.randint(0, 256, size, generator=generator, dtype=torch.uint8))


def _moved(method: Method, backbone: Backbone, count: int) -> Params:
    """Different parameters for each of `count` tasks."""
    generator = torch.Generator().manual_seed(1)
    return {
        key: value + 0.1 * torch.randn(value.shape, generator=generator).to(value)
        for key, value in repeat_params(method.initial(backbone), count).items()
    }


def _rows(*rows: list[int]) -> torch.Tensor:
    return torch.tensor(rows)


def test_coop_starts_at_zero_shot(double: Backbone, bank: ImageBank) -> None:
    batch = Batch(torch.arange(12)[None])
    logits = []
    for name in ("coop", "zero-shot"):
        method = build_method(name)
        params = repeat_params(method.initial(double), 1)
        logits.append(method.logits(params, method.constants(double, NAMES, bank), batch))
    assert torch.allclose(logits[0], logits[1], atol=1e-9)


def test_zero_shot_is_plain_clip(double: Backbone, bank: ImageBank) -> None:
    method = build_method("zero-shot", template="there is a {} here")
    logits = method.logits({}, method.constants(double, NAMES, bank), Batch(torch.arange(12)[None]))
    texts = double.tokenizer([f"there is a {name} here" for name in NAMES])
    text = torch.nn.functional.normalize(double.model.encode_text(texts), dim=-1)
    assert bank.features is not None
    assert torch.allclose(logits[0], double.logit_scale * bank.features @ text.T, atol=1e-9)


@pytest.mark.parametrize("name", METHODS)
def test_tasks_side_by_side_are_tasks_alone(name: str, double: Backbone, bank: ImageBank) -> None:
    method = build_method(name)
    constants = method.constants(double, NAMES, bank)
    params = _moved(method, double, 2)
    images, classes = _rows([0, 1, 2], [5, 2, 7]), _rows([0, 1], [2, 0])
    together = method.logits(params, constants, Batch(images, classes))
    assert together.shape == (2, 3, 2)
    for task in range(2):
        one = slice(task, task + 1)
        alone = method.logits(
            {key: value[one] for key, value in params.items()},
            constants,
            Batch(images[one], classes[one]),
        )
        assert torch.allclose(together[one], alone, atol=1e-9)
    if params:
        assert not torch.allclose(
            together, method.logits(repeat_params(method.initial(double), 2), constants,
                                    Batch(images, classes))
        )  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_padding_classes_change_nothing(name: str, double: Backbone, bank: ImageBank) -> None:
    method = build_method(name)
    constants = method.constants(double, NAMES, bank)
    params = _moved(method, double, 1)
    images = _rows([0, 1, 2])
    padded = Batch(images, _rows([1, 2, 0]), torch.tensor([[True, True, False]]))
    plain = Batch(images, _rows([1, 2]))
    probabilities = method.logits(params, constants, padded).softmax(-1)
    assert torch.allclose(
        probabilities[..., :2], method.logits(params, constants, plain).softmax(-1)
    )
    assert (probabilities[..., 2] == 0).all()


@pytest.mark.parametrize("name", ["coop", "vpt", "ivlp"])
def test_every_parameter_matters(name: str, double: Backbone, bank: ImageBank) -> None:
    method = build_method(name)
    constants = method.constants(double, NAMES, bank)
    params = {key: value.requires_grad_() for key, value in _moved(method, double, 1).items()}
    loss = method.logits(params, constants, Batch(torch.arange(12)[None])).softmax(-1)[..., 0].sum()
    for gradient in torch.autograd.grad(loss, list(params.values())):
        assert (gradient.abs().sum(-1) > 0).all()


def test_other_classes_and_images_are_as_if_made_anew(double: Backbone, bank: ImageBank) -> None:
    assert bank.pixels is not None
    for name in METHODS:
        method = build_method(name)
        params = _moved(method, double, 1)
        other = ImageBank.of(double, bank.pixels[6:])
        constants = method.constants(double, NAMES, bank)
        changed = method.with_images(method.with_classes(constants, ["bus", "car"]), other)
        fresh = method.constants(double, ["bus", "car"], other)
        batch = Batch(torch.arange(6)[None])
        assert torch.equal(
            method.logits(params, changed, batch), method.logits(params, fresh, batch)
        )


def test_visual_passes_in_pieces_give_the_whole(
    double: Backbone, bank: ImageBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = build_method("vpt")
    constants, params = method.constants(double, NAMES, bank), _moved(method, double, 2)
    images = torch.arange(12).expand(2, -1)
    with torch.no_grad():
        whole = method.image_features(params, constants, images)
        monkeypatch.setattr(VisualTokens, "images_at_once", 7)
        pieces = method.image_features(params, constants, images)
    assert torch.allclose(whole, pieces, atol=1e-12)


def test_half_precision_features_are_of_length_one(double: Backbone, bank: ImageBank) -> None:
    assert bank.features is not None
    kept = ImageBank(features=bank.features.half())
    features = PlainImages().constants(double, kept)
    assert features.dtype == double.dtype
    assert torch.allclose(features.norm(dim=1), torch.ones(12, dtype=double.dtype))
    assert torch.allclose(features, bank.features, atol=1e-3)


def test_words_stand_next_to_the_name(tiny_backbone: Backbone) -> None:
    words = tiny_backbone.text.word_embeddings("a photo of a")
    count = len(words)
    longer = Context(count + 2).initial(tiny_backbone, 0)["text.context"]
    assert torch.equal(longer[2:], words)
    assert 0 < longer[:2].std() < 0.1
    assert torch.equal(Context(2).initial(tiny_backbone, 0)["text.context"], words[:2])
    drawn = Context(3, words="")
    first, second, again = (
        drawn.initial(tiny_backbone, seed)["text.context"] for seed in (0, 1, 0)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_starts_of_several_seeds_stack(tiny_backbone: Backbone) -> None:
    method = build_method("ivlp", tokens=3, visual_tokens=2)
    starts = stack_params([method.initial(tiny_backbone, seed) for seed in (0, 1)])
    assert starts["text.context"].shape == (2, 3, tiny_backbone.text_width)
    assert starts["visual.tokens"].shape == (2, 2, tiny_backbone.visual_width)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_its_name_and_options(name: str) -> None:
    options: dict[str, Any] = {} if name == "zero-shot" else {"tokens": 2}
    method = build_method(name, **options)
    assert build_method(method.name, **method.options) == method


def test_bad_methods_are_refused() -> None:
    with pytest.raises(GramError, match="coop"):
        build_method("magic")
    with pytest.raises(GramError, match="no option 'depth'"):
        build_method("coop", depth=2)
    for name in ("coop", "vpt", "ivlp"):
        with pytest.raises(GramError, match="from 1 to"):
            build_method(name, tokens=0)
    with pytest.raises(GramError, match="template"):
        build_method("zero-shot", template="a photo")


def test_bad_classes_are_refused(double: Backbone, bank: ImageBank) -> None:
    method = build_method("zero-shot")
    with pytest.raises(GramError, match="one name"):
        method.constants(double, ["fire engine", "dog", "Fire_engine"], bank)
    with pytest.raises(GramError, match="no name"):
        method.constants(double, ["dog", " "], bank)
    with pytest.raises(GramError, match="no classes"):
        method.constants(double, [], bank)


def test_visual_tokens_need_pixels(double: Backbone, bank: ImageBank) -> None:
    with pytest.raises(GramError, match="pixels"):
        build_method("vpt").constants(double, NAMES, ImageBank(features=bank.features))
