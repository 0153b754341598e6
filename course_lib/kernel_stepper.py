"""A kernel that is moved over an image step by step (lesson 02).

In a saved notebook it is a slider through some of the steps; where a person looks, a widget in
which the image, the kernel and its numbers can be chosen. Only what ipywidgets 7.7 offers is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from course_lib import convolution
from course_lib.audience import audience
from course_lib.picture import COLOURS, Picture, require_alt, style
from course_lib.slider import FrameSlider, frame_slider

FRAMES = 12  # of the static slider
PRINT = 7.5  # points
LARGEST = 20  # pixels of an image side: more windows than that nobody steps through


def step_figure(image: Tensor, kernel: Tensor, step: int) -> Figure:
    """One window: the image with it, the products in it, and the result so far.

    Args:
        image: (H, W), any range.
        kernel: (K, K).
        step: number of the window, counted row by row from 0.
    """
    size = len(kernel)
    result = convolution.conv2d_im2col(image[None, None], kernel[None, None])[0, 0]
    rows, columns = result.shape
    top, left = divmod(step, columns)
    patch = image[top : top + size, left : left + size]
    reach = float(result.abs().max()) or 1.0
    done = np.full(rows * columns, np.nan)
    done[: step + 1] = result.flatten()[: step + 1]
    with style():
        figure = Figure(figsize=(7.2, 2.55), dpi=100)
        axes = figure.subplots(1, 3, width_ratios=(1, 1.25, 1))
        figure.subplots_adjust(left=0.01, right=0.99, top=0.88, bottom=0.1, wspace=0.08)
        axes[0].imshow(image.numpy(), cmap="gray", vmin=-1, vmax=1)
        _outline(axes[0], left, top, size)
        axes[0].set_title("image", fontsize=9)
        products = patch * kernel
        axes[1].imshow(products.numpy(), cmap="PuOr_r", vmin=-1.5, vmax=1.5, alpha=0.55)
        for row in range(size):
            for column in range(size):
                product = f"{patch[row, column]:.2g} × {kernel[row, column]:.2g}"
                axes[1].text(
                    column, row, product.replace("-", "−"),
                    ha="center", va="center", fontsize=PRINT if size <= 3 else PRINT - 2.5,
                )  # fmt: skip
        axes[1].set_title("pixel × weight", fontsize=9)
        total = f"sum: {float(products.sum()):.2f}".replace("-", "−")
        axes[1].set_xlabel(total, fontsize=10, fontweight="bold", labelpad=3)
        axes[2].imshow(done.reshape(rows, columns), cmap="PuOr_r", vmin=-reach, vmax=reach)
        axes[2].set_xlim(-0.5, columns - 0.5)
        _outline(axes[2], left, top, 1)
        axes[2].set_title("result so far", fontsize=9)
        axes[2].set_xlabel("violet: negative, orange: positive", fontsize=PRINT, labelpad=3)
        for part in axes:
            part.set_xticks([])
            part.set_yticks([])
            for spine in part.spines.values():
                spine.set_visible(True)
                spine.set_color("0.6")
    return figure


def _outline(axes: Any, left: int, top: int, size: int) -> None:
    axes.add_patch(
        Rectangle(
            (left - 0.5, top - 0.5), size, size,
            fill=False, edgecolor=COLOURS["vermillion"], linewidth=2,
        )
    )  # fmt: skip


def _pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # (H, W, 3)


@dataclass
class KernelStepper:
    """Some steps as a static slider, and a widget with all of them."""

    images: Mapping[str, Tensor]
    kernels: Mapping[str, Tensor]
    alt: str
    frames: FrameSlider

    def controls(self) -> Any:
        """Image, kernel, its numbers and the step, and the picture they make, as one widget."""
        import ipywidgets  # not needed for the static slider

        picture = ipywidgets.Image(format="png", layout={"width": "690px"})
        image = ipywidgets.Dropdown(options=list(self.images), description="image")
        kernel = ipywidgets.Dropdown(options=list(self.kernels), description="kernel")
        size = len(next(iter(self.kernels.values())))
        cells = [
            ipywidgets.FloatText(step=0.5, layout={"width": "62px"}) for _ in range(size * size)
        ]
        step = ipywidgets.IntSlider(min=0, max=1, description="step", layout={"width": "420px"})
        busy = [False]  # many values change at once when another kernel is chosen: draw once

        def draw(change: object = None) -> None:
            if busy[0]:
                return
            shown = self.images[image.value]
            step.max = (shown.shape[0] - size + 1) * (shown.shape[1] - size + 1) - 1
            weights = torch.tensor([cell.value for cell in cells]).reshape(size, size)
            figure = step_figure(shown, weights.to(shown.dtype), step.value)
            picture.value = Picture.from_figure(figure, self.alt).png

        def choose(change: object = None) -> None:
            busy[0] = True
            for cell, weight in zip(cells, self.kernels[kernel.value].flatten(), strict=True):
                cell.value = round(float(weight), 3)
            busy[0] = False
            draw()

        kernel.observe(choose, names="value")
        for control in (image, step, *cells):
            control.observe(draw, names="value")
        choose()
        table = ipywidgets.VBox(
            [ipywidgets.HBox(cells[row * size : (row + 1) * size]) for row in range(size)]
        )
        chosen = ipywidgets.HBox([ipywidgets.VBox([image, kernel]), table])
        return ipywidgets.VBox([chosen, step, picture])

    def _ipython_display_(self) -> None:
        from IPython.display import display

        # A widget needs a kernel; in a file it would be an error message.
        display(self.controls() if audience() == "person" else self.frames)


def kernel_stepper(
    images: Mapping[str, Tensor],
    kernels: Mapping[str, Sequence[Sequence[float]]],
    *,
    alt: str,
    limit: int = 120_000,
) -> KernelStepper:
    """Move a kernel over an image, one window after the other.

    Args:
        images: by name, each (H, W) in [-1, 1] with sides of at most 20; the first is shown first.
        kernels: by name, tables of numbers, all of one size K x K.
        alt: says what a step shows.
        limit: characters of the static slider's HTML.

    Raises:
        ValueError: for images and kernels of other shapes, or none.
    """
    require_alt(alt)
    tables = {name: torch.as_tensor(table).double() for name, table in kernels.items()}
    shapes = {tuple(table.shape) for table in tables.values()}
    if len(shapes) != 1 or len(set(next(iter(shapes)))) != 1:
        raise ValueError(f"expected kernels of one square shape, got {sorted(shapes)}")
    (size,) = set(next(iter(shapes)))
    if not images:
        raise ValueError("expected at least one image, got none")
    for name, image in images.items():
        if image.ndim != 2 or not all(size <= side <= LARGEST for side in image.shape):
            raise ValueError(
                f"expected images (H, W) with sides from {size} to {LARGEST}, got "
                f"{tuple(image.shape)} for {name!r}"
            )
    pictures = {name: image.detach().cpu().double() for name, image in images.items()}
    image, kernel = next(iter(pictures.values())), next(iter(tables.values()))
    rows, columns = (side - size + 1 for side in image.shape)
    # The first three steps show the movement, the others how the result fills up.
    steps = sorted(
        {0, 1, 2} | {round(s) for s in np.linspace(columns, rows * columns - 1, FRAMES - 3)}
    )
    frames = frame_slider(
        [_pixels(step_figure(image, kernel, step)) for step in steps],
        alt=alt,
        labels=[f"window {step + 1} of {rows * columns}" for step in steps],
        limit=limit,
    )
    return KernelStepper(pictures, tables, alt, frames)
