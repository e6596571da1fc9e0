"""`ingest`, `embed`: from what people have to pairs, and from pairs to features."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from gram_core.cli.console import Console
from gram_core.workspace import Workspace


def register(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Adds the verbs."""
    verb = verbs.add_parser("ingest", parents=[common], help="make a corpus of image-text pairs")
    verb.add_argument("source", type=Path, help="a folder, table, Parquet, tar shards, COCO")
    verb.add_argument("--corpus", required=True, metavar="NAME")
    verb.add_argument("--image-column", help="where it cannot be guessed")
    verb.add_argument("--caption-column", help="where it cannot be guessed")
    verb.add_argument(
        "--pictures", metavar="DIR", help="of the pictures that a table or COCO names"
    )
    verb.add_argument(
        "--reference", action="store_true", help="point at pictures where they lie, copy none"
    )
    verb.add_argument(
        "--captions", choices=("all", "first"), default="all", help="of a picture with several"
    )
    verb.add_argument(
        "--max-bad",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="of records that cannot be used; with more nothing is made (default: 0.5)",
    )
    verb.add_argument("--limit", type=int, help="stop after so many good pairs")
    verb.set_defaults(handle=_ingest)

    verb = verbs.add_parser("embed", parents=[common], help="compute the features of a corpus")
    verb.add_argument("corpus", help='a corpus of the workspace, or "bundled"')
    verb.add_argument("--backbone", default="bundled", help="bundled, MODEL/TAG, or a folder")
    verb.add_argument("--precision", choices=("float16", "float32"), default="float16")
    verb.add_argument("--rank", type=int, default=0, help="which of --ranks processes this is")
    verb.add_argument("--ranks", type=int, default=1, help="processes that share the work")
    verb.add_argument("--limit", type=int, help="only the first so many pairs")
    verb.set_defaults(handle=_embed)


def _ingest(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    from gram_core.corpus import IngestConfig, ingest

    config = IngestConfig(
        image_column=options.image_column,
        caption_column=options.caption_column,
        pictures=options.pictures,
        copy=not options.reference,
        captions=options.captions,
        max_bad=options.max_bad,
        limit=options.limit,
    )
    corpus = console.follow(ingest(options.source, workspace, options.corpus, config))
    about = workspace.get("corpora", corpus.name).about
    answer = {"corpus": corpus.name, "pairs": len(corpus), "about": about}
    left_out = "".join(f"\n  left out: {n:,} ({why})" for why, n in about["reasons"].items())
    console.answer(answer, f"corpus {corpus.name}: {len(corpus):,} pairs{left_out}")


def _embed(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    from gram_core.backbones import open_backbone
    from gram_core.corpus import embed, open_corpus

    corpus = open_corpus(workspace, options.corpus, options.limit)
    backbone = open_backbone(options.backbone)
    work = embed(corpus, backbone, options.rank, options.ranks, options.precision)
    stored = console.follow(work).stored_features(backbone, options.precision)
    answer: dict[str, Any] = {"corpus": corpus.name, "backbone": backbone.name}
    answer |= {"pairs": len(corpus), "dimensions": backbone.embed_dim, "complete": bool(stored)}
    if stored is None:
        text = f"rank {options.rank} of {options.ranks} is done; others are not"
    else:
        image = stored[0]
        answer["precision"] = str(image.dtype)
        text = f"{len(image):,} pairs, {image.shape[1]} dimensions, {image.dtype}"
    console.answer(answer, f"corpus {corpus.name}: {text}")
