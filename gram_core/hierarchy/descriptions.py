"""What the visual domains of a topic look like, and what is said in one more than in the rest."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gram_core.corpus import Corpus
from gram_core.hierarchy.hierarchy import Description, Ids
from gram_core.hierarchy.sentences import normalised
from gram_core.hierarchy.words import CAPTION_WORDS, grammar_words, is_word, tokens
from gram_core.threads import one_thread

SHOWN = 12  # central and typical pictures
PICTURES = 48  # of a domain that are looked at
SIDE = 64  # pixels of the longer side at which they are looked at
COLOURS = 5
POINTS = 16  # a side of the grid of pixels whose colours are counted
WORDS = 8
SIGNIFICANT = 1.96  # the z-score that chance alone exceeds once in forty words

#: The low and the high end of each scale; what lies between them is not worth a word.
DARK, BRIGHT = 0.3, 0.7
SOFT, HARD = 0.1, 0.25
COLOURLESS, COLOURFUL = 0.15, 0.5


def describe(
    domains: Sequence[Ids],
    corpus: Corpus,
    features: NDArray[np.floating],
    stop_words: Collection[str] = CAPTION_WORDS,
    seed: int = 0,
) -> tuple[Description, ...]:
    """One description for each domain of a topic, given as ids of pairs, in their order.

    Brightness, contrast, saturation and colours are those of at most 48 pictures, drawn by the
    seed; the same domain is described by the same pictures whatever the others are.

    Args:
        features: (N, e) image features of length one, of which only the topic's rows are read.
        stop_words: words that are never listed, besides those of English grammar.
    """
    with one_thread():
        rows = [np.asarray(features[ids], dtype=np.float32) for ids in domains]
        middles = normalised(np.stack([part.mean(axis=0) for part in rows]))
        nearness = [part @ middles.T for part in rows]
    words = distinctive_words(
        [[corpus.captions[pair] for pair in ids] for ids in domains], stop_words
    )
    described = []
    for number, (ids, near) in enumerate(zip(domains, nearness, strict=True)):
        sample = np.sort(np.random.default_rng(seed).permutation(ids)[:PICTURES])
        looks = look_at([corpus.image_bytes(int(pair)) for pair in sample])
        described.append(
            Description(
                central=_best(ids, near[:, number]),
                typical=_typical(ids, near, number),
                words=words[number],
                **vars(looks),
            )
        )
    return tuple(described)


def in_words(description: Description) -> str:
    """The description in a few words for people: "dark, little colour; night, neon".

    What lies in the middle of a scale is not mentioned: such a domain without words of its own is
    "ordinary light and colour".
    """
    scales = (
        (description.brightness, DARK, "dark", BRIGHT, "bright"),
        (description.contrast, SOFT, "low contrast", HARD, "high contrast"),
        (description.saturation, COLOURLESS, "little colour", COLOURFUL, "vivid colours"),
    )
    looks = [
        low_name if value <= low else high_name
        for value, low, low_name, high, high_name in scales
        if not low < value < high
    ]
    said = [word for word, _ in description.words]
    parts = [", ".join(part) for part in (looks, said) if part]
    return "; ".join(parts) or "ordinary light and colour"


@dataclass(frozen=True)
class Looks:
    """Means over pictures, 0 to 1, and their commonest colours, the commonest first.

    Attributes:
        brightness: of the luminance (ITU-R BT.601).
        contrast: of its standard deviation within a picture, at most 0.5.
        saturation: of HSV, pixels weighed by their value: in black it means nothing.
        colours: at most five, as "#rrggbb".
    """

    brightness: float
    contrast: float
    saturation: float
    colours: tuple[str, ...]


def look_at(pictures: Sequence[bytes]) -> Looks:
    """Light and colour of encoded pictures, one at least."""
    small = [_small(data) for data in pictures]
    light = [np.asarray(image.convert("L"), dtype=np.float32) / 255 for image in small]
    saturations = []
    for image in small:
        _, saturation, value = np.asarray(image.convert("HSV"), dtype=np.float32).T
        saturations.append((saturation * value).sum() / (255 * max(1.0, value.sum())))
    return Looks(
        brightness=float(np.mean([each.mean() for each in light])),
        contrast=float(np.mean([each.std() for each in light])),
        saturation=float(np.mean(saturations)),
        colours=_commonest(small),
    )


def distinctive_words(
    groups: Sequence[Sequence[str]], stop_words: Collection[str] = CAPTION_WORDS
) -> list[tuple[tuple[str, float], ...]]:
    """For each group of texts up to eight words that it has more often than the other groups
    together, each with its z-score, the highest first; of equal ones the first by alphabet.

    The score is the log-odds ratio with an informative Dirichlet prior, divided by its standard
    deviation (Monroe, Colaresi & Quinn 2008, "Fightin' Words"). The prior of a word is its share
    of all counts times the number of different words: one count a word on average. A text counts
    a word once: five captions of one picture are one witness, not five. Single letters are no
    words, and one group alone has nothing to differ from.
    """
    stop = grammar_words() | frozenset(stop_words)
    counts = [
        Counter(word for text in texts for word in set(tokens(text)) - stop if is_word(word))
        for texts in groups
    ]
    vocabulary = sorted(set().union(*counts))
    if len(groups) < 2 or len(vocabulary) < 2:
        return [()] * len(groups)
    inside = np.array([[count[word] for word in vocabulary] for count in counts], dtype=np.float64)
    total = inside.sum(axis=0)
    prior = total / total.sum() * len(vocabulary)
    result = []
    for own in inside:
        other = total - own
        score = _log_odds(own + prior) - _log_odds(other + prior)
        score /= np.sqrt(1 / (own + prior) + 1 / (other + prior))
        best = np.argsort(-score, kind="stable")[:WORDS]
        result.append(
            tuple((vocabulary[row], float(score[row])) for row in best if score[row] >= SIGNIFICANT)
        )
    return result


def _log_odds(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(V,) logarithm of how often each word is met to how often any other one is."""
    return np.log(counts) - np.log(counts.sum() - counts)


def _best(ids: Ids, scores: NDArray[np.float32]) -> tuple[int, ...]:
    return tuple(ids[np.argsort(-scores, kind="stable")[:SHOWN]].tolist())


def _typical(ids: Ids, near: NDArray[np.float32], own: int) -> tuple[int, ...]:
    """The pictures that are nearer to their own middle than to any other, by their margin."""
    others = np.delete(near, own, axis=1)
    if not others.shape[1]:
        return _best(ids, near[:, own])
    margin = near[:, own] - others.max(axis=1)
    clear = margin > 0
    return _best(ids[clear], margin[clear])


def _small(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        image.thumbnail((SIDE, SIDE), reducing_gap=1.0)  # a JPEG is decoded that small
        return image.convert("RGB")


def _commonest(pictures: Sequence[Image.Image]) -> tuple[str, ...]:
    """The colours of all pictures by median cut and k-means, the commonest first."""
    points = [image.resize((POINTS, POINTS), Image.Resampling.NEAREST) for image in pictures]
    sheet = Image.fromarray(np.concatenate([np.asarray(each) for each in points]))
    moves = sheet.width * sheet.height // 100  # so few pixels that still move end k-means
    sheet = sheet.quantize(COLOURS, Image.Quantize.MEDIANCUT, kmeans=moves)
    numbers, counts = np.unique(np.asarray(sheet), return_counts=True)
    palette = np.array(sheet.getpalette(), dtype=np.uint8).reshape(-1, 3)
    return tuple(
        f"#{palette[row].tobytes().hex()}" for row in numbers[np.argsort(-counts, kind="stable")]
    )
