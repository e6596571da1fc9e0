"""What stands behind the pages without a screen: pictures, drafts, races, the map's points."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from gram_core.errors import GramError
from gram_core.jobs import JOBS
from gram_core.pictures import data_uri
from gram_core.runs import Run
from gram_core.workspace import Workspace
from ui.draft import Draft, hold_out
from ui.pictures import Picture, read_picture
from ui.words import count, duration, escaped
from ui.work import race_work, start_race


def encoded(colour: str = "red", size: tuple[int, int] = (40, 30), format: str = "PNG") -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, colour).save(target, format)
    return target.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes that unpacks to ten thousand million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data",
    [b"", b"no picture at all", encoded()[:60], encoded(format="JPEG")[:300], bomb()],
    ids=["empty", "text", "cut png", "cut jpeg", "bomb"],
)
def test_what_is_no_whole_picture_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(GramError, match=r"holiday\.png"):
        read_picture("holiday.png", data)


def test_a_file_that_is_too_large_is_refused_unread() -> None:
    with pytest.raises(GramError, match="20 MB"):
        read_picture("huge.png", bytes(21 * 2**20))


def test_a_picture_is_kept_small_and_upright() -> None:
    target = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (1200, 600), "blue").save(target, "JPEG", exif=exif)
    picture = read_picture("phone.jpg", target.getvalue())
    with Image.open(io.BytesIO(picture.data)) as image:
        assert image.size == (256, 512)


def test_thumbnails_are_smaller_than_their_pictures() -> None:
    target = io.BytesIO()
    Image.effect_noise((256, 256), 90).convert("RGB").save(target, "PNG")
    assert len(data_uri(target.getvalue(), 64)) < len(target.getvalue()) / 10
    assert data_uri(encoded(), 64).startswith("data:image/png;base64,")


def draft_of(base: dict[str, int], new: dict[str, int]) -> Draft:
    """Classes with so many pictures, all different."""
    draft = Draft()
    for part, classes in ((draft.base, base), (draft.new, new)):
        for name, number in classes.items():
            one = draft.add(part, name)
            for shade in range(number):
                colour = f"#{40 * one.id % 256:02x}{30 * shade % 256:02x}80"
                one.add([Picture(f"{shade}.png", encoded(colour, (32, 32)))])
    return draft


@pytest.mark.parametrize(
    ("base", "new", "words"),
    [
        ({}, {}, "at least two"),
        ({"cat": 2}, {}, "at least two"),
        ({"cat": 2, "dog": 0}, {}, "“dog”"),
        ({"cat": 2, "": 2}, {}, "a name"),
        ({"cat": 2, "CAT ": 2}, {}, "“cat”"),
        ({"cat": 2, "dog": 2}, {"Dog": 1}, "“dog”"),
        ({"cat": 2, "hot dog": 2}, {"hot_dog": 1}, "“hot dog”"),
        ({"cat": 2, "dog": 2}, {"": 1}, "every new class"),
    ],
)
def test_what_is_wrong_with_a_draft_is_said(
    base: dict[str, int], new: dict[str, int], words: str, tmp_path: Path
) -> None:
    draft = draft_of(base, new)
    assert any(words in problem for problem in draft.problems())
    with pytest.raises(GramError):
        start_race(Workspace(tmp_path), draft, "coop", None, 1, 0.3)
    assert Workspace(tmp_path).list("runs") == []


def test_cards_that_were_left_empty_do_no_harm() -> None:
    draft = draft_of({"cat": 2, "dog": 2}, {"bird": 0})
    draft.add(draft.base)
    draft.add(draft.new)
    assert draft.problems() == []
    assert [one.name for one in draft.base_classes()] == ["cat", "dog"]
    assert [one.name for one in draft.new_classes()] == ["bird"]


def test_the_same_picture_is_taken_once() -> None:
    one = Draft().add([])
    picture = Picture("a.png", encoded())
    assert one.add([picture, picture]) == 1
    assert one.add([Picture("b.png", encoded())]) == 0


@pytest.mark.parametrize(("pictures", "held"), [(1, 0), (2, 1), (8, 3), (10, 3)])
def test_pictures_kept_back_leave_something_to_learn_from(pictures: int, held: int) -> None:
    learn, kept = hold_out(pictures, 0.34, seed=0)
    assert len(kept) == held
    assert sorted(learn + kept) == list(range(pictures))
    assert hold_out(pictures, 0.34, seed=0) == (learn, kept)


def test_lengths_of_time_and_numbers_are_said_plainly() -> None:
    assert [duration(seconds) for seconds in (0.4, 59, 125, 601, 3600, 4320)] == [
        "0 s", "59 s", "2 min 5 s", "10 min", "1 h", "1 h 12 min",
    ]  # fmt: skip
    assert escaped("![a](b)_c_.png") == r"!\[a\](b)\_c\_.png"
    assert count(1, "picture") == "1 picture"
    assert count(4318, "picture") == "4,318 pictures"


def test_a_race_measures_every_epoch_and_leaves_a_classifier(
    tmp_path: Path, tiny_backbone_dir: Path
) -> None:
    from gram_core.classifier import PromptedClassifier

    workspace = Workspace(tmp_path)
    draft = draft_of({"cat": 4, "dog": 4}, {"bird": 2, "fish": 2, "boat": 0})
    run = start_race(
        workspace, draft, "coop", None, epochs=3, share=0.25, backbone=str(tiny_backbone_dir)
    )
    job = JOBS.get(run.id)
    assert job is not None
    assert job.wait(120)
    assert run.status()["state"] == "finished", run.status()["message"]
    rows = run.metrics()
    assert 0 <= rows[0]["zero_base"] <= 1
    assert [row["step"] for row in rows if "raw_base" in row] == [0, 1, 2, 3]
    assert all(0 <= row["raw_new"] <= 1 for row in rows if "raw_new" in row)
    classifier = PromptedClassifier.load(workspace.path("classifiers", run.status()["made"]["raw"]))
    assert classifier.backbone.name == str(tiny_backbone_dir)
    assert list(classifier.class_names) == ["cat", "dog", "bird", "fish", "boat"]
    names = [name for name, _ in classifier.predict(Image.new("RGB", (30, 30)), top=5)[0]]
    assert sorted(names) == sorted(classifier.class_names)

    again = list(race_work(workspace)(run))
    assert again[-1].result == run.status()["made"], "a race that is run again replaces its own"


def test_a_race_without_pictures_to_measure_still_learns(
    tmp_path: Path, tiny_backbone_dir: Path
) -> None:
    workspace = Workspace(tmp_path)
    draft = draft_of({"cat": 1, "dog": 1}, {})
    run = start_race(
        workspace, draft, "coop", None, epochs=1, share=0.5, backbone=str(tiny_backbone_dir)
    )
    job = JOBS.get(run.id)
    assert job is not None
    assert job.wait(120)
    assert run.status()["state"] == "finished", run.status()["message"]
    assert not any("raw_base" in row or "zero_base" in row for row in run.metrics())


def test_a_run_of_another_kind_is_not_gone_on_with(tmp_path: Path) -> None:
    from ui.work import resume

    workspace = Workspace(tmp_path)
    with pytest.raises(GramError, match="command line"):
        resume(workspace, Run.create(workspace, "study", {}))
