"""The check of lesson 05's exercise 5.6: how sure is a mean over a few seeds?"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described
from course_lib.checks.tensors import gaussians

#: Numbers of seeds, and the difference that lies beneath them.
CASES = ((5, 0.012), (2, 0.003), (3, -0.008), (10, 0.001), (4, -0.002), (7, 0.02))
#: The quantiles are handed out with three digits behind the point.
PRECISION = 1e-3


@lru_cache
def quantile(degrees: int, share: float = 0.975) -> float:
    """The number below which a t-distributed one lies with this probability: by integration."""
    scale = math.gamma((degrees + 1) / 2) / math.gamma(degrees / 2) / math.sqrt(degrees * math.pi)
    t = torch.linspace(0, 20, 200_001, dtype=torch.float64)
    density = scale * (1 + t**2 / degrees) ** (-(degrees + 1) / 2)
    below = 0.5 + torch.cumulative_trapezoid(density, t)
    return t[1 + int((below < share).sum())].item()


WRONG_MEANS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "best-seed": (
        lambda d: d.max(),
        "You return the largest difference. The best of n seeds rises with n, whatever the "
        "networks are worth. The mean over all seeds is asked for.",
    ),
    "worst-seed": (
        lambda d: d.min(),
        "You return the least difference. The mean over all seeds is asked for.",
    ),
    "best-minus-worst": (
        lambda d: d.max() - d.min(),
        "You return the distance between the best seed and the worst. It never says which network "
        "is better. The mean over all seeds is asked for.",
    ),
    "absolute": (
        lambda d: d.abs().mean(),
        "You leave out the signs. A network that wins and loses by turns would seem to win.",
    ),
    "sum": (lambda d: d.sum(), "You return the sum. A mean does not grow with the seeds."),
    "sign": (
        lambda d: -d.mean(),
        "Your mean has the wrong sign. A positive difference stays positive.",
    ),
    "divided-by-less": (
        lambda d: d.sum() / (len(d) - 1),
        "You divide the sum of the differences by n - 1. That belongs to the variance, which has "
        "used up one number for the mean. The mean itself divides by n.",
    ),
    "median": (lambda d: d.median(), "You return the median. The mean is asked for."),
    "median:midrange": (
        lambda d: (d.max() + d.min()) / 2,
        "You return the middle between the best seed and the worst. The mean is asked for.",
    ),
}


def _t(d: Tensor) -> float:
    return quantile(len(d) - 1)


WRONG_HALVES: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "standard-deviation": (
        lambda d: _t(d) * d.std(),
        "Your half-width does not shrink with the number of seeds. It says where the next seed may "
        "lie. How well the mean is known is said by the standard error.",
    ),
    "standard-deviation:alone": (
        lambda d: d.std(),
        "You return the standard deviation. It says how far single seeds lie apart, and how well "
        "the mean is known is asked for.",
    ),
    "divides-by-n": (
        lambda d: _t(d) * d.std(unbiased=False) / len(d) ** 0.5,
        "Your variance divides by n. The squares are taken about the mean of the same numbers, "
        "which lies closer to them than the true one, so it comes out too small.",
    ),
    "corrected-twice": (
        lambda d: _t(d) * d.std() / (len(d) - 1) ** 0.5,
        "You divide by n - 1 in the variance and by its root again. The variance of a mean of n "
        "numbers is an n-th of that of one.",
    ),
    "normal": (
        lambda d: 1.959964 * d.std() / len(d) ** 0.5,
        "You take 1.96, or 2, which is right if the standard deviation is known. Here it is itself "
        "estimated from a few seeds, and Student's t is wider for that.",
    ),
    "normal:two": (
        lambda d: 2 * d.std() / len(d) ** 0.5,
        "You take 1.96, or 2, which is right if the standard deviation is known. Here it is itself "
        "estimated from a few seeds, and Student's t is wider for that.",
    ),
    "standard-error": (
        lambda d: d.std() / len(d) ** 0.5,
        "You return the standard error. For a probability of 95 per cent it has to be multiplied "
        "by the quantile.",
    ),
    "degrees": (
        lambda d: quantile(len(d)) * d.std() / len(d) ** 0.5,
        "You take the quantile for n degrees of freedom. One of the n has gone into the mean.",
    ),
    "degrees:two": (
        lambda d: quantile(max(1, len(d) - 2)) * d.std() / len(d) ** 0.5,
        "You take the quantile for n - 2 degrees of freedom. The differences are one set of "
        "numbers with one mean, so one degree is lost.",
    ),
    "one-sided": (
        lambda d: quantile(len(d) - 1, 0.95) * d.std() / len(d) ** 0.5,
        "Your quantile leaves 5 per cent on one side. An interval with two ends leaves 2.5 per "
        "cent beyond each.",
    ),
    "full-width": (
        lambda d: 2 * _t(d) * d.std() / len(d) ** 0.5,
        "You return the whole width of the interval. The half is asked for: what stands after "
        "plus-minus.",
    ),
    "no-root": (
        lambda d: _t(d) * d.std() / len(d),
        "You divide the standard deviation by n. It is the variance of the mean that is an n-th, "
        "and the standard deviation is its root.",
    ),
    "variance": (
        lambda d: _t(d) * d.var() / len(d),
        "Your half-width is in squared units. The root of the variance is missing.",
    ),
    "variance:of-one": (
        lambda d: _t(d) * d.var() / len(d) ** 0.5,
        "Your half-width is in squared units. The root of the variance is missing.",
    ),
    "about-zero": (
        lambda d: _t(d) * (d.square().sum() / (len(d) - 1)).sqrt() / len(d) ** 0.5,
        "You take the squares of the differences themselves. How far they lie from their mean is "
        "what makes it uncertain.",
    ),
    "range": (
        lambda d: (d.max() - d.min()) / 2,
        "Your half-width is half of the way from the best seed to the worst. It grows with the "
        "number of seeds, and a mean gets better known with it.",
    ),
    "range:full": (
        lambda d: d.max() - d.min(),
        "Your half-width is the way from the best seed to the worst. It grows with the number of "
        "seeds, and a mean gets better known with it.",
    ),
}


def interval(answer: Answer) -> None:
    """Exercise 5.6, against moments summed term by term and quantiles that are integrated."""
    samples = [
        beneath + 0.01 * gaussians(seed, n) for seed, (n, beneath) in enumerate(CASES, start=560)
    ]
    results = [_two_from(asked(answer, one)) for one in samples]
    right = [_by_hand(one.tolist()) for one in samples]
    if _equal(results, right):
        passed("interval")
        return
    if _equal(results, [one[::-1] for one in right]):
        fail("exchanged", "You return the half-width first. The mean is asked for first.")
    if _equal(results, [(mean - half, mean + half) for mean, half in right]):
        fail(
            "bounds",
            "You return the two ends of the interval. Its middle and its half-width are asked for.",
        )
    for place, wrong in enumerate((WRONG_MEANS, WRONG_HALVES)):
        got, wanted = ([(one[place],) for one in pairs] for pairs in (results, right))
        if _equal(got, wanted):
            continue
        for hint, (rule, message) in wrong.items():
            if _equal(got, [(rule(one).item(),) for one in samples]):
                fail(hint.partition(":")[0], message)
        first = next(i for i in range(len(got)) if not _equal(got[i : i + 1], wanted[i : i + 1]))
        shown = ", ".join(f"{number:.4f}" for number in samples[first])
        fail(
            "wrong",
            f"For the differences {shown} your {('mean', 'half-width')[place]} is "
            f"{got[first][0]:.4g}, and {wanted[first][0]:.4g} is right.",
        )


def _two_from(result: Any) -> tuple[float, float]:
    if not isinstance(result, list | tuple) or len(result) != 2:
        fail("type", f"Two floats (mean, half-width) are asked for, got {described(result)}.")
    for one in result:
        if isinstance(one, bool) or not isinstance(one, Real):
            fail("type", f"Two floats are asked for, got {described(one)} among them.")
        if math.isnan(one):
            fail(
                "nan",
                "One of your numbers is NaN, which is no number. With n = 2 seeds there is one "
                "degree of freedom, and that is enough.",
            )
    return float(result[0]), float(result[1])


def _by_hand(differences: list[float]) -> tuple[float, float]:
    n = len(differences)
    mean = math.fsum(differences) / n
    # From the distances between pairs, which need no mean.
    pairs = math.fsum((a - b) ** 2 for a in differences for b in differences)
    return mean, quantile(n - 1) * math.sqrt(pairs / (2 * n * (n - 1)) / n)


def _equal(got: list[tuple[float, ...]], wanted: list[tuple[float, ...]]) -> bool:
    return all(
        math.isclose(a, b, rel_tol=PRECISION, abs_tol=1e-7)
        for one, other in zip(got, wanted, strict=True)
        for a, b in zip(one, other, strict=True)
    )
