"""Places on the map of captions: how they are spread, drawn from, and marked by a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gram_core.hierarchy import Hierarchy

Ids = NDArray[np.int64]
Places = NDArray[np.float64]
Range = tuple[float, float]
Box = tuple[Range, Range]

ENOUGH = 100_000
"""Places that tell as much of their spread as all of them."""
MARGIN = 0.06
"""Part of the map's width and height that is free around its places, for names."""


@dataclass(frozen=True)
class Spread:
    """Where pairs are drawn: closer to their middle, the more the farther they are from it.

    A few lonely topics would else press all others together; the axes have no units anyway.
    """

    middle: Places
    width: Places

    @classmethod
    def of(cls, position: NDArray[Any]) -> Spread:
        """The one that suits places (N, 2), of which some may be no numbers."""
        some = position[:: 1 + len(position) // ENOUGH]
        whole = some[np.isfinite(some).all(axis=1)].astype(np.float64)
        if not len(whole):
            return cls(np.zeros(2), np.ones(2))
        low, middle, high = np.percentile(whole, [25, 50, 75], axis=0)
        return cls(middle, np.where(high > low, high - low, 1.0))

    def drawn(self, position: NDArray[Any]) -> NDArray[Any]:
        """Places (n, 2) of the hierarchy as they are drawn."""
        middle, width = (part.astype(position.dtype) for part in (self.middle, self.width))
        return np.arcsinh((position - middle) / width)

    def back(self, box: Box) -> Box:
        """A box that was marked on the drawing as one of the hierarchy's places."""
        (left, right), (low, high) = (
            tuple(np.sinh(np.sort(ends)) * self.width[axis] + self.middle[axis])
            for axis, ends in enumerate(box)
        )
        return (float(left), float(right)), (float(low), float(high))


def stratified(rows: Ids, topic: Ids, count: int, seed: int = 0) -> Ids:
    """`count` of the rows, ascending, each topic by its share of them; the same for a seed."""
    if len(rows) <= count:
        return rows
    mixed = np.random.default_rng(seed).permutation(rows)
    mixed = mixed[np.argsort(topic[mixed], kind="stable")]
    return np.sort(mixed[np.linspace(0, len(mixed) - 1, count).astype(np.int64)])


def edges_of(hierarchy: Hierarchy, spread: Spread, box: Box | None) -> Places:
    """(2, 2) the lower left and the upper right corner of what is drawn."""
    if box is not None:
        return spread.drawn(np.array(box, dtype=np.float64).T)
    x, y = hierarchy.position.T.astype(np.float64)
    ends = np.array([[np.nanmin(x), np.nanmin(y)], [np.nanmax(x), np.nanmax(y)]])
    corners = spread.drawn(ends)
    return corners + MARGIN * np.ptp(corners, axis=0) * [[-1], [1]]


def in_lasso(places: NDArray[Any], outline: NDArray[Any]) -> NDArray[np.bool_]:
    """(n,) whether each place (n, 2) is inside an outline (m, 2), by the even-odd rule."""
    odd = np.zeros(len(places), dtype=bool)
    x, y = places[:, 0], places[:, 1]
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        crosses = (y0 > y) != (y1 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            odd ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return odd


def marked(hierarchy: Hierarchy, selection: Mapping[str, Any]) -> Ids | None:
    """The pairs inside what was marked on a map, ascending; None where nothing is.

    Args:
        selection: what Plotly and Altair tell of it: lists "box" and "lasso" with "x" and "y", or
            an interval "box" of "x" and "y", each in any order.
    """
    from gram_core.corpus.search import inside

    spread = Spread.of(hierarchy.position)
    lassos = selection.get("lasso") or []
    box = marked_box(hierarchy, selection)
    if lassos:
        outline = np.array([lassos[0]["x"], lassos[0]["y"]], dtype=np.float64).T
        around = spread.back(_bounds(*outline.T.tolist()))
        rows = inside(hierarchy, *around)
        return rows[in_lasso(spread.drawn(hierarchy.position[rows]), outline)]
    return None if box is None else inside(hierarchy, *box)


def marked_box(hierarchy: Hierarchy, selection: Mapping[str, Any]) -> Box | None:
    """The box, in the hierarchy's places, that was marked on a map or is around its lasso."""
    found = selection.get("box") or selection.get("lasso") or {}
    shape = found if isinstance(found, Mapping) else found[0]
    if not shape.get("x") or not shape.get("y"):
        return None
    return Spread.of(hierarchy.position).back(_bounds(shape["x"], shape["y"]))


def _bounds(x: Sequence[float], y: Sequence[float]) -> Box:
    return (float(min(x)), float(max(x))), (float(min(y)), float(max(y)))
