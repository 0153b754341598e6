"""Fréchet distance against closed forms and scipy; its units; bad input."""

import numpy as np
import pytest
import scipy.linalg
import torch

from course_lib import checkpoints, metrics

CPU = torch.device("cpu")


def gaussian_features(seed: int, count: int = 400, size: int = 6) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    mixing = torch.randn(size, size, generator=random, dtype=torch.float64)
    shift = torch.randn(size, generator=random, dtype=torch.float64)
    noise = torch.randn(count, size, generator=random, dtype=torch.float64)
    return noise @ mixing + shift


def test_distance_to_itself_is_zero():
    one = metrics.statistics(gaussian_features(0))
    assert abs(metrics.frechet_distance(one, one)) < 1e-9


def test_distance_equals_the_textbook_formula_with_a_general_matrix_square_root():
    one, two = (metrics.statistics(gaussian_features(seed)) for seed in (1, 2))
    product = one.covariance.numpy() @ two.covariance.numpy()
    root = scipy.linalg.sqrtm(product)
    expected = (
        np.sum((one.mean - two.mean).numpy() ** 2)
        + np.trace(one.covariance.numpy() + two.covariance.numpy())
        - 2 * np.trace(root).real
    )
    assert metrics.frechet_distance(one, two) == pytest.approx(expected, rel=1e-9)


def test_distance_of_shifted_and_scaled_features_is_known():
    features = gaussian_features(3)
    one = metrics.statistics(features)
    shifted = metrics.statistics(features + 2.0)
    assert metrics.frechet_distance(one, shifted) == pytest.approx(6 * 4.0)
    centred = features - features.mean(0)
    one, wider = metrics.statistics(centred), metrics.statistics(3 * centred)
    assert metrics.frechet_distance(one, wider) == pytest.approx(4 * float(one.covariance.trace()))


@pytest.mark.parametrize("count", [20, 40, 100])
def test_fewer_vectors_than_features_cost_no_digits(count):
    """A root of eigenvalues that should be zero would leave six of them, or not a number."""
    features = gaussian_features(5, count=count, size=64)
    one, other = metrics.statistics(features), metrics.statistics(1.1 * features)
    exact = 0.1**2 * float(one.mean.square().sum() + one.covariance.trace())
    assert metrics.frechet_distance(one, other) == pytest.approx(exact, rel=1e-10)


def test_singular_covariances_are_allowed():
    flat = gaussian_features(4)
    flat[:, 0] = 1.0
    one = metrics.statistics(flat)
    assert abs(metrics.frechet_distance(one, one)) < 1e-6


def test_statistics_refuse_nan_and_too_few():
    with pytest.raises(ValueError, match="finite"):
        metrics.statistics(torch.tensor([[1.0], [float("nan")]]))
    with pytest.raises(ValueError, match="at least 2"):
        metrics.statistics(torch.ones(1, 3))


def test_relative_distance_of_a_constant_generator_is_at_least_one(test_images):
    """Without variance only the means remain: the variance of the real features, divided by it."""
    classifier, _ = checkpoints.load_classifier(CPU)
    measure = metrics.RelativeFrechet(classifier, test_images[:500], CPU)
    assert measure(test_images[:1].repeat(10, 1, 1, 1)) > 1
    assert abs(measure(test_images[:500])) < 1e-6


def test_relative_distance_refuses_unpadded_images(test_images):
    classifier, _ = checkpoints.load_classifier(CPU)
    measure = metrics.RelativeFrechet(classifier, test_images[:10], CPU)
    with pytest.raises(ValueError, match="32, 32"):
        measure(torch.zeros(2, 1, 28, 28))


def test_samples_depend_on_the_seed_and_not_on_the_batch():
    def generate(z):
        return z[:, :, None, None]

    small = metrics.sample_images(generate, 5, 20, seed=1, device=CPU, batch=3)
    assert torch.equal(small, metrics.sample_images(generate, 5, 20, 1, CPU, batch=20))
    assert not torch.equal(small, metrics.sample_images(generate, 5, 20, 2, CPU))
