from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gram_core.backbones import Backbone, TextTower
from gram_core.classifier import PromptedClassifier
from gram_core.errors import GramError
from gram_core.prompts import Batch, ImageBank, build_method
from tests.classifier.conftest import NAMES, Make

OTHERS = ["bus", "Tree"]


def test_predicts_what_the_method_says(
    classifier: PromptedClassifier, tiny_backbone: Backbone, pictures: list[np.ndarray]
) -> None:
    method = classifier.method
    constants = method.constants(tiny_backbone, NAMES, ImageBank.of(tiny_backbone, pictures))
    params = {key: value[None] for key, value in classifier.params.items()}
    with torch.no_grad():
        logits = method.logits(params, constants, Batch(torch.arange(3)[None]))[0]
    for ranking, expected in zip(classifier.predict(pictures), logits.softmax(-1), strict=True):
        assert [value for _, value in ranking] == sorted((v for _, v in ranking), reverse=True)
        assert sum(value for _, value in ranking) == pytest.approx(1, abs=1e-5)
        for name, value in ranking:
            assert value == pytest.approx(float(expected[NAMES.index(name)]), abs=1e-5)


def test_classes_are_read_once(
    classifier: PromptedClassifier, pictures: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    encode = TextTower.encode

    def counting(self: TextTower, context: torch.Tensor, *rest: object) -> torch.Tensor:
        read.append(len(context))
        return encode(self, context, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(TextTower, "encode", counting)
    fresh = replace(classifier)
    many = [picture for picture in pictures for _ in range(40)]  # two parts, opened and scored
    first = fresh.predict(many)
    if classifier.method.name == "cocoop":
        assert read == [64, 56]
    else:
        assert read == [1]
    assert fresh.predict(many) == first
    assert classifier.method.name == "cocoop" or read == [1]


def test_a_bank_is_what_its_images_are(
    classifier: PromptedClassifier, tiny_backbone: Backbone, pictures: list[np.ndarray]
) -> None:
    expected = classifier.probabilities(pictures)
    bank = ImageBank.of(tiny_backbone, pictures)
    assert torch.allclose(classifier.probabilities(bank), expected, atol=1e-6)
    assert classifier.probabilities(ImageBank(torch.empty(0, 3, 32, 32).byte())).shape == (0, 4)


def test_only_what_was_learned_is_counted(tiny_backbone: Backbone, make: Make) -> None:
    width, feature = tiny_backbone.text_width, tiny_backbone.embed_dim
    assert make("zero-shot").parameters == make("tip-adapter").parameters == 0
    assert make("tip-adapter-f").parameters == 6 * feature
    assert make("coop").parameters == 4 * width
    assert make("coop", class_specific=True).parameters == len(NAMES) * 4 * width


def test_other_classes_are_as_if_made_for_them(
    classifier: PromptedClassifier, pictures: list[np.ndarray]
) -> None:
    if classifier.method.text.class_specific:
        with pytest.raises(GramError, match="context of its own, and 'bus' has none"):
            classifier.with_classes(OTHERS)
        return
    other = classifier.with_classes(OTHERS)
    fresh = PromptedClassifier(classifier.backbone, classifier.method, classifier.params, OTHERS)
    assert other.predict(pictures) == fresh.predict(pictures)
    assert {name for name, _ in other.predict(pictures)[0]} == {"bus", "Tree"}
    assert list(classifier.class_names) == list(NAMES)


def test_contexts_of_classes_go_with_their_names(make: Make, pictures: list[np.ndarray]) -> None:
    classifier = make("coop", class_specific=True)
    before = classifier.logits(pictures)
    assert not torch.allclose(*classifier.params["text.context"][:2])
    turned = classifier.with_classes(["Boat", "cat"])
    assert torch.allclose(turned.logits(pictures), before[:, [3, 0]], atol=1e-5)


def test_a_class_without_images_is_zero_shot(make: Make, pictures: list[np.ndarray]) -> None:
    names = ["bus", "cat", "tree"]
    cached = make("tip-adapter").with_classes(names).logits(pictures)
    plain = make("zero-shot").with_classes(names).logits(pictures)
    assert torch.allclose(cached[:, [0, 2]], plain[:, [0, 2]], atol=1e-5)
    assert (cached[:, 1] > plain[:, 1] + 1e-4).all()


def test_one_image_or_many_in_any_form(
    make: Make, pictures: list[np.ndarray], tmp_path: Path
) -> None:
    classifier = make("ivlp")
    picture = Image.fromarray(pictures[0])
    picture.save(tmp_path / "picture.png")
    expected = classifier.predict([picture], top=2)
    assert len(expected) == 1
    assert len(expected[0]) == 2
    for form in (tmp_path / "picture.png", str(tmp_path / "picture.png"), picture, pictures[0]):
        assert classifier.predict(form, top=2) == expected
    many = classifier.predict(np.stack(pictures), top=2)
    assert [name for name, _ in many[0]] == [name for name, _ in expected[0]]
    assert len(many) == 3
    assert classifier.predict([]) == []


def test_what_cannot_be_a_classifier_is_refused(tiny_backbone: Backbone) -> None:
    method = build_method("coop")
    params = method.initial(tiny_backbone)
    with pytest.raises(GramError, match="one class only"):
        PromptedClassifier(tiny_backbone, method, params, ["cat"])
    with pytest.raises(GramError, match="one name"):
        PromptedClassifier(tiny_backbone, method, params, ["cat", "dog"]).with_classes(["a", "A"])
    with pytest.raises(GramError, match="do not fit"):
        PromptedClassifier(tiny_backbone, build_method("coop", tokens=2), params, NAMES)
    with pytest.raises(GramError, match="do not fit"):  # one context, where each class has its own
        PromptedClassifier(tiny_backbone, build_method("coop", class_specific=True), params, NAMES)
    with pytest.raises(GramError, match="do not fit"):  # there is no cache
        PromptedClassifier(tiny_backbone, build_method("tip-adapter"), {}, NAMES)
    gone = {key: value * torch.nan for key, value in params.items()}
    with pytest.raises(GramError, match="no numbers"):
        PromptedClassifier(tiny_backbone, method, gone, NAMES)
    with pytest.raises(GramError, match=r"temperature is 0\.0"):
        PromptedClassifier(tiny_backbone, method, params, NAMES, temperature=0.0)
    with pytest.raises(GramError, match="at least one"):
        PromptedClassifier(tiny_backbone, method, params, NAMES).predict([], top=0)


def test_a_classifier_is_exact_on_an_inexact_backbone(
    make: Make, pictures: list[np.ndarray]
) -> None:
    classifier = make("ivlp")
    half = replace(classifier, backbone=classifier.backbone.bfloat16())
    assert torch.equal(half.logits(pictures), classifier.logits(pictures))


def test_unreadable_images_are_refused(make: Make, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 and nothing more")
    with pytest.raises(GramError, match=r"broken\.jpg"):
        make("coop").predict(tmp_path / "broken.jpg")
