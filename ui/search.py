"""Pairs found by words or by a picture."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import streamlit as st

from ui import overview, resources
from ui.pictures import LARGEST_FILE, SUFFIXES, read_picture

if TYPE_CHECKING:
    from gram_core.corpus.search import Found
    from gram_core.hierarchy import Hierarchy

MOST = 480
WAYS = {
    "captions": "Captions with these words",
    "meaning": "Pictures that look like these words",
    "picture": "Pictures like mine",
}


def draw(hierarchy: Hierarchy) -> None:
    """What is looked for, and what was found."""
    way = st.segmented_control(
        "Search", list(WAYS), key="search-way", default="captions", required=True,
        format_func=WAYS.__getitem__, label_visibility="collapsed",
    )  # fmt: skip
    if way == "picture":
        file = st.file_uploader(
            "A picture", SUFFIXES, key="search-picture", max_upload_size=LARGEST_FILE // 2**20,
            help="It stays on this machine.",
        )  # fmt: skip
        if file is None:
            st.caption("Pairs are ordered by how alike the backbone finds their pictures to it.")
            return
        found = _like(hierarchy, file.name, file.getvalue())
    else:
        text = st.text_input(
            "Words", key="search-words", bind="query-params", icon=":material/search:",
            placeholder="boat, red kite, two dogs …", label_visibility="collapsed",
        ).strip()  # fmt: skip
        if not text:
            st.caption("The beginning of a word is enough; capitals and accents do not count.")
            _words(hierarchy, "a")  # makes the captions ready, so that the first search need not
            return
        found = _words(hierarchy, text) if way == "captions" else _like(hierarchy, text)
    if not len(found):
        st.info("No caption has these words. Try the beginning of a word, or look by meaning.")
        return
    overview.pairs(hierarchy, found.ids, "found" if len(found) < MOST else "fit best")


def _words(hierarchy: Hierarchy, text: str) -> Found:
    from gram_core.corpus.search import find_words

    return find_words(resources.corpus(hierarchy), text, MOST)


def _like(hierarchy: Hierarchy, name: str, data: bytes | None = None) -> Found:
    """Pairs whose picture is like the words, or like the file of that name."""
    from PIL import Image

    from gram_core.corpus.search import find_like

    backbone = resources.backbone(hierarchy.backbone_name)
    query: str | Image.Image = name
    if data is not None:
        query = Image.open(io.BytesIO(read_picture(name, data).data)).convert("RGB")
    return find_like(resources.corpus(hierarchy), backbone, query, MOST)
