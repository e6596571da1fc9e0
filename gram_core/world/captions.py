"""Captions for scenes: varied sentences that say part of what is to be seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gram_core.world.concepts import CONCEPTS, KINDS
from gram_core.world.scene import COLOURS, Scene
from gram_core.world.splits import CORPUS_OBJECTS

SYNONYMS: dict[str, str] = {
    "airplane": "plane",
    "axe": "hatchet",
    "ball": "beach ball",
    "balloon": "hot air balloon",
    "bicycle": "bike",
    "bird": "sparrow",
    "book": "novel",
    "burger": "hamburger",
    "cake": "birthday cake",
    "car": "automobile",
    "castle": "fortress",
    "cat": "kitty",
    "chair": "seat",
    "door": "doorway",
    "dress": "gown",
    "envelope": "letter",
    "fish": "goldfish",
    "flower": "daisy",
    "glasses": "spectacles",
    "glove": "mitten",
    "hat": "cap",
    "house": "cottage",
    "lamp": "lantern",
    "lightning": "thunderbolt",
    "lollipop": "candy",
    "moon": "crescent",
    "mug": "cup",
    "mushroom": "toadstool",
    "pan": "skillet",
    "pine": "fir",
    "rabbit": "bunny",
    "robot": "android",
    "rocket": "spaceship",
    "sailboat": "yacht",
    "shirt": "tee",
    "shoe": "sneaker",
    "shovel": "spade",
    "snake": "serpent",
    "sock": "stocking",
    "teapot": "kettle",
    "tent": "camp tent",
    "train": "locomotive",
    "trophy": "award",
    "truck": "lorry",
    "umbrella": "parasol",
    "wardrobe": "cupboard",
    "wrench": "spanner",
}

IRREGULAR_PLURALS: dict[str, str] = {
    "fish": "fish",
    "goldfish": "goldfish",
    "glasses": "glasses",
    "grapes": "grapes",
    "leaf": "leaves",
    "lightning": "lightning",
    "scissors": "scissors",
    "snowman": "snowmen",
    "spectacles": "spectacles",
}

UNCOUNTED = frozenset({"glasses", "grapes", "lightning", "scissors", "spectacles"})

STYLE_PHRASES: dict[str, tuple[str, ...]] = {
    "cartoon": ("a cartoon", "a flat cartoon", "clip art"),
    "sketch": ("a pencil sketch", "a sketch", "a pencil drawing"),
    "neon": ("a neon sign", "glowing neon", "neon lights"),
    "blueprint": ("a blueprint", "a technical drawing"),
    "watercolor": ("a watercolor", "a watercolour painting"),
    "photo": ("a photo", "a grainy photo", "a snapshot"),
    "pixel": ("pixel art", "a pixel game icon", "a low resolution icon"),
    "fog": ("a foggy view", "a misty picture", "a pale view through fog"),
    "silhouette": ("a silhouette", "a dark shape", "a shadow against the light"),
    "glass": ("stained glass", "a stained glass window"),
}

SETTING_PHRASES: dict[str, tuple[str, ...]] = {
    "sea": ("by the sea", "near the water", "over the waves"),
    "desert": ("in the desert", "on the sand", "among the dunes"),
    "snow": ("in the snow", "in winter", "on a snowy hill"),
    "forest": ("in the forest", "in the woods", "among the trunks"),
    "city": ("in the city", "before a skyline", "downtown"),
    "room": ("in a room", "indoors", "by the window"),
    "night": ("at night", "after dusk", "in the dark"),
    "field": ("in a field", "in a meadow", "on the grass"),
    "rain": ("in the rain", "on a rainy day", "under a shower"),
    "space": ("in space", "near a planet", "in orbit"),
    "street": ("on the street", "on the road", "on the asphalt"),
    "garden": ("in the garden", "by the fence", "among the blossoms"),
}

SIZE_WORDS: dict[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny"),
    "medium": (),
    "large": ("big", "large", "huge"),
}

COUNT_WORDS: dict[int, tuple[str, ...]] = {2: ("two", "a pair of"), 3: ("three",), 4: ("four",)}

OPENERS: tuple[str, ...] = (
    "a picture of",
    "an image of",
    "a view of",
    "this is",
    "there is",
    "we see",
    "look at",
    "here is",
)

PLACES: tuple[str, ...] = ("a scene", "a view", "somewhere", "a day", "something", "a moment")

#: Styles whose pictures show an object's own colour.
COLOURED_STYLES = frozenset({"cartoon", "neon", "watercolor", "photo", "pixel", "glass", "fog"})


@dataclass(frozen=True)
class CaptionHabits:
    """How often a caption says what: each number is a probability.

    `object_named` is the share of captions that name the thing at all; the others speak of its
    setting, style or colour alone, as captions found in the wild do. `wrong` names another thing,
    one of `wrong_names`. `silent_styles` are never put into words.
    """

    object_named: float = 1.0
    synonym: float = 0.15
    kind: float = 0.1
    wrong: float = 0.0
    colour: float = 0.5
    size: float = 0.35
    count: float = 0.85
    setting: float = 0.6
    style: float = 0.5
    silent_styles: frozenset[str] = frozenset()
    wrong_names: tuple[str, ...] = ()


#: The pairs the backbone learns from: generous, so that every attribute is learned.
PRETRAINING = CaptionHabits()

#: The bundled corpus: names no kind of thing, leaves the object out at times, errs at times.
CORPUS = CaptionHabits(
    object_named=0.62,
    kind=0.0,
    wrong=0.03,
    wrong_names=CORPUS_OBJECTS,
    colour=0.4,
    size=0.3,
    setting=0.45,
    style=0.4,
    silent_styles=frozenset({"cartoon", "sketch", "neon"}),
)


def plural(noun: str) -> str:
    """The plural of an English noun phrase of this world, by its last word."""
    *first, last = noun.split()
    if last in IRREGULAR_PLURALS:
        last = IRREGULAR_PLURALS[last]
    elif last.endswith(("s", "x", "ch", "sh")):
        last += "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        last = last[:-1] + "ies"
    else:
        last += "s"
    return " ".join([*first, last])


def _article(phrase: str) -> str:
    if phrase.split()[-1] in UNCOUNTED:
        return f"some {phrase}"
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(len(options)))]


def _noun(rng: np.random.Generator, scene: Scene, habits: CaptionHabits) -> str:
    concept = scene.concept
    if rng.random() < habits.wrong:
        concept = _pick(rng, habits.wrong_names)
    kind = CONCEPTS[concept].kind
    if rng.random() < habits.kind and kind != "thing":
        return "object in the sky" if kind == "sky" else kind
    if concept in SYNONYMS and rng.random() < habits.synonym:
        return SYNONYMS[concept]
    return concept


def _noun_phrase(rng: np.random.Generator, scene: Scene, habits: CaptionHabits) -> str:
    words = []
    if SIZE_WORDS[scene.size] and rng.random() < habits.size:
        words.append(_pick(rng, SIZE_WORDS[scene.size]))
    if scene.style in COLOURED_STYLES and rng.random() < habits.colour:
        words.append(scene.colour)
    noun = _noun(rng, scene, habits)
    if scene.count > 1 and rng.random() < habits.count:
        number = _pick(rng, COUNT_WORDS[scene.count])
        return " ".join([number, *words, plural(noun)])
    phrase = " ".join([*words, noun])
    return f"the {phrase}" if rng.random() < 0.12 else _article(phrase)


def caption(rng: np.random.Generator, scene: Scene, habits: CaptionHabits = PRETRAINING) -> str:
    """One caption for `scene`, in lower case, saying what `habits` lets it say."""
    setting = ""
    if scene.setting is not None and rng.random() < habits.setting:
        setting = _pick(rng, SETTING_PHRASES[scene.setting])
    style = ""
    tellable = scene.style in STYLE_PHRASES and scene.style not in habits.silent_styles
    if tellable and rng.random() < habits.style:
        style = _pick(rng, STYLE_PHRASES[scene.style])

    if rng.random() < habits.object_named or not (setting or style):
        subject = _noun_phrase(rng, scene, habits)
    elif scene.style in COLOURED_STYLES and rng.random() < 0.3:
        subject = f"something {scene.colour}"
    elif setting:
        subject = _pick(rng, PLACES)
    else:
        return style

    if not style:
        opener = _pick(rng, OPENERS) if rng.random() < 0.6 else ""
        parts = [opener, subject, setting]
    elif rng.random() < 0.7:
        parts = [style, "of", subject, setting]
    else:
        parts = [subject, setting, "as", style]
    return " ".join(part for part in parts if part)


def lexicon() -> list[str]:
    """Every word that a caption of this world can hold, sorted."""
    nouns = [*CONCEPTS, *SYNONYMS.values(), *KINDS]
    phrases: list[str] = [*nouns, *map(plural, nouns), *COLOURS, *OPENERS, *PLACES]
    for table in (STYLE_PHRASES, SETTING_PHRASES, SIZE_WORDS, COUNT_WORDS):
        for options in table.values():
            phrases.extend(options)
    phrases += [
        "a an the one some something object in the sky of as",
        "a photo of a picture of a type",
    ]
    phrases += [*STYLE_PHRASES, *SETTING_PHRASES, "infrared chalk halftone night vision drawing"]
    return sorted({word for phrase in phrases for word in phrase.split()})
