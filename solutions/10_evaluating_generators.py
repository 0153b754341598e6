# %% [markdown]
# # Exercises 10. Evaluating generators
#
# Eight exercises on the numbers of [lesson 10](../notebooks/10_evaluating_generators.ipynb): two
# distances, a score, precision and recall, an interval, a baseline for copies, and a correction for
# the number of images.
#
# Put your own code where a cell says `raise NotImplementedError(...)`, run the cell, and then the
# cell below it, which begins with `checks.`. It tries your function on inputs of its own. If
# something is wrong it says what your function does and why that matters.
# [Lesson 00](00_start_here.ipynb) explains how exercises work. No exercise needs another one. The folder
# `solutions/` holds the same notebook with answers and with the usual mistakes.
#
# N and M count images or vectors, F features, K classes; B, C, H, W are the sizes of a batch of
# images. All tensors are float64. Where one number is asked for, a float and a tensor of shape ()
# are both right.

# %%
import math

import torch
from torch import Tensor

from course_lib.checks import lesson10 as checks

# %% [markdown]
# ### Exercise 10.1 (one star). The least work on a line
#
# Two samples of numbers are of equal size. Each number of the first is to be moved to one of the
# second, so that each is reached once. A move costs the square of its length, and each number carries
# the same weight, 1/N. Return the least cost: the squared Wasserstein-2 distance of the two samples.
# It needs no assumption on their shape, and in one dimension it can be had without a search.
#
# - In: `first` and `second`, shape (N,), in no order, N at least 1.
# - Out: the least cost, one number.


# %%
def wasserstein(first: Tensor, second: Tensor) -> Tensor:
    """Squared Wasserstein-2 distance of two samples: (N,), (N,) -> ()."""
    ### BEGIN SOLUTION
    return (first.sort().values - second.sort().values).square().mean()
    ### END SOLUTION


# %%
checks.wasserstein(wasserstein)

# %% [markdown] tags=["solution"]
# By (10.2), paths that cross can be exchanged for cheaper ones. So the smallest number goes to the
# smallest, and so on: sort both. The second answer leaves the first sample in its order, and gives
# each number the partner of its rank.


# %% tags=["alternative"]
def wasserstein(first, second):
    ranks = first.argsort().argsort()  # how many are smaller
    partners = second.sort().values[ranks]
    return ((first - partners) ** 2).mean().item()


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Paired as they came.** A plan, but an arbitrary one: the same two samples in another order would
# have another distance.


# %% tags=["mistake"] hint="not-sorted"
def wasserstein(first, second):
    return (first - second).square().mean()


# %% [markdown] tags=["mistake"]
# **Absolute distances.** That is the Wasserstein-1 distance. Its best plan on a line is the same.


# %% tags=["mistake"] hint="absolute"
def wasserstein(first, second):
    return (first.sort().values - second.sort().values).abs().mean()


# %% [markdown] tags=["mistake"]
# **To the nearest.** Cheaper than any plan, because it is none: some numbers are reached twice, and
# others never.


# %% tags=["mistake"] hint="nearest"
def wasserstein(first, second):
    return (first[:, None] - second).square().min(dim=1).values.mean()


# %% [markdown] tags=["mistake"]
# **Two Gaussians.** Equation (10.3) is for Gaussians. It is a lower bound for everything else.


# %% tags=["mistake"] hint="two-moments"
def wasserstein(first, second):
    spread = first.std(correction=0) - second.std(correction=0)
    return (first.mean() - second.mean()) ** 2 + spread**2


# %% [markdown]
# ### Exercise 10.2 (two stars). The Fréchet distance
#
# Compute the Fréchet distance of two sets of features, equation (10.7):
#
# $$ |m_1 - m_2|^2 + \operatorname{tr} S_1 + \operatorname{tr} S_2 - 2 \operatorname{tr} \bigl( S_1^{1/2} S_2\, S_1^{1/2} \bigr)^{1/2}, $$
#
# where $m$ and $S$ are the mean and the unbiased covariance of a set, and the square root of a
# symmetric matrix has its eigenvectors and the roots of its eigenvalues. A set may have fewer vectors
# than features: then some eigenvalues are zero, and come out as tiny numbers of either sign.
#
# - In: `first`, shape (N, F), and `second`, shape (M, F), N and M at least 2.
# - Out: the distance, one number, right to five digits.


# %%
def frechet(first: Tensor, second: Tensor) -> Tensor:
    """Fréchet distance of two sets of features: (N, F), (M, F) -> ()."""
    ### BEGIN SOLUTION
    roots = []
    for features in (first, second):
        values, vectors = torch.linalg.eigh(torch.cov(features.T))
        roots.append((vectors * values.clamp(min=0).sqrt()) @ vectors.T)
    cross = torch.linalg.svdvals(roots[1] @ roots[0]).sum()
    means = (first.mean(dim=0) - second.mean(dim=0)).square().sum()
    return means + first.var(dim=0).sum() + second.var(dim=0).sum() - 2 * cross
    ### END SOLUTION


# %%
checks.frechet(frechet)

# %% [markdown] tags=["solution"]
# The trace of a covariance is the sum of the variances. The last trace is the sum of the singular
# values of $S_2^{1/2} S_1^{1/2}$. The second answer does without covariances and their roots: with
# centred vectors as the rows of $X$ and $Y$, the same sum is that of the singular values of
# $X Y^{\mathsf T}$, divided by the root of $(N - 1)(M - 1)$.


# %% tags=["alternative"]
def frechet(first, second):
    X, Y = first - first.mean(dim=0), second - second.mean(dim=0)
    n, m = len(X) - 1, len(Y) - 1
    nuclear = torch.linalg.matrix_norm(X @ Y.T, "nuc") / math.sqrt(n * m)
    variances = X.square().sum() / n + Y.square().sum() / m
    return (first.mean(dim=0) - second.mean(dim=0)).norm() ** 2 + variances - 2 * nuclear


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **No root.** The trace of the product of two covariances is in the fourth power of a feature's unit.


# %% tags=["mistake"] hint="no-root"
def frechet(first, second):
    S_1, S_2 = torch.cov(first.T), torch.cov(second.T)
    means = (first.mean(dim=0) - second.mean(dim=0)).square().sum()
    return means + S_1.trace() + S_2.trace() - 2 * (S_1 @ S_2).trace()


# %% [markdown] tags=["mistake"]
# **The root of each number.** `sqrt` of a matrix in torch or numpy works number by number. For a
# diagonal matrix that is the root of the matrix, so a test with uncorrelated features does not notice.


# %% tags=["mistake"] hint="elementwise"
def frechet(first, second):
    S_1, S_2 = torch.cov(first.T), torch.cov(second.T)
    means = (first.mean(dim=0) - second.mean(dim=0)).square().sum()
    return means + S_1.trace() + S_2.trace() - 2 * (S_1 @ S_2).sqrt().trace()


# %% [markdown] tags=["mistake"]
# **The root of the trace.** The trace is taken first, and the roots of the eigenvalues are never seen.


# %% tags=["mistake"] hint="root-of-trace"
def frechet(first, second):
    S_1, S_2 = torch.cov(first.T), torch.cov(second.T)
    means = (first.mean(dim=0) - second.mean(dim=0)).square().sum()
    return means + S_1.trace() + S_2.trace() - 2 * (S_1 @ S_2).trace().sqrt()


# %% [markdown] tags=["mistake"]
# **Biased covariances.** With ten thousand images nobody sees the difference. With forty it is two
# and a half per cent of the variance.


# %% tags=["mistake"] hint="biased"
def frechet(first, second):
    X, Y = first - first.mean(dim=0), second - second.mean(dim=0)
    nuclear = torch.linalg.matrix_norm(X @ Y.T, "nuc") / math.sqrt(len(X) * len(Y))
    variances = X.square().sum() / len(X) + Y.square().sum() / len(Y)
    return (first.mean(dim=0) - second.mean(dim=0)).norm() ** 2 + variances - 2 * nuclear


# %% [markdown] tags=["mistake"]
# **Variances alone.** Equation (10.3) for each feature, added up. Two sets whose features are
# correlated in opposite ways look equal.


# %% tags=["mistake"] hint="roots-commuting"
def frechet(first, second):
    means = (first.mean(dim=0) - second.mean(dim=0)).square().sum()
    return means + (first.std(dim=0) - second.std(dim=0)).square().sum()


# %% [markdown]
# ### Exercise 10.3 (two stars). The unbiased kernel distance
#
# Estimate the squared maximum mean discrepancy of two distributions from samples, equation (10.13):
# the mean kernel value of two *different* vectors of the first sample, plus the same for the second,
# minus twice the mean between the samples. The kernel is $k(x, y) = (x \cdot y / F + 1)^3$. The
# estimate has no bias, so where the distributions agree its mean is zero: it is often negative.
#
# - In: `first`, shape (N, F), and `second`, shape (M, F), N and M at least 2.
# - Out: the estimate, one number.


# %%
def kernel_distance(first: Tensor, second: Tensor) -> Tensor:
    """Unbiased estimate of the squared MMD: (N, F), (M, F) -> ()."""

    ### BEGIN SOLUTION
    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    total = -2 * kernel(first, second).mean()
    for one in (first, second):
        table = kernel(one, one)  # (N, N)
        total = total + (table.sum() - table.trace()) / (len(one) * (len(one) - 1))
    return total
    ### END SOLUTION


# %%
checks.kernel_distance(kernel_distance)

# %% [markdown] tags=["solution"]
# The diagonal of the table holds the kernel of each vector with itself. It is taken off the sum, and
# N (N - 1) pairs are left. Between the samples all pairs count. The second answer puts both samples
# into one table and gives each pair its weight.


# %% tags=["alternative"]
def kernel_distance(first, second):
    n, m = len(first), len(second)
    both = torch.cat([first, second])
    table = (both @ both.T / both.shape[1] + 1) ** 3
    weights = torch.full_like(table, -1 / (n * m))
    weights[:n, :n] = 1 / (n * (n - 1))
    weights[n:, n:] = 1 / (m * (m - 1))
    return (weights.fill_diagonal_(0) * table).sum()


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The diagonal kept.** Three means of three tables, and a bias that falls like 1/N.


# %% tags=["mistake"] hint="diagonal"
def kernel_distance(first, second):
    def mean(x, y):
        return ((x @ y.T / x.shape[1] + 1) ** 3).mean()

    return mean(first, first) + mean(second, second) - 2 * mean(first, second)


# %% [markdown] tags=["mistake"]
# **Still divided by the square of N.** The diagonal is gone from the sum and not from the count.


# %% tags=["mistake"] hint="divided-by-square"
def kernel_distance(first, second):
    def table(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x):
        return table(x, x).fill_diagonal_(0).mean()

    return within(first) + within(second) - 2 * table(first, second).mean()


# %% [markdown] tags=["mistake"]
# **Negative estimates cut off.** A squared distance is not negative, its estimate may be. Whoever
# cuts, and then averages over many samples, gets a bias back.


# %% tags=["mistake"] hint="clipped"
def kernel_distance(first, second):
    def table(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x):
        return table(x, x).fill_diagonal_(0).sum() / (len(x) * (len(x) - 1))

    estimate = within(first) + within(second) - 2 * table(first, second).mean()
    return estimate.clamp(min=0)


# %% [markdown] tags=["mistake"]
# **The product as it is.** Without the division, a network with twice as many features gets about
# eight times the number, where the cube is large.


# %% tags=["mistake"] hint="not-scaled"
def kernel_distance(first, second):
    def table(x, y):
        return (x @ y.T + 1) ** 3

    def within(x):
        return table(x, x).fill_diagonal_(0).sum() / (len(x) * (len(x) - 1))

    return within(first) + within(second) - 2 * table(first, second).mean()


# %% [markdown]
# ### Exercise 10.4 (one star). A score of probabilities
#
# A classifier has given each of N images its probabilities $p(c \mid x)$ of K classes. Return the score
# of equation (10.17): the exponential of the mean, over the images, of
# $\sum_c p(c \mid x) \log \bigl( p(c \mid x) / p(c) \bigr)$, where $p(c)$ is the mean of
# $p(c \mid x)$ over the images. The logarithm is natural. A probability may be exactly 0; then
# $0 \log 0$ counts as 0, which is its limit.
#
# - In: `probabilities`, shape (N, K), rows that sum to 1. Each class has a positive probability for
#   at least one image.
# - Out: the score, one number from 1 to K.


# %%
def class_score(probabilities: Tensor) -> Tensor:
    """exp of the mean divergence of the rows from their mean: (N, K) -> ()."""
    ### BEGIN SOLUTION
    mean = probabilities.mean(dim=0)  # (K,)
    own = torch.special.xlogy(probabilities, probabilities).sum(dim=1).mean()
    return (own - torch.special.xlogy(mean, mean).sum()).exp()
    ### END SOLUTION


# %%
checks.class_score(class_score)

# %% [markdown] tags=["solution"]
# The mean divergence is the entropy of the mean minus the mean of the entropies. `xlogy(p, p)` is
# $p \log p$ with the right value at zero. `torch.where` can do that too, if the logarithm is taken of
# something positive.


# %% tags=["alternative"]
def class_score(probabilities):
    ratio = probabilities / probabilities.mean(dim=0)
    logarithm = torch.where(probabilities > 0, ratio, 1.0).log()
    return math.exp((probabilities * logarithm).sum() / len(probabilities))


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The wrong axis.** The mean over the classes of one image is always 1/K, so every certain classifier
# gets K, whatever the images.


# %% tags=["mistake"] hint="axis"
def class_score(probabilities):
    mean = probabilities.mean(dim=1, keepdim=True)
    return (probabilities * (probabilities / mean).log()).sum(dim=1).mean().exp()


# %% [markdown] tags=["mistake"]
# **The mean of the logarithms.** The logarithm of a mean and the mean of logarithms differ, and how
# often a class comes is the mean of its probabilities.


# %% tags=["mistake"] hint="mean-of-logarithms"
def class_score(probabilities):
    mean, logarithm = probabilities.mean(dim=0), probabilities.log().mean(dim=0)
    own = (probabilities * probabilities.log()).sum(dim=1).mean()
    return (own - (mean * logarithm).sum()).exp()


# %% [markdown] tags=["mistake"]
# **Zero times minus infinity.** Right for every softmax on paper. In float32 a softmax has exact
# zeros, and one of them makes the score NaN.


# %% tags=["mistake"] hint="zero-probability"
def class_score(probabilities):
    mean = probabilities.mean(dim=0)
    return (probabilities * (probabilities / mean).log()).sum(dim=1).mean().exp()


# %% [markdown] tags=["mistake"]
# **Exponentials averaged.** The exponential is taken once, of the mean.


# %% tags=["mistake"] hint="mean-of-exponentials"
def class_score(probabilities):
    mean = probabilities.mean(dim=0)
    return (probabilities * (probabilities / mean).log()).sum(dim=1).exp().mean()


# %% [markdown]
# ### Exercise 10.5 (three stars). Precision and recall
#
# The region of a set of vectors is the union of balls, one about each of its vectors. Its radius is the
# distance to the k-th nearest *other* vector of the same set. Return
#
# - precision: the share of the generated vectors that lie in the region of the real ones;
# - recall: the share of the real vectors that lie in the region of the generated ones.
#
# All distances are Euclidean, and a vector on the surface of a ball lies in it.
#
# - In: `real`, shape (N, F), `generated`, shape (M, F), and `k`, at least 1 and less than N and M. No
#   two vectors are equal.
# - Out: (precision, recall), two numbers from 0 to 1.


# %%
def precision_recall(real: Tensor, generated: Tensor, k: int) -> tuple[float, float]:
    """(precision, recall) of generated features: (N, F), (M, F), k -> two floats."""

    ### BEGIN SOLUTION
    def share(points: Tensor, centres: Tensor) -> float:
        radii = torch.cdist(centres, centres).kthvalue(k + 1, dim=1).values
        inside = torch.cdist(points, centres) <= radii  # each column has its own radius
        return inside.any(dim=1).double().mean().item()

    return share(generated, real), share(real, generated)
    ### END SOLUTION


# %%
checks.precision_recall(precision_recall)

# %% [markdown] tags=["solution"]
# The smallest number in a row of the table of a set with itself is the zero of the vector with itself,
# so its k-th neighbour stands at place k + 1. The comparison broadcasts along the rows, so that every
# column, a centre, has its radius. The second answer sorts, and asks each centre for its points.


# %% tags=["alternative"]
def precision_recall(real, generated, k):
    results = []
    for points, centres in ((generated, real), (real, generated)):
        covered = torch.zeros(len(points), dtype=torch.bool)
        for i, centre in enumerate(centres):
            others = torch.cat([centres[:i], centres[i + 1 :]])
            radius = (others - centre).norm(dim=1).sort().values[k - 1]
            covered |= (points - centre).norm(dim=1) <= radius
        results.append(covered.sum().item() / len(points))
    return tuple(results)


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Exchanged.** Precision with the generated vectors as centres is recall.


# %% tags=["mistake"] hint="exchanged"
def precision_recall(real, generated, k):
    def share(points, centres):
        radii = torch.cdist(centres, centres).kthvalue(k + 1, dim=1).values
        return (torch.cdist(points, centres) <= radii).any(dim=1).double().mean().item()

    return share(real, generated), share(generated, real)


# %% [markdown] tags=["mistake"]
# **Its own neighbour.** With k = 1 all radii are zero.


# %% tags=["mistake"] hint="self"
def precision_recall(real, generated, k):
    def share(points, centres):
        radii = torch.cdist(centres, centres).kthvalue(k, dim=1).values
        return (torch.cdist(points, centres) <= radii).any(dim=1).double().mean().item()

    return share(generated, real), share(real, generated)


# %% [markdown] tags=["mistake"]
# **The judged vector's radius.** One index too far to the left: rows are points, and the balls belong
# to columns.


# %% tags=["mistake"] hint="own-radius"
def precision_recall(real, generated, k):
    def share(points, centres):
        radii = torch.cdist(points, points).kthvalue(k + 1, dim=1).values
        inside = torch.cdist(points, centres) <= radii[:, None]
        return inside.any(dim=1).double().mean().item()

    return share(generated, real), share(real, generated)


# %% [markdown] tags=["mistake"]
# **Only the nearest ball.** The nearest centre may have a small ball, because it has near neighbours,
# while a large one reaches from further away.


# %% tags=["mistake"] hint="nearest-only"
def precision_recall(real, generated, k):
    def share(points, centres):
        radii = torch.cdist(centres, centres).kthvalue(k + 1, dim=1).values
        distances, nearest = torch.cdist(points, centres).min(dim=1)
        return (distances <= radii[nearest]).double().mean().item()

    return share(generated, real), share(real, generated)


# %% [markdown]
# ### Exercise 10.6 (two stars). How sure is a share?
#
# A person has answered n times whether an image is real, and was right k times. Return the Wilson
# interval: the smallest and the largest probability $p$ for which the observed share $k/n$ is at most
# $z$ standard errors away from $p$,
#
# $$ \Bigl( \frac kn - p \Bigr)^2 \le z^2\, \frac{p\,(1 - p)}{n}. $$
#
# - In: `successes` k, from 0 to n; `trials` n, at least 1; `z`, positive.
# - Out: (low, high), two numbers from 0 to 1.


# %%
def wilson(successes: int, trials: int, z: float) -> tuple[float, float]:
    """The Wilson interval of a probability: (k, n, z) -> (low, high)."""
    ### BEGIN SOLUTION
    share, extra = successes / trials, z**2 / trials
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt((share * (1 - share) + extra / 4) / trials) / (1 + extra)
    return middle - half, middle + half
    ### END SOLUTION


# %%
checks.wilson(wilson)

# %% [markdown] tags=["solution"]
# With equality it is a quadratic equation in $p$: $(1 + e)\, p^2 - (2 s + e)\, p + s^2 = 0$ with
# $s = k/n$ and $e = z^2 / n$. Its two roots are the ends. The second answer leaves the solving to the
# library.


# %% tags=["alternative"]
def wilson(successes, trials, z):
    s, e = successes / trials, z * z / trials
    # The eigenvalues of the companion matrix of a polynomial are its roots.
    sum_, product = (2 * s + e) / (1 + e), s * s / (1 + e)
    companion = torch.tensor([[sum_, -product], [1.0, 0.0]], dtype=torch.float64)
    low, high = sorted(torch.linalg.eigvals(companion).real.tolist())
    return max(low, 0.0), min(high, 1.0)


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The standard error of the observed share.** The Wald interval of the textbooks. After 12 wrong
# answers of 12 it is [0, 0]: certainty.


# %% tags=["mistake"] hint="wald"
def wilson(successes, trials, z):
    share = successes / trials
    half = z * math.sqrt(share * (1 - share) / trials)
    return share - half, share + half


# %% [markdown] tags=["mistake"]
# **Cut to [0, 1].** It looks better, and claims the same certainty.


# %% tags=["mistake"] hint="wald"
def wilson(successes, trials, z):
    share = successes / trials
    half = z * math.sqrt(share * (1 - share) / trials)
    return max(0.0, share - half), min(1.0, share + half)


# %% [markdown] tags=["mistake"]
# **The middle not moved.** The right width about the observed share: at 30 of 30 the interval reaches
# beyond one.


# %% tags=["mistake"] hint="not-moved"
def wilson(successes, trials, z):
    share, extra = successes / trials, z**2 / trials
    half = z * math.sqrt((share * (1 - share) + extra / 4) / trials) / (1 + extra)
    return share - half, share + half


# %% [markdown] tags=["mistake"]
# **z for its square.**


# %% tags=["mistake"] hint="z-not-squared"
def wilson(successes, trials, z):
    share, extra = successes / trials, z / trials
    middle = (share + extra / 2) / (1 + extra)
    half = z * math.sqrt((share * (1 - share) + extra / 4) / trials) / (1 + extra)
    return middle - half, middle + half


# %% [markdown]
# ### Exercise 10.7 (two stars). The nearest other image
#
# Is a generated image a copy of a training image? Its distance to the nearest one says something only
# beside a baseline. One baseline is the training set itself: how far is each image from the nearest
# *other* one? Return those distances. The distance of two images is the root of the sum of squared
# differences over all channels and pixels. Two different images of the set may be equal: their distance
# is zero, and it counts.
#
# - In: `images`, shape (N, C, H, W), N at least 2.
# - Out: distances, shape (N,).


# %%
def nearest_other(images: Tensor) -> Tensor:
    """Distance of each image to the nearest other one: (N, C, H, W) -> (N,)."""
    ### BEGIN SOLUTION
    flat = images.flatten(1)  # (N, C H W)
    distances = torch.cdist(flat, flat, compute_mode="donot_use_mm_for_euclid_dist")
    return distances.fill_diagonal_(torch.inf).min(dim=1).values
    ### END SOLUTION


# %%
checks.nearest_other(nearest_other)

# %% [markdown] tags=["solution"]
# The diagonal has to go by its *place*, not by its value. Infinity is never the minimum. `cdist` gets
# its distances from a matrix product if there are many vectors, which is fast and rounds small ones;
# the argument forbids that. The second answer takes the second smallest of each row: with a copy in the
# set, that is the other zero.


# %% tags=["alternative"]
def nearest_other(images):
    gaps = images[:, None] - images  # (N, N, C, H, W)
    return gaps.square().sum(dim=(2, 3, 4)).sqrt().topk(2, dim=1, largest=False).values[:, 1]


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Itself.** Every image is a copy of itself. As a baseline, zero says that nothing is ever suspicious.


# %% tags=["mistake"] hint="self"
def nearest_other(images):
    flat = images.flatten(1)
    gaps = flat[:, None] - flat
    return gaps.square().sum(dim=2).sqrt().min(dim=1).values


# %% [markdown] tags=["mistake"]
# **All zeros dropped.** The diagonal is gone, and with it every true copy.


# %% tags=["mistake"] hint="zeros-dropped"
def nearest_other(images):
    flat = images.flatten(1)
    distances = (flat[:, None] - flat).square().sum(dim=2).sqrt()
    return torch.where(distances == 0, torch.inf, distances).min(dim=1).values


# %% [markdown] tags=["mistake"]
# **A mean over pixels.** A root mean square is a useful number, but another one.


# %% tags=["mistake"] hint="mean-size"
def nearest_other(images):
    flat = images.flatten(1)
    distances = (flat[:, None] - flat).square().mean(dim=2).sqrt()
    return distances.fill_diagonal_(torch.inf).min(dim=1).values


# %% [markdown] tags=["mistake"]
# **Squared.** Fine for finding the nearest, and not a distance.


# %% tags=["mistake"] hint="squared"
def nearest_other(images):
    flat = images.flatten(1)
    squares = (flat[:, None] - flat).square().sum(dim=2)
    return squares.fill_diagonal_(torch.inf).min(dim=1).values


# %% [markdown]
# ### Exercise 10.8 (two stars). Infinitely many images
#
# A Fréchet distance that is measured with N images is too large by about $c / N$, equation (10.10). From
# measurements with several numbers of images, estimate what infinitely many would give: fit
# $d = d_\infty + c / N$ by least squares, every measurement with the same weight, and return $d_\infty$.
#
# - In: `counts`, the numbers of images, and `distances`, both of shape (n,), in no order; some counts
#   may be equal, at least two differ.
# - Out: the limit $d_\infty$, one number.


# %%
def limit(counts: Tensor, distances: Tensor) -> Tensor:
    """The distance at infinitely many images: (n,), (n,) -> ()."""
    ### BEGIN SOLUTION
    x = 1 / counts
    table = torch.stack([torch.ones_like(x), x], dim=1)  # (n, 2)
    return torch.linalg.lstsq(table, distances[:, None]).solution[0, 0]
    ### END SOLUTION


# %%
checks.limit(limit)

# %% [markdown] tags=["solution"]
# A line in $1/N$ has two unknowns, its value at zero and its slope; the value is asked for. The second
# answer has the textbook's formulas for the two.


# %% tags=["alternative"]
def limit(counts, distances):
    x = counts.reciprocal()
    slope = torch.cov(torch.stack([x, distances]))[0, 1] / x.var()
    return (distances.mean() - slope * x.mean()).item()


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **A line in N.** Its value at N = 0 belongs to no images at all, and for many images it falls below
# zero.


# %% tags=["mistake"] hint="linear"
def limit(counts, distances):
    table = torch.stack([torch.ones_like(counts), counts], dim=1)
    return torch.linalg.lstsq(table, distances[:, None]).solution[0, 0]


# %% [markdown] tags=["mistake"]
# **The standard error's root.** Errors of a mean fall with the root of N. A bias falls with N.


# %% tags=["mistake"] hint="root"
def limit(counts, distances):
    table = torch.stack([torch.ones_like(counts), counts.rsqrt()], dim=1)
    return torch.linalg.lstsq(table, distances[:, None]).solution[0, 0]


# %% [markdown] tags=["mistake"]
# **The largest measurement.** It has the least bias of all, and it still has one.


# %% tags=["mistake"] hint="most-images"
def limit(counts, distances):
    return distances[counts.argmax()]


# %% [markdown] tags=["mistake"]
# **Two points.** The line through two measurements trusts their noise.


# %% tags=["mistake"] hint="two-points"
def limit(counts, distances):
    a, b = counts.argmin(), counts.argmax()
    n, m = counts[a], counts[b]
    return (m * distances[b] - n * distances[a]) / (m - n)
