"""The eight Gaussians: their samples, and the count of the modes that points cover."""

import math

import pytest
import torch

from course_lib import eight_gaussians
from course_lib.eight_gaussians import LEAST, NEAR, RADIUS, SPREAD


def test_the_centres_lie_on_the_circle_and_apart():
    centres = eight_gaussians.centres()
    torch.testing.assert_close(centres.norm(dim=1), torch.full((8,), RADIUS))
    apart = torch.cdist(centres, centres) + 99 * torch.eye(8)
    assert apart.min() == pytest.approx(2 * RADIUS * math.sin(math.pi / 8), rel=1e-5)
    assert apart.min() > 2 * NEAR * SPREAD  # no point is near two


def test_samples_have_the_mixture_s_moments():
    points = eight_gaussians.sample(4, 20_000, generator=torch.Generator().manual_seed(3))
    assert points.shape == (4, 20_000, 2)
    assert points.mean(dim=(0, 1)).abs().max() < 0.03
    # Along one side: half the squared radius, and the spread of each mode.
    assert float(points[..., 0].var()) == pytest.approx(RADIUS**2 / 2 + SPREAD**2, rel=0.01)
    assert not torch.equal(points[0], points[1])


def test_real_samples_cover_everything_but_their_own_tail():
    points = eight_gaussians.sample(40_000, generator=torch.Generator().manual_seed(4))
    found = eight_gaussians.coverage(points)
    assert found.modes == 8
    assert found.good == pytest.approx(1 - math.exp(-(NEAR**2) / 2), abs=2e-3)
    assert int(found.counts.sum()) == round(found.good * 40_000)


def test_a_mode_is_covered_from_its_least_share_on():
    centres = eight_gaussians.centres()
    count = 800  # fair share 100, least 10
    least = round(LEAST * count / 8)
    for stray, modes in ((least - 1, 1), (least, 2)):
        points = torch.cat([centres[:1].expand(count - stray, 2), centres[3:4].expand(stray, 2)])
        found = eight_gaussians.coverage(points)
        assert found.modes == modes
        assert found.counts.tolist() == [count - stray, 0, 0, stray, 0, 0, 0, 0]


def test_points_between_the_modes_belong_to_none():
    middle = torch.zeros(10, 2)
    ring = eight_gaussians.centres() * (1 + 1.01 * NEAR * SPREAD / RADIUS)
    found = eight_gaussians.coverage(torch.cat([middle, ring]))
    assert (found.modes, found.good) == (0, 0.0)
    inside = eight_gaussians.centres() * (1 + 0.99 * NEAR * SPREAD / RADIUS)
    assert eight_gaussians.coverage(inside).good == 1.0


def test_a_frame_shows_a_panel_for_each_cloud():
    clouds = {"left": torch.zeros(5, 2), "right": torch.full((5, 2), 50.0)}
    pixels = eight_gaussians.frame(clouds)
    assert pixels.dtype.name == "uint8" and pixels.shape[2] == 3
    half = pixels.shape[1] // 2
    blue = (pixels[..., 2].astype(int) - pixels[..., 0]) > 60
    assert blue[:, :half].any() and not blue[:, half:].any()  # the second cloud lies outside


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (torch.zeros(0, 2), r"points \(N, 2\)"),
        (torch.zeros(5, 3), r"points \(N, 2\)"),
        (torch.zeros(5), r"points \(N, 2\)"),
        (torch.full((5, 2), math.nan), "finite"),
    ],
)
def test_what_cannot_be_counted_is_refused(points, message):
    with pytest.raises(ValueError, match=message):
        eight_gaussians.coverage(points)
