"""Convolution, the same operation five ways (lesson 02).

Every function computes what deep learning calls a convolution, the cross-correlation

    y[b, o, i, j] = bias[o]
        + sum over c, u, v of w[o, c, u, v] x[b, c, S i + D u - P, S j + D v - P]

with stride S, padding P, dilation D, and zeros outside the input (equation (2.5)). With `groups`
= G the channels fall into G blocks, and block g of the output is computed from block g of the
input alone. Indices throughout: b image, c input channel, o output channel, (i, j) output pixel,
(u, v) position in the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def output_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> int:
    """Output pixels along one side: floor((H + 2P - D (K - 1) - 1) / S) + 1.

    Args:
        size: input pixels H along that side.
        kernel: kernel size K.
        stride, padding, dilation: S, P and D.

    Raises:
        ValueError: if a number is out of range, or the kernel does not fit into the padded input.

    Source: lesson 02, equation (2.4).
    """
    least = {"size": 1, "kernel": 1, "stride": 1, "padding": 0, "dilation": 1}
    given = {
        "size": size, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation
    }  # fmt: skip
    for name, value in given.items():
        if value < least[name]:
            raise ValueError(f"expected {name} of at least {least[name]}, got {value}")
    spare = size + 2 * padding - dilation * (kernel - 1) - 1
    if spare < 0:
        raise ValueError(
            f"the kernel covers {dilation * (kernel - 1) + 1} pixels and the padded input has only "
            f"{size + 2 * padding}: use a smaller kernel or dilation, or more padding"
        )
    return spare // stride + 1


@dataclass(frozen=True)
class Window:
    """Sizes of one convolution, checked against its input and weight.

    Attributes:
        rows, columns: of the output.
        stride, padding, dilation, groups: S, P, D and G.
    """

    rows: int
    columns: int
    stride: int
    padding: int
    dilation: int
    groups: int

    @classmethod
    def of(
        cls,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: int,
        padding: int,
        dilation: int,
        groups: int,
    ) -> Window:
        """Check x (B, C, H, W), weight (O, C / G, K, L) and bias (O,) against each other."""
        if x.ndim != 4 or weight.ndim != 4:
            raise ValueError(
                f"expected an input (B, C, H, W) and a weight (O, C / groups, K, L), got "
                f"{tuple(x.shape)} and {tuple(weight.shape)}"
            )
        inputs, outputs = x.shape[1], weight.shape[0]
        if groups < 1 or inputs % groups or outputs % groups:
            raise ValueError(
                f"expected groups that divide {inputs} input and {outputs} output channels, "
                f"got {groups}"
            )
        if weight.shape[1] != inputs // groups:
            raise ValueError(
                f"expected a weight for {inputs // groups} channels ({inputs} in {groups} groups), "
                f"got one for {weight.shape[1]}"
            )
        if bias is not None and bias.shape != (outputs,):
            raise ValueError(f"expected a bias of shape ({outputs},), got {tuple(bias.shape)}")
        sides = (
            output_size(side, kernel, stride, padding, dilation)
            for side, kernel in zip(x.shape[2:], weight.shape[2:], strict=True)
        )
        return cls(*sides, stride, padding, dilation, groups)

    def padded(self, x: Tensor) -> Tensor:
        """x with P zeros on each side: (B, C, H + 2P, W + 2P)."""
        return torch.nn.functional.pad(x, (self.padding,) * 4)

    def seen_by(self, u: int, v: int, x: Tensor) -> Tensor:
        """The padded input's pixels that meet kernel position (u, v): (B, C, rows, columns)."""
        top, left = u * self.dilation, v * self.dilation
        bottom = top + self.stride * (self.rows - 1) + 1
        right = left + self.stride * (self.columns - 1) + 1
        return x[:, :, top : bottom : self.stride, left : right : self.stride]


def _with_bias(y: Tensor, bias: Tensor | None) -> Tensor:
    return y if bias is None else y + bias[:, None, None]


def conv2d_loops(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution as the definition says it: one window and one output pixel after the other.

    Args:
        x: images (B, C, H, W).
        weight: kernels (O, C / G, K, L).
        bias: (O,), or None.
        stride, padding, dilation: S, P and D, the same along both sides.
        groups: G.

    Returns:
        (B, O, H_out, W_out), see `output_size`.

    Raises:
        ValueError: for shapes and numbers that do not fit each other.

    Source: lesson 02, equation (2.5).
    """
    window = Window.of(x, weight, bias, stride, padding, dilation, groups)
    outputs, channels, high, wide = weight.shape
    padded = window.padded(x)
    y = x.new_zeros(len(x), outputs, window.rows, window.columns)
    for o in range(outputs):
        first = o // (outputs // groups) * channels  # the first input channel of o's group
        for i in range(window.rows):
            for j in range(window.columns):
                top, left = i * stride, j * stride
                patch = padded[
                    :,
                    first : first + channels,
                    top : top + dilation * (high - 1) + 1 : dilation,
                    left : left + dilation * (wide - 1) + 1 : dilation,
                ]  # (B, C / G, K, L)
                y[:, o, i, j] = (patch * weight[o]).sum(dim=(1, 2, 3))
    return _with_bias(y, bias)


def im2col(
    x: Tensor, kernel: tuple[int, int], stride: int = 1, padding: int = 0, dilation: int = 1
) -> Tensor:
    """Every window of the input as one column.

    Args:
        x: images (B, C, H, W).
        kernel: (K, L).
        stride, padding, dilation: S, P and D.

    Returns:
        (B, C K L, H_out W_out); rows ordered by channel, then u, then v, as in `weight.flatten(1)`.

    Source: lesson 02, equation (2.8); Chellapilla, Puri, Simard, 2006, section 2.
    """
    some = x.new_empty(1, x.shape[1], *kernel)
    window = Window.of(x, some, None, stride, padding, dilation, 1)
    padded = window.padded(x)
    seen = [window.seen_by(u, v, padded) for u in range(kernel[0]) for v in range(kernel[1])]
    return torch.stack(seen, dim=2).flatten(3).flatten(1, 2)


def conv2d_im2col(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution as one matrix product for each group. Arguments as in `conv2d_loops`.

    Source: lesson 02, equation (2.8).
    """
    window = Window.of(x, weight, bias, stride, padding, dilation, groups)
    columns = im2col(x, tuple(weight.shape[2:]), stride, padding, dilation)
    columns = columns.unflatten(1, (groups, -1))  # (B, G, C K L / G, H_out W_out)
    matrix = weight.flatten(1).unflatten(0, (groups, -1))  # (G, O / G, C K L / G)
    y = (matrix @ columns).flatten(1, 2)  # (B, O, H_out W_out)
    return _with_bias(y.unflatten(2, (window.rows, window.columns)), bias)


def convolution_matrix(
    weight: Tensor,
    size: tuple[int, int],
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """The matrix T of a convolution: `y.flatten(1) == x.flatten(1) @ T.T`.

    Dense, for small images only: it has O H_out W_out x C H W entries, most of them zero.

    Args:
        weight: kernels (O, C / G, K, L).
        size: (H, W) of the input.
        stride, padding, dilation, groups: as in `conv2d_loops`.

    Returns:
        T, (O H_out W_out, C H W). For stride 1 and one channel it is doubly blocked Toeplitz.

    Source: lesson 02, equation (2.9).
    """
    outputs, channels, high, wide = weight.shape
    some = weight.new_empty(1, channels * groups, *size)
    window = Window.of(some, weight, None, stride, padding, dilation, groups)
    matrix = weight.new_zeros(outputs, window.rows, window.columns, channels * groups, *size)
    for o in range(outputs):
        first = o // (outputs // groups) * channels
        for i in range(window.rows):
            for j in range(window.columns):
                here = matrix[o, i, j, first : first + channels]  # (C / G, H, W)
                for u in range(high):
                    for v in range(wide):
                        row = stride * i + dilation * u - padding
                        column = stride * j + dilation * v - padding
                        if 0 <= row < size[0] and 0 <= column < size[1]:  # else a padded zero
                            here[:, row, column] = weight[o, :, u, v]
    return matrix.flatten(3).flatten(0, 2)


def conv2d_matrix(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution as one multiplication by `convolution_matrix`. Arguments as in `conv2d_loops`.

    Source: lesson 02, equation (2.9).
    """
    window = Window.of(x, weight, bias, stride, padding, dilation, groups)
    matrix = convolution_matrix(weight, tuple(x.shape[2:]), stride, padding, dilation, groups)
    y = x.flatten(1) @ matrix.T
    return _with_bias(y.unflatten(1, (len(weight), window.rows, window.columns)), bias)


def conv2d_fft(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution as a product of Fourier transforms. Arguments as in `conv2d_loops`.

    A stride saves nothing here: every output is computed and most are thrown away.

    Source: lesson 02, equation (2.10).
    """
    window = Window.of(x, weight, bias, stride, padding, dilation, groups)
    outputs, channels, high, wide = weight.shape
    padded = window.padded(x)
    size = tuple(padded.shape[2:])
    spread = weight.new_zeros(
        outputs, channels, dilation * (high - 1) + 1, dilation * (wide - 1) + 1
    )
    spread[:, :, ::dilation, ::dilation] = weight
    images = torch.fft.rfft2(padded).unflatten(1, (groups, channels))  # (B, G, C / G, H', W')
    kernels = torch.fft.rfft2(spread, s=size).unflatten(0, (groups, -1))  # (G, O / G, C / G, ...)
    # Correlation, not convolution: hence the complex conjugate.
    product = torch.einsum("bgchw,gochw->bgohw", images, kernels.conj()).flatten(1, 2)
    y = torch.fft.irfft2(product, s=size)  # circular; the rows and columns taken do not wrap round
    bottom = stride * (window.rows - 1) + 1
    right = stride * (window.columns - 1) + 1
    return _with_bias(y[:, :, :bottom:stride, :right:stride], bias)


def multiply_adds(
    size: tuple[int, int],
    weight: tuple[int, int, int, int],
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> int:
    """Multiplications, each with an addition, that a convolution needs for one image.

    Padded zeros are multiplied like any other pixel, as libraries do.

    Args:
        size: (H, W) of the input.
        weight: the weight's shape (O, C / G, K, L).
        stride, padding, dilation: S, P and D.

    Source: lesson 02, equation (2.7).
    """
    outputs, channels, high, wide = weight
    rows, columns = (
        output_size(side, kernel, stride, padding, dilation)
        for side, kernel in zip(size, (high, wide), strict=True)
    )
    return outputs * rows * columns * channels * high * wide
