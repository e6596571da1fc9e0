"""What meta-training gives: where a prompt starts, and what regulates its gradients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file

from gram_core.errors import GramError
from gram_core.gradients import Raw, Regulated, Rule
from gram_core.prompts import Method, Params, build_method

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

TENSORS, ABOUT = "initialisation.safetensors", "initialisation.json"


@dataclass(frozen=True)
class Initialisation:
    """theta* and phi* of a method (`phi` None: meta-trained without a regulator).

    `method_name` and `method_options` are what `build_method` takes; `form` is the regulator's;
    `about` is JSON: the backbone it belongs to, the configuration, the words it was trained on,
    last metrics.
    """

    theta: Params
    phi: Params | None
    method_name: str
    method_options: dict[str, Any] = field(default_factory=dict)
    form: str = "blend"
    about: dict[str, Any] = field(default_factory=dict)

    def method(self) -> Method:
        """The prompt method it was trained for."""
        return build_method(self.method_name, **self.method_options)

    def rule(self) -> Rule:
        """The gradient rule it was trained with."""
        return Raw() if self.phi is None else Regulated(self.phi, self.form)

    def check(self, backbone: Backbone, method: Method) -> None:
        """Raise GramError where it does not fit a backbone and a method."""
        trained_on = self.about.get("backbone", {})
        if trained_on and trained_on["fingerprint"] != backbone.fingerprint:
            raise GramError(
                f"This initialisation was meta-trained on the backbone {trained_on['name']!r}, and "
                f"{backbone.name!r} is in use. Open that backbone, or meta-train on this one."
            )
        wanted = {key: tuple(value.shape) for key, value in method.initial(backbone, 0).items()}
        found = {key: tuple(value.shape) for key, value in self.theta.items()}
        if wanted != found:
            raise GramError(
                f"This initialisation is for {self.method_name} with {found}; {method.name} needs "
                f"{wanted}. Use the same method and number of tokens, or meta-train for this one."
            )

    def save(self, folder: Path) -> None:
        """Write initialisation.safetensors and initialisation.json."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_file(
            dict(_named("theta", self.theta)) | dict(_named("phi", self.phi)), folder / TENSORS
        )
        values = {name: getattr(self, name) for name in _DESCRIBED}
        (folder / ABOUT).write_text(json.dumps(values, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Initialisation:
        """The initialisation that `save` wrote. Raises GramError where there is none."""
        folder = Path(folder)
        if not (folder / TENSORS).is_file() or not (folder / ABOUT).is_file():
            raise GramError(
                f"There is no initialisation in {folder}: {TENSORS} or {ABOUT} is missing. Give "
                "the folder of a finished meta-training run."
            )
        tensors = load_file(folder / TENSORS)
        values = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        phi = _part("phi", tensors)
        return cls(
            _part("theta", tensors), phi or None, **{name: values[name] for name in _DESCRIBED}
        )


_DESCRIBED = ("method_name", "method_options", "form", "about")


def _named(part: str, params: Params | None) -> Iterator[tuple[str, Any]]:
    for key, value in (params or {}).items():
        yield f"{part}.{key}", value.detach().cpu().contiguous()


def _part(part: str, tensors: Params) -> Params:
    start = f"{part}."
    return {key[len(start) :]: value for key, value in tensors.items() if key.startswith(start)}
