"""Divergences of densities on the real line, and the best discriminator between two (lesson 07).

A density is given by its values on a grid, an integral is the trapezoidal sum over that grid, and
logarithms are natural, so divergences are in nats. Everything is differentiable where the
densities are positive.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: How far the integral of a density may be from 1: the grid is too coarse or too short beyond.
LEAK = 0.01


def integral(values: Tensor, x: Tensor) -> Tensor:
    """Integrate values (N,) over the grid x (N,) by the trapezoidal rule: -> ()."""
    return torch.trapezoid(values, x)


def optimal_discriminator(p: Tensor, q: Tensor, real_share: float = 0.5) -> Tensor:
    """The probability that a sample at each place is real, if nothing but the place is known.

    Args:
        p: density of real samples, any shape.
        q: density of generated samples, of the same shape.
        real_share: how many of the samples that the discriminator sees are real, in (0, 1).

    Returns:
        real_share p / (real_share p + (1 - real_share) q), in [0, 1], of the same shape; NaN where
        both densities are zero, because nothing is known there.

    Raises:
        ValueError: for a share outside (0, 1), other shapes or negative densities.

    Source: lesson 07, equations (7.1) and (7.4); Goodfellow et al., 2014, proposition 1.
    """
    if not 0 < real_share < 1:
        raise ValueError(f"expected a share of real samples between 0 and 1, got {real_share}")
    if p.shape != q.shape:
        raise ValueError(
            f"expected densities of one shape, got {tuple(p.shape)} and {tuple(q.shape)}"
        )
    if (p < 0).any() or (q < 0).any():
        raise ValueError("expected densities of at least 0; did you pass their logarithms?")
    return real_share * p / (real_share * p + (1 - real_share) * q)


def kl(p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    """The Kullback-Leibler divergence of p from q, the mean of log p/q over samples of p.

    Args:
        p: density (N,) on the grid.
        q: density (N,) on the grid.
        x: the grid (N,), increasing.

    Returns:
        A number of nats, (), at least 0; infinite where p has mass and q has none.

    Raises:
        ValueError: if these are not two densities on a grid.

    Source: lesson 07, equation (7.7).
    """
    _check(p, q, x)
    return _kl(p, q, x)


def _kl(p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    # xlogy(0, y) is 0, as the limit of p log p is; and p log p - p log 0 is infinite, as it should.
    return integral(torch.special.xlogy(p, p) - torch.special.xlogy(p, q), x)


def jsd(p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    """The Jensen-Shannon divergence, the mean divergence of p and of q from their mixture.

    Args:
        p: density (N,) on the grid.
        q: density (N,) on the grid.
        x: the grid (N,), increasing.

    Returns:
        A number of nats, (), from 0 for equal densities to log 2 for densities that never meet.

    Raises:
        ValueError: if these are not two densities on a grid.

    Source: lesson 07, equation (7.8); Lin, "Divergence measures based on the Shannon entropy",
    IEEE Transactions on Information Theory, 1991.
    """
    _check(p, q, x)
    mixture = (p + q) / 2
    return (_kl(p, mixture, x) + _kl(q, mixture, x)) / 2


def total_variation(p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    """The total variation distance: the mass that would have to be moved to make q into p.

    Args:
        p: density (N,) on the grid.
        q: density (N,) on the grid.
        x: the grid (N,), increasing.

    Returns:
        Half the integral of |p - q|, (), in [0, 1].

    Raises:
        ValueError: if these are not two densities on a grid.

    Source: lesson 07, equation (7.11).
    """
    _check(p, q, x)
    return integral((p - q).abs(), x) / 2


def wasserstein(p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    """The Wasserstein-1 distance: the least mass times way that turns q into p.

    On a line it is the area between the two distribution functions.

    Args:
        p: density (N,) on the grid.
        q: density (N,) on the grid.
        x: the grid (N,), increasing.

    Returns:
        A distance in the units of x, ().

    Raises:
        ValueError: if these are not two densities on a grid.

    Source: lesson 07, equation (7.16); Vallender, "Calculation of the Wasserstein distance between
    probability distributions on the line", 1974.
    """
    _check(p, q, x)
    gap = torch.cumulative_trapezoid(p - q, x)  # (N - 1,), difference of the distribution functions
    return integral(gap.abs(), x[1:])


def _check(p: Tensor, q: Tensor, x: Tensor) -> None:
    if not x.ndim == p.ndim == q.ndim == 1 or not x.shape == p.shape == q.shape or len(x) < 2:
        raise ValueError(
            "expected two densities and their grid of one shape (N,), got "
            f"{tuple(p.shape)}, {tuple(q.shape)} and {tuple(x.shape)}"
        )
    if not (x.diff() > 0).all():
        raise ValueError("expected a grid that increases")
    for name, density in (("first", p), ("second", q)):
        if (density < 0).any():
            raise ValueError(f"the {name} density is negative; did you pass its logarithm?")
        mass = float(integral(density.detach(), x))
        if not abs(mass - 1) <= LEAK:
            raise ValueError(
                f"the {name} density integrates to {mass:.3f} over the grid, expected 1. Make the "
                "grid wider or finer."
            )
