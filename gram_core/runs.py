"""A run: the folder that long work writes into, and from which it goes on after a kill.

runs/ID/about.json  config.json  status.json  metrics.jsonl  checkpoints/step-00000025.…
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from gram_core.errors import GramError
from gram_core.workspace import Workspace, as_json, new_id, write_json

if TYPE_CHECKING:
    from torch import Tensor

State = Literal["queued", "running", "finished", "failed", "cancelled", "interrupted"]
STATES: tuple[str, ...] = get_args(State)
KEPT_CHECKPOINTS = 2


class Run:
    """One run in a workspace, seen through its folder: nothing is held in memory.

    Any number of processes may read a run; one works on it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(
        cls, workspace: Workspace, kind: str, config: dict[str, Any], name: str | None = None
    ) -> Run:
        """A new run, queued; its id is made of kind, name and time.

        Args:
            kind: what is done, for example "meta-train" or "adapt".
            config: everything needed to do it again; must be JSON.
        """
        id = new_id(kind, name or "")
        with workspace.create("runs", id, {"kind": kind, "name": name or id}) as folder:
            write_json(folder / "config.json", config)
            (folder / "metrics.jsonl").touch()
            Run(folder).set_status("queued")
        return cls(workspace.path("runs", id))

    @classmethod
    def open(cls, workspace: Workspace, id: str) -> Run:
        """The run of that id. Raises GramError if there is none."""
        return cls(workspace.path("runs", id))

    @property
    def id(self) -> str:
        """The run's id, which is its folder's name."""
        return self.folder.name

    @property
    def kind(self) -> str:
        """What the run does, for example "meta-train"."""
        return str(_read_json(self.folder / "about.json")["about"].get("kind", ""))

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that the run was created with."""
        return _read_json(self.folder / "config.json")

    def log(self, values: dict[str, Any]) -> None:
        """Appends one line to the metrics; a number that is not finite is written as null."""
        line = json.dumps(as_json(values)) + "\n"
        with (self.folder / "metrics.jsonl").open("ab+") as file:
            if file.seek(0, os.SEEK_END) > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a kill tore the last line: do not write on in it
                    line = "\n" + line
            file.write(line.encode())

    def metrics(self) -> list[dict[str, Any]]:
        """All logged lines in order; lines torn by a kill are left out."""
        path = self.folder / "metrics.jsonl"
        if not path.exists():
            return []
        rows = []
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue
        return [row for row in rows if isinstance(row, dict)]

    def rewind(self, step: int) -> None:
        """Forgets metrics after `step`, which work resumed from its checkpoint logs again."""
        kept = [row for row in self.metrics() if row.get("step", 0) <= step]
        path = self.folder / "metrics.jsonl"
        draft = path.with_name(".metrics.jsonl")
        draft.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        draft.replace(path)

    def status(self) -> dict[str, Any]:
        """Where the run stands: state, step, total, message, created, updated (seconds), pid."""
        return _read_json(self.folder / "status.json")

    def set_status(self, state: State | None = None, **values: Any) -> None:
        """Changes what is given of the status (step, total, message, started …), keeps the rest.

        Raises:
            GramError: the state is none of `STATES`.
        """
        path = self.folder / "status.json"
        now = time.time()
        start = {"state": "queued", "step": 0, "total": 0, "message": "", "created": now}
        former: dict[str, Any] = self.status() if path.exists() else start
        new = former | values | {"updated": now, "pid": os.getpid()}
        if state is not None:
            new["state"] = state
        if new["state"] not in STATES:
            raise GramError(f"a run is one of {', '.join(STATES)}, not {new['state']!r}")
        write_json(path, new)

    def save_checkpoint(self, step: int, tensors: dict[str, Tensor], state: dict[str, Any]) -> Path:
        """Writes tensors and JSON state of a step into one file and keeps the last two.

        A kill at any moment leaves the former checkpoints whole.
        """
        from safetensors.torch import save_file

        folder = self.folder / "checkpoints"
        folder.mkdir(exist_ok=True)
        path = folder / f"step-{step:08d}.safetensors"
        draft = path.with_suffix(".draft")
        # clones: the format refuses tensors that share memory
        whole = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}
        save_file(whole, draft, metadata={"step": str(step), "state": json.dumps(state)})
        draft.replace(path)
        for old in self.checkpoints()[:-KEPT_CHECKPOINTS]:
            old.unlink(missing_ok=True)
        return path

    def checkpoints(self) -> list[Path]:
        """The checkpoint files, oldest first."""
        return sorted((self.folder / "checkpoints").glob("step-*.safetensors"))

    def latest_checkpoint(self) -> tuple[int, dict[str, Tensor], dict[str, Any]] | None:
        """Step, tensors and state of the newest readable checkpoint, or None."""
        from safetensors import SafetensorError, safe_open

        for path in reversed(self.checkpoints()):
            try:
                with safe_open(path, framework="pt") as file:
                    metadata = file.metadata()
                    tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                return int(metadata["step"]), tensors, json.loads(metadata["state"])
            except (OSError, SafetensorError, KeyError, TypeError, ValueError):
                continue  # damaged: the one before it is whole
        return None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise GramError(f"{path} cannot be read ({error}); delete the run, or restore it") from None
