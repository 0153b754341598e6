"""The checks of lesson 06's exercises 6.3 and 6.5: the loss, and the sigma behind one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described
from course_lib.checks.tensors import Misconception, gaussians, judge


def vae_loss(answer: Answer) -> None:
    """Exercise 6.3, against torch's own normal distributions."""
    for seed, (batch, shape, latent, sigma) in enumerate(
        ((4, (1, 3, 2), 2, 0.5), (3, (3, 2, 4), 5, 2.0), (6, (2, 4, 3), 1, 1.0)), start=630
    ):
        images, shown = (torch.tanh(gaussians(seed + k, batch, *shape)) for k in (0, 100))
        mean, log_variance = (gaussians(seed + k, batch, latent) for k in (200, 300))
        log_density = Normal(shown, sigma).log_prob(images).flatten(1).sum(dim=1)  # (B,)
        q = Normal(mean, (0.5 * log_variance).exp())
        kl = kl_divergence(q, Normal(torch.zeros_like(mean), 1.0)).sum(dim=1)  # (B,)
        squares = (images - shown).square().flatten(1).sum(dim=1)
        judge(
            asked(answer, images, shown, mean, log_variance, sigma),
            (kl - log_density).mean(),
            _wrong_losses(squares, log_density, kl, images[0].numel(), latent, sigma),
            f"For sigma = {sigma:g} your loss is wrong",
        )
    passed("vae_loss")


def _wrong_losses(
    squares: Tensor, log_density: Tensor, kl: Tensor, pixels: int, latent: int, sigma: float
) -> Iterator[Misconception]:
    right, constant = kl - log_density, pixels / 2 * math.log(2 * math.pi * sigma**2)
    yield (
        "sign",
        -right.mean(),
        "You return the ELBO itself. Training lowers its loss, so it would lower the bound.",
    )
    yield (
        "batch-sum",
        right.sum(),
        "You sum over the images. The loss, and with it each step, would grow with the batch: "
        "average over the batch.",
    )
    yield ("each-image", right, "You return one number for each image. Their mean is asked for.")
    yield (
        "kl-sign",
        (-kl - log_density).mean(),
        "Your loss rewards a large divergence from the prior. It is subtracted in the bound, and "
        "your loss is minus the bound.",
    )
    yield (
        "no-kl",
        -log_density.mean(),
        "The divergence is missing. What remains trains an autoencoder with noise.",
    )
    yield (
        "pixel-mean",
        (squares / pixels / (2 * sigma**2) + constant + kl).mean(),
        "You average the squared error over the pixels. The density of an image is a product over "
        "its pixels, so the logarithms add.",
    )
    yield (
        "pixel-mean",
        (-log_density / pixels + kl).mean(),
        "You average the log-density over the pixels. The density of an image is a product over "
        "its pixels, so the logarithms add.",
    )
    if latent > 1:
        yield (
            "latent-mean",
            (kl / latent - log_density).mean(),
            "You average the divergence over the latent numbers. It is a sum over them, and with a "
            "mean the prior counts Z times less.",
        )
    yield (
        "no-constant",
        (squares / (2 * sigma**2) + kl).mean(),
        "The normalisation of the Gaussian is missing. For a fixed sigma it is a constant, but "
        "without it a learned sigma would grow for ever.",
    )
    yield (
        "constant-once",
        (squares / (2 * sigma**2) + constant / pixels + kl).mean(),
        "You count the Gaussian's normalisation once. Each pixel has a density of its own.",
    )
    if sigma != 1:
        yield (
            "sigma-not-squared",
            (squares / (2 * sigma) + constant + kl).mean(),
            "You divide the squared error by sigma. The exponent of a Gaussian holds the variance.",
        )
    yield (
        "no-half",
        (squares / sigma**2 + constant + kl).mean(),
        "Your squared error counts twice. The exponent of a Gaussian has a factor 1/2.",
    )


Rule = Callable[[float, float], float]

#: From a and b of a |x - g|^2 + b KL to a sigma, and what whoever uses it has in mind.
WRONG_SIGMAS: dict[str, tuple[Rule, str]] = {
    "variance": (
        lambda a, b: b / (2 * a),
        "You return sigma squared. The standard deviation is asked for.",
    ),
    "no-half": (
        lambda a, b: math.sqrt(b / a),
        "Your sigma is too large by the root of two. In the bound the squared error stands with a "
        "factor 1/2, which programs like to leave out.",
    ),
    "double": (
        lambda a, b: math.sqrt(2 * b / a),
        "Your sigma is twice too large. Divide the loss by twice the weight of the squared error, "
        "so that a half remains in front of it.",
    ),
    "inverted": (
        lambda a, b: math.sqrt(2 * a / b),
        "Your sigma falls when the divergence gets more weight. A heavy divergence means that few "
        "nats are spent, as with noisy pixels.",
    ),
}

#: pixels, latent, pixel reduction, latent reduction, weight
SETTINGS = (
    (1024, 16, "sum", "sum", 1.0),
    (1024, 16, "mean", "sum", 1.0),
    (784, 20, "sum", "mean", 1.0),
    (3072, 8, "mean", "mean", 0.25),
    (784, 32, "sum", "sum", 4.0),
    (64, 2, "mean", "sum", 0.01),
)


def implied_sigma(answer: Answer) -> None:
    """Exercise 6.5, by comparing the loss with (6.12) at two points."""
    results = []
    for setting in SETTINGS:
        result = asked(answer, *setting)
        if isinstance(result, Tensor) and result.numel() == 1:
            result = result.item()
        if isinstance(result, bool) or not isinstance(result, int | float):
            fail("type", f"A number is asked for, got {described(result)}.")
        results.append(float(result))
    right = [_sigma_of(*setting) for setting in SETTINGS]
    if _alike(results, right):
        return passed("implied_sigma")
    coefficients = [_coefficients(*setting) for setting in SETTINGS]
    for hint, (rule, message) in WRONG_SIGMAS.items():
        if _alike(results, [rule(a, b) for a, b in coefficients]):
            fail(hint, message)
    for hint, change, message in (
        (
            "pixels-ignored",
            lambda n, z, p, latent, w: (n, z, "sum", latent, w),
            "Your sigma does not depend on whether the squared error is a sum or a mean over the "
            "pixels. A mean makes it n times smaller, and the divergence stays as it is.",
        ),
        (
            "latents-ignored",
            lambda n, z, p, latent, w: (n, z, p, "sum", w),
            "Your sigma does not depend on whether the divergence is a sum or a mean over the "
            "latent numbers. A mean makes it Z times smaller.",
        ),
        (
            "weight-ignored",
            lambda n, z, p, latent, w: (n, z, p, latent, 1.0),
            "Your sigma does not depend on the weight of the divergence.",
        ),
    ):
        if _alike(results, [_sigma_of(*change(*setting)) for setting in SETTINGS]):
            fail(hint, message)
    if _alike(results, [_sigma_reversed(*setting) for setting in SETTINGS]):
        fail(
            "reductions-reversed",
            "A mean acts the wrong way round in your answer. A mean over pixels makes the squared "
            "error lighter, which is what a large sigma does.",
        )
    first = next(i for i, (a, b) in enumerate(zip(results, right, strict=True)) if not _close(a, b))
    n, z, pixel, latent, weight = SETTINGS[first]
    return fail(
        "wrong",
        f"For n = {n}, Z = {z}, a {pixel} over pixels, a {latent} over latent numbers and weight "
        f"{weight:g} your sigma is {results[first]:.4g}. Write the loss as a multiple of (6.12).",
    )


def _coefficients(n: int, z: int, pixel: str, latent: str, weight: float) -> tuple[float, float]:
    """a and b of the loss a |x - g|^2 + b KL, measured on a loss of ones."""
    squares, divergences = torch.ones(n, dtype=torch.float64), torch.ones(z, dtype=torch.float64)
    reduced = [getattr(one, how)() for one, how in ((squares, pixel), (divergences, latent))]
    return float(reduced[0]) / n, weight * float(reduced[1]) / z


def _sigma_of(n: int, z: int, pixel: str, latent: str, weight: float) -> float:
    a, b = _coefficients(n, z, pixel, latent, weight)
    return math.sqrt(b / a / 2)


def _sigma_reversed(n: int, z: int, pixel: str, latent: str, weight: float) -> float:
    scale = (1 / n if pixel == "mean" else 1.0) * (z if latent == "mean" else 1.0)
    return math.sqrt(weight * scale / 2)


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-4)


def _alike(one: list[float], other: list[float]) -> bool:
    return all(_close(a, b) for a, b in zip(one, other, strict=True))
