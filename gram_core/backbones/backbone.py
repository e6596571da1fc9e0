"""A frozen CLIP: what it knows, and its two towers as functions of prompts."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from gram_core.backbones.text import TextTower, read_text_tower
from gram_core.backbones.visual import VisualTower, normalise_pixels, read_visual_tower
from gram_core.errors import GramError


class Backbone:
    """A frozen CLIP of open_clip, with prompted towers that share its weights.

    `text` is always there; `visual` is None where the image tower takes no tokens (a ResNet), and
    `visual_tower()` then raises the reason.
    """

    def __init__(self, name: str, model: Any, tokenizer: Any) -> None:
        from open_clip.transform import PreprocessCfg, image_transform_v2

        self.name = name
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        *resize, _, normalise = image_transform_v2(
            PreprocessCfg(**model.visual.preprocess_cfg), is_train=False
        ).transforms
        self._resize = resize
        weight = model.logit_scale
        self.device: torch.device = weight.device
        self.dtype: torch.dtype = weight.dtype
        self.mean, self.std = (
            torch.tensor(values, dtype=self.dtype, device=self.device)[:, None, None]
            for values in (normalise.mean, normalise.std)
        )
        self.logit_scale = float(weight.detach().exp())
        self.image_size = _square(model.visual.image_size)
        self.text: TextTower = read_text_tower(model, tokenizer)
        self.text_width = self.text.width
        self.visual: VisualTower | None = None
        self._no_visual = ""
        try:
            self.visual = read_visual_tower(model.visual, self.mean, self.std)
        except GramError as refusal:
            self._no_visual = str(refusal)
        self.exact: Backbone | None = None  # whose fixed features these are, if not its own
        self.visual_width: int | None = None if self.visual is None else self.visual.width
        projection = self.text.projection
        self.embed_dim = self.text.width if projection is None else projection.weight.shape[0]

    def __repr__(self) -> str:
        return f"Backbone({self.name!r}, image_size={self.image_size}, embed_dim={self.embed_dim})"

    def visual_tower(self) -> VisualTower:
        """The image tower that takes tokens. Raises GramError, saying why, where there is none."""
        if self.visual is None:
            raise GramError(self._no_visual)
        return self.visual

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits of what features depend on: weights, activation, preparation."""
        digest = hashlib.sha256()
        kinds = {type(module).__name__ for module in self.model.modules()}
        about = {
            "activations": sorted(kinds & {"GELU", "QuickGELU"}),
            "images": self.model.visual.preprocess_cfg,
            "vocabulary": list(self.tokenizer.encoder),
        }
        digest.update(json.dumps(about, sort_keys=True).encode())
        for key, value in sorted(self.model.state_dict().items()):
            digest.update(f"{key} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.contiguous().cpu().numpy())
        return digest.hexdigest()[:16]

    def pixels(self, images: Sequence[Image.Image]) -> Tensor:
        """Images as the backbone sees them before normalisation: uint8 `(n, 3, H, W)` on the CPU.

        Resized and cropped as open_clip does for this model.
        """
        import numpy as np

        size = self.image_size
        prepared = torch.empty(len(images), 3, size, size, dtype=torch.uint8)
        for row, image in enumerate(images):
            picture = image.convert("RGB")
            for step in self._resize:
                picture = step(picture)
            prepared[row] = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
        return prepared

    @torch.no_grad()
    def encode_images(self, pixels: Tensor, batch: int = 64) -> Tensor:
        """Normalised features `(n, e)` of uint8 pixels `(n, 3, H, W)`, without prompts."""
        if self.exact is not None:
            return self.exact.encode_images(pixels, batch)
        features = [torch.empty(0, self.embed_dim, dtype=self.dtype, device=self.device)]
        for part in pixels.split(batch):
            if self.visual is None:
                images = normalise_pixels(part, self.mean, self.std)
                features.append(F.normalize(self.model.encode_image(images), dim=-1))
            else:
                features.append(self.visual.encode(part[None])[0])
        return torch.cat(features)

    @torch.no_grad()
    def encode_texts(self, texts: Sequence[str], batch: int = 128) -> Tensor:
        """Normalised features `(n, e)` of whole texts, cut to the context length."""
        if self.exact is not None:
            return self.exact.encode_texts(texts, batch)
        features = torch.empty(len(texts), self.embed_dim, dtype=self.dtype, device=self.device)
        empty = torch.empty(1, 0, self.text_width, dtype=self.dtype, device=self.device)
        # Texts of like length go together: a batch is as long as its longest text.
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            table = self.text.text_table([texts[row] for row in rows])
            features[rows] = self.text.encode(empty, table)[0]
        return features

    def bfloat16(self) -> Backbone:
        """The same backbone, whose prompted towers multiply in bfloat16.

        Prompts, norms, softmax and losses stay in float32, and so do features without prompts,
        which are computed once and kept. Faster where the processor has such products, and not
        exact: docs/performance.md says by how much.
        """
        half = copy.copy(self)
        half.exact = self.exact or self
        half.text = self.text.cast(torch.bfloat16)
        half.visual = None if self.visual is None else self.visual.cast(torch.bfloat16)
        return half

    def double(self) -> Backbone:
        """The same backbone in float64, for exact comparisons."""
        return Backbone(self.name, copy.deepcopy(self.model).double(), self.tokenizer)


def _square(size: int | tuple[int, int]) -> int:
    height, width = (size, size) if isinstance(size, int) else size
    if height != width:
        raise GramError(
            f"this backbone reads images of {height} x {width} pixels; only square ones are "
            "supported, so choose another backbone"
        )
    return int(height)
