# %% [markdown]
# # 12. Conditions and latent codes
#
# > **The question.** A generator draws whatever its noise says. How do we ask it for a boot, and get a boot? And if
# > nobody has written labels: can it find, by itself, dials that mean something?
#
# | | |
# |---|---|
# | **You need** | The game and its best discriminator ([lesson 07](07_the_gan_game.ipynb)), the networks and the recipe of [lesson 09](09_dcgan.ipynb), precision and recall ([lesson 10](10_evaluating_generators.ipynb)). What is used of them is recalled where it is used. |
# | **You will be able to** | build a conditional GAN in two ways and derive the second, say why an auxiliary classifier distorts what it teaches, derive the bound by which InfoGAN finds codes and check it, find a direction for an attribute that you can measure, and trade variety for quality by truncation |
# | **Time** | about three minutes of computing on 2 CPU cores, an hour and a half of reading. On a GPU the trainings have more steps; their time there has not been measured yet. |

# %%
import dataclasses
import math
from collections.abc import Callable

import torch
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import (
    agreement,
    checkpoints,
    class_explorer,
    conditional,
    data,
    directions,
    losses,
    metrics,
    plotting,
    recipes,
    runtime,
    sample_metrics,
    training,
    verify,
)
from course_lib.models import dcgan

seed = runtime.seed(0)
device = runtime.device()
train = data.load_images("fashion-mnist", "train", size=32)
test = data.load_images("fashion-mnist", "test", size=32)
random = torch.Generator().manual_seed(seed)  # for all that is drawn in the text, on the CPU

# %% [markdown]
# ## 12.1 The idea in one picture
#
# There are two kinds of wish. *Draw a boot*: somebody has written "boot" under some of the training images, and the
# generator has to obey the word. *Make it darker*: nobody has written how dark an image is, but it is a property that
# all of them have, and one could turn it like a dial.

# %%
shown_kinds = [train.classes.index(name) for name in ("T-shirt/top", "Trouser", "Sandal", "Bag")]
one_of_each = torch.stack([(test.labels == kind).nonzero()[0, 0] for kind in shown_kinds])  # (4,)
pullovers = (test.labels == test.classes.index("Pullover")).nonzero()[:, 0]
light = test.images[pullovers].double().mean(dim=(1, 2, 3))
by_light = pullovers[light.argsort()]
dial = by_light[torch.linspace(0, len(by_light) - 1, 4).long()]  # (4,)
plotting.image_grid(
    test.batch(torch.cat([one_of_each, dial])),
    columns=4,
    titles=[*(test.classes[kind] for kind in shown_kinds), "0", "1/3", "2/3", "1"],
    row_labels=["a class", "a dial"],
    alt="Above a T-shirt, trousers, a sandal and a bag, with their names. Below four pullovers, from black to bright.",
)

# %% [markdown]
# **Figure 12.1.** Real images. Above: four of the ten classes. Below: pullovers of the test set, sorted by their mean
# brightness, with their place in that order: 0 is the darkest of all, 1 the brightest. No label describes this dial.
#
# This lesson builds both. A **condition** is given: the class $y$. A **code** is found: a few numbers $c$ beside the
# noise, whose meaning is left to the training.
#
# ## 12.2 The game with a condition
#
# A real example is now a pair: an image $x$ and its class $y$, one of $K$. Write $p(x, y) = p(y)\, p(x \mid y)$ for
# its distribution. The generator gets a class as well as the noise $z$, and answers with an image $G(z, y)$. We draw
# the class, with probabilities $q(y)$; write $q(x \mid y)$ for the distribution of its images, and
# $q(x, y) = q(y)\, q(x \mid y)$. The discriminator gets a *pair* and says whether it is real. It can catch two
# faults: an image that is not real, and a real-looking image that does not fit the class.
#
# Lesson 07 derived the best discriminator of the logarithmic loss. Its logit is the logarithm of the ratio of the two
# densities at the place where it is asked. Now the place is a pair:
#
# $$ a^*(x, y) = \log \frac{p(x, y)}{q(x, y)} = \log \frac{p(x \mid y)}{q(x \mid y)} + \log \frac{p(y)}{q(y)}. \tag{12.1} $$
#
# The last term is zero if we ask for the classes as often as they occur in the data. Then the logit compares the
# images *within* each class, and it is zero everywhere only if $q(x \mid y) = p(x \mid y)$ for each class.
#
# The *relativistic* loss of lesson 09 sees only the difference between the logits of a real and a generated image. If
# both are of one class, its best logit is (12.1) too, up to a number for each class. (Of a real and a generated image
# of class $y$, in unknown order, the first is the real one with probability $\sigma(a^* - a'^*)$, by Bayes, where
# $a^*$ and $a'^*$ are their logits (12.1).) The training below therefore generates, for each real image, one of the
# same class.

# %% tags=["verify"]
P = torch.rand(3, 5, generator=random).double() + 0.1  # 3 classes, 5 images
Q = torch.rand(3, 5, generator=random).double() + 0.1
P, Q = P / P.sum(), Q / Q.sum()
best = torch.logit(P / (P + Q))  # the logit of the best answer to each pair
P_y, Q_y = P.sum(1, keepdim=True), Q.sum(1, keepdim=True)
verify.equation("12.1", best, torch.log((P / P_y) / (Q / Q_y)) + torch.log(P_y / Q_y))

# %% [markdown]
# ## 12.3 Where the class meets the image
#
# ### Concatenation
#
# The oldest answer (Mirza and Osindero, 2014) is to append the class to the input. For the generator, each class gets
# an **embedding** $e_y$, a vector of $E$ learned numbers, which is put behind the $Z$ latent numbers. For the
# discriminator, the class becomes $K$ further channels of the image: channel $y$ is 1 everywhere, the others are 0.
# What does the first layer make of it? It is linear, so its weights split into those of the old input and those of
# the new one. Write $W = (W_z, W_e)$ for the two parts of the generator's first weights. Write $m_y$ for the $K$ maps of
# class $y$, $\star$ for the cross-correlation of lesson 02, and $k$ for a kernel of the discriminator's first layer. Its part
# $k^{(x)}$ lies over the image, and its part $k^{(y)}$, with $k^{(y)}_{ij}$ in row $i$ and column $j$, over map $y$. Then
#
# $$ W \begin{pmatrix} z \\ e_y \end{pmatrix} = W_z z + W_e e_y, \qquad k \star \begin{pmatrix} x \\ m_y \end{pmatrix} = k^{(x)} \star x + \sum_{ij} k^{(y)}_{ij}, \tag{12.2} $$
#
# the second wherever the window lies inside the image. So concatenation is nothing but **a bias for each class** in
# the first layer. All that the class does later, it does through the nonlinear layers that follow.

# %% tags=["verify"]
z, e = (torch.randn(4, n, generator=random).double() for n in (6, 3))  # (B, Z), (B, E)
W = torch.randn(8, 9, generator=random).double()
x = torch.randn(4, 1, 8, 8, generator=random).double()  # (B, 1, H, W)
kernel = torch.randn(5, 1 + 3, 4, 4, generator=random).double()
y = torch.tensor([0, 2, 1, 2])
maps = F.one_hot(y, 3).double()[:, :, None, None].expand(-1, -1, 8, 8)  # (B, 3, H, W)
inside = F.conv2d(torch.cat([x, maps], dim=1), kernel)  # no padding: every window lies inside
biases = kernel[:, 1:].sum(dim=(2, 3)).T[y]  # (B, 5)
verify.equation(
    "12.2",
    torch.cat([(torch.cat([z, e], dim=1) @ W.T).flatten(), inside.flatten()]),
    torch.cat(
        [
            (z @ W[:, :6].T + e @ W[:, 6:].T).flatten(),
            (F.conv2d(x, kernel[:, :1]) + biases[:, :, None, None]).flatten(),
        ]
    ),
)

# %% [markdown]
# In code, around the two networks of lesson 09. Sizes: B images, Z latent numbers, E numbers of an embedding, K
# classes.


# %% tags=["keep"]
class Generator(nn.Module):
    """(B, Z), (B,) -> (B, 1, 32, 32) in [-1, 1]."""

    def __init__(self, latent: int = 64, kinds: int = 10, embedding: int = 16) -> None:
        super().__init__()
        self.embedding = nn.Embedding(kinds, embedding)
        self.network = dcgan.Generator(latent + embedding)

    def forward(self, z: Tensor, kinds: Tensor) -> Tensor:
        return self.network(torch.cat([z, self.embedding(kinds)], dim=1))  # (B, Z + E) goes in


def label_maps(labels: Tensor, classes: int, height: int, width: int) -> Tensor:
    """(B,) -> (B, K, H, W): the map of the label is 1, the others are 0."""
    one_hot = F.one_hot(labels, classes).float()  # (B, K)
    return one_hot[:, :, None, None].expand(-1, -1, height, width)


class ConcatenatingDiscriminator(nn.Module):
    """(B, 1, 32, 32), (B,) -> (B,) logits."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.classes = classes
        self.network = dcgan.Discriminator(channels=1 + classes, norm="none")

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        maps = label_maps(labels, self.classes, *images.shape[2:])  # (B, K, H, W)
        return self.network(torch.cat([images, maps], dim=1))


# %% [markdown]
# ### Projection
#
# Can we do better than to hope that the layers make something of ten biases? Miyato and Koyama (2018) asked what form
# the best logit *has*, and built a discriminator of that form. Split the pair the other way round,
# $p(x, y) = p(x)\, p(y \mid x)$:
#
# $$ a^*(x, y) = \log \frac{p(y \mid x)}{q(y \mid x)} + \log \frac{p(x)}{q(x)}. \tag{12.3} $$
#
# The second term asks whether the image is real, and does not look at the class. The first asks whether the class
# fits the image. And for that there is a model which every classifier uses. Its last layer computes a feature vector
# $\phi(x)$ and a linear logit for each class, followed by a softmax:
#
# $$ \log p(y \mid x) = v_y^p \cdot \phi(x) - \log S^p(x), \qquad S^p(x) = \sum_{y'} e^{\,v_{y'}^p \cdot \phi(x)}. \tag{12.4} $$
#
# The sum $S^p(x)$ makes the probabilities add up to 1. Suppose that (12.4) holds, with the same features, for $q(y \mid x)$ as well, with other vectors $v_y^q$. Put both into
# (12.3). The parts that contain $y$ are linear in $\phi$. All others depend on $x$ alone; call their sum $\psi(x)$:
#
# $$ \begin{gathered} a^*(x, y) = v_y \cdot \phi(x) + \psi(x), \\
#    v_y = v_y^p - v_y^q, \qquad \psi(x) = \log \frac{p(x)}{q(x)} - \log \frac{S^p(x)}{S^q(x)}. \end{gathered} \tag{12.5} $$
#
# This is the **projection discriminator**: one network that computes $\phi$, one ordinary last layer for $\psi$, and
# a vector for each class, whose inner product with $\phi$ is added. Mind what is derived and what is assumed. (12.3)
# is exact. (12.4) is a model of the classes; where it fails, the form is a choice. That $\psi$ is linear in the same $\phi$,
# $\psi = w \cdot \phi + b$ with weights $w$ and $b$, is a choice too. Then the logit is $(v_y + w) \cdot \phi + b$: but
# for $b$, the class vectors could hold $\psi$ as well. Kept apart from them, what all classes share has weights of its own,
# which every image teaches.
#
# An example where everything is known. In each class, real points are Gaussian with mean $\mu_y$ and variance 1 in
# each of $d$ dimensions, generated ones with mean $\nu_y$ and variance $s^2$. All classes are equally frequent on
# both sides. Then (12.4) is exact with $\phi(x) = (x, 1)$, $v_y^p = (\mu_y, -|\mu_y|^2 / 2)$ and
# $v_y^q = (\nu_y, -|\nu_y|^2/2) / s^2$, and what is left is
#
# $$ \psi(x) = -\tfrac{1}{2} \Bigl(1 - \frac{1}{s^2}\Bigr) |x|^2 + d \log s. \tag{12.6} $$
#
# If the generator has the right width, $s = 1$, nothing is left: for each class the logit is linear in $x$, and the
# class vectors do all the work. If not, $\psi$ holds what the wrong width changes in every class alike.

# %% tags=["verify"]
d, K, s = 2, 3, 0.7
mu, nu = (torch.randn(K, d, generator=random).double() for _ in range(2))  # (K, d)
x = 2 * torch.randn(50, d, generator=random).double()  # (N, d)


def log_density(means: Tensor, width: float) -> Tensor:
    """log p(x | y) at all points, for all classes: (N, K)."""
    squares = (x[:, None] - means).square().sum(2)
    return -squares / (2 * width**2) - d * math.log(width * math.sqrt(2 * math.pi))


def class_vectors(means: Tensor, width: float) -> Tensor:
    """The vectors v_y for the features (x, 1): (K, d + 1)."""
    return torch.cat([means, -means.square().sum(1, keepdim=True) / 2], dim=1) / width**2


log_p, log_q = log_density(mu, 1.0), log_density(nu, s)  # (N, K)
phi = torch.cat([x, torch.ones(50, 1).double()], dim=1)  # (N, d + 1)
scores_p, scores_q = phi @ class_vectors(mu, 1.0).T, phi @ class_vectors(nu, s).T  # (N, K)
log_S = scores_p.logsumexp(1) - scores_q.logsumexp(1)  # (N,)
psi = log_p.logsumexp(1) - log_q.logsumexp(1) - log_S  # the 1/K of both mixtures cancels
posteriors = log_p.log_softmax(1), log_q.log_softmax(1)  # Bayes, with equal frequencies
verify.equation(
    "12.3",
    log_p - log_q,
    posteriors[0] - posteriors[1] + (log_p.logsumexp(1) - log_q.logsumexp(1))[:, None],
)
verify.equation("12.4", posteriors[0], scores_p - scores_p.logsumexp(1, keepdim=True))
difference = class_vectors(mu, 1.0) - class_vectors(nu, s)  # v_y, (K, d + 1)
verify.equation("12.5", log_p - log_q, phi @ difference.T + psi[:, None])
verify.equation("12.6", psi, -(1 - 1 / s**2) * x.square().sum(1) / 2 + d * math.log(s))


# %% tags=["keep"]
def projection_logit(phi: Tensor, psi: Tensor, table: Tensor, labels: Tensor) -> Tensor:
    """Equation (12.5) for a batch: (B, F), (B,), (K, F), (B,) -> (B,)."""
    return (table[labels] * phi).sum(dim=1) + psi


class ProjectionDiscriminator(nn.Module):
    """(B, 1, 32, 32), (B,) -> (B,) logits."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        layers = dcgan.Discriminator(norm="none").layers
        self.body = layers[:-1]  # all but the last layer: (B, 128, 4, 4)
        self.psi = nn.Linear(2048, 1)
        self.table = nn.Parameter(torch.zeros(classes, 2048))  # v_y, one row for each class

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        phi = self.body(images).flatten(1)  # (B, 2048)
        return projection_logit(phi, self.psi(phi)[:, 0], self.table, labels)


# %% [markdown]
# The vectors $v_y$ are zero at first, so the network begins as a discriminator that ignores the class. The gradient
# of the logit with respect to $v_y$ is $\phi(x)$, which is not zero, so they do not stay so.
#
# The step of both players is that of lesson 09, with the labels handed to both.


# %% tags=["keep"]
def train_step(
    generator: nn.Module,
    discriminator: nn.Module,
    generator_adam: torch.optim.Optimizer,
    discriminator_adam: torch.optim.Optimizer,
    real: Tensor,
    labels: Tensor,
    z: Tensor,
) -> None:
    """One step on real images (B, C, H, W) with labels (B,), and latent vectors (B, Z)."""
    fake = generator(z, labels)  # of the same classes
    real_logits = discriminator(real, labels)
    d_loss = losses.relativistic_loss(real_logits, discriminator(fake.detach(), labels))
    discriminator_adam.zero_grad()
    d_loss.backward()
    discriminator_adam.step()

    discriminator.requires_grad_(False)
    g_loss = losses.relativistic_loss(discriminator(fake, labels), real_logits.detach())
    generator_adam.zero_grad()
    g_loss.backward()
    generator_adam.step()
    discriminator.requires_grad_(True)


# %% [markdown]
# The library keeps the networks as `course_lib.models.conditional` and the step, with the R1 penalty, the averaged
# generator and the number formats of lesson 09, as `conditional.conditional_step`.
#
# ## 12.4 Asking for a class
#
# Both discriminators are trained with the course's recipe, without its look at a group of images, for equally many steps. How do we see whether a request is
# met? The classifier of lesson 04 looks at 100 images of each class that was asked for. The table of what was asked
# for (rows) against what it sees (columns) has the **recall** of a class on its diagonal: the share of requests for
# it that are met, as far as the classifier can judge. It makes mistakes with real images too, so they have a colour
# of their own in the figure.
#
# **Predict before you run.** Which class will be the hardest to ask for? Which way of telling the class wins?

# %%
budget = runtime.budget(
    cpu=runtime.Budget("fashion-mnist", steps=450, batch=32, size=32, width=32),
    # Divisible by 6: a record of section 12.8 must fall on half of the steps.
    gpu=runtime.Budget("fashion-mnist", steps=4200, batch=64, size=32, width=48),
    device=device,
)
recipe = recipes.course_recipe(
    device, steps=budget.steps, batch=budget.batch, width=budget.width, depth=1, group=0, seed=seed
)
recipe = dataclasses.replace(recipe, dtype=training.faster_dtype(recipe, device))
classifier, _ = checkpoints.load_classifier(device)
Z, CLASSES = recipe.latent, len(train.classes)
STOP = recipe.steps // 2  # where a comparison in section 12.5 ends


@torch.no_grad()
def seen_classes(images: Tensor) -> Tensor:
    """What the classifier takes images (N, 1, 32, 32) for: (N,)."""
    return torch.cat([classifier(part.to(device)).argmax(1).cpu() for part in images.split(500)])


def drawn(state: conditional.ConditionalState, z: Tensor, kinds: Tensor, dials=None) -> Tensor:
    """Images (N, 1, 32, 32) on the CPU of latent vectors and classes or codes on the CPU."""
    parts = z.split(500)
    given = [None] * len(parts) if dials is None else [part.to(device) for part in dials.split(500)]
    return torch.cat(
        [
            state.generate(part.to(device), kind.to(device), dial).float().cpu()
            for part, kind, dial in zip(parts, kinds.split(500), given, strict=True)
        ]
    )


asked = torch.arange(CLASSES).repeat_interleave(100)  # (1000,)
z_asked = torch.randn(1000, Z, generator=torch.Generator().manual_seed(10_000 + seed))


def table_of(images: Tensor) -> Tensor:
    """What was asked for against what is seen: (10, 10) counts."""
    return agreement.contingency(asked, seen_classes(images), CLASSES, CLASSES)


def requests(state: conditional.ConditionalState) -> Tensor:
    """The table of 100 images of each class: (10, 10) counts."""
    return table_of(drawn(state, z_asked, asked))


# %% tags=["nbval-ignore-output"]
states, tables = {}, {}
for meeting in ("concatenation", "projection"):
    state = conditional.ConditionalState.create(meeting, recipe, device)
    for record in conditional.train_conditional(state, train, every=STOP):
        if meeting == "projection" and record.step == STOP:
            halfway = drawn(state, z_asked, asked)
    states[meeting], tables[meeting] = state, requests(state)
    print(f"{meeting}: {state.seconds:.0f} s in {recipe.dtype}")

# %%
real_seen = seen_classes(test.batch(range(3000)))
tables["real images"] = agreement.contingency(test.labels[:3000], real_seen, CLASSES, CLASSES)


def draw_named(chosen: dict[str, Tensor], alt: str) -> plotting.Picture:
    """Recalls by class without direct labels: points of one colour have no end to label."""

    def draw(ax: Axes) -> None:
        for place, (colour, (name, table)) in enumerate(
            zip(plotting.COLOURS.values(), chosen.items(), strict=False)
        ):
            rows = torch.arange(CLASSES) + 0.2 * (place - 1)  # beside each other, not on top
            ax.plot(agreement.recalls(table), rows, "o", color=colour)
            ax.text(0.02 + 0.3 * place, 1.03, f"● {name}", color=colour, transform=ax.transAxes)
        ax.set_yticks(range(CLASSES), train.classes)
        ax.set(xlabel="share of requests that the classifier confirms", xlim=(0, 1.02))
        ax.invert_yaxis()

    return plotting.panels([(None, draw)], alt=alt)


draw_named(
    tables,
    "For each of ten classes the share of requests that the classifier confirms, for two discriminators and for real "
    "images.",
)

# %% [markdown]
# **Figure 12.2.** The recall of each class: 100 generated images for each request, and 3,000 real test images. Real shirts are
# recognised least often. The hardest to ask for are others: in the run that is printed here bags with projection, pullovers with
# concatenation. Some requests are met as often as real images are recognised, or more often.

# %%
z_grid = torch.randn(6, Z, generator=torch.Generator().manual_seed(3))
kinds_grid = torch.arange(CLASSES).repeat_interleave(5)
plotting.image_grid(
    drawn(states["projection"], z_grid[:5].repeat(CLASSES, 1), kinds_grid),
    columns=5,
    row_labels=train.classes,
    alt="Ten rows of five generated garments, one row for each class.",
)

# %% [markdown]
# **Figure 12.3.** The projection GAN: one row for each class, one latent vector for each column.

# %% tags=["verify"]
overall = {name: float(agreement.recalls(table).mean()) for name, table in tables.items()}
verify.claim(
    "12.1",
    "with concatenation, the mean recall of the ten classes is at least",
    overall["concatenation"],
    (0.55, None),
)
verify.claim(
    "12.2",
    "with projection, the mean recall of the ten classes is at least",
    overall["projection"],
    (0.7, None),
)
verify.claim(
    "12.3",
    "with projection, the recall of the class that is met least often is at least",
    agreement.recalls(tables["projection"]).min(),
    (0.35, None),
)

# %% [markdown]
# Compare a column of Figure 12.3 from top to bottom. The latent vector is the same, the class is not. What the vector
# fixes and what the class fixes was nowhere prescribed.
#
# Under five seeds projection had the higher mean recall each time: 0.82 to 0.87 against 0.70 to 0.78. That holds for these
# networks and so few steps. Why it is so was not tested, but what each has to learn can be said.
# With concatenation the body of the network has to treat the same image differently for different classes, from the
# first layer on. With projection it computes one set of features for all classes.
#
# ## 12.5 What goes wrong: labels out of step
#
# Here is a fault that no error message reports. Somewhere on the way the images were shuffled and the labels were
# not. Each batch is a batch of real images with real labels, but of others. **Predict before you run.** The losses,
# the networks and the steps are the same. What will the generator draw when it is asked for a boot?

# %%
shuffled = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
out_of_step = dataclasses.replace(train, labels=train.labels[shuffled])
confused = conditional.ConditionalState.create("projection", recipe, device)
for record in conditional.train_conditional(confused, out_of_step, every=STOP):
    if record.step == STOP:
        break
confused_images = drawn(confused, z_asked, asked)
plotting.image_grid(
    drawn(confused, z_grid.repeat(4, 1), torch.arange(4).repeat_interleave(6)),
    columns=6,
    row_labels=train.classes[:4],
    alt="Four rows of six garments of mixed kinds; the rows do not show the classes that were asked for.",
)

# %% [markdown]
# **Figure 12.4.** Four requests to the generator that was trained with labels out of step, after half of the steps.
# Compare a column from top to bottom: small parts change with the request, the kind of garment does not.

# %% tags=["verify"]
distance = metrics.RelativeFrechet(classifier, test.batch(range(3000)), device)
verify.claim(
    "12.4",
    "with labels out of step, the mean recall is near 0.1, that of a guess, at most",
    agreement.recalls(table_of(confused_images)).mean(),
    (None, 0.15),
)
verify.claim(
    "12.5",
    "with labels in step, after equally many steps, it is at least",
    agreement.recalls(table_of(halfway)).mean(),
    (0.65, None),
)
verify.claim(
    "12.6",
    "the Fréchet distance of all images from real ones, out of step over in step, is at least",
    distance(confused_images) / distance(halfway),
    (1.2, None),
)

# %% [markdown]
# Equation (12.1) says what happened. If label and image are independent in the data, $p(x \mid y) = p(x)$ for every
# class, and the best generator is one that ignores the request. It does what it was shown. Its images are further
# from the real ones than those of the training with labels in step: under this seed, labels that fitted helped to draw, too. But that
# number does not say why. **No measure that ignores the label can see that the label is ignored.** The repair is to
# shuffle pairs, not images. The test is a table of requests, and it belongs to every conditional training.
#
# ## 12.6 An auxiliary classifier, and what it does to the images
#
# There is a third way to use labels. The discriminator is not told the class. It gets a second output, a classifier
# $C(y \mid x)$, and has to guess it. Real images and generated ones teach the classifier; the generator is rewarded
# if its image is recognised as the class that was asked for. This is AC-GAN (Odena et al., 2017). It sounds harmless.
# What does the reward ask for?
#
# What we want is $q(x, y) = p(x, y)$. The Kullback-Leibler divergence of two joint distributions splits like (12.3),
# by the chain rule:
#
# $$ \begin{aligned} \mathrm{KL}\bigl(q(x, y) \,\|\, p(x, y)\bigr) &= \mathrm{KL}\bigl(q(x) \,\|\, p(x)\bigr) \\
#    &\quad + \mathbb{E}_{q(x)}\, \mathrm{KL}\bigl(q(y \mid x) \,\|\, p(y \mid x)\bigr). \end{aligned} \tag{12.7} $$
#
# The first term, or another divergence of the images alone, is the business of a GAN without classes. So the
# classifier's part should be the second, with $C$ in the place of $p(y \mid x)$. What the generator of AC-GAN
# minimises instead is the classifier's loss, and that is
#
# $$ \mathbb{E}_{q(x, y)} \bigl[ -\log C(y \mid x) \bigr] = \underbrace{H_q(y \mid x)}_{\text{too much}} + \mathbb{E}_{q(x)}\, \mathrm{KL}\bigl(q(y \mid x) \,\|\, C(y \mid x)\bigr), \tag{12.8} $$
#
# where $H_q(y \mid x) = -\mathbb{E}_{q(x,y)} \log q(y \mid x)$ is the **conditional entropy** of the generator's
# classes: how uncertain the class of a generated image is. (Write $\log C$ as $\log q(y|x)$ minus the logarithm of
# their ratio.) It should not be there. Even for a perfect generator and a perfect classifier it is not zero if
# classes overlap: a shirt and a pullover can look alike. The generator can lower it by drawing only what is easy to
# recognise.
#
# Gong et al. (2019) take it away again. A *twin* classifier $C'(y \mid x)$ is trained on generated images
# alone, so its best answer is $q(y \mid x)$, and the generator is rewarded for *fooling* it. $C$ is then taught on
# real images alone:
#
# $$ \begin{gathered} \mathbb{E}_{q(x, y)} \bigl[ -\log C(y \mid x) + \log C'(y \mid x) \bigr] = \mathbb{E}_{q(x)}\, \mathrm{KL}\bigl(q(y \mid x) \,\|\, C(y \mid x)\bigr) \\
#    \text{if } C' = q(y \mid x). \end{gathered} \tag{12.9} $$

# %% tags=["verify"]
C = torch.rand(3, 5, generator=random).double() + 0.1
C = C / C.sum(0)  # C(y | x): a column of probabilities for each of 5 images


def kl(first: Tensor, second: Tensor) -> Tensor:
    """Sum of first times log(first / second) over the classes: (3, 5) -> (5,)."""
    return (first * torch.log(first / second)).sum(0)


P_x, Q_x = P.sum(0), Q.sum(0)
verify.equation(
    "12.7", kl(Q, P).sum(), (Q_x * torch.log(Q_x / P_x)).sum() + (Q_x * kl(Q / Q_x, P / P_x)).sum()
)
uncertain = -(Q * torch.log(Q / Q_x)).sum()
fits = (Q_x * kl(Q / Q_x, C)).sum()
verify.equation("12.8", -(Q * torch.log(C)).sum(), uncertain + fits)
verify.equation("12.9", (Q * (torch.log(Q / Q_x) - torch.log(C))).sum(), fits)

# %% [markdown]
# ### A case where everything can be computed
#
# Two classes of numbers, equally frequent: $N(1, 1)$ and $N(-1, 1)$. They overlap: whoever knows both densities and
# guesses the class from the sign is right for 84 per cent. The generator draws $N(m, s^2)$ and $N(-m, s^2)$; the
# truth is $m = s = 1$. Its objective is that of a GAN at its best discriminator, twice the Jensen-Shannon divergence
# of all generated numbers from all real ones (lesson 07), plus the class term (12.8) with the best classifier of the
# real data, $C(+ \mid x) = \sigma(2x)$, where $+$ is the first class, or its twin form (12.9). All are integrals over
# a line, so we can evaluate them on a grid of $m$ and $s$, and look for the least value. No training, no noise.
# **Predict before you run.** Where will the auxiliary classifier move the two classes? What about their width?

# %%
line = torch.linspace(-9, 9, 1201, dtype=torch.float64)  # x
step = float(line[1] - line[0])
MEANS = torch.linspace(0.5, 2.5, 101, dtype=torch.float64)
WIDTHS = torch.linspace(0.2, 1.4, 121, dtype=torch.float64)


def bell(mean: Tensor, width: Tensor) -> Tensor:
    """The density of N(mean, width^2) on the line, for any number of means and widths."""
    exponent = -((line - mean[..., None]) / width[..., None]).square() / 2
    return exponent.exp() / (width[..., None] * math.sqrt(2 * math.pi))


def entropy_terms(density: Tensor) -> Tensor:
    """The integral of density times its logarithm, 0 log 0 being 0."""
    return torch.special.xlogy(density, density).sum(-1) * step


def objectives(mean: Tensor, width: Tensor) -> dict[str, Tensor]:
    """Both objectives of a generator with these means and widths, in nats."""
    plus, minus = bell(mean, width), bell(-mean, width)  # the two classes
    q = (plus + minus) / 2
    one = torch.ones((), dtype=torch.float64)
    p = (bell(one, one) + bell(-one, one)) / 2
    middle = (p + q) / 2
    # JSD = H(middle) - (H(p) + H(q)) / 2, with H = - entropy_terms
    jsd = -entropy_terms(middle) + (entropy_terms(p) + entropy_terms(q)) / 2
    # Both classes contribute alike, by symmetry. -log sigma(2x) = softplus(-2x).
    auxiliary = (plus * F.softplus(-2 * line)).sum(-1) * step
    # log q(+ | x) of the generator's own posterior: sigma(2 m x / s^2).
    own = (plus * F.softplus(-2 * (mean / width**2)[..., None] * line)).sum(-1) * step  # H_q(y | x)
    return {
        "auxiliary classifier": 2 * jsd + auxiliary,
        "twin": 2 * jsd + auxiliary - own,
    }


rows = [objectives(mean.expand(len(WIDTHS)), WIDTHS) for mean in MEANS]
found = {}
for name in rows[0]:
    values = torch.stack([row[name] for row in rows])  # (means, widths)
    i, j = divmod(int(values.argmin()), len(WIDTHS))
    found[name] = MEANS[i], WIDTHS[j]


def draw_classes(name: str) -> Callable[[Axes], None]:
    def draw(ax: Axes) -> None:
        one = torch.ones((), dtype=torch.float64)
        mean, width = found[name]
        for sign, colour in ((1, "blue"), (-1, "vermillion")):
            ax.plot(line, bell(sign * one, one), color=plotting.COLOURS[colour], linestyle=":")
            ax.plot(line, bell(sign * mean, width), color=plotting.COLOURS[colour])
        ax.set(xlim=(-4, 4), ylim=(0, None), xlabel="x", ylabel="density")

    return draw


plotting.panels(
    [
        ("auxiliary classifier", draw_classes("auxiliary classifier")),
        ("twin classifiers", draw_classes("twin")),
    ],
    columns=2,
    note="Dotted: real. Solid: the generator with the least objective.",
    alt="Two pairs of bell curves. With an auxiliary classifier the generated classes are narrower and further apart "
    "than the real ones; with twin classifiers they lie on them.",
)

# %% [markdown]
# **Figure 12.5.** The generator that is best for each objective, on the grid. Dotted: the real classes. With an
# auxiliary classifier the class of mean 1 moves to 1.42 and its standard deviation falls to 0.74. With twin
# classifiers the solid lines cover the dotted ones.

# %% tags=["verify"]
m, w = (float(value) for value in found["auxiliary classifier"])
verify.claim("12.7", "the auxiliary classifier moves a class of mean 1 to", m, (1.4, None))
verify.claim("12.8", "and makes it narrower: its standard deviation of 1 becomes", w, (None, 0.75))
confirmed = 0.5 * (1 + math.erf(m / w / math.sqrt(2)))
verify.claim(
    "12.9",
    "84 per cent of real numbers lie on the side of their class; of the generator's, at least",
    confirmed,
    (0.97, None),
)
verify.claim(
    "12.10",
    "with twin classifiers, the larger of the errors of mean and standard deviation is",
    max(abs(float(value) - 1) for value in found["twin"]),
    (None, 1e-6),
)

# %% [markdown]
# The reason can be read off (12.8) without a computer. At the truth the divergences are zero and flat: a small step
# changes them only to second order. The class term is not flat there. It falls when a class moves away from the other
# and when it gets narrower. So the truth *cannot* be the optimum, however small the weight of the class term is.
# (There, a classifier that is taught on real and on generated numbers is the same one, so it makes no difference.)
#
# And note the symptom: **the generated classes are recognised better than real ones.** A class accuracy above that of
# real images is no triumph. It is what missing difficult images look like.
#
# Does it happen to images? Shirts, T-shirts, pullovers and coats are the classes of Fashion-MNIST that overlap. We
# train an AC-GAN and a twin AC-GAN with the same steps, and look at these four: how often the request is confirmed,
# and how much the images of one request vary. The **variety** of a class is the trace of the covariance of the
# classifier's 128 features, divided by that of the real test images of the class. **Predict before you run.** How
# will the three generators be ordered by variety?

# %%
for meeting in ("auxiliary", "twin"):
    state = conditional.ConditionalState.create(meeting, recipe, device)
    for _ in conditional.train_conditional(state, train, every=STOP):
        pass
    states[meeting], tables[meeting] = state, requests(state)
OVERLAPPING = [train.classes.index(name) for name in ("T-shirt/top", "Pullover", "Coat", "Shirt")]


def variety(name: str, kind: int) -> float:
    """Total variance of the features of 100 images of one request, relative to real images."""
    rows = (test.labels[:5000] == kind).nonzero()[:, 0]
    real = metrics.classifier_features(classifier, test.batch(rows), device)
    images = drawn(states[name], z_asked[asked == kind], asked[asked == kind])
    made = metrics.classifier_features(classifier, images, device)
    return float(made.double().var(0).sum() / real.double().var(0).sum())


THREE = {"projection": "vermillion", "auxiliary": "blue", "twin": "green"}
varieties = {
    name: torch.tensor([variety(name, kind) for kind in OVERLAPPING]) for name in THREE
}  # (4,) each
confirmed_of = {name: agreement.recalls(tables[name])[OVERLAPPING] for name in THREE}


def draw_overlapping(found: dict[str, Tensor], xlabel: str, real: Tensor) -> Callable[[Axes], None]:
    def draw(ax: Axes) -> None:
        for row, value in enumerate(real.tolist()):
            ax.plot([value, value], [row - 0.35, row + 0.35], color="0.5", linewidth=1.2)
        for place, (name, colour) in enumerate(THREE.items()):
            rows = torch.arange(4) + 0.2 * (place - 1)
            ax.plot(found[name], rows, "o", color=plotting.COLOURS[colour])
        ax.set_yticks(range(4), [train.classes[kind] for kind in OVERLAPPING])
        ax.set(xlabel=xlabel, xlim=(0, 1.05))
        ax.invert_yaxis()

    return draw


plotting.panels(
    [
        (
            None,
            draw_overlapping(
                confirmed_of,
                "share of requests confirmed",
                agreement.recalls(tables["real images"])[OVERLAPPING],
            ),
        ),
        (None, draw_overlapping(varieties, "variety", torch.ones(4))),
    ],
    columns=2,
    note="Orange: projection. Blue: auxiliary classifier. Green: twin classifiers. Grey: real images.",
    alt="For four classes that overlap, the share of requests confirmed and the variety within the class, for three "
    "generators and for real images.",
)

# %% [markdown]
# **Figure 12.6.** The four overlapping classes, each as drawn by three generators. A grey mark: the real test images.

# %% tags=["verify"]
verify.claim(
    "12.11",
    "the mean variety within these classes is, with an auxiliary classifier over projection, at most",
    varieties["auxiliary"].mean() / varieties["projection"].mean(),
    (None, 0.75),
)
verify.claim(
    "12.12",
    "with twin classifiers over an auxiliary classifier, it lies in",
    varieties["twin"].mean() / varieties["auxiliary"].mean(),
    (0.8, 1.35),
)
verify.claim(
    "12.13",
    "with twin classifiers, the mean recall of all ten classes is at least",
    agreement.recalls(tables["twin"]).mean(),
    (0.7, None),
)

# %% [markdown]
# After so few steps all three vary much less than real garments do, so the comparison is between the three. With an
# auxiliary classifier the images of a class are more alike than with projection. (12.8) predicts that, but the comparison
# does not prove it the cause: the two differ in more than the class term, since only projection's discriminator sees the
# class, and a twin, which should take the term away, changes little. Nor does the symptom tell them apart: with the
# auxiliary classifier three of the four classes are confirmed less often than real images, while with projection and with the twin,
# where the term should not act, coats and shirts are confirmed more often than real ones. Recall by itself would not have told the difference: compare the
# two panels. The twin, exact in the case above, is no sure repair here: over five
# seeds it drew more variety than the auxiliary classifier four times, and once less. (12.9) holds for a twin that
# gives the best answer. Whether that is what these short trainings lack was not tested.
#
# ## 12.7 A code without labels
#
# Now take the labels away. The generator gets, beside its noise, a **code** $c$: here a number from 0 to 9, drawn
# uniformly, and two dials, drawn uniformly from $-1$ to $1$. Nobody says what they mean. Left alone, the generator
# may as well ignore them; the discriminator never asks. What has to be demanded is that the code *shows*: from the
# image one should be able to tell it. The quantity for that is the **mutual information** of code and image, by how
# much the image lowers the uncertainty of the code:
#
# $$ \begin{gathered} I(c; x) = \sum_{c, x} P(c, x) \log \frac{P(c, x)}{P(c)\, P(x)} = H(c) - H(c \mid x), \\
#    H(c \mid x) = -\mathbb{E}_{P(c, x)} \log P(c \mid x). \end{gathered} \tag{12.10} $$
#
# It is 0 if the code is ignored. As it stands, (12.10) is for the number. The information is then at most
# $H(c) = \log 10$, and reaches that if the image always tells the number. For the dials the sum over $c$ is an integral, and
# there is no such limit. For both there is an obstacle:
# $P(c \mid x)$, the probabilities of the codes that could have led to an image, is not known: it would take the
# generator run backwards.
#
# Chen et al. (2016) put a network $Q(c \mid x)$ in its place, the **recogniser**. What is lost? Write the logarithm
# in $H(c \mid x)$ as $\log Q + \log (P / Q)$. The expectation of the second part, over the codes that belong to an
# image, is a divergence:
#
# $$ \begin{aligned} I(c; x) &= H(c) + \mathbb{E}_{P(c, x)} \log Q(c \mid x) + \mathbb{E}_{P(x)}\, \mathrm{KL}\bigl(P(c \mid x) \,\|\, Q(c \mid x)\bigr) \\
#    &\ge H(c) + \mathbb{E}_{P(c, x)} \log Q(c \mid x). \end{aligned} \tag{12.11} $$
#
# A divergence is never negative, so whatever $Q$ is, the second line is a **lower bound**, and the gap is how wrong
# the recogniser is. Improving $Q$ closes the gap. Improving $G$ with $Q$ fixed raises the bound. And the expectation
# is easy to sample: draw a code *first*, make an image with it, and ask $Q$ for that very code. The bound is
# $H(c)$ minus a classifier's loss, and the generator chooses both the images and what their labels mean.
#
# Check it where everything can be counted: 4 codes, 6 images, any recogniser.

# %% tags=["verify"]
joint = torch.rand(4, 6, generator=random).double() + 0.05  # P(c, x)
joint = joint / joint.sum()
P_c, P_x = joint.sum(1, keepdim=True), joint.sum(0)
H_c = -(P_c * torch.log(P_c)).sum()
information = (joint * torch.log(joint / (P_c * P_x))).sum()
verify.equation("12.10", information, H_c + (joint * torch.log(joint / P_x)).sum())
recogniser = torch.rand(4, 6, generator=random).double() + 0.05
recogniser = recogniser / recogniser.sum(0)  # Q(c | x)
bound = H_c + (joint * torch.log(recogniser)).sum()
gap = (P_x * kl(joint / P_x, recogniser)).sum()
verify.equation("12.11", information, bound + gap)
assert float(gap) > 0  # so the bound lies below


# %% tags=["keep"]
def information_bound(kind_logits: Tensor, kinds: Tensor) -> float:
    """The right side of (12.11) for a uniform code: (N, K) logits of Q, (N,) codes -> nats."""
    return math.log(kind_logits.shape[1]) - float(F.cross_entropy(kind_logits.double(), kinds))


# %% [markdown]
# > **Correction.** One of the articles that this course grew from cites InfoGAN as "Noroozi, 2017". It is by X. Chen,
# > Y. Duan, R. Houthooft, J. Schulman, I. Sutskever and P. Abbeel, and of 2016.
#
# For the dials, $Q$ is a Gaussian with a mean that the network computes and a fixed standard deviation of 0.5, so
# $-\log Q$ is a squared error and a constant. The recogniser is the discriminator's body with one more last layer, as
# in AC-GAN, but it is taught on generated images alone: real ones come without a code. The library keeps the step of
# both in one function, `conditional.conditional_step`; `weight` multiplies the recogniser's loss in what
# the discriminator minimises, and `push` multiplies it in what the generator minimises.
#
# The five ways of this lesson, by the name that the library gives them:
#
# | name | the discriminator gets the class | it guesses | from real images | from generated images |
# |---|---|---|---|---|
# | `concatenation` | at its input | nothing | | |
# | `projection` | at its last layer | nothing | | |
# | `auxiliary` | no | the class | yes | yes |
# | `twin` | no | the class, twice | the first guess | the second guess |
# | `information` | no; there is none | the code | no | yes |
#
# ## 12.8 The codes that it finds
#
# **Predict before you run.** There are ten garments and ten values of the code. Will each code become a garment? And:
# if the recogniser is trained as before, but the generator is not rewarded (`push` 0), will the code be ignored?

# %% tags=["nbval-ignore-output"]
finder = dataclasses.replace(recipe, steps=budget.steps * 4 // 3)
z_code = torch.randn(1000, Z, generator=torch.Generator().manual_seed(20_000 + seed))
code_kinds = torch.arange(10).repeat(100)
code_dials = 2 * torch.rand(1000, 2, generator=torch.Generator().manual_seed(30_000 + seed)) - 1


@torch.no_grad()
def bound_of(state: conditional.ConditionalState, count: int = 500) -> float:
    """The bound for the number among the codes, on fresh images of the averaged generator."""
    images = drawn(state, z_code[:count], code_kinds[:count], code_dials[:count])
    logits = state.discriminator(images.to(device)).kinds.float().cpu()
    return conditional.information_bound(logits, code_kinds[:count])


@torch.no_grad()
def dials_read(state: conditional.ConditionalState) -> Tensor:
    """Correlation of each dial with what the recogniser reads from the image: (2,)."""
    images = drawn(state, z_code, code_kinds, code_dials)
    read = state.discriminator(images.to(device)).dials.float().cpu()  # (1000, 2)
    pairs_of = zip(code_dials.T, read.T, strict=True)
    return torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in pairs_of])


bounds, finders, read_well = {}, {}, {}
for name, push, last in (("rewarded", 1.0, finder.steps), ("not rewarded", 0.0, STOP)):
    state = conditional.ConditionalState.create("information", finder, device, dials=2, push=push)
    bounds[name] = {}
    for record in conditional.train_conditional(state, train, every=STOP // 3):
        bounds[name][record.step] = bound_of(state)
        if record.step == STOP:
            read_well[name] = dials_read(state)
        if record.step >= last:
            break
    finders[name] = state
    print(f"{name}: {record.step} steps in {state.seconds:.0f} s")

# %%
plotting.curves(
    {name: list(values) for name, values in bounds.items()},
    {name: list(values.values()) for name, values in bounds.items()},
    xlabel="training step",
    ylabel="bound on the information (nats)",
    levels={"log 10": math.log(10)},
    alt="The lower bound on the mutual information by training step, with and without a reward for the generator; "
    "a dashed line at log 10.",
)

# %% [markdown]
# **Figure 12.7.** The bound (12.11) on the information between image and the number among the codes. No bound can lie
# above $\log 10$. With the reward it is near from the first point on. Without the reward it rises too, later.

# %%
infogan = finders["rewarded"]
z_rows = torch.randn(6, Z, generator=torch.Generator().manual_seed(5))
plotting.image_grid(
    drawn(
        infogan, z_rows[:5].repeat(10, 1), torch.arange(10).repeat_interleave(5), torch.zeros(50, 2)
    ),
    columns=5,
    row_labels=[f"code {k}" for k in range(10)],
    alt="Ten rows of five generated garments, one row for each value of the code.",
)

# %% [markdown]
# **Figure 12.8.** One row for each value of the code, one latent vector for each column, both dials at 0. No label
# was used.
#
# How well do the codes agree with the labels that were never shown? Let the recogniser give each *real* test image a
# code, and count codes against labels. The numbers of the codes mean nothing, so we may choose which code is called
# which garment: the **best matching** gives each code a class of its own such that most images agree. With ten codes
# there are $10! = 3{,}628{,}800$ matchings, and still it is quick: the best use of a *set* of classes by the first
# codes does not depend on how the rest is matched, and there are only $2^{10}$ sets. A second measure needs no
# matching. It is the mutual information of the two labellings $A$ and $B$, divided by the mean of their entropies:
#
# $$ \mathrm{NMI}(A, B) = \frac{2\, I(A; B)}{H(A) + H(B)}. \tag{12.12} $$
#
# It is 1 if each labelling tells the other, under whatever names, and 0 if they are independent.

# %% tags=["verify"]
renamed = 10 * torch.eye(5)[torch.randperm(5, generator=random)]  # the same classes, other names
independent = torch.outer(torch.tensor([1.0, 2, 3]), torch.tensor([4.0, 1, 1]))
verify.equation(
    "12.12",
    [agreement.normalised_information(renamed), agreement.normalised_information(independent)],
    [1.0, 0.0],
)

# %%
with torch.no_grad():
    given = torch.cat(
        [
            infogan.discriminator(test.batch(part).to(device)).kinds.argmax(1).cpu()
            for part in torch.arange(4000).split(500)
        ]
    )
codes_table = agreement.contingency(given, test.labels[:4000], 10, CLASSES)
matching, matched = agreement.best_matching(codes_table)


def draw_codes(ax: Axes) -> None:
    shares = codes_table.double() / codes_table.sum(1, keepdim=True).clamp(min=1)
    ax.imshow(shares.numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    ax.plot(matching, range(10), "s", markersize=14, fillstyle="none", color="0.25")
    ax.grid(False)
    ax.set_xticks(range(CLASSES), train.classes, rotation=35, ha="right")
    ax.set_yticks(range(10))
    ax.set(ylabel="code given by the recogniser")


plotting.panels(
    [(None, draw_codes)],
    note="Dark: a large share of the row. Squares: the best matching.",
    height=3.8,
    alt="A table of ten codes against ten classes: for each code, which classes the real images have that get it.",
)

# %% [markdown]
# **Figure 12.9.** 4,000 real test images: the code that the recogniser gives them, against their label. Some codes
# are one kind of garment, others mix several.

# %% tags=["verify"]
verify.claim(
    "12.14",
    "the bound on the information between image and code is, in nats of at most 2.303, at least",
    bounds["rewarded"][max(bounds["rewarded"])],
    (2.25, None),
)
verify.claim(
    "12.15",
    "without the reward, after equally many steps, the bound is lower by at least",
    bounds["rewarded"][max(bounds["not rewarded"])]
    - bounds["not rewarded"][max(bounds["not rewarded"])],
    (0.02, None),
)
verify.claim(
    "12.16",
    "the share of test images whose code agrees with the label in the best matching is at least",
    matched,
    (0.3, None),
)
verify.claim(
    "12.17",
    "the normalised mutual information of code and label is at least",
    agreement.normalised_information(codes_table),
    (0.3, None),
)

# %% [markdown]
# Be careful with what this says. A low bound does not prove that there is little information: the gap may be large,
# because the recogniser is poor. Nor is the number ignored without the reward. Its embedding goes through random
# first weights as the noise does, so it changes the image as the noise does, and the recogniser learns to read it.
# With the reward it is read sooner, and with more certainty.
#
# The bound is a statement about *generated* images and holds whether or not the codes are garments. That codes and
# labels agree at all is luck of a kind: (12.11) rewards any ten groups that can be told apart, and kinds of garment
# are such groups. Groups by brightness, or by size, would satisfy it as well. A code that is recognised with
# certainty and means nothing to us is a perfect solution of the problem that we posed.
#
# ### The dials

# %%
stops = torch.linspace(-1, 1, 7)
chosen = [0, 3]
sweep = torch.zeros(2, len(chosen), len(stops), 2)
sweep[0, :, :, 0] = stops
sweep[1, :, :, 1] = stops
rows_of = len(chosen) * len(stops)
plotting.image_grid(
    drawn(
        infogan,
        z_rows[:1].expand(2 * rows_of, -1),
        torch.tensor(chosen).repeat_interleave(len(stops)).repeat(2),
        sweep.flatten(0, 2),
    ),
    columns=7,
    titles=["−1", "−2/3", "−1/3", "0", "1/3", "2/3", "1"],
    row_labels=[f"dial {number}, code {code}" for number in (1, 2) for code in chosen],
    alt="Four rows of seven garments. In the upper two the first dial goes from left to right, in the lower two the second.",
)

# %% [markdown]
# **Figure 12.10.** The same latent vector with two codes. Above: the first dial from $-1$ to $1$. Below: the second.
#
# What does a dial do? Draw 1,000 latent vectors and codes, make each image twice, with the dial at $-1$ and at $1$,
# and take the mean of the differences.


# %%
def turned(number: int) -> Tensor:
    """Mean change of each pixel when one dial goes from -1 to 1 and the other is at 0: (H, W)."""
    ends = []
    for end in (-1.0, 1.0):
        dials = torch.zeros(1000, 2)
        dials[:, number] = end
        ends.append(drawn(infogan, z_code, code_kinds, dials))
    return (ends[1] - ends[0]).mean(dim=(0, 1)) / 2  # of a range from 0 to 1


changes = [turned(number) for number in range(2)]
largest = max(float(change.abs().max()) for change in changes)


def draw_change(change: Tensor) -> Callable[[Axes], None]:
    def draw(ax: Axes) -> None:
        ax.imshow(change.numpy(), cmap="RdBu_r", vmin=-largest, vmax=largest)
        ax.grid(False)
        ax.set_axis_off()

    return draw


plotting.panels(
    [(f"dial {number}", draw_change(change)) for number, change in enumerate(changes, start=1)],
    columns=2,
    alt="Two maps of 32 x 32 pixels, one for each dial: which pixels become brighter and which darker on average.",
)

# %% [markdown]
# **Figure 12.11.** What each dial does to the pixels, on average over 1,000 images. Red: brighter. Blue: darker. White: no
# change. One scale for both. Under another seed the dials may do something else, or change places: nothing in (12.11) names
# them.

# %% tags=["verify"]
verify.claim(
    "12.18",
    "halfway to the last step of section 12.4, the smaller correlation of a dial with what is read from the image is at least",
    read_well["rewarded"].min(),
    (0.6, None),
)
verify.claim(
    "12.19",
    "after equally many steps without the reward, the larger one is, without its sign, at most",
    read_well["not rewarded"].abs().max(),
    (None, 0.4),
)

# %% [markdown]
# Without the reward the recogniser does not read the dials: under five seeds no correlation was above 0.16. That does not
# show that the image does not tell them. A dial goes through the first weights as the number does, and a better recogniser,
# or more steps, might read it. With the reward it is read: under each seed at least 0.82. For the number among the codes it
# was different (Figure 12.7). One thing that differs between the two is how loudly they enter: of the 82 numbers that the generator gets, 16 are the
# embedding of the code's number, and one is a dial. Another is how they are read: the number by a classifier, a dial by the mean of
# a Gaussian. Which of the two is the reason was not tested here.
#
# ## 12.9 Directions that were always there
#
# Dials can also be found *afterwards*, in a generator that was trained without any. Take an attribute $f$ of an image
# that we can measure, such as brightness, and let $f(z)$ be that of the image of $z$. In which direction of latent
# space does it rise most, on average over all $z$? The mean of the gradient says it, and it can be had without a
# single derivative. For a smooth $f$ that does not grow too fast (bounded, with a bounded gradient, is enough) and $z \sim N(0, I)$ with density $\varphi$, the gradient of the density is
# $\nabla \varphi = -z \varphi$, so integration by parts gives **Stein's identity**
#
# $$ \mathbb{E}\bigl[ z\, f(z) \bigr] = \mathbb{E}\bigl[ \nabla f(z) \bigr]. \tag{12.13} $$
#
# The mean of the latent vectors, each weighted by the attribute of its image, *is* the mean gradient. Often the
# attribute is made yes or no first, $t \in \{0, 1\}$ with share $\pi$ of yes, and one takes the difference of the two
# class means, as in the arithmetic of lesson 09. That is the left side of (12.13) with $t$ for $f$, up to a factor:
#
# $$ \mathbb{E}[z \mid t = 1] - \mathbb{E}[z \mid t = 0] = \frac{\operatorname{Cov}(z, t)}{\pi\, (1 - \pi)}. \tag{12.14} $$
#
# ($\mathbb{E}[z t] = \pi\, \mathbb{E}[z \mid 1]$, and the mean of all $z$ is
# $\pi\, \mathbb{E}[z \mid 1] + (1 - \pi)\, \mathbb{E}[z \mid 0]$.) The function $t$ is not smooth: it jumps at the
# border between yes and no, and what takes the place of its mean gradient is the mean of the normals of that border,
# each weighted with the density there. If $f$ is linear in $z$, both directions are one. If it is not, they may
# differ. Neither needs any training, only images and a measurement.

# %% tags=["verify"]
u = torch.tensor([0.7, -0.4]).double()
axis = torch.linspace(-9, 9, 361, dtype=torch.float64)
grid = torch.cartesian_prod(axis, axis)  # (N, 2)
weights = torch.exp(-grid.square().sum(1) / 2) / (2 * math.pi) * float(axis[1] - axis[0]) ** 2
left = (weights[:, None] * grid * torch.sin(grid @ u + 0.3)[:, None]).sum(0)
right = (weights * torch.cos(grid @ u + 0.3)).sum() * u
verify.equation("12.13", left, right)

sampled = torch.randn(200, 3, generator=random).double()
shown = sampled[:, 0] + sampled[:, 1] ** 2 > 0.5
share = shown.double().mean()
covariance = (sampled * shown.double()[:, None]).mean(0) - sampled.mean(0) * share
verify.equation(
    "12.14",
    sampled[shown].mean(0) - sampled[~shown].mean(0),
    covariance / (share * (1 - share)),
)


# %% tags=["keep"]
def mean_difference(z: Tensor, shown: Tensor) -> Tensor:
    """The direction (12.14), of length 1: (N, Z), bool (N,) -> (Z,)."""
    direction = z[shown].mean(0) - z[~shown].mean(0)
    return direction / direction.norm()


def walk(z: Tensor, direction: Tensor, amounts: Tensor) -> Tensor:
    """Latent vectors moved along it and scaled back: (N, Z), (Z,), (T,) -> (T, N, Z)."""
    moved = z + amounts[:, None, None] * direction  # (T, N, Z)
    return moved * (z.norm(dim=1) / moved.norm(dim=2))[..., None]


# %% [markdown]
# The library keeps both in `course_lib.directions`. We use the projection GAN and ask for pullovers only, so that the
# class cannot be what changes. 2,000 latent vectors give the directions for two attributes, each made yes or no at
# its median: the brightness of the image, and the share of the brightness that lies at the sides, where pullovers
# have their sleeves. Then we walk from 50 *other* vectors, and measure both attributes on the way. **Predict before
# you run.** Will the direction for brightness leave the sides alone?


# %%
def brightness(images: Tensor) -> Tensor:
    """Mean over the pixels, 0 black to 1 white: (N, 1, H, W) -> (N,)."""
    return ((images.double() + 1) / 2).mean(dim=(1, 2, 3))


def sides(images: Tensor) -> Tensor:
    """Share of all brightness in the ten outer columns of both sides: (N, 1, H, W) -> (N,)."""
    columns = ((images.double() + 1) / 2).sum(dim=(1, 2))  # (N, W)
    return (columns[:, :10].sum(1) + columns[:, -10:].sum(1)) / columns.sum(1).clamp(min=1e-6)


PULLOVER = train.classes.index("Pullover")
z_many = torch.randn(2050, Z, generator=torch.Generator().manual_seed(40_000 + seed))
z_found, z_walked = z_many[:2000], z_many[2000:]
pullover_images = drawn(states["projection"], z_found, torch.full((2000,), PULLOVER))
ATTRIBUTES = {"brightness": brightness, "sides": sides}
values = {name: measure(pullover_images) for name, measure in ATTRIBUTES.items()}
ways = {
    name: directions.mean_difference(z_found, value > value.median())
    for name, value in values.items()
}
amounts = torch.linspace(-4, 4, 9)
paths = {name: directions.walk(z_walked, way, amounts) for name, way in ways.items()}  # (9, 50, Z)
walked = {
    name: drawn(states["projection"], path.flatten(0, 1), torch.full((450,), PULLOVER))
    for name, path in paths.items()
}

# %%
plotting.image_grid(
    torch.cat([images.unflatten(0, (9, 50))[:, k] for images in walked.values() for k in (0, 1)]),
    columns=9,
    titles=[f"{amount:+.0f}".replace("-", "−") for amount in amounts.tolist()],
    row_labels=[f"{name}, vector {k}" for name in walked for k in (1, 2)],
    alt="Four rows of nine pullovers: along the direction for brightness for two latent vectors, and along that for the sides.",
)

# %% [markdown]
# **Figure 12.12.** Walks from two latent vectors that were not used to find the directions. Above each column: the
# amount of the unit direction that is added; a latent vector is about 8 long, and keeps its length.


# %%
def draw_walk(name: str) -> Callable[[Axes], None]:
    def draw(ax: Axes) -> None:
        for other, measure in ATTRIBUTES.items():
            change = measure(walked[name]).view(9, 50).mean(1)  # (9,)
            ax.plot(amounts, (change - change[4]) / values[other].std(), label=other)
        ax.set(xlabel="amount", ylabel="change (standard deviations)")

    return draw


plotting.panels(
    [(f"along {name}", draw_walk(name)) for name in ways],
    columns=2,
    alt="Mean change of brightness and of the share at the sides along each of the two directions.",
)

# %% [markdown]
# **Figure 12.13.** What changes along each direction, mean of 50 walks, in standard deviations of the attribute over
# the 2,000 pullovers.

# %% tags=["verify"]
along = ATTRIBUTES["brightness"](walked["brightness"]).view(9, 50).mean(1)
stay = (seen_classes(walked["brightness"]) == PULLOVER).double().view(9, 50).mean(1)
verify.claim(
    "12.20",
    "from end to end of the walk, brightness rises by so many standard deviations, at least",
    (along[-1] - along[0]) / values["brightness"].std(),
    (3.0, None),
)
verify.claim(
    "12.21",
    "at the worse of its two ends, the share that the classifier takes for pullovers is at most",
    min(float(stay[0]), float(stay[-1])),
    (None, 0.85),
)

aside = ATTRIBUTES["sides"](walked["brightness"]).view(9, 50).mean(1)
verify.claim(
    "12.22",
    "towards its dark end, the share at the sides changes by so many standard deviations, at least",
    (aside[0] - aside[4]) / values["sides"].std(),
    (1.0, None),
)
real_pullovers = test.batch(pullovers)
verify.claim(
    "12.23",
    "over the real pullovers, the correlation of brightness and share at the sides is, without its sign, at most",
    torch.corrcoef(torch.stack([measure(real_pullovers) for measure in ATTRIBUTES.values()]))[
        0, 1
    ].abs(),
    (None, 0.03),
)

# %% [markdown]
# The direction for brightness does not leave the sides alone: their share rises towards both ends. Over real pullovers the
# correlation of the two attributes is nearly zero. That does not settle whether garments or this generator are the cause:
# a dependence that rises at both ends can have no correlation either. So measure on the way, and do not trust the name of
# a direction. Nor
# does the classifier take all that lies on the walk for pullovers. (But not before the first step either, as Figure 12.2 shows: this alone
# does not say what the walk costs.) Two corrections are usual: subtract from one
# direction its projection on the other, or hold the other attribute fixed when the two groups are chosen.
#
# ## 12.10 Truncation: fewer surprises
#
# A generator's failures are not spread evenly over latent space. Brock et al. (2019) found that latent vectors with
# small numbers only give images that are better one by one, and less different from each other. (Some of their larger
# models drew artefacts from such vectors. A penalty on the weights, meant to make the generator smoother, helped often, not
# always.) They draw
# $z$ from a **truncated** Gaussian: each number whose absolute value exceeds a threshold $\tau$ is drawn *again*
# until it does not. The variance of a number that is left is
#
# $$ \operatorname{Var}(z \mid |z| \le \tau) = 1 - \frac{2 \tau\, \varphi(\tau)}{2 \Phi(\tau) - 1}, \tag{12.15} $$
#
# with $\varphi$ the density and $\Phi$ the distribution function of $N(0, 1)$: integrate $z \cdot z \varphi$ by
# parts. For $\tau = 1$ it is 0.29, and for small $\tau$ it is $\tau^2 / 3$, that of a uniform number. Clamping
# instead of drawing again would be another distribution, with a lump of probability at both ends.


# %% tags=["verify"]
variances, formulas = [], []
for tau in (0.25, 0.5, 1.0, 2.0, 4.0):
    at = torch.linspace(-tau, tau, 200_001, dtype=torch.float64)
    bell_at = torch.exp(-at.square() / 2)
    variances.append(
        float(torch.trapezoid(at.square() * bell_at, at) / torch.trapezoid(bell_at, at))
    )
    density = math.exp(-(tau**2) / 2) / math.sqrt(2 * math.pi)
    formulas.append(1 - 2 * tau * density / math.erf(tau / math.sqrt(2)))  # 2 Phi - 1 is this erf
verify.equation("12.15", variances, formulas)


# %% tags=["keep"]
def truncated_normal(
    count: int, latent: int, threshold: float, generator: torch.Generator
) -> Tensor:
    """Gaussians drawn again until they are at most `threshold` in absolute value: -> (N, Z)."""
    z = torch.randn(count, latent, generator=generator)
    while (outside := z.abs() > threshold).any():
        z[outside] = torch.randn(int(outside.sum()), generator=generator)
    return z


# %% [markdown]
# Lesson 10's two numbers are made for this: **precision**, the share of generated images that lie in the region of
# the real ones, and **recall**, the share of real images that lie in the region of the generated ones. (This recall is another than
# that of section 12.4, which counts requests that are met.) **Predict before you run.** Which will rise and which will fall as $\tau$ gets smaller?

# %%
THRESHOLDS = (0.7, 1.0, 1.4, 2.0, math.inf)
real_features = metrics.classifier_features(classifier, test.batch(range(1000)), device)
truncated, pairs = {}, {}
for tau in THRESHOLDS:
    z_short = directions.truncated_normal(
        1000, Z, tau, torch.Generator().manual_seed(50_000 + seed)
    )
    truncated[tau] = drawn(states["projection"], z_short, asked)
    features = metrics.classifier_features(classifier, truncated[tau], device)
    pairs[tau] = sample_metrics.precision_recall(real_features, features)


def draw_trade(ax: Axes) -> None:
    precision, recall = zip(*pairs.values(), strict=True)
    ax.plot(recall, precision, "o-", color=plotting.COLOURS["blue"])
    for tau, x, y in zip(pairs, recall, precision, strict=True):
        name = "no truncation" if math.isinf(tau) else f"{tau:g}"
        ax.annotate(name, (x, y), xytext=(5, 4), textcoords="offset points", fontsize=8)
    ax.set(xlabel="recall", ylabel="precision", xlim=(0, None))


plotting.panels(
    [(None, draw_trade)],
    alt="Precision against recall for five thresholds of truncation, joined by a line.",
)

# %% [markdown]
# **Figure 12.14.** The threshold moves along this line: 1,000 generated and 1,000 real images, $k = 3$ neighbours.
# Even without truncation this generator, trained for so few steps, covers little of what is real.

# %%
plotting.image_grid(
    torch.cat(
        [truncated[tau][PULLOVER * 100 : PULLOVER * 100 + 9] for tau in (0.7, 1.4, math.inf)]
    ),
    columns=9,
    row_labels=["0.7", "1.4", "no truncation"],
    alt="Three rows of nine pullovers, with a threshold of 0.7, of 1.4 and without truncation; in each row some are "
    "darker than others.",
)

# %% [markdown]
# **Figure 12.15.** Nine pullovers for three thresholds. Nine images are too few to judge variety by eye; recall measures it
# (Figure 12.14).

# %% tags=["verify"]
verify.claim(
    "12.24",
    "a threshold of 1 leaves of the recall without truncation at most the share",
    pairs[1.0].recall / pairs[math.inf].recall,
    (None, 0.4),
)
verify.claim(
    "12.25",
    "and changes precision by at least",
    pairs[1.0].precision - pairs[math.inf].precision,
    (0.02, None),
)

# %% [markdown]
# As the threshold gets smaller, precision rises and recall falls. Truncation is done after training and takes no computing, and this
# is its danger. A paper's samples, and its best score,
# may be truncated. Ask for the threshold, and for recall.
#
# ## 12.11 Ask and turn
#
# In JupyterLab and on Colab the next cell shows a menu with the classes and two sliders, which turn the latent vector
# along the two directions of section 12.9.


# %%
def asked_and_turned(z: Tensor, kinds: Tensor, dials: Tensor) -> Tensor:
    """Images of the projection GAN; a dial at 1 adds 4 of its unit direction."""
    way = torch.stack(list(ways.values()))  # (2, Z)
    moved = z + 4 * dials @ way
    return drawn(states["projection"], moved * (z.norm(dim=1) / moved.norm(dim=1))[:, None], kinds)


class_explorer.class_explorer(
    asked_and_turned,
    Z,
    names=train.classes,
    dials=list(ways),
    seed=1,
    alt="Ten rows of five garments, one row for each class; from left to right the direction for brightness is added.",
)

# %% [markdown]
# **Figure 12.16.** One latent vector as each of the ten classes. From left to right: the direction that was found for
# the brightness of pullovers, from $-1$ to $1$ of the dial. Whether it means the same for a sandal, see for yourself.
#
# ## Summary
#
# - A conditional GAN judges pairs. Its best logit compares the images within each class, (12.1).
# - Concatenation adds a bias for each class in the first layer. Projection has the form that the best logit has if
#   the classes are log-linear in the features, (12.5).
# - No measure that ignores the label can see that the label is ignored. Make a table of requests.
# - An auxiliary classifier adds $H_q(y \mid x)$ to what should be minimised: classes move apart and get narrow.
#   Classes that are recognised better than real ones can be a symptom; a twin classifier that gives its best answer
#   takes the term away, (12.9), and in our short trainings was no sure repair.
# - InfoGAN raises a lower bound on the information between code and image. The gap is how wrong the recogniser is.
#   What a code means is not decided by the bound. The dials were read only where the generator was rewarded for showing them.
# - The mean of the latent vectors, weighted by a smooth attribute of their images, is its mean gradient. The
#   difference of two class means is its counterpart for an attribute that is yes or no. Walk along it and measure
#   what else changes.
# - Truncation pays for precision with recall, both as in lesson 10.
#
# **Exercises.** [Eight exercises](../exercises/12_conditions_and_codes.ipynb). Each check says what your answer
# misunderstood. [Solutions](../solutions/12_conditions_and_codes.ipynb).
#
# ## Sources
#
# - M. Mirza, S. Osindero. *Conditional Generative Adversarial Nets.* 2014.
# - T. Miyato, M. Koyama. *cGANs with Projection Discriminator.* ICLR 2018. Section 3 (the form of the logit).
# - A. Odena, C. Olah, J. Shlens. *Conditional Image Synthesis with Auxiliary Classifier GANs.* ICML 2017. Section 3.
# - M. Gong, Y. Xu, C. Li, K. Zhang, K. Batmanghelich. *Twin Auxiliary Classifiers GAN.* NeurIPS 2019.
# - X. Chen, Y. Duan, R. Houthooft, J. Schulman, I. Sutskever, P. Abbeel. *InfoGAN: Interpretable Representation
#   Learning by Information Maximizing Generative Adversarial Nets.* NeurIPS 2016. Section 5 (the bound).
# - R. Shu, H. Bui, S. Ermon. *AC-GAN Learns a Biased Distribution.* NeurIPS workshop on Bayesian deep learning, 2017.
# - C. Stein. *Estimation of the Mean of a Multivariate Normal Distribution.* The Annals of Statistics, 1981. (The
#   identity.)
# - A. Brock, J. Donahue, K. Simonyan. *Large Scale GAN Training for High Fidelity Natural Image Synthesis.*
#   ICLR 2019. Section 3.1 (truncation).
# - T. Kynkäänniemi, T. Karras, S. Laine, J. Lehtinen, T. Aila. *Improved Precision and Recall Metric for Assessing
#   Generative Models.* NeurIPS 2019. Section 2.
