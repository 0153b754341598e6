"""Check of lesson 09 on what the discriminator sees of a group of images: their spread."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer, tensor_from
from course_lib.checks.lesson09_probes import (
    ask,
    cause_of,
    close,
    own_randomness,
    refuse_match,
    tensor_of,
)

SHAPE = (3, 2, 5)
#: Images, images in a group, and how varied each group is. N is never the number of groups.
SPLITS = ((12, 4, (0.05, 1.0, 2.0)), (6, 2, (1.5, 0.1, 0.6)), (5, 5, (1.0,)))


def minibatch_std(answer: Answer) -> None:
    """Exercise 9.9, against the standard deviation written out image by image in float64."""
    for number, (batch, group, spreads) in enumerate(SPLITS):
        with own_randomness(99 + number) as random:
            scale = torch.rand(batch, *SHAPE, generator=random) + 0.2
            scale *= torch.tensor(spreads).repeat_interleave(group).view(-1, 1, 1, 1)
            maps = scale * torch.randn(batch, *SHAPE, generator=random)
            maps += torch.linspace(-1, 1, batch // group).repeat_interleave(group).view(-1, 1, 1, 1)
        value = tensor_of(ask(answer, maps, group), (batch, SHAPE[0] + 1, *SHAPE[1:]))
        if close(value[:, 1:], maps):
            fail(
                "first",
                "Your new channel stands before the others. Append it: the maps keep their places.",
            )
        if not close(value[:, :-1], maps):
            fail(
                "maps",
                "The first channels of your result are not the maps that came in. They pass "
                "through unchanged, and one channel is added.",
            )
        added = value[:, -1].double()  # (B, H, W)
        refuse_match(added, _misconceptions(maps.double(), group))
        if not close(added, _everywhere(_spread(maps.double(), group))):
            fail(
                "wrong",
                f"For {batch} images in groups of {group} the added channel does not hold (9.12). "
                "Take one channel at one position: over the images of a group its numbers have a "
                "standard deviation. Average these over all channels and positions, and write the "
                "result to every image of that group.",
            )
    _refuse_bad_slopes(answer)
    passed("minibatch_std")


def _spread(maps: Tensor, group: int) -> Tensor:
    """(9.12), one group and one number of the maps after the other: (B, C, H, W) -> (B,)."""
    found = []
    for images in maps.split(group):
        roots = []
        for numbers in images.flatten(1).T.tolist():  # one channel at one position, N images
            mean = sum(numbers) / len(numbers)
            roots.append((sum((x - mean) ** 2 for x in numbers) / len(numbers)) ** 0.5)
        found += [sum(roots) / len(roots)] * len(images)
    return torch.tensor(found, dtype=torch.float64)


def _everywhere(numbers: Tensor) -> Tensor:
    """One number for each image, at every position: (B,) -> (B, H, W)."""
    return numbers.view(-1, 1, 1).expand(-1, *SHAPE[1:])


def _misconceptions(maps: Tensor, group: int) -> dict[str, tuple[Tensor, str]]:
    batch, count = len(maps), len(maps) // group
    groups = maps.unflatten(0, (-1, group))  # (B / N, N, C, H, W)
    strided = maps.unflatten(0, (group, -1))  # (N, B / N, C, H, W)
    roots = groups.std(1, correction=0)  # (B / N, C, H, W)

    def told(numbers: Tensor, times: int = group) -> Tensor:
        """One number for each group, at all its images and positions."""
        return _everywhere(numbers.repeat_interleave(times))

    right = roots.mean((1, 2, 3))
    found = {
        "one-group": (
            _everywhere(maps.std(0, correction=0).mean().expand(batch)),
            "Your spread is that of the whole batch, one number for all images. Each group of N "
            "images has its own.",
        ),
        "within-images": (
            _everywhere(maps.std((1, 2, 3), correction=0)),
            "You measure how much the numbers *within* one image differ: its contrast. Copies of "
            "one picture with much contrast would seem varied. Take the deviation over the images "
            "of a group.",
        ),
        "strided": (
            _everywhere(strided.std(0, correction=0).mean((1, 2, 3)).repeat(group)),
            f"With {batch} images and groups of {group} you compare images that stand {count} "
            "apart. Here a group is images that follow each other: the axis of the groups comes "
            "first.",
        ),
        "count": (
            told(strided.std(1, correction=0).mean((1, 2, 3)), count),
            f"For {batch} images and N = {group} you made {group} groups. N is the number of "
            f"images in a group, so there are {count}.",
        ),
        "misplaced": (
            _everywhere(right.repeat(group)),
            "The spreads are right, and go to the wrong images: `repeat` writes the groups' "
            "numbers one after the other, again and again. Each must come N times in a row.",
        ),
        "n-minus-one": (
            told(groups.std(1).mean((1, 2, 3))),
            "You divide by N - 1, which is what torch's `std` and `var` do unless they are told "
            "otherwise. (9.12) divides by N.",
        ),
        "variance": (
            told(roots.square().mean((1, 2, 3))),
            "That is the mean variance: the root is missing.",
        ),
        "root-last": (
            told(roots.square().mean((1, 2, 3)).sqrt()),
            "You average the variances and take the root of that. (9.12) takes the root for each "
            "channel and position, and then the mean.",
        ),
        "per-position": (
            roots.mean(1).repeat_interleave(group, 0),
            "You average over the channels only, so the new channel differs from place to place. "
            "(9.12) averages over the positions too.",
        ),
    }
    # With one group alone several of these are right.
    truth = _everywhere(_spread(maps, group))
    return {hint: case for hint, case in found.items() if not close(case[0], truth)}


def _refuse_bad_slopes(answer: Answer) -> None:
    """Both players learn through the result, also where all images of a group agree."""
    batch, group, _ = SPLITS[0]
    with own_randomness(990) as random:
        maps = torch.randn(batch, *SHAPE, generator=random)
        # Nearly equal, far from zero, where squares of float32 lose the difference; and equal.
        maps[group : 2 * group] = maps[group] + 5 + 1e-4 * maps[group : 2 * group]
    maps[:group] = maps[0]
    maps.requires_grad_()
    try:
        value = ask(answer, maps, group)
    except CheckFailed as refusal:
        if isinstance(cause_of(refusal), RuntimeError) and "numpy" in str(refusal):
            fail(
                "detached",
                "Your answer leaves torch for NumPy, where no gradient can follow. The generator "
                "learns through this number: compute it with tensors alone.",
            )
        raise
    if isinstance(value, Tensor) and value.isnan().any():
        fail(
            "negative",
            "For nearly equal images your spread is NaN: a mean of squares minus a squared mean "
            "loses its digits and can fall below zero. Subtract the mean first, then square.",
        )
    value = tensor_from(value, (batch, SHAPE[0] + 1, *SHAPE[1:]))
    slopes = [
        _slope(part.sum(), maps) if part.requires_grad else None
        for part in (value[:, :-1], value[:, -1])
    ]
    if slopes[1] is not None and not slopes[1].isfinite().all():
        fail(
            "slope",
            "For a group of equal images your gradient is not finite: the root has no slope at "
            "zero. Add 1e-8 under it.",
        )
    if slopes[0] is None or not close(slopes[0], torch.ones_like(maps)):
        fail(
            "cut",
            "No gradient passes through the maps in your result, or a wrong one: the layers before "
            "would not learn from what they show. Hand on the maps themselves, not a copy that is "
            "detached.",
        )
    if slopes[1] is None or not slopes[1].any():
        fail(
            "detached",
            "No gradient passes through your spread, so the generator cannot learn from it to "
            "vary more. Compute it with tensors: without `item`, `detach` or `no_grad`.",
        )
    varied = maps.detach()[2 * group :]
    # d delta / d h = (h - mean) / (N sigma C H W), and delta stands at N H W places.
    ideal = (varied - varied.mean(0)) / varied.std(0, correction=0) / SHAPE[0]
    if not close(slopes[1][2 * group :], ideal):
        fail(
            "part",
            "Your spread has the right value, but not the right gradient: a part of it does not "
            "follow the maps. Is a `detach` left somewhere?",
        )


def _slope(total: Tensor, maps: Tensor) -> Tensor:
    """The gradient of a sum in the maps; zero where it does not depend on them."""
    (slope,) = torch.autograd.grad(total, maps, retain_graph=True, allow_unused=True)
    return torch.zeros_like(maps) if slope is None else slope
