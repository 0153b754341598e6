"""The divergences of densities on a line, against closed forms and other ways to compute them."""

import math

import pytest
import torch
from scipy import stats
from test_lesson_code import kept

from course_lib import divergences

X = torch.linspace(-14, 14, 7001, dtype=torch.float64)
DISTANCES = {
    "kl": divergences.kl,
    "jsd": divergences.jsd,
    "total_variation": divergences.total_variation,
    "wasserstein": divergences.wasserstein,
}


def bell(mean: float, width: float) -> torch.Tensor:
    return torch.from_numpy(stats.norm(mean, width).pdf(X.numpy()))


def box(start: float, end: float) -> torch.Tensor:
    inside = (X.sub(start).abs() + X.sub(end).abs() < end - start + 1e-9).double()
    return inside / divergences.integral(inside, X)


def test_the_divergence_of_gaussians_is_the_closed_form():
    for mean, width in ((0.0, 1.0), (2.0, 0.5), (-1.0, 1.3)):
        right = math.log(width) + (1 + mean**2) / (2 * width**2) - 0.5
        assert float(divergences.kl(bell(0, 1), bell(mean, width), X)) == pytest.approx(right)


def test_an_event_that_one_density_excludes_makes_the_divergence_infinite():
    assert divergences.kl(box(0, 2), box(0, 1), X) == math.inf
    assert float(divergences.kl(box(0, 1), box(0, 2), X)) == pytest.approx(math.log(2), abs=1e-2)


def test_the_jensen_shannon_divergence_is_entropy_of_the_mixture_less_mean_entropy():
    for p, q in ((bell(0, 1), bell(1, 2)), (bell(-2, 0.3), box(-3, 4))):
        entropies = [
            -divergences.integral(torch.special.xlogy(f, f), X) for f in (p, q, (p + q) / 2)
        ]
        right = entropies[2] - (entropies[0] + entropies[1]) / 2
        torch.testing.assert_close(divergences.jsd(p, q, X), right)


def test_the_ends_of_the_jensen_shannon_divergence():
    assert float(divergences.jsd(bell(0, 1), bell(0, 1), X)) == 0
    apart = float(divergences.jsd(box(-2, -1), box(3, 5), X))
    assert apart == pytest.approx(math.log(2), abs=1e-9)
    assert float(divergences.total_variation(box(-2, -1), box(3, 5), X)) == pytest.approx(1)


def test_the_total_variation_of_two_unit_gaussians():
    right = 2 * stats.norm.cdf(0.75) - 1  # they cross halfway
    found = divergences.total_variation(bell(0, 1), bell(1.5, 1), X)
    assert float(found) == pytest.approx(right, rel=1e-5)


def test_the_wasserstein_distance_is_that_of_many_sorted_samples():
    levels = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    p, q = stats.norm(0, 1), stats.norm(1.0, 2.5)
    right = abs(p.ppf(levels.numpy()) - q.ppf(levels.numpy())).mean()
    found = float(divergences.wasserstein(bell(0, 1), bell(1.0, 2.5), X))
    assert found == pytest.approx(right, rel=1e-3)
    assert float(divergences.wasserstein(bell(0, 1), bell(3, 1), X)) == pytest.approx(3, rel=1e-6)


@pytest.mark.parametrize("name", ["jsd", "total_variation", "wasserstein"])
def test_symmetric_in_the_two(name):
    p, q = bell(0, 1), bell(1, 2)
    torch.testing.assert_close(DISTANCES[name](p, q, X), DISTANCES[name](q, p, X))


def test_the_best_discriminator_counts_what_is_shown():
    p, q = torch.tensor([0.2, 0.8, 0.0, 0.0]), torch.tensor([0.4, 0.2, 0.4, 0.0])
    found = divergences.optimal_discriminator(p, q, real_share=0.75)
    assert found[:3].tolist() == pytest.approx([0.6 / 1.0, 2.4 / 2.6, 0.0])
    assert found[3].isnan()
    assert divergences.optimal_discriminator(p, q)[0] == pytest.approx(1 / 3)


def test_the_divergences_have_gradients():
    mean = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    q = torch.exp(-((X - mean) ** 2) / 2) / math.sqrt(2 * math.pi)
    (slope,) = torch.autograd.grad(divergences.kl(bell(0, 1), q, X), mean)
    assert float(slope) == pytest.approx(0.7)  # the divergence is mean^2 / 2


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize(
    ("p", "q", "x", "message"),
    [
        (bell(0, 1)[:-1], bell(0, 1), X, "one shape"),
        (bell(0, 1), bell(0, 1), X.flip(0), "increases"),
        (-bell(0, 1), bell(0, 1), X, "first density is negative"),
        (bell(0, 1), 2 * bell(0, 1), X, "second density integrates to 2.000"),
        (bell(20, 1), bell(0, 1), X, "first density integrates to 0.000"),
    ],
)
def test_what_is_no_pair_of_densities_is_refused(name, p, q, x, message):
    with pytest.raises(ValueError, match=message):
        DISTANCES[name](p, q, x)


@pytest.mark.parametrize(
    ("p", "q", "share", "message"),
    [
        ([0.5], [0.5], 0.0, "between 0 and 1"),
        ([0.5], [0.5], 1.5, "between 0 and 1"),
        ([0.5], [0.5, 0.5], 0.5, "one shape"),
        ([-0.5], [0.5], 0.5, "at least 0"),
    ],
)
def test_what_has_no_best_discriminator_is_refused(p, q, share, message):
    with pytest.raises(ValueError, match=message):
        divergences.optimal_discriminator(torch.tensor(p), torch.tensor(q), share)


def test_the_lesson_writes_out_what_the_library_keeps():
    taught = kept("07_the_gan_game")
    for name in ("kl", "jsd"):
        p, q = bell(0, 1), bell(1, 0.8)
        torch.testing.assert_close(taught[name](p, q, X), DISTANCES[name](p, q, X))
        torch.testing.assert_close(
            taught[name](box(-1, 1), box(0, 5), X), DISTANCES[name](box(-1, 1), box(0, 5), X)
        )
