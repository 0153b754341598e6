"""Taught, then kept: what lesson 10 writes out does what the library keeps."""

from __future__ import annotations

import math
from pathlib import Path

import jupytext
import pytest
import torch
from torch import Tensor

from course_lib import metrics, real_or_fake, sample_metrics

LESSON = Path(__file__).parents[1] / "notebooks" / "10_evaluating_generators.py"


@pytest.fixture(scope="module")
def taught() -> dict:
    """The names that the lesson defines in its cells tagged `keep`."""
    names = {"math": math, "torch": torch, "Tensor": Tensor, "metrics": metrics}
    for cell in jupytext.read(LESSON).cells:
        if "keep" in cell.metadata.get("tags", []):
            exec(cell.source, names)
    return names


@pytest.fixture(scope="module")
def sets() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(6)
    first = torch.randn(40, 5, dtype=torch.float64, generator=random)
    second = 1.3 * torch.randn(30, 5, dtype=torch.float64, generator=random) + 0.4
    return first, second


def test_the_frechet_distance_is_the_librarys(taught, sets):
    given = [metrics.statistics(one) for one in sets]
    assert taught["frechet_distance"](*given) == pytest.approx(metrics.frechet_distance(*given))
    matrix = given[0].covariance
    torch.testing.assert_close(taught["square_root"](matrix), metrics.square_root(matrix))
    torch.testing.assert_close(metrics.square_root(matrix) @ metrics.square_root(matrix), matrix)


@pytest.mark.parametrize("name", ["kernel_distance", "precision_recall"])
def test_the_comparison_of_two_sets_is_the_librarys(taught, sets, name):
    kept = getattr(sample_metrics, name)(*sets)
    assert taught[name](*sets) == pytest.approx(kept)


def test_the_class_score_is_the_librarys(taught, sets):
    p = sets[0].softmax(dim=1)
    assert taught["inception_score"](p) == pytest.approx(sample_metrics.inception_score(p))


@pytest.mark.parametrize(("k", "n"), [(0, 9), (9, 9), (30, 40)])
def test_the_interval_is_the_librarys(taught, k, n):
    kept = real_or_fake.wilson_interval(k, n)
    assert taught["wilson_interval"](k, n) == pytest.approx(kept, abs=1e-12)
