"""Pictures of one topic to visual domains: k-means on image features (Section 3.2)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gram_core.hierarchy.config import ClusterConfig
from gram_core.hierarchy.engines import Matrix
from gram_core.hierarchy.hierarchy import Ids
from gram_core.hierarchy.sentences import normalised
from gram_core.threads import one_thread

SILHOUETTE_SAMPLE = 1000
STARTS = 4  # of k-means; the best is taken
SPHERICAL_ROUNDS = 50

# Of learning the directions in which domains differ:
ROUNDS = 5  # later ones change little
GROUPS = 10  # of a topic at most
GROUP = 8  # pictures of a group on average, or more
LEAST_LEARNT, MOST_LEARNT = 40, 300  # pictures of a topic that is learnt from, and those taken
SHRINKAGE = 0.5  # of the scatter within groups, of which so few pictures cannot tell all


@dataclass(frozen=True, eq=False)
class Division:
    """A topic's pictures in domains.

    Attributes:
        domains: rows of each domain, the largest first.
        silhouette: how well the domains are parted, -1 to 1; None for a single one.
        reason: why there are not two; None if there are.
    """

    domains: tuple[NDArray[np.int64], ...]
    silhouette: float | None = None
    reason: str | None = None


def find_domains(
    features: Matrix, config: ClusterConfig, directions: Matrix | None = None
) -> Division:
    """The division of (n, e) normalised features into domains that has the best silhouette.

    Tries 2 to `max_domains`, or `domains` alone where that is given. Domains below
    `min_domain_size` join the nearest one that is large enough.

    Args:
        directions: (e, d) in which domains are looked for and the silhouette is measured, as
            `shared_directions` finds them; None: the features as they are.
    """
    least = config.min_domain_size or 1
    whole = (np.arange(len(features)),)
    if len(features) < 2 * least:
        reason = f"{len(features)} pictures, too few for two domains of at least {least}"
        return Division(whole, reason=reason)
    tried = [config.domains] if config.domains else range(2, config.max_domains + 1)
    with one_thread():
        if directions is not None:
            features = normalised(_differences(features) @ directions)
        divisions = [_divide(features, number, least, config) for number in tried]
    found = [division for division in divisions if division is not None]
    if not found:
        return Division(whole, reason=f"no second domain of at least {least} pictures")
    return max(found, key=lambda division: division.silhouette or -1.0)


def shared_directions(
    image: NDArray[np.floating], topics: Sequence[Ids], config: ClusterConfig
) -> Matrix | None:
    """(e, d) the directions in which visual domains differ, whatever the topic.

    What makes pictures of one topic look different (night, sketch, close-up) does so in others,
    too; what else they show does not. So groups are found in each topic by k-means and, from all
    topics together, the directions that part groups best for how much they vary within (linear
    discriminants); then groups again in those directions, and so on (Ding & Li 2007, "Adaptive
    dimension reduction using discriminant analysis and k-means clustering").

    None where `directions` is None, or topics are too small, too few or too uniform to learn from.

    Args:
        image: (N, e) image features of length one, of which up to 300 rows a topic are read.
        topics: ids of the pairs of each topic.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    if config.directions is None:
        return None
    generator = np.random.default_rng(config.seed)
    samples = [np.sort(generator.permutation(ids)[:MOST_LEARNT]) for ids in topics]
    samples = [ids for ids in samples if len(ids) >= LEAST_LEARNT]
    if sum(map(len, samples)) < image.shape[1]:
        return None
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a group of one picture has no scatter, and may be there
        pictures = [_differences(np.asarray(image[ids], dtype=np.float32)) for ids in samples]
        together = np.concatenate(pictures)
        if not together.any():
            return None
        seen = pictures
        for _ in range(ROUNDS):
            labels = [
                _k_means(rows, min(GROUPS, len(rows) // GROUP), 1, config.seed)[0] + GROUPS * topic
                for topic, rows in enumerate(seen)
            ]
            model = LinearDiscriminantAnalysis(solver="eigen", shrinkage=SHRINKAGE)
            try:
                model.fit(together, np.concatenate(labels))
            except np.linalg.LinAlgError:  # groups of equal pictures, that do not vary within
                return None
            directions = model.scalings_[:, : config.directions].astype(np.float32)
            seen = [normalised(rows @ directions) for rows in pictures]
    return directions


def _differences(features: Matrix) -> Matrix:
    """(n, e) how each row differs from their mean, scaled to length one."""
    differences = features - features.mean(axis=0)
    # what equal rows differ by is rounding, and says nothing
    differences[np.linalg.norm(differences, axis=1) < 1e-6] = 0
    return normalised(differences)


def _divide(
    features: NDArray[np.float32], number: int, least: int, config: ClusterConfig
) -> Division | None:
    from sklearn.metrics import silhouette_score

    if number > len(features):
        return None
    labels, centres = group_pictures(features, number, config)
    sizes = np.bincount(labels, minlength=number)
    large = np.flatnonzero(sizes >= least)
    if len(large) < 2:
        return None
    far = (centres[large] ** 2).sum(1) - 2 * features @ centres[large].T
    labels = np.where(np.isin(labels, large), labels, large[far.argmin(1)])
    sample = np.random.default_rng(config.seed).permutation(len(features))[:SILHOUETTE_SAMPLE]
    if not 2 <= len(np.unique(labels[sample])) < len(sample):
        return None
    score = float(silhouette_score(features[sample], labels[sample]))
    domains = [np.flatnonzero(labels == label) for label in large]
    domains.sort(key=lambda rows: (-len(rows), rows[0]))
    return Division(tuple(domains), score)


def group_pictures(
    features: NDArray[np.float32], number: int, config: ClusterConfig
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(n,) labels and (k, d) centres of k-means; by cosine if spherical."""
    labels, centres = _k_means(features, number, STARTS, config.seed)
    if not config.spherical:
        return labels, centres
    for _ in range(SPHERICAL_ROUNDS):  # Dhillon & Modha 2001, from where k-means ended
        centres = normalised(centres)
        moved = (features @ centres.T).argmax(axis=1)
        if np.array_equal(moved, labels):
            break
        labels = moved
        sums = np.stack([features[labels == each].sum(axis=0) for each in range(number)])
        centres = np.where(np.abs(sums).sum(axis=1, keepdims=True) > 0, sums, centres)
    return labels, normalised(centres)


def _k_means(
    features: Matrix, number: int, starts: int, seed: int
) -> tuple[NDArray[np.int64], Matrix]:
    from sklearn.cluster import KMeans

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # equal pictures: fewer distinct points than domains
        means = KMeans(number, n_init=starts, random_state=seed).fit(features)
    return means.labels_.astype(np.int64), means.cluster_centers_
