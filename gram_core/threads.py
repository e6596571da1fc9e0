"""How many threads this process may use, and where it may use one alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def threads() -> int:
    """$OMP_NUM_THREADS where it is a number, or else one for each processor."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(given) if given.isdigit() else os.cpu_count() or 1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keeps linear algebra to one thread, so that its results do not depend on their number.

    Several threads add up in another order; UMAP makes other topics of a difference in the last
    digit.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
