"""Few-shot: a few pictures of each class become a classifier; CoOp races CoOp + GRAM."""

from __future__ import annotations

import streamlit as st

import ui
from gram_core.errors import GramError
from gram_core.jobs import JOBS
from gram_core.runs import Run
from gram_core.titles import METHOD_TITLES
from ui import gallery, races
from ui.draft import Draft, DraftClass, hold_out
from ui.pictures import SUFFIXES, read_picture, sample_pictures
from ui.words import METHOD_NOTES, count, escaped
from ui.work import start_race

workspace = ui.page(
    "Few-shot",
    "Give a few pictures of each class. The same pictures tune the prompts twice, with raw and "
    "with regulated gradients, while accuracy is measured on pictures that were kept back and on "
    "classes that were never shown.",
)
PER_ROW = 3


def current_draft() -> Draft:
    """What this visitor has entered so far; it outlives a change of page."""
    if "draft" not in st.session_state:
        draft = Draft()
        draft.add(draft.base)
        draft.add(draft.base)
        st.session_state["draft"] = draft
        st.session_state["upload_problems"] = {}
    return st.session_state["draft"]


def take_samples() -> None:
    """Replace what is entered by the sample pictures."""
    draft = Draft(made=current_draft().made)
    samples = sample_pictures()
    for name, pictures in samples["base"].items():
        draft.add(draft.base, name).add(pictures)
    for name, pictures in samples["new"].items():
        draft.add(draft.new, name).add(pictures)
    st.session_state["draft"] = draft
    st.session_state["upload_problems"] = {}


def class_cards(draft: Draft, part: list[DraftClass], share: float) -> None:
    """One card a class, three in a row, the last one adds a class."""
    learns = part is draft.base
    for start in range(0, len(part) + 1, PER_ROW):
        row = part[start : start + PER_ROW]
        columns = st.columns(PER_ROW)
        for column, one in zip(columns, row, strict=False):
            with column.container(border=True, height="stretch", key=f"class-{one.id}"):
                class_card(part, one, share if learns else None)
        if len(row) < PER_ROW:
            with columns[len(row)]:
                if st.button(
                    "Add a class" if learns else "Add a new class",
                    icon=":material/add:",
                    key=f"add-{learns}",
                    type="tertiary",
                ):
                    draft.add(part)
                    st.rerun()


def class_card(part: list[DraftClass], one: DraftClass, share: float | None) -> None:
    """Name, pictures and uploader of one class; `share` is None for a new class."""
    with st.container(horizontal=True, vertical_alignment="center"):
        one.name = st.text_input(
            "Class name",
            one.name,
            max_chars=80,
            key=f"name-{one.id}",
            placeholder="Name of the class",
            label_visibility="collapsed",
        )
        if st.button(
            "", icon=":material/delete:", key=f"remove-{one.id}", type="tertiary", help="Remove it"
        ):
            part.remove(one)
            st.rerun()
    if one.pictures:
        gallery.strip([(picture.data, picture.name) for picture in one.pictures[:14]], 40)
        if share is None:
            st.caption(f"{count(len(one.pictures), 'picture')} to measure with")
        else:
            learn, held = hold_out(len(one.pictures), share, 0)
            st.caption(f"{count(len(learn), 'picture')} to learn from, {len(held)} kept back")
    elif share is None:
        st.caption("Pictures of it are optional; they only measure.")
    take_uploads(one)


def take_uploads(one: DraftClass) -> None:
    """Keep what can be read of the uploaded files, and say what could not."""
    turn = st.session_state.setdefault(f"turn-{one.id}", 0)
    files = st.file_uploader(
        "Pictures",
        list(SUFFIXES),
        accept_multiple_files=True,
        key=f"files-{one.id}-{turn}",
        label_visibility="collapsed",
    )
    problems = st.session_state["upload_problems"]
    if files:
        found, problems[one.id] = [], []
        for file in files:
            try:
                found.append(read_picture(file.name, file.getvalue()))
            except GramError as error:
                problems[one.id].append(str(error))
        added = one.add(found)
        if added < len(found):
            left_out = count(len(found) - added, "picture")
            problems[one.id].append(f"{left_out} left out: there already, or more than 64.")
        st.session_state[f"turn-{one.id}"] = turn + 1  # a fresh uploader: files are not held twice
        st.rerun()
    for problem in problems.get(one.id, []):
        st.warning(escaped(problem), icon=":material/image_not_supported:")


def enter(draft: Draft, share: float) -> None:
    """The pictures: base classes, then new ones."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("1 · Your classes", anchor=False)
        st.space("stretch")
        if not st.session_state.setdefault("entering", True):
            if st.button("Change the pictures", icon=":material/edit:"):
                st.session_state["entering"] = True
                st.rerun()
        else:
            st.button(
                "Take the sample pictures", icon=":material/photo_library:", on_click=take_samples
            )
    if not st.session_state["entering"]:
        summary(draft)
        return
    class_cards(draft, draft.base, share)
    st.markdown("##### New classes")
    st.caption(
        "Never learned from. A classifier that forgets what CLIP knew gets worse at them; give "
        "names, and pictures to measure it."
    )
    class_cards(draft, draft.new, share)
    st.slider(
        "Kept back to measure base accuracy",
        0,
        60,
        step=1,
        key="share",
        format="%d%%",
        width=420,
        persist_state="session",
        help="Share of each class's pictures that is not learned from",
    )


def summary(draft: Draft) -> None:
    """The classes in few lines, so that the race is in sight."""
    for title, part in (("Base", draft.base_classes()), ("New", draft.new_classes())):
        if part:
            gallery.groups(
                title,
                [
                    (one.name, [(each.data, each.name) for each in one.pictures[:5]])
                    for one in part[:12]
                ],
            )


def choose_initialisation() -> str:
    """A finished meta-training run to start from; empty for none."""
    finished = [
        run
        for run in ui.runs_of_kind(workspace, "meta-train")
        if run.status()["state"] == "finished"
    ]
    labels = {run.id: races.initialisation_label(run) for run in finished}
    wanted = st.session_state.pop("initialisation", None)
    options = [*labels, ""]
    st.session_state.setdefault("start_from", options[0])
    if wanted in labels or st.session_state["start_from"] not in options:
        st.session_state["start_from"] = wanted if wanted in labels else options[0]
    return st.selectbox(
        "Initialisation for GRAM",
        options,
        key="start_from",
        format_func=lambda id: labels[id] if id else "None: raw gradients alone",
        help="A finished meta-training run. Without one there is no regulator to race.",
    )


def tune(draft: Draft) -> None:
    """The settings of a race and its start."""
    st.subheader("2 · Tune", anchor=False)
    first, second, third, last = st.columns([3, 2, 1.4, 1.4], vertical_alignment="bottom")
    with first:
        initialisation = choose_initialisation()
    backbone = "bundled"
    if initialisation:
        method = Run.open(workspace, initialisation).config["method"]
        second.text_input("Method", METHOD_TITLES[method], disabled=True)
    else:
        method = second.selectbox(
            "Method",
            list(METHOD_NOTES),
            format_func=METHOD_TITLES.__getitem__,
        )
        with first:
            backbone = ui.choose_backbone("race-backbone")
    epochs = third.number_input("Epochs", 1, 1_000, 100)
    problems = draft.problems()
    if last.button(
        "Start the race",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        disabled=bool(problems),
        help=problems[0] if problems else None,
    ):
        with ui.plain_errors():
            share = st.session_state["share"] / 100
            run = start_race(
                workspace, draft, method, initialisation or None, epochs, share, backbone
            )
            st.session_state["race"] = run.id
            st.session_state["entering"] = False
            st.rerun()
    if problems and any(one.name or one.pictures for one in draft.base):
        st.info(escaped(" ".join(problems)), icon=":material/info:")
    if not initialisation:
        st.caption(
            "No meta-training run is chosen, so the method runs alone beside zero-shot. "
            "Meta-train once (a minute or two) to race GRAM against it."
        )


def main() -> None:
    """Pictures, race, trial."""
    draft = current_draft()
    share = st.session_state.setdefault("share", 33) / 100
    enter(draft, share)
    tune(draft)
    runs = ui.runs_of_kind(workspace, "few-shot")
    if not runs:
        return
    by_id = {run.id: run for run in runs}
    ui.preselect("race", list(by_id))
    st.subheader("3 · The race", anchor=False)
    chosen = st.selectbox(
        "Race",
        list(by_id),
        key="race",
        bind="query-params",
        label_visibility="collapsed",
        format_func=lambda id: races.race_label(by_id[id]),
    )
    run = by_id[chosen]
    ui.live(lambda: races.race_view(run), JOBS.snapshot(run).live, key="race-view", every=1.5)
    if run.status().get("made"):
        st.subheader("4 · Try it, take it away", anchor=False)
        races.trial(workspace, run)


main()
