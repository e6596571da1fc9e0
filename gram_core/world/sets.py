"""The labelled downstream sets of the world: what each asks, and how its pictures are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gram_core.world.concepts import CONCEPTS, KINDS
from gram_core.world.scene import SIZES, Scene, sample_scene
from gram_core.world.settings import SETTINGS
from gram_core.world.splits import CORPUS_OBJECTS, KNOWN, TEST_OBJECTS, VALIDATION_OBJECTS
from gram_core.world.styles import STYLES

DrawScene = Callable[[np.random.Generator, str, str], Scene]


@dataclass(frozen=True)
class SetPlan:
    """A labelled set: its classes (the first half are base), and a scene for a class and a domain.

    `domains` are the domains of its test pictures, `sources` those that have a pool of training
    pictures besides. `role` says whether settings may be chosen on it.
    """

    name: str
    title: str
    description: str
    role: Literal["test", "validation"]
    classes: tuple[str, ...]
    domains: tuple[str, ...]
    sources: tuple[str, ...]
    scene: DrawScene
    pool_per_class: int
    test_per_class: int


def _known_of(kind: str) -> tuple[str, ...]:
    return tuple(name for name in KNOWN if CONCEPTS[name].kind == kind)


def _any_of(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[int(rng.integers(len(names)))]


def _object(rng: np.random.Generator, label: str, domain: str) -> Scene:
    return sample_scene(rng, label, domain, "hard")


def _kind(rng: np.random.Generator, label: str, domain: str) -> Scene:
    return sample_scene(rng, _any_of(rng, _known_of(label)), domain, "hard")


def _setting(rng: np.random.Generator, label: str, domain: str) -> Scene:
    concept = _any_of(rng, VALIDATION_OBJECTS + CORPUS_OBJECTS)
    return sample_scene(rng, concept, domain, "hard", setting=label)


def _medium_and_kind(rng: np.random.Generator, label: str, domain: str) -> Scene:
    style, kind = label.split(" ", 1)
    return sample_scene(rng, _any_of(rng, _known_of(kind)), style, "hard", size=domain)


def _pairs(styles: tuple[str, ...], kinds: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{style} {kind}" for kind in kinds for style in styles)


PLANS: tuple[SetPlan, ...] = (
    SetPlan(
        name="kinds",
        title="Kinds of things",
        description="Which kind of thing is it? Twelve hypernyms, in every style.",
        role="test",
        classes=KINDS[0:12:2] + KINDS[1:12:2],
        domains=STYLES,
        sources=("cartoon", "photo", "blueprint"),
        scene=_kind,
        pool_per_class=32,
        test_per_class=12,
    ),
    SetPlan(
        name="media",
        title="Media and kinds",
        description="Which medium and which kind of thing? Domains are sizes of the object.",
        role="test",
        classes=_pairs(("cartoon", "neon", "sketch"), ("animal", "building", "plant", "vehicle")),
        domains=SIZES,
        sources=SIZES,
        scene=_medium_and_kind,
        pool_per_class=32,
        test_per_class=56,
    ),
    SetPlan(
        name="objects",
        title="Objects",
        description="Which object is it? Twenty-four that the corpus never shows, in every style.",
        role="test",
        classes=TEST_OBJECTS[0::2] + TEST_OBJECTS[1::2],
        domains=STYLES,
        sources=("watercolor", "pixel", "glass"),
        scene=_object,
        pool_per_class=32,
        test_per_class=7,
    ),
    SetPlan(
        name="settings",
        title="Settings",
        description="Where is it? Twelve surroundings, in every style.",
        role="validation",
        classes=tuple(SETTINGS)[0:12:2] + tuple(SETTINGS)[1:12:2],
        domains=STYLES,
        sources=("cartoon", "photo", "blueprint"),
        scene=_setting,
        pool_per_class=32,
        test_per_class=10,
    ),
    SetPlan(
        name="media-validation",
        title="Media and kinds, validation",
        description="Which medium and which kind of thing? Other media and kinds than the test's.",
        role="validation",
        classes=_pairs(("watercolor", "pixel", "fog"), ("snack", "tool", "dish", "garment")),
        domains=SIZES,
        sources=SIZES,
        scene=_medium_and_kind,
        pool_per_class=32,
        test_per_class=40,
    ),
    SetPlan(
        name="objects-validation",
        title="Objects, validation",
        description="Which object is it? Twelve that neither the corpus nor the test set shows.",
        role="validation",
        classes=VALIDATION_OBJECTS[0::2] + VALIDATION_OBJECTS[1::2],
        domains=STYLES,
        sources=("watercolor", "pixel", "glass"),
        scene=_object,
        pool_per_class=32,
        test_per_class=8,
    ),
)

#: Words that no caption of the bundled corpus holds: the classes of the test sets.
TEST_WORDS: frozenset[str] = frozenset(
    word for plan in PLANS if plan.role == "test" for name in plan.classes for word in name.split()
)
