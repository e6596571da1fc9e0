"""`python -m gram_core.world build | train | report`: the bundled data and the bundled backbone."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "data"


def main() -> None:
    """Parses the command line and runs the verb."""
    parser = argparse.ArgumentParser(prog="python -m gram_core.world", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    build_verb = verbs.add_parser("build", help="corpus, labelled sets and samples (two minutes)")
    train_verb = verbs.add_parser("train", help="the backbone (about an hour on two cores)")
    for verb in (build_verb, train_verb):
        verb.add_argument("--data", type=Path, default=DATA, help="where to (default: data/)")
        verb.add_argument("--seed", type=int, default=0)
    train_verb.add_argument("--steps", type=int, help="fewer steps than the recipe, for a trial")
    train_verb.add_argument("--pictures", type=int, help="fewer pictures, for a trial")
    verbs.add_parser("report", help="zero-shot accuracy of the bundled backbone, by style")
    options = parser.parse_args()
    if options.verb == "report":
        _report()
        return

    if options.verb == "build":
        from gram_core.world.build import build

        for event in build(options.data, options.seed):
            print(event.message or "done", flush=True)
        return

    from dataclasses import replace

    from gram_core.world.pretraining import Recipe, pretrain

    recipe = replace(Recipe(), seed=options.seed)
    for name in ("steps", "pictures"):
        if getattr(options, name) is not None:
            recipe = replace(recipe, **{name: getattr(options, name)})
    folder = options.data / "backbone"
    started, log = time.time(), None
    for event in pretrain(folder, recipe):
        if event.message:
            print(event.message, flush=True)
        if event.kind == "metric":
            log = log or (folder / "training.jsonl").open("w")
            log.write(json.dumps({"step": event.step, **event.values}) + "\n")
            print(f"{event.step}/{event.total}  loss {event.values['loss']:.3f}", flush=True)
    print(f"done in {(time.time() - started) / 60:.0f} min: {folder}")


def _report() -> None:
    from gram_core.backbones import open_backbone
    from gram_core.world.report import accuracy_by_style

    backbone = open_backbone("bundled")
    for geometry in ("easy", "hard"):
        print(f"{geometry} geometry, per cent:")
        for style, accuracy in accuracy_by_style(backbone, geometry).items():
            print(f"  {style:12} {accuracy:5.1f}")


if __name__ == "__main__":
    main()
