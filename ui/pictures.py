"""Pictures that somebody uploads: read with suspicion, kept small."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from gram_core.errors import GramError

LARGEST_FILE = 20 * 2**20
SUFFIXES = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")
SAMPLES = Path(__file__).resolve().parents[1] / "data" / "samples"


@dataclass(frozen=True)
class Picture:
    """An upright RGB picture, its shorter side at most 256 px, as PNG, JPEG or WebP bytes."""

    name: str
    data: bytes

    @property
    def key(self) -> str:
        """The same for the same bytes, so that a picture is not taken twice."""
        return sha256(self.data).hexdigest()[:16]


def read_picture(name: str, data: bytes) -> Picture:
    """A picture from an uploaded file. Raises GramError for what is too large or no picture."""
    from gram_core.corpus.pictures import prepare_picture
    from gram_core.corpus.records import BadRecord

    if len(data) > LARGEST_FILE:
        raise GramError(f"{name} has {len(data) / 2**20:.0f} MB; take a file below 20 MB.")
    try:
        return Picture(name, prepare_picture(data))
    except BadRecord as problem:
        raise GramError(
            f"{name} was left out: {problem}. Take a complete JPEG, PNG or WebP file."
        ) from None


def sample_pictures() -> dict[str, dict[str, list[Picture]]]:
    """The pictures that come with the program: {"base" or "new": {class: pictures}}."""
    index = SAMPLES / "samples.json"
    if not index.is_file():
        return {"base": {}, "new": {}}
    parts = json.loads(index.read_text(encoding="utf-8"))
    return {
        part: {
            name: [Picture(Path(file).name, (SAMPLES / file).read_bytes()) for file in files]
            for name, files in parts[part].items()
        }
        for part in ("base", "new")
    }
