"""Image sets: kept in memory as bytes, taken in batches by index, normalised on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F

from course_lib import colour_sets, sources
from course_lib.colour_sets import COLOUR_SETS
from course_lib.sources import DataError

__all__ = [
    "Availability",
    "DataError",
    "EpochSampler",
    "ImageSet",
    "available",
    "load_images",
    "normalise",
    "to_uint8",
]

SPLITS = ("train", "test")


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Map uint8 images, any shape, to float32 in [-1, 1], the range of tanh: x / 127.5 - 1.

    Raises TypeError for another dtype: images that are normalised twice look almost black.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"normalise expects uint8 images in [0, 255], got {images.dtype}.")
    return images.to(torch.float32) / 127.5 - 1.0


def to_uint8(images: torch.Tensor) -> torch.Tensor:
    """Map floating-point images in [-1, 1], any shape, to uint8: rounded, and clamped outside.

    Raises TypeError for integers and ValueError for NaN, which no grey level can show.
    """
    if not images.is_floating_point():
        raise TypeError(f"to_uint8 expects floats in [-1, 1], got {images.dtype}.")
    if images.isnan().any():
        raise ValueError("The images hold NaN: the network that made them has diverged.")
    # In float32, because bfloat16 cannot tell neighbouring grey levels apart.
    return ((images.to(torch.float32) + 1.0) * 127.5).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Images in memory with their labels.

    images: uint8 (N, C, H, W); labels: int64 (N,), indices into classes; source: the place that
    served them, in words.
    """

    name: str
    split: str
    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shape = "x".join(str(length) for length in self.images.shape[1:])
        return f"ImageSet({self.name}, {self.split}: {len(self)} images of {shape}, {self.source})"

    def to(self, device: torch.device | str) -> ImageSet:
        """Return the same set with images and labels on `device`."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def near(self, device: torch.device) -> ImageSet:
        """Return the set on `device` if the images fill at most half of its free memory.

        Else the set itself: `batch` then copies only what a step needs.
        """
        if device.type == "cuda":
            free, _ = torch.cuda.mem_get_info(device)
            if self.images.nbytes > free / 2:
                return self
        return self.to(device)

    def batch(
        self, indices: torch.Tensor | Sequence[int], device: torch.device | None = None
    ) -> torch.Tensor:
        """Return the images at int64 `indices` (B,) as float32 (B, C, H, W) in [-1, 1].

        They are made on `device`, by default where the set is. What is gathered, and copied if need
        be, is bytes: a quarter of the traffic.
        """
        rows = torch.as_tensor(indices, device=self.images.device)
        picked = self.images.index_select(0, rows)  # (B, C, H, W)
        if device is not None and device.type != picked.device.type:
            # From page-locked memory the copy does not stop the program: it goes on queueing the
            # GPU's work while the bytes travel.
            picked = picked.pin_memory().to(device, non_blocking=True)
        return normalise(picked)

    def take(self, count: int) -> ImageSet:
        """Return the set of the first `count` images; raises ValueError if there are fewer."""
        if not 0 < count <= len(self):
            raise ValueError(f"take expects a count from 1 to {len(self)}, got {count}.")
        return replace(self, images=self.images[:count], labels=self.labels[:count])


class EpochSampler:
    """Shuffled batches of indices without replacement; the short last batch is dropped.

    count: images in the set; batch: B, at most count; seed: not negative. `indices` is a pure
    function of (seed, step), so a resumed training sees the batches it would have seen.
    """

    def __init__(self, count: int, batch: int, seed: int) -> None:
        if not 0 < batch <= count:
            raise ValueError(f"EpochSampler expects a batch from 1 to {count} images, got {batch}.")
        if seed < 0:
            raise ValueError(f"EpochSampler expects a seed of 0 or more, got {seed}.")
        self.count, self.batch, self.seed = count, batch, seed
        self.steps_per_epoch = count // batch
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def indices(self, step: int) -> torch.Tensor:
        """Return the int64 indices (B,) of the batch at `step`, counted from 0 over all epochs."""
        if step < 0:
            raise ValueError(f"indices expects a step of 0 or more, got {step}.")
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            # The pair seeds the generator: with seed + epoch, the second epoch of one seed would
            # be the first of the next.
            order = np.random.default_rng((self.seed, epoch)).permutation(self.count)
            self._order, self._epoch = torch.from_numpy(order.astype(np.int64)), epoch
        return self._order[position * self.batch : (position + 1) * self.batch].clone()  # (B,)


def _side(name: str, split: str, size: int | None) -> int:
    """Check what is asked of load_images and return the images' side in pixels."""
    known = ("fashion-mnist", *COLOUR_SETS)
    if name not in known:
        raise DataError(f"No data set is called {name!r}. Known names: {', '.join(known)}.")
    if split not in SPLITS:
        raise DataError(f"No split is called {split!r}. Known splits: {', '.join(SPLITS)}.")
    if name == "fashion-mnist":
        if size is None:
            return 28
        if size < 28 or size % 2:
            raise DataError(f"Fashion-MNIST is padded to an even size from 28, got size={size}.")
        return size
    if size is None:
        return COLOUR_SETS[name].size
    if size < 1:
        raise DataError(f"The size is a number of pixels from 1, got size={size}.")
    return size


def load_images(
    name: str = "fashion-mnist", split: str = "train", size: int | None = None
) -> ImageSet:
    """Load a data set into memory, from the first place that has it intact.

    name: "fashion-mnist", which comes with the course, or "cifar-10" and "celeba", which are
    fetched on request and converted once; split: "train" or "test"; size: side in pixels.
    Fashion-MNIST (28) is padded with black on all sides; the others are cropped about the centre
    and resized (cifar-10 32, celeba 64 if None). Raises DataError when the set cannot be had.
    Source of Fashion-MNIST: Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747.
    """
    side = _side(name, split, size)
    if name != "fashion-mnist":
        images, labels, place = colour_sets.find_colour(name, split, side)
        return ImageSet(name, split, images, labels, COLOUR_SETS[name].classes, place)
    images, labels, place = sources.find_fashion(split)
    images = F.pad(images[:, None], [(side - 28) // 2] * 4)  # (N, 1, H, W), 0 is black
    return ImageSet(name, split, images, labels.long(), sources.FASHION_CLASSES, place)


@dataclass(frozen=True)
class Availability:
    """One data set and split: where it lies, and its state.

    state: "verified", "missing", "corrupt: ..." or, for what load_images would fetch, "on request".
    """

    name: str
    split: str
    where: str
    state: str


def available() -> list[Availability]:
    """Return a record for each data set and split, every file read and its hash compared.

    Nothing is fetched or converted. A set is verified if one place holds it intact.
    """
    records = [_fashion_availability(split) for split in SPLITS]
    return records + [_colour_availability(name, split) for name in COLOUR_SETS for split in SPLITS]


def _fashion_availability(split: str) -> Availability:
    home, state = sources.REPOSITORY / "datasets" / "fashion-mnist", "missing"
    for finding in sources.survey_fashion(split):
        if len(finding.found) == 2:
            path, _ = next(iter(finding.found.values()))
            return Availability("fashion-mnist", split, str(path.parent), "verified")
        if finding.corrupt and state == "missing":
            home, state = finding.folder, f"corrupt: {'; '.join(finding.corrupt)}"
    return Availability("fashion-mnist", split, str(home), state)


def _colour_availability(name: str, split: str) -> Availability:
    folder = colour_sets.stored_folder(name)
    paths = sorted(folder.glob(f"{split}-*.safetensors"))
    state = "verified" if paths else "on request"
    for path in paths:
        try:
            colour_sets.read_stored(path)
        except DataError as error:
            state = f"corrupt: {error}"
    return Availability(name, split, str(folder), state)
