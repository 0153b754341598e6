"""Whether the course's training stays good when it is long, at half, whole and twice its rate.

Three times the one epoch that lesson 09 trains for, each learning rate under each seed. The
relative Fréchet distance is measured ten times along the way. Compared are the best of these, the
last, and the last over the best: 1 for a training that never got worse, missing for one that
diverged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from benchmarks import measuring
from benchmarks.progress import Progress
from benchmarks.summary import Nested
from course_lib import data, recipes, training

LONGER = 3
EPOCH = 60_000  # images
FACTORS = (0.5, 1.0, 2.0)  # times the recipe's learning rate
MEASUREMENTS = 10


def plan(device: torch.device) -> Nested:
    """Steps, batch, measurements and the faster number format."""
    recipe = recipes.course_recipe(device)
    steps = LONGER * EPOCH // recipe.batch
    return measuring.plan_of(recipe, device, steps=steps, measurements=MEASUREMENTS)


def outcome(distances: list[float], diverged: bool) -> dict[str, float | None]:
    """Best and final distance and their ratio; missing where there is none."""
    best = min(distances, default=None)
    final = None if diverged or not distances else distances[-1]
    ratio = None if final is None else final / best
    return {"best_distance": best, "final_distance": final, "final_over_best": ratio}


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """The outcome at each learning rate, under one seed after the other."""
    measure = measuring.distance_on(device)
    images = data.load_images("fashion-mnist", "train", 32)
    steps, count = plan["steps"], plan["measurements"]
    recipe = recipes.course_recipe(device, steps=steps, dtype=plan["dtype"])
    stops = [steps * (part + 1) // count for part in range(count)]
    progress = Progress(len(repeats) * len(FACTORS))
    for seed in repeats:
        found = {}
        for factor in FACTORS:
            label = f"seed {seed}, {factor:g} times the learning rate"
            changed = replace(recipe, seed=seed, rate=factor * recipe.rate)
            state = training.GanState.create(changed, device)
            distances, diverged = [], False
            try:
                for record in measuring.train(state, images, stops, label):
                    distances.append(measure(state.generate, recipe.latent))
                    print(f"  {label}, step {record.step}: {distances[-1]:.4f}", flush=True)
            except FloatingPointError:
                diverged = True
            found[f"{factor:g} times the learning rate"] = outcome(distances, diverged)
            progress.say(f"{label}: " + ("diverged" if diverged else f"{distances[-1]:.4f}"))
        yield found
