from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

Loss = Callable[[Tensor], Tensor]


def _check_derivatives(loss: Loss, start: Tensor) -> None:
    start = start.requires_grad_(True)
    generator = torch.Generator().manual_seed(4)
    direction = torch.randn(start.shape, generator=generator, dtype=start.dtype)
    step = 1e-5

    def gradient(at: Tensor, create_graph: bool = False) -> Tensor:
        return torch.autograd.grad(loss(at), at, create_graph=create_graph)[0]

    first = gradient(start, create_graph=True)
    (second,) = torch.autograd.grad((first * direction).sum(), start)
    above = (start + step * direction).detach().requires_grad_(True)
    below = (start - step * direction).detach().requires_grad_(True)
    slope = (loss(above) - loss(below)) / (2 * step)
    torch.testing.assert_close((first * direction).sum(), slope, atol=1e-9, rtol=1e-6)
    bend = (gradient(above) - gradient(below)) / (2 * step)
    # A flat loss would agree with anything.
    assert bend.norm() > 1e-3
    torch.testing.assert_close(second, bend, atol=1e-8, rtol=1e-6)


@pytest.fixture(scope="session")
def check_derivatives() -> Callable[[Loss, Tensor], None]:
    """Holds gradient and Hessian-vector product of a loss against differences in float64."""
    return _check_derivatives
