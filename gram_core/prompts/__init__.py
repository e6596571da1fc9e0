"""What is learned: prompts as values, and methods as compositions of a text and a visual part."""

from __future__ import annotations

from gram_core.prompts.images import ImageBank, open_image
from gram_core.prompts.method import Batch, Constants, Method, TextPart, VisualPart
from gram_core.prompts.params import (
    Params,
    repeat_params,
    stack_params,
    token_keys,
    tower_of,
    unstack_params,
)
from gram_core.prompts.registry import METHODS, build_method
from gram_core.prompts.text import Context, FixedText
from gram_core.prompts.visual import PlainImages, VisualTokens

__all__ = [
    "METHODS",
    "Batch",
    "Constants",
    "Context",
    "FixedText",
    "ImageBank",
    "Method",
    "Params",
    "PlainImages",
    "TextPart",
    "VisualPart",
    "VisualTokens",
    "build_method",
    "open_image",
    "repeat_params",
    "stack_params",
    "token_keys",
    "tower_of",
    "unstack_params",
]
