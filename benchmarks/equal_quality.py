"""Whether the course's training is as good as the textbook loop after as many images.

`throughput.py` compares how fast both train; a faster program that learns less would not be worth
having. So the paper's networks are trained with the paper's settings for as many steps by the
textbook loop in float32, and by the course in float32 and in the number format that is faster
here. Compared is the relative Fréchet distance at the end, as it is and over that of the loop under
the same seed. The seed fixes the weights that all three begin with; the order of the images and the
latent vectors are drawn in different ways, so that equal programs still differ by chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from benchmarks import measuring, textbook
from benchmarks.progress import Progress
from benchmarks.summary import Nested
from course_lib import data, recipes, training

STEPS = 234  # of 128 images: half of the 60,000 images, once
LOOP, FLOAT32, COURSE = "textbook loop", "course, float32", "course"


def plan(device: torch.device) -> Nested:
    """Steps, batch and the faster number format."""
    return measuring.plan_of(recipes.paper_recipe(STEPS), device, steps=STEPS)


def trained_by_the_loop(recipe: recipes.Recipe, device: torch.device) -> measuring.Generate:
    """The generator that the textbook loop has trained for the recipe's steps."""
    state = training.GanState.create(recipe, device)
    torch.manual_seed(recipe.seed)  # of the loop's images and latent vectors
    batches = textbook.loader(recipe.batch)
    steps = textbook.steps(state.generator, state.discriminator, batches, recipe.latent)
    for _ in range(recipe.steps):
        next(steps)
    return state.generator.eval()


def trained_by_the_course(
    recipe: recipes.Recipe, images: data.ImageSet, device: torch.device
) -> measuring.Generate:
    """The generator that the course has trained with the recipe."""
    state = training.GanState.create(recipe, device)
    for _ in training.train_gan(state, images, every=recipe.steps):
        pass
    return state.generate


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """The three distances and the two ratios, under one seed after the other."""
    distance = measuring.distance_on(device)
    images = data.load_images("fashion-mnist", "train", 32)
    recipe = recipes.paper_recipe(plan["steps"])
    progress = Progress(len(repeats) * 3)
    for seed in repeats:
        here = replace(recipe, seed=seed)
        fast = replace(here, dtype=plan["dtype"])
        ways: dict[str, Callable[[], measuring.Generate]] = {
            LOOP: lambda here=here: trained_by_the_loop(here, device),
            FLOAT32: lambda here=here: trained_by_the_course(here, images, device),
            COURSE: lambda fast=fast: trained_by_the_course(fast, images, device),
        }
        found: dict[str, float | None] = {}
        for name, train in ways.items():
            try:
                found[name] = distance(train(), recipe.latent)
                said = f"{found[name]:.3f}"
            except FloatingPointError:
                found[name], said = None, "diverged"
            progress.say(f"seed {seed}  {name:20} {said}")
        ratios = {
            name: found[name] / found[LOOP] if found[name] and found[LOOP] else None
            for name in (FLOAT32, COURSE)
        }
        yield {"relative_frechet_distance": found, "over_the_textbook_loop": ratios}
