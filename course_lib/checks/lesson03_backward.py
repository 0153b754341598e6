"""The check of lesson 03's exercise 3.8: all three gradients of a convolution by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described
from course_lib.checks.tensors import Misconception, gaussians, judge, real_tensor

#: B, C, O, H, W, K, S, P. In the first, third and fourth the stride leaves pixels over.
CASES = (
    (3, 2, 4, 8, 7, 3, 2, 1),
    (2, 3, 2, 5, 6, 3, 1, 0),
    (2, 1, 3, 9, 7, 4, 3, 2),
    (2, 2, 3, 6, 6, 1, 2, 0),
)
NAMES = ("dx", "dw", "dbias")


class WatchAutograd(TorchFunctionMode):
    """Notice in a with block whether somebody asks torch for a gradient."""

    used = False

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        own = func in (torch.autograd.grad, torch.autograd.backward, Tensor.backward)
        self.used = self.used or own or "convolution_backward" in f"{name} {func}"
        return func(*args, **(kwargs or {}))


def convolution_backward(answer: Answer) -> None:
    """Exercise 3.8, against autograd through torch's convolution."""
    for seed, (batch, c, o, h, w, k, s, p) in enumerate(CASES, start=380):
        x, weight = gaussians(seed, batch, c, h, w), gaussians(seed + 100, o, c, k, k)
        leaves = [
            x.clone().requires_grad_(),
            weight.clone().requires_grad_(),
            torch.zeros(o, dtype=torch.float64, requires_grad=True),
        ]
        y = F.conv2d(*leaves, s, p)
        g = gaussians(seed + 200, *y.shape)
        wanted = torch.autograd.grad(y, leaves, g)
        with WatchAutograd() as watch:
            result = asked(answer, g, x, weight, s, p)
        if watch.used:
            fail(
                "autograd",
                "You let torch compute a gradient. Write down what is added to which pixel and to "
                "which weight, or use the matrices of section 3.3.",
            )
        got = _three(result, [tuple(one.shape) for one in wanted])
        case = f"For K = {k}, S = {s} and P = {p} your"
        judge(got[0], wanted[0], _dx_misconceptions(g, x, weight, s, p), f"{case} dx is wrong")
        judge(got[1], wanted[1], _dw_misconceptions(g, x, weight, s, p), f"{case} dw is wrong")
        judge(got[2], wanted[2], _dbias_misconceptions(g), f"{case} dbias is wrong")
    passed("convolution_backward")


def _three(result: Any, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    if not isinstance(result, list | tuple) or len(result) != 3:
        fail("type", f"Three tensors (dx, dw, dbias) are asked for, got {described(result)}.")
    got = [real_tensor(one) for one in result]
    found = [tuple(one.shape) for one in got]
    if found != shapes and sorted(found) == sorted(shapes):
        names = ", ".join(NAMES[shapes.index(shape)] for shape in found)
        fail(
            "order",
            f"You return {names}, judging by the shapes. The order asked for is dx, dw, dbias: "
            "autograd, too, pairs gradients with inputs by their order alone.",
        )
    return got


def _full_dx(g: Tensor, w: Tensor, s: int, size: tuple[int, int]) -> Tensor:
    """dL / dx for an input of this size that is already padded."""
    x = torch.zeros(len(g), w.shape[1], *size, dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(F.conv2d(x, w, stride=s), x, g)[0]


def _dx_misconceptions(g: Tensor, x: Tensor, w: Tensor, s: int, p: int) -> Iterator[Misconception]:
    h, wide = x.shape[2:]
    full = _full_dx(g, w, s, (h + 2 * p, wide + 2 * p))
    reached = [s * (side - 1) + w.shape[-1] for side in g.shape[2:]]
    if p:
        for one in (full, full[..., : reached[0], : reached[1]]):
            yield (
                "not-cut",
                one,
                "Your dx is an image with its padding. The zeros around x are no input of the "
                "layer, and nobody asks for their gradient.",
            )
        yield (
            "cut-one-end",
            full[..., :h, :wide],
            "Your dx has the right size and lies P pixels too far down and to the right. The "
            "padding stands at both ends.",
        )
    seen = full[..., p : reached[0] - p, p : reached[1] - p]
    if seen.shape != x.shape:
        yield (
            "remainder",
            seen,
            "Your dx is smaller than x. The stride leaves pixels at the end that no window sees: "
            "their gradient is zero, and they are pixels all the same.",
        )
    turned = _full_dx(g, w.flip(2, 3), s, (h + 2 * p, wide + 2 * p))
    yield (
        "not-flipped",
        turned[..., p : p + h, p : p + wide],
        "In your dx the kernel lies the wrong way round. The gradient of an output goes back along "
        "the lines on which the pixels came, each with the weight of its line.",
    )
    yield (
        "dx-batch",
        full[..., p : p + h, p : p + wide].sum(dim=0, keepdim=True).expand_as(x),
        "In your dx all images get the same gradient. An output number depends on its own image "
        "only, so dx is not summed over the batch.",
    )


def _dw_misconceptions(g: Tensor, x: Tensor, w: Tensor, s: int, p: int) -> Iterator[Misconception]:
    k = w.shape[-1]
    each = _each_dw(g, F.pad(x, (p,) * 4), k, s)  # (B, O, C, K, K)
    yield (
        "batch-mean",
        each.mean(dim=0),
        "Your dw is a mean over the images. g is the gradient of the loss itself: if the loss is "
        "a mean, g is already divided by B. Here the images' contributions add up.",
    )
    for one in (each, each[0], each[-1]):
        yield (
            "batch",
            one,
            "Your dw speaks of single images. All images of the batch meet the same weights, so a "
            "weight hears from all of them.",
        )
    if p:
        yield (
            "unpadded",
            _each_dw(g, F.pad(x, (0, 2 * p, 0, 2 * p)), k, s).sum(dim=0),
            "In your dw every gradient meets pixels P rows and columns too far on. The windows of "
            "the forward pass lay on the padded image, and began in its border.",
        )
        yield (
            "unpadded",
            _each_dw(g, F.pad(x, (2 * p, 0, 2 * p, 0)), k, s).sum(dim=0),
            "In your dw every gradient meets pixels P rows and columns too far back. Pad x as the "
            "forward pass does, P zeros at each end.",
        )
    yield (
        "dw-flipped",
        each.sum(dim=0).flip(2, 3),
        "Your dw is turned by 180 degrees. It is dx that needs the turned kernel; dw slides g over "
        "x as it is.",
    )


def _each_dw(g: Tensor, padded: Tensor, k: int, s: int) -> Tensor:
    """dL / dw of every image by itself: (B, O, C, K, K)."""
    rows, columns = g.shape[2:]
    parts = [
        torch.einsum(
            "boij,bcij->boc",
            g,
            padded[:, :, u : u + s * (rows - 1) + 1 : s, v : v + s * (columns - 1) + 1 : s],
        )
        for u in range(k)
        for v in range(k)
    ]
    return torch.stack(parts, dim=-1).unflatten(-1, (k, k))


def _dbias_misconceptions(g: Tensor) -> Iterator[Misconception]:
    images, pixels = len(g), g[0, 0].numel()
    for count in (images * pixels, pixels, images):
        yield (
            "dbias-mean",
            g.sum(dim=(0, 2, 3)) / count,
            "Your dbias is a mean over images or over pixels. The bias is added to each of these "
            "numbers, and their gradients add up.",
        )
    for one in (g.sum(dim=(2, 3)), g[0].sum(dim=(1, 2))):
        yield (
            "dbias-batch",
            one,
            "Your dbias speaks of single images. All images of the batch get the same bias, so it "
            "hears from all of them.",
        )
