# %% [markdown]
# # 10. Evaluating generators
#
# > **The question.** Two generators draw thousands of images each. Which one is better, by how much, and
# > how sure can one be? What does each of the usual numbers see, and what is it blind to?
#
# | | |
# |---|---|
# | **You need** | Means, covariance matrices and eigenvalues; the classifier of [lesson 04](04_building_a_cnn.ipynb); the DCGAN of [lesson 09](09_dcgan.ipynb), of which only samples and training are used |
# | **You will be able to** | derive the Fréchet distance and compute it without numerical accidents, correct it for the number of images, say what kernel distance, precision, recall and class scores add, find a generator that copies its training images, and report how sure a human test is |
# | **Time** | about two minutes of computing on 2 CPU cores, an hour and a half of reading. A GPU shortens the training and the features; by how much has not been measured yet. |

# %%
import copy
import dataclasses
import itertools
import math
import statistics
import time
import warnings
from collections.abc import Callable

import scipy.integrate
import scipy.linalg
import scipy.stats
import sympy
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Rectangle
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from course_lib import (
    checkpoints,
    data,
    metrics,
    plotting,
    real_or_fake,
    recipes,
    runtime,
    sample_metrics,
    training,
    verify,
    widgets,
)

seed = runtime.seed(0)
device = runtime.device()
random = torch.Generator().manual_seed(seed)
train = data.load_images("fashion-mnist", "train", size=32)
test = data.load_images("fashion-mnist", "test", size=32)


def numbers(*shape: int) -> Tensor:
    """Standard Gaussians in double precision."""
    return torch.randn(*shape, dtype=torch.float64, generator=random)


# %% [markdown]
# ## 10.1 The idea in one picture
#
# A generator draws from a distribution $Q$, the real images come from a distribution $P$, and we have a sample of
# each. No generated image has a right answer to compare it with: only the two *clouds* can be compared. So each image
# is turned into a vector of **features**, and a number says how far one cloud is from the other.
#
# Here are three generators in two dimensions, and the number that is used most, the Fréchet distance of section 10.2.
# **Predict before you run:** which of the three is best?


# %%
def whitened(points: Tensor) -> Tensor:
    """The points moved and stretched until their mean is 0 and their covariance the identity."""
    centred = points - points.mean(dim=0)
    factor = torch.linalg.cholesky(torch.cov(points.T))
    return torch.linalg.solve_triangular(factor, centred.T, upper=False).T


angle = 2 * math.pi * torch.rand(200, dtype=torch.float64, generator=random)
circle = math.sqrt(2) * torch.stack([angle.cos(), angle.sin()], dim=1) + 0.05 * numbers(200, 2)
cloud = whitened(numbers(200, 2))
generators = {
    "too narrow": 0.4 * whitened(numbers(200, 2)),
    "too wide": 1.6 * whitened(numbers(200, 2)),
    "a circle": whitened(circle),
}
toy_distances = {
    name: metrics.frechet_distance(metrics.statistics(cloud), metrics.statistics(points))
    for name, points in generators.items()
}


def draw_clouds(points: Tensor):
    def draw(ax: Axes) -> None:
        for colour, shown in (("blue", cloud), ("vermillion", points)):
            ax.plot(*shown.T, "o", color=plotting.COLOURS[colour], markersize=2.2, alpha=0.7)
        ax.set(xlim=(-4.8, 4.8), ylim=(-4.8, 4.8), aspect="equal")
        ax.set(xlabel="feature 1", ylabel="feature 2")

    return draw


plotting.panels(
    [
        (f"{name}: {abs(toy_distances[name]):.2f}", draw_clouds(points))
        for name, points in generators.items()
    ],
    height=2.7,
    note="Blue: real. Orange: generated. In the titles: the Fréchet distance.",
    alt="Three scatter plots. A narrow orange cloud within the blue one, distance 0.72; a wide one around it, "
    "0.72; an orange ring through the blue cloud, 0.00.",
)

# %% [markdown]
# **Figure 10.1.** One real cloud and three generators. The first draws only the middle of what is real: all it draws
# is plausible, and most of what is real it never draws. The second draws everything, and much that is not real. Both
# have the distance 0.72. The third draws nothing of the middle, and has the distance zero.
#
# **One number orders generators. It does not say what is wrong, and zero does not mean that nothing is.** So this
# lesson derives the number, and then looks for others that see what it does not. Three questions are asked of each:
# what does it compare, how does it depend on the number of images, and how can it be fooled?
#
# ## 10.2 The distance between two Gaussians
#
# ### The least work
#
# How far apart are two clouds? Think of one as earth that has to be moved to where the other is, and let the cost of
# a move be the square of its length. A *plan* says which $x$ goes to which $y$: it is a joint distribution of $x$ and
# $y$ in which $x$ by itself has the distribution $P$, and $y$ by itself $Q$. The cheapest plan defines the squared
# **Wasserstein-2 distance**,
#
# $$ W^2(P, Q) = \min_{\text{plans}} \mathbb{E}\, |x - y|^2. \tag{10.1} $$
#
# If $P$ and $Q$ are two samples of $n$ points each, with equal weights, then one of the cheapest plans is a
# *pairing*: each $x$ goes to one $y$. There are $n!$ of them, and `linear_sum_assignment` finds the best one without
# trying all.
#
# On a line the best pairing is easy to guess. Take two numbers $x < x'$ and suppose that their partners cross: $x$
# goes to $y$ and $x'$ to $y'$, with $y > y'$. Exchanging the partners saves
#
# $$ (x - y)^2 + (x' - y')^2 - (x - y')^2 - (x' - y)^2 = 2\, (x' - x)(y - y'), \tag{10.2} $$
#
# which is positive. So no cheapest plan crosses: the smallest goes to the smallest, the second to the second. For two
# distributions, the number below which a share $u$ of the probability lies, the **quantile** $x(u)$, goes to $y(u)$.
# The quantiles of a Gaussian with mean $\mu$ and standard deviation $\sigma$ are $\mu + \sigma\, t(u)$, with $t(u)$
# those of $N(0, 1)$, which has mean zero and variance one. Hence
#
# $$ W^2 = \int_0^1 \bigl( x(u) - y(u) \bigr)^2 du = (\mu_1 - \mu_2)^2 + (\sigma_1 - \sigma_2)^2. \tag{10.3} $$

# %% tags=["verify"]
first, second = numbers(5, 2), numbers(5, 2) + 1
costs = torch.cdist(first, second).square()
by_trying = min(
    sum(costs[i, j] for i, j in enumerate(order)) / 5 for order in itertools.permutations(range(5))
)
verify.equation("10.1", by_trying, costs[linear_sum_assignment(costs.numpy())].mean())

x, x_, y, y_ = sympy.symbols("x x' y y'", real=True)
saved = (x - y) ** 2 + (x_ - y_) ** 2 - (x - y_) ** 2 - (x_ - y) ** 2
verify.equation("10.2", saved, 2 * (x_ - x) * (y - y_))

one, two = scipy.stats.norm(0.5, 2.0), scipy.stats.norm(2.0, 3.0)
quadrature, _ = scipy.integrate.quad(lambda u: (one.ppf(u) - two.ppf(u)) ** 2, 0, 1)
verify.equation("10.3", quadrature, (0.5 - 2.0) ** 2 + (2.0 - 3.0) ** 2, tolerance=1e-6)

# %% [markdown]
# ### Many dimensions
#
# In more dimensions there is no order, and we need another argument. Let $P$ and $Q$ have means $m_1, m_2$ and
# covariances $S_1, S_2$, and let a plan have the covariances $C = \operatorname{Cov}(x, y)$ between the two. Multiply
# out:
#
# $$ \mathbb{E}\, |x - y|^2 = |m_1 - m_2|^2 + \operatorname{tr} S_1 + \operatorname{tr} S_2 - 2 \operatorname{tr} C. \tag{10.4} $$
#
# Only $C$ depends on the plan. How large can its trace be? Let both covariances be positive definite. Then
# there is a symmetric, positive definite matrix $A$ that maps the first to the second, $A S_1 A = S_2$:
#
# $$ A = S_1^{-1/2}\, R\, S_1^{-1/2}, \quad R = \bigl( S_1^{1/2} S_2\, S_1^{1/2} \bigr)^{1/2} \quad\Longrightarrow\quad A S_1 A = S_2, \tag{10.5} $$
#
# where the square root of a symmetric matrix without negative eigenvalues is the one that has the same eigenvectors
# and the roots of the eigenvalues. Now take any plan, move both means to zero, and use that a squared length is not
# negative:
#
# $$ 0 \le \mathbb{E}\, \bigl| A^{1/2} x - A^{-1/2} y \bigr|^2 = \operatorname{tr}(A S_1) + \operatorname{tr}(A^{-1} S_2) - 2 \operatorname{tr} C = 2 \operatorname{tr} R - 2 \operatorname{tr} C. \tag{10.6} $$
#
# (The last step: $A^{-1} S_2 = S_1 A$ by (10.5), and $\operatorname{tr}(A S_1) = \operatorname{tr} R$, because a
# trace allows its factors to be rotated.) So $\operatorname{tr} C \le \operatorname{tr} R$ whatever the plan. The
# plan that sends each $x$ to $y = m_2 + A\,(x - m_1)$ makes the left side zero: it reaches the bound. Of a Gaussian
# it makes a Gaussian with the right mean and covariance, so for two Gaussians it is a plan, and the cheapest one. Put
# into (10.4), this is the **Fréchet distance**
#
# $$ \mathrm{FD} = |m_1 - m_2|^2 + \operatorname{tr} S_1 + \operatorname{tr} S_2 - 2 \operatorname{tr} \bigl( S_1^{1/2} S_2\, S_1^{1/2} \bigr)^{1/2}. \tag{10.7} $$
#
# If a covariance is singular, as with fewer vectors than features, add to $x$ and to $y$ independent Gaussian noise of
# variance $\varepsilon$ in every feature. $C$ stays as it is, both covariances become positive definite, and (10.7) follows
# for $\varepsilon \to 0$.
#
# Note what the bound did *not* use: that $P$ and $Q$ are Gaussian. For any two distributions with these means and
# covariances, FD is a **lower bound** of $W^2$. The circle of Figure 10.1 shows how far below it may lie.
#
# Here is the program. With $B = S_2^{1/2} S_1^{1/2}$ we have $R = (B^{\mathsf T} B)^{1/2}$, so the eigenvalues of $R$
# are the *singular values* of $B$, and their sum is the trace. Section 10.3 shows what this spares us.


# %% tags=["keep"]
def square_root(matrix: Tensor) -> Tensor:
    """The square root of a symmetric matrix (F, F) without negative eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def frechet_distance(first: metrics.Statistics, second: metrics.Statistics) -> float:
    """Equation (10.7), of means (F,) and covariances (F, F)."""
    B = square_root(second.covariance) @ square_root(first.covariance)
    cross = torch.linalg.svdvals(B).sum()
    means = (first.mean - second.mean).square().sum()
    return float(means + first.covariance.trace() + second.covariance.trace() - 2 * cross)


# %% tags=["verify"]
count, size = 50, 4
points = whitened(numbers(count, size)) @ numbers(size, size) + numbers(size)  # a population P
other = numbers(count, size) @ numbers(size, size) + numbers(size)  # any plan: pairs in this order
S_1, S_2 = torch.cov(points.T, correction=0), torch.cov(other.T, correction=0)
m_1, m_2 = points.mean(0), other.mean(0)
C = (points - m_1).T @ (other - m_2) / count
cost = (points - other).square().sum(1).mean()
gap = (m_1 - m_2).square().sum()
verify.equation("10.4", cost, gap + S_1.trace() + S_2.trace() - 2 * C.trace())

root = square_root(S_1)
R = square_root(root @ S_2 @ root)
A = torch.linalg.inv(root) @ R @ torch.linalg.inv(root)
verify.equation("10.5", A @ S_1 @ A, S_2)

half = square_root(A)
length = ((points - m_1) @ half - (other - m_2) @ torch.linalg.inv(half)).square().sum(1).mean()
verify.equation(
    "10.6",
    [length, (A @ S_1).trace() + (torch.linalg.inv(A) @ S_2).trace()],
    [2 * R.trace() - 2 * C.trace(), 2 * R.trace()],
)

moved = m_2 + (points - m_1) @ A  # the cheapest plan, followed point by point
P = metrics.Statistics(m_1, S_1, count)
Q = metrics.Statistics(m_2, S_2, count)
by_library = metrics.frechet_distance(P, Q)
walked = (points - moved).square().sum(1).mean()
verify.equation("10.7", [walked, frechet_distance(P, Q)], [by_library, by_library])

# %% [markdown]
# The library keeps it as `metrics.frechet_distance`, with `metrics.statistics` for mean and covariance.
#
# ### Why not transport the samples themselves?
#
# (10.1) needs no Gaussians. With two samples, why not compute the cheapest pairing? Let us try with two Gaussians
# whose distance is known: $P = N(0, I)$ in $F$ dimensions, and $Q$ shifted by $\sqrt{1/2}$ along the first axis and
# spread by $1 + \sqrt{1/(2F)}$ in each direction. By (10.7) the distance is $\frac12 + \frac12 = 1$ for every $F$. **Predict
# before you run:** 512 points of each. How close does the best pairing come to 1 in two dimensions, and how close in
# sixteen?

# %%
COUNTS, REPEATS = (16, 32, 64, 128, 256, 512), 10


def pairing_cost(x: Tensor, y: Tensor) -> float:
    """Cost of the cheapest pairing of two samples (N, F)."""
    costs = torch.cdist(x, y).square()
    return float(costs[linear_sum_assignment(costs.numpy())].mean())


transport = {}
for size in (2, 16):
    for count in COUNTS:
        for _ in range(REPEATS):
            x = numbers(count, size)
            y = (1 + math.sqrt(0.5 / size)) * numbers(count, size)
            y[:, 0] += math.sqrt(0.5)
            found = transport.setdefault((size, count), {"pairing": [], "Gaussians": []})
            found["pairing"].append(pairing_cost(x, y))
            found["Gaussians"].append(
                frechet_distance(metrics.statistics(x), metrics.statistics(y))
            )


mean_of = {
    key: {name: statistics.mean(v) for name, v in found.items()} for key, found in transport.items()
}
for size in (2, 16):
    said = ", ".join(f"{name} {value:.2f}" for name, value in mean_of[size, COUNTS[-1]].items())
    print(f"{size:2} dimensions, {COUNTS[-1]} points: {said}")


def draw_transport(size: int):
    def draw(ax: Axes) -> None:
        for colour, name in (("vermillion", "pairing"), ("blue", "Gaussians")):
            values = torch.tensor([transport[size, count][name] for count in COUNTS])
            mean, spread = values.mean(1), values.std(1)
            ax.fill_between(
                COUNTS, mean - spread, mean + spread, color=plotting.COLOURS[colour], alpha=0.2, linewidth=0
            )  # fmt: skip
            ax.plot(COUNTS, mean, "o-", color=plotting.COLOURS[colour], markersize=3)
        ax.axhline(1, color="0.4", linewidth=1, linestyle=(0, (5, 3)))
        ax.set(
            xscale="log", xlabel="points in each sample", ylabel="squared distance", ylim=(0, None)
        )
        ax.set_xticks(COUNTS, COUNTS)
        ax.minorticks_off()

    return draw


plotting.panels(
    [(f"{size} dimensions", draw_transport(size)) for size in (2, 16)],
    note="Orange: cheapest pairing. Blue: fitted Gaussians. Bands: one standard deviation over 10 repeats. "
    "Dashed: the true value, 1.",
    alt="Squared distance against sample size. In 2 dimensions both estimates come down close to the dashed "
    "line at 1. In 16, the fitted Gaussians come near it, and the pairing stays far above.",
)

# %% [markdown]
# **Figure 10.2.** Two estimates of a distance that is 1: the cost of the cheapest pairing, and (10.7) with the means
# and covariances of the same samples. In two dimensions 512 points are enough for both, in sixteen for neither; but the
# pairing says more than fourteen times as much as is true.

# %% tags=["verify"]
verify.claim(
    "10.1",
    "in 16 dimensions, the pairing of 512 points overestimates a distance of 1 by a factor of at least",
    mean_of[16, 512]["pairing"],
    (8.0, None),
)
verify.claim(
    "10.2",
    "from the same points, the fitted Gaussians are off by at most",
    abs(mean_of[16, 512]["Gaussians"] - 1),
    (None, 0.6),
)

# %% [markdown]
# In many dimensions points are far from one another, and even a second sample of the *same* distribution cannot be
# paired cheaply. (With more than four dimensions this bias may fall as slowly as $n^{-2/F}$; Fournier and Guillin,
# 2015.) Fitting Gaussians is a simplification, and needs far fewer points. Even so both curves come from *above*: a
# distance that is computed from samples is biased. Section 10.5 says by how much.

# %% [markdown]
# ## 10.3 Features, an honest name, and a square root
#
# In pixels, a garment moved by two pixels is far from itself. Features are meant to forget that. The **Fréchet
# Inception distance**, FID, of Heusel et al. (2017) is (10.7) on 2048 features of one particular network, Inception
# v3 with its published weights, on images resized to that network's input in one particular way. Numbers from another
# network, other weights or another way of resizing are *other quantities*.
#
# We use the 128 features of the library's classifier, lesson 04's network trained on this data for five passes. They know what tells garments apart,
# which a network trained on photographs need not. The price: our numbers compare with nothing outside this course. So
# they are called **Fréchet distance in the course's features**, not FID. We divide by $\operatorname{tr} \Sigma_r$,
# the total variance of the real features, as in (9.8): the *relative* distance is 1 for a generator that always draws
# the mean feature vector.
#
# Images for the reference are 5,000 *test* images: neither the classifier nor a generator has been trained on them.
# What do real images get that are compared with other real images? This **floor** belongs beside every such number.

# %%
classifier, _ = checkpoints.load_classifier(device)


def features_of(images: Tensor) -> Tensor:
    """Features (N, 128) in double precision of images (N, 1, 32, 32)."""
    return metrics.classifier_features(classifier, images, device).double()


REFERENCE, POOL, MANY = 5000, 5000, 2000
real = features_of(test.batch(range(REFERENCE)))
training_images = train.batch(range(POOL))
kept = features_of(training_images)  # real images that are no test images
reference = metrics.statistics(real)
scale = float(reference.covariance.trace())


def relative(found: Tensor) -> float:
    """Relative Fréchet distance of features (N, 128) to the reference."""
    return frechet_distance(reference, metrics.statistics(found)) / scale


floor = relative(kept)

# %% tags=["verify"]
verify.claim(
    "10.3",
    "the floor, 5,000 training images against 5,000 test images, is at most",
    floor,
    (None, 0.005),
)

# %% [markdown]
# ### What goes wrong: one square root too many
#
# In many programs the last term of (10.7) is $\operatorname{tr}\,(S_1 S_2)^{1/2}$, with a general matrix root,
# `sqrtm`. On paper that is the same, because $S_1 S_2$ has the eigenvalues of $S_1^{1/2} S_2 S_1^{1/2}$. In a
# computer it is not. $S_1 S_2$ is not symmetric, so its computed eigenvalues may be complex. And with fewer images
# than features, many eigenvalues should be zero: rounding makes them $\pm \varepsilon$, and the root of $\varepsilon$
# is much larger than $\varepsilon$, or not a number. Singular values need no root at the end; the
# two roots at the beginning remain.
#
# To measure an error we need a pair of sets whose distance is known. Multiply all features by 1.1. By (10.7), with
# $S_2 = 1.1^2 S_1$, the distance is exactly $0.1^2\, (|m|^2 + \operatorname{tr} S)$. **Predict before you run:**
# three programs, in double and in single precision, with 5,000 images and with 100. Which are right to three digits?


# %%
def by_singular_values(S: Tensor, T: Tensor) -> float:
    """The last term of (10.7), without its factor, as above."""
    return float(torch.linalg.svdvals(square_root(T) @ square_root(S)).sum())


def by_second_root(S: Tensor, T: Tensor) -> float:
    """The same as (10.7) writes it: the root of a symmetric product."""
    root = square_root(S)
    return float(square_root(root @ T @ root).trace())


def by_sqrtm(S: Tensor, T: Tensor) -> float:
    """The same with scipy's root of a general matrix; its warnings are not shown here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(scipy.linalg.sqrtm((S @ T).numpy()).trace().real)


programs = {
    f"{name}, {dtype}".replace("torch.", ""): (trace, dtype)
    for dtype in (torch.float64, torch.float32)
    for name, trace in (
        ("singular values", by_singular_values),
        ("second root", by_second_root),
        ("sqrtm", by_sqrtm),
    )
}
root_errors = {}
for count in (POOL, 100):
    found = metrics.statistics(kept[:count])
    exact = 0.1**2 * float(found.mean.square().sum() + found.covariance.trace())
    for name, (trace, dtype) in programs.items():
        m, S = found.mean.to(dtype), found.covariance.to(dtype)
        terms = (0.1 * m).square().sum() + (1 + 1.1**2) * S.trace()
        root_errors[name, count] = abs((float(terms) - 2 * trace(S, 1.1**2 * S)) / exact - 1)
few = metrics.statistics(kept[:100]).covariance
below_zero = int((torch.linalg.eigvals(few @ (1.1**2 * few)).real < 0).sum())


def draw_errors(ax: Axes) -> None:
    for row, name in enumerate(programs):
        for colour, mark, count in (("blue", "o", POOL), ("vermillion", "s", 100)):
            ax.plot(max(root_errors[name, count], 1e-16), row, mark, color=plotting.COLOURS[colour])
    ax.axvline(1e-3, color="0.4", linewidth=1, linestyle=(0, (5, 3)))
    ax.set_yticks(range(len(programs)), list(programs))
    ax.set(xscale="log", xlabel="relative error of the distance", ylim=(-0.5, len(programs) - 0.5))
    ax.invert_yaxis()


plotting.panels(
    [(None, draw_errors)],
    height=2.6,
    note="Blue circles: 5,000 images. Orange squares: 100. Dashed: three digits.",
    alt="Relative errors of three programs in two precisions on a logarithmic axis, for 5,000 and 100 images.",
)

# %% [markdown]
# **Figure 10.3.** The relative error of six ways to compute one distance. In double precision all are right to three digits. In
# single precision singular values are, for both numbers of images, `sqrtm` only with 5,000, and the second root with neither. For this pair singular values keep
# twelve digits in double precision and four in single. A second root, symmetric or not, costs half of the digits where
# eigenvalues should be zero: in double precision six are left, in single precision the distance is wrong by several per cent.
# The pair flatters singular values: both covariances vanish in the same directions. Where they do not, as with 100 images
# against 5,000, rounding errors $\varepsilon$ under the root in $S_1^{1/2}$ meet directions in which $S_2$ is not zero. Each adds
# about $\sqrt\varepsilon$, and half of the digits are lost here too.

# %% tags=["verify"]
verify.claim(
    "10.4",
    "of 100 images, singular values in double precision miss the distance, relatively, by at most",
    root_errors["singular values, float64", 100],
    (None, 1e-11),
)
verify.claim(
    "10.5",
    "a second root in single precision misses it by at least",
    root_errors["second root, float32", 100],
    (0.02, None),
)
verify.claim(
    "10.6",
    "eigenvalues of the product of two covariances of 100 images that come out below zero",
    below_zero,
    (1, None),
)

# %% [markdown]
# ## 10.4 A generator to evaluate
#
# The next cell trains the DCGAN of lesson 09 with the course's recipe, somewhat narrower and with a discriminator that
# looks at one image at a time (`group=0`), because section 10.9 asks it about single images. At
# three moments it keeps the discriminator and the averaged generator (equation (9.11)), of which all images here are drawn. Everything
# below measures these.

# %% tags=["nbval-ignore-output"]
budget = runtime.budget(  # the same on a GPU: what is claimed below is claimed of this generator
    cpu=runtime.Budget(data="fashion-mnist", steps=600, batch=32, size=32, width=32),
    gpu=runtime.Budget(data="fashion-mnist", steps=600, batch=32, size=32, width=32),
    device=device,
)
recipe = recipes.course_recipe(
    device, steps=budget.steps, batch=budget.batch, width=budget.width, group=0, seed=seed
)
recipe = dataclasses.replace(recipe, dtype=training.faster_dtype(recipe, device))
STOPS = (100, 300, 600)


def trained(recipe: recipes.Recipe) -> dict[int, tuple[nn.Module, nn.Module]]:
    """Averaged generator and discriminator, copied at some of the steps."""
    state, found = training.GanState.create(recipe, device), {}
    for record in widgets.watch(training.train_gan(state, train, every=50), total=recipe.steps):
        if record.step in STOPS:
            found[record.step] = (
                copy.deepcopy(state.average),
                copy.deepcopy(state.discriminator).eval(),
            )
    return found


stages = trained(recipe)

# %% [markdown]
# **Figure 10.4.** The training run: the two losses and the mean logits.


# %%
def sampled(generator: nn.Module, count: int, stretch: float = 1.0) -> Tensor:
    """Images (count, 1, 32, 32) of latent vectors that are multiplied by `stretch`."""
    return metrics.sample_images(
        lambda z: generator(stretch * z), recipe.latent, count, seed=10_000 + seed, device=device
    )


plotting.image_grid(
    torch.cat([sampled(generator, 10) for generator, _ in stages.values()]),
    columns=10,
    row_labels=[f"step {step}" for step in stages],
    alt="Three rows of ten generated garments, one row for each stage; they become clearer from row to row.",
)

# %% [markdown]
# **Figure 10.5.** The same ten latent vectors at the three stages.
#
# **Predict before you run.** The relative distance of 2,000 images of each: does it order the stages as your eye
# does?

# %%
EARLIER, LAST = STOPS[1:]
generated = {
    step: features_of(sampled(stages[step][0], MANY if step < EARLIER else 2400)) for step in STOPS
}
by_stage = {step: relative(found[:MANY]) for step, found in generated.items()}
plotting.curves(
    list(by_stage),
    {"generator": list(by_stage.values())},
    xlabel="training step",
    ylabel="relative Fréchet distance",
    ylim=(0, None),
    levels={"floor": relative(kept[:MANY])},
    height=2.4,
    alt="The relative Fréchet distance falls from stage to stage and stays far above the floor.",
)

# %% [markdown]
# **Figure 10.6.** The distance of 2,000 images at each of the three stages. It orders them as the eye does: it falls from stage to
# stage (claim 10.7). The floor, of 2,000 images too, is so low that it lies nearly on the axis.

# %% tags=["verify"]
order = list(by_stage.values())
verify.claim(
    "10.7",
    "from one stage to the next, the distance is multiplied by",
    max(after / before for before, after in itertools.pairwise(order)),
    (None, 0.9),
)
verify.claim("10.8", "at the last stage, the relative distance lies in", order[-1], (0.19, 0.31))

# %% [markdown]
# ## 10.5 How many images?
#
# A sample has not quite the mean and the covariance of the distribution that it comes from, and every deviation
# counts as distance. So the distance of a *sample* is too large, on average, even if the generator is perfect. By how
# much? Let $\Sigma$ be the true covariance, with eigenvalues $\lambda_i$, and $\Sigma + \Delta$ that of the sample.
# For small $\Delta$, in the basis of the eigenvectors,
#
# $$ \operatorname{tr} \Bigl( \Sigma + (\Sigma + \Delta) - 2 \bigl( \Sigma^{1/2} (\Sigma + \Delta)\, \Sigma^{1/2} \bigr)^{1/2} \Bigr) \approx \frac12 \sum_{i,j} \frac{\Delta_{ij}^2}{\lambda_i + \lambda_j}. \tag{10.8} $$
#
# To see it, write the inner root as $\Sigma + R_1 + R_2$, with $R_1$ of first and $R_2$ of second order in $\Delta$,
# and square it. The first order says $\Sigma R_1 + R_1 \Sigma = \Sigma^{1/2} \Delta\, \Sigma^{1/2}$, so
# $(R_1)_{ij} = \sqrt{\lambda_i \lambda_j}\, \Delta_{ij} / (\lambda_i + \lambda_j)$, with trace
# $\frac12 \operatorname{tr} \Delta$: it cancels against $\operatorname{tr} \Delta$. The second says
# $\Sigma R_2 + R_2 \Sigma = -R_1^2$. Multiply by $\Sigma^{-1}$ and take the trace:
# $2 \operatorname{tr} R_2 = -\operatorname{tr}(\Sigma^{-1} R_1^2) = -\sum_{i,j} \lambda_j \Delta_{ij}^2 / (\lambda_i + \lambda_j)^2$.
# Exchange the names $i$ and $j$, and take the mean of the two forms:
# $\operatorname{tr} R_2 = -\frac14 \sum_{i,j} \Delta_{ij}^2 / (\lambda_i + \lambda_j)$. That is (10.8): there is no
# first order, because zero is the smallest distance there is.
#
# Now the average over samples of $N$ images. The mean of a sample has the covariance $\Sigma / N$, so its squared
# error is $\operatorname{tr} \Sigma / N$. The covariance of a Gaussian sample has
# $\mathbb{E}\, \Delta_{ij}^2 = (\lambda_i \lambda_j + \delta_{ij} \lambda_i^2) / N$, for large $N$, with
# $\delta_{ij} = 1$ if $i = j$ and else 0. Together,
#
# $$ \mathbb{E}\, \mathrm{FD}_N \approx \frac{c}{N}, \qquad c = \operatorname{tr} \Sigma + \frac12 \sum_{i,j} \frac{(1 + \delta_{ij})\, \lambda_i \lambda_j}{\lambda_i + \lambda_j}. \tag{10.9} $$
#
# If all $F$ eigenvalues are equal, $c / \operatorname{tr} \Sigma = 1 + (F + 1)/4$: **the bias grows with the number
# of features and falls with the number of images.** With the 2048 features of FID that would be 513: relative to the
# variance a bias of 0.05 with 10,000 images and of 0.01 with 50,000. The true eigenvalues are far from equal, which
# makes it less; still, FID is usually taken with 50,000 images. (All this supposes that $N$ is well above $F$, or
# $\Delta$ is not small.)
#
# If the generator is not perfect, the bias still falls like $1/N$, with another constant:
#
# $$ \mathrm{FD}_N \approx \mathrm{FD}_\infty + \frac{c'}{N}. \tag{10.10} $$
#
# So measure with several $N$, draw the distance against $1/N$, and extend the line to $1/N = 0$ (Chong and Forsyth,
# 2020). The reference is a sample too, but the same for all.


# %% tags=["verify"]
def squared_distance(S: Tensor, T: Tensor) -> float:
    """FD of two covariances with equal means."""
    nothing = torch.zeros(len(S), dtype=torch.float64)
    return frechet_distance(metrics.Statistics(nothing, S, 2), metrics.Statistics(nothing, T, 2))


eigenvalues = torch.tensor([3.0, 1.0, 0.5, 0.2], dtype=torch.float64)
noise = numbers(4, 4)
small = 1e-4 * (noise + noise.T)
sums = eigenvalues[:, None] + eigenvalues
verify.equation(
    "10.8",
    squared_distance(eigenvalues.diag(), eigenvalues.diag() + small),
    float((small.square() / sums).sum() / 2),
    tolerance=0.005,  # the third order is left out
)


def bias_constant(eigenvalues: Tensor) -> float:
    """The c of equation (10.9)."""
    products = eigenvalues[:, None] * eigenvalues * (1 + torch.eye(len(eigenvalues)))
    return float(eigenvalues.sum() + (products / (eigenvalues[:, None] + eigenvalues)).sum() / 2)


truth = metrics.Statistics(torch.zeros(4).double(), eigenvalues.diag(), 2)
count, repeats = 200, 2000
found = [
    frechet_distance(truth, metrics.statistics(numbers(count, 4) * eigenvalues.sqrt()))
    for _ in range(repeats)
]
# Monte-Carlo: the standard error of the mean of 2,000 distances is below 2 %.
verify.equation("10.9", statistics.mean(found), bias_constant(eigenvalues) / count, tolerance=0.06)

wider = metrics.Statistics(0.3 * torch.ones(4).double(), 1.5 * eigenvalues.diag(), 2)
exact = frechet_distance(wider, truth)
means = {}
for count in (50, 100, 200):
    found = [
        frechet_distance(wider, metrics.statistics(numbers(count, 4) * eigenvalues.sqrt()))
        for _ in range(2000)
    ]
    means[count] = statistics.mean(found)
limit, slope = sample_metrics.extrapolate(list(means), list(means.values()))
verify.equation("10.10", limit, exact, tolerance=0.05)  # standard error about 1 %

# %% [markdown]
# Now with images: real ones, and those of the last two stages. For each $N$, ten random subsets are drawn. **Predict
# before you run:** are the lines parallel? And does the last stage, with 20 images, look better than the earlier one
# with 2,400?

# %%
SIZES = (100, 200, 400, 800, 1600)
pools = {
    "training images": kept,
    f"step {EARLIER}": generated[EARLIER],
    f"step {LAST}": generated[LAST],
}


def on_subsets(
    measure: Callable[[Tensor], float], found: Tensor, sizes, repeats: int = 10
) -> Tensor:
    """A measure of random subsets of features (N, F): (sizes, repeats)."""
    return torch.tensor(
        [
            [
                measure(found[torch.randperm(len(found), generator=random)[:n]])
                for _ in range(repeats)
            ]
            for n in sizes
        ]
    )


measured = {name: on_subsets(relative, found, SIZES) for name, found in pools.items()}
limits = {
    name: sample_metrics.extrapolate(SIZES, values.mean(1)) for name, values in measured.items()
}


def draw_bias(ax: Axes) -> None:
    for colour, (name, values) in zip(plotting.COLOURS.values(), measured.items(), strict=False):
        ax.plot(
            [1 / n for n in SIZES for _ in range(10)],
            values.flatten(),
            "o",
            color=colour,
            markersize=2,
            alpha=0.5,
        )
        limit, slope = limits[name]
        ax.plot([0, 1 / SIZES[0]], [limit, limit + slope / SIZES[0]], color=colour, label=name)
    ax.set_xticks([0, *(1 / n for n in SIZES[:4])], ["1/∞", *(f"1/{n}" for n in SIZES[:4])])
    ax.set(
        xlabel="1 / number of images",
        ylabel="relative Fréchet distance",
        xlim=(0, 0.0102),
        ylim=(0, None),
    )


plotting.panels(
    [(None, draw_bias)],
    note="Points: one subset each. Lines: least squares.",
    alt="Distance against one over the number of images: three rising lines. The real images start near zero.",
)

# %% [markdown]
# **Figure 10.7.** The distance of random subsets against one over their size. The lines meet the axis at their
# limits. Each set has a constant of its own: the line of the real images is the steepest, those of the two stages are all but
# parallel. The points at 100 images lie below the 128 features, where (10.9) is not derived, and they decide the slopes. Claim 10.9
# says how well it does all the same.

# %% tags=["verify"]
lam = torch.linalg.eigvalsh(reference.covariance)
predicted_slope = bias_constant(lam.clamp(min=0)) / scale
few_images = on_subsets(relative, generated[LAST], [20], repeats=50)
verify.claim(
    "10.9",
    "slope for real images, divided by that of (10.9) for Gaussian features with their covariance",
    limits["training images"][1] / predicted_slope,
    (0.8, 1.55),
)
verify.claim(
    "10.10",
    "share of sets of 20 images of the last stage that look worse than 2,400 of the earlier one",
    float((few_images > relative(generated[EARLIER])).double().mean()),
    (0.9, None),
)
verify.claim(
    "10.11",
    "share of pairs of subsets of 400 images, one of each stage, in which the last stage wins",
    float((measured[f"step {LAST}"][2][:, None] < measured[f"step {EARLIER}"][2]).double().mean()),
    (0.9, None),
)
verify.claim(
    "10.12",
    "the limit of the earlier stage exceeds that of the last by",
    limits[f"step {EARLIER}"][0] - limits[f"step {LAST}"][0],
    (0.02, None),
)

# %% [markdown]
# ### What goes wrong: unequal numbers
#
# Look at claim 10.10 again. Somebody measures the generator of step 600 with 20 images, somebody else that of step
# 300 with 2,400. Each number is computed without a mistake, and the comparison names the wrong winner every time, or
# nearly. The bias of a small set is larger than the progress of 300 steps. It is not a matter of luck that more
# repeats would mend: the *mean* over many sets of 20 is just as wrong.
#
# The repair is to compare at equal numbers (claim 10.11), or to compare the limits (claim 10.12). If all
# eigenvalues were equal, 20 images for 128 features would be about as few as 320 for the 2048 of FID. With unequal ones the
# spectrum decides, and not the number of features alone.

# %% [markdown]
# ## 10.6 A distance without this bias: the kernel distance
#
# Another way to compare two clouds needs no Gaussians and no covariances. A **kernel** $k(x, y)$ says how alike two
# vectors are; it is an inner product $\phi(x) \cdot \phi(y)$ of some longer vectors. The squared **maximum mean
# discrepancy** is the squared distance of the means of those,
#
# $$ \mathrm{MMD}^2 = \bigl| \mathbb{E}\, \phi(x) - \mathbb{E}\, \phi(y) \bigr|^2 = \mathbb{E}\, k(x, x') + \mathbb{E}\, k(y, y') - 2\, \mathbb{E}\, k(x, y), \tag{10.11} $$
#
# with $x, x'$ two *independent* draws from $P$, and $y, y'$ from $Q$. Nobody has to write $\phi$ down. Bińkowski et
# al. (2018) take a cube,
#
# $$ k(x, y) = \bigl( x \cdot y / F + 1 \bigr)^3, \tag{10.12} $$
#
# whose $\phi$ holds all products of up to three features, with weights: so the distance compares means, covariances
# and third moments. With the features of Inception v3 they call it kernel Inception distance, KID.
#
# Given samples $x_1, \dots, x_n$ and $y_1, \dots, y_m$, replace each expectation by a mean over pairs. But over which
# pairs? $x_i$ and $x_j$ are independent draws only if $i \neq j$. So leave the diagonal out:
#
# $$ \widehat{\mathrm{MMD}}{}^2 = \frac{1}{n (n-1)} \sum_{i \neq j} k(x_i, x_j) + \frac{1}{m (m-1)} \sum_{i \neq j} k(y_i, y_j) - \frac{2}{n m} \sum_{i, j} k(x_i, y_j). \tag{10.13} $$
#
# Each term of each sum has the expectation wanted, so each mean has, and so has the whole: it is **unbiased**, for
# every $n$ and $m$. With the diagonal in, and $n^2$ below, $n$ of the $n^2$ terms are $k(x, x)$, and the mean is too
# large by
#
# $$ \frac{1}{n} \bigl( \mathbb{E}\, k(x, x) - \mathbb{E}\, k(x, x') \bigr) + \frac{1}{m} \bigl( \mathbb{E}\, k(y, y) - \mathbb{E}\, k(y, y') \bigr). \tag{10.14} $$


# %% tags=["keep"]
def polynomial_kernel(x: Tensor, y: Tensor) -> Tensor:
    """Equation (10.12) for all pairs of rows: (N, F), (M, F) -> (N, M)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def kernel_distance(first: Tensor, second: Tensor) -> float:
    """Equation (10.13), of features (N, F) and (M, F)."""
    n, m = len(first), len(second)
    own_first, own_second = polynomial_kernel(first, first), polynomial_kernel(second, second)
    within = (own_first.sum() - own_first.diagonal().sum()) / (n * (n - 1))
    within += (own_second.sum() - own_second.diagonal().sum()) / (m * (m - 1))
    return float(within - 2 * polynomial_kernel(first, second).mean())


# %% [markdown]
# "Unbiased" is a statement about all samples. For a small population all of them can be listed. Let $P$ draw one of
# three vectors, with equal probability, and $Q$ one of three others; there are $27 \times 27$ pairs of samples of
# size three. The mean of (10.13) over all of them must be (10.11) to the last digit.

# %% tags=["verify"]
P_all = torch.tensor([[-1.0, 0.5], [0.5, 2.0], [2.0, 0.0]], dtype=torch.float64)
Q_all = torch.tensor([[0.0, 1.0], [1.0, -1.0], [3.0, 0.5]], dtype=torch.float64)


def cubes(x: Tensor) -> Tensor:
    """A phi for (10.12) with two features: all products of up to three, with weights."""
    a, b = x.T / math.sqrt(2)
    r = math.sqrt(3)
    products = (1 + 0 * a, r * a, r * b, r * a * a, r * b * b, r * math.sqrt(2) * a * b)
    return torch.stack([*products, a**3, b**3, r * a * a * b, r * a * b * b], dim=1)


verify.equation("10.12", polynomial_kernel(P_all, Q_all), cubes(P_all) @ cubes(Q_all).T)
exact = (
    polynomial_kernel(P_all, P_all).mean()
    + polynomial_kernel(Q_all, Q_all).mean()
    - 2 * polynomial_kernel(P_all, Q_all).mean()
)
verify.equation("10.11", exact, (cubes(P_all).mean(0) - cubes(Q_all).mean(0)).square().sum())

unbiased, biased = [], []
samples = [list(chosen) for chosen in itertools.product(range(3), repeat=3)]
for i, j in itertools.product(samples, samples):
    x, y = P_all[i], Q_all[j]
    unbiased.append(kernel_distance(x, y))
    biased.append(
        polynomial_kernel(x, x).mean()
        + polynomial_kernel(y, y).mean()
        - 2 * polynomial_kernel(x, y).mean()
    )
verify.equation("10.13", statistics.mean(unbiased), exact)
excess = sum(
    (polynomial_kernel(one, one).diagonal().mean() - polynomial_kernel(one, one).mean()) / 3
    for one in (P_all, Q_all)
)
verify.equation("10.14", torch.stack(biased).mean() - exact, excess)

# %% [markdown]
# The library keeps it as `sample_metrics.kernel_distance`, in blocks, so that large sets fit into memory.
#
# **Predict before you run.** The same subsets as in Figure 10.7, now with (10.13). What happens to the slopes? And
# may a squared distance be negative?

# %%
against = real[:1000]
kernel_values = {
    name: on_subsets(lambda x: sample_metrics.kernel_distance(against, x), found, SIZES)
    for name, found in pools.items()
}


def draw_kernel(ax: Axes) -> None:
    for colour, (name, values) in zip(
        plotting.COLOURS.values(), kernel_values.items(), strict=False
    ):
        mean, spread = values.mean(1), values.std(1)
        ax.fill_between(SIZES, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)
        ax.plot(SIZES, mean, "o-", color=colour, markersize=3, label=name)
    ax.axhline(0, color="0.4", linewidth=1)
    ax.set(xscale="log", xlabel="images", ylabel="kernel distance")
    ax.set_xticks(SIZES, SIZES)
    ax.minorticks_off()


plotting.panels(
    [(None, draw_kernel)],
    note="Bands: one standard deviation over 10 subsets.",
    alt="Kernel distance against the number of images: three level lines, whose bands narrow to the right.",
)

# %% [markdown]
# **Figure 10.8.** The kernel distance of subsets of the same sets, against 1,000 test images. The lines are level: no
# bias. The values of real images lie on both sides of zero: of the fifty, 21 to 26 below it, under five seeds.

# %% tags=["verify"]
level = kernel_values[f"step {LAST}"].mean(1)
verify.claim(
    "10.13",
    "kernel distance of the last stage with 100 images, relative to that with 1,600, lies in",
    level[0] / level[-1],
    (0.88, 1.13),
)
verify.claim(
    "10.14",
    "negative values among 50 kernel distances of real images",
    int((kernel_values["training images"] < 0).sum()),
    (1, None),
)

# %% [markdown]
# Unbiased is not exact: with 100 images the values scatter widely. But a mean over many small subsets is right, and
# an error bar can be read off them. And three moments of the features are compared, no more: it is still one number.
#
# ## 10.7 Two numbers: precision and recall
#
# Too narrow and too wide are opposite faults. Kynkäänniemi et al. (2019) measure them apart. **Precision** asks how
# much of what is generated looks real, **recall** how much of what is real can be generated. Both need a region where
# a set of vectors "is". Draw a ball about each vector $v_i$ of a set $V$, as wide as the distance $r_i$ to its $k$-th
# nearest neighbour in $V$; the union of the balls is the region. With $X$ the real and $Y$ the generated vectors,
#
# $$ \text{precision} = \frac{1}{|Y|} \sum_{y \in Y} \mathbb{1} \bigl[ \exists\, i: |y - x_i| \le r_i(X) \bigr], \tag{10.15} $$
#
# $$ \text{recall} = \frac{1}{|X|} \sum_{x \in X} \mathbb{1} \bigl[ \exists\, i: |x - y_i| \le r_i(Y) \bigr]. \tag{10.16} $$
#
# Where vectors are dense the balls are small, where they are rare they are large. Here are the balls for fifteen
# vectors each, in two dimensions.

# %%
few_real, few_generated = numbers(15, 2), 0.5 * numbers(15, 2)


def draw_region(centres: Tensor, colour: str, points: Tensor, other: str):
    reach = sample_metrics.radii(centres, 2)

    def draw(ax: Axes) -> None:
        for centre, r in zip(centres.tolist(), reach.tolist(), strict=True):
            ax.add_patch(Circle(centre, r, color=plotting.COLOURS[colour], alpha=0.12, linewidth=0))
        ax.plot(*centres.T, ".", color=plotting.COLOURS[colour], markersize=3)
        ax.plot(*points.T, "o", color=plotting.COLOURS[other], markersize=4)
        ax.set(
            xlim=(-4.6, 5.2),
            ylim=(-4.6, 5.2),
            aspect="equal",
            xlabel="feature 1",
            ylabel="feature 2",
        )

    return draw


toy_shares = sample_metrics.precision_recall(few_real, few_generated, 2)
plotting.panels(
    [
        (
            f"precision {toy_shares.precision:.2f}",
            draw_region(few_real, "blue", few_generated, "vermillion"),
        ),
        (
            f"recall {toy_shares.recall:.2f}",
            draw_region(few_generated, "vermillion", few_real, "blue"),
        ),
    ],
    columns=2,
    height=3.2,
    note="Blue: real. Orange: generated. k = 2.",
    alt="Left: a wide blue region of discs with orange points, all of them inside. Right: a small orange region, "
    "with blue points, many of them outside.",
)

# %% [markdown]
# **Figure 10.9.** Left: the region of the real vectors, and the generated ones to be judged. Right: the other way
# round. A generator that is too narrow has high precision and low recall.


# %% tags=["keep"]
def radii(features: Tensor, k: int) -> Tensor:
    """Distance of each vector to its k-th nearest other one: (N, F) -> (N,)."""
    # The nearest of all is the vector itself, at distance zero.
    return torch.cdist(features, features).kthvalue(k + 1, dim=1).values


def precision_recall(real: Tensor, generated: Tensor, k: int = 3) -> tuple[float, float]:
    """Equations (10.15) and (10.16), of features (N, F) and (M, F)."""
    apart = torch.cdist(generated, real)  # (M, N)
    reached = apart.T  # (N, M)
    precision = (apart <= radii(real, k)).any(dim=1).double().mean()
    recall = (reached <= radii(generated, k)).any(dim=1).double().mean()
    return float(precision), float(recall)


# %% tags=["verify"]
# On a line, by hand. Real: 0, 1, 3, with k = 1 the radii 1, 1, 2: the region is [-1, 5]. Generated: 2, 4.5, 6
# and 9, with the radii 2.5, 1.5, 1.5 and 3: the region is [-0.5, 12].
on_line = [torch.tensor(values).double()[:, None] for values in ([0.0, 1, 3], [2.0, 4.5, 6, 9])]
precision, recall = precision_recall(*on_line, k=1)
verify.equation("10.15", precision, 2 / 4)
verify.equation("10.16", recall, 3 / 3)

# %% [markdown]
# The library keeps it as `sample_metrics.precision_recall`. Now two generators with known faults, made from the last
# stage. One gets latent vectors of half the length, nearer to the middle of what it was trained on; this is a form of
# *truncation*. To the images of the other, noise is added. **Predict before you run**, for each of the two: which of
# the two numbers falls?


# %%
def noisy(images: Tensor, strength: float) -> Tensor:
    """Images (N, 1, 32, 32) with Gaussian noise of this standard deviation, cut to [-1, 1]."""
    noise = torch.randn(images.shape, generator=random)
    return (images + strength * noise).clamp(-1, 1)


finished = stages[LAST][0]
narrowed = features_of(sampled(finished, MANY, stretch=0.5))
with_noise = features_of(noisy(sampled(finished, MANY), 0.3))
shares = {
    name: sample_metrics.precision_recall(real[:MANY], found)
    for name, found in (
        ("training images", kept[:MANY]),
        ("generator", generated[LAST][:MANY]),
        ("half the length", narrowed),
        ("with noise", with_noise),
    )
}


def draw_shares(ax: Axes) -> None:
    for colour, (name, (precision, recall)) in zip(
        plotting.COLOURS.values(), shares.items(), strict=False
    ):
        ax.plot(recall, precision, "o", color=colour)
        above = -12 if name == "generator" else 6  # points
        ax.annotate(
            name, (recall, precision), xytext=(4, above), textcoords="offset points", fontsize=8.5
        )
    ax.set(xlim=(-0.02, 1.05), ylim=(0.6, 1), xlabel="recall", ylabel="precision")


plotting.panels(
    [(None, draw_shares)],
    height=3.2,
    alt="Precision against recall. Training images at the upper right; the generator far to the left of them; with "
    "half the length it moves further left, with noise to the left edge and upwards.",
)

# %% [markdown]
# **Figure 10.10.** Precision and recall with $k = 3$, 2,000 vectors on each side. Truncation costs recall, as it
# should. Noise costs nearly all of it. But it *raises* precision.

# %% tags=["verify"]
plain = shares["generator"]
noisy_classes = classifier.head(with_noise.float().to(device)).argmax(dim=1).cpu()
verify.claim(
    "10.15",
    "latent vectors of half the length change recall, relatively, by",
    shares["half the length"].recall / plain.recall - 1,
    (None, -0.1),
)
verify.claim(
    "10.16",
    "noise changes recall, relatively, by",
    shares["with noise"].recall / plain.recall - 1,
    (None, -0.8),
)
verify.claim(
    "10.17",
    "noise adds to precision",
    shares["with noise"].precision - plain.precision,
    (0.03, None),
)
verify.claim(
    "10.18",
    "share of the noisy images that the classifier takes for one and the same class",
    torch.bincount(noisy_classes).max() / MANY,
    (0.5, None),
)
verify.claim(
    "10.19",
    "real images against real images do not reach 1: their smaller share is",
    min(shares["training images"]),
    (None, 0.95),
)

# %% [markdown]
# ### What goes wrong: precise noise
#
# How can noise look more real? Precision asks whether a vector of features lies where real ones lie. The classifier
# has never been shown noise. It takes most of the noisy images for one class, whatever garment lies beneath: their
# features crowd in one place, and that place lies in the real region. **A metric sees what its features see.** Recall
# fell nearly to zero, and so the pair of numbers still gives the fault away. Whoever reports one of the two hides a
# fault.

# %% [markdown]
# ## 10.8 The Inception score, and how to fool it
#
# The oldest of these scores looks at no real image. Let a classifier give each generated image $x$ the probabilities
# $p(c \mid x)$ of $K$ classes, and let $p(c)$ be their mean over the images. A good image should be recognised with
# certainty, and all classes should occur. The score of Salimans et al. (2016) is
#
# $$ \mathrm{IS} = \exp \Bigl( \mathbb{E}_x \sum_{c} p(c \mid x) \log \frac{p(c \mid x)}{p(c)} \Bigr) = \exp \bigl( H[p(c)] - \mathbb{E}_x\, H[p(c \mid x)] \bigr), \tag{10.17} $$
#
# with $H[p] = -\sum_c p_c \log p_c$, the entropy. The exponent is not negative, since it is a mean of
# Kullback-Leibler divergences, and the first entropy is at most $\log K$: the score lies between 1 and $K$. With
# Inception v3 and its 1,000 classes it is called **Inception score**. With our classifier it is a *class score*.


# %% tags=["keep"]
def inception_score(probabilities: Tensor) -> float:
    """Equation (10.17), of probabilities (N, K)."""
    p = probabilities.double()
    mean = p.mean(dim=0)  # (K,)
    # xlogy(p, p) is p log p, and 0 where p is 0.
    own = torch.special.xlogy(p, p).sum(dim=1).mean()
    return float((own - torch.special.xlogy(mean, mean).sum()).exp())


# %% tags=["verify"]
p = torch.softmax(2 * numbers(40, 10), dim=1)
divergences = (p * (p / p.mean(dim=0)).log()).sum(dim=1)
verify.equation("10.17", inception_score(p), divergences.mean().exp())

# %% [markdown]
# What would a generator do that wants this score and nothing else? Two ideas. **One image for each class**: the ten
# test images of which the classifier is surest, two hundred copies of each. **Noise that the classifier likes**:
# start from grey noise and change its pixels until the classifier is certain, for each class one image. **Predict
# before you run:** what do they score, and what do 2,000 real images?


# %%
@torch.no_grad()
def probabilities_of(found: Tensor) -> Tensor:
    """The classifier's probabilities (N, 10), from its features (N, 128)."""
    return classifier.head(found.float().to(device)).softmax(dim=1).cpu()


real_images = test.batch(range(MANY))
surest = probabilities_of(real[:MANY]).argmax(dim=0)  # (10,)

raw = (0.5 * torch.randn(10, 1, 32, 32, generator=random)).to(device).requires_grad_()
adam = torch.optim.Adam([raw], 0.05)
for _ in range(100):
    loss = torch.nn.functional.cross_entropy(
        classifier(raw.tanh()), torch.arange(10, device=device)
    )
    adam.zero_grad()
    loss.backward()
    adam.step()
liked = raw.detach().tanh().cpu()
plotting.image_grid(
    torch.cat([real_images[surest], liked]),
    columns=10,
    row_labels=["surest", "noise"],
    alt="Above ten garments, one of each class. Below ten squares of grey noise.",
)

# %% [markdown]
# **Figure 10.11.** Above: for each class, the test image that the classifier is surest of. Below: noise that it takes
# for the same classes.

# %%
fooled = {
    "real images": real[:MANY],
    f"generator, step {LAST}": generated[LAST][:MANY],
    "ten images, copied": real[surest].repeat(200, 1),
    "noise, copied": features_of(liked).repeat(200, 1),
}
class_scores = {name: inception_score(probabilities_of(found)) for name, found in fooled.items()}
fooled_distances = {name: relative(found) for name, found in fooled.items()}


def draw_bars(values: dict[str, float], xlabel: str):
    def draw(ax: Axes) -> None:
        for row, value in enumerate(values.values()):
            ax.barh(row, value, color=plotting.COLOURS["sky"])
            ax.text(value, row, f" {value:.2f}", va="center", fontsize=8)
        ax.set_yticks(range(len(values)), list(values))
        ax.set(xlabel=xlabel, xlim=(0, 1.2 * max(values.values())))
        ax.invert_yaxis()

    return draw


plotting.panels(
    [
        (None, draw_bars(class_scores, "class score (10 at most)")),
        (None, draw_bars(fooled_distances, "relative Fréchet distance")),
    ],
    columns=2,
    height=2.2,
    alt="Two bar charts. Both tricks score more than real images on the left, and are far away on the right.",
)

# %% [markdown]
# **Figure 10.12.** Left: the class score. Right: the relative Fréchet distance of the same sets.

# %% tags=["verify"]
verify.claim(
    "10.20",
    "ten images, copied, outscore real images by",
    class_scores["ten images, copied"] - class_scores["real images"],
    (0.1, None),
)
verify.claim(
    "10.21",
    "noise outscores real images by",
    class_scores["noise, copied"] - class_scores["real images"],
    (0.1, None),
)
verify.claim(
    "10.22",
    "the relative Fréchet distance of the noise is at least",
    fooled_distances["noise, copied"],
    (0.25, None),
)

# %% [markdown]
# Both beat reality. The score asks whether the *classifier* is sure and whether its classes come equally often; it knows
# nothing of variety within a class. A network's verdict is worth something only for images like those it was trained on, and what is *optimised*
# against a score is no longer measured by it. Look at the right side of the figure, too: there the noise is far from
# real images, but in the classifier's features it need not be farther away than ten real images.
#
# ## 10.9 Why the discriminator's accuracy says nothing
#
# > **Correction.** One of the articles that this course grew from evaluates a GAN by the accuracy of its
# > discriminator. At the optimum of the game that accuracy is 50 %. A discriminator that has learned nothing has
# > 50 % too, whatever the generator draws. And two runs have two discriminators, so their accuracies are measured with
# > different rulers.
#
# Show the discriminator real and generated images equally often. The best rule calls an image real where
# $p(x) > q(x)$. It is right with probability
#
# $$ \frac12 \int \max\bigl( p(x), q(x) \bigr)\, dx = \frac12 + \frac14 \int \bigl| p(x) - q(x) \bigr|\, dx, \tag{10.18} $$
#
# because $\max(p, q) = (p + q)/2 + |p - q|/2$, and densities integrate to one. If the generator is perfect, $p = q$
# and the accuracy is one half. So *falling* to 50 % would be good news, if the discriminator were the best there is.
# It is not: it is a network that has been trained for some time.
#
# The discriminators of this lesson were trained on pairs, by (9.9): only differences of their logits mean something,
# and "above zero" means nothing. So count pairs. A real image and a generated one are shown, and the one with the
# higher logit is called real; a tie counts one half. Of the best discriminator this **pair accuracy** is one half, too, if and only if
# $p = q$. (The images are the averaged generator's. The discriminator's opponent was the generator itself.)
#
# **Predict before you run.** The three discriminators of our run judge all three generators. By its own
# discriminator, on the diagonal: does the generator get better and better?

# %% tags=["verify"]
by_hand = scipy.stats.norm(0, 1), scipy.stats.norm(1.5, 1)
agreement, _ = scipy.integrate.quad(lambda t: max(d.pdf(t) for d in by_hand) / 2, -10, 12)
difference, _ = scipy.integrate.quad(
    lambda t: abs(by_hand[0].pdf(t) - by_hand[1].pdf(t)) / 4, -10, 12
)
# The best rule here: real below the middle, 0.75. It is right with probability Phi(0.75).
rule = float(scipy.stats.norm.cdf(0.75))
verify.equation("10.18", [agreement, rule], [0.5 + difference, 0.5 + difference], tolerance=1e-6)


# %%
PAIRS = 500


@torch.no_grad()
def logits_of(discriminator: nn.Module, images: Tensor) -> Tensor:
    """Logits (N,) of images (N, 1, 32, 32)."""
    return torch.cat([discriminator(part.to(device)).float().cpu() for part in images.split(500)])


def pair_accuracy(discriminator: nn.Module, images: Tensor) -> float:
    """Share of all pairs of a test image and one of these that the discriminator gets right."""
    real_logits = logits_of(discriminator, real_images[:PAIRS])
    fake_logits = logits_of(discriminator, images)
    ties = (real_logits[:, None] == fake_logits).double().mean()
    return float((real_logits[:, None] > fake_logits).double().mean() + ties / 2)


drawn = {step: sampled(generator, PAIRS) for step, (generator, _) in stages.items()}
accuracy_table = torch.tensor(
    [[pair_accuracy(critic, images) for images in drawn.values()] for _, critic in stages.values()]
)


def draw_table(ax: Axes) -> None:
    ax.imshow(accuracy_table.numpy(), cmap="PuOr_r", vmin=0, vmax=1, alpha=0.6)
    for row, column in itertools.product(range(len(STOPS)), repeat=2):
        ax.text(column, row, f"{accuracy_table[row, column]:.2f}", ha="center", va="center")
    ax.set_xticks(range(len(STOPS)), STOPS)
    ax.set_yticks(range(len(STOPS)), STOPS)
    ax.set(xlabel="generator of step", ylabel="discriminator of step", aspect="auto")
    ax.grid(False)


plotting.panels(
    [(None, draw_table)],
    height=2.2,
    alt="A table of pair accuracies, three discriminators by three generators. The entries of a row fall from left "
    "to right; those of the diagonal do not fall steadily.",
)

# %% [markdown]
# **Figure 10.13.** Pair accuracies. In each row, which has *one* discriminator, they fall here as the generator gets better.
# On the diagonal they fall and then rise again: from step 300 to step 600 the generator improves, and its judge improves more.

# %% tags=["verify"]
verify.claim(
    "10.23",
    "from step 300 to step 600 the pair accuracy by the run's own discriminators changes by",
    accuracy_table[2, 2] - accuracy_table[1, 1],
    (0.0, None),
)
verify.claim(
    "10.24",
    "the last discriminator alone finds the last generator better than the one before, by",
    accuracy_table[2, 1] - accuracy_table[2, 2],
    (0.0, None),
)

# %% [markdown]
# Now a second run, which differs from the first one in one thing: its discriminator has 8 channels where the other
# has 32. We stop it after 300 steps. **Predict before you run:** which of the two, at step 300, has the pair accuracy
# nearer to one half, and which draws better?

# %%
weak = training.GanState.create(dataclasses.replace(recipe, discriminator_width=8), device)
for record in training.train_gan(weak, train, every=EARLIER):
    if record.step == EARLIER:
        break
weak_images = sampled(weak.average, MANY)
runs = {
    "32 channels": (float(accuracy_table[1, 1]), by_stage[EARLIER]),
    "8 channels": (
        pair_accuracy(weak.discriminator.eval(), weak_images[:PAIRS]),
        relative(features_of(weak_images)),
    ),
}
shown = {name: [run[k] for run in runs.values()] for k, name in enumerate(("accuracy", "distance"))}
plotting.panels(
    [
        (
            None,
            draw_bars(
                dict(zip(runs, shown["accuracy"], strict=True)), "pair accuracy (perfect: 0.5)"
            ),
        ),
        (
            None,
            draw_bars(dict(zip(runs, shown["distance"], strict=True)), "relative Fréchet distance"),
        ),
    ],
    columns=2,
    height=1.6,
    alt="Two bar charts of the two runs. The narrow discriminator has the lower pair accuracy, and its generator "
    "the larger distance.",
)

# %% [markdown]
# **Figure 10.14.** Two runs at step 300 that differ in the width of the discriminator. By accuracy the second one
# wins. By distance it is far behind.

# %% tags=["verify"]
verify.claim(
    "10.25",
    "the narrow discriminator's pair accuracy is lower by",
    runs["32 channels"][0] - runs["8 channels"][0],
    (0.05, None),
)
verify.claim(
    "10.26",
    "and the distance of the generator that it trained is larger by the factor",
    runs["8 channels"][1] / runs["32 channels"][1],
    (1.25, None),
)

# %% [markdown]
# The narrow discriminator finds less to object to, and teaches less. To compare generators by a discriminator, one
# would have to train *one* anew, on both and for equally long. That is what a fixed classifier's features spare us.
#
# ## 10.10 Has it learned, or does it copy?
#
# There is a generator that all numbers so far call as good as real images: one that draws its training images. In Figure 10.10 and
# in the floor of section 10.3 the training images themselves played it. To catch it, look for the **nearest training
# image** of each generated one. But how near is too near? Images of white T-shirts are alike. A distance says
# something only beside a **baseline**: the distances of *test* images, which nobody has copied, to their nearest
# training images.
#
# Let $d_{(1)} < \dots < d_{(M)}$ be the sorted distances of $M$ test images, and $d$ that of a generated one. If the
# generator draws new images from the true distribution, $d$ is one more draw of the same kind, and each of the
# $M + 1$ ranks that it can have is equally likely:
#
# $$ \mathbb{P} \bigl[ d < d_{(k)} \bigr] = \frac{k}{M + 1}. \tag{10.19} $$
#
# We take $M = 199$ test images and $k = 10$. Of a generator that does not copy, one image in twenty lies nearer to
# the training set than $d_{(10)}$. **Predict before you run** what share it is for three: the generator of step 600;
# one that draws training images; and one that draws training images moved by one pixel to the right.

# %% tags=["verify"]
M, k = 5, 2
ranks = [order.index(M) for order in itertools.permutations(range(M + 1))]  # place of the new one
verify.equation("10.19", sum(rank < k for rank in ranks) / len(ranks), k / (M + 1))

# %%
TESTED, NEARER = 199, 10
everything = train.batch(range(len(train)))  # (60000, 1, 32, 32)
copies = everything[torch.randperm(POOL, generator=random)[:TESTED]]
suspects = {
    "test images": test.batch(range(TESTED)),  # the baseline
    f"generator, step {LAST}": sampled(finished, TESTED),
    "copies": copies,
    "copies, moved": copies.roll(1, dims=3),  # by one pixel to the right
}


def shares_below(distances: dict[str, Tensor]) -> dict[str, float]:
    """Share of distances below the 10th of 199 of the test images: 0.05 for new images."""
    threshold = distances["test images"].sort().values[NEARER - 1]
    return {name: float((d < threshold).double().mean()) for name, d in distances.items()}


in_pixels, nearest_index = {}, {}
for name, images in suspects.items():
    in_pixels[name], nearest_index[name] = sample_metrics.nearest(images, everything)
pixel_shares = shares_below(in_pixels)
name = f"generator, step {LAST}"
plotting.image_grid(
    torch.cat([suspects[name][:12], everything[nearest_index[name][:12]]]),
    columns=12,
    row_labels=["generated", "nearest"],
    alt="Twelve generated garments, and below each the nearest of 60,000 training images: alike, and not equal.",
)

# %% [markdown]
# **Figure 10.15.** Above: generated. Below: the nearest of all training images, in pixels.
#
# ### What goes wrong: the wrong distance
#
# The exact copies have the distance zero. The moved ones do not: along the edges of a garment, bright pixels stand
# where black ones stood. Two repairs suggest themselves. Compare *features*, which are meant to forget such moves. Or
# let the *distance* forget them: the smallest over all moves by at most one pixel along each side. Whatever the
# distance is, the baseline takes the same. (To save time, both look at the first 5,000 training images,
# from which the copies were taken.) **Predict before you run:** do both repairs work?


# %%
def moved_by(images: Tensor) -> list[Tensor]:
    """The images, moved by -1, 0 and 1 pixels along each side: nine times (N, 1, 32, 32)."""
    return [images.roll(step, dims=(2, 3)) for step in itertools.product((-1, 0, 1), repeat=2)]


in_features, forgiving = {}, {}
for name, images in suspects.items():
    in_features[name], _ = sample_metrics.nearest(features_of(images), kept)
    gaps = [sample_metrics.nearest(one, training_images)[0] for one in moved_by(images)]
    forgiving[name] = torch.stack(gaps).amin(dim=0)
feature_shares, forgiving_shares = shares_below(in_features), shares_below(forgiving)


def draw_distances(distances: dict[str, Tensor]):
    def draw(ax: Axes) -> None:
        height = torch.linspace(0, 1, TESTED)
        for colour, (name, d) in zip(plotting.COLOURS.values(), distances.items(), strict=False):
            ax.plot(d.sort().values, height, color=colour, label=name)
        threshold = float(distances["test images"].sort().values[NEARER - 1])
        ax.axvline(threshold, color="0.4", linewidth=1, linestyle=(0, (5, 3)))
        ax.set(ylabel="share of images", xlim=(-0.1, 1.02 * float(distances["test images"].max())))

    return draw


plotting.panels(
    [
        ("distance in pixels, to 60,000 images", draw_distances(in_pixels)),
        ("distance in features, to 5,000 images", draw_distances(in_features)),
        ("distance in pixels, moves forgiven, to 5,000 images", draw_distances(forgiving)),
    ],
    columns=1,
    height=1.8,
    note="Dashed: the distance of the tenth of 199 test images.",
    alt="Three charts of the share of images that lie within a distance of the training images. Copies lie at zero in "
    "all; moved copies lie at zero only in the last.",
)

# %% [markdown]
# **Figure 10.16.** The share of images whose nearest training image is nearer than a given distance. The dashed line is
# $d_{(10)}$: a curve that has risen above 0.05 before it betrays a copier. The last two look among fewer images, so their distances are
# larger than among all. In pixels the exact copies are caught, all of them, the moved ones are not, and of the generator's
# images hardly any lies before the line.

# %% tags=["verify"]
verify.claim("10.27", "share of copies below the threshold", pixel_shares["copies"], (1.0, None))
verify.claim(
    "10.28", "share of moved copies, in pixels", pixel_shares["copies, moved"], (None, 0.15)
)
verify.claim(
    "10.29", "share of moved copies, in features", feature_shares["copies, moved"], (None, 0.1)
)
verify.claim(
    "10.30",
    "share of moved copies where moves of a pixel are forgiven",
    forgiving_shares["copies, moved"],
    (1.0, None),
)
verify.claim(
    "10.31",
    "share of the generator's images, where moves of a pixel are forgiven",
    forgiving_shares[f"generator, step {LAST}"],
    (None, 0.05),
)

# %% [markdown]
# The features do not help: the classifier was trained to tell garments apart, and to it a moved copy is as new as a
# test image. The distance that forgives the move finds all of them. It was not built for mirrored copies, or for
# copies of another brightness. **A test for copies finds the kinds of copy that it was built for**, and a pass says
# no more than that. Our generator passes: Figure 10.16 shows its images farther from the training set than test
# images are.
#
# ## 10.11 Speed
#
# How many images a second? A fair answer needs care. The *first* calls pay for memory and for the choice of
# algorithms: leave them out. A GPU works on while Python goes on: **wait for it** before looking at the clock. One
# measurement is an accident: repeat, and give the median and the spread. And say the batch size, the number format
# and the device. What a person waits for is batch 1; what a data set is made with is a large batch, and the two
# differ.


# %% tags=["nbval-ignore-output"]
def seconds_of(work: Callable[[], object], warm_up: int = 3, repeats: int = 15) -> list[float]:
    """Seconds of each of `repeats` calls, after some that are not counted."""
    seconds = []
    for number in range(warm_up + repeats):
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)  # until now the GPU may still be at work
        if number >= warm_up:
            seconds.append(time.perf_counter() - start)
    return seconds


print(f"{runtime.environment(device)['device_name']}, {torch.get_num_threads()} threads, float32")
for batch in (1, 16, 256):
    z = torch.randn(batch, recipe.latent, generator=random).to(device)
    with torch.no_grad():
        seconds = seconds_of(lambda z=z: finished(z))
    low, middle, high = statistics.quantiles(seconds, n=4)
    print(
        f"batch {batch:3d}: median {1000 * middle:7.2f} ms a call (middle half {1000 * low:.2f} to "
        f"{1000 * high:.2f}), {batch / middle:7.0f} images/s"
    )

# %% [markdown]
# These numbers belong to the machine that this page was executed on. No claim is made about yours.
#
# ## 10.12 Ask a person
#
# In the end images are for people. Show a person one image at a time, real or generated by the toss of a coin, and
# ask which it is. Whoever sees no difference is right half of the time. After $n$ answers, $k$ of them right: what is
# the probability $p$ of a right answer?
#
# The **Wald interval** of the textbooks takes $\hat p = k/n$ and adds and subtracts $z = 1.96$ standard errors
# $\sqrt{\hat p\, (1 - \hat p) / n}$. With 12 right answers of 12 that is $[1, 1]$: after a dozen answers, certainty.
# The mistake lies in taking the standard error from the result. Better ask which $p$ are compatible with the result:
# those from which $\hat p$ is at most $z$ of *their* standard errors away (Wilson, 1927). The ends satisfy
#
# $$ (\hat p - p)^2 = z^2\, \frac{p\,(1 - p)}{n}, \tag{10.20} $$
#
# a quadratic equation in $p$, with the solutions
#
# $$ p_\pm = \frac{ \hat p + \dfrac{z^2}{2n} \pm z \sqrt{ \dfrac{\hat p (1 - \hat p)}{n} + \dfrac{z^2}{4 n^2} } }{ 1 + \dfrac{z^2}{n} }. \tag{10.21} $$


# %% tags=["keep"]
def wilson_interval(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """Equation (10.21): the probabilities that are compatible with `successes` of `trials`."""
    share, extra = successes / trials, z**2 / trials
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt((share * (1 - share) + extra / 4) / trials) / (1 + extra)
    return middle - half, middle + half


# %% tags=["verify"]
ends = torch.tensor(wilson_interval(27, 40), dtype=torch.float64)
verify.equation("10.20", (27 / 40 - ends).square(), 1.959964**2 * ends * (1 - ends) / 40)
p, s, n, z = sympy.symbols("p s n z", positive=True)
solutions = sympy.solve((s - p) ** 2 - z**2 * p * (1 - p) / n, p)
root = z * sympy.sqrt(s * (1 - s) / n + z**2 / (4 * n**2))
formula = [(s + z**2 / (2 * n) + sign * root) / (1 + z**2 / n) for sign in (-1, 1)]
verify.equation(
    "10.21",
    [sum(solutions), sympy.expand(solutions[0] * solutions[1])],
    [sum(formula), sympy.expand(formula[0] * formula[1])],
)

# %% [markdown]
# An interval that says 95 % should hold the true $p$ in 95 % of all tests. For a given $p$ the share can be computed
# exactly, by adding up the binomial probabilities of those $k$ whose interval holds $p$. **Predict before you run:**
# how often does the Wald interval of 40 answers hold $p = 0.98$?


# %%
def wald_interval(successes: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    """The interval of the textbooks."""
    share = successes / trials
    half = z * math.sqrt(share * (1 - share) / trials)
    return share - half, share + half


chances = torch.linspace(0.5, 0.995, 397, dtype=torch.float64)
answers = 40
coverage = {}
for name, interval in (("Wald", wald_interval), ("Wilson", wilson_interval)):
    bounds = torch.tensor([interval(k, answers) for k in range(answers + 1)], dtype=torch.float64)
    holds = (bounds[:, :1] <= chances) & (chances <= bounds[:, 1:])  # (41, 397)
    weights = scipy.stats.binom.pmf(torch.arange(answers + 1)[:, None], answers, chances)
    coverage[name] = (torch.from_numpy(weights) * holds).sum(dim=0)
plotting.curves(
    chances,
    coverage,
    xlabel="true probability of a right answer",
    ylabel="coverage",
    levels={"95 %": 0.95},
    height=2.6,
    alt="Coverage against the true probability. The Wilson interval stays near 95 per cent; the Wald interval falls "
    "far below it as the probability approaches one.",
)

# %% [markdown]
# **Figure 10.17.** Coverage: the share of tests of 40 answers whose interval holds the truth. The teeth are real:
# only 41 results are possible. At $p = 0.98$ all 40 answers are right with probability $0.98^{40} = 0.45$; the Wald
# interval is then $[1, 1]$, and does not hold 0.98. Its coverage there is 55 %, where 95 % were promised.

# %% tags=["verify"]
verify.claim(
    "10.32",
    "the least coverage of the Wald interval in the figure is at most",
    coverage["Wald"].min(),
    (None, 0.5),
)
verify.claim(
    "10.33", "that of the Wilson interval is at least", coverage["Wilson"].min(), (0.85, None)
)

# %% [markdown]
# Here is a test of forty questions, with test images and images of the generator. In JupyterLab and on Colab you get
# two buttons; on paper, a numbered picture. Try it before you go on.

# %%
quiz = real_or_fake.real_or_fake(
    real_images[:400],
    sampled(finished, 400),
    questions=40,
    seed=seed,
    alt="Forty numbered garments, some real, some generated.",
)
quiz

# %% [markdown]
# **Figure 10.18.** Which are real?
#
# Nobody answered while this page was made. So that there is something to see, two *simulated* people answer: one is
# right with probability 0.5, the other with probability 0.7.

# %%
for name, chance in (("guessing", 0.5), ("seeing something", 0.7)):
    simulated = dataclasses.replace(quiz, answers=[])
    for truth in quiz.real:
        right = bool(torch.rand((), generator=random) < chance)
        simulated.answer(truth if right else not truth)
    print(f"{name}: {simulated.result()}")
print(quiz.key)

# %% [markdown]
# Near one half, the half-width of the interval is about $z / (2 \sqrt n)$: 15 percentage points for 40 answers, and
# for 5 points one needs some 400. And note what "not told apart" means: *this* person, with *so many* answers, at
# *this* size. It is no proof of equality. The library keeps the interval and the test as `real_or_fake`.

# %% [markdown]
# ## 10.13 Which number notices what?
#
# Now all of them at once. Each row is a set of 2,000 images, and all are compared with the same test images. The
# first five are made from 3,000 further test images: **real images** as they are, and four sets with one known fault each:
#
# - **noise**: Gaussian, with standard deviation 0.15, where from black to white it is 2;
# - **blur**: Gaussian, with a standard deviation of one pixel;
# - **classes missing**: no T-shirts, no trousers, no pullovers;
# - **100 images**: each of them 20 times.
#
# The others are **training images**, exactly as they are, which is what a copying generator draws; our generator; and
# our generator truncated. The last column is the share (10.19) in features, 0.05 for new images. A cell is orange if
# its number is worse than that of real images by more than seven standard deviations of that number over random
# subsets of real images. (These are six subsets of 2,000 out of 3,000. They overlap, so the deviation comes out too small, for a
# mean by the factor $\sqrt{1/3} = 0.58$: seven are about four.)
#
# **Predict before you run:** which row is orange in the last column alone?


# %%
def blurred(images: Tensor, deviation: float) -> Tensor:
    """Gaussian blur of images (N, 1, 32, 32), with black beyond the border."""
    offsets = torch.arange(-4, 5, dtype=images.dtype)
    kernel = torch.exp(-(offsets**2) / (2 * deviation**2))
    kernel = kernel / kernel.sum()
    padded = torch.nn.functional.pad(images, (4, 4, 4, 4), value=-1.0)
    rows = torch.nn.functional.conv2d(padded, kernel.view(1, 1, 1, -1))
    return torch.nn.functional.conv2d(rows, kernel.view(1, 1, -1, 1))


too_near = in_features["test images"].sort().values[NEARER - 1]


def row_of(found: Tensor) -> Tensor:
    """All numbers of a set of features (2000, 128): (6,)."""
    numbers_found = [
        relative(found),
        sample_metrics.kernel_distance(real[:MANY], found),
        *sample_metrics.precision_recall(real[:MANY], found),
        inception_score(probabilities_of(found)),
        float((sample_metrics.nearest(found, kept)[0] < too_near).double().mean()),
    ]
    return torch.tensor(numbers_found, dtype=torch.float64)


NAMES = (
    "relative Fréchet",
    "kernel distance",
    "precision",
    "recall",
    "class score",
    "near training",
)
BETTER = torch.tensor([-1, -1, 1, 1, 1, -1])  # the sign of an improvement
CLEARLY = 7  # standard deviations
unseen = range(REFERENCE, REFERENCE + 3000)
fresh = features_of(test.batch(unseen))
fresh_images, fresh_labels = test.batch(unseen[:MANY]), test.labels[REFERENCE : REFERENCE + 3000]
rows = {
    "real images": fresh[:MANY],
    "noise": features_of(noisy(fresh_images, 0.15)),
    "blur": features_of(blurred(fresh_images, 1.0)),
    "classes missing": fresh[fresh_labels > 2][:MANY],
    "100 images": fresh[:100].repeat(20, 1),
    "training images": kept[:MANY],
    f"generator, step {LAST}": generated[LAST][:MANY],
    "half the length": narrowed,
}
table = {name: row_of(found) for name, found in rows.items()}
subsets = torch.Generator().manual_seed(4)
spread = torch.stack(
    [row_of(fresh[torch.randperm(3000, generator=subsets)[:MANY]]) for _ in range(6)]
).std(dim=0)


def draw_verdicts(ax: Axes) -> None:
    for row, values in enumerate(table.values()):
        surprise = BETTER * (values - table["real images"]) / spread
        for column, value in enumerate(values.tolist()):
            colour = plotting.COLOURS["orange"] if surprise[column] < -CLEARLY else "white"
            ax.add_patch(
                Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="0.7", alpha=0.7)
            )
            ax.text(
                column + 0.5,
                row + 0.5,
                f"{round(value, 3) + 0:.3f}",
                ha="center",
                va="center",
                fontsize=8.5,
            )
    ax.set_xticks(
        [column + 0.5 for column in range(len(NAMES))], [name.replace(" ", "\n") for name in NAMES]
    )
    ax.set_yticks([row + 0.5 for row in range(len(table))], list(table))
    ax.set(xlim=(0, len(NAMES)), ylim=(len(table), 0))
    ax.tick_params(length=0)
    ax.xaxis.tick_top()
    ax.grid(False)


plotting.panels(
    [(None, draw_verdicts)],
    height=3.6,
    note="Orange: worse than real images by more than seven standard deviations.",
    alt="A table of eight sets of images and six numbers. Every fault has orange cells in some columns and not in "
    "others; training images are white everywhere but in the last column.",
)

# %% [markdown]
# **Figure 10.19.** Eight sets, six numbers.

# %% tags=["verify"]
found = {name: dict(zip(NAMES, values.tolist(), strict=True)) for name, values in table.items()}
truth = found["real images"]
verify.claim(
    "10.34",
    "relative Fréchet distance of the 100 images, divided by that of the missing classes",
    found["100 images"]["relative Fréchet"] / found["classes missing"]["relative Fréchet"],
    (None, 0.8),
)
verify.claim(
    "10.35", "recall of the 100 images is at most", found["100 images"]["recall"], (None, 0.05)
)
verify.claim(
    "10.36",
    "missing classes change precision by at most",
    abs(found["classes missing"]["precision"] - truth["precision"]),
    (None, 0.05),
)
verify.claim(
    "10.37",
    "they lower recall by at least",
    truth["recall"] - found["classes missing"]["recall"],
    (0.05, None),
)
verify.claim(
    "10.38",
    "noise and blur multiply the relative Fréchet distance by at least",
    min(found[name]["relative Fréchet"] for name in ("noise", "blur")) / truth["relative Fréchet"],
    (10.0, None),
)
verify.claim(
    "10.39",
    "relative Fréchet distance of training images, divided by that of real images not trained on",
    found["training images"]["relative Fréchet"] / truth["relative Fréchet"],
    (None, 2.0),
)
verify.claim(
    "10.40",
    "share of training images that the last column finds",
    found["training images"]["near training"],
    (1.0, None),
)

# %% [markdown]
# Read it by rows.
#
# - **Noise and blur** are seen by every column but the last. (In Figure 10.10 noise raised precision. There it was twice as strong,
#   and lay over generated images. Here it lies over real ones and lowers it: a number that errs in both directions.)
# - **Missing classes** leave precision as it is: what is drawn looks real. Recall says what is wrong.
# - **100 images** leave precision as it is: copies do not change it, and 0.91 in the place of 0.88 is about one standard error of a share of
#   100 images (0.03) away. By the Fréchet distance they are less of a fault than three missing classes:
#   the mean and the covariance of 100 images are nearly right. Recall is zero for a reason of its own. The third
#   neighbour of every vector is a copy of it, so all balls shrink to points.
# - **Training images** are as good as new real images in every column but the last.
#
# And by columns: no number sees all faults, and no fault is seen by all numbers.
#
# ## 10.14 How to report
#
# | mistake | what happens | instead |
# |---|---|---|
# | calling a Fréchet distance in other features "FID" | numbers are compared that measure different things | name the network, and say how images were resized |
# | few images | the distance holds a bias of about $c/N$ (10.9), for good generators most of it, and the order may turn round | at least several thousand, the same number for all, or extrapolate (10.10) |
# | numbers of images not stated | nobody can compare | state both, and the floor |
# | the reference is the training set | a copying generator is the best | test images, and the nearest training image |
# | the features were trained on generated images, or the generator was trained on the features | the score is optimised and no longer measured | features that neither has seen |
# | one number | opposite faults look alike | a distance, precision and recall, and look at the images |
# | one training run | luck looks like progress | several seeds, with the spread |
# | the best of many checkpoints, chosen by the same number | the choice is part of the result | choose on one set, report on another |
# | the loss, or the discriminator's accuracy | each is measured with a ruler of its own | anything above |
# | samples in training mode, or a truncated latent space, not stated | other images than those that are delivered | measure what is delivered |
#
# ## Summary
#
# - The Fréchet distance is the least work between two Gaussians with the features' means and covariances:
#   $|m_1 - m_2|^2 + \operatorname{tr} S_1 + \operatorname{tr} S_2 - 2 \operatorname{tr}(S_1^{1/2} S_2 S_1^{1/2})^{1/2}$,
#   and a lower bound for any two distributions. The last trace is a sum of singular values.
# - From $N$ images it is too large by about $c/N$. Compare at equal $N$, or extend a line in $1/N$ to zero. Only in
#   Inception's features is it FID.
# - The kernel distance leaves out the diagonal and has no bias, only scatter. Precision and recall tell too narrow
#   from too wide. Each can be fooled.
# - A class score looks at no real image, and ten images fool it. A discriminator's accuracy says as much about the
#   discriminator as about the generator.
# - A generator that copies passes every test but one: the distance to the nearest training image, beside the baseline
#   of test images, in a distance that forgives small moves.
# - A share of right answers comes with Wilson's interval.
#
# **Exercises.** [Eight exercises](../exercises/10_evaluating_generators.ipynb), with checks that say what an answer
# misunderstood. [Solutions](../solutions/10_evaluating_generators.ipynb).
#
# ## Sources
#
# - M. Heusel et al. *GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium.*
#   NeurIPS 2017. (FID.)
# - D. Dowson, B. Landau. *The Fréchet Distance between Multivariate Normal Distributions.* Journal of Multivariate
#   Analysis, 1982.
# - M. Gelbrich. *On a Formula for the L2 Wasserstein Metric between Measures on Euclidean and Hilbert Spaces.*
#   Mathematische Nachrichten, 1990. (The lower bound.)
# - N. Fournier, A. Guillin. *On the Rate of Convergence in Wasserstein Distance of the Empirical Measure.*
#   Probability Theory and Related Fields, 2015.
# - M. J. Chong, D. Forsyth. *Effectively Unbiased FID and Inception Score and Where to Find Them.* CVPR 2020.
# - G. Parmar, R. Zhang, J.-Y. Zhu. *On Aliased Resizing and Surprising Subtleties in GAN Evaluation.* CVPR 2022.
# - A. Gretton et al. *A Kernel Two-Sample Test.* Journal of Machine Learning Research, 2012. (The unbiased estimate.)
# - M. Bińkowski, D. Sutherland, M. Arbel, A. Gretton. *Demystifying MMD GANs.* ICLR 2018. (KID.)
# - T. Kynkäänniemi, T. Karras, S. Laine, J. Lehtinen, T. Aila. *Improved Precision and Recall Metric for Assessing
#   Generative Models.* NeurIPS 2019. Section 2.
# - T. Salimans et al. *Improved Techniques for Training GANs.* NeurIPS 2016. Section 4 (the Inception score).
# - S. Barratt, R. Sharma. *A Note on the Inception Score.* 2018.
# - C. Meehan, K. Chaudhuri, S. Dasgupta. *A Non-Parametric Test to Detect Data-Copying in Generative Models.*
#   AISTATS 2020.
# - E. B. Wilson. *Probable Inference, the Law of Succession, and Statistical Inference.* Journal of the American
#   Statistical Association, 1927.
# - L. Brown, T. Cai, A. DasGupta. *Interval Estimation for a Binomial Proportion.* Statistical Science, 2001.
#   (Coverage.)
