"""Checks of lesson 12's exercises 12.3 and 12.4: a bound on information, and a surplus."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, generator
from course_lib.checks.tensors import Misconception, judge, real_tensor, same

#: Values of the code and images of the discrete world.
CASES = ((3, 5), (4, 4), (2, 7))


def _world(seed: int, codes: int, images: int) -> tuple[Tensor, Tensor]:
    """A joint distribution (K, X), of unequal rows and columns, and a recogniser Q(c | x)."""
    random = generator(seed)
    joint, guess = (torch.rand(codes, images, generator=random).double() + 0.05 for _ in range(2))
    joint = joint * torch.arange(1, codes + 1)[:, None]
    return joint / joint.sum(), guess / guess.sum(0)


def _sum(joint: Tensor, of: Tensor) -> float:
    """The expectation of a table, term by term."""
    return math.fsum(
        p * value
        for row, values in zip(joint.tolist(), of.tolist(), strict=True)
        for p, value in zip(row, values, strict=True)
    )


def _entropy(shares: Tensor) -> float:
    return -math.fsum(p * math.log(p) for p in shares.flatten().tolist())


def information_bound(answer: Answer) -> None:
    """Exercise 12.3, against sums taken term by term."""
    for seed, (codes, images) in enumerate(CASES, start=1230):
        joint, guess = _world(seed, codes, images)
        wanted = _entropy(joint.sum(1)) + _sum(joint, guess.log())
        judge(
            asked(answer, joint, guess),
            torch.tensor(wanted).double(),
            _wrong_bounds(joint, guess),
            f"For {codes} codes and {images} images your bound is wrong",
        )
    passed("information_bound")


def _wrong_bounds(joint: Tensor, guess: Tensor) -> Iterator[Misconception]:
    codes = joint.sum(1, keepdim=True)  # (C, 1)
    entropy, mean = _entropy(codes), _sum(joint, guess.log())
    for value in (mean, -mean):
        yield (
            "entropy-forgotten",
            torch.tensor(value).double(),
            "You return the recogniser's loss, or minus it, without the entropy of the code. For "
            "training it is a constant, but a bound on the information it is only with it.",
        )
    for value in ((entropy + mean) / math.log(2), entropy / math.log(2) + mean):
        yield (
            "bits",
            torch.tensor(value).double(),
            "You took logarithms to base 2, at least in one place. Nats are asked for.",
        )
    yield (
        "sign",
        torch.tensor(entropy - mean).double(),
        "You subtract the mean of log Q. That logarithm is negative already: a bad recogniser "
        "must lower the bound.",
    )
    yield (
        "uniform-code",
        torch.tensor(math.log(len(joint)) + mean).double(),
        "You take log K for the entropy of the code. That is right for codes that are equally "
        "frequent, and these are not.",
    )
    yield (
        "unweighted",
        torch.tensor(entropy).double() + guess.log().mean(),
        "Your mean of log Q counts every pair alike. Pairs are as frequent as the joint "
        "distribution says.",
    )
    for weights in (joint / codes, joint / joint.sum(0)):
        yield (
            "conditional",
            torch.tensor(entropy).double() + (weights * guess.log()).sum(),
            "You weight log Q with conditional probabilities. They add up to more than one: the "
            "mean goes over pairs.",
        )
    exact = (joint * (joint / (codes * joint.sum(0))).log()).sum()
    yield (
        "exact",
        exact,
        "You return the information itself, from the joint distribution. It is what the bound is "
        "compared with, and your number does not depend on the recogniser.",
    )
    yield (
        "wrong-entropy",
        torch.tensor(_entropy(joint.sum(0)) + mean).double(),
        "Your entropy is that of the images. The uncertainty that the image lowers is that of the "
        "code.",
    )
    yield (
        "wrong-entropy",
        torch.tensor(_entropy(joint) + mean).double(),
        "Your entropy is that of the pairs. The uncertainty that the image lowers is that of the "
        "code.",
    )


def auxiliary_parts(answer: Answer) -> None:
    """Exercise 12.4, against sums term by term: first the entropy, then the divergence."""
    for seed, (classes, images) in enumerate(CASES, start=1240):
        joint, guess = _world(seed, classes, images)
        got = real_tensor(asked(answer, joint, guess))
        if got.shape != (2,):
            fail(
                "shape",
                f"A tensor of two numbers is asked for, yours has shape {tuple(got.shape)}.",
            )
        posterior = joint / joint.sum(0)  # q(y | x)
        wanted = torch.tensor(
            [-_sum(joint, posterior.log()), _sum(joint, (posterior / guess).log())]
        ).double()
        if same(got, wanted):
            continue
        if same(got, wanted.flip(0)):
            fail("exchanged", "Your two numbers have changed places. The entropy comes first.")
        if same(got, wanted / math.log(2)):
            fail("bits", "You took logarithms to base 2. Nats are asked for.")
        wrongs = _wrong_entropies(joint, guess), _wrong_divergences(joint, guess)
        for place, wrong in enumerate(wrongs):
            if same(got[place], wanted[place]):
                continue
            for hint, value, message in wrong:
                if same(got[place], value):
                    fail(hint, message)
            name = ("entropy", "divergence")[place]
            fail(
                "values",
                f"Your {name} is {got[place]:.4g}, and {wanted[place]:.4g} is right.",
            )
    passed("auxiliary_parts")


def _wrong_entropies(joint: Tensor, guess: Tensor) -> Iterator[Misconception]:
    posterior = joint / joint.sum(0)
    classes = joint.sum(1)
    yield (
        "marginal-entropy",
        -(classes * classes.log()).sum(),
        "Your entropy is that of the classes before an image is seen. It does not matter how much "
        "they overlap. Needed is what remains uncertain when the image is known.",
    )
    yield (
        "joint-entropy",
        -(joint * joint.log()).sum(),
        "Your entropy is that of the pairs. It also counts how many images there are.",
    )
    yield (
        "whole-loss",
        -(joint * guess.log()).sum(),
        "Your first number is the classifier's whole loss. The divergence is contained in it: the "
        "two numbers asked for add up to the loss.",
    )
    per_image = -(posterior * posterior.log()).sum(0)
    for value in (per_image.mean(), per_image.sum()):
        yield (
            "unweighted",
            value,
            "You count every image alike. Images are as frequent as the columns of the joint "
            "distribution say.",
        )
    yield (
        "sign",
        (joint * posterior.log()).sum(),
        "Your entropy is negative. The logarithm of a probability is, and an entropy is minus its "
        "mean.",
    )
    yield (
        "classifier-entropy",
        -(joint.sum(0) * guess * guess.log()).sum(),
        "Your entropy is that of the classifier's answers. The generator's own classes are meant, "
        "which the classifier may misjudge.",
    )


def _wrong_divergences(joint: Tensor, guess: Tensor) -> Iterator[Misconception]:
    images = joint.sum(0)
    posterior = joint / images
    yield (
        "reversed",
        (images * (guess * (guess / posterior).log()).sum(0)).sum(),
        "Your divergence is that of the classifier from the generator. The mean goes over what the "
        "generator draws, so its probabilities come first.",
    )
    per_image = (posterior * (posterior / guess).log()).sum(0)
    for value in (per_image.mean(), per_image.sum()):
        yield (
            "unweighted",
            value,
            "You count every image alike. Images are as frequent as the columns of the joint "
            "distribution say.",
        )
    yield (
        "not-conditional",
        (joint * (joint / guess).log()).sum(),
        "You compare the joint distribution with the classifier. One of them is a probability of "
        "pairs, the other one of classes for a given image.",
    )
    yield (
        "sign",
        -(joint * (posterior / guess).log()).sum(),
        "Your divergence is negative, which no divergence is. The ratio is upside down.",
    )
    yield (
        "whole-loss",
        -(joint * guess.log()).sum(),
        "Your second number is the classifier's whole loss. The entropy is contained in it: the "
        "two numbers asked for add up to the loss.",
    )
