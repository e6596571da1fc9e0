"""What runs do, told by their configuration alone: started from the command line or by the app,
resumed by either.

    cluster      {corpus, backbone, limit?, config?}                → a hierarchy
    meta-train   {hierarchy, method, tokens, rule, meta}            → an initialisation in the run
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gram_core.events import Event, pass_on
from gram_core.jobs import Work
from gram_core.runs import Run
from gram_core.workspace import Workspace

if TYPE_CHECKING:
    from gram_core.backbones import Backbone
    from gram_core.hierarchy import ClusterConfig, Hierarchy
    from gram_core.meta import MetaConfig
    from gram_core.prompts import ImageBank, Method


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
        options = settings.get("config", {})
        if "stop_words" in options:
            options["stop_words"] = tuple(options["stop_words"])
        hierarchy = yield from pass_on(cluster(corpus, backbone, ClusterConfig(**options)))
        hierarchy.store(workspace)
        run.set_status(made=hierarchy.id)
        yield Event("result", result=hierarchy.id)

    return work


def meta_train_run(
    workspace: Workspace, hierarchy: str, method: str, config: MetaConfig, tokens: int = 4
) -> Run:
    """A new run for `meta_train_work`."""
    settings = {
        "hierarchy": hierarchy,
        "method": method,
        "tokens": tokens,
        "rule": config.rule,
        "meta": asdict(config),
    }
    return Run.create(workspace, "meta-train", settings, f"{method}-{config.rule}")


def meta_train_work(workspace: Workspace) -> Work:
    """Work that meta-trains, from the run's last checkpoint on; the `Initialisation` is its result
    and is kept in the run."""

    def work(run: Run) -> Iterator[Event]:
        from gram_core.backbones import open_backbone
        from gram_core.corpus import embed, open_corpus
        from gram_core.hierarchy import Hierarchy
        from gram_core.meta import MetaConfig, meta_train
        from gram_core.prompts import build_method

        settings = run.config
        yield Event("progress", message="opening hierarchy, backbone and pictures")
        hierarchy = Hierarchy.open(workspace, settings["hierarchy"])
        backbone = open_backbone(hierarchy.backbone_name)
        method = build_method(settings["method"], tokens=settings["tokens"])
        # there already, unless the backbone was changed or the cache deleted since
        corpus = open_corpus(workspace, hierarchy.corpus, len(hierarchy))
        yield from pass_on(embed(corpus, backbone))
        images = corpus_bank(workspace, hierarchy, backbone, method)
        config = MetaConfig.from_dict(settings["meta"])
        checkpoint = run.latest_checkpoint()
        run.rewind(checkpoint[0] if checkpoint else -1)
        yield from meta_train(method, backbone, hierarchy, images, config, run)

    return work


def corpus_bank(
    workspace: Workspace, hierarchy: Hierarchy, backbone: Backbone, method: Method
) -> ImageBank:
    """The images of a hierarchy's corpus, row = pair id: features, and pixels if a method needs
    them."""
    import numpy as np
    import torch

    from gram_core.corpus import open_corpus
    from gram_core.prompts import ImageBank

    corpus = open_corpus(workspace, hierarchy.corpus, len(hierarchy))
    features = torch.from_numpy(np.array(corpus.features(backbone)[0]))
    if method.visual.images_at_once is None:
        return ImageBank(features=features)
    with warnings.catch_warnings():
        # The pixels stay a read-only map of a file; nobody writes to a bank.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return ImageBank(torch.from_numpy(corpus.pixels(backbone)), features)
