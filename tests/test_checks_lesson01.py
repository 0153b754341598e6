"""Answers to lesson 01's exercises, judged by test_checks.py, and tests of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from course_lib import data
from course_lib.checks import lesson01 as checks
from course_lib.models.gaussian import GaussianSampler


def nchw(images):
    return data.normalise(images.permute(0, 3, 1, 2))


def to_light(s):
    return torch.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)


def from_light(light):
    return torch.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def light(bytes_):
    return float(255 * from_light(to_light(bytes_.double() / 255).mean()))


def blocks(image, k):
    return image.unfold(0, k, k).unfold(1, k, k).mean((2, 3))


def root(covariance):
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt()


def gaussian(mean, covariance, z):
    return mean + z @ root(covariance).T


def gap(x):
    return x.norm(dim=1) ** 2 / 2


def pixels(images, count, generator):
    chosen = torch.randint(len(images), (count, *images.shape[1:]), generator=generator)
    return images.gather(0, chosen)


def cut(e):
    """Right: from the bottom up, and then down."""
    table = e.copy()
    for i in range(len(e) - 2, -1, -1):
        below = np.pad(table[i + 1], 1, constant_values=np.inf)
        table[i] += np.minimum(np.minimum(below[:-2], below[1:-1]), below[2:])
    columns = [int(table[0].argmin())]
    for row in table[1:]:
        near = range(max(0, columns[-1] - 1), min(len(row), columns[-1] + 2))
        columns.append(min(near, key=lambda j: row[j]))
    return columns


RIGHT = {
    "to_nchw": nchw,
    "light_mean": light,
    "shrink": blocks,
    "sample_gaussian": gaussian,
    "log_density_gap": gap,
    "independent_pixels": pixels,
    "cheapest_cut": cut,
}


def cholesky_with_help(mean, covariance, z):
    help_ = 1e-9 * torch.eye(len(mean)).double()
    return mean + z @ torch.linalg.cholesky(covariance + help_).T


def one_by_one(images, count, generator):
    drawn = images[:1].repeat(count, 1, 1, 1)
    for place in np.ndindex(*drawn.shape):
        chosen = int(torch.rand((), generator=generator) * len(images))
        drawn[place] = images[(chosen, *place[1:])]
    return drawn


def shuffled_columns(images, count, generator):
    """Each pixel's values in an order of its own, again and again: as frequent as can be."""
    passes = -(-count // len(images))
    orders = torch.rand(passes, *images.shape, generator=generator).argsort(1)
    drawn = torch.cat([images.gather(0, order) for order in orders])[:count]
    return drawn[torch.randperm(count, generator=generator)]


ALSO_RIGHT = [
    ("to_nchw", lambda x: x.float().div(255).sub(0.5).mul(2).permute(0, 3, 1, 2).contiguous()),
    ("to_nchw", lambda x: torch.from_numpy(np.moveaxis(x.numpy(), 3, 1) / np.float32(127.5)) - 1),
    ("to_nchw", lambda x: torch.stack([x[..., c] for c in range(x.shape[3])], 1) / 127.5 - 1),
    ("light_mean", lambda b: torch.tensor(light(b))),
    ("light_mean", lambda b: np.float32(light(b))),
    ("light_mean", lambda b: 255 * from_light(to_light(b / 255).mean())),
    ("shrink", lambda x, k: blocks(x, k).float()),
    ("shrink", lambda x, k: F.conv2d(x[None, None], torch.ones(1, 1, k, k).double() / k**2,
                                     stride=k)[0, 0]),
    ("sample_gaussian", cholesky_with_help),
    ("sample_gaussian", lambda m, c, z: gaussian(m, c, z).float()),
    ("sample_gaussian", lambda m, c, z: torch.stack([m + root(c) @ row for row in z])),
    ("sample_gaussian", lambda m, c, z: m + z @ -root(c).T.flip(0)),
    ("log_density_gap", lambda x: torch.einsum("ni,ni->n", x, x) / 2),
    ("log_density_gap", lambda x: gap(x).float()),
    ("independent_pixels", one_by_one),
    ("independent_pixels", shuffled_columns),
    ("cheapest_cut", lambda e: tuple(cut(e))),
    ("cheapest_cut", lambda e: np.array(cut(e))),
    ("cheapest_cut", lambda e: torch.tensor(cut(e))),
    ("cheapest_cut", lambda e: [np.int64(column) for column in cut(e)]),
]  # fmt: skip


def ranges(change, after=lambda x: x):
    """Exercise 1.1 with this change of the bytes, and this one of the floats."""
    return lambda images: after(change(images.permute(0, 3, 1, 2)).float())


def spoiling(name):
    """A right answer that afterwards changes its first argument in place."""

    def answer(*given):
        result = RIGHT[name](*given)
        result = result.clone() if isinstance(result, torch.Tensor) else result
        given[0][:] = given[0] * 2 + 1
        return result

    return answer


def whole_rows(images, count, generator):
    N, C, H, W = images.shape
    chosen = torch.randint(N, (count, C, H, 1), generator=generator).expand(count, C, H, W)
    return images.gather(0, chosen)


def never_last(images, count, generator):
    return pixels(images[: max(1, len(images) - 1)], count, generator)


def preferring(images, count, generator):
    shares = torch.rand(count, *images.shape[1:], generator=generator) ** 1.5
    return images.gather(0, (shares * len(images)).long())


def own_seed(images, count, generator):
    return pixels(images, count, torch.Generator().manual_seed(0))


def without_replacement(images, count, generator):
    order = torch.randperm(len(images), generator=generator)[:count]
    return images[order].reshape(count, *images.shape[1:])


def between_limits(images, count, generator):
    low, high = images.double().amin(0), images.double().amax(0)
    shares = torch.rand(count, *images.shape[1:], generator=generator)
    return (low + shares * (high - low)).to(images.dtype)


def other_places(images, count, generator):
    return pixels(images, count, generator).flip(3)


def sums(e):
    table = e.copy()
    for i in range(1, len(e)):
        above = np.pad(table[i - 1], 1, constant_values=np.inf)
        table[i] += np.minimum(np.minimum(above[:-2], above[1:-1]), above[2:])
    return table


def walk(table, start):
    columns = [int(start)]
    for row in table[1:]:
        near = range(max(0, columns[-1] - 1), min(len(row), columns[-1] + 2))
        columns.append(min(near, key=lambda j: row[j]))
    return columns


def negative_index(e):
    """The index -1 is the last column, in the sums and on the way back."""
    table, last = e.copy(), e.shape[1] - 1
    for i in range(1, len(e)):
        for j in range(e.shape[1]):
            table[i, j] += min(table[i - 1, j - 1], table[i - 1, j], table[i - 1, min(j + 1, last)])
    columns = [int(table[-1].argmin())]
    for row in table[-2::-1]:
        near = [columns[0] - 1, columns[0], min(columns[0] + 1, last)]
        columns.insert(0, min(near, key=lambda j: row[j]))
    return columns


def around(e):
    """Round the edge on both sides, in the sums and on the way back."""
    table, size = e.copy(), e.shape[1]
    for i in range(1, len(e)):
        for j in range(size):
            table[i, j] += min(table[i - 1, (j + step) % size] for step in (-1, 0, 1))
    columns = [int(table[-1].argmin())]
    for row in table[-2::-1]:
        near = [(columns[0] + step) % size for step in (-1, 0, 1)]
        columns.insert(0, min(near, key=lambda j: row[j]))
    return columns


def eigen(change):
    """Exercise 1.4 with a matrix that is made of eigenvalues and eigenvectors."""

    def answer(mean, covariance, z):
        values, vectors = torch.linalg.eigh(covariance)
        return mean + z @ change(values.clamp(min=0), vectors).T

    return answer


# (exercise, answer, hint): mistakes that the notebook does not show.
WRONG = [
    ("to_nchw", lambda x: data.normalise(x), "channels-last"),
    ("to_nchw", lambda x: x.permute(0, 3, 2, 1) / 255, "rows-and-columns"),
    ("to_nchw", lambda x: x.reshape(len(x), x.shape[3], *x.shape[1:3]) / 255, "reshaped"),
    ("to_nchw", lambda x: x.permute(0, 2, 1, 3).reshape(nchw(x).shape) / 127.5 - 1, "values"),
    ("to_nchw", lambda x: nchw(x).flip(2), "mirrored"),
    ("to_nchw", lambda x: nchw(x).flip(3), "mirrored"),
    ("to_nchw", ranges(lambda x: x), "not-scaled"),
    ("to_nchw", ranges(lambda x: x / 256), "zero-to-one"),
    ("to_nchw", ranges(lambda x: x / 255 - 0.5), "half-range"),
    ("to_nchw", ranges(lambda x: x, lambda x: 1 - x / 127.5), "inverted"),
    ("to_nchw", ranges(lambda x: x / 128 - 1), "ends"),
    ("to_nchw", ranges(lambda x: x, lambda x: (x - 128) / 127.5), "ends"),
    ("to_nchw", ranges(lambda x: x - 128, lambda x: x / 128), "overflow"),
    ("to_nchw", ranges(lambda x: (x - 127) / 127.5), "overflow"),
    ("to_nchw", ranges(lambda x: 2 * x / 255 - 1), "overflow"),
    ("to_nchw", ranges(lambda x: (2 * x - 255) / 255), "overflow"),
    ("to_nchw", ranges(lambda x: x.to(torch.int8) / 127.5 - 1), "overflow"),
    ("to_nchw", ranges(lambda x: x // 255 * 2 - 1), "whole-numbers"),
    ("to_nchw", ranges(lambda x: x // 127.5 - 1), "whole-numbers"),
    ("to_nchw", lambda x: (x.permute(0, 3, 1, 2) - 127) // 128, "whole-numbers"),
    ("to_nchw", lambda x: nchw(x).double(), "precision"),
    ("to_nchw", lambda x: nchw(x).to(torch.complex64), "type"),
    ("to_nchw", lambda x: nchw(x).numpy(), "type"),
    ("to_nchw", lambda x: nchw(x)[0], "shape"),
    ("to_nchw", lambda x: nchw(x) + 0.01, "values"),
    ("to_nchw", lambda x: nchw(x) / 0 * 0, "nan"),
    ("light_mean", lambda b: float(to_light(b.double() / 255).mean()), "not-back"),
    ("light_mean", lambda b: light(b) / 255, "share"),
    ("light_mean", lambda b: float((b / 255).pow(2.4).mean() ** (1 / 2.4) * 255), "plain-power"),
    ("light_mean", lambda b: 255 * from_light(curve(b).mean()), "no-linear-branch"),
    ("light_mean", lambda b: 255 * to_light(from_light(b / 255).mean()), "wrong-way"),
    ("light_mean", lambda b: round(light(b)), "rounded"),
    ("light_mean", lambda b: int(light(b)), "rounded"),
    ("light_mean", lambda b: light(b) + 1, "values"),
    ("light_mean", lambda b: float("nan"), "values"),
    ("light_mean", lambda b: b.mean(), "error"),
    ("light_mean", lambda b: b.double(), "type"),
    ("light_mean", lambda b: True, "type"),
    ("shrink", lambda x, k: x[k - 1 :: k, k // 2 :: k], "every-kth"),
    ("shrink", lambda x, k: F.interpolate(x[None, None], scale_factor=1 / k)[0, 0], "every-kth"),
    ("shrink", lambda x, k: F.interpolate(x[None, None], scale_factor=1 / k, mode="bilinear")[0, 0],
     "every-kth"),
    ("shrink", lambda x, k: F.avg_pool2d(x[None], k)[0], "library"),
    ("shrink", lambda x, k: F.adaptive_avg_pool2d(x[None], [len(x) // k, x.shape[1] // k])[0],
     "library"),
    ("shrink", lambda x, k: F.interpolate(x[None, None], scale_factor=1 / k, mode="area")[0, 0],
     "library"),
    ("shrink", lambda x, k: blocks(x, k) * k, "half-divided"),
    ("shrink", lambda x, k: blocks(x, k).T, "transposed"),
    ("shrink", lambda x, k: x.unfold(0, k, k).mean(2), "one-axis"),
    ("shrink", lambda x, k: x.unfold(1, k, k).mean(2), "one-axis"),
    ("shrink", lambda x, k: x.unfold(1, k, k).mean(2)[::k], "one-axis"),
    ("shrink", lambda x, k: x.unfold(0, k, k).mean(2)[:, k - 1 :: k], "one-axis"),
    ("shrink", lambda x, k: x.reshape(k, k, len(x) // k, -1).mean((0, 1)), "wrong-blocks"),
    ("shrink", lambda x, k: x.reshape(len(x) // k, k, k, -1).mean((1, 2)), "far-apart"),
    ("shrink", lambda x, k: x.unfold(0, k, k).unfold(1, k, k).amax((2, 3)), "extreme"),
    ("shrink", lambda x, k: blocks(x, k)[None], "shape"),
    ("shrink", lambda x, k: blocks(x, k) + 0.01, "values"),
    ("shrink", lambda x, k: blocks(x, k).int(), "type"),
    ("sample_gaussian", lambda m, c, z: m + z @ c.clamp(min=0).sqrt(), "elementwise"),
    ("sample_gaussian", lambda m, c, z: m + z @ c.sqrt(), "elementwise"),
    ("sample_gaussian", lambda m, c, z: m + z * c.diag().clamp(min=0).sqrt(), "variances-only"),
    ("sample_gaussian", lambda m, c, z: m + z @ torch.linalg.cholesky(c), "transposed"),
    ("sample_gaussian", lambda m, c, z: m + z @ torch.from_numpy(np.linalg.cholesky(c.numpy())).T,
     "cholesky"),
    ("sample_gaussian", lambda m, c, z: cholesky_with_help(m, c + 0.01 * torch.eye(len(m)), z),
     "jitter"),
    ("sample_gaussian", eigen(lambda values, U: U * values.sqrt()[:, None]), "directions"),
    ("sample_gaussian", eigen(lambda values, U: U.T * values.sqrt()), "directions"),
    ("sample_gaussian", eigen(lambda values, U: values.sqrt().diag()), "directions"),
    ("sample_gaussian", eigen(lambda values, U: (U * values).T), "no-root"),
    ("sample_gaussian", eigen(lambda values, U: U / values.sqrt()), "precision"),
    ("sample_gaussian", eigen(lambda values, U: U), "values"),
    ("sample_gaussian", lambda m, c, z: (m + z) @ root(c).T, "mean-moved"),
    ("sample_gaussian", lambda m, c, z: gaussian(m, c, torch.randn_like(z)), "own-noise"),
    ("sample_gaussian", lambda m, c, z: gaussian(m, c, z.square()), "not-affine"),
    ("sample_gaussian", lambda m, c, z: gaussian(m, c, z / z.abs().amax(0)), "not-affine"),
    ("sample_gaussian", lambda m, c, z: gaussian(m, c, z) + 0j, "complex"),
    ("sample_gaussian", lambda m, c, z: gaussian(m, c, z).T, "shape"),
    ("sample_gaussian", lambda m, c, z: gaussian(m, c, z).int(), "type"),
    ("sample_gaussian", lambda m, c, z: gaussian(m, c, z) / 0 * 0, "nan"),
    ("sample_gaussian", lambda m, c, z: gaussian(m, c, z.add_(1)), "input-changed"),
    ("log_density_gap", lambda x: x.square().mean(1), "mean"),
    ("log_density_gap", lambda x: x.norm(dim=1), "not-squared"),
    ("log_density_gap", lambda x: -x.square().mean(1), "sign"),
    ("log_density_gap", lambda x: x.square(), "not-summed"),
    ("log_density_gap", lambda x: x.square().sum(0) / 2, "axis"),
    ("log_density_gap", lambda x: x.square().sum() / 2, "one-number"),
    ("log_density_gap", lambda x: gap(x).mean(), "one-number"),
    ("log_density_gap", lambda x: gap(x)[:, None], "keepdim"),
    ("log_density_gap", lambda x: gap(x) + x.shape[1] / 2 * np.log(2 * np.pi), "constant"),
    ("log_density_gap", lambda x: torch.full((len(x),), x.shape[1] / 2), "expected"),
    ("log_density_gap", lambda x: -gap(x) - x.shape[1] / 2 * np.log(2 * np.pi), "log-p"),
    ("log_density_gap", lambda x: gap(x).exp(), "ratio"),
    ("log_density_gap", lambda x: -torch.log(torch.exp(-gap(x))), "underflow"),
    ("log_density_gap", lambda x: gap(x) / 0 * 0, "underflow"),
    ("log_density_gap", lambda x: gap(x)[:-1], "shape"),
    ("log_density_gap", lambda x: gap(x) * 1.01, "values"),
    ("log_density_gap", lambda x: gap(x).int(), "type"),
    ("independent_pixels", whole_rows, "together"),
    ("independent_pixels", never_last, "uneven"),
    ("independent_pixels", preferring, "uneven"),
    ("independent_pixels", own_seed, "generator-ignored"),
    ("independent_pixels", without_replacement, "error"),
    ("independent_pixels", between_limits, "invented"),
    ("independent_pixels", other_places, "places-lost"),
    ("independent_pixels", lambda x, n, g: x.double().mean(0).expand(n, -1, -1, -1), "invented"),
    ("independent_pixels", lambda x, n, g: pixels(x, n, g) / 2, "uniform"),
    ("independent_pixels", lambda x, n, g: pixels(x, n, g).double(), "type"),
    ("independent_pixels", lambda x, n, g: pixels(x, n, g) + 0j, "type"),
    ("independent_pixels", lambda x, n, g: pixels(x.float(), n, g), "type"),
    ("independent_pixels", lambda x, n, g: pixels(x, n, g).flatten(1), "shape"),
    ("independent_pixels", lambda x, n, g: pixels(x, n, g).numpy(), "type"),
    ("independent_pixels", lambda x, n, g: pixels(x, n, g) / 0 * 0, "nan"),
    ("cheapest_cut", lambda e: walk(e[::-1], e[-1].argmin())[::-1], "greedy"),
    ("cheapest_cut", lambda e: sums(e).argmin(1).tolist(), "row-minima"),
    ("cheapest_cut", lambda e: walk(sums(e)[::-1], e[-1].argmin())[::-1], "last-row"),
    ("cheapest_cut", lambda e: walk(sums(e), e[0].argmin()), "top-down-through-sums"),
    ("cheapest_cut", negative_index, "outside"),
    ("cheapest_cut", around, "wrap"),
    ("cheapest_cut", lambda e: cut(e)[::-1], "reversed"),
    ("cheapest_cut", lambda e: cut(-e), "dearest"),
    ("cheapest_cut", lambda e: [int(e.sum(0).argmin())] * len(e), "straight"),
    ("cheapest_cut", lambda e: [0] * len(e), "values"),
    ("cheapest_cut", lambda e: [column + 1 for column in cut(e)], "outside"),
    ("cheapest_cut", lambda e: cut(e)[1:], "length"),
    ("cheapest_cut", lambda e: cut(e.T), "length"),
    ("cheapest_cut", lambda e: [float(column) for column in cut(e)], "type"),
    ("cheapest_cut", lambda e: [[column] for column in cut(e)], "type"),
    ("cheapest_cut", lambda e: cut(e)[0], "type"),
    *((name, spoiling(name), "input-changed") for name in RIGHT),
    *((name, "a text", "type") for name in RIGHT),
    *((name, lambda *given: None, "type") for name in RIGHT),
    *((name, lambda: None, "error") for name in RIGHT),
]  # fmt: skip


def curve(bytes_):
    return ((bytes_ / 255 + 0.055) / 1.055) ** 2.4


def test_the_library_s_gaussian_is_an_answer_to_exercise_4():
    """What is taught and what is kept agree: its root has the covariance of its images."""
    images = torch.randn(200, 1, 2, 3, generator=torch.Generator().manual_seed(0)).double()
    sampler = GaussianSampler(images)
    assert torch.allclose(sampler._root @ sampler._root.T, torch.cov(images.flatten(1).T))


@pytest.mark.parametrize("seed", range(20))
def test_a_fair_draw_passes_whatever_its_randomness(seed):
    """The bounds of chance are wide enough: the check's seeds are not lucky ones."""

    def answer(images, count, generator):
        fresh = torch.Generator().manual_seed(1000 * seed + generator.initial_seed())
        return pixels(images, count, fresh)

    checks.independent_pixels(answer)
