"""What the pages share. A page begins with `ui.page("Its title")` and needs nothing else."""

from ui.frame import (
    PAGES,
    choose_backbone,
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
    "choose_backbone",
    "empty",
    "live",
    "page",
    "plain_errors",
    "preselect",
    "runs_of_kind",
    "state_line",
]
