"""The check of lesson 10's exercise 10.4: a score of a classifier's probabilities."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked
from course_lib.checks.lesson10_judging import Rule, agree, judge, numbers_from
from course_lib.checks.tensors import gaussians


def _probabilities(seed: int, count: int, classes: int, sharpness: float) -> Tensor:
    return torch.softmax(sharpness * gaussians(seed, count, classes), dim=1)


CASES = (
    (_probabilities(1201, 30, 4, 2.0),),
    (_probabilities(1202, 5, 10, 5.0),),
    (_probabilities(1203, 50, 3, 0.5),),
)
#: Certain about every image: most probabilities are exactly zero.
CERTAIN = torch.eye(4, dtype=torch.float64)[[0, 1, 1, 2, 2, 3]]


def _entropy(p: list[float]) -> float:
    return -math.fsum(one * math.log(one) for one in p if one > 0)


def _by_entropies(p: Tensor) -> list[float]:
    """exp of the entropy of the mean less the mean of the entropies, number by number."""
    rows = p.tolist()
    mean = [math.fsum(column) / len(rows) for column in zip(*rows, strict=True)]
    return [math.exp(_entropy(mean) - math.fsum(map(_entropy, rows)) / len(rows))]


def _divergence(p: Tensor) -> Tensor:
    return (p * (p / p.mean(dim=0)).log()).sum(dim=1)


def _own(p: Tensor) -> Tensor:
    return -(p * p.log()).sum(dim=1).mean()


def _mean_entropy(p: Tensor) -> Tensor:
    q = p.mean(dim=0)
    return -(q * q.log()).sum()


WRONG: dict[str, Rule] = {
    "axis": (
        lambda p: [
            (p * (p / p.mean(dim=1, keepdim=True)).log()).sum(dim=1).mean().exp().item(),
        ],
        "You average over the classes of one image. The mean is taken over the images: it says how "
        "often each class comes.",
    ),
    "no-exponential": (
        lambda p: [_divergence(p).mean().item()],
        "You return the mean divergence itself, in nats. Its exponential is asked for, which "
        "counts classes.",
    ),
    "mean-of-exponentials": (
        lambda p: [_divergence(p).exp().mean().item()],
        "You average exponentials. The mean over the images comes first, and then one exponential.",
    ),
    "mean-of-logarithms": (
        lambda p: [(-(p.mean(0) * p.log().mean(dim=0)).sum() - _own(p)).exp().item()],
        "You average the logarithms of the probabilities. The entropy of the mean needs the "
        "logarithm of the average.",
    ),
    "reversed": (
        lambda p: [(p.mean(0) * (p.mean(0) / p).log()).sum(dim=1).mean().exp().item()],
        "You take the divergence the other way round, of the mean from each image. The image's "
        "probabilities are the weights.",
    ),
    "sign": (
        lambda p: [(-_divergence(p).mean()).exp().item()],
        "Your exponent has the wrong sign. The score is never below one.",
    ),
    "only-variety": (
        lambda p: [_mean_entropy(p).exp().item()],
        "You use the entropy of the mean alone. A classifier that knows nothing about any image "
        "would get the best score.",
    ),
    "only-certainty": (
        lambda p: [(-_own(p)).exp().item()],
        "You use the images' own entropies alone. Ten copies of one image would get the best "
        "score.",
    ),
    "sum": (
        lambda p: [_divergence(p).sum().exp().item()],
        "You add the divergences of the images up. Their mean is asked for, or the score would "
        "grow with the number of images.",
    ),
    "mean-over-classes": (
        lambda p: [(p * (p / p.mean(dim=0)).log()).mean().exp().item()],
        "You average over the classes as well. A divergence is a sum over classes.",
    ),
    "bits": (
        lambda p: [(_divergence(p).mean() / math.log(2)).exp().item()],
        "Your divergence is in bits and the exponential in nats. Take natural logarithms, or "
        "powers of two.",
    ),
}


def class_score(answer: Answer) -> None:
    """Exercise 10.4, against entropies that are summed number by number."""
    judge(
        answer,
        CASES,
        _by_entropies,
        WRONG,
        ("score",),
        lambda p: f"For {p.shape[0]} images and {p.shape[1]} classes",
    )
    (got,) = numbers_from(asked(answer, CERTAIN), ("score",))
    if not math.isfinite(got):
        fail(
            "zero-probability",
            "Where a probability is exactly zero your score is not finite. There 0 log 0 counts as "
            "0, which is the limit; float32 softmax gives exact zeros.",
        )
    if not agree([(got,)], [_by_entropies(CERTAIN)]):
        fail(
            "zero-probability",
            "Where some probabilities are exactly zero your score is not exact. A small number "
            "inside the logarithm moves it; 0 log 0 counts as 0.",
        )
    passed("class_score")
