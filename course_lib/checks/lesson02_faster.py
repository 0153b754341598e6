"""Checks for exercises 2.5 and 2.6 of lesson 02: a depthwise layer, and the Fourier transform."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from numbers import Real

import torch
from torch import Tensor

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer, asked, described
from course_lib.checks.probes import Mistake, Watch, judge, noise, real_from
from course_lib.convolution import multiply_adds

Factor = Callable[[int, int, int], float]
SAVED_MISTAKES: list[tuple[str, Factor, str]] = [
    (
        "upside-down",
        lambda C, O, K: (K**2 * C + C * O) / (K**2 * C * O),
        "That is the share of the work which is left. Asked for is how many times as much the full "
        "convolution needs.",
    ),
    (
        "no-pointwise",
        lambda C, O, K: O,
        "You compare with the depthwise convolution alone. Its channels never meet: the 1 x 1 "
        "convolution that mixes them has its price too.",
    ),
    (
        "no-depthwise",
        lambda C, O, K: K**2,
        "You compare with the pointwise convolution alone. It looks at one pixel at a time: what "
        "looks at the neighbours has its price too.",
    ),
    (
        "depthwise-outputs",
        lambda C, O, K: K**2 * C * O / (K**2 * O + C * O),
        "You give the depthwise convolution one kernel for each output channel. It works on the "
        "channels that it is given, and the pointwise one makes O of them afterwards.",
    ),
    (
        "depthwise-full",
        lambda C, O, K: K**2 * C * O / (K**2 * C * C + C * O),
        "Each channel of your depthwise convolution sees all C input channels. Depthwise means "
        "G = C: a channel sees itself only.",
    ),
    (
        "parameters",
        lambda C, O, K: O * (C * K**2 + 1) / (C * (K**2 + 1) + O * (C + 1)),
        "You count parameters with their biases, equation (2.6). The work is counted by (2.7): a "
        "bias is one addition and no multiplication.",
    ),
    (
        "kernel-side",
        lambda C, O, K: K * C * O / (K * C + C * O),
        "You count K products for a window. A window has K rows and K columns.",
    ),
    (
        "difference",
        lambda C, O, K: K**2 * C * O - K**2 * C - C * O,
        "That is a difference for one output pixel, which grows with the layer. A factor says how "
        "many times as much.",
    ),
    (
        "share",
        lambda C, O, K: 1 - (K**2 * C + C * O) / (K**2 * C * O),
        "That is the share of the work which is saved. Asked for is how many times as much the "
        "full convolution needs.",
    ),
    (
        "whole",
        lambda C, O, K: K**2 * C * O // (K**2 * C + C * O),
        "You cut the fraction off. A factor of 1.9 is nearly 2 and not 1.",
    ),
]
#: (C, O, K); in all of them the two steps need less than the one.
LAYERS = [(3, 16, 3), (64, 128, 3), (32, 8, 5), (5, 2, 4), (10, 10, 7)]


def multiply_adds_saved(answer: Answer) -> None:
    """Exercise 2.5: by which factor a depthwise and a pointwise convolution are cheaper."""
    got = []
    for layer in LAYERS:
        value = asked(answer, *layer)
        if not isinstance(value, Real) or isinstance(value, bool):
            fail("type", f"A number is asked for, got {described(value)}.")
        got.append(float(value))
    wanted = [_factor(*layer) for layer in LAYERS]
    if not _near(got, wanted):
        case = "For C = {}, O = {} and K = {} your answer is {:.4g}.".format(*LAYERS[0], got[0])
        for hint, formula, why in SAVED_MISTAKES:
            if _near(got, [formula(*layer) for layer in LAYERS]):
                fail(hint, f"{case} {why}")
        place = next(i for i in range(len(got)) if not _near(got[i : i + 1], wanted[i : i + 1]))
        fail(
            "values",
            "For C = {}, O = {} and K = {} your answer is {:.4g}, and {:.4g} is right. Count the "
            "products of each layer for one output pixel.".format(
                *LAYERS[place], got[place], wanted[place]
            ),
        )
    passed("multiply_adds_saved")


def _factor(C: int, O: int, K: int) -> float:
    """The oracle of 2.5: the layers counted one by one, for a single output pixel."""
    full = multiply_adds((K, K), (O, C, K, K))
    depthwise = multiply_adds((K, K), (C, 1, K, K))
    return full / (depthwise + multiply_adds((1, 1), (O, C, 1, 1)))


def _near(got: list[float], wanted: list[float]) -> bool:
    return all(math.isclose(a, b, rel_tol=1e-5) for a, b in zip(got, wanted, strict=True))


FOURIER = {
    "no-conjugate": "Your product has no complex conjugate in it. It gives the circular "
    "convolution, in which the kernel runs backwards; (2.1) runs forwards.",
    "runs-backwards": "Your numbers are those of (2.2), in which the kernel runs backwards. Either "
    "your product has no complex conjugate, or it has one and you turned the kernel by 180 degrees "
    "as well. Each of the two turns the kernel once: exactly one of them is needed.",
    "conjugate-image": "You conjugate the transform of the image. The bar in (2.10) stands over "
    "the kernel's; over the image's it gives the result mirrored and wrapped around the edge.",
    "not-cropped": "Your result is as large as the image. The transform lets the image begin again "
    "where it ends, so the windows at two of the edges mix pixels from opposite sides.",
    "crop": "The size is right, and you kept the wrong part: some of these windows reach round to "
    "the opposite edge. In (2.1) number (i, j) belongs to the window whose first pixel is (i, j).",
    "kernel-place": "Your result has wandered round the image. Where the kernel stands among the "
    "zeros counts: in (2.1) its first number belongs to the window's first pixel.",
    "odd-width": "For an image with an odd number of columns your result is wrong. Half a spectrum "
    "of 2 n or of 2 n + 1 columns has n + 1 waves, and irfft2 takes the even number unless told.",
    "absolute": "All your numbers are positive or zero. The sum in (2.1) may well be negative, and "
    "an absolute value forgets that: take the real part.",
    "scale": "Your result is right up to a constant factor. Forward and inverse transform have to "
    "be normalised to fit each other, and a product of two transforms takes that factor twice.",
}


def correlate_fft(answer: Answer) -> None:
    """Exercise 2.6: the cross-correlation by way of the Fourier transform."""
    for seed, (H, W, K) in enumerate([(8, 10, 3), (6, 9, 4), (7, 7, 5), (6, 5, 1), (4, 4, 4)]):
        x, w = noise(H, W, seed=80 + seed), noise(K, K, seed=90 + seed)
        with Watch() as watch:
            try:
                result = asked(answer, x, w)
            except CheckFailed as refusal:
                small = {(K, K), (K, K // 2 + 1)}
                if refusal.hint == "error" and small & set(watch.shapes("fft")):
                    fail(
                        "not-padded",
                        "Your kernel's transform has fewer waves than the image's, and the two "
                        "cannot be multiplied. A wave is a wave of the whole image: the kernel "
                        "must first be made as large as the image.",
                    )
                raise
        got, around = real_from(result), _around(x, w)
        wanted = around[: H - K + 1, : W - K + 1]
        case = f"For an image of {H} x {W} and a kernel of {K} x {K}"
        judge(got, wanted, _fourier_mistakes(x, w, got, around), FOURIER, case)
        if not watch.shapes("fft"):
            fail(
                "no-fft",
                "Your numbers are right, but no function of torch.fft was called. The exercise is "
                "to get them by way of (2.10), whose price does not depend on K.",
            )
    passed("correlate_fft")


def _around(x: Tensor, w: Tensor, sign: int = -1) -> Tensor:
    """The circular cross-correlation, or with sign 1 convolution, by moving the whole image."""
    places = [(u, v) for u in range(len(w)) for v in range(len(w))]
    return sum(w[u, v] * x.roll((sign * u, sign * v), (0, 1)) for u, v in places)


def _fourier_mistakes(x: Tensor, w: Tensor, got: Tensor, around: Tensor) -> Iterator[Mistake]:
    K, (H, W) = len(w), x.shape
    rows, columns = H - K + 1, W - K + 1
    wanted = around[:rows, :columns]
    backwards = _around(x, w, 1)
    mirrored = around.flip(0, 1).roll((1, 1), (0, 1))  # number n at the place -n
    for hint, full in (("no-conjugate", backwards), ("conjugate-image", mirrored)):
        yield hint, full[:rows, :columns]
        yield hint, full
    yield "runs-backwards", backwards[K - 1 :, K - 1 :]
    if K > 1:
        yield "odd-width", torch.fft.irfft2(torch.fft.rfft2(around))[:rows, :columns]
    yield "absolute", wanted.abs()
    if got.shape == (H, W):
        yield "not-cropped", got
    if got.shape == wanted.shape:
        factor = (got * wanted).sum() / wanted.square().sum()
        if abs(factor) > 1e-4:
            yield "scale", factor * wanted
    for down in range(H):
        for right in range(W):
            late = {(K - 1, K - 1), (K // 2, K // 2), ((K - 1) // 2, (K - 1) // 2)}
            hint = "crop" if (down, right) in late else "kernel-place"
            yield hint, around.roll((-down, -right), (0, 1))[:rows, :columns]
