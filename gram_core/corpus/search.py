"""Pairs found by the words of their captions, by likeness, or by their place on the map."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gram_core.corpus.corpus import Corpus
from gram_core.errors import GramError

if TYPE_CHECKING:
    from torch import Tensor

    from gram_core.backbones import Backbone
    from gram_core.hierarchy import Hierarchy

Ids = NDArray[np.int64]

BLOCK = 2048  # rows widened to float32 at a time: they stay in the processor's cache


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found: (n,) ids of pairs, the best first, and (n,) their scores."""

    ids: Ids
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ids)


def find_words(corpus: Corpus, text: str, limit: int = 48, among: Ids | None = None) -> Found:
    """The pairs in whose caption each word of the text begins a word, the best first.

    Neither capitals nor the accents of Latin, Greek and Cyrillic letters count. Scripts that put
    no space between words are searched by the characters, wherever they stand. The score is the
    share of the text's words that the caption has as whole words; of equal scores the earlier pair
    comes first. A text without letters or digits finds nothing.

    Args:
        among: only these pairs.
    """
    wanted = [folded for word in text.split() if (folded := _folded(word)).strip()]
    captions = _folded_captions(corpus)
    beginnings = [word[:-1] for word in wanted]  # without the space that ends a word
    rows = range(len(captions)) if among is None else among.tolist()
    hits = [row for row in rows if wanted and all(start in captions[row] for start in beginnings)]
    whole = [sum(word in captions[row] for word in wanted) for row in hits]
    scores = np.array(whole, dtype=np.float32) / np.float32(max(1, len(wanted)))
    order = np.argsort(-scores, kind="stable")[:limit]
    return Found(np.array(hits, dtype=np.int64)[order], scores[order])


def find_like(
    corpus: Corpus,
    backbone: Backbone,
    query: str | Image.Image | int,
    limit: int = 48,
    among: Ids | None = None,
) -> Found:
    """The pairs whose picture is most like a text, a picture, or the picture of a pair.

    The score is the cosine of the picture's feature and the query's. A pair does not find itself.

    Args:
        among: only these pairs.

    Raises:
        GramError: the corpus' features are not there yet for this backbone (a search does not
            start work that may take hours), or it has no such pair.
    """
    import torch

    stored = corpus.stored_features(backbone)
    if stored is None:
        raise GramError(
            f"The pictures of {corpus.name!r} have no features of the backbone {backbone.name!r} "
            "yet; embed or cluster the corpus with it first."
        )
    features = stored[0]
    if isinstance(query, str):
        wanted = backbone.encode_texts([query])[0].float().cpu()
    elif isinstance(query, Image.Image):
        wanted = backbone.encode_images(backbone.pixels([query]))[0].float().cpu()
    elif 0 <= query < len(corpus):
        wanted = torch.from_numpy(np.array(features[query])).float()
    else:
        raise GramError(f"{corpus.name!r} has pairs 0 to {len(corpus) - 1}, and no {query}.")
    scores = _cosines(features, wanted, among)
    if not isinstance(query, str | Image.Image):
        scores[query if among is None else torch.from_numpy(among == query)] = torch.nan
    best = scores.nan_to_num_(nan=-torch.inf).topk(min(limit, len(scores)))
    there = best.values > -torch.inf
    rows, values = best.indices[there].numpy(), best.values[there].numpy()
    return Found(rows if among is None else among[rows], values)


def inside(hierarchy: Hierarchy, x: tuple[float, float], y: tuple[float, float]) -> Ids:
    """The pairs whose place on the map lies in a box: ids, ascending.

    The ends of a range belong to it and may come in either order.
    """
    low, high = np.sort(np.array([x, y]), axis=1).T
    place = hierarchy.position
    return np.flatnonzero(((place >= low) & (place <= high)).all(axis=1))


def page(ids: Ids, number: int, size: int = 48) -> Ids:
    """One page of a list of pairs; the first has the number 1, and past the end is nothing."""
    return ids[(number - 1) * size : number * size]


def _cosines(features: NDArray, query: Tensor, among: Ids | None) -> Tensor:
    """(n,) the product of each row, or of those among them, with the query."""
    import torch

    parts = [torch.empty(0)]
    for start in range(0, len(features) if among is None else len(among), BLOCK):
        rows = slice(start, start + BLOCK)
        # a copy, because torch takes no memory that cannot be written to
        part = np.array(features[rows if among is None else among[rows]])
        parts.append(torch.from_numpy(part).float() @ query)
    return torch.cat(parts)


_captions: WeakKeyDictionary[Corpus, list[str]] = WeakKeyDictionary()


def _folded_captions(corpus: Corpus) -> list[str]:
    """The captions as they are searched, made once for as long as the corpus is open."""
    if corpus not in _captions:
        _captions[corpus] = [_folded(caption) for caption in corpus.captions]
    return _captions[corpus]


class _Letters(dict[int, str]):
    """What becomes of each character of a text that is searched, found out when it is first met."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        if 0x0300 <= code <= 0x036F:  # accents; the marks of other scripts make other words
            kept = ""
        elif not (letter.isalnum() or unicodedata.category(letter).startswith("M")):
            kept = " "
        elif unicodedata.name(letter, "").startswith(UNSPACED):
            kept = f" {letter}"
        else:
            kept = letter
        self[code] = kept
        return kept


#: Scripts that are written without spaces; each of their letters is searched as a word.
UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
_letters = _Letters()


def _folded(text: str) -> str:
    """The words of a text, each between two spaces, in the form in which words are compared.

    " a cafe on the 5th " for "A café, on the 5th"; a word within it has a space before it, and a
    whole word one on either side.
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKD", text)
    words = plain.casefold().translate(_letters).split()
    return unicodedata.normalize("NFC", f" {' '.join(words)} ")
