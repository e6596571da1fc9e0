"""What runs do, told by their configuration alone: started from the command line or by the app,
resumed by either.

    cluster      {corpus, backbone, limit?, config?}                   → a hierarchy
    meta-train   {hierarchy, method, options, rule, precision, meta}   → an initialisation
    adapt        {data, method, options, rule, initialisation, … adapt} → a classifier
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gram_core.errors import GramError
from gram_core.events import Event, pass_on
from gram_core.jobs import Work
from gram_core.runs import Run
from gram_core.workspace import Workspace, as_json, new_id

if TYPE_CHECKING:
    import numpy as np

    from gram_core.adaptation import AdaptConfig
    from gram_core.backbones import Backbone
    from gram_core.backbones.loading import Precision
    from gram_core.hierarchy import ClusterConfig, Hierarchy
    from gram_core.meta import Initialisation, MetaConfig
    from gram_core.prompts import ImageBank, Method, Params


def cluster_run(
    workspace: Workspace,
    corpus: str,
    backbone: str = "bundled",
    limit: int | None = None,
    config: ClusterConfig | None = None,
) -> Run:
    """A new run for `cluster_work`."""
    settings: dict[str, Any] = {"corpus": corpus, "backbone": backbone, "limit": limit}
    if config is not None:
        settings["config"] = asdict(config)
    return Run.create(workspace, "cluster", settings, corpus)


def cluster_work(workspace: Workspace) -> Work:
    """Work that clusters a corpus and stores the hierarchy; its result, and the status' `made`, is
    the hierarchy's id."""

    def work(run: Run) -> Iterator[Event]:
        from gram_core.backbones import open_backbone
        from gram_core.corpus import open_corpus
        from gram_core.hierarchy import ClusterConfig, cluster

        settings = run.config
        yield Event("progress", message="opening backbone and corpus")
        backbone = open_backbone(settings["backbone"])
        corpus = open_corpus(workspace, settings["corpus"], settings.get("limit"))
        config = ClusterConfig.from_dict(settings.get("config", {}))
        hierarchy = yield from pass_on(cluster(corpus, backbone, config))
        hierarchy.store(workspace)
        run.set_status(made=hierarchy.id)
        yield Event("result", result=hierarchy.id)

    return work


def meta_train_run(
    workspace: Workspace,
    hierarchy: str,
    method: Method,
    config: MetaConfig,
    precision: Precision = "float32",
) -> Run:
    """A new run for `meta_train_work`."""
    settings = {
        "hierarchy": hierarchy,
        "method": method.name,
        "options": dict(method.options),
        "rule": config.rule,
        "precision": precision,
        "meta": asdict(config),
    }
    return Run.create(workspace, "meta-train", as_json(settings), f"{method.name}-{config.rule}")


def meta_train_work(workspace: Workspace) -> Work:
    """Work that meta-trains, from the run's last checkpoint on; the `Initialisation` is its result
    and is kept in the run."""

    def work(run: Run) -> Iterator[Event]:
        from gram_core.backbones import open_backbone
        from gram_core.corpus import embed
        from gram_core.hierarchy import Hierarchy
        from gram_core.meta import MetaConfig, meta_train

        settings = run.config
        yield Event("progress", message="opening hierarchy, backbone and pictures")
        hierarchy = Hierarchy.open(workspace, settings["hierarchy"])
        precision = settings.get("precision", "float32")
        backbone = open_backbone(hierarchy.backbone_name, precision=precision)
        method = method_of(settings)
        # there already, unless the backbone was changed or the cache deleted since
        yield from pass_on(embed(hierarchy.open_corpus(workspace), backbone))
        images = corpus_bank(workspace, hierarchy, backbone, method)
        config = MetaConfig.from_dict(settings["meta"])
        checkpoint = run.latest_checkpoint()
        run.rewind(checkpoint[0] if checkpoint else -1)
        yield from meta_train(method, backbone, hierarchy, images, config, run)

    return work


def adapt_run(
    workspace: Workspace,
    data: str,
    config: AdaptConfig,
    *,
    method: Method | None = None,
    rule: str | None = None,
    rule_options: dict[str, Any] | None = None,
    initialisation: str | None = None,
    backbone: str = "bundled",
    precision: Precision = "float32",
    shots: int = 16,
    views: int = 0,
    base_only: bool = False,
    source: str | None = None,
    test_share: float = 0.5,
    classifier: str | None = None,
) -> Run:
    """A new run for `adapt_work`.

    `method` and `rule` are those of the `initialisation` (a finished meta-train run) where None is
    given; without one they are coop and raw, on `backbone`. Another method than the
    initialisation's has its own start, and the initialisation gives the regulator alone.
    `base_only` learns the first half of the classes and measures the others as new ones. Each epoch
    shows each image in one of `views` augmented forms (0: as it is). `classifier` is the id of what
    is made. Raises GramError where that is taken or is no id, for the rule gram without an
    initialisation, and for base_only with contexts of each class.
    """
    from gram_core.gradients import build_rule
    from gram_core.prompts import build_method

    of_start = Run.open(workspace, initialisation).config if initialisation else {}
    if method is None:
        method = method_of(of_start) if of_start else build_method("coop")
    rule = rule or of_start.get("rule", "raw")
    options = rule_options or {}
    if "gram" not in rule.split("+"):
        build_rule(rule, **options)  # refuses what is none
    elif initialisation is None:
        raise GramError(f"The rule {rule} needs a meta-trained regulator; give --init RUN.")
    if classifier is not None:
        workspace.check_free("classifiers", classifier)
    if base_only and method.text.class_specific:
        raise GramError(
            "A context of each class says nothing of new classes; learn all classes, or leave out "
            "class_specific."
        )
    settings = {
        "data": data,
        "method": method.name,
        "options": dict(method.options),
        "rule": rule,
        "rule_options": options,
        "initialisation": initialisation,
        "backbone": backbone,
        "precision": precision,
        "shots": shots,
        "views": views,
        "base_only": base_only,
        "source": source,
        "test_share": test_share,
        "classifier": classifier,
        "adapt": asdict(config),
    }
    return Run.create(workspace, "adapt", as_json(settings), f"{Path(data).name}-{method.name}")


def adapt_work(workspace: Workspace) -> Work:
    """Work that makes a classifier of a labelled set and measures it after every epoch.

    Metrics are the accuracies (0 to 1) on held-out images: base and new, or one accuracy where all
    classes are learned; with a source domain also those on the other domains (other_…). The result
    is a dict: classifier (its id, also the status' `made`), bytes, classes, tested_on, left_out
    (what could not be read), and the last accuracies.
    """

    def work(run: Run) -> Iterator[Event]:
        from gram_core.adaptation import AdaptConfig, adapt
        from gram_core.backbones import open_backbone
        from gram_core.classifier import PromptedClassifier
        from gram_core.datasets import TEST, load_set, with_views
        from gram_core.evaluation import accuracies
        from gram_core.gradients import build_rule

        settings = run.config
        config = AdaptConfig.from_dict(settings["adapt"])
        yield Event("progress", message="opening the backbone")
        method = method_of(settings)
        phi, form, theta = None, "blend", None
        if settings["initialisation"]:
            found, backbone = open_initialisation(workspace, settings["initialisation"])
            found.check(backbone, found.method())
            phi, form = found.phi, found.form
            theta = found.theta if method == found.method() else None
        else:
            backbone = open_backbone(settings["backbone"])
        if settings["precision"] == "bfloat16":
            backbone = backbone.bfloat16()
        rule = build_rule(settings["rule"], phi, form, **settings["rule_options"])
        start = method.initial(backbone, config.seed) if theta is None else theta

        yield Event("progress", message=f"reading {settings['data']}")
        labelled = load_set(settings["data"], backbone, settings["test_share"])
        learned = labelled.base if settings["base_only"] else range(len(labelled.classes))
        sides = {"base": labelled.base, "new": labelled.new}
        if not settings["base_only"]:
            sides = {"accuracy": learned}
        sources = [settings["source"]]
        support = labelled.supports(settings["shots"], [(config.seed, *sources)], learned)
        bank = labelled.bank
        if settings["views"]:
            bank, support = with_views(bank, support, backbone, settings["views"], config.seed)
        constants = method.constants(backbone, labelled.classes, bank)

        def evaluate(params: Params) -> dict[str, np.ndarray]:
            known = sources if settings["source"] else None
            return accuracies(method, params, constants, labelled, known, sides)

        tested_on = len(labelled.rows(TEST, learned))
        measure = evaluate if tested_on else None
        adapted = yield from pass_on(
            adapt(method, rule, constants, support, start, config, measure, learned)
        )

        last = adapted.history[-1] if adapted.history else {}
        metrics = {
            name: float(value[0]) for name, value in last.items() if name.endswith((*sides,))
        }
        about = {
            "data": labelled.name,
            "rule": rule.name,
            "rule_options": dict(rule.options),
            "init": settings["initialisation"],
            "run": run.id,
            "metrics": as_json(metrics),
        }
        names = [labelled.classes[label] for label in learned]
        params = {key: value[0] for key, value in adapted.params.items()}
        classifier = PromptedClassifier(backbone, method, params, names, about)
        id = settings["classifier"] or new_id(labelled.name, method.name, rule.name)
        with workspace.create("classifiers", id, about) as folder:
            size = classifier.save(folder)
        run.set_status(made=id)
        result = {
            "classifier": id,
            "bytes": size,
            "classes": names,
            "tested_on": tested_on,
            "left_out": [asdict(problem) for problem in labelled.problems],
        }
        yield Event("result", config.epochs, config.epochs, result=result | about["metrics"])

    return work


def method_of(settings: dict[str, Any]) -> Method:
    """The method of a run's settings; those of older runs know of tokens alone."""
    from gram_core.prompts import build_method

    older = {"tokens": settings["tokens"]} if "tokens" in settings else {}
    return build_method(settings["method"], **settings.get("options", older))


def open_initialisation(workspace: Workspace, run: str) -> tuple[Initialisation, Backbone]:
    """What a finished meta-train run gave, and the backbone that it belongs to."""
    from gram_core.backbones import open_backbone
    from gram_core.meta import Initialisation

    found = Initialisation.load(workspace.path("runs", run))
    return found, open_backbone(found.about.get("backbone", {}).get("name", "bundled"))


def corpus_bank(
    workspace: Workspace, hierarchy: Hierarchy, backbone: Backbone, method: Method
) -> ImageBank:
    """The images of a hierarchy's corpus, row = pair id: features, and pixels if a method needs
    them."""
    import numpy as np
    import torch

    from gram_core.prompts import ImageBank

    corpus = hierarchy.open_corpus(workspace)
    features = torch.from_numpy(np.array(corpus.features(backbone)[0]))
    if not method.visual.reads_pixels:
        return ImageBank(features=features)
    with warnings.catch_warnings():
        # The pixels stay a read-only map of a file; nobody writes to a bank.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return ImageBank(torch.from_numpy(corpus.pixels(backbone)), features)
