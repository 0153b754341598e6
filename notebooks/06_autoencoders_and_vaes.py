# %% [markdown]
# # 06. Autoencoders and VAEs
#
# > **The question.** A network squeezes a picture into a few numbers, and a second one opens them again. So
# > the second one turns numbers into pictures. Why is it not yet a generator, and what makes it one?
#
# | | |
# |---|---|
# | **You need** | Densities, Gaussians and principal components ([lesson 01](01_images_and_distributions.ipynb)), and how a network is trained ([lesson 04](04_building_a_cnn.ipynb)). A generative adversarial network appears once as a yardstick, without being explained. |
# | **You will be able to** | derive in two ways the bound that a VAE raises, train one in a few lines, say what its $\sigma$ and its $\beta$ weigh against each other and when its latent numbers die, and explain by an equation why its pictures are blurred |
# | **Time** | about 2 minutes of computing on 2 CPU cores, an hour and a half of reading. What a GPU saves has not been measured. |

# %%
import dataclasses
import itertools
import math

import numpy as np
import sympy
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import (
    autoencoding,
    checkpoints,
    data,
    elbo,
    metrics,
    plotting,
    recipes,
    runtime,
    training,
    verify,
    widgets,
)
from course_lib.models import vae

seed = runtime.seed(0)
device = runtime.device()
random = torch.Generator().manual_seed(seed)
train = data.load_images("fashion-mnist", "train", size=32)
test = data.load_images("fashion-mnist", "test", size=32)
real = data.normalise(test.images)  # (10000, 1, 32, 32)


def normals(*shape: int) -> Tensor:
    """Standard Gaussians."""
    return torch.randn(*shape, generator=random)


# %% [markdown]
# ## 6.1 The idea in one picture
#
# An **encoder** reads an image and answers with a few numbers, its **code**: here $Z = 2$, a point in a plane.
# A **decoder** reads the code and draws the image. Both are trained together, to give back what came in. The
# narrow place in the middle is what makes it interesting: 1,024 pixels have to pass through two numbers.

# %%
plotting.architecture(
    [
        ("image", (1, 32, 32)),
        ("linear, ReLU", (512,)),
        ("linear, ReLU", (256,)),
        ("linear", (2,)),
        ("linear, ReLU", (256,)),
        ("linear, ReLU", (512,)),
        ("linear, tanh", (1, 32, 32)),
    ],
    alt="An image of 32 by 32 becomes 512 numbers, 256, then 2; these become 256, 512 and an image again.",
)

# %% [markdown]
# **Figure 6.1.** Encoder, code and decoder. The two numbers in the middle are the **latent** numbers.


# %%
def draw_sketch(clouds: bool):
    """A sketch of the latent plane: codes as points, or as clouds that fill the prior's disc."""
    angles = torch.arange(9) * 2.4
    spots = torch.stack([angles.cos(), angles.sin()], dim=1) * torch.arange(1, 10).sqrt()[:, None]

    def draw(ax: Axes) -> None:
        places = 0.62 * spots if clouds else spots * torch.tensor([1.3, 0.45]) + 0.4
        for x, y in places.tolist():
            if clouds:
                ax.add_patch(Circle((x, y), 0.75, color=plotting.COLOURS["blue"], alpha=0.25))
            ax.plot(x, y, ".", color=plotting.COLOURS["blue"])
        if clouds:
            ax.add_patch(Circle((0, 0), 2, fill=False, linestyle="--", edgecolor="0.4"))
        for x, y in ((-1.6, 1.2), (1.2, -1.2)) if not clouds else ((-1.0, 1.0), (1.1, -0.5)):
            ax.text(
                x,
                y,
                "?",
                color=plotting.COLOURS["vermillion"],
                fontsize=14,
                ha="center",
                va="center",
            )
        ax.set(xlim=(-4, 4.6), ylim=(-2.4, 2.4), xlabel="latent number 1", ylabel="latent number 2")
        ax.set(xticks=[], yticks=[], aspect="equal")

    return draw


plotting.panels(
    [
        ("autoencoder: an image is a point", draw_sketch(False)),
        ("VAE: an image is a cloud", draw_sketch(True)),
    ],
    alt="Two sketches of a plane. Left, scattered points with question marks in the gaps between them. Right, "
    "each point has a disc around it, the discs overlap and nearly fill a circle, and the question marks lie in discs.",
)

# %% [markdown]
# **Figure 6.2.** A sketch. To generate, put in numbers of your own (?). Left: the decoder was trained on the
# points alone, and nobody knows where they lie. Right: each image is a cloud of codes, the clouds overlap, and
# together they should fill a known shape, dashed. Now a number drawn from that shape is one that the decoder has
# seen. That is a **variational autoencoder**, VAE. The rest of this lesson makes it exact.
#
# ## 6.2 The autoencoder, and its holes
#
# Write $x$ for an image, read as a vector of $n = 1{,}024$ grey levels in $[-1, 1]$, $f$ for the encoder and $g$
# for the decoder. The loss is the squared error of what comes back, summed over the pixels, and averaged over
# the images:
#
# $$ L = \mathbb{E}\, \bigl| x - g(f(x)) \bigr|^2, \qquad |x - y|^2 = \sum_{k=1}^{n} (x_k - y_k)^2. \tag{6.1} $$
#
# Here are both networks. They are fully connected: the images are small, and this trains fast.


# %% tags=["keep"]
class Encoder(nn.Module):
    """(B, 1, 32, 32) in [-1, 1] -> (B, outputs)."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),  # (B, 1024)
            nn.Linear(1024, 512),
            nn.ReLU(inplace=True),
            nn.Linear(512, 256),
            nn.ReLU(inplace=True),
            nn.Linear(256, outputs),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


class Decoder(nn.Module):
    """(B, Z) -> (B, 1, 32, 32) in [-1, 1]."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent, 256),
            nn.ReLU(inplace=True),
            nn.Linear(256, 512),
            nn.ReLU(inplace=True),
            nn.Linear(512, 1024),
            nn.Tanh(),
            nn.Unflatten(1, (1, 32, 32)),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


# %% tags=["verify"]
few = data.normalise(train.images[:3]).double()
echo = nn.Sequential(Encoder(2), Decoder(2)).double()
by_pixel = [
    sum(float(a - b) ** 2 for a, b in zip(x.flatten(), y.flatten(), strict=True))
    for x, y in zip(few, echo(few).detach(), strict=True)
]
verify.equation(
    "6.1", autoencoding.squared_error(echo, few, random)["loss"].detach(), np.mean(by_pixel)
)

# %% [markdown]
# And the training, in full. One step takes $B = 64$ images. The learning rate falls to zero on a straight line.

# %%
STEPS, BATCH = 600, 64  # 38,400 images: enough for this lesson, on a GPU too
encoder, decoder = Encoder(2).to(device), Decoder(2).to(device)
adam = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], fused=True)
images, sampler = train.to(device), data.EpochSampler(len(train), BATCH, seed)
for step in range(STEPS):
    adam.param_groups[0]["lr"] = 2e-3 * (1 - step / STEPS)
    x = images.batch(sampler.indices(step).to(device))  # (B, 1, 32, 32)
    loss = (x - decoder(encoder(x))).square().flatten(1).sum(dim=1).mean()  # (6.1)
    adam.zero_grad()
    loss.backward()
    adam.step()

# %% [markdown]
# The library keeps the networks as `course_lib.models.vae`, and the loop as `autoencoding.train`, for any loss.
#
# How good are two numbers? Lesson 01 has a rival: the first two principal components. They leave $\lambda_3 + \dots + \lambda_n$
# of the variance, where the $\lambda_k$ are the eigenvalues of the covariance of the pixels, here of 20,000 training images. No
# other *linear* code of two numbers leaves less (Bishop, 2006, section 12.1, cited in lesson 01).

# %%
pixels = data.normalise(train.images[:20_000]).flatten(1).double()  # (20000, 1024)
eigenvalues = torch.linalg.eigvalsh(torch.cov(pixels.T)).flip(0).clamp(min=0)  # largest first
print("largest eigenvalues:", ", ".join(f"{one:.0f}" for one in eigenvalues[:3]))
autoencoder = nn.Sequential(encoder, decoder)
error = autoencoding.evaluate(autoencoder, autoencoding.squared_error, test)["loss"]

# %% tags=["verify"]
verify.claim(
    "6.1",
    "the error on test images, relative to that of two principal components, is",
    error / float(eigenvalues[2:].sum()),
    (None, 0.75),
)


# %% [markdown]
# Two numbers can be drawn. So we can look at all codes at once, and at what the decoder draws in every place.


# %%
def opened(decode, z: Tensor) -> Tensor:
    """Decode latent vectors in parts: (N, Z) -> (N, 1, 32, 32) on the CPU."""
    with torch.no_grad():
        return torch.cat([decode(part.to(device)).cpu() for part in z.split(500)])


GROUPS = {
    "tops": ("blue", ("T-shirt/top", "Pullover", "Coat", "Shirt")),
    "trousers": ("green", ("Trouser",)),
    "dresses": ("purple", ("Dress",)),
    "shoes": ("vermillion", ("Sandal", "Sneaker", "Ankle boot")),
    "bags": ("orange", ("Bag",)),
}


def draw_codes(codes: Tensor, sides: tuple[Tensor, Tensor]):
    """Codes (N, 2) of the first N test images, one colour for each kind of garment."""

    def draw(ax: Axes) -> None:
        for group, (colour, classes) in GROUPS.items():
            chosen = torch.tensor([test.classes.index(name) for name in classes])
            mine = codes[torch.isin(test.labels[: len(codes)], chosen)]
            ax.plot(*mine.T, ".", markersize=2, color=plotting.COLOURS[colour])
            box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.8, "linewidth": 0}
            middle = mine.median(dim=0).values.tolist()
            ax.text(*middle, group, fontsize=8, ha="center", va="center", bbox=box)
        low, high = sides
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), box_aspect=1)
        ax.set(xlabel="latent number 1", ylabel="latent number 2")

    return draw


def draw_decoded(decode, sides: tuple[Tensor, Tensor], count: int = 9):
    """What the decoder draws on a grid over the same part of the plane."""
    low, high = sides
    steps = (torch.arange(count) + 0.5) / count
    across, up = (low + steps[:, None] * (high - low)).T
    grid = torch.cartesian_prod(up.flip(0), across).flip(1)  # rows from the top
    sheet = opened(decode, grid).view(count, count, 32, 32).transpose(1, 2).reshape(32 * count, -1)

    def draw(ax: Axes) -> None:
        ax.imshow(
            sheet.numpy(), vmin=-1, vmax=1, aspect="auto",
            extent=(float(low[0]), float(high[0]), float(low[1]), float(high[1])),
        )  # fmt: skip
        ax.grid(False)
        ax.set(xlabel="latent number 1", ylabel="latent number 2", box_aspect=1)

    return draw


def middle_part(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Corners of the rectangle that holds all but one per cent of the codes along each axis."""
    ends = torch.quantile(codes, torch.tensor([0.005, 0.995]), dim=0)
    return ends[0], ends[1]


with torch.no_grad():
    codes = torch.cat([encoder(part.to(device)).cpu() for part in real.split(500)])  # (10000, 2)
sides = middle_part(codes)
plotting.panels(
    [("codes of 800 test images", draw_codes(codes[:800], sides)),
     ("what the decoder draws there", draw_decoded(decoder, sides))],
    height=2.6,
    alt="Left, coloured clouds of points, named by kind of garment, with empty space beside them. Right, a grid "
    "of small decoded garments over the same plane.",
)  # fmt: skip

# %% [markdown]
# **Figure 6.3.** The latent plane of the autoencoder. Left: where test images are sent, coloured by kind of
# garment. Nobody told the network the kinds. Right: what the decoder makes of the same places. The axes have no
# natural unit: the network chose them.
#
# Now generate. We need to draw a code, so we need a distribution of codes. The obvious choice is a Gaussian with
# the mean and the covariance of the codes. A point drawn from it lies in a **hole** when
# no code is near. What is near? Take the codes of *other* test images, of whatever garment, and see how far each is from
# the nearest code: what 99 % of them stay within is near. So fresh codes fall into holes in one case of a
# hundred. **Predict before you run:** how often do draws from the Gaussian?


# %% tags=["keep"]
def hole_share(codes: Tensor, fresh: Tensor, points: Tensor) -> float:
    """Share of points (P, Z) farther from every code (N, Z) than 99 % of fresh codes (M, Z) are."""

    def to_nearest(some: Tensor) -> Tensor:
        return torch.cat(
            [(part[:, None] - codes).square().sum(dim=2).amin(dim=1) for part in some.split(100)]
        )

    return float((to_nearest(points) > torch.quantile(to_nearest(fresh), 0.99)).double().mean())


# %% tags=["nbval-ignore-output"]
def gaussian_like(codes: Tensor, count: int) -> Tensor:
    """Draws from the Gaussian with the mean and covariance of the codes: (count, Z)."""
    root = torch.linalg.cholesky(torch.cov(codes.T))
    return codes.mean(dim=0) + normals(count, codes.shape[1]) @ root.T


known, fresh = codes[:8000], codes[8000:]
drawn = gaussian_like(codes, 2000)
holes = {"autoencoder": hole_share(known, fresh, drawn)}
print(f"in holes: {holes['autoencoder']:.3f} of the draws from the Gaussian, 0.010 of fresh codes")

# %% tags=["verify"]
verify.claim(
    "6.2",
    "the share of draws from the Gaussian that fall into holes, where fresh codes have 0.01, lies in",
    holes["autoencoder"],
    (0.12, 0.33),
)


# %%
def farthest(points: Tensor, codes: Tensor, count: int) -> Tensor:
    """Of the points, those with the largest distance to the nearest code: (count, Z)."""
    return points[torch.cdist(points, codes).amin(dim=1).argsort(descending=True)[:count]]


inner = drawn[((drawn - sides[0]) * (sides[1] - drawn) > 0).all(dim=1)]  # within Figure 6.3
in_holes = farthest(inner[:600], known, 10)
plotting.image_grid(
    torch.cat([opened(decoder, in_holes), opened(decoder, fresh[:10])]),
    columns=10,
    row_labels=["in a hole", "on a code"],
    alt="Above, ten decoded pictures, most of them dim shadows. Below, ten blurred but recognisable garments.",
)

# %% [markdown]
# **Figure 6.4.** Above: of 600 draws of the Gaussian within Figure 6.3, the ten that lie farthest from every code, decoded.
# Below: decoded from codes of test images. The loss (6.1) says little about what is drawn in a hole: of fresh
# images only about one in a hundred is sent into any.
#
# An autoencoder is trained to copy. That its codes should follow a distribution from which one can draw was never
# asked. So ask for it.
#
# ## 6.3 A model with a latent variable
#
# Begin at the other end, with the generator. It draws $z$ from a known distribution, the **prior**
# $p(z) = N(0, I)$ over $Z$ numbers, and then an image from $p(x \mid z)$, a distribution around what the decoder
# makes of $z$. Together they give every image a density, its **evidence**:
#
# $$ p(x) = \int p(z)\; p(x \mid z)\; dz. \tag{6.2} $$
#
# The best generator of this kind gives the training images the highest density, on average of the logarithms.
# But the integral runs over all $z$, and $p(x \mid z)$ contains a network. It can be done when the decoder is
# linear. Let $w$ be a vector of $n$ numbers, $z$ one number, $x = w z + \sigma \varepsilon$ with
# $\varepsilon \sim N(0, I)$. By (1.8) $x$ is then Gaussian with covariance $w w^{\mathsf T} + \sigma^2 I$. This
# is our touchstone for everything below: its evidence, and its posterior, are known.

# %% tags=["verify"]
w = torch.tensor([1.2, -0.7, 0.4]).double()  # n = 3
sigma, x = 0.5, torch.tensor([0.9, -0.1, 0.6]).double()
nodes, weights = np.polynomial.hermite_e.hermegauss(120)
nodes, weights = torch.from_numpy(nodes), torch.from_numpy(weights / weights.sum())  # of N(0, 1)
given_z = torch.distributions.Normal(nodes[:, None] * w, sigma).log_prob(x).sum(dim=1)  # log p(x|z)
integral = (weights * given_z.exp()).sum()
exact = torch.distributions.MultivariateNormal(
    torch.zeros(3).double(), torch.outer(w, w) + sigma**2 * torch.eye(3).double()
)
log_evidence = exact.log_prob(x)
verify.equation("6.2", integral.log(), log_evidence)

# %% [markdown]
# ## 6.4 The bound, in two ways
#
# For one image only few $z$ matter: those that could have made it. Let a second distribution point at them,
# $q(z \mid x)$. It may be any density that is nowhere zero; the better it points, the better what follows.
#
# **By Jensen's inequality.** Multiply and divide by $q$, and read the integral as an expectation over
# $z \sim q(z \mid x)$. The logarithm is concave, so the logarithm of a mean is at least the mean of the logarithms:
#
# $$ \log p(x) = \log \mathbb{E}_q \!\left[ \frac{p(z)\, p(x \mid z)}{q(z \mid x)} \right] \;\ge\; \mathbb{E}_q \!\left[ \log \frac{p(z)\, p(x \mid z)}{q(z \mid x)} \right] = \mathrm{ELBO}(x). \tag{6.3} $$
#
# This is the **evidence lower bound**, ELBO. Jensen's inequality does not say how much is lost.
#
# **By an identity.** The **Kullback-Leibler divergence** of two densities is
# $\mathrm{KL}(q \,\|\, p) = \mathbb{E}_q[\log q - \log p]$, measured in **nats**, units of the natural logarithm.
# By the same inequality it is never negative, and it is zero only if $q = p$. Bayes' rule says
# $p(z)\, p(x \mid z) = p(x)\, p(z \mid x)$, where $p(z \mid x)$ is the **posterior**: what $z$ may have been, given
# the image. Put that into the bound, and $\log p(x)$, which does not depend on $z$, comes out of the expectation:
#
# $$ \log p(x) = \mathrm{ELBO}(x) + \mathrm{KL}\bigl( q(z \mid x) \,\|\, p(z \mid x) \bigr). \tag{6.4} $$
#
# Now we know what is lost: the divergence from $q$ to the true posterior. The left side does not depend on $q$, so
# raising the ELBO by changing $q$ pulls $q$ to the posterior. Raising it by changing the decoder raises the evidence,
# or shortens the gap. And nothing needs the posterior itself: group the terms of the bound in another way, and all is
# known.
#
# $$ \mathrm{ELBO}(x) = \mathbb{E}_q \bigl[ \log p(x \mid z) \bigr] - \mathrm{KL}\bigl( q(z \mid x) \,\|\, p(z) \bigr). \tag{6.5} $$
#
# The first term asks that codes from $q(z \mid x)$ be decoded to the image. The second asks that $q(z \mid x)$ stay
# near the prior. That is what the autoencoder lacked.
#
# All three are checked on a model with five possible $z$ and four possible $x$, where every expectation is a
# sum, for a thousand distributions $q$ drawn at random.

# %% tags=["verify"]
prior = torch.softmax(normals(5).double(), dim=0)  # p(z)
likelihood = torch.softmax(normals(5, 4).double(), dim=1)  # p(x|z)
joint = (prior[:, None] * likelihood)[:, 2]  # p(z, x) for the third x
posterior = joint / joint.sum()
q = torch.softmax(2 * normals(1000, 5).double(), dim=1)  # a thousand q(z|x)
bound = (q * (joint.log() - q.log())).sum(dim=1)  # ELBO as in (6.3)
gap = joint.sum().log() - bound
at_posterior = (posterior * (joint.log() - posterior.log())).sum()
verify.equation(
    "6.3",
    torch.cat([gap.clamp(max=0), (joint.sum().log() - at_posterior)[None]]),  # never below 0
    torch.zeros(1001).double(),
)
kl_to_posterior = (q * (q.log() - posterior.log())).sum(dim=1)
verify.equation("6.4", bound + kl_to_posterior, joint.sum().log().expand(1000))
kl_to_prior = (q * (q.log() - prior.log())).sum(dim=1)
verify.equation("6.5", bound, (q * likelihood[:, 2].log()).sum(dim=1) - kl_to_prior)


# %% [markdown]
# And on the linear model, drawn. Let $q = N(a, s^2)$. The posterior is Gaussian too, so that a $q$ exists which
# loses nothing.


# %%
def linear_bound(a: Tensor, s: Tensor) -> Tensor:
    """ELBO (6.5) of the linear model for q = N(a, s^2), in nats."""
    squares = x @ x - 2 * a * (w @ x) + (a**2 + s**2) * (w @ w)  # mean of |x - w z|^2 under q
    fit = -squares / (2 * sigma**2) - 1.5 * math.log(2 * math.pi * sigma**2)
    return fit - 0.5 * (a**2 + s**2 - 1 - 2 * s.log())


precision = w @ w / sigma**2 + 1  # one over the posterior's variance
a_best, s_best = w @ x / sigma**2 / precision, precision**-0.5
a, s = torch.linspace(-0.4, 1.6, 80).double(), torch.linspace(0.06, 1.2, 80).double()


def draw_bound(along: Tensor, values: Tensor, best: Tensor, name: str):
    def draw(ax: Axes) -> None:
        ax.axhline(log_evidence, color=plotting.COLOURS["vermillion"])
        ax.plot(along, values, color=plotting.COLOURS["blue"])
        ax.text(along[0], log_evidence + 0.15, "log p(x)", color=plotting.COLOURS["vermillion"])
        ax.text(
            along[-1],
            values[-1] - 0.3,
            "ELBO",
            color=plotting.COLOURS["blue"],
            ha="right",
            va="top",
        )
        ax.axvline(best, color="0.5", linewidth=0.8, linestyle=":")
        ax.set(xlabel=name, ylabel="nats", ylim=(-9, -1.2))

    return draw


plotting.panels(
    [("the mean of q", draw_bound(a, linear_bound(a, s_best), a_best, "mean a")),
     ("its standard deviation", draw_bound(s, linear_bound(a_best, s), s_best, "standard deviation s"))],
    height=2.8,
    alt="Two curves below a horizontal line. Each touches the line in one point, at the posterior's mean and at "
    "the posterior's standard deviation.",
)  # fmt: skip

# %% [markdown]
# **Figure 6.5.** The bound for the linear model. It touches the evidence where $q$ is the posterior (dotted), in
# mean and in spread. Everywhere else the distance to the line is the divergence in (6.4).
#
# A VAE lets a network answer for $q$: the encoder returns a mean and a spread for each latent number, and
# $q(z \mid x)$ is the Gaussian with independent numbers that they describe. One network for all images: this is
# called **amortised** inference. Two things are missing. The divergence in (6.5) must be computed, and we must be
# able to differentiate an expectation over $q$ with respect to $q$.
#
# ## 6.5 The divergence in closed form
#
# Take one latent number, $q = N(m, s^2)$ and $p = N(0, 1)$. The logarithms of the densities are
# $-\tfrac12 \log(2\pi s^2) - (z - m)^2 / (2 s^2)$ and $-\tfrac12 \log(2\pi) - z^2/2$. Under $q$, the mean of
# $(z - m)^2$ is $s^2$ and that of $z^2$ is $m^2 + s^2$. Subtract; the $2\pi$ cancels. For $Z$ independent
# numbers the logarithms add, so
#
# $$ \mathrm{KL}\bigl( N(m, \operatorname{diag} s^2) \,\|\, N(0, I) \bigr) = \frac12 \sum_{i=1}^{Z} \bigl( m_i^2 + s_i^2 - 1 - \log s_i^2 \bigr). \tag{6.6} $$
#
# It is zero for $m = 0$, $s = 1$. A narrow $q$ costs about $-\log s$: each further halving of $s$ costs almost
# $\log 2 \approx 0.69$ nats.
# The encoder returns $\log s^2$ and not $s$: that may be any number, and no variance comes out negative.


# %% tags=["keep"]
def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Equation (6.6): (B, Z), (B, Z) -> (B,), in nats."""
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)


# %% tags=["verify"]
mean, log_variance = normals(6, 4).double(), normals(6, 4).double()
# The logarithm of q/p is a quadratic in z, and the quadrature is exact for polynomials.
z = mean[..., None] + (0.5 * log_variance)[..., None].exp() * nodes  # (6, 4, nodes)
spread = (0.5 * log_variance)[..., None].exp()
log_ratio = torch.distributions.Normal(mean[..., None], spread).log_prob(z)
log_ratio = log_ratio - torch.distributions.Normal(0.0, 1.0).log_prob(z)
verify.equation("6.6", gaussian_kl(mean, log_variance), (log_ratio * weights).sum(dim=(1, 2)))

# %% [markdown]
# A mean over random draws must agree as well, up to its **standard error**, the standard deviation of one draw
# divided by the root of their number.

# %%
spread = (0.5 * log_variance[0]).exp()
z = mean[0] + spread * normals(100_000, 4).double()
draws = torch.distributions.Normal(mean[0], spread).log_prob(z).sum(dim=1)
draws = draws - torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(dim=1)
off = abs(float(draws.mean() - gaussian_kl(mean, log_variance)[0]))
standard_error = float(draws.std()) / math.sqrt(len(draws))

# %% tags=["verify"]
verify.claim(
    "6.3",
    "the mean of 100,000 draws differs from the closed form by so many standard errors:",
    off / standard_error,
    (None, 4),
)

# %% [markdown]
# ## 6.6 A gradient through a random number
#
# How does $\mathbb{E}_q[f(z)]$ change with the mean $m$ of $q = N(m, s^2)$? Here $f$ is any function of $z$; in the
# VAE it is $\log p(x \mid z)$. The draw $z$ is a number; which way would it have moved? There are two
# answers.
#
# **The score function.** Differentiate the density, not the draw. Since $\nabla q = q\, \nabla \log q$,
#
# $$ \frac{\partial}{\partial m}\, \mathbb{E}_q[f(z)] = \int f(z)\, \frac{\partial q}{\partial m}\, dz = \mathbb{E}_q \!\left[ f(z)\, \frac{\partial \log q}{\partial m} \right] = \mathbb{E}_q \!\left[ f(z)\, \frac{z - m}{s^2} \right]. \tag{6.7} $$
#
# It needs the values of $f$ only, so it works for any $f$, and for discrete $z$ too. A constant $b$ may be
# subtracted from $f$, a **baseline**: since $\mathbb{E}_q[z - m] = 0$ the mean does not change.
#
# **Reparameterisation.** Write the draw as a function of $m$ and $s$, and of noise that depends on neither:
# $z = m + s \varepsilon$, $\varepsilon \sim N(0, 1)$. Now the draw does move with $m$, and the derivative
# passes into the expectation:
#
# $$ \frac{\partial}{\partial m}\, \mathbb{E}_q[f(z)] = \mathbb{E}_\varepsilon\bigl[ f'(m + s \varepsilon) \bigr], \qquad \frac{\partial}{\partial s}\, \mathbb{E}_q[f(z)] = \mathbb{E}_\varepsilon\bigl[ \varepsilon\, f'(m + s \varepsilon) \bigr]. \tag{6.8} $$
#
# This needs the slope of $f$, which backpropagation gives.


# %% tags=["keep"]
def reparameterise(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """z = m + s eps: (B, Z), (B, Z), (B, Z) -> (B, Z)."""
    return mean + (0.5 * log_variance).exp() * noise


# %% [markdown]
# Both are checked with $f = \sin$, whose mean is known: $\mathbb{E}_q[\sin z] = e^{-s^2/2} \sin m$.

# %% tags=["verify"]
m, s = sympy.symbols("m s", positive=True)
mean_of_sine = sympy.exp(-(s**2) / 2) * sympy.sin(m)
at = {m: 0.7, s: 0.8}
slopes = [float(sympy.diff(mean_of_sine, one).subs(at)) for one in (m, s)]
z = 0.7 + 0.8 * nodes
verify.equation("6.7", (weights * z.sin() * (z - 0.7) / 0.8**2).sum(), slopes[0])
verify.equation(
    "6.8", torch.stack([(weights * z.cos()).sum(), (weights * nodes * z.cos()).sum()]), slopes
)

# %% [markdown]
# Both are right on average. One draw of each is not. Take a case where the variances can be computed: $f(z) =
# \tfrac12 |z|^2$ with $Z$ latent numbers, all $m_i = 1$ and all $s_i = 1$. The true slope along each $m_i$ is 1. One
# reparameterised draw gives $z_i = 1 + \varepsilon_i$, with variance 1. One draw of the score function gives $f(z)\,
# \varepsilon_i$. With $z = 1 + \varepsilon$, $f$ is a sum of three parts, $\tfrac12 Z$, $\sum_k \varepsilon_k$ and
# $\tfrac12 \sum_k \varepsilon_k^2$. Multiply out $f^2 \varepsilon_i^2$, drop what is odd in some $\varepsilon_k$,
# use $\mathbb{E}\, \varepsilon^2 = 1$, $\mathbb{E}\, \varepsilon^4 = 3$, $\mathbb{E}\, \varepsilon^6 = 15$, and
# subtract the squared mean, 1. For one component of the gradient this leaves
#
# $$ \operatorname{Var} = \underbrace{\;1\;}_{\text{reparameterised}}, \qquad \underbrace{Z^2 + \tfrac72 Z + 3}_{\text{score function}}, \qquad \underbrace{\tfrac32 Z + 3}_{\text{score function, baseline } \mathbb{E} f}. \tag{6.9} $$
#
# The score function gets one number, $f$, for all $Z$ directions at once, and has to find out by trial which of
# them it came from. The more directions, the more the others are noise.


# %% tags=["verify"]
def exact_variances(Z: int) -> list[float]:
    """Variance of one component of the three estimators, by quadrature over all Z numbers."""
    points, share = np.polynomial.hermite_e.hermegauss(6)  # exact up to the power 11
    noise = np.array(list(itertools.product(points, repeat=Z)))  # (6^Z, Z)
    share = np.prod(list(itertools.product(share / share.sum(), repeat=Z)), axis=1)
    f = 0.5 * ((1 + noise) ** 2).sum(axis=1)
    found = []
    for one in (1 + noise[:, 0], f * noise[:, 0], (f - share @ f) * noise[:, 0]):
        found.append(float(share @ one**2 - (share @ one) ** 2))
    return found


def stated_variances(Z: float) -> list[float]:
    """Equation (6.9)."""
    return [1.0, Z**2 + 3.5 * Z + 3, 1.5 * Z + 3]


verify.equation(
    "6.9", [exact_variances(Z) for Z in (1, 2, 3, 4)], [stated_variances(Z) for Z in (1, 2, 3, 4)]
)

# %%
sizes = [1, 2, 4, 8, 16, 32, 64]
measured = []
for Z in sizes:
    noise = normals(20_000, Z)
    f = 0.5 * (1 + noise).square().sum(dim=1, keepdim=True)  # (20000, 1)
    estimators = (1 + noise, f * noise, (f - f.mean()) * noise)
    measured.append([float(one.var(dim=0).mean()) for one in estimators])
NAMES = ("reparameterised", "score function", "score function with baseline")


def draw_variances(ax: Axes) -> None:
    for column, (name, colour) in enumerate(
        zip(NAMES, ("blue", "vermillion", "orange"), strict=True)
    ):
        stated = [stated_variances(Z)[column] for Z in sizes]
        ax.plot(sizes, stated, color=plotting.COLOURS[colour], label=name)
        ax.plot(
            sizes,
            [row[column] for row in measured],
            "o",
            color=plotting.COLOURS[colour],
            markersize=4,
        )
    ax.set(
        xscale="log", yscale="log", xlabel="latent numbers Z", ylabel="variance of one component"
    )
    ax.set_xticks(sizes, [str(Z) for Z in sizes])
    ax.minorticks_off()


plotting.panels(
    [(None, draw_variances)],
    alt="On logarithmic axes, the variance of the score function rises from 8 to over 4,000 as the latent size "
    "goes from 1 to 64; with a baseline it rises to 99; the reparameterised one stays at 1.",
)

# %% [markdown]
# **Figure 6.6.** Variance of the gradient from one draw. Lines: (6.9). Points: measured, 20,000 draws each. A mean
# over $N$ draws has the $N$-th part of the variance. So the ratio of two lines says how many draws of the one are worth a
# single draw of the other.

# %% tags=["verify"]
verify.claim(
    "6.4",
    "with 64 latent numbers, the measured variance of the score function over the reparameterised one lies in",
    measured[-1][1] / measured[-1][0],
    (4295, 4360),
)

# %% [markdown]
# ## 6.7 Which likelihood?
#
# What is $p(x \mid z)$ for an image? We say: each grey level is Gaussian around what the decoder draws, all with one
# standard deviation $\sigma$. With $g(z)$ for the decoder's image,
#
# $$ -\log p(x \mid z) = \frac{|x - g(z)|^2}{2 \sigma^2} + \frac n2 \log(2 \pi \sigma^2). \tag{6.10} $$
#
# (Strictly, a grey level is one of 256 steps and not a real number, and a density can be made infinite on steps. With
# one $\sigma$ for all pixels, bounded below by the decoder's error, this does not happen here. But do not compare
# these nats with those of papers, which add noise to the steps or count bits.)
#
# Many programs take the **binary cross-entropy** instead, on greys $x$ scaled to $[0, 1]$:
# $-x \log y - (1 - x) \log(1 - y)$ for the decoder's $y$. That is the likelihood of a coin, for $x$ exactly 0 or 1.
# Read as the density of a grey between them it does not integrate to one:
#
# $$ \int_0^1 y^x (1 - y)^{1 - x}\, dx = \frac{1 - 2y}{\log(1 - y) - \log y}. \tag{6.11} $$
#
# At $y = 0.9$ this is 0.36, and at $y = 0.5$, as a limit, 0.5. So the sum of such terms is no log-density, and
# "ELBO" is the wrong name for it. (Loaiza-Ganem and Cunningham, 2019, divide by (6.11) and call the result the
# continuous Bernoulli distribution.) As a loss it still has its minimum at $y = \mathbb{E}[x]$, which is why it
# works as one.

# %% tags=["verify"]
samples = data.normalise(train.images[:2]).double()
shown = 0.8 * samples + 0.05
by_torch = torch.distributions.Normal(shown, 0.3).log_prob(samples).flatten(1).sum(dim=1)
squares = (samples - shown).square().flatten(1).sum(dim=1)
verify.equation("6.10", -by_torch, squares / (2 * 0.3**2) + 512 * math.log(2 * math.pi * 0.3**2))
y, grey = sympy.symbols("y x", positive=True)
logit = sympy.log(y) - sympy.log(1 - y)
antiderivative = (1 - y) * sympy.exp(grey * logit) / logit  # of (1 - y) (y / (1 - y))^x
assert sympy.simplify(sympy.diff(antiderivative, grey) - (1 - y) * sympy.exp(grey * logit)) == 0
verify.equation(
    "6.11",
    sympy.expand(antiderivative.subs(grey, 1) - antiderivative.subs(grey, 0)),
    (1 - 2 * y) / (sympy.log(1 - y) - sympy.log(y)),
)

# %% [markdown]
# ### What sigma weighs
#
# Put (6.10) into (6.5) and multiply by $\sigma^2$. For a fixed $\sigma$ the last term of (6.10) is a constant, so to
# raise the ELBO is to lower
#
# $$ \tfrac12\, \mathbb{E}_q |x - g(z)|^2 + \beta\; \mathrm{KL}\bigl( q(z \mid x) \,\|\, p(z) \bigr), \qquad \beta = \sigma^2. \tag{6.12} $$
#
# There is one knob, not two. A program that multiplies the divergence by a weight $\beta$, as the **$\beta$-VAE**
# does, is a VAE whose $\sigma^2$ is $\beta$ times as large. Large $\sigma$: "pixels are noisy anyway, do not
# spend nats on them". Small $\sigma$: every pixel counts, whatever the code costs.
#
# Can $\sigma$ be learned? Take (6.10) as a function of $\sigma^2$. Its slope is zero where
#
# $$ \sigma^2 = \frac1n\, \mathbb{E}\, |x - g(z)|^2: \tag{6.13} $$
#
# the mean squared error of a pixel. Training then lowers $\sigma$ as the pictures get better, by itself. That makes
# the highest density, which need not give the best samples. Section 6.9 looks at the samples.

# %% tags=["verify"]
few = data.normalise(train.images[:4]).double()
values = {}
for sigma_of in (0.2, 0.7):
    torch.manual_seed(seed)  # the same weights
    small = vae.VAE(3, sigma_of).double()
    found = autoencoding.negative_elbo(small, few, torch.Generator().manual_seed(1))
    constant = 512 * math.log(2 * math.pi * sigma_of**2)
    values[sigma_of] = (
        sigma_of**2 * (found["loss"] - constant),
        found["distortion"] / 2 + sigma_of**2 * found["rate"],
    )
verify.equation(
    "6.12",
    torch.stack([pair[0].detach() for pair in values.values()]),
    torch.stack([pair[1].detach() for pair in values.values()]),
    tolerance=1e-6,  # the model keeps log(sigma) in float32
)
error_of, variance_of, n_of = sympy.symbols("E v n", positive=True)
cost = error_of / (2 * variance_of) + n_of / 2 * sympy.log(2 * sympy.pi * variance_of)
(best_variance,) = sympy.solve(sympy.diff(cost, variance_of), variance_of)
verify.equation("6.13", best_variance, error_of / n_of)

# %% [markdown]
# ## 6.8 The VAE
#
# All pieces are there. This is the whole loss, with $\sigma = 1$ and without the constant:


# %%
def vae_loss(encoder: nn.Module, decoder: nn.Module, x: Tensor, noise: Tensor) -> Tensor:
    """Minus the ELBO (6.5) for sigma = 1, up to a constant: images (B, 1, 32, 32) -> ()."""
    mean, log_variance = encoder(x).chunk(2, dim=1)  # (B, Z) each
    z = reparameterise(mean, log_variance, noise)  # (B, Z)
    fit = 0.5 * (x - decoder(z)).square().flatten(1).sum(dim=1)  # (B,): summed, not averaged
    return (fit + gaussian_kl(mean, log_variance)).mean()


# %% [markdown]
# Four lines: encode, draw, decode, add. The library keeps it as `autoencoding.negative_elbo`, for any $\sigma$ and
# $\beta$, and the two networks with their $\sigma$ as `vae.VAE`. Is it the same?

# %%
plane = vae.VAE(2, sigma=1.0).to(device)
x = train.batch(range(64)).to(device)
noise = torch.randn(64, 2, generator=torch.Generator(device).manual_seed(9), device=device)
mine = vae_loss(plane.encoder, plane.decoder, x, noise)
kept = autoencoding.negative_elbo(plane, x, torch.Generator(device).manual_seed(9))["loss"]
difference = abs(float((mine + 512 * math.log(2 * math.pi) - kept).detach()))

# %% tags=["verify"]
verify.claim(
    "6.5", "the written loss differs from the library's, in nats, by", difference, (None, 0.01)
)

# %% [markdown]
# First with two latent numbers and $\sigma = 1$, to draw the same map as in Figure 6.3. **Predict before you run:** what
# will be different?

# %%
for _ in autoencoding.train(
    plane, autoencoding.negative_elbo, train, steps=STEPS, batch=BATCH, seed=seed
):
    pass
mean, log_variance = autoencoding.encode(plane, test)
codes = elbo.reparameterise(mean, log_variance, normals(10_000, 2))  # one draw of q for each image
sides = torch.tensor([-3.0, -3.0]), torch.tensor([3.0, 3.0])
plotting.panels(
    [("codes of 800 test images", draw_codes(codes[:800], sides)),
     ("what the decoder draws there", draw_decoded(plane.decode, sides))],
    height=2.6,
    alt="Left, coloured clouds of points that lie closely about zero, with a gap above it. Right, a grid of "
    "decoded garments in which one kind goes over into the next.",
)  # fmt: skip

# %% [markdown]
# **Figure 6.7.** The latent plane of the VAE, from $-3$ to $3$. The unit is given now: the prior has
# standard deviation 1 along both axes. The kinds of garment lie side by side around zero.

# %% tags=["nbval-ignore-output"]
holes["VAE"] = hole_share(codes[:8000], codes[8000:], normals(2000, 2))
print(f"in holes: {holes['VAE']:.3f} of the draws from the prior, 0.010 of fresh codes")
on_test = autoencoding.evaluate(plane, autoencoding.negative_elbo, test)

# %% tags=["verify"]
verify.claim(
    "6.6",
    "the share of draws from the prior that fall into holes, relative to the autoencoder's, is",
    holes["VAE"] / holes["autoencoder"],
    (0.1, 0.45),
)
verify.claim(
    "6.7",
    "the price: the VAE's error is larger than the autoencoder's by a factor of at least",
    on_test["distortion"] / error,
    (1.0, None),
)

# %% [markdown]
# Fewer draws fall into holes, a fifth to a third as many as above, and that is still several times the share of fresh codes. The bound asks each $q(z \mid x)$ to be near the prior, at a price. That
# the *average* of all $q(z \mid x)$ be the prior is what sampling needs. It follows only as far as the price is worth
# paying.
#
# Two numbers are for drawing. Now sixteen, with a learned $\sigma$.

# %%
model = vae.VAE(16).to(device)
history = list(
    autoencoding.train(
        model, autoencoding.negative_elbo, train, steps=900, batch=64, seed=seed, every=30
    )
)
seen = [record.images / 1000 for record in history]


def draw_history(name: str, colour: str, unit: str):
    def draw(ax: Axes) -> None:
        values = [record.losses[name] for record in history]
        ax.plot(seen, values, color=plotting.COLOURS[colour])
        ax.set(xlabel="images seen (thousand)", ylabel=unit)

    return draw


plotting.panels(
    [("loss", draw_history("loss", "blue", "nats an image")),
     ("rate", draw_history("rate", "vermillion", "nats an image")),
     ("distortion", draw_history("distortion", "green", "squared error of an image"))],
    alt="Three curves against images seen: the loss and the distortion fall, steeply first; the rate falls at "
    "first and then rises.",
)  # fmt: skip

# %% [markdown]
# **Figure 6.8.** A training of the VAE. Loss: minus the ELBO. **Rate**: its second term, the divergence in nats.
# **Distortion**: the squared error. For most of the training the rate goes *up* while loss and distortion
# fall. Two causes are possible, and the figure does not separate them: the networks learn to use nats, and $\sigma$ falls with
# the error (6.13), so that by (6.12) nats become cheaper.

# %%
shown_z = normals(10, 16)
with torch.no_grad():
    rebuilt = model.decode(model.encode(real[:10].to(device))[0]).cpu()
plotting.image_grid(
    torch.cat([real[:10], rebuilt, opened(model.decode, shown_z)]),
    columns=10,
    row_labels=["test image", "its reconstruction", "generated"],
    alt="Ten garments, ten softer copies of them, and ten generated pictures without fine detail.",
)

# %% [markdown]
# **Figure 6.9.** First and second row: test images, and what is decoded from the mean of their $q(z \mid x)$. Below:
# decoded from draws of the prior. Some are soft garments, others are between two kinds or shapeless.
#
# ### The two gradients, on this model
#
# Section 6.6 compared the estimators on a quadratic. Now take the model just trained, one test image, and
# $f(z) = |x - g(z)|^2 / (2 \sigma^2)$. Add up the variances of the 16 components of the gradient in $m$.

# %%
x = real[:1].to(device)
with torch.no_grad():
    mean, log_variance = model.encode(x)  # (1, 16)
    precision_of = (-2 * model.log_sigma).exp()  # one over sigma^2
noise = torch.randn(2000, 16, generator=torch.Generator(device).manual_seed(seed), device=device)
z = elbo.reparameterise(mean, log_variance, noise).requires_grad_()
f = 0.5 * precision_of * (x - model.decode(z)).square().flatten(1).sum(dim=1)  # (2000,)
(slope,) = torch.autograd.grad(f.sum(), z)  # (2000, 16)
f, score = f.detach()[:, None], ((z - mean) / log_variance.exp()).detach()
spreads = {
    "reparameterised": slope,
    "score function": f * score,
    "score function with baseline": (f - f.mean()) * score,
}
spreads = {name: float(one.var(dim=0).sum()) for name, one in spreads.items()}

# %% tags=["verify"]
verify.claim(
    "6.8",
    "the variance of the score function, relative to the reparameterised gradient, is at least",
    spreads["score function"] / spreads["reparameterised"],
    (2000, None),
)
verify.claim(
    "6.9",
    "with the mean of f as a baseline, it is still at least",
    spreads["score function with baseline"] / spreads["reparameterised"],
    (5, None),
)

# %% [markdown]
# The baseline matters here more than on the quadratic, where for 16 latent numbers it divides the variance by about 12. Here it
# divides it by 456 to 753, under five seeds. By (6.13) the mean of $f$ over all images is
# about $n/2 = 512$. What all draws for one image have in common says nothing about any direction, and without a baseline
# all of it is multiplied by noise.
#
# ## 6.9 Rate and distortion
#
# By (6.12) one number, $\sigma^2 = \beta$, decides how many nats are spent for how small an error. What do we expect? In
# the linear case it can be worked out.
#
# Tipping and Bishop (1999) show that the best linear decoder follows the principal axes. So look at one axis, on
# which the data have variance $\lambda$ and mean 0. A decoder $g(z) = w z$ with the exact posterior gives the
# evidence $N(0, w^2 + \sigma^2)$. Its mean logarithm over the data is $-\tfrac12 \log(w^2 + \sigma^2) - \tfrac12
# \lambda / (w^2 + \sigma^2)$ and a constant. Over all $w^2 + \sigma^2$, this is largest at $w^2 + \sigma^2 =
# \lambda$. But $w^2$ cannot be negative. So if $\lambda > \sigma^2$ the best is $w^2 = \lambda - \sigma^2$, and
# against $w = 0$ it gains
#
# $$ \frac12 \left( \frac{\lambda}{\sigma^2} - 1 - \log \frac{\lambda}{\sigma^2} \right) \quad \text{nats}, \qquad \text{only if } \lambda > \sigma^2. \tag{6.14} $$
#
# An axis with $\lambda \le \sigma^2$ is not worth a latent number. Its $q$ is the prior, its rate is zero, the decoder
# ignores it. This is **posterior collapse**, and here it is no failure of training: it is the optimum. For an axis that
# is kept, the posterior has mean $wx/\lambda$ and variance $\sigma^2 / \lambda$. Since $\mathbb{E}\, x^2 = \lambda$, the mean
# square of the first is $w^2/\lambda = 1 - \sigma^2/\lambda$, so (6.6) gives $\tfrac12 \log(\lambda / \sigma^2)$ nats. The error
# is $(1 - w^2/\lambda)^2 \lambda + w^2 \sigma^2/\lambda = \sigma^4/\lambda + (\lambda - \sigma^2)\, \sigma^2/\lambda = \sigma^2$. Over all axes, with rate $R$ and distortion $D$,
#
# $$ R = \sum_{\lambda_k > \sigma^2} \frac12 \log \frac{\lambda_k}{\sigma^2}, \qquad D = \sum_k \min(\lambda_k, \sigma^2). \tag{6.15} $$
#
# Information theory knows this curve: it is the rate-distortion function of a Gaussian source, found by "reverse
# water-filling".

# %% tags=["verify"]
lam, v, w2 = sympy.symbols("lambda v w2", positive=True)  # v: sigma^2, w2: w^2
mean_log_evidence = -sympy.log(w2 + v) / 2 - lam / (2 * (w2 + v))
(best,) = sympy.solve(sympy.diff(mean_log_evidence, w2), w2)
assert sympy.simplify(best - (lam - v)) == 0
gain = mean_log_evidence.subs(w2, best) - (-sympy.log(v) / 2 - lam / (2 * v))
verify.equation("6.14", gain, (lam / v - 1 - sympy.log(lam / v)) / 2)

axes = torch.tensor([9.0, 4.0, 1.5, 0.5, 0.2]).double()
rates, distortions, stated = [], [], []
for noise_variance in (0.3, 1.0, 5.0):
    scale = (axes - noise_variance).clamp(min=0)  # w^2 of each axis
    total = scale + noise_variance
    m_squared, s_squared = scale * axes / total**2, noise_variance / total  # of the posterior
    rates.append(elbo.gaussian_kl(m_squared.sqrt()[None], s_squared.log()[None])[0])
    # x - w z = (1 - w a) x - w s eps, with a = w / (w^2 + sigma^2)
    distortions.append(((noise_variance / total) ** 2 * axes + scale * s_squared).sum())
    stated.append(elbo.linear_rate_distortion(axes, noise_variance))
verify.equation(
    "6.15", torch.stack([torch.stack(rates), torch.stack(distortions)]), np.array(stated).T
)

# %% [markdown]
# Our images have $\lambda_1 \approx 79$ and $\lambda_2 \approx 49$. So a linear VAE spends nothing at all from
# $\sigma = 9$ on. The networks are not linear; for them (6.15) is a guess. **Predict before you run:** five VAEs with 16
# latent numbers, $\sigma$ from 0.1 to 10, all trained alike. Which draws the best samples?
#
# Samples are judged as in lesson 01, by the **relative Fréchet distance**: it compares mean and covariance of 128
# features of generated and of real images. At 0 they agree, and always drawing the average feature vector would give 1.
# (Lesson 10 derives it.) To save time we compare 1,500 images with 5,000 test images.

# %%
classifier, _ = checkpoints.load_classifier(device)
distance = metrics.RelativeFrechet(classifier, real[:5000], device)
probe = normals(1500, 16)
floor = distance(real[5000:6500])  # other real images

# %% tags=["verify"]
verify.claim("6.10", "the distance of 1,500 other real images is", floor, (None, 0.02))

# %%
SIGMAS = (0.1, 0.5, 2.0, 5.0, 10.0)
sweep = {}
for sigma_of in SIGMAS:
    one = vae.VAE(16, sigma_of).to(device)
    for _ in autoencoding.train(
        one, autoencoding.negative_elbo, train, steps=300, batch=64, seed=seed, every=300
    ):
        pass
    found = autoencoding.evaluate(one, autoencoding.negative_elbo, test.take(2000))
    drawn = opened(one.decode, probe)
    sweep[sigma_of] = found | {"distance": distance(drawn), "drawn": drawn[:10]}

kept_axes, lost = eigenvalues[:16], float(eigenvalues[16:].sum())
linear = [elbo.linear_rate_distortion(kept_axes, one) for one in torch.logspace(-2, 2, 80).tolist()]


def draw_plane(ax: Axes) -> None:
    ax.plot(*zip(*((R, D + lost) for R, D in linear), strict=True), color="0.45")
    points = [(found["rate"], found["distortion"]) for found in sweep.values()]
    ax.plot(*zip(*points, strict=True), "o", color=plotting.COLOURS["blue"], markersize=5)
    for sigma_of, place in zip(SIGMAS, points, strict=True):
        ax.annotate(f"σ = {sigma_of:g}", place, (6, 3), textcoords="offset points", fontsize=8)
    ax.text(28, 50, "best linear VAE", color="0.45", fontsize=8.5, va="top")
    ax.set(xlabel="rate (nats)", ylabel="distortion (squared error)", xlim=(-3, 84), ylim=(0, 295))


def draw_distance(ax: Axes) -> None:
    values = [found["distance"] for found in sweep.values()]
    ax.plot(SIGMAS, values, "o-", color=plotting.COLOURS["vermillion"], markersize=4)
    ax.axvline(float(eigenvalues[0]) ** 0.5, color="0.45", linewidth=1, linestyle=":")
    ax.text(float(eigenvalues[0]) ** 0.5 * 0.9, 0.1, "√λ₁", ha="right", fontsize=9)
    ax.set(xscale="log", xlabel="σ", ylabel="relative Fréchet distance", ylim=(0, None))
    ax.set_xticks(SIGMAS, [f"{one:g}" for one in SIGMAS])
    ax.minorticks_off()


plotting.panels(
    [("what is paid, what is bought", draw_plane), ("samples from the prior", draw_distance)],
    height=3.0,
    alt="Left, five points that lie along a falling curve of distortion against rate. Right, the distance of the "
    "samples against sigma: lowest at sigma 2, higher to both sides.",
)

# %% [markdown]
# **Figure 6.10.** Left: each point is one VAE; grey, the best linear VAE with 16 latent numbers: (6.15) on the first 16 axes, and all
# of the variance on the others lost, as $\sigma$ runs. Points below the grey line are better than anything linear; those above it, at small $\sigma$, say that 300
# steps are few. Right: how good samples from the prior are; dotted, where a linear VAE collapses completely.

# %%
plotting.image_grid(
    torch.cat([sweep[one]["drawn"] for one in (0.1, 2.0, 10.0)]),
    columns=10,
    row_labels=[f"σ = {one}" for one in (0.1, 2, 10)],
    alt="Three rows of ten samples. Above, shapes between garments; in the middle, soft garments that can be told "
    "apart; below, ten times the same grey blur.",
)

# %% [markdown]
# **Figure 6.11.** Samples of three of them, from the same ten draws of $z$. In the last row every $z$ gives the same
# picture, the mean of all images.

# %% tags=["verify"]
verify.claim(
    "6.11",
    "at sigma = 10, above the root of the largest eigenvalue, the rate in nats is",
    sweep[10.0]["rate"],
    (None, 0.05),
)
verify.claim("6.12", "at sigma = 5 it is at least", sweep[5.0]["rate"], (0.4, None))
best_linear = elbo.linear_rate_distortion(kept_axes, 2.0**2)
linear_loss = (best_linear[1] + lost) / 2 + 2.0**2 * best_linear[0]
verify.claim(
    "6.13",
    "at sigma = 2 the loss (6.12), relative to that of the best linear VAE, is",
    (sweep[2.0]["distortion"] / 2 + 2.0**2 * sweep[2.0]["rate"]) / linear_loss,
    (None, 0.98),
)
verify.claim(
    "6.14",
    "the distance at sigma = 0.1, relative to that at 2, is at least",
    sweep[0.1]["distance"] / sweep[2.0]["distance"],
    (1.05, None),
)
verify.claim(
    "6.15",
    "the distance at sigma = 5, relative to that at 2, is at least",
    sweep[5.0]["distance"] / sweep[2.0]["distance"],
    (1.2, None),
)

# %% [markdown]
# The best samples come from the middle: in Figure 6.10 from $\sigma = 2$, with 0.5 so close behind that another seed might exchange
# them. The collapse comes between $\sigma = 5$ and $\sigma = 10$, as in the linear case. At large $\sigma$ samples are bad
# because the code says nothing. What spoils small $\sigma$? The reconstructions there are the best of all, so suspect
# the codes drawn from the prior. Test it on the VAE with the learned $\sigma$: draw codes from a Gaussian fitted to
# *its own codes* instead of from the prior, and nothing else is changed. And do the same with a plain autoencoder of
# 16 numbers, which never heard of a prior.

# %%
copier = nn.Sequential(vae.Encoder(16), vae.Decoder(16)).to(device)
for _ in autoencoding.train(
    copier, autoencoding.squared_error, train, steps=400, batch=64, seed=seed, every=400
):
    pass
mean, log_variance = autoencoding.encode(model, test)
own = elbo.reparameterise(mean, log_variance, normals(10_000, 16))
with torch.no_grad():
    plain = torch.cat([copier[0](part.to(device)).cpu() for part in real.split(500)])
distances = {
    "VAE, prior": distance(opened(model.decode, probe)),
    "VAE, fitted": distance(opened(model.decode, gaussian_like(own, 1500))),
    "autoencoder, fitted": distance(opened(copier[1], gaussian_like(plain, 1500))),
}

# %% tags=["verify"]
verify.claim(
    "6.16",
    "codes drawn from a Gaussian fitted to the codes, instead of the prior, change the distance by a factor of",
    distances["VAE, fitted"] / distances["VAE, prior"],
    (None, 0.85),
)
verify.claim(
    "6.17",
    "the distance of the plain autoencoder with a fitted Gaussian, relative to the VAE with its prior, is",
    distances["autoencoder, fitted"] / distances["VAE, prior"],
    (None, 0.95),
)

# %% [markdown]
# So the mismatch between the prior and the codes as they really lie costs quality, after this training. And by this
# measure a plain autoencoder with a fitted Gaussian, after fewer than half the steps, draws better samples than the
# VAE does from its prior. The divergence did not make the prior a good place to draw from. Treated alike, with a fitted Gaussian
# each, the VAE is the better of the two: under five seeds the autoencoder's distance is 1.10 to 1.20 times its. It also had
# more than twice the steps, so this does not say that the divergence is the cause. What it buys is a model that can be
# sampled as it is, a bound on the evidence, and a plane where fewer draws fall into holes. To fit a second model to the codes of a
# first one is a method of its own (Dai and Wipf, 2019).
#
# ## 6.10 Why samples blur
#
# Fix the encoder, and ask for the best decoder. Given $z$, many images may have been sent there. Write
# $\mathbb{E}[x \mid z]$ for their mean, weighted by how likely each is to be sent to $z$. Add it and subtract it inside
# the square. Given $z$, the cross term contains $\mathbb{E}\bigl[x - \mathbb{E}[x \mid z] \bigm| z\bigr] = 0$, so
#
# $$ \mathbb{E}\, |x - g(z)|^2 = \mathbb{E}\, \bigl| x - \mathbb{E}[x \mid z] \bigr|^2 + \mathbb{E}\, \bigl| \mathbb{E}[x \mid z] - g(z) \bigr|^2. \tag{6.16} $$
#
# No decoder can change the first term. The second is zero if and only if $g(z) = \mathbb{E}[x \mid z]$. **The best
# decoder draws the mean of the images that share a code**, and a mean of different pictures is blurred: what differs
# between them is averaged away. For training images $x_1, \dots, x_N$ we can even write it down:
#
# $$ g^*(z) = \frac{\sum_i q(z \mid x_i)\, x_i}{\sum_i q(z \mid x_i)}. \tag{6.17} $$

# %% tags=["verify"]
table = torch.softmax(normals(24).double(), dim=0).view(6, 4)  # p(image, z): 6 images, 4 codes
pictures, guess = normals(6, 7).double(), normals(4, 7).double()  # any decoder
given = (table[:, :, None] * pictures[:, None]).sum(dim=0) / table.sum(dim=0)[:, None]  # (4, 7)


def mean_square(first: Tensor, second: Tensor) -> Tensor:
    """Mean of |first - second|^2 under the table: (6 or 1, 4 or 1, 7) each -> ()."""
    return (table * (first - second).square().sum(dim=2)).sum()


verify.equation(
    "6.16",
    mean_square(pictures[:, None], guess[None]),
    mean_square(pictures[:, None], given[None]) + mean_square(given[None], guess[None]),
)
density = torch.rand(6, generator=random).double()  # q(z|x_i) at one z
root = density.sqrt()[:, None]
best = torch.linalg.lstsq(root, root * pictures).solution[0]  # weighted least squares
verify.equation("6.17", (density[:, None] * pictures).sum(dim=0) / density.sum(), best)

# %% [markdown]
# **Predict before you run.** Take the VAE of Figure 6.7, with its plane and $\sigma = 1$. At the codes of some test
# images, compute (6.17) from all 60,000 training images. It knows nothing of the decoder. How similar is it to what
# the decoder draws?
#
# And how many images share a code? Let $a_i$ be the weight of image $i$ in (6.17), so that $\sum_i a_i = 1$. We call
# $1 / \sum_i a_i^2$ the number of images that share $z$: with $M$ equal weights it is $M$.

# %%
mean, log_variance = autoencoding.encode(plane, train)  # of q(z|x_i), (60000, 2) each
z = codes[:200]  # of test images, drawn in section 6.8
log_q = torch.stack(
    [-0.5 * ((one - mean) ** 2 / log_variance.exp() + log_variance).sum(dim=1) for one in z]
)
share = torch.softmax(log_q, dim=1)  # (200, 60000): each image's weight in (6.17)
best = sum(
    share[:, part] @ train.batch(part).flatten(1) for part in torch.arange(60_000).split(5000)
).view(-1, 1, 32, 32)
decoded = opened(plane.decode, z)
plotting.image_grid(
    torch.cat([real[:10], decoded[:10], best[:10]]),
    columns=10,
    row_labels=["test image", "decoder", "weighted mean (6.17)"],
    alt="Ten garments; below them ten blurred pictures by the decoder; below them the weighted means, which look "
    "like the decoder's, except in one column: a sandal, where the decoder drew a dim shoe.",
)

# %% [markdown]
# **Figure 6.12.** In most columns the decoder draws nearly the weighted mean of the training images. In the one with the sandal
# the mean is a sandal, and the decoder drew a dim shoe.


# %% tags=["nbval-ignore-output"]
def squared_distance(first: Tensor, second: Tensor) -> float:
    """Mean over images of the squared distance, summed over pixels."""
    return float((first - second).square().flatten(1).sum(dim=1).mean())


off_mean = squared_distance(decoded, best) / squared_distance(real[:200], decoded)
effective = 1 / share.square().sum(dim=1)  # (200,)
print(f"images that share a code, median: {float(effective.median()):.0f}")

# %% tags=["verify"]
verify.claim(
    "6.18",
    "the decoder's squared distance from the weighted mean, relative to its squared error, is",
    off_mean,
    (None, 0.1),
)
verify.claim(
    "6.19",
    "the median number of training images that share a code, relative to 60,000 / exp(rate), lies in",
    float(effective.median()) / (60_000 * math.exp(-on_test["rate"])),
    (1.1, 1.39),
)

# %% [markdown]
# (By (6.16) the ratio of claim 6.18 would be the share of the error that a better decoder could remove, if test images lay
# exactly like training images.) The last claim is a rule of thumb: a rate of $R$ nats narrows 60,000 images down to about $60{,}000\, e^{-R}$,
# and the decoder draws their mean. (Why: at its own code an image has the weight $q(z \mid x) / (N \bar q(z))$, with $\bar q$ the
# average of all $N$ distributions $q(z \mid x_i)$. Where $\bar q$ is the prior, the logarithm of this weight has the mean $R - \log N$.) For this encoder, no better decoder would make much of a
# difference: the blur is the answer to the question that was asked. More nats would, at the price of section 6.9.
# Other questions have other answers. A **generative adversarial network** (lessons 07 to 09) has no squared error: a
# second network judges whether a picture looks real, and a blurred one does not. Here a narrower form of the course's own
# one, whose discriminator sees one image at a time, serves as a yardstick, trained for 400 steps of 32 images, fewer than the VAE saw, each at the price of more arithmetic.
#
# To measure blur, take the **gradient magnitude**: the mean length of the grey level's slope from pixel to
# pixel.


# %% tags=["keep"]
def gradient_magnitude(images: Tensor) -> Tensor:
    """Mean slope of the grey level: (N, C, H, W) -> (N,), in greys a pixel."""
    corner = images[:, :, :-1, :-1]
    down, right = images[:, :, 1:, :-1] - corner, images[:, :, :-1, 1:] - corner
    return (down**2 + right**2).sqrt().mean(dim=(1, 2, 3))


# %% tags=["nbval-ignore-output"]
recipe = recipes.course_recipe(  # group=0: the discriminator looks at one image at a time
    torch.device("cpu"), steps=400, width=32, group=0, seed=seed
)
dtype = training.faster_dtype(recipe, device)  # float32, or bfloat16 where it is faster here
gan = training.GanState.create(dataclasses.replace(recipe, dtype=dtype), device)
for _ in training.train_gan(gan, train, every=400):
    pass
sigma_now = float(model.log_sigma.detach().exp())
means = opened(model.decode, probe)
sets = {
    "real": real[5000:6500],
    "VAE": means,
    "VAE with its noise": (means + sigma_now * normals(*means.shape)).clamp(-1, 1),
    "GAN": metrics.sample_images(gan.generate, recipe.latent, 1500, seed=7, device=device),
}
sharp = {name: float(gradient_magnitude(some).mean()) for name, some in sets.items()}
scores = {name: distance(sets[name]) for name in ("VAE with its noise", "GAN")}
for name, value in sharp.items():
    print(f"{name:20} gradient magnitude over that of real images {value / sharp['real']:.2f}")
plotting.image_grid(
    torch.cat([some[:10] for some in sets.values()]),
    columns=10,
    row_labels=list(sets),
    alt="Four rows of ten: sharp real garments, soft ones of the VAE, the same under grain, and those of the GAN, "
    "with edges and texture and some distortions.",
)

# %% [markdown]
# **Figure 6.13.** Real test images; the decoder's means for draws from the prior; the same with the noise of
# $p(x \mid z)$, clipped to $[-1, 1]$; and the GAN's. Without the clipping the third row is what the model, taken at its word,
# would draw. What is shown as
# samples is usually the second row. The third says what the model believes about the detail: independent grain.

# %% tags=["verify"]
verify.claim(
    "6.20",
    "the gradient magnitude of the VAE's pictures, relative to that of real ones, lies in",
    sharp["VAE"] / sharp["real"],
    (0.52, 0.63),
)
verify.claim(
    "6.21",
    "that of the GAN's, relative to real ones, lies in",
    sharp["GAN"] / sharp["real"],
    (0.89, 1.02),
)
verify.claim(
    "6.22",
    "the GAN's relative Fréchet distance, divided by the VAE's, is",
    scores["GAN"] / distances["VAE, prior"],
    (None, 0.8),
)
verify.claim(
    "6.23",
    "the noise raises the VAE's distance by a factor of at least",
    scores["VAE with its noise"] / distances["VAE, prior"],
    (1.1, None),
)

# %% [markdown]
# A small gradient magnitude means blur. A large one need not mean sharp edges: grain has slopes too, and the third row exceeds
# real pictures. So a value near 1 does not even prove that the GAN is not blurred: its speckle counts as well. Look at Figure 6.13, too. And not all that the VAE
# lacks is the blur of (6.16): its codes are drawn from the prior, which section 6.9 found to lie beside the codes of images.
#
# ## 6.11 What goes wrong: a mean for a sum
#
# Here is a loss as it is often written, with the library's function for the squared error. It runs, it falls, and
# nothing complains.


# %%
def careless_loss(model: nn.Module, x: Tensor, random: torch.Generator) -> dict[str, Tensor]:
    """Looks like (6.12)."""
    noise = torch.randn(len(x), model.latent, generator=random, device=x.device)
    shown, mean, log_variance = model(x, noise)
    rate = gaussian_kl(mean, log_variance).mean()
    return {"loss": F.mse_loss(shown, x) + rate, "rate": rate}


careless = vae.VAE(16, sigma=1.0).to(device)
losses_seen = [
    record.losses
    for record in autoencoding.train(
        careless, careless_loss, train, steps=300, batch=64, seed=seed, every=30
    )
]
with torch.no_grad():
    rebuilt = careless.decode(careless.encode(real[:10].to(device))[0]).cpu()
plotting.image_grid(
    torch.cat([real[:10], rebuilt, opened(careless.decode, shown_z)]),
    columns=10,
    row_labels=["test image", "its reconstruction", "generated"],
    alt="Ten garments. Below, ten times one grey blur on a grey ground; below that, ten times nearly the same blur "
    "on black.",
)

# %% [markdown]
# **Figure 6.14.** Every sample is nearly the mean of all images, whatever its $z$. The reconstructions are one picture for all ten,
# a lighter one: they are decoded from the mean of $q$, which is near zero here, while in training the decoder saw draws, whose
# length in 16 dimensions is about 4.

# %% tags=["verify"]
verify.claim(
    "6.24",
    "the loss fell: the last recorded mean relative to the first is",
    losses_seen[-1]["loss"] / losses_seen[0]["loss"],
    (None, 0.9),
)
verify.claim("6.25", "and the rate, in nats, is", losses_seen[-1]["rate"], (None, 0.05))

# %% [markdown]
# `F.mse_loss` averages over the batch *and over the pixels*. The divergence is summed over the latent numbers. To
# compare such a loss with (6.12), take out the factor that leaves $\tfrac12 |x - g|^2$: once for this mistake, and once for the
# opposite one, a divergence that is averaged over the $Z$ latent numbers:
#
# $$ \frac{|x - g|^2}{n} + \mathrm{KL} = \frac2n \Bigl( \frac{|x - g|^2}{2} + \frac n2\, \mathrm{KL} \Bigr), \qquad |x - g|^2 + \frac{\mathrm{KL}}{Z} = 2 \Bigl( \frac{|x - g|^2}{2} + \frac{\mathrm{KL}}{2Z} \Bigr). \tag{6.18} $$
#
# So the first is a VAE with $\beta = \sigma^2 = n/2 = 512$: a model that takes the pixels, which lie between $-1$
# and 1, for noise of standard deviation 23. By (6.14) a linear VAE would collapse there, since $\lambda_1 \approx 79$
# is far below 512; this one did too. The second has $\beta = 1/(2Z)$: with 16 numbers $\sigma = 0.18$, near the smallest of Figure
# 6.10, and smaller still the more latent numbers there are. Neither is visible in the loss curve. The repair is to
# sum both, over pixels and over latent numbers, and to average over the batch alone. That is what gave Figure 6.9.
#
# What to do when a VAE collapses: look at the *rate*, and at each latent number's share of it; find out which $\sigma$
# your loss stands for, with (6.12); compare its square with the eigenvalues of your data. If $\sigma^2$ is
# well below the largest of them and the rate is still zero, it is a failure of training. If it is above, a linear VAE would
# collapse too: make $\sigma$ smaller first.

# %% tags=["verify"]
few, n, Z = data.normalise(train.images[:5]).double(), 1024, 16
shown, mean, log_variance = 0.9 * few, normals(5, Z).double(), normals(5, Z).double()
squares, kl = (
    (few - shown).square().flatten(1).sum(dim=1).mean(),
    gaussian_kl(mean, log_variance).mean(),
)
kl_averaged = (0.5 * (mean**2 + log_variance.exp() - 1 - log_variance)).mean()
verify.equation(
    "6.18",
    torch.stack([F.mse_loss(shown, few) + kl, squares + kl_averaged]),
    torch.stack([2 / n * (squares / 2 + n / 2 * kl), 2 * (squares / 2 + kl / (2 * Z))]),
)

# %% [markdown]
# ## 6.12 A walk
#
# The decoder is continuous, so a path between codes is a path between pictures. In JupyterLab and on Colab the next cell
# shows sliders, one for each of two random directions in the space of the 16 latent numbers.

# %%
widgets.latent_explorer(
    lambda z: opened(model.decode, z),
    16,
    seed=1,
    directions=2,
    alt="Two rows of seven soft garments. The middle one is the same in every row; to its sides it changes into "
    "others.",
)

# %% [markdown]
# **Figure 6.15.** One draw from the prior, in the middle, turned towards two random directions and away from them. The
# number above a column says how much of the direction is added, in lengths of the code; the sum is scaled back to that
# length.
#
# ## Summary
#
# - An autoencoder copies. Where its codes lie is left to chance, so a code drawn by us may fall where the decoder was hardly trained.
# - A VAE raises a lower bound on $\log p(x)$: reconstruction minus the divergence of $q(z \mid x)$ from the prior. The bound is short by the divergence of $q$ from the true posterior.
# - The divergence of Gaussians has a closed form, and a reparameterised draw has a gradient. On a quadratic its variance does not grow with the number of latent numbers; the score function's grows with its square.
# - $\beta$ is $\sigma^2$. It sets how many nats are spent for how small an error. The best *linear* VAE does not code components of the
#   data with less variance than $\sigma^2$ at all; for networks that is a guide, not a law.
# - The decoder of a squared error draws the mean of all images that share a code: the blur is the optimum.
# - Sum over pixels and over latent numbers. A mean in one of them is another $\beta$.
#
# **Exercises.** [Eight exercises](../exercises/06_autoencoders_and_vaes.ipynb): the divergence, a draw with a
# gradient, the loss, the score function with a baseline, the $\sigma$ behind somebody's code, a tighter bound, the
# best decoder, and holes. [Solutions](../solutions/06_autoencoders_and_vaes.ipynb).
#
# ## Sources
#
# - D. P. Kingma, M. Welling. *Auto-Encoding Variational Bayes.* ICLR 2014. Sections 2.2 (the bound) and 2.4 (reparameterisation), appendix B (the divergence).
# - D. J. Rezende, S. Mohamed, D. Wierstra. *Stochastic Backpropagation and Approximate Inference in Deep Generative Models.* ICML 2014.
# - R. J. Williams. *Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning.* Machine Learning 8, 1992. (The score function and its baseline, under the name REINFORCE.)
# - M. E. Tipping, C. M. Bishop. *Probabilistic Principal Component Analysis.* Journal of the Royal Statistical Society B 61, 1999. (The linear model.)
# - J. Lucas, G. Tucker, R. Grosse, M. Norouzi. *Don't Blame the ELBO! A Linear VAE Perspective on Posterior Collapse.* NeurIPS 2019.
# - T. M. Cover, J. A. Thomas. *Elements of Information Theory.* 2nd edition, 2006. Chapter 10 (rate and distortion).
# - A. A. Alemi et al. *Fixing a Broken ELBO.* ICML 2018. (Rate and distortion of VAEs.)
# - I. Higgins et al. *beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework.* ICLR 2017.
# - O. Rybkin, K. Daniilidis, S. Levine. *Simple and Effective VAE Training with Calibrated Decoders.* ICML 2021. (The best $\sigma$.)
# - G. Loaiza-Ganem, J. P. Cunningham. *The Continuous Bernoulli: Fixing a Pervasive Error in Variational Autoencoders.* NeurIPS 2019.
# - B. Dai, D. Wipf. *Diagnosing and Enhancing VAE Models.* ICLR 2019. (A second model for the codes.)
# - Y. Burda, R. Grosse, R. Salakhutdinov. *Importance Weighted Autoencoders.* ICLR 2016. (Exercise 6.6.)
