"""How much fine detail images hold (lesson 06)."""

from __future__ import annotations

import torch
from torch import Tensor


def gradient_magnitude(images: Tensor) -> Tensor:
    """Mean length of the grey level's gradient, by differences of neighbouring pixels.

    Args:
        images: (N, C, H, W), H and W at least 2.

    Returns:
        (N,), in units of grey a pixel: 0 for a constant image, larger for sharper edges and finer
        texture. Noise raises it too, so it means something only beside real images.

    Raises:
        ValueError: for another shape.

    Source: lesson 06, section 6.10.
    """
    if images.ndim != 4 or min(images.shape[2:]) < 2:
        raise ValueError(
            f"expected images (N, C, H, W) of 2 x 2 pixels at least, got {tuple(images.shape)}"
        )
    corner = images[:, :, :-1, :-1]
    down = images[:, :, 1:, :-1] - corner
    right = images[:, :, :-1, 1:] - corner
    return torch.sqrt(down.square() + right.square()).mean(dim=(1, 2, 3))
