"""Captions to clusters: BERTopic's stages one by one (Section 3.2, semantic topic clustering).

They are called one by one so that each can be exchanged, kept on disk, and fitted on a sample.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gram_core.hierarchy.config import ClusterConfig
from gram_core.hierarchy.engines import Clusterer, Reducer, make_clusterer, make_reducer, on_gpu
from gram_core.hierarchy.kept import Arrays
from gram_core.hierarchy.sentences import Rows
from gram_core.names import compared
from gram_core.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Below this size UMAP compares all captions with each other and takes no neighbours from outside.
ALL_PAIRS_BELOW = 4096
MAP_EPOCHS = 200
BLOCK = 5000  # captions that are placed at once among those that were clustered
PLACED_BY = 5  # neighbours that tell a caption's place on the map


def chosen_sample(count: int, config: ClusterConfig) -> NDArray[np.int64]:
    """Rows of the captions among which clusters are found, ascending."""
    if config.sample is None or count <= config.sample:
        return np.arange(count)
    chosen = np.random.default_rng(config.seed).choice(count, config.sample, replace=False)
    return np.sort(chosen).astype(np.int64)


def reduce_captions(
    sentences: Rows,
    sample: NDArray[np.int64],
    config: ClusterConfig,
    reducer: Reducer | None = None,
) -> Arrays:
    """Fewer dimensions for n captions: `reduced` (n, components), and the nearest neighbours of
    the sample, `indices` and `distances`, which its map needs again (none where UMAP compares all).

    The reducer, a UMAP unless one is given, is fitted on the sample and places the others.
    """
    rows = sentences[sample]
    with _steady():
        neighbours = None if reducer else _find_neighbours(rows, config)
        reducer = reducer or _umap(len(rows), config.components, 0.0, neighbours, config)
        found = np.asarray(reducer.fit_transform(rows), dtype=np.float32)
        reduced = np.empty((len(sentences), found.shape[1]), dtype=np.float32)
        reduced[sample] = found
        rest = np.setdiff1d(np.arange(len(sentences)), sample)
        for start in range(0, len(rest), BLOCK):
            block = rest[start : start + BLOCK]
            reduced[block] = np.asarray(reducer.transform(sentences[block]))
    if neighbours is None:
        return {"reduced": reduced}
    return {"reduced": reduced, "indices": neighbours[0], "distances": neighbours[1]}


def find_clusters(
    reduced: NDArray[np.float32],
    sample: NDArray[np.int64],
    config: ClusterConfig,
    clusterer: Clusterer | None = None,
) -> NDArray[np.int64]:
    """(n,) the cluster of each caption, -1 for none: found in the sample by HDBSCAN, unless
    another clusterer is given; for the others predicted from it."""
    density = min(config.density, len(sample) - 1)
    clusterer = clusterer or make_clusterer(config.engine, config.cluster_size or 5, density)
    labels = np.full(len(reduced), -1, dtype=np.int64)
    with _steady():
        labels[sample] = clusterer.fit_predict(reduced[sample])
        rest = np.setdiff1d(np.arange(len(reduced)), sample)
        for start in range(0, len(rest), BLOCK):
            block = rest[start : start + BLOCK]
            labels[block] = clusterer.predict(reduced[block])
    return labels


def equal_captions(captions: Sequence[str], smallest: int) -> NDArray[np.int64]:
    """(n,) the topic of each caption: that of the same captions, the largest is 0; smaller than a
    topic may be is -1."""
    alike = [compared(caption) for caption in captions]
    large = [name for name, size in Counter(alike).most_common() if size >= smallest]
    numbers = {name: number for number, name in enumerate(large)}
    return np.array([numbers.get(name, -1) for name in alike], dtype=np.int64)


def draw_map(
    sentences: Rows,
    labels: NDArray[np.int64],
    sample: NDArray[np.int64],
    stage: Arrays,
    config: ClusterConfig,
) -> NDArray[np.float32]:
    """(n, 2) places on a map where captions of one topic (labels, -1 for none) lie together.

    A UMAP of the sample, to which topics are the target, and which starts from the two main
    directions of the reduced embedding, so that it is done in fewer epochs. The others lie among
    their nearest neighbours in the sample that are of their topic.
    """
    from sklearn.decomposition import PCA

    reduced = stage["reduced"]
    neighbours = (stage["indices"], stage["distances"], None) if "indices" in stage else None
    with _steady():
        start = PCA(2, random_state=config.seed).fit_transform(reduced[sample]).astype(np.float32)
        start *= 10 / np.abs(start).max().clip(1e-12)  # the width that UMAP itself starts with
        mapper = _umap(len(sample), 2, 0.1, neighbours, config, init=start, n_epochs=MAP_EPOCHS)
        drawn = mapper.fit_transform(sentences[sample], labels[sample])
        position = np.empty((len(reduced), 2), dtype=np.float32)
        position[sample] = np.asarray(drawn, dtype=np.float32)
        rest = np.setdiff1d(np.arange(len(reduced)), sample)
        for label in np.unique(labels[rest]):
            known, new = (rows[labels[rows] == label] for rows in (sample, rest))
            known = known if len(known) else sample
            position[new] = _between(reduced[known], position[known], reduced[new])
        return position


def _between(
    reduced: NDArray[np.float32], places: NDArray[np.float32], others: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(m, 2) places of others: means over their nearest neighbours, the nearer the heavier."""
    from sklearn.neighbors import KNeighborsRegressor

    model = KNeighborsRegressor(min(PLACED_BY, len(reduced)), weights="distance")
    return np.asarray(model.fit(reduced, places).predict(others), dtype=np.float32)


def _find_neighbours(rows: NDArray[np.float32], config: ClusterConfig) -> Any:
    """The nearest neighbours of all captions, which two UMAPs then need not look for.

    None for so few that UMAP prefers to compare everything itself, and for cuML, which does it.
    """
    if len(rows) < ALL_PAIRS_BELOW or on_gpu(config.engine):
        return None
    from umap.umap_ import nearest_neighbors

    generator = np.random.RandomState(config.seed)
    return nearest_neighbors(rows, config.neighbours, "cosine", None, False, generator, n_jobs=1)


def _umap(
    count: int,
    components: int,
    spacing: float,
    neighbours: Any,
    config: ClusterConfig,
    **options: Any,
) -> Reducer:
    known = {} if neighbours is None else {"precomputed_knn": neighbours}
    return make_reducer(
        config.engine,
        n_neighbors=min(config.neighbours, count - 1),
        n_components=components,
        min_dist=spacing,
        metric="cosine",
        random_state=config.seed,
        n_jobs=1,  # a seed means one thread to UMAP; said here, it does not warn
        **known,
        **options,
    )


@contextmanager
def _steady() -> Iterator[None]:
    """The same on any number of threads, without the libraries' warnings about their own ways."""
    with warnings.catch_warnings(), one_thread():
        warnings.simplefilter("ignore")
        yield
