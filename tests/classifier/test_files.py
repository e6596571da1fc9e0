from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from gram_core.backbones import Backbone, open_backbone
from gram_core.classifier import ABOUT, FORMAT, PROMPTS, PromptedClassifier
from gram_core.errors import GramError
from gram_core.prompts import Context, Method, PlainImages
from tests.classifier.conftest import NAMES, VARIANTS, Make

ELSEWHERE = """
import json, sys
from pathlib import Path
from gram_core.classifier import PromptedClassifier
folder, picture = map(Path, sys.argv[1:])
found = {each.name: PromptedClassifier.load(each).predict(picture) for each in folder.iterdir()}
print(json.dumps(found))
"""


def test_a_saved_classifier_predicts_the_same_in_another_process(
    make: Make, pictures: list[np.ndarray], tmp_path: Path
) -> None:
    picture = tmp_path / "picture.png"
    Image.fromarray(pictures[0]).save(picture)
    expected = {}
    for name, options in VARIANTS.items():
        classifier = replace(make(name.split(",")[0], **options), temperature=1.5)
        classifier.save(tmp_path / "kept" / name)
        expected[name] = [list(each) for each in classifier.predict(picture)[0]]
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(tmp_path / "kept"), str(picture)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    found = json.loads(done.stdout)
    assert set(found) == set(VARIANTS)
    for name, ((*ranking,),) in found.items():
        assert [each for each, _ in ranking] == [each for each, _ in expected[name]]
        values = [value for _, value in expected[name]]
        assert [value for _, value in ranking] == pytest.approx(values, abs=1e-6)
    assert len({json.dumps(each) for each in found.values()}) == len(VARIANTS)


def test_a_saved_classifier_is_the_same(classifier: PromptedClassifier, tmp_path: Path) -> None:
    written = replace(classifier, temperature=0.7).save(tmp_path / "mine")
    files = {file.name: file.stat().st_size for file in (tmp_path / "mine").iterdir()}
    assert set(files) == {PROMPTS, ABOUT}
    kept = sum(value.numel() * 4 for value in classifier.params.values())
    assert sum(files.values()) == written < kept + 4_000
    loaded = PromptedClassifier.load(tmp_path / "mine", classifier.backbone)
    assert loaded.temperature == 0.7
    assert loaded.about == classifier.about
    assert loaded.method == classifier.method
    assert loaded.method.options == classifier.method.options
    assert loaded.parameters == classifier.parameters


def test_what_is_saved_can_be_read_by_people(
    make: Make, tiny_backbone: Backbone, tmp_path: Path
) -> None:
    make("coop").with_classes(["été", "hiver"]).save(tmp_path)
    about = json.loads((tmp_path / ABOUT).read_text("utf-8"))
    assert about["format"] == FORMAT
    assert about["class_names"] == ["été", "hiver"]
    options = about["method"]["options"]
    assert about["method"]["name"] == "coop"
    assert (options["tokens"], options["words"]) == (4, "a photo of a")
    assert about["backbone"]["fingerprint"] == tiny_backbone.fingerprint
    assert about["tensors"] == {"text.context": [4, tiny_backbone.text_width]}
    assert about["templates"] is None
    assert about["about"] == {"rule": "raw", "metrics": {"base": 0.8}}
    make("zero-shot", template="dtd").save(tmp_path)
    assert json.loads((tmp_path / ABOUT).read_text("utf-8"))["templates"] == ["{} texture."]


def test_sentences_are_those_of_the_time_of_saving(make: Make, tmp_path: Path) -> None:
    classifier = make("zero-shot", template="dtd")
    classifier.save(tmp_path)
    _change(tmp_path, templates=["the look of {}."])  # as if the name "dtd" had stood for this
    loaded = PromptedClassifier.load(tmp_path, classifier.backbone)
    assert loaded.method == make("zero-shot", template=["the look of {}."]).method


def test_files_of_the_first_format_are_read(
    make: Make, pictures: list[np.ndarray], tmp_path: Path
) -> None:
    classifier = make("ivlp")
    classifier.save(tmp_path)
    about = json.loads((tmp_path / ABOUT).read_text("utf-8"))
    for name in ("format", "templates", "temperature", "tensors"):
        del about[name]
    about["method"]["options"] = {"tokens": 4, "words": "a photo of a", "visual_tokens": None}
    (tmp_path / ABOUT).write_text(json.dumps(about), "utf-8")
    loaded = PromptedClassifier.load(tmp_path, classifier.backbone)
    assert loaded.predict(pictures) == classifier.predict(pictures)


def test_another_backbone_is_refused(
    classifier: PromptedClassifier, write_backbone: Callable[..., Path], tmp_path: Path
) -> None:
    classifier.save(tmp_path / "mine")
    other = open_backbone(str(write_backbone(tmp_path / "other", text={"layers": 2})))
    with pytest.raises(GramError, match="other weights"):
        PromptedClassifier.load(tmp_path / "mine", other)


@pytest.mark.parametrize("number", [FORMAT + 1, 0, "2", True, None])
def test_formats_that_are_not_known_are_refused(make: Make, number: object, tmp_path: Path) -> None:
    make("coop").save(tmp_path)
    _change(tmp_path, format=number)
    with pytest.raises(GramError, match=f"format is {number!r}, and this version reads 1 to"):
        PromptedClassifier.load(tmp_path)


def test_broken_folders_are_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(GramError, match="no whole classifier"):
        PromptedClassifier.load(tmp_path / "nowhere")
    for name, content in ((PROMPTS, b"torn"), (ABOUT, b"{"), (ABOUT, b"{}"), (ABOUT, b"3")):
        folder = tmp_path / "torn"
        make("coop").save(folder)
        (folder / name).write_bytes(content)
        with pytest.raises(GramError, match="no whole classifier"):
            PromptedClassifier.load(folder)


def test_tensors_that_lack_or_have_another_shape_are_refused(
    classifier: PromptedClassifier, tmp_path: Path
) -> None:
    for key in classifier.params:
        for change in ("lacks", "short", "flat"):
            classifier.save(tmp_path)
            params = load_file(tmp_path / PROMPTS)
            value = params.pop(key)
            if change != "lacks":
                params[key] = value[:-1].clone() if change == "short" else value.flatten()
            if {k: v.shape for k, v in params.items()} == {
                k: v.shape for k, v in classifier.params.items()
            }:
                continue  # a bias is flat
            save_file(params, tmp_path / PROMPTS)
            with pytest.raises(GramError, match="no whole classifier"):
                PromptedClassifier.load(tmp_path, classifier.backbone)


def test_a_method_of_unknown_making_is_not_saved(tiny_backbone: Backbone, tmp_path: Path) -> None:
    method = Method("coop", Context(2), PlainImages())
    classifier = PromptedClassifier(tiny_backbone, method, method.initial(tiny_backbone), NAMES)
    with pytest.raises(GramError, match="build_method"):
        classifier.save(tmp_path)


def test_a_method_that_the_tensors_do_not_fit_is_refused(make: Make, tmp_path: Path) -> None:
    make("coop").save(tmp_path)
    _change(tmp_path, method={"name": "coop", "options": {"tokens": 2}})
    with pytest.raises(GramError, match=r"is not whole: .*do not fit"):
        PromptedClassifier.load(tmp_path)


def _change(folder: Path, **values: object) -> None:
    about = json.loads((folder / ABOUT).read_text("utf-8"))
    (folder / ABOUT).write_text(json.dumps(about | values), "utf-8")
