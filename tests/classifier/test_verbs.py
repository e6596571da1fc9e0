"""The verbs of classifiers on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gram_core.classifier import ABOUT, PromptedClassifier, calibration_error
from gram_core.cli import main
from gram_core.workspace import Workspace
from tests.classifier.conftest import NAMES, Make

Json = Callable[..., Any]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def call(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> Json:
    """A function `(*words) -> value` that runs a command line and reads its JSON."""

    def run(*words: object) -> Any:
        status = main([*map(str, words), "--json", "--workspace", str(workspace.root)])
        said = capsys.readouterr()
        assert status == 0, said.err
        return json.loads(said.out)

    return run


@pytest.fixture
def say(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """A function `(*words) -> text` of what a command line says to a person."""

    def run(*words: object, status: int = 0) -> str:
        assert main([*map(str, words), "--workspace", str(workspace.root)]) == status
        said = capsys.readouterr()
        return said.err if status else said.out

    return run


def _keep(workspace: Workspace, id: str, classifier: PromptedClassifier) -> None:
    with workspace.create("classifiers", id, classifier.about) as folder:
        classifier.save(folder)


def _pictures(folder: Path, names: tuple[str, ...]) -> Path:
    """A folder with ten pictures of each class."""
    generator = np.random.default_rng(1)
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(10):
            picture = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / name / f"{number}.png")
    return folder


def test_words_and_report(
    workspace: Workspace, make: Make, call: Json, say: Callable[..., str], tmp_path: Path
) -> None:
    classifier = make("coop", class_specific=True, tokens=2, words="")
    _keep(workspace, "mine", classifier)
    tokens = call("words", "mine", "--top", 2)
    first = classifier.nearest_words(2)[0]
    assert [word["word"] for word in tokens[0]["words"]] == [each.word for each in first.words]
    assert tokens[-1]["class_name"] == NAMES[-1]
    assert "fire engine" in say("words", "mine")
    report = call("report", workspace.path("classifiers", "mine"), "--batch", 4)
    assert (report["batch"], report["parameters"]["visual"]) == (4, 0)
    assert "learned numbers" in say("report", "mine")
    make("vpt").save(tmp_path / "bare")
    assert "image tower alone" in say("words", tmp_path / "bare", status=2)
    assert "there is no classifier 'bare'" in say("report", "bare", status=2)


def test_calibrate(
    workspace: Workspace, make: Make, call: Json, say: Callable[..., str], tmp_path: Path
) -> None:
    classifier = make("tip-adapter-f")
    _keep(workspace, "mine", classifier)
    data = _pictures(tmp_path / "held", ("Boat", "cat", "moon"))
    made = call("calibrate", "mine", data, "--name", "tuned")
    assert (made["classifier"], made["images"]) == ("tuned", 10)  # half of what it knows
    tuned = PromptedClassifier.load(workspace.path("classifiers", "tuned"))
    assert tuned.temperature == pytest.approx(made["temperature"])
    assert tuned.temperature > 1.01  # noise is nothing to be sure of
    assert tuned.about["calibration"]["images"] == 10
    assert tuned.about["rule"] == "raw"
    assert made["loss_after"] < made["loss_before"]
    assert classifier.temperature == 1

    from gram_core.datasets import TEST, load_set

    held = load_set(data, classifier.backbone)
    rows = held.rows(TEST, [0, 1])
    assert held.bank.pixels is not None
    images = [pixels.permute(1, 2, 0).numpy() for pixels in held.bank.pixels[rows]]
    labels = tuned.rows_of([held.classes[label] for label in held.labels[rows]])
    probabilities = tuned.probabilities(images)
    assert made["error_after"] == pytest.approx(calibration_error(probabilities, labels), abs=1e-4)
    given = probabilities.gather(1, labels[:, None]).log()
    assert made["loss_after"] == pytest.approx(-float(given.mean()), abs=1e-4)

    named = call("calibrate", "mine", data)
    assert named["classifier"].startswith("mine-calibrated-")
    assert "already a classifier" in say("calibrate", "mine", data, "--name", "tuned", status=2)
    strange = _pictures(tmp_path / "strange", ("moon", "sun"))
    assert "none of the classifier's classes" in say("calibrate", "mine", strange, status=2)
    few = ["calibrate", "mine", data, "--test-share", 0]
    assert "holds out 0 images" in say(*few, status=2)


def test_export(
    workspace: Workspace, make: Make, call: Json, say: Callable[..., str], tmp_path: Path
) -> None:
    _keep(workspace, "mine", make("tip-adapter"))
    made = call("export", "mine", tmp_path / "out", "--no-onnx")
    assert set(made["files"]) == {
        "text_features.npy", "cache_keys.npy", "cache_votes.npy", "class_names.json",
        "settings.json", "README.md",
    }  # fmt: skip
    assert made["files"] == {
        path.name: path.stat().st_size for path in (tmp_path / "out").iterdir()
    }
    assert "settings.json" in say("export", "mine", tmp_path / "out", "--no-onnx")
    _keep(workspace, "shifting", make("cocoop"))
    assert "for every image" in say("export", "shifting", tmp_path / "none", status=2)
    assert (workspace.path("classifiers", "mine") / ABOUT).is_file()
