from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from gram_core.backbones import Backbone, open_backbone
from gram_core.errors import GramError
from gram_core.prompts import (
    METHODS,
    PROMPTED,
    Batch,
    Context,
    ImageBank,
    Method,
    Params,
    PlainImages,
    build_method,
    repeat_params,
    stack_params,
    token_keys,
    visual,
)
from gram_core.prompts import method as method_module

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
    """Different parameters for each of `count` tasks; a cache holds four images."""
    generator = torch.Generator().manual_seed(1)
    params = repeat_params(method.initial(backbone), count)
    if method.cache is not None:
        images = torch.randn(count, 4, 1, backbone.embed_dim, generator=generator)
        codes = method.cache.constants(backbone, NAMES)
        labels = torch.tensor([0, 1, 2, 1]).expand(count, -1)
        params |= method.cache.filled(images.to(codes), codes, labels)
    return {
        key: value
        if key in method.fixed
        else value + 0.1 * torch.randn(value.shape, generator=generator).to(value)
        for key, value in params.items()
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
        exchanged = {key: value.flip(0) for key, value in params.items()}
        assert not torch.allclose(
            together, method.logits(exchanged, constants, Batch(images, classes))
        )


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


@pytest.mark.parametrize("name", PROMPTED)
def test_every_parameter_matters(name: str, double: Backbone, bank: ImageBank) -> None:
    method = build_method(name)
    constants = method.constants(double, NAMES, bank)
    params = {key: value.requires_grad_() for key, value in _moved(method, double, 1).items()}
    loss = method.logits(params, constants, Batch(torch.arange(12)[None])).softmax(-1)[..., 0].sum()
    gradients = torch.autograd.grad(loss, list(params.values()))
    for key, gradient in zip(params, gradients, strict=True):
        if key in token_keys(params):
            assert (gradient.abs().sum(-1) > 0).all()
        assert gradient.abs().max() > 0


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


def test_passes_in_pieces_give_the_whole(
    double: Backbone, bank: ImageBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, module in (("vpt-deep", visual), ("cocoop", method_module)):
        method = build_method(name)
        constants, params = method.constants(double, NAMES, bank), _moved(method, double, 2)
        batch = Batch(torch.arange(12).expand(2, -1))
        task, image = method.memory(constants, len(NAMES))
        assert (task, image > 0) == (0, True)
        tower = type(double.text if name == "cocoop" else double.visual_tower())
        encode = tower.encode
        passes: list[int] = []

        def counted(self: Any, *given: Any, encode: Any = encode, seen: Any = passes) -> Any:
            seen.append(len(given[0]))
            return encode(self, *given)

        with torch.no_grad(), monkeypatch.context() as patch:
            patch.setattr(tower, "encode", counted)
            whole = method.logits(params, constants, batch)
            assert len(passes) == 1
            patch.setattr(module, "BUDGET", 10 * image)
            pieces = method.logits(params, constants, batch)
            assert len(passes) == 1 + 3  # five images of both tasks at a time
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


@pytest.mark.parametrize("name", ["language-deep", "vpt-deep", "cocoop", "maple"])
def test_what_is_drawn_is_drawn_by_the_seed(name: str, tiny_backbone: Backbone) -> None:
    method = build_method(name)
    first, second, again = (method.initial(tiny_backbone, seed) for seed in (0, 1, 0))
    for key, value in first.items():
        assert torch.equal(value, again[key])
        assert key == "text.context" or not torch.equal(value, second[key]), key
    drawn = [value for key, value in first.items() if key in token_keys(first)]
    assert all(not torch.equal(one, other) for one, other in pairwise(drawn))


def test_starts_of_several_seeds_stack(tiny_backbone: Backbone) -> None:
    method = build_method("ivlp", tokens=3, visual_tokens=2)
    starts = stack_params([method.initial(tiny_backbone, seed) for seed in (0, 1)])
    assert starts["text.context"].shape == (2, 3, tiny_backbone.text_width)
    assert starts["visual.tokens"].shape == (2, 2, tiny_backbone.visual_width)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_its_name_and_options(name: str) -> None:
    options: dict[str, Any] = {"tokens": 2} if name in PROMPTED else {"template": ["a {}", "{}!"]}
    method = build_method(name, **options)
    assert build_method(method.name, **method.options) == method


def test_bad_methods_are_refused() -> None:
    with pytest.raises(GramError, match="coop"):
        build_method("magic")
    with pytest.raises(GramError, match="no option 'depth'"):
        build_method("coop", depth=2)
    for name in PROMPTED:
        with pytest.raises(GramError, match="from 1 to"):
            build_method(name, tokens=0)
    for name in ("vpt", "vpt-deep", "language-deep", "ivlp", "maple"):
        for depth in (0, True, "all"):
            with pytest.raises(GramError, match=r"give 1 .* or more, or None"):
                build_method(name, depth=depth)
    with pytest.raises(GramError, match="end, middle, front"):
        build_method("coop", position="back")
    with pytest.raises(GramError, match="number from 0"):
        build_method("tip-adapter", beta=-1)
    with pytest.raises(GramError, match="words is 3"):
        build_method("coop", words=3)
    with pytest.raises(GramError, match="true or false"):
        build_method("coop", class_specific="maybe")
    for template in ("a photo", ["a {}", "{} and {}"], [], 3):
        with pytest.raises(GramError, match="template"):
            build_method("zero-shot", template=template)


@pytest.mark.parametrize(
    ("name", "options", "allowed"),
    [
        ("language-deep", {"depth": 4}, "text tower .* has 3 blocks; give 1 to 3"),
        ("vpt", {"depth": 3}, "visual tower .* has 2 blocks; give 1 to 2"),
        ("maple", {"depth": 3}, "visual tower .* has 2 blocks; give 1 to 2"),
    ],
)
def test_depths_beyond_the_tower_are_refused(
    name: str, options: dict[str, Any], allowed: str, tiny_backbone: Backbone
) -> None:
    with pytest.raises(GramError, match=allowed):
        build_method(name, **options).initial(tiny_backbone)


def test_words_left_over_stand_before_a_name_at_the_end_only(
    double: Backbone, bank: ImageBank
) -> None:
    method = build_method("coop", tokens=2, position="front")
    with pytest.raises(GramError, match="give as many tokens, or fewer words"):
        method.constants(double, NAMES, bank)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        ("zero-shot", {}, 0),
        ("coop", {}, 2_048),
        ("coop", {"tokens": 16}, 8_192),
        ("cocoop", {}, 35_360),
        ("vpt-deep", {}, 73_728),
        ("language-deep", {}, 24_576),
        ("ivlp", {"tokens": 2, "depth": 12, "visual_depth": 12}, 30_720),
        ("ivlp", {"depth": 9, "visual_depth": 9}, 46_080),
        ("maple", {}, 3_555_072),
    ],
)
def test_published_numbers_of_parameters(
    name: str, options: dict[str, Any], parameters: int, full_size: Backbone
) -> None:
    initial = build_method(name, **options).initial(full_size)
    assert sum(value.numel() for value in initial.values()) == parameters


@pytest.fixture(scope="module")
def full_size() -> Backbone:
    return open_backbone("ViT-B-16/random")


def test_templates_by_the_name_of_a_dataset_and_ensembles(
    double: Backbone, bank: ImageBank
) -> None:
    named = build_method("zero-shot", template="eurosat")
    spelled = build_method("zero-shot", template="a centered satellite photo of {}.")
    assert named == spelled
    ensemble = build_method("zero-shot", template="imagenet-7")
    features = ensemble.constants(double, NAMES, bank).text
    sentences = ensemble.text.sentences  # type: ignore[attr-defined]
    assert len(sentences) == 7
    each = torch.stack(
        [build_method("zero-shot", template=s).constants(double, NAMES, bank).text
         for s in sentences]
    )  # fmt: skip
    expected = torch.nn.functional.normalize(each.mean(0), dim=-1)
    assert torch.allclose(features, expected, atol=1e-12)
    assert len(build_method("zero-shot", template="imagenet-80").text.sentences) == 80  # type: ignore[attr-defined]


def test_maps_of_later_blocks_start_alike(write_backbone: Any, tmp_path: Path) -> None:
    folder = write_backbone(tmp_path / "deep", vision={"layers": 4}, text={"layers": 4})
    initial = build_method("maple").initial(open_backbone(str(folder)))
    first, *later = (initial[f"visual.coupling{depth}"] for depth in ("", ".1", ".2", ".3"))
    assert not torch.equal(first, later[0])
    assert all(torch.equal(later[0], each) for each in later)
    assert later[0].data_ptr() != later[1].data_ptr()


def test_a_cache_votes_for_classes_by_their_name(double: Backbone, bank: ImageBank) -> None:
    method, plain = build_method("tip-adapter", alpha=2.0), build_method("zero-shot")
    batch = Batch(torch.arange(12)[None])
    constants = method.constants(double, NAMES, bank)
    params = method.prepared({}, constants, torch.tensor([[0, 1]]), torch.tensor([[2, 0]]))
    renamed = method.with_classes(constants, ["Fire_Engine", "TREE", "dog"])
    gained = (method.logits(params, renamed, batch) - plain.logits({}, renamed, batch))[0]
    features = bank.features
    assert features is not None
    vote = 2 * torch.exp(-5.5 * (1 - features @ features[0]))
    assert torch.allclose(gained[:, 1], vote, atol=1e-9)
    assert (gained[:, [0, 2]] == 0).all()


def test_keys_are_the_mean_of_views(double: Backbone, bank: ImageBank) -> None:
    method = build_method("tip-adapter-f")
    constants = method.constants(double, NAMES, bank)
    views = torch.tensor([[[0, 1], [2, 3]]])
    params = method.prepared({}, constants, views, torch.tensor([[0, 1]]))
    assert bank.features is not None
    mean = torch.nn.functional.normalize(bank.features[:2].mean(0), dim=-1)
    assert torch.allclose(params["visual.cache_keys"][0, 0], mean)
    assert method.fixed == {"visual.cache_labels"}
    assert method.learns(double)
    assert not build_method("tip-adapter").learns(double)


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
