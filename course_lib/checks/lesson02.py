"""Checks for the exercises of lesson 02: output sizes, and the convolution of mathematics.

Those of the layer and its windows, of the faster ways and of separable kernels have files of
their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from numbers import Integral, Real

from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described
from course_lib.checks.lesson02_faster import correlate_fft, multiply_adds_saved
from course_lib.checks.lesson02_layer import conv2d, im2col
from course_lib.checks.lesson02_separate import separate
from course_lib.checks.probes import Mistake, judge, noise, real_from

__all__ = [
    "conv2d",
    "convolve",
    "correlate_fft",
    "im2col",
    "multiply_adds_saved",
    "output_size",
    "separate",
]

#: (H, K, S, P, D) of which the window fits at least once, the plainest first.
SIZES = [
    (H, K, S, P, D)
    for D, P, S, K, H in product((1, 2, 3), (0, 1, 2), (1, 2, 3), (3, 2, 4, 1), range(1, 15))
    if H + 2 * P >= D * (K - 1) + 1
]
#: Those among them in which no mistaken formula divides a negative number.
ROOMY = [(H, K, S, P, D) for H, K, S, P, D in SIZES if H > D * K]

Formula = Callable[[int, int, int, int, int], int]
SIZE_MISTAKES: list[tuple[str, Formula, str]] = [
    (
        "rounded-up",
        lambda H, K, S, P, D: math.ceil((H + 2 * P - D * (K - 1) - 1) / S) + 1,
        "The last of these windows reaches beyond the padded image. A step that does not fit is "
        "not taken.",
    ),
    (
        "rounded-up",
        lambda H, K, S, P, D: round((H + 2 * P - D * (K - 1) - 1) / S) + 1,
        "You round to the nearest whole number, which is sometimes the next larger one. A step "
        "that does not fit is not taken.",
    ),
    (
        "no-first",
        lambda H, K, S, P, D: (H + 2 * P - D * (K - 1) - 1) // S,
        "That is how often the window can be moved. It already stood somewhere before it was "
        "moved for the first time.",
    ),
    (
        "one-inside",
        lambda H, K, S, P, D: (H + 2 * P - D * (K - 1)) // S,
        "You add 1 before you divide by the stride. The first window is there before any step is "
        "taken, whatever the stride.",
    ),
    (
        "one-too-many",
        lambda H, K, S, P, D: (H + 2 * P - D * (K - 1)) // S + 1,
        "You let the window move over one pixel more than there is. The first pixel has the "
        "number 0, so the last one has a number that is smaller by 1 than the size.",
    ),
    (
        "one-sided",
        lambda H, K, S, P, D: (H + P - D * (K - 1) - 1) // S + 1,
        "You count the border once. An image has zeros above it and below it.",
    ),
    (
        "no-padding",
        lambda H, K, S, P, D: (H - D * (K - 1) - 1) // S + 1,
        "Your answer ignores P. The window may lie on the border of zeros, so the border makes "
        "room for more windows.",
    ),
    *(
        (
            "dilated-size",
            formula,
            "You count D pixels for each of the kernel's numbers. Dilation widens the gaps between "
            "them, and there are fewer gaps than numbers.",
        )
        for formula in (
            lambda H, K, S, P, D: (H + 2 * P - D * K - 1) // S + 1,
            lambda H, K, S, P, D: (H + 2 * P - D * K) // S + 1,
        )
    ),
    (
        "no-dilation",
        lambda H, K, S, P, D: (H + 2 * P - K) // S + 1,
        "Your answer ignores D. A kernel whose numbers lie further apart covers more pixels and "
        "fits less often.",
    ),
    (
        "no-stride",
        lambda H, K, S, P, D: H + 2 * P - D * (K - 1),
        "Your answer ignores S. A window that moves by several pixels at a time stands at fewer "
        "places.",
    ),
]


def output_size(answer: Answer) -> None:
    """Exercise 2.1: output pixels along one side."""
    got = {}
    for case in SIZES:
        got[case] = asked(answer, *case)
        if not isinstance(got[case], Real) or isinstance(got[case], bool):
            fail("type", f"A whole number is asked for, got {described(got[case])}.")
    for case, value in got.items():
        if value % 1 != 0:
            fail(
                "fraction",
                f"{_sizes(case)} you count {value:g} windows. A window is there or it is not: what "
                "is left over at the end is too short for another step.",
            )
    if not all(isinstance(value, Integral) for value in got.values()):
        fail(
            "type",
            "Your numbers are whole but of type float, as in 5.0. A shape is made of integers: "
            "torch.zeros refuses anything else.",
        )
    wrong = [case for case in SIZES if got[case] != _windows(*case)]
    for hint, formula, why in SIZE_MISTAKES:
        case = next((case for case in ROOMY if case in wrong), None)
        if case and all(got[case] == formula(*case) for case in ROOMY):
            fail(hint, f"{_sizes(case)} your answer is {got[case]}. {why}")
    if wrong:
        case = wrong[0]
        fail(
            "values",
            f"{_sizes(case)} your answer is {got[case]}, and {_windows(*case)} is right. Draw the "
            "padded pixels and lay the window on them.",
        )
    passed("output_size")


def _sizes(case: tuple[int, ...]) -> str:
    listed = ", ".join(f"{letter} = {value}" for letter, value in zip("HKSPD", case, strict=True))
    return f"For {listed}"


def _windows(H: int, K: int, S: int, P: int, D: int) -> int:
    """The oracle of 2.1: lay the window on the padded pixels, and move it until it hangs over."""
    count, last = 0, D * (K - 1)  # `last`: the last pixel under the window
    while last < H + 2 * P:
        count, last = count + 1, last + S
    return count


CONVOLVE = {
    "full": "You also return the places where the window hangs over the edge, with zeros for what "
    "is missing there. Asked for are those where the window lies on the image with all its pixels.",
    "padded": "Your result is as large as the image, so some of its windows hang over the edge. "
    "Asked for are those where the window lies on the image with all its pixels.",
    "not-flipped": "Your answer is the cross-correlation (2.1), in which w[u, v] meets the pixel u "
    "rows further down. Deep learning calls that convolution, mathematics does not. In (2.2) the "
    "pixel is u rows further up.",
    "one-axis": "Your kernel runs backwards along one axis, and still forwards along the other. "
    "(2.2) has a minus sign in both indices.",
    "transposed": "You mirror the kernel at a diagonal: its rows and columns change places. In "
    "(2.2) u still belongs to the rows and v to the columns, and each of the two runs backwards.",
    "quarter-turn": "Your kernel is turned by 90 degrees, so what was a row lies along a column. "
    "Both indices running backwards is another turn.",
    "result-turned": "Your numbers are right and stand in the wrong places: the result is turned "
    "by 180 degrees. Turn one of the two, kernel or image; if it is the image, the result has to "
    "be turned back.",
}


def convolve(answer: Answer) -> None:
    """Exercise 2.2: the convolution of mathematics, where the window lies inside the image."""
    for seed, (H, W, K) in enumerate([(7, 6, 3), (6, 9, 4), (5, 4, 2), (4, 5, 1), (3, 3, 3)]):
        x, w = noise(H, W, seed=20 + seed), noise(K, K, seed=30 + seed)
        got = real_from(asked(answer, x, w))
        case = f"For an image of {H} x {W} and a kernel of {K} x {K}"
        judge(got, _backwards(x, w), _convolve_mistakes(x, w, got), CONVOLVE, case)
    passed("convolve")


def _backwards(x: Tensor, w: Tensor) -> Tensor:
    """The oracle of 2.2, equation (2.2) as it stands, for all inner places at once."""
    K, (H, W) = len(w), x.shape
    terms = (w[u, v] * x[K - 1 - u : H - u, K - 1 - v : W - v] for u in range(K) for v in range(K))
    return sum(terms, x.new_zeros(H - K + 1, W - K + 1))


def _convolve_mistakes(x: Tensor, w: Tensor, got: Tensor) -> Iterator[Mistake]:
    K, (H, W) = len(w), x.shape
    if got.shape == (H + K - 1, W + K - 1):
        yield "full", got
    if got.shape == (H, W):
        yield "padded", got
    yield "not-flipped", _backwards(x, w.flip(0, 1))
    yield "one-axis", _backwards(x, w.flip(0))
    yield "one-axis", _backwards(x, w.flip(1))
    yield "transposed", _backwards(x, w.T)
    yield "transposed", _backwards(x, w.T.flip(0, 1))
    yield "quarter-turn", _backwards(x, w.rot90(1))
    yield "quarter-turn", _backwards(x, w.rot90(-1))
    yield "result-turned", _backwards(x, w).flip(0, 1)
