"""Recipes: every choice of a GAN training in one place (lesson 09)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from course_lib.losses import LOSSES
from course_lib.runtime import Budget, budget

# Channels, and the side to which the images of a data set are padded or resized.
SHAPES = {"fashion-mnist": (1, 32), "cifar-10": (3, 32), "celeba": (3, 64)}
CPU = Budget(data="fashion-mnist", steps=6_000, batch=32, size=32, width=48)
GPU = Budget(data="celeba", steps=40_000, batch=64, size=64, width=64)
GROUP = 8  # images
LONG = 8_192  # steps; beyond them the course's learning rate is lower, see `rate_for`


@dataclass(frozen=True)
class Recipe:
    """Every choice of a training run; equal ones give equal runs on one CPU with as many threads.

    Attributes:
        steps: training steps; one updates the discriminator once, then the generator once.
        batch: real images a step, and as many generated ones.
        latent, channels, size, width: of the networks, see `models.dcgan`.
        discriminator_width: width of the discriminator, if it is not the generator's.
        depth: hidden layers of the generator at each size, see `models.dcgan`; the paper has 1.
        norm: normalisation in the discriminator, "batch" or "none".
        group: images of a batch whose spread the discriminator sees, see `models.dcgan`; 0 for
            none. The only setting whose value here is not the course's: see `course_recipe`.
        initial: initial weights, "paper" for N(0, 0.02), "fan-in" for torch's default.
        loss: a name in `losses.LOSSES`.
        rate: learning rate of both Adam optimisers.
        betas: Adam's decay rates of the first and second moment.
        decay: "none", or "linear" for a learning rate that falls to zero in the second half.
        r1: weight gamma of the R1 penalty, on the slope at real images; 0 for none.
        r1_every: penalties are computed at every r1_every-th step, and weighted by as much.
        r2: weight of the same penalty at generated images; 0 for none.
        slope_one: weight lambda of the penalty on slopes other than 1 between real and generated
            images, see `losses.gradient_penalty`; 0 for none.
        clip: after each step the discriminator's weights are cut to [-clip, clip]; 0 for not.
        average: decay a step of the moving average of the generator; 0 for none.
        dtype: "float32" or "bfloat16" for convolutions and matrix products.
        seed: of weights, noise and the order of images.
    """

    steps: int
    batch: int = 32
    latent: int = 64
    channels: int = 1
    size: int = 32
    width: int = 32
    discriminator_width: int | None = None
    depth: int = 2
    norm: str = "none"
    group: int = 0
    initial: str = "fan-in"
    loss: str = "relativistic"
    rate: float = 1.5e-3
    betas: tuple[float, float] = (0.0, 0.99)
    decay: str = "linear"
    r1: float = 0.3
    r1_every: int = 16
    r2: float = 0.0
    slope_one: float = 0.0
    clip: float = 0.0
    average: float = 0.998
    dtype: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        minima = {"steps": 1, "batch": 2, "latent": 1, "width": 1, "depth": 1}
        minima |= {"r1_every": 1} | dict.fromkeys(("r1", "r2", "slope_one", "clip"), 0)
        for name, least in minima.items():
            if getattr(self, name) < least:
                raise ValueError(f"expected {name} of at least {least}, got {getattr(self, name)}")
        if self.group and (self.group < 2 or self.batch % self.group):
            raise ValueError(
                f"expected a group of 0, or of 2 or more that divides the batch of {self.batch}, "
                f"got {self.group}"
            )
        if self.group and self.slope_one:
            raise ValueError(
                "expected slope_one or a group, got both: the penalty is on the slope of each "
                "image's own logit. Set group=0."
            )
        for name, allowed in (
            ("norm", ("batch", "none")),
            ("loss", tuple(LOSSES)),
            ("decay", ("none", "linear")),
            ("initial", ("paper", "fan-in")),
            ("dtype", ("float32", "bfloat16")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"expected {name} in {allowed}, got {getattr(self, name)!r}")
        # A recipe read back from JSON has a list here; equal recipes must compare equal.
        object.__setattr__(self, "betas", tuple(self.betas))


def paper_recipe(steps: int, **changes: object) -> Recipe:
    """The settings of Radford et al., 2016, section 4: the course's plain DCGAN."""
    plain = {
        "batch": 128,
        "latent": 100,
        "depth": 1,
        "norm": "batch",
        "initial": "paper",
        "loss": "non-saturating",
        "rate": 2e-4,
        "betas": (0.5, 0.999),
        "decay": "none",
        "r1": 0.0,
        "average": 0.0,
    }
    return Recipe(steps, **(plain | changes))


def rate_for(steps: int) -> float:
    """The course's learning rate for a training of so many steps.

    Up to `LONG` steps `Recipe.rate`, and beyond them as one over the root of their number, which is
    how the best constant rate of stochastic gradient descent depends on it. For this game that is
    a guess: docs/engine.md says what was tried, on a CPU and Fashion-MNIST alone.

    Raises:
        ValueError: for less than one step.

    Source: Nemirovski, Juditsky, Lan, Shapiro, "Robust Stochastic Approximation Approach to
    Stochastic Programming", SIAM Journal on Optimization, 2009, section 2.2, for convex functions.
    """
    if steps < 1:
        raise ValueError(f"expected steps of at least 1, got {steps}")
    return Recipe.rate * math.sqrt(min(1.0, LONG / steps))


def course_recipe(
    device: torch.device, data_name: str = "fashion-mnist", **changes: object
) -> Recipe:
    """The course's own settings: what `make train` uses.

    Whoever changes the steps of a recipe afterwards has to set the rate to `rate_for` them.

    Args:
        device: a GPU gets more steps and wider networks.
        data_name: one of `SHAPES`.
        changes: fields of `Recipe` to set otherwise; a width is then that of both networks.
    """
    channels, size = SHAPES[data_name]
    limits = budget(cpu=CPU, gpu=GPU, device=device)
    settings = {"channels": channels, "size": size, "width": limits.width, "batch": limits.batch}
    settings["group"] = GROUP
    if device.type == "cpu" and "width" not in changes:
        settings["discriminator_width"] = 32
    settings |= changes
    steps = settings.pop("steps", limits.steps)
    return Recipe(steps, **({"rate": rate_for(steps)} | settings))
