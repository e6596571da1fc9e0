"""The labelled sets of the bundled world, each one Parquet file."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gram_core.backbones import Backbone
from gram_core.datasets.labelled import LabelledSet
from gram_core.errors import GramError
from gram_core.prompts import ImageBank

BUNDLED = Path(__file__).resolve().parents[2] / "data" / "sets"
CHUNK = 256


@dataclass(frozen=True)
class SetCard:
    """What `sets.json` says of a set. Choices are made on role "validation", never on "test"."""

    name: str
    title: str
    classes: tuple[str, ...]
    sources: tuple[str, ...]
    role: str
    description: str


def bundled_sets(folder: Path = BUNDLED) -> list[SetCard]:
    """The cards of the bundled sets; empty where none are."""
    index = folder / "sets.json"
    if not index.is_file():
        return []
    entries = json.loads(index.read_text(encoding="utf-8"))["sets"]
    return [
        SetCard(
            name=entry["name"],
            title=entry.get("title", entry["name"]),
            classes=tuple(entry["classes"]),
            sources=tuple(entry["sources"]),
            role=entry["role"],
            description=entry.get("description", ""),
        )
        for entry in entries
    ]


def words_of(class_names: Iterable[str]) -> tuple[str, ...]:
    """Class names and the words they are made of: what meta-training must not know of a test."""
    names = {name.casefold() for name in class_names}
    return tuple(sorted(names | {word for name in names for word in name.split()}))


def load_bundled(name: str, backbone: Backbone, folder: Path = BUNDLED) -> LabelledSet:
    """The bundled set of this name. Raises GramError where there is none."""
    import pyarrow.parquet as parquet

    cards = {card.name: card for card in bundled_sets(folder)}
    if name not in cards:
        raise GramError(f"There is no bundled set {name!r}; there are: {', '.join(cards)}.")
    card = cards[name]
    table = parquet.read_table(folder / f"{name}.parquet")
    words = table["domain"].to_pylist()
    domain_names = tuple(dict.fromkeys(words))
    encoded = table["image"].to_pylist()
    pixels = torch.cat(
        [
            backbone.pixels([_decode(image) for image in encoded[start : start + CHUNK]])
            for start in range(0, len(encoded), CHUNK)
        ]
    )
    return LabelledSet(
        name=name,
        classes=card.classes,
        bank=ImageBank.of(backbone, pixels),
        labels=np.asarray(table["label"].to_pylist(), dtype=np.int64),
        domains=np.array([domain_names.index(word) for word in words], dtype=np.int64),
        splits=np.array(table["split"].to_pylist()),
        domain_names=domain_names,
        title=card.title,
        description=card.description,
    )


def _decode(image: bytes) -> Image.Image:
    return Image.open(io.BytesIO(image)).convert("RGB")
