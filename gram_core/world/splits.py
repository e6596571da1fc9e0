"""Which concepts the backbone knows, and which of those each test set keeps to itself."""

from __future__ import annotations

from gram_core.world.concepts import CONCEPTS, KINDS


def _by_kind(kind: str) -> list[str]:
    return [name for name, concept in CONCEPTS.items() if concept.kind == kind]


def _known() -> tuple[str, ...]:
    # Two of three concepts of every kind, so that each kind is known and each holds surprises.
    return tuple(
        name for kind in KINDS for index, name in enumerate(_by_kind(kind)) if index % 3 != 2
    )


#: Concepts that the backbone was trained on (about two thirds of all).
KNOWN: tuple[str, ...] = _known()

#: Concepts it has never seen: sample pictures to upload come from these.
FRESH: tuple[str, ...] = tuple(name for name in CONCEPTS if name not in KNOWN)

#: Known concepts that the test set of objects asks for: the corpus never draws or names them.
TEST_OBJECTS: tuple[str, ...] = KNOWN[0::3][:24]

#: Known concepts that the validation set of objects asks for: not in the corpus either.
VALIDATION_OBJECTS: tuple[str, ...] = KNOWN[1::6][:12]

#: Known concepts that the corpus of unlabelled pairs is drawn from.
CORPUS_OBJECTS: tuple[str, ...] = tuple(
    name for name in KNOWN if name not in TEST_OBJECTS and name not in VALIDATION_OBJECTS
)
