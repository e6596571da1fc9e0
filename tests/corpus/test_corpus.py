"""A corpus gives each pair its own picture and features, whatever was cached or killed before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from gram_core.backbones import Backbone
from gram_core.corpus import Corpus, embed, embedding, ingest, open_corpus
from gram_core.corpus import corpus as corpus_module
from gram_core.errors import GramError
from gram_core.events import finish
from gram_core.workspace import Workspace

Encode = Callable[..., bytes]


@pytest.fixture
def corpus(squares: Path, workspace: Workspace) -> Corpus:
    made = finish(ingest(squares, workspace, "squares"))
    assert isinstance(made, Corpus)
    return made


def test_features_are_those_of_the_backbone(corpus: Corpus, tiny_backbone: Backbone) -> None:
    image, text = corpus.features(tiny_backbone)
    pixels = tiny_backbone.pixels([corpus.image(pair) for pair in range(6)])
    wanted = (
        tiny_backbone.encode_images(pixels).numpy(),
        tiny_backbone.encode_texts(corpus.captions),
    )
    assert image.dtype == text.dtype == np.float16
    np.testing.assert_allclose(image, wanted[0], atol=1e-3)
    np.testing.assert_allclose(text, wanted[1].numpy(), atol=1e-3)


def test_features_are_computed_once(
    corpus: Corpus, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = corpus.features(tiny_backbone)
    monkeypatch.setattr(corpus, "prepared", None)
    again = corpus.features(tiny_backbone)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert [event.kind for event in embed(corpus, tiny_backbone)] == ["result"]


def test_work_that_was_stopped_goes_on(
    corpus: Corpus, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [np.array(part) for part in corpus.features(tiny_backbone)]
    for file in corpus.feature_folder(tiny_backbone).iterdir():
        file.unlink()
    monkeypatch.setattr(embedding, "SHARD", 2)
    events = embed(corpus, tiny_backbone)
    assert (next(events).step, next(events).step) == (2, 4)
    events.close()  # type: ignore[attr-defined]
    assert corpus.stored_features(tiny_backbone) is None

    done: list[int] = []
    prepared = corpus.prepared

    def noted(rows: Sequence[int], backbone: Backbone) -> torch.Tensor:
        done.extend(rows)
        return prepared(rows, backbone)

    monkeypatch.setattr(corpus, "prepared", noted)
    finish(embed(corpus, tiny_backbone))
    assert done == [4, 5]
    for part, want in zip(corpus.features(tiny_backbone), wanted, strict=True):
        np.testing.assert_allclose(part, want, atol=1e-3)


def test_ranks_share_the_work(
    corpus: Corpus, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedding, "SHARD", 2)
    finish(embed(corpus, tiny_backbone, rank=1, ranks=2))
    assert corpus.stored_features(tiny_backbone) is None
    finish(embed(corpus, tiny_backbone, rank=0, ranks=2))
    stored = corpus.stored_features(tiny_backbone)
    assert stored is not None
    wanted = tiny_backbone.encode_texts(corpus.captions).numpy()
    np.testing.assert_allclose(stored[1], wanted, atol=1e-3)


def test_pixels_are_mapped_and_right(corpus: Corpus, tiny_backbone: Backbone) -> None:
    pixels = corpus.pixels(tiny_backbone)
    assert isinstance(pixels, np.memmap)
    wanted = tiny_backbone.pixels([corpus.image(pair) for pair in range(6)])
    assert torch.equal(torch.from_numpy(np.array(pixels)), wanted)


def test_a_limit_is_the_first_pairs(
    corpus: Corpus, workspace: Workspace, tiny_backbone: Backbone
) -> None:
    few = open_corpus(workspace, "squares", limit=3)
    assert (len(few), few.captions) == (3, corpus.captions[:3])
    with pytest.raises(IndexError):
        few.image_bytes(3)
    alone = [np.array(part) for part in few.features(tiny_backbone)]
    assert corpus.stored_features(tiny_backbone) is None
    whole = corpus.features(tiny_backbone)
    for part, all_of_it in zip(alone, whole, strict=True):
        assert len(part) == 3
        np.testing.assert_allclose(part, all_of_it[:3], atol=1e-3)
    assert len(open_corpus(workspace, "squares", limit=99)) == 6
    with pytest.raises(GramError, match="at least 1"):
        open_corpus(workspace, "squares", limit=0)


def test_features_of_all_pairs_serve_the_first_ones(
    corpus: Corpus, workspace: Workspace, tiny_backbone: Backbone
) -> None:
    whole = corpus.features(tiny_backbone)
    stored = open_corpus(workspace, "squares", limit=2).stored_features(tiny_backbone)
    assert stored is not None
    assert np.array_equal(stored[0], whole[0][:2])


def test_pictures_of_many_files_and_row_groups_keep_their_order(
    tmp_path: Path, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_module, "ROW_GROUPS_HELD", 2)
    pictures = [encode((row, 0, 0)) for row in range(20)]
    files = []
    for number, rows in enumerate((range(7), range(7, 8), range(8, 20))):
        columns = {"image": [pictures[row] for row in rows], "caption": [str(row) for row in rows]}
        files.append(tmp_path / f"{number}.parquet")
        parquet.write_table(pa.table(columns), files[-1], row_group_size=3)
    corpus = Corpus("many", files, tmp_path / "cache")
    order = np.random.default_rng(0).permutation(20)
    assert [corpus.image_bytes(row) for row in order] == [pictures[row] for row in order]
    assert corpus.captions == [str(row) for row in range(20)]


def test_the_bundled_corpus_is_read_in_place(
    workspace: Workspace, tmp_path: Path, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_module, "BUNDLED", tmp_path / "bundled")
    with pytest.raises(GramError, match="the bundled corpus is not in"):
        open_corpus(workspace)
    (tmp_path / "bundled").mkdir()
    table = pa.table({"image": [encode("red")], "caption": ["red"]})
    parquet.write_table(table, tmp_path / "bundled" / "0.parquet")
    bundled = open_corpus(workspace)
    assert (bundled.name, bundled.captions) == ("bundled", ["red"])
    before = bundled.fingerprint
    parquet.write_table(table.append_column("more", [["x"]]), tmp_path / "bundled" / "0.parquet")
    assert open_corpus(workspace).fingerprint != before


def test_a_corpus_that_is_not_there(workspace: Workspace) -> None:
    with pytest.raises(GramError, match="no corpus 'squares'"):
        open_corpus(workspace, "squares")
