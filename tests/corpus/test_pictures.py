"""Pictures come out RGB, upright and small, or with a reason why not."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from gram_core.corpus.pictures import prepare_picture
from gram_core.corpus.records import BadRecord

Encode = Callable[..., bytes]


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(prepare_picture(data)))


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_a_small_picture_is_kept_byte_by_byte(encode: Encode, format: str) -> None:
    data = encode("red", format=format)
    assert prepare_picture(data) == data


@pytest.mark.parametrize(
    ("size", "kept"),
    [((900, 600), (384, 256)), ((256, 2000), (131, 1024)), ((300, 300), (256, 256))],
)
def test_a_large_picture_is_made_small_in_proportion(
    encode: Encode, size: tuple[int, int], kept: tuple[int, int]
) -> None:
    for format in ("PNG", "JPEG"):
        assert opened(encode("red", size, format)).size == kept


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "RGBA", "LA"])
def test_every_mode_becomes_rgb(encode: Encode, mode: str) -> None:
    image = opened(encode("white", mode=mode, format="TIFF"))
    assert (image.mode, image.format) == ("RGB", "JPEG")
    assert np.asarray(image).min() > 250


def test_transparency_lies_on_white() -> None:
    target = io.BytesIO()
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(target, "PNG")
    assert np.asarray(opened(target.getvalue())).min() > 250


def test_a_colour_that_stands_for_transparency_is_white() -> None:
    target = io.BytesIO()
    Image.new("RGB", (20, 20), (1, 2, 3)).save(target, "PNG", transparency=(1, 2, 3))
    assert np.asarray(opened(target.getvalue())).min() > 250


def test_sixteen_bits_are_scaled_not_cut() -> None:
    target = io.BytesIO()
    Image.fromarray(np.full((20, 20), 32768, dtype=np.uint16)).save(target, "PNG")
    assert np.abs(np.asarray(opened(target.getvalue())).astype(int) - 128).max() <= 2


def test_a_turned_picture_is_set_upright() -> None:
    image = Image.new("RGB", (40, 20), "red")
    image.paste("blue", (0, 0, 20, 20))  # left half blue
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90 degrees clockwise: the left side is on top
    target = io.BytesIO()
    image.save(target, "JPEG", exif=exif, quality=95)
    upright = opened(target.getvalue())
    assert upright.size == (20, 40)
    top = upright.getpixel((10, 5))
    assert isinstance(top, tuple)
    assert top[2] > 200 > 60 > top[0]


@pytest.mark.parametrize("cut", [10, 200, -1000])
def test_a_truncated_picture_is_refused(encode: Encode, cut: int) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (60, 60, 3), dtype=np.uint8)
    for format in ("PNG", "JPEG"):
        target = io.BytesIO()
        Image.fromarray(noise).save(target, format)
        with pytest.raises(BadRecord, match="cannot be read"):
            prepare_picture(target.getvalue()[:cut])


@pytest.mark.parametrize("data", [b"", b"no picture at all", b"%PDF-1.4", b"<svg></svg>"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(BadRecord, match="cannot be read"):
        prepare_picture(data)


@pytest.mark.parametrize("side", [10_000, 40_000])
def test_a_bomb_is_refused_before_it_unpacks(side: int) -> None:
    # a PNG of a few kB that says it has side x side pixels
    def chunk(name: bytes, body: bytes) -> bytes:
        check = zlib.crc32(name + body)
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1_000_000)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    with pytest.raises(BadRecord, match="too many pixels"):
        prepare_picture(bomb)


def test_the_limit_is_that_of_pil(encode: Encode, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encode("red", (40, 30))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 30 - 1)
    with pytest.raises(BadRecord, match="too many pixels"):
        prepare_picture(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 30)
    assert prepare_picture(data) == data
