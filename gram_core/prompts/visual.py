"""Visual parts: learned tokens beside the patches of every image, or images as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from gram_core.errors import GramError
from gram_core.memory import BUDGET
from gram_core.prompts.images import ImageBank
from gram_core.prompts.params import TOKENS, Params, deep
from gram_core.prompts.tokens import (
    Depth,
    blocks_within,
    check_depth,
    check_tokens,
    drawn,
    drawn_deep,
)

if TYPE_CHECKING:
    from gram_core.backbones import Backbone
    from gram_core.prompts.method import Constants


@dataclass(frozen=True)
class VisualTokens:
    """Learned tokens beside the patch tokens (VPT); they start at N(0, 0.02²).

    With a `depth` above 1 they are replaced before each of the first blocks (VPT-deep): so many
    have tokens of their own.
    """

    count: int = 4
    depth: Depth = 1

    reads_pixels: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_tokens(self.count, "visual tokens")
        check_depth(self.depth)

    def initial(self, backbone: Backbone, seed: int) -> Params:
        """`visual.tokens` `(n, d)` on the backbone's device, and `visual.tokens.1` … of later
        blocks."""
        tower = backbone.visual_tower()
        depth = blocks_within(self.depth, len(tower.blocks), "visual")
        first = {TOKENS: drawn(backbone, self.count, tower.width, seed)}
        return first | drawn_deep(backbone, TOKENS, depth, self.count, tower.width, seed)

    def constants(self, backbone: Backbone, images: ImageBank) -> Tensor:
        """The pixels `(n, 3, H, W)`, left where they are: a bank may be larger than memory."""
        backbone.visual_tower()
        if images.pixels is None:
            raise GramError(
                "Visual tokens need the pixels of the images, and this bank holds features alone; "
                "build it with ImageBank.of."
            )
        return images.pixels

    def features(self, params: Params, constants: Constants, images: Tensor) -> Tensor:
        """Normalised image features `(B, N, e)`, each task's images with its own tokens."""
        tower, pixels, tokens = constants.backbone.visual_tower(), constants.visual, params[TOKENS]

        def encode(rows: Tensor) -> Tensor:
            chosen = pixels[rows.to(pixels.device)].to(tokens.device)
            return tower.encode(chosen, tokens, deep(params, TOKENS))

        if torch.is_grad_enabled():
            return encode(images)
        at_once = max(1, BUDGET // (len(images) * self.memory(constants)))
        return torch.cat([encode(rows) for rows in images.split(at_once, dim=1)], dim=1)

    def memory(self, constants: Constants) -> int:
        """Bytes that a differentiable pass keeps of an image."""
        return constants.backbone.visual_tower().memory(self.count)


@dataclass(frozen=True)
class PlainImages:
    """Images as the backbone sees them; nothing is learned, so the features are constants."""

    reads_pixels: ClassVar[bool] = False

    def initial(self, backbone: Backbone, seed: int) -> Params:
        """No parameters."""
        return {}

    def constants(self, backbone: Backbone, images: ImageBank) -> Tensor:
        """The image features `(n, e)`, computed here if the bank has none."""
        if images.features is None:
            assert images.pixels is not None  # a bank holds one of the two
            return backbone.encode_images(images.pixels)
        features = images.features.to(backbone.device)
        if features.dtype == backbone.dtype:
            return features
        # Features kept in half precision are no longer quite of length one.
        return functional.normalize(features.to(backbone.dtype), dim=-1)

    def features(self, params: Params, constants: Constants, images: Tensor) -> Tensor:
        """Normalised image features `(B, N, e)` of bank rows `(B, N)`."""
        return constants.visual[images]

    def memory(self, constants: Constants) -> int:
        """Nothing."""
        return 0
