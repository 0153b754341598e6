"""What realism costs in squared error, at best (lesson 14)."""

from __future__ import annotations

import math

from torch import Tensor


def decibels_lost(share: float) -> float:
    """The least PSNR that must be lost for a given distance from the real completions.

    Args:
        share: squared Wasserstein-2 distance of the answers' distribution from that of the truth,
            given what is known, over that of the conditional mean; 1 for the mean, 0 for a draw.

    Returns:
        Decibels, from 0 at share 1 to 10 log10(2), 3.01, at share 0.

    Raises:
        ValueError: for a share outside [0, 1].

    Source: lesson 14, equation (14.5); Blau, Michaeli, "The Perception-Distortion Tradeoff",
    CVPR 2018, for the trade and its end; Freirich, Michaeli, Meir, "A Theory of the
    Distortion-Perception Tradeoff in Wasserstein Space", NeurIPS 2021, for the curve.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"expected a share in [0, 1], got {share}")
    return 10 * math.log10(1 + (1 - math.sqrt(share)) ** 2)


def mixture(first: Tensor, second: Tensor, amount: float) -> Tensor:
    """Answers on the straight line between two, (1 - amount) first + amount second.

    Between the conditional mean and a draw, no other answer with the same squared error is nearer
    to the truth's distribution.

    Args:
        first, second: of one shape.
        amount: 0 for the first, 1 for the second.

    Source: lesson 14, equation (14.4).
    """
    return first + amount * (second - first)
