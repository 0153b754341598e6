"""Hand-written gradients and transposed convolutions against autograd and torch."""

import pytest
import torch
from convolution_cases import cases
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.autograd.gradcheck import GradcheckError
from torch.nn import functional as F

from course_lib import convolution_gradients as gradients
from course_lib.convolution import im2col, output_size


def gradient_of_output(x, weight, how) -> torch.Tensor:
    shape = F.conv2d(x, weight, **how).shape
    return torch.randn(*shape, dtype=x.dtype, generator=torch.Generator().manual_seed(5))


@given(case=cases())
@settings(max_examples=80, deadline=None, derandomize=True)
def test_all_three_gradients_are_autograds(case):
    x, weight, bias, how = case
    leaves = [value.requires_grad_() for value in (x, weight, bias) if value is not None]
    g = gradient_of_output(x, weight, how)
    expected = torch.autograd.grad(F.conv2d(x, weight, bias, **how), leaves, g)
    torch.testing.assert_close(
        gradients.input_gradient(g, weight.detach(), tuple(x.shape[2:]), **how), expected[0]
    )
    torch.testing.assert_close(
        gradients.weight_gradient(g, x.detach(), tuple(weight.shape[2:]), **how), expected[1]
    )
    ours = torch.autograd.grad(
        gradients.Convolution.apply(x, weight, bias, *how.values()), leaves, g
    )
    for mine, theirs in zip(ours, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


@given(case=cases())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_col2im_is_the_adjoint_of_im2col(case):
    x, weight, _, how = case
    how = {name: how[name] for name in ("stride", "padding", "dilation")}
    kernel, size = tuple(weight.shape[2:]), tuple(x.shape[2:])
    columns = torch.randn(*im2col(x, kernel, **how).shape, dtype=torch.float64)
    left = (im2col(x, kernel, **how) * columns).sum()
    right = (x * gradients.col2im(columns, size, kernel, **how)).sum()
    torch.testing.assert_close(left, right)
    torch.testing.assert_close(
        gradients.col2im(columns, size, kernel, **how), F.fold(columns, size, kernel, **how)
    )


@st.composite
def transposed_cases(draw):
    groups, stride = draw(st.sampled_from([1, 2])), draw(st.integers(1, 3))
    case = {
        "stride": stride,
        "padding": draw(st.integers(0, 2)),
        "output_padding": draw(st.integers(0, stride - 1)),
        "groups": groups,
        "dilation": draw(st.integers(1, 2)),
    }
    size = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    kernel = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    for side, length in zip(size, kernel, strict=True):
        found = (
            stride * (side - 1) + case["dilation"] * (length - 1) + 1
            - 2 * case["padding"] + case["output_padding"]
        )  # fmt: skip
        assume(found >= 1)
    inputs, outputs = groups * draw(st.integers(1, 2)), draw(st.integers(1, 2))
    random = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    x, weight, bias = (
        torch.randn(*shape, dtype=torch.float64, generator=random)
        for shape in ((2, inputs, *size), (inputs, outputs, *kernel), (groups * outputs,))
    )
    return x, weight, bias if draw(st.booleans()) else None, case


@given(case=transposed_cases())
@settings(max_examples=80, deadline=None, derandomize=True)
def test_the_transposed_convolution_is_torchs(case):
    x, weight, bias, how = case
    torch.testing.assert_close(
        gradients.transposed_conv2d(x, weight, bias, **how),
        F.conv_transpose2d(x, weight, bias, **how),
    )


def test_the_layer_passes_gradcheck_and_computes_only_what_is_asked():
    random = torch.Generator().manual_seed(0)
    x, weight, bias = (
        torch.randn(*shape, dtype=torch.float64, generator=random)
        for shape in ((2, 4, 6, 5), (6, 2, 3, 2), (6,))
    )
    for leaves in ((True, True, True), (True, False, False), (False, True, False)):
        given = [
            v.clone().requires_grad_(on) for v, on in zip((x, weight, bias), leaves, strict=True)
        ]
        assert torch.autograd.gradcheck(gradients.Convolution.apply, (*given, 2, 1, 2, 2))


def test_gradcheck_would_notice_a_forgotten_sum(monkeypatch):
    """The test above can fail: without the sum over the batch it does."""
    right = gradients.weight_gradient
    monkeypatch.setattr(gradients, "weight_gradient", lambda g, x, *how: right(g[:1], x[:1], *how))
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64)
    weight = torch.randn(1, 1, 2, 2, dtype=torch.float64).requires_grad_()
    with pytest.raises(GradcheckError):
        torch.autograd.gradcheck(gradients.Convolution.apply, (x, weight, None))


@given(
    size=st.integers(1, 8),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    padding=st.integers(0, 3),
    dilation=st.integers(1, 2),
    extra=st.integers(0, 3),
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_the_convolution_maps_the_transposed_size_back(
    size, kernel, stride, padding, dilation, extra
):
    assume(extra < stride)
    assume(stride * (size - 1) + dilation * (kernel - 1) + 1 - 2 * padding + extra >= 1)
    found = gradients.transposed_size(size, kernel, stride, padding, dilation, extra)
    assert output_size(found, kernel, stride, padding, dilation) == size


def test_shapes_that_do_not_fit_are_refused():
    x, weight = torch.zeros(2, 1, 5, 5), torch.zeros(3, 1, 3, 3)
    one = torch.zeros(1, 3, 3, 3)
    with pytest.raises(ValueError, match=r"output's shape \(2, 3, 3, 3\), got \(1, 3, 3, 3\)"):
        gradients.weight_gradient(one, x, (3, 3))
    with pytest.raises(ValueError, match=r"output's shape \(1, 3, 2, 2\), got \(1, 3, 3, 3\)"):
        gradients.input_gradient(one, weight, (4, 4))
    with pytest.raises(ValueError, match=r"a bias of shape \(1,\), got \(3,\)"):
        gradients.transposed_conv2d(one, weight, torch.zeros(3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 3), "size of at least 1, got 0"),
        ((4, 3, 2, 0, 1, 2), "output_padding below the stride 2, got 2"),
        ((1, 1, 1, 1), "the padding 1 cuts off all pixels"),
    ],
)
def test_impossible_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        gradients.transposed_size(*arguments)
