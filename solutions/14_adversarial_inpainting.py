# %% [markdown]
# # Exercises 14. Adversarial inpainting
#
# Eight exercises on the parts of [lesson 14](../notebooks/14_adversarial_inpainting.ipynb).
#
# Put your own code where a cell says `raise NotImplementedError(...)`, run the cell, and then the
# cell below it, which begins with `checks.`. It tries your answer on inputs of its own. If
# something is wrong it says what your answer does and why that matters. The folder `solutions/`
# holds the same notebook with answers and with the usual mistakes.
#
# The letters are those of the lesson: B images a batch, C channels, H rows and W columns, Z entries of a
# latent vector. Images are floats in [-1, 1]. A mask has one channel, and **1 means missing**, 0 known.

# %%
import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import lesson14 as checks

# %% [markdown]
# ### Exercise 14.1 (one star). The least price of realism
#
# Let $r$ be the squared Wasserstein distance of the answers from the real completions, as a share of that of
# the conditional mean. By (14.5) the squared error is at least $1 + (1 - \sqrt r)^2$ times the best one.
# Return how much PSNR must be lost, in decibels.
#
# - In: `shares`, float64 (N,), each in [0, 1].
# - Out: float64 (N,), from 0 for the mean to 3.01 for a draw.


# %%
def decibels_lost(shares: Tensor) -> Tensor:
    """The least loss of PSNR in dB: (N,) -> (N,)."""
    ### BEGIN SOLUTION
    return 10 * torch.log10(1 + (1 - shares.sqrt()) ** 2)
    ### END SOLUTION


# %%
checks.decibels_lost(decibels_lost)

# %% [markdown] tags=["solution"]
# The share is of *squared* distances, so its root is the share of the way that is still to go, and one minus that the
# part of the way from the mean to a draw. A decibel is a tenth of a factor of ten in the squared error.


# %% tags=["alternative"]
def decibels_lost(shares):
    return torch.tensor([10 * math.log(2 - 2 * r**0.5 + r, 10) for r in shares.tolist()]).double()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **No root.** Then 0.4 of the squared distance seems to cost more than it does.


# %% tags=["mistake"] hint="no-root"
def decibels_lost(shares):
    return 10 * torch.log10(1 + (1 - shares) ** 2)


# %% [markdown] tags=["mistake"]
# **The natural logarithm.**


# %% tags=["mistake"] hint="natural-logarithm"
def decibels_lost(shares):
    return 10 * torch.log(1 + (1 - shares.sqrt()) ** 2)


# %% [markdown] tags=["mistake"]
# **The other way round.** Realism is dear, not the mean.


# %% tags=["mistake"] hint="upside-down"
def decibels_lost(shares):
    return 10 * torch.log10(1 + shares)


# %% [markdown]
# ### Exercise 14.2 (two stars). What the local critic sees
#
# Cut a square of `side` x `side` pixels out of each image, about the centre of mass of its hole. With rows and
# columns counted from 0, the centre of mass is the mean row and the mean column of the missing pixels. The
# square begins at the row that is nearest to (mean row - (side - 1) / 2), and likewise for columns; where it would
# stick out of the image, it is moved inside.
#
# - In: `images`, float32 (B, C, H, W); `masks`, float32 (B, 1, H, W), 1 for missing; `side`, at most H and W. No
#   start lies just between two pixels, except where the square is moved inside.
# - Out: float32 (B, C, side, side).


# %%
def crop_at_hole(images: Tensor, masks: Tensor, side: int) -> Tensor:
    """The square about each hole: (B, C, H, W), (B, 1, H, W) -> (B, C, side, side)."""
    ### BEGIN SOLUTION
    squares = []
    for image, mask in zip(images, masks, strict=True):
        middle = mask[0].nonzero().float().mean(dim=0)  # row and column
        top, left = (middle - (side - 1) / 2).round().long().tolist()
        top = min(max(top, 0), image.shape[1] - side)
        left = min(max(left, 0), image.shape[2] - side)
        squares.append(image[:, top : top + side, left : left + side])
    return torch.stack(squares)
    ### END SOLUTION


# %%
checks.crop_at_hole(crop_at_hole)

# %% [markdown] tags=["solution"]
# `nonzero` lists the places of the missing pixels; their mean is the centre of mass. The library computes the
# same for all images at once, because a loop would make a GPU wait.


# %% tags=["alternative"]
def crop_at_hole(images, masks, side):
    starts = []
    for axis, length in ((3, images.shape[2]), (2, images.shape[3])):
        profile = masks.sum(dim=(1, axis))
        middle = profile @ torch.arange(length).float() / profile.sum(dim=1)
        starts.append((middle - (side - 1) / 2).round().long().clamp(0, length - side))
    index = torch.arange(len(images))[:, None, None]
    rows = starts[0][:, None, None] + torch.arange(side)[:, None]
    columns = starts[1][:, None, None] + torch.arange(side)
    return images[index, :, rows, columns].permute(0, 3, 1, 2)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **It sticks out.** A negative start counts from the other end, and the square is empty or too small.


# %% tags=["mistake"] hint="outside"
def crop_at_hole(images, masks, side):
    squares = []
    for image, mask in zip(images, masks, strict=True):
        top, left = (mask[0].nonzero().float().mean(0) - (side - 1) / 2).round().long().tolist()
        squares.append(image[:, top : top + side, left : left + side])
    return torch.stack(squares)


# %% [markdown] tags=["mistake"]
# **It begins at the middle.** The critic then sees one quarter of the hole, and of its surroundings.


# %% tags=["mistake"] hint="corner-in-the-middle"
def crop_at_hole(images, masks, side):
    squares = []
    for image, mask in zip(images, masks, strict=True):
        top, left = mask[0].nonzero().float().mean(dim=0).round().long().tolist()
        top, left = min(top, image.shape[1] - side), min(left, image.shape[2] - side)
        squares.append(image[:, top : top + side, left : left + side])
    return torch.stack(squares)


# %% [markdown] tags=["mistake"]
# **About what is known.** With a mask that says 1 for known, the centre of mass is that of the surroundings.


# %% tags=["mistake"] hint="inverted"
def crop_at_hole(images, masks, side):
    squares = []
    for image, mask in zip(images, masks, strict=True):
        middle = (1 - mask[0]).nonzero().float().mean(dim=0)
        top, left = (middle - (side - 1) / 2).round().long().tolist()
        top = min(max(top, 0), image.shape[1] - side)
        left = min(max(left, 0), image.shape[2] - side)
        squares.append(image[:, top : top + side, left : left + side])
    return torch.stack(squares)


# %% [markdown]
# ### Exercise 14.3 (two stars). The critic's loss
#
# A network has answered with whole images. Return the loss of the critic, with the relativistic loss of the lesson: the
# mean over the batch of $-\log \sigma(a_r - a_f)$ ($\sigma$ is the logistic function), where $a_r$ is the logit of the real image and $a_f$ that of the filled one.
# The critic's step must teach the network nothing: no gradient may reach `answers`.
#
# - In: `critic`, called as `critic(images, masks)` -> logits (B,), positive for "real"; `answers`, float32 (B, C, H, W), with
#   a graph behind it; `images`, float32 (B, C, H, W); `masks`, float32 (B, 1, H, W), 1 for missing.
# - Out: the loss, (), with the graph to the critic's weights.


# %%
def critic_loss(critic: Callable, answers: Tensor, images: Tensor, masks: Tensor) -> Tensor:
    """The relativistic loss of the critic: ()."""
    ### BEGIN SOLUTION
    filled = torch.where(masks > 0, answers.detach(), images)
    return F.softplus(critic(filled, masks) - critic(images, masks)).mean()
    ### END SOLUTION


# %%
checks.critic_loss(critic_loss)

# %% [markdown] tags=["solution"]
# $-\log \sigma(a) = \log(1 + e^{-a})$ is `softplus` of $-a$. The composite is what the critic must see: with the whole answer it
# would find fills by pixels that nobody is shown.


# %% tags=["alternative"]
def critic_loss(critic, answers, images, masks):
    with torch.no_grad():
        filled = masks * answers + (1 - masks) * images
    return -F.logsigmoid(critic(images, masks) - critic(filled, masks)).mean()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The critic sees the answer.** It wins with known pixels, and the network is pushed where nobody looks.


# %% tags=["mistake"] hint="sees-the-answer"
def critic_loss(critic, answers, images, masks):
    return F.softplus(critic(answers.detach(), masks) - critic(images, masks)).mean()


# %% [markdown] tags=["mistake"]
# **Not detached.** The gradient runs on into the network, and teaches it to be caught.


# %% tags=["mistake"] hint="not-detached"
def critic_loss(critic, answers, images, masks):
    filled = torch.where(masks > 0, answers, images)
    return F.softplus(critic(filled, masks) - critic(images, masks)).mean()


# %% [markdown] tags=["mistake"]
# **Real and filled exchanged.** This is the network's loss: the critic learns to prefer fills.


# %% tags=["mistake"] hint="swapped"
def critic_loss(critic, answers, images, masks):
    filled = torch.where(masks > 0, answers.detach(), images)
    return F.softplus(critic(images, masks) - critic(filled, masks)).mean()


# %% [markdown] tags=["mistake"]
# **The composite the other way round.** The critic sees the answer everywhere but in the hole.


# %% tags=["mistake"] hint="inverted"
def critic_loss(critic, answers, images, masks):
    filled = torch.where(masks > 0, images, answers.detach())
    return F.softplus(critic(filled, masks) - critic(images, masks)).mean()


# %% [markdown]
# ### Exercise 14.4 (two stars). The network's loss
#
# Return what the network minimises: the masked L1 of its answers, averaged over the batch, plus `weight` times its
# relativistic loss, the mean of $-\log \sigma(a_f - a_r)$.
#
# - In: as in exercise 14.3, and `weight`, a float.
# - Out: the loss, (), whose gradient reaches `answers`, in missing pixels alone.


# %%
def network_loss(
    critic: Callable, answers: Tensor, images: Tensor, masks: Tensor, weight: float
) -> Tensor:
    """Masked L1 plus the weighted adversarial loss: ()."""
    ### BEGIN SOLUTION
    errors = (answers - images).abs() * masks
    l1 = errors.sum(dim=(1, 2, 3)) / (images.shape[1] * masks.sum(dim=(1, 2, 3)))
    filled = torch.where(masks > 0, answers, images)
    towards = F.softplus(critic(images, masks) - critic(filled, masks))
    return l1.mean() + weight * towards.mean()
    ### END SOLUTION


# %%
checks.network_loss(network_loss)

# %% [markdown] tags=["solution"]
# The composite passes the critic's gradient to the missing pixels, (14.7), and the masked L1 has none elsewhere.


# %% tags=["alternative"]
def network_loss(critic, answers, images, masks, weight):
    filled = images + masks * (answers - images)
    each = torch.stack(
        [(a - x)[:, m[0] > 0].abs().mean() for a, x, m in zip(answers, images, masks, strict=True)]
    )
    logits = critic(filled, masks) - critic(images, masks).detach()
    return (each - weight * F.logsigmoid(logits)).mean()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Detached here too.** The critic's opinion is computed and reaches nobody.


# %% tags=["mistake"] hint="detached"
def network_loss(critic, answers, images, masks, weight):
    errors = (answers - images).abs() * masks
    l1 = errors.sum(dim=(1, 2, 3)) / (images.shape[1] * masks.sum(dim=(1, 2, 3)))
    filled = torch.where(masks > 0, answers.detach(), images)
    return l1.mean() + weight * F.softplus(critic(images, masks) - critic(filled, masks)).mean()


# %% [markdown] tags=["mistake"]
# **The error of known pixels.** The network learns to copy what it is given.


# %% tags=["mistake"] hint="known-pixels"
def network_loss(critic, answers, images, masks, weight):
    known = 1 - masks
    errors = (answers - images).abs() * known
    l1 = errors.sum(dim=(1, 2, 3)) / (images.shape[1] * known.sum(dim=(1, 2, 3)))
    filled = torch.where(masks > 0, answers, images)
    return l1.mean() + weight * F.softplus(critic(images, masks) - critic(filled, masks)).mean()


# %% [markdown] tags=["mistake"]
# **The critic's own loss.** With this sign the network helps the critic.


# %% tags=["mistake"] hint="swapped"
def network_loss(critic, answers, images, masks, weight):
    errors = (answers - images).abs() * masks
    l1 = errors.sum(dim=(1, 2, 3)) / (images.shape[1] * masks.sum(dim=(1, 2, 3)))
    filled = torch.where(masks > 0, answers, images)
    return l1.mean() + weight * F.softplus(critic(filled, masks) - critic(images, masks)).mean()


# %% [markdown] tags=["mistake"]
# **The critic sees the answer.**


# %% tags=["mistake"] hint="sees-the-answer"
def network_loss(critic, answers, images, masks, weight):
    errors = (answers - images).abs() * masks
    l1 = errors.sum(dim=(1, 2, 3)) / (images.shape[1] * masks.sum(dim=(1, 2, 3)))
    return l1.mean() + weight * F.softplus(critic(images, masks) - critic(answers, masks)).mean()


# %% [markdown]
# ### Exercise 14.5 (two stars). The score of two answers
#
# A network with noise has answered twice. Return the score (14.9), estimated from both answers: the mean of their masked L1
# to the truth, less half of their masked L1 to each other. Every image counts alike, whatever the size of its hole.
#
# - In: `first`, `second`, `images`, float32 (B, C, H, W); `masks`, float32 (B, 1, H, W), 1 for missing.
# - Out: the score, ().


# %%
def energy_score(first: Tensor, second: Tensor, images: Tensor, masks: Tensor) -> Tensor:
    """The continuous ranked probability score over missing pixels, averaged: ()."""

    ### BEGIN SOLUTION
    def apart(one: Tensor, other: Tensor) -> Tensor:
        errors = (one - other).abs() * masks
        return (errors.sum(dim=(1, 2, 3)) / (one.shape[1] * masks.sum(dim=(1, 2, 3)))).mean()

    return (apart(first, images) + apart(second, images) - apart(first, second)) / 2
    ### END SOLUTION


# %%
checks.energy_score(energy_score)

# %% [markdown] tags=["solution"]
# Both answers are as good as each other, so both count for the distance from the truth: the estimate varies less.


# %% tags=["alternative"]
def energy_score(first, second, images, masks):
    gaps = (first - images).abs() + (second - images).abs() - (first - second).abs()
    weights = masks / masks.sum(dim=(1, 2, 3), keepdim=True)
    return (gaps.mean(dim=1, keepdim=True) * weights).sum() / (2 * len(images))


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Added, not subtracted.** Answers that differ are punished, and the noise is ignored for good.


# %% tags=["mistake"] hint="plus"
def energy_score(first, second, images, masks):
    def apart(one, other):
        errors = (one - other).abs() * masks
        return (errors.sum(dim=(1, 2, 3)) / (one.shape[1] * masks.sum(dim=(1, 2, 3)))).mean()

    return (apart(first, images) + apart(second, images) + apart(first, second)) / 2


# %% [markdown] tags=["mistake"]
# **The whole distance instead of half.** The reward is larger than the price: answers flee from each other.


# %% tags=["mistake"] hint="not-halved"
def energy_score(first, second, images, masks):
    def apart(one, other):
        errors = (one - other).abs() * masks
        return (errors.sum(dim=(1, 2, 3)) / (one.shape[1] * masks.sum(dim=(1, 2, 3)))).mean()

    return (apart(first, images) + apart(second, images)) / 2 - apart(first, second)


# %% [markdown] tags=["mistake"]
# **No reward.** The mean of two L1 errors: its best answers are two medians.


# %% tags=["mistake"] hint="no-spread"
def energy_score(first, second, images, masks):
    gaps = (first - images).abs() + (second - images).abs()
    return ((gaps * masks).sum((1, 2, 3)) / (gaps.shape[1] * masks.sum((1, 2, 3)))).mean() / 2


# %% [markdown] tags=["mistake"]
# **Over all pixels.** Nobody sees what is answered for known ones.


# %% tags=["mistake"] hint="whole-image"
def energy_score(first, second, images, masks):
    gaps = (first - images).abs() + (second - images).abs() - (first - second).abs()
    return gaps.mean() / 2


# %% [markdown]
# ### Exercise 14.6 (one star). How much do the answers differ?
#
# Several answers to the same holes lie in one tensor. For each image return their spread: the mean absolute difference of two
# *different* answers, over all pairs, all channels and the missing pixels.
#
# - In: `answers`, float32 (N, B, C, H, W), N at least 2; `masks`, float32 (B, 1, H, W), 1 for missing.
# - Out: float32 (B,).


# %%
def spread(answers: Tensor, masks: Tensor) -> Tensor:
    """Mean distance of two answers over missing pixels: (N, B, C, H, W), (B, 1, H, W) -> (B,)."""
    ### BEGIN SOLUTION
    count, total = len(answers), 0
    for i in range(count):
        for j in range(i):
            total = total + (answers[i] - answers[j]).abs()  # (B, C, H, W)
    mean = total.mean(dim=1, keepdim=True) / (count * (count - 1) / 2)
    return (mean * masks).sum(dim=(1, 2, 3)) / masks.sum(dim=(1, 2, 3))
    ### END SOLUTION


# %%
checks.spread(spread)

# %% [markdown] tags=["solution"]
# There are $N (N - 1) / 2$ pairs. The library sorts the answers at each pixel instead: of sorted numbers it is known how
# often each is added and how often subtracted.


# %% tags=["alternative"]
def spread(answers, masks):
    count = len(answers)
    gaps = (answers[:, None] - answers[None]).abs().sum(dim=(0, 1))  # every pair twice
    mean = gaps.mean(dim=1) / (count * (count - 1))  # (B, H, W)
    return torch.stack([one[mask[0] > 0].mean() for one, mask in zip(mean, masks, strict=True)])


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Known pixels count.** In composites they are equal, so a small hole seems certain.


# %% tags=["mistake"] hint="whole-image"
def spread(answers, masks):
    count = len(answers)
    gaps = (answers[:, None] - answers[None]).abs().sum(dim=(0, 1))
    return gaps.mean(dim=(1, 2, 3)) / (count * (count - 1))


# %% [markdown] tags=["mistake"]
# **Each answer is compared with itself too.** With two answers the spread is then half of what it is.


# %% tags=["mistake"] hint="itself"
def spread(answers, masks):
    mean = (answers[:, None] - answers[None]).abs().mean(dim=(0, 1)).mean(dim=1, keepdim=True)
    return (mean * masks).sum(dim=(1, 2, 3)) / masks.sum(dim=(1, 2, 3))


# %% [markdown] tags=["mistake"]
# **The standard deviation.** Also a spread, but it cannot be compared with a mean absolute error.


# %% tags=["mistake"] hint="standard-deviation"
def spread(answers, masks):
    mean = answers.std(dim=0).mean(dim=1, keepdim=True)
    return (mean * masks).sum(dim=(1, 2, 3)) / masks.sum(dim=(1, 2, 3))


# %% [markdown]
# ### Exercise 14.7 (two stars). Which known pixels count
#
# Latent search trusts a known pixel more, the more missing ones are near it. Return the weights (14.12): for each known pixel, the
# share of missing pixels among its neighbours, that is, among the *other* pixels *inside the image* of the window of
# `window` x `window` pixels about it; zero for missing pixels; divided by their sum, so that it is 1 for each image.
#
# - In: `masks`, float32 (B, 1, H, W), 1 for missing; `window`, odd, at least 3. Some known pixel has a missing neighbour.
# - Out: float32 (B, 1, H, W).


# %%
def context_weights(masks: Tensor, window: int) -> Tensor:
    """The weights of known pixels, of sum 1 for each image: (B, 1, H, W) -> (B, 1, H, W)."""
    ### BEGIN SOLUTION
    ones = torch.ones(1, 1, window, window)
    missing = F.conv2d(masks, ones, padding=window // 2)
    neighbours = F.conv2d(torch.ones_like(masks), ones, padding=window // 2) - 1
    weights = (1 - masks) * missing / neighbours
    return weights / weights.sum(dim=(2, 3), keepdim=True)
    ### END SOLUTION


# %%
checks.context_weights(context_weights)

# %% [markdown] tags=["solution"]
# A convolution with ones counts. At a known pixel the window's own middle adds nothing to the missing ones, and one is taken
# from the number of pixels.


# %% tags=["alternative"]
def context_weights(masks, window):
    reach, found = window // 2, torch.zeros_like(masks)
    height, width = masks.shape[2:]
    for row in range(height):
        for column in range(width):
            rows = slice(max(0, row - reach), row + reach + 1)
            near = masks[:, 0, rows, max(0, column - reach) : column + reach + 1]
            share = near.sum(dim=(1, 2)) / (near[0].numel() - 1)
            found[:, 0, row, column] = share * (1 - masks[:, 0, row, column])
    return found / found.sum(dim=(1, 2, 3), keepdim=True)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Missing pixels count too.** The search then tries to agree with what the hidden image holds in its hole: grey.


# %% tags=["mistake"] hint="counts-missing"
def context_weights(masks, window):
    ones = torch.ones(1, 1, window, window)
    weights = F.conv2d(masks, ones, padding=window // 2)
    weights = weights / (F.conv2d(torch.ones_like(masks), ones, padding=window // 2) - 1)
    return weights / weights.sum(dim=(2, 3), keepdim=True)


# %% [markdown] tags=["mistake"]
# **The share of known neighbours.** The pixels far from the hole get the largest weights.


# %% tags=["mistake"] hint="inverted"
def context_weights(masks, window):
    ones = torch.ones(1, 1, window, window)
    known = F.conv2d(1 - masks, ones, padding=window // 2) - 1
    weights = (1 - masks) * known
    weights = weights / (F.conv2d(torch.ones_like(masks), ones, padding=window // 2) - 1)
    return weights / weights.sum(dim=(2, 3), keepdim=True)


# %% [markdown] tags=["mistake"]
# **Pixels that do not exist.** At the border a window has fewer pixels.


# %% tags=["mistake"] hint="border"
def context_weights(masks, window):
    ones = torch.ones(1, 1, window, window)
    weights = (1 - masks) * F.conv2d(masks, ones, padding=window // 2) / (window**2 - 1)
    return weights / weights.sum(dim=(2, 3), keepdim=True)


# %% [markdown] tags=["mistake"]
# **Not divided.** The context loss grows with the rim of the hole, and the prior matters less.


# %% tags=["mistake"] hint="not-normalised"
def context_weights(masks, window):
    ones = torch.ones(1, 1, window, window)
    missing = F.conv2d(masks, ones, padding=window // 2)
    neighbours = F.conv2d(torch.ones_like(masks), ones, padding=window // 2) - 1
    return (1 - masks) * missing / neighbours


# %% [markdown]
# ### Exercise 14.8 (two stars). What the search minimises
#
# Return (14.13) for each image: the weighted sum of absolute errors, of the mean over channels, plus
# $\lambda \|z\|^2 / (2 Z)$.
#
# - In: `generated` and `images`, float32 (B, C, H, W); `weights`, float32 (B, 1, H, W), zero at missing pixels; `z`, float32
#   (B, Z); `length`, the float $\lambda$. Missing pixels of `images` hold zeros.
# - Out: float32 (B,).


# %%
def search_loss(
    generated: Tensor, images: Tensor, weights: Tensor, z: Tensor, length: float
) -> Tensor:
    """Context loss plus prior of each search: (B,)."""
    ### BEGIN SOLUTION
    errors = (generated - images).abs().mean(dim=1, keepdim=True)  # (B, 1, H, W)
    context = (errors * weights).sum(dim=(1, 2, 3))
    return context + length * z.square().mean(dim=1) / 2
    ### END SOLUTION


# %%
checks.search_loss(search_loss)

# %% [markdown] tags=["solution"]
# The mean of the squared entries is $\|z\|^2 / Z$. The weights are zero in the hole, so what the image holds there does not matter.


# %% tags=["alternative"]
def search_loss(generated, images, weights, z, length):
    context = torch.einsum("bchw,bdhw->b", (generated - images).abs(), weights) / images.shape[1]
    return context + length * torch.linalg.vector_norm(z, dim=1) ** 2 / (2 * z.shape[1])


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The prior subtracted.** The search is rewarded for improbable latent vectors, and walks away.


# %% tags=["mistake"] hint="prior-sign"
def search_loss(generated, images, weights, z, length):
    errors = (generated - images).abs().mean(dim=1, keepdim=True)
    return (errors * weights).sum(dim=(1, 2, 3)) - length * z.square().mean(dim=1) / 2


# %% [markdown] tags=["mistake"]
# **No weights.** The search agrees with the grey of the hidden hole, as far as it can.


# %% tags=["mistake"] hint="no-weights"
def search_loss(generated, images, weights, z, length):
    errors = (generated - images).abs().mean(dim=(1, 2, 3))
    return errors + length * z.square().mean(dim=1) / 2


# %% [markdown] tags=["mistake"]
# **One loss for all.** The searches of a batch share nothing; each needs its own number to pick its best start by.


# %% tags=["mistake"] hint="pooled"
def search_loss(generated, images, weights, z, length):
    errors = (generated - images).abs().mean(dim=1, keepdim=True)
    loss = (errors * weights).sum(dim=(1, 2, 3)) + length * z.square().mean(dim=1) / 2
    return loss.mean().expand(len(images))
