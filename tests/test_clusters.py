"""The clusters page, and what stands behind it without a screen."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from streamlit.testing.v1 import AppTest

from gram_core.backbones import open_backbone
from gram_core.corpus import open_corpus
from gram_core.events import Event
from gram_core.hierarchy import Hierarchy
from gram_core.hierarchy.export import pairs_csv
from gram_core.runs import Run
from gram_core.workspace import Workspace
from tests.test_pages import ROOT, check, click, opened, picture, texts
from tests.test_plots import WORDS, small_hierarchy
from ui import exports, topics


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with a hierarchy of the first 160 pairs of the bundled corpus."""
    monkeypatch.setenv("GRAM_WORKSPACE", str(tmp_path))
    workspace = Workspace(tmp_path)
    backbone = open_backbone("bundled")
    hierarchy = small_hierarchy(topics=8, size=20)
    replace(hierarchy, fingerprint=backbone.fingerprint).store(workspace)
    return workspace


def opened_at(**address: str) -> AppTest:
    """The page with these words in its address."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=180)
    for name, value in address.items():
        app.query_params[name] = value
    return check(app.switch_page("pages/clusters.py").run())


def newest(space: Workspace) -> Hierarchy:
    return Hierarchy.open(space, space.list("hierarchies")[0].id)


# ------------------------------------------------------------------------------------ the page


def test_the_first_view_is_the_tree_beside_the_map(space: Workspace) -> None:
    app = opened("clusters")
    written = texts(app)
    assert "160 pairs, 100% kept · 8 topics, 8 for tasks · 16 visual domains" in written
    assert "Showing 160 of 160 pairs" in written
    assert len(app.get("plotly_chart")) == 1
    assert "Domain 1" not in written


def test_a_topic_has_an_address_and_a_way_back(space: Workspace) -> None:
    app = opened_at(topic="3")
    assert [one.value for one in app.header] == ["drum"]
    assert "Domain 2" in texts(app)
    assert "olddrum" in texts(app)
    app = click(app, "Back to all topics")
    assert "topic" not in app.query_params
    assert "Showing 160 of 160 pairs" in texts(app)


@pytest.mark.parametrize("wrong", ["8", "-1", "drum", "²"])
def test_an_address_of_no_topic_shows_all(wrong: str, space: Workspace) -> None:
    assert "Showing 160 of 160 pairs" in texts(opened_at(topic=wrong))


def test_a_topic_is_found_by_its_words(space: Workspace) -> None:
    app = opened("clusters")
    finder = next(one for one in app.selectbox if one.key == "find-topic")
    assert finder.options[3] == "drum: drum, olddrum (20)"
    app = check(finder.set_value(3).run())
    assert "3" in app.query_params["topic"]
    assert [one.value for one in app.header] == ["drum"]


def test_pairs_are_found_by_words_and_lead_to_their_topics(space: Workspace) -> None:
    corpus = open_corpus(space, "bundled", 160)
    word = max(corpus.captions[45].split(), key=len)
    app = opened_at(**{"view": "Search", "search-words": word})
    hits = [row for row, caption in enumerate(corpus.captions) if f" {word}" in f" {caption}"]
    assert f"**{len(hits)} pair" in texts(app)
    leading = next(one for one in app.button if one.label.startswith("castle ("))
    app = check(leading.click().run())
    assert [one.value for one in app.header] == ["castle"]
    assert "No caption has these words" in texts(
        opened_at(**{"view": "Search", "search-words": "zzz"})
    )


def test_a_picture_is_looked_for_only_where_there_are_features(space: Workspace) -> None:
    app = opened_at(view="Search")
    app.session_state["search-way"] = "picture"
    app = check(app.run())
    app = check(app.file_uploader[0].set_value([("a.png", picture("red"), "image/png")]).run())
    assert "no features" in app.error[0].value
    corpus = open_corpus(space, "bundled", 160)
    from gram_core.backbones import open_backbone

    corpus.features(open_backbone("bundled"))
    app = check(app.run())
    assert not app.error
    assert "**160 pairs**" in texts(app)


def test_an_edit_makes_a_new_hierarchy_and_can_be_undone(space: Workspace) -> None:
    app = opened_at(topic="3")
    name = next(one for one in app.text_input if one.label == "Name")
    app = click(check(name.set_value("kettledrum").run()), "Rename it")
    assert [one.value for one in app.header] == ["kettledrum"]
    made = newest(space)
    assert made.parent == "small"
    assert made.topics[3].word == "kettledrum"
    assert Hierarchy.open(space, "small").topics[3].word == "drum", "the old one is as it was"
    assert app.selectbox(key="hierarchy").value == made.id
    app = click(app, "Undo")
    assert [one.value for one in app.header] == ["drum"]
    restored = newest(space)
    assert app.selectbox(key="hierarchy").value == restored.id, "the newest is the one in use"
    assert (restored.parent, restored.edit["of"]) == ("", made.id)
    app = check(app.button(key=f"version-{made.id}").click().run())
    assert app.selectbox(key="hierarchy").value == made.id, "an undone edit can be gone back to"
    assert len(space.list("hierarchies")) == 3


def test_a_topic_that_is_dropped_is_gone_from_the_new_hierarchy(space: Workspace) -> None:
    app = click(opened_at(topic="3"), "Drop it")
    assert "topic" not in app.query_params
    assert {topic.word for topic in newest(space).topics} == {*WORDS} - {"drum"}


def test_merged_topics_are_shown_as_one(space: Workspace) -> None:
    app = opened_at(topic="3")
    other = next(one for one in app.selectbox if one.label == "Together with")
    app = click(check(other.set_value(5).run()), "Merge them")
    assert len(newest(space).topics) == 7
    assert "40 pairs" in texts(app)


def test_a_split_is_shown_before_it_is_made(space: Workspace) -> None:
    app = click(opened_at(topic="3"), "Show the parts")
    assert "in 2 parts" in texts(app)
    assert len(space.list("hierarchies")) == 1
    app = click(app, "Split it")
    assert len(newest(space).topics) == 9
    assert "in 2 parts" not in texts(app)


def test_a_name_that_is_taken_is_refused_in_one_sentence(space: Workspace) -> None:
    app = opened_at(topic="3")
    name = next(one for one in app.text_input if one.label == "Name")
    app = click(check(name.set_value("boat").run()), "Rename it")
    assert "boat" in app.error[0].value
    assert len(space.list("hierarchies")) == 1


def test_options_reach_the_clustering(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.work.cluster_work", lambda space: lambda run: iter([Event("result")]))
    app = opened("clusters")
    app.selectbox(key="cluster-backbone").set_value("ViT-B-16/openai")
    app.number_input(key="option-min_topic_size").set_value(25)
    click(check(app.run()), "Cluster it")
    (run,) = space.list("runs")
    config = Run(run.path).config
    assert config["backbone"] == "ViT-B-16/openai"
    assert config["config"]["min_topic_size"] == 25
    assert config["config"]["max_domains"] == 10


def test_a_task_too_large_for_the_hierarchy_is_refused_in_one_sentence(space: Workspace) -> None:
    app = opened_at(view="Tasks")
    app = check(app.number_input(key="task-ways").set_value(7).run())
    assert len(app.error) == 1
    assert "topics of this hierarchy can be used" in app.error[0].value


def test_a_task_has_support_and_query(space: Workspace) -> None:
    app = opened_at(view="Tasks")
    first = texts(app).split('class="gram-task"')[1]
    assert "never shown" in first
    assert first.count("<img") == 5 * 16 + 3 * 8
    again = texts(click(app, "Show me a task")).split('class="gram-task"')[1]
    assert again != first


def test_quality_says_what_was_measured_and_what_was_not(space: Workspace) -> None:
    small = small_hierarchy(topics=8, size=20)
    replace(small, id="judged", quality={"outliers": 0.25}).store(space)
    written = texts(opened_at(view="Quality", hierarchy="judged"))
    assert "**outliers** (0 to 1)" in written
    assert "**coherence**" not in written
    assert "not measured" in written


def test_a_damaged_hierarchy_is_named_and_the_page_goes_on(space: Workspace) -> None:
    (artefact,) = space.list("hierarchies")
    (artefact.path / "members.parquet").write_bytes(b"PAR1")
    assert "cluster the corpus again" in opened("clusters").error[0].value


# ------------------------------------------------------------------------------- plain values


def test_the_page_follows_the_pairs_of_a_topic() -> None:
    before = small_hierarchy()
    moved = [replace(topic, id=5 - topic.id) for topic in before.topics]
    after = replace(before, topics=tuple(sorted(moved, key=lambda topic: topic.id)))
    assert topics.follow(before, after, [1]) == 4
    assert topics.follow(before, replace(before, topics=()), [1]) is None


def test_the_nearest_topics_have_the_most_similar_captions() -> None:
    angle = np.deg2rad([0, 50, 10, 120, 30, 180])
    centroids = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    near = topics.nearest_topics(replace(small_hierarchy(), centroids=centroids), 0, count=3)
    assert [topic.id for topic, _ in near] == [2, 4, 1]
    assert near[0][1] == pytest.approx(np.cos(np.deg2rad(10)))


def test_topics_of_some_pairs_are_counted() -> None:
    found = topics.commonest_topics(small_hierarchy(), np.array([0, 20, 21, 22, 50]))
    assert [(topic.id, number) for topic, number in found] == [(2, 3), (0, 1), (5, 1)]


def test_a_selection_as_csv_has_its_pairs_in_order(tmp_path: Path) -> None:
    corpus = open_corpus(Workspace(tmp_path), "bundled", 60)
    hierarchy = replace(small_hierarchy(), topics=small_hierarchy().topics[:5])
    data = pairs_csv(hierarchy, corpus, np.array([17, 3, 59])).decode()
    rows = list(csv.DictReader(io.StringIO(data)))
    assert [(row["pair"], row["topic"], row["domain"]) for row in rows] == [
        ("17", "boat", "2"), ("3", "anchor", "1"), ("59", "", ""),
    ]  # fmt: skip
    assert rows[0]["caption"] == corpus.captions[17]


@pytest.mark.parametrize("kind", ["parquet", "csv", "folders", "atlas"])
def test_every_export_makes_its_file(space: Workspace, tmp_path: Path, kind: str) -> None:
    hierarchy = newest(space)
    path = tmp_path / f"made{exports.FORMS[kind].ending}"
    exports.write(kind, hierarchy, hierarchy.open_corpus(space), path)
    if kind == "folders":
        with zipfile.ZipFile(path) as made:
            assert sum(name.endswith((".webp", ".png", ".jpg")) for name in made.namelist()) == 160
            assert "captions.jsonl" in made.namelist()
    elif kind == "csv":
        assert len(list(csv.DictReader(path.open(encoding="utf-8")))) == 160
    else:
        assert pq.read_metadata(path).num_rows == 160
