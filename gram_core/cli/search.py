"""`search`, `duplicates`: the pairs of a corpus that one is after, and those it has twice."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gram_core import sheets
from gram_core.cli.console import Console, columns
from gram_core.errors import GramError
from gram_core.workspace import Workspace

if TYPE_CHECKING:
    from gram_core.corpus import Corpus
    from gram_core.corpus.search import Found
    from gram_core.hierarchy import Hierarchy


def register(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Adds the verbs."""
    which = argparse.ArgumentParser(add_help=False)
    which.add_argument("corpus", help='a corpus of the workspace, or "bundled"')
    which.add_argument("--limit", type=int, default=20, help="show so many, the best first")
    which.add_argument("--backbone", default="bundled", help="bundled, MODEL/TAG, or a folder")
    which.add_argument(
        "--sheet", type=Path, metavar="FILE", help="their pictures, as one .png, .jpg or .webp"
    )

    verb = verbs.add_parser(
        "search", parents=[which, common], help="find pairs by words, a picture, or another pair"
    )
    verb.add_argument("words", nargs="*", help="in the caption; a beginning will do")
    verb.add_argument("--picture", type=Path, metavar="FILE", help="pairs that look like this one")
    verb.add_argument("--pair", type=int, metavar="ID", help="pairs that look like this pair")
    verb.add_argument(
        "--by",
        choices=("words", "likeness"),
        default="words",
        help="likeness: the words tell what pictures look like, in the backbone's judgement",
    )
    verb.add_argument(
        "--topics", metavar="HIERARCHY", help="to name topics by (default: the corpus' newest)"
    )
    verb.set_defaults(handle=_search)

    verb = verbs.add_parser(
        "duplicates", parents=[which, common], help="pictures that nearly equal an earlier one"
    )
    verb.add_argument(
        "--threshold", type=float, help="cosine from which two are the same (default: 0.98)"
    )
    verb.set_defaults(handle=_duplicates)


def _search(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    from gram_core.corpus import open_corpus
    from gram_core.corpus.search import find_words

    _check(options)
    text = " ".join(options.words)
    asked = [bool(text), options.picture is not None, options.pair is not None]
    if sum(asked) != 1:
        raise GramError("Name what to search for: words, or --picture FILE, or --pair ID.")
    corpus = open_corpus(workspace, options.corpus)
    hierarchy = _hierarchy(corpus, options.topics, workspace, console)
    if text and options.by == "words":
        found = find_words(corpus, text, options.limit)
    else:
        found = _find_like(corpus, text, options, console)
    topic_of = hierarchy.topic_of().tolist() if hierarchy else []
    words = {topic.id: topic.word for topic in hierarchy.topics} if hierarchy else {}
    hits = [
        {
            "pair": pair,
            "score": round(score, 4),
            "topic": words.get(topic_of[pair]) if pair < len(topic_of) else None,
            "caption": corpus.captions[pair],
        }
        for pair, score in zip(found.ids.tolist(), found.scores.tolist(), strict=True)
    ]
    topics = [
        {"id": topic.id, "word": topic.word, "pairs": len(topic)}
        for topic in (hierarchy.search(text) if hierarchy else ())
    ]
    _write_sheet(options.sheet, corpus, [(hit["pair"], hit["caption"]) for hit in hits], console)
    answer = {"hierarchy": hierarchy.id if hierarchy else None, "topics": topics, "hits": hits}
    lines = [columns([hit | {"caption": _line(hit["caption"])} for hit in hits])]
    if topics:
        named = ", ".join(f"{topic['word']} ({topic['pairs']:,} pairs)" for topic in topics)
        lines.insert(0, f"topics: {named}")
    console.answer(answer, "\n".join(lines))


def _find_like(corpus: Corpus, text: str, options: argparse.Namespace, console: Console) -> Found:
    from gram_core.backbones import open_backbone
    from gram_core.corpus import embed
    from gram_core.corpus.search import find_like
    from gram_core.prompts import open_image

    query = open_image(options.picture) if options.picture else text or options.pair
    backbone = open_backbone(options.backbone)
    console.follow(embed(corpus, backbone))
    return find_like(corpus, backbone, query, options.limit)


def _duplicates(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    from gram_core.backbones import open_backbone
    from gram_core.corpus import open_corpus
    from gram_core.corpus.near import THRESHOLD, near_duplicates

    _check(options)
    threshold = THRESHOLD if options.threshold is None else options.threshold
    corpus = open_corpus(workspace, options.corpus)
    near = console.follow(near_duplicates(corpus, open_backbone(options.backbone), threshold))
    flagged = near.flagged()
    shown = [
        {
            "pair": pair,
            "twin": int(near.twin[pair]),
            "similarity": round(float(near.similarity[pair]), 4),
            "caption": corpus.captions[pair],
        }
        for pair in flagged[: options.limit].tolist()
    ]
    both = [
        (pair, f"{pair}: {row['similarity']}")
        for row in shown
        for pair in (row["twin"], row["pair"])
    ]
    _write_sheet(options.sheet, corpus, both, console)
    answer = {
        "pairs": len(corpus),
        "threshold": threshold,
        "flagged": len(flagged),
        "duplicates": shown,
    }
    text = f"{len(flagged):,} of {len(corpus):,} pictures nearly equal an earlier one"
    rows = [row | {"caption": _line(row["caption"])} for row in shown]
    console.answer(answer, f"{text}\n{columns(rows)}" if rows else text)


def _check(options: argparse.Namespace) -> None:
    if options.limit < 1:
        raise GramError(f"limit is at least 1, not {options.limit}")
    sheets.check_suffix(options.sheet)


def _hierarchy(
    corpus: Corpus, wanted: str | None, workspace: Workspace, console: Console
) -> Hierarchy | None:
    """The hierarchy asked for, or the newest one of the corpus; None if it has none.

    Raises GramError where the one asked for is not of this corpus.
    """
    from gram_core.hierarchy import Hierarchy

    if wanted is None:
        ids = [
            artefact.id
            for artefact in workspace.list("hierarchies")
            if artefact.about.get("corpus") == corpus.name
        ]
        if not ids:
            return None
        try:
            return _hierarchy(corpus, ids[0], workspace, console)
        except GramError as problem:  # no reason to find nothing
            console.note(f"without topics: {problem}")
            return None
    hierarchy = Hierarchy.open(workspace, wanted)
    if hierarchy.corpus != corpus.name:
        raise GramError(
            f"The hierarchy {wanted!r} is of the corpus {hierarchy.corpus!r}; name one of "
            f"{corpus.name!r}, or search {hierarchy.corpus!r}."
        )
    hierarchy.open_corpus(workspace)  # refuses one whose pairs are no longer those
    return hierarchy


def _line(caption: str) -> str:
    """A caption in one line of a table."""
    line = " | ".join(caption.splitlines())
    return line if len(line) <= 80 else f"{line[:79]}…"


def _write_sheet(
    path: Path | None, corpus: Corpus, shown: Sequence[tuple[int, str]], console: Console
) -> None:
    """Writes pictures with a line of words below each, where a path is given."""
    if path is None:
        return
    pictures = [sheets.Shown(corpus.image_bytes(pair), words) for pair, words in shown]
    sheets.save(sheets.grid(pictures), path)
    console.note(f"wrote {path}")
