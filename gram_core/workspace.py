"""A workspace: a folder of artefacts that are written once, and DuckDB as the lens on them.

ROOT/corpora/ID/  hierarchies/ID/  runs/ID/  classifiers/ID/     each with an about.json
ROOT/cache/                                                     can be deleted at any time
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import secrets
import shutil
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from gram_core.errors import GramError
from gram_core.threads import threads

if TYPE_CHECKING:
    import duckdb
    import pandas

KINDS = ("corpora", "hierarchies", "runs", "classifiers")
SINGULAR = {
    "corpora": "corpus",
    "hierarchies": "hierarchy",
    "runs": "run",
    "classifiers": "classifier",
}
LONGEST_ID = 100
ABANDONED_AFTER = 24 * 60 * 60  # seconds


@dataclass(frozen=True)
class Artefact:
    """One thing in a workspace: where it lies, when it was made, and what it says of itself."""

    id: str
    kind: str
    path: Path
    created: datetime
    about: dict[str, Any] = field(default_factory=dict)


def check_id(id: str) -> str:
    """The id itself, if it is one. Raises GramError unless it is made of a-z, 0-9 and '-'."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", id) or len(id) > LONGEST_ID:
        raise GramError(
            f"the name {id!r} cannot be used: take at most {LONGEST_ID} characters of a-z, 0-9 "
            "and '-', beginning with a letter or a digit"
        )
    return id


def new_id(*words: str) -> str:
    """An id that nothing else has, for example "meta-train-coop-20260101-120000-ab12"."""
    slug = re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")[: LONGEST_ID - 21]
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return check_id("-".join(part for part in (slug, stamp, secrets.token_hex(2)) if part))


def as_json(value: Any) -> Any:
    """The value as strict JSON has it: tuples as lists, arrays and tensors as lists of numbers, and
    what is not a finite number as null."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return value


def write_json(path: Path, value: Any) -> None:
    """Writes JSON so that a reader sees the old file or the new one, never half of either."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.write_text(json.dumps(value, indent=1, default=str), encoding="utf-8")
    draft.replace(path)


def write_about(folder: Path, kind: str, about: Mapping[str, Any]) -> None:
    """Writes the about.json that makes a folder an artefact."""
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    values = {"id": folder.name, "kind": kind, "created": created, "about": dict(about)}
    write_json(folder / "about.json", values)


class Workspace:
    """A folder of corpora, hierarchies, runs and classifiers.

    Args:
        root: the folder, made when the first artefact is; None takes $GRAM_WORKSPACE, or else
            "workspace" in the current directory.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root or os.environ.get("GRAM_WORKSPACE") or "workspace").resolve()
        self._lens: duckdb.DuckDBPyConnection | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"

    def path(self, kind: str, id: str) -> Path:
        """The folder of an artefact. Raises GramError if there is none of that id."""
        path = self._place(kind, id)
        if not (path / "about.json").is_file():
            there = [artefact.id for artefact in self.list(kind)[:10]]
            raise GramError(
                f"there is no {SINGULAR[kind]} {id!r} in {self.root}; "
                + (f"the newest are: {', '.join(there)}" if there else f"it holds no {kind} yet")
            )
        return path

    def exists(self, kind: str, id: str) -> bool:
        """Whether the workspace holds this artefact."""
        return (self._place(kind, id) / "about.json").is_file()

    def list(self, kind: str) -> list[Artefact]:
        """All artefacts of a kind, newest first; those with a damaged about.json say so."""
        folder = self._folder(kind)
        found = [_read_artefact(kind, about.parent) for about in folder.glob("[!.]*/about.json")]
        return sorted(found, key=lambda artefact: (artefact.created, artefact.id), reverse=True)

    def get(self, kind: str, id: str) -> Artefact:
        """One artefact. Raises GramError if there is none of that id."""
        return _read_artefact(kind, self.path(kind, id))

    @contextmanager
    def create(
        self,
        kind: str,
        id: str | None = None,
        about: dict[str, Any] | None = None,
        keep: bool = False,
    ) -> Iterator[Path]:
        """A temporary folder that becomes the artefact when the block ends without an error.

        The folder's name is already the id. `about` is written at the end, so that the block may
        still add to it.

        Args:
            keep: work that was interrupted finds the folder again, and all that lies beside it in
                the folder's parent; only a GramError removes both. One process at a time has it.

        Raises:
            GramError: the id is taken, is none, or is being made with `keep` by somebody else.
        """
        id = new_id(SINGULAR.get(kind, kind)) if id is None else id
        self.check_free(kind, id)
        self._remove_abandoned(kind)
        name = f".kept-{id}" if keep else f".draft-{secrets.token_hex(4)}"
        shelter = self._folder(kind) / name
        shelter.mkdir(parents=True, exist_ok=keep)
        with _alone(shelter, f"the {SINGULAR[kind]} {id!r}") if keep else nullcontext():
            draft, left = shelter / id, False
            draft.mkdir(parents=True, exist_ok=keep)
            try:
                self.check_free(kind, id)
                yield draft
                write_about(draft, kind, about or {})
                self.check_free(kind, id)
                draft.rename(self._place(kind, id))
            except GramError:
                raise
            except BaseException:
                left = keep
                raise
            finally:
                if not left:
                    shutil.rmtree(shelter, ignore_errors=True)

    def _remove_abandoned(self, kind: str) -> None:
        """Removes what killed processes left: old drafts, and what finished artefacts came from."""
        for shelter in self._folder(kind).glob(".draft-*"):
            with suppress(OSError):  # somebody else removes it
                if time.time() - shelter.stat().st_mtime > ABANDONED_AFTER:
                    shutil.rmtree(shelter, ignore_errors=True)
        for shelter in self._folder(kind).glob(".kept-*"):
            if self.exists(kind, shelter.name.removeprefix(".kept-")):
                shutil.rmtree(shelter, ignore_errors=True)

    def check_free(self, kind: str, id: str) -> None:
        """Raises GramError where an artefact of that id is there already, or it is no id."""
        place = self._place(kind, id)
        if place.exists():
            raise GramError(
                f"there is already a {SINGULAR[kind]} {id!r} in {self.root}; choose another name, "
                "or delete it first"
            )

    def delete(self, kind: str, id: str) -> None:
        """Removes an artefact and what was cached for it. Raises GramError if there is none."""
        path = self.path(kind, id)
        grave = path.with_name(f".deleted-{secrets.token_hex(4)}")
        path.rename(grave)  # first out of sight: nobody may meet half an artefact
        shutil.rmtree(grave, ignore_errors=True)
        shutil.rmtree(self.cache(kind, id), ignore_errors=True)

    def export(self, kind: str, id: str) -> bytes:
        """The artefact's files as the bytes of a zip archive, under one folder named by the id."""
        path = self.path(kind, id)
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as target:
            for file in sorted(path.rglob("*")):
                if file.is_file() and not file.name.startswith("."):
                    target.write(file, Path(id) / file.relative_to(path))
        return archive.getvalue()

    def cache(self, kind: str, id: str) -> Path:
        """The folder for what can be computed again from an artefact; it need not exist."""
        _check_kind(kind)
        return self.root / "cache" / kind / check_id(id)

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> pandas.DataFrame:
        """What DuckDB answers; relative file names in the SQL are relative to the workspace.

        workspace.query("SELECT topic, count(*) FROM read_parquet(?) GROUP BY topic",
                        ["hierarchies/h1/members.parquet"])
        """
        with self._lock:
            if self._lens is None:
                self._lens = _open_lens(self.root)
            # a connection shared by threads returns wrong rows silently: each call has its cursor
            cursor = self._lens.cursor()
        try:
            return cursor.execute(sql, list(parameters)).df()
        finally:
            cursor.close()

    def _folder(self, kind: str) -> Path:
        _check_kind(kind)
        return self.root / kind

    def _place(self, kind: str, id: str) -> Path:
        return self._folder(kind) / check_id(id)


@contextmanager
def _alone(folder: Path, what: str) -> Iterator[None]:
    """Nobody else makes the same thing while the block lasts. Raises GramError if somebody does."""
    # held and given back by whichever thread goes on with the work
    lock = FileLock(folder / ".lock", timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise GramError(
            f"{what} is being made by another process; wait for it, or choose another name"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise GramError(f"a workspace holds {', '.join(KINDS)}, not {kind!r}")


def _read_artefact(kind: str, path: Path) -> Artefact:
    try:
        record = json.loads((path / "about.json").read_text(encoding="utf-8"))
        created = datetime.fromisoformat(record["created"])
        return Artefact(path.name, kind, path, created, dict(record["about"]))
    except (OSError, ValueError, KeyError, TypeError):
        touched = path.stat().st_mtime if path.exists() else 0.0
        problem = {"problem": f"{path / 'about.json'} cannot be read"}
        return Artefact(path.name, kind, path, datetime.fromtimestamp(touched, UTC), problem)


def _open_lens(root: Path) -> duckdb.DuckDBPyConnection:
    import duckdb

    config: dict[str, Any] = {
        "autoinstall_known_extensions": False,  # nothing is downloaded
        "file_search_path": str(root),
        "threads": threads(),
    }
    return duckdb.connect(":memory:", config=config)
