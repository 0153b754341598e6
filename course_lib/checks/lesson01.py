"""Checks for the exercises of lesson 01: layout and range of images, and smaller images.

Those of light, of the Gaussian, of independent pixels and of the cheapest cut have files of their
own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, random_bytes
from course_lib.checks.lesson01_cut import cheapest_cut
from course_lib.checks.lesson01_gaussian import log_density_gap, sample_gaussian
from course_lib.checks.lesson01_light import light_mean
from course_lib.checks.lesson01_pixels import independent_pixels
from course_lib.checks.probes import Mistake, Watch, judge, noise
from course_lib.checks.tensors import real_tensor

__all__ = [
    "cheapest_cut",
    "independent_pixels",
    "light_mean",
    "log_density_gap",
    "sample_gaussian",
    "shrink",
    "to_nchw",
]

#: Ways to get from bytes, as float64, to another range. The first is the right one.
Scale = Callable[[Tensor], Tensor]
SCALES: list[tuple[str, Scale]] = [
    ("right", lambda v: v / 127.5 - 1),
    ("zero-to-one", lambda v: v / 255),
    ("zero-to-one", lambda v: v / 256),
    ("not-scaled", lambda v: v),
    ("half-range", lambda v: v / 255 - 0.5),
    ("inverted", lambda v: 1 - v / 127.5),
    ("ends", lambda v: v / 128 - 1),
    ("ends", lambda v: (v - 127) / 128),
    ("ends", lambda v: (v - 128) / 127.5),
    ("ends", lambda v: v / 127 - 1),
    ("overflow", lambda v: (2 * v - 255) % 256 / 255),
    ("overflow", lambda v: 2 * v % 256 / 255 - 1),
    ("overflow", lambda v: (v - 128) % 256 / 128),
    ("overflow", lambda v: (v - 128) % 256 / 127.5),
    ("overflow", lambda v: (v - 127) % 256 / 127.5),
    ("overflow", lambda v: (v - 127) % 256 / 128),
    ("overflow", lambda v: ((v + 128) % 256 - 128) / 127.5 - 1),
    ("overflow", lambda v: ((v + 128) % 256 - 128) / 128),
    ("whole-numbers", lambda v: v // 255 * 2 - 1),
    ("whole-numbers", lambda v: v // 127.5 - 1),
    ("whole-numbers", lambda v: (v // 255 * 2 - 1) % 256),
]
LAYOUTS: list[tuple[str, Callable[[Tensor], Tensor]]] = [
    ("channels-last", lambda x: x),
    ("reshaped", lambda x: x.reshape(len(x), x.shape[3], *x.shape[1:3])),
    ("reshaped", lambda x: x.reshape(len(x), x.shape[3], x.shape[2], x.shape[1])),
    ("rows-and-columns", lambda x: x.permute(0, 3, 2, 1)),
    ("channels-reversed", lambda x: x.permute(0, 3, 1, 2).flip(1)),
    ("mirrored", lambda x: x.permute(0, 3, 1, 2).flip(2)),
    ("mirrored", lambda x: x.permute(0, 3, 1, 2).flip(3)),
]
NCHW = {
    "channels-last": "Your axes still stand in the order (N, H, W, C). A network would take the "
    "rows for channels.",
    "reshaped": "Your images have been cut anew from the line of numbers in memory: neighbours in "
    "one of your rows are the colours of one pixel. reshape and view keep the order of the "
    "numbers. Here the axes have to change places.",
    "rows-and-columns": "Your images lie on their side: rows and columns have changed places too. "
    "Only the channels move; H stays before W.",
    "channels-reversed": "Your channels come in the opposite order, so red and blue have changed "
    "places. Moving an axis does not reverse it.",
    "mirrored": "Your images are mirrored. Moving an axis does not reverse another one.",
    "zero-to-one": "Your numbers lie between 0 and 1. The interval asked for begins at -1, as the "
    "output of tanh does: black is -1 and not 0.",
    "not-scaled": "Your numbers are the bytes, from 0 to 255, in another type. The interval asked "
    "for goes from -1 to 1.",
    "half-range": "Your numbers lie between -0.5 and 0.5. The interval from -1 to 1 is two wide, "
    "not one.",
    "inverted": "Your images are negatives: black has become 1 and white -1. The order of the "
    "greys must stay.",
    "ends": "Your interval has a wrong end. The byte 0 must become -1 and the byte 255 must become "
    "1: between them are 255 steps and not 256 or 254.",
    "overflow": "You calculate in bytes before you change the type. A byte has no number below 0 "
    "or above 255 and begins again at the other end, without an error.",
    "whole-numbers": "You lose all the greys between two whole numbers. Between -1 and 1 nearly "
    "every grey is a fraction: change the type first, and divide with / and not with //.",
}


def to_nchw(answer: Answer) -> None:
    """Exercise 1.1: from bytes (N, H, W, C) to floats (N, C, H, W) in [-1, 1]."""
    for seed, shape in enumerate([(2, 4, 5, 3), (3, 6, 6, 3), (1, 5, 2, 1), (2, 3, 3, 4)]):
        images = random_bytes(0, 256, shape, seed=100 + seed)
        result = asked(answer, images)
        if isinstance(result, Tensor) and not (result.is_floating_point() or result.is_complex()):
            fail(
                "whole-numbers",
                f"Your result is of type {result.dtype}, which has no fractions. Between -1 and 1 "
                "nearly every grey is one: the type must change before the numbers do.",
            )
        wanted = SCALES[0][1](images.permute(0, 3, 1, 2).double())
        case = f"For images of shape {shape}"
        judge(real_tensor(result), wanted, _nchw_mistakes(images.double()), NCHW, case)
        if result.dtype != torch.float32:
            fail(
                "precision",
                f"Your numbers are right and of type {result.dtype}. Asked for is float32: a "
                "network's weights are of this type, and torch does not multiply two types.",
            )
    passed("to_nchw")


def _nchw_mistakes(images: Tensor) -> Iterator[Mistake]:
    for hint, scale in SCALES[1:]:
        yield hint, scale(images.permute(0, 3, 1, 2))
    for hint, layout in LAYOUTS:  # whatever the range
        for _, scale in SCALES:
            yield hint, scale(layout(images))


SHRINK = {
    "every-kth": "You keep one pixel of each block and drop the others. A pattern that repeats "
    "about every k pixels then comes out as a coarse one that was never there.",
    "sum": "Your numbers are sums over the blocks. The mean of a white block is white, whatever "
    "the size of the block.",
    "half-divided": "You divide the sum over a block by k. A block has k rows and k columns.",
    "one-axis": "You average along one axis only. Along the other one, pixels are left out or "
    "still all there; a block has k rows and k columns.",
    "wrong-blocks": "You average k x k numbers that are not a block. reshape does not move "
    "numbers: it cuts the line of memory anew, row after row. Each side of the image has to be cut "
    "in two where it stands.",
    "far-apart": "You average pixels that lie far apart, H/k rows or W/k columns from each other. "
    "When a side is cut in two, the axis of the places within a block is the one that runs faster.",
    "transposed": "Your blocks are right, and rows and columns have changed places. The mean of "
    "the block at the upper right must stay at the upper right.",
    "extreme": "You take the brightest or the darkest pixel of each block. That makes the whole "
    "image brighter or darker: a mean keeps its brightness.",
}


def shrink(answer: Answer) -> None:
    """Exercise 1.3: each output pixel is the mean of its k x k block."""
    for seed, (H, W, k) in enumerate([(6, 9, 3), (4, 6, 2), (8, 8, 4), (3, 4, 1), (5, 10, 5)]):
        image = noise(H, W, seed=120 + seed)
        with Watch() as watch:
            result = asked(answer, image, k)
        wanted = torch.stack(
            [
                torch.stack([image[i : i + k, j : j + k].mean() for j in range(0, W, k)])
                for i in range(0, H, k)
            ]
        )
        case = f"For an image of {H} x {W} and k = {k}"
        judge(real_tensor(result), wanted, _shrink_mistakes(image, k, wanted), SHRINK, case)
        if watch.shapes("pool") or watch.shapes("interpolate"):
            fail(
                "library",
                "Your numbers are right, and a function of torch made them: one that pools or "
                "interpolates. The exercise is to find the blocks yourself.",
            )
    passed("shrink")


def _shrink_mistakes(image: Tensor, k: int, wanted: Tensor) -> Iterator[Mistake]:
    rows, columns = wanted.shape
    blocks = image.reshape(rows, k, columns, k)
    for u in range(k):
        for v in range(k):
            yield "every-kth", blocks[:, u, :, v]
    yield "sum", wanted * k * k
    yield "half-divided", wanted * k
    up_and_down, across = blocks.mean(1), blocks.mean(3)  # (H/k, W/k, k), (H/k, k, W/k)
    yield "one-axis", up_and_down.flatten(1)
    yield "one-axis", across.flatten(0, 1)
    for place in range(k):
        yield "one-axis", up_and_down[..., place]
        yield "one-axis", across[:, place]
    yield "wrong-blocks", image.reshape(rows, columns, k * k).mean(2)
    yield "wrong-blocks", image.reshape(k, k, rows, columns).mean((0, 1))
    yield "far-apart", image.reshape(k, rows, k, columns).mean((0, 2))
    yield "far-apart", image.reshape(rows, k, k, columns).mean((1, 2))
    yield "far-apart", image.reshape(k, rows, columns, k).mean((0, 3))
    yield "transposed", wanted.T
    yield "extreme", blocks.amax((1, 3))
    yield "extreme", blocks.amin((1, 3))
