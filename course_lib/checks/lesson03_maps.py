"""Checks of lesson 03's exercises on maps: col2im, and the gradient of max pooling."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, generator
from course_lib.checks.tensors import Misconception, gaussians, judge, real_tensor, same


def col2im(answer: Answer) -> None:
    """Exercise 3.5, against torch's fold."""
    for seed, (c, h, w, k) in enumerate(((2, 5, 6, 3), (3, 3, 5, 2), (1, 4, 3, 1)), start=350):
        columns = gaussians(seed, c * k * k, (h - k + 1) * (w - k + 1))
        wanted = _laid_down(columns, h, w, k)
        result = asked(answer, columns, c, h, w, k)
        what = f"For C = {c}, H = {h}, W = {w} and K = {k} a pixel is wrong"
        judge(result, wanted, _col2im_misconceptions(columns, wanted, k), what)
    passed("col2im")


def _laid_down(columns: Tensor, h: int, w: int, k: int) -> Tensor:
    return F.fold(columns[None], (h, w), k)[0]


def _col2im_misconceptions(columns: Tensor, right: Tensor, k: int) -> Iterator[Misconception]:
    c, h, w = right.shape
    rows, wide = h - k + 1, w - k + 1
    parts = columns.view(c, k, k, rows, wide)
    by_window, by_position = torch.zeros_like(right), torch.zeros_like(right)
    for i in range(rows):
        for j in range(wide):
            by_window[:, i : i + k, j : j + k] = parts[..., i, j]
    for u in range(k):
        for v in range(k):
            by_position[:, u : u + rows, v : v + wide] = parts[:, u, v]
    for one in (by_window, by_position):
        yield (
            "overwritten",
            one,
            "Where windows overlap, only the last one is left in your image. im2col copies a pixel "
            "into every window that sees it, so its transpose collects from all of them.",
        )
    yield (
        "divided",
        right / _laid_down(torch.ones_like(columns), h, w, k),
        "You divide each pixel by the number of windows that cover it. That would give an image "
        "back that im2col had taken apart, so it is an inverse. A gradient needs the transpose: "
        "each window has its own effect on the loss.",
    )
    orders = {
        "channel last": columns.view(k, k, c, -1).permute(2, 0, 1, 3),
        "v before u": columns.view(c, k, k, -1).transpose(1, 2),
        "channel last and v before u": columns.view(k, k, c, -1).permute(2, 1, 0, 3),
    }
    for order, read in orders.items():
        yield (
            "row-order",
            _laid_down(read.reshape(columns.shape), h, w, k),
            f"You read the rows of the columns in another order, {order}. They stand as in "
            "`w.flatten(1)`, whose last index runs fastest.",
        )
    yield (
        "window-order",
        _laid_down(columns.view(-1, wide, rows).transpose(1, 2).flatten(1), h, w, k),
        "You take the windows to be ordered one column of the output after the other. They come "
        "row by row, as the output's pixels do when it is flattened.",
    )


def max_pool_gradient(answer: Answer) -> None:
    """Exercise 3.7, pixel by pixel: which windows does it win?"""
    cases = ((2, 7, 8, 3, 2), (3, 5, 4, 3, 1), (1, 6, 7, 2, 2), (2, 8, 7, 2, 3))
    for seed, (c, h, w, k, s) in enumerate(cases, start=370):
        # Shuffled whole numbers have no ties. Three of four pixels are negative, some windows all.
        order = torch.randperm(c * h * w, generator=generator(seed))
        x = (order.double() - 0.75 * c * h * w + 0.1).view(c, h, w) / 10
        g = gaussians(seed + 100, c, (h - k) // s + 1, (w - k) // s + 1)
        wanted = _won(g, x, k, s)
        result = asked(answer, g, x, k, s)
        what = f"For H = {h}, W = {w}, K = {k} and S = {s} a pixel's gradient is wrong"
        judge(result, wanted, _pool_misconceptions(g, x, k, s), what)
    _check_ties(answer)
    passed("max_pool_gradient")


def _won(
    g: Tensor, x: Tensor, k: int, s: int, rank: Callable[[float, int], tuple] | None = None
) -> Tensor:
    """The oracle of 3.7. rank: of a value and its place in the window; the highest one wins."""
    rank = rank or (lambda value, place: (value, -place))
    values, slopes, dx = x.tolist(), g.tolist(), torch.zeros_like(x)
    for c, i, j in _places(g):
        window = {
            (s * i + u, s * j + v): rank(values[c][s * i + u][s * j + v], k * u + v)
            for u in range(k)
            for v in range(k)
        }
        row, column = max(window, key=window.__getitem__)
        dx[c, row, column] += slopes[c][i][j]
    return dx


def _places(g: Tensor) -> list[tuple[int, ...]]:
    return [tuple(place) for place in torch.ones_like(g).nonzero().tolist()]


def _pool_misconceptions(g: Tensor, x: Tensor, k: int, s: int) -> Iterator[Misconception]:
    wrong = {name: [torch.zeros_like(x) for _ in range(3)] for name in POOLING}
    for c, i, j in _places(g):
        rows, columns = slice(s * i, s * i + k), slice(s * j, s * j + k)
        slope, window = g[c, i, j], x[c, rows, columns]
        wrong["average"][0][c, rows, columns] += slope / k**2
        u, v = divmod(int(window.argmax()), k)
        wrong["overwritten"][0][c, s * i + u, s * j + v] = slope
        if window.max() > 0:
            for one in wrong["negative"]:
                one[c, s * i + u, s * j + v] += slope
        else:
            wrong["negative"][1][c, s * i, s * j] += slope
            wrong["negative"][2][c, 0, 0] += slope
        wrong["corner"][0][c, u, v] += slope
        near = x[c, i : i + k, j : j + k]
        u, v = divmod(int(near.argmax()), near.shape[1])
        wrong["no-stride"][0][c, i + u, j + v] += slope
        wrong["whole-image"][0][c] += slope * (x[c] == x[c].max())
        wrong["whole-image"][1] += slope * (x == x.max())
        wrong["whole-image"][2][c, rows, columns] += slope * (window == x[c].max())
        best, place = divmod(int(x[:, rows, columns].argmax()), k * k)
        u, v = divmod(place, k)
        wrong["channels"][0][best, s * i + u, s * j + v] += slope
        wrong["channels"][1][c, s * i + u, s * j + v] += slope
        wrong["channels"][2][c, s * i + u, s * j + v] += slope * (best == c)
    for name, results in wrong.items():
        yield from ((name, one, POOLING[name]) for one in results if one.any())


#: What is said about each misconception of max pooling.
POOLING = {
    "average": "Every pixel of a window gets the same share. That is the gradient of the mean: "
    "moving a pixel that is not the largest leaves the maximum where it is.",
    "overwritten": "A pixel that is the largest of several windows gets the gradient of one of "
    "them. It changes all those outputs, so their gradients add up.",
    "corner": "All of your gradients lie in the first K rows and columns. The place of the maximum "
    "was counted inside its window; where does that window begin in the image?",
    "no-stride": "Your windows begin one pixel apart. In the forward pass the stride S lies "
    "between two windows.",
    "negative": "In windows whose pixels are all negative your maximum is wrong. Does your search "
    "begin with zero as the largest number so far?",
    "whole-image": "Only the largest pixel of the whole image gets a gradient from you. Each "
    "window has a maximum of its own, and that pixel made the output.",
    "channels": "You look for one maximum in all channels together. Pooling treats each channel by "
    "itself: every channel's window has its own largest pixel.",
}


def _check_ties(answer: Answer) -> None:
    """Images after a ReLU: windows of zeros, and equal numbers elsewhere."""
    k, s = 3, 2
    x = torch.randint(-3, 4, (2, 7, 7), generator=generator(379)).double().relu()
    x[:, :3, :3] = 0
    g = gaussians(479, 2, 3, 3)
    got, wanted = real_tensor(asked(answer, g, x, k, s)), _won(g, x, k, s)
    if same(got, wanted):
        return
    everywhere, shared, anywhere = (torch.zeros_like(x) for _ in range(3))
    for c, i, j in _places(g):
        rows, columns = slice(s * i, s * i + k), slice(s * j, s * j + k)
        winners = (x[c, rows, columns] == x[c, rows, columns].max()).double()
        everywhere[c, rows, columns] += g[c, i, j] * winners
        shared[c, rows, columns] += g[c, i, j] * winners / winners.sum()
        anywhere[c] += g[c, i, j] * (x[c] == x[c, rows, columns].max())
    if same(got, everywhere):
        fail(
            "ties",
            "In a window with several largest pixels each of them gets the whole gradient. A "
            "window of nine zeros then hands on nine times what it received. One pixel must take "
            "it, the first in reading order.",
        )
    if same(got, shared) or same(got, _won(g, x, k, s, lambda value, place: (value, place))):
        fail(
            "not-first",
            "Your gradients differ from the right ones only where a window has several largest "
            "pixels. Sharing, or taking the last one, is not wrong in principle. The exercise "
            "asks for the first in reading order, as torch does it.",
        )
    if same(got, anywhere):
        fail(
            "outside",
            "You hand a gradient to every pixel of the image that equals the window's maximum. "
            "Most of them lie outside the window, and the output never saw them.",
        )
    judge(got, wanted, (), "With equal pixels in a window a gradient is wrong")
