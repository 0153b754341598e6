"""The check of lesson 10's exercise 10.7: how far is each image from its nearest other one?"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described
from course_lib.checks.tensors import Misconception, gaussians, judge


def _images(seed: int, *shape: int) -> Tensor:
    """Images in [-1, 1], the last one equal to the second."""
    images = gaussians(seed, *shape).clamp(-1, 1)
    images[-1] = images[1]
    return images


CASES = (
    gaussians(1401, 6, 1, 3, 3).clamp(-1, 1),
    _images(1402, 9, 2, 4, 3),
    _images(1403, 30, 1, 2, 2),
)


def _one_by_one(images: Tensor) -> Tensor:
    found = []
    for i, image in enumerate(images):
        others = [(image - one).square().sum() for j, one in enumerate(images) if j != i]
        found.append(min(others).sqrt())
    return torch.stack(found)


def nearest_other(answer: Answer) -> None:
    """Exercise 10.7, against a comparison of single pairs."""
    for images in CASES:
        result = asked(answer, images)
        if isinstance(result, Tensor) and not result.is_floating_point() and result.ndim == 1:
            fail(
                "indices",
                f"Distances are asked for, got {described(result)}. The place of the nearest image "
                "is not how far away it is.",
            )
        many = f"For {len(images)} images your distances are wrong"
        judge(result, _one_by_one(images), _misconceptions(images), many)
    passed("nearest_other")


def _misconceptions(images: Tensor) -> Iterator[Misconception]:
    flat = images.flatten(1)
    gaps = (flat[:, None] - flat).square().sum(dim=2).sqrt()
    right = _one_by_one(images)
    yield (
        "self",
        torch.zeros(len(images)).double(),
        "All your distances are zero: each image finds itself. As a baseline, zero would mean that "
        "nothing is ever nearer than usual.",
    )
    infinite = torch.where(gaps == 0, torch.inf, gaps)
    yield (
        "zeros-dropped",
        infinite.min(dim=1).values,
        "You leave out all distances of zero. Two different images can be equal, and such a copy "
        "is what one is looking for: leave out the diagonal instead.",
    )
    smallest = right.min()
    yield (
        "smallest",
        smallest.expand(len(images)),
        "All your distances are the smallest of the table. Each image has its own nearest one.",
    )
    yield "smallest", smallest, "You return one number. Each image has its own nearest one."
    yield (
        "mean-returned",
        right.mean(),
        "You return one number, the mean. Each image has its own nearest one, and the baseline is "
        "their distribution.",
    )
    yield (
        "squared",
        right.square(),
        "You return squared distances. The root is missing.",
    )
    per_image = flat.shape[1]
    for one in (right.square() / per_image, right / per_image**0.5, right / per_image):
        yield (
            "mean-size",
            one,
            "You average over the pixels. The distance is the root of a sum over all of them.",
        )
    absolute = (flat[:, None] - flat).abs().sum(dim=2)
    yield (
        "absolute",
        absolute.fill_diagonal_(torch.inf).min(dim=1).values,
        "You add up absolute differences. The Euclidean distance adds squares and takes the root.",
    )
    apart = gaps.clone().fill_diagonal_(torch.inf)
    yield (
        "second",
        apart.kthvalue(2, dim=1).values,
        "You return the distance to the second nearest other image. After the diagonal is gone, "
        "the smallest is the one.",
    )
    yield (
        "farthest",
        gaps.max(dim=1).values,
        "You return the largest distance. The nearest image has the smallest.",
    )
    yield (
        "neighbour-in-the-list",
        (flat - flat.roll(-1, 0)).norm(dim=1),
        "You compare each image with the next one in the list. All others are candidates.",
    )
    first = images[:, 0].flatten(1)
    channel = (first[:, None] - first).norm(dim=2).fill_diagonal_(torch.inf)
    yield (
        "first-channel",
        channel.min(dim=1).values,
        "You look at the first channel alone. All channels belong to the image.",
    )
    earlier = torch.where(torch.ones_like(gaps).tril(-1).bool(), gaps, torch.inf)
    yield (
        "one-half",
        earlier.min(dim=1).values,
        "You look at one half of the table of pairs. Each image is to be compared with those "
        "before it and those after it.",
    )
