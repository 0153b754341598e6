"""Checks for the second half of lesson 00's exercises: batches, mean images and digests."""

from __future__ import annotations

import hashlib
import random
from itertools import product
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from course_lib.checks import fail, passed
from course_lib.checks.answers import Answer, asked, close, described, generator, random_bytes

CLASSES = 10
#: Published digests (FIPS 180-4 examples, and of nothing): they do not come from this computer.
KNOWN = {
    b"abc": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    b"": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
}


def epoch_batches(answer: Answer) -> None:
    """Exercise 0.4: the index batches of one epoch."""
    first = _order(answer, 23, 5, 0, 0)
    if not torch.equal(first, _order(answer, 23, 5, 0, 0)):
        fail(
            "unseeded",
            "Asked twice for the same seed and epoch, you give two different orders. A run that "
            "cannot be repeated cannot be debugged, and no checkpoint can continue it.",
        )
    states = {_random_states()}
    for seed in (0, 1):  # two, because seeding again with the same number changes nothing
        _order(answer, 23, 5, seed, 0)
        states.add(_random_states())
    if len(states) > 1:
        fail(
            "global-seed",
            "Your function changes the state of a random generator that the whole program shares. "
            "Whatever is drawn next, such as noise or initial weights, then depends on how many "
            "batches were made. Use a generator of your own.",
        )
    # The last two refuse 10 * seed + epoch and 100 * seed + epoch.
    pairs = [*product(range(4), repeat=2), (0, 10), (0, 100)]
    orders = {pair: _order(answer, 23, 5, *pair) for pair in pairs}
    alike = [
        (one, two) for one, two in product(pairs, repeat=2) if one < two
        and torch.equal(orders[one], orders[two])
    ]  # fmt: skip
    same_seed = [pair for pair in alike if pair[0][0] == pair[1][0]]
    same_epoch = [pair for pair in alike if pair[0][1] == pair[1][1]]
    if same_seed:
        fail(
            "same-order",
            "Epochs 0 and 1 of one seed bring the images in the same order. An image then meets "
            "the same companions each time, and the gradients repeat their errors.",
        )
    if same_epoch:
        fail("ignores-seed", "Seeds 0 and 1 give the same order. Your answer ignores the seed.")
    if alike:
        (one, epoch), (two, later) = alike[0]
        fail(
            "colliding-seeds",
            f"Seed {one} in epoch {epoch} repeats the order of seed {two} in epoch {later}. Runs "
            "with neighbouring seeds would then share most of their data order, and their spread "
            "would look smaller than it is.",
        )
    missed = set(range(23)) - set(torch.cat([orders[pair] for pair in pairs[:16]]).tolist())
    if missed:
        fail(
            "same-dropped",
            f"In 16 epochs image {min(missed)} never came. Only the images that fall into the "
            "short batch may be left out, and which ones those are must change.",
        )
    for count, batch in ((24, 6), (5, 5), (7, 1)):
        _order(answer, count, batch, 3, 1)
    passed("epoch_batches")


def _order(answer: Answer, count: int, batch: int, seed: int, epoch: int) -> Tensor:
    """One epoch's indices in a row, after the checks that every epoch must pass."""
    case = f"For {count} images in batches of {batch}"
    result = asked(answer, count, batch, seed, epoch)
    if not isinstance(result, list | tuple) or not all(
        isinstance(one, Tensor) and one.dtype == torch.int64 and one.ndim == 1 for one in result
    ):
        fail(
            "type", f"A list of int64 tensors of shape (B,) is asked for, got {described(result)}."
        )
    lengths, full = [len(one) for one in result], [batch] * (count // batch)
    if count % batch and lengths == [*full, count % batch]:
        fail(
            "short-batch",
            f"{case} your last batch has {lengths[-1]}. Batch normalisation and the loss are then "
            "taken over fewer images, and this step weighs each of them more.",
        )
    if lengths != full:
        fail("lengths", f"{case} you give batches of lengths {lengths}; expected {full}.")
    order = torch.cat(list(result))
    if order.min() < 0 or order.max() >= count:
        fail("range", f"{case} your indices run from {order.min()} to {order.max()}.")
    if len(order.unique()) < len(order):
        fail(
            "replacement",
            f"{case} an index comes twice in one epoch. You draw with replacement: on average "
            "more than a third of the images are then missed in each epoch.",
        )
    if batch > 1 and all((one.sort().values.diff() == 1).all() for one in result) and count > batch:
        fail(
            "unshuffled",
            f"{case} each batch holds neighbouring images of the data set. If the set is sorted "
            "by class, a batch sees one class only. Shuffle the images, not the batches.",
        )
    return order


def mean_images(answer: Answer) -> None:
    """Exercise 0.5: the mean image, and that of each class."""
    for seed, channels in ((5, 1), (6, 3)):
        counts = torch.arange(CLASSES) % 4 + 1  # classes of different sizes
        order = torch.randperm(int(counts.sum()), generator=generator(seed))
        labels = torch.arange(CLASSES).repeat_interleave(counts)[order]
        images = random_bytes(0, 256, (len(labels), channels, 4, 5), seed)
        result = asked(answer, images, labels)
        if not isinstance(result, list | tuple) or len(result) != 2:
            fail("type", f"A pair (mean, class means) is asked for, got {described(result)}.")
        # The oracle: sums in whole numbers, one image at a time.
        sums = np.zeros((CLASSES, *images.shape[1:]), dtype=np.int64)
        for image, label in zip(images.numpy(), labels.tolist(), strict=True):
            sums[label] += image
        overall = torch.from_numpy(sums.sum(0) / len(labels))
        each = torch.from_numpy(sums).double() / counts[:, None, None, None]
        mean, classes = (
            _mean(name, one, wanted)
            for name, one, wanted in zip(NAMES, result, (overall, each), strict=True)
        )
        _judge_means(mean, classes, overall, each, counts)
    passed("mean_images")


NAMES = ("The mean image", "The stack of class means")


def _mean(name: str, got: Any, wanted: Tensor) -> Tensor:
    if not isinstance(got, Tensor):
        fail("type", f"{name} must be a tensor, got {described(got)}.")
    if got.shape != wanted.shape:
        fail(
            "axis",
            f"{name} has shape {tuple(got.shape)}; {tuple(wanted.shape)} is asked for. A mean over "
            "images removes the axis that counts images, and no other.",
        )
    whole = not got.is_floating_point() or torch.equal(got, got.round())
    if whole and (got - wanted).abs().max() < 300:
        fail(
            "integers",
            f"{name} holds whole numbers only. The mean of bytes lies between the bytes: add in a "
            "type that cannot overflow, and divide without rounding.",
        )
    if got.dtype not in (torch.float32, torch.float64):
        fail("dtype", f"{name} is of type {got.dtype}; float32 is asked for.")
    return got.double()


def _judge_means(mean: Tensor, classes: Tensor, overall: Tensor, each: Tensor, counts: Tensor):
    sizes = counts[:, None, None, None]
    if _alike(mean, overall * counts.sum()) or _alike(classes, each * sizes):
        fail(
            "sum",
            "Your image holds grey levels far above 255. That is the sum over the images: it grows "
            "with their number, and a mean does not.",
        )
    if _alike(mean, each.mean(0)):
        fail(
            "mean-of-means",
            "Your mean image is the mean of the ten class means. That counts a class with one "
            "image as much as a class with four.",
        )
    close(mean, overall, "The mean image is wrong")
    if _alike(classes, overall.expand_as(each)):
        fail(
            "ignores-labels",
            "All ten of your class means are the same image, the mean of everything. The labels "
            "say which images belong to a class.",
        )
    if _alike(classes, each * sizes / counts.sum()):
        fail(
            "wrong-count",
            "Your class means are too dark: each is divided by the number of all images. A class "
            "mean is a sum over the images of the class, divided by how many those are.",
        )
    if _alike(classes, (each * sizes).round() % 256 / sizes):
        fail(
            "byte-overflow",
            "Your sums start again at 0 after 255, so classes of many images come out too dark. "
            "A total that is kept in bytes cannot grow beyond a byte.",
        )
    close(classes, each, "A class mean is wrong")


def is_intact(answer: Answer) -> None:
    """Exercise 0.6: whether bytes have the expected SHA-256."""
    noise = bytes(random_bytes(0, 256, (1000,), seed=7).tolist())
    digests = KNOWN | {noise: hashlib.sha256(noise).hexdigest()}
    if any(not _says(answer, content, digest) for content, digest in digests.items()):
        _explain_refusal(answer, digests)
    for content, digest in digests.items():
        for place in (0, 7, 8, 20, 63):
            other = "0" if digest[place] != "0" else "1"
            if _says(answer, content, digest[:place] + other + digest[place + 1 :]):
                _refuse_part(f"I changed digit {place + 1} of 64 in the expected digest")
        if any(_says(answer, content, digest[:length]) for length in (0, 8, 63)):
            _refuse_part("I cut the expected digest short")
        if _says(answer, content, digest + "0"):
            fail(
                "longer",
                "I added a digit to the expected digest, and you still say that they match. A "
                "digest has 64 digits: compare the whole texts.",
            )
    damaged = bytes([noise[0] ^ 1]) + noise[1:]
    if _says(answer, damaged, digests[noise]):
        fail("accepts-damage", "I changed one bit of the content and you call it intact.")
    if not all(_says(answer, content, digest.upper()) for content, digest in digests.items()):
        fail(
            "case",
            "The same digest in capital letters is refused. Some programs print a to f in "
            "capitals, and both forms mean the same number.",
        )
    passed("is_intact")


class _Watched(bytes):
    """Bytes that notice when Python's hash() is called on them."""

    hashed = False

    def __hash__(self) -> int:
        self.hashed = True
        return super().__hash__()


def _explain_refusal(answer: Answer, digests: dict[bytes, str]) -> NoReturn:
    watched = _Watched(b"abc")
    if not _says(answer, watched, KNOWN[b"abc"]) and watched.hashed:
        fail(
            "python-hash",
            "Your answer calls hash(), which serves dictionaries: it has 64 bits and is salted "
            "anew in every Python process. It cannot be compared with a published SHA-256.",
        )
    for content in digests:
        for text in (str(content), repr(content)[2:-1], content.hex()):
            # The text of b"abc" may well be "abc", whose bytes are the content.
            digest = hashlib.sha256(text.encode()).hexdigest()
            if text.encode() != content and _says(answer, content, digest):
                fail(
                    "text",
                    "You hash a text that describes the bytes, quotes and backslashes included, "
                    "and not the bytes. No other program gets that digest.",
                )
    fail("refuses-intact", "You refuse content whose SHA-256 is exactly the expected one.")


def _refuse_part(change: str) -> NoReturn:
    fail(
        "prefix",
        f"{change}, and you still say that they match. A part of a digest can be met by trying: "
        "8 digits take about four thousand million attempts, minutes of work for one computer.",
    )


def _says(answer: Answer, content: bytes, expected: str) -> bool:
    result = asked(answer, content, expected)
    if not isinstance(result, bool):
        fail("type", f"True or False is asked for, got {described(result)}.")
    return result


def _alike(got: Tensor, wanted: Tensor) -> bool:
    return torch.allclose(got, wanted, rtol=1e-4, atol=1e-3)


def _random_states() -> tuple[Any, ...]:
    legacy = np.random  # NumPy's global generator: a student's answer may well use it
    name, keys, *rest = legacy.get_state()
    return random.getstate(), name, keys.tobytes(), *rest, torch.get_rng_state().numpy().tobytes()
