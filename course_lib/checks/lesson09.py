"""Checks of the exercises of lesson 09: the first three, and the names of all the others."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral
from random import Random

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer
from course_lib.checks.lesson09_clinic import ClinicDiscriminator, ClinicGenerator
from course_lib.checks.lesson09_clinic_step import clinic_step
from course_lib.checks.lesson09_group import minibatch_std
from course_lib.checks.lesson09_players import discriminator_step, generator_step
from course_lib.checks.lesson09_probes import ask, close, number_of, own_randomness, refuse_match
from course_lib.checks.lesson09_samples import sample, slerp, update_average

__all__ = [
    "ClinicDiscriminator",
    "ClinicGenerator",
    "clinic_step",
    "discriminator_loss",
    "discriminator_step",
    "generator_step",
    "initialise",
    "minibatch_std",
    "sample",
    "slerp",
    "transposed_size",
    "update_average",
]

#: Wrong formulas in (H, K, S, P), and what whoever uses them has in mind.
WRONG_SIZES: dict[str, tuple[Callable[[int, int, int, int], int], str]] = {
    "convolution": (
        lambda h, k, s, p: (h + 2 * p - k) // s + 1,
        "That is the size after a convolution. A transposed convolution goes the other way: a "
        "stride above 1 makes its output larger (section 9.2).",
    ),
    "padding-added": (
        lambda h, k, s, p: (h - 1) * s + 2 * p + k,
        "Your output grows with the padding. Here padding is cut off from the output, as "
        "section 9.2 shows.",
    ),
    "one-sided": (
        lambda h, k, s, p: (h - 1) * s - p + k,
        "Your formula cuts the padding off at one side only. Think of the first and of the last "
        "row of the output.",
    ),
    "one-stride-too-many": (
        lambda h, k, s, p: h * s - 2 * p + k,
        "Your formula counts one stride for each input position. Count the strides between the "
        "first position and the last.",
    ),
}


def transposed_size(answer: Answer) -> None:
    """Exercise 9.1, against the sizes that torch's own operation gives."""
    random = Random(91)
    cases = [(4, 4, 2, 1), (1, 4, 1, 0)]
    while len(cases) < 30:
        h, k, s, p = (random.randint(*ends) for ends in ((1, 9), (1, 7), (1, 4), (0, 3)))
        if (h - 1) * s + k > 2 * p:
            cases.append((h, k, s, p))
    sizes = []
    for h, k, s, p in cases:
        size = ask(answer, h, k, s, p)
        if isinstance(size, bool) or not isinstance(size, Integral):
            fail(
                "type",
                f"For H = {h}, K = {k}, S = {s}, P = {p} you return {size!r}, and a size is a "
                "whole number. Return an int.",
            )
        sizes.append(int(size))
    right = [_size_by_torch(*case) for case in cases]
    if sizes != right:
        first = next(
            i for i, (mine, true) in enumerate(zip(sizes, right, strict=True)) if mine != true
        )
        h, k, s, p = cases[first]
        example = f"For H = {h}, K = {k}, S = {s}, P = {p} you return {sizes[first]}."
        for hint, (formula, message) in WRONG_SIZES.items():
            if sizes == [formula(*case) for case in cases]:
                fail(hint, f"{example} {message}")
        fail(
            "wrong",
            f"{example} The output has {right[first]} rows. Write down which output rows the "
            "first and the last input row reach, then cut P rows off at each end.",
        )
    passed("transposed_size")


def _size_by_torch(h: int, k: int, s: int, p: int) -> int:
    images, kernel = torch.zeros(1, 1, h, h), torch.zeros(1, 1, k, k)
    return F.conv_transpose2d(images, kernel, stride=s, padding=p).shape[-1]


def discriminator_loss(answer: Answer) -> None:
    """Exercise 9.2, against the definition in float64."""
    with own_randomness(92) as random:
        real = 2 * torch.randn(7, generator=random) + 1
        fake = 2 * torch.randn(7, generator=random) - 1
    value = torch.tensor(number_of(ask(answer, real, fake), "loss"))
    if value < 0:
        fail(
            "sign",
            f"Your loss is {value:.2f} for seven logits of each kind. Minus the logarithm of a "
            "probability is never negative: look at the signs.",
        )
    on_real, on_fake = _minus_log(real), _minus_log(-fake)  # (B,), -log D and -log(1 - D)
    swapped = _minus_log(-real).mean() + _minus_log(fake).mean()
    refuse_match(
        value,
        {
            "swapped": (
                swapped,
                "Your loss falls when generated images score high and real ones low. The two "
                "labels are exchanged: the discriminator learns to call real images generated.",
            ),
            "sum": (
                on_real.sum() + on_fake.sum(),
                f"Your loss is {value / (on_real.mean() + on_fake.mean()):.0f} times too large "
                "for a batch of 7. A sum makes the step grow with the batch, so that one learning "
                "rate no longer fits two batch sizes.",
            ),
            "half": (
                (on_real.mean() + on_fake.mean()) / 2,
                "Your loss is half of what equation (9.4) says. It is one mean over both batches "
                "together, where the equation adds two means. The minimum is the same, the "
                "numbers and the steps are not.",
            ),
            "only-real": (
                on_real.mean(),
                "Your loss does not depend on the generated images. A discriminator that calls "
                "everything real would then have no loss at all.",
            ),
            "only-fake": (
                on_fake.mean(),
                "Your loss does not depend on the real images. A discriminator that calls "
                "everything generated would then have no loss at all.",
            ),
        },
    )
    if not close(value, on_real.mean() + on_fake.mean()):
        fail(
            "wrong",
            f"Your loss is {value:.3f} where equation (9.4) gives "
            f"{on_real.mean() + on_fake.mean():.3f}. It is a mean of -log D over the real images "
            "plus a mean of -log(1 - D) over the generated ones.",
        )
    extremes = [(-200.0, -200.0), (200.0, 200.0), (-1e4, 1e4), (1e4, -1e4)]
    for a, b in extremes:
        logits = [torch.full((3,), x, requires_grad=True) for x in (a, b)]
        loss = ask(answer, *logits)
        got, true = number_of(loss, "loss"), max(0.0, -a) + max(0.0, b)
        if not math.isfinite(got) or abs(got - true) > 1e-3 * true + 1e-3:
            fail(
                "overflow",
                f"For real logits of {a:g} and generated ones of {b:g} your loss is {got:g}, and "
                f"it should be about {true:g}. In float32 the sigmoid of such a logit is exactly 0 "
                "or 1, and its logarithm is lost. Section 9.5 avoids it.",
            )
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            fail(
                "detached",
                "No gradient leads from your loss back to the logits. Stay with tensors: "
                "`.item()`, `float()` and `.detach()` cut the graph.",
            )
        loss.sum().backward()
        if not all(x.grad is not None and torch.isfinite(x.grad).all() for x in logits):
            fail(
                "overflow",
                f"At real logits of {a:g} and generated ones of {b:g} your loss has no finite "
                "gradient. One such number spoils every weight in the next step.",
            )
    passed("discriminator_loss")


def _minus_log(logits: Tensor) -> Tensor:
    """-log sigmoid of moderate logits, from the definition in float64."""
    return -torch.log(1 / (1 + torch.exp(-logits.double())))


def initialise(answer: Answer) -> None:
    """Exercise 9.3, by the mean and spread of many weights."""
    with own_randomness(93):
        convolution, transposed = nn.Conv2d(32, 64, 4), nn.ConvTranspose2d(64, 32, 4)
        norm = nn.BatchNorm2d(4096)
        bare = nn.Conv2d(32, 64, 4, bias=False)
        network = nn.Sequential(convolution, nn.Sequential(norm, nn.ReLU(), transposed), bare)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.fill_(3.0)  # a value that no initialisation gives: untouched is visible
        try:
            result = ask(answer, network)
        except CheckFailed as refusal:
            if "NoneType" in str(refusal):
                fail(
                    "no-bias",
                    "Your function stops at a layer without a bias, whose `bias` is None. A "
                    "convolution before batch normalisation has none: the shift comes after it.",
                )
            raise
    if result is not network:
        fail(
            "return",
            "Your function must return the network that it was given, changed in place. What "
            f"came back is {'None' if result is None else 'another object'}.",
        )
    scales = norm.weight.detach()
    if abs(float(scales.mean())) < 0.5:
        fail(
            "scales-near-zero",
            f"The batch-norm scales now have mean {abs(float(scales.mean())):.2f}. A scale near "
            "zero makes its layer's output small, which nothing repairs after the last one: the "
            "image is a uniform grey. Scales are the one kind of weight that is centred at one.",
        )
    layers = ("Conv2d", convolution), ("ConvTranspose2d", transposed), ("Conv2d", bare)
    for name, layer in layers:
        if (layer.weight == 3.0).all():
            fail(
                f"{name.lower()}-untouched",
                f"The weights of {name} are as they were before. A network holds them at any "
                "depth, and PyTorch has one class for each direction of convolution.",
            )
        _expect_spread(layer.weight, 0.0, f"weights of {name}")
    if (scales == 3.0).all():
        fail(
            "batch-norm-untouched",
            "The batch-norm scales are as they were before. A fresh layer of PyTorch has scales "
            "of exactly 1, which trains nearly as well, but the recipe draws them too.",
        )
    _expect_spread(scales, 1.0, "batch-norm scales")
    for name, layer in (("Conv2d", convolution), ("ConvTranspose2d", transposed), ("batch", norm)):
        if layer.bias.detach().abs().max() > 0:
            what = "shifts of batch normalisation" if name == "batch" else f"biases of {name}"
            fail("bias", f"The {what} are not zero. Shifts and biases carry no noise at the start.")
    passed("initialise")


def _expect_spread(weights: Tensor, mean: float, what: str) -> None:
    weights = weights.detach().double()
    centre, spread = float(weights.mean()), float(weights.std())
    if abs(spread - math.sqrt(0.02)) < 0.01:
        fail(
            "variance",
            f"The {what} have standard deviation {spread:.3f}, and 0.02 was expected. You took "
            "0.02 for the variance: its square root is 0.141.",
        )
    if abs(spread - 0.02) > 0.002 or abs(centre - mean) > 0.003:
        fail(
            "spread",
            f"The {what} have mean {centre:.3f} and standard deviation {spread:.4f}. Expected "
            f"were {mean:g} and 0.02.",
        )
