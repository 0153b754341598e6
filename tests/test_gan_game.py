"""The game on a line: its pushes, its descent, its static slider and its widget."""

import math

import pytest
import torch
from scipy import integrate, special, stats
from torch.nn import functional as F

from course_lib import divergences, gan_game

ONE, TWO = gan_game.REAL["one Gaussian"], gan_game.REAL["two Gaussians"]
ALT = "Two densities and arrows."


def test_the_mixture_is_the_sum_of_its_parts():
    x = torch.linspace(-5, 5, 41, dtype=torch.float64)
    right = sum(share * stats.norm(mean, width).pdf(x.numpy()) for share, mean, width in TWO)
    torch.testing.assert_close(gan_game.log_mixture(x, TWO).exp(), torch.from_numpy(right))


def test_the_pushes_are_differences_of_the_losses():
    x, step = torch.tensor([-3.0, -1.0, 0.5], dtype=torch.float64), 1e-6
    told = gan_game.pushes(x, ONE, -2.0, 0.8)

    def score(at):
        p, q = (torch.from_numpy(stats.norm(*one).pdf(at.numpy())) for one in ((1, 1), (-2, 0.8)))
        return p / (p + q)

    def slope(loss):
        return (loss(score(x + step)) - loss(score(x - step))) / (2 * step)

    torch.testing.assert_close(
        told["saturating"], -slope(lambda d: torch.log(1 - d)), rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(told["non-saturating"], slope(torch.log), rtol=1e-5, atol=1e-6)


def test_one_step_follows_the_gradient_of_the_jensen_shannon_divergence():
    """Equation (7.14), with the divergence from the grid and its slope from differences."""
    x = torch.linspace(-12, 12, 6001, dtype=torch.float64)
    real, place, rate, step = gan_game.log_mixture(x, ONE).exp(), (-0.5, 1.2), 0.01, 1e-5

    def far(mean, log_width):
        return float(
            divergences.jsd(
                real, gan_game.log_mixture(x, [(1.0, mean, math.exp(log_width))]).exp(), x
            )
        )

    mean, log_width = place[0], math.log(place[1])
    to_mean = (far(mean + step, log_width) - far(mean - step, log_width)) / (2 * step)
    to_width = (far(mean, log_width + step) - far(mean, log_width - step)) / (2 * step)
    new = gan_game.descended(ONE, *place, "saturating", rate)
    assert new[0] - mean == pytest.approx(-2 * rate * to_mean, rel=1e-5)
    assert math.log(new[1]) - log_width == pytest.approx(-2 * rate * to_width, rel=1e-5)


def test_descent_reaches_the_real_density_and_stays():
    place = gan_game.START
    for _ in range(150):
        place = gan_game.descended(ONE, *place, "non-saturating")
    assert place == pytest.approx((1.0, 1.0), abs=0.02)
    assert gan_game.descended(ONE, 1.0, 1.0, "saturating") == pytest.approx((1.0, 1.0))


def test_far_away_only_one_loss_moves():
    moved = {loss: gan_game.descended(ONE, -4.0, 0.3, loss)[0] + 4.0 for loss in gan_game.LOSSES}
    assert abs(moved["saturating"]) < 1e-3 and moved["non-saturating"] > 0.5


def test_the_figure_says_the_divergences():
    figure = gan_game.game_figure(ONE, 1.0, 1.0)
    assert "JSD = 0.000" in figure.axes[0].get_title(loc="left")
    assert "W1 = 0.00" in figure.axes[0].get_title(loc="left")
    arrows = [text for text in figure.axes[1].texts]
    assert arrows == []  # nothing is pushed where p = q
    far = gan_game.game_figure(ONE, -3.0, 0.5)
    p, q = stats.norm(1, 1), stats.norm(-3, 0.5)

    def entropy(density):
        return integrate.quad(
            lambda x: -special.xlogy(density(x), density(x)), -12, 12, points=[-3]
        )[0]

    mixed = entropy(lambda x: (p.pdf(x) + q.pdf(x)) / 2)
    right = mixed - (float(p.entropy()) + float(q.entropy())) / 2
    assert f"JSD = {right:.3f}" in far.axes[0].get_title(loc="left")
    assert "W1 = 4.0" in far.axes[0].get_title(loc="left")
    assert len(far.axes[1].texts) >= gan_game.QUANTILES


@pytest.mark.parametrize("audience", ["person", "file"])
def test_a_widget_for_a_person_and_a_slider_for_a_file(monkeypatch, audience):
    shown = []
    monkeypatch.setattr(gan_game, "audience", lambda: audience)
    monkeypatch.setattr("IPython.display.display", shown.append)
    game = gan_game.gan_game(alt=ALT)
    game._ipython_display_()
    assert (shown == [game.frames]) == (audience == "file") and len(shown) == 1


def test_the_controls_move_step_and_draw():
    top, picture = gan_game.gan_game(alt=ALT).controls().children
    chosen, buttons = top.children
    real, mean, width = chosen.children
    seen = {picture.value}

    def is_new() -> bool:
        known = picture.value in seen
        seen.add(picture.value)
        return not known

    saturating, other = buttons.children
    other.click()
    wanted = gan_game.descended(ONE, *gan_game.START, "non-saturating")
    assert (mean.value, width.value) == pytest.approx(wanted, abs=0.03) and is_new()
    before = mean.value, width.value
    real.value = "two Gaussians"
    assert is_new() and (mean.value, width.value) == before
    mean.value = 3.0
    assert is_new()
    saturating.click()
    assert is_new()
    mean.value, width.value = 4.0, 3.0
    for _ in range(3):
        other.click()  # whatever it wants, the sliders keep their ends
    assert -4 <= mean.value <= 4 and 0.1 <= width.value <= 3


def test_another_loss_is_refused():
    with pytest.raises(ValueError, match="expected a loss"):
        gan_game.gan_game(alt=ALT, loss="hinge")
    with pytest.raises(ValueError, match="alt"):
        gan_game.gan_game(alt=" ")


def test_the_logit_does_not_overflow():
    logit = gan_game.best_logit(torch.tensor([-90.0, 90.0]).double(), ONE, 0.0, 0.1)
    assert torch.isfinite(logit).all() and torch.isfinite(F.softplus(logit)).all()
