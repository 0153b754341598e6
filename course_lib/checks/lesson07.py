"""Checks of the exercises of lesson 07: the first two, and the names of all the others."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, generator
from course_lib.checks.lesson07_losses import discriminator_loss, generator_slope
from course_lib.checks.lesson07_samples import covered_modes, density_ratio, wasserstein
from course_lib.checks.lesson07_step import training_step
from course_lib.checks.probes import Mistake, judge, real_from

__all__ = [
    "covered_modes",
    "density_ratio",
    "discriminator_loss",
    "generator_slope",
    "jensen_shannon",
    "optimal_discriminator",
    "training_step",
    "wasserstein",
]

BEST_MESSAGES = {
    "share-ignored": "Your probabilities do not depend on the share of real samples. If nine of "
    "ten samples are real, so are nine of ten at a place where both densities are equal.",
    "exchanged": "Your probability is that of a generated sample. It should be large where real "
    "samples are frequent.",
    "share-exchanged": "You give the real samples' share to the generated ones. At a share of 1/2 "
    "that makes no difference, at any other it does.",
    "ratio": "You return a ratio of densities, which can be larger than one. A probability is a "
    "part of the whole: put what is real over everything that is shown.",
    "density": "You return a density. Divide it by the density of everything that is shown.",
    "logit": "You return the logit of the probability, the logarithm of a ratio. The probability "
    "itself is asked for.",
    "half-weighted": "You weight the densities in the numerator only. What is shown is a mixture, "
    "and its parts have the same weights.",
}


def optimal_discriminator(answer: Answer) -> None:
    """Exercise 7.1, against counts of real and generated samples in cells."""
    random = generator(71)
    for share in (0.5, 0.9, 0.2):
        real = torch.randint(1, 40, (9,), generator=random).double()  # samples in each cell
        made = torch.randint(1, 40, (9,), generator=random).double()
        if share != 0.5:  # not in the first case, where logarithms are to stay finite
            real[3] = 0.0
        p, q = real / real.sum(), made / made.sum()
        # Of n samples, n share p fall into a cell as real ones: the oracle counts.
        shown = 1e6 * torch.stack([share * p, (1 - share) * q])  # (2, 9)
        got = real_from(asked(answer, p, q, share))
        judge(
            got,
            shown[0] / shown.sum(dim=0),
            _wrong_bests(p, q, share),
            BEST_MESSAGES,
            f"With a share of {share} of real samples",
        )
    passed("optimal_discriminator")


def _wrong_bests(p: Tensor, q: Tensor, share: float) -> Iterator[Mistake]:
    mixed = share * p + (1 - share) * q
    yield "exchanged", (1 - share) * q / mixed
    yield "share-ignored", p / (p + q)
    yield "exchanged", q / (p + q)
    yield "share-exchanged", (1 - share) * p / ((1 - share) * p + share * q)
    yield "ratio", p / q
    yield "ratio", share * p / ((1 - share) * q)
    yield "density", share * p
    yield "density", p
    yield "half-weighted", share * p / (p + q)
    yield "half-weighted", p / mixed
    yield "logit", torch.log(p / q)
    yield "logit", torch.log(share * p / ((1 - share) * q))


JSD_MESSAGES = {
    "bits": "Your numbers are 1.4427 times too large: that is 1 / log 2. You use the logarithm to "
    "base 2, which counts bits. The lesson counts nats.",
    "each-other": "You average the divergences of p from q and of q from p. In the Jensen-Shannon "
    "divergence both are taken from the mixture of the two, and that keeps it finite.",
    "one-sided": "You have one divergence only. Exchange p and q: your number changes, and it must "
    "not.",
    "sum": "Your number is twice too large, up to 2 log 2. The definition has a mean of two "
    "divergences, you add them.",
    "root": "You return the square root, the Jensen-Shannon distance. The divergence itself is "
    "asked for.",
    "mixture-sum": "Your mixture adds up to 2. The mean of p and q is meant: with their sum every "
    "divergence is too small by log 2.",
    "mean": "You take the mean over the outcomes where the definition has a sum. Your number "
    "depends on how many outcomes there are.",
    "from-mixture": "You take the divergences of the mixture from p and from q. That is infinite "
    "as soon as one of them is zero. The mixture stands second.",
    "sign": "Your number is negative. The logarithm of p over the mixture, weighted with p, is "
    "never negative on the whole: look at the sign.",
}


def jensen_shannon(answer: Answer) -> None:
    """Exercise 7.2, against entropies: of the mixture, less the mean of those of its parts."""
    random = generator(72)
    for size in (5, 12, 2):
        p, q = (torch.rand(size, generator=random).double() + 0.01 for _ in range(2))
        p, q = p / p.sum(), q / q.sum()
        _judge_jsd(answer, p, q, "For two distributions without zeros")
    p = torch.tensor([0.5, 0.5, 0.0, 0.0], dtype=torch.float64)
    q = torch.tensor([0.0, 0.25, 0.75, 0.0], dtype=torch.float64)
    _judge_jsd(answer, p, q, "With zeros among the probabilities")
    apart = torch.tensor([0.0, 0.0, 0.1, 0.9], dtype=torch.float64)
    _judge_jsd(answer, p, apart, "For two distributions that never meet")
    _judge_jsd(answer, p, p, "For two equal distributions")
    passed("jensen_shannon")


def _judge_jsd(answer: Answer, p: Tensor, q: Tensor, case: str) -> None:
    result = asked(answer, p, q)
    got = torch.as_tensor(result) if isinstance(result, int | float) else result
    if isinstance(got, Tensor) and got.isnan().any() and bool(((p == 0) | (q == 0)).any()):
        fail(
            "zero-log-zero",
            "Your result is NaN where a probability is zero. In the limit 0 log 0 is 0, and the "
            "computer multiplies 0 by minus infinity. torch.special.xlogy knows the limit.",
        )
    got = real_from(got)
    wanted = _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2
    if got.isinf().any():
        fail(
            "infinite",
            "Your result is infinite where one distribution is zero and the other is not. A "
            "divergence from the mixture stays below log 2: the mixture is zero only where both "
            "are.",
        )
    judge(got, wanted, _wrong_jsds(p, q, wanted), JSD_MESSAGES, f"{case}:")


def _wrong_jsds(p: Tensor, q: Tensor, right: Tensor) -> Iterator[Mistake]:
    m = (p + q) / 2
    yield "bits", right / math.log(2)
    yield "each-other", (_kl(p, q) + _kl(q, p)) / 2
    yield "each-other", _kl(p, q) + _kl(q, p)
    yield "one-sided", _kl(p, q)
    yield "one-sided", _kl(q, p)
    yield "one-sided", _kl(p, m)
    yield "one-sided", _kl(q, m)
    yield "sum", 2 * right
    yield "root", right.sqrt()
    yield "mixture-sum", right - math.log(2)
    yield "mean", right / len(p)
    yield "mean", 2 * right / len(p)
    yield "from-mixture", (_kl(m, p) + _kl(m, q)) / 2
    yield "sign", -right


def _entropy(p: Tensor) -> Tensor:
    return -sum((one * math.log(one) for one in p.tolist() if one > 0), torch.zeros(()).double())


def _kl(p: Tensor, q: Tensor) -> Tensor:
    return (torch.special.xlogy(p, p) - torch.special.xlogy(p, q)).sum()
