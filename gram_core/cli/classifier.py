"""`words`, `report`, `calibrate`, `export`: what one wants of a classifier besides predictions."""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gram_core.cli.console import Console, columns
from gram_core.errors import GramError
from gram_core.workspace import LONGEST_ID, Workspace, new_id

if TYPE_CHECKING:
    import numpy as np

    from gram_core.classifier import PromptedClassifier
    from gram_core.datasets import LabelledSet


def register(verbs: Any, common: argparse.ArgumentParser) -> None:
    """Adds the verbs."""
    which = argparse.ArgumentParser(add_help=False)
    which.add_argument("classifier", help="an id of the workspace, or a folder")

    verb = verbs.add_parser(
        "words", parents=[which, common], help="the words nearest to what a classifier learned"
    )
    verb.add_argument("--top", type=int, default=5, help="words of each token")
    verb.set_defaults(handle=_words)

    verb = verbs.add_parser(
        "report", parents=[which, common], help="what a classifier costs: numbers, FLOPs, latency"
    )
    verb.add_argument("--batch", type=int, default=32, help="images of a training step")
    verb.set_defaults(handle=_report)

    verb = verbs.add_parser(
        "calibrate", parents=[which, common], help="make probabilities mean what they say"
    )
    verb.add_argument("data", help="held-out images: a folder of classes, or a bundled set")
    verb.add_argument("--test-share", type=float, default=0.5, help="held out, without test folder")
    verb.add_argument("--name", help="of the new classifier")
    verb.set_defaults(handle=_calibrate)

    verb = verbs.add_parser(
        "export", parents=[which, common], help="write a classifier as NumPy, JSON and ONNX"
    )
    verb.add_argument("out", type=Path, help="the folder to write into")
    verb.add_argument("--no-onnx", action="store_true", help="leave out the image tower")
    verb.set_defaults(handle=_export)


def open_classifier(workspace: Workspace, name: str) -> PromptedClassifier:
    """The classifier of this id in the workspace, or the one in a folder."""
    from gram_core.classifier import PromptedClassifier

    return PromptedClassifier.load(_folder(workspace, name))


def _folder(workspace: Workspace, name: str) -> Path:
    from gram_core.classifier import ABOUT

    folder = Path(name)
    bare = folder.name == name  # which a data folder may bear too
    if bare and not (folder / ABOUT).is_file():
        return workspace.path("classifiers", name)
    return folder


def _words(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    classifier = open_classifier(workspace, options.classifier)
    tokens = classifier.nearest_words(options.top)
    rows = []
    for token in tokens:
        row: dict[str, Any] = {} if token.class_name is None else {"class": token.class_name}
        near = ", ".join(f"{each.word} {each.distance:.3f}" for each in token.words)
        row |= {"block": token.depth, "token": token.position + 1}
        rows.append({**row, "nearest words, with their distances": near})
    console.answer([asdict(token) for token in tokens], columns(rows))


def _report(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    report = open_classifier(workspace, options.classifier).report(options.batch)
    console.answer(asdict(report), report.table())


def _calibrate(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    from gram_core.classifier import calibration_error
    from gram_core.classifier.calibration import HIGHEST, LOWEST, fit_temperature
    from gram_core.datasets import load_set
    from gram_core.prompts import ImageBank

    source = _folder(workspace, options.classifier)
    id = options.name or new_id(source.resolve().name[: LONGEST_ID - 40], "calibrated")
    workspace.check_free("classifiers", id)
    classifier = open_classifier(workspace, options.classifier)
    labelled = load_set(options.data, classifier.backbone, options.test_share)
    for problem in labelled.problems:
        console.note(f"left out: {problem.path} ({problem.reason})")
    rows, labels = _held_out(classifier, labelled, console)
    pixels, features = labelled.bank.pixels, labelled.bank.features
    held = ImageBank(
        None if pixels is None else pixels[rows], None if features is None else features[rows]
    )
    logits = classifier.logits(held)
    made = replace(classifier, temperature=fit_temperature(logits, labels))
    about: dict[str, Any] = {
        "data": labelled.name,
        "images": len(rows),
        "temperature": made.temperature,
    }
    for when, each in (("before", classifier), ("after", made)):
        scaled = (logits / each.temperature).double()
        about[f"loss_{when}"] = float(cross_entropy(scaled, torch.tensor(labels)))
        about[f"error_{when}"] = calibration_error(scaled.softmax(-1), labels)
    made = replace(made, about={**classifier.about, "calibration": about})
    with workspace.create("classifiers", id, made.about) as folder:
        made.save(folder)
    answer = {"classifier": id, "path": str(workspace.path("classifiers", id)), **about}
    text = (
        f"classifier {id}: temperature {made.temperature:.3f} from {len(rows):,} images; "
        f"their loss {about['loss_before']:.3f} → {about['loss_after']:.3f}, calibration error "
        f"{about['error_before']:.1%} → {about['error_after']:.1%}"
    )
    if min(made.temperature / LOWEST, HIGHEST / made.temperature) < 1.001:
        console.note(
            "The temperature is at its bound: these images are all right, or all wrong, and say "
            "little about confidence. Calibrate on more of them."
        )
    console.answer(answer, text)


def _held_out(
    classifier: PromptedClassifier, labelled: LabelledSet, console: Console
) -> tuple[np.ndarray, list[int]]:
    """The rows of test images of the classifier's classes, and their rows among these classes."""
    from gram_core.datasets import TEST
    from gram_core.names import compared

    names = {compared(name): row for row, name in enumerate(classifier.class_names)}
    known = [label for label, name in enumerate(labelled.classes) if compared(name) in names]
    if not known:
        raise GramError(
            f"{labelled.name!r} has none of the classifier's classes "
            f"({', '.join(classifier.class_names)}); give images of these."
        )
    if left := len(labelled.classes) - len(known):
        console.note(f"left out: {left} classes that the classifier does not tell apart")
    rows = labelled.rows(TEST, known)
    if len(rows) < 2:
        raise GramError(
            f"{labelled.name!r} holds out {len(rows)} images of the classifier's classes; "
            "a temperature needs 2 or more: raise --test-share, or add a folder test/."
        )
    return rows, [names[compared(labelled.classes[label])] for label in labelled.labels[rows]]


def _export(options: argparse.Namespace, workspace: Workspace, console: Console) -> None:
    classifier = open_classifier(workspace, options.classifier)
    written = classifier.export(options.out, onnx=not options.no_onnx)
    sizes = {path.name: path.stat().st_size for path in written}
    lines = [f"{name}: {size:,} bytes" for name, size in sizes.items()]
    answer = {"path": str(options.out), "files": sizes}
    console.answer(answer, "\n".join([f"wrote to {options.out}:", *lines]))
