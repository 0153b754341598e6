"""What each safeguard of a GAN's training costs, in percent of a step without any.

The baseline is the course's recipe without R1 penalty, moving average and minibatch standard
deviation. Each other row adds one thing to it: R1 at every 16th step, R1 at every step, the moving
average, the minibatch standard deviation of groups of 8, spectral normalisation of the
discriminator's convolutions, a random shift of the real and the generated images that the
discriminator sees, batch normalisation in the discriminator. Each round measures every row for some
seconds, beginning with another one each time.

Sources: Mescheder et al., 2018 (R1); Karras et al., 2020 (lazy R1); Karras et al., 2018 (minibatch
standard deviation); Miyato et al., 2018 (spectral normalisation); Zhao et al., 2020 (augmentation
that gradients pass through).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks import measuring
from benchmarks.progress import Progress
from benchmarks.summary import Nested
from course_lib import augmentation, data, recipes, training

ROUNDS, SECONDS = 5, 4.0
#: The learning rate must not fall, nor training end, while it is measured.
ENDLESS = {"steps": 10**9, "rate": recipes.Recipe.rate}
NONE = "none"
CHANGES = {
    NONE: {},
    "R1 every 16 steps": {"r1": 1.0, "r1_every": 16},
    "R1 every step": {"r1": 1.0, "r1_every": 1},
    "moving average": {"average": 0.998},
    "minibatch standard deviation": {"group": recipes.GROUP},
    "spectral normalisation": {},
    "random shifts": {},
    "batch normalisation": {"norm": "batch"},
}


class Shifting(nn.Module):
    """A discriminator that sees every image, real or generated, shifted at random."""

    def __init__(self, discriminator: nn.Module) -> None:
        super().__init__()
        self.discriminator = discriminator

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> (B,) logits."""
        return self.discriminator(augmentation.shift(images))


def _bare(device: torch.device, dtype: str = "float32") -> recipes.Recipe:
    return recipes.course_recipe(
        device, **ENDLESS, dtype=dtype, r1=0.0, average=0.0, norm="none", group=0
    )


def state(name: str, dtype: str, device: torch.device) -> training.GanState:
    """A fresh training state with one of `CHANGES`."""
    recipe = replace(_bare(device, dtype), **CHANGES[name])
    fresh = training.GanState.create(recipe, device)
    generator, discriminator = fresh.generator, fresh.discriminator
    if name == "spectral normalisation":
        for module in list(discriminator.modules()):
            if isinstance(module, nn.Conv2d):
                spectral_norm(module)
    elif name == "random shifts":
        discriminator = Shifting(discriminator)
    else:
        return fresh
    return training.GanState.create(recipe, device, (generator, discriminator))


def plan(device: torch.device) -> Nested:
    """The batch and the faster number format."""
    return measuring.plan_of(_bare(device), device, seconds_each=SECONDS)


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """Rates, and costs in percent of a step, in one round after the other."""
    images = data.load_images("fashion-mnist", "train", 32)
    rows = {
        name: measuring.course_steps(state(name, plan["dtype"], device), images) for name in CHANGES
    }
    for steps in rows.values():
        next(steps)  # the first steps pay for set-up
    progress = Progress(len(repeats))
    for number in repeats:
        rates = measuring.rates(rows, number, SECONDS)
        costs = {
            name: 100 * (rates[NONE] / rate - 1) for name, rate in rates.items() if name != NONE
        }
        progress.say(
            f"round {number}: " + ", ".join(f"{name} {cost:+.0f} %" for name, cost in costs.items())
        )
        yield {"images_per_second": rates, "percent_of_a_step": costs}
