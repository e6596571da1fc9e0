"""Sentence embeddings of captions: the backbone's own, or those of a Sentence-BERT."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gram_core.corpus import Corpus
from gram_core.errors import GramError
from gram_core.events import Event

if TYPE_CHECKING:
    from gram_core.backbones import Backbone

BATCH = 1024


def embed_sentences(corpus: Corpus, backbone: Backbone, sentences: str) -> Iterator[Event]:
    """(N, d) embeddings of all captions, of length one; those of a Sentence-BERT are cached.

    Raises:
        GramError: the Sentence-BERT cannot be opened.
    """
    total = len(corpus)
    if sentences == "backbone":
        text = np.asarray(corpus.features(backbone)[1], dtype=np.float32)
        yield Event("result", total, total, result=normalised(text))
        return
    path = _cache_path(corpus, sentences)
    if not path.exists():
        model = open_sentence_bert(sentences, str(backbone.device))
        texts = list(dict.fromkeys(corpus.captions))
        parts = []
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            parts.append(np.asarray(model.encode(batch, show_progress_bar=False)))
            yield Event("progress", start + len(batch), len(texts), f"captions by {sentences}")
        place = {text: row for row, text in enumerate(texts)}
        rows = [place[caption] for caption in corpus.captions]
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{secrets.token_hex(4)}.npy")
        np.save(draft, normalised(np.concatenate(parts).astype(np.float32))[rows])
        draft.replace(path)
    yield Event("result", total, total, result=np.load(path, allow_pickle=False))


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


def _cache_path(corpus: Corpus, sentences: str) -> Path:
    weights = Path(sentences) / "model.safetensors"  # a folder's model may be replaced
    mark = f"{weights.stat().st_mtime_ns}" if weights.is_file() else ""
    key = hashlib.blake2b(f"{sentences} {mark} {len(corpus)}".encode(), digest_size=8).hexdigest()
    return corpus.cache / corpus.fingerprint / f"sentences-{key}.npy"
