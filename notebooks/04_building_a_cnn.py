# %% [markdown]
# # 04. Building a convolutional network
#
# > **The question.** We have a layer and its gradients. What else does a network need before it learns
# > to tell a sandal from a boot, in two minutes? And once it can: what did it learn?
#
# | | |
# |---|---|
# | **You need** | Convolution and its gradients ([lesson 02](02_convolution.ipynb), [lesson 03](03_backpropagation.ipynb)), variance and expectation |
# | **You will be able to** | choose initial weights and say why, derive batch normalisation forward and backward, compute a receptive field, train a classifier and see where it is wrong, and question what pictures of "what a network sees" tell you |
# | **Time** | about 4 minutes of computing on 2 CPU cores, two hours of reading. A GPU trains more steps; its time has not been measured yet. |

# %%
import copy
import math

import sympy
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import classification, convolution, data, plotting, runtime, verify, widgets

seed = runtime.seed(0)
device = runtime.device()
random = torch.Generator().manual_seed(seed)
train = data.load_images("fashion-mnist", "train", 32)
test = data.load_images("fashion-mnist", "test", 32)
names = test.classes


def numbers(*shape: int) -> Tensor:
    """Standard Gaussians in double precision."""
    return torch.randn(*shape, dtype=torch.float64, generator=random)


# %% [markdown]
# ## 4.1 The idea in one picture
#
# An image goes in as $32 \times 32$ pixels and comes out as ten numbers, one for each kind of garment.
# On the way the maps get smaller and more numerous: less *where*, more *what*.

# %%
plotting.architecture(
    [
        ("image", (1, 32, 32)),
        ("2 × 3×3", (32, 32, 32)),
        ("halve, 2 × 3×3", (64, 16, 16)),
        ("halve, 3×3", (96, 8, 8)),
        ("halve", (96, 4, 4)),
        ("fully connected", (128,)),
        ("fully connected", (10,)),
    ],
    alt="A row of boxes from the image, 1 by 32 by 32, over maps of 32, 64 and 96 channels that halve "
    "three times in height, to vectors of 128 and 10 numbers.",
)

# %% [markdown]
# **Figure 4.1.** The network of this lesson: channels × height × width. Each $3 \times 3$ layer is a
# convolution, a batch normalisation and a ReLU, "2 × 3×3" two such layers; "halve" is max pooling. The last box holds one number for
# each class. The box before it, 128 numbers, will serve the whole course as a *description* of an image.
#
# ## 4.2 The pieces
#
# Letters are those of lesson 02: $B$ images, $C$ channels, $O$ output channels, $K$ the size of a kernel.
#
# ### Fully connected layers, and why there is a nonlinearity
#
# The oldest layer takes a vector $x$ of $n$ numbers to a vector $y$ of $m$ numbers, through a
# matrix $W$ ($m \times n$, the *weights*), a vector $b$ of $m$ numbers (the *bias*) and a function $\sigma$ of
# one variable, the *activation*, applied to each number:
#
# $$ y = \sigma(W x + b), \qquad \text{that is} \quad y_a = \sigma\Bigl( \sum_{t=1}^{n} W_{a,t}\, x_t + b_a \Bigr). \tag{4.1} $$
#
# > **Correction.** It is sometimes printed as $y = \sigma(W y + b)$. The layer reads its *input* $x$ and
# > produces $y$; with $y$ on both sides this is no instruction but an equation to be solved.
#
# A convolution is the same, with a matrix $T$ that is mostly zeros and repeats few numbers (2.9). Without
# the activation, depth is worth nothing. Two layers in a row are one:
#
# $$ W_2 (W_1 x + b_1) + b_2 = (W_2 W_1)\, x + (W_2 b_1 + b_2). \tag{4.2} $$
#
# The activation must be a **nonlinearity**: its graph must bend. The **ReLU**, $\max(0, z)$, is the usual choice.
# Its derivative is 1 or 0, so an active path passes the gradient on unchanged. The older *sigmoid*
# $1 / (1 + e^{-z})$ has a derivative of at most a quarter: ten of them in a row multiply a gradient, weights
# aside, by at most $4^{-10}$, about $10^{-6}$.


# %%
def draw_activations(slopes: bool):
    def draw(ax: Axes) -> None:
        z = torch.linspace(-4, 4, 801, requires_grad=True)
        for colour, (name, function) in zip(
            ("blue", "orange", "green"),
            {"ReLU": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}.items(),
            strict=True,
        ):
            y = function(z)
            (slope,) = torch.autograd.grad(y.sum(), z)
            shown = slope if slopes else y
            ax.plot(
                z.detach().numpy(),
                shown.detach().numpy(),
                color=plotting.COLOURS[colour],
                label=name,
            )
        ax.set(
            xlabel="z",
            ylabel="derivative" if slopes else "value",
            ylim=(-0.1, 1.2) if slopes else (-1.2, 4.2),
        )

    return draw


plotting.panels(
    [("the activation", draw_activations(False)), ("its derivative", draw_activations(True))],
    alt="Left, ReLU, sigmoid and tanh. Right, their derivatives: a step from 0 to 1 for ReLU, a hill of "
    "height one quarter for the sigmoid and one of height 1 for tanh.",
)

# %% [markdown]
# **Figure 4.2.** Three activations and their derivatives. Far from zero, sigmoid and tanh are nearly flat, and
# pass hardly any gradient on. ReLU passes all of it on one side and none on the other.

# %% tags=["verify"]
layer, x = nn.Linear(5, 3, dtype=torch.float64), numbers(5)
W, b = layer.weight.tolist(), layer.bias.tolist()
by_sum = [max(0.0, sum(W[a][t] * float(x[t]) for t in range(5)) + b[a]) for a in range(3)]
verify.equation("4.1", torch.tensor(by_sum, dtype=torch.float64), torch.relu(layer(x)))
W_1, b_1, W_2, b_2 = numbers(4, 5), numbers(4), numbers(3, 4), numbers(3)
verify.equation("4.2", W_2 @ (W_1 @ x + b_1) + b_2, (W_2 @ W_1) @ x + (W_2 @ b_1 + b_2))
z = sympy.symbols("z", real=True)
sigmoid = 1 / (1 + sympy.exp(-z))
assert sympy.simplify(sympy.diff(sigmoid, z) - sigmoid * (1 - sigmoid)) == 0  # at most 1/4

# %% [markdown]
# ### From ten numbers to a loss
#
# The last layer has no activation. Its ten outputs $z_k$ are called **logits**, and may be any numbers. The
# **softmax** turns them into probabilities,
#
# $$ p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}, \tag{4.3} $$
#
# positive numbers that add up to one, in the order of the logits. If $c$ is the right class, the loss is
# how surprised the network is by it, in nats:
#
# $$ L = -\log p_c = -z_c + \log \sum_j e^{z_j}. \tag{4.4} $$
#
# This is the **cross-entropy**. A network that knows nothing says $p_k = 1/10$ and has the loss
# $\log 10 \approx 2.303$: remember the number, since a training that stays there has learned nothing. Its
# gradient: $\partial z_c / \partial z_k$ is 1 for $k = c$ and else 0, and the
# derivative of the logarithm of the sum is $e^{z_k}$ over the sum:
#
# $$ \frac{\partial L}{\partial z_k} = p_k - [k = c], \tag{4.5} $$
#
# with $[\cdot]$ for 1 if true and 0 if not. The gradient is the predicted distribution minus the true one.

# %% tags=["verify"]
logits = sympy.symbols("z1:4", real=True)
total = sum(sympy.exp(one) for one in logits)
shares = [sympy.exp(one) / total for one in logits]
verify.equation("4.3", sum(shares), sympy.Integer(1))
surprise = -logits[1] + sympy.log(total)
verify.equation("4.4", sympy.exp(-surprise), shares[1])
verify.equation(
    "4.5",
    [sympy.diff(surprise, one) for one in logits],
    [share - (1 if k == 1 else 0) for k, share in enumerate(shares)],
)

# %% [markdown]
# ### Pooling, the head, dropout
#
# **Max pooling** keeps the largest of each $2 \times 2$ pixels ([section 3.8](03_backpropagation.ipynb)).
# It quarters the work of all later layers, and doubles what each of them adds to its view (section 4.5).
#
# The **head** turns maps into a vector. We *flatten*: all $96 \cdot 4 \cdot 4 = 1536$ numbers enter a
# fully connected layer. The alternative is *global average pooling*, the mean of each map: 96 numbers.
# Flattening keeps where things are, which may help with garments that are all centred. It has a price,
# which the table shows.
#
# **Dropout** with rate $\rho$ sets each number to zero with probability $\rho$ and divides the others
# by $1 - \rho$, during training only. The mean stays what it was, and no later weight can rely on
# one input. It is switched off in evaluation.


# %% tags=["keep"]
class Classifier(nn.Module):
    """(B, 1, 32, 32) in [-1, 1] -> logits (B, 10)."""

    def __init__(self) -> None:
        super().__init__()

        def block(inside: int, outside: int) -> list[nn.Module]:
            convolve = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
            return [convolve, nn.BatchNorm2d(outside), nn.ReLU(inplace=True)]

        self.body = nn.Sequential(
            *block(1, 32),
            *block(32, 32),  # (B, 32, 32, 32)
            nn.MaxPool2d(2),
            *block(32, 64),
            *block(64, 64),  # (B, 64, 16, 16)
            nn.MaxPool2d(2),
            *block(64, 96),  # (B, 96, 8, 8)
            nn.MaxPool2d(2),
            nn.Flatten(),  # (B, 1536)
            nn.Dropout(0.3),
            nn.Linear(96 * 4 * 4, 128, bias=False),
            nn.BatchNorm1d(128),
            nn.ReLU(inplace=True),  # (B, 128), the features
        )
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(128, 10))

    def features(self, images: Tensor) -> Tensor:
        return self.body(images)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))


# %%
network = Classifier()
side, rows = 32, []
for module in network.modules():
    if isinstance(module, nn.Conv2d):
        work = convolution.multiply_adds((side, side), tuple(module.weight.shape), padding=1)
        rows.append((f"{tuple(module.weight.shape)}", module.weight.numel(), work))
    elif isinstance(module, nn.MaxPool2d):
        side //= 2
    elif isinstance(module, nn.Linear):
        rows.append((f"{tuple(module.weight.shape)}", module.weight.numel(), module.weight.numel()))
print(f"{'weight':>16} {'numbers':>10} {'multiply-adds':>14}")
for shape, count, work in rows:
    print(f"{shape:>16} {count:>10,} {work:>14,}")
print(f"{'sum':>16} {sum(row[1] for row in rows):>10,} {sum(row[2] for row in rows):>14,}")

# %% [markdown]
# One fully connected layer holds well over half of all weights, and does less than a hundredth of the work.
# Convolutions are the other way round: few numbers, used at every place.
#
# A convolution before a batch normalisation has no bias here: section 4.4 shows that it would be
# subtracted again at once.
#
# ## 4.3 How large should the first weights be?
#
# Weights start as random numbers. If they were all equal, all channels would compute the same, get the
# same gradient and stay equal. So: random, with mean zero. But how large?
#
# **Forward.** Take one output before the activation, $z_a = \sum_{t=1}^{n} w_{a,t}\, x_t$. The number $n$
# of terms is called **fan-in**; for a convolution it is $C K^2$. Let the weights be independent of each
# other and of $x$, symmetric about 0, with variance $\sigma_w^2$. Then $z_a$ has mean zero, products of
# different terms have mean zero, and
#
# $$ \operatorname{Var}(z_a) = \sum_{t=1}^{n} \mathbb E[w_{a,t}^2]\, \mathbb E[x_t^2] = n\, \sigma_w^2\; q, \qquad q = \frac{1}{n} \sum_{t=1}^{n} \mathbb E[x_t^2]. \tag{4.6} $$
#
# It is the *mean square* $q$ of the input that counts, not its variance: inputs behind a ReLU do not have mean
# zero. Let $x = \max(0, z')$ be the ReLU of the layer before. Since its weights are symmetric about 0, $z'$ is too, and
# half of its mean square survives:
#
# $$ \mathbb E\bigl[\max(0, z')^2\bigr] = \tfrac12\, \mathbb E\bigl[z'^2\bigr] = \tfrac12 \operatorname{Var}(z'). \tag{4.7} $$
#
# Each layer therefore multiplies the variance by one and the same factor. After $\ell$ layers
#
# $$ \operatorname{Var}(z_\ell) = \operatorname{Var}(z_1) \left( \frac{n\, \sigma_w^2}{2} \right)^{\ell - 1}. \tag{4.8} $$
#
# A power grows or dies out, unless its base is one. So $\sigma_w^2 = 2 / n$. This is the initialisation of
# **He** et al. (2015).
#
# **Backward.** By (3.4) the gradient with respect to $x$ is $W^{\mathsf T}$ times the gradient with respect to
# $z$, a sum of $m$ terms, the **fan-out**; for a convolution of stride 1 it is $O K^2$. The ReLU passes half of
# the gradients. Assume that the gradient from above is independent of the weights and of the ReLU's zeros that it
# meets. Then
#
# $$ \operatorname{Var}\!\Bigl( \frac{\partial L}{\partial z_{\ell-1}} \Bigr) = \frac{m\, \sigma_w^2}{2}\; \operatorname{Var}\!\Bigl( \frac{\partial L}{\partial z_\ell} \Bigr). \tag{4.9} $$
#
# **Glorot** and Bengio (2010) had done this for tanh, whose slope at zero is 1: nothing is halved, forward
# asks for $\sigma_w^2 = 1/n$ and backward for $1/m$. They took the number between, which makes the mean of
# the two factors one:
#
# $$ \sigma_w^2 = \frac{2}{n + m} \quad\Longrightarrow\quad \tfrac12 \bigl( n\, \sigma_w^2 + m\, \sigma_w^2 \bigr) = 1. \tag{4.10} $$
#
# > **Correction.** "PyTorch initialises with He's method": its layers call a function of that name, with an
# > argument that changes the result. What `nn.Conv2d` and `nn.Linear` draw is uniform
# > on $[-1/\sqrt n, 1/\sqrt n]$ (Figure 4.3's "default"), with the variance
# >
# > $$ \sigma_w^2 = \int_{-1/\sqrt n}^{1/\sqrt n} w^2\, \frac{\sqrt n}{2}\, dw = \frac{1}{3 n}, \tag{4.11} $$
# >
# > a sixth of He's. By (4.8), behind ReLUs each layer divides the variance by six. (The layers draw their biases
# > from the same interval. With them the variance stops falling near $0.4/n$; what still falls by six is the part
# > of it that depends on the image. We leave biases out.)
#
# **Predict before you run:** twenty layers of 64 channels, $n = m = 576$. By how much does the variance
# change from the first to the last, for standard deviation 0.07, for He, Glorot and PyTorch's default?

# %%
DEPTH, CHANNELS = 20, 64
FAN = CHANNELS * 9
VARIANCES = {
    "σ_w = 0.07": 0.07**2,
    "He": 2 / FAN,
    "Glorot": 1 / FAN,
    "PyTorch's default": 1 / (3 * FAN),
}
small = F.avg_pool2d(test.batch(range(8)), 2).double()  # (8, 1, 16, 16)


def through_layers(variance: float) -> tuple[Tensor, Tensor]:
    """Mean squares of z and of dL/dz in each layer of one random network: (DEPTH,), (DEPTH,)."""
    x, kept = small.expand(-1, CHANNELS, -1, -1), []
    for _ in range(DEPTH):
        w = math.sqrt(variance) * numbers(CHANNELS, CHANNELS, 3, 3)
        # At a border of zeros fewer than n products would count, so the image is continued around it.
        z = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="circular"), w)
        if kept:
            z.retain_grad()
        else:
            z.requires_grad_()
        kept.append(z)
        x = torch.relu(z)
    (z * numbers(*z.shape)).sum().backward()  # a loss with gradient of mean square 1 at the top
    return (
        torch.stack([z.detach().square().mean() for z in kept]),
        torch.stack([z.grad.square().mean() for z in kept]),
    )


measured = {}
for name, variance in VARIANCES.items():
    pairs = [through_layers(variance) for _ in range(10)]
    measured[name] = [torch.stack(side).log().mean(0).exp() for side in zip(*pairs, strict=True)]


def draw_variances(backward: bool):
    def draw(ax: Axes) -> None:
        layers = torch.arange(1, DEPTH + 1)
        for colour, (name, found) in zip(plotting.COLOURS.values(), measured.items(), strict=False):
            factor = FAN * VARIANCES[name] / 2
            start = found[backward][-1 if backward else 0]
            exponents = DEPTH - layers if backward else layers - 1
            ax.plot(layers, start * factor**exponents, color=colour, label=name)
            ax.plot(layers, found[backward], "o", color=colour, markersize=3.5)
        ax.set_yscale("log")
        ax.set(xlabel="layer", ylabel="mean square", xticks=[1, 5, 10, 15, 20])

    return draw


plotting.panels(
    [("forward: z", draw_variances(False)), ("backward: ∂L/∂z", draw_variances(True))],
    height=3.2,
    alt="Mean square against layer, on a logarithmic axis, forward and backward. Points lie on straight "
    "lines: rising for standard deviation 0.07, level for He, falling for Glorot and fast for the default.",
)

# %% [markdown]
# **Figure 4.3.** The mean square of $z$ (left) and of its gradient (right), layer by layer. Points: measured,
# geometric mean of ten random networks. Lines: (4.8) and (4.9). Forward reads from left to right, backward
# from right to left. All weights are Gaussian here, also those with the variance of PyTorch's default: (4.8) asks for
# their variance, and not for the shape of their distribution.

# %% tags=["verify"]
fan, trials = 50, 400_000
inputs = numbers(trials, fan).exp()  # not of mean zero
draws = (0.3 * numbers(trials, fan) * inputs).sum(1)
# Monte-Carlo, relative standard error below one per cent.
verify.equation("4.6", draws.var(), fan * 0.3**2 * inputs.square().mean(), tolerance=0.04)

u, scale = sympy.symbols("u s", positive=True)
density = sympy.exp(-(u**2) / (2 * scale**2)) / (scale * sympy.sqrt(2 * sympy.pi))
verify.equation("4.7", sympy.integrate(u**2 * density, (u, 0, sympy.oo)), scale**2 / 2)


def slope(values: Tensor) -> float:
    """Mean growth of the logarithm from one layer to the next."""
    return float(values.log().diff().mean())


# In one network of finite width each layer's factor is random; its logarithm is known to a few per cent.
expected = torch.tensor([math.log(FAN * variance / 2) for variance in VARIANCES.values()]).double()
rising = torch.tensor([slope(found[0]) for found in measured.values()]).double()
falling = torch.tensor([-slope(found[1]) for found in measured.values()]).double()
verify.equation("4.8", rising, expected, tolerance=0.05)
verify.equation("4.9", falling, expected, tolerance=0.05)
fan_in, fan_out = sympy.symbols("n m", positive=True)
between = 2 / (fan_in + fan_out)
verify.equation("4.10", (fan_in * between + fan_out * between) / 2, sympy.Integer(1))
edge = 1 / sympy.sqrt(fan_in)
verify.equation(
    "4.11", sympy.integrate(z**2 * sympy.sqrt(fan_in) / 2, (z, -edge, edge)), 1 / (3 * fan_in)
)
default = nn.Conv2d(CHANNELS, 512, 3).weight.detach()
assert abs(float(default.var()) * 3 * FAN - 1) < 0.02  # what PyTorch draws is what (4.11) says

# %% tags=["verify"]
verify.claim(
    "4.1",
    "with PyTorch's default variance and no biases, the variance changes from layer 1 to layer 20 by the factor",
    measured["PyTorch's default"][0][-1] / measured["PyTorch's default"][0][0],
    (2.5e-16, 1.5e-15),
)
verify.claim(
    "4.2",
    "with He's initialisation, the factor is",
    measured["He"][0][-1] / measured["He"][0][0],
    (0.46, 0.72),
)

# %% [markdown]
# From layer 1 to layer 20 there are nineteen factors. By (4.8) they make about 700 for 0.07, which is $1.41^{19}$, 1 for He,
# $2^{-19} \approx 2 \cdot 10^{-6}$ for Glorot and $6^{-19} \approx 1.6 \cdot 10^{-15}$ for PyTorch's default.
#
# Two remarks. Equation (4.8) is about the arithmetic mean over all networks, and the points are geometric means.
# Finite width multiplies by a random factor of mean one at each layer; its logarithm has a mean below zero, so
# the points drift below the lines. And the assumption of (4.9) is not exact even at the start, since the zeros
# above depend on the same weights. The wider the layers, the smaller the error; training breaks it.
#
# ### What goes wrong: a deep network that hardly learns
#
# Let a 20-layer network learn to classify: 16 channels, images halved to $16 \times 16$ pixels, 100 steps of Adam
# (section 4.6). Once with He's weights, once with PyTorch's default, and both again with the layer of the next
# section, batch normalisation.


# %%
def deep_network(initial: str, norm: bool, channels: int = 16) -> nn.Sequential:
    layers: list[nn.Module] = []
    for number in range(DEPTH):
        convolve = nn.Conv2d(channels if number else 1, channels, 3, padding=1, bias=not norm)
        if initial == "He":
            nn.init.kaiming_normal_(convolve.weight, nonlinearity="relu")
            if convolve.bias is not None:
                nn.init.zeros_(convolve.bias)
        layers += [convolve, nn.BatchNorm2d(channels)] if norm else [convolve]
        layers.append(nn.ReLU())
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


deep_curves, deep_losses = {}, {}
for initial in ("He", "default"):
    for norm in (False, True):
        name = f"{initial}, batch norm" if norm else initial
        torch.manual_seed(seed)
        deep = deep_network(initial, norm).to(device)
        adam = torch.optim.Adam(deep.parameters(), 1e-3)
        sampler, losses = data.EpochSampler(len(train), 64, seed), []
        for step in range(100):
            indices = sampler.indices(step)
            inputs = F.avg_pool2d(train.batch(indices).to(device), 2)
            loss = F.cross_entropy(deep(inputs), train.labels[indices].to(device))
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.item())
        deep_curves[name] = losses
        deep_losses[name] = sum(losses[-20:]) / 20
plotting.curves(
    range(100),
    deep_curves,
    xlabel="step",
    ylabel="cross-entropy (nats)",
    smooth=10,
    levels={"knows nothing": math.log(10)},
    alt="Four loss curves over 100 steps. PyTorch's default stays near 2.3 longest. "
    "He's falls, and the two with batch normalisation fall at once.",
)

# %% [markdown]
# **Figure 4.4.** The first 100 steps of a network with 20 convolutions, for two initialisations, without
# batch normalisation and with it.

# %% tags=["verify"]
verify.claim(
    "4.3",
    "with PyTorch's default the loss after 100 steps exceeds that with He's weights by",
    deep_losses["default"] - deep_losses["He"],
    (0.1, None),
)
verify.claim(
    "4.4",
    "with batch normalisation the two initialisations differ by at most",
    abs(deep_losses["default, batch norm"] - deep_losses["He, batch norm"]),
    (None, 0.4),
)

# %% [markdown]
# With the default, all images have nearly the same output after 20 layers: what told them apart was divided by
# six at each layer, and what is left comes from the biases. The gradient shrinks on its way down as well. He's
# weights repair it. With batch normalisation the network learns from both kinds of weights, though not equally fast. In the
# run shown it learns fastest from the default's, which are smaller: section 4.4 says what the size of weights does there.
#
# ## 4.4 Batch normalisation
#
# Instead of hoping that the variance stays, **batch normalisation** sets it. Take one channel, and call its
# numbers in the whole batch $x_1, \dots, x_N$: all images, all pixels, $N = B H W$ (here $W$ is the width). With
# their mean $\mu$, their variance $v$, a small $\varepsilon$ against division by zero, and two learned numbers, a
# scale $\gamma$ and a shift $\beta$ (lesson 02 called a bias $\beta$; this one does the same work):
#
# $$ \mu = \frac1N \sum_i x_i, \quad v = \frac1N \sum_i (x_i - \mu)^2, \quad s = \sqrt{v + \varepsilon}, \quad \hat x_i = \frac{x_i - \mu}{s}, \quad y_i = \gamma \hat x_i + \beta. \tag{4.12} $$
#
# A constant added to all $x_i$ is taken away again. That is why no bias stood in front. And a factor
# cancels. So if $w$ are the weights before it and $L(w)$ is the loss, then, as $\varepsilon \to 0$, $L(a w) = L(w)$ for
# each $a > 0$. Differentiate by $w$: $a\, \nabla L(a w) = \nabla L(w)$. Together,
#
# $$ L(a w) = L(w), \qquad \nabla L(a w) = \frac1a\, \nabla L(w). \tag{4.13} $$
#
# The size of the initial weights no longer matters for the output. It does matter for the *speed*. Relative to
# the weights, a step of plain gradient descent at $a w$ is $1/a^2$ times as large as at $w$; a step of Adam,
# whose length does not depend on the size of the gradient, $1/a$ times.
#
# **Backward.** All $x_k$ enter $\mu$ and $s$, so every output depends on every input. The derivatives of the two
# are $\partial \mu / \partial x_k = 1/N$ and $\partial s / \partial x_k = (x_k - \mu) / (N s) = \hat x_k / N$.
# (The second: $s^2 = v + \varepsilon$, so $2 s\, \partial s = \partial v = 2 (x_k - \mu) / N$, where the change
# of $\mu$ drops out since $\sum_i (x_i - \mu) = 0$.) By the quotient rule
#
# $$ \frac{\partial \hat x_i}{\partial x_k} = \frac1s \left( [i = k] - \frac1N - \frac{\hat x_i \hat x_k}{N} \right). \tag{4.14} $$
#
# Let $g_i = \partial L / \partial y_i$. Multiply by $\gamma g_i$ and add over $i$:
#
# $$ \frac{\partial L}{\partial x_k} = \frac{\gamma}{s} \Bigl( g_k - \frac1N \sum_i g_i - \hat x_k\, \frac1N \sum_i g_i \hat x_i \Bigr), \qquad \frac{\partial L}{\partial \gamma} = \sum_i g_i \hat x_i, \quad \frac{\partial L}{\partial \beta} = \sum_i g_i. \tag{4.15} $$
#
# Read the bracket as geometry: from the gradient it takes away the part that would shift all $x$, and the part
# that would stretch them. Both would be undone by the normalisation. What is left is at
# right angles to both (the second for $\varepsilon \to 0$),
#
# $$ \sum_k \frac{\partial L}{\partial x_k} = 0, \qquad \sum_k \hat x_k \frac{\partial L}{\partial x_k} = 0. \tag{4.16} $$


# %% tags=["keep"]
def batch_norm(x: Tensor, gamma: Tensor, beta: Tensor, epsilon: float) -> tuple[Tensor, ...]:
    """Equation (4.12) in training: (B, C, H, W), (C,), (C,) -> y, and what backward needs."""
    mean = x.mean(dim=(0, 2, 3), keepdim=True)
    s = (x.var(dim=(0, 2, 3), keepdim=True, unbiased=False) + epsilon).sqrt()
    normal = (x - mean) / s
    return gamma[:, None, None] * normal + beta[:, None, None], normal, s


def batch_norm_backward(g: Tensor, normal: Tensor, s: Tensor, gamma: Tensor) -> tuple[Tensor, ...]:
    """Equation (4.15): dL/dy -> dL/dx (B, C, H, W), dL/dgamma (C,), dL/dbeta (C,)."""
    common = g.mean(dim=(0, 2, 3), keepdim=True)
    along = (g * normal).mean(dim=(0, 2, 3), keepdim=True)
    dx = gamma[:, None, None] / s * (g - common - normal * along)
    return dx, (g * normal).sum(dim=(0, 2, 3)), g.sum(dim=(0, 2, 3))


# %% tags=["verify"]
x, gamma, beta = 2 * numbers(4, 3, 5, 5) + 1, numbers(3), numbers(3)
y, normal, s = batch_norm(x, gamma, beta, 1e-5)
verify.equation("4.12", y, F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-5))

w, images = numbers(3, 2, 3, 3).requires_grad_(), numbers(4, 2, 6, 6)
targets = numbers(4, 3, 4, 4)


def normed_loss(w: Tensor) -> Tensor:
    y, _, _ = batch_norm(F.conv2d(images, w), torch.ones(3), torch.zeros(3), 1e-14)
    return (y * targets).tanh().sum()


(steep,) = torch.autograd.grad(normed_loss(w), w)
larger = (5 * w).detach().requires_grad_()
(flat,) = torch.autograd.grad(normed_loss(larger), larger)
verify.equation(
    "4.13",
    torch.cat([normed_loss(larger)[None], flat.flatten()]),
    torch.cat([normed_loss(w)[None], steep.flatten() / 5]),
)

line = numbers(7)
jacobian = torch.autograd.functional.jacobian(
    lambda x: batch_norm(x.view(-1, 1, 1, 1), torch.ones(1), torch.zeros(1), 1e-5)[1].flatten(),
    line,
)
_, hat, spread = (
    part.flatten()
    for part in batch_norm(line.view(-1, 1, 1, 1), torch.ones(1), torch.zeros(1), 1e-5)
)
verify.equation("4.14", jacobian, (torch.eye(7).double() - 1 / 7 - hat[:, None] * hat / 7) / spread)

leaves = [value.clone().requires_grad_() for value in (x, gamma, beta)]
g = numbers(*x.shape)
by_autograd = torch.autograd.grad(
    (F.batch_norm(leaves[0], None, None, *leaves[1:], training=True, eps=1e-5) * g).sum(), leaves
)
by_hand = batch_norm_backward(g, normal, s, gamma)
verify.equation(
    "4.15",
    torch.cat([part.flatten() for part in by_hand]),
    torch.cat([part.flatten() for part in by_autograd]),
)
_, normal, s = batch_norm(x, gamma, beta, 1e-14)
dx = batch_norm_backward(g, normal, s, gamma)[0]
sums = torch.stack([dx.sum(dim=(0, 2, 3)), (dx * normal).sum(dim=(0, 2, 3))])
verify.equation("4.16", sums, torch.zeros(2, 3).double())

# %% [markdown]
# ### Two modes
#
# In training, the answer for one image depends on the other images of its batch. When the network is used that
# is not wanted, and a single image is a batch of one. So during training each layer keeps running values
# $\bar m$ of mean and variance. With the value $m_t$ of batch $t$ and a small rate $\alpha$,
#
# $$ \bar m \leftarrow (1 - \alpha)\, \bar m + \alpha\, m_t \quad\Longrightarrow\quad \bar m_t = (1 - \alpha)^t\, \bar m_0 + \alpha \sum_{\tau=1}^{t} (1 - \alpha)^{t - \tau}\, m_\tau, \tag{4.17} $$
#
# and in evaluation normalises with these. Then the layer is a fixed factor and a fixed shift for each channel.
# `network.train()` and `network.eval()` switch between the modes. Three details of PyTorch's layer:
#
# - Its `momentum` is $\alpha = 0.1$, the weight of the *new* value. Other libraries call $1 - \alpha$ momentum.
# - It normalises with the variance of (4.12), divided by $N$, but puts into $\bar m$ the one divided by $N - 1$.
# - The second argument of `nn.BatchNorm2d(64, 0.8)` is $\varepsilon$, not the momentum. This line has been copied from
#   one public GAN to the next.
#
# Section 4.7 measures what happens if someone forgets to switch.

# %% tags=["verify"]
norm = nn.BatchNorm2d(3, dtype=torch.float64)
batches = [numbers(4, 3, 5, 5) + k for k in range(6)]
for batch in batches:
    norm(batch)
weights = 0.1 * 0.9 ** torch.arange(5, -1, -1, dtype=torch.float64)
values = torch.stack([torch.stack([b.mean(dim=(0, 2, 3)), b.var(dim=(0, 2, 3))]) for b in batches])
start = torch.tensor([[0.0], [1.0]]).double()  # at first: mean 0, variance 1
verify.equation(
    "4.17",
    torch.stack([norm.running_mean, norm.running_var]),
    0.9**6 * start + (weights[:, None, None] * values).sum(0),
)

# %% [markdown]
# ## 4.5 What can a unit see?
#
# One number deep in the network depends on a square of pixels: its **receptive field**, $r$ pixels wide. Moving
# one unit to the right moves that square by the **jump** $j$ pixels. The image itself has $r = j = 1$. A
# layer with kernel $K$, dilation $D$ and stride $S$ looks at $K$ units below, $D$ apart, that is $D\, j$ pixels apart:
#
# $$ r \leftarrow r + D\,(K - 1)\, j, \qquad \text{and then} \quad j \leftarrow S\, j. \tag{4.18} $$
#
# The order matters: a layer's own stride widens the view of the layers *after* it. Pooling counts like a convolution.


# %%
def receptive_field(layers: list[tuple[int, int, int]]) -> tuple[int, int]:
    """Equation (4.18) for (kernel, stride, dilation) from the image upwards -> (r, j)."""
    r, j = 1, 1
    for K, S, D in layers:
        r += D * (K - 1) * j
        j *= S
    return r, j


def footprint(layers: list[tuple[int, int, int]], length: int = 161) -> Tensor:
    """|dy/dx| of the middle unit, for kernels of ones along a line: (length,)."""
    x = torch.zeros(1, 1, length, dtype=torch.float64, requires_grad=True)
    y = x
    for K, S, D in layers:
        y = F.conv1d(y, torch.ones(1, 1, K, dtype=torch.float64), stride=S, dilation=D)
    y[0, 0, y.shape[2] // 2].backward()
    return x.grad[0, 0].abs()


# %% tags=["verify"]
STACKS = [
    [(3, 1, 1)] * 5,
    [(3, 2, 1)] * 4,
    [(3, 1, 1), (3, 1, 2), (3, 1, 4), (3, 1, 8)],
    [(5, 2, 1), (2, 2, 1), (3, 1, 2), (4, 3, 1)],
]
reached = [footprint(layers).nonzero() for layers in STACKS]
verify.equation(
    "4.18",
    torch.stack([places.max() - places.min() + 1 for places in reached]),
    torch.tensor([receptive_field(layers)[0] for layers in STACKS]),
)

# %% [markdown]
# Not all pixels of the field count alike. Think of a path from the unit down to a pixel: at each layer it
# takes one of $K$ ways, which moves it by $D j u$ pixels, $u = 0, \dots, K - 1$. With equal weights all paths
# count alike, so the number of paths to a pixel is that of a **random walk**. The variance of a uniform $u$
# is $(K^2 - 1)/12$, and variances of independent steps add up. Seen from the unit, the influence of the pixels
# is spread, along each direction, with the variance
#
# $$ \operatorname{Var}(\text{place}) = \sum_{\text{layers}} D^2 j^2\; \frac{K^2 - 1}{12}. \tag{4.19} $$
#
# With $\ell$ layers of stride 1 the field grows like $\ell$, but the spread like $\sqrt \ell$: by the central
# limit theorem the influence is a bell, and the field's rim hardly counts (Luo et al., 2016). With random weights
# of mean zero, products along different paths are uncorrelated, so the *mean square* of the gradient counts paths
# in the same way.

# %% tags=["verify"]
spreads, by_formula = [], []
for layers in STACKS:
    weight = footprint(layers) / footprint(layers).sum()
    place = torch.arange(len(weight), dtype=torch.float64)
    spreads.append((weight * (place - (weight * place).sum()) ** 2).sum())
    jumps = [receptive_field(layers[:k])[1] for k in range(len(layers))]  # below each layer
    by_formula.append(
        sum((D * j) ** 2 * (K**2 - 1) / 12 for (K, _, D), j in zip(layers, jumps, strict=True))
    )
verify.equation("4.19", torch.stack(spreads), by_formula)


# %%
def influence(depth: int, width: int = 65, networks: int = 20) -> Tensor:
    """Mean square of a middle unit's gradient, random He networks on noise: (width, width)."""
    total = torch.zeros(width, width, dtype=torch.float64)
    for _ in range(networks):
        x = numbers(1, 8, width, width).requires_grad_()
        y = x
        for _ in range(depth):
            y = torch.relu(F.conv2d(y, numbers(8, 8, 3, 3) * math.sqrt(2 / 72), padding=1))
        (slope,) = torch.autograd.grad(y[0, :, width // 2, width // 2].sum(), x)
        total += slope[0].square().sum(0)
    return total / total.sum()


INFLUENCE = {depth: influence(depth) for depth in (5, 15, 28)}


def draw_influence(depth: int):
    def draw(ax: Axes) -> None:
        root = (INFLUENCE[depth] / INFLUENCE[depth].max()).sqrt()
        ax.imshow(root.numpy(), cmap="viridis", vmin=0, vmax=1)
        half = depth + 0.5
        ax.plot(
            [32 - half, 32 + half, 32 + half, 32 - half, 32 - half],
            [32 - half, 32 - half, 32 + half, 32 + half, 32 - half],
            color=plotting.COLOURS["orange"],
        )
        ax.set(xticks=[0, 32, 64], yticks=[0, 32, 64], xlabel="pixel")
        ax.grid(False)

    return draw


plotting.panels(
    [(f"{depth} layers, r = {2 * depth + 1}", draw_influence(depth)) for depth in INFLUENCE],
    alt="Three square maps. A bright spot in the middle grows with depth, but more slowly than the orange "
    "square around it, whose corners and rim stay dark.",
)

# %% [markdown]
# **Figure 4.5.** Which pixels move a unit in the middle: root mean square of the gradient over 20 random networks
# of $3 \times 3$ layers. Orange: the receptive field by (4.18). The deeper the network, the smaller the part of
# its field that it uses.

# %% tags=["verify"]
place = torch.arange(65, dtype=torch.float64) - 32
ratios = {
    depth: float(((weight.sum(0) * place**2).sum() / (depth * 2 / 3)).sqrt())
    for depth, weight in INFLUENCE.items()
}
verify.claim(
    "4.5",
    "the standard deviation of the influence of 28 layers, measured over that of (4.19), is",
    ratios[28],
    (0.92, 1.09),
)
verify.claim(
    "4.6",
    "of 28 layers' squared influence, the middle half of the field's sides holds at least",
    INFLUENCE[28][18:47, 18:47].sum(),
    (0.9, None),
)

# %% [markdown]
# Now our classifier. Its gradient footprint is measured on noise, summed over images, because max pooling lets
# only the winner of each window through.

# %%
torch.manual_seed(seed)
probe = Classifier().double().eval()
noise = numbers(32, 1, 64, 64).requires_grad_()  # so large that no field meets the border
maps, layers, table = noise, [], []
for module in probe.body:
    if isinstance(module, nn.Flatten):
        break
    maps = module(maps)
    if isinstance(module, nn.Conv2d):
        layers.append((3, 1, 1))
    elif isinstance(module, nn.MaxPool2d):
        layers.append((2, 2, 1))
    else:
        continue
    middle = maps.shape[2] // 2
    (slope,) = torch.autograd.grad(maps[:, :, middle, middle].sum(), noise, retain_graph=True)
    seen = slope.abs().sum(dim=(0, 1, 2)) > 0  # columns that some image's gradient reaches
    r, j = receptive_field(layers)
    table.append((type(module).__name__, r, j, int(seen.sum())))
print("layer        field  jump  measured")
for name, r, j, found in table:
    print(f"{name:12} {r:5} {j:5} {found:9}")
assert all(found == r for _, r, _, found in table)

# %% [markdown]
# After the last pooling a field is 28 pixels wide. It begins at pixel $-10$, $-2$, 6 or 14, so the four units
# along a side see 18, 26, 26 and 18 of the 32 pixels; the rest is padding. No unit sees the whole image. The
# fully connected layer puts the sixteen views together.
#
# ## 4.6 Training
#
# One step: take a batch, compute the loss and its gradient $g_t$, and move the weights. **AdamW** (Kingma and Ba,
# 2015; Loshchilov and Hutter, 2019) keeps for each weight a running mean $u$ of its gradient and another, $q$, of the
# gradient's square, and divides the one by the root of the other:
#
# $$ u_t = \beta_1 u_{t-1} + (1 - \beta_1)\, g_t, \quad q_t = \beta_2\, q_{t-1} + (1 - \beta_2)\, g_t^2, \quad w_t = (1 - \eta \lambda)\, w_{t-1} - \eta\, \frac{u_t / (1 - \beta_1^t)}{\sqrt{q_t / (1 - \beta_2^t)} + \varepsilon}, \tag{4.20} $$
#
# with $u_0 = q_0 = 0$, the learning rate $\eta$, the decay $\lambda$, $\varepsilon = 10^{-8}$ against division by zero, and here
# $\beta_2 = 0.999$; $\beta_1$ is 0.9 unless a schedule moves it, as ours will. ($u$, $q$ and $\beta$ are new here: they have nothing to do
# with those of sections 4.3 to 4.5.) The denominators $1 - \beta^t$ make up for the start at zero. The *scale* of a gradient
# cancels: a weight whose gradient keeps its sign moves by about $\eta$ at each step, and one whose gradient keeps
# changing sign hardly moves.


# %% tags=["keep"]
def train_step(network: nn.Module, adam: torch.optim.Optimizer, images: Tensor, labels: Tensor):
    """One step on images (B, 1, 32, 32) and labels (B,); returns the loss in nats."""
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    images = torch.where(mirrored, images.flip(3), images)  # a mirrored boot is still a boot
    loss = F.cross_entropy(network(images), labels)
    adam.zero_grad(set_to_none=True)
    loss.backward()
    adam.step()
    return loss.detach()


# %% tags=["verify"]
w, u, q = numbers(6), torch.zeros(6).double(), torch.zeros(6).double()
parameter = nn.Parameter(w.clone())
theirs = torch.optim.AdamW([parameter], 0.01, weight_decay=0.05)
for t in range(1, 6):
    g = numbers(6)
    parameter.grad = g
    theirs.step()
    u, q = 0.9 * u + 0.1 * g, 0.999 * q + 0.001 * g**2
    w = (1 - 0.01 * 0.05) * w - 0.01 * (u / (1 - 0.9**t)) / ((q / (1 - 0.999**t)).sqrt() + 1e-8)
verify.equation("4.20", w, parameter)

# %% [markdown]
# This is what happens at each step. Around it stands a loop over shuffled batches, and a learning rate that first
# rises and then falls to zero (the *one-cycle* schedule of Smith and Topin, 2019): small while the statistics
# settle, large in the middle, small at the end, so that the weights come to rest. PyTorch's schedule moves $\beta_1$
# against the rate, from 0.95 down to 0.85 and up again. The library keeps all this as
# `course_lib.classification.train_classifier`, with two things for speed: the maps are stored with the channels
# last, and where this machine computes faster in bfloat16, convolutions and fully
# connected layers do.
#
# **Predict before you run:** the largest rate is 0.004 and the decay 0.05, and on two CPU cores two passes over
# the 60,000 training images take one to two minutes. What share of the 10,000 test images will it get
# right? As a measure, a single linear layer on the pixels is trained in the same way, for two passes. No setting
# is changed after the test images have been looked at.

# %%
budget = runtime.budget(
    cpu=runtime.Budget("fashion-mnist", steps=936, batch=128, size=32, width=32),
    gpu=runtime.Budget("fashion-mnist", steps=2340, batch=128, size=32, width=32),
    device=device,
)
torch.manual_seed(seed)
classifier = Classifier().to(device, memory_format=torch.channels_last)
dtype = classification.faster_dtype(device)

# %% tags=["nbval-ignore-output"]
records = list(
    widgets.watch(
        classification.train_classifier(
            classifier,
            train,
            epochs=budget.steps // (len(train) // budget.batch),
            batch=budget.batch,
            dtype=dtype,
            seed=seed,
            every=20,
        ),
        total=budget.steps,
        alt="The cross-entropy falls from about 1.8 to 0.4 within the first third, then slowly to about 0.25.",
    )
)
torch.manual_seed(seed)
linear = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 10)).to(device)
for _ in classification.train_classifier(linear, train, epochs=2, seed=seed):
    pass
share, linear_share = (classification.accuracy(one, test) for one in (classifier, linear))
own_share = classification.accuracy(classifier, train.take(10_000))
print(f"{records[-1].seconds:.0f} s on {runtime.environment(device)['device_name']}")
print(f"test images: {share:.4f}; 10,000 of the training images: {own_share:.4f}")
print(f"a single linear layer, test images: {linear_share:.4f}")

# %% [markdown]
# **Figure 4.6.** The training of the classifier: cross-entropy by images seen; two passes over the training set
# on a CPU, five on a GPU. The last thirds gain little, but they gain.

# %% tags=["verify"]
verify.claim("4.7", "the share of test images classified rightly is at least", share, (0.91, None))
verify.claim("4.8", "a single linear layer classifies rightly at most", linear_share, (None, 0.83))
verify.claim("4.9", "on training images the network is better by", own_share - share, (0.005, None))

# %% [markdown]
# ## 4.7 Where it is wrong
#
# With 10,000 test images an accuracy of 0.92 has a standard error of 0.003. One number does not say which images
# are wrong. The **confusion matrix** counts, for each true class (row), what was said (column).


# %%
@torch.no_grad()
def predict(network: nn.Module, batch: int = 500) -> Tensor:
    """Probabilities of all test images: (10000, 10)."""
    chunks = torch.arange(len(test)).split(batch)
    return torch.cat([network(test.batch(c).to(device)).softmax(1).cpu() for c in chunks])


classifier.eval()
probabilities = predict(classifier)
said = probabilities.argmax(1)
confusion = torch.zeros(10, 10, dtype=torch.int64)
confusion.index_put_((test.labels, said), torch.ones_like(said), accumulate=True)


def draw_confusion(ax: Axes) -> None:
    ax.imshow(confusion.numpy() ** 0.5, cmap="Blues", vmax=45)
    for row in range(10):
        for column in range(10):
            if confusion[row, column]:
                ax.text(
                    column, row, int(confusion[row, column]), ha="center", va="center", fontsize=7,
                    color="white" if confusion[row, column] > 400 else "black",
                )  # fmt: skip
    ax.set_xticks(range(10), names, rotation=40, ha="right")
    ax.set_yticks(range(10), names)
    ax.set(xlabel="said", ylabel="true")
    ax.grid(False)


plotting.panels(
    [(None, draw_confusion)],
    height=5,
    alt="A ten by ten table of counts, 1000 a row. The diagonal is dark. Off it, the largest numbers lie "
    "between shirt, T-shirt, pullover, coat and dress, and small ones among the shoes.",
)

# %% [markdown]
# **Figure 4.7.** The confusion matrix on the test images, 1,000 of each class. A row's diagonal number divided by
# 1,000 is the class's *recall*. Most mistakes are made among things worn on the upper body, and most of the
# others among shoes.

# %% tags=["verify"]
upper = [names.index(name) for name in ("T-shirt/top", "Pullover", "Dress", "Coat", "Shirt")]
wrong = said != test.labels
among = wrong & torch.isin(test.labels, torch.tensor(upper)) & torch.isin(said, torch.tensor(upper))
recalls = confusion.diagonal() / 1000
verify.claim(
    "4.10",
    "the share of all mistakes made among the five upper-body classes is at least",
    among.sum() / wrong.sum(),
    (0.75, None),
)
verify.claim("4.11", "the recall of shirts is at most", recalls[names.index("Shirt")], (None, 0.8))
assert int(recalls.argmin()) == names.index("Shirt")

# %%
confident = torch.where(wrong, probabilities.amax(1), 0.0).argsort(descending=True)[:16]
plotting.image_grid(
    test.batch(confident),
    columns=8,
    titles=[
        f"{names[test.labels[k]].split('/')[0]} said {names[said[k]].split('/')[0]}"
        for k in confident
    ],
    alt="Sixteen test images that the network got wrong with the highest confidence, each with its label "
    "and what was said. Many look more like what was said.",
)

# %% [markdown]
# **Figure 4.8.** The sixteen mistakes of which the network was surest. For some of them one would like to
# ask the person who gave the label. Look at the data before you tune a network.
#
# Can its confidence be believed? A network is **calibrated** if, of the images that it is 90 % sure of, 90 % are right.


# %%
confidence, right = probabilities.amax(1), (~wrong).float()
bins = (confidence * 10).long().clamp(max=9)
filled = [k for k in range(10) if (bins == k).sum() >= 30]
mean_confidence = [float(confidence[bins == k].mean()) for k in filled]
mean_right = [float(right[bins == k].mean()) for k in filled]


def draw_calibration(ax: Axes) -> None:
    ax.plot([0, 1], [0, 1], color="0.5", linestyle=(0, (5, 3)), label="calibrated")
    ax.plot(mean_confidence, mean_right, "o-", color=plotting.COLOURS["blue"], label="network")
    ax.set(
        xlabel="mean confidence", ylabel="share right", xlim=(0.2, 1), ylim=(0.2, 1), aspect="equal"
    )


plotting.panels(
    [(None, draw_calibration)],
    height=3.4,
    alt="Share of images that are right against the network's confidence, in tenths. The points lie near the diagonal.",
)

# %% [markdown]
# **Figure 4.9.** Of the test images with a certain confidence, how many are right; tenths that hold at least 30
# images. Points on the dashed line would be perfect.

# %% tags=["verify"]
gap = sum(
    float((bins == k).float().mean()) * abs(c - r)
    for k, c, r in zip(filled, mean_confidence, mean_right, strict=True)
)
verify.claim(
    "4.12", "the mean gap between confidence and share right is at most", gap, (None, 0.02)
)

# %% [markdown]
# On test images it can: the mean gap is 0.004 to 0.006, under five seeds. That is no law. Larger networks, trained longer, tend to
# be too sure (Guo et al., 2017). And it holds for images like those of the training: section 4.8 finds images of nothing of which
# this network is all but certain.
#
# ### What goes wrong: forgetting `eval()`
#
# Leave the batch normalisations in training mode while testing. **Predict before you run:** first with shuffled
# batches of 100, then with the test set sorted by class, so that each batch holds one kind of garment. (Dropout
# stays off, so that one effect is seen.)


# %%
@torch.no_grad()
def accuracy_by_batches(order: Tensor, batch: int = 100) -> float:
    """Accuracy when batch normalisation uses the statistics of each test batch."""
    careless = copy.deepcopy(classifier).eval()  # a copy, since running values would be changed
    for module in careless.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.train()
    right = 0
    for indices in order.split(batch):
        right += int(
            (careless(test.batch(indices).to(device)).argmax(1).cpu() == test.labels[indices]).sum()
        )
    return right / len(order)


shuffled = accuracy_by_batches(torch.randperm(len(test), generator=random))
in_order = accuracy_by_batches(test.labels.argsort(stable=True))

# %% tags=["verify"]
verify.claim("4.13", "with shuffled batches it costs at most", share - shuffled, (None, 0.01))
verify.claim("4.14", "with batches of one class, the accuracy is at most", in_order, (None, 0.25))

# %% [markdown]
# With mixed batches it costs one to three images in a thousand, and goes unnoticed. With sorted ones a fifth is right, where
# guessing gives a tenth: every batch is moved to the same mean, and what made all
# of them trousers is subtracted. The lesson for later: a generator that is sampled in training mode makes each
# image depend on its neighbours in the batch.
#
# ## 4.8 Looking inside
#
# **Filters.** The first layer's kernels act on pixels, so they can be shown as images.

# %% tags=["nbval-ignore-output"]
kernels = classifier.body[0].weight.detach().cpu().float()  # (32, 1, 3, 3)
plotting.image_grid(
    kernels / kernels.abs().amax(dim=(1, 2, 3), keepdim=True),
    columns=16,
    alt="Thirty-two kernels of three by three pixels. A few are bright on one side and dark on the other; most "
    "show no order.",
)
line = torch.tensor([-1.0, 0.0, 1.0]) / math.sqrt(6)
ramps = torch.stack([line.expand(3, 3), line[:, None].expand(3, 3)])  # each of length 1
varied = kernels[:, 0] - kernels.mean(dim=(1, 2, 3))[:, None, None]
along = torch.einsum("khw,rhw->kr", varied, ramps).square().sum(1)
print(f"share of ramps: {(along / varied.square().sum(dim=(1, 2))).mean():.2f}")

# %% [markdown]
# **Figure 4.10.** The 32 kernels of the first layer, each scaled to its own largest number; mid grey is zero. One is
# tempted to see the edges of [lesson 02](02_convolution.ipynb) in them. Test it: at an edge, numbers rise like a ramp, across or
# down. Printed is the mean share of a kernel's variation that the two ramps hold; of random numbers they hold two of eight
# parts, 0.25. A few kernels are edges. Most show the eye nothing.
#
# **Activations.** What the maps answer to one image:

# %%
boot = test.batch([0]).to(device)
with torch.no_grad():
    early = classifier.body[:6](boot)[0].float()  # (32, 32, 32)
    late = classifier.body[:17](boot)[0].float()  # (96, 8, 8)


def as_images(maps: Tensor) -> Tensor:
    """Each map scaled to its own maximum: (N, H, W), at least 0 -> (N, 1, H, W) in [-1, 1]."""
    return (maps / maps.flatten(1).amax(1)[:, None, None].clamp(min=1e-9) * 2 - 1)[:, None]


def liveliest(maps: Tensor, count: int = 8) -> Tensor:
    """The maps that vary most from place to place."""
    return maps[maps.var(dim=(1, 2)).argsort(descending=True)[:count]]


plotting.image_grid(
    torch.cat(
        [
            as_images(liveliest(early)),
            F.interpolate(as_images(liveliest(late)), size=32, mode="nearest"),
        ]
    ).cpu(),
    columns=8,
    row_labels=["layer 2", "layer 5"],
    alt="Two rows of maps for one ankle boot. In the second layer its outline, sole and surface can be "
    "seen. In the fifth only coarse spots at certain places are bright.",
)

# %% [markdown]
# **Figure 4.11.** Eight maps of two layers for one ankle boot: those that vary most over the image, each scaled
# to its own maximum. Early maps are pictures of the boot. Late ones are answers: something is *here*.
# The lines along the borders are no part of the boot: padding puts zeros, mid grey, around a background of $-1$, and the layer finds
# that edge too.
#
# ### Activation maximisation
#
# Turn training round: keep the weights, and change the *image*, uphill on one class's logit (Erhan et al., 2009).
# Here the image is $\tanh(\theta)$ of free numbers $\theta$, so it stays in range. Once plainly, once with two
# restraints: the image is shifted by up to 3 pixels at random before each step, and pays 0.05 for each squared
# difference of neighbouring pixels. **Predict before you run:** what will the best possible bag look like?


# %%
def best_images(network: nn.Module, regularised: bool, steps: int = 150) -> Tensor:
    """Gradient ascent on the logit of each class at once -> images (10, 1, 32, 32) in [-1, 1]."""
    frozen = copy.deepcopy(network).eval().requires_grad_(False)
    own = torch.Generator().manual_seed(seed)
    theta = (0.1 * torch.randn(10, 1, 32, 32, generator=own)).to(device).requires_grad_()
    adam = torch.optim.Adam([theta], 0.1)
    for _ in range(steps):
        image = torch.tanh(theta)
        loss = torch.zeros((), device=device)
        if regularised:
            rough = image.diff(dim=2).square().sum() + image.diff(dim=3).square().sum()
            loss = loss + 0.05 * rough
            down, across = torch.randint(-3, 4, (2,), generator=own).tolist()
            image = image.roll((down, across), dims=(2, 3))
        loss = loss - frozen(image).diagonal().sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return torch.tanh(theta).detach()


chosen = [
    names.index(n) for n in ("T-shirt/top", "Pullover", "Dress", "Sandal", "Bag", "Ankle boot")
]
plain, regularised = best_images(classifier, False), best_images(classifier, True)
plotting.image_grid(
    torch.cat([plain[chosen], regularised[chosen]]).cpu(),
    columns=6,
    titles=[names[k] for k in chosen],
    row_labels=["plain", "regularised"],
    alt="Two rows of six images. Above, harsh black and white texture without any garment. Below, smoother "
    "grey images in which parts can be guessed, such as the dark gaps between the straps of the sandal.",
)

# %% [markdown]
# **Figure 4.12.** The images that the network likes best, for six classes. Above, texture, for
# the bag as for all others. Below, parts can be guessed, such as the dark gaps between a sandal's straps.


# %% tags=["verify"]
def margins(logits: Tensor) -> Tensor:
    """How far the largest logit is above the second: (B, 10) -> (B,)."""
    top = logits.topk(2, dim=1).values
    return top[:, 0] - top[:, 1]


with torch.no_grad():
    made, real = classifier(plain), classifier(test.batch(range(1000)).to(device))
verify.claim(
    "4.15",
    "the network gives each plain image its class with probability at least",
    made.softmax(1).diagonal().min(),
    (0.99, None),
)
verify.claim(
    "4.16",
    "of real images, the share of which the network is less sure than of all ten plain ones is at least",
    (margins(real) < margins(made).min()).float().mean(),
    (0.7, None),
)

# %% [markdown]
# Above is texture, and the network is surer of it than of most garments. It learned what *tells the classes
# apart* among garments. It never had to say what a garment is, and an image far from all garments gets some
# answer too. The restraints, a *regularisation*, do not change the network; they add a little of our own
# knowledge of images, and with it appear hints of parts. This is the first attempt of the course to *draw* with a
# trained network, and it fails. The networks of [lesson 09](09_dcgan.ipynb) draw against an opponent that is
# trained to notice such cheating.
#
# ### Saliency, and what it does not say
#
# Which pixels make the network say "boot"? The usual answer is the gradient of the logit $z_c$ with respect to each
# pixel, its absolute value drawn as a map (Simonyan et al., 2014). What it means is given by Taylor's theorem: for
# a *small* change $\delta$ of the image
#
# $$ z_c(x + \delta) \approx z_c(x) + \sum_{h,k} \frac{\partial z_c}{\partial x_{h,k}}\, \delta_{h,k}. \tag{4.21} $$
#
# In evaluation mode our network is piecewise linear, and this is even exact, as long as no ReLU and no winner of
# a pooling window changes. On a flat background all pixels of a window tie
# ([section 3.8](03_backpropagation.ipynb)); there autograd picks one of several slopes.


# %%
def saliency(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """|d logit of the label / d pixel|: (B, 1, H, W) -> (B, H, W)."""
    images = images.clone().requires_grad_()
    logits = (
        network(images).gather(1, labels[:, None]).sum()
    )  # images do not mix in evaluation mode
    (slope,) = torch.autograd.grad(logits, images)
    return slope[:, 0].abs()


@torch.no_grad()
def occlusion(network: nn.Module, images: Tensor, labels: Tensor, side: int = 6) -> Tensor:
    """How much the logit falls when a black square covers each place: (B, 1, 32, 32) -> (B, 32, 32)."""
    before = network(images).gather(1, labels[:, None])[:, 0]
    falls = torch.zeros(len(images), 9, 9, device=images.device)
    for row in range(9):
        for column in range(9):
            covered = images.clone()
            top, left = max(0, 4 * row - side // 2), max(0, 4 * column - side // 2)
            covered[:, :, top : 4 * row + side // 2, left : 4 * column + side // 2] = -1
            falls[:, row, column] = before - network(covered).gather(1, labels[:, None])[:, 0]
    return F.interpolate(falls[:, None], size=(32, 32), mode="bilinear", align_corners=True)[:, 0]


examples = test.batch(range(1000)).to(device)
labels = test.labels[:1000].to(device)
torch.manual_seed(seed)
untrained = Classifier().to(device).eval()
salient = saliency(classifier, examples, labels)
by_chance = saliency(untrained, examples, labels)
covered = occlusion(classifier, examples[:8], labels[:8]).clamp(min=0)

plotting.image_grid(
    torch.cat(
        [examples[:8], as_images(salient[:8]), as_images(by_chance[:8]), as_images(covered)]
    ).cpu(),
    columns=8,
    row_labels=["image", "saliency", "untrained", "occlusion"],
    alt="Four rows for eight garments: the images; saliency maps with scattered bright pixels on and around "
    "the garment; those of an untrained network, noise all over; and smooth maps of where a black square harms.",
)

# %% [markdown]
# **Figure 4.13.** Eight test images; the saliency of the trained network; that of a network with random weights;
# and how far the logit falls if a black square of $6 \times 6$ pixels covers the place (**occlusion**; Zeiler and
# Fergus, 2014; where it rises, black). Each map is scaled to its own maximum.
#
# If a map is about what was learned, it must change when the weights are replaced by random ones. The gradient's
# does; some popular methods fail this test (Adebayo et al., 2018). But is it an answer to our question? **Predict
# before you run:** blacken 50 pixels of the garment: the most salient ones; those for which (4.21) predicts the
# largest *fall* of the logit, which is slope times $1 + x$, since $-(1 + x)$ is the change of a pixel that is blackened; and
# 50 at random. Which hurts most? And does the logit fall as far as (4.21) says?

# %% tags=["nbval-ignore-output"]
inside = examples[:, 0] > -1  # black pixels cannot be blackened


def blackened(score: Tensor, count: int = 50) -> Tensor:
    """The examples with the `count` garment pixels of highest score set to -1."""
    score = torch.where(inside, score, -math.inf).flatten(1)
    return examples.flatten(1).scatter(1, score.topk(count).indices, -1.0).view_as(examples)


pixels = examples.clone().requires_grad_()
(slopes,) = torch.autograd.grad(classifier(pixels).gather(1, labels[:, None]).sum(), pixels)
fall = (slopes * (examples + 1))[:, 0]  # (1000, 32, 32): by (4.21), if a pixel is blackened
by_lot = torch.rand(examples.shape[0], 32, 32, generator=random).to(device)
changed = {
    "untouched": examples,
    "the most salient": blackened(salient),
    "the largest predicted fall": blackened(fall),
    "at random": blackened(by_lot),
}
kept, predicted, fallen = {}, {}, {}
print(
    f"{'50 garment pixels blackened':28}{'share right':>12}{'logit falls by':>16}{'predicted':>11}"
)
with torch.no_grad():
    before = classifier(examples).gather(1, labels[:, None]).mean()
    for name, images in changed.items():
        logits = classifier(images)
        kept[name] = float((logits.argmax(1) == labels).float().mean())
        fallen[name] = float(before - logits.gather(1, labels[:, None]).mean())
        predicted[name] = float((slopes * (examples - images)).sum(dim=(1, 2, 3)).mean())
        print(f"{name:28}{kept[name]:12.3f}{fallen[name]:16.2f}{predicted[name]:11.2f}")


# %% tags=["verify"]
def rank_correlation(one: Tensor, two: Tensor) -> float:
    """Mean over images of the correlation of pixels' ranks in two maps (N, H, W)."""
    ranks = [maps.flatten(1).argsort(1).argsort(1).float() for maps in (one, two)]
    centred = [rank - rank.mean(dim=1, keepdim=True) for rank in ranks]
    return float(F.cosine_similarity(*centred, dim=1).mean())


double = copy.deepcopy(classifier).cpu().double()
# A little noise breaks the ties.
image = (test.batch([0]).double() + 0.01 * numbers(1, 1, 32, 32)).requires_grad_()
label = test.labels[:1]
logit = double(image)[0, label]
(slope,) = torch.autograd.grad(logit, image)
direction = numbers(1, 1, 32, 32)
direction /= direction.norm()
with torch.no_grad():
    shift = 1e-6
    above = double(image + shift * direction)[0, label]
    below = double(image - shift * direction)[0, label]
verify.equation(
    "4.21", (above - below) / (2 * shift), (slope * direction).sum()[None], tolerance=1e-5
)
verify.claim(
    "4.17",
    "the rank correlation of the trained and the untrained network's saliency is at most",
    rank_correlation(salient, by_chance),
    (None, 0.2),
)
verify.claim(
    "4.18",
    "blackening at random leaves fewer right than blackening the most salient, by",
    kept["the most salient"] - kept["at random"],
    (0.0, None),
)
verify.claim(
    "4.19",
    "blackening by the predicted fall leaves fewer right than at random, by",
    kept["at random"] - kept["the largest predicted fall"],
    (0.1, None),
)
verify.claim(
    "4.20",
    "of the fall that (4.21) predicts for these pixels together, the logit really falls by the share",
    fallen["the largest predicted fall"] / predicted["the largest predicted fall"],
    (0.19, 0.25),
)

# %% [markdown]
# Blackening the most salient pixels harms *less* than drawing lots, on every seed. Saliency drops the sign: of some of the
# chosen pixels, (4.21) says that blackening *raises* the logit. With the sign and the change, the same gradient names pixels
# that matter: 12 to 16 more images in a hundred are lost than by lot. But the logit falls by a fifth only of what (4.21) says; and for
# pixels drawn by lot, in the run shown, it says next to nothing, and the logit falls by two. The
# gradient answers for a small change, and blackening is a large one. So a saliency map is a true answer to a question that
# was not asked.
# Occlusion asks the question itself: what if this part were missing? It costs 82 passes forward instead of
# one forward and one back.
#
# ## Summary
#
# - Layers are $\sigma(W x + b)$; without the nonlinearity, depth is worth nothing. Softmax and cross-entropy together have the gradient $p - [k = c]$.
# - Each ReLU layer multiplies the variance by $n \sigma_w^2 / 2$. He's weights make that one; PyTorch's default makes it a sixth.
# - Batch normalisation makes the output independent of the scale of the weights. Its backward pass removes from the gradient the shift and the stretch. It has two modes, and forgetting to switch can be invisible or ruinous.
# - A unit sees $r \leftarrow r + D (K-1) j$ pixels, and the influence within is a bell, not a square.
# - Less than two minutes on two cores give 91 % and more, where a linear layer stays below 83 %. Most mistakes are among upper-body garments.
# - Pictures of what a network sees must be tested like any other claim.
#
# **Exercises.** [Eight exercises](../exercises/04_building_a_cnn.ipynb), with checks that say what an
# answer misunderstood. [Solutions](../solutions/04_building_a_cnn.ipynb).
#
# ## Sources
#
# - X. Glorot, Y. Bengio. *Understanding the difficulty of training deep feedforward neural networks.* AISTATS 2010.
# - K. He, X. Zhang, S. Ren, J. Sun. *Delving Deep into Rectifiers.* ICCV 2015. Section 2.2 (initialisation).
# - S. Ioffe, C. Szegedy. *Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate Shift.* ICML 2015. Section 3.
# - N. Srivastava et al. *Dropout: A Simple Way to Prevent Neural Networks from Overfitting.* JMLR, 2014.
# - W. Luo, Y. Li, R. Urtasun, R. Zemel. *Understanding the Effective Receptive Field in Deep Convolutional Neural Networks.* NeurIPS 2016.
# - D. Kingma, J. Ba. *Adam: A Method for Stochastic Optimization.* ICLR 2015. Algorithm 1.
# - I. Loshchilov, F. Hutter. *Decoupled Weight Decay Regularization.* ICLR 2019. (AdamW.)
# - L. Smith, N. Topin. *Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates.* 2019. (One cycle.)
# - D. Erhan, Y. Bengio, A. Courville, P. Vincent. *Visualizing Higher-Layer Features of a Deep Network.* Technical Report 1341, Université de Montréal, 2009. (Activation maximisation.)
# - K. Simonyan, A. Vedaldi, A. Zisserman. *Deep Inside Convolutional Networks.* ICLR workshop, 2014. (Saliency.)
# - M. Zeiler, R. Fergus. *Visualizing and Understanding Convolutional Networks.* ECCV 2014. (Occlusion.)
# - C. Guo, G. Pleiss, Y. Sun, K. Weinberger. *On Calibration of Modern Neural Networks.* ICML 2017.
# - J. Adebayo et al. *Sanity Checks for Saliency Maps.* NeurIPS 2018.
# - H. Xiao, K. Rasul, R. Vollgraf. *Fashion-MNIST.* 2017.
