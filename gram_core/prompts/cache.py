"""A cache of the support images that votes beside the text (Tip-Adapter)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from gram_core.errors import GramError
from gram_core.names import compared
from gram_core.prompts.params import Params

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

KEYS, LABELS = "visual.cache_keys", "visual.cache_labels"


@dataclass(frozen=True)
class Cache:
    """Support images vote for their class by their similarity to an image (Tip-Adapter).

    An image with the normalised feature f gains the logits α exp(−β (1 − f Kᵀ)) V: the rows of K
    are the support's features, each the mean over its views, normalised, and those of V say its
    class. `learned`: K is tuned (Tip-Adapter-F). A class without support images gains nothing.
    """

    alpha: float = 1.0
    beta: float = 5.5
    learned: bool = False

    def __post_init__(self) -> None:
        for name in ("alpha", "beta"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value >= 0):
                raise GramError(f"{name} is {value!r}; give a number from 0.")

    @property
    def fixed(self) -> frozenset[str]:
        """The keys of the parameters that adaptation leaves as they are."""
        return frozenset({LABELS} if self.learned else {KEYS, LABELS})

    def constants(self, backbone: Backbone, class_names: Sequence[str]) -> Tensor:
        """A code `(C, 2)` for every class name, by which a class finds its support images."""
        return torch.tensor(
            [_code(name) for name in class_names], device=backbone.device, dtype=backbone.dtype
        )

    def filled(self, features: Tensor, codes: Tensor, labels: Tensor) -> Params:
        """`visual.cache_keys` `(R, n, e)` and `visual.cache_labels` `(R, n, 2)` of the support.

        features: `(R, n, V, e)`, normalised, of V views; codes of the classes `(C, 2)`; labels
        `(R, n)`.
        """
        return {KEYS: functional.normalize(features.mean(2), dim=-1), LABELS: codes[labels]}

    def like(self, params: Params, backbone: Backbone) -> Params:
        """What parameters with as many cached images as `params` look like, without a run axis."""
        keys = params.get(KEYS)
        count = 1 if keys is None or keys.ndim < 2 else keys.shape[-2]
        return {KEYS: torch.empty(count, backbone.embed_dim), LABELS: torch.empty(count, 2)}

    def votes(
        self, params: Params, codes: Tensor, classes: Tensor | None, images: Tensor
    ) -> Tensor:
        """The logits `(B, N, K)` that image features `(B, N, e)` gain."""
        wanted = codes[None] if classes is None else codes[classes]
        same = (params[LABELS][:, :, None] == wanted[:, None]).all(-1).to(images.dtype)
        similarity = images @ params[KEYS].transpose(-1, -2)
        return self.alpha * (torch.exp(self.beta * (similarity - 1)) @ same)


def _code(name: str) -> tuple[int, int]:
    """48 bits of a name's hash as two whole numbers that float32 holds exactly."""
    digest = hashlib.sha256(compared(name).encode()).digest()
    return int.from_bytes(digest[:3], "big"), int.from_bytes(digest[3:6], "big")
