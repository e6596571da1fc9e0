"""The text tower as an explicit function of a learned context.

A prompt is `[SOS] context words name . [EOT]`, or has its name further to the front. The mask is
causal, so what comes before the first row of a class is the same for all and is computed once per
context; rows after [EOT] are never read and are left out; the last block is evaluated at [EOT]
alone. All three are exact.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gram_core.backbones.classes import DENSE_ROWS, SLOT, ClassTable, Part, Position, in_groups
from gram_core.backbones.layers import (
    Block,
    Linear,
    Norm,
    attention,
    read_blocks,
    read_linear,
    read_norm,
)
from gram_core.errors import GramError
from gram_core.memory import KEPT


class TextTower:
    """A frozen causal text transformer that reads embeddings where a prompt has learned tokens."""

    def __init__(
        self,
        tokenizer: Any,
        token_embedding: Tensor,
        positions: Tensor,
        blocks: tuple[Block, ...],
        norm: Norm,
        projection: Linear | None,
    ) -> None:
        self.tokenizer = tokenizer
        self.token_embedding = token_embedding  # (vocabulary, d)
        self.positions = positions  # (context length, d)
        self.blocks = blocks
        self.norm = norm
        self.projection = projection

    def cast(self, dtype: torch.dtype) -> TextTower:
        """The same tower, the products of its blocks in another precision."""
        tower = copy.copy(self)
        tower.blocks = tuple(block.cast(dtype) for block in self.blocks)
        return tower

    @property
    def width(self) -> int:
        """Width d of a token."""
        return int(self.positions.shape[1])

    @property
    def context_length(self) -> int:
        """The longest text in tokens, [SOS] and [EOT] included."""
        return int(self.positions.shape[0])

    def tokens(self, text: str) -> list[int]:
        """The token ids of a text, without [SOS] and [EOT]."""
        return list(self.tokenizer.encode(text))

    def word_embeddings(self, text: str) -> Tensor:
        """The embedded tokens `(tokens, d)` of a text, without positions: a context's start."""
        return self.token_embedding[self._ids(self.tokens(text))].clone()

    def class_table(
        self,
        names: Sequence[str],
        tokens: int,
        words: Sequence[int] = (),
        position: Position = "end",
        shared: bool = True,
    ) -> ClassTable:
        """The table of classes for contexts of `tokens` tokens; each class reads "name.".

        `words` are ids of tokens between the context and a name at the end. A context that is not
        `shared` is another one for each class. Underscores become spaces. Raises GramError where a
        name is empty or does not fit.
        """
        room = self.context_length - 2 - tokens - len(words)
        if tokens < 0 or room < 2:
            most = self.context_length - 4 - len(words)
            raise GramError(
                f"a context of {tokens} tokens does not fit this backbone: its texts are at most "
                f"{self.context_length} tokens long, so use 0 to {most}"
            )
        if not names:
            raise GramError("no class names were given; name at least one class")
        before = {"end": tokens, "middle": tokens // 2, "front": 0}[position]
        leading = [] if shared else [SLOT] * before + list(words)
        encoded = []
        for name in names:
            words_of_name = name.replace("_", " ").strip()
            if not words_of_name:
                raise GramError(f"class name {name!r} is empty; give every class a name")
            ids = self.tokens(f"{words_of_name}.")
            if len(ids) > room:
                raise GramError(
                    f"class name {name!r} is {len(ids)} tokens long, but beside a context of "
                    f"{tokens} this backbone has room for {room}; shorten the name or the context"
                )
            after = len(ids) if position == "end" else len(self.tokens(words_of_name))
            slots = [SLOT] * (tokens - before)
            encoded.append([*leading, *ids[:after], *slots, *ids[after:]])
        if not shared:
            return self._table(tuple(names), encoded, tokens, 0, ())
        return self._table(tuple(names), encoded, tokens, before, words)

    def text_table(self, texts: Sequence[str]) -> ClassTable:
        """The table of whole texts, to be encoded with an empty context; long texts are cut."""
        encoded = [self.tokens(text)[: self.context_length - 2] for text in texts]
        return self._table(tuple(texts), encoded, 0, 0, ())

    def _table(
        self,
        names: tuple[str, ...],
        encoded: list[list[int]],
        tokens: int,
        shared: int,
        words: Sequence[int],
    ) -> ClassTable:
        length = max(map(len, encoded)) + 1
        # Rows after [EOT] are never read; any id will do.
        ids = self._ids(
            [row + [self.tokenizer.eot_token_id] * (length - len(row)) for row in encoded]
        )
        embedded = self.token_embedding[ids.clamp(min=0)] * (ids != SLOT)[..., None]
        start = 1 + shared + len(words)
        end = self._ids([len(row) for row in encoded])
        order, sizes = in_groups(end[None])
        return ClassTable(
            names,
            tokens,
            shared,
            self.token_embedding[self._ids(list(words))],
            embedded + self.positions[start : start + length],
            (ids == SLOT).nonzero()[:, 1].view(len(names), tokens - shared),
            end,
            order[0],
            sizes,
        )

    def _ids(self, ids: Any) -> Tensor:
        return torch.tensor(ids, dtype=torch.long, device=self.positions.device)

    def encode(
        self,
        context: Tensor,
        table: ClassTable,
        classes: Tensor | None = None,
        deep: Sequence[Tensor] = (),
    ) -> Tensor:
        """Normalised text features `(B, K, e)` of classes under B contexts `(B, M, d)`.

        `classes` `(B, K)` are rows of the table, each context with its own; None: all rows for
        every context. A context of every class has `(B, K, M, d)`, the k-th for the k-th class.
        `deep[i]` `(B, M, d)` replaces what the first i + 1 blocks made of the learned tokens, which
        then have to come before the names. Raises GramError where the context is not the table's.
        """
        wanted = (table.tokens, self.width)
        if (
            context.ndim not in (3, 4)
            or context.shape[-2:] != wanted
            or (context.ndim == 4 and table.shared)
        ):
            raise GramError(
                f"a context of shape {tuple(context.shape)} does not fit: this table needs "
                f"(B, {table.tokens}, {self.width})"
            )
        batch = context.shape[0]
        x = self._prefix(context, table, batch)
        first = x.shape[1]
        parts: list[Part] = []
        rows, begin = [x], first
        if classes is None:
            order, sizes = table.order.expand(batch, -1), table.sizes
            classes = order
        else:
            order, sizes = in_groups(table.end[classes])
            classes = classes.gather(1, order)
        for chosen, places in zip(classes.split(sizes, 1), order.split(sizes, 1), strict=True):
            part = Part.of(table, chosen, begin)
            suffix = table.rows[:, : part.length][part.classes]
            if table.slots.shape[1]:
                tokens = context[..., table.shared :, :]
                if tokens.ndim == 4:
                    own = places[..., None, None].expand(-1, -1, *tokens.shape[2:])
                    tokens = tokens.gather(1, own)
                suffix = _placed(suffix, table.slots[part.classes], tokens)
            rows.append(suffix.flatten(1, 2))
            begin += rows[-1].shape[1]
            parts.append(part)

        # One tensor of rows, so that every linear map is one product: the prefix, then the classes.
        x = torch.cat(rows, dim=1)
        causal = _causal_mask(first + max(part.length for part in parts), x)
        dense = _whole_mask(first, parts, causal) if x.shape[1] <= DENSE_ROWS else None
        for depth, block in enumerate(self.blocks[:-1]):
            x = _replaced(x, deep, depth)
            query, key, value = block.queries_keys_values(block.norm_attention(x))
            if dense is not None:
                x = block.finish(x, attention(query, key, value, dense))
                continue
            attended = [
                attention(
                    query[:, :, :first],
                    key[:, :, :first],
                    value[:, :, :first],
                    causal[:first, :first],
                )
            ]
            for part in parts:
                own, reach = slice(part.begin, part.stop), first + part.length
                attended.append(
                    part.attend(query[:, :, own], key, value, first, causal[first:reach, :reach])
                )
            x = block.finish(x, torch.cat(attended, dim=2))

        block = self.blocks[-1]
        x = _replaced(x, deep, len(self.blocks) - 1)
        normed = block.norm_attention(x)
        key, value = block.keys_values(normed)
        ends = torch.cat([part.rows_of_ends() for part in parts], dim=1)
        ends = ends[..., None].expand(-1, -1, x.shape[2])
        queries = block.queries(normed.gather(1, ends)).split([part.count for part in parts], dim=2)
        attended = [
            part.attend(
                query,
                key,
                value,
                first,
                causal[first + part.end, : first + part.length][:, None, :, None],
            )
            for part, query in zip(parts, queries, strict=True)
        ]
        x = block.finish(x.gather(1, ends), torch.cat(attended, dim=2))
        x = self.norm(x)
        x = F.normalize(x if self.projection is None else self.projection(x), dim=-1)
        if len(parts) == 1:
            return x
        return x.gather(1, order.argsort(dim=1)[..., None].expand_as(x))

    def memory(self, table: ClassTable, classes: int) -> int:
        """Bytes that a differentiable pass keeps of so many classes of the table."""
        longest = [int(table.end[group].max()) + 1 for group in table.order.split(table.sizes)]
        own = sum(size * length for size, length in zip(table.sizes, longest, strict=True))
        rows = table.prefix + math.ceil(classes * own / len(table))
        return rows * len(self.blocks) * self.width * self.positions.element_size() * KEPT

    def _prefix(self, context: Tensor, table: ClassTable, batch: int) -> Tensor:
        """The rows `(B, P, d)` that all classes share: [SOS], learned tokens, fixed words."""
        rows = [self.token_embedding[self.tokenizer.sot_token_id].expand(batch, 1, -1)]
        if table.shared:
            rows.append(context[:, : table.shared])
        if len(table.words):
            rows.append(table.words.expand(batch, -1, -1))
        return torch.cat(rows, dim=1) + self.positions[: table.prefix]


def _placed(rows: Tensor, slots: Tensor, tokens: Tensor) -> Tensor:
    """Class rows `(B, K, L, d)` with learned tokens added at their slots `(B, K, S)`.

    tokens: `(B, S, d)` for all classes or `(B, K, S, d)` for each.
    """
    if tokens.ndim == 3:
        tokens = tokens[:, None].expand(-1, rows.shape[1], -1, -1)
    where = slots[..., None].expand(-1, -1, -1, rows.shape[-1])
    return rows.scatter_add(2, where, tokens)


def _replaced(x: Tensor, deep: Sequence[Tensor], depth: int) -> Tensor:
    """Rows with the learned tokens, after the first row, replaced by those of this depth."""
    if not 1 <= depth <= len(deep):
        return x
    tokens = deep[depth - 1]
    return torch.cat([x[:, :1], tokens, x[:, 1 + tokens.shape[1] :]], dim=1)


def _whole_mask(first: int, parts: Sequence[Part], causal: Tensor) -> Tensor:
    """The mask `(rows, rows)` of all rows at once: a class sees the prefix and itself."""
    stop = parts[-1].stop
    mask = torch.full((stop, stop), float("-inf"), dtype=causal.dtype, device=causal.device)
    mask[:first, :first] = causal[:first, :first]
    mask[first:, :first] = 0
    for part in parts:
        for begin in range(part.begin, part.stop, part.length):
            own = slice(begin, begin + part.length)
            mask[own, own] = causal[: part.length, : part.length]
    return mask


def _causal_mask(length: int, like: Tensor) -> Tensor:
    """Zero where a row may look, minus infinity above the diagonal, `(length, length)`."""
    mask = torch.full((length, length), float("-inf"), dtype=like.dtype, device=like.device)
    return mask.triu(1)


def read_text_tower(model: Any, tokenizer: Any) -> TextTower:
    """The text tower of an open_clip model, weights shared.

    Raises GramError unless it is open_clip's own causal text transformer, pooled at [EOT].
    """
    from open_clip.model import CLIP, CustomTextCLIP
    from open_clip.tokenizer import SimpleTokenizer
    from open_clip.transformer import TextTransformer

    if type(model) is CLIP:
        source, pool, end_id = model, model.text_pool_type, model.text_eos_id
    elif type(model) is not CustomTextCLIP:
        raise _refusal(f"it is a {type(model).__name__}")
    elif type(model.text) is not TextTransformer:
        raise _refusal(f"its text tower is a {type(model.text).__name__}")
    else:
        source, pool, end_id = model.text, model.text.pool_type, model.text.eos_id
    if source.attn_mask is None:
        raise _refusal("its text tower has no causal mask")
    if getattr(source, "cls_emb", None) is not None:
        raise _refusal("its text tower reads a class token")
    if pool not in ("argmax", "eos"):
        raise _refusal(f"its text tower pools by {pool!r}")
    if type(tokenizer) is not SimpleTokenizer:
        raise _refusal(f"its tokenizer is a {type(tokenizer).__name__}")
    if pool == "eos" and end_id != tokenizer.eot_token_id:
        raise _refusal(
            f"its text tower pools at token {end_id}, "
            f"but its tokenizer ends texts with {tokenizer.eot_token_id}"
        )
    vocabulary = source.token_embedding.weight.shape[0]
    if tokenizer.vocab_size > vocabulary:
        raise GramError(
            f"the tokenizer of this backbone has {tokenizer.vocab_size} tokens, its text tower "
            f"only {vocabulary}; give it the vocabulary file that it was trained with"
        )
    return TextTower(
        tokenizer=tokenizer,
        token_embedding=source.token_embedding.weight.detach(),
        positions=source.positional_embedding.detach(),
        blocks=read_blocks(source.transformer),
        norm=read_norm(source.ln_final),
        projection=_read_projection(source.text_projection),
    )


def _read_projection(projection: Any) -> Linear | None:
    if projection is None:
        return None
    if isinstance(projection, nn.Linear):
        return read_linear(projection)
    return Linear(projection.detach().T)


def _refusal(reason: str) -> GramError:
    return GramError(
        f"prompts cannot be learned for this backbone: {reason}, where open_clip's own causal text "
        "transformer pooled at the end of the text is needed; choose for example ViT-B-16/openai"
    )
