"""Backbones by name."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Literal, get_args

import torch

from gram_core.backbones.backbone import Backbone
from gram_core.errors import GramError

BUNDLED = Path(__file__).resolve().parents[2] / "data" / "backbone"
RANDOM = "random"
_CONFIG = "open_clip_config.json"
_INSTEAD = 'give "bundled", MODEL/TAG such as ViT-B-16/openai, or a folder that open_clip wrote'


Precision = Literal["float32", "bfloat16"]


def open_backbone(
    name: str = "bundled", device: str = "cpu", precision: Precision = "float32"
) -> Backbone:
    """A frozen CLIP by name.

    - `"bundled"`: the tiny one that comes with this repository;
    - `"ViT-B-16/openai"`: a model and a tag of open_clip, downloaded on first use;
    - `"ViT-B-16/random"`: the same model with seeded random weights, for trials;
    - `"path/to/folder"`: an open_clip model directory.

    `precision` is that of the prompted towers' products; see `Backbone.bfloat16`. Raises GramError
    where the name is unknown, a file is missing or the model cannot be prompted.
    """
    if precision not in get_args(Precision):
        raise GramError(
            f"There is no precision {precision!r}; choose {' or '.join(get_args(Precision))}."
        )
    backbone = _open(name, device)
    return backbone.bfloat16() if precision == "bfloat16" else backbone


def _open(name: str, device: str) -> Backbone:
    if name == "bundled":
        return _open_folder(name, BUNDLED, device)
    folder = Path(name.removeprefix("local-dir:")).expanduser()
    if folder.is_dir() or name.startswith(("local-dir:", ".", "/", "~")):
        return _open_folder(name, folder, device)
    return _open_named(name, device)


def _open_folder(name: str, folder: Path, device: str) -> Backbone:
    import open_clip

    if not folder.is_dir():
        raise GramError(f"backbone folder {folder} does not exist; {_INSTEAD}")
    config = folder / _CONFIG
    if not config.is_file():
        raise GramError(f"no {_CONFIG} in {folder}, so it holds no backbone; {_INSTEAD}")
    try:
        text = json.loads(config.read_text(encoding="utf-8"))["model_cfg"]["text_cfg"]
    except (ValueError, KeyError, TypeError) as error:
        raise GramError(
            f"{config} is not the configuration of an open_clip model; {_INSTEAD}"
        ) from error
    # Without weights open_clip would go on with random ones, and other formats are pickles.
    if not any(folder.glob("*.safetensors")):
        raise GramError(
            f"no .safetensors weights in {folder}; save the model there as "
            f"open_clip_model.safetensors, or {_INSTEAD}"
        )
    options = {}
    vocabulary = (text.get("tokenizer_kwargs") or {}).get("bpe_path")
    if vocabulary is not None:
        path = folder / vocabulary
        if not path.is_file():
            raise GramError(
                f"no {vocabulary} in {folder}, the vocabulary that {_CONFIG} names; put it there, "
                f"or {_INSTEAD}"
            )
        options["bpe_path"] = str(path.resolve())
    source = f"local-dir:{folder}"
    try:
        model = open_clip.create_model(source, device=device)
        tokenizer = open_clip.get_tokenizer(source, **options)
    except Exception as error:  # whatever three libraries make of a damaged file
        raise GramError(f"the model in {folder} cannot be opened: {error}; {_INSTEAD}") from error
    return Backbone(name, model, tokenizer)


def _open_named(name: str, device: str) -> Backbone:
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    model_name, _, tag = name.rpartition("/")
    known = open_clip.list_models()
    if model_name not in known:
        near = ", ".join(difflib.get_close_matches(model_name or tag, known)) or "ViT-B-16"
        raise GramError(
            f"unknown backbone {name!r}; use 'bundled', the path of an open_clip model directory, "
            f"or MODEL/TAG with a model of open_clip, such as {near}, and one of its tags"
        )
    tags = [*open_clip.list_pretrained_tags_by_model(model_name), RANDOM]
    if tag not in tags:
        raise GramError(
            f"backbone {model_name} has no weights called {tag!r}; choose from {', '.join(tags)}"
        )
    try:
        if tag == RANDOM:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                model = open_clip.create_model(model_name, device=device)
        else:
            # The model configuration says GELU even where the weights were trained with QuickGELU.
            quick = bool(get_pretrained_cfg(model_name, tag).get("quick_gelu"))
            model = open_clip.create_model(model_name, tag, device=device, force_quick_gelu=quick)
        tokenizer = open_clip.get_tokenizer(model_name)
    except Exception as error:  # no network, a full disk, a damaged download
        raise GramError(
            f"backbone {name!r} cannot be opened: {error}; weights are downloaded on first use, so "
            "check the network, or use the backbone 'bundled'"
        ) from error
    return Backbone(name, model, tokenizer)
