# %% [markdown]
# # 01. Images and distributions
#
# > **The question.** A computer can choose 1,024 numbers at random and call them a picture. Why is it
# > never one? What would have to be known, to draw numbers that are?
#
# | | |
# |---|---|
# | **You need** | Python, means, variances and covariances, eigenvectors of a symmetric matrix. No experience with neural networks. |
# | **You will be able to** | hold an image in memory without turning it, clipping it or shifting its colours; say what "generating" means and why it is not "choosing the most probable image"; build three generators without learning and one that copies, and measure how good they are |
# | **Time** | one to two minutes of computing on 2 CPU cores, an hour of reading. What a GPU saves has not been measured. |

# %%
import math

import numpy as np
import skimage
import sympy
import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import checkpoints, data, metrics, plotting, runtime, verify
from course_lib.models.gaussian import GaussianSampler

seed = runtime.seed(0)
device = runtime.device()
train = data.load_images("fashion-mnist", "train", size=32)
test = data.load_images("fashion-mnist", "test", size=32)
random = torch.Generator().manual_seed(seed)
noise = 2 * torch.rand(10, 1, 32, 32, generator=random) - 1
plotting.image_grid(
    torch.cat([noise, train.batch(range(10))]),
    columns=10,
    row_labels=["drawn", "photographed"],
    alt="Above, ten squares of grey noise, all alike. Below, ten pictures of clothes.",
)

# %% [markdown]
# **Figure 1.1.** Above: every pixel drawn by itself, every grey equally often. Below: pictures. Both
# rows are points in the same space, 1,024 numbers each. You can draw from the upper one for the rest
# of your life and never see a shoe.
#
# ## 1.1 The idea
#
# Pictures are rare. Nearly all points of the space of images are noise, and the pictures of clothes
# lie in a tiny part of it, of an unknown shape. A **generator** is a machine that draws points from
# this part, each as often as it occurs. It needs two things: to know the part, and to draw from it.
# This lesson looks at the space, says what drawing means, and tries three ways to know: to write rules,
# to count, and to copy. The other lessons learn.
#
# ## 1.2 An image is a block of numbers
#
# An image file is read as **rows** of **columns** of **channels**: an array of shape (H, W, C), with
# C = 3 numbers for red, green and blue. The computer's memory is a line, so the block is laid out along
# it, the last axis running fastest. PyTorch wants (C, H, W). The number for row $h$, column $w$ and
# channel $c$ lies at the place
#
# $$ (h\, W + w)\, C + c \quad \text{in the order HWC}, \qquad (c\, H + h)\, W + w \quad \text{in the order CHW}. \tag{1.1} $$
#
# To go from one to the other, the axes have to be *exchanged*. To give the same line of numbers
# another shape is something else, and no error says so.

# %% tags=["verify"]
H, W, C = 4, 5, 3
line = torch.arange(H * W * C)
hwc, chw = line.reshape(H, W, C), line.reshape(C, H, W)
h, w, c = torch.meshgrid(torch.arange(H), torch.arange(W), torch.arange(C), indexing="ij")
verify.equation(
    "1.1",
    torch.stack([hwc[h, w, c], chw[c, h, w]]),
    torch.stack([(h * W + w) * C + c, (c * H + h) * W + w]),
)

# %% [markdown]
# ### What goes wrong: five ways to break a picture
#
# Each of the following is a mistake that runs without an error. **Predict before you run:** which of
# them would you notice in a training whose pictures you never look at?

# %%
astronaut = torch.from_numpy(skimage.data.astronaut())  # (512, 512, 3), bytes
right = data.normalise(astronaut.permute(2, 0, 1)[None])  # (1, 3, 512, 512) in [-1, 1]
small = F.avg_pool2d(right, 4)  # (1, 3, 128, 128)
bytes_small = data.to_uint8(small)  # (1, 3, 128, 128)
broken = {
    "right": small,
    "reshaped": small.permute(0, 2, 3, 1).reshape(1, 3, 128, 128),
    "blue first": small.flip(1),
    "0 to 1": (small + 1) / 2,
    "bytes overflow": data.normalise(bytes_small + 60),
    "every 4th pixel": right[:, :, ::4, ::4],
}
plotting.image_grid(
    torch.cat(list(broken.values())),
    columns=3,
    titles=list(broken),
    alt="Six versions of a portrait of an astronaut: right; a coloured smear of fine lines; with a blue "
    "face; pale; with patches of wrong bright colours; and with jagged edges.",
)

# %% [markdown]
# **Figure 1.2.** A portrait, and what five silent mistakes make of it.
#
# - **Reshaped.** The line of memory was cut anew instead of the axes exchanged. `permute` exchanges,
#   `reshape` and `view` do not.
# - **Blue first.** Some libraries (OpenCV) store blue, green, red.
# - **0 to 1.** A generator that ends in tanh draws from -1 to 1. A discriminator can tell such data from the generator's
#   first images by their brightness alone, and the generator has to learn the wrong range first. Half of what it can draw is never needed.
# - **Bytes overflow.** In bytes, 200 + 60 is 4. Change the type before you calculate.
# - **Every 4th pixel.** The rest of this section.


# %%
brightened = data.normalise((bytes_small.int() + 60).clamp(max=255).to(torch.uint8))
wanted = {"bytes overflow": brightened}  # what the addition was meant to give


def distance_of(image: Tensor, right: Tensor = small) -> float:
    """Root mean square difference from the right picture, in units of the portrait's spread."""
    return float((image - right).square().mean().sqrt() / small.std())


gaps = {name: distance_of(image, wanted.get(name, small)) for name, image in broken.items()}
print({name: round(gap, 2) for name, gap in gaps.items()})

# %% tags=["verify"]
verify.claim(
    "1.1",
    "the distance of the reshaped picture, where a constant grey has 1, is at least",
    gaps["reshaped"],
    (1.2, None),
)
verify.claim(
    "1.2",
    "every other mistake changes the picture by at least so many of its own deviations",
    min(gap for name, gap in gaps.items() if name != "right"),
    (0.2, None),
)

# %% [markdown]
# Which would you notice? None of them stops a training. One shows in a line of numbers: the least number of *0 to 1* is 0, where
# -1 is expected. The others keep to the range from -1 to 1. Nor does the distance say what an eye sees: *0 to 1* is as far
# from the right picture as a constant grey is, and you know the astronaut at once. So look at pictures.
#
# ### Making an image smaller
#
# To keep every $k$-th pixel looks harmless. Take a wave of frequency $f$ (waves a pixel) along a row,
# $x_n = \cos(2\pi f n)$, and keep the pixels $n = k m$. Since the cosine has period $2\pi$,
#
# $$ \cos(2\pi f\, k m) = \cos\bigl(2\pi\, (f - \tfrac{1}{k})\, k m\bigr) \quad \text{for every whole } m. \tag{1.2} $$
#
# On the pixels that are left, the frequencies $f$ and $f - 1/k$ are the same. A fine pattern comes out
# as a coarse one that was never there. This is **aliasing**. The repair is to take out what the small
# image cannot hold *before* leaving pixels out: to average, or to blur. Libraries call it
# `antialias`, and in some it is off unless asked for.

# %% tags=["verify"]
f, k = sympy.symbols("f k", positive=True)
m = sympy.symbols("m", integer=True)
verify.equation(
    "1.2",
    sympy.cos(2 * sympy.pi * f * k * m),
    sympy.cos(sympy.expand(2 * sympy.pi * (f - 1 / k) * k * m)),
)

# %%
n = torch.arange(256, dtype=torch.float64)
radius = ((n[:, None] - 128) ** 2 + (n[None, :] - 128) ** 2).sqrt()
rings = torch.cos(0.9 * radius**2 / 128)[None, None]  # finer and finer towards the edge
shrunk = {
    "every 4th pixel": rings[..., ::4, ::4],
    "mean of 4 x 4": F.avg_pool2d(rings, 4),
    "antialias": F.interpolate(rings, size=(64, 64), mode="bilinear", antialias=True),
}
plotting.image_grid(
    torch.cat(list(shrunk.values())).float(),
    columns=3,
    titles=list(shrunk),
    alt="Rings that get finer outwards, made four times smaller. Keeping every fourth pixel shows sets of "
    "false rings around other centres; in the means they are faint, and in the antialiased version hardly to be seen.",
)

# %% [markdown]
# **Figure 1.3.** One picture of rings around *one* centre, which get finer outwards, at a quarter of its
# size. The other centres on the left do not exist. The mean of 4 x 4 weakens them and does not remove them: of a wave of
# $f = 1/5$ along a row it still lets a quarter through.
#
# ### The bytes are not light
#
# One thing is wrong even in pictures that look right. The byte $v$ of an image file is not proportional to
# light. Screens show it through a curve, standard RGB, for $s = v / 255$ above 0.04045
# (below, it is a straight line):
#
# $$ \text{light} = \left( \frac{s + 0.055}{1.055} \right)^{2.4}. \tag{1.3} $$
#
# A mean of pixels is a mean of bytes, not of light. Black and white stripes, seen from afar, send half of
# white's light. The byte for that is not 127. Solve (1.3) for $s$ at light one half: it is 188.

# %% tags=["verify"]
s = sympy.symbols("s", positive=True)
(half,) = sympy.solve(
    sympy.Eq(
        (s + sympy.Rational(55, 1000)) / sympy.Rational(1055, 1000),
        sympy.Rational(1, 2) ** sympy.Rational(5, 12),
    ),
    s,
)
verify.equation(
    "1.3",
    ((half + sympy.Rational(55, 1000)) / sympy.Rational(1055, 1000)) ** sympy.Rational(12, 5),
    sympy.Rational(1, 2),
)
print(f"byte {float(255 * half):.0f}")

# %% [markdown]
# The course does what nearly everybody does, and averages bytes. Where neighbouring pixels differ
# strongly, fine detail comes out too dark when an image is made smaller, and it is worth knowing whence.
#
# ## 1.3 What does it mean to generate?
#
# Let $p(x)$ be the probability density of images: how densely the pictures that the world makes lie around
# the point $x$. To **generate** is to draw from $p$, so that in the long run each region of images comes up
# as often as $p$ says.
#
# > **Correction.** One of the articles that this course grew from says that a generator chooses the image
# > of *highest probability*. If it did, it would always choose the same one. And that one would be odd, as
# > we now see.
#
# Take the simplest density there is, $n$ independent standard Gaussians,
#
# $$ p(x) = (2\pi)^{-n/2}\, e^{-|x|^2 / 2}. \tag{1.4} $$
#
# Its highest point is $x = 0$. Where are its samples? Their squared length is a sum of $n$ squares, each
# with mean 1 and variance $\mathbb{E}[x^4] - 1 = 2$, so
#
# $$ \mathbb{E}\,|x|^2 = n, \qquad \operatorname{Var} |x|^2 = 2n. \tag{1.5} $$
#
# For large $n$ nearly all samples lie near the *sphere* of radius $\sqrt n$: relative to $n$, the spread $\sqrt{2n}$ gets
# smaller and smaller. The set where the samples are is the **typical set**. The highest point of the density, the **mode** $x = 0$, is not in it. How
# much denser is the density there than at a typical sample? By (1.4) and (1.5)
#
# $$ \log p(0) - \mathbb{E} \log p(x) = \frac n2. \tag{1.6} $$
#
# For $n = 1024$ that is a factor of $e^{512}$. The density at the mode is higher than at a typical
# sample by a factor with 223 digits before the point, and you will never see the mode, because there is so much more
# room further out.

# %% tags=["verify"]
n, x = sympy.symbols("n x", positive=True)
bell = sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi)
moments = [2 * sympy.integrate(x**power * bell, (x, 0, sympy.oo)) for power in (0, 2, 4)]
verify.equation("1.4", moments[0], 1)  # in one dimension; n of them are a product
verify.equation("1.5", [n * moments[1], n * (moments[2] - moments[1] ** 2)], [n, 2 * n])
below = sympy.expand_log(sympy.log(bell.subs(x, 0) / bell), force=True)  # in one dimension
verify.equation("1.6", n * 2 * sympy.integrate(below * bell, (x, 0, sympy.oo)), n / 2)
print(math.floor(512 / math.log(10)) + 1, "digits before the point")

# %%
lengths = {
    f"n = {n}": torch.randn(5000, n, generator=random).norm(dim=1) / math.sqrt(n)
    for n in (1, 10, 100, 1024)
}
plotting.histogram(
    lengths,
    xlabel="length of a sample, divided by √n",
    bins=np.linspace(0, 2.5, 101),
    alt="Four histograms of lengths. For one dimension it is highest at zero. For ten it is a wide bump "
    "around one, for a hundred a narrow one, for 1,024 a needle at one.",
)

# %% [markdown]
# **Figure 1.4.** Where samples of $n$ standard Gaussians lie. In one dimension near the mode, at 0. In
# 1,024 dimensions never.
#
# So much for Gaussians. And images? Give them the Gaussian that has their mean and covariance, which
# section 1.4 builds. Its mode is the mean image. **Predict before you run:** how far is the mean image
# from the nearest of 10,000 real images, in units of the distance between two real ones?

# %%
real = data.normalise(test.images).flatten(1)  # (10000, 1024)
mean = real.mean(0)
to_mean = torch.cdist(mean[None], real)[0]
between = torch.cdist(real[:2000], real[2000:4000])
print(
    f"nearest to the mean image: {to_mean.min() / between.mean():.2f} of the mean distance between two"
)
others = torch.cdist(real[:1000], real)
others[torch.arange(1000), torch.arange(1000)] = math.inf  # no image is its own neighbour
as_far = float((others.min(dim=1).values >= to_mean.min()).double().mean())
print(f"as far from their own nearest neighbour: {as_far:.2f} of 1,000 real images")
gaussian = GaussianSampler(train.batch(range(60_000)))
plotting.image_grid(
    torch.cat([mean.reshape(1, 1, 32, 32), gaussian.sample(4, seed), train.batch(range(5, 10))]),
    columns=10,
    titles=["mode", *["sample"] * 4, *["real"] * 5],
    alt="First the mean image, a grey ghost of shirt and shoe at once. Then four samples of a Gaussian, "
    "cloudy garments. Then five real pictures.",
)

# %% [markdown]
# **Figure 1.5.** The mean of the test images, which is nearly the most probable image of the Gaussian that is fitted to the
# training images; four samples of that Gaussian, clipped to the range of an image; and real images.

# %% tags=["verify"]
verify.claim(
    "1.3",
    "of 1,000 real images, at least as far from all others as the mean image is, are the share",
    as_far,
    (0.3, None),
)

# %% [markdown]
# No real image comes nearer to the mean than a third of the distance between two images picked at random. That says
# less than it seems to: about half of the real images are as far from their own nearest neighbour. So the distance does not
# convict the mean image. Looking does: it is a shirt and a shoe at once. The most probable picture is a picture of nothing.
#
# ## 1.4 Three generators, measured
#
# To compare generators we need a number. Lesson 09 defines it, and lesson 10 derives it and takes it apart: the **relative
# Fréchet distance** compares mean and covariance of 128 features that a trained classifier computes from
# each image, for 10,000 generated and the 10,000 test images. Real training images get almost 0. A
# generator that always drew the average feature would get 1.

# %%
classifier, known = checkpoints.load_classifier(device)
distance = metrics.RelativeFrechet(classifier, data.normalise(test.images), device)
found = {"real training images": known["floor"]}

# %% [markdown]
# ### Rules
#
# The oldest way: write down how a garment is made. A picture is a set of shapes, and what varies
# (width, length, sleeves, brightness) is drawn at random.


# %% tags=["keep"]
def by_rules(count: int) -> Tensor:
    """Trousers, shirts, bags and shoes out of rectangles: (count, 1, 32, 32)."""
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    x = x - 15.5  # from the middle
    images = []
    for _ in range(count):
        a, b, c, bright = torch.rand(4, generator=random).tolist()
        kind = int(torch.randint(4, (), generator=random))
        if kind == 0:  # trousers: two legs
            leg, gap = 3 + 2 * a, 0.5 + b
            shape = (y >= 2) & (y < 30) & (x.abs() < gap + leg) & ((x.abs() >= gap) | (y < 9))
        elif kind == 1:  # a shirt: body and sleeves
            body, sleeve = 5 + 3 * a, 8 + 18 * b
            shape = (y >= 4) & (y < 28) & (x.abs() < body)
            shape |= (x.abs() < body + 4) & (y >= 4 + (x.abs() - body)) & (y < 4 + sleeve)
        elif kind == 2:  # a bag: box and handle
            top = 10 + 4 * a
            shape = (y >= top) & (y < 27) & (x.abs() < 9 + 4 * b)
            shape |= ((x / (5 + 2 * c)) ** 2 + ((y - top) / 6) ** 2 - 1).abs() < 0.35
        else:  # a shoe: sole and shaft
            shape = (y >= 22) & (y < 26) & (x.abs() < 13)
            shape |= (y >= 12 + 6 * a) & (y < 22) & (x > 3 - 4 * b) & (x < 13)
            shape |= (y >= 18) & (y < 22) & (x > -11 + 2 * c) & (x < 13)
        images.append(shape * (0.8 + 1.2 * bright) - 1)
    return torch.stack(images)[:, None]


# %% [markdown]
# ### Independent pixels
#
# The next way: count. Let each pixel have the values that it has in the data, as often as it has them,
# and draw every pixel by itself,
#
# $$ p(x) = \prod_{k=1}^{n} p_k(x_k). \tag{1.7} $$
#
# No table is needed to draw from $p_k$: take pixel $k$ of a training image that is chosen at random, a new
# one for every pixel.


# %% tags=["keep"]
def independent_pixels(count: int) -> Tensor:
    """Each pixel from a training image of its own: (count, 1, 32, 32)."""
    pixels = train.images.flatten(1)  # (60000, 1024) bytes
    chosen = torch.randint(len(pixels), (count, pixels.shape[1]), generator=random)
    return data.normalise(pixels.gather(0, chosen).reshape(count, 1, 32, 32))


# %% tags=["verify"]
drawn = independent_pixels(20_000).flatten(1).double()
everyone = train.batch(range(0, 60_000, 3)).flatten(1).double()  # every third: enough, and small
# Independent: means and variances as in the data, covariances zero. Monte-Carlo with 20,000 images.
covariances = torch.cov(drawn.T)
verify.equation("1.7", drawn.mean(0), everyone.mean(0), tolerance=0.03)
off = covariances - covariances.diag().diag()
assert off.abs().max() < 0.05 < torch.cov(everyone.T).fill_diagonal_(0).abs().max()
assert torch.allclose(drawn.var(0), everyone.var(0), atol=0.03)

# %% [markdown]
# ### A Gaussian with all covariances
#
# Neighbouring pixels go together, and (1.7) knows nothing of it. So count pairs as well: the mean $\mu$
# and the covariance $\Sigma$ of all pixels, 1,024 x 1,024 numbers. To draw from the Gaussian with these
# two, we need a matrix $A$ with $A A^{\mathsf T} = \Sigma$, because for standard Gaussian $z$
#
# $$ x = \mu + A z \quad\Longrightarrow\quad \operatorname{Cov}(x) = A\, \mathbb{E}[z z^{\mathsf T}]\, A^{\mathsf T} = A A^{\mathsf T}. \tag{1.8} $$
#
# A covariance is symmetric with eigenvalues $\lambda_k \ge 0$: $\Sigma = U \Lambda U^{\mathsf T}$, where the
# columns of $U$ are eigenvectors of length one. So $A = U \Lambda^{1/2}$ will do. (A triangular factor would do too, but the
# padding never varies, so $\Sigma$ has zero eigenvalues, and Cholesky's algorithm divides by zero.) The
# eigenvectors are the **principal components** (PCA): the directions in which images vary, ordered by how
# much. Keep the $d$ largest and we have a generator with a code of only $d$ numbers,
#
# $$ x = \mu + \sum_{k=1}^{d} \sqrt{\lambda_k}\, z_k\, u_k, \qquad \frac{\operatorname{tr} \operatorname{Cov}(x)}{\operatorname{tr} \Sigma} = \frac{\lambda_1 + \dots + \lambda_d}{\lambda_1 + \dots + \lambda_n}. \tag{1.9} $$

# %% tags=["keep"]
mean, covariance = everyone.mean(0), torch.cov(everyone.T)
values, vectors = torch.linalg.eigh(covariance)  # ascending
values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)


def by_components(count: int, d: int) -> Tensor:
    """Equation (1.9): (count, 1, 32, 32), not clipped."""
    z = torch.randn(count, d, generator=random, dtype=torch.float64)
    return (mean + z @ (vectors[:, :d] * values[:d].sqrt()).T).reshape(count, 1, 32, 32)


# %% tags=["verify"]
A = vectors * values.sqrt()
verify.equation("1.8", A @ A.T, covariance)
twenty = vectors[:, :20] * values[:20].sqrt()
verify.equation(
    "1.9", (twenty @ twenty.T).trace() / covariance.trace(), values[:20].sum() / values.sum()
)

# %%
samples = {
    "rules": by_rules(10_000),
    "independent pixels": independent_pixels(10_000),
    "Gaussian": gaussian.sample(10_000, seed),
}
for name, images in samples.items():
    found[name] = distance(images)
for name, value in found.items():
    print(f"{name:22} {value:.4f}" if value < 0.01 else f"{name:22} {value:.1f}")
plotting.image_grid(
    torch.cat([images[:10] for images in samples.values()] + [train.batch(range(10, 20))]),
    columns=10,
    row_labels=[*samples, "real"],
    alt="Four rows of ten pictures. Rules: clean flat shapes of trousers, shirts, bags and shoes. "
    "Independent pixels: one blurred patch of noise in the middle, always the same. Gaussian: cloudy, "
    "smoky garments. Real ones.",
)

# %% [markdown]
# **Figure 1.6.** Three generators without learning, and real images.

# %% tags=["verify"]
verify.claim(
    "1.4", "the relative Fréchet distance of the rules lies in", found["rules"], (0.706, 0.721)
)
verify.claim(
    "1.5", "that of independent pixels is at least", found["independent pixels"], (1.0, None)
)
verify.claim("1.6", "that of the Gaussian lies in", found["Gaussian"], (0.617, 0.632))

# %% [markdown]
# Each fails in a way of its own. The rules draw what their author thought of, and nothing else (0.71 to 0.72, under five seeds). Independent
# pixels know where garments are bright, and no garment: their distance, 1.14 under five seeds, is larger than if every image had the
# average features. The Gaussian knows which pixels go together and draws
# clouds with sleeves: it cannot know that there are *kinds*, because a Gaussian has one centre, and between a
# shoe and a shirt there is nothing. The distance, 0.62 to 0.63 under five seeds, is what a sampler
# gets that knows all means and covariances, clipped to the range of an image. With fewer components it does a little better, as Figure 1.7 will
# show. A map that is not
# linear can know more, and that is where learning begins: the network that
# `make train` trains gets below a tenth of the Gaussian's value.

# %%
kept = [1, 10, 50, 400]
quality = [distance(by_components(10_000, d).clamp(-1, 1).float()) for d in kept]
share = torch.cumsum(values, 0) / values.sum()
plotting.curves(
    kept,
    {
        "relative Fréchet distance": quality,
        "share of the variance kept": [float(share[d - 1]) for d in kept],
    },
    xlabel="components d",
    ylabel="",
    logx=True,
    alt="Two curves against the number of components on a logarithmic axis. The share of the variance "
    "rises from 0.3 to nearly 1. The distance falls from 1.2 to about 0.5 at ten components and then "
    "rises a little.",
)

# %% [markdown]
# **Figure 1.7.** Four codes, of 1, 10, 50 and 400 numbers instead of 1,024, under one seed. The share of the variance is that of
# (1.9), before clipping; the distance is that of the clipped images. By this distance ten numbers do as well as fifty, and both better than
# four hundred: the 350 further components add variance, and take the features away from those of garments.

# %%
raw = by_components(2000, 1024)[..., 2:30, 2:30]  # without the frame
left = raw.clamp(-1, 1).var(0).sum() / raw.var(0).sum()
print(f"outside [-1, 1]: {(raw.abs() > 1).double().mean():.2f} of the numbers")
print(f"variance left after clipping: {left:.1f} of it")

# %% [markdown]
# The Gaussian knows nothing of black and white: a quarter of its numbers lie outside the range of an image, and cutting them off
# takes about three tenths of the variance away. How much of its distance is due to that has not been tested.

# %%
enough = int((share < 0.9).sum()) + 1
print(f"{enough} components hold 90 % of the variance of {len(values)} pixels")

# %% tags=["verify"]
verify.claim(
    "1.7", "the number of components that hold 90 % of the variance is at most", enough, (None, 100)
)

# %% [markdown]
# ### Why a code, and why a network behind it
#
# The black frame holds 240 of the 1,024 pixels and never varies. Of the other 784 directions, about a tenth hold nine tenths
# of the variance: images of clothes use little of their space. A common picture is that they lie near a **manifold**: a surface of few dimensions, which may be bent. If so,
# few numbers suffice to say where on it an image lies. The generators of lessons 06 to 12 therefore start from a short code
# $z$. (Others start from as many numbers as there are pixels.) A bent surface does not hold the straight lines between its
# points. Here is one such line.

# %%
shoe, dress = int((train.labels == 9).nonzero()[0]), int((train.labels == 3).nonzero()[0])
ends = train.batch([shoe, dress]).double()
steps = torch.linspace(0, 1, 9, dtype=torch.float64)[:, None, None, None]
between_two = (1 - steps) * ends[:1] + steps * ends[1:]
coded = (ends.flatten(1) - mean) @ vectors[:, :100]  # (2, 100)
decoded = (
    mean + ((1 - steps[:, 0, 0]) * coded[:1] + steps[:, 0, 0] * coded[1:]) @ vectors[:, :100].T
)
plotting.image_grid(
    torch.cat([between_two, decoded.reshape(9, 1, 32, 32)]).clamp(-1, 1).float(),
    columns=9,
    row_labels=["pixels", "100 components"],
    alt="Two rows of nine pictures from a boot to a dress. In between, both are visible at once, like a "
    "double exposure.",
)

# %% [markdown]
# **Figure 1.8.** Halfway between a boot and a dress, in pixels and in the code of the components, lies a
# double exposure. A linear code is as straight as the space it came from. A code from whose every point
# comes a garment needs a map to pixels that is *not* linear. Such a map is what the generators of
# lessons 06 to 12 are to learn.
#
# ## 1.5 Generating by copying: texture
#
# There is one more way without learning, and for textures it is very good: take the example apart and put
# it together anew. **Image quilting** lays square patches of a photograph side by side so that they overlap,
# always choosing a patch that fits what is there already. In the overlap, two patches compete for each
# pixel, and we cut between them where they differ least.
#
# Let $e_{i,j} \ge 0$ be the squared difference of the two patches in row $i$ and column $j$ of an upright
# overlap. A cut takes one pixel in each row, and from row to row it moves by one column at most. The
# cheapest cut down to the pixel $(i, j)$ comes from one of the three above it:
#
# $$ E_{i,j} = e_{i,j} + \min\bigl( E_{i-1,\,j-1},\, E_{i-1,\,j},\, E_{i-1,\,j+1} \bigr), \qquad E_{0,j} = e_{0,j}. \tag{1.10} $$
#
# Columns outside the overlap are left out of the minimum.
# Fill the table from the top, find the least number in the last row, and walk back up. This is *dynamic
# programming*: from each place in the last row there are up
# to $3^{\text{rows} - 1}$ cuts, and the table looks at each pixel once.


# %% tags=["keep"]
def cheapest_cut(e: np.ndarray) -> list[int]:
    """The column of the cut in each row, by (1.10): (rows, columns) -> rows numbers."""
    E = e.copy()
    for i in range(1, len(e)):
        above = np.pad(E[i - 1], 1, constant_values=np.inf)
        E[i] += np.minimum(np.minimum(above[:-2], above[1:-1]), above[2:])
    cut = [int(E[-1].argmin())]
    for i in range(len(e) - 2, -1, -1):
        low, high = max(0, cut[0] - 1), min(e.shape[1], cut[0] + 2)
        cut.insert(0, low + int(E[i, low:high].argmin()))
    return cut


def keep_new(overlap: np.ndarray) -> np.ndarray:
    """Which pixels of an upright overlap come from the new patch: those right of the cut."""
    return np.arange(overlap.shape[1])[None, :] > np.array(cheapest_cut(overlap))[:, None]


def quilt(
    texture: np.ndarray, patch: int, lap: int, across: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """across x across patches of the texture (H, W), and the number of each pixel's patch."""
    step = patch - lap
    result, origin = np.zeros((2, across * step + lap, across * step + lap))
    windows = np.lib.stride_tricks.sliding_window_view(texture, (patch, patch))[::2, ::2]
    windows = windows.reshape(-1, patch, patch)
    for row in range(across):
        for column in range(across):
            place = (
                slice(row * step, row * step + patch),
                slice(column * step, column * step + patch),
            )
            here = result[place]
            old = np.zeros((patch, patch), bool)  # pixels that are there already
            old[:, :lap] |= column > 0
            old[:lap, :] |= row > 0
            misfit = ((windows - here) ** 2 * old).sum((1, 2))
            fitting = np.flatnonzero(misfit <= 1.1 * misfit.min() + 1e-9)
            new = windows[rng.choice(fitting)]
            e, mask = (new - here) ** 2, np.ones((patch, patch), bool)
            if column:
                mask[:, :lap] &= keep_new(e[:, :lap])
            if row:
                mask[:lap, :] &= keep_new(e[:lap, :].T).T
            here[mask] = new[mask]
            origin[place][mask] = row * across + column
    return result, origin


# %% tags=["verify"]
def every_cut(rows: int, columns: int) -> list[list[int]]:
    """All cuts there are, for a small table."""
    cuts = [[j] for j in range(columns)]
    for _ in range(rows - 1):
        cuts = [[*cut, j] for cut in cuts for j in range(columns) if abs(j - cut[-1]) <= 1]
    return cuts


rng = np.random.default_rng(seed)
tables = [rng.random((6, 4)) for _ in range(20)]


def cost(e: np.ndarray, cut: list[int]) -> float:
    """What a cut pays."""
    return sum(e[i, j] for i, j in enumerate(cut))


verify.equation(
    "1.10",
    np.array([cost(e, cheapest_cut(e)) for e in tables]),
    np.array([min(cost(e, cut) for cut in every_cut(6, 4)) for e in tables]),
)

# %%
halved = (
    skimage.data.brick().reshape(256, 2, 256, 2).mean(axis=(1, 3))
)  # fewer aliases: section 1.2
bricks = halved[:128, :128] / 255.0
quilted, origin = (part[:128, :128] for part in quilt(bricks, 32, 8, 5, rng))
alone = rng.choice(bricks.ravel(), (128, 128))  # independent pixels


def at_random() -> np.ndarray:
    """Sixteen patches side by side: (128, 128)."""
    corners = rng.integers(0, 96, (4, 4, 2))
    return np.block([[bricks[a : a + 32, b : b + 32] for a, b in row] for row in corners])


tiles = at_random()
pictures = {
    "photograph": bricks,
    "independent pixels": alone,
    "patches at random": tiles,
    "quilted": quilted,
}
plotting.image_grid(
    torch.from_numpy(np.stack(list(pictures.values())))[:, None].float() * 2 - 1,
    columns=4,
    titles=list(pictures),
    alt="A photograph of a brick wall; noise of the same greys; square patches of wall that do not meet at "
    "their edges; and a wall of bricks, quilted, whose joints go on from patch to patch.",
)

# %% [markdown]
# **Figure 1.9.** A photograph of a wall, and three pictures made from it. Second: every pixel drawn by itself from all the greys of the
# photograph, whatever their place; a single photograph gives no distribution for each place, as (1.7) wants. The last is a wall
# that was never photographed.


# %%
def at_seams(image: np.ndarray, origin: np.ndarray) -> float:
    """Mean squared step to the right where the patch changes, relative to steps in the photograph."""
    steps, seams = np.diff(image, axis=1) ** 2, np.diff(origin, axis=1) != 0
    return float(steps[seams].mean() / (np.diff(bricks, axis=1) ** 2).mean())


numbered = np.kron(np.arange(16).reshape(4, 4), np.ones((32, 32)))
seams = {
    "at random": np.mean([at_seams(at_random(), numbered) for _ in range(200)]),
    "quilted": np.mean([at_seams(*quilt(bricks, 32, 8, 5, rng)) for _ in range(10)]),
}
print({name: round(float(value), 1) for name, value in seams.items()})

# %% tags=["verify"]
verify.claim(
    "1.8",
    "over many tilings, steps at the seams are smaller with quilting, by a factor of at most",
    seams["quilted"] / seams["at random"],
    (None, 0.5),
)

# %% [markdown]
# Inside a patch it copies, so there it looks real. At a seam it does so only where some patch fits what is there: here the
# steps to the right are about as large as in the photograph, and an example with too few patches would show seams, or the
# same patch again and again. And it copies, so every piece is in its example: no shoe out of a thousand shoes. A generator that stores its data and returns pieces of it
# has no error in a test of looks. Lesson 10 shows how to find one out.
#
# ## Summary
#
# - An image is a block of numbers. Layout, order of channels, range, type and scale break silently; look at your data *after* the last step before the network.
# - To generate is to draw from $p(x)$. The most probable point need not be typical: samples of $n$ standard Gaussians lie near a shell of radius $\sqrt n$.
# - Rules know what you know, independent pixels know nothing of neighbours, a Gaussian knows all pairs and no kinds. Copying is real within a patch, and makes nothing but new arrangements.
# - Few directions hold most of the variance, but the straight line between two images leads through double exposures: a short code needs a map that is not linear.
#
# **Exercises.** [Seven exercises](../exercises/01_images_and_distributions.ipynb), with checks that say what
# an answer misunderstood. [Solutions](../solutions/01_images_and_distributions.ipynb).
#
# ## Sources
#
# - T. Cover, J. Thomas. *Elements of Information Theory.* 2nd edition, Wiley, 2006. Sections 3.1 and 8.2 (the typical set, discrete and continuous).
# - C. Bishop. *Pattern Recognition and Machine Learning.* Springer, 2006. Section 12.1 (principal components).
# - A. Efros, W. Freeman. *Image Quilting for Texture Synthesis and Transfer.* SIGGRAPH 2001. Section 2.
# - IEC 61966-2-1, *Default RGB colour space, sRGB*, 1999. (The curve of (1.3).)
# - H. Xiao, K. Rasul, R. Vollgraf. *Fashion-MNIST.* 2017.
# - The photographs *Astronaut* (NASA, public domain) and *Brick* (CC0) come with scikit-image.
