"""The check of lesson 05's exercise 5.7: three branches in one kernel."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import passed
from course_lib.checks.answers import Answer, asked
from course_lib.checks.tensors import Misconception, gaussians, judge

#: Channels, kernel side. In the first both are equal: a wrong axis gives no error.
CASES = ((3, 3), (2, 5), (4, 3), (3, 1))


def merge(answer: Answer) -> None:
    """Exercise 5.7, against what single bright pixels become in the three branches."""
    for seed, (channels, side) in enumerate(CASES, start=570):
        weight = gaussians(seed, channels, channels, side, side)
        point = gaussians(seed + 50, channels, channels, 1, 1)
        result = asked(answer, weight, point)
        judge(
            result,
            _measured(weight, point),
            _misconceptions(weight, point),
            f"For weights of shape {tuple(weight.shape)} your kernel is wrong",
        )
    passed("merge")


def _measured(weight: Tensor, point: Tensor) -> Tensor:
    """The kernel of x + conv(x, point) + conv(x, weight), read off from single bright pixels."""
    channels, side = weight.shape[1:3]
    middle, rim = side - 1, side // 2
    x = weight.new_zeros(channels, channels, 2 * side - 1, 2 * side - 1)
    x[torch.arange(channels), torch.arange(channels), middle, middle] = 1  # image i: channel i
    y = x + F.conv2d(x, point) + F.conv2d(x, weight, padding=rim)  # (I, O, rows, columns)
    near = slice(middle - rim, middle + rim + 1)
    # A pixel to the left of the bright one sees it with the right part of its window.
    return y[:, :, near, near].flip(2, 3).transpose(0, 1)


def _misconceptions(weight: Tensor, point: Tensor) -> Iterator[Misconception]:
    channels, side = weight.shape[1:3]
    middle = side // 2
    each = torch.arange(channels)

    def put(to: Tensor, kernel: Tensor, row: int, column: int) -> Tensor:
        """Add a 1 x 1 kernel at one position."""
        to = to.clone()
        to[:, :, row, column] += kernel[:, :, 0, 0]
        return to

    eye = torch.eye(channels, dtype=weight.dtype)[:, :, None, None]
    with_point = put(weight, point, middle, middle)
    right = put(with_point, eye, middle, middle)
    yield (
        "no-skip",
        with_point,
        "The skip connection is missing in your kernel. A convolution can hand its input on: what "
        "kernel does that?",
    )
    yield (
        "no-point",
        put(weight, eye, middle, middle),
        "The 1 x 1 convolution is missing in your kernel. It is a larger one that sees nothing but "
        "the middle of its window.",
    )
    for kernel in (torch.ones_like(eye), torch.ones_like(point)):
        yield (
            "all-pairs",
            put(with_point, kernel, middle, middle),
            "Your kernel adds each channel of the input to every channel of the output. The skip "
            "connection hands a channel on to the one of the same number.",
        )
    spread = with_point.clone()
    spread[each, each] += 1
    yield (
        "whole-window",
        spread,
        "You add 1 to all numbers of a channel's own window. A pixel would be added up with its "
        "neighbours; the skip connection hands on the middle one alone.",
    )
    for skip in (put(weight, eye, middle, middle), weight + eye, weight):
        yield (
            "point-everywhere",
            skip + point,
            "You add the 1 x 1 kernel to every number of the window, as broadcasting does. The "
            "1 x 1 convolution sees the middle pixel alone.",
        )
    if side == channels:
        for skip in (with_point, weight + point, weight):
            yield (
                "kernel-axes",
                skip + eye[:, :, 0, 0],
                "Your ones lie along the diagonal of each window. No error says so, because the "
                "sizes agree. The axes of a kernel are output channel, input channel, row, column.",
            )
    for row in {0, 1, side - 1} - {middle}:
        if row < side:
            wrong_skip, wrong_point = (put(weight, one, row, row) for one in (eye, point))
            for one in (
                put(with_point, eye, row, row),
                put(wrong_point, eye, middle, middle),
                put(wrong_skip, point, row, row),
            ):
                yield (
                    "centre",
                    one,
                    "You add to a number beside the middle of the window. The image would be "
                    "moved. With K odd, K // 2 numbers lie to each side of the middle.",
                )
    yield (
        "identity-twice",
        put(right, eye, middle, middle),
        "You add the identity twice. There is one skip connection.",
    )
    yield (
        "point-transposed",
        put(put(weight, point.transpose(0, 1), middle, middle), eye, middle, middle),
        "In your 1 x 1 kernel, input and output channels have changed places. The first axis of "
        "a kernel is the output channel.",
    )
    yield (
        "subtracted",
        put(with_point, -eye, middle, middle),
        "You subtract the identity. That would be the kernel of a branch which has still to be "
        "added to x.",
    )
    series = torch.einsum("omuv,mi->oiuv", weight, point[:, :, 0, 0])
    for one in (series, put(series, eye, middle, middle)):
        yield (
            "in-series",
            one,
            "You multiply the two kernels, as if one convolution came after the other. They lie "
            "side by side, and their outputs are added.",
        )
    for one in (eye, point, eye + point):
        yield (
            "no-weight",
            put(torch.zeros_like(weight), one, middle, middle),
            "The K x K kernel is missing in your result. All three branches are to be in it.",
        )
