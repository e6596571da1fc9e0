"""The honest comparison: does a meta-trained regulator give more than simpler things do?

Every row but GRAM's is a simpler explanation of what GRAM gains: a better rate or an earlier end, a
plain pull back to the start, a better start alone, shorter steps, no meta-learned start. What has
to be chosen is chosen on validation sets; test sets are looked at once, after all choices.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from gram_core.adaptation import AdaptConfig
from gram_core.backbones import Backbone
from gram_core.datasets import LabelledSet, bundled_sets, load_set, words_of
from gram_core.errors import GramError
from gram_core.evaluation.protocols import Contender, Outcome, base_to_new, draws
from gram_core.evaluation.report import write_report
from gram_core.evaluation.tables import table
from gram_core.events import Event, pass_on
from gram_core.hierarchy import Hierarchy
from gram_core.meta import Initialisation, MetaConfig, meta_train
from gram_core.prompts import ImageBank, Method, build_method
from gram_core.settings import check_kinds
from gram_core.titles import PROMPTED, row_title
from gram_core.workspace import as_json, write_json

NAMES = {method: (row_title(method), row_title(method, "gram")) for method in PROMPTED}
ZERO_SHOT = "zero-shot"
#: Settings of meta-training that the rows of a study differ in.
_COMPARED = {"seed", "preset", "rule", "learn_theta", "learn_phi", "without", "first_order"}


@dataclass(frozen=True)
class StudyConfig:
    """What is compared, how often, and what is tried on validation sets.

    `sets` and `validation` are names or folders; empty, they are the bundled sets of these roles.
    Each of `meta_seeds` meta-trainings is adapted on `draws` few-shot draws from every source
    domain. `factors` multiply the rates of `adapt`, `pulls` are strengths of the L2 pull and
    `stops` numbers of epochs; each is tried on `validation_draws`. `meta` are
    settings of meta-training other than the usual (`MetaConfig.for_method`); words to `exclude`
    among them join those of the test sets. Without `controls`
    only zero-shot, the plain method and GRAM are run.
    """

    method: str = "coop"
    sets: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    meta_seeds: int = 5
    draws: int = 5
    validation_draws: int = 3
    shots: int = 16
    adapt: AdaptConfig = field(default_factory=AdaptConfig)
    factors: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)
    stops: tuple[int, ...] = (5, 10, 20, 50, 100)
    pulls: tuple[float, ...] = (0.02, 0.06, 0.2, 0.5, 1.0)
    meta: dict[str, Any] = field(default_factory=dict)
    controls: bool = True

    def __post_init__(self) -> None:
        check_kinds(self)
        if self.method not in NAMES:
            raise GramError(f"A study is of {', '.join(NAMES)}, not of {self.method!r}.")
        for name in ("meta_seeds", "draws", "validation_draws", "shots"):
            if getattr(self, name) < 1:
                raise GramError(f"{name} is {getattr(self, name)}; give at least 1.")
        for role, name in (("test", "sets"), ("validation", "validation")):
            if not getattr(self, name):
                found = tuple(card.name for card in bundled_sets() if card.role == role)
                object.__setattr__(self, name, found)
            if not getattr(self, name):
                raise GramError(f"There are no {role} sets; name them.")
        MetaConfig.for_method(build_method(self.method), **self.meta)  # refuses what is none
        if own := sorted(_COMPARED & self.meta.keys()):
            raise GramError(
                f"{own[0]} is what a study compares; leave it out of the settings of meta-training."
            )
        if self.adapt.schedule != "constant":
            raise GramError(
                "The end of adaptation is chosen among epochs of one run, so its rate has to be "
                "the same in each: take the constant schedule."
            )
        names = [Path(name).name for name in (*self.sets, *self.validation)]
        if len(set(names)) < len(names):
            raise GramError("Two sets have one name, or one is for validation and for tests.")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> StudyConfig:
        """The configuration that `dataclasses.asdict` wrote, also after a way through JSON."""
        lists = {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **lists, "adapt": AdaptConfig.from_dict(values["adapt"])})


def study(
    backbone: Backbone,
    hierarchy: Hierarchy,
    images: ImageBank,
    config: StudyConfig,
    folder: Path,
) -> Iterator[Event]:
    """The comparison as events; its result is the report, a dict fit for JSON.

    `images` is the bank of the hierarchy's corpus. Everything that takes long is kept in `folder`
    as soon as it is there, so that a study that was stopped goes on from where it was; at the end
    study.json, study.md and figures are beside it. Raises GramError for a folder of a study of
    other settings or of another hierarchy.
    """
    _keep_settings(folder, as_json({"hierarchy": hierarchy.id, "study": asdict(config)}))
    method = build_method(config.method)
    sets = {}
    for name in (*config.validation, *config.sets):
        yield Event("progress", message=f"reading {name}")
        sets[name] = load_set(name, backbone)
    validation = [sets[name] for name in config.validation]
    choices = yield from _choose(backbone, method, validation, config, folder)
    tested = words_of(name for each in config.sets for name in sets[each].classes)
    exclude = (*tested, *config.meta.get("exclude", ()))
    trained = yield from _meta_train(backbone, method, hierarchy, images, exclude, config, folder)
    outcomes: list[Outcome] = []
    for name in config.sets:
        path = folder / "outcomes" / f"{Path(name).name}.json"
        if not path.is_file():
            labelled = sets[name]
            found = yield from _race(backbone, method, labelled, trained, choices, config)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, as_json([outcome.to_json() for outcome in found]))
        outcomes += [Outcome.from_json(values) for values in _read(path)]
    yield Event("result", result=_report(outcomes, choices, config, folder))


def _keep_settings(folder: Path, settings: Any) -> None:
    """What is in the folder was computed with these settings, or is refused."""
    path = folder / "settings.json"
    if path.is_file() and _read(path) != settings:
        raise GramError(
            f"{folder} holds a study of other settings; go on with these, or take an empty folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, settings)


def _choose(
    backbone: Backbone,
    method: Method,
    validation: Sequence[LabelledSet],
    config: StudyConfig,
    folder: Path,
) -> Generator[Event, None, dict[str, Any]]:
    """Rate, end and pull of the plain method with the best H over the validation sets.

    Of equals the largest rate or pull, and of these the latest end.
    """
    path = folder / "choices.json"
    if path.is_file():
        return dict(_read(path))
    epochs = config.adapt.epochs
    tried = {("rate", factor): _scaled(config.adapt, factor) for factor in config.factors} | {
        ("pull", pull): replace(config.adapt, pull=pull) for pull in config.pulls
    }
    if not config.controls:
        tried = {key: value for key, value in tried.items() if key[0] == "rate"}
    contenders = [
        Contender.plain(f"{what} {value}", method, adapt) for (what, value), adapt in tried.items()
    ]
    stops = sorted({stop for stop in config.stops if stop <= epochs} | {epochs})
    outcomes: list[Outcome] = []
    for labelled in validation:
        runs = draws(labelled, config.validation_draws)
        outcomes += yield from pass_on(
            base_to_new(contenders, labelled, backbone, runs, config.shots, stops)
        )
    scored: dict[str, list[tuple[float, float, int]]] = {"rate": [], "pull": []}
    for what, value in tried:
        mine = [outcome for outcome in outcomes if outcome.contender == f"{what} {value}"]
        for stop in stops if what == "rate" else [epochs]:
            at_stop = [replace(outcome, epochs={stop: outcome.epochs[stop]}) for outcome in mine]
            scored[what].append((table(at_stop)[-1]["h"], value, stop))
    choices: dict[str, Any] = {"tried": scored}
    for what, results in scored.items():
        if results:
            h, value, stop = max(results)
            choices[what] = {"value": value, "epochs": stop, "validation_h": h}
    write_json(path, as_json(choices))
    return choices


def _meta_train(
    backbone: Backbone,
    method: Method,
    hierarchy: Hierarchy,
    images: ImageBank,
    exclude: tuple[str, ...],
    config: StudyConfig,
    folder: Path,
) -> Generator[Event, None, dict[str, list[Initialisation]]]:
    """The initialisations of each kind, one for each meta-seed.

    No class of a test set is a class of a meta-training task.
    """
    kinds: dict[str, dict[str, Any]] = {"gram": {}}
    if config.controls:
        kinds |= {
            "theta": {"rule": "raw"},
            "phi": {"learn_theta": False},
            "paper": {"preset": "paper", "form": "paper"},
        }
    trained: dict[str, list[Initialisation]] = {kind: [] for kind in kinds}
    for kind, changes in kinds.items():
        for seed in range(config.meta_seeds):
            place = folder / "initialisations" / f"{kind}-{seed}"
            if not place.is_dir():
                options = config.meta | {"seed": seed, "exclude": exclude} | changes
                meta = MetaConfig.for_method(method, **options)
                for event in meta_train(method, backbone, hierarchy, images, meta):
                    if event.kind == "result":
                        draft = place.with_name(f".{place.name}")
                        event.result.save(draft)
                        draft.rename(place)
                    else:
                        message = f"meta-training {kind}, seed {seed}"
                        yield replace(event, kind="progress", message=message)
            trained[kind].append(Initialisation.load(place))
    return trained


def _race(
    backbone: Backbone,
    method: Method,
    labelled: LabelledSet,
    trained: dict[str, list[Initialisation]],
    choices: dict[str, Any],
    config: StudyConfig,
) -> Generator[Event, None, list[Outcome]]:
    """All rows on one test set."""
    plain, gram = NAMES[config.method]
    adapt = config.adapt
    rate = choices["rate"]
    chosen = replace(_scaled(adapt, rate["value"]), epochs=rate["epochs"])
    runs = draws(labelled, config.draws)

    def race(contenders: Sequence[Contender]) -> Generator[Event, None, list[Outcome]]:
        return pass_on(
            base_to_new(contenders, labelled, backbone, runs, config.shots, (0, *config.stops))
        )

    regulated = Contender.meta_trained(gram, backbone, trained["gram"], adapt)
    (main,) = yield from race([regulated])
    rows = [
        Contender.plain(ZERO_SHOT, build_method(ZERO_SHOT)),
        Contender.plain(f"{plain}, rate and epoch by validation", method, chosen),
        Contender.plain(f"{plain}, last epoch", method, adapt),
    ]
    if config.controls:
        pulled = replace(adapt, pull=choices["pull"]["value"])
        rows += [
            Contender.plain(f"{plain}, pulled to its start", method, pulled),
            Contender.meta_trained(
                f"{plain} from a meta-learned start", backbone, trained["theta"], adapt
            ),
            regulated.raw(f"{gram}'s start, raw steps of equal length", main.step_ratio),
            Contender.meta_trained(f"{gram}, as printed", backbone, trained["paper"], adapt),
            Contender.meta_trained(f"{gram}, own start", backbone, trained["phi"], adapt),
        ]
    others = yield from race(rows)
    return [*others, main]


def _report(
    outcomes: list[Outcome], choices: dict[str, Any], config: StudyConfig, folder: Path
) -> dict[str, Any]:
    plain, gram = NAMES[config.method]
    others = list(dict.fromkeys(each.contender for each in outcomes if each.contender != gram))
    rate = choices["rate"]
    pull = f", a pull of {choices['pull']['value']:g}" if config.controls else ""
    notes = [
        f"{config.shots} shots from one domain, {config.draws} draws on every source domain, "
        f"{config.meta_seeds} meta-seeds.",
        f"Chosen for {plain} on {', '.join(config.validation)}: {rate['value']:g} times the usual "
        f"rate, {rate['epochs']} epochs{pull}. Nothing was chosen on a test set.",
    ]
    about = {"config": asdict(config), "choices": choices}
    return write_report(
        folder, "study", f"{gram}: the comparison", outcomes, {gram: others}, about, notes
    )


def _scaled(config: AdaptConfig, factor: float) -> AdaptConfig:
    return replace(config, rate=factor * config.rate, visual_rate=factor * config.visual_rate)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
