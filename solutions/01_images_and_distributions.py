# %% [markdown]
# # Exercises 01. Images and distributions
#
# Seven exercises on [lesson 01](../notebooks/01_images_and_distributions.ipynb): how an image lies in
# memory, what its bytes mean, and how to draw from a distribution.
#
# Put your own code where a cell says `raise NotImplementedError(...)`, run the cell, and then the
# cell below it, which begins with `checks.`. It tries your answer on inputs of its own and says
# what is wrong with it, if anything is. [Exercises 00](00_start_here.ipynb) explain how that works.
#
# The letters are those of the lesson: N images or samples, C channels, H rows, W columns, n numbers
# in a sample, x sample, p density. Rows, columns and images are counted from 0. A byte is an integer
# from 0 to 255, in torch the type uint8.

# %%
import numpy as np
import torch
from torch import Tensor

from course_lib.checks import lesson01 as checks

# %% [markdown]
# ### Exercise 1.1 (one star). From file to network
#
# Image files are read as bytes of shape (H, W, C), with the channels red, green and blue last. A
# network takes floats of shape (C, H, W) between -1 and 1. Each step between the two can go wrong
# without an error. Write the step for a batch of N images: the byte 0 becomes -1, the byte 255
# becomes 1, and what lies between is divided evenly. Each pixel keeps its row, its column and its
# colour.
#
# - In: `images`, uint8, shape (N, H, W, C).
# - Out: float32, shape (N, C, H, W), from -1 to 1.


# %%
def to_nchw(images: Tensor) -> Tensor:
    """Bytes (N, H, W, C) -> float32 (N, C, H, W) in [-1, 1]."""
    ### BEGIN SOLUTION
    return images.permute(0, 3, 1, 2).to(torch.float32) / 127.5 - 1
    ### END SOLUTION


# %%
checks.to_nchw(to_nchw)

# %% [markdown] tags=["solution"]
# `permute` lists, for each new axis, which old one it is: the images stay, then come the channels,
# the rows and the columns. The change of type stands before any arithmetic.
#
# The second answer moves the axis by its name and scales by another formula.


# %% tags=["alternative"]
def to_nchw(images):
    shares = torch.movedim(images, -1, 1).float() / 255  # 0 to 1
    return 2 * shares - 1


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Reshaped.** The shape is right and the picture is gone, as in figure 1.2.


# %% tags=["mistake"] hint="reshaped"
def to_nchw(images):
    N, H, W, C = images.shape
    return images.reshape(N, C, H, W).float() / 127.5 - 1


# %% [markdown] tags=["mistake"]
# **All axes reversed.** `permute(0, 3, 2, 1)` looks symmetric. It lays every picture on its side.


# %% tags=["mistake"] hint="rows-and-columns"
def to_nchw(images):
    return images.permute(0, 3, 2, 1).float() / 127.5 - 1


# %% [markdown] tags=["mistake"]
# **Blue first.** A flip that is right for files read by OpenCV, and wrong for all others.


# %% tags=["mistake"] hint="channels-reversed"
def to_nchw(images):
    return images.permute(0, 3, 1, 2).flip(1).float() / 127.5 - 1


# %% [markdown] tags=["mistake"]
# **From 0 to 1.** The range of many libraries, and half of what tanh can reach.


# %% tags=["mistake"] hint="zero-to-one"
def to_nchw(images):
    return images.permute(0, 3, 1, 2).float() / 255


# %% [markdown] tags=["mistake"]
# **Calculated in bytes.** The difference is taken before the type is changed. For dark pixels it is
# below 0, which bytes do not have: 100 - 128 is 228.


# %% tags=["mistake"] hint="overflow"
def to_nchw(images):
    return (images.permute(0, 3, 1, 2) - 128).float() / 127.5


# %% [markdown] tags=["mistake"]
# **Divided in bytes.** `//` keeps whole numbers. Only 255 becomes 1, and all the rest is black.


# %% tags=["mistake"] hint="whole-numbers"
def to_nchw(images):
    return 2 * (images.permute(0, 3, 1, 2) // 255).float() - 1


# %% [markdown]
# ### Exercise 1.2 (one star). A mean of light
#
# The byte $v$ of an image is not proportional to the light that a screen sends out for it. With
# $s = v / 255$, standard RGB defines
#
# $$ \text{light} = \begin{cases} s / 12.92 & \text{for } s \le 0.04045, \\
# \left( \dfrac{s + 0.055}{1.055} \right)^{2.4} & \text{otherwise,} \end{cases} $$
#
# where white has light 1. The second line is (1.3). The inverse is
#
# $$ s = \begin{cases} 12.92\,\text{light} & \text{for light} \le 0.0031308, \\
# 1.055\;\text{light}^{1/2.4} - 0.055 & \text{otherwise.} \end{cases} $$
#
# Seen from afar, the pixels of a picture melt into one. Which byte has the same light? Take the
# mean of the light of all bytes, and return the byte value that belongs to it.
#
# - In: `bytes_`, uint8, of any shape.
# - Out: a float from 0 to 255, not rounded.


# %%
def light_mean(bytes_: Tensor) -> float:
    """The byte value whose light is the mean light of all bytes: any shape -> a float."""
    ### BEGIN SOLUTION
    s = bytes_.double() / 255
    light = torch.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    mean = float(light.mean())
    back = 12.92 * mean if mean <= 0.0031308 else 1.055 * mean ** (1 / 2.4) - 0.055
    return 255 * back
    ### END SOLUTION


# %%
checks.light_mean(light_mean)

# %% [markdown] tags=["solution"]
# To light, mean, and back. `torch.where` chooses a branch for each pixel. The way back has a single
# number and needs only an `if`.
#
# The second answer counts how often each byte occurs. There are only 256 of them, so the curve is
# needed 256 times, however large the picture is.


# %% tags=["alternative"]
def light_mean(bytes_):
    s = np.arange(256) / 255
    light = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    counts = np.bincount(bytes_.flatten().numpy(), minlength=256)
    mean = (counts * light).sum() / counts.sum()
    return 255 * np.where(mean <= 0.0031308, 12.92 * mean, 1.055 * mean ** (1 / 2.4) - 0.055).item()


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The mean of bytes.** Stripes of black and white become the byte 127.5. It has about a fifth of
# white's light, and the stripes send out half.


# %% tags=["mistake"] hint="mean-of-bytes"
def light_mean(bytes_):
    return float(bytes_.double().mean())


# %% [markdown] tags=["mistake"]
# **Not back.** Light stretched to 255 is not yet a byte value.


# %% tags=["mistake"] hint="not-back"
def light_mean(bytes_):
    s = bytes_.double() / 255
    light = torch.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    return float(255 * light.mean())


# %% [markdown] tags=["mistake"]
# **The power 2.2.** It comes close in the middle of the range. Near black it does not.


# %% tags=["mistake"] hint="plain-power"
def light_mean(bytes_):
    light = (bytes_.double() / 255) ** 2.2
    return float(255 * light.mean() ** (1 / 2.2))


# %% [markdown] tags=["mistake"]
# **Without the straight line.** Formula (1.3) for all bytes. It gives black a little light.


# %% tags=["mistake"] hint="no-linear-branch"
def light_mean(bytes_):
    light = ((bytes_.double() / 255 + 0.055) / 1.055) ** 2.4
    return float(255 * (1.055 * light.mean() ** (1 / 2.4) - 0.055))


# %% [markdown] tags=["mistake"]
# **One power in both directions.** The straight line is there on the way to light, and forgotten on
# the way back.


# %% tags=["mistake"] hint="no-linear-branch"
def light_mean(bytes_):
    s = bytes_.double() / 255
    light = torch.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    return float(255 * (1.055 * light.mean() ** (1 / 2.4) - 0.055))


# %% [markdown]
# ### Exercise 1.3 (two stars). A smaller image
#
# To make an image k times smaller, cut it into blocks of k x k pixels and replace each block by its
# mean:
#
# $$ y_{i,j} = \frac{1}{k^2} \sum_{u=0}^{k-1} \sum_{v=0}^{k-1} x_{k i + u,\; k j + v}. $$
#
# What repeats every few pixels then fades, instead of turning into a coarse pattern (section 1.2).
# The mean is taken of the numbers as they are: that of light was exercise 1.2.
#
# - In: `image`, float64, shape (H, W); `k`, an integer that divides H and W.
# - Out: shape (H/k, W/k). Do not use functions of torch that pool or interpolate. The exercise is
#   to find the blocks in the line of numbers.


# %%
def shrink(image: Tensor, k: int) -> Tensor:
    """Means of k x k blocks: (H, W) -> (H/k, W/k)."""
    ### BEGIN SOLUTION
    H, W = image.shape
    blocks = image.reshape(H // k, k, W // k, k)  # row k i + u is (i, u), column k j + v is (j, v)
    return blocks.mean(dim=(1, 3))
    ### END SOLUTION


# %%
checks.shrink(shrink)

# %% [markdown] tags=["solution"]
# Row $k i + u$ stands at the place (i, u) when the rows are cut into H/k groups of k: the last index
# runs fastest. The same holds for the columns. Cutting a side in two where it stands leaves all
# numbers in their order, so here `reshape` is right. The mean is over u and v.
#
# The second answer adds up k x k images, each with every k-th pixel. The mistake of section 1.2 is
# to take only one of them.


# %% tags=["alternative"]
def shrink(image, k):
    total = 0
    for u in range(k):
        for v in range(k):
            total = total + image[u::k, v::k]
    return total / k**2


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Every k-th pixel.** Aliasing: figure 1.3 shows rings that are not there.


# %% tags=["mistake"] hint="every-kth"
def shrink(image, k):
    return image[::k, ::k]


# %% [markdown] tags=["mistake"]
# **Consecutive numbers.** The shape says k x k, and the numbers come from one row.


# %% tags=["mistake"] hint="wrong-blocks"
def shrink(image, k):
    H, W = image.shape
    return image.reshape(H // k, W // k, k, k).mean(dim=(2, 3))


# %% [markdown] tags=["mistake"]
# **The factors of a side exchanged.** k groups of H/k rows, instead of H/k groups of k rows.


# %% tags=["mistake"] hint="far-apart"
def shrink(image, k):
    H, W = image.shape
    return image.reshape(k, H // k, k, W // k).mean(dim=(0, 2))


# %% [markdown] tags=["mistake"]
# **Rows and columns exchanged.** The blocks are stacked column by column.


# %% tags=["mistake"] hint="transposed"
def shrink(image, k):
    H, W = image.shape
    rows = [
        torch.stack([image[i : i + k, j : j + k].mean() for i in range(0, H, k)])
        for j in range(0, W, k)
    ]
    return torch.stack(rows)


# %% [markdown] tags=["mistake"]
# **A sum.** The image becomes k x k times as bright.


# %% tags=["mistake"] hint="sum"
def shrink(image, k):
    H, W = image.shape
    return image.reshape(H // k, k, W // k, k).sum(dim=(1, 3))


# %% [markdown] tags=["mistake"]
# **The mean over rows only.** Along a row, every k-th pixel is kept, and upright stripes alias.


# %% tags=["mistake"] hint="one-axis"
def shrink(image, k):
    H, W = image.shape
    return image.reshape(H // k, k, W).mean(dim=1)[:, ::k]


# %% [markdown]
# ### Exercise 1.4 (two stars). Any Gaussian from a standard one
#
# Computers draw standard Gaussians: n independent numbers with mean 0 and variance 1. Make of them
# samples with the mean $\mu$ and the covariance $\Sigma$, by equation (1.8): find a matrix $A$ with
# $A A^{\mathsf T} = \Sigma$, and return $\mu + A z$ for each row $z$.
#
# The covariance may be singular, as that of images whose border is always black. In some direction
# the samples then do not vary at all. Computers round, so that an eigenvalue which should be 0 may
# come out as $-10^{-17}$.
#
# - In: `mean`, float64, shape (n,), which is $\mu$; `covariance`, float64, shape (n, n), which is
#   $\Sigma$, symmetric with eigenvalues at least 0 up to rounding errors; `z`, float64, shape (N, n).
# - Out: shape (N, n). Row number a is made of row number a of `z` alone. Draw no numbers of your own.


# %%
def sample_gaussian(mean: Tensor, covariance: Tensor, z: Tensor) -> Tensor:
    """Rows of standard Gaussians to rows with this mean and covariance: (N, n) -> (N, n)."""
    ### BEGIN SOLUTION
    values, vectors = torch.linalg.eigh(covariance)
    A = vectors * values.clamp(min=0).sqrt()  # column k: eigenvector k times its deviation
    return mean + z @ A.T
    ### END SOLUTION


# %%
checks.sample_gaussian(sample_gaussian)

# %% [markdown] tags=["solution"]
# $\Sigma = U \Lambda U^{\mathsf T}$ with eigenvectors in the columns of $U$, so $A = U \Lambda^{1/2}$ is
# a root. Multiplying by a row of n numbers scales the columns, which is what $\Lambda^{1/2}$ on the
# right does. `clamp` removes rounding errors below 0. The samples are rows: $(A z)^{\mathsf T} =
# z^{\mathsf T} A^{\mathsf T}$, which is the `.T` in the last line.
#
# A root is not unique, and the check accepts each. The second answer takes the symmetric one,
# $U \Lambda^{1/2} U^{\mathsf T}$, by a singular value decomposition. For a symmetric matrix with
# eigenvalues at least 0 it is the same as the decomposition into eigenvectors. It has no negative
# numbers, and for a symmetric root `.T` makes no difference.


# %% tags=["alternative"]
def sample_gaussian(mean, covariance, z):
    U, s, _ = torch.linalg.svd(covariance)
    root = U @ torch.diag(s.sqrt()) @ U.T
    return mean + z @ root


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The covariance for its root.** Even for n = 1 it is wrong: a variance of 4 is a deviation of 2.


# %% tags=["mistake"] hint="covariance"
def sample_gaussian(mean, covariance, z):
    return mean + z @ covariance


# %% [markdown] tags=["mistake"]
# **Eigenvalues without a root.** The directions are right, and along each one the samples vary too
# much or too little.


# %% tags=["mistake"] hint="no-root"
def sample_gaussian(mean, covariance, z):
    values, vectors = torch.linalg.eigh(covariance)
    return mean + z @ (vectors * values).T


# %% [markdown] tags=["mistake"]
# **Cholesky.** A good root, of which torch's algorithm finds only those without a zero on the
# diagonal: it divides by those numbers. For a singular covariance one of them is 0.


# %% tags=["mistake"] hint="cholesky"
def sample_gaussian(mean, covariance, z):
    return mean + z @ torch.linalg.cholesky(covariance).T


# %% [markdown] tags=["mistake"]
# **The root of a rounding error.** Without `clamp`, a -1e-17 becomes NaN and spoils every sample.


# %% tags=["mistake"] hint="root-of-negative"
def sample_gaussian(mean, covariance, z):
    values, vectors = torch.linalg.eigh(covariance)
    return mean + z @ (vectors * values.sqrt()).T


# %% [markdown] tags=["mistake"]
# **Transposed.** `z @ A` multiplies by $A^{\mathsf T}$ from the left.


# %% tags=["mistake"] hint="transposed"
def sample_gaussian(mean, covariance, z):
    values, vectors = torch.linalg.eigh(covariance)
    return mean + z @ (vectors * values.clamp(min=0).sqrt())


# %% [markdown] tags=["mistake"]
# **No mean.** The samples vary as they should, around the wrong place.


# %% tags=["mistake"] hint="no-mean"
def sample_gaussian(mean, covariance, z):
    values, vectors = torch.linalg.eigh(covariance)
    return z @ (vectors * values.clamp(min=0).sqrt()).T


# %% [markdown]
# ### Exercise 1.5 (two stars). How far below the peak?
#
# The density of n independent standard Gaussians is (1.4),
#
# $$ p(x) = (2\pi)^{-n/2}\, e^{-|x|^2 / 2}. $$
#
# Here $|x|$ is the length of the vector x. The peak is at $x = 0$. Someone hands you samples that
# are said to come from this density. Compute for each one $\log p(0) - \log p(x)$, with the natural
# logarithm. If what they say is true and n is large, the numbers lie near n/2: by (1.6) that is their mean,
# and by (1.5) their deviation is $\sqrt{n/2}$. If the numbers are near 0, somebody chose the most probable images instead of drawing them.
#
# - In: `x`, float64, shape (N, n), one sample in each row. n may be 2,000.
# - Out: shape (N,), one number for each sample.


# %%
def log_density_gap(x: Tensor) -> Tensor:
    """log p(0) - log p(x) for a standard Gaussian in n dimensions: (N, n) -> (N,)."""
    ### BEGIN SOLUTION
    return x.square().sum(dim=1) / 2
    ### END SOLUTION


# %%
checks.log_density_gap(log_density_gap)

# %% [markdown] tags=["solution"]
# $\log p(x) = -\tfrac n2 \log(2\pi) - \tfrac12 |x|^2$. The first term is the same at 0 and at x, and
# is gone from the difference. What is left is half the squared length.
#
# The second answer adds up the logarithms that torch computes for each coordinate. A product of
# densities has the sum of their logarithms.


# %% tags=["alternative"]
def log_density_gap(x):
    bell = torch.distributions.Normal(torch.tensor(0.0).double(), 1.0)
    return (bell.log_prob(torch.zeros_like(x)) - bell.log_prob(x)).sum(dim=1)


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Without the half.** Samples in n dimensions then seem to lie n below the peak.


# %% tags=["mistake"] hint="no-half"
def log_density_gap(x):
    return x.square().sum(dim=1)


# %% [markdown] tags=["mistake"]
# **The mean over dimensions.** The number is near one half, whatever n is. That hides the effect
# which the exercise is about.


# %% tags=["mistake"] hint="mean"
def log_density_gap(x):
    return x.square().mean(dim=1) / 2


# %% [markdown] tags=["mistake"]
# **The length, not squared.** `norm` takes a root at the end.


# %% tags=["mistake"] hint="not-squared"
def log_density_gap(x):
    return x.norm(dim=1) / 2


# %% [markdown] tags=["mistake"]
# **The sign.** log p(x) - log p(0).


# %% tags=["mistake"] hint="sign"
def log_density_gap(x):
    return -x.square().sum(dim=1) / 2


# %% [markdown] tags=["mistake"]
# **Densities first.** For n = 2,000 the factor $(2\pi)^{-n/2}$ is about $10^{-798}$. The smallest
# float64 above zero is about $5 \times 10^{-324}$.


# %% tags=["mistake"] hint="underflow"
def log_density_gap(x):
    n = x.shape[1]
    factor = torch.tensor(2 * torch.pi).double() ** (-n / 2)
    return torch.log(factor) - torch.log(factor * torch.exp(-x.square().sum(dim=1) / 2))


# %% [markdown]
# Now samples in 1,024 dimensions, and the same ones made ten times smaller. Predict both lines.

# %%
x = torch.randn(1000, 1024, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
for name, samples in {"drawn": x, "drawn and divided by 10": x / 10}.items():
    gaps = log_density_gap(samples)
    print(f"{name}: from {gaps.min():.0f} to {gaps.max():.0f}, mean {gaps.mean():.0f}")

# %% [markdown]
# Every sample of the second line is far more probable, by its density, than every sample of the
# first. That is how one sees that the second ones are no samples.

# %% [markdown]
# ### Exercise 1.6 (two stars). Independent pixels
#
# The simplest generator that uses data lets each pixel have the values that it has in the
# images, as often as it has them, and draws each one by itself, equation (1.7). Here a pixel is one
# of the n = C H W numbers of an image, so that three colours of one place are three pixels. To draw
# pixel number k, choose one of the N images at random, each with the same probability, and take
# pixel k from it. Then choose anew for the next pixel, and anew for the next sample.
#
# - In: `images`, shape (N, C, H, W), of any type; `count`, an integer, at least 1, which may be larger
#   than N; `generator`, a `torch.Generator`, from which all random numbers must come. Functions such
#   as `torch.randint` take it as `generator=generator`.
# - Out: shape (count, C, H, W), of the same type as `images`.


# %%
def independent_pixels(images: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Each pixel from an image of its own: (N, C, H, W) -> (count, C, H, W)."""
    ### BEGIN SOLUTION
    pixels = images.flatten(1)  # (N, C H W)
    chosen = torch.randint(len(images), (count, pixels.shape[1]), generator=generator)
    return pixels.gather(0, chosen).reshape(count, *images.shape[1:])
    ### END SOLUTION


# %%
checks.independent_pixels(independent_pixels)

# %% [markdown] tags=["solution"]
# `chosen` holds the number of an image for each sample and each pixel. `pixels.gather(0, chosen)` has
# at (a, k) the number `pixels[chosen[a, k], k]`: the row is chosen, and the column stays.
#
# The second answer goes through the pixels and draws all samples of one at once.


# %% tags=["alternative"]
def independent_pixels(images, count, generator):
    samples = torch.empty(count, *images.shape[1:], dtype=images.dtype)
    for c in range(images.shape[1]):
        for h in range(images.shape[2]):
            for w in range(images.shape[3]):
                chosen = torch.randint(len(images), (count,), generator=generator)
                samples[:, c, h, w] = images[chosen, c, h, w]
    return samples


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Copies.** One choice for a whole sample. The samples look excellent, because they are the
# training images.


# %% tags=["mistake"] hint="copies"
def independent_pixels(images, count, generator):
    return images[torch.randint(len(images), (count,), generator=generator)]


# %% [markdown] tags=["mistake"]
# **The same choice for all samples.** One picture, count times.


# %% tags=["mistake"] hint="same-choice"
def independent_pixels(images, count, generator):
    pixels = images.flatten(1)
    chosen = torch.randint(len(images), (1, pixels.shape[1]), generator=generator)
    return pixels.gather(0, chosen.expand(count, -1)).reshape(count, *images.shape[1:])


# %% [markdown] tags=["mistake"]
# **One choice for all channels of a place.** The colours are then those of real pixels, which may be
# what one wants. It is not (1.7).


# %% tags=["mistake"] hint="together"
def independent_pixels(images, count, generator):
    N, C, H, W = images.shape
    chosen = torch.randint(N, (count, 1, H, W), generator=generator).expand(count, C, H, W)
    return images.flatten(1).gather(0, chosen.flatten(1)).reshape(count, C, H, W)


# %% [markdown] tags=["mistake"]
# **Noise between the limits.** All that is left of the data is its least and its greatest number.


# %% tags=["mistake"] hint="uniform"
def independent_pixels(images, count, generator):
    noise = torch.rand(count, *images.shape[1:], generator=generator)
    return (images.min() + noise * (images.max() - images.min())).to(images.dtype)


# %% [markdown] tags=["mistake"]
# **Shuffled.** The pixels of one image in another order. Which pixels are dark is forgotten.


# %% tags=["mistake"] hint="places-lost"
def independent_pixels(images, count, generator):
    samples = images[torch.randint(len(images), (count,), generator=generator)].flatten(1)
    for sample in samples:
        sample[:] = sample[torch.randperm(len(sample), generator=generator)]
    return samples.reshape(count, *images.shape[1:])


# %% [markdown] tags=["mistake"]
# **A Gaussian for each pixel.** It has the mean and the variance of the pixel, and greys that the
# pixel never has.


# %% tags=["mistake"] hint="invented"
def independent_pixels(images, count, generator):
    real = images.double()
    z = torch.randn(count, *images.shape[1:], generator=generator, dtype=torch.float64)
    return (real.mean(0) + real.std(0) * z).to(images.dtype)


# %% [markdown] tags=["mistake"]
# **Another generator.** Without `generator=generator` the numbers come from torch's own one, and the
# seed of the experiment has no effect.


# %% tags=["mistake"] hint="generator-ignored"
def independent_pixels(images, count, generator):
    pixels = images.flatten(1)
    chosen = torch.randint(len(images), (count, pixels.shape[1]))
    return pixels.gather(0, chosen).reshape(count, *images.shape[1:])


# %% [markdown]
# ### Exercise 1.7 (three stars). The cheapest cut
#
# Two patches of a texture overlap. At pixel (i, j) of the overlap they differ by $e_{i,j} \ge 0$, the
# cost of cutting there. A cut takes one pixel in each row, and from one row to the next it moves by
# one column at most. Find a cut of least total cost. Each row offers up to three ways to go on, so
# there are far too many cuts to try all.
#
# Let $E_{i,j}$ be the cost of the cheapest cut from the top row down to pixel (i, j). Equation (1.10):
#
# $$ E_{i,j} = e_{i,j} + \min\bigl( E_{i-1,\,j-1},\, E_{i-1,\,j},\, E_{i-1,\,j+1} \bigr), \qquad E_{0,j} = e_{0,j}, $$
#
# where columns outside the table are left out of the minimum. Fill the table E, and then walk from
# the last row up to the first.
#
# - In: `e`, a NumPy array of float64, shape (rows, columns), both at least 1. Do not change it.
# - Out: a list of integers, the column of the cut in row 0, in row 1 and so on. Its length is the
#   number of rows. If several cuts cost the same, return any of them.


# %%
def cheapest_cut(e: np.ndarray) -> list[int]:
    """The column of a cheapest cut in each row: (rows, columns) -> rows numbers."""
    ### BEGIN SOLUTION
    rows, columns = e.shape
    E = e.copy()
    for i in range(1, rows):
        for j in range(columns):
            E[i, j] += E[i - 1, max(0, j - 1) : j + 2].min()
    cut = [int(E[-1].argmin())]
    for i in range(rows - 2, -1, -1):
        low = max(0, cut[-1] - 1)
        cut.append(low + int(E[i, low : cut[-1] + 2].argmin()))
    return cut[::-1]
    ### END SOLUTION


# %%
checks.cheapest_cut(cheapest_cut)

# %% [markdown] tags=["solution"]
# The cheapest cut down to (i, j) comes from the cheapest of the cuts down to the pixels above it. So
# each row of E needs the row above only. A slice that ends beyond the table is cut short, but one
# that begins at -1 would begin at the last column: hence `max(0, ...)`. On the way back, the pixel
# that the cut came from is the one with the least E among those above.
#
# The second answer remembers the whole cut to each pixel of a row, with its cost. It needs no way
# back and more memory. Python compares the costs first.


# %% tags=["alternative"]
def cheapest_cut(e):
    best = [(float(cost), [j]) for j, cost in enumerate(e[0])]
    for row in e[1:]:
        reached = []
        for j, cost in enumerate(row):
            above, cut = min(best[max(0, j - 1) : j + 2])
            reached.append((above + float(cost), [*cut, j]))
        best = reached
    return min(best)[1]


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Greedy.** Always to the cheapest of the next pixels. It never learns what comes after them.


# %% tags=["mistake"] hint="greedy"
def cheapest_cut(e):
    cut = [int(e[0].argmin())]
    for row in e[1:]:
        low = max(0, cut[-1] - 1)
        cut.append(low + int(row[low : cut[-1] + 2].argmin()))
    return cut


# %% [markdown] tags=["mistake"]
# **The least of each row.** No cut is cheaper, and seldom is it one.


# %% tags=["mistake"] hint="row-minima"
def cheapest_cut(e):
    return [int(row.argmin()) for row in e]


# %% [markdown] tags=["mistake"]
# **Two columns at once.** The window of the minimum is five columns wide.


# %% tags=["mistake"] hint="jump"
def cheapest_cut(e):
    E = e.copy()
    for i in range(1, len(e)):
        for j in range(e.shape[1]):
            E[i, j] += E[i - 1, max(0, j - 2) : j + 3].min()
    cut = [int(E[-1].argmin())]
    for i in range(len(e) - 2, -1, -1):
        low = max(0, cut[-1] - 2)
        cut.append(low + int(E[i, low : cut[-1] + 3].argmin()))
    return cut[::-1]


# %% [markdown] tags=["mistake"]
# **Back through e.** E is filled and then used for its last row only.


# %% tags=["mistake"] hint="back-through-costs"
def cheapest_cut(e):
    E = e.copy()
    for i in range(1, len(e)):
        for j in range(e.shape[1]):
            E[i, j] += E[i - 1, max(0, j - 1) : j + 2].min()
    cut = [int(E[-1].argmin())]
    for i in range(len(e) - 2, -1, -1):
        low = max(0, cut[-1] - 1)
        cut.append(low + int(e[i, low : cut[-1] + 2].argmin()))
    return cut[::-1]


# %% [markdown] tags=["mistake"]
# **Round the edge.** `np.roll` moves the last column to the front, as if the table were a tube.


# %% tags=["mistake"] hint="wrap"
def cheapest_cut(e):
    E = e.copy()
    for i in range(1, len(e)):
        above = E[i - 1]
        E[i] += np.minimum(np.minimum(np.roll(above, 1), above), np.roll(above, -1))
    cut = [int(E[-1].argmin())]
    for i in range(len(e) - 2, -1, -1):
        low = max(0, cut[-1] - 1)
        cut.append(low + int(E[i, low : cut[-1] + 2].argmin()))
    return cut[::-1]


# %% [markdown] tags=["mistake"]
# **Without a copy.** `E = e` gives the caller's table a second name. The cut is right, and the next
# function that looks at the costs finds sums.


# %% tags=["mistake"] hint="input-changed"
def cheapest_cut(e):
    E = e
    for i in range(1, len(e)):
        for j in range(e.shape[1]):
            E[i, j] += E[i - 1, max(0, j - 1) : j + 2].min()
    cut = [int(E[-1].argmin())]
    for i in range(len(e) - 2, -1, -1):
        low = max(0, cut[-1] - 1)
        cut.append(low + int(E[i, low : cut[-1] + 2].argmin()))
    return cut[::-1]
