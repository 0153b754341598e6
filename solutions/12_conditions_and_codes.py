# %% [markdown]
# # Exercises 12. Conditions and latent codes
#
# Eight exercises on the parts of [lesson 12](../notebooks/12_conditions_and_codes.ipynb).
#
# Put your own code where a cell says `raise NotImplementedError(...)`, run the cell, and then the
# cell below it, which begins with `checks.`. It tries your answer on inputs of its own. If
# something is wrong it says what your answer does and why that matters. The folder `solutions/`
# holds the same notebook with answers and with the usual mistakes.
#
# The letters are those of the lesson: B images a batch, C channels, H rows and W columns of an
# image, Z latent numbers, E numbers of an embedding, K classes or codes, F features, X images of a small world.

# %%
import itertools
import math

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import lesson12 as checks

# %% [markdown]
# ### Exercise 12.1 (one star). Noise and a class
#
# Make the input of a conditional generator: each latent vector, followed by the learned vector of
# the class that is asked for (section 12.3).
#
# - In: `z`, (B, Z); `labels`, int64 (B,), from 0 to K - 1; `table`, (K, E), a vector for each class.
# - Out: (B, Z + E), the latent vector first.


# %%
def with_class(z: Tensor, labels: Tensor, table: Tensor) -> Tensor:
    """Latent vectors with their embedded classes: (B, Z), (B,), (K, E) -> (B, Z + E)."""
    ### BEGIN SOLUTION
    return torch.cat([z, table[labels]], dim=1)
    ### END SOLUTION


# %%
checks.with_class(with_class)

# %% [markdown] tags=["solution"]
# Indexing with a tensor of labels picks a row for each of them. It is the same as multiplying a
# one-hot row by the table, which is what a linear layer would do with it.


# %% tags=["alternative"]
def with_class(z, labels, table):
    one_hot = F.one_hot(labels, len(table)).to(table.dtype)  # (B, K)
    return torch.hstack([z, one_hot @ table])


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The label as a number.** It runs, and it even learns a little. But it says that a bag, class 8, is twice a coat,
# class 4.


# %% tags=["mistake"] hint="label-as-number"
def with_class(z, labels, table):
    return torch.cat([z, labels[:, None].to(z.dtype)], dim=1)


# %% [markdown] tags=["mistake"]
# **One class for all.** Right for a batch of one image.


# %% tags=["mistake"] hint="one-class"
def with_class(z, labels, table):
    return torch.cat([z, table[labels[0]].expand(len(z), -1)], dim=1)


# %% [markdown] tags=["mistake"]
# **Only the class.** The generator gets no noise, and can draw one boot.


# %% tags=["mistake"] hint="no-noise"
def with_class(z, labels, table):
    return table[labels]


# %% [markdown]
# ### Exercise 12.2 (one star). The projection logit
#
# The discriminator's body has computed features, and an ordinary last layer the part of the logit that does not depend on
# the class. Add the part that does: equation (12.5).
#
# - In: `phi`, features (B, F); `psi`, (B,); `table`, a vector for each class, (K, F); `labels`, int64 (B,).
# - Out: a logit for each image, (B,).


# %%
def projection_logit(phi: Tensor, psi: Tensor, table: Tensor, labels: Tensor) -> Tensor:
    """Equation (12.5) for a batch: (B, F), (B,), (K, F), (B,) -> (B,)."""
    ### BEGIN SOLUTION
    return (table[labels] * phi).sum(dim=1) + psi
    ### END SOLUTION


# %%
checks.projection_logit(projection_logit)

# %% [markdown] tags=["solution"]
# Another way computes the scores of all classes, as a classifier does, and takes the one of the label. It costs K
# times the multiplications, and shows what the table is: the weights of a classifier's last layer.


# %% tags=["alternative"]
def projection_logit(phi, psi, table, labels):
    scores = phi @ table.T  # (B, K)
    return scores.gather(1, labels[:, None])[:, 0] + psi


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The sum over the wrong axis.** With as many images as features it gives no error: a logit for each
# *feature*.


# %% tags=["mistake"] hint="axis"
def projection_logit(phi, psi, table, labels):
    return (table[labels] * phi).sum(dim=0) + psi


# %% [markdown] tags=["mistake"]
# **Without psi.** What all classes have in common must then be learnt in each class's vector separately, and what is not
# linear in the features is lost.


# %% tags=["mistake"] hint="no-psi"
def projection_logit(phi, psi, table, labels):
    return (table[labels] * phi).sum(dim=1)


# %% [markdown] tags=["mistake"]
# **All classes at once.** The label is not used.


# %% tags=["mistake"] hint="all-classes"
def projection_logit(phi, psi, table, labels):
    return (phi @ table.T).sum(dim=1) + psi


# %% [markdown]
# ### Exercise 12.3 (two stars). The bound, exactly
#
# In a small world there are K codes and X images, and everything can be counted. Compute the lower bound (12.11) on the
# information between code and image that a recogniser gives, in nats.
#
# - In: `joint`, float64 (K, X), the probabilities P(c, x), all above 0, with the sum 1; the codes are *not* equally frequent.
#   `recogniser`, (K, X), Q(c | x), each column with the sum 1.
# - Out: a tensor of shape ().


# %%
def information_bound(joint: Tensor, recogniser: Tensor) -> Tensor:
    """H(c) + E log Q(c | x): (K, X), (K, X) -> (), in nats."""
    ### BEGIN SOLUTION
    codes = joint.sum(dim=1)  # P(c), (C,)
    entropy = -(codes * codes.log()).sum()
    return entropy + (joint * recogniser.log()).sum()
    ### END SOLUTION


# %%
checks.information_bound(information_bound)

# %% [markdown] tags=["solution"]
# The same number is the exact information minus the gap, the mean divergence of the recogniser from the truth. It is a
# check of (12.11) and needs what one does not have in practice, P(c | x).


# %% tags=["alternative"]
def information_bound(joint, recogniser):
    images = joint.sum(dim=0)
    posterior = joint / images
    information = (joint * (posterior / joint.sum(dim=1, keepdim=True)).log()).sum()
    gap = (images * (posterior * (posterior / recogniser).log()).sum(dim=0)).sum()
    return information - gap


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The entropy forgotten.** The slope is right, so training does not notice. As a statement about information it is
# negative, and says nothing.


# %% tags=["mistake"] hint="entropy-forgotten"
def information_bound(joint, recogniser):
    return (joint * recogniser.log()).sum()


# %% [markdown] tags=["mistake"]
# **Bits.** A number of 3.3 is no miracle for ten codes: it is log2 of 10.


# %% tags=["mistake"] hint="bits"
def information_bound(joint, recogniser):
    codes = joint.sum(dim=1)
    return -(codes * codes.log2()).sum() + (joint * recogniser.log2()).sum()


# %% [markdown] tags=["mistake"]
# **Every pair alike.** The mean goes over what the generator makes, and rare images count less.


# %% tags=["mistake"] hint="unweighted"
def information_bound(joint, recogniser):
    codes = joint.sum(dim=1)
    return -(codes * codes.log()).sum() + recogniser.log().mean()


# %% [markdown] tags=["mistake"]
# **A uniform code.** Right for the codes of the lesson, which are drawn uniformly.


# %% tags=["mistake"] hint="uniform-code"
def information_bound(joint, recogniser):
    return math.log(len(joint)) + (joint * recogniser.log()).sum()


# %% [markdown]
# ### Exercise 12.4 (two stars). What the auxiliary classifier asks for
#
# The loss that an auxiliary classifier gives to the generator has two parts, equation (12.8). One is a divergence, which is zero if
# the generator's classes are what the classifier says. The other is the surplus: the uncertainty of the class of a generated
# image. Compute both, in nats.
#
# - In: `joint`, float64 (K, X), the probabilities q(x, y) of the generator's pairs of class and image, all above 0, with the sum
#   1; `classifier`, (K, X), C(y | x), each column with the sum 1.
# - Out: a tensor of two numbers: the conditional entropy first, then the mean divergence.


# %%
def auxiliary_parts(joint: Tensor, classifier: Tensor) -> Tensor:
    """Both parts of (12.8): (K, X), (K, X) -> (2,), in nats."""
    ### BEGIN SOLUTION
    posterior = joint / joint.sum(dim=0)  # q(y | x), (K, X)
    entropy = -(joint * posterior.log()).sum()
    divergence = (joint * (posterior / classifier).log()).sum()
    return torch.stack([entropy, divergence])
    ### END SOLUTION


# %%
checks.auxiliary_parts(auxiliary_parts)

# %% [markdown] tags=["solution"]
# Both are means over pairs, so both are weighted with the joint distribution. Their sum is the classifier's loss, from
# which the second can be had by subtraction.


# %% tags=["alternative"]
def auxiliary_parts(joint, classifier):
    images = joint.sum(dim=0)
    pairs = -(joint * joint.log()).sum()
    entropy = pairs + (images * images.log()).sum()  # H(x, y) - H(x)
    loss = -(joint * classifier.log()).sum()
    return torch.tensor([float(entropy), float(loss - entropy)])


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The entropy of the classes.** It is the same for a generator whose classes overlap and for one whose classes do not.


# %% tags=["mistake"] hint="marginal-entropy"
def auxiliary_parts(joint, classifier):
    classes = joint.sum(dim=1)
    posterior = joint / joint.sum(dim=0)
    divergence = (joint * (posterior / classifier).log()).sum()
    return torch.stack([-(classes * classes.log()).sum(), divergence])


# %% [markdown] tags=["mistake"]
# **The divergence the other way round.** The Kullback-Leibler divergence is not symmetric. The mean goes over the generator's images and classes.


# %% tags=["mistake"] hint="reversed"
def auxiliary_parts(joint, classifier):
    images = joint.sum(dim=0)
    posterior = joint / images
    entropy = -(joint * posterior.log()).sum()
    divergence = (images * classifier * (classifier / posterior).log()).sum()
    return torch.stack([entropy, divergence])


# %% [markdown] tags=["mistake"]
# **The whole loss and a part of it.** The divergence is counted twice.


# %% tags=["mistake"] hint="whole-loss"
def auxiliary_parts(joint, classifier):
    posterior = joint / joint.sum(dim=0)
    divergence = (joint * (posterior / classifier).log()).sum()
    return torch.stack([-(joint * classifier.log()).sum(), divergence])


# %% [markdown]
# ### Exercise 12.5 (two stars). Truncated latent vectors
#
# Draw latent vectors of standard Gaussian numbers, in which each number whose absolute value is larger than the threshold is
# drawn again until it is not (section 12.10).
#
# - In: `count` N, `latent` Z, `threshold` (above 0.5), and `generator`, the only source of random numbers.
# - Out: (N, Z), float32.


# %%
def truncated(count: int, latent: int, threshold: float, generator: torch.Generator) -> Tensor:
    """Gaussians of absolute value at most `threshold`: -> (N, Z)."""
    ### BEGIN SOLUTION
    z = torch.randn(count, latent, generator=generator)
    while (outside := z.abs() > threshold).any():
        z[outside] = torch.randn(int(outside.sum()), generator=generator)
    return z
    ### END SOLUTION


# %%
checks.truncated(truncated)

# %% [markdown] tags=["solution"]
# One can also do without repeats: a uniform number between the two ends of the distribution function, put through its
# inverse.


# %% tags=["alternative"]
def truncated(count, latent, threshold, generator):
    end = math.erf(threshold / math.sqrt(2))
    uniform = torch.rand(count, latent, generator=generator, dtype=torch.float64)
    z = math.sqrt(2) * torch.erfinv(end * (2 * uniform - 1))
    return z.clamp(-threshold, threshold).float()  # only rounding errors are cut


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Clamping.** With a threshold of 0.8, two numbers in five end up exactly on the edge. No training vector looked like that.


# %% tags=["mistake"] hint="clamped"
def truncated(count, latent, threshold, generator):
    return torch.randn(count, latent, generator=generator).clamp(-threshold, threshold)


# %% [markdown] tags=["mistake"]
# **One pass.** What is drawn again can be too large again.


# %% tags=["mistake"] hint="one-pass"
def truncated(count, latent, threshold, generator):
    z = torch.randn(count, latent, generator=generator)
    again = torch.randn(count, latent, generator=generator)
    return torch.where(z.abs() > threshold, again, z)


# %% [markdown] tags=["mistake"]
# **Pressed together.** All numbers lie inside. They are also much smaller than they should be, and how much depends on the
# largest one.


# %% tags=["mistake"] hint="rescaled"
def truncated(count, latent, threshold, generator):
    z = torch.randn(count, latent, generator=generator)
    return z * threshold / z.abs().max()


# %% [markdown] tags=["mistake"]
# **One side.** The absolute value is missing.


# %% tags=["mistake"] hint="one-sided"
def truncated(count, latent, threshold, generator):
    z = torch.randn(count, latent, generator=generator)
    while (outside := z > threshold).any():
        z[outside] = torch.randn(int(outside.sum()), generator=generator)
    return z


# %% [markdown]
# ### Exercise 12.6 (two stars). A direction for brightness
#
# Find the direction of latent space that leads from dark images to bright ones: the difference of two means, scaled to length 1
# (section 12.9). An image is bright if the mean of its pixels is larger than `level`.
#
# - In: `z`, latent vectors (N, Z); `images`, made from them, (N, 1, H, W) in [-1, 1]; `level`, such that there are bright
#   and dark images.
# - Out: (Z,), of length 1.


# %%
def direction(z: Tensor, images: Tensor, level: float) -> Tensor:
    """From dark to bright in latent space: (N, Z), (N, 1, H, W) -> (Z,), of length 1."""
    ### BEGIN SOLUTION
    bright = images.mean(dim=(1, 2, 3)) > level  # (N,)
    way = z[bright].mean(dim=0) - z[~bright].mean(dim=0)
    return way / way.norm()
    ### END SOLUTION


# %%
checks.direction(direction)

# %% [markdown] tags=["solution"]
# By (12.14) it is, up to a factor, the covariance of the latent vectors with the yes or no of the attribute.


# %% tags=["alternative"]
def direction(z, images, level):
    bright = (images.flatten(1).mean(dim=1) > level).to(z.dtype)  # (N,)
    covariance = ((z - z.mean(dim=0)) * (bright - bright.mean())[:, None]).mean(dim=0)
    return F.normalize(covariance, dim=0)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Not normalised.** The direction is right. An amount of 2 means something else for each attribute.


# %% tags=["mistake"] hint="not-normalised"
def direction(z, images, level):
    bright = images.mean(dim=(1, 2, 3)) > level
    return z[bright].mean(dim=0) - z[~bright].mean(dim=0)


# %% [markdown] tags=["mistake"]
# **The difference of the images.** That is a picture, and the generator does not take pictures.


# %% tags=["mistake"] hint="pixels"
def direction(z, images, level):
    bright = images.mean(dim=(1, 2, 3)) > level
    way = (images[bright].mean(dim=0) - images[~bright].mean(dim=0)).flatten()
    return way / way.norm()


# %% [markdown] tags=["mistake"]
# **One group.** The mean of the bright ones alone also holds whatever the sample has in common by chance.


# %% tags=["mistake"] hint="one-group"
def direction(z, images, level):
    way = z[images.mean(dim=(1, 2, 3)) > level].mean(dim=0)
    return way / way.norm()


# %% [markdown] tags=["mistake"]
# **Sums for means.** With twice as many dark images the sum is mostly theirs.


# %% tags=["mistake"] hint="sums"
def direction(z, images, level):
    bright = images.mean(dim=(1, 2, 3)) > level
    way = z[bright].sum(dim=0) - z[~bright].sum(dim=0)
    return way / way.norm()


# %% [markdown]
# ### Exercise 12.7 (one star). Is the request met?
#
# A classifier has looked at the images of a conditional generator. Return, for each class, the share of the requests for it that the
# classifier confirms.
#
# - In: `table`, int64 (K, K): row i, column j counts the images of class i *asked for* that were *seen* as class j. No row is empty.
# - Out: (K,), in [0, 1], of a floating-point type.


# %%
def class_recalls(table: Tensor) -> Tensor:
    """The share of each row that lies on the diagonal: (K, K) -> (K,)."""
    ### BEGIN SOLUTION
    return table.diagonal() / table.sum(dim=1)
    ### END SOLUTION


# %%
checks.class_recalls(class_recalls)

# %% [markdown] tags=["solution"]
# Dividing integer tensors with `/` gives floating-point numbers. `//` would round every share below 1 down to 0.


# %% tags=["alternative"]
def class_recalls(table):
    return torch.tensor([float(row[i]) / float(row.sum()) for i, row in enumerate(table)])


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The axes exchanged.** The same diagonal, divided by how often each class was *seen*. It answers another question, and can be
# perfect for a class whose requests are hardly ever met.


# %% tags=["mistake"] hint="columns"
def class_recalls(table):
    return table.diagonal() / table.sum(dim=0)


# %% [markdown] tags=["mistake"]
# **One share for all.** A generator that never draws shirts can still have nine tenths.


# %% tags=["mistake"] hint="one-number"
def class_recalls(table):
    return table.diagonal().sum() / table.sum()


# %% [markdown] tags=["mistake"]
# **Divided by everything.** Then the ten shares add up to at most 1.


# %% tags=["mistake"] hint="total"
def class_recalls(table):
    return table.diagonal() / table.sum()


# %% [markdown]
# ### Exercise 12.8 (three stars). Names for codes
#
# A code found without labels has numbers, not names. Give each code a class of its own, such that as many images as possible agree.
#
# - In: `table`, int64 (K, K), K at most 6: row i, column j counts the images with code i whose label is j.
# - Out: a list of K integers, the class of each code. Each class occurs once.


# %%
def match(table: Tensor) -> list[int]:
    """The class of each code in the best matching: (K, K) -> K integers."""
    ### BEGIN SOLUTION
    rows = table.tolist()

    def agreeing(order):
        return sum(row[column] for row, column in zip(rows, order, strict=True))

    return list(max(itertools.permutations(range(len(rows))), key=agreeing))
    ### END SOLUTION


# %%
checks.match(match)

# %% [markdown] tags=["solution"]
# Six classes have 720 matchings, ten have 3.6 million. Going through *sets* of classes instead, as the lesson says, there are
# 64 or 1,024 of them, and for each one tries the classes that are still free, 192 or 5,120 steps: the best total with which the first codes can use up exactly this set.


# %% tags=["alternative"]
def match(table):
    best = {frozenset(): (0, [])}
    for row in table.tolist():
        longer = {}
        for used, (total, order) in best.items():
            for column in set(range(len(row))) - used:
                found = total + row[column], [*order, column]
                key = used | {column}
                longer[key] = max(longer.get(key, (-1, [])), found)
        best = longer
    ((_, order),) = best.values()
    return order


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The most frequent class of each code.** Two codes may get one class. The share that agrees then only goes up if there are
# more codes, whatever they mean.


# %% tags=["mistake"] hint="class-twice"
def match(table):
    return table.argmax(dim=1).tolist()


# %% [markdown] tags=["mistake"]
# **Greedy.** Each code takes the best of what is free. The first one may take what another needs more.


# %% tags=["mistake"] hint="greedy"
def match(table):
    order = []
    for row in table.tolist():
        free = [column for column in range(len(row)) if column not in order]
        order.append(max(free, key=lambda column: row[column]))
    return order


# %% [markdown] tags=["mistake"]
# **The other way round.** The code of each class, where the class of each code was asked for.


# %% tags=["mistake"] hint="inverse"
def match(table):
    rows = table.tolist()

    def agreeing(order):
        return sum(row[column] for row, column in zip(rows, order, strict=True))

    best = max(itertools.permutations(range(len(rows))), key=agreeing)
    return [best.index(column) for column in range(len(rows))]


# %% [markdown] tags=["mistake"]
# **A cost instead of a gain.** The usual routine for this problem minimises.


# %% tags=["mistake"] hint="least"
def match(table):
    rows = table.tolist()

    def agreeing(order):
        return sum(row[column] for row, column in zip(rows, order, strict=True))

    return list(min(itertools.permutations(range(len(rows))), key=agreeing))
