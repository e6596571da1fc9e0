"""Text parts: a learned context beside the class name, or sentences that stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

import torch
from torch import Tensor
from torch.nn import functional

from gram_core.backbones.classes import Position
from gram_core.errors import GramError
from gram_core.prompts.params import CONTEXT, Params, deep
from gram_core.prompts.templates import templates
from gram_core.prompts.tokens import (
    Depth,
    blocks_within,
    check_depth,
    check_tokens,
    drawn,
    drawn_deep,
)

if TYPE_CHECKING:
    from gram_core.backbones import Backbone, ClassTable
    from gram_core.prompts.method import Constants


@dataclass(frozen=True)
class Context:
    """Learned tokens beside the class name: `[SOS] context name . [EOS]` (CoOp).

    They start at the embedding of `words`: if these are fewer, they come last, next to the name,
    after tokens drawn from N(0, 0.02²); if they are more, those left over stay as words between
    context and name. Both are counted in tokens. Empty `words` draw all tokens.

    `position`: the name at the `end`, in the `middle` or in `front` of the context. With
    `class_specific` every class learns a context of its own. With a `depth` above 1 the context is
    replaced before each of the first blocks (language-deep): so many have tokens of their own.
    """

    tokens: int = 4
    words: str = "a photo of a"
    position: Position = "end"
    class_specific: bool = False
    depth: Depth = 1

    by_image = False

    def __post_init__(self) -> None:
        check_tokens(self.tokens, "context tokens")
        check_depth(self.depth)
        if not isinstance(self.words, str):
            raise GramError(f"words is {self.words!r}; give text, or none: 'a photo of a', ''.")
        if not isinstance(self.class_specific, bool):
            raise GramError(f"class_specific is {self.class_specific!r}; give true or false.")
        if self.position not in get_args(Position):
            raise GramError(
                f"The position of the class name is {self.position!r}; give "
                f"{', '.join(get_args(Position))}."
            )
        if self.depth != 1 and (self.class_specific or self.position != "end"):
            raise GramError(
                "A context of several depths is shared by all classes and stands before their "
                "names; give depth 1, or position 'end' and no class_specific."
            )

    def initial(self, backbone: Backbone, seed: int) -> Params:
        """`text.context` `(M, d)`, and `text.context.1` … of later blocks."""
        depth = blocks_within(self.depth, len(backbone.text.blocks), "text")
        width = backbone.text_width
        embedded = backbone.text.word_embeddings(self.words)[: self.tokens]
        first = drawn(backbone, self.tokens - len(embedded), width, seed)
        context = torch.cat([first, embedded])
        return {CONTEXT: context} | drawn_deep(backbone, CONTEXT, depth, self.tokens, width, seed)

    def expanded(self, params: Params, classes: int) -> Params:
        """The parameters that so many classes start from: a context for each, if it has its own."""
        if not self.class_specific:
            return params
        context = params[CONTEXT].unsqueeze(-3)
        shape = (*context.shape[:-3], classes, *context.shape[-2:])
        return params | {CONTEXT: context.expand(shape)}

    def constants(self, backbone: Backbone, class_names: Sequence[str]) -> ClassTable:
        """The class names as embedded tokens, with room for the context."""
        left = backbone.text.tokens(self.words)[self.tokens :]
        if left and self.position != "end":
            raise GramError(
                f"{self.words!r} has {self.tokens + len(left)} tokens and the context "
                f"{self.tokens}; words that are left over stand before a name at the end only, so "
                "give as many tokens, or fewer words."
            )
        return backbone.text.class_table(
            class_names, self.tokens, left, self.position, not self.class_specific
        )

    def features(
        self, params: Params, constants: Constants, classes: Tensor | None, images: Tensor | None
    ) -> Tensor:
        """Normalised class features `(B, K, e)` of the contexts `(B, M, d)`."""
        return constants.backbone.text.encode(
            params[CONTEXT], constants.text, classes, deep(params, CONTEXT)
        )

    def memory(self, constants: Constants, classes: int) -> tuple[int, int]:
        """Bytes that a differentiable pass keeps of a task, and of each of its images."""
        return constants.backbone.text.memory(constants.text, classes), 0


@dataclass(frozen=True)
class FixedText:
    """Class names in fixed sentences; nothing is learned, so the features are constants.

    Given a sentence, several, or a name that `templates` knows. Of several the normalised features
    are averaged, and normalised again.
    """

    sentences: str | Sequence[str] = "a photo of a {}."

    class_specific = False
    by_image = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "sentences", templates(self.sentences))

    def initial(self, backbone: Backbone, seed: int) -> Params:
        """No parameters."""
        return {}

    def expanded(self, params: Params, classes: int) -> Params:
        """Nothing to expand."""
        return params

    def constants(self, backbone: Backbone, class_names: Sequence[str]) -> Tensor:
        """The class features `(C, e)`, computed once."""
        texts = [each.format(name) for name in class_names for each in self.sentences]
        features = backbone.encode_texts(texts).unflatten(0, (len(class_names), -1))
        if features.shape[1] == 1:
            return features[:, 0]
        return functional.normalize(features.mean(1), dim=-1)

    def features(
        self, params: Params, constants: Constants, classes: Tensor | None, images: Tensor | None
    ) -> Tensor:
        """Normalised class features `(B, K, e)`, or `(1, C, e)` of the whole table."""
        return constants.text[None] if classes is None else constants.text[classes]

    def memory(self, constants: Constants, classes: int) -> tuple[int, int]:
        """Nothing."""
        return 0, 0
