"""Pictures as a corpus keeps them: checked, plain, and small enough."""

from __future__ import annotations

import io

from PIL import Image

from gram_core.corpus.records import BadRecord
from gram_core.pictures import is_plain, opened, plain

#: Pixels of the shorter side of a kept picture: CLIP looks at a square of 224 in the middle.
SHORTER_SIDE = 256
#: No side of a kept picture is longer, however narrow the picture is.
LONGER_SIDE = 1024
LARGEST_FILE = 100_000_000
KEPT_FORMATS = ("JPEG", "PNG", "WEBP")


def prepare_picture(data: bytes) -> bytes:
    """A picture as it is kept: RGB, upright, its shorter side at most 256 pixels.

    Transparency lies on white, and 16-bit grey is scaled to 8 bit. A JPEG, PNG or WebP that is so
    already is kept byte by byte; others become JPEG.

    Raises:
        BadRecord: it is no picture, is cut short, or unpacks to more than PIL's
            `Image.MAX_IMAGE_PIXELS` pixels.
    """
    try:
        with opened(io.BytesIO(data)) as image:
            original = image.format in KEPT_FORMATS and is_plain(image)
            small = min(image.size) <= SHORTER_SIDE and max(image.size) <= LONGER_SIDE
            if not small:
                image.draft("RGB", (2 * SHORTER_SIDE, 2 * SHORTER_SIDE))  # JPEG: decodes faster
            image.load()
            if original and small:
                return data
            return _as_jpeg(plain(image))
    except Image.DecompressionBombError:
        raise BadRecord("the picture has too many pixels") from None
    except Exception as error:  # decoders raise whatever they like at damaged data
        raise BadRecord("the picture cannot be read") from error


def _as_jpeg(image: Image.Image) -> bytes:
    factor = min(1.0, SHORTER_SIDE / min(image.size), LONGER_SIDE / max(image.size))
    if factor < 1:
        width, height = (max(1, round(side * factor)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    target = io.BytesIO()
    image.save(target, "JPEG", quality=92)
    return target.getvalue()
