"""Checks of the exercises of lesson 13 on fills and on the partial convolution."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, described
from course_lib.checks.lesson09_probes import ask, close, refuse_match, tensor_of


def diffuse(answer: Answer) -> None:
    """Exercise 13.4, against a loop over pixels."""
    random = torch.Generator().manual_seed(134)
    state = torch.rand(2, 2, 5, 6, generator=random) * 2 - 1
    masks = (torch.rand(2, 1, 5, 6, generator=random) < 0.5).float()
    masks[:, :, 0, :2] = 1  # a corner and a border pixel are missing
    found = tensor_of(ask(answer, state, masks), (2, 2, 5, 6))
    right = _step(state, masks)
    missing = masks.bool().expand_as(state)
    if not torch.equal(found[~missing].to(state), state[~missing]):
        if close(found, _step(state, 1 - masks)):
            fail(
                "inverted",
                "You change the known pixels and leave the missing ones. In a mask 1 means "
                "missing.",
            )
        fail(
            "known-changed",
            "Known pixels have changed. They are the boundary values: if they diffuse too, the "
            "whole image ends as one grey.",
        )
    padded = torch.nn.functional.pad(state, (1, 1, 1, 1))
    around = _four(padded)
    doubled = _four(torch.nn.functional.pad(state, (1, 1, 1, 1), mode="replicate"))
    turned = _four(torch.nn.functional.pad(state, (1, 1, 1, 1), mode="circular"))
    own = (right * _count(state) + state) / (_count(state) + 1)
    refuse_match(
        found,
        {
            name: (torch.where(missing, result, state), message)
            for name, (result, message) in {
                "zero-border": (
                    around / 4,
                    "At the border you divide by four although there are fewer neighbours. Zeros "
                    "then flow in from outside the image.",
                ),
                "replicate": (
                    doubled / 4,
                    "At the border you count a pixel as its own neighbour. It comes to the same "
                    "in the end, but a step is the mean of the neighbours inside the image.",
                ),
                "wrapped": (
                    turned / 4,
                    "A pixel at the border has neighbours on the other side of your image: "
                    "torch.roll turns it into a ring.",
                ),
                "own": (
                    own,
                    "You count the pixel itself among its neighbours. It comes to the same in the "
                    "end, only later: leave the middle out.",
                ),
                "in-place": (
                    _step(state, masks, in_place=True),
                    "You read neighbours that this step has already changed. Keep the state as it "
                    "was and write into a copy.",
                ),
                "known-only": (
                    _four(torch.nn.functional.pad(state * (1 - masks), (1,) * 4))
                    / _four(torch.nn.functional.pad(1 - masks, (1,) * 4)).clamp(min=1),
                    "You take the mean of known neighbours alone. Missing ones count too, with "
                    "what stands in them now; else nothing gets into a wide hole.",
                ),
                "sum": (right * _count(state), "You add the neighbours. A mean is asked for."),
            }.items()
        },
    )
    if not close(found, right):
        fail(
            "wrong",
            "A missing pixel becomes the mean of its two to four neighbours inside the image, as "
            "they were before the step.",
        )
    passed("diffuse")


def _step(state: Tensor, masks: Tensor, in_place: bool = False) -> Tensor:
    """One step of diffusion, pixel by pixel; in place, where it reads what it has just written."""
    after, (height, width) = state.clone(), state.shape[2:]
    state = after if in_place else state
    for image in range(len(state)):
        for row in range(height):
            for column in range(width):
                if masks[image, 0, row, column]:
                    near = [
                        state[image, :, row + down, column + across]
                        for down, across in ((1, 0), (-1, 0), (0, 1), (0, -1))
                        if 0 <= row + down < height and 0 <= column + across < width
                    ]
                    after[image, :, row, column] = torch.stack(near).mean(dim=0)
    return after


def _four(padded: Tensor) -> Tensor:
    """Sums of the four neighbours: (B, C, H + 2, W + 2) -> (B, C, H, W)."""
    upright = padded[..., 2:, 1:-1] + padded[..., :-2, 1:-1]
    return upright + padded[..., 1:-1, 2:] + padded[..., 1:-1, :-2]


def _count(state: Tensor) -> Tensor:
    """How many neighbours each pixel has."""
    return _four(torch.nn.functional.pad(torch.ones_like(state), (1, 1, 1, 1)))


def conditional_mean(answer: Answer) -> None:
    """Exercise 13.5, against the precision matrix: another way to the same mean."""
    random = torch.Generator().manual_seed(135)
    mixing = torch.randn(7, 7, generator=random, dtype=torch.float64)
    mean = torch.randn(7, generator=random, dtype=torch.float64)
    covariance = mixing @ mixing.T + torch.eye(7, dtype=torch.float64)
    x = torch.randn(7, generator=random, dtype=torch.float64)
    mask = torch.tensor([0, 1, 0, 0, 1, 1, 0], dtype=torch.float64)
    found = tensor_of(ask(answer, mean, covariance, x, mask), (7,))
    h, k = mask.bool(), ~mask.bool()

    def filled(values: Tensor) -> Tensor:
        whole = x.clone()
        whole[h] = values
        return whole

    # With P the inverse covariance, the missing part has the mean mu_h - P_hh^-1 P_hk (x_k - mu_k).
    precision = torch.linalg.inv(covariance)
    right = mean[h] - torch.linalg.solve(precision[h][:, h], precision[h][:, k] @ (x[k] - mean[k]))
    gain = covariance[h][:, k] @ torch.linalg.inv(covariance[k][:, k])
    turned = x.clone()
    back = covariance[k][:, h] @ torch.linalg.inv(covariance[h][:, h])
    turned[k] = mean[k] + back @ (x[h] - mean[h])
    refuse_match(
        found,
        {
            "inverted": (
                turned,
                "You compute the known pixels from the missing ones. In a mask 1 means missing.",
            ),
            "only-mean": (
                filled(mean[h]),
                "Your answer is the mean, whatever is known. The known pixels say more: their "
                "distance from their mean moves the missing ones.",
            ),
            "uncentred": (
                filled(mean[h] + gain @ x[k]),
                "You multiply the known pixels themselves. What carries over is how far they are "
                "from their mean, x_k - mu_k.",
            ),
            "no-mean": (
                filled(gain @ (x[k] - mean[k])),
                "You leave out the mean of the missing pixels. The product says only how far they "
                "are from it.",
            ),
            "not-inverted": (
                filled(mean[h] + covariance[h][:, k] @ (x[k] - mean[k])),
                "You leave out the inverse of the known pixels' covariance. Neighbours that say "
                "the same thing are then counted twice.",
            ),
        },
    )
    if not close(found[k], x[k], 1e-9):
        fail("known-changed", "Known pixels have changed. Only the missing ones are to be filled.")
    if not close(found, filled(right), 1e-6):
        fail(
            "wrong",
            "Your missing pixels are not mu_h + S_hk S_kk^-1 (x_k - mu_k): look at which rows and "
            "columns of the covariance you take.",
        )
    passed("conditional_mean")


def partial_convolution(answer: Answer) -> None:
    """Exercise 13.6, against a loop over windows in float64."""
    random = torch.Generator().manual_seed(136)
    x = torch.randn(2, 3, 6, 7, generator=random)
    known = (torch.rand(2, 1, 6, 7, generator=random) < 0.5).float()
    known[0, :, :4, :4] = 0  # so large a hole that some windows hold nothing
    known[1, :, 1:5, 2:6] = 1  # and windows that are known entirely
    weight, bias = torch.randn(2, 3, 3, 3, generator=random), torch.randn(2, generator=random)
    result = ask(answer, x, known, weight, bias)
    if not isinstance(result, tuple | list) or len(result) != 2:
        fail("type", f"A pair is asked for, features and what is known, got {described(result)}.")
    features = tensor_of(result[0], (2, 2, 6, 7)).double()
    now = tensor_of(result[1], (2, 1, 6, 7)).to(known)
    right, there, count = _windows(x.double(), known.double(), weight.double(), bias.double())
    if torch.equal(now, known):
        fail(
            "mask-stale",
            "What is known has not changed. A place is known after the layer if any pixel of its "
            "window was, so the hole shrinks.",
        )
    if torch.equal(now.double(), _windows(x.double(), 1 - known.double(), weight, bias)[1]):
        fail(
            "inverted",
            "You take the missing pixels for the known ones. Here the second argument is 1 where x "
            "is known, the opposite of a mask.",
        )
    bordered = torch.nn.functional.pad(known, (1,) * 4, value=1.0)
    if torch.equal(now, torch.nn.functional.max_pool2d(bordered, 3, 1)):
        fail(
            "border",
            "You count places outside the image as known. Nothing is known there: they are zeros "
            "of the padding and no pixels.",
        )
    if close(now, (count == 9).float()):
        fail(
            "all-known",
            "You call a place known only if its whole window was. The hole then grows with each "
            "layer instead of shrinking.",
        )
    if not torch.equal(now.double(), there):
        fail(
            "wrong-mask", "What is known must be 0 or 1: 1 where any pixel of the window was known."
        )
    plain, scale, shift = (
        (right - bias.double()[:, None, None]) * count / 9,  # where anything is known
        9 / count.clamp(min=1),
        bias.double()[:, None, None],
    )
    refuse_match(
        features,
        {
            "no-scale": (
                (plain + shift) * there,
                "The sum over known pixels is not scaled up. Near a hole fewer terms are added, "
                "and nothing makes up for those that are missing.",
            ),
            "bias-scaled": (
                (plain + shift) * scale * there,
                "You scale the bias as well. It stands for no pixel and is added afterwards.",
            ),
            "bias-in-hole": (
                torch.where(there > 0, right, shift.expand_as(right)),
                "Where nothing is known your features are the bias. They are to be zero there.",
            ),
            "channels": (
                (plain * 3 * scale + shift) * there,
                "Your factor is three times too large for three channels. The one mask serves all "
                "of them: count pixels, K^2 of them in a window.",
            ),
            "upside-down": (
                (plain / scale + shift) * there,
                "Your factor is upside down: the less is known, the larger it must be.",
            ),
            "not-hidden": (
                (torch.nn.functional.conv2d(x.double(), weight.double(), padding=1) * scale + shift)
                * there,
                "Missing pixels get into your sums. Multiply x by what is known first.",
            ),
        },
    )
    if not close(features, right):
        fail("wrong", "Your features are not those of equation (13.10), window by window.")
    passed("partial_convolution")


def _windows(
    x: Tensor, known: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Features, what is known and how many pixels were, by a loop; float64."""
    pad = torch.nn.functional.pad
    padded, there = pad(x, (1,) * 4), pad(known, (1,) * 4)
    features = torch.zeros(len(x), len(weight), *x.shape[2:], dtype=torch.float64)
    count = torch.zeros_like(known)
    for row in range(x.shape[2]):
        for column in range(x.shape[3]):
            window = (..., slice(row, row + 3), slice(column, column + 3))
            pixels, k = padded[window], there[window]
            count[..., row, column] = k.sum(dim=(2, 3))
            for image in range(len(x)):
                total = k[image].sum()
                if total > 0:
                    sums = (weight * k[image] * pixels[image]).sum(dim=(1, 2, 3))
                    features[image, :, row, column] = 9 / total * sums + bias
    return features, (count > 0).double(), count
