"""The registry that drawings enter themselves into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gram_core.world.primitives import Pencil, Shape

Draw = Callable[[Pencil], list[Shape]]


@dataclass(frozen=True, slots=True)
class Concept:
    """A nameable thing: its name, the kind of thing it is, and how to draw one."""

    name: str
    kind: str
    draw: Draw


REGISTRY: dict[str, Concept] = {}


def concept(name: str, *, kind: str) -> Callable[[Draw], Draw]:
    """A decorator that registers a drawing function as the concept `name`.

    Raises ValueError if the name is taken.
    """

    def register(draw: Draw) -> Draw:
        if name in REGISTRY:
            raise ValueError(f"concept {name!r} is registered twice; give one of them another name")
        REGISTRY[name] = Concept(name, kind, draw)
        return draw

    return register
