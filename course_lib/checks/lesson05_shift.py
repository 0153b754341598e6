"""The check of lesson 05's exercise 5.4: images that are moved by random whole pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer, asked, described, generator, tensor_from

#: Many small images for the frequencies, B, C, H, W, and the largest shift.
MANY, PIXELS = (3000, 2, 6, 5), 2
#: How far a count may be from the expected one, in standard deviations.
DEVIATIONS = 6


def random_shift(answer: Answer) -> None:
    """Exercise 5.4: where did each image go, how often, and by whose numbers?"""
    images = _images(540, MANY)
    result = _ask(answer, images, PIXELS, generator(541))
    shifts = _shifts(result, images)  # (B, 2)
    _judge_reach(shifts)
    _judge_frequencies(shifts)
    few = _images(543, (40, 1, 5, 7))
    for seed, some, pixels in ((544, few, 1), (545, few, 4), (546, few[:1], 3)):
        got = _ask(answer, some, pixels, generator(seed))
        if _shifts(got, some).abs().max() > pixels:
            fail("too-far", f"With pixels = {pixels} one of your images moves further than that.")
    try:
        still = _ask(answer, few, 0, generator(547))
    except CheckFailed as refusal:
        if refusal.hint in ("error", "shape"):
            fail(
                "zero-pixels",
                "For pixels = 0 your answer stops with an error or returns images of another size. "
                "They are to stay as they are. Mind that a slice that ends at -0 is empty.",
            )
        raise
    if not torch.equal(still, few):
        fail("zero-pixels", "For pixels = 0 your images change. They are to stay where they are.")
    _judge_source(answer, few)
    passed("random_shift")


def _images(seed: int, shape: tuple[int, ...]) -> Tensor:
    """Images without -1 and 0: no two pixels are alike, so that each can be recognised."""
    bright = 0.1 + 0.9 * torch.rand(shape, generator=generator(seed))
    dark = torch.rand(shape, generator=generator(seed + 1000)) < 0.5
    return torch.where(dark, -0.9 * bright, bright)


def _ask(answer: Answer, images: Tensor, pixels: int, source: torch.Generator) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        # Seeded, so that a mistake that draws from torch's own generator gets the same hint.
        torch.default_generator.manual_seed(54)
        result = asked(answer, images, pixels, source)
    got = tensor_from(result, tuple(images.shape))
    if got.dtype != images.dtype:
        fail("type", f"Images of type {images.dtype} are asked for, got {described(got)}.")
    return got


def _moved(images: Tensor, down: int, right: int) -> Tensor:
    """The oracle: what a window sees that looks at a large black field with the images in it."""
    height, width = images.shape[2:]
    field = images.new_full((*images.shape[:2], 3 * height, 3 * width), -1.0)
    field[:, :, height + down : 2 * height + down, width + right : 2 * width + right] = images
    return field[:, :, height : 2 * height, width : 2 * width]


def _padded(mode: str, value: float | None = None) -> Callable[[Tensor, int, int], Tensor]:
    def moved(images: Tensor, down: int, right: int) -> Tensor:
        height, width = images.shape[2:]
        rim = 3  # no image of this check moves further by one of these mistakes
        wide = F.pad(images, (rim,) * 4, mode=mode, value=value)
        return wide[:, :, rim - down :, rim - right :][:, :, :height, :width]

    return moved


FILLINGS: tuple[tuple[str, Callable[[Tensor, int, int], Tensor], str], ...] = (
    (
        "wraps",
        lambda images, down, right: images.roll((down, right), (2, 3)),
        "In your images, what leaves on one side comes back on the other. A shoe's heel would "
        "float before its toe. What comes in from outside is to be -1.",
    ),
    (
        "filled-with-zero",
        _padded("constant", 0.0),
        "In your images, what comes in from outside is 0: in the range from -1 to 1 that is grey. "
        "The network would learn how far an image was moved. Black is -1.",
    ),
    (
        "border-repeated",
        _padded("replicate"),
        "In your images, what comes in from outside repeats the border. It is to be -1.",
    ),
    (
        "border-mirrored",
        _padded("reflect"),
        "In your images, what comes in from outside is a mirror image. It is to be -1.",
    ),
)


def _shifts(result: Tensor, images: Tensor) -> Tensor:
    """How far each image was moved, down and to the right: (B, 2)."""
    found = _found(result, images, _moved)
    if found is not None:
        return found
    for hint, moved, message in FILLINGS:
        if _found(result, images, moved, reach=3) is not None:
            fail(hint, message)
    if images.shape[1] > 1:
        channels = [(result[:, c : c + 1], images[:, c : c + 1]) for c in range(images.shape[1])]
        if all(_found(*pair, _moved) is not None for pair in channels):
            fail(
                "channels-apart",
                "Your channels move by different numbers. An image moves as a whole: its channels "
                "are what one pixel holds.",
            )
    fail(
        "values",
        "Some of your images are not the given ones, moved by whole pixels and filled with -1. "
        "Each row and each column of the result is one of the image, or -1 all over.",
    )


def _found(
    result: Tensor,
    images: Tensor,
    moved: Callable[[Tensor, int, int], Tensor],
    reach: int | None = None,
) -> Tensor | None:
    """The shift that explains each image, or None if some image has none."""
    height, width = (min(side - 1, reach or side) for side in images.shape[2:])
    shifts = torch.full((len(images), 2), 1000)
    steps = [(d, r) for d in range(-height, height + 1) for r in range(-width, width + 1)]
    # The smallest first: a pixel that wraps round may have come both ways.
    for down, right in sorted(steps, key=lambda step: abs(step[0]) + abs(step[1])):
        same = (result - moved(images, down, right)).abs().amax((1, 2, 3)) < 1e-6
        shifts[same & (shifts[:, 0] == 1000)] = torch.tensor([down, right])
    return None if (shifts == 1000).any() else shifts


def _judge_reach(shifts: Tensor) -> None:
    """Shifts of single images, independent along both sides, and as far as allowed."""
    down, right = shifts.unbind(1)
    if (shifts == 0).all():
        fail("still", "None of your images moves. Each is to move by random numbers of its own.")
    alike = [len(one.unique()) == 1 for one in (down, right)]
    if not all(alike) and ((down == 0).all() or (right == 0).all()):
        fail("one-side", "All your images move along the same side. Each moves along both sides.")
    if any(alike):
        fail(
            "one-for-all",
            "All your images move by the same number along one side at least. Each is to have its "
            "own: draw as many numbers as there are images.",
        )
    if (down == right).all() or (down == -right).all():
        fail(
            "diagonal",
            "Your images move along a diagonal: the shift along the rows is that along the "
            "columns. The two are to be independent, so draw twice.",
        )
    if shifts.abs().max() < PIXELS:
        fail(
            "too-near",
            f"With pixels = {PIXELS} none of your images moves by {PIXELS}, which is possible too.",
        )
    if shifts.abs().max() > PIXELS:
        fail(
            "too-far",
            f"With pixels = {PIXELS} some of your images move by {int(shifts.abs().max())}. "
            "The largest shift to either side is `pixels`.",
        )
    for one in (down, right):
        least, largest = int(one.min()), int(one.max())
        if (least, largest) in ((-PIXELS, PIXELS - 1), (1 - PIXELS, PIXELS)):
            fail(
                "open-end",
                f"With pixels = {PIXELS} your shifts go from {least} to {largest}, in {MANY[0]} "
                "images. torch.randint never draws the number that is given as its end.",
            )
        if least >= 0 or largest <= 0:
            fail(
                "one-way",
                "Along one side your images move in one direction only. Shifts go from -pixels to "
                "pixels.",
            )


def _judge_frequencies(shifts: Tensor) -> None:
    """All (2 pixels + 1)^2 pairs of shifts equally often."""
    span = 2 * PIXELS + 1
    for axis in (0, 1):
        counts = torch.bincount(shifts[:, axis] + PIXELS, minlength=span)
        if _far(counts, len(shifts) / span):
            fail(
                "not-uniform",
                "Along one side your shifts are not equally frequent. Every whole number from "
                "-pixels to pixels has the same probability; rounding a uniform number gives both "
                "ends half of it.",
            )
    pairs = torch.bincount((shifts + PIXELS) @ torch.tensor([span, 1]), minlength=span**2)
    if _far(pairs, len(shifts) / span**2):
        fail(
            "dependent",
            "Along each side your shifts are right, but one side depends on the other. Every pair "
            "of two shifts has the same probability.",
        )


def _far(counts: Tensor, expected: float) -> bool:
    return bool((counts - expected).abs().max() > DEVIATIONS * expected**0.5)


def _judge_source(answer: Answer, images: Tensor) -> None:
    """The same generator, the same shifts; a generator that was used, other ones."""

    def with_global(seed: int, source: torch.Generator) -> Any:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            before = torch.get_rng_state()
            result = asked(answer, images, 2, source)
            return result, torch.equal(before, torch.get_rng_state())

    source = generator(548)
    (first, untouched), (next_one, _) = with_global(1, source), with_global(1, source)
    again, _ = with_global(2, generator(548))
    other, _ = with_global(1, generator(549))
    if not torch.equal(first, again) or not untouched:
        fail(
            "global-generator",
            "With the same generator your images move differently, or torch's global generator is "
            "used up. All random numbers are to come from the one that is handed in, or an "
            "experiment cannot be repeated.",
        )
    if torch.equal(first, other):
        fail(
            "own-seed",
            "With generators of different seeds your images move alike. You seed one yourself: "
            "every batch of a training would be moved in the same way.",
        )
    if torch.equal(first, next_one):
        fail(
            "generator-not-advanced",
            "Two calls with the same generator move the images alike. You draw from a copy of it, "
            "or set it back. It is to go on from where it stands.",
        )
