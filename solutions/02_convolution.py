# %% [markdown]
# # Exercises 02. Convolution
#
# Seven exercises on [lesson 02](../notebooks/02_convolution.ipynb): what a convolution is, how
# large its output is, and how to get the same numbers with less work.
#
# Put your own code where a cell says `raise NotImplementedError(...)`, run the cell, and then the
# cell below it, which begins with `checks.`. It tries your answer on inputs of its own and says
# what is wrong with it, if anything is. [Exercises 00](00_start_here.ipynb) explain how that works.
#
# The letters are those of the lesson: x image, w kernel, K kernel size, S stride, P padding,
# D dilation, C input channels, O output channels, B images in a batch, H rows, W columns, (i, j)
# output pixel, (u, v) position in the kernel. Rows, columns and positions are counted from 0.
# Numbers are float64, so that rounding errors do not hide a mistake.

# %%
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks import lesson02 as checks

# %% [markdown]
# ### Exercise 2.1 (one star). How large is the output?
#
# Whoever stacks layers must know the size that each one gives. Count along one side of the image.
# It has H pixels and a border of P zeros at both ends. The kernel has K numbers, which lie D pixels
# apart. The first window begins with the first zero of the border, and each next one begins S
# pixels further on, as long as it fits with all its numbers. Return how many windows there are:
# equation (2.4).
#
# - In: `H`, `K`, `S`, `P`, `D`, integers. P is at least 0 and the others at least 1. At least one
#   window fits.
# - Out: an integer.


# %%
def output_size(H: int, K: int, S: int, P: int, D: int) -> int:
    """Output pixels along one side: input H, kernel K, stride S, padding P, dilation D."""
    ### BEGIN SOLUTION
    return (H + 2 * P - D * (K - 1) - 1) // S + 1
    ### END SOLUTION


# %%
checks.output_size(output_size)

# %% [markdown] tags=["solution"]
# The window covers $D (K - 1) + 1$ pixels, one for its first number and D for each of the others.
# What is left of the H + 2P pixels is divided into steps of S. `//` rounds down, and the last 1 is
# the window that was there before the first step.
#
# The second answer lists the numbers of the pixels on which a window may begin.


# %% tags=["alternative"]
def output_size(H, K, S, P, D):
    covered = D * (K - 1) + 1
    beyond = H + 2 * P - covered + 1  # the first beginning that does not fit
    return len(range(0, beyond, S))


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Rounded up.** A last window is counted that hangs over the edge.


# %% tags=["mistake"] hint="rounded-up"
def output_size(H, K, S, P, D):
    return math.ceil((H + 2 * P - D * (K - 1) - 1) / S) + 1


# %% [markdown] tags=["mistake"]
# **Not rounded at all.** With stride 1 nobody notices.


# %% tags=["mistake"] hint="fraction"
def output_size(H, K, S, P, D):
    return (H + 2 * P - D * (K - 1) - 1) / S + 1


# %% [markdown] tags=["mistake"]
# **Steps for windows.** Between five posts there are four gaps.


# %% tags=["mistake"] hint="no-first"
def output_size(H, K, S, P, D):
    return (H + 2 * P - D * (K - 1) - 1) // S


# %% [markdown] tags=["mistake"]
# **One-sided padding.** The letter P stands for the border on one side, not for both.


# %% tags=["mistake"] hint="one-sided"
def output_size(H, K, S, P, D):
    return (H + P - D * (K - 1) - 1) // S + 1


# %% [markdown] tags=["mistake"]
# **A window of D times K pixels.** Right for D = 1, where the formula reads H + 2P - K. For D = 2
# and K = 3 the window covers five pixels and not six.


# %% tags=["mistake"] hint="dilated-size"
def output_size(H, K, S, P, D):
    return (H + 2 * P - D * K) // S + 1


# %% [markdown]
# ### Exercise 2.2 (one star). The convolution of mathematics
#
# What networks call a convolution is a cross-correlation. SciPy's `convolve2d` and every book on
# probability mean equation (2.2), in which the kernel runs backwards:
#
# $$ (w * x)_{i,j} = \sum_{u=0}^{K-1} \sum_{v=0}^{K-1} w_{u,v}\, x_{i-u,\, j-v}. $$
#
# Compute it for all (i, j) for which every pixel in the sum lies in the image, and for no others.
# Those are the rows from i = K - 1 to H - 1 and the columns from j = K - 1 to W - 1. Number (0, 0)
# of your result belongs to i = j = K - 1. You may use `F.conv2d`, or loops.
#
# - In: `x`, float64, shape (H, W); `w`, float64, shape (K, K). K is at most H and at most W.
# - Out: shape (H - K + 1, W - K + 1).


# %%
def convolve(x: Tensor, w: Tensor) -> Tensor:
    """Equation (2.2) inside the image: (H, W), (K, K) -> (H - K + 1, W - K + 1)."""
    ### BEGIN SOLUTION
    turned = w.flip(0, 1)
    return F.conv2d(x[None, None], turned[None, None])[0, 0]
    ### END SOLUTION


# %%
checks.convolve(convolve)

# %% [markdown] tags=["solution"]
# Put $u' = K - 1 - u$ and $v' = K - 1 - v$ in (2.2). Then both indices of the kernel run backwards
# and those of the image forwards. That is the cross-correlation (2.1) with the kernel flipped along
# both axes, which is a turn by 180 degrees. `F.conv2d` wants four axes: `x[None, None]` has shape
# (1, 1, H, W).
#
# The second answer follows the formula and adds up K times K moved copies of the image. Row i - u
# runs from K - 1 - u to H - 1 - u.


# %% tags=["alternative"]
def convolve(x, w):
    K, (H, W) = len(w), x.shape
    y = torch.zeros(H - K + 1, W - K + 1, dtype=x.dtype)
    for u in range(K):
        for v in range(K):
            y += w[u, v] * x[K - 1 - u : H - u, K - 1 - v : W - v]
    return y


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Not flipped.** The cross-correlation. For a symmetric blur the two agree, so it is no test.


# %% tags=["mistake"] hint="not-flipped"
def convolve(x, w):
    return F.conv2d(x[None, None], w[None, None])[0, 0]


# %% [markdown] tags=["mistake"]
# **Flipped along one axis.** `flip(0)` reverses the order of the rows and leaves each row as it is.


# %% tags=["mistake"] hint="one-axis"
def convolve(x, w):
    return F.conv2d(x[None, None], w.flip(0)[None, None])[0, 0]


# %% [markdown] tags=["mistake"]
# **Transposed.** A transpose mirrors the kernel at its diagonal. The corner w[0, 0] stays where it
# is, and should go to the opposite one.


# %% tags=["mistake"] hint="transposed"
def convolve(x, w):
    return F.conv2d(x[None, None], w.T[None, None])[0, 0]


# %% [markdown] tags=["mistake"]
# **Too much.** With a padding of K - 1 the formula is computed wherever a single pixel is left in
# the sum.


# %% tags=["mistake"] hint="full"
def convolve(x, w):
    turned = w.flip(0, 1)[None, None]
    return F.conv2d(x[None, None], turned, padding=len(w) - 1)[0, 0]


# %% [markdown]
# ### Exercise 2.3 (two stars). A layer
#
# Write a convolutional layer with all its channels: equation (2.5) with D = 1 and without groups.
# Output channel o has one kernel for each input channel c, and one bias.
#
# $$ y_{b,o,i,j} = \beta_o + \sum_{c=0}^{C-1} \sum_{u=0}^{K-1} \sum_{v=0}^{K-1}
# w_{o,c,u,v}\; x_{b,\,c,\;S i + u - P,\;S j + v - P}, $$
#
# with $x = 0$ outside the image. The index b runs over the images of the batch, and $\beta$ is the
# bias. The lesson loops over all output pixels. Can you loop over the positions (u, v) of the
# kernel instead, which are far fewer?
#
# - In: `x`, float64, shape (B, C, H, W); `w`, float64, shape (O, C, K, K); `bias`, float64, shape
#   (O,); `S` and `P`, integers. At least one window fits.
# - Out: shape (B, O, H_out, W_out), with sizes as in exercise 2.1. Do not use torch's own
#   convolutions, such as `F.conv2d`. `F.pad`, `F.unfold` and `torch.einsum` are allowed.


# %%
def conv2d(x: Tensor, w: Tensor, bias: Tensor, S: int, P: int) -> Tensor:
    """Equation (2.5) with D = 1: (B, C, H, W), (O, C, K, K), (O,) -> (B, O, H_out, W_out)."""
    ### BEGIN SOLUTION
    K = w.shape[-1]
    rows, columns = ((side + 2 * P - K) // S + 1 for side in x.shape[2:])
    padded = F.pad(x, (P, P, P, P))  # (B, C, H + 2P, W + 2P)
    y = bias[None, :, None, None].repeat(len(x), 1, rows, columns)  # (B, O, H_out, W_out)
    for u in range(K):
        for v in range(K):
            bottom, right = u + S * (rows - 1) + 1, v + S * (columns - 1) + 1
            seen = padded[:, :, u:bottom:S, v:right:S]  # (B, C, H_out, W_out)
            y += torch.einsum("oc,bcij->boij", w[:, :, u, v], seen)
    return y
    ### END SOLUTION


# %%
checks.conv2d(conv2d)

# %% [markdown] tags=["solution"]
# For one position (u, v), the pixels that all windows have there form a picture of their own: rows
# u, u + S, u + 2S and so on. Each position multiplies its picture by the O x C matrix w[:, :, u, v]
# and adds it to the result. That makes K times K steps, however large the image is. The bias is
# there once, from the start.
#
# The second answer loops over output pixels, as the lesson does. Its sum runs over c, u and v at
# once.


# %% tags=["alternative"]
def conv2d(x, w, bias, S, P):
    B, C, H, W = x.shape
    K = w.shape[-1]
    padded = torch.zeros(B, C, H + 2 * P, W + 2 * P, dtype=x.dtype)
    padded[:, :, P : P + H, P : P + W] = x
    lines = []
    for top in range(0, H + 2 * P - K + 1, S):
        windows = [padded[:, :, top : top + K, j : j + K] for j in range(0, W + 2 * P - K + 1, S)]
        products = torch.stack(windows, dim=1)[:, :, None] * w  # (B, W_out, O, C, K, K)
        lines.append(products.sum(dim=(3, 4, 5)) + bias)  # (B, W_out, O)
    return torch.stack(lines, dim=1).permute(0, 3, 1, 2)


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **A bias for each input channel.** The line that adds the bias stands inside the loop over c.


# %% tags=["mistake"] hint="bias-repeated"
def conv2d(x, w, bias, S, P):
    windows = F.pad(x, (P, P, P, P)).unfold(2, w.shape[-1], S).unfold(3, w.shape[-1], S)
    y = 0
    for c in range(x.shape[1]):
        y = y + torch.einsum("bijuv,ouv->boij", windows[:, c], w[:, c]) + bias[:, None, None]
    return y


# %% [markdown] tags=["mistake"]
# **Bias by broadcasting.** Without `[:, None, None]` the bias lies along the columns. If the output
# happens to be as wide as it has channels, no error says so.


# %% tags=["mistake"] hint="bias-axis"
def conv2d(x, w, bias, S, P):
    windows = F.pad(x, (P, P, P, P)).unfold(2, w.shape[-1], S).unfold(3, w.shape[-1], S)
    return torch.einsum("bcijuv,ocuv->boij", windows, w) + bias


# %% [markdown] tags=["mistake"]
# **The last channel only.** `=` where `+=` is meant: each channel overwrites the one before.


# %% tags=["mistake"] hint="channels"
def conv2d(x, w, bias, S, P):
    windows = F.pad(x, (P, P, P, P)).unfold(2, w.shape[-1], S).unfold(3, w.shape[-1], S)
    for c in range(x.shape[1]):
        y = torch.einsum("bijuv,ouv->boij", windows[:, c], w[:, c])
    return y + bias[:, None, None]


# %% [markdown] tags=["mistake"]
# **The mean over channels.** It looks tidy, and makes every layer's response C times weaker.


# %% tags=["mistake"] hint="averaged"
def conv2d(x, w, bias, S, P):
    windows = F.pad(x, (P, P, P, P)).unfold(2, w.shape[-1], S).unfold(3, w.shape[-1], S)
    each = torch.einsum("bcijuv,ocuv->bocij", windows, w)
    return each.mean(dim=2) + bias[:, None, None]


# %% [markdown] tags=["mistake"]
# **Padding on one side.** The size is right. The border is twice as wide as it should be, at the
# bottom and on the right.


# %% tags=["mistake"] hint="one-sided"
def conv2d(x, w, bias, S, P):
    windows = F.pad(x, (0, 2 * P, 0, 2 * P)).unfold(2, w.shape[-1], S).unfold(3, w.shape[-1], S)
    return torch.einsum("bcijuv,ocuv->boij", windows, w) + bias[:, None, None]


# %% [markdown] tags=["mistake"]
# **The edge repeated.** It avoids the false edge at the border that section 2.8 shows. It is
# another layer than the one asked for.


# %% tags=["mistake"] hint="edge-values"
def conv2d(x, w, bias, S, P):
    padded = F.pad(x, (P, P, P, P), mode="replicate")
    windows = padded.unfold(2, w.shape[-1], S).unfold(3, w.shape[-1], S)
    return torch.einsum("bcijuv,ocuv->boij", windows, w) + bias[:, None, None]


# %% [markdown] tags=["mistake"]
# **The stride along rows only.** The size is computed with S and hides it: the right number of
# windows, all crowded at the left.


# %% tags=["mistake"] hint="stride-one-axis"
def conv2d(x, w, bias, S, P):
    K = w.shape[-1]
    rows, columns = ((side + 2 * P - K) // S + 1 for side in x.shape[2:])
    padded = F.pad(x, (P, P, P, P))
    y = torch.zeros(len(x), len(w), rows, columns, dtype=x.dtype)
    for i in range(rows):
        for j in range(columns):
            window = padded[:, None, :, S * i : S * i + K, j : j + K]
            y[:, :, i, j] = (w * window).sum(dim=(2, 3, 4)) + bias
    return y


# %% [markdown]
# ### Exercise 2.4 (two stars). Windows as columns
#
# A sum over c, u and v is a dot product, and many dot products at once are a product of matrices.
# Write the windows of one image as the columns of a matrix X, so that for every weight of shape
# (O, C, K, K) the product `weight.flatten(1) @ X` holds the output of the layer. Stride 1, no
# padding, no bias.
#
# - In: `x`, float64, shape (C, H, W); `K`, an integer.
# - Out: shape (C K K, H_out W_out), with H_out = H - K + 1 and W_out = W - K + 1. A column is one
#   window. Its numbers are ordered as in `weight.flatten(1)`: by channel, then by u, then by v. The
#   windows are ordered as one reads: along the first row of the output, then along the second.
#
# `F.unfold` does this for a batch. Try it without.


# %%
def im2col(x: Tensor, K: int) -> Tensor:
    """All windows of one image as columns: (C, H, W) -> (C K K, H_out W_out)."""
    ### BEGIN SOLUTION
    C, H, W = x.shape
    rows, columns = H - K + 1, W - K + 1
    X = torch.empty(C, K, K, rows, columns, dtype=x.dtype)
    for u in range(K):
        for v in range(K):
            X[:, u, v] = x[:, u : u + rows, v : v + columns]
    return X.reshape(C * K * K, rows * columns)
    ### END SOLUTION


# %%
checks.im2col(im2col)

# %% [markdown] tags=["solution"]
# The lesson copies window by window, which is column by column of X. This answer copies row by row:
# row (c, u, v) holds the number at (u, v) of every window in channel c, and that is a cut-out of
# the image. K times K copies fill the matrix.
#
# The second answer has no loop. `unfold` along rows and then along columns gives all windows at
# once, with the axes in the wrong order; `permute` sorts them.


# %% tags=["alternative"]
def im2col(x, K):
    windows = x.unfold(1, K, 1).unfold(2, K, 1)  # (C, H_out, W_out, K, K)
    return windows.permute(0, 3, 4, 1, 2).reshape(len(x) * K * K, -1)


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Channels last.** The order of an image file, where the colours of one pixel stand together.


# %% tags=["mistake"] hint="row-order"
def im2col(x, K):
    rows, columns = x.shape[1] - K + 1, x.shape[2] - K + 1
    windows = [x[:, i : i + K, j : j + K] for i in range(rows) for j in range(columns)]
    return torch.stack([window.permute(1, 2, 0).flatten() for window in windows], dim=1)


# %% [markdown] tags=["mistake"]
# **Windows as rows.** `stack` puts its new axis first unless told otherwise.


# %% tags=["mistake"] hint="windows-as-rows"
def im2col(x, K):
    rows, columns = x.shape[1] - K + 1, x.shape[2] - K + 1
    windows = [x[:, i : i + K, j : j + K] for i in range(rows) for j in range(columns)]
    return torch.stack([window.flatten() for window in windows])


# %% [markdown] tags=["mistake"]
# **Column by column.** The two loops have changed places.


# %% tags=["mistake"] hint="column-order"
def im2col(x, K):
    rows, columns = x.shape[1] - K + 1, x.shape[2] - K + 1
    windows = [x[:, i : i + K, j : j + K] for j in range(columns) for i in range(rows)]
    return torch.stack([window.flatten() for window in windows], dim=1)


# %% [markdown] tags=["mistake"]
# **Reshaped, not permuted.** The second answer without its `permute`. The shape says nothing about
# the order.


# %% tags=["mistake"] hint="reshaped"
def im2col(x, K):
    windows = x.unfold(1, K, 1).unfold(2, K, 1)  # (C, H_out, W_out, K, K)
    return windows.reshape(len(x) * K * K, -1)


# %% [markdown] tags=["mistake"]
# **The image itself, reshaped.** It has C H W numbers. The matrix has up to K times K copies of
# each.


# %% tags=["mistake"] hint="no-overlap"
def im2col(x, K):
    return x.reshape(len(x) * K * K, -1)


# %% [markdown]
# ### Exercise 2.5 (two stars). What a depthwise convolution saves
#
# A full convolution does two things at once: it looks at neighbours, and it mixes channels. Small
# networks for telephones do the two one after the other. A *depthwise* convolution (G = C groups)
# has C kernels of K x K, one for each channel, and returns C channels. A *pointwise* one, with
# kernels of 1 x 1, then makes O channels of the C.
#
# How many times as many multiply-adds does the full convolution from C to O channels need as the
# two together? Everything has stride 1, and the padding keeps the size, so the size does not
# matter. Biases are not multiplied and do not count.
#
# - In: `C`, `O`, `K`, integers of at least 1.
# - Out: a number. 4.0 means that the full convolution needs four times as many.


# %%
def multiply_adds_saved(C: int, O: int, K: int) -> float:
    """Multiply-adds of a full K x K convolution over those of depthwise and pointwise."""
    ### BEGIN SOLUTION
    full = O * C * K**2
    depthwise = C * K**2
    pointwise = O * C
    return full / (depthwise + pointwise)
    ### END SOLUTION


# %%
checks.multiply_adds_saved(multiply_adds_saved)

# %% [markdown] tags=["solution"]
# By (2.7) an output pixel costs $K^2 C / G$ products for each output channel. The full convolution
# needs $O C K^2$, the depthwise one $C K^2$ because it has C output channels and sees one input
# channel in each, and the pointwise one $O C$. The factor is
#
# $$ \frac{K^2 C O}{K^2 C + C O} = \frac{1}{1/O + 1/K^2}. $$
#
# The right side is the second answer. C has dropped out. With many output channels the factor is nearly
# $K^2$, which is 9 for the usual kernel; it never gets there.


# %% tags=["alternative"]
def multiply_adds_saved(C, O, K):
    return 1 / (1 / O + 1 / K**2)


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Upside down.** The share that is left.


# %% tags=["mistake"] hint="upside-down"
def multiply_adds_saved(C, O, K):
    return (K**2 * C + C * O) / (K**2 * C * O)


# %% [markdown] tags=["mistake"]
# **Half of it.** The depthwise convolution alone is O times as cheap. It is no replacement: red
# never meets green.


# %% tags=["mistake"] hint="no-pointwise"
def multiply_adds_saved(C, O, K):
    return (O * C * K**2) / (C * K**2)


# %% [markdown] tags=["mistake"]
# **A depthwise convolution with O channels.** It returns as many channels as it is given.


# %% tags=["mistake"] hint="depthwise-outputs"
def multiply_adds_saved(C, O, K):
    return (O * C * K**2) / (O * K**2 + O * C)


# %% [markdown] tags=["mistake"]
# **Parameters counted.** Without biases the ratio would be the same, because every weight is used
# once for each output pixel. With them it is not.


# %% tags=["mistake"] hint="parameters"
def multiply_adds_saved(C, O, K):
    full = O * (C * K**2 + 1)
    return full / (C * (K**2 + 1) + O * (C + 1))


# %% [markdown]
# ### Exercise 2.6 (three stars). Correlation by waves
#
# The discrete Fourier transform $\hat x$ of an image lists how much of each wave is in it. For the
# *circular* cross-correlation, in which the image begins again where it ends, equation (2.10) says
#
# $$ \hat y_f = \overline{\hat w_f}\; \hat x_f $$
#
# for each wave f, where the bar is the complex conjugate and $\hat w$ the transform of a kernel as
# large as the image, filled up with zeros. That replaces K times K products for each pixel by one
# for each wave. Compute the plain cross-correlation (2.1) with it: no circle, only windows that lie
# inside the image.
#
# - In: `x`, float64, shape (H, W); `w`, float64, shape (K, K). K is at most H and at most W, which
#   may be odd or even.
# - Out: real numbers, shape (H - K + 1, W - K + 1). Number (i, j) is the sum of
#   w[u, v] x[i + u, j + v] over all u and v.
#
# Use the functions of `torch.fft`. `torch.fft.rfft2` and `irfft2` are for real images.


# %%
def correlate_fft(x: Tensor, w: Tensor) -> Tensor:
    """Equation (2.1) by way of (2.10): (H, W), (K, K) -> (H - K + 1, W - K + 1)."""
    ### BEGIN SOLUTION
    filled = torch.zeros_like(x)
    filled[: len(w), : len(w)] = w
    product = torch.fft.rfft2(filled).conj() * torch.fft.rfft2(x)
    circular = torch.fft.irfft2(product, s=x.shape)  # (H, W)
    return circular[: x.shape[0] - len(w) + 1, : x.shape[1] - len(w) + 1]
    ### END SOLUTION


# %%
checks.correlate_fft(correlate_fft)

# %% [markdown] tags=["solution"]
# Number (i, j) of the circular result belongs to the window that begins at pixel (i, j). For i up
# to H - K the window ends before the image does, and the circle is never used. So the first
# H - K + 1 rows are right, and the last K - 1 are mixtures. The same goes for columns.
#
# The second answer has no conjugate. Without it the kernel runs backwards, so the answer turns the
# kernel by 180 degrees first. Number (i, j) then belongs to the window that *ends* at (i, j), so
# the first K - 1 rows and columns are the mixtures.


# %% tags=["alternative"]
def correlate_fft(x, w):
    turned = torch.fft.fft2(w.flip(0, 1), s=x.shape)  # `s` fills up with zeros
    circular = torch.fft.ifft2(turned * torch.fft.fft2(x)).real
    return circular[len(w) - 1 :, len(w) - 1 :]


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **No conjugate.** The product of two transforms belongs to a convolution in the sense of (2.2), in
# which the kernel runs backwards.


# %% tags=["mistake"] hint="no-conjugate"
def correlate_fft(x, w):
    product = torch.fft.rfft2(w, s=x.shape) * torch.fft.rfft2(x)
    circular = torch.fft.irfft2(product, s=x.shape)
    return circular[: x.shape[0] - len(w) + 1, : x.shape[1] - len(w) + 1]


# %% [markdown] tags=["mistake"]
# **The wrong conjugate.** $\overline{\hat x}\, \hat w$ is the conjugate of what is asked for, and a
# conjugate in waves is a mirror in pixels.


# %% tags=["mistake"] hint="conjugate-image"
def correlate_fft(x, w):
    product = torch.fft.rfft2(w, s=x.shape) * torch.fft.rfft2(x).conj()
    circular = torch.fft.irfft2(product, s=x.shape)
    return circular[: x.shape[0] - len(w) + 1, : x.shape[1] - len(w) + 1]


# %% [markdown] tags=["mistake"]
# **The last rows instead of the first.** Right for a convolution, where the mixtures stand at the
# beginning.


# %% tags=["mistake"] hint="crop"
def correlate_fft(x, w):
    product = torch.fft.rfft2(w, s=x.shape).conj() * torch.fft.rfft2(x)
    return torch.fft.irfft2(product, s=x.shape)[len(w) - 1 :, len(w) - 1 :]


# %% [markdown] tags=["mistake"]
# **Nothing is cut off.** The circle is left in.


# %% tags=["mistake"] hint="not-cropped"
def correlate_fft(x, w):
    product = torch.fft.rfft2(w, s=x.shape).conj() * torch.fft.rfft2(x)
    return torch.fft.irfft2(product, s=x.shape)


# %% [markdown] tags=["mistake"]
# **The kernel as it is.** Its own transform has K rows of waves, the image's has H.


# %% tags=["mistake"] hint="not-padded"
def correlate_fft(x, w):
    product = torch.fft.rfft2(w).conj() * torch.fft.rfft2(x)
    circular = torch.fft.irfft2(product, s=x.shape)
    return circular[: x.shape[0] - len(w) + 1, : x.shape[1] - len(w) + 1]


# %% [markdown] tags=["mistake"]
# **The kernel in the middle.** It looks right in a picture. A kernel that stands t rows further
# down asks about pixels t rows further down.


# %% tags=["mistake"] hint="kernel-place"
def correlate_fft(x, w):
    top, left = ((side - len(w)) // 2 for side in x.shape)
    filled = torch.zeros_like(x)
    filled[top : top + len(w), left : left + len(w)] = w
    product = torch.fft.rfft2(filled).conj() * torch.fft.rfft2(x)
    circular = torch.fft.irfft2(product, s=x.shape)
    return circular[: x.shape[0] - len(w) + 1, : x.shape[1] - len(w) + 1]


# %% [markdown] tags=["mistake"]
# **The width left to `irfft2`.** Half a spectrum does not say whether the width was odd or even.


# %% tags=["mistake"] hint="odd-width"
def correlate_fft(x, w):
    product = torch.fft.rfft2(w, s=x.shape).conj() * torch.fft.rfft2(x)
    circular = torch.fft.irfft2(product)
    return circular[: x.shape[0] - len(w) + 1, : x.shape[1] - len(w) + 1]


# %% [markdown]
# ### Exercise 2.7 (three stars). A kernel as a product
#
# If $w_{u,v} = a_u\, b_v$, a convolution with w is one with a row of K numbers and then one with a
# column of K numbers: 2K products for each pixel instead of $K^2$, equation (2.14). Such a kernel
# has rank one as a matrix. Write the function that finds a and b, and refuses every other kernel.
#
# - In: `w`, float64, shape (K, K), not zero everywhere. Any single number in it may be zero, and so
#   may the sum of all.
# - Out: a pair `(a, b)` of tensors of shape (K,) with `torch.outer(a, b)` equal to w up to rounding
#   errors. Which of the two is larger is up to you: (2a, b/2) is as good as (a, b).
# - Raises `ValueError` if the rank is not one. A difference counts as rounding error if it is below
#   a thousand-millionth of the largest weight, whatever the size of the weights.


# %%
def separate(w: Tensor) -> tuple[Tensor, Tensor]:
    """Column a and row b with outer(a, b) = w: (K, K) -> (K,), (K,). Else ValueError."""
    ### BEGIN SOLUTION
    p, q = divmod(int(w.abs().argmax()), len(w))  # the largest weight: it is not zero
    a, b = w[:, q], w[p] / w[p, q]
    if (torch.outer(a, b) - w).abs().max() > 1e-9 * w[p, q].abs():
        raise ValueError("expected a kernel of rank one")
    return a, b
    ### END SOLUTION


# %%
checks.separate(separate)

# %% [markdown] tags=["solution"]
# In a product every column is a multiple of a and every row a multiple of b. So any column and any
# row will do if they are not zero. Column q and row p are $a\, b_q$ and $a_p\, b$, and their outer
# product is $w$ times $a_p b_q = w_{p,q}$: divide by that. The largest weight is the one that is
# surely not zero. If the outer product is not w after all, the rank is not one.
#
# The second answer takes the singular value decomposition, $w = \sum_k s_k\, U_{:,k} V_{k,:}$ with
# $s_0 \ge s_1 \ge \ldots$ The rank is one if and only if $s_1$ is zero. The root gives both factors
# the same length.


# %% tags=["alternative"]
def separate(w):
    U, s, V = torch.linalg.svd(w)
    if (s[1:] > 1e-9 * s[0]).any():
        raise ValueError("expected a kernel of rank one")
    return U[:, 0] * s[0].sqrt(), V[0] * s[0].sqrt()


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **First column, first row.** The directions are right, and w[0, 0] is in both.


# %% tags=["mistake"] hint="not-divided"
def separate(w):
    if torch.linalg.matrix_rank(w) != 1:
        raise ValueError("expected a kernel of rank one")
    return w[:, 0], w[0]


# %% [markdown] tags=["mistake"]
# **Divided by the corner.** Right until the corner is zero.


# %% tags=["mistake"] hint="zero-corner"
def separate(w):
    if torch.linalg.matrix_rank(w) != 1:
        raise ValueError("expected a kernel of rank one")
    return w[:, 0], w[0] / w[0, 0]


# %% [markdown] tags=["mistake"]
# **Without the singular value.** Two vectors of length 1 have a product of length 1.


# %% tags=["mistake"] hint="singular-value"
def separate(w):
    U, s, V = torch.linalg.svd(w)
    if (s[1:] > 1e-9 * s[0]).any():
        raise ValueError("expected a kernel of rank one")
    return U[:, 0], V[0]


# %% [markdown] tags=["mistake"]
# **The singular value twice.** Each factor gets all of it.


# %% tags=["mistake"] hint="singular-value"
def separate(w):
    U, s, V = torch.linalg.svd(w)
    if (s[1:] > 1e-9 * s[0]).any():
        raise ValueError("expected a kernel of rank one")
    return U[:, 0] * s[0], V[0] * s[0]


# %% [markdown] tags=["mistake"]
# **Sums of rows and columns.** They give the blur, for which one tries it first. Sobel's sums are
# zero.


# %% tags=["mistake"] hint="sums"
def separate(w):
    if torch.linalg.matrix_rank(w) != 1:
        raise ValueError("expected a kernel of rank one")
    return w.sum(dim=1), w.sum(dim=0) / w.sum()


# %% [markdown] tags=["mistake"]
# **Every kernel is split.** The largest singular value gives the product that is nearest to w. For
# the Laplacian that is another kernel.


# %% tags=["mistake"] hint="accepts-other-ranks"
def separate(w):
    U, s, V = torch.linalg.svd(w)
    return U[:, 0] * s[0], V[0]


# %% [markdown] tags=["mistake"]
# **The determinant.** It is zero for every rank below K. The Laplacian has rank two and K = 3.


# %% tags=["mistake"] hint="accepts-other-ranks"
def separate(w):
    if len(w) > 1 and torch.linalg.det(w).abs() > 1e-9:
        raise ValueError("expected a kernel of rank one")
    p, q = divmod(int(w.abs().argmax()), len(w))
    return w[:, q], w[p] / w[p, q]


# %% [markdown]
# Now on kernels of section 2.9, on the sum of two of them, and on a Gaussian. Which ones do you expect to be products?

# %%
across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).double()
bell = torch.exp(-(torch.linspace(-2, 2, 9).double() ** 2) / 2)
for name, kernel in {
    "Sobel, across": across,
    "Sobel, across plus down": across + across.T,
    "Laplacian": torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).double(),
    "Gaussian, 9 x 9": torch.outer(bell, bell),
}.items():
    try:
        a, b = separate(kernel)
    except ValueError:
        print(f"{name}: no product, {kernel.numel()} multiplications for each pixel")
    else:
        print(f"{name}: a product, {len(a) + len(b)} instead of {kernel.numel()}")

# %% [markdown]
# The sum of two products is in general no product. The Gaussian is one, because
# $e^{-(u^2 + v^2)/2} = e^{-u^2/2}\, e^{-v^2/2}$. Of all smooth functions that fade outwards it is
# the only one that is both a product and the same in every direction. That makes it the usual
# kernel for a blur.
