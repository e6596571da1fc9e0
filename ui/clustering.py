"""What a corpus is clustered with: the corpus, the backbone, and the options that matter most."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import streamlit as st

from gram_core.jobs import JOBS
from ui import resources
from ui.frame import choose_backbone, plain_errors
from ui.work import start_clustering

if TYPE_CHECKING:
    from gram_core.workspace import Workspace

AUTOMATIC = "automatic"
OUTLIERS = {"words": "join by their words", "nearest": "join the nearest", "leave": "are left out"}
TOPICS = {"clusters": "found by clustering", "captions": "the captions themselves"}
SENTENCES = {"backbone": "the backbone", "tf-idf": "weighted words (TF-IDF)"}


def clustering() -> bool:
    """Whether a corpus is being clustered now."""
    return any(job.kind == "cluster" for job in JOBS.live())


def choose_corpus(workspace: Workspace) -> None:
    """A corpus to cluster, how to do it, and the button that does."""
    corpus = st.selectbox(
        "Corpus",
        resources.corpora(),
        help="Add your own on the command line: `python -m gram_core ingest SOURCE --corpus NAME`",
    )
    backbone = choose_backbone("cluster-backbone")
    with st.expander("Options", icon=":material/tune:"):
        options = _options()
    busy = clustering()
    if st.button(
        "Cluster it",
        type="primary",
        icon=":material/play_arrow:",
        disabled=busy,
        help="One is being clustered: see the bar on the left." if busy else None,
    ):
        with plain_errors():
            from gram_core.hierarchy import ClusterConfig

            start_clustering(workspace, corpus, backbone, ClusterConfig(**options))
            st.rerun()


def _options() -> dict[str, Any]:
    """The options of `ClusterConfig` that a person may want to change."""
    from gram_core.hierarchy import ClusterConfig

    default: dict[str, Any] = {each.name: each.default for each in fields(ClusterConfig)}

    def number(name: str, label: str, least: int, help: str, place: Any = st) -> int | None:
        value = default[name]
        return place.number_input(
            label, least, value=value, step=1, help=help, key=f"option-{name}",
            placeholder=AUTOMATIC,
        )  # fmt: skip

    topics = st.selectbox("Topics are", list(TOPICS), format_func=TOPICS.__getitem__)
    sentences = st.selectbox(
        "Captions are embedded by", list(SENTENCES), accept_new_options=True,
        format_func=lambda name: SENTENCES.get(name, name),
        help="Or type the name or folder of a Sentence-BERT model.",
    )  # fmt: skip
    left, right = st.columns(2)
    drop = left.slider(
        "Worst pairs left out", 0, 50, round(100 * default["drop"]), format="%d %%",
        help="Those whose picture and caption agree least",
    )  # fmt: skip
    vague = right.slider(
        "Vague captions left out", 0, 50, round(100 * default["vague"]), format="%d %%",
        help="Of the others, those whose captions fit all pictures alike",
    )  # fmt: skip
    threshold = left.number_input(
        "Least similarity", -1.0, 1.0, default["threshold"], 0.01, placeholder="by share",
        help="Instead of a share: the least cosine of picture and caption",
    )  # fmt: skip
    outliers = right.selectbox(
        "Captions in no cluster", list(OUTLIERS), format_func=OUTLIERS.__getitem__
    )
    return {
        "topics": topics,
        "sentences": sentences,
        "drop": drop / 100,
        "vague": vague / 100,
        "threshold": threshold,
        "outliers": outliers,
        "min_topic_size": number("min_topic_size", "Smallest topic", 2, "In pairs", left),
        "domains": number("domains", "Domains of a topic", 2, "Empty: chosen for each", right),
        "max_domains": number("max_domains", "Most domains", 2, "That may be chosen", left),
        "phrases": number("phrases", "Words in a name", 1, "At most, in a row", right),
        "sample": number("sample", "Cluster a sample of", 100, "The others join it", left),
        "stability": number("stability", "More seeds", 0, "To tell how stable it is", right),
        "seed": number("seed", "Seed", 0, "The same seed gives the same hierarchy", left),
        "spherical": right.toggle("Domains by cosine", default["spherical"]),
    }
