"""Checks of lesson 03's exercises along a line: the gradients of the input and of the weights."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import passed
from course_lib.checks.answers import Answer, asked
from course_lib.checks.tensors import Misconception, gaussians, judge


def input_gradient(answer: Answer) -> None:
    """Exercise 3.3, against autograd through torch's convolution."""
    for seed, (size, kernel) in enumerate(((9, 4), (8, 3), (5, 4), (4, 4), (6, 1)), start=330):
        g, w = gaussians(seed, size - kernel + 1), gaussians(seed + 100, kernel)
        x = torch.zeros(size, dtype=torch.float64, requires_grad=True)
        (wanted,) = torch.autograd.grad(_correlate(x, w), x, g)
        result = asked(answer, g, w, size)
        what = f"For H = {size} and K = {kernel} a pixel's gradient is wrong"
        judge(result, wanted, _input_misconceptions(g, w, wanted), what)
    passed("input_gradient")


def _input_misconceptions(g: Tensor, w: Tensor, right: Tensor) -> Iterator[Misconception]:
    size, kernel = len(right), len(w)
    yield (
        "not-flipped",
        _correlate(F.pad(g, (kernel - 1, kernel - 1)), w),
        "The weights arrive at the pixels in the wrong order. You slide w over g as the forward "
        "pass slides it over x. Ask which weight joins a pixel to the first output that sees it, "
        "and which to the last.",
    )
    if len(g) >= kernel:
        for turned in (w, w.flip(0)):
            yield (
                "valid",
                _correlate(g, turned),
                f"Your result has {len(g) - kernel + 1} numbers and x has {size} pixels. You "
                "count only the places where the kernel lies inside g as a whole. A pixel near "
                "the end is seen by fewer outputs, and it is seen.",
            )
    for shift in (-1, 1):
        moved = right.roll(shift)
        filled = moved.clone()
        filled[0 if shift == 1 else -1] = 0
        for one in (moved, filled):
            yield (
                "shifted",
                one,
                f"Your numbers stand one place too far to the {'right' if shift == 1 else 'left'}. "
                "Test by hand which outputs see pixel 0.",
            )
    by_output, by_weight = torch.zeros_like(right), torch.zeros_like(right)
    for j in range(len(g)):
        by_output[j : j + kernel] = g[j] * w
    for u in range(kernel):
        by_weight[u : u + len(g)] = g * w[u]
    for one in (by_output, by_weight):
        yield (
            "overwritten",
            one,
            "Each pixel hears from one output only, the last that your program came to. Several "
            "outputs see a pixel, and the chain rule adds up over all of them.",
        )
    seen = sum(F.pad(torch.ones_like(g), (u, kernel - 1 - u)) for u in range(kernel))
    for count in (seen, kernel):
        yield (
            "averaged",
            right / count,
            "You take a mean over the outputs that see a pixel. Each of them changes the loss by "
            "its own part, and the parts add up.",
        )


def weight_gradient(answer: Answer) -> None:
    """Exercise 3.4, against autograd through torch's convolution."""
    cases = ((5, 3, 2), (6, 4, 1), (4, 2, 3), (3, 5, 2), (1, 4, 2))
    for seed, (outputs, kernel, stride) in enumerate(cases, start=340):
        size = stride * (outputs - 1) + kernel
        g, x = gaussians(seed, outputs), gaussians(seed + 100, size)
        w = torch.zeros(kernel, dtype=torch.float64, requires_grad=True)
        (wanted,) = torch.autograd.grad(_correlate(x, w, stride), w, g)
        result = asked(answer, g, x, stride)
        what = f"For H_out = {outputs}, H = {size} and S = {stride} a weight's gradient is wrong"
        judge(result, wanted, _weight_misconceptions(g, x, stride, wanted), what)
    passed("weight_gradient")


def _weight_misconceptions(g: Tensor, x: Tensor, S: int, right: Tensor) -> Iterator[Misconception]:
    kernel = len(right)
    if S > 1:
        for one in (_correlate(x, g), _correlate(x, g)[:kernel]):
            yield (
                "stride-ignored",
                one,
                f"You let output i begin at pixel i, also with stride {S}. The gradients then meet "
                "pixels that their outputs never saw.",
            )
        for one in (_correlate(x, g, S), _correlate(x, g, S)[:kernel]):
            yield (
                "stride-for-dilation",
                one,
                f"From one weight to the next you move on by {S} pixels, and from one gradient to "
                "the next by 1. In the forward pass neighbouring weights meet neighbouring pixels, "
                "and neighbouring outputs do not.",
            )
    yield (
        "flipped",
        right.flip(0),
        "Your numbers are right and in the reverse order. This gradient slides g over x without "
        "turning either round. It is the input's gradient that turns the kernel.",
    )
    for one in (_weights(g.flip(0), x, S, kernel), _weights(g, x.flip(0), S, kernel)):
        yield (
            "flipped",
            one,
            "You read g from its end to its beginning, or x. Output 0 saw the first pixels, and "
            "its gradient belongs to them.",
        )
    yield (
        "mean",
        right / len(g),
        "You divide by the number of outputs. A weight is used at each of them, and raising it "
        "changes the loss by the sum of what happens there.",
    )
    for step in (S, 1):
        exchanged = [
            sum(x[i] * g[step * i + u] for i in range(len(x)) if step * i + u < len(g))
            for u in range(kernel)
        ]
        yield (
            "exchanged",
            torch.stack([torch.as_tensor(one, dtype=torch.float64) for one in exchanged]),
            "You move along g where you should move along x. It is x that is read at a place which "
            "depends on the weight; an output has one gradient, whichever weight is asked for.",
        )


def _weights(g: Tensor, x: Tensor, stride: int, kernel: int) -> Tensor:
    """What the definition gives for one gradient an output: (H_out,), (H,) -> (K,)."""
    return torch.stack([(g * x[u::stride][: len(g)]).sum() for u in range(kernel)])


def _correlate(x: Tensor, w: Tensor, stride: int = 1) -> Tensor:
    """torch's convolution along a line: (H,), (K,) -> (H_out,)."""
    return F.conv1d(x[None, None], w[None, None], stride=stride)[0, 0]
