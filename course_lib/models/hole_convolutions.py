"""Convolutions for images with holes, and the blocks that a U-Net is made of (lesson 13)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PartialConv2d(nn.Module):
    """A convolution of what is known, scaled up for what is not.

    Where some of the K x K pixels of a window are known, the sum over them is multiplied by
    K^2 / (how many are known); where none is, the result is zero and stays unknown. Beyond the
    image's border nothing is known.

    Args:
        inside, outside: channels of input and output.
        kernel: size of the kernel K; stride: pixels from one output to the next.

    Source: lesson 13, equations (13.10) and (13.11); Liu, Reda, Shih, Wang, Tao, Catanzaro, "Image
    Inpainting for Irregular Holes Using Partial Convolutions", ECCV 2018, section 3.1.
    """

    def __init__(self, inside: int, outside: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, (kernel - 1) // 2
        self.convolution = nn.Conv2d(
            inside, outside, kernel, stride, padding=self.padding, bias=False
        )
        self.bias = nn.Parameter(torch.zeros(outside, 1, 1))

    def forward(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Features and what is known of them.

        Args:
            x: (B, inside, H, W).
            known: (B, 1, H, W): 1 where x is known, 0 where it is not; where x is made of known
                and unknown channels, which must then be zero, the share of the known ones.

        Returns:
            Features (B, outside, H / stride, W / stride), zero where unknown, and a map of zeros
            and ones that says where they are known, (B, 1, H / stride, W / stride).
        """
        # In float32 at least: a share in bfloat16 has two or three digits.
        with torch.autocast(x.device.type, enabled=False):
            known = known.to(torch.promote_types(known.dtype, torch.float32))
            ones = known.new_ones(1, 1, self.kernel, self.kernel)
            count = F.conv2d(known, ones, stride=self.stride, padding=self.padding)
            now_known = (count > 0).to(count.dtype)
            scale = self.kernel**2 / torch.where(count > 0, count, torch.ones_like(count))
        y = self.convolution(x * (known > 0)) * scale + self.bias
        return y * now_known, now_known


class GatedConv2d(nn.Module):
    """A convolution each of whose outputs is multiplied by a gate in (0, 1) that it computes too.

    Args:
        inside, outside: channels of input and output.
        kernel: size of the kernel; stride: pixels from one output to the next.
        activation: of the features, before the gate.

    Source: lesson 13, equation (13.12); Yu, Lin, Yang, Shen, Lu, Huang, "Free-Form Image Inpainting
    with Gated Convolution", ICCV 2019, section 3.1.
    """

    def __init__(
        self,
        inside: int,
        outside: int,
        kernel: int = 3,
        stride: int = 1,
        activation: nn.Module | None = None,
    ) -> None:
        super().__init__()
        # Both convolutions in one: the first half of the channels are features, the others gates.
        self.both = nn.Conv2d(inside, 2 * outside, kernel, stride, padding=(kernel - 1) // 2)
        self.activation = activation or nn.ELU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) -> (B, outside, H / stride, W / stride)."""
        features, gates = self.both(x).chunk(2, dim=1)
        return self.activation(features) * torch.sigmoid(gates)


def _norm_and_slope(width: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(width), nn.LeakyReLU(0.2, inplace=True))


class PlainBlock(nn.Module):
    """Convolution, batch normalisation, LeakyReLU; what is known is passed on unread."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int) -> None:
        super().__init__()
        convolution = nn.Conv2d(inside, outside, kernel, stride, (kernel - 1) // 2, bias=False)
        self.layers = nn.Sequential(convolution, _norm_and_slope(outside))

    def forward(self, x: Tensor, known: None) -> tuple[Tensor, None]:
        """(B, inside, H, W) -> (B, outside, H / stride, W / stride)."""
        return self.layers(x), known


class PartialBlock(nn.Module):
    """Partial convolution, batch normalisation, LeakyReLU; unknown features stay zero."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.convolution = PartialConv2d(inside, outside, kernel, stride)
        self.after = _norm_and_slope(outside)

    def forward(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """(B, inside, H, W), (B, 1, H, W) -> features and what is known of them."""
        y, known = self.convolution(x, known)
        return self.after(y) * known, known


class GatedBlock(nn.Module):
    """Gated convolution, its features normalised before their LeakyReLU."""

    def __init__(self, inside: int, outside: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.layer = GatedConv2d(inside, outside, kernel, stride, _norm_and_slope(outside))

    def forward(self, x: Tensor, known: None) -> tuple[Tensor, None]:
        """(B, inside, H, W) -> (B, outside, H / stride, W / stride)."""
        return self.layer(x), known


class ResidualBlock(nn.Module):
    """Two blocks of kernel 3, whose result is added to what they were given.

    Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
    figure 2; here the sum is not followed by an activation, as each block ends with its own.
    """

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        self.first, self.second = (BLOCKS[kind](width, width, 3, 1) for _ in range(2))

    def forward(self, x: Tensor, known: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """(B, width, H, W), and (B, 1, H, W) or None -> the same shapes."""
        y, known = self.second(*self.first(x, known))
        return x + y, known


BLOCKS = {"plain": PlainBlock, "partial": PartialBlock, "gated": GatedBlock}
