"""The losses against their definitions in probabilities, in float64, and at extreme logits."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from course_lib import losses

LOGITS = st.lists(st.floats(-15, 15), min_size=1, max_size=8)


def pair(values: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    logits = torch.tensor(values, dtype=torch.float64)
    return logits, logits.flip(0) * 0.5 - 1


@given(LOGITS)
def test_discriminator_loss_is_the_binary_cross_entropy_of_both_batches(values):
    real, fake = pair(values)
    expected = -(real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean())
    assert torch.isclose(losses.discriminator_loss(real, fake), expected, rtol=1e-7)
    bce = F.binary_cross_entropy_with_logits
    oracle = bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))
    assert torch.isclose(losses.discriminator_loss(real, fake), oracle)


@given(LOGITS)
def test_generator_loss_is_minus_log_d(values):
    fake, _ = pair(values)
    assert torch.isclose(losses.generator_loss(fake), -fake.sigmoid().log().mean(), rtol=1e-7)


@given(LOGITS)
def test_relativistic_loss_compares_pairs(values):
    better, worse = pair(values)
    expected = -(better - worse).sigmoid().log().mean()
    assert torch.isclose(losses.relativistic_loss(better, worse), expected, rtol=1e-7)


@given(LOGITS)
def test_saturating_loss_is_log_of_one_minus_d(values):
    fake, _ = pair(values)
    assert torch.isclose(losses.saturating_loss(fake), (1 - fake.sigmoid()).log().mean(), rtol=1e-6)


@given(LOGITS)
def test_least_squares_are_half_the_mean_squared_errors(values):
    real, fake = pair(values)
    mse, one = F.mse_loss, torch.ones_like(real)
    expected = (mse(real, one) + mse(fake, -one)) / 2
    assert torch.isclose(losses.least_squares_discriminator_loss(real, fake), expected)
    assert torch.isclose(losses.least_squares_generator_loss(fake), mse(fake, 0 * one) / 2)


@given(LOGITS)
def test_hinge_is_torchs_margin_loss_and_the_critic_a_difference_of_means(values):
    real, fake = pair(values)
    oracle = 0
    for logits, label in ((real, 1), (fake, -1)):  # hinge_embedding_loss pays max(0, 1 - x) for -1
        oracle = oracle + F.hinge_embedding_loss(label * logits, torch.full_like(logits, -1))
    assert torch.isclose(losses.hinge_loss(real, fake), torch.as_tensor(oracle))
    expected = sum(fake.tolist()) / len(values) - sum(real.tolist()) / len(values)
    assert losses.critic_loss(real, fake).item() == pytest.approx(expected, abs=1e-12)
    assert losses.score_loss(fake).item() == pytest.approx(-fake.sum().item() / len(values))


def test_each_named_pair_has_a_discriminator_that_prefers_real_and_a_generator_that_climbs():
    """A swapped sign anywhere in the table fails here."""
    low, high = torch.full((4,), -0.5), torch.full((4,), 0.5)
    for name, adversarial in losses.LOSSES.items():
        right, wrong = adversarial.discriminator(high, low), adversarial.discriminator(low, high)
        assert right < wrong, name
        fake = low.clone().requires_grad_()
        adversarial.generator(fake, high).backward()
        assert (fake.grad < 0).all(), name


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_losses_and_gradients_stay_finite_at_extreme_logits(size):
    logits = torch.full((3,), size, requires_grad=True)
    total = (
        losses.discriminator_loss(logits, logits)
        + losses.generator_loss(logits)
        + losses.relativistic_loss(logits, -logits)
    )
    total.backward()
    assert torch.isfinite(total) and torch.isfinite(logits.grad).all()


def test_squared_gradient_norm_of_a_known_function():
    images = torch.randn(5, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    logits = (images**2).sum(dim=(1, 2, 3))  # the gradient is twice the image
    expected = (4 * images**2).sum(dim=(1, 2, 3)).mean()
    assert torch.isclose(losses.squared_gradient_norm(logits, images), expected)


def test_squared_gradient_norm_can_be_minimised():
    scale = torch.tensor(3.0, requires_grad=True)
    images = torch.ones(2, 1, 2, 2, requires_grad=True)
    penalty = losses.squared_gradient_norm((scale * images).sum(dim=(1, 2, 3)), images)
    penalty.backward()
    assert scale.grad == pytest.approx(2 * 3.0 * 4)  # d/ds of s^2 times four pixels


def test_squared_gradient_norm_refuses_images_without_gradient():
    with pytest.raises(ValueError, match="requires_grad_"):
        losses.squared_gradient_norm(torch.zeros(2), torch.zeros(2, 1, 4, 4))


def critic(images: torch.Tensor) -> torch.Tensor:
    """Its gradient is 2 x: known."""
    return images.square().sum(dim=(1, 2, 3))


def test_gradient_penalty_of_a_known_function():
    real, fake = torch.randn(2, 5, 2, 3, 4, dtype=torch.float64)
    mix = torch.rand(5, dtype=torch.float64)
    lengths = [
        2 * float((m * x + (1 - m) * y).norm()) for m, x, y in zip(mix, real, fake, strict=True)
    ]
    expected = sum((length - 1) ** 2 for length in lengths) / 5
    assert losses.gradient_penalty(critic, real, fake, mix).item() == pytest.approx(expected)


def test_gradient_penalty_reaches_the_critic_and_not_the_generator():
    scale = torch.tensor(2.0, requires_grad=True)
    real, fake = torch.randn(2, 3, 1, 2, 2)
    fake.requires_grad_()
    penalty = losses.gradient_penalty(
        lambda images: (scale * images).sum(dim=(1, 2, 3)), real, fake, torch.rand(3)
    )
    penalty.backward()
    # The gradient is `scale` at each of four pixels, its length 2 scale: d/ds (2s - 1)^2.
    assert scale.grad == pytest.approx(4 * (2 * 2.0 - 1)) and fake.grad is None
