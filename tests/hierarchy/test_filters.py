"""Pairs that disagree, and captions that say nothing, are told by features alone."""

from __future__ import annotations

import numpy as np
import pytest

from gram_core.errors import GramError
from gram_core.hierarchy import ClusterConfig
from gram_core.hierarchy.filters import choose_pairs, selectivity, similarities
from gram_core.hierarchy.sentences import normalised


def pairs() -> tuple[np.ndarray, np.ndarray]:
    """120 pictures of six things; every fourth caption says "a picture", which fits all alike."""
    rng = np.random.default_rng(0)
    image = np.eye(8)[np.arange(120) % 6] + 0.1 * rng.normal(size=(120, 8))
    text = image.copy()
    text[::4] = np.ones(8)
    unit = [normalised(part.astype(np.float32)) for part in (image, text)]
    return unit[0].astype(np.float16), unit[1].astype(np.float16)


def test_similarity_is_the_cosine_of_the_two() -> None:
    image, text = pairs()
    wanted = (image.astype(np.float64) * text.astype(np.float64)).sum(axis=1)
    np.testing.assert_allclose(similarities(image, text), wanted, atol=1e-6)


def test_what_fits_all_pictures_alike_is_vague() -> None:
    found = selectivity(*pairs(), seed=0)
    vague = np.arange(120) % 4 == 0
    assert found[vague].max() < found[~vague].min()


def test_both_filters_leave_out_their_share() -> None:
    similarity = np.linspace(0, 1, 100, dtype=np.float32)
    selective = similarity[::-1].copy()
    kept = choose_pairs(similarity, selective, ClusterConfig(drop=0.2, vague=0.25))
    assert kept.tolist() == list(range(20, 80))  # of the 80 that agree, 60 that say something
    kept = choose_pairs(similarity, selective, ClusterConfig(threshold=0.5, drop=0.9, vague=0.0))
    assert kept.tolist() == list(range(50, 100))
    every = choose_pairs(similarity, selective, ClusterConfig(drop=0.0, vague=0.0))
    assert len(every) == 100


def test_a_threshold_that_nothing_reaches_is_refused() -> None:
    similarity = np.array([0.1, 0.3], dtype=np.float32)
    with pytest.raises(GramError, match=r"similarity of 0.5 \(threshold\); the highest is 0.300"):
        choose_pairs(similarity, similarity, ClusterConfig(threshold=0.5))


def test_a_corpus_in_the_order_of_its_classes_is_seen_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A caption says something if it fits some pictures, wherever in the corpus these lie."""
    image, text = pairs()
    order = np.argsort(np.arange(120) % 6, kind="stable")
    monkeypatch.setattr("gram_core.hierarchy.filters.PICTURES", 40)
    found = selectivity(image[order], text[order], seed=0)
    vague = order % 4 == 0
    assert found[vague].max() < found[~vague].min()
