"""The benchmarks measure what they say, against peers that compute the same."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks import memory, peers
from benchmarks.cases import CASES
from benchmarks.measure import Case, Clock, Results, clock, compared, deviation, measure
from benchmarks.peers import load_learn2learn
from benchmarks.report import memory_table, table
from benchmarks.run import BenchConfig
from benchmarks.work import QUICK, Bench, class_names
from gram_core.backbones import Backbone, open_backbone
from gram_core.cli import bench as verb
from gram_core.cli import main
from gram_core.errors import GramError
from gram_core.events import finish

LEARNED = {"coop-few", "coop-many", "coop-cached-few", "coop-cached-many"}
INEXACT = {"bfloat16-few", "bfloat16-many"}


class StandIn(nn.Module):
    """What the benchmark uses of learn2learn's MAML: a clone that keeps the graph, and its rate."""

    def __init__(self, module: nn.Module, lr: float) -> None:
        super().__init__()
        self.module, self.lr = module, lr

    def forward(self, images: torch.Tensor) -> Any:
        return self.module(images)

    def clone(self) -> StandIn:
        return StandIn(_clone(self.module), self.lr)


def _clone(module: Any) -> Any:
    copy = module.__new__(type(module))
    copy.__dict__ = dict(module.__dict__)
    weights, children = module._parameters.items(), module._modules.items()
    copy._parameters = {key: None if each is None else each.clone() for key, each in weights}
    copy._modules = {key: None if each is None else _clone(each) for key, each in children}
    return copy


def _update(module: Any, lr: float, gradients: list[torch.Tensor | None]) -> None:
    steps = iter(gradients)
    for each in module.modules():
        for key, value in each._parameters.items():
            if value is not None and (step := next(steps)) is not None:
                each._parameters[key] = value - lr * step


MAML = SimpleNamespace(MAML=StandIn, maml_update=_update)


@pytest.fixture(scope="module")
def exact(tiny_backbone: Backbone) -> Bench:
    """Everything in float64 on a tiny backbone."""
    return Bench(tiny_backbone.double(), QUICK, MAML)


@pytest.mark.parametrize("name", [name for name in CASES if name not in INEXACT])
def test_engine_and_peer_compute_the_same(name: str, exact: Bench) -> None:
    case = CASES[name](exact)
    ours, theirs = case.engine(), case.other()
    if case.compare == ():
        # Two sizes of one computation: they must not be the same one by mistake.
        assert deviation(ours, theirs, ["loss"]) > 1e-6
        return
    assert deviation(ours, theirs, case.compare) < 1e-10
    names = set(ours) if case.compare is None else set(case.compare)
    if name in LEARNED:
        assert names == {"loss", "moved"}
    else:
        maps = {f"phi.{which}.{part}" for which in ("gamma", "beta") for part in ("weight", "bias")}
        wanted = {"loss", *maps, "phi.log_scale"}
        assert names == (wanted if name.startswith("order") else {*wanted, "theta"})
    for result in ours.values():
        assert result.abs().max() > 1e-12


def test_the_peers_also_copy_a_tower_that_pools_its_patches() -> None:
    """The bundled backbone does, and the quick benchmark runs on it."""
    bench = Bench(open_backbone("bundled").double(), QUICK)
    for name in ("coop-few", "vpt"):
        case = CASES[name](bench)
        assert deviation(case.engine(), case.other()) < 1e-10


def test_the_peers_also_copy_quick_gelu(
    write_backbone: Callable[..., Path], tmp_path: Path
) -> None:
    backbone = open_backbone(str(write_backbone(tmp_path / "quick", quick_gelu=True))).double()
    case = CASES["coop-few"](Bench(backbone, QUICK))
    assert deviation(case.engine(), case.other()) < 1e-10


def test_the_second_order_matters_in_what_is_compared(exact: Bench) -> None:
    """A peer that stopped at the first order would not pass for one that goes on."""
    case = CASES["order-few"](exact)
    assert deviation(case.engine(), case.other(), ["theta"]) > 0.01


def test_bfloat16_is_near_but_not_exact(tiny_backbone: Backbone) -> None:
    row = compared("half", CASES["bfloat16-few"](Bench(tiny_backbone, QUICK)), torch.float32)
    assert row.deviation is not None
    assert 1e-5 < row.deviation < 1
    assert row.agrees


def test_a_peer_with_other_weights_is_not_timed(tiny_backbone: Backbone) -> None:
    bench = Bench(tiny_backbone, QUICK)
    with torch.no_grad():
        bench.text_encoder.text_projection[0, 0] += 0.1
    case = CASES["meta-plain-few"](bench)
    watch = clock(torch.device("cpu"), 1)
    (row,) = finish(measure({"wrong": case}, 2, watch, torch.float32, 0))
    assert not row.agrees
    assert row.ratios == ()
    assert "not timed" in table([row])


@pytest.mark.parametrize(
    "changed",
    [
        {"text": {"ls_init_value": 0.1}},
        {"text": {"proj_type": "none", "width": 24}, "custom_text": True},
    ],
)
def test_a_backbone_that_the_peers_cannot_copy_is_refused(
    changed: dict[str, Any], write_backbone: Callable[..., Path], tmp_path: Path
) -> None:
    backbone = open_backbone(str(write_backbone(tmp_path / "model", **changed)))
    with pytest.raises(GramError, match="the peers are written for CLIP's own towers"):
        peers.TextEncoder(backbone)


def _work(value: float, log: list[str], name: str) -> Callable[[], Results]:
    def work() -> Results:
        log.append(name)
        return {"loss": torch.tensor(value)}

    return work


def _ticking(log: list[str]) -> Clock:
    """A clock on which the engine takes one second and the other four."""
    return Clock("ticks", lambda: float(sum({"engine": 1, "other": 4}[name] for name in log)))


@pytest.mark.parametrize(("cost", "ratio"), [(False, 4.0), (True, 0.25)])
def test_pairs_are_run_in_turns_and_their_ratio_is_told(cost: bool, ratio: float) -> None:
    log: list[str] = []
    case = Case("one", "two", _work(1, log, "engine"), _work(1, log, "other"), 3.0, cost)
    (row,) = finish(measure({"row": case}, 2, _ticking(log), torch.float32, 0))
    assert log == ["engine", "other", "engine", "other", "other", "engine"]
    assert (row.engine, row.other) == ((1, 1), (4, 4))
    assert row.ratios == (ratio, ratio)
    assert row.to_json()["ratio"] == {"median": ratio, "min": ratio, "max": ratio}


def test_a_short_call_is_repeated_until_there_is_something_to_measure() -> None:
    log: list[str] = []
    case = Case("one", "two", _work(1, log, "engine"), _work(1, log, "other"))
    (row,) = finish(measure({"row": case}, 1, _ticking(log), torch.float32, 4))
    assert log.count("engine") == 1 + 4
    assert log.count("other") == 1 + 1
    assert row.ratios == (4,)


def test_results_of_other_names_or_shapes_are_no_deviation() -> None:
    one = {"loss": torch.ones(2), "theta": torch.tensor([1.0, 100.0])}
    assert deviation(one, {**one, "theta": torch.tensor([2.0, 100.0])}) == pytest.approx(0.01)
    assert deviation(one, one) == 0
    for name, value in one.items():
        broken = {**one, name: value * math.nan}
        assert math.isnan(deviation(one, broken))
        assert math.isnan(deviation(broken, one))
    with pytest.raises(ValueError, match="are not the same ones"):
        deviation(one, {"loss": torch.ones(2)})
    with pytest.raises(ValueError, match="shapes"):
        deviation(one, {**one, "loss": torch.ones(3)})


def test_what_is_not_a_number_does_not_agree() -> None:
    log: list[str] = []
    case = Case("one", "two", _work(1, log, "engine"), _work(math.nan, log, "other"))
    assert not compared("row", case, torch.float32).agrees


def test_the_table_says_what_was_measured() -> None:
    log: list[str] = []
    timed = Case("a step", "a loop", _work(1, log, "engine"), _work(1, log, "other"), 3.0)
    missing = replace(timed, what="a walk", missing="there is none")
    built = {"first": timed, "second": missing}
    rows = finish(measure(built, 1, _ticking(log), torch.float32, 0))
    text = table(rows)
    head, _, first, second, _, note = text.splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in (head, first, second)]
    assert len({len(line) for line in (head, first, second)}) == 1
    assert dict(zip(cells[0], cells[1], strict=True)) == {
        "row": "first",
        "engine": "a step",
        "against": "a loop",
        "ratio": "4 [4..4]",
        "pairs": "1",
        "aim": "≥ 3",
        "ms": "1000",
        "ms, other": "4000",
        "deviation": "0e+00",
    }
    assert cells[2][:4] == ["second", "a walk", "a loop", "not measured"]
    assert note == "- second: there is none"


def test_class_names_are_different_and_of_one_to_three_words() -> None:
    names = class_names(1000)
    assert len(set(names)) == 1000
    assert {len(name.split()) for name in names[:5]} == {1, 2, 3}


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    """A folder laid out like learn2learn's source, whose package itself cannot be imported."""
    folder = tmp_path / "learn2learn-0"
    for name in ("learn2learn", "learn2learn/algorithms"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise ImportError('needs a compiler')")
    (folder / "learn2learn" / "algorithms" / "maml.py").write_text("MAML = maml_update = 'found'")
    loaded = {name: sys.modules.pop(name) for name in list(sys.modules) if "learn2learn" in name}
    yield folder
    for name in [name for name in sys.modules if name.startswith("learn2learn")]:
        del sys.modules[name]
    sys.modules.update(loaded)


def test_learn2learn_is_found_in_its_source(source: Path) -> None:
    found = load_learn2learn(source)
    assert found is not None
    assert found.MAML == "found"


def test_a_folder_without_learn2learn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GramError, match="there is no learn2learn in"):
        load_learn2learn(tmp_path)


def test_without_learn2learn_its_rows_say_so(tiny_backbone: Backbone) -> None:
    row = compared("maml", CASES["meta-maml-few"](Bench(tiny_backbone, QUICK)), torch.float32)
    assert not row.measurable
    assert "learn2learn is not here" in row.note


@pytest.mark.parametrize(
    ("device", "watch"),
    [
        ("cpu", "process CPU time"),
        *([("cuda", "wall time, synchronised")] if torch.cuda.is_available() else []),
    ],
)
def test_the_quick_verb_measures_every_row(
    device: str, watch: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEARN2LEARN", raising=False)
    before = torch.get_num_threads()
    assert main(["bench", "--quick", "--repeats", "1", "--devices", device, "--json"]) == 0
    assert torch.get_num_threads() == before
    report = json.loads(capsys.readouterr().out)
    assert (report["backbone"], report["threads"], report["memory"]) == ("bundled", 1, [])
    assert report["machine"]["torch"] == torch.__version__
    (measured,) = report["devices"]
    assert (measured["device"], measured["clock"]) == (device, watch)
    assert [row["name"] for row in measured["rows"]] == list(CASES)
    for row in measured["rows"]:
        assert row["agrees"]
        if not row["measurable"]:
            assert row["name"].startswith("meta-maml")
            continue
        assert row["ratio"]["min"] == row["ratio"]["median"] == row["ratio"]["max"] > 0
        assert (len(row["engine_seconds"]), len(row["other_seconds"])) == (1, 1)
        assert row["aim"] is None  # the aims are for full size


def test_one_row_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "--quick", "--only", "order-few", "--repeats", "2", "--devices", "cpu"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "| order-few | exact second order, K=3 | own first order | cost " in said
    assert "coop-few" not in said


def test_results_that_differ_are_told_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    log: list[str] = []
    case = Case("one", "two", _work(1, log, "engine"), _work(2, log, "other"))
    monkeypatch.setitem(CASES, "coop-few", lambda bench: case)
    assert main(["bench", "--quick", "--only", "coop-few", "--devices", "cpu"]) == 2
    said = capsys.readouterr()
    assert "not timed" in said.out
    assert "do not agree: coop-few" in said.err


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--only", "coop"], "no row 'coop'; choose from coop-few"),
        (["--repeats", "0"], "repeats is 0"),
        (["--threads", "0"], "threads is 0"),
        (["--learn2learn", "nowhere"], "no learn2learn in nowhere"),
    ],
)
def test_a_wrong_option_is_refused(
    words: list[str], wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--quick", *words]) == 2
    assert wanted in capsys.readouterr().err


@pytest.mark.parametrize(
    ("backbone", "quick", "aims"),
    [(None, False, True), ("ViT-B-16/openai", False, True), (None, True, False)],
)
def test_aims_are_told_at_full_size_alone(backbone: str | None, quick: bool, aims: bool) -> None:
    assert BenchConfig(backbone=backbone, quick=quick).has_aims == aims
    assert not BenchConfig(backbone="bundled").has_aims


def test_an_installed_package_says_that_the_benchmarks_are_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "ROOT", tmp_path)
    assert main(["bench", "--quick"]) == 2
    assert "they come with the repository" in capsys.readouterr().err


PEAKS = """
from benchmarks.memory import peak_of
from torch import ones

def work():
    ones(64 * 2**18)  # 64 MiB, let go before the work ends

for peak in (peak_of("quiet", "nothing", int), peak_of("loud", "much", work)):
    print(peak.peak - peak.before)
"""


def test_a_peak_is_what_the_work_held_at_most() -> None:
    """In a process of its own, as it is measured: this one has had higher peaks."""
    done = subprocess.run(
        [sys.executable, "-c", PEAKS], cwd=memory.ROOT, capture_output=True, text=True, check=True
    )
    quiet, loud = map(float, done.stdout.split())
    assert quiet < 32
    assert 60 < loud < 96


@pytest.mark.parametrize("name", ["vpt", "vpt-replay", "vpt-peer"])
def test_a_peak_is_printed_for_whoever_started_the_process(
    name: str, tiny_backbone_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memory.main([name, str(tiny_backbone_dir), "2", "4"])
    peak = memory.Peak(**json.loads(capsys.readouterr().out))
    assert peak.name == name
    assert "2 + 2 images" in peak.what
    assert peak.peak >= peak.before > 50


def test_memory_is_measured_in_a_process_of_its_own() -> None:
    sizes = memory.Sizes(shots=(), classes=20, images_per_class=4)
    (peak,) = finish(memory.measure_memory("bundled", sizes, 1))
    assert peak.what.startswith("CoOp step, batch 32, 20 classes, 80 images as features")
    assert peak.peak > peak.before > 50


def test_a_process_that_fails_says_why() -> None:
    peaks = finish(memory.measure_memory("./nowhere", memory.Sizes(shots=()), 1))
    (line,) = memory_table(peaks).splitlines()[2:]
    assert "not measured" in line
    assert "nowhere does not exist" in line
