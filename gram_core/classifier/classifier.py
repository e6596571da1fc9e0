"""A prompted classifier: what a few labelled images became, to use, to keep and to take away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gram_core.classifier import calibration, export, files, report, words
from gram_core.errors import GramError
from gram_core.names import compared
from gram_core.prompts import (
    Batch,
    Constants,
    FixedText,
    ImageBank,
    Method,
    Params,
    open_image,
)
from gram_core.prompts.images import ImageLike
from gram_core.prompts.method import check_names
from gram_core.prompts.params import CONTEXT

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

IMAGES_AT_ONCE = 64

Images = ImageLike | Sequence[ImageLike] | ImageBank


@dataclass(frozen=True, eq=False)
class PromptedClassifier:
    """What a method learned, and class names, on a frozen backbone.

    `params` have no run axis: one context for all classes `(M, d)` or one for each of them
    `(K, M, d)`, visual tokens, a cache, whatever the method's are. `about` is what else is worth
    keeping (rule, initialisation, metrics), as JSON can hold it. Logits are divided by
    `temperature` before they become probabilities. A backbone that multiplies in bfloat16 gives way
    to its exact one, on which the classifier is loaded too. Raises GramError for parameters that do
    not fit, and for fewer than two different class names.
    """

    backbone: Backbone
    method: Method
    params: Params
    class_names: Sequence[str]
    about: dict[str, Any] = field(default_factory=dict)
    temperature: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "backbone", self.backbone.exact or self.backbone)
        names = check_names(self.class_names)
        object.__setattr__(self, "class_names", names)
        if len(names) < 2:
            raise GramError(
                f"There is one class only ({names[0]}); give at least two to tell apart."
            )
        self.method.check(self.params, self.backbone, len(names))
        for key, value in self.params.items():
            if not (value.is_floating_point() and torch.isfinite(value).all()):
                raise GramError(f"{key} holds values that are no numbers; adapt at a lower rate.")
        calibration.check_temperature(self.temperature)

    def predict(self, images: Images, top: int = 5) -> list[list[tuple[str, float]]]:
        """The `top` classes of each image with their probabilities, likeliest first.

        `images` is a path, a PIL image, an array, a sequence of these, or an `ImageBank` of this
        backbone. Raises GramError for an image that cannot be read.
        """
        if top < 1:
            raise GramError(f"top is {top}; ask for at least one class.")
        rankings = []
        for probabilities in self.probabilities(images):
            best = probabilities.topk(min(top, len(self.class_names)))
            pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
            rankings.append([(self.class_names[row], value) for row, value in pairs])
        return rankings

    def probabilities(self, images: Images) -> Tensor:
        """Probabilities `(n, K)` of the classes for n images, on the CPU."""
        return (self.logits(images) / self.temperature).softmax(-1)

    @torch.no_grad()
    def logits(self, images: Images) -> Tensor:
        """The method's logits `(n, K)` for n images, before the temperature, on the CPU."""
        method, constants = self._ready
        parts = [torch.empty(0, len(self.class_names))]
        for bank in self._banks(images):
            there = method.with_images(constants, bank)
            rows = torch.arange(len(bank), device=self.backbone.device)
            for some in rows.split(IMAGES_AT_ONCE):
                logits = method.logits(self._params, there, Batch(some[None]))[0]
                parts.append(logits.float().cpu())
        return torch.cat(parts)

    @cached_property
    def class_features(self) -> Tensor:
        """The normalised features `(K, e)` of the classes, computed once.

        Raises GramError for a method with others for every image (CoCoOp).
        """
        with torch.no_grad():
            return self.method.class_features(self._params, self._constants)[0]

    @cached_property
    def parameters(self) -> int:
        """How many numbers were learned."""
        learned = self.params.keys() - self.method.fixed
        return sum(self.params[key].numel() for key in learned)

    def with_classes(self, class_names: Sequence[str]) -> PromptedClassifier:
        """The same prompts for other classes, none of which has to have been learned from.

        Where every class has a context of its own, these have to be classes that were learned, in
        any order; each keeps its context. Raises GramError for others there. A class without images
        in a cache is told by its name alone.
        """
        names = check_names(class_names)
        if not self.method.text.class_specific:
            return replace(self, class_names=names)
        rows = {compared(name): row for row, name in enumerate(self.class_names)}
        unknown = [name for name in names if compared(name) not in rows]
        if unknown:
            raise GramError(
                f"Every class of this classifier has a context of its own, and {unknown[0]!r} has "
                f"none; choose among {', '.join(self.class_names)}, or adapt without "
                "class_specific: a context that classes share serves others too."
            )
        own = self.params[CONTEXT][[rows[compared(name)] for name in names]]
        return replace(self, class_names=names, params=self.params | {CONTEXT: own})

    def calibrated(self, images: Images, labels: Sequence[str | int]) -> PromptedClassifier:
        """The same classifier at the temperature that makes held-out images' labels likeliest.

        `labels` are class names, or their rows. The order of the classes of an image stays as it
        is. Raises GramError for fewer than two images and for labels that are no classes.
        """
        rows = self.rows_of(labels)
        logits = self.logits(images)
        return replace(self, temperature=calibration.fit_temperature(logits, rows))

    def rows_of(self, labels: Sequence[str | int]) -> Tensor:
        """The rows `(n,)` of classes given by name or by row. Raises GramError for others."""
        names = {compared(name): row for row, name in enumerate(self.class_names)}
        rows = []
        for label in labels:
            row = names.get(compared(label)) if isinstance(label, str) else label
            if not (isinstance(row, int | np.integer) and 0 <= row < len(names)):
                raise GramError(
                    f"{label!r} is no class of this classifier; it tells "
                    f"{', '.join(self.class_names)} apart (rows 0 to {len(names) - 1})."
                )
            rows.append(row)
        return torch.tensor(rows, dtype=torch.long)

    def nearest_words(self, top: int = 5) -> list[words.TokenWords]:
        """The `top` words of the vocabulary nearest to every learned text token, nearest first.

        Near is what is at a small Euclidean distance between embeddings, as CoOp reports it; the
        cosine stands beside. Those of later blocks and of CoCoOp (before an image shifts it) are
        compared with the same embeddings. A piece that does not end a word ends with "…". Raises
        GramError where no text tokens were learned.
        """
        names = tuple(self.class_names)
        return words.nearest_words(self.backbone, self.method, self.params, names, top)

    def report(self, batch: int = 32, repeats: int = 9) -> report.Report:
        """What the classifier costs: parameters, bytes, FLOPs, latency and memory.

        A training step has `batch` images; the latency is the median of `repeats` predictions.
        """
        return report.measured(self, batch, repeats)

    def export(self, folder: Path | str, onnx: bool = True) -> list[Path]:
        """Writes what classifies without this project, and gives the files.

        Class features, names and settings as NumPy and JSON, the cache's matrices if there is one,
        a README with the lines that classify, and the image tower with its prompts as ONNX. Raises
        GramError for a method without class features (CoCoOp), and where onnx is not installed.
        """
        return export.export(self, Path(folder), onnx)

    def save(self, folder: Path | str) -> int:
        """Writes `prompts.safetensors` and `classifier.json`; the bytes written, some thousands.

        Those of a cache or a coupling are more. Raises GramError for a method that cannot be built
        again from its name and options.
        """
        return files.write(self, Path(folder))

    @classmethod
    def load(cls, folder: Path | str, backbone: Backbone | None = None) -> PromptedClassifier:
        """The classifier that was saved in this folder; it predicts the same.

        Opens the backbone that it was made with unless one is given. Raises GramError for a folder
        without a whole classifier, a later format, and a backbone with other weights.
        """
        from gram_core.backbones import open_backbone

        about, params = files.read(Path(folder))
        made_with = about["backbone"]
        if backbone is None:
            backbone = open_backbone(made_with["name"])
        if backbone.fingerprint != made_with["fingerprint"]:
            raise GramError(
                f"The classifier in {folder} was made with the backbone {made_with['name']} "
                f"({made_with['fingerprint']}), and {backbone.name} has other weights "
                f"({backbone.fingerprint}); open it with the backbone that it was made with."
            )
        params = {key: value.to(backbone.device, backbone.dtype) for key, value in params.items()}
        try:
            return cls(
                backbone,
                files.method_of(about),
                params,
                about["class_names"],
                about["about"],
                about.get("temperature", 1.0),
            )
        except GramError as error:
            raise GramError(f"The classifier in {folder} is not whole: {error}") from error

    def _banks(self, images: Images) -> Iterator[ImageBank]:
        """The images as banks, a few at a time where they have to be opened."""
        if isinstance(images, ImageBank):
            if len(images):
                yield images
            return
        if isinstance(images, str | Path | Image.Image) or (
            isinstance(images, np.ndarray) and images.ndim < 4
        ):
            images = [images]
        for first in range(0, len(images), IMAGES_AT_ONCE):
            pictures = [open_image(image) for image in images[first : first + IMAGES_AT_ONCE]]
            yield ImageBank(pixels=self.backbone.pixels(pictures))

    @cached_property
    def _constants(self) -> Constants:
        size = self.backbone.image_size
        pixels = torch.empty(0, 3, size, size, dtype=torch.uint8)
        nothing = ImageBank(pixels, torch.empty(0, self.backbone.embed_dim))
        return self.method.constants(self.backbone, self.class_names, nothing)

    @cached_property
    def _ready(self) -> tuple[Method, Constants]:
        """The method and its constants with the class features in place of what makes them.

        Where they are the same for all images, they are so computed once and not for every batch.
        """
        if self.method.text.by_image:
            return self.method, self._constants
        constants = replace(self._constants, text=self.class_features)
        return replace(self.method, text=FixedText()), constants

    @cached_property
    def _params(self) -> Params:
        backbone = self.backbone
        return {
            key: value.detach().to(backbone.device, backbone.dtype)[None]
            for key, value in self.params.items()
        }
