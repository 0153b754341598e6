"""The check of lesson 10's exercise 10.6: how sure is a share of right answers?"""

from __future__ import annotations

import math

from course_lib.checks import passed
from course_lib.checks.answers import Answer
from course_lib.checks.lesson10_judging import Rule, judge

#: Right answers, answers, half-width in standard errors.
CASES = ((27, 40, 1.96), (0, 12, 1.96), (30, 30, 1.96), (3, 7, 1.0), (480, 1000, 2.576))


def _by_bisection(successes: int, trials: int, z: float) -> list[float]:
    """The two probabilities from which the share is z standard errors away."""
    share = successes / trials

    def too_far(p: float) -> bool:
        return trials * (share - p) ** 2 > z * z * p * (1 - p)

    ends = []
    for outside in (0.0, 1.0):
        if share == outside:
            ends.append(outside)
            continue
        far, near = outside, share
        for _ in range(200):
            middle = (far + near) / 2
            far, near = (middle, near) if too_far(middle) else (far, middle)
        ends.append((far + near) / 2)
    return ends


def _around(middle: float, half: float) -> list[float]:
    return [middle - half, middle + half]


def _error(share: float, trials: float) -> float:
    return math.sqrt(share * (1 - share) / trials)


def _wald(k: int, n: int, z: float) -> list[float]:
    return _around(k / n, z * _error(k / n, n))


def _clipped(ends: list[float]) -> list[float]:
    return [max(0.0, ends[0]), min(1.0, ends[1])]


def _wilson(k: int, n: int, z: float, extra: float) -> list[float]:
    """The formula, with `extra` in the place of z squared."""
    p = k / n
    spread = math.sqrt(p * (1 - p) / n + extra / (4 * n * n))
    return _around((p + extra / (2 * n)) / (1 + extra / n), z * spread / (1 + extra / n))


def _half(k: int, n: int, z: float) -> float:
    low, high = _wilson(k, n, z, z * z)
    return (high - low) / 2


def _plus_two(k: int, n: int, z: float) -> list[float]:
    middle = (k + z * z / 2) / (n + z * z)
    return _around(middle, z * _error(middle, n + z * z))


ESTIMATE = (
    "You compute the standard error from the observed share. At 0 of n it is zero, and your "
    "interval claims certainty after a few answers."
)
WRONG: dict[str, Rule] = {
    "wald": (_wald, ESTIMATE),
    "wald:clipped": (lambda *case: _clipped(_wald(*case)), ESTIMATE),
    "one-half": (
        lambda k, n, z: _around(k / n, z * 0.5 / math.sqrt(n)),
        "You compute the standard error as if the probability were one half. The interval then "
        "leaves the range from 0 to 1.",
    ),
    "one-half:clipped": (
        lambda k, n, z: _clipped(_around(k / n, z * 0.5 / math.sqrt(n))),
        "You compute the standard error as if the probability were one half. It is smaller near 0 "
        "and 1.",
    ),
    "not-moved": (
        lambda k, n, z: _around(k / n, _half(k, n, z)),
        "Your interval has the right width about the wrong middle. The ends that solve the "
        "equation do not lie symmetrically about the observed share.",
    ),
    "not-moved:clipped": (
        lambda k, n, z: _clipped(_around(k / n, _half(k, n, z))),
        "Your interval has the right width about the wrong middle. The ends that solve the "
        "equation do not lie symmetrically about the observed share.",
    ),
    "z-not-squared": (
        lambda k, n, z: _wilson(k, n, z, z),
        "Where the square of z belongs you have z itself. With z = 1 nobody would notice.",
    ),
    "not-divided": (
        lambda k, n, z: [(1 + z * z / n) * end for end in _wilson(k, n, z, z * z)],
        "Both your ends lack the division by 1 + z squared / n. At n of n the upper end would be "
        "above one.",
    ),
    "plus-two": (
        _plus_two,
        "You add half of z squared to the right answers and to the wrong ones, and take a standard "
        "error from that. The middle is right, the width is not: it leaves the range from 0 to 1.",
    ),
    "plus-two:clipped": (
        lambda *case: _clipped(_plus_two(*case)),
        "You add half of z squared to the right answers and to the wrong ones, and take a standard "
        "error from that. The middle is right, and the width is not.",
    ),
    "middle-and-half": (
        lambda k, n, z: [(k + z * z / 2) / (n + z * z), _half(k, n, z)],
        "You return the middle and the half-width. The two ends are asked for.",
    ),
    "exchanged": (
        lambda *case: _by_bisection(*case)[::-1],
        "You return the upper end first. The lower one is asked for first.",
    ),
    "z-fixed": (
        lambda k, n, z: _wilson(k, n, 1.96, 1.96**2),
        "Your interval does not depend on z. It is 1.96 for 95 per cent only.",
    ),
    "per-cent": (
        lambda *case: [100 * end for end in _by_bisection(*case)],
        "You return per cent. Probabilities from 0 to 1 are asked for.",
    ),
    "counts": (
        lambda k, n, z: [n * end for end in _by_bisection(k, n, z)],
        "You return numbers of answers. Probabilities from 0 to 1 are asked for.",
    ),
}


def wilson(answer: Answer) -> None:
    """Exercise 10.6, against ends that are found by bisection."""
    judge(
        answer,
        CASES,
        _by_bisection,
        WRONG,
        ("lower end", "upper end"),
        lambda k, n, z: f"For {k} of {n} and z = {z}",
    )
    passed("wilson")
