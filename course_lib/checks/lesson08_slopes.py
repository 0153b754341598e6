"""Checks of lesson 08 on penalties: on a critic whose gradient is known by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer, asked, described, tensor_from
from course_lib.checks.tensors import gaussians, same

#: A misconception's hint, the value that it leads to, and what is said about it.
Misconception = tuple[str, Tensor, str]


class KnownCritic(nn.Module):
    """T(x) = sum of w x^2 / 2 over the pixels of an image, so that the gradient is w x."""

    def __init__(self, seed: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.4 * gaussians(seed, *shape))

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B,)."""
        return (self.weight * images.square()).flatten(1).sum(1) / 2

    def slope(self, images: Tensor) -> Tensor:
        """The gradient of each score in its image, (B, C H W)."""
        return (self.weight.detach() * images).flatten(1)


def _length(vectors: Tensor, dim: int | None = -1) -> Tensor:
    return vectors.square().sum().sqrt() if dim is None else vectors.square().sum(dim).sqrt()


def _penalty_of(answer: Answer, critic: KnownCritic, *arguments: Any) -> Tensor:
    """The value that came back; an error of a graph that is missing gets its own words."""
    try:
        result = asked(answer, critic, *arguments)
    except CheckFailed as refusal:
        if "does not require grad" in str(refusal):
            fail(
                "no-gradient",
                "Torch was asked for a gradient in images that do not require one. The images "
                "that go into the critic must be made to, before it is called.",
            )
        raise
    if not isinstance(result, Tensor):
        fail("type", f"A tensor is asked for, got {described(result)}.")
    if result.ndim and result.numel() > 1:
        fail(
            "no-mean",
            f"Your penalty has shape {tuple(result.shape)}. One number is asked for, the mean "
            "over the batch.",
        )
    return tensor_from(result, ())


def _judge(result: Tensor, wanted: Tensor, wrong: Iterable[Misconception]) -> None:
    got = result.detach().double()
    if same(got, wanted):
        return
    for hint, misled, message in wrong:
        if same(got, misled):
            fail(hint, message)
    fail(
        "wrong",
        "Your penalty is not the one that is asked for. Try it on a critic whose gradient you "
        "know, such as half the sum of squared pixels.",
    )


def _expect_graph(result: Tensor, critic: KnownCritic) -> None:
    """Refuse a penalty that does not lead back to the critic's weights."""
    slopes = None
    if result.requires_grad:
        (slopes,) = torch.autograd.grad(result, critic.weight, allow_unused=True)
    if slopes is None or not slopes.abs().max() > 0:
        fail(
            "detached",
            "Your number is right, and no gradient leads from it to the critic's weights. Added "
            "to a loss it changes nothing. The graph of the gradient has to be kept.",
        )


def gradient_penalty(answer: Answer) -> None:
    """Exercise 8.4, by values at random mixtures, then by the gradient of the penalty."""
    for seed, shape in ((850, (4, 2, 3, 2)), (860, (7, 1, 2, 4))):
        critic = KnownCritic(seed, shape[1:])
        real, fake = gaussians(seed + 1, *shape), gaussians(seed + 2, *shape)
        mix = torch.rand(len(real), dtype=torch.float64, generator=torch.Generator().manual_seed(7))
        wide = mix.view(-1, 1, 1, 1)
        slopes = critic.slope(wide * real + (1 - wide) * fake)
        lengths = _length(slopes)

        def at(images: Tensor, critic: KnownCritic = critic) -> Tensor:
            return (_length(critic.slope(images)) - 1).square().mean()

        result = _penalty_of(answer, critic, real, fake, mix)
        pixels = slopes.shape[1]
        elsewhere = (
            "You take the slope at {}. The penalty is for the places between a real and a "
            "generated image."
        )
        squares = lengths.square()
        channels = _length(slopes.view(*shape[:2], -1))
        wrong = [
            (
                "norm-over-batch",
                (_length(slopes, None) - 1).square(),
                "Your norm runs over the whole batch. Slopes of one image are then held to about "
                "one over the root of the batch size. Each image has a norm of its own.",
            ),
            ("at-real", at(real), elsewhere.format("the real images")),
            ("at-generated", at(fake), elsewhere.format("the generated images")),
            (
                "mix-exchanged",
                at(wide * fake + (1 - wide) * real),
                "You take mix as the share of the generated image. In training both are drawn "
                "alike; here it is stated as the share of the real one.",
            ),
            (
                "one-mix",
                at(mix[0] * real + (1 - mix[0]) * fake),
                "You mix all pairs in the same proportion. Each pair has its own.",
            ),
            (
                "mean-over-pixels",
                (squares.div(pixels).sqrt() - 1).square().mean(),
                "You take the mean over the pixels inside the root. The length of a vector is the "
                "root of a sum: your critic may be steeper by the root of the number of pixels.",
            ),
            (
                "channels-apart",
                (channels - 1).square().mean(),
                "You take a norm for each channel. An image is one vector, over C, H and W.",
            ),
            (
                "squared-norm",
                (squares - 1).square().mean(),
                "You compare the squared norm with one. The minimum is the same, and the penalty "
                "is another: the root is missing.",
            ),
            (
                "zero-centred",
                squares.mean(),
                "You ask for slope zero. That is the penalty of R1 and R2; this one asks for one.",
            ),
            (
                "one-sided",
                (lengths - 1).clamp(min=0).square().mean(),
                "You penalise slopes above one only. That is a penalty in its own right; equation "
                "(8.13) also penalises those below.",
            ),
            (
                "not-squared",
                (lengths - 1).abs().mean(),
                "You take the absolute deviation from one. Asked for is its square.",
            ),
            (
                "mean-first",
                (lengths.mean() - 1).square(),
                "You average the norms and compare then. Slopes of 0 and 2 would count as right.",
            ),
            ("sum", (lengths - 1).square().sum(), "You add over the batch. Asked for is a mean."),
        ]
        _judge(result, at(wide * real + (1 - wide) * fake), wrong)
        _expect_graph(result, critic)
    passed("gradient_penalty")


def r1_penalty(answer: Answer) -> None:
    """Exercise 8.5, by values, then by the gradient of the penalty."""
    for seed, shape, gamma in ((870, (4, 2, 3, 2), 0.7), (880, (5, 1, 2, 3), 3.0)):
        critic, real = KnownCritic(seed, shape[1:]), gaussians(seed + 1, *shape)
        slopes = critic.slope(real)
        squares = slopes.square().sum(1)
        half = gamma / 2
        result = _penalty_of(answer, critic, real, gamma)
        wrong = [
            (
                "no-half",
                gamma * squares.mean(),
                "Your penalty is twice what is asked for: the factor one half is missing. A gamma "
                "from a paper then acts as twice as large.",
            ),
            (
                "sum",
                half * squares.sum(),
                "You add over the batch. With twice the images the penalty would weigh twice as "
                "much against the loss, which is a mean.",
            ),
            (
                "mean-over-pixels",
                half * slopes.square().mean(),
                "You take the mean over the pixels as well. The penalty then weakens with the "
                "resolution; the squared length of a gradient is a sum.",
            ),
            (
                "norm",
                half * _length(slopes).mean(),
                "You did not square the norm. Its slope is the same however small the gradient "
                "is, so it never comes to rest.",
            ),
            (
                "norm",
                half * _length(slopes, None),
                "You did not square the norm. Its slope is the same however small the gradient "
                "is, so it never comes to rest.",
            ),
            (
                "mean-gradient",
                half * slopes.mean(0).square().sum(),
                "You average the gradients of the images before you square. Opposite slopes at two "
                "images then cancel. Square each first.",
            ),
            (
                "slope-one",
                half * (_length(slopes) - 1).square().mean(),
                "You ask for slope one. R1 asks for slope zero, at the real images.",
            ),
            (
                "gamma-left-out",
                squares.mean() / 2,
                "Your penalty does not depend on gamma.",
            ),
        ]
        _judge(result, half * squares.mean(), wrong)
        _expect_graph(result, critic)
    passed("r1_penalty")
