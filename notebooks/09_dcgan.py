# %% [markdown]
# # 09. DCGAN: a generator made of convolutions
#
# > **The question.** A network is given 64 random numbers and must answer with a picture of a
# > garment. Nobody can tell it which garment belongs to which numbers. How can it learn?
#
# | | |
# |---|---|
# | **You need** | Convolution and batch normalisation (lessons 02 to 04) and the two-player game (lesson 07). What this lesson uses of them is recalled where it is used. |
# | **You will be able to** | build the DCGAN, write every line of its training loop and say why it is there, read its curves, walk through its latent space, and notice when a training is dying |
# | **Time** | about 3 minutes of computing on 2 CPU cores, an hour of reading. On a GPU the last section adds a training of 40,000 steps, whose time has not been measured yet. |

# %%
import copy
import dataclasses
import json
import math
import tempfile
from pathlib import Path

import numpy as np
import sympy
import torch
from IPython.display import display
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import (
    checkpoints,
    data,
    latent,
    losses,
    metrics,
    plotting,
    recipes,
    runtime,
    sources,
    training,
    verify,
    widgets,
)
from course_lib.models import dcgan

seed = runtime.seed(0)
device = runtime.device()
train = data.load_images("fashion-mnist", "train", size=32)
test = data.load_images("fashion-mnist", "test", size=32)
plotting.image_grid(
    train.batch(range(30)),
    columns=10,
    alt="Thirty grey pictures of clothes, shoes and bags on black.",
)

# %% [markdown]
# **Figure 9.1.** The first thirty training images, padded from 28 x 28 to 32 x 32 with black,
# so that they can be halved three times down to 4 x 4. There are 60,000 of them.
#
# ## 9.1 The idea in one picture
#
# Two networks play against each other. The **generator** $G$ turns a **latent vector** $z$,
# which is $Z = 64$ independent draws from $N(0, 1)$, into an image $G(z)$. The
# **discriminator** $D$ gets an image and answers with one number, its **logit** $a$; the
# probability that the image is real is then $D = \sigma(a) = 1 / (1 + e^{-a})$. The
# discriminator learns to tell real images from generated ones. The generator learns to raise
# the discriminator's score of its images. It never sees a real image: all it knows of them is
# the slope of $D$.
#
# DCGAN, *deep convolutional* GAN, is a particular pair of networks: the generator doubles a
# small map of numbers until it has the size of an image, the discriminator halves an image
# until it is small. Each is the other's mirror.

# %%
plotting.architecture(
    [
        ("latent vector", (64, 1, 1)),
        ("transposed conv, BN, ReLU", (128, 4, 4)),
        ("transposed conv, BN, ReLU", (64, 8, 8)),
        ("transposed conv, BN, ReLU", (32, 16, 16)),
        ("transposed conv, tanh", (1, 32, 32)),
    ],
    alt="The generator: a latent vector of 64 numbers becomes 128 maps of 4 by 4, 64 of 8 by 8, "
    "32 of 16 by 16, and one image of 32 by 32.",
)

# %% [markdown]
# **Figure 9.2.** The generator. Each box is a tensor, channels x height x width: fewer and
# fewer channels, larger and larger maps. BN is batch normalisation.

# %%
plotting.architecture(
    [
        ("image", (1, 32, 32)),
        ("conv, LeakyReLU", (32, 16, 16)),
        ("conv, BN, LeakyReLU", (64, 8, 8)),
        ("conv, BN, LeakyReLU", (128, 4, 4)),
        ("conv", (1, 1, 1)),
    ],
    alt="The discriminator: an image of 32 by 32 becomes 32 maps of 16 by 16, 64 of 8 by 8, 128 of "
    "4 by 4, and one logit.",
)

# %% [markdown]
# **Figure 9.3.** The discriminator: the same sizes in the opposite order, ending in one logit.
#
# > **Correction.** Two of the articles that this course grew from say that a convolutional network
# > generates an image by convolution, pooling and a fully connected layer, and that a GAN needs no
# > training data but transforms an existing picture. The first describes a recogniser: pooling
# > throws away positions, a generator has to make them. And a GAN starts from noise and needs data:
# > without real images the discriminator has nothing to compare with.
#
# ## 9.2 Making a map larger: the transposed convolution
#
# A convolution with kernel size $K$, stride $S$ and padding $P$ slides a window over its input
# and writes *one* number for each position. A **transposed convolution** does the opposite. It
# reads one number at a time, multiplies the whole $K \times K$ kernel by it, and *adds* the
# result to the output, $S$ pixels further on for each input pixel. (Lesson 03 shows that its
# matrix is the transpose of the convolution's: hence the name.)
#
# How large is the output? Along one side with $H$ input pixels, the first kernel covers pixels 0
# to $K - 1$. Each of the $H - 1$ further ones starts $S$ later, so together they cover
# $S\,(H - 1) + K$ pixels. The padding of the convolution becomes a crop: $P$ pixels are cut off
# at both ends. So
#
# $$ H_{\text{out}} = S\,(H - 1) + K - 2P. \tag{9.1} $$
#
# With $K = 4$, $S = 2$, $P = 1$ this is $2H$: exactly twice as large. With $H = 1$, $S = 1$,
# $P = 0$ it is $K$: the first layer turns a 1 x 1 map into one of 4 x 4.

# %% tags=["verify"]
measured, formula = [], []
for H in range(1, 7):
    for K, S, P in [(4, 1, 0), (4, 2, 1), (5, 2, 2), (3, 2, 0), (5, 3, 1), (2, 2, 0)]:
        if S * (H - 1) + K - 2 * P > 0:
            output = F.conv_transpose2d(
                torch.ones(1, 1, H, H), torch.ones(1, 1, K, K), stride=S, padding=P
            )
            measured.append(output.shape[-1])
            formula.append(S * (H - 1) + K - 2 * P)
verify.equation("9.1", np.array(measured), np.array(formula))

# %% [markdown]
# Why $K = 4$ and not 3 or 5? Count how many kernels touch an output pixel. Kernels start every
# $S$ pixels and are $K$ long, so along one side, away from the border, a pixel is touched by
#
# $$ \text{overlap} = K / S \quad \text{kernels, the same for every pixel, if and only if } S \text{ divides } K. \tag{9.2} $$
#
# If $S$ does not divide $K$, some pixels are touched more often than their neighbours, and the
# image starts life with a checkerboard pattern that training has to remove.


# %% tags=["verify"]
def overlap(K: int, S: int = 2) -> Tensor:
    """How many kernels touch each output pixel along one side: (12 S,)."""
    line = F.conv_transpose1d(torch.ones(1, 1, 12).double(), torch.ones(1, 1, K).double(), stride=S)
    return line[0, 0, : 12 * S]


inside = slice(6, 18)  # away from the border
verify.equation(
    "9.2",
    torch.stack([overlap(2)[inside], overlap(4)[inside], overlap(6)[inside]]),
    torch.tensor([[1.0], [2.0], [3.0]]).double().expand(3, 12),
)


# %%
def draw_overlap(K: int):
    def draw(ax: Axes) -> None:
        ax.bar(range(6, 18), overlap(K)[inside], color=plotting.COLOURS["blue"])
        ax.set(
            xlabel="output pixel", ylabel="kernels that touch it", ylim=(0, 3.5), yticks=range(4)
        )

    return draw


plotting.panels(
    [(f"K = {K}, S = 2", draw_overlap(K)) for K in (3, 4, 5)],
    alt="Three bar charts. With kernel 4 every pixel is touched twice; with 3 and 5 the "
    "counts alternate.",
)

# %% [markdown]
# **Figure 9.4.** Only $K = 4$ touches every pixel equally often. (The paper's figure 1 shows 5 x 5
# kernels. Odena et al., 2016, give this argument for kernels that the stride divides.)
#
# ## 9.3 The five guidelines of the paper
#
# Before 2015 convolutional GANs fell apart in training. Radford, Metz and Chintala tried many
# networks and kept five rules (their section 3):
#
# 1. **No pooling.** Strided convolutions in the discriminator, transposed ones in the generator: the
#    network learns its own way to shrink and to enlarge.
# 2. **Batch normalisation** in both networks, except in the generator's last layer and the
#    discriminator's first one. Those two touch the image, whose mean and variance the network has
#    to get right and must not have taken away.
# 3. **No fully connected hidden layers.** The latent vector is read as a 1 x 1 image.
# 4. **ReLU in the generator, tanh at its end.** The output then lies in $[-1, 1]$, so the data must
#    be scaled to $[-1, 1]$ too. `data.load_images(...).batch(...)` does that.
# 5. **LeakyReLU in the discriminator**: slope 0.2 for negative inputs, so that a gradient gets
#    through to the generator everywhere.
#
# Here is the whole generator. Single letters are sizes: B images a batch, C channels, Z latent
# numbers.


# %% tags=["keep"]
class Generator(nn.Module):
    """(B, Z) -> (B, C, 32, 32) in [-1, 1]."""

    def __init__(self, latent: int = 64, channels: int = 1, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(latent, 4 * width, 4, stride=1, padding=0, bias=False),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(inplace=True),  # (B, 128, 4, 4)
            nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(inplace=True),  # (B, 64, 8, 8)
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),  # (B, 32, 16, 16)
            nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1),
            nn.Tanh(),  # (B, C, 32, 32)
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z[:, :, None, None])  # (B, Z, 1, 1) goes in


class Discriminator(nn.Module):
    """(B, C, 32, 32) in [-1, 1] -> (B,) logits."""

    def __init__(self, channels: int = 1, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2, inplace=True),  # (B, 32, 16, 16)
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2, inplace=True),  # (B, 64, 8, 8)
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(4 * width),
            nn.LeakyReLU(0.2, inplace=True),  # (B, 128, 4, 4)
            nn.Conv2d(4 * width, 1, 4, stride=1, padding=0),  # (B, 1, 1, 1)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images).flatten()  # (B,)


generator, discriminator = Generator(), Discriminator()
print("generator    ", sum(p.numel() for p in generator.parameters()), "parameters")
print("discriminator", sum(p.numel() for p in discriminator.parameters()), "parameters")

# %% [markdown]
# Two details. A convolution that is followed by batch normalisation has no bias, because the
# normalisation subtracts the mean and so takes any bias away again. And the discriminator ends
# in a logit, not in a sigmoid: the losses below take the logit, which is exact where the
# probability would round to 0 or 1.
#
# The library keeps both as `course_lib.models.dcgan`, for any power of two as the image size.
#
# ## 9.4 Initialisation
#
# The paper draws every convolution weight from $N(0, 0.02^2)$. What does that do to the signal?
# An output of a layer is a sum of $n$ products of a weight and an input. The weights are
# independent of the inputs and of each other, with mean zero and variance $\sigma^2$, so the
# products do not correlate and their variances add:
#
# $$ \operatorname{Var}(y) = n\, \sigma^2\, \mathbb{E}[x^2]. \tag{9.3} $$
#
# In a transposed convolution with kernel $K$ and stride $S$ every output pixel is reached by
# $K/S$ input pixels along each side, so $n = C_{\text{in}} K^2 / S^2$. With 64 input channels,
# $K = 4$ and $S = 2$ that is $n = 256$ and $n \sigma^2 = 0.1$: each layer shrinks the signal to
# a third of its size. Below it is measured. The inputs are ReLUs of standard Gaussians, so
# $\mathbb{E}[x^2] = 1/2$.

# %% tags=["verify"]
random = torch.Generator().manual_seed(1)
x = torch.randn(8, 64, 16, 16, generator=random, dtype=torch.float64).relu()  # (B, 64, 16, 16)
weight = 0.02 * torch.randn(64, 400, 4, 4, generator=random, dtype=torch.float64)
y = F.conv_transpose2d(x, weight, stride=2, padding=1)[
    :, :, 2:-2, 2:-2
]  # (B, 400, 28, 28), no border
# Monte-Carlo: 400 x 64 x 4 weights of each kind; the standard error is below one per cent.
verify.equation("9.3", y.var(), (64 * 4**2 / 2**2) * 0.02**2 * 0.5, tolerance=0.03)

# %% [markdown]
# Batch normalisation brings the signal back to variance one after each layer, so in the
# generator the shrinking does no harm. But mind what else is a "weight" in the eyes of a loop
# over all parameters: batch normalisation's own scale, which multiplies the normalised signal.
# The authors' code draws it from $N(1, 0.02^2)$. **Predict before you run:** what does an image
# of a fresh generator look like if the scales, too, are drawn around *zero*?


# %% tags=["keep"]
def initialise(network: nn.Module) -> nn.Module:
    """Convolutions from N(0, 0.02), batch-norm scales from N(1, 0.02), every shift zero."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)
    return network


# %%
def contrast(network: nn.Module) -> float:
    """Standard deviation over the pixels of 64 images of a fresh generator."""
    return float(network(torch.randn(64, 64)).detach().std())


right = contrast(initialise(Generator()))
wrong_network = Generator()
for parameter in wrong_network.parameters():
    nn.init.normal_(parameter, 0.0, 0.02)  # the batch-norm scales as well
wrong = contrast(wrong_network)

# %% tags=["verify"]
verify.claim(
    "9.1", "with scales around one, a fresh image has visible contrast", right, (0.13, 0.167)
)
verify.claim(
    "9.2",
    "with scales around zero, it has less than a thirtieth of that",
    wrong / right,
    (None, 0.0333),
)

# %% [markdown]
# A uniform grey. Each normalisation undoes the small scale of the one before it, but nothing
# undoes the last: the signal reaches the final layer multiplied by about 0.02, and so is the
# gradient on its way back. The one line `normal_(0, 0.02)` over all parameters is an easy
# mistake to make: the paper says "all weights".
#
# ## 9.5 Two losses
#
# Write $a$ for the logit of a real image $x$ and $b$ for the logit of a generated one. The
# discriminator pays minus the logarithm of the probability that it gave to the right answer,
# for one of each:
#
# $$ L_D = -\log \sigma(a) - \log\bigl(1 - \sigma(b)\bigr) = \operatorname{softplus}(-a) + \operatorname{softplus}(b), \tag{9.4} $$
#
# where $\operatorname{softplus}(t) = \log(1 + e^t)$. The generator wants its image to be called
# real:
#
# $$ L_G = -\log \sigma(b) = \operatorname{softplus}(-b). \tag{9.5} $$
#
# Both second forms follow from $\sigma(t) = 1/(1 + e^{-t})$ and $1 - \sigma(t) = \sigma(-t)$.
# They are the ones to program: in 32-bit numbers $\sigma(-200)$ is 0 and its logarithm minus
# infinity, while softplus of 200 is 200.

# %% tags=["verify"]
a = torch.linspace(-12, 12, 49, dtype=torch.float64)
b = a.flip(0) / 2 + 1
verify.equation(
    "9.4",
    losses.discriminator_loss(a, b),
    -(torch.log(torch.sigmoid(a)) + torch.log(1 - torch.sigmoid(b))).mean(),
)
verify.equation("9.5", losses.generator_loss(b), -torch.log(torch.sigmoid(b)).mean())

# %% [markdown]
# $L_G$ is not the only loss that rewards a high score. The game of lesson 07 would have the
# generator minimise $\log(1 - \sigma(b))$, the very term that the discriminator maximises.
# Compare the slopes:
#
# $$ \frac{d}{db} \log\bigl(1 - \sigma(b)\bigr) = -\sigma(b), \qquad \frac{d}{db}\bigl(-\log \sigma(b)\bigr) = \sigma(b) - 1. \tag{9.6} $$
#
# A new generator is bad and the discriminator soon knows it, say $\sigma(b) = 0.01$. The first
# slope is then $-0.01$, the second $-0.99$. The first loss *saturates* where the generator is
# worst; the second pushes hardest there. That is why (9.5), the **non-saturating** loss, is used
# in place of the first.
#
# One pair of numbers is worth knowing by heart. If the discriminator cannot tell the two kinds
# apart and says one half to everything, then
#
# $$ L_D = 2 \log 2 \approx 1.386, \qquad L_G = \log 2 \approx 0.693. \tag{9.7} $$

# %% tags=["verify"]
t = sympy.symbols("t", real=True)
sigma = 1 / (1 + sympy.exp(-t))
verify.equation(
    "9.6",
    [sympy.diff(sympy.log(1 - sigma), t), sympy.diff(-sympy.log(sigma), t)],
    [-sigma, sigma - 1],
)
half = sympy.Rational(1, 2)
verify.equation(
    "9.7",
    [-sympy.log(half) - sympy.log(1 - half), -sympy.log(half)],
    [2 * sympy.log(2), sympy.log(2)],
)

# %% [markdown]
# ## 9.6 Every line of the training step
#
# One step updates the discriminator once, then the generator once.


# %% tags=["keep"]
def train_step(
    generator: nn.Module,
    discriminator: nn.Module,
    generator_adam: torch.optim.Optimizer,
    discriminator_adam: torch.optim.Optimizer,
    real: Tensor,
    z: Tensor,
) -> tuple[Tensor, Tensor]:
    """One step of both players on real images (B, C, H, W) and latent vectors (B, Z)."""
    fake = generator(z)  # (B, C, H, W)                                              line 1
    d_loss = losses.discriminator_loss(discriminator(real), discriminator(fake.detach()))  # 2
    discriminator_adam.zero_grad()  #                                                     3
    d_loss.backward()  #                                                                  4
    discriminator_adam.step()  #                                                          5

    discriminator.requires_grad_(False)  #                                                6
    g_loss = losses.generator_loss(discriminator(fake))  #                                7
    generator_adam.zero_grad()  #                                                         8
    g_loss.backward()  #                                                                  9
    generator_adam.step()  #                                                             10
    discriminator.requires_grad_(True)  #                                                11
    return d_loss.detach(), g_loss.detach()  #                                           12


# %% [markdown]
# **Line 1.** The images are made once and used twice, in lines 2 and 7. Making new ones for
# line 7 would be right too, and cost one more pass through the generator.
#
# **Line 2.** `detach()` cuts the graph: for the discriminator's step the generated images are
# plain data. Without it line 4 would compute the generator's gradients as well, of the wrong
# sign, and free the graph that line 9 needs: PyTorch would stop there. Real and generated images go through the discriminator in *two batches*. In
# one batch, batch normalisation would compute a common mean and variance, and each real image's
# score would depend on how bad the generated ones are.
#
# **Lines 3 to 5.** Gradients add up in PyTorch until they are cleared. The optimiser knows only
# the discriminator's weights, so line 5 cannot touch the generator.
#
# **Line 6.** In the generator's step the discriminator is a fixed function. Gradients have to
# pass *through* it to the image, but none is needed *for* its weights. Freezing it saves a
# quarter of the multiplications of this step's backward pass, and leaves no stray gradients behind.
#
# **Line 7.** The discriminator has just changed, so the same images get new logits. No `detach`
# here: the gradient must reach the generator.
#
# **Lines 8 to 11.** As lines 3 to 5, for the generator; its optimiser knows only the generator's weights. Then the
# discriminator is unfrozen: forget it, and line 4 of the next step stops.
#
# **Line 12.** The losses stay on the device. Reading a number with `.item()` at every step
# makes a GPU wait for the CPU each time; the loop below sums, and reads once in 36 steps.
#
# The library keeps this step as `training.gan_step`, with a few more choices that section 9.9
# explains. Is it the same step? One step of each, from the same weights, on the same data:

# %%
recipe = recipes.paper_recipe(steps=936, batch=32, latent=64, seed=seed)
state = training.GanState.create(recipe, device)
mine = Generator().to(device), Discriminator().to(device)
mine[0].load_state_dict(state.generator.state_dict())
mine[1].load_state_dict(state.discriminator.state_dict())
adams = [torch.optim.Adam(network.parameters(), recipe.rate, recipe.betas) for network in mine]
real = train.to(device).batch(range(32))
z = torch.randn(32, 64, generator=torch.Generator(device).manual_seed(5), device=device)
train_step(*mine, *adams, real, z)
training.gan_step(state, real, torch.Generator(device).manual_seed(5))
pairs = [
    (p - q).detach().abs().flatten()
    for network, kept in zip(mine, (state.generator, state.discriminator), strict=True)
    for p, q in zip(network.parameters(), kept.parameters(), strict=True)
]
difference = float(torch.cat(pairs).mean())

# %% tags=["verify"]
verify.claim(
    "9.3",
    "after one step, the mean difference of a weight from the library's, in learning rates, is",
    difference / recipe.rate,
    (None, 0.02),
)

# %% [markdown]
# (Not exactly zero: Adam's first step is the learning rate times the *sign* of the gradient,
# and where a gradient is zero up to round-off, its sign is an accident of the order of
# additions.)
#
# ## 9.7 A plain DCGAN, and how good it is
#
# Now train, with the paper's settings: the loss (9.5), Adam with learning rate 0.0002 and
# $\beta_1 = 0.5$. Changed are the latent vector, 64 Gaussian numbers instead of 100 uniform ones, and
# the batches: 32 images instead of 128, which gives four times as many steps for the same work. The networks have fewer
# channels than the paper's, and one doubling less. One **epoch** shows each
# of the 60,000 images once. The paper shows images after one epoch and after five, of some three million pictures each.
# We look at what half a one of ours can do.
#
# To say how good the images are we need a number. Lesson 10 is about that; here is what we use.
# A classifier that was trained to recognise the ten kinds of garment turns each image into 128
# *features*. Let $\mu_r, \Sigma_r$ be the mean and covariance of the features of the 10,000
# real test images, and $\mu_g, \Sigma_g$ those of 10,000 generated images. The **relative
# Fréchet distance** is
#
# $$ F = \frac{ |\mu_r - \mu_g|^2 + \operatorname{tr}\bigl( \Sigma_r + \Sigma_g - 2\, (\Sigma_r^{1/2} \Sigma_g \Sigma_r^{1/2})^{1/2} \bigr) }{ \operatorname{tr} \Sigma_r }. \tag{9.8} $$
#
# The numerator is the squared distance between two Gaussians with these means and covariances;
# in one dimension it is $(\mu_r - \mu_g)^2 + (\sigma_r - \sigma_g)^2$. Dividing by the variance
# of the real features makes it a pure number: at 0 means and covariances agree, and a generator that always drew
# the average feature vector would get 1.

# %% tags=["verify"]
one = metrics.Statistics(torch.tensor([0.5]).double(), torch.tensor([[4.0]]).double(), 10)
two = metrics.Statistics(torch.tensor([2.0]).double(), torch.tensor([[9.0]]).double(), 10)
verify.equation("9.8", metrics.frechet_distance(one, two), (0.5 - 2.0) ** 2 + (2.0 - 3.0) ** 2)

# %%
classifier, known = checkpoints.load_classifier(device)
distance = metrics.RelativeFrechet(classifier, data.normalise(test.images), device)


def quality(state: training.GanState) -> float:
    """Relative Fréchet distance of 10,000 generated images to the test images."""
    return distance(metrics.sample_images(state.generate, 64, 10_000, seed=7, device=device))


print(f"real training images: {known['floor']:.4f}")
print(f"sampler of the Gaussian with all pixels' covariances: {known['gaussian_sampler']:.2f}")

# %% [markdown]
# These two numbers are the frame: a generator that draws as the data are distributed gets about the first, and a method
# without any network reaches the second.
#
# **Predict before you run.** At a draw the discriminator's loss is 1.386 and the generator's 0.693. On which side of these
# will the two end? And does the generator's loss fall while its images improve?

# %% tags=["nbval-ignore-output"]
fixed_z = torch.randn(40, 64, generator=torch.Generator().manual_seed(3)).to(
    device
)  # always the same
dtype = training.faster_dtype(
    recipe, device
)  # float32, or bfloat16 where this machine is faster in it
plain = training.GanState.create(
    recipes.paper_recipe(steps=936, batch=32, latent=64, seed=seed, dtype=dtype), device
)
frames, labels = [], []
for record in widgets.watch(
    training.train_gan(plain, train, every=36), total=936, sample=lambda: plain.generate(fixed_z)
):
    if record.step in (36, 144, 324, 612, 936):
        frames.append(plain.generate(fixed_z).cpu())
        labels.append(f"{record.images:,} images seen")
plain_quality = quality(plain)
print(
    f"{plain.seconds:.0f} s in {dtype}; relative Fréchet distance {plain_quality:.3f} after half an epoch"
)

# %% [markdown]
# **Figure 9.5.** Left: the two losses and the mean logits. Right: 40 images from the same
# latent vectors as in the frames below.

# %% tags=["nbval-ignore-output"]
plotting.frame_slider(
    frames,
    labels=labels,
    alt="Samples of the plain DCGAN as training goes on: noise, blobs, dots, then rough outlines.",
    limit=60_000,
)

# %% [markdown]
# **Figure 9.6.** The same 40 latent vectors through training. First blobs, then a pattern of dots, then outlines, among
# which upper bodies and a few shoes and trousers can be told. There are no details yet.

# %% tags=["verify"]
verify.claim(
    "9.4",
    "after half an epoch with the paper's settings, the relative Fréchet distance lies in",
    plain_quality,
    (0.45, 0.65),
)
last = plain.history[-1].losses
verify.claim(
    "9.5",
    "the discriminator wins: its loss is below a draw's 1.386",
    last["discriminator"],
    (None, 1.386),
)
verify.claim(
    "9.6", "the generator's loss is above a draw's 0.693", last["generator"], (0.693, None)
)

# %% [markdown]
# ### Reading the curves
#
# Neither loss falls towards zero as a classifier's loss does, and neither should. Each player's loss measures it *against the
# present opponent*. In the training shown the generator's loss rises first, then falls, and ends about where it began.
# Meanwhile noise has become outlines of garments. A rise or a fall says who is ahead and by how much, and not how good the
# images are. What the curves do tell:
#
# | you see | it means |
# |---|---|
# | $L_D$ between about 0.3 and 1.3, both curves rough but level | a working game |
# | $L_D$ near 0, $L_G$ growing without end | the discriminator is certain; the generator learns from its extrapolation only |
# | $L_D$ stuck at 1.386, $L_G$ at 0.693, both smooth | a discriminator that has given up, or gets no signal |
# | a sudden step in both curves | a collapse; look at the samples from before |
# | not finite | learning rate too high, or a logarithm of a probability |
#
# Neither curve says how good the images are. For that, look at samples from *fixed* latent
# vectors, as in Figure 9.6, and measure (9.8).
#
# ## 9.8 Is each guideline needed?
#
# A rule that nobody tests is a superstition. `benchmarks/guidelines.py` repeats half an epoch
# of this training with one rule broken at a time, for three seeds each.

# %%
stored = json.loads(
    (sources.REPOSITORY / "benchmarks" / "results" / "guidelines.json").read_text(encoding="utf-8")
)
rules = sorted(stored["rules"].items(), key=lambda item: item[1]["median"])


def draw_rules(ax: Axes) -> None:
    for row, (rule, found) in enumerate(rules):
        colour = plotting.COLOURS["blue" if rule == "the paper's settings" else "vermillion"]
        ax.plot([found["least"], found["largest"]], [row, row], color=colour, linewidth=3)
        ax.plot(found["values"], [row] * len(found["values"]), "o", color=colour)
    ax.set_yticks(range(len(rules)), [rule for rule, _ in rules])
    ax.set(xlabel="relative Fréchet distance after half an epoch (lower is better)", xlim=(0, None))
    ax.invert_yaxis()


display(
    plotting.panels(
        [(None, draw_rules)],
        alt="One row for each broken rule and one for the paper's settings: "
        "the relative Fréchet distance after half an epoch for three seeds.",
    )
)
print(
    f"measured {stored['date']} on {stored['environment']['device_name']}, {stored['environment']['threads']} threads, {stored['dtype']}"
)

# %% [markdown]
# **Figure 9.7.** Blue: all rules kept. Each other row breaks one rule. Points are three seeds.
#
# What can be read off it, and what not:
#
# - **Tanh** matters most. A sigmoid's output begins at 0, which is grey in images from $-1$ to 1: the
#   generator cannot draw the black background, and every image is recognised by it.
# - **Batch normalisation** at the image too gives 1.74 times the distance (1.51 to 2.01; 95 % intervals, computed as in lesson
#   08). Without any, every seed does worse, and luck decides how much: the interval, 0.61 to 4.12, holds one.
# - **$\beta_1 = 0.5$** matters: 0.9 gives 1.41 times the distance (1.02 to 1.96).
# - **Scales around one**: with $N(0, 0.02^2)$ for every parameter each seed does worse, by 1 to 32 %. The interval of the
#   factor, 0.84 to 1.65, holds one: three seeds do not settle it.
# - **LeakyReLU**, and a network **without a fully connected layer**, make no difference that three seeds
#   could show.
# - **Pooling and upsampling** are *better* here than strided layers: the distance is lower by 26 to 28 % under each seed. Each
#   strided layer was replaced by a fixed step and a 3 x 3 convolution at the larger size, which needs 9/4 of its
#   multiplications, so the arithmetic is not equal. Uneven overlap is not the reason: with $K = 4$ and $S = 2$ the strided
#   layers have none, by (9.2). What the reason is, this table does not say.
#
# The paper's rules were found with larger colour images and long trainings. Half an epoch of small grey
# ones cannot refute them. It can show which of them carry the weight here, and that a rule is worth
# testing where one works.
#
# ## 9.9 From the paper's settings to the course's
#
# The paper is of 2015. Eight changes, some of them older than the paper, make the pair learn
# several times faster. They are what `make train` uses. The first is a change of the generator, the
# last adds one number to what the discriminator sees, and the others leave the networks' layers as they
# are or take some away.
#
# **A second layer at each size, and wider ones.** In a transposed convolution with $K = 4$ and $S = 2$ the
# output pixels fall into four kinds, by odd or even row and column. Each kind is computed with
# its own quarter of the kernel, from 2 x 2 input pixels: (9.2) along both sides. Nothing in the
# layer compares an output pixel with its neighbour. So we put a 3 x 3 convolution, with its
# batch normalisation and ReLU, behind each hidden transposed one that doubles a map, at 8 x 8 and at 16 x 16, as Progressive GAN
# and StyleGAN do (Karras et al., 2018). From $2C$ channels to $C$, the transposed layer needs $4 \cdot 2C \cdot C = 8C^2$
# multiplications for a pixel, the new one $9 \cdot C \cdot C = 9C^2$: the generator's work doubles, the
# discriminator's stays. We also give each layer of the generator half as many channels again, 48 instead
# of 32 in the last hidden one. A deeper or wider discriminator did not help in our trials, of one seed
# each.
#
# **No batch normalisation in the discriminator.** It makes each image's score depend on the
# other images of its batch, so the discriminator is not a function of one image any more. What
# it gave, a well-scaled signal, the next change gives at the start. (The last change brings the
# other images back, on purpose and in one number.)
#
# **Initial weights by fan-in.** Without normalisation nothing repairs the scale. By (9.3), $\sigma = 0.02$ (a number here, and no sigmoid) multiplies the
# mean square by $n \sigma^2 = 0.006$ in the discriminator's first layer ($n = 16$) and by 0.82 in its last ($n = 2048$).
# PyTorch's default gives a convolution's weights the variance $1/(3n)$, so that $n \sigma^2 = 1/3$ in every layer of the
# discriminator.
#
# **Pairs instead of labels.** The loss (9.4) asks of each image whether it is real. The
# *relativistic* loss (Jolicoeur-Martineau, 2018) asks of a real image with logit $a$ and a generated one with logit $b$
# which of the two is more real:
#
# $$ L_D = \operatorname{softplus}(b - a), \qquad L_G = \operatorname{softplus}(a - b), \qquad \frac{d L_G}{d b} = \sigma(b - a) - 1. \tag{9.9} $$
#
# The slope is that of the non-saturating loss (9.6) with $b - a$ in the place of $b$. Only
# differences count: a constant added to every logit changes nothing. And a generated image is not compared with one half, but with
# a real image drawn at random, often of another kind. Whether that keeps more kinds is not measured here; lesson 08 could not tell
# the two losses apart by the distance.
#
# **R1 penalty.** Where real and generated images hardly overlap, a discriminator can be right
# about all of them and still have any slope it likes in between, and it is this slope that the
# generator follows. The R1 penalty, with a weight $\gamma$ (here 0.3), asks for a small slope of the logit $a(x)$ at the real
# images:
#
# $$ R_1 = \frac{\gamma}{2}\, \mathbb{E}_{x\ \text{real}}\, \bigl| \nabla_x\, a(x) \bigr|^2. \tag{9.10} $$
#
# When generated images match the real ones, the best slope there is zero, so the penalty does
# not move the goal, and it makes the game converge near it (Mescheder et al., 2018). It needs a
# gradient of a gradient, which is slow. So it is computed at every 16th step only, with 16
# times the weight ("lazy" regularisation, Karras et al., 2020): the same penalty on average.

# %% tags=["verify"]
a, b = sympy.symbols("a b", real=True)
paired = sympy.log(1 + sympy.exp(a - b))
verify.equation("9.9", sympy.diff(paired, b), 1 / (1 + sympy.exp(a - b)) - 1)

critic = dcgan.Discriminator(width=4, norm="none").double()
images = data.normalise(test.images[:3]).double().requires_grad_()
by_autograd = losses.squared_gradient_norm(critic(images), images)
# Finite differences: the slope along a pixel is (a(x + h e) - a(x - h e)) / 2h, for each of 1024 pixels.
h, pixels = 1e-5, torch.eye(1024, dtype=torch.float64).reshape(1024, 1, 32, 32)
with torch.no_grad():
    slopes = [(critic(x + h * pixels) - critic(x - h * pixels)) / (2 * h) for x in images]
verify.equation(
    "9.10", by_autograd.detach(), torch.stack(slopes).square().sum(1).mean(), tolerance=1e-6
)

# %% [markdown]
# **No momentum, a higher rate.** Adam's $\beta_1$ averages past gradients. In a game the
# opponent moves, and an old gradient is an answer to a position that is gone: $\beta_1 = 0$.
# The average of squared gradients, $\beta_2$, is shortened to 0.99 for the same reason. The
# learning rate is 0.0015, seven and a half times the paper's; R1 is there to hold the discriminator (lesson 11 measures how
# much it does). Trainings of more than 8,192 steps have a lower rate, `recipes.rate_for`: for 25,702 steps, about ten minutes, it is
# 0.56 of that. Such a training ended at a relative Fréchet distance of 0.0096 to 0.0123, five seeds; one of 27,637 steps at the
# full rate ended at 0.0136, one seed.
#
# **An average of the generator, and a falling rate.** The weights at any one step swing around
# a good place, because each step answers to the last one. So we keep a second generator whose
# weights $\bar w$ follow those of the trained one, $w_t$, with a decay $\beta$ just below one:
# $\bar w_t = \beta\, \bar w_{t-1} + (1 - \beta)\, w_t$. Unrolled, it is a weighted mean of all
# past weights,
#
# $$ \bar w_t = \beta^t\, \bar w_0 + (1 - \beta) \sum_{s=1}^{t} \beta^{\,t-s}\, w_s, \tag{9.11} $$
#
# in which, for a constant $\beta$, a step counts half as much after $\log 2 / (1 - \beta)$ further ones: 350 steps for
# $\beta = 0.998$. A young average must forget its noisy start sooner, so at step $s$ the course takes
# $\min(0.998, (1 + s)/(10 + s))$ (lesson 11). In the 1,875 steps below that is the fraction throughout, 0.995 at the end:
# 145 steps. The running statistics of batch normalisation are averaged in the same
# way: those of the trained generator come from the last few batches and belong to other weights.
# Images are drawn from the average (section 9.11 makes an exception); training goes on with $w$. In the
# second half of training the learning rate also falls to zero on a straight line, so that the
# swing dies out.

# %% tags=["verify"]
beta, weights = (
    0.9,
    torch.randn(40, dtype=torch.float64, generator=torch.Generator().manual_seed(2)),
)
average = weights[0].clone()
for w in weights[1:]:
    average = beta * average + (1 - beta) * w
t = len(weights) - 1
powers = beta ** torch.arange(t - 1, -1, -1, dtype=torch.float64)
verify.equation("9.11", average, beta**t * weights[0] + (1 - beta) * (powers * weights[1:]).sum())

# %% [markdown]
# **A look at the group.** A discriminator that sees one image at a time can learn that a generator always draws the same
# only by remembering that image from step to step, and by then the generator may draw another. Nothing in its
# answer to one image says: differ from the others. So it is shown, beside each image, how much the images of
# a **group** differ. A group is $N$ images that follow each other in the batch, all real or all generated. Write $h_{n,c,i,j}$
# for the number in channel $c$ at position $(i, j)$ of the discriminator's last maps, $C \times H \times W$ (here 128 x 4 x 4), for
# image $n$ of the group, and $\bar h_{c,i,j}$ for the mean over the group. The **minibatch standard deviation** $\delta$ is
# the standard deviation over the group, averaged over all channels and positions:
#
# $$ \delta = \frac{1}{C H W} \sum_{c, i, j} \sqrt{ \frac1N \sum_{n=1}^{N} \bigl( h_{n,c,i,j} - \bar h_{c,i,j} \bigr)^2 }. \tag{9.12} $$
#
# This one number is appended to the maps of each image of the group, as a channel that is the same
# everywhere. The last layer adds a multiple of $\delta$ to each logit of the group. While generated groups vary less than real
# ones, a positive multiple tells them apart, and through it the generator is told to vary more; should they vary more
# than real ones, the multiple can change its sign. (Karras et al., 2018, section 3, take the whole batch as one group. It is a
# simpler form of minibatch discrimination, by Salimans et al., 2016.)


# %% tags=["keep"]
def with_spread(maps: Tensor, group: int) -> Tensor:
    """Append the spread of each group of neighbours: (B, C, H, W) -> (B, C + 1, H, W)."""
    groups = maps.unflatten(0, (-1, group))  # (B / N, N, C, H, W)
    variance = (groups - groups.mean(1, keepdim=True)).square().mean(1)  # (B / N, C, H, W)
    spread = (variance + 1e-8).sqrt().mean((1, 2, 3))  # (B / N,)
    spread = spread.repeat_interleave(group)  # (B,)
    height, width = maps.shape[2:]
    return torch.cat([maps, spread[:, None, None, None].expand(-1, 1, height, width)], 1)


# %% tags=["verify"]
maps = torch.randn(8, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(6))
by_numpy = maps.numpy().reshape(2, 4, 3, 4, 4).std(axis=1).mean(axis=(1, 2, 3))
in_pairs = (maps[::2] - maps[1::2]).abs().mean((1, 2, 3)) / 2  # N = 2: half the mean difference
verify.equation(
    "9.12",
    [*with_spread(maps, 4)[::4, -1, 2, 1], *with_spread(maps, 2)[::2, -1, 0, 0]],
    [*by_numpy, *in_pairs],
    tolerance=1e-6,  # of the 1e-8 under the root
)

# %% [markdown]
# The $10^{-8}$ is there for a group whose images agree: the root has no finite slope at zero. The course has $N = 8$, four
# groups in a batch of 32. Batch normalisation, too, let an image's logit depend on its neighbours, through the mean and
# variance of every channel; here it depends on them through $\delta$ alone. In (9.10), $a(x)$ now means the sum of the group's
# logits, each of which depends on the image $x$. The library keeps this layer as `dcgan.MinibatchStd`.
#
# **Predict before you run.** The next cell trains with all eight changes on *one* epoch of
# images. The plain DCGAN of Figure 9.5 saw half an epoch. How far down will the distance go?

# %% tags=["nbval-ignore-output"]
steps = 60_000 // 32
recipe = recipes.course_recipe(torch.device("cpu"), steps=steps, seed=seed)
recipe = dataclasses.replace(recipe, dtype=training.faster_dtype(recipe, device))
state = training.GanState.create(recipe, device)
frames, labels = [], []
for record in widgets.watch(
    training.train_gan(state, train, every=75), total=steps, sample=lambda: state.generate(fixed_z)
):
    if record.step in (75, 300, 600, 1200, 1875):
        frames.append(state.generate(fixed_z).cpu())
        labels.append(f"{record.images:,} images seen")
tuned_quality = quality(state)
print(f"{state.seconds:.0f} s in {recipe.dtype}; relative Fréchet distance {tuned_quality:.3f}")

# %% [markdown]
# **Figure 9.8.** The course's recipe: losses, mean logits and samples. The level of the logits
# means nothing now, because the loss sees only differences. The difference of the two means stays below
# one, where the sigmoid has a slope. (No copy without the penalty is trained here, so this does not show that the penalty
# does it.)

# %% tags=["nbval-ignore-output"]
plotting.frame_slider(
    frames,
    labels=labels,
    alt="Samples of the course's recipe as training goes on, from blobs to clothes.",
    limit=60_000,
)

# %% [markdown]
# **Figure 9.9.** The same latent vectors through one epoch. These are images of the averaged
# generator.

# %% tags=["verify"]
verify.claim(
    "9.7",
    "after one epoch with the course's recipe, the relative Fréchet distance lies in",
    tuned_quality,
    (0.045, 0.085),
)
verify.claim(
    "9.8",
    "relative to half an epoch with the paper's settings, that is a factor of",
    tuned_quality / plain_quality,
    (None, 0.2),
)

# %% [markdown]
# The two trainings did not see equally many images, and the second generator does four
# and a half times the arithmetic for each: 20.4 million multiply-adds against 4.5. [Lesson 00](00_start_here.ipynb) plans the same
# recipe for 38,400, not far from the plain training's 29,952; five seeds gave it 0.10 to 0.13.
# `make train` plans it for 192,000 images, a little over three epochs; the README states what it reaches.
#
# ### Samples are drawn in evaluation mode
#
# Batch normalisation in training mode uses the mean and variance of the present batch, and also
# updates its running statistics. Two things go wrong when samples for a figure are drawn that
# way: the image of a latent vector depends on which other vectors are in the batch, and looking
# at the network changes it.

# %%
pair = (
    torch.cat([fixed_z[:1], fixed_z[1:9]]),
    torch.cat([fixed_z[:1], fixed_z[9:17]]),
)  # the first vector is the same
swings = {}
for mode in (True, False):
    network = copy.deepcopy(state.average).train(mode)
    with torch.no_grad():
        first, second = (network(z)[0] for z in pair)
    swings[mode] = float((first - second).abs().max())

# %% tags=["verify"]
verify.claim(
    "9.9",
    "in training mode, other neighbours change some pixel by at least a tenth of the range",
    swings[True] / 2,
    (0.1, None),
)
verify.claim(
    "9.10", "in evaluation mode, by nothing that can be seen", swings[False] / 2, (None, 1e-3)
)

# %% [markdown]
# ## 9.10 Walking through latent space
#
# The generator is continuous, so a path between two latent vectors gives a path between two
# images. Which path? Not the straight line. The length of a vector of $Z$ independent standard
# Gaussians hardly varies:
#
# $$ \mathbb{E}\,|z| = \sqrt{2}\; \frac{\Gamma\bigl((Z+1)/2\bigr)}{\Gamma(Z/2)} \approx \sqrt{Z}, \tag{9.13} $$
#
# with a standard deviation of about $1/\sqrt 2$ whatever $Z$ is. Here $Z = 64$, so nearly all
# training vectors lie between 6 and 10. Two independent vectors are nearly orthogonal, so
# halfway on the straight line the length is only $8 / \sqrt 2 \approx 5.7$. Of the training vectors only about 3 in 10,000 are
# as short. An arc keeps the length. With $\theta$ the angle
# between $z_0$ and $z_1$, **spherical interpolation** is
#
# $$ z_t = \frac{\sin\bigl((1 - t)\,\theta\bigr)}{\sin \theta}\, z_0 + \frac{\sin(t\,\theta)}{\sin \theta}\, z_1, \qquad 0 \le t \le 1. \tag{9.14} $$
#
# In the plane, with $z_0 = (1, 0)$ and $z_1 = (\cos\theta, \sin\theta)$, this must be the point
# at angle $t\theta$ on the circle.

# %% tags=["verify"]
Z = 64
lengths = torch.randn(200_000, Z, generator=torch.Generator().manual_seed(4)).double().norm(dim=1)
exact = math.sqrt(2) * math.exp(math.lgamma((Z + 1) / 2) - math.lgamma(Z / 2))
verify.equation("9.13", [lengths.mean(), exact], [exact, math.sqrt(Z)], tolerance=0.005)

theta, t = sympy.symbols("theta t", positive=True)
start, end = sympy.Matrix([1, 0]), sympy.Matrix([sympy.cos(theta), sympy.sin(theta)])
arc = (sympy.sin((1 - t) * theta) * start + sympy.sin(t * theta) * end) / sympy.sin(theta)
verify.equation("9.14", arc, sympy.Matrix([sympy.cos(t * theta), sympy.sin(t * theta)]))

# %%
ends = torch.randn(2, 5, Z, generator=torch.Generator().manual_seed(8))
path = torch.stack(
    [latent.slerp(ends[0], ends[1], t) for t in torch.linspace(0, 1, 10)], dim=1
)  # (5, 10, Z)
plotting.image_grid(
    state.generate(path.flatten(0, 1).to(device)).cpu(),
    columns=10,
    alt="Five rows of ten garments; in each row one turns into another without a jump.",
)

# %% [markdown]
# **Figure 9.10.** Five walks of ten pictures. There are no jumps. Where the two ends are of one kind, a
# garment changes step by step. Where they are far apart, as in the last row, from trousers to a shoe,
# the walk passes through pictures that are neither.
#
# A walk along an arc can be steered by hand. In JupyterLab and on Colab the next cell shows
# sliders: each turns the latent vector towards one of four random directions.

# %%
widgets.latent_explorer(
    lambda z: state.generate(z.to(device)).cpu(),
    Z,
    seed=1,
    alt="Four rows of seven garments. The middle one is the same in every row; to its sides it "
    "changes into others, differently in each row.",
)

# %% [markdown]
# **Figure 9.11.** One latent vector, in the middle, turned towards four random directions and away
# from them. The number above a column says how much of the direction is added, in lengths of the
# vector; the sum is scaled back to that length.
#
# ### Arithmetic
#
# The paper's best known figure adds and subtracts latent vectors: *smiling woman - neutral
# woman + neutral man = smiling man*. It was made by hand, from three chosen vectors for each.
# We can measure it. Draw many latent vectors, let the classifier say what each image shows, and
# average the vectors of T-shirts and those of pullovers. The difference of the two means is a
# direction, "add long sleeves". **Predict before you run:** add it to latent vectors of *other*
# T-shirts. How many of them become pullovers?

# %%
many = torch.randn(4000, Z, generator=torch.Generator().manual_seed(21))
shown = torch.cat(
    [classifier(state.generate(z.to(device))).argmax(1).cpu() for z in many.split(500)]
)
shirts, pullovers = (
    many[shown == train.classes.index("T-shirt/top")],
    many[shown == train.classes.index("Pullover")],
)
direction = pullovers.mean(0) - shirts[100:].mean(0)
subjects = shirts[:100]  # not used for the direction
strengths = torch.linspace(0, 3, 7)
moved = torch.stack([subjects + strength * direction for strength in strengths])  # (7, 100, Z)
moved = (
    moved / moved.norm(dim=-1, keepdim=True) * subjects.norm(dim=-1, keepdim=True)
)  # back to the sphere
labels_after = torch.stack(
    [classifier(state.generate(z.to(device))).argmax(1).cpu() for z in moved]
)
share = (labels_after == train.classes.index("Pullover")).double().mean(1)

# %%
rows = state.generate(moved[:, :5].transpose(0, 1).flatten(0, 1).to(device)).cpu()
plotting.image_grid(
    rows,
    columns=7,
    titles=[f"{s:.1f}" for s in strengths],
    alt="Five T-shirts in the left column; to the right, in four of the five rows, their sleeves grow as more of the direction is added.",
)

# %% [markdown]
# **Figure 9.12.** Left: five T-shirts. To the right: more and more of the direction "pullover
# minus T-shirt" added, the multiple above each column, each vector scaled back to its own
# length. In the run shown four of them get long sleeves; the second one turns into something like a bag.

# %% tags=["verify"]
verify.claim(
    "9.11",
    "with three times the direction, the share of T-shirts that become pullovers is at least",
    float(share[-1]),
    (0.1, None),
)

# %% [markdown]
# Under five seeds of the training, 53, 38, 61, 58 and 57 T-shirts in a hundred became pullovers with three times the
# direction.
#
# ## 9.11 What goes wrong: collapse
#
# A generator that makes one convincing pullover, over and over, fools its discriminator for a
# while. This is **mode collapse**. It often comes late, after hours in which all went well. The
# losses may look healthy throughout, so we need to measure *variety*. For two independent images
# $x, x'$ from the same source with covariance $\Sigma$ over the pixels,
#
# $$ \mathbb{E}\,|x - x'|^2 = 2 \operatorname{tr} \Sigma, \tag{9.15} $$
#
# because the means cancel and the variances of each pixel add. The **variety** of a generator
# is its mean squared distance between two samples, divided by that of the real images: 1 is
# right, 0 is a single image.

# %% tags=["verify"]
sample = data.normalise(test.images[:400]).double().flatten(1)
pairs = torch.cdist(sample, sample).square().sum() / (
    400 * 399
)  # over all pairs of different images
verify.equation("9.15", pairs, 2 * torch.cov(sample.T).trace())


# %%
def variety(generate) -> float:
    """Mean squared distance between two of 500 samples, relative to real images."""
    drawn = metrics.sample_images(generate, Z, 500, seed=11, device=device).flatten(1)
    real = data.normalise(test.images[:2000]).flatten(1)
    return float(drawn.var(0).sum() / real.var(0).sum())


def train_on(recipe: recipes.Recipe, blind: bool = False) -> tuple[list[float], Tensor]:
    """Train copies of the two networks further; a blind discriminator sees no group any more.

    Returns the variety of the generator every 25 steps, and ten of its images from the moment when
    it was least. It is the generator as it is, not its average, which would hide a swing.
    """
    networks = copy.deepcopy(state.generator), copy.deepcopy(state.discriminator)
    if blind:
        layers = networks[1].layers
        assert isinstance(layers[-2], dcgan.MinibatchStd)
        layers[-2] = nn.ConstantPad3d((0, 0, 0, 0, 0, 1), 0.0)  # a channel of zeros in its place
    further = training.GanState.create(recipe, device, networks)

    def draw(z: Tensor) -> Tensor:
        return further.generator.eval()(z).detach()  # train_gan goes back to training mode

    found, poorest = [variety(draw)], metrics.sample_images(draw, Z, 10, 11, device)
    for _ in training.train_gan(further, train, every=25):
        found.append(variety(draw))
        if found[-1] <= min(found):
            poorest = metrics.sample_images(draw, Z, 10, 11, device)
    return found, poorest


# %% [markdown]
# Now we provoke a late collapse. The two networks of Figure 9.8 have had a healthy epoch. They
# are trained for 400 steps more, at the full learning rate, in three ways. One is the course's
# recipe. The *reckless* one gives up what holds it: no pairs, no penalty, Adam's
# default $\beta_1 = 0.9$ and $\beta_2 = 0.999$, and twice the rate. The third is as reckless, and *blind*: its
# discriminator sees 0 in the place of $\delta$. (That also takes from each logit the multiple of $\delta$ that its group had, at first. And
# the level of the logits, which pairs leave free, counts in the reckless loss from the first step on.) **Predict before you run:** which of them lose their variety?

# %% tags=["nbval-ignore-output"]
careful = dataclasses.replace(recipe, steps=400, decay="none")
reckless = dataclasses.replace(
    careful, loss="non-saturating", r1=0.0, betas=(0.9, 0.999), rate=2 * careful.rate
)
outcomes = {
    "reckless and blind": train_on(reckless, blind=True),
    "reckless": train_on(reckless),
    "course's recipe": train_on(careful),
}
plotting.curves(
    [25 * k for k in range(17)],
    {name: found for name, (found, _) in outcomes.items()},
    xlabel="further training step",
    ylabel="variety (real images: 1)",
    levels={"real images": 1.0},
    alt="Variety by further training step. All start at about one. The course's recipe stays near it; "
    "the reckless and blind training swings between more than one and almost zero.",
)

# %% [markdown]
# **Figure 9.13.** The variety of three continuations of one healthy training, each measured on the
# trained generator itself, not on its average, in evaluation mode. (That a generator which moves so fast is drawn with the
# statistics of earlier weights may add to the swings; it was not separated.) The blind one falls to almost none, rises to far more
# than real images have, and is falling again at the end. The reckless one, which sees the group, does not fall as low here, and
# swings as widely.

# %%
plotting.image_grid(
    torch.cat([images for _, images in outcomes.values()]),
    columns=10,
    row_labels=["blind", "reckless", "course"],
    alt="Three rows of ten pictures, of the blind, the reckless and the course's training. Only the last "
    "row shows ten different garments.",
)

# %% [markdown]
# **Figure 9.14.** Ten samples of each, at the moment of its least variety, from the same latent
# vectors. The blind generator draws one picture for all of them, here a black one. The reckless one draws different
# pictures, and no garments: variety is not quality.

# %% tags=["verify"]
least = {name: min(found) for name, (found, _) in outcomes.items()}
verify.claim(
    "9.12",
    "the least variety that the reckless and blind training falls to is at most",
    least["reckless and blind"],
    (None, 0.25),
)
verify.claim(
    "9.13",
    "with a look at the group, the reckless training falls to at most",
    least["reckless"],
    (None, 0.9),
)
verify.claim(
    "9.14",
    "the least variety of the course's recipe, over the same steps, is at least",
    least["course's recipe"],
    (0.7, None),
)

# %% [markdown]
# One epoch of good training did not protect the generator. Under five seeds the blind training fell to a variety of 0.11
# at most. With a look at the group, but as reckless, it fell to 0.65, 0.00, 0.61, 0.13 and 0.81; the course's recipe
# to 0.78 at least. The look at the group kept more variety under three of the five seeds, then. It can help, and it is not
# enough: the rest of the recipe is needed. What
# helps is to prevent, as above,
# and to notice: measure variety and distance now and then, on fixed latent vectors, keep
# checkpoints, and go back to the best one.
#
# ## 9.12 Checkpoints
#
# What has to be saved so that a training can go on as if it had never stopped? Both networks;
# the average; the *moments* of both Adam optimisers; the step number, on which the learning
# rate depends; and the state of every random number generator. The library avoids the last by
# drawing everything at step $t$ from a generator seeded with (seed, $t$). Then equality can be
# tested to the last bit.

# %%
short = dataclasses.replace(recipe, steps=20)
uninterrupted = training.GanState.create(short, device)
for _ in training.train_gan(uninterrupted, train, every=10):
    pass

interrupted = training.GanState.create(short, device)
for _ in training.train_gan(interrupted, train, every=10):
    break  # leave after the first record, at step 10
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "checkpoint.safetensors"
    checkpoints.save_state(interrupted, path, {"data": "fashion-mnist"})
    resumed, _ = checkpoints.load_state(path, device)
for _ in training.train_gan(resumed, train, every=10):
    pass
gap = max(
    float((p - q).detach().abs().max())
    for p, q in zip(
        uninterrupted.generator.parameters(), resumed.generator.parameters(), strict=True
    )
)

# %% tags=["verify"]
verify.claim(
    "9.15",
    "on a CPU, the resumed generator differs from the uninterrupted one by",
    gap if device.type == "cpu" else 0.0,
    (None, 0.0),
)

# %% [markdown]
# ## 9.13 Larger, in colour, on a GPU
#
# Nothing above depends on grey images of 32 x 32. With a GPU, the next cell trains wider
# networks, with one doubling more, on colour faces of 64 x 64 (CelebA), or on CIFAR-10 when the faces cannot be
# had, and shows what it draws. Without a GPU it builds the same networks, does three steps of
# the same shapes, and says what the whole would cost here.

# %% tags=["nbval-ignore-output"]
if device.type == "cuda":
    try:
        colour = data.load_images("celeba", "train", size=64)
    except data.DataError as error:
        print("CelebA cannot be had, CIFAR-10 instead:", str(error).splitlines()[0])
        colour = data.load_images("cifar-10", "train", size=32)
    large = recipes.course_recipe(device, colour.name, seed=seed, dtype=recipe.dtype)
    big = training.GanState.create(large, device)
    colour_z = torch.randn(40, large.latent, generator=torch.Generator().manual_seed(3)).to(device)
    list(
        widgets.watch(
            training.train_gan(big, colour, every=200),
            total=large.steps,
            sample=lambda: big.generate(colour_z),
        )
    )
else:
    large = recipes.course_recipe(torch.device("cuda"), "celeba", seed=seed, dtype=recipe.dtype)
    noise = data.ImageSet(
        "noise",
        "train",
        torch.randint(0, 256, (256, 3, 64, 64), dtype=torch.uint8),
        torch.zeros(256).long(),
        ("noise",),
        "this cell",
    )
    big = training.GanState.create(dataclasses.replace(large, steps=3), device)
    *_, record = training.train_gan(big, noise, every=1)
    hours = large.steps * large.batch / record.rate / 3600
    print(
        f"{record.rate:.0f} images/s: {large.steps:,} steps would take {hours:.0f} hours on this machine. That is what a GPU is for."
    )

# %% [markdown]
# ## Summary
#
# - A DCGAN's generator doubles a small map with transposed convolutions of kernel 4 and stride 2; its discriminator mirrors it and ends in a logit.
# - Of the paper's rules, tanh with data in $[-1, 1]$ and batch normalisation carried most here; of LeakyReLU and of the scales, three seeds showed nothing certain.
# - One step: the discriminator on real and *detached* generated images, then the generator through a *frozen* discriminator.
# - Losses compare the players with each other. Quality is measured elsewhere: on samples of fixed vectors, by a distance, by variety.
# - A second layer at 8 x 8 and 16 x 16, pairs, R1, no momentum, an averaged generator and a look at the group make the pair learn several times faster, and kept its variety over 400 steps in which a reckless training lost it.
#
# **Exercises.** [Ten exercises](../exercises/09_dcgan.ipynb), the last of them a code clinic: a
# broken DCGAN to repair, fault by fault. Each check says what your answer misunderstood.
# [Solutions](../solutions/09_dcgan.ipynb).
#
# ## Sources
#
# - A. Radford, L. Metz, S. Chintala. *Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks.* ICLR 2016.
#   Sections 3 (guidelines), 4 (settings), 6.3 (arithmetic).
# - I. Goodfellow et al. *Generative Adversarial Nets.* NeurIPS 2014. Section 3 (the non-saturating loss).
# - A. Jolicoeur-Martineau. *The Relativistic Discriminator: a Key Element Missing from Standard GAN.* ICLR 2019 (on arXiv in 2018).
# - A. Odena, V. Dumoulin, C. Olah. *Deconvolution and Checkerboard Artifacts.* Distill, 2016.
# - T. White. *Sampling Generative Networks.* 2016. Section 2.1 (spherical interpolation).
# - M. Heusel et al. *GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium.* NeurIPS 2017. (The Fréchet distance of features.)
# - L. Mescheder, A. Geiger, S. Nowozin. *Which Training Methods for GANs do actually Converge?* ICML 2018. Section 4.1 (R1).
# - T. Salimans et al. *Improved Techniques for Training GANs.* NeurIPS 2016. Section 3.2 (minibatch discrimination).
# - T. Karras et al. *Progressive Growing of GANs for Improved Quality, Stability, and Variation.* ICLR 2018.
#   Section 3 (minibatch standard deviation); appendix A, table 2 (two convolutions at each size).
# - T. Karras et al. *Analyzing and Improving the Image Quality of StyleGAN.* CVPR 2020. Section 3.1 (lazy regularisation).
# - Y. Yazici et al. *The Unusual Effectiveness of Averaging in GAN Training.* ICLR 2019.
