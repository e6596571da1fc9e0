"""Cross-modal hierarchical clustering: filter, topics by captions, domains by pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gram_core.corpus import Corpus, embed
from gram_core.errors import GramError
from gram_core.events import Event, pass_on
from gram_core.hierarchy import quality
from gram_core.hierarchy.config import ClusterConfig
from gram_core.hierarchy.descriptions import describe
from gram_core.hierarchy.domains import find_domains, shared_directions
from gram_core.hierarchy.engines import Clusterer, Reducer
from gram_core.hierarchy.filters import choose_pairs, selectivity, similarities
from gram_core.hierarchy.hierarchy import Hierarchy, Ids, Topic
from gram_core.hierarchy.kept import Arrays, kept
from gram_core.hierarchy.naming import Named, name_topics, stop_words
from gram_core.hierarchy.refinement import Bag, Labels, compact, move, refine
from gram_core.hierarchy.sentences import Rows, embed_sentences, embedding_mark, normalised
from gram_core.hierarchy.topics import (
    BLOCK,
    chosen_sample,
    draw_map,
    equal_captions,
    find_clusters,
    reduce_captions,
)
from gram_core.hierarchy.words import unclear
from gram_core.threads import one_thread
from gram_core.workspace import new_id

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

STEPS = 7
#: Options that decide which pairs are clustered by what, and how their captions are reduced.
PAIRS = ("topics", "drop", "threshold", "vague", "sentences")
REDUCTION = ("seed", "engine", "sample", "neighbours", "components")


@dataclass(frozen=True)
class Stages:
    """Other stages than UMAP and HDBSCAN, of the same interface.

    Attributes:
        reducer, clusterer: objects that are fitted; None takes the usual one. With a stage of
            one's own nothing is kept on disk.
    """

    reducer: Reducer | None = None
    clusterer: Clusterer | None = None


def cluster(
    corpus: Corpus,
    backbone: Backbone,
    config: ClusterConfig | None = None,
    stages: Stages | None = None,
) -> Iterator[Event]:
    """The hierarchy of a corpus (Section 3.2); yields progress, then the Hierarchy.

    Pairs whose picture and caption agree least, or whose caption says least, are left out. Of the
    others UMAP and HDBSCAN make small clusters on sentence embeddings, whose words (Eq. 3) make
    them topics; each topic becomes visual domains by k-means on image features. The same seed
    gives the same hierarchy, on any number of threads. Finished stages are kept in the corpus'
    cache: work that was killed, or is done again with other options for later stages, goes on
    from there.

    Raises:
        GramError: the corpus is too small for two topics, or they were not found.
    """
    yield from (event for event in embed(corpus, backbone) if event.kind != "result")
    work = _Work(corpus, backbone, config or ClusterConfig(), stages or Stages())
    config = work.config
    _refuse_small(len(work.pairs), config)
    if config.topics == "clusters":
        embedded = yield from pass_on(embed_sentences(corpus, backbone, config.sentences))
    else:  # captions that are equal have no neighbourhood; their pictures do
        embedded = work.image
    sentences = Rows(embedded, work.pairs)

    yield Event("progress", 1, STEPS, "neighbours of captions, UMAP (compiles at first)")
    sample, reduced = work.reduced(sentences)
    yield Event("progress", 2, STEPS, "clusters of captions (HDBSCAN), topics by their words")
    labels = work.topics(sentences, sample, reduced["reduced"])
    _refuse_few(labels, config)
    yield Event("progress", 3, STEPS, f"{labels.max() + 1} topics; drawing their map")
    position = work.map(sentences, labels, sample, reduced)
    yield Event("progress", 4, STEPS, "topic words")
    members = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    with one_thread():
        centroids = np.stack([_centroid(sentences[rows]) for rows in members])
        words = work.names(sentences, members, centroids)

    topics: list[Topic] = []
    yield Event("progress", 5, STEPS, "how pictures differ in all topics")
    directions = shared_directions(work.image, [work.pairs[rows] for rows in members], config)
    for rows, named in zip(members, words, strict=True):
        yield Event(
            "progress", 5, STEPS, f"visual domains of topic {len(topics) + 1} of {len(members)}"
        )
        topics.append(work.topic(len(topics), work.pairs[rows], named, directions))
    yield Event("progress", 6, STEPS, "how good it is")
    measured: dict[str, float] = {
        "similarity": float(work.similarity[work.pairs].mean()),
        "threshold": float(work.similarity[work.pairs].min()),
    }
    if config.stability:
        measured |= yield from work.stability(sentences, labels)
    hierarchy = Hierarchy(
        id=new_id(corpus.name),
        corpus=corpus.name,
        backbone_name=backbone.name,
        fingerprint=backbone.fingerprint,
        config=json.loads(json.dumps(asdict(config))),
        topics=tuple(topics),
        similarity=work.similarity,
        kept=np.isin(np.arange(len(corpus)), work.pairs),
        position=position,
        centroids=centroids,
        quality=measured,
        corpus_fingerprint=corpus.fingerprint,
        directions=directions,
    )
    hierarchy = quality.judged(hierarchy, corpus)
    message = f"{len(topics)} topics, {len(hierarchy.usable())} of them usable for tasks"
    yield Event("result", STEPS, STEPS, message, result=hierarchy)


class _Work:
    """What the stages of one clustering share: pairs, features, options, and what is kept.

    n are the pairs that passed the filters; labels and reduced rows count in them.
    """

    def __init__(
        self, corpus: Corpus, backbone: Backbone, config: ClusterConfig, stages: Stages
    ) -> None:
        self.corpus, self.stages = corpus, stages
        self.image, text = corpus.features(backbone)
        self.similarity = similarities(self.image, text)
        selective = None
        if config.vague and config.topics == "clusters":
            selective = selectivity(self.image, text, config.seed)
        self.pairs = choose_pairs(self.similarity, selective, config)
        self.config = config.chosen(len(self.pairs))
        captions = corpus.captions
        self.captions = [captions[pair] for pair in self.pairs]
        self._folder = corpus.feature_folder(backbone) / "clusters"
        mark = f"{embedding_mark(self.config.sentences)} {self.image.dtype}"
        self._rows = f"{mark} {hashlib.blake2b(self.pairs.tobytes(), digest_size=8).hexdigest()}"

    @cached_property
    def bag(self) -> Bag:
        """The words of the captions; every seed counts in it."""
        return Bag(self.captions, stop_words(self.config), self.config.phrases)

    def reduced(self, sentences: Rows, seed: int | None = None) -> tuple[Ids, Arrays]:
        """Rows of the captions that clusters are found among, and `reduce_captions` of all."""
        config = replace(self.config, seed=self.config.seed if seed is None else seed)
        sample, reducer = chosen_sample(len(sentences), config), self.stages.reducer
        return sample, self._kept(
            "reduced", (), config, lambda: reduce_captions(sentences, sample, config, reducer)
        )

    def clusters(self, sample: Ids, reduced: NDArray[np.float32], seed: int | None) -> Labels:
        """(n,) clusters of captions, -1 for none."""
        config = replace(self.config, seed=self.config.seed if seed is None else seed)
        clusterer = self.stages.clusterer
        return self._kept(
            "clusters",
            ("cluster_size", "density"),
            config,
            lambda: {"labels": find_clusters(reduced, sample, config, clusterer)},
        )["labels"]

    def _kept(
        self,
        name: str,
        own: tuple[str, ...],
        config: ClusterConfig,
        compute: Callable[[], Arrays],
        **more: str,
    ) -> Arrays:
        """The arrays of a stage that depends on the pairs, on the reduction and on some more
        options; stages of one's own are done every time."""
        if self.stages != Stages():
            return compute()
        options = {name: getattr(config, name) for name in (*PAIRS, *REDUCTION, *own)}
        options |= {"rows": self._rows, **more}
        return kept(self._folder, name, options, compute)

    def topics(
        self,
        sentences: Rows,
        sample: Ids,
        reduced: NDArray[np.float32],
        seed: int | None = None,
    ) -> Labels:
        """(n,) topics of captions, the largest is 0, none is -1."""
        config = self.config
        smallest = config.min_topic_size or 1
        if config.topics == "captions":
            return equal_captions(self.captions, smallest)
        labels = self.clusters(sample, reduced, seed)
        if config.outliers == "nearest":
            labels = _to_nearest(labels, sentences)
        if labels.max() < 0:
            return labels
        outside = labels < 0
        if config.outliers == "words":
            labels = move(labels, self.bag, outside)
        stays_out = labels < 0
        if config.rounds:
            labels = refine(labels, self.bag, config.rounds, 2 * (config.cluster_size or 1))
        if config.outliers == "leave":
            labels = np.where(stays_out, -1, labels)
        return compact(labels, smallest)

    def map(
        self, sentences: Rows, labels: Labels, sample: Ids, reduced: Arrays
    ) -> NDArray[np.float32]:
        """(N, 2) places of all pairs of the corpus; not a number for those left out."""
        position = np.full((len(self.corpus), 2), np.nan, dtype=np.float32)
        stage = self._kept(
            "map",
            (),
            self.config,
            lambda: {"position": draw_map(sentences, labels, sample, reduced, self.config)},
            topics=hashlib.blake2b(labels.tobytes(), digest_size=8).hexdigest(),
        )
        position[self.pairs] = stage["position"]
        return position

    def names(
        self, sentences: Rows, members: list[Ids], centroids: NDArray[np.float32]
    ) -> list[Named]:
        """The word of each topic and all its words, best first."""
        if self.config.topics == "captions":
            only = [self.captions[rows[0]] for rows in members]
            return [(caption, ((caption, 1.0),)) for caption in only]
        texts = []
        for rows, centroid in zip(members, centroids, strict=True):
            # the most central captions first: of equal words, the first one names the topic
            order = np.argsort(-(sentences[rows] @ centroid), kind="stable")
            texts.append([self.captions[row] for row in rows[order]])
        return name_topics(texts, self.config)

    def topic(
        self, id: int, pairs: Ids, named: Named, directions: NDArray[np.float32] | None
    ) -> Topic:
        """A topic with its domains and what they look like."""
        config, (word, best) = self.config, named
        division = find_domains(
            normalised(np.asarray(self.image[pairs], np.float32)), config, directions
        )
        domains = tuple(pairs[part] for part in division.domains)
        reason = division.reason
        if config.topics == "clusters":
            reason = reason or unclear(word, best, config.clear_word)
        return Topic(
            id=id,
            word=word or f"topic {id}",
            words=best[: config.top_words],
            members=pairs,
            domains=domains,
            reason=reason,
            descriptions=describe(domains, self.corpus, self.image, config.stop_words, config.seed),
            silhouette=division.silhouette,
        )

    def stability(
        self, sentences: Rows, labels: Labels
    ) -> Generator[Event, None, dict[str, float]]:
        """How alike the topics of other seeds are."""
        found = [labels]
        for number in range(1, self.config.stability + 1):
            yield Event("progress", 6, STEPS, f"seed {number} of {self.config.stability} others")
            seed = self.config.seed + number
            sample, reduced = self.reduced(sentences, seed)
            found.append(self.topics(sentences, sample, reduced["reduced"], seed))
        score, share = quality.stability(found)
        return {"stability": score, "stability coverage": share}


def _refuse_small(pairs: int, config: ClusterConfig) -> None:
    for name, least in (
        ("min_topic_size", 2 * (config.min_topic_size or 2)),  # two topics
        ("components", config.components + 3),  # of UMAP, which needs some pairs more
    ):
        if pairs < least:
            raise GramError(
                f"{pairs} pairs are left, and {least} are needed: lower {name} (now "
                f"{getattr(config, name)}), drop (now {config.drop}) or vague (now "
                f"{config.vague}), or bring more pairs"
            )


def _refuse_few(labels: Labels, config: ClusterConfig) -> None:
    if (found := int(labels.max()) + 1) < 2:
        raise GramError(
            f"{len(labels)} captions gave {found} topic{'s' * (found != 1)}, and two are the "
            f"least: lower min_topic_size (now {config.min_topic_size}), cluster_size (now "
            f"{config.cluster_size}) or density (now {config.density}), choose other sentence "
            "embeddings, or bring more varied pairs"
        )


def _to_nearest(labels: Labels, sentences: Rows) -> Labels:
    """(n,) the labels after captions in no cluster joined the one of the nearest centroid."""
    outside = np.flatnonzero(labels < 0)
    if labels.max() < 0 or not len(outside):
        return labels
    with one_thread():
        groups = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
        centroids = np.stack([_centroid(sentences[rows]) for rows in groups])
        joined = labels.copy()
        for start in range(0, len(outside), BLOCK):
            rows = outside[start : start + BLOCK]
            joined[rows] = (sentences[rows] @ centroids.T).argmax(axis=1)
    return joined


def _centroid(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return normalised(rows.mean(axis=0, keepdims=True))[0]
