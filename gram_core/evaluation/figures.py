"""Plotly figures of outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gram_core.evaluation.protocols import Outcome
from gram_core.evaluation.tables import COLUMNS, Record
from gram_core.plots import GRAM, INK, QUIET, RAW, ZERO_SHOT, oklch, race

if TYPE_CHECKING:
    import plotly.graph_objects as go

SHOWN = ("base", "new", "h")


def colour_of(contender: str) -> str:
    """Grey for zero-shot, blue for regulated gradients, orange for raw ones."""
    if "zero-shot" in contender:
        return ZERO_SHOT
    return GRAM if "GRAM" in contender and "raw" not in contender else RAW


def scores(records: Sequence[Record], data: str) -> go.Figure:
    """Base, new and H of each contender on one set: a dot, and one standard error to each side.

    Works for a table and, with a line at zero, for differences.
    """
    from plotly.subplots import make_subplots

    rows = [record for record in records if record["data"] == data]
    gains = any("over" in record for record in rows)
    names = [
        f"{row['contender']} over {row['over']}" if "over" in row else row["contender"]
        for row in rows
    ]
    figure = make_subplots(
        1, len(SHOWN), shared_yaxes=True, subplot_titles=[COLUMNS[column] for column in SHOWN]
    )
    for place, column in enumerate(SHOWN, start=1):
        figure.add_scatter(
            x=[row[column] for row in rows],
            y=names,
            mode="markers",
            error_x={"array": [row[f"{column}_error"] for row in rows], "color": QUIET},
            marker={"size": 10, "color": [colour_of(row["contender"]) for row in rows]},
            hovertemplate="%{y}: %{x:.1f}<extra></extra>",
            showlegend=False,
            row=1,
            col=place,
        )
        if gains:
            figure.add_vline(x=0, line_color=INK, line_width=1, row=1, col=place)
    figure.update_yaxes(autorange="reversed", automargin=True, dtick=1)
    figure.update_layout(
        template="plotly_white",
        title=f"{data}: gains in points" if gains else f"{data}: percentages",
        height=180 + 36 * len(rows),
    )
    return figure


def epochs(outcomes: Sequence[Outcome], data: str) -> go.Figure:
    """Base and new accuracy over epochs, a line a contender, above the level of zero-shot."""
    here = {outcome.contender: outcome for outcome in outcomes if outcome.data == data}
    still = here.pop("zero-shot", None)
    level = {part: float(still.cells[part].mean()) if still else None for part in ("base", "new")}
    lanes = {
        name: [
            {"step": epoch, **{part: float(cells[part].mean()) for part in ("base", "new")}}
            for epoch, cells in sorted(outcome.epochs.items())
        ]
        for name, outcome in here.items()
        if len(outcome.epochs) > 1
    }
    last = max((row["step"] for rows in lanes.values() for row in rows), default=1)
    colours: dict[str, str] = {}
    for rule, hue in ((GRAM, 250.0), (RAW, 55.0)):
        # last comes what the comparison is about: it has the plain colour, the others are paler
        names = [name for name in lanes if colour_of(name) == rule]
        for place, name in enumerate(names, start=1):
            paler = oklch(0.86 - 0.3 * place / len(names), 0.1, hue)
            colours[name] = rule if place == len(names) else paler
    figure = race(lanes, level, colours, end=int(last), height=480)
    figure.update_layout(template="plotly_white", legend={"x": 0, "xanchor": "left"})
    return figure


def write_figures(folder: Path, figures: Mapping[str, go.Figure]) -> list[Path]:
    """Writes NAME.html for each figure; the page of a figure needs no network."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in figures.items():
        path = folder / f"{name}.html"
        figure.write_html(path, include_plotlyjs="directory")
        paths.append(path)
    return paths
