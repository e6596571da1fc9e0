"""The files of a classifier: tensors as safetensors, everything else as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gram_core.errors import GramError
from gram_core.prompts import FixedText, Method, Params, build_method
from gram_core.workspace import as_json

if TYPE_CHECKING:
    from torch import Tensor

    from gram_core.classifier.classifier import PromptedClassifier

PROMPTS = "prompts.safetensors"
ABOUT = "classifier.json"
#: Number of the layout of the two files. 1 had no number, no templates, tensors or temperature.
FORMAT = 2
_NEEDED = {"backbone": dict, "method": dict, "class_names": list, "about": dict}


def write(classifier: PromptedClassifier, folder: Path) -> int:
    """Writes the two files and gives their bytes; see `PromptedClassifier.save`."""
    from safetensors.torch import save

    method, backbone = classifier.method, classifier.backbone
    if build_method(method.name, **method.options) != method:
        raise GramError(
            f"The method {method.name} cannot be written down, because it was not made by "
            "build_method; make it so, or save its parameters yourself."
        )
    about = {
        "format": FORMAT,
        "backbone": {"name": backbone.name, "fingerprint": backbone.fingerprint},
        "method": {"name": method.name, "options": dict(method.options)},
        "templates": _templates(method),
        "class_names": list(classifier.class_names),
        "temperature": classifier.temperature,
        "parameters": classifier.parameters,
        "tensors": {key: list(value.shape) for key, value in classifier.params.items()},
        "about": classifier.about,
    }
    text = json.dumps(as_json(about), indent=2, ensure_ascii=False, default=_refuse).encode()
    prompts = save({key: _plain(value) for key, value in classifier.params.items()})
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in ((PROMPTS, prompts), (ABOUT, text)):
        fresh = folder / f".{name}"
        fresh.write_bytes(content)
        fresh.replace(folder / name)
    return len(prompts) + len(text)


def read(folder: Path) -> tuple[dict[str, Any], Params]:
    """What the two files of a classifier hold, whatever their format.

    Raises GramError where they are not there, not whole, or of a format that is not known.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        about = json.loads((folder / ABOUT).read_text("utf-8"))
        _check(about)
        params = load((folder / PROMPTS).read_bytes())
        shapes = {key: list(value.shape) for key, value in params.items()}
        if about.get("tensors", shapes) != shapes:
            raise ValueError(f"{ABOUT} speaks of {about['tensors']}, {PROMPTS} has {shapes}")
    except (OSError, ValueError, TypeError, SafetensorError) as error:
        if isinstance(error, GramError):
            raise GramError(f"The classifier in {folder} cannot be read: {error}") from error
        raise GramError(
            f"There is no whole classifier in {folder} ({error}); give the folder that "
            f"{ABOUT} and {PROMPTS} were saved in."
        ) from error
    return about, params


def method_of(about: dict[str, Any]) -> Method:
    """The method that is written down, with the very sentences of that time.

    Their name (of an ensemble, say) may have come to stand for others since.
    """
    name, options = about["method"]["name"], about["method"]["options"]
    method = build_method(name, **options)
    templates = about.get("templates")
    if templates is None or _templates(method) == templates:
        return method
    return build_method(name, **{**options, "template": templates})


def _check(about: Any) -> None:
    """GramError for a format that is not known, ValueError for what is no classifier's JSON."""
    if not isinstance(about, dict):
        raise ValueError(f"{ABOUT} holds no names with values")
    number = about.get("format", 1)
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= FORMAT:
        raise GramError(
            f"its format is {number!r}, and this version reads 1 to {FORMAT}; open it with the "
            "version of GRAM Studio that wrote it, or with a later one."
        )
    for name, kind in _NEEDED.items():
        if not isinstance(about.get(name), kind):
            raise ValueError(f"{ABOUT} lacks {name}")
    for name, parts in (("backbone", ("name", "fingerprint")), ("method", ("name", "options"))):
        for part in parts:
            if part not in about[name]:
                raise ValueError(f"{ABOUT} lacks the {part} of its {name}")


def _templates(method: Method) -> list[str] | None:
    """The sentences around class names, None where a context takes their place."""
    return list(method.text.sentences) if isinstance(method.text, FixedText) else None


def _plain(value: Tensor) -> Tensor:
    return value.detach().cpu().contiguous()


def _refuse(value: Any) -> Any:
    raise GramError(f"{value!r} cannot be kept with a classifier; give what JSON can hold.")
