"""Check of lesson 09 on what the discriminator sees of a group of images: their spread."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, tensor_from
from course_lib.checks.lesson09_probes import ask, close, own_randomness, refuse_match, tensor_of

BATCH, GROUP, SHAPE = 12, 4, (3, 2, 5)


def minibatch_std(answer: Answer) -> None:
    """Exercise 9.9, against the standard deviation written out image by image in float64."""
    with own_randomness(99) as random:
        scale = torch.rand(BATCH, *SHAPE, generator=random) + 0.2
        # Groups of different spread, and images with a level of their own.
        scale *= torch.tensor([0.3, 1.0, 2.0]).repeat_interleave(GROUP).view(-1, 1, 1, 1)
        maps = scale * torch.randn(BATCH, *SHAPE, generator=random)
        maps += torch.arange(BATCH).view(-1, 1, 1, 1) % 5
    channels, height, width = SHAPE
    value = tensor_of(ask(answer, maps, GROUP), (BATCH, channels + 1, height, width))
    if close(value[:, 1:], maps):
        fail(
            "first",
            "Your new channel stands before the others. Append it: the maps keep their places.",
        )
    if not close(value[:, :-1], maps):
        fail(
            "maps",
            "The first channels of your result are not the maps that came in. They pass through "
            "unchanged, and one channel is added.",
        )
    added = value[:, -1].double()  # (B, H, W)
    refuse_match(added, _misconceptions(maps.double()))
    if not close(added, _everywhere(_spread(maps.double(), GROUP))):
        fail(
            "wrong",
            "The added channel does not hold (9.12). Take one channel at one position: over the "
            "images of a group its numbers have a standard deviation. Average these over all "
            "channels and positions, and write the result to every image of that group.",
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


def _misconceptions(maps: Tensor) -> dict[str, tuple[Tensor, str]]:
    groups = maps.unflatten(0, (-1, GROUP))  # (B / N, N, C, H, W)
    strided = maps.unflatten(0, (GROUP, -1)).transpose(0, 1)  # every third image in a group
    roots = groups.std(1, correction=0)  # (B / N, C, H, W)

    def told(numbers: Tensor) -> Tensor:
        """One number for each group, at all its images and positions."""
        return _everywhere(numbers.repeat_interleave(GROUP))

    right = roots.mean((1, 2, 3))
    return {
        "one-group": (
            _everywhere(maps.std(0, correction=0).mean().expand(BATCH)),
            "Your spread is that of the whole batch, one number for all images. Each group of N "
            "images has its own.",
        ),
        "within-images": (
            _everywhere(maps.std((1, 2, 3), correction=0)),
            "You measure how much the numbers *within* one image differ: its contrast. Twelve "
            "copies of one picture would pass. Take the deviation over the images of a group.",
        ),
        "strided": (
            _everywhere(strided.std(1, correction=0).mean((1, 2, 3)).repeat(GROUP)),
            f"With {BATCH} images and groups of {GROUP} you compare every third image. "
            "Here a group is images that follow each other: the axis of the groups comes first.",
        ),
        "misplaced": (
            _everywhere(right.repeat(GROUP)),
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
            roots.mean(1).repeat_interleave(GROUP, 0),
            "You average over the channels only, so the new channel differs from place to place. "
            "(9.12) averages over the positions too.",
        ),
    }


def _refuse_bad_slopes(answer: Answer) -> None:
    """The generator learns through this number, also where all images of a group agree."""
    with own_randomness(990) as random:
        maps = torch.randn(BATCH, *SHAPE, generator=random)
    maps[:GROUP] = maps[0]
    maps.requires_grad_()
    added = tensor_from(ask(answer, maps, GROUP), None)[:, -1]
    if not added.requires_grad:
        fail(
            "detached",
            "No gradient passes through your spread, so the generator cannot learn from it to "
            "vary more. Compute it with tensors: without `item`, `detach` or `no_grad`.",
        )
    (slope,) = torch.autograd.grad(added.sum(), maps)
    if not slope.isfinite().all():
        fail(
            "slope",
            "For a group of equal images your gradient is not finite: the root has no slope at "
            "zero. Add 1e-8 under it.",
        )
    if not slope[GROUP:].any():
        fail(
            "detached",
            "No gradient reaches the maps through your spread, so the generator cannot learn from "
            "it to vary more. Leave out `detach` and `no_grad`.",
        )
