"""Seconds of training until 10,000 images are within 0.08 of the test images.

The distance is the relative Fréchet distance; its measurement does not count as training. The
course's recipe is planned for a given number of steps, over which its learning rate falls to zero.
It is measured at its end and a few times before; the first distance of at most 0.08 counts. If
none is, the seconds are missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from benchmarks import measuring
from benchmarks.progress import Progress
from benchmarks.summary import Nested
from course_lib import data, recipes, training

STEPS = 1_800
GOAL = 0.08
POINTS = (70, 80, 90, 100)  # percent of the steps


def plan(device: torch.device) -> Nested:
    """Steps, batch, goal and the faster number format."""
    recipe = recipes.course_recipe(device, steps=STEPS)
    return measuring.plan_of(recipe, device, steps=STEPS, goal=GOAL)


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """Seconds to the goal and the distances along the way, under one seed after the other."""
    distance = measuring.distance_on(device)
    images = data.load_images("fashion-mnist", "train", 32)
    steps = plan["steps"]
    recipe = recipes.course_recipe(device, steps=steps, dtype=plan["dtype"])
    stops = {f"{percent} percent": max(1, steps * percent // 100) for percent in POINTS}
    progress = Progress(len(repeats))
    for seed in repeats:
        state = training.GanState.create(replace(recipe, seed=seed), device)
        found: Nested = {"seconds_to_goal": None, "points": {}}
        for point, record in zip(
            stops,
            measuring.train(state, images, list(stops.values()), f"seed {seed}"),
            strict=True,
        ):
            now = distance(state.generate, recipe.latent)
            found["points"][point] = {
                "seconds": record.seconds,
                "relative_frechet_distance": now,
            }
            if found["seconds_to_goal"] is None and now <= plan["goal"]:
                found["seconds_to_goal"] = record.seconds
            print(f"  seed {seed}, step {record.step}: {now:.3f} after {record.seconds:.0f} s")
        reached = found["seconds_to_goal"]
        said = "was not reached" if reached is None else f"after {reached:.0f} s"
        progress.say(f"seed {seed}: {plan['goal']} {said}, in the end {now:.4f}")
        yield found
