"""Figures: the tree of topics, the map of pictures, scores, curves of a run, a race, bars.

One colour means one thing everywhere: a raw gradient (CoOp) is orange, a regulated one (GRAM) is
blue, zero-shot is grey; base and seen classes are solid lines, new and unseen ones are dashed.
Orange, blue and grey stay apart for every common kind of colour blindness. Topics have the hue of
their direction on the map, so that neighbours look alike in the tree, on the map and in lists.
"""

from gram_core.plots.colours import (
    GRAM,
    INK,
    QUIET,
    RAW,
    RUN_COLOURS,
    ZERO_SHOT,
    oklch,
    topic_colours,
    topic_hues,
)
from gram_core.plots.curves import (
    MOST_POINTS,
    Line,
    Rows,
    bars,
    comparison,
    curves,
    race,
    series,
    smooth,
)
from gram_core.plots.maps import Map, Style, map_figure, map_labels, thumbnails_of, topic_map
from gram_core.plots.places import Box, Spread, marked, marked_box, stratified
from gram_core.plots.scores import (
    Measure,
    coherence_figure,
    quality_figure,
    similarity_histogram,
)
from gram_core.plots.strips import domain_strips, shown_pairs
from gram_core.plots.topics import TREES, icicle, parse_node, sunburst, tree_nodes, treemap

__all__ = [
    "GRAM",
    "INK",
    "MOST_POINTS",
    "QUIET",
    "RAW",
    "RUN_COLOURS",
    "TREES",
    "ZERO_SHOT",
    "Box",
    "Line",
    "Map",
    "Measure",
    "Rows",
    "Spread",
    "Style",
    "bars",
    "coherence_figure",
    "comparison",
    "curves",
    "domain_strips",
    "icicle",
    "map_figure",
    "map_labels",
    "marked",
    "marked_box",
    "oklch",
    "parse_node",
    "quality_figure",
    "race",
    "series",
    "shown_pairs",
    "similarity_histogram",
    "smooth",
    "stratified",
    "sunburst",
    "thumbnails_of",
    "topic_colours",
    "topic_hues",
    "topic_map",
    "tree_nodes",
    "treemap",
]
