"""Corrections by a person: each is a value, and a step from a hierarchy to a new one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from gram_core.corpus import Corpus
from gram_core.corpus.corpus import Features
from gram_core.errors import GramError
from gram_core.events import finish
from gram_core.hierarchy import quality
from gram_core.hierarchy.config import ClusterConfig
from gram_core.hierarchy.descriptions import describe
from gram_core.hierarchy.domains import Matrix, find_domains, group_pictures
from gram_core.hierarchy.hierarchy import Hierarchy, Ids, Topic
from gram_core.hierarchy.naming import name_topics
from gram_core.hierarchy.sentences import Rows, embed_sentences, normalised
from gram_core.hierarchy.words import choose_words, unclear
from gram_core.names import forms, spoken
from gram_core.settings import check_kinds
from gram_core.threads import one_thread
from gram_core.workspace import Workspace, new_id

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

Ranked = tuple[tuple[str, float], ...]

#: Numbers of a hierarchy's quality that are of its clustering, whatever a person changes.
OF_CLUSTERING = ("similarity", "threshold", "stability", "stability coverage")
ONE_DOMAIN = "one visual domain is left, and two are needed"


@dataclass(frozen=True)
class _Checked:
    def __post_init__(self) -> None:
        check_kinds(self)


@dataclass(frozen=True)
class Rename(_Checked):
    """A topic is called by another word."""

    topic: int
    word: str


@dataclass(frozen=True)
class Merge(_Checked):
    """Topics become one, in the place of the largest; its word is by Eq. 3 where None is given."""

    topics: tuple[int, ...]
    word: str | None = None


@dataclass(frozen=True)
class Split(_Checked):
    """A topic becomes several, by k-means on the sentence embeddings of its captions."""

    topic: int
    parts: int = 2


@dataclass(frozen=True)
class Drop(_Checked):
    """The pairs of a topic are in no topic any more."""

    topic: int


@dataclass(frozen=True)
class Move(_Checked):
    """A visual domain of a topic, counted from 0, becomes one of the topic `to`."""

    topic: int
    domain: int
    to: int


Edit = Rename | Merge | Split | Drop | Move
KINDS: dict[str, type[Edit]] = {kind.__name__.lower(): kind for kind in get_args(Edit)}


@dataclass(frozen=True)
class Step:
    """One hierarchy of a history: its id, what was done to get it, and when."""

    id: str
    said: str
    created: datetime


def edit_to_json(edit: Edit) -> dict[str, Any]:
    """The edit fit for JSON: {"kind": "merge", "topics": [1, 4], "word": None}."""
    values = asdict(edit)
    if isinstance(edit, Merge):
        values["topics"] = list(edit.topics)
    return {"kind": type(edit).__name__.lower(), **values}


def edit_from_json(values: dict[str, Any]) -> Edit:
    """The edit that `edit_to_json` wrote, also where more was added to it."""
    kind = KINDS.get(str(values.get("kind", "")))
    if kind is None:
        raise GramError(f"{values.get('kind')!r} is no edit; there are {', '.join(KINDS)}")
    found = {field.name: values[field.name] for field in fields(kind) if field.name in values}
    try:
        if "topics" in found:
            found["topics"] = tuple(found["topics"])
        return kind(**found)
    except TypeError as error:
        raise GramError(f"{values} is no whole edit: {error}") from None


def apply(hierarchy: Hierarchy, edit: Edit, corpus: Corpus, backbone: Backbone) -> Hierarchy:
    """The hierarchy after an edit, under a new id; nothing is stored.

    It names its `parent`, and in `edit` what was done: the edit as JSON, `said`, a sentence that
    tells of it, and `named`, the words in use that persons gave. Topics keep their order and are
    numbered anew. The words of all are renewed (Eq. 3); those that the edit does not touch keep
    all else. Merged and split topics get a name by Eq. 3 where none is given, and new domains, in
    the directions in which all were found.

    Args:
        corpus: the pairs that were clustered (`hierarchy.open_corpus`).
        backbone: with which they were.

    Raises:
        GramError: there is no such topic or domain, the word is another topic's, the topic cannot
            be split so, less than two topics would be left, or corpus or backbone are others.
    """
    _check(hierarchy, corpus, backbone)
    config = ClusterConfig.from_dict(hierarchy.config).chosen(int(hierarchy.kept.sum()))
    image, _ = corpus.features(backbone)
    sentences = Rows(
        image  # equal captions have equal embeddings, their pictures have not
        if config.topics == "captions"
        else finish(embed_sentences(corpus, backbone, config.sentences))
    )
    drafts = _changed(hierarchy, edit, sentences, config)
    centroids, captions = _central_first(drafts, sentences, corpus.captions)
    ranked = _ranked(captions, config)
    names = _names(drafts, ranked)
    kept = {draft.word for draft in drafts}  # a word that Eq. 3 finds again is nobody's choice
    given = kept.intersection({*hierarchy.edit.get("named", ()), _given(edit)})
    topics = []
    for id, (draft, name, words) in enumerate(zip(drafts, names, ranked, strict=True)):
        topic = replace(draft, id=id, word=name, words=words[: config.top_words])
        if draft not in hierarchy.topics:
            topic = _completed(topic, corpus, image, config, hierarchy.directions)
            if topic.reason is None and name not in given and config.topics == "clusters":
                own = name if name in dict(words) else None
                topic = replace(topic, reason=unclear(own, words, config.clear_word))
        topics.append(topic)
    stays = {name: value for name, value in hierarchy.quality.items() if name in OF_CLUSTERING}
    after = replace(
        hierarchy,
        id=new_id(corpus.name),
        topics=tuple(topics),
        centroids=centroids,
        quality=stays,
        parent=hierarchy.id,
    )
    told = {"said": _said(hierarchy, edit, after), "named": sorted(given)}
    return quality.judged(replace(after, edit=edit_to_json(edit) | told), corpus)


def undo(hierarchy: Hierarchy, workspace: Workspace) -> Hierarchy:
    """The hierarchy before its last edit, under a new id; nothing is stored.

    It names the parent that it had, so that undoing again leads further back, and in `edit` the
    one undone and what `stands`. Raises GramError where there is no parent, or it was deleted.
    """
    if not hierarchy.parent:
        raise GramError(f"There is nothing to undo: {hierarchy.id!r} came from clustering.")
    if not workspace.exists("hierarchies", hierarchy.parent):
        raise GramError(
            f"{hierarchy.id!r} was made of {hierarchy.parent!r}, which was deleted: its last edit "
            "cannot be undone."
        )
    before = Hierarchy.open(workspace, hierarchy.parent)
    told = {"kind": "undo", "of": hierarchy.id, "named": before.edit.get("named", [])}
    told |= {"said": f"took back: {_stands(hierarchy.edit)}", "stands": _stands(before.edit)}
    return replace(before, id=new_id(before.corpus), edit=told)


def history(hierarchy: Hierarchy, workspace: Workspace) -> list[Step]:
    """The hierarchies that a stored one came from, back to a deleted one; oldest first."""
    steps: list[Step] = []
    id = hierarchy.id
    while id and (not steps or workspace.exists("hierarchies", id)):
        artefact = workspace.get("hierarchies", id)
        steps.append(Step(id, _stands(artefact.about.get("edit", {})), artefact.created))
        id = artefact.about.get("parent", "")
    return steps[::-1]


def _stands(edit: dict[str, Any]) -> str:
    """The last thing done to a hierarchy that was not taken back, as a sentence."""
    return str(edit.get("stands") or edit.get("said", "clustered"))


def _check(hierarchy: Hierarchy, corpus: Corpus, backbone: Backbone) -> None:
    if backbone.fingerprint != hierarchy.fingerprint:
        raise GramError(
            f"{hierarchy.id!r} was clustered with the backbone {hierarchy.backbone_name} "
            f"({hierarchy.fingerprint}); {backbone.name} ({backbone.fingerprint}) is another one"
        )
    known = hierarchy.corpus_fingerprint or corpus.fingerprint
    if len(corpus) != len(hierarchy) or known != corpus.fingerprint:
        raise GramError(f"{corpus!r} is not what was clustered as {hierarchy.id!r}")


def _changed(
    hierarchy: Hierarchy, edit: Edit, sentences: Rows, config: ClusterConfig
) -> list[Topic]:
    """The topics after the edit, in their order. What is to be found anew is left out: an empty
    word, no domains, no descriptions."""
    topics: list[Topic] = list(hierarchy.topics)
    if isinstance(edit, Rename):
        topic = _topic(hierarchy, edit.topic)
        reason = topic.reason if len(topic.domains) < 2 else None
        word = _free(hierarchy, edit.word, (topic.id,))
        topics[topic.id] = replace(topic, word=word, reason=reason)
    elif isinstance(edit, Merge):
        merged = [_topic(hierarchy, id) for id in sorted(set(edit.topics))]
        if len(merged) < 2:
            raise GramError(f"Name two topics at least to merge, not {list(edit.topics)}.")
        word = "" if edit.word is None else _free(hierarchy, edit.word, edit.topics)
        members = np.sort(np.concatenate([topic.members for topic in merged]))
        topics[max(merged, key=len).id] = Topic(-1, word, (), members, ())
        topics = [topic for topic in topics if topic not in merged]
    elif isinstance(edit, Split):
        topic = _topic(hierarchy, edit.topic)
        parts = _divided(topic, edit.parts, sentences, config)
        topics[topic.id : topic.id + 1] = [Topic(-1, "", (), part, ()) for part in parts]
    elif isinstance(edit, Drop):
        del topics[_topic(hierarchy, edit.topic).id]
    else:
        source, target = _topic(hierarchy, edit.topic), _topic(hierarchy, edit.to)
        moved = _movable(source, edit.domain, target)
        left = [part for part in source.domains if part is not moved]
        for topic, domains in ((source, left), (target, [*target.domains, moved])):
            domains.sort(key=lambda part: (-len(part), part[0]))
            topics[topic.id] = replace(
                topic,
                members=np.sort(np.concatenate(domains)),
                domains=tuple(domains),
                reason=ONE_DOMAIN if len(domains) < 2 else None,
                descriptions=(),
                silhouette=None,
            )
    if len(topics) < min(2, len(hierarchy.topics)):
        raise GramError("One topic would be left, and a hierarchy has two at least.")
    return topics


def _completed(
    topic: Topic, corpus: Corpus, image: Features, config: ClusterConfig, directions: Matrix | None
) -> Topic:
    """The topic with domains, and with what they look like."""
    if not topic.domains:
        rows = normalised(np.asarray(image[topic.members], dtype=np.float32))
        division = find_domains(rows, config, directions)
        topic = replace(
            topic,
            domains=tuple(topic.members[part] for part in division.domains),
            silhouette=division.silhouette,
            reason=division.reason,
        )
    if not topic.descriptions:
        described = describe(topic.domains, corpus, image, config.stop_words, config.seed)
        topic = replace(topic, descriptions=described)
    return topic


def _topic(hierarchy: Hierarchy, id: int) -> Topic:
    topics = hierarchy.topics
    if not 0 <= id < len(topics):
        there = f"0 ({topics[0].word}) to {len(topics) - 1} ({topics[-1].word})"
        raise GramError(f"There is no topic {id}: they are {there}.")
    return topics[id]


def _free(hierarchy: Hierarchy, word: str, own: Collection[int]) -> str:
    """The word as it is said. Raises GramError if it is empty or names another topic."""
    if not (said := spoken(word)):
        raise GramError("A topic needs a name: give a word.")
    for topic in hierarchy.topics:
        if topic.id not in own and forms(said) & forms(topic.word):
            raise GramError(
                f"{said!r} is the name of topic {topic.id} ({topic.word}): choose another, or "
                "merge the two."
            )
    return said


def _movable(source: Topic, domain: int, target: Topic) -> Ids:
    if not 0 <= domain < len(source.domains):
        raise GramError(
            f"{source.word} has no visual domain {domain + 1}: it has {len(source.domains)}."
        )
    if source is target:
        raise GramError(
            f"The domain is in {source.word} already: name another topic to move it to."
        )
    if len(source.domains) == 1:
        raise GramError(
            f"It is the only visual domain of {source.word}: to move all of it, merge "
            f"{source.word} and {target.word}."
        )
    return source.domains[domain]


def _divided(topic: Topic, parts: int, sentences: Rows, config: ClusterConfig) -> list[Ids]:
    """The members of each part of a topic, the largest first."""
    if not 2 <= parts <= len(topic):
        raise GramError(
            f"{topic.word} can be split into 2 to {len(topic)} parts, as many as it has pairs, "
            f"not into {parts}."
        )
    with one_thread():
        labels, _ = group_pictures(sentences[topic.members], parts, config)
    found = [topic.members[labels == label] for label in np.unique(labels)]
    if len(found) < parts:
        raise GramError(
            f"The captions of {topic.word} are too much alike for {parts} parts: they can "
            f"be told apart into {len(found)}."
        )
    return sorted(found, key=lambda members: (-len(members), members[0]))


def _central_first(
    topics: Sequence[Topic], sentences: Rows, captions: Sequence[str]
) -> tuple[np.ndarray, list[list[str]]]:
    """(L, d) centroids, and the captions of each topic, the most central ones first: of words that
    score the same, the first one names the topic."""
    centroids, texts = [], []
    with one_thread():
        for topic in topics:
            rows = sentences[topic.members]
            centroids.append(normalised(rows.mean(axis=0, keepdims=True))[0])
            order = np.argsort(-(rows @ centroids[-1]), kind="stable")
            texts.append([captions[pair] for pair in topic.members[order]])
    return np.stack(centroids), texts


def _ranked(captions: Sequence[Sequence[str]], config: ClusterConfig) -> list[Ranked]:
    """The words of each topic, best first; its captions with their shares where these make it."""
    if config.topics == "captions":
        return [
            tuple((text, number / len(topic)) for text, number in Counter(topic).most_common())
            for topic in captions
        ]
    return [words for _, words in name_topics(captions, config)]


def _given(edit: Edit) -> str | None:
    word = getattr(edit, "word", None)
    return None if word is None else spoken(word)


def _names(topics: Sequence[Topic], ranked: Sequence[Ranked]) -> list[str]:
    """The name of each topic: those without one get their best word that no other topic has."""
    names = [topic.word for topic in topics]
    taken = forms(*filter(None, names))
    unnamed = [row for row, name in enumerate(names) if not name]
    free = [[each for each in ranked[row] if not forms(each[0]) & taken] for row in unnamed]
    for row, chosen in zip(unnamed, choose_words(free), strict=True):
        numbered = (f"topic {number}" for number in count(row))
        names[row] = chosen or next(name for name in numbered if name not in names)
    return names


def _said(before: Hierarchy, edit: Edit, after: Hierarchy) -> str:
    """The edit as a sentence for people."""
    word = [topic.word for topic in before.topics]
    if isinstance(edit, Rename):
        return f"renamed {word[edit.topic]} to {after.topics[edit.topic].word}"
    if isinstance(edit, Merge):
        named = f" as {_given(edit)}" if edit.word else ""
        return f"merged {_listed([word[id] for id in dict.fromkeys(edit.topics)])}{named}"
    if isinstance(edit, Split):
        parts = after.topics[edit.topic : edit.topic + edit.parts]
        return f"split {word[edit.topic]} into {_listed([part.word for part in parts])}"
    if isinstance(edit, Drop):
        return f"dropped {word[edit.topic]}"
    return f"moved domain {edit.domain + 1} of {word[edit.topic]} to {word[edit.to]}"


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"
