"""The frame around every page: configuration, navigation, the bar of running jobs."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from gram_core.errors import GramError
from gram_core.jobs import JOBS, RESUMABLE_STATES, Snapshot, recover
from gram_core.runs import Run
from gram_core.workspace import Workspace
from ui.resources import workspace
from ui.words import KIND_TITLES, STATE_BADGES, escaped, outcome_text, progress_text
from ui.work import resume

STYLE = Path(__file__).with_name("style.css")
ICON = Path(__file__).with_name("icon.svg")


BACKBONES = ("bundled", "ViT-B-16/openai", "ViT-B-32/openai", "ViT-L-14/openai")


class PageCard(NamedTuple):
    """What the navigation knows of a page."""

    title: str
    file: str
    icon: str


PAGES = (
    PageCard("Start", "pages/start.py", ":material/home:"),
    PageCard("Clusters", "pages/clusters.py", ":material/bubble_chart:"),
    PageCard("Meta-train", "pages/meta_train.py", ":material/model_training:"),
    PageCard("Few-shot", "pages/few_shot.py", ":material/photo_library:"),
    PageCard("Runs", "pages/runs.py", ":material/table_rows:"),
)


def page(title: str, lead: str = "") -> Workspace:
    """The workspace, after drawing what all pages have; may be called twice without harm.

    A page that is opened by its own address on a fresh server never runs app.py: all that a page
    relies on happens here.
    """
    st.set_page_config(page_title=f"{title} · GRAM Studio", page_icon=ICON, layout="wide")
    st.html(STYLE)
    space = workspace()
    _recover_once(str(space.root))
    with st.sidebar:
        st.html('<div class="gram-brand">GRAM <span>Studio</span></div>')
        for card in PAGES:
            st.page_link(card.file, label=card.title, icon=card.icon, width="stretch")
        live(_job_bar, bool(JOBS.live()), key="job-bar")
    if title != "Start":
        st.title(title, anchor=False)
    if lead:
        st.html(f'<p class="gram-lead">{lead}</p>')
    return space


def live(draw: Callable[[], None], alive: bool, key: str, every: float = 2.0) -> None:
    """Draws now and, while `alive`, every two seconds; only this part of the page is redrawn."""

    def tick() -> None:
        # Streamlit collects garbage after every run and holds the interpreter meanwhile; with torch
        # loaded that is most of a second in which the job stands still. It passes over what is
        # frozen.
        if alive:
            gc.freeze()
        draw()

    st.fragment(tick, run_every=every if alive else None, key=key)()


def preselect(key: str, options: Sequence[str]) -> None:
    """Gives the widget of `key` the choice in the address, else the first option."""
    if st.session_state.get(key) not in options:
        wanted = st.query_params.get(key)
        st.session_state[key] = wanted if wanted in options else options[0]


def runs_of_kind(space: Workspace, kind: str) -> list[Run]:
    """The runs of a kind that can be read, newest first."""
    found = []
    for artefact in space.list("runs"):
        if artefact.about.get("kind") == kind:
            run = Run(artefact.path)
            with suppress(GramError):  # a damaged one: the page of runs says so
                _ = run.status(), run.config
                found.append(run)
    return found


def state_line(run: Run, when_finished: Callable[[], None] | None = None) -> None:
    """Draws the state of a run, how far it is, and the button that cancels or resumes it.

    `when_finished` draws at the end of the line what can be done with a finished one.
    """
    state = JOBS.snapshot(run)
    colour, icon = STATE_BADGES[state.state]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(state.state, color=colour, icon=icon)
        st.caption(escaped(progress_text(state) if state.live else outcome_text(state, run)))
        st.space("stretch")
        if state.live:
            ours = JOBS.get(run.id) is not None
            if st.button(
                "Cancel",
                icon=":material/stop:",
                key=f"stop-{run.id}",
                disabled=state.cancelling or not ours,
                help=None if ours else "Another program works on it: cancel it there.",
            ):
                JOBS.cancel(run.id)
                st.rerun(scope="fragment")
        elif state.state in RESUMABLE_STATES and st.button(
            "Resume", icon=":material/resume:", key=f"resume-{run.id}"
        ):
            with plain_errors():
                resume(workspace(), run)
                st.rerun()
        elif state.state == "finished" and when_finished is not None:
            when_finished()
    bar = st.empty()  # there in every state, so that what follows keeps its place
    if state.live:
        bar.progress(state.fraction)


def choose_backbone(key: str) -> str:
    """A selector of backbones: the bundled one, those of open_clip, or a folder."""
    return st.selectbox(
        "Backbone",
        BACKBONES,
        key=key,
        accept_new_options=True,
        persist_state="session",
        help="The bundled one knows drawings. Type any MODEL/TAG of open_clip (downloaded on first "
        "use) or the path of an open_clip model directory.",
    )


@contextmanager
def plain_errors() -> Iterator[None]:
    """Says what a GramError says in a red box, and lets the rest of the page go on."""
    try:
        yield
    except GramError as error:
        st.error(escaped(str(error)), icon=":material/error:")


@contextmanager
def empty(title: str, words: str) -> Iterator[None]:
    """A quiet box that says what is missing and what to do; the block adds the way to do it."""
    with st.container(border=True, key=f"empty-{title.lower().replace(' ', '-')}"):
        st.html(f'<div class="gram-empty-title">{title}</div>')
        st.markdown(words)
        yield


@st.cache_resource(show_spinner=False)
def _recover_once(root: str) -> None:
    recover(Workspace(root))


def _job_bar() -> None:
    jobs = JOBS.live()
    ids = {job.run_id for job in jobs}
    ended = st.session_state.get("live_jobs", set()) - ids
    st.session_state["live_jobs"] = ids
    if ended:  # the page itself has something new to show
        gc.unfreeze()
        for run_id in sorted(ended):
            _tell_end(run_id)
        st.rerun()
    if not jobs:
        return
    st.html('<div class="gram-overline">Running</div>')
    for job in jobs:
        _job_row(job)


def _tell_end(run_id: str) -> None:
    job = JOBS.get(run_id)
    if job is not None:
        end = job.snapshot()
        words = f"{KIND_TITLES.get(end.kind, end.kind)} {end.state}"
        reason = f": {end.message}" if end.state == "failed" else ""
        st.toast(escaped(words + reason), icon=STATE_BADGES[end.state][1], duration="long")


def _job_row(job: Snapshot) -> None:
    with st.container(border=True, key=f"job-{job.run_id}", gap="xsmall"):
        name, stop = st.columns([5, 1], vertical_alignment="center")
        name.markdown(f"**{KIND_TITLES.get(job.kind, job.kind)}**")
        if stop.button(
            "",
            icon=":material/close:",
            key=f"cancel-{job.run_id}",
            help="Cancel: what is done so far is kept",
            type="tertiary",
            disabled=job.cancelling,
        ):
            JOBS.cancel(job.run_id)
        st.progress(job.fraction)
        st.caption(escaped(progress_text(job)))
