"""Several answers and their spread, and the least price of realism."""

import itertools

import pytest
import torch

from course_lib import inpaint_losses, inpainting, several_answers, tradeoff
from course_lib import masks as holes
from course_lib.models import inpainting as models


def case(count: int = 3, channels: int = 2):
    random = torch.Generator().manual_seed(1)
    images = torch.rand(count, channels, 16, 16, generator=random) * 2 - 1
    masks = holes.draw(["random box", "free form"], count, 16, 16, random)
    answers = torch.rand(5, count, channels, 16, 16, generator=random) * 2 - 1
    return images, masks, torch.where(masks > 0, answers, images)


def test_the_spread_map_is_the_mean_over_pairs():
    _, masks, answers = case()
    pairs = [(one - two).abs() for one, two in itertools.combinations(answers, 2)]
    expected = torch.stack(pairs).mean(dim=0).mean(dim=1, keepdim=True)
    found = several_answers.spread_map(answers)
    torch.testing.assert_close(found, expected)
    assert (found[masks == 0].abs() < 1e-6).all()
    own = torch.stack([one[hole > 0].mean() for one, hole in zip(expected, masks, strict=True)])
    torch.testing.assert_close(several_answers.spread(answers, masks), own)


def test_each_answer_has_noise_of_its_own_and_known_pixels_stay():
    images, masks, _ = case(channels=1)
    torch.manual_seed(2)
    network = models.UNet(1, 4, noise=3).eval()
    found = several_answers.several(network, images, masks, 3, torch.Generator().manual_seed(3))
    assert found.shape == (3, 3, 1, 16, 16) and not torch.equal(found[0], found[1])
    known = (masks == 0).expand_as(images)
    assert all(torch.equal(one[known], images[known]) for one in found)
    random = torch.Generator().manual_seed(3)
    z = torch.randn(3, 3, generator=random)
    torch.testing.assert_close(found[0], inpainting.fill(network, images, masks, z))


def test_what_has_no_several_answers():
    images, masks, answers = case(channels=1)
    with pytest.raises(ValueError, match="noise of length 0"):
        several_answers.several(models.UNet(1, 4).eval(), images, masks, 2, torch.Generator())
    noisy = models.UNet(1, 4, noise=3).eval()
    with pytest.raises(ValueError, match="0 answers"):
        several_answers.several(noisy, images, masks, 0, torch.Generator())
    with pytest.raises(ValueError, match="N >= 2"):
        several_answers.spread_map(answers[:1])
    with pytest.raises(holes.MaskError):
        several_answers.spread(answers, 1 - masks)


def test_the_score_is_least_for_draws_from_the_truth():
    """Of answers that are black or white by chance, those with the chances of the truth win."""
    random = torch.Generator().manual_seed(4)
    shape, masks = (400, 1, 16, 16), torch.ones(400, 1, 16, 16)

    def drawn(p: float) -> torch.Tensor:
        return (torch.rand(shape, generator=random) < p).float()

    truth = drawn(0.3)
    scores = {
        p: float(inpaint_losses.energy_loss(drawn(p), drawn(p), truth, masks))
        for p in (0.0, 0.15, 0.3, 0.45, 1.0)
    }
    # By (14.9): (p - 0.3)^2 + 0.21.
    for p, score in scores.items():
        assert score == pytest.approx((p - 0.3) ** 2 + 0.21, abs=0.01)
    without = {
        p: float(inpaint_losses.energy_loss(drawn(p), drawn(p), truth, masks, spread=0.0))
        for p in (0.0, 0.3)
    }
    assert without[0.0] < without[0.3]  # without the reward the median is best


def test_the_price_of_realism():
    assert tradeoff.decibels_lost(1.0) == 0
    assert tradeoff.decibels_lost(0.0) == pytest.approx(3.0103, abs=1e-4)
    # Two completions, -1 and 1, and answers at +-0.5: a quarter of the squared way is left, and
    # the squared error is the mean of 0.25, 2.25.
    assert tradeoff.decibels_lost(0.25) == pytest.approx(10 * torch.log10(torch.tensor(1.25)))
    for wrong in (-0.1, 1.1):
        with pytest.raises(ValueError, match=r"share in \[0, 1\]"):
            tradeoff.decibels_lost(wrong)
    first, second = torch.zeros(2), torch.tensor([1.0, -2.0])
    assert torch.equal(tradeoff.mixture(first, second, 0.25), torch.tensor([0.25, -0.5]))


def test_noise_is_added_to_a_network_that_answers_as_before():
    images, masks, _ = case(channels=1)
    torch.manual_seed(5)
    network = models.UNet(1, 4, levels=2)
    fed = several_answers.with_noise(network, 3, torch.Generator().manual_seed(6), scale=0.0)
    z = torch.randn(3, 3, generator=torch.Generator().manual_seed(7))
    torch.testing.assert_close(fed(images, masks, z), network(images, masks))
    fed = several_answers.with_noise(network, 3, torch.Generator().manual_seed(6)).eval()
    assert not torch.equal(fed(images, masks, z), fed(images, masks, -z))
    assert fed.noise == 3
    for wrong in (fed, models.UNet(1, 4, kind="gated")):
        with pytest.raises(ValueError, match="plain U-Net without noise"):
            several_answers.with_noise(wrong, 3, torch.Generator())
