"""What an evaluation leaves behind: its numbers as JSON, its tables as Markdown, its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gram_core.evaluation import figures
from gram_core.evaluation.protocols import Outcome
from gram_core.evaluation.tables import ALL_SETS, differences, markdown, table
from gram_core.workspace import as_json, write_json

NOTE = (
    "Percentages ± standard error over few-shot draws (and meta-seeds); test images are fixed. "
    "Other base and other new leave out the domain that was learned from. H is that of the mean "
    "base and the mean new accuracy."
)
Pairs = Mapping[str, Sequence[str]]


def write_report(
    folder: Path,
    name: str,
    title: str,
    outcomes: Sequence[Outcome],
    pairs: Pairs,
    about: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Writes NAME.json, NAME.md and figures/*.html, and gives what the JSON holds.

    `pairs` names contenders and those that each is compared with, draw by draw; `about` is kept
    with the numbers, `notes` are sentences above the tables.
    """
    records = table(outcomes)
    gains = [record for of, others in pairs.items() for record in differences(outcomes, of, others)]
    report = as_json(
        {
            "title": title,
            "about": dict(about),
            "table": records,
            "differences": gains,
            "outcomes": [outcome.to_json() for outcome in outcomes],
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{name}.json", report)
    text = [f"# {title}", "", *(line for note in (*notes, NOTE) for line in (note, ""))]
    text.append(markdown(records))
    for of in pairs:
        mine = [record for record in gains if record["contender"] == of]
        text += [f"## {of} over others, paired", "", markdown(mine, signed=True)]
    (folder / f"{name}.md").write_text("\n".join(text), encoding="utf-8")

    drawn = {}
    for data in dict.fromkeys(record["data"] for record in records):
        slug = Path(data).name.replace(" ", "-")
        drawn[f"scores-{slug}"] = figures.scores(records, data)
        if gains:
            drawn[f"gains-{slug}"] = figures.scores(gains, data)
        if data != ALL_SETS:
            drawn[f"epochs-{slug}"] = figures.epochs(outcomes, data)
    figures.write_figures(folder / "figures", drawn)
    return report
