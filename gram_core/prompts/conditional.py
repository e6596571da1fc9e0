"""A context that every image shifts (CoCoOp)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gram_core.errors import GramError
from gram_core.prompts.affine import affine, linear_start
from gram_core.prompts.params import CONTEXT, Params
from gram_core.prompts.text import Context

if TYPE_CHECKING:
    from gram_core.backbones import Backbone, ClassTable
    from gram_core.prompts.method import Constants

_HIDDEN, _SHIFT = "text.hidden", "text.shift"


@dataclass(frozen=True)
class ConditionalContext:
    """A shared context to which a small network adds a shift for each image (CoCoOp).

    The shift is W₂ relu(W₁ f + b₁) + b₂ of the normalised image feature f, the same for all tokens;
    the hidden layer is a sixteenth of the feature wide, and both layers start as linear ones of
    PyTorch do. Each image reads the class names under a context of its own.
    """

    context: Context = field(default_factory=Context)
    narrower: int = 16

    class_specific = False
    by_image = True

    def __post_init__(self) -> None:
        if self.context.class_specific or self.context.depth != 1:
            raise GramError(
                "A context that images shift is shared by all classes and has depth 1; leave out "
                "class_specific and depth."
            )

    def initial(self, backbone: Backbone, seed: int) -> Params:
        """`text.context` `(M, d)`, `text.hidden` `(h, e)`, `text.shift` `(d, h)`, their biases."""
        feature, width = backbone.embed_dim, backbone.text_width
        hidden = max(1, feature // self.narrower)
        generator = torch.Generator().manual_seed(seed)
        network = linear_start(_HIDDEN, feature, hidden, generator)
        network |= linear_start(_SHIFT, hidden, width, generator)
        network = {key: value.to(backbone.device, backbone.dtype) for key, value in network.items()}
        return self.context.initial(backbone, seed) | network

    def expanded(self, params: Params, classes: int) -> Params:
        """Nothing to expand."""
        return params

    def constants(self, backbone: Backbone, class_names: Sequence[str]) -> ClassTable:
        """The class names as embedded tokens, with room for the context."""
        return self.context.constants(backbone, class_names)

    def features(
        self, params: Params, constants: Constants, classes: Tensor | None, images: Tensor | None
    ) -> Tensor:
        """Normalised class features `(B, N, K, e)`, for image features `(B, N, e)`.

        Raises GramError without images: no class has a feature of its own.
        """
        if images is None:
            raise GramError(
                "The class features of this method are different for every image; give images."
            )
        hidden = torch.relu(affine(images, params, _HIDDEN))
        shift = affine(hidden, params, _SHIFT)
        contexts = (params[CONTEXT][:, None] + shift[:, :, None]).flatten(0, 1)
        if classes is not None:
            classes = classes.repeat_interleave(images.shape[1], dim=0)
        features = constants.backbone.text.encode(contexts, constants.text, classes)
        return features.unflatten(0, images.shape[:2])

    def memory(self, constants: Constants, classes: int) -> tuple[int, int]:
        """Bytes that a differentiable pass keeps of a task, and of each of its images."""
        return 0, constants.backbone.text.memory(constants.text, classes)
