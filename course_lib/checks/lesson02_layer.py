"""Checks for exercises 2.3 and 2.4 of lesson 02: a whole layer, and its windows as a matrix."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked
from course_lib.checks.probes import Mistake, Watch, judge, noise, real_from

LAYER = {
    "bias-repeated": "Each of your output numbers holds the bias several times. It is added inside "
    "a loop over channels or weights. An output channel has one bias, and it does not belong to "
    "the sum.",
    "no-bias": "Your answer ignores the bias. It is the only number in the layer that does not "
    "depend on the image.",
    "bias-axis": "Your biases change from column to column of the output. Broadcasting compares "
    "shapes from the right, and there is the width. A bias belongs to an output channel.",
    "channels": "Your output holds what a single input channel contributes. Each output channel "
    "has one kernel for each input channel, and adds up what all of them find.",
    "averaged": "You take a mean where (2.5) has a sum. A layer's response would then no longer "
    "be the dot product of its weights with the window.",
    "flipped": "Your kernels run backwards, as in mathematics. What layers compute is the "
    "cross-correlation, in which position (u, v) lies below and to the right of (0, 0).",
    "one-sided": "Your border lies on one side of the image only. The whole response is moved "
    "towards a corner, and after a few layers nothing is where it was.",
    "padded-one-axis": "Your border runs along one axis only. F.pad takes its numbers from the "
    "last axis on, a pair for each: two numbers pad the columns and leave the rows as they are.",
    "no-padding": "Your answer ignores P. Each layer would then make its images smaller by K - 1 "
    "pixels.",
    "edge-values": "You fill the border with pixels of the image. That is a layer of its own, "
    "which photographs often like better, but (2.5) has x = 0 outside the image.",
    "stride-one-axis": "Your window moves by S pixels along one axis, and by one pixel along the "
    "other. Both i and j are multiplied by the stride in (2.5).",
    "no-stride": "Your window moves by one pixel each time. With a stride S it moves by S pixels, "
    "and the places between are not looked at.",
}
#: (B, C, H, W), (O, K), S, P. In the first one the output is as wide as it has channels.
LAYERS = [
    ((2, 3, 7, 6), (4, 3), 1, 0),
    ((2, 3, 5, 7), (4, 3), 1, 1),
    ((1, 2, 9, 8), (3, 3), 2, 0),
    ((2, 2, 9, 8), (3, 3), 2, 1),
    ((1, 4, 8, 6), (2, 4), 2, 1),
    ((3, 1, 7, 10), (1, 2), 3, 2),
    ((2, 3, 4, 5), (5, 1), 1, 0),
]


def conv2d(answer: Answer) -> None:
    """Exercise 2.3: the whole layer, equation (2.5) without dilation and groups."""
    for seed, (shape, (count, K), S, P) in enumerate(LAYERS):
        x, w = noise(*shape, seed=40 + seed), noise(count, shape[1], K, K, seed=50 + seed)
        bias = noise(count, seed=60 + seed)
        with Watch() as watch:
            result = asked(answer, x, w, bias, S, P)
        if watch.shapes("conv"):
            fail(
                "library",
                "Your answer leaves the work to a convolution of torch. The exercise is to say "
                "what that function does: use sums, products and slices, or F.unfold.",
            )
        got, right = real_from(result), F.conv2d(x, w, bias, S, P)
        mistakes = _layer_mistakes(x, w, bias, S, P, right.shape[2:])
        judge(got, right, mistakes, LAYER, f"With K = {K}, S = {S} and P = {P}")
    passed("conv2d")


def _layer_mistakes(
    x: Tensor, w: Tensor, bias: Tensor, S: int, P: int, size: torch.Size
) -> Iterator[Mistake]:
    C, K = w.shape[1:3]
    shift = bias[:, None, None]
    each = torch.stack(
        [F.conv2d(x[:, c : c + 1], w[:, c : c + 1], None, S, P) for c in range(C)], dim=2
    )  # (B, O, C, H_out, W_out)
    whole = each.sum(2)
    yield "bias-repeated", whole + C * shift
    yield "bias-repeated", whole + C * K * K * shift
    yield "no-bias", whole
    if size[1] == len(bias):
        yield "bias-axis", whole + bias
    for single in (each, each + shift[:, None], each[:, :, 0] + shift, each[:, :, -1] + shift):
        yield "channels", single
    for mean in (whole / C + shift, (whole + shift) / C, whole / (C * K * K) + shift):
        yield "averaged", mean
    yield "flipped", F.conv2d(x, w.flip(2, 3), bias, S, P)
    for hint, pads in (
        ("one-sided", [(2 * P, 0, 2 * P, 0), (0, 2 * P, 0, 2 * P), (P, 0, P, 0), (0, P, 0, P)]),
        ("padded-one-axis", [(P, P, 0, 0), (0, 0, P, P)]),
        ("no-padding", [(0, 0, 0, 0)]),
    ):
        for pad in pads:
            yield hint, F.conv2d(F.pad(x, pad), w, bias, S)
    for mode in ("replicate", "reflect", "circular"):
        yield "edge-values", F.conv2d(F.pad(x, (P,) * 4, mode=mode), w, bias, S)
    for hint, stride in (
        ("stride-one-axis", (S, 1)),
        ("stride-one-axis", (1, S)),
        ("no-stride", (1, 1)),
    ):
        dense = F.conv2d(x, w, bias, stride, P)
        yield hint, dense
        yield hint, dense[:, :, : size[0], : size[1]]


IM2COL = {
    "row-order": "Your rows hold the right numbers in another order. W = weight.flatten(1) lists "
    "channel 0 whole, then channel 1, and within a channel one row u after the other. A product "
    "of matrices pairs numbers by their place alone.",
    "windows-as-rows": "Your windows are rows, and the kernels are rows too. In Y = W X each "
    "number is a row of W times a column of X.",
    "column-order": "Your windows come column by column of the output. Y = W X then has its pixels "
    "in that order as well, and cut into rows it gives a scrambled picture.",
    "reshaped": "The shape is right, and the numbers are shuffled. A reshape never moves a number, "
    "it only counts them off anew in the order of the axes. Bring the axes into the order asked "
    "for first.",
    "no-overlap": "Each pixel of the image occurs at most once in your matrix. Windows overlap: "
    "they move by one pixel, so most pixels belong to several and are copied for each of them.",
}


def im2col(answer: Answer) -> None:
    """Exercise 2.4: the windows of one image as the columns of a matrix."""
    # The first image has as many pixels as a few whole pieces of 2 x 2: it can be cut up.
    for seed, (C, H, W, K) in enumerate([(2, 6, 4, 2), (3, 5, 6, 3), (1, 4, 5, 1), (2, 3, 5, 3)]):
        x = noise(C, H, W, seed=70 + seed)
        got = real_from(asked(answer, x, K))
        case = f"For an image of shape {(C, H, W)} and K = {K}"
        judge(got, F.unfold(x[None], K)[0], _im2col_mistakes(x, K), IM2COL, case)
    passed("im2col")


def _im2col_mistakes(x: Tensor, K: int) -> Iterator[Mistake]:
    windows = x.unfold(1, K, 1).unfold(2, K, 1)  # (C, H_out, W_out, K, K)
    rows = len(x) * K * K
    for order in ((3, 4, 0), (0, 4, 3), (4, 3, 0)):
        yield "row-order", windows.permute(*order, 1, 2).reshape(rows, -1)
    for order in ((0, 3, 4), (3, 4, 0), (0, 4, 3)):
        yield "windows-as-rows", windows.permute(1, 2, *order).reshape(-1, rows)
    yield "column-order", windows.permute(0, 3, 4, 2, 1).reshape(rows, -1)
    yield "reshaped", windows.reshape(rows, -1)
    yield "reshaped", windows.permute(1, 2, 0, 3, 4).reshape(rows, -1)
    yield "no-overlap", F.unfold(x[None], K, stride=K)[0]
    if x.numel() % rows == 0:
        yield "no-overlap", x.reshape(rows, -1)
