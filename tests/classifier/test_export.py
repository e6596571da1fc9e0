from __future__ import annotations

import builtins
import importlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gram_core.backbones import Backbone, open_backbone
from gram_core.classifier import PromptedClassifier
from gram_core.errors import GramError
from gram_core.prompts import ImageBank, build_method
from tests.classifier.conftest import NAMES, Make


def _ranked(readme: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the lines of the README leave, run in its folder."""
    (code,) = re.findall(r"```python\n(.*?)```", readme.read_text("utf-8"), re.DOTALL)
    monkeypatch.chdir(readme.parent)
    found: dict[str, Any] = {}
    exec(compile(code, str(readme), "exec"), found)
    return found


@pytest.mark.parametrize(
    ("name", "options"),
    [("coop", {}), ("vpt-deep", {}), ("maple", {}), ("tip-adapter-f", {})],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_is_taken_away_classifies_the_same(
    name: str,
    options: dict[str, Any],
    make: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    classifier = replace(make(name, **options), temperature=2.0)
    written = classifier.export(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(written)
    picture = np.random.default_rng(5).integers(0, 256, (53, 40, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "picture.jpg")
    found = _ranked(tmp_path / "README.md", monkeypatch)
    expected = classifier.predict(tmp_path / "picture.jpg")[0]
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{each}: {value:.1%}" for each, value in expected]
    values = dict(zip(found["names"], found["probabilities"][0], strict=True))
    for each, value in expected:
        assert values[each] == pytest.approx(value, abs=1e-4)

    runtime = importlib.import_module("onnxruntime")
    session = runtime.InferenceSession(str(tmp_path / "image_tower.onnx"))
    generator = torch.Generator().manual_seed(2)
    for count in (1, 2, 5):
        pixels = torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
        (features,) = session.run(None, {"pixels": pixels.numpy()})
        method = classifier.method
        constants = method.constants(classifier.backbone, NAMES, ImageBank(pixels))
        params = {key: value[None] for key, value in classifier.params.items()}
        with torch.no_grad():
            rows = torch.arange(count)[None]
            engine = method.image_features(params, constants, rows)[0].numpy()
        assert features.dtype == np.float32
        assert np.abs(features - engine).max() < 1e-4


def test_the_arrays_are_those_of_the_classifier(
    classifier: PromptedClassifier, pictures: list[np.ndarray], tmp_path: Path
) -> None:
    """In NumPy alone, from image features: what the README computes once it has them."""
    if classifier.method.name == "cocoop":
        with pytest.raises(GramError, match="makes others for every image"):
            classifier.export(tmp_path, onnx=False)
        assert not list(tmp_path.iterdir())
        return
    classifier.export(tmp_path, onnx=False)
    texts = np.load(tmp_path / "text_features.npy")
    assert (texts.dtype, texts.shape) == (np.float32, (len(NAMES), classifier.backbone.embed_dim))
    assert json.loads((tmp_path / "class_names.json").read_text("utf-8")) == list(NAMES)
    settings = json.loads((tmp_path / "settings.json").read_text("utf-8"))
    method = classifier.method
    constants = method.constants(
        classifier.backbone, NAMES, ImageBank.of(classifier.backbone, pictures)
    )
    params = {key: value[None] for key, value in classifier.params.items()}
    with torch.no_grad():
        features = method.image_features(params, constants, torch.arange(3)[None])[0].numpy()
    logits = settings["logit_scale"] * features @ texts.T
    if method.cache is not None:
        near = np.exp(5.5 * (features @ np.load(tmp_path / "cache_keys.npy").T - 1))
        logits += settings["cache"]["alpha"] * near @ np.load(tmp_path / "cache_votes.npy")
        assert settings["cache"]["beta"] == 5.5
    assert np.abs(logits - classifier.logits(pictures).numpy()).max() < 1e-4
    assert ("cache" in settings) == (method.cache is not None)


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_the_readme_prepares_pictures_as_the_backbone_does(
    mode: str,
    interpolation: str,
    tiny_backbone: Backbone,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backbone = tiny_backbone.double()
    backbone.model.visual.preprocess_cfg = {
        **backbone.model.visual.preprocess_cfg, "resize_mode": mode,
        "interpolation": interpolation, "fill_color": 9,
    }  # fmt: skip
    backbone = Backbone("prepared", backbone.model, backbone.tokenizer)
    method = build_method("zero-shot")
    PromptedClassifier(backbone, method, {}, NAMES).export(tmp_path, onnx=False)
    readme = tmp_path / "README.md"
    text = readme.read_text("utf-8")
    assert "`mean`" in text
    readme.write_text(text.replace("features = your", "raise SystemExit  # "), "utf-8")
    generator = np.random.default_rng(0)
    for height, width in ((40, 61), (77, 33), (32, 32), (20, 31), (35, 36)):
        picture = Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))
        picture.save(tmp_path / "picture.jpg", "PNG")  # what a picture is called says nothing
        found: dict[str, Any] = {}
        (code,) = re.findall(r"```python\n(.*?)```", readme.read_text("utf-8"), re.DOTALL)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(SystemExit):
            exec(compile(code, str(readme), "exec"), found)
        assert np.array_equal(found["pixels"], backbone.pixels([picture]).numpy())


def test_a_tower_that_takes_no_tokens_is_exported_with_weights_in_a_file_of_their_own(
    write_backbone: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gram_core.classifier.export._LARGEST", 0)
    folder = write_backbone(
        tmp_path / "resnet",
        vision={"layers": [1, 1, 1, 1], "width": 8, "image_size": 64, "patch_size": None},
    )
    backbone = open_backbone(str(folder))
    assert backbone.visual is None
    method = build_method("coop")
    classifier = PromptedClassifier(backbone, method, method.initial(backbone), NAMES)
    written = classifier.export(tmp_path / "out")
    assert "image_tower.onnx.data" in {path.name for path in written}
    runtime = importlib.import_module("onnxruntime")
    session = runtime.InferenceSession(str(tmp_path / "out" / "image_tower.onnx"))
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (3, 3, 64, 64), generator=generator, dtype=torch.uint8)
    (features,) = session.run(None, {"pixels": pixels.numpy()})
    assert np.abs(features - backbone.encode_images(pixels).numpy()).max() < 1e-4


def test_without_onnx_the_remedy_is_said_and_nothing_is_written(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any, **more: Any) -> Any:
        if name == "onnxscript":
            raise ModuleNotFoundError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(GramError, match="pip install onnx onnxscript"):
        make("coop").export(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert make("coop").export(tmp_path / "out", onnx=False)
