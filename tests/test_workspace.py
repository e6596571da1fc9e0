"""A workspace keeps whole artefacts, refuses what is no name, and answers threads rightly."""

from __future__ import annotations

import io
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest

from gram_core.errors import GramError
from gram_core.workspace import KINDS, Workspace, new_id


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def put(workspace: Workspace, id: str, text: str = "x", kind: str = "classifiers") -> Path:
    with workspace.create(kind, id, {"text": text}) as folder:
        (folder / "file.txt").write_text(text)
    return workspace.path(kind, id)


def test_an_artefact_is_there_with_its_files_and_what_it_says_of_itself(
    workspace: Workspace,
) -> None:
    path = put(workspace, "one", "hello")
    assert (path / "file.txt").read_text() == "hello"
    artefact = workspace.get("classifiers", "one")
    assert (artefact.id, artefact.kind, artefact.about) == ("one", "classifiers", {"text": "hello"})


def test_nothing_is_to_be_seen_before_the_end_nor_after_a_failure(workspace: Workspace) -> None:
    with workspace.create("runs", "half") as folder:
        (folder / "file").touch()
        assert workspace.list("runs") == []
        assert not workspace.exists("runs", "half")
        assert folder.name == "half"
    assert workspace.exists("runs", "half")
    with pytest.raises(RuntimeError), workspace.create("runs", "broken"):
        raise RuntimeError
    assert [artefact.id for artefact in workspace.list("runs")] == ["half"]
    assert [entry.name for entry in (workspace.root / "runs").iterdir()] == ["half"]


def test_about_may_grow_until_the_block_ends(workspace: Workspace) -> None:
    about: dict[str, object] = {}
    with workspace.create("runs", "late", about):
        about["pairs"] = 3
    assert workspace.get("runs", "late").about == {"pairs": 3}


def test_the_newest_come_first(workspace: Workspace) -> None:
    for id in ("b", "c", "a"):
        put(workspace, id)
    assert [artefact.id for artefact in workspace.list("classifiers")] == ["a", "c", "b"]


def test_a_kept_draft_is_found_again_after_an_interruption(workspace: Workspace) -> None:
    interrupted = workspace.create("corpora", "c", keep=True)
    folder = interrupted.__enter__()
    (folder / "part").write_text("first")
    (folder.parent / "beside").touch()
    interrupted.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert workspace.list("corpora") == []
    with workspace.create("corpora", "c", keep=True) as folder:
        assert (folder / "part").read_text() == "first"
        assert (folder.parent / "beside").exists()
        with (
            pytest.raises(GramError, match="corpus 'c' is being made"),
            workspace.create("corpora", "c", keep=True),
        ):
            pass
    assert {path.name for path in workspace.path("corpora", "c").iterdir()} == {
        "about.json",
        "part",
    }
    assert [entry.name for entry in (workspace.root / "corpora").iterdir()] == ["c"]


def test_a_kept_draft_that_is_refused_is_removed(workspace: Workspace) -> None:
    with pytest.raises(GramError, match="no"), workspace.create("corpora", "c", keep=True):
        raise GramError("no")
    assert list((workspace.root / "corpora").iterdir()) == []


def test_drafts_of_killed_processes_are_removed_after_a_day(workspace: Workspace) -> None:
    old, new, kept = (
        workspace.root / "runs" / name for name in (".draft-1", ".draft-2", ".kept-a")
    )
    for folder in (old, new, kept):
        (folder / "x").mkdir(parents=True)
    for folder in (old, kept):
        os.utime(folder, (0, 0))
    put(workspace, "one", kind="runs")
    assert {entry.name for entry in (workspace.root / "runs").iterdir()} == {
        ".draft-2",
        ".kept-a",
        "one",
    }


def test_a_name_is_given_once(workspace: Workspace) -> None:
    put(workspace, "one", "first")
    with pytest.raises(GramError, match="already a classifier 'one'"):
        put(workspace, "one", "second")
    assert (workspace.path("classifiers", "one") / "file.txt").read_text() == "first"


def test_two_writers_of_one_name_leave_the_first_whole(workspace: Workspace) -> None:
    late = workspace.create("runs", "same")
    (late.__enter__() / "file.txt").write_text("late")
    put(workspace, "same", "early", kind="runs")
    with pytest.raises(GramError, match="already"):
        late.__exit__(None, None, None)
    assert (workspace.path("runs", "same") / "file.txt").read_text() == "early"


@pytest.mark.parametrize("id", ["", "..", "../x", "a/b", "A", "a b", "-a", ".a", "ä", "a" * 101])
def test_ids_that_could_lead_elsewhere_are_refused(workspace: Workspace, id: str) -> None:
    for use in (workspace.path, workspace.delete, workspace.export, workspace.cache):
        with pytest.raises(GramError, match="cannot be used"):
            use("runs", id)
    with pytest.raises(GramError, match="cannot be used"), workspace.create("runs", id):
        pass


def test_another_kind_is_refused(workspace: Workspace) -> None:
    with pytest.raises(GramError, match="corpora, hierarchies, runs, classifiers"):
        workspace.list("../x")


def test_who_asks_for_what_is_not_there_is_told_what_is(workspace: Workspace) -> None:
    with pytest.raises(GramError, match=r"no classifier 'two'.*holds no classifiers yet"):
        workspace.path("classifiers", "two")
    put(workspace, "one")
    with pytest.raises(GramError, match=r"no classifier 'two'.*newest are: one"):
        workspace.path("classifiers", "two")


def test_deleting_takes_the_cache_along(workspace: Workspace) -> None:
    put(workspace, "one", kind="corpora")
    cache = workspace.cache("corpora", "one")
    cache.mkdir(parents=True)
    workspace.delete("corpora", "one")
    assert not cache.exists()
    assert list((workspace.root / "corpora").iterdir()) == []
    with pytest.raises(GramError, match="no corpus 'one'"):
        workspace.delete("corpora", "one")


def test_an_export_is_a_zip_of_the_files(workspace: Workspace) -> None:
    put(workspace, "one", "hello")
    with zipfile.ZipFile(io.BytesIO(workspace.export("classifiers", "one"))) as archive:
        assert set(archive.namelist()) == {"one/about.json", "one/file.txt"}
        assert archive.read("one/file.txt") == b"hello"


def test_a_damaged_about_is_listed_and_can_be_deleted(workspace: Workspace) -> None:
    (put(workspace, "one") / "about.json").write_text('{"id"')
    [artefact] = workspace.list("classifiers")
    assert "cannot be read" in artefact.about["problem"]
    workspace.delete("classifiers", "one")
    assert workspace.list("classifiers") == []


def test_every_kind_begins_empty(workspace: Workspace) -> None:
    assert [workspace.list(kind) for kind in KINDS] == [[], [], [], []]
    assert not workspace.root.exists()


def test_the_root_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAM_WORKSPACE", str(tmp_path / "elsewhere"))
    assert Workspace().root == tmp_path / "elsewhere"
    monkeypatch.delenv("GRAM_WORKSPACE")
    monkeypatch.chdir(tmp_path)
    assert Workspace().root == tmp_path / "workspace"


def test_new_ids_differ_and_can_be_used(workspace: Workspace) -> None:
    ids = {new_id("Meta train", "Ünïcode!/..", "x" * 200) for _ in range(20)}
    assert len(ids) == 20
    for id in ids:
        assert not workspace.exists("runs", id)


def test_duckdb_reads_files_of_the_workspace_by_relative_names(workspace: Workspace) -> None:
    pd.DataFrame({"a": [1, 2, 3]}).to_parquet(put(workspace, "one") / "table.parquet")
    sql = "SELECT sum(a) AS total FROM read_parquet(?) WHERE a > ?"
    answer = workspace.query(sql, ["classifiers/one/table.parquet", 1])
    assert answer["total"].tolist() == [5]


def test_threads_get_their_own_answers(workspace: Workspace) -> None:
    def ask(number: int) -> int:
        frame = workspace.query("SELECT sum(i) AS s FROM range(?) t(i)", [number])
        return int(frame["s"].iloc[0])

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(1, 201)))
    assert answers == [number * (number - 1) // 2 for number in range(1, 201)]
