"""Long work is a generator of events; whoever started it decides what to do with them."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

EventKind = Literal["progress", "metric", "checkpoint", "result"]


@dataclass(frozen=True)
class Event:
    """One thing that happened in a long piece of work.

    `step` of `total` says how far the work is (0 of 0: unknown), `values` are the numbers worth
    plotting, and the last event of any work has kind `"result"` and carries its outcome.
    """

    kind: EventKind
    step: int = 0
    total: int = 0
    message: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    result: Any = None


def finish(events: Iterable[Event]) -> Any:
    """The outcome of a piece of work, run to its end.

    Raises RuntimeError if the work ends without a result.
    """
    for event in events:
        if event.kind == "result":
            return event.result
    raise RuntimeError("the work ended without a result event")


def pass_on(events: Iterable[Event]) -> Generator[Event, None, Any]:
    """Passes on all events but the last, and returns its result: `x = yield from pass_on(work)`.

    Raises RuntimeError if the work ends without a result.
    """
    for event in events:
        if event.kind == "result":
            return event.result
        yield event
    raise RuntimeError("the work ended without a result event")
