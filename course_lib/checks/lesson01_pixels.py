"""Checks for exercise 1.6 of lesson 01: every pixel from a training image of its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer, asked, described, generator, random_bytes, tensor_from

PIXELS = {
    "invented": "Your samples hold values that the pixel has in no image. (1.7) draws from the "
    "values that are there and from none in between: a pixel that is black or white is never grey.",
    "uniform": "Your values lie anywhere between the least and the greatest number of all images. "
    "A pixel at the edge that is black in every image must stay black: draw each from its own "
    "values.",
    "places-lost": "Your values occur in the images, but at other places. Each pixel has a "
    "distribution p_k of its own: its value has to come from the same place of some image.",
    "copies": "Each of your samples is one whole training image. That image is chosen anew for "
    "each sample, and has to be chosen anew for each pixel.",
    "same-choice": "All your samples are the same picture. The choice of images, one for each "
    "pixel, has to be made anew for each sample.",
    "together": "Some pixels of your samples always come from the same image, for example those of "
    "one row, of one column, or the channels of one place. (1.7) is a product over all C H W "
    "numbers: each makes a choice of its own.",
    "uneven": "Some images are chosen far more often or more rarely than others, perhaps the last "
    "one never. Each value must come up as often as it does in the data.",
    "generator-ignored": "Two calls with generators of the same seed give different samples, or "
    "calls with different seeds give the same ones. All randomness must come from the generator "
    "that is given, or nobody can repeat your experiment.",
    "type": "Your samples have another type than the images. They are values of the images.",
}


def independent_pixels(answer: Answer) -> None:
    """Exercise 1.6: each number of a sample from a training image of its own."""
    images = _unmistakable(4, (2, 3, 4))
    drawn = _drawn(answer, images, 1500, seed=171)
    _judge_values(images, drawn)
    _judge_choices(images, drawn)
    again, other = (_drawn(answer, images, 1500, seed) for seed in (171, 172))
    if not torch.equal(drawn, again) or torch.equal(drawn, other):
        fail("generator-ignored", PIXELS["generator-ignored"])
    # Other types and sizes: more images than samples, and a single image.
    for seed, (N, count) in enumerate([(9, 3), (1, 2)]):
        pictures = random_bytes(0, 256, (N, 1, 2, 5), seed=173 + seed)
        _judge_values(pictures, _drawn(answer, pictures, count, seed=175))
    passed("independent_pixels")


def _unmistakable(N: int, shape: tuple[int, ...]) -> Tensor:
    """Images in float32 in which no number occurs twice, and each place has a range of its own."""
    places = torch.arange(shape[0] * shape[1] * shape[2]).float().reshape(shape)
    return 10 * places + torch.rand(N, *shape, generator=generator(170))


def _drawn(answer: Answer, images: Tensor, count: int, seed: int) -> Tensor:
    try:
        result: Any = asked(answer, images, count, generator(seed))
    except CheckFailed as refusal:
        if refusal.hint == "error" and count > len(images):
            fail(
                "error",
                f"{refusal}. The check asked for {count} samples from {len(images)} images: an "
                "image may be chosen again.",
            )
        raise
    got = tensor_from(result, (count, *images.shape[1:]))
    if got.is_complex():
        fail("type", f"A tensor of real numbers is asked for, got {described(got)}.")
    return got


def _judge_values(images: Tensor, drawn: Tensor) -> None:
    """Every number must be one that its place has in some image, of the same type."""
    if not (drawn[:, None] == images[None]).any(1).all():
        known = torch.isin(drawn.double(), images.double())
        if known.all():
            fail("places-lost", PIXELS["places-lost"])
        inside = (drawn >= images.amin(0) - 1) & (drawn <= images.amax(0) + 1)
        hint = "invented" if inside.float().mean() > 0.5 else "uniform"
        fail(hint, PIXELS[hint])
    if drawn.dtype != images.dtype:
        fail("type", f"{PIXELS['type']} Asked for is {images.dtype}, got {drawn.dtype}.")


def _judge_choices(images: Tensor, drawn: Tensor) -> None:
    """The images that the numbers came from must be independent and equally frequent."""
    N, count = len(images), len(drawn)
    # (count, places): the number of the image in which the value stands at this place
    chosen = (drawn[:, None] == images[None]).float().argmax(1).flatten(1)
    if (chosen == chosen[:, :1]).all():
        fail("copies", PIXELS["copies"])
    if (chosen == chosen[:1]).all():
        fail("same-choice", PIXELS["same-choice"])
    frequencies = torch.stack([(chosen == image).float().mean(0) for image in range(N)])
    slack = 6 * (1 / N * (1 - 1 / N) / count) ** 0.5  # six deviations: never by chance
    agree = (chosen[:, :, None] == chosen[:, None, :]).float().mean(0)  # (places, places)
    excess = agree - frequencies.T @ frequencies  # beyond what independent choices have
    if (excess.fill_diagonal_(0).abs() > slack).any():
        fail("together", PIXELS["together"])
    if ((frequencies - 1 / N).abs() > slack).any():
        fail("uneven", PIXELS["uneven"])
