"""Filling a hole in an image of any size, whatever its bits, with a network or a classical fill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from course_lib import fills, inpainting
from course_lib import masks as holes
from course_lib.photo_files import Photo, PhotoError

CLASSICAL = ("harmonic", "biharmonic", "patches")
MARGIN = 64  # pixels about the hole that a method sees; all of a small image


def fill_photo(
    photo: Photo,
    missing: np.ndarray,
    method: str | nn.Module,
    seed: int = 0,
    most: float = holes.MOST,
) -> Photo:
    """The image with its hole filled; known pixels and alpha are the same to the bit.

    Args:
        photo: the image; what stands in its hole is not read.
        missing: (H, W), bool.
        method: a name in `CLASSICAL`, or a network of `models.inpainting` in evaluation mode. A
            network for grey images fills each colour channel as if it were one.
        seed: of the noise, for a network that takes it.
        most: the largest share that may be missing.

    Raises:
        PhotoError: if nothing or too much is missing, or the network cannot take the image.
    """
    share = missing.mean()
    if not missing.any():
        raise PhotoError(
            "nothing is missing: the mask is black everywhere, and white means missing"
        )
    if missing.all():
        raise PhotoError(
            "all of the image is missing, so nothing is known to fill it from; white means "
            "missing. If your mask is white where the image is known, add --invert"
        )
    if share > most:
        raise PhotoError(
            f"{100 * share:.0f} % of the image is missing; white means missing. If your mask is "
            "white where the image is known, add --invert; if the hole is that large, --large-hole"
        )
    window = _window(missing)
    half = photo.largest / 2
    pixels = photo.pixels[window].astype(np.float32) / half - 1  # (h, w, C)
    images = torch.from_numpy(pixels).permute(2, 0, 1)[:, None].contiguous()  # (C, 1, h, w)
    masks = torch.from_numpy(missing[window].astype(np.float32)).expand_as(images).contiguous()
    if isinstance(method, str):
        filled = fills.FILLS[method](images.transpose(0, 1), masks[:1])[0]  # (C, h, w)
    else:
        filled = _by_network(method, images, masks, seed)
    values = ((filled.permute(1, 2, 0).numpy() + 1) * half).round().clip(0, photo.largest)
    result = photo.pixels.copy()
    # Known pixels are not touched at all, not even by a rounding that should give them back.
    result[window][missing[window]] = values[missing[window]].astype(result.dtype)
    return replace(photo, pixels=result)


def _window(missing: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns from the hole and `MARGIN` pixels about it."""
    window = []
    for axis in (1, 0):
        places = missing.any(axis=axis).nonzero()[0]
        start = max(0, int(places[0]) - MARGIN)
        window.append(slice(start, int(places[-1]) + MARGIN + 1))
    return window[0], window[1]


def _by_network(network: nn.Module, images: Tensor, masks: Tensor, seed: int) -> Tensor:
    """The composite of a network's answer: (C, 1, h, w) twice -> (C, h, w)."""
    wanted, given = network.config["channels"], len(images)
    if wanted == 3:
        # A grey image is a colour image of three equal channels; of the answer, the mean is taken.
        images, masks = images.transpose(0, 1).expand(1, 3, -1, -1), masks[:1]
    height, width = images.shape[2:]
    if hasattr(network, "size"):
        if (height, width) != (network.size, network.size):
            raise PhotoError(
                f"this network fills {network.size} x {network.size} pixels and nothing else, the "
                f"part about the hole is {width} x {height}; train a U-Net, or choose a classical "
                "--method"
            )
    else:
        # Sizes that do not divide are continued at the right and below, by the last pixel.
        beyond = (0, -width % network.multiple, 0, -height % network.multiple)
        images = torch.nn.functional.pad(images, beyond, mode="replicate")
        masks = torch.nn.functional.pad(masks, beyond, mode="replicate")
    noise = getattr(network, "noise", 0)
    z = None
    if noise:
        # One vector for all channels, or the channels would show different answers.
        z = torch.randn(1, noise, generator=torch.Generator().manual_seed(seed))
        z = z.expand(len(images), -1)
    filled = inpainting.fill(network, images.contiguous(), masks.contiguous(), z)
    filled = filled[:, :, :height, :width]
    if wanted == 3:
        return filled[0] if given == 3 else filled.mean(dim=1)
    return filled[:, 0]
