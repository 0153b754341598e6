"""The Wasserstein-1 distance on a line, where sorting solves the transport problem (lesson 08)."""

from __future__ import annotations

import torch
from torch import Tensor


def wasserstein_1d(
    x: Tensor, y: Tensor, p: Tensor | None = None, q: Tensor | None = None
) -> Tensor:
    """The least work that turns one distribution on a line into another.

    Args:
        x, y: the points that carry mass, (N,) and (M,), in any order and with repeats.
        p, q: their masses, (N,) and (M,), at least 0 and of sum 1; equal ones if None.

    Returns:
        The integral over the line of |F_p - F_q|, the gap of the two distribution functions, ():
        mass times distance, in the unit of x.

    Raises:
        ValueError: if masses do not fit their points, are negative or do not sum to 1.

    Source: lesson 08, equation (8.9); Vallender, 1974.
    """
    p, q = _masses(x, p, "p"), _masses(y, q, "q")
    points, order = torch.cat([x, y]).sort()
    surplus = torch.cat([p, -q])[order].cumsum(0)  # F_p - F_q just right of each point, (N + M,)
    return (surplus[:-1].abs() * points.diff()).sum()


def _masses(points: Tensor, masses: Tensor | None, name: str) -> Tensor:
    if masses is None:
        return torch.full_like(points, 1 / len(points))
    if masses.shape != points.shape:
        raise ValueError(
            f"expected a mass for each point, got {name} of shape {tuple(masses.shape)} for "
            f"points of shape {tuple(points.shape)}"
        )
    if (masses < 0).any() or abs(float(masses.sum()) - 1) > 1e-6:
        raise ValueError(f"expected {name} of masses that are at least 0 and sum to 1")
    return masses
