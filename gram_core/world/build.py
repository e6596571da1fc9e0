"""Everything in `data/` but the backbone, from one seed: corpus, labelled sets, samples."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from gram_core.events import Event
from gram_core.world.captions import CORPUS, caption
from gram_core.world.scene import Scene, render, sample_scene
from gram_core.world.sets import PLANS, SetPlan
from gram_core.world.splits import CORPUS_OBJECTS
from gram_core.world.styles import SEEN

CORPUS_PAIRS = 12_000
SHARD = 1_000
QUALITY = 80
SAMPLE_SHOTS = 12
#: Things the backbone has never seen, to be learned, and things it knows, not to be forgotten.
SAMPLES = {
    "base": ("airplane", "cat", "strawberry", "robot"),
    "new": ("penguin", "mushroom", "house", "bicycle"),
}

Record = dict[str, object]


def encode(picture: np.ndarray) -> bytes:
    """`picture` (64, 64, 3) uint8 as WebP bytes, about 1 kB."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=QUALITY, method=6)
    return buffer.getvalue()


def _corpus_shard(seed: int, shard: int) -> tuple[list[Record], list[Record]]:
    rng = np.random.default_rng([seed, 1, shard])
    pairs: list[Record] = []
    truths: list[Record] = []
    for _ in range(SHARD):
        concept = CORPUS_OBJECTS[int(rng.integers(len(CORPUS_OBJECTS)))]
        style = SEEN[int(rng.integers(len(SEEN)))]
        scene = sample_scene(rng, concept, style, "hard")
        pairs.append({"image": encode(render(rng, scene)), "caption": caption(rng, scene, CORPUS)})
        truths.append(asdict(scene))
    return pairs, truths


def build_corpus(folder: Path, seed: int) -> None:
    """Writes the unlabelled pairs as Parquet shards, and beside them the truth about each scene.

    No pair is one the backbone was pretrained on: objects are smaller, turned and shifted, and
    the random stream is another. The truth serves to judge clusters and is never trained on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(2) as pool:
        shards = list(pool.map(partial(_corpus_shard, seed), range(CORPUS_PAIRS // SHARD)))
    for index, (pairs, _) in enumerate(shards):
        pq.write_table(pa.Table.from_pylist(pairs), folder / f"pairs-{index:02d}.parquet")
    truths = [truth for _, shard in shards for truth in shard]
    pq.write_table(pa.Table.from_pylist(truths), folder.parent / "corpus-truth.parquet")


def _set_records(plan: SetPlan, seed: int) -> list[Record]:
    rng = np.random.default_rng([seed, 2, *plan.name.encode()])
    records: list[Record] = []

    def add(split: str, domain: str, count: int) -> None:
        for label, name in enumerate(plan.classes):
            for _ in range(count):
                picture = render(rng, plan.scene(rng, name, domain))
                records.append(
                    {"image": encode(picture), "label": label, "domain": domain, "split": split}
                )

    for source in plan.sources:
        add("pool", source, plan.pool_per_class)
    for domain in plan.domains:
        add("test", domain, plan.test_per_class)
    return records


def build_sets(folder: Path, seed: int) -> None:
    """Writes every labelled set as one Parquet file, and `sets.json` that describes them."""
    folder.mkdir(parents=True, exist_ok=True)
    described = []
    with ProcessPoolExecutor(2) as pool:
        tables = pool.map(partial(_set_records, seed=seed), PLANS)
        for plan, records in zip(PLANS, tables, strict=True):
            pq.write_table(pa.Table.from_pylist(records), folder / f"{plan.name}.parquet")
            described.append(
                {
                    "name": plan.name,
                    "title": plan.title,
                    "description": plan.description,
                    "role": plan.role,
                    "classes": plan.classes,
                    "sources": plan.sources,
                }
            )
    (folder / "sets.json").write_text(json.dumps({"sets": described}, indent=2) + "\n")


def build_samples(folder: Path, seed: int) -> None:
    """Writes sample pictures to upload, one folder a class, and `samples.json` that lists them.

    Base classes come in one style; new classes in any of the seen ones.
    """
    rng = np.random.default_rng([seed, 3])

    def save(where: Path, scene: Scene) -> None:
        where.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(render(rng, scene)).save(where)

    listing: dict[str, dict[str, list[str]]] = {"base": {}, "new": {}}
    for role, name in ((role, name) for role, names in SAMPLES.items() for name in names):
        files = listing[role].setdefault(name, [])
        for shot in range(SAMPLE_SHOTS):
            style = "cartoon" if role == "base" else SEEN[int(rng.integers(len(SEEN)))]
            path = folder / name / f"{shot:02d}.png"
            save(path, sample_scene(rng, name, style, "hard", count=1))
            files.append(f"{name}/{path.name}")
    (folder / "samples.json").write_text(json.dumps(listing, indent=2) + "\n")


def build(data: Path, seed: int = 0) -> Iterator[Event]:
    """Writes corpus, sets and samples under `data`; the same seed gives the same bytes."""
    steps = (
        ("unlabelled pairs", build_corpus, "corpus"),
        ("labelled sets", build_sets, "sets"),
        ("sample pictures", build_samples, "samples"),
    )
    for done, (title, make, name) in enumerate(steps):
        yield Event("progress", done, len(steps), title)
        make(data / name, seed)
    yield Event("result", len(steps), len(steps), result=data)
