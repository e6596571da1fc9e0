"""Photos in every form in which people have them give one and the same corpus."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import webdataset
from pyarrow import parquet

from gram_core.corpus import Corpus

TakeIn = Callable[..., Corpus]
Photos = list[tuple[str, str, bytes]]  # name, caption, picture
COUNT = 40


@pytest.fixture(scope="session")
def photos(real_data: Path) -> Photos:
    with (real_data / "photos" / "captions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:COUNT]
    return [
        (
            Path(row["filepath"]).name,
            row["caption"],
            Path(real_data, "photos", row["filepath"]).read_bytes(),
        )
        for row in rows
    ]


def write_pictures(folder: Path, photos: Photos) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, _, picture in photos:
        (folder / name).write_bytes(picture)
    return folder


def write_csv(folder: Path, photos: Photos, name: str = "captions.csv", mark: str = ",") -> Path:
    write_pictures(folder / "images", photos)
    with (folder / name).open("w", newline="") as file:
        writer = csv.writer(file, delimiter=mark)
        writer.writerow(["filepath", "caption"])
        writer.writerows([f"images/{name}", caption] for name, caption, _ in photos)
    return folder


def write_tsv(folder: Path, photos: Photos) -> Path:
    return write_csv(folder, photos, "pairs.tsv", "\t")


def write_jsonl(folder: Path, photos: Photos) -> Path:
    write_pictures(folder, photos)
    rows = [{"text": caption, "file_name": name} for name, caption, _ in photos]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def write_texts(folder: Path, photos: Photos) -> Path:
    write_pictures(folder, photos)
    for name, caption, _ in photos:
        (folder / name).with_suffix(".txt").write_text(caption)
    return folder


def write_classes(folder: Path, photos: Photos) -> Path:
    for number, photo in enumerate(photos):
        # the order of the classes is that of the photos
        write_pictures(folder / f"{number:02d}" / photo[1].replace(" ", "_"), [photo])
    return folder


def write_shards(folder: Path, photos: Photos) -> Path:
    folder.mkdir()
    for shard in range(2):
        with webdataset.TarWriter(str(folder / f"{shard:05d}.tar")) as writer:
            for name, caption, picture in photos[shard * 25 :][: 25 if shard == 0 else None]:
                key = name.partition(".")[0]
                about = {"caption": caption, "key": key, "status": "success"}
                writer.write({"__key__": key, "jpg": picture, "txt": caption, "json": about})
    return folder


def write_parquet(folder: Path, photos: Photos, kind: str) -> Path:
    write_pictures(folder, photos)
    values = {
        "bytes": [picture for *_, picture in photos],
        "struct": [{"bytes": picture, "path": name} for name, _, picture in photos],
        "path": [name for name, *_ in photos],
    }
    table = pa.table({"image": values[kind], "caption": [caption for _, caption, _ in photos]})
    parquet.write_table(table, folder / "train.parquet", row_group_size=16)
    return folder


def write_coco(folder: Path, photos: Photos) -> Path:
    write_pictures(folder / "val2017", photos)
    images = [{"id": 3 * row, "file_name": name} for row, (name, *_) in enumerate(photos)]
    notes = [{"image_id": 3 * row, "caption": photo[1]} for row, photo in enumerate(photos)]
    path = folder / "annotations" / "captions_val2017.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"images": images, "annotations": notes[::-1]}))
    return path


def write_addresses(folder: Path, photos: Photos) -> Path:
    folder.mkdir()
    for row, (_, _, picture) in enumerate(photos):
        (folder / f"{row:09d}.jpg").write_bytes(picture)
    lines = [f"{caption}\thttps://example.org/{name}" for name, caption, _ in photos]
    (folder / "Train_GCC-training.tsv").write_text("\n".join(lines) + "\n")
    return folder


FORMS: dict[str, Callable[[Path, Photos], Path]] = {
    "tsv": write_tsv,
    "jsonl": write_jsonl,
    "texts": write_texts,
    "classes": write_classes,
    "shards": write_shards,
    "parquet-bytes": lambda folder, photos: write_parquet(folder, photos, "bytes"),
    "parquet-struct": lambda folder, photos: write_parquet(folder, photos, "struct"),
    "parquet-path": lambda folder, photos: write_parquet(folder, photos, "path"),
    "coco": write_coco,
    "addresses": write_addresses,
}


def test_every_form_gives_the_same_corpus(tmp_path: Path, photos: Photos, take_in: TakeIn) -> None:
    def content(corpus: Corpus) -> list[dict[str, object]]:
        columns = ["id", "caption", "digest", "width", "height", "shard", "offset", "size"]
        return list(parquet.read_table(corpus.files[0], columns=columns).to_pylist())

    plain = take_in(write_csv(tmp_path / "csv", photos), "csv")
    assert plain.captions == [caption for _, caption, _ in photos]
    assert len(plain) == COUNT
    for form, write in FORMS.items():
        corpus = take_in(write(tmp_path / form, photos), form)
        assert content(corpus) == content(plain), form
        assert corpus.fingerprint == plain.fingerprint, form
        shutil.rmtree(tmp_path / form)


def test_references_give_the_photos_themselves(
    tmp_path: Path, photos: Photos, take_in: TakeIn
) -> None:
    import numpy as np

    copied = take_in(write_csv(tmp_path / "csv", photos), "copied")
    files = take_in(tmp_path / "csv", "files", copy=False)
    members = take_in(write_shards(tmp_path / "shards", photos), "members", copy=False)
    for pair in (0, COUNT // 2, COUNT - 1):
        wanted = np.asarray(copied.image(pair))
        assert np.array_equal(np.asarray(files.image(pair)), wanted)
        assert np.array_equal(np.asarray(members.image(pair)), wanted)
