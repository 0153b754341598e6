"""How much a linear layer can stretch its input: the largest singular value (lesson 08).

A function has Lipschitz constant L if no two of its values differ by more than L times the distance
of the inputs. That of a linear map is its largest singular value, its operator norm.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def power_iteration(weight: Tensor, u: Tensor, steps: int = 1) -> tuple[Tensor, Tensor]:
    """The largest singular value of a matrix, from below, and the vector to go on from.

    Each step multiplies the part of `u` along the k-th left singular vector by the square of the
    k-th singular value, so the largest one's soon outgrows the others.

    Args:
        weight: the matrix, (M, N).
        u: where to begin, (M,), not zero; a gradient does not pass through it.
        steps: at least 1.

    Returns:
        (sigma, u): sigma = u^T W v, (), whose gradient with respect to the matrix is u v^T, and
        the new u of length one, (M,).

    Raises:
        ValueError: for fewer than one step.

    Source: lesson 08, equation (8.15); Miyato et al., 2018, section 2.2 and appendix A.
    """
    if steps < 1:
        raise ValueError(f"expected at least 1 step, got {steps}")
    with torch.no_grad():
        for _ in range(steps):
            v = F.normalize(weight.T @ u, dim=0)  # (N,)
            u = F.normalize(weight @ v, dim=0)  # (M,)
    return u @ weight @ v, u


def kernel_norm(layer: nn.Conv2d) -> float:
    """The largest singular value of a convolution's kernel as a matrix (O, C K K).

    It is what spectral normalisation divides by: not the norm of the convolution, which depends on
    stride, padding and the size of the image (lesson 08, equation (8.16)).
    """
    return float(torch.linalg.matrix_norm(layer.weight.detach().double().flatten(1), ord=2))


def convolution_norm(layer: nn.Conv2d, size: int, steps: int = 100, seed: int = 0) -> float:
    """The operator norm of a convolution on images of size x size, by power iteration.

    The matrix is never built: the layer multiplies by it, its gradient by the transpose.

    Args:
        layer: its bias is left out, which shifts outputs and stretches nothing.
        size: height and width of the input, in pixels.
        steps: of the power iteration; the result approaches the norm from below.
        seed: of the image to begin with.

    Returns:
        The norm, computed in float64.

    Source: lesson 08, section 8.7.
    """
    weight = layer.weight.detach().double()
    random = torch.Generator().manual_seed(seed)
    shape = (1, weight.shape[1] * layer.groups, size, size)
    x = torch.randn(shape, dtype=torch.float64, generator=random).to(weight.device)
    for _ in range(steps):
        x = (x / x.norm()).requires_grad_()
        y = layer._conv_forward(x, weight, None)
        (x,) = torch.autograd.grad(y, x, y.detach())  # A^T A x
    return float(x.norm().sqrt())
