"""Visual tokens that are linear images of the text tokens (MaPLe)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from gram_core.prompts.affine import affine, linear_start
from gram_core.prompts.params import CONTEXT, TOKENS, Params
from gram_core.prompts.text import Context
from gram_core.prompts.tokens import Depth, blocks_within, check_depth

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

COUPLING = "visual.coupling"
PUBLISHED_DEPTH = 9


@dataclass(frozen=True)
class Coupling:
    """A learned linear map at every depth makes the visual tokens from the text's (MaPLe).

    `depth` None: nine blocks, as published, or as many as the shallower tower has. The map of the
    first block is drawn as `nn.Linear` is, and so is one more, of which all later ones are copies.
    """

    context: Context
    depth: Depth = None

    def __post_init__(self) -> None:
        check_depth(self.depth)

    def blocks(self, backbone: Backbone) -> int:
        """How many blocks receive tokens. Raises GramError where a tower has fewer than asked."""
        text, visual = len(backbone.text.blocks), len(backbone.visual_tower().blocks)
        if self.depth is None:
            return min(PUBLISHED_DEPTH, text, visual)
        blocks_within(self.depth, visual, "visual")
        return blocks_within(self.depth, text, "text")

    def initial(self, backbone: Backbone, seed: int) -> Params:
        """The context of every depth, `visual.coupling` `(d_v, d_t)` and `visual.coupling_bias`
        `(d_v)`, and the same with `.1`, `.2`, … for later blocks."""
        depth = self.blocks(backbone)
        params = replace(self.context, depth=depth).initial(backbone, seed)
        width, wanted = backbone.text_width, backbone.visual_tower().width
        generator = torch.Generator().manual_seed(seed)
        first = linear_start(COUPLING, width, wanted, generator)
        later = linear_start(COUPLING, width, wanted, generator)
        maps = first | {
            f"{key}.{place}": value.clone()
            for place in range(1, depth)
            for key, value in later.items()
        }
        return params | {k: v.to(backbone.device, backbone.dtype) for k, v in maps.items()}

    def coupled(self, params: Params) -> Params:
        """The parameters with the visual tokens of every depth, `(B, M, d_v)`, made from them."""
        made = {}
        for key, value in params.items():
            if key == CONTEXT or key.startswith(f"{CONTEXT}."):
                depth = key.removeprefix(CONTEXT)
                made[f"{TOKENS}{depth}"] = affine(value, params, COUPLING, depth)
        return params | made
