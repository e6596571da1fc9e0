"""What the pages share. A page begins with `ui.page("Its title")` and needs nothing else."""

from ui.frame import (
    PAGES,
    empty,
    live,
    page,
    plain_errors,
    preselect,
    runs_of_kind,
    state_line,
)

__all__ = [
    "PAGES",
    "empty",
    "live",
    "page",
    "plain_errors",
    "preselect",
    "runs_of_kind",
    "state_line",
]
