"""Every page by itself, as on a server that was just started: first nothing there, then something.

`AppTest.switch_page` runs a page without app.py, like a visitor who opens its own address.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from gram_core.events import Event
from gram_core.jobs import JOBS, Work
from gram_core.runs import Run
from gram_core.workspace import Workspace
from tests.test_plots import small_hierarchy
from ui.work import words_of_test_sets

ROOT = Path(__file__).parents[1]
PAGES = ("start", "clusters", "meta_train", "few_shot", "runs")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setenv("GRAM_WORKSPACE", str(tmp_path))
    return Workspace(tmp_path)


@pytest.fixture
def clustered(workspace: Workspace) -> Workspace:
    """The workspace with a hierarchy of the first 160 pairs of the bundled corpus."""
    small_hierarchy(topics=8, size=20).store(workspace)
    return workspace


def opened(page: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180)
    return check(app.switch_page(f"pages/{page}.py").run())


def check(app: AppTest) -> AppTest:
    assert not app.exception, app.exception[0].stack_trace
    return app


def button(app: AppTest, label: str) -> Any:
    return next(one for one in app.button if one.label == label)


def click(app: AppTest, label: str) -> AppTest:
    return check(next(one for one in app.button if one.label == label).click().run())


def texts(app: AppTest) -> str:
    """All that is written on the page."""
    kinds = ("markdown", "caption", "info", "warning", "error", "html", "title", "subheader")
    return "\n".join(str(getattr(one, "value", "")) for kind in kinds for one in app.get(kind))


def finished_run(workspace: Workspace, kind: str, config: dict[str, Any]) -> Run:
    run = Run.create(workspace, kind, config)
    for step in range(4):
        accuracies = {"accuracy_seen_after": 0.5 + 0.1 * step, "zero_base": 0.5, "raw_base": 0.6}
        run.log({"step": step, "query_loss": 3.0 - step, "cosine_raw_start": 0.1} | accuracies)
    run.set_status("finished", step=3, total=3, message="Finished")
    return run


META: dict[str, Any] = {
    "hierarchy": "small", "method": "coop", "tokens": 4, "rule": "gram", "meta": {"steps": 3},
}  # fmt: skip
RACE: dict[str, Any] = {
    "method": "coop", "initialisation": None, "epochs": 3, "base": ["cat", "dog"], "new": [],
}  # fmt: skip


# ------------------------------------------------------------------------------- nothing there


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_by_its_own_address_in_an_empty_workspace(
    page: str, workspace: Workspace
) -> None:
    app = opened(page)
    links = {link.proto.page for link in app.sidebar.get("page_link")}
    assert len(links) == len(PAGES), "the navigation is there without app.py"


def test_the_app_opens_on_the_start_page(workspace: Workspace) -> None:
    app = check(AppTest.from_file(str(ROOT / "app.py"), default_timeout=180).run())
    assert "Try the bundled sample" in [one.label for one in app.button]


@pytest.mark.parametrize(
    ("page", "words", "way_on"),
    [
        ("clusters", "No clusters yet", "Cluster it"),
        ("meta_train", "No topics to make tasks of", "Make clusters first"),
        ("runs", "Nothing yet", "Go to the start"),
    ],
)
def test_an_empty_page_says_what_to_do(
    page: str, words: str, way_on: str, workspace: Workspace
) -> None:
    app = opened(page)
    assert words in texts(app)
    assert way_on in [one.label for one in app.button]


def test_addresses_that_name_nothing_do_no_harm(workspace: Workspace) -> None:
    for page, key in (("clusters", "hierarchy"), ("meta_train", "run"), ("few_shot", "race")):
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180)
        app.query_params[key] = "../../etc/passwd"
        check(app.switch_page(f"pages/{page}.py").run())


# --------------------------------------------------------------------------------------- start


def test_the_sample_is_clustered_by_a_job_that_the_sidebar_shows(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def work_in(space: Workspace) -> Work:
        def work(run: Run) -> Iterator[Event]:
            yield Event("progress", 3, 20, "looking at pictures")
            assert go_on.wait(60)
            small_hierarchy().store(space)
            yield Event("result")

        return work

    monkeypatch.setattr("ui.work.cluster_work", work_in)
    app = opened("start")
    assert "check_circle" not in texts(app)
    app = click(app, "Try the bundled sample")
    (run,) = workspace.list("runs")
    job = JOBS.get(run.id)
    assert job is not None
    while job.snapshot().step < 3:
        pass
    app = check(app.run())
    assert "**Clustering**" in [one.value for one in app.sidebar.markdown]
    assert any("looking at pictures · 3 / 20" in one.value for one in app.sidebar.caption)
    assert "Try the bundled sample" not in [one.label for one in app.button]
    assert "Being clustered" in texts(check(app.switch_page("pages/clusters.py").run()))
    check(app.switch_page("pages/start.py").run())
    go_on.set()
    assert job.wait(60)
    app = check(app.run())
    assert "**Clustering**" not in [one.value for one in app.sidebar.markdown]
    assert texts(app).count("check_circle") == 1
    assert "See the clusters" in [one.label for one in app.button]


@pytest.mark.parametrize("page", ["start", "clusters"])
def test_a_clustering_that_failed_says_why(page: str, workspace: Workspace) -> None:
    run = Run.create(workspace, "cluster", {"corpus": "bundled", "backbone": "bundled"})
    run.set_status("failed", message="the corpus is too small")
    assert "the corpus is too small" in texts(opened(page))


def test_the_checklist_ticks_itself(clustered: Workspace) -> None:
    finished_run(clustered, "meta-train", META)
    with clustered.create("classifiers", "mine", {}):
        pass
    assert texts(opened("start")).count("check_circle") == 3


# ---------------------------------------------------------------------------------- meta-train


def test_meta_training_starts_with_what_was_chosen_and_shows_its_curves(
    clustered: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work_in(_: Workspace) -> Work:
        def work(run: Run) -> Iterator[Event]:
            for step in range(5):
                yield Event("metric", step, 5, "Meta-training", {"query_loss": 3.0 - step})
            yield Event("result", 5, 5)

        return work

    monkeypatch.setattr("ui.work.meta_train_work", work_in)
    app = opened("meta_train")
    assert "No run yet" in texts(app)
    steps = next(one for one in app.number_input if one.label == "Meta steps")
    app = check(steps.set_value(5).run())
    app = click(app, "Start meta-training")
    (artefact,) = clustered.list("runs")
    run = Run(artefact.path)
    job = JOBS.get(run.id)
    assert job is not None
    assert job.wait(60)
    app = check(app.run())
    assert run.config["rule"] == "gram"
    assert run.config["meta"]["steps"] == 5
    assert "cat" in run.config["meta"]["task"]["exclude"], "the sample classes stay unseen"
    assert set(words_of_test_sets()) <= set(run.config["meta"]["task"]["exclude"])
    assert len(app.get("plotly_chart")) == 4
    assert "Tune a classifier from it" in [one.label for one in app.button]


def test_a_failed_run_says_why_and_can_be_resumed(
    clustered: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(clustered, "meta-train", META)
    run.set_status("failed", message="8 topics can be used, 12 are needed.")
    resumed: list[str] = []
    monkeypatch.setattr("ui.frame.resume", lambda _, run: resumed.append(run.id))
    app = opened("meta_train")
    assert "12 are needed" in texts(app)
    click(app, "Resume")
    assert resumed == [run.id]


def test_runs_of_a_dead_process_are_shown_as_interrupted(clustered: Workspace) -> None:
    run = Run.create(clustered, "meta-train", META)
    run.set_status("running", step=2, total=3)
    app = opened("meta_train")
    assert run.status()["state"] == "interrupted"
    assert "Resume" in [one.label for one in app.button]


# ------------------------------------------------------------------------------------ few-shot


def picture(colour: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(target, "PNG")
    return target.getvalue()


def test_what_cannot_be_read_is_named_and_nothing_entered_is_lost(workspace: Workspace) -> None:
    app = opened("few_shot")
    app = check(app.text_input[0].set_value("cat").run())
    files = [
        ("good.png", picture("red"), "image/png"),
        ("bad.png", b"no picture", "image/png"),
        ("cut.png", picture("blue")[:50], "image/png"),
    ]
    app = check(app.file_uploader[0].set_value(files).run())
    warnings = [one.value for one in app.warning]
    assert len(warnings) == 2
    assert "bad.png" in warnings[0]
    assert "cut.png" in warnings[1]
    assert app.text_input[0].value == "cat"
    assert [len(one.pictures) for one in app.session_state["draft"].base] == [1, 0]


@pytest.mark.parametrize(
    ("names", "with_pictures", "words"),
    [
        (("cat", ""), 1, "at least two"),
        (("cat", "dog"), 1, "“dog”"),
        (("cat", "Cat"), 2, "Two classes are called “cat”"),
        (("", "dog"), 2, "Give every class a name"),
    ],
    ids=["one class", "empty class", "two of one name", "no name"],
)
def test_a_race_that_cannot_start_says_why(
    names: tuple[str, str], with_pictures: int, words: str, workspace: Workspace
) -> None:
    app = opened("few_shot")
    for place, name in enumerate(names):
        app = check(app.text_input[place].set_value(name).run())
    for place in range(with_pictures):
        file = ("a.png", picture(("red", "blue")[place]), "image/png")
        app = check(app.file_uploader[place].set_value([file]).run())
    assert button(app, "Start the race").disabled
    assert words in texts(app)


def test_the_sample_pictures_make_a_race_ready_and_outlive_a_change_of_page(
    workspace: Workspace,
) -> None:
    app = click(opened("few_shot"), "Take the sample pictures")
    assert not button(app, "Start the race").disabled
    check(app.switch_page("pages/runs.py").run())
    app = check(app.switch_page("pages/few_shot.py").run())
    assert len(app.session_state["draft"].base_classes()) >= 2
    assert not button(app, "Start the race").disabled


def test_classes_can_be_added_and_removed(workspace: Workspace) -> None:
    app = click(opened("few_shot"), "Add a class")
    assert len(app.session_state["draft"].base) == 3
    remove = next(one for one in app.button if one.key and one.key.startswith("remove-"))
    app = check(remove.click().run())
    assert len(app.session_state["draft"].base) == 2


def test_only_runs_of_one_contender_have_a_score(workspace: Workspace) -> None:
    for kind in ("adapt", "evaluate"):  # an evaluation logs all its contenders, one after another
        run = Run.create(workspace, kind, {"data": "cats", "method": "coop", "rule": "raw"})
        run.log({"step": 1, "base": 0.5, "new": 0.25})
    table = opened("runs").dataframe[0].value.set_index("What")
    assert list(table.loc["Adaptation", ["Method", "Seen / base", "Unseen / new"]]) == [
        "CoOp",
        50.0,
        25.0,
    ]
    assert table.loc["Evaluation", ["Seen / base", "Unseen / new"]].isna().all()


def test_a_race_that_ran_is_shown_without_its_classifier(workspace: Workspace) -> None:
    finished_run(workspace, "few-shot", RACE)
    app = opened("few_shot")
    assert "Zero-shot" in texts(app)
    assert "60.0 %" in texts(app)


# ---------------------------------------------------------------------------------------- runs


def test_runs_of_all_kinds_and_sources_are_listed(clustered: Workspace) -> None:
    finished_run(clustered, "meta-train", META)
    finished_run(clustered, "few-shot", RACE)
    Run.create(clustered, "study", {"study": {}})
    with clustered.create("classifiers", "mine", {"metrics": {"base": 0.5}}):
        pass
    broken = Run.create(clustered, "demo", {})
    (broken.folder / "status.json").write_text("{")
    app = opened("runs")
    assert [tab.label for tab in app.tabs] == ["Runs (4)", "Classifiers (1)", "Hierarchies (1)"]
    table = app.dataframe[0].value
    states = {row["What"]: row["State"] for row in table.to_dict("records")}
    assert states == {
        "Few-shot race": ["finished"],
        "Meta-training": ["finished"],
        "Study": ["interrupted"],
        "Demo": ["damaged"],
    }
    assert table.set_index("What")["Seen / base"]["Meta-training"] == pytest.approx(80)
