"""How good a filled hole is: errors over missing pixels alone, and whole composites (lesson 13).

Images are in [-1, 1], answers too. Every number is of the composite: what a method says of known
pixels counts for nothing. An error over the whole image is here as well, `whole_psnr`, because the
lesson shows why it must not be the headline: it grows when the hole gets smaller.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import masks as holes

PEAK = 2.0  # length of the range of grey levels, -1 to 1
#: Window of the structural similarity: Gaussian of this standard deviation in pixels, cut off.
WINDOW_SIGMA, WINDOW_RADIUS = 1.5, 5


def masked_l1(answers: Tensor, images: Tensor, masks: Tensor, most: float = holes.MOST) -> Tensor:
    """Mean absolute error over the missing pixels and the channels of each image.

    Args:
        answers, images: (B, C, H, W) in [-1, 1].
        masks: (B, 1, H, W), 1 for missing.
        most: largest share that may be missing, see `masks.check`.

    Returns:
        (B,), 0 to 2: one grey level of 256 is 0.0078.

    Raises:
        MaskError: for masks of the wrong shape, type, range or sense.

    Source: lesson 13, equation (13.3).
    """
    _alike(answers, images)
    return _over_missing((answers - images).abs(), masks, images, most)


def masked_mse(answers: Tensor, images: Tensor, masks: Tensor, most: float = holes.MOST) -> Tensor:
    """Mean squared error over the missing pixels and the channels of each image: (B,), 0 to 4.

    Arguments and errors as for `masked_l1`.
    """
    _alike(answers, images)
    return _over_missing((answers - images).square(), masks, images, most)


def psnr(mse: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in decibels, 10 log10(peak^2 / mse): any shape to the same.

    Infinite where the error is zero.

    Source: lesson 13, equation (13.4).
    """
    return 10 * torch.log10(PEAK**2 / mse)


def masked_psnr(answers: Tensor, images: Tensor, masks: Tensor, most: float = holes.MOST) -> Tensor:
    """The PSNR over missing pixels of a set of images, in decibels: ().

    It is that of the mean over images of their masked squared errors. A mean of decibels would be
    infinite as soon as one hole, in black background say, is filled without any error.

    Arguments and errors as for `masked_l1`.
    """
    return psnr(masked_mse(answers, images, masks, most).mean())


def whole_psnr(answers: Tensor, images: Tensor, masks: Tensor) -> Tensor:
    """The PSNR over all pixels of the composites, in decibels: (). Not for comparing methods.

    With a share s of the pixels missing, the same in all images, it is 10 log10(1 / s) higher than
    the masked one, 6 dB for a quarter, however the holes were filled.

    Source: lesson 13, equation (13.5).
    """
    composites = holes.composite(answers, images, masks)
    return psnr((composites - images).square().mean(dim=(1, 2, 3)).mean())


def ssim_map(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity about each pixel: (B, C, H, W), (B, C, H, W) -> (B, C, H, W).

    Means, variances and the covariance are taken in a Gaussian window, the images being reflected
    at their borders.

    Raises:
        ValueError: if the shapes differ, or a side is shorter than the window's radius.

    Source: Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment: From Error Visibility to
    Structural Similarity", IEEE Transactions on Image Processing, 2004, section III.B.
    """
    if first.shape != second.shape or first.ndim != 4 or min(first.shape[2:]) < WINDOW_RADIUS:
        raise ValueError(
            f"expected two sets of images (B, C, H, W) of one shape, from {WINDOW_RADIUS} x "
            f"{WINDOW_RADIUS} pixels, got {tuple(first.shape)} and {tuple(second.shape)}"
        )
    first, second = first.double(), second.double()  # variances are differences of large numbers
    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    mean1, mean2 = _blur(first), _blur(second)
    variance1 = _blur(first.square()) - mean1.square()
    variance2 = _blur(second.square()) - mean2.square()
    covariance = _blur(first * second) - mean1 * mean2
    above = (2 * mean1 * mean2 + c1) * (2 * covariance + c2)
    return above / ((mean1.square() + mean2.square() + c1) * (variance1 + variance2 + c2))


def masked_ssim(answers: Tensor, images: Tensor, masks: Tensor, most: float = holes.MOST) -> Tensor:
    """Structural similarity of composite and image, averaged over windows centred in the hole.

    Arguments and errors as for `masked_l1`.

    Returns:
        (B,), at most 1.
    """
    _alike(answers, images)
    holes.check(masks, images, most)
    found = ssim_map(holes.composite(answers, images, masks), images)
    return _over_missing(found, masks, images, most)


@torch.no_grad()
def scores(
    answers: Tensor,
    images: Tensor,
    masks: Tensor,
    frechet: Callable[[Tensor], float] | None = None,
    most: float = holes.MOST,
) -> dict[str, float]:
    """Every number of the course's tables for a set of filled images.

    Args:
        answers, images: (N, C, H, W) in [-1, 1].
        masks: (N, 1, H, W), 1 for missing.
        frechet: measures the composites against real images, such as a `metrics.RelativeFrechet`;
            compare with the very images that were filled, and a perfect answer scores 0.
        most: largest share that may be missing.

    Returns:
        "hole_area", the mean share that is missing; "masked_l1"; "masked_psnr" in dB, infinite for
        a perfect answer; "masked_ssim"; with `frechet`, "composite_frechet".
    """
    found = {
        "hole_area": float(holes.share(masks).mean()),
        "masked_l1": float(masked_l1(answers, images, masks, most).mean()),
        "masked_psnr": float(masked_psnr(answers, images, masks, most)),
        "masked_ssim": float(masked_ssim(answers, images, masks, most).mean()),
    }
    if frechet is not None:
        found["composite_frechet"] = frechet(holes.composite(answers, images, masks))
    return found


def _alike(answers: Tensor, images: Tensor) -> None:
    if answers.shape != images.shape:
        raise holes.MaskError(
            f"expected answers shaped like the images {tuple(images.shape)}, got "
            f"{tuple(answers.shape)}"
        )


def _over_missing(errors: Tensor, masks: Tensor, images: Tensor, most: float) -> Tensor:
    """Mean of the errors over missing pixels and channels: (B, C, H, W) -> (B,)."""
    holes.check(masks, images, most)
    # where, not a product: an answer that is not a number outside the hole does not count.
    total = torch.where(masks > 0, errors, errors.new_zeros(())).sum(dim=(1, 2, 3))
    return total / (images.shape[1] * masks.sum(dim=(1, 2, 3)))


def _blur(images: Tensor) -> Tensor:
    """Gaussian mean about each pixel, in float64: (B, C, H, W) -> (B, C, H, W)."""
    radius, channels = WINDOW_RADIUS, images.shape[1]
    places = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
    weights = torch.exp(-places.square() / (2 * WINDOW_SIGMA**2))
    weights = (weights / weights.sum()).expand(channels, 1, -1)
    for axis in (2, 3):
        images = images.transpose(axis, 3)
        first, last = images[..., :radius].flip(3), images[..., -radius:].flip(3)
        images = torch.cat([first, images, last], dim=3)
        images = F.conv2d(images, weights[:, :, None], groups=channels).transpose(axis, 3)
    return images
