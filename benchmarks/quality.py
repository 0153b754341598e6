"""The distance that the course and the textbook loop reach in 3 minutes of training each.

The course's recipe is planned for 3 minutes on this machine (`ten_minutes.py`: for 10), since its
learning rate falls to zero at the end of a plan. After each of its trainings the textbook loop,
with the paper's networks and settings, gets as many seconds, so that both meet the same hour of the
machine. The relative Fréchet distance is measured after training and does not count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from benchmarks import measuring, textbook
from benchmarks.progress import Progress
from benchmarks.summary import Nested
from course_lib import data, recipes, training

MINUTES = 3


def plan(device: torch.device, minutes: int | None = None) -> Nested:
    """The faster number format, the batch, and the steps that fill the minutes."""
    minutes = minutes or MINUTES
    recipe = recipes.course_recipe(device)
    recipe = replace(recipe, dtype=training.faster_dtype(recipe, device))
    budget = {f"{minutes} minutes": {"steps": training.steps_in(minutes, recipe, device)}}
    return {"dtype": recipe.dtype, "batch": recipe.batch, **budget}


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """Both distances and both rates for each budget, under one seed after the other."""
    distance = measuring.distance_on(device)
    images = data.load_images("fashion-mnist", "train", 32)
    budgets = [name for name in plan if name.endswith(" minutes")]
    progress = Progress(len(repeats) * len(budgets))
    for seed in repeats:
        found = {}
        for budget in budgets:
            recipe = recipes.course_recipe(
                device, steps=plan[budget]["steps"], dtype=plan["dtype"], seed=seed
            )
            state = training.GanState.create(recipe, device)
            label = f"seed {seed}, {budget}"
            (last,) = measuring.train(state, images, [recipe.steps], label)
            ours = distance(state.generate, recipe.latent)
            generator, seen = textbook.train(last.seconds, seed, device)
            theirs = distance(generator, textbook.LATENT)
            rates = last.images / last.seconds, seen / last.seconds
            found[budget] = {
                "seconds": last.seconds,
                "course": {"relative_frechet_distance": ours, "images_per_second": rates[0]},
                "textbook_loop": {
                    "relative_frechet_distance": theirs,
                    "images_per_second": rates[1],
                },
                "course_over_textbook_loop": {
                    "relative_frechet_distance": ours / theirs,
                    "images_per_second": rates[0] / rates[1],
                },
            }
            progress.say(
                f"{label}: {last.seconds:.0f} s each; course {ours:.4f} at {rates[0]:.0f} "
                f"images/s, textbook loop {theirs:.4f} at {rates[1]:.0f} images/s"
            )
        yield found
