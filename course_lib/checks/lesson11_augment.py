"""The check of lesson 11's exercise 11.5: differentiable augmentation."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described, tensor_from
from course_lib.checks.tensors import gaussians, same


def _change(images: Tensor) -> Tensor:
    """A change that treats each image alike, so that the right logits are known."""
    return 0.5 * images.flip(3) + 0.1


def judge(answer: Answer) -> None:
    """Exercise 11.5, with a linear discriminator and a change that is linear too."""
    weight = gaussians(1150, 1, 3, 4)
    real, fake = (gaussians(seed, 5, 1, 3, 4).tanh() for seed in (1151, 1152))
    fake = fake.requires_grad_()

    def discriminator(images: Tensor) -> Tensor:
        return (images.double() * weight).sum(dim=(1, 2, 3))  # (B,)

    result = asked(answer, discriminator, real, fake, _change)
    if not isinstance(result, tuple | list) or len(result) != 2:
        fail("type", f"Two tensors of logits are asked for, got {described(result)}.")
    got = [tensor_from(one, (5,)) for one in result]
    plain = [discriminator(one).detach() for one in (real, fake)]
    right = [discriminator(_change(one)).detach() for one in (real, fake)]
    values = [one.detach().double() for one in got]
    if same(values[0], right[1]) and same(values[1], right[0]):
        fail("exchanged", "Your two results are exchanged: the real images' logits come first.")
    on_real, on_fake = (same(mine, true) for mine, true in zip(values, right, strict=True))
    if same(values[0], plain[0]) and same(values[1], plain[1]):
        fail("no-augment", "Neither batch is augmented: your logits are those of the images.")
    if on_real and same(values[1], plain[1]):
        fail(
            "only-real",
            "You augment the real images only. The generator is then asked to draw augmented "
            "images: the change leaks into what it makes.",
        )
    if on_fake and same(values[0], plain[0]):
        fail(
            "only-fake",
            "You augment the generated images only. The real ones then show what the generator can "
            "never show, and the discriminator has an easy sign.",
        )
    _refuse_no_slope(got[1], fake)
    if not on_real or not on_fake:
        fail("wrong", "Your logits are not the discriminator's of the augmented images.")
    (slope,) = torch.autograd.grad(got[1].sum(), fake)
    wanted = (0.5 * weight.flip(2)).expand_as(slope)
    if not same(slope, wanted):
        fail(
            "wrong-slope",
            "The logits are right, and the gradient in the generated images is not that of their "
            "change.",
        )
    passed("judge")


def _refuse_no_slope(logits: Tensor, fake: Tensor) -> None:
    slope = None
    if logits.requires_grad:
        (slope,) = torch.autograd.grad(logits.sum(), fake, allow_unused=True, retain_graph=True)
    if slope is None:
        fail(
            "detached",
            "No gradient leads from the generated images' logits back to the images. The "
            "generator learns through the change: it must stay in the graph.",
        )
    if not slope.any():
        fail(
            "rounded",
            "The gradient in the generated images is zero everywhere. A rounded number does not "
            "move when the image moves a little: stay with floating-point pixels.",
        )
