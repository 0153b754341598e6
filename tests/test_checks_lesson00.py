"""Tests of lesson 00's checks beyond the answers that its solution notebook shows."""

from __future__ import annotations

import hashlib
import random
import re

import numpy as np
import pytest
import torch

from course_lib import data
from course_lib.checks import CheckFailed
from course_lib.checks import lesson00 as checks


def by_one_number(count: int, batch: int, number: int) -> list[torch.Tensor]:
    return batches(torch.randperm(count, generator=torch.Generator().manual_seed(number)), batch)


def batches(order: torch.Tensor, batch: int) -> list[torch.Tensor]:
    return list(order[: len(order) // batch * batch].split(batch))


def shuffled(count: int, batch: int, seed: int, epoch: int) -> list[torch.Tensor]:
    own = torch.Generator().manual_seed(seed * 1000 + epoch)
    return batches(torch.randperm(count, generator=own), batch)


def means(images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    classes = [images[labels == label].float().mean(0) for label in range(10)]
    return images.float().mean(0), torch.stack(classes)


def intact(content: bytes, expected: str) -> bool:
    return hashlib.sha256(content).hexdigest() == expected.lower()


def framed(images: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.pad(images, [2, 2, 2, 2], value=-1.0)


RIGHT = {
    "normalise": data.normalise,
    "to_uint8": data.to_uint8,
    "pad_to_32": framed,
    "epoch_batches": shuffled,
    "mean_images": means,
    "is_intact": intact,
}


def curved(images: torch.Tensor) -> torch.Tensor:
    return (images.float() / 255) ** 2.2 * 2 - 1


def with_nan(images: torch.Tensor) -> torch.Tensor:
    return torch.where(images == 7, torch.nan, images.float() / 127.5 - 1)


def raised(images: torch.Tensor) -> torch.Tensor:
    return ((images + 1) * 127.5).ceil().clamp(0, 255).to(torch.uint8)


def mean_of_bytes(images: torch.Tensor, labels: torch.Tensor) -> tuple:
    return images.mean(0), images.mean(0)


def spoiling(images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    result = means(images, labels)
    labels.zero_()
    return result


# (exercise, answer, hint): mistakes that the notebook does not show.
WRONG = [
    ("normalise", lambda images: 1 - images / 127.5, "inverted"),
    ("normalise", lambda images: images / 100 - 1, "values"),
    ("normalise", curved, "values"),
    ("normalise", lambda images: images // 127.5 - 1, "whole-numbers"),
    ("normalise", lambda images: data.normalise(images).round(), "whole-numbers"),
    ("normalise", with_nan, "nan"),
    ("normalise", lambda images: data.normalise(images)[0], "shape"),
    ("normalise", lambda images: data.normalise(images).numpy(), "type"),
    ("to_uint8", raised, "values"),
    ("to_uint8", lambda images: (images + 1) * 127.5, "dtype"),
    ("pad_to_32", lambda images: framed(images).roll(1, dims=-1), "one-sided"),
    ("pad_to_32", lambda images: framed(images).transpose(-1, -2), "resized"),
    ("pad_to_32", lambda images: framed(images[:, :1]), "size"),
    ("pad_to_32", lambda images: framed(images).double(), "dtype"),
    ("epoch_batches", lambda n, b, s, e: batches(torch.arange(n), b), "unshuffled"),
    ("epoch_batches", lambda n, b, s, e: shuffled(n, b, 0, e), "ignores-seed"),
    ("epoch_batches", lambda n, b, s, e: [i + 1 for i in shuffled(n, b, s, e)], "range"),
    ("epoch_batches", lambda n, b, s, e: shuffled(n, b, s, e)[:-1], "lengths"),
    ("epoch_batches", lambda n, b, s, e: [i.tolist() for i in shuffled(n, b, s, e)], "type"),
    ("epoch_batches", lambda n, b, s, e: shuffled(n, b, s * e, s + e), "colliding-seeds"),
    ("epoch_batches", lambda n, b, s, e: by_one_number(n, b, 10 * s + e), "colliding-seeds"),
    ("epoch_batches", lambda n, b, s, e: by_one_number(n, b, 100 * s + e), "colliding-seeds"),
    ("mean_images", mean_of_bytes, "error"),
    ("mean_images", spoiling, "input-changed"),
    ("mean_images", lambda i, k: means(i, k)[0], "type"),
    ("mean_images", lambda i, k: tuple(one.half() for one in means(i, k)), "dtype"),
    ("mean_images", lambda i, k: tuple(one / 127.5 - 1 for one in means(i, k)), "values"),
    ("mean_images", lambda i, k: (means(i, k)[0], means(i, k)[1].flip(0)), "values"),
    ("is_intact", lambda content, expected: True, "prefix"),
    ("is_intact", lambda content, expected: False, "refuses-intact"),
    ("is_intact", lambda content, expected: None, "type"),
    (
        "is_intact",
        lambda content, expected: hashlib.sha256(content).hexdigest() in expected.lower(),
        "longer",
    ),
    ("is_intact", lambda content, expected: intact(content.decode(), expected), "error"),
    ("is_intact", lambda content, expected: intact(content[:999], expected), "refuses-intact"),
    *((name, "a text", "type") for name in RIGHT),
    *((name, lambda *given: None, "type") for name in RIGHT),
    *((name, lambda: None, "error") for name in RIGHT),
]


@pytest.mark.parametrize(("name", "answer", "hint"), WRONG)
def test_a_wrong_answer_is_refused_with_its_hint_in_three_sentences(name, answer, hint):
    with pytest.raises(CheckFailed) as refusal:
        getattr(checks, name)(answer)
    assert refusal.value.hint == hint
    message = str(refusal.value)
    assert message[0].isupper() and (hint == "error" or len(re.split(r"[.?] ", message)) <= 3)


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_passes_and_nothing_global_is_drawn(name, capsys):
    # The library's own functions among them: what is taught and what is kept must agree.
    legacy = np.random
    before = random.getstate(), repr(legacy.get_state()), torch.get_rng_state().tolist()
    getattr(checks, name)(RIGHT[name])
    after = random.getstate(), repr(legacy.get_state()), torch.get_rng_state().tolist()
    assert before == after
    assert capsys.readouterr().out == f"Exercise {name}: correct.\n"


def test_the_library_sampler_passes_as_epoch_batches():
    def answer(count, batch, seed, epoch):
        sampler = data.EpochSampler(count, batch, seed)
        steps = range(sampler.steps_per_epoch)
        return [sampler.indices(epoch * len(steps) + step) for step in steps]

    checks.epoch_batches(answer)


@pytest.mark.parametrize("message", ["Exercise 0.1: write your answer here.", ""])
@pytest.mark.parametrize("name", RIGHT)
def test_an_answer_not_yet_written_stays_a_not_implemented_error(name, message):
    def answer(*given):
        raise NotImplementedError(message)

    with pytest.raises(NotImplementedError):
        getattr(checks, name)(answer)


def test_the_wrong_generator_is_found_however_often_the_check_is_run():
    def answer(count, batch, seed, epoch):
        torch.manual_seed(seed * 1000 + epoch)
        return batches(torch.randperm(count), batch)

    with torch.random.fork_rng():
        for _ in range(3):
            with pytest.raises(CheckFailed) as refusal:
                checks.epoch_batches(answer)
            assert refusal.value.hint == "global-seed"


def test_damage_is_found_behind_a_digest_that_was_compared_whole():
    def answer(content, expected):
        # Reads the length and not the bytes, beyond the published examples.
        known = {0, 3}
        right = hashlib.sha256(content).hexdigest() if len(content) in known else None
        return expected.lower() == (right or seen.setdefault(len(content), expected.lower()))

    seen: dict[int, str] = {}
    with pytest.raises(CheckFailed) as refusal:
        checks.is_intact(answer)
    assert refusal.value.hint == "accepts-damage"
