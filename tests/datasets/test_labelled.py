from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from gram_core.datasets import POOL, TEST, LabelledSet
from gram_core.errors import GramError
from gram_core.prompts import ImageBank

DOMAINS = ("ink", "oil", "photo")


def make_set(classes: int = 5, pool: int = 6, test: int = 2) -> LabelledSet:
    """Classes × three domains; every domain but the last has a pool."""
    rows = [
        (label, domain, split)
        for label in range(classes)
        for domain in range(3)
        for split in [POOL] * (pool if domain < 2 else 0) + [TEST] * test
    ]
    labels, domains, splits = zip(*rows, strict=True)
    return LabelledSet(
        name="made",
        classes=tuple(f"class {label}" for label in range(classes)),
        bank=ImageBank(features=torch.zeros(len(rows), 4)),
        labels=np.array(labels),
        domains=np.array(domains),
        splits=np.array(splits),
        domain_names=DOMAINS,
    )


def test_base_is_the_larger_first_half_and_new_the_rest() -> None:
    assert list(make_set(5).base) == [0, 1, 2]
    assert list(make_set(5).new) == [3, 4]
    assert list(make_set(4).new) == [2, 3]


def test_sources_are_the_domains_with_a_pool() -> None:
    assert make_set().sources == ("ink", "oil")


def test_a_draw_takes_shots_of_each_class_from_the_pool_of_one_domain() -> None:
    made = make_set()

    drawn = made.draw(4, seed=1, source="oil")

    assert len(set(drawn)) == len(drawn) == 5 * 4
    assert (np.bincount(made.labels[drawn]) == 4).all()
    assert (made.domains[drawn] == 1).all()
    assert (made.splits[drawn] == POOL).all()


def test_a_draw_is_a_function_of_seed_and_source() -> None:
    made = make_set(pool=40)

    assert (made.draw(4, 1, "oil") == made.draw(4, 1, "oil")).all()
    assert (made.draw(4, 1, "oil") != made.draw(4, 2, "oil")).any()
    # Rows of the two domains lie 42 apart: the same choice would show as a constant distance.
    assert (made.draw(4, 1, "oil") - made.draw(4, 1, "ink") != 42).any()


def test_supports_are_the_draws_of_the_wanted_classes() -> None:
    made = make_set()
    runs = [(seed, source) for seed in (0, 1) for source in made.sources]

    support = made.supports(4, runs)

    assert support.images.shape == support.labels.shape == (4, 12)
    assert support.labels[0].tolist() == [0] * 4 + [1] * 4 + [2] * 4
    for row, (seed, source) in enumerate(runs):
        assert set(support.images[row].tolist()) < set(made.draw(4, seed, source).tolist())


def test_labels_of_other_classes_count_within_them() -> None:
    made = make_set()

    support = made.supports(2, [(0, "ink")], classes=made.new)

    assert support.labels.tolist() == [[0, 0, 1, 1]]
    assert made.labels[support.images[0].numpy()].tolist() == [3, 3, 4, 4]


def test_all_runs_get_as_many_images_of_a_class_as_its_poorest_source_has() -> None:
    made = make_set()
    splits = made.splits.copy()
    splits[made.rows(POOL, [1], "oil")[1:]] = TEST  # one image is left of class 1 in oil
    made = replace(made, splits=splits)

    support = made.supports(3, [(0, "ink"), (0, "oil")])

    assert support.labels[0].tolist() == [0, 0, 0, 1, 2, 2, 2]
    drawn = made.labels[support.images.numpy()]
    assert (drawn == support.labels.numpy()).all()


def test_a_class_without_images_in_a_source_is_refused() -> None:
    with pytest.raises(GramError, match=r"'class 0'.*no image to learn from"):
        make_set().supports(3, [(0, "photo")])


@pytest.mark.parametrize("shots", [0, -1])
def test_less_than_one_shot_is_refused(shots: int) -> None:
    with pytest.raises(GramError, match=f"shots is {shots}; give at least 1"):
        make_set().supports(shots, [(0, "ink")])
    with pytest.raises(GramError, match=f"shots is {shots}; give at least 1"):
        make_set().draw(shots, 0)


def test_an_unknown_domain_is_refused_with_those_there_are() -> None:
    with pytest.raises(GramError, match="no domain 'wax'; it has ink, oil, photo"):
        make_set().draw(3, 0, "wax")


def test_one_class_is_no_set() -> None:
    with pytest.raises(GramError, match="1 class"):
        make_set(classes=1)
