"""What the checks of several lessons share: numbers, and how they judge a tensor of gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from course_lib.checks import fail
from course_lib.checks.answers import close, described, generator, tensor_from

#: A misconception's hint, the tensor that it leads to, and what is said about it.
Misconception = tuple[str, Tensor, str]


def gaussians(seed: int, *shape: int) -> Tensor:
    """Standard Gaussians in float64, from a seed of their own: no two alike, and none is zero."""
    return torch.randn(shape, dtype=torch.float64, generator=generator(seed))


def real_tensor(result: Any) -> Tensor:
    """Return a floating-point tensor as float64 without its graph, or refuse what came."""
    tensor = tensor_from(result, None)
    if not tensor.is_floating_point():
        fail("type", f"A tensor of real numbers is asked for, got {described(result)}.")
    return tensor.detach().double()


def judge(result: Any, wanted: Tensor, wrong: Iterable[Misconception], what: str) -> None:
    """Accept the right tensor; else name the first misconception that leads to this one.

    wrong: looked through only if the result is not right, so a generator costs nothing else.
        Its tensors may have other shapes than the right one.
    what: begins the message for numbers that no misconception explains.
    """
    got = real_tensor(result)
    if same(got, wanted):
        return
    for hint, misled, message in wrong:
        if same(got, misled):
            fail(hint, message)
    tensor_from(got, tuple(wanted.shape))
    close(got, wanted, what)


def same(got: Tensor, wanted: Tensor) -> bool:
    """Whether two tensors have one shape and agree to the precision of float32."""
    if got.shape != wanted.shape:
        return False
    finite = wanted[wanted.isfinite()]
    largest = max(1.0, finite.abs().max().item()) if finite.numel() else 1.0
    # Equal infinities agree; with them in the tolerance, everything would.
    return torch.allclose(got.double(), wanted.double(), rtol=0, atol=1e-5 * largest)
