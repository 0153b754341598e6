"""The check of lesson 10's exercise 10.8: the distance at infinitely many images."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import passed
from course_lib.checks.answers import Answer
from course_lib.checks.lesson10_judging import Rule, judge
from course_lib.checks.tensors import gaussians


def _case(seed: int, counts: tuple[int, ...], limit: float, slope: float) -> tuple[Tensor, Tensor]:
    """Counts and distances with a little noise, so that no two points decide."""
    n = torch.tensor(counts, dtype=torch.float64)
    return n, limit + slope / n + 0.01 * limit * gaussians(seed, len(n))


CASES = (
    _case(1501, (100, 200, 500, 1000, 5000), 0.2, 9.0),
    _case(1502, (1000, 250, 500), 0.05, 12.0),
    _case(1504, (500, 450, 450, 400), 0.9, 5.0),
)


def _by_normal_equations(counts: Tensor, distances: Tensor) -> list[float]:
    """Cramer's rule for the two unknowns, with plain sums."""
    x = [1 / one for one in counts.tolist()]
    y = distances.tolist()
    n, sx, sy = len(x), sum(x), sum(y)
    sxx, sxy = sum(a * a for a in x), sum(a * b for a, b in zip(x, y, strict=True))
    return [(sy * sxx - sx * sxy) / (n * sxx - sx * sx)]


def _line(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    return y.mean() - slope * x.mean(), slope


def _fit(of):
    """The limit of a straight line in another variable of the counts."""
    return lambda n, d: [_line(of(n), d)[0].item()]


def _two_points(n: Tensor, d: Tensor) -> list[float]:
    order = n.argsort()
    (a, b), (u, v) = (n[order[[0, -1]]], d[order[[0, -1]]])
    return [((b * v - a * u) / (b - a)).item()]


WRONG: dict[str, Rule] = {
    "linear": (
        _fit(lambda n: n),
        "You fit a straight line in the number of images. Your value is the line at zero images, "
        "and infinitely many are asked for: the distance is straight in 1 / N.",
    ),
    "logarithm": (
        _fit(lambda n: n.log()),
        "You fit a line in the logarithm of N. It has no limit for infinitely many images; the "
        "bias falls as 1 / N.",
    ),
    "root": (
        _fit(lambda n: n**-0.5),
        "You fit a line in one over the root of N. That is how a standard error falls. The bias "
        "falls as 1 / N.",
    ),
    "log-log": (
        lambda n, d: [_line(-n.log(), d.log())[0].exp().item()],
        "You fit a power of N, which falls to zero without end. Here the distance falls to a "
        "limit, and that is asked for.",
    ),
    "slope": (
        lambda n, d: [_line(1 / n, d)[1].item()],
        "You return the slope of the line. Its value at 1 / N = 0 is asked for.",
    ),
    "reciprocal": (
        lambda n, d: [(1 / _line(n, 1 / d)[1]).item()],
        "You fit a line to one over the distance. The distance itself is straight in 1 / N.",
    ),
    "most-images": (
        lambda n, d: [d[n.argmax()].item()],
        "You return the distance that was measured with most images. It still holds the bias of "
        "that many.",
    ),
    "last": (
        lambda n, d: [d[-1].item()],
        "You return the last distance of the list. It holds a bias, and the list is in no order.",
    ),
    "smallest": (
        lambda n, d: [d.min().item()],
        "You return the smallest distance. It holds a bias and the luck of one measurement.",
    ),
    "mean": (
        lambda n, d: [d.mean().item()],
        "You return the mean of the distances. Each holds another bias, and none of them is gone.",
    ),
    "two-points": (
        _two_points,
        "You draw the line through the smallest and the largest number of images. All "
        "measurements count: fit the line to them by least squares.",
    ),
    "weighted": (
        lambda n, d: [
            torch.linalg.lstsq(torch.stack([n, torch.ones_like(n)], dim=1), (n * d)[:, None])
            .solution[0]
            .item()
        ],
        "Your fit weighs the measurements by their numbers of images. Asked for is the plain least "
        "squares of distance against 1 / N.",
    ),
    "through-origin": (
        lambda n, d: [((d / n).sum() / (1 / n**2).sum()).item()],
        "Your line goes through zero. Then every generator would be perfect with infinitely many "
        "images; let the line have a limit and a slope.",
    ),
}


def limit(answer: Answer) -> None:
    """Exercise 10.8, against the normal equations in plain sums."""
    judge(
        answer,
        CASES,
        _by_normal_equations,
        WRONG,
        ("limit",),
        lambda n, d: f"For {len(n)} measurements",
    )
    passed("limit")
