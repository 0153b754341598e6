"""The check of lesson 04's exercise 4.6: the gradients of batch normalisation by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described
from course_lib.checks.probes import Watch
from course_lib.checks.tensors import Misconception, gaussians, judge, real_tensor, same

#: B, C, H, W, eps. Each channel has few numbers: terms of order 1 / N are no small ones.
CASES = ((3, 4, 2, 2, 0.1), (2, 3, 3, 1, 1e-2), (4, 1, 2, 3, 0.3))
CHANNEL = (0, 2, 3)


def batch_norm_backward(answer: Answer) -> None:
    """Exercise 4.6, against autograd through torch's batch normalisation."""
    for seed, (b, c, h, w, eps) in enumerate(CASES, start=460):
        x = 2 * gaussians(seed, b, c, h, w) + gaussians(seed + 50, c, 1, 1)
        g, gamma = gaussians(seed + 100, b, c, h, w), gaussians(seed + 200, c)
        leaves = [one.clone().requires_grad_() for one in (x, gamma, torch.zeros_like(gamma))]
        y = F.batch_norm(leaves[0], None, None, leaves[1], leaves[2], training=True, eps=eps)
        wanted = torch.autograd.grad(y, leaves, g)
        with Watch() as watch:
            result = asked(answer, g, x, gamma, eps)
        if any(name == "grad" or "backward" in name for name, _ in watch.calls):
            fail(
                "autograd",
                "You let torch compute a gradient. Write down by which ways a number of x reaches "
                "y: by itself, through the mean and through the variance.",
            )
        got = _three(result, wanted)
        case = f"For x of shape {(b, c, h, w)}"
        wrong = _dx_misconceptions(g, x, gamma, eps)
        judge(got[0], wanted[0], wrong, f"{case} your dx is wrong")
        wrong = _dgamma_misconceptions(g, x, gamma, eps)
        judge(got[1], wanted[1], wrong, f"{case} your dgamma is wrong")
        wrong = _dbeta_misconceptions(g, gamma)
        judge(got[2], wanted[2], wrong, f"{case} your dbeta is wrong")
    passed("batch_norm_backward")


def _three(result: Any, wanted: tuple[Tensor, ...]) -> list[Tensor]:
    if not isinstance(result, list | tuple) or len(result) != 3:
        fail("type", f"Three tensors (dx, dgamma, dbeta) are asked for, got {described(result)}.")
    got = [real_tensor(one) for one in result]
    if [one.ndim for one in got] in ([1, 1, 4], [1, 4, 1]):
        fail(
            "order",
            "You do not return dx first, judging by the shapes. The order asked for is dx, dgamma, "
            "dbeta: autograd, too, pairs gradients with inputs by their order alone.",
        )
    if same(got[1], wanted[2]) and same(got[2], wanted[1]):
        fail(
            "order",
            "Your dgamma and dbeta have changed places. They have the same shape, so no error "
            "would ever say so.",
        )
    return got


def _normalised(x: Tensor, eps: float, dims: tuple[int, ...] = CHANNEL) -> tuple[Tensor, Tensor]:
    """x-hat, and the root by which it was divided."""
    root = (x.var(dim=dims, unbiased=False, keepdim=True) + eps).sqrt()
    return (x - x.mean(dim=dims, keepdim=True)) / root, root


def _assembled(
    g: Tensor, hat: Tensor, factor: Tensor, dims: tuple[int, ...] = CHANNEL, scale: float = 1.0
) -> Tensor:
    """factor (g - mean(g) - x-hat mean(g x-hat)); the means over some axes and times a number."""
    mean = g.mean(dim=dims, keepdim=True) * scale
    return factor * (g - mean - hat * (g * hat).mean(dim=dims, keepdim=True) * scale)


def _dx_misconceptions(g: Tensor, x: Tensor, gamma: Tensor, eps: float) -> Iterator[Misconception]:
    wide = gamma[:, None, None]
    hat, root = _normalised(x, eps)
    factor, channels, count = wide / root, len(gamma), g[:, 0].numel()
    mean = g.mean(dim=CHANNEL, keepdim=True)
    along = hat * (g * hat).mean(dim=CHANNEL, keepdim=True)
    yield (
        "constants",
        factor * g,
        "Your dx takes mean and variance for constants. They are made from x: if one number rises, "
        "it moves both, and with them every output of its channel.",
    )
    yield (
        "variance-term",
        factor * (g - mean),
        "Your dx takes the variance for a constant. If one number moves away from the mean, the "
        "root grows, and every x-hat of the channel shrinks a little.",
    )
    yield (
        "mean-term",
        factor * (g - along),
        "Your dx takes the mean for a constant. If one number rises, the mean rises, and every "
        "x-hat of the channel sinks a little.",
    )
    yield (
        "variance-sign",
        factor * (g - mean + along),
        "The part of your dx that goes through the variance has the wrong sign. A larger root "
        "makes the outputs smaller.",
    )
    right = _assembled(g, hat, factor)
    yield (
        "no-gamma",
        right / wide,
        "Your dx does not depend on gamma. y is gamma times x-hat, so every way from y back to x "
        "passes this factor.",
    )
    for power in (1, -1):
        yield (
            "root",
            right * root**power,
            "In your dx the factor 1 / root is missing, or it stands there twice. It is the slope "
            "of x-hat in x while mean and variance stand still.",
        )
    for dims in ((0,), (2, 3)):
        yield (
            "wrong-axes",
            _assembled(g, hat, factor, dims),
            "The means in your dx run over images only or over pixels only. They come from the "
            "derivatives of mean and variance, which were taken over all N = B H W numbers of a "
            "channel.",
        )
    scales = {count, count / len(g), count / g[0, 0].numel(), 1 / channels, 1 / len(g)}
    for scale in sorted(scales - {1.0}):
        yield (
            "wrong-count",
            _assembled(g, hat, factor, scale=scale),
            "In your dx the sums over a channel are divided by the wrong number. Mean and variance "
            "divide by N = B H W, and their derivatives do too.",
        )
    its_hat, its_root = _normalised(x, eps, (2, 3))
    yield (
        "instance",
        _assembled(g, its_hat, wide / its_root, (2, 3)),
        "Your dx is that of a layer which normalises each image by itself. Here the statistics are "
        "those of a channel over the whole batch.",
    )
    variance = x.var(dim=CHANNEL, unbiased=False, keepdim=True)
    centred = x - x.mean(dim=CHANNEL, keepdim=True)
    for hint, other in (
        ("unbiased", (x.var(dim=CHANNEL, unbiased=True, keepdim=True) + eps).sqrt()),
        ("eps", variance.sqrt()),
        ("eps", variance.sqrt() + eps),
    ):
        yield (
            hint,
            _assembled(g, centred / other, wide / other),
            "Your root is not that of the forward pass. It is the root of the variance over all N "
            "numbers, divided by N and not by N - 1, plus eps.",
        )


def _dgamma_misconceptions(
    g: Tensor, x: Tensor, gamma: Tensor, eps: float
) -> Iterator[Misconception]:
    hat, _ = _normalised(x, eps)
    yield (
        "x-for-hat",
        (g * x).sum(dim=CHANNEL),
        "Your dgamma multiplies g by x. What gamma is multiplied by in the forward pass is the "
        "normalised x.",
    )
    yield (
        "dgamma-mean",
        (g * hat).mean(dim=CHANNEL),
        "Your dgamma is a mean. Gamma acts on all numbers of its channel, and what they hand back "
        "adds up.",
    )
    yield (
        "gamma-in-dgamma",
        gamma * (g * hat).sum(dim=CHANNEL),
        "Your dgamma contains gamma. The slope of a product in one factor is the other factor.",
    )
    for one in ((g * hat).sum(dim=(2, 3)), (g * hat).sum(dim=0)):
        yield (
            "not-summed",
            one,
            "Your dgamma speaks of single images or of single pixels. All numbers of a channel "
            "share one gamma.",
        )


def _dbeta_misconceptions(g: Tensor, gamma: Tensor) -> Iterator[Misconception]:
    yield (
        "dbeta-mean",
        g.mean(dim=CHANNEL),
        "Your dbeta is a mean. Beta is added to all numbers of its channel, and what they hand "
        "back adds up.",
    )
    yield (
        "gamma-in-dbeta",
        gamma * g.sum(dim=CHANNEL),
        "Your dbeta contains gamma. Beta is added after gamma was multiplied.",
    )
    for one in (g.sum(dim=(2, 3)), g.sum(dim=0)):
        yield (
            "not-summed",
            one,
            "Your dbeta speaks of single images or of single pixels. All numbers of a channel "
            "share one beta.",
        )
