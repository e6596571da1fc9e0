"""The recipe of the bundled backbone: a small CLIP, contrastively trained on the world alone.

Pictures of the known concepts in the ten seen styles are drawn once; every time a picture comes
up it is given a new caption, shifted a little and perhaps mirrored. The image tower is a ViT
without tricks, so that visual prompts and the ordinary open_clip code both work with it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from open_clip.model import CLIP
from open_clip.tokenizer import SimpleTokenizer
from safetensors.torch import save_file
from torch import Tensor

from gram_core.events import Event
from gram_core.world.captions import caption, lexicon
from gram_core.world.scene import Scene, render, sample_scene
from gram_core.world.splits import KNOWN
from gram_core.world.styles import SEEN
from gram_core.world.vocabulary import FILE_NAME, write_vocabulary

CONTEXT_LENGTH = 32
MEAN = (0.5, 0.5, 0.5)
STD = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Recipe:
    """The settings of one pretraining; sizes in pictures, rates per step."""

    pictures: int = 240_000
    steps: int = 2_600
    batch: int = 256
    width: int = 128
    layers: int = 6
    text_width: int = 128
    text_layers: int = 3
    embed_dim: int = 128
    patch: int = 8
    adam_rate: float = 1e-3
    muon_rate: float = 3e-3
    warm_up: int = 100
    shift: int = 3
    seed: int = 0


def model_config(recipe: Recipe, vocabulary: int) -> dict[str, Any]:
    """The open_clip configuration of the model that `recipe` trains."""
    return {
        "embed_dim": recipe.embed_dim,
        "vision_cfg": {
            "image_size": 64,
            "patch_size": recipe.patch,
            "width": recipe.width,
            "layers": recipe.layers,
            "head_width": 32,
            "pool_type": "avg",
        },
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": vocabulary,
            "width": recipe.text_width,
            "heads": recipe.text_width // 32,
            "layers": recipe.text_layers,
            "tokenizer_kwargs": {"bpe_path": FILE_NAME},
        },
    }


def _draw_share(seed: int, count: int) -> tuple[np.ndarray, list[Scene]]:
    rng = np.random.default_rng(seed)
    pictures = np.empty((count, 3, 64, 64), np.uint8)
    scenes = []
    for row in range(count):
        concept = KNOWN[int(rng.integers(len(KNOWN)))]
        style = SEEN[int(rng.integers(len(SEEN)))]
        scenes.append(sample_scene(rng, concept, style))
        pictures[row] = render(rng, scenes[-1]).transpose(2, 0, 1)
    return pictures, scenes


def draw_pictures(count: int, seed: int, workers: int = 2) -> tuple[Tensor, list[Scene]]:
    """`count` pictures (count, 3, 64, 64) uint8 with their scenes, drawn by `workers` processes.

    The pictures depend on `seed` and `count` alone.
    """
    share = 4_000
    sizes = [min(share, count - start) for start in range(0, count, share)]
    seeds = [seed * 1_000_003 + index for index in range(len(sizes))]
    with ProcessPoolExecutor(workers) as pool:
        parts = list(pool.map(_draw_share, seeds, sizes))
    pictures = np.concatenate([part[0] for part in parts])
    return torch.from_numpy(pictures), [scene for part in parts for scene in part[1]]


def _sin_cos_positions(side: int, width: int) -> Tensor:
    """Two-dimensional sine-cosine positions (side², width), the start of the learned ones."""
    frequencies = 1 / 100 ** (torch.arange(width // 4) / (width // 4))
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    angles = [axis.reshape(-1, 1) * frequencies for axis in (rows, columns)]
    return torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], 1)


def build_model(recipe: Recipe, vocabulary: int) -> CLIP:
    """An untrained model of `recipe`, its positions started from sines and cosines."""
    torch.manual_seed(recipe.seed)
    config = model_config(recipe, vocabulary)
    model = CLIP(**config)
    positions = model.visual.positional_embedding
    with torch.no_grad():
        positions[1:] = 0.5 * _sin_cos_positions(64 // recipe.patch, recipe.width)
    return model


def encode_short_text(model: CLIP, tokens: Tensor) -> Tensor:
    """`model.encode_text` for tokens (n, L) cut after the longest text, unnormalised (n, e).

    Exact, because the causal mask keeps what follows the end of a text from reaching it.
    """
    length = tokens.shape[1]
    states = model.token_embedding(tokens) + model.positional_embedding[:length]
    states = model.transformer(states, attn_mask=model.attn_mask[:length, :length])
    states = model.ln_final(states)[torch.arange(len(tokens)), tokens.argmax(-1)]
    return states @ model.text_projection


def _attention_in_float32() -> Any:
    """Scaled dot-product attention outside bfloat16, whose backward is far slower on CPUs."""
    attend = functional.scaled_dot_product_attention

    def attention(query: Tensor, key: Tensor, value: Tensor, *rest: Any, **options: Any) -> Tensor:
        mask = options.get("attn_mask")
        if mask is not None:
            options["attn_mask"] = mask.float()
        with torch.autocast("cpu", enabled=False):
            out = attend(query.float(), key.float(), value.float(), *rest, **options)
        return out.to(query.dtype)

    return attention


def _optimisers(model: CLIP, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the blocks, AdamW for everything else."""
    matrices, decayed, others = [], [], []
    for name, parameter in model.named_parameters():
        if "resblocks" in name and parameter.ndim == 2:
            matrices.append(parameter)
        elif parameter.ndim >= 2 and "positional" not in name:
            decayed.append(parameter)
        else:
            others.append(parameter)
    muon = torch.optim.Muon(
        matrices, lr=recipe.muon_rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    groups = [
        {"params": decayed, "weight_decay": 0.1},
        {"params": others, "weight_decay": 0.0},
    ]
    return [muon, torch.optim.AdamW(groups, lr=recipe.adam_rate, betas=(0.9, 0.98))]


def _rate_factor(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then a cosine to zero."""
    warm = min(1.0, (step + 1) / recipe.warm_up)
    return warm * 0.5 * (1 + math.cos(math.pi * step / recipe.steps))


def _augmented(pictures: Tensor, shift: int, generator: torch.Generator) -> Tensor:
    """Floats (n, 3, 64, 64) in [-1, 1], all shifted alike and half of them mirrored."""
    pixels = pictures.float().div_(127.5).sub_(1)
    mirrored = torch.rand(len(pixels), generator=generator) < 0.5
    pixels[mirrored] = pixels[mirrored].flip(-1)
    down, right = torch.randint(0, 2 * shift + 1, (2,), generator=generator).tolist()
    padded = functional.pad(pixels, (shift,) * 4, mode="replicate")
    return padded[:, :, down : down + 64, right : right + 64]


def pretrain(folder: Path, recipe: Recipe, *, save_every: int = 200) -> Iterator[Event]:
    """Trains the backbone of `recipe` and keeps it up to date in `folder`; yields metric events.

    The folder becomes an ordinary open_clip model directory with float16 weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    size = write_vocabulary(folder / FILE_NAME, lexicon())
    tokenizer = SimpleTokenizer(
        bpe_path=str((folder / FILE_NAME).resolve()), context_length=CONTEXT_LENGTH
    )
    model = build_model(recipe, size)
    save_backbone(model, recipe, size, folder)

    yield Event("progress", message=f"drawing {recipe.pictures:,} pictures")
    pictures, scenes = draw_pictures(recipe.pictures, recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    optimisers = _optimisers(model, recipe)
    base_rates = [[group["lr"] for group in each.param_groups] for each in optimisers]
    order: list[int] = []
    average, started = float("nan"), time.monotonic()
    plain_attention = functional.scaled_dot_product_attention
    functional.scaled_dot_product_attention = _attention_in_float32()
    try:
        for step in range(recipe.steps):
            factor = _rate_factor(step, recipe)
            for optimiser, rates in zip(optimisers, base_rates, strict=True):
                for group, rate in zip(optimiser.param_groups, rates, strict=True):
                    group["lr"] = rate * factor
            if len(order) < recipe.batch:
                order = rng.permutation(len(scenes)).tolist()
            rows, order = order[: recipe.batch], order[recipe.batch :]
            tokens = tokenizer([caption(rng, scenes[row]) for row in rows])
            tokens = tokens[:, : int(tokens.argmax(-1).max()) + 1]
            pixels = _augmented(pictures[torch.tensor(rows)], recipe.shift, generator)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                images = functional.normalize(model.encode_image(pixels), dim=-1)
                texts = functional.normalize(encode_short_text(model, tokens), dim=-1)
            scores = model.logit_scale.exp() * images.float() @ texts.float().T
            target = torch.arange(len(rows))
            both_ways = partial(functional.cross_entropy, target=target)
            loss = (both_ways(scores) + both_ways(scores.T)) / 2
            for optimiser in optimisers:
                optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimiser in optimisers:
                optimiser.step()
            with torch.no_grad():
                model.logit_scale.clamp_(0, math.log(100))
            value = loss.item()
            average = value if math.isnan(average) else 0.98 * average + 0.02 * value
            if (step + 1) % save_every == 0 or step + 1 == recipe.steps:
                save_backbone(model, recipe, size, folder)
            if (step + 1) % 50 == 0:
                seconds = time.monotonic() - started
                values = {
                    "loss": average,
                    "scale": model.logit_scale.exp().item(),
                    "pairs_per_second": (step + 1) * recipe.batch / seconds,
                    "seconds": seconds,
                }
                yield Event("metric", step + 1, recipe.steps, values=values)
    finally:
        functional.scaled_dot_product_attention = plain_attention
    yield Event("result", recipe.steps, recipe.steps, result=folder)


def save_backbone(model: CLIP, recipe: Recipe, vocabulary: int, folder: Path) -> None:
    """Writes `model` to `folder` as open_clip's `local-dir:` schema wants it, in float16."""
    document = {
        "model_cfg": model_config(recipe, vocabulary),
        "preprocess_cfg": {
            "mean": MEAN,
            "std": STD,
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }
    (folder / "open_clip_config.json").write_text(json.dumps(document, indent=2) + "\n")
    weights = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    partial_file = folder / "weights.partial"
    save_file(weights, str(partial_file))
    partial_file.rename(folder / "open_clip_model.safetensors")
