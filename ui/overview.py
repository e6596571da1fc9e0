"""All topics of a hierarchy: a tree or a table of them beside the map, and what is marked there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from gram_core import plots
from ui import edits, gallery, resources, topics
from ui.places import go_to, topic_buttons
from ui.words import count, escaped

if TYPE_CHECKING:
    import numpy as np

    from gram_core.hierarchy import Hierarchy
    from gram_core.workspace import Workspace

FORMS = {
    "sunburst": ":material/donut_large: Sunburst",
    "treemap": ":material/grid_view: Treemap",
    "icicle": ":material/view_timeline: Icicle",
    "table": ":material/table_rows: Table",
}
STYLES: dict[plots.Style, str] = {
    "pictures": ":material/image: Pictures",
    "points": ":material/scatter_plot: Points",
    "density": ":material/blur_on: Density",
}
WITH_PICTURES = 50_000
"""Kept pairs up to which the map begins with pictures, of a sample of them."""
HEIGHT, COLUMN = 480, 420
DRAWN = 2_500
"""Pictures on the map: each of them is sent to the browser."""
HELP: dict[plots.Style, str] = {
    "pictures": "Rest on a point to see its picture.",
    "points": "Rest on a point to read its caption.",
    "density": "The more pairs, the stronger the colour.",
}


def draw(workspace: Workspace, hierarchy: Hierarchy) -> None:
    """Topics on the left, the map on the right; below them the pairs that were marked."""
    with st.grid(min_column_width=COLUMN, gap="medium"):
        with st.container():
            form = st.segmented_control(
                "Topics as", list(FORMS), key="form", default="sunburst", required=True,
                format_func=FORMS.__getitem__, label_visibility="collapsed",
            )  # fmt: skip
            if form == "table":
                _table(workspace, hierarchy)
            else:
                _tree(hierarchy, form)
        with st.container():
            marked = _map(hierarchy)
    if marked is not None:
        pairs(hierarchy, marked, "marked on the map")


def _tree(hierarchy: Hierarchy, form: str) -> None:
    height = None if form == "icicle" else HEIGHT
    st.plotly_chart(
        plots.TREES[form](hierarchy, resources.hues(hierarchy.id), height=height),
        key="tree",
        on_select=_take_click,
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"{form} of topics, and of domains within each topic",
    )
    st.selectbox(
        "Find a topic",
        [topic.id for topic in hierarchy.topics],
        index=None,
        key="find-topic",
        placeholder="Click a topic, or type a word of it here",
        format_func=lambda id: topics.topic_label(hierarchy.topics[id]),
        on_change=_take_found,
        label_visibility="collapsed",
    )


def _take_click() -> None:
    clicked = st.session_state["tree"]["selection"]["points"]
    topic = plots.parse_node(str(clicked[0].get("id", "")))[0] if clicked else None
    if topic is not None:
        go_to(topic)


def _take_found() -> None:
    go_to(st.session_state["find-topic"])
    st.session_state["find-topic"] = None


def _table(workspace: Workspace, hierarchy: Hierarchy) -> None:
    table = st.dataframe(
        topics.topic_table(hierarchy),
        key=f"table-{hierarchy.id}",
        height=HEIGHT,
        on_select="rerun",
        selection_mode="multi-row",
        lazy=False,
        column_config={"Coherence": st.column_config.NumberColumn(format="%.2f")},
    )
    chosen = [int(row) for row in table["selection"]["rows"]]
    if not chosen:
        st.caption("Tick a topic to open it, or several to merge them.")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if len(chosen) == 1:
            word = hierarchy.topics[chosen[0]].word
            st.button(f"Open {escaped(word)}", on_click=go_to, args=(chosen[0],), type="primary")
        else:
            edits.merge_many(workspace, hierarchy, chosen)


def _map(hierarchy: Hierarchy) -> np.ndarray | None:
    """Draws the map; the pairs that are marked on it, None where nothing is."""
    usual: plots.Style = "pictures" if hierarchy.kept.sum() <= WITH_PICTURES else "density"
    style = st.segmented_control(
        "Map as",
        list(STYLES),
        key="map-style",
        default=usual,
        required=True,
        format_func=STYLES.__getitem__,
        label_visibility="collapsed",
    )
    where, box = st.session_state.get("map-box", (None, None))
    box = box if where == hierarchy.id else None
    most = DRAWN if style == "pictures" else None
    drawn = resources.map_of(hierarchy, style, box, most, HEIGHT)
    key = f"map-{abs(hash((hierarchy.id, style, box)))}"
    with st.container(key="map"):
        event: Any
        if style == "pictures":
            event = st.altair_chart(
                drawn.figure, key=key, on_select="rerun", selection_mode="box",
                alt="Map of pictures, near where their captions are alike",
            )  # fmt: skip
        else:
            event = st.plotly_chart(
                drawn.figure, key=key, on_select="rerun", selection_mode=("box", "lasso"),
                config={"displaylogo": False, "modeBarButtons": [["select2d", "lasso2d"]]},
                alt="Map of pairs, near where their captions are alike",
            )  # fmt: skip
    selection: dict[str, Any] = dict(event["selection"])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"{drawn.caption}. {HELP[style]} Drag to mark pairs.", width="stretch")
        marked = plots.marked_box(hierarchy, selection)
        if marked:
            st.button(
                "Zoom in", icon=":material/zoom_in:", on_click=_zoom, args=(hierarchy.id, marked)
            )
        if box:
            st.button("Whole map", icon=":material/zoom_out_map:", on_click=_zoom)
    return plots.marked(hierarchy, selection)


def _zoom(hierarchy: str | None = None, box: plots.Box | None = None) -> None:
    st.session_state["map-box"] = (hierarchy, box)


def pairs(hierarchy: Hierarchy, ids: np.ndarray, how: str) -> None:
    """Some pairs, a page of them at a time, and the way to their topics and to a file."""
    from gram_core.hierarchy.export import pairs_csv

    corpus = resources.corpus(hierarchy)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{count(len(ids), 'pair')}** {how}", width="stretch")
        if not len(ids):
            return
        st.download_button(
            "CSV",
            lambda: pairs_csv(hierarchy, corpus, ids),
            f"{hierarchy.corpus}-pairs.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
    found = topics.commonest_topics(hierarchy, ids)
    topic_buttons([(topic.id, f"{topic.word} ({number:,})") for topic, number in found], "of-pairs")
    _pages(hierarchy, ids, f"page-{len(ids)}-{ids[0]}")


@st.fragment
def _pages(hierarchy: Hierarchy, ids: np.ndarray, key: str) -> None:
    from gram_core.corpus.search import page

    pages = -(-len(ids) // gallery.PAGE)
    number = st.pagination(pages, key=key) if pages > 1 else 1
    shown = page(ids, number, gallery.PAGE)
    gallery.wall(topics.cards(hierarchy, resources.corpus(hierarchy), shown))
