"""Checks for exercise 1.7 of lesson 01: the cheapest cut down a table of costs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product
from numbers import Integral
from typing import Any

import numpy as np
import torch

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described, generator

Cut = list[int]
CUT = {
    "greedy": "Your cut begins at the least cost of one end and then takes the least of the three "
    "neighbours, row by row. A cheap step may lead to where all the next ones are dear: only "
    "sums over whole cuts tell.",
    "row-minima": "Your cut takes the least number of each row, wherever it is. From row to row it "
    "may move by one column at most, or the seam is torn.",
    "jump": "Your cut moves by more than one column from one row to the next. The seam of the two "
    "patches is then torn.",
    "back-through-costs": "Your way back looks at the costs e of single pixels. A pixel is on the "
    "cheapest cut if the sum of everything above it is least, and that is what E holds.",
    "last-row": "Your way back begins at the least cost e of the last row. The cut that ends there "
    "may have been dear higher up: the sums E of the last row tell where to begin.",
    "wrap": "Your cut takes the first and the last column for neighbours. np.roll and the index -1 "
    "go round the edge, and a table has an edge: beyond it there is nothing to come from.",
    "reversed": "Your cut is the right one upside down. The way back begins at the last row, so "
    "the columns are found in the opposite order.",
    "dearest": "Your cut is the dearest of all. It should run where the two patches differ least.",
    "straight": "Your cut is the best straight one. It may move by one column at each step, and a "
    "winding cut is often cheaper.",
    "top-down-through-sums": "You follow the least sums E from the top downwards. E holds what has "
    "been paid above a pixel and knows nothing of what comes below: begin at the last row.",
}


def cheapest_cut(answer: Answer) -> None:
    """Exercise 1.7: the columns of a cut of least total cost."""
    shapes = [(6, 4), (6, 5), (7, 3), (5, 6), (8, 2), (6, 4), (4, 1), (1, 5)]
    random = [
        torch.rand(shape, generator=generator(180 + seed)).double().numpy()
        for seed, shape in enumerate(shapes)
    ]
    trap = np.array([[1, 9, 9, 2], [5, 9, 9, 2], [9, 9, 2, 9], [5, 9, 2, 9]], dtype=float)
    tied = np.array([[0, 0, 0], [3, 0, 3], [0, 3, 3], [0, 0, 0]], dtype=float)
    tables = [*random, trap, tied, np.zeros((4, 3))]
    cuts = [_cut(answer, e) for e in tables]
    best = [min(_cost(e, cut) for cut in _every_cut(*e.shape)) for e in tables]
    allowed = all(abs(a - b) <= 1 for cut in cuts for a, b in pairwise(cut))
    costs = [_cost(e, cut) for e, cut in zip(tables, cuts, strict=True)]
    if not allowed or any(c > b + 1e-9 for c, b in zip(costs, best, strict=True)):
        for hint, mistaken in MISTAKES:
            # In tables of random numbers no two cuts cost the same, so each mistake has one cut.
            if all(cut == mistaken(e) for cut, e in zip(cuts, random, strict=False)):
                fail(hint, CUT[hint])
        if not allowed:
            fail("jump", CUT["jump"])
        wrong = [
            (e, cut, least)
            for e, cut, least in zip(tables, cuts, best, strict=True)
            if _cost(e, cut) > least + 1e-9
        ]
        e, cut, least = min(wrong, key=lambda one: one[0].size)  # the easiest to do by hand
        fail(
            "values",
            f"In a table of {e.shape[0]} rows and {e.shape[1]} columns your cut {cut} costs "
            f"{_cost(e, cut):.4g}, and there is one for {least:.4g}. The table: "
            f"{e.round(2).tolist()}.",
        )
    passed("cheapest_cut")


def _cut(answer: Answer, e: np.ndarray) -> Cut:
    """The columns that the answer returns, or a refusal of anything else."""
    given = e.copy()
    result: Any = asked(answer, given)
    if not np.array_equal(given, e):
        fail(
            "input-changed",
            "Your function changes the table that it is given: `E = e` is a second name and no "
            "copy. The caller's costs are then spoiled.",
        )
    if isinstance(result, torch.Tensor | np.ndarray):
        result = result.tolist()
    if not isinstance(result, list | tuple):
        fail("type", f"A list of columns is asked for, got {described(result)}.")
    if len(result) != len(e):
        fail(
            "length",
            f"For a table of {e.shape[0]} rows and {e.shape[1]} columns your list has "
            f"{len(result)} numbers. Asked for is one column for each row.",
        )
    columns = [one.item() if isinstance(one, torch.Tensor) else one for one in result]
    for one in columns:
        if not isinstance(one, Integral) or isinstance(one, bool):
            fail("type", f"A column is an integer, got {described(one)}.")
        if not 0 <= one < e.shape[1]:
            fail(
                "outside",
                f"Your cut leaves the table: it takes column {one} of {e.shape[1]}, counted from "
                "0. At the edge there are two columns to come from, and not three.",
            )
    return [int(one) for one in columns]


def _every_cut(rows: int, columns: int) -> list[Cut]:
    """The oracle of 1.7: all cuts there are, by trying every step from every beginning."""
    cuts = []
    for first, *steps in product(range(columns), *[(-1, 0, 1)] * (rows - 1)):
        cut = np.cumsum([first, *steps])
        if cut.min() >= 0 and cut.max() < columns:
            cuts.append(cut.tolist())
    return cuts


def _cost(e: np.ndarray, cut: Cut) -> float:
    return float(sum(e[i, j] for i, j in enumerate(cut)))


def _sums(e: np.ndarray, edge: str = "wall") -> np.ndarray:
    """E of (1.10); with another edge, the first and the last column are neighbours.

    edge: "wall", "round" for both neighbours, "left" for an index -1 that goes round.
    """
    E = e.copy()
    for i in range(1, len(e)):
        left, right = np.roll(E[i - 1], 1), np.roll(E[i - 1], -1)
        if edge == "wall":
            left[0] = np.inf
        if edge != "round":
            right[-1] = np.inf
        E[i] += np.minimum(np.minimum(left, E[i - 1]), right)
    return E


def _follow(table: np.ndarray, start: int, around: bool = False) -> Cut:
    """Least of the three neighbours, row by row downwards from column `start`."""
    cut, columns = [start], table.shape[1]
    for row in table[1:]:
        near = [cut[-1] + step for step in (-1, 0, 1)]
        near = [j % columns for j in near] if around else [j for j in near if 0 <= j < columns]
        cut.append(min(near, key=lambda j: row[j]))
    return cut


def _back(table: np.ndarray, start: int, around: bool = False) -> Cut:
    return _follow(table[::-1], start, around)[::-1]


def _least(row: np.ndarray) -> int:
    return int(row.argmin())


def _optimal(e: np.ndarray) -> Cut:
    return min(_every_cut(*e.shape), key=lambda cut: _cost(e, cut))


def _round_trip(edge: str, around: bool) -> Callable[[np.ndarray], Cut]:
    """A cut in a table whose sums go round the edge, and perhaps the way back too."""

    def cut(e: np.ndarray) -> Cut:
        E = _sums(e, edge)
        return _back(E, _least(E[-1]), around)

    return cut


MISTAKES: list[tuple[str, Callable[[np.ndarray], Cut]]] = [
    ("row-minima", lambda e: e.argmin(1).tolist()),
    ("row-minima", lambda e: _sums(e).argmin(1).tolist()),
    ("greedy", lambda e: _follow(e, _least(e[0]))),
    ("greedy", lambda e: _back(e, _least(e[-1]))),
    ("back-through-costs", lambda e: _back(e, _least(_sums(e)[-1]))),
    ("last-row", lambda e: _back(_sums(e), _least(e[-1]))),
    ("top-down-through-sums", lambda e: _follow(_sums(e), _least(e[0]))),
    ("wrap", _round_trip("round", True)),
    ("wrap", _round_trip("round", False)),
    ("wrap", _round_trip("left", True)),
    ("wrap", _round_trip("left", False)),
    ("wrap", _round_trip("wall", True)),
    ("reversed", lambda e: _optimal(e)[::-1]),
    ("dearest", lambda e: _optimal(-e)),
    ("straight", lambda e: [_least(e.sum(0))] * len(e)),
]
