"""A classifier of every method, as if it had been adapted: nothing in it is as it started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from gram_core.backbones import Backbone
from gram_core.classifier import PromptedClassifier
from gram_core.prompts import METHODS, ImageBank, build_method

NAMES = ("cat", "fire engine", "tree", "boat")

Make = Callable[..., PromptedClassifier]


@pytest.fixture(scope="session")
def pictures() -> list[np.ndarray]:
    """Three pictures that no classifier learned from."""
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (36, 48, 3), dtype=np.uint8) for _ in range(3)]


@pytest.fixture(scope="session")
def make(tiny_backbone: Backbone) -> Make:
    """A function `(method name, **options) -> classifier` of NAMES on the tiny backbone."""
    generator = torch.Generator().manual_seed(7)
    size = (6, 3, tiny_backbone.image_size, tiny_backbone.image_size)
    pixels = torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)
    support = ImageBank.of(tiny_backbone, pixels)
    images, labels = torch.arange(6)[None], torch.tensor([[0, 0, 1, 1, 3, 3]])

    def build(name: str, **options: Any) -> PromptedClassifier:
        method = build_method(name, **options)
        constants = method.constants(tiny_backbone, NAMES, support)
        start = {key: value[None] for key, value in method.initial(tiny_backbone, 3).items()}
        params = {}
        for key, value in method.prepared(start, constants, images, labels).items():
            noise = torch.randn(value.shape, generator=torch.Generator().manual_seed(len(key)))
            params[key] = (value if key in method.fixed else value + 0.05 * noise)[0]
        about = {"rule": "raw", "metrics": {"base": 0.8}}
        return PromptedClassifier(tiny_backbone, method, params, NAMES, about)

    return build


VARIANTS: dict[str, dict[str, Any]] = {name: {} for name in METHODS}
VARIANTS |= {
    "coop, a context for each class": {"class_specific": True},
    "coop, the name in the middle": {"position": "middle"},
    "zero-shot, an ensemble": {"template": "imagenet-7"},
    "ivlp, deep": {"depth": 2, "visual_depth": 2},
}


@pytest.fixture(params=VARIANTS)
def classifier(request: pytest.FixtureRequest, make: Make) -> PromptedClassifier:
    """A classifier of every method, and of options that change what is kept."""
    return make(request.param.split(",")[0], **VARIANTS[request.param])
