"""The check of lesson 11's exercise 11.6: the spectral radius of a game's step."""

from __future__ import annotations

import cmath
from collections.abc import Iterator

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described

Game = tuple[float, float, float, float]
Matrix = tuple[float, float, float, float]  # row by row
CASES: list[tuple[Game, float, float]] = [
    ((1.0, 2.0, 2.0, 1.0), 0.1, 4.0),
    ((0.3, 1.7, 0.9, 1.2), 0.2, 0.5),
    ((0.5, 0.4, 0.6, 1.5), 0.3, 7.0),
    ((0.2, 1.0, 3.0, 0.8), 0.15, 2.5),
]


def _roots(matrix: Matrix) -> tuple[complex, complex]:
    """Eigenvalues from trace and determinant."""
    p, q, r, s = matrix
    trace, determinant = p + s, p * s - q * r
    root = cmath.sqrt(trace * trace - 4 * determinant)
    return (trace + root) / 2, (trace - root) / 2


def _step(game: Game, rate: float, ratio: float) -> Matrix:
    a, b, c, d = game
    return 1 + rate * a, -rate * b, ratio * rate * c, 1 - ratio * rate * d


def _wrong(game: Game, rate: float, ratio: float) -> Iterator[tuple[str, float, str]]:
    a, b, c, d = game
    right = _roots(_step(game, rate, ratio))
    slow = (1 + ratio * rate * a, -ratio * rate * b, rate * c, 1 - rate * d)
    yield (
        "ratio-on-generator",
        max(map(abs, _roots(slow))),
        "You multiply the generator's rate by the ratio. It is the discriminator's rate over the "
        "generator's.",
    )
    p, q, r, s = _step(game, rate, ratio)
    yield (
        "no-identity",
        max(map(abs, _roots((p - 1, q, r, s - 1)))),
        "You take the eigenvalues of the change, not of the step. A step keeps the old numbers and "
        "adds the change: the identity is missing.",
    )
    yield (
        "real-part",
        max(one.real for one in right),
        "You take the largest real part. That decides in continuous time; for steps the absolute "
        "value of the complex number counts.",
    )
    yield (
        "smallest",
        min(map(abs, right)),
        "You return the smaller of the two absolute values. The larger one decides: that part of "
        "the motion stays.",
    )
    # The discriminator first, then the generator with its new number.
    fast = ratio * rate
    alternating = (
        1 + rate * a - rate * b * fast * c,
        -rate * b * (1 - fast * d),
        fast * c,
        1 - fast * d,
    )
    yield (
        "alternating",
        max(map(abs, _roots(alternating))),
        "You let one player answer the other's new number. Here both move at once, from the old "
        "numbers.",
    )
    yield (
        "same-rate",
        max(map(abs, _roots(_step(game, rate, 1.0)))),
        "Your result does not depend on the ratio.",
    )
    yield (
        "sign",
        max(map(abs, _roots((1 + rate * a, rate * b, fast * c, 1 - fast * d)))),
        "One of the two answers has the wrong sign. Theta goes down where psi is positive (-b), "
        "and psi goes up where theta is positive (+c).",
    )


def radius(answer: Answer) -> None:
    """Exercise 11.6, against the roots of the characteristic polynomial."""
    found = []
    for game, rate, ratio in CASES:
        result = asked(answer, game, rate, ratio)
        try:
            value = complex(result)
        except (TypeError, ValueError, RuntimeError):
            fail("type", f"One number is asked for, got {described(result)}.")
        if abs(value.imag) > 1e-9:
            fail(
                "complex",
                "Your number is complex. The absolute value of the eigenvalue is asked for.",
            )
        found.append(value.real)
    right = [max(map(abs, _roots(_step(*case)))) for case in CASES]
    if _all_near(found, right):
        passed("radius")
        return
    for columns in zip(*(list(_wrong(*case)) for case in CASES), strict=True):
        if _all_near(found, [value for _, value, _ in columns]):
            fail(columns[0][0], columns[0][2])
    fail("wrong", "Your number is not the spectral radius of the step in equation (11.3).")


def _all_near(found: list[float], wanted: list[float]) -> bool:
    return all(abs(x - y) < 1e-5 for x, y in zip(found, wanted, strict=True))
