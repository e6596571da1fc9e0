"""Corrections by a person: what an edit changes, what it leaves, and the way back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gram_core.corpus import Corpus, open_corpus
from gram_core.errors import GramError
from gram_core.hierarchy import ClusterConfig, Hierarchy, Topic
from gram_core.hierarchy.edits import (
    ONE_DOMAIN,
    Drop,
    Edit,
    Merge,
    Move,
    Rename,
    Split,
    apply,
    edit_from_json,
    edit_to_json,
    history,
    undo,
)
from gram_core.meta import TaskConfig, TaskSampler
from gram_core.workspace import Workspace
from tests.hierarchy.conftest import EACH, THINGS
from tests.hierarchy.test_hierarchy import check_equal

EDITS: tuple[Edit, ...] = (
    Rename(0, "hound"), Merge((1, 3)), Merge((1, 3), "things"), Split(2), Drop(5), Move(0, 1, 4),
)  # fmt: skip


@pytest.fixture
def hierarchy(corpus: Corpus, reader: Any) -> Hierarchy:
    """A topic for each thing, by day and by night; the car has one domain; the last tree is lost,
    so that of the topics the tree is the smallest."""
    pairs = np.arange(len(THINGS) * EACH)
    topics = []
    for row, thing in enumerate(THINGS):
        members = pairs[pairs % len(THINGS) == row][: EACH - (thing == "tree")]
        light = members // len(THINGS) % 2
        domains: tuple[np.ndarray, ...] = (members[light == 0], members[light == 1])
        reason = None
        if thing == "car":
            domains, reason = (members,), "no second domain of at least 5 pictures"
        topics.append(Topic(row, thing, ((thing, 1.0),), members, domains, reason))
    return Hierarchy(
        id="before",
        corpus=corpus.name,
        backbone_name=reader.name,
        fingerprint=reader.fingerprint,
        config={"min_topic_size": 20, "min_domain_size": 5, "stop_words": ["photo"], "older": 1},
        topics=tuple(topics),
        similarity=np.linspace(0, 1, len(corpus), dtype=np.float32),
        kept=np.arange(len(corpus)) < len(pairs),
        position=np.zeros((len(corpus), 2), dtype=np.float32),
        centroids=np.zeros((len(THINGS), 48), dtype=np.float32),
        quality={"similarity": 0.5, "stability": 0.9, "coherence": 7.0},
        corpus_fingerprint=corpus.fingerprint,
    )


def words(hierarchy: Hierarchy) -> list[str]:
    return [topic.word for topic in hierarchy.topics]


def sizes(topic: Topic) -> list[int]:
    return [len(domain) for domain in topic.domains]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: type(edit).__name__)
def test_what_holds_after_every_edit(
    edit: Edit, hierarchy: Hierarchy, corpus: Corpus, reader: Any, tmp_path: Path
) -> None:
    after = apply(hierarchy, edit, corpus, reader)
    assert (after.parent, after.corpus) == ("before", "things")
    assert after.id != "before"
    assert edit_from_json(json.loads(json.dumps(after.edit))) == edit
    members = np.concatenate([topic.members for topic in after.topics])
    assert len(np.unique(members)) == len(members)
    assert len(set(words(after))) == len(after.topics)
    for place, topic in enumerate(after.topics):
        assert topic.id == place
        np.testing.assert_array_equal(np.sort(np.concatenate(topic.domains)), topic.members)
        assert sizes(topic) == sorted(sizes(topic), reverse=True)
        # Eq. 3 for all topics: each thing is said in its own captions alone
        assert topic.words[0][0] in THINGS
        assert topic.coherence is None or -1 <= topic.coherence <= 1
        centre = corpus.features(reader)[1][topic.members].astype(np.float32).mean(axis=0)
        centre /= np.linalg.norm(centre)
        np.testing.assert_allclose(after.centroids[place], centre, atol=1e-3)
    assert after.centroids.dtype == np.float32
    for name in ("similarity", "kept", "position"):
        assert getattr(after, name) is getattr(hierarchy, name)
    assert {"similarity": 0.5, "stability": 0.9}.items() <= after.quality.items()
    assert after.quality["coherence"] != 7.0
    before = {topic.word: topic for topic in hierarchy.topics}
    touched = {"dog", "car", "guitar", "tree", "castle", "teapot"} - {
        topic.word
        for topic in after.topics
        if topic.word in before and len(topic) == len(before[topic.word])
    }
    assert len(touched) <= 2
    for topic in after.topics:
        if topic.word in before and topic.word not in touched:
            old = before[topic.word]
            assert (topic.reason, topic.silhouette) == (old.reason, old.silhouette)
            assert topic.domains is old.domains
    # a way over the disk, and tasks of it
    after.save(tmp_path)
    again = Hierarchy.load(tmp_path)
    assert again.edit == after.edit
    sampler = TaskSampler(again, TaskConfig(ways=2, unseen_ways=2, shots=3, queries=3), 0)
    assert sampler.sample().support.shape[1] == 3


@pytest.mark.parametrize(
    ("edit", "touched"),
    [*zip(EDITS, ({0}, {1, 3}, {1, 3}, {2}, {5}, {0, 4}), strict=True)],
    ids=lambda value: type(value).__name__,
)
def test_all_that_an_edit_does_not_name_stays(
    edit: Edit,
    touched: set[int],
    hierarchy: Hierarchy,
    corpus: Corpus,
    reader: Any,
    workspace: Workspace,
) -> None:
    stored = [artefact.id for artefact in workspace.list("hierarchies")]
    after = apply(hierarchy, edit, corpus, reader)
    assert [artefact.id for artefact in workspace.list("hierarchies")] == stored
    assert words(hierarchy) == list(THINGS), "the one before is not changed"
    others = [topic for topic in hierarchy.topics if topic.id not in touched]
    same = [topic for topic in after.topics if any(topic.members is old.members for old in others)]
    assert [topic.word for topic in same] == [topic.word for topic in others]
    for topic, old in zip(same, others, strict=True):
        assert topic.domains is old.domains
        assert (topic.reason, topic.descriptions) == (old.reason, old.descriptions)
    # of the pairs of topics that it names, only those of a dropped one are lost
    lost = (hierarchy.topic_of() >= 0) & (after.topic_of() < 0)
    assert lost.sum() == (EACH if isinstance(edit, Drop) else 0)


def test_rename_stays_a_persons_choice(hierarchy: Hierarchy, corpus: Corpus, reader: Any) -> None:
    other = "its best word, dog, names another topic"
    unclear = replace(hierarchy.topics[0], reason=other)
    hierarchy = replace(hierarchy, topics=(unclear, *hierarchy.topics[1:]))
    named = apply(hierarchy, Rename(0, " big   hound "), corpus, reader)
    assert named.edit["said"] == "renamed dog to big hound"
    assert named.topics[0].reason is None
    assert named.topics[0].words[0][0] == "dog"
    # it keeps its name and stays clear when its pairs change
    moved = apply(named, Move(0, 0, 4), corpus, reader)
    assert (moved.topics[0].word, moved.topics[0].reason) == ("big hound", ONE_DOMAIN)
    back = apply(moved, Move(4, 1, 0), corpus, reader)
    assert (back.topics[0].word, back.topics[0].reason) == ("big hound", None)
    assert back.edit["named"] == ["big hound"]
    # a name does not make a second domain
    single = apply(hierarchy, Rename(1, "vehicle"), corpus, reader)
    assert single.topics[1].reason == hierarchy.topics[1].reason


def test_a_given_name_outlasts_a_merge_of_others(
    hierarchy: Hierarchy, corpus: Corpus, reader: Any
) -> None:
    named = apply(hierarchy, Rename(5, "fort"), corpus, reader)
    merged = apply(named, Merge((0, 3), "both"), corpus, reader)
    assert words(merged) == ["both", "car", "tree", "teapot", "fort"]
    assert merged.edit["said"] == "merged dog and guitar as both"
    assert merged.edit["named"] == ["both", "fort"]
    dropped = apply(merged, Drop(0), corpus, reader)
    assert dropped.edit["named"] == ["fort"], "a name goes with its topic"


def test_a_merged_topic_is_divided_anew(hierarchy: Hierarchy, corpus: Corpus, reader: Any) -> None:
    merged = apply(hierarchy, Merge((1, 3)), corpus, reader).topics[1]
    joined = np.concatenate([hierarchy.topics[row].members for row in (1, 3)])
    np.testing.assert_array_equal(merged.members, np.sort(joined))
    # the car had one domain before
    seen = [set(part % (2 * len(THINGS))) for part in merged.domains]
    assert sorted(map(sorted, seen)) == [[1], [3], [7], [9]], "a thing in a light each"


def test_merge_takes_the_place_of_the_largest(
    hierarchy: Hierarchy, corpus: Corpus, reader: Any
) -> None:
    after = apply(hierarchy, Merge((2, 3)), corpus, reader)  # the tree is the smaller one
    assert words(after) == ["dog", "car", after.topics[2].word, "teapot", "castle"]
    assert after.topics[2].word in ("tree", "guitar")
    assert len(after.topics[2]) == 2 * EACH - 1
    assert after.edit["said"] == "merged tree and guitar"
    assert len(after.topics[2].descriptions) == len(after.topics[2].domains) >= 2
    assert after.topics[2].silhouette is not None
    assert apply(hierarchy, Merge((3, 2), "guitars"), corpus, reader).topics[2].word == "guitars"
    far = apply(hierarchy, Merge((2, 5), "both"), corpus, reader)
    assert words(far) == ["dog", "car", "guitar", "teapot", "both"]


def test_split_undoes_a_merge(hierarchy: Hierarchy, corpus: Corpus, reader: Any) -> None:
    merged = apply(hierarchy, Merge((2, 3)), corpus, reader)
    parts = apply(merged, Split(2), corpus, reader)
    assert words(parts) == ["dog", "car", "guitar", "tree", "teapot", "castle"]  # largest first
    np.testing.assert_array_equal(parts.topics[2].members, hierarchy.topics[3].members)
    np.testing.assert_array_equal(parts.topics[3].members, hierarchy.topics[2].members)
    assert parts.edit["said"] == f"split {merged.topics[2].word} into guitar and tree"


def test_parts_that_say_the_same_need_a_name(
    hierarchy: Hierarchy, corpus: Corpus, reader: Any
) -> None:
    parts = apply(hierarchy, Split(0), corpus, reader)
    reasons = [topic.reason for topic in parts.topics[:2]]
    assert reasons == [None, "its best word, dog, names another topic"]
    named = apply(parts, Rename(1, "puppy"), corpus, reader)
    assert named.topics[1].reason is None
    by_words = replace(hierarchy, config=hierarchy.config | {"sentences": "tf-idf"})
    with pytest.raises(GramError, match="too much alike for 2 parts"):
        apply(by_words, Split(0), corpus, reader)


def test_move_carries_the_domain_over(hierarchy: Hierarchy, corpus: Corpus, reader: Any) -> None:
    after = apply(hierarchy, Move(2, 0, 1), corpus, reader)
    assert words(after) == list(THINGS)
    assert (sizes(after.topics[1]), sizes(after.topics[2])) == ([40, 20], [19])
    np.testing.assert_array_equal(after.topics[1].domains[1], hierarchy.topics[2].domains[0])
    assert after.topics[1].reason is None, "it has a second domain now"
    assert after.topics[2].reason == ONE_DOMAIN
    assert after.topics[1].silhouette is None
    assert len(after.topics[1].descriptions) == 2
    assert after.edit["said"] == "moved domain 1 of tree to car"


def test_a_dropped_topic_leaves_its_pairs_in_none(
    hierarchy: Hierarchy, corpus: Corpus, reader: Any
) -> None:
    after = apply(hierarchy, Drop(0), corpus, reader)
    assert words(after) == list(THINGS[1:])
    assert (after.topic_of()[hierarchy.topics[0].members] == -1).all()
    assert after.kept[hierarchy.topics[0].members].all()


def test_topics_of_equal_captions(hierarchy: Hierarchy, corpus: Corpus, reader: Any) -> None:
    """Their names are captions, their centroids and parts those of the pictures."""
    hierarchy = replace(hierarchy, config=hierarchy.config | {"topics": "captions"})
    after = apply(hierarchy, Split(0), corpus, reader)
    for part in after.topics[:2]:
        assert part.word in [corpus.captions[pair] for pair in part.members]
        assert len(set(part.members // len(THINGS) % 2)) == 1  # by day, by night


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (Rename(0, "Cars"), "name of topic 1"),
        (Rename(0, " \n"), "needs a name"),
        (Merge((0, 1), "tree"), "name of topic 2"),
        (Merge((1, 1)), "two topics at least"),
        (Drop(6), r"no topic 6: they are 0 \(dog\) to 5 \(castle\)"),
        (Split(0, 41), "2 to 40 parts"),
        (Split(0, 1), "2 to 40 parts"),
        (Move(0, 2, 1), "no visual domain 3: it has 2"),
        (Move(1, 0, 0), "merge car and dog"),
        (Move(0, 0, 0), "in dog already"),
        (Merge((0, 1, 2, 3, 4, 5)), "One topic would be left"),
        (Rename(-1, "hound"), "no topic -1"),
        (Merge((0, 6)), "no topic 6"),
        (Move(0, 0, 6), "no topic 6"),
        (Move(0, -1, 1), "no visual domain 0: it has 2"),
    ],
)
def test_refusals(
    edit: Edit, reason: str, hierarchy: Hierarchy, corpus: Corpus, reader: Any
) -> None:
    with pytest.raises(GramError, match=reason):
        apply(hierarchy, edit, corpus, reader)


@pytest.mark.parametrize("edit", [Drop(0), Merge((0, 1))])
def test_two_topics_are_the_fewest(
    edit: Edit, hierarchy: Hierarchy, corpus: Corpus, reader: Any
) -> None:
    two = replace(hierarchy, topics=hierarchy.topics[:2], centroids=hierarchy.centroids[:2])
    with pytest.raises(GramError, match="One topic would be left"):
        apply(two, edit, corpus, reader)


def test_other_features_or_pairs_are_refused(
    hierarchy: Hierarchy, corpus: Corpus, reader: Any
) -> None:
    other: Any = SimpleNamespace(fingerprint="f", name="other")
    with pytest.raises(GramError, match="is another one"):
        apply(hierarchy, Drop(0), corpus, other)
    with pytest.raises(GramError, match="not what was clustered"):
        apply(replace(hierarchy, corpus_fingerprint="f"), Drop(0), corpus, reader)


def test_fewer_pairs_are_refused(hierarchy: Hierarchy, workspace: Workspace, reader: Any) -> None:
    fewer = open_corpus(workspace, "things", 100)
    with pytest.raises(GramError, match="not what was clustered"):
        apply(replace(hierarchy, corpus_fingerprint=""), Drop(0), fewer, reader)


def test_undo_brings_back_all_of_the_parent(
    hierarchy: Hierarchy, corpus: Corpus, reader: Any, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path)
    hierarchy = replace(hierarchy, directions=np.eye(48, 6, dtype=np.float32))
    first = apply(hierarchy, Split(2), corpus, reader)
    second = apply(first, Move(0, 1, 5), corpus, reader)
    for each in (hierarchy, first, second):
        each.store(workspace)
    now = second
    for before in (first, hierarchy):
        once = undo(now, workspace)
        assert not workspace.exists("hierarchies", once.id)
        assert (once.edit["of"], once.parent) == (now.id, before.parent)
        check_equal(replace(once, id=before.id), before)
        TaskSampler(once, TaskConfig(ways=2, unseen_ways=2, shots=3, queries=3), 0).sample()
        once.store(workspace)
        now = once


def test_undo_leads_back_step_by_step(
    hierarchy: Hierarchy, corpus: Corpus, reader: Any, tmp_path: Path
) -> None:
    workspace = Workspace(tmp_path)
    first = apply(hierarchy, Rename(0, "hound"), corpus, reader)
    second = apply(first, Drop(1), corpus, reader)
    for each in (hierarchy, first, second):
        each.store(workspace)
    assert [(step.id, step.said) for step in history(second, workspace)] == [
        ("before", "clustered"), (first.id, "renamed dog to hound"), (second.id, "dropped car"),
    ]  # fmt: skip
    assert all(isinstance(step.created, datetime) for step in history(second, workspace))
    once = undo(second, workspace)
    assert words(once) == words(first)
    assert once.edit["named"] == ["hound"], "a person's name is still one"
    assert once.id not in (first.id, second.id)
    once.store(workspace)
    told = [step.said for step in history(once, workspace)]
    assert told == ["clustered", "renamed dog to hound"], "what stands, not what was taken back"
    twice = undo(once, workspace)
    assert twice.edit["said"] == "took back: renamed dog to hound"
    assert words(twice) == list(THINGS)
    with pytest.raises(GramError, match="nothing to undo"):
        undo(twice, workspace)
    workspace.delete("hierarchies", first.id)
    assert [step.id for step in history(second, workspace)] == [second.id]
    with pytest.raises(GramError, match="was deleted"):
        undo(second, workspace)


@pytest.mark.parametrize(
    "values", [{}, {"kind": "burn"}, {"kind": "drop"}, {"kind": "drop", "topic": "dog"}]
)
def test_what_is_no_edit_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(GramError):
        edit_from_json(values)


def test_json_of_a_merge() -> None:
    assert edit_to_json(Merge((1, 4))) == {"kind": "merge", "topics": [1, 4], "word": None}


def test_options_of_other_versions() -> None:
    config = ClusterConfig.from_dict({"seed": 5, "stop_words": ["photo"], "gone": 1})
    assert config == ClusterConfig(seed=5, stop_words=("photo",))
