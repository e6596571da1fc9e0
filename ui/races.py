"""The race of the few-shot page, and the trial of what came out of it."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

import streamlit as st

from gram_core import plots
from gram_core.plots import GRAM, RAW, ZERO_SHOT
from gram_core.runs import Run
from gram_core.titles import METHOD_TITLES, row_title
from gram_core.workspace import Workspace
from ui import gallery
from ui.frame import plain_errors, state_line
from ui.pictures import SUFFIXES, Picture, read_picture, sample_pictures
from ui.words import ago, percent

if TYPE_CHECKING:
    from gram_core.classifier import PromptedClassifier

LANE_COLOURS = {"zero": ZERO_SHOT, "raw": RAW, "gram": GRAM}


def initialisation_label(run: Run) -> str:
    """A meta-training run as a start for a classifier."""
    config = run.config
    rule = "GRAM" if config["rule"] == "gram" else "θ alone"
    parts = [METHOD_TITLES[config["method"]], rule, f"{config['meta']['steps']} steps", run.id[-4:]]
    return " · ".join(parts)


def lane_names(run: Run) -> dict[str, str]:
    """What the lanes of a race are called."""
    method = run.config["method"]
    names = {"zero": "Zero-shot", "raw": row_title(method)}
    if run.config["initialisation"]:
        names["gram"] = row_title(method, "gram")
    return names


def race_label(run: Run) -> str:
    """Classes, lanes and age of a race."""
    config = run.config
    made = datetime.fromtimestamp(run.status()["created"], UTC)
    classes = ", ".join(config["base"][:4]) + (" …" if len(config["base"]) > 4 else "")
    lanes = list(lane_names(run).values())[1:]
    return f"{classes} · {' and '.join(lanes)} · {ago(made)}"


def race_view(run: Run) -> None:
    """State, curves and scores of a race."""
    state_line(run)
    rows = run.metrics()
    zero = {part: _last(rows, f"zero_{part}") for part in ("base", "new")}
    names = lane_names(run)
    lanes = {
        name: [
            {"step": row["step"]} | {part: row.get(f"{lane}_{part}") for part in ("base", "new")}
            for row in rows
            if f"{lane}_loss" in row or f"{lane}_base" in row or f"{lane}_new" in row
        ]
        for lane, name in names.items()
        if lane != "zero"
    }
    if not rows:
        return
    if all(level is None for level in zero.values()):
        st.info("No picture was kept back: give more of them to see how well it does.")
        return
    figure, scores = st.columns([2.1, 1], gap="medium", vertical_alignment="center")
    colours = {name: LANE_COLOURS[lane] for lane, name in names.items()}
    figure.container(key="race-chart").plotly_chart(
        plots.race(lanes, zero, colours, end=run.config["epochs"]),
        key="race-figure",
        config={"displayModeBar": False},
        alt="Accuracy on base and on new classes over epochs",
    )
    with scores:
        st.html(_score_table(rows, names))


def _score_table(rows: list[dict[str, Any]], names: dict[str, str]) -> str:
    table: dict[str, list[float | None]] = {}
    for lane in names:
        base, new = (_last(rows, f"{lane}_{part}") for part in ("base", "new"))
        mean = None
        if base is not None and new is not None:
            mean = 2 * base * new / (base + new) if base + new else 0.0
        table[lane] = [base, new, mean]
    best = [
        max((value for value in column if value is not None), default=None)
        for column in zip(*table.values(), strict=True)
    ]
    body = ""
    for lane, values in table.items():
        cells = "".join(
            f'<td class="{"best" if value is not None and value == top else ""}">'
            f"{percent(value)}</td>"
            for value, top in zip(values, best, strict=True)
        )
        swatch = f'<i style="background:{LANE_COLOURS[lane]}"></i>'
        body += f"<tr><th>{swatch}{escape(names[lane])}</th>{cells}</tr>"
    head = '<tr><th></th><td>Base</td><td>New</td><td title="Harmonic mean of the two">H</td></tr>'
    return f'<table class="gram-scores"><thead>{head}</thead><tbody>{body}</tbody></table>'


def _last(rows: list[dict[str, Any]], key: str) -> float | None:
    return next((float(row[key]) for row in reversed(rows) if row.get(key) is not None), None)


@st.cache_resource(show_spinner="Opening the classifier …", max_entries=8)
def _classifier(root: str, id: str) -> PromptedClassifier:
    from gram_core.classifier import PromptedClassifier

    return PromptedClassifier.load(Workspace(root).path("classifiers", id))


@st.fragment
def trial(workspace: Workspace, run: Run) -> None:
    """A picture, and what each classifier of the race says of it; a zip of each."""
    made = {lane: id for lane, id in run.status()["made"].items() if _exists(workspace, id)}
    if not made:
        st.caption("Its classifiers were deleted.")
        return
    names = lane_names(run)
    choose, *views = st.columns([1.1, *[1 for _ in made]], gap="large")
    with choose:
        picture = _choose_picture()
        more = st.text_input(
            "More classes, by name alone",
            placeholder="dog, boat …",
            help="Both classifiers also tell these apart, from their names.",
        )
    for view, (lane, id) in zip(views, made.items(), strict=True):
        with view, plain_errors():
            st.markdown(f"**{names[lane]}**")
            if picture is None:
                st.caption("Choose a picture to see what it says.")
            else:
                _show_ranking(_classifier(str(workspace.root), id), picture, more, lane)
            st.download_button(
                "Download classifier",
                # some kB; a callable would lose a click that comes while this is drawn again
                data=workspace.export("classifiers", id),
                file_name=f"{id}.zip",
                mime="application/zip",
                icon=":material/download:",
                key=f"download-{lane}",
                on_click="ignore",
                help="Prompts and class names, a few kB; load it with PromptedClassifier.load",
            )


def _exists(workspace: Workspace, id: str) -> bool:
    return workspace.exists("classifiers", id)


def _choose_picture() -> Picture | None:
    file = st.file_uploader("A picture to try", list(SUFFIXES), key="trial-file")
    picture = None
    if file is not None:
        with plain_errors():
            picture = read_picture(file.name, file.getvalue())
    samples = sample_pictures()
    names = [*samples["base"], *samples["new"]]
    if file is None and names:
        name = st.pills("or a sample", names, key="trial-sample", wrap=True)
        if name:
            picture = (samples["base"] | samples["new"])[name][-1]
    if picture is not None:
        gallery.strip([(picture.data, picture.name)], 160)
    return picture


def _show_ranking(classifier: PromptedClassifier, picture: Picture, more: str, lane: str) -> None:
    import io

    from PIL import Image

    extra = [word.strip() for word in more.split(",") if word.strip()]
    if extra:
        known = {name.lower() for name in classifier.class_names}
        fresh = [word for word in dict.fromkeys(extra) if word.lower() not in known]
        classifier = classifier.with_classes([*classifier.class_names, *fresh])
    ranking = classifier.predict(Image.open(io.BytesIO(picture.data)), top=5)[0]
    values = dict(ranking)
    colours = dict.fromkeys(values, LANE_COLOURS[lane])
    st.container(key=f"ranking-{lane}").plotly_chart(
        plots.bars(values, colours, height=16 + 38 * len(values)),
        key=f"bars-{lane}",
        config={"displayModeBar": False},
        alt=", ".join(f"{name} {value:.0%}" for name, value in ranking),
    )
