"""What can be done to a GAN's training without touching its loop (lesson 11).

A training step offers four places. Before the discriminator an image can be changed (`Augmented`)
or read by a network that is already trained (`FeatureDiscriminator`). A layer can be divided by
what it stretches (`normalise_spectrum`). Between `backward` and `step`, and after `step`, torch
calls whoever has registered with the optimiser (`balance_rates`, `clip_gradients`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from course_lib import augmentation
from course_lib.models.classifier import Classifier
from course_lib.recipes import Recipe
from course_lib.training import GanState

Augment = Callable[[Tensor], Tensor]
BRIGHTNESS, PIXELS, SIDE = 0.5, 4, 16  # of diff_augment, for images of 32 x 32


def balance_rates(state: GanState, ratio: float) -> None:
    """Let the discriminator learn at `ratio` times the generator's rate, from now on.

    Args:
        state: its discriminator's optimiser is changed.
        ratio: above 0; 1 changes nothing.

    Raises:
        ValueError: for a ratio of 0 or less.

    Source: Heusel et al., 2017 (two time scales).
    """
    if not ratio > 0:
        raise ValueError(f"expected a ratio of learning rates above 0, got {ratio}")

    def scale(adam: torch.optim.Optimizer, *_: Any) -> None:
        # gan_step sets the rate anew before each step, so nothing accumulates.
        adam.param_groups[0]["lr"] *= ratio

    state.discriminator_adam.register_step_pre_hook(scale)


def clip_gradients(state: GanState, limit: float) -> None:
    """Shorten the discriminator's gradient to the norm `limit` before each of its steps.

    The norm is that of all gradients together (lesson 11, equation (11.5)).

    Args:
        state: its discriminator's optimiser is changed.
        limit: largest norm, above 0.

    Raises:
        ValueError: for a limit of 0 or less.
    """
    if not limit > 0:
        raise ValueError(f"expected a largest gradient norm above 0, got {limit}")

    def shorten(adam: torch.optim.Optimizer, *_: Any) -> None:
        nn.utils.clip_grad_norm_(adam.param_groups[0]["params"], limit)

    state.discriminator_adam.register_step_pre_hook(shorten)


def normalise_spectrum(discriminator: nn.Module, seed: int) -> nn.Module:
    """Divide the kernel of every convolution by its largest singular value, at each pass.

    Args:
        discriminator: changed in place, before an optimiser is made of its parameters.
        seed: of the vectors with which the power iterations begin.

    Returns:
        The discriminator.

    Source: lesson 08, equation (8.15); Miyato et al., 2018, section 2.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in list(discriminator.modules()):
            if isinstance(module, nn.Conv2d):
                spectral_norm(module)
    return discriminator


def diff_augment(images: Tensor) -> Tensor:
    """Brightness, place and a missing square at random, each image on its own; differentiable.

    Args:
        images: (B, C, 32, 32), in [-1, 1] before; brightness may lead a little beyond.

    Returns:
        As many images of the same shape. The random numbers come from torch's global generator.

    Source: Zhao et al., "Differentiable Augmentation for Data-Efficient GAN Training", NeurIPS
    2020 (colour, translation and cutout; of the three changes of colour only the brightness).
    """
    amount = torch.rand(len(images), 1, 1, 1, device=images.device) * 2 - 1
    brighter = images + BRIGHTNESS * amount.to(images.dtype)
    return augmentation.erase(augmentation.shift(brighter, PIXELS), SIDE)


class Augmented(nn.Module):
    """A discriminator that sees every image, real or generated, through the same random change.

    The change is part of the function: the generator's gradient passes through it, and no line of
    the training loop can forget it for one kind of image.

    Args:
        discriminator: (B, C, H, W) -> (B,).
        augment: (B, C, H, W) -> (B, C, H, W), differentiable in the images.
    """

    def __init__(self, discriminator: nn.Module, augment: Augment = diff_augment) -> None:
        super().__init__()
        self.discriminator, self.augment = discriminator, augment

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images, which are changed in training mode only: (B, C, H, W) -> (B,)."""
        return self.discriminator(self.augment(images) if self.training else images)


class FeatureDiscriminator(nn.Module):
    """Logits from the maps of a trained classifier, which itself never changes.

    The maps after each halving go through a fixed random mixture of channels and then through a
    small head of their own; the logit is the sum of the three heads'. The heads are what learns.

    Args:
        classifier: trained, on the device where it will be used; not changed.
        width: hidden channels of each head.

    Source: after Sauer et al., "Projected GANs Converge Faster", NeurIPS 2021, section 3, in
    little: one classifier of garments, mixtures within a map but not between maps, three heads.
    """

    def __init__(self, classifier: Classifier, width: int = 32) -> None:
        super().__init__()
        # In a tuple, and not as a submodule: so neither an optimiser, nor requires_grad_(True), nor
        # train() reaches it. In evaluation mode each image's features are its own.
        self.frozen = (classifier.requires_grad_(False).eval().body,)
        mixtures, heads = [], []
        for channels, side in ((32, 16), (64, 8), (96, 4)):
            mixtures.append(torch.randn(channels, channels, 1, 1) / channels**0.5)
            layers: list[nn.Module] = []
            inside = channels
            while side > 4:
                layers += [nn.Conv2d(inside, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
                inside, side = width, side // 2
            layers += [nn.Conv2d(inside, width, 3, padding=1), nn.LeakyReLU(0.2)]
            heads.append(nn.Sequential(*layers, nn.Conv2d(width, 1, 4)))  # (B, 1, 1, 1)
        self.heads = nn.ModuleList(heads)
        for number, mixture in enumerate(mixtures):
            self.register_buffer(f"mixture{number}", mixture)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images in [-1, 1]: (B, 1, 32, 32) -> (B,)."""
        logits, maps, reached = [], images, 0
        for layer in self.frozen[0]:
            maps = layer(maps)
            if isinstance(layer, nn.MaxPool2d):
                mixed = nn.functional.conv2d(maps, getattr(self, f"mixture{reached}"))
                logits.append(self.heads[reached](mixed).flatten())  # (B,)
                reached += 1
            if reached == len(self.heads):
                break
        return torch.stack(logits).sum(0)


def treated(
    recipe: Recipe,
    device: torch.device,
    *,
    rate_ratio: float = 1.0,
    gradient_limit: float = 0.0,
    spectral: bool = False,
    augment: Augment | None = None,
    features: Classifier | None = None,
) -> GanState:
    """A fresh training state with treatments that the recipe does not know.

    Args:
        recipe: everything else.
        device: where.
        rate_ratio: the discriminator's learning rate over the generator's.
        gradient_limit: largest norm of the discriminator's gradient; 0 for any.
        spectral: whether the discriminator's kernels are divided by their largest singular value.
        augment: a change of the images that the discriminator sees; None for none. It draws from
            torch's global generator, which the caller seeds.
        features: a trained classifier on whose maps the discriminator builds; None for the DCGAN's.
    """
    fresh = GanState.create(recipe, device)
    discriminator: nn.Module = fresh.discriminator
    if features is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            discriminator = FeatureDiscriminator(features.to(device))
    if spectral:
        normalise_spectrum(discriminator, recipe.seed)
    if augment is not None:
        discriminator = Augmented(discriminator, augment)
    # Anew, so that the optimiser holds the parameters of the discriminator as it is now.
    state = GanState.create(recipe, device, (fresh.generator, discriminator))
    if rate_ratio != 1:
        balance_rates(state, rate_ratio)
    if gradient_limit:
        clip_gradients(state, gradient_limit)
    return state
