# %% [markdown]
# # Exercises 04. Building a CNN
#
# Eight exercises on the parts of [lesson 04](../notebooks/04_building_a_cnn.ipynb): what a network
# is trained for and judged by, how it begins, what it sees, and the layer that keeps it in shape.
#
# Put your own code where a cell says `raise NotImplementedError(...)`, run the cell, and then the
# cell below it, which begins with `checks.`. It tries your function on inputs of its own. If
# something is wrong it says what your function does and why that matters.
# [Lesson 00](00_start_here.ipynb) explains how exercises work. No exercise needs another one. The folder
# `solutions/` holds the same notebook with answers and with the usual mistakes.
#
# B counts images, C channels, H rows and W columns. O are output channels, K is a kernel size, S a
# stride, D a dilation and G a number of groups. L is the loss. Classes and places are counted from
# 0. Tensors of real numbers are float64, unless the exercise says otherwise.

# %%
import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks import lesson04 as checks

# %% [markdown]
# ### Exercise 4.1 (one star). Cross-entropy
#
# A network answers an image with one number for each class, the logits $z_0, z_1, \dots$. Softmax
# makes probabilities of them, and the loss of one image is minus the natural logarithm of the
# probability of its own class t:
#
# $$ p_k = \frac{e^{z_k}}{\sum_m e^{z_m}}, \qquad \ell = -\ln p_t. $$
#
# Return the mean of this loss over a batch. Logits may be as large as 1000 and as small as -1000,
# also both in one batch, and the result must be right there too. In float64 $e^{1000}$ is infinite,
# and $e^{-1000}$ is zero.
#
# - In: `logits`, shape (B, classes), any numbers from -1000 to 1000; `labels`, shape (B,), int64,
#   from 0 to classes - 1. Do not change them.
# - Out: a tensor of shape (), the mean loss in nats, at least 0.
#
# Write it without `F.cross_entropy` and `log_softmax`, which do it for you.


# %%
def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean of -ln p over a batch: (B, classes), (B,) -> ()."""
    ### BEGIN SOLUTION
    shifted = logits - logits.amax(dim=1, keepdim=True)  # (B, classes), at most 0
    log_p = shifted - shifted.exp().sum(dim=1, keepdim=True).log()
    return -log_p[torch.arange(len(labels)), labels].mean()
    ### END SOLUTION


# %%
checks.cross_entropy(cross_entropy)

# %% [markdown] tags=["solution"]
# The logarithm of the quotient is $z_t - \ln \sum_m e^{z_m}$. Adding a number to all logits of an
# image changes nothing, so its largest logit may be subtracted. Then no exponential is larger than
# 1, and one of them is exactly 1: the sum neither overflows nor vanishes.
#
# `torch.logsumexp` does the same inside, and is a smooth maximum. The loss is the distance from the
# logit of the right class up to it.


# %% tags=["alternative"]
def cross_entropy(logits, labels):
    right = logits.gather(1, labels[:, None])[:, 0]  # (B,)
    return (logits.logsumexp(dim=1) - right).mean()


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The formula as it stands.** It is right until a logit passes 709, or in float32 88.


# %% tags=["mistake"] hint="overflow"
def cross_entropy(logits, labels):
    p = logits.exp() / logits.exp().sum(dim=1, keepdim=True)
    return -p[torch.arange(len(labels)), labels].log().mean()


# %% [markdown] tags=["mistake"]
# **The maximum of the whole batch.** A row that lies far below the largest is all zeros after the
# exponential.


# %% tags=["mistake"] hint="batch-maximum"
def cross_entropy(logits, labels):
    shifted = logits - logits.max()
    log_p = shifted - shifted.exp().sum(dim=1, keepdim=True).log()
    return -log_p[torch.arange(len(labels)), labels].mean()


# %% [markdown] tags=["mistake"]
# **The logarithm of softmax.** torch's softmax is stable. Its result can still be zero, and there
# the logarithm is infinite.


# %% tags=["mistake"] hint="log-of-zero"
def cross_entropy(logits, labels):
    p = logits.softmax(dim=1)
    return -p[torch.arange(len(labels)), labels].log().mean()


# %% [markdown] tags=["mistake"]
# **A small number added.** The loss is finite now. It stops at 28, and with it the gradient.


# %% tags=["mistake"] hint="clamped"
def cross_entropy(logits, labels):
    p = logits.softmax(dim=1)
    return -(p[torch.arange(len(labels)), labels] + 1e-12).log().mean()


# %% [markdown] tags=["mistake"]
# **The sum.** Twice the batch is twice the loss, and twice the step.


# %% tags=["mistake"] hint="sum"
def cross_entropy(logits, labels):
    right = logits.gather(1, labels[:, None])[:, 0]
    return (logits.logsumexp(dim=1) - right).sum()


# %% [markdown] tags=["mistake"]
# **No logarithm.** The mean probability of being wrong. Its gradient vanishes where the network is
# sure and wrong.


# %% tags=["mistake"] hint="no-logarithm"
def cross_entropy(logits, labels):
    p = logits.softmax(dim=1)
    return (1 - p[torch.arange(len(labels)), labels]).mean()


# %% [markdown] tags=["mistake"]
# **Bits instead of nats.** A right number in another unit.


# %% tags=["mistake"] hint="base"
def cross_entropy(logits, labels):
    p = logits.softmax(dim=1)
    return -p[torch.arange(len(labels)), labels].log2().mean()


# %% [markdown] tags=["mistake"]
# **Softmax twice.** Probabilities were put in where logits are asked for. No loss falls below
# $\ln(1 + (n - 1)/e)$ for n classes then, however good the network is.


# %% tags=["mistake"] hint="softmax-twice"
def cross_entropy(logits, labels):
    p = logits.softmax(dim=1)
    return (p.logsumexp(dim=1) - p.gather(1, labels[:, None])[:, 0]).mean()


# %% [markdown]
# ### Exercise 4.2 (one star). The confusion matrix
#
# One number says how often a classifier is right, and a table says what it takes for what. In row r
# and column c stands how many images of the true class r were predicted as class c. Return it.
#
# - In: `predicted` and `labels`, both of shape (N,), int64, from 0 to classes - 1; `classes`, an
#   integer, at least 1. Some classes may occur in neither. Do not change the tensors.
# - Out: shape (classes, classes), int64. The sum of all entries is N.


# %%
def confusion(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Counts of (true class, predicted class): (N,), (N,) -> (classes, classes)."""
    ### BEGIN SOLUTION
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    for row, column in zip(labels, predicted, strict=True):
        matrix[row, column] += 1
    return matrix
    ### END SOLUTION


# %%
checks.confusion(confusion)

# %% [markdown] tags=["solution"]
# The second answer is faster for many images. It gives each pair one number, as the entries of a
# matrix have one in memory, and counts the numbers. `minlength` keeps the places of pairs that
# never occur.


# %% tags=["alternative"]
def confusion(predicted, labels, classes):
    pairs = labels * classes + predicted
    return torch.bincount(pairs, minlength=classes**2).view(classes, classes)


# %% tags=["alternative"]
def confusion(predicted, labels, classes):
    return F.one_hot(labels, classes).T @ F.one_hot(predicted, classes)


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Transposed.** Everything looks as it should, and every conclusion is turned round.


# %% tags=["mistake"] hint="transposed"
def confusion(predicted, labels, classes):
    pairs = predicted * classes + labels
    return torch.bincount(pairs, minlength=classes**2).view(classes, classes)


# %% [markdown] tags=["mistake"]
# **Written once.** An index with repetitions on the left of `+=` counts each pair once. For this
# purpose torch has `index_put_(..., accumulate=True)`.


# %% tags=["mistake"] hint="overwritten"
def confusion(predicted, labels, classes):
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    matrix[labels, predicted] += 1
    return matrix


# %% [markdown] tags=["mistake"]
# **Shares.** Each row adds up to one. How many images a row rests on is lost, and a row without
# images is 0/0.


# %% tags=["mistake"] hint="shares"
def confusion(predicted, labels, classes):
    counts = F.one_hot(labels, classes).T @ F.one_hot(predicted, classes)
    return counts / counts.sum(dim=1, keepdim=True)


# %% [markdown] tags=["mistake"]
# **Only the classes that occur.** Row 2 then is the third class that happened to be there.


# %% tags=["mistake"] hint="missing-classes"
def confusion(predicted, labels, classes):
    occurring = torch.unique(torch.cat([labels, predicted]))
    rows = labels[:, None] == occurring
    columns = predicted[:, None] == occurring
    return rows.long().T @ columns.long()


# %% [markdown] tags=["mistake"]
# **No `minlength`.** `bincount` ends with the largest pair that occurs, and the table is full only
# if the last class was predicted for the last class.


# %% tags=["mistake"] hint="missing-classes"
def confusion(predicted, labels, classes):
    return torch.bincount(labels * classes + predicted).view(classes, classes)


# %% [markdown]
# ### Exercise 4.3 (two stars). The size of the first weights
#
# A layer adds up n products of a weight and an input. Let the weights be independent of each other
# and of the inputs x, and distributed symmetrically about 0. Then the sum z is symmetric about 0
# too, and $\mathrm{Var}\, z = n\, \mathrm{Var}(w)\, \mathbb{E}[x^2]$. Between two layers stands a
# ReLU, max(0, z), and there is no bias. Return the standard deviation of the weights with which
# $\mathbb{E}[x^2]$ is the same before every layer.
#
# - In: `shape`, a tuple of integers, the shape of the layer's weight. It is (O, I) for a fully
#   connected layer with I inputs and O outputs, as in `nn.Linear`. It is (O, C/G, K, K) for a
#   convolution, as in `nn.Conv2d`: each output channel sees C/G of the C input channels.
# - Out: a float, larger than 0.


# %%
def he_std(shape: tuple[int, ...]) -> float:
    """Standard deviation of a layer's first weights, for ReLU layers, forward."""
    ### BEGIN SOLUTION
    n = math.prod(shape[1:])
    return math.sqrt(2 / n)
    ### END SOLUTION


# %%
checks.he_std(he_std)

# %% [markdown] tags=["solution"]
# One output adds up n terms: its weights are all but the first axis of the tensor. ReLU sets one
# half of a symmetric distribution to zero, so the next layer gets $\mathbb{E}[x^2] =
# \mathrm{Var}(z) / 2$. Both together ask for $n\, \mathrm{Var}(w) / 2 = 1$.
#
# The second answer lets torch count. On the meta device a tensor has a shape and no numbers, and
# its rows are as long as n.


# %% tags=["alternative"]
def he_std(shape):
    n = torch.empty(shape, device="meta").flatten(1).shape[1]
    return nn.init.calculate_gain("relu") / n**0.5


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The outputs counted.** He and others derive this one too, for the gradients on their way back.
# Where a layer has as many outputs as inputs nobody notices.


# %% tags=["mistake"] hint="fan-out"
def he_std(shape):
    return math.sqrt(2 / (shape[0] * math.prod(shape[2:])))


# %% [markdown] tags=["mistake"]
# **The kernel forgotten.** Right for fully connected layers. With kernels of 3 by 3 the mean square
# grows ninefold in each layer.


# %% tags=["mistake"] hint="kernel-area"
def he_std(shape):
    return math.sqrt(2 / shape[1])


# %% [markdown] tags=["mistake"]
# **The variance.** For n = 2 it would be right.


# %% tags=["mistake"] hint="variance"
def he_std(shape):
    return 2 / math.prod(shape[1:])


# %% [markdown] tags=["mistake"]
# **Glorot's formula.** A compromise between both directions, derived for layers that pass small
# numbers on as they are.


# %% tags=["mistake"] hint="glorot"
def he_std(shape):
    area = math.prod(shape[2:])
    return math.sqrt(2 / (shape[1] * area + shape[0] * area))


# %% [markdown] tags=["mistake"]
# **ReLU forgotten.** With each layer the mean square is halved. After 20 layers a millionth is
# left.


# %% tags=["mistake"] hint="linear"
def he_std(shape):
    return math.sqrt(1 / math.prod(shape[1:]))


# %% [markdown] tags=["mistake"]
# **torch's default.** `kaiming_uniform_` is called there with a slope that was chosen so that an
# older formula comes out: a sixth of the variance that ReLU needs.


# %% tags=["mistake"] hint="torch-default"
def he_std(shape):
    return math.sqrt(1 / (3 * math.prod(shape[1:])))


# %% [markdown] tags=["mistake"]
# **All weights counted.** The other outputs' weights do not enter the sum.


# %% tags=["mistake"] hint="all-weights"
def he_std(shape):
    return math.sqrt(2 / math.prod(shape))


# %% [markdown]
# ### Exercise 4.4 (two stars). The receptive field
#
# Which part of the image can one number of a deep layer depend on? Convolutions and poolings stand
# one after the other, each with a kernel size K, a stride S and a dilation D. A place of a layer's
# map sees K places of the map below, D apart, and the next place begins S places further on. Follow
# one direction, along a line of pixels. Return for the last map
#
# - its size: the number of pixels from the first to the last that one place depends on. Both
#   count, and so do pixels between them that a stride or a dilation leaves out;
# - its jump: by how many pixels this stretch moves from one place to the next.
#
# Take the line to be so long that no border matters.
#
# - In: `layers`, a list of tuples (K, S, D), integers, at least 1, in order from the image on. The
#   list may be empty: a place is a pixel then, with size 1 and jump 1.
# - Out: (size, jump), two integers.


# %%
def receptive_field(layers: list[tuple[int, int, int]]) -> tuple[int, int]:
    """(size, jump) in pixels of one place after all layers."""
    ### BEGIN SOLUTION
    size, jump = 1, 1
    for K, S, D in layers:
        size += D * (K - 1) * jump
        jump *= S
    return size, jump
    ### END SOLUTION


# %%
checks.receptive_field(receptive_field)

# %% [markdown] tags=["solution"]
# Neighbours on the map below lie a jump apart in the image. The K places that a kernel meets have
# $D (K - 1)$ steps between the first and the last, and each is a jump long. The layer's own stride
# comes afterwards: it spreads the windows of the next layer.
#
# The second answer goes down from the last map. One place needs $D (K - 1) + 1$ below it; n
# neighbours need $S (n - 1)$ more. Two neighbours, taken down as well, show the jump.


# %% tags=["alternative"]
def receptive_field(layers):
    one, two = 1, 2
    for K, S, D in reversed(layers):
        one, two = (S * (n - 1) + D * (K - 1) + 1 for n in (one, two))
    return one, two - one


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Multiplied.** As if the windows of neighbours did not overlap.


# %% tags=["mistake"] hint="multiplied"
def receptive_field(layers):
    size, jump = 1, 1
    for K, S, D in layers:
        size *= D * (K - 1) + 1
        jump *= S
    return size, jump


# %% [markdown] tags=["mistake"]
# **Without the jump.** Right as long as all strides are 1. It hides why poolings make fields grow
# so fast.


# %% tags=["mistake"] hint="no-jump"
def receptive_field(layers):
    size, jump = 1, 1
    for K, S, D in layers:
        size += D * (K - 1)
        jump *= S
    return size, jump


# %% [markdown] tags=["mistake"]
# **The layer's own stride.** Two lines have changed places.


# %% tags=["mistake"] hint="own-stride"
def receptive_field(layers):
    size, jump = 1, 1
    for K, S, D in layers:
        jump *= S
        size += D * (K - 1) * jump
    return size, jump


# %% [markdown] tags=["mistake"]
# **Without dilation.** Three kernels of 3 with dilations 1, 2 and 4 see 15 pixels, not 7.


# %% tags=["mistake"] hint="no-dilation"
def receptive_field(layers):
    size, jump = 1, 1
    for K, S, _ in layers:
        size += (K - 1) * jump
        jump *= S
    return size, jump


# %% [markdown] tags=["mistake"]
# **The wrong order.** This rule of the second answer begins at the last layer. Here it begins at
# the first.


# %% tags=["mistake"] hint="order"
def receptive_field(layers):
    size, jump = 1, 1
    for K, S, D in layers:
        size = S * (size - 1) + D * (K - 1) + 1
        jump *= S
    return size, jump


# %% [markdown] tags=["mistake"]
# **The jump of the last layer only.** Its stride counts places of the map below, not pixels.


# %% tags=["mistake"] hint="jump-of-last"
def receptive_field(layers):
    size, jump, S = 1, 1, 1
    for K, S, D in layers:
        size += D * (K - 1) * jump
        jump *= S
    return size, S


# %% [markdown]
# ### Exercise 4.5 (two stars). Batch normalisation
#
# In each channel c, batch normalisation subtracts a mean, divides by a root, and gives the result a
# scale and an offset of its own:
#
# $$ y_{b,c,i,j} = \gamma_c\, \frac{x_{b,c,i,j} - \mu_c}{\sqrt{v_c + \varepsilon}} + \beta_c. $$
#
# In training mode, $\mu_c$ and $v_c$ are the mean and the variance of the N = B H W numbers that
# the channel has in this batch, and the variance divides by N. Each call also moves two buffers, in
# place: `running_mean` becomes (1 - momentum) times itself plus momentum times $\mu_c$, and
# `running_var` the same with this batch's variance. For the buffer, that variance divides by N - 1.
#
# In evaluation mode, $\mu_c$ and $v_c$ are the two buffers, and they stay as they are.
#
# - In: `x`, shape (B, C, H, W), with N at least 2; `gamma`, `beta`, `running_mean`, `running_var`,
#   shape (C,); `training`, True or False; `momentum`, between 0 and 1; `eps`, larger than 0. Do not
#   change x, gamma and beta. In training mode change the buffers.
# - Out: y, shape (B, C, H, W).
#
# Write it without `F.batch_norm` and without layers of `torch.nn`.


# %%
def batch_norm(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
    momentum: float,
    eps: float,
) -> Tensor:
    """Normalise each channel: (B, C, H, W) -> (B, C, H, W); updates the buffers in training."""
    ### BEGIN SOLUTION
    mean, var = running_mean, running_var
    if training:
        N = x.numel() // x.shape[1]
        mean = x.mean(dim=(0, 2, 3))  # (C,)
        var = x.var(dim=(0, 2, 3), unbiased=False)
        with torch.no_grad():
            running_mean.mul_(1 - momentum).add_(momentum * mean)
            running_var.mul_(1 - momentum).add_(momentum * var * N / (N - 1))
    scale = gamma / (var + eps).sqrt()
    return scale[:, None, None] * (x - mean[:, None, None]) + beta[:, None, None]
    ### END SOLUTION


# %%
checks.batch_norm(batch_norm)

# %% [markdown] tags=["solution"]
# Statistics over the axes 0, 2 and 3 leave one number for each channel. `[:, None, None]` puts them
# where broadcasting finds the channel axis. The buffers change by methods that end in `_`, so that
# the caller's tensors change, and outside the graph: they are no part of what is learned.
#
# The second answer has the channels in front, as rows of a matrix, and `lerp_`, which moves a
# tensor towards another by a share. In evaluation mode the layer is one multiplication and one
# addition for each channel. Exercise 4.8 makes use of it.


# %% tags=["alternative"]
def batch_norm(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    rows = x.transpose(0, 1).flatten(1)  # (C, B H W)
    if training:
        mean, var = rows.mean(dim=1), rows.var(dim=1, unbiased=False)
        with torch.no_grad():
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(rows.var(dim=1), momentum)
    else:
        mean, var = running_mean, running_var
    slope = gamma * torch.rsqrt(var + eps)
    offset = beta - slope * mean
    return torch.einsum("bchw,c->bchw", x, slope) + offset.view(1, -1, 1, 1)


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Statistics of each image.** That is instance normalisation. It is wanted where each picture has
# its own contrast, as in style transfer.


# %% tags=["mistake"] hint="instance"
def batch_norm(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    mean, var = x.mean((2, 3), keepdim=True), x.var((2, 3), unbiased=False, keepdim=True)
    return gamma[:, None, None] * (x - mean) / (var + eps).sqrt() + beta[:, None, None]


# %% [markdown] tags=["mistake"]
# **Statistics over the batch only.** Right for fully connected layers, whose axes are image and
# feature. In a map each pixel would get a normalisation of its own.


# %% tags=["mistake"] hint="batch-only"
def batch_norm(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    mean, var = x.mean(0), x.var(0, unbiased=False)
    return gamma[:, None, None] * (x - mean) / (var + eps).sqrt() + beta[:, None, None]


# %% [markdown] tags=["mistake"]
# **N - 1 in the normalisation.** `x.var` divides by N - 1 unless it is told otherwise.


# %% tags=["mistake"] hint="unbiased"
def batch_norm(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    mean, var = running_mean, running_var
    if training:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var, momentum)
    scale = gamma / (var + eps).sqrt()
    return scale[:, None, None] * (x - mean[:, None, None]) + beta[:, None, None]


# %% [markdown] tags=["mistake"]
# **N in the buffer.** The formula of the paper's training step, used for both.


# %% tags=["mistake"] hint="biased-running"
def batch_norm(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    mean, var = running_mean, running_var
    if training:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(var, momentum)
    scale = gamma / (var + eps).sqrt()
    return scale[:, None, None] * (x - mean[:, None, None]) + beta[:, None, None]


# %% [markdown] tags=["mistake"]
# **Momentum the wrong way round.** With the usual 0.1 the buffers hold little more than the last
# batch.


# %% tags=["mistake"] hint="momentum"
def batch_norm(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    mean, var = running_mean, running_var
    if training:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        running_mean.lerp_(mean, 1 - momentum)
        running_var.lerp_(x.var((0, 2, 3)), 1 - momentum)
    scale = gamma / (var + eps).sqrt()
    return scale[:, None, None] * (x - mean[:, None, None]) + beta[:, None, None]


# %% [markdown] tags=["mistake"]
# **eps outside the root.** For a channel of variance 0, the root's slope is infinite, and its
# gradient NaN.


# %% tags=["mistake"] hint="eps-outside"
def batch_norm(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    mean, var = running_mean, running_var
    if training:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(x.var((0, 2, 3)), momentum)
    scale = gamma / (var.sqrt() + eps)
    return scale[:, None, None] * (x - mean[:, None, None]) + beta[:, None, None]


# %% [markdown] tags=["mistake"]
# **New names instead of new values.** The function's own variables are updated. The caller's
# buffers keep the values of the first day, and evaluation is wrong.


# %% tags=["mistake"] hint="not-updated"
def batch_norm(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    mean, var = running_mean, running_var
    if training:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * x.var((0, 2, 3))
    scale = gamma / (var + eps).sqrt()
    return scale[:, None, None] * (x - mean[:, None, None]) + beta[:, None, None]


# %% [markdown] tags=["mistake"]
# **The batch in evaluation mode.** The condition covers the update only.


# %% tags=["mistake"] hint="batch-in-evaluation"
def batch_norm(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
    if training:
        running_mean.lerp_(mean, momentum)
        running_var.lerp_(x.var((0, 2, 3)), momentum)
    scale = gamma / (var + eps).sqrt()
    return scale[:, None, None] * (x - mean[:, None, None]) + beta[:, None, None]


# %% [markdown] tags=["mistake"]
# **Buffers that move in evaluation mode.** The condition covers everything but the update. The
# outputs are right the first time.


# %% tags=["mistake"] hint="updated-in-evaluation"
def batch_norm(x, gamma, beta, running_mean, running_var, training, momentum, eps):
    mean, var = running_mean.clone(), running_var.clone()
    if training:
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
    running_mean.lerp_(x.mean((0, 2, 3)), momentum)
    running_var.lerp_(x.var((0, 2, 3)), momentum)
    scale = gamma / (var + eps).sqrt()
    return scale[:, None, None] * (x - mean[:, None, None]) + beta[:, None, None]


# %% [markdown]
# ### Exercise 4.6 (three stars). Batch normalisation, backwards
#
# In training mode each channel c is normalised by its own mean and variance over the N = B H W
# numbers that it has in the batch:
#
# $$ \mu_c = \frac{1}{N} \sum_{b,i,j} x_{b,c,i,j}, \qquad
# v_c = \frac{1}{N} \sum_{b,i,j} (x_{b,c,i,j} - \mu_c)^2, \qquad
# \hat{x}_{b,c,i,j} = \frac{x_{b,c,i,j} - \mu_c}{\sqrt{v_c + \varepsilon}}, \qquad
# y = \gamma_c\, \hat{x} + \beta_c. $$
#
# Return the gradients of the loss with respect to x, $\gamma$ and $\beta$. A number of x reaches the
# loss in three ways: by itself, through the mean and through the variance.
#
# - In: `g`, shape (B, C, H, W): $\partial L / \partial y$; `x`, shape (B, C, H, W); `gamma`, shape
#   (C,), no entry zero; `eps`, larger than 0. N is at least 2. Do not change the tensors.
# - Out: `dx`, shape (B, C, H, W); `dgamma` and `dbeta`, shape (C,), in this order.
#
# Let torch compute no gradient: no autograd.


# %%
def batch_norm_backward(
    g: Tensor, x: Tensor, gamma: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """(B, C, H, W), (B, C, H, W), (C,), eps -> dL / dx, dL / dgamma, dL / dbeta."""
    ### BEGIN SOLUTION
    channel = (0, 2, 3)
    centred = x - x.mean(dim=channel, keepdim=True)
    root = ((centred**2).mean(dim=channel, keepdim=True) + eps).sqrt()  # (1, C, 1, 1)
    x_hat = centred / root
    dgamma, dbeta = (g * x_hat).sum(dim=channel), g.sum(dim=channel)
    N = g.numel() // len(gamma)
    through_mean = dbeta[:, None, None] / N
    through_var = x_hat * dgamma[:, None, None] / N
    dx = gamma[:, None, None] / root * (g - through_mean - through_var)
    return dx, dgamma, dbeta
    ### END SOLUTION


# %%
checks.batch_norm_backward(batch_norm_backward)

# %% [markdown] tags=["solution"]
# In one channel, with the numbers counted by n and m, $r = \sqrt{v + \varepsilon}$ and $h = \gamma
# g$ for $\partial L / \partial \hat{x}$:
#
# $$ \frac{\partial \hat{x}_m}{\partial x_n} =
# \frac{1}{r} \left( [m = n] - \frac{1}{N} - \frac{\hat{x}_m \hat{x}_n}{N} \right). $$
#
# The first term is the number itself, the second the mean, the third the root, because
# $\partial r / \partial x_n = (x_n - \mu) / (N r) = \hat{x}_n / N$. The chain rule multiplies by
# $h_m$ and adds up over m. Both sums have been computed already: without $\gamma$ they are dbeta
# and dgamma.
#
# The second answer goes back through the forward pass step by step, as autograd does. It is longer,
# and no formula has to be found for it.


# %% tags=["alternative"]
def batch_norm_backward(g, x, gamma, eps):
    x, g = x.transpose(0, 1), g.transpose(0, 1)  # (C, B, H, W)
    shape, N = x.shape, x[0].numel()
    x, g = x.flatten(1), g.flatten(1)  # (C, N)
    centred = x - x.mean(dim=1, keepdim=True)
    var = (centred**2).mean(dim=1, keepdim=True)
    root = (var + eps).sqrt()
    d_hat = g * gamma[:, None]  # y = gamma x_hat + beta
    d_centred = d_hat / root  # x_hat = centred / root
    d_root = -(d_hat * centred / root**2).sum(dim=1, keepdim=True)
    d_var = d_root / (2 * root)
    d_centred = d_centred + d_var * 2 * centred / N
    dx = d_centred - d_centred.sum(dim=1, keepdim=True) / N  # centred = x - mean
    dgamma, dbeta = (g * centred / root).sum(dim=1), g.sum(dim=1)
    return dx.view(shape).transpose(0, 1), dgamma, dbeta


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Statistics taken for constants.** That is the gradient in evaluation mode. The true one adds up
# to zero in each channel: a shift of all inputs changes nothing.


# %% tags=["mistake"] hint="constants"
def batch_norm_backward(g, x, gamma, eps):
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    x_hat = (x - mean) / (var + eps).sqrt()
    dx = gamma[:, None, None] / (var + eps).sqrt() * g
    return dx, (g * x_hat).sum((0, 2, 3)), g.sum((0, 2, 3))


# %% [markdown] tags=["mistake"]
# **The variance's term is missing.** The result adds up to zero as it should. A common factor on the
# centred inputs changes next to nothing either, and this result does not know it.


# %% tags=["mistake"] hint="variance-term"
def batch_norm_backward(g, x, gamma, eps):
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    x_hat = (x - mean) / (var + eps).sqrt()
    dx = gamma[:, None, None] / (var + eps).sqrt() * (g - g.mean((0, 2, 3), keepdim=True))
    return dx, (g * x_hat).sum((0, 2, 3)), g.sum((0, 2, 3))


# %% [markdown] tags=["mistake"]
# **The wrong N.** For a fully connected layer N is the batch size. In a map there are H W times as
# many numbers.


# %% tags=["mistake"] hint="wrong-count"
def batch_norm_backward(g, x, gamma, eps):
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    x_hat = (x - mean) / (var + eps).sqrt()
    dgamma, dbeta = (g * x_hat).sum((0, 2, 3)), g.sum((0, 2, 3))
    both = dbeta[:, None, None] + x_hat * dgamma[:, None, None]
    return gamma[:, None, None] / (var + eps).sqrt() * (g - both / len(x)), dgamma, dbeta


# %% [markdown] tags=["mistake"]
# **Means over the batch only.** The same thought, with the axes instead of the number.


# %% tags=["mistake"] hint="wrong-axes"
def batch_norm_backward(g, x, gamma, eps):
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), unbiased=False, keepdim=True)
    x_hat = (x - mean) / (var + eps).sqrt()
    dx = gamma[:, None, None] / (var + eps).sqrt() * (g - g.mean(0) - x_hat * (g * x_hat).mean(0))
    return dx, (g * x_hat).sum((0, 2, 3)), g.sum((0, 2, 3))


# %% [markdown] tags=["mistake"]
# **gamma forgotten.** Right as long as every gamma is 1, as it is before the first step.


# %% tags=["mistake"] hint="no-gamma"
def batch_norm_backward(g, x, gamma, eps):
    axes = (0, 2, 3)
    root = (x.var(axes, unbiased=False, keepdim=True) + eps).sqrt()
    x_hat = (x - x.mean(axes, keepdim=True)) / root
    part = g.mean(axes, keepdim=True) + x_hat * (g * x_hat).mean(axes, keepdim=True)
    return (g - part) / root, (g * x_hat).sum(axes), g.sum(axes)


# %% [markdown] tags=["mistake"]
# **x in place of its normalised form.** gamma multiplies what the division has left.


# %% tags=["mistake"] hint="x-for-hat"
def batch_norm_backward(g, x, gamma, eps):
    axes = (0, 2, 3)
    root = (x.var(axes, unbiased=False, keepdim=True) + eps).sqrt()
    x_hat = (x - x.mean(axes, keepdim=True)) / root
    part = g.mean(axes, keepdim=True) + x_hat * (g * x_hat).mean(axes, keepdim=True)
    return gamma[:, None, None] / root * (g - part), (g * x).sum(axes), g.sum(axes)


# %% [markdown]
# ### Exercise 4.7 (two stars). Saliency
#
# How much does the answer depend on each pixel? The gradient of one logit with respect to the image
# says by how much the logit rises when a pixel gets a little brighter. Its absolute value says how
# fast the logit changes with a small change of the pixel, and of a pixel's channels the one with the largest counts. (What
# it does not say is in section 4.8.) For each image
# the logit meant is that of its class in `classes`, which need not be the largest.
#
# Leave no traces. The network works in evaluation mode during the call, and is in its former mode
# afterwards: all of its layers come in the same one. The `.grad` of its parameters stays what it
# was. The images do not require gradients, and do not afterwards.
#
# - In: `network`, an `nn.Module` that takes images of shape (B, C, H, W) and returns logits of shape
#   (B, n), n classes; `images`, shape (B, C, H, W); `classes`, shape (B,), int64, from 0 to n - 1.
# - Out: shape (B, H, W), no entry negative, without a graph.


# %%
def saliency(network: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """|d logit / d pixel|, the largest over the channels: (B, C, H, W), (B,) -> (B, H, W)."""
    ### BEGIN SOLUTION
    was_training = network.training
    network.eval()
    try:
        pixels = images.detach().clone().requires_grad_()
        logits = network(pixels)  # (B, n)
        chosen = logits[torch.arange(len(classes)), classes]
        (slopes,) = torch.autograd.grad(chosen.sum(), pixels)  # (B, C, H, W)
    finally:
        network.train(was_training)
    return slopes.abs().amax(dim=1)
    ### END SOLUTION


# %%
checks.saliency(saliency)

# %% [markdown] tags=["solution"]
# In evaluation mode a logit depends on its own image only. So the sum of the chosen logits has, at
# each image, the gradient of that image's own logit, and one backward pass is enough for all.
# `torch.autograd.grad` returns the gradient of what it is asked for and writes nothing anywhere.
# `finally` puts the mode back even if the network stops with an error.
#
# The second answer hands the choice to the backward pass instead: a one-hot row for each image is
# what the layers above would hand down if the loss were that logit.


# %% tags=["alternative"]
def saliency(network, images, classes):
    was_training = network.training
    pixels = images.clone().requires_grad_()
    logits = network.eval()(pixels)
    network.train(was_training)
    chosen = F.one_hot(classes, logits.shape[1]).to(logits)
    (slopes,) = torch.autograd.grad(logits, pixels, grad_outputs=chosen)
    return torch.maximum(slopes.amax(dim=1), -slopes.amin(dim=1))


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The probability.** Where the network is sure, softmax is flat, and the map is black.


# %% tags=["mistake"] hint="probability"
def saliency(network, images, classes):
    was_training = network.training
    pixels = images.clone().requires_grad_()
    p = network.eval()(pixels).softmax(dim=1)
    network.train(was_training)
    (slopes,) = torch.autograd.grad(p[torch.arange(len(classes)), classes].sum(), pixels)
    return slopes.abs().amax(dim=1)


# %% [markdown] tags=["mistake"]
# **The loss.** It is the function at hand. It mixes what speaks for the class with what speaks
# against all the others.


# %% tags=["mistake"] hint="loss"
def saliency(network, images, classes):
    was_training = network.training
    pixels = images.clone().requires_grad_()
    loss = F.cross_entropy(network.eval()(pixels), classes)
    network.train(was_training)
    (slopes,) = torch.autograd.grad(loss, pixels)
    return slopes.abs().amax(dim=1)


# %% [markdown] tags=["mistake"]
# **With its sign.** A pixel that should be darker is left out.


# %% tags=["mistake"] hint="signed"
def saliency(network, images, classes):
    was_training = network.training
    pixels = images.clone().requires_grad_()
    logits = network.eval()(pixels)
    network.train(was_training)
    (slopes,) = torch.autograd.grad(logits[torch.arange(len(classes)), classes].sum(), pixels)
    return slopes.amax(dim=1)


# %% [markdown] tags=["mistake"]
# **All logits.** Which class is meant is never said. Pixels that speak for one class and against
# another cancel.


# %% tags=["mistake"] hint="all-logits"
def saliency(network, images, classes):
    was_training = network.training
    pixels = images.clone().requires_grad_()
    logits = network.eval()(pixels)
    network.train(was_training)
    (slopes,) = torch.autograd.grad(logits.sum(), pixels)
    return slopes.abs().amax(dim=1)


# %% [markdown] tags=["mistake"]
# **Every row with every class.** A slice and an index do not run side by side, and the result has
# B columns.


# %% tags=["mistake"] hint="all-pairs"
def saliency(network, images, classes):
    was_training = network.training
    pixels = images.clone().requires_grad_()
    logits = network.eval()(pixels)
    network.train(was_training)
    (slopes,) = torch.autograd.grad(logits[:, classes].sum(), pixels)
    return slopes.abs().amax(dim=1)


# %% [markdown] tags=["mistake"]
# **Training mode.** The map of an image changes with the images beside it.


# %% tags=["mistake"] hint="training-mode"
def saliency(network, images, classes):
    pixels = images.clone().requires_grad_()
    logits = network(pixels)
    (slopes,) = torch.autograd.grad(logits[torch.arange(len(classes)), classes].sum(), pixels)
    return slopes.abs().amax(dim=1)


# %% [markdown] tags=["mistake"]
# **Evaluation mode for good.** After the first picture the training goes on with frozen
# statistics and without dropout, and nothing says so.


# %% tags=["mistake"] hint="mode-not-restored"
def saliency(network, images, classes):
    pixels = images.clone().requires_grad_()
    logits = network.eval()(pixels)
    (slopes,) = torch.autograd.grad(logits[torch.arange(len(classes)), classes].sum(), pixels)
    return slopes.abs().amax(dim=1)


# %% [markdown] tags=["mistake"]
# **`backward()`.** It writes into all leaves of the graph, the parameters among them, and adds to
# what is there.


# %% tags=["mistake"] hint="parameter-grads"
def saliency(network, images, classes):
    was_training = network.training
    pixels = images.clone().requires_grad_()
    logits = network.eval()(pixels)
    network.train(was_training)
    logits[torch.arange(len(classes)), classes].sum().backward()
    return pixels.grad.abs().amax(dim=1)


# %% [markdown] tags=["mistake"]
# **The caller's images marked.** `requires_grad_()` with its underscore acts on the tensor that was
# handed in.


# %% tags=["mistake"] hint="input-marked"
def saliency(network, images, classes):
    was_training = network.training
    logits = network.eval()(images.requires_grad_())
    network.train(was_training)
    (slopes,) = torch.autograd.grad(logits[torch.arange(len(classes)), classes].sum(), images)
    return slopes.abs().amax(dim=1)


# %% [markdown]
# ### Exercise 4.8 (three stars). A batch norm folded away
#
# In evaluation mode batch normalisation multiplies each channel by one number and adds another. A
# convolution before it can do both by itself. Return one convolution whose outputs are those of the
# two layers one after the other, with the norm in evaluation mode. Networks are made faster this
# way before they are used.
#
# - In: `conv`, an `nn.Conv2d` with O output channels, with or without a bias, with any stride, zero
#   padding, dilation and groups; `norm`, an `nn.BatchNorm2d` of O channels, with `weight` and
#   `bias`, which are gamma and beta, `running_mean`, `running_var`, all of shape (O,), and `eps`. It
#   comes in either mode; what is asked for is its evaluation mode. All numbers are float32. Do not
#   change the two layers, their modes included.
# - Out: a new `nn.Conv2d` with a bias, with the same stride, padding, dilation and groups.


# %%
def fold(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution that does what conv and norm, in evaluation mode, do one after the other."""
    ### BEGIN SOLUTION
    folded = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,
        stride=conv.stride,
        padding=conv.padding,
        dilation=conv.dilation,
        groups=conv.groups,
    )
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()  # (O,)
    before = 0 if conv.bias is None else conv.bias
    with torch.no_grad():
        folded.weight.copy_(conv.weight * scale[:, None, None, None])
        folded.bias.copy_((before - norm.running_mean) * scale + norm.bias)
    return folded
    ### END SOLUTION


# %%
checks.fold(fold)

# %% [markdown] tags=["solution"]
# With the factor $f = \gamma / \sqrt{v + \varepsilon}$ an output channel is
#
# $$ f\, (w \star x + b - \mu) + \beta = (f\, w) \star x + \big( f\, (b - \mu) + \beta \big). $$
#
# What is multiplied by x is the new weight, and the rest the new bias. The factor belongs to the
# output channel, the first axis of the weight. Groups change nothing: they only say which inputs an
# output sees. Zero padding is no obstacle, because it is inside $w \star x$.
#
# The second answer measures the norm instead of taking it apart. Its value at 0 is the offset, and
# what it gains from 0 to 1 is the factor. For layers in evaluation mode torch has such a
# function too, `torch.nn.utils.fuse_conv_bn_eval`.


# %% tags=["alternative"]
def fold(conv, norm):
    offset, one = F.batch_norm(
        torch.tensor([[0.0], [1.0]]).expand(2, norm.num_features),
        norm.running_mean,
        norm.running_var,
        norm.weight,
        norm.bias,
        training=False,
        eps=norm.eps,
    ).detach()
    factor = one - offset
    settings = {name: getattr(conv, name) for name in ("stride", "padding", "dilation", "groups")}
    folded = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, **settings)
    bias = torch.zeros_like(offset) if conv.bias is None else conv.bias.detach()
    folded.weight = nn.Parameter(torch.einsum("oihw,o->oihw", conv.weight.detach(), factor))
    folded.bias = nn.Parameter(torch.addcmul(offset, bias, factor))
    return folded


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The bias as it is.** The norm gets the convolution's output with its bias, and multiplies both.


# %% tags=["mistake"] hint="bias-unscaled"
def fold(conv, norm):
    folded = copy.deepcopy(conv)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    before = 0 if conv.bias is None else conv.bias
    folded.weight.data = conv.weight.data * scale[:, None, None, None]
    folded.bias = nn.Parameter(before + norm.bias - norm.running_mean * scale)
    return folded


# %% [markdown] tags=["mistake"]
# **eps forgotten.** With the usual 0.00001 the outputs look right. In channels that hardly vary
# they are not.


# %% tags=["mistake"] hint="eps"
def fold(conv, norm):
    folded = copy.deepcopy(conv)
    scale = norm.weight / norm.running_var.sqrt()
    before = 0 if conv.bias is None else conv.bias
    folded.weight.data = conv.weight.data * scale[:, None, None, None]
    folded.bias = nn.Parameter((before - norm.running_mean) * scale + norm.bias)
    return folded


# %% [markdown] tags=["mistake"]
# **The mean added.** A sign that is lost while sorting the terms.


# %% tags=["mistake"] hint="mean-sign"
def fold(conv, norm):
    folded = copy.deepcopy(conv)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    before = 0 if conv.bias is None else conv.bias
    folded.weight.data = conv.weight.data * scale[:, None, None, None]
    folded.bias = nn.Parameter((before + norm.running_mean) * scale + norm.bias)
    return folded


# %% [markdown] tags=["mistake"]
# **beta forgotten.** A new norm has beta 0, so a test with new layers does not find it.


# %% tags=["mistake"] hint="no-beta"
def fold(conv, norm):
    folded = copy.deepcopy(conv)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    before = 0 if conv.bias is None else conv.bias
    folded.weight.data = conv.weight.data * scale[:, None, None, None]
    folded.bias = nn.Parameter((before - norm.running_mean) * scale)
    return folded


# %% [markdown] tags=["mistake"]
# **The wrong axis.** Broadcasting begins at the last axis. If the kernel has as many columns as the
# layer has outputs, no error tells.


# %% tags=["mistake"] hint="axis"
def fold(conv, norm):
    folded = copy.deepcopy(conv)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    before = 0 if conv.bias is None else conv.bias
    folded.weight.data = conv.weight.data * scale
    folded.bias = nn.Parameter((before - norm.running_mean) * scale + norm.bias)
    return folded


# %% [markdown] tags=["mistake"]
# **In place.** The right numbers, in the caller's layer. A second call folds the norm in once more.


# %% tags=["mistake"] hint="original-changed"
def fold(conv, norm):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    before = 0 if conv.bias is None else conv.bias
    conv.weight.data *= scale[:, None, None, None]
    conv.bias = nn.Parameter((before - norm.running_mean) * scale + norm.bias)
    return conv


# %% [markdown] tags=["mistake"]
# **Batch statistics.** The norm is measured by calling it. In training mode it then answers with
# the statistics of zeros and ones, and remembers them.


# %% tags=["mistake"] hint="batch-statistics"
def fold(conv, norm):
    folded = copy.deepcopy(conv)
    probes = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, norm.num_features, 1, 1)
    offset, one = norm(probes).detach()[:, :, 0, 0]
    before = 0 if conv.bias is None else conv.bias
    folded.weight.data = conv.weight.data * (one - offset)[:, None, None, None]
    folded.bias = nn.Parameter(before * (one - offset) + offset)
    return folded


# %% [markdown] tags=["mistake"]
# **Settings lost.** What is not handed on has its default: stride 1, no padding, one group.


# %% tags=["mistake"] hint="settings"
def fold(conv, norm):
    inputs = conv.weight.shape[1]
    folded = nn.Conv2d(inputs, conv.out_channels, conv.kernel_size)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    before = 0 if conv.bias is None else conv.bias
    folded.weight.data = conv.weight.data * scale[:, None, None, None]
    folded.bias.data = ((before - norm.running_mean) * scale + norm.bias).detach()
    return folded
