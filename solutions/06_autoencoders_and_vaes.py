# %% [markdown]
# # Exercises 06. Autoencoders and VAEs
#
# Eight exercises on the parts of [lesson 06](../notebooks/06_autoencoders_and_vaes.ipynb).
#
# Put your own code where a cell says `raise NotImplementedError(...)`, run the cell, and then the
# cell below it, which begins with `checks.`. It tries your answer on inputs of its own. If
# something is wrong it says what your answer does and why that matters. The folder `solutions/`
# holds the same notebook with answers and with the usual mistakes.
#
# The letters are those of the lesson: B images a batch, C channels, H rows and W columns of an
# image, Z latent numbers. An encoder describes $q(z \mid x)$, a Gaussian with independent latent
# numbers, by the mean $m$ and the logarithm of the variance $\log s^2$ of each. The prior $p(z)$
# has mean 0 and variance 1 for each. Divergences and log-densities are in nats.

# %%
import math

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from course_lib.checks import lesson06 as checks

# %% [markdown]
# ### Exercise 6.1 (one star). The divergence from the prior
#
# Return the Kullback-Leibler divergence from $q(z \mid x)$ to the prior for each image of a batch:
# the mean of $\log q(z \mid x) - \log p(z)$ under $q$, equation (6.6). It is what keeps codes near
# the prior, and an error here changes how much they are kept.
#
# - In: `mean` and `log_variance`, (B, Z), floating-point numbers of any size.
# - Out: (B,), at least 0.


# %%
def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence from N(mean, diag(exp(log_variance))) to N(0, I): (B, Z), (B, Z) -> (B,)."""
    ### BEGIN SOLUTION
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)
    ### END SOLUTION


# %%
checks.gaussian_kl(gaussian_kl)

# %% [markdown] tags=["solution"]
# Under $q$ the mean of $z^2$ is $m^2 + s^2$, that of $(z - m)^2 / s^2$ is 1, and $\log s^2$ is what the
# encoder returns. PyTorch knows the divergence of two normal distributions too; it wants standard
# deviations.


# %% tags=["alternative"]
def gaussian_kl(mean, log_variance):
    q = Normal(mean, (0.5 * log_variance).exp())
    return kl_divergence(q, Normal(torch.zeros_like(mean), 1.0)).sum(dim=1)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The log-variance taken for the log of the standard deviation.** Both are in use, and both are
# called "logvar" or "log_sigma" at times.


# %% tags=["mistake"] hint="log-deviation"
def gaussian_kl(mean, log_variance):
    deviation = log_variance.exp()
    return 0.5 * (mean**2 + deviation**2 - 1 - 2 * deviation.log()).sum(dim=1)


# %% [markdown] tags=["mistake"]
# **The half forgotten.** The divergence counts twice: a model with $\beta = 2$.


# %% tags=["mistake"] hint="no-half"
def gaussian_kl(mean, log_variance):
    return (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)


# %% [markdown] tags=["mistake"]
# **A mean over the latent numbers.** Looks harmless, and divides $\beta$ by Z.


# %% tags=["mistake"] hint="mean-over-latents"
def gaussian_kl(mean, log_variance):
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean(dim=1)


# %% [markdown] tags=["mistake"]
# **The sign of the logarithm.** Then a $q$ of no width at all costs least, and the VAE is an autoencoder.


# %% tags=["mistake"] hint="log-sign"
def gaussian_kl(mean, log_variance):
    return 0.5 * (mean**2 + log_variance.exp() - 1 + log_variance).sum(dim=1)


# %% [markdown] tags=["mistake"]
# **The two distributions exchanged.** The divergence is not symmetric.


# %% tags=["mistake"] hint="reversed"
def gaussian_kl(mean, log_variance):
    q = Normal(mean, (0.5 * log_variance).exp())
    return kl_divergence(Normal(torch.zeros_like(mean), 1.0), q).sum(dim=1)


# %% [markdown]
# ### Exercise 6.2 (one star). A draw through which a gradient passes
#
# Return one draw of $q(z \mid x)$ for each image, such that the gradient of a loss of the draw reaches
# `mean` and `log_variance` as in (6.8). All noise comes from torch's default random generator.
#
# - In: `mean` and `log_variance`, (B, Z), which require gradients.
# - Out: (B, Z), independent over images and latent numbers.


# %%
def reparameterise(mean: Tensor, log_variance: Tensor) -> Tensor:
    """A draw of N(mean, diag(exp(log_variance))) with a gradient: (B, Z), (B, Z) -> (B, Z)."""
    ### BEGIN SOLUTION
    return mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
    ### END SOLUTION


# %%
checks.reparameterise(reparameterise)

# %% [markdown] tags=["solution"]
# The noise depends on neither input, so the draw is an ordinary function of both. In PyTorch's
# distributions the method is called `rsample`, r for reparameterised.


# %% tags=["alternative"]
def reparameterise(mean, log_variance):
    return Normal(mean, torch.sqrt(log_variance.exp())).rsample()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **`sample` for `rsample`.** The numbers are right. `sample` works without a graph, and the encoder never
# hears of the reconstruction.


# %% tags=["mistake"] hint="no-gradient"
def reparameterise(mean, log_variance):
    return Normal(mean, (0.5 * log_variance).exp()).sample()


# %% [markdown] tags=["mistake"]
# **The variance for the standard deviation.** A missing half in the exponent.


# %% tags=["mistake"] hint="variance-for-deviation"
def reparameterise(mean, log_variance):
    return mean + log_variance.exp() * torch.randn_like(mean)


# %% [markdown] tags=["mistake"]
# **One noise for all.** `randn` with the shape of one image is broadcast over the batch.


# %% tags=["mistake"] hint="shared-noise"
def reparameterise(mean, log_variance):
    return mean + (0.5 * log_variance).exp() * torch.randn(mean.shape[1])


# %% [markdown] tags=["mistake"]
# **Uniform noise.** `rand` is one letter shorter than `randn`.


# %% tags=["mistake"] hint="not-gaussian"
def reparameterise(mean, log_variance):
    noise = math.sqrt(12) * (torch.rand_like(mean) - 0.5)  # mean 0, variance 1
    return mean + (0.5 * log_variance).exp() * noise


# %% [markdown] tags=["mistake"]
# **The spread detached.** Training runs, with a spread that learns from the divergence alone.


# %% tags=["mistake"] hint="spread-detached"
def reparameterise(mean, log_variance):
    return mean + (0.5 * log_variance.detach()).exp() * torch.randn_like(mean)


# %% [markdown]
# ### Exercise 6.3 (two stars). The loss of a VAE
#
# Return minus the ELBO (6.5), averaged over the batch, with the Gaussian likelihood (6.10): every grey
# level of an image is normal around the decoder's picture, with the standard deviation `sigma`. All
# constants belong to it, so that losses with different `sigma` can be compared, and `sigma` could be
# learned.
#
# - In: `images` and `shown`, the decoder's pictures, (B, C, H, W); `mean` and `log_variance` of
#   $q(z \mid x)$, (B, Z); `sigma`, a number above 0.
# - Out: a tensor of shape ().


# %%
def vae_loss(
    images: Tensor, shown: Tensor, mean: Tensor, log_variance: Tensor, sigma: float
) -> Tensor:
    """Minus the ELBO, averaged over the batch, in nats: -> ()."""
    ### BEGIN SOLUTION
    squares = (images - shown).square().flatten(1).sum(dim=1)  # (B,)
    pixels = images[0].numel()
    fit = squares / (2 * sigma**2) + pixels / 2 * math.log(2 * math.pi * sigma**2)
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)  # (B,)
    return (fit + kl).mean()
    ### END SOLUTION


# %%
checks.vae_loss(vae_loss)

# %% [markdown] tags=["solution"]
# Sums over pixels and over latent numbers, a mean over the batch. With torch's distributions there is
# less to write and less to get wrong.


# %% tags=["alternative"]
def vae_loss(images, shown, mean, log_variance, sigma):
    log_density = Normal(shown, sigma).log_prob(images).sum()
    q = Normal(mean, (0.5 * log_variance).exp())
    divergence = kl_divergence(q, Normal(torch.zeros_like(mean), 1.0)).sum()
    return (divergence - log_density) / len(images)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **A mean over the pixels.** `F.mse_loss` does it unless told otherwise. Section 6.11 shows what comes of it.


# %% tags=["mistake"] hint="pixel-mean"
def vae_loss(images, shown, mean, log_variance, sigma):
    fit = F.mse_loss(shown, images) / (2 * sigma**2)
    fit = fit + images[0].numel() / 2 * math.log(2 * math.pi * sigma**2)
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
    return fit + kl


# %% [markdown] tags=["mistake"]
# **No constant.** Right as long as `sigma` stays where it is.


# %% tags=["mistake"] hint="no-constant"
def vae_loss(images, shown, mean, log_variance, sigma):
    squares = (images - shown).square().flatten(1).sum(dim=1)
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)
    return (squares / (2 * sigma**2) + kl).mean()


# %% [markdown] tags=["mistake"]
# **Sigma not squared.** With $\sigma = 1$ the two agree, and nobody notices.


# %% tags=["mistake"] hint="sigma-not-squared"
def vae_loss(images, shown, mean, log_variance, sigma):
    squares = (images - shown).square().flatten(1).sum(dim=1)
    fit = squares / (2 * sigma) + images[0].numel() / 2 * math.log(2 * math.pi * sigma**2)
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)
    return (fit + kl).mean()


# %% [markdown] tags=["mistake"]
# **The divergence with the wrong sign.** A bound is a difference, a loss is minus a bound: one sign too many.


# %% tags=["mistake"] hint="kl-sign"
def vae_loss(images, shown, mean, log_variance, sigma):
    log_density = Normal(shown, sigma).log_prob(images).flatten(1).sum(dim=1)
    kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1)
    return -(log_density + kl).mean()


# %% [markdown]
# ### Exercise 6.4 (two stars). The score function, with a baseline
#
# When $f$ has no slope that could be had, the gradient of $\mathbb{E}_q[f(z)]$ with respect to the mean $m$
# is estimated by (6.7): the mean over draws of $f(z)$ times the slope of $\log q(z)$ in $m$. Here
# $q = N(m, \sigma^2 I)$. Lower its variance by a baseline: subtract from each draw's $f$ the mean of $f$
# over all the *other* draws. That mean does not depend on the draw, so the estimate stays right on
# average.
#
# - In: `values`, $f$ at each draw, (N,) with N at least 2; `z`, the draws, (N, Z); `mean`, (Z,); `sigma`, a
#   number above 0.
# - Out: the estimate of the gradient, (Z,).


# %%
def score_gradient(values: Tensor, z: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """Score-function estimate with a leave-one-out baseline: (N,), (N, Z), (Z,) -> (Z,)."""
    ### BEGIN SOLUTION
    others = (values.sum() - values) / (len(values) - 1)  # (N,)
    score = (z - mean) / sigma**2  # (N, Z)
    return ((values - others)[:, None] * score).mean(dim=0)
    ### END SOLUTION


# %%
checks.score_gradient(score_gradient)

# %% [markdown] tags=["solution"]
# The sum of the others is the sum of all less one's own. A value less the mean of the others is the value
# less the mean of all, times $N / (N - 1)$, so the whole is a covariance with the usual correction.


# %% tags=["alternative"]
def score_gradient(values, z, mean, sigma):
    centred = values - values.mean()
    return centred @ (z - mean) / sigma**2 / (len(values) - 1)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **No baseline.** Right on average, and drowned in noise: the lesson's Figure 6.6 shows by how much.


# %% tags=["mistake"] hint="no-baseline"
def score_gradient(values, z, mean, sigma):
    return (values[:, None] * (z - mean) / sigma**2).mean(dim=0)


# %% [markdown] tags=["mistake"]
# **One's own value in the baseline.** The estimate is then a little too small on average. With two draws it
# is half of what it should be.


# %% tags=["mistake"] hint="own-value"
def score_gradient(values, z, mean, sigma):
    return ((values - values.mean())[:, None] * (z - mean) / sigma**2).mean(dim=0)


# %% [markdown] tags=["mistake"]
# **Sigma not squared.** The exponent of the density is $-(z - m)^2 / (2 \sigma^2)$.


# %% tags=["mistake"] hint="sigma-not-squared"
def score_gradient(values, z, mean, sigma):
    others = (values.sum() - values) / (len(values) - 1)
    return ((values - others)[:, None] * (z - mean) / sigma).mean(dim=0)


# %% [markdown] tags=["mistake"]
# **The wrong way.** The slope with respect to $z$ has the opposite sign of that with respect to $m$.


# %% tags=["mistake"] hint="sign"
def score_gradient(values, z, mean, sigma):
    others = (values.sum() - values) / (len(values) - 1)
    return ((values - others)[:, None] * (mean - z) / sigma**2).mean(dim=0)


# %% [markdown]
# ### Exercise 6.5 (two stars). Which sigma did they mean?
#
# You read somebody's VAE. Its loss is `error + weight * kl`. `error` is the squared error of an image,
# reduced over its n pixels by a sum or by a mean. `kl` is the divergence of the Z latent numbers, reduced
# over them by a sum or by a mean. Return the $\sigma$ of the Gaussian likelihood for which this loss is, up to
# a factor and a constant, minus the ELBO.
#
# - In: `pixels` n and `latent` Z, integers; `pixel_reduction` and `latent_reduction`, each `"sum"` or
#   `"mean"`; `weight`, a number above 0.
# - Out: a number, the standard deviation $\sigma$ of a grey level.


# %%
def implied_sigma(
    pixels: int, latent: int, pixel_reduction: str, latent_reduction: str, weight: float
) -> float:
    """The standard deviation of the likelihood that a loss stands for."""
    ### BEGIN SOLUTION
    of_error = 1 / pixels if pixel_reduction == "mean" else 1.0
    of_kl = weight / latent if latent_reduction == "mean" else weight
    return math.sqrt(of_kl / (2 * of_error))
    ### END SOLUTION


# %%
checks.implied_sigma(implied_sigma)

# %% [markdown] tags=["solution"]
# With weights $a$ and $b$ the loss is $a\,|x - g|^2 + b\, \mathrm{KL} = 2a\,\bigl(\tfrac12 |x - g|^2 + \tfrac{b}{2a}
# \mathrm{KL}\bigr)$. By (6.12) $\sigma^2 = b / (2a)$. For 1,024 pixels, a mean over them and a plain sum of the
# divergence, $\sigma$ is 22.6.


# %% tags=["alternative"]
def implied_sigma(pixels, latent, pixel_reduction, latent_reduction, weight):
    variance = weight / 2
    if pixel_reduction == "mean":
        variance *= pixels
    if latent_reduction == "mean":
        variance /= latent
    return variance**0.5


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The half in front of the squared error.** The likelihood has it, the program has not.


# %% tags=["mistake"] hint="no-half"
def implied_sigma(pixels, latent, pixel_reduction, latent_reduction, weight):
    of_error = 1 / pixels if pixel_reduction == "mean" else 1.0
    of_kl = weight / latent if latent_reduction == "mean" else weight
    return math.sqrt(of_kl / of_error)


# %% [markdown] tags=["mistake"]
# **The variance.** $\beta$ is $\sigma^2$, and $\sigma$ was asked for.


# %% tags=["mistake"] hint="variance"
def implied_sigma(pixels, latent, pixel_reduction, latent_reduction, weight):
    of_error = 1 / pixels if pixel_reduction == "mean" else 1.0
    of_kl = weight / latent if latent_reduction == "mean" else weight
    return of_kl / (2 * of_error)


# %% [markdown] tags=["mistake"]
# **The mean over pixels overlooked.** Section 6.11 shows the collapse that follows.


# %% tags=["mistake"] hint="pixels-ignored"
def implied_sigma(pixels, latent, pixel_reduction, latent_reduction, weight):
    of_kl = weight / latent if latent_reduction == "mean" else weight
    return math.sqrt(of_kl / 2)


# %% [markdown] tags=["mistake"]
# **Upside down.** A heavy divergence goes with a large $\sigma$: noisy pixels are not worth nats.


# %% tags=["mistake"] hint="inverted"
def implied_sigma(pixels, latent, pixel_reduction, latent_reduction, weight):
    of_error = 1 / pixels if pixel_reduction == "mean" else 1.0
    of_kl = weight / latent if latent_reduction == "mean" else weight
    return math.sqrt(2 * of_error / of_kl)


# %% [markdown]
# ### Exercise 6.6 (two stars). A tighter bound
#
# The bound (6.3) takes the logarithm of one weight $w = p(z)\, p(x \mid z) / q(z \mid x)$. With $K$ independent
# draws of $q$ the same inequality gives a bound that is at least as tight, and becomes exact as $K$ grows
# (Burda et al., 2016):
#
# $$ \log p(x) \;\ge\; \mathbb{E} \left[ \log \frac1K \sum_{k=1}^{K} w_k \right]. $$
#
# Return what stands in the brackets for each image, from the logarithms of the weights. These are of the
# size of log-densities of images: in hundreds and thousands.
#
# - In: `log_weights`, (K, B).
# - Out: (B,).


# %%
def importance_bound(log_weights: Tensor) -> Tensor:
    """Logarithm of the mean weight over the draws: (K, B) -> (B,)."""
    ### BEGIN SOLUTION
    return torch.logsumexp(log_weights, dim=0) - math.log(len(log_weights))
    ### END SOLUTION


# %%
checks.importance_bound(importance_bound)

# %% [markdown] tags=["solution"]
# `logsumexp` subtracts the largest logarithm, sums the exponentials of the rest, which are at most 1, and adds
# it again. By hand:


# %% tags=["alternative"]
def importance_bound(log_weights):
    largest = log_weights.max(dim=0).values
    return largest + (log_weights - largest).exp().mean(dim=0).log()


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **Exponential, mean, logarithm.** The definition, and infinite at once.


# %% tags=["mistake"] hint="overflow"
def importance_bound(log_weights):
    return log_weights.exp().mean(dim=0).log()


# %% [markdown] tags=["mistake"]
# **The mean of the logarithms.** The order of the two is all that Jensen's inequality is about.


# %% tags=["mistake"] hint="mean-of-logarithms"
def importance_bound(log_weights):
    return log_weights.mean(dim=0)


# %% [markdown] tags=["mistake"]
# **The count forgotten.** Then the "bound" rises above the evidence.


# %% tags=["mistake"] hint="sum"
def importance_bound(log_weights):
    return torch.logsumexp(log_weights, dim=0)


# %% [markdown]
# ### Exercise 6.7 (three stars). The best decoder there is
#
# For a fixed encoder, the decoder with the least squared error on the training images needs no training. At $z$
# it draws their mean, each weighted by its density $q(z \mid x_i)$, equation (6.17). Return these pictures.
#
# - In: `z`, (P, Z); `images`, the N training images, (N, C, H, W); `mean` and `log_variance` of their
#   $q(z \mid x_i)$, (N, Z).
# - Out: (P, C, H, W). It must be right far from all codes too, where every density rounds to zero.


# %%
def best_decoder(z: Tensor, images: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Means of the images weighted by q(z|x): (P, Z), (N, C, H, W), two of (N, Z) -> (P, C, H, W)."""
    ### BEGIN SOLUTION
    squares = (z[:, None] - mean).square() / log_variance.exp()  # (P, N, Z)
    log_q = -0.5 * (squares + log_variance).sum(dim=2)  # (P, N), up to a constant
    weights = torch.softmax(log_q, dim=1)  # (P, N)
    return (weights @ images.flatten(1)).view(-1, *images.shape[1:])
    ### END SOLUTION


# %%
checks.best_decoder(best_decoder)

# %% [markdown] tags=["solution"]
# The softmax of log-densities is the densities divided by their sum, computed without underflow. What is the
# same for all images cancels: the $2\pi$, but not the spread.


# %% tags=["alternative"]
def best_decoder(z, images, mean, log_variance):
    pictures = []
    for one in z:
        log_q = Normal(mean, (0.5 * log_variance).exp()).log_prob(one).sum(dim=1)  # (N,)
        weights = (log_q - log_q.max()).exp()
        pictures.append(torch.einsum("n,nchw->chw", weights / weights.sum(), images))
    return torch.stack(pictures)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The nearest image.** Sharp, and a larger squared error than the blurred mean.


# %% tags=["mistake"] hint="nearest"
def best_decoder(z, images, mean, log_variance):
    return images[torch.cdist(z, mean).argmin(dim=1)]


# %% [markdown] tags=["mistake"]
# **The spread left out of the density.** $1/s$ in front of the exponential is not the same for all images.


# %% tags=["mistake"] hint="no-spread"
def best_decoder(z, images, mean, log_variance):
    squares = ((z[:, None] - mean).square() / log_variance.exp()).sum(dim=2)
    weights = torch.softmax(-0.5 * squares, dim=1)
    return (weights @ images.flatten(1)).view(-1, *images.shape[1:])


# %% [markdown] tags=["mistake"]
# **The softmax along the wrong axis.** The weights of one $z$ no longer add up to one.


# %% tags=["mistake"] hint="wrong-axis"
def best_decoder(z, images, mean, log_variance):
    squares = (z[:, None] - mean).square() / log_variance.exp()
    log_q = -0.5 * (squares + log_variance).sum(dim=2)
    weights = torch.softmax(log_q, dim=0)
    return (weights @ images.flatten(1)).view(-1, *images.shape[1:])


# %% [markdown] tags=["mistake"]
# **Densities without their logarithms.** Far from all codes this is zero divided by zero.


# %% tags=["mistake"] hint="underflow"
def best_decoder(z, images, mean, log_variance):
    squares = (z[:, None] - mean).square() / log_variance.exp()
    q = (-0.5 * (squares + log_variance).sum(dim=2)).exp()
    weights = q / q.sum(dim=1, keepdim=True)
    return (weights @ images.flatten(1)).view(-1, *images.shape[1:])


# %% [markdown]
# ### Exercise 6.8 (two stars). How many fall into holes?
#
# A point of latent space lies in a hole if no code is near it. Near is what is usual: the distance to the
# nearest code within which 99 % of `fresh` codes, of other images, have one. Return the share of `points` that
# lie farther than that from every code.
#
# - In: `codes`, (N, Z); `fresh`, (M, Z); `points`, (P, Z).
# - Out: a number from 0 to 1.


# %%
def hole_share(codes: Tensor, fresh: Tensor, points: Tensor) -> float:
    """Share of points that lie where no code is near: (N, Z), (M, Z), (P, Z) -> a number."""
    ### BEGIN SOLUTION
    reach = torch.quantile(torch.cdist(fresh, codes).amin(dim=1), 0.99)
    return float((torch.cdist(points, codes).amin(dim=1) > reach).double().mean())
    ### END SOLUTION


# %%
checks.hole_share(hole_share)

# %% [markdown] tags=["solution"]
# The minimum over the codes is the distance to the nearest one. The fresh codes give the unit, so that the
# share can be compared between models whose latent numbers have different scales.


# %% tags=["alternative"]
def hole_share(codes, fresh, points):
    def nearest(some):
        return torch.stack([(codes - one).norm(dim=1).min() for one in some])

    ordered = nearest(fresh).sort().values
    reach = ordered[math.ceil(0.99 * len(ordered)) - 1]
    return sum(float(one > reach) for one in nearest(points)) / len(points)


# %% [markdown] tags=["mistake"]
# ### What goes wrong
#
# **The distance to the middle.** It finds points far out and no hole between two clusters.


# %% tags=["mistake"] hint="from-centre"
def hole_share(codes, fresh, points):
    centre = codes.mean(dim=0)
    reach = torch.quantile((fresh - centre).norm(dim=1), 0.99)
    return float(((points - centre).norm(dim=1) > reach).double().mean())


# %% [markdown] tags=["mistake"]
# **The mean distance.** One code nearby is enough.


# %% tags=["mistake"] hint="mean-distance"
def hole_share(codes, fresh, points):
    reach = torch.quantile(torch.cdist(fresh, codes).mean(dim=1), 0.99)
    return float((torch.cdist(points, codes).mean(dim=1) > reach).double().mean())


# %% [markdown] tags=["mistake"]
# **The limit from the codes themselves.** Each code is at distance zero from itself, so everything else lies
# in a hole.


# %% tags=["mistake"] hint="codes-with-themselves"
def hole_share(codes, fresh, points):
    exact = "donot_use_mm_for_euclid_dist"
    reach = torch.quantile(torch.cdist(codes, codes, compute_mode=exact).amin(dim=1), 0.99)
    return float((torch.cdist(points, codes).amin(dim=1) > reach).double().mean())


# %% [markdown] tags=["mistake"]
# **The other side.** The share of points that do have a code near.


# %% tags=["mistake"] hint="complement"
def hole_share(codes, fresh, points):
    reach = torch.quantile(torch.cdist(fresh, codes).amin(dim=1), 0.99)
    return float((torch.cdist(points, codes).amin(dim=1) <= reach).double().mean())
