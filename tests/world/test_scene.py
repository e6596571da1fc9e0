"""Scenes and their pictures: what decides a picture, and what does not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gram_core.world.colours import COLOURS
from gram_core.world.concepts import CONCEPTS
from gram_core.world.scene import GEOMETRY, SIZES, Scene, lay_out, render, sample_scene
from gram_core.world.settings import SETTINGS
from gram_core.world.styles import HELD_OUT, RENDERERS, SEEN, STYLES
from gram_core.world.styles.layout import mask, shrunk

CONCEPT = "car"
SHAKEN = ("sketch", "chalk")
"""Styles whose hand shakes anew after each mark of the setting, inside the object too."""

PLAIN = Scene(CONCEPT, "red", "medium", None, 1, "cartoon")


def picture(scene: Scene, seed: int = 0) -> np.ndarray:
    return render(np.random.default_rng(seed), scene)


def difference(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.abs(first.astype(float) - second.astype(float)).mean())


def covered(scene: Scene, seed: int = 0) -> float:
    """The area of the boxes around a scene's objects' marks, in canvas pixels."""
    layout = lay_out(np.random.default_rng(seed), scene)
    xs = [x for mark in layout.objects for x in mark.points[::2]]
    ys = [y for mark in layout.objects for y in mark.points[1::2]]
    return (max(xs) - min(xs)) * (max(ys) - min(ys))


def test_every_style_has_one_renderer() -> None:
    assert set(RENDERERS) == set(STYLES)
    assert SEEN + HELD_OUT == STYLES
    assert len(set(STYLES)) == len(STYLES)


@pytest.mark.parametrize("style", STYLES)
def test_picture_is_64_pixels_of_bytes_and_not_empty(style: str) -> None:
    drawn = picture(replace(PLAIN, style=style, setting="city", count=3))
    assert drawn.shape == (64, 64, 3)
    assert drawn.dtype == np.uint8
    assert drawn.std() > 2


@pytest.mark.parametrize("style", STYLES)
def test_same_seed_same_bytes_and_other_seed_other_bytes(style: str) -> None:
    scene = replace(PLAIN, style=style, setting="garden", count=2)
    assert picture(scene, 5).tobytes() == picture(scene, 5).tobytes()
    assert picture(scene, 5).tobytes() != picture(scene, 6).tobytes()


def test_styles_look_different() -> None:
    pictures = [picture(replace(PLAIN, style=style)) for style in STYLES]
    for index, first in enumerate(pictures):
        for second in pictures[:index]:
            assert difference(first, second) > 4


@pytest.mark.parametrize("style", STYLES)
def test_setting_changes_the_picture(style: str) -> None:
    scene = replace(PLAIN, style=style, size="small")
    plain = picture(scene)
    for setting in SETTINGS:
        assert difference(plain, picture(replace(scene, setting=setting))) > 0.5


@pytest.mark.parametrize("style", STYLES)
def test_shapes_of_the_setting_show_behind_the_object(style: str) -> None:
    """Other shapes under the same sky change the picture around the object more than inside it."""
    scene = replace(PLAIN, style=style, setting="city", concept="apple")
    around, inside = [], []
    for seed in range(4):
        city = lay_out(np.random.default_rng(seed), scene)
        space = lay_out(np.random.default_rng(seed), replace(scene, setting="space"))
        other = replace(city, setting=space.setting, scenery=space.scenery)
        first, second = (
            RENDERERS[style].render(layout, np.random.default_rng(9)).astype(float)
            for layout in (city, other)
        )
        change = np.abs(first - second).mean(axis=2)
        cover = shrunk(mask(city.objects))
        around.append(change[cover < 5].mean())
        inside.append(change[cover > 250].mean())
    assert np.mean(around) > 1
    if style not in SHAKEN:
        assert np.mean(around) > np.mean(inside)


@pytest.mark.parametrize("style", STYLES)
def test_count_and_size_change_the_picture(style: str) -> None:
    scene = replace(PLAIN, style=style)
    one = picture(scene)
    assert all(difference(one, picture(replace(scene, count=count))) > 0.5 for count in (2, 3, 4))
    small, large = (picture(replace(scene, size=size)) for size in ("small", "large"))
    assert difference(small, large) > 0.5


def test_larger_sizes_cover_more() -> None:
    for geometry in GEOMETRY:
        scene = replace(PLAIN, geometry=geometry)
        areas = [
            np.mean([covered(replace(scene, size=size), seed) for seed in range(8)])
            for size in SIZES
        ]
        assert areas == sorted(areas)


@pytest.mark.parametrize("geometry", GEOMETRY)
@pytest.mark.parametrize("count", [2, 3, 4])
def test_several_objects_hardly_overlap(count: int, geometry: str) -> None:
    """Objects of equally many marks cover together about what they cover one by one."""
    scene = replace(PLAIN, count=count, concept="donut", geometry=geometry)
    for seed in range(10):
        marks = lay_out(np.random.default_rng(seed), scene).objects
        per_object = len(marks) // count
        assert len(marks) >= count
        together = shrunk(mask(marks)).sum()
        apart = sum(
            shrunk(mask(marks[start : start + per_object])).sum()
            for start in range(0, len(marks), per_object)
        )
        assert together > 0.85 * apart


def test_colour_decides_the_main_colour_of_a_cartoon() -> None:
    scene = replace(PLAIN, size="large")
    red, blue = picture(scene).astype(float), picture(replace(scene, colour="blue")).astype(float)
    assert (red - blue)[..., 0].mean() > 0 > (red - blue)[..., 2].mean()


def test_silhouettes_are_dark_and_neon_is_bright_on_dark() -> None:
    silhouette = picture(replace(PLAIN, style="silhouette", setting="sea"))
    neon = picture(replace(PLAIN, style="neon", setting="sea"))
    assert (silhouette.max(axis=2) < 40).mean() > 0.05
    assert np.median(neon) < 60 < 180 < neon.max()


def test_sampling_keeps_what_is_given_and_spreads_the_rest() -> None:
    rng = np.random.default_rng(0)
    given = [
        sample_scene(rng, CONCEPT, "fog", colour="teal", size="small", setting=None, count=4)
        for _ in range(20)
    ]
    assert set(given) == {Scene(CONCEPT, "teal", "small", None, 4, "fog")}
    drawn = [sample_scene(rng, CONCEPT, "fog", "hard") for _ in range(2000)]
    assert {scene.setting for scene in drawn} == {None, *SETTINGS}
    assert {scene.colour for scene in drawn} == set(COLOURS)
    assert {scene.count for scene in drawn} == {1, 2, 3, 4}
    assert np.mean([scene.setting is not None for scene in drawn]) == pytest.approx(0.6, abs=0.04)
    assert np.mean([scene.count == 1 for scene in drawn]) == pytest.approx(0.75, abs=0.04)


def test_what_is_given_does_not_disturb_what_is_drawn() -> None:
    free = sample_scene(np.random.default_rng(3), CONCEPT, "photo")
    given = sample_scene(np.random.default_rng(3), CONCEPT, "photo", setting="sea", count=2)
    assert (given.colour, given.size) == (free.colour, free.size)


@pytest.mark.parametrize(
    ("field", "value", "known"),
    [
        ("concept", "unicorn", CONCEPTS),
        ("colour", "mauve", COLOURS),
        ("size", "huge", SIZES),
        ("setting", "volcano", SETTINGS),
        ("count", 5, (1, 2, 3, 4)),
        ("style", "cubist", STYLES),
        ("geometry", "wild", GEOMETRY),
    ],
)
def test_unknown_names_are_refused_with_the_known_ones(
    field: str, value: Any, known: Collection[object]
) -> None:
    with pytest.raises(ValueError, match=field) as refusal:
        replace(PLAIN, **{field: value})
    assert str(value) in str(refusal.value)
    assert all(str(name) in str(refusal.value) for name in known)
