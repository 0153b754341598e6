# %% [markdown]
# # 00. Start here
#
# > **The question.** What can this machine learn to draw, in about a minute, from nothing but
# > pictures?
#
# | | |
# |---|---|
# | **You need** | Python, and the mathematics of a first year: derivatives, vectors and matrices, means and variances. No experience with neural networks. |
# | **You will be able to** | use the course on your machine, in a classroom or on Colab; say what the data are and whether they are intact; train a generator |
# | **Time** | about 2 minutes of computing on 2 CPU cores, 20 minutes of reading |
#
# ## 0.1 The idea in one picture
#
# This course starts with the arithmetic of a convolution and ends with networks that draw
# pictures, and fill holes in them. Each lesson asks one question, derives the answer, lets the
# computer check the derivation, and then shows it on real images. A picture that a
# lesson says a network drew comes from a network that its notebook trained, on an ordinary machine. You will train them
# again. Where a table took too long for a notebook, its stored result is shown, with the command that repeats it.

# %%
import hashlib

import torch

from course_lib import (
    checkpoints,
    data,
    metrics,
    plotting,
    recipes,
    runtime,
    sources,
    training,
    verify,
    widgets,
)

seed = runtime.seed(0)
device = runtime.device()
train = data.load_images("fashion-mnist", "train", size=32)
plotting.architecture(
    [
        ("64 numbers", (64, 1, 1)),
        ("small maps", (128, 4, 4)),
        ("twice as large", (64, 8, 8)),
        ("twice as large", (32, 16, 16)),
        ("one image", (1, 32, 32)),
    ],
    alt="A row of boxes: 64 random numbers become larger and larger maps, and at last an image of 32 by 32.",
)

# %% [markdown]
# **Figure 0.1.** A generator: random numbers go in on the left, a picture comes out on the
# right. By the end of this page you will have trained one. Yours will be of the same form, with half
# as many channels again: 192, 96 and 48.
#
# ## 0.2 Three ways to use the course
#
# **On your own, in JupyterLab.** In a clone of the repository, `make lab` opens this page.
# Read, predict, run the cell, compare. Each lesson has a notebook of exercises in `exercises/`.
# Its checks do not only say *wrong*: they say what your answer seems to have misunderstood. Try
# yours before you open `solutions/`.
#
# **In a classroom.** Lessons, exercises and solutions are separate notebooks with the same
# name. The exercises carry nbgrader's markers in their sources. Results are committed with the
# notebooks, so they can be shown without being run. Everything works without the internet (but for the colour
# images of lesson 09, on a GPU): the data are part of the repository.
#
# **On Colab.** In a copy of the course that has a public address, a badge at the top opens the page there, and the first
# cell fetches the course. That needs the internet.
# Choose a GPU under *Runtime, Change runtime type* if you want one. No lesson needs it.
#
# Two kinds of cell deserve a word. A cell that says `verify.equation("0.1", ...)` checks the
# equation with that number, by algebra, or on numbers and then within the tolerance that it prints. It stops
# the notebook if the two sides differ. A cell with `verify.claim(...)` does the same for a measured
# result: it states a band, and the band was found by repeating the lesson with five different
# seeds.
#
# ## 0.3 Your machine
#
# Networks are trained on the **device**: a GPU if torch finds one, else the processor (CPU).
# The same code runs on both. The course is made so that two CPU cores are enough.

# %%
print(f"device: {device.type}")

# %% [markdown]
# The **seed** fixes every random number: run the notebook twice on one machine's CPU, and you see the same, but for
# the seconds. On a GPU two runs may differ, because some of its sums are added up in no fixed order. Another machine,
# or another number of threads, adds up in another order and rounds differently, and training enlarges that. So your
# pictures will resemble ours and not equal them. Set the environment variable `COURSE_SEED` to another number to see
# what depends on luck.
#
# ## 0.4 The data
#
# Fashion-MNIST is 70,000 pictures of clothes, shoes and bags in ten classes, 28 x 28 pixels,
# grey, collected by Zalando Research (Xiao, Rasul and Vollgraf, 2017) and published under the
# MIT licence. It lies in this repository as it was published. Each time it is loaded, its
# contents are compared with the known SHA-256 digest: a single changed bit of a picture would be noticed.

# %%
print(train)
path = sources.REPOSITORY / "datasets" / "fashion-mnist" / "train-images-idx3-ubyte.gz"
print("SHA-256 of the published file:", hashlib.sha256(path.read_bytes()).hexdigest())
one_of_each = [int((train.labels == label).nonzero()[k]) for k in range(4) for label in range(10)]
plotting.image_grid(
    train.batch(one_of_each),
    columns=10,
    titles=list(train.classes),
    alt="Four rows of ten pictures, one column for each class from T-shirt to ankle boot.",
)

# %% [markdown]
# **Figure 0.2.** Four pictures of each of the ten classes. They are padded with black from 28 x
# 28 to 32 x 32, because 32 can be halved three times, down to 4.
#
# ## 0.5 A generator, in about a minute
#
# Two networks play a game. The **generator** turns 64 random numbers into a picture. The
# **discriminator** is shown real pictures and generated ones, and learns to tell them apart.
# The generator learns to be mistaken for real. It is never told what a trouser is. It only
# learns which way its pictures would have to change to look more real to the other one.
#
# Why this works, and each line of the code behind `train_gan`, is what lessons 07 and 09 are
# about. For now, watch it.
#
# **Predict before you run.** 1,200 steps, 32 pictures each: the generator's opponent will see
# about two thirds of the training pictures, once. What will the generator know by then:
# nothing, the outline of a garment, or the ten classes?

# %% tags=["nbval-ignore-output"]
recipe = recipes.course_recipe(torch.device("cpu"), steps=1200, seed=seed, dtype="float32")
state = training.GanState.create(recipe, device)
z = torch.randn(48, recipe.latent, generator=torch.Generator().manual_seed(1)).to(device)  # (B, Z)
frames, labels = [state.generate(z).cpu()], ["before training"]
for record in widgets.watch(
    training.train_gan(state, train), total=recipe.steps, sample=lambda: state.generate(z)
):
    if record.step in (50, 100, 200, 400, 700, 1200):
        frames.append(state.generate(z).cpu())
        labels.append(f"{record.seconds:.0f} s")
print(f"{record.images:,} images in {record.seconds:.0f} s")
plotting.frame_slider(
    frames,
    labels=labels,
    alt="A plain grey becomes blobs, then clothes, shoes and bags, in seven frames.",
)

# %% [markdown]
# **Figure 0.3.** The training as it went: what each network pays (its *loss*), the
# discriminator's mean scores (*logits*), and on the right what the generator draws. Lesson 09
# teaches how to read these curves.
#
# **Figure 0.4.** A plain grey becomes clothes. The same 48 lists of 64 random numbers, drawn again
# after each stretch of training. After 1,200 steps trousers, pullovers, T-shirts, shoes and bags can be told apart, and some
# pictures are nothing yet: that is more than an outline, if not all ten classes.
#
# The generator has never held a training picture: all it learned came through the discriminator's answers. Whether it
# copies all the same is a question for lesson 10. How
# do we know that its pictures are any good, beyond looking? One number, which lesson 09 explains and
# lesson 10 takes apart: the **relative Fréchet distance** between generated and real pictures,
# in the eyes of a classifier. Real pictures against other real ones give almost 0. A generator
# that always drew one and the same picture would get 1 or more.

# %% tags=["nbval-ignore-output"]
classifier, known = checkpoints.load_classifier(device)
test = data.load_images("fashion-mnist", "test", size=32)
distance = metrics.RelativeFrechet(classifier, data.normalise(test.images), device)
fresh = training.GanState.create(recipe, device)
before = distance(
    metrics.sample_images(fresh.generate, recipe.latent, 10_000, seed=7, device=device)
)
after = distance(
    metrics.sample_images(state.generate, recipe.latent, 10_000, seed=7, device=device)
)
print(f"before training {before:.2f}, after {after:.3f}, real pictures {known['floor']:.4f}")

# %% tags=["verify"]
verify.claim("0.1", "after 1,200 steps the relative Fréchet distance lies in", after, (0.08, 0.15))
verify.claim("0.2", "an untrained generator is at", before, (1.0, None))

# %% [markdown]
# ## 0.6 Pictures as numbers
#
# An image file holds bytes: whole numbers $v$ from 0, black, to 255, white. Networks work
# better with numbers around zero, so the course uses
#
# $$ x = \frac{v}{127.5} - 1, \qquad v = 127.5\,(x + 1), \tag{0.1} $$
#
# which runs from $-1$, black, to $1$, white. A batch of images is a tensor with four axes,
# always in the same order: **B** images, **C** channels (1 for grey, 3 for red, green and
# blue), **H** rows, **W** columns.

# %% tags=["verify"]
v = torch.arange(256, dtype=torch.uint8)  # every byte there is
verify.equation("0.1", data.normalise(v).double(), v.double() / 127.5 - 1, tolerance=1e-6)
assert torch.equal(data.to_uint8(data.normalise(v)), v), "the way back must be exact"

# %%
batch = train.batch(range(64))
print(tuple(batch.shape), batch.dtype, f"from {batch.min():.0f} to {batch.max():.0f}")

# %% [markdown]
# ## 0.7 What goes wrong, and what to do
#
# | you see | do this |
# |---|---|
# | `ModuleNotFoundError: course_lib` | run the notebook with the environment that `make lab` makes |
# | an error that Fashion-MNIST is missing or damaged | `python -m course_lib data` says what is where; `git checkout datasets` brings the files back |
# | training many times slower than stated | stop the other program: two that both train wait for each other's threads |
# | an article that says `pip install python` | Python is not a pip package; it has to be there before pip is |
# | a picture that looks washed out, inverted or all black | check the range: bytes are 0 to 255, tensors here are -1 to 1 |
#
# The last row is worth seeing once. Below, one batch is shown as it is, and as it looks when
# it is normalised, by mistake, a second time.

# %%
pixels = train.images[:8]
once = data.normalise(pixels)  # from -1 to 1
twice = once / 127.5 - 1  # as if the numbers from -1 to 1 were bytes
plotting.image_grid(
    torch.cat([once, twice]),
    columns=8,
    row_labels=["once", "twice"],
    alt="Above, eight garments. Below, the same normalised twice: eight black squares.",
)

# %% [markdown]
# **Figure 0.5.** Normalised once, and twice: everything black. `data.normalise` therefore
# refuses anything but bytes.

# %%
try:
    data.normalise(once)
except TypeError as error:
    print(error)

# %% [markdown]
# ## Summary
#
# - The course runs on two CPU cores, without the internet; a GPU is used when there is one.
# - The data are verified each time they are loaded, and are used as numbers from $-1$ to $1$ with axes (B, C, H, W).
# - Every equation with a number and every measured claim is checked by the notebook itself.
# - A generator learned to draw garments from noise while you watched.
#
# **Exercises.** [Six to warm up](../exercises/00_start_here.ipynb), and to meet the checks.
# [Solutions](../solutions/00_start_here.ipynb). Then go on with
# [lesson 01, Images and distributions](01_images_and_distributions.ipynb). The README lists all lessons.
#
# ## Sources
#
# - H. Xiao, K. Rasul, R. Vollgraf. *Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms.* arXiv:1708.07747, 2017.
# - I. Goodfellow et al. *Generative Adversarial Nets.* NeurIPS 2014.
