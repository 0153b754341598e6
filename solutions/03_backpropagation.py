# %% [markdown]
# # Exercises 03. Backpropagation through a convolution
#
# Eight exercises on the gradients of [lesson 03](../notebooks/03_backpropagation.ipynb): along a
# line first, then in two dimensions, and the whole backward pass at the end.
#
# Put your own code where a cell says `raise NotImplementedError(...)`, run the cell, and then the
# cell below it, which begins with `checks.`. It tries your function on inputs of its own. If
# something is wrong it says what your function does and why that matters.
# [Lesson 00](00_start_here.ipynb) explains how exercises work. No exercise needs another one. The folder
# `solutions/` holds the same notebook with answers and with the usual mistakes.
#
# The letters are those of the lesson: x image, w kernel, y output, L loss, and
# $g = \partial L / \partial y$, what the layers above hand down. B images, C input and O output
# channels, H rows and W columns, K kernel size, S stride, P padding, D dilation. $(i, j)$ is an
# output pixel, $(u, v)$ a position in the kernel; all are counted from 0. All tensors are float64,
# unless you make others: in double precision a wrong formula cannot pass for round-off.

# %%
import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib import convolution, convolution_gradients
from course_lib.checks import lesson03 as checks

# %% [markdown]
# ### Exercise 3.1 (one star). How large is the output?
#
# A convolution with kernel size K, stride S, padding P and dilation D takes a line of pixels to a
# line of H pixels. In its size a division is rounded down, so lines of S different lengths come out
# with the same H. Their lengths are consecutive numbers. A transposed convolution with the same K,
# S, P and D goes back from H pixels to one of these lengths, and the output padding r says to
# which: 0 means the shortest, and r the one that is r pixels longer. Return it, equation (3.10). (There
# the given number of pixels is called $H'$, and $H$ is what you return.)
#
# - In: `H`, `K`, `S`, `D`, at least 1; `P`, at least 0; `r`, from 0 to S - 1. All are integers.
# - Out: an integer. It is at least 1 for all inputs of the check.


# %%
def transposed_size(H: int, K: int, S: int, P: int, D: int, r: int) -> int:
    """Pixels along one side after a transposed convolution of H pixels."""
    ### BEGIN SOLUTION
    return S * (H - 1) + D * (K - 1) + 1 - 2 * P + r
    ### END SOLUTION


# %%
checks.transposed_size(transposed_size)

# %% [markdown] tags=["solution"]
# The transposed convolution lays down H kernels. The last one begins $S (H - 1)$ pixels after the
# first, and a kernel covers $D (K - 1) + 1$ pixels. The padding is cut off at both ends, and r
# pixels are kept more.
#
# The second answer takes the text at its word. It tries sizes with the convolution's formula until
# one gives H.


# %% tags=["alternative"]
def transposed_size(H, K, S, P, D, r):
    size = 1 - 2 * P  # sizes below 1 are no images, but the formula does not mind
    while (size + 2 * P - D * (K - 1) - 1) // S + 1 < H:
        size += 1
    return size + r


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **One stride too many.** Between H kernels there are H - 1 strides.


# %% tags=["mistake"] hint="one-stride-too-many"
def transposed_size(H, K, S, P, D, r):
    return S * H + D * (K - 1) + 1 - 2 * P + r


# %% [markdown] tags=["mistake"]
# **Padding added.** The convolution adds P zeros at each end before it begins. On the way back
# they are removed.


# %% tags=["mistake"] hint="padding-added"
def transposed_size(H, K, S, P, D, r):
    return S * (H - 1) + D * (K - 1) + 1 + 2 * P + r


# %% [markdown] tags=["mistake"]
# **Padding cut once.** The zeros stood at both ends.


# %% tags=["mistake"] hint="one-sided"
def transposed_size(H, K, S, P, D, r):
    return S * (H - 1) + D * (K - 1) + 1 - P + r


# %% [markdown] tags=["mistake"]
# **A kernel of D K pixels.** K numbers that lie D apart have K - 1 gaps between them. For D = 1
# nobody notices.


# %% tags=["mistake"] hint="dilated-kernel"
def transposed_size(H, K, S, P, D, r):
    return S * (H - 1) + D * K - 2 * P + r


# %% [markdown] tags=["mistake"]
# **No output padding.** The formula is right for the smallest of the S sizes.


# %% tags=["mistake"] hint="no-output-padding"
def transposed_size(H, K, S, P, D, r):
    return S * (H - 1) + D * (K - 1) + 1 - 2 * P


# %% [markdown] tags=["mistake"]
# **The convolution's formula.** It answers the opposite question.


# %% tags=["mistake"] hint="convolution"
def transposed_size(H, K, S, P, D, r):
    return (H + 2 * P - D * (K - 1) - 1) // S + 1


# %% [markdown]
# ### Exercise 3.2 (one star). The gradient of the bias
#
# A convolution adds the same number, the bias $\beta_o$, to every output number of channel $o$, at
# each place and in each image of the batch. Return the gradient of the loss with respect to all
# biases: the second half of equation (3.3), for a batch.
#
# - In: `g`, shape (B, O, H_out, W_out): $\partial L / \partial y$ for each output number. Do not
#   change it.
# - Out: shape (O,): $\partial L / \partial \beta_o$ for each output channel.


# %%
def bias_gradient(g: Tensor) -> Tensor:
    """dL / dbias: (B, O, H_out, W_out) -> (O,)."""
    ### BEGIN SOLUTION
    return g.sum(dim=(0, 2, 3))
    ### END SOLUTION


# %%
checks.bias_gradient(bias_gradient)

# %% [markdown] tags=["solution"]
# Each output number of the channel depends on the bias with the derivative 1. The chain rule adds
# up over all of them, images included. What is summed over are the axes that the bias does not
# have. This holds for every value that is used in several places.


# %% tags=["alternative"]
def bias_gradient(g):
    ones = torch.ones(g.shape[0], *g.shape[2:], dtype=g.dtype)
    return torch.einsum("boij,bij->o", g, ones)


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The mean.** Whether a loss is a sum or a mean is decided where the loss is computed, and g
# knows it already. A second division makes the step smaller by the number of pixels.


# %% tags=["mistake"] hint="mean"
def bias_gradient(g):
    return g.mean(dim=(0, 2, 3))


# %% [markdown] tags=["mistake"]
# **The mean over the batch.** The same, with the images only.


# %% tags=["mistake"] hint="mean"
def bias_gradient(g):
    return g.sum(dim=(2, 3)).mean(dim=0)


# %% [markdown] tags=["mistake"]
# **The batch is not summed.** One gradient for each image, and there is one bias for all of them.


# %% tags=["mistake"] hint="batch"
def bias_gradient(g):
    return g.sum(dim=(2, 3))


# %% [markdown] tags=["mistake"]
# **The sum over everything.** In an update, torch would spread this one number over all channels,
# and no error would say so.


# %% tags=["mistake"] hint="everything"
def bias_gradient(g):
    return g.sum()


# %% [markdown] tags=["mistake"]
# **Only the batch is summed.** A bias for each pixel would have this gradient.


# %% tags=["mistake"] hint="pixels"
def bias_gradient(g):
    return g.sum(dim=0)


# %% [markdown]
# ### Exercise 3.3 (two stars). What each pixel hears
#
# Along a line, with one channel, stride 1 and no padding, the convolution is
#
# $$ y_j = \sum_{u=0}^{K-1} w_u\, x_{j+u}, \qquad j = 0, \dots, H - K. $$
#
# Return the gradient of the loss with respect to each pixel of x, equation (3.2). It does not
# depend on x.
#
# - In: `g`, shape (H_out,), with H_out = H - K + 1; `w`, shape (K,), K from 1 to H; `H`, an
#   integer. H_out may be smaller than K. Do not change g and w.
# - Out: shape (H,): $\partial L / \partial x_h$ for each pixel.


# %%
def input_gradient(g: Tensor, w: Tensor, H: int) -> Tensor:
    """dL / dx along a line: (H_out,), (K,), H -> (H,)."""
    ### BEGIN SOLUTION
    dx = torch.zeros(H, dtype=g.dtype)
    for j in range(len(g)):
        dx[j : j + len(w)] += g[j] * w
    return dx
    ### END SOLUTION


# %%
checks.input_gradient(input_gradient)

# %% [markdown] tags=["solution"]
# Each output hands its gradient to the K pixels that it saw, times the weights with which it saw
# them. The pixels add up what they receive.
#
# The second answer asks the pixels. Pixel h was seen by output $h - u$ with weight $w_u$, so
# $\partial L / \partial x_h = \sum_u w_u\, g_{h-u}$. The index of w rises as that of g falls: the
# kernel is flipped. With K - 1 zeros at each end of g, it is an ordinary convolution.


# %% tags=["alternative"]
def input_gradient(g, w, H):
    K = len(w)
    bordered = F.pad(g, (K - 1, K - 1))  # (H + K - 1,)
    return F.conv1d(bordered[None, None], w.flip(0)[None, None])[0, 0]


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The kernel is not flipped.** For a symmetric kernel this is right, which is why a blur makes a
# poor test.


# %% tags=["mistake"] hint="not-flipped"
def input_gradient(g, w, H):
    K = len(w)
    bordered = F.pad(g, (K - 1, K - 1))
    return F.conv1d(bordered[None, None], w[None, None])[0, 0]


# %% [markdown] tags=["mistake"]
# **Valid instead of full.** The numbers are right as far as they go. The K - 1 pixels at each end
# are missing.


# %% tags=["mistake"] hint="valid"
def input_gradient(g, w, H):
    return torch.from_numpy(np.convolve(g.numpy(), w.numpy()))[len(w) - 1 : H - len(w) + 1]


# %% [markdown] tags=["mistake"]
# **Shifted by one.** The border has the right total width and the wrong shares.


# %% tags=["mistake"] hint="shifted"
def input_gradient(g, w, H):
    K = len(w)
    bordered = F.pad(g, (K, K - 2))
    return F.conv1d(bordered[None, None], w.flip(0)[None, None])[0, 0]


# %% [markdown] tags=["mistake"]
# **Overwritten.** With `=` in place of `+=`, the last output that saw a pixel silences the others.


# %% tags=["mistake"] hint="overwritten"
def input_gradient(g, w, H):
    dx = torch.zeros(H, dtype=g.dtype)
    for j in range(len(g)):
        dx[j : j + len(w)] = g[j] * w
    return dx


# %% [markdown]
# ### Exercise 3.4 (two stars). What each weight hears
#
# Along a line, with one channel, stride S and no padding, the convolution is
#
# $$ y_i = \sum_{u=0}^{K-1} w_u\, x_{S i + u}, \qquad i = 0, \dots, H_{\text{out}} - 1. $$
#
# Return the gradient of the loss with respect to each weight, equation (3.3). K is not given. It
# follows from the sizes, because no pixel is left over: $H = S (H_{\text{out}} - 1) + K$.
#
# - In: `g`, shape (H_out,); `x`, shape (H,); `S`, an integer, at least 1. Do not change g and x.
# - Out: shape (K,): $\partial L / \partial w_u$ for each weight.


# %%
def weight_gradient(g: Tensor, x: Tensor, S: int) -> Tensor:
    """dL / dw along a line: (H_out,), (H,), S -> (K,)."""
    ### BEGIN SOLUTION
    K = len(x) - S * (len(g) - 1)
    dw = torch.zeros(K, dtype=g.dtype)
    for i in range(len(g)):
        dw += g[i] * x[S * i : S * i + K]
    return dw
    ### END SOLUTION


# %%
checks.weight_gradient(weight_gradient)

# %% [markdown] tags=["solution"]
# Output i met the weights with the K pixels from $S i$ on. So weight u hears $g_i x_{S i + u}$ from
# it, and the outputs add up.
#
# Read with u for the output's index, the same sum is a convolution of x with the kernel g, whose
# numbers lie S pixels apart. The stride of the forward pass has become a dilation.


# %% tags=["alternative"]
def weight_gradient(g, x, S):
    return F.conv1d(x[None, None], g[None, None], dilation=S)[0, 0]


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The stride is ignored.** Right for S = 1. A larger stride also gives too many numbers, which is
# cut off here so that nobody sees it.


# %% tags=["mistake"] hint="stride-ignored"
def weight_gradient(g, x, S):
    K = len(x) - S * (len(g) - 1)
    return F.conv1d(x[None, None], g[None, None])[0, 0, :K]


# %% [markdown] tags=["mistake"]
# **The stride stays a stride.** The layer had stride S, so the call gets it too.


# %% tags=["mistake"] hint="stride-for-dilation"
def weight_gradient(g, x, S):
    K = len(x) - S * (len(g) - 1)
    return F.conv1d(x[None, None], g[None, None], stride=S)[0, 0, :K]


# %% [markdown] tags=["mistake"]
# **Flipped.** g lies still and x slides over it. That gives the same K sums, the last weight's
# first.


# %% tags=["mistake"] hint="flipped"
def weight_gradient(g, x, S):
    K = len(x) - S * (len(g) - 1)
    spread = torch.zeros(len(x) - K + 1, dtype=g.dtype)
    spread[::S] = g
    bordered = F.pad(spread, (K - 1, K - 1))
    return F.conv1d(bordered[None, None], x[None, None])[0, 0]


# %% [markdown] tags=["mistake"]
# **g turned round.** NumPy's `convolve` reads its second argument backwards, as mathematics does.
# The gradient of the first output meets the pixels of the last.


# %% tags=["mistake"] hint="flipped"
def weight_gradient(g, x, S):
    spread = np.zeros(S * (len(g) - 1) + 1)
    spread[::S] = g.numpy()
    return torch.from_numpy(np.convolve(x.numpy(), spread, mode="valid"))


# %% [markdown] tags=["mistake"]
# **Divided by the number of outputs.** A weight that is used often has a large gradient, and that
# is as it should be.


# %% tags=["mistake"] hint="mean"
def weight_gradient(g, x, S):
    K = len(x) - S * (len(g) - 1)
    products = [g[i] * x[S * i : S * i + K] for i in range(len(g))]
    return torch.stack(products).mean(dim=0)


# %% [markdown] tags=["mistake"]
# **g and x exchanged.** The condition was added when the index ran past the end of g. The error
# was right.


# %% tags=["mistake"] hint="exchanged"
def weight_gradient(g, x, S):
    K, dw = len(x) - S * (len(g) - 1), []
    for u in range(K):
        dw.append(sum(x[i] * g[S * i + u] for i in range(len(x)) if S * i + u < len(g)))
    return torch.tensor(dw, dtype=g.dtype)


# %% [markdown]
# ### Exercise 3.5 (two stars). col2im
#
# im2col writes each window of an image as one column. Its transpose, col2im, puts every number of
# every column back to the pixel that it was taken from, and adds where windows overlap. Equation
# (3.7) makes an input gradient of it. Write it for stride 1 and no padding.
#
# - In: `columns`, shape (C K K, H_out W_out), with H_out = H - K + 1 and W_out = W - K + 1. The rows
#   are ordered by channel, then u, then v, as in `w.flatten(1)`. The columns are the windows, row
#   by row, as in `y.flatten()`. Then `C`, `H`, `W`, `K`, integers. Do not change `columns`.
# - Out: shape (C, H, W).


# %%
def col2im(columns: Tensor, C: int, H: int, W: int, K: int) -> Tensor:
    """Lay windows back and add where they overlap: (C K K, H_out W_out) -> (C, H, W)."""
    ### BEGIN SOLUTION
    image = torch.zeros(C, H, W, dtype=columns.dtype)
    W_out = W - K + 1
    for number in range(columns.shape[1]):
        i, j = divmod(number, W_out)
        image[:, i : i + K, j : j + K] += columns[:, number].reshape(C, K, K)
    return image
    ### END SOLUTION


# %%
checks.col2im(col2im)

# %% [markdown] tags=["solution"]
# The window with number $i\, W_{\text{out}} + j$ begins at pixel $(i, j)$, so division with
# remainder finds its place.
#
# The second answer has K K steps instead of H_out W_out, which is faster for large images. All
# numbers that lay at $(u, v)$ of their windows make a map, and the map is added in one piece, u
# rows down and v columns to the right. Within one piece no two numbers meet, so `+=` is safe.


# %% tags=["alternative"]
def col2im(columns, C, H, W, K):
    rows, wide = H - K + 1, W - K + 1
    parts = columns.reshape(C, K, K, rows, wide)
    return sum(
        F.pad(parts[:, u, v], (v, W - wide - v, u, H - rows - u))  # (C, H, W)
        for u in range(K)
        for v in range(K)
    )


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Overwritten.** This gives an image back exactly, if the columns came from one. A gradient it
# spoils: of the K K windows that saw a pixel only one is heard.


# %% tags=["mistake"] hint="overwritten"
def col2im(columns, C, H, W, K):
    image = torch.zeros(C, H, W, dtype=columns.dtype)
    for number in range(columns.shape[1]):
        i, j = divmod(number, W - K + 1)
        image[:, i : i + K, j : j + K] = columns[:, number].reshape(C, K, K)
    return image


# %% [markdown] tags=["mistake"]
# **An inverse.** The counts are divided out, so that im2col and then col2im changes nothing. The
# transpose does not have this property.


# %% tags=["mistake"] hint="divided"
def col2im(columns, C, H, W, K):
    image, counts = torch.zeros(2, C, H, W, dtype=columns.dtype)
    for number in range(columns.shape[1]):
        i, j = divmod(number, W - K + 1)
        image[:, i : i + K, j : j + K] += columns[:, number].reshape(C, K, K)
        counts[:, i : i + K, j : j + K] += 1
    return image / counts


# %% [markdown] tags=["mistake"]
# **Rows ordered by u, v, channel.** That is the order where an image's last axis is its channels,
# as in files and in other libraries.


# %% tags=["mistake"] hint="row-order"
def col2im(columns, C, H, W, K):
    image = torch.zeros(C, H, W, dtype=columns.dtype)
    for number in range(columns.shape[1]):
        i, j = divmod(number, W - K + 1)
        patch = columns[:, number].reshape(K, K, C).permute(2, 0, 1)
        image[:, i : i + K, j : j + K] += patch
    return image


# %% [markdown] tags=["mistake"]
# **Windows ordered by column.** For images as high as they are wide no size gives it away.


# %% tags=["mistake"] hint="window-order"
def col2im(columns, C, H, W, K):
    image = torch.zeros(C, H, W, dtype=columns.dtype)
    for number in range(columns.shape[1]):
        j, i = divmod(number, H - K + 1)
        image[:, i : i + K, j : j + K] += columns[:, number].reshape(C, K, K)
    return image


# %% [markdown]
# ### Exercise 3.6 (two stars). Is it the adjoint?
#
# A linear map A takes vectors of length n to vectors of length m. A linear map B takes vectors of
# length m to vectors of length n. B is the *adjoint* of A if
#
# $$ \langle A x,\, y \rangle = \langle x,\, B y \rangle \quad \text{for all } x \text{ and } y,
# \qquad \langle a, b \rangle = \sum_k a_k b_k, $$
#
# which is equation (3.9). Then the matrix of B is the transpose of the matrix of A. But no matrix
# is given: A and B are functions, and all that you can do is call them. Unit vectors
# would read off both matrices, in n + m calls. Two calls with random vectors do as well: if B is not the adjoint, the two
# dot products agree on random x and y with probability zero.
#
# - In: `A` and `B`, functions that take a float64 vector and return one; `n` and `m`, integers.
# - Out: `True` if B is the adjoint of A up to round-off, else `False`.
#
# The numbers in the maps may be tiny or large, from $10^{-30}$ to $10^{12}$.


# %%
def is_adjoint(
    A: Callable[[Tensor], Tensor], B: Callable[[Tensor], Tensor], n: int, m: int
) -> bool:
    """Whether B, from length m to n, is the adjoint of A, from length n to m."""
    ### BEGIN SOLUTION
    random = torch.Generator().manual_seed(0)
    x = torch.randn(n, dtype=torch.float64, generator=random)
    y = torch.randn(m, dtype=torch.float64, generator=random)
    Ax, By = A(x), B(y)
    return bool((Ax @ y - x @ By).abs() <= 1e-10 * Ax.norm() * y.norm())
    ### END SOLUTION


# %%
checks.is_adjoint(is_adjoint)

# %% [markdown] tags=["solution"]
# Rounding errors are as large as the products that are summed, times $10^{-16}$. So the difference
# is compared with $\|A x\| \|y\|$, which is in the same units. The dot product itself would do
# nearly as well. It can only come out close to zero, where the terms cancel and the errors do not.
#
# The second answer needs more calls and no randomness. It asks for all columns of both matrices.
# The third draws ten pairs and compares with the dot products.


# %% tags=["alternative"]
def is_adjoint(A, B, n, m):
    of_A = torch.stack([A(unit) for unit in torch.eye(n, dtype=torch.float64)], dim=1)  # (m, n)
    of_B = torch.stack([B(unit) for unit in torch.eye(m, dtype=torch.float64)], dim=1)  # (n, m)
    return torch.allclose(of_A.T, of_B, rtol=1e-9, atol=0)


# %% tags=["alternative"]
def is_adjoint(A, B, n, m):
    random = np.random.default_rng(5)
    for _ in range(10):
        x, y = (torch.from_numpy(random.standard_normal(length)) for length in (n, m))
        if not math.isclose(A(x) @ y, x @ B(y), rel_tol=1e-8):
            return False
    return True


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **There and back.** B(A(x)) = x defines the inverse. A transposed convolution is none.


# %% tags=["mistake"] hint="inverse"
def is_adjoint(A, B, n, m):
    x = torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return torch.allclose(B(A(x)), x)


# %% [markdown] tags=["mistake"]
# **Ones.** They make the arithmetic easy to follow, and hide every error that cancels in the sum.


# %% tags=["mistake"] hint="ones"
def is_adjoint(A, B, n, m):
    x, y = torch.ones(n, dtype=torch.float64), torch.ones(m, dtype=torch.float64)
    return math.isclose(A(x) @ y, x @ B(y), rel_tol=1e-9)


# %% [markdown] tags=["mistake"]
# **An absolute tolerance.** Whether $10^{-8}$ is small depends on what it is compared with. The
# default of `torch.isclose` contains one too.


# %% tags=["mistake"] hint="absolute"
def is_adjoint(A, B, n, m):
    random = torch.Generator().manual_seed(0)
    x = torch.randn(n, dtype=torch.float64, generator=random)
    y = torch.randn(m, dtype=torch.float64, generator=random)
    return bool((A(x) @ y - x @ B(y)).abs() < 1e-8)


# %% [markdown] tags=["mistake"]
# **Equal to the last digit.** On paper the two are equal. Computed, they are added up in different
# orders.


# %% tags=["mistake"] hint="exact"
def is_adjoint(A, B, n, m):
    random = torch.Generator().manual_seed(0)
    x = torch.randn(n, dtype=torch.float64, generator=random)
    y = torch.randn(m, dtype=torch.float64, generator=random)
    return bool(A(x) @ y == x @ B(y))


# %% [markdown] tags=["mistake"]
# **Only the signs.** Twenty equal signs look convincing. All the same, a factor between the two
# maps is never seen.


# %% tags=["mistake"] hint="scale"
def is_adjoint(A, B, n, m):
    random = torch.Generator().manual_seed(0)
    for _ in range(20):
        x = torch.randn(n, dtype=torch.float64, generator=random)
        y = torch.randn(m, dtype=torch.float64, generator=random)
        if (A(x) @ y).sign() != (x @ B(y)).sign():
            return False
    return True


# %% [markdown] tags=["mistake"]
# **One unit vector.** It compares one entry of the matrix with one entry.


# %% tags=["mistake"] hint="basis"
def is_adjoint(A, B, n, m):
    x, y = torch.eye(n, dtype=torch.float64)[0], torch.eye(m, dtype=torch.float64)[0]
    return math.isclose(A(x) @ y, x @ B(y), rel_tol=1e-9)


# %% [markdown] tags=["mistake"]
# **The same vector twice.** Each vector gets a fresh generator with the same seed. For n = m the
# two are equal, and $\langle A x, x \rangle = \langle x, A x \rangle$ holds for every A.


# %% tags=["mistake"] hint="same-vector"
def is_adjoint(A, B, n, m):
    x, y = (
        torch.randn(length, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        for length in (n, m)
    )
    return math.isclose(A(x) @ y, x @ B(y), rel_tol=1e-9)


# %% [markdown]
# Now on maps whose matrices nobody would like to write down. The library's im2col takes an image of
# 2 channels, 9 rows and 8 columns to its windows. What do you expect for its col2im, and what for a
# transposed convolution that has forgotten its padding?

# %%
settings = {"stride": 2, "padding": 1}
kernels = torch.randn(3, 2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def to_windows(image: Tensor) -> Tensor:
    return convolution.im2col(image.view(1, 2, 9, 8), (3, 3), **settings).flatten()


def from_windows(windows: Tensor) -> Tensor:
    shaped = windows.view(1, 18, -1)
    return convolution_gradients.col2im(shaped, (9, 8), (3, 3), **settings).flatten()


def convolved(image: Tensor) -> Tensor:
    return convolution.conv2d_im2col(image.view(1, 2, 9, 8), kernels, **settings).flatten()


def without_padding(maps: Tensor) -> Tensor:
    large = F.conv_transpose2d(maps.view(1, 3, 5, 4), kernels, stride=2)  # (1, 2, 11, 9)
    return large[:, :, :9, :8].flatten()


print("col2im is the adjoint of im2col:", is_adjoint(to_windows, from_windows, 144, 360))
print("the one without padding:        ", is_adjoint(convolved, without_padding, 144, 60))

# %% [markdown] tags=["solution"]
# True: col2im adds where im2col copied, section 3.3. False: without the padding every kernel is laid down
# one pixel too far down and to the right, so its weights meet other pixels than in the forward pass. The
# cut to 9 x 8 hides the wrong size, and the dot products still tell.

# %% [markdown]
# ### Exercise 3.7 (three stars). The gradient of max pooling
#
# Max pooling takes, in each channel by itself, the largest pixel of each window:
#
# $$ y_{c,i,j} = \max_{0 \le u, v < K} x_{c,\,S i + u,\,S j + v}. $$
#
# There is no padding. Windows overlap where S < K, and leave gaps where S > K. Return the gradient
# of the loss with respect to x, equation (3.13): each window hands its g to the one pixel that is
# its maximum. If several pixels of a window are equally large, the first of them in reading order
# takes it, row by row from the upper left.
#
# - In: `g`, shape (C, H_out, W_out); `x`, shape (C, H, W), numbers of any sign; `K` and `S`,
#   integers, at least 1. H_out is $\lfloor (H - K)/S \rfloor + 1$, and the same for W_out. Do not
#   change g and x.
# - Out: shape (C, H, W).


# %%
def max_pool_gradient(g: Tensor, x: Tensor, K: int, S: int) -> Tensor:
    """dL / dx of max pooling: (C, H_out, W_out), (C, H, W) -> (C, H, W)."""
    ### BEGIN SOLUTION
    dx = torch.zeros_like(x)
    for c, i, j in np.ndindex(*g.shape):
        window = x[c, S * i : S * i + K, S * j : S * j + K]
        u, v = divmod(int(window.argmax()), K)
        dx[c, S * i + u, S * j + v] += g[c, i, j]
    return dx
    ### END SOLUTION


# %%
checks.max_pool_gradient(max_pool_gradient)

# %% [markdown] tags=["solution"]
# `argmax` without an axis counts through the window row by row and returns the first of several
# maxima. Division by K makes a row and a column of the count. They are counted inside the window,
# which begins at row $S i$ and column $S j$ of the image.
#
# The second answer builds on im2col and col2im, which torch calls `unfold` and `fold`. In the
# columns a window's maximum is the maximum along an axis. A table of zeros with one number in each
# column is the gradient of the columns, and col2im adds it up.


# %% tags=["alternative"]
def max_pool_gradient(g, x, K, S):
    C = len(x)
    columns = F.unfold(x[None], K, stride=S).view(C, K * K, -1)
    first = columns.argmax(dim=1, keepdim=True)  # (C, 1, H_out W_out)
    slopes = torch.zeros_like(columns).scatter(1, first, g.reshape(C, 1, -1))
    return F.fold(slopes.view(1, C * K * K, -1), x.shape[1:], K, stride=S)[0]


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The gradient of the mean.** It belongs to average pooling.


# %% tags=["mistake"] hint="average"
def max_pool_gradient(g, x, K, S):
    dx = torch.zeros_like(x)
    for c, i, j in np.ndindex(*g.shape):
        dx[c, S * i : S * i + K, S * j : S * j + K] += g[c, i, j] / K**2
    return dx


# %% [markdown] tags=["mistake"]
# **Overwritten.** Right as long as windows do not overlap, which is the usual case, and so the
# usual test.


# %% tags=["mistake"] hint="overwritten"
def max_pool_gradient(g, x, K, S):
    dx = torch.zeros_like(x)
    for c, i, j in np.ndindex(*g.shape):
        window = x[c, S * i : S * i + K, S * j : S * j + K]
        u, v = divmod(int(window.argmax()), K)
        dx[c, S * i + u, S * j + v] = g[c, i, j]
    return dx


# %% [markdown] tags=["mistake"]
# **The maximum of the image.** One pixel of each channel hears from all windows, most of which
# never saw it.


# %% tags=["mistake"] hint="whole-image"
def max_pool_gradient(g, x, K, S):
    largest = x == x.amax(dim=(1, 2), keepdim=True)
    return largest * g.sum(dim=(1, 2), keepdim=True)


# %% [markdown] tags=["mistake"]
# **All that are equally large.** In a window of zeros, frequent after a ReLU, the gradient is
# multiplied by K K.


# %% tags=["mistake"] hint="ties"
def max_pool_gradient(g, x, K, S):
    dx = torch.zeros_like(x)
    for c, i, j in np.ndindex(*g.shape):
        rows, columns = slice(S * i, S * i + K), slice(S * j, S * j + K)
        window = x[c, rows, columns]
        dx[c, rows, columns] += g[c, i, j] * (window == window.max())
    return dx


# %% [markdown] tags=["mistake"]
# **One maximum for all channels.** The window was cut out with its channels, and `argmax` counted
# through all of them.


# %% tags=["mistake"] hint="channels"
def max_pool_gradient(g, x, K, S):
    dx = torch.zeros_like(x)
    for i, j in np.ndindex(*g.shape[1:]):
        window = x[:, S * i : S * i + K, S * j : S * j + K]
        c, u, v = np.unravel_index(int(window.argmax()), window.shape)
        dx[c, S * i + u, S * j + v] += g[:, i, j].sum()
    return dx


# %% [markdown] tags=["mistake"]
# **The place in the window.** Every window believes that it begins at the upper left corner of the
# image.


# %% tags=["mistake"] hint="corner"
def max_pool_gradient(g, x, K, S):
    dx = torch.zeros_like(x)
    for c, i, j in np.ndindex(*g.shape):
        window = x[c, S * i : S * i + K, S * j : S * j + K]
        u, v = divmod(int(window.argmax()), K)
        dx[c, u, v] += g[c, i, j]
    return dx


# %% [markdown]
# ### Exercise 3.8 (three stars). The backward pass
#
# Everything together: the backward pass of a convolution layer with batch, channels, stride and
# padding. The forward pass is
#
# $$ y_{b,o,i,j} = \beta_o + \sum_{c,u,v} w_{o,c,u,v}\; x_{b,\,c,\,S i + u - P,\,S j + v - P}, $$
#
# with $x = 0$ outside the image. Return the three gradients (3.2) and (3.3), for a batch.
#
# - In: `g`, shape (B, O, H_out, W_out); `x`, shape (B, C, H, W); `w`, shape (O, C, K, K); `S`, at
#   least 1, and `P`, at least 0, integers. The stride may leave pixels over at the end that no
#   window sees. Do not change g, x and w.
# - Out: `dx`, shape (B, C, H, W); `dw`, shape (O, C, K, K); `dbias`, shape (O,), in this order.
#
# Any way will do, by loops, by matrices or by convolutions, except to let torch compute a gradient:
# no autograd, and no functions of `torch.nn.grad`.


# %%
def convolution_backward(
    g: Tensor, x: Tensor, w: Tensor, S: int, P: int
) -> tuple[Tensor, Tensor, Tensor]:
    """(B, O, H_out, W_out), (B, C, H, W), (O, C, K, K), S, P -> dL / dx, dL / dw, dL / dbias."""
    ### BEGIN SOLUTION
    (H, W), (H_out, W_out), K = x.shape[2:], g.shape[2:], w.shape[-1]
    padded = F.pad(x, (P, P, P, P))  # (B, C, H + 2P, W + 2P)
    dx, dw = torch.zeros_like(padded), torch.zeros_like(w)
    for u, v in np.ndindex(K, K):
        rows = slice(u, u + S * (H_out - 1) + 1, S)  # the pixels that meet the weights (u, v)
        columns = slice(v, v + S * (W_out - 1) + 1, S)
        dx[:, :, rows, columns] += torch.einsum("boij,oc->bcij", g, w[:, :, u, v])
        dw[:, :, u, v] = torch.einsum("boij,bcij->oc", g, padded[:, :, rows, columns])
    return dx[:, :, P : P + H, P : P + W], dw, g.sum(dim=(0, 2, 3))
    ### END SOLUTION


# %%
checks.convolution_backward(convolution_backward)

# %% [markdown] tags=["solution"]
# The loops over images, channels and output pixels of section 3.2 are gone: for one position
# $(u, v)$ of the kernel all outputs meet pixels that lie S apart. What is left are K K steps. Both
# gradients are computed in the padded image, where no index is negative, and the padding of dx is
# cut off at the end. Cutting from P to P + H, and not from P to -P, is right for P = 0 too.
#
# The second answer is (3.6) and (3.7), the matrices. The third is a transposed convolution and a
# dilated one. It has to say how many pixels the stride has left over: as output padding for dx, and
# as weights too many for dw, which are cut off.


# %% tags=["alternative"]
def convolution_backward(g, x, w, S, P):
    K, G = w.shape[-1], g.flatten(2)  # (B, O, H_out W_out)
    X_col = F.unfold(x, K, padding=P, stride=S)  # (B, C K K, H_out W_out)
    dx = F.fold(w.flatten(1).T @ G, x.shape[2:], K, padding=P, stride=S)
    dw = (G @ X_col.transpose(1, 2)).sum(dim=0).view_as(w)
    return dx, dw, G.sum(dim=(0, 2))


# %% tags=["alternative"]
def convolution_backward(g, x, w, S, P):
    K = w.shape[-1]
    left_over = [(side + 2 * P - K) % S for side in x.shape[2:]]
    dx = F.conv_transpose2d(g, w, stride=S, padding=P, output_padding=left_over)
    # The images take the place of the channels: their contributions are to be summed.
    dw = F.conv2d(x.transpose(0, 1), g.transpose(0, 1), padding=P, dilation=S)
    return dx, dw[:, :, :K, :K].transpose(0, 1), g.sum(dim=(0, 2, 3))


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **A mean over the batch.** Many losses are means over the batch, and so g is divided by B already.
# Now it is divided twice.


# %% tags=["mistake"] hint="batch-mean"
def convolution_backward(g, x, w, S, P):
    K, G = w.shape[-1], g.flatten(2)
    X_col = F.unfold(x, K, padding=P, stride=S)
    dx = F.fold(w.flatten(1).T @ G, x.shape[2:], K, padding=P, stride=S)
    dw = (G @ X_col.transpose(1, 2)).mean(dim=0).view_as(w)
    return dx, dw, G.sum(dim=(0, 2))


# %% [markdown] tags=["mistake"]
# **The batch is kept.** A batch of matrix products is a batch of gradients.


# %% tags=["mistake"] hint="batch"
def convolution_backward(g, x, w, S, P):
    K, G = w.shape[-1], g.flatten(2)
    X_col = F.unfold(x, K, padding=P, stride=S)
    dx = F.fold(w.flatten(1).T @ G, x.shape[2:], K, padding=P, stride=S)
    dw = (G @ X_col.transpose(1, 2)).view(len(g), *w.shape)
    return dx, dw, G.sum(dim=(0, 2))


# %% [markdown] tags=["mistake"]
# **The padding is not cut off.** The result is the gradient for an image that has a border.


# %% tags=["mistake"] hint="not-cut"
def convolution_backward(g, x, w, S, P):
    K, G = w.shape[-1], g.flatten(2)
    x = F.pad(x, (P, P, P, P))
    dx = F.fold(w.flatten(1).T @ G, x.shape[2:], K, stride=S)
    dw = (G @ F.unfold(x, K, stride=S).transpose(1, 2)).sum(dim=0).view_as(w)
    return dx, dw, G.sum(dim=(0, 2))


# %% [markdown] tags=["mistake"]
# **The wrong order.** Autograd asks for a gradient for each input of the forward pass, in their
# order.


# %% tags=["mistake"] hint="order"
def convolution_backward(g, x, w, S, P):
    K, G = w.shape[-1], g.flatten(2)
    X_col = F.unfold(x, K, padding=P, stride=S)
    dx = F.fold(w.flatten(1).T @ G, x.shape[2:], K, padding=P, stride=S)
    dw = (G @ X_col.transpose(1, 2)).sum(dim=0).view_as(w)
    return dw, G.sum(dim=(0, 2)), dx


# %% [markdown] tags=["mistake"]
# **x without its border.** The zeros were put at one end, to make the sizes fit. Each gradient
# meets pixels that lie P further on than those which its output saw.


# %% tags=["mistake"] hint="unpadded"
def convolution_backward(g, x, w, S, P):
    K, G = w.shape[-1], g.flatten(2)
    X_col = F.unfold(F.pad(x, (0, 2 * P, 0, 2 * P)), K, stride=S)
    dx = F.fold(w.flatten(1).T @ G, x.shape[2:], K, padding=P, stride=S)
    dw = (G @ X_col.transpose(1, 2)).sum(dim=0).view_as(w)
    return dx, dw, G.sum(dim=(0, 2))


# %% [markdown] tags=["mistake"]
# **The remainder is forgotten.** Without its output padding the transposed convolution returns the
# smallest image that the forward pass could have seen.


# %% tags=["mistake"] hint="remainder"
def convolution_backward(g, x, w, S, P):
    K = w.shape[-1]
    dx = F.conv_transpose2d(g, w, stride=S, padding=P)
    dw = F.conv2d(x.transpose(0, 1), g.transpose(0, 1), padding=P, dilation=S)
    return dx, dw[:, :, :K, :K].transpose(0, 1), g.sum(dim=(0, 2, 3))


# %% [markdown] tags=["mistake"]
# **Autograd.** It is right, and it is what the exercise is to explain.


# %% tags=["mistake"] hint="autograd"
def convolution_backward(g, x, w, S, P):
    leaves = [x.clone().requires_grad_(), w.clone().requires_grad_()]
    dx, dw = torch.autograd.grad(F.conv2d(*leaves, None, S, P), leaves, g)
    return dx, dw, g.sum(dim=(0, 2, 3))
