"""Checks of lesson 12's exercises 12.7 and 12.8: recalls from a table, and names for codes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described, generator
from course_lib.checks.tensors import Misconception, judge


def class_recalls(answer: Answer) -> None:
    """Exercise 12.7, against shares counted row by row."""
    for seed, classes in ((1270, 3), (1271, 5)):
        table = torch.randint(1, 40, (classes, classes), generator=generator(seed))
        table[0] *= 3  # rows and columns with different sums
        wanted = [row[place] / sum(row) for place, row in enumerate(table.tolist())]
        judge(
            asked(answer, table),
            torch.tensor(wanted).double(),
            _wrong_recalls(table.double()),
            f"For {classes} classes your recalls are wrong",
        )
    passed("class_recalls")


def _wrong_recalls(table: Tensor) -> Iterator[Misconception]:
    right, rows, columns = table.diagonal(), table.sum(1), table.sum(0)
    yield (
        "columns",
        right / columns,
        "You divide by the sums of the columns. That is the precision: of all images that look "
        "like a class, how many had been asked for. A generator that never draws boots unasked has "
        "a high one.",
    )
    yield (
        "total",
        right / table.sum(),
        "You divide by all images of the table. Each class is then measured by how often it was "
        "asked for as well.",
    )
    yield (
        "one-number",
        right.sum() / table.sum(),
        "You return one share for all classes. It hides the class that is never met.",
    )
    yield (
        "one-number",
        (right / rows).mean(),
        "You return the mean over the classes. A share for each of them is asked for.",
    )
    yield (
        "misses",
        1 - right / rows,
        "You return the share of requests that were not met.",
    )
    yield (
        "whole-table",
        table / rows[:, None],
        "You return shares for every pair of classes. The recalls are those on the diagonal.",
    )
    yield (
        "largest",
        table.max(1).values / rows,
        "You take the largest count of each row. If boots are mostly drawn when sandals are asked "
        "for, that is no success.",
    )


#: Traps: a greedy choice that is not best, a class that is everybody's first choice, a table on
#: which exchanging two entries at a time stops too early, and planted orders that are not their own
#: inverse.
TABLES = (
    [[10, 9, 0], [9, 1, 0], [0, 0, 5]],
    [[8, 7, 0, 1], [9, 2, 3, 1], [9, 0, 6, 5], [7, 1, 2, 4]],
    [[3, 1, 2, 6], [3, 7, 9, 1], [6, 8, 6, 0], [2, 3, 7, 3]],
    [[1, 9, 2, 0, 3], [0, 2, 1, 8, 1], [7, 1, 2, 1, 0], [2, 0, 1, 3, 9], [1, 3, 8, 2, 2]],
)


def match(answer: Answer) -> None:
    """Exercise 12.8, against all matchings, one by one."""
    for rows in TABLES:
        table = torch.tensor(rows)
        got = _columns_from(asked(answer, table), len(rows))
        totals = {
            order: sum(row[column] for row, column in zip(rows, order, strict=True))
            for order in itertools.permutations(range(len(rows)))
        }
        best = max(totals.values())
        if got in totals and totals[got] == best:
            continue
        if got not in totals:
            _refuse_no_matching(got, table)
        inverse = tuple(got.index(column) for column in range(len(rows)))
        if totals[inverse] == best:
            fail(
                "inverse",
                "You give each class its code. The place in your list is to be the code, and the "
                "number there its class.",
            )
        if totals[got] == min(totals.values()):
            fail(
                "least",
                "Your matching has the least total of all. Many routines minimise a cost: counts "
                "of agreement are the opposite of a cost.",
            )
        if got in (_greedy(rows), _in_turn(rows)):
            fail(
                "greedy",
                "You give away the largest count, or each code's, while it is free. That can cost "
                "more later than it gains: in the table 10, 9 / 9, 1 it reaches 11 of 18.",
            )
        fail(
            "values",
            f"Your matching agrees in {totals[got]} images, and one exists that agrees in {best}.",
        )
    passed("match")


def _columns_from(result: Any, size: int) -> tuple[int, ...]:
    if isinstance(result, Tensor) and not result.is_floating_point():
        result = result.tolist()
    if not isinstance(result, list | tuple) or len(result) != size:
        fail("type", f"A list of {size} integers is asked for, got {described(result)}.")
    for one in result:
        if isinstance(one, bool) or not isinstance(one, Integral):
            fail("type", f"A list of integers is asked for, got {described(one)} in it.")
        if not 0 <= one < size:
            fail("type", f"The classes have the numbers 0 to {size - 1}, got {int(one)}.")
    return tuple(int(one) for one in result)


def _refuse_no_matching(got: tuple[int, ...], table: Tensor) -> None:
    if got == tuple(table.argmax(1).tolist()):
        fail(
            "class-twice",
            "You give each code its most frequent class, and one class gets several codes. More "
            "codes can then never look worse, whatever they mean: with a code for each image the "
            "share that agrees is 1. Each code needs a class of its own.",
        )
    fail("class-twice", "In your list a class occurs twice. Each code needs a class of its own.")


def _greedy(rows: list[list[int]]) -> tuple[int, ...]:
    """The largest count of all, then the largest among what is still free."""
    size, chosen = len(rows), {}
    pairs = sorted(itertools.product(range(size), repeat=2), key=lambda p: -rows[p[0]][p[1]])
    for row, column in pairs:
        if row not in chosen and column not in chosen.values():
            chosen[row] = column
    return tuple(chosen[row] for row in range(size))


def _in_turn(rows: list[list[int]]) -> tuple[int, ...]:
    """Each code in turn takes its largest count among the classes that are free."""
    free, chosen = set(range(len(rows))), []
    for row in rows:
        chosen.append(max(sorted(free), key=lambda column: row[column]))
        free.remove(chosen[-1])
    return tuple(chosen)
