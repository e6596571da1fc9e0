"""Good pairs become a corpus; bad ones are listed with their reason, and nothing is hidden."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from gram_core.corpus import Corpus, ingest, open_corpus
from gram_core.errors import GramError
from gram_core.events import finish
from gram_core.workspace import Workspace

Encode = Callable[..., bytes]
NAMES = ["red", "green", "blue", "yellow", "purple", "orange"]


def taken_in(source: Path, workspace: Workspace, **options: Any) -> Corpus:
    corpus = finish(ingest(source, workspace, "squares", **options))
    assert isinstance(corpus, Corpus)
    return corpus


def colours_of(corpus: Corpus) -> list[tuple[int, ...]]:
    return [tuple(np.asarray(corpus.image(pair))[5, 5].tolist()) for pair in range(len(corpus))]


def problems_of(workspace: Workspace) -> dict[str, str]:
    path = workspace.path("corpora", "squares") / "problems.parquet"
    return {row["source"]: row["reason"] for row in parquet.read_table(path).to_pylist()}


def check_squares(corpus: Corpus) -> None:
    """All six squares are there, each with its own picture and caption."""
    assert corpus.captions == [f"a {name} square" for name in NAMES]
    wanted = [Image.new("RGB", (1, 1), name).getpixel((0, 0)) for name in NAMES]
    assert np.abs(np.array(colours_of(corpus)) - np.array(wanted)).max() <= 2


def test_a_folder_with_a_table_becomes_a_corpus(squares: Path, workspace: Workspace) -> None:
    check_squares(taken_in(squares, workspace))
    assert problems_of(workspace) == {}
    about = workspace.get("corpora", "squares").about
    assert (about["pairs"], about["problems"]) == (6, 0)
    check_squares(open_corpus(workspace, "squares"))


def test_progress_ends_with_the_corpus(squares: Path, workspace: Workspace) -> None:
    events = list(ingest(squares, workspace, "squares"))
    assert [event.kind for event in events] == ["progress", "result"]
    assert (events[0].step, events[0].total) == (6, 6)
    assert "6 pairs" in events[-1].message


def test_every_bad_record_is_listed_with_its_reason(
    squares: Path, workspace: Workspace, encode: Encode
) -> None:
    good = encode("pink", (300, 300))
    (squares / "cut.png").write_bytes(good[: len(good) // 2])
    (squares / "words.jpg").write_text("no picture")
    (squares / "same.png").write_bytes((squares / "images" / "red.png").read_bytes())
    (squares.parent / "outside.png").write_bytes(good)
    (squares / "link.png").symlink_to(squares.parent / "outside.png")
    with (squares / "captions.csv").open("a") as file:
        file.write(
            "missing.png,a missing one\n"
            "cut.png,a cut one\n"
            "words.jpg,a text\n"
            "../outside.png,a stranger\n"
            f"{squares.parent / 'outside.png'},a stranger by its whole name\n"
            "link.png,a stranger by a link\n"
            "images,a folder\n"
            "same.png,the first again\n"
            ",no picture\n"
            "images/red.png,\n"
            "images/blue.png,   \n"
            "images/green.png\n"
        )
    events = list(ingest(squares, workspace, "squares"))
    check_squares(events[-1].result)
    missing = f"the picture is not in {squares}"
    outside = f"the picture lies outside {squares}"
    assert problems_of(workspace) == {
        "missing.png": missing,
        "cut.png": "the picture cannot be read",
        "words.jpg": "the picture cannot be read",
        "../outside.png": outside,
        str(squares.parent / "outside.png"): outside,
        "link.png": outside,
        "images": missing,
        "same.png": "the picture was there before",
        "": "no picture is named",
        "images/red.png": "the text is empty",
        "images/blue.png": "the text is empty",
        "images/green.png": "the text is empty",
    }
    assert workspace.get("corpora", "squares").about["reasons"][outside] == 3
    assert f"{outside} (3)" in events[-1].message


def test_without_a_good_pair_nothing_is_made(squares: Path, workspace: Workspace) -> None:
    for picture in (squares / "images").iterdir():
        picture.unlink()
    wanted = (
        rf"no pair that can be used: the picture is not in {squares} \(6\); every pair needs .*"
        "add what is missing, or correct the names"
    )
    with pytest.raises(GramError, match=wanted):
        taken_in(squares, workspace)
    assert workspace.list("corpora") == []


def test_missing_columns_are_named_with_those_that_are_there(
    squares: Path, workspace: Workspace
) -> None:
    table = (squares / "captions.csv").read_text()
    (squares / "captions.csv").write_text(table.replace("filepath,caption", "bild,wort", 1))
    with pytest.raises(GramError, match=r"no picture column: it has 'bild', 'wort'; wanted is im"):
        taken_in(squares, workspace)
    with pytest.raises(GramError, match=r"no caption column.*wanted is caption or text"):
        taken_in(squares, workspace, image_column="bild")
    with pytest.raises(GramError, match=r"no caption column.*wanted is words;"):
        taken_in(squares, workspace, image_column="bild", caption_column="words")
    check_squares(taken_in(squares, workspace, image_column="bild", caption_column="Wort"))


@pytest.mark.parametrize(
    ("name", "head", "mark", "coding"),
    [
        ("captions.csv", ("Image", "Text"), ";", "utf-8-sig"),
        ("metadata.tsv", ("file_name", "title"), "\t", "utf-8"),
        ("pairs.csv", ("path", "sentence"), ",", "utf-8"),
    ],
)
def test_tables_of_other_habits(
    squares: Path,
    workspace: Workspace,
    name: str,
    head: tuple[str, str],
    mark: str,
    coding: str,
) -> None:
    (squares / "captions.csv").unlink()
    rows = [head, *((f"images/{colour}.png", f"a {colour} square") for colour in NAMES)]
    (squares / name).write_text("\n".join(mark.join(row) for row in rows), encoding=coding)
    check_squares(taken_in(squares, workspace))


def test_lines_of_json(squares: Path, workspace: Workspace) -> None:
    rows = [{"image": f"images/{name}.png", "caption": f"a {name} square"} for name in NAMES]
    path = squares / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    check_squares(taken_in(path, workspace))
    path.write_text('{"image": ')
    with pytest.raises(GramError, match=r"pairs\.jsonl cannot be read as a table"):
        finish(ingest(path, workspace, "other"))


@pytest.mark.parametrize("struct", [False, True])
def test_parquet_with_pictures_inside(
    squares: Path, workspace: Workspace, tmp_path: Path, encode: Encode, struct: bool
) -> None:
    def value(name: str) -> Any:
        return {"bytes": encode(name), "path": f"{name}.png"} if struct else encode(name)

    (tmp_path / "shards").mkdir()
    for shard, names in enumerate((NAMES[:4], NAMES[4:])):
        columns = {
            "image": [value(name) for name in names],
            "text": [f"a {n} square" for n in names],
        }
        parquet.write_table(pa.table(columns), tmp_path / "shards" / f"{shard}.parquet")
    check_squares(taken_in(tmp_path / "shards", workspace))


def test_parquet_without_the_columns(workspace: Workspace, tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    with pytest.raises(GramError, match="no picture column: it has 'a'"):
        taken_in(tmp_path / "x.parquet", workspace)
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    with pytest.raises(GramError, match=r"x\.parquet cannot be read as Parquet .*make it anew"):
        taken_in(tmp_path / "x.parquet", workspace)


def test_each_parquet_file_has_columns_of_its_own(
    workspace: Workspace, tmp_path: Path, encode: Encode
) -> None:
    (tmp_path / "shards").mkdir()
    for names, picture, words in ((NAMES[:4], "image", "caption"), (NAMES[4:], "jpg", "text")):
        columns = {
            "number": range(len(names)),
            words: [f"a {name} square" for name in names],
            picture: [encode(name) for name in names],
        }
        parquet.write_table(pa.table(columns), tmp_path / "shards" / f"{picture}.parquet")
    check_squares(taken_in(tmp_path / "shards", workspace))
    parquet.write_table(pa.table({"image": [b""]}), tmp_path / "shards" / "last.parquet")
    with pytest.raises(GramError, match=r"last\.parquet has no caption column: it has 'image'"):
        finish(ingest(tmp_path / "shards", workspace, "other"))


@pytest.mark.parametrize("packing", ["snappy", "none"])
def test_a_damaged_parquet_file_is_named(
    workspace: Workspace, tmp_path: Path, encode: Encode, packing: str
) -> None:
    path = tmp_path / "x.parquet"
    columns = {"image": [encode(name) for name in NAMES], "caption": ["a bright square"] * 6}
    parquet.write_table(pa.table(columns), path, compression=packing, use_dictionary=False)
    page = parquet.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    data[page + 40 : page + 60] = b"\xff" * 20
    path.write_bytes(data)
    with pytest.raises(GramError, match=r"x\.parquet cannot be read as Parquet .*make it anew"):
        taken_in(path, workspace)
    assert workspace.list("corpora") == []


def test_webdataset_shards(workspace: Workspace, tmp_path: Path, encode: Encode) -> None:
    (tmp_path / "shards").mkdir()
    for shard, names in enumerate((NAMES[:4], NAMES[4:])):
        with tarfile.open(tmp_path / "shards" / f"{shard:05d}.tar", "w") as archive:
            for name in names:
                in_json = name == "blue"
                words = json.dumps({"caption": f"a {name} square"}).encode()
                members = {
                    "png": encode(name),
                    "json" if in_json else "txt": words if in_json else f"a {name} square".encode(),
                    "cls": b"7",
                }
                for suffix, data in members.items():
                    info = tarfile.TarInfo(f"../{name}.{suffix}")
                    info.size = len(data)
                    archive.addfile(info, io.BytesIO(data))
    check_squares(taken_in(tmp_path / "shards", workspace))
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("packing", ["", "gz", "bz2", "xz"])
@pytest.mark.parametrize("harm", ["cut", "gap"])
def test_a_damaged_shard_is_named(
    workspace: Workspace, tmp_path: Path, packing: str, harm: str
) -> None:
    path = tmp_path / "00000.tar"
    content = str(list(range(10_000))).encode()
    with tarfile.open(path, f"w:{packing}") as archive:  # type: ignore[call-overload]
        for number in range(3):
            info = tarfile.TarInfo(f"{number}.png")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(data[:half] + (b"" if harm == "cut" else data[half + 700 :]))
    with pytest.raises(GramError, match=r"00000\.tar cannot be read as tar .*make it anew"):
        taken_in(path, workspace)
    assert workspace.list("corpora") == []


def test_coco_captions_keep_the_first_of_a_picture(squares: Path, workspace: Workspace) -> None:
    images = [{"id": 7 * row, "file_name": f"{name}.png"} for row, name in enumerate(NAMES)]
    notes = [
        {"image_id": 7 * row, "caption": caption}
        for row, name in enumerate(NAMES)
        for caption in (f"a {name} square", f"something {name}")
    ]
    path = squares / "captions_train.json"
    path.write_text(json.dumps({"images": images, "annotations": notes}))
    check_squares(taken_in(path, workspace))
    assert set(problems_of(workspace).values()) == {"the picture was there before"}


def test_pictures_with_texts_beside_them(squares: Path, workspace: Workspace) -> None:
    (squares / "captions.csv").unlink()
    for name in NAMES[1:]:
        (squares / "images" / f"{name}.txt").write_text(f"a {name} square\n")
    corpus = taken_in(squares, workspace)
    assert sorted(corpus.captions) == sorted(f"a {name} square" for name in NAMES[1:])
    assert problems_of(workspace) == {"images/red.png": "the text is empty"}


@pytest.mark.parametrize("name", ["absent", "notes.docx", "empty"])
def test_what_has_no_known_form_is_told_which_there_are(
    workspace: Workspace, tmp_path: Path, name: str
) -> None:
    (tmp_path / "notes.docx").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(GramError, match=r"a CSV, TSV or JSONL table with a column"):
        taken_in(tmp_path / name, workspace)


def test_a_table_of_another_coding_is_refused(squares: Path, workspace: Workspace) -> None:
    (squares / "captions.csv").write_bytes("filepath,caption\na.png,grün\n".encode("latin-1"))
    with pytest.raises(GramError, match="save it as UTF-8"):
        taken_in(squares, workspace)
    (squares / "captions.csv").write_text("filepath,caption\n")
    with pytest.raises(GramError, match="has no rows"):
        taken_in(squares, workspace)


@pytest.mark.parametrize("name", ["bundled", "../x", "A b"])
def test_names_that_cannot_be_given(squares: Path, workspace: Workspace, name: str) -> None:
    with pytest.raises(GramError, match="name"):
        finish(ingest(squares, workspace, name))


def test_a_name_is_given_once(squares: Path, workspace: Workspace) -> None:
    taken_in(squares, workspace)
    with pytest.raises(GramError, match="already a corpus 'squares'"):
        taken_in(squares, workspace)


def test_a_limit_stops_early(squares: Path, workspace: Workspace) -> None:
    assert taken_in(squares, workspace, limit=2).captions == ["a red square", "a green square"]
    with pytest.raises(GramError, match="at least 1"):
        finish(ingest(squares, workspace, "other", limit=0))
