"""How much of a computation fits into memory at once."""

from __future__ import annotations

import math

#: Bytes that one differentiable pass may keep. More is no faster on a processor's caches.
BUDGET = 512 * 2**20
#: Numbers that a transformer block keeps of a row, in widths of the row: for one backward pass.
KEPT = 24
#: What a second derivative keeps, as a multiple of what the first one does.
SECOND_ORDER = 2.5


def parts(tasks: int, images: int, task: float, image: float) -> tuple[int, int]:
    """How many tasks to take at once, and how many images of each, at least one.

    `tasks` tasks of `images` images each; a task keeps `task` bytes and each image `image` bytes
    more. Images of a task are parted only where one task alone is too much.
    """
    whole = task + images * image
    if whole <= 0 or tasks * whole <= BUDGET:
        return tasks, images
    if whole <= BUDGET:
        return _evenly(tasks, BUDGET // whole), images
    if image <= 0:
        return 1, images
    return 1, _evenly(images, max(1, (BUDGET - task) // image))


def _evenly(count: int, most: float) -> int:
    """The size of as few and as even parts of `count` as can be, of `most` at most."""
    return math.ceil(count / math.ceil(count / most))
