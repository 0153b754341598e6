"""Answers to lesson 06's exercises, judged by test_checks.py, and tests of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from course_lib import autoencoding, elbo
from course_lib.checks.lesson06_codes import _fitted
from course_lib.checks.lesson06_loss import _coefficients


def divergence(mean, log_variance):
    return elbo.gaussian_kl(mean, log_variance)


def draw(mean, log_variance):
    return elbo.reparameterise(mean, log_variance, torch.randn_like(mean))


def loss(images, shown, mean, log_variance, sigma):
    return -elbo.elbo(images, shown, mean, log_variance, math.log(sigma)).mean()


def covariance(values, z, mean, sigma):
    return (values - values.mean()) @ (z - mean) / sigma**2 / (len(values) - 1)


def sigma_of(n, z, over_pixels, over_latents, weight):
    a, b = _coefficients(n, z, over_pixels, over_latents, weight)
    return (b / a / 2) ** 0.5


def bound(log_weights):
    return log_weights.logsumexp(0) - math.log(len(log_weights))


def densities(z, mean, log_variance):
    """Logarithms, (P, N)."""
    return Normal(mean, (0.5 * log_variance).exp()).log_prob(z[:, None]).sum(2)


def decoder(z, images, mean, log_variance):
    return mixed(densities(z, mean, log_variance).softmax(1), images)


def mixed(weights, images):
    return torch.einsum("pn,nchw->pchw", weights, images)


def one_maximum(z, images, mean, log_variance):
    logs = densities(z, mean, log_variance)
    weights = (logs - logs.max()).exp()
    return mixed(weights / weights.sum(1, keepdim=True), images)


RIGHT = {
    "gaussian_kl": divergence,
    "reparameterise": draw,
    "vae_loss": loss,
    "score_gradient": covariance,
    "implied_sigma": sigma_of,
    "importance_bound": bound,
    "best_decoder": decoder,
    "hole_share": autoencoding.hole_share,
}


# Second right answers, with other types or in other ways.
def divergence_by_densities(mean, log_variance):
    """The mean of a quadratic under q, from three points."""
    spread = (0.5 * log_variance).exp()
    q, p = Normal(mean, spread), Normal(torch.zeros_like(mean), 1.0)
    total = 0
    for place, weight in ((-(3**0.5), 1 / 6), (0.0, 2 / 3), (3**0.5, 1 / 6)):
        z = mean + spread * place
        total = total + weight * (q.log_prob(z) - p.log_prob(z))
    return total.sum(1)


def draw_by_covariances(mean, log_variance):
    scale = torch.diag_embed((0.5 * log_variance).exp())
    return mean + (scale @ torch.randn(*mean.shape, 1, dtype=mean.dtype)).squeeze(2)


def one_by_one(values, z, mean, sigma):
    total = torch.zeros_like(mean)
    for i, (value, place) in enumerate(zip(values, z, strict=True)):
        rest = [float(other) for j, other in enumerate(values) if j != i]
        total += (value - sum(rest) / len(rest)) * (place - mean) / sigma**2
    return total / len(values)


def nearest(points, codes):
    return torch.cdist(points, codes, compute_mode="donot_use_mm_for_euclid_dist").amin(1)


def holes_by_numpy(codes, fresh, points):
    reach = np.quantile(nearest(fresh, codes).numpy(), 0.99, method="higher")
    return np.mean(nearest(points, codes).numpy() > reach)


ALSO_RIGHT = [
    ("gaussian_kl", divergence_by_densities),
    ("gaussian_kl", lambda m, v: divergence(m, v).float()),
    ("reparameterise", draw_by_covariances),
    ("reparameterise", lambda m, v: torch.normal(torch.zeros_like(m), 1.0) * v.exp().sqrt() + m),
    ("vae_loss", lambda *given: loss(*given).float()),
    ("score_gradient", one_by_one),
    ("implied_sigma", lambda *given: np.float64(sigma_of(*given))),
    ("implied_sigma", lambda *given: torch.tensor(sigma_of(*given))),
    ("importance_bound", lambda w: torch.logsumexp(w - math.log(len(w)), 0)),
    ("best_decoder", lambda *given: torch.cat([decoder(z[None], *given[1:]) for z in given[0]])),
    ("hole_share", holes_by_numpy),
    ("hole_share", lambda *given: torch.tensor(autoencoding.hole_share(*given))),
]


def each(mean, log_variance):
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)


def changed(of):
    """gaussian_kl as another function of m and log s^2, summed over the latent numbers."""
    return lambda m, v: of(m, v).sum(1)


def drawn(of):
    """reparameterise as another function of m, log s^2 and noise."""
    return lambda m, v: of(m, v, torch.randn_like(m))


def seeded(mean, log_variance):
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(1))
    return mean + (0.5 * log_variance).exp() * noise


def parts(images, shown, mean, log_variance, sigma):
    """Squared error (B,), the Gaussian's constant, and the divergence (B,)."""
    squares = (images - shown).square().flatten(1).sum(1)
    constant = images[0].numel() / 2 * math.log(2 * math.pi * sigma**2)
    return squares, constant, divergence(mean, log_variance)


def other_loss(of):
    """vae_loss as another function of the parts, pixels, latent and sigma."""
    return lambda x, g, m, v, s: of(*parts(x, g, m, v, s), x[0].numel(), m.shape[1], s)


def scaled(of):
    """score_gradient multiplied by a function of N and sigma."""
    return lambda f, z, m, s: covariance(f, z, m, s) * of(len(f), s)


def by_score(of):
    """score_gradient as a function of f, the mean of the others, and the score."""

    def score_gradient(values, z, mean, sigma):
        others = (values.sum() - values) / (len(values) - 1)
        return of(values[:, None], others[:, None], (z - mean) / sigma**2)

    return score_gradient


def coefficients(of):
    return lambda *setting: of(*_coefficients(*setting))


def weighted(of):
    """best_decoder with other weights: of(squares (P, N, Z), log s^2) -> (P, N)."""
    return lambda z, x, m, v: mixed(of((z[:, None] - m) ** 2, v), x)


def limit(of):
    """hole_share with another limit: of(codes, fresh)."""
    return lambda c, f, p: float((nearest(p, c) > of(c, f)).double().mean())


def among(codes, fresh):
    table = torch.cdist(codes, codes, compute_mode="donot_use_mm_for_euclid_dist")
    return table.fill_diagonal_(math.inf).amin(1).quantile(0.99)


K, R, L, S = "gaussian_kl", "reparameterise", "vae_loss", "score_gradient"
I, W, D, H = "implied_sigma", "importance_bound", "best_decoder", "hole_share"
# (exercise, answer, hint): mistakes that the notebook does not show.
WRONG = [
    (K, lambda m, v: -divergence(m, v), "sign"),
    (K, lambda m, v: divergence(m, v).mean(), "one-number"),
    (K, lambda m, v: each(m, v).mean(), "one-number"),
    (K, each, "not-summed"),
    (K, lambda m, v: each(m, v).sum(0), "summed-over-batch"),
    (K, changed(lambda m, v: 0.5 * (m**2 + (v / 2).exp() - 1 - v)), "deviation-for-variance"),
    (K, changed(lambda m, v: 0.5 * (m**2 + v.exp() - v)), "no-one"),
    (K, changed(lambda m, v: 0.5 * (v.exp() - 1 - v)), "no-mean"),
    (K, changed(lambda m, v: 0.5 * (m + v.exp() - 1 - v)), "mean-not-squared"),
    (K, changed(lambda m, v: m * v), "values"),
    (K, lambda m, v: None, "type"),
    (R, lambda m, v: m, "no-noise"),
    (R, seeded, "same-noise"),
    (R, drawn(lambda m, v, e: m + e), "unit-noise"),
    (R, drawn(lambda m, v, e: m + v * e), "logarithm-for-deviation"),
    (R, drawn(lambda m, v, e: m + (-0.5 * v).exp() * e), "inverse"),
    (R, drawn(lambda m, v, e: m + 3 * (0.5 * v).exp() * e), "spread"),
    (R, drawn(lambda m, v, e: m + (0.5 * v).exp() * (e + 1)), "centre"),
    (R, drawn(lambda m, v, e: m + (0.5 * v).exp() * e[:, :1]), "shared-noise"),
    (R, drawn(lambda m, v, e: m.detach() + (0.5 * v).exp() * e), "mean-detached"),
    (R, drawn(lambda m, v, e: 2 * m - m.detach() + (0.5 * v).exp() * e), "gradient"),
    (R, lambda m, v: draw(m, v)[0], "shape"),
    (L, lambda *given: -loss(*given), "sign"),
    (L, other_loss(lambda e, c, k, n, z, s: (e / (2 * s**2) + c + k).sum()), "batch-sum"),
    (L, other_loss(lambda e, c, k, n, z, s: e / (2 * s**2) + c + k), "each-image"),
    (L, other_loss(lambda e, c, k, n, z, s: (e / (2 * s**2) + c).mean()), "no-kl"),
    (L, other_loss(lambda e, c, k, n, z, s: ((e / (2 * s**2) + c) / n + k).mean()), "pixel-mean"),
    (L, other_loss(lambda e, c, k, n, z, s: (e / (2 * s**2) + c + k / z).mean()), "latent-mean"),
    (L, other_loss(lambda e, c, k, n, z, s: (e / (2 * s**2) + c / n + k).mean()), "constant-once"),
    (L, other_loss(lambda e, c, k, n, z, s: (e / s**2 + c + k).mean()), "no-half"),
    (L, other_loss(lambda e, c, k, n, z, s: (e + k).mean()), "values"),
    (L, lambda *given: float(loss(*given)), "type"),
    (S, scaled(lambda n, s: n), "sum"),
    (S, scaled(lambda n, s: s**2), "not-divided"),
    (S, scaled(lambda n, s: s**4), "multiplied"),
    (S, scaled(lambda n, s: 2), "double"),
    (S, by_score(lambda f, b, score: ((f + b) * score).mean(0)), "baseline-added"),
    (S, by_score(lambda f, b, score: ((f - b) * score).mean(0).sum()), "one-number"),
    (S, by_score(lambda f, b, score: (f - b) * score), "not-averaged"),
    (S, by_score(lambda f, b, score: f.mean() * score.mean(0)), "score-averaged-first"),
    (S, by_score(lambda f, b, score: score.mean(0)), "values"),
    (I, coefficients(lambda a, b: math.sqrt(2 * b / a)), "double"),
    (I, lambda n, z, p, q, w: sigma_of(n, z, p, "sum", w), "latents-ignored"),
    (I, lambda n, z, p, q, w: sigma_of(n, z, p, q, 1.0), "weight-ignored"),
    (
        I,
        lambda n, z, p, q, w: math.sqrt(
            w / 2 * (1 / n if p == "mean" else 1) * (z if q == "mean" else 1)
        ),
        "reductions-reversed",
    ),
    (I, lambda *setting: 1.0, "wrong"),
    (I, lambda *setting: "1", "type"),
    (W, lambda w: w.logsumexp(0) + math.log(len(w)), "count-added"),
    (W, lambda w: w.logsumexp(1) - math.log(w.shape[1]), "axis"),
    (W, lambda w: bound(w).mean(), "one-number"),
    (W, lambda w: w.exp().mean().log(), "one-number"),
    (W, lambda w: w.amax(0), "largest"),
    (W, lambda w: w.exp().mean(0), "weights"),
    (W, lambda w: w[0], "values"),
    (W, lambda w: bound(w.clamp(-500, 500)), "overflow"),
    (W, lambda w: w.max() + (w - w.max()).exp().mean(0).log(), "overflow"),
    (L, lambda x, g, *given: loss(x, g, *given) / x.shape[1], "values"),
    (D, lambda z, x, m, v: x[densities(z, m, v).argmax(1)], "nearest"),
    (D, lambda z, x, m, v: x.mean(0, keepdim=True).repeat(len(z), 1, 1, 1), "unweighted"),
    (D, lambda z, x, m, v: mixed(densities(z, m, v).exp(), x), "not-normalised"),
    (D, lambda z, x, m, v: mixed(densities(z, m, v), x), "logarithms"),
    (D, weighted(lambda q, v: (-0.5 * q.sum(2)).softmax(1)), "unit-spread"),
    (
        D,
        weighted(lambda q, v: (-0.5 * (q / (v / 2).exp() + v)).sum(2).softmax(1)),
        "deviation-for-variance",
    ),
    (D, weighted(lambda q, v: (-q / v.exp() - v).sum(2).softmax(1)), "no-half"),
    (D, weighted(lambda q, v: (0.5 * q.sum(2)).softmax(1)), "values"),
    (D, lambda *given: decoder(*given)[:, 0], "shape"),
    (D, one_maximum, "underflow"),
    (H, limit(lambda c, f: nearest(f, c).median()), "median-reach"),
    (H, limit(lambda c, f: nearest(f, c).mean()), "mean-reach"),
    (H, limit(lambda c, f: nearest(f, c).max()), "largest-reach"),
    (H, limit(among), "among-codes"),
    (H, lambda c, f, p: autoencoding.hole_share(p, f, c), "fresh-against-points"),
    (H, lambda *given: 100 * autoencoding.hole_share(*given), "percent"),
    (H, lambda *given: len(given[2]) * autoencoding.hole_share(*given), "count"),
    (H, lambda *given: 0.5, "wrong"),
    (H, lambda *given: None, "type"),
]


def test_the_oracle_of_the_best_decoder_is_the_weighted_mean():
    random = torch.Generator().manual_seed(1)
    weights = torch.rand(5, generator=random, dtype=torch.float64)
    images = torch.randn(5, 1, 2, 3, generator=random, dtype=torch.float64)
    mean = (weights[:, None, None, None] * images).sum(0) / weights.sum()
    torch.testing.assert_close(_fitted(weights, images), mean)


@pytest.mark.parametrize(
    ("how", "wanted"), [(("sum", "sum"), (1, 3)), (("mean", "mean"), (0.1, 0.6))]
)
def test_the_coefficients_of_a_loss_are_those_of_its_reductions(how, wanted):
    assert _coefficients(10, 5, *how, 3.0) == pytest.approx(wanted)
