"""What is costly to open, opened once a process and shared by all visitors; nobody changes it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import streamlit as st

from gram_core.workspace import Workspace

if TYPE_CHECKING:
    from gram_core.backbones import Backbone
    from gram_core.corpus import Corpus
    from gram_core.hierarchy import Hierarchy


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


@st.cache_resource(show_spinner=False, max_entries=4)
def _corpus(root: str, hierarchy_id: str, made: str) -> Corpus:
    return _hierarchy(root, hierarchy_id).open_corpus(Workspace(root))


def corpus(hierarchy: Hierarchy) -> Corpus:
    """The corpus of a hierarchy. Raises GramError where it is gone or was replaced."""
    space = workspace()
    ingested = space.exists("corpora", hierarchy.corpus)  # else the bundled one, which stays
    made = space.get("corpora", hierarchy.corpus).created.isoformat() if ingested else ""
    return _corpus(str(space.root), hierarchy.id, made)


def corpora() -> list[str]:
    """The names of the corpora that can be clustered, the bundled one first."""
    return ["bundled", *(artefact.id for artefact in workspace().list("corpora"))]
