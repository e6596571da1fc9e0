"""Pairs run in turns, and what their times say."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch
from torch import Tensor

from gram_core.events import Event

Results = Mapping[str, Tensor]
Work = Callable[[], Results]

#: The largest deviation, relative to the largest element, at which two results count as equal.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-10}


@dataclass(frozen=True)
class Case:
    """A pair to be measured: the engine's work and that of what it is held against.

    Both give results by name. `aim` is the speed-up other / engine that should be reached or, with
    `cost`, the most that engine / other should be. `compare` names the results that have to agree;
    None: all of them; empty: two sizes of one computation, where there is nothing to compare.
    `tolerance` None: that of the precision. `missing` says why the case cannot be measured here.
    """

    what: str
    against: str
    engine: Work
    other: Work
    aim: float | None = None
    cost: bool = False
    compare: tuple[str, ...] | None = None
    tolerance: float | None = None
    note: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Row:
    """What was measured of a case; without times where there was nothing to measure.

    Times are seconds of one call, pair by pair. `deviation` is the largest of all compared results,
    None where none were compared.
    """

    name: str
    what: str
    against: str
    aim: float | None = None
    cost: bool = False
    engine: tuple[float, ...] = ()
    other: tuple[float, ...] = ()
    deviation: float | None = None
    agrees: bool = True
    measurable: bool = True
    note: str = ""

    @property
    def ratios(self) -> tuple[float, ...]:
        """The ratio of every pair."""
        pairs = zip(self.engine, self.other, strict=True)
        return tuple(ours / theirs if self.cost else theirs / ours for ours, theirs in pairs)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values; the ratio is that of the medians' pairs."""
        about = {
            "name": self.name,
            "what": self.what,
            "against": self.against,
            "ratio_is": "engine / other" if self.cost else "other / engine",
            "aim": self.aim,
            "deviation": self.deviation,
            "agrees": self.agrees,
            "measurable": self.measurable,
            "note": self.note,
            "engine_seconds": list(self.engine),
            "other_seconds": list(self.other),
        }
        if not self.ratios:
            return about
        ratios = {"median": median(self.ratios), "min": min(self.ratios), "max": max(self.ratios)}
        return about | {"ratio": ratios}


@dataclass(frozen=True)
class Clock:
    """Seconds of one process: `now` is read before and after a call."""

    name: str
    now: Callable[[], float]


def clock(device: torch.device, threads: int) -> Clock:
    """Processor time where one thread works: it leaves out what other processes take.

    Else the time that passes, on a GPU after all its work is done.
    """
    if device.type == "cuda":

        def now() -> float:
            torch.cuda.synchronize(device)
            return time.perf_counter()

        return Clock("wall time, synchronised", now)
    if threads == 1:
        return Clock("process CPU time", time.process_time)
    return Clock("wall time", time.perf_counter)


def deviation(ours: Results, theirs: Results, names: Sequence[str] | None = None) -> float:
    """The largest difference of two results, relative to the largest element of the second.

    `names` None: all; both must have the same ones. 0 where there are none.
    """
    if names is None:
        if ours.keys() != theirs.keys():
            raise ValueError(f"results {sorted(ours)} and {sorted(theirs)} are not the same ones")
        names = list(ours)
    found = [_difference(ours[name], theirs[name]) for name in names]
    # max() would pass over what is not a number.
    return math.nan if any(map(math.isnan, found)) else max(found, default=0.0)


def _difference(ours: Tensor, theirs: Tensor) -> float:
    ours, theirs = ours.detach().double(), theirs.detach().double()
    if ours.shape != theirs.shape:
        raise ValueError(f"shapes {tuple(ours.shape)} and {tuple(theirs.shape)} are not the same")
    scale = float(theirs.abs().max())
    difference = float((ours - theirs).abs().max())
    return difference / scale if scale else difference


def compared(name: str, case: Case, dtype: torch.dtype) -> Row:
    """Runs both sides once and holds their results against each other; nothing is timed."""
    if case.missing:
        return Row(
            name, case.what, case.against, case.aim, case.cost, measurable=False, note=case.missing
        )
    ours, theirs = case.engine(), case.other()
    row = Row(name, case.what, case.against, case.aim, case.cost, note=case.note)
    if case.compare == ():
        return row
    found = deviation(ours, theirs, case.compare)
    limit = TOLERANCE[dtype] if case.tolerance is None else case.tolerance
    return replace(row, deviation=found, agrees=found <= limit)


def timed(work: Work, watch: Clock, least: float) -> float:
    """Seconds of one call: the mean of as many as take `least` seconds together."""
    start, calls = watch.now(), 0
    while True:
        work()
        calls += 1
        spent = watch.now() - start
        if spent >= least:
            return spent / calls


def measure(
    cases: Mapping[str, Case], repeats: int, watch: Clock, dtype: torch.dtype, least: float
) -> Iterator[Event]:
    """Compares the sides of all cases, then times them in `repeats` rounds over all cases.

    In a round the two sides of a case run one after the other, in the other order every second
    round, each for `least` seconds or more. Cases whose results differ are not timed. The result
    event carries the rows.
    """
    total = len(cases) * (1 + repeats)
    rows: dict[str, Row] = {}
    for name, case in cases.items():
        yield Event("progress", len(rows), total, f"comparing {name}")
        rows[name] = compared(name, case, dtype)
    for repeat in range(repeats):
        for place, (name, case) in enumerate(cases.items()):
            yield Event("progress", len(cases) * (1 + repeat) + place, total, f"timing {name}")
            if rows[name].agrees and rows[name].measurable:
                rows[name] = _with_pair(rows[name], case, watch, least, repeat % 2 == 1)
    yield Event("result", total, total, "measured", result=list(rows.values()))


def _with_pair(row: Row, case: Case, watch: Clock, least: float, other_first: bool) -> Row:
    if other_first:
        theirs = timed(case.other, watch, least)
        ours = timed(case.engine, watch, least)
    else:
        ours = timed(case.engine, watch, least)
        theirs = timed(case.other, watch, least)
    return replace(row, engine=(*row.engine, ours), other=(*row.other, theirs))
