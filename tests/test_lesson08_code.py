"""Taught, then kept: what lesson 08 writes out does what the library keeps."""

import pytest
import torch
from test_lesson_code import kept

from course_lib import losses, spectral, transport


@pytest.fixture(scope="module")
def lesson() -> dict:
    """What lesson 08 writes out."""
    return kept("08_gan_losses")


@pytest.mark.parametrize(
    ("name", "logits"),
    [
        ("least_squares_discriminator_loss", 2),
        ("least_squares_generator_loss", 1),
        ("saturating_loss", 1),
        ("critic_loss", 2),
        ("score_loss", 1),
        ("hinge_loss", 2),
        ("relativistic_loss", 2),
    ],
)
def test_the_losses_are_the_librarys(lesson, name, logits):
    batch = torch.randn(2, 33)[:logits]
    assert torch.equal(lesson[name](*batch), getattr(losses, name)(*batch))


def test_the_penalty_is_the_librarys(lesson):
    real, fake = torch.randn(2, 4, 3, 2, 2)
    given = (lambda x: x.pow(3).sum(dim=(1, 2, 3)), real, fake, torch.rand(4))
    assert torch.equal(lesson["gradient_penalty"](*given), losses.gradient_penalty(*given))


def test_power_iteration_is_the_librarys(lesson):
    given = torch.randn(5, 7), torch.randn(5), 3
    for taught, library in zip(
        lesson["power_iteration"](*given), spectral.power_iteration(*given), strict=True
    ):
        assert torch.equal(taught, library)


def test_the_distance_on_a_line_is_the_librarys(lesson):
    x, y, p, q = torch.randn(5), torch.randn(7), torch.rand(5), torch.rand(7)
    given = x, y, p / p.sum(), q / q.sum()
    assert torch.equal(lesson["wasserstein_1d"](*given), transport.wasserstein_1d(*given))
