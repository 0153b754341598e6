"""Checks of lesson 07's exercises 7.3 and 7.4: the discriminator's loss, the generator's slope."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, generator
from course_lib.checks.lesson03_backward import WatchAutograd
from course_lib.checks.probes import Mistake, judge, real_from
from course_lib.checks.tensors import same as alike

LOSS_MESSAGES = {
    "article": "You take the logarithm of the generated samples' scores as they are. That rewards "
    "a discriminator for calling them real: the article's mistake. For them the right answer is "
    "'generated', with probability 1 - D.",
    "swapped": "You reward low scores of real samples and high ones of generated samples. The two "
    "kinds are exchanged.",
    "base-ten": "You use the logarithm to base 10. Your numbers are 0.434 times the right ones. In "
    "torch `log` is the natural logarithm.",
    "bits": "You use the logarithm to base 2. In torch `log` is the natural logarithm.",
    "sign": "Your loss has the wrong sign: it is the value that the discriminator maximises. A "
    "loss is minimised.",
    "half": "Your loss is half of what equation (7.6) says. The equation adds two means, one for "
    "each kind; it does not average them.",
    "sum": "You add up where the mean over the batch is asked for. The loss would grow with the "
    "batch.",
    "only-real": "Your loss does not look at the generated samples. A discriminator that calls "
    "everything real would be perfect.",
    "only-made": "Your loss does not look at the real samples. A discriminator that calls "
    "everything generated would be perfect.",
    "score-of-mean": "You average the scores first and take the logarithm then. The mean of a "
    "logarithm is not the logarithm of the mean: one confident mistake must count.",
}


def discriminator_loss(answer: Answer) -> None:
    """Exercise 7.3, against a sum in plain Python; the article's own numbers come first."""
    random = generator(73)
    cases = [tuple(torch.tensor([[0.8], [0.2]], dtype=torch.float64))]
    cases += [torch.rand(2, n, generator=random).double().clamp(0.02, 0.98) for n in (6, 3)]
    # First the batches: on one pair of numbers several mistakes look alike.
    for real, made in (cases[1], cases[2], cases[0]):
        result = asked(answer, real, made)
        got = real_from(torch.as_tensor(result) if isinstance(result, float) else result)
        wanted = torch.tensor(
            -sum(math.log(one) for one in real.tolist()) / len(real)
            - sum(math.log(1 - one) for one in made.tolist()) / len(made),
            dtype=torch.float64,
        )
        judge(
            got,
            wanted,
            _wrong_losses(real, made, wanted),
            LOSS_MESSAGES,
            f"For scores {real[0]:.2f} ... and {made[0]:.2f} ...",
        )
    passed("discriminator_loss")


def _wrong_losses(real: Tensor, made: Tensor, right: Tensor) -> Iterator[Mistake]:
    on_real, on_made = -torch.log(real), -torch.log(1 - made)
    yield "article", (on_real - torch.log(made)).mean()
    yield "swapped", (-torch.log(1 - real) - torch.log(made)).mean()
    yield "base-ten", right / math.log(10)
    yield "bits", right / math.log(2)
    yield "sign", -right
    yield "half", right / 2
    yield "sum", (on_real + on_made).sum()
    yield "only-real", on_real.mean()
    yield "only-made", on_made.mean()
    yield "score-of-mean", -torch.log(real.mean()) - torch.log(1 - made.mean())


SLOPE_MESSAGES = {
    "saturating": "Your slope is that of log(1 - D), the loss of the minimax game. At a logit of "
    "-4.6, where D = 0.01, it is 99 times smaller than the one asked for.",
    "ascent": "Your slope is positive: descending it lowers the score of the generated samples. A "
    "higher logit makes the loss smaller.",
    "not-averaged": "Your slopes do not depend on the number of samples. The loss is a mean, and "
    "each sample has the B-th part of it.",
    "in-the-score": "You differentiate in D. The logit is asked for, and by the chain rule the "
    "slope has another factor, D (1 - D).",
    "discriminator": "Your slope is that of the discriminator's loss for generated samples. The "
    "generator wants the opposite.",
    "mean": "You return one number for all samples. Each logit has its own slope.",
}


def generator_slope(answer: Answer) -> None:
    """Exercise 7.4, against differences of the loss in float64, and at extreme logits."""
    logits = 2 * torch.randn(7, generator=generator(74), dtype=torch.float64)
    with WatchAutograd() as watch:
        result = asked(answer, logits)
    if watch.used:
        fail("autograd", "You let torch compute the derivative. Write it down: (7.12) has it.")
    got = real_from(result)
    wanted = _differences(logits)
    # Differences are good to about ten digits, more than `judge` asks for.
    judge(got, wanted, _wrong_slopes(logits), SLOPE_MESSAGES, "For seven moderate logits")
    for value, right in ((-1e4, -1.0), (-200.0, -1.0), (200.0, 0.0), (1e4, 0.0)):
        extreme = torch.full((4,), value, dtype=torch.float32)
        result = asked(answer, extreme)
        finite = isinstance(result, Tensor) and bool(torch.isfinite(result).all())
        if finite and not alike(real_from(result), torch.full((4,), right / 4).double()):
            fail(
                "extreme",
                f"At a logit of {value:g} your slope is not {right / 4:g}, as it should be. Do you "
                "cut the logits off, or add a small number?",
            )
        if not finite:
            fail(
                "overflow",
                f"At a logit of {value:g} your slope is not {right / 4:g}. In float32 an "
                "exponential of more than 88 is infinite, and infinite over infinite is NaN. "
                "torch.sigmoid does not overflow.",
            )
    passed("generator_slope")


def _loss(logits: Tensor) -> Tensor:
    return torch.log1p(torch.exp(-logits)).mean()


def _differences(logits: Tensor) -> Tensor:
    step, slopes = 1e-5, []
    for unit in torch.eye(len(logits), dtype=torch.float64):
        rise = _loss(logits + step * unit) - _loss(logits - step * unit)
        slopes.append(rise / (2 * step))
    return torch.stack(slopes)


def _wrong_slopes(logits: Tensor) -> Iterator[Mistake]:
    score, count = 1 / (1 + torch.exp(-logits)), len(logits)
    yield "saturating", -score / count
    yield "saturating", -score
    yield "ascent", (1 - score) / count
    yield "ascent", 1 - score
    yield "not-averaged", score - 1
    yield "in-the-score", -1 / score / count
    yield "in-the-score", -1 / score
    yield "discriminator", score / count
    yield "discriminator", score
    yield "mean", (score - 1).mean()
