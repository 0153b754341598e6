"""Checks of the exercises of lesson 04: the first, and the names of all the others."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, generator, tensor_from
from course_lib.checks.lesson04_backward import batch_norm_backward
from course_lib.checks.lesson04_confusion import confusion
from course_lib.checks.lesson04_field import receptive_field
from course_lib.checks.lesson04_fold import fold
from course_lib.checks.lesson04_norm import batch_norm
from course_lib.checks.lesson04_saliency import saliency
from course_lib.checks.lesson04_scale import he_std
from course_lib.checks.probes import Watch
from course_lib.checks.tensors import Misconception, gaussians, judge, real_tensor

__all__ = [
    "batch_norm",
    "batch_norm_backward",
    "confusion",
    "cross_entropy",
    "fold",
    "he_std",
    "receptive_field",
    "saliency",
]


def cross_entropy(answer: Answer) -> None:
    """Exercise 4.1, against log-sum-exp row by row, and on logits that no exponential survives."""
    for seed, (batch, classes) in enumerate(((6, 5), (3, 10), (4, 4), (5, 2)), start=410):
        logits = 2 * gaussians(seed, batch, classes)
        labels = torch.randint(classes, (batch,), generator=generator(seed))
        with Watch() as watch:
            result = asked(answer, logits, labels)
        what = f"For logits of shape {(batch, classes)} the loss is wrong"
        judge(result, _priced(logits, labels), _loss_misconceptions(logits, labels), what)
    _check_large_logits(answer)
    if any(name in READY_MADE for name, _ in watch.calls):
        fail(
            "ready-made",
            "Your result is right, and torch has computed it for you. Write down the logarithm of "
            "softmax yourself: where it overflows is what there is to learn.",
        )
    passed("cross_entropy")


READY_MADE = {"cross_entropy", "cross_entropy_loss", "log_softmax"}


def _priced(logits: Tensor, labels: Tensor) -> Tensor:
    rows = [row.logsumexp(0) - row[label] for row, label in zip(logits, labels, strict=True)]
    return torch.stack(rows).mean()


def _loss_misconceptions(logits: Tensor, labels: Tensor) -> Iterator[Misconception]:
    chosen = logits.softmax(dim=1)[torch.arange(len(labels)), labels]
    each = -chosen.log()
    for one in (each, each[:, None]):
        yield (
            "not-averaged",
            one,
            "You return a number for each image. Training needs one number to go down, and it is "
            "to be the mean over the batch.",
        )
    yield (
        "sum",
        each.sum(),
        "Your loss grows with the number of images. It is to be a mean over the batch, so that a "
        "learning rate keeps its meaning when the batch size changes.",
    )
    yield (
        "classes-counted",
        each.sum() / logits.numel(),
        "You divide by the number of all logits. A mean over the batch has one term for each "
        "image, that of its own class.",
    )
    for one in (chosen.mean(), -chosen.mean(), (1 - chosen).mean()):
        yield (
            "no-logarithm",
            one,
            "Your loss is linear in the probability of the right class. A certainty of being "
            "wrong then costs hardly more than a doubt. The logarithm makes it cost without limit.",
        )
    for one in (each.mean() / math.log(2), each.mean() / math.log(10)):
        yield (
            "base",
            one,
            "Your logarithm has another base. In nats it is the natural one, whose gradient has no "
            "extra factor.",
        )
    yield (
        "sign",
        -each.mean(),
        "Your loss has the wrong sign. A logarithm of a probability is at most zero, and a loss is "
        "small where the prediction is good.",
    )
    yield (
        "mean-first",
        -chosen.mean().log(),
        "You take the mean of the probabilities and its logarithm afterwards. Each image has its "
        "own loss, and their mean is asked for.",
    )
    yield (
        "softmax-twice",
        F.cross_entropy(logits.softmax(dim=1), labels),
        "You apply softmax twice. Its result is between 0 and 1, and a second softmax makes it "
        "almost uniform.",
    )
    yield (
        "not-normalised",
        -logits[torch.arange(len(labels)), labels].mean(),
        "Your loss does not depend on the logits of the other classes. A logit is no "
        "log-probability as long as the probabilities do not add up to one.",
    )
    log_p = logits.log_softmax(dim=1)
    for one in (-log_p[:, labels].mean(), -log_p[:, labels].sum() / len(labels)):
        yield (
            "all-pairs",
            one,
            "Each of your images pays for the labels of all images. `log_p[:, labels]` has shape "
            "(B, B): every row with every label. Each row is to meet its own label.",
        )
    yield (
        "axis",
        -logits.log_softmax(dim=0)[torch.arange(len(labels)), labels].mean(),
        "Your probabilities add up to one over the images. Each image is a choice among its own "
        "classes.",
    )


def _check_large_logits(answer: Answer) -> None:
    """Rows that overflow by themselves, rows with vanishing probabilities, rows far apart."""
    large = [[1000.0, 999.0, 997.0]], [[-1000.0, -999.0, -997.0]]
    for rows in large:
        logits = torch.tensor(rows, dtype=torch.float64)
        _expect_finite(
            answer,
            logits,
            torch.tensor([1]),
            "overflow",
            f"For the logits {rows[0]} your loss is not finite. exp(1000) is too large for a "
            "float64 and exp(-1000) too small. Only differences of logits matter: make use of it "
            "before the exponential.",
        )
    far = torch.tensor([[1000.0, 998.0, 999.0], [-1000.0, -998.0, -999.0]], dtype=torch.float64)
    _expect_finite(
        answer,
        far,
        torch.tensor([2, 1]),
        "batch-maximum",
        "With one row near 1000 and one near -1000 your loss is not finite, though it is for each "
        "row by itself. What you subtract may depend on the row, because each row is normalised by "
        "itself.",
    )
    sure = torch.tensor([[1000.0, 0.0, -1000.0], [0.0, 1.0, 2.0]], dtype=torch.float64)
    _expect_finite(
        answer,
        sure,
        torch.tensor([2, 0]),
        "log-of-zero",
        "For the logits [1000, 0, -1000] and the label 2 your loss is not finite. The probability "
        "is rounded to zero before its logarithm is taken. Simplify the logarithm of the "
        "exponential on paper.",
    )


def _expect_finite(answer: Answer, logits: Tensor, labels: Tensor, hint: str, message: str) -> None:
    result = asked(answer, logits, labels)
    if isinstance(result, Tensor) and not result.isfinite().all():
        fail(hint, message)
    wanted = _priced(logits, labels)
    got = real_tensor(result)
    tensor_from(got, tuple(wanted.shape))
    if (got - wanted).abs() > 1e-6 * logits.abs().max():  # as exact as float32 at this size
        fail(
            "clamped",
            f"For the logits {logits[0].tolist()} your loss is finite and wrong. A probability or "
            "a logit that is kept off its limit has no gradient any more, just where the "
            "prediction is worst.",
        )
