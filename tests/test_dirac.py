"""The smallest GAN against its linear theory, written out by hand here."""

import math

import pytest
import torch

from course_lib import dirac, losses

START = (0.3, 0.1)


def test_simultaneous_wasserstein_steps_turn_and_grow():
    path = dirac.simulate("wasserstein", START, rate=0.1, steps=50, alternating=False)
    assert path.shape == (51, 2) and path[0].tolist() == list(START)
    radius = path.norm(dim=1)
    growth = math.sqrt(1 + 0.1**2)
    torch.testing.assert_close(radius[1:] / radius[:-1], torch.full((50,), growth).double())


def test_an_alternating_step_lets_the_generator_answer_the_new_discriminator():
    theta, psi = START
    path = dirac.simulate("wasserstein", START, rate=0.1, steps=1)
    new = psi - 0.1 * theta
    assert path[1].tolist() == pytest.approx([theta + 0.1 * new, new])


@pytest.mark.parametrize("loss", list(losses.LOSSES))
def test_one_step_follows_the_slopes_by_finite_differences(loss):
    theta, psi = START
    pair, h = losses.LOSSES[loss], 1e-6

    def one(value: float) -> torch.Tensor:
        return torch.tensor([value], dtype=torch.float64)

    def d_loss(p: float) -> float:
        slopes = 0.15 * p**2 + 0.2 * p**2 + 0.7 * (abs(p) - 1) ** 2
        return float(pair.discriminator(one(0.0), one(p * theta))) + slopes

    def g_loss(t: float) -> float:
        return float(pair.generator(one(psi * t), one(0.0)))

    expected = (
        theta - 0.1 * (g_loss(theta + h) - g_loss(theta - h)) / (2 * h),
        psi - 0.1 * (d_loss(psi + h) - d_loss(psi - h)) / (2 * h),
    )
    options = {"r1": 0.3, "r2": 0.4, "slope_one": 0.7}
    path = dirac.simulate(loss, START, rate=0.1, steps=1, alternating=False, **options)
    assert path[1].tolist() == pytest.approx(expected, abs=1e-7)


def test_the_relativistic_game_is_the_non_saturating_one():
    paths = [
        dirac.simulate(loss, START, rate=0.2, steps=20)
        for loss in ("relativistic", "non-saturating")
    ]
    torch.testing.assert_close(*paths)


def test_clipping_holds_psi():
    path = dirac.simulate("wasserstein", (2.0, 0.0), rate=0.1, steps=30, clip=0.25)
    assert float(path[:, 1].abs().max()) == 0.25
