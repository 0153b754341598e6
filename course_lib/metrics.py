"""Distances between sets of images, in the features of the course's classifier (lesson 10).

A Fréchet distance on these features is not "FID", which is defined on the features of one
particular Inception network. It is reported *relative*, divided by the total variance of the real
features, so that it does not depend on the features' scale: at 0 means and covariances agree, and a
generator that always drew the average feature vector would score 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.models.classifier import Classifier


@dataclass(frozen=True)
class Statistics:
    """Mean (F,) and covariance (F, F) of feature vectors, float64, and their count."""

    mean: Tensor
    covariance: Tensor
    count: int


def statistics(features: Tensor) -> Statistics:
    """Mean and unbiased covariance in float64 of features (N, F).

    Raises:
        ValueError: if there are fewer than two feature vectors or a value is not finite.
    """
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"expected features (N, F) with N at least 2, got {tuple(features.shape)}")
    features = features.double()
    if not torch.isfinite(features).all():
        raise ValueError("expected finite features; the images may hold NaN or infinity")
    return Statistics(features.mean(dim=0), torch.cov(features.T), len(features))


def square_root(matrix: Tensor) -> Tensor:
    """The square root of a symmetric matrix (F, F) without negative eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix)
    # Round-off can make a zero eigenvalue slightly negative.
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def frechet_distance(first: Statistics, second: Statistics) -> float:
    """Squared Wasserstein-2 distance of the Gaussians with these means and covariances.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1^(1/2) S2 S1^(1/2))^(1/2)). The last trace is the sum of the
    singular values of S2^(1/2) S1^(1/2): no root of a matrix that is not symmetric is needed, and
    no second root. The two first roots remain: where one covariance is singular and the other is
    not, expect half of the digits.

    Returns:
        The distance, at least 0 up to round-off, in squared units of the features.

    Source: lesson 10, equation (10.7); Dowson and Landau, 1982; Heusel et al., 2017, section 4.
    """
    product = square_root(second.covariance) @ square_root(first.covariance)
    cross = torch.linalg.svdvals(product).sum()
    means = (first.mean - second.mean).square().sum()
    return float(means + first.covariance.trace() + second.covariance.trace() - 2 * cross)


@torch.no_grad()
def classifier_features(
    classifier: Classifier, images: Tensor, device: torch.device, batch: int = 500
) -> Tensor:
    """Feature vectors (N, F), float32 on the CPU, of images (N, C, 32, 32) in [-1, 1]."""
    classifier = classifier.to(device).eval()
    parts = [classifier.features(part.to(device)).float().cpu() for part in images.split(batch)]
    return torch.cat(parts)


class RelativeFrechet:
    """Measures sets of images against the real test images.

    Args:
        classifier: the course's feature extractor, the first that `load_classifier` returns.
        real: the real test images, (N, C, 32, 32) in [-1, 1].
        device: where features are computed.
    """

    def __init__(self, classifier: Classifier, real: Tensor, device: torch.device) -> None:
        self._features = lambda images: classifier_features(classifier, images, device)
        self.real = statistics(self._features(real))
        self.scale = float(self.real.covariance.trace())

    def __call__(self, images: Tensor) -> float:
        """Relative Fréchet distance of images (N, C, 32, 32) in [-1, 1] to the real ones.

        Raises:
            ValueError: if the images have another shape than the classifier takes.
        """
        if images.ndim != 4 or images.shape[2:] != (32, 32):
            raise ValueError(f"expected images (N, C, 32, 32), got {tuple(images.shape)}")
        return frechet_distance(self.real, statistics(self._features(images))) / self.scale


@torch.no_grad()
def sample_images(
    generate: Callable[[Tensor], Tensor],
    latent: int,
    count: int,
    seed: int,
    device: torch.device,
    batch: int = 500,
) -> Tensor:
    """`count` generated images, (count, C, H, W) in [-1, 1], float32 on the CPU.

    The latent vectors depend on the seed alone, not on the batch or the device.
    """
    z = torch.randn(count, latent, generator=torch.Generator().manual_seed(seed))
    return torch.cat([generate(part.to(device)).float().cpu() for part in z.split(batch)])
