"""How many threads this process may use."""

from __future__ import annotations

import os


def threads() -> int:
    """$OMP_NUM_THREADS where it is a number, or else one for each processor."""
    given = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(given) if given.isdigit() else os.cpu_count() or 1)
