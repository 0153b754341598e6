"""Backpropagation through a convolution, and the transposed convolution (lesson 03).

Letters as in `course_lib.convolution`; g is the gradient of a loss L with respect to the
convolution's output y, g[b, o, i, j] = dL / dy[b, o, i, j].
"""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.convolution import Window, conv2d_im2col, im2col


def col2im(
    columns: Tensor,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> Tensor:
    """Lay windows back into an image and add where they overlap: the adjoint of `im2col`.

    Args:
        columns: (B, C K L, H_out W_out), as `im2col` makes them.
        size: (H, W) of the image.
        kernel: (K, L).
        stride, padding, dilation: S, P and D.

    Returns:
        (B, C, H, W). What falls into the padding is dropped.

    Source: lesson 03, equation (3.7).
    """
    high, wide = kernel
    channels = columns.shape[1] // (high * wide)
    some = columns.new_empty(1, channels, *size)
    window = Window.of(
        some, some.new_empty(1, channels, *kernel), None, stride, padding, dilation, 1
    )
    image = window.padded(columns.new_zeros(len(columns), channels, *size))
    parts = columns.unflatten(1, (channels, high * wide)).unflatten(
        3, (window.rows, window.columns)
    )
    for u in range(high):
        for v in range(wide):
            window.seen_by(u, v, image).add_(parts[:, :, u * wide + v])
    return image[:, :, padding : padding + size[0], padding : padding + size[1]]


def _check(g: Tensor, window: Window, outer: tuple[int, int]) -> None:
    expected = (*outer, window.rows, window.columns)
    if tuple(g.shape) != expected:
        raise ValueError(
            f"expected a gradient of the output's shape {expected}, got {tuple(g.shape)}"
        )


def input_gradient(
    g: Tensor,
    weight: Tensor,
    size: tuple[int, int],
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """dL / dx of a convolution: every output hands its gradient back to the pixels it saw.

    Args:
        g: dL / dy, (B, O, H_out, W_out).
        weight: (O, C / G, K, L).
        size: (H, W) of the input.
        stride, padding, dilation, groups: S, P, D and G.

    Returns:
        (B, C, H, W).

    Raises:
        ValueError: if the shapes do not fit each other.

    Source: lesson 03, equations (3.2) and (3.7).
    """
    x = g.new_empty(len(g), weight.shape[1] * groups, *size)
    _check(g, Window.of(x, weight, None, stride, padding, dilation, groups), (len(g), len(weight)))
    matrix = weight.flatten(1).unflatten(0, (groups, -1))  # (G, O / G, C K L / G)
    rows = g.flatten(2).unflatten(1, (groups, -1))  # (B, G, O / G, H_out W_out)
    columns = (matrix.transpose(1, 2) @ rows).flatten(1, 2)  # (B, C K L, H_out W_out)
    return col2im(columns, size, tuple(weight.shape[2:]), stride, padding, dilation)


def weight_gradient(
    g: Tensor,
    x: Tensor,
    kernel: tuple[int, int],
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """dL / dw of a convolution: which pixels met which gradients.

    Args:
        g: dL / dy, (B, O, H_out, W_out).
        x: the input (B, C, H, W).
        kernel: (K, L).
        stride, padding, dilation, groups: S, P, D and G.

    Returns:
        (O, C / G, K, L).

    Raises:
        ValueError: if the shapes do not fit each other.

    Source: lesson 03, equations (3.3) and (3.6).
    """
    weight = x.new_empty(g.shape[1], x.shape[1] // groups, *kernel)
    window = Window.of(x, weight, None, stride, padding, dilation, groups)
    _check(g, window, (len(x), len(weight)))
    columns = im2col(x, kernel, stride, padding, dilation).unflatten(1, (groups, -1))
    rows = g.flatten(2).unflatten(1, (groups, -1))  # (B, G, O / G, H_out W_out)
    product = (rows @ columns.transpose(2, 3)).sum(0)  # (G, O / G, C K L / G)
    return product.flatten(0, 1).unflatten(1, (-1, *kernel))


class Convolution(torch.autograd.Function):
    """A convolution whose backward pass is written by hand. Arguments as in `conv2d_im2col`.

    Source: lesson 03, section 3.5.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, stride=1, padding=0, dilation=1, groups=1):
        ctx.save_for_backward(x, weight)
        ctx.settings = stride, padding, dilation, groups
        return conv2d_im2col(x, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad[:3]
        return (
            input_gradient(g, weight, tuple(x.shape[2:]), *ctx.settings) if for_x else None,
            weight_gradient(g, x, tuple(weight.shape[2:]), *ctx.settings) if for_weight else None,
            g.sum(dim=(0, 2, 3)) if for_bias else None,
            *(None,) * 4,
        )


def transposed_size(
    size: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    output_padding: int = 0,
) -> int:
    """Output pixels along one side of a transposed convolution.

    S (H - 1) + D (K - 1) + 1 - 2P + output padding: the size that the convolution with the same
    numbers maps to H. There are S such sizes, and the output padding, 0 to S - 1, chooses one.
    (torch also takes larger ones, below the dilation; no convolution leads back from these.)

    Raises:
        ValueError: if a number is out of range, or the result has no pixel.

    Source: lesson 03, equation (3.10).
    """
    least = (
        ("size", size, 1), ("kernel", kernel, 1), ("stride", stride, 1), ("padding", padding, 0),
        ("dilation", dilation, 1), ("output_padding", output_padding, 0),
    )  # fmt: skip
    for name, value, bound in least:
        if value < bound:
            raise ValueError(f"expected {name} of at least {bound}, got {value}")
    if output_padding >= stride:
        raise ValueError(
            f"expected an output_padding below the stride {stride}, got {output_padding}: "
            f"a convolution maps only {stride} input sizes to one output size"
        )
    found = stride * (size - 1) + dilation * (kernel - 1) + 1 - 2 * padding + output_padding
    if found < 1:
        raise ValueError(f"the padding {padding} cuts off all pixels: use less padding")
    return found


def transposed_conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    groups: int = 1,
    dilation: int = 1,
) -> Tensor:
    """The transposed convolution: the input gradient of a convolution, used as a layer.

    Args:
        x: (B, C, H, W).
        weight: (C, O / G, K, L): the weight of the convolution from O to C channels.
        bias: (O,), or None.
        stride, padding, output_padding, groups, dilation: in torch's order.

    Returns:
        (B, O, H_out, W_out), see `transposed_size`.

    Raises:
        ValueError: for shapes and numbers that do not fit each other.

    Source: lesson 03, equations (3.9) and (3.10).
    """
    size = tuple(
        transposed_size(side, kernel, stride, padding, dilation, output_padding)
        for side, kernel in zip(x.shape[2:], weight.shape[2:], strict=True)
    )
    outputs = weight.shape[1] * groups
    if bias is not None and bias.shape != (outputs,):
        raise ValueError(f"expected a bias of shape ({outputs},), got {tuple(bias.shape)}")
    y = input_gradient(x, weight, size, stride, padding, dilation, groups)
    return y if bias is None else y + bias[:, None, None]
