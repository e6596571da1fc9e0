"""Runs: what there is, side by side; export and delete."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

import ui
from gram_core import plots
from gram_core.errors import GramError
from gram_core.jobs import JOBS, being_worked_on
from gram_core.runs import Run
from gram_core.titles import METHOD_TITLES
from gram_core.workspace import KINDS, SINGULAR, Artefact, Workspace
from ui.words import KIND_TITLES, ago, duration

workspace = ui.page("Runs", "Everything that was made in this workspace. It stays after a restart.")

COMPARED = {
    "meta-train": {
        "accuracy_unseen_after": "Accuracy on unseen classes, after adapting",
        "accuracy_seen_after": "Accuracy on seen classes, after adapting",
        "query_loss": "Query loss",
        "cosine_regulated_path": "Gradient agreement along the path",
    },
    "few-shot": {
        "gram_new": "New accuracy with GRAM",
        "gram_base": "Base accuracy with GRAM",
        "raw_new": "New accuracy, raw gradient",
        "raw_base": "Base accuracy, raw gradient",
    },
    "adapt": {
        "base": "Base accuracy",
        "new": "New accuracy",
        "accuracy": "Accuracy, all classes learned",
        "loss": "Loss",
    },
}
NO_SHARES = ("query_loss", "loss", "cosine_regulated_path")
#: What a kind of run scores on seen and on unseen classes: the first key that it has measured.
SCORES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "meta-train": (("accuracy_seen_after",), ("accuracy_unseen_after",)),
    "few-shot": (("gram_base", "raw_base"), ("gram_new", "raw_new")),
    "adapt": (("base", "accuracy"), ("new",)),
}
PERCENT = st.column_config.NumberColumn(format="%.1f %%")
COLUMNS = [
    "id", "State", "What", "On", "Method", "Seen / base", "Unseen / new", "Begun", "Took",
]  # fmt: skip
STATES = ("queued", "running", "finished", "failed", "cancelled", "interrupted", "damaged")
STATE_COLOURS = ("gray", "blue", "green", "red", "gray", "orange", "red")


def method_of(config: dict[str, Any]) -> str:
    """The method of a run, and whether it has a regulator."""
    method = METHOD_TITLES.get(config.get("method", ""), "")
    regulated = config.get("rule") == "gram" or config.get("initialisation")
    regulated = regulated and config.get("rule") != "raw"
    return f"{method} + GRAM" if method and regulated else method


def run_record(artefact: Artefact, corpora: dict[str, str]) -> dict[str, Any]:
    """A row of the table of runs; `corpora` are those of the hierarchies."""
    run = Run(artefact.path)
    try:
        status, config, state = run.status(), run.config, JOBS.snapshot(run).state
    except GramError:
        kind = str(artefact.about.get("kind", ""))
        return {
            "id": run.id,
            "State": ["damaged"],
            "What": KIND_TITLES.get(kind, kind),
            "Begun": ago(artefact.created),
        }
    last: dict[str, Any] = {}
    for row in run.metrics():
        last |= {key: value for key, value in row.items() if value is not None}
    seen, unseen = (first_of(last, *keys) for keys in SCORES.get(run.kind, ((), ())))
    return {
        "id": run.id,
        "State": [state],
        "What": KIND_TITLES.get(run.kind, run.kind),
        "On": worked_on(config, corpora),
        "Method": method_of(config),
        "Seen / base": None if seen is None else 100 * seen,
        "Unseen / new": None if unseen is None else 100 * unseen,
        "Begun": ago(datetime.fromtimestamp(status["created"], UTC)),
        "Took": duration(max(0.0, status["updated"] - status["created"])),
    }


def first_of(values: dict[str, Any], *keys: str) -> float | None:
    """The value of the first key that has one."""
    return next((values[key] for key in keys if key in values), None)


def worked_on(config: dict[str, Any], corpora: dict[str, str]) -> str:
    """What a run works on: a corpus, labelled sets, or the classes of a race."""
    corpus = config.get("corpus") or corpora.get(config.get("hierarchy", ""))
    data = config.get("data") or config.get("base") or []
    return corpus or ", ".join([data] if isinstance(data, str) else data)


def run_table(artefacts: list[Artefact]) -> list[str]:
    """The table; the ids that are selected in it."""
    corpora = {each.id: each.about.get("corpus", "") for each in workspace.list("hierarchies")}
    frame = pd.DataFrame([run_record(each, corpora) for each in artefacts], columns=COLUMNS)
    chosen = st.dataframe(
        frame,
        hide_index=True,
        column_order=COLUMNS[1:],
        column_config={
            "State": st.column_config.MultiselectColumn(options=STATES, color=STATE_COLOURS),
            "Seen / base": PERCENT,
            "Unseen / new": PERCENT,
        },
        on_select="rerun",
        selection_mode="multi-row",
        key="runs-table",
        placeholder="–",
    )
    return [str(frame["id"][row]) for row in chosen["selection"]["rows"]]


def artefact_table(kind: str, artefacts: list[Artefact]) -> list[str]:
    """A table of hierarchies or classifiers; the ids that are selected in it."""
    records = []
    for artefact in artefacts:
        about = artefact.about
        metrics = about.get("metrics", {})
        facts = {
            "hierarchies": {
                "Corpus": about.get("corpus"),
                "Pairs": about.get("pairs"),
                "Topics": about.get("topics"),
                "For tasks": about.get("usable"),
            },
            "classifiers": {
                name.capitalize(): 100 * metrics[name] if name in metrics else None
                for name in ("base", "new")
            },
        }.get(kind, {})
        records.append({"Name": artefact.id, **facts, "Made": ago(artefact.created)})
    frame = pd.DataFrame(records)
    chosen = st.dataframe(
        frame,
        hide_index=True,
        column_config={"Base": PERCENT, "New": PERCENT},
        on_select="rerun",
        selection_mode="multi-row",
        key=f"{kind}-table",
        placeholder="–",
    )
    return [str(frame["Name"][row]) for row in chosen["selection"]["rows"]]


def actions(kind: str, ids: list[str]) -> None:
    """Export one, delete several."""
    if not ids:
        st.caption("Select rows to compare, export or delete them.")
        return
    with st.container(horizontal=True):
        if len(ids) == 1:
            st.download_button(
                "Export as zip",
                data=lambda: workspace.export(kind, ids[0]),
                file_name=f"{ids[0]}.zip",
                mime="application/zip",
                icon=":material/download:",
                on_click="ignore",
                key=f"export-{kind}",
            )
        if st.button("Delete", icon=":material/delete:", key=f"delete-{kind}"):
            confirm_delete(workspace, kind, ids)


@st.dialog("Delete for good?")
def confirm_delete(space: Workspace, kind: str, ids: list[str]) -> None:
    """Ask once more, then delete."""
    busy = [id for id in ids if kind == "runs" and being_worked_on(Run.open(space, id))]
    if busy:
        st.warning(f"{busy[0]} is being worked on: cancel it first.")
        return
    st.markdown("\n".join(f"- `{id}`" for id in ids))
    if st.button(f"Delete {len(ids)} {SINGULAR[kind] if len(ids) == 1 else kind}", type="primary"):
        with ui.plain_errors():
            for id in ids:
                space.delete(kind, id)
            st.rerun()


def compare(ids: list[str]) -> None:
    """Curves of the selected runs, one colour a run."""
    runs = [Run.open(workspace, id) for id in ids]
    kinds = {run.kind for run in runs}
    if len(kinds) > 1:
        st.caption("Curves can be compared between runs of one kind.")
        return
    rows = {f"{method_of(run.config)} · {run.id[-4:]}": run.metrics() for run in runs}
    measured = {key for each in rows.values() for row in each for key in row}
    named = COMPARED.get(kinds.pop(), {})
    keys = {key: title for key, title in named.items() if key in measured}
    if keys:
        st.subheader("Curves", anchor=False)
    for start in range(0, len(keys), 2):
        for column, key in zip(st.columns(2), list(keys)[start : start + 2], strict=False):
            with column.container(border=True, gap="xsmall"):
                st.markdown(f"**{keys[key]}**")
                st.plotly_chart(
                    plots.comparison(rows, key, percent=key not in NO_SHARES),
                    key=f"compare-{key}",
                    config={"displayModeBar": False},
                    alt=keys[key],
                )


def main() -> None:
    """A tab a kind of thing."""
    kinds = [kind for kind in KINDS if kind != "corpora"]
    found = {kind: workspace.list(kind) for kind in kinds}
    if not any(found.values()):
        with ui.empty("Nothing yet", "Runs that you start show up here and stay."):
            if st.button("Go to the start", type="primary"):
                st.switch_page("pages/start.py")
        return
    kinds = [kind for kind in ("runs", "classifiers", "hierarchies") if found[kind]]
    titles = [f"{kind.capitalize()} ({len(found[kind])})" for kind in kinds]
    for tab, kind in zip(st.tabs(titles), kinds, strict=True):
        with tab, ui.plain_errors():
            ids = run_table(found[kind]) if kind == "runs" else artefact_table(kind, found[kind])
            actions(kind, ids)
            if kind == "runs" and ids:
                compare(ids)


main()
