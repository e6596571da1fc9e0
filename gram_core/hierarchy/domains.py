"""Pictures of one topic to visual domains: k-means on image features (Section 3.2)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gram_core.hierarchy.config import ClusterConfig
from gram_core.threads import one_thread

SILHOUETTE_SAMPLE = 1000
STARTS = 4  # of k-means; the best is taken


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


def find_domains(features: NDArray[np.float32], config: ClusterConfig) -> Division:
    """The division of (n, e) normalised features into domains that has the best silhouette.

    Tries 2 to `max_domains`, or `domains` alone where that is given. Domains below
    `min_domain_size` join the nearest one that is large enough.
    """
    least = config.min_domain_size or 1
    whole = (np.arange(len(features)),)
    if len(features) < 2 * least:
        reason = f"{len(features)} pictures, too few for two domains of at least {least}"
        return Division(whole, reason=reason)
    tried = [config.domains] if config.domains else range(2, config.max_domains + 1)
    with one_thread():
        divisions = [_divide(features, number, least, config.seed) for number in tried]
    found = [division for division in divisions if division is not None]
    if not found:
        return Division(whole, reason=f"no second domain of at least {least} pictures")
    return max(found, key=lambda division: division.silhouette or -1.0)


def _divide(features: NDArray[np.float32], number: int, least: int, seed: int) -> Division | None:
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    if number > len(features):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # equal pictures: fewer distinct points than domains
        means = KMeans(number, n_init=STARTS, random_state=seed).fit(features)
    sizes = np.bincount(means.labels_, minlength=number)
    large = np.flatnonzero(sizes >= least)
    if len(large) < 2:
        return None
    centres = means.cluster_centers_[large]
    nearest = large[((centres**2).sum(1) - 2 * features @ centres.T).argmin(1)]
    labels = np.where(np.isin(means.labels_, large), means.labels_, nearest)
    sample = np.random.default_rng(seed).permutation(len(features))[:SILHOUETTE_SAMPLE]
    if not 2 <= len(np.unique(labels[sample])) < len(sample):
        return None
    score = float(silhouette_score(features[sample], labels[sample]))
    domains = [np.flatnonzero(labels == label) for label in large]
    domains.sort(key=lambda rows: (-len(rows), rows[0]))
    return Division(tuple(domains), score)
