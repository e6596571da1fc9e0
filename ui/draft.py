"""What is entered on the few-shot page before it starts: classes, their names, their pictures."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from gram_core.names import compared
from ui.pictures import Picture

MOST_PICTURES = 64


@dataclass
class DraftClass:
    """A class as it is being entered; `id` stays while name and pictures change."""

    id: int
    name: str = ""
    pictures: list[Picture] = field(default_factory=list)

    def add(self, pictures: Sequence[Picture]) -> int:
        """How many of the pictures were new and found room."""
        known = {picture.key for picture in self.pictures}
        before = len(self.pictures)
        for picture in pictures:
            if picture.key not in known and len(self.pictures) < MOST_PICTURES:
                self.pictures.append(picture)
                known.add(picture.key)
        return len(self.pictures) - before


@dataclass
class Draft:
    """Base classes (to learn from their pictures) and new ones (pictures only measure)."""

    base: list[DraftClass] = field(default_factory=list)
    new: list[DraftClass] = field(default_factory=list)
    made: int = 0

    def add(self, part: list[DraftClass], name: str = "") -> DraftClass:
        """A new class at the end of `part`."""
        self.made += 1
        part.append(DraftClass(self.made, name))
        return part[-1]

    def problems(self) -> list[str]:
        """What has to be put right before a start, one plain sentence each; empty when ready."""
        found = []
        started = [one for one in self.base if one.name.strip() or one.pictures]
        nameless = sum(not one.name.strip() for one in started)
        if nameless:
            found.append("Give every class a name.")
        empty = [one.name.strip() for one in started if one.name.strip() and not one.pictures]
        if empty:
            found.append(f"Add pictures to {_listed(empty)}, or remove the class.")
        if len(started) < 2:
            found.append("A classifier tells classes apart: give at least two with pictures.")
        if any(one.pictures and not one.name.strip() for one in self.new):
            found.append("Give every new class a name.")
        names = [compared(one.name) for one in (*started, *self.new) if one.name.strip()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            found.append(f"Two classes are called {_listed(twice)}: rename or remove one.")
        return found

    def base_classes(self) -> list[DraftClass]:
        """The classes to learn: those with a name and pictures."""
        return [one for one in self.base if one.name.strip() and one.pictures]

    def new_classes(self) -> list[DraftClass]:
        """The new classes: those with a name."""
        return [one for one in self.new if one.name.strip()]


def hold_out(count: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Places of the pictures to learn from and of those kept back to measure with.

    A class keeps at least one picture to learn from; of a single one none is kept back.
    """
    order = list(range(count))
    random.Random(seed).shuffle(order)
    held = min(round(share * count), count - 1)
    return sorted(order[held:]), sorted(order[:held])


def _listed(names: Sequence[str]) -> str:
    quoted = [f"“{name}”" for name in names[:4]] + (["…"] if len(names) > 4 else [])
    return ", ".join(quoted)
