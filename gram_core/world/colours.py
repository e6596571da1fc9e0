"""The twelve colours that the bundled world paints its things in."""

from __future__ import annotations

from gram_core.world.primitives import RGB

COLOURS: dict[str, RGB] = {
    "red": (214, 48, 44),
    "orange": (238, 138, 34),
    "yellow": (242, 208, 50),
    "green": (62, 158, 72),
    "teal": (40, 158, 158),
    "blue": (48, 96, 208),
    "purple": (134, 66, 176),
    "pink": (240, 130, 174),
    "brown": (134, 88, 50),
    "grey": (136, 136, 140),
    "white": (238, 238, 234),
    "black": (40, 40, 44),
}
COLOUR_NAMES: tuple[str, ...] = tuple(COLOURS)
