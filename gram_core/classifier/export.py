"""A classifier for those who do not have this project: NumPy, JSON and ONNX."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gram_core.backbones.visual import normalise_pixels
from gram_core.errors import GramError
from gram_core.prompts.cache import KEYS, LABELS
from gram_core.prompts.params import TOKENS, deep

if TYPE_CHECKING:
    from gram_core.classifier.classifier import PromptedClassifier

TEXT, NAMES, SETTINGS = "text_features.npy", "class_names.json", "settings.json"
CACHE_KEYS, CACHE_VOTES = "cache_keys.npy", "cache_votes.npy"
TOWER, README = "image_tower.onnx", "README.md"
#: A file of ONNX is at most 2 GiB; the weights of larger towers lie beside it.
_LARGEST = 1_900_000_000


def export(classifier: PromptedClassifier, folder: Path, onnx: bool) -> list[Path]:
    """Writes the files into the folder and gives them; see `PromptedClassifier.export`."""
    if classifier.method.text.by_image:
        raise GramError(
            f"A classifier of {classifier.method.name} has no class features to write down: it "
            "makes others for every image. Keep it with save, or adapt with coop or maple, whose "
            "class features are the same for all images."
        )
    if onnx:
        _check_installed()
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {TEXT: classifier.class_features} | _cache(classifier)
    for name, rows in arrays.items():
        np.save(folder / name, rows.detach().cpu().float().numpy(), allow_pickle=False)
    _write_json(folder / NAMES, list(classifier.class_names))
    _write_json(folder / SETTINGS, _settings(classifier))
    (folder / README).write_text(_readme(classifier, onnx), encoding="utf-8")
    written = [*arrays, NAMES, SETTINGS, README]
    if onnx:
        written += write_tower(classifier, folder)
    return [folder / name for name in written]


def write_tower(classifier: PromptedClassifier, folder: Path) -> list[str]:
    """Writes the image tower as ONNX, what was learned for it included; the names of the files.

    `pixels` uint8 `(n, 3, H, W)` become `features` float32 `(n, e)`, normalised. Raises GramError
    where onnx is not installed, and for a tower that cannot be written so.
    """
    _check_installed()
    backbone = classifier.backbone
    tower = _Tower(classifier).eval()
    size = backbone.image_size
    example = torch.zeros(2, 3, size, size, dtype=torch.uint8, device=backbone.device)
    weights = sum(each.numel() * each.element_size() for each in backbone.model.visual.parameters())
    with tempfile.TemporaryDirectory(dir=folder, prefix=".onnx-") as draft, _quiet():
        try:
            torch.onnx.export(
                tower,
                (example,),
                Path(draft) / TOWER,
                input_names=["pixels"],
                output_names=["features"],
                dynamic_shapes={"pixels": {0: "images"}},
                dynamo=True,
                external_data=weights > _LARGEST,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise GramError(
                f"The image tower of {backbone.name} cannot be written as ONNX "
                f"({error.__cause__ or error}); export without it."
            ) from error
        written = sorted(path.name for path in Path(draft).iterdir())
        for name in written:
            (Path(draft) / name).replace(folder / name)
    return written


class _Tower(nn.Module):
    """From pixels to image features, as a module: what ONNX is written from.

    It goes to the backbone itself, whose towers can be traced for any number of images.
    """

    def __init__(self, classifier: PromptedClassifier) -> None:
        super().__init__()
        method, params = classifier.method, classifier._params
        if method.coupling is not None:
            params = method.coupling.coupled(params)
        self.backbone = classifier.backbone
        self.tokens, self.deep = params.get(TOKENS), deep(params, TOKENS)

    def forward(self, pixels: Tensor) -> Tensor:
        backbone = self.backbone
        if backbone.visual is not None:
            return backbone.visual.encode(pixels[None], self.tokens, self.deep)[0].float()
        images = normalise_pixels(pixels, backbone.mean, backbone.std)
        return functional.normalize(backbone.model.encode_image(images), dim=-1).float()


def _cache(classifier: PromptedClassifier) -> dict[str, Tensor]:
    """The keys `(n, e)` of the support images, and their votes `(n, K)`: 1 for their class."""
    if classifier.method.cache is None:
        return {}
    codes = classifier._constants.codes
    assert codes is not None  # made by a method with a cache
    labels = classifier._params[LABELS][0]
    votes = (labels[:, None] == codes[None]).all(-1)
    return {CACHE_KEYS: classifier._params[KEYS][0], CACHE_VOTES: votes}


def _settings(classifier: PromptedClassifier) -> dict[str, Any]:
    backbone, cache = classifier.backbone, classifier.method.cache
    preparation = _preparation(classifier)
    settings: dict[str, Any] = {
        "backbone": {"name": backbone.name, "fingerprint": backbone.fingerprint},
        "method": classifier.method.name,
        "logit_scale": backbone.logit_scale,
        "temperature": classifier.temperature,
        "image_size": backbone.image_size,
        "resize_mode": preparation["resize_mode"],
        "interpolation": preparation["interpolation"],
        "fill_color": preparation["fill_color"],
        "mean": backbone.mean.flatten().tolist(),
        "std": backbone.std.flatten().tolist(),
    }
    if cache is not None:
        settings["cache"] = {"alpha": cache.alpha, "beta": cache.beta}
    return settings


def _preparation(classifier: PromptedClassifier) -> dict[str, Any]:
    """How open_clip prepares images for this backbone, with its defaults."""
    from open_clip.transform import PreprocessCfg

    given = PreprocessCfg(**classifier.backbone.model.visual.preprocess_cfg)
    return {
        "resize_mode": given.resize_mode or "shortest",
        "interpolation": "bilinear" if given.interpolation == "bilinear" else "bicubic",
        "fill_color": given.fill_color,
    }


_RESIZE = {
    "shortest": """\
short = min(picture.size)
sides = [int(size * side / short) for side in picture.size]
picture = picture.resize(sides, {filter})
left, top = (round((side - size) / 2) for side in picture.size)
picture = picture.crop((left, top, left + size, top + size))""",
    "squash": "picture = picture.resize((size, size), {filter})",
    "longest": """\
ratio = max(picture.size) / size
sides = [round(side / ratio) for side in picture.size]
small = picture.resize(sides, {filter})
picture = Image.new("RGB", (size, size), (settings["fill_color"],) * 3)
picture.paste(small, tuple((size - side) // 2 for side in small.size))""",
}


def _readme(classifier: PromptedClassifier, onnx: bool) -> str:
    preparation = _preparation(classifier)
    chosen = "BILINEAR" if preparation["interpolation"] == "bilinear" else "BICUBIC"
    resize = _RESIZE[preparation["resize_mode"]].format(filter=f"Image.Resampling.{chosen}")
    needed = "numpy, pillow" + (" and onnxruntime" if onnx else "")
    if onnx:
        tower = f"""tower = onnxruntime.InferenceSession("{TOWER}")
features = tower.run(None, {{"pixels": pixels}})[0]"""
    else:
        tower = "features = your_image_tower(pixels)  # (1, e), normalised: see below"
    votes = ""
    if classifier.method.cache is not None:
        votes = f"""
near = np.exp(settings["cache"]["beta"] * (features @ np.load("{CACHE_KEYS}").T - 1))
logits += settings["cache"]["alpha"] * near @ np.load("{CACHE_VOTES}")"""
    files = {
        TEXT: "the normalised features of the classes, (K, e) float32",
        NAMES: "their K names, in the same order",
        SETTINGS: "logit scale, temperature, and how images are prepared",
    }
    if classifier.method.cache is not None:
        files[CACHE_KEYS] = "the features of the support images, (n, e) float32"
        files[CACHE_VOTES] = "1 where a support image is of a class, (n, K) float32"
    if onnx:
        files[TOWER] = "`pixels` uint8 (n, 3, H, W) → `features` float32 (n, e), normalised"
    listed = "\n".join(f"- `{name}`: {what}" for name, what in files.items())
    rest = "" if onnx else _without_tower(classifier)
    return f"""\
# A classifier of {len(classifier.class_names)} classes

Made by GRAM Studio: {classifier.method.name} on the backbone {classifier.backbone.name}.

{listed}

It needs {needed}, and is run in this folder:

```python
import json
import numpy as np{", onnxruntime" if onnx else ""}
from PIL import Image, ImageOps

settings = json.load(open("{SETTINGS}", encoding="utf-8"))
names = json.load(open("{NAMES}", encoding="utf-8"))
size = settings["image_size"]
picture = ImageOps.exif_transpose(Image.open("picture.jpg")).convert("RGB")
{resize}
pixels = np.asarray(picture).transpose(2, 0, 1)[None]

{tower}
logits = settings["logit_scale"] * features @ np.load("{TEXT}").T{votes}
logits = (logits - logits.max(-1, keepdims=True)) / settings["temperature"]
probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
for row in probabilities[0].argsort()[::-1][:5]:
    print(f"{{names[row]}}: {{probabilities[0, row]:.1%}}")
```
{rest}"""


def _without_tower(classifier: PromptedClassifier) -> str:
    tower = "the backbone's"
    if classifier.method.visual.reads_pixels:
        tower += ", with tokens that were learned for it: an export with ONNX has them"
    return f"""
The image tower is {tower}. It reads pixels as numbers from 0 to 1, less `mean`, divided by `std` of
`{SETTINGS}`.
"""


def _check_installed() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise GramError(
            "Writing the image tower as ONNX needs onnx and onnxscript, which are not installed; "
            "run `pip install onnx onnxscript`, or export without the tower (onnx=False)."
        ) from error


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the remarks of the exporter on its own workings."""
    speaker = logging.getLogger("onnxscript")
    level = speaker.level
    speaker.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        speaker.setLevel(level)
