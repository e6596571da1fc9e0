"""The methods by name: each is a few lines of composition."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gram_core.backbones.classes import Position
from gram_core.errors import GramError
from gram_core.prompts.cache import Cache
from gram_core.prompts.conditional import ConditionalContext
from gram_core.prompts.coupled import Coupling
from gram_core.prompts.method import Method
from gram_core.prompts.text import Context, FixedText
from gram_core.prompts.tokens import Depth
from gram_core.prompts.visual import PlainImages, VisualTokens

TEMPLATE = "a photo of a {}."
WORDS = "a photo of a"

Templates = str | Sequence[str]


def zero_shot(template: Templates = TEMPLATE) -> Method:
    """CLIP as it is (Radford et al., 2021): nothing is learned."""
    return Method("zero-shot", FixedText(template), PlainImages())


def tip_adapter(template: Templates = TEMPLATE, alpha: float = 1.0, beta: float = 5.5) -> Method:
    """Tip-Adapter (Zhang et al., 2022): the support images vote; nothing is learned."""
    cache = Cache(alpha, beta)
    return Method("tip-adapter", FixedText(template), PlainImages(), cache=cache)


def tip_adapter_f(template: Templates = TEMPLATE, alpha: float = 1.0, beta: float = 5.5) -> Method:
    """Tip-Adapter-F (Zhang et al., 2022): the features of the support images are tuned."""
    cache = Cache(alpha, beta, learned=True)
    return Method("tip-adapter-f", FixedText(template), PlainImages(), cache=cache)


def coop(
    tokens: int = 4,
    words: str = WORDS,
    position: Position = "end",
    class_specific: bool = False,
) -> Method:
    """CoOp (Zhou et al., 2022): learned context tokens beside the class name."""
    return Method("coop", Context(tokens, words, position, class_specific), PlainImages())


def cocoop(tokens: int = 4, words: str = WORDS) -> Method:
    """CoCoOp (Zhou et al., 2022): a context that a small network shifts for every image."""
    return Method("cocoop", ConditionalContext(Context(tokens, words)), PlainImages())


def language_deep(tokens: int = 4, words: str = WORDS, depth: Depth = None) -> Method:
    """Language-deep: context tokens of their own for every block of the text tower."""
    return Method("language-deep", Context(tokens, words, depth=depth), PlainImages())


def vpt(tokens: int = 4, template: Templates = TEMPLATE, depth: Depth = 1) -> Method:
    """VPT-shallow (Jia et al., 2022): learned tokens beside the image's patches."""
    return Method("vpt", FixedText(template), VisualTokens(tokens, depth))


def vpt_deep(tokens: int = 8, template: Templates = TEMPLATE, depth: Depth = None) -> Method:
    """VPT-deep (Jia et al., 2022): tokens of their own for every block of the image tower."""
    return Method("vpt-deep", FixedText(template), VisualTokens(tokens, depth))


def ivlp(
    tokens: int = 4,
    words: str = WORDS,
    visual_tokens: int | None = None,
    depth: Depth = 1,
    visual_depth: Depth = 1,
) -> Method:
    """Independent prompts in both towers; with regulated gradients this is UNIGRAM."""
    count = tokens if visual_tokens is None else visual_tokens
    return Method("ivlp", Context(tokens, words, depth=depth), VisualTokens(count, visual_depth))


def maple(tokens: int = 2, words: str = WORDS, depth: Depth = None) -> Method:
    """MaPLe (Khattak et al., 2023): deep prompts in both towers, the image's made of the text's."""
    context = Context(tokens, words)
    coupling = Coupling(context, depth)
    return Method("maple", context, VisualTokens(tokens), coupling=coupling)


METHODS: dict[str, Callable[..., Method]] = {
    "zero-shot": zero_shot,
    "tip-adapter": tip_adapter,
    "tip-adapter-f": tip_adapter_f,
    "coop": coop,
    "cocoop": cocoop,
    "language-deep": language_deep,
    "vpt": vpt,
    "vpt-deep": vpt_deep,
    "ivlp": ivlp,
    "maple": maple,
}


def build_method(name: str, **options: Any) -> Method:
    """The method of this name; `tokens` are those of each prompted tower.

    Raises GramError for an unknown method, an option that it does not have, or a value out of
    range.
    """
    builder = METHODS.get(name)
    if builder is None:
        raise GramError(f"There is no method {name!r}; choose one of {', '.join(METHODS)}.")
    signature = inspect.signature(builder)
    for option in options:
        if option not in signature.parameters:
            known = ", ".join(signature.parameters)
            raise GramError(f"The method {name} has no option {option!r}; it has {known}.")
    chosen = signature.bind(**options)
    chosen.apply_defaults()
    return replace(builder(**options), options=chosen.arguments)
