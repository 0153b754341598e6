"""The check of lesson 04's exercise 4.8: a convolution that has swallowed its batch norm."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, described, generator
from course_lib.checks.tensors import gaussians, same

SETTINGS = ("stride", "padding", "dilation", "groups")
#: Arguments of nn.Conv2d, eps, and whether the norm comes in training mode. In the first, input
#: channels, output channels and kernel side are equal: a factor on a wrong axis gives no error.
CASES: tuple[tuple[dict[str, Any], float, bool], ...] = (
    ({"in_channels": 3, "out_channels": 3, "kernel_size": 3}, 0.2, False),
    ({"in_channels": 3, "out_channels": 5, "kernel_size": 2, "bias": False}, 0.1, False),
    ({"in_channels": 2, "out_channels": 4, "kernel_size": 3, "stride": 2, "padding": 1}, 0.1, True),
    (
        {
            "in_channels": 4,
            "out_channels": 6,
            "kernel_size": 3,
            "stride": (1, 2),
            "padding": (2, 1),
            "dilation": 2,
            "groups": 2,
            "bias": False,
        },
        0.05,
        False,
    ),
)


def _pair(seed: int, arguments: dict[str, Any], eps: float) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    with torch.random.fork_rng(devices=[]):  # layers draw their first weights from torch's own
        conv = nn.Conv2d(**arguments)
    norm = nn.BatchNorm2d(arguments["out_channels"], eps=eps)
    with torch.no_grad():
        for number, one in enumerate((*conv.parameters(), *norm.parameters(), norm.running_mean)):
            one.copy_(gaussians(seed + 10 * number, *one.shape))
        norm.running_var.copy_(0.1 + torch.rand(len(norm.weight), generator=generator(seed)))
    return conv, norm


def fold(answer: Answer) -> None:
    """Exercise 4.8, against the two layers one after the other."""
    for seed, (arguments, eps, training) in enumerate(CASES, start=480):
        conv, norm = _pair(seed, arguments, eps)
        norm.train(training)
        images = gaussians(seed + 100, 2, conv.in_channels, 9, 8).float()
        with torch.no_grad():
            wanted = F.batch_norm(
                conv(images), norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=eps
            )
        before = {**_state("conv", conv), **_state("norm", norm)}
        with torch.random.fork_rng(devices=[]):
            # A new layer draws; seeded, a mistake that keeps what was drawn gets the same hint.
            torch.default_generator.manual_seed(48)
            folded = asked(answer, conv, norm)
        _refuse_changes(before, {**_state("conv", conv), **_state("norm", norm)})
        if norm.training != training or not conv.training:
            fail(
                "mode-changed",
                "After your call a layer is in another mode than before. The caller may go on "
                "training with it.",
            )
        _refuse_other_layers(folded, conv)
        with torch.no_grad():
            got = folded(images)
        _judge(got, wanted, images, conv, norm)
    passed("fold")


def _state(name: str, layer: nn.Module) -> dict[str, Tensor]:
    return {f"{name}.{key}": value.clone() for key, value in layer.state_dict().items()}


def _refuse_changes(before: dict[str, Tensor], after: dict[str, Tensor]) -> None:
    changed = [
        name
        for name in {**before, **after}
        if name not in before or name not in after or not torch.equal(before[name], after[name])
    ]
    if "norm.num_batches_tracked" in changed:
        fail(
            "batch-statistics",
            "You call norm while it is in training mode. It then normalises with the statistics of "
            "what you gave it, and its running buffers move. The buffers as they are hold what is "
            "needed.",
        )
    if changed:
        fail(
            "original-changed",
            f"After your call {changed[0]} is not what it was. Whoever folds a layer and goes on "
            "training has a broken network now. Write into a new layer.",
        )


def _refuse_other_layers(folded: object, conv: nn.Conv2d) -> None:
    if not isinstance(folded, nn.Conv2d):
        what = type(folded).__name__ if isinstance(folded, nn.Module) else described(folded)
        fail("type", f"One nn.Conv2d is asked for, got {what}.")
    if folded is conv:
        fail("original-changed", "You return the layer that you were given. Make a new one.")
    for name in SETTINGS:
        got, wanted = getattr(folded, name), getattr(conv, name)
        if got != wanted:
            fail(
                "settings",
                f"In your layer {name} is {got}, in the convolution {wanted}. Nothing in the norm "
                "depends on which pixels a window sees: take it over.",
            )
    if folded.weight.shape != conv.weight.shape:
        fail(
            "shape",
            f"A weight of shape {tuple(conv.weight.shape)} is asked for, yours has "
            f"{tuple(folded.weight.shape)}.",
        )
    if folded.weight.dtype != conv.weight.dtype:
        fail(
            "type", f"A weight in {conv.weight.dtype} is asked for, yours is {folded.weight.dtype}."
        )
    if folded.bias is None:
        fail(
            "no-bias",
            "Your layer has no bias. The norm moves each channel by a number of its own, even if "
            "the convolution before it had no bias.",
        )


def _judge(got: Tensor, wanted: Tensor, images: Tensor, conv: nn.Conv2d, norm: nn.Module) -> None:
    if got.isnan().any():
        fail("nan", "Your layer's output holds NaN, which is no number: look for 0/0.")
    if same(got, wanted):
        return
    settings = {name: getattr(conv, name) for name in SETTINGS}
    with torch.no_grad():
        for hint, weight, bias, message in _misconceptions(conv, norm):
            if same(got, F.conv2d(images, weight, bias, **settings)):
                fail(hint, message)
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        slopes = F.conv2d(images, conv.weight * scale[:, None, None, None], None, **settings)
        # With the right weight, what is left over is one number a channel.
        rest = got - slopes
        part = "bias" if same(rest, rest[:1, :, :1, :1].expand_as(rest)) else "weight"
    fail(
        "values",
        f"The {part} of your layer is wrong. For each output channel write z = w * x + b into "
        "gamma (z - mean) / root + beta, and sort by what is multiplied by x and what is not.",
    )


def _misconceptions(conv: nn.Conv2d, norm: nn.Module) -> Iterator[tuple[str, Tensor, Tensor, str]]:
    """(hint, weight, bias, message) of layers that known mistakes lead to."""
    w, gamma, beta = conv.weight, norm.weight, norm.bias
    b = torch.zeros_like(beta) if conv.bias is None else conv.bias
    mean, var, eps = norm.running_mean, norm.running_var, norm.eps

    def with_scale(scale: Tensor) -> tuple[Tensor, Tensor]:
        return w * scale[:, None, None, None], (b - mean) * scale + beta

    scale = gamma / (var + eps).sqrt()
    weight, bias = with_scale(scale)
    roots = {
        "eps": (gamma / var.sqrt(), "Your layer does not depend on eps of the norm."),
        "eps-outside": (gamma / (var.sqrt() + eps), "You add eps to the standard deviation."),
        "no-root": (gamma / (var + eps), "You divide by the running variance without a root."),
        "no-gamma": (1 / (var + eps).sqrt(), "Your layer does not depend on the norm's gamma."),
        "running-std": (gamma / (var**2 + eps).sqrt(), "You square what running_var holds."),
    }
    for hint, (other, what) in roots.items():
        yield (
            hint,
            *with_scale(other),
            f"{what} What a channel is multiplied by is gamma over the root that the norm uses in "
            "evaluation mode.",
        )
    if conv.bias is not None:
        yield (
            "bias-unscaled",
            weight,
            b + beta - mean * scale,
            "You take the convolution's bias over as it is. The norm multiplies all that comes to "
            "it, and the bias is part of it.",
        )
        yield (
            "bias-dropped",
            weight,
            beta - mean * scale,
            "The convolution's bias is lost. In training mode the norm would subtract it with the "
            "mean; in evaluation mode the mean is fixed.",
        )
        yield (
            "norm-bias-dropped",
            weight,
            b,
            "Your layer keeps the convolution's bias and nothing else. The norm subtracts a mean, "
            "multiplies and adds beta.",
        )
        yield (
            "norm-bias-dropped",
            weight,
            b * scale,
            "Your bias holds nothing of the norm's mean and beta. The norm also moves a channel.",
        )
    yield (
        "mean-sign",
        weight,
        (b + mean) * scale + beta,
        "The running mean has the wrong sign in your bias. The norm subtracts it.",
    )
    yield (
        "mean-unscaled",
        weight,
        b * scale - mean + beta,
        "You subtract the running mean after the scaling. In the norm it is subtracted first, so "
        "it is scaled as well.",
    )
    yield (
        "no-mean",
        weight,
        b * scale + beta,
        "Your bias does not depend on the running mean. The norm subtracts it from each channel.",
    )
    yield (
        "no-beta",
        weight,
        (b - mean) * scale,
        "Your bias does not depend on the norm's beta. It is added at the end.",
    )
    yield (
        "weight-unscaled",
        w,
        bias,
        "Your weights are the convolution's own. The norm multiplies what the weights have made of "
        "the image, so it multiplies them.",
    )
    if w.shape[0] == w.shape[1] == w.shape[2] == w.shape[3]:
        for other in (scale, scale[:, None], scale[:, None, None]):
            yield (
                "axis",
                w * other,
                bias,
                "Your factors lie along a wrong axis of the weight, and no error says so, because "
                "the sizes agree. Its axes are output channel, input channel, row and column.",
            )
