"""The tree of topics and their domains: as a sunburst, a treemap or an icicle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from gram_core.plots.colours import QUIET, oklch, topic_colours

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from gram_core.hierarchy import Hierarchy, Topic

MOST_TOPICS, MOST_BARS = 60, 30
"""Topics that a treemap and an icicle draw; more of them are slow to lay out and hard to read."""
BAR = 22
"""Pixels that a topic of an icicle has on average."""
ROOT, EDGE = "rgba(138,146,156,0.12)", "rgba(255,255,255,0.55)"


class Node(NamedTuple):
    """A part of the tree. The id is "t12" for a topic and "t12/d3" for the third domain of it."""

    id: str
    label: str
    parent: str
    size: int
    colour: str
    note: str


def sunburst(
    hierarchy: Hierarchy, hues: Mapping[int, float], selected: int | None = None, height: int = 520
) -> go.Figure:
    """Topics as a ring, their visual domains as the ring around it; sizes are pictures.

    With `selected`, the other topics are paler. Where there are many topics, the domains of one
    appear when it is clicked.
    """
    import plotly.graph_objects as go

    nodes = tree_nodes(hierarchy, hues, selected)
    values = _values(nodes) | {
        "texttemplate": ["" if "/" in node.id else node.label for node in nodes],
        "insidetextorientation": "radial",
        "leaf": {"opacity": 1},
        "maxdepth": 2 if len(hierarchy.topics) > 3 * MOST_TOPICS else 3,
    }
    return _framed(go.Figure(go.Sunburst(**values)), height)


def treemap(
    hierarchy: Hierarchy, hues: Mapping[int, float], selected: int | None = None, height: int = 520
) -> go.Figure:
    """Topics as rectangles filled with those of their domains; areas are pictures.

    Draws the largest topics, at most `MOST_TOPICS`; the others are one rectangle.
    """
    import plotly.graph_objects as go

    nodes = tree_nodes(hierarchy, hues, selected, MOST_TOPICS)
    values = _values(nodes) | {
        "texttemplate": ["" if "/" in node.id else node.label for node in nodes],
        "tiling": {"pad": 1},
        "pathbar": {"visible": False},
        "marker": _marker(nodes) | {"pad": {"t": 16, "l": 1, "r": 1, "b": 1}, "cornerradius": 2},
    }
    # names may be small here: the room of most topics is narrow
    return _framed(go.Figure(go.Treemap(**values)), height).update_layout(uniformtext=None)


def icicle(
    hierarchy: Hierarchy,
    hues: Mapping[int, float],
    selected: int | None = None,
    height: int | None = None,
) -> go.Figure:
    """Topics as a column of bars, beside each what is said in its domains; heights are pictures.

    Draws the largest topics, at most `MOST_BARS`; the others are one bar. Without a height it is
    so tall that the bars can be read.
    """
    import plotly.graph_objects as go

    nodes = tree_nodes(hierarchy, hues, selected, MOST_BARS)
    values = _values(nodes) | {
        "texttemplate": [node.note if "/" in node.id else node.label for node in nodes],
        "tiling": {"orientation": "h"},
        "pathbar": {"visible": False},
    }
    named = [node.size for node in nodes if node.parent == "all" and node.id != "other"]
    share = sum(named) / max(1, nodes[0].size)
    tall = max(480, round(BAR * len(named) / max(0.3, share)))
    return _framed(go.Figure(go.Icicle(**values)), height or tall)


TREES: dict[str, Callable[..., go.Figure]] = {
    "sunburst": sunburst,
    "treemap": treemap,
    "icicle": icicle,
}


def tree_nodes(
    hierarchy: Hierarchy,
    hues: Mapping[int, float],
    selected: int | None = None,
    most: int | None = None,
) -> list[Node]:
    """The root "all", the topics in the order of their hues, and after each topic its domains.

    Args:
        selected: the other topics are paler than this one.
        most: of more topics only the largest are nodes, and the rest together is "other".
    """
    topics = sorted(hierarchy.topics, key=lambda topic: (topic.id != selected, -len(topic)))
    drawn, rest = topics[:most], topics[most:] if most else []
    total = sum(len(topic) for topic in topics)
    nodes = [Node("all", "all topics", "", total, ROOT, f"{len(topics)} topics")]
    colours = topic_colours(hues)
    for topic in sorted(drawn, key=lambda topic: hues.get(topic.id, 0.0)):
        pale = selected is not None and topic.id != selected
        nodes += _topic_nodes(topic, colours.get(topic.id, QUIET), hues.get(topic.id, 0.0), pale)
    if rest:
        size = sum(len(topic) for topic in rest)
        words = ", ".join(topic.word for topic in rest[:6])
        nodes.append(Node("other", f"{len(rest)} other topics", "all", size, QUIET, words))
    return nodes


def parse_node(node: str) -> tuple[int | None, int | None]:
    """Topic id and domain index of a node's id: "t12/d3" gives (12, 2), "all" (None, None)."""
    topic, _, domain = node.partition("/")
    if not topic.startswith("t") or not topic[1:].isdigit():
        return None, None
    return int(topic[1:]), int(domain[1:]) - 1 if domain[1:].isdigit() else None


def _topic_nodes(topic: Topic, colour: str, hue: float, pale: bool) -> list[Node]:
    name = f"t{topic.id}"
    colour = oklch(0.93, 0.02, hue) if pale else colour
    words = ", ".join(word for word, _ in topic.words[:6])
    nodes = [Node(name, topic.word, "all", len(topic), colour, words)]
    for number, domain in enumerate(topic.domains, start=1):
        share = (number - 1) / max(1, len(topic.domains) - 1)
        colour = oklch(0.95, 0.012, hue) if pale else oklch(0.78 + 0.1 * share, 0.08, hue)
        words = f"domain {number} of {len(topic.domains)}"
        if number <= len(topic.descriptions) and topic.descriptions[number - 1].words:
            words = ", ".join(word for word, _ in topic.descriptions[number - 1].words[:3])
        label = f"{topic.word}, domain {number}"
        nodes.append(Node(f"{name}/d{number}", label, name, len(domain), colour, words))
    return nodes


def _values(nodes: list[Node]) -> dict[str, Any]:
    """What all three forms of the tree are drawn from."""
    return {
        "ids": [node.id for node in nodes],
        "labels": [node.label for node in nodes],
        "parents": [node.parent for node in nodes],
        "values": [node.size for node in nodes],
        "customdata": [node.note for node in nodes],
        "branchvalues": "total",
        "sort": False,
        "marker": _marker(nodes),
        "hovertemplate": "<b>%{label}</b><br>%{value:,} pictures<br>%{customdata}<extra></extra>",
    }


def _marker(nodes: list[Node]) -> dict[str, Any]:
    return {"colors": [node.colour for node in nodes], "line": {"color": EDGE, "width": 0.8}}


def _framed(figure: go.Figure, height: int) -> go.Figure:
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        uirevision="same",
        uniformtext={"minsize": 10, "mode": "hide"},
    )
    return figure
