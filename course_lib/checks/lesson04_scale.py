"""The check of lesson 04's exercise 4.3: how large are the first weights?"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real

import torch
from torch.nn import functional as F

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described

#: Weights of nn.Linear and of nn.Conv2d; the last two have groups.
SHAPES = (
    (10, 40),
    (300, 7),
    (16, 3, 5, 5),
    (8, 32, 3, 3),
    (4, 9, 1, 1),
    (12, 1, 7, 7),
    (6, 5, 3, 3),
)


def _area(shape: tuple[int, ...]) -> int:
    return math.prod(shape[2:])


#: Wrong formulas in the weight's shape, and what whoever uses them has in mind.
WRONG_STDS: dict[str, tuple[Callable[[tuple[int, ...]], float], str]] = {
    "variance": (
        lambda s: 2 / (s[1] * _area(s)),
        "You return a variance. Weights are drawn as a standard deviation times standard "
        "Gaussians, so the root has still to be taken.",
    ),
    "fan-out": (
        lambda s: math.sqrt(2 / (s[0] * _area(s))),
        "You count the outputs that one input reaches. That keeps the gradients' size on the way "
        "back; on the way forward it counts how many terms one output adds up.",
    ),
    "outputs": (
        lambda s: math.sqrt(2 / s[0]),
        "Your result depends on the first number of the shape, which counts the outputs. How many "
        "terms does one of them add up?",
    ),
    "kernel-area": (
        lambda s: math.sqrt(2 / s[1]),
        "Your result does not depend on the kernel size. An output number of a convolution adds up "
        "the pixels of a whole window, in each channel that it sees.",
    ),
    "one-side": (
        lambda s: math.sqrt(2 / (s[1] * (s[2] if len(s) > 2 else 1))),
        "You count one row of the kernel. A window has K rows of K pixels.",
    ),
    "channels": (
        lambda s: math.sqrt(2 / (_area(s) if len(s) > 2 else s[1])),
        "Your result does not depend on the number of channels that a convolution sees. It adds up "
        "windows from all of them.",
    ),
    "all-weights": (
        lambda s: math.sqrt(2 / math.prod(s)),
        "You count all weights of the layer. Each output has weights of its own, and only those "
        "enter its sum.",
    ),
    "glorot": (
        lambda s: math.sqrt(2 / (s[1] * _area(s) + s[0] * _area(s))),
        "That is Glorot's compromise between both directions, for layers without ReLU. With ReLU "
        "and forward only, the number of outputs plays no part.",
    ),
    "linear": (
        lambda s: math.sqrt(1 / (s[1] * _area(s))),
        "Your weights keep the size where nothing stands between the layers. Of a symmetric "
        "distribution ReLU sets one half to zero, and with it half of the mean square.",
    ),
    "torch-default": (
        lambda s: math.sqrt(1 / (3 * s[1] * _area(s))),
        "That is the standard deviation that torch's layers begin with. With ReLU, each layer "
        "then divides the mean square by 6.",
    ),
    "bound": (
        lambda s: math.sqrt(6 / (s[1] * _area(s))),
        "That is the bound of a uniform distribution. The standard deviation of numbers between -a "
        "and a is smaller than a.",
    ),
    "inverted": (
        lambda s: math.sqrt(s[1] * _area(s) / 2),
        "Your standard deviation grows with the number of inputs. The more terms a sum has, the "
        "smaller each must be.",
    ),
}


def he_std(answer: Answer) -> None:
    """Exercise 4.3, against terms that are counted and a mean square that is integrated."""
    stds = []
    for shape in SHAPES:
        std = asked(answer, shape)
        if isinstance(std, bool) or not isinstance(std, Real):
            fail("type", f"For the shape {shape} a float is asked for, got {described(std)}.")
        stds.append(float(std))
    right = [_std_by_counting(shape) for shape in SHAPES]
    if not _equal(stds, right):
        for hint, (formula, message) in WRONG_STDS.items():
            if _equal(stds, [formula(shape) for shape in SHAPES]):
                fail(hint, message)
        first = next(i for i in range(len(stds)) if not _equal(stds[i : i + 1], right[i : i + 1]))
        fail(
            "wrong",
            f"For the shape {SHAPES[first]} you return {stds[first]:.4g}. Begin with Var z = n "
            "Var(w) E[x^2] and ask what n is, and what ReLU leaves of E[z^2].",
        )
    passed("he_std")


def _equal(got: list[float], wanted: list[float]) -> bool:
    return all(math.isclose(a, b, rel_tol=1e-5) for a, b in zip(got, wanted, strict=True))


def _std_by_counting(shape: tuple[int, ...]) -> float:
    weight = torch.ones(shape, dtype=torch.float64)
    image = torch.ones(1, *shape[1:], dtype=torch.float64)
    y = F.linear(image, weight) if len(shape) == 2 else F.conv2d(image, weight)
    terms = y.flatten()[0].item()
    z = torch.linspace(-12, 12, 4801, dtype=torch.float64)
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    kept = torch.trapezoid(z.relu() ** 2 * density, z).item()
    return 1 / math.sqrt(terms * kept)
