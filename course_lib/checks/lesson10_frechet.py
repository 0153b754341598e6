"""The check of lesson 10's exercise 10.2: the Fréchet distance of two sets of features."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import passed
from course_lib.checks.answers import Answer
from course_lib.checks.lesson10_judging import Rule, judge
from course_lib.checks.tensors import gaussians


def _features(seed: int, count: int, size: int) -> Tensor:
    """Correlated features with a mean of their own: (count, size)."""
    mixing, shift = gaussians(seed, size, size), gaussians(seed + 1, size)
    return gaussians(seed + 2, count, size) @ mixing + shift


#: Pairs of sets; in the last one there are fewer vectors than features.
CASES = (
    (_features(1020, 40, 3), _features(1030, 25, 3)),
    (_features(1040, 9, 2), _features(1050, 30, 2)),
    (_features(1060, 5, 7), _features(1070, 60, 7)),
)


def _moments(x: Tensor, divide_by: int = -1) -> tuple[Tensor, Tensor]:
    centred = x - x.mean(dim=0)
    return x.mean(dim=0), centred.T @ centred / (len(x) + divide_by)


def _cross(first: Tensor, second: Tensor) -> Tensor:
    """Trace of the root, from singular values: tr (A B)^(1/2) = sum of svd(A^(1/2) B^(1/2))."""
    halves = []
    for one in (first, second):
        values, vectors = torch.linalg.eigh(one)
        halves.append(vectors * values.clamp(min=0).sqrt())
    return torch.linalg.svdvals(halves[0].T @ halves[1]).sum()


def _distance(x: Tensor, y: Tensor, *, divide_by: int = -1, factor: float = 2.0, power: int = 2):
    (m, s), (n, t) = _moments(x, divide_by), _moments(y, divide_by)
    means = (m - n).norm() ** power
    return [(means + s.trace() + t.trace() - factor * _cross(s, t)).item()]


def _with(cross=None, means=None):
    """The distance with another cross term or another term of the means."""

    def of(x: Tensor, y: Tensor) -> list[float]:
        (m, s), (n, t) = _moments(x), _moments(y)
        gap = (m - n).square().sum() if means is None else means(m, n)
        between = 2 * (_cross(s, t) if cross is None else cross(s, t))
        return [float(gap + s.trace() + t.trace() - between)]

    return of


def _elementwise(s: Tensor, t: Tensor) -> Tensor:
    return (s @ t).abs().sqrt().diagonal().sum()


def _negative_aware(s: Tensor, t: Tensor) -> Tensor:
    return (s @ t).sqrt().diagonal().sum()


ELEMENTWISE = (
    "You take the root of each number of the product. The root of a matrix is the matrix whose "
    "product with itself gives it back: take the roots of the eigenvalues."
)
WRONG: dict[str, Rule] = {
    "no-root": (
        _with(cross=lambda s, t: (s @ t).trace()),
        "You take the trace of the product of the covariances and no root of it. Its unit is the "
        "fourth power of a feature's, and all other terms have the second.",
    ),
    "root-of-trace": (
        _with(cross=lambda s, t: (s @ t).trace().sqrt()),
        "You take the root of the trace. The trace of the root is asked for: the sum of the roots "
        "of the eigenvalues, not the root of their sum.",
    ),
    "elementwise": (_with(cross=_elementwise), ELEMENTWISE),
    "elementwise:nan": (_with(cross=_negative_aware), ELEMENTWISE),
    "traces": (
        _with(cross=lambda s, t: (s.trace() * t.trace()).sqrt()),
        "Your cross term is the root of the product of the traces. That is right for one feature; "
        "with more it forgets the directions in which the sets spread.",
    ),
    "roots-commuting": (
        _with(cross=lambda s, t: (s.diagonal() * t.diagonal()).sqrt().sum()),
        "You use the variances alone. Two sets whose features are correlated in opposite ways "
        "would have the distance zero.",
    ),
    "biased": (
        lambda x, y: _distance(x, y, divide_by=0),
        "Your covariances divide by N. The mean is taken from the same vectors, so they come out "
        "too small: divide by N - 1.",
    ),
    "once": (
        lambda x, y: _distance(x, y, factor=1.0),
        "Your cross term counts once. A set has the distance zero from itself only if it counts "
        "twice.",
    ),
    "no-cross": (
        lambda x, y: _distance(x, y, factor=0.0),
        "Your cross term is missing. Without it a set is far away from itself.",
    ),
    "cross-added": (
        lambda x, y: _distance(x, y, factor=-2.0),
        "You add the cross term. It is subtracted: the more the two sets vary together, the nearer "
        "they are.",
    ),
    "mean-not-squared": (
        lambda x, y: _distance(x, y, power=1),
        "The distance of the means enters without its square. The other terms are variances, which "
        "are in squared units.",
    ),
    "means-left-out": (
        _with(means=lambda m, n: 0.0),
        "The means do not enter your distance. A set that is moved as a whole would not be "
        "noticed.",
    ),
    "mean-of-squares": (
        _with(means=lambda m, n: (m - n).square().mean()),
        "You average the squared differences of the means over the features. Their sum is the "
        "squared distance; the traces are sums over features too.",
    ),
    "root": (
        lambda x, y: [_distance(x, y)[0] ** 0.5],
        "You return the root of the distance. The squared distance is asked for, as everybody "
        "reports it.",
    ),
}


def frechet(answer: Answer) -> None:
    """Exercise 10.2, against the singular values of a product of two roots."""
    judge(
        answer,
        CASES,
        _distance,
        WRONG,
        ("distance",),
        lambda x, y: f"For {len(x)} and {len(y)} vectors of {x.shape[1]} features",
    )
    passed("frechet")
