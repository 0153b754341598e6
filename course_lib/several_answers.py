"""Several answers to one hole, and how much they differ (lesson 14)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib import inpainting
from course_lib import masks as holes
from course_lib.models.inpainting import UNet


def with_noise(network: UNet, length: int, random: torch.Generator, scale: float = 0.1) -> UNet:
    """A copy of a U-Net that takes noise as well: the same layers, and weights for the noise.

    Args:
        network: a plain U-Net without noise.
        length: of the latent vector, at least 1.
        random: source of the new weights, on the CPU.
        scale: standard deviation of the new weights; with 0 the copy ignores its noise.

    Returns:
        A U-Net on the CPU, in training mode, called with z of shape (B, length).

    Raises:
        ValueError: if the network takes noise already, or is not a plain one.
    """
    config = network.config
    if config.get("noise") or config.get("kind") != "plain" or length < 1:
        raise ValueError(
            "expected a plain U-Net without noise and a length of at least 1, got "
            f"{config} and {length}"
        )
    fed = UNet(**(config | {"noise": length}))
    weights = {name: value.cpu() for name, value in network.state_dict().items()}
    # The noise joins the smallest map, so the first enlarging block alone has more inputs.
    name, below = "up.0.layers.0.weight", config["width"] * 2 ** config["levels"]
    old = weights[name]  # (out, below + skip, 3, 3)
    extra = torch.randn(len(old), length, *old.shape[2:], generator=random) * scale
    weights[name] = torch.cat([old[:, :below], extra, old[:, below:]], dim=1)
    fed.load_state_dict(weights)
    return fed


def several(
    network: nn.Module, images: Tensor, masks: Tensor, count: int, random: torch.Generator
) -> Tensor:
    """Composites of a network that is fed noise, each from noise of its own.

    Args:
        network: a U-Net with noise, in evaluation mode, on any device.
        images: (B, C, H, W) in [-1, 1].
        masks: (B, 1, H, W), 1 for missing.
        count: answers to each hole, at least 1.
        random: source of the noise, on the CPU.

    Returns:
        (count, B, C, H, W), float32 on the CPU.

    Raises:
        ValueError: for a count below 1, or a network that takes no noise.
    """
    length = getattr(network, "noise", 0)
    if count < 1 or not length:
        raise ValueError(
            f"expected at least one answer of a network with noise, got {count} answers and "
            f"noise of length {length}"
        )
    found = []
    for _ in range(count):
        z = torch.randn(len(images), length, generator=random)
        found.append(inpainting.fill(network, images, masks, z))
    return torch.stack(found)


def spread_map(answers: Tensor) -> Tensor:
    """How far apart two of the answers are at each pixel, on average over all pairs.

    Known pixels of composites are equal, so the map is zero there.

    Args:
        answers: (N, B, C, H, W), N at least 2.

    Returns:
        (B, 1, H, W), the mean absolute difference over pairs and channels, 0 to 2.

    Raises:
        ValueError: for fewer than two answers.

    Source: lesson 14, section 14.7.
    """
    count = len(answers)
    if answers.ndim != 5 or count < 2:
        raise ValueError(f"expected answers (N, B, C, H, W), N >= 2, got {tuple(answers.shape)}")
    ordered = answers.sort(dim=0).values
    # Of sorted numbers, the i-th is added to i differences and taken from N - 1 - i.
    factors = 2 * torch.arange(count, device=answers.device) - (count - 1)
    total = (ordered * factors.view(-1, 1, 1, 1, 1)).sum(dim=0)  # (B, C, H, W)
    return total.mean(dim=1, keepdim=True) / (count * (count - 1) / 2)


def spread(answers: Tensor, masks: Tensor) -> Tensor:
    """The mean of the spread map over each image's missing pixels: (B,), 0 to 2.

    Args:
        answers: (N, B, C, H, W), N at least 2.
        masks: (B, 1, H, W), 1 for missing.

    Raises:
        ValueError: for fewer than two answers.
        MaskError: for masks of the wrong shape, type or range.
    """
    found = spread_map(answers)
    holes.check(masks, answers[0])
    return (found * masks).sum(dim=(1, 2, 3)) / masks.sum(dim=(1, 2, 3))
