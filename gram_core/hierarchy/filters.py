"""Which pairs are worth clustering: picture and caption agree, and the caption says something."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gram_core.errors import GramError
from gram_core.hierarchy.config import ClusterConfig
from gram_core.threads import one_thread

BLOCK = 8192
PICTURES = 2000  # that each caption is compared with


def similarities(image: NDArray[np.floating], text: NDArray[np.float16]) -> NDArray[np.float32]:
    """(N,) cosine of picture and caption of each pair, from (N, e) features of length one."""
    parts = []
    for start in range(0, len(image), BLOCK):
        rows = slice(start, start + BLOCK)
        parts.append(
            (np.asarray(image[rows], np.float32) * np.asarray(text[rows], np.float32)).sum(axis=1)
        )
    return np.concatenate(parts)


def selectivity(
    image: NDArray[np.floating], text: NDArray[np.float16], seed: int
) -> NDArray[np.float32]:
    """(N,) how much each caption tells pictures apart: the standard deviation of its cosines with
    2,000 pictures of the corpus.

    "A photo" fits all pictures alike and "a teapot" few of them: a caption that names no thing is
    of no use as a topic, however often it occurs and however well it fits.
    """
    sample = np.random.default_rng(seed).permutation(len(image))[:PICTURES]
    with one_thread():
        pictures = np.asarray(image[np.sort(sample)], np.float32).T
        return np.concatenate(
            [
                (np.asarray(text[start : start + BLOCK], np.float32) @ pictures).std(axis=1)
                for start in range(0, len(text), BLOCK)
            ]
        )


def choose_pairs(
    similarity: NDArray[np.float32], selective: NDArray[np.float32] | None, config: ClusterConfig
) -> NDArray[np.int64]:
    """Ids of the pairs that pass both filters, ascending.

    First those are left out whose similarity is below `threshold`, or in the lowest `drop` of all;
    of the others those whose caption is in the lowest `vague` by selectivity, where that is given.

    Raises:
        GramError: the threshold leaves no pair.
    """
    if config.threshold is not None:
        least = config.threshold
    else:
        least = float(np.quantile(similarity, config.drop)) if config.drop else -np.inf
    agree = np.flatnonzero(similarity >= least)
    if not len(agree):
        raise GramError(
            f"no pair has a similarity of {least} (threshold); the highest is "
            f"{similarity.max():.3f}: lower it, or leave it out to drop a share instead"
        )
    if selective is None or not config.vague:
        return agree
    return agree[selective[agree] >= np.quantile(selective[agree], config.vague)]
