"""Settings are frozen dataclasses that refuse a value of the wrong kind where they are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from gram_core.errors import GramError

KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a word",
    dict: "names with values",
}


def check_kinds(settings: Any) -> None:
    """Raise GramError for a field whose value is not of the kind that its annotation says.

    A whole number passes for a number, and nothing else passes for what it is not: true is no
    number, "off" is neither true nor false.
    """
    hints = _hints(type(settings))
    for field in fields(settings):
        value, hint = getattr(settings, field.name), hints[field.name]
        if not _fits(value, hint):
            raise GramError(f"{field.name} is {value!r}; give {_said(hint)}.")


_hints: Callable[[type], dict[str, Any]] = cache(get_type_hints)


def _fits(value: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if hint is Any:
        return True
    if origin is UnionType:
        return any(_fits(value, part) for part in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(each, get_args(hint)[0]) for each in value)
    if hint in (int, float) and isinstance(value, bool):
        return False
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(value, origin or hint)


def _said(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(str, get_args(hint)))
    if get_origin(hint) is UnionType:
        return " or ".join(_said(part) for part in get_args(hint) if part is not NoneType)
    if get_origin(hint) is tuple:
        return f"a list of which each is {_said(get_args(hint)[0])}"
    return KINDS.get(get_origin(hint) or hint, getattr(hint, "__name__", str(hint)))
