"""Images a second of the same two networks, trained by the textbook loop and by the course.

The networks are those of the course's recipe, fresh, with the same batch size and the same images.
Each round measures every way for some seconds, in short turns, beginning with another one each
time:

- the textbook loop: float32, the usual memory order, a DataLoader that changes PIL pictures, a
  sigmoid and BCELoss, losses read at every step, plain Adam;
- the usual advice: the same with channels last and a loss of logits;
- the course in float32, and in the number format that is faster here, with its R1 penalty and its
  moving average;
- the course without these two safeguards.

The discriminator's look at a group is part of the networks: all of them train with it.

Each round also measures the machine's peak, as products of square matrices, for the share of it
that a whole training step reaches, and takes a profile of the course's step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from benchmarks import arithmetic, measuring, step_profile, textbook
from benchmarks.progress import Progress
from benchmarks.summary import Nested
from course_lib import data, recipes, training

ROUNDS, SECONDS = 5, 5.0
#: The learning rate must not fall, nor training end, while it is measured.
ENDLESS = {"steps": 10**9, "rate": recipes.Recipe.rate}
TEXTBOOK, ADVICE = "textbook loop", "with the usual advice"
FLOAT32, COURSE, BARE = "course, float32", "course", "course without safeguards"


def _recipe(device: torch.device, dtype: str = "float32") -> recipes.Recipe:
    return recipes.course_recipe(device, **ENDLESS, dtype=dtype)


def _images() -> data.ImageSet:
    return data.load_images("fashion-mnist", "train", 32)


def plan(device: torch.device) -> Nested:
    """The batch, the faster number format, and the arithmetic of a step."""
    recipe = _recipe(device)
    counted = arithmetic.of_a_step(recipe, _images(), device)
    return measuring.plan_of(recipe, device, seconds_each=SECONDS, multiply_adds=counted)


def ways(dtype: str, images: data.ImageSet, device: torch.device) -> dict[str, Iterator[int]]:
    """Each way to train, as steps for `measuring.run_for`."""
    recipe = _recipe(device)

    def textbook_steps(advised: bool) -> Iterator[int]:
        state = training.GanState.create(recipe, device)
        batches = textbook.loader(recipe.batch)
        networks = state.generator, state.discriminator
        return textbook.steps(*networks, batches, recipe.latent, advised)

    def course_steps(changed: recipes.Recipe) -> Iterator[int]:
        return measuring.course_steps(training.GanState.create(changed, device), images)

    chosen = replace(recipe, dtype=dtype)
    return {
        TEXTBOOK: textbook_steps(advised=False),
        ADVICE: textbook_steps(advised=True),
        FLOAT32: course_steps(recipe),
        COURSE: course_steps(chosen),
        BARE: course_steps(replace(chosen, r1=0.0, average=0.0)),
    }


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """Rates, ratios, peaks, shares of the peak and of the time, in one round after the other."""
    images, batch = _images(), plan["batch"]
    measured = ways(plan["dtype"], images, device)
    profiled = training.GanState.create(_recipe(device, plan["dtype"]), device)
    profiled_steps = training.train_gan(profiled, images, every=1)
    for steps in measured.values():
        next(steps)  # the first steps pay for set-up
    step_profile.shares(profiled, profiled_steps, device)
    progress = Progress(len(repeats))
    for number in repeats:
        rates = measuring.rates(measured, number, SECONDS)
        peaks = {
            name: arithmetic.peak(getattr(torch, name), device) for name in ("float32", "bfloat16")
        }
        giga = plan["multiply_adds"]["step"] / 1e9  # for one step
        formats = {FLOAT32: "float32", COURSE: plan["dtype"]}
        reached = {
            way: 100 * rates[way] / batch * giga / peaks[name] for way, name in formats.items()
        }
        spent = step_profile.shares(profiled, profiled_steps, device)
        progress.say(
            f"round {number}: " + ", ".join(f"{way} {rate:.0f}" for way, rate in rates.items())
        )
        yield {
            "images_per_second": rates,
            "times_the_textbook_loop": {way: rate / rates[TEXTBOOK] for way, rate in rates.items()},
            "peak_in_giga_multiply_adds_per_second": peaks,
            "percent_of_the_peak": reached,
            "percent_of_the_time": spent,
        }
