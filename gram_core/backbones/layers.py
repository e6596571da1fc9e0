"""The frozen layers of a CLIP tower as plain functions of their input.

Everything here is differentiable as often as one likes in float32 and float64: attention is
written out, because the fused kernels of PyTorch have no second derivative.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gram_core.errors import GramError


@dataclass(frozen=True)
class Linear:
    """A frozen affine map: weight `(out, in)`, bias `(out,)` or None.

    Rows of another precision than the weight's are multiplied in that of the weight, and come out
    in their own.
    """

    weight: Tensor
    bias: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        if x.dtype != self.weight.dtype:
            return F.linear(x.to(self.weight.dtype), self.weight, self.bias).to(x.dtype)
        if torch.compiler.is_compiling():  # traced, for an export say: no operator of our own
            return F.linear(x, self.weight, self.bias)
        if x.dtype == torch.float32 and x.device.type == "cpu" and _onednn_is_faster():
            return _FrozenProduct.apply(x, self.weight, self.bias)
        return F.linear(x, self.weight, self.bias)

    def scaled(self, factor: Tensor) -> Linear:
        """The same map with output row i multiplied by `factor[i]`."""
        bias = None if self.bias is None else self.bias * factor
        return Linear(self.weight * factor[:, None], bias)

    def rows(self, start: int, stop: int) -> Linear:
        """The map to some of its outputs; shares memory."""
        bias = None if self.bias is None else self.bias[start:stop]
        return Linear(self.weight[start:stop], bias)

    def cast(self, dtype: torch.dtype) -> Linear:
        """The same map, its products in another precision."""
        return Linear(self.weight.to(dtype), None if self.bias is None else self.bias.to(dtype))


class _FrozenProduct(torch.autograd.Function):
    """x W^T + b by oneDNN, in float32.

    W and b are frozen, so the backward is the same product with W transposed: it keeps no
    activation and can be differentiated again and again.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.weight = weight
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _FrozenProduct.apply(gradient, ctx.weight.T, None), None, None


@cache
def _onednn_is_faster() -> bool:
    """Whether the default product is the slower one: MKL's is 1.7 times so on AMD processors.

    Told by the processor's maker and not by the clock, so that results are the same every time.
    """
    try:
        maker = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        maker = platform.processor()
    return "AuthenticAMD" in maker and torch.backends.mkl.is_available() and _onednn_works()


@cache
def _onednn_works() -> bool:
    """Whether this build of PyTorch has the product, an internal of it, and it computes right."""
    x, weight = torch.linspace(-1, 1, 12).reshape(2, 2, 3), torch.linspace(-2, 1, 15).reshape(5, 3)
    bias = torch.linspace(0, 1, 5)
    try:
        pairs = [
            (_FrozenProduct.apply(x, weight, bias), F.linear(x, weight, bias)),
            (_FrozenProduct.apply(x, weight[:3].T, None), F.linear(x, weight[:3].T)),
        ]
    except (AttributeError, RuntimeError, TypeError):
        return False
    return all(torch.allclose(ours, theirs, atol=1e-6) for ours, theirs in pairs)


@dataclass(frozen=True)
class Norm:
    """A frozen layer normalisation over the last axis."""

    weight: Tensor
    bias: Tensor
    epsilon: float

    def __call__(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """What each query `(..., q, e)` reads from keys and values `(..., k, e)`.

    `mask` is added to the scores before the softmax and broadcasts to `(..., q, k)`.
    """
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    return torch.softmax(scores if mask is None else scores + mask, dim=-1) @ value


@dataclass(frozen=True)
class Block:
    """One frozen pre-norm transformer block, taken apart so that a tower can choose who attends.

    Rows are tokens `(B, rows, d)`; heads are `(B, heads, rows, d / heads)`.
    """

    norm_attention: Norm
    query_key_value: Linear
    out: Linear
    norm_mlp: Norm
    expand: Linear
    activation: Callable[[Tensor], Tensor]
    contract: Linear
    heads: int

    def split(self, x: Tensor) -> Tensor:
        """Heads `(B, heads, rows, e)` of rows `(B, rows, heads * e)`."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def queries_keys_values(self, normed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of normed rows, by head, in one product."""
        query, key, value = self.query_key_value(normed).chunk(3, dim=-1)
        return self.split(query), self.split(key), self.split(value)

    def queries(self, normed: Tensor) -> Tensor:
        """Queries of normed rows, by head."""
        width = normed.shape[-1]
        return self.split(self.query_key_value.rows(0, width)(normed))

    def keys_values(self, normed: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of normed rows, by head."""
        width = normed.shape[-1]
        key, value = self.query_key_value.rows(width, 3 * width)(normed).chunk(2, dim=-1)
        return self.split(key), self.split(value)

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """The rows `(B, rows, d)` after this block, from what their heads attended to."""
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.contract(self.activation(self.expand(self.norm_mlp(x))))

    def cast(self, dtype: torch.dtype) -> Block:
        """The same block, the products of its linear maps in another precision.

        What lies between them (norms, scores, softmax, sums) stays in the precision of the rows.
        """
        linear = ("query_key_value", "out", "expand", "contract")
        return replace(self, **{name: getattr(self, name).cast(dtype) for name in linear})


def quick_gelu(x: Tensor) -> Tensor:
    """x * sigmoid(1.702 x), through SiLU because that keeps one tensor for backward, not three."""
    return F.silu(1.702 * x) / 1.702


def read_linear(module: nn.Linear) -> Linear:
    """The frozen map of a linear module; shares its memory."""
    return Linear(module.weight.detach(), None if module.bias is None else module.bias.detach())


def read_norm(module: nn.LayerNorm) -> Norm:
    """The frozen normalisation of a LayerNorm module; shares its memory."""
    return Norm(module.weight.detach(), module.bias.detach(), module.eps)


def read_activation(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """The function of open_clip's activation module. Raises GramError for an unknown one."""
    from open_clip.transformer import QuickGELU

    if isinstance(module, QuickGELU):
        return quick_gelu
    if isinstance(module, nn.GELU):
        return partial(F.gelu, approximate=module.approximate)
    raise GramError(
        f"this backbone uses the activation {type(module).__name__}; prompts can be learned "
        "through GELU and QuickGELU only, so choose another backbone"
    )


def read_blocks(transformer: Any) -> tuple[Block, ...]:
    """The frozen blocks of open_clip's plain `Transformer`.

    Layer scale is folded into the maps it follows. Raises GramError for any other kind of block.
    """
    return tuple(_read_block(module) for module in transformer.resblocks)


def _read_block(module: Any) -> Block:
    from open_clip.transformer import LayerScale, ResidualAttentionBlock

    if type(module) is not ResidualAttentionBlock or hasattr(module, "ln_1_kv"):
        raise GramError(
            f"this backbone is built of {type(module).__name__}; prompts can be learned through "
            "open_clip's plain ResidualAttentionBlock only, so choose another backbone"
        )
    attend = module.attn
    out, contract = read_linear(attend.out_proj), read_linear(module.mlp.c_proj)
    if isinstance(module.ls_1, LayerScale):
        out = out.scaled(module.ls_1.gamma.detach())
    if isinstance(module.ls_2, LayerScale):
        contract = contract.scaled(module.ls_2.gamma.detach())
    return Block(
        norm_attention=read_norm(module.ln_1),
        query_key_value=Linear(attend.in_proj_weight.detach(), attend.in_proj_bias.detach()),
        out=out,
        norm_mlp=read_norm(module.ln_2),
        expand=read_linear(module.mlp.c_fc),
        activation=read_activation(module.mlp.gelu),
        contract=contract,
        heads=attend.num_heads,
    )
