from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from gram_core.classifier import (
    PromptedClassifier,
    calibration_error,
    fit_temperature,
    reliability,
)
from gram_core.classifier.calibration import HIGHEST, LOWEST
from gram_core.errors import GramError
from tests.classifier.conftest import NAMES, Make


def _drawn(temperature: float, count: int = 20_000) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and labels drawn from their softmax at a temperature."""
    generator = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(count, 6, generator=generator)
    weights = (logits / temperature).softmax(-1)
    return logits, torch.multinomial(weights, 1, generator=generator)[:, 0]


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_of_the_labels_is_found_again(temperature: float) -> None:
    assert fit_temperature(*_drawn(temperature)) == pytest.approx(temperature, rel=0.05)


def test_no_other_temperature_is_likelier() -> None:
    logits, labels = _drawn(2.0, count=50)
    found = fit_temperature(logits, labels)

    def loss(value: float) -> float:
        return float(functional.cross_entropy(logits.double() / value, labels))

    tried = np.geomspace(LOWEST, HIGHEST, 2001)
    assert loss(found) <= min(map(loss, tried)) + 1e-9


def test_labels_that_are_all_right_or_all_wrong_have_a_bound() -> None:
    logits = torch.tensor([[3.0, 1.0], [0.0, 2.0]])
    assert fit_temperature(logits, [0, 1]) == pytest.approx(LOWEST)
    assert fit_temperature(logits, [1, 0]) == pytest.approx(HIGHEST)


def test_calibration_changes_confidence_and_no_ranking(
    make: Make, pictures: list[np.ndarray]
) -> None:
    classifier = make("cocoop")
    labels = ["Boat", 0, np.int64(1)]
    made = classifier.calibrated(pictures, labels)  # type: ignore[arg-type]
    logits, rows = classifier.logits(pictures), torch.tensor([3, 0, 1])
    assert made.temperature == fit_temperature(logits, rows)
    assert not math.isclose(made.temperature, 1, rel_tol=1e-3)
    assert torch.allclose(made.probabilities(pictures), (logits / made.temperature).softmax(-1))
    assert torch.equal(made.probabilities(pictures).argsort(-1), logits.argsort(-1))
    again = made.calibrated(pictures, labels)  # type: ignore[arg-type]
    assert again.temperature == made.temperature
    assert classifier.temperature == 1


def test_the_temperature_is_kept(
    make: Make, pictures: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> None:
    made = replace(make("vpt"), temperature=3.0)
    folder = tmp_path_factory.mktemp("warm")
    made.save(folder)
    loaded = PromptedClassifier.load(folder, made.backbone)
    assert loaded.predict(pictures) == made.predict(pictures)
    assert loaded.with_classes(["a", "b"]).temperature == 3


def test_the_error_is_what_the_definition_says() -> None:
    probabilities = torch.tensor(
        [[0.9, 0.1], [0.92, 0.08], [0.3, 0.7], [0.34, 0.66], [0.5, 0.5]], dtype=torch.float64
    )
    labels = [0, 1, 1, 1, 0]
    # bins of a tenth: (0.9, 1] has 0.92 wrong, (0.8, 0.9] has 0.9 right, (0.6, 0.7] has 0.7 and
    # 0.66 right, (0.4, 0.5] has 0.5 right
    expected = (1 * 0.92 + 1 * (1 - 0.9) + 2 * (1 - 0.68) + 1 * (1 - 0.5)) / 5
    assert calibration_error(probabilities, labels, bins=10) == pytest.approx(expected)
    rows = reliability(probabilities.numpy(), np.array(labels), bins=10)
    assert [row.images for row in rows] == [0, 0, 0, 0, 1, 0, 2, 0, 1, 1]
    assert rows[6].confidence == pytest.approx(0.68)
    assert rows[6].accuracy == 1
    assert (rows[6].low, rows[6].high) == (pytest.approx(0.6), pytest.approx(0.7))
    assert (rows[0].confidence, rows[0].accuracy) == (0, 0)


def test_the_right_temperature_has_almost_no_error() -> None:
    logits, labels = _drawn(3.0)
    too_sure = calibration_error(logits.softmax(-1), labels)
    fitted = calibration_error((logits / fit_temperature(logits, labels)).softmax(-1), labels)
    assert fitted < 0.01 < 0.1 < too_sure


def test_what_says_nothing_of_confidence_is_refused(make: Make, pictures: list[np.ndarray]) -> None:
    classifier = make("coop")
    with pytest.raises(GramError, match="on 1 images; give at least 2"):
        classifier.calibrated(pictures[:1], ["cat"])
    for label in ("dog", len(NAMES), -1, 1.0):
        with pytest.raises(GramError, match="no class of this classifier"):
            classifier.calibrated(pictures, ["cat", "tree", label])  # type: ignore[list-item]
    with pytest.raises(GramError, match="do not fit"):
        classifier.calibrated(pictures, ["cat"])
    with pytest.raises(GramError, match="no images"):
        calibration_error(torch.empty(0, 2), [])
    with pytest.raises(GramError, match="from 0 to 1"):
        calibration_error(torch.full((1, 2), 0.5), [2])
    with pytest.raises(GramError, match="bins is 0"):
        calibration_error(torch.full((1, 2), 0.5), [0], bins=0)
    with pytest.raises(GramError, match="no numbers"):
        fit_temperature(torch.full((2, 2), math.nan), [0, 1])
