# %% [markdown]
# # Exercises 07. The GAN game
#
# Eight exercises on [lesson 07](../notebooks/07_the_gan_game.ipynb).
#
# Put your own code where a cell says `raise NotImplementedError(...)`, run the cell, and then the
# cell below it, which begins with `checks.`. It tries your answer on inputs of its own. If
# something is wrong it says what your answer does and why that matters. The folder `solutions/`
# holds the same notebook with answers and with the usual mistakes.
#
# The letters are those of the lesson: p is the density of real samples, q that of generated ones,
# D the probability that a sample is real, and B the number of samples in a batch.

# %%
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks import lesson07 as checks

# %% [markdown]
# ### Exercise 7.1 (one star). The best discriminator
#
# A sample is real with probability `real_share` and generated otherwise. Real samples have the
# density p, generated ones q. Return, for each place, the probability that a sample found there is
# real. No discriminator can do better than to say this number.
#
# - In: `p` and `q`, float64, shape (N,), the densities at N places: at least 0, q above 0;
#   `real_share`, a number between 0 and 1.
# - Out: probabilities, shape (N,).


# %%
def optimal_discriminator(p: Tensor, q: Tensor, real_share: float) -> Tensor:
    """Probability of real at each place: (N,), (N,) -> (N,)."""
    ### BEGIN SOLUTION
    return real_share * p / (real_share * p + (1 - real_share) * q)
    ### END SOLUTION


# %%
checks.optimal_discriminator(optimal_discriminator)

# %% [markdown] tags=["solution"]
# Of many samples, the part `real_share * p` falls there as real ones and `(1 - real_share) * q` as
# generated ones: equation (7.1). The same number is the sigmoid of the logit (7.2), a sum of what
# the place says and what was known before.


# %% tags=["alternative"]
def optimal_discriminator(p, q, real_share):
    known_before = torch.tensor(real_share, dtype=p.dtype).logit()
    return torch.sigmoid(torch.log(p) - torch.log(q) + known_before)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The share ignored.** Right for equally many of both kinds, and for nothing else.


# %% tags=["mistake"] hint="share-ignored"
def optimal_discriminator(p, q, real_share):
    return p / (p + q)


# %% [markdown] tags=["mistake"]
# **A ratio for a probability.** $p/q$ is what the discriminator *knows*; what it *says* is a
# probability.


# %% tags=["mistake"] hint="ratio"
def optimal_discriminator(p, q, real_share):
    return real_share * p / ((1 - real_share) * q)


# %% [markdown] tags=["mistake"]
# **The other kind.** The probability of "generated".


# %% tags=["mistake"] hint="exchanged"
def optimal_discriminator(p, q, real_share):
    return (1 - real_share) * q / (real_share * p + (1 - real_share) * q)


# %% [markdown]
# ### Exercise 7.2 (two stars). The Jensen-Shannon divergence of two distributions
#
# Two distributions give the probabilities of K outcomes. Return their Jensen-Shannon divergence (7.8) in
# nats, with sums in place of the integrals. An outcome may have the probability 0 in one
# distribution or in both.
#
# - In: `p` and `q`, float64, shape (K,), at least 0, each adding up to 1.
# - Out: a tensor of shape (), from 0 to log 2.


# %%
def jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    """Jensen-Shannon divergence in nats: (K,), (K,) -> ()."""
    ### BEGIN SOLUTION
    m = (p + q) / 2
    from_m = torch.special.xlogy(p, p) - torch.special.xlogy(p, m)
    from_m = from_m + torch.special.xlogy(q, q) - torch.special.xlogy(q, m)
    return from_m.sum() / 2
    ### END SOLUTION


# %%
checks.jensen_shannon(jensen_shannon)

# %% [markdown] tags=["solution"]
# `xlogy(x, y)` is x log y, and 0 for x = 0 whatever y is. The divergence is also the entropy of the
# mixture less the mean entropy of its parts: the two logarithms of $m$ join, since $(p + q)/2 = m$.


# %% tags=["alternative"]
def jensen_shannon(p, q):
    def entropy(r):
        return torch.special.entr(r).sum()  # -r log r, and 0 for r = 0

    return entropy((p + q) / 2) - entropy(p) / 2 - entropy(q) / 2


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Zero times minus infinity.** Right on paper, NaN in the computer as soon as a probability is 0.


# %% tags=["mistake"] hint="zero-log-zero"
def jensen_shannon(p, q):
    m = (p + q) / 2
    return (p * torch.log(p / m) + q * torch.log(q / m)).sum() / 2


# %% [markdown] tags=["mistake"]
# **From each other.** That is a symmetric divergence too, named after Jeffreys. But it is infinite
# for distributions that do not overlap, and the game does not minimise it.


# %% tags=["mistake"] hint="each-other"
def jensen_shannon(p, q):
    from_q = torch.special.xlogy(p, p) - torch.special.xlogy(p, q)
    from_p = torch.special.xlogy(q, q) - torch.special.xlogy(q, p)
    return (from_q + from_p).sum() / 2


# %% [markdown] tags=["mistake"]
# **Bits.** With the logarithm to base 2 the largest value is 1. Both units are in use: say which.


# %% tags=["mistake"] hint="bits"
def jensen_shannon(p, q):
    m = (p + q) / 2
    terms = torch.special.xlogy(p, p) - torch.special.xlogy(p, m)
    terms = terms + torch.special.xlogy(q, q) - torch.special.xlogy(q, m)
    return terms.sum() / 2 / torch.log(torch.tensor(2.0).double())


# %% [markdown] tags=["mistake"]
# **A sum for a mean.** Equation (7.9) has *twice* the divergence. The divergence itself has the
# factor 1/2.


# %% tags=["mistake"] hint="sum"
def jensen_shannon(p, q):
    m = (p + q) / 2
    terms = torch.special.xlogy(p, p) - torch.special.xlogy(p, m)
    return (terms + torch.special.xlogy(q, q) - torch.special.xlogy(q, m)).sum()


# %% [markdown]
# ### Exercise 7.3 (one star). The discriminator's loss from scores
#
# Return the loss (7.6) of a discriminator that gave these scores, as the mean over the real samples
# plus the mean over the generated ones. With $D(x) = 0.8$ and $D(G(z)) = 0.2$ it must give 0.446, not
# what the article of section 7.3 says. (A program for training takes logits instead: exercise 9.2.)
#
# - In: `real_scores` and `fake_scores`, float64, shape (B,): D for real and for generated samples,
#   strictly between 0 and 1.
# - Out: a tensor of shape ().


# %%
def discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """Mean of -log D over real samples plus mean of -log(1 - D) over generated ones."""
    ### BEGIN SOLUTION
    return -torch.log(real_scores).mean() - torch.log(1 - fake_scores).mean()
    ### END SOLUTION


# %%
checks.discriminator_loss(discriminator_loss)

# %% [markdown] tags=["solution"]
# For each kind, minus the logarithm of the probability that was given to the right answer. That is
# the binary cross-entropy with the label 1 for real and 0 for generated samples.


# %% tags=["alternative"]
def discriminator_loss(real_scores, fake_scores):
    on_real = F.binary_cross_entropy(real_scores, torch.ones_like(real_scores))
    return on_real + F.binary_cross_entropy(fake_scores, torch.zeros_like(fake_scores))


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The article's formula.** It gives 1.833 for its own example, and it is least when *everything* is
# called real.


# %% tags=["mistake"] hint="article"
def discriminator_loss(real_scores, fake_scores):
    return -(torch.log(real_scores) + torch.log(fake_scores)).mean()


# %% [markdown] tags=["mistake"]
# **The value instead of the loss.** The discriminator maximises $V$; optimisers minimise.


# %% tags=["mistake"] hint="sign"
def discriminator_loss(real_scores, fake_scores):
    return torch.log(real_scores).mean() + torch.log(1 - fake_scores).mean()


# %% [markdown] tags=["mistake"]
# **The logarithm of the mean.** One real picture with the score 0.001 costs nearly 7 nats. In a mean
# of scores it would be lost.


# %% tags=["mistake"] hint="score-of-mean"
def discriminator_loss(real_scores, fake_scores):
    return -torch.log(real_scores.mean()) - torch.log(1 - fake_scores.mean())


# %% [markdown]
# ### Exercise 7.4 (two stars). How hard a generated sample is pushed
#
# Return the derivative of the mean non-saturating loss, the mean of $-\log \sigma(b)$ over a batch, in
# each of its logits $b$. Write it down yourself: no `backward`, no `autograd`. It must be right for
# logits of $\pm 10^4$ too.
#
# - In: `fake_logits`, floating point, shape (B,).
# - Out: the derivatives, shape (B,). Since the loss is a mean, each holds the factor 1/B.


# %%
def generator_slope(fake_logits: Tensor) -> Tensor:
    """Derivative of the mean of -log sigmoid(b) in each b: (B,) -> (B,)."""
    ### BEGIN SOLUTION
    return -torch.sigmoid(-fake_logits) / len(fake_logits)
    ### END SOLUTION


# %%
checks.generator_slope(generator_slope)

# %% [markdown] tags=["solution"]
# By (7.12) the slope is $\sigma(b) - 1 = -\sigma(-b)$. The second form keeps its digits where $D$ is
# near 1: in float32, $\sigma(20) - 1$ is 0, and $-\sigma(-20)$ is $-2 \cdot 10^{-9}$.


# %% tags=["alternative"]
def generator_slope(fake_logits):
    return (torch.sigmoid(fake_logits) - 1) / fake_logits.numel()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The saturating slope.** Same sign, same end, and next to nothing where the generator is bad.


# %% tags=["mistake"] hint="saturating"
def generator_slope(fake_logits):
    return -torch.sigmoid(fake_logits) / len(fake_logits)


# %% [markdown] tags=["mistake"]
# **The formula as it stands on paper.** For $b = -10^4$ it is infinite over infinite.


# %% tags=["mistake"] hint="overflow"
def generator_slope(fake_logits):
    e = torch.exp(-fake_logits)
    return -e / (1 + e) / len(fake_logits)


# %% [markdown] tags=["mistake"]
# **The batch forgotten.** The slope of a sum. Twice the batch would then mean twice the step.


# %% tags=["mistake"] hint="not-averaged"
def generator_slope(fake_logits):
    return torch.sigmoid(fake_logits) - 1


# %% [markdown] tags=["mistake"]
# **The slope in the score.** $-1/D$ is the derivative in $D$. In the logit there is the factor
# $D (1 - D)$ more.


# %% tags=["mistake"] hint="in-the-score"
def generator_slope(fake_logits):
    return -1 / torch.sigmoid(fake_logits) / len(fake_logits)


# %% [markdown]
# ### Exercise 7.5 (two stars). One step of the game
#
# Update each player once.
#
# 1. The discriminator descends the loss (7.6), mean over the real plus mean over the generated numbers.
# 2. Then the generator descends the non-saturating loss for the same `z`, judged by the discriminator
#    as it is *now*.
#
# Gradients of earlier steps may still be there, in both networks. In the discriminator's turn the
# generator must not collect any. Afterwards both networks can be trained on.
#
# - In: `generator` takes (B, 1) to (B, 1), `judge` takes (B, 1) to (B,) logits; an optimiser for each,
#   which holds that network's weights only; `real` and `z`, (B, 1).
# - Out: nothing. The networks change in place.


# %%
def training_step(
    generator: nn.Module,
    judge: nn.Module,
    generator_adam: torch.optim.Optimizer,
    judge_adam: torch.optim.Optimizer,
    real: Tensor,
    z: Tensor,
) -> None:
    """One update of the discriminator, then one of the generator."""
    ### BEGIN SOLUTION
    made = generator(z)  # (B, 1)
    loss = F.softplus(-judge(real)).mean() + F.softplus(judge(made.detach())).mean()
    judge_adam.zero_grad()
    loss.backward()
    judge_adam.step()

    loss = F.softplus(-judge(made)).mean()
    generator_adam.zero_grad()
    loss.backward()
    generator_adam.step()
    ### END SOLUTION


# %%
checks.training_step(training_step)

# %% [markdown] tags=["solution"]
# `detach` cuts the graph, `no_grad` does not even build it. The alternative below asks for each
# network's gradients by name, so that nothing has to be cleared but what is set.


# %% tags=["alternative"]
def training_step(generator, judge, generator_adam, judge_adam, real, z):
    with torch.no_grad():
        made = generator(z)
    loss = -F.logsigmoid(judge(real)).mean() - F.logsigmoid(-judge(made)).mean()
    weights = list(judge.parameters())
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.grad = slope
    judge_adam.step()

    loss = -F.logsigmoid(judge(generator(z))).mean()
    weights = list(generator.parameters())
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.grad = slope
    generator_adam.step()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Missing detach.** The discriminator's loss goes back into the generator, and the graph is used up
# when the generator's turn comes.


# %% tags=["mistake"] hint="not-detached"
def training_step(generator, judge, generator_adam, judge_adam, real, z):
    made = generator(z)
    loss = F.softplus(-judge(real)).mean() + F.softplus(judge(made)).mean()
    judge_adam.zero_grad()
    loss.backward()
    judge_adam.step()

    loss = F.softplus(-judge(made)).mean()
    generator_adam.zero_grad()
    loss.backward()
    generator_adam.step()


# %% [markdown] tags=["mistake"]
# **The wrong label.** The generator is trained to be recognised. Both losses then fall nicely.


# %% tags=["mistake"] hint="helps-discriminator"
def training_step(generator, judge, generator_adam, judge_adam, real, z):
    made = generator(z)
    loss = F.softplus(-judge(real)).mean() + F.softplus(judge(made.detach())).mean()
    judge_adam.zero_grad()
    loss.backward()
    judge_adam.step()

    loss = F.softplus(judge(made)).mean()
    generator_adam.zero_grad()
    loss.backward()
    generator_adam.step()


# %% [markdown] tags=["mistake"]
# **Gradients not cleared.** Each step follows the sum of everything since the start.


# %% tags=["mistake"] hint="not-zeroed"
def training_step(generator, judge, generator_adam, judge_adam, real, z):
    made = generator(z)
    loss = F.softplus(-judge(real)).mean() + F.softplus(judge(made.detach())).mean()
    loss.backward()
    judge_adam.step()

    loss = F.softplus(-judge(made)).mean()
    loss.backward()
    generator_adam.step()


# %% [markdown] tags=["mistake"]
# **Both players moved in the generator's turn.** The discriminator is talked into believing.


# %% tags=["mistake"] hint="both-moved"
def training_step(generator, judge, generator_adam, judge_adam, real, z):
    made = generator(z)
    loss = F.softplus(-judge(real)).mean() + F.softplus(judge(made.detach())).mean()
    judge_adam.zero_grad()
    loss.backward()
    judge_adam.step()

    loss = F.softplus(-judge(made)).mean()
    generator_adam.zero_grad()
    judge_adam.zero_grad()
    loss.backward()
    generator_adam.step()
    judge_adam.step()


# %% [markdown]
# ### Exercise 7.6 (two stars). How many modes?
#
# Generated points are to cover M modes, Gaussians with the same standard deviation. A point is *good* if
# it lies within 3 standard deviations of the nearest centre, by the straight way. A mode is *covered*
# if it has at least a tenth of its fair share of points as good ones; the fair share is N/M.
#
# - In: `points`, float64, shape (N, 2); `centres`, float64, shape (M, 2), far from each other;
#   `spread`, the standard deviation.
# - Out: a pair: how many modes are covered, an integer, and the share of good points, a number from
#   0 to 1.


# %%
def covered_modes(points: Tensor, centres: Tensor, spread: float) -> tuple[int, float]:
    """Covered modes and share of good points: (N, 2), (M, 2) -> (int, float)."""
    ### BEGIN SOLUTION
    distance, mode = torch.cdist(points, centres).min(dim=1)  # (N,), (N,)
    good = distance <= 3 * spread
    counts = torch.bincount(mode[good], minlength=len(centres))  # (M,)
    covered = counts >= 0.1 * len(points) / len(centres)
    return int(covered.sum()), float(good.double().mean())
    ### END SOLUTION


# %%
checks.covered_modes(covered_modes)

# %% [markdown] tags=["solution"]
# The centres are far from each other, so a point is near one of them at most, and one may as well
# look at each mode by itself.


# %% tags=["alternative"]
def covered_modes(points, centres, spread):
    near = ((points[:, None] - centres) ** 2).sum(dim=2) <= (3 * spread) ** 2  # (N, M)
    fair_share = len(points) / len(centres)
    return int((near.sum(dim=0) >= fair_share / 10).sum()), near.any(dim=1).double().mean().item()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Points far from everything.** Each has a nearest centre. A generator that draws points all over
# the plane would get full marks.


# %% tags=["mistake"] hint="far-counted"
def covered_modes(points, centres, spread):
    distance, mode = torch.cdist(points, centres).min(dim=1)
    counts = torch.bincount(mode, minlength=len(centres))
    covered = counts >= 0.1 * len(points) / len(centres)
    return int(covered.sum()), float((distance <= 3 * spread).double().mean())


# %% [markdown] tags=["mistake"]
# **One stray point.** On its way from one mode to another a generator leaves a trail.


# %% tags=["mistake"] hint="stray"
def covered_modes(points, centres, spread):
    distance, mode = torch.cdist(points, centres).min(dim=1)
    good = distance <= 3 * spread
    return len(mode[good].unique()), float(good.double().mean())


# %% [markdown] tags=["mistake"]
# **A box for a circle.** The corners of the box lie 4.2 standard deviations away.


# %% tags=["mistake"] hint="box"
def covered_modes(points, centres, spread):
    near = ((points[:, None] - centres).abs() <= 3 * spread).all(dim=2)  # (N, M)
    covered = near.sum(dim=0) >= 0.1 * len(points) / len(centres)
    return int(covered.sum()), float(near.any(dim=1).double().mean())


# %% [markdown] tags=["mistake"]
# **A distance compared with a square.** The units do not fit. Where 3 standard deviations are less than
# 1 the circle becomes too large, on the ring of section 7.9 (0.1) 5.5 standard deviations; where they
# are more, too small.


# %% tags=["mistake"] hint="squared"
def covered_modes(points, centres, spread):
    distance, mode = ((points[:, None] - centres) ** 2).sum(dim=2).min(dim=1)
    good = distance <= 3 * spread
    counts = torch.bincount(mode[good], minlength=len(centres))
    covered = counts >= 0.1 * len(points) / len(centres)
    return int(covered.sum()), float(good.double().mean())


# %% [markdown]
# ### Exercise 7.7 (two stars). A ratio of densities from a classifier
#
# A discriminator was trained on a mixture, of which the part `real_share` was real, until it said the
# right probabilities. Return the ratio p/q of the two densities at the samples whose logits are
# given. (This is used far beyond GANs, for instance to correct for a test set that was drawn
# differently from the training set.)
#
# - In: `logits`, float64, shape (B,); `real_share`, between 0 and 1.
# - Out: the ratios p/q, shape (B,).


# %%
def density_ratio(logits: Tensor, real_share: float) -> Tensor:
    """The ratio p/q at each sample: (B,) -> (B,)."""
    ### BEGIN SOLUTION
    return torch.exp(logits) * (1 - real_share) / real_share
    ### END SOLUTION


# %%
checks.density_ratio(density_ratio)

# %% [markdown] tags=["solution"]
# By (7.2) the logit is $\log (p/q)$ plus the logarithm of the shares' odds. Subtract that, then take
# the exponential.


# %% tags=["alternative"]
def density_ratio(logits, real_share):
    score = torch.sigmoid(logits)
    real, made = score / real_share, (1 - score) / (1 - real_share)  # p and q, times one factor
    return real / made


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The shares left in.** Right at one half. With nine real samples for each generated one the answer is
# nine times too large.


# %% tags=["mistake"] hint="share-ignored"
def density_ratio(logits, real_share):
    return torch.exp(logits)


# %% [markdown] tags=["mistake"]
# **The score itself.** It is at most 1: as if no place had more real than generated samples.


# %% tags=["mistake"] hint="score"
def density_ratio(logits, real_share):
    return torch.sigmoid(logits)


# %% [markdown] tags=["mistake"]
# **Corrected in the wrong direction.** The error is then squared.


# %% tags=["mistake"] hint="share-twice"
def density_ratio(logits, real_share):
    return torch.exp(logits) * real_share / (1 - real_share)


# %% [markdown]
# ### Exercise 7.8 (one star). The Wasserstein distance of two batches
#
# Two batches of B numbers each. Every number has the mass 1/B. Return the least work, mass times way,
# that turns one batch into the other.
#
# - In: `a` and `b`, float64, shape (B,), in any order.
# - Out: a tensor of shape ().


# %%
def wasserstein(a: Tensor, b: Tensor) -> Tensor:
    """Wasserstein-1 distance of two batches of numbers: (B,), (B,) -> ()."""
    ### BEGIN SOLUTION
    return (a.sort().values - b.sort().values).abs().mean()
    ### END SOLUTION


# %%
checks.wasserstein(wasserstein)

# %% [markdown] tags=["solution"]
# On a line no two ways need to cross: the smallest goes to the smallest, and so on. The other form is
# (7.16). Between two neighbouring numbers of both batches together the distribution functions are
# constant, so the integral is a sum.


# %% tags=["alternative"]
def wasserstein(a, b):
    places = torch.cat([a, b]).sort().values  # (2B,)
    left_of = [(batch[:, None] <= places[:-1]).double().mean(dim=0) for batch in (a, b)]
    return ((left_of[0] - left_of[1]).abs() * places.diff()).sum()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **In the order in which they come.** That is the mean distance of random pairs. It is not zero even
# for two batches of the same distribution.


# %% tags=["mistake"] hint="unsorted"
def wasserstein(a, b):
    return (a - b).abs().mean()


# %% [markdown] tags=["mistake"]
# **The difference of the means.** Ways to the left and to the right cancel. A generator that makes one
# number, the mean, would be perfect.


# %% tags=["mistake"] hint="means"
def wasserstein(a, b):
    return (a.mean() - b.mean()).abs()


# %% [markdown] tags=["mistake"]
# **Squared ways.** Its root is the Wasserstein-2 distance, which lesson 10 needs. It is another number.


# %% tags=["mistake"] hint="squared"
def wasserstein(a, b):
    return (a.sort().values - b.sort().values).square().mean()
