"""Rows of small pictures, each row one element of the page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import streamlit as st

from ui.pictures import data_uri

Shown = Sequence[tuple[bytes, str]]
"""Encoded pictures, each with the words that appear on hover."""


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


def _images(pictures: Shown, size: int) -> str:
    return "".join(
        f'<img src="{data_uri(data, 2 * size)}" title="{escape(words)}" alt="{escape(words)}">'
        for data, words in pictures
    )
