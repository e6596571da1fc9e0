"""How numbers, times and states are said."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Literal

from gram_core.jobs import Snapshot
from gram_core.runs import Run

KIND_TITLES = {
    "cluster": "Clustering",
    "meta-train": "Meta-training",
    "few-shot": "Few-shot race",
    "adapt": "Adaptation",
    "evaluate": "Evaluation",
    "study": "Study",
    "demo": "Demo",
}
METHOD_NOTES = {
    "coop": "learns the words before the class name",
    "cocoop": "learns such words, and how each picture changes them",
    "language-deep": "learns words for every layer of the text tower",
    "vpt": "learns tokens beside the picture's patches",
    "vpt-deep": "learns such tokens for every layer of the image tower",
    "ivlp": "learns words and tokens; with GRAM this is UNIGRAM",
    "maple": "learns words for many layers, and how tokens for the picture follow from them",
    "tip-adapter-f": "lets your pictures vote, and tunes what they stand for",
}
BadgeColour = Literal["gray", "blue", "green", "red", "orange"]
STATE_BADGES: dict[str, tuple[BadgeColour, str]] = {
    "queued": ("gray", ":material/schedule:"),
    "running": ("blue", ":material/play_arrow:"),
    "finished": ("green", ":material/check:"),
    "failed": ("red", ":material/error:"),
    "cancelled": ("gray", ":material/block:"),
    "interrupted": ("orange", ":material/pause:"),
}


def escaped(text: str) -> str:
    """Text as Markdown that shows just that text, whatever a file's name is made of."""
    return re.sub(r"([\\`*_\[\]$<>~:|#])", r"\\\1", text)


def duration(seconds: float) -> str:
    """A length of time in one or two units: "45 s", "2 min 5 s", "1 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def ago(moment: datetime) -> str:
    """How long ago a moment was: "just now", "5 min ago", "3 days ago"."""
    seconds = (datetime.now(moment.tzinfo) - moment).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{round(seconds / 60)} min ago"
    if seconds < 48 * 3600:
        return f"{round(seconds / 3600)} h ago"
    return f"{round(seconds / 86400)} days ago"


def percent(share: float | None) -> str:
    """A share as "83.4 %", and "–" for what was not measured."""
    return "–" if share is None else f"{100 * share:.1f} %"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: "1 picture", "4,318 pictures"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def progress_text(job: Snapshot) -> str:
    """Where a live job stands, in one short line."""
    if job.cancelling:
        return "Stopping after this step"
    parts = [job.message]
    if job.state == "running" and job.total:
        parts.append(f"{job.step:,} / {job.total:,}")
        if job.seconds_left is not None:
            parts.append(f"{duration(job.seconds_left)} left")
    return " · ".join(part for part in parts if part)


def outcome_text(state: Snapshot, run: Run) -> str:
    """How a run ended: how long it took, or what went wrong."""
    if state.state != "finished":
        return state.message
    status = run.status()
    return f"{state.total:,} steps in {duration(status['updated'] - status['created'])}"
