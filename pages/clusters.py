"""Clusters: the topics of a corpus, the visual domains of each, and the tasks made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

import ui
from gram_core import plots
from gram_core.jobs import JOBS, RESUMABLE_STATES
from ui import gallery, resources, topics
from ui.words import ago, count
from ui.work import start_clustering

if TYPE_CHECKING:
    from gram_core.hierarchy import Hierarchy

workspace = ui.page(
    "Clusters",
    "Captions decide the topic, pictures decide the visual domain within it. Tasks take their "
    "support from one domain of each topic and their query from all of them.",
)


def clustering() -> bool:
    """Whether a corpus is being clustered now."""
    return any(job.kind == "cluster" for job in JOBS.live())


def choose_corpus() -> None:
    """A corpus to cluster, and the button that does it."""
    corpus = st.selectbox(
        "Corpus",
        resources.corpora(),
        help="Add your own on the command line: `python -m gram_core ingest SOURCE --corpus NAME`",
    )
    backbone = ui.choose_backbone("cluster-backbone")
    busy = clustering()
    if st.button(
        "Cluster it",
        type="primary",
        icon=":material/play_arrow:",
        disabled=busy,
        help="One is being clustered: see the bar on the left." if busy else None,
    ):
        with ui.plain_errors():
            start_clustering(workspace, corpus, backbone)
            st.rerun()


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
            choose_corpus()
        return None
    wide, narrow = st.columns([5, 1], vertical_alignment="bottom")
    chosen = wide.selectbox(
        "Hierarchy",
        list(found),
        key="hierarchy",
        bind="query-params",
        format_func=lambda id: f"{found[id].about.get('corpus', id)} · {ago(found[id].created)}",
    )
    with narrow.popover("Cluster another", width="stretch"):
        choose_corpus()
    with ui.plain_errors():
        return resources.hierarchy(chosen)
    return None


@st.cache_resource(show_spinner="Drawing the map …", max_entries=4)
def points_of(root: str, id: str) -> list[dict[str, object]]:
    """The pictures of the map."""
    hierarchy = resources.hierarchy(id)
    return topics.map_points(hierarchy, resources.corpus(hierarchy))


def overview(hierarchy: Hierarchy, selected: int | None) -> None:
    """The tree beside the map; a click on the tree chooses a topic."""
    hues = plots.topic_hues(hierarchy)
    tree, cloud = st.columns(2, gap="medium")
    with tree:
        st.markdown("##### Topics and their domains")
        st.plotly_chart(
            plots.sunburst(hierarchy, hues, selected),
            key="tree",
            on_select=take_click,
            selection_mode="points",
            config={"displayModeBar": False},
            alt="Sunburst of topics, and of domains within each topic",
        )
        st.caption("Click a topic to look into it; click the middle to go back.")
    with cloud.container(key="map"):
        st.markdown("##### Map of captions")
        points = points_of(str(workspace.root), hierarchy.id)
        st.altair_chart(
            plots.topic_map(
                topics.painted(points, hierarchy, hues, selected),
                topics.map_labels(hierarchy, selected),
            ),
            key="map-chart",
            alt="Map of pictures, near where their captions are alike",
        )
        kept = int(hierarchy.kept.sum())
        st.caption(
            f"Showing {len(points):,} of {kept:,} pairs. Rest on a point to see its picture; "
            "the axes have no units."
        )


def take_click() -> None:
    """Make the clicked node of the tree the chosen topic."""
    clicked = st.session_state["tree"]["selection"]["points"]
    if clicked:
        topic, domain = plots.parse_node(str(clicked[0].get("id", "")))
        again = domain is None and str(topic) == st.session_state.get("topic")  # zooms out
        st.session_state["topic"] = None if topic is None or again else str(topic)


def choose_topic(hierarchy: Hierarchy) -> int | None:
    """Search by words and a list of topics."""
    search, choice = st.columns([2, 3], vertical_alignment="bottom")
    words = search.text_input(
        "Search topics by words", placeholder="boat, winter …", icon=":material/search:"
    )
    found = hierarchy.search(words) if words.strip() else list(hierarchy.topics)
    if not found:
        choice.info(f"No topic speaks of “{words}”. Try another word or its beginning.")
        return None
    options = [str(topic.id) for topic in found]
    if st.session_state.get("topic") not in options:
        st.session_state["topic"] = options[0] if words.strip() else None
    chosen = choice.selectbox(
        f"Topic ({len(found)})",
        options,
        index=None,
        key="topic",
        placeholder="Choose a topic",
        format_func=lambda id: topic_label(hierarchy, int(id)),
    )
    return None if chosen is None else int(chosen)


def topic_label(hierarchy: Hierarchy, id: int) -> str:
    """The name of a topic with its best words and size."""
    topic = hierarchy.topics[id]
    words = ", ".join(word for word, _ in topic.words[:4])
    return f"{topic.word}: {words} ({len(topic.members):,})"


def inspect(hierarchy: Hierarchy, id: int) -> None:
    """The domains of a topic as rows of pictures."""
    topic = hierarchy.topics[id]
    corpus = resources.corpus(hierarchy)
    st.subheader(topic.word, anchor=False)
    st.markdown(" ".join(f":gray-badge[{word}]" for word, _ in topic.words))
    facts = [count(len(topic.members), "picture"), count(len(topic.domains), "domain")]
    if topic.reason:
        facts.append(f"not used for tasks: {topic.reason}")
    st.caption(" · ".join(facts))
    for number, members in enumerate(topic.domains):
        name, pictures = st.columns([1, 7], vertical_alignment="center")
        name.markdown(f"**Domain {number + 1}**  \n:gray[{count(len(members), 'picture')}]")
        with pictures:
            gallery.strip(topics.domain_pictures(corpus, topic, number, 12))


@st.fragment
def show_task(hierarchy: Hierarchy) -> None:
    """Draw a task, again and again."""
    st.subheader("A task", anchor=False)
    text, button = st.columns([4, 1], vertical_alignment="center")
    text.markdown(
        "Each class of a task is a topic. The support of a class shares one visual domain, drawn "
        "for each class; the query has all of them, and classes that the support never shows."
    )
    if button.button("Show me a task", icon=":material/casino:", width="stretch", type="primary"):
        st.session_state["task_seed"] = st.session_state.get("task_seed", 0) + 1
    seed = st.session_state.get("task_seed")
    if seed is None:
        return
    with ui.plain_errors(), st.spinner("Drawing a task …"):
        from gram_core.meta import TaskConfig

        config = TaskConfig(ways=5, unseen_ways=3, shots=8, queries=8)
        corpus = resources.corpus(hierarchy)
        gallery.task_table(topics.task_rows(hierarchy, corpus, config, seed))


def main() -> None:
    """The page from top to bottom."""
    hierarchy = choose_hierarchy()
    if hierarchy is None:
        return
    domains = sum(len(topic.domains) for topic in hierarchy.topics)
    usable = len(hierarchy.usable())
    facts = (
        ("Pairs", f"{len(hierarchy):,}", "Pairs of the corpus that were looked at"),
        ("Kept", f"{hierarchy.kept.mean():.0%}", "Pairs whose picture and caption agree enough"),
        ("Topics", f"{len(hierarchy.topics):,}", f"{usable} of them are large enough for tasks"),
        ("Visual domains", f"{domains:,}", "Over all topics"),
    )
    for column, (name, value, note) in zip(st.columns(4), facts, strict=True):
        column.metric(name, value, help=note, border=True)
    selected = choose_topic(hierarchy)
    with ui.plain_errors():
        overview(hierarchy, selected)
    if selected is not None:
        with ui.plain_errors():
            inspect(hierarchy, selected)
    show_task(hierarchy)


main()
