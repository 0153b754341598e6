"""Comparing two sets of feature vectors without fitting Gaussians to them (lesson 10).

A kernel distance on the features of the course's classifier is not "KID" and a score of its
probabilities is not "the Inception score" of the literature: both names belong to one particular
Inception network. The formulas are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 1000  # rows of a table of pairs that are in memory at a time


class PrecisionRecall(NamedTuple):
    """Shares in [0, 1]: of generated samples that look real, and of real ones that are covered."""

    precision: float
    recall: float


def _two_sets(first: Tensor, second: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """Both sets in float64; raises ValueError unless they are (N, F) and (M, F) and finite."""
    for one in (first, second):
        if one.ndim != 2 or len(one) < least:
            raise ValueError(
                f"expected features (N, F) with N at least {least}, got {tuple(one.shape)}"
            )
        if not torch.isfinite(one).all():
            raise ValueError("expected finite features; the images may hold NaN or infinity")
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"expected two sets with as many features, got {first.shape[1]} and {second.shape[1]}"
        )
    return first.double(), second.double()


def polynomial_kernel(x: Tensor, y: Tensor) -> Tensor:
    """(x.y / F + 1)^3 for all pairs of rows: (N, F), (M, F) -> (N, M).

    Source: lesson 10, equation (10.12); Bińkowski et al., 2018.
    """
    return (x @ y.T / x.shape[1] + 1) ** 3


def kernel_distance(first: Tensor, second: Tensor) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy of two sets of features.

    Args:
        first, second: features, (N, F) and (M, F), N and M at least 2.

    Returns:
        The estimate, in units of the kernel. Where the distributions agree its mean is zero, so
        it is often negative.

    Raises:
        ValueError: for other shapes, too few vectors, or values that are not finite.

    Source: lesson 10, equation (10.13); Gretton et al., 2012, lemma 6.
    """
    first, second = _two_sets(first, second, least=2)

    def total(x: Tensor, y: Tensor) -> Tensor:
        return sum(polynomial_kernel(part, y).sum() for part in x.split(BLOCK))

    def own(x: Tensor) -> Tensor:
        diagonal = ((x.square().sum(dim=1) / x.shape[1] + 1) ** 3).sum()
        return (total(x, x) - diagonal) / (len(x) * (len(x) - 1))

    between = total(first, second) / (len(first) * len(second))
    return float(own(first) + own(second) - 2 * between)


def inception_score(probabilities: Tensor) -> float:
    """exp of the mean divergence of each image's class probabilities from their mean.

    Args:
        probabilities: (N, K), rows that sum to one.

    Returns:
        A number from 1 to K: K when every image is recognised with certainty and all classes are
        equally frequent.

    Raises:
        ValueError: if the rows are not probabilities.

    Source: lesson 10, equation (10.17); Salimans et al., 2016, section 4.
    """
    if probabilities.ndim != 2 or not len(probabilities):
        raise ValueError(f"expected probabilities (N, K), got {tuple(probabilities.shape)}")
    p = probabilities.double()
    if not (p >= 0).all() or not torch.allclose(p.sum(dim=1), p.new_ones(len(p)), atol=1e-4):
        raise ValueError("expected rows of probabilities: not negative, each with the sum one")
    # xlogy is 0 where p is 0, as the limit of p log p is.
    own = torch.special.xlogy(p, p).sum(dim=1).mean()
    mean = p.mean(dim=0)
    return float((own - torch.special.xlogy(mean, mean).sum()).exp())


def radii(features: Tensor, k: int) -> Tensor:
    """Distance of each vector to its k-th nearest other one: (N, F) -> (N,)."""
    # The nearest of all is the vector itself, at distance zero.
    parts = [torch.cdist(part, features).kthvalue(k + 1, dim=1).values for part in _rows(features)]
    return torch.cat(parts)


def _rows(features: Tensor) -> Sequence[Tensor]:
    return features.split(BLOCK)


def _covered(points: Tensor, centres: Tensor, reach: Tensor) -> float:
    """Share of the points that lie in a ball: (N, F), (M, F), (M,) -> in [0, 1]."""
    inside = [(torch.cdist(part, centres) <= reach).any(dim=1) for part in _rows(points)]
    return float(torch.cat(inside).double().mean())


def precision_recall(real: Tensor, generated: Tensor, k: int = 3) -> PrecisionRecall:
    """How much of the generated set looks real, and how much of the real set is generated.

    The region of a set is the union of the balls about its vectors, each with the distance to its
    k-th nearest neighbour in the set as radius. Precision is the share of the generated vectors in
    the real region, recall the share of the real vectors in the generated region.

    Args:
        real, generated: features, (N, F) and (M, F), of like size: both numbers depend on it.
        k: neighbours, at least 1 and less than N and M.

    Raises:
        ValueError: for other shapes, too few vectors, or values that are not finite.

    Source: lesson 10, equations (10.15) and (10.16); Kynkäänniemi et al., 2019, section 2.
    """
    if k < 1:
        raise ValueError(f"expected at least one neighbour, got k = {k}")
    real, generated = _two_sets(real, generated, least=k + 1)
    return PrecisionRecall(
        _covered(generated, real, radii(real, k)), _covered(real, generated, radii(generated, k))
    )


def nearest(queries: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
    """Each query's nearest reference: (N, ...), (M, ...) -> distances (N,) and indices (N,).

    Distances are Euclidean over all numbers of a query, in float64, and exactly zero for a copy.

    Raises:
        ValueError: if queries and references differ in shape, or there are no references.

    Source: lesson 10, section 10.10.
    """
    if queries.shape[1:] != references.shape[1:] or not len(references):
        raise ValueError(
            f"expected references shaped like the queries {tuple(queries.shape[1:])}, got "
            f"{tuple(references.shape)}"
        )
    queries, references = queries.flatten(1), references.flatten(1)
    indices = torch.cat([torch.cdist(q, references).argmin(dim=1) for q in queries.split(100)])
    # Fast distances come from products and are off where two vectors nearly agree.
    return (queries.double() - references[indices].double()).norm(dim=1), indices


def extrapolate(counts: Sequence[float], distances: Sequence[float]) -> tuple[float, float]:
    """Least-squares fit of distance = limit + slope / count: the limit of infinitely many images.

    Args:
        counts: numbers of images, at least two different ones.
        distances: the distance measured with each.

    Returns:
        The limit, in units of the distance, and the slope, in units of distance times images.

    Raises:
        ValueError: if the lengths differ or all counts are equal.

    Source: lesson 10, equation (10.10); Chong and Forsyth, 2020.
    """
    if len(counts) != len(distances) or len(set(counts)) < 2:
        raise ValueError(
            f"expected a distance for each of at least two different counts, got {len(counts)} "
            f"counts and {len(distances)} distances"
        )
    x = 1 / torch.as_tensor(counts, dtype=torch.float64)
    y = torch.as_tensor(distances, dtype=torch.float64)
    slope = ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()
    return float(y.mean() - slope * x.mean()), float(slope)
