"""Annotated pictures: their classes are the topics, domains are found in them as ever."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gram_core.corpus import Corpus, ingest
from gram_core.errors import GramError
from gram_core.events import finish
from gram_core.hierarchy import ClusterConfig, Hierarchy, cluster
from gram_core.workspace import Workspace

CLASSES = ("dog", "car", "fire_engine")
CONFIG = ClusterConfig(topics="captions", drop=0.0, min_topic_size=12, min_domain_size=5)


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Corpus]:
    folder = tmp_path_factory.mktemp("annotated")
    for thing, name in enumerate((*CLASSES, "rare")):
        (folder / "pictures" / name).mkdir(parents=True)
        for number in range(4 if name == "rare" else 24):
            colour = (40 * thing + 5, 220 if number % 2 else 20, number)
            Image.new("RGB", (8, 8 + number), colour).save(
                folder / "pictures" / name / f"{number}.png"
            )
    workspace = Workspace(folder / "workspace")
    return workspace, finish(ingest(folder / "pictures", workspace, "annotated"))


def test_folders_of_pictures_name_their_captions(annotated: tuple[Workspace, Corpus]) -> None:
    _, corpus = annotated
    assert sorted(set(corpus.captions)) == ["car", "dog", "fire engine", "rare"]
    assert corpus.captions.count("dog") == 24


@pytest.mark.slow
def test_the_same_captions_are_a_topic(annotated: tuple[Workspace, Corpus], reader: Any) -> None:
    workspace, corpus = annotated
    found = finish(cluster(corpus, reader, CONFIG))
    assert {topic.word for topic in found.topics} == {"dog", "car", "fire engine"}
    for topic in found.topics:
        assert {corpus.captions[pair] for pair in topic.members} == {topic.word}
        assert len(topic) == 24
        assert np.array_equal(np.sort(np.concatenate(topic.domains)), topic.members)
    assert found.usable() == found.topics
    found.store(workspace)
    assert Hierarchy.open(workspace, found.id).config["topics"] == "captions"


def test_one_class_alone_is_refused(annotated: tuple[Workspace, Corpus], reader: Any) -> None:
    _, corpus = annotated
    with pytest.raises(GramError, match="gave 0 topics"):
        finish(cluster(corpus, reader, replace(CONFIG, min_topic_size=25)))
