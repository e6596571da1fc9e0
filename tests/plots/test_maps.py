"""The map in its three sizes, and what is marked on it."""

from __future__ import annotations

import base64
import io
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gram_core import plots
from gram_core.corpus import open_corpus
from gram_core.hierarchy import Hierarchy
from gram_core.pictures import data_uri
from gram_core.plots import QUIET, maps
from gram_core.plots.places import in_lasso
from gram_core.workspace import Workspace
from tests.test_plots import WORDS, small_hierarchy


def picture_of(figure: Any) -> np.ndarray:
    """(h, w, 4) the picture that a density map is."""
    data = figure.layout.images[0].source.split(",", 1)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


@pytest.mark.parametrize(
    ("most_pictures", "most_points", "style"),
    [(60, 100, "pictures"), (59, 60, "points"), (10, 59, "density")],
)
def test_the_number_of_pairs_chooses_the_map(
    most_pictures: int, most_points: int, style: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps, "MOST_PICTURES", most_pictures)
    monkeypatch.setattr(maps, "MOST_POINTS", most_points)
    shown = plots.map_figure(small_hierarchy())
    assert shown.style == style
    assert shown.caption == "Showing 60 of 60 pairs"


def test_a_map_of_pictures_shows_picture_topic_and_caption_on_hover(tmp_path: Path) -> None:
    corpus = open_corpus(Workspace(tmp_path), "bundled", 60)
    chart: Any = plots.map_figure(small_hierarchy(), corpus, style="pictures").figure
    values = chart.to_dict()["layer"][0]["data"]["values"]
    assert len(values) == 60
    assert {value["caption"] for value in values} == set(corpus.captions)
    assert all(value["image"].startswith("data:image/") for value in values)
    assert {value["image"] for value in values} == {
        data_uri(corpus.image_bytes(pair), 64) for pair in range(60)
    }
    assert {value["topic"] for value in values} == set(WORDS[:6])


def test_a_map_of_points_gives_back_the_topic_of_each() -> None:
    shown = plots.map_figure(small_hierarchy(), style="points", most=30)
    cloud, names = shown.figure.data
    assert Counter(cloud.customdata) == dict.fromkeys(range(6), 5), "as many of each topic"
    assert len(set(cloud.marker.color)) == 6
    assert set(names.text) == set(WORDS[:6])
    assert shown.caption == "Showing 30 of 60 pairs"


def test_a_density_map_has_the_colour_of_each_topic_where_it_lies() -> None:
    hierarchy = small_hierarchy()
    figure = plots.map_figure(hierarchy, style="density").figure
    picture = picture_of(figure)
    colours = plots.topic_colours(plots.topic_hues(hierarchy))
    painted = {tuple(pixel) for pixel in picture[picture[..., 3] > 0][:, :3].tolist()}
    assert painted == {
        tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5)) for colour in colours.values()
    }
    rows, columns = np.nonzero(picture[..., 3])
    place = plots.Spread.of(hierarchy.position).drawn(hierarchy.position)
    left = picture[rows[columns.argmin()], columns.min(), :3]
    leftmost = int(hierarchy.topic_of()[place[:, 0].argmin()])
    assert "#" + bytes(left.tolist()).hex() == colours[leftmost]
    top = picture[rows.min(), columns[rows.argmin()], :3]
    assert "#" + bytes(top.tolist()).hex() in {
        colours[int(topic)]
        for topic in hierarchy.topic_of()[place[:, 1] > place[:, 1].max() - 1e-6]
    }, "up is up"


def test_a_box_shows_only_what_lies_in_it() -> None:
    hierarchy = small_hierarchy()
    right = ((0.2, 2.0), (-2.0, 2.0))
    shown = plots.map_figure(hierarchy, style="points", box=right)
    inside = int((hierarchy.position[:, 0] > 0.2).sum())
    assert shown.caption == f"Showing {inside} of {inside} pairs"
    names = {label["topic"] for label in plots.map_labels(hierarchy, box=right)}
    assert names == {WORDS[topic] for topic in (0, 1, 5)}


def test_a_sample_is_the_same_again_and_has_each_topic_by_its_share() -> None:
    topic = np.repeat([0, 1, 2], [600, 300, 100])
    rows = np.arange(1000)
    some = plots.stratified(rows, topic, 100)
    np.testing.assert_array_equal(some, plots.stratified(rows, topic, 100))
    assert len(set(some.tolist())) == 100
    assert np.abs(np.bincount(topic[some]) - [60, 30, 10]).max() <= 1
    np.testing.assert_array_equal(plots.stratified(rows, topic, 5000), rows)


def test_what_is_marked_is_answered_from_all_pairs() -> None:
    hierarchy = small_hierarchy()
    place = plots.Spread.of(hierarchy.position).drawn(hierarchy.position)
    (left, low), (right, high) = place[:10].min(axis=0) - 0.01, place[:10].max(axis=0) + 0.01
    plotly = {"box": [{"x": [right, left], "y": [low, high]}], "points": []}
    altair = {"box": {"x": [left, right], "y": [high, low]}}
    lasso = {"lasso": [{"x": [left, right, right, left], "y": [low, low, high, high]}], "box": []}
    for selection in (plotly, altair, lasso):
        found = plots.marked(hierarchy, selection)
        assert found is not None
        assert found.tolist() == hierarchy.topics[0].members.tolist()
        box = plots.marked_box(hierarchy, selection)
        assert box is not None
        assert box[0][0] < hierarchy.position[0, 0] < box[0][1]
    nothing: list[dict[str, Any]] = [{}, {"box": [], "lasso": [], "points": []}, {"box": {}}]
    for empty in nothing:
        assert plots.marked(hierarchy, empty) is None


def test_a_lasso_leaves_out_what_its_outline_goes_around() -> None:
    bay = np.array([[0, 0], [4, 0], [4, 4], [3, 4], [3, 1], [1, 1], [1, 4], [0, 4]], dtype=float)
    places = np.array([[0.5, 3], [3.5, 3], [2, 0.5], [2, 3], [5, 1], [2, -1]])
    assert in_lasso(places, bay).tolist() == [True, True, True, False, False, False]


def test_names_on_the_map_do_not_cover_one_another() -> None:
    hierarchy = small_hierarchy()
    assert {label["topic"] for label in plots.map_labels(hierarchy)} == set(WORDS[:6])
    crowded = replace(hierarchy, position=np.sign(hierarchy.position) * [1, 0])
    assert len(plots.map_labels(crowded)) == 2
    assert [label["topic"] for label in plots.map_labels(hierarchy, 4)] == ["engine"]


def test_a_selected_topic_stands_out_on_the_map() -> None:
    hierarchy = small_hierarchy()
    hues, rows = plots.topic_hues(hierarchy), np.array([0, 10])
    free = {point["topic"]: point for point in maps.map_points(hierarchy, rows, hues)}
    assert QUIET not in (free["anchor"]["colour"], free["boat"]["colour"])
    *others, last = maps.map_points(hierarchy, rows, hues, selected=1)
    assert last["topic"] == "boat", "drawn over the others"
    assert last["colour"] == free["boat"]["colour"]
    assert {point["colour"] for point in others} == {QUIET}


def test_pairs_without_a_topic_are_grey_and_those_left_out_are_not_drawn() -> None:
    whole = small_hierarchy()
    fewer: Hierarchy = replace(whole, topics=whole.topics[:5], kept=np.arange(60) >= 10)
    cloud = plots.map_figure(fewer, style="points").figure.data[0]
    assert Counter(cloud.customdata) == {-1: 10, **dict.fromkeys((1, 2, 3, 4), 10)}
    grey = cloud.marker.color[list(cloud.customdata).index(-1)]
    assert grey == "rgb({},{},{})".format(*(int(QUIET[at : at + 2], 16) for at in (1, 3, 5)))


def test_lonely_places_are_drawn_nearer_and_can_be_found_back() -> None:
    position = np.array([[0.0, 0], [1, 1], [2, 2], [3, 3], [100, 100], [np.nan, np.nan]])
    spread = plots.Spread.of(position)
    place = spread.drawn(position)
    assert (np.diff(place[:5], axis=0) > 0).all()
    assert np.ptp(place[:5, 0]) / (place[3, 0] - place[0, 0]) < 5
    (left, right), (low, high) = spread.back(
        ((place[4, 0], place[0, 0]), (place[1, 1], place[2, 1]))
    )
    assert (left, right, low, high) == pytest.approx((0, 100, 1, 2))
