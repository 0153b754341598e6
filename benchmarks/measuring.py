"""What several benchmarks measure with: distances, trainings with stops, and interleaved rates."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from benchmarks.summary import Nested
from course_lib import checkpoints, data, metrics, training
from course_lib.recipes import Recipe

COUNT = 10_000  # images that are compared: as many as there are test images
SAMPLE_SEED = 20_000  # of their latent vectors, apart from the seeds of training
EVERY = 32  # steps between two readings of a rate: two whole rounds of the lazy penalty
SLICES = 5  # of a round: a disturbance of the machine then meets every way alike

Generate = Callable[[Tensor], Tensor]


def plan_of(recipe: Recipe, device: torch.device, **more: object) -> Nested:
    """What is fixed for all repeats: the batch, the faster number format here, and more."""
    return {**more, "batch": recipe.batch, "dtype": training.faster_dtype(recipe, device)}


@torch.no_grad()
def sample(generate: Generate, latent: int, count: int, device: torch.device) -> Tensor:
    """`count` generated images, always from the same latent vectors: (count, C, H, W).

    Raises:
        FloatingPointError: if an image holds a number that is not finite.
    """
    images = metrics.sample_images(generate, latent, count, SAMPLE_SEED, device)
    if not images.isfinite().all():
        raise FloatingPointError("the generated images are not finite: training has diverged")
    return images


def distance_on(device: torch.device) -> Callable[[Generate, int], float]:
    """A function (generate, latent size) -> relative Fréchet distance of 10,000 images.

    The function raises FloatingPointError as `sample` does.
    """
    classifier, _ = checkpoints.load_classifier(device)
    test = data.load_images("fashion-mnist", "test", 32)
    distance = metrics.RelativeFrechet(classifier, data.normalise(test.images), device)

    return lambda generate, latent: distance(sample(generate, latent, COUNT, device))


def train(
    state: training.GanState, images: data.ImageSet, stops: Sequence[int], label: str
) -> Iterator[training.Record]:
    """Train to the end, and yield the first record at or after each stop.

    While nothing is yielded, a line a minute says how far training has come.

    Args:
        state: changed in place; its seconds do not grow while the caller measures.
        images: real images of the recipe's shape.
        stops: steps in increasing order, 1 to the recipe's; each is met by a record of its own.
        label: what is trained, for the lines.

    Raises:
        ValueError: if the stops do not increase.
        FloatingPointError: if a loss is no longer finite.
    """
    gaps = [stop - before for before, stop in itertools.pairwise((0, *stops))]
    if not gaps or min(gaps) < 1:
        raise ValueError(f"expected stops that increase from 1, got {list(stops)}")
    waiting, said, total = list(stops), time.perf_counter(), state.recipe.steps
    for record in training.train_gan(state, images, every=min([50, *gaps])):
        if time.perf_counter() - said > 60:
            said = time.perf_counter()
            left = (total - record.step) * record.seconds / record.step / 60
            print(f"  {label}: step {record.step} of {total}, {left:.0f} min left", flush=True)
        if waiting and record.step >= waiting[0]:
            waiting.pop(0)
            yield record


def run_for(steps: Iterator[int], seconds: float) -> tuple[int, float]:
    """Take training steps until so many seconds have passed.

    Args:
        steps: does some training each time it is advanced, and yields the images it took.
        seconds: at least one advance is made, however short.

    Returns:
        The images taken and the seconds spent, which are a few more than asked for.
    """
    seen, start = 0, time.perf_counter()
    while True:
        seen += next(steps)
        spent = time.perf_counter() - start
        if spent > seconds:
            return seen, spent


def course_steps(state: training.GanState, images: data.ImageSet) -> Iterator[int]:
    """The course's training, for `run_for`; losses are read every 32 steps."""
    for _ in training.train_gan(state, images, every=EVERY):
        yield EVERY * state.recipe.batch


def rates(ways: Mapping[str, Iterator[int]], round_number: int, seconds: float) -> dict[str, float]:
    """Images a second of each way to train, measured in turn for so many seconds in all.

    The ways take turns in short slices, and each slice begins with another way, so that none
    profits from its place.

    Returns:
        The rates in the order of `ways`.
    """
    names = list(ways)
    seen, spent = dict.fromkeys(names, 0), dict.fromkeys(names, 0.0)
    for part in range(SLICES):
        first = (round_number * SLICES + part) % len(names)
        for name in names[first:] + names[:first]:
            images, passed = run_for(ways[name], seconds / SLICES)
            seen[name] += images
            spent[name] += passed
    return {name: seen[name] / spent[name] for name in names}
