"""The one error that speaks to a person."""

from __future__ import annotations


class GramError(ValueError):
    """Something a user can put right: says what was wrong, where, and what to do about it."""
