"""The result of meta-training on disk, and where it fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gram_core.backbones import Backbone
from gram_core.errors import GramError
from gram_core.gradients import initial_regulator
from gram_core.meta import Initialisation
from gram_core.prompts import build_method


@pytest.fixture
def initialisation(tiny_backbone: Backbone) -> Initialisation:
    options = {"tokens": 3, "visual_tokens": 2}
    theta = build_method("ivlp", **options).initial(tiny_backbone, seed=1)
    phi = {key: torch.randn_like(value) for key, value in initial_regulator(theta).items()}
    backbone = {"name": tiny_backbone.name, "fingerprint": tiny_backbone.fingerprint}
    about = {"backbone": backbone, "words": ["dog", "cat"]}
    return Initialisation(theta, phi, "ivlp", options, "residual", about)


@pytest.mark.parametrize("regulated", [True, False])
def test_it_comes_back_from_disk(
    initialisation: Initialisation, tmp_path: Path, regulated: bool
) -> None:
    if not regulated:
        initialisation = replace(initialisation, phi=None)
    initialisation.save(tmp_path / "init")
    again = Initialisation.load(tmp_path / "init")
    assert again.theta.keys() == initialisation.theta.keys()
    for key, value in initialisation.theta.items():
        assert torch.equal(again.theta[key], value)
    for key, value in (initialisation.phi or {}).items():
        assert again.phi is not None
        assert torch.equal(again.phi[key], value)
    assert (again.phi is None) == (not regulated)
    assert (again.form, again.about) == (initialisation.form, initialisation.about)
    assert again.method() == initialisation.method()
    assert again.rule().name == ("gram" if regulated else "raw")


def test_its_rule_is_its_regulator(initialisation: Initialisation) -> None:
    gradient = {key: torch.randn(2, *value.shape) for key, value in initialisation.theta.items()}
    step = initialisation.rule()({"task": gradient})
    assert all(not torch.allclose(step[key], gradient[key]) for key in gradient)


def test_nothing_to_load(tmp_path: Path) -> None:
    with pytest.raises(GramError, match=r"no initialisation in .*finished meta-training run"):
        Initialisation.load(tmp_path)


def test_it_fits_its_own_backbone_and_method_alone(
    initialisation: Initialisation, tiny_backbone: Backbone
) -> None:
    initialisation.check(tiny_backbone, initialisation.method())
    with pytest.raises(GramError, match="coop needs"):
        initialisation.check(tiny_backbone, build_method("coop"))
    with pytest.raises(GramError, match="ivlp needs"):
        initialisation.check(tiny_backbone, build_method("ivlp", tokens=4))
    other = {"backbone": {"name": "another", "fingerprint": "0"}}
    with pytest.raises(GramError, match="meta-trained on the backbone 'another'"):
        replace(initialisation, about=other).check(tiny_backbone, initialisation.method())
