"""Curves of a run, a race, bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gram_core.plots.colours import GRAM, INK, QUIET, RUN_COLOURS, ZERO_SHOT

if TYPE_CHECKING:
    import plotly.graph_objects as go

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
    dress(figure, height, top=64)
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
    dress(figure, height, top=4)
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
    dress(figure, height)
    return figure


def dress(figure: go.Figure, height: int, top: int = 34) -> None:
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
