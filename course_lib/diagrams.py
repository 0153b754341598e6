"""Diagrams of networks, drawn by code."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib.picture import COLOURS, GREY, WIDTH, Picture, require_alt, style, text_size

TALLEST, SHORTEST = 1.5, 0.1  # inches of the highest resolution, and at least
NARROWEST, WIDEST = 0.14, 0.62  # inches of one channel, and of the most
PRINT = 7.5  # points
MARGIN = 0.06  # inches


def architecture(
    blocks: Sequence[tuple[str, tuple[int, ...]]],
    *,
    alt: str,
    title: str | None = None,
    skips: Sequence[tuple[int, int]] = (),
) -> Picture:
    """A network as a row of boxes: taller is higher resolution, wider is more channels.

    blocks: (operation, shape of its result) in order; the first is the input and its name. A
    shape is (C, H, W), or (C,) for a vector; it stands under its box, the operation above its
    arrow. Heights are proportional to H, widths to log C.
    skips: pairs (i, j) of boxes, counted from 0, of equal height and taller than those between
    them; a blue arrow below the middle says that the map of box i is also given to what makes j.
    Raises ValueError for fewer than two blocks, more than eight, other shapes, and other skips.
    """
    require_alt(alt)
    if not 2 <= len(blocks) <= 8:
        raise ValueError(f"architecture draws 2 to 8 blocks, got {len(blocks)}.")
    for name, shape in blocks:
        if len(shape) not in (1, 3) or any(int(size) != size or size < 1 for size in shape):
            raise ValueError(f"the shape of {name!r} must be (C, H, W) or (C,), got {shape}.")
    heights = [shape[1] if len(shape) == 3 else 1 for _, shape in blocks]
    tall = [max(SHORTEST, TALLEST * height / max(heights)) for height in heights]
    for first, last in skips:
        if not (first >= 0 and first + 1 < last < len(blocks)) or not (
            heights[first] == heights[last] > max(heights[first + 1 : last])
        ):
            raise ValueError(
                "a skip joins two boxes of equal height with lower ones between them, "
                f"got {(first, last)} for heights {heights}."
            )
    most = max(2, *(shape[0] for _, shape in blocks))
    wide = [
        NARROWEST + (WIDEST - NARROWEST) * math.log(shape[0]) / math.log(most)
        for _, shape in blocks
    ]
    shapes = [" × ".join(str(size) for size in shape) for _, shape in blocks]
    with style():
        above = 0.22 + (0.25 if title else 0)  # inches
        figure = Figure(figsize=(WIDTH, above + TALLEST + 0.3))
        centres = _centres(figure, [name for name, _ in blocks], shapes, wide)
        top = TALLEST / 2 + above
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(-TALLEST / 2 - 0.3, top)
        if title:
            axes.text(0.02, top - 0.04, title, va="top", fontsize=10, fontweight="bold")
        for index, (name, _) in enumerate(blocks):
            end = index in (0, len(blocks) - 1)
            axes.add_patch(
                Rectangle(
                    (centres[index] - wide[index] / 2, -tall[index] / 2), wide[index], tall[index],
                    facecolor=COLOURS["orange" if end else "sky"], edgecolor="black", linewidth=0.8,
                )
            )  # fmt: skip
            axes.text(
                centres[index], -TALLEST / 2 - 0.07, shapes[index],
                ha="center", va="top", fontsize=PRINT,
            )  # fmt: skip
            if index == 0:
                axes.text(centres[0], tall[0] / 2 + 0.06, name, ha="center", fontsize=PRINT + 0.5)
                continue
            start = centres[index - 1] + wide[index - 1] / 2
            stop = centres[index] - wide[index] / 2
            axes.annotate(
                "", (stop - 0.02, 0), (start + 0.02, 0),
                arrowprops={"arrowstyle": "->", "color": GREY, "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
            axes.text(
                (start + stop) / 2, 0.06, _folded(figure, name, stop - start),
                ha="center", va="bottom", fontsize=PRINT,
            )  # fmt: skip
        for first, last in skips:
            level = -(tall[first] + max(tall[first + 1 : last])) / 4  # past the boxes between
            axes.annotate(
                "",
                (centres[last] - wide[last] / 2 - 0.02, level),
                (centres[first] + wide[first] / 2 + 0.02, level),
                arrowprops={
                    "arrowstyle": "->",
                    "color": COLOURS["blue"],
                    "shrinkA": 0,
                    "shrinkB": 0,
                },
            )
        return Picture.from_figure(figure, alt)


def _inches(figure: Figure, text: str) -> float:
    return text_size(figure, text, PRINT)[0] / figure.dpi


def _centres(
    figure: Figure, names: Sequence[str], shapes: Sequence[str], wide: Sequence[float]
) -> list[float]:
    """Where the boxes stand, in inches from the left, so that no two texts meet.

    The longest word of an operation must fit between its boxes, and the shapes side by side
    below them; what is left of the width is shared by all the arrows.
    """
    half = [max(w, _inches(figure, text)) / 2 for w, text in zip(wide, shapes, strict=True)]
    half[0] = max(half[0], _inches(figure, names[0]) / 2)
    steps = [
        max(
            (wide[i] + wide[i + 1]) / 2
            + max(_inches(figure, word) for word in names[i + 1].split())
            + MARGIN,
            half[i] + half[i + 1] + MARGIN,
        )
        for i in range(len(names) - 1)
    ]
    spare = (WIDTH - 2 * MARGIN - half[0] - half[-1] - sum(steps)) / len(steps)
    if spare < 0:
        raise ValueError(
            f"the diagram is {-spare * len(steps):.1f} inches too wide. "
            "Use shorter words for the operations, or fewer blocks."
        )
    first = MARGIN + half[0]
    return [first + sum(steps[:i]) + i * spare for i in range(len(names))]


def _folded(figure: Figure, text: str, room: float) -> str:
    """The text on lines at most `room` inches wide; after a comma a new line begins."""
    if _inches(figure, text) <= room:
        return text
    lines = []
    for part in text.replace(", ", ",\n").split("\n"):
        for letters in range(len(part), 0, -1):
            folded = textwrap.fill(part, letters, break_long_words=False)
            if _inches(figure, folded) <= room:
                break
        lines.append(folded)
    return "\n".join(lines)
