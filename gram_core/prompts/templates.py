"""Sentences around a class name: one, several, or those that a dataset is known by."""

from __future__ import annotations

from collections.abc import Sequence

from gram_core.errors import GramError

#: The sentence that each of the usual datasets is classified with (CoOp's zero-shot baseline).
DATASETS = {
    "imagenet": "a photo of a {}.",
    "caltech101": "a photo of a {}.",
    "oxford_pets": "a photo of a {}, a type of pet.",
    "stanford_cars": "a photo of a {}.",
    "oxford_flowers": "a photo of a {}, a type of flower.",
    "food101": "a photo of {}, a type of food.",
    "fgvc_aircraft": "a photo of a {}, a type of aircraft.",
    "sun397": "a photo of a {}.",
    "dtd": "{} texture.",
    "eurosat": "a centered satellite photo of {}.",
    "ucf101": "a photo of a person doing {}.",
}
#: Ensembles, kept by open_clip: OpenAI's 80 sentences for ImageNet, and the 7 best of them.
ENSEMBLES = {
    "imagenet-80": "OPENAI_IMAGENET_TEMPLATES",
    "imagenet-7": "SIMPLE_IMAGENET_TEMPLATES",
}


def templates(given: str | Sequence[str]) -> tuple[str, ...]:
    """The sentences that are meant by a sentence, several, or a name of `DATASETS`, `ENSEMBLES`.

    Raises GramError for a sentence without one `{}`, where the class name goes.
    """
    if isinstance(given, str):
        if given in ENSEMBLES:
            import open_clip

            return tuple(each("{}") for each in getattr(open_clip, ENSEMBLES[given]))
        given = [DATASETS.get(given, given)]
    if not isinstance(given, Sequence):
        given = [given]  # refused below
    if not given:
        raise GramError("There is no template; give at least one, as 'a photo of a {}.'.")
    for each in given:
        if not isinstance(each, str) or each.count("{}") != 1:
            raise GramError(
                f"The template {each!r} has to hold one {{}} where the class name goes, "
                "as in 'a photo of a {}.', or be one of "
                f"{', '.join([*ENSEMBLES, *DATASETS])}."
            )
    return tuple(given)
