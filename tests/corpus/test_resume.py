"""Killed work goes on where it was, does nothing twice, and ends in the same files."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gram_core.backbones import Backbone
from gram_core.corpus import Corpus, IngestConfig, embed, embedding, ingest, parts
from gram_core.corpus.pictures import Kept, keep_picture
from gram_core.errors import GramError
from gram_core.events import finish
from gram_core.workspace import Workspace

TakeIn = Callable[..., Corpus]
RECORDS, PART = 70, 16
KILLED = """
import os, signal, sys
from importlib import import_module
from itertools import count
from gram_core.events import finish
from gram_core.workspace import Workspace

module, name, call, *words = sys.argv[1:]
owner = import_module(module)
*path, name = name.split(".")
for each in path:
    owner = getattr(owner, each)
true, calls = getattr(owner, name), count(1)

def last(*arguments, **options):
    if next(calls) == int(call):
        os.kill(os.getpid(), signal.SIGKILL)
    return true(*arguments, **options)

setattr(owner, name, last)
"""
INGEST = """
from gram_core.corpus import ingest, parts
parts.PART = 16
sys.modules["gram_core.corpus.ingest"].AHEAD = 4
finish(ingest(words[0], Workspace(words[1]), "killed"))
"""
EMBED = """
from gram_core.backbones import open_backbone
from gram_core.corpus import embed, embedding, open_corpus
embedding.SHARD = 16
finish(embed(open_corpus(Workspace(words[0]), "killed"), open_backbone(words[1])))
"""


def kill(work: str, function: str, call: int, *words: object) -> None:
    """Does the work in another process, which is killed at a call of the function."""
    module, _, name = function.partition(":")
    command = [sys.executable, "-c", KILLED + work, module, name, str(call), *map(str, words)]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A table of 70 pictures; every tenth is one of the first part again, some are missing."""
    folder = tmp_path / "source"
    folder.mkdir()
    lines = ["image,caption"]
    for number in range(RECORDS):
        pixels = np.random.default_rng(number if number % 10 else 0).integers(0, 255, (9, 9, 3))
        if number % 17 != 16:
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
        lines.append(f"{number}.png,picture {number}")
    (folder / "captions.csv").write_text("\n".join(lines))
    return folder


def files_of(corpus: Corpus) -> dict[str, bytes]:
    """All files but about.json, which has the time in it."""
    folder = corpus.files[0].parent
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".json"}


@pytest.mark.parametrize(
    ("function", "call", "parts_done"),
    [
        ("gram_core.corpus.ingest:keep_picture", 40, 2),
        ("pyarrow.parquet:write_table", 4, 1),  # the second part has its tar and problems already
        ("gram_core.corpus.parts:write_json", 1, 0),
        ("gram_core.workspace:write_about", 1, 5),
    ],
)
def test_a_killed_ingest_goes_on(
    source: Path,
    workspace: Workspace,
    take_in: TakeIn,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    call: int,
    parts_done: int,
) -> None:
    monkeypatch.setattr(parts, "PART", PART)
    wanted = files_of(take_in(source, "whole"))
    kill(INGEST, function, call, source, workspace.root)
    assert not workspace.exists("corpora", "killed")

    shelter = workspace.root / "corpora" / ".kept-killed"
    done = sorted((shelter / "parts").glob("00000?.parquet"))
    assert len(done) == parts_done
    tars = {path.name: path.stat().st_mtime_ns for path in shelter.glob("killed/*.tar")}
    kept: list[bytes] = []

    def noted(data: bytes, side: int) -> Kept:
        kept.append(data)
        return keep_picture(data, side)

    # the package has a function of the module's name
    monkeypatch.setattr(sys.modules["gram_core.corpus.ingest"], "keep_picture", noted)
    events = list(ingest(source, workspace, "killed"))
    left = range(min(PART * parts_done, RECORDS), RECORDS)
    assert len(kept) == sum(number % 17 != 16 for number in left)
    if parts_done:
        assert "pairs are there already" in events[0].message
        assert events[0].step == left.start
    corpus = events[-1].result
    assert files_of(corpus) == wanted
    for name in sorted(tars)[:parts_done]:
        assert corpus.files[0].with_name(name).stat().st_mtime_ns == tars[name]
    assert [path.name for path in (workspace.root / "corpora").glob(".*")] == []


def test_an_interrupted_ingest_keeps_its_parts_but_a_refused_one_leaves_nothing(
    source: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "PART", PART)
    corpora = workspace.root / "corpora"
    events = ingest(source, workspace, "mine")
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert [path.name for path in corpora.iterdir()] == [".kept-mine"]
    with (source / "captions.csv").open("a") as table:
        table.write("\n0.png,the first again")
    again = list(ingest(source, workspace, "mine"))
    assert again[0].message == "the source or the options have changed: begun afresh"

    events = ingest(source, workspace, "other")
    next(events)
    events.close()  # type: ignore[attr-defined]
    with pytest.raises(GramError, match="cannot be used"):
        finish(ingest(source, workspace, "other", IngestConfig(max_bad=0.0)))
    assert [path.name for path in corpora.iterdir()] == ["mine"]


@pytest.mark.slow
def test_a_killed_embed_goes_on(
    source: Path,
    workspace: Workspace,
    take_in: TakeIn,
    tiny_backbone: Backbone,
    tiny_backbone_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedding, "SHARD", 16)
    whole, killed = take_in(source, "whole"), take_in(source, "killed")
    wanted = finish(embed(whole, tiny_backbone)).feature_folder(tiny_backbone)
    folder = killed.feature_folder(tiny_backbone)

    kill(EMBED, "gram_core.corpus.embedding:_embed_rows", 3, workspace.root, tiny_backbone_dir)
    done = {path.name: path.stat().st_mtime_ns for path in (folder / "shards").glob("0*.npy")}
    assert sorted(done) == ["000000000.npy", "000000016.npy"]
    # the second map to be opened is that of the texts: the pictures' are there
    kill(EMBED, "numpy:lib.format.open_memmap", 2, workspace.root, tiny_backbone_dir)
    after = {path.name: path.stat().st_mtime_ns for path in (folder / "shards").glob("0*.npy")}
    assert after.items() > done.items()
    assert killed.stored_features(tiny_backbone) is None

    monkeypatch.setattr(killed, "prepared", None)  # nothing is left to be computed
    finish(embed(killed, tiny_backbone))
    for name in ("image.npy", "text.npy"):
        assert (folder / name).read_bytes() == (wanted / name).read_bytes()
    assert not (folder / "shards").exists()
