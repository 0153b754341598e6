# %% [markdown]
# # 03. Backpropagation through a convolution
#
# > **The question.** A convolution turns an image into a map of answers. The loss says how each
# > answer should change. What does that say to each pixel and to each weight? And what has the reply
# > to do with the layers that *draw* images?
#
# | | |
# |---|---|
# | **You need** | Convolution in its index form and as a matrix ([lesson 02](02_convolution.ipynb)), partial derivatives, the chain rule |
# | **You will be able to** | derive the gradients of a convolution and write them by hand, check any gradient, say what a transposed convolution is and how large its output gets, and find and repair a checkerboard |
# | **Time** | about half a minute of computing on 2 CPU cores, an hour of reading. A GPU makes no difference here. |

# %%
import math

import numpy as np
import sympy
import torch
from matplotlib.axes import Axes
from torch import Tensor
from torch.nn import functional as F

from course_lib import convolution, convolution_gradients, plotting, runtime, verify

seed = runtime.seed(0)
random = torch.Generator().manual_seed(seed)


def numbers(*shape: int) -> Tensor:
    """Standard Gaussians in double precision."""
    return torch.randn(*shape, dtype=torch.float64, generator=random)


# %% [markdown]
# ## 3.1 The idea in one picture
#
# Each output number of a convolution is a weighted sum of the pixels in its window. Draw a line from
# each pixel to each output that sees it. Going forward, a line carries the pixel's value, times a
# weight. Going backward, the *same* line carries the output's blame, times the *same* weight.


# %%
def draw_lines(forward: bool):
    def draw(ax: Axes) -> None:
        colours = [plotting.COLOURS[name] for name in ("blue", "orange", "green")]
        for j in range(4):
            for u in range(3):
                chosen = j == 1 if forward else j + u == 2
                ax.annotate(
                    "",
                    (j + 1, 1) if forward else (j + u, 0),
                    (j + u, 0) if forward else (j + 1, 1),
                    arrowprops={
                        "arrowstyle": "->",
                        "color": colours[u] if chosen else "0.85",
                        "linewidth": 1.8 if chosen else 0.8,
                        "shrinkA": 9,
                        "shrinkB": 9,
                    },
                )
        for count, level, name in ((6, 0, "x"), (4, 1, "y")):
            for k in range(count):
                ax.text(
                    k + level, level, f"${name}_{k}$", ha="center", va="center",
                    bbox={"boxstyle": "circle", "facecolor": "white", "edgecolor": "0.3"},
                )  # fmt: skip
        ax.set(xlim=(-0.6, 5.6), ylim=(-0.25, 1.25))
        ax.set_axis_off()

    return draw


plotting.panels(
    [
        ("forward: what output 1 sees", draw_lines(True)),
        ("backward: who blames pixel 2", draw_lines(False)),
    ],
    alt="Six pixels below, four outputs above. Left, three arrows from pixels 1 to 3 up to output 1. "
    "Right, three arrows down to pixel 2, from the outputs 0 to 2, with the colours in the opposite order.",
)

# %% [markdown]
# **Figure 3.1.** A convolution with $K = 3$ along a line. Each colour is one weight: blue $w_0$,
# orange $w_1$, green $w_2$. Left, output 1 reads the pixels 1, 2, 3 with $w_0, w_1, w_2$. Right, pixel
# 2 hears from the outputs 2, 1, 0 with $w_0, w_1, w_2$: the kernel runs backwards.
#
# ## 3.2 The gradients, by indices
#
# Let $L$ be the loss, one number, and write $g_{o,i,j} = \partial L / \partial y_{o,i,j}$ for what the
# layers above hand down: how much $L$ grows with that output number. The layer is (2.5). We leave out the
# batch index: each image has a gradient of its own, while weight and bias serve all images, and their
# gradients are added up over the batch. Which pixels does $y_{o,i,j}$ depend on, and how strongly?
#
# $$ \frac{\partial y_{o,i,j}}{\partial x_{c,h,k}} = w_{o,c,u,v} \quad \text{if } h = S i + D u - P \text{ and } k = S j + D v - P \text{ for some } u, v \text{ in the kernel}, \tag{3.1} $$
#
# and 0 if there are none. The chain rule adds up over all the ways in which a pixel reaches the loss:
#
# $$ \frac{\partial L}{\partial x_{c,h,k}} = \sum_{o,i,j} g_{o,i,j}\, \frac{\partial y_{o,i,j}}{\partial x_{c,h,k}} = \sum_o \sum_{u,v} w_{o,c,u,v}\; g_{o,\,(h + P - D u)/S,\,(k + P - D v)/S}, \tag{3.2} $$
#
# where only those $u, v$ count for which both divisions come out even and hit an output number. A
# weight is used once at each place of the output, so
#
# $$ \frac{\partial L}{\partial w_{o,c,u,v}} = \sum_{i,j} g_{o,i,j}\; x_{c,\;S i + D u - P,\;S j + D v - P}, \qquad \frac{\partial L}{\partial \beta_o} = \sum_{i,j} g_{o,i,j}. \tag{3.3} $$
#
# Both are convolutions again. For $S = D = 1$ (3.2) has $g$ with the indices $h + P - u$: the image of
# gradients $g$ meets the *flipped* kernel, as Figure 3.1 shows. And (3.3) is (2.5) with $g$ in the
# place of the kernel, in which **stride and dilation have changed places**: the window moves by $D$,
# and the numbers of $g$ lie $S$ pixels apart. (If the stride left a
# remainder of $D$ pixels or more, this gives more than $K$ numbers along a side; the first $K$ are the gradient.)
#
# Written as loops, it is shorter than it looks. Instead of asking each pixel which outputs saw it, go
# through the outputs and *add* to every pixel that they saw.


# %% tags=["keep"]
def gradients(g: Tensor, x: Tensor, w: Tensor, S: int, P: int, D: int) -> tuple[Tensor, ...]:
    """Equations (3.2), (3.3): (O, H_out, W_out), (C, H, W), (O, C, K, K) -> dL/dx, dL/dw, dL/dbias."""
    K = w.shape[-1]
    x = F.pad(x, (P, P, P, P))
    dx, dw = torch.zeros_like(x), torch.zeros_like(w)
    for o, i, j in np.ndindex(*g.shape):
        for u, v in np.ndindex(K, K):
            h, k = S * i + D * u, S * j + D * v  # in the padded image
            dx[:, h, k] += g[o, i, j] * w[o, :, u, v]
            dw[o, :, u, v] += g[o, i, j] * x[:, h, k]
    dx = dx[:, P : dx.shape[1] - P, P : dx.shape[2] - P]  # the padding is no pixel of ours
    return dx, dw, g.sum(dim=(1, 2))


# %% [markdown]
# ## 3.3 The gradients, by matrices
#
# Lesson 02 wrote the convolution as one matrix, $\operatorname{vec}(y) = T \operatorname{vec}(x)$. The
# derivative of output number $a$ by pixel $b$ is then the entry $T_{a,b}$: that is (3.1). So the sum
# (3.2) is a product with the *transposed* matrix,
#
# $$ \operatorname{vec}\!\Bigl(\frac{\partial L}{\partial x}\Bigr) = T^{\mathsf T} \operatorname{vec}(g). \tag{3.4} $$
#
# Forward $T$, backward $T^{\mathsf T}$: this holds for every linear layer. In a nonlinear one the matrix of its derivatives
# takes the place of $T$: for a ReLU it is diagonal, with ones and zeros. For the weights take the other matrix form, $Y = W X_{\text{col}}$,
# which is linear in $W$. With $G$ for the matrix of the $g$ and the two rules
#
# $$ Y = W X \quad\Longrightarrow\quad \frac{\partial L}{\partial W} = G X^{\mathsf T}, \qquad \frac{\partial L}{\partial X} = W^{\mathsf T} G, \tag{3.5} $$
#
# the gradients are
#
# $$ \frac{\partial L}{\partial W} = G\, X_{\text{col}}^{\mathsf T}, \tag{3.6} $$
#
# $$ \frac{\partial L}{\partial x} = \operatorname{col2im}\bigl( W^{\mathsf T} G \bigr), \tag{3.7} $$
#
# where **col2im** puts every column back to where im2col took it from, and *adds* where windows
# overlap. It is the transpose of im2col, which is linear too: it copies.
#
# (3.5) is worth deriving once. $Y_{a,b} = \sum_t W_{a,t} X_{t,b}$, so $W_{a,t}$ reaches the loss
# through the whole row $a$ of $Y$: $\partial L / \partial W_{a,t} = \sum_b G_{a,b} X_{t,b}$, the entry
# $(a, t)$ of $G X^{\mathsf T}$. In the same way $X_{t,b}$ reaches it through column $b$.
#
# ## 3.4 Four ways, one answer
#
# By indices, by matrices, by PyTorch's autograd, and with no calculus at all: by **finite
# differences**, $\partial L / \partial p \approx \bigl(L(p + \varepsilon) - L(p - \varepsilon)\bigr) / 2\varepsilon$
# for each single number $p$. As the loss we take $L = \sum_{o,i,j} \tanh(y_{o,i,j})$, so that $g$ is
# not constant: $g = 1 - \tanh^2 y$.

# %%
S, P, D = 2, 1, 2
x, w, bias = numbers(2, 9, 8), numbers(3, 2, 3, 3), numbers(3)


def loss(x: Tensor, w: Tensor, bias: Tensor) -> Tensor:
    return F.conv2d(x, w, bias, S, P, D).tanh().sum()


def by_differences(which: int, epsilon: float = 1e-5, dtype: torch.dtype = torch.float64) -> Tensor:
    """Two losses for every single number of x, w or bias."""
    given = [value.to(dtype).clone() for value in (x, w, bias)]
    flat = given[which].view(-1)
    slopes = torch.zeros(len(flat), dtype=torch.float64)
    for k in range(len(flat)):
        kept = flat[k].item()
        flat[k] = kept + epsilon
        above = loss(*given).double()
        flat[k] = kept - epsilon
        below = loss(*given).double()
        flat[k] = kept
        slopes[k] = (above - below) / (2 * epsilon)
    return slopes.view(given[which].shape)


y = F.conv2d(x, w, bias, S, P, D)
g = 1 - y.tanh() ** 2  # (3, 4, 3)

by_index = gradients(g, x, w, S, P, D)

T = convolution.convolution_matrix(w, (9, 8), S, P, D)
X_col = convolution.im2col(x[None], (3, 3), S, P, D)[0]
by_matrix = (
    (T.T @ g.flatten()).view_as(x),
    (g.flatten(1) @ X_col.T).view_as(w),
    g.flatten(1).sum(1),
)

leaves = [value.clone().requires_grad_() for value in (x, w, bias)]
by_autograd = torch.autograd.grad(loss(*leaves), leaves)

by_difference = [by_differences(which) for which in range(3)]

# %% tags=["verify"]
jacobian = torch.autograd.functional.jacobian(lambda x: F.conv2d(x, w, bias, S, P, D), x)
verify.equation("3.1", jacobian.reshape(T.shape), T)
verify.equation("3.2", by_index[0], by_difference[0], tolerance=1e-8)
verify.equation(
    "3.3",
    torch.cat([part.flatten() for part in by_index[1:]]),
    torch.cat([part.flatten() for part in by_difference[1:]]),
    tolerance=1e-8,
)
verify.equation("3.4", by_matrix[0], by_autograd[0])

W_matrix, X_matrix = numbers(3, 5).requires_grad_(), numbers(5, 4).requires_grad_()
G = numbers(3, 4)
slopes = torch.autograd.grad(((W_matrix @ X_matrix) * G).sum(), [W_matrix, X_matrix])
verify.equation(
    "3.5",
    torch.cat([slopes[0].flatten(), slopes[1].flatten()]),
    torch.cat([(G @ X_matrix.T).flatten(), (W_matrix.T @ G).flatten()]).detach(),
)
verify.equation("3.6", by_matrix[1], by_autograd[1])
columns = w.flatten(1).T @ g.flatten(1)  # (C K K, H_out W_out)
verify.equation(
    "3.7", convolution_gradients.col2im(columns[None], (9, 8), (3, 3), S, P, D)[0], by_autograd[0]
)

# %% tags=["nbval-ignore-output"]
ways = {"indices": by_index, "matrices": by_matrix, "differences": by_difference}
print("largest difference from autograd's gradient, for x, w and bias:")
for name, found in ways.items():
    gaps = [float((a - b).abs().max()) for a, b in zip(found, by_autograd, strict=True)]
    print(f"{name:12}", "  ".join(f"{gap:.0e}" for gap in gaps))

# %% tags=["verify"]
exact = max(
    float((a - b).abs().max())
    for found in (by_index, by_matrix)
    for a, b in zip(found, by_autograd, strict=True)
)
verify.claim("3.1", "indices and matrices differ from autograd by at most", exact, (None, 1e-12))

# %% [markdown]
# ### What goes wrong: the step of a finite difference
#
# Three ways agree to the last digits and one does not. **Predict before you run:** the derivative is
# a limit, so a smaller $\varepsilon$ is better. Is it? And how small may it be in the 32-bit numbers in
# which networks are trained?

# %%
steps = [10.0**-k for k in range(11, 0, -1)]
errors = {
    f"{name} numbers": [
        float((by_differences(1, step, dtype) - by_autograd[1]).abs().max()) for step in steps
    ]
    for name, dtype in (("32-bit", torch.float32), ("64-bit", torch.float64))
}
plotting.curves(
    steps,
    {name: [max(value, 1e-12) for value in found] for name, found in errors.items()},
    xlabel="step ε",
    ylabel="largest error of a weight's gradient",
    logx=True,
    logy=True,
    alt="Two curves with logarithmic axes. The one in 64 bits is V-shaped, with its least error, about 2e-10, near a "
    "step of 1e-5. In 32 bits the error is flat at about 3 up to a step of 1e-7, falls to about 2e-4 near 1e-2, "
    "and rises again.",
)

# %% [markdown]
# **Figure 3.2.** The error of finite differences by their step. On the right the step is too coarse,
# on the left the two losses agree in nearly all their digits and the difference is round-off. In 32 bits, below about $10^{-7}$,
# the step is lost altogether: $p + \varepsilon$ is rounded to $p$, the difference is zero, and the error is the gradient itself.
#
# Two errors work against each other. Taylor's theorem puts the first at
# $\varepsilon^2 L''' / 6$, with $L'''$ for the third derivative of $L$ by the number that is changed. The second is the round-off $\eta$ of the loss divided by the step,
# $\eta / \varepsilon$. Their sum is least where its derivative is zero,
#
# $$ \varepsilon^* = \left( \frac{3\, \eta}{L'''} \right)^{1/3}, \tag{3.8} $$
#
# and the figure gives both numbers. On the right the error is about $2 \varepsilon^2$, so $L'''$ is about 12. On the left, as long as
# the step is not lost, it is about $\eta / \varepsilon$, with $\eta = 8 \cdot 10^{-16}$ in 64 bits and $4 \cdot 10^{-7}$ in 32 bits. That makes
# $\varepsilon^* = 6 \cdot 10^{-6}$ and $5 \cdot 10^{-3}$. So a gradient is
# checked **in 64 bits, with a step of about $10^{-5}$**, and in 32 bits not at all.

# %% tags=["verify"]
step, eta, third = sympy.symbols("epsilon eta L3", positive=True)
(best,) = sympy.solve(sympy.diff(step**2 * third / 6 + eta / step, step), step)
verify.equation("3.8", best, sympy.cbrt(3 * eta / third))
smallest = {name: min(found) for name, found in errors.items()}
verify.claim(
    "3.2", "the least error in 64 bits is at most", smallest["64-bit numbers"], (None, 1e-8)
)
verify.claim(
    "3.3",
    "the least error in 32 bits is larger than that by a factor of at least",
    smallest["32-bit numbers"] / smallest["64-bit numbers"],
    (100_000.0, None),
)

# %% [markdown]
# ## 3.5 A layer with a backward pass of our own
#
# PyTorch lets us hang our own backward pass on our own forward pass. `forward` keeps what `backward`
# needs, and `backward` returns a gradient for each input of `forward`, `None` for those that are no
# tensors.


# %% tags=["keep"]
class Convolution(torch.autograd.Function):
    """(B, C, H, W), (O, C, K, K), (O,), stride, padding -> (B, O, H_out, W_out)."""

    @staticmethod
    def forward(ctx, x, w, bias, S, P):
        ctx.save_for_backward(x, w)
        ctx.settings = S, P
        columns = convolution.im2col(x, w.shape[2:], S, P)  # (B, C K K, H_out W_out)
        rows = convolution.output_size(x.shape[2], w.shape[2], S, P)
        return (w.flatten(1) @ columns).unflatten(2, (rows, -1)) + bias[:, None, None]

    @staticmethod
    def backward(ctx, g):
        (x, w), (S, P) = ctx.saved_tensors, ctx.settings
        columns = convolution.im2col(x, w.shape[2:], S, P)
        g_rows = g.flatten(2)  # (B, O, H_out W_out)
        dx = convolution_gradients.col2im(
            w.flatten(1).T @ g_rows, x.shape[2:], w.shape[2:], S, P
        )  # (3.7)
        dw = (g_rows @ columns.transpose(1, 2)).sum(0).view_as(w)  # (3.6), summed over the batch
        return dx, dw, g.sum(dim=(0, 2, 3)), None, None


# %% [markdown]
# `torch.autograd.gradcheck` does much as section 3.4 did: finite differences, number by number, with a step of $10^{-6}$
# unless told, and for every output number. The inputs are ours to choose: random ones, in 64 bits. It is the test that every hand-written backward pass deserves. Would it notice a
# mistake? One that is easily made is to write `=` where `+=` belongs in col2im, so that of all the
# windows that saw a pixel only the last is heard.

# %% tags=["verify"]
arguments = [
    value.requires_grad_() for value in (numbers(2, 2, 6, 5), numbers(3, 2, 3, 3), numbers(3))
]
verify.claim(
    "3.4",
    "gradcheck accepts our backward pass for so many of four settings",
    sum(
        torch.autograd.gradcheck(Convolution.apply, (*arguments, S, P))
        for S in (1, 2)
        for P in (0, 1)
    ),
    (4, 4),
)


class Overwriting(Convolution):
    """The same with = for += where windows overlap."""

    @staticmethod
    def backward(ctx, g):
        (x, w), (S, P) = ctx.saved_tensors, ctx.settings
        _, *others = Convolution.backward(ctx, g)
        padded = torch.zeros_like(F.pad(x, (P,) * 4))
        for i, j in np.ndindex(*g.shape[2:]):
            patch = torch.einsum("bo,ocuv->bcuv", g[:, :, i, j], w)
            padded[:, :, S * i : S * i + w.shape[2], S * j : S * j + w.shape[3]] = patch
        return (padded[:, :, P : P + x.shape[2], P : P + x.shape[3]], *others)


caught = {}
for K, S_ in ((3, 1), (3, 2), (2, 2)):
    given = [numbers(2, 2, 6, 6).requires_grad_(), numbers(3, 2, K, K), numbers(3), S_, 0]
    caught[K, S_] = not torch.autograd.gradcheck(Overwriting.apply, given, raise_exception=False)
print("found by gradcheck, by (K, S):", caught)
assert caught == {(3, 1): True, (3, 2): True, (2, 2): False}

# %% [markdown]
# The mistake is found for $K = 3$ and missed for $K = S = 2$, where windows do not overlap and nothing
# is overwritten. A check proves what it looked at. Choose sizes at which things *happen*: windows
# that overlap, a stride that leaves a remainder, more than one image and one channel.
#
# The library keeps the layer, with dilation and groups, as
# `course_lib.convolution_gradients.Convolution`.
#
# ## 3.6 The transposed convolution
#
# A generator has to make maps larger. Look at what we have: the backward pass (3.2) takes a small map
# $g$ and makes a large one of it, with a kernel that could be learned. So use it *forward*. A
# **transposed convolution** with weight $w$, stride $S$ and padding $P$ is the input gradient of the
# convolution with these numbers: its matrix is $T^{\mathsf T}$.
#
# What singles out the transpose among all maps in that direction? For every $x$ and $y$ of the
# right sizes
#
# $$ \langle T x,\, y \rangle = \langle x,\, T^{\mathsf T} y \rangle, \qquad \langle a, b \rangle = \sum_k a_k b_k. \tag{3.9} $$
#
# A map with this property is called the **adjoint**, and it gives a test that needs no matrix at all:
# draw $x$ and $y$ at random and compare two numbers.
#
# How large is its output? The convolution takes $H$ pixels to
# $H' = \lfloor (H + 2P - D(K-1) - 1)/S \rfloor + 1$. Solve for $H$. The rounding throws a remainder $r$
# away, $0 \le r < S$, so
#
# $$ H = S\,(H' - 1) + D\,(K - 1) + 1 - 2P + r. \tag{3.10} $$
#
# The convolution maps $S$ different sizes $H$ to the same $H'$. On the way back somebody has to say
# which of them is meant. That is the **output padding** $r$, zero unless told. It pads nothing: the
# additional rows at the far end get what the kernels lay there, if any reaches so far.

# %% tags=["verify"]
for S, P, K, r in [(1, 0, 3, 0), (2, 1, 4, 0), (2, 1, 3, 1), (3, 2, 5, 2)]:
    y = numbers(2, 4, 5, 6)  # the small map
    w = numbers(4, 3, K, K)  # of the convolution from 3 to 4 channels
    back = F.conv_transpose2d(y, w, stride=S, padding=P, output_padding=r)
    x = numbers(*back.shape)
    verify.equation("3.9", (F.conv2d(x, w, stride=S, padding=P) * y).sum(), (x * back).sum())

measured, formula = [], []
for H in range(1, 7):
    for K in range(1, 6):
        for S in range(1, 4):
            for P in range(3):
                for D in (1, 2):
                    for r in range(S):
                        size = S * (H - 1) + D * (K - 1) + 1 - 2 * P + r
                        if size > 0:
                            out = F.conv_transpose1d(
                                torch.ones(1, 1, H), torch.ones(1, 1, K),
                                stride=S, padding=P, output_padding=r, dilation=D,
                            )  # fmt: skip
                            measured.append(out.shape[-1])
                            formula.append(size)
                            assert convolution.output_size(size, K, S, P, D) == H
verify.equation("3.10", np.array(measured), np.array(formula))

# %% [markdown]
# > **Correction.** The layer is often called *deconvolution*. It does not undo a convolution:
# > $T^{\mathsf T} T$ is not the identity. It only has the sizes that an inverse would have. Nor is it
# > a convolution that "runs backwards in time": it is the transpose, and for stride 1 that is an
# > ordinary convolution with the flipped kernel, the same dilation, the channels exchanged and a padding of
# > $D\,(K - 1) - P$.

# %%
x, w = numbers(1, 1, 8, 8), numbers(1, 1, 3, 3)
there_and_back = F.conv_transpose2d(F.conv2d(x, w, padding=1), w, padding=1)
cosine = float((x * there_and_back).sum() / (x.norm() * there_and_back.norm()))
print(f"cosine of an image and its image there and back: {cosine:.2f}; an inverse gives 1.00")

# %% [markdown]
# ## 3.7 Overlap, and the checkerboard
#
# A transposed convolution lays a kernel down for each input pixel, $S$ pixels apart, and adds. Look
# along a line, away from the border. Position $u$ of every kernel falls on pixels $h$ of one **phase**
# only, $h \bmod S = u \bmod S$, and once on each of them. So a pixel of phase $p$ is touched as many
# times as there are positions $p, p + S, p + 2S, \dots$ below $K$ (for $D = 1$, and before the padding
# is cut off):
#
# $$ n_p = \left\lceil \frac{K - p}{S} \right\rceil \text{ for } p < K, \qquad \sum_{p=0}^{S-1} n_p = K, \tag{3.11} $$
#
# where $\lceil \cdot \rceil$ rounds up; for $p \ge K$ it is 0.
# All phases get the same number if and only if $S$ divides $K$. In two dimensions the counts
# multiply. With weights of mean zero and variance $\sigma^2$, independent of each other and of the inputs, and inputs of mean square
# one, an output pixel is a sum of $C\, n_p\, n_q$ products, no two of which correlate, and its variance is
#
# $$ \operatorname{Var}(y_{\text{phase } p, q}) = C\, \sigma^2\, n_p\, n_q. \tag{3.12} $$
#
# For $K = 3$, $S = 2$ that is $4 : 2 : 2 : 1$ among the four kinds of pixel: a checkerboard, in a
# network that has not seen an image yet.

# %% tags=["verify"]
counted, predicted = [], []
for K in range(1, 8):
    for S in range(1, 5):
        touched = F.conv_transpose1d(torch.ones(1, 1, 20), torch.ones(1, 1, K), stride=S)[0, 0]
        inside = 8 * S  # past the first kernels that reach in from the border
        counted += touched[inside : inside + S].tolist()
        predicted += [max(0, math.ceil((K - p) / S)) for p in range(S)]
verify.equation("3.11", np.array(counted), np.array(predicted))

channels, sigma = 64, 0.1
fresh = [
    F.conv_transpose2d(numbers(4, channels, 24, 24), sigma * numbers(channels, 64, 3, 3), stride=2)
    for _ in range(4)
]
phases = torch.stack(
    [
        torch.cat([y[:, :, 8 + p : 40 : 2, 8 + q : 40 : 2].flatten() for y in fresh]).var()
        for p in (0, 1)
        for q in (0, 1)
    ]
)
# Monte-Carlo over weights and inputs: the standard error is about one per cent.
counted = channels * sigma**2 * torch.tensor([4.0, 2.0, 2.0, 1.0]).double()
verify.equation("3.12", phases / counted, torch.ones(4).double(), tolerance=0.06)


# %%
def up(kind: str, x: Tensor, w: Tensor) -> Tensor:
    """Twice as large: a transposed convolution, or nearest-neighbour resizing and a convolution."""
    if kind == "resize, K = 3":
        return F.conv2d(
            F.interpolate(x, scale_factor=2, mode="nearest"), w.transpose(0, 1), padding=1
        )
    K = w.shape[-1]
    return F.conv_transpose2d(x, w, stride=2, padding=(K - 1) // 2, output_padding=K % 2)


KINDS = {"transposed, K = 3": 3, "transposed, K = 5": 5, "transposed, K = 4": 4, "resize, K = 3": 3}


def draw_counts(kind: str):
    def draw(ax: Axes) -> None:
        counts = up(kind, torch.ones(1, 1, 8, 8), torch.ones(1, 1, KINDS[kind], KINDS[kind]))[
            0, 0, 4:12, 4:12
        ]
        ax.imshow(counts.numpy(), cmap="viridis", vmin=0, vmax=9)
        for row, column in np.ndindex(8, 8):
            ax.text(
                column, row, f"{counts[row, column]:.0f}", ha="center", va="center", fontsize=7,
                color="white" if counts[row, column] < 5 else "black",
            )  # fmt: skip
        ax.set_xticks([])
        ax.set_yticks([])

    return draw


plotting.panels(
    [(kind, draw_counts(kind)) for kind in KINDS],
    columns=4,
    height=2.1,
    alt="Four maps of counts. Transposed with kernel 3: the numbers 1, 2 and 4 in a checkerboard. Kernel 5: "
    "4, 6 and 9. Kernel 4: 4 everywhere. Resizing and a convolution: 9 everywhere.",
)

# %% [markdown]
# **Figure 3.3.** How many products make each output pixel, away from the border. Stride 2. With kernel 4, and
# with resizing before an ordinary convolution, all pixels are made of equally many.
#
# Now stack three such layers, as a generator does, with random weights and ReLUs between, and look at
# images before any training. **Predict before you run:** which of the four will show a grid?


# %%
def untrained(kind: str, network: int) -> Tensor:
    """Four images of a three-layer generator with random weights: (4, 1, 64, 64)."""
    own = torch.Generator().manual_seed(1000 * seed + network)
    y = torch.randn(4, 32, 8, 8, generator=own)
    for channels in (32, 32, 1):
        w = torch.randn(32, channels, KINDS[kind], KINDS[kind], generator=own)
        y = up(kind, y, w)
        y = y / y.std() if channels == 1 else torch.relu(y / y.std())
    return y


def powers(images: Tensor) -> Tensor:
    """Mean square of the pixels of each of the four phases, away from the border: (4,)."""
    inner = images[..., 16:48, 16:48]
    return torch.stack([inner[..., p::2, q::2].square().mean() for p in (0, 1) for q in (0, 1)])


systematic, single, pictured = {}, {}, {}
for kind in KINDS:
    found = torch.stack([powers(untrained(kind, network)) for network in range(60)])  # (60, 4)
    systematic[kind] = float(found.mean(0).max() / found.mean(0).min())
    single[kind] = float((found.amax(1) / found.amin(1)).median())
    pictured[kind] = float(found[0].max() / found[0].min())
plotting.image_grid(
    torch.cat([untrained(kind, 0)[:1] for kind in KINDS]).clamp(-3, 3) / 3,
    columns=4,
    titles=list(KINDS),
    alt="Four noise images. Over the first three lies a fine regular grid, over the last one none "
    "that the eye finds.",
)

# %% [markdown]
# **Figure 3.4.** An image of an untrained generator, for each of the four ways to double. Three of them show a grid, kernel 4
# too, whose counts are all equal. A single network cannot tell a rule from an accident, so the table compares 60 networks
# with the one that is shown.

# %% tags=["nbval-ignore-output"]
print("largest phase over smallest     over 60 networks   in one (median)   in the one shown")
for kind in KINDS:
    print(f"{kind:31} {systematic[kind]:10.2f} {single[kind]:17.2f} {pictured[kind]:18.2f}")

# %% tags=["verify"]
verify.claim(
    "3.5",
    "with kernel 3, over 60 networks, the largest phase over the smallest is at least",
    systematic["transposed, K = 3"],
    (3.0, None),
)
verify.claim("3.6", "with kernel 4, it is at most", systematic["transposed, K = 4"], (None, 1.5))
verify.claim(
    "3.7",
    "but in one network with kernel 4 it is, in the median, at least",
    single["transposed, K = 4"],
    (2.0, None),
)
verify.claim(
    "3.8", "and in one network that resizes first, at most", single["resize, K = 3"], (None, 1.2)
)

# %%
line = torch.ones(1, 1, 12)
for _ in range(3):
    line = F.conv_transpose1d(line, torch.ones(1, 1, 3), stride=2)
print("powers along a line after three layers, kernel 3:", line[0, 0, 40:48].int().tolist())

# %% [markdown]
# Two different things show here. The *systematic* grid is that of (3.12). For the four kinds of pixel that are compared
# here it says $4 : 1$ for kernel 3, $9 : 4$ for kernel 5 and nothing for kernel 4, and the means over 60 networks come near
# that (under five seeds 3.3 to 4.0 for kernel 3, and 1.1 to 1.2 for kernel 4, where chance keeps the largest above the smallest). This ratio is the last layer's, and the ReLUs do not wash it out. The earlier layers do not change it, but they add
# coarser grids, which the comparison averages over. A pixel's power is, up to a factor, the sum of the powers of the pixels that
# its products read. So a transposed convolution with weights of one carries the powers from layer to layer: with kernel 3 and three
# layers there are eight kinds of pixel along a line, as printed above. But *one* network with kernel 4 has a grid
# too, because its four phases are computed with four different quarters of the kernel. It is an accident
# of its weights, and training can remove it by changing weights; it has no bias to work against. After
# resizing, every pixel is computed with the same nine weights. The four kinds of pixel differ only in which of these fall on
# copies of the same pixel, and in their powers there is hardly a grid at all. (The powers do not say everything. Along a line, the
# step from one pixel to the next is $w_0 (x_a - x_{a-1}) + w_2 (x_{a+1} - x_a)$ inside a doubled pixel, and
# $w_1 (x_{a+1} - x_a)$ from one to the next: two weights against one.)
#
# The same counts come back in the *gradient*: by (3.4) the pattern of a strided convolution's backward pass is that of the transposed
# one. A discriminator with kernel 3 and stride 2 pushes some pixels of the image four times as often as
# others (Odena et al., 2016). The repairs are those of the figure: a kernel that the stride divides; or, in a generator, resizing
# first, and in a discriminator the transpose of that, a convolution with stride 1 and average pooling behind it. Lesson 09 uses
# the first.
#
# ## 3.8 Pooling and its gradient
#
# **Average pooling** is a convolution with fixed equal weights, each channel for itself. So its gradient
# is known: each of the $K^2$ pixels of a window gets $g / K^2$. **Max pooling** passes on the largest
# pixel of the window, at the place $m(i, j)$. Moving any other pixel a little changes nothing, so
#
# $$ \frac{\partial L}{\partial x_{h,k}} = \sum_{i,j} g_{i,j}\; \bigl[\, m(i, j) = (h, k) \,\bigr], \tag{3.13} $$
#
# with $[\cdot]$ for 1 if true and 0 if not. The pixel with the maximum gets all, the others nothing. If
# windows overlap, a pixel can win in several and gets the sum.


# %% tags=["verify"]
def max_pool_gradient(g: Tensor, x: Tensor, K: int, S: int) -> Tensor:
    """Equation (3.13): (H_out, W_out) and (H, W) -> (H, W)."""
    dx = torch.zeros_like(x)
    for i, j in np.ndindex(*g.shape):
        window = x[S * i : S * i + K, S * j : S * j + K]
        u, v = divmod(int(window.argmax()), window.shape[1])
        dx[S * i + u, S * j + v] += g[i, j]
    return dx


x = numbers(9, 9).requires_grad_()
for K, S in ((2, 2), (3, 2), (3, 1)):
    pooled = F.max_pool2d(x[None, None], K, S)[0, 0]
    g = numbers(*pooled.shape)
    (slope,) = torch.autograd.grad((pooled * g).sum(), x)
    verify.equation("3.13", max_pool_gradient(g, x.detach(), K, S), slope)

# %% [markdown]
# One thing is left. What if two pixels are *equally* large? After a ReLU whole windows are zero. The
# maximum has no derivative there, and a library must pick. Finite differences from the two sides
# disagree about it.

# %%
tie = torch.zeros(1, 1, 2, 2, dtype=torch.float64, requires_grad=True)
F.max_pool2d(tie, 2).sum().backward()
smooth = torch.zeros(1, 1, 2, 2, dtype=torch.float64, requires_grad=True)
F.avg_pool2d(smooth, 2).sum().backward()
print("gradient of the maximum of four zeros:", tie.grad.flatten().tolist())
print("gradient of their mean:               ", smooth.grad.flatten().tolist())
accepted = torch.autograd.gradcheck(lambda x: F.max_pool2d(x, 2), (tie,), raise_exception=False)
print("gradcheck accepts the first:", accepted)
assert tie.grad.flatten().tolist() == [1, 0, 0, 0] and not accepted

# %% [markdown]
# The first pixel takes all: for a window of zeros the gradient always goes to its upper left corner. It
# is one of the possible answers (a *subgradient*), not a mistake. In training it hardly matters, because
# a ReLU stops the gradient of a pixel that is zero anyway. In a gradient check it does matter: draw
# inputs without ties.
#
# ## Summary
#
# - Backward uses the same lines as forward: a pixel collects, from every output that saw it, that output's gradient times the weight between them.
# - In matrices: forward $T$, backward $T^{\mathsf T}$; for the weights $G X_{\text{col}}^{\mathsf T}$; col2im *adds*.
# - Check a gradient in 64 bits, with a step of about $10^{-5}$, at sizes at which windows overlap.
# - The transposed convolution is the backward pass used forward: the adjoint, not the inverse. Its size needs one more number, the output padding.
# - If the stride does not divide the kernel, pixels are touched unequally, and the image has a checkerboard before training begins.
#
# **Exercises.** [Eight exercises](../exercises/03_backpropagation.ipynb), with checks that say what an
# answer misunderstood. [Solutions](../solutions/03_backpropagation.ipynb).
#
# ## Sources
#
# - Y. LeCun et al. *Backpropagation Applied to Handwritten Zip Code Recognition.* Neural Computation, 1989.
# - V. Dumoulin, F. Visin. *A guide to convolution arithmetic for deep learning.* 2016. Chapter 4 (transposed convolutions).
# - M. Zeiler, D. Krishnan, G. Taylor, R. Fergus. *Deconvolutional Networks.* CVPR 2010. (Where the name comes from.)
# - A. Odena, V. Dumoulin, C. Olah. *Deconvolution and Checkerboard Artifacts.* Distill, 2016.
# - W. Press et al. *Numerical Recipes.* 3rd edition, Cambridge University Press, 2007. Section 5.7 (steps of finite differences).
