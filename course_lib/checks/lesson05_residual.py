"""The check of lesson 05's exercise 5.2: a residual block of two given parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer, asked
from course_lib.checks.tensors import Misconception, gaussians, judge, real_tensor, same


def _conv(seed: int, inside: int, outside: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False, device="meta")
    layer.weight = nn.Parameter(gaussians(seed, *layer.weight.shape) / kernel)
    return layer


def _parts(seed: int, inside: int, outside: int, stride: int) -> tuple[nn.Module, nn.Module]:
    """Two convolutions, and a shortcut which is one too, but for `_cases`' last block."""
    layers = nn.Sequential(
        _conv(seed, inside, outside, 3, stride), nn.Tanh(), _conv(seed + 1, outside, outside, 3)
    )
    return layers, _conv(seed + 2, inside, outside, 1, stride)


def _cases() -> Iterator[tuple[nn.Module, nn.Module, Tensor]]:
    """layers, shortcut, x. In the first the shapes would also fit without the shortcut."""
    yield *_parts(520, 3, 3, 1), gaussians(524, 2, 3, 5, 4)
    yield *_parts(530, 2, 4, 2), gaussians(534, 3, 2, 6, 6)
    layers, _ = _parts(540, 3, 3, 1)
    yield layers, nn.Identity(), gaussians(544, 2, 3, 4, 4)


def residual(answer: Answer) -> None:
    """Exercise 5.2, number by number: what is above 0 of the sum of both branches."""
    for layers, shortcut, x in _cases():
        x.requires_grad_()  # as if a block stood before
        with torch.no_grad():
            branch, past = layers(x), shortcut(x)
            total = branch + past
            wanted = torch.where(total > 0, total, torch.zeros_like(total))
        result, calls = _watched(answer, x, layers, shortcut)
        with torch.no_grad():
            wrong = _misconceptions(x, layers, shortcut)
            judge(result, wanted, wrong, f"For x of shape {tuple(x.shape)} your y is wrong")
        for name, part in (("layers", layers), ("shortcut", shortcut)):
            if calls.count(part) > 1:
                fail(
                    "called-twice",
                    f"Your y is right, and you call {name} more than once. Everything is computed "
                    "again then, and a batch norm among the layers would count the batch twice.",
                )
        _check_graph(result, x, layers, shortcut)
    passed("residual")


def _watched(
    answer: Answer, x: Tensor, layers: nn.Module, shortcut: nn.Module
) -> tuple[Any, list[nn.Module]]:
    """The answer's result, and which of the two parts it called, each time that it did."""
    calls: list[nn.Module] = []
    hooks = [
        part.register_forward_hook(lambda module, *_: calls.append(module))
        for part in (layers, shortcut)
    ]

    try:
        result = asked(answer, x, layers, shortcut)
    except CheckFailed as refusal:
        if refusal.hint == "input-changed":
            fail(
                "input-changed",
                "Your function changes x. An identity returns the very tensor that it was given, "
                "and `+=`, or whatever ends in `_`, writes into it. The caller may still need it.",
            )
        raise
    for hook in hooks:
        hook.remove()
    return result, calls


def _check_graph(result: Tensor, x: Tensor, layers: nn.Module, shortcut: nn.Module) -> None:
    if not result.requires_grad:
        fail("no-graph", "Your y has no graph, so nothing in the block can learn.")
    for name, part in (("layers", layers), ("shortcut", shortcut)):
        weights = list(part.parameters())
        if not weights:  # an identity
            continue
        got = torch.autograd.grad(result.sum(), weights, allow_unused=True, retain_graph=True)
        if any(one is None for one in got):
            fail(
                "no-graph",
                f"No gradient comes back through {name}. What is detached there learns nothing, "
                "and hands nothing on to the blocks before.",
            )
    (wanted,) = torch.autograd.grad(F.relu(shortcut(x) + layers(x)).sum(), x)
    (got,) = torch.autograd.grad(result.sum(), x, allow_unused=True)
    if got is None or not same(got, wanted):
        fail(
            "no-graph",
            "The gradient that your y hands back to x is not the block's. Both ways begin at x "
            "itself: detached on one of them, the blocks before learn from the other alone.",
        )


def _misconceptions(x: Tensor, layers: nn.Module, shortcut: nn.Module) -> Iterator[Misconception]:
    f, s = layers(x), shortcut(x)
    yield (
        "no-relu",
        s + f,
        "Your y holds numbers below zero: the ReLU is forgotten. Without it blocks that follow one "
        "another would be joined by sums only.",
    )
    for one in (s + f.relu(), s.relu() + f.relu()):
        yield (
            "relu-before",
            one,
            "You apply the ReLU before the addition. The layers can then only add to what the "
            "shortcut hands on, and never take away. The ReLU comes after the sum.",
        )
    yield (
        "relu-twice",
        (s + f.relu()).relu(),
        "You apply a ReLU to the layers' output and another one to the sum. The layers can then "
        "only add, and never take away. One ReLU is asked for, after the sum.",
    )
    for one in (s.relu() + f, (s.relu() + f).relu()):
        yield (
            "relu-on-shortcut",
            one,
            "You apply a ReLU to what the shortcut hands on. The way past the layers is to stay "
            "free, and the sum goes through the ReLU.",
        )
    if x.shape == f.shape and not same(x, s):
        for one in (x + f, (x + f).relu()):
            yield (
                "no-shortcut",
                one,
                "You add x itself. Here the shortcut is a convolution, and what it makes of x "
                "takes the place of x in the sum.",
            )
        for one in (x + s + f, (x + s + f).relu()):
            yield (
                "x-too",
                one,
                "You add x and what the shortcut makes of it. The shortcut takes the place of x.",
            )
        again = shortcut(s)
        for one in (again + f, (again + f).relu(), shortcut(s + f).relu()):
            yield (
                "shortcut-twice",
                one,
                "You send something through the shortcut twice, or the sum through it. It is "
                "applied once, to x, and its output is added.",
            )
        for one in (s + layers(s), (s + layers(s)).relu(), layers(s).relu(), shortcut(f).relu()):
            yield (
                "in-series",
                one,
                "One of your branches gets what the other has made. Both begin at x: layers and "
                "shortcut lie side by side.",
            )
    for one in (2 * s + f, (2 * s + f).relu()):
        yield (
            "shortcut-twice",
            one,
            "You add the shortcut's output twice. Once is asked for: in a deep network a factor of "
            "2 in each block becomes a large number.",
        )
    for one in (f, f.relu()):
        yield (
            "no-skip",
            one,
            "Your y does not depend on the shortcut. Without it this is a plain stack of layers.",
        )
    for one in (s, s.relu()):
        yield "no-layers", one, "Your y does not depend on the layers. Nothing could learn."
    for one in (s * f, (s * f).relu()):
        yield (
            "multiplied",
            one,
            "You multiply the branches. Where one of them is near zero nothing gets past, and the "
            "gradient vanishes with it. A sum hands the gradient to both.",
        )
    for one in (torch.cat(pair, 1) for pair in ((s, f), (f, s), (x, f)) if _fit(*pair)):
        for other in (one, one.relu()):
            yield (
                "concatenated",
                other,
                "You put the branches side by side, as a dense block does. A residual block adds "
                "them, and its output has as many channels as each of them.",
            )
    combined: tuple[tuple[str, Callable[[Tensor, Tensor], Tensor], str], ...] = (
        (
            "averaged",
            lambda a, b: (a + b) / 2,
            "You take the mean of both branches. Each block would halve what comes past it, and "
            "after ten blocks a thousandth would be left.",
        ),
        ("subtracted", lambda a, b: a - b, "You subtract the layers' output. It is to be added."),
        (
            "maximum",
            torch.maximum,
            "You take the larger of both branches. Their sum is asked for, which hands the "
            "gradient to both.",
        ),
    )
    for hint, of, message in combined:
        for one in (of(s, f), of(s, f).relu()):
            yield hint, real_tensor(one), message


def _fit(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors can be concatenated along the channels."""
    return first.shape[0] == second.shape[0] and first.shape[2:] == second.shape[2:]
