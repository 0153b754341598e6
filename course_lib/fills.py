"""Filling a hole without a network: the baselines of lesson 13.

Every fill is called with images (B, C, H, W) in [-1, 1] and masks (B, 1, H, W), 1 for missing, and
returns composites: known pixels come back to the bit, and what stands in the hole is never read.
Those in `FILLS` know one image and nothing else. The classes have seen training images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import spsolve
from skimage.restoration import inpaint_biharmonic
from torch import Tensor

from course_lib import masks as holes
from course_lib.data import ImageSet
from course_lib.patch_fill import fill_patches

Fill = Callable[[Tensor, Tensor], Tensor]
BLOCK = 10_000  # training images that are in memory as floats at a time


def _check(images: Tensor, masks: Tensor) -> None:
    """Any hole will do that leaves something known in every image."""
    holes.check_shape(masks, images)
    holes.check(masks, images, most=1 - 0.5 / (images.shape[2] * images.shape[3]))


def _same_size(images: Tensor, shape: tuple[int, ...]) -> None:
    """Images as the training images were, (C, H, W)."""
    if tuple(images.shape[1:]) != shape:
        raise holes.MaskError(
            f"expected images of shape {shape}, as in training, got {tuple(images.shape[1:])}"
        )


def mean_fill(images: Tensor, masks: Tensor) -> Tensor:
    """Fill with the mean of the image's known pixels, channel by channel.

    Raises:
        MaskError: for masks of the wrong shape, type or range, or if nothing is known of an image.
    """
    _check(images, masks)
    known = (1 - masks).sum(dim=(2, 3), keepdim=True)  # (B, 1, 1, 1)
    means = holes.hide(images, masks).sum(dim=(2, 3), keepdim=True) / known  # (B, C, 1, 1)
    return holes.composite(means.expand_as(images), images, masks)


def harmonic_fill(images: Tensor, masks: Tensor) -> Tensor:
    """Let the known pixels diffuse into the hole until nothing changes any more.

    Each missing pixel becomes the mean of its two to four neighbours: the discrete Laplace
    equation, with the known pixels as boundary values and no flow through the image's border. It
    is solved at once, as a sparse linear system in float64, for each image.

    Raises:
        MaskError: as for `mean_fill`.

    Source: lesson 13, equation (13.6).
    """
    return _each(images, masks, _harmonic)


def _harmonic(image: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """(C, H, W) and (H, W) -> (C, H, W); float64."""
    number = np.full(missing.shape, -1)
    number[missing] = np.arange(missing.sum())  # the unknown of each missing pixel
    size = int(missing.sum())
    right, degree = np.zeros((size, len(image))), np.zeros(size)
    rows, columns = [], []
    for axis in (0, 1):
        for one, other in ((slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))):
            here, there = [(slice(None),) * axis + (part,) for part in (one, other)]
            is_missing = missing[here]
            own, neighbour = number[here][is_missing], number[there][is_missing]
            degree += np.bincount(own, minlength=size)
            unknown = neighbour >= 0
            rows.append(own[unknown])
            columns.append(neighbour[unknown])
            values = image[:, *there][:, is_missing][:, ~unknown]  # (C, known neighbours)
            np.add.at(right, own[~unknown], values.T)
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    links = sparse.csc_matrix((-np.ones(len(rows)), (rows, columns)), shape=(size, size))
    solved = spsolve((links + sparse.diags(degree)).tocsc(), right).reshape(size, len(image))
    filled = image.copy()
    filled[:, missing] = solved.T
    return filled


def biharmonic_fill(images: Tensor, masks: Tensor) -> Tensor:
    """Fill with the smoothest surface that keeps slopes too: scikit-image's `inpaint_biharmonic`.

    The square of the Laplacian vanishes in the hole; answers are cut off at the darkest and the
    brightest known pixel of each channel.

    Raises:
        MaskError: as for `mean_fill`.

    Source: Damelin, Hoang, "On Surface Completion and Image Inpainting by Biharmonic Functions:
    Numerical Aspects", International Journal of Mathematics and Mathematical Sciences, 2018.
    """
    return _each(
        images, masks, lambda image, missing: inpaint_biharmonic(image, missing, channel_axis=0)
    )


def patch_fill(images: Tensor, masks: Tensor, patch: int = 7) -> Tensor:
    """Copy patches from elsewhere in the same image, the best constrained place first.

    Args:
        images, masks: as for every fill.
        patch: side of a patch in pixels, odd, from 3.

    Raises:
        MaskError: as for `mean_fill`.
        ValueError: for an even patch, or one below 3.

    Source: Criminisi, Pérez, Toyama, "Region Filling and Object Removal by Exemplar-Based Image
    Inpainting", IEEE Transactions on Image Processing, 2004.
    """
    if patch < 3 or patch % 2 == 0:
        raise ValueError(f"expected an odd patch of at least 3 pixels, got {patch}")
    return _each(images, masks, lambda image, missing: fill_patches(image, missing, patch))


FILLS: dict[str, Fill] = {
    "mean": mean_fill,
    "harmonic": harmonic_fill,
    "biharmonic": biharmonic_fill,
    "patches": patch_fill,
}


def _each(
    images: Tensor, masks: Tensor, fill: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Tensor:
    """Fill one image after the other in float64; holes hold zeros when `fill` sees them."""
    _check(images, masks)
    pixels = holes.hide(images, masks).double().numpy(force=True)  # (B, C, H, W)
    missing = masks[:, 0].bool().numpy(force=True)  # (B, H, W)
    filled = [fill(image, hole) for image, hole in zip(pixels, missing, strict=True)]
    return holes.composite(torch.from_numpy(np.stack(filled)).to(images.device), images, masks)


class MeanImage:
    """Fills with the mean of all training images at the same place.

    Args:
        training: images of the size that will be filled.
    """

    def __init__(self, training: ImageSet) -> None:
        blocks = torch.arange(len(training)).split(BLOCK)
        total = sum(training.batch(indices).double().sum(dim=0) for indices in blocks)
        self.mean = (total / len(training)).float()  # (C, H, W)

    def __call__(self, images: Tensor, masks: Tensor) -> Tensor:
        """Composites (B, C, H, W); errors as for `mean_fill`, and for images of another size."""
        _check(images, masks)
        _same_size(images, tuple(self.mean.shape))
        return holes.composite(self.mean.to(images).expand_as(images), images, masks)


class NearestImages:
    """Fills with the training images that agree best with the known pixels.

    With several of them, pixel by pixel with their median, whose mean absolute error is least.

    Args:
        training: images of the size that will be filled, without those that will be.
        neighbours: how many, an odd number, so that the median is one of them.
        held: keep all training images in memory as floats, 8 bytes a number, for those who look up
            a batch at a time: it takes a fraction of the time then.

    Raises:
        ValueError: for an even number, or more than there are images.

    Source: Hays, Efros, "Scene Completion Using Millions of Photographs", SIGGRAPH 2007, for the
    idea; the comparison here is of pixels, not of features.
    """

    def __init__(self, training: ImageSet, neighbours: int = 1, held: bool = False) -> None:
        if not 0 < neighbours <= len(training) or neighbours % 2 == 0:
            raise ValueError(
                f"expected an odd number of neighbours, at most {len(training)}, got {neighbours}"
            )
        self.training, self.neighbours = training, neighbours
        self._held: dict[torch.device, list[tuple[Tensor, Tensor]]] | None = {} if held else None

    def __deepcopy__(self, memo: dict) -> NearestImages:
        """The same one: nothing in it changes, and a copy would hold all images again."""
        return self

    def __call__(self, images: Tensor, masks: Tensor) -> Tensor:
        """Composites (B, C, H, W); errors as for `mean_fill`, and for images of another size."""
        _check(images, masks)
        return holes.composite(self.median(images, masks), images, masks)

    def median(self, images: Tensor, masks: Tensor) -> Tensor:
        """The nearest images' median, pixel by pixel, outside the hole too: (B, C, H, W).

        Raises:
            MaskError: for images of another size than the training images.
        """
        _same_size(images, tuple(self.training.images.shape[1:]))
        closest = self.nearest(images, masks)  # (B, neighbours)
        picked = self.training.batch(closest.flatten().to(self.training.images.device))
        picked = picked.to(images).unflatten(0, closest.shape)  # (B, neighbours, C, H, W)
        return picked.median(dim=1).values

    def _blocks(self, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
        """The training images in order, (block, P), and their squares, some at a time."""
        if self._held is not None and device in self._held:
            yield from self._held[device]
            return
        found = []
        for indices in torch.arange(len(self.training)).split(BLOCK):
            theirs = self.training.batch(indices, device).flatten(1)
            block = theirs, theirs.square()
            if self._held is not None:
                found.append(block)
            yield block
        if self._held is not None:
            self._held[device] = found

    def nearest(self, images: Tensor, masks: Tensor) -> Tensor:
        """Indices of the training images nearest in the known pixels: (B, neighbours), int64."""
        known = (1 - masks).expand_as(images).flatten(1).float()  # (B, P), P = C H W
        own = holes.hide(images, masks).flatten(1).float()
        best, where, first = None, None, 0
        for theirs, squares in self._blocks(images.device):  # (block, P) each
            # |own - theirs|^2 over known pixels, less the part that is the same for all of theirs.
            distance = known @ squares.T - 2 * own @ theirs.T  # (B, block)
            near, found = distance.topk(min(self.neighbours, len(theirs)), 1, largest=False)
            found, first = found + first, first + len(theirs)
            if best is not None:
                near, found = torch.cat([best, near], dim=1), torch.cat([where, found], dim=1)
                near, order = near.topk(self.neighbours, 1, largest=False)
                found = found.gather(1, order)
            best, where = near, found
        return where


class GaussianFill:
    """Fills with the conditional mean of a Gaussian that has the training images' covariance.

    No answer that is linear in the known pixels has a smaller mean squared error. It is learnt,
    and stands between the classical fills and the networks.

    Args:
        training: images of the size that will be filled.
        noise: variance added to each pixel before the system is solved, above 0: the black border
            has none of its own, and a covariance that was estimated is not to be trusted to the
            last digit.

    Source: lesson 13, equation (13.9).
    """

    def __init__(self, training: ImageSet, noise: float = 1e-3) -> None:
        if not noise > 0:
            raise ValueError(f"expected a variance above 0, got {noise}")
        blocks = torch.arange(len(training)).split(BLOCK)
        total, products = 0.0, 0.0
        for indices in blocks:
            pixels = training.batch(indices).flatten(1)  # (block, P)
            total = total + pixels.double().sum(dim=0)
            products = products + (pixels.T @ pixels).double()
        self.mean = total / len(training)  # (P,)
        covariance = products / len(training) - torch.outer(self.mean, self.mean)
        self.covariance = covariance + noise * torch.eye(len(covariance)).to(covariance)  # (P, P)

    def __call__(self, images: Tensor, masks: Tensor) -> Tensor:
        """Composites (B, C, H, W); errors as for `mean_fill`, and for images of another size.

        Images with the same hole, such as the centre square, share one solution of the system.
        """
        _check(images, masks)
        if images[0].numel() != len(self.mean):
            raise holes.MaskError(
                f"expected images of {len(self.mean)} numbers, as in training, got "
                f"{tuple(images.shape[1:])}"
            )
        mean, covariance = self.mean.to(images.device), self.covariance.to(images.device)
        answers = torch.zeros_like(images, dtype=torch.float64)
        distinct, which = masks.flatten(1).unique(dim=0, return_inverse=True)
        for index, hole in enumerate(distinct):
            rows = (which == index).nonzero()[:, 0]
            missing = hole.bool().view(1, *images.shape[2:]).expand(images.shape[1:]).flatten()
            known = ~missing
            gap = images[rows].double().flatten(1)[:, known] - mean[known]  # (rows, known)
            solved = torch.linalg.solve(covariance[known][:, known], gap.T)  # (known, rows)
            filled = torch.zeros(len(rows), len(missing)).to(mean)
            filled[:, missing] = mean[missing] + (covariance[missing][:, known] @ solved).T
            answers[rows] = filled.view(-1, *images.shape[1:])
        return holes.composite(answers.clamp(-1, 1), images, masks)
