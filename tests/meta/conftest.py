"""A small hierarchy made by hand, with images that show topics and domains."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gram_core.backbones import Backbone, open_backbone
from gram_core.hierarchy import Hierarchy, Topic
from gram_core.meta import MetaConfig, TaskConfig, TaskSampler, training
from gram_core.meta.gradient import MetaGradient, meta_gradient
from gram_core.meta.learner import Learner
from gram_core.meta.tasks import Task
from gram_core.prompts import ConditionalContext, Context, ImageBank, Method, build_method
from tests.meta.walks import CONFIG, curved

ANIMALS = ("dog", "cat", "horse", "cow", "sheep", "goat")
BUILDINGS = ("house", "tower", "castle", "bridge", "barn", "mill")
VEHICLES = ("car", "bus", "train", "boat", "bike", "truck")
WORDS = ANIMALS + BUILDINGS + VEHICLES

MakeHierarchy = Callable[..., Hierarchy]
BuildMethod = Callable[..., Method]
Configure = Callable[..., MetaConfig]
MakeLearner = Callable[..., Learner]
World = tuple[Backbone, Hierarchy, ImageBank]

DEVICES = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)


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


@pytest.fixture(scope="session", params=DEVICES)
def backbone(tiny_backbone_dir: Path, request: pytest.FixtureRequest) -> Backbone:
    """The tiny backbone, on every device that there is."""
    return open_backbone(str(tiny_backbone_dir), request.param)


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


@pytest.fixture(scope="session")
def build() -> BuildMethod:
    """A function `(name, **options) -> Method` of methods with two tokens.

    CoCoOp's network is a quarter as wide as features are: a sixteenth of the tiny backbone's would
    be a single unit, and that is dead.
    """

    def built(name: str, **options: Any) -> Method:
        method = build_method(name, tokens=2, **options)
        if name == "cocoop":
            return replace(method, text=ConditionalContext(Context(2), narrower=4))
        return method

    return built


@pytest.fixture(scope="session")
def double(backbone: Backbone) -> Backbone:
    """The tiny backbone in float64, with a logit scale at which losses are curved."""
    return curved(backbone.double())


@pytest.fixture(scope="session")
def make_learner(
    double: Backbone, hierarchy: Hierarchy, images: ImageBank, build: BuildMethod
) -> MakeLearner:
    """A function `(name, form, backbone, **options) -> Learner` on the images of the hierarchy."""

    def make(
        name: str, form: str = "blend", backbone: Backbone = double, **options: Any
    ) -> Learner:
        method = build(name, **options)
        assert images.pixels is not None
        bank = ImageBank.of(backbone, images.pixels)
        names = TaskSampler(hierarchy, CONFIG, seed=0).names
        constants = method.constants(backbone, names, bank)
        return Learner(method, constants, {"text": 0.5, "visual": 0.5}, form)

    return make


@pytest.fixture(scope="session")
def tasks(hierarchy: Hierarchy) -> list[Task]:
    """Two tasks of three classes and two unseen ones."""
    sampler = TaskSampler(hierarchy, CONFIG, seed=0)
    return [sampler.sample() for _ in range(2)]


@pytest.fixture(scope="session")
def configure() -> Configure:
    """A function `(method, preset, **overrides) -> MetaConfig` of a few steps on small tasks.

    `method` is a name or a method.
    """

    def configured(
        method: str | Method, preset: Any = "trajectory", **overrides: Any
    ) -> MetaConfig:
        built = build_method(method) if isinstance(method, str) else method
        small = {
            "steps": 6,
            "tasks": 3,
            "segment": 2,
            "horizon": 6,
            "batch": 6,
            "probe_every": 3,
            "probe_tasks": 2,
            "probe_steps": 3,
            "checkpoint_every": 2,
            "task": TaskConfig(ways=3, unseen_ways=2, shots=3, queries=2),
        }
        return MetaConfig.for_method(built, preset, **{**small, **overrides})

    return configured


@pytest.fixture
def world(backbone: Backbone, hierarchy: Hierarchy, images: ImageBank) -> World:
    """Backbone, hierarchy and images, as `meta_train` takes them."""
    return backbone, hierarchy, images


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of every `meta_gradient` of a meta-training, newest last."""
    calls: list[dict[str, Any]] = []

    def spy(*args: Any, **kwargs: Any) -> MetaGradient:
        bound = inspect.signature(meta_gradient).bind(*args, **kwargs)
        bound.apply_defaults()
        calls.append(bound.arguments)
        return meta_gradient(*args, **kwargs)

    monkeypatch.setattr(training, "meta_gradient", spy)
    return calls
