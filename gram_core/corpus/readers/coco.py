"""COCO captions: one JSON file that names pictures and has several captions for each."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from gram_core.corpus.readers.common import Wishes, gives, picture_below, texts
from gram_core.corpus.records import Record, Source
from gram_core.errors import GramError

LOOKED_FOR = 20  # pictures by which their folder is known


def coco_source(path: Path, wishes: Wishes) -> Source:
    """The pictures of a COCO caption file, each with all its captions.

    Raises:
        GramError: it is no such file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        captions: defaultdict[object, list[str]] = defaultdict(list)
        for note in content["annotations"]:
            captions[note["image_id"]] += texts(note["caption"])
        images = [(str(image["file_name"]), image["id"]) for image in content["images"]]
        said = [(name, tuple(captions.pop(id, ()))) for name, id in images]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise GramError(
            f'{path} is no COCO caption file: it needs "images" with id and file_name, and '
            '"annotations" with image_id and caption; for one object a line use .jsonl'
        ) from None
    root = (wishes.pictures or _folder(path, [name for name, _ in said[:LOOKED_FOR]])).resolve()

    def records(skip: int) -> Iterator[Record]:
        for name, captions in islice(said, skip, None):
            yield Record(name, gives(captions), partial(picture_below, root, name))

    return Source(records, gives([path]), len(said))


def _folder(path: Path, names: list[str]) -> Path:
    """Where the pictures lie: beside the file, in "images", or in a folder named by the split.

    COCO itself has annotations/captions_val2017.json beside val2017/.
    """
    split = path.stem.rpartition("_")[2]
    here, above = path.parent, path.parent.parent
    folders = (here, here / "images", here / split, above / split, above / "images" / split)
    holds = (folder for folder in folders if any((folder / name).is_file() for name in names))
    return next(holds, here)
