"""Five convolutions against torch's, over random shapes, in float64; counts; refusals."""

import pytest
import torch
from convolution_cases import cases
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from course_lib import convolution

WAYS = {
    "loops": convolution.conv2d_loops,
    "im2col": convolution.conv2d_im2col,
    "matrix": convolution.conv2d_matrix,
    "fft": convolution.conv2d_fft,
}


@pytest.mark.parametrize("way", WAYS)
@given(case=cases())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_every_way_equals_the_library(way, case):
    x, weight, bias, how = case
    expected = F.conv2d(x, weight, bias, **how)
    torch.testing.assert_close(WAYS[way](x, weight, bias, **how), expected)


@given(
    size=st.integers(1, 12),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    padding=st.integers(0, 4),
    dilation=st.integers(1, 3),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_output_size_is_torchs(size, kernel, stride, padding, dilation):
    x, weight = torch.zeros(1, 1, size, 30), torch.zeros(1, 1, kernel, 1)
    how = {"stride": stride, "padding": (padding, 0), "dilation": dilation}
    if size + 2 * padding < dilation * (kernel - 1) + 1:
        with pytest.raises(ValueError, match="the kernel covers"):
            convolution.output_size(size, kernel, stride, padding, dilation)
        with pytest.raises(RuntimeError):
            F.conv2d(x, weight, **how)
    else:
        found = convolution.output_size(size, kernel, stride, padding, dilation)
        assert found == F.conv2d(x, weight, **how).shape[2]


@given(case=cases())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_im2col_is_torchs_unfold(case):
    x, weight, _, how = case
    how = {name: how[name] for name in ("stride", "padding", "dilation")}
    kernel = tuple(weight.shape[2:])
    assert torch.equal(convolution.im2col(x, kernel, **how), F.unfold(x, kernel, **how))


def test_multiply_adds_counts_the_products_of_the_loops():
    x, weight = torch.ones(1, 4, 7, 6), torch.ones(6, 2, 3, 2)
    how = {"stride": 2, "padding": 1}
    # With ones everywhere and no padded zero inside, every output is its number of products.
    whole = convolution.conv2d_loops(F.pad(x, (1, 1, 1, 1), value=1.0), weight, stride=2, groups=2)
    assert convolution.multiply_adds((7, 6), (6, 2, 3, 2), **how) == int(whole.sum())


def test_the_matrix_holds_every_weight_once_for_every_output_that_sees_it_inside():
    weight = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    matrix = convolution.convolution_matrix(weight, (5, 4))
    assert matrix.shape == (3 * 2, 5 * 4)
    assert (matrix != 0).sum(dim=1).tolist() == [9] * 6
    assert sorted(set(matrix.unique().tolist()) - {0.0}) == list(range(1, 10))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(3, 5, 5)}, r"input \(B, C, H, W\)"),
        ({"weight": torch.zeros(2, 1, 3, 3)}, "a weight for 2 channels"),
        ({"bias": torch.zeros(3)}, r"a bias of shape \(2,\)"),
        ({"groups": 3}, "groups that divide 2 input and 2 output"),
        ({"stride": 0}, "stride of at least 1, got 0"),
        ({"padding": -1}, "padding of at least 0, got -1"),
        ({"dilation": 3}, "the kernel covers 7 pixels and the padded input has only 5"),
    ],
)
def test_what_does_not_fit_is_refused(way, change, message):
    given = {"x": torch.zeros(1, 2, 5, 5), "weight": torch.zeros(2, 2, 3, 3)} | change
    with pytest.raises(ValueError, match=message):
        WAYS[way](**given)
