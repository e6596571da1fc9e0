"""A prompted classifier: what a few labelled images became, to use, to keep and to take away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gram_core.errors import GramError
from gram_core.prompts import (
    Constants,
    ImageBank,
    Method,
    Params,
    build_method,
    open_image,
    repeat_params,
)
from gram_core.prompts.images import ImageLike
from gram_core.prompts.method import check_names, check_params
from gram_core.workspace import as_json

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

PROMPTS = "prompts.safetensors"
ABOUT = "classifier.json"
IMAGES_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class PromptedClassifier:
    """Prompts and class names on a frozen backbone.

    `params` have no run axis. `about` is what else is worth keeping (rule, initialisation,
    accuracies), as JSON can hold it. Raises GramError for prompts that do not fit, and for fewer
    than two different class names.
    """

    backbone: Backbone
    method: Method
    params: Params
    class_names: Sequence[str]
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_params(self.params, self.method.initial(self.backbone))
        object.__setattr__(self, "class_names", check_names(self.class_names))
        if len(self.class_names) < 2:
            raise GramError(
                f"There is one class only ({self.class_names[0]}); give at least two to tell apart."
            )

    def predict(
        self, images: ImageLike | Sequence[ImageLike], top: int = 5
    ) -> list[list[tuple[str, float]]]:
        """The `top` classes of each image with their probabilities, likeliest first.

        `images` is a path, a PIL image, an array, or a sequence of these. Raises GramError for an
        image that cannot be read.
        """
        if top < 1:
            raise GramError(f"top is {top}; ask for at least one class.")
        rankings = []
        for probabilities in self.probabilities(images):
            best = probabilities.topk(min(top, len(self.class_names)))
            pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
            rankings.append([(self.class_names[row], value) for row, value in pairs])
        return rankings

    @torch.no_grad()
    def probabilities(self, images: ImageLike | Sequence[ImageLike]) -> Tensor:
        """Probabilities `(n, K)` of the classes for n images, on the CPU."""
        if isinstance(images, str | Path | Image.Image) or (
            isinstance(images, np.ndarray) and images.ndim < 4
        ):
            images = [images]
        parts = [torch.empty(0, len(self.class_names))]
        for first in range(0, len(images), IMAGES_AT_ONCE):
            pictures = [open_image(image) for image in images[first : first + IMAGES_AT_ONCE]]
            bank = ImageBank(pixels=self.backbone.pixels(pictures))
            constants = self.method.with_images(self._constants, bank)
            rows = torch.arange(len(pictures), device=self.backbone.device)[None]
            features = self.method.image_features(self._params, constants, rows)[0]
            logits = self.backbone.logit_scale * features @ self.class_features.T
            parts.append(logits.softmax(-1).float().cpu())
        return torch.cat(parts)

    @cached_property
    def class_features(self) -> Tensor:
        """The normalised features `(K, e)` of the classes under these prompts."""
        with torch.no_grad():
            return self.method.class_features(self._params, self._constants)[0]

    @cached_property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return sum(value.numel() for value in self.params.values())

    def with_classes(self, class_names: Sequence[str]) -> PromptedClassifier:
        """The same prompts for other classes, none of which has to have been learned from."""
        return replace(self, class_names=class_names)

    def save(self, folder: Path | str) -> int:
        """Writes `prompts.safetensors` and `classifier.json`; the bytes written, some thousands.

        Raises GramError for a method that cannot be built again from its name and options.
        """
        from safetensors.torch import save

        if build_method(self.method.name, **self.method.options) != self.method:
            raise GramError(
                f"The method {self.method.name} cannot be written down, because it was not made by "
                "build_method; make it so, or save its parameters yourself."
            )
        about = {
            "backbone": {"name": self.backbone.name, "fingerprint": self.backbone.fingerprint},
            "method": {"name": self.method.name, "options": dict(self.method.options)},
            "class_names": list(self.class_names),
            "parameters": self.parameters,
            "about": self.about,
        }
        prompts = save({key: value.cpu().contiguous() for key, value in self.params.items()})
        text = json.dumps(as_json(about), indent=2, ensure_ascii=False, default=_refuse).encode()
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in ((PROMPTS, prompts), (ABOUT, text)):
            fresh = folder / f".{name}"
            fresh.write_bytes(content)
            fresh.replace(folder / name)
        return len(prompts) + len(text)

    @classmethod
    def load(cls, folder: Path | str, backbone: Backbone | None = None) -> PromptedClassifier:
        """The classifier that was saved in this folder; it predicts the same.

        Opens the backbone that it was made with unless one is given. Raises GramError for a folder
        without a whole classifier, and for a backbone with other weights.
        """
        from gram_core.backbones import open_backbone

        about, params = _read(Path(folder))
        made_with = about["backbone"]
        if backbone is None:
            backbone = open_backbone(made_with["name"])
        if backbone.fingerprint != made_with["fingerprint"]:
            raise GramError(
                f"The classifier in {folder} was made with the backbone {made_with['name']} "
                f"({made_with['fingerprint']}), and {backbone.name} has other weights "
                f"({backbone.fingerprint}); open it with the backbone that it was made with."
            )
        method = build_method(about["method"]["name"], **about["method"]["options"])
        params = {key: value.to(backbone.device, backbone.dtype) for key, value in params.items()}
        return cls(backbone, method, params, about["class_names"], about["about"])

    @cached_property
    def _constants(self) -> Constants:
        size = self.backbone.image_size
        pixels = torch.empty(0, 3, size, size, dtype=torch.uint8)
        nothing = ImageBank(pixels, torch.empty(0, self.backbone.embed_dim))
        return self.method.constants(self.backbone, self.class_names, nothing)

    @cached_property
    def _params(self) -> Params:
        return repeat_params(self.params, 1)


def _read(folder: Path) -> tuple[dict[str, Any], Params]:
    """What the two files of a classifier hold; GramError where they are not there or not whole."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        missing = {"backbone", "method", "class_names", "about"} - set(about)
        if missing:
            raise ValueError(f"{ABOUT} lacks {', '.join(sorted(missing))}")
        return about, load((folder / PROMPTS).read_bytes())
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        raise GramError(
            f"There is no whole classifier in {folder} ({error}); give the folder that "
            f"{ABOUT} and {PROMPTS} were saved in."
        ) from error


def _refuse(value: Any) -> Any:
    raise GramError(f"{value!r} cannot be kept with a classifier; give what JSON can hold.")
