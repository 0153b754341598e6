"""Operator norms against singular values of matrices that are built in full, and of a transform."""

import pytest
import torch
from torch import nn

from course_lib import spectral


def gaussians(*shape: int, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=random)


@pytest.mark.parametrize("shape", [(5, 9), (7, 3), (1, 4)])
def test_power_iteration_ends_at_the_largest_singular_value(shape):
    weight = gaussians(*shape)
    sigma, u = spectral.power_iteration(weight, gaussians(shape[0], seed=1), steps=500)
    left, sigmas, _ = torch.linalg.svd(weight)
    assert float(sigma) == pytest.approx(float(sigmas[0]), rel=1e-6)
    assert abs(float(u @ left[:, 0])) == pytest.approx(1, abs=1e-6)


def test_one_step_after_another_is_two_steps_and_never_above_the_norm():
    weight, u = gaussians(6, 4), gaussians(6, seed=1)
    _, between = spectral.power_iteration(weight, u)
    one_by_one = spectral.power_iteration(weight, between)
    at_once = spectral.power_iteration(weight, u, steps=2)
    torch.testing.assert_close(one_by_one, at_once)
    assert at_once[0] <= torch.linalg.matrix_norm(weight, ord=2)


def test_the_gradient_is_that_of_the_singular_value_and_not_through_the_rounds():
    weight = gaussians(4, 6).requires_grad_()
    sigma, u = spectral.power_iteration(weight, gaussians(4, seed=1))
    (gradient,) = torch.autograd.grad(sigma, weight)
    assert not u.requires_grad and torch.linalg.matrix_rank(gradient) == 1


def test_no_step_is_refused():
    with pytest.raises(ValueError, match="at least 1 step"):
        spectral.power_iteration(gaussians(3, 3), gaussians(3), steps=0)


@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (nn.Conv2d(2, 3, 4, stride=2, padding=1), 6),
        (nn.Conv2d(3, 2, 3, padding=1), 5),
        (nn.Conv2d(2, 2, 3, dilation=2), 7),
        (nn.Conv2d(4, 4, 3, groups=2), 5),
    ],
)
def test_the_norm_of_a_convolution_is_that_of_its_matrix(layer, size):
    layer = layer.double()
    pixels = torch.eye(layer.in_channels * size**2, dtype=torch.float64)
    with torch.no_grad():
        outputs = layer(pixels.view(-1, layer.in_channels, size, size))
        matrix = (outputs - layer(torch.zeros_like(pixels[:1]).view(1, -1, size, size))).flatten(1)
    norm = float(torch.linalg.matrix_norm(matrix, ord=2))
    assert spectral.convolution_norm(layer, size, steps=3000) == pytest.approx(norm, rel=1e-6)


def test_with_circular_padding_it_is_the_largest_over_frequencies():
    """Oracle: the Fourier transform splits the convolution into one matrix for each frequency."""
    layer = nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular", bias=False).double()
    kernels = torch.fft.fft2(layer.weight.detach(), s=(6, 6))  # (O, C, 6, 6)
    norm = float(torch.linalg.svdvals(kernels.permute(2, 3, 0, 1)).max())
    assert spectral.convolution_norm(layer, 6, steps=3000) == pytest.approx(norm, rel=1e-6)


def test_the_kernels_norm_is_what_torch_divides_by():
    layer = nn.Conv2d(3, 5, 4)
    before, norm = layer.weight.detach().clone(), spectral.kernel_norm(layer)
    nn.utils.parametrizations.spectral_norm(layer, n_power_iterations=500)
    layer(torch.zeros(1, 3, 4, 4))  # in training mode torch iterates with each use
    torch.testing.assert_close(layer.weight.detach(), before / norm, rtol=1e-3, atol=1e-4)
