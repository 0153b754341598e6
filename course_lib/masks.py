"""Holes for inpainting (lesson 13): which pixels of an image are missing.

A mask is a float tensor (B, 1, H, W) of zeros and ones. 1 means missing, everywhere in the course.
Others write 1 for known, as the paper on partial convolutions does; `check` notices such a mask,
unless exactly half of the image is missing.

Every family draws from a `torch.Generator` and on its device, and leaves out a number of pixels
that is known exactly: `shares` says which. Nothing else of an image decides where its hole is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MOST = 0.5  # no family leaves out more; a mask of the wrong sense does, unless it is one half
STROKES, SEGMENTS = 2, 4  # of a free-form hole; segments a stroke
FREE_SHARES = (0.1, 0.4)  # least and largest share of the image that a free-form hole covers
BLOCK = 256  # free-form masks that are in memory as distances at a time


class MaskError(ValueError):
    """A mask of the wrong shape, type, range or sense; the message says what was expected."""


@dataclass(frozen=True)
class Shares:
    """The least, the mean and the largest share of an image that is missing, in [0, 1]."""

    least: float
    mean: float
    largest: float


def check(masks: Tensor, images: Tensor | None = None, most: float = MOST) -> None:
    """Be sure that masks are what every function of the course expects.

    Args:
        masks: to be (B, 1, H, W), floats, 0 for known and 1 for missing.
        images: the images that they belong to, (B, C, H, W); None if there are none yet.
        most: the largest share of one image that may be missing. Of a mask of the wrong sense
            more than one half is missing, unless the hole itself is half of the image.

    Raises:
        MaskError: if shape, type, device or values are others, if nothing is missing from an
            image, or more than `most`.
    """
    check_shape(masks, images)
    if not ((masks == 0) | (masks == 1)).all():
        raise MaskError(
            "expected masks of zeros (known) and ones (missing), got values from "
            f"{float(masks.min()):g} to {float(masks.max()):g}"
        )
    area = share(masks)
    if not (area > 0).all():
        raise MaskError("expected a hole in every image, got a mask of zeros: 1 means missing")
    largest = float(area.max())
    if largest > most:
        raise MaskError(
            f"expected at most {most:g} of an image to be missing, got {largest:.3g}. 1 means "
            "missing: if your masks hold 1 where the image is known, pass 1 - masks"
        )


def check_shape(masks: Tensor, images: Tensor | None = None) -> None:
    """The part of `check` that reads no values, so that a GPU need not wait for it.

    Raises:
        MaskError: if the masks are not floats (B, 1, H, W) that fit the images, on their device.
    """
    if not masks.is_floating_point():
        raise MaskError(f"expected masks of floats, got {masks.dtype}: call masks.float()")
    if masks.ndim != 4 or masks.shape[1] != 1 or not masks.numel():
        raise MaskError(f"expected masks of shape (B, 1, H, W), got {tuple(masks.shape)}")
    if images is None:
        return
    if images.ndim != 4 or not images.is_floating_point():
        raise MaskError(
            f"expected images (B, C, H, W) of floats in [-1, 1], got {tuple(images.shape)} of "
            f"{images.dtype}"
        )
    if len(masks) != len(images) or masks.shape[2:] != images.shape[2:]:
        raise MaskError(
            f"expected a mask for each image, got masks {tuple(masks.shape)} for images "
            f"{tuple(images.shape)}"
        )
    if masks.device != images.device:
        raise MaskError(
            f"expected masks and images on one device, got {masks.device} and {images.device}"
        )


def share(masks: Tensor) -> Tensor:
    """The share of each image that is missing, in [0, 1]: (B, 1, H, W) -> (B,)."""
    return masks.mean(dim=(1, 2, 3))


def hide(images: Tensor, masks: Tensor) -> Tensor:
    """The images with zeros, mid-grey, where they are missing: (B, C, H, W) -> (B, C, H, W).

    What stands in the hole is not read, so not even a NaN gets through; a product with 1 - masks
    would let it.

    Raises:
        MaskError: see `check_shape`.

    Source: lesson 13, equation (13.1).
    """
    check_shape(masks, images)
    return torch.where(masks > 0, images.new_zeros(()), images)


def composite(answers: Tensor, images: Tensor, masks: Tensor) -> Tensor:
    """The answer where the image is missing, and the image itself, to the bit, elsewhere.

    Args:
        answers: what a method says, (B, C, H, W); only its missing pixels are used.
        images: (B, C, H, W); only its known pixels are used.
        masks: (B, 1, H, W), 1 for missing.

    Raises:
        MaskError: see `check_shape`; also if answers and images differ in shape.

    Source: lesson 13, equation (13.2).
    """
    check_shape(masks, images)
    if answers.shape != images.shape:
        raise MaskError(
            f"expected answers shaped like the images {tuple(images.shape)}, got "
            f"{tuple(answers.shape)}"
        )
    return torch.where(masks > 0, answers.to(images.dtype), images)


def centre_square(count: int, height: int, width: int, random: torch.Generator) -> Tensor:
    """A square in the middle, half as long and as wide as the image: (count, 1, height, width)."""
    masks = torch.zeros(count, 1, height, width, device=random.device)
    top, left = (height - height // 2) // 2, (width - width // 2) // 2
    masks[:, :, top : top + height // 2, left : left + width // 2] = 1
    return masks


def random_box(count: int, height: int, width: int, random: torch.Generator) -> Tensor:
    """A box at a random place, its sides from a quarter to a half of the image's, all as likely."""
    rows = _interval(count, height, *_sides(height), random)  # (count, height)
    columns = _interval(count, width, *_sides(width), random)  # (count, width)
    return (rows[:, None, :, None] & columns[:, None, None, :]).float()


def free_form(count: int, height: int, width: int, random: torch.Generator) -> Tensor:
    """Two bent strokes of a brush, as broad as the area asks for.

    The area is drawn first, between a tenth and four tenths of the image. The hole is then made of
    as many pixels as that, those nearest to the strokes' middle lines: so long strokes are thin.

    Source: after Yu et al., "Free-Form Image Inpainting with Gated Convolution", ICCV 2019, who
    draw length and breadth and leave the area to chance.
    """
    pixels = height * width
    wanted = _whole_numbers(count, *_free_areas(pixels), random)  # (count, 1)
    lines = _strokes(count, random) * torch.tensor([height, width], device=random.device)
    grid = torch.stack(
        torch.meshgrid(
            torch.arange(height, device=random.device) + 0.5,
            torch.arange(width, device=random.device) + 0.5,
            indexing="ij",
        ),
        dim=-1,
    ).flatten(0, 1)  # (pixels, 2)
    parts = [_to_lines(grid, some) for some in lines.split(BLOCK)]  # each (<= BLOCK, pixels)
    nearness = torch.cat(parts).argsort(dim=1, stable=True).argsort(dim=1)  # ranks, 0 is nearest
    return (nearness < wanted).float().view(count, 1, height, width)


def scattered_pixels(
    count: int, height: int, width: int, random: torch.Generator, missing: float = 0.5
) -> Tensor:
    """Single pixels, all as likely; the share `missing` of them, rounded down to whole pixels.

    Raises:
        ValueError: if the share is not in (0, 1) or is less than one pixel.
    """
    wanted = math.floor(missing * height * width)
    if not 0 < missing < 1 or wanted < 1:
        raise ValueError(f"expected a share in (0, 1) of at least one pixel, got {missing}")
    draws = torch.rand(count, height * width, generator=random, device=random.device)
    order = draws.argsort(dim=1, stable=True).argsort(dim=1)
    return (order < wanted).float().view(count, 1, height, width)


def half_image(count: int, height: int, width: int, random: torch.Generator) -> Tensor:
    """The left, the right, the upper or the lower half, each as likely; rounded down if odd."""
    halves = torch.zeros(4, 1, height, width, device=random.device)
    halves[0, :, :, : width // 2] = 1
    halves[1, :, :, width - width // 2 :] = 1
    halves[2, :, : height // 2] = 1
    halves[3, :, height - height // 2 :] = 1
    return halves[torch.randint(4, (count,), generator=random, device=random.device)]


Family = Callable[[int, int, int, torch.Generator], Tensor]
FAMILIES: dict[str, Family] = {
    "centre square": centre_square,
    "random box": random_box,
    "free form": free_form,
    "scattered pixels": scattered_pixels,
    "half image": half_image,
}


def draw(
    families: str | Sequence[str], count: int, height: int, width: int, random: torch.Generator
) -> Tensor:
    """Masks of one family, or of several in turn: (count, 1, height, width) on `random`'s device.

    Args:
        families: a name in `FAMILIES`, or several: mask i is then of family i modulo their number.
            Whoever wants a family for each image at random shuffles the images, as training does.
        count: how many masks, at least 1.
        height, width: in pixels, at least 4.
        random: source of the random numbers; decides the device too.

    Raises:
        ValueError: for an unknown name, no name, no mask, or too small an image.
    """
    names = [families] if isinstance(families, str) else list(families)
    if not names or any(name not in FAMILIES for name in names):
        raise ValueError(f"expected names of {list(FAMILIES)}, got {families!r}")
    if count < 1 or min(height, width) < 4:
        raise ValueError(
            f"expected at least one mask of at least 4 x 4 pixels, got {count} of {height} x "
            f"{width}"
        )
    masks = torch.empty(count, 1, height, width, device=random.device)
    for index, name in enumerate(names):
        own = len(range(index, count, len(names)))
        if own:
            masks[index :: len(names)] = FAMILIES[name](own, height, width, random)
    return masks


def shares(name: str, height: int, width: int) -> Shares:
    """Exactly how much of an image a family leaves out: least, mean and largest share.

    Raises:
        ValueError: for an unknown name.
    """
    if name not in FAMILIES:
        raise ValueError(f"expected a name of {list(FAMILIES)}, got {name!r}")
    pixels = height * width
    if name == "centre square":
        areas = [(height // 2) * (width // 2)] * 3
    elif name == "random box":
        (least_h, largest_h), (least_w, largest_w) = _sides(height), _sides(width)
        # The sides are independent, so the mean area is the product of the mean sides.
        mean = (least_h + largest_h) * (least_w + largest_w) / 4
        areas = [least_h * least_w, mean, largest_h * largest_w]
    elif name == "free form":
        least, largest = _free_areas(pixels)
        areas = [least, (least + largest) / 2, largest]
    elif name == "scattered pixels":
        areas = [pixels // 2] * 3
    else:
        lying, standing = (height // 2) * width, height * (width // 2)
        areas = [min(lying, standing), (lying + standing) / 2, max(lying, standing)]
    return Shares(*(area / pixels for area in areas))


def _sides(length: int) -> tuple[int, int]:
    """Least and largest side of a random box."""
    return math.ceil(length / 4), length // 2


def _free_areas(pixels: int) -> tuple[int, int]:
    """Least and largest number of pixels in a free-form hole."""
    least, largest = FREE_SHARES
    return math.ceil(least * pixels), math.floor(largest * pixels)


def _whole_numbers(count: int, least: int, largest: int, random: torch.Generator) -> Tensor:
    """Whole numbers from least to largest, both included, all as likely: (count, 1)."""
    return torch.randint(least, largest + 1, (count, 1), generator=random, device=random.device)


def _interval(count: int, length: int, least: int, largest: int, random: torch.Generator) -> Tensor:
    """True in one random interval of 0 ... length - 1 for each: (count, length)."""
    sides = _whole_numbers(count, least, largest, random)
    places = torch.rand(count, 1, generator=random, device=random.device, dtype=torch.float64)
    starts = (places * (length - sides + 1)).long()  # every place as likely
    positions = torch.arange(length, device=random.device)
    return (positions >= starts) & (positions < starts + sides)


def _strokes(count: int, random: torch.Generator) -> Tensor:
    """Ends of segments in the unit square: (count, STROKES * SEGMENTS, start and end, 2)."""
    shape, device = (count, STROKES, SEGMENTS), random.device
    begin = torch.rand(count, STROKES, 1, 2, generator=random, device=device)
    # A stroke sets out in any direction and turns by up to a quarter circle at every corner.
    turns = (torch.rand(shape, generator=random, device=device) - 0.5) * math.pi
    turns[..., 0] *= 4
    lengths = 0.1 + 0.3 * torch.rand(shape, generator=random, device=device)
    angles = turns.cumsum(dim=-1)
    steps = lengths[..., None] * torch.stack([angles.sin(), angles.cos()], dim=-1)
    corners = torch.cat([begin, begin + steps.cumsum(dim=-2)], dim=-2)
    # At the border a stroke is reflected: folded, the line 0 ... 1 goes to and fro.
    corners = 1 - (1 - corners.remainder(2)).abs()  # (count, STROKES, SEGMENTS + 1, 2)
    return torch.stack([corners[:, :, :-1], corners[:, :, 1:]], dim=-2).flatten(1, 2)


def _to_lines(points: Tensor, lines: Tensor) -> Tensor:
    """Squared distance of each point to the nearest segment: (N, 2), (B, S, 2, 2) -> (B, N)."""
    nearest = None
    for start, end in (line.unbind(dim=1) for line in lines.unbind(dim=1)):  # (B, 2) each
        along = end - start  # (B, 2)
        reach = points - start[:, None]  # (B, N, 2)
        length = along.square().sum(dim=1).clamp(min=1e-12)  # (B,)
        t = ((reach * along[:, None]).sum(dim=2) / length[:, None]).clamp(0, 1)  # (B, N)
        distance = (reach - t[..., None] * along[:, None]).square().sum(dim=2)
        nearest = distance if nearest is None else torch.minimum(nearest, distance)
    return nearest
