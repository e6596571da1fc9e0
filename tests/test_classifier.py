from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gram_core.backbones import Backbone, open_backbone
from gram_core.classifier import ABOUT, PROMPTS, PromptedClassifier
from gram_core.errors import GramError
from gram_core.prompts import METHODS, Batch, Context, ImageBank, Method, PlainImages, build_method

NAMES = ["cat", "fire engine", "tree", "boat"]


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (36, 48, 3), dtype=np.uint8) for _ in range(3)]


def _classifier(backbone: Backbone, name: str) -> PromptedClassifier:
    method = build_method(name)
    params = {key: value + 0.05 for key, value in method.initial(backbone, 3).items()}
    return PromptedClassifier(backbone, method, params, NAMES, {"rule": "raw", "base": 0.8})


@pytest.fixture(params=METHODS)
def classifier(request: pytest.FixtureRequest, tiny_backbone: Backbone) -> PromptedClassifier:
    return _classifier(tiny_backbone, request.param)


def test_predicts_what_the_method_says(
    classifier: PromptedClassifier, tiny_backbone: Backbone, pictures: list[np.ndarray]
) -> None:
    method = classifier.method
    constants = method.constants(tiny_backbone, NAMES, ImageBank.of(tiny_backbone, pictures))
    params = {key: value[None] for key, value in classifier.params.items()}
    logits = method.logits(params, constants, Batch(torch.arange(3)[None]))[0]
    for ranking, expected in zip(classifier.predict(pictures), logits.softmax(-1), strict=True):
        assert [value for _, value in ranking] == sorted((v for _, v in ranking), reverse=True)
        assert sum(value for _, value in ranking) == pytest.approx(1, abs=1e-5)
        for name, value in ranking:
            assert value == pytest.approx(float(expected[NAMES.index(name)]), abs=1e-5)


def test_a_saved_classifier_is_the_same(
    classifier: PromptedClassifier, pictures: list[np.ndarray], tmp_path: Path
) -> None:
    written = classifier.save(tmp_path / "mine")
    files = {file.name: file.stat().st_size for file in (tmp_path / "mine").iterdir()}
    assert set(files) == {PROMPTS, ABOUT}
    assert sum(files.values()) == written < 8_000
    loaded = PromptedClassifier.load(tmp_path / "mine")
    assert loaded.predict(pictures) == classifier.predict(pictures)
    assert loaded.about == classifier.about
    assert loaded.method == classifier.method
    assert loaded.parameters == classifier.parameters


def test_saved_words_can_be_read_by_people(tiny_backbone: Backbone, tmp_path: Path) -> None:
    _classifier(tiny_backbone, "coop").with_classes(["été", "hiver"]).save(tmp_path)
    about = json.loads((tmp_path / ABOUT).read_text("utf-8"))
    assert about["class_names"] == ["été", "hiver"]
    assert about["method"] == {"name": "coop", "options": {"tokens": 4, "words": "a photo of a"}}
    assert about["backbone"]["fingerprint"] == tiny_backbone.fingerprint
    assert about["about"] == {"rule": "raw", "base": 0.8}


def test_another_backbone_is_refused(
    classifier: PromptedClassifier, write_backbone: Callable[..., Path], tmp_path: Path
) -> None:
    classifier.save(tmp_path / "mine")
    other = open_backbone(str(write_backbone(tmp_path / "other", text={"layers": 2})))
    with pytest.raises(GramError, match="other weights"):
        PromptedClassifier.load(tmp_path / "mine", other)


def test_other_classes_are_as_if_made_for_them(
    classifier: PromptedClassifier, pictures: list[np.ndarray]
) -> None:
    other = classifier.with_classes(["bus", "Tree"])
    fresh = PromptedClassifier(classifier.backbone, classifier.method, classifier.params,
                               ["bus", "Tree"])  # fmt: skip
    assert other.predict(pictures) == fresh.predict(pictures)
    assert {name for name, _ in other.predict(pictures)[0]} == {"bus", "Tree"}
    assert list(classifier.class_names) == NAMES


def test_one_image_or_many_in_any_form(
    tiny_backbone: Backbone, pictures: list[np.ndarray], tmp_path: Path
) -> None:
    classifier = _classifier(tiny_backbone, "ivlp")
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
    with pytest.raises(GramError, match="at least one"):
        PromptedClassifier(tiny_backbone, method, params, NAMES).predict([], top=0)


def test_a_method_of_unknown_making_is_not_saved(tiny_backbone: Backbone, tmp_path: Path) -> None:
    method = Method("coop", Context(2), PlainImages())
    classifier = PromptedClassifier(tiny_backbone, method, method.initial(tiny_backbone), NAMES)
    with pytest.raises(GramError, match="build_method"):
        classifier.save(tmp_path)


def test_unreadable_images_are_refused(tiny_backbone: Backbone, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 and nothing more")
    with pytest.raises(GramError, match=r"broken\.jpg"):
        _classifier(tiny_backbone, "coop").predict(tmp_path / "broken.jpg")


def test_broken_folders_are_refused(tiny_backbone: Backbone, tmp_path: Path) -> None:
    with pytest.raises(GramError, match="no whole classifier"):
        PromptedClassifier.load(tmp_path / "nowhere")
    for name, content in ((PROMPTS, b"torn"), (ABOUT, b"{"), (ABOUT, b"{}"), (ABOUT, b"3")):
        folder = tmp_path / "torn"
        _classifier(tiny_backbone, "coop").save(folder)
        (folder / name).write_bytes(content)
        with pytest.raises(GramError, match="no whole classifier"):
            PromptedClassifier.load(folder)
