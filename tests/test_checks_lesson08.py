"""Answers to lesson 08's exercises, judged by test_checks.py, and tests of its own."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from course_lib import losses, spectral, transport
from course_lib.checks import lesson08 as checks
from course_lib.checks.lesson08_iteration import _after
from course_lib.checks.lesson08_slopes import KnownCritic
from course_lib.checks.lesson08_transport import carried

FILES = sorted(Path(checks.__file__).parent.glob("lesson08*.py"))


def squares(real, fake):
    return losses.least_squares_discriminator_loss(real, fake), losses.least_squares_generator_loss(
        fake
    )


def library_r1(critic, real, gamma):
    real = real.clone().requires_grad_()
    return gamma / 2 * losses.squared_gradient_norm(critic(real), real)


def eigenvalues(g, k, gamma):
    return np.linalg.eigvals(np.array([[0, g], [-k, -gamma]]))


def rounds(weight, u, steps):
    return spectral.power_iteration(weight, u, steps)


def by_probabilities(gaps: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy(gaps.sigmoid(), torch.ones_like(gaps))


def cut_off(gaps: torch.Tensor) -> torch.Tensor:
    return -(gaps.sigmoid() + 1e-12).log().mean()


RIGHT = {
    "least_squares": squares,
    "critic": lambda a, b: (losses.critic_loss(a, b), losses.score_loss(b)),
    "hinge": lambda a, b: (losses.hinge_loss(a, b), losses.score_loss(b)),
    "gradient_penalty": losses.gradient_penalty,
    "r1_penalty": library_r1,
    "relativistic": lambda a, b: (losses.relativistic_loss(a, b), losses.relativistic_loss(b, a)),
    "power_iteration": rounds,
    "wasserstein_1d": transport.wasserstein_1d,
    "dirac_eigenvalues": eigenvalues,
}


# Second right answers, with other types or in other ways.
def penalty_image_by_image(critic, real, fake, mix):
    lengths = []
    for x, y, share in zip(real, fake, mix, strict=True):
        between = (share * x + (1 - share) * y)[None].requires_grad_()
        (gradient,) = torch.autograd.grad(critic(between), between, create_graph=True)
        lengths.append(gradient.norm())
    return ((torch.stack(lengths) - 1) ** 2).mean()


def r1_image_by_image(critic, real, gamma):
    total = 0
    for x in real:
        x = x[None].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(critic(x), x, create_graph=True)
        total = total + (gradient * gradient).sum()
    return total * gamma / 2 / len(real)


def by_scipy(x, y, p, q):
    return float(stats.wasserstein_distance(x, y, p, q))


ALSO_RIGHT = [
    ("least_squares", lambda a, b: [one.float() for one in squares(a, b)]),
    ("critic", lambda a, b: [-(a.mean() - b.mean()), -b.sum() / len(b)]),
    ("hinge", lambda a, b: (F.threshold(1 - a, 0, 0).mean() + (b + 1).clamp(0).mean(), -b.mean())),
    ("gradient_penalty", penalty_image_by_image),
    ("r1_penalty", r1_image_by_image),
    ("relativistic", lambda a, b: (F.softplus(b - a).mean(), F.softplus(a - b).mean())),
    ("power_iteration", lambda *given: list(rounds(*given))),
    ("wasserstein_1d", by_scipy),
    ("dirac_eigenvalues", lambda *given: tuple(complex(one) for one in eigenvalues(*given))),
    ("dirac_eigenvalues", lambda *given: torch.from_numpy(eigenvalues(*given))),
]


# Wrong answers beyond those that the solution notebook shows.
def penalty_with(value):
    """The gradient penalty, with another function of the gradients (B, C, H, W)."""

    def gradient_penalty(critic, real, fake, mix):
        mix = mix.view(-1, 1, 1, 1)
        between = (mix * real + (1 - mix) * fake).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        return value(gradient)

    return gradient_penalty


def penalty_at(place):
    return lambda critic, real, fake, mix: losses.gradient_penalty(
        critic, *place(real, fake, mix.view(-1, 1, 1, 1)), torch.ones(len(real))
    )


def lengths(gradient):
    return gradient.flatten(1).norm(dim=1)


def penalty_without_requires_grad(critic, real, fake, mix):
    mix = mix.view(-1, 1, 1, 1)
    between = mix * real + (1 - mix) * fake
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (lengths(gradient) - 1).square().mean()


def r1_with(value):
    def r1_penalty(critic, real, gamma):
        real = real.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
        return value(gradient, gamma)

    return r1_penalty


def iterated(weight, u, steps):
    for _ in range(steps):
        v = F.normalize(weight.T @ u, dim=0)
        u = F.normalize(weight @ v, dim=0)
    return u, v


def wrong_u(weight, u, steps):
    sigma, _ = rounds(weight, u, steps)
    return sigma, iterated(weight.detach(), u, steps)[1]


def gap_with(value):
    def wasserstein_1d(x, y, p, q):
        points, order = torch.cat([x, y]).sort()
        return value(torch.cat([p, -q])[order].cumsum(0)[:-1], points.diff())

    return wasserstein_1d


WRONG = [
    ("least_squares", lambda a, b: squares(a, b)[0], "type"),
    ("least_squares", lambda a, b: ((a - 1) ** 2, (b + 1) ** 2), "no-mean"),
    ("least_squares", lambda a, b: [one.detach() for one in squares(a, b)], "no-graph"),
    ("least_squares", lambda a, b: squares(b, a), "swapped"),
    ("least_squares", lambda a, b: [len(a) * one for one in squares(a, b)], "sum"),
    ("least_squares", lambda a, b: (squares(a, b)[0] / 2, squares(a, b)[1]), "half"),
    ("least_squares", lambda a, b: (squares(a, b)[0], (b + 1).square().mean() / 2), "aims-at-fake"),
    ("least_squares", lambda a, b: squares(a.sigmoid(), b.sigmoid()), "wrong"),
    ("critic", lambda a, b: (b.sum() - a.sum(), -b.mean()), "sum"),
    ("critic", lambda a, b: (b.mean() - a.mean(), b.mean()), "sign-swapped"),
    ("critic", lambda a, b: (b.mean() - a.mean(), a.mean() - b.mean()), "whole-distance"),
    ("critic", lambda a, b: (b.mean() - a.mean()).item(), "type"),
    ("hinge", lambda a, b: (losses.hinge_loss(b, a), -b.mean()), "swapped"),
    ("hinge", lambda a, b: (2 + b.mean() - a.mean(), -b.mean()), "no-hinge"),
    ("hinge", lambda a, b: (F.relu(1 - a + b).mean(), -b.mean()), "one-hinge"),
    ("hinge", lambda a, b: (losses.hinge_loss(a, b), F.relu(-b).mean()), "clipped-at-zero"),
    ("hinge", lambda a, b: (losses.hinge_loss(a, b), b.mean()), "sign-swapped"),
    ("hinge", lambda a, b: (losses.hinge_loss(a, b), F.relu(1 + b).mean()), "discriminators-hinge"),
    ("gradient_penalty", penalty_at(lambda x, y, mix: (y, y)), "at-generated"),
    (
        "gradient_penalty",
        penalty_at(lambda x, y, mix: (mix * y + (1 - mix) * x, x)),
        "mix-exchanged",
    ),
    (
        "gradient_penalty",
        penalty_at(lambda x, y, mix: (mix[0] * x + (1 - mix[0]) * y, x)),
        "one-mix",
    ),
    (
        "gradient_penalty",
        penalty_with(lambda d: (d.flatten(2).norm(dim=2) - 1).square().mean()),
        "channels-apart",
    ),
    (
        "gradient_penalty",
        penalty_with(lambda d: (lengths(d) ** 2 - 1).square().mean()),
        "squared-norm",
    ),
    ("gradient_penalty", penalty_with(lambda d: (lengths(d) ** 2).mean()), "zero-centred"),
    (
        "gradient_penalty",
        penalty_with(lambda d: F.relu(lengths(d) - 1).square().mean()),
        "one-sided",
    ),
    ("gradient_penalty", penalty_with(lambda d: (lengths(d) - 1).abs().mean()), "not-squared"),
    ("gradient_penalty", penalty_with(lambda d: (lengths(d).mean() - 1).square()), "mean-first"),
    ("gradient_penalty", penalty_with(lambda d: (lengths(d) - 1).square().sum()), "sum"),
    ("gradient_penalty", penalty_with(lambda d: (lengths(d) - 1).square()), "no-mean"),
    ("gradient_penalty", penalty_with(lambda d: 2 * (lengths(d) - 1).square().mean()), "wrong"),
    ("gradient_penalty", penalty_without_requires_grad, "no-gradient"),
    ("r1_penalty", r1_with(lambda d, gamma: gamma / 2 * lengths(d).mean()), "norm"),
    ("r1_penalty", r1_with(lambda d, gamma: gamma / 2 * d.norm()), "norm"),
    ("r1_penalty", r1_with(lambda d, gamma: gamma / 2 * d.mean(0).square().sum()), "mean-gradient"),
    (
        "r1_penalty",
        r1_with(lambda d, gamma: gamma / 2 * (lengths(d) - 1).square().mean()),
        "slope-one",
    ),
    ("r1_penalty", r1_with(lambda d, gamma: (lengths(d) ** 2).mean() / 2), "gamma-left-out"),
    ("r1_penalty", r1_with(lambda d, gamma: d.detach().sum().item()), "type"),
    (
        "relativistic",
        lambda a, b: (losses.relativistic_loss(b, a), losses.relativistic_loss(a, b)),
        "swapped",
    ),
    (
        "relativistic",
        lambda a, b: (losses.discriminator_loss(a, b), losses.generator_loss(b)),
        "not-paired",
    ),
    ("relativistic", lambda a, b: (losses.relativistic_loss(a, b),) * 2, "not-exchanged"),
    ("relativistic", lambda a, b: (by_probabilities(a - b), by_probabilities(b - a)), "overflow"),
    ("relativistic", lambda a, b: (cut_off(a - b), cut_off(b - a)), "overflow"),
    (
        "relativistic",
        lambda a, b: (losses.relativistic_loss(a, b), losses.generator_loss(b)),
        "not-paired",
    ),
    (
        "relativistic",
        lambda a, b: (
            F.softplus(b.mean() - a).mean() + F.softplus(b - a.mean()).mean(),
            losses.relativistic_loss(b, a),
        ),
        "twice-the-mean",
    ),
    (
        "relativistic",
        lambda a, b: (F.softplus(b.mean() - a.mean()), losses.relativistic_loss(b, a)),
        "mean-first",
    ),
    ("power_iteration", lambda w, u, n: (rounds(w, u, n)[0] ** 2, u), "squared"),
    ("power_iteration", lambda w, u, n: rounds(w, u, 1), "one-step"),
    ("power_iteration", lambda w, u, n: rounds(w, u, n + 1), "one-round-more"),
    ("power_iteration", lambda w, u, n: (w.norm(), u), "frobenius"),
    ("power_iteration", wrong_u, "u"),
    ("power_iteration", lambda w, u, n: [one.detach() for one in rounds(w, u, n)], "no-graph"),
    ("power_iteration", lambda w, u, n: rounds(w, u, n)[0], "type"),
    ("wasserstein_1d", gap_with(lambda gap, width: (gap * width).sum()), "signed"),
    ("wasserstein_1d", gap_with(lambda gap, width: (gap**2 * width).sum()), "squared"),
    ("wasserstein_1d", gap_with(lambda gap, width: (gap.abs() * width).sum() / 2), "wrong"),
    (
        "wasserstein_1d",
        lambda x, y, p, q: (
            torch.cat([p, -q]).cumsum(0)[:-1].abs() * torch.cat([x, y]).diff().abs()
        ).sum(),
        "unsorted",
    ),
    ("dirac_eigenvalues", lambda *given: eigenvalues(*given).real, "real-part"),
    ("dirac_eigenvalues", lambda *given: 1 + eigenvalues(*given), "one-step"),
    ("dirac_eigenvalues", lambda g, k, c: 2 * eigenvalues(g, k, c), "not-halved"),
    ("dirac_eigenvalues", lambda g, k, c: eigenvalues(g, k, 2 * c), "double-damping"),
    ("dirac_eigenvalues", lambda g, k, c: eigenvalues(g, k, c / 2), "half-damping"),
    (
        "dirac_eigenvalues",
        lambda g, k, c: np.linalg.eigvals(np.array([[-c, g], [-k, -c]])),
        "penalty-on-both",
    ),
    ("dirac_eigenvalues", lambda *given: abs(eigenvalues(*given)), "wrong"),
    ("dirac_eigenvalues", lambda *given: eigenvalues(*given)[0], "type"),
    ("dirac_eigenvalues", lambda *given: "i and -i", "type"),
]


def test_the_known_critic_has_the_known_slope():
    critic = KnownCritic(1, (2, 3, 2))
    images = torch.randn(4, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(critic(images).sum(), images)
    torch.testing.assert_close(gradient.flatten(1), critic.slope(images).detach())


def test_carrying_from_left_to_left_is_the_least_work():
    random = torch.Generator().manual_seed(3)
    for n, m in ((3, 3), (8, 5), (1, 6)):
        x, y = (torch.randn(k, generator=random).double() for k in (n, m))
        p, q = (torch.rand(k, generator=random).double() for k in (n, m))
        p, q = p / p.sum(), q / q.sum()
        assert float(carried(x, y, p, q)) == pytest.approx(by_scipy(x, y, p, q), abs=1e-12)


def test_the_oracle_of_power_iteration_ends_at_the_largest_singular_value():
    weight = torch.randn(5, 8, generator=torch.Generator().manual_seed(4)).double()
    sigma, u, v = _after(weight, torch.ones(5).double(), 60)
    assert float(sigma) == pytest.approx(float(torch.linalg.svdvals(weight)[0]), rel=1e-6)
    torch.testing.assert_close(weight @ v, sigma * u)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_module_of_checks_can_be_read_in_one_sitting(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) < 300 and ast.get_docstring(ast.parse(source))
