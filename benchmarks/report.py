"""What was measured as a table for people and as plain values for machines."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.measure import Row
from benchmarks.memory import Peak

HEAD = ("row", "engine", "against", "ratio", "pairs", "aim", "ms", "ms, other", "deviation")
MEMORY_HEAD = ("row", "what", "before, MiB", "peak, MiB", "above, MiB")


def table(rows: Sequence[Row]) -> str:
    """A Markdown table of what was measured, and below it what has to be said of single rows."""
    lines = [_cells(row) for row in rows]
    notes = [f"- {row.name}: {row.note}" for row in rows if row.note]
    return "\n".join([markdown(HEAD, lines), *(["", *notes] if notes else [])])


def memory_table(peaks: Sequence[Peak]) -> str:
    """A Markdown table of peaks of resident memory."""
    lines = [
        (
            peak.name,
            peak.what,
            *(f"{size:.0f}" for size in (peak.before, peak.peak, peak.peak - peak.before)),
        )
        for peak in peaks
    ]
    return markdown(MEMORY_HEAD, lines)


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Rows of text under a head, as Markdown with aligned columns."""
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in (head, rule, *lines)
    )


def _cells(row: Row) -> tuple[str, ...]:
    about = (row.name, row.what, row.against)
    aim = "" if row.aim is None else f"{'≤' if row.cost else '≥'} {row.aim:g}"
    differs = "" if row.deviation is None else f"{row.deviation:.0e}"
    if not row.agrees:
        return (*about, "not timed", "the results differ", aim, "", "", differs)
    if not row.ratios:
        return (*about, "not measured", "", aim, "", "", differs)
    low, high = min(row.ratios), max(row.ratios)
    cost = "cost " if row.cost else ""
    ratio = f"{cost}{_digits(median(row.ratios))} [{_digits(low)}..{_digits(high)}]"
    ours, theirs = (f"{1000 * median(times):.0f}" for times in (row.engine, row.other))
    return (*about, ratio, str(len(row.ratios)), aim, ours, theirs, differs)


def _digits(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.3g}"


def machine() -> dict[str, Any]:
    """What the times depend on besides the code."""
    return {
        "processor": _processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def _processor() -> str:
    """The processor's name and kind, as well as this system tells."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        fields = dict(
            line.split(":", 1)
            for line in listing.read_text(encoding="utf-8").split("\n\n")[0].splitlines()
            if ":" in line
        )
        about = {key.strip(): value.strip() for key, value in fields.items()}
        names = [about[key] for key in ("vendor_id", "model name") if key in about]
        numbers = [f"{key} {about[key]}" for key in ("cpu family", "model") if key in about]
        if names:
            return ", ".join([*names, *numbers])
    return platform.processor() or platform.machine()
