"""How well a backbone knows the world: zero-shot accuracy by style and geometry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from gram_core.world.scene import render, sample_scene
from gram_core.world.splits import KNOWN
from gram_core.world.styles import HELD_OUT, SEEN, STYLES

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

TEMPLATE = "a picture of a {}"


def accuracy_by_style(
    backbone: Backbone, geometry: str = "easy", per_name: int = 4, seed: int = 0
) -> dict[str, float]:
    """Zero-shot accuracy (in per cent) over all known names, by style, on fresh pictures.

    Adds the means over the styles of pretraining, "seen", and over the others, "held out".
    """
    rng = np.random.default_rng([seed, 4])
    texts = backbone.encode_texts([TEMPLATE.format(name) for name in KNOWN])
    result: dict[str, float] = {}
    for style in STYLES:
        names = np.repeat(np.arange(len(KNOWN)), per_name)
        pictures = [
            Image.fromarray(render(rng, sample_scene(rng, KNOWN[name], style, geometry, count=1)))
            for name in names
        ]
        features = backbone.encode_images(backbone.pixels(pictures))
        predicted = (features @ texts.T).argmax(-1).numpy()
        result[style] = 100 * float((predicted == names).mean())
    result["seen"] = float(np.mean([result[style] for style in SEEN]))
    result["held out"] = float(np.mean([result[style] for style in HELD_OUT]))
    return result
