"""The check of lesson 07's exercise 7.5: one step of both players, on a game with known gradients.

The generator has a mean and the logarithm of a width, the discriminator a quadratic logit
u x^2 + v x + w. Both are small enough that each way to do the step wrong can be computed too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer, asked, generator

RATES = 0.3, 0.2  # of the generator's and the discriminator's gradient descent
BATCH = 6


class LineGenerator(nn.Module):
    """Numbers from noise: (B, 1) -> (B, 1)."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights.clone())  # mean, logarithm of the width

    def forward(self, z: Tensor) -> Tensor:
        """mean + width z."""
        return self.weights[0] + self.weights[1].exp() * z


class LineJudge(nn.Module):
    """Logits of numbers: (B, 1) -> (B,)."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights.clone())

    def forward(self, x: Tensor) -> Tensor:
        """u x^2 + v x + w."""
        u, v, w = self.weights
        return (u * x * x + v * x + w)[:, 0]


class WatchedSGD(torch.optim.SGD):
    """Gradient descent that keeps what gradient another parameter has when it steps."""

    def __init__(self, network: nn.Module, rate: float, watched: nn.Parameter) -> None:
        super().__init__(network.parameters(), lr=rate)
        self.watched, self.seen, self.steps = watched, [], 0

    def step(self, closure: Callable | None = None) -> Any:
        """One step, and a note."""
        self.steps += 1
        grad = self.watched.grad
        self.seen.append(None if grad is None else grad.detach().clone())
        return super().step(closure)


#: Weights of generator and discriminator, in float64.
State = tuple[Tensor, Tensor]


def training_step(answer: Answer) -> None:
    """Exercise 7.5, against derivatives written out by hand."""
    for seed in (75, 750):
        random = generator(seed)
        g = torch.tensor([-0.4, 0.2], dtype=torch.float64)
        d = 0.5 * torch.randn(3, generator=random, dtype=torch.float64)
        real = 1 + torch.randn(BATCH, 1, generator=random, dtype=torch.float64)
        z = torch.randn(BATCH, 1, generator=random, dtype=torch.float64)
        stale = tuple(torch.randn(n, generator=random, dtype=torch.float64) for n in (2, 3))
        _judge_step(answer, g, d, real, z, stale)
    passed("training_step")


def _judge_step(
    answer: Answer, g: Tensor, d: Tensor, real: Tensor, z: Tensor, stale: State
) -> None:
    maker, judge = LineGenerator(g), LineJudge(d)
    for network, grad in zip((maker, judge), stale, strict=True):
        network.weights.grad = grad.clone()  # as an earlier step leaves it
    g_sgd = WatchedSGD(maker, RATES[0], judge.weights)
    d_sgd = WatchedSGD(judge, RATES[1], maker.weights)
    try:
        asked(answer, maker, judge, g_sgd, d_sgd, real, z)
    except CheckFailed as refusal:
        if "second time" in str(refusal) or "inplace" in str(refusal):
            if (
                not d_sgd.seen
                or d_sgd.seen[0] is None
                or _is_attached(d_sgd.seen[0], stale[0], g, d, z)
            ):
                _refuse_attached()
            fail(
                "old-scores",
                "Your generator's loss uses scores from before the discriminator's step. Their "
                "graph is used up, or the weights have changed since: ask the new discriminator "
                "about the generated numbers again.",
            )
        raise
    for name, sgd in (("generator", g_sgd), ("discriminator", d_sgd)):
        if sgd.steps == 0:
            fail("no-step", f"The optimiser of the {name} made no step. Both players move once.")
    after = maker.weights.detach(), judge.weights.detach()
    grad = d_sgd.seen[0]
    if _is_attached(grad, stale[0], g, d, z):
        _refuse_attached()
    if not _same(after, _stepped(g, d, real, z)):
        for hint, (state, message) in _wrong_steps(g, d, real, z, stale).items():
            if _same(after, state):
                fail(hint, message)
        name = (
            "generator" if torch.allclose(after[1], _stepped(g, d, real, z)[1]) else "discriminator"
        )
        fail("wrong", f"After your step the weights of the {name} are not the right ones.")
    if not (maker.weights.requires_grad and judge.weights.requires_grad):
        fail(
            "left-frozen", "Your step leaves a network frozen. Its next turn would change nothing."
        )


def _is_attached(grad: Tensor | None, stale: Tensor, g: Tensor, d: Tensor, z: Tensor) -> bool:
    """Whether the generator's gradient at the discriminator's step holds that one's loss."""
    if grad is None:
        return False
    caught = _maker_slope(g, d, z, lambda score: score)
    return torch.allclose(grad, caught) or torch.allclose(grad, stale + caught)


def _refuse_attached() -> None:
    fail(
        "not-detached",
        "The discriminator's loss went backward into the generator. That gradient teaches it to be "
        "caught, and the graph may be gone when its own turn comes. In the discriminator's turn, "
        "generated numbers are plain data.",
    )


def _same(left: State, right: State) -> bool:
    return all(torch.allclose(a, b, rtol=1e-6, atol=1e-8) for a, b in zip(left, right, strict=True))


def _score(d: Tensor, x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-(d[0] * x * x + d[1] * x + d[2])))  # (B, 1)


def _made(g: Tensor, z: Tensor) -> Tensor:
    return g[0] + torch.exp(g[1]) * z


def _judge_slope(d: Tensor, x: Tensor, label: float) -> Tensor:
    """Of the mean loss of samples x with this label, 1 for real: for both it is D - label."""
    slope = _score(d, x) - label
    return torch.cat([slope * x * x, slope * x, slope], dim=1).mean(dim=0)


def _maker_slope(g: Tensor, d: Tensor, z: Tensor, slope: Callable[[Tensor], Tensor]) -> Tensor:
    """Of a mean loss whose derivative in the logit is slope(D)."""
    x = _made(g, z)
    in_x = slope(_score(d, x)) * (2 * d[0] * x + d[1])
    return torch.cat([in_x, in_x * torch.exp(g[1]) * z], dim=1).mean(dim=0)


def _not_caught(score: Tensor) -> Tensor:
    return score - 1


def _stepped(g: Tensor, d: Tensor, real: Tensor, z: Tensor) -> State:
    """The right step: first the discriminator, then the generator against the new one."""
    new = d - RATES[1] * (_judge_slope(d, real, 1.0) + _judge_slope(d, _made(g, z), 0.0))
    return g - RATES[0] * _maker_slope(g, new, z, _not_caught), new


def _wrong_steps(
    g: Tensor, d: Tensor, real: Tensor, z: Tensor, stale: State
) -> dict[str, tuple[State, str]]:
    slow, fast = RATES[0], RATES[1]
    x = _made(g, z)
    both = _judge_slope(d, real, 1.0) + _judge_slope(d, x, 0.0)
    new = d - fast * both
    right = _maker_slope(g, new, z, _not_caught)
    swapped = d - fast * (_judge_slope(d, real, 0.0) + _judge_slope(d, x, 1.0))
    only = d - fast * _judge_slope(d, real, 1.0)
    piled = d - fast * (both + stale[1])
    first = g - slow * _maker_slope(g, d, z, _not_caught)
    x_first = _made(first, z)
    own = _judge_slope(new, x, 1.0)  # what the generator's loss does to the discriminator
    halved = d - fast * both / 2

    def then(state: Tensor, slope: Callable[[Tensor], Tensor] = _not_caught) -> State:
        return g - slow * _maker_slope(g, state, z, slope), state

    return {
        "saturating": (
            then(new, lambda score: -score),
            "Your generator descends log(1 - D), the loss of the minimax game. The non-saturating "
            "loss is asked for: at a small D it pushes (1 - D)/D times as hard.",
        ),
        "helps-discriminator": (
            then(new, lambda score: score),
            "Your generator learns to be caught: it descends the discriminator's loss. For its own "
            "turn the label of its numbers is 'real'.",
        ),
        "ascent": (
            (g + slow * right, new),
            "Your generator moves away from what would raise its score. A loss is descended.",
        ),
        "swapped": (
            then(swapped),
            "Your discriminator learns to call real numbers generated, and generated ones real. "
            "Its labels are exchanged.",
        ),
        "only-real": (
            then(only),
            "Your discriminator never sees a generated number. It will call everything real.",
        ),
        "half": (
            then(halved),
            "Your discriminator moves half as far as it should: its loss is the sum of two means, "
            "one for each kind.",
        ),
        "together": (
            (first, new),
            "Your generator faced the discriminator as it was before its step. Ask the new one "
            "about the generated numbers again.",
        ),
        "order": (
            (
                first,
                d - fast * (_judge_slope(d, real, 1.0) + _judge_slope(d, x_first, 0.0)),
            ),
            "Your generator moves first. The exercise asks for the discriminator first.",
        ),
        "both-moved": (
            (g - slow * right, new - fast * own),
            "In the generator's turn your discriminator moves too, and in the direction that suits "
            "the generator. Each optimiser steps in its own turn only.",
        ),
        "not-zeroed": (
            (g - slow * (_maker_slope(g, piled, z, _not_caught) + stale[0]), piled),
            "Gradients of an earlier step are still in yours. Gradients add up in PyTorch until "
            "they are cleared.",
        ),
        "generator-not-zeroed": (
            (g - slow * (right + stale[0]), new),
            "The generator's gradients of an earlier step are still in yours. Clear them before "
            "its loss goes backward.",
        ),
        "discriminator-not-zeroed": (
            then(piled),
            "The discriminator's gradients of an earlier step are still in yours. In the "
            "generator's turn it collects some too: clear them.",
        ),
    }
