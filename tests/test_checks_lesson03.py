"""Answers to lesson 03's exercises, judged by test_checks.py, and tests of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from course_lib import convolution_gradients as library
from course_lib.checks import CheckFailed
from course_lib.checks import lesson03 as checks
from course_lib.checks.lesson03_maps import _won


def slope(y, x, g):
    return torch.autograd.grad(y, x, g)[0]


def size(H, K, S, P, D, r):
    return library.transposed_size(H, K, S, P, D, r)


def bias(g):
    return g.sum((0, 2, 3))


def pixels(g, w, H):
    return library.input_gradient(g.view(1, 1, 1, -1), w.view(1, 1, 1, -1), (1, H)).view(-1)


def weights(g, x, S):
    K = len(x) - S * (len(g) - 1)
    spread = torch.zeros(S * (len(g) - 1) + 1, dtype=g.dtype)
    spread[::S] = g
    return torch.stack([spread @ x[u : u + len(spread)] for u in range(K)])


def folded(columns, C, H, W, K):
    return library.col2im(columns[None], (H, W), (K, K))[0]


def adjoint(A, B, n, m, draw=torch.randn, tolerance=1e-9, equal=None):
    own = torch.Generator().manual_seed(7)
    x, y = (draw(length, dtype=torch.float64, generator=own) for length in (n, m))
    left, right = (A(x) @ y).item(), (x @ B(y)).item()
    return equal(left, right) if equal else math.isclose(left, right, rel_tol=tolerance)


def pooled(g, x, K, S):
    x = x.clone().requires_grad_()
    return slope(F.max_pool2d(x[None], K, S)[0], x, g)


def backward(g, x, w, S, P):
    dx = library.input_gradient(g, w, tuple(x.shape[2:]), S, P)
    return dx, library.weight_gradient(g, x, tuple(w.shape[2:]), S, P), bias(g)


RIGHT = {
    "transposed_size": size,
    "bias_gradient": bias,
    "input_gradient": pixels,
    "weight_gradient": weights,
    "col2im": folded,
    "is_adjoint": adjoint,
    "max_pool_gradient": pooled,
    "convolution_backward": backward,
}


# Second right answers, by autograd where the exercise allows it, or with other types.
def bias_by_autograd(g):
    zeros = torch.zeros(g.shape[1], dtype=g.dtype, requires_grad=True)
    return slope(zeros[:, None, None].expand(g.shape), zeros, g)


def pixels_by_autograd(g, w, H):
    x = torch.zeros(1, 1, H, dtype=g.dtype, requires_grad=True)
    return slope(F.conv1d(x, w[None, None])[0, 0], x, g)[0, 0]


def weights_in_float32(g, x, S):
    K = len(x) - S * (len(g) - 1)
    dw = torch.zeros(K)
    for i in range(len(g)):
        dw += g[i] * x[S * i : S * i + K]
    return dw


def adjoint_by_global_draws(A, B, n, m):
    return all(
        math.isclose(A(x) @ y, x @ B(y), rel_tol=1e-8)
        for x, y in ((torch.randn(n).double(), torch.randn(m).double()) for _ in range(4))
    )


def adjoint_by_gradient(A, B, n, m):
    """<A x, y> has the slope A^T y in x: autograd runs through the maps of the check."""
    x = torch.zeros(n, dtype=torch.float64, requires_grad=True)
    y = torch.randn(m, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    wanted = slope(A(x), x, y)
    return bool((B(y) - wanted).norm() <= 1e-9 * wanted.norm())


def pooled_with_indices(g, x, K, S):
    _, places = F.max_pool2d(x[None], K, S, return_indices=True)
    dx = torch.zeros_like(x).flatten(1)
    return dx.scatter_add(1, places[0].flatten(1), g.flatten(1)).view_as(x)


def backward_by_loops(g, x, w, S, P):
    K = w.shape[-1]
    x = F.pad(x, (P, P, P, P))
    dx, dw = torch.zeros_like(x), torch.zeros_like(w)
    for b, o, i, j in np.ndindex(*g.shape):
        dx[b, :, S * i : S * i + K, S * j : S * j + K] += g[b, o, i, j] * w[o]
        dw[o] += g[b, o, i, j] * x[b, :, S * i : S * i + K, S * j : S * j + K]
    return [dx[..., P : dx.shape[2] - P, P : dx.shape[3] - P], dw, bias(g)]


ALSO_RIGHT = [
    ("transposed_size", lambda *case: np.int64(size(*case))),
    ("bias_gradient", bias_by_autograd),
    ("bias_gradient", lambda g: g.float().sum(3).sum(2).sum(0)),
    ("input_gradient", pixels_by_autograd),
    ("weight_gradient", weights_in_float32),
    ("col2im", lambda columns, C, H, W, K: F.fold(columns[None], (H, W), K)[0]),
    ("is_adjoint", adjoint_by_global_draws),
    ("is_adjoint", adjoint_by_gradient),
    ("max_pool_gradient", pooled_with_indices),
    ("convolution_backward", backward_by_loops),
]


def turned(g, w, H):
    return pixels(g, w.flip(0), H)


def by_weight(g, w, H):
    dx = torch.zeros(H, dtype=g.dtype)
    for u in range(len(w)):
        dx[u : u + len(g)] = g * w[u]
    return dx


def spoiling(g, w, H):
    w *= 2
    return pixels(g, w / 2, H)


def all_phases(g, x, S):
    return F.conv1d(x[None, None], g[None, None], stride=S)[0, 0]


def laid_over(columns, C, H, W, K):
    image = torch.zeros(C, H, W, dtype=columns.dtype)
    parts = columns.view(C, K, K, H - K + 1, W - K + 1)
    for u, v in np.ndindex(K, K):
        image[:, u : u + H - K + 1, v : v + W - K + 1] = parts[:, u, v]
    return image


def rows_of(*order):
    """col2im of rows that are read in another order; order: of the axes c, u, v."""

    def col2im(columns, C, H, W, K):
        sizes = [(C, K, K)[axis] for axis in order]
        read = columns.view(*sizes, -1).permute(*(order.index(axis) for axis in range(3)), 3)
        return folded(read.reshape(columns.shape), C, H, W, K)

    return col2im


def adjoint_on(column):
    """A test with one fixed unit vector, and a random one on the other side."""

    def is_adjoint(A, B, n, m):
        x = torch.eye(n, dtype=torch.float64)[column]
        y = torch.randn(m, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        return math.isclose(A(x) @ y, x @ B(y), rel_tol=1e-9)

    return is_adjoint


def adjoint_on_two(A, B, n, m):
    units = torch.eye(n, dtype=torch.float64)
    y = torch.randn(m, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return all(math.isclose(A(x) @ y, x @ B(y), rel_tol=1e-9) for x in (units[0], units[-1]))


def correlated(A, B, n, m):
    """Compares directions: A's matrix with B's, up to a factor."""
    of_A = torch.stack([A(unit) for unit in torch.eye(n, dtype=torch.float64)]).flatten()
    of_B = torch.stack([B(unit) for unit in torch.eye(m, dtype=torch.float64)], 1).flatten()
    return bool((of_A @ of_B / (of_A.norm() * of_B.norm())) > 0.9999999)


def guarded(left, right):
    return abs(left - right) / (abs(left) + 1e-12) < 1e-9


def without_calls(A, B, n, m):
    return A.matrix.shape[0] == m


def deaf(A, B, n, m):
    return bool(A(torch.ones(n, dtype=torch.float64)).norm() > 0)


def in_float32(A, B, n, m):
    return bool(torch.isclose(A(torch.randn(n)) @ torch.randn(m), torch.zeros(())))


def pooling(place):
    """max_pool_gradient with one thing changed: place(x, c, i, j, K, S) says where g goes."""

    def max_pool_gradient(g, x, K, S):
        dx = torch.zeros_like(x)
        for c, i, j in np.ndindex(*g.shape):
            dx[place(x, c, i, j, K, S)] += g[c, i, j]
        return dx

    return max_pool_gradient


def nearby(x, c, i, j, K, S):
    near = x[c, i : i + K, j : j + K]
    u, v = divmod(int(near.argmax()), near.shape[1])
    return c, i + u, j + v


def anywhere(x, c, i, j, K, S):
    return c, x[c] == x[c, S * i : S * i + K, S * j : S * j + K].max()


def highest_of_all(x, c, i, j, K, S):
    return x == x.max()


def place_of_any_channel(x, c, i, j, K, S):
    window = x[:, S * i : S * i + K, S * j : S * j + K]
    _, u, v = np.unravel_index(int(window.argmax()), window.shape)
    return c, S * i + u, S * j + v


def smallest(x, c, i, j, K, S):
    window = x[c, S * i : S * i + K, S * j : S * j + K]
    u, v = divmod(int(window.argmin()), K)
    return c, S * i + u, S * j + v


def last_of_ties(g, x, K, S):
    return _won(g, x, K, S, lambda value, place: (value, place))


def shared_among_ties(g, x, K, S):
    dx = torch.zeros_like(x)
    for c, i, j in np.ndindex(*g.shape):
        rows, columns = slice(S * i, S * i + K), slice(S * j, S * j + K)
        winners = x[c, rows, columns] == x[c, rows, columns].max()
        dx[c, rows, columns] += g[c, i, j] * winners / winners.sum()
    return dx


def three(change):
    """convolution_backward with its right gradients changed: change(dx, dw, dbias, *given)."""

    def convolution_backward(*given):
        return change(*backward(*given), *given)

    return convolution_backward


def uncut(dx, dw, db, g, x, w, S, P):
    return library.input_gradient(g, w, (x.shape[2] + 2 * P, x.shape[3] + 2 * P), S)


def with_flipped_kernel(dx, dw, db, g, x, w, S, P):
    return library.input_gradient(g, w.flip(2, 3), tuple(x.shape[2:]), S, P), dw, db


def too_far_back(dx, dw, db, g, x, w, S, P):
    moved = F.pad(x, (2 * P, 0, 2 * P, 0))
    return dx, library.weight_gradient(g, moved, tuple(w.shape[2:]), S), db


def cut_at_one_end(*given):
    x = given[4]
    return uncut(*given)[..., : x.shape[2], : x.shape[3]], *given[1:3]


def by_torch_grad(g, x, w, S, P):
    dx = torch.nn.grad.conv2d_input(x.shape, w, g, S, P)
    return dx, torch.nn.grad.conv2d_weight(x, w.shape, g, S, P), bias(g)


def by_backward(g, x, w, S, P):
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    with torch.enable_grad():
        (F.conv2d(x, w, None, S, P) * g).sum().backward()
    return x.grad, w.grad, bias(g)


def by_the_function(g, x, w, S, P):
    x, w = x.clone().requires_grad_(), w.clone().requires_grad_()
    with torch.enable_grad():
        torch.autograd.backward(F.conv2d(x, w, None, S, P), g)
    return x.grad, w.grad, bias(g)


def by_vjp(g, x, w, S, P):
    _, pull = torch.func.vjp(lambda x, w: F.conv2d(x, w, None, S, P), x, w)
    return *pull(g), bias(g)


L, M, C = "weight_gradient", "max_pool_gradient", "convolution_backward"
# (exercise, answer, hint): mistakes that the notebook does not show.
WRONG = [
    ("transposed_size", lambda *case: float(size(*case)), "type"),
    ("transposed_size", lambda *case: torch.tensor(size(*case)), "type"),
    ("transposed_size", lambda *case: True, "type"),
    (
        "transposed_size",
        lambda H, K, S, P, D, r: S * (H - 1) + K - 2 * P + r,
        "no-dilation",
    ),
    ("transposed_size", lambda *case: size(*case) + case[-1], "output-padding-twice"),
    ("transposed_size", lambda *case: size(*case) + 1, "wrong"),
    ("bias_gradient", lambda g: g.mean(0).sum((1, 2)), "mean"),
    ("bias_gradient", lambda g: g.mean((2, 3)).sum(0), "mean"),
    ("bias_gradient", lambda g: g.mean((2, 3)), "batch"),
    ("bias_gradient", lambda g: g[0].sum((1, 2)), "batch"),
    ("bias_gradient", lambda g: g.sum().item(), "everything"),
    ("bias_gradient", lambda g: g.sum().expand(g.shape[1]), "everything"),
    ("bias_gradient", lambda g: g.mean(0), "pixels"),
    ("bias_gradient", lambda g: g.sum((1, 2, 3)), "channels"),
    ("bias_gradient", lambda g: g.sum((0, 2, 3), keepdim=True), "shape"),
    ("bias_gradient", lambda g: -bias(g), "values"),
    ("bias_gradient", lambda g: bias(g).numpy(), "type"),
    ("bias_gradient", lambda g: bias(g).long(), "type"),
    ("bias_gradient", lambda g: bias(g) * torch.nan, "nan"),
    ("bias_gradient", lambda g: bias(g.zero_()), "input-changed"),
    ("input_gradient", turned, "not-flipped"),
    ("input_gradient", by_weight, "overwritten"),
    ("input_gradient", spoiling, "input-changed"),
    ("input_gradient", lambda g, w, H: pixels(g, w, H).roll(-1), "shifted"),
    ("input_gradient", lambda g, w, H: F.pad(pixels(g, w, H)[1:], (0, 1)), "shifted"),
    ("input_gradient", lambda g, w, H: pixels(g, w, H).roll(1), "shifted"),
    ("input_gradient", lambda g, w, H: F.conv1d(g[None, None], w[None, None])[0, 0], "valid"),
    ("input_gradient", lambda g, w, H: pixels(g, w, H)[None], "shape"),
    ("input_gradient", lambda g, w, H: pixels(g, w, H) / len(w), "averaged"),
    ("input_gradient", lambda g, w, H: pixels(g, w, H) * 2, "values"),
    (L, lambda g, x, S: F.conv1d(x[None, None], g[None, None])[0, 0], "stride-ignored"),
    (L, all_phases, "stride-for-dilation"),
    (L, lambda g, x, S: weights(g, x, S).flip(0), "flipped"),
    (L, lambda g, x, S: weights(g, x, S) / len(g), "mean"),
    (L, lambda g, x, S: weights(g, x.flip(0), S), "flipped"),
    (L, lambda g, x, S: weights(g, x, S)[:-1], "shape"),
    (L, lambda g, x, S: weights(g, x, S) + 1e-3, "values"),
    ("col2im", laid_over, "overwritten"),
    ("col2im", rows_of(0, 2, 1), "row-order"),
    ("col2im", rows_of(1, 2, 0), "row-order"),
    ("col2im", rows_of(2, 1, 0), "row-order"),
    ("col2im", lambda c, C, H, W, K: folded(c, C, H, W, K).permute(1, 2, 0), "shape"),
    ("col2im", lambda c, C, H, W, K: folded(c, C, H, W, K)[None], "shape"),
    ("col2im", lambda c, C, H, W, K: folded(c, C, H, W, K).flip(1), "values"),
    ("is_adjoint", lambda *given: adjoint(*given, equal=guarded), "absolute"),
    ("is_adjoint", lambda *given: adjoint(*given, equal=lambda a, b: a == b), "exact"),
    ("is_adjoint", lambda *given: adjoint(*given, equal=np.isclose), "type"),
    ("is_adjoint", lambda *given: adjoint(*given, tolerance=0.1), "loose"),
    (
        "is_adjoint",
        lambda *given: adjoint(*given, equal=lambda a, b: math.isclose(a, b, rel_tol=5e-3)),
        "loose",
    ),
    (
        "is_adjoint",
        lambda *given: adjoint(
            *given, equal=lambda a, b: math.isclose(abs(a), abs(b), rel_tol=1e-9)
        ),
        "sign",
    ),
    ("is_adjoint", lambda *given: torch.tensor(adjoint(*given)), "type"),
    ("is_adjoint", lambda *given: np.bool_(adjoint(*given)), "type"),
    ("is_adjoint", lambda *given: int(adjoint(*given)), "type"),
    ("is_adjoint", lambda *given: not adjoint(*given), "inverted"),
    ("is_adjoint", lambda *given: adjoint(*given, tolerance=-1.0), "error"),
    ("is_adjoint", lambda *given: adjoint(*given) and False, "refuses-adjoint"),
    ("is_adjoint", correlated, "scale"),
    ("is_adjoint", adjoint_on(0), "basis"),
    ("is_adjoint", adjoint_on(-1), "basis"),
    ("is_adjoint", adjoint_on_two, "basis"),
    ("is_adjoint", lambda *given: adjoint(*given, equal=lambda a, b: abs(a - b) < 1), "loose"),
    ("is_adjoint", lambda *given: True, "not-called"),
    ("is_adjoint", without_calls, "not-called"),
    ("is_adjoint", deaf, "not-called"),
    ("is_adjoint", in_float32, "error"),
    ("is_adjoint", lambda A, B, n, m: adjoint(A, B, m, n), "error"),
    (M, pooling(nearby), "no-stride"),
    (M, pooling(anywhere), "outside"),
    (M, pooling(highest_of_all), "whole-image"),
    (M, pooling(place_of_any_channel), "channels"),
    (M, pooling(smallest), "values"),
    (M, last_of_ties, "not-first"),
    (M, shared_among_ties, "not-first"),
    (M, lambda g, x, K, S: pooled(g, x, K, S).sum(0), "shape"),
    (M, lambda g, x, K, S: pooled(g, x.relu(), K, S), "negative"),
    (M, lambda g, x, K, S: pooled(g, x, K, S) * (x > 0), "negative"),
    (M, lambda g, x, K, S: pooled(g, x, K, S).to(torch.int64), "type"),
    (C, three(lambda dx, dw, db, *given: (dx, db, dw)), "order"),
    (C, three(lambda dx, dw, db, *given: (dx, dw)), "type"),
    (C, three(lambda dx, dw, db, *given: (dx, dw, None)), "type"),
    (C, three(lambda dx, dw, db, *given: (uncut(dx, dw, db, *given), dw, db)), "not-cut"),
    (C, three(cut_at_one_end), "cut-one-end"),
    (C, three(with_flipped_kernel), "not-flipped"),
    (C, three(lambda dx, dw, db, *given: (dx.sum(0).expand_as(dx), dw, db)), "dx-batch"),
    (C, three(lambda dx, dw, db, *given: (-dx, dw, db)), "values"),
    (C, three(lambda dx, dw, db, *given: (dx, dw / len(dx), db)), "batch-mean"),
    (C, three(lambda dx, dw, db, *given: (dx, dw.flip(2, 3), db)), "dw-flipped"),
    (C, three(lambda dx, dw, db, *given: (dx, dw.transpose(2, 3), db)), "values"),
    (C, three(too_far_back), "unpadded"),
    (C, three(lambda dx, dw, db, g, *given: (dx, dw, g.mean((0, 2, 3)))), "dbias-mean"),
    (C, three(lambda dx, dw, db, g, *given: (dx, dw, g.sum((2, 3)))), "dbias-batch"),
    (C, three(lambda dx, dw, db, *given: (dx, dw, db[None])), "shape"),
    (C, by_torch_grad, "autograd"),
    (C, by_backward, "autograd"),
    (C, by_the_function, "autograd"),
    (C, by_vjp, "autograd"),
    *((name, "a text", "type") for name in RIGHT),
    *((name, lambda *given: None, "type") for name in RIGHT),
    *((name, lambda: None, "error") for name in RIGHT),
]


def test_a_draw_in_the_answer_shifts_no_later_draw():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    checks.is_adjoint(adjoint_by_global_draws)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_map_that_is_given_the_wrong_vector_says_which():
    with pytest.raises(CheckFailed) as refusal:
        checks.is_adjoint(in_float32)
    said = str(refusal.value)
    assert "A takes a float64 vector of shape (7,), got a tensor of type torch.float32" in said
