"""The peers: CLIP, CoOp, VPT and MAML as they are usually written, with the backbone's own weights.

The structure is OpenAI's: `nn.MultiheadAttention` on rows `(L, N, d)`, an additive mask, texts of
full length. Attention runs on PyTorch's default kernel where one derivative is taken; where two
are, on its `math` kernel, because the others have no second derivative.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from gram_core.backbones import Backbone
from gram_core.errors import GramError
from gram_core.prompts import Params


class QuickGelu(nn.Module):
    """x * sigmoid(1.702 x), as OpenAI wrote it."""

    def forward(self, x: Tensor) -> Tensor:
        """The activation, element by element."""
        return x * torch.sigmoid(1.702 * x)


class ResidualBlock(nn.Module):
    """One pre-norm block of a CLIP tower on rows `(L, N, d)`."""

    def __init__(self, source: Any, mask: Tensor | None) -> None:
        super().__init__()
        width, hidden = source.attn.embed_dim, source.mlp.c_fc.out_features
        quick = type(source.mlp.gelu).__name__ == "QuickGELU"
        self.ln_1 = nn.LayerNorm(width, eps=source.ln_1.eps)
        self.attn = nn.MultiheadAttention(width, source.attn.num_heads)
        self.ln_2 = nn.LayerNorm(width, eps=source.ln_2.eps)
        layers: list[tuple[str, nn.Module]] = [
            ("c_fc", nn.Linear(width, hidden)),
            ("gelu", QuickGelu() if quick else nn.GELU()),
            ("c_proj", nn.Linear(hidden, width)),
        ]
        self.mlp = nn.Sequential(OrderedDict(layers))
        self.mask = mask
        _copy(self, source)

    def forward(self, x: Tensor) -> Tensor:
        """The rows after this block."""
        normed = self.ln_1(x)
        attended, _ = self.attn(normed, normed, normed, need_weights=False, attn_mask=self.mask)
        x = x + attended
        return x + self.mlp(self.ln_2(x))


class TextEncoder(nn.Module):
    """CLIP's text tower over whole prompts `(K, 77, d)`: features `(K, e)`, not normalised."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        source = _text_of(backbone.model)
        length = source.positional_embedding.shape[0]
        mask = torch.full((length, length), float("-inf"), dtype=backbone.dtype).triu(1)
        mask = mask.to(backbone.device)
        self.positional_embedding = nn.Parameter(source.positional_embedding.detach().clone())
        self.transformer = nn.Sequential(
            *(ResidualBlock(block, mask) for block in source.transformer.resblocks)
        )
        self.ln_final = nn.LayerNorm(source.ln_final.weight.shape[0], eps=source.ln_final.eps)
        _copy(self.ln_final, source.ln_final)
        projection = source.text_projection
        if isinstance(projection, nn.Linear):
            projection = projection.weight.T
        self.text_projection = nn.Parameter(projection.detach().clone())

    def forward(self, prompts: Tensor, tokens: Tensor) -> Tensor:
        """Features of embedded prompts; `tokens` `(K, 77)` tell where each of them ends."""
        x = (prompts + self.positional_embedding).permute(1, 0, 2)
        x = self.ln_final(self.transformer(x).permute(1, 0, 2))
        rows = torch.arange(x.shape[0], device=x.device)
        return x[rows, tokens.argmax(dim=-1)] @ self.text_projection


class ImageEncoder(nn.Module):
    """CLIP's image tower: features `(N, e)` of prepared images, not normalised."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        source = backbone.model.visual
        pool = getattr(source, "pool_type", None)
        if pool not in ("tok", "avg") or source.attn_pool is not None or source.final_ln_after_pool:
            raise _refusal()
        self.average = pool == "avg"
        width, channels, *patch = source.conv1.weight.shape
        self.conv1 = nn.Conv2d(channels, width, patch[0], stride=patch[0], bias=False)
        self.class_embedding = nn.Parameter(source.class_embedding.detach().clone())
        self.positional_embedding = nn.Parameter(source.positional_embedding.detach().clone())
        self.ln_pre = nn.LayerNorm(width, eps=source.ln_pre.eps)
        self.transformer = nn.Sequential(
            *(ResidualBlock(block, None) for block in source.transformer.resblocks)
        )
        self.ln_post = nn.LayerNorm(width, eps=source.ln_post.eps)
        self.proj = nn.Parameter(source.proj.detach().clone())
        for name in ("conv1", "ln_pre", "ln_post"):
            _copy(getattr(self, name), getattr(source, name))

    def forward(self, images: Tensor, tokens: Tensor | None = None) -> Tensor:
        """Features of images `(N, 3, H, W)`; `tokens` `(n, d)` join after the positions (VPT)."""
        count = len(images)
        patches = self.conv1(images).flatten(2).permute(0, 2, 1)
        first = self.class_embedding.expand(count, 1, -1)
        x = torch.cat([first, patches], dim=1) + self.positional_embedding
        if tokens is not None:
            x = torch.cat([x, tokens.expand(count, -1, -1)], dim=1)
        x = self.ln_pre(x).permute(1, 0, 2)
        x = self.transformer(x).permute(1, 0, 2)
        if self.average:
            return self.ln_post(x[:, 1 : 1 + patches.shape[1]]).mean(dim=1) @ self.proj
        return self.ln_post(x[:, 0]) @ self.proj


class PromptLearner(nn.Module):
    """CoOp's prompts `(K, 77, d)`: [SOS], the learned context, then the class name to the end."""

    token_prefix: Tensor
    token_suffix: Tensor

    def __init__(self, backbone: Backbone, names: Sequence[str], context: Tensor) -> None:
        super().__init__()
        count = len(context)
        self.ctx = nn.Parameter(context.detach().clone())
        self.tokens = tokenize(backbone, [" ".join(["X"] * count) + f" {name}." for name in names])
        embedded = _text_of(backbone.model).token_embedding.weight.detach()[self.tokens]
        self.register_buffer("token_prefix", embedded[:, :1])
        self.register_buffer("token_suffix", embedded[:, 1 + count :])

    def forward(self, context: Tensor | None = None) -> Tensor:
        """The prompts of all classes, under another context `(M, d)` where one is given."""
        context = self.ctx if context is None else context
        context = context.expand(len(self.token_prefix), -1, -1)
        return torch.cat([self.token_prefix, context, self.token_suffix], dim=1)


class CoOp(nn.Module):
    """CLIP with a learned context (Zhou et al., 2022): logits `(N, K)` of prepared images.

    `image_encoder` None: the images are given as features, normalised or not. `second_order`: the
    logits can be differentiated twice.
    """

    def __init__(
        self,
        backbone: Backbone,
        names: Sequence[str],
        context: Tensor,
        text_encoder: TextEncoder,
        image_encoder: ImageEncoder | None = None,
        second_order: bool = False,
    ) -> None:
        super().__init__()
        self.prompt_learner = PromptLearner(backbone, names, context)
        self.text_encoder = text_encoder
        self.image_encoder = image_encoder
        self.second_order = second_order
        self.logit_scale = nn.Parameter(backbone.model.logit_scale.detach().clone())
        for name, weight in self.named_parameters():
            weight.requires_grad_(name == "prompt_learner.ctx")

    def forward(self, images: Tensor, context: Tensor | None = None) -> Tensor:
        """Logits `(N, K)`, under another context `(M, d)` where one is given."""
        features = images if self.image_encoder is None else self.image_encoder(images)
        with kernels(self.second_order):
            classes = self.text_encoder(self.prompt_learner(context), self.prompt_learner.tokens)
        return scores(features, classes, self.logit_scale)


class Vpt(nn.Module):
    """CLIP with learned visual tokens (VPT, shallow) and fixed class features `(K, e)`.

    The logits can be differentiated twice.
    """

    classes: Tensor

    def __init__(
        self, backbone: Backbone, classes: Tensor, tokens: Tensor, image_encoder: ImageEncoder
    ) -> None:
        super().__init__()
        self.image_encoder = image_encoder
        self.logit_scale = nn.Parameter(backbone.model.logit_scale.detach().clone())
        self.requires_grad_(False)
        self.tokens = nn.Parameter(tokens.detach().clone())
        self.register_buffer("classes", classes)

    def forward(self, images: Tensor, tokens: Tensor | None = None) -> Tensor:
        """Logits `(N, K)`, under other tokens `(n, d)` where they are given."""
        with kernels(second_order=True):
            features = self.image_encoder(images, self.tokens if tokens is None else tokens)
        return scores(features, self.classes, self.logit_scale)


class Regulator(nn.Module):
    """GRAM's regulator in its form `blend`, for one tower of width d."""

    def __init__(self, phi: Params, tower: str) -> None:
        super().__init__()
        width = len(phi[f"{tower}.gamma.bias"])
        self.gamma, self.beta = nn.Linear(width, width), nn.Linear(width, width)
        self.log_scale = nn.Parameter(torch.zeros(()))
        prefix = f"{tower}."
        own = {key.removeprefix(prefix): value for key, value in phi.items() if prefix in key}
        self.to(phi[f"{tower}.gamma.bias"])
        self.load_state_dict(own)

    def forward(self, gradient: Tensor) -> Tensor:
        """The regulated gradient `(M, d)`."""
        size = gradient.pow(2).mean().sqrt()
        unit = gradient / size
        gamma, beta = torch.tanh(self.gamma(unit)), torch.tanh(self.beta(unit))
        changed = gradient + size * (gamma * unit + beta)
        changed = changed * size / changed.pow(2).mean().sqrt()
        return self.log_scale.exp() * (gradient + changed) / 2


@dataclass(frozen=True)
class Shots:
    """Labelled images of one task as a peer reads them: images or features, labels `(N,)`."""

    images: Tensor
    labels: Tensor


def kernels(second_order: bool) -> AbstractContextManager[Any]:
    """Attention that can be differentiated as often as is needed."""
    return sdpa_kernel(SDPBackend.MATH) if second_order else nullcontext()


def scores(images: Tensor, classes: Tensor, logit_scale: Tensor) -> Tensor:
    """CLIP's logits `(N, K)` of image features `(N, e)` and class features `(K, e)`."""
    images = images / images.norm(dim=-1, keepdim=True)
    classes = classes / classes.norm(dim=-1, keepdim=True)
    return logit_scale.exp() * images @ classes.t()


def tokenize(backbone: Backbone, texts: Sequence[str]) -> Tensor:
    """Token ids `(n, 77)` of texts, padded to the full length."""
    length = backbone.text.context_length
    ids: Tensor = backbone.tokenizer(list(texts), context_length=length)
    return ids.to(backbone.device)


@torch.no_grad()
def class_features(backbone: Backbone, encoder: TextEncoder, texts: Sequence[str]) -> Tensor:
    """Features `(K, e)` of whole sentences."""
    ids = tokenize(backbone, texts)
    return encoder(_text_of(backbone.model).token_embedding(ids), ids)


def train_step(model: CoOp, optimizer: torch.optim.Optimizer, shots: Shots) -> Tensor:
    """One training step of CoOp; the loss before it."""
    loss = functional.cross_entropy(model(shots.images), shots.labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


def meta_step(
    model: CoOp | Vpt, regulator: Regulator, rate: float, support: Shots, query: Shots
) -> dict[str, Tensor]:
    """Query loss after one regulated step, and its exact gradients: `theta`, `phi.gamma.weight`, …

    Plain `autograd.grad` with `create_graph`; the model is called with the adapted prompt.
    """
    start = model.prompt_learner.ctx if isinstance(model, CoOp) else model.tokens
    loss = functional.cross_entropy(model(support.images), support.labels)
    (gradient,) = torch.autograd.grad(loss, start, create_graph=True)
    adapted = start - rate * regulator(gradient)
    loss = functional.cross_entropy(model(query.images, adapted), query.labels)
    return _look_back(loss, start, regulator)


def maml_step(
    maml: Any, update: Callable[..., Any], regulator: Regulator, support: Shots, query: Shots
) -> dict[str, Tensor]:
    """The same by learn2learn: a clone of the whole module, updated with the regulated gradient.

    `update` is its `maml_update`, which takes a gradient, or None, for every parameter.
    """
    learner = maml.clone()
    loss = functional.cross_entropy(learner(support.images), support.labels)
    weights = list(learner.module.parameters())
    learned = [weight for weight in weights if weight.requires_grad]
    (gradient,) = torch.autograd.grad(loss, learned, create_graph=True)
    step = regulator(gradient)
    update(learner.module, maml.lr, [step if weight.requires_grad else None for weight in weights])
    loss = functional.cross_entropy(learner(query.images), query.labels)
    return _look_back(loss, maml.module.prompt_learner.ctx, regulator)


def _look_back(loss: Tensor, start: Tensor, regulator: Regulator) -> dict[str, Tensor]:
    names, weights = zip(*regulator.named_parameters(), strict=True)
    theta, *phi = torch.autograd.grad(loss, [start, *weights])
    phis = {f"phi.{name}": value for name, value in zip(names, phi, strict=True)}
    return {"loss": loss.detach(), "theta": theta, **phis}


def load_learn2learn(folder: Path | None) -> Any | None:
    """learn2learn's module `algorithms.maml`, or None where there is none.

    From an installed learn2learn, or else from its unpacked source in `folder`, unchanged: the
    package as a whole needs a compiler and gym, the files of MAML need PyTorch alone. Raises
    GramError where `folder` holds no learn2learn.
    """
    if folder is None:
        try:
            return importlib.import_module("learn2learn.algorithms.maml")
        except ImportError:
            return None
    source = folder.expanduser().resolve() / "learn2learn"
    if not (source / "algorithms" / "maml.py").is_file():
        raise GramError(
            f"there is no learn2learn in {folder}; give the folder that its unpacked source makes, "
            "such as learn2learn-0.2.0 (docs/performance.md says how to get it)"
        )
    for name, place in (
        ("learn2learn", source),
        ("learn2learn.algorithms", source / "algorithms"),
    ):
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(place)]
        sys.modules[name] = importlib.util.module_from_spec(spec)
    return importlib.import_module("learn2learn.algorithms.maml")


def _text_of(model: Any) -> Any:
    """Where an open_clip model keeps its text tower."""
    source = getattr(model, "text", model)
    if not hasattr(source, "token_embedding") or source.text_projection is None:
        raise _refusal()
    return source


@torch.no_grad()
def _copy(module: nn.Module, source: nn.Module) -> None:
    """Gives a module the weights of another, which must be the very same ones by name."""
    weight = next(source.parameters())
    module.to(weight)
    try:
        module.load_state_dict(source.state_dict())
    except RuntimeError as error:
        raise _refusal() from error


def _refusal() -> GramError:
    return GramError(
        "the peers are written for CLIP's own towers and this backbone has others; choose for "
        "example ViT-B-16/random or bundled"
    )
