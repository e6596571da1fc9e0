"""Names of classes: how they are said to a text tower, and when two of them are one."""

from __future__ import annotations


def spoken(name: str) -> str:
    """The name as it is said: underscores are spaces, several spaces are one."""
    return " ".join(str(name).replace("_", " ").split())


def compared(name: str) -> str:
    """The form in which two names are compared: as spoken, capitals do not count."""
    return spoken(name).casefold()
