"""How well a clustering went, measure by measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from gram_core import plots
from gram_core.plots.scores import MEASURES
from ui import resources
from ui.places import go_to

if TYPE_CHECKING:
    from gram_core.hierarchy import Hierarchy

BARE = {"displayModeBar": False}
COLUMN = 420


def draw(hierarchy: Hierarchy) -> None:
    """The measures with what is good, coherence by topic, and similarity of all pairs."""
    with st.grid(min_column_width=COLUMN, gap="large"):
        with st.container():
            _measures(hierarchy)
        with st.container():
            _meanings(hierarchy)
        with st.container():
            _coherence(hierarchy)
        with st.container():
            _similarity(hierarchy)


def _measures(hierarchy: Hierarchy) -> None:
    st.markdown("##### How well it went")
    st.plotly_chart(plots.quality_figure(hierarchy.quality), key="measures", config=BARE)


def _meanings(hierarchy: Hierarchy) -> None:
    st.markdown("##### What the measures say")
    st.markdown(
        "\n".join(
            f"- **{name}** ({measure.low:g} to {measure.high:g}): {measure.good}"
            for name, measure in MEASURES.items()
            if name in hierarchy.quality
        )
    )


def _coherence(hierarchy: Hierarchy) -> None:
    st.markdown("##### Coherence of each topic")
    if all(topic.coherence is None for topic in hierarchy.topics):
        st.caption("It was not measured when this hierarchy was made.")
        return
    st.plotly_chart(
        plots.coherence_figure(hierarchy, resources.hues(hierarchy.id)),
        key="coherence",
        on_select=_take_click,
        selection_mode="points",
        config=BARE,
    )
    st.caption("Click a topic to open it; those at the bottom are worth a look.")


def _similarity(hierarchy: Hierarchy) -> None:
    st.markdown("##### Similarity of pictures and captions")
    threshold = hierarchy.quality.get("threshold")
    figure = plots.similarity_histogram(hierarchy.similarity, hierarchy.kept, threshold, 320)
    st.plotly_chart(figure, key="similarity", config=BARE)
    st.caption(
        "Pairs below the threshold were left out, and so were those above it whose captions fit "
        "all pictures alike."
    )


def _take_click() -> None:
    points = st.session_state["coherence"]["selection"]["points"]
    if points:
        go_to(int(points[0]["customdata"][0]))
