"""Every form in which people have pairs gives the same six squares."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from gram_core.corpus import Corpus
from gram_core.corpus.readers import Wishes, open_source
from gram_core.errors import GramError
from gram_core.workspace import Workspace

Encode = Callable[..., bytes]
TakeIn = Callable[..., Corpus]
Problems = Callable[..., dict[str, str]]
Check = Callable[[Corpus], None]
NAMES = ["red", "green", "blue", "yellow", "purple", "orange"]


def add_member(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def test_missing_columns_are_named_with_those_that_are_there(
    squares: Path, take_in: TakeIn, check_squares: Check
) -> None:
    table = (squares / "captions.csv").read_text()
    (squares / "captions.csv").write_text(table.replace("filepath,caption", "bild,wort", 1))
    with pytest.raises(GramError, match=r"no picture column: it has 'bild', 'wort'; wanted is im"):
        take_in(squares)
    with pytest.raises(GramError, match=r"no caption column.*wanted is caption or "):
        take_in(squares, image_column="bild")
    with pytest.raises(GramError, match=r"no caption column.*wanted is words;"):
        take_in(squares, image_column="bild", caption_column="words")
    check_squares(take_in(squares, image_column="bild", caption_column="Wort"))


@pytest.mark.parametrize(
    ("name", "head", "mark", "coding"),
    [
        ("captions.csv", ("Image", "Text"), ";", "utf-8-sig"),
        ("metadata.tsv", ("file_name", "title"), "\t", "utf-8"),
        ("pairs.csv", ("path", "sentence"), ",", "utf-8"),
        ("pairs.csv", ("image_name", "caption"), "|", "utf-8"),
    ],
)
def test_tables_of_other_habits(
    squares: Path,
    take_in: TakeIn,
    check_squares: Check,
    name: str,
    head: tuple[str, str],
    mark: str,
    coding: str,
) -> None:
    (squares / "captions.csv").unlink()
    rows = [head, *((f"images/{colour}.png", f"a {colour} square") for colour in NAMES)]
    (squares / name).write_text("\n".join(mark.join(row) for row in rows), encoding=coding)
    check_squares(take_in(squares))


def test_lines_of_json_of_which_one_is_none(
    squares: Path, take_in: TakeIn, problems: Problems, check_squares: Check
) -> None:
    rows: list[dict[str, Any]] = [
        {"image": f"images/{name}.png", "caption": [f"a {name}  square\n"]} for name in NAMES
    ]
    path = squares / "pairs.jsonl"
    path.write_text('{"image": \n\n[1]\n' + "\n".join(map(json.dumps, rows)))
    check_squares(take_in(path))
    assert problems() == {
        "pairs.jsonl line 1": "the line is no JSON object",
        "pairs.jsonl line 3": "the line is no JSON object",
    }
    path.write_text('{"image": ')
    with pytest.raises(GramError, match=r"pairs\.jsonl cannot be read as a table"):
        take_in(path, "other")


def test_tables_without_rows_and_of_another_coding_are_refused(
    squares: Path, take_in: TakeIn
) -> None:
    table = squares / "captions.csv"
    table.write_text("filepath,caption\n")
    with pytest.raises(GramError, match="has no rows"):
        take_in(squares)
    table.write_text("filepath,caption\na.png,b\n", encoding="utf-16")
    with pytest.raises(GramError, match="is UTF-16 text; save it as UTF-8"):
        take_in(squares)
    table.write_bytes("filepath,caption\na.png,grün\n".encode("latin-1"))
    with pytest.raises(GramError, match=r"the text is not UTF-8 \(1\)"):
        take_in(squares)


def addresses(squares: Path) -> list[str]:
    return [f"https://example.org/{name}/photo%20{name}.png?size=3" for name in NAMES]


@pytest.mark.parametrize("naming", ["address", "number", "digits"])
def test_a_table_of_addresses_finds_what_was_downloaded(
    squares: Path, take_in: TakeIn, problems: Problems, check_squares: Check, naming: str
) -> None:
    (squares / "captions.csv").unlink()
    for row, name in enumerate(NAMES):
        file = {"address": f"photo {name}.png", "number": f"{row}.jpg", "digits": f"{row:09d}.png"}
        (squares / "images" / f"{name}.png").rename(squares / "images" / file[naming])
    lines = [f"a {name} square\t{url}" for name, url in zip(NAMES, addresses(squares), strict=True)]
    quotes = 'he said "no\thttps://example.org/x.png'
    (squares / "train.tsv").write_text("\n".join([*lines, quotes]))
    check_squares(take_in(squares))
    assert problems() == {"https://example.org/x.png": "the picture was not downloaded"}


def test_an_address_with_two_files_gives_no_pair(
    squares: Path, take_in: TakeIn, problems: Problems
) -> None:
    (squares / "captions.csv").write_text(
        "a red square,https://example.org/red.png\na blue one,https://example.org/blue.png\n"
    )
    (squares / "1.png").write_bytes((squares / "images" / "green.png").read_bytes())
    assert take_in(squares).captions == ["a red square"]
    assert list(problems().values()) == ["several files may be the picture of the address"]


def test_the_report_of_a_downloader(
    squares: Path, tmp_path: Path, take_in: TakeIn, problems: Problems, check_squares: Check
) -> None:
    rows = [
        f"a {name} square\t{url}\timages/{name}.png\t200.0"
        for name, url in zip(NAMES, addresses(squares), strict=True)
    ]
    gone = "a pink square\thttps://example.org/pink.png"
    lost = [f"{gone}\timages/red.png\t404", f"{gone}\t\t200", f"{gone}\timages/pink.png\t200"]
    report = tmp_path / "elsewhere" / "report.tsv"
    report.parent.mkdir()
    report.write_text("\n".join(["caption\turl\tfile\tstatus", *lost, *rows]))
    check_squares(take_in(report, pictures=str(squares)))
    assert set(problems().values()) == {"the picture was not downloaded"}
    with pytest.raises(GramError, match="is no folder"):
        take_in(report, "other", pictures=str(squares / "no"))


def test_titles_and_file_paths(squares: Path, take_in: TakeIn, check_squares: Check) -> None:
    rows = [f'"a {name}\tsquare"\timages/{name}.png' for name in NAMES]
    (squares / "captions.tsv").write_text("\n".join(["title\tfilepath", *rows]))
    (squares / "captions.csv").unlink()
    check_squares(take_in(squares))


@pytest.mark.parametrize("kind", ["bytes", "struct", "path"])
def test_parquet_with_pictures_inside_or_named(
    squares: Path, take_in: TakeIn, check_squares: Check, encode: Encode, kind: str
) -> None:
    def value(name: str) -> Any:
        if kind == "bytes":
            return encode(name)
        data = encode(name) if kind == "struct" else None
        return {"bytes": data, "path": f"images/{name}.png"}

    (squares / "captions.csv").unlink()
    for shard, names in enumerate((NAMES[:4], NAMES[4:])):
        columns = {
            "image": [value(name) for name in names],
            "text": [f"a {n} square" for n in names],
        }
        parquet.write_table(pa.table(columns), squares / f"{shard}.parquet")
    check_squares(take_in(squares))


def test_parquet_without_the_columns(take_in: TakeIn, tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a": [1]}), tmp_path / "x.parquet")
    with pytest.raises(GramError, match="no picture column: it has 'a'"):
        take_in(tmp_path / "x.parquet")
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    with pytest.raises(GramError, match=r"x\.parquet cannot be read as Parquet .*make it anew"):
        take_in(tmp_path / "x.parquet")


def test_each_parquet_file_has_columns_of_its_own(
    take_in: TakeIn, tmp_path: Path, encode: Encode, check_squares: Check
) -> None:
    (tmp_path / "shards").mkdir()
    for names, picture, words in ((NAMES[:4], "image", "caption"), (NAMES[4:], "jpg", "text")):
        columns = {
            "number": range(len(names)),
            words: [f"a {name} square" for name in names],
            picture: [encode(name) for name in names],
        }
        parquet.write_table(pa.table(columns), tmp_path / "shards" / f"{picture}.parquet")
    check_squares(take_in(tmp_path / "shards"))
    parquet.write_table(pa.table({"image": [b""]}), tmp_path / "shards" / "last.parquet")
    with pytest.raises(GramError, match=r"last\.parquet has no caption column: it has 'image'"):
        take_in(tmp_path / "shards", "other")


@pytest.mark.parametrize("packing", ["snappy", "none"])
def test_a_damaged_parquet_file_is_named(
    workspace: Workspace, take_in: TakeIn, tmp_path: Path, encode: Encode, packing: str
) -> None:
    path = tmp_path / "x.parquet"
    columns = {"image": [encode(name) for name in NAMES], "caption": ["a bright square"] * 6}
    parquet.write_table(pa.table(columns), path, compression=packing, use_dictionary=False)
    page = parquet.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset
    data = bytearray(path.read_bytes())
    data[page + 40 : page + 60] = b"\xff" * 20
    path.write_bytes(data)
    with pytest.raises(GramError, match=r"x\.parquet cannot be read as Parquet .*make it anew"):
        take_in(path)
    assert list((workspace.root / "corpora").iterdir()) == []


def test_webdataset_shards(
    take_in: TakeIn, tmp_path: Path, encode: Encode, check_squares: Check
) -> None:
    (tmp_path / "shards").mkdir()
    for shard, names in enumerate((NAMES[:4], NAMES[4:])):
        with tarfile.open(tmp_path / "shards" / f"{shard:05d}.tar", "w") as archive:
            for name in names:
                in_json = name == "blue"
                words = json.dumps({"caption": f"a {name} square"}).encode()
                add_member(archive, f"../{name}.png", encode(name))
                add_member(archive, f"../{name}.mask.png", encode("black"))
                add_member(
                    archive, f"../{name}.txt", b"" if in_json else f"a {name} square".encode()
                )
                add_member(archive, f"../{name}.json", words)
                add_member(archive, f"../{name}.cls", b"7")
        report = pa.table({"url": ["x"], "caption": ["y"], "status": ["success"]})
        parquet.write_table(report, tmp_path / "shards" / f"{shard:05d}.parquet")
        (tmp_path / "shards" / f"{shard:05d}_stats.json").write_text("{}")
    check_squares(take_in(tmp_path / "shards"))
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize("packing", ["", "gz", "bz2", "xz"])
@pytest.mark.parametrize("harm", ["cut", "gap"])
def test_a_damaged_shard_costs_its_rest_alone(
    tmp_path: Path,
    take_in: TakeIn,
    problems: Problems,
    encode: Encode,
    packing: str,
    harm: str,
) -> None:
    path = tmp_path / "shards" / "00000.tar"
    path.parent.mkdir()
    with tarfile.open(path, f"w:{packing}") as archive:  # type: ignore[call-overload]
        for name in NAMES[:3]:
            add_member(archive, f"{name}.txt", f"a {name} square".encode())
            add_member(
                archive, f"{name}.png", encode(name, (200, 200)).ljust(30_000, name[0].encode())
            )
    data = path.read_bytes()
    half = len(data) // 2
    path.write_bytes(data[:half] + (b"" if harm == "cut" else data[half + 700 :]))
    with tarfile.open(tmp_path / "shards" / "00001.tar", "w") as archive:
        for name in NAMES[3:]:
            add_member(archive, f"{name}.txt", f"a {name} square".encode())
            add_member(archive, f"{name}.png", encode(name))
    corpus = take_in(path.parent)
    assert corpus.captions[-3:] == [f"a {name} square" for name in NAMES[3:]]
    damage = problems()["00000.tar"]
    assert damage.startswith("the shard is damaged from byte ")
    if not packing:  # the first pair is whole; the second one's picture lies across the harm
        assert corpus.captions[0] == "a red square"
        at = int(damage.split()[-2])
        assert at == (31_744 + 1024 if harm == "cut" else 2 * 31_744)


def test_coco_captions_are_all_kept(
    squares: Path, tmp_path: Path, take_in: TakeIn, problems: Problems
) -> None:
    images = [{"id": 7 * row, "file_name": f"{name}.png"} for row, name in enumerate(NAMES)]
    notes = [
        {"image_id": 7 * row, "caption": words.format(name)}
        for words in ("a {} square", "something \n {}")
        for row, name in enumerate(NAMES[:5])
    ]
    content = json.dumps({"images": images, "annotations": notes})
    beside = squares / "captions_train.json", squares / "images"
    above = squares / "annotations" / "captions_split.json", squares / "split"
    for name, (path, pictures) in {"beside": beside, "above": above}.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        (squares / "images").rename(pictures)
        corpus = take_in(path, name)
        assert corpus.captions == [f"a {colour} square\nsomething {colour}" for colour in NAMES[:5]]
        assert problems(name) == {"orange.png": "the text is empty"}
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text(content)
    first = take_in(elsewhere, pictures=str(squares / "split"), captions="first")
    assert first.captions == [f"a {name} square" for name in NAMES[:5]]


def test_pictures_with_texts_beside_them(
    squares: Path, take_in: TakeIn, problems: Problems
) -> None:
    (squares / "captions.csv").unlink()
    for name in NAMES[1:]:
        (squares / "images" / f"{name}.txt").write_text(f"a {name} square\n")
    (squares / "images" / "blue.txt").write_bytes(b"\xff\xfe")
    corpus = take_in(squares)
    kept = sorted(set(NAMES) - {"red", "blue"})
    assert corpus.captions == [f"a {name} square" for name in kept]
    wanted = {"images/red.png": "the text is empty", "images/blue.png": "the text is not UTF-8"}
    assert problems() == wanted


def test_names_of_folders_are_captions(tmp_path: Path, take_in: TakeIn, encode: Encode) -> None:
    for name in NAMES:
        (tmp_path / "classes" / f"very_{name}").mkdir(parents=True)
        (tmp_path / "classes" / f"very_{name}" / "1.png").write_bytes(encode(name))
    assert take_in(tmp_path / "classes").captions == [f"very {name}" for name in sorted(NAMES)]


@pytest.mark.parametrize("name", ["absent", "notes.docx", "empty"])
def test_what_has_no_known_form_is_told_which_there_are(
    take_in: TakeIn, tmp_path: Path, name: str
) -> None:
    (tmp_path / "notes.docx").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(GramError, match=r"a CSV, TSV or JSONL table with a column"):
        take_in(tmp_path / name)


def test_skipped_records_are_those_that_would_have_come_first(
    squares: Path, tmp_path: Path, encode: Encode
) -> None:
    columns = {"image": [encode(name) for name in NAMES], "caption": NAMES}
    parquet.write_table(pa.table(columns), tmp_path / "x.parquet", row_group_size=4)
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name in NAMES:
            add_member(archive, f"{name}.png", encode(name))
    for path in (tmp_path / "x.parquet", tmp_path / "x.tar", squares, squares / "images" / ".."):
        source = open_source(path, Wishes())
        every = [(record.source, tuple(record.captions())) for record in source.records(0)]
        assert len(every) == 6
        for skip in range(8):
            rest = [(record.source, tuple(record.captions())) for record in source.records(skip)]
            assert rest == every[skip:]


def test_a_tar_with_five_per_cent_of_broken_members_is_reported_exactly(
    tmp_path: Path, take_in: TakeIn, problems: Problems, encode: Encode
) -> None:
    whole = encode("red", (60, 60), "JPEG")
    broken: dict[int, tuple[dict[str, bytes], str]] = {
        3: ({"jpg": whole[: len(whole) // 2], "txt": b"x"}, "the picture cannot be read"),
        30: ({"jpg": b"", "txt": b"x"}, "the picture cannot be read"),
        31: ({"jpg": b"<html>404</html>", "txt": b"x"}, "the picture cannot be read"),
        64: ({"txt": b"x"}, "the picture is missing"),
        77: ({"jpg": whole}, "the text is empty"),
        101: ({"jpg": whole, "txt": b" \n"}, "the text is empty"),
        102: ({"jpg": whole, "txt": b"gr\xfcn"}, "the text is not UTF-8"),
        140: ({"jpg": whole, "json": b'{"caption": null}'}, "the text is empty"),
        170: ({"jpg": encode((7, 0, 0)), "txt": b"x"}, "the picture was there before"),
        199: (
            {"jpg": encode("red", (1, 200)), "txt": b"x"},
            "the picture is far too long or too narrow",
        ),
    }
    with tarfile.open(tmp_path / "00000.tar", "w") as archive:
        for number in range(200):
            good = {"jpg": encode((number, 0, 0)), "txt": f"number {number}".encode()}
            for kind, data in broken.get(number, (good, ""))[0].items():
                add_member(archive, f"{number:09d}.{kind}", data)
    corpus = take_in(tmp_path / "00000.tar", max_bad=0.05)
    assert problems() == {
        f"00000.tar/{number:09d}": reason for number, (_, reason) in broken.items()
    }
    assert corpus.captions == [f"number {number}" for number in range(200) if number not in broken]
