"""Directions in latent space, walks along them, and truncated latent vectors (lesson 12)."""

from __future__ import annotations

import torch
from torch import Tensor


def mean_difference(z: Tensor, shown: Tensor) -> Tensor:
    """The unit vector from the mean of the latent vectors without an attribute to those with it.

    Args:
        z: latent vectors, (N, Z).
        shown: whether the image of each shows the attribute, bool (N,).

    Returns:
        (Z,), of length 1.

    Raises:
        ValueError: if all images show the attribute or none does.

    Source: lesson 12, equation (12.14).
    """
    if shown.all() or not shown.any():
        raise ValueError("expected images with the attribute and images without it")
    direction = z[shown].mean(0) - z[~shown].mean(0)
    return direction / direction.norm()


def walk(z: Tensor, direction: Tensor, amounts: Tensor) -> Tensor:
    """Latent vectors moved along a direction, each scaled back to its own length.

    Args:
        z: (N, Z). direction: (Z,), of length 1. amounts: (T,), in units of the latent vectors.

    Returns:
        (T, N, Z).
    """
    moved = z + amounts[:, None, None] * direction  # (T, N, Z)
    return moved * (z.norm(dim=1) / moved.norm(dim=2))[..., None]


def truncated_normal(
    count: int, latent: int, threshold: float, generator: torch.Generator
) -> Tensor:
    """Latent vectors of standard Gaussians, each number drawn again until it is small enough.

    Args:
        count, latent: N and Z.
        threshold: largest absolute value, above 0; infinity for no truncation.
        generator: source of the random numbers.

    Returns:
        (N, Z), float32, on the generator's device.

    Raises:
        ValueError: if the threshold is below 0.01: drawing again would take too long.

    Source: lesson 12, equation (12.15); Brock et al., 2019, section 3.1.
    """
    if not threshold >= 0.01:
        raise ValueError(f"expected a threshold of at least 0.01, got {threshold}")
    z = torch.randn(count, latent, generator=generator, device=generator.device)
    while (outside := z.abs() > threshold).any():
        again = int(outside.sum())
        z[outside] = torch.randn(again, generator=generator, device=generator.device)
    return z
