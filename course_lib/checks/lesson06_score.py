"""The check of lesson 06's exercise 6.4: the score function with a baseline."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.distributions import Normal

from course_lib.checks import passed
from course_lib.checks.answers import Answer, asked
from course_lib.checks.tensors import Misconception, gaussians, judge


def score_gradient(answer: Answer) -> None:
    """Exercise 6.4, against the slopes that autograd finds of the log-densities."""
    for seed, (draws, latent, sigma) in enumerate(
        ((5, 3, 0.5), (2, 2, 2.0), (40, 4, 1.5)), start=640
    ):
        mean = gaussians(seed, latent)
        z = mean + sigma * gaussians(seed + 50, draws, latent)
        values = 3 + gaussians(seed + 100, draws)
        rows = mean.repeat(draws, 1).requires_grad_()
        log_density = Normal(rows, sigma).log_prob(z).sum()
        (score,) = torch.autograd.grad(log_density, rows)  # (N, Z)
        judge(
            asked(answer, values, z, mean, sigma),
            _estimate(values - _others(values), score),
            _wrong_estimates(values, score, sigma),
            f"For N = {draws} draws and Z = {latent} your estimate is wrong",
        )
    passed("score_gradient")


def _others(values: Tensor) -> Tensor:
    """For each value the mean of all the others: (N,) -> (N,)."""
    rows = [torch.cat([values[:i], values[i + 1 :]]).mean() for i in range(len(values))]
    return torch.stack(rows)


def _estimate(weights: Tensor, score: Tensor) -> Tensor:
    return (weights[:, None] * score).mean(dim=0)


def _wrong_estimates(values: Tensor, score: Tensor, sigma: float) -> Iterator[Misconception]:
    centred = values - _others(values)
    right = _estimate(centred, score)
    yield (
        "no-baseline",
        _estimate(values, score),
        "Your estimate has no baseline. It is right on average, but a constant in f, which says "
        "nothing about its slope, is multiplied by noise.",
    )
    yield (
        "own-value",
        _estimate(values - values.mean(), score),
        "Your baseline for a draw contains the draw's own value. It then depends on the noise that "
        "it is multiplied by, and the estimate is too small by a factor 1 - 1/N on average.",
    )
    yield (
        "sign",
        -right,
        "Your estimate points the wrong way. Log q grows when the mean moves towards the draw.",
    )
    yield (
        "sum",
        right * len(values),
        "You sum over the draws. The estimate would grow with their number: a mean estimates an "
        "expectation.",
    )
    yield (
        "sigma-not-squared",
        right * sigma,
        "You divide by sigma. The slope of log q in the mean holds the variance: the exponent of a "
        "Gaussian does.",
    )
    yield (
        "not-divided",
        right * sigma**2,
        "You multiply f by z - m alone. That is not yet the slope of log q, unless sigma is 1.",
    )
    yield (
        "multiplied",
        right * sigma**4,
        "You multiply by the variance where the slope of log q divides by it.",
    )
    yield (
        "double",
        right * 2,
        "Your estimate is twice too large. The derivative of the square brings a 2, and the "
        "exponent of a Gaussian a 1/2.",
    )
    yield (
        "baseline-added",
        _estimate(values + _others(values), score),
        "You add the baseline. It is to take away what all draws have in common.",
    )
    yield (
        "one-number",
        right.sum(),
        "You return one number. The gradient has a component for each latent number.",
    )
    yield (
        "not-averaged",
        centred[:, None] * score,
        "You return a gradient for each draw. Their mean is asked for.",
    )
    yield (
        "score-averaged-first",
        centred.mean() * score.mean(dim=0),
        "You average f and the score before you multiply them. Their product is what matters: "
        "draws with a large f pull the mean towards themselves.",
    )
    yield (
        "score-averaged-first",
        values.mean() * score.mean(dim=0),
        "You average f and the score before you multiply them. Their product is what matters: "
        "draws with a large f pull the mean towards themselves.",
    )
