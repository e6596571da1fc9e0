"""`ingest` and `embed` on the command line do what the functions do, and say so."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gram_core.cli import corpus as verbs
from gram_core.cli.console import Console
from gram_core.corpus import embedding, open_corpus
from gram_core.errors import GramError
from gram_core.workspace import Workspace

Call = Callable[..., Any]


@pytest.fixture
def call(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> Call:
    """A function `(*words) -> value` that runs a verb and reads its JSON."""
    parser = argparse.ArgumentParser()
    verbs.register(parser.add_subparsers(required=True), argparse.ArgumentParser(add_help=False))

    def run(*words: object) -> Any:
        options = parser.parse_args([*map(str, words)])
        options.handle(options, workspace, Console(as_json=True))
        return json.loads(capsys.readouterr().out)

    return run


def test_ingest_with_every_option(squares: Path, tmp_path: Path, call: Call) -> None:
    table = tmp_path / "words.jsonl"
    rows = [
        {"bild": "red.png", "worte": ["red", "rot"]},
        {"bild": "none.png", "worte": ["none"]},
        {"bild": "blue.png", "worte": ["blue"]},
        {"bild": "green.png", "worte": ["green"]},
    ]
    table.write_text("\n".join(map(json.dumps, rows)))
    options = "--image-column bild --caption-column worte --reference --captions first --limit 2"
    where = ["--pictures", squares / "images"]
    answer = call("ingest", table, "--corpus", "mine", *options.split(), *where)
    assert (answer["pairs"], answer["about"]["problems"]) == (2, 1)
    assert answer["about"]["pictures"] == "referenced"
    with pytest.raises(GramError, match=r"share of 0\.1"):
        call("ingest", table, "--corpus", "other", *options.split(), *where, "--max-bad", 0.1)


def test_embed_by_ranks(
    squares: Path,
    workspace: Workspace,
    call: Call,
    tiny_backbone_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedding, "SHARD", 2)
    call("ingest", squares, "--corpus", "mine")
    command = ["embed", "mine", "--backbone", tiny_backbone_dir, "--limit", 5, "--ranks", 2]
    assert not call(*command)["complete"]
    answer = call(*command, "--rank", 1)
    assert answer["complete"]
    assert (answer["pairs"], answer["dimensions"], answer["precision"]) == (5, 24, "float16")
    assert len(open_corpus(workspace, "mine")) == 6
    precise = ["embed", "mine", "--backbone", tiny_backbone_dir, "--precision", "float32"]
    assert call(*precise)["precision"] == "float32"
