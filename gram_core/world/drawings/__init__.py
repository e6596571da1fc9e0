"""The drawings, one module a theme; importing this package registers all of them."""

from __future__ import annotations

from gram_core.world.drawings import (
    animals,
    buildings,
    clothing,
    food,
    home,
    instruments,
    plants,
    sky,
    things,
    tools,
    toys,
    vehicles,
)

__all__ = [
    "animals",
    "buildings",
    "clothing",
    "food",
    "home",
    "instruments",
    "plants",
    "sky",
    "things",
    "tools",
    "toys",
    "vehicles",
]
