"""Fixtures that every part of the suite shares: a CLIP so small that a test costs milliseconds."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gram_core.backbones import Backbone, open_backbone

WriteBackbone = Callable[..., Path]


def _small_vocabulary(path: Path, merges: int) -> int:
    """Write the commonest `merges` byte pairs of open_clip; the vocabulary size that gives."""
    from open_clip.tokenizer import SimpleTokenizer, default_bpe

    with gzip.open(default_bpe()) as file:
        lines = file.read().decode("utf-8").split("\n")
    with gzip.open(path, "wb") as kept:
        kept.write("\n".join(lines[: merges + 1]).encode("utf-8"))
    return int(SimpleTokenizer(str(path)).vocab_size)


def _write_backbone(
    folder: Path,
    *,
    vision: dict[str, Any] | None = None,
    text: dict[str, Any] | None = None,
    **model: Any,
) -> Path:
    """An open_clip model directory with random weights (32 px, patch 8, widths 48 and 32)."""
    import open_clip
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = "bpe_vocabulary.txt.gz"
    size = _small_vocabulary(folder / vocabulary, merges=3000)
    config = {
        "embed_dim": 24,
        "vision_cfg": {
            "image_size": 32,
            "patch_size": 8,
            "width": 48,
            "head_width": 16,
            "layers": 2,
            **(vision or {}),
        },
        "text_cfg": {
            "context_length": 32,
            "vocab_size": size,
            "width": 32,
            "heads": 2,
            "layers": 3,
            "tokenizer_kwargs": {"bpe_path": vocabulary},
            **(text or {}),
        },
        **model,
    }
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        # Without a checkpoint in the folder open_clip leaves the weights at their random start.
        weights = open_clip.create_model(f"local-dir:{folder}").state_dict()
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real photographs: $GRAM_REAL_DATA, or one beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "real"
    folder = Path(os.environ.get("GRAM_REAL_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"no photographs in {folder}: set GRAM_REAL_DATA to the folder that holds them")
    return folder


@pytest.fixture(scope="session")
def write_backbone() -> WriteBackbone:
    """Writes a tiny random CLIP: `(folder, vision={}, text={}, **model) -> folder`."""
    return _write_backbone


@pytest.fixture(scope="session")
def tiny_backbone_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny random CLIP, laid out like the bundled backbone."""
    return _write_backbone(tmp_path_factory.mktemp("tiny") / "backbone")


@pytest.fixture(scope="session")
def tiny_backbone(tiny_backbone_dir: Path) -> Backbone:
    """A tiny random CLIP, opened."""
    return open_backbone(str(tiny_backbone_dir))
