"""The check of lesson 08's exercise 8.9: eigenvalues of the Dirac-GAN."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described

#: g, k, gamma: circling, spiralling in, creeping in without a turn, and no push at all.
CASES = ((1.0, 1.0, 0.0), (0.5, 0.3, 0.4), (0.2, 0.5, 1.5), (0.0, 1.0, 0.6))


def _sorted(values: np.ndarray) -> np.ndarray:
    return values[np.lexsort((values.imag.round(9), values.real.round(9)))]


def _of(matrix: list[list[float]]) -> np.ndarray:
    return np.linalg.eigvals(np.array(matrix)).astype(complex)


def _wrong(g: float, k: float, gamma: float) -> Iterator[tuple[str, np.ndarray, str]]:
    right = _of([[0, g], [-k, -gamma]])
    yield (
        "same-sign",
        _of([[0, g], [k, -gamma]]),
        "Your two players pull in the same direction: the product of the off-diagonal entries is "
        "positive. One of them gains what the other loses.",
    )
    yield (
        "anti-damped",
        _of([[0, g], [-k, gamma]]),
        "Your penalty pushes the game outwards. Its slope is gamma psi, and a player goes against "
        "the slope.",
    )
    yield (
        "penalty-on-both",
        _of([[-gamma, g], [-k, -gamma]]),
        "You damp both players. The penalty stands in the discriminator's loss only.",
    )
    yield (
        "double-damping",
        _of([[0, g], [-k, -2 * gamma]]),
        "Your damping is twice as strong. The derivative of gamma psi^2 / 2 is gamma psi.",
    )
    yield (
        "half-damping",
        _of([[0, g], [-k, -gamma / 2]]),
        "Your damping is half as strong. The derivative of gamma psi^2 / 2 is gamma psi.",
    )
    yield (
        "real-part",
        right.real.astype(complex),
        "Your eigenvalues have lost their imaginary parts. They are how fast the game turns; "
        "return complex numbers.",
    )
    yield (
        "one-step",
        1 + right,
        "You return the eigenvalues of one step of length one, I + J. Asked for are those of J.",
    )
    root = np.sqrt(complex(gamma**2 - 4 * g * k))
    yield (
        "not-halved",
        np.array([-gamma + root, -gamma - root]),
        "Your eigenvalues are twice the right ones. The solution of a quadratic equation is "
        "divided by two.",
    )


def dirac_eigenvalues(answer: Answer) -> None:
    """Exercise 8.9, against numpy's eigenvalues of the matrix."""
    for g, k, gamma in CASES:
        got = _sorted(_numbers(asked(answer, g, k, gamma)))
        if not np.isfinite(got).all():
            fail(
                "nan",
                "Your eigenvalues are not finite. The root of a negative number is imaginary: use "
                "complex numbers.",
            )
        right = _sorted(_of([[0, g], [-k, -gamma]]))
        if _alike(got, right):
            continue
        for hint, misled, message in _wrong(g, k, gamma):
            if _alike(got, _sorted(misled)):
                fail(hint, message)
        fail(
            "wrong",
            "Your eigenvalues are not those of the matrix in (8.22). Their sum must be its trace, "
            "and their product its determinant.",
        )
    passed("dirac_eigenvalues")


def _alike(got: np.ndarray, wanted: np.ndarray) -> bool:
    return bool(np.abs(got - wanted).max() < 1e-5)


def _numbers(result: object) -> np.ndarray:
    try:
        if isinstance(result, Tensor):
            result = result.detach().cpu().resolve_conj().numpy()
        values = np.asarray(result, dtype=complex).ravel()
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (2,):
        what = (
            described(torch.as_tensor(result))
            if isinstance(result, np.ndarray)
            else described(result)
        )
        fail("type", f"Two complex numbers are asked for, got {what}.")
    return values
