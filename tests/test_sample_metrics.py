"""Kernel distance, class score, precision and recall, neighbours: against other programs."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.spatial
import scipy.stats
import torch
from torch import Tensor

from course_lib import sample_metrics


def gaussians(*shape: int, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=random)


# --- Kernel distance ----------------------------------------------------------------------------


def test_kernel_distance_is_unbiased_over_all_samples_of_a_small_population():
    first, second = gaussians(3, 2, seed=1), gaussians(3, 2, seed=2) + 1
    kernel = sample_metrics.polynomial_kernel
    exact = kernel(first, first).mean() + kernel(second, second).mean()
    exact -= 2 * kernel(first, second).mean()
    samples = [list(one) for one in itertools.product(range(3), repeat=2)]
    values = [
        sample_metrics.kernel_distance(first[i], second[j])
        for i, j in itertools.product(samples, samples)
    ]
    assert sum(values) / len(values) == pytest.approx(float(exact), rel=1e-12)


def test_kernel_distance_does_not_depend_on_the_blocks(monkeypatch):
    sets = gaussians(50, 4, seed=3), gaussians(33, 4, seed=4)
    whole = sample_metrics.kernel_distance(*sets)
    monkeypatch.setattr(sample_metrics, "BLOCK", 7)
    assert sample_metrics.kernel_distance(*sets) == pytest.approx(whole, rel=1e-12)
    assert sample_metrics.kernel_distance(*sets[::-1]) == pytest.approx(whole, rel=1e-12)


def test_kernel_distance_of_one_distribution_is_about_zero_and_takes_both_signs():
    values = [
        sample_metrics.kernel_distance(gaussians(40, 3, seed=s), gaussians(40, 3, seed=s + 1000))
        for s in range(100)
    ]
    error = np.std(values) / 10
    assert abs(np.mean(values)) < 4 * error
    assert 25 < sum(value < 0 for value in values) < 75


# --- Class score --------------------------------------------------------------------------------


def test_class_score_is_the_exponential_of_the_mutual_information():
    p = torch.softmax(2 * gaussians(60, 5, seed=5), dim=1)
    divergences = [scipy.stats.entropy(row, p.mean(0)) for row in p.numpy()]
    expected = math.exp(np.mean(divergences))
    assert sample_metrics.inception_score(p) == pytest.approx(expected, rel=1e-12)


def test_class_score_lies_between_one_and_the_number_of_classes():
    certain = torch.eye(7).repeat(3, 1)
    assert sample_metrics.inception_score(certain) == pytest.approx(7)
    assert sample_metrics.inception_score(certain[:1].repeat(9, 1)) == pytest.approx(1)
    assert sample_metrics.inception_score(torch.full((9, 7), 1 / 7)) == pytest.approx(1)


@pytest.mark.parametrize("bad", [torch.ones(3, 4), torch.tensor([[1.5, -0.5]]), torch.ones(4) / 4])
def test_class_score_refuses_what_is_no_probability(bad):
    with pytest.raises(ValueError, match="probabilities"):
        sample_metrics.inception_score(bad)


# --- Precision and recall -----------------------------------------------------------------------


def by_tree(real: Tensor, generated: Tensor, k: int) -> tuple[float, float]:
    shares = []
    for points, centres in ((generated, real), (real, generated)):
        tree = scipy.spatial.cKDTree(centres.numpy())
        reach = tree.query(centres.numpy(), [k + 1])[0][:, 0]
        apart = scipy.spatial.distance.cdist(points.numpy(), centres.numpy())
        shares.append(float((apart <= reach).any(axis=1).mean()))
    return shares[0], shares[1]


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("block", [1000, 13])
def test_precision_and_recall_equal_those_from_a_tree(k, block, monkeypatch):
    monkeypatch.setattr(sample_metrics, "BLOCK", block)
    real, generated = gaussians(60, 2, seed=6), 0.7 * gaussians(45, 2, seed=7) + 0.5
    found = sample_metrics.precision_recall(real, generated, k)
    assert found == by_tree(real, generated, k)
    assert found[0] != found[1]


def test_precision_and_recall_at_their_ends():
    real = gaussians(30, 2, seed=8)
    assert sample_metrics.precision_recall(real, real) == (1, 1)
    assert sample_metrics.precision_recall(real, real + 100) == (0, 0)
    narrow = sample_metrics.precision_recall(real, 0.1 * real)
    assert narrow.precision > 0.9 > 0.5 > narrow.recall


def test_features_are_checked():
    good = gaussians(5, 2, seed=9)
    with pytest.raises(ValueError, match="at least 4"):
        sample_metrics.precision_recall(good[:3], good)
    with pytest.raises(ValueError, match="k = 0"):
        sample_metrics.precision_recall(good, good, 0)
    with pytest.raises(ValueError, match="as many features"):
        sample_metrics.kernel_distance(good, good[:, :1])
    with pytest.raises(ValueError, match="finite"):
        sample_metrics.kernel_distance(good, good / 0)


# --- Neighbours ---------------------------------------------------------------------------------


def test_nearest_finds_what_a_tree_finds():
    queries, references = gaussians(130, 1, 3, 2, seed=10), gaussians(80, 1, 3, 2, seed=11)
    distances, indices = sample_metrics.nearest(queries, references)
    tree = scipy.spatial.cKDTree(references.flatten(1).numpy())
    expected, places = tree.query(queries.flatten(1).numpy())
    assert indices.tolist() == places.tolist()
    np.testing.assert_allclose(distances.numpy(), expected, rtol=1e-12)


def test_a_copy_has_the_distance_zero_even_in_float32():
    references = gaussians(200, 1, 32, 32, seed=12).float()
    distances, indices = sample_metrics.nearest(references[40:80], references)
    assert indices.tolist() == list(range(40, 80))
    assert (distances == 0).all()


def test_nearest_refuses_other_shapes():
    with pytest.raises(ValueError, match="shaped like"):
        sample_metrics.nearest(torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 5))
    with pytest.raises(ValueError, match="shaped like"):
        sample_metrics.nearest(torch.zeros(2, 4), torch.zeros(0, 4))


# --- Infinitely many images ---------------------------------------------------------------------


def test_extrapolation_is_numpys_fit_and_exact_on_a_line():
    counts = [100, 200, 500, 1000]
    limit, slope = sample_metrics.extrapolate(counts, [0.2 + 7 / n for n in counts])
    assert (limit, slope) == (pytest.approx(0.2), pytest.approx(7))
    noisy = [0.3, 0.26, 0.21, 0.22]
    expected = np.polynomial.polynomial.polyfit(1 / np.array(counts), noisy, 1)
    assert sample_metrics.extrapolate(counts, noisy) == pytest.approx(tuple(expected))


def test_extrapolation_refuses_one_count():
    with pytest.raises(ValueError, match="two different counts"):
        sample_metrics.extrapolate([100, 100], [0.2, 0.3])
    with pytest.raises(ValueError, match="2 counts and 1 distances"):
        sample_metrics.extrapolate([100, 200], [0.2])
