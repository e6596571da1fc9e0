"""What the default settings make of the bundled corpus, whose pictures are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from gram_core.backbones import open_backbone
from gram_core.corpus import open_corpus
from gram_core.events import finish
from gram_core.hierarchy import cluster
from gram_core.workspace import Workspace


@pytest.mark.slow
def test_topics_are_the_things_drawn_and_domains_their_styles(tmp_path: Path) -> None:
    corpus = open_corpus(Workspace(tmp_path), "bundled")
    found = finish(cluster(corpus, open_backbone("bundled")))
    assert found.quality["topic NMI"] >= 0.8
    assert found.quality["domain NMI"] >= 0.5
    assert found.quality["outliers"] < 0.3
    assert len(found.usable()) > 35  # 44 things
