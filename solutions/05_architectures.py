# %% [markdown]
# # Exercises 05. Architectures
#
# Eight exercises on the networks of [lesson 05](../notebooks/05_architectures.ipynb): what stacked
# layers cost and see, the two kinds of skip connection, moved images, a trained network that is
# used again, and how sure a comparison is.
#
# Put your own code where a cell says `raise NotImplementedError(...)`, run the cell, and then the
# cell below it, which begins with `checks.`. It tries your function on inputs of its own. If
# something is wrong it says what your function does and why that matters.
# [Lesson 00](00_start_here.ipynb) explains how exercises work. No exercise needs another one. The folder
# `solutions/` holds the same notebook with answers and with the usual mistakes.
#
# B counts images, C channels, H rows and W columns. O are output channels, I input channels, and K
# is a kernel size. L is the loss. Tensors of real numbers are float64, unless the exercise says
# otherwise.

# %%
import math
import statistics

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_lib.checks import lesson05 as checks

# %% [markdown]
# ### Exercise 5.1 (one star). What a stack costs and sees
#
# VGG, a network of 2014, has two layers with small kernels where older ones have one layer with a
# large kernel. A stack of such layers is described by three numbers. Each layer is a convolution
# with a kernel of K by K, with stride 1, from C channels to C channels, without biases. The layers
# stand one after the other. Return
#
# - the number of weights of the whole stack;
# - its field: how many pixels wide the square of the input is that one number of the output depends
#   on.
#
# Take the image to be so large that no border matters.
#
# - In: `channels`, `kernel` and `layers`, integers, at least 1.
# - Out: (weights, field), two integers.


# %%
def stack_cost(channels: int, kernel: int, layers: int) -> tuple[int, int]:
    """(number of weights, side of the field in pixels) of a stack of convolutions."""
    ### BEGIN SOLUTION
    weights = layers * channels**2 * kernel**2
    field = 1 + layers * (kernel - 1)
    return weights, field
    ### END SOLUTION


# %%
checks.stack_cost(stack_cost)

# %% [markdown] tags=["solution"]
# One number of the output of a layer adds up windows of $K^2$ pixels in C channels. Each of the C
# output channels has its own weights for that: $C^2 K^2$. The field begins as one pixel, and each
# layer adds K - 1.
#
# Two layers of 3 x 3 see 5 x 5 pixels with $18\,C^2$ weights. One layer of 5 x 5 sees as much, has
# $25\,C^2$ weights, and one ReLU less. For three layers and 7 x 7 it is 27 against 49.
#
# The second answer builds the layers where nothing is stored, and asks them.


# %% tags=["alternative"]
def stack_cost(channels, kernel, layers):
    with torch.device("meta"):
        stack = [nn.Conv2d(channels, channels, kernel, bias=False) for _ in range(layers)]
        image = torch.empty(1, channels, 500, 500)
        for layer in stack:
            image = layer(image)
    # Without padding, what is missing at the borders is what a window needs beside its middle.
    return sum(layer.weight.numel() for layer in stack), 500 - image.shape[2] + 1


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Fields multiplied.** As if the windows of neighbours did not overlap.


# %% tags=["mistake"] hint="multiplied"
def stack_cost(channels, kernel, layers):
    return layers * channels**2 * kernel**2, kernel**layers


# %% [markdown] tags=["mistake"]
# **K pixels for each layer.** The middle one of the K lies on what is counted already.


# %% tags=["mistake"] hint="kernel-added"
def stack_cost(channels, kernel, layers):
    return layers * channels**2 * kernel**2, layers * kernel


# %% [markdown] tags=["mistake"]
# **Channels once.** That is what a depthwise layer has, whose channels do not hear of each other.


# %% tags=["mistake"] hint="channels-once"
def stack_cost(channels, kernel, layers):
    return layers * channels * kernel**2, 1 + layers * (kernel - 1)


# %% [markdown] tags=["mistake"]
# **One layer.** The field of the stack with the weights of its first layer: too good a bargain.


# %% tags=["mistake"] hint="one-layer"
def stack_cost(channels, kernel, layers):
    return channels**2 * kernel**2, 1 + layers * (kernel - 1)


# %% [markdown] tags=["mistake"]
# **K instead of its square.** A window is counted along one side.


# %% tags=["mistake"] hint="kernel-side"
def stack_cost(channels, kernel, layers):
    return layers * channels**2 * kernel, 1 + layers * (kernel - 1)


# %% [markdown] tags=["mistake"]
# **The weights of the large kernel.** Right for what the stack replaces.


# %% tags=["mistake"] hint="one-large-kernel"
def stack_cost(channels, kernel, layers):
    field = 1 + layers * (kernel - 1)
    return channels**2 * field**2, field


# %% [markdown]
# ### Exercise 5.2 (one star). A residual block
#
# In a residual block x goes two ways side by side. One leads through a few layers. The other is the
# shortcut, which hands x on as it is, or makes its shape fit where the layers change it. What comes
# out of the two is added, and a ReLU, max(0, z), is applied to each number of the sum. The last of
# the layers is not followed by a ReLU of its own.
#
# Both ways are given, so nothing about channels and strides has to be known. Call each of them
# once. Leave x as it came: the block before may need it for its gradient.
#
# - In: `x`, shape (B, I, H, W); `layers` and `shortcut`, two `nn.Module`s that take x and return
#   tensors of the same shape (B, O, H', W'). `shortcut` may be an `nn.Identity`.
# - Out: shape (B, O, H', W'), no entry negative, with its graph.


# %%
def residual(x: Tensor, layers: nn.Module, shortcut: nn.Module) -> Tensor:
    """ReLU of the sum of both ways: (B, I, H, W) -> (B, O, H', W')."""
    ### BEGIN SOLUTION
    return F.relu(shortcut(x) + layers(x))
    ### END SOLUTION


# %%
checks.residual(residual)

# %% [markdown] tags=["solution"]
# If the layers return zero, and the shortcut is the identity, the block hands on x, which after an
# earlier ReLU has no negative numbers. To do nothing is easy for this block, and hard for a plain
# stack. Backwards, the sum hands its gradient to both ways, and on the shortcut nothing weakens it.
#
# `clamp` with a least value of zero is the same function as a ReLU.


# %% tags=["alternative"]
def residual(x, layers, shortcut):
    total = torch.stack([layers(x), shortcut(x)]).sum(dim=0)  # (2, B, O, H', W') -> (B, O, H', W')
    return total.clamp(min=0)


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The ReLU before the addition.** Each block can only add to what comes past it. From block to
# block the numbers grow, and none ever shrinks.


# %% tags=["mistake"] hint="relu-before"
def residual(x, layers, shortcut):
    return shortcut(x) + F.relu(layers(x))


# %% [markdown] tags=["mistake"]
# **A ReLU too many.** The result has the right range. The layers still cannot take anything away.


# %% tags=["mistake"] hint="relu-twice"
def residual(x, layers, shortcut):
    return F.relu(shortcut(x) + F.relu(layers(x)))


# %% [markdown] tags=["mistake"]
# **The ReLU forgotten.** The block ends with a sum.


# %% tags=["mistake"] hint="no-relu"
def residual(x, layers, shortcut):
    return shortcut(x) + layers(x)


# %% [markdown] tags=["mistake"]
# **x added as it is.** Right in most blocks. Where the shape changes, it is an error. Where only
# the numbers change, no error tells.


# %% tags=["mistake"] hint="no-shortcut"
def residual(x, layers, shortcut):
    return F.relu(x + layers(x))


# %% [markdown] tags=["mistake"]
# **In place.** With an identity, `y` is x under another name. The caller's tensor changes.


# %% tags=["mistake"] hint="input-changed"
def residual(x, layers, shortcut):
    y = shortcut(x)
    y += layers(x)
    return F.relu(y)


# %% [markdown] tags=["mistake"]
# **Multiplied.** A gate, as other networks have it. Where one way is closed, nothing comes past.


# %% tags=["mistake"] hint="multiplied"
def residual(x, layers, shortcut):
    return F.relu(shortcut(x) * layers(x))


# %% [markdown] tags=["mistake"]
# **The shortcut twice.** What has come out of it is sent through it again. With an identity nobody
# notices.


# %% tags=["mistake"] hint="shortcut-twice"
def residual(x, layers, shortcut):
    way = shortcut(x)
    return F.relu(shortcut(way) + layers(x))


# %% [markdown] tags=["mistake"]
# **One way after the other.** The layers get what the shortcut has made.


# %% tags=["mistake"] hint="in-series"
def residual(x, layers, shortcut):
    way = shortcut(x)
    return F.relu(way + layers(way))


# %% [markdown]
# ### Exercise 5.3 (two stars). The channels of a dense block
#
# In a dense block nothing is added. Each layer sees all channels that are there and appends k new
# ones to them; k is the growth. The next layer sees both, the old ones and the new ones. Here a
# layer is a single convolution with a kernel of 3 by 3 and without a bias. Return
#
# - how many channels each of the layers sees, in order from the first on;
# - the number of weights of all layers together.
#
# The block begins with the channels of `stem` and has `layers` layers.
#
# - In: `stem`, the number of channels before the first layer; `growth`, the k of all layers;
#   `layers`, their number. All are integers, at least 1.
# - Out: (channels, weights), a list of `layers` integers and an integer.


# %%
def dense_channels(stem: int, growth: int, layers: int) -> tuple[list[int], int]:
    """(channels that each layer of a dense block sees, number of weights)."""
    ### BEGIN SOLUTION
    channels = [stem + layer * growth for layer in range(layers)]
    weights = sum(9 * seen * growth for seen in channels)
    return channels, weights
    ### END SOLUTION


# %%
checks.dense_channels(dense_channels)

# %% [markdown] tags=["solution"]
# Before layer 0 there are `stem` channels, and each layer before a layer has added k. A layer makes
# only k channels, however many it sees. This is why a dense block can do with a small k: what has
# been found is kept and need not be computed again.
#
# The list grows by equal steps, so its sum is the mean of its ends times its length. The number of
# weights therefore grows with the square of the number of layers. The second answer uses this. The
# third builds the block.


# %% tags=["alternative"]
def dense_channels(stem, growth, layers):
    beyond = stem + layers * growth  # what the block hands on
    twice_the_mean = 2 * stem + (layers - 1) * growth
    return list(range(stem, beyond, growth)), 9 * growth * layers * twice_the_mean // 2


# %% tags=["alternative"]
def dense_channels(stem, growth, layers):
    x, channels, weights = torch.empty(1, stem, 3, 3, device="meta"), [], 0
    for _ in range(layers):
        layer = nn.Conv2d(x.shape[1], growth, 3, padding=1, bias=False, device="meta")
        channels.append(x.shape[1])
        weights += layer.weight.numel()
        x = torch.cat([x, layer(x)], dim=1)
    return channels, weights


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Sums instead of concatenation.** That is a residual network, in which all layers see the same
# number of channels.


# %% tags=["mistake"] hint="added"
def dense_channels(stem, growth, layers):
    channels = [stem] * layers
    return channels, sum(9 * seen * growth for seen in channels)


# %% [markdown] tags=["mistake"]
# **Only the layer before.** A plain stack of layers with k channels each.


# %% tags=["mistake"] hint="chain"
def dense_channels(stem, growth, layers):
    channels = [stem] + [growth] * (layers - 1)
    return channels, sum(9 * seen * growth for seen in channels)


# %% [markdown] tags=["mistake"]
# **Off by one.** What is there after the layer is taken for what it sees.


# %% tags=["mistake"] hint="outputs"
def dense_channels(stem, growth, layers):
    channels, seen = [], stem
    for _ in range(layers):
        seen += growth
        channels.append(seen)
    return channels, sum(9 * seen * growth for seen in channels)


# %% [markdown] tags=["mistake"]
# **Growth doubled.** The new channels are appended to a list that holds them already.


# %% tags=["mistake"] hint="growth-doubled"
def dense_channels(stem, growth, layers):
    channels = [stem + 2 * layer * growth for layer in range(layers)]
    return channels, sum(9 * seen * growth for seen in channels)


# %% [markdown] tags=["mistake"]
# **The beginning lost.** Only what the layers have made is put side by side.


# %% tags=["mistake"] hint="stem-lost"
def dense_channels(stem, growth, layers):
    channels = [stem] + [layer * growth for layer in range(1, layers)]
    return channels, sum(9 * seen * growth for seen in channels)


# %% [markdown] tags=["mistake"]
# **Everything made again.** The weights of layers that compute the old channels once more,
# instead of handing them on.


# %% tags=["mistake"] hint="old-ones-made-again"
def dense_channels(stem, growth, layers):
    channels = [stem + layer * growth for layer in range(layers)]
    return channels, sum(9 * seen * (seen + growth) for seen in channels)


# %% [markdown] tags=["mistake"]
# **1 x 1 kernels.** The factor of 9 is forgotten.


# %% tags=["mistake"] hint="kernel-left-out"
def dense_channels(stem, growth, layers):
    channels = [stem + layer * growth for layer in range(layers)]
    return channels, growth * sum(channels)


# %% [markdown]
# ### Exercise 5.4 (two stars). Moved images
#
# An image of a shoe stays one if it is moved by a few pixels. So a training may move every image of
# every batch at random, and rarely show the same one twice. Move each image by two whole
# numbers of its own, one along the rows and one along the columns. Each of them is one of the
# 2 P + 1 numbers -P, ..., P with the same probability, where P is `pixels`, and all are independent
# of each other. All channels of an image move together. What comes in from outside is -1, which is
# black; what leaves the image is gone.
#
# The random numbers come from `generator` and from nowhere else: two calls with generators in the
# same state return the same, and the second of two calls with one generator goes on where the first
# has stopped. `torch.randint` and `torch.rand` take it as `generator=generator`.
#
# - In: `images`, float32, shape (B, C, H, W), numbers from -1 to 1; `pixels`, an integer from 0 to
#   less than H and W; `generator`, a `torch.Generator`. Do not change the images.
# - Out: a new tensor of the same shape and type.


# %%
def random_shift(images: Tensor, pixels: int, generator: torch.Generator) -> Tensor:
    """Move each image by its own whole pixels, filled with -1: (B, C, H, W) -> (B, C, H, W)."""
    ### BEGIN SOLUTION
    B, _, H, W = images.shape
    padded = F.pad(images, (pixels,) * 4, value=-1.0)  # (B, C, H + 2 P, W + 2 P)
    corners = torch.randint(0, 2 * pixels + 1, (B, 2), generator=generator)
    moved = torch.empty_like(images)
    for image, (row, column) in enumerate(corners.tolist()):
        moved[image] = padded[image, :, row : row + H, column : column + W]
    return moved
    ### END SOLUTION


# %%
checks.random_shift(random_shift)

# %% [markdown] tags=["solution"]
# With a rim of P on all sides, every window of H by W pixels is a moved image. Its upper left
# corner has 2 P + 1 places along each side. `torch.randint` never draws the number that is its end,
# so that has to be 2 P + 1.
#
# The second answer has no loop over images. It asks for each pixel of the result where it comes
# from. Three index tensors broadcast against each other: images, rows and columns.


# %% tags=["alternative"]
def random_shift(images, pixels, generator):
    B, _, H, W = images.shape
    down, right = torch.randint(-pixels, pixels + 1, (2, B, 1), generator=generator)  # 2 x (B, 1)
    rows, columns = torch.arange(H) - down, torch.arange(W) - right  # (B, H), (B, W)
    inside_rows, inside_columns = (rows >= 0) & (rows < H), (columns >= 0) & (columns < W)
    inside = inside_rows[:, None, :, None] & inside_columns[:, None, None, :]  # (B, 1, H, W)
    rows, columns = rows.clamp(0, H - 1), columns.clamp(0, W - 1)
    which = torch.arange(B)[:, None, None]
    moved = images[which, :, rows[:, :, None], columns[:, None, :]]  # (B, H, W, C)
    return moved.permute(0, 3, 1, 2).masked_fill(~inside, -1.0)


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **One shift for the whole batch.** With P = 3 a batch can look in 49 ways instead of $49^B$.


# %% tags=["mistake"] hint="one-for-all"
def random_shift(images, pixels, generator):
    H, W = images.shape[2:]
    padded = F.pad(images, (pixels,) * 4, value=-1.0)
    row, column = torch.randint(0, 2 * pixels + 1, (2,), generator=generator).tolist()
    return padded[:, :, row : row + H, column : column + W]


# %% [markdown] tags=["mistake"]
# **`roll`.** What leaves on the right comes back on the left.


# %% tags=["mistake"] hint="wraps"
def random_shift(images, pixels, generator):
    steps = torch.randint(-pixels, pixels + 1, (len(images), 2), generator=generator).tolist()
    pairs = zip(images, steps, strict=True)
    return torch.stack([image.roll(step, (1, 2)) for image, step in pairs])


# %% [markdown] tags=["mistake"]
# **Filled with zero.** The default of `F.pad`. Zero is black for bytes, and grey in [-1, 1].


# %% tags=["mistake"] hint="filled-with-zero"
def random_shift(images, pixels, generator):
    B, _, H, W = images.shape
    padded = F.pad(images, (pixels,) * 4)
    corners = torch.randint(0, 2 * pixels + 1, (B, 2), generator=generator).tolist()
    windows = [one[:, r : r + H, c : c + W] for one, (r, c) in zip(padded, corners, strict=True)]
    return torch.stack(windows)


# %% [markdown] tags=["mistake"]
# **The same number for rows and columns.** All images move along one diagonal.


# %% tags=["mistake"] hint="diagonal"
def random_shift(images, pixels, generator):
    B, _, H, W = images.shape
    padded = F.pad(images, (pixels,) * 4, value=-1.0)
    corners = torch.randint(0, 2 * pixels + 1, (B,), generator=generator).tolist()
    windows = [one[:, r : r + H, r : r + W] for one, r in zip(padded, corners, strict=True)]
    return torch.stack(windows)


# %% [markdown] tags=["mistake"]
# **The open end.** The largest shift to one side never occurs.


# %% tags=["mistake"] hint="open-end"
def random_shift(images, pixels, generator):
    B, _, H, W = images.shape
    padded = F.pad(images, (pixels,) * 4, value=-1.0)
    corners = torch.randint(0, max(1, 2 * pixels), (B, 2), generator=generator).tolist()
    windows = [one[:, r : r + H, c : c + W] for one, (r, c) in zip(padded, corners, strict=True)]
    return torch.stack(windows)


# %% [markdown] tags=["mistake"]
# **A rounded uniform number.** To 0 belong the numbers from -0.5 to 0.5. To P belong those from
# P - 0.5 to P, half as many.


# %% tags=["mistake"] hint="not-uniform"
def random_shift(images, pixels, generator):
    B, _, H, W = images.shape
    padded = F.pad(images, (pixels,) * 4, value=-1.0)
    corners = (2 * pixels * torch.rand(B, 2, generator=generator)).round().long().tolist()
    windows = [one[:, r : r + H, c : c + W] for one, (r, c) in zip(padded, corners, strict=True)]
    return torch.stack(windows)


# %% [markdown] tags=["mistake"]
# **torch's own generator.** The images move well. But each line that draws a number before changes
# them, and no run can be repeated.


# %% tags=["mistake"] hint="global-generator"
def random_shift(images, pixels, generator):
    B, _, H, W = images.shape
    padded = F.pad(images, (pixels,) * 4, value=-1.0)
    corners = torch.randint(0, 2 * pixels + 1, (B, 2)).tolist()
    windows = [one[:, r : r + H, c : c + W] for one, (r, c) in zip(padded, corners, strict=True)]
    return torch.stack(windows)


# %% [markdown] tags=["mistake"]
# **Written into the given images.** The next epoch moves what has been moved.


# %% tags=["mistake"] hint="input-changed"
def random_shift(images, pixels, generator):
    B, _, H, W = images.shape
    padded = F.pad(images, (pixels,) * 4, value=-1.0)
    corners = torch.randint(0, 2 * pixels + 1, (B, 2), generator=generator).tolist()
    for image, (row, column) in enumerate(corners):
        images[image] = padded[image, :, row : row + H, column : column + W]
    return images


# %% [markdown]
# ### Exercise 5.5 (two stars). Only the head learns
#
# A network has been trained on many images. For a new task with few images its last part, the head,
# is replaced by a fresh one, and only the head is to learn. Prepare the network for that:
#
# - no parameter outside the head requires a gradient, and every parameter of the head does;
# - every layer outside the head is in evaluation mode, and every layer in the head in training
#   mode. In training mode a batch norm would go on moving its running mean and variance, which are
#   no parameters, and dropout would change the features from step to step;
# - return the parameters that the optimiser is to change.
#
# The function is called at the beginning of each epoch, after the caller's `network.train()`, which
# puts all layers into training mode. So it must work any number of times, in whatever modes and
# with whatever flags the network comes. Nothing that was learned changes: no parameter and no
# buffer gets another value.
#
# - In: `network`, an `nn.Module`; `head`, an `nn.Module` somewhere inside it, under any name and at
#   any depth. Both may hold batch norms and dropout, and modules with parameters of their own.
# - Out: a list of the head's parameters, each one once, in any order.


# %%
def freeze(network: nn.Module, head: nn.Module) -> list[nn.Parameter]:
    """Let only the head learn, and return its parameters."""
    ### BEGIN SOLUTION
    network.requires_grad_(False)
    network.eval()
    head.requires_grad_(True)
    head.train()
    return list(head.parameters())
    ### END SOLUTION


# %%
checks.freeze(freeze)

# %% [markdown] tags=["solution"]
# First everything is frozen, then the head is set free. In this order no name and no depth matters,
# because `head` is the same object as the one inside the network. Its parameters are the network's
# own.
#
# The three parts do different things. The flag stops gradients. The mode stops running statistics
# and dropout. The list keeps the optimiser from touching the rest; weight decay, for one, needs no
# gradient other than zero to shrink a parameter.
#
# The second answer decides for each parameter and each module whether it belongs to the head.


# %% tags=["alternative"]
def freeze(network, head):
    learning, inside = list(head.parameters()), set(head.modules())
    known = {id(parameter) for parameter in learning}  # == would compare numbers
    for parameter in network.parameters():
        parameter.requires_grad = id(parameter) in known
    for module in network.modules():
        module.training = module in inside
    return learning


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Only the flags.** The most frequent one. The frozen layers' outputs drift with the new images'
# statistics, though no weight of theirs changes.


# %% tags=["mistake"] hint="running-statistics"
def freeze(network, head):
    network.requires_grad_(False)
    head.requires_grad_(True)
    network.train()
    return list(head.parameters())


# %% [markdown] tags=["mistake"]
# **Only the batch norms.** Dropout is not thought of, because it has nothing to learn.


# %% tags=["mistake"] hint="frozen-dropout"
def freeze(network, head):
    network.requires_grad_(False)
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    head.requires_grad_(True).train()
    return list(head.parameters())


# %% [markdown] tags=["mistake"]
# **The head frozen too.** The list is right, and the optimiser finds no gradients in it. It steps
# over such parameters without a word.


# %% tags=["mistake"] hint="head-frozen"
def freeze(network, head):
    network.requires_grad_(False)
    network.eval()
    head.train()
    return list(head.parameters())


# %% [markdown] tags=["mistake"]
# **By name.** The head of one network is called `head`, that of another `fc` or `classifier`.


# %% tags=["mistake"] hint="head-frozen"
def freeze(network, head):
    network.eval()
    head.train()
    for name, parameter in network.named_parameters():
        parameter.requires_grad = name.startswith("head")
    return list(head.parameters())


# %% [markdown] tags=["mistake"]
# **Evaluation mode for all.** The head's dropout is off. Its batch norm stays at a mean of 0 and a
# variance of 1.


# %% tags=["mistake"] hint="head-evaluation"
def freeze(network, head):
    network.requires_grad_(False)
    head.requires_grad_(True)
    network.eval()
    return list(head.parameters())


# %% [markdown] tags=["mistake"]
# **`no_grad`.** It holds for what is computed inside its block. Nothing is computed there.


# %% tags=["mistake"] hint="not-frozen"
def freeze(network, head):
    with torch.no_grad():
        network.eval()
    with torch.enable_grad():
        head.requires_grad_(True).train()
    return list(head.parameters())


# %% [markdown] tags=["mistake"]
# **Children only.** Right as long as the head is a child of the network. A parameter that belongs
# to the network itself is in no child.


# %% tags=["mistake"] hint="part-not-frozen"
def freeze(network, head):
    network.requires_grad_(True)
    for child in network.children():
        if child is not head:
            child.requires_grad_(False).eval()
    head.requires_grad_(True).train()
    return list(head.parameters())


# %% [markdown] tags=["mistake"]
# **All parameters for the optimiser.** Whatever has a gradient from an earlier step goes on moving.


# %% tags=["mistake"] hint="all-parameters"
def freeze(network, head):
    network.requires_grad_(False).eval()
    head.requires_grad_(True).train()
    return list(network.parameters())


# %% [markdown] tags=["mistake"]
# **No list.** `parameters()` returns a generator. An optimiser takes it. Whoever counts the
# parameters first leaves nothing in it.


# %% tags=["mistake"] hint="type"
def freeze(network, head):
    network.requires_grad_(False).eval()
    head.requires_grad_(True).train()
    return head.parameters()


# %% [markdown]
# ### Exercise 5.6 (two stars). How sure is the difference?
#
# Two networks are trained under the same n seeds, and the accuracy of the second is subtracted from
# that of the first, seed by seed. What the seed adds to both alike, for one by the order of the images,
# cancels. (It need not be much: in three of lesson
# 05's six comparisons the differences vary no less than unpaired ones would.) Wanted is the mean of such differences over all seeds that there could be. Known are n of
# them, $d_1, \dots, d_n$, and their mean $\bar{d}$. If differences are normally distributed, the
# interval
#
# $$ \bar{d} \pm t\, \frac{s}{\sqrt{n}}, \qquad
# s^2 = \frac{1}{n - 1} \sum_{m=1}^{n} (d_m - \bar{d})^2, $$
#
# holds the wanted mean in 95 of 100 such experiments. Here t is the number below which a variable
# with Student's distribution lies with probability 97.5 %, for n - 1 degrees of freedom. The table
# `T_975` has it for 1 to 10 degrees. Return the mean of the n differences and what stands after
# plus-minus, the half-width.
#
# - In: `differences`, shape (n,), n from 2 to 10, not all equal. Do not change it.
# - Out: (mean, half-width), two floats. The half-width is larger than 0.


# %%
#: Degrees of freedom -> quantile of Student's distribution for the probability 0.975.
T_975 = {
    1: 12.706,
    2: 4.303,
    3: 3.182,
    4: 2.776,
    5: 2.571,
    6: 2.447,
    7: 2.365,
    8: 2.306,
    9: 2.262,
    10: 2.228,
}


def interval(differences: Tensor) -> tuple[float, float]:
    """(mean, half-width of its 95 % interval by Student's t): (n,) -> two floats."""
    ### BEGIN SOLUTION
    n = len(differences)
    mean = differences.mean()
    variance = ((differences - mean) ** 2).sum() / (n - 1)
    half = T_975[n - 1] * (variance / n).sqrt()
    return mean.item(), half.item()
    ### END SOLUTION


# %%
checks.interval(interval)

# %% [markdown] tags=["solution"]
# The mean of n independent numbers has an n-th of the variance of one. The root of that is the
# standard error. The variance is estimated from the same n numbers, and from few of them it is
# often far too small. Student's t makes up for it: with two seeds it is 12.7, with ten 2.3, and
# only with very many 1.96.
#
# If the interval holds 0, these seeds do not say which network is better. That is no proof that
# they are equally good.
#
# Python's `statistics.stdev` divides by n - 1, and so does `Tensor.std` unless it is told
# otherwise.


# %% tags=["alternative"]
def interval(differences):
    numbers = differences.tolist()
    error = statistics.stdev(numbers) / math.sqrt(len(numbers))
    return statistics.fmean(numbers), T_975[len(numbers) - 1] * error


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The standard deviation.** It says how far apart single seeds lie, and does not shrink with more
# of them. A table of results should say which of the two stands after its plus-minus.


# %% tags=["mistake"] hint="standard-deviation"
def interval(differences):
    return differences.mean().item(), T_975[len(differences) - 1] * differences.std().item()


# %% [markdown] tags=["mistake"]
# **Divided by n.** For two seeds the variance is halved. NumPy's `std` does so by default.


# %% tags=["mistake"] hint="divides-by-n"
def interval(differences):
    n = len(differences)
    error = differences.std(unbiased=False) / n**0.5
    return differences.mean().item(), T_975[n - 1] * error.item()


# %% [markdown] tags=["mistake"]
# **1.96.** For five seeds t is 2.776, and the interval is to be wider by 40 %.


# %% tags=["mistake"] hint="normal"
def interval(differences):
    error = differences.std() / len(differences) ** 0.5
    return differences.mean().item(), 1.96 * error.item()


# %% [markdown] tags=["mistake"]
# **n degrees of freedom.** The distances from the mean add up to zero: whoever knows n - 1 of them
# knows the last.


# %% tags=["mistake"] hint="degrees"
def interval(differences):
    n = len(differences)
    return differences.mean().item(), T_975[n] * (differences.std() / n**0.5).item()


# %% [markdown] tags=["mistake"]
# **The best seed.** Whoever tries more seeds finds a better best one.


# %% tags=["mistake"] hint="best-seed"
def interval(differences):
    n = len(differences)
    return differences.max().item(), T_975[n - 1] * (differences.std() / n**0.5).item()


# %% [markdown] tags=["mistake"]
# **From the worst seed to the best.** Two seeds lie close together, ten far apart. The interval
# grows while the mean gets better known.


# %% tags=["mistake"] hint="range"
def interval(differences):
    half = (differences.max() - differences.min()) / 2
    return differences.mean().item(), half.item()


# %% [markdown] tags=["mistake"]
# **The ends.** Both are right, and something else is asked for.


# %% tags=["mistake"] hint="bounds"
def interval(differences):
    n = len(differences)
    mean, half = differences.mean(), T_975[n - 1] * differences.std() / n**0.5
    return (mean - half).item(), (mean + half).item()


# %% [markdown]
# ### Exercise 5.7 (three stars). Three branches in one kernel
#
# A block without a ReLU inside has three branches side by side, whose outputs are added: the skip
# connection, a convolution with a kernel V of 1 by 1, and one with a kernel W of K by K:
#
# $$ y = x + V * x + W * x. $$
#
# All have stride 1 and go from C channels to C channels, without biases. The large one has a border
# of K // 2 zeros, so that all outputs are as large as x. A sum of linear maps is linear. So one
# convolution with a kernel of K by K, and with that border, gives the same y for every x. Return
# its kernel. A network can be trained with three branches, and used with one.
#
# - In: `weight`, the kernel W, shape (C, C, K, K), with K odd, at least 1; `point`, the kernel V,
#   shape (C, C, 1, 1). The first axis is the output channel, the second the input channel, as in
#   `nn.Conv2d`. Do not change them.
# - Out: shape (C, C, K, K).


# %%
def merge(weight: Tensor, point: Tensor) -> Tensor:
    """The kernel of x + V * x + W * x: (C, C, K, K), (C, C, 1, 1) -> (C, C, K, K)."""
    ### BEGIN SOLUTION
    merged = weight.clone()
    middle = weight.shape[-1] // 2
    identity = torch.eye(len(weight), dtype=weight.dtype)  # (C, C)
    merged[:, :, middle, middle] += point[:, :, 0, 0] + identity
    return merged
    ### END SOLUTION


# %%
checks.merge(merge)

# %% [markdown] tags=["solution"]
# A kernel of 1 by 1 is one of K by K that is zero beside its middle. The skip connection is one of
# 1 by 1 too: output channel c is input channel c, so its kernel is the identity matrix. Kernels of
# the same size are added number by number.
#
# The second answer writes this down for whole kernels: V gets a border of zeros, and torch has the
# identity ready as an initialisation, named after Dirac.
#
# Three branches can do no more than one kernel, and still learn differently: the sum begins with
# the identity in it, and its middle learns through two kernels. Ding et al., "RepVGG: Making
# VGG-style ConvNets Great Again", CVPR 2021, train such blocks and merge them afterwards. There
# each branch has a batch norm of its own, which is folded away first, as in exercise 4.8.


# %% tags=["alternative"]
def merge(weight, point):
    identity = nn.init.dirac_(torch.empty_like(weight))
    return weight + identity + F.pad(point, (weight.shape[-1] // 2,) * 4)


# %% tags=["alternative"]
def merge(weight, point):
    C, _, K, _ = weight.shape
    x = torch.zeros(C, C, 2 * K - 1, 2 * K - 1, dtype=weight.dtype)
    for channel in range(C):
        x[channel, channel, K - 1, K - 1] = 1  # in image i, channel i has one bright pixel
    y = x + F.conv2d(x, point) + F.conv2d(x, weight, padding=K // 2)
    around = slice(K - 1 - K // 2, K + K // 2)
    # Right of the bright pixel is where it is seen by the left part of the kernel.
    return y[:, :, around, around].flip(2, 3).transpose(0, 1)


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **1 on the whole window.** Each pixel is added up with its neighbours: the skip connection blurs.


# %% tags=["mistake"] hint="whole-window"
def merge(weight, point):
    merged, middle = weight.clone(), weight.shape[-1] // 2
    merged[:, :, middle, middle] += point[:, :, 0, 0]
    for channel in range(len(weight)):
        merged[channel, channel] += 1
    return merged


# %% [markdown] tags=["mistake"]
# **All pairs of channels.** Every output channel gets the sum of all input channels.


# %% tags=["mistake"] hint="all-pairs"
def merge(weight, point):
    merged, middle = weight.clone(), weight.shape[-1] // 2
    merged[:, :, middle, middle] += point[:, :, 0, 0] + 1
    return merged


# %% [markdown] tags=["mistake"]
# **V on the whole window.** (C, C, 1, 1) and (C, C, K, K) can be added, and broadcasting asks no
# questions.


# %% tags=["mistake"] hint="point-everywhere"
def merge(weight, point):
    return weight + point + nn.init.dirac_(torch.empty_like(weight))


# %% [markdown] tags=["mistake"]
# **The identity on the wrong axes.** `torch.eye` is laid over the last two axes, rows and columns.
# With three channels and windows of three it fits.


# %% tags=["mistake"] hint="kernel-axes"
def merge(weight, point):
    merged, middle = weight.clone(), weight.shape[-1] // 2
    merged[:, :, middle, middle] += point[:, :, 0, 0]
    return merged + torch.eye(len(weight), dtype=weight.dtype)


# %% [markdown] tags=["mistake"]
# **The middle of 3.** Index 1 is the middle of three numbers, and not of five.


# %% tags=["mistake"] hint="centre"
def merge(weight, point):
    merged = weight.clone()
    merged[:, :, 1, 1] += point[:, :, 0, 0] + torch.eye(len(weight), dtype=weight.dtype)
    return merged


# %% [markdown] tags=["mistake"]
# **The corner.** Each layer moves the image by K // 2 pixels down and to the right.


# %% tags=["mistake"] hint="centre"
def merge(weight, point):
    merged = weight.clone()
    merged[:, :, 0, 0] += point[:, :, 0, 0] + torch.eye(len(weight), dtype=weight.dtype)
    return merged


# %% [markdown] tags=["mistake"]
# **One after the other.** That is the kernel of a 1 x 1 convolution followed by the large one, as
# in a bottleneck.


# %% tags=["mistake"] hint="in-series"
def merge(weight, point):
    series = torch.einsum("omuv,mi->oiuv", weight, point[:, :, 0, 0])
    return series + nn.init.dirac_(torch.empty_like(weight))


# %% [markdown] tags=["mistake"]
# **In place.** The right numbers, in the caller's layer. A second call adds the identity again.


# %% tags=["mistake"] hint="input-changed"
def merge(weight, point):
    middle = weight.shape[-1] // 2
    weight[:, :, middle, middle] += point[:, :, 0, 0] + torch.eye(len(weight), dtype=weight.dtype)
    return weight


# %% [markdown]
# ### Exercise 5.8 (three stars). The gradient at each depth
#
# Blocks stand one after the other, $x_1 = x$ and $x_{n+1} = \mathrm{block}_n(x_n)$. The loss hands
# its gradient g to the output of the last block. How large is the gradient when it arrives at each
# block? If it shrinks from block to block, the first ones hardly learn. Return the norms
#
# $$ \left\| \frac{\partial L}{\partial x_n} \right\| = \Big( \sum_k \Big( \frac{\partial L}
# {\partial x_{n,k}} \Big)^2 \Big)^{1/2} $$
#
# for the inputs of all blocks, where k runs over all numbers of $x_n$, all images of the batch
# included. The first norm in the list is that at x, the last that at the input of the last block.
#
# Leave no traces. Call each block once: in training mode a batch norm remembers each call. The
# `.grad` of all parameters stays what it was, and so do their values, their `requires_grad` and the
# modes of the blocks. x and g do not require gradients, and do not afterwards.
#
# - In: `blocks`, a list of at least one `nn.Module`; `x`, the input of the first, shape (B, ...);
#   `g`, of the shape of the last one's output: $\partial L / \partial x_{N+1}$ for N blocks. No
#   block changes its input in place. All parameters require gradients.
# - Out: a list of floats, one for each block.


# %%
def gradient_norms(blocks: list[nn.Module], x: Tensor, g: Tensor) -> list[float]:
    """Norms of dL / dx at the input of each block, the first block's first."""
    ### BEGIN SOLUTION
    inputs = []
    here = x.detach().clone().requires_grad_()
    for block in blocks:
        inputs.append(here)
        here = block(here)
    gradients = torch.autograd.grad(here, inputs, grad_outputs=g)
    return [gradient.norm().item() for gradient in gradients]
    ### END SOLUTION


# %%
checks.gradient_norms(gradient_norms)

# %% [markdown] tags=["solution"]
# One forward pass remembers all inputs, and one backward pass meets all of them.
# `torch.autograd.grad` can be asked for the gradient at any tensor of the graph, not only at its
# leaves. It writes nothing into `.grad`. The copy of x is marked, so the first input is on the
# graph too.
#
# The second answer does what backpropagation does, and shows its steps: each block has a graph of
# its own, and what comes out at its input is handed to the block before.


# %% tags=["alternative"]
def gradient_norms(blocks, x, g):
    pairs = []
    for block in blocks:
        before = x.detach().requires_grad_()  # another tensor with the same numbers
        x = block(before)
        pairs.append((before, x))
    norms = []
    for before, after in reversed(pairs):
        (g,) = torch.autograd.grad(after, before, g)
        norms.insert(0, g.norm().item())
    return norms


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The outputs.** The list has the right length, and everything in it is one place off.


# %% tags=["mistake"] hint="outputs"
def gradient_norms(blocks, x, g):
    outputs = []
    for block in blocks:
        x = block(x)
        outputs.append(x)
    return [one.norm().item() for one in torch.autograd.grad(x, outputs, g)]


# %% [markdown] tags=["mistake"]
# **Squared.** A gradient that has fallen to a thousandth seems to be a millionth.


# %% tags=["mistake"] hint="squared"
def gradient_norms(blocks, x, g):
    inputs = [x.clone().requires_grad_()]
    for block in blocks:
        inputs.append(block(inputs[-1]))
    gradients = torch.autograd.grad(inputs.pop(), inputs, g)
    return [(one**2).sum().item() for one in gradients]


# %% [markdown] tags=["mistake"]
# **`backward()`.** With `retain_grad` the numbers are right. All parameters have got a gradient as
# well, or their old one and this one added up.


# %% tags=["mistake"] hint="parameter-grads"
def gradient_norms(blocks, x, g):
    inputs = [x.clone().requires_grad_()]
    for block in blocks:
        inputs[-1].retain_grad()
        inputs.append(block(inputs[-1]))
    inputs.pop().backward(g)
    return [one.grad.norm().item() for one in inputs]


# %% [markdown] tags=["mistake"]
# **Detached between the blocks.** The second answer does this, and hands the gradient on by itself.
# Here nobody does.


# %% tags=["mistake"] hint="detached"
def gradient_norms(blocks, x, g):
    inputs = []
    for block in blocks:
        inputs.append(x.detach().requires_grad_())
        x = block(inputs[-1])
    return [one.norm().item() for one in torch.autograd.grad(x, inputs, g)]


# %% [markdown] tags=["mistake"]
# **Zeros for what is not found.** The same, with the error silenced.


# %% tags=["mistake"] hint="detached"
def gradient_norms(blocks, x, g):
    inputs = []
    for block in blocks:
        inputs.append(x.detach().requires_grad_())
        x = block(inputs[-1])
    gradients = torch.autograd.grad(x, inputs, g, materialize_grads=True)
    return [one.norm().item() for one in gradients]


# %% [markdown] tags=["mistake"]
# **Reversed.** The order in which a backward pass finds them.


# %% tags=["mistake"] hint="reversed"
def gradient_norms(blocks, x, g):
    inputs = [x.clone().requires_grad_()]
    for block in blocks:
        inputs.append(block(inputs[-1]))
    gradients = torch.autograd.grad(inputs.pop(), inputs, g)
    return [one.norm().item() for one in reversed(gradients)]


# %% [markdown] tags=["mistake"]
# **g left out.** The sum of the output has a gradient too. It is not that of the loss.


# %% tags=["mistake"] hint="g-ignored"
def gradient_norms(blocks, x, g):
    inputs = [x.clone().requires_grad_()]
    for block in blocks:
        inputs.append(block(inputs[-1]))
    gradients = torch.autograd.grad(inputs.pop().sum(), inputs)
    return [one.norm().item() for one in gradients]


# %% [markdown] tags=["mistake"]
# **From the start for each block.** The numbers are right. The work grows with the square of the
# depth, and the first batch norm has seen the batch N times.


# %% tags=["mistake"] hint="called-twice"
def gradient_norms(blocks, x, g):
    norms = []
    for first in range(len(blocks)):
        with torch.no_grad():
            start = nn.Sequential(*blocks[:first])(x)
        start = start.detach().requires_grad_()
        y = nn.Sequential(*blocks[first:])(start)
        norms.append(torch.autograd.grad(y, start, g)[0].norm().item())
    return norms


# %% [markdown] tags=["mistake"]
# **The caller's x marked.** `requires_grad_()` with its underscore acts on the tensor that was
# handed in.


# %% tags=["mistake"] hint="input-marked"
def gradient_norms(blocks, x, g):
    inputs = [x.requires_grad_()]
    for block in blocks:
        inputs.append(block(inputs[-1]))
    gradients = torch.autograd.grad(inputs.pop(), inputs, g)
    return [one.norm().item() for one in gradients]
