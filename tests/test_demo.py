from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gram_core import demo as module
from gram_core.backbones import open_backbone
from gram_core.demo import Plan, demo
from gram_core.events import Event, finish
from gram_core.hierarchy import Hierarchy
from gram_core.runs import Run
from gram_core.workspace import Workspace

TASKS = {
    "steps": 2, "tasks": 2, "segment": 2, "batch": 4, "ways": 2, "unseen_ways": 2, "shots": 4,
    "queries": 2, "probe_every": 2, "probe_tasks": 2, "probe_steps": 2,
}  # fmt: skip


@pytest.mark.slow
def test_the_demo_tells_the_whole_story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(
        pairs=1500,
        meta={"coop": TASKS, "ivlp": TASKS},
        epochs={"zero-shot": 0, "tip-adapter-f": 1, "coop": 2, "ivlp": 1, "maple": 1},
        sets={"zero-shot": 2, "tip-adapter-f": 1, "coop": 2, "ivlp": 1, "maple": 1},
        seeds=1,
        shots=2,
        evaluate_at=(0,),
    )
    monkeypatch.setattr(module, "QUICK", plan)
    workspace = Workspace(tmp_path)
    run = Run.create(workspace, "demo", {"quick": True})

    report = finish(demo(workspace, run, quick=True))

    assert [row["contender"] for row in report["table"] if row["data"] == "kinds"] == [
        "zero-shot",
        "Tip-Adapter-F",
        "CoOp",
        "CoOp + clipping",
        "CoOp + ProGrad",
        "CoOp from GRAM's start, raw gradients",
        "CoOp + GRAM",
        "IVLP",
        "UNIGRAM",
        "MaPLe",
        "MaPLe + GRAM",
    ]
    assert {row["data"] for row in report["table"]} == {"kinds", "media", "all sets"}
    assert all(0 <= row["base"] <= 100 for row in report["table"])
    text = (run.folder / "demo.md").read_text()
    assert "leaves out Tip-Adapter, CoCoOp, Language-deep, VPT, VPT-deep and UNIGRAM" in text
    figures = {path.stem for path in (run.folder / "figures").glob("*.html")}
    assert {"topics", "meta-training-coop", "meta-training-ivlp", "scores-kinds"} <= figures
    kinds = sorted(each.about["kind"] for each in workspace.list("runs"))
    assert kinds == ["cluster", "demo", "meta-train", "meta-train"]

    # the tree is made once, unless the one that is there was made with other settings
    clustered: list[Run] = []

    def note(run: Run, *_: Any) -> Generator[Event, None, str]:
        clustered.append(run)
        yield Event("progress")
        return "fresh"

    monkeypatch.setattr(module, "_in_background", note)
    backbone = open_backbone("bundled")
    assert list(module._cluster(workspace, backbone, plan)) == []
    (made,) = workspace.list("hierarchies")
    found = Hierarchy.load(made.path)
    workspace.delete("hierarchies", made.id)
    replace(found, id="other", config=found.config | {"seed": 5}).store(workspace)
    assert list(module._cluster(workspace, backbone, plan)) == [Event("progress")]
    assert len(clustered) == 1
