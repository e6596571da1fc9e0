"""How the command line speaks: answers to standard output, progress to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from gram_core.errors import GramError
from gram_core.events import Event
from gram_core.jobs import DETAILS, JOBS, Work
from gram_core.runs import Run

MEASURED = "{desc} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} {elapsed}<{remaining}"
UNMEASURED = "{desc} {elapsed}"


class Console:
    """Shows progress and answers, for a person or as JSON."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def answer(self, value: Any, text: str) -> None:
        """Prints the outcome: `text`, or `value` as one JSON value."""
        print(json.dumps(value, indent=1, default=str) if self.as_json else text)

    def note(self, text: str) -> None:
        """Says something on the way that is no part of the answer."""
        print(text, file=sys.stderr)

    def follow(self, events: Iterable[Event]) -> Any:
        """The result of a piece of work, with a bar of its progress."""
        result = None
        with _Bar() as bar:
            for event in events:
                bar.show(event.step, event.total, event.message)
                result = event.result
        return result

    def work(self, run: Run, work: Work) -> Any:
        """Does the work of a run, which is kept as its status and metrics; gives the result.

        Interrupted, the run is left cancelled, to be resumed from its last checkpoint.
        Raises GramError with the reason where the run failed.
        """
        self.note(f"run {run.id}")
        (run.folder / DETAILS).unlink(missing_ok=True)
        job = JOBS.start(run, work)
        with _Bar() as bar:
            try:
                while not job.wait(0.2):
                    now = job.snapshot()
                    bar.show(now.step, now.total, now.message)
            except KeyboardInterrupt:
                job.cancel()
                job.wait()
                raise
            now = job.snapshot()
            bar.show(now.step, now.total, now.message)
        if now.state != "finished":
            if (run.folder / DETAILS).is_file():
                raise RuntimeError((run.folder / DETAILS).read_text(encoding="utf-8"))
            raise GramError(now.message)
        return job.result


class _Bar:
    """A bar on standard error that starts anew with each stage (its total tells stages apart)."""

    def __enter__(self) -> _Bar:
        from tqdm import tqdm

        self._bar = tqdm(file=sys.stderr, dynamic_ncols=True, leave=False, total=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, step: int, total: int, message: str) -> None:
        bar = self._bar
        if total != bar.total or step < bar.n:
            bar.reset()
            bar.total = total
        bar.n = step
        bar.bar_format = MEASURED if total else UNMEASURED
        bar.set_description_str(message[:60], refresh=False)
        bar.refresh()


def columns(rows: list[dict[str, Any]]) -> str:
    """Rows as aligned text columns under the names of their keys."""
    if not rows:
        return "(none)"
    table = [list(rows[0]), *([_short(row.get(key)) for key in rows[0]] for row in rows)]
    widths = [max(len(line[place]) for line in table) for place in range(len(table[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )


def _short(value: Any) -> str:
    return "" if value is None else str(value)
