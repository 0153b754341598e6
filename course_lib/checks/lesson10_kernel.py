"""The check of lesson 10's exercise 10.3: the unbiased kernel distance."""

from __future__ import annotations

from torch import Tensor

from course_lib.checks import passed
from course_lib.checks.answers import Answer
from course_lib.checks.lesson10_judging import Rule, judge
from course_lib.checks.tensors import gaussians

CASES = (
    (gaussians(1101, 6, 3), gaussians(1102, 9, 3) + 1),
    (gaussians(1103, 2, 4), gaussians(1104, 2, 4)),
    (gaussians(1105, 12, 5), gaussians(1106, 7, 5)),
)


def _kernel(x: Tensor, y: Tensor) -> float:
    return (sum(a * b for a, b in zip(x.tolist(), y.tolist(), strict=True)) / len(x) + 1) ** 3


def _pair_by_pair(x: Tensor, y: Tensor) -> list[float]:
    """Every pair on its own, as the definition says."""
    own = []
    for z in (x, y):
        pairs = [_kernel(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j]
        own.append(sum(pairs) / len(pairs))
    between = [_kernel(a, b) for a in x for b in y]
    return [own[0] + own[1] - 2 * sum(between) / len(between)]


def _table(x: Tensor, y: Tensor, constant: float = 1.0, by: int | None = None, power: int = 3):
    return (x @ y.T / (by or x.shape[1]) + constant) ** power


def _estimate(
    x: Tensor,
    y: Tensor,
    *,
    diagonal: bool = False,
    pairs: bool = True,
    factor: float = 2.0,
    cross_diagonal: bool = True,
    **kernel,
) -> float:
    """The estimate with one thing done otherwise.

    diagonal: count each vector with itself. pairs: divide by n (n - 1), else by n^2.
    cross_diagonal: count the k-th vector of one set with the k-th of the other.
    """
    own = 0.0
    for z in (x, y):
        table = _table(z, z, **kernel)
        total = table.sum() if diagonal else table.sum() - table.diagonal().sum()
        own += total / (len(z) * (len(z) - 1) if pairs else len(z) ** 2)
    table = _table(x, y, **kernel)
    between = table.mean()
    if not cross_diagonal:
        between = (table.sum() - table.diagonal().sum()) / (table.numel() - len(table.diagonal()))
    return float(own - factor * between)


WRONG: dict[str, Rule] = {
    "diagonal": (
        lambda x, y: [_estimate(x, y, diagonal=True, pairs=False)],
        "You count each vector with itself too. k(x, x) is no estimate of k(x, x') for two "
        "different images: it is larger, and the distance comes out too large by a term in 1/n.",
    ),
    "divided-by-square": (
        lambda x, y: [_estimate(x, y, pairs=False)],
        "You leave the diagonal out and still divide by the square of n. There are n (n - 1) pairs "
        "of different vectors.",
    ),
    "diagonal-kept": (
        lambda x, y: [_estimate(x, y, diagonal=True)],
        "You divide by n (n - 1) and still count each vector with itself. Those n terms have to "
        "go.",
    ),
    "cross-diagonal": (
        lambda x, y: [_estimate(x, y, cross_diagonal=False)],
        "You leave out the diagonal between the sets as well. The k-th vector of one set has "
        "nothing to do with the k-th of the other: all these pairs count.",
    ),
    "cross-once": (
        lambda x, y: [_estimate(x, y, factor=1.0)],
        "The term between the sets counts once. In the square of a difference it stands twice.",
    ),
    "cross-added": (
        lambda x, y: [_estimate(x, y, factor=-2.0)],
        "You add the term between the sets. It is subtracted: sets that are alike have large "
        "kernel values between them.",
    ),
    "cross-alone": (
        lambda x, y: [float(_table(x, y).mean())],
        "You return the mean kernel value between the sets. It is large where they are alike, and "
        "large too where vectors are long.",
    ),
    "not-scaled": (
        lambda x, y: [_estimate(x, y, by=1)],
        "You do not divide the product by the number of features. The kernel asked for does, so "
        "that networks with more features do not get larger numbers.",
    ),
    "no-constant": (
        lambda x, y: [_estimate(x, y, constant=0.0)],
        "Your kernel lacks the 1. Without it the cube compares third moments alone, which quite "
        "different sets can share.",
    ),
    "power": (
        lambda x, y: [_estimate(x, y, power=2)],
        "Your kernel is a square. A cube is asked for, which compares skewness too.",
    ),
    "power:one": (
        lambda x, y: [_estimate(x, y, power=1)],
        "Your kernel has no power. It compares the means and nothing else.",
    ),
    "clipped": (
        lambda x, y: [max(0.0, _estimate(x, y))],
        "You replace negative estimates by zero. An unbiased estimate of zero has to be negative "
        "sometimes; cutting those off brings a bias back.",
    ),
    "root": (
        lambda x, y: [abs(_estimate(x, y)) ** 0.5],
        "You take a root. The squared distance is asked for: its estimate can be negative.",
    ),
    "root:nan": (
        lambda x, y: [float("nan") if _estimate(x, y) < 0 else _estimate(x, y) ** 0.5],
        "You take a root. The squared distance is asked for: its estimate can be negative.",
    ),
}


def kernel_distance(answer: Answer) -> None:
    """Exercise 10.3, against a sum over single pairs."""
    judge(
        answer,
        CASES,
        _pair_by_pair,
        WRONG,
        ("distance",),
        lambda x, y: f"For {len(x)} and {len(y)} vectors of {x.shape[1]} features",
    )
    passed("kernel_distance")
