"""Clusters: the topics of a corpus, the visual domains of each, and the tasks made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

import ui
from gram_core.jobs import JOBS, RESUMABLE_STATES
from ui import edits, exports, overview, places, quality, resources, search, tasks, topic_page
from ui.clustering import choose_corpus, clustering
from ui.words import ago, count

if TYPE_CHECKING:
    from gram_core.hierarchy import Hierarchy

workspace = ui.page(
    "Clusters",
    "Captions decide the topic, pictures decide the visual domain within it. Tasks take their "
    "support from one domain of each topic and their query from all of them.",
)


def choose_hierarchy() -> Hierarchy | None:
    """The hierarchy to look at; None after saying what to do where there is none."""
    found = {artefact.id: artefact for artefact in workspace.list("hierarchies")}
    if not found and clustering():
        with ui.empty("Being clustered", "The bar on the left shows how far it is."):
            st.caption("You may leave this page or close it: the work goes on.")
        return None
    for run in ui.runs_of_kind(workspace, "cluster")[:1]:
        if JOBS.snapshot(run).state in RESUMABLE_STATES:
            ui.state_line(run)
    if not found:
        with ui.empty("No clusters yet", "The bundled corpus takes a few minutes on two cores."):
            choose_corpus(workspace)
        return None
    places.arrive(list(found))
    ui.preselect("hierarchy", list(found))
    hierarchy = None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.selectbox(
            "Hierarchy",
            list(found),
            key="hierarchy",
            on_change=places.go_to,
            args=(None,),
            format_func=lambda id: f"{edits.version_label(found[id])} · {ago(found[id].created)}",
            width=360,
        )
        st.query_params["hierarchy"] = chosen
        st.space("stretch")
        with ui.plain_errors():
            hierarchy = resources.hierarchy(chosen)
            edits.undo_button(workspace, hierarchy)
            with st.popover("History", icon=":material/history:"):
                edits.versions(found, chosen)
            with st.popover("Export", icon=":material/download:"), ui.plain_errors():
                exports.draw(workspace, hierarchy)
        with st.popover("Cluster another", icon=":material/add:"):
            choose_corpus(workspace)
    return hierarchy


def facts(hierarchy: Hierarchy) -> str:
    """How large it is, in one line."""
    domains = sum(len(topic.domains) for topic in hierarchy.topics)
    return (
        f"{count(len(hierarchy), 'pair')}, {hierarchy.kept.mean():.0%} kept · "
        f"{count(len(hierarchy.topics), 'topic')}, {len(hierarchy.usable()):,} for tasks · "
        f"{count(domains, 'visual domain')}"
    )


def main() -> None:
    """The page from top to bottom."""
    hierarchy = choose_hierarchy()
    if hierarchy is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        view = st.segmented_control(
            "View", places.VIEWS, key="view", bind="query-params", default="Topics", required=True,
            label_visibility="collapsed",
        )  # fmt: skip
        st.caption(facts(hierarchy))
    topic = places.chosen_topic(hierarchy)
    with ui.plain_errors():
        if view == "Search":
            search.draw(hierarchy)
        elif view == "Tasks":
            tasks.draw(hierarchy)
        elif view == "Quality":
            quality.draw(hierarchy)
        elif topic is not None:
            topic_page.draw(workspace, hierarchy, topic)
        else:
            overview.draw(workspace, hierarchy)


main()
