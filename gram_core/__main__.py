"""`python -m gram_core`: see `gram_core.cli`."""

from __future__ import annotations

from gram_core.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
