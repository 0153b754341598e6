"""Checks of the exercises of lesson 14: what critics see, and the names of all the others."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer
from course_lib.checks.lesson09_probes import ask, close, refuse_match, tensor_of
from course_lib.checks.lesson14_losses import critic_loss, energy_score, network_loss
from course_lib.checks.lesson14_search import context_weights, search_loss

__all__ = [
    "context_weights",
    "critic_loss",
    "crop_at_hole",
    "decibels_lost",
    "energy_score",
    "network_loss",
    "search_loss",
    "spread",
]


def decibels_lost(answer: Answer) -> None:
    """Exercise 14.1, against the squared error of mixtures of a mean and a draw."""
    shares = torch.tensor([0.0, 0.04, 0.25, 0.4, 0.81, 1.0], dtype=torch.float64)
    found = tensor_of(ask(answer, shares), (6,)).double()
    # Two equally likely completions, -1 and 1; the mixture lies at +-part, part = 1 - sqrt(share).
    part = 1 - shares.sqrt()
    errors = sum((one * part - t) ** 2 for one in (-1, 1) for t in (-1, 1)) / 4
    right = 10 * torch.log10(errors)
    refuse_match(
        found.clamp(min=-120),  # without the best error, a share of 1 has the logarithm of zero
        {
            "no-root": (
                10 * torch.log10(1 + (1 - shares) ** 2),
                "You take the share itself where its root belongs. The share is of squared "
                "distances, and the curve is in distances.",
            ),
            "natural-logarithm": (
                10 * torch.log(errors),
                "You take the natural logarithm. A decibel is a tenth of a power of ten.",
            ),
            "twenty": (
                2 * right,
                "Your numbers are twice too large. Factors of a squared error are ten times their "
                "logarithm; twenty belongs to errors that are not squared.",
            ),
            "upside-down": (
                10 * torch.log10(1 + shares),
                "With you the mean loses 3 dB and a draw nothing. Share 1 is the mean, which has "
                "the best squared error.",
            ),
            "no-best-error": (
                10 * torch.log10((1 - shares.sqrt()).square().clamp(min=1e-12)),
                "You leave out the best squared error, the 1. Even the mean misses the truth.",
            ),
            "sign": (-right, "You return the gain. Asked is how much is lost, a positive number."),
        },
    )
    if not close(found, right, 1e-6):
        fail("wrong", "At share 0 the loss is 3.01 dB, at 0.25 it is 0.97 dB, at 1 it is 0.")
    passed("decibels_lost")


def crop_at_hole(answer: Answer) -> None:
    """Exercise 14.2, with holes in the middle, at the border, and in two parts; two sides."""
    random = torch.Generator().manual_seed(142)
    images = torch.rand(4, 2, 9, 12, generator=random) * 2 - 1
    masks = torch.zeros(4, 1, 9, 12)
    masks[0, :, 3:7, 5:9] = 1  # in the middle
    masks[1, :, 0:3, 9:12] = 1  # in a corner
    masks[2, :, 8, 0:2] = 1  # at the other
    masks[3, :, 1:3, 2:4] = 1  # a square, and a stray pixel
    masks[3, :, 8, 11] = 1
    side, tops, lefts = 4, (3, 0, 5, 1), (5, 8, 0, 3)
    shape = (4, 2, side, side)
    outside = "Where a square would stick out of the image, move it inside."
    try:
        found = ask(answer, images, masks, side)
    except CheckFailed as refusal:
        if "equal size" in str(refusal):  # of the tensors that torch.stack was given
            fail("outside", f"Your squares are not all of one size. {outside}")
        raise

    def cut(rows: tuple, columns: tuple) -> Tensor:
        return torch.stack(
            [
                one[:, r : r + side, c : c + side]
                for one, r, c in zip(images, rows, columns, strict=True)
            ]
        )

    smaller = isinstance(found, Tensor) and found.ndim == 4 and min(found.shape[2:]) < side
    if smaller and found.shape[:2] == (4, 2):
        fail(
            "outside",
            f"Your squares have shape {tuple(found.shape)}, not {shape}. {outside}",
        )
    found = tensor_of(found, shape)
    refuse_match(
        found,
        {
            "corner-in-the-middle": (
                cut((4, 1, 5, 3), (6, 8, 0, 4)),
                "Your square begins at the centre of the hole and does not lie about it. Half of "
                "its side has to lie before the centre.",
            ),
            "bounding-box": (
                cut((3, 0, 5, 3), (5, 8, 0, 5)),
                "You take the middle between the first and the last missing pixel. The centre of "
                "mass is the mean over all missing pixels, which a stray one moves less.",
            ),
            "half-a-pixel": (
                cut((2, 0, 5, 1), (4, 8, 0, 2)),
                "Your square begins side / 2 before the centre. The middle of `side` pixels lies "
                "(side - 1) / 2 after the first.",
            ),
            "rounded-down": (
                cut((3, 0, 5, 1), (5, 8, 0, 2)),
                "You round down. The square begins at the row and the column that are nearest.",
            ),
        },
    )
    known = [(1 - mask[0]).nonzero().float().mean(dim=0) - (side - 1) / 2 for mask in masks]
    about_known = cut(*(tuple(round(float(one[axis])) for one in known) for axis in (0, 1)))
    refuse_match(
        found,
        {
            "inverted": (
                about_known,
                "Your squares lie about what is known. In a mask 1 means missing.",
            )
        },
    )
    if not torch.equal(found, cut(tops, lefts)):
        fail(
            "wrong",
            "Your squares are not those about the holes. For one hole, compare the first row of "
            "your square with the mean row of its missing pixels less (side - 1) / 2.",
        )
    masks = torch.zeros(4, 1, 9, 12)
    masks[:, :, 2:5, 6:9] = 1  # the very square
    odd = ask(answer, images, masks, 3)
    if not isinstance(odd, Tensor) or not torch.equal(odd, images[:, :, 2:5, 6:9]):
        fail(
            "another-side",
            "With side 4 your squares are right, with side 3 they are not. Compute where they "
            "begin and end from `side`, and from no number of your own.",
        )
    passed("crop_at_hole")


def spread(answer: Answer) -> None:
    """Exercise 14.6, against a loop over pairs in float64."""
    random = torch.Generator().manual_seed(146)
    answers = torch.rand(4, 3, 3, 5, 6, generator=random) * 2 - 1
    masks = torch.zeros(3, 30)
    for row, count in zip(masks, (4, 9, 14), strict=True):
        row[torch.randperm(30, generator=random)[:count]] = 1
    masks = masks.view(3, 1, 5, 6)
    found = tensor_of(ask(answer, answers, masks), (3,)).double()
    pairs = [(i, j) for i in range(4) for j in range(i)]
    gaps = torch.stack([(answers[i] - answers[j]).abs().double() for i, j in pairs])
    hole = masks.double()

    def over_hole(values: Tensor) -> Tensor:
        return (values * hole).sum(dim=(1, 2, 3)) / (3 * hole.sum(dim=(1, 2, 3)))

    right = over_hole(gaps.mean(dim=0))
    refuse_match(
        found,
        {
            "whole-image": (
                gaps.mean(dim=(0, 2, 3, 4)),
                "You average over known pixels as well. Nobody sees what is answered there, and "
                "of composites it is all the same, so a small hole would seem certain.",
            ),
            "unmasked": (
                gaps.mean(dim=0).sum(dim=(1, 2, 3)) / (3 * hole.sum(dim=(1, 2, 3))),
                "You divide by the missing pixels, and add up the differences of all pixels. Known "
                "ones have to be left out of the sum as well.",
            ),
            "itself": (
                right * 3 / 4,
                "You compare each answer with itself too. That distance is zero and says nothing: "
                "leave those pairs out.",
            ),
            "standard-deviation": (
                over_hole(answers.double().std(dim=0)),
                "This is a standard deviation. Asked is the mean absolute difference of two "
                "answers, which can be compared with a masked L1.",
            ),
            "two": (
                over_hole(gaps[0]),
                "You compare two of the answers only. Average over all pairs.",
            ),
            "squared": (
                over_hole(gaps.square().mean(dim=0)),
                "You square the differences. Asked is their absolute value.",
            ),
            "channels": (
                3 * right,
                "Your spread is three times too large for three channels. The mask has one "
                "channel, so its sum counts pixels and not numbers.",
            ),
            "pairs-twice": (
                2 * right,
                "You add every pair twice, (i, j) and (j, i), and divide by the number of pairs, "
                "N (N - 1) / 2. Divide by N (N - 1).",
            ),
            "pooled": (
                ((gaps.mean(dim=0) * hole).sum() / (3 * hole.sum())).expand(3),
                "All images have the same spread. Each has a hole of its own.",
            ),
        },
    )
    if not close(found, right):
        fail("wrong", "Average |a_i - a_j| over pairs, channels and the missing pixels.")
    passed("spread")
