"""The distances of lesson 10 are those of torchmetrics, given the same features.

torchmetrics is in the extra `all`. It is imported without asking, so that a machine where it is
missing fails these tests instead of passing over them.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

from course_lib import metrics, sample_metrics

# torchmetrics warns of memory, and of the spread over one split, which is not used.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
FEATURES = 6


class AsFeatures(nn.Module):
    """Takes an "image" (N, F, 1, 1) for its features (N, F)."""

    num_features = FEATURES

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)


def sets() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(3)
    mixing = torch.randn(FEATURES, FEATURES, dtype=torch.float64, generator=random)
    first = torch.randn(300, FEATURES, dtype=torch.float64, generator=random)
    second = torch.randn(250, FEATURES, dtype=torch.float64, generator=random) @ mixing + 0.5
    return first, second


def measured(metric, first: Tensor, second: Tensor):
    metric.set_dtype(torch.float64)
    metric.update(first[:, :, None, None], real=True)
    metric.update(second[:, :, None, None], real=False)
    return metric.compute()


def test_the_frechet_distance_agrees():
    first, second = sets()
    theirs = measured(FrechetInceptionDistance(AsFeatures()), first, second)
    ours = metrics.frechet_distance(metrics.statistics(first), metrics.statistics(second))
    assert ours == pytest.approx(float(theirs), rel=1e-6)


def test_the_kernel_distance_agrees():
    first, second = (one[:200] for one in sets())
    metric = KernelInceptionDistance(AsFeatures(), subsets=1, subset_size=200)
    mean, _ = measured(metric, first, second)
    assert sample_metrics.kernel_distance(first, second) == pytest.approx(float(mean), rel=1e-6)


def test_the_class_score_agrees():
    logits, _ = sets()
    metric = InceptionScore(AsFeatures(), splits=1)
    metric.set_dtype(torch.float64)
    metric.update(logits[:, :, None, None])
    mean, _ = metric.compute()
    ours = sample_metrics.inception_score(logits.softmax(dim=1))
    assert ours == pytest.approx(float(mean), rel=1e-6)
