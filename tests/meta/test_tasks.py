"""Tasks: what may meet in one, and what never does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from gram_core.errors import GramError
from gram_core.hierarchy import Hierarchy
from gram_core.meta import Task, TaskConfig, TaskSampler
from gram_core.meta.tasks import all_examples, minibatches, query_examples, support_examples

SMALL = TaskConfig(ways=3, unseen_ways=3, shots=4, queries=5)


def _same(first: Task, second: Task) -> bool:
    return json.dumps(first.to_json()) == json.dumps(second.to_json())


def test_support_comes_from_one_domain_and_query_from_all(hierarchy: Hierarchy) -> None:
    sampler = TaskSampler(hierarchy, SMALL, seed=0)
    support_domains, query_domains = set(), []
    for _ in range(60):
        task = sampler.sample()
        for row, topic in enumerate(task.seen):
            domains = sampler.topics[topic].domains
            assert np.isin(task.support[row], domains[task.support_domains[row]]).all()
            support_domains.add(int(task.support_domains[row]))
        for row, topic in enumerate(task.unseen):
            for number, domain in enumerate(sampler.topics[topic].domains):
                query_domains += [number] * int(np.isin(task.query_unseen[row], domain).sum())
    assert support_domains == {0, 1, 2}
    shares = np.bincount(query_domains) / len(query_domains)
    assert np.allclose(shares, 1 / 3, atol=0.06)


def test_without_domain_shift_support_mixes_domains(hierarchy: Hierarchy) -> None:
    sampler = TaskSampler(hierarchy, replace(SMALL, domain_shift=False), seed=0)
    task = sampler.sample()
    assert (task.support_domains == -1).all()
    mixed = [
        sum(bool(np.isin(ids, domain).any()) for domain in sampler.topics[topic].domains) > 1
        for topic, ids in zip(task.seen, task.support, strict=True)
    ]
    assert any(mixed)


def test_no_image_comes_twice_and_no_class_twice(hierarchy: Hierarchy) -> None:
    # 4 + 20 are all 24 pairs of a topic, so that any overlap would show
    sampler = TaskSampler(hierarchy, replace(SMALL, queries=20), seed=1)
    for _ in range(10):
        task = sampler.sample()
        images = np.concatenate([task.support.ravel(), task.query_seen.ravel()])
        images = np.concatenate([images, task.query_unseen.ravel()])
        assert len(set(images.tolist())) == images.size
        classes = [*task.seen.tolist(), *task.unseen.tolist()]
        assert len({sampler.names[row] for row in classes}) == 6
        again = sampler.renew_query(task)
        assert not np.isin(again.query_seen, task.support).any()


def test_renewed_query_keeps_the_support(hierarchy: Hierarchy) -> None:
    sampler = TaskSampler(hierarchy, SMALL, seed=1)
    task = sampler.sample()
    again = sampler.renew_query(task)
    assert np.array_equal(again.support, task.support)
    assert np.array_equal(again.seen, task.seen)
    assert not np.array_equal(again.query_seen, task.query_seen)


def test_kin_tasks_stay_among_neighbours(hierarchy: Hierarchy) -> None:
    def kinds_per_task(kinship: float) -> list[int]:
        sampler = TaskSampler(hierarchy, replace(SMALL, kinship=kinship), seed=0)
        tasks = [sampler.sample() for _ in range(40)]
        return [len({row // 6 for row in [*task.seen, *task.unseen]}) for task in tasks]

    assert set(kinds_per_task(1.0)) == {1}
    assert np.mean(kinds_per_task(0.0)) > 2
    assert 0.6 < np.mean([kinds == 1 for kinds in kinds_per_task(0.8)]) < 0.98


def test_excluded_words_are_never_used(hierarchy: Hierarchy) -> None:
    config = replace(SMALL, exclude=("Dogs", "castle"))
    sampler = TaskSampler(hierarchy, config, seed=0)
    assert set(sampler.left_out) == {"dog", "castle"}
    drawn = {sampler.names[row] for _ in range(60) for row in sampler.sample().seen}
    assert drawn == {topic.word for topic in hierarchy.topics} - {"dog", "castle"}


def test_a_word_and_its_plural_are_one(make_hierarchy: Callable) -> None:
    plurals = (
        "dogs", "buses", "houses", "glasses", "daisies", "boxes", "cactuses", "brushes", "ties",
        "cookies", "potatoes", "leaves", "knives",
    )  # fmt: skip
    words = [
        "dog", "bus", "house", "glass", "daisy", "box", "cactus", "brush", "tie", "cookie",
        "potato", "leaf", "knife",
    ]  # fmt: skip
    others = ["car", "care", "cap", "cape", "hen", "emu"]
    for topics, exclude in ((words, plurals), (plurals, words)):
        hierarchy = make_hierarchy([*topics, *others])
        sampler = TaskSampler(hierarchy, replace(SMALL, exclude=tuple(exclude)), seed=0)
        assert sampler.names == others


def test_a_topic_whose_best_word_is_excluded_is_not_used_under_another_name(
    hierarchy: Hierarchy,
) -> None:
    terrier = replace(hierarchy.topics[1], word="terrier", words=(("dog", 2.0), ("terrier", 1.0)))
    topics = (hierarchy.topics[0], terrier, *hierarchy.topics[2:])
    config = replace(SMALL, exclude=("dogs",))
    sampler = TaskSampler(replace(hierarchy, topics=topics), config, seed=0)
    assert set(sampler.left_out) == {"dog", "terrier"}


def test_a_word_is_no_list_of_words() -> None:
    with pytest.raises(GramError, match="exclude is 'dog'; give a list"):
        TaskConfig(exclude="dog")  # type: ignore[arg-type]


def test_topics_that_cannot_give_a_task_are_left_out(make_hierarchy: Callable) -> None:
    hierarchy = make_hierarchy(["dog", "dogs", "cat", "cow", "pig", "hen", "emu", "ant", "bee"])
    topics = list(hierarchy.topics)
    topics[2] = replace(topics[2], reason="its domains are too alike")
    topics[3] = replace(topics[3], members=topics[3].members[:6], domains=(topics[3].domains[0],))
    halves = tuple(np.split(topics[4].members, 8))
    topics[4] = replace(topics[4], domains=halves)
    hierarchy = replace(hierarchy, topics=tuple(topics))
    sampler = TaskSampler(hierarchy, replace(SMALL, unseen_ways=2), seed=0)
    assert set(sampler.left_out) == {"dogs", "cat", "cow", "pig"}
    assert sampler.left_out["cat"] == "its domains are too alike"
    assert sampler.names == ["dog", "hen", "emu", "ant", "bee"]
    report = sampler.report()
    assert (report["topics"], report["domains"], report["pairs"]) == (5, 15, 120)


def test_too_small_a_hierarchy_says_what_to_do(make_hierarchy: Callable) -> None:
    with pytest.raises(GramError, match=r"5 of the 5 topics.*6 are needed.*Lower ways"):
        TaskSampler(make_hierarchy(["dog", "cat", "cow", "pig", "hen"]), SMALL, seed=0)


def test_images_have_to_be_those_of_the_hierarchy(hierarchy: Hierarchy) -> None:
    sampler = TaskSampler(hierarchy, SMALL, seed=0)
    sampler.check(len(hierarchy))
    with pytest.raises(GramError, match="give the images of the corpus"):
        sampler.check(len(hierarchy) - 1)


@pytest.mark.parametrize(
    "values",
    [
        {"ways": 1},
        {"unseen_ways": 1},
        {"shots": 0},
        {"queries": 0},
        {"kinship": 1.5},
        {"fewest_ways": 1},
    ],
)
def test_impossible_tasks_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(GramError, match=next(iter(values))):
        TaskConfig(**values)  # type: ignore[arg-type]


def test_the_stream_goes_on_where_its_state_was_taken(hierarchy: Hierarchy) -> None:
    sampler = TaskSampler(hierarchy, SMALL, seed=3)
    sampler.sample()
    state = json.loads(json.dumps(sampler.state()))
    later = [sampler.sample() for _ in range(3)]
    other = TaskSampler(hierarchy, SMALL, seed=0)
    other.restore(state)
    assert all(_same(task, other.sample()) for task in later)
    assert not _same(later[0], later[1])


def test_tasks_survive_json(hierarchy: Hierarchy) -> None:
    for config in (SMALL, replace(SMALL, unseen_ways=0)):
        task = TaskSampler(hierarchy, config, seed=0).sample()
        again = Task.from_json(json.loads(json.dumps(task.to_json())))
        assert _same(task, again)
        assert again.query_unseen.shape == task.query_unseen.shape


def test_tasks_of_different_size_are_filled_up_and_masked(hierarchy: Hierarchy) -> None:
    sampler = TaskSampler(hierarchy, replace(SMALL, ways=5, unseen_ways=4, fewest_ways=2), seed=0)
    tasks = [sampler.sample() for _ in range(12)]
    sizes = [len(task.seen) for task in tasks]
    assert set(sizes) == {2, 3, 4, 5}
    query = query_examples(tasks, unseen=False)
    assert query.batch.mask is not None
    assert query.batch.mask.sum(1).tolist() == sizes
    assert query.weights.sum(1).tolist() == pytest.approx([1.0] * 12)
    assert (query.weights > 0).sum(1).tolist() == [5 * size for size in sizes]
    for row, task in enumerate(tasks):
        assert int(query.labels[row].max()) == len(task.seen) - 1
        assert np.array_equal(
            query.batch.images[row][: task.query_seen.size], task.query_seen.ravel()
        )


def test_a_minibatch_shows_its_own_support_rightly_labelled(hierarchy: Hierarchy) -> None:
    sampler = TaskSampler(hierarchy, SMALL, seed=0)
    tasks = [sampler.sample(), sampler.sample()]
    (drawn,) = minibatches(tasks, 1, 50, np.random.default_rng(0))
    assert drawn.batch.images.shape == (2, 50)
    for row, task in enumerate(tasks):
        for image, label in zip(drawn.batch.images[row], drawn.labels[row], strict=True):
            assert int(image) in task.support[int(label)]
    whole = support_examples(tasks)
    assert np.array_equal(whole.batch.images[1], tasks[1].support.ravel())


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_groups_say_in_which_order_minibatches_are_drawn(hierarchy: Hierarchy, groups: int) -> None:
    sampler = TaskSampler(hierarchy, replace(SMALL, ways=5, fewest_ways=2), seed=0)
    tasks = [sampler.sample() for _ in range(5)]
    drawn = minibatches(tasks, 3, 4, np.random.default_rng(0), groups=groups)
    generator = np.random.default_rng(0)
    order = {1: [range(5)], 2: [range(2), range(2, 5)], 3: [range(1), range(1, 3), range(3, 5)]}
    for group in order[groups]:
        for minibatch in drawn:
            for row in group:
                support = tasks[row].support.ravel()
                expected = support[generator.integers(support.size, size=4)]
                assert np.array_equal(minibatch.batch.images[row], expected)


def test_all_examples_are_support_and_query_under_the_classes_of_the_support(
    hierarchy: Hierarchy,
) -> None:
    sampler = TaskSampler(hierarchy, replace(SMALL, ways=4, fewest_ways=2), seed=0)
    tasks = [sampler.sample() for _ in range(6)]
    shown = all_examples(tasks)
    query = query_examples(tasks, unseen=False)
    assert shown.batch.classes is not None
    assert query.batch.classes is not None
    assert torch.equal(shown.batch.classes, query.batch.classes)
    for row, task in enumerate(tasks):
        found = [
            (int(image), int(label))
            for image, label, weight in zip(
                shown.batch.images[row], shown.labels[row], shown.weights[row], strict=True
            )
            if weight > 0
        ]
        expected = [
            (int(image), label)
            for images in (task.support, task.query_seen)
            for label, ids in enumerate(images)
            for image in ids
        ]
        assert sorted(found) == sorted(expected)


def test_a_part_of_the_examples_keeps_its_weights(hierarchy: Hierarchy) -> None:
    sampler = TaskSampler(hierarchy, replace(SMALL, ways=5, fewest_ways=2), seed=0)
    whole = query_examples([sampler.sample() for _ in range(5)], unseen=False)
    part = whole.of(slice(1, 4), slice(2, 7))
    assert torch.equal(part.batch.images, whole.batch.images[1:4, 2:7])
    assert torch.equal(part.labels, whole.labels[1:4, 2:7])
    assert torch.equal(part.weights, whole.weights[1:4, 2:7])
    for mine, all_of_them in (
        (part.batch.classes, whole.batch.classes),
        (part.batch.mask, whole.batch.mask),
    ):
        assert mine is not None
        assert all_of_them is not None
        assert torch.equal(mine, all_of_them[1:4])
