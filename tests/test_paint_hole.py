"""The painted hole: what each method gets, what is shown, and what the canvas sends."""

import re
import sys

import pytest
import torch

from course_lib import fills, hole_canvas, paint_hole
from course_lib import masks as holes

RANDOM = torch.Generator().manual_seed(1)
IMAGES = {name: torch.rand(1, 8, 12, generator=RANDOM) * 2 - 1 for name in ("one", "two")}
MASKS = holes.draw("random box", 2, 8, 12, RANDOM)


def constant(value: float):
    return lambda images, masks: holes.composite(torch.full_like(images, value), images, masks)


def several(images, masks):
    return torch.cat([constant(value)(images, masks) for value in (-1.0, 0.0, 1.0)])


def painter(**changes) -> paint_hole.HolePainter:
    given = {
        "images": IMAGES,
        "methods": {"mean": fills.mean_fill, "several": several},
        "masks": MASKS,
        "slow": {"search": constant(0.5)},
        "alt": "Two images with holes, filled.",
    }
    return paint_hole.paint_hole(**(given | changes))


def widgets_of(box) -> list:
    """All widgets in a box, however deep."""
    found = [box]
    for child in getattr(box, "children", ()):
        found += widgets_of(child)
    return found


def named(box, description: str):
    return next(w for w in widgets_of(box) if getattr(w, "description", "") == description)


def test_the_static_picture_shows_every_answer_and_needs_no_browser():
    drawn = painter()
    assert drawn.picture.alt == "Two images with holes, filled."
    assert drawn.picture.png.startswith(b"\x89PNG")


def test_every_method_gets_the_image_and_the_hole():
    drawn = painter()
    found = drawn.answers("two", MASKS[1:])
    assert list(found) == ["mean", "several"] and len(found["several"]) == 3
    image = IMAGES["two"][None]
    torch.testing.assert_close(found["mean"], fills.mean_fill(image, MASKS[1:]))
    assert list(drawn.answers("two", MASKS[1:], slow=True)) == ["search"]
    with pytest.raises(holes.MaskError, match="1 means missing"):
        drawn.answers("two", 1 - MASKS[1:])


def test_the_controls_follow_the_canvas():
    box = painter().controls()
    canvas = next(w for w in widgets_of(box) if isinstance(w, hole_canvas.HoleCanvas))
    picture = next(w for w in widgets_of(box) if type(w).__name__ == "Image")
    message = next(w for w in widgets_of(box) if type(w).__name__ == "HTML")
    before = bytes(picture.value)
    assert canvas.rows == 8 and canvas.columns == 12 and "25 %" in message.value
    small = torch.zeros(8, 12)
    small[2:4, 3:6] = 1
    canvas.hole = hole_canvas.text_of(small)
    after = bytes(picture.value)
    assert after != before and after.startswith(b"\x89PNG") and "6 %" in message.value
    search, said = named(box, "search"), []
    search.observe(lambda change: said.append((change["new"], search.disabled)), "description")
    search.click()
    assert bytes(picture.value) != after  # one more answer
    assert said == [("searching ...", True), ("search", False)] and not search.disabled
    named(box, "image").value = "two"
    assert bytes(canvas.pixels) == paint_hole._bytes(IMAGES["two"]).numpy().tobytes()
    named(box, "centre square").click()
    square = holes.centre_square(1, 8, 12, RANDOM)
    assert torch.equal(hole_canvas.mask_of(canvas.hole, 8, 12), square)
    named(box, "brush").value = 5
    named(box, "erase").value = True
    assert canvas.radius == 5 and canvas.erasing


def test_no_hole_and_too_large_a_hole_are_explained():
    box = painter().controls()
    canvas = next(w for w in widgets_of(box) if isinstance(w, hole_canvas.HoleCanvas))
    picture = next(w for w in widgets_of(box) if type(w).__name__ == "Image")
    message = next(w for w in widgets_of(box) if type(w).__name__ == "HTML")
    named(box, "clear").click()
    assert "1" not in canvas.hole and message.value.startswith("Paint")
    assert picture.layout.visibility == "hidden"
    canvas.hole = "1" * 96
    assert "100.0 %" in message.value
    named(box, "centre square").click()
    assert picture.layout.visibility == "visible"


@pytest.mark.parametrize("installed", [True, False])
def test_a_person_gets_the_canvas_or_is_told_what_to_install(monkeypatch, installed):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    monkeypatch.setattr(paint_hole, "audience", lambda: "person")
    if not installed:
        monkeypatch.setitem(sys.modules, "anywidget", None)
        monkeypatch.delitem(sys.modules, "course_lib.hole_canvas")
    drawn = painter()
    drawn._ipython_display_()
    assert len(shown) == 2 and shown[0] is drawn.picture
    assert hasattr(shown[1], "children") if installed else "anywidget" in shown[1].data
    monkeypatch.setattr(paint_hole, "audience", lambda: "file")
    drawn._ipython_display_()
    assert shown[2:] == [drawn.picture]


def test_a_mask_and_its_text_are_one_thing():
    text = hole_canvas.text_of(MASKS[0, 0])
    assert torch.equal(hole_canvas.mask_of(text, 8, 12), MASKS[:1])
    for wrong in (text[1:], "2" * 96):
        with pytest.raises(ValueError, match="96 zeros and ones"):
            hole_canvas.mask_of(wrong, 8, 12)


def test_the_script_loads_nothing():
    assert not re.search(r"https?:|import |fetch\(|require\(", hole_canvas.SCRIPT)


def test_pixels_are_bytes_row_by_row():
    image = torch.tensor([[[-1.0, 1.0], [0.0, 1.0]]])
    assert paint_hole._bytes(image)[..., 0].tolist() == [[0, 255], [128, 255]]


def test_what_cannot_be_painted_on():
    with pytest.raises(ValueError, match="images of one shape"):
        painter(images=IMAGES | {"two": torch.zeros(1, 8, 8)})
    with pytest.raises(ValueError, match="different names"):
        painter(slow={"mean": fills.mean_fill})
    with pytest.raises(ValueError, match="methods"):
        painter(methods={})
    with pytest.raises(holes.MaskError):
        painter(masks=1 - MASKS)
