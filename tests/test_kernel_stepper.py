"""The kernel stepper: its static slider, its widget, what it refuses."""

import pytest
import torch

from course_lib import kernel_stepper, widgets

KERNELS = {"sum": [[1.0, 1.0], [1.0, 1.0]], "slope": [[-1.0, 1.0], [-1.0, 1.0]]}
ALT = "A window moves over an image."


def stepper() -> widgets.KernelStepper:
    images = {"wide": torch.zeros(4, 6), "tall": torch.ones(5, 3)}
    return widgets.kernel_stepper(images, KERNELS, alt=ALT)


def texts(figure) -> list[str]:
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    return found + [axes.get_xlabel() for axes in figure.axes]


def test_a_step_shows_its_products_and_their_sum():
    image = torch.tensor([[0.0, 1.0, 0.5], [0.25, -1.0, 0.0]]).double()
    figure = kernel_stepper.step_figure(image, torch.tensor([[1.0, 2.0], [3.0, 0.5]]).double(), 1)
    found = texts(figure)
    assert {"1 × 1", "0.5 × 2", "−1 × 3", "0 × 0.5"} <= set(found)
    assert "sum: −1.00" in found  # 1 + 1 - 3 + 0


def test_the_window_lies_where_its_number_says():
    figure = kernel_stepper.step_figure(torch.zeros(4, 6), torch.ones(2, 2), 7)
    (window,) = figure.axes[0].patches
    assert window.get_xy() == (1.5, 0.5) and window.get_width() == 2  # row 1, column 2 of 3 x 5
    (place,) = figure.axes[2].patches
    assert place.get_xy() == (1.5, 0.5) and place.get_width() == 1


def test_the_result_is_shown_up_to_the_window_only():
    figure = kernel_stepper.step_figure(torch.ones(4, 6), torch.ones(2, 2), 7)
    shown = figure.axes[2].images[0].get_array().filled(float("nan")).ravel()
    assert shown[:8].tolist() == [4.0] * 8
    assert all(value != value for value in shown[8:])


def test_the_static_slider_ends_with_the_last_window():
    frames = stepper().frames
    assert frames.labels[0] == "window 1 of 15" and frames.labels[-1] == "window 15 of 15"
    assert len(frames.html) < 120_000


@pytest.mark.parametrize("audience", ["person", "file"])
def test_a_widget_for_a_person_and_a_slider_for_a_file(monkeypatch, audience):
    shown = []
    monkeypatch.setattr(kernel_stepper, "audience", lambda: audience)
    monkeypatch.setattr("IPython.display.display", shown.append)
    made = stepper()
    made._ipython_display_()
    assert (shown == [made.frames]) == (audience == "file") and len(shown) == 1


def test_the_controls_choose_draw_and_edit():
    chosen, step, picture = stepper().controls().children
    menus, table = chosen.children
    image, kernel = menus.children
    cells = [cell for row in table.children for cell in row.children]
    seen = {picture.value}

    def is_new() -> bool:
        known = picture.value in seen
        seen.add(picture.value)
        return not known

    assert [cell.value for cell in cells] == [1.0] * 4 and step.max == 14
    kernel.value = "slope"
    assert [cell.value for cell in cells] == [-1.0, 1.0, -1.0, 1.0] and is_new()
    cells[0].value = 5.0
    step.value = 14
    assert is_new()
    image.value = "tall"
    assert step.max == 7 and step.value == 7 and is_new()


@pytest.mark.parametrize(
    ("images", "kernels", "message"),
    [
        ({}, KERNELS, "at least one image"),
        ({"a": torch.zeros(1, 6, 6)}, KERNELS, r"images \(H, W\).*'a'"),
        ({"a": torch.zeros(6, 1)}, KERNELS, "sides from 2 to 20"),
        ({"a": torch.zeros(6, 21)}, KERNELS, "sides from 2 to 20"),
        ({"a": torch.zeros(6, 6)}, {"b": [[1.0, 2.0]]}, "one square shape"),
        ({"a": torch.zeros(6, 6)}, KERNELS | {"c": [[1.0]]}, "one square shape"),
        ({"a": torch.zeros(6, 6)}, {}, "one square shape"),
    ],
)
def test_what_cannot_be_stepped_through_is_refused(images, kernels, message):
    with pytest.raises(ValueError, match=message):
        widgets.kernel_stepper(images, kernels, alt=ALT)
