"""The blocks of four families of convolutional networks (lesson 05).

Each is a part of a network that keeps height and width, unless it is given a stride.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def whole(channels: float) -> int:
    """The nearest whole number of channels, one at least; halves go up."""
    return max(1, math.floor(channels + 0.5))


def conv_norm_relu(inside: int, outside: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """A convolution that keeps the size (at stride 1), batch normalisation and a ReLU.

    The convolution has no bias: the normalisation would subtract it again.

    Args:
        inside, outside: channels of input and output.
        kernel: size of the kernel, an odd number.
        stride: pixels from one output to the next.
    """
    return [
        nn.Conv2d(inside, outside, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
    ]


class VggBlock(nn.Module):
    """Two 3 x 3 convolutions one after the other: (B, inside, H, W) -> (B, outside, H, W).

    Source: Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
    Recognition", ICLR 2015, section 2; batch normalisation is later.
    """

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *conv_norm_relu(inside, outside, 3), *conv_norm_relu(outside, outside, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) -> (B, outside, H, W), at least 0."""
        return self.layers(x)


class ResidualBlock(nn.Module):
    """y = ReLU(x + F(x)), F two 3 x 3 convolutions: (B, inside, H, W) -> (B, outside, H/S, W/S).

    Where the shape changes, x passes through a 1 x 1 convolution and a normalisation instead.

    Args:
        inside, outside: channels of input and output.
        stride: S, of the first convolution and of the shortcut.

    Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
    section 3, equations (1) and (2).
    """

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *conv_norm_relu(inside, outside, 3, stride),
            *conv_norm_relu(outside, outside, 3)[:-1],  # the ReLU comes after the sum
        )
        if stride == 1 and inside == outside:
            self.shortcut = nn.Identity()
        else:
            self.shortcut = nn.Sequential(*conv_norm_relu(inside, outside, 1, stride)[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) -> (B, outside, H / S, W / S), at least 0."""
        return F.relu(self.shortcut(x) + self.layers(x))


class InceptionBlock(nn.Module):
    """Four branches side by side, concatenated: (B, inside, H, W) -> (B, self.outside, H, W).

    A 1 x 1 convolution before each larger one makes the input narrow, and so the larger one cheap.
    The branches share the output as in the paper's first block, 3a of table 1: 1/4, 1/2, 1/8, 1/8.

    Args:
        inside: channels of the input.
        outside: channels of the output. `self.outside` is a few more where a branch would round
            to nothing, or where the parts round up.

    Source: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, section 4; two 3 x 3 in
    place of a 5 x 5: "Rethinking the Inception Architecture for Computer Vision", CVPR 2016,
    section 3.1.
    """

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        point, middle, far, pool = (whole(outside * part / 8) for part in (2, 4, 1, 1))
        before_middle, before_far = whole(outside * 3 / 8), whole(outside / 16)
        self.point = nn.Sequential(*conv_norm_relu(inside, point, 1))
        self.middle = nn.Sequential(
            *conv_norm_relu(inside, before_middle, 1), *conv_norm_relu(before_middle, middle, 3)
        )
        self.far = nn.Sequential(
            *conv_norm_relu(inside, before_far, 1),
            *conv_norm_relu(before_far, far, 3),
            *conv_norm_relu(far, far, 3),
        )
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), *conv_norm_relu(inside, pool, 1))
        self.outside = point + middle + far + pool

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) -> (B, self.outside, H, W), at least 0."""
        return torch.cat([self.point(x), self.middle(x), self.far(x), self.pool(x)], dim=1)


class DenseLayer(nn.Module):
    """Append new channels to the input: (B, inside, H, W) -> (B, inside + growth, H, W).

    Normalisation and ReLU come before each convolution, because the input is a concatenation
    that every later layer normalises in its own way.

    Args:
        inside: channels of the input, which stay the first ones of the output.
        growth: new channels k.
        bottleneck: channels between the 1 x 1 and the 3 x 3 convolution; 4 k if None.

    Source: Huang, Liu, van der Maaten, Weinberger, "Densely Connected Convolutional Networks",
    CVPR 2017, section 3, "Bottleneck layers".
    """

    def __init__(self, inside: int, growth: int, bottleneck: int | None = None) -> None:
        super().__init__()
        bottleneck = 4 * growth if bottleneck is None else bottleneck
        self.layers = nn.Sequential(
            nn.BatchNorm2d(inside),
            nn.ReLU(inplace=True),  # in the normalised copy: the input is passed on as it came
            *conv_norm_relu(inside, bottleneck, 1),
            nn.Conv2d(bottleneck, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) -> (B, inside + growth, H, W)."""
        return torch.cat([x, self.layers(x)], dim=1)
