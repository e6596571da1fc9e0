"""`runs | corpora | classifiers`: list, show, delete, export."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gram_core.cli.console import Console, columns
from gram_core.workspace import KINDS, SINGULAR, Artefact, Workspace


def register(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Adds one verb for each kind of artefact."""
    for kind in KINDS:
        if kind == "hierarchies":  # they have actions of their own
            continue
        verb = verbs.add_parser(
            kind, parents=[common], help=f"the {kind} of the workspace: list, show, delete, export"
        )
        verb.add_argument("action", nargs="?", default="list", choices=list(ACTIONS))
        verb.add_argument("id", nargs="?", help="which one (for all but list)")
        verb.add_argument("--to", type=Path, help="export: the zip file (default: ID.zip)")
        verb.set_defaults(handle=_handle, kind=kind, usage=verb)


def _handle(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    if (options.action == "list") != (options.id is None):
        options.usage.error(f"{options.action} takes {'no' if options.id else 'an'} id")
    if options.kind == "runs":
        from gram_core.jobs import recover

        recover(workspace)  # runs that a killed process left as "running"
    ACTIONS[options.action](options, workspace, console)


def _list(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    rows = [_row(each) for each in workspace.list(options.kind)]
    if options.kind == "corpora":
        rows += _bundled_corpus()
    console.answer(rows, columns([_flat(row) for row in rows]))


def _show(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    if options.kind == "corpora" and options.id == "bundled" and (there := _bundled_corpus()):
        console.answer(there[0], _lines(there[0]))
        return
    row = _row(workspace.get(options.kind, options.id))
    if options.kind == "runs":
        from gram_core.runs import Run

        run = Run.open(workspace, options.id)
        metrics = run.metrics()
        row |= {"config": run.config, "status": run.status(), "last": metrics[-1:] or None}
    row["path"] = str(workspace.path(options.kind, options.id))
    console.answer(row, _lines(row))


def _delete(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    if options.kind == "runs":
        from gram_core.errors import GramError
        from gram_core.jobs import being_worked_on
        from gram_core.runs import Run

        if being_worked_on(Run.open(workspace, options.id)):
            raise GramError(f"Run {options.id!r} is being worked on: cancel it before deleting it.")
    workspace.delete(options.kind, options.id)
    console.answer({"deleted": options.id}, f"deleted {SINGULAR[options.kind]} {options.id}")


def _export(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    content = workspace.export(options.kind, options.id)
    target = options.to or Path(f"{options.id}.zip")
    target.write_bytes(content)
    answer = {"exported": options.id, "to": str(target), "bytes": len(content)}
    console.answer(answer, f"wrote {target} ({len(content):,} bytes)")


ACTIONS = {"list": _list, "show": _show, "delete": _delete, "export": _export}


def _row(artefact: Artefact) -> dict[str, Any]:
    row: dict[str, Any] = {"id": artefact.id, "created": artefact.created.isoformat("T", "seconds")}
    if artefact.kind == "runs":
        from gram_core.errors import GramError
        from gram_core.runs import Run

        try:
            row["state"] = Run(artefact.path).status()["state"]
        except GramError:
            row["state"] = "damaged"
    return {**row, "about": artefact.about}


def _bundled_corpus() -> list[dict[str, Any]]:
    from gram_core.corpus import BUNDLED

    there = any(BUNDLED.glob("*.parquet"))
    return [{"id": "bundled", "created": None, "about": {"source": str(BUNDLED)}}] if there else []


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row for people: of what the artefact says of itself, the short things."""
    about = row["about"]
    shown = [
        f"{key}={value}" for key, value in about.items() if isinstance(value, str | int | float)
    ]
    return {**row, "about": " ".join(shown)[:100]}


def _lines(value: Any, indent: str = "") -> str:
    """Nested values as indented lines."""
    if not isinstance(value, dict):
        return f"{indent}{value}"
    lines = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            lines += [f"{indent}{key}:", _lines(item, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {item}")
    return "\n".join(lines)
