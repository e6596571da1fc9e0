from __future__ import annotations

import pytest
import torch

from gram_core.backbones import Backbone, classes, text
from gram_core.classifier import PromptedClassifier
from gram_core.classifier.report import counted
from gram_core.errors import GramError
from gram_core.prompts import Batch, ImageBank
from tests.classifier.conftest import NAMES, Make


def _block(rows: int, kept: int, width: int, pairs: int) -> int:
    """FLOPs of a block whose `rows` are read by `kept` of them, over so many pairs of rows.

    Keys and values 2·2·d², and of the kept ones query, out 2·2·d² and MLP 2·8·d²; scores and their
    sums 4·d for every pair.
    """
    return 4 * rows * width**2 + 20 * kept * width**2 + 4 * pairs * width


def _image(backbone: Backbone, tokens: int = 0) -> int:
    """FLOPs of an image: patches, full blocks, the last one for the pooled row, projection."""
    tower = backbone.visual_tower()
    width, patches = tower.width, len(tower.positions) - 1
    rows = 1 + patches + tokens
    full = (len(tower.blocks) - 1) * _block(rows, rows, width, rows**2)
    entered = 2 * patches * tower.patch[0].numel() * width
    return entered + full + _block(rows, 1, width, rows) + 2 * width * backbone.embed_dim


def _classes(backbone: Backbone, prefix: int, lengths: int, count: int) -> int:
    """FLOPs of classes that share a prefix, all as long as the longest."""
    tower = backbone.text
    rows, width = prefix + count * lengths, tower.width
    seen = prefix + lengths
    full = _block(rows, rows, width, prefix**2 + count * lengths * seen)
    last = _block(rows, count, width, count * seen)
    projected = 2 * count * width * backbone.embed_dim
    return (len(tower.blocks) - 1) * full + last + projected


def _longest(backbone: Backbone) -> int:
    return max(len(backbone.text.tokens(f"{name}.")) for name in NAMES) + 1


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes pass through the text tower all as long as the longest, and attend by themselves."""
    monkeypatch.setattr(text, "DENSE_ROWS", 0)
    monkeypatch.setattr(classes, "DENSE_ROWS", 0)
    monkeypatch.setattr(classes, "GROUP_COST", 10**6)


@pytest.mark.usefixtures("in_parts")
def test_predictions_cost_what_hand_arithmetic_says(make: Make, tiny_backbone: Backbone) -> None:
    scores = 2 * len(NAMES) * tiny_backbone.embed_dim
    for name, tokens in (("coop", 0), ("vpt", 4), ("vpt-deep", 8)):
        report = make(name).report(repeats=1)
        assert report.flops_prediction == _image(tiny_backbone, tokens) + scores
    features = _classes(tiny_backbone, 5, _longest(tiny_backbone), len(NAMES))
    assert make("coop").report(repeats=1).flops_classes == features


@pytest.mark.usefixtures("in_parts")
def test_cocoop_pays_for_the_classes_with_every_image(make: Make, tiny_backbone: Backbone) -> None:
    report = make("cocoop").report(repeats=1)
    feature, width = tiny_backbone.embed_dim, tiny_backbone.text_width
    hidden = max(1, feature // 16)
    features = _classes(tiny_backbone, 5, _longest(tiny_backbone), len(NAMES))
    network = 2 * hidden * (feature + width)
    scores = 2 * len(NAMES) * feature
    assert report.flops_prediction == _image(tiny_backbone) + features + network + scores
    assert report.flops_classes == 0


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_counts_for_many_are_those_of_many(classifier: PromptedClassifier, batch: int) -> None:
    """What is worked out from small counts is what the counter says of the whole."""
    report = classifier.report(batch=batch, repeats=1)
    method, backbone = classifier.method, classifier.backbone
    learned = classifier.params.keys() - method.fixed
    if not learned:
        assert report.flops_step is None
        return
    size = backbone.image_size
    bank = ImageBank.of(backbone, torch.zeros(batch, 3, size, size, dtype=torch.uint8))
    constants = method.constants(backbone, NAMES, bank)
    params = {
        key: value.clone()[None].requires_grad_(key in learned)
        for key, value in classifier.params.items()
    }

    def step() -> None:
        logits = method.logits(params, constants, Batch(torch.arange(batch)[None]))[0]
        torch.nn.functional.cross_entropy(logits, torch.zeros(batch).long()).backward()

    assert report.flops_step == round(counted(step) / batch)


def test_a_step_through_a_tower_costs_two_to_three_passes(
    make: Make, tiny_backbone: Backbone
) -> None:
    """Forward, and backward to the inputs alone: twice for frozen maps, thrice for attention."""
    step = make("vpt").report(batch=4, repeats=1).flops_step
    image = _image(tiny_backbone, 4)
    assert step is not None
    assert 1.8 * image < step < 3 * image


def test_products_of_every_kind_are_counted(tiny_backbone: Backbone) -> None:
    x = torch.randn(2, 5, tiny_backbone.text_width)
    linear = tiny_backbone.text.blocks[0].expand
    expected = 2 * 10 * linear.weight.numel()
    assert counted(lambda: linear(x)) == expected
    assert counted(lambda: linear(x.double())) == expected


def test_the_rest_of_the_report(make: Make, tiny_backbone: Backbone) -> None:
    classifier = make("maple")
    report = classifier.report(batch=8, repeats=3)
    assert report.learned == classifier.parameters
    assert report.parameters["text"] == 2 * 2 * tiny_backbone.text_width  # two blocks, two tokens
    assert report.bytes == 4 * classifier.parameters
    assert (report.method, report.classes, report.batch) == ("maple", len(NAMES), 8)
    weights = sum(value.numel() * 4 for value in tiny_backbone.model.state_dict().values())
    features = 4 * len(NAMES) * tiny_backbone.embed_dim
    mask = 4 * tiny_backbone.text.context_length**2  # which the model keeps beside its weights
    assert report.memory == weights + mask + report.bytes + features
    assert report.latency > 0
    table = report.table()
    assert f"{report.learned:,}" in table
    assert "step of 8 images" in table
    assert "nothing is learned" in make("tip-adapter").report(repeats=1).table()


def test_what_cannot_be_measured_is_refused(make: Make) -> None:
    with pytest.raises(GramError, match="batch is 0"):
        make("coop").report(batch=0)
    with pytest.raises(GramError, match=r"repeats is 1\.5"):
        make("coop").report(repeats=1.5)  # type: ignore[arg-type]
