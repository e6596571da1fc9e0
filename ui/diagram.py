"""The picture of the start page: from pairs to a classifier, in four steps."""

from __future__ import annotations

import math
from base64 import b64encode
from html import escape

from gram_core.pictures import data_uri
from gram_core.plots import GRAM, RAW, ZERO_SHOT, oklch
from ui.pictures import Picture

WIDTH, HEIGHT = 210, 152
INK = "#7A838E"
STEPS = (
    ("Pairs", "Pictures with captions, no labels"),
    ("Topics × domains", "What is said, then how it looks"),
    ("Meta-training", "A start and a regulator, learned over many tasks"),
    ("Your classifier", "From a few pictures; new classes are kept"),
)


def diagram(samples: dict[str, list[Picture]]) -> str:
    """HTML; `samples` gives it pictures to show, by class."""
    panels = (_pairs(samples), _wheel(), _gradients(), _classifier(samples))
    parts = []
    for number, ((title, words), panel) in enumerate(zip(STEPS, panels, strict=True), start=1):
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'font-family="system-ui, sans-serif" font-size="12" fill="{INK}">{panel}</svg>'
        )
        source = f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"
        parts.append(
            f'<div class="step"><img src="{source}" alt=""><b>{number}. {escape(title)}</b>'
            f"<span>{escape(words)}</span></div>"
        )
    return '<div class="gram-diagram">' + '<div class="arrow">→</div>'.join(parts) + "</div>"


def _picture(data: bytes, x: float, y: float, size: float) -> str:
    uri = data_uri(data, 128)
    clip = f"clip-{x:.0f}-{y:.0f}-{size:.0f}"
    return (
        f'<clipPath id="{clip}"><rect x="{x}" y="{y}" width="{size}" height="{size}" rx="5"/>'
        f'</clipPath><image href="{uri}" x="{x}" y="{y}" width="{size}" height="{size}" '
        f'clip-path="url(#{clip})" preserveAspectRatio="xMidYMid slice"/>'
    )


def _pairs(samples: dict[str, list[Picture]]) -> str:
    lists = [pictures for pictures in samples.values() if pictures]
    parts = []
    for row in range(3):
        y = 8 + 47 * row
        for column in range(2):
            x = 8 + 102 * column
            if lists:
                pictures = lists[(2 * row + column) % len(lists)]
                parts.append(_picture(pictures[(3 * row + column) % len(pictures)].data, x, y, 40))
            for line, width in enumerate((44, 34)):
                parts.append(
                    f'<rect x="{x + 47}" y="{y + 10 + 12 * line}" width="{width}" height="6" '
                    'rx="3" opacity="0.25"/>'
                )
    return "".join(parts)


def _ring(inner: float, outer: float, start: float, end: float, colour: str) -> str:
    def at(radius: float, angle: float) -> str:
        return f"{105 + radius * math.cos(angle):.1f} {76 + radius * math.sin(angle):.1f}"

    large = int(end - start > math.pi)
    return (
        f'<path d="M{at(inner, start)}L{at(outer, start)}A{outer} {outer} 0 {large} 1 '
        f'{at(outer, end)}L{at(inner, end)}A{inner} {inner} 0 {large} 0 {at(inner, start)}z" '
        f'fill="{colour}" stroke="#fff" stroke-width="1.2"/>'
    )


def _wheel() -> str:
    shares = (5, 3, 4, 2.5, 4.5, 3, 3.5, 2.5)
    domains = (3, 2, 3, 2, 4, 2, 3, 2)
    turn, parts = 2 * math.pi / sum(shares), []
    angle = -math.pi / 2
    for number, (share, parted) in enumerate(zip(shares, domains, strict=True)):
        hue = 360 * number / len(shares)
        end = angle + share * turn
        parts.append(_ring(22, 46, angle, end, oklch(0.7, 0.12, hue)))
        step = (end - angle) / parted
        for place in range(parted):
            colour = oklch(0.8 + 0.04 * place, 0.08, hue)
            parts.append(_ring(46, 68, angle + place * step, angle + (place + 1) * step, colour))
        angle = end
    return "".join(parts)


def _gradients() -> str:
    """From one start the raw gradients of several domains, and what they have in common."""

    def arrow(x: int, y: int, colour: str, width: float) -> str:
        angle = math.atan2(y - 118, x - 30)
        wings = [
            f"{x - 11 * math.cos(angle + turn):.1f} {y - 11 * math.sin(angle + turn):.1f}"
            for turn in (-0.45, 0.45)
        ]
        return (
            f'<path d="M30 118L{x} {y}M{wings[0]}L{x} {y}L{wings[1]}" fill="none" '
            f'stroke="{colour}" stroke-width="{width}" stroke-linecap="round" '
            'stroke-linejoin="round"/>'
        )

    raw = ((70, 18), (112, 12), (172, 122), (150, 140))
    return (
        "".join(arrow(x, y, RAW, 2) for x, y in raw)
        + arrow(164, 52, GRAM, 3.4)
        + f'<circle cx="30" cy="118" r="7" fill="{INK}"/>'
        + '<text x="14" y="144" font-size="14" font-style="italic">θ</text>'
        + f'<text x="124" y="20" fill="{RAW}">raw gradients</text>'
        + f'<text x="140" y="78" fill="{GRAM}">regulated</text>'
    )


def _classifier(samples: dict[str, list[Picture]]) -> str:
    parts = []
    for row, (name, pictures) in enumerate(list(samples.items())[:3]):
        y = 8 + 47 * row
        if pictures:
            parts.append(_picture(pictures[-1].data, 8, y, 40))
        parts.append(f'<text x="58" y="{y + 16}">{escape(name)}</text>')
        for width, colour, opacity in ((140, ZERO_SHOT, 0.25), ((126, 112, 132)[row], GRAM, 1)):
            parts.append(
                f'<rect x="58" y="{y + 23}" width="{width}" height="8" rx="4" fill="{colour}" '
                f'opacity="{opacity}"/>'
            )
    return "".join(parts)
