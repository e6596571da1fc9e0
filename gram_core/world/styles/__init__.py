"""Fourteen ways to draw a scene: ten that a backbone may be pretrained on, four held out."""

from __future__ import annotations

from gram_core.world.styles import coarse, drawn, lit, painted
from gram_core.world.styles.layout import Layout, Mark, Picture
from gram_core.world.styles.registry import HELD_OUT, RENDERERS, SEEN, STYLES, Style

__all__ = [
    "HELD_OUT",
    "RENDERERS",
    "SEEN",
    "STYLES",
    "Layout",
    "Mark",
    "Picture",
    "Style",
    "coarse",
    "drawn",
    "lit",
    "painted",
]
