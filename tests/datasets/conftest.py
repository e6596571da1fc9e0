"""Small folders of pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WriteClass = Callable[..., Path]


@pytest.fixture
def write_class(tmp_path: Path) -> WriteClass:
    """A function `(name, count) -> folder` that writes noise pictures below `tmp_path`."""

    def write(name: str, count: int) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        generator = np.random.default_rng(len(name))
        for number in range(count):
            picture = generator.integers(0, 255, (40, 36, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / f"{number:02d}.png")
        return folder

    return write
