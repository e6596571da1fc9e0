"""The hierarchy as a value: what clustering found, and how it is kept on disk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gram_core.errors import GramError
from gram_core.hierarchy.words import tokens
from gram_core.workspace import Workspace, write_json

if TYPE_CHECKING:
    from gram_core.corpus import Corpus

Ids = NDArray[np.int64]
DIRECTIONS = "directions.npy"


@dataclass(frozen=True)
class Description:
    """What a visual domain looks like, and what is said in it more than in the rest of its topic.

    Attributes:
        central: ids of the pictures nearest to its middle, the nearest first.
        typical: ids of the pictures that tell it best from the topic's other domains: nearer to
            its middle than to any other one, by the largest margin first.
        words: words that are more frequent in it than in the rest of the topic, each with its
            score, best first.
        brightness, contrast, saturation: means over its pictures, 0 to 1.
        colours: its commonest colours as "#rrggbb", the commonest first.
    """

    central: tuple[int, ...]
    typical: tuple[int, ...]
    words: tuple[tuple[str, float], ...]
    brightness: float
    contrast: float
    saturation: float
    colours: tuple[str, ...]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Description:
        """The description that `dataclasses.asdict` made, before or after JSON."""
        words = tuple((str(word), float(score)) for word, score in values["words"])
        lists = {name: tuple(values[name]) for name in ("central", "typical", "colours")}
        return cls(**{**values, **lists, "words": words})


@dataclass(frozen=True, eq=False)
class Topic:
    """Pairs that speak of the same, divided into visual domains.

    Attributes:
        id: its place in the hierarchy's topics, the largest first.
        word: what names the topic; no other topic of the hierarchy has it.
        words: its best words by Eq. 3, each with its score, best first.
        members: (n,) ids of the pairs, ascending.
        domains: ids of the pairs of each domain, ascending, the largest domain first; together
            they are the members.
        reason: why the topic cannot be used for tasks; None if it can.
        descriptions: one for each domain, in their order; empty where they were not made.
        coherence: how often its best words occur together (NPMI), -1 to 1; None if not measured.
        silhouette: how well its domains are parted, -1 to 1; None for a single one.
    """

    id: int
    word: str
    words: tuple[tuple[str, float], ...]
    members: Ids
    domains: tuple[Ids, ...]
    reason: str | None = None
    descriptions: tuple[Description, ...] = ()
    coherence: float | None = None
    silhouette: float | None = None

    def __len__(self) -> int:
        return len(self.members)

    def head(self) -> dict[str, Any]:
        """All of the topic but its members and domains, fit for JSON."""
        names = ("id", "word", "words", "reason", "coherence", "silhouette")
        described = [asdict(description) for description in self.descriptions]
        return {name: getattr(self, name) for name in names} | {"descriptions": described}


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """All topics of a corpus, and for each of its N pairs where it went.

    Attributes:
        id: its name in a workspace.
        corpus: the name of the corpus, of which the first N pairs were clustered.
        backbone_name, fingerprint: the backbone whose features were used.
        config: the options of the clustering, with the numbers that were chosen for "automatic".
        similarity: (N,) cosine of image and caption.
        kept: (N,) false where that similarity was too small for the pair to be clustered.
        position: (N, 2) place on the map of captions; not a number where not kept.
        centroids: (L, d) mean sentence embedding of each topic, of length one.
        quality: numbers that tell how well it went.
        corpus_fingerprint: of the corpus' content; empty where that is not known.
        directions: (e, d) of the image features, in which domains were looked for; None where
            they were looked for in the features as they are.
        parent: the id of the hierarchy that this one was made of by an edit; empty for none.
        edit: that edit, fit for JSON; empty for none.
    """

    id: str
    corpus: str
    backbone_name: str
    fingerprint: str
    config: dict[str, Any]
    topics: tuple[Topic, ...]
    similarity: NDArray[np.float32]
    kept: NDArray[np.bool_]
    position: NDArray[np.float32]
    centroids: NDArray[np.float32]
    quality: dict[str, float] = field(default_factory=dict)
    corpus_fingerprint: str = ""
    directions: NDArray[np.float32] | None = None
    parent: str = ""
    edit: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many pairs were looked at, N."""
        return len(self.similarity)

    def usable(self) -> tuple[Topic, ...]:
        """The topics that tasks can be made of."""
        return tuple(topic for topic in self.topics if topic.reason is None)

    def search(self, text: str) -> list[Topic]:
        """Topics with a word that begins like a word of the text, the best fitting first."""
        wanted = tokens(text)
        fits: list[tuple[int, float, Topic]] = []
        for topic in self.topics:
            hits = [
                (word == want, score)
                for want in wanted
                for word, score in ((topic.word, 1.0), *topic.words)
                if word.startswith(want)
            ]
            if hits:
                fits.append((sum(exact for exact, _ in hits), sum(s for _, s in hits), topic))
        return [fit[2] for fit in sorted(fits, key=lambda fit: (-fit[0], -fit[1], fit[2].id))]

    def topic_of(self) -> Ids:
        """(N,) the topic of each pair, -1 for none."""
        return _labels(len(self), [topic.members for topic in self.topics])

    def domain_of(self) -> Ids:
        """(N,) the domain of each pair within its topic, -1 for none."""
        result = np.full(len(self), -1, dtype=np.int64)
        for topic in self.topics:
            for row, members in enumerate(topic.domains):
                result[members] = row
        return result

    def save(self, folder: Path) -> None:
        """Writes hierarchy.json, members.parquet (a row a pair), centroids.npy and, where there are
        some, directions.npy."""
        import pyarrow as pa
        from pyarrow import parquet

        folder.mkdir(parents=True, exist_ok=True)
        head = {
            "id": self.id,
            "corpus": self.corpus,
            "backbone_name": self.backbone_name,
            "fingerprint": self.fingerprint,
            "config": self.config,
            "quality": self.quality,
            "corpus_fingerprint": self.corpus_fingerprint,
            "parent": self.parent,
            "edit": self.edit,
            "topics": [topic.head() for topic in self.topics],
        }
        write_json(folder / "hierarchy.json", head)
        columns = {
            "pair": np.arange(len(self), dtype=np.int64),
            "topic": self.topic_of(),
            "domain": self.domain_of(),
            "similarity": self.similarity,
            "kept": self.kept,
            "x": self.position[:, 0],
            "y": self.position[:, 1],
        }
        parquet.write_table(pa.table(columns), folder / "members.parquet")
        np.save(folder / "centroids.npy", self.centroids)
        if self.directions is not None:
            np.save(folder / DIRECTIONS, self.directions)

    @classmethod
    def load(cls, folder: Path) -> Hierarchy:
        """The hierarchy saved in a folder. Raises GramError if it is not there or is damaged."""
        from pyarrow import ArrowException, parquet

        try:
            head = json.loads((folder / "hierarchy.json").read_text(encoding="utf-8"))
            table = parquet.read_table(folder / "members.parquet")
            column = {name: table[name].to_numpy() for name in table.column_names}
            centroids = np.load(folder / "centroids.npy", allow_pickle=False)
            topics = _read_topics(head.pop("topics"), column["topic"], column["domain"])
            directions = None
            if (folder / DIRECTIONS).exists():
                directions = np.load(folder / DIRECTIONS, allow_pickle=False)
            return cls(
                **head,
                topics=topics,
                similarity=column["similarity"].astype(np.float32),
                kept=column["kept"].astype(bool),
                position=np.stack([column["x"], column["y"]], axis=1).astype(np.float32),
                centroids=centroids,
                directions=directions,
            )
        except (OSError, ValueError, KeyError, TypeError, ArrowException) as error:
            raise GramError(
                f"{folder} holds no whole hierarchy ({error}); cluster the corpus again"
            ) from error

    def store(self, workspace: Workspace) -> Path:
        """Keeps the hierarchy in a workspace under its id and gives its folder."""
        about = {
            "corpus": self.corpus,
            "backbone": self.backbone_name,
            "pairs": len(self),
            "topics": len(self.topics),
            "usable": len(self.usable()),
            "quality": self.quality,
        }
        if self.edit:
            about |= {"parent": self.parent, "edit": self.edit}
        with workspace.create("hierarchies", self.id, about) as folder:
            self.save(folder)
        return workspace.path("hierarchies", self.id)

    @classmethod
    def open(cls, workspace: Workspace, id: str) -> Hierarchy:
        """The hierarchy of that id in a workspace. Raises GramError if there is none."""
        return cls.load(workspace.path("hierarchies", id))

    def open_corpus(self, workspace: Workspace) -> Corpus:
        """The pairs that were clustered. Raises GramError where they are gone, or others are there
        under their name."""
        from gram_core.corpus import open_corpus

        corpus = open_corpus(workspace, self.corpus, len(self))
        if self.corpus_fingerprint not in ("", corpus.fingerprint):
            raise GramError(
                f"The corpus {self.corpus!r} was replaced since it was clustered as {self.id!r}; "
                "cluster it again."
            )
        return corpus


def _labels(count: int, groups: list[Ids]) -> Ids:
    result = np.full(count, -1, dtype=np.int64)
    for label, members in enumerate(groups):
        result[members] = label
    return result


def _read_topics(heads: list[dict[str, Any]], topic: Ids, domain: Ids) -> tuple[Topic, ...]:
    # one sort gives the members of all topics at once
    order = np.argsort(topic, kind="stable")
    bounds = np.searchsorted(topic[order], np.arange(len(heads) + 1))
    topics = []
    for head, start, stop in zip(heads, bounds[:-1], bounds[1:], strict=True):
        members = order[start:stop].astype(np.int64)
        rows = domain[members]
        domains = tuple(members[rows == row] for row in range(rows.max(initial=-1) + 1))
        described = tuple(map(Description.from_dict, head.get("descriptions", ())))
        topics.append(
            Topic(
                id=head["id"],
                word=head["word"],
                words=tuple((str(word), float(score)) for word, score in head["words"]),
                members=members,
                domains=domains,
                reason=head["reason"],
                descriptions=described,
                coherence=head.get("coherence"),
                silhouette=head.get("silhouette"),
            )
        )
    return tuple(topics)
