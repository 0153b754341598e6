"""Filling a hole by searching a generator's latent space (lesson 14).

No network is trained for it: among all images that a trained generator can draw, the one is looked
for that agrees best with the known pixels. Its answer in the hole is the fill. The price is paid
for every image anew, and is counted here in network passes.

Source: Yeh, Chen, Lim, Schwing, Hasegawa-Johnson, Do, "Semantic Image Inpainting with Deep
Generative Models", CVPR 2017, section 3. The paper blends the answer into the image by gradients;
here the known pixels are put back as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import masks as holes


@dataclass(frozen=True)
class Settings:
    """How long and for what to search; the defaults were tuned on training images (lesson 14).

    Attributes:
        steps: of Adam, for each start.
        starts: latent vectors that each image's search begins with; the best end is kept.
        rate: learning rate.
        window: side of the neighbourhood that a known pixel's weight is counted in, odd.
        length: weight of half the latent vector's squared length over its number of entries: minus
            the logarithm of its density, up to constants. Too small, and the search fits the known
            rim, which hardly helps the hole.
        realism: weight of the discriminator's objection, softplus(-logit) = -log D; 0 for no
            discriminator. (Yeh et al. have log(1 - D). Of a discriminator that was trained on
            pairs, logits mean something only up to a constant.)
    """

    steps: int = 100
    starts: int = 4
    rate: float = 0.15
    window: int = 7
    length: float = 0.3
    realism: float = 0.0

    def __post_init__(self) -> None:
        if min(self.steps, self.starts) < 1 or self.window < 3 or self.window % 2 == 0:
            raise ValueError(
                "expected at least one step and one start, and an odd window from 3, got "
                f"{self.steps}, {self.starts} and {self.window}"
            )
        if min(self.length, self.realism) < 0:
            raise ValueError(
                "expected weights of length and realism of at least 0, got "
                f"{self.length} and {self.realism}"
            )


@dataclass(frozen=True)
class Passes:
    """How often an image went through a network, for each image that was filled.

    A backward pass with gradients for the input alone costs about as much as a forward pass.
    """

    generator_forward: int
    generator_backward: int
    discriminator_forward: int
    discriminator_backward: int

    @property
    def total(self) -> int:
        """All passes, forward and backward, of both networks."""
        forward = self.generator_forward + self.discriminator_forward
        return forward + self.generator_backward + self.discriminator_backward


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        composites: (B, C, H, W), known pixels as they were.
        answers: the generator's images, (B, C, H, W) in [-1, 1].
        z: their latent vectors, (B, Z).
        losses: the least loss of each image, (B,).
        passes: the cost for one image.
    """

    composites: Tensor
    answers: Tensor
    z: Tensor
    losses: Tensor
    passes: Passes


def context_weights(masks: Tensor, window: int = 7) -> Tensor:
    """How much each known pixel counts: the share of missing pixels among its neighbours.

    Pixels beyond the image's border are no neighbours. A known pixel without a missing neighbour
    counts for nothing, unless all are such: then all known pixels count alike.

    Args:
        masks: (B, 1, H, W), 1 for missing.
        window: side of the square neighbourhood, odd.

    Returns:
        (B, 1, H, W), zero at missing pixels, of sum 1 for each image.

    Source: lesson 14, equation (14.12); Yeh et al., 2017, section 3.
    """
    ones = masks.new_ones(1, 1, window, window)
    missing = F.conv2d(masks, ones, padding=window // 2)
    neighbours = F.conv2d(torch.ones_like(masks), ones, padding=window // 2) - 1
    weights = (1 - masks) * missing / neighbours
    total = weights.sum(dim=(2, 3), keepdim=True)
    weights = torch.where(total > 0, weights, 1 - masks)
    return weights / weights.sum(dim=(2, 3), keepdim=True)


def search(
    generator: nn.Module,
    images: Tensor,
    masks: Tensor,
    random: torch.Generator,
    settings: Settings | None = None,
    discriminator: nn.Module | None = None,
) -> Found:
    """Fill holes with the generator's image that agrees best with the known pixels.

    Every image and every start is a search of its own; they share nothing but the computing.

    Args:
        generator: trained, in evaluation mode, (B, Z) -> (B, C, H, W), with an attribute `latent`.
        images: (B, C, H, W) in [-1, 1], on the generator's device.
        masks: (B, 1, H, W), 1 for missing.
        random: source of the first latent vectors, on that device.
        settings: how to search; those of `Settings()` if None.
        discriminator: (B, C, H, W) -> (B,) logits; needed for `settings.realism`.

    Raises:
        MaskError: for masks of the wrong shape, type, range or sense.
        ValueError: if the generator is in training mode, or realism is wanted and there is no
            discriminator, or one that compares the images of a group.
    """
    settings = settings or Settings()
    holes.check(masks, images)
    if generator.training:
        raise ValueError("expected a generator in evaluation mode: call generator.eval()")
    if settings.realism and discriminator is None:
        raise ValueError("expected a discriminator, because realism has a weight")
    if getattr(discriminator, "config", {}).get("group"):
        raise ValueError(
            "expected a discriminator of single images, because every search is one of its own; "
            "train one with group=0"
        )
    count, starts = len(images), settings.starts
    hidden = holes.hide(images, masks).repeat_interleave(starts, dim=0)  # (B starts, C, H, W)
    weights = context_weights(masks, settings.window).repeat_interleave(starts, dim=0)
    z = torch.randn(count * starts, generator.latent, generator=random, device=images.device)
    z.requires_grad_()
    adam = torch.optim.Adam([z], settings.rate)
    # Whoever calls this without gradients for networks still wants a search along gradients.
    with torch.enable_grad(), _frozen(generator, discriminator):
        for _ in range(settings.steps):
            loss, _ = _losses(generator, discriminator, z, hidden, weights, settings)
            adam.zero_grad(set_to_none=True)
            loss.sum().backward()  # a sum: each search has the gradient it would have alone
            adam.step()
        with torch.no_grad():
            loss, answers = _losses(generator, discriminator, z, hidden, weights, settings)
    best = loss.view(count, starts).argmin(dim=1)  # (B,)
    rows = torch.arange(count, device=images.device) * starts + best
    answers, backward = answers[rows], settings.steps * starts
    judged = 1 if settings.realism else 0
    return Found(
        holes.composite(answers, images, masks),
        answers,
        z.detach()[rows],
        loss[rows],
        Passes(backward + starts, backward, judged * (backward + starts), judged * backward),
    )


def _losses(
    generator: nn.Module,
    discriminator: nn.Module | None,
    z: Tensor,
    hidden: Tensor,
    weights: Tensor,
    settings: Settings,
) -> tuple[Tensor, Tensor]:
    """What each search makes small, (B starts,), and its image, (B starts, C, H, W)."""
    answers = generator(z).float()
    # The weights are zero in the hole, so what `hidden` holds there does not matter.
    context = ((answers - hidden).abs().mean(dim=1, keepdim=True) * weights).sum(dim=(1, 2, 3))
    loss = context + settings.length * z.square().mean(dim=1) / 2
    if settings.realism:
        loss = loss + settings.realism * F.softplus(-discriminator(answers).float())
    return loss, answers


class _frozen:
    """Within the block no gradient is computed for the networks' weights."""

    def __init__(self, *networks: nn.Module | None) -> None:
        self.weights = [
            weight
            for network in networks
            if network is not None
            for weight in network.parameters()
            if weight.requires_grad
        ]

    def __enter__(self) -> None:
        for weight in self.weights:
            weight.requires_grad_(False)

    def __exit__(self, *error: object) -> None:
        for weight in self.weights:
            weight.requires_grad_(True)
