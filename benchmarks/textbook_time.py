"""The distance that the textbook loop reaches in up to 12 minutes, and when it reaches 0.08.

The loop trains the paper's networks with the paper's settings, whose learning rate is constant: one
long training shows what each shorter one would have reached. The relative Fréchet distance is
measured once a minute, which does not count as training; the first of at most 0.08 counts. The same
goal by the course's recipe: `time_to_quality.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks import measuring, textbook, time_to_quality
from benchmarks.progress import Progress
from benchmarks.summary import Nested

MINUTE = 60.0  # seconds
MINUTES = 12
KEPT = (3, 6, 10, 12)  # minutes whose distance is stored


def plan(device: torch.device) -> Nested:
    """The goal, the batch, and how long each training is."""
    return {"goal": time_to_quality.GOAL, "batch": textbook.BATCH, "minutes": MINUTES}


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """Seconds to the goal and the distances along the way, under one seed after the other."""
    distance = measuring.distance_on(device)
    progress = Progress(len(repeats))
    for seed in repeats:
        generator, steps = textbook.fresh(seed, device)
        found: Nested = {"seconds_to_goal": None, "points": {}}
        seen, seconds = 0, 0.0
        for minute in range(1, plan["minutes"] + 1):
            images, spent = measuring.run_for(steps, MINUTE)
            seen, seconds = seen + images, seconds + spent
            now = distance(generator.eval(), textbook.LATENT)
            generator.train()
            rate = f"{seen / seconds:.0f} images/s"
            print(f"  seed {seed}, minute {minute}: {now:.4f}, {rate}", flush=True)
            if minute in KEPT:
                found["points"][f"{minute} minutes"] = {
                    "seconds": seconds,
                    "relative_frechet_distance": now,
                    "images_per_second": seen / seconds,
                }
            if found["seconds_to_goal"] is None and now <= plan["goal"]:
                found["seconds_to_goal"] = seconds
        reached = found["seconds_to_goal"]
        said = "was not reached" if reached is None else f"after {reached:.0f} s"
        progress.say(f"seed {seed}: {plan['goal']} {said}, in the end {now:.4f}")
        yield found
