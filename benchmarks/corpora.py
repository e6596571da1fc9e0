"""Time and memory of ingest, embed, cluster and the rest by the size of a corpus.

`python -m benchmarks.corpora [--sizes 1000 10000 100000] [--out DIR]` draws synthetic pairs, takes
them through every stage, each in a process of its own, and writes DIR/scale.md and scale.json. A
run that was stopped goes on after the last stage that was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.memory import ROOT, resident
from benchmarks.pairs import write_shards
from benchmarks.report import machine, markdown
from gram_core.events import finish
from gram_core.workspace import Workspace, write_json

if TYPE_CHECKING:
    from gram_core.backbones import Backbone
    from gram_core.corpus import Corpus

NAME = "pairs"  # of the corpus; each size has a workspace of its own
SIZES = (1_000, 10_000, 100_000)
CC3M = 3_100_000
LIMIT = 4096  # MiB that no stage may exceed
#: How the time of each stage grows with n pairs where it is large: as n to this power.
GROWTH = {"ingest": 1.0, "embed": 1.0, "cluster": 1.0, "duplicates": 1.5}
HEAD = ("stage", "pairs", "s", "ms a pair", "before, MiB", "peak, MiB", "disk, MiB", "made")


@dataclass(frozen=True)
class Stage:
    """One stage at one size: seconds, MiB, and what it made.

    `before` is what the process held when the stage began (the libraries, and the backbone where
    it needs one), `peak` the most that it held; pages of memory-mapped files count. `disk` is what
    the corpus and all that was computed of it take afterwards.
    """

    stage: str
    pairs: int
    seconds: float
    before: float
    peak: float
    disk: float
    made: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """Where the pairs of one size lie, and with what they are worked on."""

    out: Path
    pairs: int
    backbone: str
    settings: dict[str, Any]

    @property
    def source(self) -> Path:
        return self.out / "sources" / f"{self.pairs}"

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.out / "workspaces" / f"{self.pairs}")

    def corpus(self) -> Corpus:
        from gram_core.corpus import open_corpus

        return open_corpus(self.workspace, NAME)

    def open_backbone(self) -> Backbone:
        from gram_core.backbones import open_backbone

        return open_backbone(self.backbone)

    def forget(self) -> None:
        """Removes what was computed of the corpus before, but not its features."""
        for file in (self.workspace.root / "cache").rglob("*.np?"):
            if file.name not in ("image.npy", "text.npy"):
                file.unlink()

    def disk(self) -> float:
        """MiB of the corpus and of all that was computed of it."""
        files = (file for file in self.workspace.root.rglob("*") if file.is_file())
        return sum(file.stat().st_size for file in files) / 2**20


#: A stage opens what it needs and gives the work that is measured.
Work = Callable[[], dict[str, Any]]


def _ingest(place: Place) -> Work:
    from gram_core.corpus import ingest

    shutil.rmtree(place.workspace.root, ignore_errors=True)

    def work() -> dict[str, Any]:
        return {"kept": len(finish(ingest(place.source, place.workspace, NAME)))}

    return work


def _embed(place: Place) -> Work:
    from gram_core.corpus import embed

    corpus, backbone = place.corpus(), place.open_backbone()
    shutil.rmtree(corpus.feature_folder(backbone), ignore_errors=True)

    def work() -> dict[str, Any]:
        finish(embed(corpus, backbone))
        return {"dimensions": backbone.embed_dim}

    return work


def _cluster(place: Place) -> Work:
    from gram_core.hierarchy import ClusterConfig, cluster

    corpus, backbone = place.corpus(), place.open_backbone()
    place.forget()
    config = ClusterConfig(**place.settings)

    def work() -> dict[str, Any]:
        hierarchy = finish(cluster(corpus, backbone, config))
        hierarchy.store(place.workspace)
        return {"topics": len(hierarchy.topics), "quality": hierarchy.quality}

    return work


def _duplicates(place: Place) -> Work:
    from gram_core.corpus.near import near_duplicates

    corpus, backbone = place.corpus(), place.open_backbone()
    place.forget()

    def work() -> dict[str, Any]:
        return {"flagged": len(finish(near_duplicates(corpus, backbone)).flagged())}

    return work


def _queries(place: Place) -> Work:
    from benchmarks.queries import measure_queries
    from gram_core.hierarchy import Hierarchy

    backbone = place.open_backbone()
    hierarchy = Hierarchy.open(place.workspace, place.workspace.list("hierarchies")[0].id)
    return lambda: measure_queries(place.corpus(), backbone, hierarchy)


STAGES: dict[str, Callable[[Place], Work]] = {
    "ingest": _ingest,
    "embed": _embed,
    "cluster": _cluster,
    "duplicates": _duplicates,
    "queries": _queries,
}


def run_stage(stage: str, place: Place) -> Stage:
    """Does one stage in this process and measures it."""
    work = STAGES[stage](place)
    before, started = resident(peak=False), time.perf_counter()
    made = work()
    seconds = time.perf_counter() - started
    return Stage(stage, place.pairs, seconds, before, resident(peak=True), place.disk(), made)


def _in_a_process(stage: str, place: Place) -> Stage:
    """The stage as another process measured it. Raises RuntimeError if that one failed."""
    about = [str(place.out), str(place.pairs), place.backbone, json.dumps(place.settings)]
    command = [sys.executable, "-m", "benchmarks.corpora", "--stage", stage, *about]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{stage} of {place.pairs} pairs ended with status {done.returncode}")
    return Stage(**json.loads(done.stdout.splitlines()[-1]))


def extrapolate(small: Stage, large: Stage, pairs: int) -> tuple[float, float]:
    """Seconds and MiB at another size, by the growth between two sizes.

    Memory grows with the pairs; so does time, but for the search of duplicates, whose cells are as
    many as the square root of the pairs and as large.
    """
    power = GROWTH[small.stage]
    grown = (pairs**power - large.pairs**power) / (large.pairs**power - small.pairs**power)
    seconds = large.seconds + grown * max(0.0, large.seconds - small.seconds)
    more = (pairs - large.pairs) / (large.pairs - small.pairs)
    return seconds, large.peak + more * max(0.0, large.peak - small.peak)


def report(stages: Sequence[Stage]) -> str:
    """What was measured as Markdown: the curve, the queries, and what CC3M would need."""
    work = [each for each in stages if each.stage in GROWTH]
    lines: list[tuple[str, ...]] = [
        (
            each.stage,
            f"{each.pairs:,}",
            f"{each.seconds:.1f}",
            f"{1000 * each.seconds / each.pairs:.2f}",
            f"{each.before:.0f}",
            f"{each.peak:.0f}",
            f"{each.disk:.0f}",
            _words(each.made),
        )
        for each in work
    ]
    parts = [markdown(HEAD, lines)]
    highest = max(work, key=lambda each: each.peak, default=None)
    if highest:
        verdict = "within" if highest.peak <= LIMIT else "NOT within"
        where = f"{highest.stage} of {highest.pairs:,} pairs"
        parts.append(f"The most memory, {highest.peak:.0f} MiB, took {where}: {verdict} 4 GiB.")
    if queries := [each for each in stages if each.stage == "queries"]:
        sizes = [f"{each.pairs:,}" for each in queries]
        rows = [(key, *(f"{each.made[key]:.1f}" for each in queries)) for key in queries[0].made]
        parts.append(markdown(("question of a page, ms", *sizes), rows))
    if far := _far(work):
        parts.append(f"{CC3M:,} pairs (CC3M), by the growth between the two largest sizes:")
        parts.append(markdown(("stage", "time grows as", "hours", "peak, GiB"), far))
    return "\n\n".join(parts) + "\n"


def _far(work: Sequence[Stage]) -> list[tuple[str, ...]]:
    """The rows of the table for CC3M; stages that were measured at one size alone have none."""
    rows: list[tuple[str, ...]] = []
    for stage, power in GROWTH.items():
        sizes = sorted((each for each in work if each.stage == stage), key=lambda each: each.pairs)
        if len(sizes) > 1:
            seconds, peak = extrapolate(sizes[-2], sizes[-1], CC3M)
            growth = "n" if power == 1 else f"n^{power:g}"
            rows.append((stage, growth, f"{seconds / 3600:.1f}", f"{peak / 1024:.1f}"))
    return rows


def _words(made: dict[str, Any]) -> str:
    return ", ".join(f"{value:,} {key}" for key, value in made.items() if isinstance(value, int))


def main(arguments: Sequence[str]) -> None:
    """Measures what is not measured yet and writes the report after every stage."""
    from gram_core.cli.work import add_settings, read_settings

    if arguments[:1] == ["--stage"]:  # this is the process of one stage
        stage, out, pairs, backbone, about = arguments[1:]
        place = Place(Path(out), int(pairs), backbone, json.loads(about))
        print(json.dumps(asdict(run_stage(stage, place))))
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpora", description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, metavar="PAIRS")
    parser.add_argument("--out", type=Path, default=Path("workspace/scale"), metavar="DIR")
    parser.add_argument("--stages", nargs="+", choices=STAGES, help="only these, measured anew")
    parser.add_argument("--backbone", default="bundled")
    add_settings(parser, "ClusterConfig")
    options = parser.parse_args(arguments)
    out = options.out.resolve()
    settings = read_settings(options.settings)
    path = out / "scale.json"
    old = json.loads(path.read_text(encoding="utf-8"))["stages"] if path.is_file() else []
    measured = {(each["pairs"], each["stage"]): Stage(**each) for each in old}
    for pairs in options.sizes:
        place = Place(out, pairs, options.backbone, settings)
        print(f"drawing {pairs:,} pairs", file=sys.stderr)
        write_shards(place.source, pairs)
        for stage in options.stages or STAGES:
            if options.stages or (pairs, stage) not in measured:
                print(f"{stage} of {pairs:,} pairs", file=sys.stderr)
                measured[pairs, stage] = _in_a_process(stage, place)
                stages = sorted(measured.values(), key=lambda each: each.pairs)
                rows = [asdict(each) for each in stages]
                write_json(path, {"machine": machine(), "stages": rows})
                (out / "scale.md").write_text(report(stages), encoding="utf-8")
    print((out / "scale.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(sys.argv[1:])
