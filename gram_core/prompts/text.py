"""Text parts: a learned context before the class name, or a sentence that stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gram_core.errors import GramError
from gram_core.prompts.params import Params

if TYPE_CHECKING:
    from gram_core.backbones import Backbone, ClassTable
    from gram_core.prompts.method import Constants

CONTEXT = "text.context"
INITIAL_STD = 0.02


@dataclass(frozen=True)
class Context:
    """Learned tokens before the class name: `[SOS] context name . [EOS]` (CoOp).

    They start at the embedding of `words`: the first `tokens` of them if there are more, and if
    there are fewer they come last, next to the name, after tokens drawn from N(0, 0.02²). Empty
    `words` draw all tokens.
    """

    tokens: int = 4
    words: str = "a photo of a"

    def __post_init__(self) -> None:
        check_tokens(self.tokens, "context tokens")

    def initial(self, backbone: Backbone, seed: int) -> Params:
        """`text.context` `(M, d)` on the backbone's device."""
        embedded = backbone.text.word_embeddings(self.words)[: self.tokens]
        drawn = drawn_tokens(backbone, self.tokens - len(embedded), backbone.text_width, seed)
        return {CONTEXT: torch.cat([drawn, embedded])}

    def constants(self, backbone: Backbone, class_names: Sequence[str]) -> ClassTable:
        """The class names as embedded tokens, after room for the context."""
        return backbone.text.class_table(class_names, self.tokens)

    def features(self, params: Params, constants: Constants, classes: Tensor | None) -> Tensor:
        """Normalised class features `(B, K, e)` of the contexts `(B, M, d)`."""
        return constants.backbone.text.encode(params[CONTEXT], constants.text, classes)


@dataclass(frozen=True)
class FixedText:
    """Class names in a fixed sentence; nothing is learned, so the features are constants."""

    template: str = "a photo of a {}."

    def __post_init__(self) -> None:
        if self.template.count("{}") != 1:
            raise GramError(
                f"The template {self.template!r} has to hold one {{}} where the class name goes, "
                "as in 'a photo of a {}.'."
            )

    def initial(self, backbone: Backbone, seed: int) -> Params:
        """No parameters."""
        return {}

    def constants(self, backbone: Backbone, class_names: Sequence[str]) -> Tensor:
        """The class features `(C, e)`, computed once."""
        return backbone.encode_texts([self.template.format(name) for name in class_names])

    def features(self, params: Params, constants: Constants, classes: Tensor | None) -> Tensor:
        """Normalised class features `(B, K, e)`, or `(1, C, e)` of the whole table."""
        return constants.text[None] if classes is None else constants.text[classes]


def check_tokens(count: int, what: str, most: int = 64) -> None:
    """GramError unless `count` prompt tokens can be had."""
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= most:
        raise GramError(f"The number of {what} is {count!r}; it has to be from 1 to {most}.")


def drawn_tokens(backbone: Backbone, count: int, width: int, seed: int) -> Tensor:
    """Tokens `(count, width)` from N(0, 0.02²), the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    drawn = INITIAL_STD * torch.randn(count, width, generator=generator)
    return drawn.to(backbone.device, backbone.dtype)
