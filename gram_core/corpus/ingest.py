"""From what people have to a corpus: every pair checked, every refusal written down."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from gram_core.corpus.corpus import BUNDLED_NAME, open_corpus
from gram_core.corpus.parts import DUPLICATE, Draft, Taken
from gram_core.corpus.pictures import SHORTER_SIDE, keep_picture
from gram_core.corpus.readers import Wishes, open_source
from gram_core.corpus.records import BadRecord, Record
from gram_core.errors import GramError
from gram_core.events import Event
from gram_core.settings import check_kinds
from gram_core.threads import threads
from gram_core.workspace import Workspace, check_id

AHEAD = 64  # records in memory at a time
REFERENCE_SIDE = 128  # pixels of the shorter side of what is shown of a picture that is pointed at
JUDGED_FROM = 200  # records, before which a large share of bad ones says little
NAMED = 5  # bad records that an error names


@dataclass(frozen=True)
class IngestConfig:
    """How a source is read and what is kept of it.

    Attributes:
        image_column, caption_column: what the columns are called, where that cannot be guessed.
        pictures: the folder of the pictures that a table, Parquet or COCO names; the default is
            that of the file, and "images" in it.
        copy: pictures are kept in the corpus, their shorter side at most 256 pixels; else they
            are pointed at where they lie, and only a small form of each is kept to be shown.
        captions: which texts of a picture with several are kept.
        max_bad: the share of bad records above which nothing is made.
        limit: stop after so many good pairs.
    """

    image_column: str | None = None
    caption_column: str | None = None
    pictures: str | None = None
    copy: bool = True
    captions: Literal["all", "first"] = "all"
    max_bad: float = 0.5
    limit: int | None = None

    def __post_init__(self) -> None:
        check_kinds(self)
        if not 0 <= self.max_bad <= 1:
            raise GramError(f"max_bad is a share from 0 to 1, not {self.max_bad}")
        if self.limit is not None and self.limit < 1:
            raise GramError(f"limit is at least 1, not {self.limit}")


def ingest(
    source: Path | str,
    workspace: Workspace,
    name: str,
    config: IngestConfig | None = None,
) -> Iterator[Event]:
    """A new corpus in the workspace, made of the good pairs of a source; yields progress.

    What cannot be used (a missing, unreadable, huge or repeated picture, an empty text) is skipped
    and listed in problems.parquet with its reason. Stopped or killed, the same call goes on after
    the last 2,048 records that were done together, to the same files; another source or
    configuration begins afresh.

    Args:
        source: a table, a folder, Parquet, WebDataset shards or COCO captions.

    Raises:
        GramError: the name is taken or being made, the source has no known form or is damaged,
            columns are missing, too many records are bad, or none is good.
    """
    if check_id(name) == BUNDLED_NAME:
        raise GramError(f"the name {name!r} belongs to the bundled corpus; choose another")
    config, source = config or IngestConfig(), Path(source)
    workspace.check_free("corpora", name)
    pictures = None if config.pictures is None else Path(config.pictures)
    found = open_source(source, Wishes(config.image_column, config.caption_column, pictures))
    mark: dict[str, Any] = {
        "source": str(source.resolve()),
        "state": _state(found.files()),
        "config": asdict(config),
    }
    about: dict[str, Any] = {"source": str(source)}
    listed = workspace.cache("corpora", name).with_name(f"problems-{name}.csv")
    with (
        workspace.create("corpora", name, about, keep=True) as folder,
        closing(Draft(folder, mark, config.copy)) as draft,
        ThreadPoolExecutor(threads()) as pool,
    ):
        if draft.resumed or draft.renewed:
            message = (
                f"{draft.pairs} pairs are there already"
                if draft.resumed
                else "the source or the options have changed: begun afresh"
            )
            yield Event("progress", draft.records, _at_least(found.total, draft.records), message)
        for batch in _batches(found.records(draft.records), AHEAD):
            outcomes = pool.map(partial(_prepare, config=config), batch)
            for record, outcome in zip(batch, outcomes, strict=True):
                if draft.pairs == config.limit:
                    break
                draft.add(record, outcome)
            if draft.records >= JUDGED_FROM:
                _judge(draft, source, config.max_bad, listed)
            message = f"{draft.pairs} pairs, {draft.reasons.total()} problems"
            yield Event("progress", draft.records, _at_least(found.total, draft.records), message)
            if draft.pairs == config.limit:
                break
        if not draft.pairs:
            draft.list_problems(listed)
            raise GramError(
                f"{source} holds no pair that can be used: {_counted(draft)}; every pair needs a "
                "text and a complete JPEG, PNG or WebP picture: add what is missing, or correct "
                f"the names; all are listed in {listed}"
            )
        _judge(draft, source, config.max_bad, listed)
        about |= {
            "pairs": draft.pairs,
            "problems": draft.reasons.total(),
            "reasons": dict(draft.reasons.most_common()),
            "pictures": "copied" if config.copy else "referenced",
            "fingerprint": draft.finish(),
        }
    message = f"{draft.pairs} pairs in corpus {name!r}"
    if draft.reasons:
        message += f"; left out: {_counted(draft)}"
    yield Event("result", draft.pairs, draft.pairs, message, result=open_corpus(workspace, name))


def _at_least(total: int, records: int) -> int:
    """The total, which a table only estimates; 0 where it is unknown."""
    return max(total, records) if total else 0


def _prepare(record: Record, config: IngestConfig) -> Taken | str:
    """What is kept of a record, or the reason why it cannot be used."""
    try:
        lines = [" ".join(text.split()) for text in record.captions()]
        lines = [line for line in lines if line]
        caption = "\n".join(lines[:1] if config.captions == "first" else lines)
        if not caption:
            return "the text is empty"
        caption.encode()
        original = record.picture()
        kept = keep_picture(original.data, SHORTER_SIDE if config.copy else REFERENCE_SIDE)
    except UnicodeEncodeError:  # what a table's reader makes of other bytes
        return "the text is not UTF-8"
    except BadRecord as problem:
        return str(problem)
    if not (config.copy or original.file):
        raise GramError(
            f"the picture {record.source} lies inside Parquet or a compressed tar, where it cannot "
            "be pointed at; ingest the source without reference, so that pictures are copied"
        )
    return Taken(caption, kept, original)


def _judge(draft: Draft, source: Path, max_bad: float, listed: Path) -> None:
    """Raises GramError if too many records are bad, and leaves a list of all problems."""
    if draft.bad <= max_bad * draft.records:
        return
    draft.list_problems(listed)
    bad = (problem for problem in draft.problems() if problem["reason"] != DUPLICATE)
    first = ", ".join(problem["source"] for problem in islice(bad, NAMED))
    raise GramError(
        f"{draft.bad:,} of the first {draft.records:,} records of {source} cannot be used, more "
        f"than the share of {max_bad:g} that may be bad: {_counted(draft)}; the first are "
        f"{first}; all are listed in {listed}; correct them, or raise max_bad"
    )


def _state(files: Iterable[Path]) -> str:
    """Differs where a file's name, size or time does."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        try:
            status = file.stat()
        except OSError:  # a link to nothing
            continue
        digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\0".encode(errors="replace"))
    return digest.hexdigest()


def _batches(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    iterator = iter(records)
    while batch := list(islice(iterator, size)):
        yield batch


def _counted(draft: Draft) -> str:
    reasons = draft.reasons.most_common()
    return ", ".join(f"{reason} ({number})" for reason, number in reasons) or "it is empty"
