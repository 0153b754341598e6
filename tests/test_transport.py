"""The Wasserstein distance on a line against scipy's, and its errors."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from course_lib import transport

POINTS = st.lists(st.tuples(st.floats(-9, 9), st.floats(0.1, 1)), min_size=1, max_size=6)


@given(POINTS, POINTS)
def test_it_is_scipys(first, second):
    (x, p), (y, q) = (torch.tensor(one, dtype=torch.float64).T for one in (first, second))
    p, q = p / p.sum(), q / q.sum()
    expected = stats.wasserstein_distance(x, y, p, q)
    assert float(transport.wasserstein_1d(x, y, p, q)) == pytest.approx(expected, abs=1e-9)


def test_without_masses_all_points_weigh_the_same():
    x, y = torch.tensor([3.0, 1.0]), torch.tensor([2.0, 2.0, 6.0, 6.0])
    assert float(transport.wasserstein_1d(x, y)) == pytest.approx(2.0)  # 1 to 2, 3 to 6


@pytest.mark.parametrize(
    ("masses", "message"),
    [([1.0], "a mass for each point"), ([0.7, 0.7], "sum to 1"), ([1.5, -0.5], "at least 0")],
)
def test_masses_that_do_not_fit_are_refused(masses, message):
    with pytest.raises(ValueError, match=message):
        transport.wasserstein_1d(torch.zeros(2), torch.ones(2), torch.tensor(masses))
