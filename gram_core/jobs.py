"""Long work in the background of one process: progress, time left, cancel.

A job is a daemon thread that iterates the events of a run. All that anybody needs to know about
it lies in the run's folder, so that a page may be reloaded, left or closed at any time, and a
second process can look on. Whoever works on a run holds the lock file of its folder; a run that
calls itself running while nobody holds its lock was interrupted, and can be resumed.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from filelock import FileLock, Timeout

from gram_core.errors import GramError
from gram_core.events import Event
from gram_core.runs import Run, State
from gram_core.workspace import Workspace

Work = Callable[[Run], Iterator[Event]]

LIVE_STATES = ("queued", "running")
RESUMABLE_STATES = ("cancelled", "interrupted", "failed")
LOCK = ".lock"
DETAILS = "error.txt"


class Pace:
    """Seconds left, from an exponential average of the seconds that a step took.

    A new total, or a step that goes back, is a new stage: its pace is measured afresh. Stages of
    fewer than ten steps tell nothing: such steps are seldom alike.
    """

    def __init__(self, memory: float = 0.9, clock: Callable[[], float] = time.monotonic) -> None:
        self._memory, self._clock = memory, clock
        self._step, self._total = 0, 0
        self._since = clock()
        self._seconds: float | None = None

    def update(self, step: int, total: int) -> None:
        """Note that `step` of `total` is reached now."""
        now = self._clock()
        if total != self._total or step < self._step:
            self._seconds = None
        elif step > self._step:
            seconds = (now - self._since) / (step - self._step)
            memory = 0.0 if self._seconds is None else self._memory
            self._seconds = memory * (self._seconds or 0.0) + (1 - memory) * seconds
        else:
            return
        self._step, self._total, self._since = step, total, now

    def seconds_left(self) -> float | None:
        """What this stage still needs; None while there is nothing to tell it from."""
        if self._seconds is None or self._total < 10:
            return None
        rest = (self._total - self._step) * self._seconds
        return max(0.0, rest - (self._clock() - self._since))


@dataclass(frozen=True)
class Snapshot:
    """How a run stands at one moment."""

    run_id: str
    kind: str
    state: str
    step: int = 0
    total: int = 0
    message: str = ""
    seconds_left: float | None = None
    cancelling: bool = False

    @property
    def live(self) -> bool:
        """Whether somebody works on it or it waits for its turn."""
        return self.state in LIVE_STATES

    @property
    def fraction(self) -> float:
        """Done part, 0 to 1; 0 while the total is unknown."""
        return min(1.0, self.step / self.total) if self.total else 0.0


@dataclass
class Job:
    """One run being worked on by a thread of this process."""

    run: Run
    kind: str
    _work: Work
    _lock: FileLock
    _cancel: threading.Event = field(default_factory=threading.Event)
    _guard: threading.Lock = field(default_factory=threading.Lock)
    _pace: Pace = field(default_factory=Pace)
    _state: State = "queued"
    _step: int = 0
    _total: int = 0
    _message: str = "Waiting for its turn"
    _thread: threading.Thread | None = None
    result: Any = None

    def snapshot(self) -> Snapshot:
        """A consistent copy of where the job stands."""
        with self._guard:
            return Snapshot(
                self.run.id,
                self.kind,
                self._state,
                self._step,
                self._total,
                self._message,
                self._pace.seconds_left() if self._state == "running" else None,
                self._cancel.is_set() and self._state in LIVE_STATES,
            )

    def cancel(self) -> None:
        """Ask the work to end; it does so after the event that it is at."""
        self._cancel.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether the job was over within `timeout` seconds."""
        assert self._thread is not None
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def begin(self, slots: threading.Semaphore) -> None:
        """Start the thread, which works once one of `slots` is free."""
        self._note("queued", message=self._message)
        self._thread = threading.Thread(
            target=self._main, args=(slots,), name=f"job-{self.run.id}", daemon=True
        )
        self._thread.start()

    def _main(self, slots: threading.Semaphore) -> None:
        try:
            while not slots.acquire(timeout=0.1):
                if self._cancel.is_set():
                    self._note("cancelled", message="Cancelled before it began")
                    return
            try:
                self._iterate()
            finally:
                slots.release()
        finally:
            self._lock.release()

    def _iterate(self) -> None:
        self._note("running", message="Starting")
        events: Iterator[Event] | None = None
        try:
            events = self._work(self.run)
            written = 0.0
            for event in events:
                if event.values:
                    self.run.log({"step": event.step, **event.values})
                if event.kind == "result":
                    self.result = event.result
                    continue  # all is done: a cancel that comes now comes too late
                due = time.monotonic() - written > 0.2
                self._note("running", event.step, event.total, event.message, write=due)
                written = time.monotonic() if due else written
                if self._cancel.is_set():
                    self._note("cancelled", message="Cancelled")
                    return
            self._note("finished", self._total, self._total, "Finished")
        except GramError as error:
            self._fail(str(error))
        except Exception as error:
            self._fail(f"{type(error).__name__}: {error}", traceback.format_exc())
        finally:
            close = getattr(events, "close", None)
            if close is not None:
                close()

    def _fail(self, message: str, details: str = "") -> None:
        """Note the failure here in any case, and on the disk if it can still be written."""
        self._note("failed", message=message, write=False)
        with suppress(OSError, GramError):
            if details:
                (self.run.folder / DETAILS).write_text(details, encoding="utf-8")
            self._note("failed")

    def _note(
        self,
        state: State,
        step: int | None = None,
        total: int | None = None,
        message: str = "",
        write: bool = True,
    ) -> None:
        with self._guard:
            self._state = state
            self._step = self._step if step is None else step
            self._total = self._total if total is None else total
            self._message = message or self._message
            self._pace.update(self._step, self._total)
        if write:
            self.run.set_status(state, step=self._step, total=self._total, message=self._message)


class Jobs:
    """The jobs of this process; at most `workers` of them work at one time, the others wait."""

    def __init__(self, workers: int = 2) -> None:
        self._slots = threading.Semaphore(workers)
        self._jobs: dict[str, Job] = {}
        self._guard = threading.Lock()

    def start(self, run: Run, work: Work) -> Job:
        """Work on `run` in the background: iterate `work(run)`, keep its numbers in the run.

        Raises GramError where this or another process already works on the run.
        """
        lock = _lock(run)
        try:
            lock.acquire(timeout=1)
        except Timeout:
            raise GramError(
                f"Run {run.id!r} is being worked on already: wait for its end or cancel it first."
            ) from None
        job = Job(run, run.kind, work, lock)
        with self._guard:
            self._jobs[run.id] = job
        job.begin(self._slots)
        return job

    def get(self, run_id: str) -> Job | None:
        """The job of a run, if this process started it."""
        with self._guard:
            return self._jobs.get(run_id)

    def cancel(self, run_id: str) -> bool:
        """Ask a job to end after the step that it is at; whether there was one to ask."""
        job = self.get(run_id)
        if job is None or not job.snapshot().live:
            return False
        job.cancel()
        return True

    def live(self) -> list[Snapshot]:
        """The jobs of this process that work or wait, oldest first."""
        with self._guard:
            jobs = list(self._jobs.values())
        return [snapshot for job in jobs if (snapshot := job.snapshot()).live]

    def snapshot(self, run: Run) -> Snapshot:
        """How `run` stands, whether this process works on it, another one, or none."""
        job = self.get(run.id)
        own = None if job is None else job.snapshot()
        if own is not None and own.live:
            return own
        status = run.status()
        if own is not None and status["pid"] == os.getpid():  # else another went on with it
            return own
        return Snapshot(
            run.id, run.kind, status["state"], status["step"], status["total"], status["message"]
        )


def being_worked_on(run: Run) -> bool:
    """Whether this or another process holds the lock of `run`."""
    lock = _lock(run)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def recover(workspace: Workspace) -> list[str]:
    """Ids of the runs that a dead process left behind, now marked as interrupted."""
    found = []
    for artefact in workspace.list("runs"):
        run = Run(artefact.path)
        with suppress(GramError):  # a damaged status: nothing to go on from
            if run.status()["state"] in LIVE_STATES and _interrupt(run):
                found.append(run.id)
    return found


def _interrupt(run: Run) -> bool:
    """Mark a run as interrupted if nobody works on it and it does not say that it ended."""
    lock = _lock(run)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    try:  # whoever held the lock has said the last word before giving it back
        if run.status()["state"] not in LIVE_STATES:
            return False
        run.set_status("interrupted", message="The process that worked on it ended")
        return True
    finally:
        lock.release()


def _lock(run: Run) -> FileLock:
    return FileLock(run.folder / LOCK, thread_local=False)


JOBS = Jobs()
