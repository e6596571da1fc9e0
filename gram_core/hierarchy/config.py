"""The options of clustering; those left open are chosen by the size of the corpus."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from gram_core.errors import GramError
from gram_core.hierarchy.words import CAPTION_WORDS
from gram_core.settings import check_kinds


@dataclass(frozen=True)
class ClusterConfig:
    """How a corpus becomes a hierarchy (Section 3.2); sizes count pairs.

    Attributes:
        seed: the same seed gives the same hierarchy.
        drop: share of pairs left out because image and caption agree least, 0 to below 1.
        topics: "clusters" of captions, or "captions": pairs whose captions are the same, word for
            word, are a topic. With annotated pictures, whose captions are class names, these are
            the supervised classes that clusters can be compared with.
        sentences: what embeds captions: "backbone" (its text features), or the name or folder of
            a Sentence-BERT model, for example "all-MiniLM-L6-v2".
        neighbours, components: of UMAP: neighbours of a caption, dimensions it is reduced to.
        min_topic_size: the smallest topic; None grows with the square root of the corpus:
            10 of 1,000 pairs, 36 of 12,000.
        density: of HDBSCAN: how many neighbours make a place dense (min_samples); more of them
            leave more captions without a topic.
        domains: number of visual domains of every topic; None chooses for each by silhouette.
        max_domains: the most domains that silhouette may choose.
        min_domain_size: smaller domains join the nearest one; None: a quarter of the smallest
            topic, at least 3.
        top_words: how many words of a topic are kept.
        clear_word: a topic is no class of a task if its word scores less than this share of its
            best word, which names another topic then, 0 to 1.
        stop_words: words that never name a topic, besides those of English grammar.
    """

    seed: int = 0
    drop: float = 0.1
    topics: Literal["clusters", "captions"] = "clusters"
    sentences: str = "backbone"
    neighbours: int = 15
    components: int = 5
    min_topic_size: int | None = None
    density: int = 5
    domains: int | None = None
    max_domains: int = 5
    min_domain_size: int | None = None
    top_words: int = 10
    clear_word: float = 0.5
    stop_words: tuple[str, ...] = CAPTION_WORDS

    def __post_init__(self) -> None:
        check_kinds(self)
        if not 0 <= self.drop < 1:
            raise GramError(f"drop is a share from 0 to below 1, not {self.drop}")
        if not 0 <= self.clear_word <= 1:
            raise GramError(f"clear_word is a share from 0 to 1, not {self.clear_word}")
        if not self.sentences:
            raise GramError('sentences is "backbone", or the name or folder of a Sentence-BERT')
        smallest = {
            "seed": 0,
            "neighbours": 2,
            "components": 2,
            "min_topic_size": 2,
            "density": 1,
            "domains": 2,
            "max_domains": 2,
            "min_domain_size": 1,
            "top_words": 1,
        }
        for name, least in smallest.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise GramError(f"{name} is at least {least}, not {value}")

    def chosen(self, pairs: int) -> ClusterConfig:
        """The same with a number for each option left open, fit for that many clustered pairs."""
        size = self.min_topic_size or max(5, round(math.sqrt(pairs) / 3))
        return replace(
            self,
            min_topic_size=size,
            min_domain_size=self.min_domain_size or max(3, round(size / 4)),
        )
