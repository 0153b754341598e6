"""Checks of the exercises of lesson 14 on latent search."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer
from course_lib.checks.lesson09_probes import ask, close, refuse_match, tensor_of


def _by_loop(masks: Tensor, window: int, border: bool = True, own: bool = False) -> Tensor:
    """Shares of missing pixels in each window, pixel by pixel, float64."""
    found, reach = torch.zeros(masks.shape, dtype=torch.float64), window // 2
    height, width = masks.shape[2:]
    for image in range(len(masks)):
        for row in range(height):
            for column in range(width):
                rows = slice(max(0, row - reach), row + reach + 1)
                near = masks[image, 0, rows, max(0, column - reach) : column + reach + 1].double()
                size = near.numel() if border else window**2
                found[image, 0, row, column] = near.sum() / (size if own else size - 1)
    return found


def _normal(weights: Tensor) -> Tensor:
    return weights / weights.sum(dim=(2, 3), keepdim=True)


def context_weights(answer: Answer) -> None:
    """Exercise 14.7, against a loop over pixels."""
    masks = torch.zeros(3, 1, 7, 8)
    masks[0, :, 2:5, 3:6] = 1
    masks[1, :, 0:2, 0:3] = 1
    masks[2, :, 6, 7] = 1
    masks[2, :, 3, 2:4] = 1
    found = tensor_of(ask(answer, masks, 5), (3, 1, 7, 8)).double()
    known = 1 - masks.double()
    shares = _by_loop(masks, 5)
    wide = _by_loop(masks, 3)
    far = (1 - shares) * known
    refuse_match(
        found,
        {
            "counts-missing": (
                _normal(shares),
                "Missing pixels have weights too. The search would try to agree with what the "
                "hidden image holds in its hole.",
            ),
            "inverted": (
                _normal(far),
                "You count known neighbours. A known pixel matters the more, the more missing "
                "ones are near it.",
            ),
            "border": (
                _normal(_by_loop(masks, 5, border=False) * known),
                "At the border you divide by neighbours that do not exist. Only pixels inside the "
                "image are neighbours.",
            ),
            "itself": (
                _normal(_by_loop(masks, 5, own=True) * known),
                "You count the pixel among its own neighbours. The share is of the other pixels "
                "of the window.",
            ),
            "not-normalised": (
                shares * known,
                "Your weights do not add up to 1. The context loss then grows with the rim of "
                "the hole.",
            ),
            "uniform": (
                _normal(known),
                "All known pixels count alike. Those near the hole are to count more.",
            ),
            "pooled": (
                shares * known / (shares * known).sum(),
                "You divide by the sum over the whole batch. Each image's weights add up to 1.",
            ),
            "window": (_normal(wide * known), "Your window is 3 x 3, whatever is asked for."),
        },
    )
    if not close(found, _normal(shares * known)):
        fail("wrong", "Asked is the share of missing ones among a known pixel's neighbours.")
    passed("context_weights")


def search_loss(answer: Answer) -> None:
    """Exercise 14.8, against a loop over images in float64."""
    random = torch.Generator().manual_seed(148)
    generated, images = torch.rand(2, 3, 2, 5, 6, generator=random) * 2 - 1
    masks = torch.zeros(3, 1, 5, 6)
    masks[:, :, 1:4, 2:5] = 1
    images = images * (1 - masks)
    weights = torch.rand(3, 1, 5, 6, generator=random) * (1 - masks)
    weights = weights / weights.sum(dim=(2, 3), keepdim=True)
    z, length = 1.5 * torch.randn(3, 8, generator=random), 0.7
    found = tensor_of(ask(answer, generated, images, weights, z, length), (3,)).double()
    gaps, w = (generated - images).abs().double(), weights.double()
    context = torch.stack([(g * one).sum() / 2 for g, one in zip(gaps, w, strict=True)])
    squares = torch.tensor([sum(v * v for v in row) for row in z.tolist()], dtype=torch.float64)
    prior = length * squares / 16
    refuse_match(
        found,
        {
            "prior-sign": (
                context - prior,
                "You subtract the prior. Long latent vectors are improbable: they have to cost, "
                "not to pay.",
            ),
            "no-weights": (
                gaps.mean(dim=(1, 2, 3)) + prior,
                "You do not use the weights. Missing pixels then count, and those far from the "
                "hole as much as those near it.",
            ),
            "pooled": (
                (context + prior).mean().expand(3),
                "All searches have one loss. Each needs its own, to pick its best start by.",
            ),
            "no-prior": (context, "Your loss has no prior: the length of z costs nothing."),
            "not-halved": (
                context + 2 * prior,
                "Your prior is twice too large. The logarithm of the Gaussian density has |z|^2 / "
                "2.",
            ),
            "sum-of-squares": (
                context + 8 * prior,
                "Your prior is Z times too large. The squared length is divided by the number of "
                "entries.",
            ),
            "not-squared": (
                context + length * squares.sqrt() / 16,
                "You take the length of z. The logarithm of the Gaussian density has its square.",
            ),
            "channels": (
                2 * context + prior,
                "Your context loss is twice too large for two channels: take their mean.",
            ),
            "squared": (
                torch.stack([(g * g * one).sum() / 2 for g, one in zip(gaps, w, strict=True)])
                + prior,
                "You square the errors. The Laplace density has absolute values.",
            ),
        },
    )
    if not close(found, context + prior):
        fail("wrong", "Asked is the weighted sum of errors plus length times |z|^2 / (2 Z).")
    passed("search_loss")
