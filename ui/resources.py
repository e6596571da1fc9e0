"""What is costly to open, opened once a process and shared by all visitors; nobody changes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import streamlit as st

from gram_core.workspace import Workspace

if TYPE_CHECKING:
    from gram_core.backbones import Backbone
    from gram_core.corpus import Corpus
    from gram_core.hierarchy import Hierarchy
    from gram_core.plots import Box, Map, Style

THUMBNAILS = 20_000
"""Small pictures of a corpus that are held, about a kilobyte each."""


def workspace() -> Workspace:
    """The workspace of this server: $GRAM_WORKSPACE, or the folder "workspace"."""
    return _workspace(os.environ.get("GRAM_WORKSPACE", "workspace"))


@st.cache_resource(show_spinner=False)
def _workspace(root: str) -> Workspace:
    return Workspace(root)


@st.cache_resource(show_spinner="Opening the backbone …", max_entries=2)
def backbone(name: str) -> Backbone:
    """A frozen CLIP by name. Raises GramError where there is none."""
    from gram_core.backbones import open_backbone

    return open_backbone(name)


@st.cache_resource(show_spinner=False, max_entries=4)
def _hierarchy(root: str, id: str) -> Hierarchy:
    from gram_core.hierarchy import Hierarchy

    return Hierarchy.open(Workspace(root), id)


def hierarchy(id: str) -> Hierarchy:
    """A hierarchy of the workspace. Raises GramError where there is none."""
    return _hierarchy(str(workspace().root), id)


def corpus(hierarchy: Hierarchy) -> Corpus:
    """The corpus of a hierarchy, the same one for all that were made of it by edits.

    Raises GramError where it is gone or was replaced.
    """
    space = workspace()
    ingested = space.exists("corpora", hierarchy.corpus)  # else the bundled one, which stays
    made = space.get("corpora", hierarchy.corpus).created.isoformat() if ingested else ""
    content = f"{made} {hierarchy.corpus_fingerprint}"
    return _corpus(str(space.root), hierarchy.corpus, len(hierarchy), content, hierarchy)


@st.cache_resource(show_spinner=False, max_entries=4)
def _corpus(root: str, name: str, pairs: int, content: str, _hierarchy: Hierarchy) -> Corpus:
    return _hierarchy.open_corpus(Workspace(root))


def hues(id: str) -> dict[int, float]:
    """The hue of each topic of a hierarchy."""
    return _hues(str(workspace().root), id)


@st.cache_resource(show_spinner=False, max_entries=8)
def _hues(root: str, id: str) -> dict[int, float]:
    from gram_core import plots

    return plots.topic_hues(_hierarchy(root, id))


def map_of(
    hierarchy: Hierarchy, style: Style, box: Box | None, most: int | None, height: int
) -> Map:
    """The map of a hierarchy, drawn in that style. Raises GramError where its corpus is gone."""
    pairs = corpus(hierarchy)
    return _map(str(workspace().root), hierarchy.id, style, box, most, height, hierarchy, pairs)


@st.cache_resource(show_spinner="Drawing the map …", max_entries=8)
def _map(
    root: str,
    id: str,
    style: Style,
    box: Box | None,
    most: int | None,
    height: int,
    _hierarchy: Hierarchy,
    _corpus: Corpus,
) -> Map:
    from gram_core import plots

    thumbnail = _thumbnails(root, _corpus.name, _corpus.fingerprint, _corpus)
    return plots.map_figure(
        _hierarchy, _corpus, style=style, box=box, hues=hues(id), most=most,
        thumbnail=thumbnail, height=height,
    )  # fmt: skip


@st.cache_resource(show_spinner=False, max_entries=4)
def _thumbnails(root: str, name: str, fingerprint: str, _corpus: Corpus) -> Callable[[int], str]:
    from gram_core import plots

    return lru_cache(THUMBNAILS)(plots.thumbnails_of(_corpus))


def corpora() -> list[str]:
    """The names of the corpora that can be clustered, the bundled one first."""
    return ["bundled", *(artefact.id for artefact in workspace().list("corpora"))]
