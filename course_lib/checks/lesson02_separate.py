"""Checks for exercise 2.7 of lesson 02: a kernel of rank one as a product of two vectors."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer, asked, described, tensor_from
from course_lib.checks.probes import noise
from course_lib.checks.tensors import same as alike

SEPARATE = {
    "swapped": "You return the row first. In w[u, v] = a[u] b[v] the first factor belongs to the "
    "rows, and outer(a, b) of yours is the kernel mirrored at its diagonal.",
    "not-divided": "Your outer(a, b) is the kernel times its number w[0, 0]. That number is in "
    "your column and in your row, so the product holds it once too often.",
    "singular-value": "Your outer(a, b) differs from the kernel by a power of its singular "
    "value. The two singular vectors have length 1, so the singular value is the kernel's size: it "
    "belongs into the product once.",
    "sums": "Your factors come from sums over rows and columns. The sums of a product are "
    "a[u] sum(b) and sum(a) b[v], so the product of those is the kernel times the sum of all its "
    "numbers. For an edge detector that sum is zero.",
    "scale": "Your outer(a, b) is the kernel times a constant. Some factor is taken twice or "
    "left out.",
}


def separate(answer: Answer) -> None:
    """Exercise 2.7: a kernel of rank one as a product, and a ValueError for any other."""
    smooth, slope = (torch.tensor(one).double() for one in ([1, 2, 1], [-1, 0, 1]))
    corner = torch.outer(torch.tensor([0, 2, -1]).double(), torch.tensor([0, 1, 3]).double())
    random = torch.outer(noise(4, seed=101), noise(4, seed=102))
    laplacian = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).double()
    bumped = random.clone()
    bumped[2, 3] += 0.1
    largest = random.abs().max()
    slightly = random.clone()
    slightly[2, 3] += 1e-6 * largest
    for name, kernel in {
        "A random product of two vectors": random,
        "A product whose first row and column are zero": corner,
        "A product whose last row and column are zero": corner.flip(0, 1),
        "Sobel's kernel across": torch.outer(smooth, slope),
        "Sobel's kernel down": torch.outer(slope, smooth),
        "The 5 x 5 blur": torch.full((5, 5), 1 / 25).double(),
        "A kernel of one number": torch.tensor([[-3.0]]).double(),
        "A product with rounding errors in it": random + 1e-12 * largest * noise(4, 4, seed=104),
    }.items():
        _judge_factors(answer, name, kernel)
    for name, kernel in {
        "the Laplacian": laplacian,
        "a random kernel": noise(4, 4, seed=103),
        "the unit matrix": torch.eye(3).double(),
        "a product of which one number was changed": bumped,
        "a product of which one number was changed by a millionth": slightly,
    }.items():
        if not isinstance(_factors(answer, kernel), ValueError):
            fail(
                "accepts-other-ranks",
                f"Your function splits {name}, whose rank is not one. No column times a row gives "
                "that kernel, so whoever uses your factors filters with another one.",
            )

    def fits(size: float) -> bool:
        pair = _factors(answer, size * random)
        return not isinstance(pair, ValueError) and alike(torch.outer(*pair) / size, random)

    small = _factors(answer, 1e-12 * laplacian)
    if not (fits(1e12) and fits(1e-12) and isinstance(small, ValueError)):
        fail(
            "absolute-tolerance",
            "Whether you split a kernel, or into what, depends on how large its numbers are. The "
            "rank does not change when a kernel is multiplied by a number: measure rounding errors "
            "against the largest weight, and add nothing to what you divide by.",
        )
    passed("separate")


def _factors(answer: Answer, kernel: Tensor) -> tuple[Tensor, Tensor] | ValueError:
    """The pair that the answer returns, or the ValueError that it raises."""
    try:
        result = asked(answer, kernel)
    except CheckFailed as refusal:
        if refusal.hint == "error" and isinstance(refusal.__context__, ValueError):
            return refusal.__context__
        raise
    if not isinstance(result, list | tuple) or len(result) != 2:
        fail("type", f"A pair (a, b) is asked for, got {described(result)}.")
    for one in result:
        if not isinstance(one, Tensor):
            fail("type", f"Each of a and b is a tensor, got {described(one)}.")
    return tuple(one.detach().double() for one in result)


def _judge_factors(answer: Answer, name: str, kernel: Tensor) -> None:
    pair = _factors(answer, kernel)
    if isinstance(pair, ValueError):
        said = " ".join(str(pair).split())[:100]
        fail(
            "refuses-rank-one",
            f"{name} is of rank one, and your function raises ValueError ({said}). Entries, sums "
            "and determinants that are zero do not tell the ranks apart, and a tolerance far below "
            "a thousand-millionth of the largest weight takes rounding errors for a rank.",
        )
    for one in pair:
        if not one.isfinite().all():
            _refuse_division(name, kernel, pair)
        tensor_from(one, (len(kernel),))
    a, b = pair
    product = torch.outer(a, b)
    if alike(product, kernel):
        return
    length, total = kernel.norm(), kernel.sum()
    for hint, wrong in (
        ("swapped", kernel.T),
        ("not-divided", kernel[0, 0] * kernel),
        ("singular-value", kernel / length),
        ("singular-value", kernel * length),
        ("sums", kernel * total),
        ("sums", kernel * total / kernel.numel()),
        ("scale", kernel * (product * kernel).sum() / length**2),
    ):
        if alike(product, wrong):
            fail(hint, SEPARATE[hint])
    fail("values", f"{name} is not outer(a, b) of what you return.")


def _refuse_division(name: str, kernel: Tensor, pair: tuple[Tensor, Tensor]) -> None:
    if kernel[0, 0] == 0:
        fail(
            "zero-corner",
            f"{name} makes you divide by zero. Every kernel has a number w[0, 0], and nothing "
            "says that it is not zero. Divide by one that cannot be zero.",
        )
    if all(one.isnan().all() for one in pair):
        fail(
            "nan",
            f"{name} makes all numbers of both factors NaN. The root of a negative weight does "
            "that: divide one factor by the weight itself, or take the root of its absolute value "
            "and give the sign to one of the two.",
        )
    if kernel.sum() == 0:
        fail(
            "sums",
            f"{name} makes you divide by zero. The sum of its numbers is zero, as for every edge "
            "detector, and so is its middle one. Divide by something that cannot be zero.",
        )
    fail("nan", f"{name} makes you divide by zero: your factors are not finite.")
