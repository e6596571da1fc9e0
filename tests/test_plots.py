"""Figures: what is drawn, not how it looks."""

from __future__ import annotations

import numpy as np
import pytest

from gram_core import plots
from gram_core.hierarchy import Hierarchy, Topic
from gram_core.plots import GRAM, RAW, ZERO_SHOT, Line

WORDS = ("anchor", "boat", "castle", "drum", "engine", "flag", "garden", "harp")


def small_hierarchy(topics: int = 6, size: int = 10) -> Hierarchy:
    """Topics on a circle, each of two domains."""
    count = topics * size
    members = [np.arange(size, dtype=np.int64) + size * number for number in range(topics)]
    angle = 2 * np.pi * np.repeat(np.arange(topics), size) / topics
    position = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    return Hierarchy(
        id="small",
        corpus="bundled",
        backbone_name="bundled",
        fingerprint="none",
        config={},
        topics=tuple(
            Topic(n, WORDS[n], ((WORDS[n], 1.0), (f"old{WORDS[n]}", 0.5)), m, (m[:6], m[6:]))
            for n, m in enumerate(members)
        ),
        similarity=np.ones(count, dtype=np.float32),
        kept=np.ones(count, dtype=bool),
        position=position,
        centroids=np.eye(topics, 8, dtype=np.float32),
    )


def test_rows_without_a_key_are_passed_over() -> None:
    rows: plots.Rows = [
        {"step": 0, "loss": 2.0},
        {"step": 1},
        {"step": 2, "loss": None},
        {"step": 3, "loss": 1},
    ]
    assert plots.series(rows, "loss") == ([0, 3], [2.0, 1.0])
    figure = plots.curves(rows, [Line("loss", "loss", RAW), Line("absent", "absent", GRAM)])
    assert [trace.name for trace in figure.data] == ["loss"]


def test_long_series_are_thinned_and_keep_their_last_value() -> None:
    rows = [{"step": step, "loss": float(step)} for step in range(10_001)]
    steps, values = plots.series(rows, "loss")
    assert len(steps) <= plots.MOST_POINTS
    assert steps[-1] == 10_000
    assert values[-1] == 10_000.0
    assert len(set(np.diff(steps))) == 1


def test_smoothing_starts_at_the_first_value_and_keeps_a_constant() -> None:
    assert plots.smooth([3.0, 3.0, 3.0], 0.9) == pytest.approx([3.0, 3.0, 3.0])
    smoothed = plots.smooth([0.0, 1.0], 0.5)
    assert smoothed[0] == 0.0
    assert smoothed[1] == pytest.approx(2 / 3)


def test_a_smoothed_line_is_drawn_over_its_faint_raw_one() -> None:
    rows = [{"step": step, "loss": float(step % 2)} for step in range(20)]
    figure = plots.curves(rows, [Line("loss", "loss", GRAM)], smoothing=0.9)
    faint, clear = figure.data
    assert faint.opacity < clear.opacity
    assert np.ptp(clear.y[5:]) < np.ptp(faint.y)


def test_race_has_both_lanes_in_both_panels_over_zero_shot() -> None:
    rows = [{"step": step, "base": 0.5, "new": 0.4} for step in range(3)]
    lanes, zero = {"CoOp": rows, "CoOp + GRAM": rows}, {"base": 0.45, "new": 0.5}
    figure = plots.race(lanes, zero, {"CoOp": RAW, "CoOp + GRAM": GRAM}, end=10)
    assert len(figure.data) == 6
    colours = {trace.name: trace.line.color for trace in figure.data}
    assert colours == {"zero-shot": ZERO_SHOT, "CoOp": RAW, "CoOp + GRAM": GRAM}
    for trace in figure.data:
        assert (trace.line.dash != "solid") == (trace.xaxis == "x2"), "new classes are dashed"


def test_race_without_new_classes_has_one_panel() -> None:
    rows = [{"step": 0, "base": 0.5, "new": None}]
    figure = plots.race({"CoOp": rows}, {"base": 0.4, "new": None}, {"CoOp": RAW})
    assert {trace.xaxis for trace in figure.data} == {"x"}


def test_sunburst_sizes_add_up_and_nodes_can_be_read_back() -> None:
    hierarchy = small_hierarchy()
    trace = plots.sunburst(hierarchy, plots.topic_hues(hierarchy)).data[0]
    value = dict(zip(trace.ids, trace.values, strict=True))
    assert value["all"] == 60
    assert value["t3"] == value["t3/d1"] + value["t3/d2"] == 10
    assert plots.parse_node("t3/d2") == (3, 1)
    assert plots.parse_node("t3") == (3, None)
    assert plots.parse_node("all") == (None, None)
    assert plots.parse_node("t<script>") == (None, None)


def test_neighbours_on_the_map_have_neighbouring_hues() -> None:
    hues = plots.topic_hues(small_hierarchy(8))
    around = [hues[number] for number in range(8)]
    gaps = [(b - a) % 360 for a, b in zip(around, around[1:] + around[:1], strict=True)]
    assert gaps == pytest.approx([45.0] * 8)


def test_a_selected_topic_keeps_its_colour_and_others_pale() -> None:
    hierarchy = small_hierarchy()
    hues = plots.topic_hues(hierarchy)
    plain = plots.sunburst(hierarchy, hues).data[0]
    chosen = plots.sunburst(hierarchy, hues, selected=2).data[0]
    before = dict(zip(plain.ids, plain.marker.colors, strict=True))
    after = dict(zip(chosen.ids, chosen.marker.colors, strict=True))
    assert after["t2"] == before["t2"]
    assert _lightness(after["t1"]) > _lightness(before["t1"])


def test_colours_are_on_the_screen_and_as_light_as_asked() -> None:
    light = [_lightness(plots.oklch(0.7, 0.12, hue)) for hue in range(0, 360, 15)]
    assert max(light) - min(light) < 8
    assert plots.oklch(1.0, 0.3, 120) == "#ffffff"
    assert plots.oklch(0.0, 0.0, 0) == "#000000"


def test_the_map_refuses_more_points_than_a_browser_holds() -> None:
    with pytest.raises(ValueError, match="8000"):
        plots.topic_map([{}] * 8_001, [])


def test_the_map_shows_pictures_on_hover() -> None:
    point = {
        "x": 0,
        "y": 0,
        "colour": "#fff",
        "size": 3,
        "topic": "a",
        "caption": "b",
        "image": "c",
    }
    chart = plots.topic_map([point], [{"x": 0, "y": 0, "topic": "a"}]).to_dict()
    tooltip = [field["field"] for field in chart["layer"][0]["encoding"]["tooltip"]]
    assert tooltip == ["image", "topic", "caption"]


def test_bars_keep_their_order() -> None:
    figure = plots.bars({"cat": 0.7, "dog": 0.2}, {"cat": RAW}, height=100)
    assert list(figure.data[0].y) == ["cat", "dog"]
    assert list(figure.data[0].marker.color) == [RAW, GRAM]


def _lightness(colour: str) -> float:
    """CIE L*, 0 to 100."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [((part + 0.055) / 1.055) ** 2.4 if part > 0.04045 else part / 12.92 for part in parts]
    return 116 * (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]) ** (1 / 3) - 16
