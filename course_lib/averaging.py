"""What an exponential moving average does to a sequence, as a filter (lesson 11).

The average is w_t = decay w_(t-1) + (1 - decay) x_t, so x_(t-k) counts (1 - decay) decay^k.
"""

from __future__ import annotations

import math

WARM_UP = 9  # of training.update_average: the decay at step s is at most (1 + s) / (1 + s + 9)


def _checked(decay: float) -> float:
    if not 0 <= decay < 1:
        raise ValueError(f"expected a decay from 0 to below 1, got {decay}")
    return decay


def window(decay: float) -> float:
    """Steps that the average looks back over, 1 / (1 - decay), at least 1.

    After so many further steps a value counts about 1/e of what it counted at first.

    Raises:
        ValueError: unless 0 <= decay < 1.

    Source: lesson 11, equation (11.8).
    """
    return 1 / (1 - _checked(decay))


def noise_left(decay: float) -> float:
    """The variance of the average of independent values over their own, in (0, 1].

    Raises:
        ValueError: unless 0 <= decay < 1.

    Source: lesson 11, equation (11.8).
    """
    return (1 - _checked(decay)) / (1 + decay)


def swing_left(decay: float, period: float) -> float:
    """The amplitude of the average of a sine over the sine's own, in (0, 1].

    Args:
        decay: from 0 to below 1.
        period: of the sine, in steps, at least 2.

    Raises:
        ValueError: for another decay, or a period below 2, which no sequence can show.

    Source: lesson 11, equation (11.7).
    """
    if not period >= 2:
        raise ValueError(f"expected a period of at least 2 steps, got {period}")
    _checked(decay)
    squared = 1 - 2 * decay * math.cos(2 * math.pi / period) + decay**2
    return (1 - decay) / math.sqrt(squared)


def start_left(steps: int) -> float:
    """How much the initial weights still count after so many steps of the warm-up, in (0, 1].

    Args:
        steps: done, 0 or more; the decay at step s is (1 + s) / (10 + s).

    Raises:
        ValueError: for a negative number of steps.

    Source: lesson 11, equation (11.9).
    """
    if steps < 0:
        raise ValueError(f"expected 0 steps or more, got {steps}")
    return 1 / math.comb(steps + WARM_UP, WARM_UP)
