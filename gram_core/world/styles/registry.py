"""The styles by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gram_core.world.styles.layout import Layout, Picture

Renderer = Callable[[Layout, np.random.Generator], Picture]

SEEN: tuple[str, ...] = (
    "cartoon",
    "sketch",
    "neon",
    "blueprint",
    "watercolor",
    "photo",
    "pixel",
    "fog",
    "silhouette",
    "glass",
)
HELD_OUT: tuple[str, ...] = ("infrared", "chalk", "halftone", "nightvision")
STYLES: tuple[str, ...] = SEEN + HELD_OUT


@dataclass(frozen=True)
class Style:
    """A way to draw a layout; `wobble` is how far its hand strays, in canvas pixels."""

    name: str
    render: Renderer
    wobble: float


RENDERERS: dict[str, Style] = {}


def style(name: str, *, wobble: float = 0.4) -> Callable[[Renderer], Renderer]:
    """A decorator that makes a renderer known under a name of `STYLES`."""
    if name not in STYLES or name in RENDERERS:
        raise ValueError(
            f"style {name!r} is not free; the names are {', '.join(STYLES)}, once each"
        )

    def register(render: Renderer) -> Renderer:
        RENDERERS[name] = Style(name, render, wobble)
        return render

    return register
