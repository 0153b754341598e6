"""The distance that the course and the textbook loop reach in 10 minutes of training each.

As `quality.py`, which has 3 minutes. A benchmark of its own, because one seed takes 20 minutes.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks import quality
from benchmarks.summary import Nested

MINUTES = 10


def plan(device: torch.device) -> Nested:
    """The faster number format, the batch, and the steps that fill ten minutes."""
    return quality.plan(device, MINUTES)


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """Both distances and both rates, under one seed after the other."""
    return quality.runs(plan, repeats, device)
