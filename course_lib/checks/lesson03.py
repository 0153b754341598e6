"""Checks of the exercises of lesson 03: the first two, and the names of all the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Integral
from random import Random

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described
from course_lib.checks.lesson03_adjoint import is_adjoint
from course_lib.checks.lesson03_backward import convolution_backward
from course_lib.checks.lesson03_line import input_gradient, weight_gradient
from course_lib.checks.lesson03_maps import col2im, max_pool_gradient
from course_lib.checks.tensors import Misconception, gaussians, judge

__all__ = [
    "bias_gradient",
    "col2im",
    "convolution_backward",
    "input_gradient",
    "is_adjoint",
    "max_pool_gradient",
    "transposed_size",
    "weight_gradient",
]

#: Wrong formulas in (H, K, S, P, D, r), and what whoever uses them has in mind.
WRONG_SIZES: dict[str, tuple[Callable[[int, int, int, int, int, int], int], str]] = {
    "one-stride-too-many": (
        lambda h, k, s, p, d, r: s * h + d * (k - 1) + 1 - 2 * p + r,
        "Your formula takes a stride for each input pixel. Count the strides between the first "
        "kernel that is laid down and the last.",
    ),
    "padding-added": (
        lambda h, k, s, p, d, r: s * (h - 1) + d * (k - 1) + 1 + 2 * p + r,
        "Your output grows with the padding. P is the padding of the convolution whose transpose "
        "this is: what it adds there has to go here.",
    ),
    "one-sided": (
        lambda h, k, s, p, d, r: s * (h - 1) + d * (k - 1) + 1 - p + r,
        "Your formula takes the padding into account at one end only. A line has two ends.",
    ),
    "dilated-kernel": (
        lambda h, k, s, p, d, r: s * (h - 1) + d * k - 2 * p + r,
        "Your kernel covers D K pixels. Dilation widens the gaps between the kernel's numbers: "
        "count the gaps, then the pixels from the first number to the last.",
    ),
    "no-dilation": (
        lambda h, k, s, p, d, r: s * (h - 1) + k - 2 * p + r,
        "Your size does not depend on the dilation. The kernel's numbers lie D pixels apart, so it "
        "covers more than K pixels.",
    ),
    "no-output-padding": (
        lambda h, k, s, p, d, r: s * (h - 1) + d * (k - 1) + 1 - 2 * p,
        "Your size does not depend on the output padding r. The convolution maps S different "
        "sizes to H, and r says which of them is meant.",
    ),
    "output-padding-twice": (
        lambda h, k, s, p, d, r: s * (h - 1) + d * (k - 1) + 1 - 2 * p + 2 * r,
        "You add the output padding at both ends. It stands for the remainder of one division, and "
        "that is lost once.",
    ),
    "convolution": (
        lambda h, k, s, p, d, r: (h + 2 * p - d * (k - 1) - 1) // s + 1,
        "That is the size after a convolution, equation (2.4). The question goes the other way: "
        "this H is the convolution's output.",
    ),
}


def transposed_size(answer: Answer) -> None:
    """Exercise 3.1, against the sizes that torch's own operation gives."""
    random = Random(31)
    cases = [(4, 3, 2, 1, 1, 1)]
    while len(cases) < 40:
        h, k, s = random.randint(1, 9), random.randint(1, 6), random.randint(1, 4)
        p, d, r = random.randint(0, 3), random.randint(1, 3), random.randrange(s)
        if s * (h - 1) + d * (k - 1) + 1 + r > 2 * p:
            cases.append((h, k, s, p, d, r))
    sizes = []
    for case in cases:
        size = asked(answer, *case)
        if isinstance(size, bool) or not isinstance(size, Integral):
            fail("type", f"For {_named(case)} an int is asked for, got {described(size)}.")
        sizes.append(int(size))
    right = [_size_by_torch(*case) for case in cases]
    if sizes != right:
        first = [size == true for size, true in zip(sizes, right, strict=True)].index(False)
        example = f"For {_named(cases[first])} you return {sizes[first]}."
        for hint, (formula, message) in WRONG_SIZES.items():
            if sizes == [formula(*case) for case in cases]:
                fail(hint, f"{example} {message}")
        fail(
            "wrong",
            f"{example} The output has {right[first]} pixels. Lay down the first and the last "
            "kernel on paper, count, and cut P pixels off at each end.",
        )
    passed("transposed_size")


def _named(case: tuple[int, ...]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in zip("HKSPDr", case, strict=True))


def _size_by_torch(h: int, k: int, s: int, p: int, d: int, r: int) -> int:
    line, kernel = torch.zeros(1, 1, h), torch.zeros(1, 1, k)
    y = F.conv_transpose1d(line, kernel, stride=s, padding=p, output_padding=r, dilation=d)
    return y.shape[-1]


def bias_gradient(answer: Answer) -> None:
    """Exercise 3.2, against autograd through a convolution with a bias."""
    for seed, shape in ((320, (3, 4, 5, 6)), (321, (2, 1, 4, 3)), (322, (1, 3, 1, 2))):
        g = gaussians(seed, *shape)
        bias = torch.zeros(shape[1], dtype=torch.float64, requires_grad=True)
        image = torch.ones(shape[0], 1, *shape[2:], dtype=torch.float64)
        y = F.conv2d(image, torch.ones(shape[1], 1, 1, 1, dtype=torch.float64), bias)
        (wanted,) = torch.autograd.grad(y, bias, g)
        result = asked(answer, g)
        if isinstance(result, float):  # g.sum().item()
            result = torch.tensor(result, dtype=torch.float64)
        judge(result, wanted, _bias_misconceptions(g), "A bias's gradient is wrong")
    passed("bias_gradient")


def _bias_misconceptions(g: Tensor) -> Iterator[Misconception]:
    images, pixels = len(g), g[0, 0].numel()
    for count in (images * pixels, pixels, images):
        yield (
            "mean",
            g.sum(dim=(0, 2, 3)) / count,
            "You take a mean over images or over pixels. Raise a bias a little: every output "
            "number of its channel rises by as much, and each adds its own part to the loss.",
        )
    for one in (g.sum(dim=(2, 3)), g[0].sum(dim=(1, 2)), g.mean(dim=(2, 3))):
        yield (
            "batch",
            one,
            "Your result speaks of single images. All images of a batch are answered with the same "
            "bias, so it must hear from all of them.",
        )
    for one in (g.sum(), g.sum().reshape(1), g.sum().expand(g.shape[1])):
        yield (
            "everything",
            one,
            "You add up all of g to one number. Each output channel has a bias of its own, and it "
            "hears nothing of the other channels.",
        )
    for one in (g.sum(dim=0), g.mean(dim=0)):
        yield (
            "pixels",
            one,
            "Your result still has a number for each pixel. A channel has one bias for its whole "
            "map, and so one gradient.",
        )
    yield (
        "channels",
        g.sum(dim=(1, 2, 3)),
        "You have one number for each image of the batch. The axes of g are image, channel, row "
        "and column, and the biases belong to the channels.",
    )
