"""The distance that the course and the textbook loop reach in 3 minutes of training each.

The course's recipe is planned for 3 minutes on this machine (`ten_minutes.py`: for 10), since its
learning rate falls to zero at the end of a plan. After each of its trainings the textbook loop,
with the paper's networks and settings, gets as many seconds, so that both meet the same hour of the
machine. The relative Fréchet distance is measured after training and does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


def budget_of(plan: Nested) -> str:
    """The name of a plan's budget, such as "3 minutes"."""
    (name,) = (name for name in plan if name.endswith(" minutes"))
    return name


def course(
    plan: Nested,
    budget: str,
    seed: int,
    images: data.ImageSet,
    distance: Callable[[measuring.Generate, int], float],
    device: torch.device,
) -> tuple[float, dict[str, float]]:
    """Train the course's recipe for a budget of the plan.

    Returns:
        The seconds of training, and the distance and the images a second.
    """
    recipe = recipes.course_recipe(
        device, steps=plan[budget]["steps"], dtype=plan["dtype"], seed=seed
    )
    state = training.GanState.create(recipe, device)
    (last,) = measuring.train(state, images, [recipe.steps], f"seed {seed}, {budget}")
    return last.seconds, {
        "relative_frechet_distance": distance(state.generate, recipe.latent),
        "images_per_second": last.images / last.seconds,
    }


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """Both distances and both rates, under one seed after the other."""
    distance = measuring.distance_on(device)
    images = data.load_images("fashion-mnist", "train", 32)
    budget = budget_of(plan)
    progress = Progress(len(repeats))
    for seed in repeats:
        seconds, ours = course(plan, budget, seed, images, distance, device)
        generator, seen = textbook.train(seconds, seed, device)
        theirs = {
            "relative_frechet_distance": distance(generator, textbook.LATENT),
            "images_per_second": seen / seconds,
        }
        said = (
            f"{way} {found['relative_frechet_distance']:.4f} at "
            f"{found['images_per_second']:.0f} images/s"
            for way, found in (("course", ours), ("textbook loop", theirs))
        )
        progress.say(f"seed {seed}: {seconds:.0f} s each; {', '.join(said)}")
        yield {
            budget: {
                "seconds": seconds,
                "course": ours,
                "textbook_loop": theirs,
                "course_over_textbook_loop": {name: ours[name] / theirs[name] for name in ours},
            }
        }
