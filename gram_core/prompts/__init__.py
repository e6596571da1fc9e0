"""What is learned: prompts as values, and methods as compositions of a text and a visual part."""

from __future__ import annotations

from gram_core.prompts.cache import Cache
from gram_core.prompts.conditional import ConditionalContext
from gram_core.prompts.coupled import Coupling
from gram_core.prompts.images import ImageBank, open_image
from gram_core.prompts.method import Batch, Constants, Method, TextPart, VisualPart
from gram_core.prompts.params import (
    Params,
    depth_of,
    repeat_params,
    stack_params,
    token_keys,
    tower_of,
    unstack_params,
)
from gram_core.prompts.registry import METHODS, build_method
from gram_core.prompts.text import Context, FixedText
from gram_core.prompts.visual import PlainImages, VisualTokens
from gram_core.titles import PROMPTED

__all__ = [
    "METHODS",
    "PROMPTED",
    "Batch",
    "Cache",
    "ConditionalContext",
    "Constants",
    "Context",
    "Coupling",
    "FixedText",
    "ImageBank",
    "Method",
    "Params",
    "PlainImages",
    "TextPart",
    "VisualPart",
    "VisualTokens",
    "build_method",
    "depth_of",
    "open_image",
    "repeat_params",
    "stack_params",
    "token_keys",
    "tower_of",
    "unstack_params",
]
