"""How well a clustering went: similarity of pairs, measures with their ranges, coherence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gram_core.plots.colours import GRAM, QUIET, RAW, ZERO_SHOT, topic_colours, topic_hues
from gram_core.plots.curves import dress

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from gram_core.hierarchy import Hierarchy

BINS = 60
NAMED = 6


class Measure(NamedTuple):
    """A number that tells how well a clustering went: its range, and what is good."""

    low: float
    high: float
    good: str


MEASURES = {
    "coherence": Measure(-1, 1, "words of a topic meet in captions; below 0 where these are short"),
    "outliers": Measure(0, 1, "kept pairs in no topic; below 0.3 is good"),
    "coverage": Measure(0, 1, "pairs in a topic; the more, the more is learned from"),
    "silhouette": Measure(-1, 1, "domains are apart; above 0.1 is good for pictures"),
    "balance": Measure(0, 1, "domains are of like size; near 1 is best for tasks"),
    "stability": Measure(0, 1, "another seed finds the same; above 0.6 is good"),
    "topic purity": Measure(0, 1, "pairs of a topic show one concept"),
    "topic NMI": Measure(0, 1, "topics agree with the known concepts"),
    "domain purity": Measure(0, 1, "pairs of a domain have one style"),
    "domain NMI": Measure(0, 1, "domains agree with the known styles"),
}


def similarity_histogram(
    similarity: NDArray[Any],
    kept: NDArray[np.bool_],
    threshold: float | None = None,
    height: int = 260,
) -> go.Figure:
    """How many pairs have which similarity (N,): those kept (N,) in blue, the others in grey.

    `threshold` is marked: below it a pair was left out.
    """
    import plotly.graph_objects as go

    ends = np.histogram_bin_edges(similarity, min(BINS, 5 + int(np.sqrt(len(similarity)))))
    middle, width = (ends[1:] + ends[:-1]) / 2, np.diff(ends)
    figure = go.Figure()
    dress(figure, height)
    for name, colour, part in (("kept", GRAM, kept), ("left out", ZERO_SHOT, ~kept)):
        if part.any():
            number, _ = np.histogram(similarity[part], ends)
            hover = "similarity %{x:.2f}: %{y:,} " + name + "<extra></extra>"
            figure.add_bar(
                x=middle, y=number, width=width, name=name, marker={"color": colour},
                hovertemplate=hover,
            )  # fmt: skip
    if threshold is not None:
        note = {"text": f"threshold {threshold:.2f}", "font": {"color": RAW}, "yanchor": "bottom"}
        figure.add_vline(x=threshold, line_color=RAW, line_width=1.5, annotation=note)
    figure.update_layout(barmode="stack", bargap=0, hovermode="closest", showlegend=not kept.all())
    figure.update_xaxes(title="similarity of picture and caption (cosine)")
    figure.update_yaxes(title="pairs")
    return figure


def quality_figure(quality: Mapping[str, float], height: int | None = None) -> go.Figure:
    """The measures that are known as dots on lines from their lowest to their highest value."""
    import plotly.graph_objects as go

    names = [name for name in MEASURES if name in quality]
    known = [(MEASURES[name], quality[name]) for name in names]
    share = [(value - each.low) / (each.high - each.low) for each, value in known]
    figure = go.Figure()
    dress(figure, height or 40 + 44 * len(known), top=4)
    figure.add_bar(
        x=[1] * len(known), y=names, orientation="h", width=0.16, hoverinfo="skip",
        marker={"color": QUIET, "cornerradius": 4, "opacity": 0.6},
    )  # fmt: skip
    figure.add_scatter(
        x=np.clip(share, 0, 1), y=names, mode="markers+text", marker={"color": GRAM, "size": 13},
        text=[f"{value:.2f}" for _, value in known], textposition="top center",
        customdata=[each.good for each, _ in known], cliponaxis=False,
        hovertemplate="%{y}: %{text}<br>%{customdata}<extra></extra>",
    )  # fmt: skip
    for side, anchor, place in (("low", "right", -0.01), ("high", "left", 1.01)):
        for name in names:
            each = MEASURES[name]
            figure.add_annotation(
                x=place, y=name, text=f"{getattr(each, side):g}", xanchor=anchor,
                showarrow=False, font={"color": ZERO_SHOT, "size": 12},
            )  # fmt: skip
    figure.update_layout(showlegend=False, hovermode="closest")
    figure.update_xaxes(visible=False, range=[-0.06, 1.06])
    figure.update_yaxes(autorange="reversed", showgrid=False, tickvals=names)
    return figure


def coherence_figure(
    hierarchy: Hierarchy, hues: Mapping[int, float] | None = None, height: int = 320
) -> go.Figure:
    """The coherence of each topic over its size; the lowest ones and the largest are named."""
    import plotly.graph_objects as go

    topics = [topic for topic in hierarchy.topics if topic.coherence is not None]
    colours = topic_colours(topic_hues(hierarchy) if hues is None else hues)
    lowest = sorted(topics, key=lambda topic: topic.coherence or 0.0)[:NAMED]
    named = {topic.id for topic in (*lowest, *topics[:NAMED])}
    figure = go.Figure()
    dress(figure, height, top=8)
    figure.add_scatter(
        x=[len(topic) for topic in topics],
        y=[topic.coherence for topic in topics],
        text=[topic.word if topic.id in named else "" for topic in topics],
        customdata=[[topic.id, topic.word] for topic in topics],
        mode="markers+text",
        textposition="top center",
        marker={"color": [colours.get(topic.id, QUIET) for topic in topics], "size": 9},
        hovertemplate="%{customdata[1]}: %{y:.2f}, %{x:,} pictures<extra></extra>",
    )
    figure.update_layout(showlegend=False, hovermode="closest")
    figure.update_xaxes(type="log", title="pictures")
    figure.update_yaxes(title="coherence (NPMI)")
    return figure
