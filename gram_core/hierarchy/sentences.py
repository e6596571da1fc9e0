"""Sentence embeddings of captions: the backbone's own, tf-idf, or those of a Sentence-BERT."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gram_core.corpus import Corpus
from gram_core.errors import GramError
from gram_core.events import Event
from gram_core.hierarchy.words import CAPTION_WORDS, grammar_words, tokens
from gram_core.threads import one_thread

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

BATCH = 1024
DIRECTIONS = 100  # of tf-idf


class Rows:
    """Some rows of an embedding (n of N, d) as float32 of length one, read when they are asked for.

    Args:
        embedding: (N, d), perhaps memory-mapped.
        ids: (n,) which of its rows, in order; None for all.
    """

    def __init__(self, embedding: NDArray[Any], ids: NDArray[np.int64] | None = None) -> None:
        self._embedding = embedding
        self._ids = np.arange(len(embedding)) if ids is None else ids

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, rows: NDArray[Any] | slice) -> NDArray[np.float32]:
        return normalised(np.asarray(self._embedding[self._ids[rows]], dtype=np.float32))


def embed_sentences(corpus: Corpus, backbone: Backbone, sentences: str) -> Iterator[Event]:
    """(N, d) embeddings of all captions; but for the backbone's own they are cached.

    A pair with several captions, one a line, has the mean of theirs.

    Raises:
        GramError: the Sentence-BERT cannot be opened, or the captions have no words for tf-idf.
    """
    total = len(corpus)
    if sentences == "backbone":
        yield Event("result", total, total, result=corpus.features(backbone)[1])
        return
    path = _cache_path(corpus, sentences)
    if not path.exists():
        if sentences == "tf-idf":
            yield Event("progress", 0, total, "captions by their words (tf-idf)")
            embedding = _weighted_words(corpus.captions)
        else:
            embedding = yield from _by_sentence_bert(corpus, sentences, str(backbone.device))
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{secrets.token_hex(4)}.npy")
        np.save(draft, embedding)
        draft.replace(path)
    stored = np.load(path, mmap_mode="r", allow_pickle=False)
    yield Event("result", total, total, result=stored)


def _by_sentence_bert(
    corpus: Corpus, name: str, device: str
) -> Generator[Event, None, NDArray[np.float32]]:
    model = open_sentence_bert(name, device)
    place: dict[str, int] = {}  # of each line: captions repeat, and each is read once
    lines = [
        [place.setdefault(line, len(place)) for line in caption.split("\n")]
        for caption in corpus.captions
    ]
    texts = list(place)
    parts = []
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        parts.append(np.asarray(model.encode(batch, show_progress_bar=False), dtype=np.float32))
        yield Event("progress", start + len(batch), len(texts), f"captions by {name}")
    embedded = normalised(np.concatenate(parts))
    first = np.array([rows[0] for rows in lines])
    result = embedded[first]
    for pair, rows in enumerate(lines):
        if len(rows) > 1:
            result[pair] = embedded[rows].mean(axis=0)
    return normalised(result)


def _weighted_words(captions: Sequence[str]) -> NDArray[np.float32]:
    """(N, d) tf-idf of each caption's words in its main directions, 100 at most."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    stop = grammar_words() | frozenset(CAPTION_WORDS)
    weigh = TfidfVectorizer(
        analyzer=lambda text: [word for word in tokens(text) if word not in stop],
        sublinear_tf=True,
        min_df=2,
    )
    try:
        words = weigh.fit_transform(captions)
        directions = min(DIRECTIONS, words.shape[1] - 1)
        if directions < 2:
            raise ValueError("too few words")
    except ValueError as error:
        raise GramError(
            'the captions have too few words in common for sentences = "tf-idf": take "backbone" '
            "or a Sentence-BERT, or bring captions of more words"
        ) from error
    with one_thread():
        found = TruncatedSVD(directions, random_state=0).fit_transform(words)
    return normalised(found.astype(np.float32))


def open_sentence_bert(name: str, device: str = "cpu") -> Any:
    """A model of sentence-transformers by its name or folder, weights from safetensors only.

    Raises:
        GramError: there is none, it cannot be downloaded, or it has no safetensors weights.
    """
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(name, device=device, model_kwargs={"use_safetensors": True})
    except Exception as error:  # the hub, the file system and the model each raise their own
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise GramError(
            f"the Sentence-BERT {name!r} cannot be opened ({reason}); give the folder of a model "
            "with safetensors weights, a name that this machine can download, such as "
            '"all-MiniLM-L6-v2", or "backbone" for the text features of the backbone'
        ) from error


def normalised(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows (n, d) scaled to length one; a row of zeros stays one."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12)


def embedding_mark(sentences: str) -> str:
    """Differs where the embeddings of that name do: a folder's model may be replaced."""
    weights = Path(sentences) / "model.safetensors"
    return f"{sentences} {weights.stat().st_mtime_ns}" if weights.is_file() else f"{sentences} "


def _cache_path(corpus: Corpus, sentences: str) -> Path:
    text = f"{embedding_mark(sentences)} {len(corpus)}"
    key = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return corpus.cache / corpus.fingerprint / f"sentences-{key}.npy"
