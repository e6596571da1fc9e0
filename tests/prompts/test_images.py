from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gram_core.backbones import Backbone
from gram_core.corpus.pictures import prepare_picture
from gram_core.errors import GramError
from gram_core.prompts import ImageBank, open_image


@pytest.fixture
def picture() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_a_picture_is_the_same_however_it_comes(tmp_path: Path, picture: Image.Image) -> None:
    picture.save(tmp_path / "picture.png")
    array = np.asarray(picture)
    forms = (tmp_path / "picture.png", str(tmp_path / "picture.png"), array, array / 255.0)
    for form in forms:
        assert np.array_equal(np.asarray(open_image(form)), array)
    assert open_image(array[..., 0]).mode == "RGB"


def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path, picture: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    picture.save(tmp_path / "turned.jpg", exif=exif)
    assert open_image(tmp_path / "turned.jpg").size == (40, 50)


def kept(path: Path) -> np.ndarray:
    """The picture as a corpus keeps it."""
    return np.asarray(Image.open(io.BytesIO(prepare_picture(path.read_bytes())))).astype(int)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_on_white_as_in_a_corpus(tmp_path: Path, mode: str) -> None:
    clear = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    clear.paste((0, 0, 0, 255), (10, 0, 20, 20))
    clear.convert(mode).save(tmp_path / "clear.png")
    for form in (tmp_path / "clear.png", Image.open(tmp_path / "clear.png"), np.asarray(clear)):
        shown = np.asarray(open_image(form)).astype(int)
        assert shown[:, :10].min() == 255
        assert shown[:, 10:].max() == 0
        assert np.abs(shown - kept(tmp_path / "clear.png")).mean() < 2  # a JPEG's loss


def test_sixteen_bits_are_scaled_as_in_a_corpus(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 400).astype(np.uint16).reshape(20, 20)
    Image.fromarray(ramp).save(tmp_path / "grey.png")
    shown = np.asarray(open_image(tmp_path / "grey.png")).astype(int)
    assert np.abs(shown - (ramp // 256)[..., None]).max() <= 1
    assert np.abs(shown - kept(tmp_path / "grey.png")).mean() < 2


def test_whatever_a_decoder_raises_is_explained(
    tmp_path: Path, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture.save(tmp_path / "picture.tif")

    def fail(*_: object) -> None:
        raise TypeError("an entry of the wrong type")

    monkeypatch.setattr("PIL.TiffImagePlugin.TiffImageFile.load", fail)
    for form in (tmp_path / "picture.tif", Image.open(tmp_path / "picture.tif")):
        with pytest.raises(GramError, match=r"cannot be read \(an entry of the wrong type\); give"):
            open_image(form)


def test_a_huge_picture_is_refused_as_in_a_corpus(
    tmp_path: Path, picture: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture.save(tmp_path / "picture.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 50 - 1)
    with pytest.raises(GramError, match="50 × 40 pixels, and 1999 are the most"):
        open_image(tmp_path / "picture.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40 * 50)
    assert open_image(tmp_path / "picture.png").size == (50, 40)


def test_what_is_no_picture_is_refused(tmp_path: Path, picture: Image.Image) -> None:
    picture.save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:500])
    (tmp_path / "text.jpg").write_text("not a picture")
    for name in ("cut.png", "text.jpg", "missing.png", ""):
        with pytest.raises(GramError, match="cannot be read"):
            open_image(tmp_path / name)
    for array in (np.zeros((3, 4, 5)), np.zeros(3), np.zeros((0, 4)), np.zeros((4, 4), np.uint16)):
        with pytest.raises(GramError, match="is no picture"):
            open_image(array)


def test_bank_of_pictures_is_the_bank_of_their_pixels(
    tiny_backbone: Backbone, picture: Image.Image
) -> None:
    bank = ImageBank.of(tiny_backbone, [picture, np.asarray(picture)])
    assert bank.pixels is not None
    assert bank.features is not None
    assert len(bank) == 2
    again = ImageBank.of(tiny_backbone, bank.pixels)
    assert again.features is not None
    assert torch.equal(bank.features, again.features)
    assert torch.allclose(bank.features.norm(dim=1), torch.ones(2), atol=1e-6)


def test_bank_refuses_what_does_not_fit_together() -> None:
    pixels = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(GramError, match="neither"):
        ImageBank()
    with pytest.raises(GramError, match="uint8"):
        ImageBank(pixels.float())
    with pytest.raises(GramError, match="cannot have 3 features"):
        ImageBank(pixels, torch.zeros(3, 4))
