"""The check of lesson 08's exercise 8.7: power iteration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described, tensor_from
from course_lib.checks.tensors import gaussians, same


def _unit(vector: Tensor) -> Tensor:
    return vector / vector.square().sum().sqrt()


def _after(weight: Tensor, u: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """sigma, u and v after the steps, from powers of W W^T: no loop of products."""
    before = torch.linalg.matrix_power(weight @ weight.T, steps - 1) @ u
    v = _unit(weight.T @ before)
    u = _unit(weight @ v)
    return u @ (weight @ v), u, v


def _wrong(weight: Tensor, u: Tensor, steps: int) -> Iterator[tuple[str, Tensor, str]]:
    sigma, _, _ = _after(weight, u, steps)
    yield (
        "squared",
        sigma.square(),
        "You return the square of the singular value: an eigenvalue of W W^T.",
    )
    if weight.shape[0] == weight.shape[1]:
        yield (
            "transposed",
            _after(weight.T, u, steps)[0],
            "You exchange W and its transpose. On a square matrix nothing stops you; u belongs to "
            "the rows of W, so W^T comes first.",
        )
    if steps > 1:
        yield (
            "one-step",
            _after(weight, u, 1)[0],
            "You make one round, whatever steps says.",
        )
    yield (
        "one-round-more",
        _after(weight, u, steps + 1)[0],
        "You make one round more than steps says.",
    )
    free = torch.linalg.matrix_power(weight @ weight.T, steps) @ u
    back = weight.T @ (torch.linalg.matrix_power(weight @ weight.T, steps - 1) @ u)
    yield (
        "not-normalised",
        free @ weight @ back,
        "Your u and v are not of length one. The number grows with every round, and overflows "
        "after a few dozen.",
    )
    yield (
        "frobenius",
        weight.square().sum().sqrt(),
        "You return the root of the sum of squared weights. It bounds the largest singular value "
        "and is not it.",
    )


def power_iteration(answer: Answer) -> None:
    """Exercise 8.7: the estimate, the vector to go on from, and the gradient."""
    for seed, shape, steps in ((890, (5, 5), 2), (900, (4, 7), 1), (910, (6, 3), 40)):
        weight, u = gaussians(seed, *shape), gaussians(seed + 1, shape[0])
        sigma, vector = _two(asked(answer, weight, u, steps))
        wanted, right_u, _ = _after(weight, u, steps)
        got = tensor_from(sigma, ()).detach().double()
        if not same(got, wanted):
            for hint, misled, message in _wrong(weight, u, steps):
                if misled.isfinite() and same(got, misled):
                    fail(hint, message)
            fail(
                "wrong",
                "Your estimate is not what so many rounds give from this u. Each round makes v "
                "from u, then u from v, both of length one.",
            )
        vector = tensor_from(vector, None).detach().double()
        if vector.shape != u.shape or not same(vector, right_u):
            fail(
                "u",
                "Your estimate is right, and the vector beside it is not the last u, of shape (M,) "
                "and length one. The next training step has to go on from it.",
            )
    _judge_gradient(answer)
    passed("power_iteration")


def _two(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        fail("type", f"Two tensors are asked for, sigma and u; got {described(result)}.")
    return tuple(result)


def _judge_gradient(answer: Answer) -> None:
    """Few rounds from a far u, where the gradient through the rounds would show."""
    weight, u = gaussians(920, 4, 6).requires_grad_(), gaussians(921, 4)
    sigma, vector = _two(answer(weight, u, 1))
    if not sigma.requires_grad:
        fail(
            "no-graph",
            "Your sigma has no graph. The layer's weights are divided by it, so the gradient must "
            "know how it changes with them.",
        )
    (got,) = torch.autograd.grad(sigma, weight, retain_graph=True)
    _, right_u, v = _after(weight.detach(), u, 1)
    if vector.requires_grad or not same(got, torch.outer(right_u, v)):
        fail(
            "not-detached",
            "Your gradient runs through the rounds that made u and v. They are held: the gradient "
            "of sigma is then u v^T, and the graph does not grow from step to step.",
        )
