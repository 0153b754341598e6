# %% [markdown]
# # 13. Inpainting: filling a hole with a convolutional network
#
# > **The question.** A part of a picture is missing. What belongs there, and how would you know
# > whether an answer is any good?
#
# | | |
# |---|---|
# | **You need** | Convolution and batch normalisation (lessons 02 to 04), strided and upsampling layers (03 and 09), the Fréchet distance of features (10). What this lesson uses of them is recalled where it is used. |
# | **You will be able to** | draw holes and measure what fills them, fill them with six methods that need no network, say what an L1 and an L2 loss ask for, build a U-Net, a partial and a gated convolution from their equations, and notice when the answer has leaked into the input |
# | **Time** | about three minutes of computing on 2 CPU cores, an hour of reading |

# %%
import dataclasses
import json

import numpy as np
import skimage
import sympy
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import (
    data,
    fills,
    inpaint_recipes,
    inpainting,
    masked_metrics,
    masks,
    photographs,
    plotting,
    runtime,
    sources,
    verify,
    widgets,
)
from course_lib.models.inpainting import GuidedUNet

seed = runtime.seed(0)
device = runtime.device()
train = data.load_images("fashion-mnist", "train", size=32)
test = data.load_images("fashion-mnist", "test", size=32)
shown = test.batch([1, 9, 23, 28, 32])  # five images that the figures come back to
random = torch.Generator().manual_seed(seed)
holes = masks.draw(list(masks.FAMILIES), 5, 32, 32, random)  # (5, 1, 32, 32), one of each family
plotting.image_grid(
    torch.cat([masks.hide(shown, holes), shown]),
    columns=5,
    titles=list(masks.FAMILIES),
    row_labels=["given", "truth"],
    alt="Above five garments, each with a hole of another kind, in grey; below the same whole.",
)

# %% [markdown]
# **Figure 13.1.** Five kinds of hole. Above: what a method is given, with the missing pixels in
# grey. Below: what it should find. The kind of hole decides how hard the task is: a scattered
# pixel mostly has known neighbours, a missing half has one known edge.
#
# ## 13.1 The idea in one picture
#
# **Inpainting** means: given an image and the places where it is missing, say what belongs
# there. An image $x$ has C channels, H rows and W columns, with values in $[-1, 1]$. A **mask**
# $m$ has one channel, and
#
# > **1 means missing, 0 means known**, in this course without exception.
#
# Others write 1 for known: the paper on partial convolutions does (section 13.7). A mask of the wrong
# sense raises no error in a sum or a product: it trains a network to fill what was there already. So the
# library's `masks.check`, which the masked errors of `masked_metrics` and every fill of `fills` call, refuses a mask by which more than half
# of an image is missing. (Fills allow more, as long as something is known. The training loss and networks do not call it: they would
# wait for the GPU at every step.)
# Where exactly half is missing, as in two of the five families below, it cannot notice the wrong sense.
#
# A method gets the image with its hole hidden,
#
# $$ h(x, m) = (1 - m) \odot x, \tag{13.1} $$
#
# where $\odot$ multiplies pixel by pixel and the one mask serves all channels. It answers with a
# whole image $a$. What is shown and judged is the **composite**: the answer where the image is
# missing, the image itself elsewhere,
#
# $$ c = m \odot a + (1 - m) \odot x. \tag{13.2} $$
#
# In a program both are better written as a choice than as a product. A product of 0 and NaN is
# NaN, and so is that of 0 and an infinite number. A choice returns known pixels as they were, whatever
# the answer holds there.


# %% tags=["keep"]
def hide(images: Tensor, masks: Tensor) -> Tensor:
    """(B, C, H, W), (B, 1, H, W) -> the images with zeros where they are missing."""
    return torch.where(masks > 0, torch.zeros_like(images), images)


def composite(answers: Tensor, images: Tensor, masks: Tensor) -> Tensor:
    """The answer where the image is missing, the image elsewhere: (B, C, H, W)."""
    return torch.where(masks > 0, answers, images)


# %% tags=["verify"]
x, a = shown.double(), torch.rand(5, 1, 32, 32, dtype=torch.float64) * 2 - 1
m = holes.double()
verify.equation("13.1", hide(x, m), (1 - m) * x)
verify.equation("13.2", composite(a, x, m), m * a + (1 - m) * x)

# %% [markdown]
# The library keeps them, with checks of shape and type, as `masks.hide` and `masks.composite`.
#
# ## 13.2 Holes of known area
#
# An error over a hole means little if nobody says how large the hole was. Of each family of
# `course_lib.masks` the least, the mean and the largest area are known exactly. Free-form strokes need a
# trick. Whoever draws the length and the breadth of a stroke at random gets whatever area comes of
# it. Here the area is drawn first, and the hole is made of as many pixels as that: those nearest
# to the middle lines of two bent strokes. Where the lines are long, the strokes are then thin.

# %%
print(f"{'share of the image missing':28}{'least':>8}{'mean':>8}{'largest':>9}")
for family in masks.FAMILIES:
    shares = masks.shares(family, 32, 32)
    print(f"{family:28}{shares.least:8.3f}{shares.mean:8.3f}{shares.largest:9.3f}")
plotting.image_grid(
    masks.free_form(16, 32, 32, torch.Generator().manual_seed(1)) - 1,
    columns=8,
    alt="Sixteen masks of bent grey strokes on black, some thick and short, some thin and long.",
)

# %% [markdown]
# **Figure 13.2.** Sixteen free-form holes, grey where the image is missing. Their areas are
# drawn between a tenth and four tenths of the image, all as likely.
#
# ## 13.3 How to measure, and how not to
#
# What a method says about known pixels is not shown to anyone. So errors are taken over missing
# pixels alone. The **masked L1** of an image with $|m|$ missing pixels is
#
# $$ L_1 = \frac{1}{C\,|m|} \sum_{j=1}^{C} \sum_{p:\, m_p = 1} \bigl| a_{j,p} - x_{j,p} \bigr|, \qquad |m| = \sum_p m_p, \tag{13.3} $$
#
# where $p$ runs over pixels and $j$ over channels. Values lie in $[-1, 1]$, so one of 256 grey
# levels is 0.0078. With squares in place of absolute values it is the masked mean squared error
# $\mathrm{MSE}$, often stated in decibels as the **peak signal-to-noise ratio**
#
# $$ \mathrm{PSNR} = 10 \log_{10} \frac{2^2}{\mathrm{MSE}}, \tag{13.4} $$
#
# in which 2 is the length of the range of values. Ten decibels more are a tenth of the squared
# error. Of several images we take the mean of their $\mathrm{MSE}$ first and the logarithm then: a mean of decibels would be
# infinite as soon as one hole is filled without error. (Below, the error is multiplied by the mask. That will do while all
# answers are finite; the library chooses, as said above.)


# %% tags=["keep"]
def masked_l1(answers: Tensor, images: Tensor, masks: Tensor) -> Tensor:
    """Mean absolute error over the missing pixels of each image: (B,)."""
    errors = (answers - images).abs() * masks  # (B, C, H, W)
    return errors.sum(dim=(1, 2, 3)) / (images.shape[1] * masks.sum(dim=(1, 2, 3)))


# %% tags=["verify"]
by_choice = torch.stack([(a[i] - x[i])[m[i] > 0].abs().mean() for i in range(5)])
verify.equation("13.3", masked_l1(a, x, m), by_choice)
one = skimage.metrics.peak_signal_noise_ratio(
    x[0][m[0] > 0].numpy(), a[0][m[0] > 0].numpy(), data_range=2
)
mse = masked_metrics.masked_mse(a[:1], x[:1], m[:1])
verify.equation("13.4", masked_metrics.psnr(mse), torch.tensor([one], dtype=torch.float64))

# %% [markdown]
# It is common to state the PSNR of the *whole* composite. Its known pixels have no error
# at all, so if a share $s = |m| / (HW)$ is missing, its mean squared error is $s$ times the masked
# one, and
#
# $$ \mathrm{PSNR}_{\text{whole}} = \mathrm{PSNR}_{\text{masked}} + 10 \log_{10} \frac{1}{s}. \tag{13.5} $$
#
# The second term says nothing about the method. For a hole of one hundredth of the image it is 20
# dB. **Predict before you run:** 200 images, one very bad method, the mean of the known pixels, and
# a square hole that shrinks from 16 x 16 to 2 x 2. What do both numbers do?

# %%
some = test.batch(range(200))
whole, masked, sides = [], [], [2, 4, 6, 8, 12, 16]
for side in sides:
    hole = torch.zeros(200, 1, 32, 32)
    start = 16 - side // 2
    hole[:, :, start : start + side, start : start + side] = 1
    filled = fills.mean_fill(some, hole)
    whole.append(float(masked_metrics.whole_psnr(filled, some, hole)))
    masked.append(float(masked_metrics.masked_psnr(filled, some, hole)))
plotting.curves(
    sides,
    {"whole image": whole, "missing pixels": masked},
    xlabel="side of the hole in pixels",
    ylabel="PSNR in dB (higher is better)",
    alt="PSNR by the side of the hole. Over the whole image it rises steeply as the hole shrinks; "
    "over missing pixels it changes little.",
)

# %% [markdown]
# **Figure 13.3.** The same bad answer to smaller and smaller holes in 200 test images. The upper
# curve rises by 19 dB, to a value that would pass for a good result. The lower curve says that the
# answer hardly gets any better: it rises by one.

# %% tags=["verify"]
square = masks.draw("centre square", 200, 32, 32, random)
filled = fills.mean_fill(some, square)
both = [
    masked_metrics.whole_psnr(filled.double(), some.double(), square),
    masked_metrics.masked_psnr(filled.double(), some.double(), square),
]
verify.equation("13.5", both[0], both[1] + 10 * np.log10(4))
verify.claim(
    "13.1",
    "from a hole of 16 x 16 to one of 2 x 2 the whole image's PSNR of a constant rises by dB",
    whole[0] - whole[-1],
    (15.0, None),
)

# %% [markdown]
# This course never compares methods by the whole image's PSNR. Beside the masked errors it states
# two more numbers. The **structural similarity** compares means, variances and the covariance of
# small windows (Wang et al., 2004); we average it over the windows whose middle is missing. They have 11 x 11 pixels and
# reach into what is known, where there is no error: so it is higher where holes are small or scattered. And the
# relative **Fréchet distance** of lesson 10 compares a set of composites with the images that were
# filled: 0 if every hole is filled as it was. It is taken of whole composites, so it falls with the hole's area as well.
# Compare both only between methods on the same holes. Only the last one asks whether the answers *look*
# right, without asking whether they *are* the missing ones. Lesson 14 needs that difference.
#
# ## 13.4 Filling without a network
#
# A network is worth its training only if it beats what needs none. So first the alternatives. Two
# of them look at training images, the others know the image before them and no other.
#
# - **Mean.** One grey level: the mean of the known pixels.
# - **Mean image.** The mean of all training images at the same place.
# - **Nearest images.** The training images that agree best with the known pixels; of several, the
#   median, pixel by pixel.
# - **Harmonic.** The known pixels diffuse into the hole until nothing changes any more.
# - **Biharmonic.** A smooth surface that continues the slopes at the rim too (Damelin and Hoang,
#   2018).
# - **Patches.** Small squares copied from elsewhere in the same image (Criminisi et al., 2004).
#
# OpenCV has two more, by Telea and after the Navier-Stokes equations of fluids. The course does not
# need OpenCV, but where it is installed, `tests/test_fills_opencv.py` compares them with these, on
# 200 test images and for three settings of their radius. With a radius of one pixel both have a lower
# masked L1 than the harmonic and the biharmonic fill on centre squares and on random boxes; on
# scattered pixels the biharmonic fill has a lower one than either; and on each of the five families
# the nearest images have the lowest of all.
#
# Diffusion moves a pixel towards the mean of its neighbours. It comes to rest when every missing
# pixel $p$ is that mean,
#
# $$ a_p = \frac{1}{|N(p)|} \sum_{q \in N(p)} a_q \quad \text{for all } p \text{ with } m_p = 1, \tag{13.6} $$
#
# where $N(p)$ are the up to four neighbours of $p$ inside the image, known ones included. That is a
# linear equation for each missing pixel, and the library solves all of them at once.

# %%
hole = masks.draw("centre square", 1, 32, 32, random)
garment = shown[:1].double()
state, frames, labels = masks.hide(garment, hole), [], []
for step in range(601):
    if step in (0, 10, 40, 150, 600):
        frames.append(state.float())
        labels.append(f"{step} steps of diffusion")
    around = F.pad(state, (1, 1, 1, 1), mode="replicate")  # no flow through the border
    mean = (
        around[..., 2:, 1:-1]
        + around[..., :-2, 1:-1]
        + around[..., 1:-1, 2:]
        + around[..., 1:-1, :-2]
    ) / 4
    state = masks.composite(mean, garment, hole)
plotting.frame_slider(
    frames,
    labels=labels,
    alt="A square hole in a garment, at first grey; the grey levels of its rim flow into it.",
    limit=40_000,
)

# %% [markdown]
# **Figure 13.4.** Diffusion into a hole, step by step. What it comes to is smooth, and no pixel in it is brighter or darker
# than all of the rim: a harmonic function has its largest and its least values there.

# %% tags=["verify"]
at_rest = fills.harmonic_fill(garment, hole)
inside = hole[0, 0, 1:-1, 1:-1] > 0  # the square does not touch the border
neighbours = (
    at_rest[..., 2:, 1:-1]
    + at_rest[..., :-2, 1:-1]
    + at_rest[..., 1:-1, 2:]
    + at_rest[..., 1:-1, :-2]
) / 4
verify.equation("13.6", at_rest[0, 0, 1:-1, 1:-1][inside], neighbours[0, 0][inside])

# %% [markdown]
# Patches do something that no smooth surface can: they continue a texture. The method of
# Criminisi, Pérez and Toyama fills the hole from its rim inwards. Each step takes the missing pixel
# whose surroundings are best known and where an edge runs into the hole; it looks in the rest of
# the image for the square that agrees best with what is known around that pixel, and copies it.

# %%
bricks = torch.from_numpy(skimage.data.brick()[::4, ::4][:64, :64] / 127.5 - 1)[None, None].float()
gap = torch.zeros(1, 1, 64, 64)
gap[:, :, 20:44, 20:44] = 1
answers = [fill(bricks, gap) for fill in (fills.harmonic_fill, fills.biharmonic_fill)]
answers.append(fills.patch_fill(bricks, gap, patch=9))
plotting.image_grid(
    torch.cat([masks.hide(bricks, gap), *answers, bricks]),
    columns=5,
    titles=["given", "harmonic", "biharmonic", "patches", "truth"],
    alt="A brick wall with a square hole and three ways to fill it, beside the whole wall.",
)

# %% [markdown]
# **Figure 13.5.** A brick wall. The harmonic fill is an even grey. The biharmonic one continues the
# slopes that it finds at the rim, which are those of mortar and stone, and comes out with a dark
# spot. Patches continue the courses of the wall, with a few joints that do not meet. An image that
# contains what is missing somewhere else needs no training set.

# %%
kept = train.take(20_000)
ways = {
    "mean": fills.mean_fill,
    "mean image": fills.MeanImage(kept),
    "nearest images": fills.NearestImages(kept, 15),
    "harmonic": fills.harmonic_fill,
    "biharmonic": fills.biharmonic_fill,
    "patches": fills.patch_fill,
}
plotting.image_grid(
    torch.cat([masks.hide(shown, holes), *(fill(shown, holes) for fill in ways.values()), shown]),
    columns=5,
    titles=list(masks.FAMILIES),
    row_labels=["given", *ways, "truth"],
    alt="Eight rows of five garments: with holes, filled in six ways, and whole.",
)

# %% [markdown]
# **Figure 13.6.** The holes of Figure 13.1, filled without a network. Nobody finds the lettering of the
# pullover: all that is known of it is a dark mark above the hole, which the smooth fills spread as a stain. The nearest images give every hole a garment's shape,
# the median of fifteen without detail. The smooth fills let the garment run into the background and
# the background into the garment; on scattered pixels they come closest to the truth, with a ragged outline and without the seams. Patches
# copy black background into the pullover.
#
# **Predict before you run:** which of the six has the least masked L1 on the centre square, and
# which on scattered pixels?

# %%
some = test.batch(range(60))
classical = {}
for family in masks.FAMILIES:
    hole = masks.draw(family, 60, 32, 32, torch.Generator().manual_seed(13))
    classical[family] = {
        name: float(masked_metrics.masked_l1(fill(some, hole), some, hole).mean())
        for name, fill in ways.items()
    }


named = ("nearest images", "U-Net, L1", "linear mean", "harmonic", "biharmonic", "patches", "mean")
hue = dict(zip(named, plotting.COLOURS.values(), strict=False))  # in all figures of the lesson
hue |= {"mean image": "#6B6B6B", "best of one image": "#BBBBBB", "U-Net, shown nearest": "#000000"}


def bars(errors: dict[str, dict[str, float]]):
    """A drawing of masked L1 by family, one bar for each way to fill."""

    def draw(axes: Axes) -> None:
        families, names = list(errors), list(next(iter(errors.values())))
        width, places = 0.8 / len(names), np.arange(len(families))
        for index, name in enumerate(names):
            heights = [errors[family][name] for family in families]
            shift = width * (index - (len(names) - 1) / 2)
            axes.bar(places + shift, heights, 0.9 * width, color=hue[name], label=name)
        axes.set_xticks(places, families)
        axes.set(ylabel="masked L1 (lower is better)")
        axes.legend(ncols=3, fontsize=8)

    return draw


plotting.panels(
    [(None, bars(classical))],
    alt="Masked L1 of six fills on five families of holes, as groups of bars.",
)

# %% [markdown]
# **Figure 13.7.** Six fills on 60 test images. The nearest images have the least error on all five
# families, even on scattered pixels, where the biharmonic fill comes close. On half images the four fills
# that know one image alone are worse than the mean of all training images.

# %% tags=["verify"]
verify.claim(
    "13.2",
    "on scattered pixels the biharmonic fill's masked L1 over the mean image's is",
    classical["scattered pixels"]["biharmonic"] / classical["scattered pixels"]["mean image"],
    (None, 0.4),
)
verify.claim(
    "13.3",
    "the nearest images' masked L1 over the next best fill's is, on the worst of five families,",
    max(
        found["nearest images"] / min(found[name] for name in ways if name != "nearest images")
        for found in classical.values()
    ),
    (None, 1.0),
)

# %% [markdown]
# ## 13.5 What a loss asks for
#
# Several things may fit the same surroundings: a hole in the middle of a T-shirt may or may not
# hold a print. Let $y$ be what is known and $t$ the value of one missing pixel, which given $y$ is
# still random. A network answers with one number $a$. Under the L2 loss the expected price is
#
# $$ \mathbb{E}\bigl[(t - a)^2 \mid y\bigr] = \operatorname{Var}(t \mid y) + \bigl(\mathbb{E}[t \mid y] - a\bigr)^2, \tag{13.7} $$
#
# because $t - a$ is the sum of $t - \mathbb{E}[t \mid y]$, whose mean is zero, and of a constant. The
# first term does not depend on $a$. So the best answer is the **conditional mean**: not one of the
# possible completions but their average. If a print is there with probability one half, it is a print
# of half the contrast.
#
# Under the L1 loss, moving $a$ up by a little costs as much for each $t$ below it as it gains for
# each $t$ above:
#
# $$ \frac{d}{da}\, \mathbb{E}\bigl[\,|t - a| \mid y\bigr] = P(t < a \mid y) - P(t > a \mid y), \tag{13.8} $$
#
# wherever no probability sits at $a$ itself. The price falls while the second is larger and rises once the first is. It is
# least where the slope changes its sign: at the **conditional median**. With two possible values it is the more probable one, and not a grey between
# them; with one half each, every value from the one to the other is as good. But each pixel takes its median on its own, and an image of medians need not be a possible image
# either.

# %% tags=["verify"]
p, t1, t2, a_ = sympy.symbols("p t_1 t_2 a", real=True)
expected = p * (t1 - a_) ** 2 + (1 - p) * (t2 - a_) ** 2
mean = p * t1 + (1 - p) * t2
variance = p * (t1 - mean) ** 2 + (1 - p) * (t2 - mean) ** 2
verify.equation("13.7", expected, variance + (mean - a_) ** 2)

values = torch.randn(1001, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
at = torch.tensor([-1.3, -0.2, 0.4, 1.7], dtype=torch.float64)
step = 1e-9  # so small that no value lies within it


def price(answer: Tensor) -> Tensor:
    """The mean of |t - a| over the values, for each answer a: (4,)."""
    return (values - answer[:, None]).abs().mean(1)


slopes = (price(at + step) - price(at - step)) / (2 * step)
shares = [(values < one).double().mean() - (values > one).double().mean() for one in at]
verify.equation("13.8", slopes, torch.stack(shares), tolerance=1e-5)

# %%
grid = np.linspace(-1.2, 1.2, 241)
chance = {-1.0: 0.4, 1.0: 0.6}  # a pixel that is black or white, whatever is known
plotting.curves(
    grid,
    {
        "L2": sum(q * (t - grid) ** 2 for t, q in chance.items()),
        "L1": sum(q * np.abs(t - grid) for t, q in chance.items()),
    },
    xlabel="answer a",
    ylabel="expected loss",
    alt="Expected loss by answer for a pixel that is -1 with probability 0.4 and 1 with 0.6. "
    "The L2 curve is least at 0.2, the L1 curve at 1.",
)

# %% [markdown]
# **Figure 13.8.** A pixel that is black with probability 0.4 and white with 0.6. The L2 loss is
# least at the mean, 0.2, a grey that never occurs; the L1 loss at the more probable value, 1.
#
# ### The conditional mean of a Gaussian
#
# For one kind of image the conditional mean can be written down. Let all pixels together be
# Gaussian with mean $\mu$ and covariance $\Sigma$, and split them into known ones, $k$, and missing
# ones, $h$; $\Sigma_{hk}$ holds the covariances of missing with known pixels. Look for the linear answer $A\,(x_k - \mu_k)$ whose error $x_h - \mu_h - A\,(x_k - \mu_k)$ does not
# correlate with any known pixel: $\Sigma_{hk} - A\,\Sigma_{kk} = 0$. For Gaussians what does not
# correlate is independent, so nothing known says more about the error, and
#
# $$ \mathbb{E}[x_h \mid x_k] = \mu_h + \Sigma_{hk}\, \Sigma_{kk}^{-1}\, (x_k - \mu_k). \tag{13.9} $$
#
# For images that are not Gaussian it is still the best answer in squared error among all *linear*
# ones: any other differs from it by something linear in $x_k$, with which its error does not correlate, so that the squares
# of both add up. It is linear regression of the missing pixels on the known ones. A network has to beat it to show
# that its nonlinearity is worth anything. `fills.GaussianFill` computes it from the mean and the
# covariance of training images. It adds a small variance to every pixel, because some, in the black
# border, never vary, and cuts its answers off at -1 and 1.
#
# **Predict before you run:** on the centre square, which is better, this mean or the median of the
# nearest images? Judge by the masked L1, and then by the PSNR.

# %% tags=["verify"]
points = torch.randn(500, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
points = points @ torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
mu, sigma = points.mean(0), torch.cov(points.T)
k, h = [0, 1, 2, 3], [4, 5]
by_formula = mu[h] + (points[:, k] - mu[k]) @ torch.linalg.solve(sigma[k][:, k], sigma[k][:, h])
design = torch.cat([points[:, k], torch.ones(500, 1, dtype=torch.float64)], dim=1)
by_regression = design @ torch.linalg.lstsq(design, points[:, h]).solution
verify.equation("13.9", by_formula, by_regression)

# %%
linear = fills.GaussianFill(kept, noise=1e-2)
many = test.batch(range(1000))
hole = masks.draw("centre square", 1000, 32, 32, torch.Generator().manual_seed(13))
rivals = {"linear": linear(many, hole), "nearest": ways["nearest images"](many, hole)}
l1 = {name: float(masked_l1(one, many, hole).mean()) for name, one in rivals.items()}
decibels = {
    name: float(masked_metrics.masked_psnr(one, many, hole)) for name, one in rivals.items()
}

# %% tags=["verify"]
verify.claim(
    "13.4",
    "on the centre square the linear mean's masked L1 over the nearest images' median's is",
    l1["linear"] / l1["nearest"],
    (1.05, None),
)
verify.claim(
    "13.5",
    "and its masked PSNR less that of the median, in dB, is",
    decibels["linear"] - decibels["nearest"],
    (0.2, None),
)

# %% [markdown]
# The linear mean's L1 is a tenth larger, and its PSNR 0.3 dB higher. On these images each wins by the measure that it is made for:
# the mean by squared errors, the median by absolute ones. That
# is no law, since both only approximate what they stand for: in the table of section 13.8 the median has the higher PSNR on
# this square too, and on scattered pixels the linear mean has the lower masked L1. Still, a comparison of two methods says little until it is known what each was asked for.
#
# ## 13.6 Two networks
#
# The **context encoder** (Pathak et al., 2016) is an early convolutional answer to large holes. Ours
# halves the image until it is 4 x 4, joins all places of each channel with a matrix of its own, so that
# every place can reach every other in one layer, and enlarges the map again. All that is known has to
# pass through the coarse middle. With 128 channels it holds 2,048 numbers, twice as many as the image: what gets lost is not
# room but places. Each of its 16 places stands for 8 x 8 pixels, and the way up has to learn to put
# detail back where it was. (`models.inpainting.ContextEncoder`; section 13.8 compares it.)
#
# A **U-Net** (Ronneberger et al., 2015) keeps a second way. On the way up, each map is joined with
# the map of the same size from the way down. Edges and textures beside the hole need not be
# carried through the middle: the middle can gather what is far apart, the skips keep the places.

# %%
plotting.architecture(
    [
        ("image and mask", (2, 32, 32)),
        ("stem", (16, 32, 32)),
        ("down", (32, 16, 16)),
        ("down", (64, 8, 8)),
        ("down, bottom", (128, 4, 4)),
        ("up", (64, 8, 8)),
        ("up", (32, 16, 16)),
        ("up, last", (1, 32, 32)),
    ],
    skips=[(3, 5), (2, 6), (1, 7)],
    alt="The U-Net: image and mask become 16 maps of 32 by 32, shrink to 128 of 4 by 4 and grow to "
    "one image again. Arrows lead from each map on the way down to the way up at the same size.",
)

# %% [markdown]
# **Figure 13.9.** The U-Net of this lesson. The blue arrows below: the second way. "Stem" is a convolution with K = 3, "down" one with K = 4 and
# S = 2. "Bottom" is two **residual blocks** (lesson 05), each of which adds the result of two
# convolutions with K = 3 to what it was given: at 4 x 4 their windows together reach over the whole
# image. "Up" doubles height and width, joins the map with that of the same size from the way down,
# 128 + 64 channels, then 64 + 32, then 32 + 16, and convolves with K = 3. The last of the three gives
# 16 maps of 32 x 32, which a convolution with K = 3 and tanh turns into the answer. Each convolution
# but that one is followed by batch normalisation and a LeakyReLU.
#
# The mask goes in as a channel of its own. Without it a network could not tell a missing pixel,
# which is 0 after (13.1), from a known grey one.


# %% tags=["keep"]
def block(inside: int, outside: int, kernel: int, stride: int) -> nn.Sequential:
    """(B, inside, H, W) -> (B, outside, H / stride, W / stride)."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride, (kernel - 1) // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.LeakyReLU(0.2, inplace=True),
    )


class Residual(nn.Module):
    """(B, width, H, W) -> (B, width, H, W): what is given, and something added to it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = block(width, width, 3, 1), block(width, width, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))


class UNet(nn.Module):
    """Images (B, C, H, W) and masks (B, 1, H, W) -> answers (B, C, H, W) in [-1, 1]."""

    def __init__(self, channels: int = 1, width: int = 16) -> None:
        super().__init__()
        w = width
        self.stem = block(channels + 1, w, 3, 1)
        self.down = nn.ModuleList(
            [block(w, 2 * w, 4, 2), block(2 * w, 4 * w, 4, 2), block(4 * w, 8 * w, 4, 2)]
        )
        self.bottom = nn.Sequential(Residual(8 * w), Residual(8 * w))
        self.up = nn.ModuleList(
            [block(12 * w, 4 * w, 3, 1), block(6 * w, 2 * w, 3, 1), block(3 * w, w, 3, 1)]
        )
        self.last = nn.Sequential(nn.Conv2d(w, channels, 3, padding=1), nn.Tanh())

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        x = self.stem(torch.cat([hide(images, masks), masks], dim=1))  # (B, width, H, W)
        skips = []
        for layer in self.down:
            skips.append(x)
            x = layer(x)  # twice the channels, half the height and width
        x = self.bottom(x)
        for layer in self.up:
            x = F.interpolate(x, scale_factor=2.0)  # nearest neighbour
            x = layer(torch.cat([x, skips.pop()], dim=1))
        return self.last(x)


def train_step(network: nn.Module, adam: torch.optim.Adam, images: Tensor, masks: Tensor) -> Tensor:
    """One step on whole images and the holes that are cut into them; returns the loss."""
    loss = masked_l1(network(images, masks), images, masks).mean()
    adam.zero_grad()
    loss.backward()
    adam.step()
    return loss.detach()


# %% [markdown]
# The network hides the hole itself, in the first line of `forward`. That is not a matter of taste: whoever calls
# it *cannot* forget to. Section 13.10 shows what happens otherwise.
#
# Holes are drawn anew at every step.
# The library keeps the network as `models.inpainting.UNet` and the loop as
# `inpainting.train_inpainting`, which adds a moving average of the weights and a falling learning rate, as in lesson 09.
#
# **Predict before you run:** the same network is trained twice, once with L1 and once with L2. Which
# of the two will have the lower masked L1, which the higher PSNR, and which looks sharper?

# %% tags=["nbval-ignore-output"]
budget = runtime.budget(  # the same on a GPU: what is claimed below is claimed of these trainings
    cpu=runtime.Budget(data="fashion-mnist", steps=900, batch=32, size=32, width=16),
    gpu=runtime.Budget(data="fashion-mnist", steps=900, batch=32, size=32, width=16),
    device=device,
)
recipe = inpaint_recipes.InpaintRecipe(
    steps=budget.steps, batch=budget.batch, width=budget.width, seed=seed
)
recipe = dataclasses.replace(recipe, dtype=inpainting.faster_dtype(recipe, device))


def run(state: inpainting.InpaintState, images: data.ImageSet, **drawing) -> None:
    """Train to the recipe's last step, and draw how it goes."""
    records = inpainting.train_inpainting(state, images, every=25)
    for _ in widgets.watch(records, total=state.recipe.steps, **drawing):
        pass


measured_as = {"l1": "masked L1", "l2": "masked squared error"}
trained = {}
for loss, name in measured_as.items():
    state = inpainting.InpaintState.create(dataclasses.replace(recipe, loss=loss), device)
    run(
        state,
        train,
        sample=lambda state=state: inpainting.fill(state.average, shown, holes),
        alt=f"The {name} falls with the images seen; beside it the five holes of Figure 13.1 as "
        "they are filled in the end.",
        ylabel=name,
    )
    trained[loss] = state

# %% [markdown]
# **Figure 13.10.** Two trainings of one network, above with L1, below with L2, each measured by its own
# loss; beside them the holes of Figure 13.1 as they are filled in the end. Both losses fall fastest at
# first. The two scales cannot be compared: one is of absolute errors, the other of
# their squares.

# %%
held_out = test.batch(range(500))
boxes = masks.draw("random box", 500, 32, 32, torch.Generator().manual_seed(14))
filled = {loss: inpainting.fill(one.average, held_out, boxes) for loss, one in trained.items()}
scores = {loss: masked_metrics.scores(one, held_out, boxes) for loss, one in filled.items()}
few = held_out[:8], boxes[:8]
plotting.image_grid(
    torch.cat([masks.hide(*few), linear(*few), filled["l2"][:8], filled["l1"][:8], held_out[:8]]),
    columns=8,
    row_labels=["given", "linear", "L2", "L1", "truth"],
    alt="Five rows of eight garments: with a box missing, filled by the linear mean, after an L2 and "
    "after an L1 training, and whole.",
)

# %% [markdown]
# **Figure 13.11.** Test images with boxes missing. None of the three answers draws the checks of the
# shirt on the right: the networks make its middle an even grey, the linear mean keeps faint upright stripes. In the L2 row there is a grey haze where the edge
# of a garment may be here or there, as at the jacket second from the right; in the L1 row there is less
# of it.


# %%
def contrast(images: Tensor, masks: Tensor) -> float:
    """Mean absolute difference of missing pixels and their right-hand neighbours, missing too."""
    steps = (images[..., 1:] - images[..., :-1]).abs()  # (B, 1, H, W - 1)
    return float(steps[(masks[..., 1:] * masks[..., :-1]) > 0].mean())


rough = {loss: contrast(one, boxes) for loss, one in filled.items()}
rough["truth"] = contrast(held_out, boxes)

# %% tags=["verify"]
verify.claim(
    "13.6",
    "the L1 training's masked L1 over the L2 training's, on random boxes, is",
    scores["l1"]["masked_l1"] / scores["l2"]["masked_l1"],
    (None, 1.0),
)
verify.claim(
    "13.7",
    "the L2 training's masked PSNR less the L1 training's, on random boxes, in dB, is",
    scores["l2"]["masked_psnr"] - scores["l1"]["masked_psnr"],
    (0.0, None),
)
verify.claim(
    "13.8",
    "neighbouring pixels of the L2 training's answers differ, relative to those of the truth, by",
    rough["l2"] / rough["truth"],
    (None, 0.7),
)
verify.claim(
    "13.9",
    "those of the L1 training's answers differ, relative to the L2 training's, by",
    rough["l1"] / rough["l2"],
    (None, 1.1),
)

# %% [markdown]
# Each training wins by its own measure, as (13.7) and (13.8) lead one to expect. Both answers are smoother than the truth,
# and by this measure of contrast the L1 answer is hardly sharper than the L2 one: both have 0.61 to 0.62 of the truth's. Where several
# completions are possible neither loss asks for one of them. A loss that does is the subject of lesson 14.
#
# ## 13.7 Convolutions that know where the hole is
#
# A plain convolution treats the zeros in the hole as grey levels. Near the rim, part of every window
# is made up. Two layers deal with that.
#
# **Partial convolution** (Liu et al., 2018). Let $k_p = 1 - m_p$ say which pixels are known. For a
# window $\Omega$ of $K^2$ places, weights $w$ and bias $b$, the feature $y$ at the window's middle is
#
# $$ y = \begin{cases} \dfrac{K^2}{|k|}\, \displaystyle\sum_{p \in \Omega} w_p\, k_p\, x_p + b & \text{if } |k| > 0, \\[2ex] 0 & \text{otherwise,} \end{cases} \qquad |k| = \sum_{p \in \Omega} k_p, \tag{13.10} $$
#
# where $w_p x_p$ is summed over the input channels. Places outside the image are not known. The factor
# makes up for the terms that are left out. What is known afterwards is every place whose window held something known,
#
# $$ k' = \max_{p \in \Omega} k_p, \tag{13.11} $$
#
# so with each layer the hole shrinks, and after enough of them it is gone.


# %% tags=["keep"]
class PartialConv2d(nn.Module):
    """(B, inside, H, W) and what is known, (B, 1, H, W) -> features and what is known of them."""

    def __init__(self, inside: int, outside: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, (kernel - 1) // 2
        self.convolution = nn.Conv2d(
            inside, outside, kernel, stride, padding=self.padding, bias=False
        )
        self.bias = nn.Parameter(torch.zeros(outside, 1, 1))

    def forward(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        ones = known.new_ones(1, 1, self.kernel, self.kernel)
        count = F.conv2d(known, ones, stride=self.stride, padding=self.padding)  # |k|
        now_known = (count > 0).to(count.dtype)  # (B, 1, H / stride, W / stride)
        y = self.convolution(x * known) * self.kernel**2 / count.clamp(min=1) + self.bias
        return y * now_known, now_known


# %% tags=["verify"]
layer = PartialConv2d(2, 3).double()
nn.init.normal_(layer.bias)
inputs = torch.randn(1, 2, 8, 8, dtype=torch.float64)
known = 1 - masks.draw("free form", 1, 8, 8, torch.Generator().manual_seed(5)).double()
known[:, :, :4, :4] = 0  # so large a hole that some windows hold nothing
y, now_known = layer(inputs, known)
by_hand, there = torch.zeros_like(y), torch.zeros_like(now_known)
padded, known_padded = F.pad(inputs, (1,) * 4), F.pad(known, (1,) * 4)
for row in range(8):
    for column in range(8):
        window = (..., slice(row, row + 3), slice(column, column + 3))
        k_window = known_padded[window]  # (1, 1, 3, 3)
        there[..., row, column] = k_window.max()
        if k_window.sum() > 0:
            products = layer.convolution.weight * k_window * padded[window]  # (3, 2, 3, 3)
            by_hand[0, :, row, column] = (
                9 / k_window.sum() * products.sum(dim=(1, 2, 3)) + layer.bias.flatten()
            )
verify.equation("13.10", y.detach(), by_hand.detach())
verify.equation("13.11", now_known, there)

# %% [markdown]
# Is the factor right? Take a constant image with a hole, and a kernel that averages, $w_p = 1/K^2$. A
# plain convolution answers less near the hole and near the border. (13.10) gives the constant back
# wherever anything is known. For other kernels the factor need not be right: beside a hole, a kernel that takes
# differences finds an edge in a constant image.

# %%
averaging = PartialConv2d(1, 1)
nn.init.constant_(averaging.convolution.weight, 1 / 9)
constant = torch.full((1, 1, 32, 32), 0.8)
hole = holes[2:3]
with torch.no_grad():
    partial, still_known = averaging(masks.hide(constant, hole), 1 - hole)
    plain = averaging.convolution(masks.hide(constant, hole))
plotting.image_grid(
    torch.cat([masks.hide(constant, hole), plain, partial, still_known - 1]),
    columns=4,
    titles=["input", "plain", "partial", "known after it"],
    alt="A light square with strokes missing; after averaging, the plain result darkens near the "
    "strokes and the border, the partial one is constant where anything is known.",
)

# %% tags=["verify"]
verify.claim(
    "13.10",
    "under an averaging kernel a constant image is off, where anything is known, by",
    (partial - 0.8 * still_known).abs().max(),
    (None, 1e-6),
)
verify.claim(
    "13.11",
    "without the factor it is off by",
    (plain - 0.8 * still_known).abs().max(),
    (0.5, None),
)

# %% [markdown]
# **Figure 13.12.** One averaging layer on a constant image with a hole. The plain convolution is grey
# along the rim of the hole and along the image's border. The partial one is constant as far as anything
# is known, which is one pixel further into the hole than before, grey on the right.
#
# **Gated convolution** (Yu et al., 2019) lets the network find out by itself what to trust. A second
# convolution computes a gate between 0 and 1 for every output, from the same window; in the first layer that holds the
# mask's channel. Biases left out,
#
# $$ y = \varphi(W_f * x)\, \odot\, \sigma(W_g * x), \tag{13.12} $$
#
# with weights $W_f$ for features and $W_g$ for gates, an activation $\varphi$ and the sigmoid $\sigma$.
# It has twice the weights and no rule that says when the hole is closed.


# %% tags=["keep"]
class GatedConv2d(nn.Module):
    """(B, inside, H, W) -> (B, outside, H / stride, W / stride)."""

    def __init__(self, inside: int, outside: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        # Both convolutions in one: the first half of the channels are features, the others gates.
        self.both = nn.Conv2d(inside, 2 * outside, kernel, stride, padding=(kernel - 1) // 2)
        self.activation = nn.ELU()

    def forward(self, x: Tensor) -> Tensor:
        features, gates = self.both(x).chunk(2, dim=1)
        return self.activation(features) * torch.sigmoid(gates)


# %% tags=["verify"]
layer = GatedConv2d(2, 3).double()
features = F.conv2d(inputs, layer.both.weight[:3], layer.both.bias[:3], padding=1)
gates = F.conv2d(inputs, layer.both.weight[3:], layer.both.bias[3:], padding=1)
right = torch.where(features > 0, features, features.exp() - 1) / (1 + (-gates).exp())
verify.equation("13.12", layer(inputs).detach(), right.detach())

# %% [markdown]
# The library keeps both in `models.hole_convolutions`, and `models.inpainting.UNet` takes `kind="partial"`
# or `kind="gated"`. Where a partial U-Net joins a map with a skip, some channels of a pixel may be known
# and others not; $|k|$ is then counted over all of them.
#
# ## 13.8 The table
#
# `python -m benchmarks inpainting` trains six networks with as many steps each (the last is for section 13.11), tunes the fills on
# training images that nothing else uses, and measures all of them on the same 500 test images with
# holes of all five families, for three seeds of networks and holes. The columns are the median of the seeds' masked L1, with the least
# and the largest; the medians of masked PSNR in dB, structural similarity and relative Fréchet distance;
# and milliseconds to fill an image. The linear conditional mean stands as "Gaussian". The tuning chose patches of 5 pixels
# and a noise of 0.001; Figure 13.7 has patches of 7, and the cell of section 13.5 a noise of 0.01. Images with the same hole
# share one solution of the linear system, which is why the Gaussian is so fast on the centre square and on halves.

# %%
path = sources.REPOSITORY / "benchmarks" / "results" / "inpainting.json"
stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def table(stored: dict, family: str) -> str:
    """The rows of one family: median over the seeds, with least and largest of the masked L1."""
    found = stored["families"][family]
    lines = [
        f"{family}, {100 * found['hole_area']['median']:.1f} % missing",
        f"{'':31}{'L1':>7}{'least':>7}{'largest':>8}{'PSNR':>6}{'SSIM':>6}{'Fréchet':>8}{'ms':>7}",
    ]
    for name, score in found["methods"].items():
        l1 = score["masked_l1"]
        middle = [
            score[each]["median"] for each in ("masked_psnr", "masked_ssim", "composite_frechet")
        ]
        milliseconds = 1000 * score["seconds_per_image"]["median"]
        lines.append(
            f"{name:31}{l1['median']:7.4f}{l1['least']:7.4f}{l1['largest']:8.4f}"
            f"{middle[0]:6.2f}{middle[1]:6.3f}{middle[2]:8.4f}{milliseconds:7.2f}"
        )
    return "\n".join(lines)


if stored:
    print("\n\n".join(table(stored, family) for family in masks.FAMILIES))

# %% [markdown]
# Of the masked L1, ratios being medians over the seeds:
#
# - Of the fills that know one image and no other, the best has more than twice the error of the U-Net with L1 on
#   the centre square and on boxes: the ratios are 0.48 and 0.47. On free-form holes it is 0.52, on scattered
#   pixels 0.70, on half images, which the network has not seen, 0.29.
# - The median of the nearest of 59,000 training images is another opponent. Against it the ratios are 0.92 on the
#   centre square, 0.83 on scattered pixels, 0.99 on boxes, 1.01 on free-form holes, and 1.25 on half images. It also has a lower
#   Fréchet distance than the five networks that are not shown it, on all families but scattered pixels.
# - Against the linear mean they are 0.80, 1.04, 0.92, 0.97 and 0.99, in the same order.
# - Of the five, the gated one has the lowest error on every family, with each of the three seeds. At the same
#   number of steps it takes longer, and has 1.02 million weights where the plain one has 0.91 million.
# - Partial convolutions are within 6 % of the plain ones on the families of the training. On half images their error
#   is larger by more than a third.
# - On every family the U-Net with L2 has the higher PSNR and the U-Net with L1 the lower L1, as (13.7) and (13.8) lead one to
#   expect.
# - By squared error, which the linear mean is made for, the U-Net with L2 beats it on the centre square alone, by 0.7 to 0.8 dB. On
#   the other four families it is behind by 0.2 to 0.8 dB, with every seed. By the standard of section 13.5 these
#   trainings have shown a gain from the nonlinearity on one family of five.
# - The context encoder has no way past the middle, and fewer weights. Beside the U-Net with L2, its error is 1.04 times as large
#   on the centre square, 1.07 and 1.09 on boxes and free-form holes, 1.34 on scattered pixels; on halves the two are level.
# - The last network, which is shown the nearest images, has the lowest error of all on every family, with every seed: section 13.11.
#
# The U-Net's residual blocks and its learning rate were chosen by this error on 200 of the test images, with holes of seed 0; the
# fills never saw one. All of it holds for these networks after 2,500 steps, in the median 40 seconds for the
# context encoder and 94 to 213 seconds for the U-Nets, on one thread of a processor that had other work beside, and not for what a longer training may come to.
#
# Here the same after the short training of section 13.6, on the 60 images and holes of Figure 13.7.
# **Predict before you run:** where is the U-Net better than the fifteen nearest of 20,000 images?

# %%
network, compared = trained["l1"].average, {}
alone = ("mean", "harmonic", "biharmonic", "patches")  # know one image and no other
for family in masks.FAMILIES:
    hole = masks.draw(family, 60, 32, 32, torch.Generator().manual_seed(13))
    answers = {"linear mean": linear(some, hole), "U-Net, L1": inpainting.fill(network, some, hole)}
    compared[family] = {
        "best of one image": min(classical[family][name] for name in alone),
        "nearest images": classical[family]["nearest images"],
    } | {name: float(masked_l1(one, some, hole).mean()) for name, one in answers.items()}
plotting.panels(
    [(None, bars(compared))],
    alt="Masked L1 of four ways to fill holes on five families of holes, as groups of bars.",
)

# %% [markdown]
# **Figure 13.13.** Masked L1 on 60 test images. "Best of one image" is the best of the four fills that
# know no other image. Except on scattered pixels, the linear mean and the nearest images are much closer to the U-Net than those
# are.

# %% tags=["verify"]
over = {
    name: {family: found["U-Net, L1"] / found[name] for family, found in compared.items()}
    for name in ("best of one image", "nearest images", "linear mean")
}
verify.claim(
    "13.12",
    "on the centre square the U-Net's masked L1 over that of the best fill of one image is",
    over["best of one image"]["centre square"],
    (None, 0.6),
)
verify.claim(
    "13.13",
    "over that of the nearest images it is, on the centre square",
    over["nearest images"]["centre square"],
    (None, 1.02),
)
verify.claim(
    "13.14",
    "over that of the nearest images it is, on random boxes",
    over["nearest images"]["random box"],
    (1.0, None),
)
verify.claim(
    "13.15",
    "over that of the linear mean it is, on the centre square",
    over["linear mean"]["centre square"],
    (None, 0.95),
)
verify.claim(
    "13.16",
    "over that of the linear mean it is, in the mean of the other families that it was trained on",
    np.mean([over["linear mean"][family] for family in inpaint_recipes.TRAINED[1:]]),
    (1.0, None),
)

# %% [markdown]
# A table that compares a network with diffusion alone would call this a success: half the error. Beside
# two baselines that know the training images as well, no method wins everywhere. Better than the nearest images the U-Net is on
# scattered pixels, and there the linear mean is better still. On the centre square and on free-form holes the U-Net and the
# nearest images are about level; on boxes and halves the nearest images lead. Linear regression is clearly behind both on the
# centre square. (The table above is of longer trainings.)
#
# ## 13.9 A kind of hole that was never seen
#
# The network was trained on four families. Half an image was not among them. **Predict before you
# run:** does it fill a missing half as well as the nearest images, which never learnt anything of holes?

# %%
halves = masks.draw("half image", 8, 32, 32, torch.Generator().manual_seed(15))
plotting.image_grid(
    torch.cat(
        [
            masks.hide(held_out[:8], halves),
            fills.harmonic_fill(held_out[:8], halves),
            fills.NearestImages(kept, 15)(held_out[:8], halves),
            inpainting.fill(network, held_out[:8], halves),
            held_out[:8],
        ]
    ),
    columns=8,
    row_labels=["given", "harmonic", "nearest", "U-Net", "truth"],
    alt="Five rows of eight garments of which one half is missing: given, filled by diffusion, by the "
    "nearest training images, by the U-Net, and whole.",
)

# %% [markdown]
# **Figure 13.14.** Half of each image is missing. Diffusion spreads the grey of the rim. The nearest images
# give a whole garment, though not quite the right one. The U-Net's answer fits at the rim and, on the boot and
# the tops, becomes a haze further away: the boot has no toe.

# %% tags=["verify"]
verify.claim(
    "13.17",
    "on the unseen family the U-Net's masked L1 over that of the nearest images is",
    over["nearest images"]["half image"],
    (1.1, None),
)
verify.claim(
    "13.18",
    "over that of the linear mean, which needs no training on holes at all, it is",
    over["linear mean"]["half image"],
    (1.0, None),
)

# %% [markdown]
# Of the five families this is the one where the U-Net falls furthest behind the nearest images (Figure 13.13). That alone
# does not show what an unseen kind of hole costs. The linear mean knows no families, and in the table of section 13.8 it too
# falls furthest behind the nearest images on halves. There the U-Net stands at 0.99 over the linear mean on halves, and at
# 1.04 on scattered pixels, on which it was trained. Partial convolutions fall far behind plain ones on halves alone: their error is
# 1.37 times as large there, and at most 1.06 on the other families. Whether because halves were not seen, or because they are the
# largest holes in one piece, the table cannot tell. Without a family that no network was trained on, it would not show the gap.
#
# ## 13.10 What goes wrong: the answer leaks into the input
#
# One line is easily forgotten, and nothing complains: the whole image goes into the network, and the
# mask beside it. The network then sees what it is to find. **Predict before you run:** what does
# the training loss look like, and what does the network answer when the hole is really empty?


# %%
class Leaking(UNet):
    """A U-Net that forgot to hide the hole."""

    def forward(self, images: Tensor, masks: Tensor) -> Tensor:
        x = self.stem(torch.cat([images, masks], dim=1))
        skips = []
        for layer in self.down:
            skips.append(x)
            x = layer(x)
        x = self.bottom(x)
        for layer in self.up:
            x = layer(torch.cat([F.interpolate(x, scale_factor=2.0), skips.pop()], dim=1))
        return self.last(x)


steps, sampler = 100, data.EpochSampler(len(train), 32, seed)
losses, networks = {}, {}
for name, kind in {"hidden": UNet, "leaking": Leaking}.items():
    torch.manual_seed(seed)  # the same first weights
    one = networks[name] = kind(width=8).to(device)
    adam, found = torch.optim.Adam(one.parameters(), 2e-3), []
    for step in range(steps):
        drawn = masks.draw(inpaint_recipes.TRAINED, 32, 32, 32, torch.Generator().manual_seed(step))
        batch = train.batch(sampler.indices(step))
        found.append(float(train_step(one, adam, batch.to(device), drawn.to(device))))
    losses[name] = np.convolve(found, np.ones(10) / 10, "valid")
plotting.curves(
    range(10, steps + 1),
    losses,
    xlabel="training step",
    ylabel="training loss, mean of 10 steps",
    alt="Training loss of a network whose holes are hidden and of one that sees through them, which is "
    "much lower.",
)

# %% [markdown]
# **Figure 13.15.** The leaking network's loss falls faster and much lower. Nothing in the curve says
# that something is wrong; it looks like a better network.
#
# Now both fill test images, in two ways: with the hole really empty, as a user has it, and by the same
# code as in training, which hands over the whole image.


# %%
def answers_of(network: nn.Module, given: Tensor) -> Tensor:
    """Composites of the network's answers to the first 200 boxes: (200, 1, 32, 32)."""
    network.eval()
    with torch.no_grad():
        answers = network(given.to(device), boxes[:200].to(device)).cpu()
    return composite(answers, held_out[:200], boxes[:200])


empty = hide(held_out[:200], boxes[:200])
in_use = {name: answers_of(one, empty) for name, one in networks.items()}
as_trained = {name: answers_of(one, held_out[:200]) for name, one in networks.items()}
plotting.image_grid(
    torch.cat(
        [empty[:8], as_trained["leaking"][:8], in_use["leaking"][:8], in_use["hidden"][:8]]
        + [held_out[:8]]
    ),
    columns=8,
    row_labels=["given", "leaking, not empty", "leaking, empty", "hidden, empty", "truth"],
    alt="Five rows of eight garments: with a box missing; filled by the leaking network when it sees "
    "the truth, and when the hole is empty; filled by the other network; and whole.",
)

# %% tags=["verify"]
errors = {
    way: {
        name: float(masked_l1(one, held_out[:200], boxes[:200]).mean()) for name, one in by.items()
    }
    for way, by in (("in use", in_use), ("as trained", as_trained))
}
verify.claim(
    "13.19",
    "at the end the leaking network's training loss over the other's is",
    losses["leaking"][-1] / losses["hidden"][-1],
    (None, 0.7),
)
verify.claim(
    "13.20",
    "on test images that the same code hands over whole, its error over the other's is",
    errors["as trained"]["leaking"] / errors["as trained"]["hidden"],
    (None, 0.7),
)
verify.claim(
    "13.21",
    "on holes that are really empty it is",
    errors["in use"]["leaking"] / errors["in use"]["hidden"],
    (2.0, None),
)

# %% [markdown]
# **Figure 13.16.** Fed with the whole image the leaking network's answers can hardly be told from the truth by eye. With the hole empty it
# paints the hole grey: it copies what it is given there, zeros. The network that hides its hole is blurred,
# after so few steps, but draws garments.
#
# The leaking network learnt to copy. A test does not find that if it is fed by the same code: there the
# leaking network seems the better one. What finds it: put NaN into the hole and look whether any
# comes out. The library's tests do that with every fill and every network.

# %% tags=["verify"]
spoilt = torch.where(boxes[:8] > 0, torch.tensor(float("nan")), held_out[:8]).to(device)
with torch.no_grad():
    through = {name: one(spoilt, boxes[:8].to(device)) for name, one in networks.items()}
verify.claim(
    "13.22",
    "of the hiding network's answers to a hole full of NaN, the share that is NaN is",
    float(through["hidden"].isnan().double().mean()),
    (None, 0.0),
)
verify.claim(
    "13.23",
    "of the leaking network's answers the share is",
    float(through["leaking"].isnan().double().mean()),
    (0.5, None),
)

# %% [markdown]
# The repair is the first line of `UNet.forward` above: the network hides the hole before it looks.
#
# ## 13.11 A network that is shown the nearest images
#
# The nearest images bring whole garments, which need not fit at the rim. The U-Net's answer fits there, and
# all that it knows of garments has to be in its weights. One network can be given both. Where section 13.6 has
# `torch.cat([hide(images, masks), masks], dim=1)`, one more map is put in: the median of the nearest images, whole, in the
# hole and outside of it. How well this map fits can be seen outside the hole, where the truth is beside it.
#
# Through this map, too, the answer can leak. In training the images with holes are training images, and their
# neighbours are looked up among training images. **Predict before you run:** which training image is the nearest one to
# a training image with a hole?

# %% tags=["verify"]
hole = masks.draw("random box", 60, 32, 32, torch.Generator().manual_seed(17))
within = train.batch(range(60))  # they are among the 20,000 that are looked up
beyond = train.batch(range(20_000, 20_060))
own = fills.NearestImages(kept, 1).nearest(within, hole).flatten()
errors = {
    name: float(masked_l1(ways["nearest images"](images, hole), images, hole).mean())
    for name, images in {"within": within, "beyond": beyond}.items()
}
verify.claim(
    "13.24",
    "the share of 60 images whose nearest among 20,000, with them among these, is the image itself, is",
    float((own == torch.arange(60)).double().mean()),
    (1.0, None),
)
verify.claim(
    "13.25",
    "the masked L1 of the median of fifteen on these over that on 60 images not among the 20,000 is",
    errors["within"] / errors["beyond"],
    (None, 0.9),
)

# %% [markdown]
# The image itself, whole. The median of fifteen hides it and is still a fifth better than it will be in use. NaN in the hole does not find this leak: the hole's pixels are not read, they lie in the training
# set. A network trained so would trust the map more than it may in use. The repair is to train it on other images
# than those that are looked up. `models.inpainting.GuidedUNet` is the U-Net with the map. The first 20,000 images are
# looked up, and the other 40,000 trained on, with the settings of section 13.6. **Predict before you run:**
# on which families does it beat both, the nearest images that it is shown, and the U-Net that is not?

# %% tags=["nbval-ignore-output"]
others = dataclasses.replace(train, images=train.images[20_000:], labels=train.labels[20_000:])
nearest = fills.NearestImages(kept, 15, held=True)  # in memory as floats: a look-up at every step
torch.manual_seed(seed)
guided = GuidedUNet(nearest.median, width=recipe.width)
state = inpainting.InpaintState.create(recipe, device, guided)
run(
    state,
    others,
    alt="The masked L1 of the network that is shown the nearest images falls with the images seen.",
    ylabel="masked L1",
)
guided = state.average

# %% [markdown]
# **Figure 13.17.** The training of the network that is shown the nearest images.

# %%
shown_errors = {}
for family, found in compared.items():
    hole = masks.draw(family, 60, 32, 32, torch.Generator().manual_seed(13))
    answers = inpainting.fill(guided, some, hole)
    shown_errors[family] = {name: found[name] for name in ("nearest images", "U-Net, L1")}
    shown_errors[family]["U-Net, shown nearest"] = float(masked_l1(answers, some, hole).mean())
plotting.panels(
    [(None, bars(shown_errors))],
    alt="Masked L1 of the nearest images, of the U-Net, and of the U-Net that is shown them, on five "
    "families of holes, as groups of bars.",
)

# %% [markdown]
# **Figure 13.18.** Masked L1 on the 60 images and holes of Figure 13.13. The network that is shown the nearest images has less
# error than they have, and than the U-Net, on all five families.

# %%
four = held_out[[0, 1, 4, 6]], halves[[0, 1, 4, 6]]
plotting.image_grid(
    torch.cat([masks.hide(*four), nearest(*four), inpainting.fill(guided, *four), four[0]]),
    columns=4,
    row_labels=["given", "nearest", "shown nearest", "truth"],
    alt="Four rows of four garments of which one half is missing: given, filled by the nearest "
    "training images, by the U-Net that is shown them, and whole.",
)

# %% [markdown]
# **Figure 13.19.** Four of the halves of Figure 13.14. The network keeps the shape of what it is shown, and its brightness fits at
# the rim: the line down the middle of the pullover has all but gone. What the nearest images have wrong stays wrong: the sleeves of the third top, and the
# light stripe of the jacket.

# %% tags=["verify"]
worst = {
    other: max(found["U-Net, shown nearest"] / found[other] for found in shown_errors.values())
    for other in ("nearest images", "U-Net, L1")
}
verify.claim(
    "13.26",
    "its masked L1 over that of the nearest images is, on the worst of five families,",
    worst["nearest images"],
    (None, 0.99),
)
verify.claim(
    "13.27",
    "over that of the U-Net that is not shown them it is, on the worst of five,",
    worst["U-Net, L1"],
    (None, 0.97),
)

# %% [markdown]
# In the table of section 13.8 its training was longer, and it looked among a third of 59,000 images in training and among all of them in
# use. Its masked L1 over that of the nearest images is 0.87, 0.86 and 0.86 on squares, boxes and free-form holes, 0.73 on
# scattered pixels, and 0.94 on halves, which it was never trained on: the lowest error of all on all five families, with every seed. Its Fréchet
# distance is between theirs and the U-Net's on squares, boxes and halves, and below both on the other two: 0.36, 0.37, 0.33, 0.53
# and 0.20 times the U-Net's, in the order above. Nowhere is its error half that of the
# best fill. Section 14.7 has a reason why, on the centre square, perhaps no method can. And it has to
# carry its 59,000 images along: 4.0 milliseconds an image in the place of 0.7, most of them for the look-up.
#
# ## 13.12 In colour
#
# Nothing above depends on grey images. `photographs.load_photographs` cuts squares from four
# photographs that scikit-image brings along: three for training and one, of a rocket, for the test.
# **Predict before you run:** after a short training on squares of three photographs, does the U-Net beat
# diffusion on squares cut elsewhere from the same three, whose pixels it may have seen in others? And on
# the fourth?

# %% tags=["nbval-ignore-output"]
colour, rocket = (photographs.load_photographs(split) for split in ("train", "test"))
colour_recipe = dataclasses.replace(recipe, channels=3, steps=3 * budget.steps // 10)
state = inpainting.InpaintState.create(colour_recipe, device)
run(
    state,
    colour,
    ylabel="masked L1",
    alt="The masked L1 on squares of three photographs falls with the images seen.",
)

# %% [markdown]
# **Figure 13.20.** The training on squares of three photographs.

# %%
fresh = photographs.load_photographs("train", count=60, seed=1)  # the same three, other places
squares = {"seen photographs": fresh.batch(range(60)), "unseen photograph": rocket.batch(range(60))}
hole = masks.draw("random box", 60, 32, 32, torch.Generator().manual_seed(16))
in_colour = {
    which: {
        "U-Net": inpainting.fill(state.average, images, hole),
        "harmonic": fills.harmonic_fill(images, hole),
        "patches": fills.patch_fill(images, hole, patch=5),
    }
    for which, images in squares.items()
}
rows = [torch.cat([masks.hide(images, hole)[:4] for images in squares.values()])]
for way in ("U-Net", "harmonic", "patches"):
    rows.append(torch.cat([found[way][:4] for found in in_colour.values()]))
rows.append(torch.cat([images[:4] for images in squares.values()]))
plotting.image_grid(
    torch.cat(rows),
    columns=8,
    row_labels=["given", "U-Net", "harmonic", "patches", "truth"],
    alt="Five rows of eight small colour squares with a box missing: given, filled by the U-Net, by "
    "diffusion and by patches, and whole; four of the photographs trained on, four of another.",
)

# %% [markdown]
# **Figure 13.21.** Left four squares of the photographs that the network was trained on, right four of
# the one that it has not seen. On the left the U-Net answers with soft colours, without detail. In the plain
# sky, second and last on the right, it leaves a box, where diffusion and patches cannot be told from the truth. Beside the
# lamp none of the three succeeds.

# %% tags=["verify"]
ratios = {}
for which, images in squares.items():
    found = {
        way: float(masked_l1(one, images, hole).mean()) for way, one in in_colour[which].items()
    }
    ratios[which] = found["U-Net"] / found["harmonic"]
verify.claim(
    "13.28",
    "on the photographs of the training the U-Net's masked L1 over the harmonic fill's is",
    ratios["seen photographs"],
    (1.0, None),
)
verify.claim(
    "13.29",
    "on the photograph that it has not seen it is",
    ratios["unseen photograph"],
    (1.5, None),
)

# %% [markdown]
# Diffusion has the smaller error on both, and on the photograph that the network has not seen by far. Its
# sky is what a smooth fill is made for. A short training on three photographs was not enough here. Where a
# hole is small and its surroundings are smooth, try first the fill that needs no training:
# `python -m course_lib inpaint IMAGE --mask MASK -o OUT --method harmonic`. The method `network` needs a training first.
#
# ## Summary
#
# - A mask says 1 where an image is missing. A method gets the image with its hole hidden; what is judged
#   is the composite, over missing pixels alone. The whole image's PSNR grows when the hole shrinks.
# - The L2 answer is the conditional mean, a grey between the possibilities; the L1 answer the median of
#   each pixel. Neither is a draw from what is possible: that needs lesson 14.
# - The linear answer can be written down. Classical fills need no training at all. The median of the
#   nearest training images is the best of them on every family here. After a short training the U-Net clearly beats the linear
#   mean on the centre square alone. A table without these two says little.
# - A U-Net carries what is known past the coarse middle. Partial convolutions count what is known, gated
#   ones learn what to trust.
# - A U-Net that is also shown the median of the nearest images beats it, and the U-Net without it, on all five families. In
#   training, look it up among images that the network is not trained on.
# - Hide the hole inside the network, and test it with NaN.
#
# **Exercises.** [Six exercises](../exercises/13_inpainting_with_cnns.ipynb), each with a check that says
# what your answer misunderstood. [Solutions](../solutions/13_inpainting_with_cnns.ipynb).
#
# ## Sources
#
# - D. Pathak, P. Krähenbühl, J. Donahue, T. Darrell, A. A. Efros. *Context Encoders: Feature Learning by Inpainting.* CVPR 2016.
# - O. Ronneberger, P. Fischer, T. Brox. *U-Net: Convolutional Networks for Biomedical Image Segmentation.* MICCAI 2015.
# - G. Liu, F. A. Reda, K. J. Shih, T.-C. Wang, A. Tao, B. Catanzaro. *Image Inpainting for Irregular Holes Using Partial Convolutions.* ECCV 2018. Section 3.1.
# - J. Yu, Z. Lin, J. Yang, X. Shen, X. Lu, T. Huang. *Free-Form Image Inpainting with Gated Convolution.* ICCV 2019. Section 3.1.
# - K. He, X. Zhang, S. Ren, J. Sun. *Deep Residual Learning for Image Recognition.* CVPR 2016. (Residual blocks.)
# - J. Hays, A. A. Efros. *Scene Completion Using Millions of Photographs.* SIGGRAPH 2007. (Filling from similar images.)
# - A. Telea. *An Image Inpainting Technique Based on the Fast Marching Method.* Journal of Graphics Tools, 2004.
# - M. Bertalmio, A. L. Bertozzi, G. Sapiro. *Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting.* CVPR 2001.
# - A. Criminisi, P. Pérez, K. Toyama. *Region Filling and Object Removal by Exemplar-Based Image Inpainting.* IEEE Transactions on Image Processing, 2004.
# - S. B. Damelin, N. S. Hoang. *On Surface Completion and Image Inpainting by Biharmonic Functions: Numerical Aspects.* International Journal of Mathematics and Mathematical Sciences, 2018.
# - Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli. *Image Quality Assessment: From Error Visibility to Structural Similarity.* IEEE Transactions on Image Processing, 2004.
