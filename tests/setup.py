"""What the browser tests need and pip cannot bring: a Chromium.

`python -m tests.setup` makes sure that there is one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The path of a Chromium: $GRAM_CHROMIUM, or the first on PATH; None where there is none."""
    chosen = os.environ.get("GRAM_CHROMIUM")
    if chosen:
        return shutil.which(chosen)
    return next(filter(None, map(shutil.which, NAMES)), None)


def main() -> int:
    """0 when a Chromium is there, after installing one where this process may."""
    if find_chromium() is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for step in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", *step], check=True, env=environment)
    found = find_chromium()
    if found is None:
        print(
            "The browser tests need Chromium: install it (Debian: apt-get install chromium, "
            "macOS: brew install --cask chromium) or set GRAM_CHROMIUM to its path.",
            file=sys.stderr,
        )
        return 1
    print(f"Chromium: {found}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
