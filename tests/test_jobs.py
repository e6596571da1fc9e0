"""Jobs: what a run keeps of its events, cancel, queueing, failure, and runs left behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gram_core.errors import GramError
from gram_core.events import Event
from gram_core.jobs import DETAILS, Jobs, Pace, being_worked_on, recover
from gram_core.runs import Run
from gram_core.workspace import Workspace, write_json


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return Run.create(workspace, "trial", {})


def counting(steps: int) -> Iterator[Event]:
    for step in range(1, steps + 1):
        yield Event("metric", step, steps, f"step {step}", {"loss": 1 / step})
    yield Event("result", steps, steps, result="outcome")


def test_a_finished_job_leaves_its_numbers_and_its_state_in_the_run(run: Run) -> None:
    job = Jobs().start(run, lambda _: counting(3))
    assert job.wait(10)
    assert job.result == "outcome"
    assert [row["step"] for row in run.metrics()] == [1, 2, 3]
    assert run.metrics()[-1]["loss"] == pytest.approx(1 / 3)
    status = run.status()
    assert (status["state"], status["step"], status["total"]) == ("finished", 3, 3)
    assert not being_worked_on(run)


def test_cancel_ends_the_work_after_the_event_it_is_at(run: Run) -> None:
    at_two, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def work(_: Run) -> Iterator[Event]:
        try:
            for event in counting(100):
                if event.step == 2:
                    at_two.set()
                    assert go_on.wait(10)
                yield event
        finally:
            closed.set()

    jobs = Jobs()
    job = jobs.start(run, work)
    assert at_two.wait(10)
    assert jobs.cancel(run.id)
    assert job.snapshot().cancelling
    go_on.set()
    assert job.wait(10)
    assert closed.is_set()
    assert run.status()["state"] == "cancelled"
    assert [row["step"] for row in run.metrics()] == [1, 2]
    assert not jobs.cancel(run.id), "there is nothing left to cancel"


def test_a_person_s_mistake_is_told_in_its_own_words(run: Run) -> None:
    def work(_: Run) -> Iterator[Event]:
        yield Event("progress", 1, 2)
        raise GramError("Give at least two classes.")

    Jobs().start(run, work).wait(10)
    assert run.status()["state"] == "failed"
    assert run.status()["message"] == "Give at least two classes."
    assert not (run.folder / DETAILS).exists()


def test_a_failure_keeps_its_details_and_frees_the_run(run: Run) -> None:
    def work(_: Run) -> Iterator[Event]:
        yield Event("progress", 1, 2)
        raise KeyError("weights")

    jobs = Jobs()
    jobs.start(run, work).wait(10)
    assert run.status()["state"] == "failed"
    assert "KeyError" in (run.folder / DETAILS).read_text(encoding="utf-8")
    assert jobs.start(run, lambda _: counting(1)).wait(10)
    assert run.status()["state"] == "finished"


def test_a_cancel_after_the_result_comes_too_late(run: Run) -> None:
    last, go_on = threading.Event(), threading.Event()

    def work(_: Run) -> Iterator[Event]:
        yield Event("result", 1, 1, result="outcome")
        last.set()
        assert go_on.wait(10)

    jobs = Jobs()
    job = jobs.start(run, work)
    assert last.wait(10)
    assert jobs.cancel(run.id)
    go_on.set()
    assert job.wait(10)
    assert (run.status()["state"], job.result) == ("finished", "outcome")


def test_a_job_whose_folder_is_gone_has_failed_and_is_no_longer_live(run: Run) -> None:
    def work(_: Run) -> Iterator[Event]:
        shutil.rmtree(run.folder)
        yield Event("metric", 1, 2, "nowhere to write this", {"loss": 1.0})

    jobs = Jobs()
    job = jobs.start(run, work)
    assert job.wait(10)
    assert job.snapshot().state == "failed"
    assert jobs.live() == []


def test_what_another_process_made_of_a_run_counts(run: Run) -> None:
    def work(_: Run) -> Iterator[Event]:
        yield Event("progress", 1, 2)
        raise GramError("Give at least two classes.")

    jobs = Jobs()
    jobs.start(run, work).wait(10)
    assert jobs.snapshot(run).state == "failed"
    program = """
import sys
from pathlib import Path
from gram_core.runs import Run
Run(Path(sys.argv[1])).set_status("finished")
"""
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", program, str(run.folder)], check=True, cwd=root)
    assert jobs.snapshot(run).state == "finished"


def test_recovery_leaves_a_run_alone_that_ends_while_it_looks(
    run: Run, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.set_status("running")
    status = Run.status
    ended: list[str] = []

    def first_look(self: Run) -> dict[str, Any]:
        seen = status(self)
        if not ended:
            ended.append(self.id)
            write_json(self.folder / "status.json", seen | {"state": "finished"})
        return seen

    monkeypatch.setattr(Run, "status", first_look)
    assert recover(workspace) == []
    assert status(run)["state"] == "finished"


def test_one_worker_leaves_the_second_job_waiting(workspace: Workspace) -> None:
    first, second = (Run.create(workspace, "trial", {}, name) for name in ("a", "b"))
    go_on = threading.Event()

    def slow(_: Run) -> Iterator[Event]:
        yield Event("progress", 1, 2)
        assert go_on.wait(10)
        yield Event("result", 2, 2)

    jobs = Jobs(workers=1)
    one = jobs.start(first, slow)
    while one.snapshot().step < 1:
        pass
    two = jobs.start(second, lambda _: counting(1))
    assert [snapshot.state for snapshot in jobs.live()] == ["running", "queued"]
    go_on.set()
    assert one.wait(10)
    assert two.wait(10)
    assert second.status()["state"] == "finished"
    assert jobs.live() == []


def test_a_waiting_job_can_be_cancelled(workspace: Workspace) -> None:
    first, second = (Run.create(workspace, "trial", {}, name) for name in ("a", "b"))
    go_on = threading.Event()

    def slow(_: Run) -> Iterator[Event]:
        yield Event("progress", 1, 2)
        assert go_on.wait(10)
        yield Event("result", 2, 2)

    jobs = Jobs(workers=1)
    one = jobs.start(first, slow)
    while one.snapshot().step < 1:
        pass
    two = jobs.start(second, lambda _: counting(1))
    jobs.cancel(second.id)
    assert two.wait(10)
    assert second.status()["state"] == "cancelled"
    go_on.set()
    assert one.wait(10)


def test_a_run_is_worked_on_once_at_a_time(run: Run) -> None:
    go_on = threading.Event()

    def slow(_: Run) -> Iterator[Event]:
        yield Event("progress", 1, 2)
        assert go_on.wait(10)
        yield Event("result", 2, 2)

    job = Jobs().start(run, slow)
    assert being_worked_on(run)
    with pytest.raises(GramError, match="being worked on"):
        Jobs().start(run, slow)
    go_on.set()
    assert job.wait(10)


def test_runs_of_a_dead_process_become_interrupted_and_those_of_a_living_one_do_not(
    workspace: Workspace,
) -> None:
    program = """
import sys, time
from gram_core.events import Event
from gram_core.jobs import Jobs
from gram_core.runs import Run
from gram_core.workspace import Workspace
run = Run.create(Workspace(sys.argv[1]), "trial", {})
def work(_):
    yield Event("metric", 1, 9, "at work", {"loss": 1.0})
    print(run.id, flush=True)
    time.sleep(60)
    yield Event("result")
Jobs().start(run, work).wait()
"""
    root = str(Path(__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(workspace.root)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    )
    assert process.stdout is not None
    run = Run.open(workspace, process.stdout.readline().strip())
    assert recover(workspace) == []
    assert run.status()["state"] == "running"
    process.kill()
    process.wait()
    process.stdout.close()
    assert recover(workspace) == [run.id]
    assert run.status()["state"] == "interrupted"
    assert run.metrics()[0]["loss"] == 1.0
    assert recover(workspace) == []


def test_pace_tells_the_time_left_and_starts_afresh_at_a_new_stage() -> None:
    now = [0.0]
    pace = Pace(clock=lambda: now[0])
    pace.update(0, 10)
    assert pace.seconds_left() is None
    for step in range(1, 5):
        now[0] += 2.0
        pace.update(step, 10)
    assert pace.seconds_left() == pytest.approx(12.0)
    now[0] += 1.0
    assert pace.seconds_left() == pytest.approx(11.0)
    pace.update(0, 500)
    assert pace.seconds_left() is None
