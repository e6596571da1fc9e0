"""Near-duplicates are those that a comparison of every picture with every other finds."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gram_core.backbones import Backbone, open_backbone
from gram_core.corpus import Corpus, ingest, near
from gram_core.corpus.near import Near, near_duplicates
from gram_core.errors import GramError
from gram_core.events import finish
from gram_core.workspace import Workspace


class Featured(Corpus):
    """Image features alone."""

    def __init__(self, features: NDArray, folder: Path) -> None:
        self.stored = features.astype(np.float16)
        self.folder = folder

    def __len__(self) -> int:
        return len(self.stored)

    def stored_features(self, *_: object) -> tuple[NDArray, NDArray]:
        return self.stored, self.stored

    def feature_folder(self, *_: object, **__: object) -> Path:
        return self.folder


def found(corpus: Corpus, backbone: Backbone, *threshold: float) -> Near:
    return cast(Near, finish(near_duplicates(corpus, backbone, *threshold)))


def planted(count: int, width: int, copies: int) -> NDArray:
    """Unit vectors of no order, of which some are others, moved by a little or by more."""
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((count, width))
    rows[-copies:] = rows[generator.integers(0, count - copies, copies)]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    moved = generator.uniform(0.02, 0.25, (copies, 1)) / np.sqrt(width)
    rows[-copies:] += moved * generator.standard_normal((copies, width))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows[generator.permutation(count)]


def test_the_twin_is_the_most_similar_earlier_picture(
    tmp_path: Path, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near, "BLOCK", 7)  # several blocks, the last of them not whole
    corpus = Featured(planted(60, 8, 20), tmp_path)
    features = corpus.stored.astype(np.float32)
    earlier = np.where(np.tri(60, k=-1), features @ features.T, -1)
    result = found(corpus, tiny_backbone, 0.98)
    np.testing.assert_allclose(result.similarity, earlier.max(axis=1), atol=1e-6)
    flagged = earlier.max(axis=1) >= 0.98
    assert 5 < flagged.sum() < 20
    np.testing.assert_array_equal(result.twin, np.where(flagged, earlier.argmax(axis=1), -1))
    order = result.flagged()
    assert set(order) == set(np.flatnonzero(flagged))
    assert (np.diff(result.similarity[order]) <= 0).all()


def test_cells_miss_few_near_duplicates_and_make_none_up(
    tmp_path: Path, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = planted(4000, 32, 800)
    exact = found(Featured(rows, tmp_path / "exact"), tiny_backbone)
    monkeypatch.setattr(near, "EXACT", 100)
    cells = found(Featured(rows, tmp_path / "cells"), tiny_backbone)
    assert len(exact.flagged()) > 500
    missed = np.setdiff1d(exact.flagged(), cells.flagged())
    assert len(missed) < 0.05 * len(exact.flagged())
    assert np.setdiff1d(cells.flagged(), exact.flagged()).size == 0
    assert not np.array_equal(cells.similarity, exact.similarity)  # the two ways are two


def test_another_threshold_needs_no_new_search(
    tmp_path: Path, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = Featured(planted(60, 8, 20), tmp_path)
    strict = found(corpus, tiny_backbone, 0.999)
    monkeypatch.setattr(near, "_best_earlier", None)
    loose = found(corpus, tiny_backbone, 0.9)
    assert len(loose.flagged()) > len(strict.flagged())
    np.testing.assert_array_equal(loose.similarity, strict.similarity)
    assert [file.name for file in tmp_path.iterdir()] == ["near.npy"]


def test_one_picture_equals_no_other(tmp_path: Path, tiny_backbone: Backbone) -> None:
    one = found(Featured(np.ones((1, 1)), tmp_path), tiny_backbone)
    assert (one.twin.tolist(), one.similarity.tolist()) == ([-1], [-1.0])


@pytest.mark.parametrize("threshold", [-1.0, 1.01, float("nan")])
def test_a_threshold_that_is_no_cosine_is_refused(
    threshold: float, tmp_path: Path, tiny_backbone: Backbone
) -> None:
    with pytest.raises(GramError, match="threshold is a cosine"):
        finish(near_duplicates(Featured(np.eye(2), tmp_path), tiny_backbone, threshold))


def test_smaller_copies_of_photos_are_flagged_and_no_other_photo(
    real_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    files = sorted((real_data / "photos" / "images").iterdir())[:150]
    for number, file in enumerate(files):
        with Image.open(file) as photo:
            name = f"{number:03d}"
            photo.convert("RGB").save(folder / f"{name}.jpg", quality=95)
            (folder / f"{name}.txt").write_text("a photo")
            if number % 10 == 0:
                smaller = photo.convert("RGB").resize((photo.width * 2 // 3, photo.height * 2 // 3))
                smaller.save(folder / f"{name}-small.jpg", quality=60)
                (folder / f"{name}-small.txt").write_text("a small photo")
    corpus = finish(ingest(folder, Workspace(tmp_path / "workspace"), "photos"))
    assert len(corpus) == 165
    result = found(corpus, open_backbone("bundled"))
    pairs = {frozenset((int(row), int(result.twin[row]))) for row in result.flagged()}
    small = [row for row in range(165) if corpus.captions[row] == "a small photo"]
    # "000-small.jpg" sorts before "000.jpg"
    expected = {frozenset((row, row + 1)) for row in small}
    assert pairs <= expected
    assert len(pairs) >= 0.9 * len(expected)
