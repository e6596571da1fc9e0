"""Pictures as they come from people: checked, turned upright, and small enough to keep."""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageOps

from gram_core.corpus.records import BadRecord

#: Pixels of the shorter side of a kept picture: CLIP looks at a square of 224 in the middle.
SHORTER_SIDE = 256
#: No side of a kept picture is longer, however narrow the picture is.
LONGER_SIDE = 1024
LARGEST_FILE = 100_000_000
KEPT_FORMATS = ("JPEG", "PNG", "WEBP")


def prepare_picture(data: bytes) -> bytes:
    """A picture as it is kept: RGB, upright, its shorter side at most 256 pixels.

    A JPEG, PNG or WebP that is so already is kept byte by byte; others become JPEG.

    Raises:
        BadRecord: it is no picture, is cut short, or unpacks to more than PIL's
            `Image.MAX_IMAGE_PIXELS` pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL warns of what is refused below
            image = Image.open(io.BytesIO(data))
            _refuse_huge(image)
            upright = image.getexif().get(0x0112, 1) == 1
            original = image.format in KEPT_FORMATS and image.mode == "RGB" and upright
            small = min(image.size) <= SHORTER_SIDE and max(image.size) <= LONGER_SIDE
            if not small:
                image.draft("RGB", (2 * SHORTER_SIDE, 2 * SHORTER_SIDE))  # JPEG: decodes faster
            image.load()
            if original and small:
                return data
            return _as_jpeg(_flat(ImageOps.exif_transpose(image)))
    except BadRecord:
        raise
    except Image.DecompressionBombError:
        raise BadRecord("the picture has too many pixels") from None
    except Exception as error:  # decoders raise whatever they like at damaged data
        raise BadRecord("the picture cannot be read") from error


def _refuse_huge(image: Image.Image) -> None:
    most = Image.MAX_IMAGE_PIXELS
    if most is not None and image.width * image.height > most:
        raise BadRecord("the picture has too many pixels")


def _flat(image: Image.Image) -> Image.Image:
    """The picture as RGB: 16-bit grey scaled to 8 bit, transparency on white."""
    if image.mode.startswith("I;16") or image.mode == "I":
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    return image.convert("RGB")


def _as_jpeg(image: Image.Image) -> bytes:
    factor = min(1.0, SHORTER_SIDE / min(image.size), LONGER_SIDE / max(image.size))
    if factor < 1:
        width, height = (max(1, round(side * factor)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    target = io.BytesIO()
    image.save(target, "JPEG", quality=92)
    return target.getvalue()
