"""Images in the form that methods read: a bank of rows, addressed by number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gram_core.errors import GramError
from gram_core.pictures import opened, plain

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

ImageLike = str | Path | Image.Image | np.ndarray


def open_image(source: ImageLike) -> Image.Image:
    """An RGB picture from a path, a PIL image or an array `(H, W)`, `(H, W, 3)` or `(H, W, 4)`.

    Upright, transparency on white, 16-bit grey scaled to 8 bit: as a corpus would keep it. Arrays
    of floats are taken as intensities from 0 to 1.

    Raises GramError for what is no picture, is damaged, or has more than PIL's
    `Image.MAX_IMAGE_PIXELS` pixels.
    """
    if isinstance(source, np.ndarray):
        return plain(_from_array(source))
    try:
        if isinstance(source, Image.Image):
            return plain(source)
        with opened(source) as image:
            return plain(image)
    except Exception as error:  # decoders raise whatever they like at damaged data
        raise GramError(
            f"The image {str(source)!r} cannot be read ({error}); "
            "give a complete JPEG, PNG or WebP file."
        ) from error


def _from_array(array: np.ndarray) -> Image.Image:
    if array.ndim not in (2, 3) or array.shape[2:] not in ((), (3,), (4,)) or not array.size:
        raise GramError(
            f"An array of shape {array.shape} is no picture; "
            "give (height, width), or (height, width, 3 or 4)."
        )
    if array.dtype.kind in "fb":
        array = np.clip(np.nan_to_num(array.astype(np.float32)) * 255, 0, 255).round()
    elif array.dtype != np.uint8:
        raise GramError(
            f"An array of {array.dtype} is no picture; give uint8 from 0 to 255, or floats from 0 "
            "to 1."
        )
    return Image.fromarray(array.astype(np.uint8))


@dataclass(frozen=True, eq=False)
class ImageBank:
    """Images by row: `pixels` `(n, 3, H, W)` uint8 and image features `(n, e)`, normalised.

    Methods that leave the image tower as it is read the features, methods with visual tokens the
    pixels; a bank may hold one of the two. Both may be memory-mapped (`torch.from_numpy`).
    """

    pixels: Tensor | None = None
    features: Tensor | None = None

    def __post_init__(self) -> None:
        if self.pixels is None and self.features is None:
            raise GramError("An image bank needs pixels or features; it was given neither.")
        if self.pixels is not None and (self.pixels.ndim != 4 or self.pixels.dtype != torch.uint8):
            raise GramError(
                f"Pixels have to be uint8 (n, 3, H, W), not {self.pixels.dtype} of shape "
                f"{tuple(self.pixels.shape)}; make them with Backbone.pixels."
            )
        if len(set(self._lengths())) > 1:
            images, features = self._lengths()
            raise GramError(
                f"A bank of {images} images cannot have {features} features; give one row an image."
            )

    def __len__(self) -> int:
        return self._lengths()[0]

    def _lengths(self) -> list[int]:
        return [len(rows) for rows in (self.pixels, self.features) if rows is not None]

    @classmethod
    def of(cls, backbone: Backbone, images: Tensor | Sequence[Any]) -> ImageBank:
        """A bank with pixels and features of uint8 pixels `(n, 3, H, W)` or of a list of pictures.

        A picture is a path, a PIL image or an array. Raises GramError for an unreadable one.
        """
        if not isinstance(images, Tensor):
            images = backbone.pixels([open_image(image) for image in images])
        return cls(images, backbone.encode_images(images))
