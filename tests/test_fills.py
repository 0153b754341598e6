"""Classical fills: known pixels stay, holes are not read, and each agrees with its oracle."""

import math

import numpy as np
import pytest
import torch
from skimage.restoration import inpaint_biharmonic

from course_lib import data, fills, patch_fill
from course_lib import masks as holes


def noise_set(count: int = 60, channels: int = 1, side: int = 16) -> data.ImageSet:
    random = torch.Generator().manual_seed(5)
    pixels = torch.randint(0, 256, (count, channels, side, side), generator=random)
    return data.ImageSet(
        "noise", "train", pixels.to(torch.uint8), torch.zeros(count).long(), ("any",), "a test"
    )


def draw(name: str, count: int, side: int = 16) -> torch.Tensor:
    return holes.draw(name, count, side, side, torch.Generator().manual_seed(2))


def every_fill(channels: int = 1) -> dict[str, fills.Fill]:
    training = noise_set(channels=channels)
    return fills.FILLS | {
        "mean image": fills.MeanImage(training),
        "nearest": fills.NearestImages(training),
        "three nearest": fills.NearestImages(training, 3),
        "Gaussian": fills.GaussianFill(training),
    }


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", every_fill())
def test_known_pixels_stay_to_the_bit_and_the_hole_is_not_read(name, channels):
    fill = every_fill(channels)[name]
    images = torch.rand(5, channels, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    masks = torch.cat([draw(family, 1) for family in holes.FAMILIES])
    before = images.clone()
    found = fill(images, masks)
    missing = masks.bool().expand_as(images)
    assert torch.equal(images, before) and found.dtype == images.dtype
    assert torch.equal(found[~missing], images[~missing])
    assert found.isfinite().all() and found.min() >= -1 and found.max() <= 1
    spoilt = torch.where(missing, torch.tensor(math.nan), images)
    assert torch.equal(fill(spoilt, masks), found)


@pytest.mark.parametrize("name", every_fill())
def test_masks_that_leave_nothing_or_everything_are_refused(name):
    fill, images = every_fill()[name], torch.zeros(2, 1, 16, 16)
    for wrong in (torch.ones(2, 1, 16, 16), torch.zeros(2, 1, 16, 16), torch.ones(2, 1, 8, 8)):
        with pytest.raises(holes.MaskError, match="expected"):
            fill(images, wrong)


def test_the_mean_is_of_known_pixels_channel_by_channel():
    images = torch.zeros(1, 2, 4, 4)
    images[:, 0, :2], images[:, 1] = 1.0, -0.5
    masks = torch.zeros(1, 1, 4, 4)
    masks[:, :, 0] = 1
    found = fills.mean_fill(images, masks)
    assert torch.allclose(found[0, 0, 0], torch.tensor(4 / 12))
    assert torch.allclose(found[0, 1, 0], torch.tensor(-0.5))


def ramp(side: int = 16) -> torch.Tensor:
    rows, columns = torch.meshgrid(
        *[torch.linspace(-0.4, 0.4, side, dtype=torch.float64)] * 2, indexing="ij"
    )
    return torch.stack([rows + 0.5 * columns, columns - rows])[None]  # (1, 2, side, side)


def test_the_harmonic_and_the_biharmonic_fill_continue_a_linear_ramp():
    images, masks = ramp(), draw("centre square", 1)
    for fill in (fills.harmonic_fill, fills.biharmonic_fill):
        torch.testing.assert_close(fill(images, masks), images, atol=1e-12, rtol=0)


@pytest.mark.parametrize("family", holes.FAMILIES)
def test_the_harmonic_fill_is_where_diffusion_comes_to_rest(family):
    images, masks = torch.rand(1, 1, 12, 12).double(), draw(family, 1, 12)
    found = fills.harmonic_fill(images, masks)
    # Diffusion itself, step by step: an image reflected at its border has no flow through it.
    state = images.clone()
    state[masks.bool()] = 0
    for _ in range(6000):
        around = torch.nn.functional.pad(state, (1, 1, 1, 1), mode="replicate")
        flow = around[..., 2:, 1:-1] + around[..., :-2, 1:-1]
        flow = flow + around[..., 1:-1, 2:] + around[..., 1:-1, :-2] - 4 * state
        state = holes.composite(state + 0.24 * flow, images, masks)
    torch.testing.assert_close(found, state, atol=1e-6, rtol=0)


def test_the_harmonic_fill_of_one_pixel_is_the_mean_of_its_neighbours():
    images = torch.arange(9.0).view(1, 1, 3, 3) / 9
    for place, expected in (((1, 1), (1 + 3 + 5 + 7) / 4), ((0, 0), (1 + 3) / 2)):
        masks = torch.zeros(1, 1, 3, 3)
        masks[0, 0, *place] = 1
        found = fills.harmonic_fill(images, masks)[0, 0, *place]
        assert float(found) == pytest.approx(expected / 9)


def test_the_biharmonic_fill_is_scikit_images():
    images, masks = torch.rand(2, 1, 16, 16).double(), draw("free form", 2)
    found = fills.biharmonic_fill(images, masks)
    for image, mask, one in zip(images[:, 0], masks[:, 0], found[:, 0], strict=True):
        expected = inpaint_biharmonic(image.numpy(), mask.numpy())
        np.testing.assert_allclose(one.numpy(), expected)


@pytest.mark.parametrize("family", ["centre square", "random box", "free form"])
def test_the_patch_fill_continues_a_periodic_texture(family):
    tile = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(3)) * 2 - 1
    images, masks = tile.repeat(1, 1, 8, 8), draw(family, 1, 32)
    assert torch.equal(fills.patch_fill(images, masks), images)


def test_the_patch_fill_copies_known_pixels():
    images = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(4))
    for family in ("scattered pixels", "half image", "free form"):
        masks = draw(family, 1)
        found = fills.patch_fill(images, masks, patch=5)
        known = set(images[~masks.bool()].tolist())
        assert set(found[masks.bool()].tolist()) <= known
    for wrong in (4, 1):
        with pytest.raises(ValueError, match="odd patch"):
            fills.patch_fill(images, masks, wrong)


def test_patches_with_gaps_are_copied_only_where_none_is_whole():
    values, known = np.zeros((1, 9, 24)), np.ones((9, 24), bool)
    known[4, 4] = known[2, 18] = False
    _, valid = patch_fill._sources(values, known, 5)
    assert valid.all() and 0 < len(valid) < 5 * 20 - 25  # of 5 x 20 places
    known[::2, ::2] = False  # now no patch is whole
    _, valid = patch_fill._sources(values, known, 5)
    assert not valid.all(axis=(1, 2)).any() and valid[:, 2, 2].all() and len(valid) > 0


def test_the_mean_image_is_the_training_images_mean(monkeypatch):
    training = noise_set()
    monkeypatch.setattr(fills, "BLOCK", 7)
    images, masks = torch.zeros(2, 1, 16, 16), draw("centre square", 2)
    found = fills.MeanImage(training)(images, masks)
    expected = training.batch(range(60)).mean(0, keepdim=True).expand(2, 1, 16, 16)
    torch.testing.assert_close(found[masks.bool()], expected[masks.bool()])


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("block", [7, 10_000])
def test_the_nearest_images_are_nearest_in_known_pixels(monkeypatch, block, held):
    monkeypatch.setattr(fills, "BLOCK", block)
    training = noise_set()
    theirs = training.batch(range(60))
    images = torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(6)) * 2 - 1
    masks = draw("free form", 6)
    fill = fills.NearestImages(training, 3, held)
    found = fill.nearest(images, masks)
    assert torch.equal(fill.nearest(images, masks), found)  # from what is held by now
    middle = theirs[found].median(dim=1).values  # (6, 1, 16, 16)
    assert torch.equal(fill.median(images, masks), middle)
    assert torch.equal(fill(images, masks), holes.composite(middle, images, masks))
    for index in range(6):
        known = ~masks[index].bool()
        gaps = [(images[index] - one)[known].square().sum() for one in theirs]
        assert found[index].tolist() == torch.stack(gaps).argsort()[:3].tolist()
    own = fills.NearestImages(training)(theirs[:6], masks)
    assert torch.equal(own, theirs[:6])  # who is in the training set finds itself
    for wrong in (0, 2, 61):
        with pytest.raises(ValueError, match="odd number"):
            fills.NearestImages(training, wrong)


def test_the_gaussian_fill_is_the_least_squares_line(monkeypatch):
    """Its answers are those of an ordinary linear regression on the known pixels."""
    monkeypatch.setattr(fills, "BLOCK", 300)
    random = torch.Generator().manual_seed(7)
    mixing = torch.randn(16, 16, generator=random) / 8
    pixels = ((torch.randn(3000, 16, generator=random) @ mixing).clamp(-1, 1) + 1) * 127.5
    pixels = pixels.round().to(torch.uint8).view(3000, 1, 4, 4)
    training = data.ImageSet("g", "train", pixels, torch.zeros(3000).long(), ("any",), "a test")
    fill = fills.GaussianFill(training, noise=1e-9)
    masks = draw("random box", 1, 4)
    images = training.batch(range(5))
    found = fill(images, masks.expand(5, 1, 4, 4))
    known = ~masks.flatten().bool()
    inputs = training.batch(range(3000)).double().flatten(1)
    design = torch.cat([inputs[:, known], torch.ones(3000, 1).double()], dim=1)
    weights = torch.linalg.lstsq(design, inputs[:, ~known]).solution
    expected = (design[:5] @ weights).clamp(-1, 1)
    torch.testing.assert_close(found.flatten(1)[:, ~known].double(), expected, atol=1e-4, rtol=1e-3)
    with pytest.raises(ValueError, match="above 0"):
        fills.GaussianFill(training, noise=0)


@pytest.mark.parametrize("name", ["mean image", "nearest", "three nearest", "Gaussian"])
def test_fills_that_learnt_a_size_refuse_another(name):
    images, masks = torch.zeros(2, 1, 8, 8), holes.draw("centre square", 2, 8, 8, torch.Generator())
    with pytest.raises(holes.MaskError, match="as in training"):
        every_fill()[name](images, masks)


def test_patches_that_would_not_fit_into_memory_are_refused(monkeypatch):
    monkeypatch.setattr(patch_fill, "MOST_BYTES", 1_000)
    with pytest.raises(MemoryError, match="16 x 16 pixels"):
        fills.patch_fill(torch.zeros(1, 1, 16, 16), draw("centre square", 1))
