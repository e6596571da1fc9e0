"""The map of captions: pairs as points, near where what is said of them is alike, in three sizes.

Up to 8,000 pairs each point shows its picture on hover ("pictures"), up to 50,000 it is a point
with words ("points"), and above the map is painted here and sent as one picture ("density"). What
a person marks on it comes back as an outline, and is answered from all pairs, drawn or not.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from gram_core.pictures import data_uri
from gram_core.plots.colours import INK, QUIET, ZERO_SHOT, rgb, topic_colours, topic_hues
from gram_core.plots.places import Box, Ids, Places, Spread, edges_of, stratified

if TYPE_CHECKING:
    import altair
    import plotly.graph_objects as go

    from gram_core.corpus import Corpus
    from gram_core.hierarchy import Hierarchy

Style = Literal["pictures", "points", "density"]

MOST_PICTURES, MOST_POINTS = 8_000, 50_000
"""Pairs up to which the map has pictures on hover, and points at all."""
MOST_SELECTABLE = 20_000
"""Points that are drawn at most: a browser sends back each one that a lasso holds."""
THUMBNAIL = 64
LABELS = 30
LABEL_ROOM = (0.14, 0.04)
"""Parts of the map's width and height that the name of a topic keeps for itself."""
ENOUGH_TO_NAME = 1_000
"""Pairs of a topic that tell where its name belongs."""
CANVAS = (720, 600)


@dataclass(frozen=True)
class Map:
    """A figure of the map, of Altair for "pictures" and of Plotly else, and the words below it."""

    figure: Any
    style: Style
    caption: str


def map_figure(
    hierarchy: Hierarchy,
    corpus: Corpus | None = None,
    *,
    style: Style | None = None,
    box: Box | None = None,
    hues: Mapping[int, float] | None = None,
    selected: int | None = None,
    most: int | None = None,
    thumbnail: Callable[[int], str] | None = None,
    height: int = 520,
) -> Map:
    """The map of a hierarchy as its size asks for, with the topics' names.

    Args:
        corpus: gives words, and pictures where there are few pairs.
        style: instead of the one that suits the number of pairs in the box.
        box: only this part of it, in the hierarchy's places.
        hues: of the topics; None takes `topic_hues`.
        selected: the topic that stands out.
        most: draw at most so many points.
        thumbnail: gives the data URI of a pair's picture; None makes it from the corpus.
    """
    style, rows, total = chosen_points(hierarchy, style, box, most)
    hues = topic_hues(hierarchy) if hues is None else hues
    labels = map_labels(hierarchy, selected, box)
    figure: Any
    if style == "pictures":
        if thumbnail is None and corpus is not None:
            thumbnail = thumbnails_of(corpus)
        points = map_points(hierarchy, rows, hues, selected, corpus, thumbnail)
        figure = topic_map(points, labels, height)
    elif style == "points":
        figure = _point_map(hierarchy, rows, hues, selected, corpus, labels, height)
    else:
        figure = _density_map(hierarchy, rows, hues, selected, box, labels, height)
    return Map(figure, style, f"Showing {len(rows):,} of {total:,} pairs")


def chosen_points(
    hierarchy: Hierarchy, style: Style | None, box: Box | None, most: int | None = None
) -> tuple[Style, Ids, int]:
    """How a map is drawn, the pairs on it, and of how many they are a sample."""
    if box is None:
        rows = np.flatnonzero(hierarchy.kept & np.isfinite(hierarchy.position).all(axis=1))
    else:
        from gram_core.corpus.search import inside

        rows = inside(hierarchy, *box)
    total = len(rows)
    if style is None:
        small, middling = total <= MOST_PICTURES, total <= MOST_POINTS
        style = "pictures" if small else "points" if middling else "density"
    limits = {"pictures": MOST_PICTURES, "points": MOST_SELECTABLE, "density": total}
    return style, stratified(rows, hierarchy.topic_of(), min(most or total, limits[style])), total


def map_labels(
    hierarchy: Hierarchy, selected: int | None = None, box: Box | None = None
) -> list[dict[str, Any]]:
    """Names of topics at the middle of their pictures, of one topic, or of all, the largest
    first, that do not cover one another."""
    spread = Spread.of(hierarchy.position)
    topics = sorted(hierarchy.topics, key=lambda topic: -len(topic))
    if selected is not None:
        topics = [hierarchy.topics[selected]]
    some = [topic.members[:: 1 + len(topic) // ENOUGH_TO_NAME] for topic in topics]
    middles = np.array([np.median(hierarchy.position[rows], axis=0) for rows in some])
    middles = middles.reshape(-1, 2)
    if box is not None:
        low, high = np.array(box).T
        here = np.flatnonzero(((middles >= low) & (middles <= high)).all(axis=1))
        topics, middles = [topics[row] for row in here], middles[here]
    place = spread.drawn(middles)
    extent = np.ptp(edges_of(hierarchy, spread, box), axis=0)
    written: list[int] = []
    for row, middle in enumerate(place):
        apart = np.abs(place[written] - middle) / np.where(extent > 0, extent, 1.0)
        if (apart > LABEL_ROOM).any(axis=1).all():
            written.append(row)
    return [
        {"x": float(place[row, 0]), "y": float(place[row, 1]), "topic": topics[row].word}
        for row in written[:LABELS]
    ]


def map_points(
    hierarchy: Hierarchy,
    rows: Ids,
    hues: Mapping[int, float],
    selected: int | None = None,
    corpus: Corpus | None = None,
    thumbnail: Callable[[int], str] | None = None,
) -> list[dict[str, Any]]:
    """The points of `topic_map` for some pairs; with a selection the other topics are grey."""
    place = Spread.of(hierarchy.position).drawn(hierarchy.position[rows])
    topics, colours = hierarchy.topic_of()[rows], topic_colours(hues)
    points = []
    for pair, (x, y), id in zip(rows.tolist(), place.tolist(), topics.tolist(), strict=True):
        off = id < 0 or (selected is not None and id != selected)
        points.append(
            {
                "x": round(x, 3),
                "y": round(y, 3),
                "colour": QUIET if off else colours[id],
                "size": 14 if id < 0 else 22 if off else 70 if selected is not None else 34,
                "topic": hierarchy.topics[id].word if id >= 0 else "no topic",
                "caption": corpus.captions[pair] if corpus else "",
                "image": thumbnail(pair) if thumbnail else "",
            }
        )
    return sorted(points, key=lambda point: point["size"])


def topic_map(
    points: Sequence[Mapping[str, Any]],
    labels: Sequence[Mapping[str, Any]],
    height: int = 520,
) -> altair.LayerChart:
    """Points of which each shows its picture on hover; dragging marks a box named "box".

    Args:
        points: x, y, colour, size, topic, caption, image (a data URI).
        labels: x, y, topic: names to write on the map.
    """
    import altair

    if len(points) > MOST_PICTURES:
        raise ValueError(
            f"{len(points)} points: draw at most {MOST_PICTURES}, a browser holds no more"
        )
    plain = altair.Axis(labels=False, ticks=False, domain=False, grid=False, title=None)
    x = altair.X("x:Q", axis=plain, scale=altair.Scale(zero=False, padding=12))
    y = altair.Y("y:Q", axis=plain, scale=altair.Scale(zero=False, padding=12))
    cloud = (
        altair.Chart(altair.Data(values=list(points)))
        .mark_circle(opacity=0.85, stroke="white", strokeWidth=0.3)
        .encode(
            x=x,
            y=y,
            color=altair.Color("colour:N", scale=None),
            size=altair.Size("size:Q", scale=None),
            tooltip=["image:N", "topic:N", "caption:N"],
        )
        .add_params(altair.selection_interval(name="box", zoom=False))
    )
    words = altair.Chart(altair.Data(values=list(labels))).encode(x=x, y=y, text="topic:N")
    halo = words.mark_text(dy=-11, fontSize=12, fontWeight=600, stroke="white", strokeWidth=3.5)
    text = words.mark_text(dy=-11, fontSize=12, fontWeight=600, color=INK)
    chart = altair.layer(cloud, halo, text).properties(height=height)
    return chart.configure_view(stroke=None)


def thumbnails_of(corpus: Corpus) -> Callable[[int], str]:
    """What gives the picture of a pair as a small data URI."""
    return lambda pair: data_uri(corpus.image_bytes(pair), THUMBNAIL)


def density(
    places: NDArray[Any], paint: NDArray[np.uint8], edges: Places, canvas: tuple[int, int] = CANVAS
) -> NDArray[np.uint8]:
    """(h, w, 4) picture of points: in each cell their mean colour, the more opaque the more there.

    Args:
        places: (n, 2) where they are drawn.
        paint: (n, 3) the colour of each.
        edges: (2, 2) the lower left and the upper right corner of the picture.
    """
    coarse = 1 + sum(len(places) < number for number in (20_000, 100_000, 500_000))
    width, height = (side // coarse for side in canvas)
    scale = np.array([width, height]) / np.where(
        np.ptp(edges, axis=0) > 0, np.ptp(edges, axis=0), 1
    )
    cell = ((places - edges[0].astype(places.dtype)) * scale.astype(places.dtype)).astype(np.int32)
    np.clip(cell, 0, [width - 1, height - 1], out=cell)
    flat = (height - 1 - cell[:, 1]) * width + cell[:, 0]
    number = np.bincount(flat, minlength=width * height)
    image = np.zeros((height * width, 4), np.uint8)
    filled = number > 0
    for part in range(3):
        summed = np.bincount(flat, paint[:, part], minlength=width * height)
        image[filled, part] = summed[filled] / number[filled]
    # the logarithm, so that a lonely pair is seen beside a place where thousands lie
    strength = np.log1p(number[filled]) / np.log1p(number.max(initial=1))
    image[filled, 3] = 160 + 95 * strength
    return image.reshape(height, width, 4)


def _paint(
    hierarchy: Hierarchy, hues: Mapping[int, float], selected: int | None
) -> NDArray[np.uint8]:
    """(L + 1, 3) the colour of each topic, and at the end of what is in none."""
    colours = topic_colours(hues)
    return np.array(
        [
            rgb(QUIET if selected not in (None, topic.id) else colours.get(topic.id, QUIET))
            for topic in hierarchy.topics
        ]
        + [rgb(QUIET)],
        dtype=np.uint8,
    )


def _point_map(
    hierarchy: Hierarchy,
    rows: Ids,
    hues: Mapping[int, float],
    selected: int | None,
    corpus: Corpus | None,
    labels: Sequence[Mapping[str, Any]],
    height: int,
) -> go.Figure:
    import plotly.graph_objects as go

    place = Spread.of(hierarchy.position).drawn(hierarchy.position[rows]).astype(np.float32)
    paint = _paint(hierarchy, hues, selected)
    colours = np.array([f"rgb({red},{green},{blue})" for red, green, blue in paint])
    topic = hierarchy.topic_of()[rows]
    names = np.array([each.word for each in hierarchy.topics] + ["no topic"])[topic]
    said = [_short(corpus.captions[pair]) for pair in rows.tolist()] if corpus else [""] * len(rows)
    cloud = go.Scattergl(
        x=place[:, 0],
        y=place[:, 1],
        mode="markers",
        marker={"color": colours[topic], "size": 5, "opacity": 0.8},
        customdata=topic,
        text=[f"<b>{name}</b><br>{words}" for name, words in zip(names, said, strict=True)],
        hoverinfo="text",
        unselected={"marker": {"opacity": 0.25}},
    )
    return _map_frame([cloud, _label_trace(labels)], height)


def _density_map(
    hierarchy: Hierarchy,
    rows: Ids,
    hues: Mapping[int, float],
    selected: int | None,
    box: Box | None,
    labels: Sequence[Mapping[str, Any]],
    height: int,
) -> go.Figure:
    from PIL import Image

    spread = Spread.of(hierarchy.position)
    edges = edges_of(hierarchy, spread, box)
    paint = _paint(hierarchy, hues, selected)[hierarchy.topic_of()[rows]]
    image = density(spread.drawn(hierarchy.position[rows]), paint, edges)
    target = io.BytesIO()
    Image.fromarray(image).save(target, "PNG", compress_level=1)
    (left, low), (right, high) = edges.tolist()
    figure = _map_frame([_label_trace(labels)], height)
    figure.add_layout_image(
        source=data_uri(target.getvalue()),
        xref="x",
        yref="y",
        x=left,
        y=high,
        sizex=right - left,
        sizey=high - low,
        sizing="stretch",
        layer="below",
    )
    figure.update_xaxes(range=[left, right])
    figure.update_yaxes(range=[low, high])
    return figure


def _label_trace(labels: Sequence[Mapping[str, Any]]) -> Any:
    """The names of topics, each above a point."""
    import plotly.graph_objects as go

    return go.Scatter(
        x=[label["x"] for label in labels],
        y=[label["y"] for label in labels],
        text=[label["topic"] for label in labels],
        mode="markers+text",
        textposition="top center",
        textfont={"size": 12, "color": INK, "shadow": "0 0 3px white, 0 0 3px white"},
        marker={"size": 7, "color": "white", "line": {"color": INK, "width": 1.5}},
        hovertemplate="%{text}<extra></extra>",
    )


def _map_frame(traces: Sequence[Any], height: int) -> go.Figure:
    import plotly.graph_objects as go

    figure = go.Figure(list(traces))
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        dragmode="select",
        hovermode="closest",
        newselection={"line": {"color": ZERO_SHOT, "width": 1, "dash": "solid"}},
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure


def _short(text: str) -> str:
    from html import escape

    first = text.split("\n", 1)[0]
    return escape(first if len(first) <= 80 else first[:79] + "…")
