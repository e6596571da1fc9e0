"""The colours of all figures; each of them means one thing everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gram_core.hierarchy import Hierarchy

RAW, GRAM, ZERO_SHOT = "#D2691E", "#1F6FB2", "#8A929C"
QUIET = "#D5DAE1"
INK = "#27313D"
RUN_COLOURS = ("#1F6FB2", "#D2691E", "#2A9D7C", "#A0549D", "#C2A01C", "#5AAFD6")


def topic_hues(hierarchy: Hierarchy) -> dict[int, float]:
    """Hue in degrees of each topic, by its direction from the middle of the map.

    The hues are spread evenly: what counts is the order around the map, not the angle itself.
    """
    position = np.asarray(hierarchy.position, dtype=float)
    topics = [topic for topic in hierarchy.topics if len(topic.members)]
    centres = {topic.id: position[topic.members].mean(axis=0) for topic in topics}
    if not centres:
        return {}
    middle = np.mean(list(centres.values()), axis=0)
    angle = {id: math.atan2(*(centre - middle)[::-1]) for id, centre in centres.items()}
    order = sorted(angle, key=lambda id: angle[id])
    return {id: 360.0 * rank / len(order) for rank, id in enumerate(order)}


def topic_colours(hues: Mapping[int, float]) -> dict[int, str]:
    """The colour of each topic: its hue, and by turns lighter and darker.

    Neighbouring hues are thus told apart by lightness too, which every eye sees.
    """
    order = sorted(hues, key=lambda id: hues[id])
    return {id: oklch((0.76, 0.64)[place % 2], 0.12, hues[id]) for place, id in enumerate(order)}


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of "#rrggbb", each from 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def oklch(lightness: float, chroma: float, hue: float) -> str:
    """A hex colour of even lightness for the eye, from OKLCH (Ottosson 2020); hue in degrees.

    What the screen cannot show is brought back by less chroma.
    """
    while True:
        a = chroma * math.cos(math.radians(hue))
        b = chroma * math.sin(math.radians(hue))
        long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
        medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
        short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
        linear = (
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        )
        if chroma <= 0 or all(-1e-6 <= part <= 1 + 1e-6 for part in linear):
            return "#" + "".join(f"{_gamma(part):02x}" for part in linear)
        chroma = max(0.0, chroma - 0.005)


def _gamma(part: float) -> int:
    part = min(1.0, max(0.0, part))
    return round(255 * (12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055))
