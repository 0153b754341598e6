"""Changes of training images that leave their class as it is (lesson 05).

Each function takes images (B, C, H, W), floats in [-1, 1], and returns as many of the same shape,
type, range and device. Every image is changed at random and independently of its neighbours. The
random numbers come from torch's global generator, which `train_classifier` seeds at every step.

Whatever has no pixel to show becomes -1: black, the background of Fashion-MNIST.
"""

from __future__ import annotations

import torch
from torch import Tensor

BACKGROUND = -1.0


def _check(images: Tensor) -> None:
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(
            f"expected images (B, C, H, W) of floats in [-1, 1], got {tuple(images.shape)} of "
            f"{images.dtype}: see data.normalise and Tensor.unsqueeze"
        )


def _whole_numbers(least: int, largest: int, images: Tensor) -> Tensor:
    """One random whole number for each image, least to largest, both included: (B, 1)."""
    return torch.randint(least, largest + 1, (len(images), 1), device=images.device)


def _half_of_them(images: Tensor) -> Tensor:
    """True for each image with probability one half: (B, 1, 1, 1)."""
    return torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5


def mirror(images: Tensor) -> Tensor:
    """Swap left and right, with probability one half: (B, C, H, W) -> (B, C, H, W)."""
    _check(images)
    return torch.where(_half_of_them(images), images.flip(3), images)


def turn_over(images: Tensor) -> Tensor:
    """Turn upside down, with probability one half: (B, C, H, W) -> (B, C, H, W)."""
    _check(images)
    return torch.where(_half_of_them(images), images.flip(2), images)


def shift(images: Tensor, pixels: int = 3) -> Tensor:
    """Move by up to so many pixels along each side; what comes in from outside is -1.

    The same as padding by `pixels` on all sides and cropping at a random place.

    Args:
        images: (B, C, H, W) in [-1, 1].
        pixels: largest shift, 0 or more; each whole number from -pixels to pixels is as likely.

    Raises:
        ValueError: for a negative number of pixels.

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2.
    """
    _check(images)
    if pixels < 0:
        raise ValueError(f"expected a shift of 0 pixels or more, got {pixels}")
    count, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, (pixels,) * 4, value=BACKGROUND)
    rows = _whole_numbers(0, 2 * pixels, images) + torch.arange(height, device=images.device)
    columns = _whole_numbers(0, 2 * pixels, images) + torch.arange(width, device=images.device)
    image = torch.arange(count, device=images.device)[:, None, None]
    moved = padded[image, :, rows[:, :, None], columns[:, None, :]]  # (B, H, W, C)
    return moved.permute(0, 3, 1, 2)  # (B, C, H, W)


def erase(images: Tensor, side: int = 10) -> Tensor:
    """Set a square at a random place to -1; the border may cut it.

    The middle of the square is equally likely to be any pixel of the image. The square is black,
    where the paper takes the mean of the data: so nothing is drawn that the images do not have.

    Args:
        images: (B, C, H, W) in [-1, 1].
        side: of the square, in pixels, at least 1.

    Raises:
        ValueError: for a side below 1.

    Source: DeVries, Taylor, "Improved Regularization of Convolutional Neural Networks with
    Cutout", 2017, arXiv:1708.04552, section 3.
    """
    _check(images)
    if side < 1:
        raise ValueError(f"expected a square with a side of at least 1 pixel, got {side}")

    def covered(length: int) -> Tensor:
        first = _whole_numbers(0, length - 1, images) - side // 2
        position = torch.arange(length, device=images.device)
        return (position >= first) & (position < first + side)  # (B, length)

    rows, columns = covered(images.shape[2]), covered(images.shape[3])
    square = rows[:, None, :, None] & columns[:, None, None, :]  # (B, 1, H, W)
    return images.masked_fill(square, BACKGROUND)
