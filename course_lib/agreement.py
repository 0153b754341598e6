"""Tables of what was asked for against what is seen, and what two labellings share (lesson 12)."""

from __future__ import annotations

import torch
from torch import Tensor

LARGEST = 14  # a matching is found by going through all 2^K sets of columns


def contingency(rows: Tensor, columns: Tensor, row_count: int, column_count: int) -> Tensor:
    """Count the pairs of two labellings: int64 (N,), (N,) -> (row_count, column_count).

    Raises:
        ValueError: if the labellings differ in length or a label is outside of its range.
    """
    if rows.shape != columns.shape or rows.ndim != 1:
        raise ValueError(
            f"expected two labellings (N,), got {tuple(rows.shape)} and {tuple(columns.shape)}"
        )
    for labels, count in ((rows, row_count), (columns, column_count)):
        if len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < count):
            raise ValueError(f"expected labels from 0 to {count - 1}")
    pairs = torch.bincount(rows * column_count + columns, minlength=row_count * column_count)
    return pairs.view(row_count, column_count)


def recalls(table: Tensor) -> Tensor:
    """The share of each row that lies on the diagonal: (K, K) counts -> (K,) float64 in [0, 1].

    With what was asked for in the rows and what is seen in the columns: how often a request is met.
    NaN for a row without a count.
    """
    table = table.double()
    return table.diagonal() / table.sum(dim=1)


def mutual_information(table: Tensor) -> float:
    """The mutual information of rows and columns of a table of counts or shares, in nats.

    Args:
        table: (R, C), not negative, not all zero.

    Source: lesson 12, equation (12.10).
    """
    joint = table.double() / table.sum()
    rows, columns = joint.sum(1), joint.sum(0)
    return _entropy(rows) + _entropy(columns) - _entropy(joint.flatten())


def _entropy(shares: Tensor) -> float:
    return -float(torch.special.xlogy(shares, shares).sum())


def normalised_information(table: Tensor) -> float:
    """Mutual information divided by the mean of both entropies: in [0, 1], 0 if both are zero.

    Args:
        table: counts, (R, C).

    Source: lesson 12, equation (12.12).
    """
    joint = table.double() / table.sum()
    mean = (_entropy(joint.sum(1)) + _entropy(joint.sum(0))) / 2
    return mutual_information(table) / mean if mean else 0.0


def best_matching(table: Tensor) -> tuple[list[int], float]:
    """Give each row a column of its own so that the counts on the matched places add up highest.

    Args:
        table: counts, (K, K), K at most LARGEST.

    Returns:
        The column of each row, and the share of all counts that lies on the matched places.

    Raises:
        ValueError: if the table is not square, empty or too large.
    """
    size = len(table)
    if table.ndim != 2 or table.shape != (size, size) or not 0 < size <= LARGEST:
        raise ValueError(
            f"expected a square table of at most {LARGEST} rows, got {tuple(table.shape)}"
        )
    rows = table.tolist()
    # best[used]: the largest sum with which the first rows can use exactly this set of columns.
    best, last = [float("-inf")] * (1 << size), [0] * (1 << size)
    best[0] = 0.0
    for used in range((1 << size) - 1):
        row = used.bit_count()
        for column in range(size):
            after = used | 1 << column
            if after != used and best[used] + rows[row][column] > best[after]:
                best[after], last[after] = best[used] + rows[row][column], column
    matching, used = [0] * size, (1 << size) - 1
    for row in reversed(range(size)):
        matching[row] = last[used]
        used ^= 1 << last[used]
    return matching, best[-1] / float(table.sum())
