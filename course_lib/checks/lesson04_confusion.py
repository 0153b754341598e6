"""The check of lesson 04's exercise 4.2: what is taken for what, counted pair by pair."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import CheckFailed, fail, passed
from course_lib.checks.answers import Answer, asked, described, generator, tensor_from
from course_lib.checks.tensors import same


def confusion(answer: Answer) -> None:
    """Exercise 4.2, pair by pair; at last with classes that do not occur."""
    for seed, (count, classes, occurring) in enumerate(
        ((90, 4, (0, 1, 2, 3)), (1, 1, (0,)), (60, 6, (0, 1, 2)), (50, 5, (1, 4))), start=420
    ):
        names = torch.tensor(occurring)
        drawn = torch.randint(len(names), (2, count), generator=generator(seed))
        predicted, labels = names[drawn[0]], names[torch.minimum(*drawn)]
        try:
            result = asked(answer, predicted, labels, classes)
        except CheckFailed as refusal:
            if refusal.hint == "error" and len(names) < classes:
                fail("missing-classes", f"Your answer stopped with an error. {SPARSE}")
            raise
        _judge_counts(result, predicted, labels, classes)
    passed("confusion")


SPARSE = (
    "In this set some of the classes never occur. The table has a row and a column for each of "
    "them all the same."
)


def _counted(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    pairs = list(zip(labels.tolist(), predicted.tolist(), strict=True))
    rows = [[pairs.count((row, column)) for column in range(classes)] for row in range(classes)]
    return torch.tensor(rows)


def _judge_counts(result: object, predicted: Tensor, labels: Tensor, classes: int) -> None:
    got, wanted = tensor_from(result, None), _counted(predicted, labels, classes)
    known = sorted({*labels.tolist(), *predicted.tolist()})
    if got.shape == (len(known), len(known)) != wanted.shape:
        fail("missing-classes", f"Your table has {len(known)} rows for {classes} classes. {SPARSE}")
    tensor_from(got, tuple(wanted.shape))
    total = wanted.sum()
    if got.is_floating_point() and not torch.equal(got, wanted.to(got.dtype)):
        rows, columns = (wanted.sum(dim, keepdim=True).clamp(min=1) for dim in (1, 0))
        for share in (wanted / total, wanted / rows, wanted / columns):
            if same(got.double(), share.double()) or same(got.double(), share.double().T):
                fail(
                    "shares",
                    "You return shares. Counts are asked for: they say how many images a share "
                    "rests on, and each kind of share can be computed from them.",
                )
    if got.dtype != torch.int64:
        fail("type", f"Counts in int64 are asked for, got {described(got)}.")
    if torch.equal(got, wanted):
        return
    if torch.equal(got, wanted.T):
        fail(
            "transposed",
            "Your rows and columns have changed places. Row 2, column 3 is to count the images of "
            "class 2 that were taken for class 3.",
        )
    if torch.equal(got, wanted.clamp(max=1)) or torch.equal(got, wanted.T.clamp(max=1)):
        fail(
            "overwritten",
            "No number in your table is larger than 1. If an index is given several times, "
            "`matrix[rows, columns] += 1` reads, adds and writes once: the last write wins.",
        )
    if torch.equal(got, wanted.diag().diag()):
        fail(
            "diagonal",
            "You only count what was predicted rightly. The interesting part of the table lies "
            "beside its diagonal.",
        )
    place = int((got != wanted).flatten().int().argmax())
    row, column = divmod(place, classes)
    fail(
        "values",
        f"Row {row}, column {column} of your table is {got[row, column]}. There are "
        f"{wanted[row, column]} images of class {row} that were predicted as {column}.",
    )
