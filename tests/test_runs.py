"""A run survives a kill: torn lines, half-written checkpoints and damaged ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gram_core.errors import GramError
from gram_core.runs import Run
from gram_core.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.fixture
def run(workspace: Workspace) -> Run:
    return Run.create(workspace, "meta-train", {"steps": 3}, name="coop")


def test_a_run_opens_as_it_was_created(workspace: Workspace, run: Run) -> None:
    again = Run.open(workspace, run.id)
    assert again.config == {"steps": 3}
    assert again.kind == "meta-train"
    assert again.id.startswith("meta-train-coop-")
    assert again.status()["state"] == "queued"
    assert again.metrics() == []
    assert again.latest_checkpoint() is None
    assert workspace.get("runs", run.id).about == {"kind": "meta-train", "name": "coop"}


def test_metrics_are_plain_numbers_that_duckdb_reads(workspace: Workspace, run: Run) -> None:
    run.log({"step": 1, "loss": torch.tensor(0.5), "parts": np.array([1.0, np.nan])})
    run.log({"step": 2, "loss": float("inf")})
    assert run.metrics() == [
        {"step": 1, "loss": 0.5, "parts": [1.0, None]},
        {"step": 2, "loss": None},
    ]
    sql = "SELECT step, loss FROM read_json(?) ORDER BY step"
    answer = workspace.query(sql, [str(run.folder / "metrics.jsonl")])
    assert answer["step"].tolist() == [1, 2]


def test_a_torn_line_is_left_out_and_not_written_on(run: Run) -> None:
    run.log({"step": 1})
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    assert run.metrics() == [{"step": 1}]
    run.log({"step": 3})
    assert run.metrics() == [{"step": 1}, {"step": 3}]


def test_rewinding_forgets_what_comes_after_a_step(run: Run) -> None:
    for step in range(1, 6):
        run.log({"step": step, "loss": step / 2})
    run.rewind(3)
    assert [row["step"] for row in run.metrics()] == [1, 2, 3]


def test_a_status_keeps_what_is_not_said_anew(run: Run) -> None:
    run.set_status("running", step=1, total=9, started=5.0)
    run.set_status(step=2, message="on the way")
    status = run.status()
    assert status["state"] == "running"
    assert (status["step"], status["total"], status["started"]) == (2, 9, 5.0)
    assert status["message"] == "on the way"
    assert status["updated"] >= status["created"]


def test_an_unknown_state_is_refused(run: Run) -> None:
    with pytest.raises(GramError, match="queued, running"):
        run.set_status("sleeping")  # type: ignore[arg-type]


def test_a_checkpoint_comes_back_bit_by_bit(run: Run) -> None:
    shared = torch.randn(4, 3, dtype=torch.float64)
    tensors = {
        "text.context": shared[:2],
        "turned": shared.T,
        "generator": torch.get_rng_state(),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    state = {"numpy": np.random.default_rng(1).bit_generator.state, "best": None}
    run.save_checkpoint(25, tensors, state)
    latest = run.latest_checkpoint()
    assert latest is not None
    step, loaded, loaded_state = latest
    assert step == 25
    assert loaded_state == json.loads(json.dumps(state))
    assert loaded.keys() == tensors.keys()
    for key, tensor in tensors.items():
        assert torch.equal(loaded[key], tensor)
        assert loaded[key].dtype == tensor.dtype


def test_the_last_two_checkpoints_are_kept(run: Run) -> None:
    for step in (9, 10, 100):
        run.save_checkpoint(step, {"x": torch.tensor([float(step)])}, {})
    assert [path.stem for path in run.checkpoints()] == ["step-00000010", "step-00000100"]
    latest = run.latest_checkpoint()
    assert latest is not None
    assert latest[0] == 100


def test_a_damaged_checkpoint_gives_way_to_the_one_before(run: Run) -> None:
    for step in (1, 2):
        run.save_checkpoint(step, {"x": torch.tensor([float(step)])}, {"at": step})
    newest = run.checkpoints()[-1]
    newest.write_bytes(newest.read_bytes()[:-2])
    (run.folder / "checkpoints" / "step-00000003.draft").write_bytes(b"killed on the way")
    latest = run.latest_checkpoint()
    assert latest is not None
    step, tensors, state = latest
    assert (step, tensors["x"].item(), state) == (1, 1.0, {"at": 1})


def test_a_run_that_lost_its_files_says_so(run: Run) -> None:
    (run.folder / "config.json").unlink()
    with pytest.raises(GramError, match=r"config\.json cannot be read"):
        _ = run.config
