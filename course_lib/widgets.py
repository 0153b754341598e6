"""Live views in a notebook: a training run as it happens, and a latent space to move in.

Where a notebook is executed with nobody there (built, tested, converted), each leaves one static
picture; outside IPython the training view is silent. Only what ipywidgets 7.7 offers is used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from course_lib import plotting
from course_lib.audience import audience as _audience
from course_lib.kernel_stepper import KernelStepper, kernel_stepper
from course_lib.picture import require_alt

__all__ = ["KernelStepper", "LatentExplorer", "kernel_stepper", "latent_explorer", "moved", "watch"]

DRAWING_SHARE = 0.1  # of the time at most goes into drawing, however slow the machine
DIRECTIONS = 4
REACH = 2.0  # tangent of the largest angle, about 63 degrees
STOPS = 7  # images in a row of the static picture


def watch(
    records: Iterable[Any],
    *,
    total: int | None = None,
    sample: Callable[[], Tensor] | None = None,
    every: float = 2.0,
    clock: Callable[[], float] = time.monotonic,
    alt: str | None = None,
    ylabel: str = "loss (nats)",
) -> Iterator[Any]:
    """Pass the records of a training run through, and draw them as they come.

    records: with attributes step, images, rate (images per second), seconds and losses (dict
    name -> float). total: steps of the whole run, for the time left. sample: returns images
    (N, C, H, W) in [-1, 1] to show beside the losses; give it its own random generator, so that
    looking changes nothing. every: seconds between drawings, at least. clock: seconds, for tests.
    ylabel: what the losses are, with the unit.
    The picture stays when training ends, fails or is interrupted. Yields every record, unchanged.
    """
    alt = alt or "The losses of the training run by images seen" + (
        ", beside a grid of generated images." if sample else "."
    )
    audience = _audience()
    if audience is None:
        yield from records
        return
    kept: list[Any] = []
    handle, due = None, clock()
    try:
        for record in records:
            kept.append(record)
            if audience == "person" and clock() >= due:
                begun = clock()
                handle = _show(
                    _training_picture(kept, total, sample, alt, ylabel, live=True), handle
                )
                now = clock()
                due = now + max(every, (now - begun) / DRAWING_SHARE)
            yield record
    finally:
        if kept:
            _show(_training_picture(kept, total, sample, alt, ylabel, live=False), handle)


def _show(picture: plotting.Picture, handle: Any) -> Any:
    """Show a picture in the place of the one that the handle stands for; returns the handle."""
    from IPython.display import display  # the library also works where IPython is missing

    if handle is None:
        return display(picture, display_id=True)
    handle.update(picture)
    return handle


def _training_picture(
    records: list[Any],
    total: int | None,
    sample: Callable | None,
    alt: str,
    ylabel: str,
    live: bool,
) -> plotting.Picture:
    first, last = records[0], records[-1]
    status = f"{last.step:,} steps, {last.images:,} images in {_minutes(last.seconds)}"
    progress = None
    if live and total:
        progress = last.step / total
        # A resumed run has steps behind it whose seconds say nothing about this machine.
        steps, seconds = last.step - first.step, last.seconds - first.seconds
        pace = seconds / steps if steps else last.images / max(last.step, 1) / max(last.rate, 1e-9)
        left = _minutes(max(total - last.step, 0) * pace)
        status = f"step {last.step:,} of {total:,}, {last.rate:,.0f} images/s, {left} left"
    elif live:
        status += f", {last.rate:,.0f} images/s"
    elif last.seconds > 0:
        status += f", {last.images / last.seconds:,.0f} images/s"
    samples = sample() if sample else None
    return plotting.training_figure(
        records, samples, alt=alt, status=status, progress=progress, ylabel=ylabel
    )


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


@dataclass
class LatentExplorer:
    """A picture of sweeps through latent space, with sliders where a person looks."""

    picture: plotting.Picture
    generate: Callable[[Tensor], Tensor]
    start: Tensor  # (Z,)
    directions: Tensor  # (D, Z), orthonormal
    random: torch.Generator

    def at(self, amounts: Tensor) -> Tensor:
        """The latent vectors at amounts (N, D) along the directions: (N, Z)."""
        return moved(self.start, self.directions, amounts)

    def controls(self) -> Any:
        """The sliders, the button and the image as one widget of ipywidgets."""
        import ipywidgets  # not needed for the picture

        image = ipywidgets.Image(format="png", layout={"width": "200px", "height": "200px"})
        sliders = [
            ipywidgets.FloatSlider(
                value=0.0, min=-REACH, max=REACH, step=0.1, description=f"direction {number}"
            )
            for number in range(1, len(self.directions) + 1)
        ]
        button = ipywidgets.Button(description="new starting point")

        def draw(change: object = None) -> None:
            amounts = torch.tensor([[slider.value for slider in sliders]])  # (1, D)
            with torch.no_grad():
                images = self.generate(self.at(amounts))
            image.value = plotting.image_grid(images, alt=self.picture.alt).png

        def restart(button: object) -> None:
            self.start = torch.randn(len(self.start), generator=self.random)
            if any(slider.value for slider in sliders):
                for slider in sliders:
                    slider.value = 0.0  # each change draws
            else:
                draw()

        for slider in sliders:
            slider.observe(draw, names="value")
        button.on_click(restart)
        draw()
        return ipywidgets.HBox([image, ipywidgets.VBox([*sliders, button])])

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.picture)
        # A widget needs a kernel; in a file it would be an error message below the picture.
        if _audience() == "person":
            display(self.controls())


def latent_explorer(
    generate: Callable[[Tensor], Tensor],
    latent: int,
    *,
    alt: str,
    seed: int = 0,
    directions: int = DIRECTIONS,
) -> LatentExplorer:
    """Move through latent space along random directions, with sliders or as a static picture.

    generate: latent vectors (N, Z) to images (N, C, H, W) in [-1, 1], on the CPU or any device.
    latent: Z. alt: says what the sweeps show. seed: of the starting point and the directions.
    directions: sliders, and rows of the picture. Its middle column is the starting point.
    Raises ValueError for directions outside 1 to Z.
    """
    require_alt(alt)
    if not 1 <= directions <= latent:
        raise ValueError(f"directions must be 1 to the latent size {latent}, got {directions}.")
    random = torch.Generator().manual_seed(seed)
    start = torch.randn(latent, generator=random)  # (Z,)
    basis, _ = torch.linalg.qr(torch.randn(latent, directions, generator=random))
    axes = basis.T  # (D, Z)
    stops = REACH * torch.arange(-(STOPS // 2), STOPS // 2 + 1) / (STOPS // 2)
    amounts = torch.cat([stops[:, None] * row for row in torch.eye(directions)])  # (D * STOPS, D)
    with torch.no_grad():
        images = generate(moved(start, axes, amounts))
    picture = plotting.image_grid(
        images,
        alt=alt,
        columns=STOPS,
        titles=[f"{stop:+.1f}".replace("-", "−") if stop else "start" for stop in stops.tolist()],
        row_labels=[f"direction {number}" for number in range(1, directions + 1)],
    )
    return LatentExplorer(picture, generate, start, axes, random)


def moved(start: Tensor, directions: Tensor, amounts: Tensor) -> Tensor:
    """The start turned by `amounts` towards the directions, with its length kept: -> (N, Z).

    start: (Z,). directions: (D, Z), orthonormal. amounts: (N, D), in lengths of the start. The
    length is kept because samples of a Gaussian lie near one sphere: a longer vector would be
    one that the generator was never trained on.
    """
    length = start.norm()
    z = start + length * amounts @ directions  # (N, Z)
    return z * (length / z.norm(dim=1, keepdim=True))
