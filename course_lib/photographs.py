"""Small colour images without a download: squares cut from photographs that scikit-image carries.

Training and test squares come from different photographs, so that nothing of a test image has been
seen. Origins and licences of the photographs are listed in scikit-image's `data/README.txt`.
"""

from __future__ import annotations

import numpy as np
import torch
from skimage import data as pictures

from course_lib.data import SPLITS, DataError, ImageSet

PHOTOGRAPHS = {
    "train": ("astronaut", "chelsea", "coffee"),
    "test": ("rocket",),
}


def load_photographs(
    split: str = "train", size: int = 32, count: int | None = None, seed: int = 0
) -> ImageSet:
    """Squares from photographs, each at half of its resolution, half of them mirrored.

    Args:
        split: "train" or "test".
        size: side of a square in pixels, 8 to 128.
        count: how many squares; 20,000 for training and 1,000 for the test if None.
        seed: of the places.

    Returns:
        An `ImageSet` called "photographs"; labels are indices of the photographs.

    Raises:
        DataError: for an unknown split, or a size or count that cannot be had.
    """
    if split not in SPLITS:
        raise DataError(f"No split is called {split!r}. Known splits: {', '.join(SPLITS)}.")
    count = (20_000 if split == "train" else 1_000) if count is None else count
    if not 8 <= size <= 128 or count < 1:
        raise DataError(
            f"Squares of 8 to 128 pixels can be cut, at least one of them; got {count} of {size}."
        )
    names = PHOTOGRAPHS[split]
    halves = [_half(getattr(pictures, name)()) for name in names]
    random = np.random.default_rng((seed, SPLITS.index(split)))
    squares = np.empty((count, size, size, 3), dtype=np.uint8)
    labels = np.arange(count) % len(names)
    for index, label in enumerate(labels):
        whole = halves[label]
        row, column = (int(random.integers(length - size + 1)) for length in whole.shape[:2])
        square = whole[row : row + size, column : column + size]
        squares[index] = square[:, ::-1] if random.random() < 0.5 else square
    images = torch.from_numpy(squares.transpose(0, 3, 1, 2).copy())
    return ImageSet(
        "photographs", split, images, torch.from_numpy(labels), names, "scikit-image's photographs"
    )


def _half(pixels: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels: (H, W, 3) -> (H // 2, W // 2, 3), bytes."""
    height, width = (length // 2 for length in pixels.shape[:2])
    blocks = pixels[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3)
    return blocks.mean(axis=(1, 3)).round().astype(np.uint8)
