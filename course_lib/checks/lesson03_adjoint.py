"""The check of lesson 03's exercise 3.6: is a test for adjoints fooled?"""

from __future__ import annotations

from typing import NoReturn

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described
from course_lib.checks.tensors import gaussians


class Map:
    """A linear map as a function on float64 vectors, which remembers whether it was called."""

    def __init__(self, name: str, matrix: Tensor) -> None:
        self.name, self.matrix = name, matrix
        self.called = False

    def __call__(self, vector: Tensor) -> Tensor:
        """The matrix times the vector."""
        length = self.matrix.shape[1]
        if (
            not isinstance(vector, Tensor)
            or vector.shape != (length,)
            or vector.dtype != torch.float64
        ):
            raise TypeError(
                f"{self.name} takes a float64 vector of shape ({length},), got {described(vector)}"
            )
        self.called = True
        return self.matrix @ vector


def is_adjoint(answer: Answer) -> None:
    """Exercise 3.6: pairs that are adjoint, and pairs that only look like it."""
    tall, square = gaussians(360, 5, 7), gaussians(361, 6, 6)
    # Two sums of so few products agree to the last digit by luck in one draw of four.
    for seed in (360, *range(3600, 3612)):
        one = gaussians(seed, 5, 7)
        if not _says(answer, one, one.T):
            _explain_refusal(answer)
    if _says(answer, tall, 2 * tall.T):
        fail(
            "scale",
            "You accept a map that gives twice what the adjoint gives. The two dot products must "
            "be equal; a common sign or direction is not enough.",
        )
    if _says(answer, tall, 1.01 * tall.T):
        fail(
            "loose",
            "You accept a map that is wrong by one per cent. In float64 the two numbers agree to "
            "more than ten digits, so your tolerance may be far smaller.",
        )
    if _says(answer, tall, 1.0001 * tall.T):
        fail(
            "loose",
            "You accept a map that is wrong by one part in ten thousand. In float64 the two "
            "numbers agree to more than ten digits, so your tolerance may be far smaller.",
        )
    if _says(answer, tall, -tall.T):
        fail(
            "sign",
            "You accept the adjoint with the opposite sign. Compare the two dot products "
            "themselves, not their sizes.",
        )
    for fixed, hidden in ((0, slice(1, None)), (-1, slice(None, -1))):
        fooling = tall.T.clone()
        fooling[hidden, hidden] += gaussians(362, 6, 4)
        if _says(answer, tall, fooling):
            fail(
                "basis",
                f"You accept a map that is right for the {'first' if fixed == 0 else 'last'} unit "
                "vector and wrong for the others. One fixed unit vector sees one row and one "
                "column of the matrix.",
            )
    if _says(answer, tall, tall.T + _vanishing_on_ones(7, 5)):
        fail(
            "ones",
            "You accept a map that is right for vectors of equal numbers and wrong for others. "
            "Ones only see the sum of all entries of the matrix, in which errors cancel.",
        )
    inverse = torch.linalg.inv(square)
    if _says(answer, square, inverse):
        fail("inverse", "You accept the inverse of a matrix. " + ROUND_TRIP)
    orthogonal = torch.linalg.qr(square).Q
    if not _says(answer, orthogonal, torch.linalg.inv(orthogonal)):
        fail(
            "refuses-orthogonal",
            "You refuse the inverse of an orthogonal matrix. There the inverse is the transpose, "
            "and with it the adjoint.",
        )
    _check_scales(answer, tall)
    if _says(answer, square, square):
        fail(
            "same-vector",
            "You accept a matrix that is not symmetric as its own adjoint. If x and y are the same "
            "vector, the two dot products agree for every matrix. Draw two different ones.",
        )
    one_entry = square.T.clone()
    one_entry[3, 4] += 1
    if _says(answer, square, one_entry):
        fail(
            "basis",
            "You accept a map whose matrix is wrong in one entry. Vectors with zeros at that place "
            "never meet it. Random ones do.",
        )
    passed("is_adjoint")


ROUND_TRIP = (
    "You go there and back and look whether x returns. That is what an inverse does; an adjoint "
    "is defined by dot products on both sides."
)


def _explain_refusal(answer: Answer) -> NoReturn:
    if _says(answer, gaussians(360, 5, 7), gaussians(364, 7, 5)):
        fail(
            "inverted",
            "You refuse a matrix with its transpose, and accept two matrices that have nothing to "
            "do with each other. Have True and False changed places?",
        )
    square = gaussians(361, 6, 6)
    if _says(answer, square, torch.linalg.inv(square)):
        fail("inverse", "You refuse a matrix with its transpose. " + ROUND_TRIP)
    twice = 2 * torch.eye(6, dtype=torch.float64)
    if _says(answer, twice, twice):
        fail(
            "exact",
            "You refuse a matrix with its transpose, and accept maps in which nothing is rounded. "
            "Two sums of rounded numbers are hardly ever equal to the last digit: leave a "
            "tolerance.",
        )
    fail(
        "refuses-adjoint",
        "You refuse a matrix with its transpose. Compare the dot product of A(x) with y, both of "
        "length m, with that of x and B(y), both of length n.",
    )


def _check_scales(answer: Answer, matrix: Tensor) -> None:
    """The same maps in tiny and in large units: what is small depends on the numbers compared."""
    tiny, large = 1e-30 * matrix, 1e12 * matrix
    if _says(answer, tiny, 2 * tiny.T):
        fail(
            "absolute",
            "You accept a wrong map because all of its numbers are tiny. A fixed tolerance is a "
            "statement about units. Compare the difference with the size of what you subtract.",
        )
    if not _says(answer, large, large.T):
        fail(
            "absolute",
            "You refuse a matrix with its transpose because its numbers are large. Round-off grows "
            "with the numbers. Compare the difference with the size of what you subtract.",
        )
    if not _says(answer, tiny, tiny.T):
        fail(
            "tiny",
            "You refuse a matrix with its transpose when all numbers are tiny. Take care that "
            "nothing in your comparison is a size that was right for other numbers.",
        )


def _vanishing_on_ones(rows: int, columns: int) -> Tensor:
    """A matrix whose rows and columns all add up to zero."""
    one = gaussians(363, rows, columns)
    one = one - one.mean(dim=0, keepdim=True)
    return one - one.mean(dim=1, keepdim=True)


def _says(answer: Answer, forward: Tensor, backward: Tensor) -> bool:
    """The answer's verdict on a pair of matrices; what it draws shifts no later draw."""
    m, n = forward.shape
    there, back = Map("A", forward), Map("B", backward)
    with torch.random.fork_rng(devices=[]):
        # Answers may draw from torch's generator; seeded, a mistake gets the same hint each time.
        torch.default_generator.manual_seed(36)
        result = asked(answer, there, back, n, m)
    if isinstance(result, Tensor) and result.numel() == 1:
        fail(
            "type",
            f"True or False is asked for, got {described(result)}. Put `bool(...)` around it.",
        )
    if type(result).__name__ in ("bool_", "bool") and not isinstance(result, bool):
        fail("type", "True or False is asked for, got NumPy's own kind. Put `bool(...)` around it.")
    if not isinstance(result, bool):
        fail("type", f"True or False is asked for, got {described(result)}.")
    if not there.called or not back.called:
        fail(
            "not-called",
            f"You never call {'B' if there.called else 'A'}. What a map does can only be seen "
            "by giving it a vector.",
        )
    return result
