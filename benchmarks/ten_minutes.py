"""The distance that the course reaches in 10 minutes of training.

As `quality.py`, which has 3 minutes, without the textbook loop: `textbook_time.py` shows how far
that one gets.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks import measuring, quality
from benchmarks.progress import Progress
from benchmarks.summary import Nested
from course_lib import data

MINUTES = 10


def plan(device: torch.device) -> Nested:
    """The faster number format, the batch, and the steps that fill ten minutes."""
    return quality.plan(device, MINUTES)


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """Distance, seconds and rate, under one seed after the other."""
    distance = measuring.distance_on(device)
    images = data.load_images("fashion-mnist", "train", 32)
    budget = quality.budget_of(plan)
    progress = Progress(len(repeats))
    for seed in repeats:
        seconds, ours = quality.course(plan, budget, seed, images, distance, device)
        progress.say(f"seed {seed}: {ours['relative_frechet_distance']:.4f} after {seconds:.0f} s")
        yield {budget: {"seconds": seconds, "course": ours}}
