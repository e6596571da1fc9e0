"""The command line from end to end, on a corpus, a hierarchy and a backbone made by hand."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gram_core.backbones import Backbone
from gram_core.classifier import PromptedClassifier
from gram_core.cli import main
from gram_core.events import Event
from gram_core.hierarchy import Hierarchy, Topic
from gram_core.meta import Initialisation
from gram_core.runs import Run
from gram_core.work import meta_train_work
from gram_core.workspace import Workspace

WORDS = ("dog", "cat", "horse", "cow", "house", "tower", "castle", "bridge")
PAIRS = 24
SMALL = (
    "tasks=2 segment=2 horizon=4 batch=8 ways=2 unseen_ways=2 shots=4 queries=2 probe_every=2 "
    "probe_tasks=2 probe_steps=2 checkpoint_every=1"
).split()
Json = Callable[..., Any]


@pytest.fixture
def call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Json:
    """A function `(*words) -> value` that runs a command line in a workspace and reads its JSON."""

    def run(*words: object) -> Any:
        status = main([*map(str, words), "--json", "--workspace", str(tmp_path / "workspace")])
        said = capsys.readouterr()
        assert status == 0, said.err
        return json.loads(said.out)

    return run


def refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line with which a command line is refused."""
    status = main([*map(str, words), "--workspace", str(tmp_path / "workspace")])
    said = capsys.readouterr()
    assert status == 2
    assert said.out == ""
    line: str = said.err.strip().splitlines()[-1]
    assert line.startswith("error: ")
    return line


def write_pairs(folder: Path) -> Path:
    """A folder of pictures with captions, `PAIRS` for each word."""
    generator = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    with (folder / "captions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "caption"])
        for row, word in enumerate(WORDS):
            for number in range(PAIRS):
                name = f"images/{word}-{number}.png"
                picture = generator.integers(30 * row, 30 * row + 40, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(picture).save(folder / name)
                table.writerow([name, f"a {word}"])
    return folder


def write_classes(folder: Path, names: tuple[str, ...] = ("ant", "bee", "fly", "moth")) -> Path:
    generator = np.random.default_rng(1)
    for row, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for number in range(6):
            picture = generator.integers(60 * row, 60 * row + 60, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / name / f"{number}.png")
    return folder


def store_hierarchy(workspace: Workspace, backbone: Backbone, corpus: str) -> str:
    """A topic for each word, of three domains."""
    topics = []
    for row, word in enumerate(WORDS):
        ids = np.arange(row * PAIRS, (row + 1) * PAIRS, dtype=np.int64)
        topics.append(Topic(row, word, ((word, 1.0),), ids, tuple(np.split(ids, 3))))
    count = len(WORDS) * PAIRS
    hierarchy = Hierarchy(
        id="by-hand",
        corpus=corpus,
        backbone_name=backbone.name,
        fingerprint=backbone.fingerprint,
        config={},
        topics=tuple(topics),
        similarity=np.ones(count, dtype=np.float32),
        kept=np.ones(count, dtype=bool),
        position=np.zeros((count, 2), dtype=np.float32),
        centroids=np.eye(len(WORDS), dtype=np.float32),
    )
    hierarchy.store(workspace)
    return hierarchy.id


def test_the_way_of_the_data(
    tmp_path: Path, call: Json, tiny_backbone: Backbone, capsys: pytest.CaptureFixture[str]
) -> None:
    corpus = call("ingest", write_pairs(tmp_path / "pairs"), "--corpus", "farm")
    assert (corpus["corpus"], corpus["pairs"]) == ("farm", len(WORDS) * PAIRS)
    workspace = Workspace(tmp_path / "workspace")
    store_hierarchy(workspace, tiny_backbone, "farm")

    trained = call("meta-train", "farm", "--method", "coop", "--steps", 2, "--set", *SMALL)
    assert trained["metrics"]["step"] == 2
    (listed, *_) = call("runs")
    assert (listed["id"], listed["state"]) == (trained["run"], "finished")
    shown = call("runs", "show", trained["run"])
    assert shown["config"]["meta"]["steps"] == 2
    assert shown["config"]["hierarchy"] == "by-hand"

    classes = write_classes(tmp_path / "insects")
    made = call("adapt", classes, "--init", trained["run"], "--shots", 3, "--set", "epochs=2")
    assert made["classes"] == ["ant", "bee", "fly", "moth"]
    assert made["tested_on"] == 12
    adapted = Run.open(workspace, made["run"])
    assert (adapted.config["method"], adapted.config["rule"]) == ("coop", "gram")
    assert made["accuracy"] == adapted.metrics()[-1]["accuracy"]
    assert [row["step"] for row in adapted.metrics()] == [0, 1, 2]
    (found,) = call("classifiers")
    assert found["about"]["rule"] == "gram"
    taken = ["adapt", classes, "--name", made["classifier"]]
    assert "already a classifier" in refusal(tmp_path, capsys, *taken)
    image = classes / "bee" / "0.png"
    (predicted,) = call("predict", made["classifier"], image, "--top", 4)
    assert predicted["image"] == str(image)
    assert sum(each["probability"] for each in predicted["classes"]) == pytest.approx(1)

    again = call("meta-train", "farm", "--seed", 1, "--steps", 2, "--set", *SMALL)
    report = call(
        "evaluate", "base-to-new", "--data", classes, "--methods", "zero-shot", "coop",
        "--init", trained["run"], again["run"], "--seeds", 2, "--shots", 3, "--set", "epochs=2",
    )  # fmt: skip
    assert [row["contender"] for row in report["table"]] == ["zero-shot", "coop", "coop + GRAM"]
    assert {row["over"] for row in report["differences"]} == {"zero-shot", "coop"}
    gram = report["outcomes"][-1]["epochs"]["2"]["base"]
    assert np.shape(gram) == (2, 2)  # two meta-seeds, two draws
    assert report["table"][0]["other_base"] is None  # a folder has one domain
    folder = Path(report["path"])
    assert (folder / "evaluation.md").read_text().startswith("# Base-to-new")
    assert (folder / "figures" / "scores-insects.html").is_file()

    target = tmp_path / "taken-away.zip"
    call("classifiers", "export", made["classifier"], "--to", target)
    assert any(name.endswith("classifier.json") for name in zipfile.ZipFile(target).namelist())
    call("classifiers", "delete", made["classifier"])
    assert call("classifiers") == []


def test_adaptation_to_base_classes_is_measured_on_new_ones_and_on_other_domains(
    call: Json, tmp_path: Path
) -> None:
    made = call(
        "adapt", "media-validation", "--classes", "base", "--source", "small", "--shots", 4,
        "--set", "epochs=2", "--name", "mine",
    )  # fmt: skip
    rows = Run.open(Workspace(tmp_path / "workspace"), made["run"]).metrics()
    assert len(rows) == 3
    for row in rows:
        assert all(0 <= row[name] <= 1 for name in ("base", "new", "other_base", "other_new"))
    assert (made["classifier"], made["base"], made["new"]) == (
        "mine",
        rows[-1]["base"],
        rows[-1]["new"],
    )


@pytest.mark.slow
def test_real_photographs_make_a_classifier_that_is_tested_on_others(
    real_data: Path, call: Json
) -> None:
    made = call("adapt", real_data / "cifar10", "--shots", 16, "--set", "epochs=30")
    assert made["tested_on"] == 1000  # the folder "test"
    assert len(made["classes"]) == 10
    assert made["accuracy"] > 0.15  # chance is 0.1, and the backbone has never seen a photograph


def test_runs_that_differ_in_more_than_their_seed_are_rows_of_their_own(
    tmp_path: Path, call: Json, tiny_backbone: Backbone
) -> None:
    call("ingest", write_pairs(tmp_path / "pairs"), "--corpus", "farm")
    store_hierarchy(Workspace(tmp_path / "workspace"), tiny_backbone, "farm")
    runs = [
        call("meta-train", "farm", "--preset", preset, "--steps", 2, "--set", *SMALL)["run"]
        for preset in ("trajectory", "paper")
    ]
    classes = write_classes(tmp_path / "animals", ("ant", "bee", "cows", "dog"))
    report = call(
        "evaluate", "base-to-new", "--data", classes, "--methods", "zero-shot", "--init", *runs,
        "--seeds", 1, "--shots", 3, "--set", "epochs=1",
    )  # fmt: skip
    assert [row["contender"] for row in report["table"]] == [
        "zero-shot",
        f"coop + GRAM (trajectory, {runs[0][-4:]})",
        f"coop + GRAM (paper, {runs[1][-4:]})",
    ]
    text = (Path(report["path"]) / "evaluation.md").read_text(encoding="utf-8")
    for run in runs:
        assert f"{run} was meta-trained on tasks with dog, cow" in text


def test_words_to_exclude_join_those_of_the_sets(
    tmp_path: Path, call: Json, tiny_backbone: Backbone
) -> None:
    call("ingest", write_pairs(tmp_path / "pairs"), "--corpus", "farm")
    store_hierarchy(Workspace(tmp_path / "workspace"), tiny_backbone, "farm")
    classes = write_classes(tmp_path / "animals", ("cows", "dog"))
    run = call(
        "meta-train", "farm", "--exclude-data", classes, "--steps", 2,
        "--set", *SMALL, 'exclude=["tower"]',
    )["run"]  # fmt: skip
    words = Initialisation.load(Workspace(tmp_path / "workspace").path("runs", run)).about["words"]
    assert sorted(words) == ["bridge", "castle", "cat", "horse", "house"]


def test_a_run_of_other_tokens_keeps_them(
    tmp_path: Path, call: Json, tiny_backbone: Backbone
) -> None:
    call("ingest", write_pairs(tmp_path / "pairs"), "--corpus", "farm")
    store_hierarchy(Workspace(tmp_path / "workspace"), tiny_backbone, "farm")
    run = call("meta-train", "farm", "--tokens", 2, "--steps", 2, "--set", *SMALL)["run"]
    classes = write_classes(tmp_path / "insects")
    options = ["--method", "coop", "--rule", "gram", "--init", run, "--shots", 2]
    assert call("adapt", classes, *options, "--set", "epochs=1")["classifier"]


def test_methods_rules_and_recipes_have_their_options(
    tmp_path: Path, call: Json, tiny_backbone: Backbone, capsys: pytest.CaptureFixture[str]
) -> None:
    call("ingest", write_pairs(tmp_path / "pairs"), "--corpus", "farm")
    workspace = Workspace(tmp_path / "workspace")
    store_hierarchy(workspace, tiny_backbone, "farm")
    small = ["--steps", 2, "--set", *SMALL]
    trained = call(
        "meta-train", "farm", "--method", "ivlp", "--option", "visual_tokens=2", "depth=2",
        "--precision", "bfloat16", "--without", "domain-shift", *small,
    )["run"]  # fmt: skip
    config = Run.open(workspace, trained).config
    assert config["options"]["visual_tokens"] == 2
    assert config["precision"] == "bfloat16"
    assert config["meta"]["without"] == ["domain-shift"]
    assert config["meta"]["task"]["domain_shift"] is False
    pretrained = call("meta-train", "farm", "--without", "meta-learning", *small)["run"]
    assert Run.open(workspace, pretrained).config["rule"] == "raw"
    assert "topics=captions" in refusal(
        tmp_path, capsys, "meta-train", "farm", "--without", "clustering"
    )

    classes = write_classes(tmp_path / "insects")
    few = ["adapt", classes, "--shots", 3]
    # another method than the one that was meta-trained: its own start, the regulator of both towers
    made = call(
        *few, "--method", "maple", "--option", "depth=2", "--rule", "prograd+gram+clip",
        "--rule-option", "weight=0.8", "norm=0.5", "--init", trained, "--views", 2,
        "--set", "epochs=1",
    )  # fmt: skip
    run = Run.open(workspace, made["run"])
    assert run.config["rule_options"] == {"weight": 0.8, "norm": 0.5}
    about = call("classifiers", "show", made["classifier"])["about"]
    assert about["rule"] == "prograd+gram+clip"
    assert about["rule_options"]["norm"] == 0.5

    still = call(*few, "--init", trained, "--set", "epochs=0", "--name", "still")
    kept = PromptedClassifier.load(Path(still["path"]), tiny_backbone).params
    for key, value in Initialisation.load(workspace.path("runs", trained)).theta.items():
        assert torch.equal(kept[key], value)

    short = call(*few, "--published", "--set", "epochs=1")["run"]
    assert Run.open(workspace, short).config["adapt"]["schedule"] == "warmup-cosine"
    whole = call("adapt", classes, "--shots", 1, "--published", "--classes", "base")["run"]
    assert Run.open(workspace, whole).config["adapt"]["epochs"] == 50  # as published for one shot
    published = call(*few, "--method", "cocoop", "--published", "--set", "epochs=2")
    adapt = Run.open(workspace, published["run"]).config["adapt"]
    assert (adapt["rate"], adapt["batch"], adapt["schedule"]) == (0.002, 1, "warmup-cosine")
    assert (adapt["momentum"], adapt["weight_decay"], adapt["epochs"]) == (0.9, 5e-4, 2)

    voted = call(*few, "--method", "tip-adapter", "--views", 2)
    assert Run.open(workspace, voted["run"]).metrics()[-1]["accuracy"] == voted["accuracy"]
    own = ["--method", "coop", "--option", "class_specific=true", "--set", "epochs=1"]
    assert call(*few, *own)["classifier"]
    assert "new classes" in refusal(tmp_path, capsys, *few, *own, "--classes", "base")
    assert "needs a meta-trained" in refusal(tmp_path, capsys, *few, "--rule", "clip+gram")
    assert "no option 'size'" in refusal(tmp_path, capsys, *few, "--option", "size=3")

    report = call(
        "evaluate", "base-to-new", "--data", classes, "--methods", "tip-adapter-f", "coop+prograd",
        "--published", "--seeds", 1, "--shots", 2, "--set", "epochs=1",
    )  # fmt: skip
    assert [row["contender"] for row in report["table"]] == ["tip-adapter-f", "coop+prograd"]
    report = call(
        "evaluate", "base-to-new", "--data", classes, "--methods", "coop", "maple", "--published",
        "--seeds", 1, "--shots", 1, "--evaluate-at", 0,
    )  # fmt: skip
    last = [max(map(int, outcome["epochs"])) for outcome in report["outcomes"]]
    assert last == [50, 5]


def test_a_stopped_run_is_resumed_to_the_same_numbers(
    tmp_path: Path, call: Json, tiny_backbone: Backbone, capsys: pytest.CaptureFixture[str]
) -> None:
    call("ingest", write_pairs(tmp_path / "pairs"), "--corpus", "farm")
    workspace = Workspace(tmp_path / "workspace")
    store_hierarchy(workspace, tiny_backbone, "farm")
    whole = call("meta-train", "farm", "--steps", 3, "--set", *SMALL)
    stopped = Run.create(workspace, "meta-train", Run.open(workspace, whole["run"]).config)
    for event in meta_train_work(workspace)(stopped):
        if event.values:
            stopped.log({"step": event.step, **event.values})
        if isinstance(event, Event) and event.kind == "checkpoint":
            break

    resumed = call("meta-train", "--resume", stopped.id)

    assert resumed["metrics"] == pytest.approx(whole["metrics"])
    steps = [row["step"] for row in stopped.metrics()]
    assert steps == sorted(set(steps))
    assert "finished" in refusal(tmp_path, capsys, "meta-train", "--resume", stopped.id)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cluster", "nowhere"], "nowhere"),
        (["cluster", "bundled", "--set", "speed=3"], "no setting 'speed'"),
        (["cluster", "bundled", "--set", "seed"], "KEY=VALUE"),
        (["meta-train"], "Name a corpus"),
        (["meta-train", "farm"], "not clustered yet"),
        (["adapt", "no-such-folder"], "neither a bundled set"),
        (["adapt", "no-such-folder", "--rule", "gram"], "--init"),
        (["adapt", "no-such-folder", "--set", "epochs=many"], "epochs is 'many'; give a whole"),
        (["adapt", "no-such-folder", "--name", "No Name"], "'No Name' cannot be used"),
        (["meta-train", "--hierarchy", "by-hand"], "no hierarchy 'by-hand'"),
        (["predict", "no/such/folder", "a.png"], "no/such/folder"),
        (["corpora", "export", "no-such-corpus"], "no corpus"),
        (["evaluate", "study", "--set", 'meta={"ways": "x"}'], "ways is 'x'; give a whole"),
        (["evaluate", "study", "--set", 'meta={"exclude": "dog"}'], "exclude is 'dog'"),
        (["predict", "no-such-classifier", "a.png"], "no classifier 'no-such-classifier'"),
        (["runs", "show", "no-such-run"], "no run 'no-such-run'"),
        (["corpora", "delete", "../../etc"], "../../etc"),
        (["evaluate", "study", "--set", "draws=0"], "draws is 0"),
        (["evaluate", "base-to-new", "--data", "x", "--seeds", "0"], "--seeds"),
    ],
)
def test_what_a_user_can_put_right_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert message in refusal(tmp_path, capsys, *words)


def test_actions_on_one_thing_need_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["runs", "show"], ["corpora", "list", "farm"]):
        with pytest.raises(SystemExit, match="2"):
            main(words)
    assert "takes an id" in capsys.readouterr().err


def test_help_is_there_before_anything_heavy_is_imported() -> None:
    code = "import sys, gram_core.cli as c; c.build_parser(); print(sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    for name in ("torch", "pandas", "plotly", "umap", "sklearn", "streamlit"):
        assert f"'{name}'" not in loaded


def test_the_module_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gram_core", "demo", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "--quick" in done.stdout
