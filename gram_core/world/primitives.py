"""Shapes that drawings are made of, and the pencil that varies them.

Coordinates lie in [-1, 1] with y downwards. A shape has a role instead of a colour; a style decides
later what each role looks like.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

Role = Literal["main", "second", "accent", "dark", "light"]
Point = tuple[float, float]
RGB = tuple[int, int, int]

Option = TypeVar("Option")

FULL_TURN = 2 * math.pi
HALF_TURN = math.pi
ELLIPSE_STEPS = 22
ARC_STEPS = 14


@dataclass(frozen=True, slots=True)
class Shape:
    """A filled polygon (`width` is None) or an open stroke of the given width, in drawing units."""

    points: tuple[Point, ...]
    role: Role
    width: float | None = None


class Pencil:
    """Draws the parameters of a drawing from a random generator: same generator, same drawing."""

    __slots__ = ("rng",)

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def between(self, low: float, high: float) -> float:
        """A number drawn uniformly from [low, high)."""
        return low + (high - low) * self.rng.random()

    def one_of(self, *options: Option) -> Option:
        """One of the options, each equally likely."""
        return options[int(self.rng.random() * len(options))]

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return bool(self.rng.random() < probability)


def polygon(role: Role, *points: Point) -> Shape:
    """A filled polygon through the points."""
    return Shape(points, role)


def rectangle(role: Role, x0: float, y0: float, x1: float, y1: float) -> Shape:
    """A filled rectangle with its corners at (x0, y0) and (x1, y1)."""
    return Shape(((x0, y0), (x1, y0), (x1, y1), (x0, y1)), role)


def ellipse(
    role: Role,
    cx: float,
    cy: float,
    rx: float,
    ry: float | None = None,
    rotation: float = 0.0,
    start: float = 0.0,
    stop: float = FULL_TURN,
) -> Shape:
    """A filled ellipse, or the segment of it between the angles `start` and `stop` (radians)."""
    points = ellipse_points(cx, cy, rx, rx if ry is None else ry, rotation, start, stop)
    return Shape(points, role)


def line(role: Role, width: float, *points: Point) -> Shape:
    """An open stroke through the points."""
    return Shape(points, role, width)


def arc(
    role: Role,
    width: float,
    cx: float,
    cy: float,
    rx: float,
    ry: float,
    start: float = 0.0,
    stop: float = FULL_TURN,
) -> Shape:
    """A stroke along an ellipse between two angles (radians, clockwise on the picture)."""
    steps = ARC_STEPS
    points = tuple(
        (cx + rx * math.cos(angle), cy + ry * math.sin(angle))
        for angle in (start + (stop - start) * step / steps for step in range(steps + 1))
    )
    return Shape(points, role, width)


def ellipse_points(
    cx: float,
    cy: float,
    rx: float,
    ry: float,
    rotation: float = 0.0,
    start: float = 0.0,
    stop: float = FULL_TURN,
) -> tuple[Point, ...]:
    """Points along an ellipse; a full turn does not repeat its first point."""
    sweep = stop - start
    closed = abs(sweep - FULL_TURN) < 1e-6
    count = ELLIPSE_STEPS if closed else ELLIPSE_STEPS + 1
    cosine, sine = math.cos(rotation), math.sin(rotation)
    points = []
    for step in range(count):
        angle = start + sweep * step / ELLIPSE_STEPS
        x, y = rx * math.cos(angle), ry * math.sin(angle)
        points.append((cx + cosine * x - sine * y, cy + sine * x + cosine * y))
    return tuple(points)


def dome_points(cx: float, cy: float, rx: float, ry: float) -> tuple[Point, ...]:
    """Points along the upper half of an ellipse, from its left end to its right end."""
    return ellipse_points(cx, cy, rx, ry, start=HALF_TURN, stop=FULL_TURN)


def on_circle(cx: float, cy: float, radius: float, angle: float) -> Point:
    """The point at an angle (radians, clockwise from the right) on a circle."""
    return (cx + radius * math.cos(angle), cy + radius * math.sin(angle))
