"""The methods by name: each is a few lines of composition."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gram_core.errors import GramError
from gram_core.prompts.method import Method
from gram_core.prompts.text import Context, FixedText
from gram_core.prompts.visual import PlainImages, VisualTokens

TEMPLATE = "a photo of a {}."
WORDS = "a photo of a"


def zero_shot(template: str = TEMPLATE) -> Method:
    """CLIP as it is (Radford et al., 2021): nothing is learned."""
    return Method("zero-shot", FixedText(template), PlainImages())


def coop(tokens: int = 4, words: str = WORDS) -> Method:
    """CoOp (Zhou et al., 2022): learned context tokens before the class name."""
    return Method("coop", Context(tokens, words), PlainImages())


def vpt(tokens: int = 4, template: str = TEMPLATE) -> Method:
    """VPT-shallow (Jia et al., 2022): learned tokens beside the image's patches."""
    return Method("vpt", FixedText(template), VisualTokens(tokens))


def ivlp(tokens: int = 4, words: str = WORDS, visual_tokens: int | None = None) -> Method:
    """Independent prompts in both towers; with regulated gradients this is UNIGRAM."""
    count = tokens if visual_tokens is None else visual_tokens
    return Method("ivlp", Context(tokens, words), VisualTokens(count))


METHODS: dict[str, Callable[..., Method]] = {
    "zero-shot": zero_shot,
    "coop": coop,
    "vpt": vpt,
    "ivlp": ivlp,
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
