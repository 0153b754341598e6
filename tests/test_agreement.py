"""Tables of agreement against counting by hand, scipy and the definition."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import optimize

from course_lib import agreement


def test_a_table_counts_the_pairs():
    rows, columns = torch.tensor([0, 2, 2, 1]), torch.tensor([1, 0, 0, 1])
    assert agreement.contingency(rows, columns, 3, 2).tolist() == [[0, 1], [0, 1], [2, 0]]


@pytest.mark.parametrize(
    ("rows", "columns"), [([0, 3], [0, 0]), ([0, 1], [0, 2]), ([0, -1], [0, 0]), ([0], [0, 1])]
)
def test_labels_outside_of_the_table_are_refused(rows, columns):
    with pytest.raises(ValueError, match="expected"):
        agreement.contingency(torch.tensor(rows), torch.tensor(columns), 3, 2)


def test_recalls_divide_by_what_was_asked_for():
    table = torch.tensor([[3, 1], [6, 2]])
    assert agreement.recalls(table).tolist() == [0.75, 0.25]
    assert agreement.recalls(torch.tensor([[0, 0], [1, 1]])).isnan().tolist() == [True, False]


def test_information_is_the_divergence_from_independence():
    table = torch.randint(0, 9, (3, 5), generator=torch.Generator().manual_seed(1))
    p = (table.double() / table.sum()).tolist()
    rows, columns = [sum(row) for row in p], [sum(column) for column in zip(*p, strict=True)]
    by_hand = sum(
        p[i][j] * math.log(p[i][j] / (rows[i] * columns[j]))
        for i, j in itertools.product(range(3), range(5))
        if p[i][j]
    )
    assert agreement.mutual_information(table) == pytest.approx(by_hand, abs=1e-12)


def test_normalised_information_knows_no_names_and_ends_at_zero_and_one():
    table = torch.tensor([[0, 7, 0], [0, 0, 3], [5, 0, 0]])
    assert agreement.normalised_information(table) == pytest.approx(1.0)
    assert agreement.normalised_information(torch.ones(3, 4)) == pytest.approx(0.0, abs=1e-12)
    assert agreement.normalised_information(torch.tensor([[4.0]])) == 0.0
    mixed = torch.tensor([[4, 1], [2, 5]])
    swapped = mixed[:, [1, 0]]
    assert agreement.normalised_information(mixed) == pytest.approx(
        agreement.normalised_information(swapped)
    )


@pytest.mark.parametrize("size", [1, 2, 5, 10])
def test_the_best_matching_is_that_of_scipy(size):
    table = torch.randint(0, 50, (size, size), generator=torch.Generator().manual_seed(size))
    matching, share = agreement.best_matching(table)
    rows, columns = optimize.linear_sum_assignment(-table.numpy())
    best = table.numpy()[rows, columns].sum()
    assert sorted(matching) == list(range(size))
    assert table.numpy()[np.arange(size), matching].sum() == best
    assert share == pytest.approx(best / float(table.sum()))


@pytest.mark.parametrize("shape", [(2, 3), (0, 0), (15, 15)])
def test_tables_that_cannot_be_matched_are_refused(shape):
    with pytest.raises(ValueError, match="square"):
        agreement.best_matching(torch.ones(shape))
