"""Synthetic pairs by the hundred thousand: small pictures and captions with topics to be found.

A thing has a shape and a hue, a setting has a background and a grain; the caption names both. The
same number gives the same pair.
"""

from __future__ import annotations

import io
import json
import secrets
import shutil
import tarfile
from colorsys import hsv_to_rgb
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIDE = 64
SHARD = 10_000  # pairs of a tar file, as img2dataset writes them

THINGS = (
    "airplane apple arrow axe backpack badge ball balloon banana barn barrel basket bat bear "
    "bed beetle bell bench bicycle bird boat bone book boot bottle bowl bread bridge broom "
    "brush bucket burger bus butterfly button cabbage cactus cake camel camera candle cannon "
    "canoe car carpet carrot castle cat chain chair cheese cherry chest chicken church clock "
    "cloud coat coffee coin comb compass cookie corn cow crab crane crown cup curtain desk "
    "diamond dog doll dolphin donkey door dragon dress drum duck eagle egg elephant engine "
    "envelope fan feather fence ferry fish flag flower flute fork fox frog garlic ghost giraffe "
    "glove goat goose grape guitar hammer hat hedgehog helmet hen horse house iron island "
    "jacket jar jellyfish kangaroo kettle key kite knife koala ladder lamp leaf lemon "
    "lighthouse lion lizard lobster lock magnet map mask melon mirror mitten monkey moon moose "
    "mountain mouse mushroom nail needle nest onion orange owl paddle panda parrot peach pear "
    "pencil penguin piano pig pillow pineapple pipe pizza plate plum pumpkin puzzle rabbit "
    "radio rake ring robot rocket rope rose sandal saw scarf scissors shark sheep shell ship "
    "shirt shoe shovel skirt sled snail snake sock spider spoon squirrel stove strawberry "
    "suitcase sun sweater swing sword table tent tiger toaster tomato tower train tree truck "
    "trumpet turtle umbrella vase violin wagon watch whale wheel whistle windmill wolf yacht "
    "zebra"
).split()
SETTINGS = (
    "on the beach", "in the snow", "in the forest", "under water", "at night", "in the kitchen",
    "on a street", "in the desert", "on a meadow", "in a garden", "by the lake", "in the mountains",
    "on a table", "in front of a wall", "in the rain", "in the fog", "at sunset", "in a museum",
    "on a roof", "in the harbour",
)  # fmt: skip
ADJECTIVES = (
    "small large old new broken shiny dirty clean wooden golden striped dotted round crooked heavy "
    "light tiny huge plain fancy red green blue yellow purple orange white black brown pink"
).split()
OPENINGS = ("a", "one", "a photo of a", "a picture of a", "here is a", "we see a", "look at the")


def pair(number: int) -> tuple[bytes, str]:
    """The picture (a JPEG of 64 by 64 pixels) and the caption of one pair."""
    generator = np.random.default_rng(number)
    thing, setting = (int(generator.integers(len(each))) for each in (THINGS, SETTINGS))
    opening, adjective = (str(generator.choice(each)) for each in (OPENINGS, ADJECTIVES))
    caption = f"{opening} {adjective} {THINGS[thing]} {SETTINGS[setting]}"
    ground = np.array(hsv_to_rgb(setting / len(SETTINGS), 0.4, 0.9)) * 255
    grain = 5 + 4 * (setting % 6)
    noise = ground + grain * generator.standard_normal((SIDE, SIDE, 3))
    picture = Image.fromarray(noise.clip(0, 255).astype(np.uint8))
    _draw(ImageDraw.Draw(picture), thing, generator)
    target = io.BytesIO()
    picture.save(target, "JPEG", quality=85)
    return target.getvalue(), caption


def _draw(pencil: ImageDraw.ImageDraw, thing: int, generator: np.random.Generator) -> None:
    """The thing's shape in its hue, somewhere, in some size."""
    radius = float(generator.uniform(12, 24))
    x, y = (float(value) for value in generator.uniform(radius, SIDE - radius, 2))
    hue = (thing * 0.618) % 1
    fill = tuple(round(255 * part) for part in hsv_to_rgb(hue, 0.9, 0.4 + 0.5 * (thing % 2)))
    corners = thing % 7
    if corners < 3:
        narrow = (1.0, 0.6, 0.3)[corners] * radius
        pencil.ellipse((x - radius, y - narrow, x + radius, y + narrow), fill=fill)
    else:
        pencil.regular_polygon((x, y, radius), corners, rotation=7 * (thing % 13), fill=fill)


def write_shards(folder: Path, count: int) -> None:
    """Writes the first `count` pairs as WebDataset tar shards, unless they are there."""
    if folder.is_dir():
        return
    draft = folder.with_name(f".draft-{secrets.token_hex(4)}")
    draft.mkdir(parents=True)
    try:
        for shard, start in enumerate(range(0, count, SHARD)):
            with tarfile.open(draft / f"{shard:05d}.tar", "w") as archive:
                for number in range(start, min(start + SHARD, count)):
                    _add(archive, number)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _add(archive: tarfile.TarFile, number: int) -> None:
    picture, caption = pair(number)
    about = json.dumps({"key": f"{number:09d}", "caption": caption, "status": "success"})
    members = {"jpg": picture, "txt": caption.encode(), "json": about.encode()}
    for suffix, data in members.items():
        member = tarfile.TarInfo(f"{number:09d}.{suffix}")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
