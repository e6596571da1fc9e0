"""Domains are described by what is in their pictures and captions, and by nothing else."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gram_core.hierarchy import Description
from gram_core.hierarchy.descriptions import describe, distinctive_words, in_words, look_at


def encoded(image: Image.Image, format: str = "PNG") -> bytes:
    target = io.BytesIO()
    image.save(target, format)
    return target.getvalue()


def filled(*colours: str, size: tuple[int, int] = (64, 64)) -> bytes:
    """Stripes of equal width, one a colour."""
    image = Image.new("RGB", size)
    width = size[0] // len(colours)
    for number, colour in enumerate(colours):
        image.paste(colour, (number * width, 0, (number + 1) * width, size[1]))
    return encoded(image)


def corpus_of(pictures: Sequence[bytes], captions: Sequence[str] | None = None) -> Any:
    said = list(captions or ["a thing"] * len(pictures))
    return SimpleNamespace(captions=said, image_bytes=pictures.__getitem__)


def at(*degrees: float) -> NDArray[np.float16]:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float16)


def ids(*numbers: int) -> NDArray[np.int64]:
    return np.array(numbers, dtype=np.int64)


def test_central_and_typical_pictures() -> None:
    # the middles are at 11.6 and 90 degrees
    corpus = corpus_of([filled("grey")] * 6)
    features = at(10, 80, 0, 90, 25, 100)
    one, other = describe([ids(0, 2, 4), ids(1, 3, 5)], corpus, features)
    assert one.central == (0, 2, 4)
    assert one.typical == (2, 0, 4)
    assert other.central[0] == 3
    assert other.typical[0] == 5


def test_a_picture_nearer_to_another_middle_is_not_typical() -> None:
    one, _ = describe([ids(0, 1, 2), ids(3)], corpus_of([filled("grey")] * 4), at(0, 10, 70, 90))
    assert set(one.central) == {0, 1, 2}
    assert one.typical == (0, 1)


def test_a_single_domain_has_nothing_to_differ_from() -> None:
    corpus = corpus_of([filled("grey")] * 20, ["night"] * 10 + ["day"] * 10)
    (alone,) = describe([np.arange(20)], corpus, at(*range(20)))
    assert len(alone.central) == 12
    assert alone.typical == alone.central
    assert alone.words == ()


def test_the_rest_of_the_topic_does_not_change_how_a_domain_looks() -> None:
    shades = [filled(f"rgb({2 * n},{255 - 2 * n},99)") for n in range(100)]
    corpus, features = corpus_of(shades), at(*range(100))
    before = describe([np.arange(60), np.arange(60, 100)], corpus, features)[0]
    after = describe([np.arange(80, 100), np.arange(60)], corpus, features)[1]
    for name in ("central", "brightness", "contrast", "saturation", "colours"):
        assert getattr(before, name) == getattr(after, name)


@pytest.mark.parametrize(
    ("colours", "brightness", "contrast", "saturation"),
    [
        (["black"], 0.0, 0.0, 0.0),
        (["white"], 1.0, 0.0, 0.0),
        (["rgb(51,51,51)"], 0.2, 0.0, 0.0),
        (["red"], 0.299, 0.0, 1.0),
        (["black", "white"], 0.5, 0.5, 0.0),
        (["red", "black"], 0.1495, 0.1495, 1.0),  # black has no colour, and says nothing of it
        (["red", "white"], 0.6495, 0.3505, 0.5),
    ],
)
def test_light_and_colour(
    colours: list[str], brightness: float, contrast: float, saturation: float
) -> None:
    looks = look_at([filled(*colours)])
    assert looks.brightness == pytest.approx(brightness, abs=0.005)
    assert looks.contrast == pytest.approx(contrast, abs=0.005)
    assert looks.saturation == pytest.approx(saturation, abs=0.005)


def test_light_and_colour_are_means_over_pictures_of_any_size() -> None:
    small = look_at([filled("black", "white"), filled("red")])
    large = look_at([filled("black", "white", size=(640, 320)), filled("red", size=(90, 300))])
    assert small.brightness == pytest.approx((0.5 + 0.299) / 2, abs=0.005)
    for name in ("brightness", "contrast", "saturation"):
        assert getattr(large, name) == pytest.approx(getattr(small, name), abs=0.02)


def test_the_commonest_colours_come_first() -> None:
    assert look_at([filled("red", "red", "red", "blue")]).colours == ("#ff0000", "#0000ff")
    pictures = [filled("lime")] * 3 + [filled("black")] * 2 + [filled("white")]
    assert look_at(pictures).colours == ("#00ff00", "#000000", "#ffffff")


def test_a_jpeg_in_grey_is_read_too() -> None:
    looks = look_at([encoded(Image.new("L", (500, 300), 204), "JPEG")])
    assert looks.brightness == pytest.approx(0.8, abs=0.01)
    assert looks.colours == ("#cccccc",)


def test_words_by_hand() -> None:
    # of 24 counts: night 6 and 0, bus 6 and 6, day 0 and 6; priors 0.75, 1.5 and 0.75
    own, other = distinctive_words([["a night bus"] * 6, ["day: the bus"] * 6])
    difference = math.log(6.75 / 8.25) - math.log(0.75 / 14.25)
    score = difference / math.sqrt(1 / 6.75 + 1 / 0.75)
    assert own == (("night", pytest.approx(score)),)
    assert other == (("day", pytest.approx(score)),)


def test_a_text_is_one_witness_however_often_it_says_a_word() -> None:
    day = ["day bus"] * 9
    often = distinctive_words([["night bus\nnight, night\nbus at night"] * 9, day])
    assert often == distinctive_words([["night bus"] * 9, day])


def test_a_difference_that_chance_makes_is_none() -> None:
    assert distinctive_words([["night bus", "old bus"], ["day bus", "new bus"]]) == [(), ()]
    assert distinctive_words([["bus"] * 50, ["bus"] * 9]) == [(), ()]
    assert distinctive_words([["?"], ["!"]]) == [(), ()]


def test_words_that_are_never_listed() -> None:
    groups = [["an x photo of the whole bus"] * 20, ["car"] * 20]
    assert [word for word, _ in distinctive_words(groups)[0]] == ["bus"]
    assert [word for word, _ in distinctive_words(groups, ["bus"])[0]] == ["photo"]


def test_equal_scores_go_by_alphabet_and_eight_are_the_most() -> None:
    said = "kilo juliet india hotel golf foxtrot echo delta charlie bravo alpha"
    rest = " ".join(word[::-1] for word in said.split())
    found = distinctive_words([[said] * 30, [rest] * 30])[0]
    assert [word for word, _ in found] == sorted(said.split())[:8]


def test_in_words() -> None:
    plain = Description((), (), (), 0.5, 0.15, 0.3, ())
    assert in_words(plain) == "ordinary light and colour"
    night = Description((), (), (("night", 4.0), ("neon", 3.0)), 0.2, 0.15, 0.05, ())
    assert in_words(night) == "dark, little colour; night, neon"
    poster = Description((), (), (), 0.9, 0.4, 0.8, ())
    assert in_words(poster) == "bright, high contrast, vivid colours"
