"""The check of lesson 05's exercise 5.8: how large is the gradient at each depth?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer
from course_lib.checks.lesson05_blocks import CASES, CUT, Probe


def gradient_norms(answer: Answer) -> None:
    """Exercise 5.8, against one vector-Jacobian product for each block."""
    for number in range(len(CASES)):
        probe = Probe(number)
        got, wanted = probe.ask(answer), [one.norm().item() for one in probe.gradients(probe.g)]
        if _equal(got, wanted[:-1]):
            continue
        for hint, misled, message in _misconceptions(probe):
            if _equal(got, misled):
                fail(hint, message)
        if len(got) != len(probe.blocks):
            fail(
                "length",
                f"For {len(probe.blocks)} blocks your list has {len(got)} numbers. Asked for is "
                "one for the input of each block.",
            )
        place = [_equal([a], [b]) for a, b in zip(got, wanted, strict=False)].index(False)
        fail(
            "values",
            f"At the input of block {place + 1} of {len(got)} your norm is {got[place]:.4g}, where "
            f"{wanted[place]:.4g} is right.",
        )
    passed("gradient_norms")


def _equal(got: list[float], wanted: list[float]) -> bool:
    return len(got) == len(wanted) and all(
        math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-12) for a, b in zip(got, wanted, strict=True)
    )


def _misconceptions(probe: Probe) -> Iterator[tuple[str, list[float], str]]:
    """(hint, list, message) of what known mistakes lead to."""
    gradients = probe.gradients(probe.g)
    norms = [one.norm().item() for one in gradients]
    yield (
        "outputs",
        norms[1:],
        "Your numbers belong to the outputs of the blocks: the last is the norm of g itself, and "
        "that of x is missing. The inputs' are asked for.",
    )
    yield (
        "one-too-many",
        norms,
        "Your list has one number too many: the last is the norm of g, at the output. Asked for is "
        "one for the input of each block.",
    )
    yield (
        "x-left-out",
        norms[1:-1],
        "Your list begins at the second block. The input of the first is x, and its gradient "
        "counts too.",
    )
    for one in (norms[:-1][::-1], norms[1:][::-1], norms[::-1]):
        yield (
            "reversed",
            one,
            "Your list begins at the last block, where the backward pass begins. The first number "
            "asked for is that at x.",
        )
    yield (
        "detached",
        [*[0.0] * (len(norms) - 2), norms[-2]],
        f"Your norms are zero but for the last block. {CUT}",
    )
    sizes: tuple[tuple[str, Callable[[Tensor], Tensor], str], ...] = (
        (
            "squared",
            lambda d: d.square().sum(),
            "You return squared norms. The norm is the root of the sum of squares.",
        ),
        (
            "mean-size",
            lambda d: d.square().mean().sqrt(),
            "You divide by the number of numbers. The norm is the root of the sum of squares, and "
            "not of their mean.",
        ),
        (
            "mean-size",
            lambda d: d.abs().mean(),
            "You return the mean absolute value. The norm is the root of the sum of squares.",
        ),
        (
            "other-norm",
            lambda d: d.abs().sum(),
            "You add up absolute values. The norm is the root of the sum of squares.",
        ),
        (
            "other-norm",
            lambda d: d.abs().max(),
            "You return the largest number. The norm is the root of the sum of squares.",
        ),
        (
            "each-image",
            lambda d: d.flatten(1).norm(dim=1).mean(),
            "You take a norm for each image and then their mean. One norm is asked for, over all "
            "numbers of the batch.",
        ),
    )
    for hint, of, message in sizes:
        yield hint, [of(one).item() for one in gradients[:-1]], message
    for factor in (1 / norms[0], 1 / norms[-1], 1 / norms[-2], 1 / max(norms[:-1])):
        yield (
            "normalised",
            [factor * one for one in norms[:-1]],
            "You divide all norms by one of them, or by that of g. The numbers themselves are "
            "asked for.",
        )
    counts = {probe.g.numel(), len(probe.x)}
    for count in sorted(counts):
        yield (
            "mean-loss",
            [one / count for one in norms[:-1]],
            "You take a mean somewhere, so all your norms are too small by one factor. g is "
            "already the gradient at the output.",
        )
    ones = torch.ones_like(probe.g)
    for start in (ones, ones / ones.numel()):
        yield (
            "g-ignored",
            [one.norm().item() for one in probe.gradients(start)[:-1]],
            "Your norms do not depend on g. It is what the loss hands down to the output; with a "
            "sum or a mean of the output it would be ones.",
        )
    yield (
        "activations",
        [one.norm().item() for one in probe.inputs],
        "You return the norms of the inputs themselves. The gradients with respect to them are "
        "asked for.",
    )
