"""What the drawings of concepts and settings promise."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from gram_core.world.concepts import CONCEPTS, KINDS
from gram_core.world.primitives import Pencil, Shape, dome_points, ellipse
from gram_core.world.registry import REGISTRY, concept
from gram_core.world.settings import SETTINGS

ROLES = {"main", "second", "accent", "dark", "light"}
SEEDS = range(40)


def draw(name: str, seed: int) -> list[Shape]:
    return CONCEPTS[name].draw(Pencil(np.random.default_rng(seed)))


def draw_setting(name: str, seed: int, horizon: float = 0.3) -> list[Shape]:
    return SETTINGS[name].draw(Pencil(np.random.default_rng(seed)), horizon)


def largest_coordinate(shapes: list[Shape]) -> float:
    """The largest absolute coordinate; NaN and infinity come through as they are."""
    return float(np.max(np.abs([point for shape in shapes for point in shape.points])))


def area(shape: Shape) -> float:
    """The area of a filled polygon (shoelace formula)."""
    closed = (*shape.points, shape.points[0])
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise(closed))) / 2


def test_there_are_enough_concepts_of_every_kind() -> None:
    counts = Counter(entry.kind for entry in CONCEPTS.values())
    assert len(CONCEPTS) >= 60
    assert all(counts[kind] >= 5 for kind in KINDS[:12]), counts
    assert set(counts) == set(KINDS)


def test_no_registered_drawing_is_lost_to_an_unknown_kind() -> None:
    assert set(CONCEPTS) == set(REGISTRY)


def test_concepts_are_grouped_in_the_order_of_the_kinds() -> None:
    positions = [KINDS.index(entry.kind) for entry in CONCEPTS.values()]
    assert positions == sorted(positions)


@pytest.mark.parametrize("name", CONCEPTS)
def test_a_drawing_function_is_named_after_its_concept(name: str) -> None:
    assert CONCEPTS[name].draw.__name__ == name.replace(" ", "_")


@pytest.mark.parametrize("name", CONCEPTS)
def test_the_same_seed_draws_the_same_shapes(name: str) -> None:
    assert draw(name, 5) == draw(name, 5)


@pytest.mark.parametrize("name", CONCEPTS)
def test_another_seed_draws_other_shapes(name: str) -> None:
    assert draw(name, 5) != draw(name, 6)


@pytest.mark.parametrize("name", CONCEPTS)
def test_a_concept_stays_in_its_square_and_nearly_fills_it(name: str) -> None:
    for seed in SEEDS:
        # NaN and infinity fail both comparisons.
        assert 0.7 <= largest_coordinate(draw(name, seed)) <= 1.15


@pytest.mark.parametrize("name", CONCEPTS)
def test_shapes_can_be_painted(name: str) -> None:
    for shape in draw(name, 3):
        assert shape.role in ROLES
        assert len(shape.points) >= (3 if shape.width is None else 2)
        assert area(shape) > 1e-4 if shape.width is None else shape.width > 0


@pytest.mark.parametrize("name", CONCEPTS)
def test_the_colour_of_a_concept_can_be_seen(name: str) -> None:
    main = [shape for shape in draw(name, 4) if shape.role == "main"]
    assert main, "a scene's colour is that of the role 'main'"


def test_no_two_concepts_are_the_same_drawing() -> None:
    drawings = {tuple(draw(name, 1)) for name in CONCEPTS}
    assert len(drawings) == len(CONCEPTS)


def test_a_name_cannot_be_registered_twice() -> None:
    before = REGISTRY["car"]
    with pytest.raises(ValueError, match="'car' is registered twice"):
        concept("car", kind="vehicle")(lambda pencil: [])
    assert REGISTRY["car"] is before


def test_the_pencil_keeps_to_its_range_and_reaches_every_option() -> None:
    pencil = Pencil(np.random.default_rng(0))
    numbers = [pencil.between(-0.2, 0.3) for _ in range(500)]
    assert -0.2 <= min(numbers) < -0.18
    assert 0.28 < max(numbers) < 0.3
    assert {pencil.one_of("a", "b", "c") for _ in range(100)} == {"a", "b", "c"}
    assert not any(pencil.chance(0.0) for _ in range(50))
    assert all(pencil.chance(1.0) for _ in range(50))


def test_an_ellipse_has_the_area_of_its_polygon_and_turns_about_its_centre() -> None:
    upright = ellipse("main", 0.2, -0.1, 0.5, 0.25)
    turned = ellipse("main", 0.2, -0.1, 0.5, 0.25, rotation=0.7)
    corners = len(upright.points)
    expected = corners / 2 * math.sin(2 * math.pi / corners) * 0.5 * 0.25
    assert area(upright) == pytest.approx(expected)
    assert area(turned) == pytest.approx(expected)
    assert np.mean(turned.points, axis=0) == pytest.approx((0.2, -0.1))


def test_a_dome_runs_from_left_to_right_above_its_base() -> None:
    points = dome_points(0.0, 0.5, 1.0, 0.4)
    assert points[0] == pytest.approx((-1.0, 0.5))
    assert points[-1] == pytest.approx((1.0, 0.5))
    assert min(y for _, y in points) == pytest.approx(0.1)
    assert all(x0 < x1 for (x0, _), (x1, _) in pairwise(points))


def test_there_are_twelve_settings() -> None:
    assert set(SETTINGS) == {
        "sea",
        "desert",
        "snow",
        "forest",
        "city",
        "room",
        "night",
        "field",
        "rain",
        "space",
        "street",
        "garden",
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_a_function_of_its_seed(name: str) -> None:
    assert draw_setting(name, 2) == draw_setting(name, 2)
    assert draw_setting(name, 2) != draw_setting(name, 3)


@pytest.mark.parametrize("horizon", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_spans_the_picture_at_any_horizon(name: str, horizon: float) -> None:
    for seed in SEEDS:
        shapes = draw_setting(name, seed, horizon)
        across = [x for shape in shapes for x, _ in shape.points]
        assert min(across) < -0.6
        assert max(across) > 0.6
        assert largest_coordinate(shapes) < 1.6
        assert all(shape.role in SETTINGS[name].colours for shape in shapes)
