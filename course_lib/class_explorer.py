"""Choose a class and turn dials: a conditional generator to play with (lesson 12)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from course_lib import plotting
from course_lib.audience import audience
from course_lib.picture import require_alt

REACH = 1.0  # a dial goes from -REACH to REACH
STOPS = 5  # images in a row of the static picture

#: (N, Z) latent vectors, (N,) kinds and (N, J) dials to (N, C, H, W) images in [-1, 1].
Draw = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass
class ClassExplorer:
    """A picture of all kinds at several places of the first dial; with controls for a person."""

    picture: plotting.Picture
    generate: Draw
    names: tuple[str, ...]
    dials: tuple[str, ...]
    start: Tensor  # (Z,)
    random: torch.Generator

    def image(self, kind: int, amounts: Sequence[float]) -> Tensor:
        """The image of the starting point as this kind with these dials: (1, C, H, W)."""
        with torch.no_grad():
            return self.generate(
                self.start[None], torch.tensor([kind]), torch.tensor([list(amounts)])
            )

    def controls(self) -> Any:
        """The menu, the sliders, the button and the image as one widget of ipywidgets."""
        import ipywidgets  # not needed for the picture

        image = ipywidgets.Image(format="png", layout={"width": "200px", "height": "200px"})
        menu = ipywidgets.Dropdown(
            options=[(name, number) for number, name in enumerate(self.names)],
            description="kind",
        )
        sliders = [
            ipywidgets.FloatSlider(value=0.0, min=-REACH, max=REACH, step=0.05, description=name)
            for name in self.dials
        ]
        button = ipywidgets.Button(description="new starting point")

        def draw(change: object = None) -> None:
            images = self.image(menu.value, [slider.value for slider in sliders])
            image.value = plotting.image_grid(images, alt=self.picture.alt).png

        def restart(button: object) -> None:
            self.start = torch.randn(len(self.start), generator=self.random)
            draw()

        for control in (menu, *sliders):
            control.observe(draw, names="value")
        button.on_click(restart)
        draw()
        return ipywidgets.HBox([image, ipywidgets.VBox([menu, *sliders, button])])

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display(self.picture)
        # A widget needs a kernel; in a file it would be an error message below the picture.
        if audience() == "person":
            display(self.controls())


def class_explorer(
    generate: Draw,
    latent: int,
    *,
    names: Sequence[str],
    dials: Sequence[str],
    alt: str,
    seed: int = 0,
) -> ClassExplorer:
    """Choose a kind and turn dials, with a menu and sliders or as a static picture.

    generate: (N, Z), (N,), (N, J) to images (N, C, H, W) in [-1, 1]. latent: Z. names: of the
    kinds, one row of the picture each. dials: names of the J dials; the picture sweeps the first.
    alt: says what the sweeps show. seed: of the starting point.
    Raises ValueError without kinds or without dials.
    """
    require_alt(alt)
    if not names or not dials:
        raise ValueError(f"expected kinds and dials, got {len(names)} and {len(dials)}.")
    random = torch.Generator().manual_seed(seed)
    start = torch.randn(latent, generator=random)  # (Z,)
    stops = torch.linspace(-REACH, REACH, STOPS)
    amounts = torch.zeros(len(names) * STOPS, len(dials))
    amounts[:, 0] = stops.repeat(len(names))
    kinds = torch.arange(len(names)).repeat_interleave(STOPS)
    with torch.no_grad():
        images = generate(start.expand(len(kinds), -1), kinds, amounts)
    picture = plotting.image_grid(
        images,
        alt=alt,
        columns=STOPS,
        titles=[f"{stop:+.1f}".replace("-", "−") for stop in stops.tolist()],
        row_labels=list(names),
    )
    return ClassExplorer(picture, generate, tuple(names), tuple(dials), start, random)
