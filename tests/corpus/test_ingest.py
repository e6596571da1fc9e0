"""Good pairs become a corpus; bad ones are listed with their reason, and nothing is hidden."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from gram_core.corpus import Corpus, IngestConfig, ingest, open_corpus
from gram_core.errors import GramError
from gram_core.events import finish
from gram_core.workspace import Workspace

Encode = Callable[..., bytes]
TakeIn = Callable[..., Corpus]
Problems = Callable[..., dict[str, str]]
Check = Callable[[Corpus], None]


def test_a_folder_with_a_table_becomes_a_corpus(
    squares: Path, workspace: Workspace, take_in: TakeIn, problems: Problems, check_squares: Check
) -> None:
    check_squares(take_in(squares))
    assert problems() == {}
    about = workspace.get("corpora", "squares").about
    assert (about["pairs"], about["problems"]) == (6, 0)
    check_squares(open_corpus(workspace, "squares"))


def test_duckdb_finds_the_pairs_and_their_sizes(
    squares: Path, workspace: Workspace, take_in: TakeIn
) -> None:
    [file] = take_in(squares).files
    sql = "SELECT id, source FROM read_parquet(?) WHERE caption LIKE '%blue%' AND width = 40"
    assert workspace.query(sql, [str(file)]).values.tolist() == [[2, "images/blue.png"]]


def test_progress_ends_with_the_corpus(squares: Path, workspace: Workspace) -> None:
    events = list(ingest(squares, workspace, "squares"))
    assert [event.kind for event in events] == ["progress", "result"]
    assert (events[0].step, events[0].total) == (6, 6)
    assert "6 pairs" in events[-1].message


def test_every_bad_record_is_listed_with_its_reason(
    squares: Path,
    workspace: Workspace,
    encode: Encode,
    problems: Problems,
    check_squares: Check,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = encode("pink", (300, 300))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500_000)
    (squares / "cut.png").write_bytes(good[: len(good) // 2])
    (squares / "words.jpg").write_text("no picture")
    (squares / "nothing.png").touch()
    (squares / "bomb.png").write_bytes(encode("red", (1000, 1000)))
    (squares / "line.png").write_bytes(encode("red", (1, 300)))
    with (squares / "huge.png").open("wb") as file:
        file.truncate(100_000_001)
    (squares / "same.png").write_bytes((squares / "images" / "red.png").read_bytes())
    (squares.parent / "outside.png").write_bytes(good)
    (squares / "link.png").symlink_to(squares.parent / "outside.png")
    with (squares / "captions.csv").open("ab") as table:
        table.write(
            "missing.png,a missing one\n"
            "cut.png,a cut one\n"
            "words.jpg,a text\n"
            "nothing.png,an empty one\n"
            "bomb.png,a bomb\n"
            "line.png,a line\n"
            "huge.png,a huge one\n"
            "../outside.png,a stranger\n"
            f"{squares.parent / 'outside.png'},a stranger by its whole name\n"
            "link.png,a stranger by a link\n"
            "images,a folder\n"
            "same.png,the first again\n"
            ",no picture\n"
            "images/red.png,\n"
            "images/blue.png,   \n"
            "images/green.png\n"
            "images/orange.png,a cat, which sits\n"
            "images/yellow.png,gr\udcfcn\n".encode(errors="surrogateescape")
        )
    events = list(ingest(squares, workspace, "squares", IngestConfig(max_bad=0.8)))
    check_squares(events[-1].result)
    missing = f"the picture is not in {squares}"
    outside = f"the picture lies outside {squares}"
    assert problems() == {
        "missing.png": missing,
        "cut.png": "the picture cannot be read",
        "words.jpg": "the picture cannot be read",
        "nothing.png": "the picture cannot be read",
        "bomb.png": "the picture has too many pixels",
        "line.png": "the picture is far too long or too narrow",
        "huge.png": "the picture's file is too large",
        "../outside.png": outside,
        str(squares.parent / "outside.png"): outside,
        "link.png": outside,
        "images": missing,
        "same.png": "the picture was there before",
        "captions.csv line 20": "no picture is named",
        "images/red.png": "the text is empty",
        "images/blue.png": "the text is empty",
        "images/green.png": "the text is empty",
        "captions.csv line 24": "the row has more fields than there are columns",
        "images/yellow.png": "the text is not UTF-8",
    }
    assert workspace.get("corpora", "squares").about["reasons"][outside] == 3
    assert f"{outside} (3)" in events[-1].message


def test_pictures_of_every_kind_come_out_plain(
    workspace: Workspace, tmp_path: Path, encode: Encode, take_in: TakeIn
) -> None:
    folder = tmp_path / "kinds" / "kind"
    folder.mkdir(parents=True)
    (folder / "a.gif").write_bytes(encode("red", format="GIF", mode="P"))
    (folder / "b.jpg").write_bytes(encode("green", format="JPEG", mode="CMYK"))
    grey = io.BytesIO()
    Image.fromarray(np.full((30, 40), 40_000, np.uint16)).save(grey, "PNG")
    (folder / "c.png").write_bytes(grey.getvalue())
    corpus = take_in(folder.parent)
    colours = [np.asarray(corpus.image(pair))[5, 5].astype(int) for pair in range(3)]
    assert np.abs(np.array(colours) - [(255, 0, 0), (0, 128, 0), (156, 156, 156)]).max() <= 3


def test_without_a_good_pair_nothing_is_made(
    squares: Path, workspace: Workspace, take_in: TakeIn
) -> None:
    for picture in (squares / "images").iterdir():
        picture.unlink()
    wanted = (
        rf"no pair that can be used: the picture is not in {squares} \(6\); every pair needs .*"
        "add what is missing, or correct the names"
    )
    with pytest.raises(GramError, match=wanted):
        take_in(squares)
    assert list((workspace.root / "corpora").iterdir()) == []


def test_too_many_bad_records_stop_with_a_report(
    squares: Path, workspace: Workspace, encode: Encode, take_in: TakeIn
) -> None:
    with (squares / "captions.csv").open("a") as table:
        table.writelines(f"none-{number}.png,none\n" for number in range(300))
    with pytest.raises(GramError, match=r"of the first 256 records .* the share of 0\.9") as caught:
        take_in(squares, max_bad=0.9)
    message = str(caught.value)
    assert f"the picture is not in {squares} (250); the first are none-0.png, none-1.png" in message
    listed = workspace.root / "cache" / "corpora" / "problems-squares.csv"
    assert str(listed) in message
    with listed.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert (len(rows), rows[0]["row"], rows[-1]["source"]) == (250, "6", "none-249.png")
    assert list((workspace.root / "corpora").iterdir()) == []
    assert len(take_in(squares, max_bad=0.99)) == 6
    for picture in range(200):  # repeated pictures are no bad ones
        (squares / f"none-{picture}.png").write_bytes(encode("red"))
    assert len(take_in(squares, "again", max_bad=0.5)) == 6


@pytest.mark.parametrize("name", ["bundled", "../x", "A b"])
def test_names_that_cannot_be_given(squares: Path, take_in: TakeIn, name: str) -> None:
    with pytest.raises(GramError, match="name"):
        take_in(squares, name)


def test_a_name_is_given_once(squares: Path, take_in: TakeIn) -> None:
    take_in(squares)
    with pytest.raises(GramError, match="already a corpus 'squares'"):
        take_in(squares)


def test_a_limit_stops_early(squares: Path, take_in: TakeIn) -> None:
    assert take_in(squares, limit=2).captions == ["a red square", "a green square"]


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"max_bad": 1.5}, {"captions": "some"}])
def test_options_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(GramError, match=next(iter(wrong))):
        IngestConfig(**wrong)  # type: ignore[arg-type]


def test_a_reference_corpus_points_at_its_pictures(
    squares: Path, workspace: Workspace, encode: Encode, take_in: TakeIn, check_squares: Check
) -> None:
    large = squares / "images" / "red.png"
    large.write_bytes(encode("red", (900, 600)))
    corpus = take_in(squares, copy=False)
    check_squares(corpus)
    assert corpus.image(0).size == (900, 600)
    assert Image.open(io.BytesIO(corpus.image_bytes(0))).size == (192, 128)
    row = parquet.read_table(corpus.files[0]).to_pylist()[0]
    assert (row["file"], row["start"], row["length"]) == (str(large), 0, large.stat().st_size)
    assert (row["width"], row["height"]) == (900, 600)
    large.write_bytes(encode("blue", (900, 600)))
    (squares / "images" / "green.png").unlink()
    with pytest.raises(GramError, match=r"red\.png.* was changed; put it back.* or ingest"):
        corpus.image(0)
    with pytest.raises(GramError, match=r"green\.png, which cannot be read now"):
        corpus.image(1)
    assert len(corpus.image_bytes(1)) > 0  # what is shown is the corpus' own


def test_a_corpus_of_which_a_tar_is_cut_or_gone_is_refused(squares: Path, take_in: TakeIn) -> None:
    corpus = take_in(squares)
    tar = corpus.files[0].with_name("pictures-000000.tar")
    tar.write_bytes(tar.read_bytes()[:600])
    with pytest.raises(GramError, match="is cut short; ingest"):
        corpus.image_bytes(0)
    tar.unlink()
    with pytest.raises(GramError, match=r"cannot be read .*ingest it again"):
        Corpus("squares", corpus.files, corpus.cache).image_bytes(0)


def test_a_corpus_of_the_earlier_layout_stays_readable(
    workspace: Workspace, encode: Encode
) -> None:
    import pyarrow as pa

    columns = {"id": [0, 1], "image": [encode("red"), encode("blue")], "caption": ["r", "b"]}
    with workspace.create("corpora", "old", {"pairs": 2}) as folder:
        parquet.write_table(pa.table(columns), folder / "pairs.parquet")
    corpus = open_corpus(workspace, "old")
    assert corpus.image_bytes(1) == encode("blue")
    assert corpus.image(0).getpixel((0, 0)) == (255, 0, 0)


def test_what_is_being_made_cannot_be_made_twice(squares: Path, workspace: Workspace) -> None:
    events = ingest(squares, workspace, "squares")
    next(events)
    with pytest.raises(GramError, match="is being made by another process"):
        finish(ingest(squares, workspace, "squares"))
    assert len(finish(events)) == 6
