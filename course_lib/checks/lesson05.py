"""Checks of the exercises of lesson 05: the first, and the names of all the others."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described
from course_lib.checks.lesson05_dense import dense_channels
from course_lib.checks.lesson05_freeze import freeze
from course_lib.checks.lesson05_interval import interval
from course_lib.checks.lesson05_merge import merge
from course_lib.checks.lesson05_norms import gradient_norms
from course_lib.checks.lesson05_residual import residual
from course_lib.checks.lesson05_shift import random_shift

__all__ = [
    "dense_channels",
    "freeze",
    "gradient_norms",
    "interval",
    "merge",
    "random_shift",
    "residual",
    "stack_cost",
]

#: A rule from (channels, kernel, layers) to one number, and what whoever uses it has in mind.
Rule = tuple[Callable[[int, int, int], int], str]

WRONG_WEIGHTS: dict[str, Rule] = {
    "channels-once": (
        lambda c, k, n: n * c * k * k,
        "You count the channels once. Each of the C output channels has a window of its own in "
        "each of the C input channels.",
    ),
    "channels-left-out": (
        lambda c, k, n: n * k * k,
        "Your number of weights does not depend on the channels. Each output channel has a window "
        "of its own in each input channel.",
    ),
    "one-layer": (
        lambda c, k, n: c * c * k * k,
        "You count the weights of one layer. Each layer of the stack has weights of its own.",
    ),
    "kernel-side": (
        lambda c, k, n: n * c * c * k,
        "You count one row of the kernel. A window has K rows of K pixels.",
    ),
    "kernel-left-out": (
        lambda c, k, n: n * c * c,
        "Your number of weights does not depend on the kernel. A window has K rows of K pixels, "
        "and each pixel has its weight.",
    ),
    "biases": (
        lambda c, k, n: n * (c * c * k * k + c),
        "You count a bias for each output channel. These layers have none.",
    ),
    "one-large-kernel": (
        lambda c, k, n: (c * (1 + n * (k - 1))) ** 2,
        "You count the weights of one large kernel which sees as much as the stack. The stack is "
        "built because it does with fewer.",
    ),
    "layers-multiplied": (
        lambda c, k, n: (c * c * k * k) ** n,
        "You multiply the layers' numbers of weights. Weights that lie side by side in memory add "
        "up.",
    ),
    "layers-squared": (
        lambda c, k, n: (n * c * k) ** 2,
        "You square the number of layers too. Channels and kernel sides come in pairs, and a "
        "layer is there once.",
    ),
}
WRONG_FIELDS: dict[str, Rule] = {
    "multiplied": (
        lambda c, k, n: k**n,
        "You multiply kernel sides. Two layers of 3 pixels see 5, not 9: the windows of "
        "neighbours overlap.",
    ),
    "kernel-added": (
        lambda c, k, n: n * k,
        "You add K pixels for each layer. One of the K lies on what is counted already.",
    ),
    "starts-at-zero": (
        lambda c, k, n: n * (k - 1),
        "Your field is always one too small. Before the first layer a number is a pixel, and it "
        "sees itself.",
    ),
    "field-of-one": (
        lambda c, k, n: k,
        "Your field is that of one layer. Each further layer sees the windows of K neighbours, "
        "and the outer ones reach further out.",
    ),
    "three-assumed": (
        lambda c, k, n: 1 + 2 * n,
        "You widen the field by 2 pixels for each layer. That is right for K = 3 only.",
    ),
    "half-kernel": (
        lambda c, k, n: 1 + n * (k // 2),
        "You widen the field to one side only. A window reaches out to both sides of its middle.",
    ),
    "area": (
        lambda c, k, n: (1 + n * (k - 1)) ** 2,
        "You return the area of the field. Its side is asked for, in pixels.",
    ),
}

#: channels, kernel, layers
CASES = ((3, 3, 2), (4, 5, 1), (2, 3, 4), (5, 7, 3), (3, 1, 5), (1, 4, 3), (64, 3, 2))


def stack_cost(answer: Answer) -> None:
    """Exercise 5.1, against layers whose weights are counted and the footprint of one pixel."""
    results = []
    for case in CASES:
        result = asked(answer, *case)
        pair = isinstance(result, list | tuple) and len(result) == 2
        if not pair or not all(_is_int(one) for one in result):
            fail("type", f"Two integers (weights, field) are asked for, got {described(result)}.")
        results.append((int(result[0]), int(result[1])))
    right = [_counted(*case) for case in CASES]
    if results == [one[::-1] for one in right]:
        fail(
            "exchanged",
            "You return the field first. The number of weights is asked for first, then the field.",
        )
    for place, rules in enumerate((WRONG_WEIGHTS, WRONG_FIELDS)):
        got = [one[place] for one in results]
        if got == [one[place] for one in right]:
            continue
        for hint, (rule, message) in rules.items():
            if got == [rule(*case) for case in CASES]:
                fail(hint, message)
        first = next(i for i in range(len(CASES)) if got[i] != right[i][place])
        channels, kernel, layers = CASES[first]
        fail(
            "wrong",
            f"For {channels} channels, a kernel of {kernel} and {layers} layers your "
            f"{('number of weights', 'field')[place]} is {got[first]}. "
            + (
                "Count first what one output channel of one layer needs.",
                "Draw the last layer's window in one line of pixels, and below it what its first "
                "and last pixel see.",
            )[place],
        )
    passed("stack_cost")


def _is_int(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _counted(channels: int, kernel: int, layers: int) -> tuple[int, int]:
    """Weights of real layers, and how many places of a line one pixel reaches through them."""
    stack = [
        nn.Conv2d(channels, channels, kernel, bias=False, device="meta") for _ in range(layers)
    ]
    line, ones = torch.ones(1, 1, 1), torch.ones(1, 1, kernel)
    for _ in stack:
        line = F.conv1d(line, ones, padding=kernel - 1)
    return sum(layer.weight.numel() for layer in stack), int(line.count_nonzero())
