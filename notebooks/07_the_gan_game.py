# %% [markdown]
# # 07. The GAN game
#
# > **The question.** Nobody can write down a formula for how real a picture looks. Can two networks that
# > play against each other take its place?
#
# | | |
# |---|---|
# | **You need** | Densities and sampling ([lesson 01](01_images_and_distributions.ipynb)), gradients and the training of a network (lessons 03 and 04), the Kullback-Leibler divergence (lesson 06; recalled here) |
# | **You will be able to** | say what the best discriminator computes and what a generator gains by fooling it, choose between the two generator losses and give the numbers, explain why two clouds that do not touch stop one of them, write a GAN in 25 lines, and provoke, count and repair mode collapse |
# | **Time** | about 2 minutes of computing on 2 CPU cores, an hour and a half of reading. A GPU is not needed: the networks are small. |

# %%
import dataclasses
import itertools
import math

import sympy
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import (
    checkpoints,
    data,
    divergences,
    eight_gaussians,
    gan_game,
    losses,
    metrics,
    plotting,
    recipes,
    runtime,
    stacked,
    training,
    verify,
)

seed = runtime.seed(0)
device = runtime.device()
BLUE, RED, BLACK = (plotting.COLOURS[name] for name in ("blue", "vermillion", "black"))


def bell(x: Tensor, mean: float, width: float) -> Tensor:
    """The density of a Gaussian at x."""
    return torch.exp(-(((x - mean) / width) ** 2) / 2) / (width * math.sqrt(2 * math.pi))


# %% [markdown]
# ## 7.1 The idea in one picture
#
# Here "pictures" are single numbers, so that everything can be drawn. Real ones are spread like the blue
# bell. A generator makes the red ones. A second network, the discriminator, is shown both kinds and learns
# to say how probably a number is real: the black curve. The generator is never told where the blue bell is.
# It is told, for each of its own numbers, which way the black curve rises, and moves there.

# %%
line = torch.linspace(-5, 5, 2001, dtype=torch.float64)
real_bell, made_bell = bell(line, 1.2, 0.8), bell(line, -0.8, 0.8)
score = divergences.optimal_discriminator(real_bell, made_bell)


def draw_idea(ax: Axes) -> None:
    ax.plot(line, real_bell, color=BLUE, label="real")
    ax.plot(line, made_bell, color=RED, label="generated")
    ax.plot(line, score, color=BLACK, linewidth=1.2, label="the discriminator's score")
    # How steeply the logarithm of the score rises at each place.
    (rise,) = torch.gradient(torch.log(score), spacing=(line,))
    starts = {-2.0: -0.05, -1.4: -0.09, -0.8: -0.13, -0.2: -0.09, 0.4: -0.05}  # x: height
    for start, height in starts.items():
        here = (line - start).abs().argmin()
        ax.plot(start, height, "o", color=RED, markersize=5)
        ax.annotate(
            "", (start + 0.25 * float(rise[here]), height), (start, height),
            arrowprops={"arrowstyle": "->", "color": RED, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
    ax.set(xlabel="x", ylabel="density, or score", xlim=(-4, 4), ylim=(-0.17, 1.05))


plotting.panels(
    [(None, draw_idea)],
    alt="Two bells, real to the right and generated to the left, and an S-curve that rises from the generated "
    "to the real ones. Below, arrows on five generated points lead to the right, where the curve rises.",
)

# %% [markdown]
# **Figure 7.1.** Below the axis, five generated numbers and the way in which each of them is sent (section 7.5 says how
# far). When the red bell has moved, the discriminator is trained again and draws another curve. The game
# ends when the two bells lie on each other: then no curve can tell them apart.
#
# This is a **generative adversarial network**, a GAN (Goodfellow et al., 2014). *Adversarial* names the way of
# training. It says nothing about what the two networks are made of.
#
# > **Correction.** Some of the articles that this course grew from treat CNNs and GANs as alternatives to choose
# > between. A CNN is an architecture, a network made of convolutions. A GAN is a training objective, for two
# > networks of any kind: those of this lesson are fully connected, the ones in section 7.10 and in
# > [lesson 09](09_dcgan.ipynb) are CNNs. The articles also say that GANs need no data. The blue bell *is* the data,
# > and without it the discriminator has nothing to compare with (lesson 09, section 9.1).
#
# ## 7.2 A judge of samples measures a ratio of densities
#
# Write $p(x)$ for the density of real samples and $q(x)$ for that of generated ones. Somebody draws a sample, real
# with probability $\pi$ and generated with probability $1 - \pi$, and shows it to us. How probably is it real? In a
# small cell of length $dx$ about $x$ there lie real samples with probability $\pi\, p(x)\, dx$ and generated ones
# with probability $(1 - \pi)\, q(x)\, dx$. The share of the real ones among them is, by Bayes' rule,
#
# $$ D(x) = \frac{\pi\, p(x)}{\pi\, p(x) + (1 - \pi)\, q(x)}. \tag{7.1} $$
#
# Let $a$ be the **logit** of this probability, the number for which $D = \sigma(a) = 1/(1 + e^{-a})$, so that
# $a = \log \frac{D}{1 - D}$. It splits into two terms,
#
# $$ a(x) = \log \frac{p(x)}{q(x)} + \log \frac{\pi}{1 - \pi}. \tag{7.2} $$
#
# The first is what the sample says, the second what was known before. If both kinds are equally frequent,
# $\pi = 1/2$ and the second vanishes: $D/(1-D) = p/q$. A network that judges single samples, and is
# right about the probabilities, knows the ratio of two densities that nobody could write down. If real
# samples are three times as frequent, every logit is larger by $\log 3$, and nothing else changes.

# %% tags=["verify"]
p, q, pi = sympy.symbols("p q pi", positive=True)
share = pi * p / (pi * p + (1 - pi) * q)
# (7.1) on an instance: of many samples of two bells, those that fall into one narrow cell are counted.
counting = torch.Generator().manual_seed(71)
count, at, width = 4_000_000, 0.6, 0.05
is_real = torch.rand(count, generator=counting) < 0.75
centre = torch.where(is_real, 1.0, 0.0)
drawn = centre + torch.randn(count, generator=counting)  # N(1, 1) or N(0, 1)
inside = (drawn - at).abs() < width / 2
here = torch.tensor(at, dtype=torch.float64)
# About 70,000 samples fall into the cell, so the standard error of the share is below 0.002.
verify.equation(
    "7.1",
    is_real[inside].double().mean(),
    divergences.optimal_discriminator(bell(here, 1, 1), bell(here, 0, 1), real_share=0.75),
    tolerance=0.01,
)
verify.equation(
    "7.2",
    sympy.simplify(share / (1 - share)),
    sympy.simplify(sympy.exp(sympy.log(p / q)) * sympy.exp(sympy.log(pi / (1 - pi)))),
)

# %% [markdown]
# ## 7.3 The value of the game, and the best discriminator
#
# A discriminator $D$ is paid the logarithm of the probability that it gave to the right answer. Its value is the mean
# pay for real samples plus the mean pay for generated ones:
#
# $$ V(D) = \mathbb{E}_{x \sim p} \log D(x) + \mathbb{E}_{x \sim q} \log\bigl(1 - D(x)\bigr)
#          = \int p(x) \log D(x) + q(x) \log\bigl(1 - D(x)\bigr)\, dx. \tag{7.3} $$
#
# It wants $V$ large; with the sign turned round, $L_D = -V$ is the loss that it minimises. A generator that plays
# the same game wants $V$ small. So the game is $\min_q \max_D V$.
#
# Freeze the generator and let the discriminator become as good as it can. Where does it end? Suppose it can
# take any value at any $x$, independently of its values elsewhere. Then the integral is largest if its integrand is
# largest at each $x$. Fix one, write $d$ for $D(x)$, and look for the place where the slope in $d$ is zero:
#
# $$ \frac{p}{d} - \frac{q}{1 - d} = 0 \quad\Longrightarrow\quad D^*(x) = \frac{p(x)}{p(x) + q(x)}. \tag{7.4} $$
#
# The second derivative there tells a maximum from a minimum:
#
# $$ \frac{d^2}{dd^2} \Bigl( p \log d + q \log (1 - d) \Bigr) = -\frac{p}{d^2} - \frac{q}{(1 - d)^2} < 0 \qquad \text{for all } 0 < d < 1. \tag{7.5} $$
#
# The integrand is concave in $d$, so this is the maximum, and the only one. Where only one of the densities is
# positive, $D^*$ is 1 or 0. Where both are zero it does not matter. And (7.4) is Bayes' rule (7.1) with $\pi = 1/2$:
# whoever maximises the logarithmic score must say the true probability.

# %% tags=["verify"]
d = sympy.symbols("d", positive=True)
integrand = p * sympy.log(d) + q * sympy.log(1 - d)
(best,) = sympy.solve(sympy.diff(integrand, d), d)
verify.equation("7.4", best, p / (p + q))
verify.equation("7.5", sympy.diff(integrand, d, 2), -p / d**2 - q / (1 - d) ** 2)

# (7.3) on an instance: D with logit 1.5 x, p = N(1, 1), q = N(-1, 1), once by the integral and once
# as minus the library's loss of samples.
grid = torch.linspace(-12, 12, 4001, dtype=torch.float64)
value = divergences.integral(
    bell(grid, 1, 1) * F.logsigmoid(1.5 * grid) + bell(grid, -1, 1) * F.logsigmoid(-1.5 * grid),
    grid,
)
noise = torch.randn(2, 1_000_000, generator=counting, dtype=torch.float64)
by_samples = -losses.discriminator_loss(1.5 * (1 + noise[0]), 1.5 * (-1 + noise[1]))
# Monte-Carlo: the standard error of the mean of a million is about 0.001.
verify.equation("7.3", by_samples, value, tolerance=0.02)

# %% [markdown]
# For one real sample $x$ and one generated sample $G(z)$, the loss of the discriminator is
#
# $$ L_D = -\log D(x) - \log\bigl(1 - D(G(z))\bigr). \tag{7.6} $$
#
# > **Correction.** One of the articles works an example: $D(x) = 0.8$, $D(G(z)) = 0.2$, so
# > $L_D = -[\log 0.8 + \log 0.2] = 0.643$. Two things are wrong with it. By (7.6) the second logarithm is that of
# > $1 - 0.2$, so $L_D = -2 \log 0.8 = 0.446$. And what is printed there is not 0.643 either, but 1.833. The
# > difference matters: with the article's formula a discriminator would be *rewarded* for calling
# > generated pictures real.

# %% tags=["verify"]
on_real, on_made = torch.tensor([0.8, 0.2], dtype=torch.float64).logit()
verify.equation("7.6", losses.discriminator_loss(on_real, on_made), -2 * math.log(0.8))
print(
    f"by (7.6): {-2 * math.log(0.8):.3f}; the article's formula: {-math.log(0.8) - math.log(0.2):.3f}"
)

# %% [markdown]
# ### Does a trained network find it?
#
# The derivation let $D(x)$ take any value. A network has weights, and a finite number of samples. So train one:
# real numbers come from two bells at $-2$ and $2$, generated ones from a bell at $1$. In a second run three of four
# samples are real.
#
# **Predict before you run.** Where is $D^*$ one half? What does it say at $x = -8$, where neither density ever puts
# a sample? What will the network say there?


# %%
def two_bells(count: int, random: torch.Generator) -> Tensor:
    """Real numbers, (count, 1): half of them about -2, half about 2, each with deviation 0.6."""
    side = torch.where(torch.rand(count, 1, generator=random) < 0.5, -2.0, 2.0)
    return side + 0.6 * torch.randn(count, 1, generator=random)


def small_network(width: int = 32) -> nn.Module:
    """A discriminator of numbers: (B, 1) -> (B,) logits."""
    return nn.Sequential(
        nn.Linear(1, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2),
        nn.Linear(width, 1), nn.Flatten(0),
    )  # fmt: skip


def trained_judge(real_share: float, steps: int = 1500, batch: int = 1024) -> nn.Module:
    """A network trained to tell two_bells from N(1, 1), with this share of real samples."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    network, rate = small_network(64), 3e-3
    adam = torch.optim.Adam(network.parameters(), rate)
    for step in range(steps):
        adam.param_groups[0]["lr"] = rate * (1 - step / steps)
        real = two_bells(round(real_share * batch), random)
        made = 1 + torch.randn(batch - len(real), 1, generator=random)
        loss = F.softplus(-network(real)).sum() + F.softplus(network(made)).sum()
        adam.zero_grad()
        (loss / batch).backward()
        adam.step()
    return network


places = torch.linspace(-9, 9, 3601, dtype=torch.float64)
real_density = (bell(places, -2, 0.6) + bell(places, 2, 0.6)) / 2
made_density = bell(places, 1, 1)
judged, wanted = {}, {}
for real_share in (0.5, 0.75):
    network = trained_judge(real_share)
    judged[real_share] = network(places.float()[:, None]).detach().double()  # (N,) logits
    wanted[real_share] = divergences.optimal_discriminator(real_density, made_density, real_share)


def draw_judge(real_share: float):
    def draw(ax: Axes) -> None:
        ax.fill_between(places, real_density, color=BLUE, alpha=0.25, linewidth=0)
        ax.fill_between(places, made_density, color=RED, alpha=0.25, linewidth=0)
        ax.plot(places, wanted[real_share], color=BLACK, linewidth=3, alpha=0.35)
        ax.plot(
            places, judged[real_share].sigmoid(), color=plotting.COLOURS["green"], linewidth=1.2
        )
        ax.set(xlabel="x", ylabel="probability of real", xlim=(-9, 9), ylim=(0, 1.05))

    return draw


plotting.panels(
    [("as many real as generated", draw_judge(0.5)), ("three of four are real", draw_judge(0.75))],
    columns=2,
    alt="Two panels with the optimal discriminator as a broad grey line and the trained one as a thin green line. "
    "They lie on each other where there are samples. They part on the far left, where the optimum falls to zero "
    "and the network stays near one, and on the right, where the network falls more slowly.",
)

# %% [markdown]
# **Figure 7.2.** Grey: $D^*$ from (7.1), exact; in the left panel it is one half where the two densities cross, at $-6.5$, $-0.9$,
# $1.7$ and $3.4$. Green: the trained network. Blue area: the density of the real numbers; red area: that of the generated ones.

# %% tags=["verify"]
mixture = (real_density + made_density) / 2
verify.claim(
    "7.1",
    "over the samples, the trained network differs from the best discriminator by, on average,",
    divergences.integral((judged[0.5].sigmoid() - wanted[0.5]).abs() * mixture, places),
    (None, 0.02),
)
verify.claim(
    "7.2",
    "with three real samples for each generated one, the mean logit is larger by log 3 = 1.099, or nearly so",
    divergences.integral((judged[0.75] - judged[0.5]) * mixture, places),
    (1.03, 1.21),
)
far = (places + 8).abs().argmin()
verify.claim(
    "7.3", "at x = -8 the best discriminator says less than", wanted[0.5][far], (None, 0.01)
)
verify.claim("7.4", "and the network says more than", judged[0.5][far].sigmoid(), (0.9, None))

# %% [markdown]
# Where samples fall, the network has found the ratio of two densities from samples alone. And at $x = -8$ it is
# sure, and wrong: the generated bell is wider than each of the real ones, so far out it wins, but neither has ever shown a
# sample there. **A discriminator is as confident far from the data as its extrapolation happens to be**, and the
# generator follows that confidence wherever it leads.
#
# ## 7.4 What the best discriminator knows
#
# Put $D^*$ back into $V$. What remains depends on the two densities only. To read it we need two definitions. The **Kullback-Leibler divergence** of $p$ from $q$ is the mean, over
# samples of $p$, of the logarithm of their ratio,
#
# $$ \operatorname{KL}(p \,\|\, q) = \int p(x) \log \frac{p(x)}{q(x)}\, dx. \tag{7.7} $$
#
# It is never negative. The logarithm is concave, so the mean of $\log (q/p)$ is at most the logarithm of the mean
# of $q/p$ (Jensen's inequality). That mean is the mass that $q$ has where $p > 0$, at most 1, and its logarithm at
# most 0. Zero is reached only if $q/p$ is constant, that is, if $p = q$. But the divergence is not symmetric, and it is
# infinite as soon as $q = 0$ over a stretch where $p > 0$. The **Jensen-Shannon divergence** mends both. Let $m = (p + q)/2$ be the
# mixture, what the discriminator is shown. Then
#
# $$ \operatorname{JSD}(p, q) = \tfrac12 \operatorname{KL}(p \,\|\, m) + \tfrac12 \operatorname{KL}(q \,\|\, m). \tag{7.8} $$
#
# Here both are as a program, on a grid of points. On paper $0 \log 0$ is 0, the limit of $t \log t$. The computer
# answers NaN, unless it is asked for `xlogy`.


# %% tags=["keep"]
def kl(p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    """Divergence of density p (N,) from q (N,) on the grid x (N,), in nats: -> ()."""
    return torch.trapezoid(torch.special.xlogy(p, p) - torch.special.xlogy(p, q), x)


def jsd(p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    """Mean divergence of p (N,) and of q (N,) from their mixture, in nats: -> ()."""
    m = (p + q) / 2
    return (kl(p, m, x) + kl(q, m, x)) / 2


# %% [markdown]
# The library keeps them as `course_lib.divergences`, with the other distances of this lesson. Now insert
# $D^* = p / (p + q) = p / (2m)$ into (7.3), and $1 - D^* = q / (2m)$:
#
# $$ V(D^*) = \int p \log \frac{p}{2m} + q \log \frac{q}{2m}\, dx = 2 \operatorname{JSD}(p, q) - \log 4. \tag{7.9} $$
#
# Each of the two factors $1/2$ gives $-\log 2$, and $\int p = \int q = 1$. So a generator that plays against the best
# discriminator minimises the Jensen-Shannon divergence between its pictures and the real ones, and nobody had
# to write down either density.
#
# How large can it be? Since $m \ge p/2$, the ratio $p/m$ is at most 2, and each KL in (7.8) at most $\log 2$:
#
# $$ 0 \le \operatorname{JSD}(p, q) \le \log 2. \tag{7.10} $$
#
# The left end is reached only if $p = m$ and $q = m$, so the game has one best end, $p = q$. There $D^* = 1/2$
# everywhere and $V = -\log 4$: a loss of 1.386 for the discriminator. The right end is reached if
# $m = p/2$ wherever $p > 0$, that is, if there $q = 0$: two densities that never meet. Section 7.6 is about them.

# %% tags=["verify"]
wide = torch.linspace(-16, 16, 8001, dtype=torch.float64)
pairs_of_densities = {
    "two bells": (bell(wide, 0, 1), bell(wide, 1.5, 0.7)),
    "one bell and two": (bell(wide, 0.5, 1.2), (bell(wide, -2, 0.6) + bell(wide, 2, 0.6)) / 2),
    "narrow in wide": (bell(wide, 0, 0.5), bell(wide, 0, 2)),
    "far apart": (bell(wide, -5, 1), bell(wide, 5, 1)),
}
values, by_divergence = [], []
for p_x, q_x in pairs_of_densities.values():
    says_real = divergences.optimal_discriminator(p_x, q_x)
    says_made = divergences.optimal_discriminator(q_x, p_x)  # 1 - D*, with all its digits
    gain = torch.special.xlogy(p_x, says_real) + torch.special.xlogy(q_x, says_made)
    values.append(divergences.integral(gain, wide))
    by_divergence.append(2 * jsd(p_x, q_x, wide) - math.log(4))
verify.equation("7.9", torch.stack(values), torch.stack(by_divergence))

# (7.7) and (7.8) on instances: the divergence of two Gaussians is known in closed form, and the JSD
# is the entropy of the mixture less the mean entropy of its parts.
p_x, q_x = pairs_of_densities["two bells"]
verify.equation("7.7", kl(p_x, q_x, wide), math.log(0.7) + (1 + 1.5**2) / (2 * 0.7**2) - 0.5)
entropies = [
    -divergences.integral(torch.special.xlogy(f, f), wide) for f in (p_x, q_x, (p_x + q_x) / 2)
]
verify.equation("7.8", jsd(p_x, q_x, wide), entropies[2] - (entropies[0] + entropies[1]) / 2)

# (7.10): for 200 random pairs of bells, for two equal ones, and for two that never meet.
random = torch.Generator().manual_seed(710)
means = torch.randn(200, 2, generator=random).double()
widths = 0.6 + torch.rand(200, 2, generator=random).double()
found = [
    jsd(bell(wide, *one[:, 0].tolist()), bell(wide, *one[:, 1].tolist()), wide)
    for one in torch.stack([means, widths], dim=1)
]
blocks = [((wide >= start) & (wide < start + 1)).double() for start in (0.0, 3.0)]
never_meet = [block / divergences.integral(block, wide) for block in blocks]
found, ends = torch.stack(found), [jsd(p_x, p_x, wide), jsd(*never_meet, wide)]
verify.equation(
    "7.10",
    torch.cat([found, torch.stack(ends)]),
    torch.cat([found.clamp(0, math.log(2)), torch.tensor([0, math.log(2)], dtype=torch.float64)]),
)

# %% [markdown]
# ### How often is it right?
#
# How often does the best discriminator guess right, if it says "real" wherever $D^* > 1/2$, that is, wherever
# $p > q$? A place $x$ contributes the larger of $p/2$ and $q/2$. Since $\max(p, q) = \frac12 (p + q) + \frac12 |p - q|$,
#
# $$ \text{accuracy} = \frac12 \int \max(p, q)\, dx = \frac12 + \frac12 \operatorname{TV}(p, q), \qquad \operatorname{TV}(p, q) = \frac12 \int |p - q|\, dx. \tag{7.11} $$
#
# TV, the **total variation** distance, lies between 0 for equal densities and 1 for densities that never meet.
#
# > **Correction.** One of the articles says that training raises the discriminator's accuracy on real images and
# > *lowers* it on generated ones. It is paid by (7.3) for being right about both. What it lowers is its *score*
# > $D(x)$ of a generated image, and a low score is the right answer there. Its accuracy falls for another reason: the generator
# > improves, and by (7.11) the best that anybody can reach sinks towards one half.

# %% tags=["verify"]
accuracies, by_variation = [], []
for p_x, q_x in pairs_of_densities.values():
    says_real = divergences.optimal_discriminator(p_x, q_x) > 0.5
    right = divergences.integral(torch.where(says_real, p_x, q_x), wide) / 2
    accuracies.append(right)
    by_variation.append(0.5 + divergences.total_variation(p_x, q_x, wide) / 2)
verify.equation("7.11", torch.stack(accuracies), torch.stack(by_variation))

# %% [markdown]
# ## 7.5 Two losses with the same goal and very different slopes
#
# A generator $G$ turns noise $z$ into a sample $x = G(z)$. Let $b$ be the discriminator's logit for it, so
# $D = \sigma(b)$. Of (7.3) only the second term depends on the generator, so in the game it descends
# $\log(1 - D)$. Goodfellow et al. (2014, section 3) proposed to descend $-\log D$ instead. Both fall as $D$
# rises. Their slopes in the logit are
#
# $$ \frac{d}{db} \log\bigl(1 - \sigma(b)\bigr) = -\sigma(b) = -D, \qquad \frac{d}{db} \bigl(-\log \sigma(b)\bigr) = \sigma(b) - 1 = -(1 - D), \tag{7.12} $$
#
# and so the second pushes
#
# $$ \frac{1 - D}{D} \tag{7.13} $$
#
# times as hard as the first. **Predict before you run.** A generator is new and bad, and the discriminator is sure of
# it: $D = 0.01$. Which loss is the larger one? Which pushes harder, and how much?

# %% tags=["verify"]
b = sympy.symbols("b", real=True)
D = 1 / (1 + sympy.exp(-b))
game_slope, other_slope = sympy.diff(sympy.log(1 - D), b), sympy.diff(-sympy.log(D), b)
verify.equation("7.12", [game_slope, other_slope], [-D, D - 1])
verify.equation("7.13", other_slope / game_slope, (1 - D) / D)


# %%
def saturating_loss(fake_logits: Tensor) -> Tensor:
    """The generator's loss in the minimax game, the mean of log(1 - D): (B,) -> ()."""
    return -F.softplus(fake_logits).mean()


def slope(loss, logit: Tensor) -> float:
    """Derivative of a loss at one logit, by autograd."""
    logit = logit.clone().requires_grad_()
    return float(torch.autograd.grad(loss(logit[None]), logit)[0])


print("   D   log(1 - D)  its slope    -log D  its slope   times as hard")
for chance in (0.0001, 0.01, 0.1, 0.5, 0.9, 0.99):
    logit = torch.tensor(chance, dtype=torch.float64).logit()
    first, second = slope(saturating_loss, logit), slope(losses.generator_loss, logit)
    print(
        f"{chance:6g} {float(saturating_loss(logit[None])):10.3f} {first:10.4f} "
        f"{float(losses.generator_loss(logit[None])):9.3f} {second:10.4f} {second / first:13.4g}"
    )


# %%
def draw_losses(ax: Axes) -> None:
    chances = torch.linspace(0.007, 0.993, 987, dtype=torch.float64)
    ax.plot(chances, torch.log(1 - chances), color=RED, label="log(1 − D)")
    ax.plot(chances, -torch.log(chances), color=BLUE, label="−log D")
    ax.set(
        xlabel="D, the score of a generated sample", ylabel="loss (nats)", xlim=(0, 1), ylim=(-5, 5)
    )


def draw_slopes(ax: Axes) -> None:
    chances = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
    ax.plot(chances, chances, color=RED, label="log(1 − D)")
    ax.plot(chances, 1 - chances, color=BLUE, label="−log D")
    ax.plot([0.01, 0.01], [0.01, 0.99], "o:", color=BLACK, markersize=4, linewidth=1)
    ax.annotate("D = 0.01", (0.01, 0.5), (0.06, 0.5), va="center", fontsize=8)
    ax.set(
        xlabel="D, the score of a generated sample",
        ylabel="push on the logit",
        xlim=(0, 1),
        ylim=(0, 1.05),
    )


plotting.panels(
    [("the losses", draw_losses), ("how hard they push", draw_slopes)],
    columns=2,
    height=2.9,
    alt="Left: log(1 - D) is flat near zero for small D and dives at one; minus log D dives from high values and "
    "flattens at one. Right: the push of the first rises on a straight line from 0 to 1, that of the second falls.",
)

# %% [markdown]
# **Figure 7.3.** Left: both losses fall as the score rises. Right: the size of the slope in the logit. At
# $D = 0.01$, dots, it is 0.01 and 0.99.
#
# The first loss is called **saturating**. It is flat at small $D$, where the generator is *bad* and most needs
# to move; there the **non-saturating** loss is steep.
#
# > **Correction.** Two sentences that are often read, in much used material too. *"If the generator is good,
# > $D(G(z))$ is near 1, $\log(1 - D)$ is near 0 and its gradients vanish."* Inverted: at $D = 0.99$ the loss is
# > $-4.605$ and its slope $-0.99$, nearly the largest there is. The gradient vanishes at $D$ near *zero*.
# > *"Minimising $-\log D$ is the same as minimising $\log (1 - D)$."* At $D = 0.01$ the slopes differ 99-fold, at
# > $D = 0.99$ 99-fold the other way round. What agrees is the direction, for one sample, and the end: at
# > $p = q$, where $D^*$ is flat, neither moves the generator.
#
# Is it only the size of the step that differs, which Adam would undo? No: in a batch each sample has its own $D$,
# so the two losses give the samples different weights. What that adds up to can be said exactly, if the
# discriminator is the best one. Let the generator have parameters $\theta$, and density $q_\theta$. At
# the present $\theta_0$, the discriminator is $D^* = p / (p + q_{\theta_0})$, and *it is held fixed* while $\theta$ takes a
# small step: that is what freezing the discriminator means. Then
#
# $$ \nabla_\theta\, \mathbb{E}_z \log\bigl(1 - D^*(G_\theta(z))\bigr) = \nabla_\theta\, 2 \operatorname{JSD}(p, q_\theta), \tag{7.14} $$
#
# $$ \nabla_\theta\, \mathbb{E}_z \bigl[-\log D^*(G_\theta(z))\bigr] = \nabla_\theta\, \bigl[ \operatorname{KL}(q_\theta \,\|\, p) - 2 \operatorname{JSD}(p, q_\theta) \bigr], \tag{7.15} $$
#
# all at $\theta = \theta_0$. The second is theorem 2.5 of Arjovsky and Bottou (2017). Proof. The mean over $z$ is the mean
# over samples of $q_\theta$, and in it only $q_\theta$ moves:
#
# 1. The left side of (7.14) is $\int \nabla q_\theta \log \frac{q_{\theta_0}}{p + q_{\theta_0}}$. On the right,
#    $2 \operatorname{JSD} - \log 4 = V(D^*)$ by (7.9), and $q_\theta$ stands in two places, in the density and in $D^*$. The
#    second gives nothing: $D^*$ is where $V$ is largest, so to first order $V$ does not notice that
#    $D^*$ moves. The first gives the left side.
# 2. $-\log D^* = \log \frac{q_{\theta_0}}{p} - \log \frac{q_{\theta_0}}{p + q_{\theta_0}}$, as one sees by joining the
#    fractions. By step 1 the second term gives $-2 \nabla \operatorname{JSD}$.
# 3. The first term gives $\int \nabla q_\theta \log \frac{q_{\theta_0}}{p}$. And
#    $\nabla \operatorname{KL}(q_\theta \| p) = \int \nabla q_\theta \log \frac{q_\theta}{p} + \int q_\theta \nabla \log q_\theta$, whose last
#    integral is $\int \nabla q_\theta = \nabla 1 = 0$. ∎
#
# So the two losses do not descend the same thing. $\operatorname{KL}(q \| p)$ is a mean over *generated* samples: it is very large if
# they lie where $p$ is nearly zero, and hardly notices a part of $p$ that no generated sample visits. To make no
# implausible picture is worth more to it than to make every kind. And the minus sign before the JSD is real:
# that term alone would drive the two apart.

# %% tags=["verify"]
theta = torch.tensor([0.4, -0.3], dtype=torch.float64)  # mean and logarithm of the width
real_x = (0.3 * bell(wide, -2, 0.8) + 0.7 * bell(wide, 1.5, 0.6)).detach()


def made_x(parameters: Tensor) -> Tensor:
    return bell(wide, parameters[0], parameters[1].exp())


def best_logit(x: Tensor) -> Tensor:
    """log p/q at the present parameters, as a function of the sample alone."""
    real = torch.log(0.3 * bell(x, -2, 0.8) + 0.7 * bell(x, 1.5, 0.6))
    return real - torch.log(bell(x, theta[0].item(), theta[1].exp().item()))


def left_side(loss) -> Tensor:
    """Gradient of the mean loss over z from N(0, 1), by quadrature, with the discriminator fixed."""
    moving, z = theta.clone().requires_grad_(), torch.linspace(-8, 8, 4001, dtype=torch.float64)
    samples = moving[0] + moving[1].exp() * z
    mean = divergences.integral(bell(z, 0, 1) * loss(best_logit(samples)), z)
    return torch.autograd.grad(mean, moving)[0]


def right_side(of_density) -> Tensor:
    moving = theta.clone().requires_grad_()
    return torch.autograd.grad(of_density(made_x(moving)), moving)[0]


verify.equation(
    "7.14", left_side(lambda b: -F.softplus(b)), right_side(lambda q_x: 2 * jsd(real_x, q_x, wide))
)
verify.equation(
    "7.15",
    left_side(lambda b: F.softplus(-b)),
    right_side(lambda q_x: kl(q_x, real_x, wide) - 2 * jsd(real_x, q_x, wide)),
)

# %% [markdown]
# ## 7.6 When the two never meet
#
# Real pictures fill a tiny part of the space of all pixels (lesson 01), and so do the pictures of a new generator. Two such
# clouds need not touch. Take the simplest case: real numbers spread evenly over $[0, 1]$, generated ones
# evenly over $[t, t + 1]$. Where the two blocks overlap, $p = q = m$ and the logarithms in (7.8) are zero. Everywhere
# else only one of the densities is positive, and the logarithm is $\log 2$. So the JSD is $\log 2$ times the part that does not
# overlap.
#
# Compare it with another distance. The **Wasserstein-1 distance** $W_1$ is the least work, mass times way, that turns one density
# into the other. On a line, with $P$ and $Q$ the distribution functions, the masses to the left of $x$,
#
# $$ W_1(p, q) = \int |P(x) - Q(x)|\, dx, \tag{7.16} $$
#
# since over each point $x$ at least the mass $|P(x) - Q(x)|$ has to be carried, in one direction or the other, and the plan that
# keeps the order, each quantile to the same quantile, carries no more over any of them. (Lesson 08
# derives a form that works for images.) The block has to be carried by $t$ as a whole:
#
# $$ \operatorname{JSD} = \min(1, t)\, \log 2, \qquad W_1 = t. \tag{7.17} $$
#
# From $t = 1$ on the JSD is $\log 2$ and stays there. It does not tell a generator whether it is far or very far, and
# its slope is zero.

# %% tags=["verify"]
z = torch.linspace(-8, 8, 16001, dtype=torch.float64)
# (7.16) on an instance: N(0, 1) and N(1.5, 0.7^2), by distribution functions, and by carrying each quantile
# to the same quantile of the other: z goes to 1.5 + 0.7 z.
p_x, q_x = pairs_of_densities["two bells"]
carried = divergences.integral(bell(z, 0, 1) * (1.5 + 0.7 * z - z).abs(), z)
verify.equation("7.16", divergences.wasserstein(p_x, q_x, wide), carried, tolerance=1e-5)


def block(x: Tensor, start: float, noise: float = 0.0) -> Tensor:
    """Density of numbers spread evenly over [start, start + 1], with Gaussian noise added to them."""
    if noise == 0:
        return ((x >= start) & (x < start + 1)).double()
    return torch.special.ndtr((x - start) / noise) - torch.special.ndtr((x - start - 1) / noise)


# A grid that no edge of a block meets.
cells = (torch.arange(-6_000, 12_000, dtype=torch.float64) + 0.5) / 1000
shifts = [0.0, 0.25, 0.5, 1.0, 2.0, 4.0]
both = [
    [divergence(block(cells, 0), block(cells, t), cells) for t in shifts]
    for divergence in (divergences.jsd, divergences.wasserstein)
]
stated = [[min(1.0, t) * math.log(2) for t in shifts], shifts]
verify.equation("7.17", both, torch.tensor(stated, dtype=torch.float64), tolerance=1e-6)

# %%
ways = torch.linspace(0, 4, 33, dtype=torch.float64)


def draw_stuck(ax: Axes) -> None:
    for noise, colour, name in (
        (0.0, BLACK, "no noise"), (0.5, BLUE, "noise 0.5"), (1.0, RED, "noise 1"),
    ):  # fmt: skip
        far = [
            divergences.jsd(block(cells, 0, noise), block(cells, float(t), noise), cells)
            for t in ways
        ]
        ax.plot(ways, far, color=colour, label=name)
    ax.set(xlabel="distance t of the blocks", ylabel="JSD (nats)", xlim=(0, 4), ylim=(0, 0.75))


def draw_falling(ax: Axes) -> None:
    far = [divergences.wasserstein(block(cells, 0), block(cells, float(t)), cells) for t in ways]
    ax.plot(ways, far, color=BLACK, label="no noise")
    ax.set(xlabel="distance t of the blocks", ylabel="W1 (units of x)", xlim=(0, 4), ylim=(0, 4.3))


plotting.panels(
    [("Jensen-Shannon", draw_stuck), ("Wasserstein-1", draw_falling)],
    columns=2,
    height=2.8,
    alt="Left: the Jensen-Shannon divergence without noise rises to log 2 at distance 1 and is flat from there on; "
    "with noise it goes on rising. Right: the Wasserstein distance is a straight line.",
)

# %% [markdown]
# **Figure 7.4.** Two blocks of length 1 at distance $t$. Without noise the JSD is flat from $t = 1$ on. If Gaussian noise
# is added to the real *and* to the generated numbers, the densities overlap again, and the JSD has a slope: with a standard deviation
# of 1 over the whole range shown. Noise does not move the goal. It multiplies the Fourier transforms of both
# densities by one that is zero nowhere, so if they are equal with noise, they were equal without.
#
# What does that do to a generator in practice? The discriminator is then a network in training. Put the blocks at
# distance 3, train it, and measure on the way how hard each loss pushes a generated number. By the chain rule the push is
# the slope of (7.12) times that of the logit, $D\, |b'(x)|$ or $(1 - D)\, |b'(x)|$.
#
# **Predict before you run.** The discriminator gets better and better. Which push grows, which dies, and how fast? What
# changes with noise?


# %% tags=["nbval-ignore-output"]
LOOKS = (0, 25, 50, 100, 200, 400, 800)


def pushes_in_training(noise: float) -> dict[str, list[float]]:
    """Mean push of each loss on generated numbers after LOOKS steps of the discriminator."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    judge = small_network()
    adam = torch.optim.Adam(judge.parameters(), 1e-2, (0.5, 0.99))
    seen = {"log(1 − D)": [], "−log D": []}
    for step in range(max(LOOKS) + 1):
        real = torch.rand(256, 1, generator=random) + noise * torch.randn(256, 1, generator=random)
        made = 3 + torch.rand(256, 1, generator=random)
        made = made + noise * torch.randn(256, 1, generator=random)
        if step in LOOKS:
            made.requires_grad_()
            for name, loss in (("log(1 − D)", saturating_loss), ("−log D", losses.generator_loss)):
                (push,) = torch.autograd.grad(256 * loss(judge(made)), made)
                seen[name].append(float(push.abs().mean()))
        loss = losses.discriminator_loss(judge(real), judge(made.detach()))
        adam.zero_grad()
        loss.backward()
        adam.step()
    return seen


without, with_noise = pushes_in_training(0.0), pushes_in_training(1.0)
for name, seen in (("", without), (", noise 1", with_noise)):
    for loss, values in seen.items():
        print(
            f"{loss + name:20} after 25 steps {values[1]:9.3g}, after 800 steps {values[-1]:9.3g}"
        )
plotting.curves(
    LOOKS,
    {
        "−log D": without["−log D"],
        "log(1 − D)": without["log(1 − D)"],
        "log(1 − D), noise 1": with_noise["log(1 − D)"],
    },
    logy=True,
    xlabel="training step of the discriminator",
    ylabel="mean push on a generated number",
    alt="On a logarithmic scale, the push of minus log D rises and stays above one; that of log(1 - D) falls by several "
    "powers of ten; with noise it stays in between, at a few tenths.",
)

# %% [markdown]
# **Figure 7.5.** The push of the two losses on numbers that lie 3 away from the real ones, while the discriminator learns.

# %% tags=["verify"]
verify.claim(
    "7.5",
    "without noise, the push of log(1 - D) after 800 steps is at most",
    without["log(1 − D)"][-1],
    (None, 0.0001),
)
verify.claim("7.6", "that of -log D is then at least", without["−log D"][-1], (3.0, None))
verify.claim(
    "7.7",
    "with noise, the push of log(1 - D) is larger than without by a factor of",
    with_noise["log(1 − D)"][-1] / without["log(1 − D)"][-1],
    (1000.0, None),
)

# %% [markdown]
# The better the discriminator, the less the saturating loss has to say: in the run shown its push falls more than
# a thousandfold between step 25 and step 800. With noise it stays at a few tenths: the clouds overlap, and the discriminator cannot
# become sure. The push of the non-saturating loss even grows, with the slope of the logit. But between two clouds that do not touch there is no $D^*$ that says where to go: it pushes along a slope that the network
# has made up between them. On a line there are only two directions, and the network's slope points to the real
# numbers. Among images there are many directions. Noise, on both kinds, is one remedy (Arjovsky and Bottou, 2017,
# section 3). Lesson 08 treats two others: another distance, and a penalty on the slope.
#
# ## 7.7 The algorithm
#
# Nobody waits until the discriminator is optimal. In the algorithm of Goodfellow et al. both players take short steps in turn,
# and the hope is that the discriminator stays near its best while the generator moves slowly.
#
# ```mermaid
# flowchart TD
#     A["draw B real samples x<br/>and B noise vectors z"] --> B["generate G(z)"]
#     B --> C["<b>discriminator's turn</b><br/>G(z) as plain data: detach<br/>L_D = mean of −log D(x) − log(1 − D(G(z)))"]
#     C --> D["one step of D down its loss"]
#     D --> E["<b>generator's turn</b><br/>D has changed: score G(z) again<br/>L_G = mean of −log D(G(z))"]
#     E --> F["one step of G down its loss,<br/>through D, which stays as it is"]
#     F --> G{"enough steps?"}
#     G -- no --> A
#     G -- yes --> H["keep G, throw D away"]
# ```
#
# **Figure 7.6.** One round of the game. `detach` in the discriminator's turn keeps its loss from teaching the generator to be
# caught.
#
# Here it is as a program, for numbers. Real numbers come from $N(2, 0.5^2)$. The generator has two weights only, the mean and
# the logarithm of the width of its bell; it starts at $N(-4, 1)$, where no real number is near.
#
# **Predict before you run.** The generator never sees a real number. Will it find the mean? And the width?


# %%
def play(steps: int = 1500, batch: int = 128, rate: float = 1e-2) -> Tensor:
    """Train both players; return mean and width of the generator after each step, (steps, 2)."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    weights = torch.tensor([-4.0, 0.0], requires_grad=True)  # mean, logarithm of the width
    judge = small_network()  # (B, 1) -> (B,) logits
    adam = torch.optim.Adam([weights], rate, (0.0, 0.9))
    judge_adam = torch.optim.Adam(judge.parameters(), rate, (0.0, 0.9))
    path = []
    for _ in range(steps):
        real = 2 + 0.5 * torch.randn(batch, 1, generator=random)  # (B, 1)
        z = torch.randn(batch, 1, generator=random)  # (B, 1)
        made = weights[0] + weights[1].exp() * z  # (B, 1), the whole generator

        loss = losses.discriminator_loss(judge(real), judge(made.detach()))
        judge_adam.zero_grad()
        loss.backward()
        judge_adam.step()

        loss = losses.generator_loss(judge(made))
        adam.zero_grad()
        loss.backward()
        adam.step()
        path.append([weights[0].item(), weights[1].exp().item()])
    return torch.tensor(path)


path = play()
plotting.curves(
    range(len(path)),
    {"mean": path[:, 0], "width": path[:, 1]},
    levels={"real mean": 2.0, "real width": 0.5},
    xlabel="step of the game",
    ylabel="mean and width of the generator",
    alt="The generator's mean rises from -4 and stays at 2 after about 600 steps; its width falls from 1 to 0.3, "
    "below the real one, and comes back to 0.5.",
)

# %% [markdown]
# **Figure 7.7.** The generator's two weights through the game; dashed, those of the real numbers.

# %% tags=["verify"]
last = path[-300:].mean(dim=0)
verify.claim(
    "7.8",
    "over the last 300 steps the generator's mean is on average within this of the real one",
    (last[0] - 2).abs(),
    (None, 0.03),
)
verify.claim("7.9", "and its width of the real width", (last[1] - 0.5).abs(), (None, 0.04))

# %% [markdown]
# Two numbers about the real data have passed to the generator, through nothing but the slope of a network that was asked
# "real or not?".
#
# ### Provoke it: the same game with the saturating loss
#
# Now section 7.6 in earnest. The discriminator gets a start of 300 steps. The generator's bell has the right width, only its mean moves,
# by plain gradient descent: Adam would divide a small gradient by its own size and so hide how small it is. **Predict before you run.** Where are the two
# generators after 700 steps of their own?


# %%
def play_late(loss_of, rate: float = 0.05, head_start: int = 300, steps: int = 1000) -> list[float]:
    """The generator's mean after each step; it may move after `head_start` steps only."""
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    mean, judge = torch.tensor(-4.0, requires_grad=True), small_network()
    judge_adam = torch.optim.Adam(judge.parameters(), 1e-2, (0.0, 0.9))
    path = []
    for step in range(steps):
        real = 2 + 0.5 * torch.randn(128, 1, generator=random)
        made = mean + 0.5 * torch.randn(128, 1, generator=random)
        loss = losses.discriminator_loss(judge(real), judge(made.detach()))
        judge_adam.zero_grad()
        loss.backward()
        judge_adam.step()
        if step >= head_start:
            (slope_of_mean,) = torch.autograd.grad(loss_of(judge(made)), mean)
            with torch.no_grad():
                mean -= rate * slope_of_mean
        path.append(mean.item())
    return path


late = {"−log D": play_late(losses.generator_loss), "log(1 − D)": play_late(saturating_loss)}
plotting.curves(
    range(1000),
    late,
    levels={"real mean": 2.0},
    xlabel="step of the discriminator; the generator moves from step 300 on",
    ylabel="mean of the generator",
    ylim=(-5, 3),
    alt="With log(1 - D) the mean stays at -4 to the end; with minus log D it jumps to 2 soon after step 300.",
)

# %% [markdown]
# **Figure 7.8.** Two generators, one discriminator's head start. One of them has moved.

# %% tags=["verify"]
verify.claim(
    "7.10",
    "with log(1 - D), the mean has moved by at most",
    abs(late["log(1 − D)"][-1] + 4),
    (None, 0.1),
)
verify.claim(
    "7.11",
    "with -log D, it ends within this of the real mean",
    abs(late["−log D"][-1] - 2),
    (None, 0.06),
)

# %% [markdown]
# The repair is one line, `losses.generator_loss` in the place of `saturating_loss`. From here on "the plain loss" is that one.
#
# ## 7.8 Play it yourself
#
# In JupyterLab and on Colab the next cell shows sliders for the generator's mean and width, and two buttons. Each makes one step of gradient descent, no longer than 1, against
# the *best* discriminator, computed from the densities. In a saved notebook it is a slider through 40 steps of the
# non-saturating loss.

# %% tags=["nbval-ignore-output"]
gan_game.gan_game(
    alt="Above, the real bell, the generated bell and the best discriminator between them, with the Jensen-Shannon divergence "
    "and the Wasserstein distance. Below, arrows on nine samples for each loss."
)

# %% [markdown]
# **Figure 7.9.** Above: $p$, $q$ and $D^*$. Below: how each loss pushes nine samples. Within one picture both losses have one
# scale; each picture has its own, so lengths in two pictures cannot be compared.
#
# Three things to try. Move the generator to mean $-4$ and width 0.3, and compare the arrows of the two losses. Move it
# onto the real bell: all arrows vanish. Then choose *two Gaussians* as real, put the generator between them, at
# mean 0.5 and width 0.7, and step with either loss. Does it cover both, or choose one?
#
# Ten steps of the saturating loss lead to a mean of 0.59 and a width of 2.02, and more of them to 0 and 2.06: one wide bell over
# both. Ten steps of the other lead to 1.90 and 0.70, and in the end to the right bell alone. That is (7.15): its KL
# would rather miss a kind than make an implausible number. From a mean of exactly 0 both losses cover both, as by
# symmetry nothing pushes to a side.
#
# ## 7.9 Eight Gaussians, and mode collapse
#
# A bell has one mode. Pictures have many: trousers, shoes, bags. A usual test is a ring of eight narrow Gaussians
# (Metz et al., 2017), because one can see and count what is missing. Count as follows. A point is *good* if it lies within 3
# standard deviations of the nearest centre. A mode is *covered* if it has at least a tenth of its fair share, $N/8$ of $N$
# points, as good ones, since a single stray point is no mode.
#
# Real points are not all good. In two dimensions the squared distance $t$ of a point $x$ from its centre $c$, in
# units of the variance $\sigma^2$, has the density $\frac12 e^{-t/2}$, so the share within $r$ standard deviations is
#
# $$ P(|x - c| \le r \sigma) = 1 - e^{-r^2/2}, \tag{7.18} $$
#
# which is 0.989 for $r = 3$. That is what a right generator reaches. More would mean clouds narrower than the
# real ones.

# %% tags=["verify"]
real_points = eight_gaussians.sample(1_000_000, generator=torch.Generator().manual_seed(718))
# Monte-Carlo over a million points: the standard error is 0.0001.
verify.equation(
    "7.18",
    torch.tensor(eight_gaussians.coverage(real_points).good).double(),
    1 - math.exp(-(3**2) / 2),
    tolerance=1e-3,
)

# %% [markdown]
# One training proves nothing about a game that depends so much on luck. So we play five games at once. Each weight gets a
# first axis, the game, and one matrix product computes all five. The losses of the games are added; since no weight is shared, each game
# gets exactly the gradients that it would have alone.


# %%
GAMES, LATENT, WIDE = 5, 2, 64


class ManyNetworks(nn.Module):
    """GAMES independent networks with two hidden layers: (GAMES, B, inside) -> (GAMES, B, outside)."""

    def __init__(self, inside: int, outside: int, slope: float, random: torch.Generator) -> None:
        super().__init__()
        sizes = (inside, WIDE, WIDE, outside)
        draw = [
            (torch.rand(GAMES, n + 1, m, generator=random) * 2 - 1) / math.sqrt(n)
            for n, m in itertools.pairwise(sizes)
        ]
        self.weights = nn.ParameterList([one[:, :-1].clone() for one in draw])  # (GAMES, n, m)
        self.biases = nn.ParameterList([one[:, -1:].clone() for one in draw])  # (GAMES, 1, m)
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if number:
                x = F.leaky_relu(x, self.slope)
            x = torch.baddbmm(bias, x, weight)
        return x


# %% tags=["verify"]
# The games do not touch each other: other points in four of them leave the first one's gradient as it was.
network = ManyNetworks(2, 1, 0.2, torch.Generator().manual_seed(1))
points = torch.randn(GAMES, 8, 2, generator=torch.Generator().manual_seed(2))
others = torch.cat([points[:1], points[1:] + 1])
alone, among = (
    torch.autograd.grad(losses.generator_loss(network(x)), network.weights[0])[0][0]
    for x in (points, others)
)
torch.testing.assert_close(alone, among)


# %%
@dataclasses.dataclass
class Rule:
    """How a game is played: the loss, the weight of R1, and Adam's first decay rate."""

    pairs: bool
    r1: float
    momentum: float


def play_ring(rule: Rule, steps: int = 1200, batch: int = 128, rate: float = 1e-3) -> list[Tensor]:
    """Points of all games, (GAMES, 2000, 2), five times in the course of the training."""
    random = torch.Generator().manual_seed(seed)
    generator = ManyNetworks(LATENT, 2, 0.0, random)
    judge = ManyNetworks(2, 1, 0.2, random)
    adams = [
        torch.optim.Adam(network.parameters(), rate, (rule.momentum, 0.999))
        for network in (generator, judge)
    ]
    fixed_z, frames = torch.randn(GAMES, 2000, LATENT, generator=random), []
    for step in range(1, steps + 1):
        real = eight_gaussians.sample(GAMES, batch, generator=random).requires_grad_(rule.r1 > 0)
        made = generator(torch.randn(GAMES, batch, LATENT, generator=random))  # (GAMES, B, 2)
        a, b = judge(real)[..., 0], judge(made.detach())[..., 0]  # (GAMES, B)
        loss = losses.relativistic_loss(a, b) if rule.pairs else losses.discriminator_loss(a, b)
        if rule.r1:
            (slopes,) = torch.autograd.grad(a.sum(), real, create_graph=True)
            loss = loss + rule.r1 / 2 * slopes.square().sum(dim=-1).mean()
        adams[1].zero_grad()
        (GAMES * loss).backward()  # the mean over games and batch, times the games
        adams[1].step()

        judge.requires_grad_(False)
        b = judge(made)[..., 0]
        loss = losses.relativistic_loss(b, a.detach()) if rule.pairs else losses.generator_loss(b)
        adams[0].zero_grad()
        (GAMES * loss).backward()
        adams[0].step()
        judge.requires_grad_(True)
        if step % (steps // 5) == 0:
            frames.append(generator(fixed_z).detach())
    return frames


# %% [markdown]
# Two things are varied. One is the loss: the plain one of section 7.7, or the course's, which compares real and generated
# points in pairs and adds the R1 penalty on the slope of $D$ (lessons 08 and 09). The other is Adam's first decay
# rate, the momentum. Adam's default is 0.9, and whoever does not think about it plays with that. **Predict before you
# run:** which of the two matters more?

# %%
RULES = {
    "plain, momentum 0.9": Rule(False, 0.0, 0.9),
    "pairs and R1, momentum 0.9": Rule(True, 0.1, 0.9),
    "plain, momentum 0": Rule(False, 0.0, 0.0),
    "pairs and R1, momentum 0": Rule(True, 0.1, 0.0),
}
rings = {name: play_ring(rule) for name, rule in RULES.items()}

# %% tags=["nbval-ignore-output"]
plotting.frame_slider(
    [
        eight_gaussians.frame({name: frames[part][0] for name, frames in rings.items()})
        for part in range(5)
    ],
    labels=[f"after {240 * (part + 1)} of 1200 steps" for part in range(5)],
    alt="Four clouds of 2,000 generated points over eight orange circles on a ring, for the four ways to play.",
    limit=110_000,
)

# %% [markdown]
# **Figure 7.10.** The first of the five games, played in four ways. Orange circles: 3 standard deviations about the eight centres. Blue: 2,000
# generated points, from the same noise in all frames; those outside the square are not shown.

# %% tags=["nbval-ignore-output"]
found = {
    name: [eight_gaussians.coverage(points) for points in frames[-1]]
    for name, frames in rings.items()
}


def draw_found(of, unit: str, top: float):
    def draw(ax: Axes) -> None:
        for row, (_name, games) in enumerate(found.items()):
            values = [of(one) for one in games]
            nudges = [row + 0.07 * (game - 2) for game in range(GAMES)]  # equal values side by side
            ax.plot(values, nudges, "o", color=list(plotting.COLOURS.values())[row], markersize=5)
        ax.set_yticks(range(len(found)), list(found))
        ax.set(xlabel=unit, xlim=(-0.03 * top, 1.04 * top), ylim=(3.6, -0.6))
        if top < 8:
            ax.set_yticklabels([])

    return draw


for name, games in found.items():
    mean_modes, mean_good = (
        sum(values) / GAMES
        for values in ([one.modes for one in games], [one.good for one in games])
    )
    print(f"{name:27} on average {mean_modes:.1f} of 8 modes, {mean_good:.2f} of the points good")
plotting.panels(
    [
        ("covered modes", draw_found(lambda one: one.modes, "of 8", 8)),
        ("good points", draw_found(lambda one: one.good, "share (real points: 0.989)", 1)),
    ],
    columns=2,
    height=2.3,
    alt="Dots for five games of each kind. With momentum 0.9 the plain loss covers few of the modes and the other "
    "loss more of them; without momentum both cover all eight. The share of good points follows the same order.",
)

# %% [markdown]
# **Figure 7.11.** Each dot is a game at its end: five games for each of the four ways to play.

# %% tags=["verify"]
modes = {name: [one.modes for one in games] for name, games in found.items()}
good = {name: sum(one.good for one in games) / GAMES for name, games in found.items()}
verify.claim(
    "7.12",
    "plain loss, momentum 0.9: of eight modes, the five games cover on average at most",
    sum(modes["plain, momentum 0.9"]) / GAMES,
    (None, 4.0),
)
verify.claim(
    "7.13",
    "plain loss, no momentum: of eight modes, the worst of five games covers at least",
    min(modes["plain, momentum 0"]),
    (6, None),
)
verify.claim(
    "7.14",
    "plain loss: without momentum, the mean share of good points is larger by at least",
    good["plain, momentum 0"] - good["plain, momentum 0.9"],
    (0.3, None),
)
verify.claim(
    "7.15",
    "momentum 0.9: pairs and R1 raise the mean number of covered modes by at least",
    (sum(modes["pairs and R1, momentum 0.9"]) - sum(modes["plain, momentum 0.9"])) / GAMES,
    (2.0, None),
)

# %% [markdown]
# This is **mode collapse**. In the first panel of Figure 7.10 all noise vectors lead into one streak, in the last frame a wedge, which wanders from
# frame to frame and mostly misses the circles. At the end at most a tenth of the points of each game are good. Pairs and R1 make it milder: most modes are covered in the end, with
# a quarter to a half of the points good. To set one number to zero brings back all eight modes in Figure 7.11, with either
# loss. Half to three quarters of the points are then good; many others lie on bridges between the modes. So momentum matters
# more. By the modes one could hardly tell, as either change alone brings back most of them; but the share of good points rises by
# more with the momentum than with the loss, as printed. A possible reading: momentum carries on a step that answered an
# opponent who has moved since. (Lesson 08 takes a game apart in which two numbers play, so that every orbit can be computed.)
#
# The losses were not recorded here. They need not tell: the discriminator's loss compares real points with the present
# generator only, and does not say which modes are missing. So the next experiment counts again.
#
# ## 7.10 A hundred kinds of pairs
#
# The same question with images. Stack two random garments as the two channels of one image. There are
# $10 \times 10 = 100$ kinds of pairs, all equally frequent, and the course's classifier, which sees one channel at a
# time, can say which kind an image shows. (Three channels, a thousand kinds, are the usual form, with digits: Metz et al., 2017, Srivastava et
# al., 2017.) To keep it short, the images are halved to $16 \times 16$ (with a GPU they are not).

# %%
limits = runtime.budget(
    cpu=runtime.Budget("fashion-mnist", steps=500, batch=32, size=16, width=24),
    gpu=runtime.Budget("fashion-mnist", steps=5000, batch=64, size=32, width=48),
    device=device,
)


def garment_pairs(split: str, count: int) -> data.ImageSet:
    """Two garments as two channels, (count, 2, size, size)."""
    images = data.load_images(limits.data, split, 32)
    halved = F.avg_pool2d(images.images.float(), 32 // limits.size).round().to(torch.uint8)
    return stacked.stacked(dataclasses.replace(images, images=halved), 2, count, seed)


def side_by_side(pairs: Tensor) -> Tensor:
    """(N, 2, H, W) -> (N, 1, H, 2 W + 1), with a grey line between the two."""
    line_between = torch.zeros(*pairs[:, :1].shape[:3], 1)
    return torch.cat([pairs[:, :1], line_between, pairs[:, 1:]], dim=3)


classifier, _ = checkpoints.load_classifier(device)


def kinds_covered(images: Tensor) -> int:
    """Kinds that at least a fifth of their fair share of these pairs (N, 2, H, W) show."""
    large = F.interpolate(images, size=32, mode="nearest")
    shown = stacked.shown_classes(classifier, large, device)
    return stacked.modes_covered(stacked.mode_numbers(shown), 100, least=0.2)


train_pairs, test_pairs = garment_pairs("train", 20_000), garment_pairs("test", 1000)
of_real = kinds_covered(test_pairs.batch(range(1000)))

# %% [markdown]
# Of 1,000 pairs, ten are the fair share of each kind, so two images make a kind count. The classifier is not always right, least of all on
# halved images; that real pairs are counted the same way gives the frame. Three trainings follow, of
# [lesson 09's](09_dcgan.ipynb) networks, made narrow. The first two differ in the momentum alone; the third has the course's
# loss, Adam's decay rates of 0 and 0.99, and an average of the generator.
# **Predict before you run.** How many of the hundred kinds does each of them draw?

# %%
course = recipes.Recipe(
    limits.steps,
    batch=limits.batch,
    channels=2,
    size=limits.size,
    width=limits.width,
    depth=1,
    seed=seed,
)
plain = dataclasses.replace(course, loss="non-saturating", r1=0.0, average=0.0, betas=(0.0, 0.999))
PAIR_RULES = {
    "plain, momentum 0.9": dataclasses.replace(plain, betas=(0.9, 0.999)),
    "plain, momentum 0": plain,
    "the course's recipe": course,
}
drawn, kinds = {}, {}
for name, recipe in PAIR_RULES.items():
    state = training.GanState.create(recipe, device)
    for _ in training.train_gan(state, train_pairs, every=100):
        pass
    drawn[name] = metrics.sample_images(state.generate, recipe.latent, 1000, seed=7, device=device)
    kinds[name] = kinds_covered(drawn[name])

# %% tags=["nbval-ignore-output"]
plotting.image_grid(
    torch.cat(
        [
            side_by_side(test_pairs.batch(range(8))),
            *(side_by_side(one[:8]) for one in drawn.values()),
        ]
    ),
    columns=8,
    row_labels=["real", *drawn],
    alt="Four rows of eight pairs of small images: real garments, then those of the three trainings. The second row shows "
    "grids of dots, the third and the fourth blurred outlines of garments.",
)

print(f"{'real pairs':24}{of_real:4} of 100 kinds")
for name, count in kinds.items():
    print(f"{name:24}{count:4}")

# %% [markdown]
# **Figure 7.12.** Eight pairs of each, not chosen. First row: real ones. After so few steps, garments can be told in the
# last two rows, no more; in the second row nothing can. A classifier puts every image into one of its classes, a grid of
# dots too: the count measures variety, not quality.

# %% tags=["verify"]
verify.claim("7.16", "of a hundred kinds, 1,000 real pairs cover", of_real, (90, None))
verify.claim(
    "7.17",
    "plain loss, momentum 0.9: covered kinds, at most",
    kinds["plain, momentum 0.9"],
    (None, 35),
)
verify.claim(
    "7.18",
    "plain loss, no momentum: covered kinds, at least",
    kinds["plain, momentum 0"],
    (50, None),
)
verify.claim(
    "7.19", "the course's recipe: covered kinds, at least", kinds["the course's recipe"], (40, None)
)

# %% [markdown]
# The ring told the truth about images, too: with the same plain loss, momentum makes the difference between most kinds
# and few, if one may call them kinds. In so short a training the course's recipe, with pairs, R1 and an averaged generator but without its look at a group (lesson 09), does about as
# well as the plain loss without momentum: under five seeds one to two kinds more twice, and four to ten fewer three times. What each of its parts is good for is the subject of lessons 08 and 09.
# `python -m benchmarks modes` has the form with 1,000 kinds, in 2,000 steps. It compares the course's recipe with the plain loss
# without safeguards, both without momentum.
#
# ## Summary
#
# - A discriminator that is right about probabilities knows the ratio $p/q$ of two densities that nobody wrote down; its logit is $\log (p/q)$, plus the logarithm of the odds of the shares.
# - The best discriminator is $D^* = p/(p + q)$. Against it, $V = 2 \operatorname{JSD} - \log 4$, with one minimum, at $p = q$. There the discriminator's loss is 1.386 and its accuracy one half.
# - $\log (1 - D)$ saturates where $D$ is near 0 and the generator is bad; $-\log D$ pushes $(1 - D)/D$ times as hard. They descend different things: $2 \operatorname{JSD}$ and $\operatorname{KL}(q \| p) - 2 \operatorname{JSD}$.
# - If real and generated samples do not overlap, the JSD is $\log 2$ however far they are apart, and a good discriminator leaves the saturating loss without a slope. Noise on both makes them overlap.
# - One round: the discriminator on real and *detached* generated samples, then the generator through the new discriminator.
# - Mode collapse is seen by counting, over several games. Here Adam's default momentum led to it, pairs and R1 made it milder, and without momentum the modes came back.
#
# **Exercises.** [Eight exercises](../exercises/07_the_gan_game.ipynb), with checks that say what an answer misunderstood.
# [Solutions](../solutions/07_the_gan_game.ipynb).
#
# ## Sources
#
# - I. Goodfellow et al. *Generative Adversarial Nets.* NeurIPS 2014. Section 3 (the game and the non-saturating loss), section 4 (proposition 1, theorem 1, algorithm 1).
# - M. Arjovsky, L. Bottou. *Towards Principled Methods for Training Generative Adversarial Networks.* ICLR 2017. Section 2 (disjoint supports, theorem 2.5), section 3 (noise).
# - J. Lin. *Divergence Measures Based on the Shannon Entropy.* IEEE Transactions on Information Theory, 1991. (The Jensen-Shannon divergence.)
# - M. Sugiyama, T. Suzuki, T. Kanamori. *Density Ratio Estimation in Machine Learning.* Cambridge University Press, 2012.
# - S. Vallender. *Calculation of the Wasserstein Distance between Probability Distributions on the Line.* Theory of Probability and Its Applications, 1974.
# - L. Metz, B. Poole, D. Pfau, J. Sohl-Dickstein. *Unrolled Generative Adversarial Networks.* ICLR 2017. (The ring of Gaussians, the stacked images.)
# - A. Srivastava et al. *VEEGAN: Reducing Mode Collapse in GANs using Implicit Variational Learning.* NeurIPS 2017.
# - L. Mescheder, A. Geiger, S. Nowozin. *Which Training Methods for GANs do actually Converge?* ICML 2018. (R1.)
# - A. Jolicoeur-Martineau. *The Relativistic Discriminator: a Key Element Missing from Standard GAN.* ICLR 2019. (Pairs.)
