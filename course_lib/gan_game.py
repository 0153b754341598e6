"""The game on a line with exact densities: move the generator and see what it is told (lesson 07).

The generated numbers are mean + width * z with z from N(0, 1); the discriminator is the best one,
from the exact densities. In a saved notebook this is a slider through a descent; where a person
looks, a widget. Only what ipywidgets 7.7 offers is used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from course_lib import divergences
from course_lib.audience import audience
from course_lib.picture import COLOURS, Picture, require_alt, style
from course_lib.slider import FrameSlider, frame_slider

#: A mixture of Gaussians: (share, mean, standard deviation) of each; the shares add up to one.
Parts = Sequence[tuple[float, float, float]]

REAL: dict[str, Parts] = {
    "one Gaussian": [(1.0, 1.0, 1.0)],
    "two Gaussians": [(0.5, -2.0, 0.6), (0.5, 2.0, 0.6)],
}
LOSSES = ("saturating", "non-saturating")
REACH, POINTS = 16.0, 6401  # the grid goes from -REACH to REACH
START = (-3.0, 0.7)  # mean and width of the first generator
RATE = 0.3  # of one step of gradient descent
FRAMES = (0, 1, 2, 4, 7, 12, 20, 40)  # steps that the static slider shows
QUANTILES = 9  # samples whose arrows are drawn
LONGEST = 1.5  # length of an arrow on the page, in units of x, for the largest slope drawn


def log_mixture(x: Tensor, parts: Parts) -> Tensor:
    """Logarithm of a mixture's density at places of any shape."""
    terms = [
        math.log(share) - ((x - mean) / width) ** 2 / 2 - math.log(width * math.sqrt(2 * math.pi))
        for share, mean, width in parts
    ]
    return torch.logsumexp(torch.stack(terms), dim=0)


def best_logit(x: Tensor, real: Parts, mean: float, width: float) -> Tensor:
    """The logit log p/q of the best discriminator against N(mean, width^2), at places x."""
    return log_mixture(x, real) - log_mixture(x, [(1.0, mean, width)])


def pushes(x: Tensor, real: Parts, mean: float, width: float) -> dict[str, Tensor]:
    """Minus the slope of each generator loss in the sample, at samples x (N,): loss -> (N,).

    Descent moves a sample by this much times the rate. The discriminator is held fixed.
    """
    x = x.detach().requires_grad_()
    logit = best_logit(x, real, mean, width)
    values = {"saturating": -F.softplus(logit), "non-saturating": F.softplus(-logit)}
    return {
        name: -torch.autograd.grad(value.sum(), x, retain_graph=True)[0]
        for name, value in values.items()
    }


def descended(
    real: Parts, mean: float, width: float, loss: str, rate: float = RATE
) -> tuple[float, float]:
    """Mean and width of the generator after one step of descent; the width's logarithm moves.

    Raises:
        ValueError: for a loss that is not one of LOSSES.
    """
    if loss not in LOSSES:
        raise ValueError(f"expected a loss in {LOSSES}, got {loss!r}")
    z = torch.linspace(-6, 6, 801, dtype=torch.float64)
    weight = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    push = pushes(mean + width * z, real, mean, width)[loss]
    to_mean = divergences.integral(weight * push, z)
    to_log_width = divergences.integral(weight * push * width * z, z)
    # One step may not change the width by more than half: where q is narrow, slopes are steep.
    log_width = math.log(width) + max(-0.5, min(0.5, rate * float(to_log_width)))
    return mean + max(-1.0, min(1.0, rate * float(to_mean))), math.exp(log_width)


def game_figure(real: Parts, mean: float, width: float) -> Figure:
    """Densities and best discriminator, what it tells the samples, and two divergences."""
    x = torch.linspace(-REACH, REACH, POINTS, dtype=torch.float64)
    p, q = log_mixture(x, real).exp(), log_mixture(x, [(1.0, mean, width)]).exp()
    levels = (torch.arange(QUANTILES, dtype=torch.float64) + 0.5) / QUANTILES
    samples = mean + width * torch.special.ndtri(levels)  # (QUANTILES,)
    with style():
        figure = Figure(figsize=(7.0, 3.9), dpi=100)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.3, 1))
        figure.subplots_adjust(left=0.19, right=0.97, top=0.9, bottom=0.13, hspace=0.12)
        best = torch.sigmoid(best_logit(x, real, mean, width))
        above.plot(x, p, color=COLOURS["blue"])
        above.plot(x, q, color=COLOURS["vermillion"])
        above.plot(x, best, color=COLOURS["black"], linewidth=1)
        above.set(ylim=(0, 1.05), xlim=(-6, 6))
        for text, colour, height in (
            ("p, real", "blue", 0.75), ("q, generated", "vermillion", 0.5), ("D*", "black", 0.25),
        ):  # fmt: skip
            above.text(
                -0.07, height, text, color=COLOURS[colour], ha="right", transform=above.transAxes
            )
        far, way = divergences.jsd(p, q, x), divergences.wasserstein(p, q, x)
        above.set_title(
            f"mean {mean:.2f}, width {width:.2f}:   JSD = {float(far):.3f} "
            f"(at most {math.log(2):.3f}),   W1 = {float(way):.2f}".replace("-", "−")
        )
        _draw_pushes(below, samples, pushes(samples, real, mean, width))
    return figure


def _draw_pushes(axes: Axes, samples: Tensor, told: Mapping[str, Tensor]) -> None:
    """The slope that each loss gives each sample, as arrows in two rows on one scale."""
    largest = max(float(push.abs().max()) for push in told.values())
    scale = LONGEST / max(largest, 1.0)
    for row, name in enumerate(LOSSES):
        for number, (at, push) in enumerate(
            zip(samples.tolist(), told[name].tolist(), strict=True)
        ):
            height = row + (number / (len(samples) - 1) - 0.5) * 0.7  # one above the other
            axes.plot(at, height, ".", color=COLOURS["vermillion"], markersize=5)
            if abs(push) * scale > 0.05:
                axes.annotate(
                    "", (at + push * scale, height), (at, height),
                    arrowprops={"arrowstyle": "->", "color": "0.25", "shrinkA": 0, "shrinkB": 0},
                )  # fmt: skip
    axes.set_yticks(range(len(LOSSES)), LOSSES)
    axes.grid(False, axis="y")
    axes.axhline(0.5, color="0.8", linewidth=0.8)
    axes.set(
        ylim=(-0.5, 1.5), xlabel="x; arrows: the push on nine samples, both losses on one scale"
    )


def _pixels(figure: Figure) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # (H, W, 3)


@dataclass
class GanGame:
    """A descent as a static slider, and a widget to move the generator by hand."""

    real: Mapping[str, Parts]
    alt: str
    frames: FrameSlider

    def controls(self) -> Any:
        """Sliders for mean and width, one step of either loss, and the picture, as one widget."""
        import ipywidgets  # not needed for the static slider

        picture = ipywidgets.Image(format="png", layout={"width": "700px"})
        real = ipywidgets.Dropdown(options=list(self.real), description="real")
        mean = ipywidgets.FloatSlider(
            value=START[0], min=-4.0, max=4.0, step=0.05, description="mean"
        )
        width = ipywidgets.FloatSlider(
            value=START[1], min=0.1, max=3.0, step=0.05, description="width"
        )
        buttons = [ipywidgets.Button(description=f"{name} step") for name in LOSSES]
        place = list(START)  # exact: the sliders round
        busy = [False]  # a step moves both sliders: draw once

        def draw() -> None:
            figure = game_figure(self.real[real.value], *place)
            picture.value = Picture.from_figure(figure, self.alt).png

        def moved(change: object = None) -> None:
            if not busy[0]:
                place[:] = mean.value, width.value
                draw()

        def step(button: Any) -> None:
            loss = LOSSES[buttons.index(button)]
            new = descended(self.real[real.value], *place, loss)
            busy[0] = True
            mean.value, width.value = new
            busy[0] = False
            place[:] = min(max(new[0], mean.min), mean.max), min(max(new[1], width.min), width.max)
            draw()

        for control in (real, mean, width):
            control.observe(moved, names="value")
        for button in buttons:
            button.on_click(step)
        draw()
        chosen = ipywidgets.VBox([real, mean, width])
        return ipywidgets.VBox([ipywidgets.HBox([chosen, ipywidgets.VBox(buttons)]), picture])

    def _ipython_display_(self) -> None:
        from IPython.display import display

        # A widget needs a kernel; in a file it would be an error message.
        display(self.controls() if audience() == "person" else self.frames)


def gan_game(*, alt: str, loss: str = "non-saturating", limit: int = 120_000) -> GanGame:
    """The game on a line, to play or as a slider through a descent of one loss.

    Args:
        alt: says what a frame shows.
        loss: which of LOSSES the generator of the static slider descends.
        limit: characters of the static slider's HTML.

    Raises:
        ValueError: for another loss, and without an alt text.
    """
    require_alt(alt)
    real = next(iter(REAL.values()))
    place, pictures = START, []
    for step in range(max(FRAMES) + 1):
        if step in FRAMES:
            pictures.append(_pixels(game_figure(real, *place)))
        place = descended(real, *place, loss)
    labels = [f"after {step} steps, {loss}" for step in FRAMES]
    return GanGame(REAL, alt, frame_slider(pictures, alt=alt, labels=labels, limit=limit))
