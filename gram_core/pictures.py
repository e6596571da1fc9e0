"""Pictures as they come from people: opened with suspicion, turned upright, made plain RGB.

Corpora and classifiers read pictures through this module, so that both see the same.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageOps

SMALL_FILE = 12_000  # bytes of a picture that is not made smaller to be shown
ORIENTATION = 0x0112  # the EXIF tag; 1 is upright


@contextmanager
def opened(file: str | Path | BinaryIO) -> Iterator[Image.Image]:
    """The picture in a file, not decoded yet, for as long as the block lasts.

    Raises:
        Image.DecompressionBombError: it unpacks to more than PIL's `Image.MAX_IMAGE_PIXELS`
            pixels (PIL itself lets pass what is up to twice as large).
        Exception: decoders raise whatever they like at damaged data, here and in the block.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PIL warns of what is refused here, and of odd metadata
        with Image.open(file) as image:
            most = Image.MAX_IMAGE_PIXELS
            if most is not None and image.width * image.height > most:
                size = f"{image.width} × {image.height}"
                raise Image.DecompressionBombError(f"{size} pixels, and {most} are the most")
            yield image


def is_plain(image: Image.Image) -> bool:
    """Whether it is upright and RGB as it lies in its file, and nowhere transparent."""
    upright = image.getexif().get(ORIENTATION, 1) == 1
    return image.mode == "RGB" and upright and not _transparent(image)


def plain(image: Image.Image) -> Image.Image:
    """The picture upright and in RGB: 16-bit grey scaled to 8 bit, transparency on white."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or image.mode == "I":
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if _transparent(image):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def data_uri(data: bytes, side: int | None = None) -> str:
    """An encoded picture as a data URI; with `side` made smaller where one of its sides is longer
    than that, or its file is large for what it shows."""
    if side is not None:
        data = _shrunk(data, side)
    if data.startswith(b"\x89PNG"):
        kind = "png"
    elif data[8:12] == b"WEBP":
        kind = "webp"
    else:
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _shrunk(data: bytes, side: int) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        if max(image.size) <= side and len(data) < SMALL_FILE:
            return data
        small = image.convert("RGB")
    small.thumbnail((side, side))
    target = io.BytesIO()
    small.save(target, "WEBP", quality=75, method=2)
    return target.getvalue()


def _transparent(image: Image.Image) -> bool:
    return "A" in image.getbands() or "transparency" in image.info
