"""Masked errors against hand-computed cases and scikit-image."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from course_lib import masked_metrics as metrics
from course_lib import masks as holes


def some(channels: int = 1, side: int = 16, seed: int = 0):
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(6, channels, side, side + 4, generator=random, dtype=torch.float64) * 2 - 1
    answers = (images + 0.3 * torch.randn(images.shape, generator=random)).clamp(-1, 1)
    masks = holes.draw(["random box", "free form"], 6, side, side + 4, random)
    return answers, images, masks


def test_a_case_computed_by_hand():
    images = torch.zeros(2, 1, 4, 4)
    masks = torch.zeros(2, 1, 4, 4)
    masks[0, 0, 0, :2] = 1
    masks[1, 0, 1] = 1
    answers = torch.full((2, 1, 4, 4), 9.0)  # known pixels do not count
    answers[0, 0, 0, :2] = torch.tensor([0.5, -0.1])
    answers[1, 0, 1] = torch.tensor([0.2, 0.0, 0.0, -0.2])
    assert metrics.masked_l1(answers, images, masks).tolist() == pytest.approx([0.3, 0.1])
    assert metrics.masked_mse(answers, images, masks).tolist() == pytest.approx([0.13, 0.02])
    expected = 10 * math.log10(4 / 0.075)
    assert float(metrics.masked_psnr(answers, images, masks)) == pytest.approx(expected)
    # Squared errors over all 16 pixels: 0.26 / 16 and 0.08 / 16.
    expected = 10 * math.log10(4 / (0.34 / 32))
    assert float(metrics.whole_psnr(answers, images, masks)) == pytest.approx(expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_errors_are_numpys_over_the_missing_pixels(channels):
    answers, images, masks = some(channels)
    for index in range(len(images)):
        missing = masks[index].bool().expand_as(images[index])
        gap = (answers[index] - images[index])[missing].numpy()
        one = slice(index, index + 1)
        l1 = metrics.masked_l1(answers[one], images[one], masks[one])
        assert float(l1) == pytest.approx(np.abs(gap).mean())
        found = metrics.masked_psnr(answers[one], images[one], masks[one])
        truth = images[index][missing].numpy()
        expected = peak_signal_noise_ratio(truth, truth + gap, data_range=2)
        assert float(found) == pytest.approx(expected)


def test_the_whole_images_psnr_is_higher_by_the_logarithm_of_the_share():
    answers, images, _ = some()
    for name in ("centre square", "half image"):
        masks = holes.draw(name, 6, *images.shape[2:], torch.Generator().manual_seed(1))
        gap = metrics.whole_psnr(answers, images, masks) - metrics.masked_psnr(
            answers, images, masks
        )
        share = float(holes.share(masks)[0])
        assert float(gap) == pytest.approx(10 * math.log10(1 / share))


@pytest.mark.parametrize("channels", [1, 3])
def test_structural_similarity_is_scikit_images(channels):
    answers, images, masks = some(channels)
    found = metrics.ssim_map(answers, images)
    for index in range(len(images)):
        for channel in range(channels):
            _, expected = structural_similarity(
                answers[index, channel].numpy(),
                images[index, channel].numpy(),
                gaussian_weights=True,
                use_sample_covariance=False,
                data_range=2,
                full=True,
            )
            np.testing.assert_allclose(found[index, channel].numpy(), expected, atol=1e-10)
    composites = holes.composite(answers, images, masks)
    over = metrics.ssim_map(composites, images)[masks.bool().expand_as(images)]
    sizes = masks.sum(dim=(1, 2, 3))
    weighted = (metrics.masked_ssim(answers, images, masks) * sizes).sum() / sizes.sum()
    assert float(weighted) == pytest.approx(float(over.mean()))


def test_known_pixels_and_infinities_outside_the_hole_count_for_nothing():
    answers, images, masks = some()
    wild = torch.where(masks > 0, answers, torch.tensor(math.nan).double())
    for metric in (metrics.masked_l1, metrics.masked_mse, metrics.masked_ssim):
        assert torch.equal(metric(wild, images, masks), metric(answers, images, masks))


def test_a_perfect_answer():
    _, images, masks = some()
    found = metrics.scores(images, images, masks, frechet=lambda composites: 0.0)
    assert found["masked_l1"] == 0 and found["masked_psnr"] == math.inf
    assert found["masked_ssim"] == pytest.approx(1)
    assert found["composite_frechet"] == 0
    assert found["hole_area"] == pytest.approx(float(masks.mean()))


def test_the_distance_is_of_composites():
    answers, images, masks = some()
    seen = []
    metrics.scores(answers, images, masks, frechet=lambda some: seen.append(some) or 1.0)
    assert torch.equal(seen[0], holes.composite(answers, images, masks))


def test_a_mask_of_the_wrong_sense_and_answers_of_another_shape_are_refused():
    answers, images, masks = some()
    functions = (metrics.masked_l1, metrics.masked_psnr, metrics.masked_ssim, metrics.scores)
    for function in functions:
        with pytest.raises(holes.MaskError, match="1 means missing"):
            function(answers, images, 1 - masks)
    with pytest.raises(holes.MaskError, match="shaped like"):
        metrics.masked_l1(answers[:, :, :1], images, masks)
    with pytest.raises(ValueError, match="one shape"):
        metrics.ssim_map(images, images[:, :, :8])


@pytest.mark.parametrize("measure", ["masked_l1", "masked_mse", "masked_psnr", "masked_ssim"])
def test_answers_of_another_shape_are_refused_in_words(measure):
    images, masks = torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    masks[:, :, 2:4, 2:4] = 1
    with pytest.raises(holes.MaskError, match="answers shaped like the images"):
        getattr(metrics, measure)(torch.zeros(2, 3, 6, 6), images, masks)
