"""Pictures with alternative text, the one figure style of the course, and mosaics of images."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from course_lib.files import whole

# Okabe and Ito (2008), "Color Universal Design": told apart with every common colour vision.
# The order is the order of use; yellow is last because it is too pale for lines on white.
COLOURS = {
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "sky": "#56B4E9",
    "orange": "#E69F00",
    "black": "#000000",
    "yellow": "#F0E442",
}
GREY = "#6B6B6B"  # notes and reference lines

WIDTH = 7.0  # inches
DPI = 144  # pixels of the file per inch
SCREEN = 96  # CSS pixels per inch: a figure is shown at its size in inches

STYLE = {
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "image.interpolation": "nearest",
    "image.cmap": "gray",
    "axes.prop_cycle": matplotlib.cycler(color=list(COLOURS.values())),
}


@dataclass(frozen=True)
class Picture:
    """A PNG file with the sentence that stands in for it where it cannot be seen.

    png: the file's bytes. alt: the sentence. width: width on a page, in CSS pixels (1/96 inch).
    """

    png: bytes = field(repr=False)
    alt: str
    width: int

    def __post_init__(self) -> None:
        require_alt(self.alt)

    @classmethod
    def from_figure(cls, figure: Figure, alt: str, colours: int = 128) -> Picture:
        """The picture of a matplotlib figure, stored with at most `colours` colours.

        figure: a matplotlib.figure.Figure, drawn here at its own size and resolution.
        """
        require_alt(alt)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]  # (H, W, 3)
        width = round(pixels.shape[1] * SCREEN / figure.dpi)
        return cls(palette_png(pixels, colours), alt, width)

    def save(self, path: str | Path) -> Path:
        """Write the PNG file to `path`, whole or not at all, and return the path."""
        path = Path(path)
        with whole(path) as aside:
            aside.write_bytes(self.png)
        return path

    def _repr_mimebundle_(self, include=None, exclude=None) -> tuple[dict, dict]:
        data = {
            "image/png": base64.b64encode(self.png).decode("ascii"),
            "text/plain": "Picture: " + self.alt,
        }
        return data, {"image/png": {"alt": self.alt, "width": self.width}}


def require_alt(alt: str) -> None:
    """Raise ValueError unless `alt` is a sentence."""
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(
            f"alt must be a sentence that says what the picture shows, got {alt!r}. "
            "Readers who cannot see the picture read it instead."
        )


def palette_png(pixels: np.ndarray, colours: int = 128) -> bytes:
    """A PNG file with a palette: (H, W, 3) uint8 -> bytes.

    A palette holds a figure in about a quarter of the bytes of full colour. Greys get a palette
    of evenly spaced levels, because an adaptive one may merge the rare ones. Other colours are
    chosen for the largest error and not for the most frequent colours, then moved to the mean of
    the pixels that they stand for: the extremes of a colour map are rare, and matter. Nothing is
    dithered: it would add a pattern that is not in the data.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels))
    found = image.getcolors(colours)
    grey = bool((pixels == pixels[..., :1]).all())
    if found is None and grey:
        levels = np.linspace(0, 255, colours).round().astype(np.uint8)  # (L,)
        index = (pixels[..., 0] * ((colours - 1) / 255.0)).round().astype(np.uint8)  # (H, W)
        indexed = Image.fromarray(index)
        indexed.putpalette(np.repeat(levels, 3).tobytes())
    else:
        indexed = image.quantize(
            colours, method=Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE
        )
    file = io.BytesIO()
    indexed.save(file, "PNG", optimize=True)
    return file.getvalue()


@contextmanager
def style() -> Iterator[None]:
    """The course's matplotlib settings, for the duration of a with block.

    It starts from matplotlib's defaults, so that a reader's own settings change no figure.
    """
    with matplotlib.style.context(STYLE, after_reset=True):
        yield


def text_size(figure: Figure, text: str, points: float, weight: str = "normal") -> tuple[int, int]:
    """Width and height of a text in pixels of the figure."""
    probe = Text(0, 0, text, fontsize=points, fontweight=weight, figure=figure)
    box = probe.get_window_extent(FigureCanvasAgg(figure).get_renderer())
    return math.ceil(box.width), math.ceil(box.height)


def as_array(values: object, name: str) -> np.ndarray:
    """Numbers of any kind (torch, numpy, list) as a numpy array; complex and text are refused."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if values.is_floating_point():
            values = values.double()  # numpy has no bfloat16
        values = values.numpy()
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got {array.dtype}.")
    return array


def as_pixels(images: object) -> np.ndarray:
    """Images in [-1, 1] as pixels: (N, C, H, W) float -> (N, H, W, 3) uint8.

    Raises TypeError for numbers that are not floating point and ValueError for any other shape,
    an empty batch, values that are not finite, and values outside [-1.01, 1.01].
    """
    array = as_array(images, "images")
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        raise ValueError(
            "images must have shape (N, C, H, W) with C = 1 or 3, got "
            f"{array.shape}. One image x of shape (C, H, W) is passed as x[None]."
        )
    if array.size == 0:
        raise ValueError(f"images must hold at least one image, got shape {array.shape}.")
    if array.dtype.kind != "f":
        raise TypeError(
            f"images must be floating point in [-1, 1], got {array.dtype}. "
            "course_lib.data.normalise converts pixels 0 to 255."
        )
    if not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise ValueError(f"images must be finite, got {count} values that are NaN or infinite.")
    low, high = float(array.min()), float(array.max())
    if low < -1.01 or high > 1.01:
        raise ValueError(
            f"images must lie in [-1, 1], got [{low:.3g}, {high:.3g}]. "
            "Images in [0, 1] are passed as 2 * x - 1."
        )
    pixels = np.clip((array + 1) * 127.5, 0, 255).round().astype(np.uint8)
    pixels = pixels.transpose(0, 2, 3, 1)  # (N, H, W, C)
    return np.broadcast_to(pixels, (*pixels.shape[:3], 3))


def good_columns(count: int) -> int:
    """The number of columns in which `count` images make a full rectangle of about 8 columns."""
    if count <= 8:
        return count
    full = [columns for columns in range(5, 13) if count % columns == 0]
    return min(full, key=lambda columns: abs(columns - 8), default=8)


def mosaic(pixels: np.ndarray, columns: int, zoom: int = 1, gap: int = 2) -> np.ndarray:
    """Images side by side on white, each pixel repeated `zoom` times (nearest neighbour).

    pixels: (N, H, W, 3) uint8, row by row. gap: white pixels between images.
    Returns (rows * (zoom * H + gap) - gap, columns * (zoom * W + gap) - gap, 3) uint8.
    """
    count, height, width, _ = pixels.shape
    rows = math.ceil(count / columns)
    tall, wide = height * zoom + gap, width * zoom + gap
    sheet = np.full((rows * tall, columns * wide, 3), 255, np.uint8)
    for index, image in enumerate(pixels):
        top, left = index // columns * tall, index % columns * wide
        large = image.repeat(zoom, axis=0).repeat(zoom, axis=1)
        sheet[top : top + height * zoom, left : left + width * zoom] = large
    return sheet[: rows * tall - gap, : columns * wide - gap]
