"""Checks of lesson 08 on two more pairs of losses: hinge and relativistic."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import fail
from course_lib.checks.answers import Answer, asked
from course_lib.checks.lesson08_pairs import SUM, judge_pair, losses_of, minus_log, ramp


def hinge(answer: Answer) -> None:
    """Exercise 8.3, by values."""
    judge_pair(
        answer,
        "hinge",
        (
            lambda a, b: ramp(1 - a).mean() + ramp(1 + b).mean(),
            lambda a, b: -b.mean(),
        ),
        (
            {
                "margin-left-out": (
                    lambda a, b: ramp(-a).mean() + ramp(b).mean(),
                    "Your hinges open at 0. A discriminator that answers 0 to everything pays "
                    "nothing then; the margin of 1 is what makes it take sides.",
                ),
                "swapped": (
                    lambda a, b: ramp(1 + a).mean() + ramp(1 - b).mean(),
                    "Your discriminator wants real images below -1 and generated ones above 1. "
                    "The two are exchanged.",
                ),
                "mean-first": (
                    lambda a, b: ramp(1 - a.mean()) + ramp(1 + b.mean()),
                    "You average the logits before the hinge. One image far on the right side "
                    "would then pay for many on the wrong side. The hinge is for each image.",
                ),
                "no-hinge": (
                    lambda a, b: (1 - a).mean() + (1 + b).mean(),
                    "Your loss has no hinge and no lower bound: it is the Wasserstein critic's "
                    "plus 2. Images on the right side of the margin should pay nothing.",
                ),
                "one-hinge": (
                    lambda a, b: ramp(1 - (a - b)).mean(),
                    "You put one hinge on the difference of two scores. Equation (8.17) has a "
                    "hinge for each kind of image, with a fixed place for each.",
                ),
                "sum": (lambda a, b: ramp(1 - a).sum() + ramp(1 + b).sum(), SUM),
            },
            {
                "generator-clipped": (
                    lambda a, b: ramp(1 - b).mean(),
                    "Your generator has a hinge too. Its images that score above 1 get no push "
                    "any more, while the discriminator goes on moving; the generator's loss is "
                    "linear.",
                ),
                "clipped-at-zero": (
                    lambda a, b: ramp(-b).mean(),
                    "Your generator stops pushing where its images score above 0. Its loss is "
                    "linear: there is no score at which an image is good enough.",
                ),
                "sign-swapped": (
                    lambda a, b: b.mean(),
                    "Your generator lowers the score of its own images. An optimiser lowers what "
                    "it is given.",
                ),
                "discriminators-hinge": (
                    lambda a, b: ramp(1 + b).mean(),
                    "Your generator minimises the discriminator's own hinge. It learns to be "
                    "caught.",
                ),
                "sum": (lambda a, b: -b.sum(), SUM),
            },
        ),
    )


def relativistic(answer: Answer) -> None:
    """Exercise 8.6, by values, and at logits where a sigmoid rounds to zero."""
    half = torch.full((3,), 200.0)
    for loss in losses_of(asked(answer, half, -half)) + losses_of(asked(answer, -half, half)):
        # Right is 0 or 400. What lies between is a logarithm that was cut off: at -100, as torch's
        # own loss for probabilities does, or by a small number added inside it.
        if not loss.isfinite() or 1 < abs(float(loss.detach())) < 150:
            fail(
                "overflow",
                f"Where two logits differ by 400 your loss is {float(loss.detach()):g}; right is 0 "
                "or 400. The sigmoid rounds to 0 there, and its logarithm is infinite, or cut off "
                "and flat. Softplus does both at once.",
            )

    def averaged(a: Tensor, b: Tensor) -> Tensor:
        return (minus_log(a - b.mean()).mean() + minus_log(a.mean() - b).mean()) / 2

    judge_pair(
        answer,
        "relativistic",
        (lambda a, b: minus_log(a - b).mean(), lambda a, b: minus_log(b - a).mean()),
        (
            {
                "swapped": (
                    lambda a, b: minus_log(b - a).mean(),
                    "Your discriminator learns to score generated images above real ones. The "
                    "two losses, or the two batches, are exchanged.",
                ),
                "not-paired": (
                    lambda a, b: minus_log(a).mean() + minus_log(-b).mean(),
                    "You judge each image alone: this is the logarithmic loss. A pair is judged "
                    "by the difference of its two logits.",
                ),
                "all-pairs": (
                    lambda a, b: minus_log(a[:, None] - b).mean(),
                    "You compare every real image with every generated one. The mean over all "
                    "pairs estimates the same, but asked for is one pair for each place in the "
                    "batch.",
                ),
                "against-the-mean": (
                    averaged,
                    "You compare each image with the mean of the other batch. That is the "
                    "relativistic average loss, a relative of this one; here images are paired.",
                ),
                "twice-the-mean": (
                    lambda a, b: 2 * averaged(a, b),
                    "You compare each image with the mean of the other batch. That is the "
                    "relativistic average loss, a relative of this one; here images are paired.",
                ),
                "mean-first": (
                    lambda a, b: minus_log(a.mean() - b.mean()),
                    "You average the logits before you compare. One clear pair then hides many "
                    "wrong ones. Compare pair by pair, then average.",
                ),
                "sum": (lambda a, b: minus_log(a - b).sum(), SUM),
            },
            {
                "not-exchanged": (
                    lambda a, b: minus_log(a - b).mean(),
                    "Your generator minimises the discriminator's loss. It learns to be caught: "
                    "for its own loss, the two change places.",
                ),
                "saturating": (
                    lambda a, b: -minus_log(a - b).mean(),
                    "Your generator's loss is minus the discriminator's. Its slope vanishes where "
                    "the generated image loses clearly; exchange the two images instead.",
                ),
                "not-paired": (
                    lambda a, b: minus_log(b).mean(),
                    "Your generator judges its images alone: this is the non-saturating loss. "
                    "It should beat the real image that it is paired with.",
                ),
                "sum": (lambda a, b: minus_log(b - a).sum(), SUM),
            },
        ),
    )
