"""Rows of small pictures, each row one element of the page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import streamlit as st

from gram_core.pictures import data_uri

Shown = Sequence[tuple[bytes, str]]
"""Encoded pictures, each with the words that appear on hover."""


PAGE = 48
"""Pictures that a page of a gallery shows."""


class Card(NamedTuple):
    """A picture with its caption and a note, for example its topic."""

    picture: bytes
    caption: str
    note: str


class TaskRow(NamedTuple):
    """A class of a task: its name and the pictures of its support and query."""

    name: str
    note: str
    support: Shown
    query: Shown


def strip(pictures: Shown, size: int = 64, more: int = 0) -> None:
    """Pictures side by side; `more` says how many are not shown."""
    rest = f'<span class="more">+ {more:,} more</span>' if more > 0 else ""
    st.html(
        f'<div class="gram-strip" style="--size:{size}px">{_images(pictures, size)}{rest}</div>'
    )


def groups(title: str, named: Sequence[tuple[str, Shown]], size: int = 34) -> None:
    """A title and, on the same line where they fit, names with their pictures."""
    parts = "".join(
        f'<div class="group"><span>{escape(name)}</span>'
        f'<div class="gram-strip">{_images(pictures, size)}</div></div>'
        for name, pictures in named
    )
    head = f"<b>{escape(title)}</b>"
    st.html(f'<div class="gram-groups" style="--size:{size}px">{head}<div>{parts}</div></div>')


def task_table(rows: Sequence[TaskRow], size: int = 46) -> None:
    """Classes as rows, the support beside the query."""
    heads = ("Class", "Support: one domain", "Query: all domains")
    cells = "".join(f'<div class="head">{head}</div>' for head in heads)
    for row in rows:
        support = _images(row.support, size) if row.support else "<i>never shown</i>"
        cells += (
            f'<div class="name"><b>{escape(row.name)}</b><span>{escape(row.note)}</span></div>'
            f'<div class="gram-strip">{support}</div>'
            f'<div class="gram-strip">{_images(row.query, size)}</div>'
        )
    st.html(f'<div class="gram-task" style="--size:{size}px">{cells}</div>')


def wall(cards: Sequence[Card], size: int = 132) -> None:
    """Pictures in rows, each with its caption and note below."""
    figures = "".join(
        f'<figure title="{escape(card.caption)}"><img src="{data_uri(card.picture, 192)}" '
        f'alt="{escape(card.caption)}"><figcaption><span>{escape(card.caption)}</span>'
        f"<i>{escape(card.note)}</i></figcaption></figure>"
        for card in cards
    )
    st.html(f'<div class="gram-wall" style="--size:{size}px">{figures}</div>')


def described(
    name: str,
    size: str,
    looks: str,
    colours: Sequence[str],
    pictures: Shown,
    captions: Sequence[str],
    side: int = 57,
) -> None:
    """What a group of pictures is called, looks like and says, beside some of them."""
    dots = "".join(f'<i style="background:{escape(colour)}"></i>' for colour in colours)
    st.html(
        f'<div class="gram-described" style="--size:{side}px"><div class="about">'
        f"<b>{escape(name)}</b> <span>{escape(size)}</span><p>{escape(looks)}</p>"
        f'<div class="dots">{dots}</div></div><div class="shown">'
        f'<div class="gram-strip">{_images(pictures, side)}</div>'
        f"<p>{' · '.join(map(escape, captions))}</p></div></div>"
    )


def _images(pictures: Shown, size: int) -> str:
    return "".join(
        f'<img src="{data_uri(data, 2 * size)}" title="{escape(words)}" alt="{escape(words)}">'
        for data, words in pictures
    )
