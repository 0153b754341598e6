# %% [markdown]
# # Exercises 08. GAN losses
#
# Nine exercises on the parts of [lesson 08](../notebooks/08_gan_losses.ipynb): four pairs of losses, two penalties, power
# iteration, the Wasserstein distance on a line, and the smallest GAN.
#
# Put your own code where a cell says `raise NotImplementedError(...)`, run the cell, and then the
# cell below it, which begins with `checks.`. It tries your answer on inputs of its own. If
# something is wrong it says what your answer does and why that matters. The folder `solutions/`
# holds the same notebook with answers and with the usual mistakes.
#
# The letters are those of the lesson: B images a batch, C channels, H rows and W columns of an image. The
# discriminator's number for an image is its logit $T$, high for real.

# %%
import cmath

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import lesson08 as checks

# %% [markdown]
# ### Exercise 8.1 (one star). Least squares
#
# The discriminator's loss is half the mean of $(T(x) - 1)^2$ over the real images plus half the mean of
# $(T(G(z)) + 1)^2$ over the generated ones. The generator's is half the mean of $T(G(z))^2$. With these labels the pair
# measures Pearson's chi-squared, equation (8.6).
#
# - In: `real_logits` and `fake_logits`, shape (B,).
# - Out: two tensors of shape (), the discriminator's loss and the generator's.


# %%
def least_squares(real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Both losses of equation (8.4) with a = -1, b = 1, c = 0: (B,), (B,) -> (), ()."""
    ### BEGIN SOLUTION
    discriminator = ((real_logits - 1) ** 2).mean() / 2 + ((fake_logits + 1) ** 2).mean() / 2
    return discriminator, (fake_logits**2).mean() / 2
    ### END SOLUTION


# %%
checks.least_squares(least_squares)

# %% [markdown] tags=["solution"]
# Half a mean squared error, three times, with three targets.


# %% tags=["alternative"]
def least_squares(real_logits, fake_logits):
    def to(logits, target):
        return 0.5 * F.mse_loss(logits, torch.full_like(logits, target))

    return to(real_logits, 1.0) + to(fake_logits, -1.0), to(fake_logits, 0.0)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Labels 0 and 1.** It trains, and measures the same chi-squared, up to a factor and a constant. But these are not the
# losses that are asked for: here the generator aims at the label of real images, and not half-way.


# %% tags=["mistake"] hint="zero-one"
def least_squares(real_logits, fake_logits):
    discriminator = ((real_logits - 1) ** 2).mean() / 2 + (fake_logits**2).mean() / 2
    return discriminator, ((fake_logits - 1) ** 2).mean() / 2


# %% [markdown] tags=["mistake"]
# **The generator aims at "real".** The same mistake in the other loss: $c = b$.


# %% tags=["mistake"] hint="aims-at-real"
def least_squares(real_logits, fake_logits):
    discriminator = ((real_logits - 1) ** 2).mean() / 2 + ((fake_logits + 1) ** 2).mean() / 2
    return discriminator, ((fake_logits - 1) ** 2).mean() / 2


# %% [markdown] tags=["mistake"]
# **Mean before the square.** Scores of 6 and -4 have the mean 1, and are both far from it.


# %% tags=["mistake"] hint="mean-first"
def least_squares(real_logits, fake_logits):
    discriminator = (real_logits.mean() - 1) ** 2 / 2 + (fake_logits.mean() + 1) ** 2 / 2
    return discriminator, fake_logits.mean() ** 2 / 2


# %% [markdown] tags=["mistake"]
# **The half forgotten.** The losses have the same minimum, and weigh twice as much against any penalty.


# %% tags=["mistake"] hint="no-half"
def least_squares(real_logits, fake_logits):
    return F.mse_loss(real_logits, torch.ones_like(real_logits)) + F.mse_loss(
        fake_logits, -torch.ones_like(fake_logits)
    ), (fake_logits**2).mean()


# %% [markdown]
# ### Exercise 8.2 (one star). The Wasserstein critic
#
# The critic should *raise* the mean score of real images minus the mean score of generated ones; the generator should
# raise the mean score of its images. An optimiser *lowers* what it is given. Return the two losses to lower.
#
# - In: `real_logits` and `fake_logits`, shape (B,).
# - Out: two tensors of shape (), the critic's loss and the generator's. The generator's loss holds its own images only.


# %%
def critic(real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Both losses of equation (8.11): (B,), (B,) -> (), ()."""
    ### BEGIN SOLUTION
    return fake_logits.mean() - real_logits.mean(), -fake_logits.mean()
    ### END SOLUTION


# %%
checks.critic(critic)

# %% [markdown] tags=["solution"]
# Minus the gain. At the critic's best, minus its loss is the Wasserstein distance.


# %% tags=["alternative"]
def critic(real_logits, fake_logits):
    gain = (real_logits - fake_logits).mean()  # as many of both
    return -gain, fake_logits.neg().mean()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The gain itself.** The critic learns to score real images low. If the generator's sign is left as it is, it
# flees from the data.


# %% tags=["mistake"] hint="sign-swapped"
def critic(real_logits, fake_logits):
    return real_logits.mean() - fake_logits.mean(), -fake_logits.mean()


# %% [markdown] tags=["mistake"]
# **An absolute value, because a distance is positive.** It is, but an optimiser brings it to zero.


# %% tags=["mistake"] hint="absolute"
def critic(real_logits, fake_logits):
    return (real_logits.mean() - fake_logits.mean()).abs(), -fake_logits.mean()


# %% [markdown] tags=["mistake"]
# **A logarithm out of habit.** The score is no logit of a probability, and the loss no Wasserstein distance.


# %% tags=["mistake"] hint="logarithmic"
def critic(real_logits, fake_logits):
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean(), -fake_logits.mean()


# %% [markdown]
# ### Exercise 8.3 (one star). Hinge
#
# The discriminator pays for a real image what its logit lacks to 1, and for a generated one what its logit is above
# $-1$, each at least 0. The generator's loss is minus the mean logit of its images.
#
# - In: `real_logits` and `fake_logits`, shape (B,).
# - Out: two tensors of shape ().


# %%
def hinge(real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Both losses of equation (8.17): (B,), (B,) -> (), ()."""
    ### BEGIN SOLUTION
    return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean(), -fake_logits.mean()
    ### END SOLUTION


# %%
checks.hinge(hinge)

# %% [markdown] tags=["solution"]
# The maximum with 0 is a ReLU, or a clamp.


# %% tags=["alternative"]
def hinge(real_logits, fake_logits):
    lacks = (1 - real_logits).clamp(min=0)
    exceeds = torch.maximum(1 + fake_logits, torch.zeros_like(fake_logits))
    return lacks.mean() + exceeds.mean(), (-fake_logits).mean()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **A hinge for the generator.** Symmetry invites it. An image that scores above 1 then gets no push.


# %% tags=["mistake"] hint="generator-clipped"
def hinge(real_logits, fake_logits):
    d_loss = F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()
    return d_loss, F.relu(1 - fake_logits).mean()


# %% [markdown] tags=["mistake"]
# **No margin.** A discriminator that answers 0 to everything pays nothing.


# %% tags=["mistake"] hint="margin-left-out"
def hinge(real_logits, fake_logits):
    return F.relu(-real_logits).mean() + F.relu(fake_logits).mean(), -fake_logits.mean()


# %% [markdown] tags=["mistake"]
# **Mean before the hinge.** It is then the batch that has to be on the right side, not the image.


# %% tags=["mistake"] hint="mean-first"
def hinge(real_logits, fake_logits):
    return F.relu(1 - real_logits.mean()) + F.relu(1 + fake_logits.mean()), -fake_logits.mean()


# %% [markdown]
# ### Exercise 8.4 (two stars). The gradient penalty
#
# Return equation (8.13) without $\lambda$: the mean over the batch of the squared difference from 1 of the norm of the
# score's gradient, taken at `mix` times the real image plus `1 - mix` times the generated one. The penalty will be
# minimised over the critic's weights.
#
# - In: `critic`, which maps images (B, C, H, W) to scores (B,), each of its own image alone; `real` and `fake`,
#   (B, C, H, W); `mix`, (B,), in [0, 1].
# - Out: a tensor of shape ().


# %%
def gradient_penalty(critic, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Mean of (norm of the score's gradient - 1)^2 between real and generated images: -> ()."""
    ### BEGIN SOLUTION
    mix = mix.view(-1, 1, 1, 1)
    between = (mix * real + (1 - mix) * fake).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    ### END SOLUTION


# %%
checks.gradient_penalty(gradient_penalty)

# %% [markdown] tags=["solution"]
# The sum over the batch is there because autograd wants one number; as no score depends on another image, row $b$ of
# its gradient is the gradient of score $b$. Vector of ones instead of a sum says the same.


# %% tags=["alternative"]
def gradient_penalty(critic, real, fake, mix):
    between = torch.lerp(fake, real, mix[:, None, None, None].to(real)).requires_grad_()
    scores = critic(between)
    (gradient,) = torch.autograd.grad(
        scores, between, grad_outputs=torch.ones_like(scores), create_graph=True
    )
    lengths = gradient.square().sum(dim=(1, 2, 3)).sqrt()
    return ((lengths - 1) ** 2).mean()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **One norm for the whole batch.** It runs, and holds each image's slope at about one over the root of B.


# %% tags=["mistake"] hint="norm-over-batch"
def gradient_penalty(critic, real, fake, mix):
    mix = mix.view(-1, 1, 1, 1)
    between = (mix * real + (1 - mix) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.norm() - 1).square()


# %% [markdown] tags=["mistake"]
# **No graph.** The value is right to the last digit, and the critic never hears of it.


# %% tags=["mistake"] hint="detached"
def gradient_penalty(critic, real, fake, mix):
    mix = mix.view(-1, 1, 1, 1)
    between = (mix * real + (1 - mix) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


# %% [markdown] tags=["mistake"]
# **At the real images.** The slope is then free where the generated ones are.


# %% tags=["mistake"] hint="at-real"
def gradient_penalty(critic, real, fake, mix):
    real = real.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
    return (gradient.flatten(1).norm(dim=1) - 1).square().mean()


# %% [markdown] tags=["mistake"]
# **A mean over the pixels.** An image of 1,024 pixels may then have a slope of 32.


# %% tags=["mistake"] hint="mean-over-pixels"
def gradient_penalty(critic, real, fake, mix):
    mix = mix.view(-1, 1, 1, 1)
    between = (mix * real + (1 - mix) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.square().mean(dim=(1, 2, 3)).sqrt() - 1).square().mean()


# %% [markdown]
# ### Exercise 8.5 (one star). R1
#
# Return $\frac{\gamma}{2}$ times the mean over the batch of the squared length of the score's gradient at the real images,
# equation (8.21). The penalty will be minimised over the critic's weights.
#
# - In: `critic`, as before; `real`, (B, C, H, W), which do not require a gradient yet; `gamma`, a number.
# - Out: a tensor of shape ().


# %%
def r1_penalty(critic, real: Tensor, gamma: float) -> Tensor:
    """gamma / 2 times the mean squared length of the score's gradient at real images: -> ()."""
    ### BEGIN SOLUTION
    real = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
    return gamma / 2 * gradient.square().sum(dim=(1, 2, 3)).mean()
    ### END SOLUTION


# %%
checks.r1_penalty(r1_penalty)

# %% [markdown] tags=["solution"]
# A sum over C, H and W, a mean over B.


# %% tags=["alternative"]
def r1_penalty(critic, real, gamma):
    real = real.clone().requires_grad_()
    gradient = torch.autograd.grad(critic(real).sum(), real, create_graph=True)[0]
    return gamma * gradient.pow(2).sum() / (2 * len(real))


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **No half.** Papers write $\gamma / 2$, and a $\gamma$ that is copied from one then acts twice.


# %% tags=["mistake"] hint="no-half"
def r1_penalty(critic, real, gamma):
    real = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
    return gamma * gradient.square().sum(dim=(1, 2, 3)).mean()


# %% [markdown] tags=["mistake"]
# **A sum over the batch.** The penalty grows with the batch, and the loss beside it does not.


# %% tags=["mistake"] hint="sum"
def r1_penalty(critic, real, gamma):
    real = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
    return gamma / 2 * gradient.square().sum()


# %% [markdown] tags=["mistake"]
# **A mean over everything.** At twice the resolution there are four times the pixels, and a quarter of the penalty.


# %% tags=["mistake"] hint="mean-over-pixels"
def r1_penalty(critic, real, gamma):
    real = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(real).sum(), real, create_graph=True)
    return gamma / 2 * gradient.square().mean()


# %% [markdown] tags=["mistake"]
# **Detached.** The right number, without effect.


# %% tags=["mistake"] hint="detached"
def r1_penalty(critic, real, gamma):
    real = real.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(real).sum(), real)
    return gamma / 2 * gradient.square().sum(dim=(1, 2, 3)).mean()


# %% [markdown]
# ### Exercise 8.6 (one star). Pairs
#
# The $i$-th real image and the $i$-th generated one are a pair. The discriminator pays minus the logarithm of
# $\sigma(\text{real logit} - \text{generated logit})$, the generator the same with the two exchanged. Return the means over the
# pairs, equation (8.19).
#
# - In: `real_logits` and `fake_logits`, float32, shape (B,).
# - Out: two tensors of shape (). For logits that differ by 400 they must be finite and right.


# %%
def relativistic(real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Tensor]:
    """Both losses of equation (8.19): (B,), (B,) -> (), ()."""
    ### BEGIN SOLUTION
    lead = real_logits - fake_logits  # (B,)
    return F.softplus(-lead).mean(), F.softplus(lead).mean()
    ### END SOLUTION


# %%
checks.relativistic(relativistic)

# %% [markdown] tags=["solution"]
# $-\log \sigma(t) = \operatorname{softplus}(-t)$. PyTorch also has the logarithm of the sigmoid as a function of its own.


# %% tags=["alternative"]
def relativistic(real_logits, fake_logits):
    return (
        -F.logsigmoid(real_logits - fake_logits).mean(),
        -F.logsigmoid(fake_logits - real_logits).mean(),
    )


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Sigmoid, then logarithm.** Infinite as soon as one pair is clear enough.


# %% tags=["mistake"] hint="overflow"
def relativistic(real_logits, fake_logits):
    share = torch.sigmoid(real_logits - fake_logits)
    return -share.log().mean(), -(1 - share).log().mean()


# %% [markdown] tags=["mistake"]
# **Every real image with every generated one.** Shapes (B, 1) and (B,) do this by broadcasting, unasked.


# %% tags=["mistake"] hint="all-pairs"
def relativistic(real_logits, fake_logits):
    lead = real_logits[:, None] - fake_logits
    return F.softplus(-lead).mean(), F.softplus(lead).mean()


# %% [markdown] tags=["mistake"]
# **The generator's loss as minus the discriminator's.** The minimax form: it saturates.


# %% tags=["mistake"] hint="saturating"
def relativistic(real_logits, fake_logits):
    loss = F.softplus(fake_logits - real_logits).mean()
    return loss, -loss


# %% [markdown]
# ### Exercise 8.7 (two stars). Power iteration
#
# Estimate the largest singular value of a matrix. A round makes $v$, which is $W^\top u$ divided by its length, and from it
# a new $u$, which is $W v$ divided by its length. After `steps` rounds return $\sigma = u^\top W v$ and $u$. A gradient passes
# through $W$ in $\sigma = u^\top W v$ and nowhere else.
#
# - In: `weight`, (M, N), which may require a gradient; `u`, (M,), not zero; `steps`, at least 1.
# - Out: $\sigma$, shape (), and the last $u$, shape (M,).


# %%
def power_iteration(weight: Tensor, u: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Estimate of the largest singular value, and the last u: (M, N), (M,) -> (), (M,)."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        for _ in range(steps):
            v = F.normalize(weight.T @ u, dim=0)
            u = F.normalize(weight @ v, dim=0)
    return u @ weight @ v, u
    ### END SOLUTION


# %%
checks.power_iteration(power_iteration)

# %% [markdown] tags=["solution"]
# Without the gradient through the rounds, the slope of $\sigma$ in $W$ is $u v^\top$, which is that of the largest singular value
# once the rounds have settled.


# %% tags=["alternative"]
def power_iteration(weight, u, steps):
    held = weight.detach()
    for _ in range(steps):
        v = held.T @ u
        v = v / v.norm()
        u = held @ v
        u = u / u.norm()
    return (torch.outer(u, v) * weight).sum(), u


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Transposed.** On a square matrix it runs. The number ends at the same place, by way of the wrong vectors: the next
# training step goes on from a $u$ that belongs to the columns.


# %% tags=["mistake"] hint="transposed"
def power_iteration(weight, u, steps):
    with torch.no_grad():
        for _ in range(steps):
            v = F.normalize(weight @ u, dim=0)
            u = F.normalize(weight.T @ v, dim=0)
    return u @ weight.T @ v, u


# %% [markdown] tags=["mistake"]
# **Not normalised.** Every round multiplies $u$ by about $\sigma_1^2$, and the result, which is $|u|^2$, by about $\sigma_1^4$.


# %% tags=["mistake"] hint="not-normalised"
def power_iteration(weight, u, steps):
    with torch.no_grad():
        for _ in range(steps):
            v = weight.T @ u
            u = weight @ v
    return u @ weight @ v, u


# %% [markdown] tags=["mistake"]
# **A graph through all rounds.** The number is right, its gradient is another one, and a $u$ that is kept from step to step
# drags the graph of the whole training behind it.


# %% tags=["mistake"] hint="not-detached"
def power_iteration(weight, u, steps):
    for _ in range(steps):
        v = F.normalize(weight.T @ u, dim=0)
        u = F.normalize(weight @ v, dim=0)
    return u @ weight @ v, u


# %% [markdown]
# ### Exercise 8.8 (two stars). The Wasserstein distance on a line
#
# Masses $p_i$ lie at points $x_i$, masses $q_j$ at points $y_j$, in any order. Return the least work that turns one into
# the other, by equation (8.9): the integral of $|F_p - F_q|$. It may help to think of all points together, sorted.
#
# - In: `x`, (N,), and `y`, (M,), no two of these points alike; `p`, (N,), and `q`, (M,), positive, each of sum 1; all float64.
# - Out: a tensor of shape ().


# %%
def wasserstein_1d(x: Tensor, y: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """Integral of the gap of the distribution functions: (N,), (M,), (N,), (M,) -> ()."""
    ### BEGIN SOLUTION
    points, order = torch.cat([x, y]).sort()
    gap = torch.cat([p, -q])[order].cumsum(0)  # right of each point
    return (gap[:-1].abs() * points.diff()).sum()
    ### END SOLUTION


# %%
checks.wasserstein_1d(wasserstein_1d)

# %% [markdown] tags=["solution"]
# Between two neighbouring points the gap is constant, so the integral is a sum of rectangles. The other way is to carry:
# by quantiles. At each level between 0 and 1, compare where the two distribution functions reach it.


# %% tags=["alternative"]
def wasserstein_1d(x, y, p, q):
    (x, i), (y, j) = x.sort(), y.sort()
    reach_x, reach_y = p[i].cumsum(0), q[j].cumsum(0)
    levels = torch.cat([reach_x, reach_y]).sort().values.clamp(max=1)  # where either one jumps
    widths = torch.diff(levels, prepend=torch.zeros(1).to(levels))
    middle = levels - widths / 2
    at_x = x[torch.searchsorted(reach_x, middle).clamp(max=len(x) - 1)]
    at_y = y[torch.searchsorted(reach_y, middle).clamp(max=len(y) - 1)]
    return (widths * (at_x - at_y).abs()).sum()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The distance of the means.** Right if all mass moves in one direction, and too small otherwise.


# %% tags=["mistake"] hint="means"
def wasserstein_1d(x, y, p, q):
    return ((p * x).sum() - (q * y).sum()).abs()


# %% [markdown] tags=["mistake"]
# **Masses left in their old order.** `sort` returns two things, and both are needed.


# %% tags=["mistake"] hint="masses-not-sorted"
def wasserstein_1d(x, y, p, q):
    points = torch.cat([x, y]).sort().values
    gap = torch.cat([p, -q]).cumsum(0)
    return (gap[:-1].abs() * points.diff()).sum()


# %% [markdown] tags=["mistake"]
# **Gaps without lengths.** Moving everything far away would cost no more than moving it a little.


# %% tags=["mistake"] hint="lengths-left-out"
def wasserstein_1d(x, y, p, q):
    order = torch.cat([x, y]).argsort()
    return torch.cat([p, -q])[order].cumsum(0)[:-1].abs().sum()


# %% [markdown] tags=["mistake"]
# **Point with point.** Right for equally many points of equal mass only.


# %% tags=["mistake"] hint="masses-ignored"
def wasserstein_1d(x, y, p, q):
    count = min(len(x), len(y))
    return (x.sort().values[:count] - y.sort().values[:count]).abs().mean()


# %% [markdown]
# ### Exercise 8.9 (two stars). Does the smallest GAN settle?
#
# In the Dirac-GAN the velocity of $(\theta, \psi)$ has, at the goal, the matrix of derivatives
#
# $$ J = \begin{pmatrix} 0 & g \\ -k & -\gamma \end{pmatrix}, $$
#
# where $g$ is how hard the generator is pushed for each unit of slope, $k$ how hard the discriminator is pushed for each
# unit of distance, and $\gamma$ the weight of the penalty $\frac{\gamma}{2} \psi^2$. Return its two eigenvalues.
#
# - In: `g`, `k`, `gamma`: floats, at least 0.
# - Out: two complex numbers in any order, as a tensor of shape (2,), a list or a tuple.


# %%
def dirac_eigenvalues(g: float, k: float, gamma: float):
    """Eigenvalues of J in equation (8.22): two complex numbers."""
    ### BEGIN SOLUTION
    J = torch.tensor([[0.0, g], [-k, -gamma]], dtype=torch.float64)
    return torch.linalg.eigvals(J)
    ### END SOLUTION


# %%
checks.dirac_eigenvalues(dirac_eigenvalues)

# %% [markdown] tags=["solution"]
# Or solve the quadratic equation $\mu^2 + \gamma \mu + gk = 0$, whose coefficients are minus the trace and the determinant. The
# game settles if both real parts are below zero: for $gk > 0$ if and only if $\gamma > 0$.


# %% tags=["alternative"]
def dirac_eigenvalues(g, k, gamma):
    root = cmath.sqrt(gamma**2 / 4 - g * k)
    return [-gamma / 2 + root, -gamma / 2 - root]


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Both players pull the same way.** Two real eigenvalues, one of them positive: no game, but a run-away.


# %% tags=["mistake"] hint="same-sign"
def dirac_eigenvalues(g, k, gamma):
    return torch.linalg.eigvals(torch.tensor([[0.0, g], [k, -gamma]], dtype=torch.float64))


# %% [markdown] tags=["mistake"]
# **A penalty with the wrong sign.** The discriminator goes *down* the slope of the penalty.


# %% tags=["mistake"] hint="anti-damped"
def dirac_eigenvalues(g, k, gamma):
    return torch.linalg.eigvals(torch.tensor([[0.0, g], [-k, gamma]], dtype=torch.float64))


# %% [markdown] tags=["mistake"]
# **A real root.** Where the game turns, the number under the root is negative.


# %% tags=["mistake"] hint="nan"
def dirac_eigenvalues(g, k, gamma):
    root = torch.tensor(gamma**2 / 4 - g * k).sqrt()
    return torch.stack([-gamma / 2 + root, -gamma / 2 - root])
