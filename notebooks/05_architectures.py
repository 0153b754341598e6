# %% [markdown]
# # 05. Architectures
#
# > **The question.** The same few layers can be wired in many ways. What is the idea of VGG, of Inception,
# > of ResNet and of DenseNet, which problem does each solve, and how does one compare them fairly?
#
# | | |
# |---|---|
# | **You need** | Counting weights and multiply-adds ([lesson 02](02_convolution.ipynb)), initialisation, batch normalisation and receptive fields ([lesson 04](04_building_a_cnn.ipynb)) |
# | **You will be able to** | build the four blocks, say what each costs and what it buys, predict how gradients grow with depth, compare networks so that the comparison means something, and use a trained network on a new task |
# | **Time** | about 4 minutes of computing on 2 CPU cores, an hour and a half of reading. A GPU shortens the trainings; by how much has not been measured yet. |

# %%
import contextlib
import http.client
import io
import itertools
import json
import math
import socket

import skimage
import sympy
import torch
import torchvision
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import (
    augmentation,
    checkpoints,
    classification,
    data,
    plotting,
    runtime,
    sources,
    verify,
)
from course_lib.models import architectures
from course_lib.models.classifier import Classifier

seed = runtime.seed(0)
device = runtime.device()
random = torch.Generator().manual_seed(seed)
train = data.load_images("fashion-mnist", "train", 32)
test = data.load_images("fashion-mnist", "test", 32)


def numbers(*shape: int) -> Tensor:
    """Standard Gaussians in double precision."""
    return torch.randn(*shape, dtype=torch.float64, generator=random)


# %% [markdown]
# ## 5.1 The idea in one picture
#
# A network for images is a stem, a few *stages*, each at one resolution, and a head. What differs is the
# **block** that a stage repeats. Here are four.

# %%
CONV, SMALL, JOIN = "sky", "yellow", "orange"


def draw_block(boxes: dict, arrows: list):
    """boxes: name -> (x, y, text, colour); arrows: (from, to, bend)."""

    def draw(ax: Axes) -> None:
        for start, end, bend in arrows:
            (x0, y0), (x1, y1) = boxes[start][:2], boxes[end][:2]
            ax.annotate(
                "", (x1, y1 - 0.28), (x0, y0 + 0.28),
                arrowprops={"arrowstyle": "->", "color": "0.35", "connectionstyle": f"arc3,rad={bend}"},
            )  # fmt: skip
        for x, y, text, colour in boxes.values():
            face = plotting.COLOURS[colour] if colour else "white"
            ax.text(
                x, y, text, ha="center", va="center", fontsize=7,
                bbox={"boxstyle": "round,pad=0.3", "facecolor": face, "edgecolor": "0.3", "alpha": 1},
            )  # fmt: skip
        ax.set(xlim=(-1.9, 1.9), ylim=(-0.5, 5.5))
        ax.set_axis_off()

    return draw


vgg = draw_block(
    {
        "x": (0, 0, "x", ""),
        "a": (0, 1.7, "3×3", CONV),
        "b": (0, 3.3, "3×3", CONV),
        "y": (0, 5, "y", ""),
    },
    [("x", "a", 0), ("a", "b", 0), ("b", "y", 0)],
)
inception = draw_block(
    {
        "x": (0, 0, "x", ""),
        "1": (-1.5, 1.25, "1×1", SMALL),
        "2a": (-0.5, 1.25, "1×1", SMALL),
        "2b": (-0.5, 2.2, "3×3", CONV),
        "3a": (0.5, 1.25, "1×1", SMALL),
        "3b": (0.5, 2.05, "3×3", CONV),
        "3c": (0.5, 2.85, "3×3", CONV),
        "4a": (1.5, 1.25, "pool", ""),
        "4b": (1.5, 2.5, "1×1", SMALL),
        "c": (0, 4.2, "concatenate", JOIN),
        "y": (0, 5.2, "y", ""),
    },
    [
        *(("x", name, 0) for name in ("1", "2a", "3a", "4a")),
        ("2a", "2b", 0), ("3a", "3b", 0), ("3b", "3c", 0), ("4a", "4b", 0),
        *((name, "c", 0) for name in ("1", "2b", "3c", "4b")),
        ("c", "y", 0),
    ],
)  # fmt: skip
resnet = draw_block(
    {
        "x": (0, 0, "x", ""),
        "a": (0, 1.4, "3×3", CONV),
        "b": (0, 2.6, "3×3", CONV),
        "p": (0, 3.8, "+", JOIN),
        "y": (0, 5, "y", ""),
    },
    [("x", "a", 0), ("a", "b", 0), ("b", "p", 0), ("p", "y", 0), ("x", "p", 0.75)],
)
densenet = draw_block(
    {
        "x": (0, 0, "x", ""),
        "a": (0, 1.1, "layer", CONV),
        "c": (0, 2.15, "concatenate", JOIN),
        "b": (0, 3.2, "layer", CONV),
        "d": (0, 4.25, "concatenate", JOIN),
        "y": (0, 5.2, "y", ""),
    },
    [
        ("x", "a", 0), ("a", "c", 0), ("c", "b", 0), ("b", "d", 0), ("d", "y", 0),
        ("x", "c", 1.1), ("c", "d", 1.1),
    ],
)  # fmt: skip
plotting.panels(
    [("VGG", vgg), ("Inception", inception), ("ResNet", resnet), ("DenseNet", densenet)],
    columns=4,
    height=3.2,
    alt="Four flow charts. VGG: two 3 by 3 layers in a row. Inception: four parallel branches, concatenated. "
    "ResNet: two layers and a line around them, added. DenseNet: each layer's output is appended to its input.",
)

# %% [markdown]
# **Figure 5.1.** The four blocks, from bottom to top. Blue: $3 \times 3$ convolutions (in the DenseNet: a layer
# that makes new channels). Yellow: $1 \times 1$ convolutions. Orange: where paths meet. White: input, output and
# max pooling. Batch normalisations and ReLUs are left out.
#
# ## 5.2 VGG: small kernels, stacked
#
# Simonyan and Zisserman (2015) asked what is better, one large kernel or several small ones. Take $n$ convolutions
# of size $K$ in a row, from $C$ channels to $C$ channels. By (2.6) and (4.18) they have, without biases,
#
# $$ \text{weights} = n\, K^2 C^2, \qquad \text{field} = n\,(K - 1) + 1. \tag{5.1} $$
#
# Two $3 \times 3$ layers see $5 \times 5$ pixels with $18 C^2$ weights, where one $5 \times 5$ layer needs
# $25 C^2$; three see $7 \times 7$ with $27 C^2$ instead of $49 C^2$. And between them there is room for another
# nonlinearity.

# %% tags=["verify"]
found, formula = [], []
for K, n in ((3, 2), (3, 3), (5, 1), (7, 1), (1, 4)):
    stack = nn.Sequential(*(nn.Conv2d(4, 4, K, bias=False) for _ in range(n))).double()
    image = numbers(1, 4, 15, 15).requires_grad_()
    middle = stack(image)[0, 0]
    (slope,) = torch.autograd.grad(middle[middle.shape[0] // 2, middle.shape[1] // 2], image)
    field = int((slope.abs().sum(dim=(0, 1, 2)) > 0).sum())
    found.append([architectures.parameters(stack), field])
    formula.append([n * K**2 * 4**2, n * (K - 1) + 1])
verify.equation("5.1", torch.tensor(found), torch.tensor(formula))

# %% [markdown]
# ## 5.3 Inception: narrow first, and several sizes at once
#
# A $1 \times 1$ convolution looks at one pixel: it is a matrix that mixes channels. Its use is to make maps
# *narrow* before something expensive. Instead of $C \to O$ channels with a $K \times K$ kernel, go through a
# **bottleneck** of $M$ channels, $C \to M$ by $1 \times 1$ and $M \to O$ by $K \times K$:
#
# $$ \text{weights} = C M + M\, O K^2 \quad \text{instead of} \quad C\, O K^2. \tag{5.2} $$
#
# The ratio is $M/C + M/(O K^2)$, near $M/C$ if $O K^2$ is much larger than $C$. What is lost? Without an
# activation between them, the two layers are one convolution with the kernel
#
# $$ w_{o,c,u,v} = \sum_{m=1}^{M} d_{o,m,u,v}\; a_{m,c}, \tag{5.3} $$
#
# where $a$ is the $1 \times 1$ weight and $d$ the $K \times K$ weight. Written as a matrix with $C$ columns it
# has rank $M$ at most: a bottleneck is the wager that the channels are correlated enough for that.
#
# Szegedy et al. (2015) put four branches side by side, two of them with a bottleneck, so that the block need not
# decide which kernel size is right, and concatenated their channels. Their $5 \times 5$ branch is made of two
# $3 \times 3$ layers today, for the reason of section 5.2.

# %% tags=["verify"]
C, M, O, K = 12, 3, 8, 3
narrow = nn.Conv2d(C, M, 1, bias=False).double()
widen = nn.Conv2d(M, O, K, bias=False).double()
verify.equation(
    "5.2",
    torch.tensor(architectures.parameters(nn.Sequential(narrow, widen))),
    torch.tensor(C * M + M * O * K**2),
)
composed = torch.einsum("omuv,mc->ocuv", widen.weight, narrow.weight[:, :, 0, 0])
image = numbers(2, C, 9, 9)
verify.equation("5.3", widen(narrow(image)), F.conv2d(image, composed))
assert torch.linalg.matrix_rank(composed.transpose(1, 3).reshape(-1, C)) == M

# %% [markdown]
# ## 5.4 ResNet: skip connections
#
# Deeper networks should be at least as good: the additional layers could learn to do nothing. In practice plain
# networks beyond some twenty layers got *worse*, on the training images too (He et al., 2016a). To do nothing is
# hard to learn for a layer with a nonlinearity. So make it the default. A **residual block** computes
#
# $$ y = x + F(x), $$
#
# and $F$, two convolutions, only has to learn what to change. Look at the gradient. Let $L$ be the loss, and $J$
# the matrix of derivatives $\partial F / \partial x$. Then
#
# $$ \frac{\partial L}{\partial x} = (I + J)^{\mathsf T}\, \frac{\partial L}{\partial y}. \tag{5.4} $$
#
# The path of $x$ past $F$ is called a **skip connection** or **shortcut**. Through it the gradient passes $F$ by,
# whatever the size of $J$. Stack three blocks, with the matrices
# $J_1, J_2, J_3$, and multiply out:
#
# $$ (I + J_3)(I + J_2)(I + J_1) = I + J_1 + J_2 + J_3 + J_2 J_1 + J_3 J_1 + J_3 J_2 + J_3 J_2 J_1. \tag{5.5} $$
#
# Each of the $2^3$ terms is a path, which takes or skips each block (Veit et al., 2016). A plain network has the
# last path alone.
#
# Here is the block as the course keeps it. As in the original it ends in a ReLU, after the sum: (5.4) then holds
# with the gradient below that ReLU, which is zero where the sum is negative. Where a stage begins, shapes change,
# and the shortcut needs a $1 \times 1$ convolution.


# %% tags=["keep"]
class ResidualBlock(nn.Module):
    """(B, inside, H, W) -> (B, outside, H / stride, W / stride)."""

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(inside, outside, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
            nn.Conv2d(outside, outside, 3, padding=1, bias=False),
            nn.BatchNorm2d(outside),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or inside != outside:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside)
            )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.shortcut(x) + self.layers(x))


# %% tags=["verify"]
width = 6
branch = nn.Sequential(nn.Linear(width, 9), nn.Tanh(), nn.Linear(9, width)).double()
x, g = numbers(width).requires_grad_(), numbers(width)
(slope,) = torch.autograd.grad(((x + branch(x)) * g).sum(), x)
J = torch.autograd.functional.jacobian(branch, x.detach())
verify.equation("5.4", slope, (torch.eye(width).double() + J).T @ g)

J_1, J_2, J_3 = sympy.symbols("J1:4", commutative=False)
product = sympy.expand((1 + J_3) * (1 + J_2) * (1 + J_1))
paths = [
    sympy.Mul(*(J for J, taken in zip((J_3, J_2, J_1), choice, strict=True) if taken))
    for choice in itertools.product((False, True), repeat=3)
]
verify.equation("5.5", product, sympy.Add(*paths))

# %% [markdown]
# ## 5.5 DenseNet: nothing is thrown away
#
# Huang et al. (2017) do not add, they **concatenate**. Each layer makes only $k$ new channels, the *growth*, and
# appends them. If $c_0$ channels enter a block of $n$ layers, then layer $\ell$ (from 1) sees
#
# $$ c_\ell = c_0 + k\,(\ell - 1) \tag{5.6} $$
#
# channels, its input and the work of all layers before. With $K \times K$ kernels the block has
#
# $$ \sum_{\ell=1}^{n} K^2\, k\, c_\ell = K^2 k \Bigl( n\, c_0 + k\, \frac{n (n - 1)}{2} \Bigr) \tag{5.7} $$
#
# weights. A small $k$ suffices, since no layer has to carry old results along. The price is memory: all maps of a
# block are kept, and read again by every later layer. In practice a $1 \times 1$ bottleneck stands before each
# $3 \times 3$ layer, and a transition halves the channels between stages.

# %% tags=["verify"]
stem, growth, depth = 10, 4, 5
dense = nn.ModuleList(
    nn.Conv2d(stem + growth * n, growth, 3, padding=1, bias=False) for n in range(depth)
)
state, seen = torch.zeros(1, stem, 5, 5), []
for layer in dense:
    seen.append(state.shape[1])
    state = torch.cat([state, layer(state)], dim=1)
verify.equation("5.6", torch.tensor(seen), torch.tensor([stem + growth * n for n in range(depth)]))
c_0, k, n, ell, kernel = sympy.symbols("c0 k n l K", positive=True, integer=True)
total = sympy.summation(kernel**2 * k * (c_0 + k * (ell - 1)), (ell, 1, n))
verify.equation("5.7", total, kernel**2 * k * (n * c_0 + k * n * (n - 1) / 2))
values = {c_0: stem, k: growth, n: depth, kernel: 3}
assert total.subs(values) == architectures.parameters(dense)

# %% [markdown]
# ## 5.6 How gradients grow with depth
#
# Lesson 04 kept the gradients of a plain network level, with He's weights. Then it added batch normalisation,
# which made training robust. Are they still level? Count again, for random weights. Let $x_0$ be the input,
# $x_\ell$ the output of layer $\ell$, $v_\ell$ its variance in a channel, over images and places, and $G_\ell$
# the mean square of $\partial L / \partial x_\ell$.
#
# **Plain, with batch normalisation.** A layer normalises, cuts at zero and convolves. After the normalisation,
# $\hat x$ has mean 0 and variance 1; take it as Gaussian. Behind the ReLU the mean square is a half, but part of
# it is the mean, which is $1/\sqrt{2\pi}$. The variance is
#
# $$ \operatorname{Var}\bigl( \max(0, \hat x) \bigr) = \frac12 - \frac1{2\pi} = \frac{\theta}{2}, \qquad \theta = 1 - \frac1\pi \approx 0.68. \tag{5.8} $$
#
# Which of the two counts now? In (4.6) the weights were random, and the mean square counted. A normalisation
# takes its variance over images and places, and the weights are fixed: the mean of each input channel adds a
# constant to the output, which is subtracted. What counts is the variance, and He's weights double it. So the
# next normalisation meets $v_\ell = \theta$, and divides by $\sqrt \theta$, which is less than one. Backward it
# divides the *gradient* by $\sqrt \theta$ too. The convolution doubles the gradient's mean square and the ReLU
# halves it, as in (4.9). From layer to layer, backwards,
#
# $$ \frac{G_{\ell-1}}{G_\ell} = \frac1\theta = \frac{\pi}{\pi - 1} \approx 1.47 \qquad (\ell \ge 2). \tag{5.9} $$
#
# Small for one layer. In 40 layers it strikes 39 times, since the first meets an input of variance 1: a factor of
# three million. (The terms that (4.15) subtracts are left out: with many numbers in a batch they are small. Yang
# et al., 2019, treat the matter in full.)
#
# **Residual, with batch normalisation.** Let each layer be $x_\ell = x_{\ell-1} + F(x_{\ell-1})$, where $F$
# normalises, cuts and convolves as above. (This is the *pre-activation* form of He et al., 2016b. Without a ReLU
# on the shortcut it is easier to count.) The branch adds the variance $\theta$ whatever came in, since it
# normalises first. Its weights are fresh and have mean zero, so it is uncorrelated with $x_{\ell-1}$, and
# variances add:
#
# $$ v_\ell = v_0 + \theta\, \ell. \tag{5.10} $$
#
# Backward, the branch divides its gradient by the root of the variance that it met. Its mean square, too, is
# added to that of the shortcut:
#
# $$ \frac{G_{\ell-1}}{G_\ell} = 1 + \frac{1}{v_{\ell-1}}. \tag{5.11} $$
#
# The deeper the layer, the less its branch adds. Over $n$ layers the product grows like a *power* of the depth,
# in proportion to $n^{1/\theta} = n^{1.47}$, and not exponentially.
#
# **Predict before you run:** from the output $x_{40}$ to the input $x_0$ the plain network multiplies the gradient's mean
# square by three million. By what does the residual one, with $v_0 = 1$?

# %%
DEPTH, WIDE = 40, 64


def branch_of(weight: Tensor, x: Tensor) -> Tensor:
    """Normalise, cut at zero, convolve; borders continue around the image."""
    x = F.relu(F.batch_norm(x, None, None, training=True))
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), weight)


def gradients_by_depth(residual: bool) -> tuple[Tensor, Tensor]:
    """Variance of x and mean square of dL/dx before each layer and at the end: (DEPTH + 1,) each."""
    x = numbers(16, WIDE, 8, 8).requires_grad_()
    states = [x]
    for _ in range(DEPTH):
        weight = math.sqrt(2 / (9 * WIDE)) * numbers(WIDE, WIDE, 3, 3)
        x = (x if residual else 0) + branch_of(weight, x)
        x.retain_grad()
        states.append(x)
    (x * numbers(*x.shape)).sum().backward()
    variances = [state.detach().var(dim=(0, 2, 3)).mean() for state in states]
    return torch.stack(variances), torch.stack([state.grad.square().mean() for state in states])


measured = {}
for name, residual in (("plain", False), ("residual", True)):
    pairs = [gradients_by_depth(residual) for _ in range(3)]
    measured[name] = [torch.stack(part).log().mean(0).exp() for part in zip(*pairs, strict=True)]

theta = 1 - 1 / math.pi
layers = torch.arange(DEPTH + 1, dtype=torch.float64)
v = 1 + theta * layers
steps = torch.log1p(1 / v[:-1])
predicted = {
    "plain": (1 / theta) ** (DEPTH - layers.clamp(min=1)),
    "residual": torch.cat([steps.flip(0).cumsum(0).flip(0), torch.zeros(1)]).exp(),
}


def draw_gradients(ax: Axes) -> None:
    for colour, name in (("vermillion", "plain"), ("blue", "residual")):
        ax.plot(layers, predicted[name], color=plotting.COLOURS[colour], label=name)
        ax.plot(layers, measured[name][1], "o", color=plotting.COLOURS[colour], markersize=3)
    ax.set_yscale("log")
    ax.set(xlabel="layer", ylabel="mean square of ∂L/∂x")


def draw_variance(ax: Axes) -> None:
    ax.plot(layers, v, color=plotting.COLOURS["blue"], label="residual")
    ax.plot(layers, measured["residual"][0], "o", color=plotting.COLOURS["blue"], markersize=3)
    level = torch.where(layers > 0, theta, 1.0)
    ax.plot(layers, level, color=plotting.COLOURS["vermillion"], label="plain")
    ax.plot(layers, measured["plain"][0], "o", color=plotting.COLOURS["vermillion"], markersize=3)
    ax.set(xlabel="layer", ylabel="variance of x", ylim=(0, None))


plotting.panels(
    [("backward", draw_gradients), ("forward", draw_variance)],
    height=3.2,
    alt="Left, on a logarithmic axis: the gradient of the plain network grows by a straight line from right to "
    "left over six orders of magnitude, that of the residual one by less than three. Right: the variance of the "
    "residual network grows in a straight line, that of the plain one is level.",
)

# %% [markdown]
# **Figure 5.2.** Random networks of 40 layers with batch normalisation. Points: measured, geometric mean of three
# networks. Lines: (5.9) to (5.11). Gradients run from right to left. From the output to the input the mean square grows by 2.6 to
# 3.3 million in the plain network, under five seeds, and by 112 to 114 in the residual one; (5.11) says 112.

# %% tags=["verify"]
u = sympy.symbols("u", real=True)
bell = sympy.exp(-(u**2) / 2) / sympy.sqrt(2 * sympy.pi)
first = sympy.integrate(u * bell, (u, 0, sympy.oo))
second = sympy.integrate(u**2 * bell, (u, 0, sympy.oo))
verify.equation("5.8", second - first**2, (1 - 1 / sympy.pi) / 2)
# The first layer's input has variance 1, so the growth begins with the second.
growth = -measured["plain"][1].log().diff()[1:].mean()
verify.equation("5.9", growth.exp(), math.pi / (math.pi - 1), tolerance=0.04)
verify.equation("5.10", measured["residual"][0], v, tolerance=0.04)
verify.equation("5.11", measured["residual"][1].log(), predicted["residual"].log(), tolerance=0.06)

# %% tags=["verify"]
plain_factor, residual_factor = (
    float(measured[name][1][0] / measured[name][1][-1]) for name in ("plain", "residual")
)
verify.claim(
    "5.1",
    "over 40 plain layers with batch normalisation the gradient's mean square grows by at least",
    plain_factor,
    (1e6, None),
)
verify.claim("5.2", "over 40 residual layers it grows by at most", residual_factor, (None, 130.0))

# %% [markdown]
# ### What such a gradient means
#
# A large gradient is not bad in itself; Adam divides by its size. But read (5.9) forward: a small change of the
# input comes out larger, by $1/\theta$ in mean square at each layer, relative to the rest of the batch. Let two
# images have, in one layer, normalised values with the correlation $\rho$. Behind the ReLU their expected product
# is (Cho and Saul, 2009)
#
# $$ \phi(\rho) = \mathbb E[\max(0, a) \max(0, b)] = \frac{1}{2\pi} \Bigl( \sqrt{1 - \rho^2} + \rho\, (\pi - \arccos \rho) \Bigr), \tag{5.12} $$
#
# where $a$ and $b$ are Gaussian with mean 0, variance 1 and correlation $\rho$. Subtract the means, whose product
# is $\phi(0) = 1/2\pi$, and divide by the variance, $\phi(1) - \phi(0) = \theta / 2$. Then the correlation in the
# next layer is
#
# $$ f(\rho) = \frac{\phi(\rho) - \phi(0)}{\phi(1) - \phi(0)}, \qquad f(1) = 1, \quad f'(1) = \frac1\theta > 1, \qquad f(0) = 0, \quad f'(0) = \frac{1}{2\theta} < 1. \tag{5.13} $$
#
# Equal images stay equal, but not in a stable way: nearly equal ones drift apart, until they are as unlike as any
# two. With a skip connection, the branch's $f$ is only mixed in, with a weight that falls with depth. The covariance of
# the two images is the sum of those of branch and shortcut, so their correlation $r_\ell$ obeys
#
# $$ v_\ell\, r_\ell = v_{\ell-1}\, r_{\ell-1} + \theta f(r_{\ell-1}). \tag{5.14} $$
#
# **Predict before you run:** two images with correlation 0.99. What is it after 40 layers, plain and residual?


# %%
def product(rho: float) -> float:
    """Equation (5.12)."""
    return (math.sqrt(1 - rho**2) + rho * (math.pi - math.acos(rho))) / (2 * math.pi)


def next_correlation(rho: float) -> float:
    """Equation (5.13)."""
    return (product(rho) - product(0)) / (product(1) - product(0))


def likeness(residual: bool, start: float = 0.99) -> Tensor:
    """Correlation of 16 pairs of images before each layer and at the end: (DEPTH + 1,)."""
    first = numbers(16, WIDE, 8, 8)
    second = start * first + math.sqrt(1 - start**2) * numbers(16, WIDE, 8, 8)
    x, found = torch.cat([first, second]), []
    for layer in range(DEPTH + 1):
        centred = x - x.mean(dim=(0, 2, 3), keepdim=True)
        one, two = centred.chunk(2)
        found.append((one * two).sum() / (one.norm() * two.norm()))
        if layer < DEPTH:
            weight = math.sqrt(2 / (9 * WIDE)) * numbers(WIDE, WIDE, 3, 3)
            x = (x if residual else 0) + branch_of(weight, x)
    return torch.stack(found)


likenesses = {"plain": likeness(False), "residual": likeness(True)}
expected = {"plain": [0.99], "residual": [0.99]}
for layer in range(DEPTH):
    expected["plain"].append(next_correlation(expected["plain"][-1]))
    before = expected["residual"][-1]
    mixed = float(v[layer]) * before + theta * next_correlation(before)
    expected["residual"].append(mixed / float(v[layer + 1]))


def draw_likeness(ax: Axes) -> None:
    for colour, name in (("vermillion", "plain"), ("blue", "residual")):
        ax.plot(layers, expected[name], color=plotting.COLOURS[colour], label=name)
        ax.plot(layers, likenesses[name], "o", color=plotting.COLOURS[colour], markersize=3)
    ax.set(xlabel="layer", ylabel="correlation of two images", ylim=(-0.05, 1.05))


plotting.panels(
    [(None, draw_likeness)],
    height=2.8,
    alt="Correlation against layer, from 0.99. In the plain network it falls far; in the residual one it stays high. "
    "The points lie close to the predicted lines.",
)

# %% [markdown]
# **Figure 5.3.** What random networks of 40 layers do to two nearly equal images. Points: measured, one network
# of each kind. Lines: (5.13) and (5.14).

# %% tags=["verify"]
a, b = numbers(2, 2_000_000)
rhos = (-0.5, 0.0, 0.6, 0.95)
found = [(a.relu() * (rho * a + math.sqrt(1 - rho**2) * b).relu()).mean() for rho in rhos]
# Monte-Carlo, standard error below 0.001.
verify.equation("5.12", torch.stack(found), [product(rho) for rho in rhos], tolerance=0.01)
rho = sympy.symbols("rho", real=True)
symbolic = (sympy.sqrt(1 - rho**2) + rho * (sympy.pi - sympy.acos(rho))) / (2 * sympy.pi)
half = sympy.Rational(1, 2)
scaled = (symbolic - 1 / (2 * sympy.pi)) / (half - 1 / (2 * sympy.pi))
rise = sympy.simplify(sympy.diff(scaled, rho))
exact = 1 - 1 / sympy.pi
verify.equation(
    "5.13",
    [scaled.subs(rho, 1), rise.subs(rho, 1), scaled.subs(rho, 0), rise.subs(rho, 0)],
    [sympy.Integer(1), 1 / exact, sympy.Integer(0), half / exact],
)
verify.equation("5.14", likenesses["residual"], expected["residual"], tolerance=0.01)
verify.claim(
    "5.3", "after 40 plain layers, 0.99 has become at most", likenesses["plain"][-1], (None, 0.1)
)
verify.claim(
    "5.4", "after 40 residual layers, it is still at least", likenesses["residual"][-1], (0.9, None)
)

# %% [markdown]
# In the plain network the gap between two images grows at first by almost $1/\theta$ a layer (by 1.42 from a correlation of
# 0.99), later more slowly. After some 25 layers hardly anything tells which images were alike: for the head of
# such a random network two nearly equal images are like any other two, however its gradients are scaled. The skip connection keeps likeness:
# after 40 layers the correlation is 0.967 to 0.968 under five seeds, where the plain network has -0.01 to 0.02.
#
# ### What goes wrong: depth without skip connections
#
# Train both for 100 steps, and a plain one of 10 layers for comparison: 16 channels, images halved to
# $16 \times 16$ pixels, batches of 64, Adam with the learning rate 0.002. **Predict before you run:** which of the three has the
# largest loss at the end? Does it learn at all? And is the residual one nearer to it, or to the plain one of 10 layers?


# %%
class Deep(nn.Module):
    """A stem, `depth` layers with or without skip connections, the mean over places, a head."""

    def __init__(self, depth: int, residual: bool, channels: int = 16) -> None:
        super().__init__()
        self.residual = residual
        self.stem = nn.Conv2d(1, channels, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(channels),
                nn.ReLU(),
                nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            )
            for _ in range(depth)
        )
        self.head = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, 10),
        )
        for layer in self.layers:
            nn.init.kaiming_normal_(layer[2].weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for layer in self.layers:
            x = x + layer(x) if self.residual else layer(x)
        return self.head(x)


deep_curves = {}
for name, depth, residual in (
    ("plain, 10 layers", 10, False),
    ("plain, 40 layers", 40, False),
    ("residual, 40 layers", 40, True),
):
    torch.manual_seed(seed)
    network = Deep(depth, residual).to(device)
    adam = torch.optim.Adam(network.parameters(), 2e-3)
    sampler, losses = data.EpochSampler(len(train), 64, seed), []
    for step in range(100):
        indices = sampler.indices(step)
        images = F.avg_pool2d(train.batch(indices).to(device), 2)
        loss = F.cross_entropy(network(images), train.labels[indices].to(device))
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    deep_curves[name] = losses
plotting.curves(
    range(100),
    deep_curves,
    xlabel="step",
    ylabel="cross-entropy (nats)",
    smooth=10,
    levels={"knows nothing": math.log(10)},
    alt="Three loss curves over 100 steps. The plain network of 40 layers stays highest; the residual one of 40 "
    "layers and the plain one of 10 fall together.",
)

# %% [markdown]
# **Figure 5.4.** The first 100 steps of three networks that differ in depth and in their skip connections.

# %% tags=["verify"]
last = {name: sum(losses[-20:]) / 20 for name, losses in deep_curves.items()}
verify.claim(
    "5.5",
    "after 100 steps the loss of the plain network of 40 layers exceeds that of the residual one by",
    last["plain, 40 layers"] - last["residual, 40 layers"],
    (0.1, None),
)

# %% [markdown]
# The plain network of 40 layers does learn, but slowly: over the last 20 steps its loss is 0.16 to 0.48 nats above that of the
# residual one, under five seeds. In Figure 5.4, of one seed, it also stays behind the plain one of 10 layers, and the residual
# one of 40 learns about as fast as that. Skip connections are the repair.
#
# ## 5.7 A fair comparison
#
# "ResNet is better than VGG" is said of networks that differ in size, depth, data, training and year. To compare
# *blocks*, all else must be equal, and something must be held fixed: but what? A network is paid for twice, in
# **parameters** (memory, and what can be learned by heart) and in **multiply-adds** (work; time follows it only
# loosely). We hold fixed first the one, then the other.
#
# All four families get the same frame: a $3 \times 3$ stem, three stages at $16 \times 16$, $8 \times 8$ and
# $4 \times 4$ pixels, the mean over places, one linear layer. The first three have about $w$, $2w$ and $4w$
# channels in the stages; the DenseNet's grow inside each stage, and end at $3w$, $3.5w$ and $3.75w$. The width
# $w$ is chosen so that the budget is met within 3 %. Data, augmentation, optimiser, learning rate and its
# schedule are those of lesson 04 for all, for one pass over the training images. What is *not* equal: the depth,
# the way of halving, and how well lesson 04's learning rate suits each. The result is about this recipe.

# %%
BUDGETS = {"parameters": 100_000, "multiply_adds": 2_000_000}
print(f"{'':24} {'width':>6} {'parameters':>11} {'multiply-adds':>14} {'ratio':>6}")
for budget, target in BUDGETS.items():
    for family in architectures.FAMILIES:
        w = architectures.width_for(family, **{budget: target})
        network = architectures.build(family, w)
        counts = (
            architectures.parameters(network),
            architectures.multiply_adds(network, (1, 32, 32)),
        )
        print(
            f"equal {budget:13} {family:9} {w:6.1f} {counts[0]:11,} {counts[1]:14,} {counts[1] / counts[0]:6.0f}"
        )

# %% [markdown]
# The last column is the arithmetic for each parameter. A convolution uses each weight once for each place of its
# output, by (2.6) and (2.7): 256 times in the first stage, 16 times in the last. Three of the families double the
# channels where they halve the image, and keep three quarters of their weights in the last stage. The DenseNet's
# transitions hold its width down, so its weights are spread evenly, and more of them work at a high resolution.
#
# Eight trainings under five seeds take forty minutes on one thread, so the full table is made by a script, `python -m
# benchmarks architectures`, whose stored result is shown here. One row is computed again below.

# %%
stored = json.loads(
    (sources.REPOSITORY / "benchmarks" / "results" / "architectures.json").read_text(
        encoding="utf-8"
    )
)


TICKS = {
    "parameters": {20_000: "20,000", 50_000: "50,000", 100_000: "100,000"},
    "multiply_adds": {2_000_000: "2 million", 4_000_000: "4 million", 10_000_000: "10 million"},
}


def draw_accuracy(cost: str):
    def draw(ax: Axes) -> None:
        for colour, family in zip(plotting.COLOURS.values(), architectures.FAMILIES, strict=False):
            rows = [stored["budgets"][budget]["families"][family] for budget in BUDGETS]
            rows.sort(key=lambda row: row[cost])
            medians = [row["accuracy"]["median"] for row in rows]
            ax.plot([row[cost] for row in rows], medians, color=colour, label=family)
            for row in rows:
                values = row["accuracy"]["values"]
                ax.plot([row[cost]] * len(values), values, "o", color=colour, markersize=3.5)
        ax.set_xscale("log")
        ax.set_xticks(list(TICKS[cost]), list(TICKS[cost].values()))
        ax.minorticks_off()
        ax.set(xlabel=cost.replace("_", "-"), ylabel="test accuracy")

    return draw


print(
    f"measured {stored['date']} on {stored['environment']['device_name']}, {stored['environment']['threads']} thread(s)"
)
print(f"{'':24} {'accuracy: median':>17} {'least':>7} {'largest':>8} {'seconds':>8}")
for budget in BUDGETS:
    for family, row in stored["budgets"][budget]["families"].items():
        a = row["accuracy"]
        print(
            f"equal {budget:13} {family:9} {a['median']:12.4f} {a['least']:7.4f} {a['largest']:8.4f} {row['seconds']['median']:8.0f}"
        )

# %%
plotting.panels(
    [(None, draw_accuracy("parameters")), (None, draw_accuracy("multiply_adds"))],
    height=3.2,
    alt="Test accuracy against parameters and against multiply-adds, on logarithmic axes. At 100,000 parameters the "
    "DenseNet is highest; at 2 million multiply-adds Inception is highest and the DenseNet lowest.",
)

# %% [markdown]
# **Figure 5.5.** Accuracy after one pass over the training images, against both prices. Points: five seeds each.
# Lines join the medians of a family's two networks; between them nothing was measured.
#
# How large must a difference be before we believe it? The same seed gives two networks the same order of images,
# so compare them **seed by seed**: let $\delta_1, \dots, \delta_m$ be the differences of accuracy for $m$ seeds.
# If they are about Gaussian, then with their mean $\bar \delta$ and standard deviation $s$ (divided by $m - 1$)
#
# $$ \bar \delta \pm t_{m-1}\, \frac{s}{\sqrt m} \tag{5.15} $$
#
# holds the mean over all seeds in 95 of 100 repetitions. $t_{m-1}$ is the number below which a variable with Student's
# distribution with $m - 1$ degrees of freedom lies with probability 97.5 %: $t_4 = 2.776$ for five seeds, and 1.96 for very
# many. If zero lies outside, we take the sign of the mean as known; a single further seed may still
# have the other. The interval says
# nothing of other test images, other learning rates or longer training; and of many intervals one in twenty
# misses.


# %% tags=["keep"]
def interval(differences: Tensor, t: float = 2.776) -> tuple[float, float]:
    """Equation (5.15) for five differences (5,), whence t: mean and half-width."""
    assert len(differences) == 5
    return float(differences.mean()), float(t * differences.std() / math.sqrt(len(differences)))


# %% tags=["verify"]
samples = 0.3 + numbers(200_000, 5)
half = 2.776 * samples.std(dim=1) / math.sqrt(5)
holds = ((samples.mean(dim=1) - 0.3).abs() <= half).double().mean()
verify.equation("5.15", holds, 0.95, tolerance=0.003)  # Monte-Carlo, standard error 0.0005

# %%
accuracies = {
    (budget, family): torch.tensor(row["accuracy"]["values"])
    for budget in BUDGETS
    for family, row in stored["budgets"][budget]["families"].items()
}
print("difference from vgg in percentage points, 95 % interval over five seeds")
for (budget, family), values in accuracies.items():
    if family != "vgg":
        mean, half = interval(100 * (values - accuracies[budget, "vgg"]))
        verdict = "" if abs(mean) > half else "  (zero is inside)"
        print(f"equal {budget:13} {family:9} {mean:+.2f} ± {half:.2f}{verdict}")
        paired = 100 * (values - accuracies[budget, "vgg"]).std()
        apart = 100 * (values.var() + accuracies[budget, "vgg"].var()).sqrt()
        print(f"{'':30}s = {paired:.2f} paired, {apart:.2f} if they were not")

# %% [markdown]
# What can be read off it, and what not:
#
# - **Who is best depends on the price.** At equal parameters the DenseNet wins, and the interval of its lead over
#   VGG leaves zero out. At equal multiply-adds the lead is gone, and its median is the lowest. For it, 100,000
#   parameters mean almost three times the arithmetic of the others.
# - At equal multiply-adds **Inception and ResNet** beat VGG. At equal parameters five seeds do not decide it: zero
#   is inside both intervals.
# - **What the skip connections bring here was not isolated.** The ResNet's mean lead over VGG is 0.6 points at equal
#   parameters and 1.0 at equal multiply-adds, and the two also halve differently. Its purpose is depth (section 5.6), and
#   with twelve convolutions in their stages these networks are not deep.
# - **Seconds follow multiply-adds only loosely.** At equal multiply-adds Inception takes twice as long as VGG. It
#   has many small convolutions and concatenations, which move much memory for little arithmetic; that this is the
#   reason was not measured.
#
# One pass over small grey images says nothing about a hundred passes over large colour ones. It shows how to ask.
#
# Now one row again, on your machine: the ResNet at 100,000 parameters.

# %% tags=["nbval-ignore-output"]
torch.manual_seed(seed)
w = architectures.width_for("resnet", parameters=BUDGETS["parameters"])
network = architectures.build("resnet", w).to(device, memory_format=torch.channels_last)
*_, record = classification.train_classifier(network, train, epochs=1, seed=seed, every=468)
share = classification.accuracy(network, test)
print(f"{share:.4f} after {record.seconds:.0f} s on {runtime.environment(device)['device_name']}")

# %% tags=["verify"]
verify.claim(
    "5.6",
    "the ResNet with 100,000 parameters reaches after one pass at least",
    share,
    (0.865, None),
)

# %% [markdown]
# If your number is not the table's, nothing is wrong. The number of threads changes the order in which sums are
# made, and after 468 steps the last digits have become another network. On our machine seed 0 gives 0.8835 with one
# thread and gave 0.8772 with two, in one run: further apart than any two of the five seeds of the table (0.0043 at most). A seed makes a run repeatable on one machine. It does not make
# the run typical. Nor does pairing always take away luck: of the six sets of differences from VGG, three vary less than
# unpaired ones would, and three more.
#
# ## 5.8 Augmentation
#
# A mirrored boot is a boot. Changing training images in ways that keep their class is called **augmentation**: it
# tells the network a fact that few images cannot show. It matters most where data are few. So: the ResNet above,
# only 2,000 labelled images, 25 passes.

# %%
POLICIES = {
    "mirror": augmentation.mirror,
    "shift": augmentation.shift,
    "erase": augmentation.erase,
    "upside down": augmentation.turn_over,
}
torch.manual_seed(seed)
some = train.batch([0, 7, 21, 5, 19, 23, 13, 30])
plotting.image_grid(
    torch.cat([some, *(change(some) for change in POLICIES.values())]),
    columns=8,
    row_labels=["as they are", *POLICIES],
    alt="Five rows of the same eight garments: unchanged; some mirrored; moved by a few pixels; with a black "
    "square; some upside down.",
)

# %% [markdown]
# **Figure 5.6.** Four kinds of augmentation. Mirroring and turning over strike each image with probability one
# half; shifts are up to 3 pixels; the erased square (DeVries and Taylor, 2017) has 10 pixels along a side and may
# be cut by the border.
#
# **Predict before you run:** which helps most, which is useless, and does one harm?

# %%
augmented = json.loads(
    (sources.REPOSITORY / "benchmarks" / "results" / "augmentation.json").read_text(
        encoding="utf-8"
    )
)
print(
    f"measured {augmented['date']} on {augmented['environment']['device_name']}, {len(augmented['policies']['none']['accuracy']['values'])} seeds"
)
print(f"{'':18} {'test: median':>13} {'least':>7} {'largest':>8} {'on its own images':>18}")
for policy, row in augmented["policies"].items():
    a = row["accuracy"]
    print(
        f"{policy:18} {a['median']:13.4f} {a['least']:7.4f} {a['largest']:8.4f} {row['training_accuracy']['median']:18.4f}"
    )
print("\ndifference from none in percentage points, 95 % interval")
base = torch.tensor(augmented["policies"]["none"]["accuracy"]["values"])
for policy, row in augmented["policies"].items():
    if policy != "none":
        mean, half = interval(100 * (torch.tensor(row["accuracy"]["values"]) - base))
        verdict = "" if abs(mean) > half else "  (zero is inside)"
        print(f"{policy:18} {mean:+.2f} ± {half:.2f}{verdict}")

# %% [markdown]
# Mirroring, shifting and erasing bring about one percentage point each, and the intervals leave zero out; which of the three helps
# most, five seeds do not say, and none is useless. Mirroring *and* shifting leave zero out too, and are not better than shifting alone; why was not measured. With shifts, alone or not, the network
# is right for only nine in ten of its own 2,000 images, so both may need more passes. Turning over tells the network something untrue about the
# test images, where nothing is upside down. Its median is the lowest, but its interval holds zero: that it harms is likely, not shown.
#
# Two rows again, on your machine:

# %% tags=["nbval-ignore-output"]
few, shares = train.take(2_000), {}
for policy, change in (("none", lambda images: images), ("shift", augmentation.shift)):
    torch.manual_seed(seed)
    network = architectures.build("resnet", w).to(device, memory_format=torch.channels_last)
    for _ in classification.train_classifier(network, few, epochs=25, seed=seed, augment=change):
        pass
    shares[policy] = classification.accuracy(network, test)
    print(f"{policy:6} {shares[policy]:.4f}")

# %% tags=["verify"]
verify.claim(
    "5.7",
    "with 2,000 training images, shifting raises the test accuracy by",
    shares["shift"] - shares["none"],
    (0.0, None),
)

# %% [markdown]
# ## 5.9 Transfer: a trained network on a new task
#
# Labels are dear. A network that was trained on one task has learned to see edges, corners and surfaces, and
# these are not special to garments. **Transfer** keeps its layers as *features* and trains only a new linear
# head, on the few labels that there are.
#
# The usual source is a network trained on the million photographs of ImageNet. torchvision offers many, but not
# their weights: those have to be fetched once, 45 MB for a ResNet-18.


# %% tags=["nbval-ignore-output"]
def photograph_network() -> tuple[nn.Module | None, str]:
    """torchvision's ResNet-18 with ImageNet's weights, or None and the reason."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(10)  # seconds; a network that does not answer must not stop the lesson
    try:
        weights = torchvision.models.ResNet18_Weights.IMAGENET1K_V1
        quiet = io.StringIO()  # torch reports where it writes, on one of the two
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            return torchvision.models.resnet18(weights=weights), "fetched, or found in the cache"
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        return None, f"skipped: the weights could not be fetched ({type(error).__name__})"
    finally:
        socket.setdefaulttimeout(before)


photographs, reason = photograph_network()
print("ResNet-18 with ImageNet's weights:", reason)

# %% [markdown]
# If they were fetched, the table at the end of this section has a row for them in each task. Nothing in the text rests on it.
#
# The course's own classifier needs no download: its weights lie in the library. It is the network of
# [lesson 04](04_building_a_cnn.ipynb), trained in the same way for five passes instead of two; 93.2 % of the test images are
# right. Two new tasks, of photographs that come with scikit-image: patches of brick, grass and
# gravel, trained on the left half of each photograph and tested on the right half; and faces against other crops
# of photographs. There are **ten** labelled images a class.


# %%
def textures() -> tuple[Tensor, ...]:
    """Patches of three photographs: images and labels to train with, images and labels to test with."""
    parts = []
    for label, name in enumerate(("brick", "grass", "gravel")):
        photograph = torch.from_numpy(getattr(skimage.data, name)())[None, None] / 127.5 - 1
        half = F.avg_pool2d(photograph.float(), 2)  # (1, 1, 256, 256)
        patches = half.unfold(2, 32, 16).unfold(3, 32, 16)[0, 0]  # (15, 15, 32, 32)
        left, right = patches[:, :7], patches[:, 8:]  # they share no pixel
        for part in (left, right):
            images = part.reshape(-1, 1, 32, 32)
            parts.append((images, torch.full((len(images),), label)))
    return tuple(
        torch.cat([part[which] for part in parts[side::2]]) for side in (0, 1) for which in (0, 1)
    )


def faces() -> tuple[Tensor, ...]:
    """100 faces and 100 other crops, half of each to train with."""
    images = torch.from_numpy(skimage.data.lfw_subset()).float()[:, None] * 2 - 1
    images = F.interpolate(images, size=32, mode="bilinear", align_corners=False)
    labels = (torch.arange(200) >= 100).long()
    first = torch.arange(200) % 100 < 50
    return images[first], labels[first], images[~first], labels[~first]


TASKS = {"textures": textures(), "faces": faces()}
EACH, DRAWS = 10, 6
plotting.image_grid(
    torch.cat(
        [
            TASKS["textures"][0][[0, 30, 110, 140, 220, 250]],
            TASKS["faces"][0][[0, 1, 2, 50, 51, 52]],
        ]
    ),
    columns=6,
    titles=[
        "brick",
        "brick",
        "grass",
        "grass",
        "gravel",
        "gravel",
        "face",
        "face",
        "face",
        "other",
        "other",
        "other",
    ],
    alt="Twelve grey images: two patches each of brick, grass and gravel; three faces; three crops without a face.",
)

# %% [markdown]
# **Figure 5.7.** Images of the two new tasks. None of them looks like a garment on a black ground. Each texture is one
# photograph, so its brightness may give it away. Measured too is therefore what the pixels can do, and what they can do
# *sorted*, which leaves their brightnesses and takes their places away.
#
# Where should the old network be cut (Yosinski et al., 2014)? The later the layer, the better it knows garments.
# **Predict before you run:** which cut is best for textures, which for faces, and what would a network with
# *random* weights give at the same cut?


# %%
# Convolutions kept: how many modules of the body, and whether places are averaged.
CUTS = {
    "2": (6, True),
    "4": (13, True),
    "5": (17, True),
    "5, places": (18, False),
    "all": (None, False),
}


@torch.no_grad()
def describe(network: Classifier, images: Tensor, modules: int | None, average: bool) -> Tensor:
    """Features (B, D) of images (B, 1, 32, 32): the maps after so many modules, or the last ones."""
    network.eval()
    if modules is None:
        return network.features(images)
    maps = network.body[:modules](images)
    return maps.mean(dim=(2, 3)) if average else maps.flatten(1)


def linear_head(known: Tensor, labels: Tensor, new: Tensor) -> Tensor:
    """Classes (M,) of new features (M, D), by logistic regression on known ones (N, D)."""
    mean, spread = known.mean(0), known.std(0) + 1e-3 * known.std() + 1e-8
    known, new = (known - mean) / spread, (new - mean) / spread
    weight = torch.zeros(known.shape[1], int(labels.max()) + 1, requires_grad=True)
    search = torch.optim.LBFGS([weight], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        value = F.cross_entropy(known @ weight, labels) + 0.01 * weight.square().sum()
        value.backward()
        return value

    search.step(loss)
    return (new @ weight.detach()).argmax(1)


def draw_labelled(labels: Tensor, draw: int) -> Tensor:
    """Indices of EACH images of every class."""
    own = torch.Generator().manual_seed(1000 * seed + draw)
    found = [(labels == label).nonzero()[:, 0] for label in labels.unique()]
    return torch.cat(
        [places[torch.randperm(len(places), generator=own)[:EACH]] for places in found]
    )


def settled(number: int) -> Classifier:
    """Random weights, with the batch normalisations' statistics taken from 1,000 garments."""
    torch.manual_seed(1000 * seed + number)
    network = Classifier()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches
    with torch.no_grad():
        for indices in torch.arange(1000).split(250):
            network(train.batch(indices))
    return network.eval()


garments, _ = checkpoints.load_classifier(torch.device("cpu"))
NETWORKS = {"trained on garments": [garments], "random weights": [settled(k) for k in range(3)]}
scores: dict[tuple, list[float]] = {}
for task, (images, labels, new, answers) in TASKS.items():
    features = {
        (name, cut, number): (describe(network, images, *how), describe(network, new, *how))
        for name, networks in NETWORKS.items()
        for number, network in enumerate(networks)
        for cut, how in CUTS.items()
    }
    features["pixels", "", 0] = images.flatten(1), new.flatten(1)
    features["sorted pixels", "", 0] = tuple(x.flatten(1).sort(1).values for x in (images, new))
    for draw in range(DRAWS):
        chosen = draw_labelled(labels, draw)
        for key, (known, unknown) in features.items():
            said = linear_head(known[chosen], labels[chosen], unknown)
            scores.setdefault((task, *key[:2]), []).append(float((said == answers).float().mean()))
mean_score = {key: sum(values) / len(values) for key, values in scores.items()}


def draw_cuts(task: str):
    def draw(ax: Axes) -> None:
        for colour, name in (("blue", "trained on garments"), ("orange", "random weights")):
            values = [scores[task, name, cut] for cut in CUTS]
            ax.fill_between(
                range(len(CUTS)), [min(v) for v in values], [max(v) for v in values],
                color=plotting.COLOURS[colour], alpha=0.2, linewidth=0,
            )  # fmt: skip
            ax.plot(
                range(len(CUTS)), [mean_score[task, name, cut] for cut in CUTS], "o-",
                color=plotting.COLOURS[colour], label=name,
            )  # fmt: skip
        for name, dash in (("pixels", (5, 3)), ("sorted pixels", (1, 2))):
            ax.axhline(mean_score[task, name, ""], color="0.4", linestyle=(0, dash), label=name)
        ax.set_xticks(range(len(CUTS)), list(CUTS))
        ax.set(xlabel="layers kept", ylabel="accuracy", ylim=(0.5, 1.01))

    return draw


plotting.panels(
    [(task, draw_cuts(task)) for task in TASKS],
    height=3.2,
    note="Bands: least to largest of 6 draws of the labelled images; of 3 networks, too, where weights are random.",
    alt="Accuracy against the number of layers kept. Textures: the trained network is near 0.98 after 2 and 4 "
    "layers and falls to 0.8 at the end; random weights begin lower and end close to it. Faces: the means of both stay "
    "above 0.9, the trained network's a little higher; single draws fall to 0.85.",
)

# %% [markdown]
# **Figure 5.8.** A linear head on frozen features, ten labelled images a class, by the number of convolutions
# kept. "All": the last features, behind the fully connected layer. Features are means over places, but for the
# last two, which keep the $4 \times 4$ places apart. Dashed: the same head on the pixels themselves. Dotted: on
# the sorted pixels.

# %% tags=["verify"]
trained = {
    (task, cut): mean_score[task, "trained on garments", cut] for task in TASKS for cut in CUTS
}
verify.claim(
    "5.8",
    "for textures, the features after 4 convolutions are better than the last ones by",
    trained["textures", "4"] - trained["textures", "all"],
    (0.1, None),
)
verify.claim(
    "5.9",
    "for textures, after 4 convolutions, training on garments is worth",
    trained["textures", "4"] - mean_score["textures", "random weights", "4"],
    (0.02, None),
)
verify.claim(
    "5.10",
    "for faces, the last features are better than those after 2 convolutions by",
    trained["faces", "all"] - trained["faces", "2"],
    (-0.09, 0.11),
)
verify.claim(
    "5.11",
    "for textures, after 5 convolutions, keeping the places apart costs",
    trained["textures", "5"] - trained["textures", "5, places"],
    (0.05, None),
)

# %% [markdown]
# A texture is a matter of local surface, and the early layers describe that. Three things change
# after the fourth convolution: there is a fifth, then the places are kept apart, though a texture may begin anywhere, and
# then comes the fully connected layer. The second step, which also pools once more and hands the head sixteen times as many
# numbers, costs about half of what is lost; the other two cost the rest. For faces, whose parts have their places, keeping them costs
# nothing in Figure 5.8. Otherwise five seeds do not tell the cuts for faces apart: the last features are from 0.03 worse to 0.05
# better than those after two convolutions. For textures the last features are no better than the sorted pixels, or hardly; the early ones clearly
# are. *The last layer is not always the best one.* And random weights are not
# worthless: means of local filters carry much, so a transfer must be compared with them before it is praised.
#
# One can also go on and train *all* layers, from the old weights: **fine-tuning**. Against it, the same network
# from scratch. Both take 60 steps, each on all the labelled images of a draw (ten a class), with the
# learning rate 0.001. In the table they have the first three draws; frozen features have all six.


# %%
def train_all(start: nn.Module | None, task: str, draw: int, steps: int = 60) -> float:
    """Test accuracy of the whole network, trained on the labelled images of one draw."""
    images, labels, new, answers = TASKS[task]
    chosen = draw_labelled(labels, draw)
    torch.manual_seed(1000 * seed + draw)
    network = Classifier(classes=int(labels.max()) + 1)
    if start is not None:
        network.body.load_state_dict(start.body.state_dict())  # the head is new
    adam = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.05)
    network.train()
    for _ in range(steps):
        loss = F.cross_entropy(network(images[chosen]), labels[chosen])
        adam.zero_grad()
        loss.backward()
        adam.step()
    network.eval()
    with torch.no_grad():
        return float((network(new).argmax(1) == answers).float().mean())


whole = {
    (task, name): [train_all(start, task, draw) for draw in range(3)]
    for task in TASKS
    for name, start in (("from scratch", None), ("fine-tuned", garments))
}

# %% tags=["nbval-ignore-output"]
rows = {
    (task, f"frozen, kept: {cut}"): scores[task, "trained on garments", cut]
    for task in TASKS
    for cut in CUTS
}
rows |= {
    (task, f"random, kept: {cut}"): scores[task, "random weights", cut]
    for task in TASKS
    for cut in CUTS
}
rows |= {
    (task, name): scores[task, name, ""] for task in TASKS for name in ("pixels", "sorted pixels")
}
rows |= whole
if photographs is not None:
    encoder = nn.Sequential(*list(photographs.children())[:-1], nn.Flatten()).eval()
    centre, scale = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

    @torch.no_grad()
    def photograph_features(images: Tensor) -> Tensor:
        """(B, 1, 32, 32) in [-1, 1] -> (B, 512), after ImageNet's own normalisation."""
        large = F.interpolate(images, size=64, mode="bilinear", align_corners=False) / 2 + 0.5
        return encoder((large.expand(-1, 3, -1, -1) - centre[:, None, None]) / scale[:, None, None])

    for task, (images, labels, new, answers) in TASKS.items():
        known, unknown = photograph_features(images), photograph_features(new)
        for draw in range(DRAWS):
            chosen = draw_labelled(labels, draw)
            said = linear_head(known[chosen], labels[chosen], unknown)
            rows.setdefault((task, "frozen, ImageNet's ResNet-18"), []).append(
                float((said == answers).float().mean())
            )
print(f"{'':36} {'mean':>6} {'least':>6} {'largest':>8}")
for (task, name), values in sorted(rows.items()):
    print(
        f"{task:9} {name:26} {sum(values) / len(values):6.3f} {min(values):6.3f} {max(values):8.3f}"
    )

# %% tags=["verify"]
gains = {
    task: sum(whole[task, "fine-tuned"]) / 3 - sum(whole[task, "from scratch"]) / 3
    for task in TASKS
}
verify.claim(
    "5.12",
    "for faces, fine-tuning is better than training from scratch by",
    gains["faces"],
    (-0.03, 0.06),
)
verify.claim("5.13", "for textures, it loses against it by", -gains["textures"], (0.0, None))

# %% [markdown]
# Fine-tuning is no free gift. For faces it is about as good as training from scratch, or a little better. For
# textures it loses; why was not measured. There, in the table above, both stay behind a linear head on the first four
# convolutions, which trains 192 numbers. For textures, *what* is taken over matters more than training it further.
#
# ## Summary
#
# - VGG: stacks of small kernels see as far as a large one, with fewer weights. Inception: narrow by $1 \times 1$ before anything expensive, and several sizes side by side.
# - ResNet: $y = x + F(x)$; the gradient is multiplied by $I + J$, not by $J$. DenseNet: concatenate, and let each layer add a little.
# - With batch normalisation, random plain networks multiply the gradient's mean square by 1.47 a layer: three million in 40 layers. Residual ones by $1 + 1/v_{\ell-1}$: about a hundred.
# - Compare at a stated, equal price, seed by seed, with an interval. Two prices give two answers.
# - Augmentation helps if it tells the truth about the data.
# - To transfer, compare several cuts, and always random weights too.
#
# All four ideas come back where images are *made*: concatenation in the U-Net, skip connections in generators and in
# diffusion models, narrow $1 \times 1$ layers everywhere, and the question what is held equal in every
# comparison.
#
# **Exercises.** [Eight exercises](../exercises/05_architectures.ipynb), with checks that say what an
# answer misunderstood. [Solutions](../solutions/05_architectures.ipynb).
#
# ## Sources
#
# - K. Simonyan, A. Zisserman. *Very Deep Convolutional Networks for Large-Scale Image Recognition.* ICLR 2015.
# - C. Szegedy et al. *Going Deeper with Convolutions.* CVPR 2015. Section 4. And *Rethinking the Inception Architecture for Computer Vision.* CVPR 2016. Section 3.
# - K. He, X. Zhang, S. Ren, J. Sun. *Deep Residual Learning for Image Recognition.* CVPR 2016 (a). And *Identity Mappings in Deep Residual Networks.* ECCV 2016 (b).
# - Y. Cho, L. Saul. *Kernel Methods for Deep Learning.* NeurIPS 2009. (The product behind ReLUs.)
# - G. Huang, Z. Liu, L. van der Maaten, K. Weinberger. *Densely Connected Convolutional Networks.* CVPR 2017.
# - G. Yang et al. *A Mean Field Theory of Batch Normalization.* ICLR 2019. (Gradients of plain networks with batch normalisation.)
# - A. Veit, M. Wilber, S. Belongie. *Residual Networks Behave Like Ensembles of Relatively Shallow Networks.* NeurIPS 2016. (Paths.)
# - T. DeVries, G. Taylor. *Improved Regularization of Convolutional Neural Networks with Cutout.* 2017. (Erasing.)
# - J. Yosinski et al. *How transferable are features in deep neural networks?* NeurIPS 2014.
# - Student. *The Probable Error of a Mean.* Biometrika, 1908.
