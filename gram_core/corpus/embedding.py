"""Features of a corpus, shard by shard: work that was killed goes on, and can be shared."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gram_core.corpus.corpus import Corpus, Features, Precision
from gram_core.errors import GramError
from gram_core.events import Event

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

SHARD = 512


def embed(
    corpus: Corpus,
    backbone: Backbone,
    rank: int = 0,
    ranks: int = 1,
    precision: Precision = "float16",
) -> Iterator[Event]:
    """Image and text features of a corpus in its cache; yields progress, then the corpus.

    The text feature of a picture with several captions is the normalised mean of theirs. Every
    shard of 512 pairs is a file of its own until all are there, so that work goes on where it was
    stopped. Several processes share the work when each gets its rank of `ranks`; the one that
    finds all shards done joins them. Where float32 is there, float16 is not computed.

    Raises:
        GramError: there is no such rank or precision.
    """
    if not 0 <= rank < ranks:
        raise GramError(f"rank is from 0 to ranks - 1, not {rank} of {ranks}")
    if precision not in ("float16", "float32"):
        raise GramError(f"precision is float16 or float32, not {precision!r}")
    folder = corpus.feature_folder(backbone, precision=precision)
    shards = folder / "shards"
    if corpus.stored_features(backbone, precision) is None:
        shards.mkdir(parents=True, exist_ok=True)
        total = len(corpus)
        starts = range(0, total, SHARD)
        for start in starts[rank::ranks]:
            rows = range(start, min(start + SHARD, total))
            path = shards / f"{start:09d}.npy"
            if not path.exists():
                _write_array(path, _embed_rows(corpus, backbone, rows).astype(precision))
            yield Event("progress", rows.stop, total, "features of pictures and captions")
        paths = [shards / f"{start:09d}.npy" for start in starts]
        if all(path.exists() for path in paths):
            try:
                _join(paths, folder, total)
            except FileNotFoundError:
                if corpus.stored_features(backbone, precision) is None:  # or a rank was faster
                    raise
    if corpus.stored_features(backbone, precision) is not None:
        shutil.rmtree(shards, ignore_errors=True)
    yield Event("result", len(corpus), len(corpus), "features are there", result=corpus)


def _embed_rows(corpus: Corpus, backbone: Backbone, rows: Sequence[int]) -> NDArray[np.float32]:
    """(2, n, e) image and text features of some pairs."""
    from torch.nn.functional import normalize

    image = backbone.encode_images(corpus.prepared(rows, backbone))
    captions = [corpus.captions[row].split("\n") for row in rows]
    # captions repeat: each is read once
    texts = list(dict.fromkeys(text for several in captions for text in several))
    place = {text: number for number, text in enumerate(texts)}
    features = backbone.encode_texts(texts)
    text = features[[place[several[0]] for several in captions]]
    for row, several in enumerate(captions):
        if len(several) > 1:
            text[row] = normalize(features[[place[each] for each in several]].mean(0), dim=0)
    both = [part.detach().cpu().float().numpy() for part in (image, text)]
    return np.stack(both)


def _join(paths: Sequence[Path], folder: Path, total: int) -> None:
    first = np.load(paths[0], mmap_mode="r", allow_pickle=False)
    for which, name in enumerate(("image", "text")):
        draft = folder / f".{name}-{secrets.token_hex(4)}"
        target = np.lib.format.open_memmap(
            draft, mode="w+", dtype=first.dtype, shape=(total, first.shape[2])
        )
        done = 0
        for path in paths:
            part = np.load(path, mmap_mode="r", allow_pickle=False)[which]
            target[done : done + len(part)] = part
            done += len(part)
        target.flush()
        draft.replace(folder / f"{name}.npy")


def _write_array(path: Path, array: Features) -> None:
    draft = path.with_name(f".{secrets.token_hex(4)}")
    with draft.open("wb") as file:
        np.save(file, array)
    draft.replace(path)
