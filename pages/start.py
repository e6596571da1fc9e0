"""Start: what this is, what is done so far, and one button to begin with."""

from __future__ import annotations

import streamlit as st

import ui
from gram_core.jobs import JOBS
from ui.diagram import diagram
from ui.pictures import sample_pictures
from ui.words import escaped
from ui.work import start_clustering

workspace = ui.page("Start")

st.html(
    '<h1 class="gram-hero">Teach CLIP your classes from a few pictures, '
    "and let it keep what it knew.</h1>"
    '<p class="gram-lead">GRAM Studio finds topics and visual domains in pictures with captions, '
    "meta-trains on tasks made of them where prompts should start and which part of a gradient "
    "carries over to other domains, and tunes a classifier from the pictures that you give it."
    "</p>"
)
samples = sample_pictures()
st.html(diagram(samples["base"] | samples["new"]))

hierarchies = workspace.list("hierarchies")
runs = ui.runs_of_kind(workspace, "meta-train")
trained = any(run.status()["state"] == "finished" for run in runs)
classifiers = workspace.list("classifiers")
clustering = any(job.kind == "cluster" for job in JOBS.live())

steps = (
    (
        bool(hierarchies),
        "Clusters",
        "Find the topics of the bundled corpus, drawings with captions, in a few minutes.",
        "pages/clusters.py",
        "See the clusters",
    ),
    (
        trained,
        "Meta-training",
        "Learn a start and a regulator over tasks drawn from these topics; watch the curves.",
        "pages/meta_train.py",
        "Meta-train",
    ),
    (
        bool(classifiers),
        "Few-shot",
        "Give a few pictures of each class, watch CoOp race CoOp + GRAM, take the winner away.",
        "pages/few_shot.py",
        "Tune a classifier",
    ),
)
following = next((number for number, step in enumerate(steps) if not step[0]), None)
for number, (column, step) in enumerate(zip(st.columns(3), steps, strict=True)):
    done, title, words, file, action = step
    with column.container(border=True, height="stretch", key=f"step-{number}"):
        mark = ":green[:material/check_circle:]" if done else ":gray[:material/circle:]"
        st.markdown(f"#### {mark} {title}")
        st.markdown(words)
        st.space("stretch")
        if number == 0 and clustering:
            st.caption("Being clustered: see the bar on the left. You may leave this page.")
        elif number == 0 and not done:
            if st.button("Try the bundled sample", type="primary", icon=":material/play_arrow:"):
                with ui.plain_errors():
                    start_clustering(workspace, "bundled")
                    st.rerun()
            for run in ui.runs_of_kind(workspace, "cluster")[:1]:
                if (last := JOBS.snapshot(run)).state == "failed":
                    st.caption(f":red[It failed: {escaped(last.message)}]")
        elif st.button(action, type="primary" if number == following else "secondary", key=file):
            st.switch_page(file)
