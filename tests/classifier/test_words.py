from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gram_core.backbones import Backbone
from gram_core.classifier import PromptedClassifier
from gram_core.errors import GramError
from gram_core.prompts import build_method
from tests.classifier.conftest import NAMES, Make


def _at_start(backbone: Backbone, name: str) -> PromptedClassifier:
    method = build_method(name)
    return PromptedClassifier(backbone, method, method.initial(backbone), NAMES)


@pytest.mark.parametrize("name", ["coop", "cocoop", "ivlp", "language-deep"])
def test_a_context_that_did_not_move_is_the_words_it_starts_at(
    name: str, tiny_backbone: Backbone
) -> None:
    found = _at_start(tiny_backbone, name).nearest_words(top=3)
    first = [token for token in found if token.depth == 0]
    assert [token.words[0].word for token in first] == ["a", "photo", "of", "a"]
    for token in first:
        assert token.words[0].distance == pytest.approx(0, abs=1e-6)
        assert token.words[0].cosine == pytest.approx(1)
        assert token.class_name is None
        assert len(token.words) == 3


def test_near_is_near_by_the_plain_formula(make: Make) -> None:
    classifier = make("coop")
    backbone = classifier.backbone
    special = set(backbone.tokenizer.all_special_ids)
    ids = [id for id in range(backbone.tokenizer.vocab_size) if id not in special]
    for token in classifier.nearest_words(top=4):
        mine = classifier.params["text.context"][token.position]
        words = backbone.text.token_embedding[ids]
        distances = (words - mine).norm(dim=1)
        order = distances.argsort()[:4]
        assert [each.distance for each in token.words] == pytest.approx(
            distances[order].tolist(), abs=1e-5
        )
        cosines = torch.cosine_similarity(words[order], mine[None])
        assert [each.cosine for each in token.words] == pytest.approx(cosines.tolist(), abs=1e-5)


def test_every_depth_and_every_class_has_its_words(make: Make) -> None:
    deep = make("maple", depth=2).nearest_words(top=1)
    assert [(token.key, token.depth, token.position) for token in deep] == [
        ("text.context", 0, 0),
        ("text.context", 0, 1),
        ("text.context.1", 1, 0),
        ("text.context.1", 1, 1),
    ]
    own = make("coop", class_specific=True, tokens=2, words="").nearest_words(top=1)
    assert [(token.class_name, token.position) for token in own] == [
        (name, position) for name in NAMES for position in (0, 1)
    ]


def test_words_are_readable(make: Make, tiny_backbone: Backbone) -> None:
    classifier = make("coop", tokens=4, words="")
    tokenizer = tiny_backbone.tokenizer
    pieces = {"tre": "tre…", "photo</w>": "photo"}
    accent = tokenizer.encoder[tokenizer.byte_encoder[0xC3]]  # half of an accented letter
    ids = [*(tokenizer.encoder[piece] for piece in pieces), accent]
    rows = tiny_backbone.text.token_embedding[[*ids, tokenizer.eot_token_id]]
    moved = replace(classifier, params={"text.context": rows})
    found = [token.words[0].word for token in moved.nearest_words(top=1)]
    assert found[:3] == [*pieces.values(), "\\xc3…"]
    assert not any("_text" in word for word in found)  # the end of texts is no word
    token = classifier.nearest_words(top=10**6)[0]
    words = [each.word for each in token.words]
    assert all(word.strip() and word.isprintable() for word in words)
    assert len(set(words)) == len(words)


def test_all_words_are_at_most_the_vocabulary(make: Make, tiny_backbone: Backbone) -> None:
    token = make("coop").nearest_words(top=10**6)[0]
    assert len(token.words) == tiny_backbone.tokenizer.vocab_size - 2


def test_what_is_near_no_word_is_refused(make: Make) -> None:
    for name in ("vpt", "vpt-deep"):
        with pytest.raises(GramError, match="tokens of the image tower alone"):
            make(name).nearest_words()
    for name in ("zero-shot", "tip-adapter-f"):
        with pytest.raises(GramError, match="learns no tokens"):
            make(name).nearest_words()
    with pytest.raises(GramError, match="top is 0"):
        make("coop").nearest_words(top=0)
