"""What runs do, told by their configuration: from another corpus under the same name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gram_core.backbones import Backbone
from gram_core.corpus import ingest
from gram_core.errors import GramError
from gram_core.events import finish
from gram_core.hierarchy import ClusterConfig, Hierarchy, cluster
from gram_core.workspace import Workspace


def ingested(workspace: Workspace, folder: Path, first: int) -> None:
    """A corpus "mine" of 48 pictures in grey and colour, other ones for another `first`."""
    generator = np.random.default_rng(first)
    folder.mkdir()
    lines = ["image,caption"]
    for number in range(48):
        pixels = generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(f"{number}.png,a {('dog', 'ship')[number % 2]} number {'abcdef'[number % 6]}")
    (folder / "captions.csv").write_text("\n".join(lines), encoding="utf-8")
    finish(ingest(folder, workspace, "mine"))


@pytest.mark.slow
def test_a_hierarchy_refuses_other_pairs_under_the_name_of_its_corpus(
    tmp_path: Path, tiny_backbone: Backbone
) -> None:
    from gram_core.corpus import open_corpus

    workspace = Workspace(tmp_path / "workspace")
    ingested(workspace, tmp_path / "first", 0)
    config = ClusterConfig(min_topic_size=6, drop=0.0)
    made = finish(cluster(open_corpus(workspace, "mine"), tiny_backbone, config))
    made.store(workspace)
    hierarchy = Hierarchy.open(workspace, made.id)
    assert len(hierarchy.open_corpus(workspace)) == 48

    workspace.delete("corpora", "mine")
    ingested(workspace, tmp_path / "second", 1)
    with pytest.raises(GramError, match="was replaced since it was clustered"):
        hierarchy.open_corpus(workspace)
