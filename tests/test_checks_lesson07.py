"""Answers to lesson 07's exercises, judged by test_checks.py, and tests of its own."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from course_lib import divergences, losses
from course_lib.checks import CheckFailed, lesson07, lesson07_step


def shannon(p, q):
    m = (p + q) / 2
    return (F.kl_div(m.log(), p, reduction="sum") + F.kl_div(m.log(), q, reduction="sum")) / 2


def shannon_by_loops(p, q):
    total = 0.0
    for one, other in zip(p.tolist(), q.tolist(), strict=True):
        for part in (one, other):
            if part:
                total += part * math.log(2 * part / (one + other)) / 2
    return torch.tensor(total)


def cross_entropy(real_scores, fake_scores):
    return losses.discriminator_loss(real_scores.logit(), fake_scores.logit())


def slope_by_softplus(fake_logits):
    return -torch.exp(-F.softplus(fake_logits)) / len(fake_logits)


def stepped(
    turns="dg",
    *,
    detach=True,
    clear=(True, True),
    maker_loss=losses.generator_loss,
    judge_loss=losses.discriminator_loss,
    early=False,
    retain=False,
):
    """A step of the game with one thing changed."""

    def training_step(generator, judge, generator_adam, judge_adam, real, z):
        made = generator(z)
        before = judge(made) if early else None
        for turn in turns:
            if turn == "d":
                shown = made.detach() if detach else made
                loss, adam = judge_loss(judge(real), judge(shown)), judge_adam
            else:
                loss, adam = maker_loss(before if early else judge(generator(z))), generator_adam
            if clear[turn == "g"]:
                adam.zero_grad()
            loss.backward(retain_graph=retain)
            adam.step()

    return training_step


def frozen_step(generator, judge, generator_adam, judge_adam, real, z):
    made = generator(z)
    judge_adam.zero_grad()
    losses.discriminator_loss(judge(real), judge(made.detach())).backward()
    judge_adam.step()
    judge.requires_grad_(False)
    generator_adam.zero_grad()
    losses.generator_loss(judge(made)).backward()
    generator_adam.step()
    judge.requires_grad_(True)


def left_frozen(generator, judge, *others):
    frozen_step(generator, judge, *others)
    judge.requires_grad_(False)


def generator_first(generator, judge, generator_adam, judge_adam, real, z):
    generator_adam.zero_grad()
    losses.generator_loss(judge(generator(z))).backward()
    generator_adam.step()
    judge_adam.zero_grad()
    losses.discriminator_loss(judge(real), judge(generator(z).detach())).backward()
    judge_adam.step()


def together(generator, judge, generator_adam, judge_adam, real, z):
    made = generator(z)
    maker = losses.generator_loss(judge(made))
    weights = list(generator.parameters())
    slopes = torch.autograd.grad(maker, weights)
    judge_adam.zero_grad()
    losses.discriminator_loss(judge(real), judge(made.detach())).backward()
    judge_adam.step()
    for weight, slope in zip(weights, slopes, strict=True):
        weight.grad = slope
    generator_adam.step()


def counted(points, centres, spread, near=3.0, least=0.1, share=None):
    counts = torch.zeros(len(centres))
    for point in points:
        ways = (centres - point).norm(dim=1)
        if ways.min() <= near * spread:
            counts[ways.argmin()] += 1
    need = least * len(points) / (share or len(centres))
    return int((counts.double() >= need).sum()), counts.sum() / len(points)


def slope_by_autograd(logits):
    leaf = logits.clone().requires_grad_()
    torch.nn.functional.softplus(-leaf).mean().backward()
    return leaf.grad


RIGHT = {
    "optimal_discriminator": divergences.optimal_discriminator,
    "jensen_shannon": shannon_by_loops,
    "discriminator_loss": cross_entropy,
    "generator_slope": slope_by_softplus,
    "training_step": stepped(),
    "covered_modes": counted,
    "density_ratio": lambda logits, share: torch.exp(logits - math.log(share / (1 - share))),
    "wasserstein": lambda a, b: (torch.msort(a) - torch.msort(b)).abs().sum() / len(a),
}
ALSO_RIGHT = [
    ("jensen_shannon", lambda p, q: shannon(p + 1e-300, q + 1e-300)),
    ("discriminator_loss", lambda real, made: float(cross_entropy(real, made))),
    ("generator_slope", lambda b: (1 / (1 + torch.exp(-b.clamp(-80, 80))) - 1) / b.numel()),
    ("training_step", frozen_step),
    ("covered_modes", lambda *given: [one for one in counted(*given)]),
    ("wasserstein", lambda a, b: float((a.sort()[0] - b.sort()[0]).abs().mean())),
]

O, J, L, G = "optimal_discriminator", "jensen_shannon", "discriminator_loss", "generator_slope"
T, C, R, W = "training_step", "covered_modes", "density_ratio", "wasserstein"


def loss_of(of):
    """discriminator_loss as a function of minus the logarithms."""
    return lambda real, made: of(-torch.log(real), -torch.log(1 - made))


# (exercise, answer, hint): mistakes that the notebook does not show.
WRONG = [
    (O, lambda p, q, s: q / (p + q), "exchanged"),
    (O, lambda p, q, s: (1 - s) * p / ((1 - s) * p + s * q), "share-exchanged"),
    (O, lambda p, q, s: p / q, "ratio"),
    (O, lambda p, q, s: s * p, "density"),
    (O, lambda p, q, s: p / (s * p + (1 - s) * q), "half-weighted"),
    (O, lambda p, q, s: torch.log(p / q), "logit"),
    (O, lambda p, q, s: p * 0 + 0.3, "values"),
    (O, lambda p, q, s: (s * p / (s * p + (1 - s) * q)).sum(), "shape"),
    (J, lambda p, q: F.kl_div(q.log(), p, reduction="sum"), "one-sided"),
    (J, lambda p, q: shannon(p, q) * 2, "sum"),
    (J, lambda p, q: shannon_by_loops(p, q).sqrt(), "root"),
    (J, lambda p, q: shannon_by_loops(p, q) - math.log(2), "mixture-sum"),
    (J, lambda p, q: shannon_by_loops(p, q) / len(p), "mean"),
    (J, lambda p, q: -shannon_by_loops(p, q), "sign"),
    (
        J,
        lambda p, q: (lambda m: (m * (m / p).log() + m * (m / q).log()).sum() / 2)((p + q) / 2),
        "from-mixture",
    ),
    (J, lambda p, q: shannon_by_loops(p, q) * 0 + 0.2, "values"),
    (
        J,
        lambda p, q: shannon_by_loops(p, q) if (p * q).all() else torch.tensor(math.inf),
        "infinite",
    ),
    (L, lambda real, made: cross_entropy(1 - real, 1 - made), "swapped"),
    (L, loss_of(lambda a, b: (a + b).mean() / math.log(10)), "base-ten"),
    (L, loss_of(lambda a, b: (a + b).mean() / math.log(2)), "bits"),
    (L, loss_of(lambda a, b: (a + b).mean() / 2), "half"),
    (L, loss_of(lambda a, b: (a + b).sum()), "sum"),
    (L, loss_of(lambda a, b: a.mean()), "only-real"),
    (L, loss_of(lambda a, b: b.mean()), "only-made"),
    (L, loss_of(lambda a, b: a + b), "shape"),
    (L, loss_of(lambda a, b: 1.1 * (a + b).mean()), "values"),
    (G, lambda b: torch.sigmoid(-b) / len(b), "ascent"),
    (G, lambda b: torch.sigmoid(b) / len(b), "discriminator"),
    (G, lambda b: (torch.sigmoid(b) - 1).mean(), "mean"),
    (G, lambda b: -torch.sigmoid(-b.clamp(-3, 3)) / len(b), "extreme"),
    (G, slope_by_autograd, "autograd"),
    (T, stepped(early=True), "old-scores"),
    (C, lambda *given: counted(*given, least=0.1 + 1e-9), "more-than"),
    (G, lambda b: torch.tanh(b) / len(b), "values"),
    (T, lambda *given: None, "no-step"),
    (T, stepped("d"), "no-step"),
    (T, stepped("gd"), "together"),
    (T, generator_first, "order"),
    (T, together, "together"),
    (T, stepped(detach=False, retain=True), "not-detached"),
    (T, stepped(clear=(False, True)), "discriminator-not-zeroed"),
    (T, stepped(clear=(True, False)), "generator-not-zeroed"),
    (T, stepped(maker_loss=lambda b: -F.softplus(b).mean()), "saturating"),
    (T, stepped(maker_loss=lambda b: -losses.generator_loss(b)), "ascent"),
    (T, stepped(judge_loss=lambda a, b: losses.discriminator_loss(b, a)), "swapped"),
    (T, stepped(judge_loss=lambda a, b: F.softplus(-a).mean()), "only-real"),
    (T, stepped(judge_loss=lambda a, b: losses.discriminator_loss(a, b) / 2), "half"),
    (T, stepped(judge_loss=lambda a, b: (b - a).mean()), "wrong"),
    (T, stepped(maker_loss=lambda b: -b.mean()), "wrong"),
    (T, left_frozen, "left-frozen"),
    (C, lambda *given: counted(*given, near=9.0), "too-wide"),
    (C, lambda *given: counted(*given, share=1), "fair-share"),
    (C, lambda *given: counted(*given, least=1e-9), "stray"),
    (C, lambda *given: (counted(*given)[0], counted(*given)[1] * len(given[0])), "number"),
    (C, lambda *given: counted(*given)[0], "type"),
    (C, lambda *given: (float(counted(*given)[0]), 0.5), "type"),
    (C, lambda *given: (counted(*given)[0], 0.123), "good"),
    (C, lambda *given: (counted(*given)[0] + 7, counted(*given)[1]), "modes"),
    (R, lambda logits, s: torch.exp(-logits) * s / (1 - s), "inverted"),
    (R, lambda logits, s: logits - math.log(s / (1 - s)), "logarithm"),
    (R, lambda logits, s: torch.exp(logits) / s, "share-only"),
    (R, lambda logits, s: logits * 0 + 1.7, "values"),
    (W, lambda a, b: (a.sort()[0] - b.sort()[0]).abs().sum(), "sum"),
    (W, lambda a, b: (a.sort()[0] - b.sort()[0]).square().mean().sqrt(), "root"),
    (W, lambda a, b: (a.sort()[0] - b.sort()[0]).mean(), "signed"),
    (W, lambda a, b: (a.sort()[0] - b.sort()[0].flip(0)).abs().mean(), "opposite"),
    (W, lambda a, b: (a.sort()[0] - b).abs().mean(), "one-sorted"),
    (W, lambda a, b: a.sum() * 0 + 3.0, "values"),
]


@pytest.mark.parametrize("name", [*lesson07.__all__])
def test_nonsense_is_refused(name):
    for result in (None, "text", torch.zeros(2, 3, 4), torch.zeros(5, dtype=torch.int64)):
        with pytest.raises(CheckFailed):
            getattr(lesson07, name)(lambda *given, result=result: result)


def test_the_step_s_oracle_is_the_gradient_of_the_losses():
    """The derivatives written by hand, against autograd."""
    numbers = torch.Generator().manual_seed(1)
    g = torch.tensor([-0.4, 0.2], dtype=torch.float64)
    d, real, z = (torch.randn(*n, generator=numbers).double() for n in ((3,), (6, 1), (6, 1)))
    maker, judge = lesson07_step.LineGenerator(g), lesson07_step.LineJudge(d)
    loss = losses.discriminator_loss(judge(real), judge(maker(z).detach()))
    (slope,) = torch.autograd.grad(loss, judge.weights)
    new = d - lesson07_step.RATES[1] * slope
    moved = lesson07_step.LineJudge(new)
    (push,) = torch.autograd.grad(losses.generator_loss(moved(maker(z))), maker.weights)
    right = lesson07_step._stepped(g, d, real, z)
    torch.testing.assert_close(right[1], new)
    torch.testing.assert_close(right[0], g - lesson07_step.RATES[0] * push)


def test_the_article_s_numbers_are_among_the_cases():
    seen = []

    def discriminator_loss(real_scores, fake_scores):
        seen.append((real_scores.tolist(), fake_scores.tolist()))
        return cross_entropy(real_scores, fake_scores)

    lesson07.discriminator_loss(discriminator_loss)
    assert ([0.8], [0.2]) in seen
