"""The ablations of Table 6: what meta-training does where a part of it is left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gram_core.errors import GramError
from gram_core.events import finish
from gram_core.meta import meta_train
from gram_core.meta.training import Training
from gram_core.prompts import build_method
from tests.meta.conftest import Configure, World


def test_pretraining_follows_the_loss_of_all_images_of_the_tasks(
    world: World,
    asked: list[dict[str, Any]],
    configure: Configure,
) -> None:
    training = Training(build_method("coop"), *world, configure("coop", "pretraining"))
    values = training.advance()
    (call,) = asked
    assert call["phi"] is None
    assert call["unseen"] is None
    for images, weights in zip(call["seen"].batch.images, call["seen"].weights, strict=True):
        assert len(set(images[weights > 0].tolist())) == 3 * (3 + 2)  # ways × (shots + queries)
    assert values["query_loss"] == values["loss_seen"]
    assert not {"gradient_norm", "step_ratio"} & values.keys()


def test_pretraining_lowers_the_loss(world: World, configure: Configure) -> None:
    config = configure("coop", "pretraining", steps=25, tasks=8, theta_rate=1e-2, probe_tasks=8)
    events = list(meta_train(build_method("coop"), *world, config))
    first, last = events[0].values, events[-2].values
    assert last["loss_seen_before"] < 0.95 * first["loss_seen_before"]
    assert events[-1].result.phi is None


def test_without_domain_shift_the_support_comes_from_all_domains(
    world: World, configure: Configure, asked: list[dict[str, Any]]
) -> None:
    _, hierarchy, _ = world
    domain = {int(pair): (topic.id, place) for topic in hierarchy.topics
              for place, pairs in enumerate(topic.domains) for pair in pairs}  # fmt: skip
    for without in ((), ("domain-shift",)):
        config = configure("coop", "paper", tasks=8, without=without)
        Training(build_method("coop"), *world, config).advance()
        images = asked[-1]["supports"][0].batch.images
        found: dict[int, set[int]] = {}
        for topic, place in (domain[int(image)] for image in images[0]):
            found.setdefault(topic, set()).add(place)
        assert (max(map(len, found.values())) > 1) == bool(without)


def test_without_clustering_a_hierarchy_of_clusters_is_refused(
    world: World, configure: Configure
) -> None:
    backbone, hierarchy, images = world
    config = configure("coop", without=("clustering",))
    with pytest.raises(GramError, match="annotated classes, and those of 'made-by-hand'"):
        Training(build_method("coop"), *world, config)
    annotated = replace(hierarchy, config={"topics": "captions"})
    result = finish(meta_train(build_method("coop"), backbone, annotated, images, config))
    assert result.about["config"]["without"] == ["clustering"]
