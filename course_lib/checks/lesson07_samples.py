"""Checks of lesson 07's exercises 7.6 to 7.8: what samples say about densities."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described, generator
from course_lib.checks.probes import Mistake, judge, real_from

#: Of covered_modes: how near a good point is, in standard deviations, and what covers a mode.
NEAR, LEAST = 3.0, 0.1


def covered_modes(answer: Answer) -> None:
    """Exercise 7.6, against a count point by point, on clouds made for each misconception."""
    random = generator(76)
    for count in (4, 6):
        centres = 5 * torch.randn(count, 2, generator=random).double()
        centres[:, 0] += 60 * torch.arange(count)  # far from each other
        for spread in (0.3, 1.0):
            points = _cloud(centres, spread, random)
            result = asked(answer, points, centres, spread)
            _judge_count(_pair(result), points, centres, spread)
    centres = torch.tensor([[0.0, 0.0], [20.0, 0.0]], dtype=torch.float64)
    nowhere = torch.full((10, 2), 50.0, dtype=torch.float64)
    if _pair(asked(answer, nowhere, centres, 1.0)) != (0, 0.0):
        fail(
            "far-counted",
            "Ten points far from both modes give a mode, or good points. Each has a nearest mode, "
            "and still belongs to none.",
        )
    passed("covered_modes")


def _cloud(centres: Tensor, spread: float, random: torch.Generator) -> Tensor:
    """60 points: the first mode full, the last one with a stray point, corners, and far ones.

    Of six modes one also has three points: more than it needs, fewer than a tenth of all.
    """
    full = centres[0] + spread * torch.randn(20, 2, generator=random).double().clamp(-1.5, 1.5)
    second = centres[1] + spread * torch.randn(20, 2, generator=random).double().clamp(-1.5, 1.5)
    # Within three deviations along both axes, but farther than that from the centre.
    corner = centres[2] + spread * torch.tensor([2.7, 2.7]).double()
    # Between three deviations and nine: near only for who forgets to take the root.
    ring = centres[0] + spread * torch.tensor([0.0, 4.0]).double()
    stray = centres[-1] + 0.5 * spread
    few = (centres[3] + 0.5 * spread).expand(3 if len(centres) > 4 else 0, 2)
    far = (centres[-1] + torch.tensor([0.0, 90.0]).double()).expand(7 - len(few), 2)
    return torch.cat([full, second, corner.expand(8, 2), ring.expand(4, 2), stray[None], few, far])


def _pair(result: Any) -> tuple[int, float]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        fail("type", f"A pair (modes, share of good points) is asked for, got {described(result)}.")
    modes, good = (
        one.item() if isinstance(one, Tensor) and one.numel() == 1 else one for one in result
    )
    if isinstance(modes, bool) or not isinstance(modes, Integral):
        fail("type", f"A whole number of modes is asked for, got {described(modes)}.")
    if isinstance(good, bool) or not isinstance(good, Real):
        fail("type", f"The share of good points is a number, got {described(good)}.")
    return int(modes), float(good)


def _judge_count(got: tuple[int, float], points: Tensor, centres: Tensor, spread: float) -> None:
    counts, good = _counted(points, centres, spread)
    need = LEAST * len(points) / len(centres)
    right = sum(one >= need for one in counts), good / len(points)
    if got[0] == right[0] and abs(got[1] - right[1]) < 1e-6:
        return
    nearest = torch.bincount(
        torch.cdist(points, centres).argmin(1), minlength=len(centres)
    ).tolist()
    boxed = _in_boxes(points, centres, spread)
    if abs(got[1] - good) < 1e-6 and good > 1:
        fail("number", "You return the number of good points. Their share of all points is asked.")
    counted_far = sum(one >= need for one in nearest)
    if abs(got[1] - 1) < 1e-6 or (abs(got[1] - right[1]) < 1e-6 and got[0] == counted_far):
        fail(
            "far-counted",
            "You count points that lie far from every mode, for the mode that is nearest. Each "
            "point has a nearest mode. A good one is within three standard deviations of it.",
        )
    if abs(got[1] - boxed / len(points)) < 1e-6:
        fail(
            "box",
            "You look at the two coordinates one by one. A point three deviations away along both "
            "is more than four away from the centre: take the distance.",
        )
    wide, close_ones = (_counted(points, centres, spread, near)[1] for near in (9.0, 3**0.5))
    if spread == 1.0 and abs(got[1] - close_ones / len(points)) < 1e-6:
        fail(
            "squared",
            "You compare the squared distance with three standard deviations. Take the root, or "
            "square both sides.",
        )
    if abs(got[1] - wide / len(points)) < 1e-6:
        fail("too-wide", "Your good points reach out to nine standard deviations. Three are meant.")
    if abs(got[1] - right[1]) < 1e-6:
        if got[0] == sum(one > 0 for one in counts):
            fail(
                "stray",
                "A mode with one stray point counts as covered in your answer. It needs a tenth of "
                "its fair share, the number of points over the number of modes.",
            )
        if got[0] == sum(one > need for one in counts):
            fail(
                "more-than",
                "You leave out a mode that holds exactly a tenth of its fair share. It is covered: "
                "ask for a tenth, and for at least that (>=, not >).",
            )
        if got[0] == sum(one >= 0.1 * len(points) for one in counts):
            fail(
                "fair-share",
                "You ask more of a mode than a tenth of its fair share. The fair share is the "
                "number of points over the number of modes.",
            )
        fail("modes", f"Of {len(centres)} modes {right[0]} are covered, you count {got[0]}.")
    fail("good", f"The share of good points is {right[1]:.1%}, you find {got[1]:.1%}.")


def _counted(
    points: Tensor, centres: Tensor, spread: float, near: float = NEAR
) -> tuple[list[int], int]:
    """Good points at each mode, point by point, and how many there are."""
    counts = [0] * len(centres)
    for x, y in points.tolist():
        ways = [((x - u) ** 2 + (y - v) ** 2) ** 0.5 for u, v in centres.tolist()]
        if min(ways) <= near * spread:
            counts[ways.index(min(ways))] += 1
    return counts, sum(counts)


def _in_boxes(points: Tensor, centres: Tensor, spread: float) -> int:
    apart = (points[:, None] - centres).abs() <= NEAR * spread  # (N, M, 2)
    return int(apart.all(dim=2).any(dim=1).sum())


RATIO_MESSAGES = {
    "score": "You return the probability that the sample is real. It stays below one; a ratio of "
    "densities may be any positive number.",
    "share-ignored": "You take the odds of 'real' for the ratio of the densities. They also hold "
    "how often real samples were shown, and that says nothing about the place.",
    "share-twice": "You multiply by the odds of the shares where they have to be taken out. Where "
    "real samples were shown more often, the discriminator says 'real' too easily.",
    "inverted": "Your ratio is q/p. It should be large where real samples are dense.",
    "logarithm": "You return the logarithm of the ratio. The ratio itself is asked for.",
    "share-only": "You divide by the share of real samples. The odds are the share over the rest.",
}


def density_ratio(answer: Answer) -> None:
    """Exercise 7.7, against densities from which the logits were made."""
    random = generator(77)
    for share in (0.75, 0.5, 0.1):
        p, q = (0.05 + torch.rand(8, generator=random).double() for _ in range(2))
        shown = share * p, (1 - share) * q
        logits = torch.log(shown[0]) - torch.log(shown[1])
        got = real_from(asked(answer, logits, share))
        case = f"With a share of {share} of real samples"
        judge(got, p / q, _wrong_ratios(logits, share), RATIO_MESSAGES, case)
    passed("density_ratio")


def _wrong_ratios(logits: Tensor, share: float) -> Iterator[Mistake]:
    odds = share / (1 - share)
    score, ratio = 1 / (1 + torch.exp(-logits)), torch.exp(logits)
    yield "score", score
    yield "share-ignored", ratio
    yield "share-twice", ratio * odds
    yield "inverted", odds / ratio
    yield "inverted", 1 / ratio
    yield "logarithm", logits - torch.log(torch.tensor(odds))
    yield "share-only", ratio / share
    yield "score", score / odds


WAY_MESSAGES = {
    "unsorted": "You compare the samples in the order in which they come. Shuffle one batch: your "
    "number changes, the distributions do not.",
    "squared": "You square the ways. The mean of the ways themselves is asked for: a sample twice "
    "as far costs twice as much.",
    "root": "You take the root of the mean squared way: that is the Wasserstein-2 distance. For "
    "Wasserstein-1 the mean of the ways themselves is asked for.",
    "means": "You compare the means of the two batches. Two clouds can have one mean and be very "
    "different.",
    "signed": "You add up ways to the left and to the right with their signs, and they cancel. "
    "What is left is the difference of the means.",
    "sum": "You add up the ways. Each sample has a mass of one B-th, so their mean is asked for.",
    "opposite": "You carry the smallest to the largest. That is the most expensive plan of all.",
    "one-sorted": "You sort one of the two batches only. The smallest has to meet the smallest.",
}


def wasserstein(answer: Answer) -> None:
    """Exercise 7.8, against the cheapest of all ways to pair the samples."""
    random = generator(78)
    for size, shift in ((6, 0.4), (5, 3.0), (1, -2.0)):
        a, b = torch.randn(2, size, generator=random).double()
        b = 2 * (b - b.mean()) + a.mean() + shift  # ways to both sides, and not of one mean
        wanted = min(
            sum(abs(x - y) for x, y in zip(a.tolist(), order, strict=True)) / size
            for order in permutations(b.tolist())
        )
        result = asked(answer, a, b)
        got = real_from(torch.as_tensor(result) if isinstance(result, float) else result)
        right = torch.tensor(wanted, dtype=torch.float64)
        judge(got, right, _wrong_ways(a, b), WAY_MESSAGES, f"For batches of {size}")
    passed("wasserstein")


def _wrong_ways(a: Tensor, b: Tensor) -> Iterator[Mistake]:
    ways = a.sort()[0] - b.sort()[0]
    yield "unsorted", (a - b).abs().mean()
    yield "squared", ways.square().mean()
    yield "root", ways.square().mean().sqrt()
    yield "means", ways.mean().abs()
    yield "signed", ways.mean()
    yield "sum", ways.abs().sum()
    yield "opposite", (a.sort()[0] - b.sort(descending=True)[0]).abs().mean()
    yield "one-sorted", (a.sort()[0] - b).abs().mean()
    yield "one-sorted", (a - b.sort()[0]).abs().mean()
