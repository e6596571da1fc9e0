"""Settings of the wrong kind are refused by name, whatever the dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from gram_core.errors import GramError
from gram_core.settings import check_kinds


@dataclass(frozen=True)
class Settings:
    on: bool = True
    count: int = 1
    rate: float = 0.5
    most: int | None = None
    kind: Literal["raw", "gram"] = "raw"
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_kinds(self)


def test_what_fits_is_taken() -> None:
    Settings(on=False, count=3, rate=2, most=4, kind="gram", words=("dog",))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"on": "off"}, "on is 'off'; give true or false"),
        ({"on": 1}, "on is 1; give true or false"),
        ({"count": True}, "count is True; give a whole number"),
        ({"count": 1.5}, "count is 1.5; give a whole number"),
        ({"rate": "fast"}, "rate is 'fast'; give a number"),
        ({"most": "many"}, "most is 'many'; give a whole number"),
        ({"kind": "maml"}, "kind is 'maml'; give raw or gram"),
        ({"words": "dog"}, "words is 'dog'; give a list"),
        ({"words": ("dog", 3)}, "give a list of which each is a word"),
    ],
)
def test_what_does_not_fit_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(GramError, match=message):
        Settings(**values)
