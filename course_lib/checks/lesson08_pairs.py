"""Checks of lesson 08 on pairs of losses: how they are judged, least squares, critic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described, tensor_from
from course_lib.checks.tensors import gaussians, same

#: The loss as a function of real and generated logits, (B,), (B,) -> ().
Loss = Callable[[Tensor, Tensor], Tensor]
#: Hint -> what an answer with this misconception computes, and what is said about it.
Mistakes = dict[str, tuple[Loss, str]]

SUM = (
    "You add over the batch. A loss is a mean, so that the learning rate does not depend on the "
    "number of images."
)
HALF = "You left out the factor one half. "


#: Seed, images, spread, mean of the real logits and of the generated ones.
CASES = ((810, 7, 3.0, 1.6, -1.4), (820, 4, 1.0, -0.7, 0.9), (830, 9, 0.4, 1.8, -1.7))


def _batch(seed: int, size: int, spread: float, high: float, low: float) -> tuple[Tensor, Tensor]:
    """Logits of both kinds, some far on either side: a hinge that should not be there must show."""
    real, fake = (spread * gaussians(seed + k, size) for k in (0, 1))
    ends = torch.tensor([-2.0, 5.0], dtype=torch.float64)
    return torch.cat([real + high, ends]), torch.cat([fake + low, 0.5 - ends])


def ramp(x: Tensor) -> Tensor:
    """The larger of 0 and x."""
    return torch.where(x > 0, x, torch.zeros_like(x))


def minus_log(logits: Tensor) -> Tensor:
    """-log sigmoid from the definition, for moderate logits in float64."""
    return -torch.log(1 / (1 + torch.exp(-logits)))


def losses_of(result: Any) -> tuple[Tensor, Tensor]:
    """The two losses that came back, or a refusal that says what is asked for."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        fail(
            "type",
            f"Two losses are asked for, the discriminator's and the generator's; got "
            f"{described(result)}.",
        )
    for which, loss in zip(("discriminator", "generator"), result, strict=True):
        if isinstance(loss, Tensor) and loss.ndim and loss.numel() > 1:
            fail(
                "no-mean",
                f"Your loss of the {which} has shape {tuple(loss.shape)}. One number is asked "
                "for, the mean over the batch.",
            )
        tensor_from(loss, ())
    return tuple(result)


def judge_pair(
    answer: Answer, name: str, right: tuple[Loss, Loss], wrong: tuple[Mistakes, Mistakes]
) -> None:
    """Refuse losses that differ from the right ones, naming the misconception, or one cut off.

    A misconception must explain the answer's loss on every batch: on one, two may agree.
    """
    batches = [_batch(*case) for case in CASES]
    found = [losses_of(asked(answer, *batch)) for batch in batches]
    for number, who in enumerate(("discriminator", "generator")):
        got = [pair[number].detach().double() for pair in found]

        def explains(loss: Loss, got: list[Tensor] = got) -> bool:
            return all(same(one, loss(*batch)) for one, batch in zip(got, batches, strict=True))

        if explains(right[number]):
            continue
        for hint, (misled, message) in wrong[number].items():
            if explains(misled):
                fail(hint, message)
        fail(
            "wrong",
            f"Your loss of the {who} is not the one that is asked for. Compare it with the "
            "equation, one image at a time.",
        )
    real, fake = (gaussians(seed, 5).requires_grad_() for seed in (840, 841))
    for who, loss in zip(
        ("discriminator", "generator"), losses_of(answer(real, fake)), strict=True
    ):
        if not loss.requires_grad:
            fail(
                "no-graph",
                f"Your loss of the {who} has no graph: nothing can be trained with it. Keep the "
                "result a tensor, and do not detach it here.",
            )
    passed(name)


def least_squares(answer: Answer) -> None:
    """Exercise 8.1, by values."""
    aims = lambda x, target: (x - target).square().mean() / 2  # noqa: E731
    judge_pair(
        answer,
        "least_squares",
        (lambda a, b: aims(a, 1) + aims(b, -1), lambda a, b: aims(b, 0)),
        (
            {
                "swapped": (
                    lambda a, b: aims(a, -1) + aims(b, 1),
                    "Your discriminator aims at -1 for real images and at 1 for generated ones. "
                    "With the generator's target half-way, this pair would train alike; but here a "
                    "high score means real, and the other losses rely on it.",
                ),
                "no-half": (
                    lambda a, b: 2 * aims(a, 1) + 2 * aims(b, -1),
                    HALF + "The minimum is the same, and the balance with a penalty is not.",
                ),
                "zero-one": (
                    lambda a, b: aims(a, 1) + aims(b, 0),
                    "Your discriminator aims at 0 for generated images. The label asked for is -1: "
                    "the generator aims at 0, half-way between -1 and 1.",
                ),
                "mean-first": (
                    lambda a, b: (a.mean() - 1).square() / 2 + (b.mean() + 1).square() / 2,
                    "You average the logits and square then. A batch with scores of -4 and 6 would "
                    "count as perfect. Each image pays for its own distance.",
                ),
                "sum": (lambda a, b: aims(a, 1) * len(a) + aims(b, -1) * len(b), SUM),
                "half": (
                    lambda a, b: (aims(a, 1) + aims(b, -1)) / 2,
                    "Your discriminator's loss is half of what is asked for: one mean over both "
                    "batches. Equation (8.4) adds two means.",
                ),
            },
            {
                "aims-at-real": (
                    lambda a, b: aims(b, 1),
                    "Your generator aims at 1, the discriminator's label for real. It would learn, "
                    "but it is pushed elsewhere. The target that is asked for is 0.",
                ),
                "aims-at-fake": (
                    lambda a, b: aims(b, -1),
                    "Your generator aims at -1, the label for generated images. It learns to be "
                    "caught.",
                ),
                "no-half": (
                    lambda a, b: 2 * aims(b, 0),
                    HALF + "It stands in both losses of equation (8.4).",
                ),
                "mean-first": (
                    lambda a, b: b.mean().square() / 2,
                    "You average the logits and square then. Each image pays for its own distance.",
                ),
                "sum": (lambda a, b: aims(b, 0) * len(b), SUM),
            },
        ),
    )


def critic(answer: Answer) -> None:
    """Exercise 8.2, by values."""
    judge_pair(
        answer,
        "critic",
        (lambda a, b: b.mean() - a.mean(), lambda a, b: -b.mean()),
        (
            {
                "sign-swapped": (
                    lambda a, b: a.mean() - b.mean(),
                    "Your critic's loss has the wrong sign: an optimiser that lowers it makes real "
                    "images score low. The distance is what the critic raises, and optimisers "
                    "lower.",
                ),
                "absolute": (
                    lambda a, b: (a.mean() - b.mean()).abs(),
                    "You take the absolute value. Lowered by an optimiser it goes to zero, where "
                    "the critic sees no difference at all.",
                ),
                "sum": (lambda a, b: b.sum() - a.sum(), SUM),
                "logarithmic": (
                    lambda a, b: minus_log(a).mean() + minus_log(-b).mean(),
                    "This is the logarithmic loss. The critic's score is no logit of a "
                    "probability: no sigmoid and no logarithm belong here.",
                ),
            },
            {
                "sign-swapped": (
                    lambda a, b: b.mean(),
                    "Your generator lowers the score of its own images. It should raise it, and "
                    "an optimiser lowers what it is given.",
                ),
                "sum": (lambda a, b: -b.sum(), SUM),
                "whole-distance": (
                    lambda a, b: a.mean() - b.mean(),
                    "Your generator's loss holds the score of the real images too. The gradient is "
                    "right, since the generator cannot change that score; the number that is "
                    "asked for leaves it out.",
                ),
            },
        ),
    )
