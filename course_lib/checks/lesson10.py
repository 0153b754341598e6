"""Checks of the exercises of lesson 10: the first, and the names of all the others."""

from __future__ import annotations

from torch import Tensor

from course_lib.checks import passed
from course_lib.checks.answers import Answer
from course_lib.checks.lesson10_classes import class_score
from course_lib.checks.lesson10_frechet import frechet
from course_lib.checks.lesson10_interval import wilson
from course_lib.checks.lesson10_judging import Rule, judge
from course_lib.checks.lesson10_kernel import kernel_distance
from course_lib.checks.lesson10_limit import limit
from course_lib.checks.lesson10_nearest import nearest_other
from course_lib.checks.lesson10_regions import precision_recall
from course_lib.checks.tensors import gaussians

__all__ = [
    "class_score",
    "frechet",
    "kernel_distance",
    "limit",
    "nearest_other",
    "precision_recall",
    "wasserstein",
    "wilson",
]

#: Pairs of samples of equal size, in no order.
CASES = (
    (gaussians(1011, 12), 2 * gaussians(1012, 12) + 1),
    (gaussians(1013, 7), gaussians(1014, 7) - 3),
    (gaussians(1015, 30) ** 3, gaussians(1016, 30)),
    (gaussians(1017, 1), gaussians(1018, 1)),
)


def _quantiles(x: Tensor, y: Tensor) -> list[float]:
    """The integral over the difference of the quantile functions, from numbers drawn one by one.

    The k-th smallest number is the one that k - 1 others lie below: no sorting.
    """
    ranks = [(one[:, None] > one).sum(dim=1) for one in (x, y)]
    # A table with a one where the ranks agree picks each number's partner.
    partner = (ranks[0][:, None] == ranks[1]).double() @ y
    return [(x - partner).square().mean().item()]


def _ordered(x: Tensor, y: Tensor) -> Tensor:
    return x.sort().values - y.sort().values


WRONG: dict[str, Rule] = {
    "not-sorted": (
        lambda x, y: [(x - y).square().mean().item()],
        "You pair the numbers in the order in which they came. That is one way to move the first "
        "sample onto the second, and hardly ever the cheapest.",
    ),
    "one-sorted:first": (
        lambda x, y: [(x.sort().values - y).square().mean().item()],
        "You sort one of the two samples. The smallest of one goes to the smallest of the other.",
    ),
    "one-sorted:second": (
        lambda x, y: [(x - y.sort().values).square().mean().item()],
        "You sort one of the two samples. The smallest of one goes to the smallest of the other.",
    ),
    "reversed": (
        lambda x, y: [(x.sort().values - y.sort().values.flip(0)).square().mean().item()],
        "You send the smallest to the largest. That is the dearest of all ways: paths that cross "
        "can be exchanged for shorter ones.",
    ),
    "absolute": (
        lambda x, y: [_ordered(x, y).abs().mean().item()],
        "You average distances. The squared distance is what a move costs here.",
    ),
    "root": (
        lambda x, y: [_ordered(x, y).square().mean().sqrt().item()],
        "You take the root at the end. The squared distance is asked for.",
    ),
    "sum": (
        lambda x, y: [_ordered(x, y).square().sum().item()],
        "You add the costs up. Each number carries an n-th of the probability, so it is a mean.",
    ),
    "divided-by-less": (
        lambda x, y: [_ordered(x, y).square().sum().item() / max(1, len(x) - 1)],
        "You divide by n - 1. That belongs to a variance about an estimated mean; here each of the "
        "n numbers carries an n-th of the probability.",
    ),
    "nearest": (
        lambda x, y: [(x[:, None] - y).square().min(dim=1).values.mean().item()],
        "You move each number to the nearest one of the other sample. Then some get many and "
        "others none: each has to receive as much as it sends.",
    ),
    "all-pairs": (
        lambda x, y: [(x[:, None] - y).square().mean().item()],
        "You average over all pairs. That spreads each number over the whole other sample, which "
        "is dearer than needed and not zero for equal samples.",
    ),
    "two-moments": (
        lambda x, y: [
            (
                (x.mean() - y.mean()) ** 2
                + (x.var(correction=0) ** 0.5 - y.var(correction=0) ** 0.5) ** 2
            ).item()
        ],
        "You use means and standard deviations. That is the distance of two Gaussians; these "
        "samples can have any shape.",
    ),
}


def wasserstein(answer: Answer) -> None:
    """Exercise 10.1, against partners that are found by counting."""
    judge(
        answer,
        CASES,
        _quantiles,
        WRONG,
        ("distance",),
        lambda x, y: f"For two samples of {len(x)}",
    )
    passed("wasserstein")
