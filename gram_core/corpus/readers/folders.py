"""Folders of pictures: each with a text beside it, or in the folder of its class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from gram_core.corpus.readers.common import PICTURES, decoded, gives, picture_below, walk
from gram_core.corpus.records import BadRecord, Record, Source
from gram_core.names import spoken


def picture_source(folder: Path) -> Source | None:
    """The pictures below a folder with their texts, or with the names of their folders.

    None where neither is so: no picture has a .txt of its name, and some lie in no sub-folder.
    """
    total, with_text, in_classes = 0, False, True
    for place, names in walk(folder):
        pictures = [name for name in names if _is_picture(name)]
        others = set(names).difference(pictures)
        with_text = with_text or any(_text_name(name) in others for name in pictures)
        in_classes = in_classes and not (pictures and place == folder)
        total += len(pictures)
    if not total or not (with_text or in_classes):
        return None
    root = folder.resolve()

    def records(skip: int) -> Iterator[Record]:
        for place, name in islice(_pictures(folder), skip, None):
            source = str((place / name).relative_to(folder))
            captions = (
                partial(_neighbour, place / _text_name(name))
                if with_text
                else gives((spoken(place.name),))
            )
            yield Record(source, captions, partial(picture_below, root, source))

    return Source(records, partial(_files, folder), total)


def _pictures(folder: Path) -> Iterator[tuple[Path, str]]:
    for place, names in walk(folder):
        yield from ((place, name) for name in names if _is_picture(name))


def _files(folder: Path) -> Iterable[Path]:
    for place, names in walk(folder):
        yield from (place / name for name in names)


def _is_picture(name: str) -> bool:
    return name.lower().endswith(PICTURES)


def _text_name(picture: str) -> str:
    return f"{picture.rpartition('.')[0]}.txt"


def _neighbour(path: Path) -> tuple[str, ...]:
    try:
        return (decoded(path.read_bytes()),) if path.is_file() else ()
    except OSError:
        raise BadRecord("the text's file cannot be opened") from None
