"""Checks for the exercises of lesson 00: from bytes to numbers and back, padding, and the data."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import (
    Answer,
    asked,
    close,
    generator,
    random_bytes,
    tensor_from,
)
from course_lib.checks.lesson00_data import epoch_batches, is_intact, mean_images

__all__ = ["epoch_batches", "is_intact", "mean_images", "normalise", "pad_to_32", "to_uint8"]


def normalise(answer: Answer) -> None:
    """Exercise 0.1: uint8 images to float32 in [-1, 1]."""
    ramp = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    got = _numbers_of(answer, ramp)
    black, white = got[0].item(), got[-1].item()
    ends = f"Black (byte 0) becomes {black:.4g} and white (byte 255) becomes {white:.4g}"
    steps = got.diff()
    if (steps < 0).all():
        fail("inverted", f"{ends}. A brighter byte must give a larger number.")
    if (steps < 0).any():
        byte = int((steps < 0).nonzero()[0])
        fail(
            "byte-overflow",
            f"Byte {byte + 1} is brighter than byte {byte}, and your number for it is not larger: "
            f"{got[byte + 1]:.4g} after {got[byte]:.4g}. Arithmetic between bytes stays in bytes "
            "and starts again at 0 after 255. Change the type before you calculate.",
        )
    if (steps == 0).any():
        byte = int((steps == 0).nonzero()[0])
        fail(
            "whole-numbers",
            f"Bytes {byte} and {byte + 1} become the same number, {got[byte]:.4g}. Nearly every "
            "number between -1 and 1 is a fraction: divide with / and not with //, and do not "
            "round.",
        )
    if _near(black, 0) and _near(white, 1):
        fail(
            "range-0-1",
            f"{ends}. A generator that ends in tanh reaches from -1 to 1, so a discriminator could "
            "tell your real images from generated ones by their range alone.",
        )
    if _near(black, -1) and 0.95 < white < 0.9999:
        fail(
            "white-not-one",
            f"{ends}, so white is out of reach. There are 256 bytes, yet only 255 steps from the "
            "first to the last: half of that makes one unit.",
        )
    close(got, _levels(ramp), "Your numbers leave the straight line from -1 to 1")
    dim = random_bytes(40, 90, (3, 1, 5, 7), seed=1)
    got, wanted = _numbers_of(answer, dim), _levels(dim)
    if not torch.allclose(got, wanted, atol=1e-5, rtol=0) and _near(got.max().item(), 1):
        fail(
            "own-range",
            "Images whose brightest byte is 89 come out with a pixel at 1, which means white. You "
            "stretch each batch by its own range, so the same byte means another grey in the next.",
        )
    close(got, wanted, "Dim images come out wrong")
    passed("normalise")


def _numbers_of(answer: Answer, images: Tensor) -> Tensor:
    got = tensor_from(asked(answer, images), images.shape)
    if got.dtype != torch.float32:
        why = (
            "A byte cannot hold a negative number or a fraction."
            if not got.is_floating_point()
            else "The weights of a network are float32, and torch does not mix the two."
        )
        fail("dtype", f"Your images are of type {got.dtype}; float32 is asked for. {why}")
    return got.flatten().double()


def _levels(images: Tensor) -> Tensor:
    """The oracle of 0.1, from whole numbers: (2 b - 255) / 255 for a byte b."""
    return (2 * images.flatten().to(torch.int64) - 255).double() / 255


def to_uint8(answer: Answer) -> None:
    """Exercise 0.2: floats around [-1, 1] back to bytes."""
    wanted = torch.arange(256)
    # Less than half a step from its byte, towards the inside at both ends.
    aside = 0.1 + 0.3 * torch.rand(256, generator=generator(2), dtype=torch.float64)
    aside = torch.where(wanted % 2 == 0, aside, -aside)
    images = ((wanted + aside) * 2 / 255 - 1).float().reshape(1, 1, 16, 16)
    got, wrong = _bytes_of(answer, images), "A value in [-1, 1] comes back as the wrong byte"
    inside = got - wanted
    if (inside[aside < 0] == -1).all() and (inside[aside > 0] == 0).all():
        fail(
            "truncated",
            "Every fraction is cut off: a pixel that lies just below byte 201 comes back as 200. "
            "Conversion to a whole number goes towards zero, so pictures darken a little each time "
            "they are saved.",
        )
    if ((got[20:120] - 2 * wanted[20:120]).abs() <= 1).all():
        fail(
            "double-scale",
            "Mid-grey comes back as white: your bytes are twice as large as they should be. The "
            "interval from -1 to 1 is 2 wide, not 1.",
        )
    bright = images.flatten()[140:250].double() * 255
    if ((got[140:250] - bright).abs() <= 1).all():
        fail(
            "range-0-1",
            "A pixel of 0, which means mid-grey here, comes back as byte 0, which is black. Your "
            "answer takes its images to lie in [0, 1]; these lie in [-1, 1].",
        )
    _same(got, wanted, images, wrong)
    outside = torch.tensor([1.02, 1.3, 3.0, -1.02, -1.3, -3.0]).reshape(1, 1, 2, 3)
    got, wanted = _bytes_of(answer, outside), torch.tensor([255, 255, 255, 0, 0, 0])
    if (got != wanted).any():
        place = int((got != wanted).nonzero()[0])
        fail(
            "wraps",
            f"A pixel of {outside.flatten()[place]:.2f} comes back as byte {got[place]}: it went "
            "round the end of the range. Networks do leave [-1, 1], and black dots in the "
            "brightest places are how one notices.",
        )
    passed("to_uint8")


def _bytes_of(answer: Answer, images: Tensor) -> Tensor:
    got = tensor_from(asked(answer, images), images.shape)
    if got.dtype != torch.uint8:
        fail(
            "dtype",
            f"Your images are of type {got.dtype}; uint8 is asked for. Image files, and "
            "the data set itself, hold bytes.",
        )
    return got.flatten().to(torch.int64)


def pad_to_32(answer: Answer) -> None:
    """Exercise 0.3: 28 x 28 to 32 x 32, black on all sides."""
    for seed, shape in ((3, (3, 1, 28, 28)), (4, (2, 3, 28, 28))):
        images = torch.rand(shape, generator=generator(seed)) * 1.8 - 0.9
        got = tensor_from(asked(answer, images), None)
        if got.shape != (*shape[:2], 32, 32):
            fail(
                "size",
                f"Images of shape {shape} come out as {tuple(got.shape)}; the last two lengths "
                "must be 32 and the others must stay. Count the rows that are missing, and the "
                "sides that share them.",
            )
        if got.dtype != torch.float32:
            fail(
                "dtype",
                f"Your images are of type {got.dtype}; they came as float32 and must stay so.",
            )
        places = [
            (top, left)
            for top, left in product(range(5), repeat=2)
            if torch.allclose(got[..., top : top + 28, left : left + 28], images, atol=1e-6)
        ]
        if not places:
            fail(
                "resized",
                "The original 28 x 28 pixels are nowhere in your image. Resizing blends "
                "neighbouring pixels, and with them the data; padding leaves every pixel as it is.",
            )
        if places[0] != (2, 2):
            top, left = places[0]
            fail(
                "one-sided",
                f"The image has {top} new rows above and {4 - top} below, {left} new columns on "
                f"the left and {4 - left} on the right. Every garment would sit off centre, and a "
                "generator would learn that too.",
            )
        border = torch.ones_like(got, dtype=torch.bool)
        border[..., 2:30, 2:30] = False
        frame = got[border]
        if (frame == 0).all():
            fail(
                "grey",
                "Your border has the value 0. In images from -1 to 1 that is mid-grey, so every "
                "garment gets a grey frame.",
            )
        if (frame != -1).any():
            fail(
                "border",
                f"Your border has values from {frame.min():.3g} to {frame.max():.3g}. The "
                "background of these images is black, and so must the border be.",
            )
    passed("pad_to_32")


def _same(got: Tensor, wanted: Tensor, images: Tensor, what: str) -> None:
    if (got != wanted).any():
        place = int((got - wanted).abs().argmax())
        value = images.flatten()[place]
        fail("values", f"{what}: {value:.4f} as {got[place]}, where {wanted[place]} is right.")


def _near(value: float, target: float) -> bool:
    return abs(value - target) < 1e-4
