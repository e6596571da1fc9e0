"""A labelled set in feature space: images lie near the text of their class."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional

from gram_core.backbones import Backbone
from gram_core.datasets import POOL, TEST, LabelledSet
from gram_core.prompts import ImageBank

NAMES = ("dog", "car", "moon", "boat", "tree")
DOMAINS = ("ink", "oil", "photo")
MakeSet = Callable[..., LabelledSet]


@pytest.fixture(scope="session")
def make_set(tiny_backbone: Backbone) -> MakeSet:
    """A function `(noise, name) -> LabelledSet` of 5 classes and 3 domains, 2 of them with a pool.

    Each domain pushes its images in a direction of its own.
    """

    def make(noise: float = 0.1, name: str = "made") -> LabelledSet:
        texts = tiny_backbone.encode_texts([f"a photo of a {word}." for word in NAMES])
        generator = torch.Generator().manual_seed(3)
        shift = 0.3 * torch.randn(len(DOMAINS), texts.shape[1], generator=generator)
        rows = [
            (label, domain, split)
            for label in range(len(NAMES))
            for domain in range(len(DOMAINS))
            for split in [POOL] * (8 if domain < 2 else 0) + [TEST] * 6
        ]
        labels, domains, splits = (np.array(column) for column in zip(*rows, strict=True))
        drawn = torch.randn(len(rows), texts.shape[1], generator=generator)
        features = texts[labels] - texts.mean(0) + noise * (shift[domains] + drawn)
        return LabelledSet(
            name=name,
            classes=NAMES,
            bank=ImageBank(features=functional.normalize(features, dim=-1)),
            labels=labels,
            domains=domains,
            splits=splits,
            domain_names=DOMAINS,
        )

    return make
