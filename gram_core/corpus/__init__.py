"""Image-text pairs: how they come in, how they lie on disk, and their features."""

from gram_core.corpus.corpus import BUNDLED, Corpus, open_corpus
from gram_core.corpus.embedding import embed
from gram_core.corpus.ingest import IngestConfig, ingest

__all__ = ["BUNDLED", "Corpus", "IngestConfig", "embed", "ingest", "open_corpus"]
