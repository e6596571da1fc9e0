"""A corpus gives each pair its own picture and features, whatever was cached or killed before."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from gram_core.backbones import Backbone
from gram_core.corpus import Corpus, embed, embedding, ingest, open_corpus, stored
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


def test_the_text_of_several_captions_is_their_mean(
    squares: Path, workspace: Workspace, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"image": "images/red.png", "caption": ["a red square", "a square"]},
        {"image": "images/blue.png", "caption": ["a square"]},
    ]
    (squares / "two.jsonl").write_text("\n".join(map(json.dumps, rows)))
    corpus = finish(ingest(squares / "two.jsonl", workspace, "two"))
    read: list[str] = []
    encode_texts = tiny_backbone.encode_texts

    def noted(texts: Sequence[str]) -> torch.Tensor:
        read.extend(texts)
        return encode_texts(texts)

    monkeypatch.setattr(tiny_backbone, "encode_texts", noted)
    text = corpus.features(tiny_backbone)[1]
    assert read == ["a red square", "a square"]
    red, plain = encode_texts(read).numpy()
    mean = (red + plain) / np.linalg.norm(red + plain)
    np.testing.assert_allclose(text, [mean, plain], atol=1e-3)


def test_float32_features_lie_beside_and_come_first(
    corpus: Corpus, tiny_backbone: Backbone
) -> None:
    half = corpus.features(tiny_backbone)
    finish(embed(corpus, tiny_backbone, precision="float32"))
    full = corpus.features(tiny_backbone)
    assert [part.dtype for part in (*half, *full)] == [np.float16] * 2 + [np.float32] * 2
    np.testing.assert_allclose(np.linalg.norm(full[0], axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(half[0], full[0], atol=1e-3)
    for wrong in ({"precision": "float8"}, {"rank": 2, "ranks": 2}):
        with pytest.raises(GramError, match=next(iter(wrong))):
            finish(embed(corpus, tiny_backbone, **wrong))


def test_duckdb_and_numpy_read_the_same_features_in_place(
    corpus: Corpus, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    import duckdb

    sql = "SELECT id, array_inner_product(image, text) AS score FROM features ORDER BY id"
    finish(embed(corpus, tiny_backbone, precision="float32"))
    image, text = corpus.features(tiny_backbone)
    monkeypatch.setattr(corpus, "features", lambda _: (image, text))
    features = corpus.feature_table(tiny_backbone)
    for column, part in (("image", image), ("text", text)):
        values = features[column].chunk(0).flatten()
        assert values.buffers()[1].address == part.ctypes.data  # the mapped file itself
        assert np.array_equal(values.to_numpy(zero_copy_only=True).reshape(part.shape), part)
    with duckdb.connect() as connection:
        connection.register("features", features)
        scores = connection.sql(sql).fetchall()
    np.testing.assert_allclose([score for _, score in scores], (image * text).sum(1), atol=1e-6)


def test_float16_features_reach_duckdb_as_float32_batches(
    corpus: Corpus, tiny_backbone: Backbone
) -> None:
    import duckdb

    image, text = corpus.features(tiny_backbone)
    values = corpus.feature_table(tiny_backbone)["image"].chunk(0).flatten()
    assert np.array_equal(values.to_numpy(zero_copy_only=True).reshape(image.shape), image)
    with duckdb.connect() as connection:
        connection.register("features", corpus.feature_batches(tiny_backbone, rows=4))
        sql = "SELECT id, array_inner_product(image, text) FROM features ORDER BY id"
        ids, scores = zip(*connection.sql(sql).fetchall(), strict=True)
    assert ids == tuple(range(6))
    wanted = (image.astype(np.float32) * text.astype(np.float32)).sum(1)
    np.testing.assert_allclose(scores, wanted, atol=1e-6)


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
    monkeypatch.setattr(stored, "ROW_GROUPS_HELD", 2)
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
