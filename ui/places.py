"""Where the clusters page is: which topic it shows, and the address that says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui.words import escaped

if TYPE_CHECKING:
    from gram_core.hierarchy import Hierarchy

VIEWS = ("Topics", "Search", "Tasks", "Quality")


def chosen_topic(hierarchy: Hierarchy) -> int | None:
    """The topic that the address names; None where it names none that is there."""
    named = st.query_params.get("topic", "")
    return int(named) if named.isdecimal() and int(named) < len(hierarchy.topics) else None


def go_to(topic: int | None) -> None:
    """Shows a topic's page from the next run on; None shows all topics."""
    if topic is None:
        st.query_params.pop("topic", None)
    else:
        st.query_params["topic"] = str(topic)
        st.session_state["next-view"] = "Topics"


def go_to_hierarchy(id: str, topic: int | None = None) -> None:
    """Shows another hierarchy from the next run on, and one of its topics or all of them."""
    st.session_state["next-hierarchy"] = id
    go_to(topic)


def arrive(hierarchies: list[str]) -> None:
    """Gives the widgets what is to be shown next; called before they are drawn."""
    wanted = st.session_state.pop("next-hierarchy", None)
    if wanted in hierarchies:
        st.session_state["hierarchy"] = wanted
    if view := st.session_state.pop("next-view", None):
        st.session_state["view"] = view


def topic_buttons(topics: list[tuple[int, str]], key: str) -> None:
    """Buttons with what they say, each leading to a topic."""
    with st.container(horizontal=True, gap="small"):
        for id, words in topics:
            st.button(escaped(words), key=f"{key}-{id}", on_click=go_to, args=(id,))
