"""Blocks with known weights for lesson 05's exercise 5.8, and the traces that an answer leaves."""

from __future__ import annotations

import copy
import math
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks import CheckFailed, fail
from course_lib.checks.answers import Answer, asked, described
from course_lib.checks.tensors import gaussians


class Doubled(nn.Module):
    """x + F(x): a skip connection, through which the gradient has two ways."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, width), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        """(B, width) -> (B, width)."""
        return x + self.layers(x)


def _flat() -> list[nn.Module]:
    return [Doubled(5), nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 4), nn.BatchNorm1d(4)]


def _maps() -> list[nn.Module]:
    last = nn.Sequential(nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2), nn.Sigmoid())
    return [nn.Conv2d(2, 4, 3, padding=1), nn.AvgPool2d(2), last]


#: What makes the blocks, the shape of x, and whether they come in training mode.
CASES = ((_flat, (6, 5), True), (_maps, (3, 2, 8, 8), False), (lambda: [Doubled(3)], (4, 3), True))

CUT = (
    "If a block's input is detached, the gradient of the later blocks ends there. The inputs are "
    "to hang on one graph."
)


class Probe:
    """Blocks, x and g, and what all of them were like before the answer met them."""

    def __init__(self, number: int) -> None:
        make, shape, training = CASES[number]
        seed = 580 + 20 * number
        with torch.random.fork_rng(devices=[]):  # layers draw their first weights from torch's own
            self.blocks = [block.double().train(training) for block in make()]
        self.parameters = [one for block in self.blocks for one in block.parameters()]
        for index, parameter in enumerate(self.parameters):
            with torch.no_grad():
                numbers = gaussians(seed + index, *parameter.shape)
                parameter.copy_(numbers / math.sqrt(parameter[0].numel()))
            if index:  # the first has no gradient yet
                parameter.grad = torch.full_like(parameter, 0.25)
        self.x = gaussians(seed + 18, *shape)
        self.inputs: list[Tensor] = []
        y = self.x
        with torch.no_grad():
            for block in copy.deepcopy(self.blocks):
                self.inputs.append(y)
                y = block(y)
        self.g = gaussians(seed + 19, *y.shape)
        self.training = training
        self.calls = [0] * len(self.blocks)
        for index, block in enumerate(self.blocks):
            block.register_forward_hook(lambda *_, index=index: self._count(index))

    def _count(self, index: int) -> None:
        self.calls[index] += 1

    def gradients(self, g: Tensor) -> list[Tensor]:
        """The oracle: dL / dx at each input, and g, block by block from the last to the first."""
        found = [g]
        blocks = copy.deepcopy(self.blocks)
        for block, x in reversed(list(zip(blocks, self.inputs, strict=True))):
            _, back = torch.autograd.functional.vjp(block, x, found[0])
            found.insert(0, back)
        return found

    def ask(self, answer: Answer) -> list[float]:
        """Ask the answer, and look at all that it was not to touch."""
        if not callable(answer):
            fail("type", f"A function is asked for, got {described(answer)}.")
        given: list[Tensor] = []
        before = [one.clone() for one in self.parameters]

        def remembered(x: Tensor, g: Tensor) -> Any:
            given.extend((x, g))
            return answer(list(self.blocks), x, g)

        try:
            result = asked(remembered, self.x, self.g)
        except CheckFailed as refusal:
            if refusal.hint == "error" and "used in the graph" in str(refusal):
                fail("detached", f"From one place no way leads to the output. {CUT}")
            if refusal.hint == "error" and "does not require grad" in str(refusal):
                fail(
                    "not-marked",
                    "For one of the places nothing was recorded. x comes without "
                    "`requires_grad`, so autograd takes it for a constant. Mark a copy of it.",
                )
            raise
        self._refuse_traces(given, before)
        return _floats(result, len(self.blocks))

    def _refuse_traces(self, given: list[Tensor], before: list[Tensor]) -> None:
        if not all(torch.equal(*pair) for pair in zip(self.parameters, before, strict=True)):
            fail("parameters-changed", "Your call changes the parameters. It is only to measure.")
        if not all(one.requires_grad for one in self.parameters):
            fail(
                "frozen",
                "After your call some parameters take no gradients any more. The next step of a "
                "training would leave them as they are.",
            )
        kept = all(
            one.grad is not None and torch.equal(one.grad, torch.full_like(one, 0.25))
            for one in self.parameters[1:]
        )
        if self.parameters[0].grad is not None or not kept:
            fail(
                "parameter-grads",
                "Your call changes the `.grad` of the parameters. The next step of a training "
                "would use it. Ask for the gradients at the inputs of the blocks alone.",
            )
        if any(one.requires_grad or one.grad is not None for one in given):
            fail(
                "input-marked",
                "After your call x or g requires gradients. All that is computed from it later "
                "keeps its graph in memory. Mark a copy.",
            )
        modes = [part.training for block in self.blocks for part in block.modules()]
        if any(mode != self.training for mode in modes):
            fail("mode-changed", "After your call a block is in another mode than before.")
        if max(self.calls) > 1:
            fail(
                "called-twice",
                f"You call a block {max(self.calls)} times. A batch norm in training mode moves "
                "its running statistics at each call. All gradients lie on the way of one "
                "backward pass.",
            )


def _floats(result: Any, count: int) -> list[float]:
    if not isinstance(result, list | tuple):
        fail("type", f"A list of {count} floats is asked for, got {described(result)}.")
    for one in result:
        if isinstance(one, bool) or not isinstance(one, Real):
            fail("type", f"A list of floats is asked for, got {described(one)} in it.")
        if math.isnan(one):
            fail("nan", "Your list holds NaN, which is no number.")
    return [float(one) for one in result]
