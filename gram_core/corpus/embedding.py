"""Features of a corpus, shard by shard: work that was killed goes on, and can be shared."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gram_core.corpus.corpus import Corpus
from gram_core.events import Event

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

SHARD = 512


def embed(corpus: Corpus, backbone: Backbone, rank: int = 0, ranks: int = 1) -> Iterator[Event]:
    """Image and text features of a corpus in its cache; yields progress, then the corpus.

    Every shard of 512 pairs is a file of its own until all are there, so that work goes on where
    it was stopped. Several processes share the work when each gets its rank of `ranks`; the one
    that finds all shards done joins them.
    """
    if corpus.stored_features(backbone) is None:
        folder = corpus.feature_folder(backbone)
        shards = folder / "shards"
        shards.mkdir(parents=True, exist_ok=True)
        total = len(corpus)
        starts = range(0, total, SHARD)
        for start in starts[rank::ranks]:
            rows = range(start, min(start + SHARD, total))
            path = shards / f"{start:09d}.npy"
            if not path.exists():
                _write_array(path, _embed_rows(corpus, backbone, rows))
            yield Event("progress", rows.stop, total, "features of pictures and captions")
        paths = [shards / f"{start:09d}.npy" for start in starts]
        if all(path.exists() for path in paths):
            try:
                _join(paths, folder, total)
            except FileNotFoundError:
                if corpus.stored_features(backbone) is None:  # else another rank was faster
                    raise
            shutil.rmtree(shards, ignore_errors=True)
    yield Event("result", len(corpus), len(corpus), "features are there", result=corpus)


def _embed_rows(corpus: Corpus, backbone: Backbone, rows: Sequence[int]) -> NDArray[np.float16]:
    """(2, n, e) image and text features of some pairs."""
    image = backbone.encode_images(corpus.prepared(rows, backbone))
    # captions repeat: each is read once
    texts = list(dict.fromkeys(corpus.captions[row] for row in rows))
    place = {text: number for number, text in enumerate(texts)}
    text = backbone.encode_texts(texts)[[place[corpus.captions[row]] for row in rows]]
    both = [features.detach().cpu().float().numpy() for features in (image, text)]
    return np.stack(both).astype(np.float16)


def _join(paths: Sequence[Path], folder: Path, total: int) -> None:
    for which, name in enumerate(("image", "text")):
        width = np.load(paths[0], mmap_mode="r", allow_pickle=False).shape[2]
        draft = folder / f".{name}-{secrets.token_hex(4)}"
        target = np.lib.format.open_memmap(draft, mode="w+", dtype=np.float16, shape=(total, width))
        done = 0
        for path in paths:
            part = np.load(path, mmap_mode="r", allow_pickle=False)[which]
            target[done : done + len(part)] = part
            done += len(part)
        target.flush()
        draft.replace(folder / f"{name}.npy")


def _write_array(path: Path, array: NDArray[np.float16]) -> None:
    draft = path.with_name(f".{secrets.token_hex(4)}")
    with draft.open("wb") as file:
        np.save(file, array)
    draft.replace(path)
