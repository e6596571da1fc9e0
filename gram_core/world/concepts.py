"""Every concept of the bundled world, ordered by kind."""

from __future__ import annotations

import gram_core.world.drawings  # noqa: F401  (fills the registry)
from gram_core.world.registry import REGISTRY, Concept, concept

__all__ = ["CONCEPTS", "KINDS", "Concept", "concept"]

#: The kinds of things, each the word that a caption would use.
KINDS: tuple[str, ...] = (
    "vehicle",
    "animal",
    "plant",
    "fruit",
    "snack",
    "tool",
    "furniture",
    "dish",
    "building",
    "garment",
    "instrument",
    "toy",
    "sky",
    "thing",
)

#: Every concept by its name: kind after kind, in the order in which the drawings were registered.
CONCEPTS: dict[str, Concept] = {
    entry.name: entry for kind in KINDS for entry in REGISTRY.values() if entry.kind == kind
}
