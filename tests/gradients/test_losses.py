from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from torch.nn import functional

from gram_core.backbones import Backbone
from gram_core.errors import GramError
from gram_core.gradients import GeneralLoss, TaskLoss
from gram_core.prompts import Batch, Constants, ImageBank, build_method

NAMES = ("cat", "fire engine", "tree", "boat")
TEMPLATE = "a drawing of the {}."


@pytest.fixture(scope="module")
def backbone(tiny_backbone: Backbone) -> Backbone:
    return tiny_backbone.double()


@pytest.fixture(scope="module")
def bank(backbone: Backbone) -> ImageBank:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (12, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return ImageBank.of(backbone, pixels)


@pytest.fixture(scope="module")
def constants(backbone: Backbone, bank: ImageBank) -> Constants:
    return build_method("coop").constants(backbone, NAMES, bank)


@pytest.fixture
def batch() -> Batch:
    return Batch(torch.tensor([[0, 3, 5], [1, 2, 11]]))


@pytest.fixture
def logits() -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return 3 * torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)


LABELS = torch.tensor([[0, 3, 1], [1, 2, 3]])


def _probabilities(
    constants: Constants, batch: Batch, templates: Sequence[str], temperature: float = 1.0
) -> torch.Tensor:
    """Those of zero-shot CLIP, written out."""
    backbone = constants.backbone
    each = [backbone.encode_texts([one.format(name) for name in NAMES]) for one in templates]
    texts = functional.normalize(torch.stack(each).mean(0), dim=-1)
    assert constants.images.features is not None
    images = constants.images.features[batch.images]
    return (backbone.logit_scale * images @ texts.T / temperature).softmax(-1)


def test_task_loss_is_minus_the_log_of_the_labels_share(batch: Batch, logits: torch.Tensor) -> None:
    shares = logits.exp() / logits.exp().sum(-1, keepdim=True)
    for task, found in enumerate(TaskLoss()(logits, LABELS, None, batch)):
        each = [-math.log(shares[task, image, LABELS[task, image]]) for image in range(3)]
        assert float(found) == pytest.approx(sum(each) / 3)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_gradient_of_the_general_loss_is_that_of_the_divergence(
    constants: Constants, batch: Batch, logits: torch.Tensor, temperature: float
) -> None:
    loss = GeneralLoss(TEMPLATE, temperature)
    logits.requires_grad_()
    value = loss(logits, LABELS, loss.constants(constants), batch)
    (found,) = torch.autograd.grad(value.sum(), logits)

    wanted = _probabilities(constants, batch, [TEMPLATE], temperature)
    log_student = (logits / temperature).log_softmax(-1)
    divergence = functional.kl_div(log_student, wanted, reduction="none").sum(-1).mean(-1)
    (expected,) = torch.autograd.grad(temperature**2 * divergence.sum(), logits)
    assert torch.allclose(found, expected, atol=1e-12)
    assert found.abs().max() > 1e-2


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_a_student_that_is_its_teacher_stays(
    constants: Constants, batch: Batch, temperature: float
) -> None:
    zero_shot = build_method("zero-shot", template=TEMPLATE)
    own = zero_shot.constants(constants.backbone, NAMES, constants.images)
    logits = zero_shot.logits({}, own, batch).requires_grad_()
    for template, stays in ((TEMPLATE, True), ("{} texture.", False)):
        loss = GeneralLoss(template, temperature)
        value = loss(logits, LABELS, loss.constants(constants), batch)
        (gradient,) = torch.autograd.grad(value.sum(), logits)
        assert bool(gradient.abs().max() < 1e-12) == stays


def test_teacher_is_the_same_whatever_the_method(
    backbone: Backbone, bank: ImageBank, batch: Batch, logits: torch.Tensor
) -> None:
    loss = GeneralLoss(TEMPLATE)
    values = []
    for name, options in (
        ("coop", {}),
        ("coop", {"tokens": 2, "words": ""}),
        ("vpt", {"template": "a {} in the snow."}),
        ("ivlp", {}),
    ):
        method = build_method(name, **options)
        known = loss.constants(method.constants(backbone, NAMES, bank))
        values.append(loss(logits, LABELS, known, batch))
    assert all(torch.equal(value, values[0]) for value in values)


def test_teacher_without_stored_features_reads_the_pixels(
    backbone: Backbone, bank: ImageBank, batch: Batch, logits: torch.Tensor
) -> None:
    loss, method = GeneralLoss(), build_method("vpt")
    with_features, without = (
        loss(logits, LABELS, loss.constants(method.constants(backbone, NAMES, each)), batch)
        for each in (bank, ImageBank(bank.pixels))
    )
    assert torch.allclose(with_features, without)


def test_several_templates_are_one_mean(
    constants: Constants, batch: Batch, logits: torch.Tensor
) -> None:
    several = (TEMPLATE, "a photo of a {}.", "{} texture.")
    loss = GeneralLoss(several)
    found = loss(logits, LABELS, loss.constants(constants), batch)
    wanted = _probabilities(constants, batch, several)
    expected = -(wanted * logits.log_softmax(-1)).sum(-1).mean(-1)
    assert torch.allclose(found, expected)
    alone = GeneralLoss(TEMPLATE)
    assert not torch.allclose(found, alone(logits, LABELS, alone.constants(constants), batch))


@pytest.mark.parametrize("temperature", [1.0, 1e4])
def test_padding_classes_have_no_share(
    constants: Constants, batch: Batch, logits: torch.Tensor, temperature: float
) -> None:
    """Two of four classes, in another order: alone, or beside classes that are masked."""
    loss = GeneralLoss(TEMPLATE, temperature)
    known = loss.constants(constants)
    rows = torch.tensor([[3, 1], [0, 2]])
    alone = loss(logits[..., :2], LABELS, known, Batch(batch.images, rows))
    mask = torch.tensor([[True, True, False, False]] * 2)
    padded = torch.cat([rows, torch.zeros_like(rows)], dim=1)
    among = logits.masked_fill(~mask[:, None], -1e4).requires_grad_()
    beside = loss(among, LABELS, known, Batch(batch.images, padded, mask))
    assert torch.allclose(beside, alone)
    (gradient,) = torch.autograd.grad(beside.sum(), among)
    assert (gradient[..., 2:] == 0).all()
    assert (gradient[..., :2] != 0).all()


def test_class_rows_choose_the_teachers_classes(
    constants: Constants, batch: Batch, logits: torch.Tensor
) -> None:
    loss = GeneralLoss(TEMPLATE)
    known = loss.constants(constants)
    order = torch.tensor([2, 0, 3, 1])
    mixed = loss(logits[..., order], LABELS, known, Batch(batch.images, order.expand(2, -1)))
    assert torch.allclose(mixed, loss(logits, LABELS, known, batch))
    assert not torch.allclose(mixed, loss(logits[..., order], LABELS, known, batch))


def test_what_is_out_of_range_is_refused() -> None:
    for temperature in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(GramError, match="temperature"):
            GeneralLoss(temperature=temperature)
    with pytest.raises(GramError, match="template"):
        GeneralLoss("a photo of a cat.")
