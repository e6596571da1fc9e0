"""Near-duplicates: pictures that are almost the same as an earlier one of their corpus."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gram_core.corpus.corpus import Corpus
from gram_core.corpus.embedding import embed
from gram_core.errors import GramError
from gram_core.events import Event, pass_on

if TYPE_CHECKING:
    from torch import Tensor

    from gram_core.backbones import Backbone

Ids = NDArray[np.int64]

THRESHOLD = 0.98
EXACT = 20_000  # pairs up to which every picture meets every other
PROBES = 4  # cells in which the twin of a picture is looked for
SAMPLE = 64  # pictures of each cell that its centre is made of
BLOCK = 2048  # pictures compared with so many others at a time: 16 MiB
STORED = np.dtype([("twin", np.int64), ("similarity", np.float32)])


@dataclass(frozen=True, eq=False)
class Near:
    """For each of the N pairs the earlier one that it nearly equals.

    Attributes:
        twin: (N,) the id of the earlier pair whose picture is most like its own; -1 where none
            reaches the threshold.
        similarity: (N,) the cosine of the two pictures, whether it reaches the threshold or not;
            -1 where there is no other picture to compare with.
    """

    twin: Ids
    similarity: NDArray[np.float32]

    def flagged(self) -> Ids:
        """The ids of the pairs that nearly equal an earlier one, the most alike first."""
        flagged = np.flatnonzero(self.twin >= 0)
        return flagged[np.argsort(-self.similarity[flagged], kind="stable")]


def near_duplicates(
    corpus: Corpus, backbone: Backbone, threshold: float = THRESHOLD
) -> Iterator[Event]:
    """The near-duplicates of a corpus by image features; yields progress, then `Near`.

    Up to 20,000 pairs every picture is compared with every earlier one. Above, pictures are sorted
    into cells around centres (spherical k-means), and each is compared with the earlier ones of
    the four cells nearest to it. The most similar earlier picture of each is kept beside the
    features: another threshold is answered from there. Features are computed where they are not
    there.

    What cosine means "the same" depends on the backbone. One that tells little apart (few
    dimensions, little training) sees all pictures of a kind in one narrow cone and needs a higher
    threshold than a CLIP of full size, else it flags pictures that are merely of a kind.

    Raises:
        GramError: the threshold is not above -1 and at most 1.
    """
    if not -1 < threshold <= 1:
        raise GramError(f"threshold is a cosine above -1 and at most 1, not {threshold}")
    yield from pass_on(embed(corpus, backbone))
    path = corpus.feature_folder(backbone) / "near.npy"
    if not path.exists():
        best = yield from pass_on(_best_earlier(corpus.features(backbone)[0]))
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".near-{secrets.token_hex(4)}")
        with draft.open("wb") as file:
            np.save(file, best)
        draft.replace(path)
    best = np.load(path, allow_pickle=False)
    similarity = best["similarity"]
    near = Near(np.where(similarity >= threshold, best["twin"], -1), similarity)
    message = f"{len(near.flagged())} of {len(corpus)} pictures nearly equal an earlier one"
    yield Event("result", len(corpus), len(corpus), message, result=near)


def _best_earlier(features: NDArray) -> Iterator[Event]:
    """The most similar earlier row of each row; yields progress, then an (N,) array of STORED."""
    best = np.zeros(len(features), STORED)
    best["twin"] = best["similarity"] = -1
    count = 1 if len(features) <= EXACT else math.ceil(math.sqrt(len(features)))
    yield Event("progress", message="sorting pictures into cells")
    nearest = _nearest_cells(features, count)
    homes = _groups(nearest[:, :1], count)
    visitors = _groups(nearest, count)
    done = 0
    for home, visiting in zip(homes, visitors, strict=True):
        for start in range(0, len(visiting), BLOCK):
            rows = visiting[start : start + BLOCK]
            _compare(features, rows, home[home < rows[-1]], best)
            done += len(rows)
            yield Event("progress", done, nearest.size, "comparing pictures with earlier ones")
    yield Event("result", result=best)


def _compare(features: NDArray, rows: Ids, others: Ids, best: NDArray) -> None:
    """Keeps for each row the most similar of the others that come before it, if it is better."""
    import torch

    mine = _rows(features, rows)
    for start in range(0, len(others), BLOCK):
        theirs = others[start : start + BLOCK]
        cosine = mine @ _rows(features, theirs).T
        cosine[torch.from_numpy(theirs >= rows[:, None])] = -1
        similarity, place = (part.numpy() for part in cosine.max(dim=1))
        better = similarity > best["similarity"][rows]
        best["similarity"][rows[better]] = similarity[better]
        best["twin"][rows[better]] = theirs[place[better]]


def _nearest_cells(features: NDArray, count: int) -> NDArray[np.int32]:
    """(N, p) the cells nearest to each row, the nearest first; p is 4, or less of fewer cells."""
    if count == 1:
        return np.zeros((len(features), 1), np.int32)
    import torch
    from sklearn.cluster import MiniBatchKMeans

    sample = np.random.default_rng(0).choice(
        len(features), min(len(features), SAMPLE * count), replace=False
    )
    means = MiniBatchKMeans(count, random_state=0, n_init=1, compute_labels=False)
    means.fit(_rows(features, np.sort(sample)).numpy())
    # of length one, so that the largest product is the nearest centre
    centres = torch.nn.functional.normalize(torch.from_numpy(means.cluster_centers_), dim=1).T
    parts = []
    for start in range(0, len(features), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(features)))
        parts.append((_rows(features, rows) @ centres).topk(min(PROBES, count)).indices.int())
    return torch.cat(parts).numpy()


def _groups(cells: NDArray[np.int32], count: int) -> list[Ids]:
    """The rows that name each cell, ascending; `cells` is (N, p)."""
    order = np.argsort(cells.ravel(), kind="stable")
    bounds = np.searchsorted(cells.ravel()[order], np.arange(1, count))
    return np.split(order // cells.shape[1], bounds)


def _rows(features: NDArray, rows: Ids) -> Tensor:
    import torch

    return torch.from_numpy(features[rows]).float()
