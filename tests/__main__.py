"""Every check of the project, in the order of their cost: `python -m tests [pytest options]`."""

from __future__ import annotations

import subprocess
import sys

from tests import setup

CHECKS = (
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    ["mypy"],
    ["pytest", *sys.argv[1:]],
)


def main() -> int:
    """0 when the browser is there and every check passes; else what the first failure returned."""
    if failure := setup.main():
        return failure
    for module, *options in CHECKS:
        print(f"+ {' '.join([module, *options])}", flush=True)
        if failure := subprocess.run([sys.executable, "-m", module, *options]).returncode:
            return failure
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
