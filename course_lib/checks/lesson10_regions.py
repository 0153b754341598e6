"""The check of lesson 10's exercise 10.5: precision and recall of a generator."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import passed
from course_lib.checks.answers import Answer
from course_lib.checks.lesson10_judging import Rule, judge
from course_lib.checks.tensors import gaussians


def _line(*places: float) -> Tensor:
    """Vectors (places, 0): (N, 2)."""
    return torch.tensor([[one, 0.0] for one in places], dtype=torch.float64)


#: Real vectors, generated vectors, neighbours.
CASES = (
    (gaussians(1301, 40, 2), 0.6 * gaussians(1302, 40, 2), 3),
    (gaussians(1303, 30, 2), 1.6 * gaussians(1304, 45, 2) + 0.3, 1),
    (gaussians(1305, 25, 3), gaussians(1306, 20, 3) - 0.7, 5),
    (gaussians(1307, 50, 2), gaussians(1308, 50, 2) + 1.5, 2),
    # On a line, in whole numbers: -1 and 7 lie on surfaces of balls about real vectors.
    (_line(0, 1, 4), _line(-1, 7, 9), 1),
)


def _share(points: Tensor, centres: Tensor, k: int) -> float:
    """Share of the points in the region of the centres, ball by ball."""
    inside = 0
    reach = []
    for i, one in enumerate(centres):
        others = [float((one - c).square().sum()) for j, c in enumerate(centres) if j != i]
        reach.append(sorted(others)[k - 1])
    for point in points:
        gaps = (centres - point).square().sum(dim=1).tolist()
        inside += any(gap <= least for gap, least in zip(gaps, reach, strict=True))
    return inside / len(points)


def _ball_by_ball(real: Tensor, generated: Tensor, k: int) -> list[float]:
    return [_share(generated, real, k), _share(real, generated, k)]


def _radii(x: Tensor, k: int) -> Tensor:
    return torch.cdist(x, x).sort(dim=1).values[:, k]


def _both(share):
    """Precision and recall from a rule share(points, centres, k)."""
    return lambda real, generated, k: [
        float(share(generated, real, k)),
        float(share(real, generated, k)),
    ]


def _inside(points: Tensor, centres: Tensor, reach: Tensor) -> Tensor:
    return (torch.cdist(points, centres) <= reach).any(dim=1).double().mean()


def _by_own_radius(points: Tensor, centres: Tensor, k: int) -> Tensor:
    """A point counts if a centre lies in the point's own ball."""
    return (torch.cdist(points, centres) <= _radii(points, k)[:, None]).any(dim=1).double().mean()


def _by_nearest(points: Tensor, centres: Tensor, k: int) -> Tensor:
    gaps, index = torch.cdist(points, centres).min(dim=1)
    return (gaps <= _radii(centres, k)[index]).double().mean()


WRONG: dict[str, Rule] = {
    "exchanged": (
        lambda *case: _ball_by_ball(*case)[::-1],
        "You return recall first. Precision asks about generated vectors and recall about real "
        "ones.",
    ),
    "strict": (
        _both(
            lambda points, centres, k: (
                (torch.cdist(points, centres) < _radii(centres, k)).any(dim=1).double().mean()
            )
        ),
        "You count only vectors inside the balls. One on the surface lies in the ball too: compare "
        "with <=.",
    ),
    "balls-counted": (
        _both(lambda points, centres, k: _by_own_radius(centres, points, k)),
        "You count the balls that hold a vector. Count the vectors that lie in a ball: for "
        "precision, the generated ones.",
    ),
    "own-radius": (
        _both(_by_own_radius),
        "You compare with the radius of the vector that is judged. A vector counts if it lies in "
        "the ball of one of the other set.",
    ),
    "self": (
        _both(lambda points, centres, k: _inside(points, centres, _radii(centres, k - 1))),
        "You count each vector as its own nearest neighbour. It is at distance zero from itself, "
        "so the k-th smallest distance belongs to neighbour k - 1.",
    ),
    "one-too-far": (
        _both(lambda points, centres, k: _inside(points, centres, _radii(centres, k + 1))),
        "Your radius reaches to neighbour k + 1. Counting from zero, position k is the k-th "
        "neighbour, because position 0 is the vector itself.",
    ),
    "nearest-only": (
        _both(_by_nearest),
        "You look at the ball of the nearest vector alone. The ball of one further away may be "
        "larger and reach.",
    ),
    "one-radius": (
        _both(lambda points, centres, k: _inside(points, centres, _radii(centres, k).mean())),
        "All your balls have one radius. Each has its own, so that the region is wide where "
        "vectors are rare.",
    ),
    "one-radius:largest": (
        _both(lambda points, centres, k: _inside(points, centres, _radii(centres, k).max())),
        "All your balls have one radius. Each has its own, so that the region is wide where "
        "vectors are rare.",
    ),
    "other-set": (
        _both(
            lambda points, centres, k: _inside(
                points, centres, torch.cdist(centres, points).sort(dim=1).values[:, k - 1]
            )
        ),
        "Your radius is a distance to the other set. It belongs to the set of the ball, or a "
        "generator far away would get large balls.",
    ),
    "precision-twice": (
        lambda *case: [_ball_by_ball(*case)[0]] * 2,
        "Your two numbers are the same. For recall, the generated vectors carry the balls.",
    ),
    "counts": (
        lambda real, generated, k: [
            len(generated) * _share(generated, real, k),
            len(real) * _share(real, generated, k),
        ],
        "You return counts. Shares from 0 to 1 are asked for.",
    ),
    "outside": (
        lambda *case: [1 - one for one in _ball_by_ball(*case)],
        "You return the shares that lie outside. Those inside are asked for.",
    ),
    "all-balls": (
        _both(
            lambda points, centres, k: (
                (torch.cdist(points, centres) <= _radii(centres, k)).double().mean()
            )
        ),
        "You average over all pairs of a vector and a ball. One ball that holds it is enough.",
    ),
}


def precision_recall(answer: Answer) -> None:
    """Exercise 10.5, against a search ball by ball."""
    judge(
        answer,
        CASES,
        _ball_by_ball,
        WRONG,
        ("precision", "recall"),
        lambda real, generated, k: (
            f"For {len(real)} real and {len(generated)} generated vectors and k = {k}"
        ),
    )
    passed("precision_recall")
