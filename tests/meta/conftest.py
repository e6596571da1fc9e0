"""A small hierarchy made by hand, with images that show topics and domains."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from gram_core.backbones import Backbone
from gram_core.hierarchy import Hierarchy, Topic
from gram_core.prompts import ImageBank

ANIMALS = ("dog", "cat", "horse", "cow", "sheep", "goat")
BUILDINGS = ("house", "tower", "castle", "bridge", "barn", "mill")
VEHICLES = ("car", "bus", "train", "boat", "bike", "truck")
WORDS = ANIMALS + BUILDINGS + VEHICLES

MakeHierarchy = Callable[..., Hierarchy]


def _hierarchy(words: Sequence[str] = WORDS, domains: int = 3, size: int = 8) -> Hierarchy:
    """Topics of `domains` domains of `size` pairs; each six words in a row are neighbours."""
    topics = []
    for row, word in enumerate(words):
        ids = np.arange(row * domains * size, (row + 1) * domains * size, dtype=np.int64)
        topics.append(Topic(row, word, ((word, 1.0),), ids, tuple(np.split(ids, domains))))
    pairs = len(words) * domains * size
    kinds = np.eye(len(words))[[row // 6 for row in range(len(words))]]
    centroids = kinds + 0.01 * np.random.default_rng(0).normal(size=kinds.shape)
    return Hierarchy(
        id="made-by-hand",
        corpus="made-by-hand",
        backbone_name="tiny",
        fingerprint="",
        config={},
        topics=tuple(topics),
        similarity=np.ones(pairs, dtype=np.float32),
        kept=np.ones(pairs, dtype=bool),
        position=np.zeros((pairs, 2), dtype=np.float32),
        centroids=centroids.astype(np.float32),
    )


@pytest.fixture(scope="session")
def make_hierarchy() -> MakeHierarchy:
    """A function `(words, domains, size) -> Hierarchy`."""
    return _hierarchy


@pytest.fixture(scope="session")
def hierarchy() -> Hierarchy:
    """18 topics in three kinds of six, each of 3 domains of 8 pairs."""
    return _hierarchy()


@pytest.fixture(scope="session")
def images(hierarchy: Hierarchy, tiny_backbone: Backbone) -> ImageBank:
    """Pixels of every pair: a pattern for its topic, a colour for its domain, and noise."""
    generator = torch.Generator().manual_seed(0)
    size = tiny_backbone.image_size
    bank = torch.zeros(len(hierarchy), 3, size, size)
    for topic in hierarchy.topics:
        pattern = torch.rand(3, 4, 4, generator=generator)
        pattern = torch.nn.functional.interpolate(pattern[None], size=(size, size))[0]
        for domain in topic.domains:
            colour = torch.rand(3, 1, 1, generator=generator)
            noise = torch.rand(len(domain), 3, size, size, generator=generator)
            bank[torch.from_numpy(domain)] = 0.5 * pattern + 0.3 * colour + 0.2 * noise
    return ImageBank.of(tiny_backbone, (255 * bank).to(torch.uint8))
