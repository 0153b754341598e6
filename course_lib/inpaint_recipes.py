"""Recipes: every choice of an inpainting training in one place (lessons 13 and 14)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from course_lib import masks as holes
from course_lib.losses import LOSSES
from course_lib.models import inpainting as models
from course_lib.models.hole_convolutions import BLOCKS
from course_lib.recipes import SHAPES
from course_lib.runtime import Budget, budget

#: The families of holes that networks are trained on; half an image is kept for the test of
#: generalisation.
TRAINED = ("centre square", "random box", "free form", "scattered pixels")
UNSEEN = "half image"
NETWORKS = ("context", *BLOCKS)
SHAPES_HERE = SHAPES | {"photographs": (3, 32)}
CPU = Budget(data="fashion-mnist", steps=2_500, batch=32, size=32, width=16)
GPU = Budget(data="celeba", steps=40_000, batch=64, size=64, width=48)


@dataclass(frozen=True)
class InpaintRecipe:
    """Every choice of a training run; two runs with equal recipes are equal on one machine.

    Attributes:
        steps: training steps; with critics, one updates them once, then the network once.
        batch: images a step.
        channels, size: of the images.
        network: "context" for the context encoder, or the kind of a U-Net's convolutions.
        width: channels of the network's first layer.
        noise: length of the latent vector that is fed to a U-Net; 0 for none.
        families: names in `masks.FAMILIES`; the images of a batch get them in turn.
        loss: "l1" or "l2", over missing pixels.
        known: weight of the same loss over known pixels, which no composite shows.
        spread: weight of the reward for two answers that differ; needs noise. With 1 the loss is
            least when each pixel's answers are distributed as the truth is.
        adversarial: weight of the generator's loss against the critics; 0 for no critics.
        critic_width: channels of each critic's first layer.
        gan: a name in `losses.LOSSES`.
        r1: weight gamma of the R1 penalty on the critics; r1_every: at which steps.
        rate, critic_rate: learning rates of the Adam optimisers.
        betas: decay rates of both.
        decay: "none", or "linear" for learning rates that fall to zero in the second half.
        average: decay a step of the moving average of the network; 0 for none.
        dtype: "float32" or "bfloat16" for convolutions and matrix products.
        seed: of weights, holes, noise and the order of images.
    """

    steps: int
    batch: int = 32
    channels: int = 1
    size: int = 32
    network: str = "plain"
    width: int = 16
    noise: int = 0
    families: tuple[str, ...] = TRAINED
    loss: str = "l1"
    known: float = 0.0
    spread: float = 0.0
    adversarial: float = 0.0
    critic_width: int = 24
    gan: str = "relativistic"
    r1: float = 0.3
    r1_every: int = 16
    rate: float = 2e-3
    critic_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    decay: str = "linear"
    average: float = 0.998
    dtype: str = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        minima = dict.fromkeys(("steps", "width", "critic_width", "r1_every"), 1) | {"batch": 2}
        minima |= dict.fromkeys(("noise", "known", "spread", "adversarial", "r1"), 0)
        for name, least in minima.items():
            if getattr(self, name) < least:
                raise ValueError(f"expected {name} of at least {least}, got {getattr(self, name)}")
        for name, allowed in (
            ("network", NETWORKS),
            ("loss", ("l1", "l2")),
            ("gan", tuple(LOSSES)),
            ("decay", ("none", "linear")),
            ("dtype", ("float32", "bfloat16")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"expected {name} in {allowed}, got {getattr(self, name)!r}")
        # A recipe read back from JSON has lists here; equal recipes must compare equal.
        object.__setattr__(self, "betas", tuple(self.betas))
        object.__setattr__(self, "families", tuple(self.families))
        if not self.families or any(name not in holes.FAMILIES for name in self.families):
            raise ValueError(f"expected names of {list(holes.FAMILIES)}, got {self.families}")
        if self.noise and self.network not in ("plain", "gated"):
            raise ValueError(f"expected a plain or gated U-Net for noise, got {self.network!r}")
        if self.spread and not self.noise:
            raise ValueError("expected noise where two answers shall differ, got spread alone")
        if self.noise and (self.loss != "l1" or self.known):
            raise ValueError(
                "expected loss 'l1' and known 0 with noise, because two answers are scored by "
                f"absolute errors over missing pixels; got {self.loss!r} and {self.known}"
            )


def build(recipe: InpaintRecipe) -> tuple[nn.Module, models.Critics | None]:
    """The recipe's network, and its critics if it has any, with weights from its seed."""
    # torch draws initial weights from its global generator, which is left as it was found.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        if recipe.network == "context":
            network = models.ContextEncoder(recipe.channels, recipe.size, recipe.width)
        else:
            network = models.UNet(recipe.channels, recipe.width, recipe.network, noise=recipe.noise)
        critics = None
        if recipe.adversarial:
            critics = models.Critics(recipe.channels, recipe.size, recipe.critic_width)
    return network, critics


def course_inpaint_recipe(
    device: torch.device, data_name: str = "fashion-mnist", **changes: object
) -> InpaintRecipe:
    """The course's own settings: what `python -m course_lib train inpaint` uses.

    Args:
        device: a GPU gets more steps and wider networks.
        data_name: one of `SHAPES_HERE`.
        changes: fields of `InpaintRecipe` to set otherwise.

    Raises:
        ValueError: for an unknown data set.
    """
    if data_name not in SHAPES_HERE:
        raise ValueError(f"expected data of {list(SHAPES_HERE)}, got {data_name!r}")
    channels, size = SHAPES_HERE[data_name]
    limits = budget(cpu=CPU, gpu=GPU, device=device)
    settings = {"channels": channels, "size": size, "width": limits.width, "batch": limits.batch}
    settings |= changes
    return InpaintRecipe(settings.pop("steps", limits.steps), **settings)
