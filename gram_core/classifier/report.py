"""What a classifier costs: counted, and measured where it has to be."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from gram_core.errors import GramError
from gram_core.prompts import Batch, ImageBank, tower_of

if TYPE_CHECKING:
    from gram_core.classifier.classifier import PromptedClassifier

_PREFIXES = ("", "k", "M", "G", "T", "P")


@dataclass(frozen=True)
class Report:
    """What a classifier costs.

    A FLOP is a multiplication or an addition; those of matrix products and convolutions are
    counted, as is usual. `parameters` were learned, by tower; `bytes` are those of all that is kept
    beside the backbone. `flops_classes` is what the features of all classes cost, once;
    `flops_prediction` an image, whose class features are there; `flops_step` an image of a training
    step on raw gradients, forward and backward, with `batch` images, None where nothing is learned.
    What does not depend on the parameters is computed before training and is not in it. `latency`
    is in seconds, of one image, its preparation apart. `memory` is what the backbone's weights, the
    prompts and the class features take, `memory_step` about what a training step keeps beside
    them, in bytes.
    """

    backbone: str
    method: str
    classes: int
    batch: int
    parameters: dict[str, int]
    bytes: int
    flops_classes: int
    flops_prediction: int
    flops_step: int | None
    latency: float
    memory: int
    memory_step: int | None

    @property
    def learned(self) -> int:
        """How many numbers were learned, in both towers together."""
        return sum(self.parameters.values())

    def table(self) -> str:
        """The report as lines of text, for people."""
        towers = ", ".join(f"{tower} {n:,}" for tower, n in self.parameters.items() if n)
        each = "nothing is learned"
        if self.flops_step is not None and self.memory_step is not None:
            whole = _count(self.flops_step * self.batch, "FLOP")
            each = f"{_count(self.flops_step, 'FLOP')} an image, {whole} in all"
            each += f", keeps about {_bytes(self.memory_step)}"
        rows = {
            "classifier": f"{self.method} on {self.backbone}, {self.classes} classes",
            "learned numbers": f"{self.learned:,}" + (f" ({towers})" if towers else ""),
            "kept": _bytes(self.bytes),
            "class features": f"{_count(self.flops_classes, 'FLOP')}, once",
            "prediction": f"{_count(self.flops_prediction, 'FLOP')} an image",
            "latency": f"{1000 * self.latency:.3g} ms, one image, its preparation apart",
            "memory": f"{_bytes(self.memory)} with the backbone",
            f"step of {self.batch} images": each,
        }
        width = max(map(len, rows))
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows.items())


def measured(classifier: PromptedClassifier, batch: int, repeats: int) -> Report:
    """The report; see `PromptedClassifier.report`."""
    for name, value in (("batch", batch), ("repeats", repeats)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise GramError(f"{name} is {value!r}; give a whole number from 1.")
    backbone, method, params = classifier.backbone, classifier.method, classifier.params
    classes = len(classifier.class_names)
    counts = {"text": 0, "visual": 0}
    for key in params.keys() - method.fixed:
        counts[tower_of(key)] += params[key].numel()
    conditional = method.text.by_image
    learns = bool(params.keys() - method.fixed)
    kept = sum(value.numel() * value.element_size() for value in params.values())
    weights = [*backbone.model.parameters(), *backbone.model.buffers()]
    features = 0 if conditional else classes * backbone.embed_dim * weights[0].element_size()
    task, image = method.memory(classifier._constants, classes)
    flops_step = None
    if learns:
        flops_step = round(_for_all(classifier, _step, batch) / batch)
    return Report(
        backbone=backbone.name,
        method=method.name,
        classes=classes,
        batch=batch,
        parameters=counts,
        bytes=kept,
        flops_classes=0 if conditional else _for_all(classifier, _features, 1),
        flops_prediction=_for_all(classifier, _prediction, 1),
        flops_step=flops_step,
        latency=_latency(classifier, repeats),
        memory=sum(each.numel() * each.element_size() for each in weights) + kept + features,
        memory_step=task + batch * image if learns else None,
    )


Measure = Callable[["PromptedClassifier", int], int]


def _for_all(classifier: PromptedClassifier, measure: Measure, images: int) -> int:
    """A count for so many images, from one and two of them: every count is a + b N."""
    first = measure(classifier, 1)
    return first + (images - 1) * (measure(classifier, 2) - first if images > 1 else 0)


def _features(classifier: PromptedClassifier, images: int) -> int:
    fresh = replace(classifier)  # whose features nobody has asked for yet
    return counted(lambda: fresh.class_features)


def _prediction(classifier: PromptedClassifier, images: int) -> int:
    bank = _grey(classifier, images)
    classifier.logits([])  # the class features are there before
    return counted(lambda: classifier.logits(bank))


@torch.enable_grad()
def _step(classifier: PromptedClassifier, images: int) -> int:
    """The FLOPs of loss and raw gradients on so many images."""
    method, backbone = classifier.method, classifier.backbone
    pixels = _grey(classifier, images).pixels
    assert pixels is not None
    features = torch.zeros(images, backbone.embed_dim, dtype=backbone.dtype, device=backbone.device)
    constants = method.with_images(classifier._constants, ImageBank(pixels, features))
    rows = torch.arange(images, device=backbone.device)[None]
    params = dict(classifier._params)
    leaves = {
        key: value.clone().requires_grad_()
        for key, value in params.items()
        if key not in method.fixed
    }

    def work() -> None:
        logits = method.logits(params | leaves, constants, Batch(rows))[0]
        loss = functional.cross_entropy(logits, torch.zeros_like(rows[0]))
        torch.autograd.grad(loss, list(leaves.values()))

    return counted(work)


def _grey(classifier: PromptedClassifier, images: int) -> ImageBank:
    size = classifier.backbone.image_size
    return ImageBank(torch.full((images, 3, size, size), 127, dtype=torch.uint8))


def _latency(classifier: PromptedClassifier, repeats: int) -> float:
    """The median seconds of a prediction; a first one warms up."""
    bank = _grey(classifier, 1)
    classifier.probabilities(bank)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        classifier.probabilities(bank)  # ends on the CPU, so that a GPU is waited for
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def counted(work: Callable[[], Any]) -> int:
    """The FLOPs of matrix products and convolutions of what `work` does.

    PyTorch's counter does not know oneDNN's product, which `backbones.layers` calls by itself.
    """
    from torch.utils.flop_counter import FlopCounterMode

    own: dict[Any, Callable[..., int]] = {}
    product = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if product is not None:
        own[product] = _product_flops
    with FlopCounterMode(display=False, custom_mapping=own) as counter:
        work()
    return int(counter.get_total_flops())


def _product_flops(
    x: Sequence[int], weight: Sequence[int], *rest: Any, out_shape: Sequence[int], **more: Any
) -> int:
    flops = 2 * weight[1]
    for length in out_shape:
        flops *= length
    return flops


def _count(value: float, unit: str) -> str:
    """A count with a prefix: 35.1 GFLOP."""
    steps = 0
    while value >= 999.5 and steps < len(_PREFIXES) - 1:
        value, steps = value / 1000, steps + 1
    return f"{value:.3g} {_PREFIXES[steps]}{unit}"


def _bytes(value: float) -> str:
    return _count(value, "B")
