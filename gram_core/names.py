"""Names of classes: how they are said to a text tower, and when two of them are one."""

from __future__ import annotations

import re

#: Endings of regular plurals, and what a singular may have in their place.
PLURALS = (
    ("ies$", "y"),
    ("ves$", "f"),
    ("ves$", "fe"),
    ("(?<=[sxzho])es$", ""),
    ("(?<![su])s$", ""),
)


def spoken(name: str) -> str:
    """The name as it is said: underscores are spaces, several spaces are one."""
    return " ".join(str(name).replace("_", " ").split())


def compared(name: str) -> str:
    """The form in which two names are compared: as spoken, capitals do not count."""
    return spoken(name).casefold()


def forms(*words: str) -> set[str]:
    """The words and what they may be plurals of: two words are one if they share a form.

    "ties" may be those of a tie or of a ty: better a topic too few than a tested class too many.
    """
    found = {" ".join(word.lower().split()) for word in words}
    return found | {re.sub(*plural, word) for word in found for plural in PLURALS}
