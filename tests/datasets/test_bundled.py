from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from PIL import Image

from gram_core.backbones import Backbone
from gram_core.datasets import TEST, bundled_sets, load_bundled, words_of
from gram_core.errors import GramError


@pytest.fixture
def sets(tmp_path: Path) -> Path:
    """A folder with one set of three classes of flat colour: 2 domains, a pool in the first."""
    card = {"title": "Flags", "sources": ["cloth"], "role": "validation", "description": "colours"}
    classes = ["red", "green", "blue"]
    (tmp_path / "sets.json").write_text(
        json.dumps({"sets": [{"name": "flags", "classes": classes, **card}]})
    )
    rows = []
    for label in range(3):
        colour = tuple(255 * (channel == label) for channel in range(3))
        encoded = io.BytesIO()
        Image.new("RGB", (40, 40), colour).save(encoded, format="PNG")
        for domain, split in (("cloth", "pool"), ("cloth", "test"), ("paper", "test")):
            image = encoded.getvalue()
            rows.append({"image": image, "label": label, "domain": domain, "split": split})
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "flags.parquet")
    return tmp_path


def test_a_bundled_set_is_read_as_its_card_says(sets: Path, tiny_backbone: Backbone) -> None:
    (card,) = bundled_sets(sets)
    found = load_bundled("flags", tiny_backbone, sets)

    assert (card.role, card.classes) == ("validation", ("red", "green", "blue"))
    assert found.classes == card.classes
    assert found.sources == card.sources == ("cloth",)
    assert found.domain_names == ("cloth", "paper")
    assert len(found.rows(TEST)) == 6
    assert found.bank.pixels is not None
    for label in range(3):
        shown = found.bank.pixels[found.labels == label].numpy().mean((0, 2, 3))
        assert np.argmax(shown) == label


def test_an_unknown_bundled_set_is_refused_with_those_there_are(
    sets: Path, tiny_backbone: Backbone
) -> None:
    with pytest.raises(GramError, match="flags"):
        load_bundled("banners", tiny_backbone, sets)


def test_where_nothing_is_bundled_there_is_no_card(tmp_path: Path) -> None:
    assert bundled_sets(tmp_path) == []


def test_the_words_of_classes_are_their_names_and_their_parts() -> None:
    words = words_of(["Neon animal", "neon plant"])
    assert words == ("animal", "neon", "neon animal", "neon plant", "plant")
