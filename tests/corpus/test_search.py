"""Searches find what a plain look at every pair finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gram_core.backbones import Backbone
from gram_core.cli import main
from gram_core.corpus import Corpus, embed, ingest, search
from gram_core.corpus.search import find_like, find_words, inside, page
from gram_core.errors import GramError
from gram_core.events import finish
from gram_core.hierarchy import Hierarchy, Topic
from gram_core.workspace import Workspace

Capture = pytest.CaptureFixture[str]
CAPTIONS = (
    "A Dog's dinner in a café",
    "dogs on the beach,\nand no cat",
    "the cafeteria at the Straße",
    "白い犬と海",
    "белый Ёжик",
    "सफ़ेद कुत्ता",
)


class Said(Corpus):
    """Captions alone."""

    def __init__(self, captions: tuple[str, ...]) -> None:
        self.captions = list(captions)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("dog", [0, 1]),  # the whole word before one that only begins so
        ("dogs", [1]),
        ("dog's", [0]),
        ("the dog", [1]),  # all words, in any order
        ("CAFE", [0, 2]),
        ("café", [0, 2]),
        ("strasse", [2]),
        ("at", [2]),  # no ends of words: not "cat"
        ("犬", [3]),
        ("白い", [3]),
        ("い白", []),
        ("ежик", [4]),
        ("कुत्ता", [5]),
        ("कत", []),  # a vowel sign is no accent
        ("beach, !", [1]),
        ("…", []),
        ("", []),
    ],
)
def test_words_are_found_as_a_person_types_them(text: str, ids: list[int]) -> None:
    assert find_words(Said(CAPTIONS), text).ids.tolist() == ids


def test_whole_words_come_first_and_the_limit_leaves_the_best() -> None:
    corpus = Said(("dogs in redder light", "red dogs", "dog in red", "dog", "red dog"))
    found = find_words(corpus, "red dog")
    assert found.ids.tolist() == [2, 4, 1, 0]
    np.testing.assert_allclose(found.scores, [1, 1, 0.5, 0])
    assert find_words(corpus, "red dog", limit=3).ids.tolist() == [2, 4, 1]
    assert find_words(corpus, "red dog", among=np.array([0, 1, 3])).ids.tolist() == [1, 0]


@pytest.fixture
def corpus(squares: Path, workspace: Workspace) -> Corpus:
    made = finish(ingest(squares, workspace, "squares"))
    assert isinstance(made, Corpus)
    return made


def test_likeness_is_the_cosine_of_every_picture(
    corpus: Corpus, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "BLOCK", 4)  # six pairs are two blocks
    image = np.asarray(finish(embed(corpus, tiny_backbone)).features(tiny_backbone)[0], np.float32)
    picture = corpus.image(2)
    of_text = tiny_backbone.encode_texts(["a green square"])[0].numpy()
    of_picture = tiny_backbone.encode_images(tiny_backbone.pixels([picture]))[0].numpy()
    for query, feature in (("a green square", of_text), (picture, of_picture)):
        found = find_like(corpus, tiny_backbone, query, limit=4)
        expected = np.argsort(-(image @ feature))[:4]
        assert found.ids.tolist() == expected.tolist()
        np.testing.assert_allclose(found.scores, (image @ feature)[expected], atol=1e-5)
    assert find_like(corpus, tiny_backbone, picture).ids[0] == 2


def test_a_pair_finds_the_pairs_near_it_but_not_itself(
    corpus: Corpus, tiny_backbone: Backbone
) -> None:
    finish(embed(corpus, tiny_backbone))
    as_picture = find_like(corpus, tiny_backbone, corpus.image(3))
    near = find_like(corpus, tiny_backbone, 3)
    assert near.ids.tolist() == as_picture.ids[as_picture.ids != 3].tolist()
    some = np.array([5, 3, 1])
    expected = [row for row in near.ids.tolist() if row in some]
    assert find_like(corpus, tiny_backbone, 3, among=some).ids.tolist() == expected


def test_a_feature_that_is_not_a_number_is_not_found(
    corpus: Corpus, tiny_backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = np.eye(6, tiny_backbone.embed_dim, dtype=np.float32)
    features[1] = np.nan
    monkeypatch.setattr(corpus, "stored_features", lambda _: (features, features))
    assert sorted(find_like(corpus, tiny_backbone, 0).ids.tolist()) == [2, 3, 4, 5]


def test_a_search_starts_no_long_work_and_refuses_what_is_not_there(
    corpus: Corpus, tiny_backbone: Backbone
) -> None:
    with pytest.raises(GramError, match="embed or cluster"):
        find_like(corpus, tiny_backbone, "red")
    finish(embed(corpus, tiny_backbone))
    with pytest.raises(GramError, match="pairs 0 to 5, and no 6"):
        find_like(corpus, tiny_backbone, 6)


def test_a_box_on_the_map_holds_what_lies_in_it() -> None:
    position = np.array([[0, 0], [1, 1], [2, 0.5], [np.nan, np.nan], [1, -1]], dtype=np.float32)
    nothing = np.zeros(5, dtype=np.float32)
    hierarchy = Hierarchy(
        "h", "c", "b", "f", {}, (), nothing, nothing == 0, position, np.zeros((0, 2), np.float32)
    )
    assert inside(hierarchy, (0, 2), (0, 1)).tolist() == [0, 1, 2]
    assert inside(hierarchy, (2, 0.5), (1, 0)).tolist() == [1, 2]
    assert inside(hierarchy, (-9, 9), (-9, 9)).tolist() == [0, 1, 2, 4]


def test_pages_are_all_of_a_list_once() -> None:
    ids = np.arange(10, dtype=np.int64)
    pages = [page(ids, number, 4).tolist() for number in (1, 2, 3, 4)]
    assert pages == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], []]


def test_the_command_line_searches_by_words_and_by_likeness(
    corpus: Corpus, workspace: Workspace, tiny_backbone_dir: Path, tmp_path: Path, capsys: Capture
) -> None:
    def call(*words: object) -> dict[str, Any]:
        where = ["--workspace", workspace.root, "--backbone", tiny_backbone_dir, "--json"]
        assert main([*map(str, (*words, *where))]) == 0
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    assert call("search", "squares", "YELLOW")["hits"] == [
        {"pair": 3, "score": 1.0, "topic": None, "caption": "a yellow square"}
    ]
    sheet, picture = tmp_path / "sheet.png", tmp_path / "picture.png"
    corpus.image(1).save(picture)
    hits = call("search", "squares", "--picture", picture, "--limit", 2, "--sheet", sheet)["hits"]
    assert hits[0]["pair"] == 1
    assert hits[0]["score"] == pytest.approx(1, abs=1e-3)
    assert len(hits) == 2
    with Image.open(sheet) as drawn:
        drawn.load()
        assert drawn.width > drawn.height > 0
    assert 1 not in [hit["pair"] for hit in call("search", "squares", "--pair", 1)["hits"]]
    assert len(call("search", "squares", "red", "thing", "--by", "likeness")["hits"]) == 6
    near = call("duplicates", "squares", "--threshold", "-0.99")
    assert near["flagged"] == 5  # every picture but the first has an earlier one
    assert all(row["twin"] < row["pair"] for row in near["duplicates"])


def test_the_command_line_names_topics(
    corpus: Corpus, workspace: Workspace, capsys: Capture
) -> None:
    members = np.array([0, 2, 4])
    topic = Topic(0, "warm", (("warm", 1.0), ("red", 0.5)), members, (members,))
    nothing = np.zeros(6, dtype=np.float32)
    place, centres = np.zeros((6, 2), np.float32), np.zeros((1, 2), np.float32)
    for id, name in (("ours", "squares"), ("theirs", "others")):
        hierarchy = Hierarchy(
            id, name, "b", "f", {}, (topic,), nothing, nothing == 0, place, centres
        )
        hierarchy.store(workspace)
    where = ["--workspace", str(workspace.root), "--json"]
    assert main(["search", "squares", "red", *where]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["hierarchy"] == "ours"
    assert answer["topics"] == [{"id": 0, "word": "warm", "pairs": 3}]
    assert [hit["topic"] for hit in answer["hits"]] == ["warm"]
    assert main(["search", "squares", "red", "--topics", "theirs", *where]) == 2
    assert "is of the corpus 'others'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "Name what to search for"),
        (["red", "--pair", "1"], "Name what to search for"),
        (["red", "--limit", "0"], "limit is at least 1"),
        (["red", "--sheet", "hits.gif"], "not 'hits.gif'"),
        (["--picture", "none.png"], "none.png"),
    ],
)
def test_the_command_line_refuses(
    words: list[str], reason: str, corpus: Corpus, workspace: Workspace, capsys: Capture
) -> None:
    assert main(["search", "squares", *words, "--workspace", str(workspace.root)]) == 2
    assert reason in capsys.readouterr().err
