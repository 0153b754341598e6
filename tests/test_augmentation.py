"""Augmentation: each image on its own, the same shape, type and range, repeated by the seed."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from course_lib import augmentation

CHANGES = (
    augmentation.mirror,
    augmentation.turn_over,
    augmentation.shift,
    augmentation.erase,
)
every_change = pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)


def some(count: int = 64, channels: int = 3, height: int = 12, width: int = 10) -> torch.Tensor:
    """Images in (-1, 1) without two equal pixels, so that each pixel can be told by its value."""
    numbers = torch.randperm(
        count * channels * height * width, generator=torch.Generator().manual_seed(0)
    )
    return ((numbers + 1) / (len(numbers) + 1) * 2 - 1).reshape(count, channels, height, width)


@every_change
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_shape_type_and_range_stay(change, dtype):
    images = some().to(dtype)
    changed = change(images)
    assert changed.shape == images.shape and changed.dtype == dtype
    assert changed.min() >= -1 and changed.max() <= 1


@every_change
def test_the_images_given_stay_as_they_were_and_the_seed_repeats_the_change(change):
    images = some()
    before = images.clone()
    torch.manual_seed(3)
    first = change(images)
    torch.manual_seed(3)
    assert torch.equal(change(images), first)
    torch.manual_seed(4)
    assert not torch.equal(change(images), first)
    assert torch.equal(images, before)


@every_change
def test_images_of_one_batch_are_changed_independently(change):
    same = some(1).expand(64, -1, -1, -1)
    changed = change(same)
    assert len(changed.unique(dim=0)) > 1


@every_change
def test_images_stay_on_a_gpu(change):
    with FakeTensorMode():
        images = torch.empty(2, 1, 8, 8, device="cuda")
        assert change(images).device.type == "cuda"


@every_change
@pytest.mark.parametrize("images", [torch.zeros(1, 8, 8), torch.zeros(2, 1, 8, 8).byte()])
def test_other_shapes_and_bytes_are_refused(change, images):
    with pytest.raises(ValueError, match=r"expected images \(B, C, H, W\) of floats"):
        change(images)


@pytest.mark.parametrize(
    ("change", "side"), [(augmentation.mirror, 3), (augmentation.turn_over, 2)]
)
def test_half_of_the_images_are_reversed_and_the_others_untouched(change, side):
    images = some(400, 1, 4, 5)
    torch.manual_seed(0)
    changed = change(images)
    same = (changed == images).flatten(1).all(1)
    reversed_ = (changed == images.flip(side)).flatten(1).all(1)
    assert (same ^ reversed_).all()
    assert 150 < same.sum() < 250  # five standard deviations of 10


def test_mirror_draws_what_the_classifiers_training_always_drew():
    images = some()
    torch.manual_seed(7)
    mirrored = torch.rand(len(images), 1, 1, 1) < 0.5
    expected = torch.where(mirrored, images.flip(3), images)
    torch.manual_seed(7)
    assert torch.equal(augmentation.mirror(images), expected)


def moved(image: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """The image (C, H, W) moved pixel by pixel, -1 elsewhere."""
    result = torch.full_like(image, -1)
    height, width = image.shape[1:]
    for i in range(height):
        for j in range(width):
            if 0 <= i - down < height and 0 <= j - right < width:
                result[:, i, j] = image[:, i - down, j - right]
    return result


def test_every_shift_up_to_the_largest_occurs_and_no_other():
    images = some(300, 2, 6, 5)
    torch.manual_seed(0)
    changed = augmentation.shift(images, 2)
    reach = range(-2, 3)
    seen = set()
    for image, result in zip(images, changed, strict=True):
        fitting = [(i, j) for i in reach for j in reach if torch.equal(moved(image, i, j), result)]
        assert len(fitting) == 1
        seen.add(fitting[0])
    assert seen == {(i, j) for i in reach for j in reach}


def test_a_shift_of_no_pixels_changes_nothing_and_a_negative_one_is_refused():
    images = some()
    assert torch.equal(augmentation.shift(images, 0), images)
    with pytest.raises(ValueError, match="0 pixels or more, got -1"):
        augmentation.shift(images, -1)


@pytest.mark.parametrize("side", [1, 4, 5])
def test_erase_blackens_one_square_that_the_border_may_cut(side):
    images = some(2000, 2, 12, 10)
    torch.manual_seed(0)
    changed = augmentation.erase(images, side)
    black = (changed == -1).any(1)
    assert torch.equal(black, (changed == -1).all(1))  # in all channels
    assert torch.equal(changed, images.masked_fill(black[:, None], -1))  # all else stays
    rows, columns = black.any(2).sum(1), black.any(1).sum(1)
    assert torch.equal(black.sum((1, 2)), rows * columns)  # a rectangle
    assert rows.max() == columns.max() == side
    assert rows.min() == columns.min() == (side + 1) // 2  # its middle is inside
    assert black.any(0).all()  # every pixel is erased now and then


def test_a_square_without_a_side_is_refused():
    with pytest.raises(ValueError, match="at least 1 pixel, got 0"):
        augmentation.erase(some(), 0)
