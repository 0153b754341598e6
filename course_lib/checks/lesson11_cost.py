"""The checks of lesson 11's exercises 11.7 and 11.8: counting, and timing."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from numbers import Integral

import torch
from torch.nn import functional as F

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described

#: (B, C, O, K, S, P, H)
SIZES = [(2, 3, 5, 4, 2, 1, 6), (1, 6, 2, 3, 1, 1, 5), (4, 2, 7, 5, 3, 2, 4), (3, 8, 1, 4, 1, 0, 1)]

#: What misconceptions count, and what is said about them.
COUNTS: dict[str, tuple[Callable[..., int], str]] = {
    "output-positions": (
        lambda b, c, o, k, s, p, h: b * c * o * k * k * (s * (h - 1) + k - 2 * p) ** 2,
        "You count one kernel for each output pixel, as in a convolution. A transposed convolution "
        "lays its kernel at each input pixel.",
    ),
    "no-batch": (
        lambda b, c, o, k, s, p, h: c * o * k * k * h * h,
        "You count one image. The batch has B of them.",
    ),
    "kernel-once": (
        lambda b, c, o, k, s, p, h: b * c * o * k * h * h,
        "You count K multiplications for a kernel. It has K rows and K columns.",
    ),
    "one-side": (
        lambda b, c, o, k, s, p, h: b * c * o * k * k * h,
        "You count one row of input positions. There are H rows of H.",
    ),
    "one-channel": (
        lambda b, c, o, k, s, p, h: b * o * k * k * h * h,
        "Your count does not depend on the input channels. Each of them has a kernel of its own "
        "for each output channel.",
    ),
    "training": (
        lambda b, c, o, k, s, p, h: 3 * b * c * o * k * k * h * h,
        "You count a training step, forward and back. Only the forward pass is asked for.",
    ),
    "flops": (
        lambda b, c, o, k, s, p, h: 2 * b * c * o * k * k * h * h,
        "You count the multiplication and its addition apart. A multiply-add is both together.",
    ),
}


def _by_ones(b: int, c: int, o: int, k: int, s: int, h: int) -> int:
    """Each product of ones adds one to an output that nothing is cut off from."""
    images, kernel = torch.ones(b, c, h, h), torch.ones(c, o, k, k)
    return int(F.conv_transpose2d(images.double(), kernel.double(), stride=s).sum())


def transposed_multiply_adds(answer: Answer) -> None:
    """Exercise 11.7, against a sum of products of ones."""
    found = []
    for sizes in SIZES:
        count = asked(answer, *sizes)
        if isinstance(count, bool) or not isinstance(count, Integral):
            fail("type", f"A whole number is asked for, got {described(count)}.")
        found.append(int(count))
    right = [_by_ones(b, c, o, k, s, h) for b, c, o, k, s, _, h in SIZES]
    if found != right:
        for hint, (formula, message) in COUNTS.items():
            if found == [formula(*sizes) for sizes in SIZES]:
                fail(hint, message)
        fail(
            "wrong",
            "Your count is not the number of products. Write down what is multiplied for one input "
            "pixel of one channel, then count those.",
        )
    passed("transposed_multiply_adds")


class _Machine:
    """Work that takes the planned seconds on a clock of its own."""

    def __init__(self, planned: list[float]) -> None:
        self.planned, self.now, self.calls = planned, 1000.0, 0

    def clock(self) -> float:
        """Seconds since some moment."""
        return self.now

    def work(self) -> None:
        """One call; after the plan every call takes 50 seconds."""
        self.now += self.planned[self.calls] if self.calls < len(self.planned) else 50.0
        self.calls += 1


def median_seconds(answer: Answer) -> None:
    """Exercise 11.8, on a machine whose first call is slow and one of whose calls is disturbed."""
    for planned in ([100.0, 3.0, 1.0, 2.0, 9.0, 2.5], [60.0, 4.0, 1.0, 2.0, 8.0]):
        machine, rounds = _Machine(planned), len(planned) - 1
        result = asked(answer, machine.work, rounds, machine.clock)
        if isinstance(result, bool) or not isinstance(result, float | int):
            fail("type", f"A number of seconds is asked for, got {described(result)}.")
        warm, cold = planned[1:], planned[:-1]
        if abs(result - statistics.median(warm)) < 1e-6:
            if machine.calls != rounds + 1:
                fail(
                    "calls",
                    f"The work was called {machine.calls} times for {rounds} rounds. Once to warm "
                    "up and once a round is asked for.",
                )
            continue
        _refuse_seconds(float(result), warm, cold, planned)
    passed("median_seconds")


def _refuse_seconds(
    result: float, warm: list[float], cold: list[float], planned: list[float]
) -> None:
    def near(*values: float) -> bool:
        return any(abs(result - value) < 1e-6 for value in values)

    every = [sum(some) / len(some) for some in (cold, planned)]
    if near(*every, sum(planned) / len(warm)):
        fail(
            "mean-with-first",
            "You take the mean of all calls, the first one among them. That one pays for set-up, "
            "and a mean never forgets it.",
        )
    if near(statistics.median(cold), statistics.median(planned)):
        fail(
            "first-call",
            "The first call is among your times. It pays for memory and for choosing routines, and "
            "is no measurement of the work.",
        )
    if near(sum(warm) / len(warm)):
        fail(
            "mean",
            "You take the mean. One disturbed call, here of many seconds, moves it as far as it "
            "likes; the median stays.",
        )
    if near(sum(warm), sum(cold), sum(planned)):
        fail("total", "You return the seconds of all rounds together. One call's are asked for.")
    if near(min(warm)):
        fail(
            "least",
            "You return the least time. It is a good number too, and not the one that is asked "
            "for: half of the calls should be faster, half slower.",
        )
    fail("wrong", "Your number is not the median of the rounds after the first call.")
