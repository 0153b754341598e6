"""Answers to lesson 10's exercises, judged by test_checks.py, and tests of its own."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.spatial
import scipy.special
import torch

from course_lib import metrics, real_or_fake, sample_metrics
from course_lib.checks import (
    lesson10,
    lesson10_classes,
    lesson10_frechet,
    lesson10_interval,
    lesson10_kernel,
    lesson10_limit,
    lesson10_regions,
)
from course_lib.checks.lesson10_judging import agree


def transported(first, second):
    """The linear program, not the sorting."""
    costs = (first[:, None] - second).square().numpy()
    return costs[scipy.optimize.linear_sum_assignment(costs)].mean()


def frechet(first, second):
    return metrics.frechet_distance(metrics.statistics(first), metrics.statistics(second))


def frechet_by_sqrtm(first, second):
    m, n = first.mean(0).numpy(), second.mean(0).numpy()
    S, T = np.cov(first.numpy().T), np.cov(second.numpy().T)
    root = scipy.linalg.sqrtm(S @ T)
    return float(((m - n) ** 2).sum() + np.trace(S) + np.trace(T) - 2 * np.trace(root).real)


def scored(p):
    divergence = scipy.special.rel_entr(p.numpy(), p.numpy().mean(0)).sum(1)
    return np.exp(divergence.mean())


def regions(real, generated, k):
    shares = []
    for points, centres in ((generated, real), (real, generated)):
        tree = scipy.spatial.cKDTree(centres.numpy())
        radii = tree.query(centres.numpy(), [k + 1])[0][:, 0]
        apart = scipy.spatial.distance.cdist(points.numpy(), centres.numpy())
        shares.append((apart <= radii).any(1).mean())
    return shares


def wilson(k, n, z):
    """With k right and n - k wrong answers, without a share."""
    half = z * math.sqrt(k * (n - k) / n + z * z / 4)
    return [(k + z * z / 2 - half) / (n + z * z), (k + z * z / 2 + half) / (n + z * z)]


def earlier_only(gaps):
    return gaps.masked_fill(torch.ones_like(gaps).triu().bool(), torch.inf).min(dim=1).values


def by_tree(images):
    flat = images.flatten(1).numpy()
    return torch.from_numpy(scipy.spatial.cKDTree(flat).query(flat, [2])[0][:, 0])


def fitted(counts, distances):
    return np.polynomial.Polynomial.fit(1 / counts.numpy(), distances.numpy(), 1)(0)


RIGHT = {
    "wasserstein": transported,
    "frechet": frechet,
    "kernel_distance": sample_metrics.kernel_distance,
    "class_score": sample_metrics.inception_score,
    "precision_recall": sample_metrics.precision_recall,
    "wilson": lambda k, n, z: real_or_fake.wilson_interval(k, n, z),
    "nearest_other": by_tree,
    "limit": lambda n, d: sample_metrics.extrapolate(n.tolist(), d.tolist())[0],
}


def kernel_by_differences(first, second):
    """Gretton's one sum over pairs needs equal sizes; here the unequal form, term by term."""
    k = lambda x, y: (x @ y.T / x.shape[1] + 1).pow(3)  # noqa: E731
    own = [k(x, x).triu(1).sum() * 2 / (len(x) * (len(x) - 1)) for x in (first, second)]
    return (own[0] + own[1] - 2 * k(first, second).mean())[None]


def other_by_rows(images):
    rows = []
    for i in range(len(images)):
        others = torch.cat([images[:i], images[i + 1 :]])
        rows.append((others - images[i]).flatten(1).norm(dim=1).min())
    return torch.stack(rows).float()


ALSO_RIGHT = [
    ("wasserstein", lambda x, y: np.float64(transported(x, y))),
    ("wasserstein", lambda x, y: [transported(x, y)]),
    ("frechet", frechet_by_sqrtm),
    ("kernel_distance", kernel_by_differences),
    ("class_score", scored),
    ("class_score", lambda p: torch.xlogy(p, p / p.mean(0)).sum(1).mean().exp()),
    (
        "class_score",
        lambda p: (torch.xlogy(p, p).sum(1).mean() - (p.mean(0) * p.mean(0).log()).sum()).exp(),
    ),
    ("precision_recall", regions),
    ("precision_recall", lambda *given: torch.tensor(regions(*given))),
    ("wilson", wilson),
    ("wilson", lambda *given: tuple(torch.tensor(one) for one in wilson(*given))),
    ("nearest_other", other_by_rows),
    ("limit", fitted),
]


def shares(of):
    """precision_recall from a rule of(points, centres, k)."""
    return lambda real, generated, k: [of(generated, real, k), of(real, generated, k)]


def within(points, centres, radii):
    return float((torch.cdist(points, centres) <= radii).any(1).double().mean())


def crossed(change):
    """frechet with change(S, T) for the last trace."""

    def answer(x, y):
        S, T = torch.cov(x.T), torch.cov(y.T)
        gap = (x.mean(0) - y.mean(0)).square().sum()
        return gap + S.trace() + T.trace() - 2 * change(S, T)

    return answer


def apart(images):
    flat = images.flatten(1)
    return torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")


WRONG = [
    ("wasserstein", lambda x, y: (x.sort().values - y).square().mean(), "one-sorted"),
    ("wasserstein", lambda x, y: transported(x, y) ** 0.5, "root"),
    ("wasserstein", lambda x, y: len(x) * transported(x, y), "sum"),
    (
        "wasserstein",
        lambda x, y: (x.sort(descending=True).values - y.sort().values).square().mean(),
        "reversed",
    ),
    ("wasserstein", lambda x, y: torch.cdist(x[:, None], y[:, None]).square().mean(), "all-pairs"),
    ("wasserstein", lambda x, y: x.sort().values - y.sort().values, "type"),
    ("wasserstein", lambda x, y: None, "type"),
    ("wasserstein", lambda x, y: transported(x, y) + 0.1, "values"),
    ("wasserstein", lambda x, y: float("nan"), "nan"),
    ("wasserstein", lambda x, y: transported(x.sub_(1), y), "input-changed"),
    ("frechet", crossed(lambda S, T: (S @ T).diagonal().sum()), "no-root"),
    ("frechet", crossed(lambda S, T: (S @ T).sqrt().diagonal().sum()), "elementwise"),
    ("frechet", crossed(lambda S, T: (S.trace() * T.trace()) ** 0.5), "traces"),
    ("frechet", crossed(lambda S, T: 0.0), "no-cross"),
    ("frechet", lambda x, y: frechet(x, y) ** 0.5, "root"),
    ("frechet", lambda x, y: frechet(x - x.mean(0), y - y.mean(0)), "means-left-out"),
    ("frechet", lambda x, y: complex(frechet(x, y), 1e-9), "complex"),
    ("frechet", lambda x, y: frechet(x, x), "values"),
    ("kernel_distance", lambda x, y: sample_metrics.kernel_distance(x, y) * 0.5, "values"),
    ("kernel_distance", lambda x, y: max(0, sample_metrics.kernel_distance(x, y)), "clipped"),
    ("kernel_distance", lambda x, y: sample_metrics.polynomial_kernel(x, y).mean(), "cross-alone"),
    (
        "kernel_distance",
        lambda x, y: (
            sample_metrics.kernel_distance(x, y) + sample_metrics.polynomial_kernel(x, y).mean()
        ),
        "cross-once",
    ),
    ("kernel_distance", lambda x, y: math.sqrt(sample_metrics.kernel_distance(x, y)), "error"),
    ("class_score", lambda p: math.log(sample_metrics.inception_score(p)), "no-exponential"),
    ("class_score", lambda p: 1 / sample_metrics.inception_score(p), "sign"),
    ("class_score", lambda p: math.exp(-(p.mean(0) * p.mean(0).log()).sum()), "only-variety"),
    ("class_score", lambda p: sample_metrics.inception_score(p.T / p.T.sum(1, True)), "values"),
    (
        "class_score",
        lambda p: sample_metrics.inception_score((p + 1e-6) / (p + 1e-6).sum(1, True)),
        "values",
    ),
    (
        "class_score",
        lambda p: (
            (p * ((p + 1e-9) / (p.mean(0) + 1e-3 * (p == 0).any())).log()).sum(1).mean().exp()
        ),
        "zero-probability",
    ),
    ("precision_recall", lambda r, g, k: regions(g, r, k), "exchanged"),
    ("precision_recall", lambda r, g, k: regions(r, g, k)[0], "type"),
    ("precision_recall", lambda r, g, k: [regions(r, g, k)[1]] * 2, "values"),
    (
        "precision_recall",
        shares(lambda p, c, k: within(p, c, torch.cdist(c, c).sort(1).values[:, k + 1])),
        "one-too-far",
    ),
    (
        "precision_recall",
        shares(lambda p, c, k: within(p, c, torch.cdist(c, c).sort(1).values[:, k].mean())),
        "one-radius",
    ),
    ("precision_recall", lambda r, g, k: [1 - one for one in regions(r, g, k)], "outside"),
    ("wilson", lambda k, n, z: wilson(k, n, 1.96), "z-fixed"),
    ("wilson", lambda k, n, z: wilson(k, n, z)[::-1], "exchanged"),
    ("wilson", lambda k, n, z: wilson((k + 2), (n + 4), z), "values"),
    ("wilson", lambda k, n, z: [100 * one for one in wilson(k, n, z)], "per-cent"),
    ("nearest_other", lambda images: apart(images).min(1).values, "self"),
    ("nearest_other", lambda images: apart(images).fill_diagonal_(9e9).min(1).indices, "indices"),
    ("nearest_other", lambda images: apart(images).max(1).values, "farthest"),
    ("nearest_other", lambda images: apart(images).fill_diagonal_(9e9).min(), "smallest"),
    ("nearest_other", lambda images: by_tree(images).mean(), "mean-returned"),
    ("nearest_other", lambda images: 0.9 * by_tree(images), "values"),
    ("nearest_other", lambda images: earlier_only(apart(images)), "one-half"),
    ("nearest_other", lambda images: by_tree(images[:, :1]), "first-channel"),
    ("nearest_other", lambda images: apart(images).sort(1).values[:, 2], "second"),
    ("nearest_other", lambda images: by_tree(images)[:, None], "shape"),
    ("limit", lambda n, d: d[-1], "last"),
    ("limit", lambda n, d: d.mean(), "mean"),
    ("limit", lambda n, d: sample_metrics.extrapolate(n.tolist(), d.tolist())[1], "slope"),
    ("limit", lambda n, d: sample_metrics.extrapolate(n.sqrt().tolist(), d.tolist())[0], "root"),
    ("limit", lambda n, d: 0.0, "values"),
]

TABLES = {
    "wasserstein": (lesson10.WRONG, lesson10.CASES),
    "frechet": (lesson10_frechet.WRONG, lesson10_frechet.CASES),
    "kernel_distance": (lesson10_kernel.WRONG, lesson10_kernel.CASES),
    "class_score": (lesson10_classes.WRONG, lesson10_classes.CASES),
    "precision_recall": (lesson10_regions.WRONG, lesson10_regions.CASES),
    "wilson": (lesson10_interval.WRONG, lesson10_interval.CASES),
    "limit": (lesson10_limit.WRONG, lesson10_limit.CASES),
}


@pytest.mark.parametrize("name", TABLES)
def test_every_misconception_can_be_told_from_the_right_answer_and_from_the_others(name):
    rules, cases = TABLES[name]
    results = {}
    for hint, (rule, _) in rules.items():
        numbers = [tuple(float(one) for one in rule(*case)) for case in cases]
        right = [np.atleast_1d(RIGHT[name](*case)).tolist() for case in cases]
        assert not agree(numbers, right), f"{hint} is right on all cases"
        for other, known in results.items():
            same_hint = other.partition(":")[0] == hint.partition(":")[0]
            assert same_hint or not agree(numbers, known), f"{hint} cannot be told from {other}"
        results[hint] = numbers


def test_the_kernel_cases_hold_a_negative_estimate():
    """Without one, an answer that cuts at zero would pass."""
    values = [sample_metrics.kernel_distance(*case) for case in lesson10_kernel.CASES]
    assert min(values) < 0 < max(values)
