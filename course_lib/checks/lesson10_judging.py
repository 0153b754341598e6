"""How the checks of lesson 10 judge numbers: all cases at once, against what mistakes give."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

from torch import Tensor

from course_lib.checks import fail
from course_lib.checks.answers import Answer, asked, described

#: From the arguments of a case to the numbers that an answer with this misconception gives, and
#: what is said about it. Several rules share a hint if a colon and a word tell them apart.
Rule = tuple[Callable[..., Sequence[float]], str]
PRECISION = 1e-5


def numbers_from(result: Any, names: Sequence[str]) -> tuple[float, ...]:
    """Return one or two floats, as many as there are names, or refuse what came instead.

    One number may come alone; a tensor counts as its elements.
    """
    if isinstance(result, Tensor):
        result = result.detach().tolist()
    if len(names) == 1 and not isinstance(result, list | tuple):
        result = (result,)
    wanted = "One number is" if len(names) == 1 else f"Two numbers, {' and '.join(names)}, are"
    if not isinstance(result, list | tuple) or len(result) != len(names):
        fail("type", f"{wanted} asked for, got {described(result)}.")
    found = []
    for one in result:
        one = one.item() if isinstance(one, Tensor) and one.numel() == 1 else one
        if isinstance(one, complex):
            fail(
                "complex",
                "Your number is complex, and a distance is real. A square root or an eigenvalue of "
                "a matrix that is not symmetric leaves an imaginary part.",
            )
        if isinstance(one, bool) or not isinstance(one, Real):
            fail("type", f"{wanted} asked for, got {described(one)}.")
        found.append(float(one))
    return tuple(found)


def agree(got: Iterable[Sequence[float]], wanted: Iterable[Sequence[float]]) -> bool:
    """Whether all numbers of all cases agree to five digits; NaN agrees with NaN."""
    return all(
        math.isclose(a, b, rel_tol=PRECISION, abs_tol=1e-9) or (math.isnan(a) and math.isnan(b))
        for one, other in zip(got, wanted, strict=True)
        for a, b in zip(one, other, strict=True)
    )


def judge(
    answer: Answer,
    cases: Sequence[tuple],
    right: Callable[..., Sequence[float]],
    wrong: Mapping[str, Rule],
    names: Sequence[str],
    described_case: Callable[..., str],
) -> None:
    """Accept an answer that is right in all cases; else name the misconception that explains it.

    right: the oracle, from the arguments of a case. described_case: begins the message when no
    misconception explains all cases.
    """
    got = [numbers_from(asked(answer, *case), names) for case in cases]
    wanted = [tuple(right(*case)) for case in cases]
    if agree(got, wanted):
        return
    for hint, (rule, message) in wrong.items():
        if agree(got, [tuple(rule(*case)) for case in cases]):
            fail(hint.partition(":")[0], message)
    for case, one, other in zip(cases, got, wanted, strict=True):
        for name, a, b in zip(names, one, other, strict=True):
            if not agree([(a,)], [(b,)]):
                if math.isnan(a):
                    fail(
                        "nan",
                        f"{described_case(*case)} your {name} is NaN, which is no number: look for "
                        "0/0, 0 times infinity, or the root of a negative number.",
                    )
                fail(
                    "values",
                    f"{described_case(*case)} your {name} is {a:.5g}, and {b:.5g} is right.",
                )
