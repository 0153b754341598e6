"""Four families of convolutional networks in one frame, and what they cost (lesson 05).

All four turn images (B, C, 32, 32) in [-1, 1] into logits. They share the stem, the sizes of the
three stages (16 x 16, 8 x 8, 4 x 4), the average over positions and the linear head; only the
blocks inside the stages differ. `width` is the number w of channels after the stem. It may be a
fraction, and numbers of channels are rounded, so that a budget can be met closely.
"""

from __future__ import annotations

import math
from bisect import bisect_left

import torch
from torch import Tensor, nn

from course_lib.models.blocks import (
    DenseLayer,
    InceptionBlock,
    ResidualBlock,
    VggBlock,
    conv_norm_relu,
    whole,
)

FAMILIES = ("vgg", "resnet", "inception", "densenet")
SIZE = 32  # pixels along a side of the images
DENSE_LAYERS = 4  # layers in each stage of the densenet
TOLERANCE = 0.03  # how far from its budget a network may be, as a share of the budget
LARGEST = 4096  # the widest network that `width_for` tries


class StagedClassifier(nn.Module):
    """The frame of all four families: stem, stages, average over positions, linear head.

    Args:
        stem: channels after the stem.
        body: the three stages, (B, stem, 16, 16) -> (B, outside, 4, 4).
        outside: channels after the body.
        channels: image channels C.
        classes: number of logits.
    """

    def __init__(
        self, stem: int, body: list[nn.Module], outside: int, channels: int, classes: int
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(*conv_norm_relu(channels, stem, 3), nn.MaxPool2d(2))
        self.body = nn.Sequential(*body)
        self.head = nn.Linear(outside, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images in [-1, 1]: (B, C, 32, 32) -> (B, classes)."""
        x = self.body(self.stem(images))  # (B, outside, 4, 4)
        return self.head(x.mean(dim=(2, 3)))


def _plain_body(family: str, width: float) -> tuple[list[nn.Module], int]:
    """The stages of all families but the densenet, and their output channels."""
    body: list[nn.Module] = []
    inside = whole(width)
    for stage in range(3):
        outside = whole(width * 2**stage)
        if stage and family != "resnet":
            body.append(nn.MaxPool2d(2))
        for index in range(2):
            if family == "vgg":
                block, inside = VggBlock(inside, outside), outside
            elif family == "resnet":
                halve = stage > 0 and index == 0
                block, inside = ResidualBlock(inside, outside, 2 if halve else 1), outside
            else:
                block = InceptionBlock(inside, outside)
                inside = block.outside
            body.append(block)
    return body, inside


def _dense_body(width: float) -> tuple[list[nn.Module], int]:
    """The stages of the densenet, and their output channels.

    As in the paper the stem has 2 k channels, so the growth is k = w / 2. Where k is no whole
    number, the layers of a stage take turns in rounding it down and up.
    """
    body: list[nn.Module] = []
    inside, growth = whole(width), width / 2
    for stage in range(3):
        if stage:  # the transition: half the channels, half the height and width
            halved = whole(inside / 2)
            body += [nn.BatchNorm2d(inside), nn.ReLU(inplace=True)]
            body += [nn.Conv2d(inside, halved, 1, bias=False), nn.AvgPool2d(2)]
            inside = halved
        for index in range(DENSE_LAYERS):
            new = max(1, math.floor((index + 1) * growth) - math.floor(index * growth))
            body.append(DenseLayer(inside, new, whole(4 * growth)))
            inside += new
    return [*body, nn.BatchNorm2d(inside), nn.ReLU(inplace=True)], inside


def build(family: str, width: float, channels: int = 1, classes: int = 10) -> nn.Module:
    """A fresh network of a family, its convolutions initialised as He et al. do.

    Args:
        family: one of FAMILIES.
        width: channels w after the stem, at least 1; fractions are rounded where channels are made.
        channels: image channels C.
        classes: number of logits.

    Returns:
        A network from images (B, C, 32, 32) in [-1, 1] to logits (B, classes).

    Raises:
        ValueError: for an unknown family or a width below 1.

    Source: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015, section 2.2.
    """
    if family not in FAMILIES:
        raise ValueError(f"expected a family of {', '.join(FAMILIES)}; got {family!r}")
    if not 1 <= width < math.inf:
        raise ValueError(f"expected a width of at least 1 channel, got {width}")
    body, outside = _dense_body(width) if family == "densenet" else _plain_body(family, width)
    network = StagedClassifier(whole(width), body, outside, channels, classes)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return network


def parameters(network: nn.Module) -> int:
    """Number of parameters: weights, biases, scales and shifts. Running statistics do not count."""
    return sum(parameter.numel() for parameter in network.parameters())


@torch.no_grad()
def multiply_adds(network: nn.Module, shape: tuple[int, int, int]) -> int:
    """Multiplications, each with an addition, of the convolutions and linear layers for one image.

    One image of zeros runs through the network in evaluation mode, and every layer reports what it
    did. Padded zeros are multiplied like any other pixel. Afterwards the network is as it was.

    Args:
        network: any module; layers of other kinds than Conv2d and Linear count nothing.
        shape: (C, H, W) of the image.

    Source: lesson 02, equation (2.7), summed over the layers.
    """
    counted = []

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        each = module.weight[0].numel()  # multiply-adds for one number of the output
        counted.append(output.numel() * each)

    modes = {module: module.training for module in network.modules()}
    hooks = [
        module.register_forward_hook(count)
        for module in modes
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    some = next(network.parameters(), torch.empty(0))
    try:
        network.eval()(some.new_zeros(1, *shape))  # eval: batch normalisation must learn nothing
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes.items():
            module.training = mode
    return sum(counted)


def _cost(network: nn.Module, channels: int, in_parameters: bool) -> int:
    """One of the two costs: inside `width_for` their names are those of its arguments."""
    return parameters(network) if in_parameters else multiply_adds(network, (channels, SIZE, SIZE))


def width_for(
    family: str,
    *,
    parameters: int | None = None,
    multiply_adds: int | None = None,
    channels: int = 1,
    classes: int = 10,
) -> float:
    """The width, in tenths of a channel, whose network comes closest to one budget.

    Nothing is drawn or computed: the networks tried are on the meta device, which has shapes only.

    Args:
        family: one of FAMILIES.
        parameters: the number of parameters to meet; or
        multiply_adds: the number of multiply-adds for one image to meet.
        channels, classes: as in `build`.

    Raises:
        ValueError: unless exactly one budget is given, or if no width comes within 3 % of it.
    """
    if (parameters is None) == (multiply_adds is None):
        raise ValueError(
            f"expected one budget, either parameters or multiply_adds; got parameters={parameters} "
            f"and multiply_adds={multiply_adds}"
        )
    budget = multiply_adds if parameters is None else parameters

    def cost(tenths: int) -> int:
        with torch.device("meta"):
            network = build(family, tenths / 10, channels, classes)
        return _cost(network, channels, in_parameters=multiply_adds is None)

    # The cost grows with the width but for rounding, so the best is close to where it passes.
    passes = 10 + bisect_left(range(10, 10 * LARGEST), budget, key=cost)
    near = range(max(10, passes - 4), min(10 * LARGEST, passes + 4) + 1)
    costs = {tenths: cost(tenths) for tenths in near}
    best = min(costs, key=lambda tenths: abs(costs[tenths] - budget))
    if abs(costs[best] - budget) > TOLERANCE * budget:
        name = "multiply-adds" if parameters is None else "parameters"
        raise ValueError(
            f"the {family} that comes closest to {budget:,} {name} has {costs[best]:,}, at width "
            f"{best / 10}: ask for a budget within {TOLERANCE:.0%} of what a network has"
        )
    return best / 10
