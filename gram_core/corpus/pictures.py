"""Pictures as a corpus keeps them: checked, plain, and small enough."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from gram_core.corpus.records import BadRecord
from gram_core.pictures import ORIENTATION, is_plain, opened, plain

#: Pixels of the shorter side of a kept picture: CLIP looks at a square of 224 in the middle.
SHORTER_SIDE = 256
#: Of the longer side, however narrow the picture is: so many times the most of the shorter side.
LONGEST_TO_SHORTER = 4
#: A picture longer than that many times its width shows nothing to who looks at a square of it.
LARGEST_ASPECT = 100
LARGEST_FILE = 100_000_000
SUFFIXES = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}  # of the formats that are kept
TURNED = (5, 6, 7, 8)  # orientations that lie on their side


@dataclass(frozen=True)
class Kept:
    """A picture as it is kept: encoded, its format's suffix, and the pixels that it had before."""

    data: bytes
    suffix: str
    width: int
    height: int


def prepare_picture(data: bytes) -> bytes:
    """The bytes of a picture as it is kept; `keep_picture` says what that is."""
    return keep_picture(data).data


def keep_picture(data: bytes, shorter_side: int = SHORTER_SIDE) -> Kept:
    """A picture as it is kept: RGB, upright, its shorter side at most 256 pixels.

    Transparency lies on white, and 16-bit grey is scaled to 8 bit. A JPEG, PNG or WebP that is so
    already is kept byte by byte; others become JPEG. Of several frames the first one counts.

    Raises:
        BadRecord: it is no picture, is cut short, is more than 100 times as long as wide, or
            unpacks to more than PIL's `Image.MAX_IMAGE_PIXELS` pixels.
    """
    most = shorter_side, LONGEST_TO_SHORTER * shorter_side
    try:
        with opened(io.BytesIO(data)) as image:
            if max(image.size) > LARGEST_ASPECT * min(image.size):
                raise BadRecord("the picture is far too long or too narrow")
            original = image.format in SUFFIXES and is_plain(image)
            width, height = image.size
            if image.getexif().get(ORIENTATION, 1) in TURNED:
                width, height = height, width
            small = min(image.size) <= most[0] and max(image.size) <= most[1]
            if not small:
                image.draft("RGB", (2 * shorter_side, 2 * shorter_side))  # JPEG: decodes faster
            image.load()
            if original and small:
                return Kept(data, SUFFIXES[str(image.format)], width, height)
            return Kept(_as_jpeg(plain(image), *most), "jpg", width, height)
    except BadRecord:
        raise
    except Image.DecompressionBombError:
        raise BadRecord("the picture has too many pixels") from None
    except Exception as error:  # decoders raise whatever they like at damaged data
        raise BadRecord("the picture cannot be read") from error


def _as_jpeg(image: Image.Image, shorter_side: int, longer_side: int) -> bytes:
    factor = min(1.0, shorter_side / min(image.size), longer_side / max(image.size))
    if factor < 1:
        width, height = (max(1, round(side * factor)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    target = io.BytesIO()
    image.save(target, "JPEG", quality=92)
    return target.getvalue()
