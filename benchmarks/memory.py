"""Peaks of resident memory, each measured in a process of its own.

`python -m benchmarks.memory NAME BACKBONE SIZE` does one piece of work and prints its peak.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from gram_core.events import Event

ROOT = Path(__file__).resolve().parents[1]
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Peak:
    """Resident memory in MiB: before the work, when all of its constants are there, and at most.

    Zero where there was nothing to measure; `what` then says why.
    """

    name: str
    what: str
    before: float = 0.0
    peak: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The fields as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Sizes:
    """Images per set of a VPT meta-step; classes and images per class of an adaptation."""

    shots: tuple[int, ...] = (2, 4, 8, 16)
    classes: int = 1000
    images_per_class: int = 16


QUICK = Sizes(shots=(2, 4), classes=20, images_per_class=4)


def measure_memory(backbone: str, sizes: Sizes, threads: int) -> Iterator[Event]:
    """Measures all peaks one after another; the result event carries them.

    A process that fails, say because there is not enough memory, takes nothing else with it.
    """
    kinds = ("vpt", "vpt-replay", "vpt-peer")
    jobs = [*product(kinds, sizes.shots), ("adapt", sizes.classes)]
    peaks: list[Peak] = []
    for name, size in jobs:
        yield Event("progress", len(peaks), len(jobs), f"memory of {name}, {size}")
        peaks.append(_in_a_process(name, backbone, size, sizes.images_per_class, threads))
    yield Event("result", len(jobs), len(jobs), "measured", result=peaks)


def _in_a_process(name: str, backbone: str, size: int, per_class: int, threads: int) -> Peak:
    command = [sys.executable, "-m", "benchmarks.memory", name, backbone, str(size), str(per_class)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["killed, perhaps for want of memory"])[-1]
        return Peak(name, f"of size {size}, not measured: {why}")
    return Peak(**json.loads(done.stdout.splitlines()[-1]))


def resident(peak: bool) -> float:
    """MiB of this process: what it holds now, or the most since `forget_peak`.

    Where the system does not tell: the most that it ever held.
    """
    if STATUS.is_file():
        key = "VmHWM:" if peak else "VmRSS:"
        for line in STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith(key):
                return int(line.split()[1]) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 1024


def forget_peak() -> None:
    """Starts the count of the peak anew, where the system can."""
    if RESET.exists():
        RESET.write_text("5", encoding="utf-8")


def peak_of(name: str, what: str, work: Callable[[], object]) -> Peak:
    """The peak of one call."""
    forget_peak()
    before = resident(peak=False)
    work()
    return Peak(name, what, before, resident(peak=True))


def _vpt(backbone: Any, name: str, shots: int) -> Peak:
    from benchmarks.work import Bench, vpt_peer, vpt_tasks

    bench = Bench(backbone)
    tasks = vpt_tasks(bench, shots)
    what = f"VPT meta-step, second order, {shots} + {shots} images"
    if name == "vpt-peer":
        return peak_of(name, f"{what}, plain autograd.grad", vpt_peer(bench, tasks))
    if name == "vpt-replay":
        return peak_of(name, f"{what}, engine by replay", partial(tasks, "replay"))
    return peak_of(name, f"{what}, engine", tasks)


def _adapt(backbone: Any, classes: int, per_class: int) -> Peak:
    from benchmarks.work import Bench, adaptation_step

    bench, images = Bench(backbone), classes * per_class
    batch = bench.sizes.batch
    what = f"CoOp step, batch {batch}, {classes} classes, {images} images as features, engine"
    return peak_of("adapt", what, adaptation_step(bench, classes, images))


def main(arguments: list[str]) -> None:
    """Does one piece of work and prints its peak as JSON."""
    from gram_core.backbones import open_backbone

    name, backbone, size, per_class = arguments
    opened = open_backbone(backbone)
    if name == "adapt":
        peak = _adapt(opened, int(size), int(per_class))
    else:
        peak = _vpt(opened, name, int(size))
    print(json.dumps(peak.to_json()))


if __name__ == "__main__":
    main(sys.argv[1:])
