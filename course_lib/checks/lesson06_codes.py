"""The checks of lesson 06's exercises 6.7 and 6.8: what the codes of many images say."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.distributions import Normal

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described
from course_lib.checks.tensors import Misconception, gaussians, judge


def best_decoder(answer: Answer) -> None:
    """Exercise 6.7, against a weighted least-squares fit; then far away from all codes."""
    for seed, (points, count, latent) in enumerate(((3, 6, 2), (2, 5, 1), (4, 4, 3)), start=670):
        images = gaussians(seed, count, 2, 3, 2)
        mean, log_variance = (
            gaussians(seed + 50, count, latent),
            gaussians(seed + 100, count, latent),
        )
        z = gaussians(seed + 150, points, latent)
        densities = _log_densities(z, mean, log_variance).exp()  # (P, N)
        judge(
            asked(answer, z, images, mean, log_variance),
            torch.stack([_fitted(one, images) for one in densities]),
            _wrong_decoders(z, images, mean, log_variance),
            f"For {count} images and Z = {latent} your pictures are wrong",
        )
    _judge_far_away(answer)
    passed("best_decoder")


def _log_densities(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log q(z | x_i): (P, Z), (N, Z), (N, Z) -> (P, N)."""
    return Normal(mean, (0.5 * log_variance).exp()).log_prob(z[:, None]).sum(dim=2)


def _fitted(weights: Tensor, images: Tensor) -> Tensor:
    """The picture with the least weighted squared error: (N,), (N, C, H, W) -> (C, H, W)."""
    root = weights.sqrt()[:, None]
    solution = torch.linalg.lstsq(root, root * images.flatten(1)).solution[0]
    return solution.view(images.shape[1:])


def _mixed(weights: Tensor, images: Tensor) -> Tensor:
    """Sums of images with these weights: (P, N), (N, C, H, W) -> (P, C, H, W)."""
    return torch.einsum("pn,nchw->pchw", weights, images)


def _wrong_decoders(
    z: Tensor, images: Tensor, mean: Tensor, log_variance: Tensor
) -> Iterator[Misconception]:
    logs = _log_densities(z, mean, log_variance)
    squares = (z[:, None] - mean).square()  # (P, N, Z)
    yield (
        "nearest",
        images[logs.argmax(dim=1)],
        "You return the image with the largest q. The squared error is least for a mean over all "
        "of them, which is why pictures blur.",
    )
    yield (
        "nearest",
        images[squares.sum(dim=2).argmin(dim=1)],
        "You return the image whose code is nearest. The squared error is least for a mean over "
        "all images that may have been sent to z.",
    )
    yield (
        "unweighted",
        images.mean(dim=0).expand(len(z), *images.shape[1:]),
        "Your picture does not depend on z. An image counts as much as it is likely to be sent to "
        "z.",
    )
    yield (
        "not-normalised",
        _mixed(logs.exp(), images),
        "Your weights do not add up to one. The picture would be darker or brighter where codes "
        "are dense.",
    )
    weights = torch.softmax(-0.5 * (squares / log_variance.exp()).sum(dim=2), dim=1)
    yield (
        "no-spread",
        _mixed(weights, images),
        "Your weights lack a factor of the density of a Gaussian. It differs from image to image "
        "here, since each q has a spread of its own: a wide q is lower in its middle.",
    )
    yield (
        "unit-spread",
        _mixed(torch.softmax(-0.5 * squares.sum(dim=2), dim=1), images),
        "Your weights use the distance to the mean of q and not its spread. Each image has its "
        "own.",
    )
    yield (
        "deviation-for-variance",
        _mixed(
            torch.softmax(
                (-0.5 * squares / (0.5 * log_variance).exp() - 0.5 * log_variance).sum(dim=2), dim=1
            ),
            images,
        ),
        "In the exponent you divide by the standard deviation. It is the square of the distance, "
        "so the variance belongs there.",
    )
    yield (
        "no-half",
        _mixed(
            torch.softmax((-squares / log_variance.exp() - log_variance).sum(dim=2), dim=1), images
        ),
        "Your weights are the squares of the densities. The exponent of a Gaussian has a 1/2.",
    )
    yield (
        "wrong-axis",
        _mixed(torch.softmax(logs, dim=0), images),
        "You make the weights of one image add up to one over the points z. For one z, the weights "
        "of all images do.",
    )
    yield (
        "logarithms",
        _mixed(logs, images),
        "You use log-densities as weights. They may be negative, and they are no weights.",
    )


def _judge_far_away(answer: Answer) -> None:
    """At one z all densities are zero in floating-point numbers, their ratios are not."""
    mean, images = torch.tensor([[0.0], [2.0]]).double(), gaussians(679, 2, 1, 2, 2)
    z = torch.tensor([[101.0], [0.0]]).double()  # one far from all codes, one on a code
    got = asked(answer, z, images, mean, torch.zeros(2, 1).double())
    weights = torch.softmax(torch.tensor([0.0, -2.0]).double(), dim=0)  # exp(-2^2 / 2)
    wanted = torch.stack([images[1], weights[0] * images[0] + weights[1] * images[1]])
    finite = isinstance(got, Tensor) and bool(torch.isfinite(got).all())
    if not finite or got.shape != wanted.shape or (got.double() - wanted).abs().max() > 1e-4:
        fail(
            "underflow",
            "Far from all codes your picture is wrong or not a number. There every density rounds "
            "to zero, but one is much larger than the other. Subtract the largest logarithm of "
            "each z first.",
        )


Rule = Callable[[Tensor, Tensor, Tensor], float]


def _nearest(points: Tensor, codes: Tensor) -> Tensor:
    return torch.stack([(codes - one).square().sum(dim=1).sqrt().min() for one in points])


def _averaged(points: Tensor, codes: Tensor) -> Tensor:
    return torch.stack([(codes - one).square().sum(dim=1).sqrt().mean() for one in points])


def _from_centre(points: Tensor, codes: Tensor) -> Tensor:
    return (points - codes.mean(dim=0)).square().sum(dim=1).sqrt()


def _to_others(codes: Tensor) -> Tensor:
    rows = range(len(codes))
    return torch.cat(
        [_nearest(codes[i : i + 1], torch.cat([codes[:i], codes[i + 1 :]])) for i in rows]
    )


def _share(distances: Tensor, reach: Tensor) -> float:
    return float((distances > reach).double().mean())


WRONG_SHARES: dict[str, tuple[Rule, str]] = {
    "complement": (
        lambda c, f, p: 1 - _share(_nearest(p, c), _nearest(f, c).quantile(0.99)),
        "You return the share of points that do have a code near. The others lie in holes.",
    ),
    "from-centre": (
        lambda c, f, p: _share(_from_centre(p, c), _from_centre(f, c).quantile(0.99)),
        "You measure the distance to the middle of all codes. A hole may lie in the middle, and "
        "codes may lie far out.",
    ),
    "mean-distance": (
        lambda c, f, p: _share(_averaged(p, c), _averaged(f, c).quantile(0.99)),
        "You average the distances to all codes. One code nearby is enough for a point not to lie "
        "in a hole.",
    ),
    "median-reach": (
        lambda c, f, p: _share(_nearest(p, c), _nearest(f, c).median()),
        "Your limit is the median, beyond which half of the fresh codes lie too. What is usual for "
        "99 % of them is asked for.",
    ),
    "mean-reach": (
        lambda c, f, p: _share(_nearest(p, c), _nearest(f, c).mean()),
        "Your limit is the mean distance of fresh codes. Many of them lie beyond it: what is usual "
        "for 99 % of them is asked for.",
    ),
    "largest-reach": (
        lambda c, f, p: _share(_nearest(p, c), _nearest(f, c).max()),
        "Your limit is the largest distance among fresh codes. One outlier then decides the "
        "answer.",
    ),
    "codes-with-themselves": (
        lambda c, f, p: _share(_nearest(p, c), _nearest(c, c).quantile(0.99)),
        "You take the limit from the codes' distances to themselves, and each is at distance zero "
        "from itself. Fresh codes say what is usual.",
    ),
    "among-codes": (
        lambda c, f, p: _share(_nearest(p, c), _to_others(c).quantile(0.99)),
        "You take the limit from the codes among each other. Use the fresh codes, which play the "
        "same part as the points.",
    ),
    "fresh-against-points": (
        lambda c, f, p: _share(_nearest(c, p), _nearest(f, p).quantile(0.99)),
        "You look for points near codes. It is the other way round: a point without a code near "
        "lies in a hole.",
    ),
    "percent": (
        lambda c, f, p: 100 * _share(_nearest(p, c), _nearest(f, c).quantile(0.99)),
        "You return a percentage. A share lies between 0 and 1.",
    ),
    "count": (
        lambda c, f, p: len(p) * _share(_nearest(p, c), _nearest(f, c).quantile(0.99)),
        "You return how many points lie in holes. Divide by their number.",
    ),
}


def hole_share(answer: Answer) -> None:
    """Exercise 6.8, against loops over all points, for codes on a ring and in two clusters."""
    cases = []
    for seed, latent in ((680, 2), (681, 3)):
        codes, fresh = gaussians(seed, 160, latent), gaussians(seed + 50, 120, latent)
        for some in (codes, fresh):
            some[:, 0] += 3 * some[:, 0].sign()  # two clusters with a gap between them
        cases.append((codes, fresh, 2.5 * gaussians(seed + 100, 90, latent)))
    results = []
    for case in cases:
        result = asked(answer, *case)
        if isinstance(result, Tensor) and result.numel() == 1:
            result = result.item()
        if isinstance(result, bool) or not isinstance(result, int | float):
            fail("type", f"A number is asked for, got {described(result)}.")
        results.append(float(result))
    right = [_share(_nearest(p, c), _nearest(f, c).quantile(0.99)) for c, f, p in cases]
    # Definitions of a quantile differ between two neighbouring values: a point may change sides.
    if all(
        abs(a - b) <= 1.5 / len(p) for a, b, (_, _, p) in zip(results, right, cases, strict=True)
    ):
        return passed("hole_share")
    for hint, (rule, message) in WRONG_SHARES.items():
        if all(abs(a - rule(*case)) < 1e-6 for a, case in zip(results, cases, strict=True)):
            fail(hint, message)
    return fail(
        "wrong",
        f"Your share is {results[0]:.3f} where {right[0]:.3f} is right. For each point find the "
        "nearest code, and compare that distance with those of the fresh codes.",
    )
