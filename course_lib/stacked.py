"""Images that stack independent grey images as channels, and a count of the kinds (lesson 07).

With K channels of ten kinds each there are 10^K modes, all equally frequent, and a classifier of
single channels can say which one an image shows.

Source: Metz et al., "Unrolled Generative Adversarial Networks", ICLR 2017, and Srivastava et al.,
"VEEGAN", NeurIPS 2017, both with three channels of MNIST.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from course_lib.data import ImageSet

CLASSES = 10


def stacked(images: ImageSet, channels: int, count: int, seed: int) -> ImageSet:
    """Images whose channels are random images of a grey set: (count, channels, H, W).

    The label is the number of the mode, see `mode_numbers`.

    Raises:
        ValueError: if the given images have more than one channel, or another number is below 1.
    """
    if images.images.shape[1] != 1:
        raise ValueError(f"expected grey images, got {images.images.shape[1]} channels")
    if channels < 1 or count < 1:
        raise ValueError(f"expected at least 1 channel and image, got {channels} and {count}")
    random = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(images), (count, channels), generator=random)
    return replace(
        images,
        name=f"{channels} stacked {images.name}",
        images=images.images[chosen, 0],  # (count, channels, H, W)
        labels=mode_numbers(images.labels[chosen]),
        classes=tuple(f"{mode:0{channels}}" for mode in range(CLASSES**channels)),
    )


def mode_numbers(classes: Tensor) -> Tensor:
    """The classes of the channels read as digits: (N, K) -> (N,), in 0 to 10^K - 1."""
    return classes @ CLASSES ** torch.arange(classes.shape[1] - 1, -1, -1)


@torch.no_grad()
def shown_classes(classifier: nn.Module, images: Tensor, device: torch.device) -> Tensor:
    """The class of each channel as a classifier of grey images sees it: (N, K, H, W) -> (N, K)."""
    channels = images.flatten(0, 1)[:, None]  # (N K, 1, H, W)
    parts = [classifier(part.to(device)).argmax(1).cpu() for part in channels.split(500)]
    return torch.cat(parts).unflatten(0, images.shape[:2])


def modes_covered(modes: Tensor, kinds: int, least: float = 0.1) -> int:
    """How many of `kinds` equally frequent modes have at least `least` of their fair share.

    Args:
        modes: number of the mode that each image shows, (N,), in 0 to kinds - 1.
        kinds: how many modes there are.
        least: part of the fair share N / kinds that a mode needs, above 0. An image that is
            misread once is then no mode.

    Raises:
        ValueError: for no images, or a part that would count a mode without an image.
    """
    if not len(modes) or least <= 0:
        raise ValueError(f"expected images and a part above 0, got {len(modes)} and {least}")
    counts = torch.bincount(modes, minlength=kinds)  # (kinds,)
    return int((counts >= max(1.0, least * len(modes) / kinds)).sum())
