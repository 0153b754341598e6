"""Directions, walks and truncated vectors against a known answer and scipy."""

import math

import pytest
import torch
from scipy import stats

from course_lib import directions


def numbers(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_the_direction_of_a_linear_attribute_is_its_slope():
    z, slope = numbers(100_000, 4), torch.tensor([3.0, 0.0, -4.0, 0.0]).double() / 5
    found = directions.mean_difference(z, z @ slope > 0.3)
    assert float(found.norm()) == pytest.approx(1)
    assert float(found @ slope) > 0.999


@pytest.mark.parametrize("shown", [torch.ones(5).bool(), torch.zeros(5).bool()])
def test_a_direction_needs_both_groups(shown):
    with pytest.raises(ValueError, match="with the attribute"):
        directions.mean_difference(numbers(5, 3), shown)


def test_a_walk_keeps_lengths_and_begins_where_it_stands():
    z, way = numbers(6, 5), torch.nn.functional.normalize(numbers(5, seed=1), dim=0)
    path = directions.walk(z, way, torch.tensor([0.0, 1.0, -2.0]).double())
    assert path.shape == (3, 6, 5)
    assert torch.allclose(path[0], z)
    assert torch.allclose(path.norm(dim=2), z.norm(dim=1).expand(3, -1))
    assert (path[1] @ way > z @ way).all() and (path[2] @ way < z @ way).all()


@pytest.mark.parametrize("threshold", [0.3, 1.0, 2.0, math.inf])
def test_truncated_numbers_have_the_distribution_of_scipy(threshold):
    z = directions.truncated_normal(300, 100, threshold, torch.Generator().manual_seed(2))
    assert float(z.abs().max()) <= threshold
    known = stats.truncnorm(-threshold, threshold)
    assert stats.kstest(z.flatten().double().numpy(), known.cdf).pvalue > 1e-3


@pytest.mark.parametrize("threshold", [0.0, -1.0, math.nan])
def test_a_threshold_that_would_never_end_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold"):
        directions.truncated_normal(2, 2, threshold, torch.Generator())
