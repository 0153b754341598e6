"""Checks of the exercises of lesson 06: two short ones, and the names of all the others."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked
from course_lib.checks.lesson06_codes import best_decoder, hole_share
from course_lib.checks.lesson06_draw import reparameterise
from course_lib.checks.lesson06_loss import implied_sigma, vae_loss
from course_lib.checks.lesson06_score import score_gradient
from course_lib.checks.tensors import Misconception, gaussians, judge, real_tensor, same

__all__ = [
    "best_decoder",
    "gaussian_kl",
    "hole_share",
    "implied_sigma",
    "importance_bound",
    "reparameterise",
    "score_gradient",
    "vae_loss",
]


def gaussian_kl(answer: Answer) -> None:
    """Exercise 6.1, against torch's own divergence of two normal distributions."""
    for seed, (batch, latent) in enumerate(((5, 3), (4, 1), (3, 8)), start=610):
        mean, log_variance = gaussians(seed, batch, latent), gaussians(seed + 50, batch, latent)
        q = Normal(mean, log_variance.exp().sqrt())
        each = kl_divergence(q, Normal(torch.zeros_like(mean), 1.0))  # (B, Z)
        judge(
            asked(answer, mean, log_variance),
            each.sum(dim=1),
            _wrong_divergences(mean, log_variance, each),
            f"For B = {batch} and Z = {latent} your divergence is wrong",
        )
    passed("gaussian_kl")


def _wrong_divergences(m: Tensor, v: Tensor, each: Tensor) -> Iterator[Misconception]:
    """m: mean. v: log-variance. each: the right divergence of each latent number, (B, Z)."""
    right = each.sum(dim=1)
    yield (
        "no-half",
        2 * right,
        "Your divergence is twice too large. Look at the factor in front of the quadratic "
        "exponents of the two densities.",
    )
    yield (
        "sign",
        -right,
        "Your divergence is never positive. It is the mean of log q minus log p under q, not of "
        "log p minus log q.",
    )
    yield (
        "mean-over-latents",
        each.mean(dim=1),
        "You average over the latent numbers. The numbers are independent, so their log-densities "
        "add. With a mean the prior would count Z times less.",
    )
    for one in (right.mean(), right.sum(), each.mean()):
        yield (
            "one-number",
            one,
            "You return one number for the whole batch. Each image has a divergence of its own: "
            "(B,) is asked for.",
        )
    yield ("not-summed", each, "You return a number for each latent number, one an image is asked.")
    yield (
        "summed-over-batch",
        each.sum(dim=0),
        "You sum over the images and keep the latent numbers. It is the other axis that belongs "
        "to one image.",
    )
    yield (
        "log-deviation",
        0.5 * (m**2 + (2 * v).exp() - 1 - 2 * v).sum(dim=1),
        "You take the second input for the logarithm of the standard deviation. It is that of the "
        "variance, so its exponential is the variance already.",
    )
    yield (
        "deviation-for-variance",
        0.5 * (m**2 + (0.5 * v).exp() - 1 - v).sum(dim=1),
        "In place of the variance you use the standard deviation. The mean of z squared under q "
        "holds the variance.",
    )
    yield (
        "log-sign",
        0.5 * (m**2 + v.exp() - 1 + v).sum(dim=1),
        "Your divergence falls without limit when q becomes narrow. A narrow q says much about z, "
        "and must cost more: look at the sign of the logarithm.",
    )
    yield (
        "reversed",
        0.5 * (v + (1 + m**2) / v.exp() - 1).sum(dim=1),
        "You return the divergence from the prior to q. The mean is taken under q, and the prior "
        "stands in the second place.",
    )
    yield (
        "no-one",
        0.5 * (m**2 + v.exp() - v).sum(dim=1),
        "Where q is the prior your divergence is not zero. A constant is missing for each latent "
        "number.",
    )
    yield (
        "no-mean",
        0.5 * (v.exp() - 1 - v).sum(dim=1),
        "Your divergence does not depend on the mean. A q far from zero would cost nothing.",
    )
    yield (
        "mean-not-squared",
        0.5 * (m + v.exp() - 1 - v).sum(dim=1),
        "The mean enters your divergence without a square. It would then reward means below zero.",
    )


def importance_bound(answer: Answer) -> None:
    """Exercise 6.6, against float64 sums of moderate weights, then for weights far from 1."""
    for seed, (draws, batch) in enumerate(((4, 6), (7, 1), (5, 5)), start=660):
        log_weights = gaussians(seed, draws, batch)
        right = (log_weights.exp().sum(dim=0) / draws).log()
        judge(
            asked(answer, log_weights),
            right,
            _wrong_bounds(log_weights),
            f"For K = {draws} and B = {batch} your bound is wrong",
        )
        apart = torch.linspace(-2000, 2000, batch, dtype=torch.float64)  # (B,): each image its own
        for shift, where in (
            (-2000.0, "near -2000"),
            (2000.0, "near 2000"),
            (apart, "thousands apart from image to image"),
        ):
            got = _finite(asked(answer, log_weights + shift))
            if got is None or not same(got, right + shift):
                fail(
                    "overflow",
                    f"For log-weights {where} your bound is wrong or not finite. Log-densities of "
                    "images are that large: subtract the largest of each image, not of all, "
                    "before you take exponentials.",
                )
    passed("importance_bound")


def _finite(result: object) -> Tensor | None:
    """The result in float64, or None where it is no tensor of finite real numbers."""
    if not isinstance(result, Tensor) or not torch.isfinite(result).all():
        return None
    return real_tensor(result)


def _wrong_bounds(log_weights: Tensor) -> Iterator[Misconception]:
    draws, batch = log_weights.shape
    total = log_weights.exp().sum(dim=0).log()
    yield (
        "mean-of-logarithms",
        log_weights.mean(dim=0),
        "You average the logarithms. That is the plain ELBO from K draws: more draws make it less "
        "noisy, not tighter.",
    )
    yield (
        "sum",
        total,
        "Your bound grows with the number of draws without limit. The weights are averaged before "
        "the logarithm is taken.",
    )
    yield (
        "count-added",
        total + torch.tensor(float(draws)).log(),
        "You multiply the sum of the weights by K. A mean divides by it.",
    )
    yield (
        "axis",
        (log_weights.exp().sum(dim=1) / batch).log(),
        "You average over the images. The first axis counts the draws, the second the images.",
    )
    yield (
        "one-number",
        (log_weights.exp().mean()).log(),
        "You average over draws and images at once. Each image has a bound of its own.",
    )
    yield (
        "one-number",
        (total - torch.tensor(float(draws)).log()).mean(),
        "You return one number for the whole batch. Each image has a bound of its own: (B,).",
    )
    yield (
        "largest",
        log_weights.amax(dim=0),
        "You return the largest log-weight of each image. It is near the sum's logarithm, but the "
        "other draws count too, and so does their number.",
    )
    yield (
        "weights",
        log_weights.exp().mean(dim=0),
        "You return the mean of the weights. Its logarithm is asked for.",
    )
