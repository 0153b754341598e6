"""The check of lesson 06's exercise 6.2: a draw through which gradients pass."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described, tensor_from

ROWS = 20_000
#: Four latent numbers: their means, and the standard deviations of q.
MEANS, SPREADS = (0.5, -2.0, 0.0, 3.0), (0.5, 2.0, 1.0, 0.1)


def reparameterise(answer: Answer) -> None:
    """Exercise 6.2, by the statistics of many draws and by the gradient of each."""
    mean = torch.tensor(MEANS, dtype=torch.float64).repeat(ROWS, 1).requires_grad_()
    spread = torch.tensor(SPREADS, dtype=torch.float64)
    log_variance = (2 * spread.log()).repeat(ROWS, 1).requires_grad_()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(62)
        z = _draw(answer, mean, log_variance)
        again = _draw(answer, mean, log_variance)
    if torch.equal(z, mean):
        fail(
            "no-noise",
            "You return the mean. Without a draw the decoder only ever sees one point for each "
            "image, and nothing keeps the codes from becoming points.",
        )
    if torch.equal(z, again):
        fail(
            "same-noise",
            "Two calls give the same draw. Take fresh noise at each call: do not seed inside.",
        )
    _judge_statistics((z - mean).detach(), spread)
    _judge_gradients(z, mean, log_variance)
    passed("reparameterise")


def _draw(answer: Answer, mean: Tensor, log_variance: Tensor) -> Tensor:
    result = tensor_from(asked(answer, mean, log_variance), tuple(mean.shape))
    if not result.is_floating_point():
        fail("type", f"A tensor of real numbers is asked for, got {described(result)}.")
    return result


def _judge_statistics(noise: Tensor, spread: Tensor) -> None:
    """noise: draws less their means, (ROWS, 4). spread: the standard deviations asked for."""
    found = noise.std(dim=0)
    if (noise[:-1] == noise[1:]).all():
        fail(
            "shared-noise",
            "All images of a batch get the same noise. Each draw is to be independent: the noise "
            "has the shape (B, Z).",
        )
    for factor, hint, message in (
        (
            spread,
            "variance-for-deviation",
            "Your noise is multiplied by the variance. The standard deviation is its root, and "
            "the exponential of half the log-variance.",
        ),
        (
            1 / spread,
            "unit-noise",
            "Your noise has standard deviation 1 for every latent number. What the encoder says "
            "of the spread is not used.",
        ),
        (
            2 * spread.log() / spread,
            "logarithm-for-deviation",
            "Your noise is multiplied by the log-variance itself. A standard deviation is never "
            "negative, and a logarithm is no factor.",
        ),
        (
            1 / spread**2,
            "inverse",
            "The larger the variance, the smaller is your noise. Look at the sign in the "
            "exponential.",
        ),
    ):
        if torch.allclose(found, (factor * spread).abs(), rtol=0.05, atol=1e-3):
            fail(hint, message)
    if not torch.allclose(found, spread, rtol=0.05):
        place = int(((found - spread).abs() / spread).argmax())
        fail(
            "spread",
            f"Where q has standard deviation {SPREADS[place]:g}, your draws have another, off by "
            "more than chance explains.",
        )
    if not torch.allclose(noise.mean(dim=0), torch.zeros_like(spread), atol=0.1):
        fail(
            "centre",
            "Your draws are not centred at the mean. The noise that is added has mean zero.",
        )
    unit = noise / spread
    correlation = torch.corrcoef(unit.T) - torch.eye(len(spread), dtype=unit.dtype)
    if correlation.abs().max() > 0.1:
        fail(
            "shared-noise",
            "The latent numbers of one image get noise that is correlated. They are independent "
            "under q: one number of noise for each.",
        )
    if abs(float(unit.pow(4).mean()) - 3) > 0.3:
        fail(
            "not-gaussian",
            "Your noise has the right mean and variance but is not Gaussian. Then the divergence "
            "(6.6) is that of another distribution.",
        )


def _judge_gradients(z: Tensor, mean: Tensor, log_variance: Tensor) -> None:
    if not z.requires_grad:
        fail(
            "no-gradient",
            "No gradient leads from your draw back to the encoder. A draw that is made without a "
            "graph, or detached, is only a number: the encoder would never learn.",
        )
    weight = torch.linspace(0.5, 2, z.numel(), dtype=z.dtype).view_as(z)
    slopes = torch.autograd.grad((weight * z).sum(), (mean, log_variance), allow_unused=True)
    if slopes[0] is None:
        fail("mean-detached", "No gradient leads from your draw to the mean.")
    if slopes[1] is None:
        fail(
            "spread-detached",
            "No gradient leads from your draw to the log-variance. The spread would learn from "
            "the divergence alone, and go to 1.",
        )
    right = (weight, weight * (z - mean).detach() / 2)
    if not all(
        math.isclose(float((a - b).abs().max()), 0, abs_tol=1e-4)
        for a, b in zip(slopes, right, strict=True)
    ):
        fail(
            "gradient",
            "Your draws are right and their gradients are not. The draw is to be one expression "
            "of the mean, the log-variance and noise that depends on neither.",
        )
