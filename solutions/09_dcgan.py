# %% [markdown]
# # Exercises 09. DCGAN
#
# Nine exercises on the parts of [lesson 09](../notebooks/09_dcgan.ipynb), and a clinic for a
# program with many faults.
#
# Put your own code where a cell says `raise NotImplementedError(...)`, run the cell, and then the
# cell below it, which begins with `checks.`. It tries your answer on inputs of its own. If
# something is wrong it says what your answer does and why that matters. The folder `solutions/`
# holds the same notebook with answers and with the usual mistakes.
#
# The letters are those of the lesson: B images a batch, C channels, H rows and W columns of an
# image, Z latent numbers, K kernel size, S stride, P padding. All images are float32 in [-1, 1]
# unless an exercise says otherwise.

# %%
import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import data, plotting, runtime
from course_lib.checks import lesson09 as checks

# %% [markdown]
# ### Exercise 9.1 (one star). How large is the output?
#
# A generator is a stack of transposed convolutions, and the first thing to know about such a layer
# is the size that it gives. The layer has H input rows, kernel size K, stride S and padding P.
# Dilation is 1 and there is no output padding. Return the number of output rows.
#
# - In: `size` H, `kernel` K, `stride` S, `padding` P: integers with H, K, S at least 1 and P at
#   least 0. The result is at least 1.
# - Out: an integer.


# %%
def transposed_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Rows after a transposed convolution of H rows: (H, K, S, P) -> H_out."""
    ### BEGIN SOLUTION
    return (size - 1) * stride + kernel - 2 * padding
    ### END SOLUTION


# %%
checks.transposed_size(transposed_size)

# %% [markdown] tags=["solution"]
# The first kernel covers K rows. Each of the H - 1 others starts S rows further on. Then P rows are
# cut off at each end. Another way is to ask which row the last kernel reaches, and to count.


# %% tags=["alternative"]
def transposed_size(size, kernel, stride, padding):
    last_start = stride * (size - 1)
    rows = range(last_start + kernel)  # before the crop
    return len(rows[padding : len(rows) - padding])


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The convolution's formula.** It answers the opposite question: how many rows are left when a
# convolution has shrunk the input.


# %% tags=["mistake"] hint="convolution"
def transposed_size(size, kernel, stride, padding):
    return (size + 2 * padding - kernel) // stride + 1


# %% [markdown] tags=["mistake"]
# **Padding added.** In a convolution padding enlarges the input. In its transpose the same rows are
# taken off the output again.


# %% tags=["mistake"] hint="padding-added"
def transposed_size(size, kernel, stride, padding):
    return (size - 1) * stride + 2 * padding + kernel


# %% [markdown] tags=["mistake"]
# **One-sided padding.** An image has two ends.


# %% tags=["mistake"] hint="one-sided"
def transposed_size(size, kernel, stride, padding):
    return (size - 1) * stride - padding + kernel


# %% [markdown] tags=["mistake"]
# **One stride too many.** Between H posts there are H - 1 gaps.


# %% tags=["mistake"] hint="one-stride-too-many"
def transposed_size(size, kernel, stride, padding):
    return size * stride - 2 * padding + kernel


# %% [markdown]
# ### Exercise 9.2 (one star). The discriminator's loss from logits
#
# Write $a$ for the logit of a real image and $b$ for that of a generated one, so that the
# discriminator's probabilities for "real" are $\sigma(a)$ and $\sigma(b)$. Return the loss of
# equation (9.4): the mean of $-\log \sigma(a)$ over the real images plus the mean of
# $-\log(1 - \sigma(b))$ over the generated ones.
#
# - In: `real_logits` and `fake_logits`, float32, shape (B,).
# - Out: a tensor of shape (). For logits of $\pm 10^4$ it must still be finite and right, and so
#   must its gradient: one infinite loss spoils every weight.


# %%
def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Mean of -log sigmoid(a) plus mean of -log(1 - sigmoid(b)): (B,), (B,) -> ()."""
    ### BEGIN SOLUTION
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
    ### END SOLUTION


# %%
checks.discriminator_loss(discriminator_loss)

# %% [markdown] tags=["solution"]
# PyTorch's loss for probabilities given as logits does the same, with the labels written out: 1 for
# real, 0 for generated.


# %% tags=["alternative"]
def discriminator_loss(real_logits, fake_logits):
    on_real = F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
    on_fake = F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
    return on_real + on_fake


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Sigmoid, then logarithm.** It is the definition, and right on paper. In float32 the sigmoid of
# -200 is 0.


# %% tags=["mistake"] hint="overflow"
def discriminator_loss(real_logits, fake_logits):
    real, fake = torch.sigmoid(real_logits), torch.sigmoid(fake_logits)
    return -(torch.log(real).mean() + torch.log(1 - fake).mean())


# %% [markdown] tags=["mistake"]
# **A small number inside the logarithm.** Nothing is infinite any more, but the loss stops at 18.4,
# where it is flat: the images that are judged worst no longer count.


# %% tags=["mistake"] hint="overflow"
def discriminator_loss(real_logits, fake_logits):
    real, fake = torch.sigmoid(real_logits), torch.sigmoid(fake_logits)
    return -(torch.log(real + 1e-8).mean() + torch.log(1 - fake + 1e-8).mean())


# %% [markdown] tags=["mistake"]
# **Swapped labels.** Everything runs and the loss falls. The generator will be rewarded for noise.


# %% tags=["mistake"] hint="swapped"
def discriminator_loss(real_logits, fake_logits):
    return F.softplus(real_logits).mean() + F.softplus(-fake_logits).mean()


# %% [markdown] tags=["mistake"]
# **Sum for mean.** With batches of 128 each step is 128 times as long. Adam hides it, because it
# divides by the gradient's size; plain gradient descent and a penalty added to the loss do not.


# %% tags=["mistake"] hint="sum"
def discriminator_loss(real_logits, fake_logits):
    return F.softplus(-real_logits).sum() + F.softplus(fake_logits).sum()


# %% [markdown] tags=["mistake"]
# **One mean over both batches.** Two means add up to twice that. A draw is then 0.693 instead of
# the 1.386 of equation (9.7), and the curves can no longer be compared with the lesson's.


# %% tags=["mistake"] hint="half"
def discriminator_loss(real_logits, fake_logits):
    return torch.cat([F.softplus(-real_logits), F.softplus(fake_logits)]).mean()


# %% [markdown] tags=["mistake"]
# **Only the real half.** The loss goes to zero at once, with a discriminator that says "real"
# to everything.


# %% tags=["mistake"] hint="only-real"
def discriminator_loss(real_logits, fake_logits):
    return F.softplus(-real_logits).mean()


# %% [markdown]
# ### Exercise 9.3 (one star). The paper's initialisation
#
# Change the weights of a network in place, and return the network:
#
# - the weights of every `nn.Conv2d` and `nn.ConvTranspose2d` are drawn from a normal distribution
#   with mean 0 and standard deviation 0.02, and their biases, where there are any, become 0;
# - the scales (`weight`) of every `nn.BatchNorm2d` are drawn from a normal distribution with mean 1
#   and standard deviation 0.02, and its shifts (`bias`) become 0.
#
# The layers may stand at any depth inside the network. It has no other weights. The draws come from
# torch's default random generator. Section 9.4 shows what the first images look like if one of
# these numbers is wrong.


# %%
def initialise(network: nn.Module) -> nn.Module:
    """Draw the weights of convolutions and batch normalisations anew; return the network."""
    ### BEGIN SOLUTION
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)
    return network
    ### END SOLUTION


# %%
checks.initialise(initialise)

# %% [markdown] tags=["solution"]
# `network.modules()` walks through all depths; `network.children()` would stop at the first. The
# method `apply` does the walking itself and returns the network.


# %% tags=["alternative"]
def initialise(network):
    centres = {nn.Conv2d: 0.0, nn.ConvTranspose2d: 0.0, nn.BatchNorm2d: 1.0}

    @torch.no_grad()
    def draw(module):
        if type(module) in centres:
            module.weight.copy_(centres[type(module)] + 0.02 * torch.randn(module.weight.shape))
            if module.bias is not None:
                module.bias.fill_(0.0)

    return network.apply(draw)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Every parameter alike.** Batch normalisation multiplies the
# normalised signal by its scale: with scales around zero the generator's first images are one grey.


# %% tags=["mistake"] hint="scales-near-zero"
def initialise(network):
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.0, 0.02)
    return network


# %% [markdown] tags=["mistake"]
# **Batch normalisation left out.** Fresh scales are exactly 1, so this does little harm. But it is
# not the recipe, and a network that is initialised a second time keeps its trained scales.


# %% tags=["mistake"] hint="batch-norm-untouched"
def initialise(network):
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


# %% [markdown] tags=["mistake"]
# **0.02 taken for the variance.** Books write $N(\mu, \sigma^2)$, `normal_` takes $\sigma$.


# %% tags=["mistake"] hint="variance"
def initialise(network):
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, math.sqrt(0.02))
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, math.sqrt(0.02))
            nn.init.zeros_(module.bias)
    return network


# %% [markdown] tags=["mistake"]
# **Only one of the two convolutions.** `nn.ConvTranspose2d` is no kind of `nn.Conv2d`: the
# discriminator is initialised, the generator is not.


# %% tags=["mistake"] hint="convtranspose2d-untouched"
def initialise(network):
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
            nn.init.zeros_(module.bias)
    return network


# %% [markdown]
# ### Exercise 9.4 (two stars). The discriminator's step
#
# Make one update of the discriminator and return its loss.
#
# 1. Generate a batch from `z`.
# 2. Take the loss (9.4) of the real and of the generated batch. Each goes through the discriminator
#    on its own.
# 3. Make one step with `adam`, which holds the discriminator's weights only. Gradients of an
#    earlier step may still be there.
#
# Afterwards the generator is as it was before: neither its weights nor its gradients have changed.
#
# - In: `generator` takes (B, Z) to (B, C, H, W); `discriminator` takes (B, C, H, W) to (B,) logits;
#   `real` is (B, C, H, W); `z` is (B, Z).
# - Out: the loss before the update, shape (), without its graph.


# %%
def discriminator_step(
    generator: nn.Module,
    discriminator: nn.Module,
    adam: torch.optim.Optimizer,
    real: Tensor,
    z: Tensor,
) -> Tensor:
    """One update of the discriminator; return its loss (9.4), () without a graph."""
    ### BEGIN SOLUTION
    fake = generator(z).detach()  # (B, C, H, W)
    loss = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
    adam.zero_grad()
    loss.backward()
    adam.step()
    return loss.detach()
    ### END SOLUTION


# %%
checks.discriminator_step(discriminator_step)

# %% [markdown] tags=["solution"]
# Instead of cutting the graph one can avoid building it. This saves memory too, if the images are
# not needed again for the generator's step.


# %% tags=["alternative"]
def discriminator_step(generator, discriminator, adam, real, z):
    adam.zero_grad(set_to_none=False)
    with torch.no_grad():
        fake = generator(z)
    total = 0.0
    for images, sign in ((real, 1.0), (fake, -1.0)):
        loss = -F.logsigmoid(sign * discriminator(images)).mean()
        loss.backward()  # the gradients of both halves add up
        total += loss.item()
    adam.step()
    return total


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Missing detach.** The update is right. But the generator now holds gradients that teach it to be
# caught, and a third of the backward pass's multiplications, with the lesson's networks, was spent on them.


# %% tags=["mistake"] hint="not-detached"
def discriminator_step(generator, discriminator, adam, real, z):
    fake = generator(z)
    loss = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
    adam.zero_grad()
    loss.backward()
    adam.step()
    return loss.detach()


# %% [markdown] tags=["mistake"]
# **Gradients not cleared.** Each step then follows the sum of all gradients since the start.


# %% tags=["mistake"] hint="not-zeroed"
def discriminator_step(generator, discriminator, adam, real, z):
    fake = generator(z).detach()
    loss = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
    loss.backward()
    adam.step()
    return loss.detach()


# %% [markdown] tags=["mistake"]
# **Swapped batches.** One minus sign in the wrong place.


# %% tags=["mistake"] hint="swapped"
def discriminator_step(generator, discriminator, adam, real, z):
    fake = generator(z).detach()
    loss = F.softplus(discriminator(real)).mean() + F.softplus(-discriminator(fake)).mean()
    adam.zero_grad()
    loss.backward()
    adam.step()
    return loss.detach()


# %% [markdown] tags=["mistake"]
# **One batch of both.** Faster, and harmless without batch normalisation. With it, the score of a
# real image depends on the generated ones beside it.


# %% tags=["mistake"] hint="one-batch"
def discriminator_step(generator, discriminator, adam, real, z):
    fake = generator(z).detach()
    real_logits, fake_logits = discriminator(torch.cat([real, fake])).chunk(2)
    loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
    adam.zero_grad()
    loss.backward()
    adam.step()
    return loss.detach()


# %% [markdown] tags=["mistake"]
# **The loss with its graph.** Nothing is wrong with the step. A list of such losses keeps the operations of every step alive,
# and the activations too wherever `backward` was not called.


# %% tags=["mistake"] hint="graph"
def discriminator_step(generator, discriminator, adam, real, z):
    fake = generator(z).detach()
    loss = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
    adam.zero_grad()
    loss.backward()
    adam.step()
    return loss


# %% [markdown]
# ### Exercise 9.5 (two stars). The generator's step
#
# Make one update of the generator with the non-saturating loss (9.5), the mean of
# $-\log \sigma(b)$ over the logits $b$ of its images, and return the loss.
#
# The discriminator is a fixed function here. Afterwards its weights are unchanged, they hold no
# gradients (they held none before), and they require gradients, as they did before.
#
# - In: as in exercise 9.4; `adam` holds the generator's weights only, and gradients of an earlier
#   step may still be there.
# - Out: the loss before the update, shape (), without its graph.


# %%
def generator_step(
    generator: nn.Module,
    discriminator: nn.Module,
    adam: torch.optim.Optimizer,
    z: Tensor,
) -> Tensor:
    """One update of the generator; return its loss (9.5), () without a graph."""
    ### BEGIN SOLUTION
    discriminator.requires_grad_(False)
    loss = F.softplus(-discriminator(generator(z))).mean()
    adam.zero_grad()
    loss.backward()
    adam.step()
    discriminator.requires_grad_(True)
    return loss.detach()
    ### END SOLUTION


# %%
checks.generator_step(generator_step)

# %% [markdown] tags=["solution"]
# `torch.autograd.grad` computes gradients only for the tensors that it is asked about, so the
# discriminator need not be frozen.


# %% tags=["alternative"]
def generator_step(generator, discriminator, adam, z):
    loss = -F.logsigmoid(discriminator(generator(z))).mean()
    weights = list(generator.parameters())
    for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.grad = gradient
    adam.step()
    return loss.item()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Detached here too.** The habit from the other step. The loss is a number with no way back to the
# generator. Because the discriminator is frozen torch notices; otherwise nothing would be said.


# %% tags=["mistake"] hint="no-gradient"
def generator_step(generator, discriminator, adam, z):
    discriminator.requires_grad_(False)
    loss = F.softplus(-discriminator(generator(z).detach())).mean()
    adam.zero_grad()
    loss.backward()
    adam.step()
    discriminator.requires_grad_(True)
    return loss.detach()


# %% [markdown] tags=["mistake"]
# **Not frozen.** The step is right, at the price of gradients that nobody wants. If the other step
# does not clear them, the discriminator follows the generator's wishes.


# %% tags=["mistake"] hint="discriminator-gradients"
def generator_step(generator, discriminator, adam, z):
    loss = F.softplus(-discriminator(generator(z))).mean()
    adam.zero_grad()
    loss.backward()
    adam.step()
    return loss.detach()


# %% [markdown] tags=["mistake"]
# **Frozen for ever.** The discriminator learns nothing after the generator's first step.


# %% tags=["mistake"] hint="not-restored"
def generator_step(generator, discriminator, adam, z):
    discriminator.requires_grad_(False)
    loss = F.softplus(-discriminator(generator(z))).mean()
    adam.zero_grad()
    loss.backward()
    adam.step()
    return loss.detach()


# %% [markdown] tags=["mistake"]
# **The saturating loss.** The minimax game says so, and its best generator is the same. At
# D = 0.01 its slope is 99 times smaller.


# %% tags=["mistake"] hint="saturating"
def generator_step(generator, discriminator, adam, z):
    discriminator.requires_grad_(False)
    loss = F.softplus(-discriminator(generator(z))).mean()
    saturating = -F.softplus(discriminator(generator(z))).mean()
    adam.zero_grad()
    saturating.backward()
    adam.step()
    discriminator.requires_grad_(True)
    return loss.detach()


# %% [markdown] tags=["mistake"]
# **Step before backward.** Every update uses the gradient of the step before, or none.


# %% tags=["mistake"] hint="step-first"
def generator_step(generator, discriminator, adam, z):
    discriminator.requires_grad_(False)
    loss = F.softplus(-discriminator(generator(z))).mean()
    adam.step()
    adam.zero_grad()
    loss.backward()
    discriminator.requires_grad_(True)
    return loss.detach()


# %% [markdown]
# ### Exercise 9.6 (two stars). A moving average of the generator
#
# The weights of a GAN circle around a good place. Their moving average lies nearer to it, costs one
# pass over the weights a step, and often draws better images than the generator itself. Write the
# update that follows each training step:
#
# $$ \bar w \leftarrow \beta\, \bar w + (1 - \beta)\, w $$
#
# for each averaged parameter $\bar w$ and the generator's parameter $w$ of the same name, with the
# decay $\beta$ (section 9.9). Buffers of floating-point numbers are the running mean and variance of
# batch normalisation. They belong to the weights with which they were measured, so they are averaged
# in the same way. An integer buffer is copied: `num_batches_tracked`, which counts batches.
#
# - In: `average`, a copy of `generator` made earlier, whose parameters require no gradients;
#   `generator`, in training; `decay` $\beta$ between 0 and 1.
# - Changed in place: `average` only. It shares no memory with the generator, and no graph is built.


# %%
def update_average(average: nn.Module, generator: nn.Module, decay: float) -> None:
    """Average weights and running statistics with this decay, and copy integer buffers."""
    ### BEGIN SOLUTION
    live = generator.state_dict()
    for name, kept in average.state_dict().items():
        if kept.is_floating_point():
            kept.lerp_(live[name], 1 - decay)  # kept + (1 - decay) (live - kept)
        else:
            kept.copy_(live[name])
    ### END SOLUTION


# %%
checks.update_average(update_average)

# %% [markdown] tags=["solution"]
# A state dictionary names parameters and buffers alike, and its tensors share the module's memory
# without being part of a graph. So in-place operations on them reach the module.
#
# The mean of the statistics is not quite what the averaged weights would measure. To know that takes
# a pass of many batches through the averaged network; the mean takes none.


# %% tags=["alternative"]
@torch.no_grad()
def update_average(average, generator, decay):
    for kept, new in zip(average.parameters(), generator.parameters(), strict=True):
        kept.mul_(decay).add_(new, alpha=1 - decay)
    for kept, new in zip(average.buffers(), generator.buffers(), strict=True):
        mean = decay * kept + (1 - decay) * new
        kept.copy_(mean if new.is_floating_point() else new)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The decay exchanged.** With 0.999 the average would be the generator itself, all but a thousandth.


# %% tags=["mistake"] hint="decay-exchanged"
def update_average(average, generator, decay):
    live = generator.state_dict()
    for name, kept in average.state_dict().items():
        if kept.is_floating_point():
            kept.copy_((1 - decay) * kept + decay * live[name])
        else:
            kept.copy_(live[name])


# %% [markdown] tags=["mistake"]
# **Statistics copied.** The weights are those of a mean over many steps, the statistics those of the
# last ten batches or so, under weights that the average does not have. Its layers are then
# normalised with the wrong mean and variance, wrong in another way after each step.


# %% tags=["mistake"] hint="statistics-copied"
@torch.no_grad()
def update_average(average, generator, decay):
    for kept, new in zip(average.parameters(), generator.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)
    for kept, new in zip(average.buffers(), generator.buffers(), strict=True):
        kept.copy_(new)


# %% [markdown] tags=["mistake"]
# **Buffers forgotten.** The average draws with the statistics that the generator had when training
# began.


# %% tags=["mistake"] hint="buffers"
@torch.no_grad()
def update_average(average, generator, decay):
    for kept, new in zip(average.parameters(), generator.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)


# %% [markdown] tags=["mistake"]
# **The count averaged.** `copy_` into an integer tensor cuts off the fraction without a word. With
# $\beta = 0.999$ the count stands still until the generator's is about 1000 ahead. The images do not
# show it: in evaluation mode nothing reads the count. (`lerp_` refuses an integer tensor.)


# %% tags=["mistake"] hint="counter-mixed"
def update_average(average, generator, decay):
    live = generator.state_dict()
    for name, kept in average.state_dict().items():
        kept.copy_(decay * kept + (1 - decay) * live[name])


# %% [markdown] tags=["mistake"]
# **Another name instead of a copy.** `kept.data = new.data` makes both modules use one counter. It is
# right at this moment, and counts on behind your back at the next step.


# %% tags=["mistake"] hint="alias"
@torch.no_grad()
def update_average(average, generator, decay):
    for kept, new in zip(average.parameters(), generator.parameters(), strict=True):
        kept.lerp_(new, 1 - decay)
    for kept, new in zip(average.buffers(), generator.buffers(), strict=True):
        if new.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.data = new.data


# %% [markdown] tags=["mistake"]
# **Rebinding `.data`.** The mixing happens in the generator's own memory, and the average is
# pointed there. Both are one network from then on, and the training itself is disturbed.


# %% tags=["mistake"] hint="rebound"
def update_average(average, generator, decay):
    for kept, new in zip(average.parameters(), generator.parameters(), strict=True):
        kept.data = new.data.mul_(1 - decay).add_(kept.data, alpha=decay)
    for kept, new in zip(average.buffers(), generator.buffers(), strict=True):
        kept.copy_(decay * kept + (1 - decay) * new if new.is_floating_point() else new)


# %% [markdown] tags=["mistake"]
# **Without `no_grad`.** The averaged weights become a formula of all generators so far, and
# autograd keeps every one of them.


# %% tags=["mistake"] hint="graph"
def update_average(average, generator, decay):
    for kept, new in zip(average.parameters(), generator.parameters(), strict=True):
        kept.mul_(decay).add_(new, alpha=1 - decay)
    for kept, new in zip(average.buffers(), generator.buffers(), strict=True):
        kept.copy_(decay * kept + (1 - decay) * new if new.is_floating_point() else new)


# %% [markdown]
# ### Exercise 9.7 (two stars). Images for a figure
#
# A look at the training must not disturb it. Return the generator's images of `z`
#
# - in evaluation mode: one `z` gives one image, whatever the other images of the batch are;
# - without a graph;
# - and leave the generator as you found it: its mode, training or evaluation, its weights and its
#   batch-norm statistics.
#
# In: `generator` takes (B, Z) to (B, C, H, W), in any mode; `z` is (B, Z). Out: (B, C, H, W).


# %%
def sample(generator: nn.Module, z: Tensor) -> Tensor:
    """Images of z in evaluation mode, without a graph: (B, Z) -> (B, C, H, W)."""
    ### BEGIN SOLUTION
    was_training = generator.training
    generator.eval()
    with torch.no_grad():
        images = generator(z)
    generator.train(was_training)
    return images
    ### END SOLUTION


# %%
checks.sample(sample)

# %% [markdown] tags=["solution"]
# A copy can be put into evaluation mode without any thought of the original. It costs the memory of
# a second generator.


# %% tags=["alternative"]
def sample(generator, z):
    return copy.deepcopy(generator).eval()(z).detach()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Training mode.** `no_grad` stops gradients only. Batch normalisation still uses the batch, and
# counts these images into its running statistics.


# %% tags=["mistake"] hint="training-mode"
def sample(generator, z):
    with torch.no_grad():
        return generator(z)


# %% [markdown] tags=["mistake"]
# **Left in evaluation mode.** The figure is right and the rest of the training is not.


# %% tags=["mistake"] hint="left-in-eval"
def sample(generator, z):
    generator.eval()
    with torch.no_grad():
        return generator(z)


# %% [markdown] tags=["mistake"]
# **Always back to training.** Right within training. Called on a finished generator, it leaves a
# generator whose next images depend on each other.


# %% tags=["mistake"] hint="always-train"
def sample(generator, z):
    generator.eval()
    with torch.no_grad():
        images = generator(z)
    generator.train()
    return images


# %% [markdown] tags=["mistake"]
# **The graph kept.** `eval` does not turn autograd off. A list of figures then holds all their
# activations.


# %% tags=["mistake"] hint="graph"
def sample(generator, z):
    was_training = generator.training
    images = generator.eval()(z)
    generator.train(was_training)
    return images


# %% [markdown]
# ### Exercise 9.8 (two stars). Along the arc
#
# A latent vector of Z normal numbers has a length near $\sqrt{Z}$. The straight line between two of
# them passes through shorter ones, which the generator has hardly ever seen. Spherical
# interpolation, *slerp*, turns from one vector to the other instead. With the angle $\theta$
# between the vectors $z_0$ and $z_1$, and a position $t$ from 0 to 1, it is equation (9.14):
#
# $$ z_t = \frac{\sin((1 - t)\,\theta)}{\sin \theta}\, z_0 + \frac{\sin(t\,\theta)}{\sin \theta}\, z_1. $$
#
# - In: `start` $z_0$ and `end` $z_1$, shape (B, Z), each row a pair with its own angle, neither zero
#   nor parallel; their lengths differ. `t`, a number from 0 to 1.
# - Out: (B, Z).


# %%
def slerp(start: Tensor, end: Tensor, t: float) -> Tensor:
    """The vectors at t on the arcs from start to end: (B, Z), (B, Z) -> (B, Z)."""
    ### BEGIN SOLUTION
    cosine = F.cosine_similarity(start, end, dim=1).clamp(-1, 1)  # (B,)
    angle = torch.acos(cosine)[:, None]  # (B, 1)
    return (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)
    ### END SOLUTION


# %%
checks.slerp(slerp)

# %% [markdown] tags=["solution"]
# The arc cosine loses digits for small angles. Half the angle can be had from the sum and the
# difference of the two unit vectors, with no such loss.


# %% tags=["alternative"]
def slerp(start, end, t):
    u = start / start.norm(dim=1, keepdim=True)
    v = end / end.norm(dim=1, keepdim=True)
    angle = 2 * torch.atan2((u - v).norm(dim=1, keepdim=True), (u + v).norm(dim=1, keepdim=True))
    from_start = torch.sin(angle - t * angle) / torch.sin(angle)
    from_end = torch.sin(t * angle) / torch.sin(angle)
    return from_start * start + from_end * end


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The straight line.** Half-way between two vectors of one length at right angles it has lost 29 %
# of that length.


# %% tags=["mistake"] hint="straight"
def slerp(start, end, t):
    return (1 - t) * start + t * end


# %% [markdown] tags=["mistake"]
# **The angle of vectors that are not normalised.** Their inner product is of the order of
# $\sqrt{Z}$ or more, and no cosine.


# %% tags=["mistake"] hint="unnormalised"
def slerp(start, end, t):
    angle = torch.acos((start * end).sum(dim=1, keepdim=True))
    return (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)


# %% [markdown] tags=["mistake"]
# **The same, without NaN.** The clamp that repairs round-off hides the mistake.


# %% tags=["mistake"] hint="unnormalised"
def slerp(start, end, t):
    angle = torch.acos((start * end).sum(dim=1, keepdim=True).clamp(-0.999, 0.999))
    return (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)


# %% [markdown] tags=["mistake"]
# **Swapped ends.** The walk runs backwards. In the middle nobody notices.


# %% tags=["mistake"] hint="swapped"
def slerp(start, end, t):
    angle = torch.acos(F.cosine_similarity(start, end, dim=1))[:, None]
    return (torch.sin(t * angle) * start + torch.sin((1 - t) * angle) * end) / torch.sin(angle)


# %% [markdown] tags=["mistake"]
# **Degrees.** `torch.sin` does not know them.


# %% tags=["mistake"] hint="degrees"
def slerp(start, end, t):
    angle = torch.rad2deg(torch.acos(F.cosine_similarity(start, end, dim=1)))[:, None]
    return (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)


# %% [markdown] tags=["mistake"]
# **One angle for the whole batch.** `flatten` makes one long vector of all of them.


# %% tags=["mistake"] hint="one-angle"
def slerp(start, end, t):
    angle = torch.acos(F.cosine_similarity(start.flatten(), end.flatten(), dim=0))
    return (torch.sin((1 - t) * angle) * start + torch.sin(t * angle) * end) / torch.sin(angle)


# %% [markdown]
# ### Exercise 9.9 (two stars). How varied is a group?
#
# Write the layer of section 9.9 that shows the discriminator how much the images of a group differ, equation (9.12):
#
# $$ \delta = \frac{1}{C H W} \sum_{c, i, j} \sqrt{ \frac1N \sum_{n=1}^{N} \bigl( h_{n,c,i,j} - \bar h_{c,i,j} \bigr)^2 }, $$
#
# where $h_{n,c,i,j}$ is the number of image $n$ of the group in channel $c$ at position $(i, j)$, and $\bar h_{c,i,j}$ the mean
# over the group.
#
# - In: `maps`, shape (B, C, H, W); `group`, the number $N$ of images in a group, which divides B. A
#   group is $N$ images that follow each other in the batch.
# - Out: (B, C + 1, H, W). The maps, and after them one channel that holds the $\delta$ of the image's own
#   group everywhere. Gradients pass through both. Where all images of a group agree, the root has no finite
#   slope: add $10^{-8}$ under it.


# %%
def minibatch_std(maps: Tensor, group: int) -> Tensor:
    """Append the spread of each image's group: (B, C, H, W) -> (B, C + 1, H, W)."""
    ### BEGIN SOLUTION
    groups = maps.unflatten(0, (-1, group))  # (B / N, N, C, H, W)
    spread = (groups.var(dim=1, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))  # (B / N,)
    spread = spread.repeat_interleave(group)[:, None, None, None]  # (B, 1, 1, 1)
    return torch.cat([maps, spread.expand(-1, 1, *maps.shape[2:])], dim=1)
    ### END SOLUTION


# %%
checks.minibatch_std(minibatch_std)

# %% [markdown] tags=["solution"]
# Group by group, and the variance as the mean of squares minus the square of the mean. In float32 that form loses
# digits where the mean is large against the spread, and may come out below zero: hence the `clamp`.


# %% tags=["alternative"]
def minibatch_std(maps, group):
    done = []
    for images in maps.split(group):
        variance = ((images**2).mean(0) - images.mean(0) ** 2).clamp(min=0)
        spread = torch.sqrt(variance + 1e-8).mean()
        done.append(torch.cat([images, spread * torch.ones_like(images[:, :1])], dim=1))
    return torch.cat(done)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The contrast of an image.** The deviation over the wrong axes. It runs, and says nothing about variety.


# %% tags=["mistake"] hint="within-images"
def minibatch_std(maps, group):
    spread = maps.std(dim=(1, 2, 3), correction=0)[:, None, None, None]
    return torch.cat([maps, spread.expand(-1, 1, *maps.shape[2:])], dim=1)


# %% [markdown] tags=["mistake"]
# **The whole batch as one group.**


# %% tags=["mistake"] hint="one-group"
def minibatch_std(maps, group):
    spread = (maps.var(dim=0, correction=0) + 1e-8).sqrt().mean()
    return torch.cat([maps, spread.expand(len(maps), 1, *maps.shape[2:])], dim=1)


# %% [markdown] tags=["mistake"]
# **Right numbers at the wrong images.** `repeat` where `repeat_interleave` belongs.


# %% tags=["mistake"] hint="misplaced"
def minibatch_std(maps, group):
    groups = maps.unflatten(0, (-1, group))
    spread = (groups.var(dim=1, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3)).repeat(group)
    return torch.cat([maps, spread[:, None, None, None].expand(-1, 1, *maps.shape[2:])], dim=1)


# %% [markdown] tags=["mistake"]
# **Images that do not follow each other.** The axis of the groups stands second. The authors' own program does it so, and in
# shuffled batches it makes no difference. The exercise asks for neighbours.


# %% tags=["mistake"] hint="strided"
def minibatch_std(maps, group):
    groups = maps.unflatten(0, (group, -1))
    spread = (groups.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3)).repeat(group)
    return torch.cat([maps, spread[:, None, None, None].expand(-1, 1, *maps.shape[2:])], dim=1)


# %% [markdown] tags=["mistake"]
# **N groups instead of groups of N.**


# %% tags=["mistake"] hint="count"
def minibatch_std(maps, group):
    groups = maps.unflatten(0, (group, -1))
    spread = (groups.var(dim=1, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    spread = spread.repeat_interleave(len(maps) // group)[:, None, None, None]
    return torch.cat([maps, spread.expand(-1, 1, *maps.shape[2:])], dim=1)


# %% [markdown] tags=["mistake"]
# **Divided by $N - 1$.** What `std` does if it is not told otherwise.


# %% tags=["mistake"] hint="n-minus-one"
def minibatch_std(maps, group):
    groups = maps.unflatten(0, (-1, group))
    spread = (groups.var(dim=1) + 1e-8).sqrt().mean(dim=(1, 2, 3)).repeat_interleave(group)
    return torch.cat([maps, spread[:, None, None, None].expand(-1, 1, *maps.shape[2:])], dim=1)


# %% [markdown] tags=["mistake"]
# **The root at the end.** A mean of roots is not the root of a mean.


# %% tags=["mistake"] hint="root-last"
def minibatch_std(maps, group):
    groups = maps.unflatten(0, (-1, group))
    spread = (groups.var(dim=1, correction=0).mean(dim=(1, 2, 3)) + 1e-8).sqrt()
    spread = spread.repeat_interleave(group)[:, None, None, None]
    return torch.cat([maps, spread.expand(-1, 1, *maps.shape[2:])], dim=1)


# %% [markdown] tags=["mistake"]
# **No gradient.** The number is right, and the generator learns nothing from it.


# %% tags=["mistake"] hint="detached"
def minibatch_std(maps, group):
    groups = maps.detach().unflatten(0, (-1, group))
    spread = (groups.var(dim=1, correction=0) + 1e-8).sqrt().mean(dim=(1, 2, 3))
    spread = spread.repeat_interleave(group)[:, None, None, None]
    return torch.cat([maps, spread.expand(-1, 1, *maps.shape[2:])], dim=1)


# %% [markdown] tags=["mistake"]
# **Nothing under the root.** It works until a generator draws one image over and over. Then the first step is not finite,
# and there is no second.


# %% tags=["mistake"] hint="slope"
def minibatch_std(maps, group):
    groups = maps.unflatten(0, (-1, group))
    spread = groups.var(dim=1, correction=0).sqrt().mean(dim=(1, 2, 3))
    spread = spread.repeat_interleave(group)[:, None, None, None]
    return torch.cat([maps, spread.expand(-1, 1, *maps.shape[2:])], dim=1)


# %% [markdown]
# ## The code clinic
#
# ### Exercise 9.10 (three stars). A program with many faults
#
# One of the articles that this course grew from lists a DCGAN that cannot work. Here it is, retold
# in PyTorch. The images are bytes of shape (B, 1, 28, 28). **Before you read on, count the faults:
# there are at least twelve.** A fault is a line that stops the program, that lets it run and learn nothing, or that makes
# it learn worse.
#
# ```python
# class Generator(nn.Module):
#     def __init__(self):
#         super().__init__()
#         self.first = nn.Sequential(nn.Linear(64, 7 * 7 * 128), nn.Tanh())
#         self.maps = nn.Sequential(
#             nn.Conv2d(128, 64, 5, stride=2), nn.ReLU(),
#             nn.Conv2d(64, 32, 5, stride=2), nn.ReLU(),
#         )
#         self.last = nn.Sequential(nn.Flatten(), nn.LazyLinear(1), nn.Sigmoid())
#
#     def forward(self):
#         x = self.first(z)
#         x = self.maps(x.view(-1, 128, 7, 7))
#         x = self.last(x)
#         return x
#
#
# class Discriminator(nn.Module):
#     def __init__(self, shape):
#         super().__init__()
#         self.layers = nn.Sequential(
#             nn.LazyConv2d(64, 5, stride=2), nn.LeakyReLU(0.2),
#             nn.Flatten(), nn.LazyLinear(1), nn.Sigmoid(),
#         )
#
#     def forward(self, x):
#         score = self.layers(images)
#         return x
#
#
# generator, discriminator = Generator(), Discriminator((1, 28, 28))
# generator_adam = torch.optim.Adam(generator.parameters())
# discriminator_adam = torch.optim.Adam(discriminator.parameters())
# for pixels in batches:
#     d_loss = F.binary_cross_entropy(discriminator(pixels), labels)
#     d_loss.backward()
#     discriminator_adam.step()
# for pixels in batches:
#     g_loss = F.binary_cross_entropy(generator(), pixels)
#     g_loss.backward()
#     generator_adam.step()
# ```
#
# Two drawings: the generator as it stands, and the way its tensors should go.

# %%
plotting.architecture(
    [
        ("z", (64,)),
        ("dense, tanh", (128, 7, 7)),
        ("conv 5 × 5, stride 2", (64, 2, 2)),
        ("5 × 5 on 2 × 2 does not fit", (1,)),
    ],
    title="Before",
    alt="The broken generator: a latent vector of 64 numbers becomes 128 maps of 7 by 7, then 64 "
    "maps of 2 by 2, and should become a single number.",
)

# %%
plotting.architecture(
    [
        ("z", (64,)),
        ("dense", (128, 7, 7)),
        ("twice as large", (64, 14, 14)),
        ("twice as large", (1, 28, 28)),
    ],
    title="After",
    alt="The repaired generator: a latent vector of 64 numbers becomes 128 maps of 7 by 7, then 64 "
    "maps of 14 by 14, then one image of 28 by 28.",
)

# %% [markdown]
# **Figure E9.1.** Boxes are tensors, (C, H, W). *Before*: the maps shrink until the next kernel
# does not fit on them, and even then the end is one number. *After*: they grow to the size of an
# image. Each drawing has its own scale. Which layers and activations stand at the arrows is your
# part.

# %% [markdown] tags=["solution"]
# | fault | why it is one | repaired in |
# |---|---|---|
# | `forward` uses `z` before there is one | a network works on its argument | 9.10a |
# | tanh after the first dense layer | its slope vanishes at both ends | 9.10a |
# | convolutions of stride 2 | 7 to 2, and then the kernel does not fit: they shrink | 9.10a |
# | flattened into one unit | that is a score, not an image | 9.10a |
# | sigmoid at the end | [0, 1], where images in [-1, 1] are wanted | 9.10a |
# | the discriminator works on `images`, a name from nowhere | its argument is ignored | 9.10b |
# | it returns `x` | a model of x onto itself; the score is lost | 9.10b |
# | it ends in a sigmoid | a probability rounds to 0 or 1, and its logarithm loses digits | 9.10b |
# | `shape` is never used | the lazy layers take whatever comes first; nothing compares it | 9.10b |
# | it never sees a generated image; there are no `labels` | nothing to tell apart | 9.10c |
# | the generator is fitted to real images, by pixels | it never meets the discriminator | 9.10c |
# | two loops, one after the other | the players must take turns | 9.10c |
# | gradients are never cleared | every step follows the sum of all before it | 9.10c |
# | bytes go in as they are | 0 to 255 against [-1, 1]: brightness gives them away | 9.10c |
#
# Once generated images do enter the discriminator's turn, one more can be made: they must be
# detached there.

# %% [markdown]
# #### Exercise 9.10a. The generator
#
# Write the class. The image grows from 128 maps of 7 × 7, which the first layer makes of $z$ alone.
# Between layers stand ReLUs (or their relatives); batch normalisation is welcome. The output can
# reach every value between -1 and 1 and none outside.
#
# - In: `latent` Z when it is made; then `z`, float32, shape (B, Z).
# - Out: images (B, 1, 28, 28) in [-1, 1].


# %%
class ClinicGenerator(nn.Module):
    """Images from latent vectors: (B, Z) -> (B, 1, 28, 28) in [-1, 1]."""

    def __init__(self, latent: int = 64) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        self.layers = nn.Sequential(
            nn.Linear(latent, 128 * 7 * 7, bias=False),
            nn.Unflatten(1, (128, 7, 7)),  # (B, 128, 7, 7)
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False),  # (B, 64, 14, 14)
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1),  # (B, 1, 28, 28)
            nn.Tanh(),
        )
        ### END SOLUTION

    def forward(self, z: Tensor) -> Tensor:
        """Images of z: (B, Z) -> (B, 1, 28, 28)."""
        ### BEGIN SOLUTION
        return self.layers(z)
        ### END SOLUTION


# %%
checks.ClinicGenerator(ClinicGenerator)

# %% [markdown] tags=["solution"]
# A dense layer onto 128 × 7 × 7 numbers is the same as a transposed convolution of a 1 × 1 map with
# a 7 × 7 kernel. And instead of a transposed convolution one may repeat each pixel and then
# convolve: no checkerboard, at 9/4 of the multiplications in these two layers.


# %% tags=["alternative"]
class ClinicGenerator(nn.Module):
    def __init__(self, latent=64):
        super().__init__()
        self.first = nn.ConvTranspose2d(latent, 128, 7)
        self.second = nn.Conv2d(128, 64, 3, padding=1)
        self.third = nn.Conv2d(64, 1, 3, padding=1)

    def forward(self, z):
        x = F.relu(self.first(z[:, :, None, None]))  # (B, 128, 7, 7)
        x = F.relu(self.second(F.interpolate(x, scale_factor=2)))  # (B, 64, 14, 14)
        x = self.third(F.interpolate(x, scale_factor=2))  # (B, 1, 28, 28)
        return 2 * torch.sigmoid(x) - 1  # which is tanh(x / 2)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Nothing between the layers.** Shapes and range are right. But linear layers one after the other are one linear layer.


# %% tags=["mistake"] hint="linear"
class ClinicGenerator(nn.Module):
    def __init__(self, latent=64):
        super().__init__()
        self.first = nn.Linear(latent, 128 * 7 * 7)
        self.second = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1)
        self.third = nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1)

    def forward(self, z):
        x = self.second(self.first(z).view(-1, 128, 7, 7))
        return torch.tanh(self.third(x))


# %% [markdown] tags=["mistake"]
# **The input does not exist.** `forward` ignores its argument and reaches for a name outside.


# %% tags=["mistake"] hint="undefined"
class ClinicGenerator(nn.Module):
    def __init__(self, latent=64):
        super().__init__()
        self.first = nn.Linear(latent, 128 * 7 * 7)
        self.second = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1)
        self.third = nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1)

    def forward(self, z):
        x = F.relu(self.first(noise)).view(-1, 128, 7, 7)
        return torch.tanh(self.third(F.relu(self.second(x))))


# %% [markdown] tags=["mistake"]
# **Its own noise.** A common repair of the fault above. It runs, and no image can be made twice:
# there is nothing to interpolate and no fixed z to watch.


# %% tags=["mistake"] hint="own-noise"
class ClinicGenerator(nn.Module):
    def __init__(self, latent=64):
        super().__init__()
        self.first = nn.Linear(latent, 128 * 7 * 7)
        self.second = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1)
        self.third = nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1)

    def forward(self, z):
        x = F.relu(self.first(torch.randn_like(z))).view(-1, 128, 7, 7)
        return torch.tanh(self.third(F.relu(self.second(x))))


# %% [markdown] tags=["mistake"]
# **z ignored.** One learned picture, whatever the input.


# %% tags=["mistake"] hint="ignores-input"
class ClinicGenerator(nn.Module):
    def __init__(self, latent=64):
        super().__init__()
        self.first = nn.Linear(latent, 128 * 7 * 7)
        self.second = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1)
        self.third = nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1)

    def forward(self, z):
        x = F.relu(self.first(torch.ones_like(z))).view(-1, 128, 7, 7)
        return torch.tanh(self.third(F.relu(self.second(x))))


# %% [markdown] tags=["mistake"]
# **tanh after the first layer.** tanh belongs at the end, for the sake of the pixels' range.


# %% tags=["mistake"] hint="hidden-tanh"
class ClinicGenerator(nn.Module):
    def __init__(self, latent=64):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent, 128 * 7 * 7),
            nn.Tanh(),
            nn.Unflatten(1, (128, 7, 7)),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.layers(z)


# %% [markdown] tags=["mistake"]
# **Convolutions that shrink.** The article's layers, without padding: the second kernel is larger
# than the map that it should slide over.


# %% tags=["mistake"] hint="shrinks"
class ClinicGenerator(nn.Module):
    def __init__(self, latent=64):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent, 128 * 7 * 7),
            nn.ReLU(),
            nn.Unflatten(1, (128, 7, 7)),
            nn.Conv2d(128, 64, 5, stride=2),
            nn.ReLU(),
            nn.Conv2d(64, 1, 5, stride=2),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.layers(z)


# %% [markdown] tags=["mistake"]
# **The same with padding.** Now it runs to the end. The end is 2 × 2.


# %% tags=["mistake"] hint="shrinks"
class ClinicGenerator(nn.Module):
    def __init__(self, latent=64):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent, 128 * 7 * 7),
            nn.ReLU(),
            nn.Unflatten(1, (128, 7, 7)),
            nn.Conv2d(128, 64, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(64, 1, 5, stride=2, padding=2),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.layers(z)


# %% [markdown] tags=["mistake"]
# **A score instead of an image.** The last lines of a discriminator, copied to the wrong place.


# %% tags=["mistake"] hint="score"
class ClinicGenerator(nn.Module):
    def __init__(self, latent=64):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent, 128 * 7 * 7),
            nn.ReLU(),
            nn.Unflatten(1, (128, 7, 7)),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64 * 14 * 14, 1),
            nn.Sigmoid(),
        )

    def forward(self, z):
        return self.layers(z)


# %% [markdown] tags=["mistake"]
# **The wrong range.** A sigmoid gives [0, 1]. The black background of every real image is -1.


# %% tags=["mistake"] hint="zero-one"
class ClinicGenerator(nn.Module):
    def __init__(self, latent=64):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent, 128 * 7 * 7),
            nn.ReLU(),
            nn.Unflatten(1, (128, 7, 7)),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1),
            nn.Sigmoid(),
        )

    def forward(self, z):
        return self.layers(z)


# %% [markdown] tags=["mistake"]
# **No range at all.** Without tanh, a pixel can be whiter than white.


# %% tags=["mistake"] hint="unbounded"
class ClinicGenerator(nn.Module):
    def __init__(self, latent=64):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent, 128 * 7 * 7),
            nn.ReLU(),
            nn.Unflatten(1, (128, 7, 7)),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1),
        )

    def forward(self, z):
        return self.layers(z)


# %% [markdown] tags=["mistake"]
# **A variable bound again.** `x` is overwritten from `h`, and the middle layer's work is thrown
# away. The shapes agree, so nothing complains.


# %% tags=["mistake"] hint="unused"
class ClinicGenerator(nn.Module):
    def __init__(self, latent=64):
        super().__init__()
        self.first = nn.Linear(latent, 128 * 7 * 7)
        self.middle = nn.Conv2d(128, 128, 3, padding=1)
        self.second = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1)
        self.third = nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1)

    def forward(self, z):
        h = F.relu(self.first(z)).view(-1, 128, 7, 7)
        x = F.relu(self.middle(h))
        x = F.relu(self.second(h))
        return torch.tanh(self.third(x))


# %% [markdown]
# #### Exercise 9.10b. The discriminator
#
# Write the class: one logit for each image, positive for real. `shape` is the images' shape
# (C, H, W), where H and W are multiples of 4. The network must fit it whatever it is.
#
# - In: `shape` when it is made; then images, float32, shape (B, C, H, W) in [-1, 1].
# - Out: logits, shape (B,).


# %%
class ClinicDiscriminator(nn.Module):
    """One logit for each image: (B, C, H, W) in [-1, 1] -> (B,)."""

    def __init__(self, shape: tuple[int, int, int] = (1, 28, 28)) -> None:
        super().__init__()
        ### BEGIN SOLUTION
        channels, height, width = shape
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 32, 4, stride=2, padding=1),  # (B, 32, H/2, W/2)
            nn.LeakyReLU(0.2),
            nn.Conv2d(32, 64, 4, stride=2, padding=1),  # (B, 64, H/4, W/4)
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(64 * (height // 4) * (width // 4), 1),  # (B, 1)
        )
        ### END SOLUTION

    def forward(self, images: Tensor) -> Tensor:
        """Logits of images: (B, C, H, W) -> (B,)."""
        ### BEGIN SOLUTION
        return self.layers(images).flatten()
        ### END SOLUTION


# %%
checks.ClinicDiscriminator(ClinicDiscriminator)

# %% [markdown] tags=["solution"]
# A last convolution whose kernel is as large as the map does what the dense layer does.


# %% tags=["alternative"]
class ClinicDiscriminator(nn.Module):
    def __init__(self, shape=(1, 28, 28)):
        super().__init__()
        self.first = nn.Conv2d(shape[0], 32, 4, stride=2, padding=1)
        self.second = nn.Conv2d(32, 64, 4, stride=2, padding=1)
        self.score = nn.Conv2d(64, 1, (shape[1] // 4, shape[2] // 4))

    def forward(self, images):
        x = F.leaky_relu(self.first(images), 0.2)
        x = F.leaky_relu(self.second(x), 0.2)
        return self.score(x)[:, 0, 0, 0]


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The input ignored.** The network looks at an image of its own. The argument is not used at all.


# %% tags=["mistake"] hint="ignores-input"
class ClinicDiscriminator(nn.Module):
    def __init__(self, shape=(1, 28, 28)):
        super().__init__()
        channels, height, width = shape
        self.inputs = torch.zeros(1, channels, height, width)
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 32, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(32 * (height // 2) * (width // 2), 1),
        )

    def forward(self, images):
        return self.layers(self.inputs.expand(len(images), -1, -1, -1)).flatten()


# %% [markdown] tags=["mistake"]
# **A model of x onto itself.** The score is computed and forgotten; what comes out is what went in.


# %% tags=["mistake"] hint="onto-itself"
class ClinicDiscriminator(nn.Module):
    def __init__(self, shape=(1, 28, 28)):
        super().__init__()
        channels, height, width = shape
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 32, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(32 * (height // 2) * (width // 2), 1),
        )

    def forward(self, x):
        self.score = self.layers(x)
        return x


# %% [markdown] tags=["mistake"]
# **Probabilities for logits.** With a loss that expects logits, a probability of 0.99 is read as a
# logit of 0.99, which means 73 %.


# %% tags=["mistake"] hint="sigmoid"
class ClinicDiscriminator(nn.Module):
    def __init__(self, shape=(1, 28, 28)):
        super().__init__()
        channels, height, width = shape
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 32, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(32 * (height // 2) * (width // 2), 1),
            nn.Sigmoid(),
        )

    def forward(self, images):
        return self.layers(images).flatten()


# %% [markdown] tags=["mistake"]
# **The image's shape ignored.** It fits Fashion-MNIST because somebody counted 14 × 14 by hand.


# %% tags=["mistake"] hint="size-ignored"
class ClinicDiscriminator(nn.Module):
    def __init__(self, shape=(1, 28, 28)):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(32 * 14 * 14, 1),
        )

    def forward(self, images):
        return self.layers(images).flatten()


# %% [markdown] tags=["mistake"]
# **A column of logits.** (B, 1) against (B,) broadcasts to (B, B), without an error message.


# %% tags=["mistake"] hint="column"
class ClinicDiscriminator(nn.Module):
    def __init__(self, shape=(1, 28, 28)):
        super().__init__()
        channels, height, width = shape
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 32, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(32 * (height // 2) * (width // 2), 1),
        )

    def forward(self, images):
        return self.layers(images)


# %% [markdown]
# #### Exercise 9.10c. The step
#
# Write one training step for images that come as bytes.
#
# 1. Bring the bytes, 0 to 255, to [-1, 1] on a straight line.
# 2. One update of the discriminator with the loss (9.4), real and generated images in separate
#    batches.
# 3. Then one update of the generator with the loss (9.5), judged by the discriminator as it is now.
#
# Gradients of earlier steps may still be there, in both networks.
#
# - In: `generator`, `discriminator` and their optimisers; `pixels`, uint8, shape (B, 1, 28, 28);
#   `z`, shape (B, Z).
# - Out: the two losses, the discriminator's first, each as it was minimised, without its graph.


# %%
def clinic_step(
    generator: nn.Module,
    discriminator: nn.Module,
    generator_adam: torch.optim.Optimizer,
    discriminator_adam: torch.optim.Optimizer,
    pixels: Tensor,
    z: Tensor,
) -> tuple[Tensor, Tensor]:
    """One update of each player on bytes (B, 1, 28, 28); return their losses, () each."""
    ### BEGIN SOLUTION
    real = pixels.float() / 127.5 - 1
    fake = generator(z)
    on_real, on_fake = discriminator(real), discriminator(fake.detach())
    d_loss = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
    discriminator_adam.zero_grad()
    d_loss.backward()
    discriminator_adam.step()

    discriminator.requires_grad_(False)
    g_loss = F.softplus(-discriminator(fake)).mean()
    generator_adam.zero_grad()
    g_loss.backward()
    generator_adam.step()
    discriminator.requires_grad_(True)
    return d_loss.detach(), g_loss.detach()
    ### END SOLUTION


# %%
checks.clinic_step(clinic_step)

# %% [markdown] tags=["solution"]
# Without freezing, the discriminator collects gradients in the generator's turn. They do no harm if
# the next step clears them first.


# %% tags=["alternative"]
def clinic_step(generator, discriminator, generator_adam, discriminator_adam, pixels, z):
    real = (pixels.to(torch.float32) - 127.5) / 127.5
    ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
    with torch.no_grad():
        fake = generator(z)
    discriminator_adam.zero_grad()
    d_loss = F.binary_cross_entropy_with_logits(discriminator(real), ones)
    d_loss = d_loss + F.binary_cross_entropy_with_logits(discriminator(fake), zeros)
    d_loss.backward()
    discriminator_adam.step()

    generator_adam.zero_grad()
    g_loss = F.binary_cross_entropy_with_logits(discriminator(generator(z)), ones)
    g_loss.backward()
    generator_adam.step()
    return d_loss.item(), g_loss.item()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The discriminator never sees a generated image.** It becomes sure that everything is real, and
# its verdict says nothing.


# %% tags=["mistake"] hint="never-generated"
def clinic_step(generator, discriminator, generator_adam, discriminator_adam, pixels, z):
    real = pixels.float() / 127.5 - 1
    d_loss = F.softplus(-discriminator(real)).mean()
    discriminator_adam.zero_grad()
    d_loss.backward()
    discriminator_adam.step()

    g_loss = F.softplus(-discriminator(generator(z))).mean()
    generator_adam.zero_grad()
    g_loss.backward()
    generator_adam.step()
    return d_loss.detach(), g_loss.detach()


# %% [markdown] tags=["mistake"]
# **Fitted pixel by pixel.** Nothing says which real image belongs to which z. Averaged over all
# pairs, the best answer to every z is the mean image.


# %% tags=["mistake"] hint="pixelwise"
def clinic_step(generator, discriminator, generator_adam, discriminator_adam, pixels, z):
    real = pixels.float() / 127.5 - 1
    fake = generator(z)
    on_real, on_fake = discriminator(real), discriminator(fake.detach())
    d_loss = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
    discriminator_adam.zero_grad()
    d_loss.backward()
    discriminator_adam.step()

    g_loss = F.mse_loss(fake, real)
    generator_adam.zero_grad()
    g_loss.backward()
    generator_adam.step()
    return d_loss.detach(), g_loss.detach()


# %% [markdown] tags=["mistake"]
# **Not detached.** The first backward pass frees the generator's graph, and the second stops with
# torch's message about going backward a second time. `retain_graph=True` silences it, and hides the
# mistake.


# %% tags=["mistake"] hint="not-detached"
def clinic_step(generator, discriminator, generator_adam, discriminator_adam, pixels, z):
    real = pixels.float() / 127.5 - 1
    fake = generator(z)
    d_loss = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
    discriminator_adam.zero_grad()
    d_loss.backward()
    discriminator_adam.step()

    g_loss = F.softplus(-discriminator(fake)).mean()
    generator_adam.zero_grad()
    g_loss.backward()
    generator_adam.step()
    return d_loss.detach(), g_loss.detach()


# %% [markdown] tags=["mistake"]
# **Not taking turns.** One sum of both losses, one backward pass. Each network descends the other's
# loss too: in the generator's images the two pull in opposite directions.


# %% tags=["mistake"] hint="together"
def clinic_step(generator, discriminator, generator_adam, discriminator_adam, pixels, z):
    real = pixels.float() / 127.5 - 1
    on_real, on_fake = discriminator(real), discriminator(generator(z))
    d_loss = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
    g_loss = F.softplus(-on_fake).mean()
    discriminator_adam.zero_grad()
    generator_adam.zero_grad()
    (d_loss + g_loss).backward()
    discriminator_adam.step()
    generator_adam.step()
    return d_loss.detach(), g_loss.detach()


# %% [markdown] tags=["mistake"]
# **Gradients never cleared.** Both optimisers follow the sum of everything since the start.


# %% tags=["mistake"] hint="not-zeroed"
def clinic_step(generator, discriminator, generator_adam, discriminator_adam, pixels, z):
    real = pixels.float() / 127.5 - 1
    fake = generator(z)
    on_real, on_fake = discriminator(real), discriminator(fake.detach())
    d_loss = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
    d_loss.backward()
    discriminator_adam.step()

    g_loss = F.softplus(-discriminator(fake)).mean()
    g_loss.backward()
    generator_adam.step()
    return d_loss.detach(), g_loss.detach()


# %% [markdown] tags=["mistake"]
# **Bytes as they are.** White is 255 here and at most 1 there. The discriminator's first look is
# its last lesson.


# %% tags=["mistake"] hint="unscaled"
def clinic_step(generator, discriminator, generator_adam, discriminator_adam, pixels, z):
    real = pixels.float()
    fake = generator(z)
    on_real, on_fake = discriminator(real), discriminator(fake.detach())
    d_loss = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
    discriminator_adam.zero_grad()
    d_loss.backward()
    discriminator_adam.step()

    g_loss = F.softplus(-discriminator(fake)).mean()
    generator_adam.zero_grad()
    g_loss.backward()
    generator_adam.step()
    return d_loss.detach(), g_loss.detach()


# %% [markdown]
# ### Run what you repaired
#
# When all three checks are content, train your program for a few seconds, with your answers to 9.3
# and 9.7. This is far too short for good images. But it is a program that learns, where the one
# above could not even start.

# %%
seed = runtime.seed(0)
device = runtime.device()
train = data.load_images("fashion-mnist", "train").to(device)
sampler = data.EpochSampler(len(train), 32, seed)
players = ClinicGenerator(64).to(device), ClinicDiscriminator((1, 28, 28)).to(device)
adams = [torch.optim.Adam(initialise(player).parameters(), 1e-3, (0.0, 0.99)) for player in players]
for step in range(200):
    pixels = train.images[sampler.indices(step).to(device)]
    losses = clinic_step(*players, *adams, pixels, torch.randn(32, 64, device=device))
images = sample(players[0], torch.randn(24, 64, device=device))
plotting.image_grid(
    images,
    columns=12,
    alt="24 generated grey pictures on black: blurred outlines, some of them like clothes.",
)

# %% [markdown]
# **Figure E9.2.** Images of the repaired program after 200 steps of 32 images, a tenth of an epoch.
# Outlines come first, as in the lesson.
