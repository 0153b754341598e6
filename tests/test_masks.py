"""Holes: exact areas, the seed alone decides, the wrong sense is noticed, nothing leaks."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from course_lib import masks

SIZES = st.integers(4, 40)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", masks.FAMILIES)
@given(height=SIZES, width=SIZES, seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_a_family_gives_zeros_and_ones_of_a_known_area(name, height, width, seed):
    found = masks.draw(name, 7, height, width, seeded(seed))
    assert found.shape == (7, 1, height, width) and found.dtype == torch.float32
    assert set(found.unique().tolist()) <= {0.0, 1.0}
    masks.check(found)
    expected = masks.shares(name, height, width)
    areas = found.sum(dim=(1, 2, 3)).double() / (height * width)
    assert areas.min() >= expected.least - 1e-9 and areas.max() <= expected.largest + 1e-9
    if name in ("centre square", "scattered pixels"):
        assert expected.least == expected.largest


@pytest.mark.parametrize("name", masks.FAMILIES)
def test_the_mean_area_is_the_stated_one(name):
    found = masks.share(masks.draw(name, 4000, 8, 12, seeded(1))).double()
    expected = masks.shares(name, 8, 12)
    error = float(found.std()) / math.sqrt(len(found))
    assert float(found.mean()) == pytest.approx(expected.mean, abs=4 * error + 1e-7)
    assert float(found.min()) == pytest.approx(expected.least)
    assert float(found.max()) == pytest.approx(expected.largest)


@pytest.mark.parametrize("name", masks.FAMILIES)
def test_the_seed_decides_and_nothing_else(name):
    before = torch.random.get_rng_state()
    one, two = (masks.draw(name, 9, 16, 16, seeded(3)) for _ in range(2))
    assert torch.equal(one, two) and torch.equal(before, torch.random.get_rng_state())
    other = masks.draw(name, 9, 16, 16, seeded(4))
    assert torch.equal(one, other) is (name == "centre square")
    assert name == "centre square" or not all(torch.equal(one[0], mask) for mask in one)


def test_the_centre_square_is_in_the_centre():
    found = masks.centre_square(1, 32, 32, seeded())[0, 0]
    assert found[8:24, 8:24].all() and found.sum() == 16 * 16
    assert torch.equal(found, found.flip(0)) and torch.equal(found, found.T)


@given(height=SIZES, width=SIZES, seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_a_random_box_is_one_box(height, width, seed):
    for found in masks.random_box(4, height, width, seeded(seed))[:, 0].bool():
        rows, columns = found.any(1), found.any(0)
        assert torch.equal(found, rows[:, None] & columns)
        for line, length in ((rows, height), (columns, width)):
            assert ndimage.label(line.numpy())[1] == 1
            assert math.ceil(length / 4) <= line.sum() <= length // 2


def test_a_random_box_reaches_every_corner_and_every_side():
    found = masks.random_box(3000, 8, 8, seeded(5))[:, 0]
    assert found[:, 0, 0].any() and found[:, 7, 7].any() and found[:, 0, 7].any()
    sides = found.amax(2).sum(1)
    counts = [int((sides == side).sum()) for side in (2, 3, 4)]
    assert all(abs(count - 1000) < 5 * math.sqrt(3000 * 2 / 9) for count in counts), counts


def test_a_free_form_hole_is_at_most_as_many_pieces_as_strokes():
    found = masks.free_form(50, 32, 32, seeded(6))[:, 0].numpy()
    pieces = [ndimage.label(mask, np.ones((3, 3)))[1] for mask in found]
    # A stroke that is thinner than a pixel may be torn; none here is torn often.
    assert np.mean(np.array(pieces) <= masks.STROKES) > 0.9


def test_free_form_holes_do_not_depend_on_the_block(monkeypatch):
    whole = masks.free_form(11, 16, 20, seeded(7))
    monkeypatch.setattr(masks, "BLOCK", 3)
    assert torch.equal(whole, masks.free_form(11, 16, 20, seeded(7)))


def test_the_distance_to_a_segment_is_the_known_one():
    points = torch.tensor([[0.0, 0.0], [2.0, 3.0], [7.0, 0.0], [2.0, 0.0]])
    lines = torch.tensor([[[[0.0, 0.0], [4.0, 0.0]], [[9.0, 9.0], [9.0, 9.0]]]])
    found = masks._to_lines(points, lines)
    assert torch.allclose(found, torch.tensor([[0.0, 9.0, 9.0, 0.0]]))


def test_scattered_pixels_take_any_share():
    found = masks.scattered_pixels(3, 10, 10, seeded(), missing=0.07)
    assert found.sum(dim=(1, 2, 3)).tolist() == [7, 7, 7]
    for wrong in (0.0, 1.0, 0.001):
        with pytest.raises(ValueError, match="share"):
            masks.scattered_pixels(3, 10, 10, seeded(), missing=wrong)


def test_half_images_are_the_four_halves():
    found = {tuple(mask.flatten().tolist()) for mask in masks.half_image(200, 4, 6, seeded())}
    assert len(found) == 4
    assert all(sum(mask) == 12 for mask in found)


def test_several_families_take_turns():
    names = ["centre square", "half image", "scattered pixels"]
    found = masks.draw(names, 8, 16, 16, seeded(2))
    assert masks.share(found).tolist() == [0.25, 0.5, 0.5, 0.25, 0.5, 0.5, 0.25, 0.5]
    assert masks.draw(names, 2, 16, 16, seeded(2)).shape == (2, 1, 16, 16)  # fewer than families


def test_what_draw_is_not_asked_for():
    for families in ("circle", [], ["random box", "circle"]):
        with pytest.raises(ValueError, match="names of"):
            masks.draw(families, 2, 8, 8, seeded())
    for count, side in ((0, 8), (2, 3)):
        with pytest.raises(ValueError, match="at least one mask"):
            masks.draw("random box", count, side, 8, seeded())
    with pytest.raises(ValueError, match="name of"):
        masks.shares("circle", 8, 8)


def test_masks_are_on_the_generators_device():
    class Elsewhere:  # a meta generator does not exist: what is asked of it is seen on its way
        device = torch.device("meta")

    with pytest.raises((RuntimeError, TypeError)):
        masks.random_box(2, 8, 8, Elsewhere())
    assert masks.centre_square(2, 8, 8, Elsewhere()).device.type == "meta"


GOOD = masks.centre_square(2, 8, 8, seeded())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (GOOD.bool(), "floats"),
        (GOOD.to(torch.uint8), "floats"),
        (GOOD[0], "shape"),
        (GOOD.expand(2, 3, 8, 8), "shape"),
        (GOOD[:0], "shape"),
        (GOOD * 255, "values from 0 to 255"),
        (GOOD * 2 - 1, "values from -1 to 1"),
        (GOOD * math.nan, "values"),
        (1 - GOOD, "pass 1 - masks"),
        (torch.zeros(2, 1, 8, 8), "1 means missing"),
        (torch.cat([GOOD[:1], 0 * GOOD[:1]]), "in every image"),
    ],
)
def test_a_wrong_mask_gets_a_clear_error(wrong, said):
    with pytest.raises(masks.MaskError, match=said):
        masks.check(wrong)


def test_a_mask_must_fit_its_images():
    images = torch.zeros(2, 3, 8, 8)
    masks.check(GOOD, images)
    for wrong in (images[:1], images[:, :, :4], images[0], images.byte(), images.to("meta")):
        with pytest.raises(masks.MaskError, match="expected"):
            masks.check(GOOD, wrong)
    masks.check(1 - GOOD, images, most=0.75)


def test_hidden_pixels_are_not_read():
    images = torch.randn(2, 3, 8, 8)
    spoilt = torch.where(GOOD > 0, torch.tensor(math.nan), images)
    hidden = masks.hide(spoilt, GOOD)
    assert torch.equal(hidden, masks.hide(images, GOOD)) and hidden.isfinite().all()
    assert torch.equal(hidden, images * (1 - GOOD))


def test_a_composite_keeps_known_pixels_to_the_bit():
    images, answers = torch.randn(2, 3, 8, 8), torch.randn(2, 3, 8, 8).double()
    images[0, 0, 0, 0], images[0, 0, 0, 1] = math.nan, -0.0
    answers[1, 0, 0, 0] = math.nan
    found = masks.composite(answers, images, GOOD)
    missing = GOOD.bool().expand_as(images)
    kept = images[~missing].view(torch.int32)
    assert found.dtype == torch.float32 and torch.equal(found[~missing].view(torch.int32), kept)
    assert torch.equal(found[missing], answers.float()[missing])
    with pytest.raises(masks.MaskError, match="shaped like"):
        masks.composite(answers[:, :1], images, GOOD)
