"""Tests of the ELBO's parts, against torch's own distributions and exact integrals."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from course_lib import elbo


@pytest.fixture
def random() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def normals(random, *shape):
    return torch.randn(*shape, generator=random, dtype=torch.float64)


def test_the_divergence_is_that_of_torch(random):
    mean, log_variance = normals(random, 5, 3), normals(random, 5, 3)
    q = Normal(mean, (0.5 * log_variance).exp())
    wanted = kl_divergence(q, Normal(torch.zeros_like(mean), 1.0)).sum(1)
    torch.testing.assert_close(elbo.gaussian_kl(mean, log_variance), wanted)


def test_the_divergence_of_the_prior_is_zero_and_its_slope_too():
    mean = torch.zeros(2, 4, requires_grad=True)
    log_variance = torch.zeros(2, 4, requires_grad=True)
    found = elbo.gaussian_kl(mean, log_variance)
    assert found.tolist() == [0, 0]
    slopes = torch.autograd.grad(found.sum(), (mean, log_variance))
    assert all(not slope.any() for slope in slopes)


def test_a_draw_has_the_mean_and_the_variance(random):
    mean, log_variance = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.25, 4.0]]).log()
    noise = torch.randn(40_000, 2, generator=random)
    z = elbo.reparameterise(mean.expand(40_000, 2), log_variance.expand(40_000, 2), noise)
    torch.testing.assert_close(z.mean(0), mean[0], atol=0.03, rtol=0)
    torch.testing.assert_close(z.var(0), torch.tensor([0.25, 4.0]), atol=0, rtol=0.03)


def test_a_draw_passes_its_gradient_on():
    mean, log_variance, noise = (torch.tensor([[one]], dtype=torch.float64) for one in (1, 0.6, 2))
    inputs = mean.requires_grad_(), log_variance.requires_grad_()
    assert torch.autograd.gradcheck(lambda m, v: elbo.reparameterise(m, v, noise), inputs)


@pytest.mark.parametrize("sigma", [0.1, 1.0, 3.0])
def test_the_likelihood_is_that_of_torch(random, sigma):
    images, means = normals(random, 4, 2, 3, 3), normals(random, 4, 2, 3, 3)
    wanted = Normal(means, sigma).log_prob(images).sum((1, 2, 3))
    found = elbo.gaussian_log_likelihood(images, means, math.log(sigma))
    torch.testing.assert_close(found, wanted)


def test_the_likelihood_refuses_shapes_that_would_be_broadcast():
    with pytest.raises(ValueError, match=r"\(2, 1, 3, 3\)"):
        elbo.gaussian_log_likelihood(torch.zeros(2, 1, 3, 3), torch.zeros(1, 1, 3, 3))


def test_the_best_sigma_is_the_root_mean_squared_error(random):
    images, means = normals(random, 6, 1, 4, 4), normals(random, 6, 1, 4, 4)
    best = 0.5 * (images - means).square().mean().log()
    log_sigma = best.clone().requires_grad_()
    found = elbo.gaussian_log_likelihood(images, means, log_sigma).mean()
    (slope,) = torch.autograd.grad(found, log_sigma)
    assert abs(float(slope)) < 1e-9
    for other in (best - 0.1, best + 0.1):
        assert elbo.gaussian_log_likelihood(images, means, other).mean() < found


def test_at_the_posterior_the_bound_is_the_evidence(random):
    # Orthogonal columns: the latent numbers are independent in the posterior, as q has them.
    weights = torch.linalg.qr(normals(random, 4, 2)).Q * torch.tensor([1.5, 0.6]).double()
    sigma, x = 0.7, normals(random, 4)
    cov = weights @ weights.T + sigma**2 * torch.eye(4).double()
    evidence = MultivariateNormal(torch.zeros(4).double(), cov).log_prob(x)
    precision = (weights**2).sum(0) / sigma**2 + 1
    mean, variance = (x @ weights / sigma**2 / precision)[None], (1 / precision)[None]
    points, share = np.polynomial.hermite_e.hermegauss(4)
    points, share = torch.from_numpy(points), torch.from_numpy(share / share.sum())
    total = torch.zeros((), dtype=torch.float64)
    for a, p in zip(points, share, strict=True):
        for b, r in zip(points, share, strict=True):
            noise = torch.stack([a, b])[None]
            shown = (elbo.reparameterise(mean, variance.log(), noise) @ weights.T).view(1, 1, 2, 2)
            one = elbo.elbo(x.view(1, 1, 2, 2), shown, mean, variance.log(), math.log(sigma))
            total += p * r * one[0]
    torch.testing.assert_close(total, evidence)


def test_beta_weighs_the_divergence(random):
    images, shown = normals(random, 3, 1, 2, 2), normals(random, 3, 1, 2, 2)
    mean, log_variance = normals(random, 3, 5), normals(random, 3, 5)
    plain, heavy = (elbo.elbo(images, shown, mean, log_variance, 0.0, beta) for beta in (1, 4))
    torch.testing.assert_close(plain - heavy, 3 * elbo.gaussian_kl(mean, log_variance))


def test_the_linear_rate_and_distortion_are_those_of_water_filling():
    eigenvalues = torch.tensor([8.0, 2.0, 0.5])
    assert elbo.linear_rate_distortion(eigenvalues, 1.0) == pytest.approx(
        (0.5 * math.log(8) + 0.5 * math.log(2), 2.5)
    )
    assert elbo.linear_rate_distortion(eigenvalues, 8.0) == pytest.approx((0.0, 10.5))
    # The slope of the curve is minus twice the variance: a nat buys as much everywhere.
    (r0, d0), (r1, d1) = (elbo.linear_rate_distortion(eigenvalues, v) for v in (1.0, 1.0001))
    assert (d1 - d0) / (r1 - r0) == pytest.approx(-2.0, rel=1e-3)


@pytest.mark.parametrize("variance", [0.0, -1.0, math.nan])
def test_a_variance_must_be_above_zero(variance):
    with pytest.raises(ValueError, match="above 0"):
        elbo.linear_rate_distortion(torch.ones(2), variance)
