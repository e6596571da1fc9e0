"""The command line: `python -m gram_core VERB …`.

Every verb has `--json` (one JSON value on standard output) and `--workspace DIR`. Progress goes to
standard error. Exit status: 0 done, 1 a defect of the program, 2 something that the user can put
right (said in one line), 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gram_core import __version__
from gram_core.cli import (
    artefacts,
    bench,
    classifier,
    corpus,
    evaluate,
    hierarchies,
    search,
    work,
)
from gram_core.cli.console import Console
from gram_core.errors import GramError
from gram_core.workspace import Workspace


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line and gives its exit status."""
    options = build_parser().parse_args(arguments)
    try:
        options.handle(options, Workspace(options.workspace), Console(options.json))
    except (GramError, OSError) as error:  # a path that cannot be read or written, a full disk
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of all verbs; each sets `handle(options, workspace, console)`."""
    parser = argparse.ArgumentParser(
        prog="python -m gram_core",
        description="Gradient-regulated meta-prompt learning: from pairs to classifiers.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print one JSON value, for machines")
    common.add_argument(
        "--workspace", metavar="DIR", help='default: $GRAM_WORKSPACE, or else "workspace"'
    )
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for module in (corpus, search, work, hierarchies, classifier, evaluate, artefacts, bench):
        module.register(verbs, common)
    return parser
