"""The evidence lower bound of a latent-variable model with Gaussian parts (lesson 06).

Everything is one number an image, in nats: sums over latent numbers and pixels, never means. A mean
over either would change the balance of the two terms (lesson 06, section 6.11).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence from N(mean, diag(exp(log_variance))) to N(0, I), in nats.

    Args:
        mean: (B, Z).
        log_variance: natural logarithm of the variance of each latent number, (B, Z).

    Returns:
        (B,), at least 0.

    Source: lesson 06, equation (6.6); Kingma, Welling, "Auto-Encoding Variational Bayes", ICLR
    2014, appendix B.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1)


def reparameterise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """Samples of N(mean, diag(exp(log_variance))) through which gradients pass.

    Args:
        mean, log_variance: (B, Z).
        noise: independent standard Gaussians, (B, Z).

    Returns:
        mean + standard deviation * noise, (B, Z).

    Source: lesson 06, equation (6.8); Kingma, Welling, 2014, section 2.4.
    """
    return mean + (0.5 * log_variance).exp() * noise


def gaussian_log_likelihood(
    images: Tensor, means: Tensor, log_sigma: Tensor | float = 0.0
) -> Tensor:
    """Log-density of images under independent Gaussians with one standard deviation, in nats.

    Args:
        images, means: (B, C, H, W), in one unit.
        log_sigma: natural logarithm of the standard deviation in that unit; a tensor () or a float.

    Returns:
        (B,), summed over channels and pixels.

    Raises:
        ValueError: if the two shapes differ: broadcasting would hide it.

    Source: lesson 06, equation (6.10).
    """
    if images.shape != means.shape:
        raise ValueError(
            f"expected images and means of one shape, got {tuple(images.shape)} and "
            f"{tuple(means.shape)}"
        )
    log_sigma = torch.as_tensor(log_sigma, dtype=images.dtype, device=images.device)
    squared = (images - means).square().flatten(1).sum(dim=1)  # (B,)
    pixels = images[0].numel()
    return -squared / (2 * (2 * log_sigma).exp()) - pixels * (
        log_sigma + 0.5 * math.log(2 * math.pi)
    )


def elbo(
    images: Tensor,
    means: Tensor,
    mean: Tensor,
    log_variance: Tensor,
    log_sigma: Tensor | float = 0.0,
    beta: float = 1.0,
) -> Tensor:
    """A one-sample estimate of the evidence lower bound on log p(x), in nats.

    Args:
        images: x, (B, C, H, W).
        means: the decoder's output for one sample z of each q(z|x), (B, C, H, W).
        mean, log_variance: of q(z|x), (B, Z).
        log_sigma: natural logarithm of the decoder's standard deviation.
        beta: weight of the KL divergence; with any other than 1 it is no bound of the same model.

    Returns:
        (B,)

    Source: lesson 06, equation (6.5); Kingma, Welling, 2014, equation 3; beta: Higgins et al.,
    "beta-VAE", ICLR 2017.
    """
    fit = gaussian_log_likelihood(images, means, log_sigma)
    return fit - beta * gaussian_kl(mean, log_variance)


def linear_rate_distortion(eigenvalues: Tensor, variance: float) -> tuple[float, float]:
    """Rate and distortion of the best linear VAE with noise variance sigma^2 and enough latents.

    The best linear decoder keeps the principal components whose variance is above sigma^2; the
    others collapse onto the prior.

    Args:
        eigenvalues: of the data's covariance, (n,), at least 0, in squared units of a pixel.
        variance: sigma^2, above 0, in the same unit.

    Returns:
        The mean KL divergence in nats, and the mean squared error of an image, summed over pixels.

    Raises:
        ValueError: if the variance is not above 0.

    Source: lesson 06, equation (6.15); Lucas et al., "Don't Blame the ELBO!", NeurIPS 2019.
    """
    if not variance > 0:
        raise ValueError(f"expected a variance above 0, got {variance}")
    kept = eigenvalues[eigenvalues > variance].double()
    rate = 0.5 * (kept / variance).log().sum()
    return float(rate), float(eigenvalues.double().clamp(max=variance).sum())
