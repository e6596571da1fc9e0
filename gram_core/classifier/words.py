"""What learned text tokens are near to: the words of the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from gram_core.errors import GramError
from gram_core.prompts.params import CONTEXT, Params, depth_of, token_keys, tower_of

if TYPE_CHECKING:
    from gram_core.backbones import Backbone
    from gram_core.prompts import Method

_WORD_END = "</w>"


@dataclass(frozen=True)
class NearWord:
    """A word, how far its embedding is from a token (Euclidean), and the cosine of the two."""

    word: str
    distance: float
    cosine: float


@dataclass(frozen=True)
class TokenWords:
    """The words nearest to one learned token, nearest first.

    `key` is that of the parameter and `depth` the block that it enters, from 0; `position` counts
    the tokens from 0. `class_name` is None for tokens that all classes share.
    """

    key: str
    depth: int
    position: int
    class_name: str | None
    words: tuple[NearWord, ...]


def nearest_words(
    backbone: Backbone, method: Method, params: Params, class_names: Sequence[str], top: int
) -> list[TokenWords]:
    """The `top` words nearest to every learned text token; see `PromptedClassifier`."""
    if isinstance(top, bool) or not isinstance(top, int) or top < 1:
        raise GramError(f"top is {top!r}; ask for at least one word.")
    keys = [key for key in token_keys(params) if tower_of(key) == "text"]
    if not keys:
        reason = (
            "it learns tokens of the image tower alone, and words have no embedding there"
            if token_keys(params)
            else "it learns no tokens"
        )
        raise GramError(
            f"No words are near to what {method.name} learned: {reason}. Ask a classifier with a "
            "learned context, as of coop."
        )
    ids, words = _vocabulary(backbone.text.tokenizer)
    # In float64, for a distance by products is far off where two vectors almost agree.
    embedded = backbone.text.token_embedding[ids.to(backbone.device)].double()
    directions = functional.normalize(embedded, dim=-1)
    found = []
    for key in keys:
        own = method.text.class_specific and key == CONTEXT
        contexts = params[key].detach().to(embedded)
        for row, tokens in enumerate(contexts if own else contexts[None]):
            name = class_names[row] if own else None
            cosine = functional.normalize(tokens, dim=-1) @ directions.T
            near = torch.cdist(tokens, embedded).topk(min(top, len(words)), largest=False)
            for position, (values, rows) in enumerate(
                zip(near.values.tolist(), near.indices.tolist(), strict=True)
            ):
                nearest = tuple(
                    NearWord(words[place], value, float(cosine[position, place]))
                    for place, value in zip(rows, values, strict=True)
                )
                found.append(TokenWords(key, depth_of(key), position, name, nearest))
    return found


def _vocabulary(tokenizer: Any) -> tuple[torch.Tensor, list[str]]:
    """The ids of all tokens but [SOS] and [EOT], and how they read."""
    special = set(tokenizer.all_special_ids)
    ids = sorted(set(tokenizer.decoder) - special)
    return torch.tensor(ids), [_readable(tokenizer, each) for each in ids]


def _readable(tokenizer: Any, id: int) -> str:
    """A token as a person reads it; what does not end a word ends with "…"."""
    piece = tokenizer.decoder[id]
    letters = piece.removesuffix(_WORD_END)
    text = bytes(tokenizer.byte_decoder[each] for each in letters).decode(
        "utf-8", "backslashreplace"
    )
    text = "".join(
        each if each.isprintable() and each != " " else f"\\x{ord(each):02x}" for each in text
    )
    return text if piece.endswith(_WORD_END) else f"{text}…"
