"""`hierarchies`, `edit`, `tasks`: from a clustered corpus to corrected topics, tasks and files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pyarrow import parquet

from gram_core.backbones import Backbone
from gram_core.cli import build_parser, main
from gram_core.corpus import open_corpus
from gram_core.hierarchy import Hierarchy
from gram_core.workspace import Workspace
from tests.test_cli import PAIRS, WORDS, store_hierarchy, write_pairs

Call = Callable[..., Any]


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_backbone: Backbone) -> Call:
    """A function `(*words, status=0) -> JSON, or the error` in a workspace with one hierarchy."""

    def run(*words: object, status: int = 0) -> Any:
        where = ["--json", "--workspace", str(tmp_path / "workspace")]
        assert main([*map(str, words), *where]) == status, capsys.readouterr().err
        said = capsys.readouterr()
        return json.loads(said.out) if status == 0 else said.err

    run("ingest", write_pairs(tmp_path / "pairs"), "--corpus", "farm")
    store_hierarchy(Workspace(tmp_path / "workspace"), tiny_backbone, "farm")
    return run


def test_edits_are_told_and_taken_back(call: Call, tmp_path: Path) -> None:
    renamed = call("edit", "farm", "rename", "dog", "hound")
    assert renamed["edit"]["said"] == "renamed dog to hound"
    merged = call("edit", "farm", "merge", 0, "cat", "--word", "pets")  # the newest one: renamed
    assert merged["parent"] == renamed["hierarchy"]
    moved = call("edit", "farm", "move", "pets", 1, "--to", "horse")
    workspace = Workspace(tmp_path / "workspace")
    before, after = (Hierarchy.open(workspace, each["hierarchy"]) for each in (merged, moved))
    assert len(after.topics[1]) == PAIRS + len(before.topics[0].domains[0])
    told = [step["done"] for step in call("hierarchies", "history", "farm")]
    assert told == [
        "clustered",
        "renamed dog to hound",
        "merged hound and cat as pets",
        "moved domain 1 of pets to horse",
    ]
    back = call("edit", "farm", "undo")
    assert back["edit"]["said"].endswith(told[-1])
    words = [topic["word"] for topic in call("hierarchies", "show", back["hierarchy"])["topics"]]
    assert words == ["pets", *WORDS[2:]]
    listed = call("hierarchies")
    assert [row["made by"] for row in listed[:2]] == [back["edit"]["said"], told[-1]]
    call("hierarchies", "delete", back["hierarchy"])
    assert len(call("hierarchies", "list")) == len(listed) - 1


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["rename", "whale", "fish"], "no topic 'whale'"),
        (["rename", "dog", "Cats"], "name of topic 1"),
        (["move", "dog", "4", "--to", "cat"], "no visual domain 4: it has 3"),
        (["drop", "\u00b2"], "no topic"),  # a digit, and no number
        (["drop", "8"], "they are 0 (dog) to 7 (bridge)"),
        (["undo"], "nothing to undo"),
    ],
)
def test_edits_that_cannot_be(words: list[str], reason: str, call: Call) -> None:
    assert reason in call("edit", "by-hand", *words, status=2)
    assert len(call("hierarchies")) == 1


def test_tasks_are_shown_and_counted(call: Call, tmp_path: Path) -> None:
    sheet = tmp_path / "task.png"
    small = "--ways 3 --unseen-ways 2 --shots 4 --queries 3 --exclude cows".split()
    answer = call("tasks", "farm", *small, "--count", 2, "--sheet", sheet)
    assert answer["statistics"]["left_out"] == {"cow": "its word is excluded"}
    assert "3 + 2 classes" in answer["statistics"]["in_words"]
    first, second = answer["tasks"]
    assert first != second
    assert answer == call("tasks", "farm", *small, "--count", 2)
    for name, support in zip(first["seen"], first["support"], strict=True):
        domain = [pair // (PAIRS // 3) for pair in support]
        assert len(support) == 4
        assert set(domain) == {domain[0]}, "of one domain"
        assert WORDS[support[0] // PAIRS] == name
    with Image.open(sheet) as drawn:
        drawn.load()
        assert drawn.height > 5 * 60
    assert "not 'a.gif'" in call("tasks", "farm", "--sheet", "a.gif", status=2)
    assert "count is at least 1" in call("tasks", "farm", "--count", 0, status=2)


def test_exports_in_every_form(call: Call, tmp_path: Path) -> None:
    pairs = len(WORDS) * PAIRS
    for form, name in (("parquet", "a.parquet"), ("atlas", "b.parquet")):
        call("hierarchies", "export", "farm", "--as", form, "--to", tmp_path / name)
        assert parquet.read_metadata(tmp_path / name).num_rows == pairs
    call("hierarchies", "export", "farm", "--as", "csv", "--to", tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().count("\n") == pairs + 1
    call("hierarchies", "export", "farm", "--to", tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_bytes()[:2] == b"PK"
    folder = tmp_path / "folders"
    call("hierarchies", "export", "by-hand", "--as", "folders", "--to", folder)
    call("ingest", folder, "--corpus", "again")
    workspace = Workspace(tmp_path / "workspace")
    assert open_corpus(workspace, "again").captions == open_corpus(workspace, "farm").captions
    refused = call("hierarchies", "export", "farm", "--as", "csv", "--to", "a.txt", status=2)
    assert "'a.txt'" in refused


def test_common_options_may_come_before_or_after_the_correction() -> None:
    before = build_parser().parse_args(["edit", "--workspace", "w", "--json", "farm", "undo"])
    after = build_parser().parse_args(["edit", "farm", "undo", "--workspace", "w", "--json"])
    assert vars(before) == vars(after)
    assert (before.workspace, before.json) == ("w", True)
    assert build_parser().parse_args(["edit", "farm", "undo"]).workspace is None


def test_settings_may_come_in_several_pieces() -> None:
    words = ["cluster", "farm", "--set", "drop=0", "--set", "components=3", "seed=1"]
    assert build_parser().parse_args(words).settings == ["drop=0", "components=3", "seed=1"]
    assert build_parser().parse_args(words[:2]).settings == []
