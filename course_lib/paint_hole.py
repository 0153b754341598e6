"""Paint a hole into an image and see how every method fills it (lesson 14).

In a saved notebook it is one picture: some images with holes and all answers. Where a person
looks, the hole can be painted too: `hole_canvas` is the browser's part, made with anywidget.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from course_lib import masks as holes
from course_lib import plotting
from course_lib.audience import audience
from course_lib.picture import as_pixels, require_alt

#: An image (1, C, H, W) in [-1, 1] and a mask (1, 1, H, W), 1 for missing -> one composite or
#: several, (N, C, H, W).
Method = Callable[[Tensor, Tensor], Tensor]

SMALLEST, LARGEST = 0, 6  # radius of the brush in pixels
MISSING = "To paint a hole, run `%pip install anywidget` in a cell, then this cell again."


@dataclass
class HolePainter:
    """A picture of all answers to some holes, and a canvas on which to paint another."""

    picture: plotting.Picture
    images: Mapping[str, Tensor]  # (C, H, W) in [-1, 1] each
    methods: Mapping[str, Method]
    slow: Mapping[str, Method]

    def answers(self, name: str, mask: Tensor, slow: bool = False) -> dict[str, Tensor]:
        """What the methods make of one image and one hole: method -> (N, C, H, W).

        Args:
            name: of the image.
            mask: (1, 1, H, W), 1 for missing.
            slow: ask the slow methods instead of the fast ones.

        Raises:
            MaskError: if nothing is missing, or more than half of the image.
        """
        image = self.images[name][None]
        holes.check(mask, image)
        asked = self.slow if slow else self.methods
        with torch.no_grad():
            return {label: method(image, mask) for label, method in asked.items()}

    def shown(self, name: str, mask: Tensor, answers: Mapping[str, Tensor]) -> plotting.Picture:
        """The image with its hole, all answers, and the whole image, in one row or more."""
        image = self.images[name][None]
        rows = [holes.hide(image, mask), *answers.values(), image]
        titles = ["given"]
        for label, found in answers.items():
            several = len(found) > 1
            titles += [f"{label} {i + 1}" if several else label for i in range(len(found))]
        return plotting.image_grid(
            torch.cat(rows),
            columns=min(6, sum(map(len, rows))),
            titles=[*titles, "truth"],
            alt=f"{name} with a painted hole, and what {', '.join(answers)} put there.",
        )

    def controls(self) -> Any:
        """Menu, canvas, brush, buttons and the answers as one widget of ipywidgets."""
        import ipywidgets  # not needed for the picture

        from course_lib.hole_canvas import canvas_for, mask_of, text_of

        names = list(self.images)
        size = self.images[names[0]].shape[1:]
        square = holes.centre_square(1, *size, torch.Generator())
        canvas = canvas_for(_bytes(self.images[names[0]]), square[0, 0])
        menu = ipywidgets.Dropdown(options=names, description="image")
        radius = ipywidgets.IntSlider(
            value=canvas.radius, min=SMALLEST, max=LARGEST, description="brush"
        )
        erase = ipywidgets.Checkbox(value=False, description="erase", indent=False)
        centre = ipywidgets.Button(description="centre square")
        clear = ipywidgets.Button(description="clear")
        message = ipywidgets.HTML()
        picture = ipywidgets.Image(format="png", layout={"max_width": "100%"})
        found: dict[str, Tensor] = {}  # answers to the hole that is on the canvas

        def answer(slow: bool) -> None:
            mask = mask_of(canvas.hole, *size)
            try:
                found.update(self.answers(menu.value, mask, slow))
            except holes.MaskError:
                share = 100 * float(holes.share(mask)[0])
                message.value = (
                    "Paint on the image what shall be missing."
                    if not share
                    else f"{share:.1f} % of the image is missing. Leave at least half of it: "
                    "erase a part, or clear."
                )
                picture.layout.visibility = "hidden"
                return
            message.value = f"{100 * float(holes.share(mask)[0]):.0f} % of the image is missing."
            picture.value = self.shown(menu.value, mask, found).png
            picture.layout.visibility = "visible"

        def draw(change: object = None) -> None:
            found.clear()
            answer(slow=False)

        def another(change: object) -> None:
            canvas.pixels = _bytes(self.images[menu.value]).numpy().tobytes()
            draw()

        def paint(mask: Tensor) -> None:
            canvas.hole = text_of(mask)  # draws if it is another one

        canvas.observe(draw, names="hole")
        menu.observe(another, names="value")
        radius.observe(lambda change: setattr(canvas, "radius", change["new"]), names="value")
        erase.observe(lambda change: setattr(canvas, "erasing", change["new"]), names="value")
        centre.on_click(lambda button: paint(square))
        clear.on_click(lambda button: paint(torch.zeros_like(square)))
        buttons = [centre, clear]
        if self.slow:
            search = ipywidgets.Button(description=", ".join(self.slow))

            def look(button: ipywidgets.Button) -> None:
                # It takes seconds: the button says so, and cannot be pressed twice meanwhile.
                button.disabled, button.description = True, "searching ..."
                try:
                    answer(slow=True)
                finally:
                    button.disabled, button.description = False, ", ".join(self.slow)

            search.on_click(look)
            buttons.append(search)
        draw()
        hands = ipywidgets.VBox([menu, radius, erase, *buttons, message])
        return ipywidgets.VBox([ipywidgets.HBox([canvas, hands]), picture])

    def _ipython_display_(self) -> None:
        from IPython.display import Markdown, display

        display(self.picture)
        # A widget needs a kernel; in a file it would be an error message below the picture.
        if audience() == "person":
            try:
                controls = self.controls()
            except ModuleNotFoundError as error:
                if error.name != "anywidget":
                    raise
                display(Markdown(MISSING))
                return
            if "google.colab" in sys.modules:  # Colab shows widgets of others only when told to
                from google.colab import output

                output.enable_custom_widget_manager()
            display(controls)


def paint_hole(
    images: Mapping[str, Tensor],
    methods: Mapping[str, Method],
    *,
    masks: Tensor,
    alt: str,
    slow: Mapping[str, Method] | None = None,
) -> HolePainter:
    """Paint a hole into an image and compare the answers; or look at some as a static picture.

    Args:
        images: by name, each (C, H, W) in [-1, 1], all of one shape.
        methods: by name; asked again whenever the hole changes.
        masks: holes of the static picture, (N, 1, H, W), one for each image, 1 for missing.
        alt: says what the static picture shows.
        slow: by name; asked at the press of a button, and for the static picture.

    Raises:
        ValueError: without images or methods, for a name twice among the methods, or for images of
            several shapes.
        MaskError: for masks that do not fit the images.
    """
    require_alt(alt)
    slow = dict(slow or {})
    shapes = {tuple(image.shape) for image in images.values()}
    if len(shapes) != 1 or not methods or set(methods) & set(slow):
        raise ValueError(
            "expected images of one shape and methods of different names, got shapes "
            f"{sorted(shapes)} and methods {[*methods, *slow]}"
        )
    stack = torch.stack(list(images.values()))  # (N, C, H, W)
    holes.check(masks, stack)
    columns = [holes.hide(stack, masks)]
    titles = ["given"]
    with torch.no_grad():
        for label, method in (dict(methods) | slow).items():
            parts = [method(stack[i : i + 1], masks[i : i + 1]) for i in range(len(stack))]
            found = torch.stack(parts, dim=1)  # (answers, N, C, H, W)
            columns += list(found)
            titles += [f"{label} {i + 1}" if len(found) > 1 else label for i in range(len(found))]
    rows = torch.stack([*columns, stack], dim=1).flatten(0, 1)  # image by image
    picture = plotting.image_grid(
        rows,
        columns=len(titles) + 1,
        titles=[*titles, "truth"],
        row_labels=list(images),
        alt=alt,
    )
    return HolePainter(picture, dict(images), dict(methods), slow)


def _bytes(image: Tensor) -> Tensor:
    """An image (C, H, W) in [-1, 1] as red, green and blue: (H, W, 3), uint8."""
    return torch.from_numpy(as_pixels(image[None])[0].copy())
