"""Cross-modal hierarchical clustering: filter, topics by captions, domains by pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gram_core.corpus import Corpus, embed
from gram_core.errors import GramError
from gram_core.events import Event, pass_on
from gram_core.hierarchy.config import ClusterConfig
from gram_core.hierarchy.domains import find_domains
from gram_core.hierarchy.hierarchy import Hierarchy, Ids, Topic
from gram_core.hierarchy.sentences import embed_sentences, normalised
from gram_core.hierarchy.topics import draw_map, equal_captions, find_neighbours, find_topics
from gram_core.hierarchy.words import choose_words, ranked_words, tf_idf, tokens, unclear
from gram_core.threads import one_thread
from gram_core.workspace import new_id

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

STEPS = 6


def cluster(
    corpus: Corpus, backbone: Backbone, config: ClusterConfig | None = None
) -> Iterator[Event]:
    """The hierarchy of a corpus (Section 3.2); yields progress, then the Hierarchy.

    Pairs whose picture and caption agree least are left out; the rest become topics by UMAP and
    HDBSCAN on sentence embeddings, named by Eq. 3; each topic becomes visual domains by k-means
    on image features. The same seed gives the same hierarchy, on any number of threads.

    Raises:
        GramError: the corpus is too small for two topics, or they were not found.
    """
    config = config or ClusterConfig()
    for event in embed(corpus, backbone):
        if event.kind != "result":
            yield event
    image, text = (np.asarray(part, dtype=np.float32) for part in corpus.features(backbone))
    similarity = (image * text).sum(axis=1)
    threshold = float(np.quantile(similarity, config.drop)) if config.drop else -np.inf
    pairs = np.flatnonzero(similarity >= threshold)
    config = config.chosen(len(pairs))
    _refuse_small(len(pairs), config)

    captions = [corpus.captions[pair] for pair in pairs]
    supervised = config.topics == "captions"
    # Captions that are equal have no neighbourhood; their pictures do.
    sentences = normalised(image[pairs])
    if not supervised:
        embedded = yield from pass_on(embed_sentences(corpus, backbone, config.sentences))
        sentences = embedded[pairs]
    yield Event("progress", 1, STEPS, "neighbours of captions (compiles for a minute at first)")
    neighbours = find_neighbours(sentences, config)
    yield Event("progress", 2, STEPS, "topics: UMAP (compiles at first), HDBSCAN, BERTopic")
    if supervised:
        labels, reduced = equal_captions(captions, config), sentences
    else:
        labels, reduced = find_topics(captions, sentences, neighbours, config)
    yield Event("progress", 3, STEPS, f"{labels.max() + 1} topics; drawing their map")
    position = np.full((len(corpus), 2), np.nan, dtype=np.float32)
    position[pairs] = draw_map(sentences, reduced, neighbours, config)
    yield Event("progress", 4, STEPS, "topic words")
    members = [np.flatnonzero(labels == label) for label in range(labels.max() + 1)]
    with one_thread():
        centroids = np.stack([_centroid(sentences[rows]) for rows in members])
        if supervised:
            words = [_only_word(captions[rows[0]]) for rows in members]
        else:
            words = _name_topics(captions, sentences, members, centroids, config)

    topics: list[Topic] = []
    silhouettes: list[float] = []
    for rows, (word, best) in zip(members, words, strict=True):
        yield Event(
            "progress", 5, STEPS, f"visual domains of topic {len(topics) + 1} of {len(members)}"
        )
        ids = pairs[rows]
        division = find_domains(normalised(image[ids]), config)
        if division.silhouette is not None:
            silhouettes.append(division.silhouette)
        reason = division.reason
        if not supervised:
            reason = reason or unclear(word, best, config.clear_word)
        domains = tuple(ids[part] for part in division.domains)
        name = word or f"topic {len(topics)}"
        kept_words = best[: config.top_words]
        topics.append(Topic(len(topics), name, kept_words, ids, domains, reason))

    quality = {
        "similarity": float(similarity[pairs].mean()),
        "threshold": float(similarity[pairs].min()),
        "without topic": float((labels < 0).mean()),
        "silhouette": float(np.mean(silhouettes)) if silhouettes else 0.0,
    }
    hierarchy = Hierarchy(
        id=new_id(corpus.name),
        corpus=corpus.name,
        backbone_name=backbone.name,
        fingerprint=backbone.fingerprint,
        config=json.loads(json.dumps(asdict(config))),
        topics=tuple(topics),
        similarity=similarity,
        kept=np.isin(np.arange(len(corpus)), pairs),
        position=position,
        centroids=centroids,
        quality=quality,
        corpus_fingerprint=corpus.fingerprint,
    )
    message = f"{len(topics)} topics, {len(hierarchy.usable())} of them usable for tasks"
    yield Event("result", STEPS, STEPS, message, result=hierarchy)


def _refuse_small(pairs: int, config: ClusterConfig) -> None:
    least = max(2 * (config.min_topic_size or 2), config.components + 3)
    if pairs < least:
        raise GramError(
            f"{pairs} pairs are left for topics of at least {config.min_topic_size} pairs, and "
            f"{least} are needed: bring more pairs, lower drop (now {config.drop}) or "
            "min_topic_size"
        )


#: The word that names a topic, if one is left for it, and all its words with their scores.
Named = tuple[str | None, tuple[tuple[str, float], ...]]


def _only_word(caption: str) -> Named:
    return caption, ((caption, 1.0),)


def _name_topics(
    captions: list[str],
    sentences: NDArray[np.float32],
    members: list[Ids],
    centroids: NDArray[np.float32],
    config: ClusterConfig,
) -> list[Named]:
    """The word of each topic and all its words, best first, by Eq. 3."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    texts = []
    for rows, centroid in zip(members, centroids, strict=True):
        # the most central captions first: of equal words, the first one names the topic
        central = rows[np.argsort(-(sentences[rows] @ centroid), kind="stable")]
        texts.append([word for row in central for word in tokens(captions[row])])
    stop = ENGLISH_STOP_WORDS | frozenset(config.stop_words)
    ranked = ranked_words(tf_idf(texts), stop)
    return list(zip(choose_words(ranked), ranked, strict=True))


def _centroid(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return normalised(rows.mean(axis=0, keepdims=True))[0]
