"""A corpus: image-text pairs in Parquet, and features computed once for each backbone."""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gram_core.corpus.stored import open_pictures
from gram_core.errors import GramError
from gram_core.pictures import opened, plain
from gram_core.threads import threads
from gram_core.workspace import Workspace, check_id

if TYPE_CHECKING:
    import pyarrow
    import torch

    from gram_core.backbones import Backbone

Precision = Literal["float16", "float32"]
Features = NDArray[np.floating]

BUNDLED_NAME = "bundled"
#: Where the corpus that comes with the program lies.
BUNDLED = Path(__file__).resolve().parents[2] / "data" / "corpus"


def open_corpus(workspace: Workspace, name: str = BUNDLED_NAME, limit: int | None = None) -> Corpus:
    """The corpus of that name; "bundled" is there in every workspace.

    Args:
        limit: only its first so many pairs.

    Raises:
        GramError: there is none.
    """
    fingerprint = None
    if name == BUNDLED_NAME:
        files = sorted(BUNDLED.glob("*.parquet"))
        if not files:
            raise GramError(
                f"the bundled corpus is not in {BUNDLED}; fetch the data that belongs to this "
                "version, or ingest pairs of your own"
            )
    else:
        artefact = workspace.get("corpora", name)
        files = [artefact.path / "pairs.parquet"]
        fingerprint = artefact.about.get("fingerprint")
    return Corpus(name, files, workspace.cache("corpora", name), limit, fingerprint)


def content_fingerprint(files: Sequence[Path]) -> str:
    """Sixteen hex digits that differ wherever the files' bytes do."""
    digest = hashlib.blake2b(digest_size=8)
    for file in files:
        with file.open("rb") as opened:
            while part := opened.read(1 << 22):
                digest.update(part)
    return digest.hexdigest()


class Corpus:
    """N image-text pairs; the id of a pair is its row, 0 to N - 1. Safe to read from threads.

    Args:
        name: its name in the workspace.
        files: Parquet files with a column `caption` and the places of the pictures in the tars
            beside them, or a column `image` (bytes, or a struct with bytes).
        cache: a folder for what can be computed again.
        limit: only the first so many pairs.
        fingerprint: of the files' content, where it is known already.
    """

    def __init__(
        self,
        name: str,
        files: Sequence[Path],
        cache: Path,
        limit: int | None = None,
        fingerprint: str | None = None,
    ) -> None:
        if limit is not None and limit < 1:
            raise GramError(f"limit is at least 1, not {limit}")
        self.name = check_id(name)
        self.files = tuple(files)
        self.cache = cache
        self._known_fingerprint = fingerprint
        self._pictures = open_pictures(self.files)
        self.total = len(self._pictures)
        self._count = self.total if limit is None else min(limit, self.total)

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"Corpus({self.name!r}, {len(self)} pairs)"

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits that differ wherever the pairs do; the limit does not count."""
        return self._known_fingerprint or content_fingerprint(self.files)

    @cached_property
    def captions(self) -> list[str]:
        """The text of every pair."""
        from pyarrow import parquet

        columns = (parquet.read_table(file, columns=["caption"]) for file in self.files)
        return [text for table in columns for text in table["caption"].to_pylist()][: len(self)]

    def image_bytes(self, pair: int) -> bytes:
        """A small encoded picture of a pair. Raises IndexError if there is no such pair."""
        return self._pictures.shown(self._checked(pair))

    def image(self, pair: int) -> Image.Image:
        """The picture of a pair, RGB: as it is kept, or as it lies where the corpus points at.

        Raises:
            IndexError: there is no such pair.
            GramError: what the corpus points at is not there any more, or was changed.
        """
        with opened(io.BytesIO(self._pictures.original(self._checked(pair)))) as image:
            return plain(image)

    def _checked(self, pair: int) -> int:
        if not 0 <= pair < len(self):
            raise IndexError(f"pair {pair} of a corpus of {len(self)}")
        return int(pair)

    def pixels(self, backbone: Backbone) -> NDArray[np.uint8]:
        """(N, 3, H, W) all pictures as the backbone sees them, memory-mapped from a cache."""
        folder = self.feature_folder(backbone)
        path = folder / "pixels.npy"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            draft = folder / f".pixels-{secrets.token_hex(4)}"
            size = backbone.image_size
            target = np.lib.format.open_memmap(
                draft, mode="w+", dtype=np.uint8, shape=(len(self), 3, size, size)
            )
            for start in range(0, len(self), 256):
                rows = range(start, min(start + 256, len(self)))
                target[rows.start : rows.stop] = self.prepared(rows, backbone).numpy()
            target.flush()
            draft.replace(path)
        return np.load(path, mmap_mode="r", allow_pickle=False)

    def prepared(self, rows: Sequence[int], backbone: Backbone) -> Any:
        """(n, 3, H, W) uint8 tensor of some pictures as the backbone sees them."""
        import torch

        def pixels(row: int) -> torch.Tensor:
            return backbone.pixels([self.image(row)])  # large ones are not held together

        with ThreadPoolExecutor(threads()) as pool:
            return torch.cat(list(pool.map(pixels, rows)))

    def features(self, backbone: Backbone) -> tuple[Features, Features]:
        """(N, e) image and (N, e) text features of length one, memory-mapped from a cache.

        They are float16, or float32 where `embed` was asked for that. Computes them if they are
        not there; `embed` does the same and tells of its progress.
        """
        from gram_core.corpus.embedding import embed
        from gram_core.events import finish

        if (stored := self.stored_features(backbone)) is None:
            finish(embed(self, backbone))
            stored = self.stored_features(backbone)
        if stored is None:
            raise GramError(f"the features in {self.feature_folder(backbone)} were removed")
        return stored

    def stored_features(
        self, backbone: Backbone, least: Precision = "float16"
    ) -> tuple[Features, Features] | None:
        """Image and text features if they were computed before, the most precise ones there are.

        Those of all pairs will do for the first ones.
        """
        precisions: tuple[Precision, ...] = ("float32", "float16")
        for precision in precisions[: 1 + (least == "float16")]:
            for limited in (True, False):
                folder = self.feature_folder(backbone, limited, precision)
                paths = folder / "image.npy", folder / "text.npy"
                if all(path.exists() for path in paths):
                    image, text = (
                        np.load(path, mmap_mode="r", allow_pickle=False) for path in paths
                    )
                    return image[: len(self)], text[: len(self)]
        return None

    def feature_folder(
        self, backbone: Backbone, limited: bool = True, precision: Precision = "float16"
    ) -> Path:
        """The cache's folder for one backbone; a limited corpus has its own."""
        part = f"-{len(self)}" if limited and len(self) < self.total else ""
        end = "-float32" if precision == "float32" else ""
        return self.cache / f"{self.fingerprint}{part}" / f"{backbone.fingerprint}{end}"

    def feature_table(self, backbone: Backbone) -> pyarrow.Table:
        """Columns id, image, text: the features as Arrow lists of fixed size, where they lie.

        Nothing is copied. NumPy and DuckDB read float32 in place; of float16 DuckDB knows nothing,
        give it `feature_batches`. Computes features that are not there.
        """
        import pyarrow as pa

        ids = np.arange(len(self), dtype=np.int64)
        columns = [_fixed_lists(part) for part in self.features(backbone)]
        return pa.table([ids, *columns], names=["id", "image", "text"])

    def feature_batches(self, backbone: Backbone, rows: int = 2048) -> pyarrow.RecordBatchReader:
        """The features as a stream of record batches in float32: id, image, text.

        For DuckDB, which reads float32 alone; a stream can be read once.
        """
        import pyarrow as pa

        image, text = self.features(backbone)
        lists = pa.list_(pa.float32(), image.shape[1])
        schema = pa.schema([("id", pa.int64()), ("image", lists), ("text", lists)])

        def batches() -> Iterator[pa.RecordBatch]:
            for start in range(0, len(self), rows):
                ids = np.arange(start, min(start + rows, len(self)), dtype=np.int64)
                parts = (np.asarray(part[ids], dtype=np.float32) for part in (image, text))
                columns = [pa.array(ids), *map(_fixed_lists, parts)]
                yield pa.record_batch(columns, schema=schema)

        return pa.RecordBatchReader.from_batches(schema, batches())


def _fixed_lists(features: Features) -> pyarrow.FixedSizeListArray:
    """An Arrow array of lists over the memory of (N, e) features."""
    import pyarrow as pa

    kind = pa.from_numpy_dtype(features.dtype)
    values = pa.Array.from_buffers(kind, features.size, [None, pa.py_buffer(features)])
    return pa.FixedSizeListArray.from_arrays(values, features.shape[1])
