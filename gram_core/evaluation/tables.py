"""Tables of outcomes: means, standard errors, paired differences; as records and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gram_core.evaluation.metrics import harmonic_shares, standard_error
from gram_core.evaluation.protocols import Cells, Outcome

ALL_SETS = "all sets"
COLUMNS = {
    "base": "base",
    "new": "new",
    "h": "H",
    "other_base": "other base",
    "other_new": "other new",
    "other_h": "other H",
}
Record = dict[str, Any]


def table(outcomes: Sequence[Outcome]) -> list[Record]:
    """A record for each set and contender: `data`, `contender`, and mean and error of `COLUMNS`.

    Means and errors are percentages, as papers print them; keys of errors end in `_error`. Of
    several sets there is an average besides, for those who were on all: that of their accuracies,
    and H of these averages.
    """
    return [
        {"data": data, "contender": name, **_describe(_shares(cells))}
        for data, name, cells in _rows(outcomes)
    ]


def differences(outcomes: Sequence[Outcome], of: str, over: Sequence[str]) -> list[Record]:
    """What contender `of` has over each of `over`, paired draw by draw (and meta-seed).

    Only on sets that both were on. Records have `data`, `contender` (`of`), `over`, and mean and
    error of `COLUMNS` in points.
    """
    cells = {(data, name): value for data, name, value in _rows(outcomes)}
    records = []
    for data in (data for data, name in cells if name == of):
        mine = _shares(cells[data, of])
        for other in (name for name in over if (data, name) in cells):
            theirs = _shares(cells[data, other])
            paired = {name: mine[name] - theirs[name] for name in COLUMNS}
            records.append({"data": data, "contender": of, "over": other, **_describe(paired)})
    return records


def markdown(records: Sequence[Record], signed: bool = False) -> str:
    """A Markdown table of records, one heading for each set; `signed` shows the plus of gains."""
    lines: list[str] = []
    for data in dict.fromkeys(record["data"] for record in records):
        lines += [f"### {data}", "", f"| | {' | '.join(COLUMNS.values())} |"]
        lines.append("|---|" + "---:|" * len(COLUMNS))
        for record in records:
            if record["data"] == data:
                name = f"over {record['over']}" if "over" in record else record["contender"]
                cells = (_text(record[key], record[f"{key}_error"], signed) for key in COLUMNS)
                lines.append(f"| {name} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _rows(outcomes: Sequence[Outcome]) -> list[tuple[str, str, Cells]]:
    """Set, contender and cells (S, R); the sets' average last, where there are several.

    Only who was on all sets has an average: means over different sets cannot be compared.
    """
    rows = [(outcome.data, outcome.contender, outcome.cells) for outcome in outcomes]
    sets = len({outcome.data for outcome in outcomes})
    if sets < 2:
        return rows
    for name in dict.fromkeys(outcome.contender for outcome in outcomes):
        several = [_by_seed(outcome) for outcome in outcomes if outcome.contender == name]
        if len(several) < sets:
            continue
        mean = {cell: np.mean([cells[cell] for cells in several], axis=0) for cell in several[0]}
        rows.append((ALL_SETS, name, mean))
    return rows


def _by_seed(outcome: Outcome) -> Cells:
    """Cells (S, D) by the seed of the draw, which sets share even where sources differ."""
    seeds = np.array([seed for seed, _ in outcome.runs])
    return {
        name: np.stack([cell[:, seeds == seed].mean(1) for seed in np.unique(seeds)], axis=1)
        for name, cell in outcome.cells.items()
    }


def _shares(cells: Cells) -> Cells:
    """The arrays of `COLUMNS`: H as each run's share of it."""
    return {
        **cells,
        "h": harmonic_shares(cells["base"], cells["new"]),
        "other_h": harmonic_shares(cells["other_base"], cells["other_new"]),
    }


def _describe(cells: Cells) -> Record:
    record: Record = {}
    for name in COLUMNS:
        record[name] = 100 * float(np.mean(cells[name]))
        record[f"{name}_error"] = 100 * standard_error(cells[name])
    return record


def _text(mean: float, error: float, signed: bool) -> str:
    if math.isnan(mean):
        return "–"
    text = f"{mean:+.1f}" if signed else f"{mean:.1f}"
    return text if math.isnan(error) else f"{text} ± {error:.1f}"
