"""A small byte-pair vocabulary: CLIP's own merges, restricted to the words of the world.

The file is of the form that open_clip's `SimpleTokenizer` reads. Every word of the world splits
as under CLIP's full vocabulary; any other word falls back to shorter pieces and never fails.
"""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

from open_clip.tokenizer import SimpleTokenizer, default_bpe

FILE_NAME = "bpe_vocabulary.txt.gz"
HEADER = "#version: 0.2"
COMMON_MERGES = 256  # the most frequent merges are kept whatever the words, for unknown words


def _merges_of(word: str, tokenizer: SimpleTokenizer) -> set[tuple[str, str]]:
    """The merges that byte-pair encoding applies to `word`, greedily by rank."""
    letters = "".join(tokenizer.byte_encoder[byte] for byte in word.encode())
    pieces = [*letters[:-1], letters[-1] + "</w>"]
    used: set[tuple[str, str]] = set()
    while len(pieces) > 1:
        pairs = set(itertools.pairwise(pieces))
        best = min(pairs, key=lambda pair: tokenizer.bpe_ranks.get(pair, float("inf")))
        if best not in tokenizer.bpe_ranks:
            break
        used.add(best)
        merged: list[str] = []
        for piece in pieces:
            if merged and (merged[-1], piece) == best:
                merged[-1] += piece
            else:
                merged.append(piece)
        pieces = merged
    return used


def write_vocabulary(path: Path, words: list[str]) -> int:
    """The size of the vocabulary written to `path` (gzip): merges for `words` and the commonest.

    512 byte tokens, one token a merge, start and end of text.
    """
    tokenizer = SimpleTokenizer()
    needed = set().union(*(_merges_of(word, tokenizer) for word in words))
    lines = gzip.decompress(Path(default_bpe()).read_bytes()).decode().split("\n")
    full = lines[1 : 49152 - 256 - 2 + 1]
    merges = [
        line
        for rank, line in enumerate(full)
        if rank < COMMON_MERGES or tuple(line.split()) in needed
    ]
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        file.write("\n".join([HEADER, *merges]).encode())
    return 512 + len(merges) + 2
