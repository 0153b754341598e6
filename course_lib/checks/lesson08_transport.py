"""The check of lesson 08's exercise 8.8: the Wasserstein distance on a line."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described, tensor_from
from course_lib.checks.tensors import gaussians, same

CASES = ((930, 5, 5), (940, 4, 7), (950, 9, 3))


def carried(x: Tensor, y: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """The least work, by carrying the leftmost mass to the leftmost place until none is left."""
    left = sorted(zip(x.tolist(), p.tolist(), strict=True))
    right = sorted(zip(y.tolist(), q.tolist(), strict=True))
    work = 0.0
    while left and right:
        (a, have), (b, want) = left.pop(0), right.pop(0)
        moved = min(have, want)
        work += moved * abs(a - b)
        if have - moved > 1e-12:
            left.insert(0, (a, have - moved))
        if want - moved > 1e-12:
            right.insert(0, (b, want - moved))
    return torch.tensor(work, dtype=torch.float64)


def _masses(seed: int, count: int) -> Tensor:
    sizes = gaussians(seed, count).abs() + 0.1
    return sizes / sizes.sum()


def _wrong(x: Tensor, y: Tensor, p: Tensor, q: Tensor) -> Iterator[tuple[str, Tensor, str]]:
    points, surplus = torch.cat([x, y]), torch.cat([p, -q])
    order = points.argsort()
    gap = surplus[order].cumsum(0)[:-1]
    lengths = points[order].diff()
    means = (p * x).sum() - (q * y).sum()
    yield (
        "means",
        means.abs(),
        "Your distance is that of the two means. Two distributions with one mean can be far "
        "apart: the gap of the distribution functions is to be taken in absolute value.",
    )
    for signed in (means, -means):
        yield (
            "signed",
            signed,
            "You integrate the gap with its sign. Mass that is carried to the left and to the "
            "right then cancels.",
        )
    yield (
        "lengths-left-out",
        gap.abs().sum(),
        "You add the gaps of the distribution functions and not their areas. Each gap counts as "
        "far as it reaches, to the next point.",
    )
    yield (
        "unsorted",
        (surplus.cumsum(0)[:-1].abs() * points.diff().abs()).sum(),
        "You add up the masses in the order in which they came. A distribution function adds "
        "them from left to right.",
    )
    yield (
        "unsorted",
        (surplus.cumsum(0)[:-1].abs() * points.diff()).sum(),
        "You add up the masses in the order in which they came. A distribution function adds "
        "them from left to right.",
    )
    yield (
        "masses-not-sorted",
        (surplus.cumsum(0)[:-1].abs() * lengths).sum(),
        "You sort the points and leave the masses in their old order. Each mass belongs to its "
        "point.",
    )
    yield (
        "squared",
        (gap.square() * lengths).sum(),
        "You square the gap. That is another distance, named after Cramér.",
    )
    if len(x) == len(y):
        message = (
            "You compare point with point, all with the same weight. The masses here differ, so a "
            "point may have to be shared between several others."
        )
        yield "masses-ignored", (x.sort().values - y.sort().values).abs().mean(), message
        yield "masses-ignored", (x - y).abs().mean(), message


def wasserstein_1d(answer: Answer) -> None:
    """Exercise 8.8, against carrying mass from left to left."""
    for seed, n, m in CASES:
        x, y = 2 * gaussians(seed, n), gaussians(seed + 1, m) - 0.9
        p, q = _masses(seed + 2, n), _masses(seed + 3, m)
        result = asked(answer, x, y, p, q)
        if not isinstance(result, Tensor | float):
            fail("type", f"One number is asked for, got {described(result)}.")
        got = tensor_from(torch.as_tensor(result), ()).detach().double()
        if same(got, carried(x, y, p, q)):
            continue
        for hint, misled, message in _wrong(x, y, p, q):
            if same(got, misled):
                fail(hint, message)
        fail(
            "wrong",
            "Your number is not the least work. Take two points of mass one half each, and work "
            "it out by hand.",
        )
    shift = gaussians(960, 6)
    equal = torch.full((6,), 1 / 6, dtype=torch.float64)
    got = torch.as_tensor(asked(answer, shift, shift.flip(0) + 2, equal, equal)).double()
    if not same(got, torch.tensor(2.0).double()):
        fail("wrong", "When all points move by 2, the distance must be 2. Yours is not.")
    passed("wasserstein_1d")
