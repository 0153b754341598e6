"""Figures of the course, from one place: `from course_lib import plotting`.

Every function returns a Picture and needs `alt`, a sentence for readers who cannot see it. Image
grids and the picture of a training run are drawn here; charts, diagrams and the frame slider
have modules of their own.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib.charts import curves, histogram, panels, running_mean
from course_lib.diagrams import architecture
from course_lib.labels import label_lines
from course_lib.picture import (
    COLOURS,
    DPI,
    GREY,
    Picture,
    as_pixels,
    good_columns,
    mosaic,
    require_alt,
    style,
    text_size,
)
from course_lib.slider import FrameSlider, frame_slider

__all__ = [
    "COLOURS",
    "FrameSlider",
    "Picture",
    "architecture",
    "curves",
    "frame_slider",
    "histogram",
    "image_grid",
    "panels",
    "training_figure",
]

GRID_WIDTH, GRID_HEIGHT = 1050, 900  # pixels: 7.3 by 6.25 inches
LARGEST_IMAGE = 240  # pixels: enlarging one image further shows nothing new
GAP = 3  # pixels between images
SAMPLES_SIDE = 530  # pixels of the sample grid beside the losses


def image_grid(
    images: object,
    *,
    alt: str,
    columns: int | None = None,
    titles: Sequence[str] | None = None,
    row_labels: Sequence[str] | None = None,
    title: str | None = None,
) -> Picture:
    """A grid of images, each pixel enlarged to a square.

    images: (N, C, H, W) floats in [-1, 1], C 1 (shown from black at -1 to white at 1) or 3.
    columns: images in a row; about 8 unless told. titles: one per image, or one per column.
    row_labels: one per row.
    Raises ValueError or TypeError for other shapes, ranges and types, and for labels that do
    not match the grid or do not fit.
    """
    require_alt(alt)
    pixels = as_pixels(images)
    count, height, width, _ = pixels.shape
    columns = _checked_columns(columns, count)
    rows = math.ceil(count / columns)
    per_image = titles is not None and len(titles) == count and rows > 1
    if titles is not None and len(titles) not in (columns, count):
        raise ValueError(
            f"titles must be one per image ({count}) or one per column ({columns}), "
            f"got {len(titles)}."
        )
    if row_labels is not None and len(row_labels) != rows:
        raise ValueError(f"row_labels must be one per row ({rows}), got {len(row_labels)}.")
    with style():
        figure = Figure()
        left = 0
        if row_labels:
            left = 14 + max(text_size(figure, label, 8.5)[0] for label in row_labels)
        zoom = min(
            ((GRID_WIDTH - left) // columns - GAP) // width,
            (GRID_HEIGHT // rows - GAP) // height,
            LARGEST_IMAGE // max(height, width),
        )
        zoom = max(zoom, 1)
        if zoom > 3:
            zoom -= zoom % 3  # two screen pixels are three of the file, so pixels stay square
        wide, tall = zoom * width + GAP, zoom * height + GAP
        headings = [_fitted(figure, text, wide - GAP, 8) for text in titles or []]
        content = left + columns * wide - GAP
        over = (0, 0)
        if title:
            title = _fitted(figure, title, max(content, GRID_WIDTH), 10, "bold")
            over = text_size(figure, title, 10, "bold")
        above = max((text_size(figure, text, 8)[1] for text in headings), default=-8) + 8
        if per_image:
            sheets = [pixels[row * columns : (row + 1) * columns] for row in range(rows)]
            tall += above
        else:
            sheets = [pixels]
        top = (0 if per_image else above) + (over[1] + 14 if title else 0)
        size = (max(content, over[0] + 4), top + rows * tall - (0 if per_image else GAP))
        figure = Figure(figsize=(size[0] / DPI, size[1] / DPI))
        if title:
            _write(figure, size, 0, 4, title, va="top", fontsize=10, fontweight="bold")
        for index, sheet in enumerate(sheets):
            picture = mosaic(sheet, columns, zoom, GAP)
            down = top + index * tall + (above if per_image else 0)
            figure.figimage(picture, left, size[1] - down - picture.shape[0], resize=False)
        for index, text in enumerate(headings):
            across = left + index % columns * wide + (wide - GAP) / 2
            down = top + (index // columns * tall + above if per_image else 0) - 4
            _write(figure, size, across, down, text, ha="center", va="bottom", fontsize=8)
        for row, text in enumerate(row_labels or []):
            middle = top + row * tall + (above if per_image else 0) + zoom * height / 2
            _write(figure, size, left - 10, middle, text, ha="right", va="center", fontsize=8.5)
        return Picture.from_figure(figure, alt, 128 if _is_grey(pixels) else 256)


def _is_grey(pixels: np.ndarray) -> bool:
    """Whether red, green and blue agree everywhere: (N, H, W, 3) uint8 -> bool."""
    return bool((pixels == pixels[..., :1]).all())


def _checked_columns(columns: int | None, count: int) -> int:
    if columns is None:
        return good_columns(count)
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}.")
    return min(columns, count)


def _fitted(figure: Figure, text: str, room: int, points: float, weight: str = "normal") -> str:
    """The text on as few lines as make it at most `room` pixels wide."""
    for letters in range(len(text), 0, -1):
        folded = textwrap.fill(text, letters, break_long_words=False)
        if text_size(figure, folded, points, weight)[0] <= room:
            return folded
    raise ValueError(
        f"the title {text!r} does not fit in {room} pixels. Use fewer columns or a shorter title."
    )


def _write(figure: Figure, size: tuple[int, int], x: float, down: float, text: str, **how):
    """Text at a place counted in pixels from the upper left corner."""
    figure.text(x / size[0], 1 - down / size[1], text, **how)


def training_figure(
    records: Iterable[object],
    samples: object | None = None,
    *,
    alt: str,
    status: str | None = None,
    progress: float | None = None,
    ylabel: str = "loss (nats)",
) -> Picture:
    """The losses of a training run against the images seen, and beside them a grid of samples.

    records: with attributes images (int) and losses (dict name -> float); at least one. Names
    that end in "logit" are drawn in a panel of their own. samples: (N, C, H, W) in [-1, 1] or
    None. status: a line above, for example the speed. progress: the finished part in [0, 1],
    drawn as a bar, or None. ylabel: what the losses are, with the unit.
    Raises ValueError without records, and as image_grid for samples.
    """
    require_alt(alt)
    records = list(records)
    if not records:
        raise ValueError("training_figure needs at least one record, got none.")
    names = list(dict.fromkeys(name for record in records for name in record.losses))
    groups = {
        ylabel: [name for name in names if not name.endswith("logit")],
        "mean logit": [name for name in names if name.endswith("logit")],
    }
    groups = {unit: group for unit, group in groups.items() if group}
    sheet = None
    if samples is not None:
        pixels = as_pixels(samples)
        columns = math.ceil(math.sqrt(len(pixels)))
        zoom = max(1, (SAMPLES_SIDE // columns - 2) // max(pixels.shape[1:3]))
        sheet = mosaic(pixels, columns, zoom, 2)
    with style():
        above = 0 if status is None and progress is None else 48  # pixels
        size = (GRID_WIDTH, max(480, 0 if sheet is None else sheet.shape[0]) + above)
        figure = Figure(figsize=(size[0] / DPI, size[1] / DPI), layout="constrained")
        across = 1.0 if sheet is None else 1 - (sheet.shape[1] + 24) / size[0]
        figure.get_layout_engine().set(rect=(0, 0, across, 1 - above / size[1]))
        grid = figure.subplots(max(1, len(groups)), 1, sharex=True, squeeze=False).ravel()
        for axes, (unit, group) in zip(grid, groups.items(), strict=False):
            _draw_history(axes, records, group)
            axes.set_ylabel(unit)
        grid[-1].set_xlabel("images seen (thousand)")
        figure.align_ylabels()
        if _window(records) > 1:
            meaning = "Faint: each record. Strong: running mean."
            figure.supxlabel(meaning, x=across - 0.01, ha="right", fontsize=8, color=GREY)
        label_lines(figure)
        if sheet is not None:
            corner = size[0] - sheet.shape[1], size[1] - above - sheet.shape[0]
            figure.figimage(sheet, *corner, resize=False)
        if status:
            _write(figure, size, 0, 2, status, va="top", fontsize=9)
        if progress is not None:
            bar = {"height": 5 / size[1], "transform": figure.transFigure, "linewidth": 0}
            low = 1 - 36 / size[1]
            figure.add_artist(Rectangle((0, low), 1, facecolor="#E4E4E4", **bar))
            done = min(max(progress, 0.0), 1.0)
            figure.add_artist(Rectangle((0, low), done, facecolor=COLOURS["blue"], **bar))
        return Picture.from_figure(figure, alt)


def _window(records: Sequence[object]) -> int:
    """Records in a running mean: a fortieth of the run."""
    return max(1, len(records) // 40)


def _draw_history(axes: Axes, records: Sequence[object], names: Sequence[str]) -> None:
    """The named losses against thousands of images, with their running means."""
    seen = [record.images / 1000 for record in records]
    window = _window(records)
    for colour, name in zip(COLOURS.values(), names, strict=False):
        values = np.array([record.losses.get(name, math.nan) for record in records])
        if window > 1:
            axes.plot(seen, values, color=colour, alpha=0.25, linewidth=0.7)
        axes.plot(seen, running_mean(values, window), color=colour, label=name)
    if seen[0] < seen[-1]:
        axes.set_xlim(seen[0], seen[-1])
