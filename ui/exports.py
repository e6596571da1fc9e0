"""A hierarchy as files that other programs read."""

from __future__ import annotations

import tempfile
import zipfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from gram_core.events import finish
from ui import resources
from ui.frame import plain_errors

if TYPE_CHECKING:
    from gram_core.corpus import Corpus
    from gram_core.hierarchy import Hierarchy
    from gram_core.workspace import Workspace

MOST_DOWNLOADED = 20_000
"""Pairs up to which pictures are sent to the browser; of more they are written where it runs."""


class Form(NamedTuple):
    """A kind of file: what it is for, how its name ends, whether it holds pictures."""

    label: str
    ending: str
    pictures: bool


FORMS = {
    "parquet": Form("Table, as Parquet", ".parquet", False),
    "csv": Form("Table, as CSV", ".csv", False),
    "folders": Form("Pictures, a folder for each topic", ".zip", True),
    "atlas": Form("Parquet for Embedding Atlas", "-atlas.parquet", True),
}


def draw(workspace: Workspace, hierarchy: Hierarchy) -> None:
    """A button for each kind of file, which is made when it is asked for."""
    corpus = resources.corpus(hierarchy)
    for kind, form in FORMS.items():
        name = hierarchy.id + form.ending
        if not form.pictures or len(hierarchy) <= MOST_DOWNLOADED:
            st.download_button(
                form.label, partial(_made, kind, hierarchy, corpus), name,
                key=f"export-{kind}", icon=":material/download:", on_click="ignore",
                width="stretch",
            )  # fmt: skip
        elif st.button(form.label, key=f"export-{kind}", icon=":material/save:", width="stretch"):
            with plain_errors(), st.spinner("Writing …"):
                folder = workspace.root / "exports"
                folder.mkdir(parents=True, exist_ok=True)
                write(kind, hierarchy, corpus, folder / name)
                st.success(f"Written to `{folder / name}`")


def write(kind: str, hierarchy: Hierarchy, corpus: Corpus, path: Path) -> None:
    """Writes one kind of file."""
    from gram_core.hierarchy.export import write_atlas, write_folders, write_table

    if kind == "folders":
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            _zip(finish(write_folders(hierarchy, corpus, Path(folder) / "topics")), path)
    elif kind == "atlas":
        finish(write_atlas(hierarchy, corpus, path))
    else:
        write_table(hierarchy, corpus, path)


def _made(kind: str, hierarchy: Hierarchy, corpus: Corpus) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"export{FORMS[kind].ending}"
        write(kind, hierarchy, corpus, path)
        return path.read_bytes()


def _zip(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:  # pictures are packed already
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                target.write(file, file.relative_to(folder))
