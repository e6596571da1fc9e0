"""The benchmark of corpora by size: its pairs, what it extrapolates, and that it goes on."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from benchmarks import corpora
from benchmarks.corpora import Place, Stage, extrapolate, report, run_stage
from benchmarks.pairs import THINGS, pair, write_shards


def test_a_number_gives_one_picture_and_a_caption_that_names_a_thing() -> None:
    data, caption = pair(7)
    assert (data, caption) == pair(7)
    assert pair(8) != pair(7)
    assert Image.open(io.BytesIO(data)).size == (64, 64)
    assert set(caption.split()) & set(THINGS)


def stage(name: str, pairs: int, time: Callable[[int], float]) -> Stage:
    return Stage(name, pairs, time(pairs), 500, 600 + pairs / 1000, 10)


@pytest.mark.parametrize(("name", "power"), [("embed", 1.0), ("duplicates", 1.5)])
def test_growth_of_the_known_kind_is_continued_exactly(name: str, power: float) -> None:
    def time(pairs: int) -> float:
        return 5 + 1e-6 * pairs**power

    small, large = stage(name, 10_000, time), stage(name, 100_000, time)
    seconds, peak = extrapolate(small, large, 3_100_000)
    assert seconds == pytest.approx(time(3_100_000))
    assert peak == pytest.approx(600 + 3_100)


def test_what_was_made_is_measured_and_reported(tiny_backbone_dir: Path, tmp_path: Path) -> None:
    stages = []
    for count in (6, 12):
        place = Place(tmp_path, count, str(tiny_backbone_dir), {})
        write_shards(place.source, count)
        stages += [run_stage(each, place) for each in ("ingest", "embed", "duplicates")]
    assert [each.made.get("kept") for each in stages[::3]] == [6, 12]
    assert all(0 < each.before <= each.peak and each.disk > 0 for each in stages)
    text = report(stages)
    assert "within 4 GiB" in text
    assert "n^1.5" in text
    assert len(text.splitlines()[2].split("|")) == len(corpora.HEAD) + 2


def test_a_stopped_benchmark_goes_on_after_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def in_a_process(name: str, place: Place) -> Stage:
        if name == "duplicates" and "duplicates" not in done:
            done.append(name)
            raise RuntimeError("killed")
        done.append(name)
        return stage(name, place.pairs, float)

    monkeypatch.setattr(corpora, "_in_a_process", in_a_process)
    call = ["--sizes", "4", "--out", str(tmp_path)]
    with pytest.raises(RuntimeError, match="killed"):
        corpora.main(call)
    assert len(json.loads((tmp_path / "scale.json").read_text())["stages"]) == 3
    corpora.main(call)
    assert done == ["ingest", "embed", "cluster", "duplicates", "duplicates", "queries"]
    corpora.main([*call, "--stages", "embed"])
    assert done[-1] == "embed"
