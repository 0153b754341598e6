"""The check of lesson 05's exercise 5.3: what the layers of a dense block see, and their cost."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import torch
from torch import nn

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described

Seen = list[int]

#: Wrong rules from (stem, growth, layers) to the channels that each layer sees, and what whoever
#: uses them has in mind. Several rules may have one hint: what follows the colon is left off.
WRONG_CHANNELS: dict[str, tuple[Callable[[int, int, int], Seen], str]] = {
    "added": (
        lambda s, k, n: [s] * n,
        "All your layers see as many channels as the first. That is so where outputs are added, as "
        "in a residual network. Here they are put side by side.",
    ),
    "chain": (
        lambda s, k, n: [s, *[k] * (n - 1)],
        "From the second on, your layers see only what the layer before them made. In a dense "
        "block a layer sees everything that was there before it.",
    ),
    "stem-lost": (
        lambda s, k, n: [s, *(i * k for i in range(1, n))],
        "From the second on, your layers do not see the input of the block. It stays, like the "
        "outputs of all layers.",
    ),
    "stem-lost:from-zero": (
        lambda s, k, n: [i * k for i in range(n)],
        "Your layers do not see the input of the block. It stays, like the outputs of all layers.",
    ),
    "outputs": (
        lambda s, k, n: [s + (i + 1) * k for i in range(n)],
        "You list how many channels there are after each layer. A layer does not see its own "
        "output.",
    ),
    "output-too": (
        lambda s, k, n: [s + i * k for i in range(n + 1)],
        "Your list has one number too many: the last is what the block hands on. No layer of this "
        "block sees it.",
    ),
    "growth-doubled": (
        lambda s, k, n: [s + 2 * i * k for i in range(n)],
        "Your channels grow by twice the growth at each layer. A layer makes k new channels, and "
        "they are appended once.",
    ),
    "doubling": (
        lambda s, k, n: [s * 2**i for i in range(n)],
        "Your channels double from layer to layer. A layer makes k new channels, however many it "
        "sees.",
    ),
    "growth-grows": (
        lambda s, k, n: [s + k * (2**i - 1) for i in range(n)],
        "Your growth itself doubles from layer to layer. Each layer makes k new channels, however "
        "many it sees.",
    ),
    "growth-grows:linearly": (
        lambda s, k, n: [s + k * i * (i + 1) // 2 for i in range(n)],
        "You append the outputs of all layers again at each step. What was appended before is in "
        "the tensor already.",
    ),
    "growth-alone": (
        lambda s, k, n: [s + i for i in range(n)],
        "Your channels grow by one at each layer. A layer makes k new channels.",
    ),
    "reversed": (
        lambda s, k, n: [s + i * k for i in range(n)][::-1],
        "Your list begins with the last layer. The first layer's number is asked for first.",
    ),
}

#: Wrong rules from the right channels and the growth to the number of weights.
WRONG_WEIGHTS: dict[str, tuple[Callable[[Seen, int], int], str]] = {
    "kernel-side": (
        lambda c, k: 3 * k * sum(c),
        "You count one row of the kernel. A window of 3 x 3 has 9 weights for each input channel.",
    ),
    "kernel-left-out": (
        lambda c, k: k * sum(c),
        "Your number of weights is that of 1 x 1 kernels. A window of 3 x 3 has 9 weights for each "
        "input channel.",
    ),
    "growth-left-out": (
        lambda c, k: 9 * sum(c),
        "You count the weights of one new channel for each layer. Each of the k new channels has "
        "windows of its own.",
    ),
    "old-ones-made-again": (
        lambda c, k: 9 * sum(one * (one + k) for one in c),
        "You let each layer make all channels that are there after it. Only k of them are new; the "
        "others are handed on as they are.",
    ),
    "square": (
        lambda c, k: 9 * sum(one * one for one in c),
        "You let each layer make as many channels as it sees. In a dense block it makes k.",
    ),
    "last-layer": (
        lambda c, k: 9 * k * c[-1],
        "You count the weights of the last layer. Those of all layers are asked for.",
    ),
    "first-layer": (
        lambda c, k: 9 * k * c[0] * len(c),
        "You count the weights of the first layer, as often as there are layers. The later ones "
        "see more channels and have more weights.",
    ),
    "biases": (
        lambda c, k: 9 * k * sum(c) + k * len(c),
        "You count a bias for each new channel. These layers have none.",
    ),
    "bottleneck": (
        lambda c, k: sum(4 * k * one + 9 * 4 * k * k for one in c),
        "You count a 1 x 1 convolution to 4 k channels before each layer. The paper has it, and "
        "this block does not.",
    ),
}

#: stem, growth, layers
CASES = ((16, 12, 4), (3, 2, 5), (7, 1, 3), (5, 8, 2), (24, 6, 6), (6, 4, 1))


def dense_channels(answer: Answer) -> None:
    """Exercise 5.3, against a block that is built and run on tensors without numbers."""
    results = [_two_from(asked(answer, *case)) for case in CASES]
    right = [_built(*case) for case in CASES]
    seen, wanted = [one[0] for one in results], [one[0] for one in right]
    if seen != wanted:
        for hint, (rule, message) in WRONG_CHANNELS.items():
            if seen == [rule(*case) for case in CASES]:
                fail(hint.partition(":")[0], message)
    for case, (got, _), (true, _) in zip(CASES, results, right, strict=True):
        if len(got) != len(true):
            fail(
                "length",
                f"For {case[2]} layers your list has {len(got)} numbers. Asked for is one for each "
                "layer.",
            )
        if got != true:
            place = [a == b for a, b in zip(got, true, strict=True)].index(False)
            fail(
                "wrong",
                f"With {case[0]} channels at the beginning and a growth of {case[1]}, layer "
                f"{place + 1} of your block sees {got[place]} channels. Write down what lies side "
                "by side before it.",
            )
    weights, wanted_weights = [one[1] for one in results], [one[1] for one in right]
    if weights != wanted_weights:
        for hint, (formula, message) in WRONG_WEIGHTS.items():
            pairs = zip(wanted, CASES, strict=True)
            if weights == [formula(channels, case[1]) for channels, case in pairs]:
                fail(hint, message)
        first = [a == b for a, b in zip(weights, wanted_weights, strict=True)].index(False)
        fail(
            "wrong",
            f"Your channels are right. For {CASES[first][0]} channels, growth {CASES[first][1]} "
            f"and {CASES[first][2]} layers your number of weights is {weights[first]}: count layer "
            "by layer what it sees and what it makes.",
        )
    passed("dense_channels")


def _two_from(result: Any) -> tuple[Seen, int]:
    if not isinstance(result, list | tuple) or len(result) != 2:
        fail("type", f"A list and an integer are asked for, got {described(result)}.")
    seen, weights = result
    if _is_int(seen) and isinstance(weights, list | tuple):
        fail("exchanged", "You return the weights first. The list of channels is asked for first.")
    if not isinstance(seen, list | tuple) or not all(_is_int(one) for one in seen):
        fail("type", f"A list of integers is asked for first, got {described(seen)}.")
    if not _is_int(weights):
        fail("type", f"An integer number of weights is asked for, got {described(weights)}.")
    return [int(one) for one in seen], int(weights)


def _is_int(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _built(stem: int, growth: int, layers: int) -> tuple[Seen, int]:
    x = torch.empty(1, stem, 4, 4, device="meta")
    seen, weights = [], 0
    for _ in range(layers):
        layer = nn.Conv2d(x.shape[1], growth, 3, padding=1, bias=False, device="meta")
        x = torch.cat([x, layer(x)], dim=1)
        seen.append(layer.in_channels)
        weights += layer.weight.numel()
    return seen, weights
