"""A corpus: image-text pairs in Parquet, and features computed once for each backbone."""

from __future__ import annotations

import hashlib
import io
import secrets
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gram_core.errors import GramError
from gram_core.workspace import Workspace, check_id

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

BUNDLED_NAME = "bundled"
#: Where the corpus that comes with the program lies.
BUNDLED = Path(__file__).resolve().parents[2] / "data" / "corpus"
ROW_GROUPS_HELD = 8


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
        files: Parquet files with columns `image` (bytes, or a struct with bytes) and `caption`.
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
        self._images = _Images(self.files)
        self.total = len(self._images)
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
        """The encoded picture of a pair. Raises IndexError if there is no such pair."""
        if not 0 <= pair < len(self):
            raise IndexError(f"pair {pair} of a corpus of {len(self)}")
        return self._images.read(pair)

    def image(self, pair: int) -> Image.Image:
        """The picture of a pair, RGB."""
        return Image.open(io.BytesIO(self.image_bytes(pair))).convert("RGB")

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
        return backbone.pixels([self.image(row) for row in rows])

    def features(self, backbone: Backbone) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
        """(N, e) image and (N, e) text features of length one, memory-mapped from a cache.

        Computes them if they are not there; `embed` does the same and tells of its progress.
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
        self, backbone: Backbone
    ) -> tuple[NDArray[np.float16], NDArray[np.float16]] | None:
        """Image and text features if they were computed before; those of all pairs will do."""
        for limited in (True, False):
            folder = self.feature_folder(backbone, limited)
            paths = folder / "image.npy", folder / "text.npy"
            if all(path.exists() for path in paths):
                image, text = (np.load(path, mmap_mode="r", allow_pickle=False) for path in paths)
                return image[: len(self)], text[: len(self)]
        return None

    def feature_folder(self, backbone: Backbone, limited: bool = True) -> Path:
        """The cache's folder for one backbone; a limited corpus has its own."""
        part = f"-{len(self)}" if limited and len(self) < self.total else ""
        return self.cache / f"{self.fingerprint}{part}" / str(backbone.fingerprint)


class _Images:
    """The image columns of Parquet files, read by row groups of which the latest are held."""

    def __init__(self, files: Sequence[Path]) -> None:
        from pyarrow import ArrowException, parquet

        try:
            self._files = [parquet.ParquetFile(file) for file in files]
        except (OSError, ArrowException) as error:
            raise GramError(f"the corpus cannot be read ({error}); ingest it again") from None
        self._groups = [
            (number, group)
            for number, file in enumerate(self._files)
            for group in range(file.num_row_groups)
        ]
        sizes = [
            self._files[number].metadata.row_group(group).num_rows for number, group in self._groups
        ]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).tolist()
        self._held: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return int(self._starts[-1])

    def read(self, row: int) -> bytes:
        place = bisect_right(self._starts, row) - 1
        with self._lock:
            if place not in self._held:
                self._held[place] = self._load(place)
                if len(self._held) > ROW_GROUPS_HELD:
                    self._held.popitem(last=False)
            self._held.move_to_end(place)
            column = self._held[place]
        value = column[row - self._starts[place]].as_py()
        return bytes(value["bytes"] if isinstance(value, dict) else value)

    def _load(self, place: int) -> Any:
        number, group = self._groups[place]
        return self._files[number].read_row_group(group, columns=["image"])["image"]
