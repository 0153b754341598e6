"""The memory that each lesson needs at most while it is executed, in GiB.

Each lesson runs once, in a fresh kernel that is asked for its peak: see `memory.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks import memory
from benchmarks.summary import Nested


def plan(device: torch.device) -> Nested:
    """What a lesson may need."""
    return {"limit_gib": memory.LIMIT_GIB}


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """Peak and seconds of each lesson, once for each repeat."""
    for _ in repeats:
        yield {"lessons": memory.measure_lessons()["lessons"]}
