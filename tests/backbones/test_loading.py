from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gram_core.backbones import Backbone, open_backbone
from gram_core.errors import GramError


@pytest.fixture
def folder(tiny_backbone_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_backbone_dir, tmp_path / "copy"))


def test_a_folder_opens_from_anywhere(
    tiny_backbone_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_backbone_dir.parent)
    backbone = open_backbone(tiny_backbone_dir.name)
    assert (backbone.image_size, backbone.embed_dim) == (32, 24)
    assert (backbone.text_width, backbone.visual_width) == (32, 48)
    assert backbone.logit_scale == pytest.approx(1 / 0.07, rel=1e-5)
    assert backbone.device == torch.device("cpu")
    assert not any(weight.requires_grad for weight in backbone.model.parameters())
    # The vocabulary beside the weights is the one in use.
    assert backbone.tokenizer.vocab_size == len(backbone.text.token_embedding)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("open_clip_config.json", "no open_clip_config.json in"),
        ("open_clip_model.safetensors", "no .safetensors weights in"),
        ("bpe_vocabulary.txt.gz", "no bpe_vocabulary.txt.gz in"),
    ],
)
def test_a_missing_file_is_named(missing: str, words: str, folder: Path) -> None:
    (folder / missing).unlink()
    with pytest.raises(GramError, match=words):
        open_backbone(str(folder))


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "open_clip_config.json").unlink(),
        lambda folder: (folder / "open_clip_config.json").write_text("{}"),
        lambda folder: (folder / "open_clip_model.safetensors").unlink(),
        lambda folder: (folder / "open_clip_model.safetensors").write_bytes(b"damaged"),
        lambda folder: (folder / "bpe_vocabulary.txt.gz").unlink(),
        shutil.rmtree,
    ],
)
def test_a_folder_that_is_no_model_is_told_what_to_give(
    folder: Path, harm: Callable[[Path], object]
) -> None:
    harm(folder)
    with pytest.raises(GramError, match=r'give "bundled", MODEL/TAG .* or a folder that open_clip'):
        open_backbone(str(folder))


def test_a_pickle_is_not_weights(folder: Path) -> None:
    (folder / "open_clip_model.safetensors").unlink()
    torch.save({}, folder / "open_clip_pytorch_model.bin")
    with pytest.raises(GramError, match=r"no \.safetensors weights"):
        open_backbone(str(folder))


@pytest.mark.parametrize("text", ["not json", "{}", '{"model_cfg": 3}'])
def test_a_broken_configuration_is_refused(text: str, folder: Path) -> None:
    (folder / "open_clip_config.json").write_text(text)
    with pytest.raises(GramError, match="is not the configuration"):
        open_backbone(str(folder))


@pytest.mark.parametrize("name", ["open_clip_model.safetensors", "bpe_vocabulary.txt.gz"])
def test_a_damaged_file_is_refused(name: str, folder: Path) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:1000])
    with pytest.raises(GramError, match="cannot be opened"):
        open_backbone(str(folder))


def test_weights_of_another_model_are_refused(folder: Path) -> None:
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["embed_dim"] = 16
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(GramError, match="cannot be opened"):
        open_backbone(str(folder))


def test_a_vocabulary_larger_than_the_tower_is_refused(folder: Path) -> None:
    config = json.loads((folder / "open_clip_config.json").read_text())
    del config["model_cfg"]["text_cfg"]["tokenizer_kwargs"]
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(GramError, match="49408 tokens"):
        open_backbone(str(folder))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("./nowhere", "does not exist"),
        ("local-dir:nowhere", "does not exist"),
        ("ViT-B-16", "MODEL/TAG"),
        ("ViT-B-61/openai", "such as ViT-B-16"),
        ("ViT-B-16/open-ai", "choose from openai"),
    ],
)
def test_an_unknown_name_is_refused(name: str, words: str) -> None:
    with pytest.raises(GramError, match=words):
        open_backbone(name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ({"no_causal_mask": True}, "no causal mask"),
        ({"pool_type": "last"}, "pools by 'last'"),
        ({"pool_type": "eos", "eos_id": 7}, "pools at token 7"),
        ({"embed_cls": True}, "class token"),
        ({"qk_norm": True}, "CustomResidualAttentionBlock"),
    ],
)
def test_a_text_tower_that_cannot_be_prompted_is_refused(
    text: dict[str, object], words: str, write_backbone: Callable[..., Path], tmp_path: Path
) -> None:
    folder = write_backbone(tmp_path / "model", text=text, custom_text=True)
    with pytest.raises(GramError, match=words):
        open_backbone(str(folder))


@pytest.mark.parametrize(
    ("vision", "words"),
    [
        ({"layers": [1, 1, 1, 1], "width": 8, "head_width": 64}, "ModifiedResNet"),
        ({"attentional_pool": True, "attn_pooler_heads": 4}, "attention"),
        ({"scale_heads": True}, "CustomResidualAttentionBlock"),
    ],
)
def test_other_image_towers_encode_but_take_no_tokens(
    vision: dict[str, object], words: str, write_backbone: Callable[..., Path], tmp_path: Path
) -> None:
    pooled = {"pool_type": "avg"} if vision.get("attentional_pool") else {}
    folder = write_backbone(tmp_path / "model", vision={**vision, **pooled})
    backbone = open_backbone(str(folder))
    assert backbone.visual is None
    assert backbone.visual_width is None
    with pytest.raises(GramError, match=words):
        backbone.visual_tower()
    features = backbone.encode_images(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    assert features.shape == (2, 24)


def test_fingerprint_follows_what_features_depend_on(tiny_backbone: Backbone, folder: Path) -> None:
    def fingerprint() -> str:
        return open_backbone(str(folder)).fingerprint

    assert fingerprint() == tiny_backbone.fingerprint
    config = json.loads((folder / "open_clip_config.json").read_text())
    for change in ({"preprocess_cfg": {"mean": [0.5, 0.5, 0.5]}}, {"quick_gelu": True}):
        changed = json.loads(json.dumps(config))
        target = changed if "preprocess_cfg" in change else changed["model_cfg"]
        target.update(change)
        (folder / "open_clip_config.json").write_text(json.dumps(changed))
        assert fingerprint() != tiny_backbone.fingerprint


@pytest.mark.slow
def test_random_weights_are_the_same_every_time() -> None:
    state = torch.random.get_rng_state()
    first = open_backbone("ViT-B-32/random")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert open_backbone("ViT-B-32/random").fingerprint == first.fingerprint
    assert first.text_width == 512
    assert first.visual_width == 768
