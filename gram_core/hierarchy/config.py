"""The options of clustering; those left open are chosen by the size of the corpus."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from gram_core.errors import GramError
from gram_core.hierarchy.words import CAPTION_WORDS
from gram_core.settings import check_kinds


@dataclass(frozen=True)
class ClusterConfig:
    """How a corpus becomes a hierarchy (Section 3.2); sizes count pairs.

    Attributes:
        seed: the same seed gives the same hierarchy.
        drop: share of pairs left out because image and caption agree least, 0 to below 1.
        threshold: instead of a share: the least similarity (cosine) of image and caption.
        vague: share of the others left out because their captions tell pictures apart least.
        topics: "clusters" of captions, or "captions": pairs whose captions are the same, word for
            word, are a topic. With annotated pictures, whose captions are class names, these are
            the supervised classes that clusters can be compared with.
        sentences: what embeds captions: "backbone" (its text features), "tf-idf" (weighted words,
            reduced by SVD), or the name or folder of a Sentence-BERT model, for example
            "all-MiniLM-L6-v2".
        engine: UMAP and HDBSCAN on the "cpu", by "cuml" on a GPU, or "auto": cuML if installed.
        sample: clusters are found among so many captions at most; the others join them by
            approximate prediction. None: among all.
        neighbours, components: of UMAP: neighbours of a caption, dimensions it is reduced to.
        cluster_size: the smallest cluster that HDBSCAN looks for; None grows with the square root
            of the pairs among which it looks: 5 of 1,000, 10 of 10,000. Without rounds clusters
            are topics, and as large as these.
        density: of HDBSCAN: how many neighbours make a place dense (min_samples); more of them
            leave more captions without a cluster.
        rounds: how often captions may move to the topic of whose words they have most (Eq. 3);
            it ends earlier where none moves. 0: clusters are topics as they were found.
        outliers: captions in no cluster: they join the topic whose "words" they have, the
            "nearest" one by sentence embedding, or are left out: "leave".
        min_topic_size: the smallest topic; None: a hundredth of the pairs, from 10 to 100.
        domains: number of visual domains of every topic; None chooses for each by silhouette.
        max_domains: the most domains that silhouette may choose.
        min_domain_size: smaller domains join the nearest one; None: a tenth of the smallest
            topic, at least 3.
        directions: domains are found in so many directions of the image features, those in which
            pictures differ in all topics; None: in the features as they are.
        spherical: k-means by cosine instead of Euclidean distance.
        phrases: the most words in a row that may name a topic together.
        top_words: how many words of a topic are kept.
        clear_word: a topic is no class of a task if its word scores less than this share of its
            best word, which names another topic then, 0 to 1.
        stop_words: words that never name a topic, besides those of English grammar.
        stability: how many more seeds to cluster with, to tell how much depends on the seed.
    """

    seed: int = 0
    drop: float = 0.1
    threshold: float | None = None
    vague: float = 0.15
    topics: Literal["clusters", "captions"] = "clusters"
    sentences: str = "backbone"
    engine: Literal["auto", "cpu", "cuml"] = "auto"
    sample: int | None = 25_000
    neighbours: int = 15
    components: int = 5
    cluster_size: int | None = None
    density: int = 5
    rounds: int = 10
    outliers: Literal["words", "nearest", "leave"] = "words"
    min_topic_size: int | None = None
    domains: int | None = None
    max_domains: int = 10
    min_domain_size: int | None = None
    directions: int | None = 20
    spherical: bool = False
    phrases: int = 1
    top_words: int = 10
    clear_word: float = 0.5
    stop_words: tuple[str, ...] = CAPTION_WORDS
    stability: int = 0

    def __post_init__(self) -> None:
        check_kinds(self)
        for name in ("drop", "vague"):
            if not 0 <= getattr(self, name) < 1:
                raise GramError(f"{name} is a share from 0 to below 1, not {getattr(self, name)}")
        if not 0 <= self.clear_word <= 1:
            raise GramError(f"clear_word is a share from 0 to 1, not {self.clear_word}")
        if not self.sentences:
            raise GramError(
                'sentences is "backbone", "tf-idf", or the name or folder of a Sentence-BERT'
            )
        smallest = {
            "seed": 0,
            "sample": 100,
            "neighbours": 2,
            "components": 2,
            "cluster_size": 2,
            "rounds": 0,
            "min_topic_size": 2,
            "density": 1,
            "domains": 2,
            "max_domains": 2,
            "min_domain_size": 1,
            "directions": 1,
            "phrases": 1,
            "top_words": 1,
            "stability": 0,
        }
        for name, least in smallest.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise GramError(f"{name} is at least {least}, not {value}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> ClusterConfig:
        """The options that `dataclasses.asdict` wrote, also after a way through JSON; what another
        version wrote may lack some, and options that are none any more do not count."""
        known = {field.name for field in fields(cls)}
        options: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
            if name in known
        }
        return cls(**options)

    def chosen(self, pairs: int) -> ClusterConfig:
        """The same with a number for each option left open, fit for that many clustered pairs."""
        size = self.min_topic_size or min(max(10, round(pairs / 100)), 100)
        looked_at = min(pairs, self.sample or pairs)
        small = max(5, round(math.sqrt(looked_at) / 10)) if self.rounds else size
        return replace(
            self,
            cluster_size=self.cluster_size or small,
            min_topic_size=size,
            min_domain_size=self.min_domain_size or max(3, round(size / 10)),
        )
