"""The image tower as an explicit function of learned visual tokens."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gram_core.backbones.layers import Block, Linear, Norm, attention, read_blocks, read_norm
from gram_core.errors import GramError
from gram_core.memory import KEPT


def normalise_pixels(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Uint8 pixels `(..., 3, H, W)` as a CLIP reads them: in [0, 1], less `mean`, by `std`."""
    return (pixels.to(mean.device).to(mean.dtype) / 255 - mean) / std


class VisualTower:
    """A frozen vision transformer that takes extra tokens beside its patches.

    Tokens join after the positional embedding and before the first normalisation, at the end of
    the sequence, and get no position, so that their place makes no difference (VPT). Deep ones
    replace them before later blocks, unnormalised (as in the public MaPLe code).
    """

    def __init__(
        self,
        mean: Tensor,
        std: Tensor,
        patch: Tensor,
        class_embedding: Tensor,
        positions: Tensor,
        norm_before: Norm | None,
        blocks: tuple[Block, ...],
        norm_after: Norm,
        projection: Linear | None,
        pool: str,
        norm_pooled: bool,
    ) -> None:
        self.mean = mean  # (3, 1, 1)
        self.std = std
        self.patch = patch  # (d, 3, p, p)
        self.class_embedding = class_embedding  # (d,)
        self.positions = positions  # (1 + patches, d)
        self.norm_before = norm_before
        self.blocks = blocks
        self.norm_after = norm_after
        self.projection = projection
        self.pool = pool  # "tok" or "avg"
        self.norm_pooled = norm_pooled

    def cast(self, dtype: torch.dtype) -> VisualTower:
        """The same tower, the products of its blocks in another precision."""
        tower = copy.copy(self)
        tower.blocks = tuple(block.cast(dtype) for block in self.blocks)
        return tower

    @property
    def width(self) -> int:
        """Width d of a token."""
        return int(self.positions.shape[1])

    def memory(self, tokens: int) -> int:
        """Bytes that a differentiable pass keeps of an image beside so many tokens."""
        rows = len(self.positions) + tokens
        return rows * len(self.blocks) * self.width * self.positions.element_size() * KEPT

    @torch.no_grad()
    def embed(self, pixels: Tensor) -> Tensor:
        """What enters the first block whatever the tokens are: `(..., 1 + patches, d)`.

        pixels: uint8 `(..., 3, H, W)`. Embed once where the same images are encoded often.
        Raises GramError for images of another size than the tower's.
        """
        images = normalise_pixels(pixels.flatten(0, -4), self.mean, self.std)
        patches = F.conv2d(images, self.patch, stride=self.patch.shape[-2:])
        rows = patches.flatten(2).transpose(1, 2)
        if rows.shape[1] != self.positions.shape[0] - 1:
            raise GramError(
                f"images of {pixels.shape[-2]} x {pixels.shape[-1]} pixels do not fit this "
                "backbone; prepare them with its pixels()"
            )
        first = self.class_embedding.expand(rows.shape[0], 1, -1)
        embedded = self._enter(torch.cat([first, rows], dim=1) + self.positions)
        return embedded.unflatten(0, pixels.shape[:-3])

    def _enter(self, rows: Tensor) -> Tensor:
        return rows if self.norm_before is None else self.norm_before(rows)

    def encode(
        self, images: Tensor, tokens: Tensor | None = None, deep: Sequence[Tensor] = ()
    ) -> Tensor:
        """Normalised image features `(B, N, e)` of N images under each of B sets of tokens.

        images: uint8 pixels `(B, N, 3, H, W)` or what `embed` made of them
        `(B, N, 1 + patches, d)`; tokens `(B, n, d)` or None. `deep[i]` `(B, n, d)` replaces what
        the first i + 1 blocks made of the tokens. Raises GramError on other shapes.
        """
        embedded = self.embed(images) if images.dtype == torch.uint8 else images
        if embedded.ndim != 4 or embedded.shape[2:] != self.positions.shape:
            raise GramError(
                f"images of shape {tuple(images.shape)} do not fit: "
                f"(B, N, 3, H, W) or (B, N, {self.positions.shape[0]}, {self.width}) is needed"
            )
        batch, count, patches = embedded.shape[:3]
        x = embedded.flatten(0, 1)
        if tokens is not None:
            if tokens.ndim != 3 or tokens.shape[::2] != (batch, self.width):
                raise GramError(
                    f"visual tokens of shape {tuple(tokens.shape)} do not fit: "
                    f"({batch}, n, {self.width}) is needed"
                )
            entered = self._enter(tokens)
            x = torch.cat([x, entered.repeat_interleave(count, dim=0)], dim=1)
        for depth, block in enumerate(self.blocks[:-1]):
            x = _replaced(x, patches, deep, depth)
            normed = block.norm_attention(x)
            x = block.finish(x, attention(*block.queries_keys_values(normed)))

        # Only the rows that are pooled need the last block.
        pooled = slice(0, 1) if self.pool == "tok" else slice(1, patches)
        block = self.blocks[-1]
        x = _replaced(x, patches, deep, len(self.blocks) - 1)
        normed = block.norm_attention(x)
        query = block.queries(normed[:, pooled])
        x = block.finish(x[:, pooled], attention(query, *block.keys_values(normed)))
        x = self.norm_after(x.mean(dim=1)) if self.norm_pooled else self.norm_after(x).mean(dim=1)
        x = F.normalize(x if self.projection is None else self.projection(x), dim=-1)
        return x.unflatten(0, (batch, count))


def _replaced(x: Tensor, patches: int, deep: Sequence[Tensor], depth: int) -> Tensor:
    """Rows `(B * N, ...)` with the tokens after the patches replaced by those of this depth."""
    if not 1 <= depth <= len(deep):
        return x
    tokens = deep[depth - 1]
    each = tokens.repeat_interleave(len(x) // len(tokens), dim=0)
    return torch.cat([x[:, :patches], each], dim=1)


def read_visual_tower(visual: Any, mean: Tensor, std: Tensor) -> VisualTower:
    """The tower of open_clip's own vision transformer, weights shared.

    Raises GramError, saying why, for anything else (a ResNet, a timm model, attentional pooling).
    """
    from open_clip.transformer import VisionTransformer

    if type(visual) is not VisionTransformer:
        raise _refusal(f"its image tower is a {type(visual).__name__}")
    if visual.attn_pool is not None:
        raise _refusal("its image tower pools by attention")
    if visual.pool_type not in ("tok", "avg"):
        raise _refusal(f"its image tower pools by {visual.pool_type!r}")
    norm_before = visual.ln_pre
    return VisualTower(
        mean=mean,
        std=std,
        patch=visual.conv1.weight.detach(),
        class_embedding=visual.class_embedding.detach(),
        positions=visual.positional_embedding.detach(),
        norm_before=None if isinstance(norm_before, torch.nn.Identity) else read_norm(norm_before),
        blocks=read_blocks(visual.transformer),
        norm_after=read_norm(visual.ln_post),
        projection=None if visual.proj is None else Linear(visual.proj.detach().T),
        pool=visual.pool_type,
        norm_pooled=visual.final_ln_after_pool,
    )


def _refusal(reason: str) -> GramError:
    return GramError(
        f"visual tokens cannot be learned for this backbone: {reason}, where open_clip's own "
        "vision transformer is needed; choose for example ViT-B-16/openai, or a text method"
    )
