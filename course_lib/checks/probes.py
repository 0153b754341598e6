"""What the checks of several lessons share: random numbers, a comparison with the results of
known mistakes, and a record of the torch functions that an answer calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from course_lib.checks import fail
from course_lib.checks.answers import close, described, generator, tensor_from
from course_lib.checks.tensors import same as alike

#: The id of a misconception, and the result that an answer with it would give.
Mistake = tuple[str, Tensor]


def noise(*shape: int, seed: int) -> Tensor:
    """Standard Gaussians in float64, from a seed of their own."""
    return torch.randn(shape, dtype=torch.float64, generator=generator(seed))


def real_from(result: Any) -> Tensor:
    """Return a tensor of real numbers as float64, or refuse what came instead."""
    got = tensor_from(result, None)
    if got.is_complex():
        fail(
            "complex",
            "Your numbers are complex, and those of an image are real. The inverse transform of "
            "a real image's spectrum has no imaginary part but rounding errors.",
        )
    if not got.is_floating_point():
        fail("type", f"A tensor of floating-point numbers is asked for, got {described(got)}.")
    return got.detach().double()


def judge(
    got: Tensor,
    wanted: Tensor,
    mistakes: Iterable[Mistake],
    messages: Mapping[str, str],
    case: str,
) -> None:
    """Refuse a result that is not the right one, with the message of the mistake that it equals.

    mistakes: what known misconceptions would give; looked at only if the result is wrong.
    messages: misconception -> message. case: begins the message when no misconception fits.
    """
    if alike(got, wanted):
        return
    for hint, result in mistakes:
        if alike(got, result):
            fail(hint, messages[hint])
    if got.shape != wanted.shape:
        fail(
            "shape",
            f"{case} a tensor of shape {tuple(wanted.shape)} is asked for, yours has "
            f"{tuple(got.shape)}.",
        )
    close(got, wanted, f"{case} your result is wrong")


class Watch(TorchFunctionMode):
    """Notes, in a with block, each torch function that is called, and the shape of its result."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, tuple[int, ...]]] = []

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Call the function as if nobody watched."""
        name = getattr(func, "__name__", "")
        self.calls.append((name, ()))  # before the call, which may fail
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.calls[-1] = (name, tuple(result.shape))
        return result

    def shapes(self, part: str) -> list[tuple[int, ...]]:
        """Shapes of the results of all functions whose names contain `part`."""
        return [shape for name, shape in self.calls if part in name]
