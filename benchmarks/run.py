"""The whole benchmark: cases built, compared, timed in turns, reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks import cases, memory
from benchmarks.measure import Row, clock, measure
from benchmarks.memory import Peak, measure_memory
from benchmarks.peers import load_learn2learn
from benchmarks.report import machine, memory_table, table
from benchmarks.work import QUICK, Bench, Sizes
from gram_core.backbones import open_backbone
from gram_core.errors import GramError
from gram_core.events import Event, pass_on

HOW_TO_READ = """\
The ratio is the median [least..most] over the pairs: other / engine, or engine / other where it is
called a cost. The deviation is the largest of all compared results (loss and how far the prompt
moved, or loss and meta-gradients of θ and φ), relative to the largest element of each."""
FULL, SMALL = "ViT-B-16/random", "bundled"


@dataclass(frozen=True)
class BenchConfig:
    """What to measure; `backbone` None: one of full size, or the bundled one where it is quick.

    `only` names rows, none: all. `threads` are those of PyTorch. `learn2learn` is the folder of its
    source where it is not installed. `memory` adds peaks of memory (on the CPU). `devices` none:
    the CPU, and a GPU where there is one.
    """

    backbone: str | None = None
    quick: bool = False
    repeats: int = 5
    only: tuple[str, ...] = ()
    threads: int = 1
    learn2learn: Path | None = None
    memory: bool = False
    devices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("repeats", "threads"):
            if getattr(self, name) < 1:
                raise GramError(f"{name} is {getattr(self, name)}; give at least 1.")
        unknown = [name for name in self.only if name not in cases.CASES]
        if unknown:
            rows = ", ".join(cases.CASES)
            raise GramError(f"There is no row {unknown[0]!r}; choose from {rows}.")
        if "cuda" in self.devices and not torch.cuda.is_available():
            raise GramError("There is no GPU that PyTorch can use; measure on the device cpu.")

    @property
    def backbone_name(self) -> str:
        """The backbone to measure on."""
        return self.backbone or (SMALL if self.quick else FULL)

    @property
    def has_aims(self) -> bool:
        """Whether this is measured at the sizes that the aims are for."""
        return not self.quick and self.backbone_name.startswith("ViT-B-16/")

    @property
    def rows(self) -> list[str]:
        """The rows to measure, in the order of the table."""
        return [name for name in cases.CASES if not self.only or name in self.only]


@dataclass(frozen=True)
class Measured:
    """The rows of one device, and the clock that timed them."""

    device: str
    clock: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class Report:
    """What was measured, where, and how."""

    config: BenchConfig
    machine: dict[str, Any]
    devices: Sequence[Measured]
    peaks: Sequence[Peak] = field(default_factory=list)

    @property
    def disagreeing(self) -> list[str]:
        """The rows that were not timed because their results differ."""
        return [row.name for one in self.devices for row in one.rows if not row.agrees]

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "backbone": self.config.backbone_name,
            "quick": self.config.quick,
            "threads": self.config.threads,
            "machine": self.machine,
            "devices": [
                {
                    "device": one.device,
                    "clock": one.clock,
                    "rows": [row.to_json() for row in one.rows],
                }
                for one in self.devices
            ],
            "memory": [peak.to_json() for peak in self.peaks],
        }

    def text(self) -> str:
        """The tables, each under a line that says where and how it was measured."""
        about = ", ".join(f"{key} {value}" for key, value in self.machine.items() if value)
        parts = [f"{self.config.backbone_name}, float32, {about}."]
        for one in self.devices:
            parts += [
                f"On {one.device}: {one.clock}, threads {self.config.threads}, pairs in turns.",
                HOW_TO_READ,
                table(one.rows),
            ]
        if self.peaks:
            parts += [
                "Resident memory, each row in a process of its own.",
                memory_table(self.peaks),
            ]
        return "\n\n".join(parts)


def bench(config: BenchConfig) -> Iterator[Event]:
    """Measures; the result event carries the `Report`.

    Raises GramError for a backbone that the peers cannot copy.
    """
    learn2learn = load_learn2learn(config.learn2learn)
    sizes = QUICK if config.quick else Sizes()
    devices = config.devices or (("cpu", "cuda") if torch.cuda.is_available() else ("cpu",))
    measured: list[Measured] = []
    peaks: list[Peak] = []
    with _threads(config.threads):
        for device in devices:
            yield Event("progress", message=f"opening the backbone on {device}")
            backbone = open_backbone(config.backbone_name, device)
            shared = Bench(backbone, sizes, learn2learn)
            built = {name: cases.CASES[name](shared) for name in config.rows}
            if not config.has_aims or device != "cpu":
                built = {name: replace(case, aim=None) for name, case in built.items()}
            watch = clock(backbone.device, config.threads)
            least = 0.0 if config.quick else 0.5
            work = measure(built, config.repeats, watch, backbone.dtype, least)
            rows = yield from pass_on(work)
            measured.append(Measured(device, watch.name, rows))
    if config.memory:
        wanted = memory.QUICK if config.quick else memory.Sizes()
        peaks = yield from pass_on(measure_memory(config.backbone_name, wanted, config.threads))
    report = Report(config, machine(), measured, peaks)
    yield Event("result", message="measured", result=report)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
