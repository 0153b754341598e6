"""Eight narrow Gaussians on a circle: a data set whose modes can be counted (lesson 07)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from course_lib.picture import COLOURS, style

MODES, RADIUS, SPREAD = 8, 2.0, 0.1
#: A sample is good within so many standard deviations of the nearest centre.
NEAR = 3.0
#: A mode is covered by so large a part of the samples that are its fair share.
LEAST = 0.1


def centres() -> Tensor:
    """The eight centres, (8, 2), counted anticlockwise from (2, 0)."""
    angles = torch.arange(MODES) * (2 * math.pi / MODES)
    return RADIUS * torch.stack([angles.cos(), angles.sin()], dim=1)


def sample(*shape: int, generator: torch.Generator) -> Tensor:
    """Points of the mixture, all modes equally likely: -> (*shape, 2).

    shape: how many points, such as (B,) or (S, B). generator: on the CPU.
    """
    kinds = torch.randint(MODES, shape, generator=generator)
    return centres()[kinds] + SPREAD * torch.randn(*shape, 2, generator=generator)


@dataclass(frozen=True)
class Coverage:
    """How well points cover the eight modes.

    Attributes:
        counts: good points at each mode, (8,).
        modes: modes with at least LEAST of their fair share of good points.
        good: share of points within NEAR standard deviations of the nearest centre, in [0, 1].
    """

    counts: Tensor
    modes: int
    good: float


def coverage(points: Tensor) -> Coverage:
    """Count the modes that points (N, 2) cover, and the points that belong to one.

    A point beyond NEAR standard deviations of every centre belongs to no mode. A mode is covered
    if at least LEAST N / 8 good points are its own: one stray point is no mode.

    Raises:
        ValueError: if the points are not (N, 2) with N at least 1, or not finite.

    Source: lesson 07, section 7.9.
    """
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"expected points (N, 2), got {tuple(points.shape)}")
    if not torch.isfinite(points).all():
        raise ValueError("expected finite points; the generator has diverged")
    distances = torch.cdist(points.double(), centres().double())  # (N, 8)
    nearest, mode = distances.min(dim=1)
    near = nearest <= NEAR * SPREAD
    counts = torch.bincount(mode[near], minlength=MODES)  # (8,)
    covered = counts >= LEAST * len(points) / MODES
    return Coverage(counts, int(covered.sum()), float(near.double().mean()))


def frame(samples: Mapping[str, Tensor], reach: float = 3.0, side: float = 1.7) -> np.ndarray:
    """Clouds of points side by side over the eight circles, as a frame of a slider.

    Args:
        samples: by name, points (N, 2); a name is broken after a comma.
        reach: the square from -reach to reach is shown; points outside are not.
        side: inches of one panel.

    Returns:
        Pixels (H, W, 3), uint8.
    """
    with style():
        above = 0.36  # inches, for names of two lines
        figure = Figure(figsize=(side * len(samples), side + above), dpi=100)
        row = figure.subplots(1, len(samples), squeeze=False)[0]
        figure.subplots_adjust(left=0.01, right=0.99, top=side / (side + above), bottom=0.01)
        for axes, (name, points) in zip(row, samples.items(), strict=True):
            draw(axes, points, reach)
            axes.set_title(name.replace(", ", ",\n"), fontsize=8.5)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def draw(axes, points: Tensor, reach: float = 3.0) -> None:
    """Draw points (N, 2) into matplotlib axes, over circles of NEAR standard deviations."""
    for x, y in centres().tolist():
        angle = np.linspace(0, 2 * math.pi, 40)
        ring = NEAR * SPREAD
        axes.plot(
            x + ring * np.cos(angle), y + ring * np.sin(angle),
            color=COLOURS["orange"], linewidth=1, zorder=1,
        )  # fmt: skip
    cloud = points.detach().cpu().double().numpy()
    axes.plot(cloud[:, 0], cloud[:, 1], ".", color=COLOURS["blue"], markersize=1.5, alpha=0.6)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
    axes.grid(False)
