"""A Gaussian with all pixels' means and covariances, clipped to an image's range (lesson 01)."""

from __future__ import annotations

import torch
from torch import Tensor


class GaussianSampler:
    """Draws from the Gaussian with the mean and full covariance of given images, cut to [-1, 1].

    Args:
        images: (N, C, H, W) in [-1, 1], more of them than pixels.
    """

    def __init__(self, images: Tensor) -> None:
        self._shape = images.shape[1:]
        pixels = images.flatten(1)  # (N, C H W)
        self._mean = pixels.mean(dim=0)
        # Padding has no variance, so the covariance is singular: Cholesky's algorithm would divide
        # by zero, an eigendecomposition does not.
        values, vectors = torch.linalg.eigh(torch.cov(pixels.T))
        self._root = vectors * values.clamp(min=0).sqrt()

    def sample(self, count: int, seed: int) -> Tensor:
        """`count` images, clipped to [-1, 1]: (count, C, H, W)."""
        random = torch.Generator().manual_seed(seed)
        noise = torch.randn(count, len(self._mean), generator=random)
        pixels = self._mean + noise @ self._root.T
        return pixels.clamp(-1, 1).reshape(count, *self._shape)
