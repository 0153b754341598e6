"""Checks of the exercises of lesson 12: the first two, and the names of all the others."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import passed
from course_lib.checks.answers import Answer, asked, generator
from course_lib.checks.lesson12_information import auxiliary_parts, information_bound
from course_lib.checks.lesson12_latent import direction, truncated
from course_lib.checks.lesson12_tables import class_recalls, match
from course_lib.checks.tensors import Misconception, gaussians, judge

__all__ = [
    "auxiliary_parts",
    "class_recalls",
    "direction",
    "information_bound",
    "match",
    "projection_logit",
    "truncated",
    "with_class",
]


def _labels(seed: int, count: int, classes: int) -> Tensor:
    """Labels of which the first two differ and the last repeats the first."""
    drawn = torch.randint(classes, (count,), generator=generator(seed))
    drawn[1] = (drawn[0] + 1) % classes
    drawn[-1] = drawn[0]
    return drawn


def with_class(answer: Answer) -> None:
    """Exercise 12.1, against rows put together one by one."""
    for seed, (count, latent, classes, length) in enumerate(
        ((5, 4, 6, 3), (4, 2, 5, 5), (7, 6, 3, 2)), start=1210
    ):
        z, table = gaussians(seed, count, latent), gaussians(seed + 50, classes, length)
        labels = _labels(seed, count, classes)
        wanted = [one + table[y].tolist() for one, y in zip(z.tolist(), labels, strict=True)]
        judge(
            asked(answer, z, labels, table),
            torch.tensor(wanted).double(),
            _wrong_inputs(z, labels, table),
            f"For {count} latent vectors of {latent} numbers your result is wrong",
        )
    passed("with_class")


def _wrong_inputs(z: Tensor, labels: Tensor, table: Tensor) -> Iterator[Misconception]:
    classes = len(table)
    for divisor in (1, classes, classes - 1):
        yield (
            "label-as-number",
            torch.cat([z, labels[:, None] / divisor], dim=1),
            "You append the label as a number. Class 2 is then twice class 1 and lies between 1 "
            "and 3, and a linear layer has to live with it. The numbers of classes are names.",
        )
    for one_hot in (F.one_hot(labels, classes).double(),):
        yield (
            "one-hot",
            torch.cat([z, one_hot], dim=1),
            "You append K numbers, of which one is 1. That is a fixed code for the class, and "
            "the table of learned vectors is not used.",
        )
    yield (
        "order",
        torch.cat([table[labels], z], dim=1),
        "Your class stands in front of the latent vector. It is asked for behind it.",
    )
    yield (
        "one-class",
        torch.cat([z, table[labels[0]].expand(len(z), -1)], dim=1),
        "Every row of your result has the class of the first. Each image of a batch has a class "
        "of its own.",
    )
    yield (
        "no-noise",
        table[labels],
        "Your result holds the class alone. Without the noise there is one image for each class.",
    )
    if len(labels) <= classes:
        yield (
            "by-position",
            torch.cat([z, table[: len(z)]], dim=1),
            "You use the rows of the table in their order. The label says which row is meant.",
        )


#: Images, features, classes. In the first all axes are equal: a wrong one gives no error.
LOGIT_CASES = ((4, 4, 4), (5, 3, 6), (6, 7, 2))


def projection_logit(answer: Answer) -> None:
    """Exercise 12.2, against sums taken number by number."""
    for seed, (count, features, classes) in enumerate(LOGIT_CASES, start=1220):
        phi, psi = gaussians(seed, count, features), gaussians(seed + 30, count)
        table, labels = gaussians(seed + 60, classes, features), _labels(seed, count, classes)
        rows = table.tolist()
        wanted = [
            sum(a * b for a, b in zip(one, rows[y], strict=True)) + alone
            for one, y, alone in zip(phi.tolist(), labels.tolist(), psi.tolist(), strict=True)
        ]
        judge(
            asked(answer, phi, psi, table, labels),
            torch.tensor(wanted).double(),
            _wrong_logits(phi, psi, table, labels),
            f"For {count} images, {features} features and {classes} classes your logits are wrong",
        )
    passed("projection_logit")


def _wrong_logits(
    phi: Tensor, psi: Tensor, table: Tensor, labels: Tensor
) -> Iterator[Misconception]:
    products = table[labels] * phi  # (B, F)
    for one in (products.sum(1), (phi @ table.T).sum(1)):
        yield (
            "no-psi",
            one,
            "The part without the label is missing. Equation (12.5) adds psi, which holds what "
            "does not depend on the class; without it your logits are not those asked for.",
        )
    yield (
        "label-ignored",
        psi,
        "Your logits do not depend on the label. A pair of image and wrong class would pass.",
    )
    for tail in (0.0, psi if phi.shape[0] == phi.shape[1] else psi.mean()):
        yield (
            "axis",
            products.sum(0) + tail,
            "You sum over the images of the batch. Each image needs a logit of its own: the sum of "
            "an inner product goes over the features.",
        )
    yield (
        "all-classes",
        (phi @ table.T).sum(1) + psi,
        "You add up the scores of all classes. The label chooses one of them.",
    )
    yield (
        "every-class",
        phi @ table.T + psi[:, None],
        "You return a score for every class. The pair to be judged has one class.",
    )
    yield (
        "every-pair",
        table[labels] @ phi.T + psi,
        "You combine every label of the batch with every image. Image i belongs to label i.",
    )
    yield (
        "mean",
        products.mean(1) + psi,
        "You take the mean over the features. An inner product is a sum, and psi would weigh more "
        "the more features there are.",
    )
    yield (
        "psi-subtracted",
        products.sum(1) - psi,
        "You subtract psi. Both parts of the logit are logarithms of ratios, and they add up.",
    )
