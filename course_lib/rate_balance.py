"""A linear game of two numbers in which the ratio of the learning rates decides (lesson 11).

The generator's number theta and the discriminator's number psi move together,

    theta <- theta + rate (a theta - b psi)
    psi   <- psi + ratio rate (c theta - d psi)

from a place near (0, 0), where both would stay.
"""

from __future__ import annotations

import numpy as np


def iteration(game: tuple[float, float, float, float], rate: float, ratio: float) -> np.ndarray:
    """The matrix of one step of both players on (theta, psi): (2, 2), float64.

    Args:
        game: (a, b, c, d).
        rate: the generator's learning rate, above 0.
        ratio: the discriminator's rate over the generator's, above 0.

    Raises:
        ValueError: for a rate or ratio of 0 or less.

    Source: lesson 11, equation (11.3).
    """
    if not (rate > 0 and ratio > 0):
        raise ValueError(f"expected a rate and a ratio above 0, got {rate} and {ratio}")
    a, b, c, d = game
    fast = ratio * rate
    return np.array([[1 + rate * a, -rate * b], [fast * c, 1 - fast * d]])


def spectral_radius(matrix: np.ndarray) -> float:
    """The largest absolute value of an eigenvalue: below 1, repeated steps lead to zero.

    Args:
        matrix: (N, N), real or complex.
    """
    return float(np.abs(np.linalg.eigvals(matrix)).max())
