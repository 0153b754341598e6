# %% [markdown]
# # Exercises 00. Start here
#
# Six short exercises around the data, for [lesson 00](../notebooks/00_start_here.ipynb). They
# also show how every exercise of the course works.
#
# - Where a cell says `raise NotImplementedError(...)`, put your own code in place of that line.
#   Run the cell.
# - Then run the cell below it, which begins with `checks.`. It tries your function on random
#   inputs. A wrong answer is met with a sentence that says what your function does and why that
#   matters. A right one is met with "correct".
# - Stars say how hard an exercise is, from one to three. No exercise needs another one, so you
#   may leave one out.
# - The folder `solutions/` holds the same notebook with answers: ours, a second one written
#   differently, and the usual mistakes with what the check says about them.
#
# The letters: N images (B in the lessons, where they form a batch), C channels, H rows, W columns.

# %%
import hashlib

import numpy as np
import torch
import torch.nn.functional as F

from course_lib import data, plotting, sources
from course_lib.checks import lesson00 as checks

# %% [markdown] tags=["solution"]
# This is the notebook with the answers. Our answer stands between `### BEGIN SOLUTION` and
# `### END SOLUTION`. A cell that begins with `%%another_answer` holds another correct one. A cell
# that begins with `%%wrong_answer` holds a mistake and shows what the check says about it. Both
# run aside: they leave the variables of the notebook as they are.

# %% [markdown]
# ### Exercise 0.1 (one star). From bytes to numbers
#
# Image files hold bytes: whole numbers from 0, black, to 255, white. A generator that ends in
# tanh makes numbers from -1, black, to 1, white. Real and generated images must speak the same
# language before any network compares them.
#
# Write the function that maps bytes to numbers on a straight line: byte 0 becomes -1 and byte
# 255 becomes 1.
#
# - In: `images`, uint8, shape (N, C, H, W). Do not change it.
# - Out: float32, the same shape, in [-1, 1]. The same byte always becomes the same number,
#   whatever the other bytes are.


# %%
def normalise(images: torch.Tensor) -> torch.Tensor:
    """Map uint8 images to float32 in [-1, 1]: (N, C, H, W) -> (N, C, H, W)."""
    ### BEGIN SOLUTION
    return images.float() / 127.5 - 1
    ### END SOLUTION


# %%
checks.normalise(normalise)

# %% [markdown] tags=["solution"]
# There are 255 steps from byte 0 to byte 255, and they must span an interval that is 2 wide. So
# a unit is 127.5 bytes. Division by 127.5 gives [0, 2], and 1 less is [-1, 1].
#
# Another correct answer makes a table of all 256 numbers and looks each byte up in it.


# %% tags=["alternative"]
def normalise(images):
    return torch.linspace(-1, 1, 256)[images.long()]


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Half the range.** Division by 255 gives [0, 1]. By the generator's measure no pixel is then
# darker than mid-grey.


# %% tags=["mistake"] hint="range-0-1"
def normalise(images):
    return images / 255


# %% [markdown] tags=["mistake"]
# **Arithmetic in bytes.** A product of bytes is a byte: 2 * 128 = 256 becomes 0. The division
# comes too late to help.


# %% tags=["mistake"] hint="byte-overflow"
def normalise(images):
    return (images * 2 - 255) / 255


# %% [markdown] tags=["mistake"]
# **Division by 128.** A rounder number, and the reason why white ends at 0.992.


# %% tags=["mistake"] hint="white-not-one"
def normalise(images):
    return images / 128 - 1


# %% [markdown] tags=["mistake"]
# **The type is kept.** `empty_like` copies the type as well as the shape, so the numbers are
# written into bytes.


# %% tags=["mistake"] hint="dtype"
def normalise(images):
    numbers = torch.empty_like(images)
    numbers[:] = images / 127.5 - 1
    return numbers


# %% [markdown] tags=["mistake"]
# **The type of NumPy.** NumPy's numbers are float64 unless told otherwise, and a network of
# float32 weights refuses them.


# %% tags=["mistake"] hint="dtype"
def normalise(images):
    return torch.from_numpy(np.interp(images.numpy(), [0, 255], [-1, 1]))


# %% [markdown] tags=["mistake"]
# **The batch's own range.** Fashion-MNIST hides this one, because nearly every batch holds a
# black and a white pixel.


# %% tags=["mistake"] hint="own-range"
def normalise(images):
    numbers = images.float()
    numbers = (numbers - numbers.min()) / (numbers.max() - numbers.min())
    return numbers * 2 - 1


# %% [markdown]
# ### Exercise 0.2 (one star). Back to bytes
#
# To show or save a generated image, its numbers must become bytes again. Write the inverse of
# exercise 0.1. A number between two bytes becomes the nearer one. Some networks have no tanh at
# their end and leave [-1, 1]; what is darker than black becomes 0 and what is brighter than
# white becomes 255.
#
# - In: `images`, float32, shape (N, C, H, W), mostly in [-1, 1]. Do not change it.
# - Out: uint8, the same shape.


# %%
def to_uint8(images: torch.Tensor) -> torch.Tensor:
    """Map floats in [-1, 1] to the nearest bytes: (N, C, H, W) -> (N, C, H, W)."""
    ### BEGIN SOLUTION
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    ### END SOLUTION


# %%
checks.to_uint8(to_uint8)

# %% [markdown] tags=["solution"]
# The order matters: first scale, then round, then clamp, and change the type last. Once a number
# is a byte, there is nothing left to clamp.


# %% tags=["alternative"]
def to_uint8(images):
    bounded = np.clip(images.numpy(), -1, 1)
    return torch.from_numpy(np.floor((bounded + 1) / 2 * 255 + 0.5).astype(np.uint8))


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **Cut off instead of rounded.** Even 0.1 followed by this does not give the bytes back: about
# a quarter of them return one too dark, because their numbers in float32 lie a hair below.


# %% tags=["mistake"] hint="truncated"
def to_uint8(images):
    return ((images + 1) * 127.5).clamp(0, 255).to(torch.uint8)


# %% [markdown] tags=["mistake"]
# **Nothing is clamped.** A whole number that does not fit into a byte loses its higher bits: 258
# becomes 2.


# %% tags=["mistake"] hint="wraps"
def to_uint8(images):
    return ((images + 1) * 127.5).round().int().to(torch.uint8)


# %% [markdown] tags=["mistake"]
# **Scaled twice.** The interval [-1, 1] is 2 wide, and times 255 it reaches 510.


# %% tags=["mistake"] hint="double-scale"
def to_uint8(images):
    return ((images + 1) * 255).round().clamp(0, 255).to(torch.uint8)


# %% [markdown] tags=["mistake"]
# **The other convention.** Many libraries keep images in [0, 1]. Here the darker half of every
# image turns black.


# %% tags=["mistake"] hint="range-0-1"
def to_uint8(images):
    return (images * 255).round().clamp(0, 255).to(torch.uint8)


# %% [markdown] tags=["mistake"]
# **Work in place.** A name that ends in an underscore changes the tensor itself. Whoever made
# these images finds them 1 brighter.


# %% tags=["mistake"] hint="input-changed"
def to_uint8(images):
    return images.add_(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


# %% [markdown]
# ### Exercise 0.3 (one star). A black frame
#
# The images of Fashion-MNIST have 28 rows and 28 columns. A generator that doubles its size at
# each step, from 4, reaches 8, 16 and 32. So the course gives the images a frame: 32 rows and 32
# columns, with the original in the middle.
#
# - In: `images`, float32, shape (N, C, 28, 28), in [-1, 1].
# - Out: float32, shape (N, C, 32, 32). The original pixels are unchanged and centred, and the
#   new ones are black.


# %%
def pad_to_32(images: torch.Tensor) -> torch.Tensor:
    """Put a black frame around the images: (N, C, 28, 28) -> (N, C, 32, 32)."""
    ### BEGIN SOLUTION
    return F.pad(images, [2, 2, 2, 2], value=-1.0)
    ### END SOLUTION


# %%
checks.pad_to_32(pad_to_32)

# %% [markdown] tags=["solution"]
# `F.pad` counts sides from the last axis: left, right, top, bottom. Its default value is 0,
# which is black for bytes and mid-grey here.


# %% tags=["alternative"]
def pad_to_32(images):
    framed = images.new_full((*images.shape[:2], 32, 32), -1.0)
    framed[:, :, 2:-2, 2:-2] = images
    return framed


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **A grey frame.** Right for bytes, wrong after exercise 0.1.


# %% tags=["mistake"] hint="grey"
def pad_to_32(images):
    return F.pad(images, [2, 2, 2, 2])


# %% [markdown] tags=["mistake"]
# **Four on one side.** The size is right, and the image is not in the middle.


# %% tags=["mistake"] hint="one-sided"
def pad_to_32(images):
    return F.pad(images, [0, 4, 0, 4], value=-1.0)


# %% [markdown] tags=["mistake"]
# **Four on each side.** Four rows are missing altogether, not above and again below.


# %% tags=["mistake"] hint="size"
def pad_to_32(images):
    return F.pad(images, [4, 4, 4, 4], value=-1.0)


# %% [markdown] tags=["mistake"]
# **Resized.** Each new pixel is a mixture of old ones. A sharp generator would be compared with
# blurred data.


# %% tags=["mistake"] hint="resized"
def pad_to_32(images):
    return F.interpolate(images, size=(32, 32), mode="bilinear")


# %% [markdown] tags=["mistake"]
# **The edge repeated.** A good choice for photographs. A sleeve that touches the edge would grow
# longer.


# %% tags=["mistake"] hint="border"
def pad_to_32(images):
    return F.pad(images, [2, 2, 2, 2], mode="replicate")


# %% [markdown]
# ### Exercise 0.4 (two stars). The batches of one epoch
#
# Training takes a batch of B images at a time. An *epoch* is one pass through the N images in
# shuffled order. Write the function that lists its batches.
#
# - In: `count`, the number N of images; `batch`, the number B of images in a batch, at most N;
#   `seed` and `epoch`, whole numbers from 0.
# - Out: a list of int64 tensors of shape (B,), which hold indices from 0 to N - 1. No index
#   occurs twice. Every batch is full: what remains at the end of the epoch, fewer than B images,
#   is left out.
# - The same seed and epoch always give the same list. Another epoch or another seed gives another
#   order. In particular, epoch 1 of seed 0 must not repeat epoch 0 of seed 1.
# - Draw from a generator of your own. The global one, which `torch.manual_seed` sets, belongs to
#   the rest of the program.


# %%
def epoch_batches(count: int, batch: int, seed: int, epoch: int) -> list[torch.Tensor]:
    """List the batches of one epoch: `count // batch` tensors of indices, each (B,)."""
    ### BEGIN SOLUTION
    order = np.random.default_rng((seed, epoch)).permutation(count)
    full = count // batch * batch
    return list(torch.from_numpy(order[:full].astype(np.int64)).split(batch))
    ### END SOLUTION


# %%
checks.epoch_batches(epoch_batches)

# %% [markdown] tags=["solution"]
# NumPy's `default_rng` takes a pair as its seed and mixes it well, so no two pairs meet. Shuffle
# all N images first and cut off the rest afterwards: then it is a different rest each time.
#
# The second answer uses torch, which takes one number as its seed. It makes one of the pair with
# a factor larger than any number of epochs.


# %% tags=["alternative"]
def epoch_batches(count, batch, seed, epoch):
    random = torch.Generator().manual_seed(seed * 1_000_000 + epoch)
    order = torch.randperm(count, generator=random)
    return [order[start : start + batch] for start in range(0, count - batch + 1, batch)]


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **With replacement.** Each batch is drawn from all images again. Some come three times in an
# epoch and many do not come at all.


# %% tags=["mistake"] hint="replacement"
def epoch_batches(count, batch, seed, epoch):
    random = torch.Generator().manual_seed(seed * 1_000_000 + epoch)
    return [torch.randint(count, (batch,), generator=random) for _ in range(count // batch)]


# %% [markdown] tags=["mistake"]
# **The same order each epoch.** The generator is made anew for each epoch with the same seed.


# %% tags=["mistake"] hint="same-order"
def epoch_batches(count, batch, seed, epoch):
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    return list(order[: count // batch * batch].split(batch))


# %% [markdown] tags=["mistake"]
# **The short batch is kept.** `split` gives the rest as a batch of its own.


# %% tags=["mistake"] hint="short-batch"
def epoch_batches(count, batch, seed, epoch):
    random = torch.Generator().manual_seed(seed * 1_000_000 + epoch)
    return list(torch.randperm(count, generator=random).split(batch))


# %% [markdown] tags=["mistake"]
# **Nothing is seeded.** Every call continues where the last one left the global generator.


# %% tags=["mistake"] hint="unseeded"
def epoch_batches(count, batch, seed, epoch):
    return list(torch.randperm(count)[: count // batch * batch].split(batch))


# %% [markdown] tags=["mistake"]
# **The wrong generator is seeded.** The list is right, and everything else in the program that
# draws at random now repeats itself every epoch.


# %% tags=["mistake"] hint="global-seed"
def epoch_batches(count, batch, seed, epoch):
    torch.manual_seed(seed * 1_000_000 + epoch)
    return list(torch.randperm(count)[: count // batch * batch].split(batch))


# %% [markdown] tags=["mistake"]
# **Seed plus epoch.** A sum forgets its parts: 0 + 1 is 1 + 0.


# %% tags=["mistake"] hint="colliding-seeds"
def epoch_batches(count, batch, seed, epoch):
    random = torch.Generator().manual_seed(seed + epoch)
    return list(torch.randperm(count, generator=random)[: count // batch * batch].split(batch))


# %% [markdown] tags=["mistake"]
# **Cut before shuffling.** The last images of the data set are never seen, in any epoch.


# %% tags=["mistake"] hint="same-dropped"
def epoch_batches(count, batch, seed, epoch):
    random = torch.Generator().manual_seed(seed * 1_000_000 + epoch)
    return list(torch.randperm(count // batch * batch, generator=random).split(batch))


# %% [markdown] tags=["mistake"]
# **Batches shuffled, not images.** Neighbours in the data set stay together for ever.


# %% tags=["mistake"] hint="unshuffled"
def epoch_batches(count, batch, seed, epoch):
    batches = torch.arange(count // batch * batch).split(batch)
    random = torch.Generator().manual_seed(seed * 1_000_000 + epoch)
    return [batches[i] for i in torch.randperm(len(batches), generator=random)]


# %% [markdown]
# ### Exercise 0.5 (two stars). The mean image
#
# The simplest summary of a data set is its mean image: at each pixel, the mean over all images
# of the byte there. Write the function that returns it, and the mean image of each class.
#
# - In: `images`, uint8, shape (N, C, H, W); `labels`, int64, shape (N,), classes from 0 to 9.
#   Each class occurs at least once, not all equally often.
# - Out: a pair. First the mean of all images, float32, shape (C, H, W). Then the means of the
#   classes in their order, float32, shape (10, C, H, W). Both are in grey levels from 0 to 255,
#   not rounded.


# %%
def mean_images(images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean image (C, H, W) and those of the classes, (10, C, H, W)."""
    ### BEGIN SOLUTION
    numbers = images.float()
    classes = [numbers[labels == label].mean(dim=0) for label in range(10)]  # each (C, H, W)
    return numbers.mean(dim=0), torch.stack(classes)
    ### END SOLUTION


# %%
checks.mean_images(mean_images)

# %% [markdown] tags=["solution"]
# The bytes are made floats before anything is added; torch takes no mean of bytes at all, and
# stops with an error. `mean(dim=0)` removes the first axis, the one that counts images.
#
# The second answer has no loop. Row k of a (10, N) matrix marks the images of class k, and a
# matrix product adds them up.


# %% tags=["alternative"]
def mean_images(images, labels):
    member = F.one_hot(labels, 10).T.double()  # (10, N)
    sums = member @ images.flatten(1).double()  # (10, C*H*W)
    classes = sums / member.sum(dim=1, keepdim=True)
    shape = images.shape[1:]
    mean = sums.sum(dim=0) / len(images)
    return mean.reshape(shape).float(), classes.reshape(10, *shape).float()


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The wrong axis.** Axis 1 counts channels, so this turns colour images into grey ones and
# averages nothing else.


# %% tags=["mistake"] hint="axis"
def mean_images(images, labels):
    numbers = images.float()
    classes = [numbers[labels == label].mean(dim=0) for label in range(10)]
    return numbers.mean(dim=1), torch.stack(classes)


# %% [markdown] tags=["mistake"]
# **The sum.** It looks like the mean if the plotting function chooses its own grey scale.


# %% tags=["mistake"] hint="sum"
def mean_images(images, labels):
    numbers = images.float()
    classes = [numbers[labels == label].sum(dim=0) for label in range(10)]
    return numbers.sum(dim=0), torch.stack(classes)


# %% [markdown] tags=["mistake"]
# **Whole grey levels.** `//` drops the fraction.


# %% tags=["mistake"] hint="integers"
def mean_images(images, labels):
    classes = [images[labels == k].sum(dim=0) // (labels == k).sum() for k in range(10)]
    return images.sum(dim=0).float() / len(images), torch.stack(classes).float()


# %% [markdown] tags=["mistake"]
# **Added up in bytes.** A running total in a byte starts again at 0 after 255.


# %% tags=["mistake"] hint="byte-overflow"
def mean_images(images, labels):
    totals = torch.zeros(10, *images.shape[1:], dtype=torch.uint8).index_add(0, labels, images)
    counts = torch.bincount(labels, minlength=10)[:, None, None, None]
    return images.float().mean(dim=0), totals / counts


# %% [markdown] tags=["mistake"]
# **Labels ignored.** Ten copies of the mean image.


# %% tags=["mistake"] hint="ignores-labels"
def mean_images(images, labels):
    mean = images.float().mean(dim=0)
    return mean, mean.repeat(10, 1, 1, 1)


# %% [markdown] tags=["mistake"]
# **Divided by all.** The images of other classes count as black ones.


# %% tags=["mistake"] hint="wrong-count"
def mean_images(images, labels):
    numbers = images.float()
    mine = [(labels == label).float()[:, None, None, None] for label in range(10)]
    return numbers.mean(dim=0), torch.stack([(numbers * m).mean(dim=0) for m in mine])


# %% [markdown] tags=["mistake"]
# **The mean of means.** Equal to the mean only if all classes are equally large. In Fashion-MNIST
# they are, so nobody would notice there.


# %% tags=["mistake"] hint="mean-of-means"
def mean_images(images, labels):
    classes = torch.stack([images[labels == k].float().mean(dim=0) for k in range(10)])
    return classes.mean(dim=0), classes


# %% [markdown]
# Now on the real test images. What do you expect to see where garments of one class differ?

# %%
garments = data.load_images("fashion-mnist", "test")
mean, classes = mean_images(garments.images, garments.labels)
plotting.image_grid(
    torch.cat([mean[None], classes]) / 127.5 - 1,
    columns=6,
    titles=["all", *garments.classes],
    alt="Mean images: of all garments a blurred upper body, of each class a blurred outline in "
    "which trousers, shoes and bags are easily told apart.",
)

# %% [markdown]
# **Figure E0.1.** The mean of all 10,000 test images, and of each class. Where garments agree,
# the mean is sharp, as between the legs of trousers; where they differ, it is grey. No single
# garment looks like its mean. Lesson 01 asks what that says about generating images.

# %% [markdown]
# ### Exercise 0.6 (two stars). Is this data set what it says?
#
# A result rests on its data. The SHA-256 digest of a file is a number of 256 bits, written as 64
# hexadecimal digits. If one bit of the file changes, about half of the digest's bits change, and
# nobody knows how to make a second file with the same digest. So whoever publishes data publishes
# the digest as well.
#
# Write the function that says whether some bytes are what was published.
#
# - In: `content`, bytes; `expected`, text, the published digest. It counts as a digest only if it
#   is whole, in small or capital letters.
# - Out: `True` if the SHA-256 of the content is the expected one, else `False`.
#
# Python's `hashlib` computes digests.


# %%
def is_intact(content: bytes, expected: str) -> bool:
    """Say whether the SHA-256 of the content is the expected one, 64 hexadecimal digits."""
    ### BEGIN SOLUTION
    return hashlib.sha256(content).hexdigest() == expected.lower()
    ### END SOLUTION


# %%
checks.is_intact(is_intact)

# %% [markdown] tags=["solution"]
# `hexdigest` writes small letters, so the expected digest is made small too.
#
# The second answer compares the 32 bytes of the digests. `bytes.fromhex` reads both small and
# capital letters, and refuses text that is not hexadecimal.


# %% tags=["alternative"]
def is_intact(content, expected):
    try:
        wanted = bytes.fromhex(expected)
    except ValueError:
        return False
    return hashlib.sha256(content).digest() == wanted


# %% [markdown] tags=["mistake"]
# #### What goes wrong
#
# **The text of the bytes.** `str(content)` is Python's way of showing bytes, with a `b`, quotes
# and backslashes. `sha256` takes bytes only; the way to please it is not to make a text first.


# %% tags=["mistake"] hint="text"
def is_intact(content, expected):
    return hashlib.sha256(str(content).encode("utf-8")).hexdigest() == expected.lower()


# %% [markdown] tags=["mistake"]
# **A part of the digest.** Eight digits are enough to tell files of one folder apart, and not
# enough to trust one.


# %% tags=["mistake"] hint="prefix"
def is_intact(content, expected):
    return hashlib.sha256(content).hexdigest()[:8] == expected.lower()[:8]


# %% [markdown] tags=["mistake"]
# **As far as it goes.** `zip` stops at the end of the shorter one, so an empty digest fits all.


# %% tags=["mistake"] hint="prefix"
def is_intact(content, expected):
    pairs = zip(hashlib.sha256(content).hexdigest(), expected.lower(), strict=False)
    return all(ours == theirs for ours, theirs in pairs)


# %% [markdown] tags=["mistake"]
# **Python's own hash.** It serves dictionaries, and gives another number in every process.


# %% tags=["mistake"] hint="python-hash"
def is_intact(content, expected):
    return format(hash(content), "064x") == expected.lower()


# %% [markdown] tags=["mistake"]
# **Capital letters.** Some systems print digests in capitals. The bytes are intact all the same.


# %% tags=["mistake"] hint="case"
def is_intact(content, expected):
    return hashlib.sha256(content).hexdigest() == expected


# %% [markdown]
# Now on the four files of Fashion-MNIST that come with the course, whose digests stand in a file
# beside them.

# %%
folder = sources.REPOSITORY / "datasets" / "fashion-mnist"
for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
    expected, name = line.split()
    print(name, "is intact:", is_intact((folder / name).read_bytes(), expected))
