"""Figures: the tree of topics, the map of pictures, curves of a run, a race, bars.

One colour means one thing everywhere: a raw gradient (CoOp) is orange, a regulated one (GRAM) is
blue, zero-shot is grey; base and seen classes are solid lines, new and unseen ones are dashed.
Orange, blue and grey stay apart for every common kind of colour blindness. Topics have the hue of
their direction on the map, so that neighbours look alike in the tree, on the map and in lists.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import altair
    import plotly.graph_objects as go

    from gram_core.hierarchy import Hierarchy

RAW, GRAM, ZERO_SHOT = "#D2691E", "#1F6FB2", "#8A929C"
QUIET = "#D5DAE1"
INK = "#27313D"
RUN_COLOURS = ("#1F6FB2", "#D2691E", "#2A9D7C", "#A0549D", "#C2A01C", "#5AAFD6")
MOST_POINTS = 2_000
"""Points that one line is drawn with; longer ones are thinned."""

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Line:
    """One line of a chart: which value, what it is called, how it looks."""

    key: str
    label: str
    colour: str
    dashed: bool = False
    faint: bool = False


# ------------------------------------------------------------------------------------- curves


def curves(
    rows: Rows,
    lines: Sequence[Line],
    *,
    percent: bool = False,
    smoothing: float = 0.0,
    zero_line: bool = False,
    end: int | None = None,
    height: int = 240,
) -> go.Figure:
    """Values over steps, one line a key of `lines`; rows that lack a key are passed over.

    Args:
        smoothing: 0 to below 1; above 0 a moving average is drawn over the faint raw line.
        end: the last step that will come, so that a growing curve does not move what is drawn.
    """
    figure = _figure(height)
    for line in lines:
        steps, values = series(rows, line.key)
        if not steps:
            continue
        if smoothing > 0:
            figure.add_scatter(**_trace(line, steps, values, opacity=0.25), showlegend=False)
            values = smooth(values, smoothing)
        figure.add_scatter(**_trace(line, steps, values, opacity=0.55 if line.faint else 1.0))
    if zero_line:
        figure.add_hline(y=0, line_color=QUIET, line_width=1)
    if percent:
        figure.update_yaxes(tickformat=".0%")
        figure.update_traces(hovertemplate="%{y:.1%}")
    figure.update_xaxes(range=[0, end] if end else None)
    return figure


def comparison(
    runs: Mapping[str, Rows], key: str, *, percent: bool, height: int = 280
) -> go.Figure:
    """One value over steps for several runs, one colour a run."""
    figure = _figure(height)
    for index, (name, rows) in enumerate(runs.items()):
        steps, values = series(rows, key)
        if steps:
            line = Line(key, name, RUN_COLOURS[index % len(RUN_COLOURS)])
            figure.add_scatter(**_trace(line, steps, values))
    if percent:
        figure.update_yaxes(tickformat=".0%")
        figure.update_traces(hovertemplate="%{y:.1%}")
    return figure


def race(
    lanes: Mapping[str, Rows],
    zero_shot: Mapping[str, float | None],
    colours: Mapping[str, str],
    *,
    end: int | None = None,
    height: int = 330,
) -> go.Figure:
    """Base accuracy beside new accuracy, one line a lane, over the zero-shot level.

    Args:
        lanes: rows with "step", "base" and, where it is measured, "new", by the lane's name.
        zero_shot: accuracy under "base" and "new"; None where it is not measured.
    """
    from plotly.subplots import make_subplots

    panels = [part for part in ("base", "new") if zero_shot.get(part) is not None] or ["base"]
    titles = {"base": "Base: the classes it learns", "new": "New: classes it never saw"}
    figure = make_subplots(
        1, len(panels), subplot_titles=[titles[part] for part in panels],
        horizontal_spacing=0.08, shared_yaxes=True,
    )  # fmt: skip
    for column, part in enumerate(panels, start=1):
        level = zero_shot.get(part)
        if level is not None:
            line = Line(part, "zero-shot", ZERO_SHOT, dashed=part == "new")
            trace = _trace(line, [0, max(1, end or 1)], [level, level])
            figure.add_scatter(**trace, showlegend=column == 1, legendgroup="0", row=1, col=column)
        for name, rows in lanes.items():
            steps, values = series(rows, part)
            line = Line(part, name, colours[name], dashed=part == "new")
            trace = _trace(line, steps, values)
            figure.add_scatter(**trace, showlegend=column == 1, legendgroup=name, row=1, col=column)
    _dress(figure, height, top=64)
    figure.update_annotations(font={"size": 14, "color": INK}, yshift=4)
    figure.update_layout(legend={"y": 1.17, "x": 0.5, "xanchor": "center"})
    figure.update_traces(hovertemplate="%{y:.1%}")
    figure.update_yaxes(tickformat=".0%")
    figure.update_xaxes(range=[0, end] if end else None, title={"text": "epoch", "standoff": 6})
    return figure


def bars(values: Mapping[str, float], colours: Mapping[str, str], *, height: int) -> go.Figure:
    """Shares between 0 and 1 as labelled horizontal bars, in the order given."""
    import plotly.graph_objects as go

    names = list(values)
    figure = go.Figure(
        go.Bar(
            x=[values[name] for name in names],
            y=names,
            orientation="h",
            marker={"color": [colours.get(name, GRAM) for name in names], "cornerradius": 3},
            text=[f"{values[name]:.0%}" for name in names],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    _dress(figure, height, top=4)
    figure.update_layout(showlegend=False, bargap=0.35, hovermode="closest")
    figure.update_xaxes(visible=False, range=[0, max(1e-9, *values.values()) * 1.2])
    figure.update_yaxes(autorange="reversed", showgrid=False, automargin=True)
    return figure


def series(rows: Rows, key: str) -> tuple[list[int], list[float]]:
    """Steps and values of the rows that have `key`, thinned to `MOST_POINTS`, the last one kept."""
    pairs = [
        (int(row["step"]), float(row[key]))
        for row in rows
        if row.get("step") is not None and isinstance(row.get(key), int | float)
    ]
    stride = max(1, math.ceil(len(pairs) / MOST_POINTS))
    kept = pairs[::-1][::stride][::-1]
    return [step for step, _ in kept], [value for _, value in kept]


def smooth(values: Sequence[float], weight: float) -> list[float]:
    """Exponential moving average without the pull to zero at its start; `weight` in [0, 1)."""
    average, norm, smoothed = 0.0, 0.0, []
    for value in values:
        average = weight * average + (1 - weight) * value
        norm = weight * norm + (1 - weight)
        smoothed.append(average / norm)
    return smoothed


def _trace(
    line: Line, steps: Sequence[int], values: Sequence[float], opacity: float = 1.0
) -> dict[str, Any]:
    return {
        "x": steps,
        "y": values,
        "name": line.label,
        "mode": "lines" if len(steps) > 1 else "markers",
        "opacity": opacity,
        "line": {
            "color": line.colour,
            "width": 2.25,
            "dash": "6px,4px" if line.dashed else "solid",
        },
        "marker": {"color": line.colour, "size": 6},
        "hovertemplate": "%{y:.3g}",
    }


def _figure(height: int) -> go.Figure:
    import plotly.graph_objects as go

    figure = go.Figure()
    _dress(figure, height)
    return figure


def _dress(figure: go.Figure, height: int, top: int = 34) -> None:
    """The look that all Cartesian figures share: few quiet lines, the legend above."""
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 12, "t": top, "b": 8},
        hovermode="x unified",
        uirevision="same",
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=True,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": None},
    )
    figure.update_xaxes(showgrid=False, zeroline=False, automargin=True)
    figure.update_yaxes(
        gridcolor="rgba(138,146,156,0.22)", zeroline=False, automargin=True, nticks=6
    )


# -------------------------------------------------------------------------- topics and domains


def topic_hues(hierarchy: Hierarchy) -> dict[int, float]:
    """Hue in degrees of each topic, by its direction from the middle of the map.

    The hues are spread evenly: what counts is the order around the map, not the angle itself.
    """
    position = np.asarray(hierarchy.position, dtype=float)
    topics = [topic for topic in hierarchy.topics if len(topic.members)]
    centres = {topic.id: position[topic.members].mean(axis=0) for topic in topics}
    if not centres:
        return {}
    middle = np.mean(list(centres.values()), axis=0)
    angle = {id: math.atan2(*(centre - middle)[::-1]) for id, centre in centres.items()}
    order = sorted(angle, key=lambda id: angle[id])
    return {id: 360.0 * rank / len(order) for rank, id in enumerate(order)}


def sunburst(
    hierarchy: Hierarchy, hues: Mapping[int, float], selected: int | None = None, height: int = 520
) -> go.Figure:
    """Topics as a ring, their visual domains as the ring around it; sizes are pictures.

    The ids are "t12" for a topic and "t12/d3" for a domain of it (`parse_node` reads them). With
    `selected`, the other topics are paler.
    """
    import plotly.graph_objects as go

    total = sum(len(topic.members) for topic in hierarchy.topics)
    nodes = [("all", "all topics", "", total, "rgba(0,0,0,0)", f"{len(hierarchy.topics)} topics")]
    for topic in sorted(hierarchy.topics, key=lambda topic: hues.get(topic.id, 0.0)):
        pale = selected is not None and topic.id != selected
        hue, name = hues.get(topic.id, 0.0), f"t{topic.id}"
        words = ", ".join(word for word, _ in topic.words[:6])
        colour = oklch(0.93, 0.02, hue) if pale else oklch(0.7, 0.12, hue)
        nodes.append((name, topic.word, "all", len(topic.members), colour, words))
        for number, domain in enumerate(topic.domains, start=1):
            share = (number - 1) / max(1, len(topic.domains) - 1)
            colour = oklch(0.95, 0.012, hue) if pale else oklch(0.78 + 0.1 * share, 0.08, hue)
            label = f"{topic.word}, domain {number}"
            words = f"visual domain {number} of {len(topic.domains)}"
            nodes.append((f"{name}/d{number}", label, name, len(domain), colour, words))
    ids, labels, parents, values, colours, notes = zip(*nodes, strict=True)
    figure = go.Figure(
        go.Sunburst(
            ids=ids,
            labels=labels,
            parents=parents,
            values=values,
            customdata=notes,
            branchvalues="total",
            sort=False,
            marker={"colors": colours, "line": {"color": "rgba(255,255,255,0.9)", "width": 0.8}},
            texttemplate=["" if "/" in node[0] else node[1] for node in nodes],
            hovertemplate="<b>%{label}</b><br>%{value:,} pictures<br>%{customdata}<extra></extra>",
            insidetextorientation="radial",
            leaf={"opacity": 1},
        )
    )
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        uirevision="same",
    )
    return figure


def parse_node(node: str) -> tuple[int | None, int | None]:
    """Topic id and domain index of a sunburst id: "t12/d3" gives (12, 2), "all" (None, None)."""
    topic, _, domain = node.partition("/")
    if not topic.startswith("t") or not topic[1:].isdigit():
        return None, None
    return int(topic[1:]), int(domain[1:]) - 1 if domain[1:].isdigit() else None


def topic_map(
    points: Sequence[Mapping[str, Any]],
    labels: Sequence[Mapping[str, Any]],
    height: int = 520,
) -> altair.LayerChart:
    """Pictures as points, near where they are alike; resting on one shows the picture itself.

    Args:
        points: x, y, colour, size, topic, caption, image (a data URI).
        labels: x, y, topic: names to write on the map.
    """
    import altair

    if len(points) > 8_000:
        raise ValueError(f"{len(points)} points: draw at most 8000, a browser holds no more")
    plain = altair.Axis(labels=False, ticks=False, domain=False, grid=False, title=None)
    x = altair.X("x:Q", axis=plain, scale=altair.Scale(zero=False, padding=12))
    y = altair.Y("y:Q", axis=plain, scale=altair.Scale(zero=False, padding=12))
    cloud = (
        altair.Chart(altair.Data(values=list(points)))
        .mark_circle(opacity=0.85, stroke="white", strokeWidth=0.4)
        .encode(
            x=x,
            y=y,
            color=altair.Color("colour:N", scale=None),
            size=altair.Size("size:Q", scale=None),
            tooltip=["image:N", "topic:N", "caption:N"],
        )
    )
    words = altair.Chart(altair.Data(values=list(labels))).encode(x=x, y=y, text="topic:N")
    halo = words.mark_text(fontSize=12, fontWeight=600, stroke="white", strokeWidth=3.5)
    text = words.mark_text(fontSize=12, fontWeight=600, color=INK)
    chart = altair.layer(cloud, halo, text).properties(height=height)
    return chart.configure_view(stroke=None).interactive()


def oklch(lightness: float, chroma: float, hue: float) -> str:
    """A hex colour of even lightness for the eye, from OKLCH (Ottosson 2020); hue in degrees.

    What the screen cannot show is brought back by less chroma.
    """
    while True:
        a = chroma * math.cos(math.radians(hue))
        b = chroma * math.sin(math.radians(hue))
        long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
        medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
        short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
        linear = (
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        )
        if chroma <= 0 or all(-1e-6 <= part <= 1 + 1e-6 for part in linear):
            return "#" + "".join(f"{_gamma(part):02x}" for part in linear)
        chroma = max(0.0, chroma - 0.005)


def _gamma(part: float) -> int:
    part = min(1.0, max(0.0, part))
    return round(255 * (12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055))
