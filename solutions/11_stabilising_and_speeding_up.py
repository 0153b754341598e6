# %% [markdown]
# # Exercises 11. Stabilising and speeding up
#
# Eight exercises on the parts of [lesson 11](../notebooks/11_stabilising_and_speeding_up.ipynb): the moving average and
# what it removes, two kinds of clipping, augmentation, the balance of two learning rates, counting multiplications, and
# timing.
#
# Put your own code where a cell says `raise NotImplementedError(...)`, run the cell, and then the
# cell below it, which begins with `checks.`. It tries your answer on inputs of its own. If
# something is wrong it says what your answer does and why that matters. The folder `solutions/`
# holds the same notebook with answers and with the usual mistakes.
#
# The letters are those of the lesson: B images a batch, C channels, H rows and W columns of an image, K kernel size, S
# stride, P padding.

# %%
import itertools
import math
import statistics
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from course_lib.checks import lesson11 as checks

# %% [markdown]
# ### Exercise 11.1 (two stars). A moving average with a warm-up
#
# The state of a network is a dictionary from names to tensors: weights, running statistics and, as a whole number, the
# count of batches. Given the state of the average and that of the trained network after step $s$ (the first is 0),
# return the new state of the average:
#
# - floating-point tensors, weights and statistics alike, become $\beta_s \cdot \text{kept} + (1 - \beta_s) \cdot \text{trained}$, with
#   $\beta_s$ the smaller of `decay` and $(1 + s)/(10 + s)$;
# - whole numbers become those of the trained network.
#
# - In: `kept` and `trained`, with equal names and shapes; `decay` in [0, 1); `step` $s$, at least 0.
# - Out: a new dictionary with the same names. Its tensors share no memory with those that came in, which stay as they are.


# %%
def averaged(
    kept: dict[str, Tensor], trained: dict[str, Tensor], decay: float, step: int
) -> dict[str, Tensor]:
    """The state of the average after one more step; new tensors."""
    ### BEGIN SOLUTION
    share = min(decay, (1 + step) / (10 + step))
    return {
        name: torch.lerp(trained[name], old, share)
        if old.is_floating_point()
        else trained[name].clone()
        for name, old in kept.items()
    }
    ### END SOLUTION


# %%
checks.averaged(averaged)

# %% [markdown] tags=["solution"]
# `torch.lerp(a, b, w)` is $a + w\,(b - a)$. Batch normalisation's statistics are no parameters, and belong to the averaged
# weights all the same.


# %% tags=["alternative"]
def averaged(kept, trained, decay, step):
    beta = decay if decay < (1 + step) / (10 + step) else (1 + step) / (10 + step)
    result = {}
    for name in kept:
        if trained[name].dtype.is_floating_point:
            result[name] = beta * kept[name] + (1 - beta) * trained[name]
        else:
            result[name] = torch.tensor(trained[name].tolist())
    return result


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The wrong side of the decay.** With a decay of 0.998 this average forgets everything within a step.


# %% tags=["mistake"] hint="decay-exchanged"
def averaged(kept, trained, decay, step):
    share = min(decay, (1 + step) / (10 + step))
    return {
        name: (1 - share) * old + share * trained[name]
        if old.is_floating_point()
        else trained[name].clone()
        for name, old in kept.items()
    }


# %% [markdown] tags=["mistake"]
# **A second name instead of a copy.** The count of the average now follows the trained network's.


# %% tags=["mistake"] hint="alias"
def averaged(kept, trained, decay, step):
    share = min(decay, (1 + step) / (10 + step))
    return {
        name: share * old + (1 - share) * trained[name]
        if old.is_floating_point()
        else trained[name]
        for name, old in kept.items()
    }


# %% [markdown] tags=["mistake"]
# **Statistics forgotten.** Section 11.4 shows the images.


# %% tags=["mistake"] hint="statistics"
def averaged(kept, trained, decay, step):
    share = min(decay, (1 + step) / (10 + step))
    result = {name: old.clone() for name, old in kept.items()}
    for name in result:
        if name.endswith("weight"):
            result[name] = share * kept[name] + (1 - share) * trained[name]
    result["num_batches_tracked"] = trained["num_batches_tracked"].clone()
    return result


# %% [markdown] tags=["mistake"]
# **No warm-up.** A hundred steps later the average is still mostly the initial noise.


# %% tags=["mistake"] hint="no-warm-up"
def averaged(kept, trained, decay, step):
    return {
        name: decay * old + (1 - decay) * trained[name]
        if old.is_floating_point()
        else trained[name].clone()
        for name, old in kept.items()
    }


# %% [markdown]
# ### Exercise 11.2 (one star). Window and noise
#
# In an average with decay $\beta$ the weights of $k$ steps ago count $(1 - \beta)\, \beta^k$, for $k = 0, 1, 2, \dots$ Return two
# numbers: the *window* $\sum_k \beta^k$, and the variance of the average of independent numbers, in parts of their own
# variance. Without them a decay of 0.998 is a number like any other.
#
# - In: `decay` $\beta$, from 0 to below 1.
# - Out: (window, variance ratio), two numbers.


# %%
def window_and_noise(decay: float) -> tuple[float, float]:
    """Sum of all powers of the decay, and the variance of the average over that of the values."""
    ### BEGIN SOLUTION
    return 1 / (1 - decay), (1 - decay) / (1 + decay)
    ### END SOLUTION


# %%
checks.window_and_noise(window_and_noise)

# %% [markdown] tags=["solution"]
# Both are geometric series. The second has the ratio $\beta^2$, and $(1 - \beta)^2 / (1 - \beta^2) = (1 - \beta)/(1 + \beta)$.


# %% tags=["alternative"]
def window_and_noise(decay):
    powers = decay ** np.arange(10_000)
    shares = powers / powers.sum()
    return float(powers.sum()), float((shares**2).sum())


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The half-life.** A good number, and another one: 0.69 of the window, nearly.


# %% tags=["mistake"] hint="half-life"
def window_and_noise(decay):
    return math.log(2) / (1 - decay), (1 - decay) / (1 + decay)


# %% [markdown] tags=["mistake"]
# **Powers not squared.** $(1-\beta)^2 \sum_k \beta^k = 1 - \beta$. The whole share is squared, its power too.


# %% tags=["mistake"] hint="not-squared"
def window_and_noise(decay):
    return 1 / (1 - decay), 1 - decay


# %% [markdown] tags=["mistake"]
# **The mean age.** The average of $k$ with the shares as weights: how far the average lags behind.


# %% tags=["mistake"] hint="mean-age"
def window_and_noise(decay):
    return decay / (1 - decay), (1 - decay) / (1 + decay)


# %% [markdown]
# ### Exercise 11.3 (two stars). A step with a clipped gradient
#
# Make one step with `optimiser` on `loss`, along the gradient shortened to the norm `limit` as in equation (11.5): the
# norm is that of the gradients of *all* parameters of `network` together, and a shorter gradient stays as it is. Gradients
# of an earlier step may still be there and must not count. Return the norm before clipping.
#
# - In: `network`; `loss`, shape (), with its graph; `optimiser`, which holds the network's parameters; `limit` > 0.
# - Out: one number.


# %%
def clipped_step(
    network: nn.Module, loss: Tensor, optimiser: torch.optim.Optimizer, limit: float
) -> Tensor | float:
    """One step along the gradient of at most this norm; return the norm before."""
    ### BEGIN SOLUTION
    optimiser.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(network.parameters(), limit)
    optimiser.step()
    return norm
    ### END SOLUTION


# %%
checks.clipped_step(clipped_step)

# %% [markdown] tags=["solution"]
# `clip_grad_norm_` returns the norm before clipping. Collected over a training it shows how often the limit was reached:
# never means that it does nothing, always means that the limit sets the length of every gradient, and only its direction is
# used. (Under Adam a factor common to all steps drops out; one that changes from step to step does not.)


# %% tags=["alternative"]
def clipped_step(network, loss, optimiser, limit):
    weights = list(network.parameters())
    gradients = torch.autograd.grad(loss, weights)
    norm = math.sqrt(sum(float((g * g).sum()) for g in gradients))
    factor = 1.0 if norm <= limit else limit / norm
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = factor * gradient
    optimiser.step()
    return norm


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Clipped before it is there.** `backward` makes the gradient. What is clipped here is nothing.


# %% tags=["mistake"] hint="unclipped"
def clipped_step(network, loss, optimiser, limit):
    optimiser.zero_grad(set_to_none=False)
    norm = nn.utils.clip_grad_norm_(network.parameters(), limit)
    loss.backward()
    optimiser.step()
    return norm


# %% [markdown] tags=["mistake"]
# **Each tensor on its own.** The layers' gradients keep their directions, the whole does not.


# %% tags=["mistake"] hint="per-tensor"
def clipped_step(network, loss, optimiser, limit):
    optimiser.zero_grad()
    loss.backward()
    norms = [nn.utils.clip_grad_norm_([weight], limit) for weight in network.parameters()]
    optimiser.step()
    return torch.stack(norms).norm()


# %% [markdown] tags=["mistake"]
# **Each number on its own.** `clip_grad_value_` cuts a box, not a ball.


# %% tags=["mistake"] hint="per-value"
def clipped_step(network, loss, optimiser, limit):
    optimiser.zero_grad()
    loss.backward()
    norm = torch.cat([w.grad.flatten() for w in network.parameters()]).norm()
    nn.utils.clip_grad_value_(network.parameters(), limit)
    optimiser.step()
    return norm


# %% [markdown] tags=["mistake"]
# **Short gradients made longer.** Near the goal, where gradients are small, every step is now a large one.


# %% tags=["mistake"] hint="lengthened"
def clipped_step(network, loss, optimiser, limit):
    optimiser.zero_grad()
    loss.backward()
    norm = torch.cat([w.grad.flatten() for w in network.parameters()]).norm()
    for weight in network.parameters():
        weight.grad.mul_(limit / norm)
    optimiser.step()
    return norm


# %% [markdown] tags=["mistake"]
# **Gradients not cleared.** The step then follows the sum with the last one.


# %% tags=["mistake"] hint="not-zeroed"
def clipped_step(network, loss, optimiser, limit):
    loss.backward()
    norm = nn.utils.clip_grad_norm_(network.parameters(), limit)
    optimiser.step()
    return norm


# %% [markdown]
# ### Exercise 11.4 (one star). Clipping weights
#
# Cut every single parameter of a network to $[-c, c]$, in place, as the first Wasserstein GAN did after each step of its
# critic. Parameters are what the optimiser changes; statistics that a layer only measures are not among them.
#
# - In: `network`; `limit` $c > 0$.
# - Out: nothing.


# %%
def clip_weights(network: nn.Module, limit: float) -> None:
    """Cut every parameter to [-limit, limit], in place."""
    ### BEGIN SOLUTION
    with torch.no_grad():
        for weight in network.parameters():
            weight.clamp_(-limit, limit)
    ### END SOLUTION


# %%
checks.clip_weights(clip_weights)

# %% [markdown] tags=["solution"]
# Three things with similar names: this one bounds the weights, exercise 11.3 bounds the gradient in the weights, and a gradient penalty bounds
# the slope of the score in the image.


# %% tags=["alternative"]
def clip_weights(network, limit):
    for weight in network.parameters():
        weight.data = weight.data.clip(-limit, limit)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **A name bound anew.** `weight` is a variable of the loop. The network does not hear of its new value.


# %% tags=["mistake"] hint="unchanged"
def clip_weights(network, limit):
    for weight in network.parameters():
        weight = weight.clamp(-limit, limit)


# %% [markdown] tags=["mistake"]
# **Recorded.** A leaf of the graph must not be changed while operations are recorded.


# %% tags=["mistake"] hint="no-grad"
def clip_weights(network, limit):
    for weight in network.parameters():
        weight.clamp_(-limit, limit)


# %% [markdown] tags=["mistake"]
# **The norm for the numbers.** That is another constraint.


# %% tags=["mistake"] hint="rescaled"
def clip_weights(network, limit):
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(min(1.0, limit / float(weight.norm())))


# %% [markdown] tags=["mistake"]
# **Statistics cut, too.** A running variance of 2 that is cut to 0.3 makes the layer's output more than twice as large.


# %% tags=["mistake"] hint="buffers"
def clip_weights(network, limit):
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.clamp_(-limit, limit)


# %% [markdown]
# ### Exercise 11.5 (one star). Augment for a GAN
#
# With few images, both kinds that the discriminator sees are changed at random, each image on its own. Return the
# discriminator's logits of the changed real and of the changed generated images. The generator will learn from the
# second: the gradient has to reach the generated images.
#
# - In: `discriminator`, (B, C, H, W) to (B,); `real` and `fake`, (B, C, H, W) in [-1, 1]; `augment`, a differentiable
#   random change, (B, C, H, W) to (B, C, H, W).
# - Out: two tensors (B,), real first. The two batches may be changed in different ways.


# %%
def judge(
    discriminator: Callable[[Tensor], Tensor],
    real: Tensor,
    fake: Tensor,
    augment: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    """Logits of the changed real and the changed generated images: (B,), (B,)."""
    ### BEGIN SOLUTION
    return discriminator(augment(real)), discriminator(augment(fake))
    ### END SOLUTION


# %%
checks.judge(judge)

# %% [markdown] tags=["solution"]
# Each call of `augment` draws anew, and that is right: it is the two *distributions* that are compared.


# %% tags=["alternative"]
def judge(discriminator, real, fake, augment):
    both = discriminator(augment(torch.cat([real, fake])))  # without batch normalisation
    return both[: len(real)], both[len(real) :]


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Only the real images.** As one does for a classifier. Here the generator learns to draw shifted clothes.


# %% tags=["mistake"] hint="only-real"
def judge(discriminator, real, fake, augment):
    return discriminator(augment(real)), discriminator(fake)


# %% [markdown] tags=["mistake"]
# **Augmentation without a graph.** "It is only preprocessing." Not for the generator.


# %% tags=["mistake"] hint="detached"
def judge(discriminator, real, fake, augment):
    with torch.no_grad():
        real, fake = augment(real), augment(fake)
    return discriminator(real), discriminator(fake)


# %% [markdown] tags=["mistake"]
# **Through bytes.** Libraries for pictures want whole numbers. The slope of rounding is zero.


# %% tags=["mistake"] hint="rounded"
def judge(discriminator, real, fake, augment):
    def as_picture(images):
        return ((images + 1) * 127.5).round() / 127.5 - 1

    return discriminator(augment(as_picture(real))), discriminator(augment(as_picture(fake)))


# %% [markdown]
# ### Exercise 11.6 (two stars). The balance of two rates
#
# In the linear game of section 11.2 both players move at once, from their old numbers $\theta$ and $\psi$:
# $\theta \leftarrow \theta + \eta\,(a\theta - b\psi)$ and $\psi \leftarrow \psi + \tau\eta\,(c\theta - d\psi)$, with $\tau$ the discriminator's
# learning rate over the generator's. Return the spectral radius of this step: the largest absolute value of an
# eigenvalue of its matrix. Below one, the game settles.
#
# - In: `game` $(a, b, c, d)$; `rate` $\eta > 0$; `ratio` $\tau > 0$.
# - Out: one number, at least 0.


# %%
def radius(game: tuple[float, float, float, float], rate: float, ratio: float) -> float:
    """The spectral radius of one step of both players."""
    ### BEGIN SOLUTION
    a, b, c, d = game
    step = np.array([[1 + rate * a, -rate * b], [ratio * rate * c, 1 - ratio * rate * d]])
    return float(np.abs(np.linalg.eigvals(step)).max())
    ### END SOLUTION


# %%
checks.radius(radius)

# %% [markdown] tags=["solution"]
# The eigenvalues are complex when the players circle. With two of them a quadratic equation does it, too.


# %% tags=["alternative"]
def radius(game, rate, ratio):
    a, b, c, d = game
    first, second = 1 + rate * a, 1 - ratio * rate * d
    determinant = first * second + rate * b * ratio * rate * c
    square = (first + second) ** 2 - 4 * determinant
    if square < 0:
        return math.sqrt(determinant)  # a conjugate pair
    return max(abs(first + second + sign * math.sqrt(square)) / 2 for sign in (1, -1))


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The ratio on the wrong player.** The conclusion is then the opposite.


# %% tags=["mistake"] hint="ratio-on-generator"
def radius(game, rate, ratio):
    a, b, c, d = game
    step = np.array([[1 + ratio * rate * a, -ratio * rate * b], [rate * c, 1 - rate * d]])
    return float(np.abs(np.linalg.eigvals(step)).max())


# %% [markdown] tags=["mistake"]
# **The change for the step.** Its eigenvalues belong to continuous time, where their real parts count.


# %% tags=["mistake"] hint="no-identity"
def radius(game, rate, ratio):
    a, b, c, d = game
    change = rate * np.array([[a, -b], [ratio * c, -ratio * d]])
    return float(np.abs(np.linalg.eigvals(change)).max())


# %% [markdown] tags=["mistake"]
# **The real part.** A player that circles outwards may have eigenvalues whose real part is below one.


# %% tags=["mistake"] hint="real-part"
def radius(game, rate, ratio):
    a, b, c, d = game
    step = np.array([[1 + rate * a, -rate * b], [ratio * rate * c, 1 - ratio * rate * d]])
    return float(np.linalg.eigvals(step).real.max())


# %% [markdown]
# ### Exercise 11.7 (one star). Multiply-adds of a transposed convolution
#
# Count the multiply-adds of one forward pass of a transposed convolution: products of a weight and a pixel, each with its
# addition. Cropped positions are multiplied like any other. Biases do not count.
#
# - In: batch B, input channels C, output channels O, kernel size K, stride S, padding P, input rows and columns H.
# - Out: a whole number.


# %%
def transposed_multiply_adds(
    batch: int, inside: int, outside: int, kernel: int, stride: int, padding: int, size: int
) -> int:
    """Multiply-adds of a forward pass on (B, C, H, H) with weights (C, O, K, K)."""
    ### BEGIN SOLUTION
    return batch * inside * outside * kernel**2 * size**2
    ### END SOLUTION


# %%
checks.transposed_multiply_adds(transposed_multiply_adds)

# %% [markdown] tags=["solution"]
# Each input pixel of each channel is multiplied by its whole kernel, once for every output channel. Stride and padding
# say where the products go, not how many there are.


# %% tags=["alternative"]
def transposed_multiply_adds(batch, inside, outside, kernel, stride, padding, size):
    weights = torch.empty(inside, outside, kernel, kernel).numel()
    positions = len(range(batch)) * len(range(size)) ** 2
    return weights * positions


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Output positions.** That is the rule for a convolution; with a stride of 2 it says about four times too much.


# %% tags=["mistake"] hint="output-positions"
def transposed_multiply_adds(batch, inside, outside, kernel, stride, padding, size):
    rows = stride * (size - 1) + kernel - 2 * padding
    return batch * inside * outside * kernel**2 * rows**2


# %% [markdown] tags=["mistake"]
# **One image.** Tables of networks count like this. A training step does not.


# %% tags=["mistake"] hint="no-batch"
def transposed_multiply_adds(batch, inside, outside, kernel, stride, padding, size):
    return inside * outside * kernel**2 * size**2


# %% [markdown]
# ### Exercise 11.8 (one star). Timing
#
# Return the median seconds of one call of `work`, over `rounds` calls, after one call that is not counted. `clock`
# returns the seconds since some moment.
#
# - In: `work`, a function without arguments; `rounds`, at least 1; `clock`, a function without arguments.
# - Out: seconds, one number. `work` is called `rounds + 1` times.


# %%
def median_seconds(work: Callable[[], object], rounds: int, clock: Callable[[], float]) -> float:
    """Median seconds of a call, the first one left out."""
    ### BEGIN SOLUTION
    work()
    times = []
    for _ in range(rounds):
        start = clock()
        work()
        times.append(clock() - start)
    return statistics.median(times)
    ### END SOLUTION


# %%
checks.median_seconds(median_seconds)

# %% [markdown] tags=["solution"]
# The first call pays for set-up. One disturbed call among many does not move a median. On a GPU `work` has to end with a
# wait, because a call returns before its work is done.


# %% tags=["alternative"]
def median_seconds(work, rounds, clock):
    marks = []
    for _ in range(rounds + 1):
        work()
        marks.append(clock())
    times = sorted(after - before for before, after in itertools.pairwise(marks))
    middle = len(times) // 2
    return times[middle] if len(times) % 2 else (times[middle - 1] + times[middle]) / 2


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The mean, with the first call.** A way that is slow to start then looks slow for ever.


# %% tags=["mistake"] hint="mean-with-first"
def median_seconds(work, rounds, clock):
    start = clock()
    for _ in range(rounds):
        work()
    return (clock() - start) / rounds


# %% [markdown] tags=["mistake"]
# **No warm-up.** The median hides it when there are many rounds, and with few it does not.


# %% tags=["mistake"] hint="first-call"
def median_seconds(work, rounds, clock):
    times = []
    for _ in range(rounds):
        start = clock()
        work()
        times.append(clock() - start)
    return statistics.median(times)


# %% [markdown] tags=["mistake"]
# **The mean.** One virus scanner, and the faster way has lost.


# %% tags=["mistake"] hint="mean"
def median_seconds(work, rounds, clock):
    work()
    start = clock()
    for _ in range(rounds):
        work()
    return (clock() - start) / rounds
