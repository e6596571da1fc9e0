"""Changes that a person makes to a hierarchy: each gives a new one, and can be taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from ui import gallery, resources, topics
from ui.frame import plain_errors
from ui.places import chosen_topic, go_to_hierarchy
from ui.words import ago, count, escaped

if TYPE_CHECKING:
    from gram_core.hierarchy import Hierarchy, Topic
    from gram_core.workspace import Artefact, Workspace

PICTURES = 12


def tools(workspace: Workspace, hierarchy: Hierarchy, topic: Topic) -> None:
    """What can be done with a topic, one small panel each."""
    from gram_core.hierarchy.edits import Drop, Merge, Move, Rename

    def change(edit: Any) -> None:
        make(workspace, hierarchy, edit, [topic.id])

    others = [each.id for each in hierarchy.topics if each.id != topic.id]

    def other(label: str, key: str) -> int | None:
        return st.selectbox(
            label, others, index=None, key=f"{key}-{topic.id}", placeholder="Choose a topic",
            format_func=lambda id: topics.topic_label(hierarchy.topics[id]),
        )  # fmt: skip

    with st.popover("Rename", icon=":material/edit:"):
        word = st.text_input("Name", topic.word, key=f"rename-{hierarchy.id}-{topic.id}")
        if st.button("Rename it", disabled=word.strip() in ("", topic.word)):
            change(Rename(topic.id, word.strip()))
    with st.popover("Merge", icon=":material/merge:"):
        into = other("Together with", "merge")
        if st.button("Merge them", disabled=into is None) and into is not None:
            change(Merge((topic.id, into)))
    with st.popover("Split", icon=":material/call_split:"):
        parts = st.number_input("Parts", 2, 10, 2, key=f"split-{topic.id}")
        if st.button("Show the parts", help="Nothing is changed yet"):
            _plan(hierarchy, topic, int(parts))
    with st.popover("Move", icon=":material/move_item:", disabled=len(topic.domains) < 2):
        numbers = range(len(topic.domains))
        domain = st.selectbox(
            "Visual domain", numbers, key=f"move-{topic.id}",
            format_func=lambda row: f"{row + 1} ({count(len(topic.domains[row]), 'picture')})",
        )  # fmt: skip
        to = other("To", "move-to")
        if st.button("Move it", disabled=to is None) and to is not None:
            change(Move(topic.id, domain, to))
    with st.popover("Drop", icon=":material/delete:"):
        st.markdown(
            f"The {count(len(topic), 'pair')} of **{escaped(topic.word)}** will be in no topic."
        )
        if st.button("Drop it", type="primary"):
            change(Drop(topic.id))


def merge_many(workspace: Workspace, hierarchy: Hierarchy, chosen: Sequence[int]) -> None:
    """The name of several topics together, and the button that merges them."""
    from gram_core.hierarchy.edits import Merge

    names = ", ".join(hierarchy.topics[id].word for id in chosen)
    word = st.text_input(
        f"Name of {escaped(names)} together",
        key="merge-word",
        placeholder="by its words, if left empty",
    )
    if st.button(f"Merge {len(chosen)} topics", type="primary", icon=":material/merge:"):
        make(workspace, hierarchy, Merge(tuple(chosen), word.strip() or None), ())


def make(workspace: Workspace, hierarchy: Hierarchy, edit: Any, touched: Sequence[int]) -> None:
    """Stores the hierarchy that an edit gives, and shows it at the topic of the touched pairs."""
    from gram_core.hierarchy.edits import apply

    with plain_errors(), st.spinner("Changing the hierarchy …"):
        backbone = resources.backbone(hierarchy.backbone_name)
        after = apply(hierarchy, edit, resources.corpus(hierarchy), backbone)
        _keep(workspace, hierarchy, after, touched)


def undo_button(workspace: Workspace, hierarchy: Hierarchy) -> None:
    """The way back to the hierarchy before the last change."""
    if st.button(
        "Undo", icon=":material/undo:", disabled=not hierarchy.parent,
        help="Back to what was before the last change; the changed one stays in the history",
    ):  # fmt: skip
        from gram_core.hierarchy.edits import undo

        with plain_errors():
            topic = chosen_topic(hierarchy)
            _keep(
                workspace, hierarchy, undo(hierarchy, workspace), [] if topic is None else [topic]
            )


def versions(found: Mapping[str, Artefact], chosen: str) -> None:
    """What was done to a hierarchy, the latest first, each line a way to what it gave."""
    for version in topics.versions(found, chosen):
        st.button(
            f"{escaped(version_label(version))} · {ago(version.created)}",
            key=f"version-{version.id}",
            type="tertiary",
            icon=":material/check:" if version.id == chosen else ":material/history:",
            on_click=go_to_hierarchy,
            args=(version.id,),
            disabled=version.id == chosen,
        )


def version_label(artefact: Artefact) -> str:
    """The edit that a hierarchy came from, in a few words; its corpus where it came from none."""
    edit = artefact.about.get("edit") or {}
    return str(edit.get("said") or artefact.about.get("corpus", artefact.id))


def _plan(hierarchy: Hierarchy, topic: Topic, parts: int) -> None:
    from gram_core.hierarchy.edits import Split, apply

    with plain_errors(), st.spinner("Looking for parts …"):
        backbone = resources.backbone(hierarchy.backbone_name)
        corpus = resources.corpus(hierarchy)
        after = apply(hierarchy, Split(topic.id, parts), corpus, backbone)
        st.session_state["split-plan"] = (hierarchy.id, topic.id, after)


def parts(workspace: Workspace, hierarchy: Hierarchy, topic: Topic) -> None:
    """The parts that a topic would be split into, and whether to do it."""
    made_of, id, after = st.session_state.get("split-plan", (None, None, None))
    if (made_of, id) != (hierarchy.id, topic.id):
        return
    corpus = resources.corpus(hierarchy)
    parts = topics.commonest_topics(after, topic.members, most=10)
    with st.container(border=True):
        st.markdown(f"**{escaped(topic.word)} in {len(parts)} parts**, not stored yet")
        for part, number in parts:
            about, pictures = st.columns([2, 5], vertical_alignment="center")
            words = ", ".join(word for word, _ in part.words[1:5])
            about.markdown(
                f"**{escaped(part.word)}** {count(number, 'pair')}  \n:gray[{escaped(words)}]"
            )
            with pictures:
                gallery.strip(topics.domain_pictures(corpus, part, 0, PICTURES), size=52)
        with st.container(horizontal=True):
            if st.button("Split it", type="primary", icon=":material/call_split:"):
                _keep(workspace, hierarchy, after, ())
            if st.button("Leave it as it is"):
                del st.session_state["split-plan"]
                st.rerun()


def _keep(
    workspace: Workspace, before: Hierarchy, after: Hierarchy, touched: Sequence[int]
) -> None:
    after.store(workspace)
    st.session_state.pop("split-plan", None)
    go_to_hierarchy(after.id, topics.follow(before, after, touched) if touched else None)
    st.rerun()
