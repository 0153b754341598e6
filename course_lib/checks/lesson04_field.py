"""The check of lesson 04's exercise 4.4: the receptive field, against a measured footprint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described

Layers = Sequence[tuple[int, int, int]]


def _walked(
    step: Callable[[int, int, int, int, int], tuple[int, int]], size: int = 1
) -> Callable[[Layers], tuple[int, int]]:
    """A rule from one layer's step(size, jump, K, S, D) -> (size, jump)."""

    def rule(layers: Layers) -> tuple[int, int]:
        r, j = size, 1
        for k, s, d in layers:
            r, j = step(r, j, k, s, d)
        return r, j

    return rule


_right = _walked(lambda r, j, k, s, d: (r + d * (k - 1) * j, j * s))

#: Wrong rules in the layers, and what whoever uses them has in mind.
WRONG_FIELDS: dict[str, tuple[Callable[[Layers], tuple[int, int]], str]] = {
    "exchanged": (
        lambda layers: _right(layers)[::-1],
        "You return the jump first. The size is asked for first, then the jump.",
    ),
    "multiplied": (
        _walked(lambda r, j, k, s, d: (r * (d * (k - 1) + 1), j * s)),
        "You multiply kernel sizes. Two layers of 3 pixels with stride 1 see 5, not 9: their "
        "windows overlap.",
    ),
    "multiplied-undilated": (
        _walked(lambda r, j, k, s, d: (r * k, j * s)),
        "You multiply kernel sizes. Two layers of 3 pixels with stride 1 see 5, not 9: their "
        "windows overlap.",
    ),
    "no-jump": (
        _walked(lambda r, j, k, s, d: (r + d * (k - 1), j * s)),
        "Your size does not depend on the strides before a layer. Neighbours on its map lie a jump "
        "apart in the image, and so do the numbers that its kernel meets.",
    ),
    "own-stride": (
        _walked(lambda r, j, k, s, d: (r + d * (k - 1) * j * s, j * s)),
        "You let a layer's own stride widen its own window. The stride says where the next "
        "window begins. It spreads what later layers see.",
    ),
    "no-dilation": (
        _walked(lambda r, j, k, s, d: (r + (k - 1) * j, j * s)),
        "Your size does not depend on the dilation. The numbers of a dilated kernel lie D places "
        "apart on the map below.",
    ),
    "dilated-kernel": (
        _walked(lambda r, j, k, s, d: (r + (d * k - 1) * j, j * s)),
        "Your dilated kernel covers D K places. It is the gaps that are widened: count them.",
    ),
    "kernel-added": (
        _walked(lambda r, j, k, s, d: (r + d * k * j, j * s)),
        "You add K steps for a kernel of K numbers. One of them lies on what is counted already: a "
        "layer with K = 1 sees nothing new.",
    ),
    "order": (
        lambda layers: _right(layers[::-1]),
        "You walk through the layers in the wrong order for your rule. The first layer of the list "
        "stands on the image, where the jump is still 1.",
    ),
    "starts-at-zero": (
        _walked(lambda r, j, k, s, d: (r + d * (k - 1) * j, j * s), size=0),
        "Your size is always one too small. Before the first layer a place is a pixel, and it sees "
        "itself.",
    ),
    "dilation-jump": (
        _walked(lambda r, j, k, s, d: (r + d * (k - 1) * j, j * s * d)),
        "You let the dilation move the places apart. It widens one kernel; the windows of "
        "neighbours begin S places apart as before.",
    ),
    "jump-of-last": (
        lambda layers: (_right(layers)[0], layers[-1][1] if layers else 1),
        "Your size is right, and your jump is the last layer's stride. In pixels of the image, "
        "every earlier stride has its share.",
    ),
    "jump-added": (
        lambda layers: (_right(layers)[0], 1 + sum(s - 1 for _, s, _ in layers)),
        "Your size is right, and in your jump the strides are added. Every second of every second "
        "place is every fourth.",
    ),
}

#: (K, S, D) from the image on. In some a stride leaves gaps; the last is an image by itself.
NETWORKS: tuple[list[tuple[int, int, int]], ...] = (
    [(3, 1, 1), (3, 1, 1)],
    [(5, 2, 1), (3, 1, 1), (3, 3, 1), (4, 2, 1)],
    [(3, 1, 1), (3, 1, 2), (3, 1, 4)],
    [(7, 2, 1), (1, 1, 1), (2, 2, 1), (3, 2, 3), (4, 1, 2)],
    [(2, 3, 1), (3, 2, 2)],
    [(4, 1, 3)],
    [],
)


def receptive_field(answer: Answer) -> None:
    """Exercise 4.4, against the pixels from which a gradient really comes back."""
    results = []
    for layers in NETWORKS:
        result = asked(answer, list(layers))
        whole = isinstance(result, list | tuple) and len(result) == 2
        if not whole or not all(_is_int(one) for one in result):
            fail("type", f"Two ints (size, jump) are asked for, got {described(result)}.")
        results.append((int(result[0]), int(result[1])))
    right = [_footprint(layers) for layers in NETWORKS]
    if results != right:
        for hint, (rule, message) in WRONG_FIELDS.items():
            if results == [rule(layers) for layers in NETWORKS]:
                fail(hint.removesuffix("-undilated"), message)
        first = [got == true for got, true in zip(results, right, strict=True)].index(False)
        fail(
            "wrong",
            f"For the layers {NETWORKS[first]} you return {results[first]}. From the "
            f"first pixel that the gradient reaches to the last there are {right[first][0]}, and "
            f"this stretch moves by {right[first][1]}. Draw the first two layers on squared paper.",
        )
    passed("receptive_field")


def _is_int(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _footprint(layers: Layers) -> tuple[int, int]:
    """First to last pixel of a line that one place hears, and the neighbour's distance."""
    length = 2
    for k, s, d in reversed(layers):
        length = s * (length - 1) + d * (k - 1) + 1
    line = torch.ones(1, 1, length, dtype=torch.float64, requires_grad=True)
    y: Tensor = 1 * line
    for k, s, d in layers:
        y = F.conv1d(y, torch.ones(1, 1, k, dtype=torch.float64), stride=s, dilation=d)
    here, there = (
        torch.autograd.grad(y[0, 0, place], line, retain_graph=True)[0][0, 0].nonzero()
        for place in (0, 1)
    )
    return int(here[-1] - here[0]) + 1, int(there[0] - here[0])
