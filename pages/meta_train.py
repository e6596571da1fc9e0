"""Meta-train: choose, start, and watch gradients come to agree."""

from __future__ import annotations

from typing import Any

import streamlit as st

import ui
from gram_core import plots
from gram_core.jobs import JOBS
from gram_core.plots import GRAM, RAW, ZERO_SHOT, Line
from gram_core.runs import Run
from gram_core.titles import METHOD_TITLES, PROMPTED
from ui.pictures import sample_pictures
from ui.words import METHOD_NOTES, ago, percent
from ui.work import start_meta_training, words_of_test_sets

workspace = ui.page(
    "Meta-train",
    "Learns over many small tasks where a prompt should start (θ) and which part of a gradient "
    "to trust (φ), so that a few pictures of one domain teach something about all of them.",
)
PRESETS = {
    "trajectory": "Follows the adaptation to come, several steps at a time. What works best.",
    "paper": "Algorithm 1 as printed: one inner step, exact second order.",
}
RULES = {"gram": "GRAM: θ and φ", "raw": "Raw: θ alone"}


@st.cache_data(show_spinner="Loading PyTorch …")
def recommended(method: str, preset: Any) -> dict[str, int]:
    """The settings that fit a method and a preset."""
    from gram_core.meta import MetaConfig
    from gram_core.prompts import build_method

    config = MetaConfig.for_method(build_method(method), preset)
    names = ("ways", "unseen_ways", "shots", "queries")
    return {"steps": config.steps} | {name: getattr(config.task, name) for name in names}


def settings(found: dict[str, str]) -> None:
    """The form and its button."""
    hierarchy = st.selectbox("Topics of", list(found), format_func=found.__getitem__)
    method = st.selectbox(
        "Method",
        PROMPTED,
        format_func=METHOD_TITLES.__getitem__,
        key="method",
        persist_state="session",
    )
    st.caption(f"{METHOD_TITLES[method]} {METHOD_NOTES[method]}.")
    rule = st.segmented_control(
        "Gradient",
        list(RULES),
        default="gram",
        required=True,
        format_func=RULES.__getitem__,
        key="rule",
        persist_state="session",
    )
    preset = st.radio(
        "Preset", list(PRESETS), captions=list(PRESETS.values()), format_func=str.capitalize
    )
    fit = recommended(method, preset)
    own = f"{method}-{preset}"  # other methods and presets have other numbers
    steps = st.number_input(
        "Meta steps",
        2,
        5_000,
        fit["steps"],
        help=f"{fit['steps']} are recommended; 20 show how it goes.",
        key=f"steps-{own}",
        persist_state="session",
    )
    with st.expander("Tasks"):
        values = task_settings(fit, own)
    if st.button("Start meta-training", type="primary", icon=":material/play_arrow:"):
        values |= {"preset": preset, "rule": rule, "steps": steps}
        with ui.plain_errors():
            if values.pop("spare_test_sets"):
                values["exclude"] += words_of_test_sets()
            tokens = values.pop("tokens")
            run = start_meta_training(workspace, hierarchy, method, tokens, values)
            st.session_state["run"] = run.id
            st.rerun()


def task_settings(fit: dict[str, int], own: str) -> dict[str, Any]:
    """What a task looks like, and the words that tasks leave out."""
    numbers = (
        ("ways", "Classes", 2, 20, fit["ways"], "The most in the support of a task"),
        ("unseen_ways", "Unseen classes", 0, 20, fit["unseen_ways"], "The most in its query alone"),
        ("shots", "Shots", 1, 64, fit["shots"], "Support pictures of each class"),
        ("queries", "Queries", 1, 64, fit["queries"], "Query pictures of each class"),
        ("tokens", "Prompt tokens", 1, 16, 4, "In each prompted tower"),
        ("seed", "Seed", 0, 10_000, 0, "The same seed gives the same run"),
    )
    values: dict[str, Any] = {}
    columns = st.columns(2)
    for place, (name, label, low, high, value, words) in enumerate(numbers):
        values[name] = columns[place % 2].number_input(
            label, low, high, value, help=words, key=f"{name}-{own}", persist_state="session"
        )
    samples = sample_pictures()
    words = st.text_input(
        "Words to leave out",
        ", ".join([*samples["base"], *samples["new"]]),
        help="No task uses these topics: name the classes that you are going to test on.",
        key="exclude",
        persist_state="session",
    )
    values["exclude"] = tuple(word.strip() for word in words.split(",") if word.strip())
    values["spare_test_sets"] = st.checkbox(
        "Leave out the classes of the bundled test sets too",
        value=True,
        help="Else a comparison on these sets would flatter this run.",
        key="spare",
        persist_state="session",
    )
    return values


def watch(runs: list[Run]) -> None:
    """A run to look at, its state and its curves."""
    ids = [run.id for run in runs]
    ui.preselect("run", ids)
    by_id = {run.id: run for run in runs}
    chosen = st.selectbox(
        "Run", ids, key="run", bind="query-params", format_func=lambda id: run_label(by_id[id])
    )
    run = by_id[chosen]
    ui.live(lambda: state_and_curves(run), JOBS.snapshot(run).live, key="watch")


def run_label(run: Run) -> str:
    """Method, gradient and age of a run."""
    from datetime import UTC, datetime

    config = run.config
    made = datetime.fromtimestamp(run.status()["created"], UTC)
    rule = " + GRAM" if config["rule"] == "gram" else ""
    method = METHOD_TITLES.get(config["method"], config["method"])
    return f"{method}{rule} · {config['meta']['steps']} steps · {ago(made)}"


def state_and_curves(run: Run) -> None:
    """Where the run stands, what can be done with it, and its four charts."""

    def tune() -> None:
        if st.button("Tune a classifier from it", icon=":material/arrow_forward:"):
            st.session_state["initialisation"] = run.id
            st.switch_page("pages/few_shot.py")

    ui.state_line(run, tune)
    rows = run.metrics()
    if rows:
        headline(rows)
        charts(rows, run.config)
    elif JOBS.snapshot(run).live:
        st.caption("The first numbers come after the first look at the tasks.")


def headline(rows: list[dict[str, Any]]) -> None:
    """What the probe says now, and how far that is from the start."""
    names = {
        "accuracy_seen_after": ("Seen classes", "Accuracy after adapting to their support"),
        "accuracy_unseen_after": ("Unseen classes", "Accuracy on classes outside the support"),
        "step_ratio_path": ("Step length", "Norm of the regulated over that of the raw gradient"),
    }
    found = {key: [row[key] for row in rows if row.get(key) is not None] for key in names}
    shown = {key: values for key, values in found.items() if values}
    for column, (key, values) in zip(st.columns(max(1, len(shown))), shown.items(), strict=False):
        name, words = names[key]
        share = key.startswith("accuracy")
        gain = 100 * (values[-1] - values[0])
        column.metric(
            name,
            percent(values[-1]) if share else f"{values[-1]:.2f} ×",
            f"{gain:+.1f} since the start" if share and len(values) > 1 else None,
            delta_description=None if share else "the raw gradient",
            border=True,
            height="stretch",
            help=f"{words}, on tasks that stay the same",
        )


def charts(rows: list[dict[str, Any]], config: dict[str, Any]) -> None:
    """Agreement of gradients at θ and along the path, the loss, the accuracies."""
    gram = config["rule"] == "gram"
    end, own = int(config["meta"]["steps"]), GRAM if gram else RAW

    def agreement(place: str) -> list[Line]:
        lines = [Line(f"cosine_raw_{place}", "raw", RAW)]
        return [*lines, Line(f"cosine_regulated_{place}", "regulated", GRAM)] if gram else lines

    left, right = st.columns(2)
    with left:
        chart(
            "start",
            "Gradient agreement at θ",
            "Cosine of support and query gradient",
            plots.curves(rows, agreement("start"), end=end, zero_line=True),
        )
    with right:
        chart(
            "path",
            "Gradient agreement along the path",
            "The same, averaged over an adaptation",
            plots.curves(rows, agreement("path"), end=end, zero_line=True),
        )
    left, right = st.columns(2)
    with left:
        chart(
            "loss",
            "Query loss",
            "What meta-training lowers; faint: single steps",
            plots.curves(rows, [Line("query_loss", "query loss", own)], end=end, smoothing=0.8),
        )
    with right:
        lines = [
            Line("accuracy_seen_after", "seen", own),
            Line("accuracy_unseen_after", "unseen", own, dashed=True),
            Line("accuracy_seen_before", "seen, before", ZERO_SHOT),
            Line("accuracy_unseen_before", "unseen, before", ZERO_SHOT, dashed=True),
        ]
        chart(
            "accuracy",
            "Accuracy after adapting",
            "Grey: the same tasks before adapting",
            plots.curves(rows, lines, end=end, percent=True),
        )


def chart(key: str, title: str, words: str, figure: Any) -> None:
    """A figure with its title and one line of what it is."""
    with st.container(border=True, gap=None, height="stretch", key=f"chart-{key}"):
        st.markdown(f"**{title}**  \n:small[:gray[{words}]]")
        st.plotly_chart(figure, key=f"figure-{key}", config={"displayModeBar": False}, alt=title)


def main() -> None:
    """The form beside the run."""
    found = {
        artefact.id: f"{artefact.about.get('corpus', artefact.id)} · {ago(artefact.created)}"
        for artefact in workspace.list("hierarchies")
    }
    runs = ui.runs_of_kind(workspace, "meta-train")
    if not found and not runs:
        with ui.empty("No topics to make tasks of", "Tasks are drawn from the clusters."):
            if st.button("Make clusters first", type="primary"):
                st.switch_page("pages/clusters.py")
        return
    form, view = st.columns([1, 2.4], gap="large")
    with form:
        settings(found)
    with view:
        if runs:
            watch(runs)
        else:
            with ui.empty(
                "No run yet",
                "Start one on the left. With 150 steps CoOp takes about a minute on two cores; "
                "you may leave the page or close it, the run goes on.",
            ):
                pass


main()
