"""The methods once more, as plainly as can be: every class of every image in whole padded prompts
through open_clip's own modules, one task at a time, nothing shared and nothing kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from gram_core.backbones import Backbone
from gram_core.prompts import Params


def logits(
    name: str,
    backbone: Backbone,
    params: Params,
    names: Sequence[str],
    pixels: Tensor,
    position: str = "end",
    words: str = "",
    template: str = "a photo of a {}.",
    cached: Sequence[int] = (),
) -> Tensor:
    """Logits `(N, K)` of images `(n, 3, H, W)`, for parameters without a task axis.

    `words` stand between the context and the name; `cached` are the classes of cached images.
    """
    params = dict(params)
    if name == "maple":
        depths = ["", *(f".{i}" for i in range(1, _depth(params, "text.context")))]
        for depth in depths:
            weight, bias = (params[f"visual.{key}{depth}"] for key in ("coupling", "coupling_bias"))
            params[f"visual.tokens{depth}"] = params[f"text.context{depth}"] @ weight.T + bias
    images = image_features(backbone, params, pixels)
    rows = []
    for image in images:
        context = params.get("text.context")
        if name == "cocoop":
            assert context is not None
            hidden = (params["text.hidden"] @ image + params["text.hidden_bias"]).clamp(min=0)
            context = context + params["text.shift"] @ hidden + params["text.shift_bias"]
        classes = torch.stack(
            [
                _class_feature(backbone, params, context, number, each, position, words, template)
                for number, each in enumerate(names)
            ]
        )
        row = backbone.logit_scale * classes @ image
        for key, label in zip(params.get("visual.cache_keys", []), cached, strict=True):
            vote = torch.exp(-5.5 * (1 - key @ image))
            row = row + vote * functional.one_hot(torch.tensor(label), len(names))
        rows.append(row)
    return torch.stack(rows)


def _class_feature(
    backbone: Backbone,
    params: Params,
    context: Tensor | None,
    number: int,
    name: str,
    position: str,
    words: str,
    template: str,
) -> Tensor:
    if context is None:
        return functional.normalize(
            backbone.model.encode_text(backbone.tokenizer([template.format(name)]))[0], dim=-1
        )
    if context.ndim == 3:
        context = context[number]
    deep = [params[f"text.context.{i}"] for i in range(1, _depth(params, "text.context"))]
    count = len(context)
    before = {"end": count, "middle": count // 2, "front": 0}[position]
    fill = ["x"] * count
    sentence = " ".join([*fill[:before], *words.split(), name, *fill[before:]]) + "."
    model, (ids,) = backbone.model, backbone.tokenizer([sentence])
    after = 1 + before + len(backbone.tokenizer.encode(f"{words} {name}".strip()))
    slots = [*range(1, 1 + before), *range(after, after + count - before)]
    x = model.token_embedding(ids).clone()
    x[slots] = context
    x = (x + model.positional_embedding)[None]
    for depth, block in enumerate(model.transformer.resblocks):
        if 1 <= depth <= len(deep):
            x = torch.cat([x[:, :1], deep[depth - 1][None], x[:, 1 + count :]], dim=1)
        x = block(x, attn_mask=model.attn_mask)
    end = model.ln_final(x)[0, int(ids.argmax())]
    return functional.normalize(end @ model.text_projection, dim=-1)


def image_features(backbone: Backbone, params: Params, pixels: Tensor) -> Tensor:
    """Normalised image features `(N, e)`."""
    visual = backbone.model.visual
    x = visual.conv1((pixels / 255 - backbone.mean) / backbone.std).flatten(2).transpose(1, 2)
    first = visual.class_embedding.expand(len(x), 1, -1)
    x = torch.cat([first, x], dim=1) + visual.positional_embedding
    patches, tokens = x.shape[1], params.get("visual.tokens")
    if tokens is not None:
        x = torch.cat([x, tokens.expand(len(x), -1, -1)], dim=1)
    x = visual.ln_pre(x)
    for depth, block in enumerate(visual.transformer.resblocks):
        if (tokens := params.get(f"visual.tokens.{depth}")) is not None:
            x = torch.cat([x[:, :patches], tokens.expand(len(x), -1, -1)], dim=1)
        x = block(x)
    return functional.normalize(visual.ln_post(x)[:, 0] @ visual.proj, dim=-1)


def _depth(params: Params, key: str) -> int:
    depth = 1
    while f"{key}.{depth}" in params:
        depth += 1
    return depth
