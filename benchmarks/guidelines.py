"""Half an epoch of the plain DCGAN with one of the paper's rules broken at a time (lesson 09).

Every training has the same number of steps of the same size, from the same seed. Compared is the
relative Fréchet distance at the end; a training that diverged has none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import nn

from benchmarks import measuring
from benchmarks.progress import Progress
from benchmarks.summary import Nested
from course_lib import data, recipes, training
from course_lib.models import dcgan

STEPS, BATCH, LATENT = 937, 32, 64  # half of the 60,000 images, once

Swap = Callable[[nn.Module], nn.Module | None]


def swapped(network: nn.Module, swap: Swap) -> None:
    """Replace, in place, every layer for which `swap` returns another one."""
    for index, module in enumerate(network.layers):
        network.layers[index] = swap(module) or module


def _enlarge(module: nn.Module) -> nn.Module | None:
    if isinstance(module, nn.ConvTranspose2d) and module.stride == (2, 2):
        convolution = nn.Conv2d(module.in_channels, module.out_channels, 3, padding=1)
        return nn.Sequential(nn.Upsample(scale_factor=2), convolution)
    return None


def _shrink(module: nn.Module) -> nn.Module | None:
    if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
        convolution = nn.Conv2d(module.in_channels, module.out_channels, 3, padding=1)
        return nn.Sequential(convolution, nn.MaxPool2d(2))
    return None


def networks(rule: str) -> tuple[dcgan.Generator, dcgan.Discriminator]:
    """The plain networks with the named rule broken, initialised as the paper does."""
    generator, discriminator = dcgan.Generator(), dcgan.Discriminator()
    if rule == "fixed pooling and upsampling":
        swapped(generator, _enlarge)
        swapped(discriminator, _shrink)
    elif rule == "no batch normalisation":
        for network in (generator, discriminator):
            swapped(network, lambda m: nn.Identity() if isinstance(m, nn.BatchNorm2d) else None)
    elif rule == "batch normalisation at the image too":
        generator.layers.insert(len(generator.layers) - 1, nn.BatchNorm2d(1))
        discriminator.layers.insert(1, nn.BatchNorm2d(32))
    elif rule == "a fully connected hidden layer":
        head = (nn.Flatten(), nn.Linear(2048, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1))
        discriminator.layers[-1] = nn.Sequential(*head)
    elif rule == "ReLU in the discriminator":
        swapped(discriminator, lambda m: nn.ReLU() if isinstance(m, nn.LeakyReLU) else None)
    elif rule == "sigmoid instead of tanh":
        swapped(generator, lambda m: nn.Sigmoid() if isinstance(m, nn.Tanh) else None)
    dcgan.initialise(generator)
    dcgan.initialise(discriminator)
    if rule == "N(0, 0.02) for every parameter":
        for parameter in (*generator.parameters(), *discriminator.parameters()):
            nn.init.normal_(parameter, 0.0, 0.02)
    return generator, discriminator


PLAIN = "the paper's settings"
RULES = (
    PLAIN,
    "fixed pooling and upsampling",
    "no batch normalisation",
    "batch normalisation at the image too",
    "a fully connected hidden layer",
    "ReLU in the discriminator",
    "sigmoid instead of tanh",
    "N(0, 0.02) for every parameter",
    "Adam with beta1 = 0.9",
)


def states(seed: int, dtype: str, device: torch.device) -> Iterator[tuple[str, training.GanState]]:
    """A fresh training state for each rule."""
    recipe = recipes.paper_recipe(STEPS, batch=BATCH, latent=LATENT, seed=seed, dtype=dtype)
    for rule in RULES:
        torch.manual_seed(seed)
        changed = replace(recipe, betas=(0.9, 0.999)) if rule.startswith("Adam") else recipe
        yield rule, training.GanState.create(changed, device, networks(rule))


def plan(device: torch.device) -> Nested:
    """Steps, batch and the faster number format."""
    recipe = recipes.paper_recipe(STEPS, batch=BATCH, latent=LATENT)
    return {"steps": STEPS, "batch": BATCH, "dtype": training.faster_dtype(recipe, device)}


def runs(plan: Nested, repeats: range, device: torch.device) -> Iterator[Nested]:
    """The distance for each rule, under one seed after the other."""
    distance = measuring.distance_on(device)
    images = data.load_images("fashion-mnist", "train", 32)
    progress = Progress(len(repeats) * len(RULES))
    for seed in repeats:
        found: dict[str, float | None] = {}
        for rule, state in states(seed, plan["dtype"], device):
            start = time.perf_counter()
            try:
                for _ in training.train_gan(state, images, every=STEPS):
                    pass
                found[rule] = distance(state.generate, LATENT)
            except FloatingPointError:
                found[rule] = None
            said = "diverged" if found[rule] is None else f"{found[rule]:.3f}"
            took = time.perf_counter() - start
            progress.say(f"seed {seed}  {rule:40} {said}  ({took:.0f} s)")
        yield {"rules": found}
