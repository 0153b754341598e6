# %% [markdown]
# # Exercises 13. Inpainting
#
# Six exercises on the parts of [lesson 13](../notebooks/13_inpainting_with_cnns.ipynb).
#
# Put your own code where a cell says `raise NotImplementedError(...)`, run the cell, and then the
# cell below it, which begins with `checks.`. It tries your answer on inputs of its own. If
# something is wrong it says what your answer does and why that matters. The folder `solutions/`
# holds the same notebook with answers and with the usual mistakes.
#
# The letters are those of the lesson: B images a batch, C channels, H rows and W columns, K kernel
# size. Images are floats in [-1, 1]. A mask has one channel, and **1 means missing**, 0 known.

# %%
import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import lesson13 as checks

# %% [markdown]
# ### Exercise 13.1 (one star). An error over the hole
#
# Whoever compares two ways to fill a hole compares what they put into it. Return the masked L1 of
# each image, equation (13.3): the mean of $|a - x|$ over its missing pixels and all its channels.
#
# - In: `answers` and `images`, float32 (B, C, H, W); `masks`, float32 (B, 1, H, W), 1 for missing.
#   Every image has a hole, and the holes differ in size.
# - Out: float32 (B,).


# %%
def masked_l1(answers: Tensor, images: Tensor, masks: Tensor) -> Tensor:
    """Mean absolute error over missing pixels: (B, C, H, W) twice, (B, 1, H, W) -> (B,)."""
    ### BEGIN SOLUTION
    errors = (answers - images).abs() * masks
    return errors.sum(dim=(1, 2, 3)) / (images.shape[1] * masks.sum(dim=(1, 2, 3)))
    ### END SOLUTION


# %%
checks.masked_l1(masked_l1)

# %% [markdown] tags=["solution"]
# The sum of errors times mask leaves the missing pixels. It is divided by how many numbers that
# are: the mask counts pixels, and each has C channels. Another way is to pick the missing numbers of
# one image after the other and to take their mean.


# %% tags=["alternative"]
def masked_l1(answers, images, masks):
    return torch.stack(
        [
            (a - x)[m.bool().expand_as(x)].abs().mean()
            for a, x, m in zip(answers, images, masks, strict=True)
        ]
    )


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The mask the other way round.** Other programs write 1 for known. With their mask, or ours in their
# formula, the error is that of the pixels that were given.


# %% tags=["mistake"] hint="inverted"
def masked_l1(answers, images, masks):
    known = 1 - masks
    errors = (answers - images).abs() * known
    return errors.sum(dim=(1, 2, 3)) / (images.shape[1] * known.sum(dim=(1, 2, 3)))


# %% [markdown] tags=["mistake"]
# **Divided by the whole image.** The number falls with the hole, whatever fills it.


# %% tags=["mistake"] hint="whole-image"
def masked_l1(answers, images, masks):
    return ((answers - images).abs() * masks).mean(dim=(1, 2, 3))


# %% [markdown] tags=["mistake"]
# **Channels forgotten.** Right for grey images, three times too large in colour.


# %% tags=["mistake"] hint="channels"
def masked_l1(answers, images, masks):
    errors = (answers - images).abs() * masks
    return errors.sum(dim=(1, 2, 3)) / masks.sum(dim=(1, 2, 3))


# %% [markdown] tags=["mistake"]
# **One number for all.** A large hole then hides what happens in a small one.


# %% tags=["mistake"] hint="pooled"
def masked_l1(answers, images, masks):
    errors = (answers - images).abs() * masks
    return (errors.sum() / (images.shape[1] * masks.sum())).expand(len(images))


# %% [markdown]
# ### Exercise 13.2 (one star). The composite
#
# A method answers with a whole image. Show its answer where the image is missing and the image itself
# elsewhere, equation (13.2). Known pixels must come back to the last bit. A pixel that is not used
# must not matter, even if it holds NaN.
#
# - In: `answers` and `images`, float32 (B, C, H, W); `masks`, float32 (B, 1, H, W), 1 for missing.
# - Out: float32 (B, C, H, W).


# %%
def composite(answers: Tensor, images: Tensor, masks: Tensor) -> Tensor:
    """The answer in the hole, the image elsewhere: (B, C, H, W)."""
    ### BEGIN SOLUTION
    return torch.where(masks > 0, answers, images)
    ### END SOLUTION


# %%
checks.composite(composite)

# %% [markdown] tags=["solution"]
# A choice between two values copies one of them and does not look at the other. The product form of
# the equation is right for numbers, but $0 \cdot \mathrm{NaN}$ is NaN.


# %% tags=["alternative"]
def composite(answers, images, masks):
    result = images.clone()
    missing = masks.bool().expand_as(images)
    result[missing] = answers[missing]
    return result


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The mask the other way round.**


# %% tags=["mistake"] hint="inverted"
def composite(answers, images, masks):
    return torch.where(masks > 0, images, answers)


# %% [markdown] tags=["mistake"]
# **Forgotten.** Then the picture is blurred where nothing was missing, and a good fill looks bad.


# %% tags=["mistake"] hint="not-composited"
def composite(answers, images, masks):
    return answers


# %% [markdown] tags=["mistake"]
# **Products.** One NaN in a hole that nobody reads spoils the result.


# %% tags=["mistake"] hint="product"
def composite(answers, images, masks):
    return masks * answers + (1 - masks) * images


# %% [markdown]
# ### Exercise 13.3 (one star). What the network may see
#
# Make the input of a network that fills holes: the image with zeros in its hole, and after its C
# channels the mask. Nothing of what stands in the hole may be in it, not even if that is NaN.
#
# - In: `images`, float32 (B, C, H, W); `masks`, float32 (B, 1, H, W), 1 for missing.
# - Out: float32 (B, C + 1, H, W).


# %%
def network_input(images: Tensor, masks: Tensor) -> Tensor:
    """Hidden image and mask: (B, C, H, W), (B, 1, H, W) -> (B, C + 1, H, W)."""
    ### BEGIN SOLUTION
    hidden = torch.where(masks > 0, torch.zeros_like(images), images)
    return torch.cat([hidden, masks], dim=1)
    ### END SOLUTION


# %%
checks.network_input(network_input)

# %% [markdown] tags=["solution"]
# The mask is needed because 0 is also a grey level. Hiding by choice and not by product costs nothing
# and lets NaN be used as a test for leaks.


# %% tags=["alternative"]
def network_input(images, masks):
    missing = masks.bool()
    return torch.cat([images.masked_fill(missing, 0.0), masks], dim=1)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The answer leaks into the input.** The network can copy it, and has nothing else to learn.


# %% tags=["mistake"] hint="leak"
def network_input(images, masks):
    return torch.cat([images, masks], dim=1)


# %% [markdown] tags=["mistake"]
# **The mask the other way round.** The network sees the hole's content and nothing else.


# %% tags=["mistake"] hint="inverted"
def network_input(images, masks):
    return torch.cat([images * masks, masks], dim=1)


# %% [markdown] tags=["mistake"]
# **No mask.** A grey garment and a hole look the same.


# %% tags=["mistake"] hint="no-mask"
def network_input(images, masks):
    return torch.where(masks > 0, torch.zeros_like(images), images)


# %% [markdown]
# ### Exercise 13.4 (two stars). One step of diffusion
#
# The harmonic fill is where diffusion comes to rest. Write one step: every missing pixel becomes the
# mean of its neighbours above, below, left and right, as they were before the step. At the border it
# has only three neighbours, in a corner two; pixels outside the image do not exist. Known pixels stay
# as they are.
#
# - In: `state`, float32 (B, C, H, W); `masks`, float32 (B, 1, H, W), 1 for missing.
# - Out: the state after the step, float32 (B, C, H, W).


# %%
def diffuse(state: Tensor, masks: Tensor) -> Tensor:
    """One step of diffusion in the holes: (B, C, H, W), (B, 1, H, W) -> (B, C, H, W)."""

    ### BEGIN SOLUTION
    def neighbours(values: Tensor) -> Tensor:
        around = F.pad(values, (1, 1, 1, 1))  # zeros outside
        upright = around[..., 2:, 1:-1] + around[..., :-2, 1:-1]
        return upright + around[..., 1:-1, 2:] + around[..., 1:-1, :-2]

    mean = neighbours(state) / neighbours(torch.ones_like(state))
    return torch.where(masks > 0, mean, state)
    ### END SOLUTION


# %%
checks.diffuse(diffuse)

# %% [markdown] tags=["solution"]
# Zeros outside the image add nothing to the sum of the neighbours. The same sum over an image of ones
# says how many there are. A convolution with a cross-shaped kernel does the same.


# %% tags=["alternative"]
def diffuse(state, masks):
    channels = state.shape[1]
    cross = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    kernel = cross.expand(channels, 1, 3, 3)
    total = F.conv2d(state, kernel, padding=1, groups=channels)
    count = F.conv2d(torch.ones_like(state), kernel, padding=1, groups=channels)
    return torch.where(masks > 0, total / count, state)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Zeros at the border.** Grey flows in from outside, and a fill that touches the border is drawn to it.


# %% tags=["mistake"] hint="zero-border"
def diffuse(state, masks):
    around = F.pad(state, (1, 1, 1, 1))
    total = around[..., 2:, 1:-1] + around[..., :-2, 1:-1]
    total = total + around[..., 1:-1, 2:] + around[..., 1:-1, :-2]
    return torch.where(masks > 0, total / 4, state)


# %% [markdown] tags=["mistake"]
# **A ring.** `torch.roll` makes the last column a neighbour of the first.


# %% tags=["mistake"] hint="wrapped"
def diffuse(state, masks):
    turned = [state.roll(shift, axis) for shift in (1, -1) for axis in (2, 3)]
    return torch.where(masks > 0, sum(turned) / 4, state)


# %% [markdown] tags=["mistake"]
# **Known pixels diffuse too.** Nothing holds the image any more.


# %% tags=["mistake"] hint="known-changed"
def diffuse(state, masks):
    around = F.pad(state, (1, 1, 1, 1), mode="replicate")
    total = around[..., 2:, 1:-1] + around[..., :-2, 1:-1]
    return (total + around[..., 1:-1, 2:] + around[..., 1:-1, :-2]) / 4


# %% [markdown]
# ### Exercise 13.5 (two stars). The best linear answer
#
# All pixels of an image together are a vector $x$ of length P, here with mean $\mu$ and covariance
# $\Sigma$. Fill the missing ones with their conditional mean, equation (13.9),
# $\mu_h + \Sigma_{hk} \Sigma_{kk}^{-1} (x_k - \mu_k)$, where $h$ are the missing and $k$ the known places.
#
# - In: `mean`, float64 (P,); `covariance`, float64 (P, P), invertible; `x`, float64 (P,); `mask`, float64
#   (P,), 1 for missing. Some pixels are missing and some are known.
# - Out: float64 (P,): known pixels as they are, missing ones filled.


# %%
def conditional_mean(mean: Tensor, covariance: Tensor, x: Tensor, mask: Tensor) -> Tensor:
    """Fill the missing entries of a Gaussian vector: (P,), (P, P), (P,), (P,) -> (P,)."""
    ### BEGIN SOLUTION
    missing, known = mask > 0, mask == 0
    moved = torch.linalg.solve(covariance[known][:, known], x[known] - mean[known])
    filled = x.clone()
    filled[missing] = mean[missing] + covariance[missing][:, known] @ moved
    return filled
    ### END SOLUTION


# %%
checks.conditional_mean(conditional_mean)

# %% [markdown] tags=["solution"]
# Solving a linear system is faster and loses fewer digits than the inverse. The known pixels' distance
# from their mean is divided by their own covariance first: neighbours that nearly always agree then share one
# vote.


# %% tags=["alternative"]
def conditional_mean(mean, covariance, x, mask):
    h, k = mask.nonzero()[:, 0], (1 - mask).nonzero()[:, 0]
    gain = covariance[h[:, None], k] @ torch.linalg.inv(covariance[k[:, None], k])
    return x.index_copy(0, h, mean[h] + gain @ (x[k] - mean[k]))


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Not centred.** Right only if the mean is zero.


# %% tags=["mistake"] hint="uncentred"
def conditional_mean(mean, covariance, x, mask):
    missing, known = mask > 0, mask == 0
    moved = torch.linalg.solve(covariance[known][:, known], x[known])
    filled = x.clone()
    filled[missing] = mean[missing] + covariance[missing][:, known] @ moved
    return filled


# %% [markdown] tags=["mistake"]
# **No inverse.** Each known pixel votes as if it were the only one and had variance 1.


# %% tags=["mistake"] hint="not-inverted"
def conditional_mean(mean, covariance, x, mask):
    missing, known = mask > 0, mask == 0
    filled = x.clone()
    filled[missing] = mean[missing] + covariance[missing][:, known] @ (x[known] - mean[known])
    return filled


# %% [markdown] tags=["mistake"]
# **The mean itself.** It is the best answer to whoever knows nothing.


# %% tags=["mistake"] hint="only-mean"
def conditional_mean(mean, covariance, x, mask):
    return torch.where(mask > 0, mean, x)


# %% [markdown]
# ### Exercise 13.6 (three stars). A partial convolution
#
# Write the layer of equations (13.10) and (13.11) for a kernel of 3 x 3, stride 1 and padding 1. Outside
# the image nothing is known. Where a window holds nothing known, the features are zero, without bias.
#
# - In: `x`, float32 (B, C, H, W); `known`, float32 (B, 1, H, W), **1 where x is known** (the mask's
#   opposite); `weight`, float32 (D, C, 3, 3), for D features; `bias`, float32 (D,).
# - Out: the features, float32 (B, D, H, W), and what is known of them, float32 (B, 1, H, W), 0 or 1.


# %%
def partial_convolution(
    x: Tensor, known: Tensor, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Features and what is known of them: (B, D, H, W) and (B, 1, H, W)."""
    ### BEGIN SOLUTION
    count = F.conv2d(known, torch.ones(1, 1, 3, 3), padding=1)  # known pixels in each window
    now = (count > 0).float()
    sums = F.conv2d(x * known, weight, padding=1)
    features = sums * 9 / count.clamp(min=1) + bias[:, None, None]
    return features * now, now
    ### END SOLUTION


# %%
checks.partial_convolution(partial_convolution)

# %% [markdown] tags=["solution"]
# A convolution with ones counts the known pixels of each window. Where it counts none the division is
# kept from failing and the product with `now` gives the zero that is asked for. The largest value of a
# window says the same as its count.


# %% tags=["alternative"]
def partial_convolution(x, known, weight, bias):
    now = F.max_pool2d(known, 3, stride=1, padding=1)
    windows = F.unfold(x * known, 3, padding=1)  # (B, 9 C, H W)
    sums = (weight.flatten(1) @ windows).unflatten(2, x.shape[2:])
    share = 9 * F.avg_pool2d(known, 3, stride=1, padding=1)
    scaled = torch.where(now > 0, sums * 9 / share, torch.zeros(()))
    return torch.where(now > 0, scaled + bias.view(1, -1, 1, 1), torch.zeros(())), now


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **No factor.** Near a hole fewer terms are added up, so even a constant image shows a rim.


# %% tags=["mistake"] hint="no-scale"
def partial_convolution(x, known, weight, bias):
    now = F.max_pool2d(known, 3, stride=1, padding=1)
    return F.conv2d(x * known, weight, bias, padding=1) * now, now


# %% [markdown] tags=["mistake"]
# **The bias is scaled too.** It stands for no pixel.


# %% tags=["mistake"] hint="bias-scaled"
def partial_convolution(x, known, weight, bias):
    count = F.conv2d(known, torch.ones(1, 1, 3, 3), padding=1)
    now = (count > 0).float()
    return F.conv2d(x * known, weight, bias, padding=1) * 9 / count.clamp(min=1) * now, now


# %% [markdown] tags=["mistake"]
# **What is known does not grow.** After ten layers the hole is as large as before.


# %% tags=["mistake"] hint="mask-stale"
def partial_convolution(x, known, weight, bias):
    count = F.conv2d(known, torch.ones(1, 1, 3, 3), padding=1)
    features = F.conv2d(x * known, weight, padding=1) * 9 / count.clamp(min=1)
    return (features + bias[:, None, None]) * (count > 0), known


# %% [markdown] tags=["mistake"]
# **The hole is not hidden.** The scale is right, the sum is not.


# %% tags=["mistake"] hint="not-hidden"
def partial_convolution(x, known, weight, bias):
    count = F.conv2d(known, torch.ones(1, 1, 3, 3), padding=1)
    now = (count > 0).float()
    features = F.conv2d(x, weight, padding=1) * 9 / count.clamp(min=1)
    return (features + bias[:, None, None]) * now, now
