"""The visual domains of a topic as rows of pictures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from gram_core.corpus import Corpus
    from gram_core.hierarchy import Topic

Side = Literal["central", "typical"]
GAP = 4


def shown_pairs(topic: Topic, domain: int, count: int, side: Side = "central") -> list[int]:
    """Ids of at most `count` pairs that show a domain of a topic.

    Its most central or most typical ones where they were described, the best first; else some
    spread over it, always the same ones.
    """
    if domain < len(topic.descriptions):
        return list(getattr(topic.descriptions[domain], side)[:count])
    members = topic.domains[domain]
    picks = np.linspace(0, len(members) - 1, min(count, len(members))).astype(int)
    return [int(pair) for pair in members[picks]]


def domain_strips(
    topic: Topic, corpus: Corpus, count: int = 12, side: Side = "central", size: int = 80
) -> go.Figure:
    """One row of pictures for each domain of a topic, the pictures of `size` pixels a side."""
    import plotly.graph_objects as go

    rows = [
        _contact_strip(corpus, shown_pairs(topic, domain, count, side), count, size)
        for domain in range(len(topic.domains))
    ]
    height = size + GAP
    figure = go.Figure(go.Image(z=np.concatenate(rows), hoverinfo="skip"))
    figure.update_layout(
        height=height * len(rows),
        margin={"l": 0, "r": 0, "t": 0, "b": 0},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(
        showgrid=False,
        zeroline=False,
        automargin=True,
        tickvals=[height * (row + 0.5) for row in range(len(rows))],
        ticktext=[
            f"domain {number} ({len(domain):,})"
            for number, domain in enumerate(topic.domains, start=1)
        ],
    )
    return figure


def _contact_strip(corpus: Corpus, pairs: list[int], count: int, size: int) -> np.ndarray:
    """(size + gap, w, 4) pictures side by side; what has none is transparent."""
    from PIL import Image, ImageOps

    from gram_core.pictures import opened, plain

    strip = Image.new("RGBA", (count * (size + GAP), size + GAP))
    for place, pair in enumerate(pairs):
        with opened(io.BytesIO(corpus.image_bytes(pair))) as picture:
            small = ImageOps.fit(plain(picture), (size, size))
        strip.paste(small, (place * (size + GAP), 0))
    return np.asarray(strip)
