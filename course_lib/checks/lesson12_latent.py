"""Checks of lesson 12's exercises 12.5 and 12.6: truncated latent vectors, and a direction."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, generator, tensor_from
from course_lib.checks.tensors import Misconception, gaussians, judge

COUNT, LATENT = 400, 50
#: About four standard errors of the variance of 20,000 numbers; a uniform one is further off.
SLACK = 0.006


def truncated(answer: Answer) -> None:
    """Exercise 12.5, by the range, the repeats and the variance of 20,000 numbers."""
    for seed, threshold in ((1250, 0.8), (1251, 1.5)):
        z, again, other = (
            tensor_from(
                asked(answer, COUNT, LATENT, threshold, generator(one)), (COUNT, LATENT)
            ).double()
            for one in (seed, seed, seed + 7)
        )
        _judge_range(z, threshold)
        if not torch.equal(z, again) or torch.equal(z, other):
            fail(
                "own-noise",
                "Your numbers do not follow the random generator that is handed in. A figure could "
                "not be drawn a second time.",
            )
        _judge_shape(z, threshold)
    passed("truncated")


def _judge_range(z: Tensor, threshold: float) -> None:
    outside = float((z.abs() > threshold * (1 + 1e-6)).double().mean())
    if not outside:
        return
    natural = math.erfc(threshold / math.sqrt(2))  # the share of an untruncated Gaussian
    if float(z.max()) <= threshold * (1 + 1e-6) or float(z.min()) >= -threshold * (1 + 1e-6):
        fail(
            "one-sided",
            "Only one side of your numbers is bounded. A latent number of -3 is as rare as one of "
            "3: the absolute value counts.",
        )
    if abs(outside - natural**2) < 0.3 * natural**2:
        fail(
            "one-pass",
            "Some of your numbers are still too large: those that were too large twice. What is "
            "drawn again has to be looked at again.",
        )
    fail(
        "untruncated",
        f"Of your numbers {100 * outside:.2g} per cent are larger than the threshold. None may be.",
    )


def _judge_shape(z: Tensor, threshold: float) -> None:
    share = float((z.abs() > threshold * (1 - 1e-6)).double().mean())
    if share > 0.01:
        fail(
            "clamped",
            "Many of your numbers are exactly the threshold. Cutting off puts all that was outside "
            "onto the two ends. Section 12.10 says what to do with them instead.",
        )
    if float((z == 0).double().mean()) > 0.01:
        fail(
            "zeroed",
            "Many of your numbers are exactly zero. What was outside has been moved to the middle, "
            "and is to be drawn again.",
        )
    density = math.exp(-(threshold**2) / 2) / math.sqrt(2 * math.pi)
    wanted = 1 - 2 * threshold * density / math.erf(threshold / math.sqrt(2))
    got = float(z.var())
    slack = SLACK * max(1.0, wanted / 0.2)
    if abs(got - wanted) < slack and abs(float(z.mean())) < 0.05:
        return
    if abs(got - threshold**2 / 3) < slack:
        fail(
            "uniform",
            "Your numbers are spread evenly over the interval. A truncated Gaussian still prefers "
            "the middle.",
        )
    if abs(float(z.mean())) >= 0.05:
        fail("mean", "The mean of your numbers is not zero. Both signs are equally likely.")
    fail(
        "rescaled",
        f"The variance of your numbers is {got:.3f}, and {wanted:.3f} is right. Numbers that "
        "are inside from the beginning stay as they are; those outside are drawn again from the "
        "same Gaussian.",
    )


def direction(answer: Answer) -> None:
    """Exercise 12.6, against means summed one by one."""
    for seed, (count, latent, side) in enumerate(((9, 4, 2), (30, 5, 3)), start=1260):
        z = gaussians(seed, count, latent) + 0.5
        images = torch.tanh(gaussians(seed + 40, count, 1, side, side))
        light = images.mean(dim=(1, 2, 3))
        level = float(light.sort().values[-(count // 3)]) - 1e-4  # a third of them is brighter
        judge(
            asked(answer, z, images, level),
            _by_hand(z, light, level),
            _wrong_directions(z, images, light > level),
            f"For {count} latent vectors of {latent} numbers your direction is wrong",
        )
    passed("direction")


def _by_hand(z: Tensor, light: Tensor, level: float) -> Tensor:
    groups: dict[bool, list[list[float]]] = {True: [], False: []}
    for one, bright in zip(z.tolist(), light.tolist(), strict=True):
        groups[bright > level].append(one)
    means = [
        [math.fsum(column) / len(column) for column in zip(*groups[kind], strict=True)]
        for kind in (True, False)
    ]
    way = [a - b for a, b in zip(*means, strict=True)]
    return torch.tensor([one / math.hypot(*way) for one in way]).double()


def _wrong_directions(z: Tensor, images: Tensor, bright: Tensor) -> Iterator[Misconception]:
    means = z[bright].mean(0), z[~bright].mean(0)
    way = means[0] - means[1]
    yield (
        "not-normalised",
        way,
        "Your direction does not have length 1. Its length depends on how strongly the attribute "
        "is tied to z, so an amount of 2 along two such directions means two different things.",
    )
    yield (
        "sign",
        -way / way.norm(),
        "Your direction leads from bright to dark. It is to lead to the images that are brighter.",
    )
    pictures = images[bright].mean(0) - images[~bright].mean(0)
    for one in (pictures, pictures.flatten(), pictures / pictures.norm()):
        for shaped in (one, one.flatten() / one.norm()):
            yield (
                "pixels",
                shaped,
                "Your direction is a difference of images. It has a number for each pixel, and "
                "cannot be added to a latent vector: the images only say which vectors to average.",
            )
    sums = z[bright].sum(0) - z[~bright].sum(0)
    for one in (sums, sums / sums.norm()):
        yield (
            "sums",
            one,
            "You subtract sums. The larger group then wins, whatever its vectors are.",
        )
    for one in (means[0], means[0] / means[0].norm()):
        yield (
            "one-group",
            one,
            "You return the mean of the bright group. What all vectors have in common is still in "
            "it: the other group's mean has to be taken off.",
        )
    yield (
        "each-number",
        way / way.abs(),
        "Each number of your direction is 1 or -1. The vector is divided by its length, not each "
        "number by its own.",
    )
