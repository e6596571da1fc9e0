"""Captions to topics: UMAP, HDBSCAN and BERTopic (Section 3.2, semantic topic clustering)."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gram_core.errors import GramError
from gram_core.hierarchy.config import ClusterConfig
from gram_core.names import compared
from gram_core.threads import one_thread, threads

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Below this size UMAP compares all captions with each other and takes no neighbours from outside.
ALL_PAIRS_BELOW = 4096
MAP_EPOCHS = 200


def find_neighbours(embeddings: NDArray[np.float32], config: ClusterConfig) -> Any:
    """The nearest neighbours of all captions, which UMAP then need not look for twice.

    None for a corpus so small that UMAP prefers to compare everything itself.
    """
    if len(embeddings) < ALL_PAIRS_BELOW:
        return None
    from umap.umap_ import nearest_neighbors

    generator = np.random.RandomState(config.seed)
    with _steady():
        return nearest_neighbors(
            embeddings, config.neighbours, "cosine", None, False, generator, n_jobs=1
        )


def find_topics(
    captions: Sequence[str],
    embeddings: NDArray[np.float32],
    neighbours: Any,
    config: ClusterConfig,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(n,) the topic of each caption, the largest is 0, none is -1; and (n, components) by UMAP.

    Raises:
        GramError: fewer than two topics were found.
    """
    from bertopic import BERTopic
    from hdbscan import HDBSCAN
    from sklearn.feature_extraction.text import CountVectorizer

    reducer = _umap(len(captions), config.components, 0.0, config.seed, neighbours, config)
    clusterer = HDBSCAN(
        min_cluster_size=config.min_topic_size,
        min_samples=config.density,
        core_dist_n_jobs=threads(),
    )
    # BERTopic's own words are not used, and must not stop it: not at a caption of digits alone,
    # and not at other scripts, whose letters it throws away for English
    counter = CountVectorizer(token_pattern=r"(?u)\S+")
    model = BERTopic(
        language="multilingual",
        umap_model=reducer,
        hdbscan_model=clusterer,
        vectorizer_model=counter,
    )
    try:
        with _steady():
            topics, _ = model.fit_transform(list(captions), embeddings)
    except (TypeError, ValueError) as error:  # it cannot weigh the words of captions all alike
        raise _too_few_topics(len(captions), 0, config) from error
    labels = np.asarray(topics, dtype=np.int64)
    found = int(labels.max()) + 1
    if found < 2:
        raise _too_few_topics(len(captions), found, config)
    return labels, np.asarray(reducer.embedding_, dtype=np.float32)


def equal_captions(captions: Sequence[str], config: ClusterConfig) -> NDArray[np.int64]:
    """(n,) the topic of each caption: that of the same captions, the largest is 0; smaller than a
    topic may be is -1.

    Raises:
        GramError: fewer than two topics were found.
    """
    alike = [compared(caption) for caption in captions]
    sizes = Counter(alike).most_common()
    large = [name for name, size in sizes if size >= (config.min_topic_size or 1)]
    if len(large) < 2:
        raise _too_few_topics(len(captions), len(large), config)
    numbers = {name: number for number, name in enumerate(large)}
    return np.array([numbers.get(name, -1) for name in alike], dtype=np.int64)


def _too_few_topics(captions: int, found: int, config: ClusterConfig) -> GramError:
    return GramError(
        f"{captions} captions gave {found} topic{'s' * (found != 1)}, and two are the least: lower "
        f"min_topic_size (now {config.min_topic_size}) or density (now {config.density}), choose "
        "other sentence embeddings, or bring more varied pairs"
    )


def draw_map(
    embeddings: NDArray[np.float32],
    reduced: NDArray[np.float32],
    neighbours: Any,
    config: ClusterConfig,
) -> NDArray[np.float32]:
    """(n, 2) places on a map where captions that speak of the same lie together.

    A UMAP that starts from the two main directions of the reduced embedding, so that the map
    agrees with the topics, and is done in fewer epochs.
    """
    from sklearn.decomposition import PCA

    mapper = _umap(len(embeddings), 2, 0.1, config.seed, neighbours, config)
    with _steady():
        start = PCA(2, random_state=config.seed).fit_transform(reduced).astype(np.float32)
        start *= 10 / np.abs(start).max().clip(1e-12)  # the width that UMAP itself starts with
        mapper.set_params(init=start, n_epochs=MAP_EPOCHS)
        return np.asarray(mapper.fit_transform(embeddings), dtype=np.float32)


def _umap(
    count: int, components: int, spacing: float, seed: int, neighbours: Any, config: ClusterConfig
) -> Any:
    from umap import UMAP

    known = {} if neighbours is None else {"precomputed_knn": neighbours}
    return UMAP(
        n_neighbors=min(config.neighbours, count - 1),
        n_components=components,
        min_dist=spacing,
        metric="cosine",
        random_state=seed,
        n_jobs=1,  # a seed means one thread to UMAP; said here, it does not warn
        **known,
    )


@contextmanager
def _steady() -> Iterator[None]:
    """The same on any number of threads, without the libraries' warnings about their own ways."""
    with warnings.catch_warnings(), one_thread():
        warnings.simplefilter("ignore")
        yield
