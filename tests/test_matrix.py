"""Any rule with any method: what is adapted learns, and what has to stay as it is stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gram_core.adaptation import Adaptation, AdaptConfig, Support, adapt
from gram_core.backbones import Backbone, open_backbone
from gram_core.errors import GramError
from gram_core.events import finish
from gram_core.gradients import RULES, build_rule, initial_regulator
from gram_core.prompts import METHODS, ImageBank, Method, Params, build_method, token_keys

NAMES = ["cat", "fire engine", "tree"]
CHAINS = ["prograd+gram", "gram+clip", "prograd+gram+clip"]
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in METHODS),
    ("coop", {"class_specific": True}),
    ("coop", {"position": "middle"}),
    ("ivlp", {"depth": 2, "visual_depth": 2}),
]


@pytest.fixture(scope="module")
def tiny_backbone(
    write_backbone: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Backbone:
    """Features wide enough for CoCoOp's hidden layer, a sixteenth of them, to be one."""
    return open_backbone(str(write_backbone(tmp_path_factory.mktemp("wide") / "b", embed_dim=128)))


@pytest.fixture(scope="module")
def bank(tiny_backbone: Backbone) -> ImageBank:
    generator = torch.Generator().manual_seed(0)
    size = (12, 3, tiny_backbone.image_size, tiny_backbone.image_size)
    pixels = torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)
    return ImageBank.of(tiny_backbone, pixels)


SUPPORT = Support(
    torch.tensor([[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]), torch.tensor([[0, 1, 2] * 2] * 2)
)
CONFIG = AdaptConfig(epochs=3, rate=0.005, visual_rate=0.005, batch=6)


def _phi(method: Method, backbone: Backbone, moved: float) -> Params:
    generator = torch.Generator().manual_seed(3)
    return {
        key: value + moved * torch.randn(value.shape, generator=generator)
        for key, value in initial_regulator(method.initial(backbone)).items()
    } or {"none": torch.zeros(1)}


def _adapted(method: Method, rule: str, moved: float, backbone: Backbone, bank: ImageBank) -> Any:
    built = build_rule(rule, _phi(method, backbone, moved))
    constants = method.constants(backbone, NAMES, bank)
    start = method.initial(backbone)
    found = finish(adapt(method, built, constants, SUPPORT, start, CONFIG))
    assert isinstance(found, Adaptation)
    return found


@pytest.mark.parametrize("rule", [*RULES, *CHAINS])
@pytest.mark.parametrize(("name", "options"), VARIANTS, ids=[f"{n} {o or ''}" for n, o in VARIANTS])
def test_every_method_adapts_under_every_rule(
    name: str, options: dict[str, Any], rule: str, tiny_backbone: Backbone, bank: ImageBank
) -> None:
    method = build_method(name, **options)
    constants = method.constants(tiny_backbone, NAMES, bank)
    found = _adapted(method, rule, 0.02, tiny_backbone, bank)
    method.check(found.params, tiny_backbone, len(NAMES), (2,))
    start = method.initial(tiny_backbone)
    start = {key: value.expand(2, *value.shape) for key, value in start.items()}
    start = method.prepared(start, constants, SUPPORT.images, SUPPORT.labels)
    for key, value in start.items():
        assert torch.isfinite(found.params[key]).all()
        assert torch.equal(found.params[key], value) == (key in method.fixed), key
    losses = [record["loss"] for record in found.history]
    assert len(losses) == (CONFIG.epochs if method.learns(tiny_backbone) else 0)
    if losses:
        assert (losses[-1] < losses[0]).all()


@pytest.mark.parametrize("name", METHODS)
def test_a_regulator_that_has_learned_nothing_is_no_rule_at_all(
    name: str, tiny_backbone: Backbone, bank: ImageBank
) -> None:
    method = build_method(name)
    raw, still = (
        _adapted(method, rule, 0.0, tiny_backbone, bank).params for rule in ("raw", "gram")
    )
    for key, value in raw.items():
        torch.testing.assert_close(still[key], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "zero-shot"])
def test_rules_differ(name: str, tiny_backbone: Backbone, bank: ImageBank) -> None:
    method = build_method(name)
    if not method.learns(tiny_backbone):
        return
    found = {
        rule: _adapted(method, rule, 0.2, tiny_backbone, bank).params for rule in ("raw", "gram")
    }
    for key, value in found["raw"].items():
        same = torch.allclose(found["gram"][key], value, atol=1e-7)
        # What is no token is touched only through the tokens beside it.
        assert not same or key not in token_keys(found["raw"]), key


@pytest.mark.parametrize("name", METHODS)
def test_a_resnet_takes_text_methods_and_refuses_visual_tokens(
    name: str, write_backbone: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("resnet") / "b"
    vision = {"layers": [1, 1, 1, 1], "width": 8, "head_width": 64}
    resnet = open_backbone(str(write_backbone(folder, vision=vision)))
    size = (12, 3, resnet.image_size, resnet.image_size)
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, size, generator=generator, dtype=torch.uint8)
    method, bank = build_method(name), ImageBank.of(resnet, pixels)
    if method.visual.reads_pixels:
        with pytest.raises(GramError, match=r"ModifiedResNet.*or a text method"):
            method.initial(resnet)
        return
    found = _adapted(method, "prograd", 0.0, resnet, bank)
    method.check(found.params, resnet, len(NAMES), (2,))
