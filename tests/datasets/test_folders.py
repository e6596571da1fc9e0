from __future__ import annotations

from pathlib import Path

import pytest

from gram_core.backbones import Backbone
from gram_core.datasets import POOL, TEST, class_names, load_set
from gram_core.errors import GramError
from tests.datasets.conftest import WriteClass


def test_a_folder_becomes_a_set(
    tmp_path: Path, write_class: WriteClass, tiny_backbone: Backbone
) -> None:
    for name, count in (("Zebra", 4), ("ant", 6), ("passenger__car", 5)):
        write_class(name, count)
    (tmp_path / "notes.txt").write_text("not a class")
    (tmp_path / ".cache").mkdir()

    found = load_set(tmp_path, tiny_backbone)

    assert found.classes == class_names(tmp_path) == ("ant", "passenger car", "Zebra")
    assert [int((found.labels == label).sum()) for label in range(3)] == [6, 5, 4]
    assert found.bank.pixels is not None
    assert len(found.bank) == len(found.labels) == 15
    assert found.problems == ()


def test_without_a_test_folder_part_of_each_class_is_held_out_the_same_every_time(
    tmp_path: Path, write_class: WriteClass, tiny_backbone: Backbone
) -> None:
    write_class("ant", 8)
    write_class("bee", 4)
    write_class("cow", 1)

    found = load_set(tmp_path, tiny_backbone, test_share=0.25)
    again = load_set(tmp_path, tiny_backbone, test_share=0.25)

    held_out = [len(found.rows(TEST, [label])) for label in range(3)]
    assert held_out == [2, 1, 0]
    assert (found.splits == again.splits).all()


def test_train_and_test_folders_are_the_splits(
    tmp_path: Path, write_class: WriteClass, tiny_backbone: Backbone
) -> None:
    for split, counts in (("train", (3, 2)), ("test", (1, 2))):
        for name, count in zip(("ant", "bee"), counts, strict=True):
            write_class(f"{split}/{name}", count)

    found = load_set(tmp_path, tiny_backbone)

    assert found.classes == ("ant", "bee")
    assert [len(found.rows(POOL, [label])) for label in range(2)] == [3, 2]
    assert [len(found.rows(TEST, [label])) for label in range(2)] == [1, 2]


def test_a_folder_called_train_with_pictures_in_it_is_a_class(
    tmp_path: Path, write_class: WriteClass, tiny_backbone: Backbone
) -> None:
    write_class("train", 2)
    write_class("bus", 2)

    assert load_set(tmp_path, tiny_backbone).classes == ("bus", "train")


def test_an_unreadable_picture_is_left_out_and_listed(
    tmp_path: Path, write_class: WriteClass, tiny_backbone: Backbone
) -> None:
    ant = write_class("ant", 3)
    write_class("bee", 3)
    (ant / "broken.jpg").write_bytes(b"not a picture at all")
    (ant / "00.png").write_bytes((ant / "00.png").read_bytes()[:200])

    found = load_set(tmp_path, tiny_backbone)

    assert sorted(Path(problem.path).name for problem in found.problems) == ["00.png", "broken.jpg"]
    assert all("ant" in problem.reason for problem in found.problems)
    assert [int((found.labels == label).sum()) for label in range(2)] == [2, 3]


def test_a_class_that_cannot_be_tested_is_listed(
    tmp_path: Path, write_class: WriteClass, tiny_backbone: Backbone
) -> None:
    for place in ("train/ant", "train/bee", "test/ant"):
        write_class(place, 2)

    (problem,) = load_set(tmp_path, tiny_backbone).problems

    assert "bee" in problem.path
    assert "not tested" in problem.reason


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"ant": 2}, "1 class folder"),
        ({}, "0 class folder"),
        ({"ant": 2, "bee": 0}, "'bee'.*holds no images"),
        ({"ant": 2, "Guinea_Pig": 2, "guinea pig": 2}, "two classes of one name"),
        ({"train/ant": 2, "train/bee": 2, "test/ant": 1, "test/cow": 1}, "'cow'.*holds no images"),
    ],
)
def test_folders_that_cannot_be_learned_from_are_refused(
    tmp_path: Path,
    write_class: WriteClass,
    tiny_backbone: Backbone,
    classes: dict[str, int],
    message: str,
) -> None:
    for name, count in classes.items():
        write_class(name, count)

    with pytest.raises(GramError, match=message):
        load_set(tmp_path, tiny_backbone)


def test_a_class_whose_pictures_are_all_broken_is_refused(
    tmp_path: Path, write_class: WriteClass, tiny_backbone: Backbone
) -> None:
    write_class("ant", 2)
    (write_class("bee", 0) / "a.png").write_bytes(b"\x89PNG broken")

    with pytest.raises(GramError, match="none of its 1 images can be read"):
        load_set(tmp_path, tiny_backbone)


def test_an_unknown_name_is_refused(tiny_backbone: Backbone) -> None:
    with pytest.raises(GramError, match="neither a bundled set"):
        load_set("no-such-set", tiny_backbone)
