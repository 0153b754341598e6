"""Exemplar-based filling of one image: patches are copied to where they fit best (lesson 13).

Source: Criminisi, Pérez, Toyama, "Region Filling and Object Removal by Exemplar-Based Image
Inpainting", IEEE Transactions on Image Processing, 2004. Where no patch of the image is whole,
as when single pixels are missing everywhere, patches with gaps are compared over the pixels that
both have; the paper has no such case.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

MOST_BYTES = 1_000_000_000  # of the patches to copy from; comparing them takes a few times as much
FLOOR = 1e-3  # of the data term: in flat surroundings the confidence alone decides


def fill_patches(image: np.ndarray, missing: np.ndarray, patch: int) -> np.ndarray:
    """Fill the missing pixels of one image.

    Args:
        image: (C, H, W), float64; what stands in the hole is not read.
        missing: (H, W), bool; at least one pixel is known.
        patch: side of a patch, odd.

    Returns:
        (C, H, W): every missing pixel is a copy of a known one in the same channel.

    Raises:
        MemoryError: if the patches to copy from would not fit into `MOST_BYTES`.
    """
    reach, needed = patch // 2, 8 * image.size * patch**2
    if needed > MOST_BYTES:
        raise MemoryError(
            f"patches of an image of {image.shape[2]} x {image.shape[1]} pixels take "
            f"{needed / 1e9:.1f} GB, at most {MOST_BYTES / 1e9:.0f} are allowed; smooth fills and "
            "networks need less"
        )
    around = ((0, 0), (reach, reach), (reach, reach))
    values = np.pad(np.where(missing, 0.0, image), around)
    known = np.pad(~missing, reach)  # beyond the border nothing is known, and nothing wanted
    wanted = np.pad(missing, reach)
    sources = _sources(values, known, patch)
    confidence = known.astype(float)
    while wanted.any():
        centre = _next(values, known, wanted, confidence, patch)
        window = tuple(slice(place - reach, place + reach + 1) for place in centre)
        copied, there = _best(values[:, *window], known[window], *sources)
        lacking = wanted[window] & there  # the middle at least, which every source has
        values[:, *window][:, lacking] = copied[:, lacking]
        confidence[window][lacking] = confidence[window].mean()
        known[window] |= lacking
        wanted[window] &= ~lacking
    return values[:, reach:-reach, reach:-reach]


def _sources(values: np.ndarray, known: np.ndarray, patch: int) -> tuple[np.ndarray, np.ndarray]:
    """Patches to copy from: values (N, C, p, p), and which of them are known (N, p, p)."""
    windows = sliding_window_view(values, (patch, patch), (1, 2))  # (C, H, W, p, p)
    valid = sliding_window_view(known, (patch, patch))  # (H, W, p, p)
    whole = valid.all(axis=(2, 3))
    usable = whole if whole.any() else valid[:, :, patch // 2, patch // 2]
    return windows[:, usable].swapaxes(0, 1).copy(), valid[usable].copy()


def _next(
    values: np.ndarray,
    known: np.ndarray,
    wanted: np.ndarray,
    confidence: np.ndarray,
    patch: int,
) -> tuple[int, int]:
    """The missing pixel at the hole's edge with the largest confidence times data term."""
    front = wanted & ndimage.binary_dilation(known)
    rows, columns = front.nonzero()
    trust = ndimage.uniform_filter(confidence, patch, mode="constant")[rows, columns]
    grey = values.mean(axis=0)
    # Gradients only where they are of known pixels: the rim of the hole is not an edge.
    solid = ndimage.binary_erosion(known)
    slopes = [np.where(solid, slope, 0.0) for slope in np.gradient(grey)]
    # At the front, the largest gradient nearby; isophotes run at right angles to it.
    size = slopes[0] ** 2 + slopes[1] ** 2
    normal = np.gradient(known.astype(float))
    length = np.hypot(*normal)[rows, columns] + 1e-12

    def about(values: np.ndarray) -> np.ndarray:
        """The windows about the front's pixels: (n, patch^2)."""
        reach = patch // 2
        windows = sliding_window_view(values, (patch, patch))
        return windows[rows - reach, columns - reach].reshape(len(rows), -1)

    every, at = np.arange(len(rows)), about(size).argmax(axis=1)
    down, across = (about(slope)[every, at] for slope in slopes)
    data = np.abs(down * normal[1][rows, columns] - across * normal[0][rows, columns])
    best = int((trust * (data / length + FLOOR)).argmax())
    return int(rows[best]), int(columns[best])


def _best(
    target: np.ndarray, known: np.ndarray, values: np.ndarray, valid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The source nearest to the target's known pixels: values (C, p, p), known ones (p, p)."""
    both = known[None] & valid  # (N, p, p)
    squares = np.where(both[:, None], (values - target[None]) ** 2, 0.0)
    overlap = both.sum(axis=(1, 2))
    distance = squares.sum(axis=(1, 2, 3)) / np.maximum(overlap, 1)
    # Patches that share little with the target agree with it by chance.
    distance = np.where(overlap * 2 >= overlap.max(), distance, np.inf)
    best = int(distance.argmin())
    return values[best], valid[best]
