"""Checks of the exercises of lesson 13: measuring and hiding, and the names of all the others."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer
from course_lib.checks.lesson09_probes import ask, close, refuse_match, tensor_of
from course_lib.checks.lesson13_fills import conditional_mean, diffuse, partial_convolution

__all__ = [
    "composite",
    "conditional_mean",
    "diffuse",
    "masked_l1",
    "network_input",
    "partial_convolution",
]


def _case(seed: int, channels: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Answers and images (4, C, 6, 8) in [-1, 1], and masks with holes of 5, 11, 17 and 23."""
    random = torch.Generator().manual_seed(seed)
    answers, images = torch.rand(2, 4, channels, 6, 8, generator=random) * 2 - 1
    masks = torch.zeros(4, 48)
    for row, count in zip(masks, (5, 11, 17, 23), strict=True):
        row[torch.randperm(48, generator=random)[:count]] = 1
    return answers, images, masks.view(4, 1, 6, 8)


def masked_l1(answer: Answer) -> None:
    """Exercise 13.1, against a loop over images in float64."""
    answers, images, masks = _case(131)
    value = tensor_of(ask(answer, answers, images, masks), (4,)).double()
    gaps, missing = (answers - images).abs().double(), masks.bool().expand_as(images)
    right = torch.stack([gap[hole].mean() for gap, hole in zip(gaps, missing, strict=True)])
    refuse_match(
        value,
        {
            "inverted": (
                torch.stack([g[~hole].mean() for g, hole in zip(gaps, missing, strict=True)]),
                "Your error is that of the known pixels. In a mask 1 means missing. A network "
                "trained with this loss learns to copy what it is given.",
            ),
            "whole-image": (
                (gaps * masks).mean(dim=(1, 2, 3)),
                "You divide by all pixels of the image, and known ones have no error. The smaller "
                "the hole, the better every method then looks (section 13.3).",
            ),
            "not-masked": (
                gaps.mean(dim=(1, 2, 3)),
                "Known pixels count in your error as well. Nobody will see what a method says of "
                "them: the composite shows the image there.",
            ),
            "channels": (
                3 * right,
                "Your error is three times too large for images of three channels. The mask has "
                "one channel, so its sum counts pixels and not numbers.",
            ),
            "sum": (
                (gaps * masks).sum(dim=(1, 2, 3)),
                "You return a sum. It grows with the hole, so holes of different size cannot be "
                "compared.",
            ),
            "pooled": (
                ((gaps * masks).sum() / (3 * masks.sum())).expand(4),
                "All images have the same error. Each has a hole of its own; divide by the number "
                "of its own missing pixels.",
            ),
            "squared": (
                torch.stack(
                    [g[hole].square().mean() for g, hole in zip(gaps, missing, strict=True)]
                ),
                "These are squared errors. L1 takes absolute values.",
            ),
        },
    )
    if not close(value, right):
        fail(
            "wrong",
            "Your errors are not those of equation (13.3): for each image, the mean of |a - x| "
            "over its missing pixels and all channels.",
        )
    grey = _case(137, channels=1)
    errors = tensor_of(ask(answer, *grey), (4,)).double()
    gaps = (grey[0] - grey[1]).abs().double()
    means = [gap[mask.bool()].mean() for gap, mask in zip(gaps, grey[2], strict=True)]
    if not close(errors, torch.stack(means)):
        fail(
            "three",
            "Your error is right for images of three channels and wrong for grey ones: divide by "
            "the number of channels that the images have.",
        )
    passed("masked_l1")


def composite(answer: Answer) -> None:
    """Exercise 13.2: the answer in the hole, the image to the bit elsewhere."""
    answers, images, masks = _case(132)
    missing = masks.bool().expand_as(images)
    right = images.clone()
    right[missing] = answers[missing]
    found = tensor_of(ask(answer, answers, images, masks), (4, 3, 6, 8))
    swapped = answers.clone()
    swapped[missing] = images[missing]
    refuse_match(
        found,
        {
            "inverted": (
                swapped,
                "You show the image where it is missing and the answer where it is known. In a "
                "mask 1 means missing.",
            ),
            "not-composited": (
                answers,
                "You return the answer as it is. What is known need not be guessed: put the "
                "image's own pixels back, or every fill looks blurred all over.",
            ),
            "unfilled": (images, "You return the image with its hole. Fill it with the answer."),
            "added": (
                answers * masks + images,
                "In the hole you add the answer to what the image holds there. What stands in a "
                "hole is not to be used.",
            ),
        },
    )
    if not close(found, right):
        fail(
            "wrong",
            "Your composite is not the answer where the mask is 1 and the image where it is 0, "
            "equation (13.2): one of the two parts differs, or both.",
        )
    if not torch.equal(found[~missing].to(images), images[~missing]):
        fail(
            "not-to-the-bit",
            "Known pixels come back with another last digit. Take them as they are, without "
            "adding or multiplying anything.",
        )
    hollow = torch.where(missing, torch.tensor(float("nan")), images)
    wild = torch.where(missing, answers, torch.tensor(float("nan")))
    if not close(_raw(answer, wild, hollow, masks), right):
        fail(
            "product",
            "What a pixel holds that is not used still decides your result: zero times NaN is NaN, "
            "and whoever replaces that NaN afterwards replaces the answer too. Choose one of the "
            "two values instead of adding products.",
        )
    passed("composite")


def network_input(answer: Answer) -> None:
    """Exercise 13.3: zeros in the hole, the mask as last channel, and nothing else."""
    _, images, masks = _case(133)
    found = ask(answer, images, masks)
    if isinstance(found, Tensor) and found.shape == images.shape:
        fail(
            "no-mask",
            "Your input has no channel for the mask. A network cannot tell a missing pixel, which "
            "is 0, from a known one of mid-grey.",
        )
    found = tensor_of(found, (4, 4, 6, 8))
    hidden = torch.where(masks > 0, torch.zeros(()), images)
    refuse_match(
        found,
        {
            "leak": (
                torch.cat([images, masks], dim=1),
                "The network sees what it is to find: you pass the whole image. It can learn to "
                "copy, and in a real hole there is nothing to copy (section 13.10).",
            ),
            "inverted": (
                torch.cat([images * masks, masks], dim=1),
                "You hide what is known and show what is missing. In a mask 1 means missing.",
            ),
            "known-channel": (
                torch.cat([hidden, 1 - masks], dim=1),
                "Your last channel says where the image is known. A network could learn that too, "
                "but every other function of the course passes it the mask, 1 for missing.",
            ),
            "mask-first": (
                torch.cat([masks, hidden], dim=1),
                "Your mask is the first channel. The image's channels come first, then the mask.",
            ),
            "black": (
                torch.cat([torch.where(masks > 0, -torch.ones(()), images), masks], dim=1),
                "Your hole is black: -1. Zero, mid-grey, is asked for.",
            ),
        },
    )
    if not close(found, torch.cat([hidden, masks], dim=1)):
        fail("wrong", "The input is the image with zeros in its hole, then the mask as a channel.")
    hollow = torch.where(masks > 0, torch.tensor(float("nan")), images)
    if not close(_raw(answer, hollow, masks), torch.cat([hidden, masks], dim=1)):
        fail(
            "product",
            "What stands in the hole still gets into your input: zero times NaN is NaN. Choose "
            "zeros there instead of multiplying.",
        )
    passed("network_input")


def _raw(answer: Answer, *arguments: Tensor) -> Tensor:
    """The answer's result on inputs that may hold NaN, which `ask` would call a changed input."""
    with torch.random.fork_rng(devices=[]):
        return answer(*(one.clone() for one in arguments))
