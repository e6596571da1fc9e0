"""`bench`: the engine measured against its peers."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from gram_core.cli.console import Console
from gram_core.errors import GramError
from gram_core.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]


def register(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Adds the verb."""
    verb = verbs.add_parser("bench", parents=[common], help="measured against peers, ratios")
    verb.add_argument("--quick", action="store_true", help="small sizes, seconds; no real figures")
    verb.add_argument("--repeats", type=int, default=5, help="pairs of every row")
    verb.add_argument("--only", nargs="+", default=[], metavar="ROW", help="these rows alone")
    verb.add_argument("--backbone", help="default: ViT-B-16/random; with --quick: bundled")
    verb.add_argument("--threads", type=int, default=1, help="of PyTorch")
    verb.add_argument(
        "--devices", nargs="+", choices=("cpu", "cuda"), help="default: all there are"
    )
    verb.add_argument("--memory", action="store_true", help="peaks of memory as well")
    verb.add_argument(
        "--learn2learn",
        type=Path,
        default=os.environ.get("LEARN2LEARN"),
        metavar="DIR",
        help="its unpacked source where it is not installed (default: $LEARN2LEARN)",
    )
    verb.set_defaults(handle=_bench)


def _bench(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    if not (ROOT / "benchmarks" / "__init__.py").is_file():
        raise GramError(
            "the benchmarks are not here: they come with the repository and not with the installed "
            "package; clone the repository and run this there"
        )
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from benchmarks.run import BenchConfig, bench

    config = BenchConfig(
        backbone=options.backbone,
        quick=options.quick,
        repeats=options.repeats,
        only=tuple(options.only),
        threads=options.threads,
        learn2learn=options.learn2learn,
        memory=options.memory,
        devices=tuple(options.devices or ()),
    )
    report = console.follow(bench(config))
    console.answer(report.to_json(), report.text())
    if report.disagreeing:
        raise GramError(
            f"not timed because engine and peer do not agree: {', '.join(report.disagreeing)}; "
            "this is a defect of the engine or of the peer, please report it"
        )
