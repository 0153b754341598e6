"""Checks for exercise 1.2 of lesson 01: the mean of bytes, taken in light."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described, random_bytes, tensor_from


def _to_light(s: Tensor) -> Tensor:
    return torch.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)


def _from_light(light: Tensor) -> Tensor:
    low = light <= 0.0031308
    return torch.where(low, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def _curve(s: Tensor) -> Tensor:
    return ((s + 0.055) / 1.055) ** 2.4


def _curve_back(light: Tensor) -> Tensor:
    return 1.055 * light ** (1 / 2.4) - 0.055


#: Functions of s = byte / 255, and what is said of them.
LIGHT_MISTAKES: list[tuple[str, Callable[[Tensor], Tensor], str]] = [
    (
        "mean-of-bytes",
        lambda s: 255 * s.mean(),
        "You average the bytes. A byte is not proportional to light: half the light of white is "
        "far more than half of its byte.",
    ),
    *(
        (
            "not-back",
            formula,
            "You stop at the mean light. Asked for is the byte that a screen needs to send out so "
            "much light.",
        )
        for formula in (lambda s: 255 * _to_light(s).mean(), lambda s: _to_light(s).mean())
    ),
    (
        "share",
        lambda s: _from_light(_to_light(s).mean()),
        "Your answer lies between 0 and 1. A byte value lies between 0 and 255.",
    ),
    *(
        (
            "no-linear-branch",
            formula,
            "Dark bytes come out wrong: you use the power for them too, in one direction or in "
            "both. Near black the curve is a straight line, so that light 0 belongs to the byte 0.",
        )
        for formula in (
            lambda s: 255 * _curve_back(_curve(s).mean()),
            lambda s: 255 * _from_light(_curve(s).mean()),
            lambda s: 255 * _curve_back(_to_light(s).mean()),
        )
    ),
    *(
        (
            "plain-power",
            lambda s, power=power: 255 * (s**power).mean() ** (1 / power),
            "Your curve is a plain power of s. The curve of the standard is moved by 0.055 and has "
            "a straight piece near black: the power 2.2 comes close to it and is not it.",
        )
        for power in (2.2, 2.4, 2.0)
    ),
    (
        "wrong-way",
        lambda s: 255 * _to_light(_from_light(s).mean()),
        "You use the two curves in the wrong order. (1.3) turns bytes into light, and its inverse "
        "turns light into bytes.",
    ),
    *(
        (
            "rounded",
            lambda s, whole=whole: whole(255 * _from_light(_to_light(s).mean())),
            "Your answer is rounded to a whole number. Asked for is the value with its fraction: "
            "what is rounded now is missing in the next calculation.",
        )
        for whole in (torch.round, torch.floor)
    ),
]


def light_mean(answer: Answer) -> None:
    """Exercise 1.2: the mean of bytes, taken in light."""
    pictures = {
        "stripes of black and white": torch.tensor([[0, 255]] * 3, dtype=torch.uint8),
        "random colours": random_bytes(0, 256, (3, 5, 7), seed=110),
        "the two bytes 0 and 10": torch.tensor([0, 10], dtype=torch.uint8),
        "random bytes up to 10": random_bytes(0, 11, (6, 6), seed=111),
        "random bytes up to 60": random_bytes(0, 61, (2, 3, 4, 5), seed=112),
        "a constant grey of byte 120": torch.full((2, 2), 120, dtype=torch.uint8),
    }
    got = [_number(asked(answer, picture)) for picture in pictures.values()]
    shares = [picture.double() / 255 for picture in pictures.values()]
    wanted = [float(255 * _from_light(_to_light(s).mean())) for s in shares]
    if not _near(got, wanted):
        for hint, formula, why in LIGHT_MISTAKES:
            if _near(got, [float(formula(s)) for s in shares]):
                fail(hint, why)
        for name, ours, right in zip(pictures, got, wanted, strict=True):
            if not _near([ours], [right]):
                fail("values", f"For {name} your answer is {ours:.4g}, and {right:.4g} is right.")
    passed("light_mean")


def _number(result: Any) -> float:
    if isinstance(result, Tensor) and result.numel() == 1 and not result.is_complex():
        return float(tensor_from(result, None))
    if not isinstance(result, Real) or isinstance(result, bool):
        fail("type", f"One number is asked for, got {described(result)}.")
    return float(result)


def _near(got: list[float], wanted: list[float]) -> bool:
    return all(abs(a - b) <= 0.02 for a, b in zip(got, wanted, strict=True))
