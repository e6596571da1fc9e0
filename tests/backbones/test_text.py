from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gram_core.backbones import Backbone, ClassTable, open_backbone
from gram_core.backbones.classes import group_sizes, in_groups
from gram_core.errors import GramError

CheckDerivatives = Callable[[Callable[[Tensor], Tensor], Tensor], None]
NAMES = ("cat", "fire truck", "red_panda", "an old wooden sailing ship")
WORDS = "a photo of a"


def plain_encode(backbone: Backbone, context: Tensor, names: tuple[str, ...]) -> Tensor:
    """One context `(M, d)`: whole padded prompts through open_clip's own modules, `(K, e)`."""
    model = backbone.model
    count = context.shape[0]
    placeholder = " ".join(["x"] * count)
    ids = backbone.tokenizer([f"{placeholder} {name.replace('_', ' ')}." for name in names])
    rows = model.token_embedding(ids)
    rows = torch.cat([rows[:, :1], context.expand(len(names), -1, -1), rows[:, 1 + count :]], dim=1)
    rows = model.transformer(rows + model.positional_embedding, attn_mask=model.attn_mask)
    ends = ids.argmax(dim=-1)
    pooled = model.ln_final(rows)[torch.arange(len(names)), ends] @ model.text_projection
    return F.normalize(pooled, dim=-1)


def random_context(backbone: Backbone, batch: int, tokens: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, tokens, backbone.text_width)
    return 0.5 * torch.randn(shape, generator=generator, dtype=backbone.dtype)


@pytest.fixture(scope="module")
def exact(tiny_backbone: Backbone) -> Backbone:
    return tiny_backbone.double()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quick_gelu": True},
        {"custom_text": True},
        {"text": {"ls_init_value": 0.3, "act_kwargs": {"approximate": "tanh"}}},
        {"text": {"proj_type": "none", "width": 24}},
        {"text": {"proj_bias": True}},
    ],
    ids=["gelu", "quick_gelu", "custom_text", "layer_scale", "no_projection", "bias"],
)
def test_words_as_context_give_the_features_of_the_sentence(
    options: dict[str, object], write_backbone: Callable[..., Path], tmp_path: Path
) -> None:
    backbone = open_backbone(str(write_backbone(tmp_path / "model", **options)))
    assert_sentences_equal(backbone)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["ViT-B-16", "ViT-B-16-quickgelu"])
def test_words_as_context_give_the_features_of_the_sentence_at_full_size(model: str) -> None:
    assert_sentences_equal(open_backbone(f"{model}/random"))


def assert_sentences_equal(backbone: Backbone) -> None:
    context = backbone.text.word_embeddings(WORDS)
    table = backbone.text.class_table(NAMES, len(context))
    sentences = [f"{WORDS} {name.replace('_', ' ')}." for name in NAMES]
    with torch.no_grad():
        expected = backbone.model.encode_text(backbone.tokenizer(sentences), normalize=True)
    torch.testing.assert_close(
        backbone.text.encode(context[None], table)[0], expected, atol=1e-5, rtol=0
    )
    torch.testing.assert_close(backbone.encode_texts(sentences), expected, atol=1e-5, rtol=0)
    assert (expected[0] - expected[1]).norm() > 1e-3


@pytest.mark.parametrize("tokens", [1, 4, 16])
def test_shared_prefix_equals_whole_prompts(exact: Backbone, tokens: int) -> None:
    context = random_context(exact, 1, tokens).requires_grad_(True)
    table = exact.text.class_table(NAMES, tokens)
    shared = exact.text.encode(context, table)[0]
    plain = plain_encode(exact, context[0], NAMES)
    torch.testing.assert_close(shared, plain, atol=1e-12, rtol=0)

    weights = torch.randn(plain.shape, generator=torch.Generator().manual_seed(1)).double()
    (shared_gradient,) = torch.autograd.grad((shared * weights).sum(), context)
    (plain_gradient,) = torch.autograd.grad((plain * weights).sum(), context)
    torch.testing.assert_close(shared_gradient, plain_gradient, atol=1e-12, rtol=0)


def test_a_batch_of_contexts_equals_one_by_one(exact: Backbone) -> None:
    contexts = random_context(exact, 3, 4)
    table = exact.text.class_table(NAMES, 4)
    classes = torch.tensor([[0, 1], [3, 2], [1, 1]])
    together = exact.text.encode(contexts, table, classes)
    for row, chosen in enumerate(classes):
        alone = exact.text.encode(contexts[row : row + 1], table)[0, chosen]
        torch.testing.assert_close(together[row], alone, atol=1e-12, rtol=0)


def test_a_class_does_not_see_the_other_classes(exact: Backbone) -> None:
    context = random_context(exact, 1, 4)
    among = exact.text.encode(context, exact.text.class_table(NAMES, 4))[0, 0]
    alone = exact.text.encode(context, exact.text.class_table(NAMES[:1], 4))[0, 0]
    torch.testing.assert_close(among, alone, atol=1e-12, rtol=0)


def test_first_and_second_derivatives_equal_differences(
    exact: Backbone, check_derivatives: CheckDerivatives
) -> None:
    table = exact.text.class_table(NAMES, 2)
    target = F.normalize(
        torch.randn(24, generator=torch.Generator().manual_seed(3)).double(), dim=0
    )

    def loss(context: Tensor) -> Tensor:
        return F.cross_entropy(10 * exact.text.encode(context, table) @ target, torch.tensor([2]))

    check_derivatives(loss, random_context(exact, 1, 2))


def test_texts_of_every_length_keep_their_place(tiny_backbone: Backbone) -> None:
    texts = ["ship " * length for length in (40, 1, 7, 2, 19)] + ["", "a dog"]
    with torch.no_grad():
        expected = tiny_backbone.model.encode_text(tiny_backbone.tokenizer(texts), normalize=True)
    got = tiny_backbone.encode_texts(texts, batch=3)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    assert tiny_backbone.encode_texts([]).shape == (0, tiny_backbone.embed_dim)


def test_table_cuts_after_the_longest_class(tiny_backbone: Backbone) -> None:
    table = tiny_backbone.text.class_table(NAMES, 4)
    lengths = [len(tiny_backbone.text.tokens(f"{name}.")) for name in NAMES[:2]]
    assert table.end[:2].tolist() == lengths
    assert table.rows.shape == (4, int(table.end.max()) + 1, tiny_backbone.text_width)
    assert len(table) == 4


def test_classes_go_in_the_cheapest_groups_of_like_length() -> None:
    lengths = [3, 3, 3, 4, 9, 9]
    assert group_sizes(lengths, 0) == (3, 1, 2)
    assert group_sizes(lengths, 4) == (4, 2)
    assert group_sizes(lengths, 100) == (6,)
    assert group_sizes([5, 5], 0) == (2,)
    order, sizes = in_groups(torch.tensor([[2, 60, 2], [70, 3, 2]]))
    assert sizes == (2, 1)
    assert order.tolist() == [[0, 2, 1], [2, 1, 0]]


def test_no_class_is_filled_up_to_a_much_longer_one(exact: Backbone) -> None:
    names = ["cat"] * 40 + ["an old wooden sailing ship"] * 10 + ["dog"] * 40
    table = exact.text.class_table(names, 4)
    assert table.sizes == (80, 10)
    context = random_context(exact, 2, 4)
    together = exact.text.encode(context, table)
    mixed = torch.tensor([[45, 0, 89, 44], [1, 42, 41, 60]])
    some = exact.text.encode(context, table, mixed)
    for task, classes in enumerate(mixed):
        expected = [exact.text.encode(context, table, row.expand(2, 1))[task, 0] for row in classes]
        torch.testing.assert_close(some[task], torch.stack(expected), atol=1e-12, rtol=0)
        torch.testing.assert_close(together[task, classes], some[task], atol=1e-12, rtol=0)
    padded = table.rows.shape[1] * len(names)
    assert exact.text.memory(table, 90) < 0.7 * padded / table.prefix * exact.text.memory(table, 0)


@pytest.mark.parametrize(
    ("names", "tokens", "words"),
    [
        ([], 4, "at least one"),
        (["cat", " _ "], 4, "empty"),
        (["ship " * 40], 4, "room for 26"),
        (["cat"], 29, "use 0 to 28"),
        (["cat"], -1, "use 0 to 28"),
    ],
)
def test_classes_that_do_not_fit_are_refused(
    names: list[str], tokens: int, words: str, tiny_backbone: Backbone
) -> None:
    with pytest.raises(GramError, match=words):
        tiny_backbone.text.class_table(names, tokens)


@pytest.mark.parametrize("shape", [(4, 32), (1, 3, 32), (1, 4, 33)])
def test_a_context_of_another_shape_is_refused(
    shape: tuple[int, ...], tiny_backbone: Backbone
) -> None:
    table: ClassTable = tiny_backbone.text.class_table(NAMES, 4)
    with pytest.raises(GramError, match=r"needs \(B, 4, 32\)"):
        tiny_backbone.text.encode(torch.zeros(shape), table)
