"""Results of stages, kept on disk: clustering that was killed goes on after its last stage."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]


def kept(folder: Path, name: str, options: dict[str, Any], compute: Callable[[], Arrays]) -> Arrays:
    """The arrays of a stage, computed unless a file of the same options is in the folder.

    So a stage is done once: also after a kill, and after a change of options that only later
    stages depend on. The folder can be deleted at any time.

    Args:
        options: all that the arrays depend on, fit for JSON.
    """
    text = json.dumps(options, sort_keys=True)
    path = folder / f"{name}-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}.npz"
    if not path.exists():
        arrays = compute()
        folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{secrets.token_hex(4)}.npz")
        np.savez(draft, allow_pickle=False, **arrays)
        draft.replace(path)
    with np.load(path, allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}
