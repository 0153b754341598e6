# %% [markdown]
# # 11. Stabilising and speeding up
#
# > **The question.** Two trainings with the same data, the same networks and as many steps: one begins to draw clothes, the
# > other draws blobs. A long list of remedies is on offer. What does each of them do to the game, which of them can be seen to
# > help when one is changed at a time, and where do the seconds go?
#
# | | |
# |---|---|
# | **You need** | The losses and penalties of [lesson 08](08_gan_losses.ipynb), the training step of [lesson 09](09_dcgan.ipynb) and the distances of [lesson 10](10_evaluating_generators.ipynb). What this lesson uses of them is recalled where it is used. |
# | **You will be able to** | predict from a 2 x 2 matrix which ratio of learning rates settles, say where in a step each remedy acts, design a moving average as a filter, augment without leaking, count the multiplications of a step, time code honestly, and compare remedies one at a time |
# | **Time** | about 3 minutes of computing on 2 CPU cores, an hour and a half of reading. What a GPU saves has not been measured. |

# %%
import copy
import dataclasses
import itertools
import json
import math
import statistics
import time
from collections.abc import Iterator

import numpy as np
import sympy
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from course_lib import (
    augmentation,
    averaging,
    checkpoints,
    data,
    losses,
    metrics,
    plotting,
    recipes,
    runtime,
    sources,
    step_cost,
    training,
    treatments,
    verify,
    widgets,
)
from course_lib.models import dcgan

seed = runtime.seed(0)
device = runtime.device()
# Of the short experiments. The same on a GPU: what is claimed below is claimed of these trainings.
budget = runtime.budget(
    cpu=runtime.Budget("fashion-mnist", steps=200, batch=32, size=32, width=16),
    gpu=runtime.Budget("fashion-mnist", steps=200, batch=32, size=32, width=16),
    device=device,
)
BLUE, RED, GREEN = (plotting.COLOURS[name] for name in ("blue", "vermillion", "green"))
train = data.load_images(budget.data, "train", size=budget.size)
test = data.load_images(budget.data, "test", size=budget.size)
classifier, _ = checkpoints.load_classifier(device)
distance = metrics.RelativeFrechet(classifier, data.normalise(test.images), device)


@torch.no_grad()
def quality(generate, latent: int, count: int = 1000) -> float:
    """Relative Fréchet distance of `count` generated images to the test images; infinite for NaN."""
    images = metrics.sample_images(generate, latent, count, seed=7, device=device)
    return distance(images) if images.isfinite().all() else math.inf


# %% [markdown]
# ## 11.1 The idea in one picture
#
# A **generator** $G$ turns 64 random numbers into an image. A **discriminator** $D$ gives an image one number, its
# **logit** $a$, high for "real". They learn in turn, each against the other. We train three pairs for the same number of
# steps and look at two things: the relative Fréchet distance of their images (0: the features' means and covariances
# agree; 1: a generator that always draws the average feature vector; lesson 10), and the seconds it took.
#
# - *The paper's settings*: those of DCGAN (2015), with batches of 32, 64 latent numbers and networks of 16 channels.
# - *The course's recipe* of lesson 09: pairs, an $R_1$ penalty on the discriminator's slope, no momentum, an averaged
#   generator. (The look at a group of images, its last change, is left out in this lesson: what follows is derived for a
#   discriminator of single images. In the short trainings, up to section 11.5, the learning rate does not fall either.)
# - *Out of balance*: the same without the penalty, and with a discriminator that learns thirty times as fast.

# %%
common = {"steps": budget.steps, "batch": budget.batch, "width": budget.width, "seed": seed}
paper = recipes.paper_recipe(**common, latent=64)
course = recipes.course_recipe(torch.device("cpu"), **common, group=0, decay="none")
dtype = training.faster_dtype(course, device)  # bfloat16 where this machine is faster in it
paper, course = (dataclasses.replace(one, dtype=dtype) for one in (paper, course))


def followed(
    state: training.GanState, images: data.ImageSet, every: int
) -> tuple[list[float], list[float]]:
    """Train to the end; every so many steps note the seconds of training and the distance."""
    seconds, found = [], []
    try:
        for record in training.train_gan(state, images, every=every):
            seconds.append(record.seconds)
            found.append(quality(state.generate, state.recipe.latent))
    except FloatingPointError:
        pass  # a loss is not finite any more: the curve ends here
    return seconds, found


players = {
    "paper's settings": training.GanState.create(paper, device),
    "course's recipe": training.GanState.create(course, device),
    "out of balance": treatments.treated(
        dataclasses.replace(course, r1=0.0), device, rate_ratio=30.0
    ),
}
paths = {name: followed(state, train, budget.steps // 4) for name, state in players.items()}


# %%
def race(paths: dict[str, tuple[list[float], list[float]]], alt: str) -> plotting.Picture:
    """Distance against seconds, a line for each name; what is not finite is left out."""

    def draw(ax: Axes) -> None:
        for colour, (name, (seconds, found)) in zip(
            (BLUE, RED, GREEN), paths.items(), strict=False
        ):
            found = [one if math.isfinite(one) else math.nan for one in found]
            ax.plot(seconds, found, "o-", color=colour, markersize=4, label=name)
        ax.set(xlabel="seconds of training on this machine", xlim=(0, None), ylim=(0, None))
        ax.set_ylabel("relative Fréchet distance (lower is better)")

    return plotting.panels([(None, draw)], alt=alt)


race(
    paths,
    alt="Relative Fréchet distance against seconds of training for three trainings of equally many steps. The course's "
    "recipe falls to about one half, the other two stay near one.",
)

# %% [markdown]
# **Figure 11.1.** Quality against seconds, measured on 1,000 images four times along the way. The recipe's distance falls
# at every stop. The other two are still near 1. The paper's settings are slow: lesson 09 gave them 936 steps and networks
# twice as wide, and found a distance of about one half. The third falls a little too, but its game is out of balance: at the end
# its generator's loss is more than twenty times the recipe's (claim 11.2).

# %%
fixed_z = torch.randn(10, 64, generator=torch.Generator().manual_seed(3)).to(device)
plotting.image_grid(
    torch.cat([state.generate(fixed_z).float().cpu() for state in players.values()])
    .nan_to_num()
    .clamp(-1, 1),
    columns=10,
    row_labels=list(players),
    alt="Three rows of ten generated images, one row for each of the three trainings.",
)

# %% [markdown]
# **Figure 11.2.** Ten images of each at the end, from the same latent vectors.

# %% tags=["verify"]
last = {name: found[-1] for name, (_, found) in paths.items() if found}
verify.claim(
    "11.1",
    "out of balance, the distance at the end, in parts of the course's recipe's, is at least",
    min(last.get("out of balance", math.inf) / last["course's recipe"], 1000.0),
    (1.4, None),
)
at_the_end = {name: state.history[-1].losses["generator"] for name, state in players.items()}
verify.claim(
    "11.2",
    "out of balance, the generator's loss at the end, in parts of the course's recipe's, is at least",
    at_the_end["out of balance"] / at_the_end["course's recipe"],
    (20.0, None),
)

# %% [markdown]
# The rest of the lesson takes this picture apart. Sections 11.2 to 11.6 ask what keeps a game from dying, 11.7 measures
# each remedy alone, 11.8 to 11.10 ask where the seconds go.
#
# ## 11.2 Two learning rates
#
# Should the discriminator learn faster than the generator? The smallest game in which the answer matters has one number
# for each player: $\theta$ for the generator, $\psi$ for the discriminator, both measured from a place where they would
# stay. Near that place a smooth game is linear to first order. We take
# $\dot\theta = \eta_G\,(a\,\theta - b\,\psi)$ and $\dot\psi = \eta_D\,(c\,\theta - d\,\psi)$,
# with the learning rates $\eta_G$ and $\eta_D$ and four positive numbers. (In this section $a$ is such a number, and not a
# logit.) The dot is the change in a unit of time. $b$ and
# $c$ say how strongly each answers the other. $d$ pulls the discriminator back: a penalty does that (lesson 08). $a$ is
# the dangerous one: with the discriminator held still, a small lead of the generator grows, as a ball rolls off a hill.
# In lesson 08's smallest game $a$ was zero. Write $\tau = \eta_D / \eta_G$ for the ratio. The motions are sums of
# $e^{\mu t}$ with the eigenvalues
#
# $$ \mu_\pm = \frac{\eta_G}{2} \Bigl( a - \tau d \pm \sqrt{(a - \tau d)^2 - 4 \tau\,(bc - ad)} \Bigr). \tag{11.1} $$
#
# Both have a negative real part if and only if their sum is negative and their product positive: $\tau > a/d$ and
# $bc > ad$. The second does not contain the rates; let it hold. The first does: **below the ratio $a/d$ this game runs
# away, above it it settles.** The reason is visible in the limit. A fast discriminator is always at its answer
# $\psi = c\,\theta/d$; put into the first equation, that leaves a game of one player, with
#
# $$ \mu_+ \to -\eta_G\, \frac{bc - ad}{d} \quad \text{for } \tau \to \infty. \tag{11.2} $$
#
# This is the idea of *two time scales* (Heusel et al., 2017): the slow player sees a fast one that has answered already.

# %% tags=["verify"]
a, b, c, d, tau, eta = sympy.symbols("a b c d tau eta", positive=True)
M = sympy.Matrix([[eta * a, -eta * b], [tau * eta * c, -tau * eta * d]])
root = sympy.sqrt((a - tau * d) ** 2 - 4 * tau * (b * c - a * d))
plus, minus = (eta / 2 * (a - tau * d + sign * root) for sign in (1, -1))
# Two numbers are the eigenvalues if their sum is the trace and their product the determinant.
verify.equation("11.1", [plus + minus, sympy.expand(plus * minus)], [M.trace(), M.det()])

verify.equation("11.2", sympy.limit(plus, tau, sympy.oo), -eta * (b * c - a * d) / d)

# %% [markdown]
# That was continuous time. Real steps have a length, and a fast player can overshoot. One step of both, with
# $\eta = \eta_G$, multiplies $(\theta, \psi)$ by
#
# $$ \begin{gathered} A = \begin{pmatrix} 1 + \eta a & -\eta b \\ \tau \eta c & 1 - \tau \eta d \end{pmatrix}, \\
#    \rho(A) < 1 \iff \det A < 1 \;\text{ and }\; |\operatorname{tr} A| < 1 + \det A, \end{gathered} \tag{11.3} $$
#
# where the **spectral radius** $\rho(A)$ is the largest absolute value of an eigenvalue. (The eigenvalues are the roots
# of $\lambda^2 - \lambda \operatorname{tr} A + \det A$. The second condition says that this polynomial is positive at
# $\lambda = \pm 1$, the first that the product of the roots is below one.) With $a = d = 1$, $b = c = 2$ and
# $\eta = 0.1$ both conditions together leave a window,
#
# $$ \rho(A) < 1 \iff \tfrac{10}{7} < \tau < \tfrac{420}{17}. \tag{11.4} $$
#
# At the lower end the pair circles and does not come in: the eigenvalues are a complex pair of absolute value one. The
# end lies above $a/d = 1$. In general $\det A < 1$ says $\tau > a / \bigl(d - \eta\,(bc - ad)\bigr)$ if
# $\eta\,(bc - ad) < d$; with longer steps no ratio settles: a step goes straight
# on where the motion bends, which leads outwards, and the longer the step the more. At the upper end an eigenvalue is
# $-1$: the discriminator jumps from side to side.


# %% tags=["keep"]
def iteration(game: tuple[float, float, float, float], rate: float, ratio: float) -> np.ndarray:
    """The matrix of one step of both players on (theta, psi): (2, 2)."""
    a, b, c, d = game
    fast = ratio * rate
    return np.array([[1 + rate * a, -rate * b], [fast * c, 1 - fast * d]])


def spectral_radius(matrix: np.ndarray) -> float:
    """The largest absolute value of an eigenvalue."""
    return float(np.abs(np.linalg.eigvals(matrix)).max())


# %% tags=["verify"]
random = np.random.default_rng(11)
settles, conditions = [], []
for _ in range(2000):
    game = tuple(random.uniform(0.1, 3, 4))
    A = iteration(game, random.uniform(0.02, 0.6), random.uniform(0.1, 20))
    settles.append(float(spectral_radius(A) < 1))
    conditions.append(float(np.linalg.det(A) < 1 and abs(np.trace(A)) < 1 + np.linalg.det(A)))
verify.equation("11.3", np.array(settles), np.array(conditions))

GAME, RATE = (1.0, 2.0, 2.0, 1.0), 0.1
at_the_ends = [spectral_radius(iteration(GAME, RATE, ratio)) for ratio in (10 / 7, 420 / 17)]
around = [spectral_radius(iteration(GAME, RATE, ratio)) for ratio in (1.4, 1.5, 24, 25)]
verify.equation(
    "11.4", [*at_the_ends, *(float(r < 1) for r in around)], [1.0, 1.0, 0.0, 1.0, 1.0, 0.0]
)

# %%
tried = np.geomspace(0.5, 50, 400)


def draw_radius(ax: Axes) -> None:
    ax.plot(tried, [spectral_radius(iteration(GAME, RATE, ratio)) for ratio in tried], color=BLUE)
    ax.axhline(1, color=plotting.COLOURS["black"], linewidth=0.8)
    ax.axvspan(10 / 7, 420 / 17, color=BLUE, alpha=0.12, linewidth=0)
    ax.set(xlabel="ratio of the rates, D over G", ylabel="spectral radius", xscale="log")


def draw_orbits(ax: Axes) -> None:
    for ratio, colour in ((1.0, RED), (4.0, BLUE), (25.0, GREEN)):
        A, point, orbit = iteration(GAME, RATE, ratio), np.array([1.0, 0.0]), []
        for _ in range(60):
            orbit.append(abs(point[0]))
            point = A @ point
        ax.plot(orbit, color=colour, label=f"ratio {ratio:g}")
    ax.set(xlabel="step", ylabel="distance of θ from its goal", ylim=(0, None))


plotting.panels(
    [("one step", draw_radius), ("sixty steps", draw_orbits)],
    height=3.0,
    alt="Left: the spectral radius against the ratio of the rates is below one only in a window. Right: the orbit with "
    "ratio 4 goes to zero, those with 1 and 25 grow.",
)

# %% [markdown]
# **Figure 11.3.** Left: $\rho(A)$ of (11.3). Only inside the window (11.4), shaded, do steps lead to the goal. Right: one orbit below
# the window, one inside, one above it.
#
# The library keeps both functions in `course_lib.rate_balance`. What the model does *not* say is which ratio your GAN
# needs: between two networks $a$, $b$, $c$ and $d$ are large matrices, and they change while the networks learn. It says
# that the ratio can decide, in both directions, and that a penalty ($d$) and the ratio ($\tau$) enter the first condition
# of continuous time, $\tau d > a$, as one product. (With steps of a length this holds only nearly.)
#
# ## 11.3 Clipping weights, clipping gradients, penalising gradients
#
# > **Correction.** One of the articles that this course grew from lists *gradient clipping* as a gradient-penalty
# > method. Lesson 08 showed on one weight that they differ. Here is the reason in general, and the effect on images.
#
# All three act on the discriminator, in three places of the step.
#
# | | acts on | where in the step | bounds the slope of $D$ in the image? |
# |---|---|---|---|
# | gradient **penalty** | the loss: adds $\frac{\gamma}{2} \mathbb{E} \lVert \nabla_x a(x) \rVert^2$ | before `backward` | yes, softly |
# | **gradient** clipping | the gradient in the *weights* | between `backward` and `step` | no |
# | **weight** clipping | the weights | after `step` | yes, crudely (equation (8.12)) |
#
# Let $g$ be all gradients of the discriminator's weights in one long vector. Clipping at the norm $L$ replaces it by
#
# $$ \tilde g = g \cdot \min\Bigl(1,\; \frac{L}{\lVert g \rVert}\Bigr), \tag{11.5} $$
#
# which has the direction of $g$ and at most the length $L$. Where does the discriminator's slope come in? Nowhere: $g$ is
# a derivative in the weights, and with the losses of this lesson a steep discriminator that is right about every image, or
# every pair, by a wide margin has $g \approx 0$.
#
# With Adam there is less to it still. Adam divides the averaged gradient $m$ by the root of the averaged square $v$,
#
# $$ \begin{gathered} \Delta w_t = -\eta\, \frac{\hat m_t}{\sqrt{\hat v_t}}, \\
#    \Delta w_t \text{ is the same for } g_1, \dots, g_t \text{ and for } k g_1, \dots, k g_t,\; k > 0, \end{gathered} \tag{11.6} $$
#
# because $m$ is multiplied by $k$ and $v$ by $k^2$. (The hats correct for the start at zero; Adam's small
# $\varepsilon$ is left out.) If all gradients have one length above $L$, clipping multiplies them all by one number,
# and changes nothing. What is left is its use against *single* gradients that are far longer than the others, as the
# exploding ones of recurrent networks for which Pascanu et al. (2013) proposed it.


# %% tags=["verify"]
def adam_steps(gradients: np.ndarray, beta1: float = 0.5, beta2: float = 0.99) -> np.ndarray:
    """The steps of Adam with rate 1 and epsilon 0 on gradients (T, N): (T, N)."""
    m = v = np.zeros(gradients.shape[1])
    steps = []
    for t, g in enumerate(gradients, start=1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        steps.append(-(m / (1 - beta1**t)) / np.sqrt(v / (1 - beta2**t)))
    return np.array(steps)


gradients = random.normal(size=(30, 5))
verify.equation("11.6", adam_steps(gradients), adam_steps(0.001 * gradients))

weights = [torch.zeros(3, 4).double(), torch.zeros(5).double()]
g = [torch.from_numpy(random.normal(size=tuple(w.shape))) for w in weights]
for w, one in zip(weights, g, strict=True):
    w.requires_grad_().grad = one.clone()
nn.utils.clip_grad_norm_(weights, 0.7)
together = torch.cat([one.flatten() for one in g])
verify.equation(
    "11.5",
    torch.cat([w.grad.flatten() for w in weights]),
    together * min(1.0, 0.7 / float(together.norm())),
    tolerance=1e-5,  # torch adds 1e-6 to the norm
)

# %% [markdown]
# Now on images. Four trainings, equal but for the treatment of the discriminator. Ten times along the way we measure
# $\mathbb{E} \lVert \nabla_x a(x) \rVert^2$ at the same 100 test images: the mean squared slope of the logit. **Predict
# before you run:** which of the three keeps it small?

# %%
probe = data.normalise(test.images[:100]).to(device)


def mean_slope(discriminator: nn.Module) -> float:
    """Mean squared norm of the logit's gradient at the probe images."""
    discriminator.eval()
    images = probe.clone().requires_grad_()
    return float(losses.squared_gradient_norm(discriminator(images), images).detach())


bare, LIMIT = dataclasses.replace(course, r1=0.0), 0.1
four = {
    "nothing": treatments.treated(bare, device),
    "gradients clipped": treatments.treated(bare, device, gradient_limit=LIMIT),
    "weights clipped": treatments.treated(dataclasses.replace(bare, clip=0.05), device),
    "gradients penalised": treatments.treated(course, device),
}
lengths, slopes = [], {}


def note_length(adam: torch.optim.Optimizer, *_: object) -> None:
    """Note the norm of all gradients together; torch calls this before each step."""
    gradients = [weight.grad.flatten() for weight in adam.param_groups[0]["params"]]
    lengths.append(float(torch.cat(gradients).norm()))


four["nothing"].discriminator_adam.register_step_pre_hook(note_length)
for name, state in four.items():
    records = training.train_gan(state, train, every=budget.steps // 10)
    slopes[name] = [mean_slope(state.discriminator) for _ in records]

# %%
plotting.curves(
    [budget.steps // 10 * k for k in range(1, 11)],
    slopes,
    xlabel="training step",
    ylabel="mean squared slope of the logit",
    logy=True,
    alt="Mean squared slope of the discriminator's logit at test images, by training step, for four treatments. Untreated "
    "and with clipped gradients it is largest, with penalised gradients smaller, with clipped weights smallest.",
)

# %% [markdown]
# **Figure 11.4.** The mean squared slope of the logit at real test images, under three treatments with similar names and under
# none, on a logarithmic axis. The penalty acts at real images; at generated ones, where the generator follows the slope,
# nothing was measured. At real images, penalised gradients and clipped weights keep the slope small. Clipped gradients end nearer to where no treatment ends,
# although the limit of 0.1 was below the gradient's norm at nearly every step of the untreated training.

# %% tags=["verify"]
end = {name: statistics.mean(found[-3:]) for name, found in slopes.items()}
verify.claim(
    "11.3",
    "untreated, the share of steps whose gradient is longer than the limit is at least",
    statistics.mean(length > LIMIT for length in lengths),
    (0.95, None),
)
verify.claim(
    "11.4",
    "with clipped gradients, the mean squared slope in parts of the untreated one's is at least",
    end["gradients clipped"] / end["nothing"],
    (0.5, None),
)
verify.claim(
    "11.5",
    "with penalised gradients, the mean squared slope in parts of the untreated one's is at most",
    end["gradients penalised"] / end["nothing"],
    (None, 0.3),
)
verify.claim(
    "11.6",
    "with clipped weights, the mean squared slope in parts of the untreated one's is at most",
    end["weights clipped"] / end["nothing"],
    (None, 0.2),
)

# %% [markdown]
# How are such treatments added to a loop that is written already? `gan_step` needs no new line for them: torch calls
# functions that were registered with an optimiser before each of its steps. This is the whole of gradient clipping, as
# `course_lib.treatments` keeps it:
#
#     def shorten(adam, *_):
#         nn.utils.clip_grad_norm_(adam.param_groups[0]["params"], limit)
#
#     state.discriminator_adam.register_step_pre_hook(shorten)
#
# ## 11.4 The averaged generator is a low-pass filter
#
# The weights of a generator swing, because each step answers to the last one. Lesson 09 sampled from an average,
# $\bar w_t = \beta\, \bar w_{t-1} + (1 - \beta)\, w_t$. What does such an average remove, and what does it cost?
#
# Unrolled, the weights of $k$ steps ago count $(1 - \beta)\, \beta^k$. Feed it a pure swing
# $w_t = \operatorname{Re} e^{i \omega t}$ with angular frequency $\omega = 2\pi / \text{period}$. The sum
# $(1 - \beta) \sum_k \beta^k e^{i \omega (t - k)}$ is a geometric series: the same swing, with its amplitude multiplied by
#
# $$ |H(\omega)| = \left| \frac{1 - \beta}{1 - \beta e^{-i\omega}} \right| = \frac{1 - \beta}{\sqrt{1 - 2 \beta \cos\omega + \beta^2}}. \tag{11.7} $$
#
# At $\omega = 0$ that is 1: what does not move passes. It falls as $\omega$ grows: a **low-pass filter**. For
# independent noise of variance $\sigma^2$ in each step the variances add, with the squares of the coefficients. The
# coefficients' own scale is the **window** $\sum_k \beta^k$, the number of steps that the average looks back over:
#
# $$ \sum_{k=0}^\infty \beta^k = \frac{1}{1 - \beta}, \qquad
#    \frac{\operatorname{Var} \bar w}{\sigma^2} = \sum_{k=0}^\infty (1 - \beta)^2 \beta^{2k} = \frac{1 - \beta}{1 + \beta}. \tag{11.8} $$
#
# With $\beta = 0.998$ the window is 500 steps and the noise variance falls to a thousandth. The cost is delay: of weights
# that move steadily by $v$ a step, the average lags $v \sum_k (1-\beta)\, k\, \beta^k = v \beta / (1 - \beta)$ behind.
#
# And the start. $\bar w_0$ is noise, and after $t$ steps it still counts $\beta^t$: with $\beta = 0.998$, 82 % after a
# hundred steps. So the course lets the decay grow, $\beta_s = \min\bigl(\beta, \frac{1 + s}{10 + s}\bigr)$ at step $s$
# (the first is $s = 0$). While the fraction is the smaller one, the initial weights count
#
# $$ \prod_{s=0}^{t-1} \frac{1 + s}{10 + s} = \frac{9!\; t!}{(t + 9)!} = \binom{t + 9}{9}^{-1} \tag{11.9} $$
#
# after $t$ steps: below $10^{-12}$ after a hundred. For $\beta = 0.998$ the fraction is the smaller one up to step 4,489. **In
# trainings as short as those of this lesson the warm-up is the decay**: at step $s$ the window is $(10 + s)/9$, about the last
# ninth of the training so far.

# %% tags=["verify"]
beta = 0.9
k = torch.arange(4000, dtype=torch.float64)
coefficients = (1 - beta) * beta**k
omegas = torch.tensor([0.0, 0.1, 0.7, 2.0, math.pi], dtype=torch.float64)
by_summing = (coefficients * torch.exp(-1j * omegas[:, None] * k)).sum(1).abs()
formula = (1 - beta) / (1 - 2 * beta * omegas.cos() + beta**2).sqrt()
verify.equation("11.7", by_summing, formula)

n = sympy.symbols("n", integer=True, nonnegative=True)
r = sympy.Rational(499, 500)
verify.equation(
    "11.8",
    [sympy.summation(r**n, (n, 0, sympy.oo)), (1 - r) ** 2 * sympy.summation((r**2) ** n, (n, 0, sympy.oo))],
    [1 / (1 - r), (1 - r) / (1 + r)],
)  # fmt: skip
verify.equation(
    "11.9",
    [sympy.prod(sympy.Rational(1 + s, 10 + s) for s in range(t)) for t in (1, 5, 40, 100)],
    [1 / sympy.binomial(t + 9, 9) for t in (1, 5, 40, 100)],
)


# %%
def draw_filter(ax: Axes) -> None:
    periods = np.geomspace(2, 500, 300)
    for decay, colour in ((0.9, RED), (0.99, GREEN), (0.998, BLUE)):
        left = [averaging.swing_left(decay, period) for period in periods]
        ax.plot(periods, left, color=colour, label=f"decay {decay}")
    ax.set(xlabel="period of a swing (steps)", ylabel="amplitude that is left", xscale="log")


def draw_start(ax: Axes) -> None:
    steps = range(0, 101)
    ax.plot(steps, [0.998**t for t in steps], color=BLUE, label="fixed")
    ax.plot(steps, [averaging.start_left(t) for t in steps], color=RED, label="warm-up")
    ax.set(xlabel="step", ylabel="share of the initial weights", ylim=(0, 1.05))


plotting.panels(
    [("what passes", draw_filter), ("what is left of the start", draw_start)],
    height=3.0,
    alt="Left: three decays let slow swings pass and damp fast ones. Right: with a fixed decay the initial weights still "
    "count 82 per cent after a hundred steps, with the warm-up next to nothing after twenty.",
)

# %% [markdown]
# **Figure 11.5.** Left: equation (11.7). Right: the share of the initial weights, with a fixed decay of 0.998 and with
# the warm-up (11.9).
#
# Real weights are no pure swing and no independent noise. The second training of Figure 11.1, whose learning rate never
# fell, goes on for 120 steps, and we note the 256 weights of its last layer, and their averages, after each.

# %%
held = players["course's recipe"]
held.recipe = dataclasses.replace(held.recipe, steps=budget.steps + 120)
layers = [network.layers[-2].weight for network in (held.generator, held.average)]
noted = torch.stack(
    [
        torch.stack([weight.detach().flatten().cpu() for weight in layers])
        for _ in training.train_gan(held, train, every=1)
    ]
)  # (steps, 2, weights)
moved_a_step = noted.diff(dim=0).abs().mean(dim=(0, 2))  # (2,): trained, averaged


def draw_weight(number: int):
    def draw(ax: Axes) -> None:
        steps = range(budget.steps + 1, budget.steps + 1 + len(noted))
        for line, name, colour in ((0, "trained", RED), (1, "averaged", BLUE)):
            ax.plot(steps, noted[:, line, number], color=colour, label=name)
        ax.set(xlabel="step", ylabel="value")

    return draw


plotting.panels(
    [(f"weight {number}", draw_weight(number)) for number in (0, 100)],
    height=3.0,
    alt="Two weights of the generator's last layer over 120 steps: the trained value swings, the average follows slowly.",
)

# %% [markdown]
# **Figure 11.6.** Two of the 256 weights, the first and the hundred-and-first. The quick swings are gone from the averages.
# The slow drift remains, and the averages come after it.

# %% tags=["verify"]
verify.claim(
    "11.7",
    "in one step an averaged weight moves, in parts of what the trained one moves, at most",
    moved_a_step[1] / moved_a_step[0],
    (None, 0.4),
)

# %% [markdown]
# **Predict before you run:** the last weights against their average. Which draws better, and how much?

# %% tags=["nbval-ignore-output"]
raw = quality(held.generator.eval(), 64)
averaged = quality(held.average, 64)
print(f"distance: last weights {raw:.3f}, their average {averaged:.3f}")

# %% tags=["verify"]
verify.claim(
    "11.8",
    "the distance of the last weights, in parts of their average's, is at least",
    raw / averaged,
    (0.85, None),
)

# %% [markdown]
# Which is better depends on the seed: the bound is below one. A young generator improves from step
# to step, and the average comes late. What it gains by being quiet it can lose by being old. In the trainings of section
# 11.7, which are longer and end with a falling rate, the average is better in 27 of 30.
#
# ### What goes wrong: an average without its statistics
#
# Batch normalisation holds two kinds of numbers: scales and shifts, which are learned, and the running mean and variance
# of its inputs, which are *buffers*. `parameters()` does not list buffers. An average that loops over parameters only
# leaves them as they were in the beginning, mean 0 and variance 1, in every layer.

# %%
forgetful = copy.deepcopy(held.average)
for module in forgetful.modules():
    if isinstance(module, nn.BatchNorm2d):
        module.reset_running_stats()  # as the average began: mean 0, variance 1

repaired = copy.deepcopy(forgetful).train()
for module in repaired.modules():
    if isinstance(module, nn.BatchNorm2d):
        module.momentum = None  # a plain mean over all batches that follow
with torch.no_grad():
    for part in range(20):
        z = torch.randn(100, 64, generator=torch.Generator().manual_seed(50 + part))
        repaired(z.to(device))
repaired.eval()
three = {"statistics forgotten": forgetful, "measured anew": repaired, "averaged": held.average}
plotting.image_grid(
    torch.cat([network(fixed_z).float().cpu() for network in three.values()]),
    columns=10,
    row_labels=list(three),
    alt="Three rows of ten images from the same weights: with forgotten statistics, with statistics measured anew, and "
    "with averaged statistics.",
)

# %% [markdown]
# **Figure 11.7.** Three generators with the same averaged weights, and three sets of statistics.
#
# The two repairs: average the buffers as the weights are averaged (`training.update_average` does), or afterwards send
# latent vectors through in training mode, with `momentum=None`, and so measure the statistics of the averaged weights
# themselves.

# %% tags=["verify"]
verify.claim(
    "11.9",
    "with forgotten statistics, the distance in parts of the averaged ones' is at least",
    quality(forgetful, 64) / averaged,
    (1.5, None),
)
verify.claim(
    "11.10",
    "with statistics measured anew, the distance in parts of the averaged ones' is at most",
    quality(repaired, 64) / averaged,
    (None, 1.2),
)

# %% [markdown]
# ## 11.5 Few images: augment, but what?
#
# With few images the discriminator can learn them by heart, and calls everything else generated. A classifier with few
# images is helped by changing them at random (lesson 05). May a GAN do the same?
#
# Let $p$ be the distribution of real images, $q$ that of generated ones, and $T$ a random change, so that $Tp$ is the
# distribution of changed real images. **If only the real images are changed**, the discriminator compares $Tp$ with $q$.
# A divergence is zero only between equals, so the best generator has
#
# $$ \mathrm{JSD}(Tp,\, q) = 0 \iff q = Tp: \tag{11.10} $$
#
# it draws *changed* images. The augmentation **leaks**. (JSD is the Jensen-Shannon divergence of lesson 07; the same
# holds for any other.) **If both are changed**, the game compares $Tp$ with $Tq$, and $q = p$ is a solution. Is it the
# only one? That is so when $T$ can be undone, as a map of *distributions*: not image by image. Take shifts. Let an image
# be a dot at one of $n$ places on a ring, and let $T$ move it by $j$ places with probability $s_j$. Then $Tp$ is the
# convolution of $p$ with $s$, a circulant matrix, whose eigenvalues are the discrete Fourier transform
#
# $$ \begin{gathered} \hat s_k = \sum_j s_j\, e^{-2 \pi i\, jk/n}, \\
#    T \text{ can be undone} \iff \hat s_k \ne 0 \text{ for all } k. \end{gathered} \tag{11.11} $$
#
# For shifts by $-1$, $0$ or $1$ with probability $1/3$ each, $\hat s_k = \frac13 \bigl(1 + 2 \cos \frac{2 \pi k}{n}\bigr)$,
# which is zero only for $k = n/3$ and $2n/3$: on 32 places $T$ can be undone, on 33 it cannot. A shift by *any* number of places with
# equal probability has $\hat s_k = 0$ for every $k > 0$: all knowledge of the place is gone, and the generator may put its
# garments anywhere.


# %% tags=["verify"]
def ring(n: int, shifts: list[int]) -> np.ndarray:
    """The matrix of a random shift on a ring of n places, each shift equally likely: (n, n)."""
    return sum(np.roll(np.eye(n), j, axis=0) for j in shifts) / len(shifts)


def jsd(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen-Shannon divergence of two distributions on the same places, in nats."""
    m = (p + q) / 2
    return sum(float((x[x > 0] * np.log(x[x > 0] / m[x > 0])).sum()) / 2 for x in (p, q))


p = random.dirichlet(np.ones(32))
T = ring(32, [-1, 0, 1])
# Only q = T p brings the divergence to zero; q = p does not.
verify.equation(
    "11.10", [jsd(T @ p, T @ p), float(jsd(T @ p, p) > 0.01)], [0.0, 1.0], tolerance=1e-9
)
k = np.arange(32)
spectrum = (1 + 2 * np.cos(2 * np.pi * k / 32)) / 3
ranks = [np.linalg.matrix_rank(ring(n, s)) for n, s in ((32, [-1, 0, 1]), (33, [-1, 0, 1]), (32, list(range(32))))]  # fmt: skip
verify.equation(
    "11.11",
    np.array([*np.sort(np.linalg.eigvalsh(T)), *map(float, ranks)]),
    np.array([*np.sort(spectrum), 32.0, 31.0, 1.0]),
)

# %% [markdown]
# One condition is left. The generator learns from the slope of $a(T(G(z)))$ in $G(z)$, so **$T$ must be
# differentiable**: its result must have a gradient in the image. Shifting, cutting and brightening are linear in the
# pixels and have one; rounding to bytes has gradient zero nearly everywhere. This is *differentiable augmentation*,
# DiffAugment (Zhao et al., 2020): brightness, shifts, and a missing square. (The square cannot be undone in the strict
# sense. Random black and white pixels with an even number of whites in each image, and the same with an odd number, are
# two distributions; hide any square, and they are one. That it works with pictures is experience, not theorem.)
#
# In code it is safest to make $T$ a part of the discriminator. Then no line of the loop can forget it:
#
#     def forward(self, images):
#         return self.discriminator(self.augment(images) if self.training else images)
#
# ### What goes wrong: the leak
#
# We provoke it. Shifts by up to four pixels each way; once on the real images only, once on both. To see the leak we
# measure, for each image, the column of its centre of brightness, and take the standard deviation over 1,000 images.
# Garments in the data set are centred. Moving them by a whole number of columns from $-4$ to $4$ adds
# $(9^2 - 1)/12 = 6.7$ to the variance, a standard deviation of 2.6 columns, as long as nothing is cut
# off at the border. **Predict before you run:** for each of the two, is the spread nearer to that of the real images, or to
# that of the moved ones?

# %% tags=["nbval-ignore-output"]
few = train.take(min(len(train), budget.steps * budget.batch))
torch.manual_seed(seed)
moved = augmentation.shift(data.normalise(few.images), 4)
moved_set = dataclasses.replace(few, images=((moved + 1) * 127.5).round().byte())
leaking = training.GanState.create(course, device)
sound = treatments.treated(course, device, augment=lambda images: augmentation.shift(images, 4))
for state, images in ((leaking, moved_set), (sound, few)):
    torch.manual_seed(seed)
    for _ in training.train_gan(state, images, every=budget.steps):
        pass


def spread_of_centres(images: Tensor) -> float:
    """Standard deviation over images (N, 1, H, W) of the column of the centre of brightness."""
    light = ((images[:, 0] + 1) / 2).sum(1)  # (N, W)
    columns = torch.arange(light.shape[1]).float()
    return float(((light * columns).sum(1) / light.sum(1).clamp(min=1e-3)).std())


drawn = {
    name: metrics.sample_images(state.generate, 64, 1000, seed=7, device=device)
    for name, state in (("only real images moved", leaking), ("both moved", sound))
}
spreads = {name: spread_of_centres(images) for name, images in drawn.items()}
spreads["real"] = spread_of_centres(data.normalise(test.images[:1000]))
spreads["real, moved"] = spread_of_centres(moved[:1000])
for name, spread in spreads.items():
    print(f"spread of the centres, {name:23} {spread:.2f} columns")
plotting.image_grid(
    torch.cat([images[:10] for images in drawn.values()]),
    columns=10,
    row_labels=list(drawn),
    alt="Above ten generated images of a training in which only the real images were moved, below ten of one in which "
    "both were.",
)

# %% [markdown]
# **Figure 11.8.** The same recipe, images and steps. Above, the change is applied to the real images only: some garments
# stand off centre and are cut off at the border. Below, both are changed. After so few steps these images are rougher, some
# are only pieces. Which row lies nearer to the centre cannot be judged from ten images; the spreads stand above the figure.

# %% tags=["verify"]
verify.claim(
    "11.11",
    "with only the real images moved, the spread of the centres, in parts of that with both, is at least",
    spreads["only real images moved"] / spreads["both moved"],
    (1.15, None),
)
verify.claim(
    "11.12",
    "with both moved, the spread of the centres, in parts of the real images', is at most",
    spreads["both moved"] / spreads["real"],
    (None, 1.7),
)

# %% [markdown]
# ## 11.6 A discriminator that has seen clothes before
#
# A discriminator begins with random weights and has to find its own features. A trained classifier has some. *Projected
# GANs* (Sauer et al., 2021) let small discriminators work on the feature maps of a network that was trained for
# recognition and never changes. `treatments.FeatureDiscriminator` does it in little, with the maps of the course's
# classifier after each of its three halvings. The channels of each map are first mixed by fixed random weights, after
# the paper, so that a head cannot keep to a few of them.

# %%
of_features = treatments.FeatureDiscriminator(copy.deepcopy(classifier))
plain_discriminator = dcgan.Discriminator(width=24, norm="none")
sizes = {
    name: sum(one.numel() for one in network.parameters())
    for name, network in (("of DCGAN", plain_discriminator), ("on features", of_features))
}
for name, size in sizes.items():
    print(f"discriminator {name:12} {size:8,} weights that learn")

# %% [markdown]
# Now a warning, before any number. The relative Fréchet distance of this course is computed in the features of *the same
# classifier*. A generator that is trained to please these maps is measured with what it was trained on: as if the
# examination were the exercise sheet. Its distance can fall for reasons that say nothing about its images. Kynkäänniemi
# et al. (2023) show this for the usual distance and networks trained on ImageNet. So the benchmark below measures all
# its rows a second time, in the features of *another* classifier, with other initial weights, that no row has trained with.
# It is no neutral judge either: it has seen the same training images and the same labels.
#
# ## 11.7 Each alone
#
# `python -m benchmarks stabilising` changes one thing at a time in the course's recipe, at a small width and, as in the
# whole lesson, without the look at a group of images. Nothing else is tuned again: a remedy may do better with settings of its own. The table answers what happens if you add or take away
# *this* and touch nothing else.
#
# Four rows replace the $R_1$ penalty: by nothing, by clipped gradients, by clipped weights, and by spectral normalisation
# (lesson 08: each kernel divided by its largest singular value). Then one row each: a discriminator that learns four
# times as fast, a generator with one layer a size instead of two, the discriminator of section 11.6. The last two learn
# from 3,000 images instead of 60,000, for as many steps; one of them with DiffAugment (brightness, shifts, a missing
# square). The moving average needs no row: in every row the last weights are measured, too. Mind that the recipe's
# learning rate falls to zero in the second half, so that little swings at the end.

# %%
stored = json.loads(
    (sources.REPOSITORY / "benchmarks" / "results" / "stabilising.json").read_text(encoding="utf-8")
)
MAIN, OTHER, LAST = (
    "relative_frechet_distance",
    "distance_in_other_features",
    "distance_of_the_last_weights",
)
rows = sorted(stored["rows"].items(), key=lambda row: row[1][MAIN]["median"] or math.inf)


def shown(value: float | None, digits: int = 3) -> str:
    return "diverged" if value is None else f"{value:.{digits}f}"


print(
    f"measured {stored['date']} on {stored['environment']['device_name']}, {stored['environment']['threads']} thread(s), "
    f"torch {stored['environment']['torch']}, {stored['dtype']}"
)
print(f"{stored['steps']} steps of {stored['batch']} images, width {stored['width']}")
print(f"{'median':36} {'average':>9} {'last':>9} {'other':>9} {'seconds':>9}")
for name, row in rows:
    medians = [shown(row[key]["median"]) for key in (MAIN, LAST, OTHER)]
    medians.append(shown(row["seconds"]["median"], 0))
    print(f"{name:36} {' '.join(f'{m:>9}' for m in medians)}")


# %%
def draw_rows(ax: Axes) -> None:
    for place, (name, row) in enumerate(rows):
        values = [value for value in row[MAIN]["values"] if value is not None]
        colour = BLUE if name == "the course's recipe" else RED
        if values:
            ax.plot([min(values), max(values)], [place, place], color=colour, linewidth=3)
            ax.plot(values, [place] * len(values), "o", color=colour, markersize=5)
    ax.set_yticks(range(len(rows)), [name for name, _ in rows])
    ax.set(
        xlabel=f"relative Fréchet distance after {stored['steps']} steps (lower is better)",
        xlim=(0, None),
    )
    ax.invert_yaxis()


plotting.panels(
    [(None, draw_rows)],
    height=4.0,
    alt="One row for each change of the course's recipe: the relative Fréchet distance at the end for each seed.",
)

# %% [markdown]
# **Figure 11.9.** One change at a time. Points are seeds, blue is the recipe itself. The distance is that of the averaged
# generator, on the course's classifier.
#
# What can be read off it, and what not:
#
# - **The penalty helps a little, and every time.** Without it each of the three seeds is worse than the same seed with it.
#   Of the three replacements, clipped gradients come closest to it in the median; clipped weights have
#   the median of no penalty, and spectral normalisation is worse. Hardly anything dies in so short a training: a remedy that shows little
#   in it may still be what saves one ten times as long.
# - **The faster discriminator** is the best row of all with one seed and the worst of all with another, at twice the
#   recipe's distance. One seed would have told a story, either of the two. This is why there are three, and why three
#   are few.
# - **One layer a size** takes a little less time, and its three seeds overlap with the recipe's.
# - **5 % of the images** cost about a tenth of the distance in the median. Each of the 3,000 has been seen about six times
#   by then. **With DiffAugment** every seed is worse than without. It is a remedy against learning by heart, and what
#   this training shows is its price.
# - **Trained features** take about three times the seconds, and their median is the recipe's; two of three seeds are worse.
# - **The average** is better than the last weights in 27 of the 30 trainings.


# %%
def draw_judges(ax: Axes) -> None:
    for name, row in rows:
        one, two = row[MAIN]["median"], row[OTHER]["median"]
        if one is not None and two is not None:
            special = name == "trained features"
            ax.plot(one, two, "o", color=RED if special else BLUE)
            if special or name == "the course's recipe":
                place = {"xytext": (-7, 4), "ha": "right"} if special else {"xytext": (7, -10)}
                ax.annotate(name, (one, two), textcoords="offset points", **place)
    recipe = stored["rows"]["the course's recipe"]
    slope = recipe[OTHER]["median"] / recipe[MAIN]["median"]
    end = max(row[MAIN]["median"] or 0 for _, row in rows)
    ax.plot([0, end], [0, slope * end], color="0.5", linewidth=1, linestyle=(0, (5, 3)))
    ax.set(
        xlabel="distance in the course's features",
        ylabel="distance in other features",
        xlim=(0, None),
        ylim=(0, None),
    )


plotting.panels(
    [(None, draw_judges)],
    alt="Each row of the benchmark as a point: its distance in the course's features against that in another "
    "classifier's features. The row with trained features is marked, and lies above the others near it.",
)

# %% [markdown]
# **Figure 11.10.** Two judges. On the dashed line they agree about a row's distance in parts of the recipe's. A row above
# it fares better with the first judge than with the second.
#
# With the first judge the row with trained features has the recipe's median, 0.323 and 0.322; seed by seed it is worse in two
# of three. With the second judge it is behind by three tenths: 0.236 against 0.181. The first judge's features are computed from
# the last of the maps that this row's discriminator looks at. That is the
# direction of the warning, on three seeds. But every other row lies above the line too: the row with augmentation by 28 per
# cent, for reasons of its own, and seven rows by 1 to 10.
#
# **Predict before you run.** The row of the course's recipe again, on your machine and with your seed. Will it land among the stored
# values? The cell also keeps a clock: section 11.9 needs it.

# %% tags=["nbval-ignore-output"]
row = stored["rows"]["the course's recipe"]
tuned_recipe = recipes.course_recipe(
    torch.device("cpu"),
    steps=stored["steps"],
    width=stored["width"],
    dtype=stored["dtype"],
    group=0,
    seed=seed,
    **row["settings"],
)
tuned = training.GanState.create(tuned_recipe, device)
points, strips = {"tuned": [], "plain": []}, {"tuned": [], "plain": []}
stops: list[float] = []


def strip(images: Tensor) -> np.ndarray:
    """Images (N, 1, H, W) side by side, twice as large: (2 H, 2 N W) bytes."""
    pixels = ((images[:, 0].float().cpu().clamp(-1, 1) + 1) * 127.5).round().byte()
    return pixels.permute(1, 0, 2).flatten(1).numpy().repeat(2, axis=0).repeat(2, axis=1)


for record in widgets.watch(
    training.train_gan(tuned, train, every=stored["steps"] // 4),
    total=stored["steps"],
    sample=lambda: tuned.generate(fixed_z),
):
    stops.append(record.seconds)
    points["tuned"].append(quality(tuned.generate, 64, 2000))
    strips["tuned"].append(strip(tuned.generate(fixed_z)))

# %% [markdown]
# **Figure 11.11.** Losses and logits of the row that was trained here, and ten of its images.

# %% tags=["nbval-ignore-output"]
live = quality(tuned.generate, tuned_recipe.latent, 10_000)
print(f"here {live:.3f}; stored", *(f"{one:.3f}" for one in sorted(row[MAIN]["values"])))

# %% tags=["verify"]
verify.claim(
    "11.13",
    "in parts of the stored median, the distance of the row that was trained here lies in",
    live / row[MAIN]["median"],
    (0.8, 1.2),
)

# %% [markdown]
# ## 11.8 Where the time goes
#
# ### Counting
#
# A **multiply-add** is one multiplication with its addition. A convolution from $C$ to $O$ channels with a $K \times K$
# kernel, on a batch of $B$ images, multiplies $C K^2$ pairs for each of its $B\, O\, H' W'$ output numbers. A transposed
# convolution lays its kernel at each *input* position, $H W$ of them. As in lesson 03, write either as a matrix product
# $y = A x$, where each entry of $A$ is a weight or zero. Going back, the gradient of the input is $A^\top$ times the gradient of the
# output: each pair of input and output that a weight joins is multiplied once more. The gradient of a weight sums, over
# the same pairs, input times output gradient: once more. With $N$ the number of multiply-adds, forward and back to each,
#
# $$ N_{\text{forward}} = N_{\text{input}} = N_{\text{weights}} =
#    \begin{cases} B\, O\, C\, K^2\, H' W' & \text{convolution,} \\ B\, O\, C\, K^2\, H W & \text{transposed.} \end{cases} \tag{11.12} $$
#
# Training is three times the work of looking. Not always all three: what needs no gradient gets none. In one step without a
# penalty (the recipe has one at every 16th), with
# $F_G$ and $F_D$ for the forward passes of a batch and $F_G^1$, $F_D^1$ for their first layers:
#
# - the generator goes forward once, and back with both parts, but its latent vector needs no gradient: $3 F_G - F_G^1$;
# - the discriminator's step: forward on real and on generated images, back with both parts, and no gradient in the images: $2\,(3 F_D - F_D^1)$;
# - the generator's step goes forward through the discriminator and back to the image, without gradients for its frozen weights: $2 F_D$.
#
# $$ N_{\text{step}} = 3 F_G - F_G^1 + 8 F_D - 2 F_D^1. \tag{11.13} $$
#
# A multiplication in the discriminator's forward pass is paid for about eight times, one in the generator's three times.


# %% tags=["keep"]
@torch.no_grad()
def multiply_adds(network: nn.Module, inputs: Tensor) -> list[int]:
    """Multiply-adds of each convolution in one forward pass, in the order of the layers."""
    counts: list[int] = []

    def count(layer: nn.Module, given: tuple[Tensor], result: Tensor) -> None:
        positions = (given[0] if isinstance(layer, nn.ConvTranspose2d) else result).shape[2:]
        counts.append(len(result) * positions.numel() * layer.weight.numel())

    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, kinds)]
    mode = network.training
    try:
        network.eval()(inputs)
    finally:
        network.train(mode)
        for hook in hooks:
            hook.remove()
    return counts


# %% tags=["verify"]
def counted_by_ones(layer, inputs: Tensor, kernel: Tensor) -> list[float]:
    """Products of ones add ones, so three sums count them: forward, to the input, to the weights."""
    inputs, kernel = inputs.double().requires_grad_(), kernel.double().requires_grad_()
    result = layer(inputs, kernel, stride=2)  # nothing is cut off
    gradients = torch.autograd.grad(result.sum(), (inputs, kernel))
    return [one.detach().sum().item() for one in (result, *gradients)]


verify.equation(
    "11.12",
    np.array(
        [
            counted_by_ones(F.conv2d, torch.ones(3, 2, 16, 16), torch.ones(5, 2, 4, 4)),
            counted_by_ones(F.conv_transpose2d, torch.ones(3, 2, 7, 7), torch.ones(2, 5, 4, 4)),
        ]
    ),
    np.full((2, 3), 3.0 * 5 * 2 * 4**2 * 7**2),  # both meet 7 x 7 positions
)

G, D = dcgan.Generator(width=8), dcgan.Discriminator(width=8, norm="none")
z, real = torch.randn(4, 64), torch.randn(4, 1, 32, 32)
with FlopCounterMode(display=False) as counter:  # torch's own count, of what really runs
    fake = G(z)
    losses.relativistic_loss(D(real), D(fake.detach())).backward()
    D.requires_grad_(False)
    losses.generator_loss(D(fake)).backward()
of_g, of_d = multiply_adds(G, z), multiply_adds(D, real)
N = 3 * sum(of_g) - of_g[0] + 8 * sum(of_d) - 2 * of_d[0]
verify.equation("11.13", counter.get_total_flops(), 2 * sympy.Integer(N))

# %% [markdown]
# (A flop counts the multiplication and the addition apart, hence the 2.) The library keeps the function as
# `step_cost.multiply_adds`. It leaves out batch normalisation, activations and Adam, which hardly multiply. They still
# take time, because they read and write memory.
#
# ### Measuring, line by line
#
# Three rules of timing. **Throw the first call away**: it pays for memory and for the choice of routines. **Take a
# median**: one disturbed call moves a mean as far as it likes. **Wait for the device**: a GPU returns before it has
# computed, and the next line that needs a number, `.item()` for example, then seems to be the slow one. The step is the
# library's without the penalty, with a mark after each line.


# %%
def marked_step(state: training.GanState, real: Tensor, z: Tensor) -> Iterator[str]:
    """One step of both players; after each line its name is yielded."""
    generator, discriminator = state.generator, state.discriminator
    low = torch.autocast(device.type, torch.bfloat16, enabled=state.recipe.dtype == "bfloat16")
    with low:
        fake = generator(z)  # (B, C, H, W)
    yield "generate"
    with low:
        on_real = discriminator(real).float()  # (B,)
    yield "judge real"
    with low:
        on_fake = discriminator(fake.detach()).float()  # (B,)
    yield "judge fake"
    state.discriminator_adam.zero_grad(set_to_none=True)
    losses.relativistic_loss(on_real, on_fake).backward()
    yield "discriminator backward"
    state.discriminator_adam.step()
    yield "discriminator's Adam"
    discriminator.requires_grad_(False)
    with low:
        again = discriminator(fake).float()  # (B,)
    yield "judge again"
    state.generator_adam.zero_grad(set_to_none=True)
    losses.relativistic_loss(again, on_real.detach()).backward()
    yield "generator backward"
    state.generator_adam.step()
    discriminator.requires_grad_(True)
    yield "generator's Adam"
    training.update_average(state)
    yield "average"


# %% tags=["nbval-ignore-output"]
timed = training.GanState.create(tuned_recipe, device)
real = train.batch(range(32)).to(device).contiguous(memory_format=torch.channels_last)
z = torch.randn(32, 64, generator=torch.Generator().manual_seed(1)).to(device)
by_line: dict[str, list[float]] = {}
for trial in range(31):
    step_cost.finish(device)
    before = time.perf_counter()
    for line in marked_step(timed, real, z):
        step_cost.finish(device)
        now = time.perf_counter()
        if trial:  # the first step pays for set-up
            by_line.setdefault(line, []).append(now - before)
        before = now
spent = {line: statistics.median(found) for line, found in by_line.items()}
counted = step_cost.step_multiply_adds(timed.generator, timed.discriminator, z)
peaks = {kind: step_cost.peak(getattr(torch, kind), device) for kind in ("float32", "bfloat16")}
most = peaks[tuned_recipe.dtype]
print(f"{'line':24} {'ms':>7} {'share':>7} {'million':>9} {'of peak':>8}")
for line, seconds in spent.items():
    million = counted.get(line, 0) / 1e6
    reached = f"{100 * 1e6 * million / seconds / most:7.0f}%" if million else f"{'':>8}"
    print(
        f"{line:24} {1e3 * seconds:7.2f} {100 * seconds / sum(spent.values()):6.0f}% {million:9.1f} {reached}"
    )
print(
    f"peak of a product of matrices here, {tuned_recipe.dtype}: {most / 1e9:.0f} billion a second"
)


# %%
def draw_lines(ax: Axes) -> None:
    places = range(len(spent))
    total, work = sum(spent.values()), sum(counted.values())
    ax.barh([p - 0.2 for p in places], [v / total for v in spent.values()], 0.4, color=BLUE)
    ax.barh([p + 0.2 for p in places], [counted.get(n, 0) / work for n in spent], 0.4, color=RED)
    ax.set_yticks(list(places), list(spent))
    ax.set(xlabel="share of a step: time (blue, above) and multiply-adds (orange, below)")
    ax.invert_yaxis()


plotting.panels(
    [(None, draw_lines)],
    alt="For each line of the training step, its share of the time and of the multiply-adds as two bars.",
)

# %% [markdown]
# **Figure 11.12.** Each line's share of the seconds and of the multiplications. A line whose blue bar is longer than its
# orange one does something else than multiply, or multiplies badly.
#
# ### Memory layout and number format
#
# An image can lie in memory plane by plane (*channels first*) or pixel by pixel (*channels last*). A convolution sums
# over the channels of a few neighbouring pixels, which lie together in the second order. A number can have 32 bits
# (float32) or 16 with the same range and 8 significant bits (bfloat16), which halves the traffic and is multiplied faster
# where the processor has units for it. Whether either pays *on your machine* is a measurement, not a fact. The four ways
# are timed in turn, so that a disturbance meets all of them, and compared round by round. (What changes is the
# discriminator's layout. The first layer of the course's generator returns its maps channels last, and torch keeps that order
# through the generator in all four ways.)

# %% tags=["nbval-ignore-output"]
ways = {}
for kind, (order_name, order) in itertools.product(
    ("float32", "bfloat16"),
    (
        ("channels first", torch.contiguous_format),
        ("channels last", torch.channels_last),
    ),
):
    one = training.GanState.create(dataclasses.replace(tuned_recipe, dtype=kind), device)
    for network in (one.generator, one.discriminator, one.average):
        network.to(memory_format=order)
    laid = real.contiguous(memory_format=order)

    def whole_step(state=one, images=laid) -> None:
        for _ in marked_step(state, images, z):
            pass
        step_cost.finish(device)

    ways[f"{kind}, {order_name}"] = whole_step
seconds = step_cost.interleaved_seconds(ways, rounds=8)
for name, ratio in step_cost.ratios(seconds, "float32, channels first").items():
    print(f"{name:26} {ratio:5.2f} of the seconds of float32, channels first")

# %% [markdown]
# `training.faster_dtype` makes this comparison for the two formats, in a few steps before a training. No claim is made about the ratios: they
# belong to the machine.
#
# ## 11.9 The speed run
#
# Same data, same seconds. The *plain loop* is a DCGAN with the paper's rates, its batches of 128 and its 100 latent numbers, written as
# tutorials write it: float32, losses read at every step. The *tuned* one is the training of Figure 11.11.
# The plain loop gets as many seconds as the other one took at each of its stops, and the rest of the step that is running; measuring is not counted. Its networks are
# its own: both are a little wider, the generator has one layer a size and the discriminator batch normalisation. This is a race of two
# complete recipes, not a comparison of one change. **Predict before you run:** which is ahead after the first quarter?


# %%
def plain_loop(batch: int = 128, latent: int = 100) -> Iterator[nn.Module]:
    """DCGAN with the paper's settings, a step at a time, without end; yields its generator."""
    torch.manual_seed(seed)
    generator = dcgan.initialise(dcgan.Generator(latent)).to(device)
    discriminator = dcgan.initialise(dcgan.Discriminator()).to(device)
    adam_g, adam_d = (
        torch.optim.Adam(one.parameters(), 2e-4, (0.5, 0.999)) for one in (generator, discriminator)
    )
    sampler = data.EpochSampler(len(train), batch, seed)
    for step in itertools.count():
        real = train.batch(sampler.indices(step)).to(device)  # (B, 1, 32, 32)
        fake = generator(torch.randn(batch, latent, device=device))  # (B, 1, 32, 32)
        d_loss = losses.discriminator_loss(discriminator(real), discriminator(fake.detach()))
        adam_d.zero_grad()
        d_loss.backward()
        adam_d.step()
        g_loss = losses.generator_loss(discriminator(fake))
        adam_g.zero_grad()
        g_loss.backward()
        adam_g.step()
        _ = d_loss.item(), g_loss.item()  # for a progress bar
        yield generator


loop, passed = plain_loop(), 0.0
plain_z = torch.randn(10, 100, generator=torch.Generator().manual_seed(3)).to(device)
for stop in stops:
    while passed < stop:
        start = time.perf_counter()
        network = next(loop)
        step_cost.finish(device)
        passed += time.perf_counter() - start
    network.eval()  # a look must not change the statistics
    points["plain"].append(quality(network, 100, 2000))
    with torch.no_grad():
        strips["plain"].append(strip(network(plain_z)))
    network.train()

# %%
race(
    {name: (stops, found) for name, found in points.items()},
    alt="Relative Fréchet distance against seconds for the tuned and the plain loop, at four moments each. The tuned one "
    "is far below the plain one at each.",
)

# %% [markdown]
# **Figure 11.13.** The same seconds for both, on one machine, one seed; 2,000 images a point, which makes both distances
# a little too large (lesson 10). In the run shown the tuned training is ahead at each of the four stops.

# %% tags=["nbval-ignore-output"]
plotting.frame_slider(
    [np.concatenate(pair) for pair in zip(strips["plain"], strips["tuned"], strict=True)],
    labels=[f"{second:.0f} s: plain above, tuned below" for second in stops],
    alt="Two rows of ten images: the plain loop's above, the tuned loop's below.",
)

# %% [markdown]
# **Figure 11.14.** Above the plain loop, below the tuned one, at the same moments.

# %% tags=["verify"]
verify.claim(
    "11.14",
    "after the same seconds, the tuned loop's distance in parts of the plain one's is at most",
    points["tuned"][-1] / points["plain"][-1],
    (None, 0.6),
)

# %% [markdown]
# ## 11.10 What goes wrong: a sum that remembers everything
#
# A loop wants the mean loss of fifty steps, and waiting for a number at every step costs a GPU time. So it keeps a sum on
# the device: `total = total + loss`. But `loss` carries the graph of its computation, and the sum then holds the
# graph of every step. Once `backward` has been called on a loss, the activations that its operations had saved are freed,
# and the operations stay. Without `backward`, as in a validation loop that forgot `no_grad`, every activation stays as well.
# Nothing is wrong in the numbers; the memory grows from step to step. We count the operations that a sum holds on to, in a
# loop that calls no `backward`.


# %%
def held_operations(value: Tensor) -> int:
    """How many operations the graph behind a tensor keeps alive."""
    seen, waiting = set(), [value.grad_fn]
    while waiting:
        operation = waiting.pop()
        if operation is not None and operation not in seen:
            seen.add(operation)
            waiting += [before for before, _ in operation.next_functions]
    return len(seen)


critic = dcgan.Discriminator(width=4, norm="none")
images = data.normalise(train.images[:8])
held_by = {"sum of losses": [], "sum of detached losses": []}
for name, found in held_by.items():
    total = torch.zeros(())
    for _ in range(20):
        loss = losses.generator_loss(critic(images))
        total = total + (loss.detach() if "detached" in name else loss)
        found.append(held_operations(total))

# %%
plotting.curves(
    list(range(1, 21)),
    held_by,
    xlabel="step",
    ylabel="operations kept in memory",
    alt="The operations that a sum of losses keeps alive grow in a straight line; a sum of detached losses keeps none.",
)

# %% [markdown]
# **Figure 11.15.** How many operations two sums of twenty losses hold in memory. Repair: `detach()` before adding, `float()` every fifty
# steps. That is what `train_gan` does.

# %% tags=["verify"]
verify.claim(
    "11.15",
    "from ten to twenty steps, what the sum of losses holds grows by a factor of at least",
    held_by["sum of losses"][19] / held_by["sum of losses"][9],
    (1.8, None),
)
verify.claim(
    "11.16",
    "the operations that the sum of detached losses holds are at most",
    held_by["sum of detached losses"][19],
    (None, 0),
)

# %% [markdown]
# ## Summary
#
# - Near a resting place the ratio of the two learning rates can decide alone whether a game settles: too small and it runs away, too large and a step overshoots.
# - Clipping weights, clipping gradients and penalising gradients act in three places. Under Adam, scaling all gradients changes nothing.
# - The average of the weights is a low-pass filter with window $1/(1 - \beta)$; it leaves $(1 - \beta)/(1 + \beta)$ of the variance of independent noise, and needs a warm-up and the batch-norm statistics.
# - Augment real and generated images alike, differentiably, by a change that can be undone as a map of distributions.
# - A discriminator on a trained network's features should not be measured in features of the same network alone.
# - In 600 steps in which nothing diverged, stabilisers showed little: compare one change at a time, with seeds, at the length that you need.
# - A step without a penalty costs $3 F_G - F_G^1 + 8 F_D - 2 F_D^1$ multiply-adds. Time it warm, in turn, by the median.
#
# **Exercises.** [Eight exercises](../exercises/11_stabilising_and_speeding_up.ipynb), with checks that say what an
# answer misunderstood. [Solutions](../solutions/11_stabilising_and_speeding_up.ipynb).
#
# ## Sources
#
# - A. Radford, L. Metz, S. Chintala. *Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks.* ICLR 2016. Section 4 (the paper's settings).
# - M. Heusel et al. *GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium.* NeurIPS 2017.
# - R. Pascanu, T. Mikolov, Y. Bengio. *On the difficulty of training recurrent neural networks.* ICML 2013. (Clipping gradients by their norm.)
# - M. Arjovsky, S. Chintala, L. Bottou. *Wasserstein Generative Adversarial Networks.* ICML 2017. (Clipping weights.)
# - L. Mescheder, A. Geiger, S. Nowozin. *Which Training Methods for GANs do actually Converge?* ICML 2018. Section 4.1 ($R_1$).
# - T. Miyato et al. *Spectral Normalization for Generative Adversarial Networks.* ICLR 2018.
# - D. P. Kingma, J. Ba. *Adam: A Method for Stochastic Optimization.* ICLR 2015. Section 2.1 (invariance to the scale of the gradients).
# - Y. Yazici et al. *The Unusual Effectiveness of Averaging in GAN Training.* ICLR 2019.
# - S. Zhao et al. *Differentiable Augmentation for Data-Efficient GAN Training.* NeurIPS 2020.
# - T. Karras et al. *Training Generative Adversarial Networks with Limited Data.* NeurIPS 2020. (Which augmentations leak.)
# - A. Sauer et al. *Projected GANs Converge Faster.* NeurIPS 2021. Section 3.
# - T. Kynkäänniemi et al. *The Role of ImageNet Classes in Fréchet Inception Distance.* ICLR 2023.
