# %% [markdown]
# # 02. Convolution
#
# > **The question.** A picture of 32 x 32 pixels has 1,024 numbers, and a network layer that joins
# > every number with every other needs a million weights. A convolution needs nine. What does it
# > leave out, and why does that not hurt?
#
# | | |
# |---|---|
# | **You need** | Sums with two indices, matrices, complex numbers for one section. No experience with neural networks. |
# | **You will be able to** | compute a convolution in five ways and show that they agree, say how large its output is and what it costs, read a kernel as a detector, and say what happens to the answer when the picture moves |
# | **Time** | about 1 minute of computing on 2 CPU cores, an hour of reading. A GPU makes no difference here. |

# %%
import math
import time

import numpy as np
import skimage
import sympy
import torch
from matplotlib.axes import Axes
from torch import Tensor
from torch.nn import functional as F

from course_lib import convolution, data, plotting, runtime, verify, widgets

seed = runtime.seed(0)
random = torch.Generator().manual_seed(seed)


def numbers(*shape: int) -> Tensor:
    """Standard Gaussians in double precision."""
    return torch.randn(*shape, dtype=torch.float64, generator=random)


# The photograph that scikit-image brings along, in means of 2 x 2 pixels, from -1 to 1: (1, 1, 256, 256)
photograph = torch.from_numpy(skimage.data.camera())[None, None].double() / 127.5 - 1
photograph = F.avg_pool2d(photograph, 2)

# %% [markdown]
# ## 2.1 The idea in one picture
#
# Lay a small table of numbers, the **kernel**, over one corner of the image. Multiply each number
# by the pixel below it, add the products up, and write the sum down. Move the table one pixel to
# the right and do it again. When the row is done, go one row down.

# %% tags=["keep"]
sneaker = data.load_images("fashion-mnist", "train", size=28).batch([6])  # (1, 1, 28, 28)
KERNELS = {
    "left to right": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "top to bottom": [[-1, -1, -1], [0, 0, 0], [1, 1, 1]],
    "blur": [[1 / 9] * 3] * 3,
    "spots": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
}
stepper = widgets.kernel_stepper(
    {
        "sneaker": F.avg_pool2d(sneaker, 2)[0, 0],
        "cross": torch.maximum(torch.eye(7), torch.eye(7).flip(0)) * 2 - 1,
    },
    KERNELS,
    alt="A small image of a shoe with a 3 by 3 window on it, the nine products of pixels and kernel, "
    "and the result, which fills up row by row as the window moves.",
)
stepper

# %% [markdown]
# **Figure 2.1.** One kernel, one image, one window after the other. Move the slider. In JupyterLab
# and on Colab you can also choose the image and the kernel, and change the kernel's numbers.
#
# The sum is a *dot product* of the kernel with the patch of the image below it. It is large where
# the patch looks like the kernel, zero where the two have nothing to do with each other, and
# negative where the patch looks like the kernel's negative. It also grows with the contrast: twice the patch gives twice the sum,
# so a strong pattern that fits half can beat a faint one that fits exactly. So the result is a map: **where in the
# image is something like this?** The kernel is the question.
#
# Two things are left out that a layer with a million weights has. Each sum sees a small window
# only. And the same question is asked everywhere. The first is why there are few weights to a sum,
# the second is why there are few weights at all. Section 2.8 shows that the second one, with
# linearity, is not only *a* property of the convolution: it *is* the convolution.
#
# ## 2.2 One channel
#
# Write $x$ for the image and $x_{i,j}$ for the pixel in row $i$ and column $j$, counted from zero.
# Write $w$ for the kernel, $K$ x $K$ numbers $w_{u,v}$. What the figure does is the
# **cross-correlation** of the two,
#
# $$ y_{i,j} = \sum_{u=0}^{K-1} \sum_{v=0}^{K-1} w_{u,v}\, x_{i+u,\, j+v}. \tag{2.1} $$
#
# With $H$ rows and $W$ columns of pixels the window fits at $H - K + 1$ heights and at $W - K + 1$ places across.

# %% tags=["keep"]


def correlate(x: Tensor, w: Tensor) -> Tensor:
    """Equation (2.1): an image (H, W) and a kernel (K, K) -> (H - K + 1, W - K + 1)."""
    K = len(w)
    rows, columns = x.shape[0] - K + 1, x.shape[1] - K + 1
    y = torch.zeros(rows, columns, dtype=x.dtype)
    for i in range(rows):
        for j in range(columns):
            y[i, j] = sum(w[u, v] * x[i + u, j + v] for u in range(K) for v in range(K))
    return y


# %% tags=["verify"]
x, w = numbers(9, 8), numbers(3, 3)
verify.equation("2.1", correlate(x, w), F.conv2d(x[None, None], w[None, None])[0, 0])

# %% [markdown]
# Mathematics means something else by **convolution**: the kernel runs backwards,
#
# $$ (w * x)_{i,j} = \sum_{u=0}^{K-1} \sum_{v=0}^{K-1} w_{u,v}\, x_{i-u,\, j-v}, \tag{2.2} $$
#
# with $x = 0$ outside the image, for every $i, j$ for which a term is left: $H + K - 1$ rows. It is
# the cross-correlation with the kernel turned by 180 degrees, of an image with a border of $K - 1$
# zeros: put $u' = K - 1 - u$ in (2.2) and compare with (2.1).
#
# Why run backwards? Because then the two can change places,
#
# $$ w * x = x * w, \tag{2.3} $$
#
# which the cross-correlation cannot do. (Put $p = i - u$ and $q = j - v$ in (2.2) and read the sum
# as one over $p$ and $q$.) Probability needs this symmetry: the distribution of the sum of two
# independent numbers is the convolution of theirs, and a sum has no order. A network does not need
# it. It learns its kernels, and it is all one to it whether it learns a kernel or its mirror image.
# So deep learning computes (2.1) and calls it convolution, and so do we from here on.


# %% tags=["verify"]
def convolve(w: Tensor, x: Tensor) -> Tensor:
    """Equation (2.2) as it stands, for small tables of any size."""
    rows, columns = x.shape[0] + w.shape[0] - 1, x.shape[1] + w.shape[1] - 1
    y = torch.zeros(rows, columns, dtype=x.dtype)
    for i in range(rows):
        for j in range(columns):
            for u in range(w.shape[0]):
                for v in range(w.shape[1]):
                    if 0 <= i - u < x.shape[0] and 0 <= j - v < x.shape[1]:
                        y[i, j] += w[u, v] * x[i - u, j - v]
    return y


turned = F.conv2d(x[None, None], w.flip(0, 1)[None, None], padding=2)[0, 0]
verify.equation("2.2", convolve(w, x), turned)
verify.equation("2.3", convolve(w, x), convolve(x, w))

# %% [markdown]
# It matters as soon as two libraries meet. SciPy's `convolve2d` computes (2.2), PyTorch's `conv2d`
# computes (2.1). SciPy also returns the windows that hang over the edge, unless told `mode="valid"`. With it,
# the two agree for a symmetric blur. For an edge they differ in sign, and for a
# learned kernel in everything.
#
# > **Correction.** Two of the articles that this course grew from write the convolution as
# > $f(x) = \sum w_i x + b$. With no index on $x$ every weight multiplies the same number, and the
# > formula says $f(x) = x \sum w_i + b$: one number times the image. The indices *are* the
# > operation. (2.5) has all of them.
#
# ## 2.3 How large is the output?
#
# Three numbers change which windows there are.
#
# - **Padding** $P$: a border of $P$ zeros on each side, so that the window can hang over the edge.
# - **Stride** $S$: the window moves by $S$ pixels each time.
# - **Dilation** $D$: the kernel's numbers lie $D$ pixels apart. The window then covers
#   $D\,(K - 1) + 1$ pixels along a side.
#
# Count along one side. The padded image has $H + 2P$ pixels. The first window begins at 0 and ends
# at $D\,(K - 1)$. The last pixel has the number $H + 2P - 1$, so there are
# $H + 2P - 1 - D\,(K - 1)$ pixels left to move over, in steps of $S$. A step that does not fit is
# not taken. With the first window that makes
#
# $$ H_{\text{out}} = \left\lfloor \frac{H + 2P - D\,(K - 1) - 1}{S} \right\rfloor + 1, \tag{2.4} $$
#
# where $\lfloor \cdot \rfloor$ rounds down; $W_{\text{out}}$ is the same with $W$. Three cases are worth knowing by heart. $K = 3$,
# $P = 1$ keeps the size. $K = 4$, $S = 2$, $P = 1$ halves an even one: that is the layer
# of this course's DCGAN (lesson 09). $K = 1$ looks at one pixel at a time and mixes channels only.

# %% tags=["verify"]
measured, formula = [], []
for H in range(1, 15):
    for K in range(1, 6):
        for S in range(1, 4):
            for P in range(3):
                for D in range(1, 4):
                    if H + 2 * P >= D * (K - 1) + 1:  # else the window does not fit once
                        output = F.conv1d(
                            torch.ones(1, 1, H),
                            torch.ones(1, 1, K),
                            stride=S,
                            padding=P,
                            dilation=D,
                        )
                        measured.append(output.shape[-1])
                        formula.append((H + 2 * P - D * (K - 1) - 1) // S + 1)
verify.equation("2.4", np.array(measured), np.array(formula))
print(len(formula), "cases; three to remember:")
print([convolution.output_size(32, *case) for case in ((3, 1, 1), (4, 2, 1), (1,))])

# %% [markdown]
# The rounding hides a trap. With $H = 8$, $K = 3$, $S = 2$, $P = 0$ the windows begin at 0, 2 and
# 4 and end at 6. No window ever sees the pixels in the last row and column, and no error says so.
#
# ## 2.4 Channels, and the whole formula
#
# A colour image has three **channels**, and inside a network there are tens or hundreds. A layer
# has $C$ input channels and $O$ output channels. For each output channel it has one kernel *for
# each input channel*, and adds up what they find. It also adds a number of its own, the **bias**:
#
# $$ y_{b,o,i,j} = \beta_o + \sum_{c=0}^{C-1} \sum_{u=0}^{K-1} \sum_{v=0}^{K-1} w_{o,c,u,v}\; x_{b,\,c,\;S i + D u - P,\;S j + D v - P}, \tag{2.5} $$
#
# with $x = 0$ outside the image. The index $b$ runs over the images of a batch, $o$ over output
# channels. This is the only formula of this lesson that has to be remembered. Everything else is
# read off it.
#
# With **groups** the channels are cut into $G$ blocks of equal size, and an output channel sees the
# block of its own number only: the sum over $c$ has $C / G$ terms. $G = C$ is the *depthwise*
# convolution, in which channels do not meet at all.
#
# How many numbers are learned? One weight for each $(o, c, u, v)$ and one bias for each $o$:
#
# $$ \text{parameters} = O \left( \frac{C}{G} K^2 + 1 \right), \tag{2.6} $$
#
# whatever the size of the image. And how much work is it? Each of the $O\, H_{\text{out}}
# W_{\text{out}}$ output numbers is a sum of $K^2 C / G$ products:
#
# $$ \text{multiply-adds} = O\, H_{\text{out}} W_{\text{out}}\, \frac{C}{G} K^2 \quad \text{for one image.} \tag{2.7} $$
#
# The program follows (2.5) index by index; a slice takes the place of the sums over $u$ and $v$. We write it for $G = 1$; the library's handles
# groups.


# %% tags=["keep"]
def conv2d(x: Tensor, w: Tensor, bias: Tensor, S: int = 1, P: int = 0, D: int = 1) -> Tensor:
    """Equation (2.5): (B, C, H, W), (O, C, K, K), (O,) -> (B, O, H_out, W_out)."""
    K = w.shape[-1]
    rows, columns = (convolution.output_size(side, K, S, P, D) for side in x.shape[2:])
    x = F.pad(x, (P, P, P, P))  # (B, C, H + 2P, W + 2P)
    y = torch.zeros(len(x), len(w), rows, columns, dtype=x.dtype)
    for o in range(len(w)):
        for i in range(rows):
            for j in range(columns):
                end_i, end_j = S * i + D * (K - 1) + 1, S * j + D * (K - 1) + 1
                patch = x[:, :, S * i : end_i : D, S * j : end_j : D]  # (B, C, K, K)
                y[:, o, i, j] = (w[o] * patch).sum(dim=(1, 2, 3)) + bias[o]
    return y


# %% tags=["verify"]
x, w, bias = numbers(2, 3, 9, 8), numbers(4, 3, 3, 3), numbers(4)
settings = [(S, P, D) for S in (1, 2, 3) for P in (0, 1, 2) for D in (1, 2)]
ours = [conv2d(x, w, bias, S, P, D).flatten() for S, P, D in settings]
torchs = [F.conv2d(x, w, bias, S, P, D).flatten() for S, P, D in settings]
verify.equation("2.5", torch.cat(ours), torch.cat(torchs))

C, O, K, G = sympy.symbols("C O K G", positive=True)
layer = torch.nn.Conv2d(12, 8, 5, groups=4)
verify.equation(
    "2.6",
    int((O * (C / G * K**2 + 1)).subs({C: 12, O: 8, K: 5, G: 4})),
    sum(parameter.numel() for parameter in layer.parameters()),
)
# With ones everywhere, and no border, each output number counts its own products.
ones = F.conv2d(torch.ones(1, 12, 9, 7), torch.ones_like(layer.weight), stride=2, groups=4)
verify.equation(
    "2.7", int(ones.sum()), convolution.multiply_adds((9, 7), tuple(layer.weight.shape), stride=2)
)

# %% [markdown]
# ## 2.5 The same thing as a matrix product: im2col
#
# The loops are slow, because Python looks at every window by itself. But the sum over $c, u, v$ in
# (2.5) is a dot product, and many dot products at once are a matrix product. Write each window as
# one column of $C K^2$ numbers, and put the columns side by side: a matrix $X_{\text{col}}$ with
# $C K^2$ rows and $H_{\text{out}} W_{\text{out}}$ columns. Write the kernels as rows: a matrix $W$ with
# $O$ rows and $C K^2$ columns. (In this section $W$ alone is this matrix and not the width.) Then
#
# $$ Y = W X_{\text{col}} + \beta\, \mathbf{1}^{\mathsf T}, \tag{2.8} $$
#
# where row $o$ of $Y$ is output channel $o$, written in one line, and $\mathbf 1$ is a column of
# ones. Building $X_{\text{col}}$ is called **im2col**. It costs memory: each pixel is copied once
# for every window that sees it, up to $\lceil K/S \rceil^2$ times for $D = 1$, where $\lceil \cdot \rceil$ rounds up. What it buys is that all the work is a
# matrix product, the operation that processors and GPUs are built for.

# %% tags=["keep"]


def im2col(x: Tensor, K: int) -> Tensor:
    """All windows of one image as columns: (C, H, W) -> (C K K, H_out W_out)."""
    _, H, W = x.shape
    rows, columns = H - K + 1, W - K + 1
    windows = [x[:, i : i + K, j : j + K].flatten() for i in range(rows) for j in range(columns)]
    return torch.stack(windows, dim=1)


# %% tags=["verify"]
X_col, W_matrix = im2col(x[0], 3), w.flatten(1)  # (27, 42) and (4, 27)
Y = W_matrix @ X_col + bias[:, None]  # (4, 42)
verify.equation("2.8", Y.unflatten(1, (7, 6)), conv2d(x[:1], w, bias)[0])

# %% [markdown]
# ## 2.6 The same thing as one matrix: Toeplitz
#
# A convolution without bias is linear: twice the image gives twice the result, and the sum of two
# images the sum of the results. So it is a matrix. Write the whole image as one column
# $\operatorname{vec}(x)$ of $C H W$ numbers. Then
#
# $$ \operatorname{vec}(y) = T \operatorname{vec}(x), \qquad T_{(o,i,j),\,(c,h,k)} = w_{o,\,c,\;h - i,\;k - j}, \tag{2.9} $$
#
# here for $S = D = 1$ and $P = 0$, where $w$ is zero outside its table. A row of $T$ is one output
# number: it holds the kernel, spread out to where the window lies, and zeros elsewhere. The next row
# holds the same numbers, moved one place on, or $K$ places where a new row of the output begins. A matrix that is constant along its diagonals is called
# a **Toeplitz matrix**. Here the blocks are Toeplitz, and they are arranged like one: *doubly
# blocked*.

# %%
small, three = (6, 6), torch.arange(1, 10, dtype=torch.float64).reshape(1, 1, 3, 3)
T = convolution.convolution_matrix(three, small)  # (16, 36)


def draw_matrix(ax: Axes) -> None:
    shown = ax.imshow(T.where(T > 0, torch.nan).numpy(), cmap="viridis", aspect="equal")
    ax.set_facecolor("white")
    ax.set(xlabel="pixel of the 6 x 6 image, row by row", ylabel="output number (4 x 4)")
    ax.set_xticks(np.arange(-0.5, 36, 6), labels=[str(k) for k in range(0, 37, 6)])
    ax.set_yticks(np.arange(-0.5, 16, 4), labels=[str(k) for k in range(0, 17, 4)])
    ax.grid(color="0.75", linewidth=0.8)
    ax.figure.colorbar(shown, ax=ax, label="weight", ticks=range(1, 10), shrink=0.85)


plotting.panels(
    [(None, draw_matrix)],
    alt="A matrix with 16 rows and 36 columns, nearly all empty. In every row nine coloured cells, in "
    "three runs of three; each row is the one above it moved one place to the right, and three places at every "
    "fourth row.",
)

# %% [markdown]
# **Figure 2.2.** The matrix of a 3 x 3 kernel with the weights 1 to 9 on an image of 6 x 6. White
# is zero. Grey lines separate the rows of the image and of the output.

# %% tags=["verify"]
image = numbers(1, 2, 6, 5)
kernels = numbers(3, 2, 3, 3)
T2 = convolution.convolution_matrix(kernels, (6, 5))
verify.equation("2.9", T2 @ image.flatten(), F.conv2d(image, kernels).flatten())
rows = [(o, i, j) for o in range(3) for i in range(4) for j in range(3)]
places = [(c, h, k) for c in range(2) for h in range(6) for k in range(5)]
for row, (o, i, j) in enumerate(rows):
    for column, (c, h, k) in enumerate(places):
        inside = 0 <= h - i < 3 and 0 <= k - j < 3
        assert T2[row, column] == (kernels[o, c, h - i, k - j] if inside else 0)

# %% [markdown]
# Nobody computes with $T$. From 32 x 32 pixels to 32 x 32 it has a million entries, of which
# fewer than nine in a thousand are not zero. But it is what one *thinks* with. A fully connected layer is a matrix in
# which every entry is free. A convolution is a matrix in which nearly all entries are zero and the
# others repeat. And everything that is known of matrices is known of convolutions: lesson 03 gets
# the gradient and the transposed convolution from $T^{\mathsf T}$.

# %%
dense = 32 * 32 * 32 * 32
T32 = convolution.convolution_matrix(three, (32, 32), padding=1)
print(
    f"entries {T32.numel():,}, not zero {int((T32 != 0).sum()):,}, different ones {len(T32.unique()) - 1}"
)

# %% tags=["verify"]
verify.claim(
    "2.1",
    "the share of entries that are not zero in the matrix of a 3 x 3 kernel on 32 x 32 pixels is at most",
    float((T32 != 0).double().mean()),
    (None, 0.009),
)

# %% [markdown]
# ## 2.7 The same thing in frequencies: FFT
#
# The **discrete Fourier transform** says how much of each wave is in $N$ numbers. With
# $\omega = e^{-2\pi \mathrm{i} / N}$ it is $\hat x_f = \sum_n x_n\, \omega^{f n}$ for wave $f$, and the way
# back is $x_n = \tfrac 1N \sum_f \hat x_f\, \omega^{-f n}$.
# Take the *circular* cross-correlation, in which the image begins again where it ends:
# $y_n = \sum_u w_u\, x_{(n + u) \bmod N}$. Its transform is
#
# $$ \hat y_f = \sum_n \sum_u w_u\, x_{n+u}\, \omega^{f n} = \sum_u w_u\, \omega^{-f u} \sum_n x_{n+u}\, \omega^{f (n+u)} = \overline{\hat w_f}\; \hat x_f, \tag{2.10} $$
#
# for a real kernel. In the middle we wrote $\omega^{f n} = \omega^{-f u}\, \omega^{f (n + u)}$; the
# inner sum runs over all pixels once, whatever $u$ is, so it is $\hat x_f$; and the sum that is left
# is the complex conjugate of $\hat w_f$. A sum over a window has become *one product for each
# wave*. (The convolution (2.2) gives $\hat w_f\, \hat x_f$, without the bar.) In two dimensions the
# same holds along rows and columns.
#
# What about the circle? An output number whose window does not reach over the edge knows nothing of
# it. So transform, multiply, transform back, and keep those.


# %% tags=["keep"]
def correlate_fft(x: Tensor, w: Tensor) -> Tensor:
    """Equation (2.1) by way of (2.10): (H, W) and (K, K) -> (H - K + 1, W - K + 1)."""
    product = torch.fft.rfft2(w, s=x.shape).conj() * torch.fft.rfft2(x)  # w is padded with zeros
    circular = torch.fft.irfft2(product, s=x.shape)
    return circular[: x.shape[0] - len(w) + 1, : x.shape[1] - len(w) + 1]


# %% tags=["verify"]
N = 12
places = torch.arange(N, dtype=torch.float64)
line, taps = numbers(N), torch.cat([numbers(5), torch.zeros(N - 5).double()])
waves = torch.exp(-2j * math.pi / N * torch.outer(places, places))  # (f, n)
circular = sum(taps[u] * line.roll(-u) for u in range(N))
verify.equation(
    "2.10",
    waves @ (circular + 0j),
    (waves @ (taps + 0j)).conj() * (waves @ (line + 0j)),
)
first = numbers(20, 17), numbers(6, 6)
assert torch.allclose(correlate_fft(*first), correlate(*first))

# %% [markdown]
# ### When is it worth it?
#
# Count multiplications for one image of $N \times N$ pixels and one kernel. The definition needs
# $K^2$ for each pixel. The **fast Fourier transform** of $n$ complex numbers needs about
# $\tfrac n2 \log_2 n$ complex products, that is $2 n \log_2 n$ real ones, and half of it when the
# numbers are real. With $n = N^2$ that is $2 N^2 \log_2 N$, three times: image, kernel, result. The
# products (2.10) are needed for half of the waves, the others being their conjugates: $2 N^2$ real
# multiplications. So by this count the transform wins if
#
# $$ K^2 > 6 \log_2 N + 2. \tag{2.11} $$

# %% tags=["verify"]
n, K = sympy.symbols("N K", positive=True)
direct, transform = n**2 * K**2, 2 * n**2 * sympy.log(n, 2)
(crossing,) = sympy.solve(sympy.Eq(direct, 3 * transform + 2 * n**2), K)
verify.equation("2.11", sympy.expand(crossing**2), 6 * sympy.log(n, 2) + 2)
print(f"by this count at N = 256: K = {float(crossing.subs(n, 256)):.1f}")


# %%
def transform_count(N: int) -> float:
    """Real multiplications by way of the transform, for one image and one kernel."""
    return 6 * N**2 * math.log2(N) + 2 * N**2


def draw_counts(across: list[int], cases: list[tuple[int, int]], label: str):
    def draw(ax: Axes) -> None:
        direct = [convolution.multiply_adds((N, N), (1, 1, K, K), padding=K // 2) for N, K in cases]
        colours = plotting.COLOURS
        ax.loglog(across, direct, "v-", color=colours["vermillion"], label="by the definition")
        ax.loglog(
            across,
            [transform_count(N) for N, _ in cases],
            "^-",
            color=colours["blue"],
            label="by FFT",
        )
        ax.set(xlabel=label, ylabel="multiplications")
        ax.set_xticks(across, labels=[str(number) for number in across])
        ax.minorticks_off()

    return draw


sides, sizes = [16, 32, 64, 128, 256, 512], [1, 3, 5, 9, 15, 23, 31]
plotting.panels(
    [
        ("kernel 5 x 5", draw_counts(sides, [(N, 5) for N in sides], "side of the image N")),
        ("image 256 x 256", draw_counts(sizes, [(256, K) for K in sizes], "side of the kernel K")),
    ],
    alt="Two charts with logarithmic axes. Left, by image side, the two lines rise together, the "
    "definition's a little below. Right, by kernel side, FFT's line is level and the definition's "
    "crosses it between 5 and 9.",
)

# %% [markdown]
# **Figure 2.3.** Multiplications of the two ways. By this count the size of the image hardly decides between them,
# the size of the kernel does.
#
# **Predict before you run.** Five programs compute the same thing. Which is the fastest for
# $K = 3$? And where will the transform really overtake the library's direct way: earlier or later
# than the count says?

# %% tags=["nbval-ignore-output"]
WAYS = {
    "loops": convolution.conv2d_loops,
    "im2col": convolution.conv2d_im2col,
    "matrix": convolution.conv2d_matrix,
    "FFT": convolution.conv2d_fft,
    "library": F.conv2d,
}


def seconds(way, x: Tensor, w: Tensor) -> float:
    """The median of five runs, or one run if that took longer than a tenth of a second."""
    way(x[..., : w.shape[2], : w.shape[3]], w)  # the first call pays for one-off set-up
    found = []
    while not found or (len(found) < 5 and found[0] < 0.1):
        start = time.perf_counter()
        way(x, w)
        found.append(time.perf_counter() - start)
    return float(np.median(found))


LIMITS = {"loops": 500_000, "matrix": 40_000}  # products


def timed(cases: list[tuple[int, int]]) -> dict[str, list[float]]:
    """Seconds of each way for each (N, K); not a number where it would take too long."""
    return {
        name: [
            seconds(way, numbers(1, 1, N, N), numbers(1, 1, K, K))
            if convolution.multiply_adds((N, N), (1, 1, K, K)) <= LIMITS.get(name, math.inf)
            else math.nan
            for N, K in cases
        ]
        for name, way in WAYS.items()
    }


by_side = timed([(N, 5) for N in sides])
by_kernel = timed([(256, K) for K in sizes])


def draw_times(across: list[int], found: dict[str, list[float]], label: str):
    def draw(ax: Axes) -> None:
        for (name, values), marker, colour in zip(
            found.items(), "osD^v", ("orange", "sky", "green", "blue", "vermillion"), strict=True
        ):
            if not all(math.isnan(value) for value in values):
                ax.loglog(across, values, marker=marker, color=plotting.COLOURS[colour], label=name)
        ax.set(xlabel=label, ylabel="seconds")
        ax.set_xticks(across, labels=[str(number) for number in across])
        ax.minorticks_off()

    return draw


plotting.panels(
    [
        ("kernel 5 x 5", draw_times(sides, by_side, "side of the image N")),
        ("image 256 x 256", draw_times(sizes, by_kernel, "side of the kernel K")),
    ],
    alt="Two charts with logarithmic axes. Left, seconds by image side: the matrix, which is built anew each "
    "time, is slowest, then come the loops. "
    "Right, seconds by kernel side: the library's and im2col's times rise, FFT's hardly changes and "
    "is the least for large kernels.",
)

# %% [markdown]
# **Figure 2.4.** Seconds of the five ways on this machine, in double precision. The loops and the
# matrix are left out where they would take too long, or too much memory.

# %% tags=["nbval-ignore-output"]
overtakes = [
    K for K, a, b in zip(sizes, by_kernel["FFT"], by_kernel["library"], strict=True) if a < b
]
print(
    f"FFT beats the library at N = 256 for K in {overtakes}; by (2.11) it needs fewer products from K = 8 on"
)

# %% [markdown]
# The count is a guide, not a law. On the machine of this page the transform overtakes earlier than the count says. The
# count leaves out what memory costs, and in double precision torch's own way on a CPU copies the windows into a matrix,
# as in section 2.5. Whether these are the reasons was not measured. The message of the count stays: **the price of the direct way grows
# with $K^2$, that of the transform does not depend on $K$ at all**. For a kernel of 3 x 3 and $N = 256$ the fastest is
# a direct way: im2col and the library lie within a factor of about two of each other, and the transform comes after them. (Loops and matrix were not
# run there; the left chart shows how far behind they are.) In seconds, unlike in the count, the size of the image decides too: with 5 x 5
# the library is far ahead for small images, and the transform for large ones.
#
# All five agree, which is the point of this section:

# %% tags=["verify"]
x, w, bias = numbers(2, 4, 13, 11), numbers(6, 2, 3, 3), numbers(6)
case = {"bias": bias, "stride": 2, "padding": 1, "dilation": 2, "groups": 2}
answers = {name: way(x, w, **case) for name, way in WAYS.items()}
largest = max(float((answer - answers["library"]).abs().max()) for answer in answers.values())
verify.claim(
    "2.2", "the five ways differ, anywhere and in float64, by at most", largest, (None, 1e-12)
)

# %% [markdown]
# The library keeps loops, im2col, matrix and FFT as `course_lib.convolution`, with every option of
# (2.5).
#
# ## 2.8 What a convolution keeps: equivariance
#
# Move the image by $s$ rows and columns and look again. Write $M_s$ for "move by $s$":
# $(M_s x)_{i} = x_{i - s}$, one index standing for both. Then by (2.1)
#
# $$ (w \star M_s x)_i = \sum_u w_u\, x_{i + u - s} = (w \star x)_{i - s} = \bigl(M_s (w \star x)\bigr)_i, \tag{2.12} $$
#
# with $\star$ for the cross-correlation. The answer moves along with the image. This is
# **equivariance**, and it is why an edge is found in every corner by the same nine numbers.
# (*In*variance, an answer that stays the same, is what pooling at the end of a network makes of it.)
#
# The converse is the surprise. **Every linear map that commutes with all shifts is a
# convolution.** Let $f$ be one, and let $\delta$ be the image with a single one at place 0. Any
# image is a sum of moved deltas, $x = \sum_n x_n M_n \delta$. So
#
# $$ f(x) = \sum_n x_n\, f(M_n \delta) = \sum_n x_n\, M_n f(\delta), \qquad \text{that is} \quad f(x)_i = \sum_n x_n\, h_{i - n} \quad \text{with } h = f(\delta). \tag{2.13} $$
#
# On images without edges, whose indices go round a circle, that is (2.2) with the kernel $h$, the answer to a single bright
# pixel. $h$ may be as large as the image: 1,024 numbers for 32 x 32 pixels, in place of a million. That there are only nine
# is the other demand of section 2.1, the small window. Whoever asks for linearity
# and for the same treatment everywhere has asked for a convolution, whether they know it or not.
#
# Why does it not hurt, then, to leave so much out? Because of two assumptions about pictures. A thing may stand anywhere, so a question that is
# worth asking at one place is worth asking at all; with weights of its own for each place, a layer would have to learn it again
# at each. And an edge or a corner shows in a few pixels. What is larger is left to further layers: $n$ layers of
# $K \times K$ with stride 1 see $n (K - 1) + 1$ pixels along a side (lesson 04 counts it with strides). Where an assumption is
# wrong it does hurt: if it matters *where* something stands, or if two far corners must be compared at once.

# %% tags=["verify"]
circle, kernel = numbers(1, 1, 10, 12), numbers(1, 1, 3, 3)


def around(x: Tensor) -> Tensor:
    """Cross-correlation of an image without edges: it begins again where it ends."""
    return F.conv2d(F.pad(x, (0, 2, 0, 2), mode="circular"), kernel)


verify.equation("2.12", around(circle.roll((4, 7), (2, 3))), around(circle).roll((4, 7), (2, 3)))

# A linear map that commutes with all shifts: a random matrix A, averaged over all shifts of input
# and output together. f(delta) is then its first column.
A = numbers(9, 9)
f = torch.stack([A.roll((s, s), (0, 1)) for s in range(9)]).mean(0)
line = numbers(9)
assert torch.allclose(f @ line.roll(2), (f @ line).roll(2)), "f must commute with shifts"
h = f[:, 0]
verify.equation(
    "2.13", f @ line, torch.stack([sum(line[n] * h[i - n] for n in range(9)) for i in range(9)])
)

# %% [markdown]
# ### What goes wrong: edges and strides
#
# (2.12) holds for images without edges and for stride 1. Real layers have edges and strides. How
# wrong does it get? Take the photograph, move it by one pixel, and compare. **Predict before you
# run:** by how much
# does the answer change, for stride 1 and for stride 2?

# %%
edge = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]).double()[None, None]


def broken(layer, step: int = 1) -> float:
    """Mean change when the photograph moves by one pixel, away from the border, relative."""
    before = layer(photograph)
    after = layer(photograph.roll(1, 3))
    inside = (slice(None), slice(None), slice(4, -4), slice(4, -4))
    # The best that can be said: the answer moved by a whole place, or it stayed.
    moved = [before.roll(1, 3)] if step == 1 else [before, before.roll(1, 3)]
    errors = [(after - expected)[inside].abs().mean() for expected in moved]
    return float(min(errors) / before[inside].abs().mean())


stride_one = broken(lambda x: F.conv2d(x, edge, padding=1))
stride_two = broken(lambda x: F.conv2d(x, edge, padding=1, stride=2), step=2)
border = F.conv2d(photograph, edge, padding=1)[..., 0].abs().mean()
interior = F.conv2d(photograph, edge, padding=1)[..., 1:-1].abs().mean()
print(f"stride 1, inside: {stride_one:.3f}; stride 2: {stride_two:.2f}")
print(
    f"response at the left border, where zeros (grey) were added: {border / interior:.1f} times that inside"
)

# %% tags=["verify"]
verify.claim(
    "2.3",
    "with stride 1, away from the border, a shift changes the response by",
    stride_one,
    (None, 1e-12),
)
verify.claim(
    "2.4",
    "with stride 2, a shift by one pixel changes the response by a share of at least",
    stride_two,
    (0.9, None),
)
verify.claim(
    "2.5",
    "at the left border the edge detector responds at least so many times more strongly than inside",
    float(border / interior),
    (8.0, None),
)

# %% [markdown]
# With stride 1 nothing changes, to the last digit. With stride 2 the mean change is 0.99 of the mean absolute response: the answer
# changes by as much as there is. The map keeps every second number of the stride-1 response, and after a shift by *one* pixel it keeps the
# other ones. A wave of $\nu$ waves a pixel along the row differs by
# $2 \sin(\pi \nu)$ of its size, which is 1 at $\nu = 1/6$ already. Could the map be moved by half a place instead? If the
# response had no frequency above a quarter along the row, yes: the numbers kept would determine those left out. Above it
# they alias (lesson 01, section 1.2), and this kernel answers to $\nu$ and to $1/2 - \nu$ along a row equally strongly. How
# much of the photograph lies there was not measured.
# Shifts by two pixels are still kept exactly. And at the border the zeros of the padding are pixels
# like any others: the kernel finds an edge between the picture and the nothing around it. A network
# can learn from it where the border is.
#
# ## 2.9 Kernels that were not learned
#
# Before kernels were learned, people thought them up. They are worth knowing: each is a thought about images, written in a
# few numbers.

# %%
CLASSICAL = {
    "blur": torch.full((5, 5), 1 / 25),
    "sharpen": torch.tensor([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "Sobel, across": torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    "Sobel, down": torch.tensor([[-1.0, -2, -1], [0, 0, 0], [1, 2, 1]]),
    "Laplacian": torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]),
}
small_photograph = F.avg_pool2d(photograph, 2)  # (1, 1, 128, 128)
responses = {"photograph": small_photograph}
for name, kernel in CLASSICAL.items():
    padded = F.pad(small_photograph, (len(kernel) // 2,) * 4, mode="replicate")
    responses[name] = F.conv2d(padded, kernel.double()[None, None])
plotting.image_grid(
    torch.cat(list(responses.values())).clamp(-1, 1),
    columns=3,
    titles=list(responses),
    alt="A photograph of a man with a camera, and five answers: blurred, sharpened, upright edges, "
    "level edges, and fine detail.",
)

# %% [markdown]
# **Figure 2.5.** A photograph, and what five kernels make of it, cut off at black and white. Grey is
# zero. Blur: the mean of 25 pixels. Sharpen: the pixel plus its difference from the mean of its four
# neighbours, four times. Sobel: the slope across, and down. Laplacian: how far the mean of the four
# neighbours lies above the pixel, four times, so a pixel brighter than its neighbours comes out dark; before the cut, the sharpened
# picture is the photograph minus this one. The border was padded with copies of the outermost pixels, not with zeros.
#
# A blur answers to a constant image with that constant, because its weights add up to one. The edge
# detectors answer with zero, because theirs add up to zero. That is read off (2.1): pull the
# constant out of the sum.
#
# ### Separable kernels
#
# The blur is the mean along rows of the mean along columns. In general, if the kernel is a product
# $w_{u,v} = a_u\, b_v$, then the double sum is two single ones,
#
# $$ \sum_u \sum_v a_u b_v\, x_{i+u,\,j+v} = \sum_u a_u \Bigl( \sum_v b_v\, x_{i+u,\,j+v} \Bigr), \tag{2.14} $$
#
# a row of $K$ numbers and then a column of $K$ numbers: $2K$ multiplications instead of $K^2$. A
# table is such a product if and only if its rank as a matrix is at most one. Sobel's are; the Laplacian is not.

# %% tags=["verify"]
a, b = numbers(5), numbers(5)
x = numbers(1, 1, 12, 11)
verify.equation(
    "2.14",
    F.conv2d(x, torch.outer(a, b)[None, None]),
    F.conv2d(F.conv2d(x, b[None, None, None, :]), a[None, None, :, None]),
)
ranks = {name: int(torch.linalg.matrix_rank(kernel)) for name, kernel in CLASSICAL.items()}
print(ranks)
assert ranks["blur"] == ranks["Sobel, across"] == 1 < ranks["Laplacian"]

# %% [markdown]
# ## 2.10 What goes wrong: the picture that wanders
#
# A kernel with an even number of pixels has no middle. To keep the size with $K = 2$, one side needs
# a row of padding and the other none. Libraries will do it: `padding="same"`. **Predict before you
# run:** what happens to a picture that is blurred with a 2 x 2 mean twenty times?


# %%
def centre(x: Tensor) -> Tensor:
    """Centre of mass of an image whose background is zero: (row, column)."""
    rows, columns = torch.meshgrid(
        *(torch.arange(side).double() for side in x.shape[2:]), indexing="ij"
    )
    return torch.stack([(x * rows).sum(), (x * columns).sum()]) / x.sum()


square = torch.zeros(1, 1, 64, 64).double()
square[..., 24:40, 24:40] = 1.0
blurred = {}
for K in (2, 3):
    picture = square
    for _ in range(20):
        # What padding="same" does: K - 1 pixels in all, the odd one on the right and below.
        same = ((K - 1) // 2, K // 2, (K - 1) // 2, K // 2)
        picture = F.conv2d(F.pad(picture, same), torch.full((1, 1, K, K), 1 / K**2).double())
    blurred[K] = picture
shifts = {K: float((centre(picture) - centre(square))[0]) for K, picture in blurred.items()}
plotting.image_grid(
    torch.cat([square, *blurred.values()]) * 2 - 1,
    columns=3,
    titles=["before", "20 times 2 x 2", "20 times 3 x 3"],
    alt="A white square; the same blurred with an even kernel, clearly further up and to the left; and "
    "with an odd kernel, at its old place.",
)

# %% [markdown]
# **Figure 2.6.** A white square, and the same after twenty means of 2 x 2 and of 3 x 3 pixels.

# %% tags=["verify"]
verify.claim(
    "2.6",
    "twenty even kernels move the picture by ten pixels, up to",
    abs(abs(shifts[2]) - 10),
    (None, 1e-9),
)
verify.claim("2.7", "twenty odd kernels move it by at most", abs(shifts[3]), (None, 1e-9))

# %% [markdown]
# Half a pixel up and half a pixel to the left each time, when the kernel's numbers are equal: after twenty, ten rows, which the claim
# measures, and ten columns, since square and kernel stay the same when rows and columns change places. The output number of an even window belongs *between*
# pixels, and the padding decides to which side it is written. A network may learn kernels that do not move the picture,
# with all their weight at one corner. What it cannot learn is to look the other way: an output of twenty such layers sees
# twenty pixels towards one side and none towards the other, and nothing in its losses says why. Hence the usual repair:
# **odd kernels where the size is kept**. Even ones,
# like the 4 x 4 of lesson 09, go with stride 2 and a padding of $P = (K - S)/2$ on both sides, which is
# symmetric again.
#
# ## Summary
#
# - A convolution asks the same small question everywhere: (2.5) is all of it, and what networks compute is the cross-correlation.
# - Output size: $\lfloor (H + 2P - D(K-1) - 1)/S \rfloor + 1$. Parameters do not depend on the image, multiply-adds grow with it.
# - Loops, im2col, a Toeplitz matrix, FFT and the library give the same numbers. The direct ways pay $K^2$, the transform does not.
# - A convolution leaves out far pixels and a sense of place. Depth brings back the first; the second is rarely missed, as things may stand anywhere.
# - Linear and equivariant *means* convolution. Strides and edges break the second word.
# - Keep kernels odd where the size is kept.
#
# **Exercises.** [Seven exercises](../exercises/02_convolution.ipynb), with checks that say what an
# answer misunderstood. [Solutions](../solutions/02_convolution.ipynb).
#
# ## Sources
#
# - I. Goodfellow, Y. Bengio, A. Courville. *Deep Learning.* MIT Press, 2016. Section 9.1 (cross-correlation and convolution).
# - V. Dumoulin, F. Visin. *A guide to convolution arithmetic for deep learning.* 2016. Chapter 2 and section 5.1 (output sizes, with dilation).
# - K. Chellapilla, S. Puri, P. Simard. *High Performance Convolutional Neural Networks for Document Processing.* 2006. Section 2 (im2col).
# - J. Cooley, J. Tukey. *An Algorithm for the Machine Calculation of Complex Fourier Series.* Mathematics of Computation, 1965.
# - R. Zhang. *Making Convolutional Networks Shift-Invariant Again.* ICML 2019. Section 3.1 (strides and shifts).
# - The photograph: *Camera*, from the images of scikit-image (public domain, CC0).
